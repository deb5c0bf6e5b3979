// bits.c: the two bit tricks that are too long to be inline.
#include "base/bits.h"

u64 bits_gcd(u64 a, u64 b)
{
    if (a == 0 || b == 0) {
        return a | b;
    }
    // Stein's algorithm: shifts and subtractions, no division.
    u32 shift = (u32)__builtin_ctzll(a | b);
    a >>= __builtin_ctzll(a);
    while (b != 0) {
        b >>= __builtin_ctzll(b);
        if (a > b) {
            u64 swap = a;
            a = b;
            b = swap;
        }
        b -= a;
    }
    return a << shift;
}

u64 bits_pow2_up(u64 v)
{
    CHECK(v <= (u64)1 << 63);
    return v <= 1 ? 1 : (u64)1 << bits_width(v - 1);
}
