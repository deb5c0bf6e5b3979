// tsdb_delete.c: deletions of series' samples, taking them back, compacting them away.
//
//   delete: turn ─► what matches, by block and shard ─► the log is synced ─► files ─► published
// A deletion reaches what a series holds at that moment: what comes later is kept, but for late
// samples that fall into the range. If one of the files cannot be written, those before it are
// put back and the deletion has failed.
#include "tsdb/tsdb_delete.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/compact.h"
#include "tsdb/head.h"
#include "tsdb/head_source.h"
#include "tsdb/index_select.h"
#include "tsdb/postings.h"
#include "tsdb/stored_file.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_cold.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

#define DELETED_VERSION 1U
#define LABELS_MAX      4096U

static const char deleted_magic[8] = {'T', 'M', 'D', 'E', 'L', 'E', 'T', '1'};

// --- The head's file ---------------------------------------------------------------------------

static void entry_put(struct buf *b, struct head *h, u32 shard, const struct tombstone *t)
{
    u32 symbols[2 * (HEAD_LABELS_MAX + 1)];
    lock_take(&h->lock);
    u32 count = head_label_symbols(h, t->series, symbols);
    buf_byte(b, (u8)shard);
    buf_varint(b, h->rows[t->series].tenant);
    buf_varint(b, t->id);
    buf_varsint(b, t->made_ms);
    buf_varsint(b, t->min_ms);
    buf_varsint(b, t->max_ms);
    buf_varint(b, count - 1);
    for (u32 i = 2; i < 2 * count; i++) {
        buf_lenstr(b, symtab_get(h->index.symbols, symbols[i]));
    }
    lock_drop(&h->lock);
}

// A series that left has nothing any more that could be deleted.
static bool is_live(struct head *h, u32 ordinal)
{
    lock_take(&h->lock);
    bool live = head_live(h, ordinal);
    lock_drop(&h->lock);
    return live;
}

static bool head_deleted_write(struct tsdb *db, struct tombstones *const dead[SHARDS],
                               struct error *e)
{
    char path[512];
    struct buf b;
    tsdb_path(db, "deleted", path);
    buf_init(&b, DELETED_BYTES_MAX);
    buf_add(&b, deleted_magic, sizeof(deleted_magic));
    buf_le32(&b, DELETED_VERSION);
    for (u32 s = 0; s < SHARDS; s++) {
        for (u32 i = 0; dead[s] && i < dead[s]->n; i++) {
            if (is_live(db->heads[s], dead[s]->items[i].series)) {
                entry_put(&b, db->heads[s], s, &dead[s]->items[i]);
            }
        }
    }
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    bool ok = buf_ok(&b)
                  ? fs_replace_file(db->opts.fs, path, buf_get(&b), e)
                  : err_set(e, ERR_LIMIT, "%s would pass %zu bytes", path, DELETED_BYTES_MAX);
    buf_fini(&b);
    return ok;
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

static bool entry_get(struct tsdb *db, struct dec *d, struct tombstone_list *lists, struct arena *a)
{
    struct label items[LABELS_MAX];
    u8 shard = dec_u8(d);
    u64 tenant = dec_varint(d);
    struct tombstone t = {.id = dec_varint(d)};
    t.made_ms = dec_varsint(d);
    t.min_ms = dec_varsint(d);
    t.max_ms = dec_varsint(d);
    u64 count = dec_varint(d);
    if (!dec_ok(d) || shard >= SHARDS || tenant > UINT32_MAX || count > LABELS_MAX ||
        t.min_ms > t.max_ms) {
        return false;
    }
    for (u64 i = 0; i < count; i++) {
        items[i].name = dec_lenstr(d);
        items[i].value = dec_lenstr(d);
    }
    struct labels set = {.items = items, .count = (u32)count};
    struct error ignored; // A longer list than it can have been written.
    return dec_ok(d) &&
           (!series_of(db->heads[shard], (struct tenant_id){(u32)tenant}, set, &t.series, a) ||
            tombstone_add(&lists[shard], t, &ignored));
}

bool head_deleted_check(str file, struct error *e)
{
    if (file.len < 16 || memcmp(file.ptr, deleted_magic, sizeof(deleted_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "no list of deletions (%zu bytes)", file.len);
    }
    if (crc32c(0, file.ptr, file.len - 4) != load_le32(file.ptr + file.len - 4)) {
        return err_set(e, ERR_CORRUPT, "the checksum of the bytes from offset 0 to %zu is wrong",
                       file.len - 4);
    }
    return load_le32(file.ptr + 8) == DELETED_VERSION ||
           err_set(e, ERR_UNSUPPORTED, "deletions of format version %u; this release reads %u",
                   load_le32(file.ptr + 8), DELETED_VERSION);
}

bool head_deleted_read(struct tsdb *db, struct error *e)
{
    char path[512];
    str file;
    struct error why = {0};
    struct arena *a = arena_new(DELETED_BYTES_MAX * 2);
    struct tombstone_list lists[SHARDS] = {{0}};
    bool ok = true;
    tsdb_path(db, "deleted", path);
    const bool there = stored_file_read(db->opts.fs, path, DELETED_BYTES_MAX, a, &file, &why);
    if (!there && why.code != ERR_CORRUPT) {
        ok = why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    } else {
        bool good = there && head_deleted_check(file, &why);
        struct dec d = dec_of(good ? str_sub(file, 12, file.len - 4) : STR_EMPTY);
        while (good && dec_left(&d) > 0) {
            good = entry_get(db, &d, lists, a) || err_set(&why, ERR_CORRUPT, "an entry is damaged");
        }
        if (!good && why.code == ERR_UNSUPPORTED) { // What was deleted must not show again.
            ok = err_set(e, why.code, "%s: %s", path, why.text);
        } else if (!good) {
            LOGF(db->opts.log, LOG_ERROR,
                 "%s is damaged (%s): what was deleted of the last hours may show again", path,
                 why.text);
        }
    }
    ok = ok && tsdb_cold_dead(db, lists, e);
    struct block_set *s = block_set_with(db->blocks, NULL, NULL, 0);
    for (u32 i = 0; i < SHARDS; i++) {
        tombstones_unref(s->heads[i]);
        s->heads[i] = tombstones_make(&lists[i]);
        tombstone_list_fini(&lists[i]);
    }
    block_set_publish(db, s, INT64_MIN);
    arena_free(a);
    return ok;
}

// Those of a set that are wanted; *dropped counts the others.
typedef bool tombstone_want(const struct tombstone *t, const void *ctx);

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

void head_deleted_prune(struct tsdb *db)
{
    u32 dropped = 0;
    struct error why;
    struct block_set *s = block_set_with(db->blocks, NULL, NULL, 0);
    for (u32 i = 0; i < SHARDS; i++) {
        const struct still still = {db->heads[i], db->head_min};
        struct tombstones *kept = filtered(s->heads[i], still_of_head, &still, &dropped);
        tombstones_unref(s->heads[i]);
        s->heads[i] = kept;
    }
    if (dropped == 0) {
        block_set_unref(db, s);
        return;
    }
    if (!head_deleted_write(db, s->heads, &why)) { // Too many of them do no harm.
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
    ok = ok && ((fresh->heads[SHARD_MAIN] == old->heads[SHARD_MAIN] &&
                 fresh->heads[SHARD_RULES] == old->heads[SHARD_RULES]) ||
                head_deleted_write(db, fresh->heads, e));
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
    (void)!head_deleted_write(db, old->heads, &ignored);
    block_set_unref(db, fresh);
    return false;
}

// --- Delete ------------------------------------------------------------------------------------

// Threads: owned by the call.
struct deleting {
    struct tsdb *db;
    const struct tsdb_deletion *what;
    struct tombstone mark; // Of every series, but for its number and range.
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
