// map_group.h: sixteen control bytes of a map looked at at once: with SSE2, else with plain words.
//
// A control byte is 0x00..0x7F for a live slot (seven bits of its hash), else empty or deleted. The
// answer is a mask with one bit per slot. Both forms give the same masks; tests hold them together.
#ifndef BASE_MAP_GROUP_H
#define BASE_MAP_GROUP_H

#include "base/base.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

#define MAP_GROUP   16U
#define MAP_EMPTY   0x80
#define MAP_DELETED 0xFE

static inline u32 map_group_match_words(const u8 *ctrl, u8 wanted)
{
    u32 mask = 0;
    for (u32 half = 0; half < 2; half++) {
        u64 word;
        memcpy(&word, ctrl + (size_t)8 * half, sizeof(word));
        word ^= 0x0101010101010101ULL * wanted;
        // A byte is zero exactly if neither its low seven bits nor its top bit are set.
        u64 low = (word & 0x7F7F7F7F7F7F7F7FULL) + 0x7F7F7F7F7F7F7F7FULL;
        u64 zero = ~(low | word) & 0x8080808080808080ULL;
        // Gathers the eight top bits into one byte.
        mask |= (u32)((zero >> 7) * 0x0102040810204080ULL >> 56) << (8 * half);
    }
    return mask;
}

static inline u32 map_group_free_words(const u8 *ctrl)
{
    u32 mask = 0;
    for (u32 half = 0; half < 2; half++) {
        u64 word;
        memcpy(&word, ctrl + (size_t)8 * half, sizeof(word));
        word &= 0x8080808080808080ULL;
        mask |= (u32)((word >> 7) * 0x0102040810204080ULL >> 56) << (8 * half);
    }
    return mask;
}

#ifdef __SSE2__
static inline __m128i map_group_load(const u8 *ctrl)
{
    return _mm_loadu_si128((const __m128i *)(const void *)ctrl);
}
// The slots whose control byte is wanted.
static inline u32 map_group_match(const u8 *ctrl, u8 wanted)
{
    return (u32)_mm_movemask_epi8(
        _mm_cmpeq_epi8(map_group_load(ctrl), _mm_set1_epi8((char)wanted)));
}
// The slots that are empty or deleted.
static inline u32 map_group_free(const u8 *ctrl)
{
    return (u32)_mm_movemask_epi8(map_group_load(ctrl));
}
#else
static inline u32 map_group_match(const u8 *ctrl, u8 wanted)
{
    return map_group_match_words(ctrl, wanted);
}
static inline u32 map_group_free(const u8 *ctrl)
{
    return map_group_free_words(ctrl);
}
#endif

#endif
