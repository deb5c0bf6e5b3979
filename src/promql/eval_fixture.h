// eval_fixture.h: a store, an engine and short ways to fill and ask them; for this folder's tests.
#ifndef PROMQL_EVAL_FIXTURE_H
#define PROMQL_EVAL_FIXTURE_H

#include "base/base.h"
#include "promql/promql.h"

struct arena;
struct clk;

// Threads: owned by the test.
struct fixture {
    struct clk *clk; // Manual, at 0.
    struct storage *store;
    struct promql_engine *engine;
    struct arena *arena; // Results.
    struct error error;
    struct promql_result result;
};
void fixture_up(struct fixture *f, struct promql_engine_opts opts);
void fixture_down(struct fixture *f);

// Values from time 0 on, step_ms apart: numbers, "_" for a gap, "stale".
void fixture_load(struct fixture *f, const char *selector, i64 step_ms, const char *values);
// The same with a start timestamp per value.
void fixture_load_starts(struct fixture *f, const char *selector, i64 step_ms, const char *values,
                         const i64 *start_ms);
struct hist;
void fixture_load_hist(struct fixture *f, const char *selector, i64 t_ms, const struct hist *h);

// The answer is in result, the failure in error.
bool fixture_instant(struct fixture *f, const char *text, i64 t_ms) MUST_USE;
bool fixture_range(struct fixture *f, const char *text, i64 start_ms, i64 end_ms,
                   i64 step_ms) MUST_USE;
// With statistics, and an instant query if step_ms is 0.
bool fixture_counted(struct fixture *f, const char *text, i64 start_ms, i64 end_ms,
                     i64 step_ms) MUST_USE;
// A range of 91 steps from time 0 on under a budget; how it ended.
enum err fixture_budgeted(struct fixture *f, const char *text, struct query_budget *budget);
// The answer as text: "x{a=\"b\"} 1 2@5000; …", series sorted; values of an instant without times.
str fixture_text(struct fixture *f);
// Asks and compares with the text; a failure reads "error: …". Notes are appended after "|".
void expect_instant(struct fixture *f, const char *text, i64 t_ms, const char *want);
void expect_range(struct fixture *f, const char *text, i64 start_ms, i64 end_ms, i64 step_ms,
                  const char *want);

#endif
