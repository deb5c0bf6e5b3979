// head_seal_test.c: when the series of many targets, which began together, are sealed.
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"
#include "tsdb/head_fixture.h"

#include <stdio.h>

enum { TARGETS = 24, EACH = 4, SERIES = TARGETS * EACH, STEP_MS = 15000 };

// One sample of each series, of values that need all their bits. Returns how many chunks it sealed.
static u64 row_append(struct head *h, const struct series_ref *refs, u32 row)
{
    struct head_plan plan;
    head_plan_init(&plan, 1024);
    const struct head_rules rules = {.tenant = TENANT_DEFAULT, .t_newest = INT64_MAX};
    const i64 t = (i64)row * STEP_MS;
    head_turn_take(h);
    const u64 before = h->window_count > 0 ? h->windows[0]->sealed.chunks : 0;
    for (u32 i = 0; i < SERIES; i++) {
        f64 value = 1.0 / (f64)(row * SERIES + i + 3);
        assert_int_equal(head_check(h, &plan, &rules, refs[i], t, value), APPEND_STORED);
    }
    head_apply(h, &plan);
    const u64 after = h->windows[0]->sealed.chunks;
    head_turn_drop(h);
    head_plan_fini(&plan);
    return after - before;
}

TEST(head_seals_targets_that_began_together_at_different_rows)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, (i64)STEP_MS * ROWS_MAX * 4, &limits, (u64)1 << 20);
    struct series_ref refs[SERIES];
    u64 sealed = 0;
    u64 most = 0;
    u32 cells_once = 0;
    fixture_targets(h, TARGETS, EACH, refs);
    for (u32 row = 0; row < ROWS_MAX * 3; row++) {
        u64 now = row_append(h, refs, row);
        sealed += now;
        most = MAX(most, now);
        // By then nothing that was sealed can have been used again for long.
        cells_once = row + 1 == ROWS_MAX / FIRST_SIZES ? h->cells.used : cells_once;
    }
    assert_true(sealed >= (u64)SERIES * 3);
    assert_true(most <= SERIES / 6);
    // All of them full at once would need eight times as much.
    assert_true(h->cells.used < cells_once * 6);
    head_free(h);
}
