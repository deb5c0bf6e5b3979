// ops.h: how each operator is made. Children are given unopened; whoever opens the top opens all.
//
// Each maker returns NULL when the run's memory is used up, else an unopened operator of the grid.
// Threads: owned by the run.
#ifndef PROMQL_OPS_H
#define PROMQL_OPS_H

#include "base/base.h"
#include "promql/ast.h"
#include "promql/feed.h"
#include "promql/fn_range.h"
#include "promql/function_table.h"
#include "promql/op.h"

// A selector, its times resolved. Threads: frozen after planning.
struct selection {
    const struct expr *expr; // EXPR_VECTOR
    struct time_ref ref;
    i64 range_ms;        // 0 for an instant selector.
    bool detects_resets; // As feed.h has it.
};
void selection_feed(const struct selection *s, struct run *r, const struct grid *g,
                    struct feed *f); // Also widens the run's time range.

// op_select.c
enum select_what {
    SELECT_VALUE,
    SELECT_TIMESTAMP,   // timestamp(): seconds, the name dropped.
    SELECT_START,       // start_timestamp(): the same, 0 = unknown.
    SELECT_SAMPLE_TIME, // info(): milliseconds, all labels.
};
struct op *op_select_new(struct run *r, const struct grid *g, const struct selection *s,
                         enum select_what what);
// op_newest.c: the same of a single moment, where that can be told from newest samples alone.
bool op_newest_can(const struct run *r, const struct grid *g, const struct selection *s,
                   enum select_what what);
struct op *op_newest_new(struct run *r, const struct grid *g, const struct selection *s,
                         enum select_what what);

// op_range.c
struct range_source {
    const struct selection *selection; // Or a subquery's inner operator with its window:
    struct op *inner;
    struct time_ref ref;
    i64 range_ms;
    bool anchored;
    bool smoothed;
};
struct range_call_expr {
    const struct function *fn;
    struct text_span arg_span;
    struct op *params[2]; // Scalars; NULL where there is none.
};
struct op *op_range_new(struct run *r, const struct grid *g, const struct range_source *source,
                        const struct range_call_expr *call);

// op_scalar.c
struct op *op_number_new(struct run *r, const struct grid *g, f64 v);
struct op *op_time_new(struct run *r, const struct grid *g);
struct op *op_scalar_of_new(struct run *r, const struct grid *g, struct op *vector);
struct op *op_vector_of_new(struct run *r, const struct grid *g, struct op *scalar);
struct op *op_scalar_pair_new(struct run *r, const struct grid *g, f64 (*fn)(f64 a, f64 b),
                              struct op *left, struct op *right);
struct op *op_scalar_binary_new(struct run *r, const struct grid *g, enum binary_op op,
                                struct op *left, struct op *right);
struct op *op_nothing_new(struct run *r, const struct grid *g); // No series at all.
// One evaluation, spread over all steps of g.
struct op *op_once_new(struct run *r, const struct grid *g, struct op *single);

// op_shared.c: a reader of a part that stands at several places; own is the part as planned here.
struct shared; // plan_share.h
struct op *op_shared_new(struct run *r, struct shared *part, struct op *own);

// op_unique.c
enum unique_rule {
    UNIQUE_BY_STEP,  // Equal series are one, if they never have a value at the same step.
    UNIQUE_BY_SERIES // No two series with values may be equal.
};
struct op *op_unique_new(struct run *r, struct op *child, enum unique_rule rule);
struct op *op_cleanup_new(struct run *r, struct op *child); // The end of delayed name removal.

// op_map.c: value for value.
struct op *op_map_new(struct run *r, const struct function *fn, struct op *vector,
                      struct op *const *params, u32 param_count);
struct op *op_negate_new(struct run *r, struct op *child);
// scalar_left: the scalar stands on the left.
struct op *op_vector_scalar_new(struct run *r, const struct expr *x, struct op *vector,
                                struct op *scalar, bool scalar_left);
f64 binary_scalar(enum binary_op op, f64 left, f64 right);
// A value for two floats; *keep says whether a comparison holds.
f64 binary_value(enum binary_op op, f64 left, f64 right, bool *keep);

// op_join.c
struct op *op_join_new(struct run *r, const struct expr *x, struct op *left, struct op *right);
// op_set.c
struct op *op_set_new(struct run *r, const struct expr *x, struct op *left, struct op *right);

// op_aggregate.c, op_rank.c, op_count_values.c
struct op *op_aggregate_new(struct run *r, const struct expr *x, struct op *child,
                            struct op *param);
struct op *op_rank_new(struct run *r, const struct expr *x, struct op *child, struct op *param);
struct op *op_count_values_new(struct run *r, const struct expr *x, struct op *child);

// op_absent.c: labels from the argument as it was written.
struct op *op_absent_new(struct run *r, const struct expr *arg, struct op *child);

// op_label.c
struct op *op_label_replace_new(struct run *r, const struct expr *call, struct op *child);
struct op *op_label_join_new(struct run *r, const struct expr *call, struct op *child);

// op_sort.c
struct op *op_sort_new(struct run *r, const struct expr *call, struct op *child);

// op_bucket.c: histogram_quantile, histogram_quantiles, histogram_fraction.
struct op *op_bucket_new(struct run *r, const struct expr *call, struct op *vector,
                         struct op *const *params, u32 param_count);

// op_info.c: selector is what was given as second argument, or NULL.
struct op *op_info_new(struct run *r, struct op *base, const struct expr *selector,
                       const struct time_ref *ref);

#endif
