// plan_cost.c: see plan_cost.h.
#include "promql/plan_cost.h"

#include "base/buf.h"
#include "base/checked.h"
#include "base/str.h"
#include "model/duration.h"
#include "promql/column.h"
#include "promql/explain.h"
#include "promql/fn_range.h"
#include "promql/function_table.h"
#include "promql/ops.h"
#include "promql/plan.h"
#include "promql/query_run.h"

// Where only so many series would be too much, they are not counted: that would take longer than
// many a query does.
#define COUNTED_MAX ((u64)200000)
// What a series takes beside its values, at most as far as advice is concerned.
#define SERIES_BYTES_LIKELY ((u64)1024)

// ---- what is held ------------------------------------------------------------------------------

static bool keeps_series(enum fn_id id)
{
    switch ((int)id) {
    case FN_ABS:
    case FN_CEIL:
    case FN_CLAMP:
    case FN_CLAMP_MAX:
    case FN_CLAMP_MIN:
    case FN_EXP:
    case FN_FLOOR:
    case FN_LN:
    case FN_LOG10:
    case FN_LOG2:
    case FN_ROUND:
    case FN_SGN:
    case FN_SQRT:
        return true;
    default:
        return false;
    }
}

// The vector that x answers series for series, of series of one name; NULL if it does more.
static const struct expr *passed_on(const struct expr *x)
{
    switch (x->kind) {
    case EXPR_UNARY:
        return expr_unwrap(x->unary.inner);
    case EXPR_BINARY:
        if (x->binary.matching || x->type != TYPE_VECTOR) {
            return NULL;
        }
        return expr_unwrap(x->binary.left->type == TYPE_VECTOR ? x->binary.left : x->binary.right);
    case EXPR_CALL:
        return keeps_series(x->call.fn->id) ? expr_unwrap(x->call.args[0]) : NULL;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_VECTOR:
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
    case EXPR_AGGREGATE:
    case EXPR_PAREN:
        break;
    }
    return NULL;
}

// Does it hold all columns of its vector as soon as it is asked for one?
static bool holds_all(const struct expr *x)
{
    if (x->kind != EXPR_AGGREGATE) {
        return false;
    }
    enum aggregate_op op = x->aggregate.op;
    return op == AGG_TOPK || op == AGG_BOTTOMK || op == AGG_LIMITK || op == AGG_LIMIT_RATIO ||
           op == AGG_QUANTILE;
}

// The first such operator on the way down from the answer, all of which will be asked for; NULL.
static const struct expr *find_holder(const struct expr *x)
{
    while (x && x->type == TYPE_VECTOR && !plan_is_invariant(x)) {
        if (holds_all(x)) {
            return x;
        }
        x = x->kind == EXPR_AGGREGATE ? expr_unwrap(x->aggregate.inner) : passed_on(x);
    }
    return NULL;
}

// The selector whose series x answers, one for one; a matrix of a function of ranges. NULL.
static const struct expr *find_source(const struct expr *x)
{
    while (x && x->type == TYPE_VECTOR && !plan_is_invariant(x)) {
        if (x->kind == EXPR_VECTOR) {
            return x;
        }
        bool is_range = x->kind == EXPR_CALL && range_fn_get(x->call.fn->id) &&
                        x->call.fn->id != FN_ABSENT_OVER_TIME;
        for (u32 i = 0; is_range && i < x->call.arg_count; i++) {
            const struct expr *arg = expr_unwrap(x->call.args[i]);
            if (arg->kind == EXPR_MATRIX) {
                return arg;
            }
        }
        x = is_range ? NULL : passed_on(x);
    }
    return NULL;
}

static bool has_one_name(const struct expr *source)
{
    const struct expr *v = source->kind == EXPR_MATRIX ? source->matrix.vector : source;
    bool found = false;
    for (u32 i = 0; i < v->vector.matcher_count; i++) {
        const struct matcher *m = &v->vector.matchers[i];
        found = found || (m->op == MATCH_EQ && str_eq(m->name, LABEL_NAME));
    }
    return found;
}

// ---- how many series ---------------------------------------------------------------------------

// Those that stay apart when functions take away what says what a metric is.
static bool count_matching(struct run *r, const struct feed *f, u64 *series)
{
    // Not in the run's memory: a query that just fits would not with it. As many as its text names.
    struct matcher *ms = MEM_NEW_N(struct matcher, (size_t)f->matcher_count + 2);
    memcpy(ms, f->matchers, f->matcher_count * sizeof(*ms));
    ms[f->matcher_count] = (struct matcher){.op = MATCH_EQ, .name = STR("__type__")};
    ms[f->matcher_count + 1] = (struct matcher){.op = MATCH_EQ, .name = STR("__unit__")};
    struct error e = {.code = ERR_NONE};
    struct query_budget labels_only = {.cancel = r->budget.cancel,
                                       .wanted = r->budget.wanted,
                                       .deadline_mono_ns = r->budget.deadline_mono_ns};
    struct storage_querier *q =
        storage_querier_open(r->request->storage, r->request->tenant, f->min_ms, f->max_ms, &e);
    bool ok = q != NULL;
    if (ok) {
        q->budget = &labels_only;
        ok = q->ops->series_count(q, ms, f->matcher_count + 2, series, &e);
        storage_querier_close(q);
    }
    mem_free(ms);
    return ok ? true : run_fail_with(r, &e);
}

static bool count_series(struct run *r, const struct expr *source, u64 *series)
{
    struct selection s;
    struct feed f;
    struct explain *told = r->explain; // It was planned before.
    r->explain = NULL;
    bool ok = plan_selection(r, source, &s);
    if (ok) {
        selection_feed(&s, r, &r->grid, &f);
    }
    r->explain = told;
    return ok && count_matching(r, &f, series);
}

// ---- what would fit ----------------------------------------------------------------------------

static u64 column_bytes(u64 steps)
{
    return sizeof(struct column) + steps * sizeof(f64) + (steps + 63) / 64 * sizeof(u64);
}

// With room for what may come beside the columns, and for an answer of all series, which is held
// for itself.
static bool is_likely_to_fit(const struct run *r, u64 series, u64 steps)
{
    u64 held = 2 * column_bytes(steps) + steps * sizeof(void *);
    u64 each = MAX(held, steps * sizeof(struct promql_point)) + SERIES_BYTES_LIKELY;
    return series <= r->bytes_limit / each && series <= r->opts->samples_max / MAX(steps, 1U);
}

static u64 steps_of(const struct run *r, i64 step_ms)
{
    return ((u64)r->grid.end_ms - (u64)r->grid.start_ms) / (u64)step_ms + 1;
}

// The smallest round step with which it would; 0 if there is none.
static i64 find_step(const struct run *r, u64 series)
{
    const i64 day_ms = 86400000;
    i64 step_ms = r->grid.step_ms;
    while (step_ms < INT64_MAX / 4) {
        step_ms = duration_round_up(step_ms < day_ms ? step_ms + 1 : step_ms * 2);
        if (is_likely_to_fit(r, series, steps_of(r, step_ms))) {
            return step_ms;
        }
        if (steps_of(r, step_ms) <= 1) {
            break; // It will not get less.
        }
    }
    return 0;
}

// The longest range at this step; 0 if one step is too much.
static i64 find_range(const struct run *r, u64 series)
{
    u64 low = 0; // Steps that fit.
    u64 high = r->grid.steps;
    while (low + 1 < high) {
        u64 mid = low + (high - low) / 2;
        bool fits = is_likely_to_fit(r, series, mid);
        low = fits ? mid : low;
        high = fits ? high : mid;
    }
    i64 range_ms = low > 1 ? (i64)(low - 1) * r->grid.step_ms : 0;
    const i64 minute_ms = 60000;
    i64 round_ms = range_ms >= 120 * minute_ms ? 60 * minute_ms : minute_ms;
    return range_ms >= 2 * minute_ms ? range_ms / round_ms * round_ms : range_ms;
}

static void print_advice(struct buf *out, const struct run *r, u64 series)
{
    i64 range_ms = find_range(r, series);
    i64 step_ms = find_step(r, series);
    if (step_ms > 0) {
        if (range_ms > 0) {
            buf_c(out, "a range of ");
            duration_print(out, range_ms);
            buf_c(out, " or ");
        }
        buf_c(out, "step=");
        duration_print(out, step_ms);
        buf_c(out, " would fit");
        return;
    }
    u64 most = r->bytes_limit / (2 * column_bytes(1) + SERIES_BYTES_LIKELY);
    buf_printf(out, "%llu series would fit", (unsigned long long)MIN(most, r->opts->samples_max));
}

static bool refuse(struct run *r, u64 series)
{
    struct buf advice;
    buf_init(&advice, 160);
    print_advice(&advice, r, series);
    run_fail(r, ERR_LIMIT,
             "the query needs more than %llu bytes of memory" RUN_SHARE
             ": it holds %llu series of %u steps at "
             "once; %.*s",
             (unsigned long long)r->bytes_limit, (unsigned long long)series, r->grid.steps,
             STR_ARG(buf_get(&advice)));
    buf_fini(&advice);
    return false;
}

bool plan_cost_check(struct run *r, const struct expr *x)
{
    const struct expr *holder = find_holder(expr_unwrap(x));
    const struct expr *source = holder ? find_source(expr_unwrap(holder->aggregate.inner)) : NULL;
    u64 too_many = r->bytes_limit / column_bytes(r->grid.steps) + 1;
    if (!source || !has_one_name(source) || r->grid.steps == 0 || too_many > COUNTED_MAX) {
        return true;
    }
    u64 series = 0;
    if (!count_series(r, source, &series)) {
        return false;
    }
    return series < too_many || refuse(r, series);
}
