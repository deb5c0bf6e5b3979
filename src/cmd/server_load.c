// server_load.c: the configuration of a running server, and what the API asks of the process.
//
// All parts prepare, then all swap, which cannot fail: a configuration is taken whole or not at
// all. Threads: any; `reloading` keeps a second load out while one is under way.
#include "alert/alerting.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/config.h"
#include "cmd/options.h"
#include "cmd/server_inner.h"
#include "cmd/server_metrics.h"
#include "model/conf_print.h"
#include "model/duration.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/sig.h"
#include "promql/promql.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "tsdb/tsdb_admin.h"

#define ALERTMANAGER_BYTES_MAX ((size_t)4 << 20)

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

// What the file says wins over the flags; c is NULL before the first one was read.
static struct tsdb_retention retention_of(const struct server *s, const struct config *c)
{
    struct tsdb_retention r = c ? c->retention : (struct tsdb_retention){0};
    r.ms = r.ms ? r.ms : s->options->retention_ms;
    r.bytes = r.bytes ? r.bytes : s->options->retention_bytes;
    return r;
}

// What the storage and the query engines take from the configuration.
static void engines_apply(struct server *s, const struct config *c)
{
    promql_engine_set_subquery_step(s->engine, c->evaluation_interval_ms);
    promql_engine_set_subquery_step(s->rules_engine, c->evaluation_interval_ms);
    tsdb_set_ooo_window(s->db, c->ooo_window_ms);
    const struct tsdb_retention r = retention_of(s, c);
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
bool server_load(struct server *s, struct error *e)
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

bool server_reload(struct server *s, struct error *e)
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
    const str text = s->config ? config_page(s->config, a) : STR_EMPTY;
    lock_drop(&s->reload_lock);
    return text;
}

// "30d or 10GiB or 80%", as upstream says it.
static str control_retention(void *ctx, struct arena *a)
{
    struct server *s = ctx;
    struct buf b;
    buf_init(&b, 128);
    lock_take(&s->reload_lock);
    const struct tsdb_retention r = retention_of(s, s->config);
    lock_drop(&s->reload_lock);
    if (r.ms > 0) {
        duration_print(&b, r.ms);
    }
    if (r.bytes > 0) {
        buf_c(&b, b.len > 0 ? " or " : "");
        conf_print_bytes(&b, r.bytes);
    }
    if (r.disk_percent > 0) {
        buf_printf(&b, "%s%u%%", b.len > 0 ? " or " : "", r.disk_percent);
    }
    const str text = arena_str(a, buf_get(&b));
    buf_fini(&b);
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

struct api_control server_control(struct server *s)
{
    return (struct api_control){.ctx = s,
                                .reload = control_reload,
                                .quit = control_quit,
                                .config_yaml = control_config,
                                .retention = control_retention,
                                .flags = control_flags,
                                .external_labels = control_external_labels,
                                .reload_state = control_reload_state};
}
