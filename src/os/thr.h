// thr.h: threads, locks and waiting. Locks have ranks: a thread takes them in rising rank only;
// debug builds check rank and holder (I25). While a lock is held: no I/O, no callback, no wait but
// cond_wait on that very lock.
// Threads: everything here is guarded inside or atomic; a struct lock and a struct cond stay where
// they were made.
#ifndef OS_THR_H
#define OS_THR_H

#include "base/base.h"
#include "os/lock_rank.h"

#include <pthread.h>

struct error;
struct clk;

struct lock {
    pthread_mutex_t mutex;
    u32 rank; // enum lock_rank
    const char *name;
};
void lock_init(struct lock *l, u32 rank, const char *name);
void lock_fini(struct lock *l);
void lock_take(struct lock *l);
void lock_drop(struct lock *l);
void lock_check_held(struct lock *l); // CHECKs in debug builds.

struct cond {
    pthread_cond_t cond; // On the monotonic clock.
};
void cond_init(struct cond *c);
void cond_fini(struct cond *c);
void cond_wait(struct cond *c, struct lock *l);
bool cond_wait_ms(struct cond *c, struct lock *l, i64 timeout_ms); // false on time-out.
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

struct thr;
// name ≤ 15 bytes. fn runs once; thr_join waits for its end and frees. Signals are blocked in it.
struct thr *thr_start(const char *name, void (*fn)(void *arg), void *arg, struct error *e) MUST_USE;
void thr_join(struct thr *t); // Accepts NULL.

// A fixed pool fed by a bounded queue: how lanes are made.
struct pool;
struct pool *pool_new(const char *name, u32 threads, u32 queue_max, struct error *e) MUST_USE;
bool pool_submit(struct pool *p, void (*fn)(void *arg), void *arg) MUST_USE; // false: queue full.
u32 pool_queued(const struct pool *p);
u32 pool_running(const struct pool *p);
void pool_free(struct pool *p); // Runs what is queued, then joins. Accepts NULL.

// A latch that stops loops: sleeps end at once when it is set.
struct stop;
struct stop *stop_new(void);
void stop_free(struct stop *s);
void stop_set(struct stop *s);
bool stop_is_set(const struct stop *s);
bool stop_sleep_ms(struct stop *s, i64 ms); // true if the stop came first. ms ≤ 0 only asks.
int stop_fd(const struct stop *s);          // Readable once set, for poll.

#endif
