#include "os/map_guard.h"

#include "base/error.h"
#include "os/lock_rank.h"
#include "os/thr.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

// Threads: written under the table's lock, read by the handler. from is 0 while it is free.
struct range {
    _Atomic uintptr_t from;
    _Atomic uintptr_t to;
    _Atomic u32 holes;
};

// The process has one handler, so this is one of the few globals.
static struct range ranges[MAP_GUARD_RANGES_MAX];
static _Atomic u32 range_count; // Those at or beyond it were never used.
static _Atomic u64 holes_total;
static uintptr_t page_bytes;           // Threads: frozen after guard_init.
static struct sigaction action_before; // Of SIGBUS; written under the table's lock.
static struct lock table_lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct range *range_of(uintptr_t at)
{
    u32 n = atomic_load(&range_count);
    for (u32 i = 0; i < n; i++) {
        uintptr_t from = atomic_load(&ranges[i].from);
        if (from != 0 && at >= from && at < atomic_load(&ranges[i].to)) {
            return &ranges[i];
        }
    }
    return NULL;
}

// Only what is safe in a handler: atomics and one system call.
static void on_bus_error(UNUSED int signal_number, siginfo_t *info, UNUSED void *context)
{
    int saved = errno;
    uintptr_t at = (uintptr_t)info->si_addr;
    // Who sent a signal by hand wants what the signal does; a read of ours has a code above 0.
    struct range *r = info->si_code > 0 ? range_of(at) : NULL;
    void *page = (char *)info->si_addr - at % page_bytes;
    if (r &&
        mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
        atomic_fetch_add(&r->holes, 1);
        atomic_fetch_add(&holes_total, 1);
    } else {
        (void)sigaction(SIGBUS, &action_before, NULL); // The read is tried again, and meets it.
        if (info->si_code <= 0) {
            (void)raise(SIGBUS);
        }
    }
    errno = saved;
}

static void guard_init(void)
{
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    lock_init(&table_lock, LOCK_LEAF, "map_guard");
}

// With the lock. Should somebody have put a handler of his own there, his is the one before ours.
static void handler_set(void)
{
    struct sigaction now;
    CHECK(sigaction(SIGBUS, NULL, &now) == 0);
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_bus_error) {
        struct sigaction action = {.sa_sigaction = on_bus_error,
                                   .sa_flags = SA_SIGINFO | SA_RESTART};
        CHECK(sigemptyset(&action.sa_mask) == 0);
        action_before = now;
        CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    }
}

bool map_guard_add(const void *base, size_t len, const _Atomic u32 **holes, struct error *e)
{
    CHECK(pthread_once(&once, guard_init) == 0);
    struct range *found = NULL;
    lock_take(&table_lock);
    handler_set();
    u32 n = atomic_load(&range_count);
    for (u32 i = 0; !found && i < n; i++) {
        found = atomic_load(&ranges[i].from) == 0 ? &ranges[i] : NULL;
    }
    if (!found && n < MAP_GUARD_RANGES_MAX) {
        found = &ranges[n];
        atomic_store(&range_count, n + 1);
    }
    if (found) {
        atomic_store(&found->holes, 0);
        atomic_store(&found->to,
                     (uintptr_t)base + (len + page_bytes - 1) / page_bytes * page_bytes);
        atomic_store(&found->from, (uintptr_t)base);
    }
    lock_drop(&table_lock);
    if (!found) {
        return err_set(e, ERR_LIMIT, "more than %u files are mapped", MAP_GUARD_RANGES_MAX);
    }
    *holes = &found->holes;
    return true;
}

void map_guard_remove(const void *base)
{
    CHECK(pthread_once(&once, guard_init) == 0);
    lock_take(&table_lock);
    u32 n = atomic_load(&range_count);
    for (u32 i = 0; i < n; i++) {
        if (atomic_load(&ranges[i].from) == (uintptr_t)base) {
            atomic_store(&ranges[i].from, 0);
            break;
        }
    }
    lock_drop(&table_lock);
}

u64 map_guard_holes(void)
{
    return atomic_load(&holes_total);
}
