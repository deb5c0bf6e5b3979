// http_lane_gauge.h: what each class of each lane has waiting and running, and what it was refused.
//
// Threads: init and fini by the server's owner; the rest from any thread.
#ifndef NET_HTTP_LANE_GAUGE_H
#define NET_HTTP_LANE_GAUGE_H

#include "net/http_inner.h"

// After the queues are there, and before they go.
bool lane_gauges_init(struct http_server *s, struct error *e) MUST_USE;
void lane_gauges_fini(struct http_server *s);
// Of a class of the request's lane, besides gauge_refused: one of REFUSED_LANE_….
void lane_gauge_refused(const struct http_exchange *x, const struct http_class *of,
                        enum http_refusal why);

#endif
