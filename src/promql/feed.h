// feed.h: what one selector reads: its series, then the samples of each, whole.
//
// Two passes over the same snapshot: the first asks for labels alone, so that groups and joins are
// known before any sample is read; the second streams one series at a time. Timestamps that the
// series before shared (equal column ids) are not copied again and same_times says so.
// Cost: O(samples). Memory: labels of all series, samples of one.
// Threads: owned by the run.
#ifndef PROMQL_FEED_H
#define PROMQL_FEED_H

#include "base/base.h"
#include "model/match.h"
#include "promql/op.h"

struct hist;
struct run;
struct series_cursor;

// Which moment of the data a step looks at: its own time or a fixed one, less the offset.
struct time_ref {
    bool fixed;
    i64 at_ms;
    i64 offset_ms;
};
static inline i64 time_ref_get(const struct time_ref *ref, const struct grid *g, u32 step)
{
    return (ref->fixed ? ref->at_ms : grid_time(g, step)) - ref->offset_ms;
}

struct feed {
    const struct matcher *matchers;
    u32 matcher_count;
    i64 min_ms; // Inclusive.
    i64 max_ms;
    i64 step_ms;
    bool detects_resets; // Unknown reset hints are made known from sample to sample.
    struct op_series *series;
    u32 series_count;
    // The second pass.
    struct series_cursor *cursor;
    bool has_pending; // The cursor stands on a series that has not been asked for yet.
    u32 at;
    i64 *t_ms;
    f64 *values;
    i64 *starts; // NULL until a sample with a start time comes.
    const struct hist **hists;
    u32 cap;
    u64 *run_ids; // Of the series before.
    u32 *run_ends;
    u32 run_count;
    u32 run_cap;
    struct feed *next; // All feeds of the run, for feed_close_all.
};

struct feed_samples {
    const i64 *t_ms;
    const f64 *values;
    const i64 *starts;               // Start timestamps, 0 = unknown; NULL if all are.
    const struct hist *const *hists; // NULL if there is none; else NULL where a float stands.
    u32 count;
    bool same_times; // As the series before.
};

bool feed_open(struct feed *f, struct run *r) MUST_USE;
// Of series 0, 1, 2, …; valid until the next call.
bool feed_next(struct feed *f, struct run *r, struct feed_samples *out) MUST_USE;
void feed_close_all(struct run *r); // What is left open after a failure.

#endif
