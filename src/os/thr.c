// thr.c: locks with ranks, conditions on the monotonic clock, threads. See thr.h.
#include "os/thr.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#ifndef NDEBUG
#    define HELD_MAX 16
// The locks of this thread, in the order in which it took them.
static _Thread_local struct lock *held[HELD_MAX];
static _Thread_local u32 held_count;

// A rank of the table is for the lock of that row alone.
static void name_check(const struct lock *l)
{
    static const struct {
        u32 rank;
        const char *name;
    } rows[] = {
#    define LOCK_RANK_ROW(constant, number, text) {number, text},
        LOCK_RANKS(LOCK_RANK_ROW)
#    undef LOCK_RANK_ROW
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CHECK(rows[i].rank != l->rank || strcmp(rows[i].name, l->name) == 0);
    }
}

static void rank_check(const struct lock *l)
{
    for (u32 i = 0; i < held_count; i++) {
        CHECK(held[i] != l && "the lock is taken twice");
        CHECK(held[i]->rank != 0 && "a lock is taken under a leaf lock");
        CHECK((l->rank == 0 || held[i]->rank < l->rank) && "locks are taken against their rank");
    }
    CHECK(held_count < HELD_MAX);
}

static void rank_push(struct lock *l)
{
    held[held_count++] = l;
}

static void rank_pop(const struct lock *l)
{
    u32 at = held_count;
    while (at > 0 && held[at - 1] != l) {
        at--;
    }
    CHECK(at > 0 && "a lock is dropped that this thread does not hold");
    memmove(&held[at - 1], &held[at], (held_count - at) * sizeof(struct lock *));
    held_count--;
}

void lock_check_held(struct lock *l)
{
    u32 at = 0;
    while (at < held_count && held[at] != l) {
        at++;
    }
    CHECK(at < held_count && "this thread should hold the lock");
}

static void check_sole(const struct lock *l)
{
    CHECK(held_count == 1 && held[0] == l && "a wait under another lock");
}
#else
static void name_check(const struct lock *l)
{
    (void)l;
}
static void rank_check(const struct lock *l)
{
    (void)l;
}
static void rank_push(struct lock *l)
{
    (void)l;
}
static void rank_pop(const struct lock *l)
{
    (void)l;
}
void lock_check_held(struct lock *l)
{
    (void)l;
}
static void check_sole(const struct lock *l)
{
    (void)l;
}
#endif

void lock_init(struct lock *l, u32 rank, const char *name)
{
    CHECK(pthread_mutex_init(&l->mutex, NULL) == 0);
    l->rank = rank;
    l->name = name;
    name_check(l);
}

void lock_fini(struct lock *l)
{
    CHECK(pthread_mutex_destroy(&l->mutex) == 0);
}

void lock_take(struct lock *l)
{
    rank_check(l);
    CHECK(pthread_mutex_lock(&l->mutex) == 0);
    rank_push(l);
}

void lock_drop(struct lock *l)
{
    rank_pop(l);
    CHECK(pthread_mutex_unlock(&l->mutex) == 0);
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&c->cond, &attr) == 0);
    CHECK(pthread_condattr_destroy(&attr) == 0);
}

void cond_fini(struct cond *c)
{
    CHECK(pthread_cond_destroy(&c->cond) == 0);
}

void cond_wait(struct cond *c, struct lock *l)
{
    check_sole(l);
    CHECK(pthread_cond_wait(&c->cond, &l->mutex) == 0);
}

bool cond_wait_ms(struct cond *c, struct lock *l, i64 timeout_ms)
{
    check_sole(l);
    const i64 year_ms = (i64)365 * 24 * 3600 * 1000; // Keeps the sum far from overflow.
    timeout_ms = MAX(0, MIN(timeout_ms, year_ms));
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int status = pthread_cond_timedwait(&c->cond, &l->mutex, &until);
    CHECK(status == 0 || status == ETIMEDOUT);
    return status == 0;
}

void cond_signal(struct cond *c)
{
    CHECK(pthread_cond_signal(&c->cond) == 0);
}

void cond_broadcast(struct cond *c)
{
    CHECK(pthread_cond_broadcast(&c->cond) == 0);
}

// Threads: frozen once the thread runs.
struct thr {
    pthread_t id;
    void (*fn)(void *arg);
    void *arg;
    char name[16];
};

static void *thr_main(void *arg)
{
    const struct thr *t = arg;
    (void)pthread_setname_np(pthread_self(), t->name);
    t->fn(t->arg);
    return NULL;
}

struct thr *thr_start(const char *name, void (*fn)(void *arg), void *arg, struct error *e)
{
    CHECK(strlen(name) < sizeof(((struct thr *)0)->name));
    struct thr *t = MEM_NEW(struct thr);
    t->fn = fn;
    t->arg = arg;
    memcpy(t->name, name, strlen(name));
    // Inherited by the new thread: signals belong to the main one. Not so SIGBUS, which comes to
    // the thread that read a lost page (map_guard.h); were it blocked, it would end the process.
    sigset_t all;
    sigset_t before;
    CHECK(sigfillset(&all) == 0 && sigdelset(&all, SIGBUS) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int status = pthread_create(&t->id, NULL, thr_main, t);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (status != 0) {
        mem_free(t);
        (void)err_errno(e, status, "starting the thread %s", name);
        return NULL;
    }
    return t;
}

void thr_join(struct thr *t)
{
    if (t) {
        CHECK(pthread_join(t->id, NULL) == 0);
        mem_free(t);
    }
}
