// op_scalar.c: numbers and time, scalar() and vector(), and the spreading of what does not change.
#include "model/sample.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#include <math.h>

// All of these have one series without labels.
static bool one_series(struct op *o, struct run *r)
{
    return op_make_series(o, r, 1);
}

// ---- numbers and time --------------------------------------------------------------------------

// Threads: owned by the run.
struct op_number {
    struct op base;
    f64 value;
};

static bool number_next(struct op *base, UNUSED struct run *r, struct column *out)
{
    f64 v = CONTAINER_OF(base, struct op_number, base)->value;
    for (u32 i = 0; i < out->steps; i++) {
        column_set(out, i, v);
    }
    return true;
}

static const struct op_ops number_ops = {.name = "number", .open = one_series, .next = number_next};

struct op *op_number_new(struct run *r, const struct grid *g, f64 v)
{
    struct op_number *o = RUN_NEW(r, struct op_number);
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &number_ops, g);
    o->value = v;
    return &o->base;
}

static bool time_next(struct op *base, UNUSED struct run *r, struct column *out)
{
    for (u32 i = 0; i < out->steps; i++) {
        column_set(out, i, (f64)grid_time(&base->grid, i) / 1000);
    }
    return true;
}

static const struct op_ops time_ops = {.name = "time", .open = one_series, .next = time_next};

static bool no_series(struct op *o, struct run *r)
{
    return op_make_series(o, r, 0);
}

static const struct op_ops nothing_ops = {.name = "nothing", .open = no_series, .next = time_next};

struct op *op_nothing_new(struct run *r, const struct grid *g)
{
    struct op *o = RUN_NEW(r, struct op);
    if (o) {
        op_init(o, r, &nothing_ops, g);
    }
    return o;
}

struct op *op_time_new(struct run *r, const struct grid *g)
{
    struct op *o = RUN_NEW(r, struct op);
    if (o) {
        op_init(o, r, &time_ops, g);
    }
    return o;
}

// ---- scalar(), vector(), two scalars -----------------------------------------------------------

// Threads: owned by the run.
struct op_over {
    struct op base;
    struct op *left;
    struct op *right;
    f64 (*fn)(f64 a, f64 b); // NULL: the operator.
    enum binary_op op;
};

static struct op_over *over_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_over, base);
}

static struct op *over_new(struct run *r, const struct op_ops *ops, const struct grid *g,
                           struct op *left, struct op *right)
{
    struct op_over *o = RUN_NEW(r, struct op_over);
    if (!o || !left) {
        return NULL;
    }
    op_init(&o->base, r, ops, g);
    o->left = left;
    o->right = right;
    return &o->base;
}

static bool over_open(struct op *base, struct run *r)
{
    struct op_over *o = over_of(base);
    return op_open(o->left, r) && (!o->right || op_open(o->right, r)) && one_series(base, r);
}

// The one float at each step; NaN where there is none or more than one.
static bool scalar_of_next(struct op *base, struct run *r, struct column *out)
{
    struct op *child = over_of(base)->left;
    struct column c;
    u64 *twice = RUN_NEW_N(r, u64, MAX(column_words(out->steps), 1U));
    if (!twice || !column_init(r, &c, out->steps)) {
        return false;
    }
    for (u32 k = 0; k < child->series_count; k++) {
        if (!op_next(child, r, &c)) {
            return false;
        }
        for (u32 i = 0; i < out->steps; i++) {
            if (!column_has(&c, i) || column_hist(&c, i)) {
                continue;
            }
            if (column_has(out, i)) {
                bits_set(twice, i);
            }
            column_set(out, i, c.values[i]);
        }
    }
    for (u32 i = 0; i < out->steps; i++) {
        if (!column_has(out, i) || bits_has(twice, i)) {
            column_set(out, i, normal_nan());
        }
    }
    return true;
}

static const struct op_ops scalar_of_ops = {
    .name = "scalar", .open = over_open, .next = scalar_of_next};

struct op *op_scalar_of_new(struct run *r, const struct grid *g, struct op *vector)
{
    return over_new(r, &scalar_of_ops, g, vector, NULL);
}

static bool vector_of_next(struct op *base, struct run *r, struct column *out)
{
    return op_next(over_of(base)->left, r, out);
}

static const struct op_ops vector_of_ops = {
    .name = "vector", .open = over_open, .next = vector_of_next};

struct op *op_vector_of_new(struct run *r, const struct grid *g, struct op *scalar)
{
    return over_new(r, &vector_of_ops, g, scalar, NULL);
}

static bool pair_next(struct op *base, struct run *r, struct column *out)
{
    struct op_over *o = over_of(base);
    struct column right;
    if (!column_init(r, &right, out->steps) || !op_next(o->left, r, out) ||
        !op_next(o->right, r, &right)) {
        return false;
    }
    for (u32 i = 0; i < out->steps; i++) {
        f64 v = out->values[i];
        f64 w = right.values[i];
        out->values[i] = o->fn ? o->fn(v, w) : binary_scalar(o->op, v, w);
    }
    return true;
}

static const struct op_ops pair_ops = {.name = "scalars", .open = over_open, .next = pair_next};

struct op *op_scalar_pair_new(struct run *r, const struct grid *g, f64 (*fn)(f64 a, f64 b),
                              struct op *left, struct op *right)
{
    struct op *o = right ? over_new(r, &pair_ops, g, left, right) : NULL;
    if (o) {
        over_of(o)->fn = fn;
    }
    return o;
}

struct op *op_scalar_binary_new(struct run *r, const struct grid *g, enum binary_op op,
                                struct op *left, struct op *right)
{
    struct op *o = right ? over_new(r, &pair_ops, g, left, right) : NULL;
    if (o) {
        over_of(o)->op = op;
    }
    return o;
}

// ---- once --------------------------------------------------------------------------------------

static bool once_open(struct op *base, struct run *r)
{
    struct op *single = over_of(base)->left;
    CHECK(single->grid.steps == 1);
    return op_open(single, r) && op_keep_labels(base, r, single);
}

static bool once_next(struct op *base, struct run *r, struct column *out)
{
    f64 value;
    u64 word;
    struct column c = {.values = &value, .present = &word, .steps = 1};
    if (!op_next(over_of(base)->left, r, &c)) {
        return false;
    }
    for (u32 i = 0; i < out->steps && column_has(&c, 0); i++) {
        if (column_hist(&c, 0)) {
            if (!column_set_hist(r, out, i, column_hist(&c, 0))) {
                return false;
            }
        } else {
            column_set(out, i, c.values[0]);
        }
    }
    return true;
}

static const struct op_ops once_ops = {.name = "once", .open = once_open, .next = once_next};

struct op *op_once_new(struct run *r, const struct grid *g, struct op *single)
{
    return over_new(r, &once_ops, g, single, NULL);
}
