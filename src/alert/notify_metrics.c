// notify_metrics.c: what the notifier counts, under upstream's names.
#include "alert/notify_inner.h"
#include "client/tidemark.h"

struct notify_metrics {
    struct tmk_registry *registry;
    struct tmk_counter *counters[NOTIFY_COUNTER_COUNT];
};

static f64 queue_length(void *ctx)
{
    struct notify *n = ctx;
    lock_take(&n->lock);
    const u32 count = n->queue_count;
    lock_drop(&n->lock);
    return count;
}

static f64 queue_capacity(UNUSED void *ctx)
{
    return NOTIFY_QUEUE_MAX;
}

struct notify_metrics *notify_metrics_new(struct notify *n, struct tmk_registry *r)
{
    static const char *const labels[] = {"integration"};
    static const char *const webhook[] = {"webhook"};
    struct notify_metrics *m = MEM_NEW(struct notify_metrics);
    m->registry = r;
    if (!r) {
        return m;
    }
    const struct tmk_desc sent = {.kind = TMK_COUNTER,
                                  .name = "alertmanager_notifications_total",
                                  .help = "Notification attempts.",
                                  .labels = labels,
                                  .label_count = 1};
    const struct tmk_desc failed = {.kind = TMK_COUNTER,
                                    .name = "alertmanager_notifications_failed_total",
                                    .help = "Failed notification attempts.",
                                    .labels = labels,
                                    .label_count = 1};
    m->counters[NOTIFY_COUNT_SENT] =
        tmk_counter_with(tmk_family_register(r, &sent, NULL), webhook, 1);
    m->counters[NOTIFY_COUNT_FAILED] =
        tmk_counter_with(tmk_family_register(r, &failed, NULL), webhook, 1);
    m->counters[NOTIFY_COUNT_RECEIVED] = tmk_counter_register(
        r, "alertmanager_alerts_received_total", "Alerts taken by the notifier.", NULL);
    m->counters[NOTIFY_COUNT_DROPPED] =
        tmk_counter_register(r, "prometheus_notifications_dropped_total",
                             "Alerts dropped because the notifier was full.", NULL);
    (void)tmk_gauge_fn(r, "prometheus_notifications_queue_length",
                       "Alerts waiting for the notifier.", queue_length, n, NULL);
    (void)tmk_gauge_fn(r, "prometheus_notifications_queue_capacity",
                       "Room for alerts waiting for the notifier.", queue_capacity, n, NULL);
    return m;
}

void notify_metrics_free(struct notify *n, struct notify_metrics *m)
{
    if (m && m->registry) {
        tmk_fn_remove(m->registry, n);
    }
    mem_free(m);
}

void notify_count(struct notify_metrics *m, enum notify_counter c, u64 by)
{
    tmk_counter_add(m->counters[c], by);
}
