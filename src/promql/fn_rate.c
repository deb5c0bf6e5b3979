// fn_rate.c: rate, increase, delta, irate, idelta, resets, changes; with anchored and smoothed.
#include "model/hist.h"
#include "promql/fn_range.h"
#include "promql/query_run.h"

#include <math.h>

// Arithmetic on native histograms is not built; saying so beats a wrong answer.
static struct range_value no_hists(const struct range_call *c)
{
    run_fail(c->run, ERR_UNSUPPORTED, "%.*s of native histograms is not supported yet",
             STR_ARG(c->fn->name));
    return range_nothing();
}

// The part that floats and histograms have in common: what may not be evaluated at all.
static bool is_float_window(const struct range_call *c, const struct window *w, u32 hists_min)
{
    if (w->hist_count > 0 && w->count > 0) {
        note_mixed_range(c->run, c->arg_span, c->metric);
        return false;
    }
    if (w->hist_count >= hists_min) {
        no_hists(c);
        return false;
    }
    return w->count > 0;
}

f64 interpolate(i64 t1, f64 v1, i64 t2, f64 v2, i64 t)
{
    return v1 + (v2 - v1) * (f64)(t - t1) / (f64)(t2 - t1);
}

// As interpolate, but a counter that fell is taken to have begun again at zero.
static f64 interpolate_counter(const struct window *w, u32 left, i64 t, bool is_counter)
{
    f64 v1 = w->values[left];
    f64 v2 = w->values[left + 1];
    return interpolate(w->t_ms[left], is_counter && v2 < v1 ? 0 : v1, w->t_ms[left + 1], v2, t);
}

// First index in [0, count) whose time is > t (or ≥ t); count if none.
static u32 search_after(const i64 *t_ms, u32 count, i64 t, bool or_equal)
{
    u32 low = 0;
    u32 high = count;
    while (low < high) {
        u32 mid = low + (high - low) / 2;
        if (or_equal ? t_ms[mid] >= t : t_ms[mid] > t) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

// The samples that decide an anchored or smoothed range. Threads: value.
struct extent {
    u32 first; // The last at or before the start, if there is one.
    u32 last;  // Smoothed: the first at or after the end, if there is one.
    f64 left;  // The values at the two ends.
    f64 right;
};

static bool extent_find(const struct window *w, bool smoothed, bool is_counter, struct extent *x)
{
    u32 last = w->count - 1;
    u32 after = search_after(w->t_ms, last, w->start_ms, false);
    u32 first = after > 0 ? after - 1 : 0;
    if (smoothed) {
        last = search_after(w->t_ms, last, w->end_ms, true);
    }
    if (w->t_ms[last] <= w->start_ms || (smoothed && w->t_ms[first] > w->end_ms)) {
        return false;
    }
    *x = (struct extent){
        .first = first, .last = last, .left = w->values[first], .right = w->values[last]};
    if (smoothed && w->t_ms[first] < w->start_ms) {
        x->left = interpolate_counter(w, first, w->start_ms, is_counter);
    }
    if (smoothed && last > 0 && w->t_ms[last] > w->end_ms) {
        x->right = interpolate_counter(w, last - 1, w->end_ms, is_counter);
    }
    return true;
}

u32 window_extend(const struct window *w, bool smoothed, i64 *t_ms, f64 *values)
{
    struct extent x;
    if (w->count == 0 || !extent_find(w, smoothed, false, &x)) {
        return 0;
    }
    u32 n = 0;
    t_ms[n] = w->start_ms;
    values[n++] = x.left;
    for (u32 i = x.first; i <= x.last; i++) {
        if (w->t_ms[i] > w->start_ms && w->t_ms[i] < w->end_ms) {
            t_ms[n] = w->t_ms[i];
            values[n++] = w->values[i];
        }
    }
    t_ms[n] = w->end_ms;
    values[n++] = x.right;
    return n;
}

// What resets hide of a counter between the two ends.
static f64 reset_correction(const struct window *w, const struct extent *x)
{
    u32 from = x->first + (w->t_ms[x->first] <= w->start_ms);
    u32 to = x->last + 1 - (w->t_ms[x->last] >= w->end_ms);
    f64 correction = 0;
    f64 before = x->left;
    for (u32 i = from; i < to; i++) {
        if (w->values[i] < before) {
            correction += before;
        }
        before = w->values[i];
    }
    if (x->right < before) {
        correction += before;
    }
    return correction;
}

static struct range_value extended_rate(const struct range_call *c, const struct window *w,
                                        bool is_counter, bool is_rate)
{
    struct extent x;
    if (!extent_find(w, c->smoothed, is_counter, &x)) {
        return range_nothing();
    }
    f64 v = x.right - x.left;
    if (is_counter) {
        v += reset_correction(w, &x);
    }
    return range_float(is_rate ? v / c->range_seconds : v);
}

// The growth between first and last sample, resets made good in order of time.
static f64 growth(const struct range_call *c, const struct window *w, bool is_counter)
{
    f64 v = w->values[w->count - 1] - w->values[0];
    if (is_counter && c->may_reset) {
        for (u32 i = 1; i < w->count; i++) {
            if (w->values[i] < w->values[i - 1]) {
                v += w->values[i - 1];
            }
        }
    }
    return v;
}

static struct range_value extrapolated_rate(const struct range_call *c, const struct window *w,
                                            bool is_counter, bool is_rate)
{
    if (!is_float_window(c, w, c->anchored || c->smoothed ? 1 : 2)) {
        return range_nothing();
    }
    if (c->anchored || c->smoothed) {
        return extended_rate(c, w, is_counter, is_rate);
    }
    if (w->count < 2) {
        return range_nothing();
    }
    i64 first_ms = w->t_ms[0];
    i64 last_ms = w->t_ms[w->count - 1];
    f64 v = growth(c, w, is_counter);
    f64 to_start = (f64)(first_ms - w->start_ms) / 1000;
    f64 to_end = (f64)(w->end_ms - last_ms) / 1000;
    f64 sampled = (f64)(last_ms - first_ms) / 1000;
    f64 average = sampled / (f64)(w->count - 1);
    f64 threshold = average * 1.1;

    // Near an end the series is taken to reach it; else half an interval beyond its last sample.
    if (to_start >= threshold) {
        to_start = average / 2;
    }
    if (is_counter) {
        // A counter cannot have been below zero: it does not reach further back than there.
        f64 to_zero = to_start;
        if (v > 0 && w->values[0] >= 0) {
            to_zero = sampled * (w->values[0] / v);
        }
        if (to_zero < to_start) {
            to_start = to_zero;
        }
    }
    if (to_end >= threshold) {
        to_end = average / 2;
    }
    f64 factor = 1;
    if (sampled != 0) {
        factor = (sampled + to_start + to_end) / sampled;
    }
    if (is_rate) {
        factor /= c->range_seconds;
    }
    return range_float(v * factor);
}

struct range_value fn_rate(const struct range_call *c, const struct window *w)
{
    return extrapolated_rate(c, w, true, true);
}

struct range_value fn_increase(const struct range_call *c, const struct window *w)
{
    return extrapolated_rate(c, w, true, false);
}

struct range_value fn_delta(const struct range_call *c, const struct window *w)
{
    return extrapolated_rate(c, w, false, false);
}

// How many of the two newest samples are floats.
static u32 newest_floats(const struct window *w)
{
    if (w->hist_count == 0 || w->count == 0) {
        return w->count > 0 ? 2 : 0;
    }
    u32 floats = 0;
    u32 f = w->count;
    u32 h = w->hist_count;
    for (u32 i = 0; i < 2; i++) {
        if (h == 0 || (f > 0 && w->t_ms[f - 1] > w->hist_t_ms[h - 1])) {
            floats++;
            f--;
        } else {
            h--;
        }
    }
    return floats;
}

static struct range_value instant_value(const struct range_call *c, const struct window *w,
                                        bool is_rate)
{
    if (w->count + w->hist_count < 2) {
        return range_nothing();
    }
    u32 floats = newest_floats(w);
    if (floats == 1) {
        note_mixed_range(c->run, c->arg_span, c->metric);
        return range_nothing();
    }
    if (floats == 0) {
        return no_hists(c);
    }
    f64 v = w->values[w->count - 1];
    f64 before = w->values[w->count - 2];
    i64 apart_ms = w->t_ms[w->count - 1] - w->t_ms[w->count - 2];
    if (apart_ms == 0) {
        return range_nothing();
    }
    if (!is_rate || !(v < before)) {
        v = v - before;
    }
    return range_float(is_rate ? v / ((f64)apart_ms / 1000) : v);
}

struct range_value fn_irate(const struct range_call *c, const struct window *w)
{
    return instant_value(c, w, true);
}

struct range_value fn_idelta(const struct range_call *c, const struct window *w)
{
    return instant_value(c, w, false);
}

// Both kinds of samples in order of time. Threads: value.
struct mixed_walk {
    const struct window *w;
    u32 f;
    u32 h;
};

// Begins at the anchor, the newest sample at or before the start; false if nothing follows it.
static bool walk_begin(struct mixed_walk *m, const struct range_call *c, const struct window *w)
{
    *m = (struct mixed_walk){.w = w};
    if (!c->anchored) {
        return w->count + w->hist_count > 0;
    }
    u32 f = search_after(w->t_ms, w->count, w->start_ms, false);
    u32 h = search_after(w->hist_t_ms, w->hist_count, w->start_ms, false);
    if (f >= w->count && h >= w->hist_count) {
        return false;
    }
    if (f > 0 && (h == 0 || w->t_ms[f - 1] >= w->hist_t_ms[h - 1])) {
        f--;
    } else if (h > 0) {
        h--;
    }
    m->f = f;
    m->h = h;
    return true;
}

static bool walk_next(struct mixed_walk *m, f64 *value, const struct hist **hist)
{
    const struct window *w = m->w;
    if (m->f >= w->count && m->h >= w->hist_count) {
        return false;
    }
    if (m->h >= w->hist_count || (m->f < w->count && w->t_ms[m->f] < w->hist_t_ms[m->h])) {
        *value = w->values[m->f++];
        *hist = NULL;
    } else {
        *value = 0;
        *hist = w->hists[m->h++];
    }
    return true;
}

static bool is_reset(f64 before, f64 v)
{
    return v < before;
}

static bool is_change(f64 before, f64 v)
{
    return v != before && !(isnan(v) && isnan(before));
}

static struct range_value count_steps(const struct range_call *c, const struct window *w,
                                      bool (*counts)(f64 before, f64 v), bool hists_known)
{
    struct mixed_walk m;
    if (!walk_begin(&m, c, w)) {
        return range_nothing();
    }
    f64 before;
    const struct hist *hist_before;
    (void)walk_next(&m, &before, &hist_before);
    u32 n = 0;
    f64 v;
    const struct hist *hist;
    while (walk_next(&m, &v, &hist)) {
        if (hist && hist_before) {
            if (!hists_known) {
                return no_hists(c);
            }
            n += !hist_eq(hist, hist_before);
        } else {
            n += hist || hist_before ? 1 : counts(before, v);
        }
        before = v;
        hist_before = hist;
    }
    return range_float((f64)n);
}

struct range_value fn_resets(const struct range_call *c, const struct window *w)
{
    return count_steps(c, w, is_reset, false);
}

struct range_value fn_changes(const struct range_call *c, const struct window *w)
{
    return count_steps(c, w, is_change, true);
}
