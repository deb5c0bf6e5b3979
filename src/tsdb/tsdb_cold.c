#include "tsdb/tsdb_cold.h"

#include "base/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/block_cut.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_series.h"
#include "tsdb/tsdb_delete.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/wal.h"

#include <stdio.h>

#define COLD_SHARE       16U // Of a shard's series one part in so many, or a block is not worth it.
#define ENDS_ARENA_MAX   ((size_t)1 << 30)
#define SERIES_ARENA_MAX ((size_t)64 << 20)
#define PAIRS_MAX        (HEAD_LABELS_MAX + 1)

// --- Leaving -----------------------------------------------------------------------------------

// A series that ended in a marker may go at once. Of others nobody knows whether they are only
// slow: those that come back each half hour would leave each time. For what could still come late
// it stays.
static struct cold_rule rule_now(struct tsdb *db, struct head *h)
{
    const i64 late = db->ooo_window_ms;
    lock_take(&h->lock);
    const i64 newest = h->t_max;
    lock_drop(&h->lock);
    return (struct cold_rule){.ended_before = late > 0 ? sat_sub_i64(newest, late) : INT64_MAX,
                              .silent_before =
                                  sat_sub_i64(newest, MAX(late, db->opts.block_range_ms / 2))};
}

static struct block *cold_write(struct tsdb *db, u32 shard, struct cold_list *l, i64 start,
                                struct error *e)
{
    char dir[512];
    char name[BLOCK_NAME];
    char path[512];
    struct block_meta m;
    bool made = false;
    tsdb_path(db, "blocks", dir);
    const struct block_cut cut = {.fs = db->opts.fs,
                                  .clk = db->opts.clk,
                                  .rng = db->opts.rng,
                                  .dir = dir,
                                  .heads = &db->heads[shard],
                                  .head_count = 1,
                                  .dead = &db->blocks->heads[shard],
                                  .min_ms = start,
                                  .max_ms = start + db->opts.block_range_ms,
                                  .cold = l};
    if (!block_cut_run(&cut, &m, &made, e) || !made) {
        return NULL;
    }
    block_name(&m, name);
    block_path(db, str_c(name), path);
    struct block *b = block_open(db->opts.fs, path, ++db->block_uid, e);
    if (!b) { // Its samples are still in the head, so it is only this copy that goes.
        struct error ignored;
        (void)!fs_remove_tree(db->opts.fs, path, &ignored);
        (void)!fs_sync_dir(db->opts.fs, dir, &ignored);
        return NULL;
    }
    LOGF(db->opts.log, LOG_INFO, "cold block %s: %llu idle series, %llu samples, %llu bytes", name,
         (unsigned long long)m.series, (unsigned long long)m.samples,
         (unsigned long long)block_bytes(b));
    return b;
}

// Where windows begin that have no block yet.
static u32 windows_of(struct tsdb *db, struct head *h, i64 starts[HEAD_WINDOWS_MAX])
{
    u32 n = 0;
    lock_take(&h->lock);
    for (u32 i = 0; i < h->window_count; i++) {
        if (h->windows[i]->end_ms > db->head_min) {
            starts[n++] = h->windows[i]->start_ms;
        }
    }
    lock_drop(&h->lock);
    return n;
}

static bool shard_write(struct tsdb *db, u32 shard, struct cold_list *l, struct error *e)
{
    i64 starts[HEAD_WINDOWS_MAX];
    const u32 n = windows_of(db, db->heads[shard], starts);
    for (u32 i = 0; i < n; i++) {
        struct error why = {0};
        struct block *b = cold_write(db, shard, l, starts[i], &why);
        if (!b && why.code != ERR_NONE) {
            return err_set(e, why.code, "writing a cold block: %s", why.text);
        }
        if (b) { // It tells of times of which the head answers, too.
            block_set_publish(db, block_set_with(db->blocks, b, NULL, 0), INT64_MIN);
            tsdb_count(db, COUNT_COLD_BLOCKS, 1);
        }
    }
    return true;
}

static bool reader_before(struct tsdb *db, u64 publish)
{
    bool found = false;
    lock_take(&db->lock);
    for (const struct tsdb_pin *p = db->pins; p; p = p->next) {
        found = found || p->publish < publish;
    }
    lock_drop(&db->lock);
    return found;
}

// Lets go of what only readers could ask for that do not have the blocks.
static void shard_forget(struct tsdb *db, u32 shard)
{
    struct cold_list *l = &db->cold[shard];
    if (l->n == 0 || reader_before(db, db->cold_publish[shard])) {
        return;
    }
    const u32 left = head_cold_forget(db->heads[shard], l, wal_segment_now(db->wals[shard]));
    tsdb_count(db, COUNT_COLD_SERIES, left);
    cold_list_fini(l);
    head_gone_drop(db->heads[shard]);
    head_deleted_prune(db);
}

static bool shard_step(struct tsdb *db, u32 shard, struct error *e)
{
    struct head *h = db->heads[shard];
    const struct cold_rule rule = rule_now(db, h);
    const u64 n = head_cold_count(h, &rule);
    if (db->cold[shard].n > 0 || n < db->opts.cold_min || n * COLD_SHARE < h->live) {
        return true;
    }
    struct cold_list l = {0};
    head_cold_pick(h, &rule, &l);
    if (!shard_write(db, shard, &l, e)) {
        cold_list_fini(&l); // They stay. That nothing is taken up to their ends does no harm.
        return false;
    }
    db->cold[shard] = l;
    lock_take(&db->lock);
    db->cold_publish[shard] = db->publish;
    lock_drop(&db->lock);
    shard_forget(db, shard);
    return true;
}

bool tsdb_cold_step(struct tsdb *db, struct error *e)
{
    const i64 now = clk_mono_ms(db->opts.clk);
    bool ok = true;
    for (u32 i = 0; i < SHARDS; i++) {
        shard_forget(db, i);
    }
    if (db->opts.cold_every_ms <= 0 || now - db->cold_at < db->opts.cold_every_ms) {
        return true;
    }
    db->cold_at = now;
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = shard_step(db, i, e);
    }
    return ok;
}

// --- Starting ----------------------------------------------------------------------------------

// Reads where the series of one block ended. Threads: owned by the call.
struct ends_reader {
    struct block *block;
    struct head *head;
    struct block_reader reader;
    struct symbol_texts texts;
    struct arena *arena;  // Of the reader.
    struct arena *series; // Of one series.
    u32 symbol;           // Of the tenant met last, + 1.
    struct tenant_id tenant;
};

static bool tenant_of(struct ends_reader *r, u32 series, struct error *e)
{
    u32 pairs[2 * PAIRS_MAX];
    u32 count;
    u64 id = 0;
    str text;
    if (!index_file_pairs(&r->block->index, series, pairs, PAIRS_MAX, &count, e)) {
        return false;
    }
    if (r->symbol == pairs[1] + 1) {
        return true;
    }
    if (!symbol_read(&r->reader.labels.symbols, pairs[1], &text, e)) {
        return false;
    }
    if (!parse_u64(text, &id) || id > UINT32_MAX) {
        return err_set(e, ERR_CORRUPT, "a series of no tenant");
    }
    r->symbol = pairs[1] + 1;
    r->tenant = (struct tenant_id){(u32)id};
    return true;
}

static bool end_of(struct ends_reader *r, u32 series, i64 *t, struct error *e)
{
    block_reader_forget(&r->reader);
    const struct chunk_list list = block_reader_chunks(&r->reader, series, r->series, e);
    if (list.missing) {
        return false;
    }
    *t = INT64_MIN;
    for (u32 i = 0; i < list.n; i++) {
        const struct chunk_rows *rows = &list.items[i].rows;
        const struct column_times *times = block_reader_column(&r->reader, rows->column, e);
        if (!times) {
            return false;
        }
        const u32 end = rows->whole ? times->n : rows->first + rows->span;
        if (end == 0 || end > times->n) {
            return err_set(e, ERR_CORRUPT, "a chunk reaches beyond its timestamp column");
        }
        *t = MAX(*t, times->t_ms[end - 1]);
    }
    return list.n > 0 || err_set(e, ERR_CORRUPT, "a series without samples");
}

static bool series_end(struct ends_reader *r, u32 series, struct error *e)
{
    struct labels set;
    i64 t;
    arena_reset(r->series);
    if (!tenant_of(r, series, e) ||
        !label_reader_get(&r->reader.labels, series, &r->texts, r->series, &set, e) ||
        !end_of(r, series, &t, e)) {
        return false;
    }
    const struct head_end end = {
        .hash = head_key_hash(r->tenant, set), .check = head_key_check(r->tenant, set), .t = t};
    lock_take(&r->head->lock);
    head_ends_put(&r->head->ends, end);
    lock_drop(&r->head->lock);
    if (symbol_texts_are_many(&r->texts)) {
        symbol_texts_drop(&r->texts);
    }
    return true;
}

// What of it is damaged, the log brings back: then some samples are there twice.
static bool block_ends(struct head *h, struct block *b, struct error *e)
{
    bool ok = true;
    struct ends_reader r = {.block = b,
                            .head = h,
                            .arena = arena_new(ENDS_ARENA_MAX),
                            .series = arena_new(SERIES_ARENA_MAX)};
    block_reader_init(&r.reader, b, r.arena);
    symbol_texts_init(&r.texts);
    for (u32 i = 0; ok && i < b->meta.series; i++) {
        struct error why = {0};
        ok = series_end(&r, i, &why) || why.code == ERR_CORRUPT ||
             err_set(e, why.code, "cold block %s: %s", b->meta.id, why.text);
    }
    symbol_texts_fini(&r.texts);
    block_reader_fini(&r.reader);
    arena_free(r.series);
    arena_free(r.arena);
    return ok;
}

bool tsdb_cold_ends(struct tsdb *db, u32 shard, struct error *e)
{
    const struct block_set *s = db->blocks;
    bool ok = true;
    for (u32 i = 0; ok && i < s->n; i++) {
        const struct block_meta *m = &s->blocks[i]->meta;
        if (m->cold == shard + 1 && m->max_ms > db->head_min) {
            ok = block_ends(db->heads[shard], s->blocks[i], e);
        }
    }
    return ok;
}
