// plan_call.c: function calls made into operators.
#include "base/checked.h"
#include "promql/fn_math.h"
#include "promql/plan.h"
#include "promql/query_run.h"

#define CALL_PARAMS_MAX 16

// Threads: value.
struct params {
    struct op *ops[CALL_PARAMS_MAX];
    u32 count;
};

// All scalar arguments from the given one on.
static bool plan_params(struct run *r, const struct expr_call *c, const struct grid *g, u32 from,
                        struct params *out)
{
    *out = (struct params){.count = 0};
    for (u32 i = from; i < c->arg_count; i++) {
        const struct expr *arg = expr_unwrap(c->args[i]);
        if (arg->type != TYPE_SCALAR) {
            continue;
        }
        if (out->count == CALL_PARAMS_MAX) {
            return run_fail(r, ERR_LIMIT, "%.*s takes at most %d numbers", STR_ARG(c->fn->name),
                            CALL_PARAMS_MAX);
        }
        struct op *o = plan_expr(r, arg, g);
        if (!o) {
            return false;
        }
        out->ops[out->count++] = o;
    }
    return true;
}

static bool check_extended(struct run *r, const struct expr_vector *v, const struct function *fn)
{
    enum fn_id id = fn->id;
    bool smooth_safe = id == FN_RATE || id == FN_INCREASE || id == FN_DELTA;
    if (v->anchored && !smooth_safe && id != FN_RESETS && id != FN_CHANGES) {
        return run_fail(r, ERR_OUT_OF_ORDER,
                        "anchored modifier can only be used with: changes, delta, increase, rate, "
                        "resets - not with %.*s",
                        STR_ARG(fn->name));
    }
    if (v->smoothed && !smooth_safe) {
        return run_fail(r, ERR_OUT_OF_ORDER,
                        "smoothed modifier can only be used with: delta, increase, rate - not with "
                        "%.*s",
                        STR_ARG(fn->name));
    }
    return true;
}

static struct op *plan_range_call(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr_call *c = &x->call;
    struct params params;
    struct range_source source = {.inner = NULL};
    struct selection selection;
    const struct expr *arg = NULL;
    for (u32 i = 0; i < c->arg_count && !arg; i++) {
        const struct expr *a = expr_unwrap(c->args[i]);
        arg = a->type == TYPE_MATRIX ? a : NULL;
    }
    CHECK(arg && (arg->kind == EXPR_MATRIX || arg->kind == EXPR_SUBQUERY));
    if (arg->kind == EXPR_SUBQUERY) {
        if (!plan_subquery(r, arg, g, TALLY_WINDOWS, &source)) {
            return NULL;
        }
    } else {
        if (!plan_selection(r, arg, &selection) ||
            !check_extended(r, &selection.expr->vector, c->fn)) {
            return NULL;
        }
        source = (struct range_source){.selection = &selection,
                                       .ref = selection.ref,
                                       .range_ms = selection.range_ms,
                                       .anchored = selection.expr->vector.anchored,
                                       .smoothed = selection.expr->vector.smoothed};
    }
    if (!plan_params(r, c, g, 0, &params)) {
        return NULL;
    }
    struct range_call_expr call = {.fn = c->fn, .arg_span = expr_unwrap(c->args[0])->span};
    if (expr_unwrap(c->args[0]) == arg && arg->kind == EXPR_SUBQUERY) {
        call.arg_span =
            (struct text_span){0, 0}; // As upstream: a subquery's samples have no place.
    }
    CHECK(params.count <= ARRAY_LEN(call.params));
    for (u32 i = 0; i < params.count; i++) {
        call.params[i] = params.ops[i];
    }
    struct op *o = op_range_new(r, g, &source, &call);
    if (c->fn->id == FN_ABSENT_OVER_TIME) {
        return op_absent_new(r, arg, o);
    }
    return r->opts->delayed_name_removal ? o : op_unique_new(r, o, UNIQUE_BY_SERIES);
}

static struct op *plan_timestamp(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr *arg = expr_unwrap(x->call.args[0]);
    struct selection s;
    if (arg->kind != EXPR_VECTOR) {
        return op_map_new(r, x->call.fn, plan_expr(r, arg, g), NULL, 0);
    }
    if (!plan_selection(r, arg, &s)) {
        return NULL;
    }
    if (s.ref.fixed) {
        s.ref.offset_ms = 0; // As upstream: beside @, this function knows no offset.
    }
    return op_select_new(r, g, &s, SELECT_TIMESTAMP);
}

// Only samples as they were written have start timestamps.
static struct op *plan_start_timestamp(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr *arg = expr_unwrap(x->call.args[0]);
    struct selection s;
    if (arg->kind != EXPR_VECTOR) {
        return op_nothing_new(r, g);
    }
    return plan_selection(r, arg, &s) ? op_select_new(r, g, &s, SELECT_START) : NULL;
}

// Which moment info series are looked up at: that of the first selector within the first argument.
static bool find_info_ref(struct run *r, const struct expr *x, struct time_ref *ref, bool *found)
{
    x = expr_unwrap(x);
    if (x->kind == EXPR_VECTOR) {
        *found = true;
        return plan_shift(r, &x->vector.shift, ref);
    }
    for (u32 i = 0; i < expr_child_count(x) && !*found; i++) { // ast.h (I2) bounds the depth.
        if (!find_info_ref(r, expr_child(x, i), ref, found)) {
            return false;
        }
    }
    if (*found && x->kind == EXPR_SUBQUERY && !ref->fixed) {
        struct time_ref outer;
        if (!plan_shift(r, &x->subquery.shift, &outer)) {
            return false;
        }
        outer.offset_ms = sat_add_i64(outer.offset_ms, ref->offset_ms);
        *ref = outer;
    }
    return true;
}

static struct op *plan_info(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr_call *c = &x->call;
    struct time_ref ref = {.fixed = false};
    bool found = false;
    const struct expr *selector = c->arg_count > 1 ? expr_unwrap(c->args[1]) : NULL;
    if (selector && selector->kind != EXPR_VECTOR) {
        run_fail(r, ERR_INVALID, "expected label selectors as second argument to info()");
        return NULL;
    }
    if (!find_info_ref(r, c->args[0], &ref, &found)) {
        return NULL;
    }
    return op_info_new(r, plan_expr(r, c->args[0], g), selector, &ref);
}

// Functions of values: the vector first, then numbers.
static struct op *plan_map(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr_call *c = &x->call;
    struct params params;
    struct op *vector =
        c->arg_count > 0 ? plan_expr(r, c->args[0], g) : op_vector_of_new(r, g, op_time_new(r, g));
    if (!vector || !plan_params(r, c, g, 1, &params)) {
        return NULL;
    }
    return op_unique_new(r, op_map_new(r, c->fn, vector, params.ops, params.count), UNIQUE_BY_STEP);
}

static struct op *plan_buckets(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr_call *c = &x->call;
    struct params params;
    u32 vector_at = c->fn->id == FN_HISTOGRAM_QUANTILES ? 0 : c->arg_count - 1;
    if (!plan_params(r, c, g, 0, &params)) {
        return NULL;
    }
    struct op *vector = plan_expr(r, c->args[vector_at], g);
    return op_unique_new(r, op_bucket_new(r, x, vector, params.ops, params.count), UNIQUE_BY_STEP);
}

static struct op *plan_pair(struct run *r, const struct expr_call *c, const struct grid *g)
{
    struct op *left = plan_expr(r, c->args[0], g);
    struct op *right = left ? plan_expr(r, c->args[1], g) : NULL;
    return op_scalar_pair_new(r, g, c->fn->id == FN_MIN_OF ? min_of : max_of, left, right);
}

static struct op *plan_function(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr_call *c = &x->call;
    if (range_fn_get(c->fn->id)) {
        return plan_range_call(r, x, g);
    }
    switch ((int)c->fn->id) {
    case FN_TIME:
        return op_time_new(r, g);
    case FN_PI:
        return op_number_new(r, g, 3.14159265358979323846264338327950288);
    case FN_START:
        return op_number_new(r, g, (f64)r->grid.start_ms / 1000);
    case FN_END:
        return op_number_new(r, g, (f64)r->grid.end_ms / 1000);
    case FN_RANGE:
        return op_number_new(r, g, (f64)(r->grid.end_ms - r->grid.start_ms) / 1000);
    case FN_STEP:
        return op_number_new(r, g, grid_is_instant(&r->grid) ? 0 : (f64)r->request->step_ms / 1000);
    case FN_MIN_OF:
    case FN_MAX_OF:
        return plan_pair(r, c, g);
    case FN_SCALAR:
        return op_scalar_of_new(r, g, plan_expr(r, c->args[0], g));
    case FN_VECTOR:
        return op_vector_of_new(r, g, plan_expr(r, c->args[0], g));
    case FN_ABSENT:
        return op_absent_new(r, c->args[0], plan_expr(r, c->args[0], g));
    case FN_TIMESTAMP:
        return op_unique_new(r, plan_timestamp(r, x, g), UNIQUE_BY_STEP);
    case FN_START_TIMESTAMP:
        return op_unique_new(r, plan_start_timestamp(r, x, g), UNIQUE_BY_STEP);
    case FN_LABEL_REPLACE:
        return op_unique_new(r, op_label_replace_new(r, x, plan_expr(r, c->args[0], g)),
                             UNIQUE_BY_STEP);
    case FN_LABEL_JOIN:
        return op_unique_new(r, op_label_join_new(r, x, plan_expr(r, c->args[0], g)),
                             UNIQUE_BY_STEP);
    case FN_SORT:
    case FN_SORT_DESC:
    case FN_SORT_BY_LABEL:
    case FN_SORT_BY_LABEL_DESC:
        return op_sort_new(r, x, plan_expr(r, c->args[0], g));
    case FN_HISTOGRAM_QUANTILE:
    case FN_HISTOGRAM_QUANTILES:
    case FN_HISTOGRAM_FRACTION:
        return plan_buckets(r, x, g);
    case FN_INFO:
        return plan_info(r, x, g);
    default:
        return plan_map(r, x, g);
    }
}

struct op *plan_call(struct run *r, const struct expr *x, const struct grid *g)
{
    enum fn_id id = x->call.fn->id;
    bool total = id == FN_HISTOGRAM_COUNT || id == FN_HISTOGRAM_SUM || id == FN_HISTOGRAM_AVG;
    bool whole =
        id == FN_HISTOGRAM_QUANTILE || id == FN_HISTOGRAM_QUANTILES || id == FN_HISTOGRAM_FRACTION;
    r->total_depth += total;
    r->whole_depth += whole;
    struct op *o = plan_function(r, x, g);
    r->total_depth -= total;
    r->whole_depth -= whole;
    return o;
}
