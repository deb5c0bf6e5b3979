// tally.h: how many samples a query looked at and read, as upstream's statistics have it.
//
// Looked at: a sample counts in each step that sees it, a histogram as often as floats would fit
// into its bytes. Read: in the first step that sees it. Each grid of a query counts for itself, and
// in the end into the grid around it (tally_close): of a subquery within a function only what was
// read, in the steps that use it; of what is evaluated once, what was looked at in each step, what
// was read in the first; of what several places share, both for each place.
// Only a run that was asked for statistics has tallies; then nothing is answered without being
// read. Source of the rules: Prometheus 3.14, docs/querying/api.md and its per-step statistics.
// Threads: owned by the run.
#ifndef PROMQL_TALLY_H
#define PROMQL_TALLY_H

#include "base/base.h"
#include "promql/column.h"

struct hist;
struct run;

enum tally_use {
    TALLY_ROOT,
    TALLY_ONCE,    // One step for all of the grid around.
    TALLY_SHARED,  // A part that stands at several places of one grid.
    TALLY_WINDOWS, // A subquery below a function.
    TALLY_WHOLE,   // A subquery that is the answer.
};

// Of what a grid stands in. Threads: value.
struct tally_place {
    enum tally_use use;
    struct tally *around; // NULL: the root.
    i64 offset_ms;        // Of a subquery.
    i64 range_ms;
    const u32 *times; // A shared part counts for each of its places: how many there are.
};
// For grid g, where it is entered. Without statistics there is none, which is no failure.
bool tally_open(struct run *r, struct grid *g, struct tally_place place) MUST_USE;
struct tally {
    struct tally *before; // Made before it: all of a run, newest first.
    struct tally_place place;
    struct grid grid;
    u64 looked_at;
    u64 read;
    u64 *looked_at_by_step; // Of grid.
    u64 *read_by_step;
};
// How many samples a histogram counts for.
u64 tally_hist(const struct hist *h);
// In one step of grid g.
void tally_count(struct run *r, const struct grid *g, u32 step, u64 looked_at, u64 read);
// In all its steps: windows [from, to) of floats, total samples together; is_stored: of storage's,
// not of a subquery's.
void tally_windows(struct run *r, const struct grid *g, const u32 *from, const u32 *to, u64 total,
                   bool is_stored);
// A tally of a helper, who counts instead of the grid's own: empty, and later added to it.
bool tally_fork(struct run *helper, const struct grid *g) MUST_USE;
void tally_join(const struct run *helper, const struct grid *g);
// All counts of a run into its root.
void tally_close(struct run *r);

#endif
