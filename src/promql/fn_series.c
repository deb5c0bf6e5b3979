// fn_series.c: see fn_series.h; what needs but the ends of a window, or slides along.
#include "promql/fn_series.h"

#include "promql/float_avx2.h"
#include "promql/kahan_pair.h"
#include "promql/range_frame.h"

#include <math.h>

// ---- rate, increase, delta ---------------------------------------------------------------------

// Is it certain that the counter need not begin below zero?
static bool is_simple(f64 first, f64 change, f64 limit)
{
    if (!(change > 0 && first >= 0)) {
        return true;
    }
    return first >= change * limit && change > CHANGE_TINY && change < CHANGE_HUGE;
}

// The long way: the counter might have to begin below zero. As stretch_factor calculates.
static f64 stretched(const struct series_call *c, u32 step, f64 first, f64 change)
{
    const struct range_frame *f = c->frame;
    if (!bits_has(f->present, step)) {
        return 0;
    }
    f64 to_start = f->to_start[step];
    if (change > 0 && first >= 0) {
        f64 to_zero = f->sampled[step] * (first / change);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    f64 factor = (f->sampled[step] + to_start + f->to_end[step]) / f->sampled[step];
    return change * (c->call->fn->id == FN_RATE ? factor / c->call->range_seconds : factor);
}

static void series_delta(struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    for (u32 step = from; step < to; step++) {
        out[step] = (c->values[f->last[step]] - c->values[f->first[step]]) * f->factor[step];
    }
}

static void find_falls(struct series_call *c)
{
    const u32 to = c->call->may_reset ? c->call->falls_to : 0;
    for (u32 i = MAX(c->call->falls_from, 1U); i < to; i++) {
        c->places[c->place_count] = i;
        c->place_count += c->values[i] < c->values[i - 1];
    }
}

// What the counter lost within the window at its resets, added in order of time.
static f64 with_falls(struct series_call *c, u32 step, f64 change)
{
    const struct range_frame *f = c->frame;
    while (c->low < c->place_count && c->places[c->low] <= f->from[step]) {
        c->low++;
    }
    for (u32 i = c->low; i < c->place_count && c->places[i] < f->to[step]; i++) {
        change += c->values[c->places[i] - 1];
    }
    return change;
}

static void increase_one(struct series_call *c, u32 step, f64 *out)
{
    const struct range_frame *f = c->frame;
    f64 first = c->values[f->first[step]];
    f64 change = c->values[f->last[step]] - first;
    if (c->place_count > 0) {
        change = with_falls(c, step, change);
    }
    out[step] = is_simple(first, change, f->limit[step]) ? change * f->factor[step]
                                                         : stretched(c, step, first, change);
}

// As stretched, of two steps; what it says of those that are simple means nothing.
static f64_pair stretched_pair(const struct series_call *c, u32 step, f64_pair first,
                               f64_pair change)
{
    const f64_pair sampled = pair_load(c->frame->sampled + step);
    const f64_pair most = pair_load(c->frame->to_start + step);
    const f64_pair to_zero = sampled * (first / change);
    const f64_pair to_start = pair_choose(to_zero < most, to_zero, most);
    f64_pair factor = (sampled + to_start + pair_load(c->frame->to_end + step)) / sampled;
    if (c->call->fn->id == FN_RATE) {
        factor /= c->call->range_seconds;
    }
    return change * factor;
}

// All steps but the last one, if there is an odd number of them, in whose windows nothing falls.
// What increase_one does, without branches where both of two steps are simple.
static u32 increase_pairs(const struct series_call *c, u32 from, u32 to, f64 *out)
{
    const f64 *v = c->values;
    const u32 *firsts = c->frame->first;
    const u32 *lasts = c->frame->last;
    const f64 *limits = c->frame->limit;
    const f64 *factors = c->frame->factor;
    const f64_pair none = {0, 0};
    u32 step = from;
    for (; step + 2 <= to; step += 2) {
        const f64_pair first = {v[firsts[step]], v[firsts[step + 1]]};
        const f64_pair last = {v[lasts[step]], v[lasts[step + 1]]};
        const f64_pair change = last - first;
        const f64_pair least = change * pair_load(limits + step);
        const i64_pair grows = (change > none) & (first >= none);
        const i64_pair simple =
            ~grows | ((first >= least) & (change > CHANGE_TINY) & (change < CHANGE_HUGE));
        f64_pair value = change * pair_load(factors + step);
        if ((simple[0] & simple[1]) == 0) {
            value = pair_choose(simple, value, stretched_pair(c, step, first, change));
        }
        pair_store(out + step, value);
    }
    return step;
}

// The first step from `step` on in whose window the counter falls.
static u32 clean_until(struct series_call *c, u32 step, u32 to)
{
    const struct range_frame *f = c->frame;
    while (c->low < c->place_count && c->places[c->low] <= f->from[step]) {
        c->low++;
    }
    if (c->low == c->place_count) {
        return to;
    }
    const u32 fall = c->places[c->low];
    u32 end = f->to[step] > fall ? step : to;
    while (step < end) { // No window that ends before it has one.
        const u32 half = step + (end - step) / 2;
        if (f->to[half] > fall) {
            end = half;
        } else {
            step = half + 1;
        }
    }
    return end;
}

static void series_increase(struct series_call *c, u32 from, u32 to, f64 *out)
{
    if (!c->begun) {
        find_falls(c);
        c->begun = true;
    }
    for (u32 step = from; step < to;) {
        const u32 end = clean_until(c, step, to);
        step += avx2_increase(c, step, end, out);
        step = increase_pairs(c, step, end, out);
        if (step < to) {
            increase_one(c, step++, out);
        }
    }
}

static void instant_change(struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    bool is_rate = c->call->fn->id == FN_IRATE;
    for (u32 step = from; step < to; step++) {
        if (!bits_has(f->present, step)) {
            continue;
        }
        u32 last = f->last[step];
        f64 v = c->values[last];
        f64 before = c->values[last - 1];
        i64 apart_ms = c->t_ms[last] - c->t_ms[last - 1];
        if (!(is_rate && v < before)) {
            v = v - before;
        }
        out[step] = is_rate ? v / ((f64)apart_ms / 1000) : v;
    }
}

// ---- ends and counts ---------------------------------------------------------------------------

static void series_count(struct series_call *c, u32 from, u32 to, f64 *out)
{
    for (u32 step = from; step < to; step++) {
        out[step] = (f64)(c->frame->to[step] - c->frame->from[step]);
    }
}

static void series_present(UNUSED struct series_call *c, u32 from, u32 to, f64 *out)
{
    for (u32 step = from; step < to; step++) {
        out[step] = 1;
    }
}

static void series_end(struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    enum fn_id id = c->call->fn->id;
    bool is_first = id == FN_FIRST_OVER_TIME || id == FN_TS_OF_FIRST_OVER_TIME;
    bool is_time = id == FN_TS_OF_FIRST_OVER_TIME || id == FN_TS_OF_LAST_OVER_TIME;
    for (u32 step = from; step < to; step++) {
        u32 at = is_first ? f->first[step] : f->last[step];
        out[step] = is_time ? (f64)c->t_ms[at] / 1000 : c->values[at];
    }
}

static bool counts_here(enum fn_id id, f64 before, f64 v)
{
    return id == FN_RESETS ? v < before : v != before && !(isnan(v) && isnan(before));
}

// places[i]: how many up to sample i.
static void series_steps(struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    if (!c->begun) {
        c->places[0] = 0;
        for (u32 i = 1; i < c->count; i++) {
            bool counts = counts_here(c->call->fn->id, c->values[i - 1], c->values[i]);
            c->places[i] = c->places[i - 1] + counts;
        }
    }
    c->begun = true;
    for (u32 step = from; step < to; step++) {
        out[step] = (f64)(c->places[f->last[step]] - c->places[f->first[step]]);
    }
}

// ---- extremes ----------------------------------------------------------------------------------

// Does a later sample make one with value v useless? Of equal ones the earlier counts, or the
// later, as the function asks.
static bool beats(enum fn_id id, f64 later, f64 v)
{
    switch ((int)id) {
    case FN_MIN_OVER_TIME:
        return later < v;
    case FN_MAX_OVER_TIME:
        return later > v;
    case FN_TS_OF_MIN_OVER_TIME:
        return later <= v;
    default:
        return later >= v; // FN_TS_OF_MAX_OVER_TIME
    }
}

// A queue of the samples that are or may become the extreme, best first: places[low, high).
// place_count is the next sample to look at. A NaN is never kept: a window of nothing else has the
// last of them.
static void series_extreme(struct series_call *c, u32 from, u32 to, f64 *out)
{
    const struct range_frame *f = c->frame;
    enum fn_id id = c->call->fn->id;
    bool is_time = id == FN_TS_OF_MIN_OVER_TIME || id == FN_TS_OF_MAX_OVER_TIME;
    for (u32 step = from; step < to; step++) {
        for (u32 i = c->place_count; i < f->to[step]; i++) {
            f64 v = c->values[i];
            if (isnan(v)) {
                continue;
            }
            while (c->high > c->low && beats(id, v, c->values[c->places[c->high - 1]])) {
                c->high--;
            }
            c->places[c->high++] = i;
        }
        c->place_count = MAX(c->place_count, f->to[step]);
        while (c->low < c->high && c->places[c->low] < f->from[step]) {
            c->low++;
        }
        if (bits_has(f->present, step)) {
            u32 at = c->low < c->high ? c->places[c->low] : f->last[step];
            out[step] = is_time ? (f64)c->t_ms[at] / 1000 : c->values[at];
        }
    }
}

// ---- the table ---------------------------------------------------------------------------------

static const struct series_fn_row rows[FN_COUNT] = {
    [FN_ABSENT_OVER_TIME] = {series_present, .least = 1},
    [FN_AVG_OVER_TIME] = {series_avg, .least = 1},
    [FN_CHANGES] = {series_steps, .least = 1, .needs_places = true},
    [FN_COUNT_OVER_TIME] = {series_count, .least = 1},
    [FN_DELTA] = {series_delta, .least = 2, .has_factors = true},
    [FN_FIRST_OVER_TIME] = {series_end, .least = 1},
    [FN_IDELTA] = {instant_change, .least = 2},
    [FN_INCREASE] = {series_increase, .least = 2, .has_factors = true, .needs_places = true,
                     .kind = {.is_counter = true}},
    [FN_IRATE] = {instant_change, .least = 2},
    [FN_LAST_OVER_TIME] = {series_end, .least = 1},
    [FN_MAX_OVER_TIME] = {series_extreme, .least = 1, .needs_places = true},
    [FN_MIN_OVER_TIME] = {series_extreme, .least = 1, .needs_places = true},
    [FN_PRESENT_OVER_TIME] = {series_present, .least = 1},
    [FN_QUANTILE_OVER_TIME] = {series_quantile, .least = 1, .needs_room = true},
    [FN_RATE] = {series_increase, .least = 2, .has_factors = true, .needs_places = true,
                 .kind = {.is_counter = true, .is_rate = true}},
    [FN_RESETS] = {series_steps, .least = 1, .needs_places = true},
    [FN_SUM_OVER_TIME] = {series_sum, .least = 1},
    [FN_TS_OF_FIRST_OVER_TIME] = {series_end, .least = 1},
    [FN_TS_OF_LAST_OVER_TIME] = {series_end, .least = 1},
    [FN_TS_OF_MAX_OVER_TIME] = {series_extreme, .least = 1, .needs_places = true},
    [FN_TS_OF_MIN_OVER_TIME] = {series_extreme, .least = 1, .needs_places = true},
};

const struct series_fn_row *series_fn_get(enum fn_id id)
{
    return &rows[id];
}
