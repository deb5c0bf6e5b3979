// url_test.c: URLs, percent-decoding and forms at their edges.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "net/form.h"
#include "net/url.h"

static void round_trip(const char *text, const char *want)
{
    struct arena *a = arena_new(1 << 20);
    struct url u;
    struct error e = {0};
    struct buf b;
    buf_init(&b, 1 << 20);
    ASSERT_OK(url_parse(str_c(text), a, &u, &e), e);
    url_print(&b, &u);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
    arena_free(a);
}

TEST(url_parses_and_prints)
{
    round_trip("http://localhost:9090/metrics", "http://localhost:9090/metrics");
    round_trip("HTTPS://User:p%40ss@Example.COM/a/b?x=1&y=%20#frag",
               "https://User:p%40ss@example.com/a/b?x=1&y=%20#frag");
    round_trip("http://[::1]:9100/", "http://[::1]:9100/");
    round_trip("http://h?", "http://h?");
    round_trip("http://h:/x", "http://h/x");
    round_trip("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/");
}

TEST(url_refuses_what_is_no_url)
{
    static const char *const bad[] = {
        "",
        "/path",
        "http:/h",
        "http://",
        "http://:80/",
        "http://h:0",
        "http://h:65536",
        "http://h:8x",
        "http://h/ x",
        "http://h/\x7f",
        "http://h/%",
        "http://h/%4",
        "http://h/%zz",
        "1http://h",
        "http://a@b@c/",
        "http://[::1",
        "http://[x]/",
        "http://[::1]x/",
        "http://h\\e/",
        "http://h<b>/",
        "http://a:b:c/",
        "://h",
        "http//h",
        "http://h/\xc3\xa4",
    };
    struct arena *a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct url u;
        if (url_parse(str_c(bad[i]), a, &u, NULL)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    arena_free(a);
}

TEST(url_joins_as_rfc_3986_says)
{
    static const char *const table[][2] = {
        {"g", "http://a/b/c/g"},      {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},    {"/g", "http://a/g"},
        {"//g", "http://g"},          {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},  {"#s", "http://a/b/c/d;p?q#s"},
        {"", "http://a/b/c/d;p?q"},   {".", "http://a/b/c/"},
        {"..", "http://a/b/"},        {"../..", "http://a/"},
        {"../../../g", "http://a/g"}, {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"}, {"https://x/y", "https://x/y"},
        {"..g", "http://a/b/c/..g"},  {"/./g", "http://a/g"},
    };
    struct arena *a = arena_new(1 << 20);
    struct url base;
    struct error e = {0};
    ASSERT_OK(url_parse(STR("http://a/b/c/d;p?q"), a, &base, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct url u;
        struct buf b;
        buf_init(&b, 1 << 20);
        ASSERT_OK(url_join(&base, str_c(table[i][0]), a, &u, &e), e);
        url_print(&b, &u);
        ASSERT_STR_EQ(buf_get(&b), str_c(table[i][1]));
        buf_fini(&b);
    }
    arena_free(a);
}

TEST(url_knows_ports_and_origins)
{
    struct arena *a = arena_new(1 << 20);
    struct url x;
    struct url y;
    assert_true(url_parse(STR("http://h/a"), a, &x, NULL));
    assert_true(url_parse(STR("http://H:80/b"), a, &y, NULL));
    assert_true(url_same_origin(&x, &y));
    assert_int_equal(url_port(&x), 80);
    ASSERT_STR_EQ(url_host_port(&y, a), STR("h:80"));
    assert_true(url_parse(STR("https://h/a"), a, &y, NULL));
    assert_false(url_same_origin(&x, &y));
    arena_free(a);
}

TEST(url_decodes_once_and_encodes)
{
    struct arena *a = arena_new(1 << 20);
    struct buf b;
    str out;
    buf_init(&b, 1 << 20);
    assert_true(url_decode(STR("a%2541+b%20c"), false, a, &out, NULL));
    ASSERT_STR_EQ(out, STR("a%41+b c"));
    assert_true(url_decode(STR("a+b%2B"), true, a, &out, NULL));
    ASSERT_STR_EQ(out, STR("a b+"));
    assert_false(url_decode(STR("%0"), true, a, &out, NULL));
    assert_false(url_decode(STR("%"), true, a, &out, NULL));
    assert_false(url_decode(STR("%g0"), true, a, &out, NULL));
    struct error e = {0};
    assert_false(url_decode(STR("%00"), true, a, &out, &e)); // Of a path, a query or a form.
    ASSERT_STR_EQ(str_c(e.text), STR("a NUL byte (%00) is not allowed"));
    url_encode(&b, STR("a b/\xc3\xa4~"), false);
    ASSERT_STR_EQ(buf_get(&b), STR("a%20b%2F%C3%A4~"));
    buf_fini(&b);
    arena_free(a);
}

TEST(form_keeps_order_and_repeats)
{
    struct arena *a = arena_new(1 << 20);
    struct form f = {0};
    struct error e = {0};
    ASSERT_OK(form_decode(STR("match[]=up&&x&match%5B%5D=a%3Db&y="), 10, a, &f, &e), e);
    assert_int_equal(f.count, 4);
    assert_int_equal(form_count(&f, STR("match[]")), 2);
    ASSERT_STR_EQ(form_get(&f, STR("match[]")), STR("up"));
    assert_true(form_has(&f, STR("x")));
    assert_false(form_has(&f, STR("z")));
    u32 at = 0;
    str value;
    assert_true(form_next(&f, STR("match[]"), &at, &value));
    assert_true(form_next(&f, STR("match[]"), &at, &value));
    ASSERT_STR_EQ(value, STR("a=b"));
    assert_false(form_next(&f, STR("match[]"), &at, &value));
    ASSERT_OK(form_decode(STR("z=1"), 10, a, &f, &e), e);
    assert_int_equal(f.count, 5);
    ASSERT_STR_EQ(form_get(&f, STR("z")), STR("1"));
    arena_free(a);
}

TEST(form_refuses_too_many_and_broken_fields)
{
    struct arena *a = arena_new(1 << 20);
    struct form f = {0};
    struct error e = {0};
    assert_false(form_decode(STR("a&b&c&d"), 3, a, &f, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(form_decode(STR("a=%4"), 3, a, &f, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_false(form_decode(STR("a=1;b=2"), 3, a, &f, &e));
    assert_int_equal(f.count, 0);
    arena_free(a);
}
