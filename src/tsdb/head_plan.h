// head_plan.h: the samples of a commit that were found good, between their check and the moment
// when readers see them.
//
// Threads: owned by the turn.
#ifndef TSDB_HEAD_PLAN_H
#define TSDB_HEAD_PLAN_H

#include "base/buf.h"
#include "tsdb/box.h"
#include "tsdb/metric_tally.h"

// A sample that was found good. Threads: owned by the turn.
struct head_write {
    i64 t;
    f64 value; // A planned reference until the plan is applied, if it is a box.
    i64 t_was;
    f64 v_was;
    u32 ordinal;
    u32 older; // Index + 1 of the same series' write before, in the plan.
    u32 group; // Of the series, index + 1; 0 = none.
    bool late;
};

// The order of rows in the log.
static inline int head_write_order(const struct head_write *x, const struct head_write *y)
{
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (x->t != y->t) {
        return x->t < y->t ? -1 : 1;
    }
    return (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}
// head_write_order is not above zero. Mostly both are of one row.
static inline bool head_write_follows(const struct head_write *x, const struct head_write *y)
{
    return x->group == y->group && x->t == y->t ? x->ordinal <= y->ordinal
                                                : head_write_order(x, y) < 0;
}
// Has no row: late, or of no group.
static inline bool head_write_single(const struct head_write *w)
{
    return w->late || w->group == 0;
}

// A box that a write may refer to. Threads: owned by the turn.
struct head_box {
    size_t at; // In the plan's bytes.
    size_t len;
    f64 kept; // The reference into its window's store, once it is there.
};

// Threads: owned by the turn.
struct head_plan {
    struct head_write *writes;
    u32 n;
    u32 cap;
    i64 t_max;   // Of the writes; of no meaning without any, as the next.
    bool strewn; // Some have no row in the log, or stand before the one before (head_write_order).
    i64 from;    // Times in [from, to) are not too old, and their window is there. Found last.
    i64 to;
    struct buf bytes; // Of boxes.
    struct head_box *boxes;
    u32 box_count;
    u32 box_cap;
    struct metric_tally
        late; // How many seconds samples came behind the newest of all, kept or not.
};
void head_plan_init(struct head_plan *p, size_t box_bytes_max);
void head_plan_fini(struct head_plan *p);
// A reference for head_check; false: more than box_bytes_max in one plan.
bool head_plan_box(struct head_plan *p, const struct box *b, f64 *ref) MUST_USE;
static inline str head_plan_bytes(const struct head_plan *p, f64 ref)
{
    const struct head_box *b = &p->boxes[box_index(ref)];
    return (str){p->bytes.bytes + b->at, b->len};
}

#endif
