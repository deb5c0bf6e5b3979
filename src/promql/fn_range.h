// fn_range.h: functions over range vectors: pure arithmetic on one window of one series.
//
// Every function here answers what upstream's of the same name answers, to the bit: sums run in
// upstream's order, and nothing is carried from one window to the next.
// Threads: owned by the run.
#ifndef PROMQL_FN_RANGE_H
#define PROMQL_FN_RANGE_H

#include "base/base.h"
#include "promql/function_table.h"

struct hist;
struct run;

// The samples of a window, staleness markers left out; floats and histograms apart, each rising.
struct window {
    const i64 *t_ms;
    const f64 *values;
    const i64 *starts; // Start timestamps, 0 = unknown; NULL if all are.
    u32 count;
    const i64 *hist_t_ms;
    const struct hist *const *hists;
    const i64 *hist_starts;
    u8 *hist_resets; // What is known of each and the one before; see fn_hist.c.
    u32 hist_count;
    i64 start_ms; // The range proper, exclusive; samples may lie before it (anchored, smoothed).
    i64 end_ms;   // Inclusive.
    i64 eval_ms;
};

// What stays the same for all windows of a series.
struct range_call {
    struct run *run;
    const struct function *fn;
    f64 range_seconds;
    bool anchored;
    bool smoothed;
    bool may_reset; // Somewhere in the series a value is less than the one before:
    u32 falls_from; // in [falls_from, falls_to).
    u32 falls_to;
    bool has_nan;              // Or it might have.
    struct text_span arg_span; // Of the function's first argument.
    str metric;
    f64 params[2]; // The scalar arguments at this step.
    f64 *scratch;  // Room for as many values as the window has.
};

enum range_kind { RANGE_NOTHING, RANGE_FLOAT, RANGE_HIST };
struct range_value {
    enum range_kind kind;
    f64 value;
    const struct hist *hist;
};
static inline struct range_value range_nothing(void)
{
    return (struct range_value){.kind = RANGE_NOTHING};
}
static inline struct range_value range_float(f64 v)
{
    return (struct range_value){.kind = RANGE_FLOAT, .value = v};
}

typedef struct range_value range_fn(const struct range_call *c, const struct window *w);
range_fn *range_fn_get(enum fn_id id); // NULL if it does not take a range.
bool range_fn_needs_scratch(enum fn_id id);

// fn_scan.c: what must be known of a series as a whole.
struct values_scan {
    bool has_stale; // A staleness marker.
    bool has_nan;
    bool falls;     // A value less than the one before: some of [falls_from, falls_to) are,
    u32 falls_from; // and no others.
    u32 falls_to;
};
// Some of n values from `at` on are less than the one before.
static inline void values_see_falls(struct values_scan *x, u32 at, u32 n)
{
    x->falls_from = x->falls ? x->falls_from : at;
    x->falls_to = at + n;
    x->falls = true;
}
// Copies n values behind the first `at` of a series, to to[at], and adds what they are to x.
void values_take(f64 *to, u32 at, const f64 *from, u32 n, struct values_scan *x);
// The same of values that are known to be numbers that never fall; they may be where they go.
void values_take_rising(f64 *to, u32 at, const f64 *from, u32 n, struct values_scan *x);

// fn_rate.c
range_fn fn_rate, fn_increase, fn_delta, fn_irate, fn_idelta;
// How a change is taken. Threads: value.
struct rate_kind {
    bool is_counter;
    bool is_rate;
};

// fn_resets.c
range_fn fn_resets, fn_changes;

// fn_extent.c: the ends of ranges.
// The value at t between two samples.
f64 interpolate(i64 t1, f64 v1, i64 t2, f64 v2, i64 t);
// First index in [0, count) whose time is > t (or ≥ t); count if none.
u32 search_after(const i64 *t_ms, u32 count, i64 t, bool or_equal);
// The samples that decide an anchored or smoothed range. Threads: value.
struct extent {
    u32 first;          // The last at or before the start, if there is one.
    u32 last;           // Smoothed: the first at or after the end, if there is one.
    bool left_between;  // The value at the start is one between first and first + 1.
    bool right_between; // That at the end one between last - 1 and last.
};
bool extent_find(const i64 *t_ms, u32 count, const struct window *w, bool smoothed,
                 struct extent *x);
// A change between the first and the last sample of a range. Threads: value.
struct stretch {
    i64 first_ms;
    i64 last_ms;
    u32 count;       // Samples.
    f64 first_value; // A histogram's count.
    f64 change;
    i64 zero_ms; // Where a start timestamp says that the counter was zero; 0 if it says nothing.
};
// How many seconds before its first sample a series is taken to begin, zero or not.
f64 stretch_to_start(const struct window *w, const struct stretch *s);
f64 stretch_to_end(const struct window *w, const struct stretch *s); // And how many after its last.
// By what the change is multiplied to stand for the whole range.
f64 stretch_factor(const struct range_call *c, const struct window *w, const struct stretch *s,
                   struct rate_kind k);
// Does a sample's start timestamp say that the counter began again since the sample before?
bool start_tells_reset(const i64 *starts, const i64 *t_ms, u32 i);
// The first sample's start timestamp if it lies within the range and before the sample; else 0.
i64 start_within(const i64 *starts, const i64 *t_ms, const struct window *w);
void note_start_overlap(const struct range_call *c, const i64 *starts, const i64 *t_ms, u32 count);
// An instant query of an anchored or smoothed range: [start, end] with values put at both ends.
// out has room for w->count + 2; how many were written.
u32 window_extend(const struct window *w, bool smoothed, i64 *t_ms, f64 *values);

// fn_over_time.c
range_fn fn_avg_over_time, fn_sum_over_time, fn_count_over_time, fn_min_over_time, fn_max_over_time;
range_fn fn_first_over_time, fn_last_over_time, fn_present_over_time;
range_fn fn_stddev_over_time, fn_stdvar_over_time, fn_quantile_over_time, fn_mad_over_time;
range_fn fn_ts_of_first_over_time, fn_ts_of_last_over_time;
range_fn fn_ts_of_min_over_time, fn_ts_of_max_over_time;
// Sorts values, NaN first. NaN for none; ∓Inf for q outside 0..1.
f64 quantile_of(f64 q, f64 *values, u32 count);
f64 quantile_of_sorted(f64 q, const f64 *values, u32 count); // The same of sorted values.
void sort_values(f64 *values, u32 count);                    // NaN first, equal ones as they were.

// fn_regression.c
range_fn fn_deriv, fn_predict_linear, fn_double_exponential_smoothing;

#endif
