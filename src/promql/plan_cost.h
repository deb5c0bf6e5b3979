// plan_cost.h: whether a run cannot fit into its memory, told before it reads anything.
//
// Some operators hold all columns of what is below them: topk and its kin, quantile. How many
// series there will be is known from the index alone where nothing but functions of single series
// stands between; then series times steps is known too. What is known is a lower bound: nothing is
// refused that would have fitted. What may be more than it seems is left to the run itself.
// The limit of samples (--query.max-samples) has no such estimate: it counts points that are there,
// and the index tells of a series neither whether it has any in the range nor at how many steps.
// The bytes of a column are taken whether or not its points are there, so that they can be told.
// Cost: nothing where no such operator stands on the way from the query's answer to a selector, or
// where it would take very many series; else the series are counted.
// Invariants: (I1) A run that is refused here would have failed for want of memory.
// Threads: stateless.
#ifndef PROMQL_PLAN_COST_H
#define PROMQL_PLAN_COST_H

#include "base/base.h"
#include "promql/ast.h"

struct run;

// Of a planned run; before its querier is opened.
bool plan_cost_check(struct run *r, const struct expr *x) MUST_USE;

#endif
