// fn_math.c: see fn_math.h.
#include "promql/fn_math.h"

#include <math.h>

#define PI 3.14159265358979323846264338327950288

f64 max_of(f64 a, f64 b)
{
    if (isinf(a) && a > 0) {
        return a;
    }
    if (isinf(b) && b > 0) {
        return b;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    if (a == 0 && b == 0) {
        return signbit(a) ? b : a;
    }
    return a > b ? a : b;
}

f64 min_of(f64 a, f64 b)
{
    if (isinf(a) && a < 0) {
        return a;
    }
    if (isinf(b) && b < 0) {
        return b;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    if (a == 0 && b == 0) {
        return signbit(a) ? a : b;
    }
    return a < b ? a : b;
}

f64 round_to(f64 v, f64 to_nearest)
{
    f64 inverse = 1.0 / to_nearest; // Loses less than dividing.
    return floor(v * inverse + 0.5) / inverse;
}

static f64 sgn(f64 v)
{
    if (v < 0) {
        return -1;
    }
    return v > 0 ? 1 : v;
}

static f64 degrees(f64 v)
{
    return v * 180 / PI;
}

static f64 radians(f64 v)
{
    return v * PI / 180;
}

static math_fn *const math_fns[FN_COUNT] = {
    [FN_ABS] = fabs,    [FN_ACOS] = acos, [FN_ACOSH] = acosh, [FN_ASIN] = asin,
    [FN_ASINH] = asinh, [FN_ATAN] = atan, [FN_ATANH] = atanh, [FN_CEIL] = ceil,
    [FN_COS] = cos,     [FN_COSH] = cosh, [FN_DEG] = degrees, [FN_EXP] = exp,
    [FN_FLOOR] = floor, [FN_LN] = log,    [FN_LOG10] = log10, [FN_LOG2] = log2,
    [FN_RAD] = radians, [FN_SGN] = sgn,   [FN_SIN] = sin,     [FN_SINH] = sinh,
    [FN_SQRT] = sqrt,   [FN_TAN] = tan,   [FN_TANH] = tanh,
};

math_fn *math_fn_get(enum fn_id id)
{
    return math_fns[id];
}
