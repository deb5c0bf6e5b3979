// rules_metrics.c: what the ruler counts, under upstream's names.
#include "base/str.h"
#include "client/tidemark.h"
#include "rules/rules_inner.h"

struct rules_metrics {
    struct tmk_family *counters[RULES_COUNTER_COUNT];
    struct tmk_family *outcomes;
    struct tmk_counter *alerts_sent;
    struct tmk_counter *alerts_dropped;
    struct tmk_family *last_duration;
    struct tmk_family *last_samples;
    struct tmk_family *last_timestamp;
    struct tmk_family *interval;
    struct tmk_family *rule_counts;
    struct tmk_histogram *duration;
};

static struct tmk_family *by_group(struct tmk_registry *r, enum tmk_kind kind, const char *name,
                                   const char *help)
{
    static const char *const labels[] = {"rule_group"};
    const struct tmk_desc d = {.kind = kind,
                               .name = name,
                               .help = help,
                               .labels = labels,
                               .label_count = 1,
                               .children_max = 5000};
    return tmk_family_register(r, &d, NULL);
}

struct rules_metrics *rules_metrics_new(struct tmk_registry *r)
{
    static const f64 bounds[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60};
    static const char *const outcome[] = {"outcome"};
    static const struct tmk_desc outcomes = {.kind = TMK_COUNTER,
                                             .name = "tidemark_rule_samples_total",
                                             .help =
                                                 "Samples of rules by what storage did with them.",
                                             .labels = outcome,
                                             .label_count = 1};
    struct rules_metrics *m = MEM_NEW(struct rules_metrics);
    if (!r) {
        return m;
    }
    m->counters[RULES_COUNT_EVALUATIONS] =
        by_group(r, TMK_COUNTER, "prometheus_rule_evaluations_total", "Rule evaluations.");
    m->counters[RULES_COUNT_FAILURES] = by_group(
        r, TMK_COUNTER, "prometheus_rule_evaluation_failures_total", "Failed rule evaluations.");
    m->counters[RULES_COUNT_ITERATIONS] =
        by_group(r, TMK_COUNTER, "prometheus_rule_group_iterations_total",
                 "Evaluations of rule groups, missed ones not among them.");
    m->counters[RULES_COUNT_MISSED] =
        by_group(r, TMK_COUNTER, "prometheus_rule_group_iterations_missed_total",
                 "Evaluations of rule groups that were missed because the one before was slow.");
    m->outcomes = tmk_family_register(r, &outcomes, NULL);
    m->alerts_sent = tmk_counter_register(r, "tidemark_rule_alerts_sent_total",
                                          "Alerts handed to the notifiers.", NULL);
    m->alerts_dropped = tmk_counter_register(
        r, "tidemark_rule_alerts_dropped_total",
        "Alerts that the notifiers' queue had no room for; they are sent again.", NULL);
    m->last_duration = by_group(r, TMK_GAUGE, "prometheus_rule_group_last_duration_seconds",
                                "Duration of the last evaluation of a rule group.");
    m->last_samples = by_group(r, TMK_GAUGE, "prometheus_rule_group_last_evaluation_samples",
                               "Samples given by the last evaluation of a rule group.");
    m->last_timestamp =
        by_group(r, TMK_GAUGE, "prometheus_rule_group_last_evaluation_timestamp_seconds",
                 "Time of the last evaluation of a rule group.");
    m->interval = by_group(r, TMK_GAUGE, "prometheus_rule_group_interval_seconds",
                           "Interval of a rule group.");
    m->rule_counts =
        by_group(r, TMK_GAUGE, "prometheus_rule_group_rules", "Rules of a rule group.");
    m->duration = tmk_histogram_register(r, "prometheus_rule_group_duration_seconds",
                                         "Durations of rule group evaluations.", bounds,
                                         ARRAY_LEN(bounds), NULL);
    return m;
}

void rules_metrics_free(struct rules_metrics *m)
{
    mem_free(m); // The metrics themselves belong to the registry.
}

// "file;group", as upstream labels it.
static const char *group_text(const struct rule_group *g, char out[TMK_VALUE_BYTES_MAX + 1])
{
    struct buf b;
    buf_init(&b, TMK_VALUE_BYTES_MAX + 1);
    buf_str(&b, str_sub(g->file, 0, TMK_VALUE_BYTES_MAX / 2));
    buf_byte(&b, ';');
    buf_str(&b, str_sub(g->name, 0, TMK_VALUE_BYTES_MAX / 2 - 1));
    memcpy(out, b.bytes, b.len);
    out[b.len] = '\0';
    buf_fini(&b);
    return out;
}

void rules_count(struct rules_metrics *m, enum rules_counter c, const struct rule_group *g, u64 n)
{
    char text[TMK_VALUE_BYTES_MAX + 1];
    if (m->counters[c]) {
        const char *const values[] = {group_text(g, text)};
        tmk_counter_add(tmk_counter_with(m->counters[c], values, 1), n);
    }
}

void rules_count_outcome(struct rules_metrics *m, enum append_outcome o, u64 n)
{
    if (m->outcomes) {
        const char *const values[] = {append_outcome_text(o)};
        tmk_counter_add(tmk_counter_with(m->outcomes, values, 1), n);
    }
}

void rules_count_alerts(struct rules_metrics *m, u64 sent, u64 dropped)
{
    tmk_counter_add(m->alerts_sent, sent);
    tmk_counter_add(m->alerts_dropped, dropped);
}

static void set(struct tmk_family *f, const char *group, f64 v)
{
    const char *const values[] = {group};
    tmk_gauge_set(tmk_gauge_with(f, values, 1), v);
}

void rules_observe(struct rules_metrics *m, const struct rule_group *g, f64 seconds, u64 samples,
                   i64 t_ms)
{
    char text[TMK_VALUE_BYTES_MAX + 1];
    if (!m->duration) {
        return;
    }
    const char *group = group_text(g, text);
    tmk_histogram_observe(m->duration, seconds);
    set(m->last_duration, group, seconds);
    set(m->last_samples, group, (f64)samples);
    set(m->last_timestamp, group, (f64)t_ms / 1000);
    set(m->interval, group, (f64)g->interval_ms / 1000);
    set(m->rule_counts, group, g->rule_count);
}
