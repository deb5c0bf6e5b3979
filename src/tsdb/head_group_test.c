// head_group_test.c: which rows the series of one target share that come one after the other, each
// with many, as a sender has them after an outage.
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"
#include "tsdb/head_fixture.h"
#include "tsdb/head_write.h"

#include <stdio.h>

enum { EACH = 4, TARGETS = FIRST_SIZES, SERIES = TARGETS * EACH, STEP_MS = 15000 };

// Rows [from, to) of one series after the other.
static void rows_append(struct head *h, const struct series_ref *refs, u32 from, u32 to)
{
    struct head_plan plan;
    head_plan_init(&plan, 1024);
    const struct head_rules rules = {.tenant = TENANT_DEFAULT, .t_newest = INT64_MAX};
    head_turn_take(h);
    for (u32 i = 0; i < SERIES; i++) {
        for (u32 row = from; row < to; row++) {
            const f64 value = (f64)(row * SERIES + i);
            assert_int_equal(head_check(h, &plan, &rules, refs[i], (i64)row * STEP_MS, value),
                             APPEND_STORED);
        }
    }
    head_apply(h, &plan);
    head_turn_drop(h);
    head_plan_fini(&plan);
}

// Every series has a value of its own at every row.
static void rows_check(const struct head *h, const struct series_ref *refs, u32 rows)
{
    for (u32 i = 0; i < SERIES; i++) {
        for (u32 row = 0; row < rows; row++) {
            f64 v = 0;
            assert_true(head_stored_find(h, NULL, refs[i].ordinal, (i64)row * STEP_MS, &v));
            assert_true(v == (f64)(row * SERIES + i));
        }
    }
}

static u32 private_rows(const struct head *h)
{
    u32 n = 0;
    for (u32 i = 0; i < h->window_count; i++) {
        for (const struct segment *s = h->windows[i]->segments; s; s = s->older) {
            n += s->group == 0 ? s->n : 0;
        }
    }
    return n;
}

TEST(head_shares_rows_of_the_window_before_when_series_come_one_by_one)
{
    const u32 window = ROWS_MAX * 4;
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, (i64)STEP_MS * window, &limits, (u64)1 << 20);
    struct series_ref refs[SERIES];
    u32 end = 0;
    fixture_targets(h, TARGETS, EACH, refs);
    // Slabs of a segment's rows, of which the last of each window reaches into the next.
    for (u32 slab = 0; end < window * 3; slab++) {
        const u32 from = end;
        end = ROWS_MAX / 6 + (slab + 1) * ROWS_MAX;
        rows_append(h, refs, from, end);
    }
    assert_true(h->window_count > 2);
    rows_check(h, refs, end);
    assert_int_equal(private_rows(h), 0);
    head_free(h);
}

// Of a plan of one sample each of these series, in this order, and that many milliseconds after it.
static bool plan_strewn(struct head *h, const struct series_ref *refs, const u32 *order, u32 n,
                        i64 step_ms)
{
    struct head_plan plan;
    head_plan_init(&plan, 1024);
    const struct head_rules rules = {.tenant = TENANT_DEFAULT, .t_newest = INT64_MAX};
    i64 t_max = INT64_MIN;
    head_turn_take(h);
    for (u32 i = 0; i < n; i++) {
        const i64 t = 100000 + (i64)i * step_ms;
        t_max = MAX(t_max, t);
        assert_int_equal(head_check(h, &plan, &rules, refs[order[i]], t, 1), APPEND_STORED);
    }
    const bool strewn = plan.strewn;
    assert_int_equal(plan.t_max, t_max);
    head_unplan(h, &plan);
    head_turn_drop(h);
    head_plan_fini(&plan);
    return strewn;
}

TEST(head_plan_knows_whether_its_writes_stand_as_in_the_log)
{
    enum { FEW = 2, THREE = 3 };
    static const u32 rising[] = {0, 1, 2, 3, 4, 5};
    static const u32 back[] = {0, 2, 1};
    static const u32 targets_back[] = {3, 4, 5, 0, 1, 2};
    static const u32 torn[] = {0, 1, 3, 2};
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct series_ref refs[FEW * THREE];
    fixture_targets(h, FEW, THREE, refs);
    assert_false(plan_strewn(h, refs, rising, 6, 0));
    assert_false(plan_strewn(h, refs, rising, 3, 1000)); // Three rows of one target.
    assert_false(plan_strewn(h, refs, back, 3, 1000));   // The time comes before the series.
    assert_true(plan_strewn(h, refs, back, 3, 0));
    assert_true(plan_strewn(h, refs, back, 3, -1000));
    assert_true(plan_strewn(h, refs, targets_back, 6, 0));
    assert_true(plan_strewn(h, refs, torn, 4, 0));
    assert_false(plan_strewn(h, refs, rising, 2, 0)); // What was strewn is forgotten.
    head_free(h);
}
