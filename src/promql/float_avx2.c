// float_avx2.c: see float_avx2.h.
#include "promql/float_avx2.h"

#include "promql/fn_series.h"
#include "promql/range_frame.h"

#include <math.h>
#include <stdatomic.h>

static _Atomic bool is_forbidden;

void avx2_forbid(bool forbidden)
{
    atomic_store_explicit(&is_forbidden, forbidden, memory_order_relaxed);
}

#if defined(__x86_64__)
#    include <immintrin.h>

#    define AVX2 __attribute__((target("avx2")))
#    define QUAD 4U

static AVX2 inline __m256d quad_abs(__m256d v)
{
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), v);
}

// Four sums and what rounding has cost them. Threads: values.
struct quad_sums {
    __m256d sum;
    __m256d lost;
};

static AVX2 inline void quad_sums_add(struct quad_sums *s, __m256d v)
{
    const __m256d total = s->sum + v;
    const __m256d sum_is_larger = _mm256_cmp_pd(quad_abs(s->sum), quad_abs(v), _CMP_GE_OQ);
    const __m256d large = _mm256_blendv_pd(v, s->sum, sum_is_larger);
    const __m256d small = _mm256_blendv_pd(s->sum, v, sum_is_larger);
    const __m256d cost = s->lost + ((large - total) + small);
    const __m256d infinite = _mm256_set1_pd(INFINITY);
    const __m256d is_infinite = _mm256_cmp_pd(quad_abs(total), infinite, _CMP_EQ_OQ);
    s->lost = _mm256_andnot_pd(is_infinite, cost);
    s->sum = total;
}

// The same where every total is a number: what an addition has lost is a double, and either way
// gives it, as long as nothing overflows. Else lost becomes a NaN and stays one.
static AVX2 inline void quad_sums_add_finite(struct quad_sums *s, __m256d v)
{
    const __m256d total = s->sum + v;
    const __m256d came = total - s->sum;
    s->lost += (s->sum - (total - came)) + (v - came);
    s->sum = total;
}

static AVX2 struct quad_sums quad_sums_of(struct quad_sums s, const f64 *const *columns, u32 count,
                                          u32 at)
{
    for (u32 k = 0; k < count; k++) {
        quad_sums_add(&s, _mm256_loadu_pd(columns[k] + at));
    }
    return s;
}

static AVX2 inline bool quad_sums_good(struct quad_sums s)
{
    return _mm256_movemask_pd(_mm256_cmp_pd(s.lost, s.lost, _CMP_UNORD_Q)) == 0;
}

// One, two or four columns; each has a load of its own, by which machines tell what comes next.
static AVX2 inline struct quad_sums quad_sums_finite(struct quad_sums s, const f64 *const *columns,
                                                     u32 count, u32 at)
{
    quad_sums_add_finite(&s, _mm256_loadu_pd(columns[0] + at));
    if (count > 1) {
        quad_sums_add_finite(&s, _mm256_loadu_pd(columns[1] + at));
    }
    if (count > 2) {
        quad_sums_add_finite(&s, _mm256_loadu_pd(columns[2] + at));
        quad_sums_add_finite(&s, _mm256_loadu_pd(columns[3] + at));
    }
    return s;
}

static AVX2 inline void quad_sums_put(f64 *sums, f64 *lost, const f64 *const *columns, u32 count,
                                      u32 n)
{
    for (u32 i = 0; i + QUAD <= n; i += QUAD) {
        const struct quad_sums begun = {_mm256_loadu_pd(sums + i), _mm256_loadu_pd(lost + i)};
        struct quad_sums s = quad_sums_finite(begun, columns, count, i);
        if (!quad_sums_good(s)) {
            s = quad_sums_of(begun, columns, count, i);
        }
        _mm256_storeu_pd(sums + i, s.sum);
        _mm256_storeu_pd(lost + i, s.lost);
    }
}

// Sums stay where they are while four columns are added, or two.
static AVX2 u32 sum_quads(f64 *sums, f64 *lost, const f64 *const *columns, u32 count, u32 n)
{
    u32 k = 0;
    for (; k + QUAD <= count; k += QUAD) {
        const f64 *const four[QUAD] = {columns[k], columns[k + 1], columns[k + 2], columns[k + 3]};
        quad_sums_put(sums, lost, four, QUAD, n);
    }
    if (k + 2 <= count) {
        const f64 *const two[] = {columns[k], columns[k + 1]};
        quad_sums_put(sums, lost, two, 2, n);
        k += 2;
    }
    if (k < count) {
        const f64 *const one[] = {columns[k]};
        quad_sums_put(sums, lost, one, 1, n);
    }
    return n / QUAD * QUAD;
}

static AVX2 u32 copy_quads(f64 *to, const f64 *from, u32 n, struct avx2_met *met)
{
    __m256d nan = _mm256_setzero_pd();
    __m256d falls = _mm256_setzero_pd();
    u32 i = 0;
    for (; i + QUAD <= n; i += QUAD) {
        const __m256d v = _mm256_loadu_pd(from + i);
        nan = _mm256_or_pd(nan, _mm256_cmp_pd(v, v, _CMP_UNORD_Q));
        falls = _mm256_or_pd(falls, _mm256_cmp_pd(v, _mm256_loadu_pd(from + i - 1), _CMP_LT_OQ));
        _mm256_storeu_pd(to + i, v);
    }
    met->nan = met->nan || _mm256_movemask_pd(nan) != 0;
    met->fall = met->fall || _mm256_movemask_pd(falls) != 0;
    return i;
}

// By loads of one value each: an instruction that does four of them at once is slow on many
// machines.
static AVX2 inline __m256d quad_at(const f64 *values, const u32 *at)
{
    const __m128d low = _mm_loadh_pd(_mm_load_sd(values + at[0]), values + at[1]);
    const __m128d high = _mm_loadh_pd(_mm_load_sd(values + at[2]), values + at[3]);
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1);
}

// As stretched_pair.
static AVX2 __m256d stretched_quad(const struct series_call *c, u32 step, __m256d first,
                                   __m256d change)
{
    const __m256d sampled = _mm256_loadu_pd(c->frame->sampled + step);
    const __m256d most = _mm256_loadu_pd(c->frame->to_start + step);
    const __m256d to_zero = sampled * (first / change);
    const __m256d begins_late = _mm256_cmp_pd(to_zero, most, _CMP_LT_OQ);
    const __m256d to_start = _mm256_blendv_pd(most, to_zero, begins_late);
    __m256d factor = (sampled + to_start + _mm256_loadu_pd(c->frame->to_end + step)) / sampled;
    if (c->call->fn->id == FN_RATE) {
        factor /= _mm256_set1_pd(c->call->range_seconds);
    }
    return change * factor;
}

// Two doubles from there on are further apart than what is tiny: 2^-53 of it is more than
// CHANGE_TINY.
#    define PLAIN_LEAST 1e-150

// Are all of these steps, 64 from a multiple of 64 on at most, present and simple for sure? Then
// their changes are multiplied by their factors and nothing needs to be compared. Where nothing
// falls, the first value of the first window is the smallest, the last one of the last the largest,
// and rounding keeps the order of differences and products.
static bool is_plain(const struct series_call *c, u32 from, u32 to)
{
    const struct range_frame *f = c->frame;
    const u64 all = UINT64_MAX >> (64 - (to - from)) << (from % 64);
    const f64 low = c->values[f->first[from]];
    const f64 high = c->values[f->last[to - 1]];
    if (c->call->has_nan || (f->present[from / 64] & all) != all ||
        (c->low < c->place_count && c->places[c->low] <= f->last[to - 1])) {
        return false;
    }
    return low >= PLAIN_LEAST && high < CHANGE_HUGE && low >= (high - low) * f->limit_max;
}

static AVX2 inline __m256d quad_apart(const f64 *values, size_t stride)
{
    const __m128d low = _mm_loadh_pd(_mm_load_sd(values), values + stride);
    const __m128d high = _mm_loadh_pd(_mm_load_sd(values + 2 * stride), values + 3 * stride);
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1);
}

// Steps of one stride. The stores to out might alias what stands behind a pointer.
static AVX2 u32 even_quads(const struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    const size_t stride = f->strides[from / 64];
    const f64 *first = c->values + f->first[from];
    const f64 *last = c->values + f->last[from];
    const f64 *factor = f->factor;
    u32 step = from;
    for (; step + QUAD <= to; step += QUAD) {
        const __m256d change = quad_apart(last, stride) - quad_apart(first, stride);
        _mm256_storeu_pd(out + step, change * _mm256_loadu_pd(factor + step));
        first += QUAD * stride;
        last += QUAD * stride;
    }
    return step;
}

// As general_quads, of plain steps.
static AVX2 u32 plain_quads(const struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    u32 step = from;
    if (f->strides[from / 64] != 0) {
        return even_quads(c, from, to, out);
    }
    for (; step + QUAD <= to; step += QUAD) {
        const __m256d change =
            quad_at(c->values, f->last + step) - quad_at(c->values, f->first + step);
        _mm256_storeu_pd(out + step, change * _mm256_loadu_pd(f->factor + step));
    }
    return step;
}

// As increase_pairs.
static AVX2 u32 general_quads(const struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    const __m256d none = _mm256_setzero_pd();
    u32 step = from;
    for (; step + QUAD <= to; step += QUAD) {
        const __m256d first = quad_at(c->values, f->first + step);
        const __m256d change = quad_at(c->values, f->last + step) - first;
        const __m256d least = change * _mm256_loadu_pd(f->limit + step);
        const __m256d grows = _mm256_and_pd(_mm256_cmp_pd(change, none, _CMP_GT_OQ),
                                            _mm256_cmp_pd(first, none, _CMP_GE_OQ));
        const __m256d usual = _mm256_and_pd(
            _mm256_cmp_pd(first, least, _CMP_GE_OQ),
            _mm256_and_pd(_mm256_cmp_pd(change, _mm256_set1_pd(CHANGE_TINY), _CMP_GT_OQ),
                          _mm256_cmp_pd(change, _mm256_set1_pd(CHANGE_HUGE), _CMP_LT_OQ)));
        const __m256d odd = _mm256_andnot_pd(usual, grows);
        __m256d value = change * _mm256_loadu_pd(f->factor + step);
        if (_mm256_movemask_pd(odd) != 0) {
            value = _mm256_blendv_pd(value, stretched_quad(c, step, first, change), odd);
        }
        _mm256_storeu_pd(out + step, value);
    }
    return step;
}

static u32 increase_quads(const struct series_call *c, u32 from, u32 to, f64 *out)
{
    u32 step = from;
    while (step + QUAD <= to) {
        const u32 end = MIN(to, (step | 63) + 1);
        const u32 begun = step;
        if (is_plain(c, step, end)) {
            step = plain_quads(c, step, end, out);
        }
        if (step == begun) { // Or fewer than four are left of 64.
            step = general_quads(c, step, MAX(end, step + QUAD), out);
        }
    }
    return step - from;
}

static bool machine_can(void)
{
    return __builtin_cpu_supports("avx2") &&
           !atomic_load_explicit(&is_forbidden, memory_order_relaxed);
}

u32 avx2_sum(f64 *sums, f64 *lost, const f64 *const *columns, u32 count, u32 n)
{
    return machine_can() ? sum_quads(sums, lost, columns, count, n) : 0;
}

u32 avx2_copy(f64 *to, const f64 *from, u32 n, struct avx2_met *met)
{
    return machine_can() ? copy_quads(to, from, n, met) : 0;
}

u32 avx2_increase(const struct series_call *c, u32 from, u32 to, f64 *out)
{
    return machine_can() ? increase_quads(c, from, to, out) : 0;
}
#else
u32 avx2_sum(UNUSED f64 *sums, UNUSED f64 *lost, UNUSED const f64 *const *columns, UNUSED u32 count,
             UNUSED u32 n)
{
    return 0;
}

u32 avx2_copy(UNUSED f64 *to, UNUSED const f64 *from, UNUSED u32 n, UNUSED struct avx2_met *met)
{
    return 0;
}

u32 avx2_increase(UNUSED const struct series_call *c, UNUSED u32 from, UNUSED u32 to,
                  UNUSED f64 *out)
{
    return 0;
}
#endif
