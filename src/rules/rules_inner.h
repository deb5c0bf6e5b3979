// rules_inner.h: what the files of rules share: groups, rules, active alerts.
//
// A group runs on one rule thread at a time; what pages show of it is guarded by its lock, held
// only
// while results are put in place, never while a query runs.
// Threads: see each struct.
#ifndef RULES_RULES_INNER_H
#define RULES_RULES_INNER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/error.h"
#include "model/conf.h"
#include "model/labels.h"
#include "os/thr.h"
#include "promql/promql.h"
#include "rules/rules.h"
#include "storage/storage.h"
#include "tmpl/tmpl.h"

enum {
    RULES_THREADS = RULES_AT_ONCE,
    RULES_GROUPS_MAX = 20000,
    RULES_ALERTS_MAX = 100000, // Active alerts of one rule.
    RULES_RESOLVED_KEPT_MS = 15 * 60 * 1000
};
#define RULES_RUN_BYTES_MAX   ((size_t)512 << 20) // Of one evaluation.
#define RULES_TEXT_BYTES_MAX  ((size_t)64 << 10)  // Of one expanded template.
#define RULES_GROUP_BYTES_MAX ((size_t)256 << 20) // Of one rule file, parsed.

// One label or annotation: its name and its template.
struct rule_text {
    str name;
    str source;
    const struct tmpl *tmpl; // NULL: the text does not parse; error says why.
    str error;
};

// An active alert. Threads: guarded by its group's lock; changed by the thread that runs the group.
struct active_alert {
    u64 hash;
    struct arena *memory; // Labels and annotations.
    struct labels labels;
    struct labels annotations;
    enum alert_state state; // INACTIVE: resolved, kept so that the resolve is sent again.
    f64 value;
    i64 active_at_ms;
    i64 fired_at_ms;
    i64 resolved_at_ms;
    i64 last_sent_ms;
    i64 keep_firing_since_ms;
    bool seen; // By the evaluation under way.
};

// A series that a rule wrote last time, for staleness.
struct rule_output {
    u64 hash;
    struct labels labels;
};

struct rule_outputs {
    struct arena *memory;
    struct rule_output *items; // Sorted by hash.
    u32 count;
};

// Threads: configuration frozen; the rest guarded by the group's lock.
struct rule {
    enum rule_kind kind;
    str name;
    str expr;
    str canonical;
    u32 line;
    struct promql_query *query;
    i64 for_ms;
    i64 keep_firing_for_ms;
    struct rule_text *labels;
    u32 label_count;
    struct rule_text *annotations;
    u32 annotation_count;
    u64 identity;   // Of all that the configuration says.
    bool inherited; // It goes on where another left off.

    enum rule_health health;
    struct buf error;
    i64 last_evaluation_ms;
    f64 evaluation_s;
    u64 samples;
    struct active_alert *alerts;
    u32 alert_count;
    u32 alert_cap;
    struct rule_outputs outputs;
};

struct rules_metrics;

// Threads: owned by the thread that runs it while `running`, else guarded by rules.lock; `lock`
// guards what snapshots read.
struct rule_group {
    struct rules *owner;
    struct arena *memory;
    str name;
    str file;
    i64 interval_ms;
    i64 query_offset_ms;
    u64 limit;
    struct rule *rules;
    u32 rule_count;
    u64 identity;
    struct rules_opts opts; // A copy: a reload must not pull them from under a running group.

    i64 next_due_ms; // Wall time of the next slot.
    bool running;
    bool restored;
    bool retired;                 // Not in the plan any more: freed when it stops running.
    struct rule_group *successor; // Of a retired one: waits for its state. NULL if there is none.
    struct rule_group *awaited;   // Of a successor: it counts as running until that one is done.

    struct query_progress progress; // Of the query that runs; told by whoever runs the group.
    struct lock lock;
    i64 last_evaluation_ms;
    f64 evaluation_s;
    u64 missed;
};

struct rules_plan {
    struct rule_group **groups;
    u32 count;
    u32 cap;
    struct rules_opts opts;
    struct arena *memory; // Of opts.
};

// Decodes one rule file into groups of the plan; errors carry file:line:col.
bool rules_file_load(struct rules *r, struct rules_plan *plan, const struct rules_file *file,
                     struct error *e);
void rule_group_free(struct rule_group *g); // Accepts NULL.
// Runs the group that is due longest, if any, as the rule threads do. Returns the milliseconds
// until
// the next is due; 0 if one was run.
i64 rules_step(struct rules *r);
// Its two halves: between them the group counts as running. NULL if none is due.
struct rule_group *rules_group_take(struct rules *r, i64 *slot_ms);
void rules_group_give_back(struct rules *r, struct rule_group *g, i64 slot_ms);

// One evaluation of the whole group at time t.
void rule_group_run(struct rule_group *g, i64 t_ms);
// Takes over alerts, outputs and health of the rules that are the same in both, or that have at
// least name and labels in common (an annotation was edited: the page must not end for that).
void rule_group_inherit(struct rule_group *g, struct rule_group *old);
// Staleness markers for everything the group wrote last.
void rule_group_end(struct rule_group *g, i64 t_ms);

// Puts one result into the rule's alert states. false: nothing changed but the error.
bool rule_alerts_update(struct rule_group *g, struct rule *rule, const struct promql_result *res,
                        i64 t_ms, struct arena *a, struct error *e);
// The ALERTS and ALERTS_FOR_STATE series of the active alerts.
void rule_alerts_series(const struct rule *rule, struct arena *a, struct labels *sets, f64 *values,
                        u32 *count);
void rule_alerts_send(struct rule_group *g, struct rule *rule, i64 t_ms, struct arena *a);
// Reads ALERTS_FOR_STATE of before the restart into the `for` clocks.
void rule_alerts_restore(struct rule_group *g, struct rule *rule, i64 t_ms, struct arena *a);
void rule_alerts_clear(struct rule *rule);
void active_alert_free(struct active_alert *alert);

// Expands a template for one sample; a failure becomes text, as upstream has it.
str rule_text_expand(struct rule_group *g, const struct rule_text *text,
                     const struct tmpl_data *data, struct arena *a);

enum rules_counter {
    RULES_COUNT_EVALUATIONS,
    RULES_COUNT_FAILURES,
    RULES_COUNT_ITERATIONS,
    RULES_COUNT_MISSED,
    RULES_COUNTER_COUNT
};
struct rules_metrics *rules_metrics_new(struct tmk_registry *r);
void rules_metrics_free(struct rules_metrics *m);
void rules_count(struct rules_metrics *m, enum rules_counter c, const struct rule_group *g, u64 n);
void rules_count_outcome(struct rules_metrics *m, enum append_outcome o, u64 n);
void rules_count_alerts(struct rules_metrics *m, u64 sent, u64 dropped);
void rules_observe(struct rules_metrics *m, const struct rule_group *g, f64 seconds, u64 samples,
                   i64 t_ms);

struct rules {
    struct rules_deps deps;
    struct rules_metrics *metrics;
    struct stop *stop;
    int cancelled; // Set when the ruler stops: no query goes on.
    struct thr *threads[RULES_THREADS];
    struct lock lock; // Guards groups and what hangs below them but for running groups.
    struct rule_group **groups;
    u32 group_count;
};

#endif
