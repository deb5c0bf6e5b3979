// fn_over_time.c: the *_over_time family.
#include "model/kahan.h"
#include "promql/fn_hist.h"
#include "promql/fn_range.h"
#include "promql/query_run.h"

#include <math.h>
#include <stdlib.h>

// A window of both kinds is warned of and left out.
static bool is_mixed(const struct range_call *c, const struct window *w)
{
    bool mixed = w->count > 0 && w->hist_count > 0;
    if (mixed) {
        note_mixed_range(c->run, c->arg_span, c->metric);
    }
    return mixed;
}

// Histograms beside floats are passed over with an info.
static bool has_floats(const struct range_call *c, const struct window *w)
{
    if (w->count > 0 && w->hist_count > 0) {
        note_ignored_hist_in_range(c->run, c->arg_span, c->metric);
    }
    return w->count > 0;
}

struct range_value fn_avg_over_time(const struct range_call *c, const struct window *w)
{
    if (is_mixed(c, w)) {
        return range_nothing();
    }
    if (w->hist_count > 0) {
        return hist_fold_window(c, w, true);
    }
    struct kahan_mean m;
    kahan_mean_start(&m, w->values[0]);
    for (u32 i = 1; i < w->count; i++) {
        kahan_mean_add(&m, w->values[i]);
    }
    return range_float(kahan_mean_get(&m));
}

struct range_value fn_sum_over_time(const struct range_call *c, const struct window *w)
{
    if (is_mixed(c, w)) {
        return range_nothing();
    }
    if (w->hist_count > 0) {
        return hist_fold_window(c, w, false);
    }
    struct kahan k = {0, 0};
    for (u32 i = 0; i < w->count; i++) {
        kahan_add(&k, w->values[i]);
    }
    return range_float(isinf(k.sum) ? k.sum : k.sum + k.lost);
}

struct range_value fn_count_over_time(UNUSED const struct range_call *c, const struct window *w)
{
    return range_float((f64)(w->count + w->hist_count));
}

struct range_value fn_present_over_time(UNUSED const struct range_call *c,
                                        UNUSED const struct window *w)
{
    return range_float(1);
}

// The place of the extreme. later: of equal ones the last counts.
static u32 extreme(const struct window *w, bool is_max, bool later)
{
    u32 at = 0;
    for (u32 i = 0; i < w->count; i++) {
        f64 v = w->values[i];
        f64 best = w->values[at];
        if ((is_max ? v > best : v < best) || (later && v == best) || isnan(best)) {
            at = i;
        }
    }
    return at;
}

struct range_value fn_min_over_time(const struct range_call *c, const struct window *w)
{
    return has_floats(c, w) ? range_float(w->values[extreme(w, false, false)]) : range_nothing();
}

struct range_value fn_max_over_time(const struct range_call *c, const struct window *w)
{
    return has_floats(c, w) ? range_float(w->values[extreme(w, true, false)]) : range_nothing();
}

static struct range_value at_seconds(i64 t_ms)
{
    return range_float((f64)t_ms / 1000);
}

struct range_value fn_ts_of_min_over_time(const struct range_call *c, const struct window *w)
{
    return has_floats(c, w) ? at_seconds(w->t_ms[extreme(w, false, true)]) : range_nothing();
}

struct range_value fn_ts_of_max_over_time(const struct range_call *c, const struct window *w)
{
    return has_floats(c, w) ? at_seconds(w->t_ms[extreme(w, true, true)]) : range_nothing();
}

static bool first_is_float(const struct window *w)
{
    return w->hist_count == 0 || (w->count > 0 && w->t_ms[0] < w->hist_t_ms[0]);
}

static bool last_is_float(const struct window *w)
{
    return w->hist_count == 0 ||
           (w->count > 0 && w->hist_t_ms[w->hist_count - 1] < w->t_ms[w->count - 1]);
}

struct range_value fn_first_over_time(UNUSED const struct range_call *c, const struct window *w)
{
    return first_is_float(w) ? range_float(w->values[0])
                             : (struct range_value){.kind = RANGE_HIST, .hist = w->hists[0]};
}

struct range_value fn_last_over_time(UNUSED const struct range_call *c, const struct window *w)
{
    return last_is_float(w)
               ? range_float(w->values[w->count - 1])
               : (struct range_value){.kind = RANGE_HIST, .hist = w->hists[w->hist_count - 1]};
}

struct range_value fn_ts_of_first_over_time(UNUSED const struct range_call *c,
                                            const struct window *w)
{
    return at_seconds(first_is_float(w) ? w->t_ms[0] : w->hist_t_ms[0]);
}

struct range_value fn_ts_of_last_over_time(UNUSED const struct range_call *c,
                                           const struct window *w)
{
    return at_seconds(last_is_float(w) ? w->t_ms[w->count - 1] : w->hist_t_ms[w->hist_count - 1]);
}

static f64 variance(const struct window *w)
{
    f64 count = 0;
    struct kahan mean = {0, 0};
    struct kahan sum = {0, 0};
    for (u32 i = 0; i < w->count; i++) {
        count++;
        f64 delta = w->values[i] - (mean.sum + mean.lost);
        kahan_add(&mean, delta / count);
        kahan_add(&sum, delta * (w->values[i] - (mean.sum + mean.lost)));
    }
    return (sum.sum + sum.lost) / count;
}

struct range_value fn_stddev_over_time(const struct range_call *c, const struct window *w)
{
    return has_floats(c, w) ? range_float(sqrt(variance(w))) : range_nothing();
}

struct range_value fn_stdvar_over_time(const struct range_call *c, const struct window *w)
{
    return has_floats(c, w) ? range_float(variance(w)) : range_nothing();
}

static int by_value_nan_first(const void *a, const void *b)
{
    f64 x = *(const f64 *)a;
    f64 y = *(const f64 *)b;
    if (isnan(x) || isnan(y)) {
        return isnan(y) - isnan(x);
    }
    return (x > y) - (x < y);
}

void sort_values(f64 *values, u32 count)
{
    if (count > 1) {
        qsort(values, count, sizeof(f64), by_value_nan_first);
    }
}

f64 quantile_of_sorted(f64 q, const f64 *values, u32 count)
{
    f64 n = (f64)count;
    f64 rank = q * (n - 1);
    f64 lower = fmax(0, floor(rank));
    f64 upper = fmin(n - 1, lower + 1);
    f64 weight = rank - floor(rank);
    return values[(u32)lower] * (1 - weight) + values[(u32)upper] * weight;
}

f64 quantile_of(f64 q, f64 *values, u32 count)
{
    if (count == 0 || isnan(q)) {
        return normal_nan();
    }
    if (q < 0) {
        return -INFINITY;
    }
    if (q > 1) {
        return INFINITY;
    }
    sort_values(values, count);
    return quantile_of_sorted(q, values, count);
}

struct range_value fn_quantile_over_time(const struct range_call *c, const struct window *w)
{
    if (w->count == 0) {
        return range_nothing();
    }
    f64 q = c->params[0];
    if (isnan(q) || q < 0 || q > 1) {
        note_bad_quantile(c->run, c->arg_span, q);
    }
    (void)has_floats(c, w);
    memcpy(c->scratch, w->values, w->count * sizeof(f64));
    return range_float(quantile_of(q, c->scratch, w->count));
}

struct range_value fn_mad_over_time(const struct range_call *c, const struct window *w)
{
    if (!has_floats(c, w)) {
        return range_nothing();
    }
    for (u32 i = 0; i < w->count; i++) {
        if (isnan(w->values[i])) {
            return range_float(normal_nan());
        }
    }
    memcpy(c->scratch, w->values, w->count * sizeof(f64));
    f64 median = quantile_of(0.5, c->scratch, w->count);
    for (u32 i = 0; i < w->count; i++) {
        c->scratch[i] = fabs(c->scratch[i] - median);
    }
    return range_float(quantile_of(0.5, c->scratch, w->count));
}
