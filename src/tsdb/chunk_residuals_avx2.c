// chunk_residuals_avx2.c: the residuals of a column, a group of eight at a time.
//
//   w bytes ─► the bytes of each value to its lane ─► shifted, masked ─► unfolded ─► summed over
//   the lanes ─► doubles ─► · gcd ─► + the value before ─► ÷ a power of ten ─► stored
//
// Lanes have 32 bits, of columns with wide groups 64. Behind the sum either everything is a double,
// and exact: only columns are read so whose widths, base, divisor and length leave every sum within
// the bits of a lane and of a double. Or, where 64 bits are wanted as they are, everything is an
// integer, modulo 2^64. Those are almost all columns; the others are for chunk_residuals.c, which
// this equals bit for bit.
//
// (I1) No load passes the end of the input (group_walk).
// (I2) Quotients are those of a division. Of a whole a below 2^53 and 10^e, e ≤ 15: a · (1 / 10^e),
// rounded twice, is less than two last places off. What is left of a is exact, since 5^e has 35
// bits at most, and leads to within 2^-52 last places of the quotient. That is never as near to the
// middle of two doubles, where rounding turns: 5^e times the distance is a whole number of halves.
#include "tsdb/chunk_groups.h"

#include <math.h>

#if defined(__x86_64__)
#    include <immintrin.h>

#    define AVX2 __attribute__((target("avx2,fma,popcnt")))

enum {
    LANE_WIDTH_MAX = 25,     // With a shift of 7 bits it fits a lane.
    LANE_BASE_MAX = 1 << 24, // Then a sum of sums of eight still does.
    LANE_GCD_MAX = 1 << 28,  // Four times that is a factor of 32 bits, with a sign.
    WIDE_WIDTH_MAX = 51,
};
static_assert(MAX(LANE_WIDTH_MAX / 2, WIDE_WIDTH_MAX * 3 / 4) + sizeof(__m128i) <= REACH_MAX,
              "a walk's copy has room for it twice");
#    define DIVISOR_MAX 1e15

// How the values of a group of one width lie: of 16 bytes from the first, and 16 from byte `half`,
// which byte of each value, and how many bits on.
struct width_form {
    u32 bytes[GROUP]; // For the shuffle of bytes: four of them each.
    u32 shift[GROUP];
    u32 mask[GROUP];
    u32 half;
    u32 fill[GROUP - 1]; // To a power of two, which costs less to multiply by.
};

#    define PLACE(w, k)   ((k) / 4 * 4 * (w) % 8 + (k) % 4 * (w))
#    define SHUFFLE(w, k) (0x03020100U + 0x01010101U * (PLACE(w, k) / 8))
#    define SHIFT(w, k)   (PLACE(w, k) % 8)
#    define ONES(w)       ((1U << (w)) - 1)
#    define FORM(w)                                                                                \
        {                                                                                          \
            .bytes = {SHUFFLE(w, 0), SHUFFLE(w, 1), SHUFFLE(w, 2), SHUFFLE(w, 3),                  \
                      SHUFFLE(w, 4), SHUFFLE(w, 5), SHUFFLE(w, 6), SHUFFLE(w, 7)},                 \
            .shift = {SHIFT(w, 0), SHIFT(w, 1), SHIFT(w, 2), SHIFT(w, 3),                          \
                      SHIFT(w, 4), SHIFT(w, 5), SHIFT(w, 6), SHIFT(w, 7)},                         \
            .mask = {ONES(w), ONES(w), ONES(w), ONES(w), ONES(w), ONES(w), ONES(w), ONES(w)},      \
            .half = (w) / 2                                                                        \
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
    enum unpack_as as;
    bool based;
    bool wide;
};

// The same in each lane, but for delta of UNPACK_RAW. Threads: owned by the call.
struct lanes {
    __m256d x;     // The value before; STEPS_NONE: x0.
    __m256d delta; // The step before.
    __m256d gcd;
    __m256d divisor;
    __m256d inverse;
    __m256i base;
    __m256i raw_x;     // The same for UNPACK_RAW, as integers.
    __m256i raw_delta; // · 1, 2, 3, 4
    __m256i raw_gcd;
    __m256i raw_gcds; // · 1, 2, 3, 4
    struct mode mode;
};

bool avx2_here(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt");
}

static bool lanes_wide(const struct groups *r)
{
    const u64 size = (i64)r->base < 0 ? 0 - r->base : r->base;
    return r->width_max > LANE_WIDTH_MAX || size > LANE_BASE_MAX;
}

bool avx2_reads(const struct groups *r, const struct sums *s)
{
    if (s->steps == STEPS_UNFOLD || r->width_max > WIDE_WIDTH_MAX) {
        return false;
    }
    if (s->as == UNPACK_RAW) {
        return lanes_wide(r) ? s->gcd == 1 : s->gcd <= LANE_GCD_MAX;
    }
    return !(s->as == UNPACK_DEC && s->divisor > DIVISOR_MAX) && sums_exact(r, s);
}

static AVX2 ALWAYS_INLINE __m256i lanes_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

static AVX2 ALWAYS_INLINE void lanes_store(__m256i v, u8 *out)
{
    _mm256_storeu_si256((__m256i_u *)(void *)out, v);
}

static AVX2 ALWAYS_INLINE __m256d lanes_last(__m256d v)
{
    return _mm256_permute4x64_pd(v, 0xFF);
}

// Eight lanes of 32 bits. Threads: values.
struct narrow_lanes {
    __m128i lower;
    __m128i upper;
};

// Lane k becomes the sum of lanes 0 … k.
static AVX2 ALWAYS_INLINE struct narrow_lanes narrow_summed(__m256i v)
{
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 4));
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 8));
    const __m128i lower = _mm256_castsi256_si128(v);
    const __m128i upper = _mm256_extracti128_si256(v, 1);
    return (struct narrow_lanes){lower, _mm_add_epi32(upper, _mm_shuffle_epi32(lower, 0xFF))};
}

// Eight residuals from the bytes at p, of which half the width and 16 may be read.
static AVX2 ALWAYS_INLINE __m256i narrow_load(const u8 *p, u32 width)
{
    const struct width_form *f = &forms[width];
    const __m128i first = _mm_loadu_si128((const __m128i_u *)(const void *)p);
    const __m128i second = _mm_loadu_si128((const __m128i_u *)(const void *)(p + f->half));
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
    const __m256i v = _mm256_shuffle_epi8(both, lanes_load(f->bytes));
    return _mm256_and_si256(_mm256_srlv_epi32(v, lanes_load(f->shift)), lanes_load(f->mask));
}

static AVX2 ALWAYS_INLINE __m256i narrow_unfolded(__m256i v, const struct lanes *l, struct mode m)
{
    if (m.based) {
        return _mm256_add_epi32(v, l->base);
    }
    const __m256i odd = _mm256_and_si256(v, _mm256_set1_epi32(1));
    return _mm256_xor_si256(_mm256_srli_epi32(v, 1), _mm256_sub_epi32(_mm256_setzero_si256(), odd));
}

// What a group adds up to, in units of the gcd: doubles, or integers of 64 bits, of which those
// that come from narrow lanes are right in the lower 32. Threads: values.
struct group_sums {
    __m256d lower;
    __m256d upper;
    __m256d step; // STEPS_SUM2: of all eight, once, in each lane.
    __m256i raw_lower;
    __m256i raw_upper;
    __m256i raw_step;
};

static AVX2 ALWAYS_INLINE struct group_sums narrow_sums(const u8 *at, u32 width,
                                                        const struct lanes *l, struct mode m)
{
    struct group_sums g = {.step = _mm256_setzero_pd(), .raw_step = _mm256_setzero_si256()};
    __m256i v = narrow_load(at, width);
    struct narrow_lanes n;
    if (m.steps == STEPS_NONE) {
        n = (struct narrow_lanes){_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)};
    } else {
        n = narrow_summed(narrow_unfolded(v, l, m));
    }
    if (m.steps == STEPS_SUM2) {
        const __m256i step = _mm256_broadcastd_epi32(_mm_shuffle_epi32(n.upper, 0xFF));
        g.step = _mm256_cvtepi32_pd(_mm256_castsi256_si128(step));
        g.raw_step = step;
        n = narrow_summed(_mm256_inserti128_si256(_mm256_castsi128_si256(n.lower), n.upper, 1));
    }
    if (m.as == UNPACK_RAW) {
        g.raw_lower = _mm256_cvtepu32_epi64(n.lower);
        g.raw_upper = _mm256_cvtepu32_epi64(n.upper);
    } else {
        g.lower = _mm256_cvtepi32_pd(n.lower);
        g.upper = _mm256_cvtepi32_pd(n.upper);
    }
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

// Of integers within 2^51: they are the low bits of a double that is taken away again.
static AVX2 ALWAYS_INLINE __m256d wide_doubles(__m256i v)
{
    const __m256d offset = _mm256_set1_pd(0x1.8p52);
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(v, _mm256_castpd_si256(offset))),
                         offset);
}

static AVX2 ALWAYS_INLINE struct group_sums wide_sums(const u8 *at, u32 width,
                                                      const struct lanes *l, struct mode m)
{
    struct group_sums g = {.step = _mm256_setzero_pd(), .raw_step = _mm256_setzero_si256()};
    struct wide_lanes v = wide_load(at, width);
    if (m.steps != STEPS_NONE) {
        v.lower = wide_unfolded(v.lower, l, m);
        v.upper = wide_unfolded(v.upper, l, m);
        v = wide_summed(v);
    }
    if (m.steps == STEPS_SUM2) {
        g.raw_step = _mm256_permute4x64_epi64(v.upper, 0xFF);
        g.step = m.as == UNPACK_RAW ? g.step : wide_doubles(g.raw_step);
        v = wide_summed(v);
    }
    g.raw_lower = v.lower;
    g.raw_upper = v.upper;
    if (m.as != UNPACK_RAW) {
        g.lower = wide_doubles(v.lower);
        g.upper = wide_doubles(v.upper);
    }
    return g;
}

// (I2)
static AVX2 ALWAYS_INLINE void doubles_store(__m256d v, const struct lanes *l, struct mode m,
                                             u8 *out)
{
    if (m.as == UNPACK_DEC) {
        const __m256d near = _mm256_mul_pd(v, l->inverse);
        const __m256d left = _mm256_fnmadd_pd(near, l->divisor, v);
        v = _mm256_fmadd_pd(left, l->inverse, near);
    }
    _mm256_storeu_pd((double *)(void *)out, v);
}

static AVX2 ALWAYS_INLINE void doubles_run(const struct group_sums *g, struct lanes *l,
                                           struct mode m, u8 *out)
{
    __m256d lower = _mm256_fmadd_pd(g->lower, l->gcd, l->x); // Exact, as a product and a sum are.
    __m256d upper = _mm256_fmadd_pd(g->upper, l->gcd, l->x);
    if (m.steps == STEPS_SUM2) {
        lower = _mm256_fmadd_pd(l->delta, _mm256_set_pd(4, 3, 2, 1), lower);
        upper = _mm256_fmadd_pd(l->delta, _mm256_set_pd(8, 7, 6, 5), upper);
        l->delta = _mm256_fmadd_pd(g->step, l->gcd, l->delta);
    }
    if (m.steps != STEPS_NONE) {
        l->x = lanes_last(upper);
    }
    doubles_store(lower, l, m, out);
    doubles_store(upper, l, m, out + 32);
}

// gcd is 1 where lanes are wide.
static AVX2 ALWAYS_INLINE __m256i raw_multiplied(__m256i v, __m256i factor, struct mode m)
{
    return m.wide ? v : _mm256_mul_epi32(v, factor);
}

static AVX2 ALWAYS_INLINE __m256i raw_steps(__m256i step, const struct lanes *l, struct mode m)
{
    if (!m.wide) {
        return _mm256_mul_epi32(step, l->raw_gcds);
    }
    const __m256i twice = _mm256_add_epi64(step, step);
    const __m256i odd = _mm256_blend_epi32(_mm256_setzero_si256(), step, 0x33); // · 1, 0, 1, 0
    const __m256i pair = _mm256_blend_epi32(twice, _mm256_add_epi64(twice, twice), 0xF0);
    return _mm256_sub_epi64(pair, odd); // · 2 - 1, 2, 4 - 1, 4
}

static AVX2 ALWAYS_INLINE void raw_run(const struct group_sums *g, struct lanes *l, struct mode m,
                                       u8 *out)
{
    __m256i lower = _mm256_add_epi64(raw_multiplied(g->raw_lower, l->raw_gcd, m), l->raw_x);
    __m256i upper = _mm256_add_epi64(raw_multiplied(g->raw_upper, l->raw_gcd, m), l->raw_x);
    if (m.steps == STEPS_SUM2) {
        const __m256i four = _mm256_permute4x64_epi64(l->raw_delta, 0xFF);
        lower = _mm256_add_epi64(lower, l->raw_delta);
        upper = _mm256_add_epi64(upper, _mm256_add_epi64(l->raw_delta, four));
        l->raw_delta = _mm256_add_epi64(l->raw_delta, raw_steps(g->raw_step, l, m));
    }
    if (m.steps != STEPS_NONE) {
        l->raw_x = _mm256_permute4x64_epi64(upper, 0xFF);
    }
    lanes_store(lower, out);
    lanes_store(upper, out + 32);
}

static AVX2 ALWAYS_INLINE void walk_run(struct group_walk *w, const struct lanes *lanes,
                                        struct mode m)
{
    struct lanes l = *lanes; // The stores to out might alias what is behind a pointer.
    do {
        struct group_span p = w->span;
        for (; p.widths < p.to && p.at <= p.limit; p.widths++, p.out += (size_t)GROUP * 8) {
            const u32 width = *p.widths;
            const struct group_sums g =
                m.wide ? wide_sums(p.at, width, &l, m) : narrow_sums(p.at, width, &l, m);
            if (m.as == UNPACK_RAW) {
                raw_run(&g, &l, m, p.out);
            } else {
                doubles_run(&g, &l, m, p.out);
            }
            p.at += width;
        }
        w->span = p;
    } while (group_walk_next(w));
}

static AVX2 ALWAYS_INLINE void width_run(struct group_walk *w, const struct lanes *l,
                                         enum steps steps, enum unpack_as as, bool based)
{
    if (l->mode.wide) {
        walk_run(w, l, (struct mode){steps, as, based, true});
    } else {
        walk_run(w, l, (struct mode){steps, as, based, false});
    }
}

static AVX2 ALWAYS_INLINE void base_run(struct group_walk *w, const struct lanes *l,
                                        enum steps steps, enum unpack_as as)
{
    if (steps != STEPS_NONE && l->mode.based) {
        width_run(w, l, steps, as, true);
    } else {
        width_run(w, l, steps, as, false);
    }
}

static AVX2 ALWAYS_INLINE void as_run(struct group_walk *w, const struct lanes *l, enum steps steps)
{
    switch (l->mode.as) {
    case UNPACK_RAW:
        base_run(w, l, steps, UNPACK_RAW);
        break;
    case UNPACK_INT:
        base_run(w, l, steps, UNPACK_INT);
        break;
    case UNPACK_DEC:
        base_run(w, l, steps, UNPACK_DEC);
        break;
    }
}

static AVX2 void groups_run(struct group_walk *w, const struct lanes *l)
{
    switch (l->mode.steps) {
    case STEPS_NONE:
        as_run(w, l, STEPS_NONE);
        break;
    case STEPS_SUM:
        as_run(w, l, STEPS_SUM);
        break;
    case STEPS_SUM2:
        as_run(w, l, STEPS_SUM2);
        break;
    case STEPS_UNFOLD:
        CHECK(!"residuals that are to stay as they are");
    }
}

AVX2 bool residuals_run_avx2(struct groups *r, const struct sums *s, u8 *out)
{
    const enum unpack_as as = s->as;
    const bool wide = lanes_wide(r);
    const u32 reach = (wide ? r->width_max * 3 / 4 : r->width_max / 2) + sizeof(__m128i);
    const i64 x = (i64)s->x;
    const u64 delta = s->delta;
    const i64 gcd = (i64)s->gcd;
    UNINIT struct lanes l; // What the mode does not look at stays as it is.
    l.mode = (struct mode){s->steps, as, r->based, wide};
    l.base = wide ? _mm256_set1_epi64x((i64)r->base) : _mm256_set1_epi32((int)(i64)r->base);
    if (as == UNPACK_RAW) {
        l.raw_x = _mm256_set1_epi64x(x);
        l.raw_delta =
            _mm256_set_epi64x((i64)(4 * delta), (i64)(3 * delta), (i64)(2 * delta), (i64)delta);
        l.raw_gcd = _mm256_set1_epi64x(gcd);
        l.raw_gcds = _mm256_set_epi64x(4 * gcd, 3 * gcd, 2 * gcd, gcd);
    } else {
        l.x = _mm256_set1_pd((f64)x);
        l.delta = _mm256_set1_pd((f64)(i64)delta);
        l.gcd = _mm256_set1_pd((f64)gcd);
    }
    if (as == UNPACK_DEC) {
        l.divisor = _mm256_set1_pd(s->divisor);
        l.inverse = _mm256_set1_pd(1.0 / s->divisor);
    }
    UNINIT struct group_walk w;
    group_walk_init(&w, r, reach, out);
    groups_run(&w, &l);
    return !(s->steps == STEPS_NONE && r->based) && group_walk_end(&w);
}

#else

bool avx2_here(void)
{
    return false;
}

bool avx2_reads(UNUSED const struct groups *r, UNUSED const struct sums *s)
{
    return false;
}

bool residuals_run_avx2(UNUSED struct groups *r, UNUSED const struct sums *s, UNUSED u8 *out)
{
    CHECK(!"there is no such machine");
    return false;
}

#endif
