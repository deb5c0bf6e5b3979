#include "base/str.h"
#include "base/test.h"

#define NULL_STR STR_EMPTY

TEST(str_compares_bytes)
{
    assert_true(str_eq(STR("ab"), STR("ab")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq(NULL_STR, STR("")));
    assert_true(str_eq_c(STR("x\0y"), "x") == false);
    assert_true(str_eq_nocase(STR("AbZ["), STR("aBz[")));
    assert_false(str_eq_nocase(STR("@"), STR("`"))); // 0x40 and 0x60 are no letters.
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(NULL_STR, STR("")), 0);
    assert_int_equal(str_c(NULL).len, 0);
}

TEST(str_is_equal_only_if_every_byte_is)
{
    char a[40];
    char b[40];
    for (size_t len = 0; len < sizeof(a); len++) {
        memset(a, 'x', sizeof(a));
        memset(b, 'y', sizeof(b));
        memcpy(b, a, len);
        assert_true(str_eq((str){a, len}, (str){b, len})); // Whatever stands behind.
        assert_false(str_eq((str){a, len}, (str){b, len + 1}));
        for (size_t i = 0; i < len; i++) {
            b[i] ^= 64;
            assert_false(str_eq((str){a, len}, (str){b, len}));
            b[i] ^= 64;
        }
    }
}

TEST(str_finds_and_cuts)
{
    str s = STR("one/two/three");
    assert_int_equal(str_find(s, '/'), 3);
    assert_int_equal(str_find_last(s, '/'), 7);
    assert_int_equal(str_find(s, '?'), STR_NONE);
    assert_int_equal(str_find_str(s, STR("two")), 4);
    assert_int_equal(str_find_str(s, STR("")), 0);
    assert_int_equal(str_find_str(STR("tw"), STR("two")), STR_NONE);
    assert_int_equal(str_find(NULL_STR, 'a'), STR_NONE);
    assert_true(str_contains(s, STR("thr")));
    assert_true(str_starts(s, STR("one")) && !str_starts(s, STR("two")));
    assert_true(str_ends(s, STR("three")) && !str_ends(STR("ee"), STR("three")));
    assert_true(str_starts(NULL_STR, NULL_STR) && str_ends(NULL_STR, NULL_STR));
    ASSERT_STR_EQ(str_sub(s, 4, 7), STR("two"));
    ASSERT_STR_EQ(str_sub(s, 8, 999), STR("three"));
    ASSERT_STR_EQ(str_sub(s, 9, 3), STR(""));
    ASSERT_STR_EQ(str_trim(STR(" \t\r\nx y\v\f ")), STR("x y"));
    ASSERT_STR_EQ(str_trim(STR("  ")), STR(""));
}

TEST(str_split_yields_every_piece)
{
    static const struct {
        const char *text;
        const char *pieces[5];
    } cases[] = {
        {"a,b,c", {"a", "b", "c"}}, {"", {""}}, {",", {"", ""}}, {"a,", {"a", ""}},
        {",,a", {"", "", "a"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str rest = str_c(cases[i].text);
        str piece;
        size_t n = 0;
        while (str_split_next(&rest, ',', &piece)) {
            assert_non_null(cases[i].pieces[n]);
            ASSERT_STR_EQ(piece, str_c(cases[i].pieces[n]));
            n++;
        }
        assert_null(cases[i].pieces[n]);
    }
    str none = STR_EMPTY;
    str piece;
    assert_false(str_split_next(&none, ',', &piece));
}

TEST(str_distance_counts_edits)
{
    assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 9), 3);
    assert_int_equal(str_distance(STR(""), STR("abc"), 9), 3);
    assert_int_equal(str_distance(STR("scrape"), STR("scarpe"), 9), 1); // Neighbours swapped.
    assert_int_equal(str_distance(STR("abc"), STR("abc"), 0), 0);
    assert_int_equal(str_distance(STR("abc"), STR("xyz"), 1), 2); // max + 1.
    char lengthy[65];
    memset(lengthy, 'a', sizeof(lengthy));
    assert_int_equal(str_distance(str_make(lengthy, 65), str_make(lengthy, 65), 4), 5);
    assert_int_equal(str_distance(str_make(lengthy, 64), str_make(lengthy, 64), 4), 0);
}

TEST(str_nearest_hints_only_at_near_names)
{
    const str names[] = {STR("scrape_interval"), STR("scrape_timeout"), STR("job_name")};
    ASSERT_STR_EQ(str_nearest(STR("scrape_intervall"), names, 3), STR("scrape_interval"));
    ASSERT_STR_EQ(str_nearest(STR("jobname"), names, 3), STR("job_name"));
    ASSERT_STR_EQ(str_nearest(STR("evaluation"), names, 3), STR(""));
    ASSERT_STR_EQ(str_nearest(STR("job_name"), names, 3), STR("job_name"));
    ASSERT_STR_EQ(str_nearest(STR("x"), names, 0), STR(""));
}

TEST(str_parses_whole_numbers_only)
{
    u64 u = 7;
    assert_true(parse_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    static const char *const bad[] = {"",   "18446744073709551616",   "-1", "+1", " 1", "1 ",
                                      "1a", "99999999999999999999999"};
    u = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(parse_u64(str_c(bad[i]), &u));
        assert_int_equal(u, 7);
    }
    i64 v = 7;
    assert_true(parse_i64(STR("-9223372036854775808"), &v));
    assert_true(v == INT64_MIN);
    assert_true(parse_i64(STR("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    assert_true(parse_i64(STR("-0"), &v));
    assert_int_equal(v, 0);
    assert_false(parse_i64(STR("9223372036854775808"), &v));
    assert_false(parse_i64(STR("-9223372036854775809"), &v));
    assert_false(parse_i64(STR("-"), &v));
}
