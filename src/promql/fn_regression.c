// fn_regression.c: deriv, predict_linear, double_exponential_smoothing; and the table of all
// functions over ranges.
#include "model/kahan.h"
#include "model/sample.h"
#include "promql/fn_range.h"
#include "promql/query_run.h"

// Fewer than two floats give nothing; histograms beside floats are told.
static bool has_two(const struct range_call *c, const struct window *w)
{
    if (w->count > 0 && w->hist_count > 0) {
        note_ignored_hist_in_range(c->run, c->arg_span, c->metric);
    }
    return w->count >= 2;
}

// Threads: value.
struct line {
    f64 slope;
    f64 intercept; // At the time that was asked for.
};

static struct line least_squares(const struct window *w, i64 at_ms)
{
    struct kahan x_sum = {0, 0};
    struct kahan y_sum = {0, 0};
    struct kahan xy_sum = {0, 0};
    struct kahan x2_sum = {0, 0};
    f64 n = 0;
    f64 first = w->values[0];
    bool is_constant = true;
    for (u32 i = 0; i < w->count; i++) {
        f64 y = w->values[i];
        if (i > 0 && y != first) {
            is_constant = false;
        }
        n += 1;
        f64 x = (f64)(w->t_ms[i] - at_ms) / 1e3;
        kahan_add(&x_sum, x);
        kahan_add(&y_sum, y);
        kahan_add(&xy_sum, x * y);
        kahan_add(&x2_sum, x * x);
    }
    if (is_constant) {
        return isinf(first) ? (struct line){normal_nan(), normal_nan()} : (struct line){0, first};
    }
    f64 sx = x_sum.sum + x_sum.lost;
    f64 sy = y_sum.sum + y_sum.lost;
    f64 sxy = xy_sum.sum + xy_sum.lost;
    f64 sx2 = x2_sum.sum + x2_sum.lost;
    f64 covariance = sxy - sx * sy / n;
    f64 spread = sx2 - sx * sx / n;
    f64 slope = covariance / spread;
    return (struct line){slope, sy / n - slope * sx / n};
}

struct range_value fn_deriv(const struct range_call *c, const struct window *w)
{
    // The slope does not depend on where x begins; near the samples it loses least.
    return has_two(c, w) ? range_float(least_squares(w, w->t_ms[0]).slope) : range_nothing();
}

struct range_value fn_predict_linear(const struct range_call *c, const struct window *w)
{
    if (!has_two(c, w)) {
        return range_nothing();
    }
    struct line l = least_squares(w, w->eval_ms);
    return range_float(l.slope * c->params[0] + l.intercept);
}

struct range_value fn_double_exponential_smoothing(const struct range_call *c,
                                                   const struct window *w)
{
    f64 level = c->params[0];
    f64 trend = c->params[1];
    if (level <= 0 || level >= 1) {
        run_fail(c->run, ERR_OUT_OF_ORDER,
                 "invalid smoothing factor. Expected: 0 < sf < 1, got: %f", level);
        return range_nothing();
    }
    if (trend <= 0 || trend >= 1) {
        run_fail(c->run, ERR_OUT_OF_ORDER, "invalid trend factor. Expected: 0 < tf < 1, got: %f",
                 trend);
        return range_nothing();
    }
    if (!has_two(c, w)) {
        return range_nothing();
    }
    f64 before = 0;
    f64 smoothed = w->values[0];
    f64 slope = w->values[1] - w->values[0];
    for (u32 i = 1; i < w->count; i++) {
        f64 x = level * w->values[i];
        if (i > 1) {
            slope = trend * (smoothed - before) + (1 - trend) * slope;
        }
        f64 y = (1 - level) * (smoothed + slope);
        before = smoothed;
        smoothed = x + y;
    }
    return range_float(smoothed);
}

static range_fn *const range_fns[FN_COUNT] = {
    [FN_ABSENT_OVER_TIME] = fn_present_over_time, // op_absent turns the answer around.
    [FN_AVG_OVER_TIME] = fn_avg_over_time,
    [FN_CHANGES] = fn_changes,
    [FN_COUNT_OVER_TIME] = fn_count_over_time,
    [FN_DELTA] = fn_delta,
    [FN_DERIV] = fn_deriv,
    [FN_DOUBLE_EXPONENTIAL_SMOOTHING] = fn_double_exponential_smoothing,
    [FN_FIRST_OVER_TIME] = fn_first_over_time,
    [FN_IDELTA] = fn_idelta,
    [FN_INCREASE] = fn_increase,
    [FN_IRATE] = fn_irate,
    [FN_LAST_OVER_TIME] = fn_last_over_time,
    [FN_MAD_OVER_TIME] = fn_mad_over_time,
    [FN_MAX_OVER_TIME] = fn_max_over_time,
    [FN_MIN_OVER_TIME] = fn_min_over_time,
    [FN_PREDICT_LINEAR] = fn_predict_linear,
    [FN_PRESENT_OVER_TIME] = fn_present_over_time,
    [FN_QUANTILE_OVER_TIME] = fn_quantile_over_time,
    [FN_RATE] = fn_rate,
    [FN_RESETS] = fn_resets,
    [FN_STDDEV_OVER_TIME] = fn_stddev_over_time,
    [FN_STDVAR_OVER_TIME] = fn_stdvar_over_time,
    [FN_SUM_OVER_TIME] = fn_sum_over_time,
    [FN_TS_OF_FIRST_OVER_TIME] = fn_ts_of_first_over_time,
    [FN_TS_OF_LAST_OVER_TIME] = fn_ts_of_last_over_time,
    [FN_TS_OF_MAX_OVER_TIME] = fn_ts_of_max_over_time,
    [FN_TS_OF_MIN_OVER_TIME] = fn_ts_of_min_over_time,
};

range_fn *range_fn_get(enum fn_id id)
{
    return range_fns[id];
}

bool range_fn_needs_scratch(enum fn_id id)
{
    return id == FN_QUANTILE_OVER_TIME || id == FN_MAD_OVER_TIME;
}
