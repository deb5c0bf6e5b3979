// scrape_target.c: from a discovered label set to a target: relabelling, URL, offset.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "net/url.h"
#include "scrape/scrape_inner.h"

#define TARGET_BYTES_MAX ((size_t)16 << 20)
#define LABELS_BYTES_MAX ((size_t)64 << 10) // Of one discovered label set.
#define OFFSET_GRID_MS   100                // So far apart are offsets, at most,
#define OFFSETS_MIN      50                 // and there are so many in an interval, at least.

static const str address = {"__address__", 11};
static const str scheme_label = {"__scheme__", 10};
static const str path_label = {"__metrics_path__", 16};
static const str interval_label = {"__scrape_interval__", 19};
static const str timeout_label = {"__scrape_timeout__", 18};
static const str param_prefix = {"__param_", 8};

static void set_absent(struct labels_builder *b, str name, str value)
{
    if (labels_builder_get(b, name).len == 0) {
        labels_builder_set(b, name, value);
    }
}

static str duration_text(struct arena *a, i64 ms)
{
    struct buf b;
    buf_init(&b, 64);
    duration_print(&b, ms);
    const str s = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return s;
}

// What a job adds before relabelling; discovery's own labels win.
static void job_labels_add(const struct scrape_pool *pool, struct labels_builder *b)
{
    const struct scrape_config *c = pool->config;
    set_absent(b, LABEL_JOB, c->job_name);
    set_absent(b, interval_label, duration_text(b->arena, pool->interval_ms));
    set_absent(b, timeout_label, duration_text(b->arena, pool->timeout_ms));
    set_absent(b, path_label, c->metrics_path);
    set_absent(b, scheme_label, c->scheme == SCRAPE_HTTPS ? STR("https") : STR("http"));
    for (u32 i = 0; i < c->param_count; i++) {
        if (c->params[i].value_count > 0) {
            set_absent(b, arena_printf(b->arena, "__param_%.*s", STR_ARG(c->params[i].name)),
                       c->params[i].values[0]);
        }
    }
}

static void param_add(struct buf *out, bool *first, str name, str value)
{
    buf_byte(out, *first ? '?' : '&');
    *first = false;
    url_encode(out, name, false);
    buf_byte(out, '=');
    url_encode(out, value, false);
}

// The job's parameters; the first value of each may have been relabelled.
static void params_print(const struct scrape_pool *pool, struct labels ls, struct buf *out)
{
    bool first = true;
    const struct scrape_config *c = pool->config;
    for (u32 i = 0; i < ls.count; i++) {
        if (str_starts(ls.items[i].name, param_prefix)) {
            const str name = str_sub(ls.items[i].name, param_prefix.len, ls.items[i].name.len);
            param_add(out, &first, name, ls.items[i].value);
        }
    }
    for (u32 i = 0; i < c->param_count; i++) {
        for (u32 k = 1; k < c->params[i].value_count; k++) {
            param_add(out, &first, c->params[i].name, c->params[i].values[k]);
        }
    }
}

static str url_of(const struct scrape_pool *pool, struct labels ls, struct arena *a)
{
    struct buf b;
    buf_init(&b, URL_BYTES_MAX);
    const str path = labels_get(ls, path_label);
    buf_str(&b, labels_get(ls, scheme_label));
    buf_c(&b, "://");
    buf_str(&b, labels_get(ls, address));
    buf_c(&b, path.len && path.ptr[0] == '/' ? "" : "/");
    buf_str(&b, path);
    params_print(pool, ls, &b);
    const str url = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return url;
}

static bool times_read(struct scrape_target *t, struct labels ls, struct error *e)
{
    if (!duration_parse(labels_get(ls, interval_label), &t->interval_ms, e) ||
        !duration_parse(labels_get(ls, timeout_label), &t->timeout_ms, e)) {
        return err_in(e, "target's scrape interval or timeout");
    }
    if (t->interval_ms <= 0 || t->timeout_ms <= 0) {
        return err_set(e, ERR_INVALID, "scrape interval and timeout must be greater than 0");
    }
    if (t->timeout_ms > t->interval_ms) {
        return err_set(e, ERR_INVALID, "scrape timeout is greater than the scrape interval");
    }
    return true;
}

// What is left when the labels that begin with __ are gone, with instance in place.
static struct labels labels_public(struct arena *a, struct labels ls)
{
    struct labels_builder b;
    labels_builder_init(&b, a, ls);
    for (u32 i = 0; i < ls.count; i++) {
        if (str_starts(ls.items[i].name, STR("__"))) {
            labels_builder_del(&b, ls.items[i].name);
        }
    }
    set_absent(&b, LABEL_INSTANCE, labels_get(ls, address));
    return labels_copy(a, labels_builder_take(&b));
}

static size_t labels_bytes(struct labels ls)
{
    size_t bytes = 0;
    for (u32 i = 0; i < ls.count; i++) {
        bytes += sizeof(struct label) + ls.items[i].name.len + ls.items[i].value.len;
    }
    return bytes;
}

static bool target_fill(struct scrape_target *t, struct labels discovered, struct error *e)
{
    struct scrape_pool *pool = t->pool;
    struct labels_builder b;
    if (labels_bytes(discovered) > LABELS_BYTES_MAX) {
        return err_set(e, ERR_LIMIT, "the discovered labels have more than %zu bytes",
                       LABELS_BYTES_MAX);
    }
    labels_builder_init(&b, t->memory, discovered);
    job_labels_add(pool, &b);
    t->discovered = labels_copy(t->memory, labels_builder_take(&b));
    labels_builder_init(&b, t->memory, t->discovered);
    if (!relabel_apply(pool->config->relabels, pool->config->relabel_count, &b, NULL)) {
        t->dropped = true;
        return true;
    }
    const struct labels ls = labels_builder_take(&b);
    const str host = labels_get(ls, address);
    if (host.len == 0) {
        return err_set(e, ERR_INVALID, "no address: __address__ is empty after relabelling");
    }
    if (str_find(host, '/') != STR_NONE) {
        return err_set(e, ERR_INVALID, "\"%.*s\" is not a valid hostname", STR_ARG(host));
    }
    if (!times_read(t, ls, e)) {
        return false;
    }
    t->url = url_of(pool, ls, t->memory);
    t->labels = labels_public(t->memory, ls);
    static const struct labels_limits no_limits = {0};
    if (!labels_check(t->labels, &no_limits, e)) {
        return err_in(e, "target %.*s", STR_ARG(t->url));
    }
    t->hash = hash_mix(hash_xxh64(t->url.ptr, t->url.len), labels_fingerprint(t->labels));
    return true;
}

static void info_init(struct scrape_target *t)
{
    t->info = (struct scrape_target_info){
        .pool = t->pool->config->job_name,
        .url = t->url,
        .global_url = t->url,
        .labels = t->labels,
        .discovered_labels = t->discovered,
        .interval_ms = t->interval_ms,
        .timeout_ms = t->timeout_ms,
    };
    buf_init(&t->error_text, 2048);
    buf_init(&t->excerpt, SCRAPE_EXCERPT_BYTES + 1);
}

struct scrape_target *scrape_target_new(struct scrape_pool *pool, struct labels discovered,
                                        struct error *e)
{
    struct scrape_target *t = MEM_NEW(struct scrape_target);
    t->pool = pool;
    t->memory = arena_new(TARGET_BYTES_MAX);
    t->run = arena_new(SCRAPE_RUN_BYTES_MAX);
    t->metadata_memory = arena_new(SCRAPE_METADATA_BYTES_MAX);
    lock_init(&t->lock, LOCK_LEAF, "scrape target");
    scrape_cache_init(&t->cache);
    if (!target_fill(t, discovered, e)) {
        scrape_target_free(t);
        return NULL;
    }
    info_init(t);
    return t;
}

// 10, 2.5: the shortest text.
static str seconds_text(char *out, i64 ms)
{
    return str_make(out, num_plain(out, (f64)ms / 1000));
}

bool scrape_target_connect(struct scrape_target *t, struct error *e)
{
    char timeout[NUM_TEXT_MAX];
    const struct http_pair headers[] = {
        {STR("Accept"), expo_accept_header()},
        {STR("User-Agent"), STR("Tidemark/" TIDEMARK_VERSION)},
        {STR("X-Prometheus-Scrape-Timeout-Seconds"), seconds_text(timeout, t->timeout_ms)},
    };
    struct http_target_opts http = t->pool->http;
    http.url = t->url;
    http.headers = headers;
    http.header_count = ARRAY_LEN(headers);
    http_target_free(t->http);
    t->http = http_target_new(t->pool->owner->http, &http, e);
    t->secret_generation = t->pool->secrets.generation;
    return t->http != NULL;
}

void scrape_target_free(struct scrape_target *t)
{
    if (!t) {
        return;
    }
    http_target_free(t->http);
    scrape_cache_fini(&t->cache);
    buf_fini(&t->error_text);
    buf_fini(&t->excerpt);
    lock_fini(&t->lock);
    arena_free(t->metadata_memory);
    arena_free(t->run);
    arena_free(t->memory);
    mem_free(t);
}

i64 scrape_target_first_due(const struct scrape_target *t, struct scrape_now now)
{
    const i64 grid_ms = MAX(1, MIN(OFFSET_GRID_MS, t->interval_ms / OFFSETS_MIN));
    const i64 any = (i64)((t->hash ^ t->pool->seed) % (u64)t->interval_ms);
    const i64 offset = any - any % grid_ms;
    i64 wait = (offset - now.wall_ms % t->interval_ms) % t->interval_ms;
    if (wait < 0) {
        wait += t->interval_ms;
    }
    return now.mono_ms + wait;
}
