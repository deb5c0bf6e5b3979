// tsdb_delete.c: deletions of series' samples, taking them back, compacting them away.
//
//   delete: turn ─► what matches, by block and shard ─► the log is synced ─► files ─► published
// A deletion reaches what a series holds at that moment: what comes later is kept, but for late
// samples that fall into the range. If one of the files cannot be written, those before it are
// put back and the deletion has failed.
#include "tsdb/tsdb_delete.h"

#include "base/arena.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/cold_read.h"
#include "tsdb/compact.h"
#include "tsdb/deleted_list.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_series.h"
#include "tsdb/head_source.h"
#include "tsdb/index_select.h"
#include "tsdb/postings.h"
#include "tsdb/stored_file.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

// --- The head's file ---------------------------------------------------------------------------

// A series that left has nothing in memory any more that could be deleted.
static bool is_live(struct head *h, u32 ordinal)
{
    lock_take(&h->lock);
    bool live = head_live(h, ordinal);
    lock_drop(&h->lock);
    return live;
}

static bool head_deleted_write(struct tsdb *db, const struct deleted_list *l, struct error *e)
{
    char path[512];
    tsdb_path(db, "deleted", path);
    return deleted_write(db->opts.fs, path, l, e);
}

// The ordinal of exactly these labels; false if there is none.
static bool series_of(struct head *h, struct tenant_id tenant, struct labels set, u32 *ordinal,
                      struct arena *a)
{
    struct head_source source;
    struct matcher *ms = ARENA_NEW_N(a, struct matcher, set.count + 1);
    for (u32 i = 0; i < set.count; i++) {
        ms[i] = (struct matcher){
            .op = MATCH_EQ, .name = set.items[i].name, .value = set.items[i].value};
    }
    head_source_init(&source, h);
    struct error ignored;
    struct postings *found =
        set.count <= 256 ? index_select(&source.source, tenant, ms, set.count, &ignored) : NULL;
    u64 n = found ? postings_count(found) : 0;
    u32 *all = ARENA_NEW_N(a, u32, n + 1);
    if (found) {
        postings_list(found, all);
    }
    bool is_found = false;
    for (u64 i = 0; i < n && !is_found; i++) {
        is_found = head_label_count(h, all[i]) == set.count;
        *ordinal = is_found ? all[i] : *ordinal;
    }
    postings_free(found);
    return is_found;
}

// Adds what the next entry says of a series that is in memory.
static bool entry_take(struct tsdb *db, struct dec *d, struct tombstone_list *lists,
                       struct deleted_making *all, struct arena *a)
{
    struct label items[DELETED_LABELS_MAX];
    struct deleted_entry x;
    struct error ignored; // A longer list than it can have been written.
    if (!deleted_entry_get(d, items, &x)) {
        return false;
    }
    deleted_put(all, &x);
    return !series_of(db->heads[x.shard], x.tenant, x.set, &x.mark.series, a) ||
           tombstone_add(&lists[x.shard], x.mark, &ignored);
}

bool head_deleted_read(struct tsdb *db, struct error *e)
{
    char path[512];
    str file;
    struct error why = {0};
    struct arena *a = arena_new(DELETED_BYTES_MAX * 2);
    struct tombstone_list lists[SHARDS] = {{0}};
    struct deleted_making all;
    bool ok = true;
    deleted_begin(&all, NULL);
    tsdb_path(db, "deleted", path);
    const bool there = stored_file_read(db->opts.fs, path, DELETED_BYTES_MAX, a, &file, &why);
    if (!there && why.code != ERR_CORRUPT) {
        ok = why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    } else {
        bool good = there && head_deleted_check(file, &why);
        struct dec d = dec_of(good ? str_sub(file, DELETED_HEAD_BYTES, file.len - 4) : STR_EMPTY);
        while (good && dec_left(&d) > 0) {
            good = entry_take(db, &d, lists, &all, a) ||
                   err_set(&why, ERR_CORRUPT, "an entry is damaged");
        }
        if (!good && why.code == ERR_UNSUPPORTED) { // What was deleted must not show again.
            ok = err_set(e, why.code, "%s: %s", path, why.text);
        } else if (!good) {
            LOGF(db->opts.log, LOG_ERROR,
                 "%s is damaged (%s): what was deleted of the last hours may show again", path,
                 why.text);
        }
    }
    struct block_set *s = block_set_with(db->blocks, NULL, NULL, 0);
    ok = deleted_end(&all, &s->deleted, ok ? e : NULL) && ok;
    for (u32 i = 0; i < SHARDS; i++) {
        tombstones_unref(s->heads[i]);
        s->heads[i] = tombstones_make(&lists[i]);
        tombstone_list_fini(&lists[i]);
    }
    block_set_publish(db, s, INT64_MIN);
    arena_free(a);
    return ok;
}

static bool not_of(const struct tombstone *t, const void *ctx)
{
    return t->id != *(const u64 *)ctx;
}

// Of a shard. Threads: owned by the call.
struct still {
    struct head *head;
    i64 floor;
};

static bool still_of_head(const struct tombstone *t, const void *ctx)
{
    const struct still *s = ctx;
    return t->max_ms >= s->floor && is_live(s->head, t->series);
}

static bool still_of_windows(const struct tombstone *t, const void *ctx)
{
    return t->max_ms >= *(const i64 *)ctx;
}

static struct tombstones *filtered(const struct tombstones *t, tombstone_want *want,
                                   const void *ctx, u32 *dropped)
{
    struct tombstone_list l = {0};
    for (u32 i = 0; t && i < t->n; i++) {
        struct error never; // Not more than there were.
        if (want(&t->items[i], ctx)) {
            CHECK(tombstone_add(&l, t->items[i], &never));
        } else {
            (*dropped)++;
        }
    }
    struct tombstones *made = tombstones_make(&l);
    tombstone_list_fini(&l);
    return made;
}

// Of a set to be published. Returns how many entries left the list.
static u32 set_prune(struct tsdb *db, struct block_set *s, u32 *dropped)
{
    u32 entries = 0;
    for (u32 i = 0; i < SHARDS; i++) {
        const struct still still = {db->heads[i], db->head_min};
        struct tombstones *kept = filtered(s->heads[i], still_of_head, &still, dropped);
        tombstones_unref(s->heads[i]);
        s->heads[i] = kept;
    }
    struct deleted_list *kept =
        deleted_filtered(s->deleted, still_of_windows, &db->head_min, &entries);
    deleted_list_unref(s->deleted);
    s->deleted = kept;
    return entries;
}

void head_deleted_prune(struct tsdb *db)
{
    u32 dropped = 0;
    struct error why;
    if (!db->blocks->deleted) { // Then nothing of the head is deleted.
        return;
    }
    struct block_set *s = block_set_with(db->blocks, NULL, NULL, 0);
    const u32 entries = set_prune(db, s, &dropped);
    if (dropped == 0 && entries == 0) {
        block_set_unref(db, s);
        return;
    }
    if (entries > 0 && !head_deleted_write(db, s->deleted, &why)) { // Too many do no harm.
        LOGF(db->opts.log, LOG_WARN, "deletions of the head: %s", why.text);
    }
    block_set_publish(db, s, INT64_MIN);
}

// --- Publishing a changed set ------------------------------------------------------------------

static bool block_dead_write(struct tsdb *db, const struct block *b, const struct tombstones *t,
                             struct error *e)
{
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/tombstones", b->path);
    return tombstones_write(db->opts.fs, path, t, e);
}

// Writes what differs from the set in force, then publishes fresh, or puts everything back.
static bool dead_publish(struct tsdb *db, struct block_set *fresh, struct error *e)
{
    const struct block_set *old = db->blocks;
    u32 done = 0;
    bool ok = true;
    for (; ok && done < fresh->n; done++) {
        ok = fresh->dead[done] == old->dead[done] ||
             block_dead_write(db, fresh->blocks[done], fresh->dead[done], e);
    }
    ok = ok && (fresh->deleted == old->deleted || head_deleted_write(db, fresh->deleted, e));
    if (ok) {
        block_set_publish(db, fresh, INT64_MIN);
        return true;
    }
    struct error ignored; // The disk has refused once already; the caller asks again.
    for (u32 i = 0; i < done; i++) {
        if (fresh->dead[i] != old->dead[i]) {
            (void)!block_dead_write(db, old->blocks[i], old->dead[i], &ignored);
        }
    }
    (void)!head_deleted_write(db, old->deleted, &ignored);
    block_set_unref(db, fresh);
    return false;
}

// --- Delete ------------------------------------------------------------------------------------

// Threads: owned by the call.
struct deleting {
    struct tsdb *db;
    const struct tsdb_deletion *what;
    struct tombstone mark; // Of every series, but for its number and range.
    struct deleted_making deleted;
    u64 series;
};

static bool list_begin(struct tombstone_list *l, const struct tombstones *old, struct error *e)
{
    for (u32 i = 0; old && i < old->n; i++) {
        if (!tombstone_add(l, old->items[i], e)) {
            return false;
        }
    }
    return true;
}

static u32 *ordinals_of(struct postings *set, u64 *n)
{
    *n = postings_count(set);
    u32 *all = MEM_NEW_N(u32, *n + 1);
    postings_list(set, all);
    postings_free(set);
    return all;
}

// What is marked in one cold block. Threads: owned by the call.
struct marking {
    struct deleting *d;
    const struct block_meta *meta;
};

// Of a series that left, up to where it ended: what comes later is kept. Of one that is in memory
// the shard's own mark tells. If it is neither there nor its end known, the log has nothing of it.
static void left_mark(void *ctx, const struct head_key *k)
{
    const struct marking *m = ctx;
    struct deleting *d = m->d;
    const u32 shard = m->meta->cold - 1;
    struct head *h = d->db->heads[shard];
    struct series_ref ref;
    i64 end;
    lock_take(&h->lock);
    const bool left = !head_series_known(h, k, &ref) &&
                      head_ends_find(&h->ends, k->hash, head_key_check(k->tenant, k->labels), &end);
    lock_drop(&h->lock);
    struct deleted_entry x = {
        .mark = d->mark, .tenant = k->tenant, .set = k->labels, .shard = (u8)shard};
    x.mark.min_ms = MAX(d->what->min_ms, m->meta->min_ms);
    x.mark.max_ms = left ? MIN(MIN(d->what->max_ms, m->meta->max_ms - 1), end) : INT64_MIN;
    if (x.mark.min_ms <= x.mark.max_ms) {
        deleted_put(&d->deleted, &x);
    }
}

// The log still has what a cold block has, and a start may have to do without the block. Where its
// labels are damaged the log alone could tell whom to mark; if the start found that, what the log
// has is in memory.
static bool cold_mark(struct deleting *d, struct block *b, const u32 *series, u32 n,
                      struct error *e)
{
    struct marking m = {d, &b->meta};
    struct error damage = {0};
    return cold_read_keys(b, &(struct cold_asked){series, n, left_mark, &m}, &damage, e) &&
           (damage.code == ERR_NONE || d->db->cold_lost ||
            err_set(e, damage.code, "cold block %s: %s", b->meta.id, damage.text));
}

static bool block_mark(struct deleting *d, struct block *b, struct tombstones **dead,
                       struct error *e)
{
    const struct tsdb_deletion *w = d->what;
    struct postings *set = index_select(&b->index.source, w->tenant, w->ms, w->count, e);
    if (!set) {
        return err_in(e, "block %s", b->meta.id);
    }
    u64 n;
    u32 *all = ordinals_of(set, &n);
    struct tombstone_list l = {0};
    bool ok = n == 0 || list_begin(&l, *dead, e);
    for (u64 i = 0; ok && i < n; i++) {
        struct tombstone t = d->mark;
        t.series = all[i];
        t.min_ms = MAX(w->min_ms, b->meta.min_ms);
        t.max_ms = MIN(w->max_ms, b->meta.max_ms - 1);
        ok = tombstone_add(&l, t, e);
        d->series++;
    }
    ok = ok && (n == 0 || !block_is_of_head(d->db, b) || cold_mark(d, b, all, (u32)n, e));
    if (ok && n > 0) {
        tombstones_unref(*dead);
        *dead = tombstones_make(&l);
    }
    tombstone_list_fini(&l);
    mem_free(all);
    return ok;
}

// A series is marked up to its newest sample, so that what comes later is kept.
static bool shard_mark(struct deleting *d, u32 shard, struct tombstones **dead, struct error *e)
{
    const struct tsdb_deletion *w = d->what;
    struct head *h = d->db->heads[shard];
    struct head_source source;
    head_source_init(&source, h);
    struct postings *set = index_select(&source.source, w->tenant, w->ms, w->count, e);
    if (!set) {
        return false;
    }
    u64 n;
    u32 *all = ordinals_of(set, &n);
    struct tombstone_list l = {0};
    u32 added = 0;
    bool ok = list_begin(&l, *dead, e);
    for (u64 from = 0; ok && from < n; from += HEAD_SLICE) {
        head_turn_take(h);
        for (u64 i = from; ok && i < n && i < from + HEAD_SLICE; i++) {
            struct tombstone t = d->mark;
            t.series = all[i];
            t.min_ms = MAX(w->min_ms, d->db->head_min);
            t.max_ms = MIN(w->max_ms, h->rows[all[i]].t_last);
            if (head_live(h, all[i]) && t.min_ms <= t.max_ms) {
                ok = tombstone_add(&l, t, e);
                added++;
            }
        }
        head_turn_drop(h);
    }
    for (u32 i = l.n - MIN(added, l.n); ok && i < l.n; i++) { // None leaves without the work turn.
        deleted_put_live(&d->deleted, h, &l.items[i]);
    }
    // What is marked must be on disk: if a stop lost it, it would be sent again and be hidden.
    ok = ok && (added == 0 || tsdb_log_sync(d->db, shard, e));
    if (ok && added > 0) {
        tombstones_unref(*dead);
        *dead = tombstones_make(&l);
        d->series += added;
    }
    tombstone_list_fini(&l);
    mem_free(all);
    return ok;
}

// A block that cannot be read just now would bring back what is deleted of it.
static bool all_readable(struct tsdb *db, const struct tsdb_deletion *w, struct error *e)
{
    bool ok = true;
    lock_take(&db->lock);
    for (u32 i = 0; ok && i < db->gap_count; i++) {
        const struct block_gap *g = &db->gaps[i];
        if (g->retry && g->min_ms <= w->max_ms && g->max_ms > w->min_ms) {
            ok = err_set(e, ERR_UNAVAILABLE, "block %s cannot be read now; try again", g->name);
        }
    }
    lock_drop(&db->lock);
    return ok;
}

// The list with what this deletion added; the old one if it added nothing.
static bool deleted_take(struct deleting *d, struct block_set *fresh, struct error *e)
{
    struct deleted_list *made;
    const bool more = d->deleted.bytes.len > deleted_list_bytes(fresh->deleted).len;
    if (!deleted_end(&d->deleted, &made, e)) {
        return false;
    }
    if (!more) {
        deleted_list_unref(made);
        return true;
    }
    deleted_list_unref(fresh->deleted);
    fresh->deleted = made;
    return true;
}

bool tsdb_delete(struct tsdb *db, const struct tsdb_deletion *what, u64 *id, struct error *e)
{
    if (what->count == 0 || what->min_ms > what->max_ms) {
        return err_set(e, ERR_INVALID,
                       what->count == 0 ? "a deletion needs matchers"
                                        : "end timestamp must not be before start timestamp");
    }
    work_take(db);
    i64 now = clk_wall_ms(db->opts.clk);
    db->deletions++;
    struct deleting d = {.db = db,
                         .what = what,
                         .mark = {.id = (u64)now << 12 | (db->deletions & 0xfff), .made_ms = now}};
    struct block_set *fresh = block_set_with(db->blocks, NULL, NULL, 0);
    deleted_begin(&d.deleted, fresh->deleted);
    bool ok = all_readable(db, what, e);
    for (u32 i = 0; ok && i < fresh->n; i++) {
        const struct block_meta *m = &fresh->blocks[i]->meta;
        if (m->min_ms <= what->max_ms && m->max_ms > what->min_ms) {
            ok = block_mark(&d, fresh->blocks[i], &fresh->dead[i], e);
        }
    }
    for (u32 i = 0; ok && i < SHARDS && what->max_ms >= db->head_min; i++) {
        ok = shard_mark(&d, i, &fresh->heads[i], e);
    }
    ok = deleted_take(&d, fresh, ok ? e : NULL) && ok;
    if (!ok) {
        block_set_unref(db, fresh);
    } else {
        ok = dead_publish(db, fresh, e);
    }
    work_drop(db);
    if (!ok) {
        return err_in(e, "deleting series");
    }
    LOGF(db->opts.log, LOG_INFO,
         "deletion %llu: marked %llu series, counted once in each block and once in the head; it "
         "can be undone for 24 hours",
         (unsigned long long)d.mark.id, (unsigned long long)d.series);
    *id = d.mark.id;
    return true;
}

// Returns how many entries were of that deletion.
static u32 deleted_untake(struct block_set *fresh, u64 id)
{
    u32 dropped = 0;
    struct deleted_list *kept = deleted_filtered(fresh->deleted, not_of, &id, &dropped);
    struct deleted_list *unused = dropped > 0 ? fresh->deleted : kept;
    fresh->deleted = dropped > 0 ? kept : fresh->deleted;
    deleted_list_unref(unused);
    return dropped;
}

bool tsdb_undelete(struct tsdb *db, u64 id, struct error *e)
{
    u32 dropped = 0;
    work_take(db);
    struct block_set *fresh = block_set_with(db->blocks, NULL, NULL, 0);
    for (u32 i = 0; i < fresh->n + SHARDS; i++) {
        struct tombstones **at = i < fresh->n ? &fresh->dead[i] : &fresh->heads[i - fresh->n];
        u32 before = dropped;
        struct tombstones *kept = filtered(*at, not_of, &id, &dropped);
        if (dropped == before) {
            tombstones_unref(kept);
            continue;
        }
        tombstones_unref(*at);
        *at = kept;
    }
    dropped += deleted_untake(fresh, id);
    bool ok = dropped > 0;
    if (!ok) {
        block_set_unref(db, fresh);
        (void)err_set(e, ERR_NOT_FOUND, "there is no deletion %llu that could be undone",
                      (unsigned long long)id);
    } else {
        ok = dead_publish(db, fresh, e) || err_in(e, "undoing a deletion");
    }
    work_drop(db);
    return ok;
}

bool tsdb_clean(struct tsdb *db, u32 *blocks, struct error *e)
{
    bool ok = true;
    bool did = true;
    u32 cleaned = 0;
    const i64 began = clk_mono_ns(db->opts.clk);
    while (ok && did) {
        work_take(db);
        ok = compact_clean(db, 1, &did, e);
        work_drop(db);
        cleaned += ok && did;
    }
    *blocks = cleaned;
    tsdb_took(db, db->clean_seconds, began);
    return ok;
}
