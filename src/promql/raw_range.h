// raw_range.h: an instant query of a range selector: the samples as they are.
//
// Threads: owned by the run.
#ifndef PROMQL_RAW_RANGE_H
#define PROMQL_RAW_RANGE_H

#include "promql/ops.h"
#include "promql/result.h"

struct raw_range {
    struct selection selection;
    struct feed feed;
};

bool raw_range_plan(struct raw_range *x, struct run *r, const struct expr *matrix) MUST_USE;
bool raw_range_run(struct raw_range *x, struct run *r, struct result *out) MUST_USE;

#endif
