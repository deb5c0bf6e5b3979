// range_eval.h: a function of a range over one series after the other: samples in, a column out.
//
// What depends on timestamps alone is found once per timestamp column (range_frame.h) and used for
// all series that share it. A series of floats alone is calculated at once (fn_series.h), all
// others window by window (fn_range.h).
// Cost: O(samples + steps) a series where it is calculated at once. Memory: of the run; the frames
// of FRAMES_BYTES, and what the longest series needs.
// Threads: a task is frozen once it is settled; the rest is owned by the run.
#ifndef PROMQL_RANGE_EVAL_H
#define PROMQL_RANGE_EVAL_H

#include "base/base.h"
#include "promql/feed.h"
#include "promql/fn_series.h"
#include "promql/ops.h"
#include "promql/range_frame.h"

// What is to be calculated. Threads: as above.
struct range_task {
    struct grid grid;
    struct range_source source;
    struct range_call_expr call;
    struct column params[2]; // By step; only where call has one.
    range_fn *fn;
    struct range_frame_need need;
    const struct series_fn_row *whole; // NULL: window by window.
};
// Once all else is known: how.
void range_task_settle(struct range_task *o, const struct run *r);

// Where samples go that cannot be borrowed. Threads: owned.
struct range_split_room {
    i64 *t_ms;
    f64 *values;
    i64 *starts;
    i64 *hist_t_ms;
    i64 *hist_starts;
    const struct hist **hists;
    u8 *hist_resets;
    u32 cap;
};

// Threads: owned by the run.
struct range_frame_slot {
    u32 version; // Of the column that it was made for; 0 = none.
    struct range_frame frame;
};

// Threads: owned by the run.
struct range_eval {
    const struct range_task *task;
    struct range_split_room room;
    struct range_frame_slot *slots; // By column.
    u32 slot_count;
    struct range_frame_slot own;     // Of series that share no times.
    const struct range_frame *frame; // Of the series at hand.
    struct range_frame hist_frame;
    const struct hist *kept_of; // The sample that was the last to be an answer itself,
    const struct hist *kept;    // and what was made of it.
    str counter;                // A name that says so, where it stands; it is not looked at again.
    f64 *scratch;
    u32 scratch_cap;
    u32 *places;
    u32 places_cap;
};
bool range_eval_init(struct range_eval *x, struct run *r, const struct range_task *o) MUST_USE;
// The column of a series; out is empty.
bool range_eval_samples(struct range_eval *x, struct run *r, struct labels ls,
                        const struct feed_samples *samples, struct column *out) MUST_USE;
// The same of a subquery's series.
bool range_eval_inner(struct range_eval *x, struct run *r, struct labels ls,
                      const struct column *inner, struct column *out) MUST_USE;

#endif
