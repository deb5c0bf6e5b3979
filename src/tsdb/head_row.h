// head_row.h: what an append touches of a series: one line of the cache.
//
// Threads: as struct head.
#ifndef TSDB_HEAD_ROW_H
#define TSDB_HEAD_ROW_H

#include "tsdb/head_open.h"

#define T_NEVER INT64_MIN

// Owned by the turn, but for `open` and `own`. Threads: as struct head.
struct head_row {
    i64 t_last; // T_NEVER = nothing yet.
    f64 v_last;
    struct open_chunk open;
    u32 generation; // 0 = free. Low bit: the shard.
    u32 own;        // Part of its labels, + 1. 0 = free.
    u32 tenant;
    u32 group; // Index + 1; 0 = none.
    u32 wal_epoch;
    u32 staged; // Index + 1 of its newest write in the plan.
};
static_assert(sizeof(struct head_row) == 64, "a line of the cache");

// In open.flags.
#define ROW_YOUNG 1U  // Not yet old enough to be collected when empty.
#define ROW_ALONE 2U  // Has missed its group's rows: rows of its own until the window ends.
#define ROW_IDLE  4U  // Has had no sample for long (head_settle.h).
#define ROW_AGE   16U // And from here on: passes since its newest sample.

#endif
