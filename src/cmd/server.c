#include "cmd/server.h"

#include "alert/alerting.h"
#include "api/api.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "cmd/config.h"
#include "cmd/feature_flags.h"
#include "cmd/memory_pools.h"
#include "cmd/options.h"
#include "cmd/server_metrics.h"
#include "collect/collect.h"
#include "model/duration.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/rng.h"
#include "os/sig.h"
#include "os/thr.h"
#include "promql/promql.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "storage/storage.h"
#include "text/re.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <unistd.h>

enum { STEP_EVERY_MS = 2000, DRAIN_MS = 5000, SIGNAL_POLL_MS = 1000, NOTIFY_SHARDS = 4 };
#define ALERTMANAGER_BYTES_MAX ((size_t)4 << 20)
#define BALLAST_BYTES          ((u64)16 << 20)
#define DOUBTS_BYTES_MAX       ((size_t)4 << 20)
#define PUSH_CACHE_BYTES_MAX   ((u64)256 << 20)

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
    char retention[64];     // As a text, for the status page.
    char query_journal[4200];

    struct lock reload_lock;
    struct cond reload_done;
    bool reloading;
    struct config *config;
    bool reload_ok;
    i64 reload_t_ms;
};

// ---- the log ----

static void log_sink(UNUSED void *ctx, str line)
{
    (void)!write(STDERR_FILENO, line.ptr, line.len); // Nobody can be told that the log is gone.
}

static i64 log_now(UNUSED void *ctx)
{
    return clk_wall_ms(clk_real());
}

// ---- configuration: all prepare, then swaps that cannot fail ----

struct prepared {
    struct config *config;
    struct scrape_plan *scrape;
    struct rules_plan *rules;
    struct notify_plan *notify;
};

static void prepared_free(struct prepared *p)
{
    scrape_plan_free(p->scrape);
    rules_plan_free(p->rules);
    notify_plan_free(p->notify);
    config_free(p->config);
}

static bool notify_plan_make(struct server *s, struct prepared *p, struct error *e)
{
    const str path = s->options->alertmanager_config;
    str text = STR_EMPTY;
    struct arena *a = arena_new(ALERTMANAGER_BYTES_MAX * 2);
    const bool ok = path.len == 0 || fs_read_file(fs_real(), arena_cstr(a, path),
                                                  ALERTMANAGER_BYTES_MAX, a, &text, e);
    p->notify = ok ? notify_prepare(s->notify, path, text, e) : NULL;
    arena_free(a);
    return p->notify != NULL;
}

static bool config_prepare(struct server *s, struct prepared *p, struct error *e)
{
    const struct options *o = s->options;
    *p = (struct prepared){0};
    p->config = config_load(fs_real(), o->config_file, o->listen_address, proc_env, e);
    if (!p->config) {
        return false;
    }
    const struct config *c = p->config;
    const struct rules_opts rules = {.evaluation_interval_ms = c->evaluation_interval_ms,
                                     .query_offset_ms = c->query_offset_ms,
                                     .resend_delay_ms = o->resend_delay_ms,
                                     .outage_tolerance_ms = o->outage_tolerance_ms,
                                     .grace_period_ms = o->grace_period_ms,
                                     .external_labels = c->scrape.external_labels,
                                     .external_url = str_c(s->external_url)};
    p->scrape = scrape_prepare(s->scrape, &c->scrape, c->scrape_configs, c->scrape_config_count, e);
    p->rules =
        p->scrape ? rules_prepare(s->rules, &rules, c->rule_files, c->rule_file_count, e) : NULL;
    if (!p->rules || !notify_plan_make(s, p, e)) {
        prepared_free(p);
        return false;
    }
    return true;
}

// What the storage and the query engines take from the configuration.
static void engines_apply(struct server *s, const struct config *c)
{
    promql_engine_set_subquery_step(s->engine, c->evaluation_interval_ms);
    promql_engine_set_subquery_step(s->rules_engine, c->evaluation_interval_ms);
    tsdb_set_ooo_window(s->db, c->ooo_window_ms);
    struct tsdb_retention r = c->retention;
    r.ms = r.ms ? r.ms : s->options->retention_ms;
    r.bytes = r.bytes ? r.bytes : s->options->retention_bytes;
    struct error e = {0};
    CHECK(tsdb_set_retention(s->db, &r, &e)); // config.c looked at what it could refuse.
}

static void parts_swap(struct server *s, struct prepared *p)
{
    scrape_swap(s->scrape, p->scrape);
    rules_swap(s->rules, p->rules);
    notify_swap(s->notify, p->notify);
    engines_apply(s, p->config);
}

static void reload_begin(struct server *s)
{
    lock_take(&s->reload_lock);
    while (s->reloading) {
        cond_wait(&s->reload_done, &s->reload_lock);
    }
    s->reloading = true;
    lock_drop(&s->reload_lock);
}

// config NULL: the reload was refused, what stands stays.
static void reload_end(struct server *s, struct config *config)
{
    struct config *old = NULL;
    lock_take(&s->reload_lock);
    s->reload_ok = config != NULL;
    if (config) {
        old = s->config;
        s->config = config;
        s->reload_t_ms = clk_wall_ms(clk_real());
    }
    s->reloading = false;
    cond_signal(&s->reload_done);
    lock_drop(&s->reload_lock);
    config_free(old);
    server_metrics_reload(config != NULL);
}

// Takes the configuration, at the start as later.
static bool server_load(struct server *s, struct error *e)
{
    struct prepared p;
    reload_begin(s);
    const bool ok = config_prepare(s, &p, e);
    if (ok) {
        parts_swap(s, &p);
    }
    for (u32 i = 0; ok && i < p.config->warning_count; i++) {
        LOGF(s->log, LOG_WARN, "%.*s", STR_ARG(p.config->warnings[i]));
    }
    reload_end(s, ok ? p.config : NULL); // From here on the next reload may free it.
    if (ok) {
        LOGF(s->log, LOG_INFO, "configuration loaded");
    }
    return ok;
}

static bool server_reload(struct server *s, struct error *e)
{
    const bool ok = server_load(s, e);
    if (!ok) {
        LOGF(s->log, LOG_ERROR, "reload refused, the old configuration stays: %s", e->text);
    }
    return ok;
}

// ---- what the API asks of us ----

static bool control_reload(void *ctx, struct error *e)
{
    return server_reload(ctx, e);
}

static void control_quit(UNUSED void *ctx)
{
    sig_raise(SIG_EVENT_STOP);
}

static str control_config(void *ctx, struct arena *a)
{
    struct server *s = ctx;
    lock_take(&s->reload_lock);
    const str text = s->config ? config_masked(s->config, a) : STR_EMPTY;
    lock_drop(&s->reload_lock);
    return text;
}

static u32 control_flags(void *ctx, struct arena *a, struct api_flag **out)
{
    const struct server *s = ctx;
    struct api_flag *flags = ARENA_NEW_N(a, struct api_flag, options_count);
    u32 n = 0;
    for (u32 i = 0; i < options_count; i++) {
        if (options_table[i].type != OPTION_UNBUILT) {
            flags[n++] =
                (struct api_flag){str_c(options_table[i].name), options_value(s->options, i, a)};
        }
    }
    *out = flags;
    return n;
}

static struct labels control_external_labels(void *ctx, struct arena *a)
{
    struct server *s = ctx;
    lock_take(&s->reload_lock);
    const struct labels ls =
        s->config ? labels_copy(a, s->config->scrape.external_labels) : (struct labels){0};
    lock_drop(&s->reload_lock);
    return ls;
}

static bool control_reload_state(void *ctx, i64 *t_ms)
{
    struct server *s = ctx;
    lock_take(&s->reload_lock);
    const bool ok = s->reload_ok;
    *t_ms = s->reload_t_ms;
    lock_drop(&s->reload_lock);
    return ok;
}

// ---- starting ----

static u64 memory_limit(const struct options *o)
{
    return o->memory_limit ? o->memory_limit : proc_memory_limit_bytes() / 10 * 6;
}

static void retention_print(struct server *s)
{
    struct buf b;
    buf_init(&b, sizeof(s->retention) - 1);
    duration_print(&b, s->options->retention_ms);
    (void)snprintf(s->retention, sizeof(s->retention), "%.*s", STR_ARG(buf_get(&b)));
    buf_fini(&b);
}

static bool start_http(struct server *s, struct error *e)
{
    const struct options *o = s->options;
    retention_print(s);
    (void)snprintf(s->query_journal, sizeof(s->query_journal), "%.*s/queries.active",
                   STR_ARG(o->storage_path));
    const struct api_opts api = {
        .clk = clk_real(),
        .log = s->log,
        .registry = s->registry,
        .control = {.ctx = s,
                    .reload = control_reload,
                    .quit = control_quit,
                    .config_yaml = control_config,
                    .flags = control_flags,
                    .external_labels = control_external_labels,
                    .reload_state = control_reload_state,
                    .retention_text = str_c(s->retention)},
        .replay = &s->replay,
        .prefix = str_c(s->route_prefix),
        .lifecycle = o->enable_lifecycle,
        .admin = o->enable_admin,
        .remote_write = o->enable_remote_write,
        .lookback_ms = o->lookback_ms,
        .query_timeout_ms = o->query_timeout_ms,
        .query_bytes_max = memory_query_bytes(memory_limit(o), POOL_QUERIES, o->query_concurrency),
        .write_cache_bytes =
            (size_t)MIN(memory_pool_bytes(memory_limit(o), POOL_PUSH_CACHE), PUSH_CACHE_BYTES_MAX),
        .memory_limit = memory_limit(o),
        .query_threads = (u32)o->query_concurrency,
        .query_queue_max = (u32)o->query_queue_max,
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

static bool start_storage(struct server *s, struct error *e)
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
        .memory_max = memory_pool_bytes(memory_limit(o), POOL_HEAD),
        .box_bytes_max = memory_pool_bytes(memory_limit(o), POOL_HISTOGRAMS),
        .exemplar_bytes_max = memory_pool_bytes(memory_limit(o), POOL_EXEMPLARS),
        .ballast_bytes = BALLAST_BYTES,
        .wal_thread = true};
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

static bool start_services(struct server *s, struct error *e)
{
    struct storage *storage = tsdb_storage(s->db);
    const u64 limit = memory_limit(s->options);
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
static bool start_threads(struct server *s, struct error *e)
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
    s->pools = (struct memory_pools){.limit = memory_limit(s->options),
                                     .db = s->db,
                                     .api = s->api,
                                     .rules = s->rules,
                                     .registry = s->registry};
    memory_pools_register(&s->pools);
    return true;
}

// ---- stopping ----

static void stop_all(void *arg)
{
    struct server *s = arg;
    struct error e = {0};
    if (s->api) {
        api_stopping(s->api);
    }
    if (s->scrape) {
        scrape_stop(s->scrape);
    }
    collect_stop(s->collect);
    if (s->rules) {
        rules_stop(s->rules);
    }
    if (s->notify) {
        notify_drain(s->notify); // While HTTP drains.
    }
    http_server_stop(s->http, DRAIN_MS);
    s->http = NULL;
    memory_pools_remove(&s->pools);
    if (s->stop) {
        stop_set(s->stop);
        tsdb_interrupt(s->db);
        thr_join(s->background);
    }
    collect_free(s->collect);
    scrape_free(s->scrape);
    rules_free(s->rules);
    notify_free(s->notify);
    http_client_free(s->notify_http);
    api_free(s->api);
    if (!tsdb_close(s->db, &e)) {
        LOGF(s->log, LOG_ERROR, "closing the storage failed: %s", e.text);
    }
    promql_engine_free(s->engine);
    promql_engine_free(s->rules_engine);
    pool_free(s->helpers);
    stop_free(s->stop);
}

struct stopping {
    struct server *server;
    _Atomic bool done;
};

static void stop_thread(void *arg)
{
    struct stopping *st = arg;
    stop_all(st->server);
    st->done = true;
}

// A second signal while stopping ends the process at once; the log is safe in the kernel.
static void stop_watched(struct server *s)
{
    struct stopping st = {.server = s};
    struct error e = {0};
    struct thr *t = thr_start("stop", stop_thread, &st, &e);
    if (!t) {
        stop_all(s);
        return;
    }
    while (!st.done) {
        if (sig_wait(20) == SIG_EVENT_STOP) {
            LOGF(s->log, LOG_WARN, "second signal: leaving without waiting");
            _exit(EXIT_RUNTIME);
        }
    }
    thr_join(t);
}

static void wait_for_signals(struct server *s)
{
    while (true) {
        struct error e = {0};
        switch (sig_wait(SIGNAL_POLL_MS)) {
        case SIG_EVENT_STOP:
            return;
        case SIG_EVENT_RELOAD:
            (void)server_reload(s, &e); // Told and counted inside.
            break;
        case SIG_EVENT_NONE:
            break;
        }
    }
}

// ---- the whole ----

// What the user says, else the path of the external URL, as upstream has it.
static void route_prefix_set(struct server *s)
{
    const struct options *o = s->options;
    str path = o->route_prefix;
    if (path.len == 0) {
        const size_t scheme = str_find_str(o->external_url, STR("://"));
        const size_t host = scheme == STR_NONE ? 0 : scheme + 3;
        const str rest = str_sub(o->external_url, host, o->external_url.len);
        const size_t slash = str_find(rest, '/');
        path = slash == STR_NONE ? STR_EMPTY : str_sub(rest, slash, rest.len);
    }
    while (str_starts(path, STR("/"))) {
        path = str_sub(path, 1, path.len);
    }
    while (str_ends(path, STR("/"))) {
        path = str_sub(path, 0, path.len - 1);
    }
    (void)snprintf(s->route_prefix, sizeof(s->route_prefix), "%s%.*s", path.len > 0 ? "/" : "",
                   STR_ARG(path));
}

// http://<address>, or what the user says.
static void external_url_set(struct server *s)
{
    const struct options *o = s->options;
    if (o->external_url.len > 0) {
        (void)snprintf(s->external_url, sizeof(s->external_url), "%.*s", STR_ARG(o->external_url));
        return;
    }
    char host[256];
    const bool any = o->listen_address.len > 0 && o->listen_address.ptr[0] == ':';
    const str name = any ? proc_hostname(host) : STR_EMPTY;
    (void)snprintf(s->external_url, sizeof(s->external_url), "http://%.*s%.*s%s", STR_ARG(name),
                   STR_ARG(o->listen_address), s->route_prefix);
}

static int fail(const char *what, const struct error *e, int code)
{
    (void)fprintf(stderr, "tidemark: %s%s%s\n", what, what[0] ? ": " : "", e->text);
    return code;
}

static int server_start(struct server *s, struct error *e)
{
    const struct options *o = s->options;
    s->config = config_load(fs_real(), o->config_file, o->listen_address, proc_env, e);
    if (!s->config) {
        return fail("", e, EXIT_CONFIG);
    }
    if (!start_http(s, e)) {
        return fail("cannot serve", e, EXIT_RUNTIME);
    }
    if (!start_storage(s, e)) {
        return fail("cannot open the data folder", e, EXIT_RUNTIME);
    }
    if (!start_services(s, e)) {
        return fail("cannot start", e, EXIT_RUNTIME);
    }
    if (!server_load(s, e)) {
        return fail("", e, EXIT_CONFIG);
    }
    return start_threads(s, e) ? EXIT_OK : fail("cannot start", e, EXIT_RUNTIME);
}

// What the user probably meant otherwise; nothing of it keeps the server from starting.
static void doubts_tell(const struct server *s)
{
    struct arena *a = arena_new(DOUBTS_BYTES_MAX);
    str *texts = NULL;
    const u32 count = options_doubts(s->options, proc_environ(), a, &texts);
    for (u32 i = 0; i < count; i++) {
        LOGF(s->log, LOG_WARN, "%.*s", STR_ARG(texts[i]));
    }
    arena_free(a);
}

int server_run(const struct options *o)
{
    struct error e = {0};
    struct server s = {.options = o};
    const struct log_opts log = {.level = (enum log_level)o->log_level,
                                 .format = (enum log_format)o->log_format,
                                 .sink = log_sink,
                                 .now_ms = log_now};
    sig_init();
    s.log = log_new(log);
    s.registry = tmk_registry_new(NULL);
    rng_init_system(&s.rng);
    lock_init(&s.reload_lock, LOCK_RELOAD, "reload");
    cond_init(&s.reload_done);
    route_prefix_set(&s);
    external_url_set(&s);
    server_metrics_register(s.registry, memory_limit(o));
    LOGF(s.log, LOG_INFO, "Tidemark " TIDEMARK_VERSION " starts, data in %.*s",
         STR_ARG(o->storage_path));
    doubts_tell(&s);
    const int code = server_start(&s, &e);
    if (code == EXIT_OK) {
        LOGF(s.log, LOG_INFO, "ready: %s", s.external_url);
        wait_for_signals(&s);
        LOGF(s.log, LOG_INFO, "stopping");
    }
    stop_watched(&s);
    if (code == EXIT_OK) {
        LOGF(s.log, LOG_INFO, "stopped: everything is on disk");
    }
    config_free(s.config);
    re_free(s.cors);
    cond_fini(&s.reload_done);
    lock_fini(&s.reload_lock);
    tmk_registry_free(s.registry);
    log_free(s.log);
    return code;
}
