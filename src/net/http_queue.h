// http_queue.h: who of those that wait for a lane's threads runs next.
//
// A lane may know classes of requests (dashboards, exports) and tenants. Classes share the threads
// by weight: each time one of a class starts, its turn moves on by one over its weight, and the
// class with the lowest turn that may run is next. A class that was away does not save up turns.
// Within a class the tenant with the fewest running is next, then who came first. A tenant who has
// as many running in a class as he may is passed over.
// Cost: a pop looks through the running for each that waits, a push too, but only as long as a
// thread is free and nobody who waits may have it: at most queue_max × threads steps, a quarter
// of a million of a lane of 64 threads and 4096 places. Memory: bounded at birth.
// Invariants:
//   (I1) Of a class no more run than running_max, no more are let in to wait than waiting_max;
//        those for whom a thread is free, and who may have it, are not counted. The same of each
//        tenant in it, by his own bounds. Who would start at once is refused by no bound.
//   (I2) What was pushed is popped, or taken out by http_queue_take, exactly once.
//   (I3) If something waits, all threads are busy, or its class or its tenant runs as many as it
//        may.
// Threads: guarded inside.
#ifndef NET_HTTP_QUEUE_H
#define NET_HTTP_QUEUE_H

#include "net/http_server.h"

struct http_queue;

struct http_queue *http_queue_new(const struct http_lane *lane); // Copied.
void http_queue_free(struct http_queue *q); // Nothing waits or runs. Accepts NULL.

// What waits. cancelled: non-zero as soon as nobody wants it any more.
struct http_queued {
    void *item;
    const int *cancelled;
    struct http_place place;
    i64 since_mono_ns;
};

// Why somebody is refused. Threads: a value.
struct http_full {
    const struct http_class *of; // What is full; NULL: nothing.
    bool of_tenant;              // Only what one tenant may have of it.
};
struct http_full http_queue_push(struct http_queue *q, const struct http_queued *w) MUST_USE;
// The next one, which runs from now on until http_queue_done with its place; NULL: none may run.
void *http_queue_pop(struct http_queue *q, struct http_place *place);
void http_queue_done(struct http_queue *q, struct http_place place);
// What one class has now.
struct http_queue_count {
    const struct http_class *of;
    u32 waiting;
    u32 running;
};
u32 http_queue_classes(const struct http_queue *q);
struct http_queue_count http_queue_count(struct http_queue *q, u32 class_index);
// Takes out one that has been cancelled, or waits since before the lane's wait_ms_max; NULL: none.
// why: what it waited for.
void *http_queue_take(struct http_queue *q, i64 now_mono_ns, struct http_full *why);

#endif
