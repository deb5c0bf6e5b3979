// fn_series.h: functions over range vectors, all windows of a series of floats at once.
//
// They answer what the functions of fn_range.h answer, to the bit, and cost less: O(1) a step where
// that is exact (count, first, last, min, max, resets, changes, rate without resets), a sorted
// window that slides for quantiles, and sums in upstream's order, several windows side by side.
// They know neither histograms nor start timestamps nor anchored or smoothed ranges, and nothing
// to be noted: series that have any of these go window by window.
// Threads: pure, but for the state in struct series_call.
#ifndef PROMQL_FN_SERIES_H
#define PROMQL_FN_SERIES_H

#include "base/base.h"
#include "promql/fn_range.h"
#include "promql/function_table.h"

struct range_frame;

// One series, of at least one sample. State is zero before the first slice of steps and kept from
// slice to slice. Threads: owned.
struct series_call {
    const struct range_call *call;
    const struct range_frame *frame;
    const i64 *t_ms;
    const f64 *values;
    u32 count;
    const f64 *param; // By step; NULL if the function has none.
    f64 *room;        // For count values: the sorted window.
    u32 *places;      // For count: where it falls, a queue of extremes, or counts.
    bool begun;
    u32 place_count;
    u32 low;
    u32 high;
};

// Writes the values of steps [from, to); what stands where the frame says that there is none means
// nothing.
typedef void series_fn(struct series_call *c, u32 from, u32 to, f64 *out);

// Threads: frozen.
struct series_fn_row {
    series_fn *fn; // NULL: window by window.
    u32 least;     // Samples that a window must have to have a value.
    bool has_factors;
    bool needs_room;
    bool needs_places;
    struct rate_kind kind;
};
const struct series_fn_row *series_fn_get(enum fn_id id);

// Changes of a counter beyond these go the long way, where nothing can overflow unseen.
#define CHANGE_TINY 1e-200
#define CHANGE_HUGE 1e200

// fn_series_fold.c: those that look at each sample of a window.
series_fn series_sum, series_avg, series_quantile;

#endif
