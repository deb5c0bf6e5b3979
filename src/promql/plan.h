// plan.h: a checked tree made into operators for one run: durations resolved, times known, what
// does not change from step to step evaluated once.
//
// In this order: what is known beforehand becomes a number (plan_fold.c), what does not change
// from step to step is evaluated once (op_once), equal parts are evaluated once and read at each
// of their places (plan_share.h).
//
// O(nodes × height). Plans are made per run, since step and range are part of them, and live in the
// run's memory.
// Threads: owned by the run.
#ifndef PROMQL_PLAN_H
#define PROMQL_PLAN_H

#include "base/base.h"
#include "promql/ops.h"
#include "promql/tally.h"

struct run;

// Sets steps; fails beyond GRID_STEPS_MAX.
bool grid_make(struct run *r, i64 start_ms, i64 end_ms, i64 step_ms, struct grid *out) MUST_USE;

// The whole of a query, of a vector or a scalar or an instant query's subquery.
struct op *plan_query(struct run *r, const struct expr *x);

// Unopened. NULL and the run failed: ERR_INVALID for a duration that cannot be, else ERR_LIMIT.
struct op *plan_expr(struct run *r, const struct expr *x, const struct grid *g);
// A subquery's inner operator on its own grid.
struct op *plan_subquery(struct run *r, const struct expr *x, const struct grid *g,
                         enum tally_use use, struct range_source *window);
// A selector with its times. range_ms is 0 for EXPR_VECTOR; x may be EXPR_MATRIX.
bool plan_selection(struct run *r, const struct expr *x, struct selection *out) MUST_USE;
// What follows a selector or a subquery, resolved.
bool plan_shift(struct run *r, const struct time_shift *s, struct time_ref *out) MUST_USE;
// Is its value the same at every step?
bool plan_is_invariant(const struct expr *x);

// plan_fold.c: is it a number that no data and no step has a part in? Then single, its operator on
// a grid of one step, becomes that number.
bool plan_is_constant(const struct expr *x);
struct op *plan_folded(struct run *r, struct op *single, const struct grid *g);

// plan_call.c
struct op *plan_call(struct run *r, const struct expr *x, const struct grid *g);

#endif
