// eval_limit_test.c: what stops a query, what it costs, and what storage's troubles become.
#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist.h"
#include "os/clk.h"
#include "os/thr.h"
#include "promql/eval_fixture.h"
#include "storage/memstore.h"

#include <stdio.h>
#include <stdlib.h>

static void load_many(struct fixture *f, int count)
{
    char selector[32];
    for (int i = 0; i < count; i++) {
        (void)snprintf(selector, sizeof(selector), "x{i=\"%d\"}", i);
        fixture_load(f, selector, 10000, "1 2 3 4 5 6 7 8 9 10");
    }
}

TEST(budgets_stop_a_query_and_are_charged)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_many(&f, 100);
    struct query_progress seen = {0};
    struct query_budget spent = {.progress = &seen};
    assert_int_equal(fixture_budgeted(&f, "sum(rate(x[1m]))", &spent), ERR_NONE);
    assert_int_equal(seen.series, 100);
    assert_int_equal(seen.samples, 1000);
    assert_true(seen.bytes > 0);
    assert_int_equal(spent.series, 100);
    assert_int_equal(spent.samples, 1000);
    assert_true(spent.bytes > 0);
    assert_int_equal(f.result.stats.samples_given, 1000);
    assert_int_equal(fixture_budgeted(&f, "x", &(struct query_budget){.series_max = 99}),
                     ERR_LIMIT);
    assert_int_equal(fixture_budgeted(&f, "x", &(struct query_budget){.samples_max = 999}),
                     ERR_LIMIT);
    assert_int_equal(fixture_budgeted(&f, "x", &(struct query_budget){.bytes_max = 20000}),
                     ERR_LIMIT);
    assert_true(str_contains(str_c(f.error.text), STR("20000 bytes")));
    int stop = 1;
    assert_int_equal(fixture_budgeted(&f, "x", &(struct query_budget){.cancel = &stop}),
                     ERR_CANCELLED);
    assert_string_equal(promql_error_type(f.error.code), "canceled");
    assert_string_equal(f.error.text, "query was canceled in expression evaluation");
    clk_manual_advance(f.clk, 1000);
    struct query_budget late = {.deadline_mono_ns = clk_mono_ns(f.clk) - 1};
    assert_int_equal(fixture_budgeted(&f, "x", &late), ERR_TIMEOUT);
    assert_string_equal(promql_error_type(f.error.code), "timeout");
    assert_string_equal(f.error.text, "query timed out in expression evaluation");
    fixture_down(&f);
}

// Counts how often it is read. Threads: owned by the test.
struct watched_clk {
    struct clk clk;
    u32 looks;
};

static i64 watched_wall_ms(struct clk *c)
{
    (void)c;
    return 0;
}

static i64 watched_mono_ns(struct clk *c)
{
    ((struct watched_clk *)c)->looks++;
    return 1;
}

// One series can be minutes of work: a deadline must not have to wait for its end.
TEST(deadlines_are_looked_at_within_a_series)
{
    static const struct clk_ops ops = {.wall_ms = watched_wall_ms, .mono_ns = watched_mono_ns};
    struct watched_clk watched = {.clk = {.ops = &ops}};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    promql_engine_free(f.engine);
    f.engine = promql_engine_new((struct promql_engine_opts){.clk = &watched.clk});
    char values[4096] = "";
    memset(values, ' ', 3999);
    for (u32 i = 0; i < 4000; i += 2) {
        values[i] = '1';
    }
    fixture_load(&f, "x", 1000, values);
    // 2,000 windows of up to 1,000 samples, 1.5 million in all.
    ASSERT_OK(fixture_range(&f, "quantile_over_time(0.9, x[1000s])", 0, 1999000, 1000), f.error);
    u32 of_long = watched.looks;
    ASSERT_OK(fixture_range(&f, "quantile_over_time(0.9, x[1s])", 0, 1999000, 1000), f.error);
    assert_true(of_long > watched.looks - of_long + 4);
    fixture_down(&f);
}

static i64 rising_mono_ns(struct clk *c)
{
    return ++((struct watched_clk *)c)->looks;
}

// Storage looks at the deadline too, and has words of its own.
TEST(deadlines_are_told_alike_wherever_they_are_met)
{
    static const struct clk_ops ops = {.wall_ms = watched_wall_ms, .mono_ns = rising_mono_ns};
    struct watched_clk rising = {.clk = {.ops = &ops}};
    struct fixture f;
    u32 looks = 0;
    bool ended = false;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    memstore_free(f.store);
    f.store = memstore_new((struct memstore_opts){.clk = &rising.clk, .ooo_window_ms = INT64_MAX});
    promql_engine_free(f.engine);
    f.engine = promql_engine_new((struct promql_engine_opts){.clk = &rising.clk});
    load_many(&f, 10);
    while (!ended) {
        rising.looks = 0;
        struct query_budget b = {.deadline_mono_ns = ++looks};
        ended = fixture_budgeted(&f, "sum(rate(x[1m]))", &b) == ERR_NONE;
        if (!ended) {
            assert_string_equal(f.error.text, "query timed out in expression evaluation");
        }
    }
    assert_true(looks > 10);
    fixture_down(&f);
}

TEST(points_held_at_once_are_limited)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.samples_max = 5000});
    load_many(&f, 100);
    assert_int_equal(fixture_budgeted(&f, "x", NULL), ERR_LIMIT); // 9,100 points.
    assert_string_equal(f.error.text, "query processing would load too many samples into memory "
                                      "in query execution: at most 5000 may be held at once "
                                      "(--query.max-samples); fewer series, a shorter range or a "
                                      "larger step would fit");
    assert_int_equal(fixture_budgeted(&f, "sum(x)", NULL), ERR_NONE); // Streams through.
    fixture_down(&f);
}

TEST(memory_that_is_used_up_names_its_limit_and_what_needs_less)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.bytes_max = (u64)64 << 10});
    load_many(&f, 100);
    assert_int_equal(fixture_budgeted(&f, "x", NULL), ERR_LIMIT); // 9,100 points.
    assert_string_equal(f.error.text,
                        "the query needs more than 65536 bytes of memory, its share of "
                        "--memory.limit; fewer series, a shorter range or a larger step would fit");
    assert_false(fixture_instant(&f, "quantile(0.5, last_over_time(x[90s]))", 90000));
    assert_string_equal(f.error.text,
                        "the query needs more than 65536 bytes of memory, its share of "
                        "--memory.limit; fewer series or shorter windows would fit");
    fixture_down(&f);
}

// Whatever the limit on memory, a query ends in an answer or an error, never otherwise.
TEST(every_memory_limit_is_survived)
{
    static const char *const texts[] = {
        "sum by (i) (rate(x[1m]))",
        "x * on(i) group_left x",
        "topk(3, x) or count_values(\"v\", x)",
        "label_replace(x, \"j\", \"$1\", \"i\", \"(.*)\") unless quantile(0.5, x)",
        "sort(max_over_time(x[1m:10s]) + 1)",
        "histogram_quantile(0.5, x)",
        "info(x) and absent(y)",
        "scalar(x) + time()",
    };
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_many(&f, 20);
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        u32 failed = 0;
        for (u64 bytes = 1; bytes < (1 << 22); bytes += bytes / 8 + 1) {
            struct query_budget budget = {.bytes_max = bytes};
            enum err code = fixture_budgeted(&f, texts[i], &budget);
            assert_true(code == ERR_NONE || code == ERR_LIMIT);
            failed += code == ERR_LIMIT;
        }
        assert_true(failed > 0);
        arena_reset(f.arena);
    }
    fixture_down(&f);
}

static void load_some_hists(struct fixture *f)
{
    static const struct hist_span span = {0, 2};
    for (i64 t = 0; t < 10; t++) {
        const f64 buckets[2] = {(f64)t, 1};
        const struct hist h = {.count = (f64)t + 1, .sum = 2, .positive = {&span, 1, buckets, 2}};
        fixture_load_hist(f, "h{i=\"0\"}", t * 10000, &h);
        fixture_load_hist(f, "h{i=\"1\"}", t * 10000, &h);
    }
}

// Asks with a request for memory refused: the right answer, or an error that names the limit.
static bool answers_refused(struct fixture *f, const char *text, u64 request, str want)
{
    struct query_budget budget = {.bytes_max = (u64)64 << 20};
    alloc_fault_arm(request);
    const enum err code = fixture_budgeted(f, text, &budget);
    alloc_fault_disarm();
    if (code == ERR_NONE) {
        ASSERT_STR_EQ(fixture_text(f), want);
        return true;
    }
    assert_int_equal(code, ERR_LIMIT);
    assert_true(str_contains(str_c(f->error.text), STR("memory")));
    return false;
}

// Each request of a query refused once: TIDEMARK_STRIDE=n refuses every n-th, 1 each. A run that
// may share parts is made again when memory runs out, and then has the right answer.
static void refuse_each(const char *name, struct promql_engine_opts opts)
{
    static const char *const texts[] = {
        "sum by (i) (rate(x[1m]))",
        "avg without (i) (h) + on () group_right histogram_count(h)",
        "x * on(i) group_left x",
        "x + on(i) fill (0) h",
        "topk(3, x) or count_values(\"v\", x)",
        "label_replace(x, \"j\", \"$1\", \"i\", \"(.*)\") unless quantile(0.5, x)",
        "label_join(x, \"j\", \"-\", \"i\", \"i\") and x",
        "sort(max_over_time(x[1m:10s]) + 1)",
        "histogram_quantile(0.5, x) or histogram_quantile(0.9, rate(h[1m]))",
        "info(x) and absent(y)",
        "scalar(x) + time() + vector(1)",
        "quantile_over_time(0.5, x[1m]) > bool on (i) stddev by (i) (x offset 10s)",
        "limit_ratio(0.5, x) or sort_by_label(x, \"i\")",
        "absent_over_time(y[1m]) or resets(x[1m] anchored)",
        "sum(x) / sum(x) + count(x)",
    };
    struct fixture f;
    const char *stride_text = getenv("TIDEMARK_STRIDE");
    const u64 stride = stride_text ? strtoull(stride_text, NULL, 10) : 3;
    u64 tried = 0;
    u64 failed = 0;
    fixture_up(&f, opts);
    load_many(&f, 3);
    load_some_hists(&f);
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        struct query_budget budget = {.bytes_max = (u64)64 << 20};
        alloc_fault_arm(0);
        ASSERT_OK(fixture_budgeted(&f, texts[i], &budget) == ERR_NONE, f.error);
        const u64 requests = alloc_fault_calls();
        alloc_fault_disarm();
        struct buf want;
        buf_init(&want, 1 << 20);
        buf_str(&want, fixture_text(&f));
        const u64 failed_before = failed;
        for (u64 n = 1; n <= requests; n += stride, tried++) {
            arena_reset(f.arena);
            failed += !answers_refused(&f, texts[i], n, buf_get(&want));
        }
        assert_true(failed > failed_before);
        assert_true(answers_refused(&f, texts[i], 0, buf_get(&want)));
        buf_fini(&want);
    }
    printf("# %s: %llu requests refused, %llu errors\n", name, (unsigned long long)tried,
           (unsigned long long)failed);
    assert_true(!opts.no_sharing || failed == tried);
    fixture_down(&f);
}

TEST(every_operator_survives_each_refused_request_for_memory)
{
    refuse_each("made again", (struct promql_engine_opts){.no_sharing = false});
    refuse_each("as it is", (struct promql_engine_opts){.no_sharing = true});
}

// The engine asks whether it pays to have help, and goes on alone.
TEST(operators_that_might_be_helped_survive_each_refused_request_for_memory)
{
    struct error e = {.code = ERR_NONE};
    struct pool *pool = pool_new("limits", 1, 4, &e);
    ASSERT_OK(pool != NULL, e);
    struct promql_engine_opts opts = {.pool = pool, .helpers_max = 1, .helped_samples = 1000000000};
    refuse_each("made again, unhelped", opts);
    opts.no_sharing = true;
    refuse_each("as it is, unhelped", opts);
    pool_free(pool);
}

// Its selector outlives the function that planned it: whoever closes it must still find it.
TEST(ranges_that_fail_halfway_are_closed)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.samples_max = 505, .window_by_window = true});
    load_many(&f, 100);
    for (int i = 0; i < 50; i++) {
        assert_false(fixture_instant(&f, "x[1d]", 90000));
        assert_int_equal(f.error.code, ERR_LIMIT);
        assert_true(fixture_instant(&f, "sum(sum_over_time(x[1m]))", 90000));
    }
    fixture_down(&f);
}

TEST(steps_are_limited)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    assert_false(fixture_range(&f, "1", INT64_MIN, INT64_MAX, 1));
    assert_int_equal(f.error.code, ERR_LIMIT);
    assert_false(fixture_instant(&f, "max_over_time(vector(1)[100y:1ms])", 0));
    assert_int_equal(f.error.code, ERR_LIMIT);
    assert_false(fixture_range(&f, "1", 0, 1, 0));
    assert_int_equal(f.error.code, ERR_INVALID);
    assert_false(fixture_range(&f, "x[5m]", 0, 1, 1));
    assert_string_equal(f.error.text, "invalid expression type \"range vector\" for range query, "
                                      "must be Scalar or instant Vector");
    fixture_down(&f);
}

TEST(wrong_texts_have_a_place)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    struct promql_place at;
    assert_false(promql_check(f.engine, STR("sum(\n  x +)"), &at, &f.error));
    assert_int_equal(f.error.code, ERR_INVALID);
    assert_int_equal(at.line, 2);
    assert_true(promql_check(f.engine, STR("sum(x)"), NULL, &f.error));
    // A duration that cannot be is known only when the query's times are.
    assert_false(fixture_instant(&f, "rate(x[step()])", 0));
    assert_int_equal(f.error.code, ERR_INVALID);
    assert_string_equal(promql_error_type(f.error.code), "bad_data");
    fixture_down(&f);
}

TEST(stats_count_per_step)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "1 2 3");
    struct promql_query *q =
        promql_query_new(f.engine, STR("sum_over_time(x[20s])"), NULL, &f.error);
    struct promql_request r = {.storage = f.store,
                               .query = q,
                               .start_ms = 0,
                               .end_ms = 20000,
                               .step_ms = 10000,
                               .wants_stats = true};
    ASSERT_OK(promql_range(f.engine, &r, f.arena, &f.result, &f.error), f.error);
    const struct promql_stats *s = &f.result.stats;
    assert_int_equal(s->step_count, 3);
    assert_int_equal(s->samples_per_step[0], 1);
    assert_int_equal(s->samples_per_step[1], 2);
    assert_int_equal(s->samples_per_step[2], 2);
    assert_int_equal(s->samples_total, 5);
    promql_query_free(q);
    fixture_down(&f);
}

static void count_selector(void *arg, UNUSED const struct matcher *ms, u32 count)
{
    *(u32 *)arg += count;
}

TEST(selectors_of_a_query_can_be_asked)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    u32 matchers = 0;
    struct promql_query *q = promql_query_new(
        f.engine, STR("sum(rate(a{b=\"c\"}[5m])) / on() (d offset 1m > 2)"), NULL, &f.error);
    promql_query_selectors(q, count_selector, &matchers);
    assert_int_equal(matchers, 3);
    assert_int_equal(promql_query_type(q), PROMQL_VECTOR);
    promql_query_free(q);
    promql_query_free(NULL);
    fixture_down(&f);
}

// ---- a storage in trouble ----------------------------------------------------------------------

// Answers as the real one, but its cursors fail or warn when closed. Threads: owned.
struct troubled {
    struct storage base;
    struct storage *inner;
    struct storage_querier querier;
    struct storage_querier *inner_querier;
    struct series_cursor_ops cursor_ops;
    const struct series_cursor_ops *real_ops;
    bool fails;
};
static struct troubled *trouble; // The one of the running test.

static bool trouble_close(struct series_cursor *c, struct storage_warnings *w, struct error *e)
{
    bool ok = trouble->real_ops->close(c, w, e);
    if (trouble->fails) {
        return err_set(e, ERR_CORRUPT, "a block is damaged");
    }
    w->texts[w->count++] = STR("one block could not be read");
    w->partial = true;
    return ok;
}

static struct series_cursor *trouble_select(UNUSED struct storage_querier *q,
                                            const struct matcher *ms, u32 count,
                                            const struct select_hints *h,
                                            struct query_budget *budget, struct error *e)
{
    struct storage_querier *inner = trouble->inner_querier;
    struct series_cursor *c = inner->ops->select(inner, ms, count, h, budget, e);
    trouble->real_ops = c->ops;
    trouble->cursor_ops = *c->ops;
    trouble->cursor_ops.close = trouble_close;
    c->ops = &trouble->cursor_ops;
    return c;
}

static void trouble_querier_close(UNUSED struct storage_querier *q)
{
    storage_querier_close(trouble->inner_querier);
}

static const struct storage_querier_ops trouble_querier_ops = {.select = trouble_select,
                                                               .close = trouble_querier_close};

static struct storage_querier *trouble_querier(UNUSED struct storage *s, struct tenant_id tenant,
                                               i64 min_ms, i64 max_ms, struct error *e)
{
    trouble->inner_querier = storage_querier_open(trouble->inner, tenant, min_ms, max_ms, e);
    trouble->querier.ops = &trouble_querier_ops;
    return &trouble->querier;
}

static const struct storage_ops trouble_ops = {.querier = trouble_querier};

TEST(troubles_of_storage_are_told)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "1");
    struct troubled t = {.base = {&trouble_ops}, .inner = f.store};
    trouble = &t;
    f.store = &t.base;
    expect_instant(&f, "x + x", 0, "{} 2 | one block could not be read");
    assert_true(f.result.partial);
    t.fails = true;
    expect_instant(&f, "x", 0, "error: expanding series: a block is damaged");
    assert_string_equal(promql_error_type(f.error.code), "internal");
    f.store = t.inner;
    fixture_down(&f);
}
