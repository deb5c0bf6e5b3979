// explain_test.c: plans as text, and that what their parts took is what the run took.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"
#include "promql/eval_fixture.h"

#include <stdio.h>

// Threads: owned by the test.
struct plan_case {
    const char *query;
    i64 step_ms; // 0: instant, at 1 h.
    const char *want;
};

static struct promql_plan *plan_of(struct fixture *f, const struct plan_case *c, bool analyze,
                                   struct promql_result *answer)
{
    struct promql_plan *p = NULL;
    struct promql_query *q = promql_query_new(f->engine, str_c(c->query), NULL, &f->error);
    ASSERT_OK(q != NULL, f->error);
    struct promql_request r = {.storage = f->store,
                               .tenant = TENANT_DEFAULT,
                               .query = q,
                               .start_ms = 3600000,
                               .end_ms = 3600000 + (c->step_ms > 0 ? 600000 : 0),
                               .step_ms = c->step_ms};
    bool ok = analyze ? promql_analyze(f->engine, &r, f->arena, &p, answer, &f->error)
                      : promql_explain(f->engine, &r, f->arena, &p, &f->error);
    ASSERT_OK(ok, f->error);
    promql_query_free(q);
    return p;
}

static const struct plan_case plan_cases[] = {
    {"up{job=\"a\"}", 0,
     "  select up{job=\"a\"}, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:00:00Z\n"},
    {"sum by (job) (rate(http_total{code=~\"5..\"}[5m] offset 10m))", 60000,
     "  aggregate sum by (job)\n"
     "    range rate over http_total{code=~\"5..\"}[5m] offset 10m, reads 1970-01-01T00:45:00.001Z "
     "to 1970-01-01T01:00:00Z\n"},
    {"sum(rate(x[5m])) / sum(rate(x[5m]))", 60000,
     "  join /\n"
     "    shared part 1, read at 2 places\n"
     "      aggregate sum\n"
     "        range rate over x[5m], reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:10:00Z\n"
     "    shared part 1, as above\n"},
    {"histogram_quantile(0.9, sum by (le) (rate(b_bucket[5m])))", 60000,
     "  call histogram_quantile\n"
     "    number 0.9\n"
     "    aggregate sum by (le)\n"
     "      range rate over b_bucket[5m], reads 1970-01-01T00:55:00.001Z to "
     "1970-01-01T01:10:00Z\n"},
    {"topk(2 + 3, x) * on (i) group_left (v) y", 60000,
     "  join * on (i) group_left (v)\n"
     "    aggregate topk\n"
     "      number 5 = 2 + 3\n"
     "      select x, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:10:00Z\n"
     "    select y, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:10:00Z\n"},
    {"max_over_time(sum(x)[30m:5m] offset 1m) > bool 60 * 60", 60000,
     "  arithmetic > bool\n"
     "    range max_over_time over [30m:5m] offset 1m, 8 steps of 5m from 1970-01-01T00:30:00Z\n"
     "      aggregate sum\n"
     "        select x, reads 1970-01-01T00:25:00.001Z to 1970-01-01T01:05:00Z\n"
     "    number 3600 = 60 * 60\n"},
    {"x @ start() - x", 60000,
     "  join -\n"
     "    select x @ start(), reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:00:00Z, once for all "
     "steps\n"
     "    select x, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:10:00Z\n"},
    {"rate(x[step() * 4])", 60000,
     "  range rate over x[step() * 4], windows of 4m, reads 1970-01-01T00:56:00.001Z to "
     "1970-01-01T01:10:00Z\n"},
    {"label_replace(+x, \"a\", \"$1\", \"b\", \"(.*)\") or absent(y)", 0,
     "  set or\n"
     "    call label_replace \"a\" \"$1\" \"b\" \"(.*)\"\n"
     "      select x, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:00:00Z\n"
     "    call absent\n"
     "      select y, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:00:00Z\n"},
    {"x[1m]", 0, "  samples x[1m], reads 1970-01-01T00:59:00.001Z to 1970-01-01T01:00:00Z\n"},
    {"\"hello\"", 0, "  string \"hello\"\n"},
    {"sum(x)[10m:1m]", 0,
     "  subquery [10m:1m], 10 steps of 1m from 1970-01-01T00:51:00Z\n"
     "    aggregate sum\n"
     "      select x, reads 1970-01-01T00:46:00.001Z to 1970-01-01T01:00:00Z\n"},
    {"timestamp(x) - time()", 0,
     "  arithmetic -\n"
     "    call timestamp of x, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:00:00Z\n"
     "    call time\n"},
    {"info(x, {__name__=~\".+_info\", v=\"1\"})", 0,
     "  call info with {__name__=~\".+_info\",v=\"1\"}\n"
     "    select x, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:00:00Z\n"},
    {"-quantile without (i) (0.5, x)", 0,
     "  negate\n"
     "    aggregate quantile without (i)\n"
     "      number 0.5\n"
     "      select x, reads 1970-01-01T00:55:00.001Z to 1970-01-01T01:00:00Z\n"},
};

TEST(plans_are_told_as_text)
{
    struct fixture f;
    struct buf b;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    buf_init(&b, 1 << 20);
    for (u32 i = 0; i < ARRAY_LEN(plan_cases); i++) {
        const struct plan_case *c = &plan_cases[i];
        str head = c->step_ms > 0 ? STR("query 11 steps of 1m from 1970-01-01T01:00:00Z to "
                                        "1970-01-01T01:10:00Z\n")
                                  : STR("query at 1970-01-01T01:00:00Z\n");
        buf_clear(&b);
        promql_plan_print(&b, plan_of(&f, c, false, NULL), false);
        str text = buf_get(&b);
        ASSERT_STR_EQ(str_sub(text, 0, MIN(head.len, text.len)), head);
        ASSERT_STR_EQ(str_sub(text, MIN(head.len, text.len), text.len), str_c(c->want));
    }
    buf_fini(&b);
    fixture_down(&f);
}

// ---- what it took ------------------------------------------------------------------------------

static void add_up(const struct promql_plan *p, struct promql_cost *sum)
{
    sum->samples += p->cost.samples;
    sum->samples_read += p->cost.samples_read;
    sum->bytes += p->cost.bytes;
    sum->seconds += p->cost.seconds;
    for (u32 i = 0; i < p->child_count; i++) { // As deep as the query.
        add_up(&p->children[i], sum);
    }
}

static void load_series(struct fixture *f)
{
    char selector[48];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(selector, sizeof(selector), "x{i=\"%d\"}", i);
        fixture_load(f, selector, 600000, "1 2 3 4 5 6 7 8 9 10");
        (void)snprintf(selector, sizeof(selector), "y{i=\"%d\",v=\"1\"}", i);
        fixture_load(f, selector, 600000, "1 2 3 4 5 6 7 8 9 10");
    }
}

// Each look at this clock is a millisecond later than the one before.
static i64 stepping_mono_ns(struct clk *c)
{
    (void)c;
    static i64 now_ns;
    return now_ns += 1000000;
}

static i64 stepping_wall_ms(struct clk *c)
{
    (void)c;
    return 0;
}

TEST(what_parts_took_is_what_the_run_took)
{
    static const struct clk_ops ops = {.wall_ms = stepping_wall_ms, .mono_ns = stepping_mono_ns};
    struct clk stepping = {.ops = &ops};
    static const char *const more[] = {
        "sum(x) + sum(x) + sum(y)",
        "(sum by (i) (x) - max(x)) / (sum by (i) (x) - max(x))",
        "quantile_over_time(scalar(sum(x)), x[30m]) + on (i) sum by (i) (x + on (i) x)",
        "(x + on (i) y) / on (i) (y + on (i) x) + on (i) (x + on (i) y)",
        "x[1h]",
    };
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_series(&f);
    struct promql_engine *own = f.engine;
    struct promql_engine *sides[] = {
        promql_engine_new((struct promql_engine_opts){.clk = &stepping}),
        promql_engine_new((struct promql_engine_opts){.clk = &stepping, .no_sharing = true}),
        // Too little for equal parts to be held: each place evaluates its own.
        promql_engine_new((struct promql_engine_opts){.clk = &stepping, .bytes_max = 1 << 18}),
    };
    for (u32 k = 0; k < ARRAY_LEN(sides); k++) {
        f.engine = sides[k];
        for (u32 i = 0; i < ARRAY_LEN(plan_cases) + ARRAY_LEN(more); i++) {
            bool is_more = i >= ARRAY_LEN(plan_cases);
            struct plan_case c = is_more
                                     ? (struct plan_case){.query = more[i - ARRAY_LEN(plan_cases)]}
                                     : plan_cases[i];
            struct promql_cost sum = {.series = 0};
            struct promql_result answer;
            const struct promql_plan *p = plan_of(&f, &c, true, &answer);
            add_up(p, &sum);
            assert_int_equal(sum.samples, answer.stats.samples_total);
            assert_int_equal(sum.samples_read, answer.stats.samples_given);
            assert_int_equal(p->cost.series, answer.series_count);
            assert_true(sum.bytes > 0 && sum.bytes <= answer.stats.bytes_peak);
            assert_true(sum.seconds >= answer.stats.seconds[PROMQL_EVAL_TOTAL]);
        }
    }
    f.engine = own;
    for (u32 k = 0; k < ARRAY_LEN(sides); k++) {
        promql_engine_free(sides[k]);
    }
    fixture_down(&f);
}

TEST(parts_know_what_they_took)
{
    struct fixture f;
    struct promql_result answer;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_series(&f);
    const struct plan_case c = {.query =
                                    "sum by (i) (x) / sum by (i) (x) + on (i) group_left () y"};
    const struct promql_plan *p = plan_of(&f, &c, true, &answer);
    ASSERT_STR_EQ(p->op, STR("query"));
    assert_int_equal(p->child_count, 1);
    const struct promql_plan *plus = p->children;
    ASSERT_STR_EQ(plus->detail, STR("+ on (i) group_left ()"));
    assert_int_equal(plus->child_count, 2);
    ASSERT_STR_EQ(plus->children[1].op, STR("select"));
    assert_int_equal(plus->children[1].cost.samples, 6);
    assert_int_equal(plus->children[1].cost.series, 6);
    const struct promql_plan *by = &plus->children[0];
    assert_int_equal(by->child_count, 2);
    const struct promql_plan *first = &by->children[0];
    const struct promql_plan *again = &by->children[1];
    ASSERT_STR_EQ(first->detail, STR("part 1, read at 2 places"));
    ASSERT_STR_EQ(again->detail, STR("part 1, as above"));
    assert_int_equal(again->child_count, 0);
    // As if the place that came second had looked itself.
    assert_int_equal(first->cost.samples + again->cost.samples, 6);
    assert_int_equal(first->cost.samples_read + again->cost.samples_read, 0);
    assert_int_equal(first->children[0].children[0].cost.samples, 6);
    assert_int_equal(first->children[0].children[0].cost.samples_read, 6);
    fixture_down(&f);
}
