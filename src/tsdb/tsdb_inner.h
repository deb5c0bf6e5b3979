// tsdb_inner.h: what the files of the engine share behind tsdb.h; private to the folder.
//
// Locks in order: db → head → wal → the log thread's wake-up (os/lock_rank.h). The turn of a head
// is taken before any of them.
#ifndef TSDB_TSDB_INNER_H
#define TSDB_TSDB_INNER_H

#include "base/map.h"
#include "model/sample.h"
#include "os/thr.h"
#include "storage/storage.h"
#include "tsdb/block_set.h"
#include "tsdb/cold_known.h"
#include "tsdb/exemplar_ring.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_limits.h"
#include "tsdb/meta_table.h"
#include "tsdb/retention.h"
#include "tsdb/tsdb.h"
#include "tsdb/tsdb_counters.h"

#include <stdatomic.h>

struct block;
struct buf;
struct chunk_tally;
struct deleted_list;
struct file;
struct head;
struct wal;
struct tmk_histogram;
struct tombstones;

#define SHARDS      HEADS_MAX
#define SHARD_MAIN  0U
#define SHARD_RULES 1U
#define TSDB_PATH   256
// Of series_max, memory_max and box_bytes_max one part in so many is kept for rules, so that no
// flood of scraped or pushed series keeps an alert from being recorded (I14).
#define RULES_SHARE      8U
#define COMPACT_SKIP_MAX 64U
#define STARTS_MAX       8U

// The blocks that are listed now, by time. Threads: frozen; refs guarded by the db's lock.
struct block_set {
    u32 refs;
    u32 n;
    struct tombstones *heads[SHARDS]; // What of the head is deleted; NULL = nothing.
    struct deleted_list *deleted;     // The same by labels, of series that left as well.
    struct tombstones **dead;         // And of each block.
    struct block *blocks[];
};

// A time range whose data is set aside. Threads: guarded by the db's lock; kept until close.
struct block_gap {
    i64 min_ms;
    i64 max_ms;
    bool retry; // The system refused; it may be read later.
    char name[128];
};

// A folder of a block that was replaced and could not be removed yet. Threads: owned by the step.
struct block_leftover {
    char name[128];
};

// What a querier pins. Threads: guarded by the db's lock.
struct tsdb_pin {
    struct tsdb_pin *next;
    struct tsdb_pin *previous;
    u64 publish;
    u64 commits[SHARDS];
    i64 head_min;
    struct block_set *blocks;
};

// Series on their way into cold blocks, until no reader is left that lacks those (tsdb_cold.h).
// Threads: owned by the step.
struct cold_leaving {
    struct cold_list list;
    i64 next_ms; // Windows that begin before it have their blocks.
    u64 publish; // When all had,
    bool listed; // and a start knew of them.
};

struct tsdb {
    struct storage base;
    struct tsdb_opts opts;
    char dir[TSDB_PATH];
    struct file *lock_file;
    struct head *heads[SHARDS];
    struct wal *wals[SHARDS];
    _Atomic i64 ooo_window_ms;
    struct head_limits limits;
    _Atomic u64 counts[COUNT_TOTAL];
    _Atomic u64 disk_free;
    _Atomic u64 disk_total;
    _Atomic u64 appenders;         // That are open.
    struct tmk_family *refused[2]; // Series, samples; NULL without a registry.
    struct tmk_histogram *sync_seconds;
    struct tmk_histogram *compact_seconds;
    struct tmk_histogram *collect_seconds;
    struct tmk_histogram *truncate_seconds;
    struct tmk_histogram *clean_seconds;
    struct tmk_histogram *chunk_bytes;
    struct tmk_histogram *chunk_samples;
    struct tmk_histogram *chunk_ms;
    struct tmk_histogram *late_seconds;
    f64 replay_seconds;     // Frozen once the store is open.
    _Atomic u32 interrupts; // While it is not 0, what is long in a step gives up.
    _Atomic bool writes_failing;
    bool full[SHARDS]; // Of whoever steps: what was told last of the memory for series.
    void *metric_slots;

    struct lock lock;
    // Guarded by lock from here on.
    struct block_set *blocks;
    struct tsdb_pin *pins;
    u32 pin_count;
    u64 publish;  // How often the block set or head_min changed.
    i64 head_min; // Below it blocks answer.
    struct block_gap *gaps;
    u32 gap_count;
    struct meta_table metadata;
    struct exemplar_ring exemplars;
    i64 retention_ms;
    u64 retention_bytes;
    u32 retention_percent;
    bool working; // The work turn: whoever has it changes the block set.
    struct cond work_free;
    u64 deletions; // Owned by the work turn, as are the next two.
    struct retention classes;
    i64 classes_at; // The window of the newest sample when blocks were last looked through.

    // Owned by whoever steps.
    u64 spill_publish;
    u64 collect_publish;
    u32 block_uid;
    bool collect_due;
    bool ballast_held;
    bool spill_waits; // Memory of what was moved to files is to be freed.
    bool spill_failing;
    i64 settle_at; // When series were last looked at for silence; T_NEVER: not since the start.
    i64 cold_at;   // And for whether enough are idle (tsdb_cold.h).
    struct cold_leaving cold[SHARDS];
    struct cold_known cold_known;
    i64 image_at;            // When images were last written, or tried, or the store was opened.
    u64 image_first[SHARDS]; // The segment from which on the newest does not hold the log.
    bool image_failing;
    bool cold_failing; // The file of cold_known cannot be written.
    bool cold_lost;    // Of open: what cold blocks say of the log is not believed.
    // Of open, the step and close.
    bool starts_open;
    u32 start_count;
    i64 start_mono_ms;
    i64 starts[STARTS_MAX]; // Those that nothing took back, and this one.
    struct block_leftover *leftovers;
    u32 leftover_count;
    i64 compact_skip[COMPACT_SKIP_MAX]; // Windows that cannot be compacted before a restart.
    u32 compact_skip_count;

    struct lock wake_lock;
    struct cond wake;
    bool wake_asked; // Guarded by wake_lock, as is stopping.
    bool stopping;
    struct thr *thread;
};

static inline void tsdb_count(struct tsdb *db, enum tsdb_counter c, u64 n)
{
    atomic_fetch_add(&db->counts[c], n);
}
// Observes the time since then; NULL = nobody measures.
void tsdb_took(const struct tsdb *db, struct tmk_histogram *seconds, i64 began_mono_ns);
void tsdb_chunks_tell(const struct tsdb *db, struct chunk_tally *t); // Of a block that is kept.
void tsdb_path(const struct tsdb *db, const char *name, char out[512]);
// Makes everything written by a shard durable, moving to a new segment if a sync fails.
bool tsdb_log_sync(struct tsdb *db, u32 shard, struct error *e);

// The work turn: a step's round, a deletion, taking one back. It is no lock: files are written
// while it is held. Who waits for it interrupts a compaction.
void work_take(struct tsdb *db);
void work_drop(struct tsdb *db);

struct storage_appender *tsdb_appender_open(struct storage *s, struct tenant_id tenant,
                                            enum storage_stream stream, struct error *e);
struct storage_querier *tsdb_querier_open(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                          i64 max_ms, struct error *e);
void tsdb_pin_open(struct tsdb *db, struct tsdb_pin *p);
void tsdb_pin_close(struct tsdb *db, struct tsdb_pin *p);
bool tsdb_reader_before(struct tsdb *db, u64 publish); // Whether one from before it is left.

void tsdb_metrics_register(struct tsdb *db);
void tsdb_metrics_remove(struct tsdb *db);
bool tsdb_snapshots_sweep(struct tsdb *db, struct error *e) MUST_USE; // Of unfinished ones.
void tsdb_disk_look(struct tsdb *db);
i64 tsdb_newest(struct tsdb *db);          // The newest sample of the head or the blocks.
u64 tsdb_bytes_max(const struct tsdb *db); // What blocks may take; 0 = no limit. With the lock.

#endif
