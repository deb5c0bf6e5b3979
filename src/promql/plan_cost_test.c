// plan_cost_test.c: what cannot fit is refused before it is read, with advice that fits; what fits
// is never refused.
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "model/duration.h"
#include "os/rng.h"
#include "promql/eval_fixture.h"

#include <stdio.h>

enum { SERIES = 48, CASES = 240 };

// Some are equal but for their type, some end early, some begin late.
static void load_mixed(struct fixture *f)
{
    char selector[96];
    for (int i = 0; i < SERIES; i++) {
        const char *kind = i % 7 == 0 ? ",__type__=\"counter\"" : "";
        (void)snprintf(selector, sizeof(selector), "x{i=\"%d\",g=\"%d\"%s}", i / 2, i % 2, kind);
        fixture_load(f, selector, 15000, i % 5 == 0 ? "1 2 stale" : "1 2 3 2 5 6 7 8 9 10 3 12");
        (void)snprintf(selector, sizeof(selector), "x{i=\"%d\",g=\"%d\",__type__=\"gauge\"}", i / 2,
                       i % 2);
        fixture_load(f, selector, 15000, i % 3 == 0 ? "_ _ _ _ _ _ _ 4 5 6 9 9" : "8 7 6 5 4 3");
        (void)snprintf(selector, sizeof(selector), "y{i=\"%d\"}", i);
        fixture_load(f, selector, 15000, "1 2 3 2 5 6 7 8 9 10 3 12");
    }
}

static str query_next(struct rng *rng, struct arena *a)
{
    static const char *const inner[] = {
        "x",
        "y",
        "-x",
        "rate(x[1m])",
        "abs(delta(y[2m]))",
        "x offset 1m",
        "x{g=\"1\"} * 2",
        "last_over_time(y[3m] offset 30s)",
        "{__name__=~\"x|y\"}",
        "x @ 60",
        "x > 3",
        "x + on (i) y",
        "quantile_over_time(0.5, x[1m])",
        "sum by (i) (x)",
        "x{i=~\"1.*\"} or y",
        "nothing",
    };
    static const char *const holder[] = {
        "topk(3, %s)",
        "bottomk by (g) (2, %s)",
        "quantile(0.9, %s)",
        "limitk(10, %s)",
        "limit_ratio(0.5, %s)",
        "quantile by (g) (0.1, %s)",
        "topk(0, %s)",
        "sum(topk(5, %s))",
        "-(topk(1, %s) * 3)",
        "max by (g) (clamp_min(bottomk(9, %s), 2))",
        "topk(2, %s) / on (i, g) group_left () y",
        "count_values(\"v\", topk(4, %s))",
    };
    const char *wrap = holder[rng_below(rng, ARRAY_LEN(holder))];
    const char *of = inner[rng_below(rng, ARRAY_LEN(inner))];
    const str text = str_c(wrap);
    const size_t at = (size_t)(strchr(wrap, '%') - wrap);
    return arena_printf(a, "%.*s%s%.*s", STR_ARG(str_sub(text, 0, at)), of,
                        STR_ARG(str_sub(text, at + 2, text.len)));
}

TEST(nothing_is_refused_that_would_have_fitted)
{
    struct fixture f;
    struct rng rng;
    struct arena *texts = arena_new(1 << 20);
    u32 refused = 0;
    u32 passed = 0;
    rng_init(&rng, 5);
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_mixed(&f);
    struct promql_engine *own = f.engine;
    for (int i = 0; i < CASES; i++) {
        const str query = query_next(&rng, texts);
        const i64 step_ms = 200 + (i64)rng_below(&rng, 2000);
        const i64 end_ms = 60000 + (i64)rng_below(&rng, 400000);
        u64 bytes = ((u64)1 << (14 + rng_below(&rng, 7))) + rng_below(&rng, 16384);
        struct promql_engine *sides[] = {
            promql_engine_new(
                (struct promql_engine_opts){.clk = f.clk, .bytes_max = bytes, .no_estimate = true}),
            promql_engine_new((struct promql_engine_opts){.clk = f.clk, .bytes_max = bytes}),
        };
        f.engine = sides[0];
        const bool fits = fixture_range(&f, query.ptr, 0, end_ms, step_ms);
        const str want = fits ? fixture_text(&f) : STR_EMPTY;
        f.engine = sides[1];
        const bool ok = fixture_range(&f, query.ptr, 0, end_ms, step_ms);
        if (fits) {
            ASSERT_OK(ok, f.error);
            ASSERT_STR_EQ(fixture_text(&f), want);
            passed++;
        } else {
            assert_false(ok);
            refused += strstr(f.error.text, "would fit") != NULL;
        }
        f.engine = own;
        promql_engine_free(sides[0]);
        promql_engine_free(sides[1]);
        arena_reset(f.arena);
    }
    assert_true(passed > CASES / 10);
    assert_true(refused > CASES / 20);
    arena_free(texts);
    fixture_down(&f);
}

// What stands before word in the advice, as a duration.
static i64 advice_ms(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    assert_non_null(at);
    str rest = str_c(at + strlen(word));
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != ' ') {
        len++;
    }
    i64 ms;
    assert_true(duration_parse(str_sub(rest, 0, len), &ms, NULL));
    return ms;
}

static void load_wide(struct fixture *f, int count)
{
    char selector[48];
    for (int i = 0; i < count; i++) {
        (void)snprintf(selector, sizeof(selector), "w{i=\"%d\"}", i);
        fixture_load(f, selector, 240000, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
    }
}

TEST(what_would_fit_fits)
{
    static const char *const texts[] = {"topk(200, w)", "quantile(0.5, rate(w[10m]))",
                                        "sum(bottomk(200, -w))"};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.bytes_max = (u64)6 << 20});
    load_wide(&f, 200);
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        assert_false(fixture_range(&f, texts[i], 0, 4500000, 1000));
        assert_int_equal(f.error.code, ERR_LIMIT);
        const i64 step_ms = advice_ms(f.error.text, "step=");
        const i64 range_ms = advice_ms(f.error.text, "a range of ");
        assert_true(step_ms > 1000 && range_ms > 0 && range_ms < 4500000);
        ASSERT_OK(fixture_range(&f, texts[i], 0, 4500000, step_ms), f.error);
        ASSERT_OK(fixture_range(&f, texts[i], 0, range_ms, 1000), f.error);
        arena_reset(f.arena);
    }
    assert_false(fixture_range(&f, "topk(1, w)", 0, 4500000, 1000));
    fixture_down(&f);
}

TEST(refusals_say_what_and_why)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.bytes_max = (u64)6 << 20});
    load_wide(&f, 200);
    assert_false(fixture_range(&f, "topk(1, w)", 0, 4500000, 1000));
    assert_string_equal(f.error.text, "the query needs more than 6291456 bytes of memory, its "
                                      "share of --memory.limit: it holds 200 series of "
                                      "4501 steps at once; a range of 20m or step=5s would fit");
    fixture_down(&f);
    fixture_up(&f, (struct promql_engine_opts){.bytes_max = (u64)12 << 10});
    load_wide(&f, 200);
    assert_false(fixture_range(&f, "topk(1, w)", 0, 60000, 1000));
    assert_string_equal(f.error.text, "the query needs more than 12288 bytes of memory, its share "
                                      "of --memory.limit: it holds 200 series of 61 "
                                      "steps at once; 10 series would fit");
    fixture_down(&f);
}
