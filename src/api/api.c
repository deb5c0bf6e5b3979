// api.c: the table of routes, and the life of the api. See api.h.
#include "api/api_inner.h"
#include "api/query_share.h"
#include "api/query_watch.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "ingest/ingest.h"
#include "os/clk.h"

#define QUERY   API_LANE_QUERY
#define INDEX   API_LANE_INDEX
#define META    API_LANE_META
#define WRITE   API_LANE_WRITE
#define INLINE  HTTP_LANE_INLINE
#define READS   (HTTP_GET | HTTP_POST)
#define CHANGES (HTTP_POST | HTTP_PUT)
#define SHARED  (HTTP_CORS | HTTP_FORM)

#define FORM_BYTES_MAX   ((u64)10 << 20) // A query of 64 KiB, or thousands of match[].
#define ABSENT_BYTES_MAX ((u64)32 << 20) // So that the answer says why, and not "too large".
#define RELOAD_MS        ((i64)300000)
#define ADMIN_MS         ((i64)3600000) // Blocks are rewritten.
#define V1(path)         "/api/v1" path

// method, path, lane, body, permission, flags, deadline, handler
static const struct http_route route_table[] = {
    {READS, V1("/query"), QUERY, FORM_BYTES_MAX, HTTP_READ, SHARED, 0, api_query, NULL},
    {READS, V1("/query_range"), QUERY, FORM_BYTES_MAX, HTTP_READ, SHARED, 0, api_query_range, NULL},
    {READS, V1("/explain"), QUERY, FORM_BYTES_MAX, HTTP_READ, SHARED, 0, api_explain, NULL},
    {READS, V1("/query_exemplars"), QUERY, FORM_BYTES_MAX, HTTP_READ, SHARED, 0,
     api_query_exemplars, NULL},
    {READS, V1("/format_query"), INDEX, FORM_BYTES_MAX, HTTP_READ, SHARED, 0, api_format_query,
     NULL},
    {READS, V1("/parse_query"), INDEX, FORM_BYTES_MAX, HTTP_READ, SHARED, 0, api_parse_query, NULL},
    {READS, V1("/labels"), INDEX, FORM_BYTES_MAX, HTTP_READ, SHARED, 0, api_labels, NULL},
    {HTTP_GET, V1("/label/:name/values"), INDEX, 0, HTTP_READ, HTTP_CORS, 0, api_label_values,
     NULL},
    {READS, V1("/series"), QUERY, FORM_BYTES_MAX, HTTP_READ, SHARED, 0, api_series, NULL},
    {HTTP_GET, V1("/metadata"), INDEX, 0, HTTP_READ, HTTP_CORS, 0, api_metadata, NULL},
    {HTTP_GET, V1("/targets"), META, 0, HTTP_READ, HTTP_CORS, 0, api_targets, NULL},
    {HTTP_GET, V1("/targets/metadata"), META, 0, HTTP_READ, HTTP_CORS, 0, api_targets_metadata,
     NULL},
    {HTTP_GET, V1("/scrape_pools"), META, 0, HTTP_READ, HTTP_CORS, 0, api_scrape_pools, NULL},
    {HTTP_GET, V1("/rules"), META, 0, HTTP_READ, HTTP_CORS, 0, api_rules, NULL},
    {HTTP_GET, V1("/alerts"), META, 0, HTTP_READ, HTTP_CORS, 0, api_alerts, NULL},
    {HTTP_GET, V1("/alertmanagers"), META, 0, HTTP_READ, HTTP_CORS, 0, api_alertmanagers, NULL},
    {HTTP_GET, V1("/deliveries"), META, 0, HTTP_READ, HTTP_CORS, 0, api_deliveries, NULL},
    {HTTP_GET, V1("/status/active_queries"), META, 0, HTTP_READ, HTTP_CORS, 0, api_active_queries,
     NULL},
    {HTTP_DELETE, V1("/status/active_queries/:id"), META, 0, HTTP_ADMIN, 0, 0,
     api_active_query_cancel, NULL},
    {HTTP_GET, V1("/status/config"), META, 0, HTTP_READ, HTTP_CORS, 0, api_status_config, NULL},
    {HTTP_GET, V1("/status/flags"), META, 0, HTTP_READ, HTTP_CORS, 0, api_status_flags, NULL},
    {HTTP_GET, V1("/status/runtimeinfo"), META, 0, HTTP_READ, HTTP_CORS, 0, api_status_runtime,
     NULL},
    {HTTP_GET, V1("/status/buildinfo"), INLINE, 0, HTTP_READ, HTTP_CORS, 0, api_status_build, NULL},
    {HTTP_GET, V1("/status/tsdb"), META, 0, HTTP_READ, HTTP_CORS, 0, api_status_tsdb, NULL},
    {HTTP_GET, V1("/status/tsdb/blocks"), META, 0, HTTP_READ, HTTP_CORS, 0, api_status_blocks,
     NULL},
    {HTTP_GET, V1("/status/walreplay"), INLINE, 0, HTTP_READ, HTTP_CORS, 0, api_status_walreplay,
     NULL},
    {HTTP_GET, V1("/features"), META, 0, HTTP_READ, HTTP_CORS, 0, api_features, NULL},
    {HTTP_GET, V1("/notifications"), META, 0, HTTP_READ, HTTP_CORS, 0, api_notifications, NULL},
    {HTTP_POST, V1("/write"), WRITE, 0, HTTP_WRITE, HTTP_SHED_429 | HTTP_RETRY_SLOW, 0, api_write,
     NULL},
    {HTTP_POST, V1("/read"), WRITE, ABSENT_BYTES_MAX, HTTP_READ, 0, 0, api_absent, NULL},
    {HTTP_POST, V1("/otlp/v1/metrics"), WRITE, ABSENT_BYTES_MAX, HTTP_WRITE, 0, 0, api_absent,
     NULL},
    {CHANGES, V1("/admin/tsdb/delete_series"), INDEX, FORM_BYTES_MAX, HTTP_ADMIN, HTTP_FORM,
     ADMIN_MS, api_delete_series, NULL},
    {CHANGES, V1("/admin/tsdb/undelete_series"), INDEX, FORM_BYTES_MAX, HTTP_ADMIN, HTTP_FORM,
     ADMIN_MS, api_undelete_series, NULL},
    {CHANGES, V1("/admin/tsdb/clean_tombstones"), INDEX, FORM_BYTES_MAX, HTTP_ADMIN, HTTP_FORM,
     ADMIN_MS, api_clean_tombstones, NULL},
    {CHANGES, V1("/admin/tsdb/snapshot"), INDEX, FORM_BYTES_MAX, HTTP_ADMIN, HTTP_FORM, ADMIN_MS,
     api_snapshot, NULL},
    {HTTP_GET, "/federate", QUERY, 0, HTTP_READ, 0, 0, api_federate, NULL},
    {HTTP_GET, "/metrics", META, 0, HTTP_READ, 0, 0, api_metrics, NULL},
    {HTTP_GET, "/version", INLINE, 0, HTTP_READ, 0, 0, api_version, NULL},
    {HTTP_GET, "/-/healthy", INLINE, 0, HTTP_PUBLIC, 0, 0, api_healthy, NULL},
    {HTTP_GET, "/-/ready", INLINE, 0, HTTP_PUBLIC, 0, 0, api_readiness, NULL},
    {HTTP_POST | HTTP_PUT, "/-/reload", META, 4096, HTTP_ADMIN, 0, RELOAD_MS, api_reload, NULL},
    {HTTP_POST | HTTP_PUT, "/-/quit", META, 4096, HTTP_ADMIN, 0, 0, api_quit, NULL},
    {HTTP_GET, "/debug/pprof/*name", INLINE, 0, HTTP_READ, 0, 0, api_debug, NULL},
    {HTTP_GET, "/graph", INLINE, 0, HTTP_READ, 0, 0, api_graph, NULL},
    {HTTP_GET, "/*page", META, 0, HTTP_PUBLIC, 0, 0, api_page, NULL},
};

static void defaults_fill(struct api_opts *o)
{
    o->clk = o->clk ? o->clk : clk_real();
    o->lookback_ms = o->lookback_ms ? o->lookback_ms : 300000;
    o->query_timeout_ms = o->query_timeout_ms ? o->query_timeout_ms : 120000;
    o->query_bytes_max = o->query_bytes_max ? o->query_bytes_max : (u64)256 << 20;
    o->query_threads = o->query_threads ? o->query_threads : 4;
    o->query_queue_max = o->query_queue_max ? o->query_queue_max : 64;
    o->query_wait_ms = o->query_wait_ms ? o->query_wait_ms : 10000;
    o->write_bytes_max = o->write_bytes_max ? o->write_bytes_max : (u64)32 << 20;
    o->write_cache_bytes = o->write_cache_bytes ? o->write_cache_bytes : (size_t)256 << 20;
    if (o->push_limits.labels_max == 0) {
        o->push_limits = (struct labels_limits){40, 256, 4096};
    }
}

static bool kinds_init(struct api *api, struct tmk_error *te)
{
    static const char *const kind[] = {"kind"};
    const struct tmk_desc desc = {.kind = TMK_COUNTER,
                                  .name = "tidemark_remote_write_not_stored_total",
                                  .help = "What came by remote write and may not be stored, by "
                                          "kind.",
                                  .labels = kind,
                                  .label_count = 1};
    struct tmk_family *family = tmk_family_register(api->opts.registry, &desc, te);
    if (family == NULL) {
        return false;
    }
    api->write_exemplars = tmk_counter_with(family, TMK_VALUES("exemplar"));
    return true;
}

static bool counters_init(struct api *api, struct error *e)
{
    static const char *const outcome[] = {"outcome"};
    struct tmk_error te = {{0}};
    const struct tmk_desc desc = {.kind = TMK_COUNTER,
                                  .name = "tidemark_remote_write_samples_total",
                                  .help = "Samples that came by remote write, by what became of "
                                          "them.",
                                  .labels = outcome,
                                  .label_count = 1};
    if (api->opts.registry == NULL) {
        return true;
    }
    api->query_evaluations =
        tmk_counter_register(api->opts.registry, "tidemark_query_evaluations_total",
                             "Queries of the API that were evaluated.", &te);
    api->query_joins = tmk_counter_register(
        api->opts.registry, "tidemark_query_joins_total",
        "Queries of the API that waited for an identical one that was being evaluated.", &te);
    if (api->query_evaluations == NULL || api->query_joins == NULL ||
        !query_metrics_register(&api->query_metrics, api->opts.registry, api->opts.query_threads,
                                &te)) {
        return err_set(e, ERR_INTERNAL, "the API's own metrics: %s", te.text);
    }
    struct tmk_family *family = tmk_family_register(api->opts.registry, &desc, &te);
    api->write_requests_bad = tmk_counter_register(
        api->opts.registry, "tidemark_remote_write_requests_failed_total",
        "Remote-write requests of which nothing was stored, or that must be sent again.", &te);
    if (family == NULL || api->write_requests_bad == NULL || !kinds_init(api, &te)) {
        return err_set(e, ERR_INTERNAL, "the API's own metrics: %s", te.text);
    }
    for (u32 i = 0; i < APPEND_OUTCOME_COUNT; i++) {
        const char *text = append_outcome_text((enum append_outcome)i);
        api->write_outcomes[i] = tmk_counter_with(family, &text, 1);
    }
    return true;
}

static struct http_place query_place(const struct http_request *rq)
{
    return (struct http_place){.class_index = query_class_of(rq), .tenant = TENANT_DEFAULT.v};
}

static void lanes_fill(struct api *api)
{
    const struct api_opts *o = &api->opts;
    const struct query_room room = {.threads = o->query_threads,
                                    .queue_max = o->query_queue_max,
                                    .tenant_threads = o->query_tenant_threads,
                                    .tenant_queue_max = o->query_tenant_queue_max};
    query_classes_fill(api->query_classes, &room);
    api->lanes[API_LANE_QUERY] =
        (struct http_lane){.name = "query",
                           .threads = o->query_threads,
                           .queue_max = o->query_queue_max,
                           .classes = api->query_classes,
                           .class_count = QUERY_CLASS_COUNT,
                           .place = query_place,
                           .wait_ms_max = (u32)o->query_wait_ms,
                           .threads_option = "--query.max-concurrency",
                           .queue_option = "--query.max-queued",
                           .wait_option = "--query.max-queue-time",
                           .tenant_threads_option = "--query.max-concurrency-per-tenant",
                           .tenant_queue_option = "--query.max-queued-per-tenant",
                           .tell = api_tell};
    api->lanes[API_LANE_INDEX] = (struct http_lane){.name = "index", .threads = 2, .queue_max = 64};
    api->lanes[API_LANE_META] = (struct http_lane){.name = "meta", .threads = 2, .queue_max = 64};
    api->lanes[API_LANE_WRITE] =
        (struct http_lane){.name = "write", .threads = 2, .queue_max = 128};
}

struct api *api_new(const struct api_opts *opts, struct error *e)
{
    struct api *api = MEM_NEW(struct api);
    api->opts = *opts;
    defaults_fill(&api->opts);
    api->shares = query_share_new();
    api->start_ms = clk_wall_ms(api->opts.clk);
    api->write_cache = api->opts.remote_write ? push_cache_new(api->opts.write_cache_bytes) : NULL;
    api->route_count = ARRAY_LEN(route_table);
    api->routes = MEM_NEW_N(struct http_route, api->route_count);
    memcpy(api->routes, route_table, sizeof(route_table));
    for (u32 i = 0; i < api->route_count; i++) {
        struct http_route *r = &api->routes[i];
        r->ctx = api;
        if (r->handler == api_write) {
            r->body_bytes_max = api->opts.write_bytes_max;
        }
        if (r->lane == API_LANE_QUERY) { // Its own time-out speaks first.
            r->deadline_ms = api->opts.query_timeout_ms + 5000;
        }
    }
    lanes_fill(api);
    if (!counters_init(api, e)) {
        api_free(api);
        return NULL;
    }
    return api;
}

void api_free(struct api *api)
{
    if (api != NULL) {
        query_watch_free(api->watch);
        query_share_free(api->shares);
        push_cache_free(api->write_cache);
        mem_free(api->routes);
        mem_free(api);
    }
}

void api_attach(struct api *api, const struct api_services *services)
{
    CHECK(!api->ready);
    api->services = *services;
    const struct query_watch_opts watch = {.clk = api->opts.clk,
                                           .log = api->opts.log,
                                           .fs = api->opts.fs,
                                           .path = api->opts.query_journal,
                                           .slots = api->opts.query_threads,
                                           .slow_ms = api->opts.query_slow_ms};
    api->watch = query_watch_new(&watch);
    __atomic_store_n(&api->ready, 1, __ATOMIC_RELEASE); // Partner: the acquire of api_ready.
}

void api_stopping(struct api *api)
{
    __atomic_store_n(&api->stopping, 1, __ATOMIC_RELEASE);
}

const struct http_route *api_routes(const struct api *api, u32 *count)
{
    *count = api->route_count;
    return api->routes;
}

const struct http_lane *api_lanes(const struct api *api, u32 *count)
{
    *count = API_LANE_COUNT;
    return api->lanes;
}
