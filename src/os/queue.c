// queue.c: a ring behind one lock; see queue.h.
#include "os/queue.h"

#include "os/clk.h"
#include "os/thr.h"

#include <stdatomic.h>

// Threads: guarded by lock, but for the count, which is atomic so that metrics need no lock.
struct queue {
    struct lock lock;
    struct cond filled;
    void **items; // items_max places; the oldest stands at first.
    u32 items_max;
    u32 first;
    bool closed;
    _Atomic(u32) count;
};

struct queue *queue_new(u32 items_max)
{
    CHECK(items_max > 0);
    struct queue *q = MEM_NEW(struct queue);
    lock_init(&q->lock, LOCK_LEAF, "queue");
    cond_init(&q->filled);
    q->items = MEM_NEW_N(void *, items_max);
    q->items_max = items_max;
    return q;
}

void queue_free(struct queue *q)
{
    if (q) {
        cond_fini(&q->filled);
        lock_fini(&q->lock);
        mem_free(q->items);
        mem_free(q);
    }
}

bool queue_put(struct queue *q, void *item)
{
    CHECK(item); // NULL is what an empty queue yields.
    lock_take(&q->lock);
    u32 count = atomic_load(&q->count);
    bool room = !q->closed && count < q->items_max;
    if (room) {
        q->items[((u64)q->first + count) % q->items_max] = item;
        atomic_store(&q->count, count + 1);
        cond_signal(&q->filled);
    }
    lock_drop(&q->lock);
    return room;
}

void *queue_take(struct queue *q, i64 timeout_ms)
{
    i64 start = timeout_ms > 0 ? clk_mono_ms(clk_real()) : 0;
    void *item = NULL;
    lock_take(&q->lock);
    while (atomic_load(&q->count) == 0 && !q->closed) {
        if (timeout_ms < 0) {
            cond_wait(&q->filled, &q->lock);
            continue;
        }
        i64 passed = timeout_ms > 0 ? clk_mono_ms(clk_real()) - start : 0;
        if (passed >= timeout_ms) {
            break;
        }
        (void)cond_wait_ms(&q->filled, &q->lock, timeout_ms - passed);
    }
    u32 count = atomic_load(&q->count);
    if (count > 0) {
        item = q->items[q->first];
        q->first = (q->first + 1) % q->items_max;
        atomic_store(&q->count, count - 1);
    }
    lock_drop(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    lock_take(&q->lock);
    q->closed = true;
    cond_broadcast(&q->filled);
    lock_drop(&q->lock);
}

u32 queue_count(const struct queue *q)
{
    return atomic_load(&q->count);
}
