// scrape.c: the manager: one scheduler thread that owns the timers; the HTTP client's shards, one
// thread per 250 targets, fetch, parse and store.
//
// The scheduler wakes for the next due targets, at least every second for discovery. Offsets lie on
// a grid, so that one wake starts all of a tenth of a second; it looks through the due times of all
// (100 k targets are 0.8 MB) and touches only the targets that are due. It never waits for an
// answer; it stores by itself only the failure of a pool that is over its limit. The markers of
// targets that are gone, which may be a million, are written by a thread of their own.
// A reload builds its pools on its own thread, hands them over and waits until they are in place.
// Lock order: scrape.lock before target.lock. Threads: scheduler, shards, callers of snapshots.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "scrape/scrape_inner.h"

#include <stdlib.h>

enum { SYNC_EVERY_MS = 1000, SLEEP_MIN_MS = 1 };
#define DIR_BYTES_MAX      ((size_t)1 << 20)
#define TARGETS_ANSWER_MAX ((size_t)128 << 20) // Of the half gigabyte that a request may use.
#define SHARDS_MAX         (SCRAPE_TARGETS_MAX / HTTP_SHARD_TARGETS)

// Threads: owned by the reload, then by the scheduler.
struct scrape_plan {
    struct scrape_pool **pools; // New ones, and kept ones (borrowed).
    bool *kept;
    u32 count;
};

// ---- one scrape ----

static void reply_done(void *ctx, const struct http_reply *reply)
{
    struct scrape_target *t = ctx;
    if (reply->failure != HTTP_FAIL_CANCELLED) {
        scrape_store_reply(t, reply);
    }
    t->in_flight = false;
}

// The wall time of this scrape, snapped to the grid of the one before where it is within 2 ms (or
// 1 % of the interval): as upstream, so that timestamps step evenly.
static i64 aligned_t_ms(const struct scrape_target *t, i64 wall_ms)
{
    if (!t->scraped) {
        return wall_ms;
    }
    const i64 steps = (wall_ms - t->scrape_t_ms + t->interval_ms / 2) / t->interval_ms;
    const i64 ideal = t->scrape_t_ms + steps * t->interval_ms;
    const i64 tolerance = MIN(2, t->interval_ms / 100);
    const i64 late = wall_ms - ideal;
    return late <= tolerance && late >= -tolerance ? ideal : wall_ms;
}

static void over_limit_fail(struct scrape_target *t)
{
    struct http_reply reply = {.failure = HTTP_FAIL_INTERNAL};
    (void)err_set(&reply.error, ERR_LIMIT,
                  "target_limit exceeded (number of targets: %u, limit: %llu)",
                  t->pool->target_count, (unsigned long long)t->pool->target_limit);
    scrape_store_reply(t, &reply);
    t->in_flight = false;
}

// The one it has, unless what it proves itself with has changed.
static bool connection_ready(struct scrape_target *t, struct error *e)
{
    return (t->http && t->secret_generation == t->pool->secrets.generation) ||
           scrape_target_connect(t, e);
}

static void target_start(struct scrape *s, struct scrape_target *t)
{
    if (t->in_flight) {
        scrape_count(s->metrics, SCRAPE_COUNT_SKIPPED, 1);
        return;
    }
    t->in_flight = true;
    t->scrape_t_ms = aligned_t_ms(t, clk_wall_ms(s->deps.clk));
    t->started_mono_ns = clk_mono_ns(s->deps.clk);
    if (t->pool->over_limit) {
        over_limit_fail(t);
        return;
    }
    const struct http_fetch fetch = {
        .method = HTTP_GET, .timeout_ms = (u32)t->timeout_ms, .done = reply_done, .ctx = t};
    struct http_reply reply = {.failure = HTTP_FAIL_INTERNAL};
    if (!connection_ready(t, &reply.error) || !http_fetch_start(t->http, &fetch, &reply.error)) {
        scrape_store_reply(t, &reply);
        t->in_flight = false;
    }
}

// ---- retired targets ----

// interval_ms: of who may scrape it from now on; 0 for nobody.
void scrape_retire(struct scrape *s, struct scrape_target *t, struct scrape_now now,
                   i64 interval_ms)
{
    if (s->retired_count == s->retired_cap) {
        s->retired_cap = MAX(16, s->retired_cap * 2);
        s->retired = MEM_GROW(s->retired, s->retired_cap, struct scrape_target *);
    }
    // Markers stand at the time of the scrape that will not be, and are written when a target made
    // again would have scraped: two intervals and a tenth later.
    t->stale_t_ms = now.wall_ms + MAX(0, t->next_mono_ms - now.mono_ms);
    t->retired_at_mono_ms = now.mono_ms + MAX(t->interval_ms, interval_ms) * 21 / 10;
    s->retired[s->retired_count++] = t;
}

static void target_disconnect(struct scrape_target *t)
{
    http_target_free(t->http); // Waits for its callback.
    t->http = NULL;
}

static void target_release(struct scrape_target *t)
{
    struct scrape_pool *pool = t->pool;
    scrape_target_free(t);
    scrape_pool_unref(pool);
}

static void target_end(void *arg)
{
    struct scrape_target *t = arg;
    scrape_store_end(t, t->stale_t_ms);
    t->ended = true;
    t->in_flight = false; // The last look at it.
}

// Writes the markers of a gone target, or has them written; true if nothing of it is left to do.
static bool retired_end(struct scrape *s, struct scrape_target *t)
{
    if (t->ended || !t->scraped) {
        return true;
    }
    t->in_flight = true;
    if (!s->ends) {
        target_end(t);
        return true;
    }
    if (!pool_submit(s->ends, target_end, t)) {
        t->in_flight = false; // Full: in the next step.
    }
    return false;
}

static void retired_step(struct scrape *s, i64 mono_ms)
{
    u32 kept = 0;
    for (u32 i = 0; i < s->retired_count; i++) {
        struct scrape_target *t = s->retired[i];
        if (!t->in_flight && t->http != NULL) {
            target_disconnect(t); // It asks no more, but the client would count it still.
        }
        if (t->in_flight || mono_ms < t->retired_at_mono_ms || !retired_end(s, t)) {
            s->retired[kept++] = t;
        } else {
            target_release(t);
        }
    }
    s->retired_count = kept;
}

// ---- the scheduler ----

static i64 pool_step(struct scrape *s, struct scrape_pool *p, i64 mono_ms)
{
    i64 next = INT64_MAX;
    for (u32 i = 0; i < p->target_count; i++) {
        if (p->due_mono_ms[i] <= mono_ms) {
            struct scrape_target *t = p->targets[i];
            target_start(s, t);
            // Slots that were slept through are not made up for.
            const i64 missed = (mono_ms - t->next_mono_ms) / t->interval_ms;
            t->next_mono_ms += (missed + 1) * t->interval_ms;
            p->due_mono_ms[i] = t->next_mono_ms;
        }
        next = MIN(next, p->due_mono_ms[i]);
    }
    return next;
}

static struct scrape_now now_read(struct scrape *s)
{
    const i64 mono_ms = clk_mono_ms(s->deps.clk);
    return (struct scrape_now){.wall_ms = clk_wall_ms(s->deps.clk), .mono_ms = mono_ms};
}

static void plan_apply(struct scrape *s, struct scrape_plan *plan, struct scrape_now now);

// Whether a reload waits to be put in place, or the end came.
static bool inbox_wait(struct scrape *s, i64 wait_ms, struct scrape_plan **plan)
{
    lock_take(&s->lock);
    if (!s->inbox && !s->stopping && wait_ms > 0) {
        (void)cond_wait_ms(&s->wake, &s->lock, wait_ms);
    }
    *plan = s->inbox;
    const bool stopping = s->stopping;
    lock_drop(&s->lock);
    return !stopping;
}

static void inbox_done(struct scrape *s)
{
    lock_take(&s->lock);
    s->inbox = NULL;
    cond_broadcast(&s->taken);
    lock_drop(&s->lock);
}

i64 scrape_step(struct scrape *s)
{
    const struct scrape_now now = now_read(s);
    const i64 mono_ms = now.mono_ms;
    const bool sync = mono_ms >= s->next_sync_ms;
    i64 next_ms = mono_ms + SYNC_EVERY_MS;
    for (u32 i = 0; i < s->pool_count; i++) {
        bool changed;
        if (sync) {
            scrape_pool_sync(s->pools[i], now, &changed);
        }
        scrape_secrets_look(s->pools[i], mono_ms);
        const i64 pool_ms = pool_step(s, s->pools[i], mono_ms);
        next_ms = MIN(next_ms, pool_ms);
    }
    s->next_sync_ms = sync ? mono_ms + SYNC_EVERY_MS : s->next_sync_ms;
    retired_step(s, mono_ms);
    return MAX(SLEEP_MIN_MS, next_ms - mono_ms);
}

static void scheduler(void *arg)
{
    struct scrape *s = arg;
    struct scrape_plan *plan;
    i64 wait_ms = 0;
    while (inbox_wait(s, wait_ms, &plan)) {
        if (plan) {
            plan_apply(s, plan, now_read(s));
            inbox_done(s);
        }
        wait_ms = scrape_step(s);
    }
}

// ---- life ----

struct scrape *scrape_make(const struct scrape_deps *deps, struct error *e)
{
    struct scrape *s = MEM_NEW(struct scrape);
    s->deps = *deps;
    s->deps.config_dir = STR_EMPTY;
    lock_init(&s->lock, LOCK_SCRAPE, "scrape");
    cond_init(&s->wake);
    cond_init(&s->taken);
    s->metrics = scrape_metrics_new(deps->registry);
    s->dir_memory = arena_new(DIR_BYTES_MAX);
    s->deps.config_dir = arena_str(s->dir_memory, deps->config_dir);
    s->targets_answer_max = TARGETS_ANSWER_MAX;
    s->owns_http = deps->http == NULL;
    s->http = s->owns_http ? http_client_new(SHARDS_MAX, e) : deps->http;
    if (!s->http) {
        scrape_free(s);
        return NULL;
    }
    return s;
}

struct scrape *scrape_new(const struct scrape_deps *deps, struct error *e)
{
    struct scrape *s = scrape_make(deps, e);
    if (!s) {
        return NULL;
    }
    s->ends = pool_new("scrape-end", 1, SCRAPE_ENDS_MAX, e);
    if (!s->ends) {
        scrape_free(s);
        return NULL;
    }
    s->has_scheduler = true;
    s->thread = thr_start("scrape", scheduler, s, e);
    if (!s->thread) {
        s->has_scheduler = false;
        scrape_free(s);
        return NULL;
    }
    return s;
}

void scrape_stop(struct scrape *s)
{
    lock_take(&s->lock);
    s->stopping = true;
    cond_broadcast(&s->wake);
    lock_drop(&s->lock);
    thr_join(s->thread);
    s->thread = NULL;
    lock_take(&s->lock);
    s->has_scheduler = false;
    cond_broadcast(&s->taken);
    lock_drop(&s->lock);
    pool_free(s->ends); // Markers that were due are still written.
    s->ends = NULL;
    for (u32 i = 0; i < s->pool_count; i++) {
        for (u32 k = 0; k < s->pools[i]->target_count; k++) {
            target_disconnect(s->pools[i]->targets[k]);
        }
    }
    for (u32 i = 0; i < s->retired_count; i++) {
        target_disconnect(s->retired[i]);
    }
}

static void pools_free(struct scrape *s)
{
    for (u32 i = 0; i < s->pool_count; i++) {
        struct scrape_pool *p = s->pools[i];
        for (u32 k = 0; k < p->target_count; k++) {
            target_release(p->targets[k]);
        }
        p->target_count = 0;
        scrape_pool_unref(p);
    }
    mem_free(s->pools);
}

void scrape_free(struct scrape *s)
{
    if (!s) {
        return;
    }
    if (s->thread) {
        scrape_stop(s);
    }
    pool_free(s->ends);
    scrape_plan_free(s->inbox);
    pools_free(s);
    for (u32 i = 0; i < s->retired_count; i++) {
        target_release(s->retired[i]);
    }
    mem_free(s->retired);
    if (s->owns_http) {
        http_client_free(s->http);
    }
    scrape_metrics_free(s->metrics);
    arena_free(s->dir_memory);
    cond_fini(&s->wake);
    cond_fini(&s->taken);
    lock_fini(&s->lock);
    mem_free(s);
}

// ---- reload ----

static struct scrape_pool *pool_unchanged(struct scrape *s, u64 hash)
{
    struct scrape_pool *same = NULL;
    lock_take(&s->lock);
    for (u32 i = 0; i < s->pool_count && !same; i++) {
        same = s->pools[i]->config_hash == hash ? s->pools[i] : NULL;
    }
    lock_drop(&s->lock);
    return same;
}

static bool job_names_unique(const struct scrape_plan *plan, u32 added,
                             const struct yaml_node *node, struct error *e)
{
    for (u32 i = 0; i < added; i++) {
        if (str_eq(plan->pools[i]->config->job_name, plan->pools[added]->config->job_name)) {
            return conf_error(e, conf_value(node, "job_name"),
                              "found multiple scrape configs with job name \"%.*s\"",
                              STR_ARG(plan->pools[added]->config->job_name));
        }
    }
    return true;
}

struct scrape_plan *scrape_prepare(struct scrape *s, const struct scrape_globals *globals,
                                   const struct yaml_node *const *nodes, u32 count, struct error *e)
{
    struct scrape_plan *plan = MEM_NEW(struct scrape_plan);
    plan->pools = MEM_NEW_N(struct scrape_pool *, count + 1U);
    plan->kept = MEM_NEW_N(bool, count + 1U);
    for (u32 i = 0; i < count; i++) {
        plan->pools[i] = pool_unchanged(s, scrape_config_hash(globals, nodes[i]));
        plan->kept[i] = plan->pools[i] != NULL;
        if (!plan->pools[i]) {
            plan->pools[i] = scrape_pool_new(s, globals, nodes[i], e);
        }
        plan->count += plan->pools[i] != NULL;
        if (!plan->pools[i] || !job_names_unique(plan, i, nodes[i], e)) {
            scrape_plan_free(plan);
            return NULL;
        }
    }
    return plan;
}

void scrape_plan_free(struct scrape_plan *plan)
{
    if (!plan) {
        return;
    }
    for (u32 i = 0; i < plan->count; i++) {
        if (!plan->kept[i]) {
            scrape_pool_unref(plan->pools[i]);
        }
    }
    mem_free(plan->pools);
    mem_free(plan->kept);
    mem_free(plan);
}

static bool plan_keeps(const struct scrape_plan *plan, const struct scrape_pool *p)
{
    for (u32 i = 0; i < plan->count; i++) {
        if (plan->pools[i] == p) {
            return true;
        }
    }
    return false;
}

// The interval of the pool that now scrapes this job; 0 if none does. Of targets with an interval
// of their own (__scrape_interval__) the longest counts.
static i64 job_interval_ms(const struct scrape *s, str job)
{
    i64 longest = 0;
    for (u32 i = 0; i < s->pool_count; i++) {
        const struct scrape_pool *p = s->pools[i];
        if (!str_eq(p->config->job_name, job)) {
            continue;
        }
        for (u32 k = 0; k < p->target_count; k++) {
            longest = MAX(longest, p->targets[k]->interval_ms);
        }
    }
    return longest;
}

// A pool that no page sees any more. Where another scrapes the job at a longer interval, its first
// sample comes later than two old intervals: the markers wait for it.
static void pool_retire(struct scrape *s, struct scrape_pool *p, struct scrape_now now)
{
    const i64 interval_ms = job_interval_ms(s, p->config->job_name);
    for (u32 k = 0; k < p->target_count; k++) {
        scrape_retire(s, p->targets[k], now, interval_ms);
    }
    p->target_count = 0;
    scrape_pool_unref(p);
}

// The new pools know their targets before a page sees them. On the scheduler's thread.
static void plan_apply(struct scrape *s, struct scrape_plan *plan, struct scrape_now now)
{
    struct scrape_pool **old = s->pools;
    const u32 old_count = s->pool_count;
    for (u32 i = 0; i < old_count; i++) {
        if (!plan_keeps(plan, old[i])) {
            scrape_count_targets(s->metrics, old[i]->config->job_name, 0);
        }
    }
    for (u32 i = 0; i < plan->count; i++) {
        bool changed;
        scrape_pool_sync(plan->pools[i], now, &changed);
    }
    lock_take(&s->lock);
    s->pools = plan->pools;
    s->pool_count = plan->count;
    lock_drop(&s->lock);
    for (u32 i = 0; i < old_count; i++) {
        if (!plan_keeps(plan, old[i])) {
            pool_retire(s, old[i], now);
        }
    }
    mem_free(old);
    mem_free(plan->kept);
    mem_free(plan);
}

void scrape_swap(struct scrape *s, struct scrape_plan *plan)
{
    lock_take(&s->lock);
    const bool hand_over = s->has_scheduler && !s->stopping;
    if (hand_over) {
        CHECK(s->inbox == NULL); // One reload at a time.
        s->inbox = plan;
        cond_broadcast(&s->wake);
    }
    while (s->inbox && s->has_scheduler) {
        cond_wait(&s->taken, &s->lock);
    }
    lock_drop(&s->lock);
    if (!hand_over) {
        plan_apply(s, plan, now_read(s));
    }
}

// ---- snapshots ----

static void info_copy(struct scrape_target *t, struct arena *a, struct scrape_target_info *out)
{
    lock_take(&t->lock);
    *out = t->info;
    out->last_error = arena_str(a, buf_get(&t->error_text));
    out->body_excerpt = arena_str(a, buf_get(&t->excerpt));
    lock_drop(&t->lock);
    // What the target's own memory holds may be gone before the caller is done.
    out->pool = arena_str(a, out->pool);
    out->url = arena_str(a, out->url);
    out->global_url = out->url;
    out->labels = labels_copy(a, out->labels);
    out->discovered_labels = labels_copy(a, out->discovered_labels);
}

static int info_order(const void *a, const void *b)
{
    const struct scrape_target_info *x = a;
    const struct scrape_target_info *y = b;
    const int by_pool = str_cmp(x->pool, y->pool);
    return by_pool ? by_pool : str_cmp(x->url, y->url);
}

#define DROPPED_ANSWER_MAX ((size_t)64 << 20) // Jobs × 10,000 with what discovery says of each.

static void snapshot_pool_add(const struct scrape_pool *p, struct arena *a, size_t bytes_max,
                              struct scrape_snapshot *out)
{
    for (u32 k = 0; k < p->target_count; k++) {
        if (arena_bytes(a) < bytes_max) {
            info_copy(p->targets[k], a, &out->targets[out->target_count++]);
        } else {
            out->targets_left_out++;
        }
    }
    for (u32 k = 0; k < p->dropped_count && arena_bytes(a) < bytes_max + DROPPED_ANSWER_MAX; k++) {
        out->dropped[out->dropped_count++] = (struct scrape_dropped_info){
            arena_str(a, p->config->job_name), labels_copy(a, p->dropped[k])};
    }
    out->dropped_total += p->dropped_total;
}

void scrape_snapshot_take(struct scrape *s, str pool, struct arena *a, struct scrape_snapshot *out)
{
    const size_t bytes_max = arena_bytes(a) + s->targets_answer_max;
    *out = (struct scrape_snapshot){0};
    lock_take(&s->lock);
    u32 targets = 0;
    u32 dropped = 0;
    for (u32 i = 0; i < s->pool_count; i++) {
        targets += s->pools[i]->target_count;
        dropped += s->pools[i]->dropped_count;
    }
    out->targets = ARENA_NEW_N(a, struct scrape_target_info, targets + 1U);
    out->dropped = ARENA_NEW_N(a, struct scrape_dropped_info, dropped + 1U);
    out->pools = ARENA_NEW_N(a, str, s->pool_count + 1U);
    out->pool_dropped = ARENA_NEW_N(a, u64, s->pool_count + 1U);
    for (u32 i = 0; i < s->pool_count; i++) {
        const struct scrape_pool *p = s->pools[i];
        out->pool_dropped[out->pool_count] = p->dropped_total;
        out->pools[out->pool_count++] = arena_str(a, p->config->job_name);
        if (pool.len == 0 || str_eq(pool, p->config->job_name)) {
            snapshot_pool_add(p, a, bytes_max, out);
        }
    }
    lock_drop(&s->lock);
    qsort(out->targets, out->target_count, sizeof(*out->targets), info_order);
}

#define METADATA_ANSWER_MAX ((size_t)128 << 20) // A quarter of what a request may use.

// Threads: owned.
struct metadata_walk {
    const struct scrape_metadata_ask *ask;
    struct arena *a;
    struct scrape_metadata_info *items;
    u32 count;
    u32 cap;
    struct map known; // Of each metadata the first item: the others share its texts.
    bool full;
};

static bool metadata_walk_eq(const void *ctx, u32 index, const void *key)
{
    const struct metadata_walk *w = ctx;
    const struct metadata *x = &w->items[index].metadata;
    const struct metadata *y = key;
    return x->type == y->type && str_eq(x->name, y->name) && str_eq(x->help, y->help) &&
           str_eq(x->unit, y->unit);
}

static u64 metadata_walk_hash(const struct metadata *m)
{
    return hash_mix(hash_mix(hash_str(m->name), hash_str(m->help)),
                    hash_mix(hash_str(m->unit), (u64)m->type));
}

static u64 metadata_walk_hash_of(const void *ctx, u32 index)
{
    const struct metadata_walk *w = ctx;
    return metadata_walk_hash(&w->items[index].metadata);
}

static void metadata_walk_add(struct metadata_walk *w, struct labels target,
                              const struct metadata *m)
{
    const u64 hash = metadata_walk_hash(m);
    const u32 same = map_get(&w->known, hash, m);
    if (same != MAP_NONE && w->ask->distinct) {
        return;
    }
    if (arena_bytes(w->a) > METADATA_ANSWER_MAX) {
        w->full = true;
        return;
    }
    if (w->count == w->cap) {
        const u32 cap = MAX(64, w->cap * 2);
        w->items = arena_grow(w->a, w->items, w->cap, cap, sizeof(*w->items));
        w->cap = cap;
    }
    struct scrape_metadata_info *item = &w->items[w->count];
    *item = (struct scrape_metadata_info){.target = target};
    if (same != MAP_NONE) {
        item->metadata = w->items[same].metadata;
    } else {
        item->metadata = (struct metadata){arena_str(w->a, m->name), m->type,
                                           arena_str(w->a, m->help), arena_str(w->a, m->unit)};
        map_put(&w->known, hash, w->count);
    }
    w->count++;
}

static void metadata_of_target(struct metadata_walk *w, struct scrape_target *t)
{
    lock_take(&t->lock);
    struct labels target = {0};
    for (u32 i = 0; i < t->family_count && !w->full; i++) {
        const struct metadata *m = &t->families[i].metadata;
        if (w->ask->metric.len > 0 && !str_eq(w->ask->metric, m->name)) {
            continue;
        }
        if (target.count == 0 && !w->ask->distinct) {
            target = labels_copy(w->a, t->labels); // Once a target, not once a family.
        }
        metadata_walk_add(w, target, m);
    }
    lock_drop(&t->lock);
}

bool scrape_metadata(struct scrape *s, const struct scrape_metadata_ask *ask, struct arena *a,
                     struct scrape_metadata_info **out, u32 *count, struct error *e)
{
    static const struct map_ops ops = {metadata_walk_eq, metadata_walk_hash_of};
    struct metadata_walk w = {.ask = ask, .a = a};
    map_init(&w.known, &ops, &w);
    lock_take(&s->lock);
    for (u32 i = 0; i < s->pool_count; i++) {
        for (u32 k = 0; k < s->pools[i]->target_count; k++) {
            metadata_of_target(&w, s->pools[i]->targets[k]);
        }
    }
    lock_drop(&s->lock);
    map_fini(&w.known);
    if (w.full) {
        return err_set(e, ERR_LIMIT,
                       "the metadata of all targets needs more than %zu MiB: ask for "
                       "one metric",
                       METADATA_ANSWER_MAX >> 20);
    }
    *out = w.items;
    *count = w.count;
    return true;
}
