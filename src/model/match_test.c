// match_test.c: operators, the missing label, printing, refusals.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/match.h"
#include "model/sample.h"

static struct matcher make(struct arena *a, enum match_op op, const char *name, const char *value)
{
    struct matcher m;
    struct error e;
    if (!matcher_init(&m, a, op, str_c(name), str_c(value), &e)) {
        fail_msg("%s", e.text);
    }
    return m;
}

TEST(matcher_operators)
{
    struct arena *a = arena_new(1 << 20);
    static const struct {
        enum match_op op;
        const char *value;
        const char *text;
        bool want;
    } cases[] = {
        {MATCH_EQ, "node", "node", true},
        {MATCH_EQ, "node", "nodes", false},
        {MATCH_EQ, "", "", true},
        {MATCH_NE, "node", "node", false},
        {MATCH_NE, "node", "", true},
        {MATCH_RE, "no.e", "node", true},
        {MATCH_RE, "no", "node", false},
        {MATCH_RE, "a|b", "b", true},
        {MATCH_RE, ".*", "", true},
        {MATCH_RE, ".+", "", false},
        {MATCH_RE, "a.b", "a\nb", true},
        {MATCH_NRE, "no.*", "node", false},
        {MATCH_NRE, "no.*", "yes", true},
        {MATCH_NRE, ".+", "", true},
        {MATCH_RE, "1\\.2\\.3\\.4", "1.2.3.4", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct matcher m = make(a, cases[i].op, "x", cases[i].value);
        if (matcher_matches(&m, str_c(cases[i].text)) != cases[i].want) {
            fail_msg("x%s\"%s\" on \"%s\"", match_op_text(m.op), cases[i].value, cases[i].text);
        }
        assert_int_equal(matcher_matches_empty(&m), matcher_matches(&m, STR_EMPTY));
    }
    arena_free(a);
}

TEST(matchers_take_a_missing_label_as_empty)
{
    struct arena *a = arena_new(1 << 20);
    const struct label pair = {STR("job"), STR("node")};
    const struct labels ls = {&pair, 1};
    const struct matcher both[] = {make(a, MATCH_EQ, "job", "node"), make(a, MATCH_EQ, "zone", "")};
    assert_true(matchers_match(both, 2, ls));
    const struct matcher set[] = {make(a, MATCH_EQ, "job", "node"), make(a, MATCH_NE, "zone", "")};
    assert_false(matchers_match(set, 2, ls));
    assert_true(matchers_match(NULL, 0, ls));
    arena_free(a);
}

TEST(matchers_print_quoted)
{
    struct arena *a = arena_new(1 << 20);
    const struct matcher ms[] = {make(a, MATCH_EQ, "__name__", "up"),
                                 make(a, MATCH_RE, "a.b", "x\"\n"), make(a, MATCH_NRE, "c", ""),
                                 make(a, MATCH_NE, "d", "é")};
    struct buf b;
    buf_init(&b, 4096);
    matchers_print(&b, ms, ARRAY_LEN(ms));
    ASSERT_STR_EQ(buf_get(&b), STR("{__name__=\"up\",\"a.b\"=~\"x\\\"\\n\",c!~\"\",d!=\"é\"}"));
    buf_clear(&b);
    matchers_print(&b, NULL, 0);
    ASSERT_STR_EQ(buf_get(&b), STR("{}"));
    buf_fini(&b);
    arena_free(a);
}

TEST(matcher_refuses_a_bad_expression_and_stays_untouched)
{
    struct arena *a = arena_new(1 << 20);
    struct matcher m = {.name = STR("before")};
    struct error e;
    assert_false(matcher_init(&m, a, MATCH_RE, STR("x"), STR("("), &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.text, "missing closing )"));
    ASSERT_STR_EQ(m.name, STR("before"));
    assert_true(matcher_init(&m, a, MATCH_EQ, STR("x"), STR("("), &e)); // No expression there.
    arena_free(a);
}

TEST(metric_type_texts_round_trip)
{
    for (int t = 0; t < METRIC_TYPE_COUNT; t++) {
        enum metric_type back;
        assert_true(metric_type_parse(str_c(metric_type_text((enum metric_type)t)), &back));
        assert_int_equal(back, t);
    }
    enum metric_type t;
    assert_false(metric_type_parse(STR("Counter"), &t));
    assert_false(metric_type_parse(STR_EMPTY, &t));
}

TEST(stale_nan_is_exactly_upstreams)
{
    assert_true(bits_of_f64(stale_nan()) == 0x7ff0000000000002ULL);
    assert_true(is_stale_nan(stale_nan()));
    assert_false(is_stale_nan(normal_nan()));
    assert_false(is_stale_nan(0.0));
}
