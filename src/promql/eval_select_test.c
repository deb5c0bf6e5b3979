// eval_select_test.c: selectors: lookback, staleness, offset, @, subqueries, raw ranges.
#include "base/test.h"
#include "promql/eval_fixture.h"

TEST(lookback_is_open_on_the_left)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 60000, "7");
    expect_instant(&f, "x", 0, "x 7");
    expect_instant(&f, "x", 299999, "x 7");
    expect_instant(&f, "x", 300000, ""); // (t - 5m, t]
    expect_instant(&f, "x", -1, "");
    fixture_down(&f);
}

TEST(stale_marker_ends_a_series_at_once)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "1 2 stale 4");
    expect_range(&f, "x", 0, 40000, 5000, "x 1@0 1@5000 2@10000 2@15000 4@30000 4@35000 4@40000");
    // In a range vector the marker is no sample.
    expect_instant(&f, "count_over_time(x[1m])", 30000, "{} 3");
    expect_instant(&f, "last_over_time(x[25s])", 20000, "x 2");
    fixture_down(&f);
}

TEST(nan_is_a_value)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "NaN 1");
    expect_instant(&f, "x", 0, "x NaN");
    expect_instant(&f, "sum(x)", 0, "{} NaN");
    expect_instant(&f, "x == x", 0, "");
    expect_instant(&f, "count(x)", 5000, "{} 1");
    fixture_down(&f);
}

TEST(offset_and_at_move_the_moment)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "0 1 2 3 4 5 6 7 8 9");
    expect_instant(&f, "x offset 20s", 50000, "x 3");
    expect_instant(&f, "x offset -20s", 50000, "x 7");
    expect_instant(&f, "x @ 30", 50000, "x 3");
    expect_instant(&f, "x @ 30 offset 10s", 50000, "x 2");
    expect_range(&f, "x @ end()", 10000, 30000, 10000, "x 3@10000 3@20000 3@30000");
    expect_range(&f, "x @ start() + 1", 10000, 30000, 10000, "{} 2@10000 2@20000 2@30000");
    // The sample's own time, but the step's where @ fixes the window only.
    expect_instant(&f, "timestamp(x offset 20s)", 55000, "{} 30");
    expect_range(&f, "predict_linear(x[20s] @ 50, 10)", 60000, 70000, 10000, "{} 7@60000 8@70000");
    fixture_down(&f);
}

TEST(ranges_are_open_on_the_left)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "0 1 2 3 4 5 6 7 8 9");
    expect_instant(&f, "x[30s]", 50000, "x 3@30000 4@40000 5@50000");
    expect_instant(&f, "x[30s] offset 5s", 50000, "x 2@20000 3@30000 4@40000");
    expect_instant(&f, "sum_over_time(x[20s])", 50000, "{} 9");
    fixture_down(&f);
}

TEST(subqueries_are_aligned_to_absolute_time)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.subquery_step_ms = 20000});
    fixture_load(&f, "x", 10000, "0 1 2 3 4 5 6 7 8 9");
    expect_instant(&f, "x[40s:15s]", 50000, "x 1@15000 3@30000 4@45000");
    expect_instant(&f, "x[40s:]", 55000, "x 2@20000 4@40000"); // The default step.
    promql_engine_set_subquery_step(f.engine, 10000);          // As a reload does.
    expect_instant(&f, "x[20s:]", 55000, "x 4@40000 5@50000");
    expect_range(&f, "max_over_time(x[20s:])", 40000, 50000, 10000, "{} 4@40000 5@50000");
    expect_instant(&f, "sum_over_time((x * 2)[20s:10s])", 50000, "{} 18");
    expect_range(&f, "max_over_time(x[20s:10s])", 40000, 60000, 10000,
                 "{} 4@40000 5@50000 6@60000");
    fixture_down(&f);
}

TEST(lookback_may_be_given_per_request)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "1");
    struct promql_query *q = promql_query_new(f.engine, STR("x"), NULL, &f.error);
    struct promql_request r = {
        .storage = f.store, .query = q, .start_ms = 10000, .lookback_ms = 10000};
    ASSERT_OK(promql_instant(f.engine, &r, f.arena, &f.result, &f.error), f.error);
    assert_int_equal(f.result.series_count, 0);
    r.lookback_ms = 10001;
    ASSERT_OK(promql_instant(f.engine, &r, f.arena, &f.result, &f.error), f.error);
    assert_int_equal(f.result.series_count, 1); // The same query, asked again.
    promql_query_free(q);
    fixture_down(&f);
}

TEST(absent_tells_what_would_be_there)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x{a=\"1\"}", 10000, "1");
    expect_instant(&f, "absent(x)", 0, "");
    expect_instant(&f, "absent(y{a=\"1\",b=~\"c\",d=\"e\",d=\"f\"})", 0, "{a=\"1\"} 1");
    expect_range(&f, "absent_over_time(x[5s])", 0, 10000, 5000, "{} 1@5000 1@10000");
    fixture_down(&f);
}
