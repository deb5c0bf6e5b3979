// rules_group.c: one evaluation of one group: query, states, series, markers, pages.
//
// Rules run in the order of the file. A rule that fails is marked and the next one runs; a refused
// recording is counted and delays nothing. Alerts are sent before series are written.
// Threads: the thread that runs the group.
#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "rules/rules_inner.h"

#include <stdlib.h>

#define OUTPUT_BYTES_MAX ((size_t)256 << 20)

// Series and values of one evaluation of one rule.
struct written {
    struct labels *sets;
    f64 *values;
    u32 count;
};

// ---- templates ----

static bool template_query(void *ctx, str expr, struct arena *a, struct tmpl_query_sample **out,
                           u32 *count, struct error *e)
{
    const struct rule_group *g = ctx;
    const struct rules_deps *d = &g->owner->deps;
    struct promql_query *q = promql_query_new(d->engine, expr, NULL, e);
    if (!q) {
        return false;
    }
    const i64 t_ms = g->next_due_ms;
    struct query_budget budget = {.cancel = &g->owner->cancelled};
    const struct promql_request rq = {
        .storage = d->storage, .query = q, .start_ms = t_ms, .end_ms = t_ms, .budget = &budget};
    struct promql_result res;
    const bool ok = promql_instant(d->engine, &rq, a, &res, e);
    promql_query_free(q);
    if (!ok) {
        return false;
    }
    *out = ARENA_NEW_N(a, struct tmpl_query_sample, res.series_count + 1U);
    for (u32 i = 0; i < res.series_count; i++) {
        (*out)[(*count)++] =
            (struct tmpl_query_sample){res.series[i].labels, res.series[i].points[0].value};
    }
    return true;
}

str rule_text_expand(struct rule_group *g, const struct rule_text *text,
                     const struct tmpl_data *data, struct arena *a)
{
    struct tmpl_data with_query = *data;
    with_query.query = template_query;
    with_query.query_ctx = g;
    struct buf b;
    struct error e = {0};
    buf_init(&b, RULES_TEXT_BYTES_MAX);
    if (!tmpl_run(text->tmpl, &with_query, a, &b, &e)) {
        // As upstream: the page goes out with the reason in it.
        buf_clear(&b);
        buf_printf(&b, "<error expanding template: %s>", e.text);
    }
    const str out = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return out;
}

// ---- recording ----

static bool recording_make(struct rule_group *g, const struct rule *rule,
                           const struct promql_result *res, struct arena *a, struct written *w,
                           struct error *e)
{
    if (g->limit > 0 && res->series_count > g->limit) {
        return err_set(e, ERR_LIMIT, "exceeded limit of %llu with %u series",
                       (unsigned long long)g->limit, res->series_count);
    }
    w->sets = ARENA_NEW_N(a, struct labels, res->series_count + 1U);
    w->values = ARENA_NEW_N(a, f64, res->series_count + 1U);
    for (u32 i = 0; i < res->series_count; i++) {
        struct labels_builder b;
        labels_builder_init(&b, a, res->series[i].labels);
        labels_builder_set(&b, LABEL_NAME, rule->name);
        for (u32 k = 0; k < rule->label_count; k++) {
            labels_builder_set(&b, rule->labels[k].name, rule->labels[k].source);
        }
        w->sets[i] = labels_builder_take(&b);
        w->values[i] = res->series[i].points[0].value;
    }
    w->count = res->series_count;
    return true;
}

// ---- outputs and their staleness ----

static int output_order(const void *a, const void *b)
{
    const u64 x = ((const struct rule_output *)a)->hash;
    const u64 y = ((const struct rule_output *)b)->hash;
    return x < y ? -1 : x > y;
}

static bool outputs_make(const struct written *w, struct rule_outputs *out, struct error *e)
{
    out->memory = arena_new(OUTPUT_BYTES_MAX);
    out->items = ARENA_NEW_N(out->memory, struct rule_output, w->count + 1U);
    for (u32 i = 0; i < w->count; i++) {
        out->items[i] =
            (struct rule_output){labels_hash(w->sets[i]), labels_copy(out->memory, w->sets[i])};
    }
    out->count = w->count;
    qsort(out->items, out->count, sizeof(*out->items), output_order);
    for (u32 i = 1; i < out->count; i++) {
        if (out->items[i].hash == out->items[i - 1].hash) {
            arena_free(out->memory);
            *out = (struct rule_outputs){0};
            return err_set(e, ERR_INVALID,
                           "vector contains metrics with the same labelset after applying rule "
                           "labels");
        }
    }
    return true;
}

static bool outputs_have(const struct rule_outputs *o, u64 hash)
{
    const struct rule_output key = {.hash = hash};
    return o->count > 0 &&
           bsearch(&key, o->items, o->count, sizeof(*o->items), output_order) != NULL;
}

// Adds a marker to w for each of old that new has not. w has room for both.
static void markers_add_to(struct written *w, const struct rule_outputs *old,
                           const struct rule_outputs *fresh)
{
    for (u32 i = 0; i < old->count; i++) {
        if (!outputs_have(fresh, old->items[i].hash)) {
            w->sets[w->count] = old->items[i].labels;
            w->values[w->count++] = stale_nan();
        }
    }
}

// ---- writing ----

static bool written_commit(struct rule_group *g, const struct written *w, i64 t_ms, struct arena *a,
                           struct error *e)
{
    struct storage_appender *app =
        storage_appender_open(g->owner->deps.storage, TENANT_DEFAULT, STREAM_RULES, e);
    if (!app) {
        return false;
    }
    struct series_ref *refs = ARENA_NEW_N(a, struct series_ref, w->count + 1U);
    u8 *outcomes = ARENA_NEW_N(a, u8, w->count + 1U);
    i64 *times = ARENA_NEW_N(a, i64, w->count + 1U);
    f64 *values = ARENA_NEW_N(a, f64, w->count + 1U);
    app->ops->resolve(app, w->sets, w->count, refs, outcomes);
    u32 n = 0;
    for (u32 i = 0; i < w->count; i++) {
        if (series_ref_is_none(refs[i])) {
            rules_count_outcome(g->owner->metrics, outcomes[i], 1);
            continue;
        }
        refs[n] = refs[i];
        times[n] = t_ms;
        values[n++] = w->values[i];
    }
    const struct append_batch batch = {
        .refs = refs, .t_ms = times, .values = values, .n = n, .outcomes = outcomes};
    u64 position;
    const bool ok = app->ops->append(app, &batch, e) &&
                    app->ops->commit(app, DURABILITY_PERIODIC, &position, e);
    for (u32 i = 0; ok && i < n; i++) {
        rules_count_outcome(g->owner->metrics, outcomes[i], 1);
    }
    storage_appender_close(app);
    return ok;
}

// ---- one rule ----

static bool rule_query(struct rule_group *g, const struct rule *rule, i64 t_ms, struct arena *a,
                       struct promql_result *res, struct error *e)
{
    const struct rules_deps *d = &g->owner->deps;
    const i64 at_ms = t_ms - g->query_offset_ms;
    struct query_budget budget = {.cancel = &g->owner->cancelled, .progress = &g->progress};
    const struct promql_request rq = {.storage = d->storage,
                                      .query = rule->query,
                                      .start_ms = at_ms,
                                      .end_ms = at_ms,
                                      .budget = &budget};
    return promql_instant(d->engine, &rq, a, res, e);
}

static bool rule_make(struct rule_group *g, struct rule *rule, i64 t_ms, struct arena *a,
                      struct written *w, struct error *e)
{
    struct promql_result res;
    if (!rule_query(g, rule, t_ms, a, &res, e)) {
        return false;
    }
    lock_take(&g->lock);
    rule->samples = res.series_count;
    lock_drop(&g->lock);
    if (rule->kind == RULE_RECORDING) {
        return recording_make(g, rule, &res, a, w, e);
    }
    if (!rule_alerts_update(g, rule, &res, t_ms, a, e)) {
        return false;
    }
    if (!g->restored) {
        return true; // ALERTS is written only when the state of before the restart is back.
    }
    w->sets = ARENA_NEW_N(a, struct labels, 2 * (size_t)rule->alert_count + 1);
    w->values = ARENA_NEW_N(a, f64, 2 * (size_t)rule->alert_count + 1);
    rule_alerts_series(rule, a, w->sets, w->values, &w->count);
    return true;
}

// Writes what the rule gave and ends what it no longer gives.
static bool rule_write(struct rule_group *g, struct rule *rule, struct written *w, i64 t_ms,
                       struct arena *a, struct error *e)
{
    struct rule_outputs fresh = {0};
    if (!outputs_make(w, &fresh, e)) {
        return false;
    }
    struct written all = {
        .sets = ARENA_NEW_N(a, struct labels, (size_t)w->count + rule->outputs.count + 1),
        .values = ARENA_NEW_N(a, f64, (size_t)w->count + rule->outputs.count + 1),
        .count = w->count};
    if (w->count > 0) {
        memcpy(all.sets, w->sets, w->count * sizeof(*all.sets));
        memcpy(all.values, w->values, w->count * sizeof(*all.values));
    }
    markers_add_to(&all, &rule->outputs, &fresh);
    const bool ok = all.count == 0 || written_commit(g, &all, t_ms, a, e);
    // What could not be written was not: then what stood before still does, and wants its markers.
    struct rule_outputs *dead = ok ? &rule->outputs : &fresh;
    arena_free(dead->memory);
    rule->outputs = ok ? fresh : rule->outputs;
    return ok;
}

static void rule_publish(struct rule_group *g, struct rule *rule, bool ok, const struct error *e,
                         i64 t_ms, i64 ns)
{
    lock_take(&g->lock);
    rule->health = ok ? RULE_OK : RULE_ERR;
    rule->last_evaluation_ms = t_ms;
    rule->evaluation_s = (f64)ns / 1e9;
    buf_clear(&rule->error);
    buf_c(&rule->error, ok ? "" : e->text);
    lock_drop(&g->lock);
    rules_count(g->owner->metrics, RULES_COUNT_EVALUATIONS, g, 1);
    if (!ok) {
        rules_count(g->owner->metrics, RULES_COUNT_FAILURES, g, 1);
        LOGF(g->owner->deps.log, LOG_WARN, "evaluating rule %.*s of %.*s:%u failed: %s",
             STR_ARG(rule->name), STR_ARG(g->file), rule->line, e->text);
    }
}

static void rule_run(struct rule_group *g, struct rule *rule, i64 t_ms, struct arena *a)
{
    struct clk *clk = g->owner->deps.clk;
    const i64 start_ns = clk_mono_ns(clk);
    struct written w = {0};
    struct error e = {0};
    bool ok = rule_make(g, rule, t_ms, a, &w, &e);
    if (ok && rule->kind == RULE_ALERTING) {
        rule_alerts_send(g, rule, t_ms, a);
    }
    // A failed evaluation says nothing about its series: as upstream, they are not ended.
    ok = ok && rule_write(g, rule, &w, t_ms, a, &e);
    rule_publish(g, rule, ok, &e, t_ms, clk_mono_ns(clk) - start_ns);
}

// ---- the group ----

static void group_restore(struct rule_group *g, i64 t_ms, struct arena *a)
{
    for (u32 i = 0; i < g->rule_count; i++) {
        if (g->rules[i].kind == RULE_ALERTING) {
            rule_alerts_restore(g, &g->rules[i], t_ms, a);
        }
    }
    g->restored = true;
}

void rule_group_run(struct rule_group *g, i64 t_ms)
{
    struct clk *clk = g->owner->deps.clk;
    const i64 start_ns = clk_mono_ns(clk);
    struct arena *a = arena_new(RULES_RUN_BYTES_MAX);
    u64 samples = 0;
    for (u32 i = 0; i < g->rule_count; i++) {
        rule_run(g, &g->rules[i], t_ms, a);
        samples += g->rules[i].samples;
        arena_reset(a);
    }
    if (!g->restored) {
        group_restore(g, t_ms, a);
    }
    arena_free(a);
    query_progress_tell(&g->progress, (struct query_progress){0});
    const f64 seconds = (f64)(clk_mono_ns(clk) - start_ns) / 1e9;
    lock_take(&g->lock);
    g->last_evaluation_ms = t_ms;
    g->evaluation_s = seconds;
    lock_drop(&g->lock);
    rules_count(g->owner->metrics, RULES_COUNT_ITERATIONS, g, 1);
    rules_observe(g->owner->metrics, g, seconds, samples, t_ms);
}

// What is the same rule to those who are paged: as upstream, its name and its labels.
static bool rule_is_kin(const struct rule *a, const struct rule *b)
{
    bool same = a->kind == b->kind && str_eq(a->name, b->name) && a->label_count == b->label_count;
    for (u32 i = 0; same && i < a->label_count; i++) {
        same = str_eq(a->labels[i].name, b->labels[i].name) &&
               str_eq(a->labels[i].source, b->labels[i].source);
    }
    return same;
}

static void rule_inherit(struct rule *rule, struct rule *old)
{
    rule->health = old->health;
    rule->last_evaluation_ms = old->last_evaluation_ms;
    rule->evaluation_s = old->evaluation_s;
    rule->samples = old->samples;
    rule->alerts = old->alerts;
    rule->alert_count = old->alert_count;
    rule->alert_cap = old->alert_cap;
    rule->outputs = old->outputs;
    buf_str(&rule->error, buf_get(&old->error));
    old->alerts = NULL;
    old->alert_count = 0;
    old->alert_cap = 0;
    old->outputs = (struct rule_outputs){0};
}

// Takes the state of the first rule of the old group that is the same and was not taken yet.
static void rule_inherit_from(struct rule *rule, struct rule_group *old, bool exact)
{
    if (rule->inherited) {
        return;
    }
    for (u32 k = 0; k < old->rule_count; k++) {
        struct rule *from = &old->rules[k];
        const bool same = exact ? from->identity == rule->identity : rule_is_kin(rule, from);
        if (same && from->query) {
            rule_inherit(rule, from);
            rule->inherited = true;
            promql_query_free(from->query);
            from->query = NULL; // Marks it as taken.
            return;
        }
    }
}

void rule_group_inherit(struct rule_group *g, struct rule_group *old)
{
    g->restored = old->restored;
    g->last_evaluation_ms = old->last_evaluation_ms;
    g->evaluation_s = old->evaluation_s;
    g->missed = old->missed;
    for (u32 i = 0; i < g->rule_count; i++) {
        rule_inherit_from(&g->rules[i], old, true);
    }
    for (u32 i = 0; i < g->rule_count; i++) { // What has another expression or other annotations.
        rule_inherit_from(&g->rules[i], old, false);
    }
}

void rule_group_end(struct rule_group *g, i64 t_ms)
{
    struct arena *a = arena_new(RULES_RUN_BYTES_MAX);
    for (u32 i = 0; i < g->rule_count; i++) {
        struct error e = {0};
        struct written nothing = {0};
        if (!rule_write(g, &g->rules[i], &nothing, t_ms, a, &e)) {
            LOGF(g->owner->deps.log, LOG_WARN, "ending the series of rule %.*s failed: %s",
                 STR_ARG(g->rules[i].name), e.text);
        }
        arena_reset(a);
    }
    arena_free(a);
}
