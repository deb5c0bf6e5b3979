// fs_faulty.c: passes every call on to another file system and fails the chosen ones.
//
// Faults: EIO, ENOSPC and EMFILE fail the call before it did anything. EINTR is what fs.h promises
// to hide, so the call is counted and then made as if retried. SHORT does half: a read yields fewer
// bytes than there are, a write leaves the first half and fails; any other call fails with EIO.
// Closing and unmapping cannot fail and are not counted.
#include "base/error.h"
#include "os/fs.h"
#include "os/fs_inner.h"

#include <errno.h>
#include <stdatomic.h>

// Threads: the plan is set by fs_faulty_arm while no call is under way; the count is atomic.
struct fs_faulty {
    struct fs base;
    struct fs *inner;
    u64 nth;
    enum fs_fault fault;
    bool from_then_on;
    _Atomic(u64) calls;
};

// Threads: as fs.h says.
struct faulty_file {
    struct file base;
    struct fs_faulty *fs;
    struct file *inner;
};

static struct fs_faulty *faulty_of(struct fs *fs)
{
    return CONTAINER_OF(fs, struct fs_faulty, base);
}

static struct faulty_file *faulty_file_of(struct file *f)
{
    return CONTAINER_OF(f, struct faulty_file, base);
}

// Counts a call; is it one to fail?
static bool strikes(struct fs_faulty *x)
{
    u64 call = atomic_fetch_add(&x->calls, 1) + 1;
    bool chosen = x->nth != 0 && (x->from_then_on ? call >= x->nth : call == x->nth);
    return chosen && x->fault != FS_FAULT_EINTR;
}

static int errno_of(enum fs_fault fault)
{
    switch (fault) {
    case FS_FAULT_ENOSPC:
        return ENOSPC;
    case FS_FAULT_EMFILE:
        return EMFILE;
    case FS_FAULT_EIO:
    case FS_FAULT_SHORT:
    case FS_FAULT_EINTR:
        break;
    }
    return EIO;
}

// True if the call goes on; otherwise e tells of the fault.
static bool passes(struct fs_faulty *x, const char *doing, const char *path, struct error *e)
{
    return !strikes(x) || fs_fail(e, errno_of(x->fault), doing, path);
}

static struct file *wrap(struct fs_faulty *x, const char *path, struct file *inner)
{
    if (!inner) {
        return NULL;
    }
    struct faulty_file *f = MEM_NEW(struct faulty_file);
    fs_file_init(&f->base, path);
    f->fs = x;
    f->inner = inner;
    return &f->base;
}

static struct file *faulty_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "opening", path, e) ? wrap(x, path, fs_open(x->inner, path, how, e)) : NULL;
}

static void faulty_close(struct file *f)
{
    if (f) {
        struct faulty_file *ff = faulty_file_of(f);
        fs_close(ff->fs->inner, ff->inner);
        fs_file_fini(f);
        mem_free(ff);
    }
}

static bool faulty_read_at(struct file *f, u64 offset, void *out, size_t len, size_t *got,
                           struct error *e)
{
    const struct faulty_file *ff = faulty_file_of(f);
    bool strike = strikes(ff->fs);
    if (strike && ff->fs->fault != FS_FAULT_SHORT) {
        return fs_fail(e, errno_of(ff->fs->fault), "reading", f->path);
    }
    return fs_read_at(ff->fs->inner, ff->inner, offset, out, strike ? len / 2 : len, got, e);
}

static bool faulty_write_at(struct file *f, u64 offset, const void *bytes, size_t len,
                            struct error *e)
{
    const struct faulty_file *ff = faulty_file_of(f);
    struct fs *inner = ff->fs->inner;
    if (!strikes(ff->fs)) {
        return fs_write_at(inner, ff->inner, offset, (str){bytes, len}, e);
    }
    if (ff->fs->fault == FS_FAULT_SHORT &&
        !fs_write_at(inner, ff->inner, offset, (str){bytes, len / 2}, e)) {
        return false;
    }
    return fs_fail(e, errno_of(ff->fs->fault), "writing", f->path);
}

static bool faulty_sync(struct file *f, struct error *e)
{
    const struct faulty_file *ff = faulty_file_of(f);
    return passes(ff->fs, "syncing", f->path, e) && fs_sync(ff->fs->inner, ff->inner, e);
}

static bool faulty_truncate(struct file *f, u64 bytes, struct error *e)
{
    const struct faulty_file *ff = faulty_file_of(f);
    return passes(ff->fs, "truncating", f->path, e) &&
           fs_truncate(ff->fs->inner, ff->inner, bytes, e);
}

static bool faulty_size(struct file *f, u64 *bytes, struct error *e)
{
    const struct faulty_file *ff = faulty_file_of(f);
    return passes(ff->fs, "asking for the size of", f->path, e) &&
           fs_size(ff->fs->inner, ff->inner, bytes, e);
}

static bool faulty_reserve(struct file *f, u64 bytes, struct error *e)
{
    const struct faulty_file *ff = faulty_file_of(f);
    return passes(ff->fs, "reserving space for", f->path, e) &&
           fs_reserve(ff->fs->inner, ff->inner, bytes, e);
}

static bool faulty_rename(struct fs *fs, const char *from, const char *to, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "renaming", from, e) && fs_rename(x->inner, from, to, e);
}

static bool faulty_link(struct fs *fs, const char *from, const char *to, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "linking", to, e) && fs_link(x->inner, from, to, e);
}

static bool faulty_unlink(struct fs *fs, const char *path, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "removing", path, e) && fs_unlink(x->inner, path, e);
}

static bool faulty_make_dir(struct fs *fs, const char *path, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "making the folder", path, e) && fs_make_dir(x->inner, path, e);
}

static bool faulty_sync_dir(struct fs *fs, const char *path, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "syncing the folder", path, e) && fs_sync_dir(x->inner, path, e);
}

static bool faulty_list(struct fs *fs, const char *path, struct arena *a, struct fs_info **infos,
                        size_t *count, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "listing", path, e) && fs_list(x->inner, path, a, infos, count, e);
}

static bool faulty_stat(struct fs *fs, const char *path, struct fs_info *info, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "looking at", path, e) && fs_stat(x->inner, path, info, e);
}

static bool faulty_map(struct fs *fs, const char *path, struct fs_map *map, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "mapping", path, e) && fs_map_open(x->inner, path, map, e);
}

static void faulty_unmap(struct fs *fs, struct fs_map *map)
{
    struct fs_faulty *x = faulty_of(fs);
    x->inner->ops->unmap(x->inner, map);
}

static bool faulty_space(struct fs *fs, const char *path, u64 *free_bytes, u64 *total_bytes,
                         struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "asking for the space of", path, e) &&
           fs_space(x->inner, path, free_bytes, total_bytes, e);
}

static struct file *faulty_lock(struct fs *fs, const char *path, struct error *e)
{
    struct fs_faulty *x = faulty_of(fs);
    return passes(x, "locking", path, e) ? wrap(x, path, fs_lock(x->inner, path, e)) : NULL;
}

struct fs *fs_faulty_new(struct fs *inner)
{
    static const struct fs_ops ops = {
        .open = faulty_open,
        .close = faulty_close,
        .read_at = faulty_read_at,
        .write_at = faulty_write_at,
        .sync = faulty_sync,
        .truncate = faulty_truncate,
        .size = faulty_size,
        .reserve = faulty_reserve,
        .rename = faulty_rename,
        .link = faulty_link,
        .unlink = faulty_unlink,
        .make_dir = faulty_make_dir,
        .sync_dir = faulty_sync_dir,
        .list = faulty_list,
        .stat = faulty_stat,
        .map = faulty_map,
        .unmap = faulty_unmap,
        .space = faulty_space,
        .lock = faulty_lock,
    };
    struct fs_faulty *x = MEM_NEW(struct fs_faulty);
    x->base.ops = &ops;
    x->inner = inner;
    return &x->base;
}

void fs_faulty_free(struct fs *fs)
{
    if (fs) {
        mem_free(faulty_of(fs));
    }
}

void fs_faulty_arm(struct fs *fs, u64 nth, enum fs_fault fault, bool from_then_on)
{
    struct fs_faulty *x = faulty_of(fs);
    x->nth = nth;
    x->fault = fault;
    x->from_then_on = from_then_on;
    atomic_store(&x->calls, 0);
}

u64 fs_faulty_calls(const struct fs *fs)
{
    const struct fs_faulty *x = (const struct fs_faulty *)(const void *)fs; // base comes first.
    return atomic_load(&x->calls);
}
