// alerting.h: the built-in notifier: alerts in, grouped notifications out (Alertmanager's work).
//
// First cut: one route level (group_by, group_wait, group_interval, repeat_interval) and webhook
// receivers (version 4 JSON), resolved included, retried with back-off. Its own thread; notify_sink
// copies into a bounded queue and never blocks.
// Threads: all functions may be called from any thread; snapshots are copies.
#ifndef ALERT_ALERTING_H
#define ALERT_ALERTING_H

#include "base/base.h"
#include "model/alert.h"
#include "model/labels.h"

struct arena;
struct clk;
struct error;
struct fs;
struct http_client;
struct log;
struct notify;
struct tmk_registry;

struct notify_deps {
    struct clk *clk;
    struct fs *fs;
    struct log *log;
    struct tmk_registry *registry;
    struct http_client *http; // Its threads are the notifier's own.
    str external_url;
};

struct notify *notify_new(const struct notify_deps *deps, struct error *e);
// Two-phase reload from the text of an alertmanager.yml; an empty path means that there is none:
// alerts are kept for the API, nothing is sent. An empty file is refused.
struct notify_plan;
struct notify_plan *notify_prepare(struct notify *n, str path, str text, struct error *e);
void notify_swap(struct notify *n, struct notify_plan *plan); // Takes the plan.
void notify_plan_free(struct notify_plan *plan);              // Accepts NULL.
void notify_start(struct notify *n);
// The beginning of the end: what is due now is still sent, within 5 s. Does not wait.
void notify_drain(struct notify *n);
void notify_stop(struct notify *n); // Drains, and waits for that.
void notify_free(struct notify *n); // Accepts NULL.

struct alert_sink *notify_sink(struct notify *n); // Borrowed.

// What was sent where, newest first; the last 1000, or as many of them as fit 32 MiB.
enum delivery_status { DELIVERY_OK, DELIVERY_FAILED, DELIVERY_RETRYING };
struct delivery_alert {
    u64 fingerprint;
    bool firing;
    struct labels labels;
};
struct delivery {
    i64 t_ms;
    str receiver;
    str integration; // "webhook"
    enum delivery_status status;
    u32 code; // HTTP status; 0 = none came.
    u32 attempt;
    str error;
    str group_key;
    struct delivery_alert *alerts;
    u32 alert_count;
};
void notify_deliveries(struct notify *n, struct arena *a, struct delivery **out, u32 *count);

#endif
