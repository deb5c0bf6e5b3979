// fn_time.c: the calendar, UTC: seconds to year, month, day and the rest.
//
// Days are counted from 1 March of a year far before any 64-bit time, so that all arithmetic is on
// unsigned numbers and leap days fall at the ends of years. Times beyond 64 bits wrap as upstream's
// do, so that even nonsense agrees.
#include "promql/fn_math.h"

#define DAY_SECONDS    86400ULL
#define ERA_YEARS      400
#define ERA_DAYS       146097ULL // In 400 years.
#define EPOCH_ERAS     730692556LL
#define EPOCH_TO_UNIX  (62135596800ULL + ((u64)EPOCH_ERAS * ERA_DAYS + 306) * DAY_SECONDS)
#define WEDNESDAY      3  // What day 0 is.
#define MARCH_YEAR_DAY 59 // Days before 1 March in an ordinary year.

// Threads: value.
struct civil {
    i64 year;
    u32 month;    // 1 to 12
    u32 day;      // 1 to 31
    u32 year_day; // 1 to 366
    u32 week_day; // 0 is Sunday.
    bool is_leap;
};

static bool year_is_leap(i64 year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static struct civil civil_of(u64 days)
{
    u64 era = days / ERA_DAYS;
    u32 day = (u32)(days % ERA_DAYS); // Of the era, then of the year that begins in March.
    u32 year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    u32 march_month = (5 * day + 2) / 153; // 0 is March.
    struct civil c = {
        .year = ((i64)era - EPOCH_ERAS) * ERA_YEARS + year + (march_month >= 10),
        .month = march_month < 10 ? march_month + 3 : march_month - 9,
        .day = day - (153 * march_month + 2) / 5 + 1,
        .week_day = (u32)((days + WEDNESDAY) % 7),
    };
    c.is_leap = year_is_leap(c.year);
    c.year_day = march_month < 10 ? day + MARCH_YEAR_DAY + c.is_leap + 1 : day - 306 + 1;
    return c;
}

static u32 month_days(const struct civil *c)
{
    static const u8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[c->month - 1] + (c->month == 2 && c->is_leap ? 1U : 0U);
}

i64 seconds_of(f64 v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (i64)v : INT64_MIN;
}

bool is_date_fn(enum fn_id id)
{
    return id == FN_MINUTE || id == FN_HOUR || id == FN_DAY_OF_WEEK || id == FN_DAY_OF_MONTH ||
           id == FN_DAY_OF_YEAR || id == FN_DAYS_IN_MONTH || id == FN_MONTH || id == FN_YEAR;
}

f64 date_part(enum fn_id id, i64 unix_seconds)
{
    u64 since = (u64)unix_seconds + EPOCH_TO_UNIX;
    u64 second = since % DAY_SECONDS;
    if (id == FN_MINUTE) {
        u64 minute = second % 3600 / 60;
        return (f64)minute;
    }
    if (id == FN_HOUR) {
        u64 hour = second / 3600;
        return (f64)hour;
    }
    struct civil c = civil_of(since / DAY_SECONDS);
    if (id == FN_DAY_OF_WEEK) {
        return c.week_day;
    }
    if (id == FN_DAY_OF_MONTH) {
        return c.day;
    }
    if (id == FN_DAY_OF_YEAR) {
        return c.year_day;
    }
    if (id == FN_DAYS_IN_MONTH) {
        return month_days(&c);
    }
    return id == FN_MONTH ? (f64)c.month : (f64)c.year;
}
