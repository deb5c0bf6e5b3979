// fn_resets.c: resets and changes, which look at floats and histograms alike.
#include "model/hist_reset.h"
#include "promql/fn_range.h"
#include "promql/query_run.h"

#include <math.h>

// Threads: value.
struct mixed_sample {
    f64 value;
    const struct hist *hist; // NULL for a float.
    i64 t_ms;
    i64 start_ms; // 0 = unknown.
};

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

static bool walk_next(struct mixed_walk *m, struct mixed_sample *out)
{
    const struct window *w = m->w;
    if (m->f >= w->count && m->h >= w->hist_count) {
        return false;
    }
    if (m->h >= w->hist_count || (m->f < w->count && w->t_ms[m->f] < w->hist_t_ms[m->h])) {
        *out = (struct mixed_sample){.value = w->values[m->f],
                                     .t_ms = w->t_ms[m->f],
                                     .start_ms = w->starts ? w->starts[m->f] : 0};
        m->f++;
    } else {
        *out = (struct mixed_sample){.hist = w->hists[m->h],
                                     .t_ms = w->hist_t_ms[m->h],
                                     .start_ms = w->hist_starts ? w->hist_starts[m->h] : 0};
        m->h++;
    }
    return true;
}

static bool is_reset(const struct mixed_sample *before, const struct mixed_sample *x)
{
    const i64 starts[] = {before->start_ms, x->start_ms};
    const i64 t_ms[] = {before->t_ms, x->t_ms};
    if (start_tells_reset(starts, t_ms, 1) || !before->hist != !x->hist) {
        return true;
    }
    return x->hist ? hist_is_reset(before->hist, x->hist) : x->value < before->value;
}

static bool is_change(const struct mixed_sample *before, const struct mixed_sample *x)
{
    if (!before->hist != !x->hist) {
        return true;
    }
    if (x->hist) {
        return !hist_same(before->hist, x->hist);
    }
    return x->value != before->value && !(isnan(x->value) && isnan(before->value));
}

static struct range_value count_steps(const struct range_call *c, const struct window *w,
                                      bool (*counts)(const struct mixed_sample *before,
                                                     const struct mixed_sample *x))
{
    struct mixed_walk m;
    if (!walk_begin(&m, c, w)) {
        return range_nothing();
    }
    struct mixed_sample before = {.value = 0};
    struct mixed_sample x;
    (void)walk_next(&m, &before);
    u32 n = 0;
    while (walk_next(&m, &x)) {
        n += counts(&before, &x);
        before = x;
    }
    return range_float((f64)n);
}

struct range_value fn_resets(const struct range_call *c, const struct window *w)
{
    return count_steps(c, w, is_reset);
}

struct range_value fn_changes(const struct range_call *c, const struct window *w)
{
    return count_steps(c, w, is_change);
}
