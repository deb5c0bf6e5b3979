// time_text.c: instants as text and back: Unix seconds, RFC 3339. Proleptic Gregorian, UTC.

#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"

#include <math.h>
#include <stdio.h>

#define MS_PER_DAY 86400000LL

// The ends of upstream's time line, which its clients send for "from the beginning" and "to the
// end".
static const struct {
    const char *text;
    i64 t_ms;
} sentinels[] = {
    {"-292273086-05-16T16:47:06Z", -9223309901257974000LL},
    {"292277025-08-18T07:12:54.999999999Z", 9223309901257974999LL},
};

struct civil {
    i64 year;
    u32 month; // 1..12
    u32 day;   // 1..31
};

// Days since 1970-01-01, and back. Years are counted from March, so that the leap day is the last.
static i64 days_of(struct civil c)
{
    const i64 year = c.year - (c.month <= 2);
    const i64 era = (year >= 0 ? year : year - 399) / 400;
    const i64 year_of_era = year - era * 400;
    const i64 day_of_year = (153 * ((i64)c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
    const i64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_of(i64 days)
{
    const i64 z = days + 719468;
    const i64 era = (z >= 0 ? z : z - 146096) / 146097;
    const i64 day_of_era = z - era * 146097;
    const i64 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const i64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const i64 month_from_march = (5 * day_of_year + 2) / 153;
    struct civil c;
    c.day = (u32)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    c.month = (u32)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    c.year = year_of_era + era * 400 + (c.month <= 2);
    return c;
}

static u32 days_in(i64 year, u32 month)
{
    static const u8 lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : lengths[month - 1];
}

// `count` digits at *at, moved over; false if there are fewer.
static bool digits_take(str s, size_t *at, size_t count, u32 *out)
{
    u64 v;
    if (s.len - *at < count || !parse_u64(str_sub(s, *at, *at + count), &v)) {
        return false;
    }
    *at += count;
    *out = (u32)v;
    return true;
}

static bool char_take(str s, size_t *at, char c)
{
    if (*at >= s.len || s.ptr[*at] != c) {
        return false;
    }
    ++*at;
    return true;
}

static bool date_take(str s, size_t *at, i64 *days)
{
    u32 year;
    u32 month;
    u32 day;
    if (!digits_take(s, at, 4, &year) || !char_take(s, at, '-') || !digits_take(s, at, 2, &month) ||
        !char_take(s, at, '-') || !digits_take(s, at, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in(year, month)) {
        return false;
    }
    *days = days_of((struct civil){year, month, day});
    return true;
}

// hh:mm:ss with a fraction of any length, cut to milliseconds.
static bool clock_take(str s, size_t *at, i64 *ms)
{
    u32 hour;
    u32 minute;
    u32 second;
    if (!digits_take(s, at, 2, &hour) || !char_take(s, at, ':') ||
        !digits_take(s, at, 2, &minute) || !char_take(s, at, ':') ||
        !digits_take(s, at, 2, &second)) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *ms = ((hour * 60LL + minute) * 60LL + second) * 1000LL;
    if (char_take(s, at, '.')) {
        const size_t from = *at;
        i64 unit = 100;
        while (*at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9') {
            *ms += (s.ptr[*at] - '0') * unit;
            unit /= 10;
            ++*at;
        }
        return *at > from;
    }
    return true;
}

static bool zone_take(str s, size_t *at, i64 *ms)
{
    *ms = 0;
    if (char_take(s, at, 'Z')) {
        return true;
    }
    const bool east = char_take(s, at, '+');
    if (!east && !char_take(s, at, '-')) {
        return false;
    }
    u32 hours;
    u32 minutes;
    if (!digits_take(s, at, 2, &hours) || !char_take(s, at, ':') ||
        !digits_take(s, at, 2, &minutes) || hours > 24 || minutes > 59) {
        return false;
    }
    *ms = (hours * 60LL + minutes) * (east ? 60000LL : -60000LL);
    return true;
}

static bool rfc3339_parse(str s, i64 *t_ms)
{
    size_t at = 0;
    i64 days;
    i64 clock_ms;
    i64 zone_ms;
    if (!date_take(s, &at, &days) || !char_take(s, &at, 'T') || !clock_take(s, &at, &clock_ms) ||
        !zone_take(s, &at, &zone_ms) || at != s.len) {
        return false;
    }
    *t_ms = days * MS_PER_DAY + clock_ms - zone_ms;
    return true;
}

static bool seconds_parse(str s, i64 *t_ms)
{
    f64 v;
    if (!num_parse(s, &v) || !(fabs(v) < 9.2e15)) {
        return false; // NaN and what does not fit fail here too.
    }
    f64 whole;
    const f64 fraction = modf(v, &whole);
    *t_ms = (i64)whole * 1000 + (i64)round(fraction * 1000);
    return true;
}

bool time_parse(str s, i64 *t_ms, struct error *e)
{
    if (seconds_parse(s, t_ms) || rfc3339_parse(s, t_ms)) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(sentinels); i++) {
        if (str_eq_c(s, sentinels[i].text)) {
            *t_ms = sentinels[i].t_ms;
            return true;
        }
    }
    return err_set(e, ERR_INVALID, "cannot parse \"%.*s\" to a valid timestamp",
                   STR_ARG(str_sub(s, 0, 100)));
}

size_t time_print_rfc3339(char out[40], i64 t_ms)
{
    i64 days = t_ms / MS_PER_DAY;
    i64 ms = t_ms % MS_PER_DAY;
    if (ms < 0) {
        ms += MS_PER_DAY;
        days--;
    }
    const struct civil c = civil_of(days);
    const u32 seconds = (u32)(ms / 1000);
    const u32 fraction = (u32)(ms % 1000);
    const i64 year = c.year < 0 ? -c.year : c.year;
    int n = snprintf(out, 40, "%s%04lld-%02u-%02uT%02u:%02u:%02u", c.year < 0 ? "-" : "",
                     (long long)year, c.month % 100, c.day % 100, seconds / 3600 % 100,
                     seconds / 60 % 60, seconds % 60);
    if (fraction > 0) {
        n += snprintf(out + n, 40 - (size_t)n, ".%03u", fraction);
        while (out[n - 1] == '0') {
            n--;
        }
    }
    out[n++] = 'Z';
    out[n] = '\0';
    return (size_t)n;
}
