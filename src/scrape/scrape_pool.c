// scrape_pool.c: one scrape_config at work: discovery in, targets in line with it.
// Threads: owned by the scheduler thread, under the owner's lock where pages look.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "scrape/scrape_inner.h"

#define POOL_BYTES_MAX    ((size_t)64 << 20)
#define DROPPED_BYTES_MAX ((size_t)64 << 20)
#define SECRET_BYTES_MAX  ((size_t)64 << 10)
#define REDIRECTS_MAX     10

// ---- making ----

static str path_below(const struct scrape_pool *p, str path)
{
    const str dir = p->owner->deps.config_dir;
    if (path.ptr[0] == '/' || dir.len == 0) {
        return path;
    }
    return arena_printf(p->memory, "%.*s/%.*s", STR_ARG(dir), STR_ARG(path));
}

// The value itself, or the trimmed content of the file named beside it.
static bool secret_read(struct scrape_pool *p, struct secret inlined, str file, str *out,
                        struct error *e)
{
    if (file.len == 0) {
        *out = secret_reveal(inlined);
        return true;
    }
    const char *path = arena_cstr(p->memory, path_below(p, file));
    if (!fs_read_file(p->owner->deps.fs, path, SECRET_BYTES_MAX, p->memory, out, e)) {
        return err_in(e, "job %.*s", STR_ARG(p->config->job_name));
    }
    *out = str_trim(*out);
    return true;
}

static bool auth_read(struct scrape_pool *p, struct error *e)
{
    const struct scrape_basic_auth *basic = p->config->basic_auth;
    const struct scrape_authorization *bearer = p->config->authorization;
    if (basic) {
        p->http.user = basic->username;
        return secret_read(p, basic->password, basic->password_file, &p->http.password, e);
    }
    if (bearer) {
        return secret_read(p, bearer->credentials, bearer->credentials_file, &p->http.bearer, e);
    }
    return true;
}

static bool tls_read(struct scrape_pool *p, struct error *e)
{
    const struct scrape_tls *tls = p->config->tls;
    if (!tls) {
        return true;
    }
    p->http.tls.server_name = tls->server_name;
    p->http.tls.insecure = tls->insecure_skip_verify;
    p->http.tls.min_version = tls->min_version ? (u32)tls->min_version + 9 : 0;
    return secret_read(p, tls->ca, tls->ca_file, &p->http.tls.ca_pem, e) &&
           secret_read(p, tls->cert, tls->cert_file, &p->http.tls.cert_pem, e) &&
           secret_read(p, tls->key, tls->key_file, &p->http.tls.key_pem, e);
}

static void headers_set(struct scrape_pool *p)
{
    struct http_pair *h = ARENA_NEW_N(p->memory, struct http_pair, 3);
    h[0] = (struct http_pair){STR("Accept"), expo_accept_header()};
    h[1] = (struct http_pair){STR("User-Agent"), STR("Tidemark/" TIDEMARK_VERSION)};
    h[2] =
        (struct http_pair){STR("X-Prometheus-Scrape-Timeout-Seconds"),
                           arena_printf(p->memory, "%lld.%03lld", (long long)(p->timeout_ms / 1000),
                                        (long long)(p->timeout_ms % 1000))};
    p->http.headers = h;
    p->http.header_count = 3;
}

static u64 either(u64 own, u64 global)
{
    return own ? own : global;
}

static void limits_set(struct scrape_pool *p, const struct scrape_globals *g)
{
    const struct scrape_config *c = p->config;
    p->limits = (struct labels_limits){
        (u32)either(c->label_limit, g->label_limit),
        (u32)either(c->label_name_length_limit, g->label_name_length_limit),
        (u32)either(c->label_value_length_limit, g->label_value_length_limit)};
    p->body_size_limit = either(c->body_size_limit, g->body_size_limit);
    p->sample_limit = either(c->sample_limit, g->sample_limit);
    p->target_limit = either(c->target_limit, g->target_limit);
    p->keep_dropped = either(c->keep_dropped_targets, g->keep_dropped_targets);
    p->interval_ms = c->interval_ms ? c->interval_ms : g->interval_ms;
    // As upstream: a global timeout longer than the job's interval is cut to it.
    p->timeout_ms = c->timeout_ms ? c->timeout_ms : MIN(g->timeout_ms, p->interval_ms);
}

static bool providers_make(struct scrape_pool *p, struct error *e)
{
    const struct scrape_config *c = p->config;
    const struct sd_deps deps = {.fs = p->owner->deps.fs,
                                 .log = p->owner->deps.log,
                                 .registry = p->owner->deps.registry,
                                 .dir = p->owner->deps.config_dir};
    p->providers = MEM_NEW_N(struct sd_provider *, c->file_config_count + 1U);
    if (c->static_config_count > 0) {
        p->providers[p->provider_count++] =
            sd_static_new(c->static_configs, c->static_config_count);
    }
    for (u32 i = 0; i < c->file_config_count; i++) {
        struct sd_provider *provider = sd_file_new(&c->file_configs[i], &deps, e);
        if (!provider) {
            return err_in(e, "job %.*s", STR_ARG(c->job_name));
        }
        p->providers[p->provider_count++] = provider;
    }
    return true;
}

static u64 seed_of(const struct scrape_globals *g)
{
    char host[256];
    const str name = proc_hostname(host);
    return hash_mix(labels_fingerprint(g->external_labels), hash_xxh64(name.ptr, name.len));
}

struct scrape_pool *scrape_pool_new(struct scrape *s, const struct scrape_globals *globals,
                                    const struct yaml_node *node, struct error *e)
{
    struct scrape_pool *p = MEM_NEW(struct scrape_pool);
    p->owner = s;
    p->references = 1;
    p->memory = arena_new(POOL_BYTES_MAX);
    p->dropped_memory = arena_new(DROPPED_BYTES_MAX);
    p->seed = seed_of(globals);
    p->config_hash = scrape_config_hash(globals, node);
    struct scrape_config *c = ARENA_NEW(p->memory, struct scrape_config);
    p->config = c;
    if (!conf_decode(&scrape_config_conf, node, c, p->memory, e)) {
        scrape_pool_unref(p);
        return NULL;
    }
    limits_set(p, globals);
    p->http = (struct http_target_opts){.bytes_max = p->body_size_limit,
                                        .gzip = c->enable_compression,
                                        .redirects_max = c->follow_redirects ? REDIRECTS_MAX : 0,
                                        .proxy = c->proxy_url};
    headers_set(p);
    if (p->timeout_ms > p->interval_ms) {
        (void)conf_error(e, node, "scrape timeout greater than scrape interval for job \"%.*s\"",
                         STR_ARG(c->job_name));
        scrape_pool_unref(p);
        return NULL;
    }
    if (!auth_read(p, e) || !tls_read(p, e) || !providers_make(p, e)) {
        scrape_pool_unref(p);
        return NULL;
    }
    return p;
}

void scrape_pool_unref(struct scrape_pool *p)
{
    if (!p || --p->references > 0) {
        return;
    }
    for (u32 i = 0; i < p->provider_count; i++) {
        sd_free(p->providers[i]);
    }
    mem_free(p->providers);
    mem_free(p->targets);
    arena_free(p->dropped_memory);
    arena_free(p->memory);
    mem_free(p);
}

// ---- keeping in line ----

static void target_add(struct scrape_pool *p, struct scrape_target *t)
{
    if (p->target_count == p->target_cap) {
        p->target_cap = MAX(16, p->target_cap * 2);
        p->targets = MEM_GROW(p->targets, p->target_cap, struct scrape_target *);
    }
    p->targets[p->target_count++] = t;
    p->references++;
}

static struct scrape_target *target_find(const struct scrape_pool *p, const struct scrape_target *t)
{
    for (u32 i = 0; i < p->target_count; i++) {
        struct scrape_target *other = p->targets[i];
        if (other->hash == t->hash && str_eq(other->url, t->url) &&
            labels_eq(other->labels, t->labels)) {
            return other;
        }
    }
    return NULL;
}

static void dropped_note(struct scrape_pool *p, struct labels discovered)
{
    p->dropped_total++;
    if (p->keep_dropped > 0 && p->dropped_count >= p->keep_dropped) {
        return;
    }
    struct labels *grown = arena_grow(p->dropped_memory, p->dropped, p->dropped_count,
                                      p->dropped_count + 1U, sizeof(struct labels));
    grown[p->dropped_count++] = labels_copy(p->dropped_memory, discovered);
    p->dropped = grown;
}

// Makes the target of one discovered label set, or finds that it is there already.
static void discovered_add(struct scrape_pool *p, struct labels discovered, i64 mono_ms)
{
    bool dropped;
    struct error e = {0};
    struct scrape_target *t = scrape_target_new(p, discovered, &dropped, &e);
    if (!t) {
        if (dropped) {
            dropped_note(p, discovered);
        } else {
            LOGF(p->owner->deps.log, LOG_ERROR, "target of job %.*s is not usable: %s",
                 STR_ARG(p->config->job_name), e.text);
            scrape_count_failure(p->owner->metrics, p->config->job_name, STR("bad_target"));
        }
        return;
    }
    struct scrape_target *same = target_find(p, t);
    if (same) {
        same->keep = true;
        scrape_target_free(t);
        return;
    }
    t->keep = true;
    t->next_mono_ms = scrape_target_first_due(t, clk_wall_ms(p->owner->deps.clk), mono_ms);
    target_add(p, t);
}

static void group_add(struct scrape_pool *p, const struct sd_group *g, struct arena *a, i64 mono_ms)
{
    for (u32 i = 0; i < g->target_count; i++) {
        struct labels_builder b;
        labels_builder_init(&b, a, g->labels);
        for (u32 k = 0; k < g->targets[i].count; k++) {
            labels_builder_set(&b, g->targets[i].items[k].name, g->targets[i].items[k].value);
        }
        discovered_add(p, labels_builder_take(&b), mono_ms);
    }
}

static void vanished_retire(struct scrape_pool *p, i64 mono_ms)
{
    u32 kept = 0;
    for (u32 i = 0; i < p->target_count; i++) {
        struct scrape_target *t = p->targets[i];
        if (t->keep) {
            p->targets[kept++] = t;
        } else {
            scrape_retire(p->owner, t, mono_ms);
        }
    }
    p->target_count = kept;
}

static void limit_apply(struct scrape_pool *p)
{
    const bool over = p->target_limit > 0 && p->target_count > p->target_limit;
    if (over && !p->over_limit) {
        scrape_count(p->owner->metrics, SCRAPE_COUNT_TARGET_LIMIT, 1);
        LOGF(p->owner->deps.log, LOG_ERROR,
             "job %.*s has %u targets, more than target_limit = %llu: all of them fail until it "
             "has fewer",
             STR_ARG(p->config->job_name), p->target_count, (unsigned long long)p->target_limit);
    }
    p->over_limit = over;
}

void scrape_pool_sync(struct scrape_pool *p, i64 mono_ms, bool *changed)
{
    const struct sd_group *groups[SD_PROVIDERS_MAX];
    u32 counts[SD_PROVIDERS_MAX];
    bool any = false;
    CHECK(p->provider_count <= SD_PROVIDERS_MAX);
    for (u32 i = 0; i < p->provider_count; i++) {
        bool one = false;
        sd_poll(p->providers[i], mono_ms, &one, &groups[i], &counts[i]);
        any = any || one;
    }
    *changed = any;
    if (!any) {
        return;
    }
    struct arena *a = arena_new(POOL_BYTES_MAX);
    arena_reset(p->dropped_memory);
    p->dropped = NULL;
    p->dropped_count = 0;
    p->dropped_total = 0;
    for (u32 i = 0; i < p->target_count; i++) {
        p->targets[i]->keep = false;
    }
    for (u32 i = 0; i < p->provider_count; i++) {
        for (u32 g = 0; g < counts[i]; g++) {
            group_add(p, &groups[i][g], a, mono_ms);
        }
    }
    arena_free(a);
    vanished_retire(p, mono_ms);
    limit_apply(p);
    scrape_count(p->owner->metrics, SCRAPE_COUNT_SYNCS, 1);
    scrape_count_targets(p->owner->metrics, p->config->job_name, p->target_count);
}
