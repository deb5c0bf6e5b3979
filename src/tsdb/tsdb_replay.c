// tsdb_replay.c: a shard as it was when the process before ended: from the newest head image and
// the log behind it, or from the whole log.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"
#include "client/tidemark.h"
#include "os/fs.h"
#include "os/thr.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_image.h"
#include "tsdb/head_replay.h"
#include "tsdb/head_restore.h"
#include "tsdb/head_spill.h"
#include "tsdb/replay_rows.h"
#include "tsdb/tsdb_cold.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_restart.h"
#include "tsdb/wal.h"
#include "tsdb/wal_replay.h"

#include <stdio.h>

// Of each log, however little memory there is, or much.
#define UNSYNCED_MIN     ((u64)8 << 20)
#define UNSYNCED_MAX     ((u64)64 << 20)
#define REPLAY_BYTES_MAX ((size_t)256 << 20)

// Threads: owned by open.
struct replay_target {
    struct tsdb *db;
    struct head *head;
    u32 *alias; // Where the samples of an ordinal go instead, + 1; 0 = nowhere else.
    u32 alias_count;
    bool aliased;
    u64 lost;
    struct replay_rows rows;
    struct thr *sets; // Puts the image's series into the sets of their labels. NULL: it is done.
    u32 shard;
    const char *dir; // Of the log.
    char spill_dir[512];
    struct wal_sink sink;
    struct head_image_file image;
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

static void sets_fill(void *arg)
{
    const struct replay_target *r = arg;
    head_restore_sets(r->head);
}

// Rows need nothing of labels, so that the log is read meanwhile.
static void sets_begin(struct replay_target *r)
{
    struct error ignored; // Then nobody helps.
    r->sets = r->db->opts.start_thread ? thr_start("sets", sets_fill, r, &ignored) : NULL;
    if (!r->sets) {
        sets_fill(r);
    }
}

// Before anything else looks at labels.
static void sets_end(struct replay_target *r)
{
    thr_join(r->sets);
    r->sets = NULL;
}

static bool replay_series(void *ctx, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    struct replay_target *r = ctx;
    sets_end(r);
    replay_rows_settle(&r->rows);
    if (set.count == 0) {
        if (ordinal < r->alias_count) {
            alias_set(r, ordinal, ordinal);
        }
        head_gone_set(r->head, ordinal);
        return true;
    }
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
    replay_rows_settle(&r->rows);
    if (t < r->head->t_floor) {
        return false; // A block holds it.
    }
    if (*ordinal < r->alias_count && r->alias[*ordinal] != 0) {
        *ordinal = r->alias[*ordinal] - 1;
    }
    if (!head_live(r->head, *ordinal)) {
        r->lost += !head_gone_is(r->head, *ordinal); // Its definition was damaged.
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

// The usual one names no series elsewhere.
static void replay_row(void *ctx, const struct wal_row *row)
{
    struct replay_target *r = ctx;
    if (!r->aliased) {
        replay_rows_add(&r->rows, row);
        return;
    }
    for (u32 i = 0; i < row->n; i++) {
        replay_sample(ctx, row->ordinals[i], row->t, row->values[i]);
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
    const struct tsdb *db = ctx;
    if (db->sync_seconds) {
        tmk_histogram_observe(db->sync_seconds, seconds);
    }
}

void tsdb_head_make(struct tsdb *db, u32 shard)
{
    const struct tsdb_opts *o = &db->opts;
    const u32 reserve = o->series_max / RULES_SHARE + (o->series_max > 1);
    const u64 box_reserve = o->box_bytes_max / RULES_SHARE;
    const u64 room = o->memory_max > 0 ? o->memory_max : UINT64_MAX; // Until somebody looks.
    struct head *h = head_new(shard, o->block_range_ms, &db->limits, o->symbol_bytes_max);
    if (shard == SHARD_RULES) {
        h->own_min = reserve;
        h->box_own_min = box_reserve;
        h->room = room;
    } else {
        h->own_max -= reserve;
        h->box_own_max -= box_reserve;
        h->room = room - o->memory_max / RULES_SHARE;
        // What rules write is not refused by them.
        h->quotas.max[QUOTA_TENANT] = o->series_max_tenant;
        h->quotas.max[QUOTA_JOB] = o->series_max_job;
        h->quotas.max[QUOTA_METRIC] = o->series_max_metric;
    }
    h->t_floor = db->head_min;
    db->heads[shard] = h;
}

// What cannot be used costs time, no data; what is damaged goes, so that nothing of it can be
// taken for a part of a later one.
static void image_refuse(struct replay_target *r, const struct error *why)
{
    if (why->code == ERR_NOT_FOUND) {
        return;
    }
    tsdb_count(r->db, COUNT_IMAGES_REFUSED, 1);
    LOGF(r->db->opts.log, why->code == ERR_UNSUPPORTED ? LOG_INFO : LOG_WARN,
         "%s: it is not used, and the whole log of stream %u is read", why->text, r->shard);
    if (why->code == ERR_CORRUPT) {
        head_image_remove(r->db->opts.fs, r->dir);
    }
}

static bool image_open(struct replay_target *r, struct arena *a)
{
    struct error why = {0};
    if (r->db->cold_lost) { // It lacks the series that left.
        return false;
    }
    bool ok = head_image_open(r->db->opts.fs, r->dir, r->head, a, &r->image, &why);
    if (!ok) {
        image_refuse(r, &why);
    }
    return ok;
}

static bool image_load(void *ctx)
{
    struct replay_target *r = ctx;
    struct tsdb *db = r->db;
    struct error why = {0};
    const struct head_image_target to = {.head = r->head,
                                         .spill_dir = r->spill_dir,
                                         .sink = r->sink,
                                         .threaded = db->opts.start_thread,
                                         .sets_later = true};
    if (head_image_load(&r->image, &to, &why)) {
        LOGF(db->opts.log, LOG_INFO,
             "head image of stream %u read: %u series; it stands for the log before segment %llu",
             r->shard, r->image.series, (unsigned long long)r->image.first);
        head_ends_take(r->head);
        sets_begin(r);
        return true;
    }
    why.code = why.code == ERR_NOT_FOUND ? ERR_CORRUPT : why.code; // A file of chunks.
    image_refuse(r, &why);
    atomic_fetch_sub(&db->limits.series, r->head->live); // Its boxes leave with their windows.
    tsdb_head_make(db, r->shard);
    head_ends_move(&db->heads[r->shard]->ends, &r->head->ends);
    head_free(r->head);
    r->head = db->heads[r->shard];
    replay_rows_head(&r->rows, r->head);
    return false;
}

// So that a long replay takes no more memory than running did.
static void segment_done(void *ctx, UNUSED struct wal_decoder *d)
{
    struct replay_target *r = ctx;
    struct error ignored; // They stay in memory; the step tries again, and tells.
    bool moved;
    replay_rows_settle(&r->rows);
    (void)!head_spill(r->head, r->db->opts.fs, r->spill_dir, &moved, &ignored);
    if (moved) {
        head_spill_reap(r->head);
    }
}

static void log_open(struct tsdb *db, u32 shard, const char *dir, const struct wal_replayed *got)
{
    struct wal_opts wo = {
        .fs = db->opts.fs,
        .clk = db->opts.clk,
        .rng = db->opts.rng,
        .log = db->opts.log,
        .dir = dir,
        .stream = shard,
        .segment_bytes = shard == SHARD_MAIN ? db->opts.wal_segment_bytes
                                             : MAX(db->opts.wal_segment_bytes / 4, 4096U),
        .unsynced_max = MIN(MAX(db->opts.log_bytes_max / SHARDS, UNSYNCED_MIN), UNSYNCED_MAX),
        .synced = sync_observed,
        .synced_ctx = db};
    db->wals[shard] = wal_new(wo, got->next_number, got->resume_segment, got->resume_offset);
    for (u32 i = 0; i < got->kept_count; i++) {
        wal_keep(db->wals[shard], got->kept[i]);
    }
}

static bool shard_replay(struct replay_target *r, struct wal_decoder *decoder, struct arena *a,
                         struct error *e)
{
    struct tsdb *db = r->db;
    struct wal_replayed got;
    struct wal_replay_job job = {.fs = db->opts.fs,
                                 .log = db->opts.log,
                                 .dir = r->dir,
                                 .stream = r->shard,
                                 .decoder = decoder,
                                 .progress = r->shard == SHARD_MAIN ? db->opts.progress : NULL,
                                 .arena = a,
                                 .image = image_open(r, a) ? &r->image : NULL,
                                 .image_load = image_load,
                                 .between = segment_done,
                                 .ctx = r};
    bool ok = wal_replay(&job, &got, e);
    sets_end(r);
    replay_rows_settle(&r->rows); // Of a checkpoint without segments.
    ok = ok && head_spill_sweep(r->head, db->opts.fs, r->spill_dir, e);
    if (!ok) {
        return false;
    }
    head_restored(r->head, got.next_number - 1);
    if (db->cold_lost) { // The ends of those that did not come back, or not all of them.
        if (!tsdb_cold_ends(db, r->shard, e)) {
            return false;
        }
        head_ends_short(r->head);
    }
    // Records under an alias are told apart by definitions in the log itself, so it stays whole
    // until all of them can go.
    r->head->alias_segment = got.from_image ? r->image.alias_segment : 0;
    if (r->aliased) {
        r->head->alias_segment = got.next_number - 1;
    }
    log_open(db, r->shard, r->dir, &got);
    db->image_first[r->shard] = got.from_image ? r->image.first : 0;
    tsdb_count(db, COUNT_IMAGES_READ, got.from_image);
    tsdb_count(db, COUNT_WAL_CORRUPTIONS, got.corruptions + decoder->series_refused);
    const u64 lost = r->lost + r->rows.lost;
    tsdb_count(db, COUNT_REPLAY_LOST, decoder->samples_lost + lost);
    LOGF(db->opts.log, LOG_INFO,
         "log of stream %u replayed: %u segments, %u series, %llu samples, %llu lost to damage",
         r->shard, got.kept_count, r->head->live, (unsigned long long)decoder->samples,
         (unsigned long long)(decoder->samples_lost + lost));
    return true;
}

bool tsdb_shard_open(struct tsdb *db, u32 shard, struct error *e)
{
    char name[32];
    char dir[512];
    (void)snprintf(name, sizeof(name), "wal/%u", shard);
    tsdb_path(db, name, dir);
    struct replay_target target = {.db = db, .head = db->heads[shard], .shard = shard, .dir = dir};
    tsdb_path(db, "head", target.spill_dir);
    target.sink = (struct wal_sink){.ctx = &target,
                                    .series = replay_series,
                                    .sample = replay_sample,
                                    .row = replay_row,
                                    .box = replay_box,
                                    .metadata = replay_metadata,
                                    .exemplar = replay_exemplar};
    replay_rows_init(&target.rows, target.head, db->opts.start_thread);
    struct wal_decoder decoder;
    struct arena *a = arena_new(REPLAY_BYTES_MAX);
    wal_decoder_init(&decoder, target.sink, head_slots_max(db->opts.series_max));
    db->heads[shard]->t_floor = db->head_min;
    bool ok = shard_replay(&target, &decoder, a, e);
    replay_rows_fini(&target.rows);
    wal_decoder_fini(&decoder);
    head_image_close(&target.image);
    mem_free(target.alias);
    arena_free(a);
    return ok;
}
