// server_start.c: builds what runs, from the bottom up: HTTP, so that it can say that the rest is
// not ready, storage, engines and services, then their threads.
#include "alert/alerting.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/config.h"
#include "cmd/feature_flags.h"
#include "cmd/options.h"
#include "cmd/server_inner.h"
#include "collect/collect.h"
#include "model/duration.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "promql/promql.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "storage/storage.h"
#include "text/re.h"
#include "tsdb/tsdb.h"

#include <stdio.h>

enum { STEP_EVERY_MS = 2000, NOTIFY_SHARDS = 4 };
#define BALLAST_BYTES        ((u64)16 << 20)
#define COLD_EVERY_MS        600000 // Idle series may leave memory for a block of their own.
#define PUSH_CACHE_BYTES_MAX ((u64)256 << 20)

u64 server_memory_limit(const struct options *o)
{
    return o->memory_limit ? o->memory_limit : proc_memory_limit_bytes() / 10 * 6;
}

bool server_start_http(struct server *s, struct error *e)
{
    const struct options *o = s->options;
    (void)snprintf(s->query_journal, sizeof(s->query_journal), "%.*s/queries.active",
                   STR_ARG(o->storage_path));
    const struct api_opts api = {
        .clk = clk_real(),
        .log = s->log,
        .registry = s->registry,
        .control = server_control(s),
        .replay = &s->replay,
        .prefix = str_c(s->route_prefix),
        .lifecycle = o->enable_lifecycle,
        .admin = o->enable_admin,
        .remote_write = o->enable_remote_write,
        .lookback_ms = o->lookback_ms,
        .query_timeout_ms = o->query_timeout_ms,
        .query_bytes_max =
            memory_query_bytes(server_memory_limit(o), POOL_QUERIES, o->query_concurrency),
        .write_cache_bytes = (size_t)MIN(memory_pool_bytes(server_memory_limit(o), POOL_PUSH_CACHE),
                                         PUSH_CACHE_BYTES_MAX),
        .memory_limit = server_memory_limit(o),
        .query_threads = (u32)o->query_concurrency,
        .query_queue_max = (u32)o->query_queue_max,
        .query_tenant_threads = (u32)o->query_tenant_concurrency,
        .query_tenant_queue_max = (u32)o->query_tenant_queue_max,
        .query_wait_ms = o->query_wait_ms,
        .query_slow_ms = o->query_slow_ms,
        .fs = fs_real(),
        .query_journal = s->query_journal,
    };
    s->api = api_new(&api, e);
    s->cors = s->api ? re_new(o->cors_origin, e) : NULL;
    if (!s->cors) {
        return s->api ? err_in(e, "--web.cors.origin") : false;
    }
    char address[300];
    (void)snprintf(address, sizeof(address), "%.*s", STR_ARG(o->listen_address));
    struct http_server_opts http = {.address = address,
                                    .prefix = str_c(s->route_prefix),
                                    .cors_origin = s->cors,
                                    .connections_max = (u32)o->connections_max,
                                    .clk = clk_real(),
                                    .log = s->log,
                                    .registry = s->registry};
    http.routes = api_routes(s->api, &http.route_count);
    http.lanes = api_lanes(s->api, &http.lane_count);
    s->http = http_server_start(&http, e);
    return s->http != NULL;
}

bool server_start_storage(struct server *s, struct error *e)
{
    const struct options *o = s->options;
    char dir[4096];
    (void)snprintf(dir, sizeof(dir), "%.*s", STR_ARG(o->storage_path));
    const struct tsdb_opts db = {
        .fs = fs_real(),
        .clk = clk_real(),
        .rng = &s->rng,
        .dir = dir,
        .log = s->log,
        .registry = s->registry,
        .progress = &s->replay,
        .retention_ms = o->retention_ms,
        .retention_bytes = o->retention_bytes,
        .ooo_window_ms = s->config->ooo_window_ms,
        .wal_sync = (enum wal_sync)o->wal_sync,
        .series_max = (u32)o->series_max,
        .series_max_tenant = (u32)o->series_max_tenant,
        .series_max_job = (u32)o->series_max_job,
        .series_max_metric = (u32)o->series_max_metric,
        .unclean_starts_max = (u32)o->unclean_starts,
        .cold_every_ms = COLD_EVERY_MS,
        .memory_max = memory_pool_bytes(server_memory_limit(o), POOL_HEAD),
        .box_bytes_max = memory_pool_bytes(server_memory_limit(o), POOL_HISTOGRAMS),
        .exemplar_bytes_max = memory_pool_bytes(server_memory_limit(o), POOL_EXEMPLARS),
        .log_bytes_max = memory_pool_bytes(server_memory_limit(o), POOL_LOG),
        .ballast_bytes = BALLAST_BYTES,
        .wal_thread = true,
        .start_thread = true};
    s->db = tsdb_open(&db, e);
    return s->db != NULL;
}

static bool has_feature(const struct server *s, const char *name)
{
    return feature_is_on(name, s->options->enable_feature, s->options->disable_feature);
}

#define WORKERS_MAX 8U
#define HELP_QUEUE  64U

static bool helpers_start(struct server *s, struct error *e)
{
    const u32 asked = (u32)s->options->query_workers;
    const u32 workers = asked > 0 ? asked : MIN(proc_cpu_count(), WORKERS_MAX);
    if (workers > 1) {
        s->helper_count = workers - 1;
        s->helpers = pool_new("query-help", s->helper_count, HELP_QUEUE, e);
    }
    return workers <= 1 || s->helpers;
}

// bytes_max: of one query.
static struct promql_engine *engine_make(const struct server *s, u64 bytes_max,
                                         struct pool *helpers)
{
    const struct options *o = s->options;
    return promql_engine_new((struct promql_engine_opts){
        .clk = clk_real(),
        .lookback_ms = o->lookback_ms,
        .timeout_ms = o->query_timeout_ms,
        .samples_max = o->query_samples_max,
        .bytes_max = bytes_max,
        .pool = helpers,
        .helpers_max = s->helper_count,
        .subquery_step_ms = s->config->evaluation_interval_ms,
        .delayed_name_removal = has_feature(s, "promql-delayed-name-removal"),
        .no_experimental_functions = !has_feature(s, "promql-experimental-functions"),
        .no_duration_exprs = !has_feature(s, "promql-duration-expr"),
        .no_extended_ranges = !has_feature(s, "promql-extended-range-selectors"),
        .no_fill = !has_feature(s, "promql-binop-fill-modifiers"),
        .type_labels = has_feature(s, "type-and-unit-labels")});
}

bool server_start_services(struct server *s, struct error *e)
{
    struct storage *storage = tsdb_storage(s->db);
    const u64 limit = server_memory_limit(s->options);
    const u64 rule_bytes = memory_query_bytes(limit, POOL_RULES, RULES_AT_ONCE);
    if (!helpers_start(s, e)) {
        return false;
    }
    s->engine = engine_make(
        s, memory_query_bytes(limit, POOL_QUERIES, s->options->query_concurrency), s->helpers);
    s->rules_engine = engine_make(s, rule_bytes, NULL); // Alone, whatever queries do (I14).
    const struct scrape_deps scrape = {.storage = storage,
                                       .fs = fs_real(),
                                       .clk = clk_real(),
                                       .log = s->log,
                                       .registry = s->registry,
                                       .config_dir = s->config->dir,
                                       .type_and_unit_labels =
                                           has_feature(s, "type-and-unit-labels")};
    s->notify_http = http_client_new(NOTIFY_SHARDS, e);
    const struct notify_deps notify = {.clk = clk_real(),
                                       .fs = fs_real(),
                                       .log = s->log,
                                       .registry = s->registry,
                                       .http = s->notify_http,
                                       .external_url = str_c(s->external_url)};
    s->notify = s->notify_http ? notify_new(&notify, e) : NULL;
    if (!s->notify) {
        return false;
    }
    const struct rules_deps rules = {.storage = storage,
                                     .engine = s->rules_engine,
                                     .clk = clk_real(),
                                     .fs = fs_real(),
                                     .log = s->log,
                                     .registry = s->registry,
                                     .sink = notify_sink(s->notify),
                                     .query_timeout_ms = s->options->query_timeout_ms,
                                     .query_bytes_max = rule_bytes};
    s->rules = rules_new(&rules, e);
    s->scrape = s->rules ? scrape_new(&scrape, e) : NULL;
    return s->scrape != NULL;
}

static bool start_collect(struct server *s, struct error *e)
{
    const struct options *o = s->options;
    const bool wanted = o->collect_host == COLLECT_ON ||
                        (o->collect_host == COLLECT_AUTO && o->config_file.len == 0);
    if (!wanted) {
        return true;
    }
    char procfs[1024];
    char sysfs[1024];
    (void)snprintf(procfs, sizeof(procfs), "%.*s", STR_ARG(o->collect_procfs));
    (void)snprintf(sysfs, sizeof(sysfs), "%.*s", STR_ARG(o->collect_sysfs));
    const struct collect_opts c = {.storage = tsdb_storage(s->db),
                                   .fs = fs_real(),
                                   .clk = clk_real(),
                                   .log = s->log,
                                   .registry = s->registry,
                                   .procfs = procfs,
                                   .sysfs = sysfs};
    s->collect = collect_new(&c, e);
    return s->collect && collect_start(s->collect, e);
}

static void background(void *arg)
{
    struct server *s = arg;
    bool did = false;
    while (!stop_sleep_ms(s->stop, did ? 1 : STEP_EVERY_MS)) {
        struct error e = {0};
        if (!tsdb_step(s->db, &did, &e)) {
            did = false;
            LOGF(s->log, LOG_ERROR, "storage background work failed, trying again: %s", e.text);
        }
    }
}

// The services run from here on.
bool server_start_threads(struct server *s, struct error *e)
{
    s->stop = stop_new();
    s->background = thr_start("storage", background, s, e);
    if (!s->background) {
        return false;
    }
    rules_start(s->rules);
    notify_start(s->notify);
    if (!start_collect(s, e)) {
        return false;
    }
    const struct api_services services = {.storage = tsdb_storage(s->db),
                                          .engine = s->engine,
                                          .tsdb = s->db,
                                          .scrape = s->scrape,
                                          .collect = s->collect,
                                          .rules = s->rules,
                                          .notify = s->notify};
    api_attach(s->api, &services);
    s->pools = (struct memory_pools){.limit = server_memory_limit(s->options),
                                     .db = s->db,
                                     .api = s->api,
                                     .rules = s->rules,
                                     .registry = s->registry};
    memory_pools_register(&s->pools);
    return true;
}
