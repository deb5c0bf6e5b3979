// result.h: the answer being put together: a memory of its own that outlives the run.
//
// Threads: owned by the run, then by the caller.
#ifndef PROMQL_RESULT_H
#define PROMQL_RESULT_H

#include "base/base.h"
#include "promql/op.h"
#include "promql/promql.h"

struct arena;
struct run;

struct result {
    struct promql_result *answer;
    struct arena *arena;
    bool is_instant;
    u32 cap; // Of answer->series.
};

void result_begin(struct result *res, struct run *r);
// Pulls all columns of an opened operator; series without any value are left out.
bool result_take(struct result *res, struct run *r, struct op *root) MUST_USE;
bool result_string(struct result *res, struct run *r, str s) MUST_USE;
// One series of points from raw samples; borrowed.
bool result_add(struct result *res, struct run *r, struct labels ls, const struct promql_point *ps,
                u32 count) MUST_USE;
void result_sort(struct result *res);
void result_notes(struct result *res, struct run *r, str query);
// From now on the answer dies with a.
void result_hand_over(struct result *res, struct arena *a);

#endif
