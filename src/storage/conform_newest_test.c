// conform_newest_test.c: the newest sample of each series, against the last one of runs.
#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/sample.h"
#include "storage/conform_rig.h"

#include <stdlib.h>

enum { NEWEST_SERIES_MAX = 64, NEWEST_MANY = 3000 };

// What newest gave of one series, or what runs gave last. Threads: owned.
struct last_sample {
    u64 labels;
    i64 t_ms;
    u64 bits;
    const struct hist *hist;
};

static struct last_sample last_of(struct rig *r, struct labels ls, i64 t_ms, f64 v,
                                  const struct hist *h)
{
    return (struct last_sample){labels_hash(ls), t_ms, h ? 0 : bits_of_f64(v),
                                h ? hist_copy(r->arena, h) : NULL};
}

static u32 newest_read(struct rig *r, struct storage_querier *q, const struct matcher *m,
                       const struct select_hints *hints, struct last_sample *out, u32 max)
{
    struct select_hints h = *hints;
    h.newest = true;
    struct query_budget budget = {.series = 0};
    struct series_cursor *c = q->ops->select(q, m, 1, &h, &budget, &r->error);
    struct series_newest got;
    u32 n = 0;
    assert_non_null(c);
    while (c->ops->newest(c, &got)) {
        assert_true(got.n > 0 && n + got.n <= max);
        for (u32 i = 0; i < got.n; i++) {
            const struct hist *hist = got.hists ? got.hists[i] : NULL;
            assert_true(got.t_ms[i] >= h.start_ms && got.t_ms[i] <= h.end_ms);
            out[n++] = last_of(r, got.labels[i], got.t_ms[i], got.values[i], hist);
        }
    }
    assert_false(c->ops->newest(c, &got));
    struct storage_warnings w = {.count = 0};
    ASSERT_OK(c->ops->close(c, &w, &r->error), r->error);
    assert_false(w.partial);
    assert_int_equal(budget.series, n);
    return n;
}

// The same of a cursor that reads everything.
static u32 last_read(struct rig *r, struct storage_querier *q, const struct matcher *m,
                     const struct select_hints *h, struct last_sample *out, u32 max)
{
    struct series_cursor *c = q->ops->select(q, m, 1, h, NULL, &r->error);
    u32 n = 0;
    assert_non_null(c);
    while (c->ops->next(c)) {
        struct series_run run;
        bool any = false;
        assert_true(n < max);
        while (c->ops->run(c, &run)) {
            const u32 last = run.n - 1;
            const struct hist *hist = run.kind == SAMPLE_HIST ? run.hists[last] : NULL;
            out[n] =
                last_of(r, c->ops->labels(c), run.t_ms[last], hist ? 0 : run.values[last], hist);
            any = out[n].t_ms >= h->start_ms && out[n].t_ms <= h->end_ms;
        }
        n += any;
    }
    ASSERT_OK(c->ops->close(c, NULL, &r->error), r->error);
    return n;
}

static int by_last_labels(const void *a, const void *b)
{
    const struct last_sample *x = a;
    const struct last_sample *y = b;
    return x->labels < y->labels ? -1 : x->labels > y->labels;
}

// Newest samples of ranges that end anywhere are the last ones of runs; in order of their own.
static u32 check_newest(struct rig *r, struct storage_querier *q, i64 start_ms, i64 end_ms)
{
    struct last_sample got[NEWEST_SERIES_MAX];
    struct last_sample want[NEWEST_SERIES_MAX];
    struct matcher m = rig_matcher(r, MATCH_EQ, LABEL_JOB, "j");
    const struct select_hints h = {.start_ms = start_ms, .end_ms = end_ms};
    const u32 n = newest_read(r, q, &m, &h, got, NEWEST_SERIES_MAX);
    const u32 wanted = last_read(r, q, &m, &h, want, NEWEST_SERIES_MAX);
    assert_int_equal(n, wanted);
    qsort(got, n, sizeof(*got), by_last_labels);
    qsort(want, n, sizeof(*want), by_last_labels);
    for (u32 i = 0; i < n; i++) {
        assert_true(got[i].labels == want[i].labels && got[i].t_ms == want[i].t_ms);
        assert_true(got[i].bits == want[i].bits);
        assert_true(got[i].hist == want[i].hist || hist_eq(got[i].hist, want[i].hist));
    }
    return n;
}

// Series that end early, late, with a marker, with samples out of order, with histograms.
static void fill_newest(struct rig *r)
{
    const i64 s = 1000;
    const struct series_ref plain = rig_resolve(r, "plain", "a");
    const struct series_ref early = rig_resolve(r, "early", "a");
    const struct series_ref stale = rig_resolve(r, "stale", "a");
    const struct series_ref mixed = rig_resolve(r, "mixed", "a");
    const struct series_ref native = rig_resolve(r, "native", "a");
    const struct series_ref odd = rig_resolve(r, "odd", "a");
    (void)rig_resolve(r, "empty", "a");
    for (u32 i = 0; i < 300; i++) {
        const i64 t = T0 - (300 - i) * s;
        assert_int_equal(rig_put(r, plain, t, i), APPEND_STORED);
        if (i < 100) {
            assert_int_equal(rig_put(r, early, t, -(f64)i), APPEND_STORED);
        }
        if (i < 200) {
            assert_int_equal(rig_put(r, stale, t, i == 199 ? stale_nan() : i), APPEND_STORED);
        }
        if (i % 60 == 0) {
            assert_int_equal(rig_put_sample(r, native, t, 0, &rig_hists[i / 60 % 2], NULL),
                             APPEND_STORED);
        }
        if (i % 7 == 3) { // With gaps that are filled later on.
            const struct hist *h = i % 2 ? &rig_hists[0] : NULL;
            assert_int_equal(rig_put_sample(r, mixed, t, i, h, NULL), APPEND_STORED);
        }
    }
    assert_int_equal(rig_put(r, odd, T0 - 5 * s, 1), APPEND_STORED);
    assert_int_equal(rig_put(r, odd, T0 - 20 * s, 2), APPEND_STORED_OOO);
    assert_int_equal(rig_put(r, odd, T0 - 10 * s, stale_nan()), APPEND_STORED_OOO);
    assert_int_equal(rig_put(r, mixed, T0 - 100 * s, 0.5), APPEND_STORED_OOO);
}

static void conform_newest(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 60 * MINUTE_MS);
    fill_newest(&r);
    struct storage_querier *q = rig_querier(&r, T0 - 60 * MINUTE_MS, T0 + 60 * MINUTE_MS);
    assert_int_equal(check_newest(&r, q, T0 - 60 * MINUTE_MS, T0 + MINUTE_MS), 6);
    for (i64 end = T0 - 310000; end <= T0 + 10000; end += 5000) {
        (void)check_newest(&r, q, end - 4999, end);
        (void)check_newest(&r, q, end - 59999, end);
    }
    // A snapshot is one for this, too: what comes later is not there, in order or not.
    const struct series_ref plain = rig_resolve(&r, "plain", "a");
    const struct series_ref odd = rig_resolve(&r, "odd", "a");
    const struct series_ref born = rig_resolve(&r, "born", "a");
    assert_int_equal(rig_put(&r, plain, T0 + 500, -1), APPEND_STORED);
    assert_int_equal(rig_put(&r, odd, T0 - 6000, -2), APPEND_STORED_OOO);
    assert_int_equal(rig_put(&r, born, T0, -3), APPEND_STORED);
    assert_int_equal(check_newest(&r, q, T0 - 60 * MINUTE_MS, T0 + MINUTE_MS), 6);
    assert_int_equal(check_newest(&r, q, T0 - 5999, T0 + MINUTE_MS), 3);
    struct storage_querier *later = rig_querier(&r, T0 - 60 * MINUTE_MS, T0 + 60 * MINUTE_MS);
    assert_int_equal(check_newest(&r, later, T0 - 60 * MINUTE_MS, T0 + MINUTE_MS), 7);
    assert_int_equal(check_newest(&r, later, T0, T0 + MINUTE_MS), 2);
    storage_querier_close(later);
    storage_querier_close(q);
    rig_down(&r);
}

// Labels are left out where that was asked for, unless a histogram has them.
static void check_newest_names(struct rig *r, struct storage_querier *q, const str *names, u32 n)
{
    struct matcher m = rig_matcher(r, MATCH_EQ, LABEL_JOB, "j");
    const struct select_hints h = {
        .start_ms = T0 - MINUTE_MS, .end_ms = T0, .newest = true, .names = names, .name_count = n};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &r->error);
    struct series_newest got;
    u32 series = 0;
    u64 sum = 0;
    assert_non_null(c);
    while (c->ops->newest(c, &got)) {
        for (u32 i = 0; i < got.n; i++) {
            const bool is_hist = got.hists && got.hists[i];
            for (u32 k = 0; k < n; k++) {
                sum += hash_str(labels_get(got.labels[i], names[k]));
            }
            assert_true(!is_hist || labels_get(got.labels[i], LABEL_NAME).len > 0);
            series++;
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &r->error), r->error);
    assert_int_equal(series, NEWEST_MANY);
    u64 want = 0;
    for (u32 i = 0; i < NEWEST_MANY; i++) {
        const str instance = arena_printf(r->arena, "i%u", i);
        for (u32 k = 0; k < n; k++) {
            const struct labels ls = rig_labels(r, "m", arena_cstr(r->arena, instance));
            want += hash_str(labels_get(ls, names[k]));
        }
    }
    assert_true(sum == want);
}

// More series than any store gives at once; labels as asked for.
static void conform_newest_many(const struct storage_factory *f)
{
    const str names[] = {LABEL_NAME, LABEL_INSTANCE, STR("nobody_has_it")};
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref *refs = ARENA_NEW_N(r.arena, struct series_ref, NEWEST_MANY);
    i64 *t_ms = ARENA_NEW_N(r.arena, i64, NEWEST_MANY);
    f64 *values = ARENA_NEW_N(r.arena, f64, NEWEST_MANY);
    u8 *outcomes = ARENA_NEW_N(r.arena, u8, NEWEST_MANY);
    for (u32 i = 0; i < NEWEST_MANY; i++) {
        const str instance = arena_printf(r.arena, "i%u", i);
        refs[i] = rig_resolve(&r, "m", arena_cstr(r.arena, instance));
        t_ms[i] = T0 - i % 7;
        values[i] = i;
    }
    struct append_batch b = {
        .refs = refs, .t_ms = t_ms, .values = values, .n = NEWEST_MANY, .outcomes = outcomes};
    rig_stage(&r, &b);
    rig_commit(&r);
    assert_int_equal(rig_put_sample(&r, refs[1500], T0, 0, &rig_hists[0], NULL), APPEND_STORED);
    struct storage_querier *q = rig_querier(&r, T0 - 60 * MINUTE_MS, T0 + 60 * MINUTE_MS);
    for (u32 n = 0; n <= ARRAY_LEN(names); n++) {
        check_newest_names(&r, q, names, n);
    }
    struct last_sample *got = ARENA_NEW_N(r.arena, struct last_sample, NEWEST_MANY);
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
    const struct select_hints h = {.start_ms = T0 - 3, .end_ms = T0, .newest = true};
    u32 want = 0;
    for (u32 i = 0; i < NEWEST_MANY; i++) {
        want += i % 7 <= 3 || i == 1500;
    }
    assert_int_equal(newest_read(&r, q, &m, &h, got, NEWEST_MANY), want);
    storage_querier_close(q);
    rig_down(&r);
}

static const struct storage_check checks[] = {
    {"newest", conform_newest},
    {"newest_many", conform_newest_many},
};
const struct storage_check_list conform_newest_checks = {checks, ARRAY_LEN(checks)};
