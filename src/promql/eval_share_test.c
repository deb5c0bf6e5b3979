// eval_share_test.c: equal parts of a query are evaluated once, at no cost in answers or in limits.
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "promql/eval_fixture.h"

#include <stdio.h>

enum { SERIES = 40, VALUES = 10 };

static void load_all(struct fixture *f)
{
    char selector[32];
    for (int i = 0; i < SERIES; i++) {
        (void)snprintf(selector, sizeof(selector), "x{i=\"%d\"}", i);
        fixture_load(f, selector, 10000, "1 2 3 4 5 6 7 8 9 10");
        (void)snprintf(selector, sizeof(selector), "y_total{i=\"%d\"}", i);
        fixture_load(f, selector, 10000, "1 2 3 4 5 6 7 8 9 10");
    }
}

// Threads: owned by the test.
struct cost_case {
    const char *text;
    u32 selects; // Of 10 samples of 40 series each.
};

TEST(equal_parts_are_read_once)
{
    static const struct cost_case cases[] = {
        {"rate(x[1m]) / rate(x[1m])", 1},
        {"x / (x + y_total)", 2},
        {"(x + y_total) / (y_total + x)", 2},
        {"(x + y_total) / (x + y_total)", 2},
        {"sum(rate(x[1m])) + avg(rate(x[1m])) + max(rate( x [ 60s ] ))", 1},
        {"sum by (i) (x) / on (i) group_right () x", 1},
        {"x / x offset 1ms", 2},          // Other times.
        {"rate(x[1m]) / rate(x[2m])", 2}, // Other windows.
        {"max_over_time(x[1m:10s]) - min_over_time(x[1m:10s])", 1},
        {"x - max_over_time(x[1m:10s])", 2}, // Other grids.
        {"x @ 50 / x @ 50", 1},
        {"rate(x[1m]) / increase(x[1m])", 1}, // The same data for two functions.
        {"x + timestamp(x)", 1},
        {"x + 1 / 2", 1},
    };
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_all(&f);
    struct promql_engine *sharing = f.engine;
    struct promql_engine *apart =
        promql_engine_new((struct promql_engine_opts){.clk = f.clk, .no_sharing = true});
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        const struct cost_case *c = &cases[i];
        f.engine = sharing;
        ASSERT_OK(fixture_range(&f, c->text, 89000, 90000, 1000), f.error);
        str answer = fixture_text(&f);
        u64 looked_at = f.result.stats.samples_total;
        u64 read = f.result.stats.samples_given;
        f.engine = apart;
        ASSERT_OK(fixture_range(&f, c->text, 89000, 90000, 1000), f.error);
        ASSERT_STR_EQ(answer, fixture_text(&f));
        assert_true(answer.len > 0);
        // What was looked at is told as if each place had done so.
        assert_int_equal(looked_at, f.result.stats.samples_total);
        if (read > (u64)c->selects * SERIES * VALUES) {
            fail_msg("%s read %llu samples", c->text, (unsigned long long)read);
        }
        bool more = f.result.stats.samples_given > read;
        bool repeats = c->selects == 1 && i != ARRAY_LEN(cases) - 1;
        assert_true(more || !repeats);
    }
    promql_engine_free(apart);
    f.engine = sharing;
    fixture_down(&f);
}

// Whatever can be answered without sharing within a limit is answered with it.
TEST(sharing_never_costs_an_answer)
{
    static const char *const texts[] = {
        "x / (x + y_total)",
        "sum(rate(x[1m]) / rate(x[1m]))",
        "topk(3, x) or topk(3, x) or count_values(\"v\", x)",
        "max_over_time(x[1m:1s]) - min_over_time(x[1m:1s])",
    };
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_all(&f);
    struct promql_engine *sharing = f.engine;
    struct promql_engine *apart =
        promql_engine_new((struct promql_engine_opts){.clk = f.clk, .no_sharing = true});
    u32 failed = 0;
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        for (u64 bytes = 1000; bytes < (4U << 20); bytes += bytes / 8) {
            struct query_budget first = {.bytes_max = bytes};
            struct query_budget second = {.bytes_max = bytes};
            f.engine = apart;
            enum err without = fixture_budgeted(&f, texts[i], &first);
            str want = without == ERR_NONE ? fixture_text(&f) : STR("");
            f.engine = sharing;
            enum err with = fixture_budgeted(&f, texts[i], &second);
            failed += without != ERR_NONE;
            if (without == ERR_NONE && with != ERR_NONE) {
                fail_msg("%s fails within %llu bytes: %s", texts[i], (unsigned long long)bytes,
                         f.error.text);
            }
            if (without == ERR_NONE) {
                ASSERT_STR_EQ(fixture_text(&f), want);
            }
        }
    }
    assert_true(failed > 0);
    promql_engine_free(apart);
    f.engine = sharing;
    fixture_down(&f);
}

TEST(numbers_are_known_beforehand)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    expect_range(&f, "vector(2 ^ 3 - 1)", 0, 2000, 1000, "{} 7@0 7@1000 7@2000");
    expect_range(&f, "vector(end() - start() + step())", 0, 2000, 1000, "{} 3@0 3@1000 3@2000");
    expect_range(&f, "vector(min_of(pi(), scalar(vector(1 > bool 2))))", 0, 1000, 1000,
                 "{} 0@0 0@1000");
    expect_instant(&f, "-(1 % 0)", 0, "{} NaN");
    fixture_down(&f);
}
