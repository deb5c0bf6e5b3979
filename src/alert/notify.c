// notify.c: the notifier's thread: alerts in, groups on their timers, pages out with retries.
//
// The thread never waits for the network: a page is started on the HTTP client and looked at again
// when its callback woke the thread. A failed one is tried again with doubling pauses until the
// group's interval is over; then the next flush decides anew, so nothing that fires is forgotten.
// Lock order: notify.lock is a leaf; no I/O under it. Threads: see notify_inner.h.
#include "alert/notify_inner.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"

enum { SLEEP_MAX_MS = 1000, STOP_WAIT_MS = 5000, SWAP_WAIT_MS = 5000 };
#define DELIVERY_BYTES_MAX   ((size_t)4 << 20)
#define DELIVERIES_BYTES_MAX ((size_t)32 << 20) // Of one answer; older ones are left out.

// ---- the sink ----

static u32 sink_send(struct alert_sink *sink, const struct alert *alerts, u32 count)
{
    struct notify *n = CONTAINER_OF(sink, struct notify, sink);
    const i64 now_ms = clk_wall_ms(n->deps.clk);
    u32 taken = 0;
    for (; taken < count; taken++) {
        struct held_alert *a = held_alert_new(&alerts[taken], now_ms);
        if (!a) {
            break;
        }
        lock_take(&n->lock);
        const bool room = n->queue_count < NOTIFY_QUEUE_MAX;
        if (room) {
            n->queue[n->queue_count++] = a;
        }
        lock_drop(&n->lock);
        if (!room) {
            held_alert_free(a);
            break;
        }
    }
    notify_poke(n);
    notify_count(n->metrics, NOTIFY_COUNT_RECEIVED, taken);
    notify_count(n->metrics, NOTIFY_COUNT_DROPPED, count - taken);
    return taken;
}

struct alert_sink *notify_sink(struct notify *n)
{
    return &n->sink;
}

void notify_poke(struct notify *n)
{
    lock_take(&n->lock);
    n->poked = true;
    cond_signal(&n->wake);
    lock_drop(&n->lock);
}

// ---- flushing groups ----

// Firing first, then resolved, oldest first within each.
static u32 group_sorted(const struct alert_group *g, i64 now_ms, struct held_alert **out)
{
    u32 n = 0;
    for (u32 pass = 0; pass < 2; pass++) {
        const u32 from = n;
        for (u32 i = 0; i < g->count; i++) {
            if (held_alert_is_resolved(g->alerts[i], now_ms) != (pass == 1)) {
                continue;
            }
            u32 at = n++;
            for (; at > from && out[at - 1]->starts_at_ms > g->alerts[i]->starts_at_ms; at--) {
                out[at] = out[at - 1];
            }
            out[at] = g->alerts[i];
        }
    }
    return n;
}

static struct send *send_new(struct notify *n, struct alert_group *g, u32 integration,
                             struct held_alert **sorted, u32 count, i64 now_ms)
{
    struct send *s = MEM_NEW(struct send);
    s->owner = n;
    s->group = g;
    s->integration = integration;
    s->firing = MEM_NEW_N(u64, count + 1U);
    s->resolved = MEM_NEW_N(u64, count + 1U);
    buf_init(&s->payload, NOTIFY_PAYLOAD_MAX);
    for (u32 i = 0; i < count; i++) {
        if (held_alert_is_resolved(sorted[i], now_ms)) {
            s->resolved[s->resolved_count++] = sorted[i]->fingerprint;
        } else {
            s->firing[s->firing_count++] = sorted[i]->fingerprint;
        }
    }
    return s;
}

// Makes the page of one integration; false if it would say nothing new.
static bool integration_flush(struct notify *n, struct alert_group *g, struct integration *in,
                              struct held_alert **sorted, u32 count, i64 mono_ms)
{
    const i64 now_ms = g->flush_t_ms;
    const struct route_section *route = &n->plan->conf.route;
    struct send *s = send_new(n, g, in->index, sorted, count, now_ms);
    const struct log_entry *entry = notify_log_get(n, notify_log_key(n, g, in->index));
    if (!notify_needed(entry, s, in->section->send_resolved, route->repeat_interval_ms, now_ms)) {
        send_free(s);
        return false;
    }
    u32 told = in->section->send_resolved ? count : s->firing_count;
    if (told == 0) {
        notify_log_put(n, s, now_ms); // All resolved, and this receiver does not want to know.
        send_free(s);
        return false;
    }
    u32 truncated = 0;
    if (in->section->max_alerts > 0 && told > in->section->max_alerts) {
        truncated = told - (u32)in->section->max_alerts;
        told = (u32)in->section->max_alerts;
    }
    notify_payload(n, g, sorted, told, truncated, &s->payload);
    while (!buf_ok(&s->payload) && told > 1) { // Never half a page: fewer alerts, and told so.
        truncated += told - told / 2;
        told /= 2;
        buf_clear(&s->payload);
        notify_payload(n, g, sorted, told, truncated, &s->payload);
    }
    s->give_up_mono_ms = mono_ms + MAX(route->group_interval_ms, NOTIFY_TIMEOUT_MS);
    s->next_try_mono_ms = mono_ms;
    sends_add(n, s);
    return true;
}

static void group_flush(struct notify *n, struct alert_group *g, i64 now_ms, i64 mono_ms)
{
    struct held_alert **sorted = MEM_NEW_N(struct held_alert *, g->count + 1U);
    const u32 count = group_sorted(g, now_ms, sorted);
    g->flush_t_ms = now_ms;
    g->flushed = true;
    g->due_mono_ms = mono_ms + n->plan->conf.route.group_interval_ms;
    for (u32 i = 0; i < n->plan->integration_count; i++) {
        (void)integration_flush(n, g, &n->plan->integrations[i], sorted, count, mono_ms);
    }
    mem_free(sorted);
}

static i64 groups_step(struct notify *n, i64 now_ms, i64 mono_ms)
{
    i64 next_ms = INT64_MAX;
    for (u32 i = 0; i < n->group_count;) {
        struct alert_group *g = n->groups[i];
        if (g->due_mono_ms <= mono_ms && g->sends == 0) {
            group_flush(n, g, now_ms, mono_ms);
            if (g->sends == 0 && alert_group_tidy(n, g)) {
                continue; // Another group stands at i now.
            }
        }
        if (g->sends == 0) {
            next_ms = MIN(next_ms, g->due_mono_ms);
        }
        i++;
    }
    return next_ms;
}

// ---- the thread ----

// Puts a new configuration in place when no page is in flight: an answer on its way decides what
// was
// told. Pages that waited for another try are dropped; their groups flush again.
static void plan_swap(struct notify *n, i64 now_ms, i64 mono_ms)
{
    sends_drop(n);
    notify_plan_free(n->plan);
    n->plan = n->waiting_plan;
    n->waiting_plan = NULL;
    groups_regroup(n, now_ms, mono_ms);
}

// Takes what others left for the thread; waits at most wait_ms for it.
static u32 inbox_take(struct notify *n, i64 wait_ms)
{
    lock_take(&n->lock);
    if (!n->poked && wait_ms > 0) {
        (void)cond_wait_ms(&n->wake, &n->lock, wait_ms);
    }
    n->poked = false;
    const u32 count = n->queue_count;
    memcpy(n->inbox, n->queue, count * sizeof(struct held_alert *));
    n->queue_count = 0;
    struct notify_plan *plan = n->next_plan;
    n->next_plan = NULL;
    lock_drop(&n->lock);
    if (plan) {
        notify_plan_free(n->waiting_plan);
        n->waiting_plan = plan;
        n->swap_by_mono_ms = clk_mono_ms(n->deps.clk) + SWAP_WAIT_MS;
    }
    return count;
}

// What is in flight decides what was told, so a new configuration waits for it, but not for ever:
// until it is in place nothing else is sent.
static void plan_step(struct notify *n, i64 now_ms, i64 mono_ms)
{
    if (!n->waiting_plan) {
        return;
    }
    if (!sends_fly(n)) {
        plan_swap(n, now_ms, mono_ms);
    } else if (mono_ms >= n->swap_by_mono_ms) {
        sends_cancel(n); // Told again, if need be, by the new one.
    }
}

// Whether the notifier stops and nothing more can be sent before its end.
static bool is_drained(struct notify *n, i64 mono_ms)
{
    if (n->stop_by_mono_ms == INT64_MAX) {
        return false;
    }
    lock_take(&n->lock);
    const bool idle = n->queue_count == 0 && !n->poked;
    lock_drop(&n->lock);
    u32 left = 0;
    u32 lost = 0;
    for (const struct send *s = n->sends; s; s = s->next) {
        left += s->started || s->next_try_mono_ms < n->stop_by_mono_ms;
        lost++;
    }
    if (mono_ms < n->stop_by_mono_ms && (left > 0 || !idle)) {
        return false;
    }
    if (lost > 0) {
        LOGF(n->deps.log, LOG_WARN, "%u pages could not be sent before the stop", lost);
    }
    return true;
}

// Makes and starts what is due; returns when the next is.
static i64 pages_step(struct notify *n, i64 now_ms, i64 mono_ms)
{
    const i64 flush_ms = groups_step(n, now_ms, mono_ms);
    const i64 try_ms = sends_start(n, mono_ms); // After the flush, which makes pages.
    return MIN(flush_ms, try_ms);
}

i64 notify_step(struct notify *n, i64 wait_ms)
{
    const u32 count = inbox_take(n, wait_ms);
    const i64 now_ms = clk_wall_ms(n->deps.clk);
    const i64 mono_ms = clk_mono_ms(n->deps.clk);
    if (n->stopping && n->stop_by_mono_ms == INT64_MAX) {
        n->stop_by_mono_ms = mono_ms + STOP_WAIT_MS;
    }
    sends_finish(n, now_ms, mono_ms); // Answers first: they decide what is still new.
    plan_step(n, now_ms, mono_ms);
    for (u32 i = 0; i < count; i++) {
        groups_insert(n, n->inbox[i], now_ms, mono_ms);
    }
    const i64 next_ms = n->waiting_plan ? n->swap_by_mono_ms : pages_step(n, now_ms, mono_ms);
    if (is_drained(n, mono_ms)) {
        return -1;
    }
    const i64 wait_until_ms = MIN(next_ms, n->stop_by_mono_ms);
    return MAX(1, MIN(SLEEP_MAX_MS, wait_until_ms - mono_ms));
}

static void thread_main(void *arg)
{
    struct notify *n = arg;
    i64 wait_ms = 0;
    while (wait_ms >= 0) {
        wait_ms = notify_step(n, wait_ms);
    }
}

// ---- deliveries ----

void notify_delivery_note(struct notify *n, const struct send *s, enum delivery_status status,
                          i64 now_ms)
{
    struct arena *memory = arena_new(DELIVERY_BYTES_MAX);
    struct delivery d = {.t_ms = now_ms,
                         .receiver = arena_str(memory, n->plan->receiver->name),
                         .integration = STR("webhook"),
                         .status = status,
                         .code = s->status,
                         .attempt = s->attempt,
                         .error = arena_str(memory, str_c(s->failed ? s->error : "")),
                         .group_key = arena_str(memory, s->group->key)};
    d.alerts = ARENA_NEW_N(memory, struct delivery_alert, NOTIFY_DELIVERY_ALERTS_MAX);
    for (u32 i = 0; i < s->group->count && d.alert_count < NOTIFY_DELIVERY_ALERTS_MAX &&
                    arena_bytes(memory) < DELIVERY_BYTES_MAX / 4;
         i++) {
        const struct held_alert *a = s->group->alerts[i];
        d.alerts[d.alert_count++] = (struct delivery_alert){
            a->fingerprint, !held_alert_is_resolved(a, s->group->flush_t_ms),
            labels_copy(memory, a->labels)};
    }
    lock_take(&n->lock);
    struct delivery_slot *slot = &n->deliveries[n->delivery_at];
    struct arena *old = slot->memory;
    *slot = (struct delivery_slot){memory, d};
    n->delivery_at = (n->delivery_at + 1) % NOTIFY_DELIVERIES_MAX;
    n->delivery_count = MIN(n->delivery_count + 1, (u32)NOTIFY_DELIVERIES_MAX);
    lock_drop(&n->lock);
    arena_free(old);
}

static void delivery_copy(struct arena *a, const struct delivery *from, struct delivery *to)
{
    *to = *from;
    to->receiver = arena_str(a, from->receiver);
    to->error = arena_str(a, from->error);
    to->group_key = arena_str(a, from->group_key);
    to->alerts = ARENA_NEW_N(a, struct delivery_alert, from->alert_count + 1U);
    for (u32 i = 0; i < from->alert_count; i++) {
        to->alerts[i] = from->alerts[i];
        to->alerts[i].labels = labels_copy(a, from->alerts[i].labels);
    }
}

void notify_deliveries(struct notify *n, struct arena *a, struct delivery **out, u32 *count)
{
    const size_t bytes_max = arena_bytes(a) + DELIVERIES_BYTES_MAX;
    *count = 0;
    lock_take(&n->lock);
    *out = ARENA_NEW_N(a, struct delivery, n->delivery_count + 1U);
    for (u32 i = 0; i < n->delivery_count && arena_bytes(a) < bytes_max; i++) {
        const u32 at = (n->delivery_at + NOTIFY_DELIVERIES_MAX - 1 - i) % NOTIFY_DELIVERIES_MAX;
        delivery_copy(a, &n->deliveries[at].d, &(*out)[(*count)++]);
    }
    lock_drop(&n->lock);
}

// ---- life ----

struct notify *notify_new(const struct notify_deps *deps, UNUSED struct error *e)
{
    struct notify *n = MEM_NEW(struct notify);
    n->deps = *deps;
    n->queue = MEM_NEW_N(struct held_alert *, NOTIFY_QUEUE_MAX);
    n->inbox = MEM_NEW_N(struct held_alert *, NOTIFY_QUEUE_MAX);
    n->sink.send = sink_send;
    n->stop_by_mono_ms = INT64_MAX;
    lock_init(&n->lock, LOCK_LEAF, "notify");
    cond_init(&n->wake);
    n->metrics = notify_metrics_new(n, deps->registry);
    return n;
}

void notify_swap(struct notify *n, struct notify_plan *plan)
{
    lock_take(&n->lock);
    struct notify_plan *unused = n->next_plan;
    n->next_plan = plan;
    n->poked = true;
    cond_signal(&n->wake);
    lock_drop(&n->lock);
    notify_plan_free(unused);
}

void notify_start(struct notify *n)
{
    struct error e = {0};
    n->thread = thr_start("notify", thread_main, n, &e);
    CHECK(n->thread != NULL); // At start-up only: without it nobody is paged.
}

void notify_drain(struct notify *n)
{
    n->stopping = true;
    notify_poke(n);
}

void notify_stop(struct notify *n)
{
    notify_drain(n);
    thr_join(n->thread);
    n->thread = NULL;
}

void notify_free(struct notify *n)
{
    if (!n) {
        return;
    }
    if (n->thread) {
        notify_stop(n);
    }
    notify_plan_free(n->plan); // Cancels what is in flight.
    notify_plan_free(n->waiting_plan);
    notify_plan_free(n->next_plan);
    sends_drop(n);
    for (u32 i = 0; i < n->group_count; i++) {
        alert_group_free(n->groups[i]);
    }
    mem_free(n->groups);
    for (u32 i = 0; i < n->queue_count; i++) {
        held_alert_free(n->queue[i]);
    }
    mem_free(n->queue);
    mem_free(n->inbox);
    for (u32 i = 0; i < n->log_count; i++) {
        mem_free(n->log[i].firing);
        mem_free(n->log[i].resolved);
    }
    mem_free(n->log);
    for (u32 i = 0; i < NOTIFY_DELIVERIES_MAX; i++) {
        arena_free(n->deliveries[i].memory);
    }
    notify_metrics_free(n, n->metrics);
    cond_fini(&n->wake);
    lock_fini(&n->lock);
    mem_free(n);
}
