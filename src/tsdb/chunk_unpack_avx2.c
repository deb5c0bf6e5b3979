// chunk_unpack_avx2.c: the residuals of a column, a group of eight at a time.
//
//   w bytes ─► 4 bytes of each value to its lane of 32 bits ─► shifted, masked ─► unfolded ─►
//   summed over the lanes ─► doubles ─► · gcd ─► + the value before ─► stored
//
// From the sum on everything is a double, and exact: only columns are read here whose widths, base,
// divisor and length leave every sum within 32 bits of a group's and 52 of a column's. Those are
// almost all; the others are for chunk_unpack.c, which this equals bit for bit. The chain from
// group to group is one addition.
//
// (I1) No load passes the end of the input: a group is read in place only where GROUP_BYTES are
// left, the last ones from a copy with room behind it.
#include "base/bits.h"
#include "tsdb/chunk_groups.h"

#include <math.h>

#if defined(__x86_64__)
#    include <immintrin.h>

#    define AVX2 __attribute__((target("avx2,popcnt")))

enum {
    LANE_WIDTH_MAX = 25,               // With a shift of 7 bits it fits a lane.
    LANE_BASE_MAX = 1 << 24,           // Then a sum of sums of eight still does.
    GROUP_BYTES = LANE_WIDTH_MAX + 16, // So far loads may reach from where a group begins.
};
#    define EXACT_LIMIT 0x1p52

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

// Constants wherever the code below is expanded.
struct mode {
    enum steps steps;
    bool divided;
    bool based;
};

// The same in each lane.
struct lanes {
    __m256d x;     // The value before; STEPS_NONE: x0.
    __m256d delta; // The step before.
    __m256d gcd;
    __m256d divisor;
    __m256i base;
};

bool avx2_reads(const struct groups *r, const struct sums *s, enum steps steps, enum unpack_as as)
{
    const f64 n = r->count + (f64)GROUP; // The last group has lanes that nobody asked for.
    const f64 base = fabs((f64)(i64)r->base);
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("popcnt") || as == UNPACK_RAW ||
        steps == STEPS_UNFOLD || r->width_max > LANE_WIDTH_MAX || base > LANE_BASE_MAX) {
        return false;
    }
    const f64 step = ((f64)(1U << r->width_max) + base) * (f64)s->gcd;
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

static AVX2 ALWAYS_INLINE void doubles_store(__m256d v, const struct lanes *l, struct mode m,
                                             u8 *out)
{
    _mm256_storeu_pd((double *)(void *)out, m.divided ? _mm256_div_pd(v, l->divisor) : v);
}

static AVX2 ALWAYS_INLINE void group_run(__m256i v, struct lanes *l, struct mode m, u8 *out)
{
    __m256d lower = l->x;
    __m256d upper = l->x;
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
        const __m256d step = lanes_last(upper_doubles(v));
        lower = _mm256_add_pd(lower, _mm256_mul_pd(l->delta, _mm256_set_pd(4, 3, 2, 1)));
        upper = _mm256_add_pd(upper, _mm256_mul_pd(l->delta, _mm256_set_pd(8, 7, 6, 5)));
        l->delta = _mm256_add_pd(l->delta, _mm256_mul_pd(step, l->gcd));
        v = lanes_summed(v);
    }
    const __m256d own = _mm256_mul_pd(upper_doubles(v), l->gcd);
    lower = _mm256_add_pd(lower, _mm256_mul_pd(lower_doubles(v), l->gcd));
    upper = _mm256_add_pd(upper, own);
    if (m.steps == STEPS_SUM) {
        l->x = _mm256_add_pd(l->x, lanes_last(own));
    } else if (m.steps == STEPS_SUM2) {
        l->x = lanes_last(upper);
    }
    doubles_store(lower, l, m, out);
    doubles_store(upper, l, m, out + 32);
}

static AVX2 ALWAYS_INLINE struct lanes lanes_make(const struct sums *s)
{
    return (struct lanes){.x = _mm256_set1_pd((f64)(i64)s->x),
                          .delta = _mm256_set1_pd((f64)(i64)s->delta),
                          .gcd = _mm256_set1_pd((f64)s->gcd),
                          .divisor = _mm256_set1_pd(s->divisor),
                          .base = _mm256_set1_epi32((int)(i64)s->base)};
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

// Whole groups, as many as can be read without looking whether one ends in time.
static AVX2 ALWAYS_INLINE struct place whole_run(const struct groups *g, struct place p,
                                                 struct lanes *l, struct mode m, u8 *out)
{
    const u32 whole = g->count / GROUP;
    while (p.group < whole && p.end - p.at >= GROUP_BYTES) {
        const u32 width = lane_width(g, p.group);
        group_run(group_load(p.at, width), l, m, out + (size_t)p.group * GROUP * 8);
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
    struct lanes l = lanes_make(s);
    UNINIT u8 copy[2 * GROUP_BYTES];
    struct place p = {.at = g.at, .end = g.end};
    p = whole_run(&g, p, &l, m, out);
    const u8 *from = p.at;
    const size_t left = MIN((size_t)(p.end - p.at), (size_t)GROUP_BYTES);
    memcpy(copy, from, left);
    memset(copy + left, 0, sizeof(copy) - left);
    p.at = copy;
    p.end = copy + left + GROUP_BYTES; // One group may begin where nothing is left.
    p = whole_run(&g, p, &l, m, out);
    if (p.group < whole || p.end - p.at < GROUP_BYTES) {
        return false; // The groups before took more than there was.
    }
    if (here > 0) {
        UNINIT u8 last[GROUP * 8];
        const u32 width = lane_width(&g, whole);
        group_run(group_load(p.at, width), &l, m, last);
        memcpy(out + (size_t)whole * GROUP * 8, last, (size_t)here * 8);
        p.at += (width * here + 7) / 8;
    }
    const size_t used = (size_t)(p.at - copy);
    r->at = from + used;
    return used <= left;
}

static AVX2 ALWAYS_INLINE bool steps_run(struct groups *r, const struct sums *s, enum steps steps,
                                         enum unpack_as as, u8 *out)
{
    if (steps != STEPS_NONE && r->based) {
        return as == UNPACK_DEC ? groups_run(r, s, (struct mode){steps, true, true}, out)
                                : groups_run(r, s, (struct mode){steps, false, true}, out);
    }
    return as == UNPACK_DEC ? groups_run(r, s, (struct mode){steps, true, false}, out)
                            : groups_run(r, s, (struct mode){steps, false, false}, out);
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

#else

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

#endif
