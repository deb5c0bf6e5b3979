// op_unique.c: what becomes of series that are equal once an operation has taken labels away.
//
// Nothing to do is by far the most common case: then columns pass through. Else all columns are
// pulled and equal series become one, or the query fails: never is one of them silently chosen.
#include "promql/ops.h"
#include "promql/query_run.h"
#include "promql/slots.h"

// Threads: owned by the run.
struct op_unique {
    struct op base;
    struct op *child;
    enum unique_rule rule;
    bool strip_names; // End of delayed name removal.
    struct slots slots;
    u32 *slot_of; // By the child's series; NULL if all are different.
    struct column *merged;
};

static struct op_unique *unique_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_unique, base);
}

static bool fail_same(struct run *r)
{
    return run_fail(r, ERR_EXISTS, "vector cannot contain metrics with the same labelset");
}

static bool strip(struct op *o, struct run *r)
{
    for (u32 i = 0; i < o->series_count; i++) {
        struct op_series *s = &o->series[i];
        if (s->drop_name && !op_strip_name(r, s->labels, &s->labels)) {
            return false;
        }
        s->drop_name = false;
    }
    return true;
}

static bool unique_open(struct op *base, struct run *r)
{
    struct op_unique *o = unique_of(base);
    if (!op_open(o->child, r) || !op_keep_labels(base, r, o->child) ||
        (o->strip_names && !strip(base, r))) {
        return false;
    }
    base->is_distinct = true;
    if (base->series_count < 2 || (o->child->is_distinct && !o->strip_names)) {
        return true;
    }
    u32 *slot_of = RUN_NEW_N(r, u32, base->series_count);
    if (!slot_of) {
        return false;
    }
    slots_init(&o->slots, r);
    for (u32 i = 0; i < base->series_count; i++) {
        u32 known = o->slots.count;
        slot_of[i] = slots_put(&o->slots, r, base->series[i].labels);
        if (slot_of[i] == SLOT_NONE) {
            return false;
        }
        if (slot_of[i] == known) {
            base->series[known] = base->series[i]; // Slots count up: never ahead of i.
        }
    }
    if (o->slots.count < base->series_count) {
        o->slot_of = slot_of;
        base->series_count = o->slots.count;
    }
    return true;
}

// Who streams has no series that are equal.
static bool unique_stream(struct op *base, struct run *r, const struct op_taker *t, bool *done)
{
    struct op_unique *o = unique_of(base);
    if (o->strip_names) {
        return true;
    }
    bool ok = op_stream(o->child, r, t, done);
    base->series_count = *done ? o->child->series_count : 0;
    return ok;
}

static bool merge_column(struct op_unique *o, struct run *r, struct column *into,
                         const struct column *c)
{
    bool into_empty = true;
    bool empty = true;
    for (u32 w = 0; w < column_words(c->steps); w++) {
        if (into->present[w] & c->present[w]) {
            return fail_same(r);
        }
        into_empty = into_empty && into->present[w] == 0;
        empty = empty && c->present[w] == 0;
    }
    if (o->rule == UNIQUE_BY_SERIES && !into_empty && !empty) {
        return fail_same(r);
    }
    for (u32 i = 0; i < c->steps; i++) {
        if (!column_has(c, i)) {
            continue;
        }
        const struct hist *h = column_hist(c, i);
        if (!h) {
            column_set(into, i, c->values[i]);
        } else if (!column_set_hist(r, into, i, h)) {
            return false;
        }
    }
    return true;
}

static bool merge_all(struct op_unique *o, struct run *r)
{
    struct column c;
    u32 steps = o->base.grid.steps;
    o->merged = RUN_NEW_N(r, struct column, o->base.series_count);
    if (!o->merged || !column_init(r, &c, steps)) {
        return false;
    }
    for (u32 i = 0; i < o->base.series_count; i++) {
        if (!column_init(r, &o->merged[i], steps)) {
            return false;
        }
    }
    for (u32 i = 0; i < o->child->series_count; i++) {
        if (!op_next(o->child, r, &c) || !run_hold(r, column_count(&c)) ||
            !merge_column(o, r, &o->merged[o->slot_of[i]], &c)) {
            return false;
        }
    }
    return true;
}

static bool unique_next(struct op *base, struct run *r, struct column *out)
{
    struct op_unique *o = unique_of(base);
    if (!o->slot_of) {
        return op_next(o->child, r, out);
    }
    if (!o->merged && !merge_all(o, r)) {
        return false;
    }
    run_release(r, column_count(&o->merged[base->at]));
    return column_copy(r, out, &o->merged[base->at]);
}

static const struct op_ops unique_ops = {
    .name = "unique", .open = unique_open, .next = unique_next, .stream = unique_stream};

struct op *op_unique_new(struct run *r, struct op *child, enum unique_rule rule)
{
    struct op_unique *o = child ? RUN_NEW(r, struct op_unique) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &unique_ops, &child->grid);
    o->child = child;
    o->rule = rule;
    return &o->base;
}

struct op *op_cleanup_new(struct run *r, struct op *child)
{
    struct op *o = op_unique_new(r, child, UNIQUE_BY_STEP);
    if (o) {
        unique_of(o)->strip_names = true;
    }
    return o;
}
