// conform_hist_test.c: native histograms, start timestamps, and doubles that mean something inside.
#include "base/bits.h"
#include "model/sample.h"
#include "storage/conform_rig.h"

static void conform_histograms(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    const struct hist *good = &rig_hists[0];
    struct hist bad = *good;
    bad.positive.bucket_count = 2;
    struct series_ref ref = rig_resolve(&r, "m", "a");
    struct series_ref refs[] = {ref, ref, ref};
    i64 t_ms[] = {T0, T0 + 1, T0 + 2};
    f64 values[] = {1, 0, 0};
    u8 kinds[] = {SAMPLE_FLOAT, SAMPLE_HIST, SAMPLE_HIST};
    const struct hist *hists[] = {NULL, good, &bad};
    u8 outcomes[3];
    struct append_batch b = {.refs = refs,
                             .t_ms = t_ms,
                             .kinds = kinds,
                             .values = values,
                             .hists = hists,
                             .n = 3,
                             .outcomes = outcomes};
    rig_stage(&r, &b);
    rig_commit(&r);
    assert_int_equal(outcomes[0], APPEND_STORED);
    assert_int_equal(outcomes[1], APPEND_STORED);
    assert_int_equal(outcomes[2], APPEND_INVALID);
    struct rig_read *got = rig_read_range(&r, "m", T0, T0 + 10);
    assert_int_equal(got->count, 2);
    assert_null(got->hists[0]);
    assert_non_null(got->hists[1]);
    assert_true(hist_eq(got->hists[1], good));
    rig_down(&r);
}

// Every kind after every other in one series, floats between them; read as written.
static void conform_histogram_kinds(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    const u32 kinds = RIG_HISTS + 2; // A float, a stale marker.
    const u32 n = 400;
    const i64 first = T0 - (i64)n * 1000;
    struct hist stale = {.sum = stale_nan()};
    for (u32 i = 0; i < n; i++) {
        u32 k = (i * i + i / 7) % kinds;
        const struct hist *h = k < RIG_HISTS ? &rig_hists[k] : k == RIG_HISTS ? &stale : NULL;
        assert_int_equal(rig_put_sample(&r, ref, first + i * 1000, i, h, NULL), APPEND_STORED);
    }
    struct rig_read *got = rig_read_range(&r, "m", first, T0);
    assert_int_equal(got->count, n);
    for (u32 i = 0; i < n; i++) {
        u32 k = (i * i + i / 7) % kinds;
        assert_int_equal(got->t_ms[i], first + i * 1000);
        if (k == kinds - 1) {
            assert_null(got->hists[i]);
            assert_true(got->values[i] == i);
            continue;
        }
        assert_non_null(got->hists[i]);
        assert_true(hist_eq(got->hists[i], k < RIG_HISTS ? &rig_hists[k] : &stale));
    }
    assert_int_equal(rig_read_range(&r, "m", first + 5000, first + 9999)->count, 5);
    rig_down(&r);
}

enum { STAY_SAMPLES = 300, STAY_RUN = 40 };

// What is written as sample i; NULL: a float, so that the run ends.
static const struct hist *stay_hist(u32 i)
{
    return i % STAY_RUN == STAY_RUN - 1 ? NULL : &rig_hists[(i + i / STAY_RUN) % RIG_HISTS];
}

// Goes through all runs of a series, and looks at the histograms of each only then.
static void check_stay(struct series_cursor *c)
{
    const struct hist *kept[STAY_SAMPLES];
    struct series_run run;
    u32 runs = 0;
    u32 n = 0;
    for (; c->ops->run(c, &run); runs++) {
        assert_true(n + run.n <= STAY_SAMPLES);
        for (u32 i = 0; i < run.n; i++) {
            kept[n++] = run.kind == SAMPLE_HIST ? run.hists[i] : NULL;
        }
    }
    assert_int_equal(n, STAY_SAMPLES);
    assert_true(runs > STAY_SAMPLES / STAY_RUN);
    for (u32 i = 0; i < n; i++) {
        const struct hist *wanted = stay_hist(i);
        assert_int_equal(kept[i] != NULL, wanted != NULL);
        assert_true(!wanted || hist_eq(kept[i], wanted));
    }
}

static u32 check_stay_all(struct rig *r, struct series_cursor *c)
{
    struct storage_warnings w = {.count = 0};
    u32 series = 0;
    for (; c->ops->next(c); series++) {
        check_stay(c);
    }
    ASSERT_OK(c->ops->close(c, &w, &r->error), r->error);
    return series;
}

// A run's histograms live until the cursor leaves the series, whole or cut.
static void conform_histograms_stay(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    const struct series_ref refs[] = {rig_resolve(&r, "m", "a"), rig_resolve(&r, "m", "b")};
    const i64 first = T0 - (i64)STAY_SAMPLES * 1000;
    for (u32 i = 0; i < STAY_SAMPLES; i++) {
        const i64 t_ms = first + (i64)i * 1000;
        for (u32 k = 0; k < ARRAY_LEN(refs); k++) {
            assert_int_equal(rig_put_sample(&r, refs[k], t_ms, i, stay_hist(i), NULL),
                             APPEND_STORED);
        }
    }
    struct storage_querier *q = rig_querier(&r, first, T0);
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
    const struct select_hints h = {.start_ms = first, .end_ms = T0};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &r.error);
    assert_non_null(c);
    assert_int_equal(check_stay_all(&r, c), ARRAY_LEN(refs));

    struct series_cursor *slices[ARRAY_LEN(refs)];
    struct query_budget budgets[ARRAY_LEN(refs)] = {{.series = 0}};
    c = q->ops->select(q, &m, 1, &h, NULL, &r.error);
    assert_non_null(c);
    assert_true(c->ops->slices(c, ARRAY_LEN(refs), budgets, slices));
    u32 series = 0;
    for (u32 i = 0; i < ARRAY_LEN(refs); i++) {
        series += check_stay_all(&r, slices[i]);
    }
    assert_int_equal(series, ARRAY_LEN(refs));
    assert_int_equal(check_stay_all(&r, c), 0);
    storage_querier_close(q);
    rig_down(&r);
}

// First write wins among histograms, and between them and floats (W2), in order and late.
static void conform_histogram_conflicts(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 10 * MINUTE_MS);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    for (u32 i = 0; i < 2; i++) { // At the second round all of it is late.
        i64 t = T0 - MINUTE_MS * (i64)i;
        enum append_outcome stored = i == 0 ? APPEND_STORED : APPEND_STORED_OOO;
        assert_int_equal(rig_put_sample(&r, ref, t, 0, &rig_hists[0], NULL), stored);
        assert_int_equal(rig_put_sample(&r, ref, t, 0, &rig_hists[0], NULL), APPEND_DUPLICATE);
        for (u32 k = 1; k < RIG_HISTS; k++) {
            assert_int_equal(rig_put_sample(&r, ref, t, 0, &rig_hists[k], NULL), APPEND_CONFLICT);
        }
        assert_int_equal(rig_put(&r, ref, t, 12.5), APPEND_CONFLICT);
        t -= MINUTE_MS * 5;
        assert_int_equal(rig_put(&r, ref, t, 1), APPEND_STORED_OOO);
        assert_int_equal(rig_put_sample(&r, ref, t, 0, &rig_hists[0], NULL), APPEND_CONFLICT);
        assert_int_equal(rig_put(&r, ref, t, 1), APPEND_DUPLICATE);
    }
    struct rig_read *got = rig_read_range(&r, "m", T0 - 20 * MINUTE_MS, T0);
    assert_int_equal(got->count, 4);
    assert_null(got->hists[0]);
    assert_null(got->hists[1]);
    assert_true(hist_eq(got->hists[2], &rig_hists[0]));
    assert_true(hist_eq(got->hists[3], &rig_hists[0]));
    rig_down(&r);
}

// Start timestamps come back where they were given, whatever stands between.
static void conform_start_times(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    const u32 n = 300;
    const i64 first = T0 - (i64)n * 1000;
    for (u32 i = 0; i < n; i++) {
        i64 start = first - (i64)(i / 50);
        assert_int_equal(rig_put_sample(&r, ref, first + i * 1000, i,
                                        i % 3 == 0 ? &rig_hists[i % 5] : NULL,
                                        i / 20 % 2 == 0 ? &start : NULL),
                         APPEND_STORED);
        assert_int_equal(rig_put(&r, ref, first + i * 1000, i),
                         i % 3 == 0 ? APPEND_CONFLICT : APPEND_DUPLICATE);
    }
    struct rig_read *got = rig_read_range(&r, "m", first, T0);
    assert_int_equal(got->count, n);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(got->start_t_ms[i], i / 20 % 2 == 0 ? first - (i64)(i / 50) : -1);
        assert_true(i % 3 == 0 ? hist_eq(got->hists[i], &rig_hists[i % 5]) : got->values[i] == i);
    }
    rig_down(&r);
}

// Doubles are kept to the bit, whatever they may mean inside a store.
static void conform_any_double(const struct storage_factory *f)
{
    static const u64 tops[] = {0x7ff3544c, 0x7ff3544d, 0x7ff3544e, 0x7ff3544f, 0x7ff80000,
                               0xfff80000, 0x7ff00000, 0x80000000, 0,          0x7ff3544b};
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    const u32 n = 200;
    for (u32 i = 0; i < n; i++) {
        f64 v = f64_of_bits(tops[i % ARRAY_LEN(tops)] << 32 | i);
        assert_int_equal(rig_put(&r, ref, T0 - (i64)(n - i), v), APPEND_STORED);
        assert_int_equal(rig_put(&r, ref, T0 - (i64)(n - i), v), APPEND_DUPLICATE);
        assert_int_equal(rig_put(&r, ref, T0 - (i64)(n - i), 0.5), APPEND_CONFLICT);
    }
    struct rig_read *got = rig_read_range(&r, "m", T0 - n, T0);
    assert_int_equal(got->count, n);
    for (u32 i = 0; i < n; i++) {
        assert_null(got->hists[i]);
        assert_true(bits_of_f64(got->values[i]) == (tops[i % ARRAY_LEN(tops)] << 32 | i));
    }
    rig_down(&r);
}

static const struct storage_check checks[] = {
    {"histograms", conform_histograms},
    {"histogram_kinds", conform_histogram_kinds},
    {"histograms_stay", conform_histograms_stay},
    {"histogram_conflicts", conform_histogram_conflicts},
    {"start_times", conform_start_times},
    {"any_double", conform_any_double},
};
const struct storage_check_list conform_hist_checks = {checks, ARRAY_LEN(checks)};
