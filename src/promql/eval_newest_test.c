// eval_newest_test.c: instants of a single moment are what reading each series' samples says: the
// newest sample asked of storage (op_newest) beside the selector that reads (op_select).
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist.h"
#include "os/rng.h"
#include "promql/eval_fixture.h"

#include <stdlib.h>

enum { SERIES = 40, ROWS = 60, STEP_MS = 15000, QUERIES = 1500 };

// A number that no other series has, a gap, or an end.
static str value_next(struct fixture *f, struct rng *rng, u32 series)
{
    const u64 chance = rng_below(rng, 20);
    if (series % 5 == 2 && chance == 0) {
        return STR("stale");
    }
    return series % 4 == 1 && chance < 6
               ? STR("_")
               : arena_printf(f->arena, "%llu.%02u", (unsigned long long)rng_below(rng, 50),
                              series);
}

// Ranks of them have one answer. Some series stop long before the others.
static void load_floats(struct fixture *f, struct rng *rng)
{
    for (u32 i = 0; i < SERIES; i++) {
        str values = STR_EMPTY;
        for (u32 row = 0; row < (i % 7 == 3 ? ROWS / 3 : ROWS); row++) {
            const str value = value_next(f, rng, i);
            values = arena_printf(f->arena, "%.*s %.*s", STR_ARG(values), STR_ARG(value));
        }
        const str selector =
            arena_printf(f->arena, "%s{g=\"%u\",n=\"%u\"}", i % 2 == 0 ? "x_total" : "y", i % 3, i);
        fixture_load(f, arena_cstr(f->arena, selector), STEP_MS,
                     arena_cstr(f->arena, str_trim(values)));
    }
}

// Histograms, the last of a series at times the mark of its end.
static void load_hists(struct fixture *f, struct rng *rng)
{
    static const struct hist_span two = {0, 2};
    for (u32 i = 0; i < 8; i++) {
        const str selector = arena_printf(f->arena, "h{g=\"%u\",n=\"%u\"}", i % 3, i);
        const u32 rows = i % 3 == 1 ? ROWS / 2 : ROWS;
        for (u32 row = 0; row < rows; row++) {
            const f64 buckets[] = {(f64)(row + i), (f64)rng_below(rng, 9)};
            struct hist h = {.schema = 0,
                             .is_float = true,
                             .count = buckets[0] + buckets[1],
                             .sum = (f64)row,
                             .positive = {&two, 1, buckets, 2}};
            if (row + 1 == rows && i % 2 == 1) {
                h.sum = stale_nan();
            }
            fixture_load_hist(f, arena_cstr(f->arena, selector), (i64)row * STEP_MS, &h);
        }
    }
}

static const char *const forms[] = {
    "$",
    "sum($)",
    "avg by (g) ($)",
    "count without (n) ($)",
    "count($)",
    "min($)",
    "group($)",
    "min by (g) ($)",
    "max($)",
    "stddev by (g) ($)",
    "group by (n) ($)",
    "quantile by (g) (0.3, $)",
    "count_values by (g) (\"v\", $)",
    "topk(3, $)",
    "bottomk by (g) (2, $)",
    "timestamp($)",
    "sum by (g) (timestamp($))",
    "absent($)",
    "$ > 20",
    "-$ * 2",
    "$ + on (g, n) group_left () $",
    "sum by (g) ($) / on (g) count by (g) ($)",
    "y unless on (n) $",
    "$ or h",
    "histogram_count($)",
    "histogram_quantile(0.5, $)",
    "sort_desc($)",
    "label_replace($, \"m\", \"$1\", \"n\", \"(.).*\")",
    "scalar(sum($))",
};
static const char *const selectors[] = {
    "x_total", "y", "h", "{g=\"1\"}", "{n=~\"1.*\"}", "x_total{n=\"2\"}", "nothing"};
static const char *const shifts[] = {"",
                                     "",
                                     "",
                                     " offset 70s",
                                     " offset -2m",
                                     " @ 400",
                                     " @ start()",
                                     " @ 100 offset 33s",
                                     " offset 15s",
                                     " @ end()"};

static str random_query(struct arena *a, struct rng *rng)
{
    const char *form = forms[rng_below(rng, ARRAY_LEN(forms))];
    str text = STR_EMPTY;
    for (; *form != '\0'; form++) {
        text = *form == '$' && form[1] != '1'
                   ? arena_printf(a, "%.*s%s%s", STR_ARG(text),
                                  selectors[rng_below(rng, ARRAY_LEN(selectors))],
                                  shifts[rng_below(rng, ARRAY_LEN(shifts))])
                   : arena_printf(a, "%.*s%c", STR_ARG(text), *form);
    }
    return text;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

// The answer's series in order of their text: which group comes first is nobody's promise, but
// where the query sorts.
static str in_order(struct arena *a, str text)
{
    static const char between[] = "; ";
    str *parts = ARENA_NEW_N(a, str, text.len + 1);
    str sorted = STR_EMPTY;
    u32 n = 0;
    size_t at;
    while ((at = str_find_str(text, str_c(between))) != STR_NONE) {
        parts[n++] = str_sub(text, 0, at);
        text = str_sub(text, at + 2, text.len);
    }
    parts[n++] = text;
    qsort(parts, n, sizeof(*parts), by_text);
    for (u32 i = 0; i < n; i++) {
        sorted =
            arena_printf(a, "%.*s%s%.*s", STR_ARG(sorted), i > 0 ? between : "", STR_ARG(parts[i]));
    }
    return sorted;
}

// As an instant query, or as a range of one step.
static str ask(struct fixture *f, struct promql_engine *g, const char *query, i64 t_ms, bool range)
{
    f->engine = g;
    const bool ok =
        range ? fixture_range(f, query, t_ms, t_ms, 1000) : fixture_instant(f, query, t_ms);
    if (!ok) {
        return arena_printf(f->arena, "error: %s", f->error.text);
    }
    const str text = fixture_text(f);
    return str_starts(str_c(query), STR("sort")) ? text : in_order(f->arena, text);
}

TEST(eval_newest_is_what_reading_says)
{
    struct fixture f;
    struct rng rng;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 60000});
    struct promql_engine *fast = f.engine;
    struct promql_engine *reads = promql_engine_new(
        (struct promql_engine_opts){.clk = f.clk, .lookback_ms = 60000, .window_by_window = true});
    rng_init(&rng, 23);
    load_floats(&f, &rng);
    load_hists(&f, &rng);
    u32 with_points = 0;
    for (u32 i = 0; i < QUERIES; i++) {
        const char *query = arena_cstr(f.arena, random_query(f.arena, &rng));
        // At the edges of samples, and a millisecond beside them.
        const i64 t_ms = (i64)rng_below(&rng, (u64)(ROWS + 8) * STEP_MS / 500) * 500 +
                         (i64)rng_below(&rng, 3) - 1;
        const bool range = rng_below(&rng, 4) == 0;
        const str want = ask(&f, reads, query, t_ms, range);
        const str got = ask(&f, fast, query, t_ms, range);
        if (!str_eq(got, want)) {
            fail_msg("%s at %lld:\n%.*s\n%.*s", query, (long long)t_ms, STR_ARG(got),
                     STR_ARG(want));
        }
        with_points += f.result.series_count > 0;
    }
    assert_true(with_points > QUERIES / 2);
    promql_engine_free(reads);
    f.engine = fast;
    fixture_down(&f);
}
