// rules.c: the manager: groups, their slots, the threads that run them, reload and snapshots.
//
// Each group has slots: wall times at a stable offset inside its interval. A free rule thread takes
// the group that is due longest; slots that passed while a group still ran are counted as missed
// (I15). Waiting is monotonic; a wall clock that jumps moves slots, it never replays them.
// Lock order: rules.lock before group.lock; no query, write or send happens under either.
#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/clk.h"
#include "rules/rules_inner.h"

#include <stdio.h>

enum { SLEEP_MAX_MS = 500, QUERY_TIMEOUT_MS = 120000 };
#define OPTS_BYTES_MAX  ((size_t)1 << 20)
#define QUERY_BYTES_MAX ((u64)64 << 20)
#define SNAPSHOT_BYTES_MAX                                                                         \
    ((size_t)64 << 20) // Of alerts; rules themselves are bounded by their files.

// ---- slots ----

// The first slot after now.
static i64 slot_after(const struct rule_group *g, i64 wall_ms)
{
    const i64 offset = (i64)(hash_xxh64(&g->identity, sizeof(g->identity)) % (u64)g->interval_ms);
    const i64 base = wall_ms - offset;
    i64 slots = base / g->interval_ms;
    slots -= base < 0 && base % g->interval_ms != 0;
    return (slots + 1) * g->interval_ms + offset;
}

// Takes the group that is due longest; *wait_ms says how long until the next otherwise.
static struct rule_group *group_take(struct rules *r, i64 *slot_ms, i64 *wait_ms)
{
    lock_take(&r->lock);
    const i64 now_ms = clk_wall_ms(r->deps.clk);
    struct rule_group *best = NULL;
    i64 next_ms = now_ms + SLEEP_MAX_MS;
    for (u32 i = 0; i < r->group_count; i++) {
        struct rule_group *g = r->groups[i];
        if (g->running) {
            continue;
        }
        if (g->next_due_ms > now_ms + g->interval_ms) {
            g->next_due_ms = slot_after(g, now_ms); // The wall clock went back.
        }
        if (g->next_due_ms <= now_ms && (!best || g->next_due_ms < best->next_due_ms)) {
            best = g;
        }
        next_ms = MIN(next_ms, g->next_due_ms);
    }
    if (best) {
        // Of several slots that passed only the last is run.
        const i64 missed = (now_ms - best->next_due_ms) / best->interval_ms;
        if (missed > 0 && best->last_evaluation_ms > 0) {
            best->missed += (u64)missed;
            rules_count(r->metrics, RULES_COUNT_MISSED, best, (u64)missed);
        }
        best->next_due_ms += missed * best->interval_ms;
        *slot_ms = best->next_due_ms;
        best->running = true;
    }
    *wait_ms = MAX(1, next_ms - now_ms);
    lock_drop(&r->lock);
    return best;
}

void rules_group_give_back(struct rules *r, struct rule_group *g, i64 slot_ms)
{
    lock_take(&r->lock);
    const bool retired = g->retired;
    g->running = retired;
    g->next_due_ms = slot_ms + g->interval_ms;
    if (g->successor) {
        rule_group_inherit(g->successor, g);
        g->successor->running = false;
        g->successor->awaited = NULL;
    }
    lock_drop(&r->lock);
    if (retired) {
        rule_group_end(g, slot_ms);
        rule_group_free(g);
    }
}

struct rule_group *rules_group_take(struct rules *r, i64 *slot_ms)
{
    i64 wait_ms;
    return group_take(r, slot_ms, &wait_ms);
}

i64 rules_step(struct rules *r)
{
    i64 slot_ms = 0;
    i64 wait_ms = 0;
    struct rule_group *g = group_take(r, &slot_ms, &wait_ms);
    if (!g) {
        return wait_ms;
    }
    rule_group_run(g, slot_ms);
    rules_group_give_back(r, g, slot_ms);
    return 0;
}

static void worker(void *arg)
{
    struct rules *r = arg;
    while (!stop_is_set(r->stop)) {
        (void)stop_sleep_ms(r->stop, rules_step(r));
    }
}

// ---- life ----

struct rules *rules_new(const struct rules_deps *deps, UNUSED struct error *e)
{
    struct rules *r = MEM_NEW(struct rules);
    r->deps = *deps;
    r->deps.query_timeout_ms = deps->query_timeout_ms ? deps->query_timeout_ms : QUERY_TIMEOUT_MS;
    r->deps.query_bytes_max = deps->query_bytes_max ? deps->query_bytes_max : QUERY_BYTES_MAX;
    r->stop = stop_new();
    r->metrics = rules_metrics_new(deps->registry);
    lock_init(&r->lock, LOCK_RULES, "rules");
    return r;
}

void rules_start(struct rules *r)
{
    for (u32 i = 0; i < RULES_THREADS; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "rules-%u", i);
        struct error e = {0};
        r->threads[i] = thr_start(name, worker, r, &e);
        CHECK(r->threads[i] != NULL); // At start-up only: without threads there is no alerting.
    }
}

void rules_stop(struct rules *r)
{
    __atomic_store_n(&r->cancelled, 1, __ATOMIC_RELAXED); // Read by query_tick, at its leisure.
    stop_set(r->stop);
    for (u32 i = 0; i < RULES_THREADS; i++) {
        thr_join(r->threads[i]);
        r->threads[i] = NULL;
    }
}

void rules_free(struct rules *r)
{
    if (!r) {
        return;
    }
    rules_stop(r);
    for (u32 i = 0; i < r->group_count; i++) {
        rule_group_free(r->groups[i]);
    }
    mem_free(r->groups);
    rules_metrics_free(r->metrics);
    stop_free(r->stop);
    lock_fini(&r->lock);
    mem_free(r);
}

// ---- reload ----

struct rules_plan *rules_prepare(struct rules *r, const struct rules_opts *opts,
                                 const struct rules_file *files, u32 count, struct error *e)
{
    struct rules_plan *plan = MEM_NEW(struct rules_plan);
    plan->memory = arena_new(OPTS_BYTES_MAX);
    plan->opts = *opts;
    plan->opts.external_labels = labels_copy(plan->memory, opts->external_labels);
    plan->opts.external_url = arena_str(plan->memory, opts->external_url);
    for (u32 i = 0; i < count; i++) {
        if (!rules_file_load(r, plan, &files[i], e)) {
            rules_plan_free(plan);
            return NULL;
        }
    }
    return plan;
}

u32 rules_plan_rules(const struct rules_plan *plan)
{
    u32 count = 0;
    for (u32 i = 0; i < plan->count; i++) {
        count += plan->groups[i]->rule_count;
    }
    return count;
}

void rules_plan_free(struct rules_plan *plan)
{
    if (!plan) {
        return;
    }
    for (u32 i = 0; i < plan->count; i++) {
        rule_group_free(plan->groups[i]);
    }
    mem_free(plan->groups);
    arena_free(plan->memory);
    mem_free(plan);
}

static struct rule_group *group_same(struct rule_group **groups, u32 count,
                                     const struct rule_group *g)
{
    for (u32 i = 0; i < count; i++) {
        if (groups[i] && groups[i]->identity == g->identity && str_eq(groups[i]->name, g->name) &&
            str_eq(groups[i]->file, g->file)) {
            return groups[i];
        }
    }
    return NULL;
}

static bool rules_same(const struct rule_group *a, const struct rule_group *b)
{
    const struct rules_opts *x = &a->opts;
    const struct rules_opts *y = &b->opts;
    bool same = a->rule_count == b->rule_count && a->interval_ms == b->interval_ms &&
                a->query_offset_ms == b->query_offset_ms && a->limit == b->limit &&
                x->resend_delay_ms == y->resend_delay_ms &&
                labels_eq(x->external_labels, y->external_labels) &&
                str_eq(x->external_url, y->external_url);
    for (u32 i = 0; same && i < a->rule_count; i++) {
        same = a->rules[i].identity == b->rules[i].identity;
    }
    return same;
}

// What is left in r->groups is not in the plan: *ended gets the idle ones.
static void groups_end(struct rules *r, struct rule_group **ended, u32 *ended_count)
{
    for (u32 i = 0; i < r->group_count; i++) {
        struct rule_group *old = r->groups[i];
        if (old && old->running && !old->awaited) {
            old->retired = true; // Its thread ends and frees it.
        } else if (old) {
            if (old->awaited && old->awaited->successor == old) {
                old->awaited->successor = NULL; // It never ran, and nobody comes after it.
            }
            ended[(*ended_count)++] = old;
        }
    }
}

// Puts the groups of the plan in place; *ended gets those that are gone and idle.
static void groups_replace(struct rules *r, struct rules_plan *plan, struct rule_group **ended,
                           u32 *ended_count)
{
    const i64 now_ms = clk_wall_ms(r->deps.clk);
    for (u32 i = 0; i < plan->count; i++) {
        struct rule_group *g = plan->groups[i];
        struct rule_group *old = group_same(r->groups, r->group_count, g);
        if (old && rules_same(old, g)) {
            // Unchanged: the old one goes on, running or not; the new one is not needed.
            plan->groups[i] = old;
            for (u32 k = 0; k < r->group_count; k++) {
                r->groups[k] = r->groups[k] == old ? NULL : r->groups[k];
            }
            rule_group_free(g);
            continue;
        }
        if (old && old->running) {
            // Runs when it has the state of the one that runs now.
            g->awaited = old->awaited ? old->awaited : old;
            g->awaited->successor = g;
            g->running = true;
        } else if (old) {
            rule_group_inherit(g, old);
        }
        g->next_due_ms = slot_after(g, now_ms);
    }
    groups_end(r, ended, ended_count);
}

void rules_swap(struct rules *r, struct rules_plan *plan)
{
    struct rule_group **ended = MEM_NEW_N(struct rule_group *, r->group_count + 1U);
    u32 ended_count = 0;
    lock_take(&r->lock);
    groups_replace(r, plan, ended, &ended_count);
    struct rule_group **old_groups = r->groups;
    r->groups = plan->groups;
    r->group_count = plan->count;
    const i64 now_ms = clk_wall_ms(r->deps.clk);
    lock_drop(&r->lock);
    for (u32 i = 0; i < ended_count; i++) {
        rule_group_end(ended[i], now_ms);
        rule_group_free(ended[i]);
    }
    mem_free(ended);
    mem_free(old_groups);
    arena_free(plan->memory);
    mem_free(plan);
}

u64 rules_query_bytes(struct rules *r)
{
    u64 bytes = 0;
    lock_take(&r->lock);
    for (u32 i = 0; i < r->group_count; i++) {
        bytes += query_progress_get(&r->groups[i]->progress).bytes;
    }
    lock_drop(&r->lock);
    return bytes;
}

// ---- snapshots ----

static struct labels texts_copy(struct arena *a, const struct rule_text *texts, u32 count)
{
    struct label *pairs = ARENA_NEW_N(a, struct label, count + 1U);
    for (u32 i = 0; i < count; i++) {
        pairs[i] = (struct label){texts[i].name, texts[i].source};
    }
    return labels_copy(a, labels_from(a, pairs, count));
}

// Returns how many did not fit.
static u64 alerts_copy(struct arena *a, size_t bytes_max, const struct rule *rule,
                       struct rules_rule_info *out)
{
    u64 left_out = 0;
    if (arena_bytes(a) > bytes_max) {
        for (u32 i = 0; i < rule->alert_count; i++) {
            out->state = MAX(out->state, rule->alerts[i].state);
            left_out += rule->alerts[i].state != ALERT_INACTIVE;
        }
        return left_out;
    }
    out->alerts = ARENA_NEW_N(a, struct rules_alert_info, rule->alert_count + 1U);
    for (u32 i = 0; i < rule->alert_count; i++) {
        const struct active_alert *alert = &rule->alerts[i];
        if (alert->state == ALERT_INACTIVE) {
            continue;
        }
        out->state = MAX(out->state, alert->state);
        if (arena_bytes(a) > bytes_max) {
            left_out++;
            continue;
        }
        out->alerts[out->alert_count++] =
            (struct rules_alert_info){.labels = labels_copy(a, alert->labels),
                                      .annotations = labels_copy(a, alert->annotations),
                                      .state = alert->state,
                                      .active_at_ms = alert->active_at_ms,
                                      .keep_firing_since_ms = alert->keep_firing_since_ms,
                                      .value = alert->value};
    }
    return left_out;
}

static u64 rule_copy(struct arena *a, size_t bytes_max, const struct rule *rule,
                     struct rules_rule_info *out)
{
    u64 left_out = 0;
    *out = (struct rules_rule_info){
        .kind = rule->kind,
        .name = arena_str(a, rule->name),
        .query = arena_str(a, rule->canonical),
        .for_ms = rule->for_ms,
        .keep_firing_for_ms = rule->keep_firing_for_ms,
        .labels = texts_copy(a, rule->labels, rule->label_count),
        .annotations = texts_copy(a, rule->annotations, rule->annotation_count),
        .health = rule->health,
        .state = ALERT_INACTIVE,
        .last_error = arena_str(a, buf_get(&rule->error)),
        .last_evaluation_ms = rule->last_evaluation_ms,
        .evaluation_s = rule->evaluation_s,
        .samples = rule->samples,
        .line = rule->line,
    };
    if (rule->kind == RULE_ALERTING) {
        left_out = alerts_copy(a, bytes_max, rule, out);
        if (rule->last_evaluation_ms == 0) {
            out->state = ALERT_STATE_UNKNOWN;
        }
    }
    return left_out;
}

u64 rules_snapshot_take(struct rules *r, struct arena *a, struct rules_group_info **groups,
                        u32 *count)
{
    const size_t bytes_max = arena_bytes(a) + SNAPSHOT_BYTES_MAX;
    u64 left_out = 0;
    lock_take(&r->lock);
    struct rules_group_info *out = ARENA_NEW_N(a, struct rules_group_info, r->group_count + 1U);
    for (u32 i = 0; i < r->group_count; i++) {
        struct rule_group *g = r->groups[i];
        lock_take(&g->lock);
        out[i] = (struct rules_group_info){.name = arena_str(a, g->name),
                                           .file = arena_str(a, g->file),
                                           .interval_ms = g->interval_ms,
                                           .query_offset_ms = g->query_offset_ms,
                                           .limit = g->limit,
                                           .last_evaluation_ms = g->last_evaluation_ms,
                                           .next_evaluation_ms = g->next_due_ms,
                                           .evaluation_s = g->evaluation_s,
                                           .iterations_missed = g->missed,
                                           .rule_count = g->rule_count};
        out[i].rules = ARENA_NEW_N(a, struct rules_rule_info, g->rule_count + 1U);
        for (u32 k = 0; k < g->rule_count; k++) {
            left_out += rule_copy(a, bytes_max, &g->rules[k], &out[i].rules[k]);
        }
        lock_drop(&g->lock);
    }
    *groups = out;
    *count = r->group_count;
    lock_drop(&r->lock);
    return left_out;
}
