// duration.c: durations as text and back, as upstream's common/model has them.

#include "model/duration.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define NS_PER_MS 1000000ULL
#define MS_SECOND 1000ULL
#define MS_MINUTE (60 * MS_SECOND)
#define MS_HOUR   (60 * MS_MINUTE)
#define MS_DAY    (24 * MS_HOUR)
#define MS_WEEK   (7 * MS_DAY)
#define MS_YEAR   (365 * MS_DAY)

struct duration_unit {
    const char *name;
    u64 ms;
    bool whole_only; // Printed only where nothing remains: 90d reads better than 12w6d.
};

// Falling, the order in which they may stand.
static const struct duration_unit units[] = {
    {"y", MS_YEAR, true},    {"w", MS_WEEK, true},    {"d", MS_DAY, false}, {"h", MS_HOUR, false},
    {"m", MS_MINUTE, false}, {"s", MS_SECOND, false}, {"ms", 1, false},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// What is quoted in an error need not be longer than anyone would write.
static bool refuse(struct error *e, str s)
{
    return err_set(e, ERR_INVALID, "not a valid duration string: \"%.*s\"",
                   STR_ARG(str_sub(s, 0, 100)));
}

static size_t run_of(str s, bool digits)
{
    size_t n = 0;
    while (n < s.len && is_digit(s.ptr[n]) == digits) {
        n++;
    }
    return n;
}

bool duration_parse(str s, i64 *ms, struct error *e)
{
    if (s.len == 0) {
        return err_set(e, ERR_INVALID, "empty duration string");
    }
    if (str_eq(s, STR("0"))) {
        *ms = 0;
        return true;
    }
    u64 sum_ms = 0;
    size_t unit_next = 0;
    str rest = s;
    while (rest.len > 0) {
        const size_t digits = run_of(rest, true);
        u64 v;
        if (digits == 0 || !parse_u64(str_sub(rest, 0, digits), &v)) {
            return refuse(e, s);
        }
        rest = str_sub(rest, digits, rest.len);
        const size_t letters = run_of(rest, false);
        if (letters == 0) {
            return refuse(e, s);
        }
        const str name = str_sub(rest, 0, letters);
        rest = str_sub(rest, letters, rest.len);
        size_t unit = 0;
        while (unit < ARRAY_LEN(units) && !str_eq_c(name, units[unit].name)) {
            unit++;
        }
        if (unit == ARRAY_LEN(units)) {
            return err_set(e, ERR_INVALID, "unknown unit \"%.*s\" in duration \"%.*s\"",
                           STR_ARG(str_sub(name, 0, 100)), STR_ARG(str_sub(s, 0, 100)));
        }
        if (unit < unit_next) {
            return refuse(e, s);
        }
        unit_next = unit + 1;
        // Upstream counts nanoseconds in 63 bits: about 292 years.
        const u64 most_ms = INT64_MAX / NS_PER_MS;
        if (v > most_ms / units[unit].ms || v * units[unit].ms > most_ms - sum_ms) {
            return err_set(e, ERR_INVALID, "duration out of range");
        }
        sum_ms += v * units[unit].ms;
    }
    *ms = (i64)sum_ms;
    return true;
}

void duration_print(struct buf *out, i64 ms)
{
    if (ms == 0) {
        buf_c(out, "0s");
        return;
    }
    u64 rest = (u64)ms;
    if (ms < 0) {
        buf_byte(out, '-');
        rest = 0 - rest;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        const u64 v = rest / units[i].ms;
        if (v == 0 || (units[i].whole_only && rest % units[i].ms != 0)) {
            continue;
        }
        buf_u64(out, v);
        buf_c(out, units[i].name);
        rest -= v * units[i].ms;
    }
}

i64 duration_round_up(i64 least_ms)
{
    static const i64 seconds[] = {1,   2,   5,    10,   15,   20,   30,    60,    120,  300,
                                  600, 900, 1200, 1800, 3600, 7200, 14400, 21600, 43200};
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        if (seconds[i] * 1000 >= least_ms) {
            return seconds[i] * 1000;
        }
    }
    const i64 day_ms = 86400000;
    return (least_ms + day_ms - 1) / day_ms * day_ms;
}
