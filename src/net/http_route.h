// http_route.h: the one table of routes, and how a path finds its row.
//
// Patterns are made of segments: "/api/v1/label/:name/values". ':' takes one segment, decoded; a
// last segment "*rest" takes all that is left. Exact rows win over ':' rows, those over '*'.
// Cost: O(routes) string compares; tables have some dozens of rows.
// Threads: tables are frozen.
#ifndef NET_HTTP_ROUTE_H
#define NET_HTTP_ROUTE_H

#include "net/http_msg.h"

struct error;

// Deny by default: a route says what a caller must be allowed to do.
enum http_permission { HTTP_PUBLIC, HTTP_READ, HTTP_WRITE, HTTP_ADMIN };

enum http_route_flag {
    HTTP_CORS = 1,       // Answers other origins that opts.cors_origin allows; OPTIONS is 204.
    HTTP_FORM = 2,       // A form body's fields join params.
    HTTP_SHED_429 = 4,   // A full lane answers 429 (writers), not 503.
    HTTP_RETRY_SLOW = 8, // Retry-After 10 s instead of 1 s.
};

#define HTTP_LANE_INLINE UINT32_MAX // On the I/O thread: the handler must not wait for anything.

typedef void http_handler(struct http_request *rq, struct http_response *rs);

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the columns stand in reading order.
struct http_route {
    u32 methods; // enum http_method, or-ed. HEAD comes with GET.
    const char *pattern;
    u32 lane;
    u64 body_bytes_max; // 0: no body is taken.
    enum http_permission permission;
    u32 flags;
    i64 deadline_ms; // 0: the server's.
    http_handler *handler;
    void *ctx;
};

struct http_router {
    const struct http_route *routes;
    u32 count;
    str prefix; // "" or "/prom": cut off before matching.
};

enum http_match {
    HTTP_MATCH_FOUND,
    HTTP_MATCH_NONE,      // 404
    HTTP_MATCH_METHOD,    // 405; *allowed says what would do.
    HTTP_MATCH_MALFORMED, // 400
    HTTP_MATCH_OUTSIDE,   // Not below the prefix.
};

// Decodes and matches rq->target: sets path, route, route_params, ctx. Query and form come later.
enum http_match http_route_match(const struct http_router *r, struct http_request *rq,
                                 u32 *allowed);
// "GET, HEAD, POST".
str http_allow_text(u32 methods, struct arena *a);
// Fills params: the form body's fields first (if the route and Content-Type say so), then the
// query's.
bool http_params_decode(struct http_request *rq, struct error *e) MUST_USE;
// Patterns begin with '/', rows do not collide, lanes are below lane_count.
bool http_routes_check(const struct http_router *r, u32 lane_count, struct error *e) MUST_USE;

#endif
