// eval_hist_test.c: native histograms in queries: values, notes, limits; start timestamps.
#include "base/arena.h"
#include "base/test.h"
#include "model/hist.h"
#include "os/clk.h"
#include "promql/eval_fixture.h"

#include <math.h>

static const struct hist_span four_buckets = {0, 4};

static struct hist hist_of(const f64 buckets[4])
{
    struct hist h = {.schema = 0, .is_float = true, .positive = {&four_buckets, 1, buckets, 4}};
    for (u32 i = 0; i < 4; i++) {
        h.count += buckets[i];
    }
    return h;
}

// (0.5,1]:n (1,2]:2n (2,4]:n, and one in (4,8].
static void load_counts(struct fixture *f, const char *selector, const f64 *counts, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        const f64 v = counts[i];
        const f64 buckets[] = {v, 2 * v, v, 1};
        struct hist h = hist_of(buckets);
        h.sum = 5 * v;
        fixture_load_hist(f, selector, (i64)i * 10000, &h);
    }
}

TEST(rates_of_native_histograms_make_resets_good)
{
    static const f64 counts[] = {1, 2, 3, 1};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_counts(&f, "h", counts, ARRAY_LEN(counts));
    expect_instant(&f, "increase(h[30s])", 20000,
                   "{} {count:12, sum:15, (0.5,1]:3, (1,2]:6, (2,4]:3}");
    // The last sample less the first, and all there was before the reset.
    expect_instant(&f, "increase(h[40s])", 30000,
                   "{} {count:17.333333333333332, sum:20, (0.5,1]:4, (1,2]:8, (2,4]:4, "
                   "(4,8]:1.3333333333333333}");
    expect_instant(&f, "irate(h[1m])", 20000,
                   "{} {count:0.4, sum:0.5, (0.5,1]:0.1, (1,2]:0.2, (2,4]:0.1}");
    expect_instant(&f, "resets(h[1m])", 30000, "{} 1");
    expect_instant(&f, "changes(h[1m])", 30000, "{} 3");
    expect_instant(
        &f, "delta(h[30s])", 20000,
        "{} {count:12, sum:15, (0.5,1]:3, (1,2]:6, (2,4]:3} | PromQL warning: this native "
        "histogram metric is not a gauge: \"h\" (1:7)");
    expect_instant(&f, "increase(h[20s] anchored)", 25000,
                   "{} {count:8, sum:10, (0.5,1]:2, (1,2]:4, (2,4]:2}");
    expect_instant(&f, "h smoothed", 15000,
                   "h {count:11, sum:12.5, (0.5,1]:2.5, (1,2]:5, (2,4]:2.5, (4,8]:1}");
    fixture_down(&f);
}

TEST(native_histograms_are_added_scaled_and_cut)
{
    static const f64 one[] = {1};
    static const f64 two[] = {2};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_counts(&f, "h{a=\"1\"}", one, 1);
    load_counts(&f, "h{a=\"2\"}", two, 1);
    expect_instant(&f, "sum(h)", 0, "{} {count:14, sum:15, (0.5,1]:3, (1,2]:6, (2,4]:3, (4,8]:2}");
    expect_instant(&f, "avg(h)", 0,
                   "{} {count:7, sum:7.5, (0.5,1]:1.5, (1,2]:3, (2,4]:1.5, (4,8]:1}");
    expect_instant(&f, "-h{a=\"1\"}", 0,
                   "{a=\"1\"} {count:-5, sum:-5, (0.5,1]:-1, (1,2]:-2, (2,4]:-1, (4,8]:-1}");
    expect_instant(&f, "h{a=\"2\"} - ignoring (a) h{a=\"1\"}", 0,
                   "{} {count:4, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1}");
    expect_instant(&f, "h{a=\"1\"} / 0", 0, "{a=\"1\"} {count:+Inf, sum:+Inf, [-0,0]:NaN}");
    expect_instant(&f, "h{a=\"1\"} </ 2", 0,
                   "h{a=\"1\"} {count:3, sum:3.5355339059327378, (0.5,1]:1, (1,2]:2}");
    expect_instant(&f, "h == h", 0,
                   "h{a=\"1\"} {count:5, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1, (4,8]:1}; h{a=\"2\"} "
                   "{count:9, sum:10, (0.5,1]:2, (1,2]:4, (2,4]:2, (4,8]:1}");
    expect_instant(&f, "histogram_fraction(0, 2, h{a=\"1\"})", 0, "{a=\"1\"} 0.6");
    expect_instant(&f, "histogram_quantile(1, h{a=\"1\"})", 0, "{a=\"1\"} 8");
    expect_instant(&f, "count_values(\"v\", h{a=\"1\"} </ 1)", 0,
                   "{v=\"{count:1, sum:0.7071067811865476, (0.5,1]:1}\"} 1");
    expect_instant(
        &f, "h * h{a=\"1\"}", 0,
        " | PromQL info: incompatible sample types encountered for binary operator \"*\": "
        "histogram * histogram (1:1)");
    fixture_down(&f);
}

TEST(custom_and_exponential_histograms_do_not_mix)
{
    static const f64 one[] = {1};
    static const f64 bounds[] = {1, 2};
    static const struct hist_span span = {0, 2};
    static const f64 buckets[] = {1, 2};
    struct hist custom = {.schema = HIST_SCHEMA_CUSTOM,
                          .is_float = true,
                          .count = 3,
                          .positive = {&span, 1, buckets, 2},
                          .custom_bounds = bounds,
                          .custom_bound_count = 2};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_counts(&f, "h{a=\"1\"}", one, 1);
    fixture_load_hist(&f, "h{a=\"2\"}", 0, &custom);
    custom.custom_bounds = bounds + 1;
    custom.custom_bound_count = 1;
    fixture_load_hist(&f, "h{a=\"3\"}", 0, &custom);
    expect_instant(
        &f, "sum(h)", 0,
        " | PromQL warning: vector contains a mix of histograms with exponential and custom "
        "buckets schemas for metric name \"h\" (1:5)");
    expect_instant(
        &f, "sum(h{a!=\"1\"})", 0,
        "{} {count:6, sum:0, [-Inf,2]:4, (2,+Inf]:2} | PromQL info: mismatched custom buckets "
        "were reconciled during aggregation (1:5)");
    expect_instant(
        &f, "h{a=\"1\"} + ignoring (a) h{a=\"2\"}", 0,
        " | PromQL warning: incompatible bucket layout encountered for binary operator + "
        "(1:1)");
    fixture_down(&f);
}

TEST(resets_that_collide_are_told_where_totals_are_read)
{
    static const f64 grows[] = {1, 2, 3};
    static const f64 falls[] = {3, 2, 1};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_counts(&f, "h{a=\"1\"}", grows, 3);
    load_counts(&f, "h{a=\"2\"}", falls, 3);
    expect_instant(
        &f, "histogram_count(sum(h))", 10000,
        "{} 18 | PromQL warning: conflicting counter resets during histogram aggregation "
        "(1:21)");
    expect_instant(&f, "histogram_count(sum_over_time(h{a=\"2\"}[1m]))", 20000, "{a=\"2\"} 27");
    // Whole histograms are asked for, or samples picked: then hints stay as they were.
    expect_instant(&f, "histogram_quantile(0, sum(h))", 10000, "{} 0.5");
    expect_instant(&f, "histogram_count(sum(h </ 100))", 10000, "{} 18");
    expect_instant(&f, "max_over_time(histogram_count(sum(h))[10s:10s])", 10000, "{} 18");
    fixture_down(&f);
}

TEST(nan_observations_are_told)
{
    static const f64 buckets[] = {12, 0, 0, 0};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.delayed_name_removal = true});
    struct hist h = hist_of(buckets);
    h.count = 15;
    h.sum = NAN;
    fixture_load_hist(&f, "h", 0, &h);
    expect_instant(
        &f, "histogram_quantile(0.9, h)", 0,
        "{} NaN | PromQL info: input to histogram_quantile has NaN observations, result is "
        "NaN for metric name \"h\" (1:25)");
    expect_instant(
        &f, "histogram_quantile(0.8, h)", 0,
        "{} 1 | PromQL info: input to histogram_quantile has NaN observations, result is "
        "skewed higher for metric name \"h\" (1:25)");
    expect_instant(
        &f, "histogram_fraction(-Inf, +Inf, h)", 0,
        "{} 0.8 | PromQL info: input to histogram_fraction has NaN observations, which are "
        "excluded from all fractions for metric name \"h\" (1:32)");
    fixture_down(&f);
}

TEST(start_timestamps_tell_resets_and_where_zero_was)
{
    static const i64 starts[] = {5000, 5000, 25000, 25000};
    static const i64 overlaps[] = {5000, 8000, 8000, 8000};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load_starts(&f, "x_total", 10000, "_ 1 2 3 4", starts);
    fixture_load_starts(&f, "y_total", 10000, "_ 1 2 3 4", overlaps);
    fixture_load(&f, "z_total", 10000, "_ 1 2 3 4");
    expect_instant(&f, "start_timestamp(x_total)", 35000, "{} 25");
    expect_instant(&f, "start_timestamp(x_total + 0)", 35000, "");
    expect_instant(&f, "start_timestamp(z_total)", 35000, "");
    // 3 from first to last, 2 before the reset, 1 since the counter was zero within the range.
    expect_instant(&f, "increase(x_total[40s])", 40000, "{} 6");
    expect_instant(&f, "increase(x_total[40s:10s])", 40000, "{} 4");
    expect_instant(&f, "resets(x_total[40s])", 40000, "{} 1");
    expect_instant(&f, "irate(x_total[40s])", 30000, "{} 0.3");
    // One sample is enough if it is known where zero was.
    expect_instant(&f, "increase(x_total[10s])", 10000, "{} 1");
    expect_instant(&f, "increase(z_total[10s])", 10000, "");
    expect_instant(
        &f, "increase(y_total[30s])", 30000,
        "{} 3 | PromQL warning: sample has start time that overlaps with previous sample "
        "timestamp for metric \"y_total\" (1:10)");
    fixture_down(&f);
}

// What is read of one series goes when the next is read, but for what is an answer itself.
TEST(histograms_that_were_read_are_not_held)
{
    enum { MANY = 60, SAMPLES = 200 };
    struct fixture f;
    f64 counts[SAMPLES];
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    for (u32 i = 0; i < SAMPLES; i++) {
        counts[i] = i + 1;
    }
    for (u32 i = 0; i < MANY; i++) {
        load_counts(&f, arena_cstr(f.arena, arena_printf(f.arena, "h{i=\"%u\"}", i)), counts,
                    SAMPLES);
    }
    assert_true(fixture_range(&f, "sum(changes(h[1m]))", 0, SAMPLES * 10000, 100000));
    assert_int_equal(f.result.stats.samples_given, MANY * SAMPLES);
    assert_true(f.result.stats.bytes_peak < (u64)MANY * SAMPLES * sizeof(struct hist));
    expect_range(&f, "last_over_time(h{i=~\"[12]\"}[30s])", 20000, 30000, 10000,
                 "h{i=\"1\"} {count:13, sum:15, (0.5,1]:3, (1,2]:6, (2,4]:3, (4,8]:1}@20000 "
                 "{count:17, sum:20, (0.5,1]:4, (1,2]:8, (2,4]:4, (4,8]:1}@30000; "
                 "h{i=\"2\"} {count:13, sum:15, (0.5,1]:3, (1,2]:6, (2,4]:3, (4,8]:1}@20000 "
                 "{count:17, sum:20, (0.5,1]:4, (1,2]:8, (2,4]:4, (4,8]:1}@30000");
    expect_range(&f, "first_over_time(h{i=~\"[12]\"}[30s])", 20000, 20001, 1,
                 "h{i=\"1\"} {count:5, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1, (4,8]:1}@20000 "
                 "{count:5, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1, (4,8]:1}@20001; "
                 "h{i=\"2\"} {count:5, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1, (4,8]:1}@20000 "
                 "{count:5, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1, (4,8]:1}@20001");
    fixture_down(&f);
}

// Whatever the limit on memory, a query ends in an answer or an error, never otherwise.
TEST(every_memory_limit_is_survived_with_histograms)
{
    static const char *const texts[] = {
        "sum(rate(h[1m]))",        "avg(avg_over_time(h[1m]))",           "h + h - h * 2 / 3 </ 2",
        "count_values(\"v\", h)",  "increase(h[30s] smoothed)",           "h smoothed",
        "histogram_count(sum(h))", "sum(sum_over_time((-h)[1m:5s]) / 0)",
    };
    static const f64 counts[] = {1, 2, 3, 4, 5, 6, 5, 4, 3, 2};
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    for (u32 i = 0; i < 10; i++) {
        char selector[] = "h{i=\"0\"}";
        selector[5] = (char)('0' + i);
        load_counts(&f, selector, counts, ARRAY_LEN(counts));
    }
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        u32 failed = 0;
        for (u64 bytes = 1; bytes < (1 << 22); bytes += bytes / 8 + 1) {
            struct query_budget budget = {.bytes_max = bytes};
            enum err code = fixture_budgeted(&f, texts[i], &budget);
            if (code != ERR_NONE && code != ERR_LIMIT) {
                fail_msg("%s: %s", texts[i], f.error.text);
            }
            failed += code == ERR_LIMIT;
        }
        assert_true(failed > 0);
        arena_reset(f.arena);
    }
    fixture_down(&f);
}
