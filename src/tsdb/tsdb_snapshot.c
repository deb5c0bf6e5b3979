// tsdb_snapshot.c: a folder from which the store can be opened as it stands now.
//
// Files that never change again (those of blocks, closed segments of the log, checkpoints) are
// linked, so they take no space while the store keeps them too; the segment being written is copied
// as far as it goes. Filled as NAME.tmp and listed by one rename; one that a crash left is
// removed at the next start.
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/block.h"
#include "tsdb/outfile.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>
#include <time.h>

#define LIST_BYTES_MAX ((size_t)64 << 20)
#define COPY_BYTES     ((size_t)256 << 10)
#define SNAPSHOT_PATH  1200

// Threads: owned by the call, which has the work turn.
struct snapshot {
    struct tsdb *db;
    struct fs *fs;
    struct arena *arena;
    char tmp[600];
};

static void path_in(const struct snapshot *s, const char *name, char out[SNAPSHOT_PATH])
{
    (void)snprintf(out, SNAPSHOT_PATH, "%s/%s", s->tmp, name);
}

static bool dir_make(const struct snapshot *s, const char *name, struct error *e)
{
    char path[SNAPSHOT_PATH];
    path_in(s, name, path);
    return fs_make_dir(s->fs, path, e);
}

static bool dir_sync(const struct snapshot *s, const char *name, struct error *e)
{
    char path[SNAPSHOT_PATH];
    path_in(s, name, path);
    return fs_sync_dir(s->fs, path, e);
}

// What stands in the file now. Others may be adding to it.
static bool file_copy(const struct snapshot *s, const char *from, const char *to, struct error *e)
{
    struct outfile out = {0};
    struct file *in = fs_open(s->fs, from, FS_READ, e);
    if (!in) {
        return false;
    }
    u8 *bytes = MEM_NEW_N(u8, COPY_BYTES);
    u64 size = 0;
    bool ok = fs_size(s->fs, in, &size, e) && outfile_open(&out, s->fs, to, e);
    for (u64 at = 0; ok && at < size;) {
        size_t got = 0;
        ok = fs_read_at(s->fs, in, at, bytes, (size_t)MIN(COPY_BYTES, size - at), &got, e);
        if (ok && got == 0) {
            break;
        }
        outfile_add(&out, bytes, got);
        at += got;
    }
    ok = ok && outfile_finish(&out, e);
    outfile_close(&out);
    mem_free(bytes);
    fs_close(s->fs, in);
    return ok;
}

// Links all files of a folder of the store; the last one of a log is copied.
static bool folder_take(const struct snapshot *s, const char *from, const char *name, bool is_log,
                        struct error *e)
{
    struct fs_info *infos = NULL;
    size_t n = 0;
    char source[SNAPSHOT_PATH];
    char base[SNAPSHOT_PATH];
    char target[SNAPSHOT_PATH * 2];
    path_in(s, name, base);
    if (!dir_make(s, name, e) || !fs_list(s->fs, from, s->arena, &infos, &n, e)) {
        return false;
    }
    size_t last = n; // The segment that is being written: the highest number.
    for (size_t i = 0; is_log && i < n; i++) {
        last = str_starts(infos[i].name, STR("seg-")) ? i : last;
    }
    for (size_t i = 0; i < n; i++) {
        if (infos[i].is_dir || str_ends(infos[i].name, STR(".tmp")) ||
            str_eq(infos[i].name, STR("image"))) { // Its files of chunks do not come along.
            continue;
        }
        (void)snprintf(source, sizeof(source), "%s/%.*s", from, STR_ARG(infos[i].name));
        (void)snprintf(target, sizeof(target), "%s/%.*s", base, STR_ARG(infos[i].name));
        if (!(i == last ? file_copy(s, source, target, e) : fs_link(s->fs, source, target, e))) {
            return false;
        }
    }
    return dir_sync(s, name, e);
}

static bool file_take(const struct snapshot *s, const char *name, struct error *e)
{
    char from[512];
    char to[SNAPSHOT_PATH];
    struct error why = {0};
    tsdb_path(s->db, name, from);
    path_in(s, name, to);
    return fs_link(s->fs, from, to, &why) || why.code == ERR_NOT_FOUND ||
           err_set(e, why.code, "%s", why.text);
}

static bool blocks_take(const struct snapshot *s, struct error *e)
{
    const struct block_set *blocks = s->db->blocks;
    if (!dir_make(s, "blocks", e)) {
        return false;
    }
    for (u32 i = 0; i < blocks->n; i++) {
        char folder[BLOCK_NAME];
        char name[BLOCK_NAME + 16];
        block_name(&blocks->blocks[i]->meta, folder);
        (void)snprintf(name, sizeof(name), "blocks/%s", folder);
        if (!folder_take(s, blocks->blocks[i]->path, name, false, e)) {
            return false;
        }
    }
    return dir_sync(s, "blocks", e) && file_take(s, "floor", e);
}

// The log as it is on disk, and what of the head is deleted.
static bool head_take(const struct snapshot *s, struct error *e)
{
    if (!file_take(s, "deleted", e) || !file_take(s, "cold", e) || !dir_make(s, "wal", e)) {
        return false;
    }
    for (u32 i = 0; i < SHARDS; i++) {
        char from[512];
        char name[16];
        (void)snprintf(name, sizeof(name), "wal/%u", i);
        tsdb_path(s->db, name, from);
        if (!tsdb_log_sync(s->db, i, e) || !folder_take(s, from, name, true, e)) {
            return false;
        }
    }
    return dir_sync(s, "wal", e);
}

// With the work turn, which guards the source of chance.
static void name_make(struct tsdb *db, char name[TSDB_SNAPSHOT_NAME])
{
    time_t seconds = (time_t)(clk_wall_ms(db->opts.clk) / 1000);
    struct tm t;
    (void)gmtime_r(&seconds, &t);
    u64 chance = rng_u64(db->opts.rng);
    size_t n = strftime(name, TSDB_SNAPSHOT_NAME, "%Y%m%dT%H%M%SZ-", &t);
    (void)snprintf(name + n, TSDB_SNAPSHOT_NAME - n, "%016llx", (unsigned long long)chance);
}

bool tsdb_snapshots_sweep(struct tsdb *db, struct error *e)
{
    char all[512];
    char path[SNAPSHOT_PATH];
    struct fs_info *infos = NULL;
    size_t n = 0;
    struct error why = {0};
    struct arena *a = arena_new(LIST_BYTES_MAX);
    tsdb_path(db, "snapshots", all);
    bool ok = true;
    if (!fs_list(db->opts.fs, all, a, &infos, &n, &why)) {
        ok = why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    }
    for (size_t i = 0; ok && i < n; i++) {
        if (str_ends(infos[i].name, STR(".tmp"))) {
            (void)snprintf(path, sizeof(path), "%s/%.*s", all, STR_ARG(infos[i].name));
            ok = fs_remove_tree(db->opts.fs, path, e);
        }
    }
    arena_free(a);
    return ok || err_in(e, "sweeping snapshots");
}

bool tsdb_snapshot(struct tsdb *db, bool skip_head, char name[TSDB_SNAPSHOT_NAME], struct error *e)
{
    struct snapshot s = {.db = db, .fs = db->opts.fs, .arena = arena_new(LIST_BYTES_MAX)};
    char all[512];
    char path[600];
    char fresh[TSDB_SNAPSHOT_NAME];
    work_take(db);
    name_make(db, fresh);
    tsdb_path(db, "snapshots", all);
    (void)snprintf(path, sizeof(path), "%s/%s", all, fresh);
    (void)snprintf(s.tmp, sizeof(s.tmp), "%s/%s.tmp", all, fresh);
    bool ok = fs_make_dir(s.fs, all, e) && fs_make_dir(s.fs, s.tmp, e) && blocks_take(&s, e) &&
              (skip_head || head_take(&s, e)) && fs_sync_dir(s.fs, s.tmp, e) &&
              fs_rename(s.fs, s.tmp, path, e) && fs_sync_dir(s.fs, all, e) &&
              fs_sync_dir(s.fs, db->dir, e);
    work_drop(db);
    arena_free(s.arena);
    if (!ok) {
        (void)!fs_remove_tree(s.fs, s.tmp, NULL);
        return err_in(e, "taking a snapshot");
    }
    LOGF(db->opts.log, LOG_INFO, "snapshot %s taken", path);
    memcpy(name, fresh, sizeof(fresh));
    return true;
}
