// chunk_rise.c: see chunk_rise.h.
#include "tsdb/chunk_rise.h"

#include "base/bits.h"
#include "base/dec.h"
#include "tsdb/chunk_form.h"

#define EXACT_LIMIT ((u64)1 << 53)
#define STEP_LIMIT  (EXACT_LIMIT >> 12) // Of so many that n of them and one more stay below.

// S1: over the places of the steps that are not zero.
static void places_skip(struct dec *d, u32 dense)
{
    const u64 head = dec_varint(d);
    const u64 count = head >> 1;
    const u64 bits = head & 1 ? dense : MIN(count, (u64)dense) * bits_width(dense - 1);
    (void)dec_bytes(d, (bits + 7) / 8);
}

// From x0 on n steps of at most `step` each: all integers on the way are exact as doubles.
static bool stays_exact(i64 x0, u64 step, u32 n)
{
    return x0 > -(i64)EXACT_LIMIT / 2 && x0 < (i64)EXACT_LIMIT / 2 && step < STEP_LIMIT &&
           n * step < EXACT_LIMIT / 2;
}

// The head of steps: none is negative, and n of them stay exact.
static bool steps_rise(struct dec *d, bool mb, i64 x0, u64 gcd, u32 n)
{
    const u8 first = dec_u8(d);
    const u8 second = mb ? dec_u8(d) : 0;
    const u32 code_log = (u32)second >> STEP_BITS;
    u32 width = first & (RESIDUAL_BASED - 1U);
    if (!(first & RESIDUAL_BASED) || code_log > CODE_LOG_MAX) {
        return false; // Steps of either sign.
    }
    const i64 base = dec_varsint_short(d);
    if (mb) {
        width += ((1U << (1U << code_log)) - 1) * (1 + (second & ((1U << STEP_BITS) - 1)));
    }
    u64 step = 0;
    const bool fits = base >= 0 && base < (i64)STEP_LIMIT && width < 64 &&
                      !__builtin_mul_overflow((1ULL << width) + (u64)base, gcd, &step);
    return fits && dec_ok(d) && stays_exact(x0, step, n);
}

static bool line_rises(struct dec *d, i64 x0, u32 n)
{
    const i64 step = dec_varsint_short(d);
    return dec_ok(d) && step >= 0 && stays_exact(x0, (u64)step, n);
}

bool chunk_rises(str bytes, u32 n)
{
    struct dec d = dec_of(bytes);
    const u8 first = dec_u8(&d);
    const enum transform transform = first >> TRANSFORM_SHIFT;
    if (transform == TRANSFORM_DEC) {
        (void)dec_u8(&d); // The exponent: values keep their order.
    }
    if ((transform != TRANSFORM_INT && transform != TRANSFORM_DEC) || (first & CHUNK_EXCEPTIONS)) {
        return false;
    }
    const i64 x0 = dec_varsint_short(&d);
    const u64 gcd = first & INT_PACK_GCD ? dec_varint_short(&d) : 1;
    const bool mb = (first & INT_PACK_MB) != 0;
    switch ((enum int_plan)(first & INT_PACK_PLAN)) {
    case INT_CONST:
        return dec_ok(&d);
    case INT_LIN:
        return line_rises(&d, x0, n);
    case INT_D1:
        return steps_rise(&d, mb, x0, gcd, n);
    case INT_S1:
        places_skip(&d, n - 1);
        return steps_rise(&d, mb, x0, gcd, n);
    case INT_FOR:
    case INT_D2:
    case INT_S2:
        break;
    }
    return false;
}
