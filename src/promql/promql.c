// promql.c: engines, queries and their evaluation; see promql.h.
#include "promql/promql.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/checked.h"
#include "base/str.h"
#include "model/hist.h"
#include "os/clk.h"
#include "promql/explain.h"
#include "promql/feed.h"
#include "promql/parse.h"
#include "promql/plan.h"
#include "promql/plan_cost.h"
#include "promql/query_run.h"
#include "promql/raw_range.h"
#include "promql/result.h"
#include "promql/tally.h"

#define LOOKBACK_MS      ((i64)5 * 60 * 1000)
#define TIMEOUT_MS       ((i64)2 * 60 * 1000)
#define SUBQUERY_STEP_MS ((i64)60 * 1000)
#define SAMPLES_MAX      ((u64)50 * 1000 * 1000)
#define BYTES_MAX        ((u64)2 << 30)
#define HOARD_BYTES      ((u64)16 << 20)
#define HELPED_SAMPLES   ((u64)200 * 1000)
#define QUERY_BYTES_MAX  ((size_t)64 << 20) // A tree is at most some hundred times its text.

// Threads: frozen but for subquery_step_ms.
struct promql_engine {
    struct promql_engine_opts opts;
    _Atomic i64 subquery_step_ms;
};

struct promql_engine *promql_engine_new(struct promql_engine_opts opts)
{
    struct promql_engine *g = MEM_NEW(struct promql_engine);
    g->opts = opts;
    struct promql_engine_opts *o = &g->opts;
    o->lookback_ms = o->lookback_ms > 0 ? o->lookback_ms : LOOKBACK_MS;
    o->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
    promql_engine_set_subquery_step(g, o->subquery_step_ms);
    o->samples_max = o->samples_max > 0 ? o->samples_max : SAMPLES_MAX;
    o->bytes_max = o->bytes_max > 0 ? o->bytes_max : BYTES_MAX;
    o->hoard_bytes = o->hoard_bytes > 0 ? o->hoard_bytes : HOARD_BYTES;
    o->helped_samples = o->helped_samples > 0 ? o->helped_samples : HELPED_SAMPLES;
    return g;
}

void promql_engine_free(struct promql_engine *g)
{
    mem_free(g);
}

const struct promql_engine_opts *promql_engine_get_opts(const struct promql_engine *g)
{
    return &g->opts;
}

void promql_engine_set_subquery_step(struct promql_engine *g, i64 step_ms)
{
    g->subquery_step_ms = step_ms > 0 ? step_ms : SUBQUERY_STEP_MS;
}

// ---- queries -----------------------------------------------------------------------------------

// Threads: frozen.
struct promql_query {
    struct arena *arena;
    str text;
    struct expr *expr;
};

static bool tell_parse_error(const struct parse_error *pe, struct promql_place *at, struct error *e)
{
    struct buf b;
    buf_init(&b, sizeof(e->text) * 4);
    parse_error_print(&b, pe);
    if (at) {
        *at = (struct promql_place){
            .start = pe->span.start, .end = pe->span.end, .line = pe->line, .column = pe->column};
    }
    err_set(e, ERR_INVALID, "%.*s", STR_ARG(buf_get(&b)));
    buf_fini(&b);
    return false;
}

struct promql_query *promql_query_new(const struct promql_engine *g, str text,
                                      struct promql_place *at, struct error *e)
{
    struct parse_opts opts = {.no_experimental_functions = g->opts.no_experimental_functions,
                              .no_duration_exprs = g->opts.no_duration_exprs,
                              .no_extended_ranges = g->opts.no_extended_ranges,
                              .no_fill = g->opts.no_fill};
    struct parse_error pe = {.line = 0};
    struct arena *arena = arena_new(QUERY_BYTES_MAX);
    struct expr *x = parse_expr(arena, text, &opts, &pe);
    if (!x) {
        tell_parse_error(&pe, at, e);
        arena_free(arena);
        return NULL;
    }
    struct promql_query *q = MEM_NEW(struct promql_query);
    *q = (struct promql_query){.arena = arena, .text = arena_str(arena, text), .expr = x};
    return q;
}

void promql_query_free(struct promql_query *q)
{
    if (q) {
        arena_free(q->arena);
        mem_free(q);
    }
}

bool promql_check(const struct promql_engine *g, str text, struct promql_place *at, struct error *e)
{
    struct promql_query *q = promql_query_new(g, text, at, e);
    promql_query_free(q);
    return q != NULL;
}

enum promql_type promql_query_type(const struct promql_query *q)
{
    switch (q->expr->type) {
    case TYPE_SCALAR:
        return PROMQL_SCALAR;
    case TYPE_STRING:
        return PROMQL_STRING;
    case TYPE_MATRIX:
        return PROMQL_MATRIX;
    case TYPE_VECTOR:
    case TYPE_NONE:
        break;
    }
    return PROMQL_VECTOR;
}

str promql_query_text(const struct promql_query *q)
{
    return q->text;
}

void promql_query_print(struct buf *out, const struct promql_query *q)
{
    expr_print(out, q->expr);
}

void promql_query_print_pretty(struct buf *out, const struct promql_query *q)
{
    expr_print_pretty(out, q->expr);
}

void promql_query_print_json(struct buf *out, const struct promql_query *q)
{
    expr_print_json(out, q->expr);
}

static void each_selector(const struct expr *x,
                          void (*fn)(void *arg, const struct matcher *ms, u32 count), void *arg)
{
    if (x->kind == EXPR_VECTOR) {
        fn(arg, x->vector.matchers, x->vector.matcher_count);
    }
    for (u32 i = 0; i < expr_child_count(x); i++) { // ast.h (I2) bounds the depth.
        each_selector(expr_child(x, i), fn, arg);
    }
}

void promql_query_selectors(const struct promql_query *q,
                            void (*fn)(void *arg, const struct matcher *ms, u32 count), void *arg)
{
    each_selector(q->expr, fn, arg);
}

bool promql_query_match(struct promql_query *q, str name, const struct matcher *m, struct error *e)
{
    return expr_match(q->expr, q->arena, name, m) ||
           err_set(e, ERR_LIMIT, "the query has more matchers than there is room for");
}

bool promql_selector(struct arena *a, str text, bool may_be_empty, const struct matcher **ms,
                     u32 *count, struct error *e)
{
    struct parse_error pe = {.line = 0};
    const struct matcher *found;
    u32 n;
    if (!parse_selector(a, text, &found, &n, &pe)) {
        return tell_parse_error(&pe, NULL, e);
    }
    bool selective = may_be_empty;
    for (u32 i = 0; i < n; i++) {
        selective = selective || !matcher_matches_empty(&found[i]);
    }
    if (!selective) {
        return err_set(e, ERR_INVALID, "match[] must contain at least one non-empty matcher");
    }
    *ms = found;
    *count = n;
    return true;
}

// ---- runs --------------------------------------------------------------------------------------

static i64 now_ns(const struct run *r)
{
    return r->opts->clk ? clk_mono_ns(r->opts->clk) : 0;
}

static void run_begin(struct run *r, const struct promql_engine *g, const struct promql_request *q,
                      struct error *e)
{
    memset(r, 0, sizeof(*r));
    r->engine = g;
    r->opts = &g->opts;
    r->request = q;
    r->error = e;
    r->lookback_ms = q->lookback_ms > 0 ? q->lookback_ms : g->opts.lookback_ms;
    r->min_ms = INT64_MAX;
    r->max_ms = INT64_MIN;
    r->bytes_limit = g->opts.bytes_max;
    if (q->budget) {
        r->budget = *q->budget;
        u64 left = r->budget.bytes_max - MIN(r->budget.bytes, r->budget.bytes_max);
        if (r->budget.bytes_max != 0) {
            r->bytes_limit = MIN(r->bytes_limit, left);
        }
    }
    r->budget.bytes_max = 0; // Decoded samples are in the run's arena, which has its own limit.
    if (g->opts.clk) {
        i64 own = sat_add_i64(now_ns(r), g->opts.timeout_ms * 1000000);
        i64 given = r->budget.deadline_mono_ns;
        r->budget.deadline_mono_ns = given != 0 ? MIN(own, given) : own;
    }
    r->arena = arena_new(r->bytes_limit + RUN_SLACK_BYTES);
    r->scratch = arena_new(r->bytes_limit + RUN_SLACK_BYTES);
    struct promql_engine_opts *own = ARENA_NEW(r->arena, struct promql_engine_opts);
    *own = g->opts;
    own->subquery_step_ms = g->subquery_step_ms; // The same for the whole run.
    r->opts = own;
}

static void run_end(struct run *r)
{
    feed_close_all(r);
    storage_querier_close(r->querier);
    if (r->request->budget) {
        r->request->budget->bytes += arena_bytes(r->arena) + r->helper_bytes;
        r->request->budget->samples = r->budget.samples;
        r->request->budget->series = r->budget.series;
    }
    arena_free(r->scratch);
    arena_free(r->arena);
}

static bool open_querier(struct run *r)
{
    struct error e = {.code = ERR_NONE};
    if (r->min_ms > r->max_ms) {
        return true; // No selector.
    }
    r->querier =
        storage_querier_open(r->request->storage, r->request->tenant, r->min_ms, r->max_ms, &e);
    return r->querier ? true : run_fail_with(r, &e);
}

// What a query is made into: one of these, or a string. Threads: owned.
struct prepared {
    struct op *root;
    struct raw_range raw;
};

static bool plan_run(struct run *r, const struct expr *x, struct prepared *p)
{
    p->root = NULL;
    if (x->kind == EXPR_STRING || x->kind == EXPR_MATRIX) {
        struct explain_node *node = explain_enter(r, x, &r->grid);
        bool ok = x->kind == EXPR_STRING || raw_range_plan(&p->raw, r, x);
        explain_leave(r, node, NULL);
        return ok;
    }
    p->root = plan_query(r, x);
    if (p->root && r->opts->delayed_name_removal) {
        p->root = op_cleanup_new(r, p->root);
    }
    return p->root != NULL;
}

static bool run_planned(struct run *r, const struct expr *x, struct prepared *p, struct result *out)
{
    if (x->kind == EXPR_STRING) {
        return result_string(out, r, x->string);
    }
    if (p->root) {
        return op_open(p->root, r) && result_take(out, r, p->root);
    }
    struct explain_node *node = r->explain ? r->explain->root->first : NULL;
    struct explain_node *from = explain_to(r, node);
    bool ok = raw_range_run(&p->raw, r, out);
    explain_back(r, node, from);
    explain_series(node, p->raw.feed.series_count);
    return ok;
}

// Plans, reads and calculates; the answer goes to out.
static bool run_expr(struct run *r, struct result *out)
{
    const struct expr *x = expr_unwrap(r->request->query->expr);
    struct promql_stats *stats = &out->answer->stats;
    i64 begun = now_ns(r);
    // In the run's memory: a selector that is read when this fails is closed at the run's end.
    struct prepared *p = RUN_NEW(r, struct prepared);
    if (!p) {
        return false;
    }
    if (!tally_open(r, &r->grid, (struct tally_place){.use = TALLY_ROOT}) || !plan_run(r, x, p) ||
        (!r->opts->no_estimate && !plan_cost_check(r, x)) || !open_querier(r)) {
        return false;
    }
    i64 prepared = now_ns(r);
    bool ok = run_planned(r, x, p, out);
    stats->seconds[PROMQL_PREPARATION] = (f64)(prepared - begun) / 1e9;
    stats->seconds[PROMQL_INNER_EVAL] = (f64)(now_ns(r) - prepared) / 1e9;
    return ok;
}

static const u64 *steps_copy(struct result *res, const u64 *steps, u32 count)
{
    u64 *copy = ARENA_NEW_N(res->arena, u64, MAX(count, 1U));
    memcpy(copy, steps, count * sizeof(u64));
    return copy;
}

static void tell_tally(struct run *r, struct result *res, struct promql_stats *s)
{
    const struct tally *t = r->grid.tally;
    if (t) {
        tally_close(r);
        s->samples_total = t->looked_at;
        s->samples_read = t->read;
        s->step_count = r->grid.steps;
        s->samples_per_step = steps_copy(res, t->looked_at_by_step, r->grid.steps);
        s->read_per_step = steps_copy(res, t->read_by_step, r->grid.steps);
    }
}

static void tell_stats(struct run *r, struct result *res, i64 begun)
{
    struct promql_stats *s = &res->answer->stats;
    s->samples_total = r->samples_total;
    s->samples_peak = r->samples_peak;
    s->samples_given = r->budget.samples - (r->request->budget ? r->request->budget->samples : 0);
    s->bytes_peak = run_bytes(r);
    s->helped = r->helped;
    s->tiles_helped = r->tiles_helped;
    tell_tally(r, res, s);
    s->seconds[PROMQL_EVAL_TOTAL] = (f64)(now_ns(r) - begun) / 1e9;
    s->seconds[PROMQL_EXEC_TOTAL] = s->seconds[PROMQL_EVAL_TOTAL];
}

static bool evaluate(struct run *r, struct arena *a, bool is_instant, struct promql_result *out)
{
    struct promql_result answer = {.type = PROMQL_MATRIX};
    struct result res = {.answer = &answer, .is_instant = is_instant};
    i64 begun = now_ns(r);
    result_begin(&res, r);
    if (is_instant) {
        answer.type = promql_query_type(r->request->query);
    }
    bool ok = run_expr(r, &res);
    if (ok && answer.type == PROMQL_MATRIX) {
        i64 sorting = now_ns(r);
        result_sort(&res);
        answer.stats.seconds[PROMQL_RESULT_SORT] = (f64)(now_ns(r) - sorting) / 1e9;
    }
    if (!ok) {
        CHECK(r->failed);
        arena_free(res.arena);
        return false;
    }
    result_notes(&res, r, r->request->query->text);
    tell_stats(r, &res, begun);
    result_hand_over(&res, a);
    *out = answer;
    return true;
}

// What is known and kept of equal parts may be what was too much, or what helpers hold: then each
// place evaluates its own, and the run's thread alone, in the time that is left.
static bool must_retry(const struct run *r)
{
    return r->failed && r->out_of_memory && (r->shares || r->asks_help);
}

// What is asked of a run beside its request. Threads: owned by the caller.
struct task {
    bool is_instant;
    bool only_plans;           // Nothing is read.
    struct promql_plan **plan; // NULL: not wanted.
    struct promql_result *answer;
};

static bool run_once(struct run *r, const struct task *t, struct arena *a)
{
    const struct promql_request *q = r->request;
    i64 step_ms = t->is_instant ? 1 : q->step_ms;
    struct prepared p;
    if (!grid_make(r, q->start_ms, q->end_ms, step_ms, &r->grid) ||
        (t->plan && !explain_begin(r))) {
        return false;
    }
    bool ok = t->only_plans ? plan_run(r, expr_unwrap(q->query->expr), &p)
                            : evaluate(r, a, t->is_instant, t->answer);
    explain_end(r);
    if (ok && t->plan) {
        if (!t->only_plans) {
            r->explain->root->cost.series = t->answer->series_count;
        }
        *t->plan = explain_take(r, a);
    }
    return ok;
}

static bool run_whole(const struct promql_engine *g, const struct promql_request *q,
                      const struct task *t, struct arena *a, struct error *e)
{
    struct run r;
    struct error told = {.code = ERR_NONE};
    struct query_budget given = {.bytes = 0};
    if (q->budget) {
        given = *q->budget;
    }
    run_begin(&r, g, q, &told);
    r.apart = g->opts.no_sharing;
    bool ok = run_once(&r, t, a);
    if (!ok && must_retry(&r)) {
        i64 deadline = r.budget.deadline_mono_ns;
        run_end(&r);
        if (q->budget) {
            *q->budget = given;
        }
        run_begin(&r, g, q, &told);
        r.budget.deadline_mono_ns = deadline;
        r.apart = true;
        r.alone = true;
        ok = run_once(&r, t, a);
    }
    run_end(&r);
    if (!ok && e) {
        *e = told;
    }
    return ok;
}

static struct promql_request as_instant(const struct promql_request *q)
{
    struct promql_request request = *q;
    request.end_ms = q->start_ms;
    request.step_ms = 0;
    return request;
}

static bool check_range(const struct promql_request *q, struct error *e)
{
    enum value_type type = q->query->expr->type;
    if (type != TYPE_SCALAR && type != TYPE_VECTOR) {
        return err_set(e, ERR_INVALID,
                       "invalid expression type \"%s\" for range query, must be Scalar or instant "
                       "Vector",
                       value_type_words(type));
    }
    if (q->step_ms <= 0) {
        return err_set(e, ERR_INVALID, "the step of a range query must be greater than zero");
    }
    return true;
}

bool promql_instant(const struct promql_engine *g, const struct promql_request *q, struct arena *a,
                    struct promql_result *out, struct error *e)
{
    struct promql_request request = as_instant(q);
    struct task t = {.is_instant = true, .answer = out};
    return run_whole(g, &request, &t, a, e);
}

bool promql_range(const struct promql_engine *g, const struct promql_request *q, struct arena *a,
                  struct promql_result *out, struct error *e)
{
    struct task t = {.answer = out};
    return check_range(q, e) && run_whole(g, q, &t, a, e);
}

static bool run_told(const struct promql_engine *g, const struct promql_request *q, struct task *t,
                     struct arena *a, struct error *e)
{
    t->is_instant = q->step_ms == 0;
    struct promql_request request = t->is_instant ? as_instant(q) : *q;
    return (t->is_instant || check_range(q, e)) && run_whole(g, &request, t, a, e);
}

bool promql_explain(const struct promql_engine *g, const struct promql_request *q, struct arena *a,
                    struct promql_plan **out, struct error *e)
{
    struct task t = {.only_plans = true, .plan = out};
    return run_told(g, q, &t, a, e);
}

bool promql_analyze(const struct promql_engine *g, const struct promql_request *q, struct arena *a,
                    struct promql_plan **out, struct promql_result *answer, struct error *e)
{
    struct task t = {.plan = out, .answer = answer};
    return run_told(g, q, &t, a, e);
}
