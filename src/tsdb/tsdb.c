#include "tsdb/tsdb.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"
#include "client/tidemark.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/head_settle.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_cold.h"
#include "tsdb/tsdb_delete.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_restart.h"
#include "tsdb/tsdb_status.h"
#include "tsdb/wal.h"

#include <stdio.h>

#define DEFAULT_RANGE_MS       ((i64)2 * 3600 * 1000)
#define DEFAULT_TOO_NEW_MS     ((i64)5 * 60 * 1000)
#define DEFAULT_SERIES_MAX     10000000U
#define DEFAULT_LOG_BYTES      ((u64)128 << 20)
#define DEFAULT_SYMBOL_BYTES   ((u64)1 << 30)
#define DEFAULT_QUERIERS       4096U
#define DEFAULT_IMAGE_MS       ((i64)5 * 60 * 1000)
#define DEFAULT_IMAGE_LOG      ((u64)1 << 20)
#define DEFAULT_COLD_MIN       1000U
#define DEFAULT_COMPACT_FIRST  12U
#define DEFAULT_COMPACT_SECOND 9U
#define SYNC_PERIOD_MS         500 // So that with a slow disk, too, a second is kept.
#ifdef TIDEMARK_SMALL
#    define DEFAULT_SEGMENT_BYTES ((u64)16 << 10)
#else
#    define DEFAULT_SEGMENT_BYTES ((u64)64 << 20)
#endif

void tsdb_path(const struct tsdb *db, const char *name, char out[512])
{
    (void)snprintf(out, 512, "%s/%.200s", db->dir, name);
}

static void opts_default(struct tsdb_opts *o)
{
    o->block_range_ms = o->block_range_ms ? o->block_range_ms : DEFAULT_RANGE_MS;
    o->too_new_ms = o->too_new_ms ? o->too_new_ms : DEFAULT_TOO_NEW_MS;
    o->wal_segment_bytes = o->wal_segment_bytes ? o->wal_segment_bytes : DEFAULT_SEGMENT_BYTES;
    o->series_max = o->series_max ? o->series_max : DEFAULT_SERIES_MAX;
    o->exemplar_bytes_max = o->exemplar_bytes_max ? o->exemplar_bytes_max : EXEMPLAR_BYTES_MAX;
    o->log_bytes_max = o->log_bytes_max ? o->log_bytes_max : DEFAULT_LOG_BYTES;
    o->symbol_bytes_max = o->symbol_bytes_max ? o->symbol_bytes_max : DEFAULT_SYMBOL_BYTES;
    o->compact_first = o->compact_first ? o->compact_first : DEFAULT_COMPACT_FIRST;
    o->compact_second = o->compact_second ? o->compact_second : DEFAULT_COMPACT_SECOND;
    o->queriers_max = o->queriers_max ? o->queriers_max : DEFAULT_QUERIERS;
    o->settle_every_ms = o->settle_every_ms ? o->settle_every_ms : SETTLE_EVERY_MS;
    o->cold_min = o->cold_min ? o->cold_min : DEFAULT_COLD_MIN;
    o->image_every_ms = o->image_every_ms ? o->image_every_ms : DEFAULT_IMAGE_MS;
    o->image_log_bytes = o->image_log_bytes ? o->image_log_bytes : DEFAULT_IMAGE_LOG;
}

bool tsdb_log_sync(struct tsdb *db, u32 shard, struct error *e)
{
    struct wal *w = db->wals[shard];
    struct error why = {0};
    if (wal_sync(w, false, &why)) {
        return true;
    }
    tsdb_count(db, COUNT_WAL_SYNCS_FAILED, 1);
    LOGF(db->opts.log, LOG_ERROR, "log of stream %u: %s", shard, why.text);
    struct error repair_why = {0};
    head_turn_take(db->heads[shard]);
    bool repaired = wal_repair(w, &repair_why);
    head_turn_drop(db->heads[shard]);
    if (!repaired) {
        LOGF(db->opts.log, LOG_ERROR, "log of stream %u: %s", shard, repair_why.text);
    }
    return wal_sync(w, true, e); // Tells those who wait, either way.
}

static void log_thread(void *arg)
{
    struct tsdb *db = arg;
    bool stopping = false;
    while (!stopping) {
        lock_take(&db->wake_lock);
        if (!db->wake_asked && !db->stopping) {
            (void)cond_wait_ms(&db->wake, &db->wake_lock, SYNC_PERIOD_MS);
        }
        db->wake_asked = false;
        stopping = db->stopping;
        lock_drop(&db->wake_lock);
        for (u32 i = 0; i < SHARDS; i++) {
            struct error ignored; // Logged and counted inside; the next round tries again.
            (void)tsdb_log_sync(db, i, &ignored);
        }
    }
}

static void log_wake(struct tsdb *db, bool stop)
{
    lock_take(&db->wake_lock);
    db->wake_asked = true;
    db->stopping = db->stopping || stop;
    cond_signal(&db->wake);
    lock_drop(&db->wake_lock);
}

static void tsdb_when_durable(struct storage *s, u64 wal_position,
                              void (*fn)(void *arg, const struct error *e), void *arg)
{
    struct tsdb *db = CONTAINER_OF(s, struct tsdb, base);
    u32 shard = (u32)(wal_position % SHARDS);
    if (db->opts.wal_sync == WAL_SYNC_1S) {
        fn(arg, NULL);
        return;
    }
    if (!wal_when_durable(db->wals[shard], wal_position / SHARDS, fn, arg)) {
        return;
    }
    if (db->opts.wal_thread) {
        log_wake(db, false);
    } else {
        struct error ignored; // The callback has been told.
        (void)tsdb_log_sync(db, shard, &ignored);
    }
}

static const struct storage_ops tsdb_ops = {
    .appender = tsdb_appender_open,
    .querier = tsdb_querier_open,
    .when_durable = tsdb_when_durable,
};

// --- Opening and closing -----------------------------------------------------------------------

// The folder that the data folder's own name stands in.
static void parent_path(const char *dir, char out[TSDB_PATH])
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    while (len > 0 && dir[len - 1] != '/') {
        len--;
    }
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    (void)snprintf(out, TSDB_PATH, "%.*s", len > 0 ? (int)len : 1, len > 0 ? dir : ".");
}

// Makes the data folder and what it stands in.
static bool data_folder_make(struct tsdb *db, struct error *e)
{
    char path[TSDB_PATH];
    struct fs_info info;
    struct error ignored;
    const size_t len = strlen(db->dir);
    for (size_t i = 1; i <= len; i++) {
        if (db->dir[i] != '/' && i < len) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%.*s", (int)i, db->dir);
        if (fs_stat(db->opts.fs, path, &info, &ignored)) {
            if (!info.is_dir) {
                return err_set(e, ERR_INVALID, "the data folder %s: %s is a file", db->dir, path);
            }
        } else if (!fs_make_dir(db->opts.fs, path, e)) {
            return err_in(e, "making the data folder %s", db->dir);
        }
    }
    return true;
}

// Before the first start in a folder: refuses one that others have data in. Another system's log
// lies in a "wal" too, and would not be read by it again with ours inside.
static bool data_folder_check(struct tsdb *db, struct error *e)
{
    static const char *const own[] = {"lock", "floor",      "starts", "ballast",    "blocks",
                                      "head", "quarantine", "wal",    "lost+found", "cold"};
    char path[512];
    struct fs_info *infos;
    size_t count;
    tsdb_path(db, "wal/0", path);
    struct error ignored;
    if (fs_stat(db->opts.fs, path, &(struct fs_info){0}, &ignored)) {
        return true;
    }
    struct arena *a = arena_new((size_t)16 << 20);
    bool ok = fs_list(db->opts.fs, db->dir, a, &infos, &count, e);
    for (size_t i = 0; ok && i < count; i++) {
        bool known = str_starts(infos[i].name, STR("."));
        for (size_t k = 0; k < ARRAY_LEN(own); k++) {
            known = known || str_eq(infos[i].name, str_c(own[k]));
        }
        ok = known || err_set(e, ERR_INVALID,
                              "the folder %s holds \"%.*s\", which is not ours: give "
                              "--storage.tsdb.path a folder of its own",
                              db->dir, STR_ARG(infos[i].name));
    }
    arena_free(a);
    return ok;
}

static bool folders_make(struct tsdb *db, struct error *e)
{
    static const char *const names[] = {"blocks", "head", "quarantine", "wal", "wal/0", "wal/1"};
    char path[512];
    if (!data_folder_make(db, e) || !data_folder_check(db, e)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        tsdb_path(db, names[i], path);
        if (!fs_make_dir(db->opts.fs, path, e)) {
            return false;
        }
    }
    tsdb_path(db, "lock", path);
    struct error why;
    db->lock_file = fs_lock(db->opts.fs, path, &why);
    if (!db->lock_file) {
        return why.code == ERR_EXISTS
                   ? err_set(e, ERR_EXISTS, "another instance already uses the data folder %s",
                             db->dir)
                   : err_set(e, why.code, "%s", why.text);
    }
    if (!tsdb_snapshots_sweep(db, e)) {
        return false;
    }
    char parent[TSDB_PATH];
    parent_path(db->dir, parent);
    tsdb_path(db, "wal", path);
    return fs_sync_dir(db->opts.fs, path, e) && fs_sync_dir(db->opts.fs, db->dir, e) &&
           fs_sync_dir(db->opts.fs, parent, e);
}

static void db_free(struct tsdb *db)
{
    if (db->metric_slots) {
        tsdb_metrics_remove(db);
    }
    for (u32 i = 0; i < SHARDS; i++) {
        wal_free(db->wals[i]);
        head_free(db->heads[i]);
        cold_list_fini(&db->cold[i].list);
    }
    block_set_unref(db, db->blocks);
    cold_known_fini(&db->cold_known);
    meta_table_fini(&db->metadata);
    exemplar_ring_fini(&db->exemplars);
    mem_free(db->gaps);
    mem_free(db->leftovers);
    retention_fini(&db->classes);
    if (db->lock_file) {
        fs_close(db->opts.fs, db->lock_file);
    }
    cond_fini(&db->work_free);
    cond_fini(&db->wake);
    lock_fini(&db->wake_lock);
    lock_fini(&db->lock);
    mem_free(db->metric_slots);
    mem_free(db);
}

static struct tsdb *db_make(const struct tsdb_opts *opts)
{
    struct tsdb *db = MEM_NEW(struct tsdb);
    db->base.ops = &tsdb_ops;
    db->opts = *opts;
    opts_default(&db->opts);
    (void)snprintf(db->dir, sizeof(db->dir), "%s", opts->dir);
    db->opts.dir = db->dir;
    db->ooo_window_ms = opts->ooo_window_ms;
    retention_init(&db->classes);
    db->classes.ms = opts->retention_ms;
    db->classes_at = INT64_MIN;
    db->retention_ms = opts->retention_ms;
    db->retention_bytes = opts->retention_bytes;
    db->head_min = INT64_MIN;
    lock_init(&db->lock, LOCK_TSDB, "tsdb");
    lock_init(&db->wake_lock, LOCK_TSDB_WAKE, "tsdb_wake");
    cond_init(&db->wake);
    cond_init(&db->work_free);
    meta_table_init(&db->metadata);
    exemplar_ring_init(&db->exemplars);
    db->exemplars.bytes_max = MIN(db->opts.exemplar_bytes_max, EXEMPLAR_BYTES_MAX);
    db->blocks = block_set_with(NULL, NULL, NULL, 0);
    db->limits.series_max = db->opts.series_max;
    db->limits.box_bytes_max = db->opts.box_bytes_max;
    for (u32 i = 0; i < SHARDS; i++) {
        tsdb_head_make(db, i);
    }
    return db;
}

struct tsdb *tsdb_open(const struct tsdb_opts *opts, struct error *e)
{
    if (strlen(opts->dir) >= TSDB_PATH) {
        return err_null(e, ERR_LIMIT, "the path of the data folder has more than %u bytes",
                        TSDB_PATH - 1);
    }
    struct tsdb *db = db_make(opts);
    bool ok = folders_make(db, e);
    if (ok) {
        tsdb_starts_open(db);
    }
    const i64 began = clk_mono_ns(db->opts.clk);
    ok = ok && tsdb_floor_read(db, e) && blocks_open(db, e) && tsdb_cold_open(db, e);
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = tsdb_shard_open(db, i, e);
    }
    ok = ok && head_deleted_read(db, e);
    db->replay_seconds = (f64)(clk_mono_ns(db->opts.clk) - began) / 1e9;
    if (ok && db->opts.registry) { // Who collects meets whole heads only.
        tsdb_metrics_register(db);
    }
    if (ok && db->opts.wal_thread) {
        db->thread = thr_start("wal", log_thread, db, e);
        ok = db->thread != NULL;
    }
    if (!ok) {
        (void)err_in(e, "opening the storage in %s", opts->dir);
        tsdb_starts_close(db, false);
        db_free(db);
        return NULL;
    }
    tsdb_disk_look(db);
    db->image_at = clk_mono_ms(db->opts.clk);
    db->settle_at = T_NEVER; // What it counts is not known yet.
    db->cold_at = db->image_at;
    if (opts->progress) {
        opts->progress->done = true;
    }
    return db;
}

bool tsdb_close(struct tsdb *db, struct error *e)
{
    if (!db) {
        return true;
    }
    CHECK(db->pin_count == 0);
    if (db->thread) {
        log_wake(db, true);
        thr_join(db->thread);
    }
    bool ok = true;
    for (u32 i = 0; i < SHARDS; i++) {
        bool synced = tsdb_log_sync(db, i, ok ? e : NULL);
        ok = ok && synced && wal_seal(db->wals[i], e);
    }
    tsdb_starts_close(db, true);
    db_free(db);
    return ok;
}

void work_take(struct tsdb *db)
{
    atomic_fetch_add(&db->interrupts, 1);
    lock_take(&db->lock);
    while (db->working) {
        cond_wait(&db->work_free, &db->lock);
    }
    db->working = true;
    lock_drop(&db->lock);
    atomic_fetch_sub(&db->interrupts, 1);
}

void work_drop(struct tsdb *db)
{
    lock_take(&db->lock);
    db->working = false;
    cond_signal(&db->work_free);
    lock_drop(&db->lock);
}

void tsdb_interrupt(struct tsdb *db)
{
    atomic_fetch_add(&db->interrupts, 1);
}

bool tsdb_sync(struct tsdb *db, struct error *e)
{
    for (u32 i = 0; i < SHARDS; i++) {
        if (!tsdb_log_sync(db, i, e)) {
            return false;
        }
    }
    return true;
}

struct storage *tsdb_storage(struct tsdb *db)
{
    return &db->base;
}

void tsdb_set_ooo_window(struct tsdb *db, i64 ooo_window_ms)
{
    db->ooo_window_ms = ooo_window_ms;
}

bool tsdb_set_retention(struct tsdb *db, const struct tsdb_retention *r, struct error *e)
{
    work_take(db);
    bool ok = retention_set(&db->classes, r, e);
    if (ok) {
        db->classes_at = INT64_MIN;
        lock_take(&db->lock);
        db->retention_ms = r->ms;
        db->retention_bytes = r->bytes;
        db->retention_percent = r->disk_percent;
        lock_drop(&db->lock);
    }
    work_drop(db);
    return ok;
}
