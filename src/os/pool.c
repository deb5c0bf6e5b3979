// pool.c: a fixed number of threads that run what a bounded ring holds. Declared in thr.h.
#include "base/error.h"
#include "os/thr.h"

#include <stdatomic.h>
#include <stdio.h>

struct job {
    void (*fn)(void *arg);
    void *arg;
};

// Threads: guarded by lock, but for the two counts, which are atomic so that metrics need no lock.
struct pool {
    struct lock lock;
    struct cond work;
    struct job *ring; // jobs_max places; the oldest stands at first.
    u32 jobs_max;
    u32 first;
    bool closing;
    _Atomic(u32) queued;
    _Atomic(u32) running;
    struct thr **threads; // Frozen after pool_new.
    u32 thread_count;
};

static bool job_take(struct pool *p, struct job *job)
{
    lock_take(&p->lock);
    while (atomic_load(&p->queued) == 0 && !p->closing) {
        cond_wait(&p->work, &p->lock);
    }
    bool found = atomic_load(&p->queued) > 0;
    if (found) {
        *job = p->ring[p->first];
        p->first = (p->first + 1) % p->jobs_max;
        atomic_fetch_sub(&p->queued, 1);
        atomic_fetch_add(&p->running, 1);
    }
    lock_drop(&p->lock);
    return found;
}

static void worker(void *arg)
{
    struct pool *p = arg;
    struct job job;
    while (job_take(p, &job)) {
        job.fn(job.arg);
        atomic_fetch_sub(&p->running, 1);
    }
}

struct pool *pool_new(const char *name, u32 threads, u32 queue_max, struct error *e)
{
    CHECK(threads > 0 && queue_max > 0);
    struct pool *p = MEM_NEW(struct pool);
    lock_init(&p->lock, LOCK_LEAF, "pool");
    cond_init(&p->work);
    p->jobs_max = queue_max;
    p->ring = MEM_NEW_N(struct job, queue_max);
    p->threads = MEM_NEW_N(struct thr *, threads);
    for (u32 i = 0; i < threads; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%.10s-%u", name, (unsigned)(i % 1000));
        struct thr *t = thr_start(text, worker, p, e);
        if (!t) {
            pool_free(p);
            return NULL;
        }
        p->threads[p->thread_count++] = t;
    }
    return p;
}

bool pool_submit(struct pool *p, void (*fn)(void *arg), void *arg)
{
    lock_take(&p->lock);
    u32 queued = atomic_load(&p->queued);
    bool room = !p->closing && queued < p->jobs_max;
    if (room) {
        p->ring[((u64)p->first + queued) % p->jobs_max] = (struct job){fn, arg};
        atomic_fetch_add(&p->queued, 1);
        cond_signal(&p->work);
    }
    lock_drop(&p->lock);
    return room;
}

u32 pool_queued(const struct pool *p)
{
    return atomic_load(&p->queued);
}

u32 pool_running(const struct pool *p)
{
    return atomic_load(&p->running);
}

void pool_free(struct pool *p)
{
    if (!p) {
        return;
    }
    lock_take(&p->lock);
    p->closing = true;
    cond_broadcast(&p->work);
    lock_drop(&p->lock);
    for (u32 i = 0; i < p->thread_count; i++) {
        thr_join(p->threads[i]);
    }
    CHECK(atomic_load(&p->queued) == 0);
    cond_fini(&p->work);
    lock_fini(&p->lock);
    mem_free(p->threads);
    mem_free(p->ring);
    mem_free(p);
}
