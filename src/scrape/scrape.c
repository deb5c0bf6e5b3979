// scrape.c: the manager: one scheduler thread that owns the timers; the HTTP client's shards, one
// thread per 250 targets, fetch, parse and store.
//
// The scheduler wakes for the next due target (a scan: 100 k targets are 0.1 ms), at least every
// second for discovery. It never waits for storage or for an answer.
// Lock order: scrape.lock before target.lock. Threads: scheduler, shards, callers of snapshots.
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "scrape/scrape_inner.h"

#include <stdlib.h>

enum { SYNC_EVERY_MS = 1000, SLEEP_MIN_MS = 1, RANK_SCRAPE = 40 };
#define SHARDS_MAX (SCRAPE_TARGETS_MAX / HTTP_SHARD_TARGETS)

struct scrape_plan {
    struct scrape_pool **pools; // New ones, and kept ones (borrowed until the swap).
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
    if (!http_fetch_start(t->http, &fetch, &reply.error)) {
        scrape_store_reply(t, &reply);
        t->in_flight = false;
    }
}

// ---- retired targets ----

void scrape_retire(struct scrape *s, struct scrape_target *t, i64 mono_ms)
{
    if (s->retired_count == s->retired_cap) {
        s->retired_cap = MAX(16, s->retired_cap * 2);
        s->retired = MEM_GROW(s->retired, s->retired_cap, struct scrape_target *);
    }
    // Markers stand at the time of the scrape that will not be, and are written when a target made
    // again would have scraped: two intervals and a tenth later.
    t->stale_t_ms = clk_wall_ms(s->deps.clk) + MAX(0, t->next_mono_ms - mono_ms);
    t->retired_at_mono_ms = mono_ms + t->interval_ms * 21 / 10;
    s->retired[s->retired_count++] = t;
}

static void target_release(struct scrape_target *t)
{
    struct scrape_pool *pool = t->pool;
    scrape_target_free(t);
    scrape_pool_unref(pool);
}

static void retired_step(struct scrape *s, i64 mono_ms)
{
    u32 kept = 0;
    for (u32 i = 0; i < s->retired_count; i++) {
        struct scrape_target *t = s->retired[i];
        if (t->in_flight || mono_ms < t->retired_at_mono_ms) {
            s->retired[kept++] = t;
            continue;
        }
        if (t->scraped) {
            scrape_store_end(t, t->stale_t_ms);
        }
        target_release(t);
    }
    s->retired_count = kept;
}

// ---- the scheduler ----

static i64 pool_step(struct scrape *s, struct scrape_pool *p, i64 mono_ms)
{
    i64 next = INT64_MAX;
    for (u32 i = 0; i < p->target_count; i++) {
        struct scrape_target *t = p->targets[i];
        if (t->next_mono_ms <= mono_ms) {
            target_start(s, t);
            // Slots that were slept through are not made up for.
            const i64 missed = (mono_ms - t->next_mono_ms) / t->interval_ms;
            t->next_mono_ms += (missed + 1) * t->interval_ms;
        }
        next = MIN(next, t->next_mono_ms);
    }
    return next;
}

static void scheduler(void *arg)
{
    struct scrape *s = arg;
    i64 next_sync_ms = 0;
    while (!stop_is_set(s->stop)) {
        lock_take(&s->lock);
        const i64 mono_ms = clk_mono_ms(s->deps.clk);
        i64 next = mono_ms + SYNC_EVERY_MS;
        const bool sync = mono_ms >= next_sync_ms;
        next_sync_ms = sync ? mono_ms + SYNC_EVERY_MS : next_sync_ms;
        for (u32 i = 0; i < s->pool_count; i++) {
            bool changed = false;
            if (sync) {
                scrape_pool_sync(s->pools[i], mono_ms, &changed);
            }
            next = MIN(next, pool_step(s, s->pools[i], mono_ms));
        }
        retired_step(s, mono_ms);
        lock_drop(&s->lock);
        (void)stop_sleep_ms(s->stop, MAX(SLEEP_MIN_MS, next - mono_ms));
    }
}

// ---- life ----

struct scrape *scrape_new(const struct scrape_deps *deps, struct error *e)
{
    struct scrape *s = MEM_NEW(struct scrape);
    s->deps = *deps;
    lock_init(&s->lock, RANK_SCRAPE, "scrape");
    s->stop = stop_new();
    s->metrics = scrape_metrics_new(deps->registry);
    s->http = http_client_new(SHARDS_MAX, e);
    s->thread = s->http ? thr_start("scrape", scheduler, s, e) : NULL;
    if (!s->thread) {
        scrape_free(s);
        return NULL;
    }
    return s;
}

void scrape_stop(struct scrape *s)
{
    stop_set(s->stop);
    thr_join(s->thread);
    s->thread = NULL;
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
    pools_free(s);
    for (u32 i = 0; i < s->retired_count; i++) {
        target_release(s->retired[i]);
    }
    mem_free(s->retired);
    http_client_free(s->http);
    scrape_metrics_free(s->metrics);
    stop_free(s->stop);
    lock_fini(&s->lock);
    mem_free(s);
}

// ---- reload ----

static struct scrape_pool *pool_unchanged(const struct scrape *s, u64 hash)
{
    for (u32 i = 0; i < s->pool_count; i++) {
        if (s->pools[i]->config_hash == hash) {
            return s->pools[i];
        }
    }
    return NULL;
}

static bool job_names_unique(const struct scrape_plan *plan, u32 added,
                             const struct yaml_node *node, struct error *e)
{
    for (u32 i = 0; i < added; i++) {
        if (str_eq(plan->pools[i]->config->job_name, plan->pools[added]->config->job_name)) {
            return conf_error(e, node, "found multiple scrape configs with job name \"%.*s\"",
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
    lock_take(&s->lock);
    for (; plan->count < count; plan->count++) {
        const u32 i = plan->count;
        plan->pools[i] = pool_unchanged(s, scrape_config_hash(globals, nodes[i]));
        plan->kept[i] = plan->pools[i] != NULL;
        if (!plan->pools[i]) {
            plan->pools[i] = scrape_pool_new(s, globals, nodes[i], e);
        }
        if (!plan->pools[i] || !job_names_unique(plan, i, nodes[i], e)) {
            plan->count += plan->pools[i] != NULL;
            lock_drop(&s->lock);
            scrape_plan_free(plan);
            return NULL;
        }
    }
    lock_drop(&s->lock);
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

void scrape_swap(struct scrape *s, struct scrape_plan *plan)
{
    lock_take(&s->lock);
    const i64 mono_ms = clk_mono_ms(s->deps.clk);
    for (u32 i = 0; i < s->pool_count; i++) {
        struct scrape_pool *p = s->pools[i];
        if (plan_keeps(plan, p)) {
            continue;
        }
        for (u32 k = 0; k < p->target_count; k++) {
            scrape_retire(s, p->targets[k], mono_ms);
        }
        p->target_count = 0;
        scrape_count_targets(s->metrics, p->config->job_name, 0);
        scrape_pool_unref(p);
    }
    mem_free(s->pools);
    s->pools = plan->pools;
    s->pool_count = plan->count;
    for (u32 i = 0; i < s->pool_count; i++) {
        bool changed;
        scrape_pool_sync(s->pools[i], mono_ms, &changed);
    }
    lock_drop(&s->lock);
    mem_free(plan->kept);
    mem_free(plan);
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

void scrape_snapshot_take(struct scrape *s, struct arena *a, struct scrape_snapshot *out)
{
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
    for (u32 i = 0; i < s->pool_count; i++) {
        const struct scrape_pool *p = s->pools[i];
        out->pools[out->pool_count++] = arena_str(a, p->config->job_name);
        for (u32 k = 0; k < p->target_count; k++) {
            info_copy(p->targets[k], a, &out->targets[out->target_count++]);
        }
        for (u32 k = 0; k < p->dropped_count; k++) {
            out->dropped[out->dropped_count++] = (struct scrape_dropped_info){
                out->pools[out->pool_count - 1], labels_copy(a, p->dropped[k])};
        }
        out->dropped_total += p->dropped_total;
    }
    lock_drop(&s->lock);
    qsort(out->targets, out->target_count, sizeof(*out->targets), info_order);
}

struct metadata_walk {
    struct arena *a;
    struct scrape_metadata_info *items;
    str metric;
    u32 limit;
    u32 count;
    u32 cap;
};

static void metadata_of_target(struct metadata_walk *w, struct scrape_target *t)
{
    lock_take(&t->lock);
    for (u32 i = 0; i < t->family_count && (w->limit == 0 || w->count < w->limit); i++) {
        const struct metadata *m = &t->families[i].metadata;
        if (w->metric.len > 0 && !str_eq(w->metric, m->name)) {
            continue;
        }
        if (w->count == w->cap) {
            const u32 cap = MAX(64, w->cap * 2);
            w->items = arena_grow(w->a, w->items, w->cap, cap, sizeof(*w->items));
            w->cap = cap;
        }
        w->items[w->count++] =
            (struct scrape_metadata_info){labels_copy(w->a, t->labels),
                                          {arena_str(w->a, m->name), m->type,
                                           arena_str(w->a, m->help), arena_str(w->a, m->unit)}};
    }
    lock_drop(&t->lock);
}

void scrape_metadata(struct scrape *s, str metric, u32 limit, struct arena *a,
                     struct scrape_metadata_info **out, u32 *count)
{
    struct metadata_walk w = {.a = a, .metric = metric, .limit = limit};
    lock_take(&s->lock);
    for (u32 i = 0; i < s->pool_count; i++) {
        for (u32 k = 0; k < s->pools[i]->target_count; k++) {
            metadata_of_target(&w, s->pools[i]->targets[k]);
        }
    }
    lock_drop(&s->lock);
    *out = w.items;
    *count = w.count;
}
