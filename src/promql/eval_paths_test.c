// eval_paths_test.c: random queries over random data answer the same, bit for bit, whether series
// are calculated at once or window by window, read in one pass or in two, by one thread or several,
// and whether equal parts of a query are evaluated once or each where it stands.
#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "base/test.h"
#include "model/sample.h"
#include "os/rng.h"
#include "os/thr.h"
#include "promql/eval_fixture.h"
#include "storage/storage.h"

#include <math.h>

enum { SERIES = 24, ROWS = 150, QUERIES = 400, STEP_MS = 10000 };

// A value as they come: counters that fall, whole and not, gauges, and what is no number at all.
static f64 value_next(struct rng *rng, u32 kind, f64 before)
{
    static const f64 odd[] = {0, -0.0, INFINITY, -INFINITY, 1e308, -1e308, 5e-324, 1e-300};
    u64 chance = rng_below(rng, 100);
    if (kind == 0) { // A counter, at times from zero again.
        return chance < 3 ? (f64)rng_below(rng, 3) : before + (f64)rng_below(rng, 50);
    }
    if (kind == 1) {
        return before + (f64)rng_below(rng, 1000) / 7;
    }
    if (kind == 2) {
        return (f64)rng_below(rng, 7) - 3;
    }
    if (kind == 3) {
        return (f64)rng_below(rng, 1000000) / 31 - 9000;
    }
    if (chance < 20) {
        return odd[rng_below(rng, ARRAY_LEN(odd))];
    }
    if (chance < 30) {
        return normal_nan();
    }
    return (f64)rng_below(rng, 5);
}

static void append_one(struct fixture *f, struct labels ls, struct append_batch *b)
{
    struct storage_appender *a =
        storage_appender_open(f->store, TENANT_DEFAULT, STREAM_PUSH, &f->error);
    struct series_ref *refs = ARENA_NEW_N(f->arena, struct series_ref, b->n);
    u8 outcome;
    struct series_ref ref;
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    for (u32 i = 0; i < b->n; i++) {
        refs[i] = ref;
    }
    b->refs = refs;
    b->outcomes = ARENA_NEW_N(f->arena, u8, b->n);
    ASSERT_OK(a->ops->append(a, b, &f->error), f->error);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, NULL, &f->error), f->error);
    storage_appender_close(a);
}

static void load_series(struct fixture *f, struct rng *rng, u32 series)
{
    i64 *t_ms = ARENA_NEW_N(f->arena, i64, ROWS);
    f64 *values = ARENA_NEW_N(f->arena, f64, ROWS);
    u32 kind = series % 5;
    u32 jitter = series % 3 == 2 ? 4000 : 1;
    u32 gaps = series % 4 == 3 ? 20 : 0;
    f64 v = 0;
    u32 n = 0;
    for (u32 row = 0; row < ROWS; row++) {
        v = value_next(rng, kind, v);
        if (rng_below(rng, 100) < gaps) {
            continue;
        }
        t_ms[n] = (i64)row * STEP_MS + (i64)rng_below(rng, jitter);
        values[n++] = gaps > 0 && rng_below(rng, 100) < 4 ? stale_nan() : v;
    }
    struct label pairs[] = {{LABEL_NAME, kind < 2 ? STR("x_total") : STR("y")},
                            {STR("kind"), arena_printf(f->arena, "%u", kind)},
                            {STR("n"), arena_printf(f->arena, "%u", series)}};
    struct append_batch b = {.t_ms = t_ms, .values = values, .n = n};
    append_one(f, labels_from(f->arena, pairs, ARRAY_LEN(pairs)), &b);
}

static str one_of(struct rng *rng, const char *const *words, size_t count)
{
    return str_c(words[rng_below(rng, count)]);
}
#define ONE_OF(rng, words) one_of((rng), (words), ARRAY_LEN(words))

static str random_call(struct arena *a, struct rng *rng)
{
    static const char *const functions[] = {
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "changes",
        "resets",
        "sum_over_time",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "last_over_time",
        "first_over_time",
        "present_over_time",
        "stddev_over_time",
        "ts_of_min_over_time",
        "ts_of_max_over_time",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "absent_over_time",
    };
    static const char *const selectors[] = {"x_total", "y", "{kind=\"4\"}", "{n=~\"1.*\"}",
                                            "{n=\"7\"}"};
    static const char *const ranges[] = {"10s", "15s", "1m", "95s", "5m", "30m", "2m:7s", "3m:20s"};
    static const char *const shifts[] = {"", "", "", " offset 33s", " @ 700", " offset -1m"};
    static const char *const quantiles[] = {"0", "0.5", "0.9", "1", "scalar(y{n=\"2\"})/4", "1.5"};
    str selector = ONE_OF(rng, selectors);
    str range = ONE_OF(rng, ranges);
    str shift = ONE_OF(rng, shifts);
    str function = ONE_OF(rng, functions);
    if (rng_below(rng, 6) == 0) {
        return arena_printf(a, "quantile_over_time(%.*s, %.*s[%.*s]%.*s)",
                            STR_ARG(ONE_OF(rng, quantiles)), STR_ARG(selector), STR_ARG(range),
                            STR_ARG(shift));
    }
    return arena_printf(a, "%.*s(%.*s[%.*s]%.*s)", STR_ARG(function), STR_ARG(selector),
                        STR_ARG(range), STR_ARG(shift));
}

// Puts b at each # of the form and a at each $.
static str fill_form(struct arena *arena, str form, str a, str b)
{
    str text = STR("");
    for (size_t i = 0; i < form.len; i++) {
        str piece = form.ptr[i] == '$' ? a : form.ptr[i] == '#' ? b : str_make(form.ptr + i, 1);
        text = arena_printf(arena, "%.*s%.*s", STR_ARG(text), STR_ARG(piece));
    }
    return text;
}

static str random_folded(struct arena *a, struct rng *rng)
{
    static const char *const folds[] = {
        "sum by (kind) (%.*s)",   "avg(%.*s)",    "quantile by (kind) (0.7, %.*s)",
        "max without (n) (%.*s)", "stddev(%.*s)", "count by (kind) (%.*s)",
        "min by (kind) (%.*s)",   "group(%.*s)",  "topk(2, %.*s)",
    };
    str call = random_call(a, rng);
    if (rng_below(rng, 2) == 0) {
        return call;
    }
    str form = ONE_OF(rng, folds);
    str gap = STR("%.*s");
    size_t at = 0;
    while (memcmp(form.ptr + at, gap.ptr, gap.len) != 0) {
        at++;
    }
    return arena_printf(a, "%.*s%.*s%.*s", (int)at, form.ptr, STR_ARG(call),
                        (int)(form.len - at - gap.len), form.ptr + at + gap.len);
}

// The same parts at several places, and numbers that can be known beforehand.
static str random_query(struct arena *a, struct rng *rng)
{
    static const char *const forms[] = {
        "$ / $",
        "$ + # - $",
        "$ / ($ + #)",
        "($ + #) / ($ + #)",
        "($ + #) / ($ - #) + ($ + #)",
        "sum by (kind) ($) / on (kind) group_right () $",
        "$ > scalar(avg($))",
        "$ and ($ > 1) or #",
        "max_over_time(($)[2m:30s]) - min_over_time(($)[2m:30s])",
        "topk(3, $) / on (kind, n) $",
        "bottomk by (kind) (scalar(count(#)), $)",
        "$ * on (kind, n) group_left () #",
        "$ * -(2 ^ 0.5 - NaN) + scalar(vector(0 / -0))",
        "-(1 % 0) * # + min_of(pi(), 3) * $",
        "($ @ 500) / ($ @ 500) + $",
        "stddev_over_time(x_total[2m]) / rate(x_total[2m]) + max_over_time(x_total[2m])",
        "y + timestamp(y) - last_over_time(y[5m])",
        "histogram_quantile(0.9, $) or histogram_quantile(0.9, $) or $",
    };
    str first = random_folded(a, rng);
    if (rng_below(rng, 3) > 0) {
        return first;
    }
    // A call's name goes with its labels, @ stands behind no fold: selectors serve all forms.
    static const char *const selectors[] = {"x_total", "y", "{n=~\"1.*\"}", "y{kind=\"4\"}"};
    str form = ONE_OF(rng, forms);
    bool plain = str_find_str(form, STR("$ @")) != STR_NONE || rng_below(rng, 3) == 0;
    return fill_form(a, form, plain ? ONE_OF(rng, selectors) : first, random_folded(a, rng));
}

TEST(eval_paths_agree)
{
    struct fixture f;
    struct rng rng;
    fixture_up(&f, (struct promql_engine_opts){.samples_max = 0});
    struct pool *pool = pool_new("paths", 3, 64, &f.error);
    assert_non_null(pool);
    rng_init(&rng, 5);
    for (u32 i = 0; i < SERIES; i++) {
        load_series(&f, &rng, i);
    }
    struct promql_engine *engines[] = {
        f.engine,
        promql_engine_new((struct promql_engine_opts){.clk = f.clk, .window_by_window = true}),
        promql_engine_new((struct promql_engine_opts){.clk = f.clk, .hoard_bytes = 10000}),
        promql_engine_new((struct promql_engine_opts){.clk = f.clk, .no_sharing = true}),
        promql_engine_new((struct promql_engine_opts){
            .clk = f.clk, .pool = pool, .helpers_max = 1, .helped_samples = 1}),
        promql_engine_new((struct promql_engine_opts){
            .clk = f.clk, .pool = pool, .helpers_max = 3, .helped_samples = 1}),
    };
    u32 helped = 0;
    u32 with_points = 0;
    for (u32 i = 0; i < QUERIES; i++) {
        str text = random_query(f.arena, &rng);
        const char *query = arena_cstr(f.arena, text);
        i64 start = (i64)rng_below(&rng, 900) * 1000;
        i64 step = 1000 + (i64)rng_below(&rng, 40) * 1000;
        str answers[ARRAY_LEN(engines)];
        for (u32 k = 0; k < ARRAY_LEN(engines); k++) {
            f.engine = engines[k];
            bool ok = fixture_range(&f, query, start, start + 700000, step);
            answers[k] = ok ? fixture_text(&f) : arena_printf(f.arena, "error: %s", f.error.text);
            if (!str_eq(answers[0], answers[k])) {
                fail_msg("%s from %lld step %lld, engine %u:\n%.300s\n%.300s", query,
                         (long long)start, (long long)step, k, answers[0].ptr, answers[k].ptr);
            }
        }
        with_points += f.result.series_count > 0;
        helped += f.result.stats.helped > 0;
    }
    assert_true(with_points > QUERIES / 2);
    assert_true(helped > QUERIES / 4);
    for (u32 k = 1; k < ARRAY_LEN(engines); k++) {
        promql_engine_free(engines[k]);
    }
    pool_free(pool);
    f.engine = engines[0];
    fixture_down(&f);
}
