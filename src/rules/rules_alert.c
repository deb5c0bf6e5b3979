// rules_alert.c: the life of alerts: inactive → pending → firing → resolved.
//
//            result            held `for`            no result
//   (none) ──────────▶ pending ──────────▶ firing ──────────────▶ resolved, kept 15 m
//             rule_alerts_update moves all of them; a pending one without result is forgotten;
//             keep_firing_for holds a firing one without result.
//
// Threads: the thread that runs the group; the group's lock is taken where states change.
#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "rules/rules_inner.h"

#include <stdlib.h>

#define ALERT_BYTES_MAX ((size_t)4 << 20)
#define TEXTS_BYTES_MAX ((size_t)256 << 10) // Labels and annotations of one alert.

static const str alertname = {"alertname", 9};
static const str alertstate = {"alertstate", 10};

const char *alert_state_text(enum alert_state s)
{
    switch (s) {
    case ALERT_INACTIVE:
        return "inactive";
    case ALERT_PENDING:
        return "pending";
    case ALERT_FIRING:
        return "firing";
    case ALERT_STATE_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

void active_alert_free(struct active_alert *alert)
{
    arena_free(alert->memory);
    *alert = (struct active_alert){0};
}

void rule_alerts_clear(struct rule *rule)
{
    for (u32 i = 0; i < rule->alert_count; i++) {
        active_alert_free(&rule->alerts[i]);
    }
    rule->alert_count = 0;
}

// ---- from samples to candidates ----

struct candidate {
    u64 hash;
    struct labels labels;
    struct labels annotations;
    f64 value;
};

static struct labels labels_expand(struct rule_group *g, const struct rule *rule,
                                   const struct tmpl_data *data, struct arena *a)
{
    struct labels_builder b;
    labels_builder_init(&b, a, data->labels);
    labels_builder_del(&b, LABEL_NAME);
    for (u32 i = 0; i < rule->label_count; i++) {
        labels_builder_set(&b, rule->labels[i].name,
                           rule_text_expand(g, &rule->labels[i], data, a));
    }
    labels_builder_set(&b, alertname, rule->name);
    return labels_builder_take(&b);
}

static struct labels annotations_expand(struct rule_group *g, const struct rule *rule,
                                        const struct tmpl_data *data, struct arena *a)
{
    struct labels_builder b;
    labels_builder_init(&b, a, (struct labels){0});
    for (u32 i = 0; i < rule->annotation_count; i++) {
        labels_builder_set(&b, rule->annotations[i].name,
                           rule_text_expand(g, &rule->annotations[i], data, a));
    }
    return labels_builder_take(&b);
}

static int candidate_order(const void *a, const void *b)
{
    const u64 x = ((const struct candidate *)a)->hash;
    const u64 y = ((const struct candidate *)b)->hash;
    return x < y ? -1 : x > y;
}

static struct labels without_name(struct arena *a, struct labels ls)
{
    const str name = LABEL_NAME;
    return labels_drop(a, ls, &name, 1);
}

static size_t labels_bytes(struct labels ls)
{
    size_t bytes = 0;
    for (u32 i = 0; i < ls.count; i++) {
        bytes += sizeof(struct label) + ls.items[i].name.len + ls.items[i].value.len;
    }
    return bytes;
}

// One candidate per sample, sorted by hash; two with the same labels are an error.
static struct candidate *candidates_make(struct rule_group *g, const struct rule *rule,
                                         const struct promql_result *res, i64 t_ms, struct arena *a,
                                         struct error *e)
{
    struct candidate *found = ARENA_NEW_N(a, struct candidate, res->series_count + 1U);
    struct tmpl_data data = {.external_labels = g->opts.external_labels,
                             .external_url = g->opts.external_url,
                             .now_ms = t_ms};
    for (u32 i = 0; i < res->series_count; i++) {
        data.labels = res->series[i].labels;
        data.value = res->series[i].points[0].value;
        found[i].labels = labels_expand(g, rule, &data, a);
        data.labels = without_name(a, data.labels);
        found[i].annotations = annotations_expand(g, rule, &data, a);
        found[i].value = data.value;
        found[i].hash = labels_hash(found[i].labels);
        if (labels_bytes(found[i].labels) + labels_bytes(found[i].annotations) > TEXTS_BYTES_MAX ||
            arena_bytes(a) > RULES_RUN_BYTES_MAX / 2) {
            return err_null(e, ERR_LIMIT,
                            "labels and annotations need more than %zu bytes for an alert, or %zu "
                            "for all of them",
                            TEXTS_BYTES_MAX, RULES_RUN_BYTES_MAX / 2);
        }
    }
    qsort(found, res->series_count, sizeof(*found), candidate_order);
    for (u32 i = 1; i < res->series_count; i++) {
        if (found[i].hash == found[i - 1].hash) {
            return err_null(e, ERR_INVALID,
                            "vector contains metrics with the same labelset after applying alert "
                            "labels");
        }
    }
    return found;
}

// ---- states ----

static struct active_alert *alert_find(struct rule *rule, u64 hash)
{
    for (u32 i = 0; i < rule->alert_count; i++) {
        if (rule->alerts[i].hash == hash) {
            return &rule->alerts[i];
        }
    }
    return NULL;
}

static void alert_set_texts(struct active_alert *alert, const struct candidate *c)
{
    struct arena *memory = arena_new(ALERT_BYTES_MAX);
    const struct labels labels = labels_copy(memory, c->labels);
    const struct labels annotations = labels_copy(memory, c->annotations);
    arena_free(alert->memory);
    alert->memory = memory;
    alert->labels = labels;
    alert->annotations = annotations;
    alert->value = c->value;
}

static void candidate_apply(struct rule *rule, const struct candidate *c, i64 t_ms)
{
    struct active_alert *alert = alert_find(rule, c->hash);
    if (alert && alert->state != ALERT_INACTIVE) {
        alert->seen = true;
        alert->keep_firing_since_ms = 0;
        alert->active_at_ms = MIN(alert->active_at_ms, t_ms); // The wall clock may go back.
        if (labels_eq(alert->annotations, c->annotations)) {
            alert->value = c->value;
        } else {
            alert_set_texts(alert, c);
        }
        return;
    }
    if (!alert) {
        if (rule->alert_count == RULES_ALERTS_MAX) {
            return; // The group's limit, or this one, makes the evaluation fail: see update.
        }
        if (rule->alert_count == rule->alert_cap) {
            rule->alert_cap = MAX(4, rule->alert_cap * 2);
            rule->alerts = MEM_GROW(rule->alerts, rule->alert_cap, struct active_alert);
        }
        alert = &rule->alerts[rule->alert_count++];
        *alert = (struct active_alert){.hash = c->hash};
    }
    alert_set_texts(alert, c);
    alert->state = ALERT_PENDING;
    alert->seen = true;
    alert->active_at_ms = t_ms;
    alert->fired_at_ms = 0;
    alert->resolved_at_ms = 0;
    alert->last_sent_ms = 0;
    alert->keep_firing_since_ms = 0;
}

// An alert without a result this time. Returns true if it is to be forgotten.
static bool alert_unseen(const struct rule *rule, struct active_alert *alert, i64 t_ms)
{
    bool keeps = false;
    if (alert->state == ALERT_FIRING && rule->keep_firing_for_ms > 0) {
        if (alert->keep_firing_since_ms == 0) {
            alert->keep_firing_since_ms = t_ms;
        }
        keeps = t_ms - alert->keep_firing_since_ms < rule->keep_firing_for_ms;
    }
    if (alert->state == ALERT_PENDING ||
        (alert->resolved_at_ms > 0 && t_ms - alert->resolved_at_ms > RULES_RESOLVED_KEPT_MS)) {
        return true;
    }
    if (alert->state != ALERT_INACTIVE && !keeps) {
        alert->state = ALERT_INACTIVE;
        alert->resolved_at_ms = t_ms;
    }
    return false;
}

static void states_move(struct rule *rule, i64 t_ms)
{
    u32 kept = 0;
    for (u32 i = 0; i < rule->alert_count; i++) {
        struct active_alert *alert = &rule->alerts[i];
        if (!alert->seen && alert_unseen(rule, alert, t_ms)) {
            active_alert_free(alert);
            continue;
        }
        if (alert->state == ALERT_PENDING && t_ms - alert->active_at_ms >= rule->for_ms) {
            alert->state = ALERT_FIRING;
            alert->fired_at_ms = t_ms;
        }
        rule->alerts[kept++] = *alert;
    }
    rule->alert_count = kept;
}

bool rule_alerts_update(struct rule_group *g, struct rule *rule, const struct promql_result *res,
                        i64 t_ms, struct arena *a, struct error *e)
{
    const struct candidate *candidates = candidates_make(g, rule, res, t_ms, a, e);
    const u64 limit = g->limit > 0 ? g->limit : RULES_ALERTS_MAX;
    if (!candidates) {
        return false;
    }
    lock_take(&g->lock);
    if (res->series_count > limit) {
        rule_alerts_clear(rule);
        lock_drop(&g->lock);
        return err_set(e, ERR_LIMIT, "exceeded limit of %llu with %u alerts",
                       (unsigned long long)limit, res->series_count);
    }
    for (u32 i = 0; i < rule->alert_count; i++) {
        rule->alerts[i].seen = false;
    }
    for (u32 i = 0; i < res->series_count; i++) {
        candidate_apply(rule, &candidates[i], t_ms);
    }
    states_move(rule, t_ms);
    lock_drop(&g->lock);
    return true;
}

// ---- what is written and sent ----

void rule_alerts_series(const struct rule *rule, struct arena *a, struct labels *sets, f64 *values,
                        u32 *count)
{
    for (u32 i = 0; i < rule->alert_count; i++) {
        const struct active_alert *alert = &rule->alerts[i];
        if (alert->state == ALERT_INACTIVE) {
            continue;
        }
        struct labels_builder b;
        labels_builder_init(&b, a, alert->labels);
        labels_builder_set(&b, LABEL_NAME, STR("ALERTS_FOR_STATE"));
        sets[*count] = labels_builder_take(&b);
        const i64 active_s = alert->active_at_ms / 1000; // Whole seconds, as upstream.
        values[(*count)++] = (f64)active_s;
        labels_builder_init(&b, a, alert->labels);
        labels_builder_set(&b, LABEL_NAME, STR("ALERTS"));
        labels_builder_set(&b, alertstate, str_c(alert_state_text(alert->state)));
        sets[*count] = labels_builder_take(&b);
        values[(*count)++] = 1;
    }
}

static bool alert_needs_sending(const struct active_alert *alert, i64 t_ms, i64 resend_ms)
{
    if (alert->state == ALERT_PENDING) {
        return false;
    }
    if (alert->resolved_at_ms > alert->last_sent_ms || alert->last_sent_ms > t_ms) {
        return true; // The second: the wall clock went back.
    }
    return alert->last_sent_ms + resend_ms <= t_ms || alert->last_sent_ms == 0;
}

static struct labels external_labels_add(struct rule_group *g, struct labels ls, struct arena *a)
{
    const struct labels external = g->opts.external_labels;
    struct labels_builder b;
    labels_builder_init(&b, a, ls);
    for (u32 i = 0; i < external.count; i++) {
        if (labels_builder_get(&b, external.items[i].name).len == 0) {
            labels_builder_set(&b, external.items[i].name, external.items[i].value);
        }
    }
    return labels_builder_take(&b);
}

// <external URL>/graph?g0.expr=…&g0.tab=1
static str generator_url(const struct rule_group *g, const struct rule *rule, struct arena *a)
{
    struct error ignored;
    struct buf b;
    buf_init(&b, RULES_TEXT_BYTES_MAX * 4);
    buf_str(&b, g->opts.external_url);
    // graphLink knows how to escape an expression; its tab=0 becomes the table.
    const struct tmpl *t = tmpl_compile(a, STR("{{ tableLink $externalURL }}"), &ignored);
    const struct tmpl_data data = {.external_url = rule->canonical};
    str url = STR_EMPTY;
    if (t && tmpl_run(t, &data, a, &b, &ignored)) {
        url = arena_str(a, buf_get(&b));
    }
    buf_fini(&b);
    return url;
}

void rule_alerts_send(struct rule_group *g, struct rule *rule, i64 t_ms, struct arena *a)
{
    const struct rules_opts *opts = &g->opts;
    if (!g->owner->deps.sink || rule->alert_count == 0) {
        return;
    }
    const i64 valid_ms = 4 * MAX(opts->resend_delay_ms, g->interval_ms);
    struct alert *alerts = ARENA_NEW_N(a, struct alert, rule->alert_count);
    struct active_alert **from = ARENA_NEW_N(a, struct active_alert *, rule->alert_count);
    const str url = generator_url(g, rule, a);
    u32 n = 0;
    for (u32 i = 0; i < rule->alert_count; i++) {
        struct active_alert *alert = &rule->alerts[i];
        if (!alert_needs_sending(alert, t_ms, opts->resend_delay_ms)) {
            continue;
        }
        from[n] = alert;
        const bool resolved = alert->state == ALERT_INACTIVE;
        alerts[n++] =
            (struct alert){.labels = external_labels_add(g, alert->labels, a),
                           .annotations = alert->annotations,
                           .starts_at_ms = alert->fired_at_ms,
                           .ends_at_ms = resolved ? alert->resolved_at_ms : t_ms + valid_ms,
                           .generator_url = url};
    }
    const u32 taken = n ? alert_sink_send(g->owner->deps.sink, alerts, n) : 0;
    for (u32 i = 0; i < taken; i++) { // The others are sent again by the next evaluation.
        from[i]->last_sent_ms = t_ms;
    }
    rules_count_alerts(g->owner->metrics, taken, n - taken);
    if (taken < n) {
        LOGF(g->owner->deps.log, LOG_ERROR,
             "%u alerts of rule %.*s were dropped: the notifier's queue is full", n - taken,
             STR_ARG(rule->name));
    }
}

// ---- restart ----

// Where the clock of `for` stands after a restart (upstream's rule).
static i64 restored_active_at(const struct rule_group *g, const struct rule *rule, i64 down_ms,
                              i64 active_ms, i64 t_ms)
{
    const i64 grace_ms = g->opts.grace_period_ms;
    const i64 left_ms = rule->for_ms - (down_ms - active_ms);
    if (left_ms <= 0) {
        return active_ms; // It was firing.
    }
    if (left_ms < grace_ms) {
        return t_ms + grace_ms - rule->for_ms;
    }
    return active_ms + (t_ms - down_ms);
}

static void series_restore(struct rule_group *g, struct rule *rule, struct series_cursor *c,
                           i64 t_ms, struct arena *a)
{
    const str name = LABEL_NAME;
    const struct labels ls = labels_drop(a, c->ops->labels(c), &name, 1);
    i64 down_ms = 0;
    f64 active_s = 0;
    struct series_run run;
    while (c->ops->run(c, &run)) {
        for (u32 i = 0; run.kind == SAMPLE_FLOAT && i < run.n; i++) {
            // A marker behind the last value: it was not active when we went down.
            down_ms = is_stale_nan(run.values[i]) ? 0 : run.t_ms[i];
            active_s = run.values[i];
        }
    }
    if (down_ms == 0 || down_ms >= t_ms || !(active_s > 0 && active_s < 1e11)) {
        return;
    }
    lock_take(&g->lock);
    struct active_alert *alert = alert_find(rule, labels_hash(ls));
    if (alert && alert->state == ALERT_PENDING) {
        alert->active_at_ms = restored_active_at(g, rule, down_ms, (i64)(active_s * 1000), t_ms);
    }
    lock_drop(&g->lock);
}

void rule_alerts_restore(struct rule_group *g, struct rule *rule, i64 t_ms, struct arena *a)
{
    const struct rules_opts *opts = &g->opts;
    if (rule->for_ms < opts->grace_period_ms || rule->alert_count == 0) {
        return;
    }
    struct error e = {0};
    struct matcher ms[2];
    const i64 from_ms = t_ms - opts->outage_tolerance_ms;
    if (!matcher_init(&ms[0], a, MATCH_EQ, LABEL_NAME, STR("ALERTS_FOR_STATE"), &e) ||
        !matcher_init(&ms[1], a, MATCH_EQ, alertname, rule->name, &e)) {
        return;
    }
    struct storage_querier *q =
        storage_querier_open(g->owner->deps.storage, TENANT_DEFAULT, from_ms, t_ms, &e);
    const struct select_hints hints = {.start_ms = from_ms, .end_ms = t_ms};
    const struct rules_deps *d = &g->owner->deps;
    struct query_budget budget = {.bytes_max = d->query_bytes_max,
                                  .deadline_mono_ns =
                                      clk_mono_ns(d->clk) + d->query_timeout_ms * 1000000,
                                  .cancel = &g->owner->cancelled};
    struct series_cursor *c = q ? q->ops->select(q, ms, 2, &hints, &budget, &e) : NULL;
    struct arena *scratch = arena_new(ALERT_BYTES_MAX); // Of one series: there may be many.
    while (c && c->ops->next(c)) {
        series_restore(g, rule, c, t_ms, scratch);
        arena_reset(scratch);
    }
    arena_free(scratch);
    struct storage_warnings w = {0};
    const bool ok = c && c->ops->close(c, &w, &e);
    storage_querier_close(q);
    if (!ok) {
        LOGF(g->owner->deps.log, LOG_ERROR, "the for-state of rule %.*s could not be restored: %s",
             STR_ARG(rule->name), e.text);
    }
}
