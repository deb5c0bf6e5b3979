// fn_series_fold.c: functions over range vectors that look at each sample of a window; see
// fn_series.h.
#include "model/kahan.h"
#include "promql/fn_series.h"
#include "promql/kahan_pair.h"
#include "promql/range_frame.h"

#include <math.h>

// ---- sums --------------------------------------------------------------------------------------

// So many windows are summed side by side: an addition waits for the one before it only.
#define LANES 4U
#define PAIRS (LANES / 2)

// Threads: value.
struct lanes {
    f64 sum[LANES];
    f64 lost[LANES];
    const f64 *at[LANES];
};

static void lanes_add(struct lanes *x, u32 count)
{
    f64_pair sum[PAIRS];
    f64_pair lost[PAIRS];
    memcpy(sum, x->sum, sizeof(sum));
    memcpy(lost, x->lost, sizeof(lost));
    for (u32 i = 0; i < count; i++) {
        pair_add(&sum[0], &lost[0], (f64_pair){x->at[0][i], x->at[1][i]});
        pair_add(&sum[1], &lost[1], (f64_pair){x->at[2][i], x->at[3][i]});
    }
    memcpy(x->sum, sum, sizeof(sum));
    memcpy(x->lost, lost, sizeof(lost));
    for (u32 k = 0; k < LANES; k++) {
        x->at[k] += count;
    }
}

// Sums the windows of so many steps from `step` on, at most LANES. begun: the first sample is where
// a sum begins, not added to zero.
static void sum_windows(const struct series_call *c, u32 step, u32 steps, bool begun,
                        struct kahan *sums)
{
    const struct range_frame *f = c->frame;
    struct lanes x = {.sum = {0}};
    u32 common = UINT32_MAX;
    u32 left[LANES] = {0};
    for (u32 k = 0; k < LANES; k++) {
        u32 at = step + MIN(k, steps - 1);
        x.at[k] = c->values + f->from[at];
        left[k] = f->to[at] - f->from[at];
        if (begun && left[k] > 0) {
            x.sum[k] = *x.at[k]++;
            left[k]--;
        }
        common = MIN(common, left[k]);
    }
    lanes_add(&x, common);
    for (u32 k = 0; k < steps; k++) {
        sums[k] = (struct kahan){.sum = x.sum[k], .lost = x.lost[k]};
        for (u32 i = 0; i < left[k] - common; i++) {
            kahan_add(&sums[k], x.at[k][i]);
        }
    }
}

void series_sum(struct series_call *c, u32 from, u32 to, f64 *out)
{
    struct kahan sums[LANES];
    for (u32 step = from; step < to; step += LANES) {
        u32 steps = MIN(LANES, to - step);
        sum_windows(c, step, steps, false, sums);
        for (u32 k = 0; k < steps; k++) {
            out[step + k] = isinf(sums[k].sum) ? sums[k].sum : sums[k].sum + sums[k].lost;
        }
    }
}

// A sum that overflows is begun again as a mean, which does not.
static f64 mean_of(const f64 *values, u32 count)
{
    struct kahan_mean m;
    kahan_mean_start(&m, values[0]);
    for (u32 i = 1; i < count; i++) {
        kahan_mean_add(&m, values[i]);
    }
    return kahan_mean_get(&m);
}

void series_avg(struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    struct kahan sums[LANES];
    for (u32 step = from; step < to; step += LANES) {
        u32 steps = MIN(LANES, to - step);
        sum_windows(c, step, steps, true, sums);
        for (u32 k = 0; k < steps; k++) {
            u32 at = step + k;
            f64 count = (f64)(f->to[at] - f->from[at]);
            if (!bits_has(f->present, at)) {
                continue;
            }
            out[at] = isfinite(sums[k].sum)
                          ? sums[k].sum / count + sums[k].lost / count
                          : mean_of(c->values + f->from[at], f->to[at] - f->from[at]);
        }
    }
}

// ---- quantiles ---------------------------------------------------------------------------------

// As sort_values orders them.
static bool is_below(f64 a, f64 b)
{
    return isnan(a) ? !isnan(b) : a < b;
}

// The first of n sorted values that is not below v; after: that v is below.
static u32 sorted_place(const f64 *sorted, u32 n, f64 v, bool after)
{
    u32 low = 0;
    while (n > 0) {
        u32 half = n / 2;
        f64 x = sorted[low + half];
        if (after ? !is_below(v, x) : is_below(x, v)) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

// Makes room[0, …) the sorted samples [from, to) out of [c->low, c->high). Of equal ones the oldest
// stands first and leaves first, as if they had been sorted anew.
static void sorted_slide(struct series_call *c, u32 from, u32 to)
{
    u32 n = c->high - c->low;
    u32 moves = (to - c->high) + (from - c->low);
    if (from >= c->high || moves > (to - from) / 4) {
        memcpy(c->room, c->values + from, (to - from) * sizeof(f64));
        sort_values(c->room, to - from);
        c->low = from;
        c->high = to;
        return;
    }
    for (; c->low < from; c->low++, n--) {
        u32 at = sorted_place(c->room, n, c->values[c->low], false);
        memmove(c->room + at, c->room + at + 1, (n - at - 1) * sizeof(f64));
    }
    for (; c->high < to; c->high++, n++) {
        u32 at = sorted_place(c->room, n, c->values[c->high], true);
        memmove(c->room + at + 1, c->room + at, (n - at) * sizeof(f64));
        c->room[at] = c->values[c->high];
    }
}

void series_quantile(struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    for (u32 step = from; step < to; step++) {
        if (bits_has(f->present, step)) {
            u32 count = f->to[step] - f->from[step];
            sorted_slide(c, f->from[step], f->to[step]);
            out[step] = quantile_of_sorted(c->param[step], c->room, count);
        }
    }
}
