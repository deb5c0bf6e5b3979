// fs.c: the fronts of the vtable, with (I7) kept in one place, and what can be built from them.
#include "os/fs.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs_inner.h"

#include <errno.h>
#include <fnmatch.h>

#define TREE_DEPTH_MAX  8
#define TREE_LIST_BYTES ((size_t)64 << 20)
#define READ_STEP_MIN   ((size_t)4 << 10) // Most files of /proc fit.
#define READ_STEP_MAX   ((size_t)256 << 10)

void fs_file_init(struct file *f, const char *path)
{
    size_t len = strlen(path);
    f->path = mem_new(len + 1, 1);
    memcpy(f->path, path, len);
    f->poisoned = false;
}

void fs_file_fini(struct file *f)
{
    mem_free(f->path);
}

bool fs_fail(struct error *e, int errno_value, const char *doing, const char *path)
{
    if (errno_value == EEXIST) {
        return err_set(e, ERR_EXISTS, "%s %s: it exists already", doing, path);
    }
    return err_errno(e, errno_value, "%s %s", doing, path);
}

static bool not_poisoned(const struct file *f, struct error *e)
{
    if (f->poisoned) {
        return err_set(e, ERR_IO,
                       "writing %s: an earlier sync of it failed, so nothing on it counts as safe",
                       f->path);
    }
    return true;
}

struct file *fs_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    return fs->ops->open(fs, path, how, e);
}

void fs_close(struct fs *fs, struct file *f)
{
    fs->ops->close(f);
}

// NOLINTNEXTLINE(readability-function-size): as the vtable
bool fs_read_at(struct fs *fs, struct file *f, u64 offset, void *out, size_t len, size_t *got,
                struct error *e)
{
    return fs->ops->read_at(f, offset, out, len, got, e);
}

bool fs_write_at(struct fs *fs, struct file *f, u64 offset, str bytes, struct error *e)
{
    return not_poisoned(f, e) && fs->ops->write_at(f, offset, bytes.ptr, bytes.len, e);
}

bool fs_sync(struct fs *fs, struct file *f, struct error *e)
{
    if (!not_poisoned(f, e)) {
        return false;
    }
    if (!fs->ops->sync(f, e)) {
        f->poisoned = true; // (I7) The kernel may have dropped the dirty pages already.
        return false;
    }
    return true;
}

bool fs_truncate(struct fs *fs, struct file *f, u64 bytes, struct error *e)
{
    return not_poisoned(f, e) && fs->ops->truncate(f, bytes, e);
}

bool fs_size(struct fs *fs, struct file *f, u64 *bytes, struct error *e)
{
    return fs->ops->size(f, bytes, e);
}

bool fs_reserve(struct fs *fs, struct file *f, u64 bytes, struct error *e)
{
    return not_poisoned(f, e) && fs->ops->reserve(f, bytes, e);
}

bool fs_rename(struct fs *fs, const char *from, const char *to, struct error *e)
{
    return fs->ops->rename(fs, from, to, e);
}

bool fs_link(struct fs *fs, const char *from, const char *to, struct error *e)
{
    return fs->ops->link(fs, from, to, e);
}

bool fs_unlink(struct fs *fs, const char *path, struct error *e)
{
    return fs->ops->unlink(fs, path, e);
}

bool fs_make_dir(struct fs *fs, const char *path, struct error *e)
{
    return fs->ops->make_dir(fs, path, e);
}

bool fs_sync_dir(struct fs *fs, const char *path, struct error *e)
{
    return fs->ops->sync_dir(fs, path, e);
}

bool fs_list(struct fs *fs, const char *path, struct arena *a, struct fs_info **infos,
             size_t *count, struct error *e)
{
    return fs->ops->list(fs, path, a, infos, count, e);
}

bool fs_stat(struct fs *fs, const char *path, struct fs_info *info, struct error *e)
{
    return fs->ops->stat(fs, path, info, e);
}

bool fs_map_open(struct fs *fs, const char *path, struct fs_map *map, struct error *e)
{
    return fs->ops->map(fs, path, map, e);
}

void fs_map_close(struct fs *fs, struct fs_map *map)
{
    if (map->bytes) {
        fs->ops->unmap(fs, map);
        *map = (struct fs_map){0};
    }
}

bool fs_space(struct fs *fs, const char *path, u64 *free_bytes, u64 *total_bytes, struct error *e)
{
    return fs->ops->space(fs, path, free_bytes, total_bytes, e);
}

struct file *fs_lock(struct fs *fs, const char *path, struct error *e)
{
    return fs->ops->lock(fs, path, e);
}

// Reads on until the end or one byte more than bytes_max.
static bool read_all(struct fs *fs, struct file *f, size_t bytes_max, struct buf *b,
                     struct error *e)
{
    for (;;) {
        size_t step = MIN(MAX(b->len, READ_STEP_MIN), READ_STEP_MAX);
        step = MIN(step, bytes_max + 1 - b->len);
        char *room = buf_room(b, step);
        CHECK(room);
        size_t got = 0;
        if (!fs_read_at(fs, f, b->len, room, step, &got, e)) {
            return false;
        }
        buf_commit(b, got);
        if (got < step) {
            return true;
        }
        if (b->len > bytes_max) {
            return err_set(e, ERR_LIMIT, "reading %s: it is larger than the maximum of %zu bytes",
                           f->path, bytes_max);
        }
    }
}

bool fs_read_file(struct fs *fs, const char *path, size_t bytes_max, struct arena *a, str *out,
                  struct error *e)
{
    CHECK(bytes_max < SIZE_MAX / 2);
    struct file *f = fs_open(fs, path, FS_READ, e);
    if (!f) {
        return false;
    }
    struct buf b;
    buf_init(&b, bytes_max + 1);
    bool ok = read_all(fs, f, bytes_max, &b, e);
    fs_close(fs, f);
    if (ok) {
        char *copy = arena_try(a, b.len + 1, 1);
        if (copy) {
            memcpy(copy, b.bytes, b.len);
            *out = (str){copy, b.len};
        } else {
            ok = err_set(e, ERR_LIMIT, "reading %s: its %zu bytes do not fit this run's memory",
                         path, b.len);
        }
    }
    buf_fini(&b);
    return ok;
}

// "a/b" → "a", "b" → ".", "/b" → "/".
static char *parent_of(const char *path)
{
    str whole = str_c(path);
    size_t slash = str_find_last(whole, '/');
    str parent = slash == STR_NONE ? STR(".") : str_sub(whole, 0, MAX(slash, 1));
    char *copy = mem_new(parent.len + 1, 1);
    memcpy(copy, parent.ptr, parent.len);
    return copy;
}

static bool write_whole(struct fs *fs, const char *path, str bytes, struct error *e)
{
    struct file *f = fs_open(fs, path, FS_TRUNCATE, e);
    if (!f) {
        return false;
    }
    bool ok = fs_write_at(fs, f, 0, bytes, e) && fs_sync(fs, f, e);
    fs_close(fs, f);
    return ok;
}

bool fs_replace_file(struct fs *fs, const char *path, str bytes, struct error *e)
{
    struct buf tmp;
    buf_init(&tmp, strlen(path) + 8);
    buf_c(&tmp, path);
    buf_c(&tmp, ".tmp");
    char *parent = parent_of(path);
    bool ok = write_whole(fs, tmp.bytes, bytes, e) && fs_rename(fs, tmp.bytes, path, e);
    if (!ok) {
        struct error ignored; // The first failure is the one to tell.
        (void)!fs_unlink(fs, tmp.bytes, &ignored);
    }
    ok = ok && fs_sync_dir(fs, parent, e);
    mem_free(parent);
    buf_fini(&tmp);
    return ok;
}

static bool remove_tree(struct fs *fs, const char *path, u32 depth, struct error *e)
{
    if (depth > TREE_DEPTH_MAX) {
        return err_set(e, ERR_LIMIT,
                       "removing %s: folders are nested deeper than the maximum of %d", path,
                       TREE_DEPTH_MAX);
    }
    struct arena *a = arena_new(TREE_LIST_BYTES);
    struct fs_info *infos = NULL;
    size_t count = 0;
    bool ok = fs_list(fs, path, a, &infos, &count, e);
    for (size_t i = 0; ok && i < count; i++) {
        str child = arena_printf(a, "%s/%.*s", path, STR_ARG(infos[i].name));
        ok = infos[i].is_dir ? remove_tree(fs, child.ptr, depth + 1, e)
                             : fs_unlink(fs, child.ptr, e);
    }
    arena_free(a);
    return ok && fs_unlink(fs, path, e);
}

bool fs_remove_tree(struct fs *fs, const char *path, struct error *e)
{
    struct fs_info info;
    struct error own = {0};
    if (!fs_stat(fs, path, &info, &own)) {
        if (own.code == ERR_NOT_FOUND) {
            return true;
        }
        return err_set(e, own.code, "%s", own.text);
    }
    return info.is_dir ? remove_tree(fs, path, 0, e) : fs_unlink(fs, path, e);
}

bool fs_name_matches(const char *glob, const char *name)
{
    return fnmatch(glob, name, FNM_PERIOD) == 0;
}
