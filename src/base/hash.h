// hash.h: the one fast hash (XXH3, 64 bit) and the two stable ones that files and peers rely on.
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"

u64 hash_bytes(const void *bytes, size_t len); // XXH3; may change between releases.
static inline u64 hash_str(str s)
{
    return hash_bytes(s.ptr, s.len);
}
u64 hash_mix(u64 a, u64 b);                    // Order matters.
u64 hash_xxh64(const void *bytes, size_t len); // Frozen: XXH64, seed 0 (upstream's label hash).
u64 hash_fnv64a(u64 state, const void *b, size_t len); // FNV-1a; start with HASH_FNV64A_INIT.
#define HASH_FNV64A_INIT 0xcbf29ce484222325ULL

// CRC-32C (Castagnoli); start with 0, may be continued. SSE4.2 at run time, table otherwise.
u32 crc32c(u32 crc, const void *bytes, size_t len);
u32 crc32c_portable(u32 crc, const void *bytes, size_t len); // The table alone; tests compare.

#endif
