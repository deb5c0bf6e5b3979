// feed.h: what one selector reads: its series, then the samples of each, whole.
//
// Labels come first, so that groups and joins are known before anything is calculated. Short series
// are read in the same pass and kept while they fit into the run's hoard_bytes; where they do not,
// the pass stops there, another over the same snapshot reads all labels, and the first goes on one
// series at a time. What one selector has read in one
// pass serves others of the same matchers and times. Who reads what no other selector does may take
// samples as they come and keep what he makes of them instead (struct feed_taker). Timestamps that
// series share are kept once (time_columns.h).
// Cost: O(samples). Memory: labels of all series, the hoard, samples of one series.
// Threads: owned by the run.
#ifndef PROMQL_FEED_H
#define PROMQL_FEED_H

#include "base/base.h"
#include "model/match.h"
#include "promql/fn_range.h"
#include "promql/label_texts.h"
#include "promql/op.h"
#include "promql/time_columns.h"

struct arena;
struct hist;
struct run;
struct series_cursor;
struct storage_warnings;

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

// A series of floats without start timestamps. Threads: owned by the run.
struct hoarded {
    const f64 *values;
    const i64 *t_ms; // NULL: the column's.
    u32 count;
    u32 column; // COLUMN_NONE: times of its own.
    struct values_scan scan;
};

struct feed_samples {
    const i64 *t_ms;
    const f64 *values;
    const i64 *starts;               // Start timestamps, 0 = unknown; NULL if all are.
    const struct hist *const *hists; // NULL if there is none; else NULL where a float stands.
    u32 count;
    u32 column;              // Whose times they are; COLUMN_NONE: nobody else's.
    u32 version;             // Of the column.
    struct values_scan scan; // Of values; means nothing where hists is set.
};

// Who takes a series' samples as soon as they are read, so that they need not be kept. Threads:
// owned by the run.
struct feed_taker {
    bool (*take)(void *arg, struct run *r, u32 at, const struct feed_samples *s); // Of series `at`.
    void *arg;
    u64 bytes; // What it keeps of each, in the run's memory.
};

struct feed {
    const struct matcher *matchers;
    u32 matcher_count;
    i64 min_ms; // Inclusive.
    i64 max_ms;
    i64 step_ms;
    bool detects_resets; // Unknown reset hints are made known from sample to sample.
    bool hists_pass;     // Histograms are wanted only until the next series is read,
    bool hists_borrowed; // and before the cursor moves: they are the storage's own.
    struct op_series *series;
    u32 series_count;
    u32 series_cap;
    struct label_texts texts; // Of their labels.
    struct hoarded *hoard;    // Of the first so many series.
    u32 hoard_count;
    u32 hoard_cap;
    const struct feed_taker *taker; // NULL: the hoard keeps them.
    u32 taken_count;                // The first so many series went there; feed_next begins behind.
    // The pass at hand.
    struct series_cursor *cursor;
    bool has_pending;        // The cursor stands on a series that has not been asked for yet,
    bool is_held;            // whose samples did not fit into the hoard: they are here.
    struct values_scan scan; // Of the values of the series at hand.
    struct feed_samples held;
    u64 series_before; // What the budget had counted when the feed was opened.
    u32 at;
    struct time_columns columns;
    f64 *values;
    i64 *starts; // NULL until a sample with a start time comes.
    const struct hist **hists;
    struct arena *hist_arena; // Those of the series at hand, if they pass.
    u32 cap;
    struct feed *next;         // All feeds of the run, for feed_close_all:
    bool is_listed;            // this is one of them.
    struct feed *next_whole;   // All that were read in one pass.
    struct feed *next_planned; // All of the plan.
};

// Makes it known while planning: others may be going to read the same.
void feed_plan(struct feed *f, struct run *r);
bool feed_open(struct feed *f, struct run *r) MUST_USE;
// Does no other selector of the plan read the same?
bool feed_is_alone(const struct feed *f, const struct run *r);
// For who walks the series himself (range_tiles.h): the cursor that feed_open would walk, NULL once
// the run has failed; the samples of the series that f->cursor stands on; and what a cursor's close
// had to say.
struct series_cursor *feed_cursor(struct feed *f, struct run *r);
// Whoever does not walk it after all gives it back: feed_open goes on with it, and it is closed
// even if the run never comes that far.
void feed_hold(struct feed *f, struct run *r, struct series_cursor *c);
bool feed_read(struct feed *f, struct run *r, struct feed_samples *out) MUST_USE;
void feed_warnings(struct run *r, const struct storage_warnings *w);
bool feed_finish(struct run *r, struct series_cursor *c) MUST_USE; // Closes it, with feed_warnings.
// Of series 0, 1, 2, … less what was taken; valid until the next call.
bool feed_next(struct feed *f, struct run *r, struct feed_samples *out) MUST_USE;
void feed_close_all(struct run *r); // What is left open after a failure.

#endif
