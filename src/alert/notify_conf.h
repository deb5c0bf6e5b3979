// notify_conf.h: an alertmanager.yml as decoded; its tables are in notify_conf.c.
// Threads: frozen once decoded.
#ifndef ALERT_NOTIFY_CONF_H
#define ALERT_NOTIFY_CONF_H

#include "base/base.h"
#include "model/conf.h"

struct webhook_section {
    struct secret url;
    str url_file;
    bool send_resolved;
    u64 max_alerts;
    i64 timeout_ms;
};
struct receiver_section {
    str name;
    struct webhook_section *webhooks;
    u32 webhook_count;
};
struct route_section {
    str receiver;
    str *group_by;
    u32 group_by_count;
    i64 group_wait_ms;
    i64 group_interval_ms;
    i64 repeat_interval_ms;
};
struct global_section {
    i64 resolve_timeout_ms;
};
struct notify_conf {
    struct global_section global;
    struct route_section route;
    struct receiver_section *receivers;
    u32 receiver_count;
};

#endif
