// bits.h: bit tricks and unaligned little-endian loads. All inline, none allocates.
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include "base/base.h"

static inline u32 bits_width(u64 v) // Bits needed to hold v; 0 for 0.
{
    return v ? 64U - (u32)__builtin_clzll(v) : 0;
}
static inline u64 bits_zigzag(i64 v)
{
    return ((u64)v << 1) ^ (u64)(v >> 63);
}
static inline i64 bits_unzigzag(u64 v)
{
    return (i64)(v >> 1) ^ -(i64)(v & 1);
}
static inline u64 bits_of_f64(f64 v)
{
    u64 u;
    memcpy(&u, &v, sizeof(u));
    return u;
}
static inline f64 f64_of_bits(u64 u)
{
    f64 v;
    memcpy(&v, &u, sizeof(v));
    return v;
}
static inline u64 load_le64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof(v));
    return v;
}
static inline u32 load_le32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof(v));
    return v;
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files and loads are little-endian");

u64 bits_gcd(u64 a, u64 b);
u64 bits_pow2_up(u64 v); // The next power of two ≥ v; 1 for 0. CHECKs v ≤ 2^63.

#endif
