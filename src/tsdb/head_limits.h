// head_limits.h: what all shards of a head may hold together, and what they hold.
//
// Each shard has a part of its own beside (struct head: own_max, own_min), so that no flood of what
// is scraped or pushed takes the eighth that is kept for rules.
// Threads: the sums are atomic, the limits frozen.
#ifndef TSDB_HEAD_LIMITS_H
#define TSDB_HEAD_LIMITS_H

#include "base/base.h"

#include <stdatomic.h>

#define HEADS_MAX 2U

// Threads: as above.
struct head_limits {
    _Atomic u32 series;
    u32 series_max;
    _Atomic u64 box_bytes[HEADS_MAX];   // By shard.
    u64 box_bytes_max;                  // 0 = no limit
    _Atomic bool restrained[HEADS_MAX]; // New series are refused: starts before this one crashed.
};

#endif
