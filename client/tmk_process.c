// tmk_process.c: process_*, as every exporter has them.
//
// A hook reads /proc/self once per exposition; the callbacks only hand out what it found. What
// could not be read is NaN, and so not written. Since Linux 6.2 the size of /proc/self/fd is the
// number of file descriptors; before that they are counted, up to a bound.
// Threads: hook and callbacks run under the registry's fn_lock.
#include "client/tmk_inner.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STAT_BYTES_MAX = 4096, FDS_COUNTED_MAX = 65536, VALUES = 8 };

enum value { CPU, RESIDENT, VIRTUAL, VIRTUAL_MAX, FDS, FDS_MAX, THREADS, START };

// One callback's ctx: which value of which process.
struct value_ref {
    struct tmk_process *process;
    enum value which;
};

struct tmk_process {
    double boot_s;
    double values[VALUES];
    struct value_ref refs[VALUES];
};

static const struct {
    enum tmk_kind kind;
    const char *name;
    const char *help;
} facts[VALUES] = {
    [CPU] = {TMK_COUNTER, "process_cpu_seconds_total",
             "Total user and system CPU time spent in seconds."},
    [RESIDENT] = {TMK_GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes."},
    [VIRTUAL] = {TMK_GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes."},
    [VIRTUAL_MAX] = {TMK_GAUGE, "process_virtual_memory_max_bytes",
                     "Maximum amount of virtual memory available in bytes."},
    [FDS] = {TMK_GAUGE, "process_open_fds", "Number of open file descriptors."},
    [FDS_MAX] = {TMK_GAUGE, "process_max_fds", "Maximum number of open file descriptors."},
    [THREADS] = {TMK_GAUGE, "process_threads", "Number of threads of the process."},
    [START] = {TMK_GAUGE, "process_start_time_seconds",
               "Start time of the process since unix epoch in seconds."},
};

// At most n - 1 bytes, NUL-terminated; false if there is nothing.
static bool file_read(const char *path, char *out, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, out, n - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

// The difference of two clocks tells what btime in /proc/stat does, which stands behind a line that
// may be tens of kilobytes long.
static double boot_time(void)
{
    struct timespec wall;
    struct timespec up;
    if (clock_gettime(CLOCK_REALTIME, &wall) != 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0) {
        return NAN;
    }
    return (double)(wall.tv_sec - up.tv_sec) + (double)(wall.tv_nsec - up.tv_nsec) / 1e9;
}

static double fds_count(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
        return (double)st.st_size;
    }
    DIR *d = opendir("/proc/self/fd");
    if (!d) {
        return NAN;
    }
    int n = 0;
    while (n < FDS_COUNTED_MAX && readdir(d)) {
        n++;
    }
    closedir(d);
    return n - 3; // ".", "..", and the descriptor that reads
}

static double limit_get(int which)
{
    struct rlimit l;
    return getrlimit((__rlimit_resource_t)which, &l) == 0 ? (double)l.rlim_cur : NAN;
}

// The fields after the name, which may itself hold spaces and brackets: they start after the last.
static void stat_parse(struct tmk_process *p, const char *text)
{
    const char *s = strrchr(text, ')');
    unsigned long long field[25] = {0};
    if (!s || strlen(s) < 4) {
        return;
    }
    s += 3; // ") S", the third field; numbers follow
    for (int n = 4; n < 25; n++) {
        char *end = NULL;
        field[n] = strtoull(s, &end, 10);
        if (end == s) {
            return;
        }
        s = end;
    }
    double tick = (double)sysconf(_SC_CLK_TCK);
    p->values[CPU] = (double)(field[14] + field[15]) / tick;
    p->values[THREADS] = (double)field[20];
    p->values[START] = p->boot_s + (double)field[22] / tick;
    p->values[VIRTUAL] = (double)field[23];
    p->values[RESIDENT] = (double)field[24] * (double)sysconf(_SC_PAGESIZE);
}

static void process_look(void *ctx)
{
    struct tmk_process *p = ctx;
    char text[STAT_BYTES_MAX];
    for (int i = 0; i < VALUES; i++) {
        p->values[i] = NAN;
    }
    if (file_read("/proc/self/stat", text, sizeof(text))) {
        stat_parse(p, text);
    }
    p->values[FDS] = fds_count();
    p->values[FDS_MAX] = limit_get(RLIMIT_NOFILE);
    p->values[VIRTUAL_MAX] = limit_get(RLIMIT_AS);
}

static double process_value(void *ctx)
{
    const struct value_ref *ref = ctx;
    return ref->process->values[ref->which];
}

bool tmk_process_register(struct tmk_registry *r, struct tmk_error *e)
{
    if (!r) {
        return tmk_error_set(e, "no registry");
    }
    struct tmk_process *p = calloc(1, sizeof(*p));
    if (!p) {
        return tmk_error_set(e, "process metrics: out of memory");
    }
    pthread_mutex_lock(&r->fn_lock);
    bool first = !r->process;
    if (first) {
        r->process = p;
    }
    pthread_mutex_unlock(&r->fn_lock);
    if (!first) {
        free(p);
        return true;
    }
    p->boot_s = boot_time();
    bool ok = tmk_hook_register(r, process_look, p, e);
    for (int i = 0; ok && i < VALUES; i++) {
        p->refs[i].process = p;
        p->refs[i].which = (enum value)i;
        ok = facts[i].kind == TMK_COUNTER
                 ? tmk_counter_fn(r, facts[i].name, facts[i].help, process_value, &p->refs[i], e)
                 : tmk_gauge_fn(r, facts[i].name, facts[i].help, process_value, &p->refs[i], e);
    }
    return ok;
}

void tmk_process_free(struct tmk_process *p)
{
    free(p);
}
