// json_test.c: the writer's bytes, the parser's tree, hostile input.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "wire/json.h"

#include <math.h>

static void expect_quote(str s, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    json_quote(&b, s);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
}

TEST(json_quote_escapes)
{
    expect_quote(STR_EMPTY, "\"\"");
    expect_quote(STR("plain ü ☺"), "\"plain ü ☺\"");
    expect_quote(STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    expect_quote(STR("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    expect_quote(str_make("\0\x01\x1f\x7f", 4), "\"\\u0000\\u0001\\u001f\x7f\"");
}

TEST(json_quote_replaces_what_is_not_utf8)
{
    expect_quote(STR("a\xff\xfe"
                     "b"),
                 "\"a\xef\xbf\xbd\xef\xbf\xbd"
                 "b\"");
    expect_quote(STR("\xc3"), "\"\xef\xbf\xbd\"");
    expect_quote(STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    expect_quote(STR("\xc3\"x"), "\"\xef\xbf\xbd\\\"x\"");
}

// Byte after byte, for texts of ASCII.
static void quote_slowly(struct buf *out, str s)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    buf_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        const u8 c = (u8)s.ptr[i];
        const char *as = NULL;
        for (size_t k = 0; k + 1 < sizeof(shorts); k += 2) {
            as = (u8)shorts[k] == c ? &shorts[k + 1] : as;
        }
        if (as) {
            buf_printf(out, "\\%c", *as);
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_byte(out, c);
        }
    }
    buf_byte(out, '"');
}

TEST(json_quote_sees_every_byte_at_every_place)
{
    char text[40];
    struct buf want;
    struct buf got;
    buf_init(&want, 4096);
    buf_init(&got, 4096);
    for (size_t len = 1; len < sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            for (u32 c = 0; c < 0x80; c++) {
                for (size_t i = 0; i < len; i++) {
                    text[i] = (char)(i % 2 == 0 ? ' ' : 0x7f); // The least and the greatest.
                }
                text[at] = (char)c;
                buf_clear(&want);
                buf_clear(&got);
                quote_slowly(&want, str_make(text, len));
                json_quote(&got, str_make(text, len));
                ASSERT_STR_EQ(buf_get(&got), buf_get(&want));
            }
            text[at] = (char)0xe9; // Not UTF-8.
            buf_clear(&got);
            json_quote(&got, str_make(text, len));
            assert_int_equal(got.len, len + 4);
        }
    }
    buf_fini(&want);
    buf_fini(&got);
}

TEST(jsonw_fills_a_buffer_to_its_last_byte)
{
    static const char whole[] = "{\"a\":\"12\",\"b\":[\"\",\"345678901\"]}";
    for (size_t max = 1; max < sizeof(whole) + 2; max++) {
        struct buf b;
        struct jsonw w;
        buf_init(&b, max);
        jsonw_init(&w, &b);
        jsonw_object(&w);
        jsonw_pair_str(&w, STR("a"), STR("12"));
        jsonw_key(&w, STR("b"));
        jsonw_array(&w);
        jsonw_str(&w, STR_EMPTY);
        jsonw_str(&w, STR("345678901"));
        jsonw_array_end(&w);
        jsonw_object_end(&w);
        assert_int_equal(buf_ok(&b), max >= sizeof(whole) - 1);
        if (buf_ok(&b)) {
            ASSERT_STR_EQ(buf_get(&b), str_c(whole));
        }
        buf_fini(&b);
    }
}

static void texts_write(struct buf *out, const str *texts, u32 n, bool at_once)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_array(&w);
    for (u32 i = 0; i < n;) {
        if (at_once) {
            i += jsonw_strs(&w, texts + i, n - i);
        } else {
            jsonw_str(&w, texts[i++]);
        }
    }
    jsonw_u64(&w, n);
    jsonw_array_end(&w);
}

// Short ones and one longer than a piece, every third with what has to be escaped.
static void texts_make(str *texts, char *bytes, u32 n, u32 len_max)
{
    static const char pool[] = "abcdefghijklmnopqrstuvwxyz0123456789-_\"\\\n\xe9\xc3\xa9 \"\"\"";
    u32 seed = 1;
    for (u32 i = 0; i < n; i++) {
        for (u32 k = 0; k < len_max; k++) {
            seed = seed * 1664525 + 1013904223;
            const bool odd = i % 3 == 0 && seed >> 28 == 0;
            bytes[i * len_max + k] = pool[(seed >> 8) % (odd ? sizeof(pool) - 1 : 38)];
        }
        texts[i] = str_make(bytes + (size_t)i * len_max, i % len_max);
    }
}

TEST(jsonw_writes_many_texts_as_one_by_one)
{
    enum { TEXTS = 400, LEN = 40, LONG_AT = 7, LONG_BYTES = 20000 };
    static char bytes[TEXTS * LEN];
    static char large[LONG_BYTES];
    static str texts[TEXTS];
    struct buf want;
    struct buf got;
    texts_make(texts, bytes, TEXTS, LEN);
    memset(large, 'x', sizeof(large));
    texts[LONG_AT] = str_make(large, LONG_BYTES);
    for (u32 n = 1; n <= TEXTS; n += n < 30 ? 1 : 37) {
        buf_init(&want, 1 << 20);
        texts_write(&want, texts, n, false);
        for (size_t max = MAX(want.len, 40) - 39; max < want.len + 2; max++) { // To the last byte.
            buf_init(&got, max);
            texts_write(&got, texts, n, true);
            assert_int_equal(buf_ok(&got), max >= want.len);
            if (buf_ok(&got)) {
                ASSERT_STR_EQ(buf_get(&got), buf_get(&want));
            }
            buf_fini(&got);
        }
        buf_fini(&want);
    }
}

TEST(jsonw_writes_commas_where_they_belong)
{
    struct buf b;
    buf_init(&b, 4096);
    struct jsonw w;
    jsonw_init(&w, &b);
    jsonw_object(&w);
    jsonw_pair_str(&w, STR("status"), STR("success"));
    jsonw_key(&w, STR("data"));
    jsonw_array(&w);
    jsonw_object(&w);
    jsonw_object_end(&w);
    jsonw_array(&w);
    jsonw_seconds(&w, 1435781430781);
    jsonw_f64_text(&w, 1.5);
    jsonw_array_end(&w);
    jsonw_null(&w);
    jsonw_bool(&w, true);
    jsonw_bool(&w, false);
    jsonw_u64(&w, UINT64_MAX);
    jsonw_i64(&w, INT64_MIN);
    jsonw_f64(&w, 0.25);
    jsonw_f64(&w, (f64)NAN);
    jsonw_raw(&w, STR("{\"x\":1}"));
    jsonw_str(&w, STR("s"));
    jsonw_array_end(&w);
    jsonw_key(&w, STR("empty"));
    jsonw_array(&w);
    jsonw_array_end(&w);
    jsonw_object_end(&w);
    ASSERT_STR_EQ(buf_get(&b),
                  STR("{\"status\":\"success\",\"data\":[{},[1435781430.781,\"1.5\"],null,true,"
                      "false,18446744073709551615,-9223372036854775808,0.25,null,{\"x\":1},\"s\"],"
                      "\"empty\":[]}"));
    buf_fini(&b);
}

TEST(jsonw_goes_on_after_the_buffer_was_sent)
{
    struct buf b;
    buf_init(&b, 64);
    struct jsonw w;
    jsonw_init(&w, &b);
    jsonw_array(&w);
    jsonw_u64(&w, 1);
    ASSERT_STR_EQ(buf_get(&b), STR("[1"));
    buf_clear(&b);
    jsonw_u64(&w, 2);
    jsonw_array_end(&w);
    ASSERT_STR_EQ(buf_get(&b), STR(",2]"));
    buf_fini(&b);
}

TEST(jsonw_numbers_and_times_as_upstream)
{
    static const struct {
        i64 t_ms;
        const char *text;
    } times[] = {
        {0, "0"},
        {1, "0.001"},
        {1000, "1"},
        {1500, "1.500"},
        {-1, "-0.001"},
        {-1500, "-1.500"},
        {1435781430781, "1435781430.781"},
        {INT64_MIN, "-9223372036854775.808"},
    };
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct buf b;
        buf_init(&b, 64);
        struct jsonw w;
        jsonw_init(&w, &b);
        jsonw_seconds(&w, times[i].t_ms);
        ASSERT_STR_EQ(buf_get(&b), str_c(times[i].text));
        buf_fini(&b);
    }
    static const struct {
        f64 v;
        const char *text;
    } values[] = {
        {0, "\"0\""},          {1e21, "\"1e+21\""},         {1e-7, "\"1e-07\""},
        {(f64)NAN, "\"NaN\""}, {(f64)INFINITY, "\"+Inf\""}, {-(f64)INFINITY, "\"-Inf\""},
        {0.1, "\"0.1\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct buf b;
        buf_init(&b, 1024);
        struct jsonw w;
        jsonw_init(&w, &b);
        jsonw_f64_text(&w, values[i].v);
        ASSERT_STR_EQ(buf_get(&b), str_c(values[i].text));
        buf_fini(&b);
    }
}

TEST(jsonw_stops_at_the_buffers_maximum)
{
    struct buf b;
    buf_init(&b, 8);
    struct jsonw w;
    jsonw_init(&w, &b);
    jsonw_array(&w);
    for (int i = 0; i < 100; i++) {
        jsonw_f64(&w, 1.5);
        jsonw_str(&w, STR("text"));
    }
    jsonw_array_end(&w);
    assert_false(buf_ok(&b));
    assert_true(b.len <= 8);
    buf_fini(&b);
}

TEST(json_parse_gives_the_tree)
{
    struct arena *a = arena_new(1 << 20);
    struct error e;
    const struct json_value *v =
        json_parse(a, STR("{\"a\": [1, 2.5, \"x\\u0000y\", null, true, false, {}], \"b\": \"\"}"),
                   1 << 20, &e);
    assert_non_null(v);
    assert_int_equal(v->kind, JSONV_OBJECT);
    const struct json_value *list = json_get(v, STR("a"));
    assert_int_equal(list->count, 7);
    assert_true(list->items[0].is_integer);
    assert_int_equal(list->items[0].integer, 1);
    assert_false(list->items[1].is_integer);
    assert_true(list->items[1].number == 2.5);
    ASSERT_STR_EQ(list->items[2].text, str_make("x\0y", 3));
    assert_int_equal(list->items[3].kind, JSONV_NULL);
    assert_true(list->items[4].boolean);
    assert_false(list->items[5].boolean);
    assert_int_equal(list->items[6].count, 0);
    assert_null(json_get(v, STR("c")));
    assert_null(json_get(list, STR("a")));
    assert_null(json_get(NULL, STR("a")));
    ASSERT_STR_EQ(json_get_str(v, STR("a")), STR_EMPTY);
    arena_free(a);
}

TEST(json_parse_refuses_with_the_place)
{
    static const struct {
        const char *text;
        const char *want;
    } bad[] = {
        {"", "1:0: "},
        {"{\"a\":1,}", "1:8: "},
        {"{\"a\":1,\n\"a\":2}", "2:3: duplicate object key"},
        {"[1] x", "1:5: end of file expected"},
        {"\"\xff\"", "1:1: "},
        {"[NaN]", "1:4: "},
        {"[1e999]", "real number overflow"},
        {"[99999999999999999999]", "too big integer"},
        {"[\"\\ud800\"]", "1:"},
        {"[01]", "1:"},
        {"{a:1}", "1:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena *a = arena_new(1 << 20);
        struct error e;
        assert_null(json_parse(a, str_c(bad[i].text), 1 << 20, &e));
        if (!strstr(e.text, bad[i].want)) {
            fail_msg("%s: \"%s\"", bad[i].text, e.text);
        }
        arena_free(a);
    }
}

TEST(json_parse_bounds_depth_bytes_and_memory)
{
    struct arena *a = arena_new(1 << 20);
    struct error e;
    char deep[20000];
    memset(deep, '[', sizeof(deep));
    assert_null(json_parse(a, str_make(deep, sizeof(deep)), 1 << 20, &e));
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_null(json_parse(a, str_make(deep, 2 * (JSON_DEPTH_MAX + 1)), 1 << 20, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(json_parse(a, str_make(deep + 1, 2 * JSON_DEPTH_MAX), 1 << 20, &e));
    assert_null(json_parse(a, STR("[1,2]"), 4, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    for (size_t i = 0; i + 1 < sizeof(deep); i += 2) {
        deep[i] = i == 0 ? '[' : ',';
        deep[i + 1] = '1';
    }
    deep[sizeof(deep) - 1] = ']';
    struct arena *small = arena_new(64 << 10);
    assert_null(json_parse(small, str_make(deep, sizeof(deep)), 1 << 20, &e));
    assert_null(json_parse(small, str_make(deep + 2, 0), 1 << 20, &e));
    arena_free(small);
    arena_free(a);
}
