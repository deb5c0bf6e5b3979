// api.h: the HTTP API and the pages: routes for net's server over the floors below. The folder's
// one public header.
//
// The server may serve before the storage is open: until api_attach, and again after api_stopping,
// everything that needs data answers 503 with X-Prometheus-Stopping. Answers are streamed: a
// million points need no large buffer beyond the query's own budget.
// Cost: that of what is asked; every list has a limit parameter or a budget.
// Invariants:
//   (I1) Nothing that changes state answers to GET, and the lifecycle, admin and write routes only
//        when they are switched on. Ending a query that runs needs no switch: it loses nothing.
//   (I2) A truncated or partial answer says so in warnings, or is an error; it never looks whole.
//   (I3) A push is answered 2xx only after its log position is durable.
// Threads: api_new, attach, stopping and free by the owner; handlers run on the server's lanes.
#ifndef API_API_H
#define API_API_H

#include "model/labels.h"
#include "net/http_route.h"
#include "net/http_server.h"

// The level of upstream's API that is matched: clients switch features by it.
#define API_UPSTREAM_VERSION "3.14.0"

struct api;
struct arena;
struct clk;
struct collect;
struct error;
struct fs;
struct log;
struct notify;
struct promql_engine;
struct rules;
struct scrape;
struct storage;
struct tmk_registry;
struct tsdb;
struct tsdb_replay_progress;

struct api_flag {
    str name; // As upstream names it: "storage.tsdb.path"
    str value;
};

// What only cmd knows. Threads: every function may be called from any lane thread.
struct api_control {
    void *ctx;
    bool (*reload)(void *ctx, struct error *e);     // Waits until it is done.
    void (*quit)(void *ctx);                        // Only asks.
    str (*config_yaml)(void *ctx, struct arena *a); // Printed anew; secrets masked.
    u32 (*flags)(void *ctx, struct arena *a, struct api_flag **out);
    struct labels (*external_labels)(void *ctx, struct arena *a);
    u32 (*alertmanagers)(void *ctx, struct arena *a, str **urls); // External ones; NULL: none
    // Of the last reload.
    bool (*reload_state)(void *ctx, i64 *t_ms);   // Whether it went well, and when.
    str (*retention)(void *ctx, struct arena *a); // What blocks are kept by: "15d or 10GiB"
};

// Zero means the default that stands beside.
struct api_opts {
    struct clk *clk;
    struct log *log;
    struct tmk_registry *registry;
    struct api_control control;
    const struct tsdb_replay_progress *replay; // NULL: nothing is replayed
    str prefix;                                // As the server's.
    bool lifecycle;                            // /-/reload and /-/quit
    bool remote_write;                         // /api/v1/write
    bool admin;                                // /api/v1/admin/…
    i64 lookback_ms;                           // 5 m
    i64 query_timeout_ms;                      // 2 m
    u64 query_bytes_max;                       // 256 MiB: of one query
    u64 memory_limit;                          // As the status page tells it; the machine's
    u32 query_threads;                         // 4
    u32 query_queue_max;                       // 64
    u32 query_tenant_threads;                  // Of one tenant; 0: no bound of its own
    u32 query_tenant_queue_max;                // The same
    i64 query_wait_ms;                         // 10 s: of a query for a thread
    i64 query_slow_ms;                         // Logged from here on; 0: never
    struct fs *fs;                             // NULL: no journal of running queries
    const char *query_journal;                 // Its path; written from api_attach on
    u64 write_bytes_max;                       // 32 MiB, decoded; also the bound of what is sent
    size_t write_cache_bytes;                  // 256 MiB
    struct labels_limits push_limits;          // 40 labels, 256 B names, 4 KiB values
};

// What there is once the start is through; NULL where there is none. All must outlive the api.
struct api_services {
    struct storage *storage;
    struct promql_engine *engine;
    struct tsdb *tsdb;
    struct scrape *scrape;
    struct collect *collect;
    struct rules *rules;
    struct notify *notify;
};

struct api *api_new(const struct api_opts *opts, struct error *e) MUST_USE;
void api_free(struct api *api); // After the server has stopped. Accepts NULL.
void api_attach(struct api *api, const struct api_services *services); // Copied. From now on ready.
void api_stopping(struct api *api); // /-/ready turns 503; running requests may finish.

// Bytes held for running queries, and for what pushes spelt. Before api_attach: none of queries.
enum api_pool { API_POOL_QUERIES, API_POOL_PUSH_CACHE };
u64 api_memory(const struct api *api, enum api_pool pool);

// For struct http_server_opts; borrowed from the api.
const struct http_route *api_routes(const struct api *api, u32 *count);
const struct http_lane *api_lanes(const struct api *api, u32 *count);

#endif
