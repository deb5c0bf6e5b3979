// chunk_unpack_avx2.c: the residuals of a column, a group of eight at a time; constants and sparse
// columns, four values at a time.
//
//   w bytes ─► the bytes of each value to its lane ─► shifted, masked ─► unfolded ─► summed over
//   the lanes ─► doubles ─► · gcd ─► + the value before ─► ÷ a power of ten ─► stored
//
// Lanes have 32 bits, of columns with wide groups 64. From the sum on everything is a double, and
// exact: only columns are read here whose widths, base, divisor and length leave every sum within
// the bits of a lane and of a double. Those are almost all; the others are for chunk_unpack.c,
// which this equals bit for bit. The chain from group to group is one addition.
//
// (I1) No load passes the end of the input: a group is read in place only where group_bytes are
// left, the last ones from a copy with room behind it.
// (I2) Quotients are those of a division. Of a whole a below 2^53 and 10^e, e ≤ 15: a · (1 / 10^e),
// rounded twice, is less than two last places off. What is left of a is exact, since 5^e has 35
// bits at most, and leads to within 2^-52 last places of the quotient. That is never as near to the
// middle of two doubles, where rounding turns: 5^e times the distance is a whole number of halves.
#include "base/bits.h"
#include "tsdb/chunk_groups.h"

#include <math.h>

#if defined(__x86_64__)
#    include <immintrin.h>

#    define AVX2 __attribute__((target("avx2,fma,popcnt")))

enum {
    LANE_WIDTH_MAX = 25,     // With a shift of 7 bits it fits a lane.
    LANE_BASE_MAX = 1 << 24, // Then a sum of sums of eight still does.
    WIDE_WIDTH_MAX = 51,
    // So far loads may reach from where a group begins.
    NARROW_BYTES = LANE_WIDTH_MAX + 16,
    WIDE_BYTES = WIDE_WIDTH_MAX * 6 / 8 + 16,
};
#    define EXACT_LIMIT 0x1p51 // And of integers as the low bits of a double.
#    define DIVISOR_MAX 1e15

// How the values of a group of one width lie: of 16 bytes from the first, and 16 from byte `half`,
// which byte of each value, and how many bits on.
struct width_form {
    u32 bytes[GROUP]; // For the shuffle of bytes: four of them each.
    u32 shift[GROUP];
    u32 mask;
    u32 half;
};

#    define PLACE(w, k)   ((k) / 4 * 4 * (w) % 8 + (k) % 4 * (w))
#    define SHUFFLE(w, k) (0x03020100U + 0x01010101U * (PLACE(w, k) / 8))
#    define SHIFT(w, k)   (PLACE(w, k) % 8)
#    define FORM(w)                                                                                \
        {                                                                                          \
            .bytes = {SHUFFLE(w, 0), SHUFFLE(w, 1), SHUFFLE(w, 2), SHUFFLE(w, 3),                  \
                      SHUFFLE(w, 4), SHUFFLE(w, 5), SHUFFLE(w, 6), SHUFFLE(w, 7)},                 \
            .shift = {SHIFT(w, 0), SHIFT(w, 1), SHIFT(w, 2), SHIFT(w, 3),                          \
                      SHIFT(w, 4), SHIFT(w, 5), SHIFT(w, 6), SHIFT(w, 7)},                         \
            .mask = (1U << (w)) - 1, .half = (w) / 2                                               \
        }

static const struct width_form forms[LANE_WIDTH_MAX + 1] = {
    FORM(0),  FORM(1),  FORM(2),  FORM(3),  FORM(4),  FORM(5),  FORM(6),  FORM(7),  FORM(8),
    FORM(9),  FORM(10), FORM(11), FORM(12), FORM(13), FORM(14), FORM(15), FORM(16), FORM(17),
    FORM(18), FORM(19), FORM(20), FORM(21), FORM(22), FORM(23), FORM(24), FORM(25),
};

// The same with lanes of 64 bits: pairs of values, of 16 bytes each from byte `place`; which byte
// the lowest of each value is, and how many bits on.
struct wide_form {
    u64 bytes[GROUP];
    u64 shift[GROUP];
    u32 place[GROUP / 2];
};

#    define PAIR_BIT(w, k) ((k) / 2 * 2 * (w) % 8 + (k) % 2 * (w))
#    define WIDE_SHUFFLE(w, k)                                                                     \
        (0x0706050403020100ULL + 0x0101010101010101ULL * (PAIR_BIT(w, k) / 8))
#    define WIDE_SHIFT(w, k) (PAIR_BIT(w, k) % 8)
#    define WIDE(w)                                                                                \
        {                                                                                          \
            .bytes = {WIDE_SHUFFLE(w, 0), WIDE_SHUFFLE(w, 1), WIDE_SHUFFLE(w, 2),                  \
                      WIDE_SHUFFLE(w, 3), WIDE_SHUFFLE(w, 4), WIDE_SHUFFLE(w, 5),                  \
                      WIDE_SHUFFLE(w, 6), WIDE_SHUFFLE(w, 7)},                                     \
            .shift = {WIDE_SHIFT(w, 0), WIDE_SHIFT(w, 1), WIDE_SHIFT(w, 2), WIDE_SHIFT(w, 3),      \
                      WIDE_SHIFT(w, 4), WIDE_SHIFT(w, 5), WIDE_SHIFT(w, 6), WIDE_SHIFT(w, 7)},     \
            .place = {                                                                             \
                0,                                                                                 \
                (w) / 4,                                                                           \
                (w) / 2,                                                                           \
                (w)*3 / 4                                                                          \
            }                                                                                      \
        }

static const struct wide_form wides[WIDE_WIDTH_MAX + 1] = {
    WIDE(0),  WIDE(1),  WIDE(2),  WIDE(3),  WIDE(4),  WIDE(5),  WIDE(6),  WIDE(7),  WIDE(8),
    WIDE(9),  WIDE(10), WIDE(11), WIDE(12), WIDE(13), WIDE(14), WIDE(15), WIDE(16), WIDE(17),
    WIDE(18), WIDE(19), WIDE(20), WIDE(21), WIDE(22), WIDE(23), WIDE(24), WIDE(25), WIDE(26),
    WIDE(27), WIDE(28), WIDE(29), WIDE(30), WIDE(31), WIDE(32), WIDE(33), WIDE(34), WIDE(35),
    WIDE(36), WIDE(37), WIDE(38), WIDE(39), WIDE(40), WIDE(41), WIDE(42), WIDE(43), WIDE(44),
    WIDE(45), WIDE(46), WIDE(47), WIDE(48), WIDE(49), WIDE(50), WIDE(51),
};

// Constants wherever the code below is expanded.
struct mode {
    enum steps steps;
    bool divided;
    bool based;
    bool wide;
};

// The same in each lane.
struct lanes {
    __m256d x;     // The value before; STEPS_NONE: x0.
    __m256d delta; // The step before.
    __m256d gcd;
    __m256d divisor;
    __m256d inverse;
    __m256i base;
};

bool avx2_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt");
}

bool avx2_reads(const struct groups *r, const struct sums *s, enum steps steps, enum unpack_as as)
{
    const f64 n = r->count + (f64)GROUP; // The last group has lanes that nobody asked for.
    const f64 base = fabs((f64)(i64)r->base);
    if (as == UNPACK_RAW || steps == STEPS_UNFOLD || r->width_max > WIDE_WIDTH_MAX ||
        (as == UNPACK_DEC && s->divisor > DIVISOR_MAX)) {
        return false;
    }
    const f64 step = ((f64)(1ULL << r->width_max) + base) * (f64)s->gcd;
    const f64 x = fabs((f64)(i64)s->x);
    const f64 delta = fabs((f64)(i64)s->delta);
    switch (steps) {
    case STEPS_NONE:
        return x + step < EXACT_LIMIT;
    case STEPS_SUM:
        return x + n * step < EXACT_LIMIT;
    case STEPS_SUM2:
        return x + n * (delta + n * step) < EXACT_LIMIT;
    case STEPS_UNFOLD:
        break;
    }
    return false;
}

static AVX2 ALWAYS_INLINE __m256i lanes_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

// Lane k becomes the sum of lanes 0 … k.
static AVX2 ALWAYS_INLINE __m256i lanes_summed(__m256i v)
{
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 4));
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 8));
    const __m256i lower = _mm256_permute2x128_si256(v, v, 0x08); // To the upper half; zero below.
    return _mm256_add_epi32(v, _mm256_shuffle_epi32(lower, 0xFF));
}

static AVX2 ALWAYS_INLINE __m256d lanes_last(__m256d v)
{
    return _mm256_permute4x64_pd(v, 0xFF);
}

static AVX2 ALWAYS_INLINE __m256d lower_doubles(__m256i v)
{
    return _mm256_cvtepi32_pd(_mm256_castsi256_si128(v));
}

static AVX2 ALWAYS_INLINE __m256d upper_doubles(__m256i v)
{
    return _mm256_cvtepi32_pd(_mm256_extracti128_si256(v, 1));
}

// Eight residuals from the bytes at p, of which GROUP_BYTES may be read.
static AVX2 ALWAYS_INLINE __m256i group_load(const u8 *p, u32 width)
{
    const struct width_form *f = &forms[width];
    const __m128i first = _mm_loadu_si128((const __m128i_u *)(const void *)p);
    const __m128i second = _mm_loadu_si128((const __m128i_u *)(const void *)(p + f->half));
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
    const __m256i v = _mm256_shuffle_epi8(both, lanes_load(f->bytes));
    return _mm256_and_si256(_mm256_srlv_epi32(v, lanes_load(f->shift)),
                            _mm256_set1_epi32((int)f->mask));
}

// (I2)
static AVX2 ALWAYS_INLINE __m256d divided(__m256d v, const struct lanes *l)
{
    const __m256d near = _mm256_mul_pd(v, l->inverse);
    const __m256d left = _mm256_fnmadd_pd(near, l->divisor, v);
    return _mm256_fmadd_pd(left, l->inverse, near);
}

static AVX2 ALWAYS_INLINE void doubles_store(__m256d v, const struct lanes *l, struct mode m,
                                             u8 *out)
{
    _mm256_storeu_pd((double *)(void *)out, m.divided ? divided(v, l) : v);
}

// What a group adds up to, in units of the gcd. Threads: values.
struct group_sums {
    __m256d lower;
    __m256d upper;
    __m256d step; // STEPS_SUM2: of all eight, once.
};

static AVX2 ALWAYS_INLINE struct group_sums narrow_sums(const u8 *at, u32 width,
                                                        const struct lanes *l, struct mode m)
{
    struct group_sums g = {.step = _mm256_setzero_pd()};
    __m256i v = group_load(at, width);
    if (m.steps != STEPS_NONE && m.based) {
        v = _mm256_add_epi32(v, l->base);
    } else if (m.steps != STEPS_NONE) {
        const __m256i odd = _mm256_and_si256(v, _mm256_set1_epi32(1));
        v = _mm256_xor_si256(_mm256_srli_epi32(v, 1),
                             _mm256_sub_epi32(_mm256_setzero_si256(), odd));
    }
    if (m.steps != STEPS_NONE) {
        v = lanes_summed(v);
    }
    if (m.steps == STEPS_SUM2) {
        g.step = lanes_last(upper_doubles(v));
        v = lanes_summed(v);
    }
    g.lower = lower_doubles(v);
    g.upper = upper_doubles(v);
    return g;
}

// Eight lanes of 64 bits. Threads: values.
struct wide_lanes {
    __m256i lower;
    __m256i upper;
};

static AVX2 ALWAYS_INLINE __m256i pairs_load(const u8 *first, const u8 *second, const u64 *bytes,
                                             const u64 *shift)
{
    const __m128i a = _mm_loadu_si128((const __m128i_u *)(const void *)first);
    const __m128i b = _mm_loadu_si128((const __m128i_u *)(const void *)second);
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    return _mm256_srlv_epi64(_mm256_shuffle_epi8(both, lanes_load(bytes)), lanes_load(shift));
}

static AVX2 ALWAYS_INLINE struct wide_lanes wide_load(const u8 *p, u32 width)
{
    const struct wide_form *f = &wides[width];
    const __m256i mask = _mm256_set1_epi64x((long long)((1ULL << width) - 1));
    const __m256i a = pairs_load(p, p + f->place[1], f->bytes, f->shift);
    const __m256i b = pairs_load(p + f->place[2], p + f->place[3], f->bytes + 4, f->shift + 4);
    return (struct wide_lanes){_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)};
}

static AVX2 ALWAYS_INLINE __m256i wide_unfolded(__m256i v, const struct lanes *l, struct mode m)
{
    if (m.based) {
        return _mm256_add_epi64(v, l->base);
    }
    const __m256i odd = _mm256_and_si256(v, _mm256_set1_epi64x(1));
    return _mm256_xor_si256(_mm256_srli_epi64(v, 1), _mm256_sub_epi64(_mm256_setzero_si256(), odd));
}

static AVX2 ALWAYS_INLINE __m256i quad_summed(__m256i v)
{
    v = _mm256_add_epi64(v, _mm256_slli_si256(v, 8));
    const __m256i lower = _mm256_permute2x128_si256(v, v, 0x08); // To the upper half; zero below.
    return _mm256_add_epi64(v, _mm256_unpackhi_epi64(lower, lower));
}

static AVX2 ALWAYS_INLINE struct wide_lanes wide_summed(struct wide_lanes v)
{
    v.lower = quad_summed(v.lower);
    v.upper = _mm256_add_epi64(quad_summed(v.upper), _mm256_permute4x64_epi64(v.lower, 0xFF));
    return v;
}

// Of integers within EXACT_LIMIT: they are the low bits of a double that is taken away again.
static AVX2 ALWAYS_INLINE __m256d wide_doubles(__m256i v)
{
    const __m256d offset = _mm256_set1_pd(0x1.8p52);
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(v, _mm256_castpd_si256(offset))),
                         offset);
}

static AVX2 ALWAYS_INLINE struct group_sums wide_sums(const u8 *at, u32 width,
                                                      const struct lanes *l, struct mode m)
{
    struct group_sums g = {.step = _mm256_setzero_pd()};
    struct wide_lanes v = wide_load(at, width);
    if (m.steps != STEPS_NONE) {
        v.lower = wide_unfolded(v.lower, l, m);
        v.upper = wide_unfolded(v.upper, l, m);
        v = wide_summed(v);
    }
    if (m.steps == STEPS_SUM2) {
        g.step = lanes_last(wide_doubles(v.upper));
        v = wide_summed(v);
    }
    g.lower = wide_doubles(v.lower);
    g.upper = wide_doubles(v.upper);
    return g;
}

static AVX2 ALWAYS_INLINE void group_run(const u8 *at, u32 width, struct lanes *l, struct mode m,
                                         u8 *out)
{
    const struct group_sums g = m.wide ? wide_sums(at, width, l, m) : narrow_sums(at, width, l, m);
    __m256d lower = l->x;
    __m256d upper = l->x;
    if (m.steps == STEPS_SUM2) {
        lower = _mm256_add_pd(lower, _mm256_mul_pd(l->delta, _mm256_set_pd(4, 3, 2, 1)));
        upper = _mm256_add_pd(upper, _mm256_mul_pd(l->delta, _mm256_set_pd(8, 7, 6, 5)));
        l->delta = _mm256_add_pd(l->delta, _mm256_mul_pd(g.step, l->gcd));
    }
    const __m256d own = _mm256_mul_pd(g.upper, l->gcd);
    lower = _mm256_add_pd(lower, _mm256_mul_pd(g.lower, l->gcd));
    upper = _mm256_add_pd(upper, own);
    if (m.steps == STEPS_SUM) {
        l->x = _mm256_add_pd(l->x, lanes_last(own));
    } else if (m.steps == STEPS_SUM2) {
        l->x = lanes_last(upper);
    }
    doubles_store(lower, l, m, out);
    doubles_store(upper, l, m, out + 32);
}

static AVX2 ALWAYS_INLINE struct lanes lanes_make(const struct sums *s, bool wide)
{
    return (struct lanes){.x = _mm256_set1_pd((f64)(i64)s->x),
                          .delta = _mm256_set1_pd((f64)(i64)s->delta),
                          .gcd = _mm256_set1_pd((f64)s->gcd),
                          .divisor = _mm256_set1_pd(s->divisor),
                          .inverse = _mm256_set1_pd(1.0 / s->divisor),
                          .base = wide ? _mm256_set1_epi64x((i64)s->base)
                                       : _mm256_set1_epi32((int)(i64)s->base)};
}

// Where whole groups are read from. Threads: owned.
struct place {
    const u8 *at;
    const u8 *end;
    u32 group; // Next.
};

// As group_width; none is wide enough to be stored otherwise.
static AVX2 ALWAYS_INLINE u32 lane_width(const struct groups *g, u32 group)
{
    if (!g->mb) {
        return g->width_min;
    }
    const u32 bit = group << g->code_log;
    const u32 code = (u32)g->codes[bit / 8] >> (bit % 8) & ((1U << (1U << g->code_log)) - 1);
    return g->width_min + code * g->step;
}

static AVX2 ALWAYS_INLINE u32 group_bytes(struct mode m)
{
    return m.wide ? WIDE_BYTES : NARROW_BYTES;
}

// Whole groups, as many as can be read without looking whether one ends in time.
static AVX2 ALWAYS_INLINE struct place whole_run(const struct groups *g, struct place p,
                                                 struct lanes *l, struct mode m, u8 *out)
{
    const u32 whole = g->count / GROUP;
    while (p.group < whole && p.end - p.at >= group_bytes(m)) {
        const u32 width = lane_width(g, p.group);
        group_run(p.at, width, l, m, out + (size_t)p.group * GROUP * 8);
        p.at += width;
        p.group++;
    }
    return p;
}

// All groups, in place as far as that goes, the rest from a copy with zeroes behind it. Moves at
// behind the last of them.
static AVX2 ALWAYS_INLINE bool groups_run(struct groups *r, const struct sums *s, struct mode m,
                                          u8 *out)
{
    const struct groups g = *r; // The stores to out might alias what is behind a pointer.
    const u32 whole = g.count / GROUP;
    const u32 here = g.count % GROUP;
    struct lanes l = lanes_make(s, m.wide);
    UNINIT u8 copy[2 * WIDE_BYTES];
    struct place p = {.at = g.at, .end = g.end};
    p = whole_run(&g, p, &l, m, out);
    const u8 *from = p.at;
    const size_t left = MIN((size_t)(p.end - p.at), (size_t)group_bytes(m));
    memcpy(copy, from, left);
    memset(copy + left, 0, sizeof(copy) - left);
    p.at = copy;
    p.end = copy + left + group_bytes(m); // One group may begin where nothing is left.
    p = whole_run(&g, p, &l, m, out);
    if (p.group < whole || p.end - p.at < group_bytes(m)) {
        return false; // The groups before took more than there was.
    }
    if (here > 0) {
        UNINIT u8 last[GROUP * 8];
        const u32 width = lane_width(&g, whole);
        group_run(p.at, width, &l, m, last);
        memcpy(out + (size_t)whole * GROUP * 8, last, (size_t)here * 8);
        p.at += (width * here + 7) / 8;
    }
    const size_t used = (size_t)(p.at - copy);
    r->at = from + used;
    return used <= left;
}

static AVX2 ALWAYS_INLINE bool lanes_run(struct groups *r, const struct sums *s, struct mode m,
                                         u8 *out)
{
    m.wide = r->width_max > LANE_WIDTH_MAX || fabs((f64)(i64)r->base) > LANE_BASE_MAX;
    return m.wide ? groups_run(r, s, (struct mode){m.steps, m.divided, m.based, true}, out)
                  : groups_run(r, s, (struct mode){m.steps, m.divided, m.based, false}, out);
}

static AVX2 ALWAYS_INLINE bool steps_run(struct groups *r, const struct sums *s, enum steps steps,
                                         enum unpack_as as, u8 *out)
{
    if (steps != STEPS_NONE && r->based) {
        return as == UNPACK_DEC ? lanes_run(r, s, (struct mode){steps, true, true, false}, out)
                                : lanes_run(r, s, (struct mode){steps, false, true, false}, out);
    }
    return as == UNPACK_DEC ? lanes_run(r, s, (struct mode){steps, true, false, false}, out)
                            : lanes_run(r, s, (struct mode){steps, false, false, false}, out);
}

AVX2 bool residuals_run_avx2(struct groups *r, const struct sums *s, enum steps steps,
                             enum unpack_as as, u8 *out)
{
    switch (steps) {
    case STEPS_NONE:
        return !r->based && steps_run(r, s, STEPS_NONE, as, out);
    case STEPS_SUM:
        return steps_run(r, s, STEPS_SUM, as, out);
    case STEPS_SUM2:
        return steps_run(r, s, STEPS_SUM2, as, out);
    case STEPS_UNFOLD:
        break;
    }
    CHECK(!"residuals that are to stay as they are");
    return false;
}

AVX2 u32 constant_store_avx2(u64 word, u32 count, u8 *out)
{
    const __m256i v = _mm256_set1_epi64x((long long)word);
    const u32 whole = count / GROUP * GROUP;
    for (u32 i = 0; i < whole; i += GROUP) {
        _mm256_storeu_si256((__m256i_u *)(void *)(out + (size_t)i * 8), v);
        _mm256_storeu_si256((__m256i_u *)(void *)(out + (size_t)i * 8 + 32), v);
    }
    return whole;
}

// Which of four values, as pairs of 32 bits, follow the first one, if these bits say where the next
// ones begin.
static const u32 rank_forms[GROUP][GROUP] = {
    {0, 1, 0, 1, 0, 1, 0, 1}, {0, 1, 2, 3, 2, 3, 2, 3}, {0, 1, 0, 1, 2, 3, 2, 3},
    {0, 1, 2, 3, 4, 5, 4, 5}, {0, 1, 0, 1, 0, 1, 2, 3}, {0, 1, 2, 3, 2, 3, 4, 5},
    {0, 1, 0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5, 6, 7},
};

static AVX2 ALWAYS_INLINE void ranks_quad(const u64 *values, u32 bits, u8 *out)
{
    const __m256i v = lanes_load(values + (bits & 1));
    _mm256_storeu_si256((__m256i_u *)(void *)out,
                        _mm256_permutevar8x32_epi32(v, lanes_load(rank_forms[bits >> 1 & 7])));
}

AVX2 const u64 *ranks_store_avx2(const u8 *bitmap, const u64 *values, u32 count, u8 *out)
{
    for (u32 i = 0; i + GROUP <= count; i += GROUP, out += sizeof(u64) * GROUP) {
        const u32 bits = bitmap[i / GROUP];
        ranks_quad(values, bits, out);
        ranks_quad(values + __builtin_popcount(bits & 15), bits >> 4, out + 32);
        values += __builtin_popcount(bits);
    }
    return values;
}

#else

bool avx2_here(void)
{
    return false;
}

bool avx2_reads(UNUSED const struct groups *r, UNUSED const struct sums *s, UNUSED enum steps steps,
                UNUSED enum unpack_as as)
{
    return false;
}

bool residuals_run_avx2(UNUSED struct groups *r, UNUSED const struct sums *s,
                        UNUSED enum steps steps, UNUSED enum unpack_as as, UNUSED u8 *out)
{
    CHECK(!"there is no such machine");
    return false;
}

u32 constant_store_avx2(UNUSED u64 word, UNUSED u32 count, UNUSED u8 *out)
{
    CHECK(!"there is no such machine");
    return 0;
}

const u64 *ranks_store_avx2(UNUSED const u8 *bitmap, const u64 *values, UNUSED u32 count,
                            UNUSED u8 *out)
{
    CHECK(!"there is no such machine");
    return values;
}

#endif
