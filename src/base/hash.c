// hash.c: XXH3 and XXH64 from libxxhash, FNV-1a, CRC-32C with and without the instruction.
#include "base/hash.h"

#include "base/bits.h"

#include <pthread.h>
#include <xxhash.h>

u64 hash_bytes(const void *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}

u64 hash_xxh64(const void *bytes, size_t len)
{
    return XXH64(bytes, len, 0);
}

u64 hash_fnv64a(u64 state, const void *bytes, size_t len)
{
    const u8 *at = bytes;
    for (size_t i = 0; i < len; i++) {
        state = (state ^ at[i]) * 0x100000001b3ULL;
    }
    return state;
}

#if defined(__x86_64__)
#    include <immintrin.h>
#endif

#define CRC32C_POLY 0x82F63B78U // 0x1EDC6F41 reflected.

// [k][b]: the CRC of byte b followed by k zero bytes. Threads: frozen after tables_once.
static u32 tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_fill(void)
{
    for (u32 b = 0; b < 256; b++) {
        u32 crc = b;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (CRC32C_POLY & (0U - (crc & 1)));
        }
        tables[0][b] = crc;
    }
    for (u32 k = 1; k < 8; k++) {
        for (u32 b = 0; b < 256; b++) {
            u32 before = tables[k - 1][b];
            tables[k][b] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
}

u32 crc32c_portable(u32 crc, const void *bytes, size_t len)
{
    CHECK(pthread_once(&tables_once, tables_fill) == 0);
    const u8 *at = bytes;
    crc = ~crc;
    for (; len >= 8; at += 8, len -= 8) {
        u64 word = load_le64(at) ^ crc;
        crc = 0;
        for (u32 k = 0; k < 8; k++) {
            crc ^= tables[7 - k][(word >> (8 * k)) & 0xFF];
        }
    }
    for (; len > 0; at++, len--) {
        crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xFF];
    }
    return ~crc;
}

#if defined(__x86_64__)
// The instruction takes a word in each cycle and has its answer in the third: three stripes side by
// side keep it busy. Multiplied by x^(8·n - 33), a checksum becomes that of its bytes with n zeroes
// behind them: the product lacks an x, and the instruction, which reduces it, adds x^32.
#    define STRIPE         ((size_t)512)
#    define BEHIND_STRIPE  0xdd7e3b0cU // x^(8·STRIPE - 33), reflected.
#    define BEHIND_STRIPES 0x170076faU // x^(16·STRIPE - 33)
#    define STRIPED        __attribute__((target("sse4.2,pclmul")))

STRIPED static inline u64 crc32c_behind(u64 crc, u32 factor)
{
    const __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((i64)crc), _mm_cvtsi64_si128((i64)factor), 0);
    return __builtin_ia32_crc32di(0, (u64)_mm_cvtsi128_si64(product));
}

// Whole stripes, three by three: how many bytes that were. *state: as between two words.
STRIPED static size_t crc32c_stripes(u64 *state, const u8 *bytes, size_t len)
{
    u64 a = *state;
    size_t at = 0;
    for (; len - at >= 3 * STRIPE; at += 3 * STRIPE) {
        u64 b = 0;
        u64 c = 0;
        for (const u8 *p = bytes + at; p < bytes + at + STRIPE; p += 8) {
            a = __builtin_ia32_crc32di(a, load_le64(p));
            b = __builtin_ia32_crc32di(b, load_le64(p + STRIPE));
            c = __builtin_ia32_crc32di(c, load_le64(p + 2 * STRIPE));
        }
        a = crc32c_behind(a, BEHIND_STRIPES) ^ crc32c_behind(b, BEHIND_STRIPE) ^ c;
    }
    *state = a;
    return at;
}

__attribute__((target("sse4.2"))) static u32 crc32c_sse42(u32 crc, const void *bytes, size_t len)
{
    const u8 *at = bytes;
    u64 wide = ~crc;
    if (len >= 3 * STRIPE && __builtin_cpu_supports("pclmul")) {
        const size_t striped = crc32c_stripes(&wide, at, len);
        at += striped;
        len -= striped;
    }
    for (; len >= 8; at += 8, len -= 8) {
        wide = __builtin_ia32_crc32di(wide, load_le64(at));
    }
    u32 narrow = (u32)wide;
    for (; len > 0; at++, len--) {
        narrow = __builtin_ia32_crc32qi(narrow, *at);
    }
    return ~narrow;
}

u32 crc32c(u32 crc, const void *bytes, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, bytes, len)
                                            : crc32c_portable(crc, bytes, len);
}
#else
u32 crc32c(u32 crc, const void *bytes, size_t len)
{
    return crc32c_portable(crc, bytes, len);
}
#endif
