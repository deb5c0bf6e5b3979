// block_set.c: the list of blocks: opened at start, swapped whole, damage set aside.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

#define LIST_BYTES_MAX ((size_t)256 << 20)
#define GAPS_MAX       4096U

struct block_set *block_set_with(const struct block_set *s, struct block *add,
                                 const struct block *drop)
{
    u32 n = s ? s->n : 0;
    struct block_set *made = mem_new(1, sizeof(*made) + (n + 1) * sizeof(struct block *));
    made->refs = 1;
    for (u32 i = 0; i < n; i++) {
        if (add && s->blocks[i]->meta.min_ms > add->meta.min_ms) {
            made->blocks[made->n++] = add;
            add = NULL;
        }
        if (s->blocks[i] != drop) {
            made->blocks[made->n++] = s->blocks[i];
        }
    }
    if (add) {
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
    block_set_unref(db, old);
}

// Queries over the range that the name tells say "partial" from now on.
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

// Moves a damaged block out of the way; it is never deleted (I8, I9).
static void block_set_aside(struct tsdb *db, str name, const struct error *why)
{
    char from[512];
    char to[512];
    char path[300];
    struct error failed = {0};
    (void)snprintf(path, sizeof(path), "blocks/%.*s", STR_ARG(name));
    tsdb_path(db, path, from);
    (void)snprintf(path, sizeof(path), "quarantine/%.*s", STR_ARG(name));
    tsdb_path(db, path, to);
    LOGF(db->opts.log, LOG_ERROR, "block %.*s is damaged and set aside in %s: %s", STR_ARG(name),
         to, why->text);
    if (!fs_rename(db->opts.fs, from, to, &failed)) {
        LOGF(db->opts.log, LOG_ERROR, "block %.*s stays where it is, unread: %s", STR_ARG(name),
             failed.text);
    }
    gap_add(db, name, false);
}

static void block_load(struct tsdb *db, str name)
{
    char relative[300];
    char path[512];
    struct error why = {0};
    (void)snprintf(relative, sizeof(relative), "blocks/%.*s", STR_ARG(name));
    tsdb_path(db, relative, path);
    struct block *b = block_open(db->opts.fs, path, ++db->block_uid, &why);
    if (b) {
        block_set_publish(db, block_set_with(db->blocks, b, NULL), b->meta.max_ms);
    } else if (why.code == ERR_CORRUPT || why.code == ERR_NOT_FOUND) {
        block_set_aside(db, name, &why);
    } else { // A newer format, or the system refused: untouched, but not silently missing.
        LOGF(db->opts.log, LOG_ERROR, "block %.*s is not read: %s", STR_ARG(name), why.text);
        gap_add(db, name, why.code != ERR_UNSUPPORTED);
    }
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
        block_load(db, str_c(name));
    }
}

static void quarantine_list(struct tsdb *db, struct arena *a)
{
    char path[512];
    struct fs_info *infos;
    size_t n;
    struct error why = {0};
    tsdb_path(db, "quarantine", path);
    if (!fs_list(db->opts.fs, path, a, &infos, &n, &why)) {
        LOGF(db->opts.log, LOG_WARN, "quarantine: %s", why.text);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (infos[i].is_dir) {
            gap_add(db, infos[i].name, false);
        }
    }
}

bool blocks_open(struct tsdb *db, struct error *e)
{
    char path[512];
    struct fs_info *infos;
    size_t n;
    struct arena *a = arena_new(LIST_BYTES_MAX);
    tsdb_path(db, "blocks", path);
    bool ok = fs_list(db->opts.fs, path, a, &infos, &n, e);
    quarantine_list(db, a);
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
            block_load(db, name);
        }
    }
    arena_free(a);
    return ok;
}

#define FLOOR_BYTES 20U
static const char floor_magic[8] = {'T', 'M', 'F', 'L', 'O', 'O', 'R', '1'};

bool tsdb_floor_read(struct tsdb *db, struct error *e)
{
    char path[512];
    str file;
    struct error why = {0};
    struct arena *a = arena_new((size_t)1 << 16);
    tsdb_path(db, "floor", path);
    bool ok = true;
    if (!fs_read_file(db->opts.fs, path, 4096, a, &file, &why)) {
        ok = why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    } else if (file.len != FLOOR_BYTES || memcmp(file.ptr, floor_magic, sizeof(floor_magic)) != 0 ||
               crc32c(0, file.ptr, 16) != load_le32(file.ptr + 16)) {
        // At worst what retention removed comes back from the log and is removed again.
        LOGF(db->opts.log, LOG_WARN, "%s is damaged and passed over", path);
    } else {
        db->head_min = MAX(db->head_min, (i64)load_le64(file.ptr + 8));
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
