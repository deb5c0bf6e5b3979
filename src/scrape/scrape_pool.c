// scrape_pool.c: one scrape_config at work: discovery in, targets in line with it.
// Threads: owned by the scheduler; made by whoever prepares a reload.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/proc.h"
#include "scrape/scrape_inner.h"

#define POOL_BYTES_MAX    ((size_t)64 << 20)
#define DROPPED_BYTES_MAX ((size_t)64 << 20)
#define BODY_BYTES_MAX    ((u64)256 << 20) // Where body_size_limit says nothing.
#define DROPPED_KEPT_MAX  10000            // Where keep_dropped_targets says nothing.
#define REDIRECTS_MAX     10

// ---- making ----

static void limits_set(struct scrape_pool *p)
{
    const struct scrape_limits *l = &p->config->limits;
    p->limits = (struct labels_limits){(u32)MIN(l->label_limit, UINT32_MAX),
                                       (u32)MIN(l->label_name_length_limit, UINT32_MAX),
                                       (u32)MIN(l->label_value_length_limit, UINT32_MAX)};
    p->body_size_limit = l->body_size_limit ? l->body_size_limit : BODY_BYTES_MAX;
    p->sample_limit = l->sample_limit;
    p->target_limit = l->target_limit;
    p->keep_dropped = l->keep_dropped_targets;
    p->interval_ms = p->config->interval_ms;
    p->timeout_ms = p->config->timeout_ms;
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
    scrape_config_inherit(c, globals);
    limits_set(p);
    p->http = (struct http_target_opts){.bytes_max = p->body_size_limit,
                                        .gzip = c->enable_compression,
                                        .redirects_max = c->follow_redirects ? REDIRECTS_MAX : 0,
                                        .proxy = secret_reveal(c->proxy_url)};
    if (p->timeout_ms > p->interval_ms) {
        (void)conf_error(e, conf_value(node, "scrape_timeout"),
                         "scrape timeout greater than scrape interval for job \"%.*s\"",
                         STR_ARG(c->job_name));
        scrape_pool_unref(p);
        return NULL;
    }
    if (!scrape_secrets_read(p, node, e) || !providers_make(p, e)) {
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
    mem_free(p->due_mono_ms);
    arena_free(p->dropped_memory);
    arena_free(p->secrets.memory);
    arena_free(p->memory);
    mem_free(p);
}

// ---- keeping in line ----

// A target that its successor, with another interval or time-out, has taken the place of.
struct replaced {
    struct scrape_target *target;
    i64 interval_ms; // The successor's.
};

// One sync at work: what is there and what is new, and then what stays.
// Threads: owned by the scheduler.
struct sync {
    struct scrape_pool *pool;
    struct scrape_now now;
    struct scrape_target **all; // Those of before first.
    u32 count;
    u32 cap;
    struct map known; // Indexes into all.
    struct replaced *replaced;
    u32 replaced_count;
    u32 replaced_cap;
    struct arena *dropped_memory;
    struct labels *dropped;
    u32 dropped_count;
    u32 dropped_cap;
    u64 dropped_total;
};

static bool target_eq(const void *ctx, u32 index, const void *key)
{
    const struct sync *y = ctx;
    const struct scrape_target *a = y->all[index];
    const struct scrape_target *b = key;
    return a->hash == b->hash && str_eq(a->url, b->url) && labels_eq(a->labels, b->labels);
}

static u64 target_hash(const void *ctx, u32 index)
{
    const struct sync *y = ctx;
    return y->all[index]->hash;
}

static void sync_add(struct sync *y, struct scrape_target *t)
{
    if (y->count == y->cap) {
        y->cap = MAX(16, y->cap * 2);
        y->all = MEM_GROW(y->all, y->cap, struct scrape_target *);
    }
    y->all[y->count] = t;
    map_put(&y->known, t->hash, y->count++);
}

static void sync_init(struct sync *y, struct scrape_pool *p, struct scrape_now now)
{
    static const struct map_ops ops = {target_eq, target_hash};
    *y = (struct sync){.pool = p, .now = now, .dropped_memory = arena_new(DROPPED_BYTES_MAX)};
    map_init(&y->known, &ops, y);
    for (u32 i = 0; i < p->target_count; i++) {
        p->targets[i]->keep = false;
        sync_add(y, p->targets[i]);
    }
}

static void dropped_note(struct sync *y, struct labels discovered)
{
    const u64 keep = y->pool->keep_dropped ? y->pool->keep_dropped : DROPPED_KEPT_MAX;
    y->dropped_total++;
    if (y->dropped_count >= keep || arena_bytes(y->dropped_memory) > DROPPED_BYTES_MAX / 2) {
        return;
    }
    if (y->dropped_count == y->dropped_cap) {
        const u32 cap = MAX(16, y->dropped_cap * 2);
        y->dropped =
            arena_grow(y->dropped_memory, y->dropped, y->dropped_cap, cap, sizeof(struct labels));
        y->dropped_cap = cap;
    }
    y->dropped[y->dropped_count++] = labels_copy(y->dropped_memory, discovered);
}

// Puts t in the place of the same target of before, which had another interval or time-out: its
// series go on, so its markers wait as long as t may take for its first scrape.
static void sync_replace(struct sync *y, u32 index, struct scrape_target *t)
{
    if (y->replaced_count == y->replaced_cap) {
        y->replaced_cap = MAX(16, y->replaced_cap * 2);
        y->replaced = MEM_GROW(y->replaced, y->replaced_cap, struct replaced);
    }
    y->replaced[y->replaced_count++] = (struct replaced){y->all[index], t->interval_ms};
    y->all[index] = t;
}

// Makes the target of one discovered label set, or finds that it is there already.
static bool discovered_add(struct sync *y, struct labels discovered, struct error *e)
{
    struct scrape_pool *p = y->pool;
    struct scrape_target *t = scrape_target_new(p, discovered, e);
    if (!t) {
        return false;
    }
    if (t->dropped) {
        dropped_note(y, t->discovered);
        scrape_target_free(t);
        return true;
    }
    const u32 same = map_get(&y->known, t->hash, t);
    const struct scrape_target *old = same == MAP_NONE ? NULL : y->all[same];
    // Found twice in one sync: the first counts, whatever its interval is.
    if (old &&
        (old->keep || (old->interval_ms == t->interval_ms && old->timeout_ms == t->timeout_ms))) {
        y->all[same]->keep = true;
        scrape_target_free(t);
        return true;
    }
    if (!scrape_target_connect(t, e)) {
        scrape_target_free(t);
        return false;
    }
    t->keep = true;
    t->next_mono_ms = scrape_target_first_due(t, y->now);
    p->references++;
    if (old) {
        sync_replace(y, same, t);
    } else {
        sync_add(y, t);
    }
    return true;
}

static void group_add(struct sync *y, const struct sd_group *g, struct arena *a)
{
    struct scrape_pool *p = y->pool;
    for (u32 i = 0; i < g->target_count; i++) {
        struct labels_builder b;
        struct error e = {0};
        arena_reset(a);
        labels_builder_init(&b, a, g->labels);
        for (u32 k = 0; k < g->targets[i].count; k++) {
            labels_builder_set(&b, g->targets[i].items[k].name, g->targets[i].items[k].value);
        }
        if (!discovered_add(y, labels_builder_take(&b), &e)) {
            LOGF(p->owner->deps.log, LOG_ERROR, "target of job %.*s is not usable: %s",
                 STR_ARG(p->config->job_name), e.text);
            scrape_count_failure(p->owner->metrics, p->config->job_name, STR("bad_target"));
        }
    }
}

// Puts what was found in place of what the pages see; what vanished is retired.
static void sync_publish(struct sync *y)
{
    struct scrape_pool *p = y->pool;
    struct scrape_target **targets = MEM_NEW_N(struct scrape_target *, y->count + 1U);
    i64 *due_mono_ms = MEM_NEW_N(i64, y->count + 1U);
    u32 count = 0;
    for (u32 i = 0; i < y->count; i++) {
        if (y->all[i]->keep) {
            due_mono_ms[count] = y->all[i]->next_mono_ms;
            targets[count++] = y->all[i];
        }
    }
    mem_free(p->due_mono_ms);
    p->due_mono_ms = due_mono_ms;
    struct scrape_target **old = p->targets;
    struct arena *old_memory = p->dropped_memory;
    lock_take(&p->owner->lock);
    p->targets = targets;
    p->target_count = count;
    p->dropped = y->dropped;
    p->dropped_count = y->dropped_count;
    p->dropped_total = y->dropped_total;
    p->dropped_memory = y->dropped_memory;
    lock_drop(&p->owner->lock);
    mem_free(old);
    arena_free(old_memory);
    for (u32 i = 0; i < y->count; i++) {
        if (!y->all[i]->keep) {
            scrape_retire(p->owner, y->all[i], y->now, 0);
        }
    }
    for (u32 i = 0; i < y->replaced_count; i++) {
        scrape_retire(p->owner, y->replaced[i].target, y->now, y->replaced[i].interval_ms);
    }
    mem_free(y->replaced);
    mem_free(y->all);
    map_fini(&y->known);
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

void scrape_pool_sync(struct scrape_pool *p, struct scrape_now now, bool *changed)
{
    const struct sd_group *groups[SD_PROVIDERS_MAX];
    u32 counts[SD_PROVIDERS_MAX];
    bool any = false;
    CHECK(p->provider_count <= SD_PROVIDERS_MAX);
    for (u32 i = 0; i < p->provider_count; i++) {
        bool one = false;
        sd_poll(p->providers[i], now.mono_ms, &one, &groups[i], &counts[i]);
        any = any || one;
    }
    *changed = any;
    if (!any) {
        return;
    }
    struct sync y;
    struct arena *a = arena_new(POOL_BYTES_MAX);
    sync_init(&y, p, now);
    for (u32 i = 0; i < p->provider_count; i++) {
        for (u32 g = 0; g < counts[i]; g++) {
            group_add(&y, &groups[i][g], a);
        }
    }
    arena_free(a);
    sync_publish(&y);
    limit_apply(p);
    scrape_count(p->owner->metrics, SCRAPE_COUNT_SYNCS, 1);
    scrape_count_targets(p->owner->metrics, p->config->job_name, p->target_count);
}
