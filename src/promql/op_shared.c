// op_shared.c: one part of a plan read at several places: the first reader to ask evaluates, the
// columns are held for the others.
//
// Holding is given up before it begins where it would take too much of what the run may still
// use: then each place evaluates its own.
// Memory: all columns of a part until the run ends, at most a quarter of what was left.
// Invariants: (I1) What was looked at counts for every reader, as if each had evaluated.
#include "promql/ops.h"
#include "promql/plan_share.h"
#include "promql/query_run.h"

// Threads: owned by the run.
struct op_shared {
    struct op base;
    struct shared *part;
    struct op *own;
};

static struct op_shared *shared_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_shared, base);
}

// May the columns be held? A step may need a histogram's pointer beside its value.
static bool has_room(const struct run *r, const struct op *source)
{
    u64 used = run_bytes(r);
    u64 left = r->bytes_limit - MIN(used, r->bytes_limit);
    u64 column = (u64)source->grid.steps * (sizeof(f64) + sizeof(void *)) +
                 (u64)column_words(source->grid.steps) * sizeof(u64) + sizeof(struct column) +
                 sizeof(u64);
    return source->series_count == 0 || column <= left / 4 / source->series_count;
}

static bool part_open(struct shared *p, struct run *r)
{
    u64 before = r->samples_total;
    if (!op_open(p->source, r)) {
        return false;
    }
    p->looked_at_open = r->samples_total - before;
    if (!has_room(r, p->source)) {
        p->state = SHARED_APART;
        return true;
    }
    p->held = RUN_NEW_N(r, struct column, p->source->series_count);
    p->looked_at = RUN_NEW_N(r, u64, p->source->series_count);
    if (!p->held || !p->looked_at) {
        return false;
    }
    p->state = SHARED_HELD;
    return true;
}

static bool shared_open(struct op *base, struct run *r)
{
    struct op_shared *o = shared_of(base);
    struct shared *p = o->part;
    if (p->state == SHARED_UNOPENED) {
        if (!part_open(p, r)) {
            return false;
        }
    } else if (p->state == SHARED_HELD) {
        r->samples_total += p->looked_at_open;
        p->places_read++;
    }
    if (p->state == SHARED_HELD) {
        return op_keep_labels(base, r, p->source);
    }
    return (o->own == p->source || op_open(o->own, r)) && op_keep_labels(base, r, o->own);
}

static bool hold_next(struct shared *p, struct run *r, struct column *out)
{
    u64 before = r->samples_total;
    struct column *c = &p->held[p->held_count];
    if (!op_next(p->source, r, out) || !column_init(r, c, out->steps) || !column_copy(r, c, out)) {
        return false;
    }
    p->looked_at[p->held_count++] = r->samples_total - before;
    return true;
}

static bool shared_next(struct op *base, struct run *r, struct column *out)
{
    struct op_shared *o = shared_of(base);
    struct shared *p = o->part;
    if (p->state != SHARED_HELD) {
        return op_next(o->own, r, out);
    }
    CHECK(base->at <= p->held_count);
    if (base->at == p->held_count) {
        return hold_next(p, r, out);
    }
    r->samples_total += p->looked_at[base->at];
    return column_copy(r, out, &p->held[base->at]);
}

static const struct op_ops shared_ops = {
    .name = "shared", .open = shared_open, .next = shared_next};

struct op *op_shared_new(struct run *r, struct shared *part, struct op *own)
{
    struct op_shared *o = own ? RUN_NEW(r, struct op_shared) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &shared_ops, &own->grid);
    o->part = part;
    o->own = own;
    part->source = own;
    return &o->base;
}
