// slots.h: label sets numbered as they come: groups, joins and merged series are found once, here.
//
// slots_put O(labels) expected. Memory: one pair of items per slot; texts stay borrowed.
// Threads: owned by the run.
#ifndef PROMQL_SLOTS_H
#define PROMQL_SLOTS_H

#include "base/map.h"
#include "model/labels.h"

struct run;

#define SLOT_NONE UINT32_MAX

struct slots {
    struct labels *labels; // By slot.
    u32 count;
    u32 cap;
    struct map map;
};

// Freed with the run: s itself must live in its memory.
void slots_init(struct slots *s, struct run *r);
// The slot of this label set, made if new; SLOT_NONE when the run's memory is used up.
// The items are copied, their texts are not.
u32 slots_put(struct slots *s, struct run *r, struct labels ls);
u32 slots_get(const struct slots *s, struct labels ls); // SLOT_NONE if absent.

#endif
