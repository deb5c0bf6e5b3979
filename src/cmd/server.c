#include "cmd/server.h"

#include "alert/alerting.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "cmd/config.h"
#include "cmd/options.h"
#include "cmd/server_inner.h"
#include "cmd/server_metrics.h"
#include "collect/collect.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/sig.h"
#include "promql/promql.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "text/re.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <unistd.h>

enum { DRAIN_MS = 5000, SIGNAL_POLL_MS = 1000 };
#define DOUBTS_BYTES_MAX ((size_t)4 << 20)

// ---- the log ----

static void log_sink(UNUSED void *ctx, str line)
{
    (void)!write(STDERR_FILENO, line.ptr, line.len); // Nobody can be told that the log is gone.
}

static i64 log_now(UNUSED void *ctx)
{
    return clk_wall_ms(clk_real());
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
    if (!server_start_http(s, e)) {
        return fail("cannot serve", e, EXIT_RUNTIME);
    }
    if (!server_start_storage(s, e)) {
        return fail("cannot open the data folder", e, EXIT_RUNTIME);
    }
    if (!server_start_services(s, e)) {
        return fail("cannot start", e, EXIT_RUNTIME);
    }
    if (!server_load(s, e)) {
        return fail("", e, EXIT_CONFIG);
    }
    return server_start_threads(s, e) ? EXIT_OK : fail("cannot start", e, EXIT_RUNTIME);
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
    server_metrics_register(s.registry, server_memory_limit(o));
    LOGF(s.log, LOG_INFO, "Tidemark " TIDEMARK_VERSION " starts, data in %.*s",
         STR_ARG(o->storage_path));
    doubts_tell(&s);
    const int code = server_start(&s, &e);
    if (code == EXIT_OK) {
        LOGF(s.log, LOG_INFO, "ready: %s", s.external_url);
        server_metrics_ready(true);
        wait_for_signals(&s);
        server_metrics_ready(false);
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
