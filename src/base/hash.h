// hash.h: the one fast hash (XXH3, 64 bit) and the two stable ones that files and peers rely on.
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"

u64 hash_bytes(const void *bytes, size_t len); // XXH3; may change between releases.
static inline u64 hash_str(str s)
{
    return hash_bytes(s.ptr, s.len);
}
// Order matters.
static inline u64 hash_mix(u64 a, u64 b)
{
    // The two halves of a 128-bit product; the constants differ, so that order matters.
    __extension__ unsigned __int128 product = a ^ 0x9E3779B97F4A7C15ULL;
    product *= b ^ 0xC2B2AE3D27D4EB4FULL;
    u64 folded = (u64)product ^ (u64)(product >> 64);
    // Without this a factor of zero would swallow the other half.
    return folded + ((a << 23) | (a >> 41)) + b * 0x165667B19E3779F9ULL;
}
u64 hash_xxh64(const void *bytes, size_t len); // Frozen: XXH64, seed 0 (upstream's label hash).
u64 hash_fnv64a(u64 state, const void *b, size_t len); // FNV-1a; start with HASH_FNV64A_INIT.
#define HASH_FNV64A_INIT 0xcbf29ce484222325ULL

// CRC-32C (Castagnoli); start with 0, may be continued. SSE4.2 at run time, table otherwise.
u32 crc32c(u32 crc, const void *bytes, size_t len);
u32 crc32c_portable(u32 crc, const void *bytes, size_t len); // The table alone; tests compare.

#endif
