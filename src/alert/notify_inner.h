// notify_inner.h: what the files of alert share: configuration, groups, the log of what was sent.
//
// An alert belongs to one group (its labels decide), a group to the one route. For each receiver
// integration of a group the notification log keeps which alerts were last told firing and which
// resolved: the pages that would say nothing new are not sent.
// Threads: all of it is owned by the notifier's thread; the queue and the deliveries are guarded.
#ifndef ALERT_NOTIFY_INNER_H
#define ALERT_NOTIFY_INNER_H

#include "alert/alerting.h"
#include "alert/notify_conf.h"
#include "alert/notify_send.h"
#include "base/base.h"
#include "model/conf.h"
#include "net/http_client.h"
#include "os/thr.h"

enum {
    NOTIFY_QUEUE_MAX = 10000,   // Alerts waiting for the notifier's thread; upstream's number.
    NOTIFY_ALERTS_MAX = 100000, // Alerts in all groups.
    NOTIFY_LOG_MAX = 100000,
    NOTIFY_SLOTS = 8, // Pages in flight to one integration.
    NOTIFY_TIMEOUT_MS = 10000,
    NOTIFY_DELIVERIES_MAX = 1000,
    NOTIFY_DELIVERY_ALERTS_MAX = 20 // Shown of one delivery.
};
#define NOTIFY_PAYLOAD_MAX     ((size_t)16 << 20)
#define NOTIFY_ALERT_BYTES_MAX ((size_t)1 << 20)
#define NOTIFY_CONF_MAX        ((size_t)4 << 20)

// One connection of an integration.
struct page_slot {
    struct http_target *http; // NULL until it is needed.
    bool busy;                // A page is in flight.
    u32 generation;           // Of the URL it was made with.
};

// One webhook of the route's receiver.
struct integration {
    const struct webhook_section *section;
    str url;
    const char *url_path;     // Of url_file; NULL = the URL stands in the configuration.
    struct arena *url_memory; // Of what it held last.
    u32 generation;           // Rises when it changes.
    bool url_fails;           // It could not be read the last time.
    struct page_slot slots[NOTIFY_SLOTS];
    u32 index;
};

// A whole configuration at work; swapped whole.
struct notify_plan {
    struct arena *memory;
    bool has_receivers; // false: no configuration, alerts go nowhere.
    struct notify_conf conf;
    const struct receiver_section *receiver;
    struct integration *integrations;
    u32 integration_count;
    bool group_by_all; // group_by: ['...']
};

// ---- alerts, groups, log ----

// A copied alert. Threads: owned by whoever holds it.
struct held_alert {
    struct arena *memory;
    u64 fingerprint;
    struct labels labels;
    struct labels annotations;
    i64 starts_at_ms;
    i64 ends_at_ms;
    str generator_url;
    i64 updated_ms;
};

// What a receiver was told last of a group.
struct log_entry {
    u64 key; // Group key, receiver and integration.
    u64 *firing;
    u32 firing_count;
    u64 *resolved;
    u32 resolved_count;
    i64 t_ms;
};

struct alert_group {
    struct arena *memory;
    str key; // {}:{alertname="x"}
    struct labels labels;
    struct held_alert **alerts;
    u32 count;
    u32 cap;
    i64 due_mono_ms;
    bool flushed;   // At least once.
    u32 sends;      // In flight or waiting for their next try.
    i64 flush_t_ms; // Of the flush under way.
};

struct delivery_slot {
    struct arena *memory;
    struct delivery d;
};

struct notify_metrics;

struct notify {
    struct notify_deps deps;
    struct notify_metrics *metrics;
    struct thr *thread;
    _Atomic bool stopping;
    i64 stop_by_mono_ms; // No try is made after it; INT64_MAX until it stops.

    struct lock lock; // Guards what follows, up to the blank line.
    struct cond wake;
    struct held_alert **queue;
    u32 queue_count;
    struct notify_plan *next_plan; // Swapped in by the thread.
    bool poked;
    struct delivery_slot deliveries[NOTIFY_DELIVERIES_MAX];
    u32 delivery_at; // Next to write.
    u32 delivery_count;

    struct alert_sink sink;
    struct held_alert **inbox; // What the step under way took from the queue.
    struct notify_plan *plan;
    struct notify_plan *waiting_plan; // Goes in place when no page is in flight.
    i64 swap_by_mono_ms;              // Then pages in flight are cancelled for it.
    struct alert_group **groups;
    u32 group_count;
    u32 group_cap;
    u32 alert_count;
    struct log_entry *log;
    u32 log_count;
    u32 log_cap;
    struct send *sends;
};

// One turn of the notifier's thread, which waits at most wait_ms for somebody to wake it first (0 =
// not at all). Returns the milliseconds until it wants to be called again; -1: it has stopped.
i64 notify_step(struct notify *n, i64 wait_ms);
void notify_poke(struct notify *n); // Wakes the thread.

// Reads url_file again. While that fails, the URL that it held last goes on to be used.
void integration_url_look(struct notify *n, struct integration *in);
// Gives the slot its connection.
bool integration_slot_make(struct notify *n, const struct integration *in, struct page_slot *slot,
                           struct error *e) MUST_USE;

// NULL if its texts have more than NOTIFY_ALERT_BYTES_MAX.
struct held_alert *held_alert_new(const struct alert *alert, i64 now_ms);
void held_alert_free(struct held_alert *a); // Accepts NULL.
static inline bool held_alert_is_resolved(const struct held_alert *a, i64 now_ms)
{
    return a->ends_at_ms > 0 && a->ends_at_ms <= now_ms;
}

// Takes the alert into its group, made if needed. Frees it where it brings nothing.
void groups_insert(struct notify *n, struct held_alert *a, i64 now_ms, i64 mono_ms);
void alert_group_free(struct alert_group *g);
// Forgets what was told resolved to everybody, and the group when it is empty; true if it is gone.
bool alert_group_tidy(struct notify *n, struct alert_group *g);
void groups_regroup(struct notify *n, i64 now_ms, i64 mono_ms); // After a reload.

struct log_entry *notify_log_get(struct notify *n, u64 key); // NULL if absent.
void notify_log_put(struct notify *n, const struct send *s, i64 now_ms);
u64 notify_log_key(const struct notify *n, const struct alert_group *g, u32 integration);
// Whether these sets say something new to the receiver.
bool notify_needed(const struct log_entry *entry, const struct send *s, bool send_resolved,
                   i64 repeat_ms, i64 now_ms);

// The webhook body, upstream's version 4. alerts are those to be told, firing first.
void notify_payload(struct notify *n, const struct alert_group *g, struct held_alert **alerts,
                    u32 count, u32 truncated, struct buf *out);

void notify_delivery_note(struct notify *n, const struct send *s, enum delivery_status status,
                          i64 now_ms);

enum notify_counter {
    NOTIFY_COUNT_SENT,
    NOTIFY_COUNT_FAILED,
    NOTIFY_COUNT_RECEIVED,
    NOTIFY_COUNT_DROPPED,
    NOTIFY_COUNTER_COUNT
};
struct notify_metrics *notify_metrics_new(struct notify *n, struct tmk_registry *r);
void notify_metrics_free(struct notify *n, struct notify_metrics *m);
void notify_count(struct notify_metrics *m, enum notify_counter c, u64 by);

#endif
