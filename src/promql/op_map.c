// op_map.c: value for value: functions of one value, unary minus, a vector and a scalar.
#include "model/hist_quantile.h"
#include "promql/fn_hist.h"
#include "promql/fn_math.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#include <math.h>

#define MAP_PARAMS_MAX 2

// Threads: owned by the run.
struct op_map {
    struct op base;
    struct op *child;
    const struct function *fn;
    math_fn *math; // NULL for those with arguments.
    struct op *param_ops[MAP_PARAMS_MAX];
    u32 param_count;
    struct column params[MAP_PARAMS_MAX];
    // A vector and a scalar.
    enum binary_op op;
    bool return_bool;
    bool scalar_left;
    bool keeps_labels;
    struct text_span span;
};

static struct op_map *map_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_map, base);
}

static bool map_open(struct op *base, struct run *r)
{
    struct op_map *o = map_of(base);
    if (!op_open(o->child, r)) {
        return false;
    }
    for (u32 i = 0; i < o->param_count; i++) {
        if (!op_collect_scalar(o->param_ops[i], r, &o->params[i])) {
            return false;
        }
    }
    if (!op_keep_labels(base, r, o->child) || o->keeps_labels) {
        return !r->failed;
    }
    return op_drop_names(base, r, o->child->series);
}

static struct op_map *map_new(struct run *r, const struct op_ops *ops, struct op *child)
{
    struct op_map *o = child ? RUN_NEW(r, struct op_map) : NULL;
    if (o) {
        op_init(&o->base, r, ops, &child->grid);
        o->child = child;
    }
    return o;
}

// ---- functions ---------------------------------------------------------------------------------

// false: no value at this step.
static bool map_float(const struct op_map *o, u32 step, f64 v, f64 *out)
{
    f64 a = o->param_count > 0 ? o->params[0].values[step] : 0;
    f64 b = o->param_count > 1 ? o->params[1].values[step] : 0;
    if (o->math) {
        *out = o->math(v);
        return true;
    }
    if (is_date_fn(o->fn->id)) {
        *out = date_part(o->fn->id, seconds_of(v));
        return true;
    }
    if (o->fn->id == FN_ROUND) {
        *out = round_to(v, o->param_count > 0 ? a : 1);
        return true;
    }
    f64 low = o->fn->id == FN_CLAMP_MAX ? -INFINITY : a;
    f64 high = o->fn->id == FN_CLAMP_MAX ? a : o->fn->id == FN_CLAMP_MIN ? INFINITY : b;
    *out = max_of(low, min_of(high, v));
    return !(high < low);
}

// What reads histograms and gives floats.
static f64 map_hist(enum fn_id id, const struct hist *h)
{
    switch ((int)id) {
    case FN_HISTOGRAM_COUNT:
        return h->count;
    case FN_HISTOGRAM_SUM:
        return h->sum;
    case FN_HISTOGRAM_AVG:
        return h->sum / h->count;
    case FN_HISTOGRAM_STDDEV:
        return sqrt(hist_variance(h));
    default:
        return hist_variance(h);
    }
}

static bool reads_hists(enum fn_id id)
{
    return id == FN_HISTOGRAM_COUNT || id == FN_HISTOGRAM_SUM || id == FN_HISTOGRAM_AVG ||
           id == FN_HISTOGRAM_STDDEV || id == FN_HISTOGRAM_STDVAR;
}

static bool map_next(struct op *base, struct run *r, struct column *out)
{
    struct op_map *o = map_of(base);
    if (!op_next(o->child, r, out)) {
        return false;
    }
    for (u32 i = 0; i < out->steps; i++) {
        if (!column_has(out, i)) {
            continue;
        }
        const struct hist *h = column_hist(out, i);
        bool stays;
        if (o->fn->id == FN_TIMESTAMP) {
            out->values[i] = (f64)grid_time(&base->grid, i) / 1000;
            stays = true;
        } else if (h && reads_hists(o->fn->id)) {
            out->values[i] = map_hist(o->fn->id, h);
            stays = run_work(r, hist_work(h));
        } else {
            stays =
                !h && !reads_hists(o->fn->id) && map_float(o, i, out->values[i], &out->values[i]);
        }
        if (h) {
            out->hists[i] = NULL;
        }
        if (!stays) {
            bits_drop(out->present, i);
        }
    }
    return !r->failed;
}

static const struct op_ops map_ops = {.name = "map", .open = map_open, .next = map_next};

struct op *op_map_new(struct run *r, const struct function *fn, struct op *vector,
                      struct op *const *params, u32 param_count)
{
    CHECK(param_count <= MAP_PARAMS_MAX);
    struct op_map *o = map_new(r, &map_ops, vector);
    if (!o) {
        return NULL;
    }
    o->fn = fn;
    o->math = math_fn_get(fn->id);
    o->param_count = param_count;
    for (u32 i = 0; i < param_count; i++) {
        o->param_ops[i] = params[i];
    }
    return &o->base;
}

// ---- unary minus -------------------------------------------------------------------------------

static bool negate_next(struct op *base, struct run *r, struct column *out)
{
    if (!op_next(map_of(base)->child, r, out)) {
        return false;
    }
    for (u32 i = 0; i < out->steps; i++) {
        out->values[i] = -out->values[i];
        if (column_has(out, i) && column_hist(out, i) &&
            !hist_by_number(r, OP_MUL, out->hists[i], -1, &out->hists[i])) {
            return false;
        }
    }
    return true;
}

static const struct op_ops negate_ops = {.name = "negate", .open = map_open, .next = negate_next};

struct op *op_negate_new(struct run *r, struct op *child)
{
    struct op_map *o = map_new(r, &negate_ops, child);
    return o ? &o->base : NULL;
}

// ---- a vector and a scalar ---------------------------------------------------------------------

f64 binary_value(enum binary_op op, f64 left, f64 right, bool *keep)
{
    *keep = true;
    switch (op) {
    case OP_ADD:
        return left + right;
    case OP_SUB:
        return left - right;
    case OP_MUL:
        return left * right;
    case OP_DIV:
        return left / right;
    case OP_MOD:
        return fmod(left, right);
    case OP_POW:
        return pow(left, right);
    case OP_ATAN2:
        return atan2(left, right);
    case OP_EQ:
        *keep = left == right;
        return left;
    case OP_NE:
        *keep = left != right;
        return left;
    case OP_GT:
        *keep = left > right;
        return left;
    case OP_LT:
        *keep = left < right;
        return left;
    case OP_GE:
        *keep = left >= right;
        return left;
    case OP_LE:
        *keep = left <= right;
        return left;
    case OP_TRIM_UPPER:
    case OP_TRIM_LOWER:
    case OP_AND:
    case OP_OR:
    case OP_UNLESS:
    case OP_COUNT:
        break;
    }
    *keep = false; // Trimming is for histograms; set operators never come here.
    return 0;
}

f64 binary_scalar(enum binary_op op, f64 left, f64 right)
{
    bool keep;
    f64 v = binary_value(op, left, right, &keep);
    return binary_op_is_comparison(op) ? (f64)keep : v;
}

// A histogram and the scalar of a step.
static bool vector_scalar_hist(const struct op_map *o, struct run *r, u32 step, struct column *out)
{
    const struct hist *h = out->hists[step];
    bool by_float =
        o->op == OP_MUL ||
        (!o->scalar_left && (o->op == OP_DIV || o->op == OP_TRIM_UPPER || o->op == OP_TRIM_LOWER));
    out->hists[step] = NULL;
    if (by_float) {
        return hist_by_number(r, o->op, h, o->params[0].values[step], &out->hists[step]);
    }
    note_types(r, o->span, o->op, !o->scalar_left, o->scalar_left);
    bits_drop(out->present, step);
    return true;
}

static bool vector_scalar_next(struct op *base, struct run *r, struct column *out)
{
    struct op_map *o = map_of(base);
    if (!op_next(o->child, r, out)) {
        return false;
    }
    bool is_trim = o->op == OP_TRIM_LOWER || o->op == OP_TRIM_UPPER;
    for (u32 i = 0; i < out->steps; i++) {
        if (!column_has(out, i)) {
            continue;
        }
        f64 v = out->values[i];
        f64 s = o->params[0].values[i];
        bool keep = false;
        if (column_hist(out, i)) {
            if (!vector_scalar_hist(o, r, i, out)) {
                return false;
            }
            continue;
        }
        f64 result =
            o->scalar_left ? binary_value(o->op, s, v, &keep) : binary_value(o->op, v, s, &keep);
        if (is_trim) {
            note_types(r, o->span, o->op, false, false);
        }
        if (o->return_bool) {
            out->values[i] = keep;
        } else if (!keep) {
            bits_drop(out->present, i);
        } else {
            // A comparison yields the vector's value, on whichever side it stands.
            out->values[i] = binary_op_is_comparison(o->op) ? v : result;
        }
    }
    return true;
}

static const struct op_ops vector_scalar_ops = {
    .name = "vector-scalar", .open = map_open, .next = vector_scalar_next};

struct op *op_vector_scalar_new(struct run *r, const struct expr *x, struct op *vector,
                                struct op *scalar, bool scalar_left)
{
    struct op_map *o = scalar ? map_new(r, &vector_scalar_ops, vector) : NULL;
    if (!o) {
        return NULL;
    }
    o->op = x->binary.op;
    o->return_bool = x->binary.return_bool;
    o->scalar_left = scalar_left;
    o->param_ops[0] = scalar;
    o->param_count = 1;
    o->keeps_labels = o->op >= OP_EQ && !o->return_bool;
    o->span = x->span;
    return &o->base;
}
