// tsdb.h: the storage engine of one node: a head in memory behind a write-ahead log, and immutable
// blocks on disk. What others write and read goes through storage.h; this is the door around it.
//
// open replays the log; step does the background work of one round (cut, retention, truncation);
// wal_thread: open starts the log's thread (syncs, callbacks of when_durable), else when_durable
// syncs at once; start_thread: one more helps, until open returns. Nothing else starts a thread.
// Memory: the head, bounded by series_max, memory_max and box_bytes_max; blocks are mapped.
// Invariants:
//   (I1) A commit that answered true is in the kernel's hands; one that was reported durable
//        survives a loss of power.
//   (I2) A block is listed by one rename, after its files are synced; the log is truncated after.
//   (I3) Damage is set aside (quarantine/), counted and told; queries over its range say partial.
//   (I4) Whole blocks are deleted by retention only; the log's size never evicts one.
//   (I5) A block that another one was made of counts for nothing once that one is listed.
// Threads: a struct tsdb is shared; step is called by one thread at a time; open and close by the
// owner while nobody else uses it.
#ifndef TSDB_TSDB_H
#define TSDB_TSDB_H

#include "base/base.h"
#include "model/match.h"
#include "model/sample.h"

#include <stdatomic.h>

struct arena;
struct clk;
struct error;
struct fs;
struct log;
struct rng;
struct storage;
struct tmk_registry;
struct tsdb;

enum wal_sync { WAL_SYNC_ALWAYS, WAL_SYNC_1S };

// Filled while open replays, for /api/v1/status/walreplay. Threads: atomic.
struct tsdb_replay_progress {
    _Atomic i64 segment_min;
    _Atomic i64 segment_max;
    _Atomic i64 segment_now;
    _Atomic bool done;
};

// Zero means the default that stands beside each field.
struct tsdb_opts {
    struct fs *fs;
    struct clk *clk;
    struct rng *rng;                       // Block ids and log salts; used under a lock.
    const char *dir;                       // Copied; made if absent.
    struct log *log;                       // NULL = silent.
    struct tmk_registry *registry;         // Own metrics; NULL = none.
    struct tsdb_replay_progress *progress; // NULL = nobody watches.
    i64 block_range_ms;                    // 2 h
    i64 retention_ms;                      // 0 = for ever
    u64 retention_bytes;                   // 0 = no limit
    i64 ooo_window_ms;                     // 0 = refuse what is older than the newest
    i64 too_new_ms;                        // 5 min
    enum wal_sync wal_sync;
    u64 wal_segment_bytes; // 64 MiB
    u32 series_max;        // 0 = 10 million; an eighth is kept for rules, STREAM_OWN may pass it
    u32 series_max_tenant, series_max_job, series_max_metric; // 0 = no limit; rules have none
    u64 memory_max;         // New series are refused beyond it, an eighth likewise; 0 = no limit
    u64 box_bytes_max;      // Histograms in memory, an eighth likewise; 0 = no limit
    u64 exemplar_bytes_max; // 16 MiB
    u64 log_bytes_max;      // 128 MiB at most: what the disk has not taken; 16 MiB at least
    u64 symbol_bytes_max;   // 1 GiB
    u32 queriers_max;       // 4096
    u64 ballast_bytes;      // Disk kept back so that a full disk can be recovered; 0 = none
    bool wal_thread, start_thread, compact_off;
    // Blocks of block_range_ms become one of compact_first ranges, those one of compact_second.
    u32 compact_first, compact_second; // 12: a day; 9: nine days
    i64 settle_every_ms;               // 1 min: how often series are looked at for silence
    i64 cold_every_ms;      // How often idle ones may leave for a cold block (ADR 9); 0 = never
    u32 cold_min;           // 1000: fewer of a shard make no block
    i64 image_every_ms;     // 5 min: how often the head is copied beside the log; < 0 = never
    u64 image_log_bytes;    // 1 MiB: not before the log has grown by so much
    u32 unclean_starts_max; // So many within 10 minutes: new series are refused; 0 = never
};

// NULL if the folder cannot be used (ERR_EXISTS: another instance holds it). Damage does not stop
// it: see tsdb_status.
struct tsdb *tsdb_open(const struct tsdb_opts *opts, struct error *e) MUST_USE;
// Syncs the log, stops its thread, frees. Every appender, querier and cursor is closed before.
bool tsdb_close(struct tsdb *db, struct error *e); // Accepts NULL.

struct storage *tsdb_storage(struct tsdb *db);

// One round of background work; *did tells whether something was done, so that the caller may come
// again at once. Call it every few seconds. A failure is counted and told; the next round retries.
bool tsdb_step(struct tsdb *db, bool *did, struct error *e) MUST_USE;
// From any thread: a step under way gives up what takes long, and no step begins such work again.
void tsdb_interrupt(struct tsdb *db);
// Everything written so far is on disk on return.
bool tsdb_sync(struct tsdb *db, struct error *e) MUST_USE;
// Samples of the series that match all matchers are deleted: at once for readers that come later,
// on disk once a block is rewritten a day after. Durable on return. *id is for tsdb_undelete.
struct tsdb_deletion {
    struct tenant_id tenant;
    const struct matcher *ms;
    u32 count;  // At least one.
    i64 min_ms; // Inclusive.
    i64 max_ms; // Inclusive.
};
bool tsdb_delete(struct tsdb *db, const struct tsdb_deletion *what, u64 *id,
                 struct error *e) MUST_USE;
// ERR_NOT_FOUND if there is none, or nothing of it is left.
bool tsdb_undelete(struct tsdb *db, u64 id, struct error *e) MUST_USE;
// Rewrites now every block that holds samples deleted more than a day ago.
bool tsdb_clean(struct tsdb *db, u32 *blocks, struct error *e) MUST_USE;

// Makes snapshots/NAME in the store's folder: a folder that can be opened as a store, which holds
// what was committed when it was asked for (skip_head: of blocks only). Links what does not change.
#define TSDB_SNAPSHOT_NAME 48
bool tsdb_snapshot(struct tsdb *db, bool skip_head, char name[TSDB_SNAPSHOT_NAME],
                   struct error *e) MUST_USE;

// Series that match keep their samples for another time than the general one.
struct tsdb_class {
    struct tenant_id tenant;
    const struct matcher *ms;
    u32 count;
    i64 keep_ms; // 0 = for ever
};
#define TSDB_CLASSES_MAX 64U
struct tsdb_retention {
    i64 ms;           // 0 = for ever
    u64 bytes;        // Of all blocks; 0 = no limit
    u32 disk_percent; // The same as a share of the disk; the lower of both counts. 0 = no limit
    const struct tsdb_class *classes; // The first that matches counts.
    u32 class_count;
};
// May change at any time, as at a reload. Copied; on failure what was before stays.
bool tsdb_set_retention(struct tsdb *db, const struct tsdb_retention *r, struct error *e) MUST_USE;
// So may the out-of-order window; it holds for the commits that follow.
void tsdb_set_ooo_window(struct tsdb *db, i64 ooo_window_ms);
bool tsdb_restrained(struct tsdb *db); // New series are refused: starts before this one crashed.

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
    u64 head_bytes, wal_bytes;
    u32 blocks;
    u64 block_bytes;
    u32 quarantined;
    u64 disk_free_bytes, disk_total_bytes;
    bool writes_failing; // The last write of the log failed (disk full or broken).
    struct tsdb_stat *series_by_metric;
    struct tsdb_stat *values_by_label;
    struct tsdb_stat *bytes_by_label;
    struct tsdb_stat *series_by_pair; // "name=value"
    u32 series_by_metric_count, values_by_label_count, bytes_by_label_count, series_by_pair_count;
};
// Lists of at most limit lines each, largest first, in the arena.
void tsdb_status_get(struct tsdb *db, u32 limit, struct arena *a, struct tsdb_status *out);
u64 tsdb_corruptions(struct tsdb *db); // Damaged places that starts met in the log.

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

// Looks at a store's folder, or a snapshot, open or not; changes nothing. Threads: owned.
struct tsdb_verify {
    void (*damage)(void *ctx, str line); // Once for each place: file, where, what.
    void *ctx;
    u64 damages;
    u64 unread; // Places that memory or the system refused to show: then the whole has failed.
    u64 blocks, segments, bytes;
};
bool tsdb_verify(struct fs *fs, const char *dir, struct tsdb_verify *out, struct error *e) MUST_USE;
// dir, absent or empty, becomes a data folder with what the snapshot has, if that is all sound.
bool tsdb_restore(struct fs *fs, const char *snapshot, const char *dir, struct tsdb_verify *v,
                  struct error *e) MUST_USE;
bool tsdb_blocks_list(struct fs *fs, const char *dir, struct arena *a,
                      struct tsdb_block_info **infos, u32 *n, struct error *e) MUST_USE;

#endif
