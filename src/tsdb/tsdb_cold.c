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
#include "tsdb/cold_read.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/tsdb_delete.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/wal.h"

#include <stdio.h>

#define COLD_SHARE 16U // Of a shard's series one part in so many, or a block is not worth it.

// --- What a start has to find ------------------------------------------------------------------

// Whether the file says what is so. If it cannot be written nobody leaves, and it comes again.
static bool known_settle(struct tsdb *db, struct error *e)
{
    char path[512];
    struct error why = {0};
    cold_known_prune(&db->cold_known, db->head_min);
    if (!db->cold_known.changed) {
        return true;
    }
    tsdb_path(db, "cold", path);
    const bool ok = cold_known_write(db->opts.fs, path, &db->cold_known, &why);
    if (!ok && !db->cold_failing) {
        LOGF(db->opts.log, LOG_WARN, "the list of cold blocks: %s; idle series stay", why.text);
    }
    db->cold_failing = !ok;
    return ok || err_set(e, why.code, "%s", why.text);
}

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
    struct chunk_tally tally;
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
                                  .tally = &tally,
                                  .cold = l};
    if (!block_cut_run(&cut, &m, &made, e) || !made) {
        return NULL;
    }
    block_name(&m, name);
    block_path(db, str_c(name), path);
    struct block *b = block_open(db->opts.fs, path, ++db->block_uid, e);
    if (!b) { // Its samples are still in the head, so it is only this copy that goes.
        struct error ignored; // Kept in mind and tried again.
        (void)!block_forget(db, &m, &ignored);
        return NULL;
    }
    LOGF(db->opts.log, LOG_INFO, "cold block %s: %llu idle series, %llu samples, %llu bytes", name,
         (unsigned long long)m.series, (unsigned long long)m.samples,
         (unsigned long long)block_bytes(b));
    tsdb_chunks_tell(db, &tally);
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

// The windows from next_ms on: those before it have their blocks.
static bool shard_write(struct tsdb *db, u32 shard, struct cold_leaving *x, struct error *e)
{
    i64 starts[HEAD_WINDOWS_MAX];
    const u32 n = windows_of(db, db->heads[shard], starts);
    for (u32 i = 0; i < n; i++) {
        struct error why = {0};
        if (starts[i] < x->next_ms) {
            continue;
        }
        struct block *b = cold_write(db, shard, &x->list, starts[i], &why);
        if (!b && why.code != ERR_NONE) {
            return err_set(e, why.code, "writing a cold block: %s", why.text);
        }
        x->next_ms = starts[i] + 1;
        if (b) { // It tells of times of which the head answers, too.
            block_set_publish(db, block_set_with(db->blocks, b, NULL, 0), INT64_MIN);
            tsdb_count(db, COUNT_COLD_BLOCKS, 1);
            if (!cold_known_add(&db->cold_known, &b->meta, e)) {
                return err_in(e, "listing a cold block");
            }
        }
    }
    return true;
}

// Lets go of what only readers could ask for that do not have the blocks.
static void shard_forget(struct tsdb *db, u32 shard)
{
    struct cold_leaving *x = &db->cold[shard];
    if (!x->listed || tsdb_reader_before(db, x->publish)) {
        return;
    }
    const u32 left = head_cold_forget(db->heads[shard], &x->list, wal_segment_now(db->wals[shard]));
    tsdb_count(db, COUNT_COLD_SERIES, left);
    cold_list_fini(&x->list);
    x->listed = false;
    head_gone_drop(db->heads[shard]);
    head_deleted_prune(db);
}

static void shard_pick(struct tsdb *db, u32 shard)
{
    struct head *h = db->heads[shard];
    struct cold_leaving *x = &db->cold[shard];
    const struct cold_rule rule = rule_now(db, h);
    const u64 n = x->list.n == 0 ? head_cold_count(h, &rule) : 0;
    if (n > 0 && n >= db->opts.cold_min && n * COLD_SHARE >= h->live) {
        head_cold_pick(h, &rule, &x->list);
        x->next_ms = INT64_MIN;
    }
}

// Where it fails they stay, and the next time goes on from there. That nothing is taken up to their
// ends meanwhile does no harm.
static bool shard_step(struct tsdb *db, u32 shard, struct error *e)
{
    struct cold_leaving *x = &db->cold[shard];
    shard_pick(db, shard);
    if (x->list.n == 0 || x->listed) {
        return true;
    }
    if (!shard_write(db, shard, x, e)) {
        return false;
    }
    struct error told; // It is in the log.
    if (known_settle(db, &told)) {
        lock_take(&db->lock);
        x->publish = db->publish;
        lock_drop(&db->lock);
        x->listed = true;
        shard_forget(db, shard);
    }
    return true;
}

bool tsdb_cold_step(struct tsdb *db, struct error *e)
{
    const i64 now = clk_mono_ms(db->opts.clk);
    bool ok = true;
    struct error told; // It is in the log.
    (void)!known_settle(db, &told);
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

static bool is_listed(const struct tsdb *db, const char *id)
{
    bool found = false;
    for (u32 i = 0; i < db->blocks->n && !found; i++) {
        found = strcmp(db->blocks->blocks[i]->meta.id, id) == 0;
    }
    return found;
}

static bool is_gap(const struct tsdb *db, const char *id)
{
    bool found = false;
    for (u32 i = 0; i < db->gap_count && !found; i++) {
        struct block_meta m;
        found = block_name_parse(str_c(db->gaps[i].name), &m) && strcmp(m.id, id) == 0;
    }
    return found;
}

// What the file does not tell: blocks of which it could not be told any more, and those that are
// set aside.
static bool known_complete(struct tsdb *db, struct error *e)
{
    bool ok = true;
    for (u32 i = 0; ok && i < db->gap_count; i++) {
        struct block_meta m;
        if (block_name_parse(str_c(db->gaps[i].name), &m) && m.cold && m.max_ms > db->head_min) {
            ok = cold_known_add(&db->cold_known, &m, e);
        }
    }
    for (u32 i = 0; ok && i < db->blocks->n; i++) {
        const struct block *b = db->blocks->blocks[i];
        ok = !block_is_of_head(db, b) || cold_known_add(&db->cold_known, &b->meta, e);
    }
    return ok;
}

// An empty folder where damaged ones are set aside: the list forgets the block when its window is
// cut, and what only the block had is missing from then on as well. If it cannot be made the next
// start tries again.
static void missing_mark(struct tsdb *db, const char *name)
{
    char folder[512];
    char path[512];
    char relative[BLOCK_NAME + 16];
    struct error why = {0};
    (void)snprintf(relative, sizeof(relative), "quarantine/%s", name);
    tsdb_path(db, "quarantine", folder);
    tsdb_path(db, relative, path);
    if (!fs_make_dir(db->opts.fs, path, &why) || !fs_sync_dir(db->opts.fs, folder, &why)) {
        LOGF(db->opts.log, LOG_WARN, "cold block %s: its place in quarantine: %s", name, why.text);
    }
}

// The marks of those that are there again, if nothing was put into them.
static void missing_found(struct tsdb *db)
{
    struct arena *a = arena_new((size_t)1 << 20);
    for (u32 i = db->gap_count; i > 0; i--) {
        char path[512];
        char relative[sizeof(db->gaps->name) + 16];
        struct block_meta m;
        struct fs_info *infos;
        size_t n;
        struct error ignored;
        const char *name = db->gaps[i - 1].name;
        if (!block_name_parse(str_c(name), &m) || !m.cold || !is_listed(db, m.id)) {
            continue;
        }
        (void)snprintf(relative, sizeof(relative), "quarantine/%s", name);
        tsdb_path(db, relative, path);
        if (fs_list(db->opts.fs, path, a, &infos, &n, &ignored) && n == 0 &&
            fs_remove_tree(db->opts.fs, path, &ignored)) {
            LOGF(db->opts.log, LOG_INFO, "cold block %s is there again", name);
            blocks_gap_drop(db, i - 1);
        }
    }
    arena_free(a);
}

// Those that are not there. Answers of their time say that they may be partial.
static void known_lose(struct tsdb *db, bool all)
{
    for (u32 i = 0; i < db->cold_known.n; i++) {
        struct cold_block *k = &db->cold_known.items[i];
        const bool there = is_listed(db, k->id);
        if (!there && !is_gap(db, k->id)) {
            char name[BLOCK_NAME];
            struct block_meta m = {.min_ms = k->min_ms, .max_ms = k->max_ms, .cold = 1};
            memcpy(m.id, k->id, sizeof(m.id));
            block_name(&m, name);
            LOGF(db->opts.log, LOG_ERROR, "cold block %s is missing", name);
            blocks_gap_add(db, str_c(name));
            if (is_gap(db, k->id)) { // No more folders than gaps are kept in mind.
                missing_mark(db, name);
            }
        }
        if (!there || all) {
            cold_known_lose(&db->cold_known, k);
        }
    }
}

bool tsdb_cold_ends(struct tsdb *db, u32 shard, struct error *e)
{
    const struct block_set *s = db->blocks;
    bool ok = true;
    for (u32 i = 0; ok && i < s->n; i++) {
        struct block *b = s->blocks[i];
        if (b->meta.cold != shard + 1 || !block_is_of_head(db, b)) {
            continue;
        }
        struct error damage = {0};
        ok = cold_read_ends(db->heads[shard], b, &damage, e);
        struct cold_block *k = cold_known_find(&db->cold_known, b->meta.id);
        if (ok && k && damage.code != ERR_NONE && !k->lost) {
            LOGF(db->opts.log, LOG_ERROR, "cold block %s: %s", b->meta.id, damage.text);
            cold_known_lose(&db->cold_known, k);
        }
    }
    return ok;
}

// Damaged it is as if every cold block were.
static bool known_read(struct tsdb *db, bool *damaged, struct error *e)
{
    char path[512];
    struct error why = {0};
    tsdb_path(db, "cold", path);
    *damaged = false;
    if (cold_known_read(db->opts.fs, path, &db->cold_known, &why)) {
        return true;
    }
    *damaged = why.code == ERR_CORRUPT;
    if (*damaged) {
        LOGF(db->opts.log, LOG_ERROR, "%s", why.text);
        db->cold_known.changed = true;
    }
    return *damaged || err_set(e, why.code, "%s", why.text);
}

bool tsdb_cold_open(struct tsdb *db, struct error *e)
{
    bool damaged;
    if (!known_read(db, &damaged, e)) {
        return false;
    }
    cold_known_prune(&db->cold_known, db->head_min);
    missing_found(db);
    bool ok = known_complete(db, e);
    known_lose(db, damaged);
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = tsdb_cold_ends(db, i, e);
    }
    db->cold_lost = damaged || cold_known_any_lost(&db->cold_known);
    for (u32 i = 0; db->cold_lost && i < SHARDS; i++) {
        head_ends_prune(&db->heads[i]->ends, INT64_MAX);
    }
    if (ok && db->cold_lost) {
        LOGF(db->opts.log, LOG_WARN,
             "cold blocks are damaged or missing: the whole log is read instead of what they say");
    }
    // A loss that the next start did not know of would let it believe what this one must not.
    struct error why = {0};
    return ok && (known_settle(db, &why) || !db->cold_lost ||
                  err_set(e, why.code, "the list of cold blocks: %s", why.text));
}
