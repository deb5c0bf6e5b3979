// api_services_fake.c: stand-ins for the services whose snapshots the API shows. The tests link
// these instead of the real folders, so that every field has a known value.
#include "alert/alerting.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "collect/collect.h"
#include "model/labels.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

static const struct label target_labels[] = {{{"instance", 8}, {"x:1", 3}}, {{"job", 3}, {"a", 1}}};
static const struct label found_labels[] = {{{"__address__", 11}, {"x:1", 3}}};
static const struct label down_labels[] = {{{"instance", 8}, {"y:1", 3}}, {{"job", 3}, {"b", 1}}};

void scrape_snapshot_take(struct scrape *s, UNUSED str pool, struct arena *a,
                          struct scrape_snapshot *out)
{
    static const str pool_names[] = {{"a", 1}, {"b", 1}};
    (void)s;
    out->targets = ARENA_NEW_N(a, struct scrape_target_info, 2);
    out->target_count = 2;
    out->targets[0] = (struct scrape_target_info){
        .pool = STR("a"),
        .url = STR("http://x:1/metrics"),
        .global_url = STR("http://host:1/metrics"),
        .labels = {target_labels, 2},
        .discovered_labels = {found_labels, 1},
        .health = SCRAPE_UP,
        .last_scrape_ms = 1600000000123,
        .interval_ms = 15000,
        .timeout_ms = 10000,
        .last_duration_s = 0.25,
        .status = 200,
        .phase_connect_s = 0.125,
        .samples = 42,
    };
    out->targets[1] = (struct scrape_target_info){
        .pool = STR("b"),
        .url = STR("http://y:1/metrics"),
        .labels = {down_labels, 2},
        .health = SCRAPE_DOWN,
        .last_error = STR("line 2: <script>"),
        .last_reason = STR("parse"),
        .status = 200,
        .body_excerpt = STR("up 1\nbroken{\n"),
        .error_line = 2,
    };
    out->dropped = ARENA_NEW(a, struct scrape_dropped_info);
    out->dropped[0] = (struct scrape_dropped_info){STR("b"), {found_labels, 1}};
    out->dropped_count = 1;
    out->dropped_total = 7;
    out->pools = ARENA_NEW_N(a, str, 2);
    memcpy(out->pools, pool_names, sizeof(pool_names));
    out->pool_count = 2;
    out->pool_dropped = ARENA_NEW_N(a, u64, 2);
    out->pool_dropped[1] = 7;
}

bool scrape_metadata(struct scrape *s, const struct scrape_metadata_ask *ask, struct arena *a,
                     struct scrape_metadata_info **out, u32 *count, UNUSED struct error *e)
{
    static const struct scrape_metadata_info all[] = {
        {{target_labels, 2}, {{"up", 2}, METRIC_GAUGE, {"Is it up?", 9}, {NULL, 0}}},
        {{down_labels, 2}, {{"up", 2}, METRIC_GAUGE, {"Is it up?", 9}, {NULL, 0}}},
        {{down_labels, 2}, {{"up", 2}, METRIC_COUNTER, {"Other.", 6}, {NULL, 0}}},
        {{down_labels, 2}, {{"a_total", 7}, METRIC_COUNTER, {"A.", 2}, {"s", 1}}},
    };
    (void)s;
    *out = ARENA_NEW_N(a, struct scrape_metadata_info, ARRAY_LEN(all));
    *count = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (ask->metric.len == 0 || str_eq(ask->metric, all[i].metadata.name)) {
            (*out)[(*count)++] = all[i];
        }
    }
    return true;
}

const char *alert_state_text(enum alert_state s)
{
    static const char *const texts[] = {"inactive", "pending", "firing", "unknown"};
    return texts[s];
}

static const struct label severity[] = {{{"severity", 8}, {"page", 4}}};
static const struct label summary[] = {{{"summary", 7}, {"{{ $value }}", 12}}};

u64 rules_snapshot_take(struct rules *r, struct arena *a, struct rules_group_info **groups,
                        u32 *count)
{
    (void)r;
    struct rules_alert_info *alerts = ARENA_NEW_N(a, struct rules_alert_info, 2);
    alerts[0] = (struct rules_alert_info){.labels = {target_labels, 2},
                                          .annotations = {summary, 1},
                                          .state = ALERT_FIRING,
                                          .active_at_ms = 1600000000000,
                                          .value = 1};
    alerts[1] = (struct rules_alert_info){.labels = {down_labels, 2}, .state = ALERT_INACTIVE};
    struct rules_rule_info *rules = ARENA_NEW_N(a, struct rules_rule_info, 2);
    rules[0] = (struct rules_rule_info){.kind = RULE_ALERTING,
                                        .name = STR("Down"),
                                        .query = STR("up == 0"),
                                        .for_ms = 90000,
                                        .labels = {severity, 1},
                                        .annotations = {summary, 1},
                                        .health = RULE_OK,
                                        .state = ALERT_FIRING,
                                        .last_evaluation_ms = 1600000000000,
                                        .evaluation_s = 0.5,
                                        .line = 4,
                                        .alerts = alerts,
                                        .alert_count = 2};
    rules[1] = (struct rules_rule_info){.kind = RULE_RECORDING,
                                        .name = STR("job:up:sum"),
                                        .query = STR("sum(up)"),
                                        .health = RULE_ERR,
                                        .last_error = STR("boom"),
                                        .line = 9};
    struct rules_group_info *all = ARENA_NEW_N(a, struct rules_group_info, 2);
    all[0] = (struct rules_group_info){.name = STR("g1"),
                                       .file = STR("f.yml"),
                                       .interval_ms = 15000,
                                       .last_evaluation_ms = 1600000000000,
                                       .evaluation_s = 0.5,
                                       .rules = rules,
                                       .rule_count = 2};
    all[1] = (struct rules_group_info){.name = STR("g2"),
                                       .file = STR("f.yml"),
                                       .interval_ms = 60000,
                                       .rules = rules + 1,
                                       .rule_count = 1};
    *groups = all;
    *count = 2;
    return 0;
}

void notify_deliveries(struct notify *n, struct arena *a, struct delivery **out, u32 *count)
{
    (void)n;
    struct delivery_alert *alerts = ARENA_NEW(a, struct delivery_alert);
    alerts[0] = (struct delivery_alert){0xabc, true, {severity, 1}};
    *out = ARENA_NEW(a, struct delivery);
    (*out)[0] = (struct delivery){.t_ms = 1600000000000,
                                  .receiver = STR("team"),
                                  .integration = STR("webhook"),
                                  .status = DELIVERY_RETRYING,
                                  .code = 503,
                                  .attempt = 2,
                                  .error = STR("busy"),
                                  .group_key = STR("{}:{}"),
                                  .alerts = alerts,
                                  .alert_count = 1};
    *count = 1;
}

void collect_status(struct collect *c, struct collect_status *out)
{
    (void)c;
    *out = (struct collect_status){.last_ms = 1600000000000,
                                   .interval_ms = 5000,
                                   .ok = true,
                                   .duration_s = 0.002,
                                   .rows = 900};
}

str collect_instance(const struct collect *c)
{
    (void)c;
    return STR("box");
}

u64 tsdb_corruptions(UNUSED struct tsdb *db)
{
    return 3;
}

void tsdb_status_get(struct tsdb *db, u32 limit, struct arena *a, struct tsdb_status *out)
{
    (void)db;
    *out =
        (struct tsdb_status){.series = 7, .label_pairs = 9, .chunks = 11, .min_ms = 1, .max_ms = 2};
    out->series_by_metric = ARENA_NEW(a, struct tsdb_stat);
    out->series_by_metric[0] = (struct tsdb_stat){STR("up"), limit};
    out->series_by_metric_count = 1;
}

void tsdb_blocks_get(struct tsdb *db, struct arena *a, struct tsdb_block_info **infos, u32 *n)
{
    (void)db;
    *infos = ARENA_NEW(a, struct tsdb_block_info);
    (*infos)[0] = (struct tsdb_block_info){.id = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                           .min_ms = 1,
                                           .max_ms = 2,
                                           .series = 3,
                                           .chunks = 4,
                                           .samples = 5,
                                           .bytes = 6,
                                           .level = 1};
    *n = 1;
}

bool tsdb_delete(UNUSED struct tsdb *db, const struct tsdb_deletion *what, u64 *id, struct error *e)
{
    if (what->count == 0 || what->min_ms > what->max_ms) {
        return err_set(e, ERR_INVALID,
                       what->count == 0 ? "a deletion needs matchers"
                                        : "end timestamp must not be before start timestamp");
    }
    *id = 4000 + what->count;
    return true;
}

bool tsdb_undelete(UNUSED struct tsdb *db, u64 id, struct error *e)
{
    return id == 4001 || err_set(e, ERR_NOT_FOUND, "there is no deletion %llu that could be undone",
                                 (unsigned long long)id);
}

bool tsdb_restrained(UNUSED struct tsdb *db)
{
    return false;
}

bool tsdb_clean(UNUSED struct tsdb *db, u32 *blocks, UNUSED struct error *e)
{
    *blocks = 1;
    return true;
}

bool tsdb_snapshot(UNUSED struct tsdb *db, bool skip_head, char name[TSDB_SNAPSHOT_NAME],
                   UNUSED struct error *e)
{
    (void)snprintf(name, TSDB_SNAPSHOT_NAME, "%s", skip_head ? "blocks" : "whole");
    return true;
}
