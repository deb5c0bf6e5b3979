// parse_test.c: what is right: texts and their canonical form, and that the canonical form is one.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "promql/parse.h"

#define ARENA_BYTES_MAX (64 << 20)

struct good_case {
    const char *text;
    const char *canonical; // NULL: the text itself.
};

// What upstream's own parser prints for each; but info(foo, {}), where it drops the braces.
static const struct good_case good_cases[] = {
    {"1", NULL},
    {"-1", NULL},
    {"+1", "1"},
    {"1.5", NULL},
    {".5", "0.5"},
    {"5.", "5"},
    {"1e3", "1000"},
    {"1E-3", "0.001"},
    {"1_000_000", "1000000"},
    {"1_2.5_0", "12.5"},
    {"0x1F", "31"},
    {"0XAB", "171"},
    {"0x_ff", "255"},
    {"017", "15"},
    {"08", "8"},
    {"0_7", "7"},
    {"0", NULL},
    {"Inf", "+Inf"},
    {"-inf", "-Inf"},
    {"+INF", "+Inf"},
    {"NaN", NULL},
    {"nan", "NaN"},
    {"1h30m", NULL},
    {"-1h30m", NULL},
    {"1d", NULL},
    {"1y2w3d4h5m6s7ms", "382d4h5m6s7ms"},
    {"\"text\"", NULL},
    {"'single \"quotes\"'", "\"single \\\"quotes\\\"\""},
    {"`raw \\n text`", "\"raw \\\\n text\""},
    {"\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"", NULL},
    {"'\\''", "\"'\""},
    {"\"\\x41\\101\\u00e9\\U0001F600\"", "\"AAé😀\""},
    {"\"日本\"", NULL},
    {"1 + 2 * 3", NULL},
    {"(1 + 2) * 3", NULL},
    {"1 + 2 + 3", NULL},
    {"1 - 2 - 3", NULL},
    {"2 ^ 3 ^ 2", NULL},
    {"(2 ^ 3) ^ 2", NULL},
    {"-2 ^ 2", NULL},
    {"- 2 * 3", "-2 * 3"},
    {"2 ^ -1", NULL},
    {"--1", "1"},
    {"+-1", "-1"},
    {"-foo", NULL},
    {"--foo", NULL},
    {"-foo ^ 2", NULL},
    {"-foo * bar", NULL},
    {"-sum(foo)", NULL},
    {"1 < bool 2", NULL},
    {"1 == bool 1 != bool 2", NULL},
    {"foo > 1 + 2", NULL},
    {"foo * 2 > bool bar / 3 and baz or qux unless quux", NULL},
    {"foo and bar or baz", NULL},
    {"foo or bar and baz", NULL},
    {"foo unless bar and baz", NULL},
    {"foo atan2 bar % baz", NULL},
    {"foo ATAN2 bar", "foo atan2 bar"},
    {"foo </ 5", NULL},
    {"foo >/ bar * 2", NULL},
    {"foo <5", "foo < 5"},
    {"foo == 1 </ 2", NULL},
    {"foo", NULL},
    {"foo:bar:baz", NULL},
    {":foo", NULL},
    {"_", NULL},
    {"foo{}", "foo"},
    {"foo{a=\"b\"}", NULL},
    {"foo{a=\"b\",}", "foo{a=\"b\"}"},
    {"foo { a = \"b\" , c != 'd' , e =~ `f.*` , g !~ \"h\" }",
     "foo{a=\"b\",c!=\"d\",e=~\"f.*\",g!~\"h\"}"},
    {"foo{b=\"1\",a=\"2\"}", "foo{a=\"2\",b=\"1\"}"},
    {"{a=\"b\"}", NULL},
    {"{a!=\"\"}", NULL},
    {"{a=~\".+\"}", NULL},
    {"{\"foo\"}", "{__name__=\"foo\"}"},
    {"{\"foo.bar\", \"label.x\"=\"v\"}", "{\"label.x\"=\"v\",__name__=\"foo.bar\"}"},
    {"{'foo', a=\"b\"}", "{__name__=\"foo\",a=\"b\"}"},
    {"{__name__=\"foo\"}", NULL},
    {"{__name__=~\"foo|bar\"}", NULL},
    {"{\"__name__\"=\"foo\"}", "{__name__=\"foo\"}"},
    {"foo{\"a\"=\"b\"}", "foo{a=\"b\"}"},
    {"foo{sum=\"x\",by=\"y\",inf=\"z\"}", "foo{by=\"y\",inf=\"z\",sum=\"x\"}"},
    {"sum", NULL},
    {"by", NULL},
    {"sum + by", NULL},
    {"and and and", NULL},
    {"or or or", NULL},
    {"offset offset 5m", NULL},
    {"start", NULL},
    {"end{a=\"b\"}", NULL},
    {"step + range", NULL},
    {"min_of", NULL},
    {"anchored anchored", NULL},
    {"fill + fill", NULL},
    {"fill_left - fill_right{a=\"b\"}", NULL},
    {"other + fill(0) fill", "other + fill (0) fill"},
    {"without{a=\"b\"}", NULL},
    {"foo offset 5m", NULL},
    {"foo offset -5m", NULL},
    {"foo offset 300", "foo offset 5m"},
    {"foo offset 1.5", "foo offset 1s500ms"},
    {"foo offset 1h30m", NULL},
    {"foo offset 0", "foo"},
    {"foo OFFSET 5m", "foo offset 5m"},
    {"foo offset 100 + 2", "foo offset 1m40s + 2"},
    {"foo offset 2 ^ 2", "foo offset 2s ^ 2"},
    {"foo offset -2 ^ 2", "foo offset -2s ^ 2"},
    {"foo offset (2 ^ 2)", NULL},
    {"foo offset (1m + 2) * 3", NULL},
    {"foo offset -(1m) + 3", NULL},
    {"foo offset +(1m) + on() bar", "foo offset +(1m) + on () bar"},
    {"foo offset +step()", "foo offset step()"},
    {"foo offset + +(1m)", "foo offset (1m)"},
    {"foo offset -(step() * 2)", NULL},
    {"foo offset step() * 2", NULL},
    {"foo offset -range()", NULL},
    {"foo offset min_of(step(), 1m) + 5", NULL},
    {"foo offset -max_of(1m, range() / 2)", NULL},
    {"foo @ 5", "foo @ 5.000"},
    {"foo @ -5.5", "foo @ -5.500"},
    {"foo @ 1e3", "foo @ 1000.000"},
    {"foo @ 1h", "foo @ 3600.000"},
    {"foo @ 4440624306662.063", "foo @ 4440624306662.073"},
    {"foo @ start()", NULL},
    {"foo @ end()", NULL},
    {"foo @ 1603774568.123 offset 5m", NULL},
    {"foo offset 5m @ 10", "foo @ 10.000 offset 5m"},
    {"foo[5m]", NULL},
    {"foo[300]", "foo[5m]"},
    {"foo[1.5]", "foo[1s500ms]"},
    {"foo [ 5m ]", "foo[5m]"},
    {"foo[5m] offset 1h", NULL},
    {"foo[5m] @ 100 offset -1h", "foo[5m] @ 100.000 offset -1h"},
    {"foo[5m] @ end()", NULL},
    {"foo{a=\"b\"}[1h30m]", NULL},
    {"foo[1m + 30s]", NULL},
    {"foo[(5m)]", NULL},
    {"foo[-5m + 10m]", NULL},
    {"foo[2 * 5m]", NULL},
    {"foo[2 * (1 + 2m) / 3 % 4 ^ 2]", NULL},
    {"foo[2 ^ 3 ^ 2]", NULL},
    {"foo[step()]", NULL},
    {"foo[STEP() + 1ms]", "foo[step() + 1ms]"},
    {"foo[range() / 2]", NULL},
    {"foo[min_of(step() * 2, 1m)]", NULL},
    {"foo[max_of((1m), -(2m) + 5m)]", NULL},
    {"foo[5m # five\n]", "foo[5m]"},
    {"1s1ms + 8121m6666666666121ms", "1s1ms + 77166d3h12m6s121ms"},
    {"foo[(1s1ms) * 2]", NULL},
    {"foo[5m] anchored", NULL},
    {"foo[5m] smoothed", NULL},
    {"foo smoothed", NULL},
    {"foo[5m] smoothed @ 10 offset 1m", "foo[5m] smoothed @ 10.000 offset 1m"},
    {"foo anchored offset 5m", NULL},
    {"foo[5m:]", NULL},
    {"foo[5m:1m]", NULL},
    {"foo[5m:1m] offset 1h", NULL},
    {"foo[5m:1m] @ start() offset -1h", NULL},
    {"foo[1m * 5:30s * 2]", NULL},
    {"foo[5m:step()]", NULL},
    {"rate(foo[5m])[1h:5m]", NULL},
    {"(foo + bar)[1h:]", NULL},
    {"sum(foo)[1h:30s] @ 1000", "sum(foo)[1h:30s] @ 1000.000"},
    {"max_over_time(rate(foo[5m])[1h:1m])", NULL},
    {"foo + bar", NULL},
    {"foo + on() bar", "foo + on () bar"},
    {"foo + on(a) bar", "foo + on (a) bar"},
    {"foo + on (a, b,) bar", "foo + on (a, b) bar"},
    {"foo + ignoring(a) bar", "foo + ignoring (a) bar"},
    {"foo / on(a) group_left bar", "foo / on (a) group_left () bar"},
    {"foo / on(a) group_left() bar", "foo / on (a) group_left () bar"},
    {"foo / on(a) group_left(b, c) bar", "foo / on (a) group_left (b, c) bar"},
    {"foo / ignoring(a) group_right(b) bar", "foo / ignoring (a) group_right (b) bar"},
    {"foo / on(\"a.b\", 'c') group_left(\"d.e\") bar",
     "foo / on (\"a.b\", c) group_left (\"d.e\") bar"},
    {"foo + on(sum, by, offset, bool, on, ignoring, group_left, atan2, start) bar",
     "foo + on (sum, by, offset, bool, on, ignoring, group_left, atan2, start) bar"},
    {"foo == bool on(a) group_left(b) bar", "foo == bool on (a) group_left (b) bar"},
    {"foo and on(a) bar", "foo and on (a) bar"},
    {"foo unless ignoring(a) bar", "foo unless ignoring (a) bar"},
    {"foo + fill(0) bar", "foo + fill (0) bar"},
    {"foo + fill (-1.5) bar", NULL},
    {"foo + fill_left(1) bar", "foo + fill_left (1) bar"},
    {"foo + fill_right(Inf) bar", "foo + fill_right (+Inf) bar"},
    {"foo + fill_left(1) fill_right(2) bar", "foo + fill_left (1) fill_right (2) bar"},
    {"foo + fill_right(2) fill_left(1) bar", "foo + fill_left (1) fill_right (2) bar"},
    {"foo + fill_left(1) fill_right(1) bar", "foo + fill (1) bar"},
    {"foo + on(a) group_left(b) fill(5m) bar", "foo + on (a) group_left (b) fill (300) bar"},
    {"foo + fill(1e25) bar", "foo + fill (1e+25) bar"},
    {"sum(foo)", NULL},
    {"SUM(foo)", "sum(foo)"},
    {"sum by (a) (foo)", NULL},
    {"sum by (a, b,) (foo)", "sum by (a, b) (foo)"},
    {"sum(foo) by (a)", "sum by (a) (foo)"},
    {"sum (foo) without (a, b)", "sum without (a, b) (foo)"},
    {"sum without () (foo)", NULL},
    {"sum by () (foo)", "sum(foo)"},
    {"sum by (\"a.b\", c) (foo)", NULL},
    {"sum by (sum, by, le) (foo)", NULL},
    {"avg(min(max(count(group(foo)))))", NULL},
    {"topk(5, foo)", NULL},
    {"bottomk by (a) (1 + 1, foo)", NULL},
    {"quantile(0.9, foo)", NULL},
    {"count_values(\"label\", foo)", NULL},
    {"limitk(2, foo)", NULL},
    {"limit_ratio(-0.5, foo)", NULL},
    {"stddev(foo) + stdvar(foo)", NULL},
    {"rate(foo[5m])", NULL},
    {"time()", NULL},
    {"pi() * 2", NULL},
    {"vector(1)", NULL},
    {"scalar(foo)", NULL},
    {"round(foo)", NULL},
    {"round(foo, 0.5)", NULL},
    {"clamp(foo, 1, 2)", NULL},
    {"hour()", NULL},
    {"hour(foo)", NULL},
    {"label_replace(foo, \"a\", \"$1\", \"b\", \"(.*)\")", NULL},
    {"label_join(foo, \"a\", \",\")", NULL},
    {"label_join(foo, \"a\", \",\", \"b\", \"c\")", NULL},
    {"sort_by_label(foo, \"a\", \"b\")", NULL},
    {"histogram_quantile(0.9, sum by (le) (rate(foo_bucket[5m])))", NULL},
    {"histogram_quantiles(foo, \"q\", 0.5, 0.9, 0.99)", NULL},
    {"quantile_over_time(0.5, foo[5m])", NULL},
    {"absent_over_time(foo[5m])", NULL},
    {"info(foo)", NULL},
    {"info(foo, {})", NULL},
    {"info(foo, {data=~\".+\"})", NULL},
    {"start() + end() - step() * range()", NULL},
    {"min_of(1, max_of(2, 3))", NULL},
    {"ts_of_max_over_time(foo[5m])", NULL},
    {"start_timestamp(foo)", NULL},
    {"double_exponential_smoothing(foo[5m], 0.5, 0.5)", NULL},
    {"((((1))))", NULL},
    {"( foo )", "(foo)"},
    {"foo # comment", "foo"},
    {"# comment\nfoo # another\n+ bar", "foo + bar"},
    {"foo\t+\r\n\n bar", "foo + bar"},
};

static void assert_prints(str text, str want)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe;
    struct buf out;
    buf_init(&out, 1 << 20);
    const struct expr *x = parse_expr(a, text, NULL, &pe);
    if (!x) {
        fail_msg("%.*s: %u:%u: %s", STR_ARG(text), pe.line, pe.column, pe.text);
    }
    expr_print(&out, x);
    ASSERT_STR_EQ(buf_get(&out), want);
    assert_int_equal(x->span.end <= text.len, true);
    buf_fini(&out);
    arena_free(a);
}

TEST(parse_prints_the_canonical_text)
{
    for (size_t i = 0; i < ARRAY_LEN(good_cases); i++) {
        const struct good_case *c = &good_cases[i];
        assert_prints(str_c(c->text), str_c(c->canonical ? c->canonical : c->text));
    }
}

TEST(parse_takes_its_own_canonical_text)
{
    for (size_t i = 0; i < ARRAY_LEN(good_cases); i++) {
        const struct good_case *c = &good_cases[i];
        const str canonical = str_c(c->canonical ? c->canonical : c->text);
        assert_prints(canonical, canonical);
    }
}

// Printed without parentheses, such an offset would end after its first number.
TEST(parse_keeps_an_offset_of_two_signs_whole)
{
    assert_prints(STR("foo offset - -1m + 2"), STR("foo offset (1m + 2)"));
    assert_prints(STR("foo offset (1m + 2)"), STR("foo offset (1m + 2)"));
    assert_prints(STR("foo offset --1m"), STR("foo offset 1m"));
}

// The sign of an infinity would take the power with it.
TEST(parse_keeps_powers_of_infinity)
{
    assert_prints(STR("-Inf ^ foo"), STR("-Inf ^ foo"));
    assert_prints(STR("inf ^ 2 ^ Inf"), STR("Inf ^ 2 ^ +Inf"));
    assert_prints(STR("(Inf) ^ 2"), STR("(+Inf) ^ 2"));
}

TEST(parse_keeps_strings_that_are_not_utf8)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe;
    const struct expr *x = parse_expr(a, STR("\"a\\xff\\000b\""), NULL, &pe);
    assert_non_null(x);
    ASSERT_STR_EQ(x->string, ((str){"a\xff\0b", 4}));
    arena_free(a);
}

TEST(parse_selector_takes_one_selector)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe;
    const struct matcher *ms = NULL;
    u32 count = 0;
    assert_true(parse_selector(a, STR("foo{a=\"b\", c!~\"d\"}"), &ms, &count, &pe));
    assert_int_equal(count, 3);
    ASSERT_STR_EQ(ms[0].name, STR("a"));
    assert_int_equal(ms[1].op, MATCH_NRE);
    ASSERT_STR_EQ(ms[2].name, STR("__name__"));
    ASSERT_STR_EQ(ms[2].value, STR("foo"));
    assert_true(parse_selector(a, STR("{}"), &ms, &count, &pe));
    assert_int_equal(count, 0);
    static const char *const refused[] = {"",         "1",       "foo[5m]", "foo offset 1m",
                                          "sum(foo)", "(foo)",   "foo bar", "foo{a=}",
                                          "foo @ 5",  "rate(a)", "foo{",    "foo + bar"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        if (parse_selector(a, str_c(refused[i]), &ms, &count, &pe)) {
            fail_msg("%s was taken for a selector", refused[i]);
        }
        assert_true(pe.text[0] != '\0');
    }
    arena_free(a);
}
