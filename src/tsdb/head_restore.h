// head_restore.h: series that come back with the parts of their labels, as a head image has them,
// so that nothing of a series but its places in the table, the map and the sets is made anew.
//
// Cost: a target O(labels); a series O(1), and O(labels) for its places in sets.
// (I1) A pair of a name and a value without series is given up with the last part that names it,
// even if other parts name it whose series are in no set yet.
// Threads: open, before anybody else sees the head; head_restore_sets by any of its threads.
#ifndef TSDB_HEAD_RESTORE_H
#define TSDB_HEAD_RESTORE_H

#include "base/base.h"
#include "model/labels.h"
#include "model/sample.h"

struct head;

// Room for so many series in so many slots, so that the table and the map do not grow by and by:
// the table stands still until a higher slot is used.
void head_restore_reserve(struct head *h, u32 series, u32 slots);

// As head_restore, of a series that is to be new and whose row follows: head_ends_take comes after
// all rows. Other rows are not looked at. false: it is there already, or the slot is taken, or a
// limit refuses.
bool head_restore_new(struct head *h, struct tenant_id tenant, struct labels set,
                      u32 ordinal) MUST_USE;

// Holds one reference of its part; the group has no series yet. Threads: owned by open.
struct head_target {
    u32 part;
    u32 group; // Index + 1.
};
// false: the set belongs to no column group, or there is no room for it.
bool head_restore_target(struct head *h, struct tenant_id tenant, struct labels set,
                         struct head_target *out) MUST_USE;
// The part of a series that is not its target's: items at the positions (of the whole set) that are
// not in mask. With one reference; PART_NONE if there is no room.
u32 head_restore_own(struct head *h, const struct label *items, u32 n, u64 mask);
void head_restore_drop(struct head *h, u32 part); // The reference.

// Series of one target. Threads: owned by the call.
struct head_restored_run {
    struct tenant_id tenant;
    struct head_target target;
    u32 n;
    const u32 *ordinals; // Rising.
    const u32 *owns;
    const u64 *hashes; // labels_hash of each.
};
// They are in no set yet. false: an ordinal is taken, or a series is there already.
bool head_restore_run(struct head *h, const struct head_restored_run *run) MUST_USE;
// Once, after all runs: their series into the sets of their labels. Until then no part of labels
// may lose its last series (I1). It looks at labels alone, so that rows may take samples meanwhile.
void head_restore_sets(struct head *h);

#endif
