// head_plan.h: the samples of a commit that were found good, between their check and the moment
// when readers see them.
//
// Threads: owned by the turn.
#ifndef TSDB_HEAD_PLAN_H
#define TSDB_HEAD_PLAN_H

#include "base/base.h"

// A sample that was found good. Threads: owned by the turn.
struct head_write {
    i64 t;
    f64 value;
    i64 t_was;
    f64 v_was;
    u32 ordinal;
    u32 older; // Index + 1 of the same series' write before, in the plan.
    bool late;
};

// Threads: owned by the turn.
struct head_plan {
    struct head_write *writes;
    u32 n;
    u32 cap;
};

#endif
