// expo_decimal.c: see expo_decimal.h.
#include "ingest/expo_decimal.h"

#define DIGITS_MAX 18 // Fit 64 bits.
#define WHOLE_MAX  ((u64)1 << 53)
#define POWER_MAX  22

static const f64 powers[POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit_at(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

// Digits onto *v; what stands behind them.
static const char *digits_read(const char *at, const char *end, u64 *v)
{
    const char *stop = end - at > DIGITS_MAX ? at + DIGITS_MAX : end;
    while (is_digit_at(at, stop)) {
        *v = *v * 10 + (u64)(*at++ - '0');
    }
    return at;
}

// e+09 and the like: *power grows by it. NULL: there is no digit, or too many.
static const char *exponent_read(const char *at, const char *end, int *power)
{
    u64 v = 0;
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    const char *stop = digits_read(at, end, &v);
    if (stop == at || stop - at > 3) {
        return NULL;
    }
    *power += negative ? -(int)v : (int)v;
    return stop;
}

const char *decimal_read(const char *at, const char *end, f64 *out)
{
    u64 whole = 0;
    int power = 0;
    const bool negative = at < end && *at == '-';
    at += negative;
    const char *first = at;
    at = digits_read(at, end, &whole);
    if (at == first) {
        return NULL;
    }
    if (at < end && *at == '.') {
        const char *point = at + 1;
        const char *stop = point + (DIGITS_MAX - (point - first - 1));
        stop = stop < end ? stop : end;
        at = digits_read(point, stop, &whole);
        power = (int)(point - at);
        if (power == 0) {
            return NULL;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = exponent_read(at + 1, end, &power);
    }
    if (!at || is_digit_at(at, end) || whole > WHOLE_MAX || power > POWER_MAX ||
        power < -POWER_MAX) {
        return NULL;
    }
    const f64 v = power < 0 ? (f64)whole / powers[-power] : (f64)whole * powers[power];
    *out = negative ? -v : v;
    return at;
}
