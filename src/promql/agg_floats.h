// agg_floats.h: sums, counts and extremes of floats by group and step, as arrays.
//
// What sum, count, group, min and max fold most: columns of floats that have a value at nearly
// every step. Stretches without a gap are folded several steps and columns at a time; the answers
// are those of folding one value after the other, to the bit.
// Memory: 8 bytes a group and step, 16 of sum, and a bit. Groups may come one after the other.
// Threads: owned by the run.
#ifndef PROMQL_AGG_FLOATS_H
#define PROMQL_AGG_FLOATS_H

#include "base/base.h"
#include "promql/ast.h"
#include "promql/column.h"

struct run;

// A group, step by step. Threads: owned by the run.
struct agg_row {
    f64 *values;
    f64 *lost; // What rounding has cost; sum only.
    u64 *has;  // A bit per step.
};

// Threads: owned by the run.
struct agg_floats {
    enum aggregate_op op;
    u32 steps;
    struct agg_row *rows; // By group. NULL: there is none.
    u32 count;
    u32 cap;
};

bool agg_floats_knows(enum aggregate_op op);
void agg_floats_init(struct agg_floats *a, enum aggregate_op op, u32 steps); // Without groups.
// Makes it have so many groups.
bool agg_floats_grow(struct agg_floats *a, struct run *r, u32 groups) MUST_USE;
// Columns without histograms, one after the other.
#define AGG_COLUMNS_MAX 16U
void agg_floats_fold(struct agg_floats *a, u32 group, const struct column *const *columns,
                     u32 count);
void agg_floats_put(struct agg_floats *a, u32 group, u32 step, f64 v);
// n values of one group and step, one after the other.
void agg_floats_put_all(struct agg_floats *a, u32 group, u32 step, const f64 *v, u32 n);
// All steps of a group, into an empty column.
void agg_floats_get(const struct agg_floats *a, u32 group, struct column *out);

#endif
