// head_tokens_avx2.c: the tokens of two bytes that most open chunks are made of, four at a time.
//
//   eight bytes ─► 14 bits of each token to its lane ─► unfolded, shifted ─► summed over the lanes
//   ─► + the value before ─► doubles
//
// (I1) Integers below 2^51 become doubles by what is added to them: their bits are then those of a
// double between 2^52 and 2^53 that is as much larger than 1.5 · 2^52.
#include "tsdb/chunk_groups.h"
#include "tsdb/head_tokens.h"
#include "tsdb/head_window.h"

#if defined(__x86_64__)
#    include <immintrin.h>

#    define AVX2 __attribute__((target("avx2,fma,popcnt")))

#    define SHIFT_MOST 30U                  // A row of differences stays below 2^50,
#    define WHOLE_MOST ((i64)1 << 50)       // and so must what they begin with.
#    define MAGIC_BITS 0x4338000000000000LL // 1.5 · 2^52
#    define MAGIC      6755399441055744.0
static_assert((u64)ROWS_MAX << 13 << SHIFT_MOST <= (u64)WHOLE_MOST, "differences of 14 bits");

static AVX2 ALWAYS_INLINE __m256i differences_of(u64 four, __m128i shift)
{
    const __m128i swap = _mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i words = _mm_and_si128(_mm_shuffle_epi8(_mm_cvtsi64_si128((long long)four), swap),
                                        _mm_set1_epi16(0x3fff));
    const __m256i z = _mm256_cvtepu16_epi64(words);
    const __m256i sign =
        _mm256_sub_epi64(_mm256_setzero_si256(), _mm256_and_si256(z, _mm256_set1_epi64x(1)));
    return _mm256_sll_epi64(_mm256_xor_si256(_mm256_srli_epi64(z, 1), sign), shift);
}

// Of each lane the sum of those up to it.
static AVX2 ALWAYS_INLINE __m256i sums_of(__m256i v)
{
    const __m256i pairs = _mm256_add_epi64(v, _mm256_slli_si256(v, 8));
    const __m256i low = _mm256_permute4x64_epi64(pairs, _MM_SHUFFLE(1, 1, 0, 0));
    return _mm256_add_epi64(pairs, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xf0));
}

AVX2 u32 tokens_wide_avx2(struct tokens_wide *w, u32 n, f64 *values)
{
    const __m128i shift = _mm_cvtsi32_si128((int)w->shift);
    const __m256d magic = _mm256_set1_pd(MAGIC);
    __m256i whole = _mm256_set1_epi64x(w->whole);
    u32 k = 0;
    if (w->shift > SHIFT_MOST || w->whole >= WHOLE_MOST || w->whole <= -WHOLE_MOST) {
        return 0;
    }
    for (u64 four; n - k >= 4 && w->end - w->at >= 8; w->at += 8, k += 4) {
        memcpy(&four, w->at, sizeof(four));
        if ((four & FOUR_FIRST) != FOUR_WIDE) {
            break;
        }
        const __m256i v = _mm256_add_epi64(whole, sums_of(differences_of(four, shift)));
        const __m256i bits = _mm256_add_epi64(v, _mm256_set1_epi64x(MAGIC_BITS)); // (I1)
        _mm256_storeu_pd(values + k, _mm256_sub_pd(_mm256_castsi256_pd(bits), magic));
        whole = _mm256_permute4x64_epi64(v, _MM_SHUFFLE(3, 3, 3, 3));
    }
    w->whole = _mm_cvtsi128_si64(_mm256_castsi256_si128(whole));
    return k;
}

#else

u32 tokens_wide_avx2(struct tokens_wide *w, u32 n, f64 *values)
{
    (void)w;
    (void)n;
    (void)values;
    return 0;
}

#endif
