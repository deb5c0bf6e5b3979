// full_disk.c: a disk that is full while a file exists, for where tests may not mount one.
//
// Loaded into the server with LD_PRELOAD. FULL_DISK_WHILE names the file. While it is there, what
// takes space fails with ENOSPC: writes, reservations, growth, new names. Every third write is a
// short one before, as on a disk that has a page left. What frees space works, and so do files up
// to 2, which are the log's.
// Threads: safe; one counter, atomic.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

// The names that a program built for large files asks for.
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset);
int fallocate64(int fd, int mode, off64_t offset, off64_t len);
int ftruncate64(int fd, off64_t len);
int statvfs64(const char *path, struct statvfs64 *out);
int open64(const char *path, int flags, ...);

static unsigned writes;

static int is_full(void)
{
    const char *path = getenv("FULL_DISK_WHILE");
    const int before = errno;
    const int full = path && access(path, F_OK) == 0;
    errno = before;
    return full;
}

static int no_space(void)
{
    errno = ENOSPC;
    return -1;
}

// A symbol of the library behind us, as a function of the type of `like`.
#define BEHIND(name, like)                                                                         \
    __typeof__(&(like)) behind;                                                                    \
    do {                                                                                           \
        void *symbol = dlsym(RTLD_NEXT, name);                                                     \
        memcpy(&behind, &symbol, sizeof(behind));                                                  \
    } while (0)

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    BEHIND("pwrite64", pwrite64);
    if (fd > 2 && is_full()) {
        const unsigned n = __atomic_add_fetch(&writes, 1, __ATOMIC_RELAXED);
        return n % 3 || len < 2 ? no_space() : behind(fd, bytes, len / 2, offset);
    }
    return behind(fd, bytes, len, offset);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    BEHIND("fallocate64", fallocate64);
    return is_full() ? no_space() : behind(fd, mode, offset, len);
}

int ftruncate64(int fd, off64_t len)
{
    BEHIND("ftruncate64", ftruncate64);
    struct stat st;
    const int grows = fstat(fd, &st) == 0 && len > st.st_size;
    return grows && is_full() ? no_space() : behind(fd, len);
}

int mkdir(const char *path, mode_t mode)
{
    BEHIND("mkdir", mkdir);
    return access(path, F_OK) != 0 && is_full() ? no_space() : behind(path, mode);
}

int link(const char *from, const char *to)
{
    BEHIND("link", link);
    return is_full() ? no_space() : behind(from, to);
}

int open64(const char *path, int flags, ...)
{
    BEHIND("open64", open64);
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
        if (access(path, F_OK) != 0 && is_full()) {
            return no_space();
        }
    }
    return behind(path, flags, mode);
}

int statvfs64(const char *path, struct statvfs64 *out)
{
    BEHIND("statvfs64", statvfs64);
    const int status = behind(path, out);
    if (status == 0 && is_full()) {
        out->f_bavail = 0;
        out->f_bfree = 0;
    }
    return status;
}
