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
#include "tsdb/head_spill.h"
#include "tsdb/tsdb_delete.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/wal.h"
#include "tsdb/wal_replay.h"

#include <stdio.h>

#define DEFAULT_RANGE_MS       ((i64)2 * 3600 * 1000)
#define DEFAULT_TOO_NEW_MS     ((i64)5 * 60 * 1000)
#define DEFAULT_SERIES_MAX     10000000U
#define DEFAULT_SYMBOL_BYTES   ((u64)1 << 30)
#define DEFAULT_QUERIERS       4096U
#define DEFAULT_COMPACT_FIRST  12U
#define DEFAULT_COMPACT_SECOND 9U
#define UNSYNCED_MAX           ((u64)64 << 20)
#define REPLAY_BYTES_MAX       ((size_t)256 << 20)
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
    o->symbol_bytes_max = o->symbol_bytes_max ? o->symbol_bytes_max : DEFAULT_SYMBOL_BYTES;
    o->compact_first = o->compact_first ? o->compact_first : DEFAULT_COMPACT_FIRST;
    o->compact_second = o->compact_second ? o->compact_second : DEFAULT_COMPACT_SECOND;
    o->queriers_max = o->queriers_max ? o->queriers_max : DEFAULT_QUERIERS;
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

// --- Replay ------------------------------------------------------------------------------------

// Threads: owned by open.
struct replay_target {
    struct tsdb *db;
    struct head *head;
    u32 *alias; // Where the samples of an ordinal go instead, + 1; 0 = nowhere else.
    u32 alias_count;
    bool aliased;
    u64 lost;
};

static void alias_set(struct replay_target *r, u32 ordinal, u32 place)
{
    if (ordinal >= r->alias_count) {
        u32 count = (u32)bits_pow2_up((u64)ordinal + 1);
        r->alias = MEM_GROW(r->alias, count, u32);
        memset(r->alias + r->alias_count, 0, (count - r->alias_count) * sizeof(u32));
        r->alias_count = count;
    }
    r->alias[ordinal] = place == ordinal ? 0 : place + 1;
    r->aliased = r->aliased || place != ordinal;
}

static bool replay_series(void *ctx, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    struct replay_target *r = ctx;
    u32 place = head_restore(r->head, tenant, set, ordinal);
    if (place == MAP_NONE) {
        return false;
    }
    if (place != ordinal || ordinal < r->alias_count) {
        alias_set(r, ordinal, place);
    }
    return true;
}

// Where a sample goes; false: nowhere.
static bool replay_place(struct replay_target *r, u32 *ordinal, i64 t)
{
    if (t < r->head->t_floor) {
        return false; // A block holds it.
    }
    if (*ordinal < r->alias_count && r->alias[*ordinal] != 0) {
        *ordinal = r->alias[*ordinal] - 1;
    }
    if (!head_live(r->head, *ordinal)) {
        r->lost++; // Its definition was damaged.
        return false;
    }
    return true;
}

static void replay_sample(void *ctx, u32 ordinal, i64 t, f64 value)
{
    struct replay_target *r = ctx;
    if (replay_place(r, &ordinal, t)) {
        head_replay(r->head, ordinal, t, value);
    }
}

static void replay_box(void *ctx, u32 ordinal, i64 t, str bytes)
{
    struct replay_target *r = ctx;
    if (replay_place(r, &ordinal, t)) {
        head_replay_box(r->head, ordinal, t, bytes);
    }
}

static void replay_metadata(void *ctx, struct tenant_id tenant, const struct metadata *m)
{
    struct replay_target *r = ctx;
    meta_table_set(&r->db->metadata, tenant, m);
}

static void replay_exemplar(void *ctx, struct tenant_id tenant, struct labels set,
                            const struct exemplar *x)
{
    struct replay_target *r = ctx;
    (void)exemplar_ring_add(&r->db->exemplars, tenant, set, x);
}

static void sync_observed(void *ctx, f64 seconds)
{
    struct tsdb *db = ctx;
    tmk_histogram_observe(db->sync_seconds, seconds);
}

static bool shard_open(struct tsdb *db, u32 shard, struct error *e)
{
    char name[32];
    char dir[512];
    (void)snprintf(name, sizeof(name), "wal/%u", shard);
    tsdb_path(db, name, dir);
    struct head *h = db->heads[shard];
    struct replay_target target = {.db = db, .head = h};
    struct wal_decoder decoder;
    struct wal_replayed got;
    struct arena *a = arena_new(REPLAY_BYTES_MAX);
    struct wal_sink sink = {.ctx = &target,
                            .series = replay_series,
                            .sample = replay_sample,
                            .box = replay_box,
                            .metadata = replay_metadata,
                            .exemplar = replay_exemplar};
    wal_decoder_init(&decoder, sink, head_slots_max(db->opts.series_max));
    h->t_floor = db->head_min;
    struct wal_replay_job job = {.fs = db->opts.fs,
                                 .log = db->opts.log,
                                 .dir = dir,
                                 .stream = shard,
                                 .decoder = &decoder,
                                 .progress = shard == SHARD_MAIN ? db->opts.progress : NULL,
                                 .arena = a};
    bool ok = wal_replay(&job, &got, e);
    if (ok) {
        head_restored(h, got.next_number - 1);
        // Records under an alias are told apart by definitions in the log itself, so it stays
        // whole until all of them can go.
        h->alias_segment = target.aliased ? got.next_number - 1 : 0;
        struct wal_opts wo = {.fs = db->opts.fs,
                              .clk = db->opts.clk,
                              .rng = db->opts.rng,
                              .log = db->opts.log,
                              .dir = dir,
                              .stream = shard,
                              .segment_bytes = shard == SHARD_MAIN
                                                   ? db->opts.wal_segment_bytes
                                                   : MAX(db->opts.wal_segment_bytes / 4, 4096U),
                              .unsynced_max = UNSYNCED_MAX,
                              .synced = db->sync_seconds ? sync_observed : NULL,
                              .synced_ctx = db};
        db->wals[shard] = wal_new(wo, got.next_number, got.resume_segment, got.resume_offset);
        for (u32 i = 0; i < got.kept_count; i++) {
            wal_keep(db->wals[shard], got.kept[i]);
        }
        tsdb_count(db, COUNT_WAL_CORRUPTIONS, got.corruptions + decoder.series_refused);
        tsdb_count(db, COUNT_REPLAY_LOST, decoder.samples_lost + target.lost);
        LOGF(db->opts.log, LOG_INFO,
             "log of stream %u replayed: %u segments, %u series, %llu samples, %llu lost to damage",
             shard, got.kept_count, h->live, (unsigned long long)decoder.samples,
             (unsigned long long)(decoder.samples_lost + target.lost));
    }
    wal_decoder_fini(&decoder);
    mem_free(target.alias);
    arena_free(a);
    return ok;
}

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
    static const char *const own[] = {"lock", "floor",      "ballast", "blocks",
                                      "head", "quarantine", "wal",     "lost+found"};
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
    tsdb_path(db, "head", path);
    if (!head_spill_sweep(db->opts.fs, path, e) || !tsdb_snapshots_sweep(db, e)) {
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
    if (db->opts.registry) {
        tsdb_metrics_remove(db);
    }
    for (u32 i = 0; i < SHARDS; i++) {
        wal_free(db->wals[i]);
        head_free(db->heads[i]);
    }
    block_set_unref(db, db->blocks);
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
        db->heads[i] = head_new(i, db->opts.block_range_ms, &db->limits, db->opts.symbol_bytes_max);
    }
    const u32 reserve = db->opts.series_max / RULES_SHARE + (db->opts.series_max > 1);
    db->heads[SHARD_RULES]->own_min = reserve;
    db->heads[SHARD_MAIN]->own_max -= reserve;
    if (db->opts.memory_max > 0) { // Until somebody looks.
        db->heads[SHARD_RULES]->room = db->opts.memory_max;
        db->heads[SHARD_MAIN]->room = db->opts.memory_max - db->opts.memory_max / RULES_SHARE;
    }
    u32 *quotas = db->heads[SHARD_MAIN]->quotas.max; // What rules write is not refused by them.
    quotas[QUOTA_TENANT] = opts->series_max_tenant;
    quotas[QUOTA_JOB] = opts->series_max_job;
    quotas[QUOTA_METRIC] = opts->series_max_metric;
    db->heads[SHARD_RULES]->box_own_min = db->opts.box_bytes_max / RULES_SHARE;
    db->heads[SHARD_MAIN]->box_own_max -= db->opts.box_bytes_max / RULES_SHARE;
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
    if (ok && db->opts.registry) {
        tsdb_metrics_register(db);
    }
    ok = ok && tsdb_floor_read(db, e) && blocks_open(db, e);
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = shard_open(db, i, e);
    }
    ok = ok && head_deleted_read(db, e);
    if (ok && db->opts.wal_thread) {
        db->thread = thr_start("wal", log_thread, db, e);
        ok = db->thread != NULL;
    }
    if (!ok) {
        (void)err_in(e, "opening the storage in %s", opts->dir);
        db_free(db);
        return NULL;
    }
    tsdb_disk_look(db);
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
