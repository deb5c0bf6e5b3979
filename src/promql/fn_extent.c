// fn_extent.c: where ranges begin and end: extrapolation, interpolation at the ends of anchored and
// smoothed ranges, start timestamps.
#include "promql/fn_range.h"
#include "promql/query_run.h"

f64 interpolate(i64 t1, f64 v1, i64 t2, f64 v2, i64 t)
{
    return v1 + (v2 - v1) * (f64)(t - t1) / (f64)(t2 - t1);
}

u32 search_after(const i64 *t_ms, u32 count, i64 t, bool or_equal)
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

bool extent_find(const i64 *t_ms, u32 count, const struct window *w, bool smoothed,
                 struct extent *x)
{
    if (count == 0) {
        return false;
    }
    u32 last = count - 1;
    u32 after = search_after(t_ms, last, w->start_ms, false);
    u32 first = after > 0 ? after - 1 : 0;
    if (smoothed) {
        last = search_after(t_ms, last, w->end_ms, true);
    }
    if (t_ms[last] <= w->start_ms || (smoothed && t_ms[first] > w->end_ms)) {
        return false;
    }
    *x = (struct extent){.first = first,
                         .last = last,
                         .left_between = smoothed && t_ms[first] < w->start_ms,
                         .right_between = smoothed && last > 0 && t_ms[last] > w->end_ms};
    return true;
}

u32 window_extend(const struct window *w, bool smoothed, i64 *t_ms, f64 *values)
{
    struct extent x;
    if (!extent_find(w->t_ms, w->count, w, smoothed, &x)) {
        return 0;
    }
    u32 n = 0;
    u32 f = x.first;
    u32 l = x.last;
    t_ms[n] = w->start_ms;
    values[n++] = x.left_between ? interpolate(w->t_ms[f], w->values[f], w->t_ms[f + 1],
                                               w->values[f + 1], w->start_ms)
                                 : w->values[f];
    for (u32 i = f; i <= l; i++) {
        if (w->t_ms[i] > w->start_ms && w->t_ms[i] < w->end_ms) {
            t_ms[n] = w->t_ms[i];
            values[n++] = w->values[i];
        }
    }
    t_ms[n] = w->end_ms;
    values[n++] = x.right_between ? interpolate(w->t_ms[l - 1], w->values[l - 1], w->t_ms[l],
                                                w->values[l], w->end_ms)
                                  : w->values[l];
    return n;
}

// ---- extrapolation -----------------------------------------------------------------------------

static f64 stretch_average(const struct stretch *s)
{
    f64 sampled = (f64)(s->last_ms - s->first_ms) / 1000;
    return s->count > 1 ? sampled / (f64)(s->count - 1) : 0;
}

// Near an end the series is taken to reach it; else half an interval beyond its last sample.
static f64 stretch_by(f64 distance, f64 average)
{
    f64 threshold = average * 1.1;
    return distance >= threshold ? average / 2 : distance;
}

f64 stretch_to_start(const struct window *w, const struct stretch *s)
{
    return stretch_by((f64)(s->first_ms - w->start_ms) / 1000, stretch_average(s));
}

f64 stretch_to_end(const struct window *w, const struct stretch *s)
{
    return stretch_by((f64)(w->end_ms - s->last_ms) / 1000, stretch_average(s));
}

f64 stretch_factor(const struct range_call *c, const struct window *w, const struct stretch *s,
                   struct rate_kind k)
{
    f64 to_start = stretch_to_start(w, s);
    f64 to_end = stretch_to_end(w, s);
    f64 sampled = (f64)(s->last_ms - s->first_ms) / 1000;

    if (k.is_counter) {
        // A counter cannot have been below zero: it does not reach further back than there.
        f64 to_zero = to_start;
        if (s->change > 0 && s->first_value >= 0) {
            to_zero = sampled * (s->first_value / s->change);
        }
        if (to_zero < to_start) {
            to_start = to_zero;
        }
    }
    if (s->zero_ms != 0) { // Nothing needs to be guessed there.
        sampled = (f64)(s->last_ms - s->zero_ms) / 1000;
        to_start = 0;
    }
    f64 factor = 1;
    if (sampled != 0) {
        factor = (sampled + to_start + to_end) / sampled;
    }
    return k.is_rate ? factor / c->range_seconds : factor;
}

// ---- start timestamps --------------------------------------------------------------------------

bool start_tells_reset(const i64 *starts, const i64 *t_ms, u32 i)
{
    if (!starts || starts[i] == 0) {
        return false;
    }
    if (starts[i] > t_ms[i - 1]) {
        return starts[i] < t_ms[i];
    }
    // A delta begins where the one before ended. So does a counter of unknown start at its second
    // sample, but then the first one has no start or is its own.
    return starts[i] == t_ms[i - 1] && starts[i - 1] != 0 && starts[i - 1] < t_ms[i - 1];
}

i64 start_within(const i64 *starts, const i64 *t_ms, const struct window *w)
{
    return starts && starts[0] > w->start_ms && starts[0] < t_ms[0] ? starts[0] : 0;
}

void note_start_overlap(const struct range_call *c, const i64 *starts, const i64 *t_ms, u32 count)
{
    for (u32 i = 1; starts && i < count; i++) {
        if (starts[i] != 0 && starts[i] < t_ms[i - 1] && starts[i] != starts[i - 1]) {
            note_warning(c->run, c->arg_span,
                         "sample has start time that overlaps with previous sample timestamp for "
                         "metric %s",
                         run_quoted(c->run, c->metric));
            return;
        }
    }
}
