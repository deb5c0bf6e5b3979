// query_run.h: one run of a query: its memory, budget, clock, notes and first error.
//
// Everything that evaluates gets the run as its second parameter and fails by run_fail, which
// keeps the first error. query_tick is the one place that looks at budget, deadline and cancel.
// Invariants:
//   (I1) Memory of a run is asked for by run_alloc or guarded by run_room, so that a limit is an
//        error and never an abort.
//   (I2) scratch holds nothing beyond the work on one series.
// Threads: owned.
#ifndef PROMQL_QUERY_RUN_H
#define PROMQL_QUERY_RUN_H

#include "base/base.h"
#include "base/error.h"
#include "promql/column.h"
#include "promql/notes.h"
#include "promql/promql.h"

struct arena;
struct explain;

// What is kept free beyond the limit for the small pieces that are made without asking.
#define RUN_SLACK_BYTES ((u64)16 << 20)

struct run {
    const struct promql_engine *engine;
    const struct promql_engine_opts *opts;
    const struct promql_request *request;
    struct grid grid; // Of the whole query.
    i64 lookback_ms;
    struct arena *arena;
    struct arena *scratch;
    struct arena *made; // Histograms of columns that go before the run does; NULL: they do not.
    u64 bytes_limit;
    struct query_budget budget; // The one that storage charges.
    struct storage_querier *querier;
    i64 min_ms; // What the selectors need; the querier's range.
    i64 max_ms;
    // While planning: within functions that read totals of histograms, and within what needs more.
    u32 total_depth;
    u32 whole_depth;
    u32 op_count;             // Operators made so far.
    struct plan_share *share; // Parts of the plan that are equal; NULL: not looked for.
    bool shares;              // It was looked whether there are any.
    bool apart;               // Nothing is to be shared.
    bool out_of_memory;       // Why the run failed.
    struct explain *explain;  // NULL: nobody wants to know.
    u32 op_order;             // Of the one at work; notes ask.
    struct notes notes;
    struct storage_warnings storage_warnings; // Texts in arena.
    struct feed *feeds;                       // Those that have a cursor open.
    struct feed *whole_feeds;                 // Those that were read in one pass.
    struct feed *planned_feeds;               // All of the plan.
    u64 hoard_bytes;                          // What feeds and those who take from them keep.
    u64 helper_bytes;                         // Memory that helpers have left to the run.
    u64 passing_bytes;                        // Histograms of the series that feeds stand on.
    bool alone;                               // Nobody helps.
    bool asks_help;                           // Somebody was to: that takes memory, too.
    u32 helped;                               // Selectors read with help,
    u64 tiles_helped;                         // and how many of their tiles others did.
    struct error *error;
    bool failed;
    u64 work; // Since the last look at clock and cancel; see run_work.
    u64 samples_held;
    u64 samples_peak;
    u64 samples_total;       // Looked at, by all parts together.
    struct tally *tallies;   // Newest first; NULL: nobody wants statistics.
    struct tally *tally_own; // Of a helper, instead of the grid's.
};

// What sets the bytes that one query may use, for texts; and what would need less.
#define RUN_SHARE ", its share of --memory.limit"
const char *run_advice(const struct run *r);
// Keeps the first failure; yields false.
bool run_fail(struct run *r, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);
bool run_fail_with(struct run *r, const struct error *e);
// Looks at everything that may stop a run; once in some series of an operator.
bool query_tick(struct run *r) MUST_USE;

// Account of what takes long within one series: query_tick once in a while.
bool run_work(struct run *r, u64 units) MUST_USE;

u64 run_bytes(const struct run *r); // Held now.
// Zeroed memory of the run; NULL and the run failed beyond the limit.
void *run_alloc(struct run *r, u64 count, u64 size) MUST_USE;
// The same, not zeroed: for what is read only where it was written.
void *run_alloc_raw(struct run *r, u64 count, u64 size) MUST_USE;
// Where histograms of columns go, guarded by run_room; and zeroed memory there.
static inline struct arena *run_made(const struct run *r)
{
    return r->made ? r->made : r->arena;
}
void *run_alloc_made(struct run *r, u64 count, u64 size) MUST_USE;
#define RUN_NEW(r, type)      ((type *)run_alloc((r), 1, sizeof(type)))
#define RUN_NEW_N(r, type, n) ((type *)run_alloc((r), (n), sizeof(type)))
// May so many more bytes be made by functions that take an arena?
bool run_room(struct run *r, u64 bytes) MUST_USE;
// A grown copy of an array.
void *run_grow(struct run *r, void *old, u64 count_old, u64 count_new, u64 size) MUST_USE;
// The same, what is more of it not zeroed.
void *run_grow_raw(struct run *r, const void *old, u64 count_old, u64 count_new, u64 size) MUST_USE;

// Points held in memory at once.
bool run_hold(struct run *r, u64 samples) MUST_USE;
void run_release(struct run *r, u64 samples);

#endif
