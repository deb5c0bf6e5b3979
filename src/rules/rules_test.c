#include "base/arena.h"
#include "base/str.h"
#include "rules/rules_rig.h"

#include <math.h>
#include <stdio.h>

#define G "groups:\n- name: g\n  rules:\n"

static void load(struct rules_rig *r, const char *yaml)
{
    struct error e = {0};
    ASSERT_OK(rules_rig_load(r, yaml, &e), e);
}

// Holds x{l=label} at v for that long, a sample every 15 s.
static void hold(struct rules_rig *r, const char *label, f64 v, i64 ms)
{
    for (i64 t = 0; t < ms; t += 15000) {
        rules_rig_put(r, "x", label, v);
        rules_rig_run(r, 15000);
    }
}

TEST(rules_record_and_end_what_vanished)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {record: 'a:b', expr: 'x * 2', labels: {k: v}}\n");
    hold(&r, "p", 21, 30000);
    assert_true(rules_rig_last(&r, "a:b{l=\"p\",k=\"v\"}") == 42);
    rules_rig_put(&r, "x", "p", stale_nan());
    rules_rig_run(&r, 15000);
    assert_true(isnan(rules_rig_last(&r, "a:b")));
    hold(&r, "p", 1, 30000);
    assert_true(rules_rig_last(&r, "a:b") == 2);
    load(&r, G "  - {record: 'c', expr: 'x'}\n"); // The rule is gone: so is its series.
    assert_true(isnan(rules_rig_last(&r, "a:b")));
    load(&r, "groups: []\n");
    rules_rig_fini(&r);
}

TEST(rules_alert_pends_fires_and_resolves)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - alert: A\n    expr: x > 5\n    for: 1m\n"
               "    labels: {sev: 'p{{ $labels.l }}'}\n"
               "    annotations: {s: '{{ $labels.l }} is {{ $value | humanize }} in "
               "{{ $externalLabels.region }}'}\n");
    struct arena *a = arena_new(1 << 20);
    hold(&r, "q", 7, 45000);
    assert_int_equal(r.sent, 0);
    assert_int_equal(rules_rig_group(&r, a).rules[0].state, ALERT_PENDING);
    assert_true(rules_rig_last(&r, "ALERTS{alertstate=\"pending\"}") == 1);
    hold(&r, "q", 7, 45000);
    const struct rules_group_info g = rules_rig_group(&r, a);
    assert_int_equal(g.rules[0].state, ALERT_FIRING);
    assert_int_equal(r.sent, 1);
    ASSERT_STR_EQ(labels_get(r.last.annotations, STR("s")), STR("q is 7 in eu"));
    ASSERT_STR_EQ(labels_get(r.last.labels, STR("sev")), STR("pq"));
    ASSERT_STR_EQ(labels_get(r.last.labels, STR("region")), STR("eu"));
    ASSERT_STR_EQ(labels_get(r.last.labels, STR("alertname")), STR("A"));
    assert_true(str_starts(r.last.generator_url, STR("http://t/graph?g0.expr=x+%3E+5")));
    // Valid for four resend delays, which are longer than the interval.
    assert_int_equal(r.last.ends_at_ms - r.last.starts_at_ms, 4 * 60000);
    assert_true(rules_rig_last(&r, "ALERTS{alertstate=\"firing\"}") == 1);
    assert_true(isnan(rules_rig_last(&r, "ALERTS{alertstate=\"pending\"}"))); // Ended.
    assert_true(rules_rig_last(&r, "ALERTS_FOR_STATE") ==
                (f64)(g.rules[0].alerts[0].active_at_ms / 1000));
    hold(&r, "q", 7, 300000);
    assert_int_equal(r.sent, 6); // Every minute.
    assert_int_equal(r.resolved, 0);
    hold(&r, "q", 1, 15000);
    assert_int_equal(r.resolved, 1); // At once.
    assert_true(isnan(rules_rig_last(&r, "ALERTS")));
    hold(&r, "q", 1, 20 * 60000);
    assert_true(r.resolved >= 15 && r.resolved <= 17); // Each minute for 15.
    assert_int_equal(r.rules->groups[0]->rules[0].alert_count, 0);
    arena_free(a);
    rules_rig_fini(&r);
}

TEST(rules_show_of_an_alert_storm_what_fits_and_say_what_is_left_out)
{
    enum { ALERTS = 500, TEXT = 50000 };
    struct rules_rig r;
    rules_rig_init(&r, 0);
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    buf_c(&yaml, G "  - alert: A\n    expr: x > 5\n    annotations: {");
    for (char c = 'a'; c < 'd'; c++) {
        buf_printf(&yaml, "%c: '", c);
        for (u32 i = 0; i < TEXT; i++) {
            buf_byte(&yaml, 'x');
        }
        buf_c(&yaml, "', ");
    }
    buf_c(&yaml, "}\n");
    buf_byte(&yaml, '\0');
    load(&r, yaml.bytes);
    buf_fini(&yaml);
    for (u32 i = 0; i < ALERTS; i++) {
        char label[16];
        (void)snprintf(label, sizeof(label), "%u", i);
        rules_rig_put(&r, "x", label, 7);
    }
    rules_rig_run(&r, 15000);
    assert_int_equal(r.sent, ALERTS);
    struct arena *a = arena_new((size_t)512 << 20);
    struct rules_group_info *groups;
    u32 count;
    const u64 left_out = rules_snapshot_take(r.rules, a, &groups, &count);
    assert_in_range(left_out, 1, ALERTS - 100);
    assert_int_equal(groups[0].rules[0].alert_count + left_out, ALERTS);
    assert_int_equal(groups[0].rules[0].state, ALERT_FIRING);
    assert_true(arena_bytes(a) < (size_t)80 << 20);
    arena_free(a);
    rules_rig_fini(&r);
}

TEST(rules_keep_firing_for_holds_an_alert)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {alert: A, expr: x > 5, keep_firing_for: 2m}\n");
    hold(&r, "q", 7, 30000);
    hold(&r, "q", 1, 120000);
    assert_int_equal(r.resolved, 0);
    hold(&r, "q", 7, 15000); // Starts the hold anew.
    hold(&r, "q", 1, 120000);
    assert_int_equal(r.resolved, 0);
    hold(&r, "q", 1, 30000);
    assert_int_equal(r.resolved, 1);
    rules_rig_fini(&r);
}

TEST(rules_limits_and_equal_labels_are_errors_of_one_rule)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, "groups:\n- name: g\n  limit: 1\n  rules:\n"
             "  - {record: r1, expr: x}\n"
             "  - {record: r2, expr: 'label_replace(x, \"l\", \"\", \"l\", \".*\")'}\n"
             "  - {alert: A, expr: x}\n"
             "  - {record: r4, expr: sum(x)}\n");
    struct arena *a = arena_new(1 << 20);
    rules_rig_put(&r, "x", "p", 1);
    rules_rig_run(&r, 15000);
    assert_int_equal(r.sent, 1);
    rules_rig_put(&r, "x", "p", 1);
    rules_rig_put(&r, "x", "q", 1);
    rules_rig_run(&r, 15000);
    const struct rules_group_info g = rules_rig_group(&r, a);
    ASSERT_STR_EQ(g.rules[0].last_error, STR("exceeded limit of 1 with 2 series"));
    assert_int_equal(g.rules[1].health, RULE_ERR);
    ASSERT_STR_EQ(g.rules[2].last_error, STR("exceeded limit of 1 with 2 alerts"));
    assert_int_equal(g.rules[2].alert_count, 0);
    assert_int_equal(g.rules[3].health, RULE_OK);
    assert_true(rules_rig_last(&r, "r4") == 2);
    arena_free(a);
    rules_rig_fini(&r);
}

TEST(rules_a_full_store_does_not_stop_alerts)
{
    struct rules_rig r;
    rules_rig_init(&r, 1); // Only x.
    load(&r, G "  - {record: y, expr: x}\n  - {alert: A, expr: x > 5}\n");
    hold(&r, "q", 7, 60000);
    assert_true(r.sent >= 1);
    assert_true(isnan(rules_rig_last(&r, "y")));
    rules_rig_fini(&r);
}

TEST(rules_alerts_that_the_notifier_had_no_room_for_are_sent_by_the_next_evaluation)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {alert: A, expr: x > 5}\n");
    r.sink_full = true;
    hold(&r, "q", 7, 30000);
    r.sink_full = false;
    hold(&r, "q", 7, 15000);
    assert_int_equal(r.sent, 1);
    rules_rig_fini(&r);
}

#define HELD G "  - {alert: A, expr: x > 5, for: 20m}\n"

// Pends for that long, is down for that long, then says what is left until it fires.
static i64 restored_left_ms(i64 pending_ms, i64 down_ms)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, HELD);
    hold(&r, "q", 7, pending_ms);
    rules_rig_restart(&r);
    r.sent = 0;
    clk_manual_advance(r.clk, down_ms);
    load(&r, HELD);
    const i64 start_ms = clk_wall_ms(r.clk);
    while (r.sent == 0 && clk_wall_ms(r.clk) < start_ms + 3600000) {
        hold(&r, "q", 7, 15000);
    }
    const i64 left_ms = r.last_t_ms - start_ms;
    rules_rig_fini(&r);
    return left_ms;
}

static void expect_near(i64 got_ms, i64 want_ms)
{
    if (got_ms < want_ms - 45000 || got_ms > want_ms + 45000) {
        fail_msg("got %lld ms, want about %lld", (long long)got_ms, (long long)want_ms);
    }
}

TEST(rules_restore_the_clocks_of_for)
{
    expect_near(restored_left_ms(25 * 60000, 10 * 60000), 15000);      // It fired: it fires on.
    expect_near(restored_left_ms(15 * 60000, 10 * 60000), 10 * 60000); // 5 m left: the grace.
    expect_near(restored_left_ms(5 * 60000, 10 * 60000), 15 * 60000);  // The time down is not held.
    expect_near(restored_left_ms(15 * 60000, 70 * 60000), 20 * 60000); // Too long ago.
}

TEST(rules_restore_nothing_that_had_ended)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, HELD);
    hold(&r, "q", 7, 18 * 60000);
    hold(&r, "q", 1, 60000);
    rules_rig_restart(&r);
    load(&r, HELD);
    hold(&r, "q", 7, 15 * 60000);
    assert_int_equal(r.sent, 0);
    rules_rig_fini(&r);
}

TEST(rules_missed_slots_are_counted_and_not_made_up_for)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {record: y, expr: x}\n");
    hold(&r, "q", 1, 30000);
    struct arena *a = arena_new(1 << 20);
    clk_manual_advance(r.clk, 60000);
    rules_rig_run(&r, 0);
    const struct rules_group_info g = rules_rig_group(&r, a);
    assert_int_equal(g.iterations_missed, 3);
    assert_true(clk_wall_ms(r.clk) - g.last_evaluation_ms < 15000);
    arena_free(a);
    rules_rig_fini(&r);
}

TEST(rules_a_wall_clock_that_steps_back_stops_neither_rules_nor_pages)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {alert: A, expr: 'vector(1)', for: 30s}\n");
    rules_rig_run(&r, 120000);
    const u32 before = r.sent;
    assert_true(before > 0);
    clk_manual_step_wall(r.clk, -3600000);
    rules_rig_run(&r, 180000);
    assert_true(r.sent >= before + 2);
    clk_manual_step_wall(r.clk, 3600000);
    rules_rig_run(&r, 180000);
    assert_true(r.sent >= before + 4);
    rules_rig_fini(&r);
}

TEST(rules_reload_keeps_the_state_of_unchanged_rules)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {alert: A, expr: x > 5, for: 1m}\n");
    hold(&r, "q", 7, 60000);
    load(&r, G "  - {alert: B, expr: x > 6, for: 1h}\n  - {alert: A, expr: x > 5, for: 1m}\n");
    hold(&r, "q", 7, 30000);
    assert_int_equal(r.sent, 1);
    const struct rule_group *g = r.rules->groups[0];
    load(&r, G "  - {alert: B, expr: x > 6, for: 1h}\n  - {alert: A, expr: x > 5, for: 1m}\n");
    assert_ptr_equal(g, r.rules->groups[0]); // Nothing changed: the same group goes on.
    rules_rig_fini(&r);
}

TEST(rules_reload_keeps_the_alerts_of_a_rule_that_is_edited)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {alert: A, expr: x > 5, for: 1m, labels: {sev: page}}\n"
               "  - {alert: A, expr: x > 1, for: 1m, labels: {sev: note}}\n");
    hold(&r, "q", 7, 90000);
    assert_int_equal(r.sent, 2);
    load(&r, G "  - {alert: A, expr: x > 2, for: 1m, labels: {sev: note}}\n"
               "  - {alert: A, expr: x > 5, for: 1m, labels: {sev: page}, annotations: {a: b}}\n");
    hold(&r, "q", 7, 15000);
    struct arena *a = arena_new(1 << 20);
    const struct rules_group_info g = rules_rig_group(&r, a);
    assert_int_equal(g.rules[0].state, ALERT_FIRING);
    assert_int_equal(g.rules[1].state, ALERT_FIRING);
    ASSERT_STR_EQ(labels_get(g.rules[1].alerts[0].annotations, STR("a")), STR("b"));
    hold(&r, "q", 1, 15000); // Both are the ones that were told: they resolve.
    assert_int_equal(r.resolved, 2);
    load(&r, G "  - {alert: A, expr: x > 2, labels: {sev: other}}\n");
    assert_int_equal(r.rules->groups[0]->rules[0].alert_count, 0); // Another one.
    arena_free(a);
    rules_rig_fini(&r);
}

// What a thread does between taking a group and giving it back, with reloads in between.
TEST(rules_reload_twice_while_the_group_runs)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    load(&r, G "  - {alert: A, expr: x > 5}\n  - {record: y, expr: x}\n");
    hold(&r, "q", 7, 60000);
    const u32 sent = r.sent;
    struct rule_group *g = r.rules->groups[0];
    i64 slot_ms = 0;
    clk_manual_advance(r.clk, 15000);
    assert_ptr_equal(rules_group_take(r.rules, &slot_ms), g);
    load(&r, G "  - {alert: A, expr: x > 5}\n  - {record: z, expr: x}\n");
    load(&r, G "  - {alert: A, expr: x > 5}\n  - {record: w, expr: x}\n");
    assert_int_equal(rules_step(r.rules) > 0, true); // It waits for the one that runs.
    rules_group_give_back(r.rules, g, slot_ms);
    hold(&r, "q", 7, 30000);
    assert_true(rules_rig_last(&r, "w") == 7);
    assert_true(isnan(rules_rig_last(&r, "y")));
    assert_int_equal(r.rules->groups[0]->rules[0].alert_count, 1);
    assert_true(r.sent <= sent + 1); // The alert is the same one: only resent.
    // And once more, to nothing.
    clk_manual_advance(r.clk, 15000);
    g = rules_group_take(r.rules, &slot_ms);
    load(&r, G "  - {record: v, expr: x}\n");
    load(&r, "groups: []\n");
    rules_group_give_back(r.rules, g, slot_ms);
    assert_true(isnan(rules_rig_last(&r, "w")));
    rules_rig_fini(&r);
}

TEST(rules_by_their_own_threads)
{
    struct rules_rig r;
    rules_rig_init(&r, 0);
    r.opts.evaluation_interval_ms = 5;
    load(&r, G "  - {alert: A, expr: vector(1)}\n  - {record: y, expr: vector(2)}\n");
    rules_start(r.rules);
    struct arena *a = arena_new(16 << 20);
    struct stop *pause = stop_new();
    for (u32 i = 0; i < 40; i++) {
        clk_manual_advance(r.clk, 5);
        load(&r, i % 2 ? G "  - {alert: A, expr: vector(1)}\n"
                       : G "  - {alert: A, expr: vector(1)}\n  - {record: z, expr: vector(3)}\n");
        (void)rules_rig_group(&r, a);
        (void)stop_sleep_ms(pause, 5);
    }
    // Every reload may have come before its group's turn: now the threads get theirs.
    for (u32 i = 0; i < 10000 && rules_rig_group(&r, a).last_evaluation_ms == 0; i++) {
        arena_reset(a);
        clk_manual_advance(r.clk, 5);
        (void)stop_sleep_ms(pause, 5);
    }
    rules_stop(r.rules);
    stop_free(pause);
    assert_true(r.sent > 0);
    arena_free(a);
    rules_rig_fini(&r);
}
