// api_ask.h: what the endpoints take that have a query evaluated, and how they say that it failed.
//
// Threads: stateless; what is taken belongs to the caller.
#ifndef API_API_ASK_H
#define API_API_ASK_H

#include "api/api_inner.h"
#include "promql/promql.h"

// request.step_ms is 0 for an instant. Threads: owned.
struct ask {
    struct promql_request request;
    struct query_budget budget;
    struct promql_query *query;
    u32 limit; // Series in the answer; 0: all
    str stats; // The parameter.
    bool all_stats;
    i64 queue_ns;
};

// The query is the caller's to free.
bool ask_query_read(struct http_request *rq, const struct api_services *svc,
                    struct promql_query **query, struct error *e) MUST_USE;
// Each false after an answer has been given.
bool ask_query_parse(struct http_request *rq, struct http_response *rs,
                     const struct api_services *svc, struct promql_query **query);
// query, timeout, limit, lookback_delta, stats; and time, or start, end and step.
bool ask_instant_take(struct http_request *rq, struct http_response *rs,
                      const struct api_services *svc, struct ask *ask);
bool ask_range_take(struct http_request *rq, struct http_response *rs,
                    const struct api_services *svc, struct ask *ask);

void ask_fail(struct http_response *rs, const struct error *e); // Of an evaluation.

#endif
