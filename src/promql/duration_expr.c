// duration_expr.c: see duration_expr.h. In seconds and floats, as the arithmetic is defined.
#include "promql/duration_expr.h"

#include "base/error.h"

#include <math.h>

#define DURATION_SECS_MAX 9223372036.854775807 // Nanoseconds in 63 bits.

static bool fail_at(const struct duration_expr *d, const char *what, struct error *e)
{
    return err_set(e, ERR_INVALID, "%u:%u: %s", d->span.start, d->span.end, what);
}

static f64 min_of(f64 a, f64 b) // A NaN on either side wins.
{
    return isnan(a) || isnan(b) ? NAN : fmin(a, b);
}

static f64 max_of(f64 a, f64 b)
{
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static bool seconds_of(const struct duration_expr *d, const struct duration_env *env, f64 *out,
                       struct error *e)
{
    f64 a = 0;
    f64 b = 0;
    if ((d->a && !seconds_of(d->a, env, &a, e)) || (d->b && !seconds_of(d->b, env, &b, e))) {
        return false;
    }
    switch (d->op) {
    case DURATION_NUMBER:
        *out = d->seconds;
        return true;
    case DURATION_STEP:
        *out = (f64)env->step_ms / 1000;
        return true;
    case DURATION_RANGE:
        *out = (f64)env->range_ms / 1000;
        return true;
    case DURATION_NEG:
        *out = -a;
        return true;
    case DURATION_SAME:
        *out = a;
        return true;
    case DURATION_MIN_OF:
        *out = min_of(a, b);
        return true;
    case DURATION_MAX_OF:
        *out = max_of(a, b);
        return true;
    case DURATION_ADD:
        *out = a + b;
        return true;
    case DURATION_SUB:
        *out = a - b;
        return true;
    case DURATION_MUL:
        *out = a * b;
        return true;
    case DURATION_DIV:
        *out = b == 0 ? 0 : a / b;
        return b != 0 || fail_at(d, "division by zero", e);
    case DURATION_MOD:
        *out = b == 0 ? 0 : fmod(a, b);
        return b != 0 || fail_at(d, "modulo by zero", e);
    case DURATION_POW:
        *out = pow(a, b);
        return true;
    }
    CHECK(false && "a duration has one of thirteen operators");
}

bool duration_resolve(const struct duration *d, const struct duration_env *env, bool negative_ok,
                      i64 *ms, struct error *e)
{
    if (!d->expr) {
        *ms = d->ms;
        return true;
    }
    f64 seconds;
    if (!seconds_of(d->expr, env, &seconds, e)) {
        return false;
    }
    if (!isfinite(seconds)) {
        return fail_at(d->expr, "duration is NaN or infinite", e);
    }
    if (seconds > DURATION_SECS_MAX || seconds < -DURATION_SECS_MAX) {
        return fail_at(d->expr, "duration is out of range", e);
    }
    const i64 whole = (i64)(seconds * 1000);
    if (whole <= 0 && !negative_ok) {
        return fail_at(d->expr, "duration must be greater than 0", e);
    }
    *ms = whole;
    return true;
}
