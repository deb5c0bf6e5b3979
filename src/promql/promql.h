// promql.h: the query engine: text in, exact answers out. The folder's one public header.
//
// Two steps: promql_query_new parses and checks (fails with ERR_INVALID: the API's bad_data), then
// promql_instant or promql_range evaluate (fail with what promql_error_type says). A parsed query
// may be kept and evaluated as often as wanted, by several threads at once: rules do.
//
// Cost: labels, groups and joins are worked out once per series, not per step; window bounds once
// per timestamp column. Memory: all of a run is in one arena of at most the budget's bytes, freed
// when the run ends; only the result is copied into the caller's arena.
// Invariants:
//   (I1) An answer is whole and exact or there is an error; what storage left out is told by
//        result->partial and a warning.
//   (I2) Budget, deadline and cancel are looked at once per batch of work, in query_tick.
// Threads: queries are frozen; engines too, but for the step of subqueries, which is atomic; a
// result belongs to its caller.
#ifndef PROMQL_PROMQL_H
#define PROMQL_PROMQL_H

#include "base/base.h"
#include "base/error.h"
#include "model/labels.h"
#include "model/match.h"
#include "storage/storage.h"

struct arena;
struct buf;
struct clk;
struct hist;
struct pool;
struct promql_engine;
struct promql_query;

// Zero means upstream's default.
struct promql_engine_opts {
    struct clk *clk;      // For deadlines and phase times; must outlive the engine.
    i64 lookback_ms;      // 5 m
    i64 timeout_ms;       // 2 m; under a budget's own deadline the earlier one counts.
    u64 samples_max;      // 50 M: the points that a run may hold at once.
    u64 bytes_max;        // 2 GiB; a budget's own maximum counts if smaller.
    u64 hoard_bytes;      // 16 MiB, an eighth of bytes_max at most: samples of a run kept from the
                          // pass that reads labels, so that small queries need no second one.
    struct pool *pool;    // Whose threads help with queries of much data; NULL: none do. Must
    u32 helpers_max;      // outlive the engine. At most so many help with one.
    u64 helped_samples;   // 200,000: what a selector must be going to read for that.
    i64 subquery_step_ms; // 1 m: the global evaluation interval.
    bool delayed_name_removal;
    bool no_experimental_functions; // Each refuses one family by name.
    bool no_duration_exprs;
    bool no_extended_ranges;
    bool no_fill;
    bool type_labels;      // What is no counter is told by __type__ instead of by the name.
    bool window_by_window; // No fast paths: what tests compare with.
    bool no_estimate;      // What cannot fit into its memory finds out while it runs: the same.
    bool no_sharing; // Every part of a query is evaluated where it stands: the same for plans.
};
struct promql_engine *promql_engine_new(struct promql_engine_opts opts);
void promql_engine_free(struct promql_engine *g); // Accepts NULL.
const struct promql_engine_opts *promql_engine_get_opts(const struct promql_engine *g); // Filled.
// Each feature of the language, by upstream's name for it and its group, groups one after another.
typedef void promql_feature_fn(void *ctx, const char *group, str name, bool on);
void promql_features(const struct promql_engine *g, promql_feature_fn *fn, void *ctx);
// The step of subqueries that name none may change at a reload; runs that began keep theirs.
void promql_engine_set_subquery_step(struct promql_engine *g, i64 step_ms);

// Where a text is wrong: byte offsets [start, end), line and column from 1.
struct promql_place {
    u32 start;
    u32 end;
    u32 line;
    u32 column;
};

enum promql_type { PROMQL_SCALAR, PROMQL_VECTOR, PROMQL_MATRIX, PROMQL_STRING };
const char *promql_type_text(enum promql_type t); // "scalar", "vector", …

// ERR_INVALID with "1:5: parse error: …" and *at (may be NULL).
struct promql_query *promql_query_new(const struct promql_engine *g, str text,
                                      struct promql_place *at, struct error *e) MUST_USE;
void promql_query_free(struct promql_query *q); // Accepts NULL.
enum promql_type promql_query_type(const struct promql_query *q);
str promql_query_text(const struct promql_query *q);                    // As given.
void promql_query_print(struct buf *out, const struct promql_query *q); // Canonical, one line.
void promql_query_print_pretty(struct buf *out, const struct promql_query *q);
void promql_query_print_json(struct buf *out, const struct promql_query *q); // parse_query's tree.
// The matchers of every selector in it, for those who must know what a query reads.
void promql_query_selectors(const struct promql_query *q,
                            void (*fn)(void *arg, const struct matcher *ms, u32 count), void *arg);
// Before it is used: in every selector m instead of the matchers of that name; NULL: none.
bool promql_query_match(struct promql_query *q, str name, const struct matcher *m,
                        struct error *e) MUST_USE;

// Only says whether a text is right.
bool promql_check(const struct promql_engine *g, str text, struct promql_place *at,
                  struct error *e) MUST_USE;
// A selector as match[] takes it, into the arena. At least one matcher must not match the empty
// string unless may_be_empty.
bool promql_selector(struct arena *a, str text, bool may_be_empty, const struct matcher **ms,
                     u32 *count, struct error *e) MUST_USE;

struct promql_request {
    struct storage *storage;
    struct tenant_id tenant;
    const struct promql_query *query;
    i64 start_ms; // The one time of an instant query.
    i64 end_ms;
    i64 step_ms;                 // > 0 for ranges.
    i64 lookback_ms;             // 0 = the engine's.
    struct query_budget *budget; // NULL = the engine's limits. samples counts what storage reads.
    bool wants_stats;            // As upstream counts; for that more is read.
};

struct promql_point {
    i64 t_ms;
    f64 value;
    const struct hist *hist; // NULL for a float.
};

struct promql_series {
    struct labels labels;
    struct promql_point *points;
    u32 count;
};

// In upstream's order; texts by promql_phase_text.
enum promql_phase {
    PROMQL_EVAL_TOTAL,
    PROMQL_RESULT_SORT,
    PROMQL_PREPARATION,
    PROMQL_INNER_EVAL,
    PROMQL_EXEC_QUEUE, // The caller's: the engine leaves it 0.
    PROMQL_EXEC_TOTAL,
    PROMQL_PHASE_COUNT
};
const char *promql_phase_text(enum promql_phase p); // "evalTotalTime", …

struct promql_stats {
    f64 seconds[PROMQL_PHASE_COUNT];
    u64 samples_peak;  // peakSamples
    u64 samples_given; // What storage gave.
    u64 bytes_peak;
    u32 helped;        // Selectors that several threads could work on.
    u64 tiles_helped;  // Parts of them that others than the query's own did.
    u64 samples_total; // totalQueryableSamples if asked for, else of all parts; the rest: else none
    u64 samples_read;  // samplesRead
    u32 step_count;
    const u64 *samples_per_step; // totalQueryableSamplesPerStep
    const u64 *read_per_step;    // samplesReadPerStep
};

// type SCALAR: one point in series[0].points[0]. VECTOR: one point per series, all at start_ms.
// STRING: string, at start_ms. A range query's scalar is a MATRIX of one series without labels.
// Matrices are sorted by labels; vectors come in the engine's order, which sort() decides.
struct promql_result {
    enum promql_type type;
    struct promql_series *series;
    u32 series_count;
    str string;
    const str *warnings; // Whole texts: "PromQL warning: … (1:5)"; storage's own as they came.
    u32 warning_count;
    const str *infos;
    u32 info_count;
    bool partial;
    struct promql_stats stats;
};

// The result lives in a. Failures: ERR_TIMEOUT, ERR_CANCELLED, ERR_LIMIT, … see promql_error_type.
bool promql_instant(const struct promql_engine *g, const struct promql_request *r, struct arena *a,
                    struct promql_result *out, struct error *e) MUST_USE;
bool promql_range(const struct promql_engine *g, const struct promql_request *r, struct arena *a,
                  struct promql_result *out, struct error *e) MUST_USE;

// What a part of a plan took, without what the parts below it took.
struct promql_cost {
    u64 series;       // That it answered.
    u64 samples;      // Looked at.
    u64 samples_read; // Given by storage: their sum is samples_given of the answer.
    u64 bytes;        // Of memory.
    f64 seconds;
};
// A node of a plan: the query as a whole, below it an operator for each part of it. Threads: value.
struct promql_plan {
    str op;     // "select", "range", "aggregate", …
    str detail; // What it does, of which series, in which windows.
    struct promql_cost cost;
    struct promql_plan *children;
    u32 child_count;
};
// How a query would be run, without reading; step_ms 0 is an instant query. Parts that are equal
// stand below the first of their places. In a, which must allow 4 MiB.
bool promql_explain(const struct promql_engine *g, const struct promql_request *r, struct arena *a,
                    struct promql_plan **out, struct error *e) MUST_USE;
// Runs it, and says what each part took.
bool promql_analyze(const struct promql_engine *g, const struct promql_request *r, struct arena *a,
                    struct promql_plan **out, struct promql_result *answer,
                    struct error *e) MUST_USE;
void promql_plan_print(struct buf *out, const struct promql_plan *p, bool with_cost); // By line.
// errorType of a failed evaluation: "timeout", "canceled", "execution", "internal".
const char *promql_error_type(enum err code);

#endif
