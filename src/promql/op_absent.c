// op_absent.c: absent and absent_over_time: 1 where the child has nothing.
#include "base/arena.h"
#include "base/str.h"
#include "promql/ops.h"
#include "promql/query_run.h"

// Threads: owned by the run.
struct op_absent {
    struct op base;
    const struct expr *arg;
    struct op *child;
};

static struct op_absent *absent_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_absent, base);
}

// The labels that an element would have for sure: those that are matched exactly, and once.
static struct labels certain_labels(struct run *r, const struct expr *arg)
{
    const struct expr *x = arg->kind == EXPR_MATRIX ? arg->matrix.vector : arg;
    struct labels none = {NULL, 0};
    if (x->kind != EXPR_VECTOR) {
        return none;
    }
    struct labels_builder b;
    labels_builder_init(&b, r->arena, none);
    for (u32 i = 0; i < x->vector.matcher_count; i++) {
        const struct matcher *m = &x->vector.matchers[i];
        bool seen = false;
        for (u32 k = 0; k < i; k++) {
            const struct matcher *before = &x->vector.matchers[k];
            seen = seen || (before->op == MATCH_EQ && str_eq(before->name, m->name));
        }
        if (str_eq(m->name, LABEL_NAME)) {
            continue;
        }
        if (m->op == MATCH_EQ && !seen) {
            labels_builder_set(&b, m->name, m->value);
        } else {
            labels_builder_del(&b, m->name);
        }
    }
    return labels_builder_take(&b);
}

static bool absent_open(struct op *base, struct run *r)
{
    struct op_absent *o = absent_of(base);
    op_narrow(o->child, &LABEL_NAME, 0);
    if (!op_open(o->child, r) || !op_make_series(base, r, 1)) {
        return false;
    }
    base->series[0].labels = certain_labels(r, o->arg);
    return true;
}

static bool absent_next(struct op *base, struct run *r, struct column *out)
{
    struct op_absent *o = absent_of(base);
    struct column c;
    struct instants x;
    if (op_instants(o->child, &x)) {
        if (o->child->series_count == 0) {
            column_set(out, 0, 1);
        }
        return true;
    }
    u64 *seen = RUN_NEW_N(r, u64, MAX(column_words(out->steps), 1U));
    if (!seen || !column_init(r, &c, out->steps)) {
        return false;
    }
    for (u32 k = 0; k < o->child->series_count; k++) {
        if (!op_next(o->child, r, &c)) {
            return false;
        }
        for (u32 w = 0; w < column_words(out->steps); w++) {
            seen[w] |= c.present[w];
        }
    }
    for (u32 i = 0; i < out->steps; i++) {
        if (!bits_has(seen, i)) {
            column_set(out, i, 1);
        }
    }
    return true;
}

static const struct op_ops absent_ops = {
    .name = "absent", .open = absent_open, .next = absent_next};

struct op *op_absent_new(struct run *r, const struct expr *arg, struct op *child)
{
    struct op_absent *o = child ? RUN_NEW(r, struct op_absent) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &absent_ops, &child->grid);
    o->arg = expr_unwrap(arg);
    o->child = child;
    return &o->base;
}
