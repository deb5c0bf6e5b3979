// range_frame.h: what the windows of one timestamp column have in common, whichever series' they
// are: their bounds, which of them hold enough samples, and by what a change is stretched.
//
// Made once per timestamp column, O(steps) and O(samples) where they lie unevenly, and used for
// all series that share it.
// Memory: RANGE_FRAME_STEP_BYTES a step, in the run's memory, kept from column to column.
// Threads: owned by the run; frozen while series are calculated.
#ifndef PROMQL_RANGE_FRAME_H
#define PROMQL_RANGE_FRAME_H

#include "base/base.h"
#include "promql/fn_range.h"
#include "promql/op.h"
#include "promql/ops.h"

struct run;

#define RANGE_FRAME_STEP_BYTES 57U

// Threads: as above.
struct range_frame {
    struct grid grid;
    struct time_ref ref;
    i64 range_ms;
    i64 before_ms; // How much further back and forth than the range windows reach.
    i64 behind_ms;
    u32 least; // Samples that a window must have.
    u32 *from; // Windows as [from, to) by step.
    u32 *to;
    u32 *last; // to - 1; where a window has not enough samples, first and last are sample 0.
    u32 *first;
    u64 *present; // Steps whose window has at least so many.
    u32 *strides; // Of 64 steps: by how much first and last go on from step to step; 0: unevenly.
    // Of rate, increase and delta only:
    f64 *factor;   // By what a change is multiplied unless its counter would begin below zero,
    f64 limit_max; // Of all steps that are present.
    f64 *limit; // which it does not where first value ≥ limit × change. If it would: seconds from
    f64 *sampled;  // the first sample to the last,
    f64 *to_start; // before the first, if no counter is in the way,
    f64 *to_end;   // and after the last.
    u64 samples;   // In all windows together.
};

// What a frame is made for. Threads: value.
struct range_frame_need {
    u32 least;        // 1 or 2.
    bool has_factors; // factor and limit.
};
bool range_frame_init(struct range_frame *f, struct run *r, const struct grid *g,
                      const struct range_source *source, struct range_frame_need need) MUST_USE;
// Finds the windows.
void range_frame_fill(struct range_frame *f, const i64 *t_ms, u32 count);
// After that: k says what is made of the change.
void range_frame_stretch(struct range_frame *f, const struct range_call *c, const i64 *t_ms,
                         struct rate_kind k);
// One of the windows; whose samples, the caller fills in.
struct window range_frame_window(const struct range_frame *f, u32 step);

#endif
