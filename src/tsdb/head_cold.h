// head_cold.h: idle series that leave a shard before their window is cut, for a block of their own.
//
//   pick: idle, old enough ─► its end is noted ─► a block holds it (block_cut.h) ─► forget: gone
//        └ from here on nothing up to its end is taken for it      └ who woke meanwhile stays
//   comes back: a new row that takes up where the series ended (ROW_COLD), until its first sample
// Invariants:
//   (I1) What is in the head of a series that was picked and is still as it was (head_cold_still)
//        are its samples up to its end: all there are.
// Cost: count and pick O(rows), forget O(series × labels). Threads: as struct head.
#ifndef TSDB_HEAD_COLD_H
#define TSDB_HEAD_COLD_H

#include "tsdb/head.h"

// Threads: owned by the step.
struct cold_series {
    u32 ordinal; // MAP_NONE: it woke, and stays.
    u32 generation;
    i64 t_end;
};
struct cold_list {
    struct cold_series *items;
    u32 n;
    u32 cap;
};
void cold_list_fini(struct cold_list *l);

// Which idle series may leave: those whose last sample is older. Threads: a value.
struct cold_rule {
    i64 ended_before;  // Of those that ended in a staleness marker.
    i64 silent_before; // Of the others.
};
// By slices of the lock; in between things may change.
u32 head_cold_count(struct head *h, const struct cold_rule *rule);
void head_cold_pick(struct head *h, const struct cold_rule *rule, struct cold_list *out);
// With the lock: nothing came for it since.
bool head_cold_still(const struct head *h, const struct cold_series *s);
// Takes the turn by slices; no reader is left that does not have their blocks. segment: as of
// head_collect. Returns how many left.
u32 head_cold_forget(struct head *h, const struct cold_list *l, u64 segment);

// Of tenant and labels, as of struct head_end.
u64 head_key_check(struct tenant_id tenant, struct labels set);
// With the turn and the lock, of a row just made: it ended before, perhaps.
void head_end_take(struct head *h, u32 ordinal);
// The same of all rows, as an image brings them: what blocks hold of them goes.
void head_ends_take(struct head *h);
// With the turn: whether a cold block answers for the series at that time.
bool head_end_covers(const struct head *h, u32 ordinal, i64 t);
// With the turn: t_last, or where it ended if that is later, which only is before h->t_short.
i64 head_end_of(const struct head *h, u32 ordinal, i64 t_last);
// Of the replay, once the ends are there: the log was read without them, so that rows are short of
// them where it has lost something.
void head_ends_short(struct head *h);

// Nothing of it is in the head: what t_last says, if anything, is of a block.
static inline bool head_row_bare(const struct head_row *r)
{
    return r->t_last == T_NEVER || (r->open.flags & ROW_COLD);
}

#endif
