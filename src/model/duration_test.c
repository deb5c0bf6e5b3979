// duration_test.c: durations and instants, both ways.

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/duration.h"

static void expect_ms(const char *text, i64 want)
{
    i64 ms = -1;
    struct error e;
    if (!duration_parse(str_c(text), &ms, &e)) {
        fail_msg("%s: %s", text, e.text);
    }
    if (ms != want) {
        fail_msg("%s: got %lld", text, (long long)ms);
    }
}

static void expect_refusal(const char *text, const char *want)
{
    i64 ms = 77;
    struct error e;
    assert_false(duration_parse(str_c(text), &ms, &e));
    assert_string_equal(e.text, want);
    assert_int_equal(ms, 77);
}

TEST(duration_parse_takes_upstreams_forms)
{
    expect_ms("0", 0);
    expect_ms("0w", 0);
    expect_ms("0s", 0);
    expect_ms("324ms", 324);
    expect_ms("3s", 3000);
    expect_ms("5m", 300000);
    expect_ms("1h", 3600000);
    expect_ms("4d", 4 * 86400000LL);
    expect_ms("4d1h", 4 * 86400000LL + 3600000);
    expect_ms("14d", 14 * 86400000LL);
    expect_ms("3w", 21 * 86400000LL);
    expect_ms("3w2d1h", 23 * 86400000LL + 3600000);
    expect_ms("10y", 3650 * 86400000LL);
    expect_ms("1y2w3d4h5m6s7ms", (365 + 14 + 3) * 86400000LL + 4 * 3600000 + 5 * 60000 + 6000 + 7);
    expect_ms("0099s", 99000);
    expect_ms("292y", 292 * 365 * 86400000LL);
}

TEST(duration_parse_refuses_in_upstreams_words)
{
    expect_refusal("", "empty duration string");
    expect_refusal("1", "not a valid duration string: \"1\"");
    expect_refusal("1y1m1d", "not a valid duration string: \"1y1m1d\"");
    expect_refusal("1d1d", "not a valid duration string: \"1d1d\"");
    expect_refusal("-1w", "not a valid duration string: \"-1w\"");
    expect_refusal("d", "not a valid duration string: \"d\"");
    expect_refusal("1.5d", "unknown unit \".\" in duration \"1.5d\"");
    expect_refusal("294y", "duration out of range");
    expect_refusal("200y10400w", "duration out of range");
    expect_refusal("107675d", "duration out of range");
    expect_refusal("2584200h", "duration out of range");
    expect_refusal("18446744073709551615s", "duration out of range");
    expect_refusal("18446744073709551616s", "not a valid duration string: "
                                            "\"18446744073709551616s\"");
    expect_refusal("5 m", "unknown unit \" m\" in duration \"5 m\"");
    expect_refusal("5M", "unknown unit \"M\" in duration \"5M\"");
}

TEST(duration_print_is_upstreams_and_comes_back)
{
    static const struct {
        i64 ms;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {324, "324ms"},
        {3000, "3s"},
        {300000, "5m"},
        {90 * 86400000LL, "90d"},
        {86400000LL * 365, "1y"},
        {86400000LL * 366, "366d"},
        {86400000LL * 14, "2w"},
        {5400000, "1h30m"},
        {(365 + 14 + 3) * 86400000LL + 4 * 3600000 + 5 * 60000 + 6000 + 7, "382d4h5m6s7ms"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 100);
        duration_print(&b, cases[i].ms);
        ASSERT_STR_EQ(buf_get(&b), str_c(cases[i].text));
        expect_ms(b.bytes, cases[i].ms);
        buf_fini(&b);
    }
    struct buf b;
    buf_init(&b, 100);
    duration_print(&b, -90000);
    buf_byte(&b, ' ');
    duration_print(&b, INT64_MIN);
    ASSERT_STR_EQ(buf_get(&b), STR("-1m30s -106751991167d7h12m55s808ms"));
    buf_fini(&b);
}

TEST(time_parse_takes_seconds_and_rfc3339)
{
    static const struct {
        const char *text;
        i64 t_ms;
    } cases[] = {
        {"0", 0},
        {"123", 123000},
        {"123.123", 123123},
        {"1.0000004", 1000},
        {"1.9999", 2000},
        {"-1.5", -1500},
        {"1e3", 1000000},
        {"1735689600.781", 1735689600781},
        {"2015-06-03T13:21:58.555Z", 1433337718555},
        {"2015-06-03T14:21:58.555+01:00", 1433337718555},
        {"2015-06-03T13:21:58Z", 1433337718000},
        {"2015-06-03T13:21:58.5559999Z", 1433337718555},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"1970-01-01T00:00:00-00:30", 1800000},
        {"0001-01-01T00:00:00Z", -62135596800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"-292273086-05-16T16:47:06Z", -9223309901257974000},
        {"292277025-08-18T07:12:54.999999999Z", 9223309901257974999},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        i64 t_ms;
        struct error e;
        if (!time_parse(str_c(cases[i].text), &t_ms, &e)) {
            fail_msg("%s: %s", cases[i].text, e.text);
        }
        if (t_ms != cases[i].t_ms) {
            fail_msg("%s: got %lld", cases[i].text, (long long)t_ms);
        }
    }
}

TEST(time_parse_refuses)
{
    static const char *const bad[] = {
        "",
        "foo",
        "30s",
        "NaN",
        "Inf",
        "1e300",
        "-9.3e15",
        "2015-05-67T14:21:59Z",
        "2015-13-01T00:00:00Z",
        "2001-02-29T00:00:00Z",
        "2015-06-03T24:00:00Z",
        "2015-06-03T13:21:60Z",
        "2015-06-03T13:21:58",
        "2015-06-03T13:21:58.Z",
        "2015-06-03T13:21:58Zx",
        "2015-06-03T13:21:58+0100",
        "2015-06-03 13:21:58Z",
        "2015-06-",
        "15-06-03T13:21:58Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        i64 t_ms;
        struct error e;
        if (time_parse(str_c(bad[i]), &t_ms, &e)) {
            fail_msg("%s was accepted", bad[i]);
        }
        assert_non_null(strstr(e.text, "to a valid timestamp"));
    }
}

TEST(time_print_rfc3339_trims_the_fraction)
{
    static const struct {
        i64 t_ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {1767323045120, "2026-01-02T03:04:05.12Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00Z"},
        {-62135596800000, "0001-01-01T00:00:00Z"},
        {-62167219200001, "-0001-12-31T23:59:59.999Z"},
        {253402300800000, "10000-01-01T00:00:00Z"},
        {INT64_MAX, "292278994-08-17T07:12:55.807Z"},
        {INT64_MIN, "-292275055-05-16T16:47:04.192Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[40];
        const size_t n = time_print_rfc3339(out, cases[i].t_ms);
        ASSERT_STR_EQ(((str){out, n}), str_c(cases[i].text));
    }
}

TEST(time_texts_round_trip_over_four_centuries)
{
    for (i64 t = -6000000000000; t < 7000000000000; t += 86399999 * 3) {
        char out[40];
        const size_t n = time_print_rfc3339(out, t);
        i64 back;
        struct error e;
        ASSERT_OK(time_parse((str){out, n}, &back, &e), e);
        assert_true(back == t);
    }
}

TEST(steps_are_rounded_up)
{
    const i64 day = 86400000;
    const i64 cases[][2] = {{1, 1000},       {1000, 1000}, {1001, 2000},       {3600001, 7200000},
                            {43200001, day}, {day, day},   {day + 1, 2 * day}, {0, 1000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(duration_round_up(cases[i][0]) == cases[i][1]);
    }
}
