// Rules over the real storage engine while ingestion floods it.
#include "base/str.h"
#include "os/rng.h"
#include "rules/rules_rig.h"
#include "tsdb/tsdb.h"

#include <stdio.h>

enum { SERIES_MAX = 400 };

// Makes series flood{n=…} as a push would. Returns how many were refused.
static u32 flood(struct rules_rig *r, u32 from, u32 count)
{
    struct error e = {0};
    u32 refused = 0;
    struct storage_appender *app = storage_appender_open(r->store, TENANT_DEFAULT, STREAM_PUSH, &e);
    for (u32 i = from; i < from + count; i++) {
        char n[16];
        (void)snprintf(n, sizeof(n), "%u", i);
        const struct label pairs[] = {{LABEL_NAME, STR("flood")}, {STR("n"), str_c(n)}};
        const struct labels set = {pairs, 2};
        struct series_ref ref;
        u8 outcome;
        app->ops->resolve(app, &set, 1, &ref, &outcome);
        refused += outcome == APPEND_LIMIT_SERIES;
        const i64 t_ms = clk_wall_ms(r->clk);
        const f64 v = 1;
        const struct append_batch b = {.refs = &ref,
                                       .t_ms = &t_ms,
                                       .values = &v,
                                       .n = !series_ref_is_none(ref),
                                       .outcomes = &outcome};
        ASSERT_OK(app->ops->append(app, &b, &e), e);
        ASSERT_OK(app->ops->commit(app, DURABILITY_PERIODIC, NULL, &e), e);
    }
    storage_appender_close(app);
    return refused;
}

TEST(rules_a_flood_of_series_does_not_keep_a_new_alert_from_being_recorded)
{
    struct rules_rig r;
    struct rng rng;
    struct error e = {0};
    rules_rig_init(&r, 0);
    rng_init(&rng, 7);
    const struct tsdb_opts opts = {
        .fs = r.fs, .clk = r.clk, .rng = &rng, .dir = "/data", .series_max = SERIES_MAX};
    struct tsdb *db = tsdb_open(&opts, &e);
    ASSERT_OK(db != NULL, e);
    struct storage *mem = r.store;
    r.store = tsdb_storage(db);
    rules_rig_restart(&r);
    ASSERT_OK(rules_rig_load(&r,
                             "groups:\n- name: g\n  rules:\n"
                             "  - {alert: Flood, expr: count(flood) > 300}\n"
                             "  - {record: 'flood:count', expr: count(flood)}\n",
                             &e),
              e);
    assert_int_equal(flood(&r, 0, 100), 0);
    rules_rig_run(&r, 30000);
    assert_int_equal(r.sent, 0);
    assert_true(flood(&r, 100, 1000) > 600);
    rules_rig_run(&r, 30000);
    assert_true(r.sent > 0);
    assert_true(rules_rig_last(&r, "ALERTS{alertname=\"Flood\",alertstate=\"firing\"}") == 1);
    assert_true(rules_rig_last(&r, "flood:count") < SERIES_MAX);
    assert_true(rules_rig_last(&r, "flood:count") > 300);
    rules_free(r.rules);
    r.rules = NULL;
    ASSERT_OK(tsdb_close(db, &e), e);
    r.store = mem;
    rules_rig_fini(&r);
}
