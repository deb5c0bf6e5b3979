// tsdb_status.h: what can be told of a store: how far its start has come, what it holds, what is
// damaged.
//
// status_get O(series and pairs of the head), blocks_get O(blocks); the rest O(1).
// Threads: from any thread.
#ifndef TSDB_TSDB_STATUS_H
#define TSDB_TSDB_STATUS_H

#include "base/base.h"

#include <stdatomic.h>

struct arena;
struct tsdb;

// Filled while open replays, for /api/v1/status/walreplay. Threads: atomic.
struct tsdb_replay_progress {
    _Atomic i64 segment_min;
    _Atomic i64 segment_max;
    _Atomic i64 segment_now;
    _Atomic bool done;
};

// A line of a top list of /api/v1/status/tsdb.
struct tsdb_stat {
    str name;
    u64 value;
};

// Bytes held in memory: TSDB_POOL_HEAD without histograms.
enum tsdb_pool { TSDB_POOL_HEAD, TSDB_POOL_BOXES, TSDB_POOL_EXEMPLARS, TSDB_POOL_LOG };
u64 tsdb_memory(struct tsdb *db, enum tsdb_pool pool);

struct tsdb_status {
    u64 series;
    u64 label_pairs;
    u64 chunks;
    i64 min_ms; // INT64_MAX and INT64_MIN when the head is empty.
    i64 max_ms;
    u64 head_bytes;
    u64 wal_bytes;
    u32 blocks;
    u64 block_bytes;
    u32 quarantined;
    u64 disk_free_bytes;
    u64 disk_total_bytes;
    bool writes_failing; // The last write of the log failed (disk full or broken).
    struct tsdb_stat *series_by_metric;
    struct tsdb_stat *values_by_label;
    struct tsdb_stat *bytes_by_label;
    struct tsdb_stat *series_by_pair; // "name=value"
    u32 series_by_metric_count;
    u32 values_by_label_count;
    u32 bytes_by_label_count;
    u32 series_by_pair_count;
};
// Lists of at most limit lines each, largest first, in the arena.
void tsdb_status_get(struct tsdb *db, u32 limit, struct arena *a, struct tsdb_status *out);
u64 tsdb_corruptions(struct tsdb *db); // Damaged places that starts met in the log.
bool tsdb_restrained(struct tsdb *db); // New series are refused: starts before this one crashed.

struct tsdb_block_info {
    str id; // 26 characters, sortable by time of making.
    i64 min_ms;
    i64 max_ms; // Exclusive.
    u64 series;
    u64 chunks;
    u64 samples;
    u64 bytes;
    u32 level;
    bool damaged; // Set aside or with pages that failed their checksum.
};
void tsdb_blocks_get(struct tsdb *db, struct arena *a, struct tsdb_block_info **infos, u32 *n);

#endif
