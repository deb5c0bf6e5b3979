// checked.h: arithmetic on foreign lengths: true and the result, or false and nothing written.
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include "base/base.h"

// NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in brackets
#define CHECKED_OP(name, type, builtin)                                                            \
    static inline bool MUST_USE name(type a, type b, type *out)                                    \
    {                                                                                              \
        type r;                                                                                    \
        if (builtin(a, b, &r)) {                                                                   \
            return false;                                                                          \
        }                                                                                          \
        *out = r;                                                                                  \
        return true;                                                                               \
    }
CHECKED_OP(add_u64, u64, __builtin_add_overflow)
CHECKED_OP(sub_u64, u64, __builtin_sub_overflow)
CHECKED_OP(mul_u64, u64, __builtin_mul_overflow)
CHECKED_OP(add_i64, i64, __builtin_add_overflow)
CHECKED_OP(sub_i64, i64, __builtin_sub_overflow)
CHECKED_OP(mul_i64, i64, __builtin_mul_overflow)
#undef CHECKED_OP
// NOLINTEND(bugprone-macro-parentheses)

// Saturating, for times: a sum beyond the ends sticks to the end.
static inline i64 sat_add_i64(i64 a, i64 b)
{
    i64 r;
    if (__builtin_add_overflow(a, b, &r)) {
        return b > 0 ? INT64_MAX : INT64_MIN;
    }
    return r;
}
static inline i64 sat_sub_i64(i64 a, i64 b)
{
    i64 r;
    if (__builtin_sub_overflow(a, b, &r)) {
        return b < 0 ? INT64_MAX : INT64_MIN;
    }
    return r;
}

#endif
