// The real file system when a signal interrupts its calls, or the kernel does half of one: whoever
// called never sees it. The linker leads the calls of this executable through here (--wrap).
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

static u32 interrupts; // So many calls are interrupted from now on.
static u32 interrupted;
static bool halves; // Of each transfer only half is done.
static u32 halved;

static bool is_interrupted(void)
{
    if (interrupts == 0) {
        return false;
    }
    interrupts--;
    interrupted++;
    errno = EINTR;
    return true;
}

static size_t share(size_t len)
{
    halved += halves && len > 1;
    return halves && len > 1 ? len / 2 : len;
}

int open_real(const char *path, int flags, mode_t mode) __asm__("__real_open64");
int open_wrapped(const char *path, int flags, mode_t mode) __asm__("__wrap_open64");
int open_wrapped(const char *path, int flags, mode_t mode)
{
    return is_interrupted() ? -1 : open_real(path, flags, mode);
}

ssize_t pread_real(int fd, void *out, size_t len, off_t at) __asm__("__real_pread64");
ssize_t pread_wrapped(int fd, void *out, size_t len, off_t at) __asm__("__wrap_pread64");
ssize_t pread_wrapped(int fd, void *out, size_t len, off_t at)
{
    return is_interrupted() ? -1 : pread_real(fd, out, share(len), at);
}

ssize_t pwrite_real(int fd, const void *in, size_t len, off_t at) __asm__("__real_pwrite64");
ssize_t pwrite_wrapped(int fd, const void *in, size_t len, off_t at) __asm__("__wrap_pwrite64");
ssize_t pwrite_wrapped(int fd, const void *in, size_t len, off_t at)
{
    return is_interrupted() ? -1 : pwrite_real(fd, in, share(len), at);
}

int fdatasync_real(int fd) __asm__("__real_fdatasync");
int fdatasync_wrapped(int fd) __asm__("__wrap_fdatasync");
int fdatasync_wrapped(int fd)
{
    return is_interrupted() ? -1 : fdatasync_real(fd);
}

int fsync_real(int fd) __asm__("__real_fsync");
int fsync_wrapped(int fd) __asm__("__wrap_fsync");
int fsync_wrapped(int fd)
{
    return is_interrupted() ? -1 : fsync_real(fd);
}

int ftruncate_real(int fd, off_t len) __asm__("__real_ftruncate64");
int ftruncate_wrapped(int fd, off_t len) __asm__("__wrap_ftruncate64");
int ftruncate_wrapped(int fd, off_t len)
{
    return is_interrupted() ? -1 : ftruncate_real(fd, len);
}

int fallocate_real(int fd, int mode, off_t from, off_t len) __asm__("__real_fallocate64");
int fallocate_wrapped(int fd, int mode, off_t from, off_t len) __asm__("__wrap_fallocate64");
int fallocate_wrapped(int fd, int mode, off_t from, off_t len)
{
    return is_interrupted() ? -1 : fallocate_real(fd, mode, from, len);
}

int statvfs_real(const char *path, struct statvfs *out) __asm__("__real_statvfs64");
int statvfs_wrapped(const char *path, struct statvfs *out) __asm__("__wrap_statvfs64");
int statvfs_wrapped(const char *path, struct statvfs *out)
{
    return is_interrupted() ? -1 : statvfs_real(path, out);
}

int flock_real(int fd, int how) __asm__("__real_flock");
int flock_wrapped(int fd, int how) __asm__("__wrap_flock");
int flock_wrapped(int fd, int how)
{
    return is_interrupted() ? -1 : flock_real(fd, how);
}

// Three interruptions before each of these calls.
#define INTERRUPTED(times, call)                                                                   \
    do {                                                                                           \
        interrupts = 3;                                                                            \
        interrupted = 0;                                                                           \
        ASSERT_OK(call, e);                                                                        \
        assert_int_equal(interrupted, times);                                                      \
        interrupts = 0;                                                                            \
    } while (0)

TEST(fs_real_interrupted_calls_are_made_again)
{
    char dir[] = "/tmp/tidemark-interrupt-XXXXXX";
    char path[64];
    char text[16] = "";
    size_t got = 0;
    u64 numbers[2];
    struct error e = {0};
    struct fs *fs = fs_real();
    struct file *f = NULL;
    struct file *lock = NULL;
    struct fs_map map = {0};
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/f", dir);
    INTERRUPTED(3, (f = fs_open(fs, path, FS_CREATE_NEW, &e)) != NULL);
    INTERRUPTED(3, fs_reserve(fs, f, 4096, &e));
    INTERRUPTED(3, fs_write_at(fs, f, 0, STR("hello world"), &e));
    INTERRUPTED(3, fs_sync(fs, f, &e));
    INTERRUPTED(3, fs_truncate(fs, f, 5, &e));
    INTERRUPTED(3, fs_read_at(fs, f, 0, text, sizeof(text), &got, &e));
    assert_true(got == 5 && memcmp(text, "hello", 5) == 0);
    INTERRUPTED(3, fs_sync_dir(fs, dir, &e));
    INTERRUPTED(3, fs_map_open(fs, path, &map, &e));
    INTERRUPTED(3, fs_space(fs, dir, &numbers[0], &numbers[1], &e));
    INTERRUPTED(3, (lock = fs_lock(fs, path, &e)) != NULL);
    fs_map_close(fs, &map);
    fs_close(fs, lock);
    fs_close(fs, f);
    ASSERT_OK(fs_remove_tree(fs, dir, &e), e);
}

TEST(fs_real_short_transfers_are_gone_on_with)
{
    char dir[] = "/tmp/tidemark-short-XXXXXX";
    char path[64];
    char text[16] = "";
    size_t got = 0;
    struct error e = {0};
    struct fs *fs = fs_real();
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/f", dir);
    struct file *f = fs_open(fs, path, FS_CREATE_NEW, &e);
    ASSERT_OK(f != NULL, e);
    halves = true;
    halved = 0;
    ASSERT_OK(fs_write_at(fs, f, 0, STR("hello world"), &e), e);
    assert_true(halved > 2);
    ASSERT_OK(fs_read_at(fs, f, 0, text, 11, &got, &e), e);
    halves = false;
    assert_true(got == 11 && memcmp(text, "hello world", 11) == 0);
    fs_close(fs, f);
    ASSERT_OK(fs_remove_tree(fs, dir, &e), e);
}
