// server_inner.h: the running server, as the files that make it up see it.
//
// server.c begins and ends it, server_start.c builds what runs, server_load.c takes configurations
// and answers what the API asks of the process. Private to them.
#ifndef CMD_SERVER_INNER_H
#define CMD_SERVER_INNER_H

#include "api/api.h"
#include "base/base.h"
#include "cmd/memory_pools.h"
#include "os/rng.h"
#include "os/thr.h"
#include "tsdb/tsdb_status.h"

struct error;
struct options;

// Everything that runs. Threads: built and torn down on the main thread; `reload_lock` guards what
// stands behind it. A reload runs outside of it (files are read, services wait): `reloading` keeps
// a second one out.
struct server {
    const struct options *options;
    struct log *log;
    struct tmk_registry *registry;
    struct rng rng;
    struct tsdb_replay_progress replay;

    struct api *api;
    struct http_server *http;
    struct re *cors;
    struct tsdb *db;
    struct pool *helpers; // With queries of much data; NULL: none.
    u32 helper_count;
    struct promql_engine *engine;
    struct promql_engine *rules_engine; // Of its own, so that queries cannot crowd rules out (I14).
    struct scrape *scrape;
    struct collect *collect;
    struct rules *rules;
    struct notify *notify;
    struct http_client *notify_http;
    struct stop *stop;
    struct thr *background;
    struct memory_pools pools;
    char external_url[512];
    char route_prefix[256]; // "" or "/prom".
    char query_journal[4200];

    struct lock reload_lock;
    struct cond reload_done;
    bool reloading;
    struct config *config;
    bool reload_ok;
    i64 reload_t_ms;
};

// What the memory limit is, of the machine or as the user says.
u64 server_memory_limit(const struct options *o);

// In this order; what has been started is stopped by server.c, also after one that failed.
MUST_USE bool server_start_http(struct server *s, struct error *e);
MUST_USE bool server_start_storage(struct server *s, struct error *e);
MUST_USE bool server_start_services(struct server *s, struct error *e);
MUST_USE bool server_start_threads(struct server *s, struct error *e);

// Reads the configuration and takes it whole, or refuses it and changes nothing. At most one at a
// time; others wait.
MUST_USE bool server_load(struct server *s, struct error *e);
// The same, and the log tells if it was refused.
bool server_reload(struct server *s, struct error *e);
// What the API may ask of the process.
struct api_control server_control(struct server *s);

#endif
