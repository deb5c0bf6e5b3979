// http_rig.h: a small server and a raw socket to shout at it. Included by tests only.
#ifndef NET_HTTP_RIG_H
#define NET_HTTP_RIG_H

#include "base/buf.h"
#include "net/http_server.h"

struct http_rig;

// opts may be NULL; routes, lanes, address and log are the rig's. Short phases are the caller's.
struct http_rig *http_rig_new(const struct http_server_opts *opts);
void http_rig_free(struct http_rig *rig); // Stops the server if it still runs.
void http_rig_stop(struct http_rig *rig, u32 drain_ms);
u16 http_rig_port(const struct http_rig *rig);
str http_rig_metrics(struct http_rig *rig, struct buf *out); // The exposition's text.

// What the handlers did. /slow waits for the gate (or its cancellation), /defer is completed by
// http_rig_undefer.
void http_rig_open_gate(struct http_rig *rig);
u32 http_rig_slow_running(const struct http_rig *rig);
u32 http_rig_slow_cancelled(const struct http_rig *rig);
bool http_rig_undefer(struct http_rig *rig); // false: nothing is deferred.

int http_rig_dial(const struct http_rig *rig);
void http_rig_send(int fd, str bytes);
// Reads until the end of the stream, want bytes of a marker, or timeout_ms.
str http_rig_read(int fd, struct buf *out, const char *until, i64 timeout_ms);
bool http_rig_is_closed(int fd, i64 timeout_ms);
// Dials, sends, reads to the end, closes.
str http_rig_talk(const struct http_rig *rig, str request, struct buf *out);

#endif
