// chunk_ranks_avx2.c: constants and sparse columns, four values at a time.
#include "tsdb/chunk_groups.h"

#if defined(__x86_64__)
#    include <immintrin.h>

#    define AVX2 __attribute__((target("avx2,fma,popcnt")))

static AVX2 ALWAYS_INLINE __m256i lanes_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

static AVX2 ALWAYS_INLINE void lanes_store(__m256i v, u8 *out)
{
    _mm256_storeu_si256((__m256i_u *)(void *)out, v);
}

enum { CONSTANTS_BYTES = 8 * sizeof(__m256i) };
static_assert(CONSTANTS_MIN * sizeof(u64) >= CONSTANTS_BYTES + 2 * sizeof(__m256i), "they fit");

static AVX2 ALWAYS_INLINE void constants_store(__m256i v, u8 *out)
{
    lanes_store(v, out);
    lanes_store(v, out + 32);
    lanes_store(v, out + 64);
    lanes_store(v, out + 96);
    lanes_store(v, out + 128);
    lanes_store(v, out + 160);
    lanes_store(v, out + 192);
    lanes_store(v, out + 224);
}

// The first and the last go to where they belong, the others to whole registers' places between: a
// store that crosses a line of cache takes two turns, and half of them would.
AVX2 void constant_store_avx2(u64 word, u32 count, u8 *out)
{
    const __m256i v = _mm256_set1_epi64x((long long)word);
    u8 *last = out + (size_t)count * sizeof(word) - sizeof(v);
    u8 *at = out + sizeof(v) - (uintptr_t)out % sizeof(v);
    u8 *many = last - CONSTANTS_BYTES + sizeof(v) - (uintptr_t)last % sizeof(v);
    CHECK(count >= CONSTANTS_MIN);
    DCHECK((uintptr_t)out % _Alignof(u64) == 0);
    lanes_store(v, out);
    for (; at < many; at += CONSTANTS_BYTES) {
        constants_store(v, at);
    }
    constants_store(v, many); // Over some of them once more.
    lanes_store(v, last);
}

// Which of four values, as pairs of 32 bits, follow the first one, if these bits say where the next
// ones begin. The lowest bit says nothing here: it chose the first.
static const u32 rank_forms[2 * GROUP][GROUP] = {
    {0, 1, 0, 1, 0, 1, 0, 1}, {0, 1, 0, 1, 0, 1, 0, 1}, {0, 1, 2, 3, 2, 3, 2, 3},
    {0, 1, 2, 3, 2, 3, 2, 3}, {0, 1, 0, 1, 2, 3, 2, 3}, {0, 1, 0, 1, 2, 3, 2, 3},
    {0, 1, 2, 3, 4, 5, 4, 5}, {0, 1, 2, 3, 4, 5, 4, 5}, {0, 1, 0, 1, 0, 1, 2, 3},
    {0, 1, 0, 1, 0, 1, 2, 3}, {0, 1, 2, 3, 2, 3, 4, 5}, {0, 1, 2, 3, 2, 3, 4, 5},
    {0, 1, 0, 1, 2, 3, 4, 5}, {0, 1, 0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5, 6, 7},
    {0, 1, 2, 3, 4, 5, 6, 7},
};

// form: of four bits, in bytes from the first one.
static AVX2 ALWAYS_INLINE void ranks_quad(const u64 *values, u64 form, u8 *out)
{
    const __m256i ranks = lanes_load((const u8 *)rank_forms + form);
    lanes_store(_mm256_permutevar8x32_epi32(lanes_load(values), ranks), out);
}

AVX2 const u64 *ranks_store_avx2(const u8 *bitmap, const u64 *values, u32 count, u8 *out)
{
    const u64 forms = sizeof(rank_forms) - sizeof(rank_forms[0]); // The bits of any form.
    for (const u8 *end = bitmap + count / GROUP; bitmap != end; bitmap++, out += 64) {
        const u64 bits = *bitmap;
        const u64 *upper = values + __builtin_popcountll(bits & 31);
        ranks_quad(values + (bits & 1), bits * sizeof(rank_forms[0]) & forms, out);
        ranks_quad(upper, bits * (sizeof(rank_forms[0]) / 16) & forms, out + 32);
        values += __builtin_popcountll(bits);
    }
    return values;
}

#else

void constant_store_avx2(UNUSED u64 word, UNUSED u32 count, UNUSED u8 *out)
{
    CHECK(!"there is no such machine");
}

const u64 *ranks_store_avx2(UNUSED const u8 *bitmap, const u64 *values, UNUSED u32 count,
                            UNUSED u8 *out)
{
    CHECK(!"there is no such machine");
    return values;
}

#endif
