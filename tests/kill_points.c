// kill_points.c: the server under test dies by kill -9 at a named call of its storage.
//
// Linked with the objects of the real binary into `killable`, which is never installed: the linker
// leads its tsdb_open and stop_sleep_ms through here (--wrap). The store gets a file system that
// looks at each changing call, and sizes so small that a second sees rotation, images, cuts and
// compaction. Everything else is the server that ships.
//
// KILL_FILE names a file with "work call phase n", as in "image rename before 1": at the n-th such
// call the process kills itself, before, after or in the midst of it (half a write). It may be put
// there at any time. Names of points are added to KILL_SEEN as they are passed, so that a test
// knows of those that it never tries.
// Threads: safe; the counts are atomic, what a thread is about is its own.
#include "os/fs_inner.h"
#include "os/thr.h"
#include "tsdb/tsdb.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RANGE_MS   250
#define ROUND_MS   20
#define COLD_MS    50
#define SEEN_MAX   128U
#define POINT_SIZE 64U

struct tsdb *open_real(const struct tsdb_opts *opts, struct error *e) __asm__("__real_tsdb_open");
struct tsdb *open_small(const struct tsdb_opts *opts, struct error *e) __asm__("__wrap_tsdb_open");
bool sleep_real(struct stop *s, i64 ms) __asm__("__real_stop_sleep_ms");
bool sleep_short(struct stop *s, i64 ms) __asm__("__wrap_stop_sleep_ms");

enum phase { BEFORE, HALF, AFTER };

static struct fs killing;
static size_t dir_len;
static _Atomic(bool) is_open; // Before that every change is recovery's.
static _Atomic(int) hits;
static char seen[SEEN_MAX][POINT_SIZE]; // Written by whoever took its number.
static _Atomic(u32) seen_count;
static _Thread_local const char *work = "start"; // What the thread was last about.

// --- Which work a call belongs to ----------------------------------------------------------------

static bool has(const char *path, const char *part)
{
    return strstr(path, part) != NULL;
}

// b+MIN+MAX-ID: a block of one range was cut, a longer one joined.
static const char *block_work(const char *name)
{
    char *end;
    const long long min = strtoll(name + 2, &end, 10);
    const long long max = *end == '+' ? strtoll(end + 1, NULL, 10) : min;
    return max - min > RANGE_MS ? "compaction" : "cut";
}

// A segment is begun by rotation, written by ingest and removed behind a checkpoint. Its folder's
// sync comes from the thread that syncs it.
static const char *log_work(const char *call)
{
    static const char *const ingest[] = {"write", "sync", "truncate"};
    for (size_t i = 0; i < ARRAY_LEN(ingest); i++) {
        if (strcmp(call, ingest[i]) == 0) {
            return "ingest";
        }
    }
    return strcmp(call, "unlink") == 0 ? "checkpoint" : "rotation";
}

// What a folder is synced for is what the thread did last.
static const char *folder_work(const char *name)
{
    const bool is_log = strncmp(name, "wal/", 4) == 0;
    return is_log && strcmp(work, "ingest") == 0 ? "rotation" : work;
}

static const char *work_of(const char *path, const char *call)
{
    const char *name = strlen(path) > dir_len ? path + dir_len + 1 : "";
    if (!atomic_load(&is_open)) {
        return "recovery";
    }
    if (has(name, "/seg-")) {
        return log_work(call);
    }
    if (has(name, "/image")) {
        return "image";
    }
    if (has(name, "/ckpt-")) {
        return "checkpoint";
    }
    if (strncmp(name, "head/", 5) == 0) {
        return "spill";
    }
    if (strncmp(name, "floor", 5) == 0) {
        return "retention";
    }
    if (has(name, ".gone")) {
        return strcmp(work, "retention") == 0 ? work : "compaction";
    }
    if (strcmp(name, "cold") == 0 || strcmp(name, "cold.tmp") == 0) { // The list of them.
        return "cold";
    }
    if (strncmp(name, "deleted", 7) == 0 || (has(name, "/tombstones") && !has(name, ".tmp/"))) {
        return "delete";
    }
    if (has(name, "blocks/c+")) { // Of series that were silent for some rounds.
        return "cold";
    }
    if (has(name, "blocks/b+")) {
        return block_work(name + strlen("blocks/"));
    }
    if (strcmp(call, "sync_dir") == 0) {
        return folder_work(name);
    }
    return strcmp(name, "ballast") == 0 ? "ballast" : "other";
}

// --- Dying ---------------------------------------------------------------------------------------

static void point_tell(const char *point)
{
    const char *path = getenv("KILL_SEEN");
    for (u32 i = 0; path && i < MIN(atomic_load(&seen_count), SEEN_MAX); i++) {
        if (strcmp(seen[i], point) == 0) {
            return;
        }
    }
    const u32 i = path ? atomic_fetch_add(&seen_count, 1) : SEEN_MAX;
    const int fd = i < SEEN_MAX ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        (void)snprintf(seen[i], POINT_SIZE, "%s", point);
        char line[POINT_SIZE + 1];
        const int len = snprintf(line, sizeof(line), "%s\n", point);
        if (write(fd, line, (size_t)len) != len) {
            abort();
        }
        (void)close(fd);
    }
}

// Whether the process is to die at this call, and in which phase of it.
static bool is_last(const char *path, const char *call, enum phase *when)
{
    static const char *const phases[] = {"before", "half", "after"};
    char point[POINT_SIZE];
    char asked[POINT_SIZE * 2] = "";
    char phase[16];
    char which[POINT_SIZE];
    int n;
    work = work_of(path, call);
    (void)snprintf(point, sizeof(point), "%s %s", work, call);
    point_tell(point);
    const char *name = getenv("KILL_FILE");
    const int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return false;
    }
    const ssize_t got = read(fd, asked, sizeof(asked) - 1);
    (void)close(fd);
    char call_asked[POINT_SIZE];
    if (got <= 0 || sscanf(asked, "%31s %31s %15s %d", which, call_asked, phase, &n) != 4) {
        abort();
    }
    if (strcmp(which, work) != 0 || strcmp(call_asked, call) != 0 ||
        atomic_fetch_add(&hits, 1) + 1 != n) {
        return false;
    }
    for (enum phase i = BEFORE; i <= AFTER; i++) {
        *when = strcmp(phases[i], phase) == 0 ? i : *when;
    }
    return true;
}

static void die(const char *path)
{
    (void)!write(STDERR_FILENO, path, strlen(path)); // For who reads the log.
    (void)!write(STDERR_FILENO, ": killed here\n", 14);
    (void)kill(getpid(), SIGKILL);
    for (;;) {
        (void)pause();
    }
}

// Makes the call between the two places where it may be the last.
#define KILLING(path, call, made)                                                                  \
    do {                                                                                           \
        enum phase when = AFTER;                                                                   \
        const bool last = is_last(path, call, &when);                                              \
        if (last && when == BEFORE) {                                                              \
            die(path);                                                                             \
        }                                                                                          \
        made;                                                                                      \
        if (last) {                                                                                \
            die(path);                                                                             \
        }                                                                                          \
    } while (0)

// --- The file system -----------------------------------------------------------------------------

static struct file *kill_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    struct file *f;
    (void)fs;
    if (how == FS_READ || how == FS_WRITE) { // Changes nothing that is there.
        return fs_open(fs_real(), path, how, e);
    }
    KILLING(path, "create", f = fs_open(fs_real(), path, how, e));
    return f;
}

static bool kill_write_at(struct file *f, u64 offset, const void *bytes, size_t len,
                          struct error *e)
{
    bool ok;
    enum phase when = AFTER;
    // The head of a segment is what rotation writes.
    const char *call = offset == 0 && has(f->path, "/seg-") ? "begin" : "write";
    const bool last = is_last(f->path, call, &when);
    if (last && when != AFTER) {
        if (when == HALF) {
            (void)!fs_write_at(fs_real(), f, offset, (str){bytes, len / 2}, e);
        }
        die(f->path);
    }
    ok = fs_write_at(fs_real(), f, offset, (str){bytes, len}, e);
    if (last) {
        die(f->path);
    }
    return ok;
}

// A kill leaves the kernel's cache as it is, so that a sync takes time and proves nothing here:
// what a loss of power leaves is tried by tsdb_crash_test.c.
static bool kill_sync(struct file *f, struct error *e)
{
    (void)e;
    KILLING(f->path, "sync", (void)0);
    return true;
}

static bool kill_truncate(struct file *f, u64 bytes, struct error *e)
{
    bool ok;
    KILLING(f->path, "truncate", ok = fs_truncate(fs_real(), f, bytes, e));
    return ok;
}

static bool kill_reserve(struct file *f, u64 bytes, struct error *e)
{
    bool ok;
    KILLING(f->path, "reserve", ok = fs_reserve(fs_real(), f, bytes, e));
    return ok;
}

static bool kill_rename(struct fs *fs, const char *from, const char *to, struct error *e)
{
    bool ok;
    (void)fs;
    KILLING(strstr(to, ".gone") ? to : from, "rename", ok = fs_rename(fs_real(), from, to, e));
    return ok;
}

static bool kill_unlink(struct fs *fs, const char *path, struct error *e)
{
    bool ok;
    (void)fs;
    KILLING(path, "unlink", ok = fs_unlink(fs_real(), path, e));
    return ok;
}

static bool kill_make_dir(struct fs *fs, const char *path, struct error *e)
{
    bool ok;
    (void)fs;
    KILLING(path, "make_dir", ok = fs_make_dir(fs_real(), path, e));
    return ok;
}

static bool kill_sync_dir(struct fs *fs, const char *path, struct error *e)
{
    (void)fs;
    (void)e;
    KILLING(path, "sync_dir", (void)0);
    return true;
}

// --- The store -----------------------------------------------------------------------------------

struct tsdb *open_small(const struct tsdb_opts *opts, struct error *e)
{
    static struct fs_ops ops;
    struct tsdb_opts small = *opts;
    ops = *fs_real()->ops;
    ops.open = kill_open;
    ops.write_at = kill_write_at;
    ops.sync = kill_sync;
    ops.truncate = kill_truncate;
    ops.reserve = kill_reserve;
    ops.rename = kill_rename;
    ops.unlink = kill_unlink;
    ops.make_dir = kill_make_dir;
    ops.sync_dir = kill_sync_dir;
    killing.ops = &ops;
    dir_len = strlen(opts->dir);
    small.fs = &killing;
    small.wal_segment_bytes = 20000;
    small.block_range_ms = RANGE_MS;
    small.compact_first = 2;
    small.compact_second = 3;
    small.image_every_ms = 300; // Long enough for a kill to need the log.
    small.image_log_bytes = 1;
    small.settle_every_ms = ROUND_MS;
    small.cold_every_ms = COLD_MS;
    small.cold_min = 1;
    struct tsdb *db = open_real(&small, e);
    atomic_store(&is_open, db != NULL);
    return db;
}

// The storage's own thread sleeps for two seconds between its rounds.
bool sleep_short(struct stop *s, i64 ms)
{
    char name[16] = "";
    (void)pthread_getname_np(pthread_self(), name, sizeof(name));
    return sleep_real(s, strcmp(name, "storage") == 0 ? MIN(ms, ROUND_MS) : ms);
}
