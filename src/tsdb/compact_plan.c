// compact_plan.c: which blocks become one, and putting the one in their place.
//
//   pick ─► room on the disk? ─► compact_run ─► open, every checksum ─► publish ─► remove sources
//
// Ranges are aligned. One is due when the head is past it, at least two blocks lie in it and all
// that touch it lie in it whole; not while any of them is damaged or part of the range is set
// aside. A range is at most a tenth of what retention keeps, so that whole blocks can be dropped
// without keeping much too long.
// A stop at any place leaves the sources, or the sources and the result, whose meta names them:
// then they count for nothing (block_set.c). Nothing is compacted while such a source is left.
#include "base/error.h"
#include "base/log.h"
#include "client/tidemark.h"
#include "os/clk.h"
#include "tsdb/block.h"
#include "tsdb/compact.h"
#include "tsdb/head.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_inner.h"

#define CLEAN_PER_MILLE 50U // From so many on a block is rewritten by itself, as upstream does.

// Blocks to be joined. Threads: owned by the step.
struct compact_plan {
    struct block_set *set; // Referenced.
    i64 start_ms;
    struct block *blocks[BLOCK_SOURCES_MAX];
    struct tombstones *dead[BLOCK_SOURCES_MAX]; // Borrowed from the set.
    i64 dead_ms;
    u32 count;
    u32 level;
    u64 bytes;
    bool vertical; // Some overlap.
    bool cold;     // Some are cold.
};

static bool is_skipped(const struct tsdb *db, i64 start)
{
    for (u32 i = 0; i < db->compact_skip_count; i++) {
        if (db->compact_skip[i] == start) {
            return true;
        }
    }
    return false;
}

// With the db's lock.
static bool has_gap(const struct tsdb *db, i64 min_ms, i64 max_ms)
{
    for (u32 i = 0; i < db->gap_count; i++) {
        const struct block_gap *g = &db->gaps[i];
        if (g->retry || (g->min_ms < max_ms && g->max_ms > min_ms)) {
            return true;
        }
    }
    return false;
}

// Whether a deletion can still be undone. It is known by series and range only, so blocks that
// overlap wait: what it hides in one must not hide what another one has at the same time.
static bool has_young(const struct compact_plan *p)
{
    for (u32 i = 0; i < p->count; i++) {
        for (u32 k = 0; p->dead[i] && k < p->dead[i]->n; k++) {
            if (p->dead[i]->items[k].made_ms > p->dead_ms) {
                return true;
            }
        }
    }
    return false;
}

// With the db's lock. Fills the plan with the blocks of [start, start + range) if they are due.
static bool window_due(const struct tsdb *db, i64 start, i64 range, struct compact_plan *p)
{
    const struct block_set *s = db->blocks;
    i64 end = start + range;
    i64 reached = INT64_MIN;
    p->count = 0;
    p->level = 0;
    p->bytes = 0;
    p->vertical = false;
    p->cold = false;
    p->start_ms = start;
    if (db->head_min < end || is_skipped(db, start) || has_gap(db, start, end)) {
        return false;
    }
    for (u32 i = 0; i < s->n; i++) {
        struct block *b = s->blocks[i];
        if (b->meta.max_ms <= start || b->meta.min_ms >= end) {
            continue;
        }
        if (b->meta.min_ms < start || b->meta.max_ms > end || atomic_load(&b->bad_pages) > 0 ||
            p->count == BLOCK_SOURCES_MAX) {
            return false;
        }
        p->vertical = p->vertical || b->meta.min_ms < reached;
        p->cold = p->cold || b->meta.cold;
        reached = MAX(reached, b->meta.max_ms);
        p->level = MAX(p->level, b->meta.level + 1);
        p->bytes += block_bytes(b);
        p->dead[p->count] = s->dead[i];
        p->blocks[p->count++] = b;
    }
    return p->count >= 2 && !(p->vertical && has_young(p));
}

// With the db's lock. cold_only: ranges with cold blocks.
static bool range_pick(const struct tsdb *db, i64 range, bool cold_only, struct compact_plan *p)
{
    bool found = false;
    i64 last = INT64_MIN;
    for (u32 i = 0; i < db->blocks->n && !found; i++) {
        i64 start = window_floor(db->blocks->blocks[i]->meta.min_ms, range);
        found = start != last && window_due(db, start, range, p) && (p->cold || !cold_only);
        last = start;
    }
    return found;
}

// The cold blocks of a window join what was cut of it, so that queries soon meet one block again.
static bool pick(struct tsdb *db, struct compact_plan *p)
{
    i64 range = db->opts.block_range_ms;
    const u32 factors[] = {db->opts.compact_first, db->opts.compact_second};
    lock_take(&db->lock);
    bool found = range_pick(db, range, true, p);
    for (u32 k = 0; k < ARRAY_LEN(factors) && !found; k++) {
        range *= factors[k];
        if (db->retention_ms > 0 && range > db->retention_ms / 10) {
            break;
        }
        found = range_pick(db, range, false, p);
    }
    if (found) {
        p->set = db->blocks;
        p->set->refs++;
    }
    lock_drop(&db->lock);
    return found;
}

// The result stands beside its sources; a tenth more is for what else is written meanwhile.
static bool has_room(const struct tsdb *db, u64 bytes)
{
    u64 free_bytes = atomic_load(&db->disk_free);
    return atomic_load(&db->disk_total) == 0 || free_bytes / 11 * 10 >= bytes;
}

static struct block *result_open(struct tsdb *db, const struct block_meta *m, struct error *e)
{
    char name[BLOCK_NAME];
    char path[512];
    block_name(m, name);
    block_path(db, str_c(name), path);
    struct block *b = block_open(db->opts.fs, path, ++db->block_uid, e);
    if (b && block_verify(b, e)) {
        return b;
    }
    struct error ignored; // Kept in mind and tried again.
    block_close(b);
    (void)!block_forget(db, m, &ignored);
    return NULL;
}

// Publishes b (NULL: nothing is left) in place of its sources, then removes those.
static bool swap_in(struct tsdb *db, const struct compact_plan *p, struct block *b, struct error *e)
{
    bool ok = true;
    if (!b && !tsdb_floor_write(db, db->head_min, e)) {
        return false;
    }
    block_set_publish(db, block_set_with(db->blocks, b, p->blocks, p->count), INT64_MIN);
    for (u32 i = 0; i < p->count; i++) { // p->set keeps them mapped.
        ok = block_forget(db, &p->blocks[i]->meta, ok ? e : NULL) && ok;
    }
    return ok;
}

static bool plan_run(struct tsdb *db, const struct compact_plan *p, struct error *e)
{
    char dir[512];
    struct block_meta m;
    bool made = false;
    tsdb_path(db, "blocks", dir);
    struct compact c = {.fs = db->opts.fs,
                        .clk = db->opts.clk,
                        .rng = db->opts.rng,
                        .dir = dir,
                        .blocks = p->blocks,
                        .count = p->count,
                        .dead = p->dead,
                        .dead_ms = p->dead_ms,
                        .classes = &db->classes,
                        .newest = tsdb_newest(db),
                        .level = p->level,
                        .bytes_max = COMPACT_BYTES_MAX,
                        .stop = &db->interrupts};
    i64 begun = clk_mono_ns(db->opts.clk);
    if (!compact_run(&c, &m, &made, e)) {
        return false;
    }
    struct block *b = made ? result_open(db, &m, e) : NULL;
    if (made && !b) {
        return false;
    }
    LOGF(db->opts.log, LOG_INFO,
         "%u blocks became one: %llu series, %llu samples, %llu → %llu bytes", p->count,
         (unsigned long long)(b ? m.series : 0), (unsigned long long)(b ? m.samples : 0),
         (unsigned long long)p->bytes, (unsigned long long)(b ? block_bytes(b) : 0));
    if (db->compact_seconds) {
        tmk_histogram_observe(db->compact_seconds, (f64)(clk_mono_ns(db->opts.clk) - begun) / 1e9);
    }
    return swap_in(db, p, b, e);
}

static bool plan_failed(struct tsdb *db, const struct compact_plan *p, struct error *e,
                        const struct error *why)
{
    if (why->code == ERR_CANCELLED) {
        return true; // Nothing went wrong; it comes again.
    }
    tsdb_count(db, COUNT_COMPACTIONS_FAILED, 1);
    if (why->code == ERR_CORRUPT || why->code == ERR_LIMIT) { // It would fail again.
        LOGF(db->opts.log, LOG_WARN, "blocks from %lld on are left as they are: %s",
             (long long)p->start_ms, why->text);
        if (db->compact_skip_count == COMPACT_SKIP_MAX) {
            db->compact_skip_count = 0;
        }
        db->compact_skip[db->compact_skip_count++] = p->start_ms;
        return true;
    }
    return err_set(e, why->code, "joining blocks: %s", why->text);
}

// Runs a plan and gives its set back.
static bool plan_do(struct tsdb *db, struct compact_plan *p, bool *did, struct error *e)
{
    bool ok = true;
    struct error why = {0};
    if (!has_room(db, p->bytes)) {
        tsdb_count(db, COUNT_COMPACTIONS_POSTPONED, 1);
    } else {
        tsdb_count(db, COUNT_COMPACTIONS_TRIGGERED, 1);
        *did = plan_run(db, p, &why);
        if (*did) {
            tsdb_count(db, COUNT_COMPACTIONS, 1);
            tsdb_count(db, COUNT_VERTICAL_COMPACTIONS, p->vertical);
        } else {
            ok = plan_failed(db, p, e, &why);
        }
    }
    block_set_unref(db, p->set);
    return ok;
}

bool compact_clean(struct tsdb *db, u32 per_mille, bool *did, struct error *e)
{
    struct compact_plan p = {.dead_ms = clk_wall_ms(db->opts.clk) - TOMBSTONE_UNDO_MS};
    *did = false;
    if (!blocks_sweep(db, e)) {
        return false;
    }
    lock_take(&db->lock);
    const struct block_set *s = db->blocks;
    bool wait = has_gap(db, INT64_MAX, INT64_MIN); // For one that was made of others, perhaps.
    for (u32 i = 0; i < s->n && !p.set && !wait; i++) {
        struct block *b = s->blocks[i];
        u32 due = tombstones_due(s->dead[i], p.dead_ms);
        if (due == 0 || (u64)due * 1000 < b->meta.series * per_mille || block_is_of_head(db, b) ||
            atomic_load(&b->bad_pages) > 0 || is_skipped(db, b->meta.min_ms)) {
            continue;
        }
        p.set = db->blocks;
        p.set->refs++;
        p.start_ms = b->meta.min_ms;
        p.blocks[0] = b;
        p.dead[0] = s->dead[i];
        p.count = 1;
        p.level = b->meta.level + 1;
        p.bytes = block_bytes(b);
    }
    lock_drop(&db->lock);
    return !p.set || plan_do(db, &p, did, e);
}

// Whether enough of a block's series are over to rewrite it for that alone.
static bool is_over(struct tsdb *db, struct block *b, i64 newest)
{
    struct retention_cuts c;
    struct error why;
    if (atomic_load(&b->bad_pages) > 0 || is_skipped(db, b->meta.min_ms) ||
        block_is_of_head(db, b) || !retention_cuts_init(&c, &db->classes, b, newest, &why)) {
        return false; // A damaged index was told where it was met.
    }
    u64 whole = retention_cuts_whole(&c, b);
    retention_cuts_fini(&c);
    return whole > 0 && whole * 1000 >= b->meta.series * CLEAN_PER_MILLE;
}

// One block at a time; all of them are looked through once for each range that passes.
static bool compact_classes(struct tsdb *db, bool *did, struct error *e)
{
    i64 newest = tsdb_newest(db);
    if (db->classes.class_count == 0 || newest == T_NEVER ||
        db->classes_at == window_floor(newest, db->opts.block_range_ms)) {
        return true;
    }
    struct compact_plan p = {.dead_ms = clk_wall_ms(db->opts.clk) - TOMBSTONE_UNDO_MS};
    struct block_set *s = db->blocks;
    for (u32 i = 0; i < s->n && p.count == 0; i++) {
        struct block *b = s->blocks[i];
        if (is_over(db, b, newest)) {
            p.start_ms = b->meta.min_ms;
            p.blocks[0] = b;
            p.dead[0] = s->dead[i];
            p.count = 1;
            p.level = b->meta.level + 1;
            p.bytes = block_bytes(b);
        }
    }
    if (p.count == 0) {
        db->classes_at = window_floor(newest, db->opts.block_range_ms);
        return true;
    }
    lock_take(&db->lock);
    p.set = s;
    p.set->refs++;
    lock_drop(&db->lock);
    bool ok = plan_do(db, &p, did, e);
    tsdb_count(db, COUNT_CLASS_RETENTIONS, ok && *did);
    return ok;
}

bool compact_step(struct tsdb *db, bool *did, struct error *e)
{
    struct compact_plan p = {.dead_ms = clk_wall_ms(db->opts.clk) - TOMBSTONE_UNDO_MS};
    if (!blocks_sweep(db, e)) {
        return false;
    }
    if (db->opts.compact_off || atomic_load(&db->interrupts) > 0) {
        return true;
    }
    if (pick(db, &p)) {
        return plan_do(db, &p, did, e);
    }
    return compact_clean(db, CLEAN_PER_MILLE, did, e) && (*did || compact_classes(db, did, e));
}
