// fs_real.c: the kernel's files.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "os/fs_inner.h"
#include "os/map_guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAP_SLACK      64                // fs.h: readable zeroes behind the bytes.
#define TRANSFER_MAX   ((size_t)1 << 30) // The kernel moves at most 2 GiB - 4 KiB in one call.
#define LIST_NAMES_MAX (1 << 20)

// Threads: as fs.h says; the descriptor is frozen.
struct real_file {
    struct file base;
    int fd;
};

static struct real_file *real_of(struct file *f)
{
    return CONTAINER_OF(f, struct real_file, base);
}

static struct file *file_of_fd(int fd, const char *path)
{
    struct real_file *f = MEM_NEW(struct real_file);
    fs_file_init(&f->base, path);
    f->fd = fd;
    return &f->base;
}

static int open_retry(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0640);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static struct file *real_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    (void)fs;
    // Not blocking: a FIFO in a configured place must not hang us.
    static const int flags[] = {[FS_READ] = O_RDONLY | O_NONBLOCK,
                                [FS_WRITE] = O_RDWR | O_CREAT,
                                [FS_CREATE_NEW] = O_RDWR | O_CREAT | O_EXCL,
                                [FS_TRUNCATE] = O_RDWR | O_CREAT | O_TRUNC};
    int fd = open_retry(path, flags[how]);
    if (fd < 0) {
        (void)fs_fail(e, errno, "opening", path);
        return NULL;
    }
    return file_of_fd(fd, path);
}

static void real_close(struct file *f)
{
    if (f) {
        struct real_file *r = real_of(f);
        (void)close(r->fd); // Linux frees the descriptor even on EINTR.
        fs_file_fini(f);
        mem_free(r);
    }
}

static bool real_read_at(struct file *f, u64 offset, void *out, size_t len, size_t *got,
                         struct error *e)
{
    u8 *at = out;
    size_t done = 0;
    while (done < len) {
        size_t step = MIN(len - done, TRANSFER_MAX);
        ssize_t n = pread(real_of(f)->fd, at + done, step, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fs_fail(e, errno, "reading", f->path);
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *got = done;
    return true;
}

static bool real_write_at(struct file *f, u64 offset, const void *bytes, size_t len,
                          struct error *e)
{
    const u8 *at = bytes;
    size_t done = 0;
    while (done < len) {
        size_t step = MIN(len - done, TRANSFER_MAX);
        ssize_t n = pwrite(real_of(f)->fd, at + done, step, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fs_fail(e, n < 0 ? errno : EIO, "writing", f->path);
        }
        done += (size_t)n;
    }
    return true;
}

static bool real_sync(struct file *f, struct error *e)
{
    int status;
    do {
        status = fdatasync(real_of(f)->fd); // The size is part of what it writes.
    } while (status != 0 && errno == EINTR);
    return status == 0 || fs_fail(e, errno, "syncing", f->path);
}

static bool real_truncate(struct file *f, u64 bytes, struct error *e)
{
    int status;
    do {
        status = ftruncate(real_of(f)->fd, (off_t)bytes);
    } while (status != 0 && errno == EINTR);
    return status == 0 || fs_fail(e, errno, "truncating", f->path);
}

static bool real_size(struct file *f, u64 *bytes, struct error *e)
{
    struct stat st;
    if (fstat(real_of(f)->fd, &st) != 0) {
        return fs_fail(e, errno, "asking for the size of", f->path);
    }
    *bytes = (u64)st.st_size;
    return true;
}

static bool real_space(struct fs *fs, const char *path, u64 *free_bytes, u64 *total_bytes,
                       struct error *e)
{
    (void)fs;
    struct statvfs st;
    int status;
    do {
        status = statvfs(path, &st);
    } while (status != 0 && errno == EINTR);
    if (status != 0) {
        return fs_fail(e, errno, "asking for the space of", path);
    }
    *free_bytes = (u64)st.f_bavail * st.f_frsize;
    *total_bytes = (u64)st.f_blocks * st.f_frsize;
    return true;
}

static bool real_reserve(struct file *f, u64 bytes, struct error *e)
{
    int status;
    do {
        status = fallocate(real_of(f)->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
    } while (status != 0 && errno == EINTR);
    if (status == 0) {
        return true;
    }
    if (errno != EOPNOTSUPP) {
        return fs_fail(e, errno, "reserving space for", f->path);
    }
    // A file system that cannot reserve: at least look whether there is room now.
    u64 free_bytes = 0;
    u64 total_bytes = 0;
    u64 size = 0;
    if (!real_space(NULL, f->path, &free_bytes, &total_bytes, e) || !real_size(f, &size, e)) {
        return false;
    }
    return bytes <= size || bytes - size <= free_bytes ||
           fs_fail(e, ENOSPC, "reserving space for", f->path);
}

static bool real_rename(struct fs *fs, const char *from, const char *to, struct error *e)
{
    (void)fs;
    return rename(from, to) == 0 || fs_fail(e, errno, "renaming", from);
}

static bool real_link(struct fs *fs, const char *from, const char *to, struct error *e)
{
    (void)fs;
    return link(from, to) == 0 || fs_fail(e, errno, "linking", to);
}

static bool real_unlink(struct fs *fs, const char *path, struct error *e)
{
    (void)fs;
    if (unlink(path) == 0) {
        return true;
    }
    if (errno == EISDIR || errno == EPERM) {
        return rmdir(path) == 0 || fs_fail(e, errno, "removing", path);
    }
    return fs_fail(e, errno, "removing", path);
}

static bool real_stat(struct fs *fs, const char *path, struct fs_info *info, struct error *e)
{
    (void)fs;
    struct stat st;
    if (stat(path, &st) != 0) {
        return fs_fail(e, errno, "looking at", path);
    }
    *info =
        (struct fs_info){.bytes = (u64)st.st_size,
                         .mtime_ms = (i64)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
                         .inode = (u64)st.st_ino,
                         .is_dir = S_ISDIR(st.st_mode)};
    return true;
}

static bool real_make_dir(struct fs *fs, const char *path, struct error *e)
{
    (void)fs;
    if (mkdir(path, 0750) == 0) {
        return true;
    }
    int reason = errno;
    struct stat st;
    if (reason == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return true;
    }
    return fs_fail(e, reason, "making the folder", path);
}

static bool real_sync_dir(struct fs *fs, const char *path, struct error *e)
{
    (void)fs;
    int fd = open_retry(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return fs_fail(e, errno, "opening the folder", path);
    }
    int status;
    do {
        status = fsync(fd);
    } while (status != 0 && errno == EINTR);
    int reason = errno;
    (void)close(fd);
    return status == 0 || fs_fail(e, reason, "syncing the folder", path);
}

static int by_name(const void *a, const void *b)
{
    const struct fs_info *x = a;
    const struct fs_info *y = b;
    return str_cmp(x->name, y->name);
}

// What stands under a name in an open folder. A link is described by what it leads to, but is never
// a folder, so that nobody walks out of a tree through it.
static bool info_at(int dir_fd, const char *name, struct fs_info *info)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return false; // Gone since it was listed.
    }
    bool is_dir = S_ISDIR(st.st_mode);
    struct stat target;
    if (S_ISLNK(st.st_mode) && fstatat(dir_fd, name, &target, 0) == 0) {
        st = target;
    }
    info->bytes = (u64)st.st_size;
    info->mtime_ms = (i64)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    info->inode = (u64)st.st_ino;
    info->is_dir = is_dir;
    return true;
}

// Threads: owned by the caller's frame.
struct listing {
    struct fs_info *infos;
    size_t count;
    size_t cap;
};

// False if the names pass the maximum or the arena.
static bool listing_add(struct listing *l, struct arena *a, int dir_fd, const char *name)
{
    struct fs_info info = {0};
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || !info_at(dir_fd, name, &info)) {
        return true;
    }
    if (l->count == l->cap) {
        size_t cap = MAX(l->cap * 2, 16);
        struct fs_info *more = arena_try(a, cap, sizeof(*more));
        if (!more || cap > LIST_NAMES_MAX) {
            return false;
        }
        if (l->count > 0) {
            memcpy(more, l->infos, l->count * sizeof(*more));
        }
        l->infos = more;
        l->cap = cap;
    }
    size_t len = strlen(name);
    char *copy = arena_try(a, len + 1, 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, name, len + 1);
    info.name = (str){copy, len};
    l->infos[l->count++] = info;
    return true;
}

static bool real_list(struct fs *fs, const char *path, struct arena *a, struct fs_info **infos,
                      size_t *count, struct error *e)
{
    (void)fs;
    DIR *dir = opendir(path);
    if (!dir) {
        return fs_fail(e, errno, "listing", path);
    }
    struct listing l = {0};
    bool ok = true;
    const struct dirent *entry = NULL;
    while (ok && (errno = 0, entry = readdir(dir)) != NULL) {
        ok = listing_add(&l, a, dirfd(dir), entry->d_name);
    }
    int reason = ok ? errno : 0;
    (void)closedir(dir);
    if (!ok) {
        return err_set(e, ERR_LIMIT,
                       "listing %s: its names pass the maximum (%d, or this run's memory)", path,
                       LIST_NAMES_MAX);
    }
    if (reason != 0) {
        return fs_fail(e, reason, "listing", path);
    }
    if (l.count > 0) {
        qsort(l.infos, l.count, sizeof(*l.infos), by_name);
    }
    *infos = l.infos;
    *count = l.count;
    return true;
}

static size_t map_span(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (len + MAP_SLACK + page - 1) / page * page;
}

// Anonymous zeroes first, the file over their beginning: so the slack exists even where the file
// ends on a page's edge.
static bool map_fd(int fd, const char *path, struct fs_map *map, struct error *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return fs_fail(e, errno, "mapping", path);
    }
    size_t len = (size_t)st.st_size;
    if (!S_ISREG(st.st_mode) || len > SIZE_MAX / 2) {
        return err_set(e, ERR_INVALID, "mapping %s: it is no plain file", path);
    }
    void *base = mmap(NULL, map_span(len), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return fs_fail(e, errno, "mapping", path);
    }
    if (len > 0 && mmap(base, len, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int reason = errno;
        (void)munmap(base, map_span(len));
        return fs_fail(e, reason, "mapping", path);
    }
    const _Atomic u32 *holes = NULL;
    if (len > 0 && !map_guard_add(base, len, &holes, e)) {
        (void)munmap(base, map_span(len));
        return err_in(e, "mapping %s", path);
    }
    *map = (struct fs_map){.bytes = base, .len = len, .handle = base, .holes = holes};
    return true;
}

static bool real_map(struct fs *fs, const char *path, struct fs_map *map, struct error *e)
{
    (void)fs;
    int fd = open_retry(path, O_RDONLY | O_NONBLOCK);
    if (fd < 0) {
        return fs_fail(e, errno, "opening", path);
    }
    bool ok = map_fd(fd, path, map, e);
    (void)close(fd);
    return ok;
}

static void real_unmap(struct fs *fs, struct fs_map *map)
{
    (void)fs;
    map_guard_remove(map->handle);
    CHECK(munmap(map->handle, map_span(map->len)) == 0);
}

static struct file *real_lock(struct fs *fs, const char *path, struct error *e)
{
    (void)fs;
    int fd = open_retry(path, O_RDWR | O_CREAT);
    if (fd < 0) {
        (void)fs_fail(e, errno, "opening", path);
        return NULL;
    }
    int status;
    do {
        status = flock(fd, LOCK_EX | LOCK_NB);
    } while (status != 0 && errno == EINTR);
    if (status != 0) {
        int reason = errno;
        (void)close(fd);
        if (reason == EWOULDBLOCK) {
            return err_null(e, ERR_EXISTS, "locking %s: another process holds it", path);
        }
        (void)fs_fail(e, reason, "locking", path);
        return NULL;
    }
    return file_of_fd(fd, path);
}

struct fs *fs_real(void)
{
    static const struct fs_ops ops = {
        .open = real_open,
        .close = real_close,
        .read_at = real_read_at,
        .write_at = real_write_at,
        .sync = real_sync,
        .truncate = real_truncate,
        .size = real_size,
        .reserve = real_reserve,
        .rename = real_rename,
        .link = real_link,
        .unlink = real_unlink,
        .make_dir = real_make_dir,
        .sync_dir = real_sync_dir,
        .list = real_list,
        .stat = real_stat,
        .map = real_map,
        .unmap = real_unmap,
        .space = real_space,
        .lock = real_lock,
    };
    static struct fs real = {&ops};
    return &real;
}
