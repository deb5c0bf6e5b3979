// notify_send.h: pages on their way; see notify_send.c.
#ifndef ALERT_NOTIFY_SEND_H
#define ALERT_NOTIFY_SEND_H

#include "base/base.h"
#include "base/buf.h"

struct alert_group;
struct notify;
struct page_slot;

// One page on its way to one integration, with its tries.
// Threads: owned by the notifier's thread, but for what the HTTP thread writes.
struct send {
    struct send *next;
    struct notify *owner;
    struct alert_group *group;
    u32 integration;
    struct buf payload;
    u64 *firing;
    u32 firing_count;
    u64 *resolved;
    u32 resolved_count;
    u32 attempt;
    i64 next_try_mono_ms;
    i64 give_up_mono_ms;
    struct page_slot *slot; // While it is in flight.
    bool started;           // Its answer is awaited, or there and not looked at.
    // Written by the HTTP thread before `finished`.
    u32 status;
    bool failed;
    char error[256];
    _Atomic bool finished;
};

void send_free(struct send *s);
void sends_add(struct notify *n, struct send *s); // Behind the others.
bool sends_fly(const struct notify *n);           // Whether a page is in flight.
void sends_cancel(struct notify *n);              // What is in flight fails soon.
void sends_drop(struct notify *n);                // None may be in flight.
// Looks at the answers that came.
void sends_finish(struct notify *n, i64 now_ms, i64 mono_ms);
// Starts the pages whose time has come; returns when the next one's does.
i64 sends_start(struct notify *n, i64 mono_ms);

#endif
