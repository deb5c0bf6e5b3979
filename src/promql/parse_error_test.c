// parse_error_test.c: what is wrong: texts, the place and the words; switches and limits.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "promql/parse.h"

#define ARENA_BYTES_MAX (64 << 20)

struct bad_case {
    const char *text;
    const char *error; // line:column: words
};

// The words of upstream's own parser for each.
static const struct bad_case bad_cases[] = {
    {"", "unknown position: no expression found in input"},
    {"# only a comment", "1:1: no expression found in input"},
    {"1 +", "1:4: unexpected end of input"},
    {"1 + * 2", "1:5: unexpected <op:*>"},
    {"foo bar", "1:5: unexpected identifier \"bar\""},
    {"1 2", "1:3: unexpected number \"2\""},
    {"*", "1:1: unexpected <op:*>"},
    {")", "1:2: unexpected right parenthesis ')'"},
    {"1)", "1:3: unexpected right parenthesis ')'"},
    {"(1", "1:3: unclosed left parenthesis"},
    {"((1)", "1:5: unclosed left parenthesis"},
    {"(1))", "1:5: unexpected right parenthesis ')'"},
    {"()", "1:2: unexpected \")\""},
    {"foo(", "1:5: unclosed left parenthesis"},
    {"foo{", "1:5: unexpected end of input inside braces"},
    {"foo{a", "1:6: unexpected end of input inside braces"},
    {"foo{a=", "1:7: unexpected end of input inside braces"},
    {"foo{a=\"b\"", "1:10: unexpected end of input inside braces"},
    {"foo{a=\"b\" c=\"d\"}",
     "1:11: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
    {"foo{a=\"b\",,}", "1:11: unexpected \",\" in label matching, expected identifier or \"}\""},
    {"foo{,}", "1:5: unexpected \",\" in label matching, expected identifier or \"}\""},
    {"foo{=}", "1:5: unexpected \"=\" in label matching, expected identifier or \"}\""},
    {"foo{a b}",
     "1:7: unexpected identifier \"b\" in label matching, expected label matching operator"},
    {"foo{a=b}", "1:7: unexpected identifier \"b\" in label matching, expected string"},
    {"foo{a==b}", "1:7: unexpected \"=\" in label matching, expected string"},
    {"foo{a>\"b\"}", "1:6: unexpected character inside braces: '>'"},
    {"foo{1=\"b\"}", "1:5: unexpected character inside braces: '1'"},
    {"foo{a!b}", "1:6: unexpected character after '!' inside braces: 'b'"},
    {"foo{{}}", "1:5: unexpected left brace '{'"},
    {"foo{a=\"b\"}}", "1:11: unexpected character: '}'"},
    {"foo}", "1:4: unexpected character: '}'"},
    {"foo{a=~\"(\"}", "1:5: error parsing regexp: missing closing ): `(`"},
    {"foo{a!~\"[\"}", "1:5: error parsing regexp: missing closing ]: `[`"},
    {"foo{a=~\"a**\"}", "1:5: error parsing regexp: invalid nested repetition operator: `**`"},
    {"foo[\"5m\"]", "1:5: unexpected character in duration expression: '\"'"},
    {"foo[", "1:5: unexpected end of input in duration expression"},
    {"foo[5m", "1:7: unclosed left bracket"},
    {"foo[5m:", "1:8: unclosed left bracket"},
    {"foo[5m:1m", "1:10: unclosed left bracket"},
    {"foo[]", "1:5: unexpected \"]\" in subquery or range selector, expected number, duration, "
              "step(), or range()"},
    {"foo[:]", "1:6: unexpected colon before duration in duration expression"},
    {"foo[:5m]", "1:6: unexpected colon before duration in duration expression"},
    {"foo[5m::1m]", "1:8: unexpected colon ':'"},
    {"foo[5m:1m:1s]", "1:10: unexpected colon ':'"},
    {"foo[x]", "1:5: unexpected character in duration expression: 'x'"},
    {"foo[5x]", "1:5: bad number or duration syntax: \"5\""},
    {"foo[5m x]", "1:8: unexpected character: 'x', expected ':'"},
    {"foo[5m 1m]", "1:8: unexpected duration \"1m\" in subquery or range, expected \":\" or \"]\""},
    {"foo[5m +]", "1:9: unexpected \"]\" in subquery or range selector, expected number, duration, "
                  "step(), or range()"},
    {"foo[5m + ]", "1:10: unexpected \"]\" in subquery or range selector, expected number, "
                   "duration, step(), or range()"},
    {"foo[5m:1m 1s]", "1:11: unexpected duration \"1s\" in subquery selector, expected \"]\""},
    {"foo[5m:+]", "1:9: unexpected \"]\" in subquery selector, expected number, duration, step(), "
                  "range(), or \"]\""},
    {"foo[0]", "1:5: duration must be greater than 0"},
    {"foo[0s]", "1:5: duration must be greater than 0"},
    {"foo[-5m]", "1:5: duration must be greater than 0"},
    {"foo[5m:0]", "1:8: duration must be greater than 0"},
    {"foo[1/0]", "1:6: division by zero"},
    {"foo[1m%0]", "1:7: modulo by zero"},
    {"foo[99999999999]", "1:5: duration out of range"},
    {"foo[5m][5m]", "1:8: ranges only allowed for vector selectors"},
    {"foo[(5m]", "1:8: unexpected \"]\" in subquery or range selector, expected number, duration, "
                 "step(), or range()"},
    {"foo[step]", "1:9: unexpected \"]\" in subquery or range selector, expected number, duration, "
                  "step(), or range()"},
    {"foo[step(1)]", "1:10: unexpected number \"1\" in subquery or range selector, expected "
                     "number, duration, step(), or range()"},
    {"foo[min_of(1m)]", "1:14: unexpected \")\" in subquery or range selector, expected number, "
                        "duration, step(), or range()"},
    {"foo]", "1:4: unexpected right bracket ']'"},
    {"[5m]", "1:1: unexpected \"[\""},
    {"1[5m]", "1:2: ranges only allowed for vector selectors"},
    {"sum(foo)[5m]", "1:9: ranges only allowed for vector selectors"},
    {"(foo)[5m]", "1:6: ranges only allowed for vector selectors"},
    {"foo offset 5m[5m]", "1:14: no offset modifiers allowed before range"},
    {"foo @ 5 [5m]", "1:9: no @ modifiers allowed before range"},
    {"foo offset",
     "1:11: unexpected end of input in offset, expected number, duration, step(), or range()"},
    {"foo offset bar", "1:12: unexpected identifier \"bar\" in offset, expected number, duration, "
                       "step(), or range()"},
    {"foo offset \"x\"", "1:12: unexpected string \"\\\"x\\\"\" in offset, expected number, "
                         "duration, step(), or range()"},
    {"foo offset -",
     "1:13: unexpected end of input in offset, expected number, duration, step(), or range()"},
    {"foo offset (1m", "1:15: unclosed left parenthesis"},
    {"foo offset 99999999999", "1:12: duration out of range"},
    {"foo offset (1m) - bar", "1:19: unexpected identifier \"bar\" in offset, expected number, "
                              "duration, step(), or range()"},
    {"foo offset 5m offset 5m", "1:1: offset may not be set multiple times"},
    {"1 offset 5m", "1:1: offset modifier must be preceded by an instant vector selector or range "
                    "vector selector or a subquery"},
    {"(foo) offset 5m", "1:1: offset modifier must be preceded by an instant vector selector or "
                        "range vector selector or a subquery"},
    {"sum(foo) offset 5m", "1:1: offset modifier must be preceded by an instant vector selector or "
                           "range vector selector or a subquery"},
    {"foo @", "1:6: unexpected end of input in @, expected timestamp"},
    {"foo @ bar", "1:7: unexpected identifier \"bar\" in @, expected timestamp"},
    {"foo @ \"5\"", "1:7: unexpected string \"\\\"5\\\"\" in @, expected timestamp"},
    {"foo @ start", "1:12: unexpected end of input in @, expected timestamp"},
    {"foo @ start(1)", "1:13: unexpected number \"1\" in @, expected timestamp"},
    {"foo @ Inf", "1:1: timestamp out of bounds for @ modifier: +Inf"},
    {"foo @ NaN", "1:1: timestamp out of bounds for @ modifier: NaN"},
    {"foo @ 1e20", "1:1: timestamp out of bounds for @ modifier: 100000000000000000000.000000"},
    {"foo @ 5 @ 6", "1:1: @ <timestamp> may not be set multiple times"},
    {"foo @ start() @ end()", "1:1: @ <timestamp> may not be set multiple times"},
    {"1 @ 5", "1:1: @ modifier must be preceded by an instant vector selector or range vector "
              "selector or a subquery"},
    {"foo[5m:1m] anchored", "1:1: anchored modifier is not supported for subqueries"},
    {"foo[5m:1m] smoothed", "1:1: smoothed modifier is not supported for subqueries"},
    {"sum(foo) anchored", "1:1: anchored modifier not implemented"},
    {"foo anchored smoothed", "1:1: anchored and smoothed modifiers cannot be used together"},
    {"foo[5m] smoothed anchored", "1:1: anchored and smoothed modifiers cannot be used together"},
    {"foo + on bar", "1:10: unexpected identifier \"bar\" in grouping opts, expected \"(\""},
    {"foo + on(a b) bar",
     "1:12: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""},
    {"foo + on(1) bar", "1:10: unexpected number \"1\" in grouping opts, expected label"},
    {"foo + on(a) group_left bool", "1:24: unexpected <bool> in grouping opts, expected \"(\""},
    {"foo + on(\"\") bar", "1:10: invalid label name for grouping: \"\""},
    {"foo + on(without) bar", "1:10: unexpected <without> in grouping opts, expected label"},
    {"foo + ignoring", "1:15: unexpected end of input in grouping opts, expected \"(\""},
    {"foo + group_left bar", "1:7: unexpected <group_left>"},
    {"foo + fill(x) bar", "1:12: unexpected identifier \"x\""},
    {"foo + fill() bar", "1:12: unexpected \")\""},
    {"foo + fill(1", "1:13: unclosed left parenthesis"},
    {"foo and fill(0) bar", "1:1: filling in missing series not allowed for set operators"},
    {"1 + fill(0) foo", "1:1: filling in missing series only allowed between instant vectors"},
    {"foo + on(a) group_left(a) bar",
     "1:5: label \"a\" must not occur in ON and GROUP clause at once"},
    {"foo and on(a) group_left bar", "1:1: no grouping allowed for \"and\" operation"},
    {"foo or on(a) group_right(b) bar", "1:1: no grouping allowed for \"or\" operation"},
    {"1 + on(a) foo", "1:1: vector matching only allowed between instant vectors"},
    {"1 and 2", "1:1: set operator \"and\" not allowed in binary scalar expression"},
    {"foo and 1", "1:1: set operator \"and\" not allowed in binary scalar expression"},
    {"1 or foo", "1:1: set operator \"or\" not allowed in binary scalar expression"},
    {"1 == 1", "1:3: comparisons between scalars must use BOOL modifier"},
    {"1 > 2", "1:3: comparisons between scalars must use BOOL modifier"},
    {"1 + bool 2", "1:3: bool modifier can only be used on comparison operators"},
    {"foo + bool bar", "1:5: bool modifier can only be used on comparison operators"},
    {"foo and bool bar", "1:5: bool modifier can only be used on comparison operators"},
    {"foo + \"x\"", "1:7: binary expression must contain only scalar and instant vector types"},
    {"\"x\" + foo", "1:1: binary expression must contain only scalar and instant vector types"},
    {"foo + foo[5m]", "1:7: binary expression must contain only scalar and instant vector types"},
    {"-\"x\"", "1:1: unary expression only allowed on expressions of type scalar or instant "
               "vector, got \"string\""},
    {"-foo[5m]", "1:1: unary expression only allowed on expressions of type scalar or instant "
                 "vector, got \"range vector\""},
    {"+foo[5m:1m]", "1:1: unary expression only allowed on expressions of type scalar or instant "
                    "vector, got \"range vector\""},
    {"sum foo", "1:5: unexpected identifier \"foo\""},
    {"sum()", "1:1: no arguments for aggregate expression provided"},
    {"sum(1)", "1:5: expected type instant vector in aggregation expression, got scalar"},
    {"sum(\"x\")", "1:5: expected type instant vector in aggregation expression, got string"},
    {"sum(foo[5m])",
     "1:5: expected type instant vector in aggregation expression, got range vector"},
    {"sum(foo, bar)",
     "1:1: wrong number of arguments for aggregate expression provided, expected 1, got 2"},
    {"sum(foo,)", "1:8: trailing commas not allowed in function call args"},
    {"sum(foo) by", "1:12: unexpected end of input in grouping opts, expected \"(\""},
    {"sum by foo", "1:8: unexpected identifier \"foo\" in grouping opts, expected \"(\""},
    {"sum by (a)", "1:11: unexpected end of input in aggregation"},
    {"sum by (a b) (foo)",
     "1:11: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""},
    {"sum by (a) foo", "1:12: unexpected identifier \"foo\" in aggregation"},
    {"sum by (1) (foo)", "1:9: unexpected number \"1\" in grouping opts, expected label"},
    {"sum by (a) (foo) by (b)", "1:18: unexpected <by>"},
    {"sum(foo bar)", "1:9: unexpected identifier \"bar\" in aggregation"},
    {"sum(rate(foo[5m]) bar)", "1:19: unexpected identifier \"bar\" in aggregation"},
    {"topk(foo)",
     "1:1: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
    {"topk(foo, bar)", "1:6: expected type scalar in aggregation parameter, got instant vector"},
    {"topk(\"x\", foo)", "1:6: expected type scalar in aggregation parameter, got string"},
    {"count_values(1, foo)", "1:14: expected type string in aggregation parameter, got scalar"},
    {"count_values(\"x\")",
     "1:1: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
    {"quantile(0.5, 1)",
     "1:15: expected type instant vector in aggregation expression, got scalar"},
    {"nosuch(foo)", "1:1: unknown function with name \"nosuch\""},
    {"nosuch()", "1:1: unknown function with name \"nosuch\""},
    {"Rate(foo[5m])", "1:1: unknown function with name \"Rate\""},
    {"holt_winters(foo[5m], 0.5, 0.5)",
     "1:1: unknown function with name \"holt_winters\"; it is double_exponential_smoothing now"},
    {"START()", "1:1: unknown function with name \"START\""},
    {"rate(foo)",
     "1:6: expected type range vector in call to function \"rate\", got instant vector"},
    {"rate(1)", "1:6: expected type range vector in call to function \"rate\", got scalar"},
    {"rate()", "1:1: expected 1 argument(s) in call to \"rate\", got 0"},
    {"rate(foo[5m], 1)", "1:1: expected 1 argument(s) in call to \"rate\", got 2"},
    {"rate(foo[5m],)", "1:13: trailing commas not allowed in function call args"},
    {"rate(,)", "1:6: unexpected \",\""},
    {"rate(foo[5m]", "1:13: unclosed left parenthesis"},
    {"abs(foo[5m])",
     "1:5: expected type instant vector in call to function \"abs\", got range vector"},
    {"abs(\"x\")", "1:5: expected type instant vector in call to function \"abs\", got string"},
    {"time(1)", "1:1: expected 0 argument(s) in call to \"time\", got 1"},
    {"clamp(foo, 1)", "1:1: expected 3 argument(s) in call to \"clamp\", got 2"},
    {"round()", "1:1: expected at least 1 argument(s) in call to \"round\", got 0"},
    {"round(foo, 1, 2)", "1:1: expected at most 2 argument(s) in call to \"round\", got 3"},
    {"round(foo, bar)",
     "1:12: expected type scalar in call to function \"round\", got instant vector"},
    {"hour(1)", "1:6: expected type instant vector in call to function \"hour\", got scalar"},
    {"hour(foo, bar)", "1:1: expected at most 1 argument(s) in call to \"hour\", got 2"},
    {"label_join(foo)", "1:1: expected at least 3 argument(s) in call to \"label_join\", got 1"},
    {"label_join(foo, 1, \"x\")",
     "1:17: expected type string in call to function \"label_join\", got scalar"},
    {"label_replace(foo, \"a\", \"b\", \"c\", 1)",
     "1:35: expected type string in call to function \"label_replace\", got scalar"},
    {"histogram_quantiles(foo, \"q\", 1,2,3,4,5,6,7,8,9,10,11)",
     "1:1: expected at most 12 argument(s) in call to \"histogram_quantiles\", got 13"},
    {"info(foo, bar)", "1:11: expected label selectors only, got vector selector instead"},
    {"info(foo, bar{a=\"b\"})", "1:11: expected label selectors only, got vector selector instead"},
    {"info(foo, 1)", "1:1: expected type instant vector in call to function \"info\", got scalar"},
    {"info(foo, sum(bar))", "1:11: expected label selectors only"},
    {"sort_by_label(foo, 1)",
     "1:20: expected type string in call to function \"sort_by_label\", got scalar"},
    {"{}", "1:1: vector selector must contain at least one non-empty matcher"},
    {"foo{} + {}", "1:9: vector selector must contain at least one non-empty matcher"},
    {"{a=\"\"}", "1:1: vector selector must contain at least one non-empty matcher"},
    {"{a=~\".*\"}", "1:1: vector selector must contain at least one non-empty matcher"},
    {"{a!=\"b\"}", "1:1: vector selector must contain at least one non-empty matcher"},
    {"{a!~\".+\"}", "1:1: vector selector must contain at least one non-empty matcher"},
    {"foo{__name__=\"bar\"}", "1:1: metric name must not be set twice: \"foo\" or \"bar\""},
    {"foo{\"bar\"}", "1:1: metric name must not be set twice: \"foo\" or \"bar\""},
    {"{\"bar\"}[5m] + {}", "1:15: vector selector must contain at least one non-empty matcher"},
    {"1..5", "1:1: bad number or duration syntax: \"1..\""},
    {"1.5.", "1:1: bad number or duration syntax: \"1.5.\""},
    {"100..", "1:1: bad number or duration syntax: \"100..\""},
    {"1__0", "1:1: bad number or duration syntax: \"1__\""},
    {"1_", "1:1: bad number or duration syntax: \"1_\""},
    {"0x", "1:1: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"},
    {"0xg", "1:1: bad number or duration syntax: \"0x\""},
    {"0x1.8", "1:1: bad number or duration syntax: \"0x1.\""},
    {"1e", "1:1: bad number or duration syntax: \"1e\""},
    {"1e5x", "1:1: bad number or duration syntax: \"1e5\""},
    {"5mx", "1:1: bad number or duration syntax: \"5mx\""},
    {"5m5", "1:1: bad number or duration syntax: \"5m5\""},
    {"1.5m", "1:1: unknown unit \".\" in duration \"1.5m\""},
    {"5h5h", "1:1: not a valid duration string: \"5h5h\""},
    {"5m5h", "1:1: not a valid duration string: \"5m5h\""},
    {"5x", "1:1: bad number or duration syntax: \"5\""},
    {"999999y", "1:1: duration out of range"},
    {"1e400",
     "1:1: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range"},
    {"0xffffffffffffffff", "1:1: error parsing number: strconv.ParseFloat: parsing "
                           "\"0xffffffffffffffff\": invalid syntax"},
    {"\"abc", "1:1: unterminated quoted string"},
    {"'abc", "1:1: unterminated quoted string"},
    {"`abc", "1:1: unterminated raw string"},
    {"\"a\\q\"", "1:1: unknown escape sequence U+0071 'q'"},
    {"\"a\\x4\"", "1:1: illegal character U+0022 '\"' in escape sequence"},
    {"\"a\\xzz\"", "1:1: illegal character U+007A 'z' in escape sequence"},
    {"\"a\\400\"", "1:1: escape sequence is an invalid Unicode code point"},
    {"\"a\\ud800\"", "1:1: escape sequence is an invalid Unicode code point"},
    {"\"a\\u12\"", "1:1: illegal character U+0022 '\"' in escape sequence"},
    {"\"a\\", "1:1: escape sequence not terminated"},
    {"!", "1:1: unexpected character after '!': '�'"},
    {"!a", "1:1: unexpected character after '!': 'a'"},
    {"foo !~ bar", "1:5: unexpected character after '!': '~'"},
    {"foo =~ bar", "1:5: unexpected character after '=': '~'"},
    {"foo = bar", "1:5: unexpected \"=\""},
    {"foo ! bar", "1:5: unexpected character after '!': ' '"},
    {"$", "1:1: unexpected character: '$'"},
    {"foo $ bar", "1:5: unexpected character: '$'"},
    {"foo; bar", "1:4: unexpected character: ';'"},
    {"foo & bar", "1:5: unexpected character: '&'"},
    {"é", "1:1: unexpected character: 'é'"},
    {"foo é", "1:5: unexpected character: 'é'"},
    {"foo{é=\"x\"}", "1:5: unexpected character inside braces: 'é'"},
    {"foo[é]", "1:5: unexpected character in duration expression: 'é'"},
    {"foo[5mé]", "1:7: unexpected character: 'é'"},
    {"foo,", "1:4: unexpected \",\""},
    {"foo:bar(1)", "1:8: unexpected \"(\""},
    {"by(foo)", "1:3: unexpected \"(\""},
    {"and(foo)", "1:4: unexpected \"(\""},
    {"foo or", "1:7: unexpected end of input"},
    {"bool", "1:1: unexpected <bool>"},
    {"on", "1:1: unexpected <on>"},
    {"foo(bar, 1 $)", "1:12: unexpected character: '$'"},
    {"sum(foo $", "1:9: unexpected character: '$'"},
    {"(foo[5m] + bar) * 2",
     "1:2: binary expression must contain only scalar and instant vector types"},
    {"foo[5m:] + 1", "1:1: binary expression must contain only scalar and instant vector types"},
    {"time()[5m:]", "1:1: subquery is only allowed on instant vector, got scalar instead"},
    {"\"x\"[5m:]", "1:1: subquery is only allowed on instant vector, got string instead"},
    {"foo[5m][5m:]", "1:1: subquery is only allowed on instant vector, got matrix instead"},
    {"abs(foo) + unknown(bar)", "1:12: unknown function with name \"unknown\""},
    {"foo +\n  bar baz", "2:7: unexpected identifier \"baz\""},
    {"foo\n+\n(", "3:2: unclosed left parenthesis"},
    {"sum by (a)\n(rate(foo))",
     "2:7: expected type range vector in call to function \"rate\", got instant vector"},
    {"\n\n  rate(foo)",
     "3:8: expected type range vector in call to function \"rate\", got instant vector"},
    {"# c\n1 1", "2:3: unexpected number \"1\""},
    {"foo{a=\"\n\"}", "1:7: unterminated quoted string"},
};

static struct parse_error error_of(struct arena *a, str text, const struct parse_opts *opts)
{
    struct parse_error pe = {0};
    if (parse_expr(a, text, opts, &pe)) {
        fail_msg("%.*s was taken", STR_ARG(text));
    }
    return pe;
}

static void assert_error(str text, const struct parse_opts *opts, str want)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    const struct parse_error pe = error_of(a, text, opts);
    struct buf out;
    buf_init(&out, 4096);
    parse_error_print(&out, &pe);
    const size_t at = str_find_str(buf_get(&out), STR(": parse error: "));
    assert_int_not_equal(at, STR_NONE);
    const str got = arena_printf(a, "%.*s: %s", (int)at, out.bytes, pe.text);
    if (!str_eq(got, want)) {
        fail_msg("%.*s: got %.*s, want %.*s", STR_ARG(text), STR_ARG(got), STR_ARG(want));
    }
    assert_true(pe.span.start <= pe.span.end && pe.span.end <= text.len);
    buf_fini(&out);
    arena_free(a);
}

TEST(parse_error_says_what_and_where)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_cases); i++) {
        assert_error(str_c(bad_cases[i].text), NULL, str_c(bad_cases[i].error));
    }
}

TEST(parse_error_prints_as_clients_know_it)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    const struct parse_error pe = error_of(a, STR("sum(\n  rate(foo))"), NULL);
    struct buf out;
    buf_init(&out, 4096);
    parse_error_print(&out, &pe);
    ASSERT_STR_EQ(buf_get(&out), STR("2:8: parse error: expected type range vector in call to "
                                     "function \"rate\", got instant vector"));
    buf_clear(&out);
    parse_error_print_caret(&out, STR("sum(\n  rate(foo))"), &pe);
    ASSERT_STR_EQ(buf_get(&out), STR("  rate(foo))\n       ^^^\n"));
    buf_fini(&out);
    arena_free(a);
}

TEST(parse_error_caret_counts_characters_not_bytes)
{
    const str text = STR("\t\"é\" + $");
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    const struct parse_error pe = error_of(a, text, NULL);
    struct buf out;
    buf_init(&out, 4096);
    parse_error_print_caret(&out, text, &pe);
    ASSERT_STR_EQ(buf_get(&out), STR("\t\"é\" + $\n\t      ^\n"));
    buf_fini(&out);
    arena_free(a);
}

TEST(parse_refuses_bytes_that_are_not_utf8)
{
    assert_error(STR("foo \xff"), NULL, STR("1:5: unexpected character: '�'"));
    assert_error(STR("\"a\xff\""), NULL, STR("1:1: invalid UTF-8 rune"));
    assert_error(STR("`a\xc3`"), NULL, STR("1:1: invalid UTF-8 rune"));
    assert_error((str){"a\0b", 3}, NULL, STR("1:2: unexpected character: '\\x00'"));
    assert_error(STR("\"\xed\xa0\x80\""), NULL, STR("1:1: invalid UTF-8 rune"));
}

TEST(parse_refuses_by_name_what_is_switched_off)
{
    const struct parse_opts functions = {.no_experimental_functions = true};
    assert_error(STR("1 + mad_over_time(foo[5m])"), &functions,
                 STR("1:5: function \"mad_over_time\" is not enabled"));
    assert_error(STR("limitk(1, foo)"), &functions,
                 STR("1:1: limitk() is experimental and must be enabled with "
                     "--enable-feature=promql-experimental-functions"));
    const struct parse_opts durations = {.no_duration_exprs = true};
    assert_error(STR("foo[5m + 1m]"), &durations,
                 STR("1:5: experimental duration expression is not enabled"));
    assert_error(STR("foo offset -step()"), &durations,
                 STR("1:13: experimental duration expression is not enabled"));
    assert_error(STR("foo[(5m)]"), &durations,
                 STR("1:6: experimental duration expression is not enabled"));
    const struct parse_opts ranges = {.no_extended_ranges = true};
    assert_error(STR("foo[5m] anchored"), &ranges,
                 STR("1:1: anchored modifier is experimental and not enabled"));
    assert_error(STR("foo smoothed"), &ranges,
                 STR("1:1: smoothed modifier is experimental and not enabled"));
    const struct parse_opts fill = {.no_fill = true};
    assert_error(STR("foo + fill(0) bar"), &fill,
                 STR("1:1: binop fill modifiers are experimental and not enabled"));
}

TEST(parse_takes_the_rest_when_all_experiments_are_off)
{
    const struct parse_opts off = {true, true, true, true};
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe;
    assert_non_null(parse_expr(a, STR("rate(foo[5m] offset -1m) + on(a) bar @ end()"), &off, &pe));
    assert_non_null(parse_expr(a, STR("fill + start + step"), &off, &pe));
    arena_free(a);
}

static str repeated(struct arena *a, const char *head, const char *part, u32 times,
                    const char *tail)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    buf_c(&b, head);
    for (u32 i = 0; i < times; i++) {
        buf_c(&b, part);
    }
    buf_c(&b, tail);
    const str s = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return s;
}

static void assert_limit(const char *head, const char *part, const char *tail, u32 taken,
                         u32 refused, const char *words)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe;
    const str ok = repeated(a, head, part, taken, tail);
    if (!parse_expr(a, ok, NULL, &pe)) {
        fail_msg("%s times %u: %s", part, taken, pe.text);
    }
    pe = error_of(a, repeated(a, head, part, refused, tail), NULL);
    if (!str_contains(str_c(pe.text), str_c(words))) {
        fail_msg("%s times %u: %s", part, refused, pe.text);
    }
    arena_free(a);
}

TEST(parse_bounds_its_depth)
{
    const u32 max = PROMQL_DEPTH_MAX;
    const char *const levels = "nested more than 512 levels deep";
    assert_limit("1", "+1", "", max - 1, max, levels);
    assert_limit("foo", " or foo", "", max - 1, max, levels);
    assert_limit("2", "^2", "", max - 1, max, levels);
    assert_limit("", "-", "foo", max - 1, max, levels);
    assert_limit("foo", "[1m:]", "", 1, 2, "instant vector");
    assert_limit("foo[1m", "+1m", "]", max - 1, max, levels);
    assert_limit("foo offset -(1m", "-1m", ")", max - 2, max, levels);
    assert_limit("foo[1m", "^2", "]", max - 2, max, levels);
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe = error_of(a, repeated(a, "", "(", PROMQL_BYTES_MAX, ""), NULL);
    assert_true(str_contains(str_c(pe.text), str_c(levels)));
    pe = error_of(a, repeated(a, "", "sum(", 16384, ""), NULL);
    assert_true(str_contains(str_c(pe.text), str_c(levels)));
    pe = error_of(a, repeated(a, "foo[", "(", 16384, ""), NULL);
    assert_true(str_contains(str_c(pe.text), str_c(levels)));
    pe = error_of(a, repeated(a, "foo offset ", "-", 16384, ""), NULL);
    assert_true(str_contains(str_c(pe.text), str_c(levels)));
    arena_free(a);
}

TEST(parse_bounds_its_lists_and_its_bytes)
{
    assert_limit("label_join(foo, \"a\", \"b\"", ", \"\"", ")", 4093, 4094,
                 "more than 4096 arguments");
    assert_limit("sum by (a", ",a", ") (foo)", 4095, 4096, "more than 4096 labels");
    assert_limit("foo{", "a!=\"\",", "}", 4095, 4097, "more than 4096 label matchers");
    assert_limit("foo{", "a=~\"b\",", "}", 1000, 1001, "more than 1000 regular expressions");
    assert_limit("foo #", "x", "", PROMQL_BYTES_MAX - 5, PROMQL_BYTES_MAX - 4,
                 "expression has 65537 bytes, the limit is 65536");
}

TEST(parse_cuts_long_messages_between_characters)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    for (u32 i = 0; i < 4; i++) {
        const char *const heads[] = {"a", "aa", "aaa", "aaaa"};
        const str name = repeated(a, heads[i], "bcd", 400, "(1)");
        const struct parse_error pe = error_of(a, name, NULL);
        assert_int_equal(strlen(pe.text), PARSE_ERROR_BYTES - 1);
        const struct parse_error label =
            error_of(a, repeated(a, "sum by (\"\", \"", "é", 400, "\") (foo)"), NULL);
        assert_true(str_contains(str_c(label.text), STR("invalid label name for grouping: \"\"")));
    }
    arena_free(a);
}

TEST(text_position_counts_lines_and_bytes)
{
    u32 line;
    u32 column;
    text_position(STR("ab\ncd"), 0, &line, &column);
    assert_int_equal(line, 1);
    assert_int_equal(column, 1);
    text_position(STR("ab\ncd"), 4, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 2);
    text_position(STR("ab\ncd"), 2, &line, &column);
    assert_int_equal(line, 1);
    assert_int_equal(column, 3);
}
