// block_set.c: the list of blocks: opened at start, swapped whole, damage set aside.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/fs.h"
#include "os/map_guard.h"
#include "tsdb/block.h"
#include "tsdb/deleted_list.h"
#include "tsdb/stored_file.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>
#include <stdlib.h>

#define LIST_BYTES_MAX ((size_t)256 << 20)
#define GAPS_MAX       4096U

static bool is_among(const struct block *b, struct block *const *blocks, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        if (blocks[i] == b) {
            return true;
        }
    }
    return false;
}

struct block_set *block_set_with(const struct block_set *s, struct block *add,
                                 struct block *const *drops, u32 drop_count)
{
    u32 n = s ? s->n : 0;
    size_t blocks_bytes = (n + 1) * sizeof(struct block *);
    struct block_set *made =
        mem_new(1, sizeof(*made) + blocks_bytes + (n + 1) * sizeof(struct tombstones *));
    made->refs = 1;
    made->dead = (struct tombstones **)(void *)((char *)made->blocks + blocks_bytes);
    for (u32 i = 0; s && i < SHARDS; i++) {
        made->heads[i] = tombstones_ref(s->heads[i]);
    }
    made->deleted = deleted_list_ref(s ? s->deleted : NULL);
    for (u32 i = 0; i < n; i++) {
        if (add && s->blocks[i]->meta.min_ms > add->meta.min_ms) {
            made->dead[made->n] = tombstones_ref(add->dead);
            made->blocks[made->n++] = add;
            add = NULL;
        }
        if (!is_among(s->blocks[i], drops, drop_count)) {
            made->dead[made->n] = tombstones_ref(s->dead[i]);
            made->blocks[made->n++] = s->blocks[i];
        }
    }
    if (add) {
        made->dead[made->n] = tombstones_ref(add->dead);
        made->blocks[made->n++] = add;
    }
    for (u32 i = 0; i < made->n; i++) {
        made->blocks[i]->refs++;
    }
    return made;
}

void block_set_unref(struct tsdb *db, struct block_set *s)
{
    if (!s) {
        return;
    }
    lock_take(&db->lock);
    bool last = --s->refs == 0;
    u32 closed = 0;
    for (u32 i = 0; last && i < s->n; i++) {
        tombstones_unref(s->dead[i]);
    }
    for (u32 i = 0; last && i < SHARDS; i++) {
        tombstones_unref(s->heads[i]);
    }
    deleted_list_unref(last ? s->deleted : NULL);
    for (u32 i = 0; last && i < s->n; i++) {
        struct block *b = s->blocks[i];
        if (--b->refs == 0) {
            s->blocks[closed++] = b;
        }
    }
    lock_drop(&db->lock);
    for (u32 i = 0; i < closed; i++) {
        block_close(s->blocks[i]);
    }
    if (last) {
        mem_free(s);
    }
}

void block_set_publish(struct tsdb *db, struct block_set *s, i64 head_min)
{
    lock_take(&db->lock);
    struct block_set *old = db->blocks;
    db->blocks = s;
    db->head_min = MAX(db->head_min, head_min);
    db->publish++;
    lock_drop(&db->lock);
    tsdb_count(db, COUNT_RELOADS, 1);
    block_set_unref(db, old);
}

static void gap_add(struct tsdb *db, str name, bool retry)
{
    struct block_meta m = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    (void)block_name_parse(name, &m);
    lock_take(&db->lock);
    if (db->gap_count < GAPS_MAX) {
        db->gaps = MEM_GROW(db->gaps, db->gap_count + 1, struct block_gap);
        struct block_gap *g = &db->gaps[db->gap_count++];
        *g = (struct block_gap){.min_ms = m.min_ms, .max_ms = m.max_ms, .retry = retry};
        (void)snprintf(g->name, sizeof(g->name), "%.*s", STR_ARG(name));
    }
    lock_drop(&db->lock);
}

void blocks_gap_add(struct tsdb *db, str name)
{
    gap_add(db, name, false);
}

void blocks_gap_drop(struct tsdb *db, u32 gap)
{
    lock_take(&db->lock);
    db->gaps[gap] = db->gaps[--db->gap_count];
    lock_drop(&db->lock);
}

// How much a block holds, as its description says; that may be what is damaged.
static void holding_tell(struct tsdb *db, const char *dir, str name, char out[128])
{
    char path[520];
    struct block_meta m = {0};
    struct error ignored;
    (void)snprintf(path, sizeof(path), "%s/meta", dir);
    if (block_meta_read(db->opts.fs, path, &m, &ignored)) {
        (void)snprintf(out, 128, "%llu series, %llu samples from %lld to %lld",
                       (unsigned long long)m.series, (unsigned long long)m.samples,
                       (long long)m.min_ms, (long long)m.max_ms - 1);
    } else if (block_name_parse(name, &m)) {
        (void)snprintf(out, 128, "an unknown number of series from %lld to %lld",
                       (long long)m.min_ms, (long long)m.max_ms - 1);
    } else {
        (void)snprintf(out, 128, "an unknown number of series of an unknown time");
    }
}

// Moves a damaged block out of the way; it is never deleted (I8, I9).
static void block_set_aside(struct tsdb *db, str name, const struct error *why)
{
    char from[512];
    char to[512];
    char path[300];
    char holding[128];
    struct error failed = {0};
    (void)snprintf(path, sizeof(path), "blocks/%.*s", STR_ARG(name));
    tsdb_path(db, path, from);
    (void)snprintf(path, sizeof(path), "quarantine/%.*s", STR_ARG(name));
    tsdb_path(db, path, to);
    holding_tell(db, from, name, holding);
    LOGF(db->opts.log, LOG_ERROR, "block %.*s (%s) is damaged and set aside in %s: %s",
         STR_ARG(name), holding, to, why->text);
    if (!fs_rename(db->opts.fs, from, to, &failed)) {
        LOGF(db->opts.log, LOG_ERROR, "block %.*s stays where it is, unread: %s", STR_ARG(name),
             failed.text);
    }
    gap_add(db, name, false);
}

bool block_is_of_head(const struct tsdb *db, const struct block *b)
{
    return b->meta.cold && b->meta.max_ms > db->head_min;
}

void block_path(const struct tsdb *db, str name, char out[512])
{
    char relative[300];
    (void)snprintf(relative, sizeof(relative), "blocks/%.*s", STR_ARG(name));
    tsdb_path(db, relative, out);
}

// Unlists, then removes: a crash between the two leaves a ".gone" folder for the next start.
static bool folder_remove(struct tsdb *db, str name, struct error *e)
{
    char gone[520];
    char dir[512];
    char path[512];
    struct fs_info info;
    block_path(db, name, path);
    (void)snprintf(gone, sizeof(gone), "%s.gone", path);
    tsdb_path(db, "blocks", dir);
    struct error why = {0};
    if (!fs_stat(db->opts.fs, path, &info, &why) && why.code == ERR_NOT_FOUND) {
        return true;
    }
    return fs_rename(db->opts.fs, path, gone, e) && fs_sync_dir(db->opts.fs, dir, e) &&
           fs_remove_tree(db->opts.fs, gone, e);
}

static bool folder_forget(struct tsdb *db, str name, struct error *e)
{
    if (folder_remove(db, name, e)) {
        return true;
    }
    db->leftovers = MEM_GROW(db->leftovers, db->leftover_count + 1, struct block_leftover);
    struct block_leftover *l = &db->leftovers[db->leftover_count++];
    (void)snprintf(l->name, sizeof(l->name), "%.*s", STR_ARG(name));
    return false;
}

bool block_forget(struct tsdb *db, const struct block_meta *m, struct error *e)
{
    char name[BLOCK_NAME];
    block_name(m, name);
    return folder_forget(db, str_c(name), e);
}

bool blocks_sweep(struct tsdb *db, struct error *e)
{
    while (db->leftover_count > 0) {
        if (!folder_remove(db, str_c(db->leftovers[db->leftover_count - 1].name), e)) {
            return err_in(e, "removing a block that was replaced");
        }
        db->leftover_count--;
    }
    return true;
}

// A block that another one was made of counts for nothing once that one is listed: a stop came
// between listing the one and removing the other.
static void superseded_drop(struct tsdb *db, struct block *b)
{
    struct block *drops[BLOCK_SOURCES_MAX];
    u32 n = 0;
    for (u32 i = 0; i < db->blocks->n; i++) {
        struct block *o = db->blocks->blocks[i];
        if (block_meta_has_source(&o->meta, b->meta.id)) {
            struct error ignored; // Kept in mind and tried again.
            (void)!block_forget(db, &b->meta, &ignored);
            block_close(b);
            return;
        }
        if (n < BLOCK_SOURCES_MAX && block_meta_has_source(&b->meta, o->meta.id)) {
            drops[n++] = o;
        }
    }
    for (u32 i = 0; i < n; i++) {
        struct error ignored;
        (void)!block_forget(db, &drops[i]->meta, &ignored);
    }
    block_set_publish(db, block_set_with(db->blocks, b, drops, n),
                      b->meta.cold ? INT64_MIN : b->meta.max_ms);
}

// verify: what it was made of is still there, and better if it is damaged itself. false: it is a
// cold one, which is a part of the log, and the system refuses it or it is of a newer format.
static bool block_load(struct tsdb *db, str name, bool verify, struct error *e)
{
    char path[512];
    struct block_meta m = {0};
    struct error why = {0};
    const u64 holes = map_guard_holes();
    block_path(db, name, path);
    struct block *b = block_open(db->opts.fs, path, ++db->block_uid, &why);
    if (b && verify && !block_verify(b, &why)) {
        block_close(b);
        b = NULL;
    }
    if (!b && why.code == ERR_CORRUPT && map_guard_holes() != holes) { // Pages read as zeroes.
        why.code = ERR_IO;
    }
    tsdb_count(db, COUNT_RELOADS_FAILED, b == NULL);
    if (b) {
        superseded_drop(db, b);
    } else if (why.code == ERR_CORRUPT || why.code == ERR_NOT_FOUND) {
        block_set_aside(db, name, &why);
    } else if (block_name_parse(name, &m) && m.cold) {
        return err_set(e, why.code, "block %.*s: %s", STR_ARG(name), why.text);
    } else { // A newer format, or the system refused: untouched, but not silently missing.
        LOGF(db->opts.log, LOG_ERROR, "block %.*s is not read: %s", STR_ARG(name), why.text);
        gap_add(db, name, why.code != ERR_UNSUPPORTED);
    }
    return true;
}

void blocks_retry(struct tsdb *db)
{
    char name[128] = {0};
    lock_take(&db->lock);
    for (u32 i = 0; i < db->gap_count && !name[0]; i++) {
        if (db->gaps[i].retry) {
            memcpy(name, db->gaps[i].name, sizeof(name));
            db->gaps[i] = db->gaps[--db->gap_count];
        }
    }
    lock_drop(&db->lock);
    if (name[0]) { // One each round; if it is refused again, it is noted again.
        (void)!block_load(db, str_c(name), false, NULL); // No cold one: those are read at open.
    }
}

// What was set aside before is missing from answers still, and is not to be passed over unread.
static bool quarantine_list(struct tsdb *db, struct arena *a, struct error *e)
{
    char path[512];
    struct fs_info *infos = NULL;
    size_t n = 0;
    tsdb_path(db, "quarantine", path);
    if (!fs_list(db->opts.fs, path, a, &infos, &n, e)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (infos[i].is_dir) {
            gap_add(db, infos[i].name, false);
        }
    }
    return true;
}

// A folder that may be a block. Threads: owned by open.
struct found_block {
    str name;
    struct block_meta *meta; // Only of one that was made of others and can be read.
    char id[BLOCK_ID_LEN + 1];
};

static int by_level_down(const void *a, const void *b)
{
    const struct found_block *x = a;
    const struct found_block *y = b;
    u32 level_x = x->meta ? x->meta->level : 0;
    u32 level_y = y->meta ? y->meta->level : 0;
    return level_x != level_y ? (level_x < level_y ? 1 : -1) : str_cmp(x->name, y->name);
}

static void found_look(struct tsdb *db, str name, struct arena *a, struct found_block *out)
{
    char path[512];
    char file[600];
    struct block_meta m = {0};
    struct error ignored; // Loading it will tell.
    *out = (struct found_block){.name = name};
    block_path(db, name, path);
    (void)snprintf(file, sizeof(file), "%s/meta", path);
    if (block_name_parse(name, &m)) {
        memcpy(out->id, m.id, sizeof(out->id));
    }
    if (block_meta_read(db->opts.fs, file, &m, &ignored) && m.source_count > 0) {
        out->meta = ARENA_NEW(a, struct block_meta);
        *out->meta = m;
    }
}

// Those that were made of others first, so that what they replaced is not even opened.
static bool found_load(struct tsdb *db, const struct found_block *all, u32 n, u32 at,
                       struct error *e)
{
    const struct found_block *f = &all[at];
    for (u32 i = 0; i < db->blocks->n; i++) {
        const struct block_meta *m = &db->blocks->blocks[i]->meta;
        if (f->id[0] && block_meta_has_source(m, f->id)) {
            struct error ignored; // Kept in mind and tried again.
            (void)!folder_forget(db, f->name, &ignored);
            return true;
        }
    }
    bool sources_left = false;
    for (u32 i = 0; f->meta && i < n && !sources_left; i++) {
        sources_left = all[i].id[0] && block_meta_has_source(f->meta, all[i].id);
    }
    return block_load(db, f->name, sources_left, e);
}

bool blocks_open(struct tsdb *db, struct error *e)
{
    char path[512];
    struct fs_info *infos;
    size_t n;
    u32 count = 0;
    struct arena *a = arena_new(LIST_BYTES_MAX);
    tsdb_path(db, "blocks", path);
    bool ok = fs_list(db->opts.fs, path, a, &infos, &n, e) && quarantine_list(db, a, e);
    struct found_block *found = ok ? ARENA_NEW_N(a, struct found_block, n + 1) : NULL;
    for (size_t i = 0; ok && i < n; i++) {
        str name = infos[i].name;
        if (str_ends(name, STR(".tmp")) || str_ends(name, STR(".gone"))) {
            char gone[1024]; // Never listed, or unlisted by retention.
            struct error why = {0};
            (void)snprintf(gone, sizeof(gone), "%s/%.*s", path, STR_ARG(name));
            if (!fs_remove_tree(db->opts.fs, gone, &why)) {
                LOGF(db->opts.log, LOG_WARN, "blocks: leftover %s", why.text);
            }
        } else if (infos[i].is_dir && name.len < BLOCK_NAME) {
            found_look(db, name, a, &found[count++]);
        }
    }
    if (count > 1) {
        qsort(found, count, sizeof(*found), by_level_down);
    }
    for (u32 i = 0; ok && i < count; i++) {
        ok = found_load(db, found, count, i, e);
    }
    arena_free(a);
    return ok;
}

#define FLOOR_BYTES 20U
static const char floor_magic[8] = {'T', 'M', 'F', 'L', 'O', 'O', 'R', '1'};

bool tsdb_floor_decode(str file, i64 *floor, struct error *e)
{
    const size_t name = sizeof(floor_magic) - 1; // Behind it stands the version.
    if (file.len != FLOOR_BYTES || memcmp(file.ptr, floor_magic, name) != 0) {
        return err_set(e, ERR_CORRUPT, "not %u bytes of a floor (%zu)", FLOOR_BYTES, file.len);
    }
    if (crc32c(0, file.ptr, 16) != load_le32(file.ptr + 16)) {
        return err_set(e, ERR_CORRUPT, "the checksum of the bytes from offset 0 to 16 is wrong");
    }
    if (file.ptr[name] != floor_magic[name]) {
        return err_set(e, ERR_UNSUPPORTED, "a floor of format version %c; this release reads %c",
                       file.ptr[name], floor_magic[name]);
    }
    *floor = (i64)load_le64(file.ptr + 8);
    return true;
}

bool tsdb_floor_read(struct tsdb *db, struct error *e)
{
    char path[512];
    str file;
    struct error why = {0};
    struct arena *a = arena_new((size_t)1 << 16);
    tsdb_path(db, "floor", path);
    i64 floor = 0;
    bool ok = true;
    const bool there = stored_file_read(db->opts.fs, path, 4096, a, &file, &why);
    if (!there && why.code != ERR_CORRUPT) {
        ok = why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    } else if (!there || !tsdb_floor_decode(file, &floor, &why)) {
        ok = why.code != ERR_UNSUPPORTED || err_set(e, why.code, "%s: %s", path, why.text);
        if (ok) { // At worst what retention removed comes back from the log and is removed again.
            LOGF(db->opts.log, LOG_WARN, "%s is damaged (%s) and passed over", path, why.text);
        }
    } else {
        db->head_min = MAX(db->head_min, floor);
    }
    arena_free(a);
    return ok;
}

bool tsdb_floor_write(struct tsdb *db, i64 floor, struct error *e)
{
    char path[512];
    struct buf b;
    tsdb_path(db, "floor", path);
    buf_init(&b, FLOOR_BYTES);
    buf_add(&b, floor_magic, sizeof(floor_magic));
    buf_le64(&b, (u64)floor);
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    bool ok = fs_replace_file(db->opts.fs, path, buf_get(&b), e);
    buf_fini(&b);
    return ok;
}
