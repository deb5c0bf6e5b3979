#include "base/buf.h"
#include "base/log.h"
#include "base/test.h"
#include "base/utf8.h"

#include <pthread.h>

// Collects lines; tells a time that the test sets.
struct recorder {
    struct buf lines;
    u32 count;
    i64 now_ms;
};

static void record(void *ctx, str line)
{
    struct recorder *r = ctx;
    assert_true(line.len > 0 && line.len <= LOG_LINE_MAX);
    assert_int_equal(line.ptr[line.len - 1], '\n');
    assert_null(memchr(line.ptr, '\n', line.len - 1)); // One line, whatever was in it.
    buf_str(&r->lines, line);
    r->count++;
}

static i64 recorder_now(void *ctx)
{
    return ((struct recorder *)ctx)->now_ms;
}

static struct log *log_start(struct recorder *r, enum log_format format)
{
    *r = (struct recorder){.now_ms = 1767323045006}; // 2026-01-02T03:04:05.006Z
    buf_init(&r->lines, (size_t)64 << 20);
    return log_new((struct log_opts){.level = LOG_INFO,
                                     .format = format,
                                     .sink = record,
                                     .sink_ctx = r,
                                     .now_ms = recorder_now,
                                     .now_ctx = r});
}

static void log_end(struct log *l, struct recorder *r)
{
    log_free(l);
    buf_fini(&r->lines);
}

#define SITE ((struct log_site){"../src/scrape/loop.c", 12, LOG_WARN})

TEST(log_logfmt_as_prometheus_prints_it)
{
    struct recorder r;
    struct log *l = log_start(&r, LOG_LOGFMT);
    const struct log_pair pairs[] = {LOG_CSTR("job", "node"), LOG_CSTR("err", "a \"b\"\n\\"),
                                     LOG_CSTR("empty", ""), LOG_CSTR("eq", "a=b"),
                                     LOG_STR("raw", STR("\xff\x01é\xC2\x85"))};
    log_write(l, SITE, STR("Append failed"), pairs, ARRAY_LEN(pairs));
    ASSERT_STR_EQ(buf_get(&r.lines),
                  STR("time=2026-01-02T03:04:05.006Z level=WARN source=scrape/loop.c:12 "
                      "msg=\"Append failed\" job=node err=\"a \\\"b\\\"\\n\\\\\" empty=\"\" "
                      "eq=\"a=b\" raw=\"\\xff\\u0001é\\u0085\"\n"));
    log_end(l, &r);
}

TEST(log_json_is_one_object)
{
    struct recorder r;
    struct log *l = log_start(&r, LOG_JSON);
    const struct log_pair pairs[] = {LOG_STR("raw", STR("\"\\\t\xff\x7f\xE2\x80\xA8"))};
    log_write(l, SITE, STR("ready"), pairs, 1);
    ASSERT_STR_EQ(buf_get(&r.lines),
                  STR("{\"time\":\"2026-01-02T03:04:05.006Z\",\"level\":\"WARN\","
                      "\"source\":\"scrape/loop.c:12\",\"msg\":\"ready\","
                      "\"raw\":\"\\\"\\\\\\t\\ufffd\\u007f\\u2028\"}\n"));
    log_end(l, &r);
}

TEST(log_macros_add_their_place)
{
    struct recorder r;
    struct log *l = log_start(&r, LOG_LOGFMT);
    LOG_AT(l, LOG_INFO, "ready");
    LOG_AT(l, LOG_ERROR, "two", LOG_CSTR("a", "1"), LOG_STR("b", STR("2")));
    LOGF(l, LOG_INFO, "%d of %s", 3, "x");
    LOG_AT(l, LOG_DEBUG, "below the level");
    LOG_AT((struct log *)NULL, LOG_ERROR, "dropped");
    assert_int_equal(r.count, 3);
    str lines = buf_get(&r.lines);
    assert_true(str_contains(lines, STR(" level=INFO source=base/log_test.c:")));
    assert_true(str_contains(lines, STR(" msg=ready\n")));
    assert_true(str_contains(lines, STR(" msg=two a=1 b=2\n")));
    assert_true(str_contains(lines, STR(" msg=\"3 of x\"\n")));
    log_set_level(l, LOG_DEBUG);
    assert_true(log_is_on(l, LOG_DEBUG));
    LOG_AT(l, LOG_DEBUG, "now");
    assert_int_equal(r.count, 4);
    log_end(l, &r);
}

TEST(log_cuts_long_lines_and_stays_wellformed)
{
    static char lengthy[3 * LOG_LINE_MAX];
    for (size_t unit = 0; unit < 5; unit++) {
        static const char *const units[] = {"a", "\"", "é", "\x01", "\xff"};
        str u = str_c(units[unit]);
        size_t len = 0;
        while (len + u.len <= sizeof(lengthy)) {
            memcpy(lengthy + len, u.ptr, u.len);
            len += u.len;
        }
        for (size_t cut = 600; cut < len; cut += unit == 0 ? 1 : 37) {
            enum log_format format = cut % 2 ? LOG_JSON : LOG_LOGFMT;
            struct recorder r;
            struct log *l = log_start(&r, format);
            const struct log_pair pairs[] = {LOG_STR("value", str_make(lengthy, cut)),
                                             LOG_CSTR("after", "x")};
            log_write(l, SITE, STR("m"), pairs, 2);
            str line = buf_get(&r.lines);
            bool is_cut = !str_contains(line, STR("after"));
            assert_int_equal(log_lines_cut(l), is_cut);
            assert_true(is_cut || line.len < LOG_LINE_MAX);
            assert_true(utf8_valid(line));
            if (format == LOG_JSON) {
                assert_true(str_ends(line, STR("\"}\n")));
            }
            log_end(l, &r);
            cut += cut > 5000 ? 997 : 0;
        }
    }
}

TEST(log_holds_back_a_noisy_site_and_tells_how_often)
{
    struct recorder r;
    struct log *l = log_start(&r, LOG_LOGFMT);
    for (int i = 0; i < 250; i++) {
        log_write(l, SITE, STR("noise"), NULL, 0);
    }
    assert_int_equal(r.count, 100);
    assert_int_equal(log_lines_held_back(l), 150);
    log_write(l, (struct log_site){"a/b.c", 13, LOG_WARN}, STR("other"), NULL, 0);
    assert_int_equal(r.count, 101); // Another site is not held back.
    r.now_ms += 100;                // One more line's worth.
    buf_clear(&r.lines);
    log_write(l, SITE, STR("noise"), NULL, 0);
    log_write(l, SITE, STR("noise"), NULL, 0);
    assert_int_equal(r.count, 102);
    assert_true(str_ends(buf_get(&r.lines), STR(" msg=noise repeats=150\n")));
    buf_clear(&r.lines);
    r.now_ms -= 1000000; // The wall may be set back.
    log_write(l, SITE, STR("noise"), NULL, 0);
    assert_int_equal(r.count, 102);
    r.now_ms += 1000;
    for (int i = 0; i < 50; i++) {
        log_write(l, SITE, STR("noise"), NULL, 0);
    }
    // Told once: the second attempt above and the one with the wall set back, no more.
    size_t first = str_find_str(buf_get(&r.lines), STR(" repeats=2\n"));
    assert_true(first != STR_NONE);
    assert_false(str_contains(str_sub(buf_get(&r.lines), first + 9, SIZE_MAX), STR("repeats")));
    assert_int_equal(r.count, 112);
    r.now_ms += 1000000;
    for (int i = 0; i < 300; i++) {
        log_write(l, SITE, STR("noise"), NULL, 0);
    }
    assert_int_equal(r.count, 212); // Never more than the burst.
    log_end(l, &r);
}

TEST(log_bounds_the_sites_it_remembers)
{
    struct recorder r;
    struct log *l = log_start(&r, LOG_LOGFMT);
    for (int line = 0; line < 2000; line++) {
        log_write(l, (struct log_site){"a/b.c", line, LOG_WARN}, STR("x"), NULL, 0);
    }
    assert_int_equal(r.count, 509 + 100); // The rest share one allowance.
    log_end(l, &r);
}

TEST(log_times_before_1970_and_far_ahead)
{
    struct recorder r;
    struct log *l = log_start(&r, LOG_LOGFMT);
    r.now_ms = -1;
    log_write(l, SITE, STR("x"), NULL, 0);
    assert_true(str_starts(buf_get(&r.lines), STR("time=1969-12-31T23:59:59.999Z ")));
    buf_clear(&r.lines);
    r.now_ms = INT64_MAX;
    log_write(l, SITE, STR("x"), NULL, 0);
    assert_true(str_starts(buf_get(&r.lines), STR("time=")));
    log_end(l, &r);
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 500; i++) {
        LOG_AT((struct log *)arg, LOG_INFO, "from a thread");
    }
    return NULL;
}

TEST(log_is_shared_by_threads)
{
    struct recorder r;
    struct log *l = log_start(&r, LOG_LOGFMT);
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, l), 0);
    }
    log_set_level(l, LOG_INFO);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(r.count + log_lines_held_back(l), 2000);
    log_end(l, &r);
}

TEST(log_parses_its_flags)
{
    enum log_level level = LOG_INFO;
    assert_true(log_level_parse(STR("error"), &level) && level == LOG_ERROR);
    assert_false(log_level_parse(STR("Error"), &level));
    enum log_format format = LOG_LOGFMT;
    assert_true(log_format_parse(STR("json"), &format) && format == LOG_JSON);
    assert_false(log_format_parse(STR("xml"), &format));
    assert_int_equal(format, LOG_JSON);
}
