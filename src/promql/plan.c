// plan.c: see plan.h.
#include "promql/plan.h"

#include "base/checked.h"
#include "promql/explain.h"
#include "promql/plan_share.h"
#include "promql/query_run.h"

bool grid_make(struct run *r, i64 start_ms, i64 end_ms, i64 step_ms, struct grid *out)
{
    CHECK(step_ms > 0);
    u64 more = end_ms < start_ms ? 0 : ((u64)end_ms - (u64)start_ms) / (u64)step_ms;
    if (more >= GRID_STEPS_MAX) {
        return run_fail(r, ERR_LIMIT, "a query evaluates at most %llu steps, this one has more",
                        (unsigned long long)GRID_STEPS_MAX);
    }
    u64 steps = end_ms < start_ms ? 0 : more + 1;
    *out = (struct grid){
        .start_ms = start_ms, .end_ms = end_ms, .step_ms = step_ms, .steps = (u32)steps};
    return true;
}

static bool resolve(struct run *r, const struct duration *d, bool negative_ok, i64 *ms)
{
    struct error e = {.code = ERR_NONE};
    struct duration_env env = {.step_ms = r->request->step_ms,
                               .range_ms = sat_sub_i64(r->grid.end_ms, r->grid.start_ms)};
    if (!duration_resolve(d, &env, negative_ok, ms, &e)) {
        return run_fail(r, ERR_INVALID, "%s", e.text);
    }
    return true;
}

bool plan_shift(struct run *r, const struct time_shift *s, struct time_ref *out)
{
    i64 offset_ms;
    if (!resolve(r, &s->offset, true, &offset_ms)) {
        return false;
    }
    *out = (struct time_ref){.offset_ms = offset_ms, .fixed = s->at != AT_NONE};
    switch (s->at) {
    case AT_NONE:
        break;
    case AT_TIME:
        out->at_ms = s->at_ms;
        break;
    case AT_START:
        out->at_ms = r->grid.start_ms;
        break;
    case AT_END:
        out->at_ms = r->grid.end_ms;
        break;
    }
    return true;
}

bool plan_selection(struct run *r, const struct expr *x, struct selection *out)
{
    const struct expr *v = x->kind == EXPR_MATRIX ? x->matrix.vector : x;
    // What is known of resets without buckets is told of, unless samples are picked by a subquery.
    struct selection s = {.expr = v, .detects_resets = r->total_depth > 0 && r->whole_depth == 0};
    CHECK(v->kind == EXPR_VECTOR);
    if (!plan_shift(r, &v->vector.shift, &s.ref) ||
        (x->kind == EXPR_MATRIX && !resolve(r, &x->matrix.range, false, &s.range_ms))) {
        return false;
    }
    explain_source(r, x, &s);
    *out = s;
    return true;
}

struct op *plan_subquery(struct run *r, const struct expr *x, const struct grid *g,
                         enum tally_use use, struct range_source *window)
{
    const struct expr_subquery *q = &x->subquery;
    struct range_source w = {.inner = NULL};
    i64 step_ms = r->opts->subquery_step_ms;
    if (!plan_shift(r, &q->shift, &w.ref) || !resolve(r, &q->range, false, &w.range_ms) ||
        (q->has_step && !resolve(r, &q->step, false, &step_ms))) {
        return NULL;
    }
    // Steps are aligned to absolute time: multiples of the step within (first - range, last].
    i64 first = sat_sub_i64(time_ref_get(&w.ref, g, 0), w.range_ms);
    i64 last = time_ref_get(&w.ref, g, g->steps > 0 ? g->steps - 1 : 0);
    i64 start = first / step_ms * step_ms;
    if (start <= first) {
        start = sat_add_i64(start, step_ms);
    }
    struct grid inner = {.steps = 0};
    if (!grid_make(r, start, g->steps > 0 ? last : start - 1, step_ms, &inner) ||
        !tally_open(r, &inner,
                    (struct tally_place){.use = use,
                                         .around = g->tally,
                                         .offset_ms = w.ref.offset_ms,
                                         .range_ms = w.range_ms})) {
        return NULL;
    }
    explain_window(r, &inner, w.range_ms);
    r->whole_depth++;
    w.inner = plan_expr(r, q->inner, &inner);
    r->whole_depth--;
    *window = w;
    return w.inner;
}

// ---- what does not change ----------------------------------------------------------------------

static bool call_depends_on_time(const struct expr_call *c)
{
    switch ((int)c->fn->id) {
    case FN_DAYS_IN_MONTH:
    case FN_DAY_OF_MONTH:
    case FN_DAY_OF_WEEK:
    case FN_DAY_OF_YEAR:
    case FN_HOUR:
    case FN_MINUTE:
    case FN_MONTH:
    case FN_YEAR:
    case FN_PREDICT_LINEAR:
    case FN_TIME:
        return true;
    case FN_TIMESTAMP: // Of a selector it is the sample's own time.
        return expr_unwrap(c->args[0])->kind != EXPR_VECTOR;
    default:
        return false;
    }
}

bool plan_is_invariant(const struct expr *x)
{
    switch (x->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return true;
    case EXPR_VECTOR:
        return x->vector.shift.at != AT_NONE;
    case EXPR_MATRIX:
        return plan_is_invariant(x->matrix.vector);
    case EXPR_SUBQUERY:
        return x->subquery.shift.at != AT_NONE;
    case EXPR_AGGREGATE: // The parameter does not count, as upstream has it.
        return plan_is_invariant(x->aggregate.inner);
    case EXPR_UNARY:
        return plan_is_invariant(x->unary.inner);
    case EXPR_PAREN:
        return plan_is_invariant(x->paren);
    case EXPR_BINARY:
        return plan_is_invariant(x->binary.left) && plan_is_invariant(x->binary.right);
    case EXPR_CALL:
        for (u32 i = 0; i < x->call.arg_count; i++) {
            if (!plan_is_invariant(x->call.args[i])) {
                return false;
            }
        }
        return !call_depends_on_time(&x->call);
    }
    return false;
}

// ---- nodes -------------------------------------------------------------------------------------

static struct op *plan_aggregate(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr_aggregate *a = &x->aggregate;
    struct op *param = NULL;
    if (a->op != AGG_COUNT_VALUES && a->param) {
        param = plan_expr(r, a->param, g);
        if (!param) {
            return NULL;
        }
    }
    struct op *child = plan_expr(r, a->inner, g);
    switch (a->op) {
    case AGG_TOPK:
    case AGG_BOTTOMK:
    case AGG_LIMITK:
    case AGG_LIMIT_RATIO:
        return op_rank_new(r, x, child, param);
    case AGG_COUNT_VALUES:
        return op_count_values_new(r, x, child);
    case AGG_SUM:
    case AGG_AVG:
    case AGG_COUNT:
    case AGG_MIN:
    case AGG_MAX:
    case AGG_GROUP:
    case AGG_STDDEV:
    case AGG_STDVAR:
    case AGG_QUANTILE:
    case AGG_COUNT_OF:
        break;
    }
    return op_aggregate_new(r, x, child, param);
}

static struct op *plan_binary(struct run *r, const struct expr *x, const struct grid *g)
{
    const struct expr_binary *b = &x->binary;
    bool trims = b->op == OP_TRIM_LOWER || b->op == OP_TRIM_UPPER;
    r->whole_depth += trims;
    struct op *left = plan_expr(r, b->left, g);
    struct op *right = left ? plan_expr(r, b->right, g) : NULL;
    r->whole_depth -= trims;
    if (!right) {
        return NULL;
    }
    bool left_scalar = b->left->type == TYPE_SCALAR;
    bool right_scalar = b->right->type == TYPE_SCALAR;
    if (left_scalar && right_scalar) {
        return op_scalar_binary_new(r, g, b->op, left, right);
    }
    if (left_scalar || right_scalar) {
        struct op *o = op_vector_scalar_new(r, x, left_scalar ? right : left,
                                            left_scalar ? left : right, left_scalar);
        bool drops = b->op < OP_EQ || b->return_bool;
        return drops ? op_unique_new(r, o, UNIQUE_BY_STEP) : o;
    }
    if (binary_op_is_set(b->op)) {
        struct op *o = op_set_new(r, x, left, right);
        return b->op == OP_OR ? op_unique_new(r, o, UNIQUE_BY_STEP) : o;
    }
    return op_unique_new(r, op_join_new(r, x, left, right), UNIQUE_BY_STEP);
}

static struct op *plan_node(struct run *r, const struct expr *x, const struct grid *g)
{
    struct selection s;
    switch (x->kind) {
    case EXPR_NUMBER:
        return op_number_new(r, g, x->number.value);
    case EXPR_VECTOR:
        return plan_selection(r, x, &s) ? op_select_new(r, g, &s, SELECT_VALUE) : NULL;
    case EXPR_CALL:
        return plan_call(r, x, g);
    case EXPR_AGGREGATE:
        return plan_aggregate(r, x, g);
    case EXPR_BINARY:
        return plan_binary(r, x, g);
    case EXPR_UNARY: {
        struct op *child = plan_expr(r, x->unary.inner, g);
        if (!x->unary.negative || !child) {
            return child;
        }
        if (x->type == TYPE_SCALAR) {
            return op_scalar_binary_new(r, g, OP_MUL, op_number_new(r, g, -1), child);
        }
        return op_unique_new(r, op_negate_new(r, child), UNIQUE_BY_STEP);
    }
    case EXPR_STRING:
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
    case EXPR_PAREN:
        break;
    }
    run_fail(r, ERR_INTERNAL, "an expression of this kind cannot stand here");
    return NULL;
}

// A node, or a reader of one that stands at several places.
static struct op *plan_part(struct run *r, const struct expr *x, const struct grid *g)
{
    struct shared *part = share_find(r, x, g);
    if (!part) {
        return r->failed ? NULL : plan_node(r, x, g);
    }
    if (r->share->surveys) {
        part->uses++;
        if (part->uses == 1) {
            part->source = plan_node(r, x, g);
        }
        return part->source;
    }
    if (part->uses <= 1) {
        return plan_node(r, x, g);
    }
    struct explain_node *node = explain_enter(r, x, g);
    struct grid within = *g;
    struct op *own =
        tally_open(r, &within,
                   (struct tally_place){
                       .use = TALLY_SHARED, .around = g->tally, .times = &part->places_read})
            ? plan_node(r, x, &within)
            : NULL;
    explain_leave(r, node, own);
    if (!r->failed) {
        explain_shared(r, part);
    }
    return op_shared_new(r, part, own);
}

static struct op *plan_told(struct run *r, const struct expr *x, const struct grid *g)
{
    struct grid single = {
        .start_ms = g->start_ms, .end_ms = g->start_ms, .step_ms = g->step_ms, .steps = 1};
    if (x->kind == EXPR_NUMBER) {
        return plan_node(r, x, g);
    }
    if (!r->opts->no_sharing && plan_is_constant(x)) {
        explain_constant(r);
        return plan_folded(r, plan_node(r, x, &single), g);
    }
    if (g->steps <= 1 || !plan_is_invariant(x)) {
        return plan_part(r, x, g);
    }
    explain_once(r);
    if (!tally_open(r, &single, (struct tally_place){.use = TALLY_ONCE, .around = g->tally})) {
        return NULL;
    }
    return op_once_new(r, g, plan_part(r, x, &single));
}

// Does it stand for what is below it?
static bool passes_on(const struct expr *x)
{
    return x->kind == EXPR_UNARY && !x->unary.negative;
}

struct op *plan_expr(struct run *r, const struct expr *x, const struct grid *g)
{
    x = expr_unwrap(x);
    struct explain_node *node = passes_on(x) ? NULL : explain_enter(r, x, g);
    struct op *o = plan_told(r, x, g);
    explain_leave(r, node, o);
    return o;
}

static struct op *plan_top(struct run *r, const struct expr *x)
{
    struct range_source window;
    r->op_count = 0;
    if (x->kind != EXPR_SUBQUERY) {
        return plan_expr(r, x, &r->grid);
    }
    struct explain_node *node = explain_enter(r, x, &r->grid);
    struct op *o = plan_subquery(r, x, &r->grid, TALLY_WHOLE, &window);
    explain_leave(r, node, NULL); // Its operator is that of what is below it.
    return o;
}

struct op *plan_query(struct run *r, const struct expr *x)
{
    if (!r->apart && share_is_likely(r, x)) {
        if (!share_begin(r, x) || !plan_top(r, x)) {
            return NULL;
        }
        r->share->surveys = false;
    }
    return r->failed ? NULL : plan_top(r, x);
}
