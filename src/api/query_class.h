// query_class.h: what kind a request on the query lane is of, and what each kind may have of it.
//
// A client says it by the header "X-Tidemark-Lane: dashboard|adhoc|export". Who does not is a
// dashboard if it sends Grafana's X-Dashboard-Uid, an export if the route gives away many series
// (series, federate, exemplars), else ad hoc. With T threads and Q places to wait:
//
//   class      weight  runs at most  waits at most
//   dashboard  4       T             Q
//   adhoc      2       T - T/4       3Q/4
//   export     1       T/2           Q/4
//
// and at least one of each. What one tenant may have of a class is reckoned alike from what he may
// have in all. Threads: stateless.
#ifndef API_QUERY_CLASS_H
#define API_QUERY_CLASS_H

#include "net/http_server.h"

enum query_class { QUERY_DASHBOARD, QUERY_ADHOC, QUERY_EXPORT, QUERY_CLASS_COUNT };

enum query_class query_class_of(const struct http_request *rq);
const char *query_class_text(enum query_class c); // "dashboard", …
// T and Q, of all and of one tenant (0: no bound of his own). Threads: a value.
struct query_room {
    u32 threads;
    u32 queue_max;
    u32 tenant_threads;
    u32 tenant_queue_max;
};
void query_classes_fill(struct http_class out[QUERY_CLASS_COUNT], const struct query_room *room);

#endif
