// storage_conformance_test.c: the checks; see storage_conformance.h.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist.h"
#include "os/clk.h"
#include "os/crew.h"
#include "os/thr.h"
#include "storage/storage_conformance.h"

#include <stdio.h>
#include <stdlib.h>

#define T0        1767225600000 // 2026-01-01T00:00:00Z, where the manual clock stands.
#define MINUTE_MS ((i64)60000)
#define READ_MAX  4096

// One store under check with what every check needs. Threads: owned.
struct rig {
    const struct storage_factory *factory;
    struct clk *clk;
    struct storage *store;
    struct storage_appender *appender;
    struct arena *arena;
    struct error error;
};

static void rig_up(struct rig *r, const struct storage_factory *f, i64 ooo_window_ms)
{
    memset(r, 0, sizeof(*r));
    r->factory = f;
    r->clk = clk_manual_new(T0);
    r->store = f->make(f->ctx, r->clk, ooo_window_ms);
    assert_non_null(r->store);
    r->appender = storage_appender_open(r->store, TENANT_DEFAULT, STREAM_SCRAPE, &r->error);
    assert_non_null(r->appender);
    r->arena = arena_new((size_t)64 << 20);
}

static void rig_down(struct rig *r)
{
    storage_appender_close(r->appender);
    r->factory->dispose(r->factory->ctx, r->store);
    clk_manual_free(r->clk);
    arena_free(r->arena);
}

static struct labels series_named(struct rig *r, const char *name, const char *instance)
{
    struct label pairs[] = {
        {LABEL_NAME, str_c(name)}, {LABEL_INSTANCE, str_c(instance)}, {LABEL_JOB, STR("j")}};
    return labels_from(r->arena, pairs, ARRAY_LEN(pairs));
}

static struct series_ref resolve(struct rig *r, const char *name, const char *instance)
{
    struct labels set = series_named(r, name, instance);
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    r->appender->ops->resolve(r->appender, &set, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    assert_true(ref.ordinal != 0 || ref.generation != 0);
    return ref;
}

static void commit(struct rig *r)
{
    u64 position = 0;
    ASSERT_OK(r->appender->ops->commit(r->appender, DURABILITY_SYNC, &position, &r->error),
              r->error);
    ASSERT_OK(storage_wait_durable(r->store, position, &r->error), r->error);
}

static void stage(struct rig *r, const struct append_batch *b)
{
    memset(b->outcomes, 0xff, b->n);
    ASSERT_OK(r->appender->ops->append(r->appender, b, &r->error), r->error);
}

// Appends and commits one float; tells its outcome.
static enum append_outcome put(struct rig *r, struct series_ref ref, i64 t_ms, f64 v)
{
    u8 outcome;
    struct append_batch b = {
        .refs = &ref, .t_ms = &t_ms, .values = &v, .n = 1, .outcomes = &outcome};
    stage(r, &b);
    commit(r);
    return (enum append_outcome)outcome;
}

static struct storage_querier *querier(struct rig *r, i64 min_ms, i64 max_ms)
{
    struct storage_querier *q =
        storage_querier_open(r->store, TENANT_DEFAULT, min_ms, max_ms, &r->error);
    assert_non_null(q);
    return q;
}

static struct matcher matcher_of(struct rig *r, enum match_op op, str name, const char *value)
{
    struct matcher m;
    ASSERT_OK(matcher_init(&m, r->arena, op, name, str_c(value), &r->error), r->error);
    return m;
}

// All samples that one read gave, series after series. Threads: owned.
struct read {
    u32 series_count;
    struct labels labels[64];
    u32 starts[65]; // Samples of series i: starts[i] to starts[i + 1].
    i64 t_ms[READ_MAX];
    i64 start_t_ms[READ_MAX];
    f64 values[READ_MAX];
    const struct hist *hists[READ_MAX];
    u32 count;
};

static void read_run(struct rig *r, struct read *out, const struct series_run *run)
{
    assert_true(run->n > 0);
    assert_true(out->count + run->n <= READ_MAX);
    for (u32 i = 0; i < run->n; i++) {
        u32 at = out->count++;
        out->t_ms[at] = run->t_ms[i];
        out->start_t_ms[at] = run->start_t_ms ? run->start_t_ms[i] : -1;
        bool is_float = run->kind == SAMPLE_FLOAT;
        out->values[at] = is_float ? run->values[i] : 0;
        out->hists[at] = is_float ? NULL : hist_copy(r->arena, run->hists[i]);
        if (at > out->starts[out->series_count]) {
            assert_true(out->t_ms[at] > out->t_ms[at - 1]);
        }
    }
}

// Reads what the querier and hints allow; leaves out series that yield nothing.
static struct read *read_with(struct rig *r, struct storage_querier *q, const struct matcher *m,
                              const struct select_hints *h)
{
    struct read *out = ARENA_NEW(r->arena, struct read);
    struct series_cursor *c = q->ops->select(q, m, 1, h, NULL, &r->error);
    assert_non_null(c);
    while (c->ops->next(c)) {
        assert_true(out->series_count < ARRAY_LEN(out->labels));
        out->starts[out->series_count] = out->count;
        out->labels[out->series_count] = labels_copy(r->arena, c->ops->labels(c));
        struct series_run run;
        while (c->ops->run(c, &run)) {
            read_run(r, out, &run);
        }
        if (h->no_data) {
            assert_int_equal(out->count, 0);
        }
        if (h->no_data || out->count > out->starts[out->series_count]) {
            out->series_count++;
        }
        out->starts[out->series_count] = out->count;
    }
    struct storage_warnings w = {.count = 0};
    ASSERT_OK(c->ops->close(c, &w, &r->error), r->error);
    assert_false(w.partial);
    return out;
}

static struct read *read_range(struct rig *r, const char *name, i64 from_ms, i64 to_ms)
{
    struct storage_querier *q = querier(r, from_ms, to_ms);
    struct matcher m = matcher_of(r, MATCH_EQ, LABEL_NAME, name);
    struct select_hints h = {.start_ms = from_ms, .end_ms = to_ms, .sorted = true};
    struct read *out = read_with(r, q, &m, &h);
    storage_querier_close(q);
    return out;
}

static void conform_reads_back(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    const f64 odd[] = {0.0, -0.0, 1.5, -1e308, 5e-324, stale_nan(), normal_nan(), 1.0 / 3.0};
    struct series_ref ref = resolve(&r, "m", "a");
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
    stage(&r, &b);
    commit(&r);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(outcomes[i], APPEND_STORED);
    }
    struct read *got = read_range(&r, "m", T0 - 1000 * MINUTE_MS, T0);
    assert_int_equal(got->series_count, 1);
    assert_int_equal(got->count, n);
    assert_true(labels_eq(got->labels[0], series_named(&r, "m", "a")));
    assert_memory_equal(got->t_ms, t_ms, n * sizeof(i64));
    assert_memory_equal(got->values, values, n * sizeof(f64)); // To the bit (W3).
    got = read_range(&r, "m", t_ms[10], t_ms[20]);             // Both ends inclusive.
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
    struct series_ref a = resolve(&r, "m", "a");
    struct series_ref again = resolve(&r, "m", "a");
    struct series_ref other = resolve(&r, "m", "b");
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
    assert_int_equal(put(&r, dead, T0, 1), APPEND_INVALID);
    assert_int_equal(put(&r, (struct series_ref){0, 0}, T0, 1), APPEND_INVALID);
    assert_int_equal(read_range(&r, "m", T0 - MINUTE_MS, T0 + MINUTE_MS)->count, 0);
    rig_down(&r);
}

static void conform_first_write_wins(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = resolve(&r, "m", "a");
    assert_int_equal(put(&r, ref, T0, 1), APPEND_STORED);
    assert_int_equal(put(&r, ref, T0, 1), APPEND_DUPLICATE);
    assert_int_equal(put(&r, ref, T0, 2), APPEND_CONFLICT);
    assert_int_equal(put(&r, ref, T0 + 1, normal_nan()), APPEND_STORED);
    assert_int_equal(put(&r, ref, T0 + 1, normal_nan()), APPEND_DUPLICATE);
    assert_int_equal(put(&r, ref, T0 + 1, stale_nan()), APPEND_CONFLICT);
    // Also within one batch.
    struct series_ref refs[] = {ref, ref, ref};
    i64 t_ms[] = {T0 + 2, T0 + 2, T0 + 2};
    f64 values[] = {7, 7, 8};
    u8 outcomes[3];
    struct append_batch b = {
        .refs = refs, .t_ms = t_ms, .values = values, .n = 3, .outcomes = outcomes};
    stage(&r, &b);
    commit(&r);
    assert_int_equal(outcomes[0], APPEND_STORED);
    assert_int_equal(outcomes[1], APPEND_DUPLICATE);
    assert_int_equal(outcomes[2], APPEND_CONFLICT);
    struct read *got = read_range(&r, "m", T0, T0 + MINUTE_MS);
    assert_int_equal(got->count, 3);
    assert_true(got->values[0] == 1 && got->values[2] == 7);
    rig_down(&r);
}

static void conform_order_without_window(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = resolve(&r, "m", "a");
    struct series_ref other = resolve(&r, "m", "b");
    assert_int_equal(put(&r, ref, T0, 1), APPEND_STORED);
    assert_int_equal(put(&r, ref, T0 - 1, 1), APPEND_OUT_OF_ORDER);
    assert_int_equal(put(&r, other, T0 - 1, 1), APPEND_STORED); // Order is per series only (W2).
    struct read *got = read_range(&r, "m", T0 - MINUTE_MS, T0);
    assert_int_equal(got->count, 2);
    rig_down(&r);
}

static void conform_order_with_window(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 10 * MINUTE_MS);
    struct series_ref ref = resolve(&r, "m", "a");
    assert_int_equal(put(&r, ref, T0, 1), APPEND_STORED);
    assert_int_equal(put(&r, ref, T0 - MINUTE_MS, 2), APPEND_STORED_OOO);
    assert_int_equal(put(&r, ref, T0 - 5 * MINUTE_MS, 3), APPEND_STORED_OOO);
    assert_int_equal(put(&r, ref, T0 - 5 * MINUTE_MS, 3), APPEND_DUPLICATE);
    assert_int_equal(put(&r, ref, T0 - 5 * MINUTE_MS, 4), APPEND_CONFLICT);
    assert_int_equal(put(&r, ref, T0 - 11 * MINUTE_MS, 4), APPEND_TOO_OLD);
    struct read *got = read_range(&r, "m", T0 - 60 * MINUTE_MS, T0);
    assert_int_equal(got->count, 3);
    assert_true(got->values[0] == 3 && got->values[1] == 2 && got->values[2] == 1);
    rig_down(&r);
}

static void conform_too_new(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = resolve(&r, "m", "a");
    i64 now = clk_wall_ms(r.clk);
    assert_int_equal(put(&r, ref, now + 5 * MINUTE_MS + 1, 1), APPEND_TOO_NEW);
    assert_int_equal(put(&r, ref, now + 5 * MINUTE_MS, 1), APPEND_STORED);
    clk_manual_advance(r.clk, MINUTE_MS);
    assert_int_equal(put(&r, ref, now + 6 * MINUTE_MS, 1), APPEND_STORED);
    rig_down(&r);
}

static void conform_snapshot(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 10 * MINUTE_MS);
    struct series_ref ref = resolve(&r, "m", "a");
    assert_int_equal(put(&r, ref, T0, 1), APPEND_STORED);

    // Staged is not visible; nor does a querier opened before the commit see it later (W1).
    i64 t_ms[] = {T0 + 1000, T0 + 2000};
    f64 values[] = {2, 3};
    struct series_ref refs[] = {ref, resolve(&r, "m", "b")};
    u8 outcomes[2];
    struct append_batch b = {
        .refs = refs, .t_ms = t_ms, .values = values, .n = 2, .outcomes = outcomes};
    stage(&r, &b);
    assert_int_equal(read_range(&r, "m", T0, T0 + MINUTE_MS)->count, 1);
    struct storage_querier *before = querier(&r, T0 - MINUTE_MS, T0 + MINUTE_MS);
    commit(&r);
    assert_int_equal(put(&r, ref, T0 - 1000, 9), APPEND_STORED_OOO);
    struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0 - MINUTE_MS, .end_ms = T0 + MINUTE_MS, .sorted = true};
    struct read *got = read_with(&r, before, &m, &h);
    assert_int_equal(got->count, 1);
    assert_true(got->values[0] == 1);
    storage_querier_close(before);
    assert_int_equal(read_range(&r, "m", T0 - MINUTE_MS, T0 + MINUTE_MS)->count, 4);
    rig_down(&r);
}

static void conform_rollback(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = resolve(&r, "m", "a");
    i64 t_ms = T0;
    f64 v = 1;
    u8 outcome;
    struct append_batch b = {
        .refs = &ref, .t_ms = &t_ms, .values = &v, .n = 1, .outcomes = &outcome};
    stage(&r, &b);
    r.appender->ops->rollback(r.appender);
    commit(&r);
    assert_int_equal(read_range(&r, "m", T0, T0)->count, 0);
    // close rolls back as well, and the place is free for another value.
    ref = resolve(&r, "m", "a");
    stage(&r, &b);
    storage_appender_close(r.appender);
    r.appender = storage_appender_open(r.store, TENANT_DEFAULT, STREAM_SCRAPE, &r.error);
    assert_non_null(r.appender);
    assert_int_equal(read_range(&r, "m", T0, T0)->count, 0);
    assert_int_equal(put(&r, resolve(&r, "m", "a"), T0, 5), APPEND_STORED);
    rig_down(&r);
}

static void conform_select(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    const char *const instances[] = {"c", "a", "d", "b"};
    for (u32 i = 0; i < ARRAY_LEN(instances); i++) {
        assert_int_equal(put(&r, resolve(&r, "m", instances[i]), T0, i), APPEND_STORED);
    }
    assert_int_equal(put(&r, resolve(&r, "other", "a"), T0, 9), APPEND_STORED);
    struct read *got = read_range(&r, "m", T0, T0);
    assert_int_equal(got->series_count, 4);
    for (u32 i = 1; i < 4; i++) {
        assert_true(labels_cmp(got->labels[i - 1], got->labels[i]) < 0);
    }
    assert_true(got->values[0] == 1 && got->values[3] == 2);

    static const struct {
        enum match_op op;
        const char *value;
        u32 series;
    } cases[] = {
        {MATCH_EQ, "a", 2},    {MATCH_NE, "a", 3},    {MATCH_RE, "a|b", 3},
        {MATCH_RE, "[cd]", 2}, {MATCH_NRE, "a|b", 2}, {MATCH_RE, ".*", 5},
        {MATCH_RE, "x.*", 0},  {MATCH_EQ, "", 0},     {MATCH_NRE, "", 5},
    };
    struct storage_querier *q = querier(&r, T0, T0);
    struct select_hints h = {.start_ms = T0, .end_ms = T0};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        struct matcher m = matcher_of(&r, cases[i].op, LABEL_INSTANCE, cases[i].value);
        assert_int_equal(read_with(&r, q, &m, &h)->series_count, cases[i].series);
    }
    struct matcher absent = matcher_of(&r, MATCH_EQ, STR("no_such_label"), "");
    assert_int_equal(read_with(&r, q, &absent, &h)->series_count, 5);
    struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints labels_only = {
        .start_ms = T0, .end_ms = T0, .no_data = true, .sorted = true, .limit = 3};
    got = read_with(&r, q, &m, &labels_only);
    assert_int_equal(got->series_count, 3);
    ASSERT_STR_EQ(labels_get(got->labels[2], LABEL_INSTANCE), STR("c"));
    storage_querier_close(q);
    rig_down(&r);
}

static void conform_columns(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref refs[] = {resolve(&r, "m", "a"), resolve(&r, "m", "b")};
    const u32 n = 300;
    for (u32 i = 0; i < n; i++) {
        i64 t_ms[] = {T0 - (i64)(n - i) * 1000, T0 - (i64)(n - i) * 1000};
        f64 values[] = {i, i * 2.0};
        u8 outcomes[2];
        struct append_batch b = {
            .refs = refs, .t_ms = t_ms, .values = values, .n = 2, .outcomes = outcomes};
        stage(&r, &b);
        commit(&r);
    }
    // Equal column ids must mean equal times, wherever they turn up.
    struct storage_querier *q = querier(&r, T0 - 1000000, T0);
    struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0 - 1000000, .end_ms = T0};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &r.error);
    assert_non_null(c);
    u64 ids[64];
    i64 *columns[64];
    u32 lengths[64];
    u32 known = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            for (u32 k = 0; k < known; k++) {
                if (run.column_id != 0 && ids[k] == run.column_id) {
                    assert_int_equal(run.n, lengths[k]);
                    assert_memory_equal(run.t_ms, columns[k], run.n * sizeof(i64));
                }
            }
            if (known < ARRAY_LEN(ids)) {
                ids[known] = run.column_id;
                lengths[known] = run.n;
                columns[known] = ARENA_NEW_N(r.arena, i64, run.n);
                memcpy(columns[known++], run.t_ms, run.n * sizeof(i64));
            }
        }
    }
    struct storage_warnings w = {.count = 0};
    ASSERT_OK(c->ops->close(c, &w, &r.error), r.error);
    storage_querier_close(q);
    rig_down(&r);
}

static const struct hist_span spans_some[] = {{-1, 2}, {3, 1}};
static const struct hist_span spans_other[] = {{0, 1}};
static const f64 counts_some[] = {1, 2, 4};
static const f64 counts_odd[] = {0.25, 2.5, 1e300};
static const f64 bounds_some[] = {-1.5, 0.1, 7};

// Histograms of every kind that differ in one thing at least. Threads: frozen.
static const struct hist hists_known[] = {
    {.schema = 1,
     .zero_threshold = 0.001,
     .zero_count = 3,
     .count = 10,
     .sum = 12.5,
     .positive = {spans_some, 2, counts_some, 3}},
    {.schema = 1,
     .reset = HIST_RESET_YES,
     .zero_threshold = 0.001,
     .zero_count = 3,
     .count = 10,
     .sum = 12.5,
     .positive = {spans_some, 2, counts_some, 3}},
    {.schema = 1,
     .zero_threshold = 0.001,
     .zero_count = 3,
     .count = 10,
     .sum = 12.75,
     .positive = {spans_some, 2, counts_some, 3}},
    {.schema = -4,
     .is_float = true,
     .reset = HIST_RESET_GAUGE,
     .zero_threshold = 1e-300,
     .zero_count = 0.5,
     .count = 1e300,
     .sum = -0.0,
     .positive = {spans_other, 1, counts_odd, 1},
     .negative = {spans_some, 2, counts_odd, 3}},
    {.schema = HIST_SCHEMA_CUSTOM,
     .reset = HIST_RESET_NO,
     .count = 7,
     .sum = 3,
     .positive = {(const struct hist_span[]){{0, 3}}, 1, counts_some, 3},
     .custom_bounds = bounds_some,
     .custom_bound_count = 3},
    {.schema = 8},
};

// One sample of either kind, with or without a start timestamp; its outcome.
static enum append_outcome put_sample(struct rig *r, struct series_ref ref, i64 t_ms, f64 v,
                                      const struct hist *h, const i64 *start_ms)
{
    u8 outcome;
    u8 kind = h ? SAMPLE_HIST : SAMPLE_FLOAT;
    struct append_batch b = {.refs = &ref,
                             .t_ms = &t_ms,
                             .start_t_ms = start_ms,
                             .kinds = &kind,
                             .values = &v,
                             .hists = &h,
                             .n = 1,
                             .outcomes = &outcome};
    stage(r, &b);
    commit(r);
    return (enum append_outcome)outcome;
}

static void conform_histograms(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    const struct hist *good = &hists_known[0];
    struct hist bad = *good;
    bad.positive.bucket_count = 2;
    struct series_ref ref = resolve(&r, "m", "a");
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
    stage(&r, &b);
    commit(&r);
    assert_int_equal(outcomes[0], APPEND_STORED);
    assert_int_equal(outcomes[1], APPEND_STORED);
    assert_int_equal(outcomes[2], APPEND_INVALID);
    struct read *got = read_range(&r, "m", T0, T0 + 10);
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
    struct series_ref ref = resolve(&r, "m", "a");
    const u32 kinds = ARRAY_LEN(hists_known) + 2; // A float, a stale marker.
    const u32 n = 400;
    const i64 first = T0 - (i64)n * 1000;
    struct hist stale = {.sum = stale_nan()};
    for (u32 i = 0; i < n; i++) {
        u32 k = (i * i + i / 7) % kinds;
        const struct hist *h = k < ARRAY_LEN(hists_known)    ? &hists_known[k]
                               : k == ARRAY_LEN(hists_known) ? &stale
                                                             : NULL;
        assert_int_equal(put_sample(&r, ref, first + i * 1000, i, h, NULL), APPEND_STORED);
    }
    struct read *got = read_range(&r, "m", first, T0);
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
        assert_true(hist_eq(got->hists[i], k < ARRAY_LEN(hists_known) ? &hists_known[k] : &stale));
    }
    assert_int_equal(read_range(&r, "m", first + 5000, first + 9999)->count, 5);
    rig_down(&r);
}

// First write wins among histograms, and between them and floats (W2), in order and late.
static void conform_histogram_conflicts(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 10 * MINUTE_MS);
    struct series_ref ref = resolve(&r, "m", "a");
    for (u32 i = 0; i < 2; i++) { // At the second round all of it is late.
        i64 t = T0 - MINUTE_MS * (i64)i;
        enum append_outcome stored = i == 0 ? APPEND_STORED : APPEND_STORED_OOO;
        assert_int_equal(put_sample(&r, ref, t, 0, &hists_known[0], NULL), stored);
        assert_int_equal(put_sample(&r, ref, t, 0, &hists_known[0], NULL), APPEND_DUPLICATE);
        for (u32 k = 1; k < ARRAY_LEN(hists_known); k++) {
            assert_int_equal(put_sample(&r, ref, t, 0, &hists_known[k], NULL), APPEND_CONFLICT);
        }
        assert_int_equal(put(&r, ref, t, 12.5), APPEND_CONFLICT);
        t -= MINUTE_MS * 5;
        assert_int_equal(put(&r, ref, t, 1), APPEND_STORED_OOO);
        assert_int_equal(put_sample(&r, ref, t, 0, &hists_known[0], NULL), APPEND_CONFLICT);
        assert_int_equal(put(&r, ref, t, 1), APPEND_DUPLICATE);
    }
    struct read *got = read_range(&r, "m", T0 - 20 * MINUTE_MS, T0);
    assert_int_equal(got->count, 4);
    assert_null(got->hists[0]);
    assert_null(got->hists[1]);
    assert_true(hist_eq(got->hists[2], &hists_known[0]));
    assert_true(hist_eq(got->hists[3], &hists_known[0]));
    rig_down(&r);
}

// Start timestamps come back where they were given, whatever stands between.
static void conform_start_times(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = resolve(&r, "m", "a");
    const u32 n = 300;
    const i64 first = T0 - (i64)n * 1000;
    for (u32 i = 0; i < n; i++) {
        i64 start = first - (i64)(i / 50);
        assert_int_equal(put_sample(&r, ref, first + i * 1000, i,
                                    i % 3 == 0 ? &hists_known[i % 5] : NULL,
                                    i / 20 % 2 == 0 ? &start : NULL),
                         APPEND_STORED);
        assert_int_equal(put(&r, ref, first + i * 1000, i),
                         i % 3 == 0 ? APPEND_CONFLICT : APPEND_DUPLICATE);
    }
    struct read *got = read_range(&r, "m", first, T0);
    assert_int_equal(got->count, n);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(got->start_t_ms[i], i / 20 % 2 == 0 ? first - (i64)(i / 50) : -1);
        assert_true(i % 3 == 0 ? hist_eq(got->hists[i], &hists_known[i % 5]) : got->values[i] == i);
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
    struct series_ref ref = resolve(&r, "m", "a");
    const u32 n = 200;
    for (u32 i = 0; i < n; i++) {
        f64 v = f64_of_bits(tops[i % ARRAY_LEN(tops)] << 32 | i);
        assert_int_equal(put(&r, ref, T0 - (i64)(n - i), v), APPEND_STORED);
        assert_int_equal(put(&r, ref, T0 - (i64)(n - i), v), APPEND_DUPLICATE);
        assert_int_equal(put(&r, ref, T0 - (i64)(n - i), 0.5), APPEND_CONFLICT);
    }
    struct read *got = read_range(&r, "m", T0 - n, T0);
    assert_int_equal(got->count, n);
    for (u32 i = 0; i < n; i++) {
        assert_null(got->hists[i]);
        assert_true(bits_of_f64(got->values[i]) == (tops[i % ARRAY_LEN(tops)] << 32 | i));
    }
    rig_down(&r);
}

static void conform_labels(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    assert_int_equal(put(&r, resolve(&r, "m", "b"), T0, 1), APPEND_STORED);
    assert_int_equal(put(&r, resolve(&r, "m", "a"), T0, 1), APPEND_STORED);
    assert_int_equal(put(&r, resolve(&r, "n", "c"), T0, 1), APPEND_STORED);
    struct storage_querier *q = querier(&r, T0 - MINUTE_MS, T0 + MINUTE_MS);
    str *texts = NULL;
    u32 n = 0;
    ASSERT_OK(q->ops->label_names(q, NULL, 0, r.arena, &texts, &n, &r.error), r.error);
    assert_int_equal(n, 3);
    ASSERT_STR_EQ(texts[0], LABEL_NAME);
    ASSERT_STR_EQ(texts[1], LABEL_INSTANCE);
    ASSERT_STR_EQ(texts[2], LABEL_JOB);
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, NULL, 0, r.arena, &texts, &n, &r.error),
              r.error);
    assert_int_equal(n, 3);
    ASSERT_STR_EQ(texts[0], STR("a"));
    ASSERT_STR_EQ(texts[2], STR("c"));
    struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, &m, 1, r.arena, &texts, &n, &r.error),
              r.error);
    assert_int_equal(n, 2);
    ASSERT_OK(q->ops->label_values(q, STR("nope"), NULL, 0, r.arena, &texts, &n, &r.error),
              r.error);
    assert_int_equal(n, 0);
    u64 series = 0;
    ASSERT_OK(q->ops->series_count(q, &m, 1, &series, &r.error), r.error);
    assert_int_equal(series, 2);
    storage_querier_close(q);
    rig_down(&r);
}

static void conform_metadata(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct metadata first[] = {{STR("m"), METRIC_GAUGE, STR("old"), STR("")},
                               {STR("a"), METRIC_COUNTER, STR("a's help"), STR("bytes")}};
    ASSERT_OK(r.appender->ops->metadata(r.appender, first, 2, &r.error), r.error);
    commit(&r);
    struct metadata later = {STR("m"), METRIC_COUNTER, STR("new"), STR("seconds")};
    ASSERT_OK(r.appender->ops->metadata(r.appender, &later, 1, &r.error), r.error);
    commit(&r);
    struct storage_querier *q = querier(&r, T0, T0);
    struct metadata *got = NULL;
    u32 n = 0;
    ASSERT_OK(q->ops->metadata(q, STR("m"), 0, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].type, METRIC_COUNTER);
    ASSERT_STR_EQ(got[0].help, STR("new"));
    ASSERT_STR_EQ(got[0].unit, STR("seconds"));
    ASSERT_OK(q->ops->metadata(q, STR_EMPTY, 0, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, 2);
    ASSERT_OK(q->ops->metadata(q, STR_EMPTY, 1, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, 1);
    storage_querier_close(q);
    rig_down(&r);
}

static void conform_exemplars(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = resolve(&r, "m", "a");
    assert_int_equal(put(&r, ref, T0, 1), APPEND_STORED);
    struct label pair = {STR("trace"), STR("abc")};
    struct exemplar x = {.labels = {&pair, 1}, .value = 0.5, .t_ms = T0, .has_t = true};
    ASSERT_OK(r.appender->ops->exemplars(r.appender, &ref, &x, 1, &r.error), r.error);
    ASSERT_OK(r.appender->ops->exemplars(r.appender, &ref, &x, 1, &r.error), r.error);
    commit(&r);
    struct storage_querier *q = querier(&r, T0, T0);
    struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
    struct exemplar_series *got = NULL;
    u32 n = 0;
    ASSERT_OK(q->ops->exemplars(q, &m, 1, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, f->keeps_exemplars ? 1 : 0);
    if (n == 1) {
        assert_int_equal(got[0].count, 1);
        assert_true(got[0].exemplars[0].value == 0.5);
        ASSERT_STR_EQ(labels_get(got[0].exemplars[0].labels, STR("trace")), STR("abc"));
    }
    storage_querier_close(q);
    rig_down(&r);
}

// Reads everything under a budget; the code of the failure, ERR_NONE if none.
static enum err read_under(struct rig *r, struct query_budget *budget)
{
    struct storage_querier *q = querier(r, T0 - MINUTE_MS, T0 + MINUTE_MS);
    struct matcher m = matcher_of(r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0 - MINUTE_MS, .end_ms = T0 + MINUTE_MS};
    struct error e = {.code = ERR_NONE};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, budget, &e);
    if (c) {
        while (c->ops->next(c)) {
            struct series_run run;
            while (c->ops->run(c, &run)) {
                assert_true(run.n > 0);
            }
        }
        struct storage_warnings w = {.count = 0};
        if (c->ops->close(c, &w, &e)) {
            e.code = ERR_NONE;
        }
    }
    storage_querier_close(q);
    return e.code;
}

static void conform_budget(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref a = resolve(&r, "m", "a");
    struct series_ref b = resolve(&r, "m", "b");
    for (i64 i = 0; i < 10; i++) {
        assert_int_equal(put(&r, a, T0 + i, 1), APPEND_STORED);
        assert_int_equal(put(&r, b, T0 + i, 1), APPEND_STORED);
    }
    struct query_budget spent = {.samples_max = 20, .series_max = 2};
    assert_int_equal(read_under(&r, &spent), ERR_NONE);
    assert_int_equal(spent.samples, 20);
    assert_int_equal(spent.series, 2);
    assert_int_equal(read_under(&r, &(struct query_budget){.samples_max = 19}), ERR_LIMIT);
    assert_int_equal(read_under(&r, &(struct query_budget){.series_max = 1}), ERR_LIMIT);
    int stop = 1;
    assert_int_equal(read_under(&r, &(struct query_budget){.cancel = &stop}), ERR_CANCELLED);
    clk_manual_advance(r.clk, 1000);
    struct query_budget late = {.deadline_mono_ns = clk_mono_ns(r.clk) - 1};
    assert_int_equal(read_under(&r, &late), ERR_TIMEOUT);
    rig_down(&r);
}

static void conform_tenants(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    assert_int_equal(put(&r, resolve(&r, "m", "a"), T0, 1), APPEND_STORED);
    struct storage_querier *q =
        storage_querier_open(r.store, (struct tenant_id){7}, T0, T0, &r.error);
    if (q) { // A store of one tenant may refuse the others.
        struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
        struct select_hints h = {.start_ms = T0, .end_ms = T0};
        assert_int_equal(read_with(&r, q, &m, &h)->count, 0);
    }
    storage_querier_close(q);
    rig_down(&r);
}

// ---- slices ------------------------------------------------------------------------------------

enum { SLICED_SERIES = 30, SLICES_MAX = 40, SLICE_WORDS = 1024, SLICE_HELPERS = 3 };

// What a cursor gave: a word per series, and one per sample. Threads: owned by who walks it.
struct walked {
    u64 words[SLICE_WORDS];
    u32 count;
    bool ok;
};

static void walk(struct series_cursor *c, struct walked *w)
{
    struct error e;
    w->count = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        CHECK(w->count < SLICE_WORDS / 2);
        w->words[w->count++] = labels_hash(c->ops->labels(c));
        while (c->ops->run(c, &run)) {
            CHECK(w->count + run.n <= SLICE_WORDS);
            for (u32 i = 0; i < run.n; i++) {
                w->words[w->count++] = hash_mix((u64)run.t_ms[i], bits_of_f64(run.values[i]));
            }
        }
    }
    w->ok = c->ops->close(c, NULL, &e);
}

// Threads: each place belongs to who walks that slice.
struct sliced {
    struct series_cursor *cursors[SLICES_MAX];
    struct query_budget budgets[SLICES_MAX];
    struct walked walked[SLICES_MAX];
};

static void slice_walk(void *arg, UNUSED u32 helper, u32 at)
{
    struct sliced *s = arg;
    walk(s->cursors[at], &s->walked[at]);
}

// The same in the same order, and charged the same, by several threads at once.
static void check_slices(struct rig *r, struct storage_querier *q, struct pool *p, u32 count,
                         const struct walked *whole)
{
    static struct sliced s;
    struct matcher m = matcher_of(r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0, .end_ms = T0 + MINUTE_MS * 60};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &r->error);
    assert_non_null(c);
    memset(&s, 0, sizeof(s));
    assert_true(c->ops->slices(c, count, s.budgets, s.cursors));
    crew_run(p, &(struct crew_work){
                    .tiles = count, .helpers = SLICE_HELPERS, .fn = slice_walk, .arg = &s});
    assert_false(c->ops->next(c));
    ASSERT_OK(c->ops->close(c, NULL, &r->error), r->error);
    u32 at = 0;
    u64 series = 0;
    u64 samples = 0;
    for (u32 i = 0; i < count; i++) {
        const struct walked *w = &s.walked[i];
        assert_true(w->ok);
        assert_true(at + w->count <= whole->count);
        assert_memory_equal(w->words, whole->words + at, w->count * sizeof(u64));
        at += w->count;
        series += s.budgets[i].series;
        samples += s.budgets[i].samples;
    }
    assert_int_equal(at, whole->count);
    assert_int_equal(series, SLICED_SERIES);
    assert_int_equal(samples, whole->count - SLICED_SERIES);
}

static void conform_slices(const struct storage_factory *f)
{
    static const u32 counts[] = {1, 2, 7, SLICED_SERIES, SLICES_MAX};
    static struct walked whole;
    struct rig r;
    rig_up(&r, f, 0);
    for (u32 i = 0; i < SLICED_SERIES; i++) {
        str name = arena_printf(r.arena, "i%u", i * 7 % SLICED_SERIES);
        struct series_ref ref = resolve(&r, "m", arena_cstr(r.arena, name));
        for (u32 k = 0; k < 3 + i % 5; k++) {
            assert_int_equal(put(&r, ref, T0 + (i64)k * 1000, i + k / 8.0), APPEND_STORED);
        }
    }
    struct pool *p = pool_new("slices", SLICE_HELPERS, 64, &r.error);
    struct storage_querier *q =
        storage_querier_open(r.store, TENANT_DEFAULT, T0, T0 + MINUTE_MS * 60, &r.error);
    struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0, .end_ms = T0 + MINUTE_MS * 60};
    assert_true(p && q);
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &r.error);
    assert_non_null(c);
    assert_true(c->series_about <= SLICED_SERIES);
    const bool cuts = c->ops->slices != NULL;
    walk(c, &whole);
    assert_true(whole.ok);
    for (u32 i = 0; cuts && i < ARRAY_LEN(counts); i++) {
        check_slices(&r, q, p, counts[i], &whole);
    }
    storage_querier_close(q);
    pool_free(p);
    rig_down(&r);
}

// ---- newest samples ----------------------------------------------------------------------------

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
    struct matcher m = matcher_of(r, MATCH_EQ, LABEL_JOB, "j");
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
    const struct series_ref plain = resolve(r, "plain", "a");
    const struct series_ref early = resolve(r, "early", "a");
    const struct series_ref stale = resolve(r, "stale", "a");
    const struct series_ref mixed = resolve(r, "mixed", "a");
    const struct series_ref native = resolve(r, "native", "a");
    const struct series_ref odd = resolve(r, "odd", "a");
    (void)resolve(r, "empty", "a");
    for (u32 i = 0; i < 300; i++) {
        const i64 t = T0 - (300 - i) * s;
        assert_int_equal(put(r, plain, t, i), APPEND_STORED);
        if (i < 100) {
            assert_int_equal(put(r, early, t, -(f64)i), APPEND_STORED);
        }
        if (i < 200) {
            assert_int_equal(put(r, stale, t, i == 199 ? stale_nan() : i), APPEND_STORED);
        }
        if (i % 60 == 0) {
            assert_int_equal(put_sample(r, native, t, 0, &hists_known[i / 60 % 2], NULL),
                             APPEND_STORED);
        }
        if (i % 7 == 3) { // With gaps that are filled later on.
            const struct hist *h = i % 2 ? &hists_known[0] : NULL;
            assert_int_equal(put_sample(r, mixed, t, i, h, NULL), APPEND_STORED);
        }
    }
    assert_int_equal(put(r, odd, T0 - 5 * s, 1), APPEND_STORED);
    assert_int_equal(put(r, odd, T0 - 20 * s, 2), APPEND_STORED_OOO);
    assert_int_equal(put(r, odd, T0 - 10 * s, stale_nan()), APPEND_STORED_OOO);
    assert_int_equal(put(r, mixed, T0 - 100 * s, 0.5), APPEND_STORED_OOO);
}

static void conform_newest(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 60 * MINUTE_MS);
    fill_newest(&r);
    struct storage_querier *q = querier(&r, T0 - 60 * MINUTE_MS, T0 + 60 * MINUTE_MS);
    assert_int_equal(check_newest(&r, q, T0 - 60 * MINUTE_MS, T0 + MINUTE_MS), 6);
    for (i64 end = T0 - 310000; end <= T0 + 10000; end += 5000) {
        (void)check_newest(&r, q, end - 4999, end);
        (void)check_newest(&r, q, end - 59999, end);
    }
    // A snapshot is one for this, too: what comes later is not there, in order or not.
    const struct series_ref plain = resolve(&r, "plain", "a");
    const struct series_ref odd = resolve(&r, "odd", "a");
    const struct series_ref born = resolve(&r, "born", "a");
    assert_int_equal(put(&r, plain, T0 + 500, -1), APPEND_STORED);
    assert_int_equal(put(&r, odd, T0 - 6000, -2), APPEND_STORED_OOO);
    assert_int_equal(put(&r, born, T0, -3), APPEND_STORED);
    assert_int_equal(check_newest(&r, q, T0 - 60 * MINUTE_MS, T0 + MINUTE_MS), 6);
    assert_int_equal(check_newest(&r, q, T0 - 5999, T0 + MINUTE_MS), 3);
    struct storage_querier *later = querier(&r, T0 - 60 * MINUTE_MS, T0 + 60 * MINUTE_MS);
    assert_int_equal(check_newest(&r, later, T0 - 60 * MINUTE_MS, T0 + MINUTE_MS), 7);
    assert_int_equal(check_newest(&r, later, T0, T0 + MINUTE_MS), 2);
    storage_querier_close(later);
    storage_querier_close(q);
    rig_down(&r);
}

// Labels are left out where that was asked for, unless a histogram has them.
static void check_newest_names(struct rig *r, struct storage_querier *q, const str *names, u32 n)
{
    struct matcher m = matcher_of(r, MATCH_EQ, LABEL_JOB, "j");
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
            const struct labels ls = series_named(r, "m", arena_cstr(r->arena, instance));
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
        refs[i] = resolve(&r, "m", arena_cstr(r.arena, instance));
        t_ms[i] = T0 - i % 7;
        values[i] = i;
    }
    struct append_batch b = {
        .refs = refs, .t_ms = t_ms, .values = values, .n = NEWEST_MANY, .outcomes = outcomes};
    stage(&r, &b);
    commit(&r);
    assert_int_equal(put_sample(&r, refs[1500], T0, 0, &hists_known[0], NULL), APPEND_STORED);
    struct storage_querier *q = querier(&r, T0 - 60 * MINUTE_MS, T0 + 60 * MINUTE_MS);
    for (u32 n = 0; n <= ARRAY_LEN(names); n++) {
        check_newest_names(&r, q, names, n);
    }
    struct last_sample *got = ARENA_NEW_N(r.arena, struct last_sample, NEWEST_MANY);
    struct matcher m = matcher_of(&r, MATCH_EQ, LABEL_NAME, "m");
    const struct select_hints h = {.start_ms = T0 - 3, .end_ms = T0, .newest = true};
    u32 want = 0;
    for (u32 i = 0; i < NEWEST_MANY; i++) {
        want += i % 7 <= 3 || i == 1500;
    }
    assert_int_equal(newest_read(&r, q, &m, &h, got, NEWEST_MANY), want);
    storage_querier_close(q);
    rig_down(&r);
}

const struct storage_check storage_checks[] = {
    {"reads_back", conform_reads_back},
    {"resolve", conform_resolve},
    {"first_write_wins", conform_first_write_wins},
    {"order_without_window", conform_order_without_window},
    {"order_with_window", conform_order_with_window},
    {"too_new", conform_too_new},
    {"snapshot", conform_snapshot},
    {"rollback", conform_rollback},
    {"select", conform_select},
    {"columns", conform_columns},
    {"histograms", conform_histograms},
    {"histogram_kinds", conform_histogram_kinds},
    {"histogram_conflicts", conform_histogram_conflicts},
    {"start_times", conform_start_times},
    {"any_double", conform_any_double},
    {"labels", conform_labels},
    {"metadata", conform_metadata},
    {"exemplars", conform_exemplars},
    {"budget", conform_budget},
    {"tenants", conform_tenants},
    {"slices", conform_slices},
    {"newest", conform_newest},
    {"newest_many", conform_newest_many},
};
const u32 storage_check_count = ARRAY_LEN(storage_checks);

void storage_conformance_run(const struct storage_factory *f)
{
    for (u32 i = 0; i < storage_check_count; i++) {
        print_message("# storage check: %s\n", storage_checks[i].name);
        storage_checks[i].run(f);
    }
}
