// queue.h: a bounded, blocking, many-to-many queue of pointers. Full is the caller's decision:
// queue_put never waits and says false (I11).
// Threads: guarded by its own lock.
#ifndef OS_QUEUE_H
#define OS_QUEUE_H

#include "base/base.h"

struct queue;
struct queue *queue_new(u32 items_max);
// Accepts NULL. What is left in it is the caller's loss: drain first.
void queue_free(struct queue *q);
bool queue_put(struct queue *q, void *item) MUST_USE; // item is not NULL.
// The oldest item; NULL on time-out, or when closed and empty. timeout_ms 0 only looks, < 0 waits
// on.
void *queue_take(struct queue *q, i64 timeout_ms);
void queue_close(struct queue *q); // Wakes all takers; puts fail from now on.
u32 queue_count(const struct queue *q);

#endif
