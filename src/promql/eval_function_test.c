// eval_function_test.c: functions of ranges and values; annotations.
#include "base/test.h"
#include "model/hist.h"
#include "promql/eval_fixture.h"

TEST(rate_extrapolates_to_the_ends)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "c_total", 10000, "100 110 120 130 140 150 160");
    // Samples at 10 s to 60 s within (0, 60]: the ends are within 1.1 intervals.
    expect_instant(&f, "increase(c_total[1m])", 60000, "{} 60");
    expect_instant(&f, "rate(c_total[1m])", 60000, "{} 1");
    // Half an interval is added where the range reaches further than that.
    expect_instant(&f, "increase(c_total[2m])", 60000, "{} 65");
    // A counter is not extrapolated below zero.
    fixture_load(&f, "z_total", 10000, "_ 1 11 21 31 41 51");
    expect_instant(&f, "increase(z_total[2m])", 60000, "{} 51");
    expect_instant(&f, "delta(z_total[2m])", 60000, "{} 55.00000000000001");
    fixture_down(&f);
}

TEST(rate_makes_resets_good)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "c_total", 10000, "0 10 20 5 15 3 13");
    expect_instant(&f, "increase(c_total[1m])", 60000, "{} 45.6");
    expect_instant(&f, "resets(c_total[1m])", 60000, "{} 2");
    expect_instant(&f, "changes(c_total[1m])", 60000, "{} 5");
    expect_instant(&f, "irate(c_total[1m])", 50000, "{} 0.3");
    expect_instant(&f, "idelta(c_total[1m])", 50000, "{} -12");
    expect_instant(&f, "increase(c_total[10s])", 60000, ""); // One sample is not enough.
    fixture_down(&f);
}

TEST(rate_of_what_is_no_counter_is_told)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "0 10 20");
    expect_instant(&f, "1 + rate(x[1m])", 20000,
                   "{} 1.3333333333333333 | PromQL info: metric might not be a counter, name does "
                   "not end in _total/_sum/_count/_bucket: \"x\" (1:10)");
    fixture_down(&f);
    fixture_up(&f, (struct promql_engine_opts){.type_labels = true});
    fixture_load(&f, "x{__type__=\"counter\"}", 10000, "0 10 20");
    fixture_load(&f, "h_sum{__type__=\"histogram\"}", 10000, "0 10 20");
    fixture_load(&f, "y_total{__type__=\"gauge\",__unit__=\"s\"}", 10000, "0 10 20");
    fixture_load(&f, "z_total", 10000, "0 10 20");
    expect_instant(&f, "1 + rate(x[1m])", 20000, "{} 1.3333333333333333");
    expect_instant(&f, "1 + rate(h_sum[1m])", 20000, "{} 1.3333333333333333");
    expect_instant(&f, "rate(y_total[1m])", 20000,
                   "{} 0.3333333333333333 | PromQL info: metric might not be a counter, __type__ "
                   "label is not set to \"counter\" or \"histogram\", got \"gauge\": "
                   "\"y_total\" (1:6)");
    expect_instant(&f, "increase(z_total[1m])", 20000,
                   "{} 20 | PromQL info: metric might not be a counter, __type__ label is not set "
                   "to \"counter\" or \"histogram\", got \"\": \"z_total\" (1:10)");
    fixture_down(&f);
}

TEST(anchored_and_smoothed_ranges_use_their_borders)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "c_total", 10000, "0 10 20 30 40");
    expect_instant(&f, "increase(c_total[20s] anchored)", 35000, "{} 20");
    expect_instant(&f, "increase(c_total[20s] smoothed)", 35000, "{} 20");
    expect_instant(&f, "c_total smoothed", 25000, "c_total 25");
    expect_instant(&f, "sum_over_time(c_total[20s] anchored)", 35000,
                   "error: anchored modifier can only be used with: changes, delta, increase, "
                   "rate, resets - not with sum_over_time");
    fixture_down(&f);
}

TEST(sums_are_compensated)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "1 1e100 1 -1e100");
    expect_instant(&f, "sum_over_time(x[1m])", 30000, "{} 2");
    expect_instant(&f, "avg_over_time(x[1m])", 30000, "{} 0.5");
    fixture_load(&f, "y{a=\"1\"}", 10000, "1e308");
    fixture_load(&f, "y{a=\"2\"}", 10000, "1e308");
    expect_instant(&f, "avg(y)", 0, "{} 1e+308"); // The sum alone would overflow.
    expect_instant(&f, "sum(y)", 0, "{} +Inf");
    fixture_down(&f);
}

TEST(over_time_family)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "3 1 4 1 5");
    expect_instant(&f, "min_over_time(x[1m])", 40000, "{} 1");
    expect_instant(&f, "max_over_time(x[1m])", 40000, "{} 5");
    expect_instant(&f, "ts_of_min_over_time(x[1m])", 40000, "{} 30");
    expect_instant(&f, "ts_of_max_over_time(x[1m])", 40000, "{} 40");
    expect_instant(&f, "first_over_time(x[1m])", 40000, "x 3");
    expect_instant(&f, "stdvar_over_time(x[1m])", 40000, "{} 2.56");
    expect_instant(&f, "quantile_over_time(0.5, x[1m])", 40000, "{} 3");
    expect_instant(&f, "mad_over_time(x[1m])", 40000, "{} 2");
    expect_instant(&f, "deriv(x[1m])", 40000, "{} 0.04");
    expect_instant(&f, "quantile_over_time(2, x[1m])", 40000,
                   "{} +Inf | PromQL warning: quantile value should be between 0 and 1, got 2 "
                   "(1:20)");
    expect_instant(&f, "double_exponential_smoothing(x[1m], 2, 0.5)", 40000,
                   "error: invalid smoothing factor. Expected: 0 < sf < 1, got: 2.000000");
    fixture_down(&f);
}

TEST(values_are_mapped)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "-1.5");
    expect_instant(&f, "abs(x)", 0, "{} 1.5");
    expect_instant(&f, "round(x)", 0, "{} -1");
    expect_instant(&f, "round(x, 0.2)", 0, "{} -1.4");
    expect_instant(&f, "clamp(x, -1, 1)", 0, "{} -1");
    expect_instant(&f, "clamp(x, 1, -1)", 0, "");
    expect_instant(&f, "sgn(x)", 0, "{} -1");
    expect_instant(&f, "vector(1) * scalar(x)", 0, "{} -1.5");
    expect_instant(&f, "scalar(y)", 0, "{} NaN");
    expect_instant(&f, "time()", 1500, "{} 1.5");
    expect_instant(&f, "max_of(1, NaN)", 0, "{} NaN");
    fixture_down(&f);
}

TEST(the_calendar)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    i64 leap = 1709210096000; // 2024-02-29T12:34:56Z, a Thursday.
    expect_instant(&f, "year()", leap, "{} 2024");
    expect_instant(&f, "month()", leap, "{} 2");
    expect_instant(&f, "day_of_month()", leap, "{} 29");
    expect_instant(&f, "day_of_week()", leap, "{} 4");
    expect_instant(&f, "day_of_year()", leap, "{} 60");
    expect_instant(&f, "days_in_month()", leap, "{} 29");
    expect_instant(&f, "hour()", leap, "{} 12");
    expect_instant(&f, "minute()", leap, "{} 34");
    expect_instant(&f, "day_of_year(vector(-1))", 0, "{} 365");
    expect_instant(&f, "year(vector(-1))", 0, "{} 1969");
    expect_instant(&f, "day_of_year(vector(1735603200))", 0, "{} 366");
    expect_instant(&f, "days_in_month(vector(951782400))", 0, "{} 29"); // 2000 was a leap year.
    fixture_down(&f);
}

TEST(labels_are_replaced_and_joined)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x{a=\"k-v\"}", 10000, "1");
    fixture_load(&f, "x{a=\"other\"}", 10000, "2");
    expect_instant(&f, "label_replace(x, \"b\", \"$2:$1\", \"a\", \"(.*)-(.*)\")", 0,
                   "x{a=\"k-v\", b=\"v:k\"} 1; x{a=\"other\"} 2");
    expect_instant(&f, "label_join(x, \"b\", \"/\", \"a\", \"none\", \"a\") == 1", 0,
                   "x{a=\"k-v\", b=\"k-v//k-v\"} 1");
    expect_instant(&f, "label_replace(x, \"a\", \"\", \"a\", \".*\")", 0,
                   "error: vector cannot contain metrics with the same labelset");
    expect_instant(&f, "label_replace(x, \"b\", \"\", \"a\", \"(\")", 0,
                   "error: invalid regular expression in label_replace(): (");
    fixture_down(&f);
}

TEST(sorting_orders_instants_only)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x{a=\"a10\"}", 10000, "2");
    fixture_load(&f, "x{a=\"a2\"}", 10000, "NaN");
    fixture_load(&f, "x{a=\"b\"}", 10000, "1");
    expect_instant(&f, "sort(x)", 0, "x{a=\"b\"} 1; x{a=\"a10\"} 2; x{a=\"a2\"} NaN");
    expect_instant(&f, "sort_desc(x)", 0, "x{a=\"a10\"} 2; x{a=\"b\"} 1; x{a=\"a2\"} NaN");
    expect_instant(&f, "sort_by_label(x, \"a\")", 0,
                   "x{a=\"a2\"} NaN; x{a=\"a10\"} 2; x{a=\"b\"} 1");
    expect_range(&f, "sort(x > 1)", 0, 0 + 1000, 1000,
                 "x{a=\"a10\"} 2@0 2@1000 | PromQL warning: sort is ineffective for range queries "
                 "since results are always ordered by labels (1:1)");
    fixture_down(&f);
}

TEST(classic_quantiles_and_fractions)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "h_bucket{le=\"1\"}", 10000, "10 10");
    fixture_load(&f, "h_bucket{le=\"2\"}", 10000, "20 5");
    fixture_load(&f, "h_bucket{le=\"+Inf\"}", 10000, "20 20");
    expect_instant(&f, "histogram_quantile(0.25, h_bucket)", 0, "{} 0.5");
    expect_instant(&f, "histogram_quantile(0.75, h_bucket)", 0, "{} 1.5");
    expect_instant(&f, "histogram_quantile(1, h_bucket)", 0, "{} 2");
    expect_instant(&f, "histogram_fraction(0, 1.5, h_bucket)", 0, "{} 0.75");
    expect_instant(&f, "histogram_quantiles(h_bucket, \"q\", 0.25, 1)", 0,
                   "{q=\"0.25\"} 0.5; {q=\"1.0\"} 2");
    expect_instant(&f, "histogram_quantile(0.5, h_bucket{le!=\"+Inf\"})", 0, "{} NaN");
    expect_instant(
        &f, "histogram_quantile(0.5, h_bucket)", 10000,
        "{} 1 | PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
        "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), "
        "from buckets 2 to 2, with a max diff of 5, over 1 samples from 1970-01-01T00:00:10Z to "
        "1970-01-01T00:00:10Z (1:25)");
    fixture_down(&f);
}

TEST(native_histograms_are_carried_and_never_miscounted)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    static const struct hist_span span = {0, 1};
    static const f64 bucket = 4;
    struct hist h = {.schema = 0, .count = 4, .sum = 10, .positive = {&span, 1, &bucket, 1}};
    fixture_load_hist(&f, "x{a=\"h\"}", 0, &h);
    h.sum = 12;
    fixture_load_hist(&f, "x{a=\"h\"}", 10000, &h);
    fixture_load(&f, "x{a=\"f\"}", 10000, "5");
    expect_instant(&f, "x{a=\"h\"}", 0, "x{a=\"h\"} {count:4, sum:10, (0.5,1]:4}");
    expect_instant(&f, "histogram_sum(x)", 10000, "{a=\"h\"} 12");
    expect_instant(&f, "count(x)", 0, "{} 2");
    expect_instant(&f, "last_over_time(x{a=\"h\"}[1m])", 10000,
                   "x{a=\"h\"} {count:4, sum:12, (0.5,1]:4}");
    expect_instant(&f, "x > 1", 0,
                   "x{a=\"f\"} 5 | PromQL info: incompatible sample types encountered for binary "
                   "operator \">\": histogram > float (1:1)");
    expect_instant(&f, "max(x)", 0,
                   "{} 5 | PromQL info: ignored histogram in max aggregation (1:5)");
    expect_instant(&f, "sum(x)", 0,
                   " | PromQL warning: encountered a mix of histograms and floats for aggregation "
                   "(1:5)");
    fixture_down(&f);
}
