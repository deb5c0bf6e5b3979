#include "base/error.h"
#include "base/test.h"
#include "os/fs.h"
#include "os/map_guard.h"
#include "os/thr.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 8

// A file of 8 pages full of ones, mapped. Threads: owned by the test.
struct rig {
    char dir[64];
    char path[80];
    size_t page;
    struct fs_map map;
    u32 sum;
};

static void rig_init(struct rig *r)
{
    struct error e = {0};
    *r = (struct rig){.dir = "/tmp/map_guard_XXXXXX", .page = (size_t)sysconf(_SC_PAGESIZE)};
    assert_non_null(mkdtemp(r->dir));
    (void)snprintf(r->path, sizeof(r->path), "%s/file", r->dir);
    char *bytes = MEM_NEW_N(char, PAGES * r->page);
    memset(bytes, 1, PAGES * r->page);
    ASSERT_OK(fs_replace_file(fs_real(), r->path, (str){bytes, PAGES * r->page}, &e), e);
    mem_free(bytes);
    ASSERT_OK(fs_map_open(fs_real(), r->path, &r->map, &e), e);
}

static void rig_fini(struct rig *r)
{
    struct error e = {0};
    fs_map_close(fs_real(), &r->map);
    ASSERT_OK(fs_remove_tree(fs_real(), r->dir, &e), e);
}

// One byte of each page.
static void pages_read(void *arg)
{
    struct rig *r = arg;
    r->sum = 0;
    for (size_t i = 0; i < PAGES; i++) {
        r->sum += ((const volatile u8 *)r->map.bytes)[i * r->page + 7];
    }
}

TEST(map_guard_reads_zeroes_where_a_file_was_cut)
{
    struct rig r;
    struct error e = {0};
    rig_init(&r);
    u64 before = map_guard_holes();
    pages_read(&r);
    assert_int_equal(r.sum, PAGES);
    assert_int_equal(fs_map_holes(&r.map), 0);
    assert_int_equal(truncate(r.path, (off_t)(3 * r.page)), 0);
    // On a thread, which blocks all other signals.
    struct thr *t = thr_start("reader", pages_read, &r, &e);
    assert_non_null(t);
    thr_join(t);
    assert_int_equal(r.sum, 3);
    assert_int_equal(fs_map_holes(&r.map), PAGES - 3);
    pages_read(&r);
    assert_int_equal(r.sum, 3);
    assert_int_equal(fs_map_holes(&r.map), PAGES - 3); // Each page once.
    assert_int_equal(map_guard_holes() - before, PAGES - 3);
    rig_fini(&r);
    rig_init(&r); // The range's place is used again, and begins at 0.
    assert_int_equal(fs_map_holes(&r.map), 0);
    rig_fini(&r);
}

static void bus_raise(UNUSED void *arg)
{
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(10); // Should it go round and round.
    (void)raise(SIGBUS);
}

static void stranger_read(void *arg)
{
    struct rig *r = arg;
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(10);
    FILE *f = fopen(r->path, "r");
    const volatile u8 *bytes =
        f ? mmap(NULL, r->page, PROT_READ, MAP_SHARED, fileno(f), 0) : MAP_FAILED;
    if (bytes != MAP_FAILED && truncate(r->path, 0) == 0) {
        (void)bytes[0];
    }
}

// Whether fn ends a process of its own by SIGBUS, or by the report of a sanitizer that caught it.
static bool bus_kills(void (*fn)(void *arg), struct rig *arg)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct error e = {0};
        (void)close(STDERR_FILENO);
        (void)signal(SIGBUS, SIG_DFL); // The test runner's.
        if (fs_map_open(fs_real(), arg->path, &arg->map, &e)) {
            fn(arg);
        }
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) != SIGALRM : WEXITSTATUS(status) != 0;
}

TEST(map_guard_leaves_other_bus_errors_alone)
{
    struct rig r;
    rig_init(&r);
    assert_true(bus_kills(bus_raise, &r));
    assert_true(bus_kills(stranger_read, &r));
    rig_fini(&r);
}
