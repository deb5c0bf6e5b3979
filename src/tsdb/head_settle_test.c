// head_settle_test.c: what series give back that get no samples any more, and what they get again.
#include "base/bits.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"
#include "tsdb/head.h"
#include "tsdb/head_settle.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

enum { SERIES = 6000, ENDED = 4500, STEP_MS = 15000 };

// Threads: owned.
struct rig {
    struct head_limits limits;
    struct head *h;
    struct head_plan plan;
    struct series_ref refs[SERIES];
    i64 t;
    i64 ooo_window_ms;
};

static enum append_outcome rig_resolve(struct rig *r, u32 i, struct series_ref *ref)
{
    char instance[16];
    (void)snprintf(instance, sizeof(instance), "%u", i);
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    const struct label items[] = {
        {LABEL_NAME, STR("up")}, {LABEL_INSTANCE, str_c(instance)}, {LABEL_JOB, STR("j")}};
    const struct labels set = {.items = items, .count = ARRAY_LEN(items)};
    u8 outcome = APPEND_INVALID;
    head_resolve(r->h, &asker, &set, 1, ref, &outcome);
    return (enum append_outcome)outcome;
}

static struct rig *rig_new(u32 series, u32 series_max)
{
    struct rig *r = MEM_NEW(struct rig);
    r->limits.series_max = series_max;
    r->h = head_new(0, (i64)STEP_MS * 1000, &r->limits, (u64)1 << 22);
    r->h->quotas.max[QUOTA_JOB] = series_max;
    head_plan_init(&r->plan, 1024);
    for (u32 i = 0; i < series; i++) {
        assert_int_equal(rig_resolve(r, i, &r->refs[i]), APPEND_STORED);
    }
    r->h->pending_count = 0; // There is no log.
    return r;
}

static void rig_free(struct rig *r)
{
    head_plan_fini(&r->plan);
    head_free(r->h);
    mem_free(r);
}

static enum append_outcome rig_put_at(struct rig *r, u32 i, i64 t, f64 value)
{
    const struct head_rules rules = {
        .tenant = TENANT_DEFAULT, .t_newest = INT64_MAX, .ooo_window_ms = r->ooo_window_ms};
    const struct append_batch b = {.refs = &r->refs[i],
                                   .t_ms = &t,
                                   .values = &value,
                                   .n = 1,
                                   .outcomes = (u8[1]){APPEND_INVALID}};
    head_turn_take(r->h);
    (void)head_check_floats(r->h, &r->plan, &rules, &b, 0);
    head_apply(r->h, &r->plan);
    head_turn_drop(r->h);
    return (enum append_outcome)b.outcomes[0];
}

static enum append_outcome rig_put(struct rig *r, u32 i, f64 value)
{
    return rig_put_at(r, i, r->t, value);
}

// A row of series [from, to), of values that need all their bits.
static void rig_row(struct rig *r, u32 from, u32 to)
{
    r->t += STEP_MS;
    for (u32 i = from; i < to; i++) {
        assert_int_equal(rig_put(r, i, 1.0 / (f64)(r->t + i)), APPEND_STORED);
    }
}

static void settle(struct rig *r, u32 passes)
{
    for (u32 i = 0; i < passes; i++) {
        head_settle(r->h);
    }
}

TEST(head_settle_seals_what_ends_in_a_marker_and_gives_its_memory_back)
{
    struct rig *r = rig_new(SERIES, SERIES);
    for (u32 row = 0; row < 10; row++) {
        rig_row(r, 0, SERIES);
    }
    const u64 before = open_cells_bytes(&r->h->cells);
    r->t += STEP_MS;
    for (u32 i = 0; i < ENDED; i++) {
        assert_int_equal(rig_put(r, i, stale_nan()), APPEND_STORED);
    }
    settle(r, 1);
    assert_non_null(r->h->rows[0].open.segment);
    rig_row(r, ENDED, SERIES);
    settle(r, 1);
    for (u32 i = 0; i < SERIES; i++) {
        assert_int_equal(r->h->rows[i].open.segment != NULL, i >= ENDED);
    }
    assert_true(open_cells_bytes(&r->h->cells) * 2 < before);
    assert_int_equal(r->h->idle, 0); // Not for long enough.
    for (u32 row = 0; row < 4; row++) {
        rig_row(r, 0, SERIES); // They come back.
    }
    assert_int_equal(r->h->idle, 0);
    rig_free(r);
}

// An agent that sends what it could not send before: each sample is late, and comes now.
TEST(head_settle_leaves_series_alone_that_get_late_samples)
{
    struct rig *r = rig_new(2, 2);
    r->ooo_window_ms = (i64)STEP_MS * 1000;
    for (u32 row = 0; row < 4 * SETTLE_IDLE; row++) {
        rig_row(r, 0, 2);
    }
    for (u32 pass = 0; pass < SETTLE_IDLE + 2; pass++) {
        const i64 late = r->t - (i64)STEP_MS * (pass + 1) + 1;
        assert_int_equal(rig_put_at(r, 0, late, 2.5), APPEND_STORED_OOO);
        settle(r, 1);
        assert_false(r->h->rows[0].open.flags & ROW_IDLE);
    }
    assert_int_equal(r->h->idle, 1);
    assert_true(r->h->rows[1].open.flags & ROW_IDLE);
    rig_free(r);
}

TEST(head_settle_takes_silent_series_off_the_limits)
{
    struct rig *r = rig_new(10, 10);
    struct series_ref more;
    rig_row(r, 0, 10);
    assert_int_equal(rig_resolve(r, 10, &more), APPEND_LIMIT_SERIES);
    for (u32 pass = 0; pass < SETTLE_IDLE + 1; pass++) {
        assert_int_equal(r->h->idle, 0);
        rig_row(r, 6, 10);
        settle(r, 1);
    }
    assert_int_equal(r->h->idle, 6);
    assert_int_equal(r->h->live, 10);
    assert_int_equal(atomic_load(&r->limits.series), 4);
    for (u32 i = 10; i < 14; i++) {
        assert_int_equal(rig_resolve(r, i, &r->refs[i]), APPEND_STORED);
    }
    r->t += STEP_MS;
    assert_int_equal(rig_put(r, 0, 1), APPEND_STORED);
    assert_int_equal(rig_resolve(r, 1, &more), APPEND_STORED);
    assert_true(more.ordinal == r->refs[1].ordinal && more.generation == r->refs[1].generation);
    assert_int_equal(rig_put(r, 1, 1), APPEND_STORED);
    assert_int_equal(r->h->idle, 4);
    assert_int_equal(rig_put(r, 2, 1), APPEND_LIMIT_SERIES); // Ten are active again.
    assert_int_equal(rig_put(r, 0, 1), APPEND_DUPLICATE);
    assert_int_equal(r->h->idle, 4);
    rig_free(r);
}

TEST(head_settle_of_series_that_leave_keeps_the_accounts)
{
    struct rig *r = rig_new(8, 8);
    rig_row(r, 0, 4);
    settle(r, SETTLE_IDLE + 2);
    assert_int_equal(r->h->idle, 4);
    assert_int_equal(atomic_load(&r->limits.series), 4); // Those that have no sample yet.
    head_freeze(r->h, (i64)STEP_MS * 1000);
    (void)head_collect(r->h, (i64)STEP_MS * 1000, 1);
    (void)head_collect(r->h, (i64)STEP_MS * 1000, 1);
    assert_int_equal(r->h->live, 0);
    assert_int_equal(r->h->idle, 0);
    assert_int_equal(atomic_load(&r->limits.series), 0);
    for (u32 i = 0; i < 8; i++) {
        assert_int_equal(rig_resolve(r, i, &r->refs[i]), APPEND_STORED);
    }
    rig_free(r);
}

TEST(step_settles_series_once_a_minute)
{
    struct fixture f;
    f64 v;
    fixture_init(&f, 911);
    fixture_open(&f);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,job=x", FIXTURE_NOW, 7), APPEND_STORED);
    for (u32 i = 1; i < SETTLE_IDLE; i++) { // The first step looks at once.
        fixture_steps(&f);
        clk_manual_advance(f.clk, SETTLE_EVERY_MS);
    }
    fixture_steps(&f);
    assert_int_equal(f.db->heads[SHARD_MAIN]->idle, 0);
    clk_manual_advance(f.clk, SETTLE_EVERY_MS);
    fixture_steps(&f);
    assert_int_equal(f.db->heads[SHARD_MAIN]->idle, 1);
    assert_true(fixture_get(&f, "up,job=x", FIXTURE_NOW, &v, NULL));
    assert_true(v == 7);
    fixture_reopen(&f);
    assert_true(fixture_get(&f, "up,job=x", FIXTURE_NOW, &v, NULL));
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,job=x", FIXTURE_NOW + 1, 8), APPEND_STORED);
    fixture_fini(&f);
}
