// http_queue.c: see http_queue.h.
#include "net/http_queue.h"

#include "os/thr.h"

#define TURN_UNIT ((u64)1 << 20)

// Threads: guarded by the queue's lock.
struct turn {
    u64 at;
    u32 waiting;
    u32 running;
};

struct http_queue {
    struct http_lane lane;
    struct http_class only; // Of a lane that has no classes.
    struct lock lock;
    struct turn *turns; // Of each class.
    u64 now;            // The turn of who was popped last.
    struct http_queued *waiting;
    u32 waiting_count;
    struct http_place *running;
    u32 running_count;
};

struct http_queue *http_queue_new(const struct http_lane *lane)
{
    struct http_queue *q = MEM_NEW(struct http_queue);
    q->lane = *lane;
    q->only = (struct http_class){.name = lane->name,
                                  .weight = 1,
                                  .running_max = lane->threads,
                                  .waiting_max = lane->queue_max};
    if (lane->class_count == 0) {
        q->lane.classes = &q->only;
        q->lane.class_count = 1;
    }
    lock_init(&q->lock, LOCK_LEAF, "http_queue");
    q->turns = MEM_NEW_N(struct turn, q->lane.class_count);
    q->waiting = MEM_NEW_N(struct http_queued, (size_t)lane->queue_max + lane->threads);
    q->running = MEM_NEW_N(struct http_place, lane->threads);
    return q;
}

void http_queue_free(struct http_queue *q)
{
    if (q == NULL) {
        return;
    }
    CHECK(q->waiting_count == 0 && q->running_count == 0);
    lock_fini(&q->lock);
    mem_free(q->turns);
    mem_free(q->waiting);
    mem_free(q->running);
    mem_free(q);
}

static bool place_eq(struct http_place a, struct http_place b)
{
    return a.class_index == b.class_index && a.tenant == b.tenant;
}

static u32 running_in(const struct http_queue *q, struct http_place place)
{
    u32 count = 0;
    for (u32 i = 0; i < q->running_count; i++) {
        count += place_eq(q->running[i], place);
    }
    return count;
}

static u32 waiting_in(const struct http_queue *q, struct http_place place)
{
    u32 count = 0;
    for (u32 i = 0; i < q->waiting_count; i++) {
        count += place_eq(q->waiting[i].place, place);
    }
    return count;
}

// How many more of the tenant may run in the class.
static u32 tenant_free(const struct http_queue *q, struct http_place place)
{
    const struct http_class *c = &q->lane.classes[place.class_index];
    return c->tenant_running_max == 0 ? UINT32_MAX : c->tenant_running_max - running_in(q, place);
}

static bool may_run(const struct http_queue *q, struct http_place place)
{
    return q->running_count < q->lane.threads &&
           q->turns[place.class_index].running < q->lane.classes[place.class_index].running_max &&
           tenant_free(q, place) > 0;
}

static void running_add(struct http_queue *q, struct http_place place)
{
    q->turns[place.class_index].running++;
    q->running[q->running_count++] = place;
}

static void running_drop_last(struct http_queue *q)
{
    q->turns[q->running[--q->running_count].class_index].running--;
}

// A thread that is free, but has not come for it yet, makes nobody wait: those who would start now
// are taken as running while we look. In whatever order they are taken, as many start.
static struct http_full room_look(struct http_queue *q, struct http_place place)
{
    const struct http_class *c = &q->lane.classes[place.class_index];
    const u32 running = q->running_count;
    u32 of_class = q->turns[place.class_index].waiting;
    u32 of_tenant = c->tenant_waiting_max == 0 ? 0 : waiting_in(q, place);
    for (u32 i = 0; i < q->waiting_count && q->running_count < q->lane.threads; i++) {
        const struct http_place other = q->waiting[i].place;
        if (may_run(q, other)) {
            running_add(q, other);
            of_class -= other.class_index == place.class_index;
            of_tenant -= c->tenant_waiting_max > 0 && place_eq(other, place);
        }
    }
    const u32 of_all = q->waiting_count - (q->running_count - running);
    const bool starts = may_run(q, place);
    while (q->running_count > running) {
        running_drop_last(q);
    }
    const bool room = starts || (of_all < q->lane.queue_max && of_class < c->waiting_max);
    const bool tenant_room =
        starts || c->tenant_waiting_max == 0 || of_tenant < c->tenant_waiting_max;
    return (struct http_full){.of = room && tenant_room ? NULL : c, .of_tenant = !tenant_room};
}

struct http_full http_queue_push(struct http_queue *q, const struct http_queued *w)
{
    CHECK(w->place.class_index < q->lane.class_count);
    struct turn *turn = &q->turns[w->place.class_index];
    lock_take(&q->lock);
    const struct http_full full = room_look(q, w->place);
    if (full.of == NULL) { // (I1)
        CHECK(q->waiting_count < q->lane.queue_max + q->lane.threads);
        if (turn->waiting == 0) {
            turn->at = MAX(turn->at, q->now);
        }
        q->waiting[q->waiting_count++] = *w;
        turn->waiting++;
    }
    lock_drop(&q->lock);
    return full;
}

// Keeps the order of those that stay.
static void waiting_remove(struct http_queue *q, u32 i)
{
    q->turns[q->waiting[i].place.class_index].waiting--;
    q->waiting_count--;
    memmove(&q->waiting[i], &q->waiting[i + 1], (q->waiting_count - i) * sizeof(q->waiting[0]));
}

static u32 running_of(const struct http_queue *q, u64 tenant)
{
    u32 count = 0;
    for (u32 i = 0; i < q->running_count; i++) {
        count += q->running[i].tenant == tenant;
    }
    return count;
}

// Who is next of a class; waiting_count: nobody.
static u32 waiting_next(const struct http_queue *q, u32 of_class)
{
    u32 best = q->waiting_count;
    u32 fewest = UINT32_MAX;
    for (u32 i = 0; i < q->waiting_count; i++) {
        const struct http_place place = q->waiting[i].place;
        if (place.class_index == of_class) {
            const u32 running = running_of(q, place.tenant);
            if (running < fewest && tenant_free(q, place) > 0) {
                fewest = running;
                best = i;
            }
        }
    }
    return best;
}

// Who is next of the class whose turn it is; waiting_count: nobody may run.
static u32 next(const struct http_queue *q)
{
    const struct turn *best = NULL;
    u32 found = q->waiting_count;
    for (u32 c = 0; c < q->lane.class_count; c++) {
        const struct turn *t = &q->turns[c];
        const bool may_run = t->waiting > 0 && t->running < q->lane.classes[c].running_max;
        if (may_run && (best == NULL || t->at < best->at)) {
            const u32 i = waiting_next(q, c);
            best = i < q->waiting_count ? t : best;
            found = i < q->waiting_count ? i : found;
        }
    }
    return found;
}

void *http_queue_pop(struct http_queue *q, struct http_place *place)
{
    void *item = NULL;
    lock_take(&q->lock);
    const u32 i = q->running_count < q->lane.threads ? next(q) : q->waiting_count;
    if (i < q->waiting_count) {
        const u32 c = q->waiting[i].place.class_index;
        struct turn *turn = &q->turns[c];
        item = q->waiting[i].item;
        *place = q->waiting[i].place;
        waiting_remove(q, i);
        q->now = MAX(q->now, turn->at);
        turn->at += TURN_UNIT / q->lane.classes[c].weight;
        running_add(q, *place);
    }
    lock_drop(&q->lock);
    return item;
}

void http_queue_done(struct http_queue *q, struct http_place place)
{
    u32 i = 0;
    lock_take(&q->lock);
    while (i < q->running_count && !place_eq(q->running[i], place)) {
        i++;
    }
    CHECK(i < q->running_count);
    q->running[i] = q->running[--q->running_count];
    q->turns[place.class_index].running--;
    lock_drop(&q->lock);
}

void *http_queue_take(struct http_queue *q, i64 now_mono_ns, struct http_full *why)
{
    const i64 wait_ns = (i64)q->lane.wait_ms_max * 1000000;
    void *item = NULL;
    lock_take(&q->lock);
    for (u32 i = 0; i < q->waiting_count && item == NULL; i++) {
        const struct http_queued *w = &q->waiting[i];
        const bool late = wait_ns > 0 && now_mono_ns - w->since_mono_ns >= wait_ns;
        if (late || __atomic_load_n(w->cancelled, __ATOMIC_RELAXED) != 0) {
            item = w->item;
            *why = (struct http_full){.of = &q->lane.classes[w->place.class_index],
                                      .of_tenant = tenant_free(q, w->place) == 0};
            waiting_remove(q, i);
        }
    }
    lock_drop(&q->lock);
    return item;
}

u32 http_queue_classes(const struct http_queue *q)
{
    return q->lane.class_count;
}

struct http_queue_count http_queue_count(struct http_queue *q, u32 class_index)
{
    CHECK(class_index < q->lane.class_count);
    struct http_queue_count count = {.of = &q->lane.classes[class_index]};
    lock_take(&q->lock);
    count.waiting = q->turns[class_index].waiting;
    count.running = q->turns[class_index].running;
    lock_drop(&q->lock);
    return count;
}
