// head_newest_test.c: what rows tell of newest samples while more is planned, and after.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/sample.h"
#include "tsdb/head.h"
#include "tsdb/head_fixture.h"
#include "tsdb/head_newest.h"
#include "tsdb/tombstone.h"

enum { RANGE_MS = 7200000, STEP_MS = 15000 };

// Threads: owned by the test.
struct rig {
    struct head_limits limits;
    struct head *head;
    struct head_plan plan;
    struct series_ref ref;
    struct arena *arena;
    struct head_newest *found;
    struct tombstones *dead;
};

static void rig_up(struct rig *r)
{
    const struct label items[] = {
        {LABEL_NAME, STR("m")}, {STR("a"), STR("1")}, {STR("b"), STR("2")}};
    const struct labels set = {.items = items, .count = ARRAY_LEN(items)};
    *r = (struct rig){.limits = {.series_max = 10}};
    r->head = head_new(0, RANGE_MS, &r->limits, (u64)1 << 20);
    r->arena = arena_new((size_t)1 << 20);
    r->found = MEM_NEW(struct head_newest);
    head_plan_init(&r->plan, 1024);
    r->ref = fixture_series(r->head, set);
}

static void rig_down(struct rig *r)
{
    tombstones_unref(r->dead);
    head_plan_fini(&r->plan);
    head_free(r->head);
    arena_free(r->arena);
    mem_free(r->found);
}

// With the turn.
static void plan(struct rig *r, i64 t, f64 value, enum append_outcome outcome)
{
    const struct head_rules rules = {
        .tenant = TENANT_DEFAULT, .t_newest = INT64_MAX, .ooo_window_ms = RANGE_MS};
    assert_int_equal(head_check(r->head, &r->plan, &rules, r->ref, t, value), outcome);
}

static enum newest_state look(struct rig *r, u64 commit, i64 min_ms, i64 max_ms)
{
    const struct newest_names all = {.names = NULL};
    const struct head_read read = {
        .head = r->head, .commit = commit, .min_ms = min_ms, .max_ms = max_ms, .arena = r->arena};
    head_newest_get(&read, r->dead, &r->ref.ordinal, 1, &all, r->found);
    return (enum newest_state)r->found->states[0];
}

static void assert_known(struct rig *r, u64 commit, i64 t, f64 value)
{
    assert_int_equal(look(r, commit, 0, INT64_MAX), NEWEST_KNOWN);
    assert_true(r->found->t_ms[0] == t);
    assert_true(bits_of_f64(r->found->values[0]) == bits_of_f64(value));
    assert_int_equal(r->found->labels[0].count, 3);
}

TEST(head_newest_does_not_tell_what_is_planned_alone)
{
    struct rig r;
    rig_up(&r);
    struct head *h = r.head;
    assert_int_equal(look(&r, 0, 0, INT64_MAX), NEWEST_NONE);
    assert_int_equal(look(&r, 0, INT64_MIN, INT64_MAX), NEWEST_NONE);
    head_turn_take(h);
    plan(&r, STEP_MS, 1, APPEND_STORED);
    assert_int_equal(look(&r, 0, 0, INT64_MAX), NEWEST_READ);
    head_apply(h, &r.plan);
    assert_known(&r, h->pins.commit, STEP_MS, 1);
    plan(&r, 2 * STEP_MS, 2, APPEND_STORED);
    plan(&r, 3 * STEP_MS, 3, APPEND_STORED);
    assert_int_equal(look(&r, h->pins.commit, 0, INT64_MAX), NEWEST_READ);
    head_unplan(h, &r.plan); // The log could not be written.
    assert_int_equal(look(&r, h->pins.commit, INT64_MIN, INT64_MAX), NEWEST_KNOWN);
    assert_known(&r, h->pins.commit, STEP_MS, 1);
    plan(&r, 4 * STEP_MS, stale_nan(), APPEND_STORED);
    head_apply(h, &r.plan);
    assert_known(&r, h->pins.commit, (i64)4 * STEP_MS, stale_nan());
    plan(&r, 2 * STEP_MS, 9, APPEND_STORED_OOO); // Late: the newest stays what it is.
    assert_int_equal(look(&r, h->pins.commit, 0, INT64_MAX), NEWEST_READ);
    head_apply(h, &r.plan);
    assert_known(&r, h->pins.commit, (i64)4 * STEP_MS, stale_nan());
    head_turn_drop(h);
    rig_down(&r);
}

TEST(head_newest_leaves_to_reading_what_a_row_cannot_tell)
{
    struct rig r;
    struct error e = {0};
    rig_up(&r);
    struct head *h = r.head;
    head_turn_take(h);
    plan(&r, STEP_MS, 1, APPEND_STORED);
    head_apply(h, &r.plan);
    lock_take(&h->lock);
    const u64 commit = pins_open(&h->pins);
    lock_drop(&h->lock);
    assert_known(&r, commit, STEP_MS, 1);
    assert_int_equal(look(&r, commit, 0, STEP_MS - 1), NEWEST_READ); // Older ones may be there.
    assert_int_equal(look(&r, commit, STEP_MS + 1, INT64_MAX), NEWEST_NONE);
    plan(&r, 2 * STEP_MS, 2, APPEND_STORED);
    head_apply(h, &r.plan);
    assert_int_equal(look(&r, commit, 0, INT64_MAX), NEWEST_READ); // It came after the pin.
    assert_known(&r, h->pins.commit, (i64)2 * STEP_MS, 2);
    struct tombstone_list list = {0};
    struct tombstone t = {.id = 1, .max_ms = STEP_MS, .series = r.ref.ordinal};
    ASSERT_OK(tombstone_add(&list, t, &e), e);
    r.dead = tombstones_make(&list);
    assert_known(&r, h->pins.commit, (i64)2 * STEP_MS, 2); // Others are deleted.
    tombstones_unref(r.dead);
    t.max_ms = 2 * STEP_MS;
    ASSERT_OK(tombstone_add(&list, t, &e), e);
    r.dead = tombstones_make(&list);
    assert_int_equal(look(&r, h->pins.commit, 0, INT64_MAX), NEWEST_READ);
    tombstone_list_fini(&list);
    lock_take(&h->lock);
    pins_close(&h->pins);
    lock_drop(&h->lock);
    head_turn_drop(h);
    rig_down(&r);
}
