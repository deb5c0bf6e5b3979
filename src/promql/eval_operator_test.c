// eval_operator_test.c: binary operators, matching, aggregations, names.
#include "base/test.h"
#include "promql/eval_fixture.h"

#include <stdio.h>

static void load_two_sides(struct fixture *f)
{
    fixture_load(f, "l{i=\"1\",j=\"a\"}", 10000, "1 1");
    fixture_load(f, "l{i=\"2\",j=\"a\"}", 10000, "2 2");
    fixture_load(f, "r{i=\"1\",v=\"x\"}", 10000, "10 10");
    fixture_load(f, "r{i=\"3\",v=\"y\"}", 10000, "30 30");
}

// Groups are found by where texts stand, if it is known: the same texts under other names, in
// another number of labels, and more names than are looked at so.
TEST(groups_are_by_name_and_value)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x{a=\"1\",z=\"2\"}", 10000, "1");
    fixture_load(&f, "x{a=\"1\",z=\"3\"}", 10000, "10");
    fixture_load(&f, "x{b=\"1\",z=\"2\"}", 10000, "100");
    fixture_load(&f, "x{z=\"1\"}", 10000, "1000");
    fixture_load(&f, "x{a=\"2\",b=\"1\",z=\"2\"}", 10000, "10000");
    fixture_load(&f, "x{a=\"1\",b=\"1\",z=\"2\"}", 10000, "100000");
    expect_instant(&f, "sum by (a) (x)", 0, "{a=\"1\"} 100011; {} 1100; {a=\"2\"} 10000");
    expect_instant(&f, "sum by (b) (x)", 0, "{} 1011; {b=\"1\"} 110100");
    expect_instant(
        &f, "sum by (z, a) (last_over_time(x[1m]))", 0,
        "{a=\"1\", z=\"2\"} 100001; {a=\"1\", z=\"3\"} 10; {z=\"2\"} 100; {z=\"1\"} 1000; "
        "{a=\"2\", z=\"2\"} 10000");
    expect_instant(
        &f, "count by (__name__, a, b, y, z) (x)", 0,
        "x{a=\"1\", z=\"2\"} 1; x{a=\"1\", z=\"3\"} 1; x{b=\"1\", z=\"2\"} 1; x{z=\"1\"} 1; "
        "x{a=\"2\", b=\"1\", z=\"2\"} 1; x{a=\"1\", b=\"1\", z=\"2\"} 1");
    fixture_load(&f, "y{a=\"1\",b=\"1\",c=\"1\",d=\"1\",e=\"1\"}", 10000, "1");
    fixture_load(&f, "y{a=\"1\",b=\"1\",c=\"1\",d=\"1\",e=\"2\"}", 10000, "2");
    expect_instant(&f, "sum by (a, b, c, d, e) (y)", 0,
                   "{a=\"1\", b=\"1\", c=\"1\", d=\"1\", e=\"1\"} 1; "
                   "{a=\"1\", b=\"1\", c=\"1\", d=\"1\", e=\"2\"} 2");
    fixture_down(&f);
}

TEST(one_to_one_joins)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_two_sides(&f);
    expect_instant(&f, "l + on(i) r", 0, "{i=\"1\"} 11");
    expect_instant(&f, "l < on(i) r", 0, "{i=\"1\"} 1");
    expect_instant(&f, "l < bool on(i) r", 0, "{i=\"1\"} 1");
    expect_instant(&f, "l + ignoring(j, v) r", 0, "{i=\"1\"} 11");
    expect_instant(&f, "l + on(i) fill(0) r", 0, "{i=\"1\"} 11; {i=\"2\"} 2; {i=\"3\"} 30");
    fixture_down(&f);
}

TEST(grouped_joins)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    load_two_sides(&f);
    fixture_load(&f, "info{j=\"a\",v=\"1.4\"}", 10000, "1 1");
    expect_instant(&f, "l * on(j) group_left(v) info", 0,
                   "{i=\"1\", j=\"a\", v=\"1.4\"} 1; {i=\"2\", j=\"a\", v=\"1.4\"} 2");
    expect_instant(&f, "info * on(j) group_right l", 0,
                   "{i=\"1\", j=\"a\"} 1; {i=\"2\", j=\"a\"} 2");
    expect_instant(&f, "info - on(j) group_right l", 0,
                   "{i=\"1\", j=\"a\"} 0; {i=\"2\", j=\"a\"} -1");
    expect_instant(&f, "l * on(j) info", 0,
                   "error: multiple matches for labels: many-to-one matching must be explicit "
                   "(group_left/group_right)");
    expect_instant(
        &f, "info * on(j) l", 0,
        "error: found duplicate series for the match group {j=\"a\"} on the right "
        "hand-side of the operation: [{__name__=\"l\", i=\"1\", j=\"a\"}, "
        "{__name__=\"l\", i=\"2\", j=\"a\"}];many-to-many matching not allowed: matching "
        "labels must be unique on one side");
    fixture_down(&f);
}

TEST(joins_see_what_is_wrong_without_any_match)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "l{i=\"9\"}", 10000, "1");
    fixture_load(&f, "r{i=\"1\",v=\"x\"}", 10000, "1");
    fixture_load(&f, "r{i=\"1\",v=\"y\"}", 10000, "1");
    assert_false(fixture_instant(&f, "l * on(i) r", 0));
    expect_instant(&f, "none * on(i) r", 0, ""); // Nothing on the left: nothing to match at all.
    fixture_down(&f);
}

TEST(set_operators_work_step_by_step)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "a{i=\"1\"}", 10000, "1 stale 3");
    fixture_load(&f, "b{i=\"1\"}", 10000, "5 6 stale");
    expect_range(&f, "a and b", 0, 20000, 10000, "a{i=\"1\"} 1@0");
    expect_range(&f, "a unless b", 0, 20000, 10000, "a{i=\"1\"} 3@20000");
    expect_range(&f, "a or b", 0, 20000, 10000, "a{i=\"1\"} 1@0 3@20000; b{i=\"1\"} 6@10000");
    expect_range(&f, "a or on() b", 0, 20000, 10000, "a{i=\"1\"} 1@0 3@20000; b{i=\"1\"} 6@10000");
    fixture_down(&f);
}

TEST(scalars_and_vectors)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x", 10000, "3");
    expect_instant(&f, "10 - x", 0, "{} 7");
    expect_instant(&f, "2 < x", 0, "x 3"); // The vector's value, on whichever side it stands.
    expect_instant(&f, "x > 5", 0, "");
    expect_instant(&f, "x > bool 5", 0, "{} 0");
    expect_instant(&f, "-x", 0, "{} -3");
    expect_instant(&f, "1 > bool 0", 0, "{} 1");
    expect_instant(&f, "-2 ^ 2 % 3", 0, "{} -1");
    expect_range(&f, "1 + 1", 0, 10000, 10000, "{} 2@0 2@10000");
    expect_instant(&f, "\"text\"", 0, "text");
    fixture_down(&f);
}

TEST(aggregations)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x{g=\"a\",i=\"1\"}", 10000, "1 1");
    fixture_load(&f, "x{g=\"a\",i=\"2\"}", 10000, "3 NaN");
    fixture_load(&f, "x{g=\"b\",i=\"3\"}", 10000, "5 stale");
    expect_instant(&f, "sum by (g) (x)", 0, "{g=\"a\"} 4; {g=\"b\"} 5");
    expect_instant(&f, "avg without (i) (x)", 0, "{g=\"a\"} 2; {g=\"b\"} 5");
    expect_instant(&f, "max(x)", 10000, "{} 1");
    expect_instant(&f, "stddev by (g) (x)", 0, "{g=\"a\"} 1; {g=\"b\"} 0");
    expect_instant(&f, "group(x)", 0, "{} 1");
    expect_instant(&f, "quantile(0.5, x)", 0, "{} 3");
    expect_instant(&f, "count_values(\"v\", x)", 0, "{v=\"1\"} 1; {v=\"3\"} 1; {v=\"5\"} 1");
    expect_instant(&f, "topk(2, x)", 0, "x{g=\"b\", i=\"3\"} 5; x{g=\"a\", i=\"2\"} 3");
    expect_instant(&f, "bottomk by (g) (1, x)", 0, "x{g=\"a\", i=\"1\"} 1; x{g=\"b\", i=\"3\"} 5");
    expect_instant(&f, "topk(0, x)", 0, "");
    expect_instant(&f, "topk(NaN, x)", 0, "error: Parameter value is NaN");
    expect_instant(&f, "limitk(1, x)", 0, "x{g=\"a\", i=\"1\"} 1");
    expect_range(&f, "count(x)", 0, 10000, 10000, "{} 3@0 2@10000");
    fixture_down(&f);
}

// Of a ratio and its complement each series is in exactly one.
TEST(limit_ratio_and_its_complement_are_everything)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    char selector[32];
    for (int i = 0; i < 50; i++) {
        (void)snprintf(selector, sizeof(selector), "x{i=\"%d\"}", i);
        fixture_load(&f, selector, 10000, "1");
    }
    expect_instant(&f, "count(limit_ratio(0.3, x) or limit_ratio(-0.7, x))", 0, "{} 50");
    expect_instant(&f, "count(limit_ratio(0.3, x) and limit_ratio(-0.7, x))", 0, "");
    fixture_down(&f);
}

TEST(equal_series_are_an_error_or_one)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0});
    fixture_load(&f, "x{a=\"1\"}", 10000, "1 stale");
    fixture_load(&f, "y{a=\"1\"}", 10000, "_ 2");
    // At different steps they become one series; at the same step there is no right answer.
    expect_range(&f, "{a=\"1\"} + 0", 0, 10000, 10000, "{a=\"1\"} 1@0 2@10000");
    expect_range(&f, "{a=\"1\"} + 0", 9000, 10000, 1000, "{a=\"1\"} 1@9000 2@10000");
    fixture_load(&f, "z{a=\"1\"}", 10000, "3");
    expect_instant(&f, "{a=\"1\"} * 2", 0,
                   "error: vector cannot contain metrics with the same labelset");
    expect_range(&f, "rate({a=\"1\"}[1m])", 0, 10000, 10000, "");
    expect_range(&f, "count_over_time({a=\"1\"}[1m])", 0, 10000, 10000,
                 "error: vector cannot contain metrics with the same labelset");
    fixture_down(&f);
}

TEST(names_may_be_dropped_at_the_end)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.delayed_name_removal = true});
    fixture_load(&f, "x{a=\"1\"}", 10000, "1");
    fixture_load(&f, "y{a=\"1\"}", 10000, "2");
    expect_instant(&f, "sum by (__name__) ({a=\"1\"} * 2)", 0,
                   "error: vector cannot contain metrics with the same labelset");
    expect_instant(&f, "label_replace(x * 2, \"n\", \"$1\", \"__name__\", \"(.*)\")", 0,
                   "{a=\"1\", n=\"x\"} 2");
    fixture_down(&f);
}
