#include "tsdb/head_tokens.h"

#include "base/bits.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_groups.h"

// What a reader of tokens knows. Threads: owned.
struct token_state {
    const u8 *at;
    const u8 *end;
    u64 bits;
    i64 whole;
    u32 exponent;
    u32 shift;
};

static inline u64 low_get(struct token_state *s, u32 bytes)
{
    u64 v = 0;
    CHECK((size_t)(s->end - s->at) >= bytes); // Ours, in memory.
    memcpy(&v, s->at, bytes);
    s->at += bytes;
    return v;
}

static inline void difference_get(struct token_state *s, u64 z)
{
    s->whole += (i64)((u64)bits_unzigzag(z) << s->shift);
    f64 v = s->exponent == 0 ? (f64)s->whole : (f64)s->whole / chunk_pow10[s->exponent];
    s->bits = bits_of_f64(v);
}

// A token that changes the value; false: it said something else about the next one.
static inline __attribute__((always_inline)) bool value_get(struct token_state *s, u8 token)
{
    if (token < TOKEN_5) {
        difference_get(s, (u64)(token & 0x3fU) << 8 | low_get(s, 1));
    } else if (token < TOKEN_20) {
        difference_get(s, token & 0x1fU);
    } else if (token < TOKEN_BYTES) {
        difference_get(s, (u64)(token & 0x0fU) << 16 | low_get(s, 2));
    } else if (token < TOKEN_WHOLE) {
        difference_get(s, low_get(s, token - TOKEN_BYTES + 1U));
    } else if (token == TOKEN_WHOLE) {
        u64 how = low_get(s, 1);
        s->exponent = (u32)how & 31U;
        s->shift = 0;
        s->whole = 0;
        CHECK(s->exponent <= EXPONENT_MAX);
        difference_get(s, low_get(s, (u32)how >> 5));
    } else if (token == TOKEN_RAW) {
        s->bits = low_get(s, 8);
    } else if (token == TOKEN_SHIFT) {
        s->shift = (u32)low_get(s, 1);
        return false;
    } else {
        s->bits ^= low_get(s, token - TOKEN_XOR + 5U);
    }
    return true;
}

// The bits of a difference of a run of small ones, and how many bytes it takes.
static inline u64 small_get(const u8 *at, u32 *bytes)
{
    const u32 wide = at[0] < TOKEN_5;
    *bytes = 1 + wide;
    return wide ? (u64)(at[0] & 0x3fU) << 8 | at[1] : at[0] & 0x1fU;
}

static inline i64 difference_of(u64 z, u32 shift)
{
    return (i64)((u64)bits_unzigzag(z) << shift);
}

// Where what is read goes: as doubles or, if there are none, as integers. Which of them is known
// where these functions are expanded. Threads: owned by the call.
struct token_out {
    f64 *values;
    i64 *ints;
};

static inline __attribute__((always_inline)) void out_put(struct token_out to, u32 k, i64 whole)
{
    if (to.values) {
        to.values[k] = (f64)whole;
    } else {
        to.ints[k] = whole;
    }
}

// As long as four tokens of two bytes follow each other: what is one does not have to be known
// before the next is read. From the k-th of n values on; returns behind which it stopped.
static inline __attribute__((always_inline)) u32 wide_decode(struct token_state *s, u32 k, u32 n,
                                                             struct token_out to)
{
    const u8 *at = s->at;
    const u32 shift = s->shift;
    i64 whole = s->whole;
    for (u64 four; n - k >= 4 && s->end - at >= 8; at += 8, k += 4) {
        memcpy(&four, at, sizeof(four));
        if ((four & FOUR_FIRST) != FOUR_WIDE) {
            break;
        }
        const i64 one = whole + difference_of((four & 0x3f) << 8 | (four >> 8 & 0xff), shift);
        const i64 two = difference_of((four >> 16 & 0x3f) << 8 | (four >> 24 & 0xff), shift) + one;
        const i64 three =
            difference_of((four >> 32 & 0x3f) << 8 | (four >> 40 & 0xff), shift) + two;
        whole = difference_of((four >> 48 & 0x3f) << 8 | (four >> 56 & 0xff), shift) + three;
        out_put(to, k, one);
        out_put(to, k + 1, two);
        out_put(to, k + 2, three);
        out_put(to, k + 3, whole);
    }
    s->at = at;
    s->whole = whole;
    return k;
}

// The same where the machine can do four at once.
static __attribute__((noinline)) u32 wide_decode_fast(struct token_state *s, u32 k, u32 n,
                                                      f64 *values)
{
    struct tokens_wide w = {.at = s->at, .end = s->end, .whole = s->whole, .shift = s->shift};
    if (avx2_here()) {
        k += tokens_wide_avx2(&w, n - k, values + k);
        s->at = w.at;
        s->whole = w.whole;
    }
    return wide_decode(s, k, n, (struct token_out){.values = values});
}

static inline bool are_wide(const struct token_state *s)
{
    u64 four = 0;
    if (s->end - s->at < 8) {
        return false;
    }
    memcpy(&four, s->at, sizeof(four));
    return (four & FOUR_FIRST) == FOUR_WIDE;
}

static inline bool is_small(const struct token_state *s)
{
    return s->at < s->end && s->at[0] >= TOKEN_14 && s->at[0] < TOKEN_20;
}

// Small differences one after the other, as long as they come. They are most of what a chunk that
// moves is made of, so whatever stays the same meanwhile is looked at once.
static inline __attribute__((always_inline)) u32 small_decode(struct token_state *s, u32 k, u32 n,
                                                              struct token_out to)
{
    const u32 shift = s->shift;
    u32 bytes;
    while (is_small(s)) {
        if (!to.values) {
            k = wide_decode(s, k, n, to);
        } else if (are_wide(s)) {
            k = wide_decode_fast(s, k, n, to.values);
        }
        for (u32 i = 0; i < 4 && is_small(s); i++, k++) {
            CHECK(k < n && s->end - s->at > (s->at[0] < TOKEN_5)); // Ours, in memory.
            s->whole += difference_of(small_get(s->at, &bytes), shift);
            out_put(to, k, s->whole);
            s->at += bytes;
        }
    }
    return k;
}

// Two at a time: each is divided as it would be alone.
typedef f64 quotient_pair __attribute__((vector_size(16)));
static void values_divide(f64 *values, u32 n, f64 by)
{
    const quotient_pair both = {by, by};
    u32 i = 0;
    for (quotient_pair v; i + 2 <= n; i += 2) {
        memcpy(&v, values + i, sizeof(v));
        v /= both;
        memcpy(values + i, &v, sizeof(v));
    }
    if (i < n) {
        values[i] /= by;
    }
}

// At least one of them; how many.
static u32 differences_decode(struct token_state *s, u32 n, f64 *values)
{
    const f64 power = chunk_pow10[s->exponent];
    const u32 k = small_decode(s, 0, n, (struct token_out){.values = values});
    // What the last one says is known to the next token as bits, so it is divided like the others.
    if (s->exponent > 0) {
        values_divide(values, k, power);
    }
    s->bits = bits_of_f64(values[k - 1]);
    return k;
}

void open_tokens_decode(str tokens, u32 n, f64 *values, u8 *present, u32 first)
{
    const u8 *start = (const u8 *)tokens.ptr;
    struct token_state s = {.at = start, .end = start + tokens.len};
    u32 row = first;
    u32 k = 0;
    while (s.at < s.end) {
        u8 token = *s.at++;
        u32 times = 1;
        if (token == TOKEN_GAP) {
            row += (u32)low_get(&s, 1);
            continue;
        }
        if (token >= TOKEN_14 && token < TOKEN_20 && !present) { // By far the most.
            s.at--;
            k += differences_decode(&s, n - k, values + k);
            continue;
        }
        if (token < TOKEN_14) {
            times = token + 1U;
        } else if (!value_get(&s, token)) {
            continue;
        }
        CHECK(times <= n - k);
        for (; times > 0; times--, row++) {
            values[k++] = f64_of_bits(s.bits);
            if (present) {
                present[row / 8] |= (u8)(1U << (row % 8));
            }
        }
    }
    CHECK(k == n);
}

#define WHOLE_BITS_MAX 52U // Beyond, the packer rounds in another way.

static bool are_below(const i64 *ints, u32 n)
{
    u64 all = 0;
    for (u32 i = 0; i < n; i++) {
        all |= (u64)(ints[i] ^ ints[i] >> 63);
    }
    return all >> WHOLE_BITS_MAX == 0;
}

// One more token of differences that are not small, of a shift or of repeats; false: another.
static bool whole_token(struct token_state *s, u32 *k, u32 n, i64 *ints)
{
    const u8 token = *s->at++;
    u32 times = 1;
    if (token < TOKEN_14) {
        times = token + 1U;
    } else if (token < TOKEN_BYTES) {
        s->whole += difference_of((u64)(token & 0x0fU) << 16 | low_get(s, 2), s->shift);
    } else if (token < TOKEN_WHOLE) {
        s->whole += difference_of(low_get(s, token - TOKEN_BYTES + 1U), s->shift);
    } else if (token == TOKEN_SHIFT) {
        s->shift = (u32)low_get(s, 1);
        times = 0;
    } else {
        return false;
    }
    CHECK(times <= n - *k);
    while (times-- > 0) {
        ints[(*k)++] = s->whole;
    }
    return true;
}

u32 open_tokens_whole(str tokens, u32 n, i64 *ints, u32 *exponent)
{
    const u8 *start = (const u8 *)tokens.ptr;
    struct token_state s = {.at = start, .end = start + tokens.len};
    u32 k = 1;
    if (s.at == s.end || *s.at++ != TOKEN_WHOLE || !value_get(&s, TOKEN_WHOLE)) {
        return 0;
    }
    ints[0] = s.whole;
    *exponent = s.exponent;
    if (s.at == s.end || (s.end - s.at == 1 && *s.at < TOKEN_14)) {
        return are_below(ints, 1); // It never moved.
    }
    while (s.at < s.end) {
        if (is_small(&s)) {
            k = small_decode(&s, k, n, (struct token_out){.ints = ints});
        } else if (!whole_token(&s, &k, n, ints)) {
            return 0;
        }
    }
    CHECK(k == n);
    return are_below(ints, n) ? n : 0;
}
