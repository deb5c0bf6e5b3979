// tsdb.h: the storage engine of one node: a head in memory behind a write-ahead log, and immutable
// blocks on disk. What others write and read goes through storage.h; this is the door around it.
// Beside it stand tsdb_admin.h (what changes what is kept), tsdb_status.h (what can be told of it)
// and tsdb_files.h (what tools do to its folder).
//
// open replays the log; step does the background work of one round (cut, retention, truncation);
// wal_thread: open starts the log's thread (syncs, callbacks of when_durable), else when_durable
// syncs at once; start_thread: two more help, until open returns. Nothing else starts a thread.
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

struct clk;
struct error;
struct fs;
struct log;
struct rng;
struct storage;
struct tmk_registry;
struct tsdb;
struct tsdb_replay_progress; // tsdb_status.h

enum wal_sync { WAL_SYNC_ALWAYS, WAL_SYNC_1S };

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
    u32 series_max_tenant; // 0 = no limit, nor for the next two; rules have none
    u32 series_max_job;
    u32 series_max_metric;
    u64 memory_max;         // New series are refused beyond it, an eighth likewise; 0 = no limit
    u64 box_bytes_max;      // Histograms in memory, an eighth likewise; 0 = no limit
    u64 exemplar_bytes_max; // 16 MiB
    u64 log_bytes_max;      // 128 MiB at most: what the disk has not taken; 16 MiB at least
    u64 symbol_bytes_max;   // 1 GiB
    u32 queriers_max;       // 4096
    u64 ballast_bytes;      // Disk kept back so that a full disk can be recovered; 0 = none
    bool wal_thread;
    bool start_thread;
    bool compact_off;       // Blocks stay as they were cut.
    u32 compact_first;      // 12: so many blocks of block_range_ms become one, of a day
    u32 compact_second;     // 9: so many of those do, of nine days
    i64 settle_every_ms;    // 1 min: how often series are looked at for silence
    i64 cold_every_ms;      // How often idle ones may leave for a cold block (ADR 9); 0 = never
    u32 cold_min;           // 1000: fewer of a shard make no block
    i64 image_every_ms;     // 5 min: how often the head is copied beside the log; < 0 = never
    u64 image_log_bytes;    // 1 MiB: not before the log has grown by so much
    u32 unclean_starts_max; // So many within 10 minutes: new series are refused; 0 = never
};

// NULL if the folder cannot be used (ERR_EXISTS: another instance holds it). Damage does not stop
// it: see tsdb_status.h.
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

#endif
