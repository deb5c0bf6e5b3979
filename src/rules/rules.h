// rules.h: rule groups on their own thread and read path: recording and alerting.
//
// Groups run at a stable offset inside their interval; late iterations are skipped and counted;
// alert states are inactive → pending → firing → resolved; ALERTS and ALERTS_FOR_STATE are written;
// vanished outputs get staleness markers. Firing alerts go to the alert_sink, which never blocks.
// A refused recording is counted and never delays alerting. Nothing here waits on a lane, lock or
// pool that queries or ingestion use (I14).
// Threads: all functions may be called from any thread; snapshots are copies.
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include "base/base.h"
#include "model/alert.h"
#include "model/labels.h"

struct arena;
struct clk;
struct error;
struct fs;
struct log;
struct promql_engine;
struct rules;
struct storage;
struct tmk_registry;

struct rules_deps {
    struct storage *storage;
    struct promql_engine *engine; // Of its own: no shared budget with queries.
    struct clk *clk;
    struct fs *fs;
    struct log *log;
    struct tmk_registry *registry;
    struct alert_sink *sink;
    i64 query_timeout_ms; // Of what is read beside the engine (ALERTS_FOR_STATE); 0 = 2 m.
    u64 query_bytes_max;  // 0 = 64 MiB
};

#define RULES_AT_ONCE 2U // Evaluations that run at the same time.

struct rules_opts {
    i64 evaluation_interval_ms;
    i64 query_offset_ms;
    i64 resend_delay_ms;     // 1 m.
    i64 outage_tolerance_ms; // 1 h: how far back ALERTS_FOR_STATE is restored.
    i64 grace_period_ms;     // 10 m: rules with a shorter `for` are not restored.
    struct labels external_labels;
    str external_url;
};

// One rule file: a path, and its text when it does not come from disk (the shipped mixins).
struct rules_file {
    str path;
    str text;
};

struct rules *rules_new(const struct rules_deps *deps, struct error *e);
// Two-phase reload; errors carry file:line:col. State of unchanged rules is kept.
struct rules_plan;
struct rules_plan *rules_prepare(struct rules *r, const struct rules_opts *opts,
                                 const struct rules_file *files, u32 count, struct error *e);
void rules_swap(struct rules *r, struct rules_plan *plan); // Takes the plan.
void rules_plan_free(struct rules_plan *plan);             // Accepts NULL.
u32 rules_plan_rules(const struct rules_plan *plan);       // How many there are in it.
void rules_start(struct rules *r);
// Cancels the queries that run, so that a slow one does not hold up the end; what has been
// evaluated is sent and written.
void rules_stop(struct rules *r);
void rules_free(struct rules *r);       // Accepts NULL.
u64 rules_query_bytes(struct rules *r); // Of memory, of the queries that run.

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING, ALERT_STATE_UNKNOWN };
const char *alert_state_text(enum alert_state s);

struct rules_alert_info {
    struct labels labels;
    struct labels annotations;
    enum alert_state state;
    i64 active_at_ms;
    i64 keep_firing_since_ms; // 0 = none.
    f64 value;
};
enum rule_kind { RULE_RECORDING, RULE_ALERTING };
enum rule_health { RULE_UNKNOWN, RULE_OK, RULE_ERR };
struct rules_rule_info {
    enum rule_kind kind;
    str name;
    str query; // Canonical text.
    i64 for_ms;
    i64 keep_firing_for_ms;
    struct labels labels;
    struct labels annotations; // Templates as written.
    enum rule_health health;
    enum alert_state state;
    str last_error;
    i64 last_evaluation_ms;
    f64 evaluation_s;
    u64 samples;
    u32 line; // In the file.
    struct rules_alert_info *alerts;
    u32 alert_count;
};
struct rules_group_info {
    str name;
    str file;
    i64 interval_ms;
    i64 query_offset_ms;
    u64 limit;
    i64 last_evaluation_ms;
    i64 next_evaluation_ms;
    f64 evaluation_s;
    u64 iterations_missed;
    struct rules_rule_info *rules;
    u32 rule_count;
};
// Copies at most some 64 MiB, so that an alert storm brings down no reader and holds up no rule.
// Returns how many active alerts were left out for that.
u64 rules_snapshot_take(struct rules *r, struct arena *a, struct rules_group_info **groups,
                        u32 *count) MUST_USE;

#endif
