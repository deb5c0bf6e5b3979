// agg_floats.h: sums, counts and extremes of floats by group and step, as arrays.
//
// What sum, count, group, min and max fold most: columns of floats that have a value at nearly
// every step. Stretches without a gap are folded two steps at a time; the answers are those of
// folding one value after the other, to the bit.
// Memory: 8 bytes a group and step, 16 of sum, and a bit. Threads: owned by the run.
#ifndef PROMQL_AGG_FLOATS_H
#define PROMQL_AGG_FLOATS_H

#include "base/base.h"
#include "promql/ast.h"
#include "promql/column.h"

struct run;

// Threads: owned by the run.
struct agg_floats {
    enum aggregate_op op;
    u32 steps;
    f64 *values; // Group by group, step by step. NULL: not used.
    f64 *lost;   // What rounding has cost; sum only.
    u64 *has;    // Group by group, a bit per step.
};

bool agg_floats_knows(enum aggregate_op op);
bool agg_floats_init(struct agg_floats *a, struct run *r, enum aggregate_op op, u32 groups,
                     u32 steps) MUST_USE;
// A column without histograms.
void agg_floats_fold(struct agg_floats *a, u32 group, const struct column *c);
void agg_floats_put(struct agg_floats *a, u32 group, u32 step, f64 v);
// All steps of a group, into an empty column.
void agg_floats_get(const struct agg_floats *a, u32 group, struct column *out);

#endif
