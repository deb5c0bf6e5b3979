// fn_hist.h: native histograms in queries: functions of ranges, operators, notes.
//
// Working copies live in the run's scratch, which is emptied by whoever calls; results in its
// arena.
// Everything asks for room before it takes memory and accounts for the buckets it looks at.
// Threads: owned by the run.
#ifndef PROMQL_FN_HIST_H
#define PROMQL_FN_HIST_H

#include "model/hist_sum.h"
#include "promql/fn_range.h"
#include "promql/operators.h"

// What an addition was part of, for notes.
enum hist_part { HIST_PART_ADDITION, HIST_PART_SUBTRACTION, HIST_PART_AGGREGATION };

// Notes. The name of a metric is always shown, also when it is empty.
void note_mixed_schemas(struct run *r, struct text_span at, str metric);
void note_not_counter(struct run *r, struct text_span at, str metric);
void note_not_gauge(struct run *r, struct text_span at, str metric);
void note_bounds_reconciled(struct run *r, struct text_span at, enum hist_part part);
void note_resets_collide(struct run *r, struct text_span at, enum hist_part part);

// A copy of the head that says otherwise; NULL once the run's memory is used up.
const struct hist *hist_with_reset(struct run *r, const struct hist *h, enum hist_reset reset);

// fn_hist.c: each of these is asked for windows with histograms alone.
struct range_value hist_rate(const struct range_call *c, const struct window *w,
                             struct rate_kind k);
struct range_value hist_instant(const struct range_call *c, const struct window *w, bool is_rate);
struct range_value hist_fold_window(const struct range_call *c, const struct window *w,
                                    bool is_mean);
// fn_hist_extent.c
struct range_value hist_extended_rate(const struct range_call *c, const struct window *w,
                                      struct rate_kind k);
// Between two samples; a counter that was reset is taken to have begun again at zero. NULL with a
// warning if their schemas do not mix, or if the run has failed.
const struct hist *hist_between(const struct range_call *c, const struct window *w, u32 left, i64 t,
                                bool is_counter);

// hist_binary.c: two histograms, or one and a number. Nothing comes out, and *out is NULL, if the
// two do not mix. false: the run has failed.
bool hist_add_pair(struct run *r, struct text_span at, enum binary_op op, const struct hist *left,
                   const struct hist *right, const struct hist **out) MUST_USE;
bool hist_by_number(struct run *r, enum binary_op op, const struct hist *h, f64 v,
                    const struct hist **out) MUST_USE;
// "float", "histogram": what an operator cannot do.
void note_types(struct run *r, struct text_span at, enum binary_op op, bool left_hist,
                bool right_hist);

#endif
