// tsdb_restore.c: makes a data folder of a snapshot.
//
// Every checksum of the snapshot is looked at first. The folder is filled as DIR.tmp and listed by
// one rename, so that a stop in between leaves nothing that a server would take for whole. Files of
// a store are never written again once they are whole, so links do; where the system refuses them
// (another disk) bytes are copied.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/outfile.h"
#include "tsdb/tsdb_files.h"

#include <stdio.h>

#define LIST_BYTES_MAX ((size_t)64 << 20)
#define COPY_BYTES     ((size_t)256 << 10)
#define RESTORE_PATH   1200
#define RESTORE_DEPTH  2U // blocks/NAME/file, wal/0/file

// Threads: owned by the call.
struct restore {
    struct fs *fs;
    struct arena *arena;
    u8 *bytes; // COPY_BYTES of them.
};

static bool bytes_copy(const struct restore *r, const char *from, const char *to, struct error *e)
{
    struct outfile out = {0};
    struct file *in = fs_open(r->fs, from, FS_READ, e);
    if (!in) {
        return false;
    }
    u64 size = 0;
    bool ok = fs_size(r->fs, in, &size, e) && outfile_open(&out, r->fs, to, e);
    for (u64 at = 0; ok && at < size;) {
        size_t got = 0;
        ok = fs_read_at(r->fs, in, at, r->bytes, (size_t)MIN(COPY_BYTES, size - at), &got, e);
        if (ok && got == 0) {
            ok = err_set(e, ERR_IO, "%s became shorter while it was copied", from);
        }
        outfile_add(&out, r->bytes, got);
        at += got;
    }
    ok = ok && outfile_finish(&out, e);
    outfile_close(&out);
    fs_close(r->fs, in);
    return ok;
}

static bool file_restore(const struct restore *r, const char *from, const char *to, struct error *e)
{
    struct error refused = {0};
    return fs_link(r->fs, from, to, &refused) || bytes_copy(r, from, to, e);
}

// What a store's folder has: files, and folders of files two deep. Others are left alone.
static bool is_of_store(str name, u32 depth)
{
    return depth > 0 || str_eq_c(name, "blocks") || str_eq_c(name, "wal") ||
           str_eq_c(name, "deleted") || str_eq_c(name, "floor") || str_eq_c(name, "cold");
}

// NOLINTNEXTLINE(misc-no-recursion): RESTORE_DEPTH bounds it
static bool folder_restore(const struct restore *r, const char *from, const char *to, u32 depth,
                           struct error *e)
{
    struct fs_info *infos = NULL;
    size_t n = 0;
    bool ok = fs_make_dir(r->fs, to, e) && fs_list(r->fs, from, r->arena, &infos, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        char source[RESTORE_PATH];
        char target[RESTORE_PATH];
        const int a = snprintf(source, sizeof(source), "%s/%.*s", from, STR_ARG(infos[i].name));
        const int b = snprintf(target, sizeof(target), "%s/%.*s", to, STR_ARG(infos[i].name));
        if (!is_of_store(infos[i].name, depth)) {
            continue;
        }
        if (a >= RESTORE_PATH || b >= RESTORE_PATH || (infos[i].is_dir && depth == RESTORE_DEPTH)) {
            ok = err_set(e, ERR_INVALID, "%s is nothing that a snapshot has", source);
        } else if (infos[i].is_dir) {
            ok = folder_restore(r, source, target, depth + 1, e);
        } else {
            ok = file_restore(r, source, target, e);
        }
    }
    return ok && fs_sync_dir(r->fs, to, e);
}

// Absent, or an empty folder.
static bool is_free(const struct restore *r, const char *dir, bool *there, struct error *e)
{
    struct fs_info *infos = NULL;
    size_t n = 0;
    struct error why = {0};
    *there = fs_list(r->fs, dir, r->arena, &infos, &n, &why);
    if (!*there) {
        return why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    }
    return n == 0 || err_set(e, ERR_EXISTS, "%s is not empty", dir);
}

static bool restore_run(const struct restore *r, const char *snapshot, const char *dir,
                        struct error *e)
{
    char tmp[RESTORE_PATH];
    char parent[RESTORE_PATH];
    bool there;
    if (strlen(dir) + 5 > RESTORE_PATH || strlen(dir) == 0 || dir[strlen(dir) - 1] == '/') {
        return err_set(e, ERR_INVALID, "\"%s\" is no name for a folder", dir);
    }
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", dir);
    folder_parent(dir, parent, sizeof(parent));
    if (!is_free(r, dir, &there, e)) {
        return false;
    }
    struct error ignored;
    (void)!fs_remove_tree(r->fs, tmp, &ignored); // Of one that was cut short.
    bool ok = folder_restore(r, snapshot, tmp, 0, e) && (!there || fs_remove_tree(r->fs, dir, e)) &&
              fs_rename(r->fs, tmp, dir, e) && fs_sync_dir(r->fs, parent, e);
    if (!ok) {
        (void)!fs_remove_tree(r->fs, tmp, &ignored);
    }
    return ok;
}

bool tsdb_restore(struct fs *fs, const char *snapshot, const char *dir, struct tsdb_verify *v,
                  struct error *e)
{
    if (!tsdb_verify(fs, snapshot, v, e)) {
        return false;
    }
    if (v->damages > 0) {
        return err_set(e, ERR_CORRUPT, "%s has %llu damaged places", snapshot,
                       (unsigned long long)v->damages);
    }
    struct restore r = {.fs = fs, .arena = arena_new(LIST_BYTES_MAX)};
    r.bytes = MEM_NEW_N(u8, COPY_BYTES);
    const bool ok = restore_run(&r, snapshot, dir, e);
    mem_free(r.bytes);
    arena_free(r.arena);
    return ok || err_in(e, "restoring");
}
