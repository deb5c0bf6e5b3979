// re_test.c: anchoring, shortcuts against RE2, facts, templates, refusals.

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "text/re.h"
#include "text/re_prog.h"

static struct re *must(const char *pattern)
{
    struct error e;
    struct re *re = re_new(str_c(pattern), &e);
    if (!re) {
        fail_msg("%s: %s", pattern, e.text);
    }
    return re;
}

static bool matches(const char *pattern, const char *text)
{
    struct re *re = must(pattern);
    const bool yes = re_match(re, str_c(text));
    re_free(re);
    return yes;
}

TEST(re_is_anchored_at_both_ends)
{
    assert_true(matches("a.c", "abc"));
    assert_false(matches("a.c", "xabc"));
    assert_false(matches("a.c", "abcx"));
    assert_false(matches("a|bc", "abc"));
    assert_true(matches("^a.c$", "abc"));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
    assert_false(matches("[ab]", "ab"));
}

TEST(re_dot_matches_a_newline_and_case_counts)
{
    assert_true(matches("a.b", "a\nb"));
    assert_true(matches(".*", "a\nb"));
    assert_false(matches("[a]B", "ab"));
    assert_true(matches("(?i)aB", "Ab"));
    assert_true(matches("(?i:a)B", "AB"));
}

// Every shortcut must answer what the program answers.
TEST(re_shortcuts_agree_with_re2)
{
    static const char *const patterns[] = {
        "",        "a",       "abc",     "a|b|c", "(a|b)",    "(?:a|b|)", "^a|b$",   "()",
        ".*",      ".+",      "(.*)",    "(.+)",  ".*.*",     ".+.*",     ".*.+",    ".+.+",
        "foo.*",   "foo.+",   ".*foo",   ".+foo", ".*foo.*",  ".+foo.+",  ".*foo.+", "foo",
        "a\\.b",   "a\\.b.*", "\\$|\\^", "é|ü",   ".+é",      "é.+",      "$",       "^$",
        "^.*foo$", "(foo.*)", "a|a|b",   "\\\\",  "x\\|y",    "-|_|/|:",  "1|2|33",  "(^a)",
        "^",       "a||b",    "|",       ".*a|b", "foo.*bar", "a{2}|b",   "[a]|b",   "fo*",
    };
    static const char *const texts[] = {
        "",     "a",  "b",     "c",     "ab",   "abc", "foo",    "foox", "xfoo",   "xfoox",
        "fo",   "é",  "éé",    "aé",    "éa",   "ü",   "a.b",    "axb",  "a.bc",   "$",
        "^",    "\\", "x|y",   "x",     "-",    "_",   "/",      ":",    "33",     "3",
        "a\nb", "\n", "\nfoo", "foo\n", "fooo", "f",   "foobar", "aa",   "foofoo", "oo",
    };
    for (size_t p = 0; p < ARRAY_LEN(patterns); p++) {
        struct re *re = must(patterns[p]);
        char why[64];
        struct re_prog *prog =
            re_prog_new(str_c(patterns[p]), (struct re_prog_opts){.dot_matches_newline = true}, why,
                        sizeof(why));
        assert_non_null(prog);
        for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
            const str text = str_c(texts[t]);
            str got[4];
            str want[4];
            u32 n = 0;
            const bool yes = re_prog_match(prog, text, want, re_prog_group_count(prog));
            if (re_match(re, text) != yes) {
                fail_msg("%s against \"%s\": RE2 says %d", patterns[p], texts[t], yes);
            }
            assert_int_equal(re_match_groups(re, text, got, 4, &n), yes);
            assert_int_equal(n, yes ? re_prog_group_count(prog) : 0);
            for (u32 g = 0; g < n; g++) {
                ASSERT_STR_EQ(got[g], want[g]);
            }
            str prefix;
            if (yes && re_prefix(re, &prefix)) {
                assert_true(str_starts(text, prefix));
            }
        }
        re_prog_free(prog);
        re_free(re);
    }
}

TEST(re_tells_literals_and_alternatives)
{
    struct re *re = must("(?:b\\.x|a|c|a)");
    const str *alts;
    u32 n;
    str literal;
    assert_true(re_alternatives(re, &alts, &n));
    assert_int_equal(n, 3);
    ASSERT_STR_EQ(alts[0], STR("a"));
    ASSERT_STR_EQ(alts[1], STR("b.x"));
    ASSERT_STR_EQ(alts[2], STR("c"));
    assert_false(re_literal(re, &literal));
    re_free(re);

    re = must("^node\\.exporter$");
    assert_true(re_literal(re, &literal));
    ASSERT_STR_EQ(literal, STR("node.exporter"));
    re_free(re);

    re = must("a.");
    assert_false(re_literal(re, &literal));
    assert_false(re_alternatives(re, &alts, &n));
    re_free(re);
}

TEST(re_prefix_takes_only_what_is_certain)
{
    static const struct {
        const char *pattern;
        const char *prefix; // NULL: none.
    } cases[] = {
        {"foo.*", "foo"},
        {"foo(a|b)", "foo"},
        {"^foo[ab]", "foo"},
        {"foo|bar.*", NULL},
        {"foo*", "fo"},
        {"foo?x", "fo"},
        {"foo{0}", "fo"},
        {"foo+", "foo"},
        {"(?i)foo", NULL},
        {"fo(?i)*", "f"},
        {"a\\Q\\E*", NULL},
        {"a\\.b.c", "a.b"},
        {"a[|]b", "a"},
        {"é*", NULL},
        {"aé*", "a"},
        {"a(b|c)|d", NULL},
        {"a[]|]b.|c", NULL},
        {".*foo", NULL},
        {"a\\d", "a"},
        {"a[[:alpha:]|]x", "a"},
        {"host-1[0-9]", "host-1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct re *re = must(cases[i].pattern);
        str prefix = STR_EMPTY;
        const bool has = re_prefix(re, &prefix);
        if (has != (cases[i].prefix != NULL)) {
            fail_msg("%s: prefix \"%.*s\"", cases[i].pattern, STR_ARG(prefix));
        }
        if (has) {
            ASSERT_STR_EQ(prefix, str_c(cases[i].prefix));
        }
        re_free(re);
    }
}

TEST(re_matches_all_only_for_dot_star)
{
    static const char *const all[] = {".*", "(.*)", "^.*$", ".*.*", "(?:.*)"};
    static const char *const some[] = {".+", "", "a.*", "[^a]*", ".*a.*", ".*.+"};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct re *re = must(all[i]);
        assert_true(re_matches_all(re));
        re_free(re);
    }
    for (size_t i = 0; i < ARRAY_LEN(some); i++) {
        struct re *re = must(some[i]);
        assert_false(re_matches_all(re));
        re_free(re);
    }
}

static void refused(const char *pattern, enum err code, const char *text)
{
    struct error e = {.code = ERR_NONE};
    struct re *re = re_new(str_c(pattern), &e);
    if (re) {
        fail_msg("%s was accepted", pattern);
    }
    assert_int_equal(e.code, code);
    if (!strstr(e.text, text)) {
        fail_msg("%s: \"%s\" lacks \"%s\"", pattern, e.text, text);
    }
}

TEST(re_refuses_with_the_reason)
{
    refused("(", ERR_INVALID, "error parsing regexp: missing closing )");
    refused("a)", ERR_INVALID, "unexpected )");
    refused("[a", ERR_INVALID, "missing closing ]: `[a`");
    refused("*", ERR_INVALID, "missing argument to repetition operator: `*`");
    refused("a**", ERR_INVALID, "invalid nested repetition operator: `**`");
    refused("a\\", ERR_INVALID, "trailing backslash");
    refused("[z-a]", ERR_INVALID, "invalid character class range: `z-a`");
    refused("a{1001}", ERR_INVALID, "invalid repeat count");
    refused("(?=a)", ERR_INVALID, "invalid or unsupported Perl syntax");
    refused("(?<=a)", ERR_INVALID, "invalid or unsupported Perl syntax");
    refused("\\1", ERR_INVALID, "invalid escape sequence");
    refused("a\\Cb", ERR_INVALID, "`\\C`");
    refused("\xff", ERR_INVALID, "invalid UTF-8");
    refused("((a{100}){100}){100}", ERR_INVALID, "invalid repeat count");
    refused("(((\\pL{30}){30}))", ERR_INVALID, "expression too large");
    refused("(?<a>x)(?<a>y)", ERR_INVALID, "duplicate capture group name");
}

TEST(re_bounds_nesting_and_length)
{
    char deep[2 * (RE_NESTING_MAX + 1) + 2] = "";
    memset(deep, '(', RE_NESTING_MAX + 1);
    memset(deep + RE_NESTING_MAX + 1, ')', RE_NESTING_MAX + 1);
    refused(deep, ERR_LIMIT, "nests too deeply");

    char *in = (char *)mem_new(RE_PATTERN_BYTES_MAX + 2, 1);
    memset(in, 'a', RE_PATTERN_BYTES_MAX + 1);
    refused(in, ERR_LIMIT, "longer than 262144");
    in[RE_PATTERN_BYTES_MAX] = '\0'; // As long as may be, and a literal: no program.
    struct re *re = must(in);
    assert_true(re_match(re, str_c(in)));
    re_free(re);
    mem_free(in);
}

TEST(re_stays_linear_on_a_hostile_pattern)
{
    char text[4096];
    memset(text, 'a', sizeof(text));
    struct re *re = must("(a*)*(a|aa)+(a?){200}b");
    assert_false(re_match(re, (str){text, sizeof(text)}));
    re_free(re);
}

static void expand(const char *pattern, const char *text, const char *template, const char *want)
{
    struct re *re = must(pattern);
    str groups[8];
    u32 n;
    assert_true(re_match_groups(re, str_c(text), groups, ARRAY_LEN(groups), &n));
    struct buf b;
    buf_init(&b, 4096);
    re_expand(re, str_c(template), groups, n, &b);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
    re_free(re);
}

TEST(re_expand_follows_go)
{
    expand("(.*)-(.*)", "a-b", "$1", "a");
    expand("(.*)-(.*)", "a-b", "${2}x$1", "bxa");
    expand("(.*)-(.*)", "a-b", "$0", "a-b");
    expand("(.*)-(.*)", "a-b", "$1x", "");    // The group named 1x.
    expand("(.*)-(.*)", "a-b", "$1_$2", "b"); // The group named 1_.
    expand("(.*)-(.*)", "a-b", "$1-$2", "a-b");
    expand("(.*)-(.*)", "a-b", "$3", "");
    expand("(.*)-(.*)", "a-b", "$$1", "$1");
    expand("(.*)-(.*)", "a-b", "$", "$");
    expand("(.*)-(.*)", "a-b", "${", "${");
    expand("(.*)-(.*)", "a-b", "${}", "${}");
    expand("(.*)-(.*)", "a-b", "${1", "${1");
    expand("(.*)-(.*)", "a-b", "${1 }", "${1 }");
    expand("(.*)-(.*)", "a-b", "$-", "$-");
    expand("(.*)-(.*)", "a-b", "$01", ""); // A leading zero makes it a name.
    expand("(.*)-(.*)", "a-b", "$99999999999", "");
    expand("(.*)-(.*)", "a-b", "no", "no");
    expand("(?P<x>.*)-(?<y_1>.*)", "a-b", "${y_1}$x", "ba");
    expand("(?P<x>.*)-(.*)", "a-b", "$nope.", ".");
    expand("(a)|(b)", "b", "[$1][$2]", "[][b]");
    expand("(.*)", "whole", "<$1>", "<whole>"); // Without a program.
    expand("foo.*", "foot", "$0$1", "foot");
    expand("(.*)", "a", "$1é", "");   // é is a letter: the group named 1é.
    expand("(.*)", "a", "$1→", "a→"); // → is not.
}

static void replace(const char *pattern, const char *text, const char *template, const char *want)
{
    struct error e;
    struct re *re = re_new_partial(str_c(pattern), &e);
    if (!re) {
        fail_msg("%s: %s", pattern, e.text);
    }
    struct buf b;
    buf_init(&b, 4096);
    re_replace_all(re, str_c(text), str_c(template), &b);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
    re_free(re);
}

TEST(re_replace_all_follows_go)
{
    replace("a", "banana", "o", "bonono");
    replace("a*", "baaac", "x", "xbxcx");
    replace("", "ab", "-", "-a-b-");
    replace("", "é", "-", "-é-");
    replace("(\\w)(\\w)", "abcde", "$2$1", "badce");
    replace("^a", "aaa", "x", "xaa");
    replace("\\b", "a b", "|", "|a| |b|");
    replace("z", "abc", "x", "abc");
    replace("", "", "x", "x");
    replace("a.c", "a\nc abc", "x", "a\nc x"); // Unlike matchers, the dot stops at a newline.
    replace(".*", "abc", "<$0>", "<abc>");
    replace("abc", "xabcx", "$$", "x$x");
}

TEST(re_partial_match_finds_anywhere)
{
    struct error e;
    struct re *re = re_new_partial(STR("b+"), &e);
    assert_non_null(re);
    assert_true(re_match(re, STR("abbc")));
    assert_false(re_match(re, STR("ac")));
    str prefix;
    assert_false(re_prefix(re, &prefix));
    re_free(re);
}

TEST(re_names_its_groups)
{
    struct re *re = must("(?<first>a)(b)(?P<third>c)");
    assert_int_equal(re_group_count(re), 4);
    assert_int_equal(re_group_named(re, STR("first")), 1);
    assert_int_equal(re_group_named(re, STR("third")), 3);
    assert_int_equal(re_group_named(re, STR("second")), 0);
    ASSERT_STR_EQ(re_pattern(re), STR("(?<first>a)(b)(?P<third>c)"));
    re_free(re);
    re = must("[(?<]x|\\(?<"); // Neither class nor escape opens a group.
    assert_int_equal(re_group_count(re), 1);
    assert_true(re_match(re, STR("?x")));
    re_free(re);
}

TEST(re_free_accepts_null)
{
    re_free(NULL);
    re_prog_free(NULL);
}
