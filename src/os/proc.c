// proc.c: see proc.h.
#include "os/proc.h"

#include "base/arena.h"
#include "base/str.h"
#include "os/fs.h"
#include "os/proc_limits.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES_MAX  ((size_t)64 << 10)
#define ARENA_BYTES_MAX ((size_t)8 << 20)

u64 proc_memory_limit_bytes(void)
{
    u64 limit = proc_memory_limit_of(fs_real());
    if (limit > 0) {
        return limit;
    }
    // No /proc: the C library still knows.
    return (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE);
}

u32 proc_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    // Fails on a machine of more than 1024 processors; then the C library's count does.
    i64 count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                             : sysconf(_SC_NPROCESSORS_ONLN);
    return MIN((u32)MAX(count, 1), proc_cpu_quota_of(fs_real()));
}

// The n-th word (from 0) of a text, or the empty str.
static str word_at(str text, u32 n)
{
    str word = STR_EMPTY;
    for (u32 i = 0; i <= n; i++) {
        if (!str_split_next(&text, ' ', &word)) {
            return STR_EMPTY;
        }
    }
    return word;
}

static u64 word_number(str text, u32 n)
{
    u64 v = 0;
    return parse_u64(str_trim(word_at(text, n)), &v) ? v : 0;
}

u64 proc_resident_bytes(void)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    str text;
    u64 pages = 0;
    if (fs_read_file(fs_real(), "/proc/self/statm", FILE_BYTES_MAX, a, &text, NULL)) {
        pages = word_number(text, 1);
    }
    arena_free(a);
    return pages * (u64)sysconf(_SC_PAGESIZE);
}

u64 proc_anonymous_bytes(void)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    str text = STR_EMPTY;
    u64 kib = 0;
    if (fs_read_file(fs_real(), "/proc/self/smaps_rollup", FILE_BYTES_MAX, a, &text, NULL)) {
        str line;
        while (str_split_next(&text, '\n', &line)) {
            if (str_starts(line, STR("Anonymous:")) && str_ends(line, STR(" kB")) &&
                parse_u64(str_trim(str_sub(line, 10, line.len - 3)), &kib)) {
                break;
            }
        }
    }
    arena_free(a);
    return kib * 1024;
}

u64 proc_open_fds(void)
{
    struct arena *a = arena_new((size_t)256 << 20);
    struct fs_info *infos = NULL;
    size_t count = 0;
    bool ok = fs_list(fs_real(), "/proc/self/fd", a, &infos, &count, NULL);
    arena_free(a);
    return ok && count > 0 ? count - 1 : 0; // One of them was the listing itself.
}

u64 proc_max_fds(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (u64)limit.rlim_cur : 0;
}

static i64 start_ms; // Threads: frozen after start_once.
static pthread_once_t start_once = PTHREAD_ONCE_INIT;

static void start_find(void)
{
    struct timespec wall;
    struct timespec boot;
    CHECK(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    CHECK(clock_gettime(CLOCK_BOOTTIME, &boot) == 0);
    i64 boot_ms = (i64)boot.tv_sec * 1000 + boot.tv_nsec / 1000000;
    start_ms = (i64)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    str text;
    if (fs_read_file(fs_real(), "/proc/self/stat", FILE_BYTES_MAX, a, &text, NULL)) {
        // "pid (name) state …": the name may hold anything, so count from its last bracket.
        size_t bracket = str_find_last(text, ')');
        u64 ticks = bracket == STR_NONE ? 0 : word_number(str_sub(text, bracket + 2, text.len), 19);
        i64 after_boot_ms = (i64)(ticks * 1000 / (u64)sysconf(_SC_CLK_TCK));
        if (ticks > 0 && after_boot_ms <= boot_ms) {
            start_ms -= boot_ms - after_boot_ms;
        }
    }
    arena_free(a);
}

i64 proc_start_ms(void)
{
    CHECK(pthread_once(&start_once, start_find) == 0);
    return start_ms;
}

str proc_hostname(char out[256])
{
    char name[256] = "localhost";
    if (gethostname(name, sizeof(name)) != 0) {
        memcpy(name, "localhost", sizeof("localhost"));
    }
    name[sizeof(name) - 1] = '\0';
    memcpy(out, name, sizeof(name));
    return str_c(out);
}

str proc_cwd(char out[PROC_PATH_MAX])
{
    return getcwd(out, PROC_PATH_MAX) ? str_c(out) : STR_EMPTY;
}

const char *proc_env(const char *name)
{
    return getenv(name);
}

char *const *proc_environ(void)
{
    return environ;
}

i64 proc_pid(void)
{
    return (i64)getpid();
}
