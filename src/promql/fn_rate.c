// fn_rate.c: rate, increase, delta, irate, idelta of floats; with anchored and smoothed.
#include "promql/fn_hist.h"
#include "promql/fn_range.h"
#include "promql/query_run.h"

// As interpolate, but a counter that fell is taken to have begun again at zero.
static f64 interpolate_counter(const struct window *w, u32 left, i64 t, bool is_counter)
{
    f64 v1 = w->values[left];
    f64 v2 = w->values[left + 1];
    return interpolate(w->t_ms[left], is_counter && v2 < v1 ? 0 : v1, w->t_ms[left + 1], v2, t);
}

// What resets hide of a counter between the two ends.
static f64 reset_correction(const struct window *w, const struct extent *x, f64 left, f64 right)
{
    u32 from = x->first + (w->t_ms[x->first] <= w->start_ms);
    u32 to = x->last + 1 - (w->t_ms[x->last] >= w->end_ms);
    f64 correction = 0;
    f64 before = left;
    for (u32 i = from; i < to; i++) {
        if (w->values[i] < before) {
            correction += before;
        }
        before = w->values[i];
    }
    if (right < before) {
        correction += before;
    }
    return correction;
}

static struct range_value extended_rate(const struct range_call *c, const struct window *w,
                                        struct rate_kind k)
{
    struct extent x;
    if (!extent_find(w->t_ms, w->count, w, c->smoothed, &x)) {
        return range_nothing();
    }
    f64 left = x.left_between ? interpolate_counter(w, x.first, w->start_ms, k.is_counter)
                              : w->values[x.first];
    f64 right = x.right_between ? interpolate_counter(w, x.last - 1, w->end_ms, k.is_counter)
                                : w->values[x.last];
    f64 v = right - left;
    if (k.is_counter) {
        v += reset_correction(w, &x, left, right);
    }
    return range_float(k.is_rate ? v / c->range_seconds : v);
}

// The growth between first and last sample, resets made good in order of time.
static f64 growth(const struct range_call *c, const struct window *w, bool is_counter)
{
    f64 v = w->values[w->count - 1] - w->values[0];
    if (is_counter && (c->may_reset || w->starts)) {
        for (u32 i = 1; i < w->count; i++) {
            if (w->values[i] < w->values[i - 1] || start_tells_reset(w->starts, w->t_ms, i)) {
                v += w->values[i - 1];
            }
        }
    }
    return v;
}

static struct range_value extrapolated_rate(const struct range_call *c, const struct window *w,
                                            struct rate_kind k)
{
    struct stretch s = {.first_ms = w->t_ms[0],
                        .last_ms = w->t_ms[w->count - 1],
                        .count = w->count,
                        .first_value = w->values[0],
                        .zero_ms = k.is_counter ? start_within(w->starts, w->t_ms, w) : 0};
    if (w->count < 2 && s.zero_ms == 0) {
        return range_nothing();
    }
    if (k.is_counter) {
        note_start_overlap(c, w->starts, w->t_ms, w->count);
    }
    s.change = growth(c, w, k.is_counter);
    if (s.zero_ms != 0) {
        s.change += w->values[0];
    }
    return range_float(s.change * stretch_factor(c, w, &s, k));
}

static struct range_value change(const struct range_call *c, const struct window *w,
                                 struct rate_kind k)
{
    bool extended = c->anchored || c->smoothed;
    if (w->hist_count > 0 && w->count > 0) {
        note_mixed_range(c->run, c->arg_span, c->metric);
        return range_nothing();
    }
    if (w->hist_count > 0) {
        return extended ? hist_extended_rate(c, w, k) : hist_rate(c, w, k);
    }
    if (w->count == 0) {
        return range_nothing();
    }
    return extended ? extended_rate(c, w, k) : extrapolated_rate(c, w, k);
}

struct range_value fn_rate(const struct range_call *c, const struct window *w)
{
    return change(c, w, (struct rate_kind){.is_counter = true, .is_rate = true});
}

struct range_value fn_increase(const struct range_call *c, const struct window *w)
{
    return change(c, w, (struct rate_kind){.is_counter = true});
}

struct range_value fn_delta(const struct range_call *c, const struct window *w)
{
    return change(c, w, (struct rate_kind){.is_counter = false});
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
        return hist_instant(c, w, is_rate);
    }
    f64 v = w->values[w->count - 1];
    f64 before = w->values[w->count - 2];
    i64 apart_ms = w->t_ms[w->count - 1] - w->t_ms[w->count - 2];
    if (apart_ms == 0) {
        return range_nothing();
    }
    bool is_reset = is_rate && (v < before || start_tells_reset(w->starts, w->t_ms, w->count - 1));
    if (!is_reset) {
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
