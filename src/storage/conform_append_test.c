// conform_append_test.c: what a store says of a sample, and when it shows.
#include "model/sample.h"
#include "os/clk.h"
#include "storage/conform_rig.h"

static void conform_reads_back(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    const f64 odd[] = {0.0, -0.0, 1.5, -1e308, 5e-324, stale_nan(), normal_nan(), 1.0 / 3.0};
    struct series_ref ref = rig_resolve(&r, "m", "a");
    struct series_ref refs[READ_MAX];
    i64 t_ms[READ_MAX];
    f64 values[READ_MAX];
    u8 outcomes[READ_MAX];
    const u32 n = 1000;
    for (u32 i = 0; i < n; i++) {
        refs[i] = ref;
        t_ms[i] = T0 - (i64)(n - i) * 15000 + (i % 3);
        values[i] = i < ARRAY_LEN(odd) ? odd[i] : (f64)i * 0.25;
    }
    struct append_batch b = {
        .refs = refs, .t_ms = t_ms, .values = values, .n = n, .outcomes = outcomes};
    rig_stage(&r, &b);
    rig_commit(&r);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(outcomes[i], APPEND_STORED);
    }
    struct rig_read *got = rig_read_range(&r, "m", T0 - 1000 * MINUTE_MS, T0);
    assert_int_equal(got->series_count, 1);
    assert_int_equal(got->count, n);
    assert_true(labels_eq(got->labels[0], rig_labels(&r, "m", "a")));
    assert_memory_equal(got->t_ms, t_ms, n * sizeof(i64));
    assert_memory_equal(got->values, values, n * sizeof(f64)); // To the bit (W3).
    got = rig_read_range(&r, "m", t_ms[10], t_ms[20]);         // Both ends inclusive.
    u32 inside = 0;
    for (u32 i = 0; i < got->count; i++) {
        inside += got->t_ms[i] >= t_ms[10] && got->t_ms[i] <= t_ms[20];
    }
    assert_int_equal(inside, 11);
    rig_down(&r);
}

static void conform_resolve(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref a = rig_resolve(&r, "m", "a");
    struct series_ref again = rig_resolve(&r, "m", "a");
    struct series_ref other = rig_resolve(&r, "m", "b");
    assert_memory_equal(&a, &again, sizeof(a));
    assert_memory_not_equal(&a, &other, sizeof(a));

    struct label twice[] = {{STR("a"), STR("1")}, {STR("a"), STR("2")}};
    struct label unsorted[] = {{STR("b"), STR("1")}, {STR("a"), STR("2")}};
    struct label hollow[] = {{STR("a"), STR("")}};
    struct labels bad[] = {{twice, 2}, {unsorted, 2}, {hollow, 1}, {NULL, 0}};
    struct series_ref refs[ARRAY_LEN(bad)];
    u8 outcomes[ARRAY_LEN(bad)];
    r.appender->ops->resolve(r.appender, bad, ARRAY_LEN(bad), refs, outcomes);
    for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(outcomes[i], APPEND_INVALID);
        assert_int_equal(refs[i].ordinal, 0);
        assert_int_equal(refs[i].generation, 0);
    }
    struct series_ref dead = {a.ordinal, a.generation + 1};
    assert_int_equal(rig_put(&r, dead, T0, 1), APPEND_INVALID);
    assert_int_equal(rig_put(&r, (struct series_ref){0, 0}, T0, 1), APPEND_INVALID);
    assert_int_equal(rig_read_range(&r, "m", T0 - MINUTE_MS, T0 + MINUTE_MS)->count, 0);
    rig_down(&r);
}

static void conform_first_write_wins(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    assert_int_equal(rig_put(&r, ref, T0, 1), APPEND_STORED);
    assert_int_equal(rig_put(&r, ref, T0, 1), APPEND_DUPLICATE);
    assert_int_equal(rig_put(&r, ref, T0, 2), APPEND_CONFLICT);
    assert_int_equal(rig_put(&r, ref, T0 + 1, normal_nan()), APPEND_STORED);
    assert_int_equal(rig_put(&r, ref, T0 + 1, normal_nan()), APPEND_DUPLICATE);
    assert_int_equal(rig_put(&r, ref, T0 + 1, stale_nan()), APPEND_CONFLICT);
    // Also within one batch.
    struct series_ref refs[] = {ref, ref, ref};
    i64 t_ms[] = {T0 + 2, T0 + 2, T0 + 2};
    f64 values[] = {7, 7, 8};
    u8 outcomes[3];
    struct append_batch b = {
        .refs = refs, .t_ms = t_ms, .values = values, .n = 3, .outcomes = outcomes};
    rig_stage(&r, &b);
    rig_commit(&r);
    assert_int_equal(outcomes[0], APPEND_STORED);
    assert_int_equal(outcomes[1], APPEND_DUPLICATE);
    assert_int_equal(outcomes[2], APPEND_CONFLICT);
    struct rig_read *got = rig_read_range(&r, "m", T0, T0 + MINUTE_MS);
    assert_int_equal(got->count, 3);
    assert_true(got->values[0] == 1 && got->values[2] == 7);
    rig_down(&r);
}

static void conform_order_without_window(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    struct series_ref other = rig_resolve(&r, "m", "b");
    assert_int_equal(rig_put(&r, ref, T0, 1), APPEND_STORED);
    assert_int_equal(rig_put(&r, ref, T0 - 1, 1), APPEND_OUT_OF_ORDER);
    assert_int_equal(rig_put(&r, other, T0 - 1, 1),
                     APPEND_STORED); // Order is per series only (W2).
    struct rig_read *got = rig_read_range(&r, "m", T0 - MINUTE_MS, T0);
    assert_int_equal(got->count, 2);
    rig_down(&r);
}

static void conform_order_with_window(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 10 * MINUTE_MS);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    assert_int_equal(rig_put(&r, ref, T0, 1), APPEND_STORED);
    assert_int_equal(rig_put(&r, ref, T0 - MINUTE_MS, 2), APPEND_STORED_OOO);
    assert_int_equal(rig_put(&r, ref, T0 - 5 * MINUTE_MS, 3), APPEND_STORED_OOO);
    assert_int_equal(rig_put(&r, ref, T0 - 5 * MINUTE_MS, 3), APPEND_DUPLICATE);
    assert_int_equal(rig_put(&r, ref, T0 - 5 * MINUTE_MS, 4), APPEND_CONFLICT);
    assert_int_equal(rig_put(&r, ref, T0 - 11 * MINUTE_MS, 4), APPEND_TOO_OLD);
    struct rig_read *got = rig_read_range(&r, "m", T0 - 60 * MINUTE_MS, T0);
    assert_int_equal(got->count, 3);
    assert_true(got->values[0] == 3 && got->values[1] == 2 && got->values[2] == 1);
    rig_down(&r);
}

static void conform_too_new(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    i64 now = clk_wall_ms(r.clk);
    assert_int_equal(rig_put(&r, ref, now + 5 * MINUTE_MS + 1, 1), APPEND_TOO_NEW);
    assert_int_equal(rig_put(&r, ref, now + 5 * MINUTE_MS, 1), APPEND_STORED);
    clk_manual_advance(r.clk, MINUTE_MS);
    assert_int_equal(rig_put(&r, ref, now + 6 * MINUTE_MS, 1), APPEND_STORED);
    rig_down(&r);
}

static void conform_snapshot(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 10 * MINUTE_MS);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    assert_int_equal(rig_put(&r, ref, T0, 1), APPEND_STORED);

    // Staged is not visible; nor does a querier opened before the commit see it later (W1).
    i64 t_ms[] = {T0 + 1000, T0 + 2000};
    f64 values[] = {2, 3};
    struct series_ref refs[] = {ref, rig_resolve(&r, "m", "b")};
    u8 outcomes[2];
    struct append_batch b = {
        .refs = refs, .t_ms = t_ms, .values = values, .n = 2, .outcomes = outcomes};
    rig_stage(&r, &b);
    assert_int_equal(rig_read_range(&r, "m", T0, T0 + MINUTE_MS)->count, 1);
    struct storage_querier *before = rig_querier(&r, T0 - MINUTE_MS, T0 + MINUTE_MS);
    rig_commit(&r);
    assert_int_equal(rig_put(&r, ref, T0 - 1000, 9), APPEND_STORED_OOO);
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0 - MINUTE_MS, .end_ms = T0 + MINUTE_MS, .sorted = true};
    struct rig_read *got = rig_read(&r, before, &m, &h);
    assert_int_equal(got->count, 1);
    assert_true(got->values[0] == 1);
    storage_querier_close(before);
    assert_int_equal(rig_read_range(&r, "m", T0 - MINUTE_MS, T0 + MINUTE_MS)->count, 4);
    rig_down(&r);
}

static void conform_rollback(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    i64 t_ms = T0;
    f64 v = 1;
    u8 outcome;
    struct append_batch b = {
        .refs = &ref, .t_ms = &t_ms, .values = &v, .n = 1, .outcomes = &outcome};
    rig_stage(&r, &b);
    r.appender->ops->rollback(r.appender);
    rig_commit(&r);
    assert_int_equal(rig_read_range(&r, "m", T0, T0)->count, 0);
    // close rolls back as well, and the place is free for another value.
    ref = rig_resolve(&r, "m", "a");
    rig_stage(&r, &b);
    storage_appender_close(r.appender);
    r.appender = storage_appender_open(r.store, TENANT_DEFAULT, STREAM_SCRAPE, &r.error);
    assert_non_null(r.appender);
    assert_int_equal(rig_read_range(&r, "m", T0, T0)->count, 0);
    assert_int_equal(rig_put(&r, rig_resolve(&r, "m", "a"), T0, 5), APPEND_STORED);
    rig_down(&r);
}

static const struct storage_check checks[] = {
    {"reads_back", conform_reads_back},
    {"resolve", conform_resolve},
    {"first_write_wins", conform_first_write_wins},
    {"order_without_window", conform_order_without_window},
    {"order_with_window", conform_order_with_window},
    {"too_new", conform_too_new},
    {"snapshot", conform_snapshot},
    {"rollback", conform_rollback},
};
const struct storage_check_list conform_append_checks = {checks, ARRAY_LEN(checks)};
