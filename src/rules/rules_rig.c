#include "rules/rules_rig.h"

#include "base/arena.h"
#include "base/str.h"
#include "storage/memstore.h"

#include <math.h>

static u32 sink_send(struct alert_sink *sink, const struct alert *alerts, u32 count)
{
    struct rules_rig *r = CONTAINER_OF(sink, struct rules_rig, sink);
    if (r->sink_full) {
        return 0;
    }
    const i64 now_ms = clk_wall_ms(r->clk);
    for (u32 i = 0; i < count; i++) {
        r->sent++;
        r->resolved += alerts[i].ends_at_ms <= now_ms;
        r->last_t_ms = now_ms;
        arena_reset(r->last_memory);
        r->last = alerts[i];
        r->last.labels = labels_copy(r->last_memory, alerts[i].labels);
        r->last.annotations = labels_copy(r->last_memory, alerts[i].annotations);
        r->last.generator_url = arena_str(r->last_memory, alerts[i].generator_url);
    }
    return count;
}

static void ruler_make(struct rules_rig *r)
{
    struct error e = {0};
    const struct rules_deps deps = {
        .storage = r->store, .engine = r->engine, .clk = r->clk, .fs = r->fs, .sink = &r->sink};
    r->rules = rules_new(&deps, &e);
    assert_non_null(r->rules);
}

void rules_rig_init(struct rules_rig *r, u32 series_max)
{
    static const struct label region = {{"region", 6}, {"eu", 2}};
    *r = (struct rules_rig){.sink = {sink_send}};
    r->clk = clk_manual_new(RULES_RIG_START_MS);
    r->fs = fs_mem_new(1 << 20);
    r->store = memstore_new((struct memstore_opts){.series_max = series_max});
    r->engine = promql_engine_new((struct promql_engine_opts){.clk = r->clk});
    r->last_memory = arena_new(1 << 20);
    r->opts = (struct rules_opts){.evaluation_interval_ms = 15000,
                                  .resend_delay_ms = 60000,
                                  .outage_tolerance_ms = 3600000,
                                  .grace_period_ms = 600000,
                                  .external_labels = {&region, 1},
                                  .external_url = STR("http://t")};
    ruler_make(r);
}

void rules_rig_restart(struct rules_rig *r)
{
    rules_free(r->rules);
    ruler_make(r);
}

void rules_rig_fini(struct rules_rig *r)
{
    rules_free(r->rules);
    promql_engine_free(r->engine);
    memstore_free(r->store);
    fs_mem_free(r->fs);
    clk_manual_free(r->clk);
    arena_free(r->last_memory);
}

bool rules_rig_load(struct rules_rig *r, const char *yaml, struct error *e)
{
    const struct rules_file file = {STR("r.yml"), str_c(yaml)};
    struct rules_plan *plan = rules_prepare(r->rules, &r->opts, &file, 1, e);
    if (plan) {
        rules_swap(r->rules, plan);
    }
    return plan != NULL;
}

void rules_rig_run(struct rules_rig *r, i64 ms)
{
    for (i64 left_ms = ms;;) {
        const i64 wait_ms = rules_step(r->rules);
        if (wait_ms > 0 && left_ms == 0) {
            return;
        }
        const i64 step_ms = MIN(wait_ms, left_ms);
        clk_manual_advance(r->clk, step_ms);
        left_ms -= step_ms;
    }
}

void rules_rig_put(struct rules_rig *r, const char *name, const char *label, f64 v)
{
    struct error e = {0};
    const struct label pairs[] = {{LABEL_NAME, str_c(name)}, {STR("l"), str_c(label)}};
    const struct labels set = {pairs, 2};
    struct storage_appender *app =
        storage_appender_open(r->store, TENANT_DEFAULT, STREAM_SCRAPE, &e);
    struct series_ref ref;
    u8 outcome;
    u64 position;
    const i64 t_ms = clk_wall_ms(r->clk);
    app->ops->resolve(app, &set, 1, &ref, &outcome);
    const struct append_batch b = {
        .refs = &ref, .t_ms = &t_ms, .values = &v, .n = 1, .outcomes = &outcome};
    ASSERT_OK(app->ops->append(app, &b, &e), e);
    ASSERT_OK(app->ops->commit(app, DURABILITY_PERIODIC, &position, &e), e);
    assert_true(append_is_stored(outcome));
    storage_appender_close(app);
}

f64 rules_rig_last(struct rules_rig *r, const char *selector)
{
    struct error e = {0};
    struct arena *a = arena_new(16 << 20);
    struct promql_query *q = promql_query_new(r->engine, str_c(selector), NULL, &e);
    ASSERT_OK(q != NULL, e);
    const i64 t_ms = clk_wall_ms(r->clk);
    const struct promql_request rq = {
        .storage = r->store, .query = q, .start_ms = t_ms, .end_ms = t_ms};
    struct promql_result res;
    ASSERT_OK(promql_instant(r->engine, &rq, a, &res, &e), e);
    const f64 v = res.series_count > 0 ? res.series[0].points[0].value : (f64)NAN;
    assert_true(res.series_count <= 1);
    promql_query_free(q);
    arena_free(a);
    return v;
}

struct rules_group_info rules_rig_group(struct rules_rig *r, struct arena *a)
{
    struct rules_group_info *groups;
    u32 count;
    assert_int_equal(rules_snapshot_take(r->rules, a, &groups, &count), 0);
    assert_int_equal(count, 1);
    return groups[0];
}
