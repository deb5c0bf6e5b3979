// tsdb_step.c: background work: cut a block, truncate the log, collect what left, retention.
//
// and then, if nothing was cut: join blocks (compact_plan.c).
//
//   due ─► freeze the window ─► write the block ─► list it ─► truncate the log ─► collect
//            (head_freeze)      (block_cut_run)   (publish)   (checkpoint first)  (no older reader)
// A step that fails leaves everything before it in force; the next round begins where it failed.
#include "base/arena.h"
#include "base/buf.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/log.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/block.h"
#include "tsdb/block_cut.h"
#include "tsdb/head.h"
#include "tsdb/head_settle.h"
#include "tsdb/head_spill.h"
#include "tsdb/metric_tally.h"
#include "tsdb/tsdb_cold.h"
#include "tsdb/tsdb_delete.h"
#include "tsdb/tsdb_exemplars.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_restart.h"
#include "tsdb/wal.h"
#include "tsdb/wal_checkpoint.h"
#include "tsdb/wal_entry.h"

#include <stdio.h>

#define CUT_EXEMPLARS_MAX ((size_t)256 << 20) // The ring holds a few times 16 MiB.
#define EXTRA_SLICE       ((size_t)1 << 20)   // Of records; one more may begin.
#define EXTRA_EXEMPLARS   ((u64)1 << 63)

static i64 heads_newest(struct tsdb *db)
{
    i64 newest = T_NEVER;
    for (u32 i = 0; i < SHARDS; i++) {
        lock_take(&db->heads[i]->lock);
        newest = MAX(newest, db->heads[i]->t_max);
        lock_drop(&db->heads[i]->lock);
    }
    return newest;
}

// The oldest window that is not a block yet.
static bool window_oldest(struct tsdb *db, i64 *start)
{
    bool found = false;
    for (u32 i = 0; i < SHARDS; i++) {
        struct head *h = db->heads[i];
        lock_take(&h->lock);
        for (u32 k = 0; k < h->window_count; k++) {
            i64 at = h->windows[k]->start_ms;
            if (h->windows[k]->end_ms > db->head_min && (!found || at < *start)) {
                *start = at;
                found = true;
            }
        }
        lock_drop(&h->lock);
    }
    return found;
}

static bool cut_due(struct tsdb *db, i64 *start)
{
    i64 range = db->opts.block_range_ms;
    const i64 window = db->ooo_window_ms;
    i64 wait = MAX(range / 2, window);
    return window_oldest(db, start) &&
           heads_newest(db) >= sat_add_i64(sat_add_i64(*start, range), wait);
}

static void ballast_drop(struct tsdb *db)
{
    char path[512];
    struct error ignored;
    tsdb_path(db, "ballast", path);
    (void)!fs_unlink(db->opts.fs, path, &ignored);
    db->ballast_held = false;
}

static void ballast_hold(struct tsdb *db)
{
    char path[512];
    struct error ignored;
    if (db->ballast_held || db->opts.ballast_bytes == 0 ||
        atomic_load(&db->disk_free) < db->opts.ballast_bytes * 4) {
        return;
    }
    tsdb_path(db, "ballast", path);
    struct file *f = fs_open(db->opts.fs, path, FS_TRUNCATE, &ignored);
    if (f) {
        db->ballast_held = fs_reserve(db->opts.fs, f, db->opts.ballast_bytes, &ignored);
        fs_close(db->opts.fs, f);
    }
}

static bool cut_write(struct tsdb *db, i64 start, struct block_meta *m, struct chunk_tally *tally,
                      bool *made, struct error *e)
{
    char dir[512];
    struct error why = {0};
    struct exemplar_groups exemplars;
    struct arena *a = arena_new(CUT_EXEMPLARS_MAX);
    if (!tsdb_exemplars_window(db, start, start + db->opts.block_range_ms, a, &exemplars)) {
        arena_free(a);
        return err_set(e, ERR_LIMIT, "exemplars of a block need more than %zu bytes",
                       CUT_EXEMPLARS_MAX);
    }
    tsdb_path(db, "blocks", dir);
    struct block_cut cut = {.fs = db->opts.fs,
                            .clk = db->opts.clk,
                            .rng = db->opts.rng,
                            .dir = dir,
                            .heads = db->heads,
                            .head_count = SHARDS,
                            .dead = db->blocks->heads,
                            .exemplars = exemplars.items,
                            .exemplar_count = exemplars.n,
                            .min_ms = start,
                            .max_ms = start + db->opts.block_range_ms,
                            .tally = tally};
    bool ok = block_cut_run(&cut, m, made, &why);
    if (!ok && why.code == ERR_NO_SPACE && db->ballast_held) {
        ballast_drop(db);
        ok = block_cut_run(&cut, m, made, &why);
    }
    arena_free(a);
    return ok || err_set(e, why.code, "cutting a block: %s", why.text);
}

static bool cut_window(struct tsdb *db, i64 start, struct error *e)
{
    struct block_meta m;
    struct chunk_tally tally;
    bool made = false;
    i64 end = start + db->opts.block_range_ms;
    for (u32 i = 0; i < SHARDS; i++) {
        head_freeze(db->heads[i], end);
    }
    if (!cut_write(db, start, &m, &tally, &made, e)) {
        return false;
    }
    struct block *b = NULL;
    if (made) {
        char name[BLOCK_NAME];
        char relative[300];
        char path[512];
        block_name(&m, name);
        (void)snprintf(relative, sizeof(relative), "blocks/%s", name);
        tsdb_path(db, relative, path);
        b = block_open(db->opts.fs, path, ++db->block_uid, e);
        if (!b) { // Its samples are still in the head, so it is only this copy that goes.
            struct error ignored; // Kept in mind and tried again.
            (void)!block_forget(db, &m, &ignored);
            return err_in(e, "opening the block just cut");
        }
        LOGF(db->opts.log, LOG_INFO, "block %s: %llu series, %llu samples, %llu bytes", name,
             (unsigned long long)m.series, (unsigned long long)m.samples,
             (unsigned long long)block_bytes(b));
        tsdb_chunks_tell(db, &tally);
    }
    block_set_publish(db, block_set_with(db->blocks, b, NULL, 0), end);
    head_deleted_prune(db);
    lock_take(&db->lock);
    db->collect_publish = db->publish;
    lock_drop(&db->lock);
    db->collect_due = true;
    return true;
}

// Exemplars on their way into a checkpoint. Threads: owned by one call.
struct exemplars_out {
    struct buf *out;
    u32 salt;
};

static bool exemplar_put(void *ctx, struct tenant_id tenant, struct labels set,
                         const struct exemplar *x)
{
    const struct exemplars_out *o = ctx;
    wal_put_exemplar(o->out, tenant, set, x, o->salt);
    return o->out->len < EXTRA_SLICE;
}

// What the log says and no series' samples: it stays for as long as it is true. The places are
// those of metadata first, then, with the highest bit, those of exemplars. A slice for each hold
// of the lock.
bool tsdb_extra_put(void *ctx, struct buf *out, u32 salt, u64 *place)
{
    struct tsdb *db = ctx;
    struct exemplars_out exemplars = {out, salt};
    bool more = true;
    lock_take(&db->lock);
    while (*place < db->metadata.count && out->len < EXTRA_SLICE) {
        const struct meta_row *row = &db->metadata.rows[(*place)++];
        wal_put_metadata(out, row->tenant, &row->m, 1, salt);
    }
    if (*place >= db->metadata.count && out->len < EXTRA_SLICE) {
        u64 number = *place & EXTRA_EXEMPLARS ? *place & ~EXTRA_EXEMPLARS : 0;
        more = !exemplar_ring_each(&db->exemplars, &number, exemplar_put, &exemplars);
        *place = number | EXTRA_EXEMPLARS;
    }
    lock_drop(&db->lock);
    return more;
}

// They only take room, so that a failure keeps nothing from going on.
static void checkpoints_remove(struct tsdb *db, const struct wal_checkpoint *c)
{
    struct error why = {0};
    const bool ok = wal_checkpoints_remove(c, &why);
    tsdb_count(db, COUNT_CHECKPOINT_REMOVES, 1);
    tsdb_count(db, COUNT_CHECKPOINT_REMOVES_FAILED, !ok);
    if (!ok) {
        LOGF(db->opts.log, LOG_WARN, "an older checkpoint of the log cannot be removed yet: %s",
             why.text);
    }
}

static bool log_truncate(struct tsdb *db, u32 shard, struct error *e)
{
    char name[32];
    char dir[512];
    struct head *h = db->heads[shard];
    struct wal *w = db->wals[shard];
    (void)snprintf(name, sizeof(name), "wal/%u", shard);
    tsdb_path(db, name, dir);
    head_turn_take(h);
    u64 first = wal_needed_from(w, h->t_floor);
    bool gain = first > wal_first(w) && first > h->alias_segment;
    head_turn_drop(h);
    if (!gain) {
        return true;
    }
    const i64 began = clk_mono_ns(db->opts.clk);
    struct wal_checkpoint c = {.fs = db->opts.fs,
                               .dir = dir,
                               .salt = (u32)rng_u64(db->opts.rng),
                               .number = first,
                               .head = h,
                               .extra = tsdb_extra_put,
                               .extra_ctx = db};
    if (!wal_checkpoint_write(&c, e)) {
        tsdb_count(db, COUNT_CHECKPOINT_FAILED, 1);
        return err_in(e, "writing a checkpoint of the log");
    }
    tsdb_count(db, COUNT_CHECKPOINTS, 1);
    checkpoints_remove(db, &c);
    head_turn_take(h);
    bool ok = wal_truncate(w, first, e);
    head_release(h, first);
    head_turn_drop(h);
    if (!ok) {
        tsdb_count(db, COUNT_WAL_TRUNCATE_FAILED, 1);
        return err_in(e, "truncating the log");
    }
    tsdb_count(db, COUNT_WAL_TRUNCATIONS, 1);
    tsdb_took(db, db->truncate_seconds, began);
    return true;
}

bool tsdb_reader_before(struct tsdb *db, u64 publish)
{
    bool found = false;
    lock_take(&db->lock);
    for (const struct tsdb_pin *p = db->pins; p; p = p->next) {
        found = found || p->publish < publish;
    }
    lock_drop(&db->lock);
    return found;
}

static void spill_reap(struct tsdb *db)
{
    if (!db->spill_waits || tsdb_reader_before(db, db->spill_publish)) {
        return;
    }
    for (u32 i = 0; i < SHARDS; i++) {
        head_spill_reap(db->heads[i]);
    }
    db->spill_waits = false;
}

// Sealed chunks leave memory for files. Where that fails they stay, which harms nobody: it is told
// once, and tried again.
static void spill(struct tsdb *db)
{
    char dir[512];
    bool ok = true;
    bool moved = false;
    struct error why = {0};
    spill_reap(db);
    tsdb_path(db, "head", dir);
    for (u32 i = 0; i < SHARDS; i++) {
        bool did;
        ok = head_spill(db->heads[i], db->opts.fs, dir, &did, &why) && ok;
        moved = moved || did;
    }
    if (moved) {
        lock_take(&db->lock);
        db->spill_publish = ++db->publish;
        lock_drop(&db->lock);
        db->spill_waits = true;
        spill_reap(db);
    }
    if (!ok && !db->spill_failing) {
        LOGF(db->opts.log, LOG_WARN, "%s; they stay in memory", why.text);
    }
    db->spill_failing = !ok;
}

// Lets go of what only readers from before the last publish could ask for.
static void collect(struct tsdb *db)
{
    if (!db->collect_due || tsdb_reader_before(db, db->collect_publish)) {
        return;
    }
    const i64 began = clk_mono_ns(db->opts.clk);
    lock_take(&db->lock);
    i64 floor = db->head_min;
    lock_drop(&db->lock);
    for (u32 i = 0; i < SHARDS; i++) {
        (void)head_collect(db->heads[i], floor, wal_segment_now(db->wals[i]));
    }
    head_deleted_prune(db); // Before another series may use an ordinal.
    tsdb_took(db, db->collect_seconds, began);
    db->collect_due = false;
}

static void settle(struct tsdb *db)
{
    const i64 now = clk_mono_ms(db->opts.clk);
    if (db->settle_at != T_NEVER && now - db->settle_at < db->opts.settle_every_ms) {
        return;
    }
    db->settle_at = now;
    for (u32 i = 0; i < SHARDS; i++) {
        head_settle(db->heads[i]);
    }
}

i64 tsdb_newest(struct tsdb *db)
{
    i64 newest = heads_newest(db);
    lock_take(&db->lock);
    for (u32 i = 0; i < db->blocks->n; i++) {
        newest = MAX(newest, db->blocks->blocks[i]->meta.max_ms - 1);
    }
    lock_drop(&db->lock);
    return newest;
}

u64 tsdb_bytes_max(const struct tsdb *db)
{
    u64 share = atomic_load(&db->disk_total) / 100 * db->retention_percent;
    return share == 0 || (db->retention_bytes > 0 && db->retention_bytes < share)
               ? db->retention_bytes
               : share;
}

// The oldest block that retention wants gone, or NULL.
static struct block *retention_pick(struct tsdb *db, enum tsdb_counter *why)
{
    i64 newest = tsdb_newest(db);
    i64 keep = retention_longest(&db->classes);
    u64 bytes = 0;
    lock_take(&db->lock);
    const struct block_set *s = db->blocks;
    struct block *oldest = NULL;
    for (u32 i = 0; i < s->n; i++) {
        if (!block_is_of_head(db, s->blocks[i])) { // As little as the log is.
            oldest = oldest ? oldest : s->blocks[i];
            bytes += block_bytes(s->blocks[i]);
        }
    }
    bool by_time = oldest && keep > 0 && oldest->meta.max_ms <= sat_sub_i64(newest, keep);
    u64 bytes_max = tsdb_bytes_max(db);
    bool by_size = oldest && bytes_max > 0 && bytes > bytes_max;
    lock_drop(&db->lock);
    *why = by_time ? COUNT_TIME_RETENTIONS : COUNT_SIZE_RETENTIONS;
    return by_time || by_size ? oldest : NULL;
}

static bool block_remove(struct tsdb *db, struct block *b, struct error *e)
{
    struct block_meta m = b->meta;
    // First the word that this time is over, or a log that still holds it would bring it back. Not
    // less than what a clean may have said before.
    if (!tsdb_floor_write(db, MAX(m.max_ms, db->head_min), e)) {
        return err_in(e, "retention");
    }
    LOGF(db->opts.log, LOG_INFO, "retention removes block %s", m.id);
    block_set_publish(db, block_set_with(db->blocks, NULL, &b, 1), INT64_MIN);
    return block_forget(db, &m, e) || err_in(e, "retention");
}

static bool retention_run(struct tsdb *db, bool *did, struct error *e)
{
    enum tsdb_counter why;
    struct block *b = retention_pick(db, &why);
    while (b) {
        if (!block_remove(db, b, e)) {
            return false;
        }
        tsdb_count(db, why, 1);
        *did = true;
        b = retention_pick(db, &why);
    }
    return true;
}

void tsdb_disk_look(struct tsdb *db)
{
    u64 free_bytes;
    u64 total_bytes;
    struct error ignored;
    if (fs_space(db->opts.fs, db->dir, &free_bytes, &total_bytes, &ignored)) {
        atomic_store(&db->disk_free, free_bytes);
        atomic_store(&db->disk_total, total_bytes);
    }
}

static void memory_look(struct tsdb *db)
{
    const u64 max = db->opts.memory_max;
    if (max == 0) {
        return;
    }
    const u64 reserve = max / RULES_SHARE;
    u64 held[SHARDS];
    u64 limit[SHARDS];
    held[SHARD_RULES] = head_bytes(db->heads[SHARD_RULES]);
    limit[SHARD_MAIN] = MIN(max - reserve, max - MIN(max, held[SHARD_RULES]));
    held[SHARD_MAIN] = head_bytes_look(db->heads[SHARD_MAIN], limit[SHARD_MAIN]);
    limit[SHARD_RULES] = MAX(reserve, max - MIN(max, held[SHARD_MAIN]));
    held[SHARD_RULES] = head_bytes_look(db->heads[SHARD_RULES], limit[SHARD_RULES]);
    for (u32 i = 0; i < SHARDS; i++) {
        const bool full = held[i] >= limit[i];
        if (full != db->full[i]) {
            db->full[i] = full;
            LOGF(db->opts.log, LOG_WARN,
                 "the head holds %llu bytes, %llu of them of rules; its limit is %llu, of which "
                 "%llu are kept for rules: new series of %s are %s",
                 (unsigned long long)(held[SHARD_MAIN] + held[SHARD_RULES]),
                 (unsigned long long)held[SHARD_RULES], (unsigned long long)max,
                 (unsigned long long)reserve, i == SHARD_RULES ? "rules" : "scrapes and pushes",
                 full ? "refused" : "taken");
        }
    }
}

bool tsdb_step(struct tsdb *db, bool *did, struct error *e)
{
    i64 start = 0;
    *did = false;
    work_take(db);
    tsdb_disk_look(db);
    ballast_hold(db);
    tsdb_starts_step(db);
    memory_look(db);
    blocks_retry(db);
    bool ok = true;
    for (u32 i = 0; !db->opts.wal_thread && ok && i < SHARDS; i++) {
        ok = tsdb_log_sync(db, i, e);
    }
    if (ok && cut_due(db, &start)) {
        *did = true;
        ok = cut_window(db, start, e);
        tsdb_count(db, ok ? COUNT_COMPACTIONS : COUNT_COMPACTIONS_FAILED, 1);
        tsdb_count(db, ok ? COUNT_HEAD_TRUNCATIONS : COUNT_HEAD_TRUNCATIONS_FAILED, 1);
    }
    collect(db);
    settle(db);
    ok = ok && tsdb_cold_step(db, e);
    spill(db);
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = log_truncate(db, i, e);
    }
    tsdb_image_step(db);
    if (ok && !*did) {
        ok = compact_step(db, did, e);
    }
    bool kept = retention_run(db, did, ok ? e : NULL);
    work_drop(db);
    if (!ok || !kept) {
        LOGF(db->opts.log, LOG_ERROR, "background work of the storage failed and will be retried");
    }
    return ok && kept;
}
