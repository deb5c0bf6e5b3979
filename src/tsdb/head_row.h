// head_row.h: what an append touches of a series: one line of the cache.
//
// Threads: as struct head.
#ifndef TSDB_HEAD_ROW_H
#define TSDB_HEAD_ROW_H

#include "tsdb/head_open.h"

#define T_NEVER INT64_MIN

// Owned by the turn, but for `open` and `own`; of t_last and v_last, readers see what is committed
// (head_row_newest). Threads: as struct head.
struct head_row {
    i64 t_last; // Of what is stored and planned. T_NEVER = nothing yet. See ROW_COLD.
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

// Series by their newest sample in order. Threads: a value.
struct head_counts {
    u32 stale;        // A staleness marker.
    u32 hists;        // A native histogram.
    u64 hist_buckets; // Of these: positive and negative ones.
};

// With the turn, and without the lock: the newest write of the series stands in the plan. A reader
// who sees any of the sample sees before that, in `staged`, that it is not committed.
static inline void head_row_plan(struct head_row *r, u32 staged)
{
    __atomic_store_n(&r->staged, staged, __ATOMIC_RELAXED);
}
static inline void head_row_plan_sample(struct head_row *r, i64 t, f64 v)
{
    __atomic_store_n(&r->t_last, t, __ATOMIC_RELEASE);
    __atomic_store(&r->v_last, &v, __ATOMIC_RELEASE);
}
// With the lock, under which plans are applied and taken back: the newest sample in order, and with
// that of all, which is committed. false: that is not known while more is planned.
static inline bool head_row_newest(const struct head_row *r, i64 *t, f64 *v)
{
    f64 value;
    __atomic_load(&r->v_last, &value, __ATOMIC_ACQUIRE);
    *v = value;
    *t = __atomic_load_n(&r->t_last, __ATOMIC_ACQUIRE);
    return __atomic_load_n(&r->staged, __ATOMIC_RELAXED) == 0;
}

// In open.flags.
#define ROW_YOUNG 1U  // Not yet old enough to be collected when empty.
#define ROW_ALONE 2U  // Has missed its group's rows: rows of its own until the window ends.
#define ROW_IDLE  4U  // Has had no sample for long (head_settle.h).
#define ROW_COLD  8U  // t_last is of a cold block, and nothing came since (head_cold.h).
#define ROW_AGE   16U // And from here on: passes since its newest sample.
#define ROW_ASKED (15U * ROW_AGE) // Of an idle one: somebody is about to write to it. Falls again.

#endif
