// alert.h: the alert value and the sink that rules push into: semantics of POST /api/v2/alerts.
//
// Rules resend each active alert every resend delay with ends_at = now + 4 × max(interval, resend
// delay), and a resolved one with ends_at in the past.
// Threads: alerts are borrowed for the call; sinks copy, are bounded and never block.
#ifndef MODEL_ALERT_H
#define MODEL_ALERT_H

#include "base/base.h"
#include "model/labels.h"

struct alert {
    struct labels labels;
    struct labels annotations;
    i64 starts_at_ms;
    i64 ends_at_ms; // 0 = unknown: the receiver adds its resolve_timeout.
    str generator_url;
};

struct alert_sink {
    // Returns how many of the alerts were taken; the rest is dropped and counted by the caller.
    u32 (*send)(struct alert_sink *sink, const struct alert *alerts, u32 count);
};

static inline u32 alert_sink_send(struct alert_sink *sink, const struct alert *alerts, u32 count)
{
    return sink->send(sink, alerts, count);
}

#endif
