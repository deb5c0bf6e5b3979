// tsdb_metrics.c: the engine's own metrics, under the names that dashboards know.
#include "client/tidemark.h"
#include "os/clk.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/metric_tally.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_refused.h"
#include "tsdb/tsdb_status.h"
#include "tsdb/wal.h"

#include <math.h>

// Values that are looked up when somebody asks.
enum look {
    LOOK_SERIES,
    LOOK_IDLE,
    LOOK_STALE,
    LOOK_HISTS,
    LOOK_HIST_BUCKETS,
    LOOK_APPENDERS,
    LOOK_WATERMARK_LOW,
    LOOK_WATERMARK_HIGH,
    LOOK_EXEMPLARS,
    LOOK_EXEMPLAR_SERIES,
    LOOK_EXEMPLAR_OLDEST,
    LOOK_EXEMPLARS_MAX,
    LOOK_REPLAY_SECONDS,
    LOOK_CHUNKS,
    LOOK_MIN_TIME,
    LOOK_MAX_TIME,
    LOOK_CREATED,
    LOOK_REMOVED,
    LOOK_SYMBOL_BYTES,
    LOOK_WAL_SEGMENT,
    LOOK_WAL_BYTES,
    LOOK_BLOCKS,
    LOOK_BLOCK_BYTES,
    LOOK_LOWEST,
    LOOK_RETENTION_BYTES,
    LOOK_RETENTION_SECONDS,
    LOOK_RETENTION_SHARE,
    LOOK_DISK_FREE,
    LOOK_DISK_SIZE,
    LOOK_QUARANTINED,
    LOOK_READERS,
    LOOK_WRITES_FAILING,
    LOOK_HEAD_BYTES,
    LOOK_RESTRAINED,
    LOOK_PAGES_DAMAGED,
};

struct metric {
    const char *name;
    const char *help;
    bool counter;
    bool counted; // index is an enum tsdb_counter, else an enum look.
    u32 index;
};

#define COUNTED(name, which, help)                                                                 \
    {                                                                                              \
        name, help, true, true, which                                                              \
    }
#define LOOKED(name, which, help)                                                                  \
    {                                                                                              \
        name, help, false, false, which                                                            \
    }
#define TOTAL(name, which, help)                                                                   \
    {                                                                                              \
        name, help, true, false, which                                                             \
    }

static const struct metric metrics[] = {
    LOOKED("prometheus_tsdb_head_series", LOOK_SERIES, "Series in the head."),
    LOOKED("tidemark_tsdb_head_series_idle", LOOK_IDLE,
           "Series in the head that get no samples; no limit of series counts them."),
    LOOKED("prometheus_tsdb_head_stale_series", LOOK_STALE,
           "Series in the head that ended in a staleness marker, as of the last minute."),
    LOOKED("prometheus_tsdb_head_native_histogram_series", LOOK_HISTS,
           "Series in the head whose newest sample in order is a native histogram, as of the last "
           "minute."),
    LOOKED("prometheus_tsdb_head_native_histogram_buckets", LOOK_HIST_BUCKETS,
           "Buckets of the native histograms that are the newest samples of series in the head, of "
           "the "
           "positive and the negative side, as of the last minute."),
    LOOKED("prometheus_tsdb_head_active_appenders", LOOK_APPENDERS, "Appenders that are open."),
    LOOKED("prometheus_tsdb_isolation_low_watermark", LOOK_WATERMARK_LOW,
           "Number of the commit that the oldest open reader sees; without readers, of the last."),
    LOOKED("prometheus_tsdb_isolation_high_watermark", LOOK_WATERMARK_HIGH,
           "Number of the last commit of scrapes and pushes."),
    LOOKED("prometheus_tsdb_head_chunks", LOOK_CHUNKS, "Chunks in the head."),
    LOOKED("prometheus_tsdb_head_min_time", LOOK_MIN_TIME, "Oldest time the head answers for."),
    LOOKED("prometheus_tsdb_head_max_time", LOOK_MAX_TIME, "Newest sample in the head."),
    LOOKED("prometheus_tsdb_lowest_timestamp", LOOK_LOWEST, "Oldest time stored."),
    TOTAL("prometheus_tsdb_head_series_created_total", LOOK_CREATED, "Series made in the head."),
    TOTAL("prometheus_tsdb_head_series_removed_total", LOOK_REMOVED, "Series that left the head."),
    COUNTED("prometheus_tsdb_head_samples_appended_total", COUNT_APPENDED, "Samples stored."),
    COUNTED("prometheus_tsdb_out_of_order_samples_total", COUNT_OUT_OF_ORDER,
            "Samples refused as out of order."),
    COUNTED("prometheus_tsdb_out_of_bound_samples_total", COUNT_TOO_NEW,
            "Samples refused as too far ahead of the clock."),
    COUNTED("prometheus_tsdb_too_old_samples_total", COUNT_TOO_OLD, "Samples refused as too old."),
    COUNTED("tidemark_tsdb_duplicate_samples_total", COUNT_DUPLICATE,
            "Samples that were there already."),
    COUNTED("tidemark_tsdb_conflicting_samples_total", COUNT_CONFLICT,
            "Samples refused for another value at the same time."),
    COUNTED("tidemark_tsdb_native_samples_appended_total", COUNT_HIST_APPENDED,
            "Native histogram samples stored, of all samples."),
    COUNTED(
        "tidemark_tsdb_exemplars_dropped_total", COUNT_EXEMPLARS_DROPPED,
        "Exemplars not kept: of series that are gone, older than the newest, the same again, more "
        "than 100 an hour, or too long."),
    COUNTED("prometheus_tsdb_exemplar_exemplars_appended_total", COUNT_EXEMPLARS_APPENDED,
            "Exemplars kept."),
    COUNTED("prometheus_tsdb_exemplar_out_of_order_exemplars_total", COUNT_EXEMPLARS_LATE,
            "Exemplars not kept because they are older than the newest of their series."),
    LOOKED("prometheus_tsdb_exemplar_exemplars_in_storage", LOOK_EXEMPLARS,
           "Exemplars in memory; blocks have the older ones."),
    LOOKED("prometheus_tsdb_exemplar_series_with_exemplars_in_storage", LOOK_EXEMPLAR_SERIES,
           "Series that have exemplars in memory."),
    LOOKED("prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds", LOOK_EXEMPLAR_OLDEST,
           "Time of the oldest exemplar in memory."),
    LOOKED("prometheus_tsdb_exemplar_max_exemplars", LOOK_EXEMPLARS_MAX,
           "How many exemplars memory may hold."),
    LOOKED("prometheus_tsdb_data_replay_duration_seconds", LOOK_REPLAY_SECONDS,
           "How long the last start took to open blocks, head images and the log."),
    COUNTED("tidemark_tsdb_replay_samples_lost_total", COUNT_REPLAY_LOST,
            "Samples in the log that damage made unreadable."),
    COUNTED("tidemark_tsdb_head_images_written_total", COUNT_IMAGES_WRITTEN,
            "Head images written beside the log, for a quick start."),
    COUNTED("tidemark_tsdb_head_images_failed_total", COUNT_IMAGES_FAILED,
            "Head images that could not be written."),
    COUNTED("tidemark_tsdb_head_images_read_total", COUNT_IMAGES_READ,
            "Head images that the last start began with."),
    COUNTED("tidemark_tsdb_head_images_refused_total", COUNT_IMAGES_REFUSED,
            "Head images that the last start could not use; it read the whole log."),
    COUNTED("prometheus_tsdb_snapshot_replay_error_total", COUNT_IMAGES_REFUSED,
            "The same, under the name that dashboards read."),
    COUNTED("prometheus_tsdb_wal_corruptions_total", COUNT_WAL_CORRUPTIONS,
            "Damaged places met in the log."),
    COUNTED("prometheus_tsdb_wal_page_flushes_total", COUNT_WAL_WRITES,
            "Commits that were written to the log."),
    COUNTED("prometheus_tsdb_wal_writes_failed_total", COUNT_WAL_WRITES_FAILED,
            "Commits that the log could not take."),
    COUNTED("tidemark_tsdb_wal_syncs_failed_total", COUNT_WAL_SYNCS_FAILED,
            "Syncs of the log that failed."),
    COUNTED("prometheus_tsdb_wal_truncations_total", COUNT_WAL_TRUNCATIONS,
            "Truncations of the log."),
    COUNTED("prometheus_tsdb_wal_truncations_failed_total", COUNT_WAL_TRUNCATE_FAILED,
            "Truncations of the log that failed."),
    COUNTED("prometheus_tsdb_checkpoint_creations_total", COUNT_CHECKPOINTS,
            "Checkpoints of the log written."),
    COUNTED("prometheus_tsdb_checkpoint_creations_failed_total", COUNT_CHECKPOINT_FAILED,
            "Checkpoints that could not be written."),
    COUNTED("prometheus_tsdb_checkpoint_deletions_total", COUNT_CHECKPOINT_REMOVES,
            "Times that checkpoints were removed for which a newer one stands."),
    COUNTED("prometheus_tsdb_checkpoint_deletions_failed_total", COUNT_CHECKPOINT_REMOVES_FAILED,
            "Times that older checkpoints could not be removed; it is tried again."),
    COUNTED("prometheus_tsdb_head_truncations_total", COUNT_HEAD_TRUNCATIONS,
            "Windows of time that left the head for a block."),
    COUNTED("prometheus_tsdb_head_truncations_failed_total", COUNT_HEAD_TRUNCATIONS_FAILED,
            "Windows of time that could not leave the head; it is tried again."),
    COUNTED("prometheus_tsdb_reloads_total", COUNT_RELOADS,
            "Times that the list of blocks changed."),
    COUNTED("prometheus_tsdb_reloads_failures_total", COUNT_RELOADS_FAILED,
            "Blocks that could not be read when they were to be listed."),
    COUNTED("prometheus_tsdb_compactions_total", COUNT_COMPACTIONS,
            "Blocks cut from the head or made of others."),
    COUNTED("prometheus_tsdb_compactions_failed_total", COUNT_COMPACTIONS_FAILED,
            "Block cuts and compactions that failed."),
    COUNTED("prometheus_tsdb_compactions_triggered_total", COUNT_COMPACTIONS_TRIGGERED,
            "Compactions begun."),
    COUNTED("prometheus_tsdb_vertical_compactions_total", COUNT_VERTICAL_COMPACTIONS,
            "Compactions of blocks that overlap in time."),
    COUNTED("tidemark_tsdb_compactions_postponed_total", COUNT_COMPACTIONS_POSTPONED,
            "Compactions put off because the disk has too little room for them."),
    COUNTED("tidemark_tsdb_class_retentions_total", COUNT_CLASS_RETENTIONS,
            "Blocks rewritten without series whose class is kept for a shorter time."),
    COUNTED("tidemark_tsdb_cold_blocks_total", COUNT_COLD_BLOCKS,
            "Blocks written of series that were idle, before their window was cut."),
    COUNTED("tidemark_tsdb_cold_series_total", COUNT_COLD_SERIES,
            "Series that left memory for such a block."),
    COUNTED("prometheus_tsdb_time_retentions_total", COUNT_TIME_RETENTIONS,
            "Blocks removed for their age."),
    COUNTED("prometheus_tsdb_size_retentions_total", COUNT_SIZE_RETENTIONS,
            "Blocks removed for the size of all."),
    LOOKED("prometheus_tsdb_symbol_table_size_bytes", LOOK_SYMBOL_BYTES, "Symbols of the head."),
    LOOKED("prometheus_tsdb_wal_segment_current", LOOK_WAL_SEGMENT, "Segment being written."),
    LOOKED("prometheus_tsdb_wal_storage_size_bytes", LOOK_WAL_BYTES, "Size of the log."),
    LOOKED("prometheus_tsdb_blocks_loaded", LOOK_BLOCKS, "Blocks that are read."),
    LOOKED("prometheus_tsdb_storage_blocks_bytes", LOOK_BLOCK_BYTES, "Size of all blocks."),
    LOOKED("prometheus_tsdb_retention_limit_bytes", LOOK_RETENTION_BYTES,
           "Size that blocks may take; 0 = no limit."),
    LOOKED("prometheus_tsdb_retention_limit_seconds", LOOK_RETENTION_SECONDS,
           "Age that blocks may reach; 0 = no limit."),
    LOOKED("prometheus_tsdb_retention_limit_percentage", LOOK_RETENTION_SHARE,
           "Share of the disk that blocks may take, as a percentage; 0 = no limit."),
    LOOKED("tidemark_data_disk_free_bytes", LOOK_DISK_FREE, "Free space under the data folder."),
    LOOKED("tidemark_data_disk_size_bytes", LOOK_DISK_SIZE, "Size of the data folder's disk."),
    LOOKED("tidemark_tsdb_blocks_quarantined", LOOK_QUARANTINED, "Blocks set aside as damaged."),
    LOOKED("tidemark_tsdb_pages_damaged", LOOK_PAGES_DAMAGED, "Pages that failed their checksum."),
    LOOKED("tidemark_tsdb_readers", LOOK_READERS, "Queriers that are open."),
    LOOKED("tidemark_tsdb_wal_writes_failing", LOOK_WRITES_FAILING,
           "1 while the last write of the log failed."),
    LOOKED("tidemark_tsdb_new_series_restrained", LOOK_RESTRAINED,
           "1 while new series are refused because starts before this one crashed."),
    LOOKED("tidemark_tsdb_head_bytes", LOOK_HEAD_BYTES, "Memory of the head."),
};

// Threads: frozen after registration.
struct metric_slot {
    struct tsdb *db;
    const struct metric *metric;
};

static f64 heads_sum(struct tsdb *db, enum look what)
{
    u64 sum = 0;
    for (u32 i = 0; i < SHARDS; i++) {
        struct head *h = db->heads[i];
        lock_take(&h->lock);
        switch (what) {
        case LOOK_SERIES:
            sum += h->live;
            break;
        case LOOK_IDLE:
            sum += h->idle;
            break;
        case LOOK_STALE:
            sum += h->seen.stale;
            break;
        case LOOK_HISTS:
            sum += h->seen.hists;
            break;
        case LOOK_HIST_BUCKETS:
            sum += h->seen.hist_buckets;
            break;
        case LOOK_CREATED:
            sum += h->created_total;
            break;
        case LOOK_REMOVED:
            sum += h->removed_total;
            break;
        case LOOK_SYMBOL_BYTES:
            sum += symtab_bytes(h->index.symbols);
            break;
        default: // Chunks: sealed ones; one open chunk per series at most comes on top.
            for (u32 k = 0; k < h->window_count; k++) {
                sum += h->windows[k]->sealed.chunks;
            }
            sum += h->live;
        }
        lock_drop(&h->lock);
    }
    return (f64)sum;
}

static f64 heads_newest(struct tsdb *db)
{
    i64 newest = T_NEVER;
    for (u32 i = 0; i < SHARDS; i++) {
        lock_take(&db->heads[i]->lock);
        newest = MAX(newest, db->heads[i]->t_max);
        lock_drop(&db->heads[i]->lock);
    }
    return newest == T_NEVER ? (f64)NAN : (f64)newest;
}

static f64 heads_oldest(struct tsdb *db)
{
    i64 oldest = INT64_MAX;
    for (u32 i = 0; i < SHARDS; i++) {
        struct head *h = db->heads[i];
        lock_take(&h->lock);
        for (u32 k = 0; k < h->window_count; k++) {
            oldest =
                h->windows[k]->end_ms > h->t_floor ? MIN(oldest, h->windows[k]->start_ms) : oldest;
        }
        lock_drop(&h->lock);
    }
    return oldest == INT64_MAX ? (f64)NAN : (f64)oldest;
}

static f64 blocks_look(struct tsdb *db, enum look what)
{
    f64 value = 0;
    lock_take(&db->lock);
    for (u32 i = 0; i < db->blocks->n; i++) {
        struct block *b = db->blocks->blocks[i];
        value += what == LOOK_BLOCKS          ? 1
                 : what == LOOK_PAGES_DAMAGED ? (f64)atomic_load(&b->bad_pages)
                                              : (f64)block_bytes(b);
    }
    lock_drop(&db->lock);
    return value;
}

static f64 watermark_look(struct tsdb *db, enum look what)
{
    struct head *h = db->heads[SHARD_MAIN];
    lock_take(&db->lock);
    lock_take(&h->lock);
    u64 commit = h->pins.commit;
    lock_drop(&h->lock);
    for (const struct tsdb_pin *p = db->pins; p && what == LOOK_WATERMARK_LOW; p = p->next) {
        commit = MIN(commit, p->commits[SHARD_MAIN]);
    }
    lock_drop(&db->lock);
    return (f64)commit;
}

static f64 exemplars_look(struct tsdb *db, enum look what)
{
    lock_take(&db->lock);
    const struct exemplar_ring *r = &db->exemplars;
    f64 value = what == LOOK_EXEMPLARS         ? (f64)r->count
                : what == LOOK_EXEMPLAR_SERIES ? (f64)(r->series_count - r->free_count)
                : r->count > 0                 ? (f64)exemplar_ring_oldest(r) / 1000
                                               : (f64)NAN;
    lock_drop(&db->lock);
    return value;
}

static f64 db_look(struct tsdb *db, enum look what)
{
    lock_take(&db->lock);
    f64 value = what == LOOK_RETENTION_BYTES     ? (f64)tsdb_bytes_max(db)
                : what == LOOK_RETENTION_SECONDS ? (f64)db->retention_ms / 1000
                : what == LOOK_RETENTION_SHARE   ? (f64)db->retention_percent
                : what == LOOK_QUARANTINED       ? (f64)db->gap_count
                : what == LOOK_READERS           ? (f64)db->pin_count
                : db->blocks->n > 0              ? (f64)db->blocks->blocks[0]->meta.min_ms
                                                 : (f64)NAN;
    lock_drop(&db->lock);
    return value;
}

static f64 look_value(struct tsdb *db, enum look what)
{
    switch (what) {
    case LOOK_SERIES:
    case LOOK_IDLE:
    case LOOK_STALE:
    case LOOK_HISTS:
    case LOOK_HIST_BUCKETS:
    case LOOK_CHUNKS:
    case LOOK_CREATED:
    case LOOK_REMOVED:
    case LOOK_SYMBOL_BYTES:
        return heads_sum(db, what);
    case LOOK_APPENDERS:
        return (f64)atomic_load(&db->appenders);
    case LOOK_WATERMARK_LOW:
    case LOOK_WATERMARK_HIGH:
        return watermark_look(db, what);
    case LOOK_EXEMPLARS:
    case LOOK_EXEMPLAR_SERIES:
    case LOOK_EXEMPLAR_OLDEST:
        return exemplars_look(db, what);
    case LOOK_EXEMPLARS_MAX:
        return EXEMPLARS_MAX;
    case LOOK_REPLAY_SECONDS:
        return db->replay_seconds;
    case LOOK_MIN_TIME:
        return heads_oldest(db);
    case LOOK_MAX_TIME:
        return heads_newest(db);
    case LOOK_LOWEST: {
        f64 oldest = db_look(db, what);
        return isnan(oldest) ? heads_oldest(db) : oldest;
    }
    case LOOK_WAL_SEGMENT:
        return db->wals[SHARD_MAIN] ? (f64)wal_segment_now(db->wals[SHARD_MAIN]) : (f64)NAN;
    case LOOK_WAL_BYTES:
        return db->wals[SHARD_RULES]
                   ? (f64)(wal_bytes(db->wals[SHARD_MAIN]) + wal_bytes(db->wals[SHARD_RULES]))
                   : (f64)NAN;
    case LOOK_BLOCKS:
    case LOOK_BLOCK_BYTES:
    case LOOK_PAGES_DAMAGED:
        return blocks_look(db, what);
    case LOOK_RETENTION_BYTES:
    case LOOK_RETENTION_SECONDS:
    case LOOK_RETENTION_SHARE:
    case LOOK_QUARANTINED:
    case LOOK_READERS:
        return db_look(db, what);
    case LOOK_DISK_FREE:
        return (f64)atomic_load(&db->disk_free);
    case LOOK_DISK_SIZE:
        return (f64)atomic_load(&db->disk_total);
    case LOOK_WRITES_FAILING:
        return atomic_load(&db->writes_failing) ? 1 : 0;
    case LOOK_RESTRAINED:
        return tsdb_restrained(db) ? 1 : 0;
    case LOOK_HEAD_BYTES:
        return (f64)(tsdb_memory(db, TSDB_POOL_HEAD) + tsdb_memory(db, TSDB_POOL_BOXES));
    }
    return (f64)NAN;
}

static f64 metric_value(void *ctx)
{
    const struct metric_slot *s = ctx;
    return s->metric->counted ? (f64)atomic_load(&s->db->counts[s->metric->index])
                              : look_value(s->db, (enum look)s->metric->index);
}

void tsdb_took(const struct tsdb *db, struct tmk_histogram *seconds, i64 began_mono_ns)
{
    tmk_histogram_observe(seconds, (f64)(clk_mono_ns(db->opts.clk) - began_mono_ns) / 1e9);
}

static void durations_register(struct tsdb *db)
{
    static const f64 bounds[] = {0.001, 0.01, 0.1, 1, 10, 60, 600};
    struct tmk_registry *r = db->opts.registry;
    db->collect_seconds = tmk_histogram_register(
        r, "prometheus_tsdb_head_gc_duration_seconds",
        "How long it took to let go of what blocks have now.", bounds, ARRAY_LEN(bounds), NULL);
    db->truncate_seconds =
        tmk_histogram_register(r, "prometheus_tsdb_wal_truncate_duration_seconds",
                               "How long truncations of the log took, with their checkpoints.",
                               bounds, ARRAY_LEN(bounds), NULL);
    db->clean_seconds =
        tmk_histogram_register(r, "prometheus_tsdb_tombstone_cleanup_seconds",
                               "How long it took to rewrite blocks without what was deleted.",
                               bounds, ARRAY_LEN(bounds), NULL);
}

void tsdb_chunks_tell(const struct tsdb *db, struct chunk_tally *t)
{
    metric_tally_tell(&t->bytes, &metric_tally_chunk_bytes, db->chunk_bytes);
    metric_tally_tell(&t->samples, &metric_tally_chunk_samples, db->chunk_samples);
    metric_tally_tell(&t->ms, &metric_tally_chunk_ms, db->chunk_ms);
}

static void tallies_register(struct tsdb *db)
{
    struct tmk_registry *r = db->opts.registry;
    db->chunk_bytes = metric_tally_register(
        r, "prometheus_tsdb_compaction_chunk_size_bytes",
        "Size of the chunks of blocks cut from the head: their values; times are shared.",
        &metric_tally_chunk_bytes);
    db->chunk_samples = metric_tally_register(r, "prometheus_tsdb_compaction_chunk_samples",
                                              "Samples in the chunks of blocks cut from the head.",
                                              &metric_tally_chunk_samples);
    db->chunk_ms = metric_tally_register(
        r, "prometheus_tsdb_compaction_chunk_range_seconds",
        "Time from first to last sample of the chunks of blocks cut from the head, in milliseconds "
        "in spite of the name, as Prometheus tells it.",
        &metric_tally_chunk_ms);
    db->late_seconds = metric_tally_register(
        r, "prometheus_tsdb_sample_ooo_delta",
        "How many seconds samples that came out of order were behind the newest of the head, "
        "whether they were kept or not.",
        &metric_tally_late_seconds);
}

void tsdb_metrics_register(struct tsdb *db)
{
    static const f64 bounds[] = {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3};
    struct tmk_registry *r = db->opts.registry;
    struct metric_slot *slots = MEM_NEW_N(struct metric_slot, ARRAY_LEN(metrics));
    db->metric_slots = slots;
    tsdb_refused_register(db);
    db->sync_seconds =
        tmk_histogram_register(r, "prometheus_tsdb_wal_fsync_duration_seconds",
                               "How long syncs of the log took.", bounds, ARRAY_LEN(bounds), NULL);
    static const f64 long_bounds[] = {0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600};
    db->compact_seconds = tmk_histogram_register(r, "prometheus_tsdb_compaction_duration_seconds",
                                                 "How long cuts and compactions took.", long_bounds,
                                                 ARRAY_LEN(long_bounds), NULL);
    durations_register(db);
    tallies_register(db);
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        const struct metric *m = &metrics[i];
        slots[i] = (struct metric_slot){.db = db, .metric = m};
        (void)(m->counter ? tmk_counter_fn(r, m->name, m->help, metric_value, &slots[i], NULL)
                          : tmk_gauge_fn(r, m->name, m->help, metric_value, &slots[i], NULL));
    }
}

void tsdb_metrics_remove(struct tsdb *db)
{
    const struct metric_slot *slots = db->metric_slots;
    for (size_t i = 0; slots && i < ARRAY_LEN(metrics); i++) {
        tmk_fn_remove(db->opts.registry, &slots[i]);
    }
}
