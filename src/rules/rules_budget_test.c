// What rules read is bounded in bytes and time, and ends when the ruler stops.
#include "base/arena.h"
#include "base/str.h"
#include "rules/rules_rig.h"

// A store before the rig's that looks at what it is asked.
struct tap {
    struct storage base;
    struct storage *inner;
    struct storage_querier querier;
    struct storage_querier *inner_querier;
    struct rules *stop_me; // Stopped by the next question; NULL = none.
    struct query_budget restore;
    u32 restores; // Questions for the state of before a restart.
};
static struct tap *tap; // Of the running test.

static struct series_cursor *tap_select(UNUSED struct storage_querier *q, const struct matcher *ms,
                                        u32 count, const struct select_hints *h,
                                        struct query_budget *budget, struct error *e)
{
    if (str_eq_c(ms[0].value, "ALERTS_FOR_STATE")) {
        tap->restores++;
        tap->restore = *budget;
    }
    if (tap->stop_me) {
        rules_stop(tap->stop_me);
    }
    return tap->inner_querier->ops->select(tap->inner_querier, ms, count, h, budget, e);
}

static void tap_querier_close(UNUSED struct storage_querier *q)
{
    storage_querier_close(tap->inner_querier);
}

static const struct storage_querier_ops tap_querier_ops = {.select = tap_select,
                                                           .close = tap_querier_close};

static struct storage_querier *tap_querier(UNUSED struct storage *s, struct tenant_id tenant,
                                           i64 min_ms, i64 max_ms, struct error *e)
{
    tap->inner_querier = storage_querier_open(tap->inner, tenant, min_ms, max_ms, e);
    tap->querier.ops = &tap_querier_ops;
    return &tap->querier;
}

static struct storage_appender *tap_appender(UNUSED struct storage *s, struct tenant_id tenant,
                                             enum storage_stream stream, struct error *e)
{
    return storage_appender_open(tap->inner, tenant, stream, e);
}

static const struct storage_ops tap_ops = {.appender = tap_appender, .querier = tap_querier};

static void tap_init(struct tap *t, struct rules_rig *r)
{
    *t = (struct tap){.base = {&tap_ops}, .inner = r->store};
    tap = t;
    r->store = &t->base;
    rules_rig_restart(r);
}

static void load(struct rules_rig *r)
{
    struct error e = {0};
    ASSERT_OK(rules_rig_load(r,
                             "groups:\n- name: g\n  rules:\n"
                             "  - {alert: A, expr: x > 5, for: 20m}\n",
                             &e),
              e);
}

// x is 7 for that long.
static void hold(struct rules_rig *r, i64 ms)
{
    for (i64 t = 0; t < ms; t += 15000) {
        rules_rig_put(r, "x", "q", 7);
        rules_rig_run(r, 15000);
    }
}

// Pends for 18 minutes of 20 before a restart with so many bytes for the restoring; the state
// five minutes later (the grace is 10).
static enum alert_state restored_with(u64 bytes_max, u32 *sent)
{
    struct rules_rig r;
    struct tap t;
    rules_rig_init(&r, 0);
    tap_init(&t, &r);
    load(&r);
    hold(&r, 18 * 60000);
    rules_rig_restart(&r);
    r.rules->deps.query_bytes_max = bytes_max;
    t.restores = 0;
    load(&r);
    hold(&r, 15000);
    assert_int_equal(t.restores, 1);
    assert_int_equal(t.restore.bytes_max, bytes_max);
    assert_true(t.restore.deadline_mono_ns > clk_mono_ns(r.clk));
    assert_true(t.restore.deadline_mono_ns <= clk_mono_ns(r.clk) + (i64)120 * 1000000000);
    assert_ptr_equal(t.restore.cancel, &r.rules->cancelled);
    hold(&r, 11 * 60000);
    struct arena *a = arena_new(1 << 20);
    const enum alert_state state = rules_rig_group(&r, a).rules[0].state;
    arena_free(a);
    *sent = r.sent;
    r.store = t.inner;
    rules_rig_fini(&r);
    return state;
}

TEST(rules_restore_within_a_budget)
{
    u32 sent = 0;
    assert_int_equal(restored_with(1 << 20, &sent), ALERT_FIRING); // After the grace.
    assert_true(sent > 0);
    assert_int_equal(restored_with(64, &sent), ALERT_PENDING); // Not restored: `for` starts anew.
    assert_int_equal(sent, 0);
}

TEST(rules_stop_ends_the_query_that_runs)
{
    struct rules_rig r;
    struct tap t;
    rules_rig_init(&r, 0);
    tap_init(&t, &r);
    load(&r);
    hold(&r, 15000);
    t.stop_me = r.rules;
    hold(&r, 15000);
    t.stop_me = NULL;
    struct arena *a = arena_new(1 << 20);
    const struct rules_group_info g = rules_rig_group(&r, a);
    assert_int_equal(g.rules[0].health, RULE_ERR);
    assert_true(str_find_str(g.rules[0].last_error, STR("cancel")) != STR_NONE);
    arena_free(a);
    r.store = t.inner;
    rules_rig_fini(&r);
}
