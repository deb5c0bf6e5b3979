// tsdb_verify.c: looks at a store's files without opening it: every checksum, every block's facts.
// Nothing is changed, so a running store may be looked at; what it removes meanwhile is no damage.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/block_set.h"
#include "tsdb/deleted_list.h"
#include "tsdb/stored_file.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_status.h"
#include "tsdb/wal_record.h"

#include <stdio.h>

#define LIST_BYTES_MAX ((size_t)64 << 20)
#define LINE_BYTES     800
#define PATH_BYTES     640

// Threads: owned.
struct verify {
    struct fs *fs;
    const char *dir;
    struct arena *arena;
    struct tsdb_verify *out;
    struct error unread; // Of the first place that could not be looked at.
};

static void damage_tell(struct verify *v, const char *where, const char *what)
{
    char line[LINE_BYTES];
    (void)snprintf(line, sizeof(line), "%s: %s", where, what);
    v->out->damages++;
    v->out->damage(v->out->ctx, str_c(line));
}

// Want of memory, or a system that refuses to read, says nothing of what is stored.
static bool is_damage(const struct error *why)
{
    return why->code == ERR_CORRUPT || why->code == ERR_NOT_FOUND || why->code == ERR_UNSUPPORTED;
}

static void trouble_tell(struct verify *v, const char *where, const struct error *why)
{
    if (is_damage(why)) {
        damage_tell(v, where, why->text);
    } else if (v->out->unread++ == 0) {
        (void)err_set(&v->unread, why->code, "%s: %s", where, why->text);
    }
}

static void page_trouble(void *ctx, const struct error *why)
{
    struct verify *v = ctx;
    if (is_damage(why)) {
        v->out->damages++;
        v->out->damage(v->out->ctx, str_c(why->text));
    } else if (v->out->unread++ == 0) {
        v->unread = *why;
    }
}

// The folders of blocks, sorted by name; none if there is no such folder.
static bool blocks_find(struct fs *fs, const char *dir, struct arena *a, struct fs_info **infos,
                        size_t *n, struct error *e)
{
    char path[PATH_BYTES];
    struct error why = {0};
    struct block_meta ignored;
    struct fs_info *all = NULL;
    size_t count = 0;
    size_t kept = 0;
    (void)snprintf(path, sizeof(path), "%s/blocks", dir);
    if (!fs_list(fs, path, a, &all, &count, &why)) {
        return err_set(e, why.code, "%s is no folder of a store: %s", dir, why.text);
    }
    for (size_t i = 0; i < count; i++) {
        if (all[i].is_dir && block_name_parse(all[i].name, &ignored)) {
            all[kept++] = all[i];
        }
    }
    *infos = all;
    *n = kept;
    return true;
}

static bool blocks_verify(struct verify *v, struct error *e)
{
    struct fs_info *infos;
    size_t n = 0;
    if (!blocks_find(v->fs, v->dir, v->arena, &infos, &n, e)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char path[PATH_BYTES];
        struct error why = {0};
        struct fs_info still;
        (void)snprintf(path, sizeof(path), "%s/blocks/%.*s", v->dir, STR_ARG(infos[i].name));
        struct block *b = block_open(v->fs, path, 1, &why);
        if (!b) {
            if (fs_stat(v->fs, path, &still, NULL)) {
                trouble_tell(v, path, &why);
            }
            continue;
        }
        v->out->blocks++;
        v->out->bytes += block_bytes(b);
        block_damages(b, page_trouble, v);
        block_close(b);
    }
    return true;
}

// ---- the log ----

// Threads: owned.
struct log_file {
    char path[PATH_BYTES * 2];
    struct wal_header header;
    bool good;
    u64 end; // What lies behind it was declared void.
};

static str map_str(const struct fs_map *m)
{
    return (str){(const char *)m->bytes, m->len};
}

static void log_header(struct verify *v, struct log_file *f)
{
    struct error why = {0};
    struct fs_map map;
    f->end = UINT64_MAX;
    if (!fs_map_open(v->fs, f->path, &map, &why)) {
        if (why.code != ERR_NOT_FOUND) {
            trouble_tell(v, f->path, &why);
        }
        return;
    }
    f->good = wal_header_decode(map_str(&map), &f->header, &why);
    if (!f->good) {
        damage_tell(v, f->path, why.text);
    }
    fs_map_close(v->fs, &map);
}

// is_last: its end may be torn, or just being written.
static void log_records(struct verify *v, const struct log_file *f, bool is_last)
{
    struct fs_map map;
    struct wal_reader r;
    char text[128];
    struct error why = {0};
    if (!f->good) {
        return;
    }
    if (!fs_map_open(v->fs, f->path, &map, &why)) {
        if (why.code != ERR_NOT_FOUND) {
            trouble_tell(v, f->path, &why);
        }
        return;
    }
    v->out->segments++;
    v->out->bytes += map.len;
    wal_reader_init(&r, map_str(&map), MIN(f->end, (u64)map.len), f->header.salt);
    bool more = true;
    while (more) {
        more = wal_reader_next(&r);
        if (r.bad_bytes > 0 && (more || !is_last)) {
            (void)snprintf(text, sizeof(text), "%llu bytes at offset %llu are no record",
                           (unsigned long long)r.bad_bytes, (unsigned long long)r.bad_at);
            damage_tell(v, f->path, text);
        }
    }
    fs_map_close(v->fs, &map);
}

// A later header says from where on older files are void.
static void voids_apply(struct log_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct wal_header *h = &files[i].header;
        for (size_t k = 0; k < i && files[i].good && h->resume_segment != 0; k++) {
            struct log_file *old = &files[k];
            if (old->header.number == h->resume_segment) {
                old->end = MIN(old->end, h->resume_offset);
            } else if (old->header.number > h->resume_segment) {
                old->end = 0;
            }
        }
    }
}

static bool log_verify(struct verify *v, u32 shard, struct error *e)
{
    char dir[PATH_BYTES];
    struct error why = {0};
    struct fs_info *infos = NULL;
    size_t n = 0;
    (void)snprintf(dir, sizeof(dir), "%s/wal/%u", v->dir, shard);
    if (!fs_list(v->fs, dir, v->arena, &infos, &n, &why)) {
        return why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    }
    struct log_file *files = MEM_NEW_N(struct log_file, n + 1);
    const u64 unread = v->out->unread;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const bool is_checkpoint = str_starts(infos[i].name, STR("ckpt-"));
        if (str_ends(infos[i].name, STR(".tmp")) ||
            !(is_checkpoint || str_starts(infos[i].name, STR("seg-")))) {
            continue;
        }
        struct log_file *f = &files[kept];
        (void)snprintf(f->path, sizeof(f->path), "%s/%.*s", dir, STR_ARG(infos[i].name));
        log_header(v, f);
        if (is_checkpoint) { // Written as a whole; nothing says that a part of it is void.
            log_records(v, f, false);
        } else {
            kept++;
        }
    }
    voids_apply(files, kept);
    for (size_t i = 0; i < kept && v->out->unread == unread; i++) { // All headers are known.
        if (files[i].end > 0) {
            log_records(v, &files[i], i + 1 == kept);
        }
    }
    mem_free(files);
    return true;
}

// ---- files beside both ----

static bool floor_check(str file, struct error *e)
{
    i64 floor;
    return tsdb_floor_decode(file, &floor, e);
}

// A file that is replaced as a whole; it may be absent.
static void file_verify(struct verify *v, const char *name, bool (*check)(str, struct error *))
{
    char path[PATH_BYTES];
    struct error why = {0};
    str file;
    struct arena *a = arena_new(DELETED_BYTES_MAX * 2);
    (void)snprintf(path, sizeof(path), "%s/%s", v->dir, name);
    if (stored_file_read(v->fs, path, DELETED_BYTES_MAX, a, &file, &why)) {
        v->out->bytes += file.len;
        if (!check(file, &why)) {
            damage_tell(v, path, why.text);
        }
    } else if (why.code != ERR_NOT_FOUND) {
        trouble_tell(v, path, &why);
    }
    arena_free(a);
}

bool tsdb_verify(struct fs *fs, const char *dir, struct tsdb_verify *out, struct error *e)
{
    struct verify v = {.fs = fs, .dir = dir, .arena = arena_new(LIST_BYTES_MAX), .out = out};
    bool ok = blocks_verify(&v, e);
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = log_verify(&v, i, e);
    }
    if (ok) {
        file_verify(&v, "deleted", head_deleted_check);
        file_verify(&v, "floor", floor_check);
        file_verify(&v, "cold", cold_known_check);
    }
    arena_free(v.arena);
    if (ok && out->unread > 0) {
        ok = err_set(e, v.unread.code, "%llu places could not be looked at, the first: %s",
                     (unsigned long long)out->unread, v.unread.text);
    }
    return ok;
}

bool tsdb_blocks_list(struct fs *fs, const char *dir, struct arena *a,
                      struct tsdb_block_info **infos, u32 *n, struct error *e)
{
    struct fs_info *found;
    size_t count = 0;
    if (!blocks_find(fs, dir, a, &found, &count, e)) {
        return false;
    }
    struct tsdb_block_info *all = ARENA_NEW_N(a, struct tsdb_block_info, count + 1);
    for (size_t i = 0; i < count; i++) {
        char path[PATH_BYTES];
        struct block_meta m = {0};
        (void)snprintf(path, sizeof(path), "%s/blocks/%.*s/meta", dir, STR_ARG(found[i].name));
        all[i].damaged = !block_meta_read(fs, path, &m, NULL);
        if (all[i].damaged) { // What its name says is known.
            (void)block_name_parse(found[i].name, &m);
        }
        all[i].id = arena_str(a, str_c(m.id));
        all[i].min_ms = m.min_ms;
        all[i].max_ms = m.max_ms;
        all[i].series = m.series;
        all[i].chunks = m.chunks;
        all[i].samples = m.samples;
        all[i].bytes = m.data_bytes + m.index_bytes;
        all[i].level = m.level;
    }
    *infos = all;
    *n = (u32)count;
    return true;
}
