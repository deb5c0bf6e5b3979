// eval_helped_test.c: with helpers, a query answers, counts, notes and fails as it does alone.
#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist.h"
#include "model/hist_reset.h"
#include "os/thr.h"
#include "promql/eval_fixture.h"
#include "storage/storage.h"

enum { SERIES = 40, HELPERS = 3, STEP_MS = 10000, END_MS = 900000 };

// Two engines over one store. Threads: owned by the test.
struct pair {
    struct fixture f;
    struct pool *pool;
    struct promql_engine *alone;
    struct promql_engine *helped;
};

// Series that fall, that go stale, and some with a histogram among their floats.
static void load(struct fixture *f)
{
    static const struct hist_span span = {.offset = 1, .length = 2};
    static f64 buckets[] = {2, 3};
    const struct hist h = {.schema = 1,
                           .zero_threshold = 1e-128,
                           .count = 5,
                           .sum = 7,
                           .positive = {&span, 1, buckets, 2}};
    for (u32 i = 0; i < SERIES; i++) {
        str name = arena_printf(f->arena, "%s{n=\"%u\"}", i % 2 == 0 ? "a_total" : "gauge", i);
        str values = STR("");
        for (u32 k = 0; k < 30; k++) {
            const char *gap = k > 0 ? " " : "";
            values = k == 12 && i % 5 == 0 ? arena_printf(f->arena, "%.*s stale", STR_ARG(values))
                                           : arena_printf(f->arena, "%.*s%s%u", STR_ARG(values),
                                                          gap, k % 17 * (i + 1));
        }
        fixture_load(f, arena_cstr(f->arena, name), STEP_MS, arena_cstr(f->arena, values));
        if (i % 7 == 3) {
            fixture_load_hist(f, arena_cstr(f->arena, name), 30 * STEP_MS + 5, &h);
        }
    }
}

static void pair_up(struct pair *p, struct promql_engine_opts opts)
{
    fixture_up(&p->f, (struct promql_engine_opts){.samples_max = 0});
    p->pool = pool_new("helped", HELPERS, 64, &p->f.error);
    assert_non_null(p->pool);
    opts.clk = p->f.clk;
    p->alone = promql_engine_new(opts);
    opts.pool = p->pool;
    opts.helpers_max = HELPERS;
    opts.helped_samples = 1;
    p->helped = promql_engine_new(opts);
    load(&p->f);
}

static void pair_down(struct pair *p)
{
    promql_engine_free(p->alone);
    promql_engine_free(p->helped);
    pool_free(p->pool);
    fixture_down(&p->f);
}

// How a run ended, what it counted and what it had to tell. Threads: value.
struct outcome {
    bool ok;
    struct error e;
    struct promql_result result;
    struct query_budget budget;
};

static struct outcome ask(struct pair *p, struct promql_engine *g, const char *text,
                          struct query_budget budget)
{
    struct outcome o = {.budget = budget};
    struct promql_query *q = promql_query_new(g, str_c(text), NULL, &o.e);
    ASSERT_OK(q != NULL, o.e);
    const struct promql_request r = {.storage = p->f.store,
                                     .query = q,
                                     .end_ms = END_MS,
                                     .step_ms = 30000,
                                     .budget = &o.budget,
                                     .wants_stats = true};
    o.ok = promql_range(g, &r, p->f.arena, &o.result, &o.e);
    promql_query_free(q);
    return o;
}

static void check_texts(const str *a, u32 a_count, const str *b, u32 b_count)
{
    assert_int_equal(a_count, b_count);
    for (u32 i = 0; i < a_count; i++) {
        assert_true(str_eq(a[i], b[i]));
    }
}

static void check_series(const struct promql_result *a, const struct promql_result *b)
{
    assert_int_equal(a->series_count, b->series_count);
    for (u32 i = 0; i < a->series_count; i++) {
        const struct promql_series *x = &a->series[i];
        const struct promql_series *y = &b->series[i];
        assert_true(labels_eq(x->labels, y->labels));
        assert_int_equal(x->count, y->count);
        for (u32 k = 0; k < x->count; k++) {
            assert_int_equal(x->points[k].t_ms, y->points[k].t_ms);
            assert_int_equal(x->points[k].hist != NULL, y->points[k].hist != NULL);
            if (x->points[k].hist) { // The value means nothing then.
                assert_true(hist_same(x->points[k].hist, y->points[k].hist));
            } else {
                assert_memory_equal(&x->points[k].value, &y->points[k].value, sizeof(f64));
            }
        }
    }
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->ok, b->ok);
    if (!a->ok) {
        assert_int_equal(a->e.code, b->e.code);
        assert_string_equal(a->e.text, b->e.text);
        return;
    }
    check_series(&a->result, &b->result);
    check_texts(a->result.warnings, a->result.warning_count, b->result.warnings,
                b->result.warning_count);
    check_texts(a->result.infos, a->result.info_count, b->result.infos, b->result.info_count);
    assert_int_equal(a->budget.samples, b->budget.samples);
    assert_int_equal(a->budget.series, b->budget.series);
    const struct promql_stats *x = &a->result.stats;
    const struct promql_stats *y = &b->result.stats;
    assert_int_equal(x->samples_total, y->samples_total);
    assert_int_equal(x->samples_read, y->samples_read);
    assert_int_equal(x->samples_peak, y->samples_peak);
    assert_int_equal(x->step_count, y->step_count);
    assert_int_equal(x->samples_given, y->samples_given);
    assert_memory_equal(x->read_per_step, y->read_per_step, x->step_count * sizeof(u64));
    assert_memory_equal(x->samples_per_step, y->samples_per_step, x->step_count * sizeof(u64));
}

static const char *const queries[] = {
    "rate(a_total[2m])",
    "rate({n=~\".+\"}[2m])",
    "sum(increase({__name__=~\"a_total|gauge\"}[5m]))",
    "avg_over_time({n=~\".+\"}[3m]) + on (n) group_left () rate(gauge[1m])",
    "sum by (n) (rate(gauge[100s])) / count_over_time(a_total[1m] offset 20s)",
    "quantile_over_time(1.5, gauge[1m])",
    "histogram_count(rate({n=~\".+\"}[2m]))",
    "last_over_time({n=~\".+\"}[2m])",
    "rate(nothing[2m])",
    "sum by (n) (rate(a_total[2m]))",
    "sum(rate(nothing[2m]))",
    "sum(last_over_time({n=~\".+\"}[2m]))",
    "avg without (n) (last_over_time({n=~\".+\"}[40s]))",
    "stddev(increase(a_total[3m])) / ignoring (n) count(rate(gauge[3m]))",
    "max by (n) (max_over_time({n=~\".+\"}[2m]))",
    "min(delta(gauge[2m]) > 5)",
    "group without (n) (changes(a_total[2m]))",
    "quantile(0.3, rate(a_total[2m]))",
    "sum(quantile_over_time(scalar(a_total{n=\"2\"}) / 1000, gauge[1m]))",
};

TEST(helped_queries_answer_count_and_note_alike)
{
    struct pair p;
    u32 helped = 0;
    u32 told = 0;
    pair_up(&p, (struct promql_engine_opts){.samples_max = 0});
    for (u32 i = 0; i < ARRAY_LEN(queries); i++) {
        const struct outcome a = ask(&p, p.alone, queries[i], (struct query_budget){.bytes = 0});
        const struct outcome b = ask(&p, p.helped, queries[i], (struct query_budget){.bytes = 0});
        ASSERT_OK(a.ok, a.e);
        check_same(&a, &b);
        assert_int_equal(a.result.stats.helped, 0);
        helped += b.result.stats.helped;
        told += b.result.info_count + b.result.warning_count;
    }
    assert_true(helped >= ARRAY_LEN(queries) - 1);
    assert_true(told >= 4);
    pair_down(&p);
}

// Counters of buckets of exponential widths, and of two sorts of custom ones.
static void load_hists(struct fixture *f)
{
    static const struct hist_span span = {.offset = -1, .length = 3};
    static const f64 bounds[] = {1, 2, 5};
    for (u32 i = 0; i < SERIES; i++) {
        const char *kind = i % 3 == 0 ? "exponential" : "custom";
        const str name = arena_printf(f->arena, "%s{n=\"%u\"}", kind, i);
        for (u32 k = 0; k < 30; k++) {
            const u32 grown = k % 17 * (i + 1);                        // Falls once.
            f64 buckets[] = {1 + grown, 2 + grown * 2, 3 + grown / 7}; // Whole numbers.
            struct hist h = {.count = buckets[0] + buckets[1] + buckets[2],
                             .sum = (f64)grown / 3,
                             .positive = {&span, 1, buckets, 3}};
            struct hist_span from_first = {.offset = 0, .length = 2};
            if (i % 3 != 0) {
                h.schema = HIST_SCHEMA_CUSTOM;
                h.count = buckets[0] + buckets[1];
                h.custom_bounds = bounds + (i % 3 == 1);
                h.custom_bound_count = 2;
                h.positive = (struct hist_side){&from_first, 1, buckets, 2};
            }
            fixture_load_hist(f, arena_cstr(f->arena, name), k * STEP_MS, &h);
        }
    }
}

// What is made of windows goes with its tile once it is added up: nothing of the sums may be in it.
TEST(streamed_histograms_go_once_they_are_added)
{
    static const char *const texts[] = {
        "sum(rate(exponential[2m]))",
        "sum(rate(custom[2m]))",
        "avg by (n) (increase(custom[1m]))",
        "avg(sum_over_time(custom[2m]))",
        "sum(last_over_time(custom[1m]))",
        "avg(avg_over_time(exponential[1m]))",
        "count(delta(exponential[2m]))",
        "max(irate(custom[2m]))",
        "sum(rate({__name__=~\"custom|exponential\"}[2m]))",
        "sum(last_over_time({__name__=~\"custom|exponential\"}[2m]))",
        "histogram_quantile(0.9, sum(rate(custom[2m])))",
    };
    struct pair p;
    pair_up(&p, (struct promql_engine_opts){.samples_max = 0});
    load_hists(&p.f);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct outcome a = ask(&p, p.alone, texts[i], (struct query_budget){.bytes = 0});
        const struct outcome b = ask(&p, p.helped, texts[i], (struct query_budget){.bytes = 0});
        check_same(&a, &b);
        assert_true(a.ok);
        assert_true(a.result.series_count + a.result.warning_count + a.result.info_count > 0);
    }
    pair_down(&p);
}

// Of one name, but told apart by what goes with it: one thread that keeps columns must notice.
TEST(streamed_series_that_become_equal_are_refused)
{
    struct pair p;
    pair_up(&p, (struct promql_engine_opts){.samples_max = 0});
    fixture_load(&p.f, "t_total{__type__=\"counter\",n=\"1\"}", STEP_MS, "1 2 3 4 5 6 7 8");
    fixture_load(&p.f, "t_total{__type__=\"gauge\",n=\"1\"}", STEP_MS, "1 3 5 7 9 11 13 15");
    for (u32 i = 0; i < 2; i++) {
        const char *text = i == 0 ? "sum(rate(t_total[2m]))" : "sum(last_over_time(t_total[2m]))";
        const struct outcome a = ask(&p, p.alone, text, (struct query_budget){.bytes = 0});
        const struct outcome b = ask(&p, p.helped, text, (struct query_budget){.bytes = 0});
        assert_int_equal(a.ok, i == 1);
        check_same(&a, &b);
    }
    pair_down(&p);
}

// Of each series only the labels that the groups are made of are copied, wherever they stand among
// the others.
TEST(streamed_series_have_the_labels_that_are_wanted)
{
    static const char *const texts[] = {
        "sum by (b) (rate(wide_total[2m]))",
        "sum by (z, a) (rate(wide_total[2m]))",
        "count by (a, a, nothing, zz) (rate(wide_total[2m]))",
        "max by (__name__, d) (last_over_time(wide_total[2m]))",
        "max by (__type__, c) (last_over_time(typed[2m]))",
        "sum by () (rate(wide_total[2m]))",
        "sum without (a, d) (rate(wide_total[2m]))",
        "sum by (c) (rate(typed[2m]))",
    };
    struct pair p;
    pair_up(&p, (struct promql_engine_opts){.samples_max = 0});
    for (u32 i = 0; i < SERIES; i++) {
        struct arena *x = p.f.arena;
        const u32 k = i / 7;
        str name = arena_printf(x, "typed{__type__=\"gauge\",a=\"%u\",c=\"%u\"}", i, k);
        if (i % 3 == 0) {
            name = arena_printf(x, "wide_total{a=\"%u\",b=\"%u\",c=\"c\",z=\"%u\"}", i, k, i % 4);
        } else if (i % 3 == 1) {
            name = arena_printf(x, "wide_total{a=\"%u\",d=\"%u\",e=\"e\",o=\"%u\"}", i, k, i % 4);
        }
        fixture_load(&p.f, arena_cstr(p.f.arena, name), STEP_MS, "1 2 3 4 5 6 7 3 9 10");
    }
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        const struct outcome a = ask(&p, p.alone, texts[i], (struct query_budget){.bytes = 0});
        const struct outcome b = ask(&p, p.helped, texts[i], (struct query_budget){.bytes = 0});
        check_same(&a, &b);
        assert_true(a.ok && a.result.series_count > 0);
        assert_true(b.result.stats.helped > 0);
    }
    pair_down(&p);
}

// What there is no place for is counted once, however often and by whomever it was told.
TEST(annotations_that_are_omitted_are_counted_alike)
{
    enum { METRICS = 300, EACH = 3 };
    struct pair p;
    pair_up(&p, (struct promql_engine_opts){.samples_max = 0});
    for (u32 i = 0; i < METRICS * EACH; i++) {
        const str name = arena_printf(p.f.arena, "some%u{n=\"%u\"}", i % METRICS, i);
        fixture_load(&p.f, arena_cstr(p.f.arena, name), STEP_MS, "1 2 3 4 5 6 7 3 9 10");
    }
    static const char *const texts[] = {
        "rate({__name__=~\"some.+\"}[2m])",
        "sum(rate({__name__=~\"some.+\"}[2m]))",
        "sum(rate({__name__=~\"some.+\"}[2m])) + count(increase({__name__=~\"some.+\"}[1m]))",
    };
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        const struct outcome a = ask(&p, p.alone, texts[i], (struct query_budget){.bytes = 0});
        const struct outcome b = ask(&p, p.helped, texts[i], (struct query_budget){.bytes = 0});
        ASSERT_OK(a.ok, a.e);
        check_same(&a, &b);
        assert_true(b.result.stats.helped > 0);
        assert_int_equal(a.result.info_count, 256 + 1);
        assert_true(str_eq_c(a.result.infos[256], "44 more info annotations omitted"));
    }
    pair_down(&p);
}

TEST(helped_queries_fail_alike)
{
    struct pair p;
    u32 failed = 0;
    pair_up(&p, (struct promql_engine_opts){.samples_max = 0});
    for (u32 i = 0; i < ARRAY_LEN(queries); i++) {
        for (u64 most = 1; most < 2500; most = most * 3 + 1) {
            const struct query_budget of_samples = {.samples_max = most};
            const struct query_budget of_series = {.series_max = most};
            struct outcome a = ask(&p, p.alone, queries[i], of_samples);
            struct outcome b = ask(&p, p.helped, queries[i], of_samples);
            check_same(&a, &b);
            failed += !a.ok;
            a = ask(&p, p.alone, queries[i], of_series);
            b = ask(&p, p.helped, queries[i], of_series);
            check_same(&a, &b);
            failed += !a.ok;
        }
    }
    assert_true(failed > 20);
    pair_down(&p);
}

static void check_memory_limits(struct pair *p, const char *text)
{
    u32 failed = 0;
    for (u64 most = 4096; most < (u64)4 << 20; most = most * 3 / 2) {
        const struct query_budget budget = {.bytes_max = most};
        const struct outcome a = ask(p, p->alone, text, budget);
        const struct outcome b = ask(p, p->helped, text, budget);
        assert_int_equal(a.ok, b.ok);
        assert_true(a.ok || a.e.code == b.e.code);
        failed += !a.ok;
    }
    assert_true(failed > 3);
}

// What helpers take too much memory for is done again by one thread.
TEST(helped_queries_survive_every_memory_limit)
{
    struct pair p;
    pair_up(&p, (struct promql_engine_opts){.no_estimate = true});
    check_memory_limits(&p, "rate({n=~\".+\"}[2m])");
    check_memory_limits(&p, "sum(rate(a_total[2m]))");
    check_memory_limits(&p, "sum by (n) (last_over_time({n=~\".+\"}[2m]))");
    pair_down(&p);
}

// ---- cursors that stay open --------------------------------------------------------------------

// Answers as the real one, and counts its open cursors. Threads: owned by the test.
struct counting {
    struct storage base;
    struct storage *inner;
    struct storage_querier querier;
    struct storage_querier *inner_querier;
    struct series_cursor_ops cursor_ops;
    const struct series_cursor_ops *real_ops;
    u32 opened;
    u32 closed;
};
static struct counting *counting; // The one of the running test.

static bool counting_close(struct series_cursor *c, struct storage_warnings *w, struct error *e)
{
    counting->closed++;
    return counting->real_ops->close(c, w, e);
}

static struct series_cursor *counting_select(UNUSED struct storage_querier *q,
                                             const struct matcher *ms, u32 count,
                                             const struct select_hints *h,
                                             struct query_budget *budget, struct error *e)
{
    struct storage_querier *inner = counting->inner_querier;
    struct series_cursor *c = inner->ops->select(inner, ms, count, h, budget, e);
    if (c) {
        counting->opened++;
        counting->real_ops = c->ops;
        counting->cursor_ops = *c->ops;
        counting->cursor_ops.close = counting_close;
        c->ops = &counting->cursor_ops;
    }
    return c;
}

static void counting_querier_close(UNUSED struct storage_querier *q)
{
    storage_querier_close(counting->inner_querier);
}

static const struct storage_querier_ops counting_querier_ops = {.select = counting_select,
                                                                .close = counting_querier_close};

static struct storage_querier *counting_querier(UNUSED struct storage *s, struct tenant_id tenant,
                                                i64 min_ms, i64 max_ms, struct error *e)
{
    counting->inner_querier = storage_querier_open(counting->inner, tenant, min_ms, max_ms, e);
    counting->querier.ops = &counting_querier_ops;
    return counting->inner_querier ? &counting->querier : NULL;
}

static const struct storage_ops counting_ops = {.querier = counting_querier};

static void check_closed(struct pair *p, struct promql_engine *g, const char *text)
{
    u32 failed = 0;
    counting->opened = 0;
    counting->closed = 0;
    for (u64 most = 4096; most < (u64)1 << 20; most = most * 9 / 8) {
        const struct outcome o = ask(p, g, text, (struct query_budget){.bytes_max = most});
        assert_true(o.ok || o.e.code == ERR_LIMIT);
        failed += !o.ok;
        assert_int_equal(counting->opened, counting->closed);
    }
    assert_true(failed > 3);
    assert_true(counting->opened > 10);
}

// Whatever stops a query, also between the attempt to stream and what is done instead.
TEST(cursors_are_closed_at_every_memory_limit)
{
    struct pair p;
    pair_up(&p, (struct promql_engine_opts){.no_estimate = true});
    struct promql_engine *never = promql_engine_new(
        (struct promql_engine_opts){.no_estimate = true,
                                    .clk = p.f.clk,
                                    .pool = p.pool,
                                    .helpers_max = HELPERS,
                                    .helped_samples = 1000000000}); // Nothing is worth help.
    struct counting c = {.base = {&counting_ops}, .inner = p.f.store};
    counting = &c;
    p.f.store = &c.base;
    for (u32 i = 0; i < ARRAY_LEN(queries); i++) {
        check_closed(&p, never, queries[i]);
        check_closed(&p, p.helped, queries[i]);
        arena_reset(p.f.arena);
    }
    p.f.store = c.inner;
    promql_engine_free(never);
    pair_down(&p);
}

TEST(helped_queries_are_cancelled)
{
    struct pair p;
    const int cancel = 1;
    pair_up(&p, (struct promql_engine_opts){.samples_max = 0});
    const struct query_budget budget = {.cancel = &cancel};
    const struct outcome a = ask(&p, p.alone, queries[1], budget);
    const struct outcome b = ask(&p, p.helped, queries[1], budget);
    assert_false(a.ok);
    assert_int_equal(a.e.code, ERR_CANCELLED);
    check_same(&a, &b);
    pair_down(&p);
}

// ---- tiles that are early ----------------------------------------------------------------------

enum { MANY = 600, MANY_STEPS = 3000 };

// The first tile of a selection: it begins when all others are done, or when they have not come on
// for a while. Threads: guarded by lock.
static struct {
    struct lock lock;
    struct cond moved;
    u32 others; // Tiles that are not done.
    u64 given;  // Series.
    const struct series_cursor_ops *real;
    struct series_cursor_ops first_ops;
    struct series_cursor_ops other_ops;
    bool has_begun;
} lag;

static bool lag_first_next(struct series_cursor *c)
{
    lock_take(&lag.lock);
    while (!lag.has_begun && lag.others > 0) {
        const u64 given = lag.given;
        if (!cond_wait_ms(&lag.moved, &lag.lock, 200) && lag.given == given) {
            break;
        }
    }
    lag.has_begun = true;
    lock_drop(&lag.lock);
    return lag.real->next(c);
}

static bool lag_other_next(struct series_cursor *c)
{
    lock_take(&lag.lock);
    lag.given++;
    lock_drop(&lag.lock);
    return lag.real->next(c);
}

static bool lag_other_close(struct series_cursor *c, struct storage_warnings *w, struct error *e)
{
    lock_take(&lag.lock);
    lag.others--;
    cond_signal(&lag.moved);
    lock_drop(&lag.lock);
    return lag.real->close(c, w, e);
}

static bool lag_slices(struct series_cursor *c, u32 count, struct query_budget *budgets,
                       struct series_cursor **out)
{
    if (!counting->real_ops->slices(c, count, budgets, out)) {
        return false;
    }
    lag.real = out[0]->ops;
    lag.first_ops = *lag.real;
    lag.first_ops.next = lag_first_next;
    lag.other_ops = *lag.real;
    lag.other_ops.next = lag_other_next;
    lag.other_ops.close = lag_other_close;
    lag.others = count - 1;
    lag.has_begun = false;
    out[0]->ops = &lag.first_ops;
    for (u32 i = 1; i < count; i++) {
        out[i]->ops = &lag.other_ops;
    }
    return true;
}

static struct series_cursor *lag_select(struct storage_querier *q, const struct matcher *ms,
                                        u32 count, const struct select_hints *h,
                                        struct query_budget *budget, struct error *e)
{
    struct series_cursor *c = counting_select(q, ms, count, h, budget, e);
    counting->cursor_ops.slices = lag_slices;
    return c;
}

static const struct storage_querier_ops lag_querier_ops = {.select = lag_select,
                                                           .close = counting_querier_close};

static struct storage_querier *lag_querier(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                           i64 max_ms, struct error *e)
{
    struct storage_querier *q = counting_querier(s, tenant, min_ms, max_ms, e);
    counting->querier.ops = q ? &lag_querier_ops : NULL;
    return q;
}

static const struct storage_ops lag_ops = {.querier = lag_querier};

static struct outcome ask_steps(struct pair *p, struct promql_engine *g, const char *text,
                                struct query_budget budget)
{
    struct outcome o = {.budget = budget};
    struct promql_query *q = promql_query_new(g, str_c(text), NULL, &o.e);
    ASSERT_OK(q != NULL, o.e);
    const struct promql_request r = {.storage = p->f.store,
                                     .query = q,
                                     .end_ms = END_MS,
                                     .step_ms = END_MS / MANY_STEPS,
                                     .budget = &o.budget};
    o.ok = promql_range(g, &r, p->f.arena, &o.result, &o.e);
    promql_query_free(q);
    return o;
}

// All columns together are more than the run may hold, and hists come on top of that. Tiles behind
// one that takes its time must wait for it instead of giving up what was done.
TEST(tiles_that_are_early_wait_for_memory)
{
    static const char *const texts[] = {"sum(rate(many_total[2m]))", "sum(rate(exponential[2m]))"};
    const struct query_budget budget = {.bytes_max = (u64)18 << 20};
    struct pair p;
    pair_up(&p, (struct promql_engine_opts){.no_estimate = true});
    for (u32 i = 0; i < MANY; i++) {
        const str name = arena_printf(p.f.arena, "many_total{n=\"%u\"}", i);
        fixture_load(&p.f, arena_cstr(p.f.arena, name), STEP_MS, "1 2 3 4 5 6 7 3 9 10");
    }
    load_hists(&p.f);
    lock_init(&lag.lock, LOCK_LEAF, "lag");
    cond_init(&lag.moved);
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        struct counting c = {.base = {&lag_ops}, .inner = p.f.store};
        const struct outcome a = ask_steps(&p, p.alone, texts[i], budget);
        counting = &c;
        p.f.store = &c.base;
        const struct outcome b = ask_steps(&p, p.helped, texts[i], budget);
        p.f.store = c.inner;
        ASSERT_OK(a.ok, a.e);
        ASSERT_OK(b.ok, b.e);
        check_series(&a.result, &b.result);
        assert_int_equal(b.result.stats.helped, 1);
        assert_int_equal(c.opened, 1); // Nothing was done twice.
    }
    cond_fini(&lag.moved);
    lock_fini(&lag.lock);
    pair_down(&p);
}
