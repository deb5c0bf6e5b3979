// tsdb_image.c: when head images are written, and in which order what they lean on is synced.
//
//   part the log ─► copy the head ─► sync its files ─► sync the log ─► rename
// Whatever fails before the rename leaves the image before in force.
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "os/clk.h"
#include "os/rng.h"
#include "tsdb/head.h"
#include "tsdb/head_image.h"
#include "tsdb/head_spill.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_restart.h"
#include "tsdb/wal.h"

#include <stdio.h>

#define KEPT_BYTES_MAX ((size_t)64 << 20)

static bool image_put(struct tsdb *db, u32 shard, struct head_image *job, struct error *e)
{
    return head_image_write(job, e) && head_spill_sync(job->head, job->fs, job->spill_dir, e) &&
           tsdb_log_sync(db, shard, e) && head_image_publish(job, e);
}

static bool image_write(struct tsdb *db, u32 shard, struct error *e)
{
    char name[32];
    char dir[512];
    char spill_dir[512];
    struct head *h = db->heads[shard];
    struct wal *w = db->wals[shard];
    (void)snprintf(name, sizeof(name), "wal/%u", shard);
    tsdb_path(db, name, dir);
    tsdb_path(db, "head", spill_dir);
    struct arena *a = arena_new(KEPT_BYTES_MAX);
    struct head_image job = {.fs = db->opts.fs,
                             .dir = dir,
                             .spill_dir = spill_dir,
                             .head = h,
                             .salt = (u32)rng_u64(db->opts.rng),
                             .extra = tsdb_extra_put,
                             .extra_ctx = db,
                             .interrupts = &db->interrupts};
    lock_take(&db->lock);
    job.floor = db->head_min;
    lock_drop(&db->lock);
    head_turn_take(h);
    bool ok = wal_part(w, &job.first, e);
    if (ok) {
        job.kept = wal_segments(w, a, &job.kept_count);
        job.alias_segment = h->alias_segment;
    }
    head_turn_drop(h);
    ok = ok && image_put(db, shard, &job, e);
    if (ok) {
        db->image_first[shard] = job.first;
        tsdb_count(db, COUNT_IMAGES_WRITTEN, 1);
    }
    arena_free(a);
    return ok;
}

// It takes as much space as the head at most; where that is scarce, the log needs it more.
static bool disk_has_room(struct tsdb *db)
{
    u64 bytes = 0;
    for (u32 i = 0; i < SHARDS; i++) {
        bytes += head_bytes(db->heads[i]) + atomic_load(&db->limits.box_bytes[i]);
    }
    return atomic_load(&db->disk_free) / 4 >= bytes;
}

// In time, or before if the log was truncated past the newest one, which no start can use then.
static bool image_due(struct tsdb *db, u32 shard, i64 now)
{
    struct wal *w = db->wals[shard];
    const u64 first = db->image_first[shard];
    const bool is_past = first != 0 && first <= wal_first(w) && !db->image_failing;
    return (is_past || now - db->image_at >= db->opts.image_every_ms) &&
           wal_bytes_from(w, first) >= db->opts.image_log_bytes;
}

void tsdb_image_step(struct tsdb *db)
{
    struct error why = {0};
    const i64 now = clk_mono_ms(db->opts.clk);
    bool due[SHARDS];
    bool any = false;
    for (u32 i = 0; i < SHARDS; i++) {
        due[i] = db->opts.image_every_ms >= 0 && image_due(db, i, now);
        any = any || due[i];
    }
    if (!any || !disk_has_room(db)) {
        return;
    }
    bool ok = true;
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = !due[i] || image_write(db, i, &why);
    }
    if (!ok && why.code == ERR_CANCELLED) {
        return; // Somebody waits for this step to end: at the next one again.
    }
    db->image_at = now;
    if (!ok && why.code != ERR_UNAVAILABLE && !db->image_failing) {
        LOGF(db->opts.log, LOG_WARN, "%s; a start reads the whole log until this works again",
             why.text);
    }
    db->image_failing = !ok && why.code != ERR_UNAVAILABLE;
    tsdb_count(db, COUNT_IMAGES_FAILED, db->image_failing);
}
