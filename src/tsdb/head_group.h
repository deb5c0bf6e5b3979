// head_group.h: a column group: the series of one target (tenant, job, instance), which share the
// times of their rows and one chain in the log.
//
// Threads: as struct head.
#ifndef TSDB_HEAD_GROUP_H
#define TSDB_HEAD_GROUP_H

#include "base/base.h"

struct segment;

// A series that comes with the rows of so many segments, after others of its target have had them,
// shares all of them.
#define GROUP_PAST 4U

// A column group: the series of one target. Threads: as struct head.
struct head_group {
    u32 tenant;
    u32 job; // Symbols.
    u32 instance;
    u32 series; // 0 = the slot is free.
    u32 target; // The part of their labels that the next series is expected to share.
    struct segment *now;
    struct segment *past[GROUP_PAST]; // Those before it, newest first; NULL: none, and none behind.
    // The log's chain (wal_fragment.c): owned by the turn.
    u32 sequence;
    u32 epoch;      // Changes at each base row; series whose wal_epoch differs are written whole.
    u64 base_place; // The log's restatement period of the last base.
    u32 rows;       // Rows since the base.
    i64 t_row;
};

#endif
