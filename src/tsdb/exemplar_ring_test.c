// exemplar_ring_test.c: the ring's bounds, and exemplars over restarts and truncations of the log.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/match.h"
#include "os/clk.h"
#include "tsdb/exemplar_ring.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

static const struct label trace[] = {{STR("trace_id"), STR("abc")}};

static struct exemplar exemplar_at(i64 t, f64 value)
{
    return (struct exemplar){.labels = {trace, 1}, .value = value, .t_ms = t, .has_t = true};
}

static u32 ring_count(const struct exemplar_ring *r, i64 min_ms, i64 max_ms, u32 *series)
{
    struct arena *a = arena_new((size_t)256 << 20);
    struct exemplar_ask ask = {.tenant = TENANT_DEFAULT, .min_ms = min_ms, .max_ms = max_ms};
    struct exemplar_series *found;
    u32 total = 0;
    assert_true(exemplar_ring_find(r, &ask, a, &found, series));
    for (u32 i = 0; i < *series; i++) {
        assert_true(i == 0 || labels_cmp(found[i - 1].labels, found[i].labels) < 0);
        for (u32 k = 0; k < found[i].count; k++) {
            assert_true(k == 0 || found[i].exemplars[k].t_ms >= found[i].exemplars[k - 1].t_ms);
        }
        total += found[i].count;
    }
    arena_free(a);
    return total;
}

// What a walk in slices saw. Threads: owned.
struct walk_seen {
    u32 n;
    u32 slice; // It ends after so many.
    i64 t_last;
};

static bool walk_one(void *ctx, UNUSED struct tenant_id tenant, UNUSED struct labels set,
                     const struct exemplar *x)
{
    struct walk_seen *s = ctx;
    assert_true(x->t_ms > s->t_last);
    s->t_last = x->t_ms;
    s->n++;
    return s->n % s->slice != 0;
}

TEST(exemplar_ring_is_walked_in_slices_while_the_oldest_leave)
{
    struct exemplar_ring r;
    struct label items[16];
    char bytes[512];
    struct labels set = fixture_labels("m,job=j", items, bytes);
    struct walk_seen seen = {.slice = 1000, .t_last = -1};
    u64 from = 0;
    i64 t = 0;
    exemplar_ring_init(&r);
    for (; t < EXEMPLARS_MAX; t++) {
        struct exemplar x = exemplar_at(t * 3600000, 1);
        assert_true(exemplar_ring_add(&r, TENANT_DEFAULT, set, &x));
    }
    assert_false(exemplar_ring_each(&r, &from, walk_one, &seen));
    assert_int_equal(seen.n, 1000);
    for (i64 end = t + 2500; t < end; t++) { // 2500 leave, of which 1000 were seen.
        struct exemplar x = exemplar_at(t * 3600000, 1);
        assert_true(exemplar_ring_add(&r, TENANT_DEFAULT, set, &x));
    }
    while (!exemplar_ring_each(&r, &from, walk_one, &seen)) {
    }
    assert_int_equal(seen.n, 1000 + EXEMPLARS_MAX);
    assert_true(exemplar_ring_each(&r, &from, walk_one, &seen)); // Nothing is new.
    assert_int_equal(seen.n, 1000 + EXEMPLARS_MAX);
    exemplar_ring_fini(&r);
}

TEST(exemplar_ring_takes_so_many_of_a_series_and_hour)
{
    struct exemplar_ring r;
    struct label items[16];
    char bytes[512];
    struct labels set = fixture_labels("m,job=j", items, bytes);
    u32 series;
    exemplar_ring_init(&r);
    u32 kept = 0;
    for (i64 t = 0; t < 2 * 3600000; t += 10000) {
        struct exemplar x = exemplar_at(t, 1);
        bool takes = exemplar_ring_takes(&r, TENANT_DEFAULT, set, &x);
        assert_int_equal(takes, exemplar_ring_add(&r, TENANT_DEFAULT, set, &x));
        kept += takes;
    }
    assert_int_equal(kept, 2 * EXEMPLARS_PER_HOUR);
    struct exemplar old = exemplar_at(5, 2);
    assert_false(exemplar_ring_add(&r, TENANT_DEFAULT, set, &old));
    struct exemplar next = exemplar_at(3 * 3600000, 2);
    assert_true(exemplar_ring_add(&r, TENANT_DEFAULT, set, &next));
    assert_false(exemplar_ring_add(&r, TENANT_DEFAULT, set, &next)); // The same again.
    assert_int_equal(ring_count(&r, 0, INT64_MAX, &series), 2 * EXEMPLARS_PER_HOUR + 1);
    assert_int_equal(series, 1);
    assert_int_equal(ring_count(&r, 0, 95000, &series), 10);
    exemplar_ring_fini(&r);
}

TEST(exemplar_ring_forgets_the_oldest_and_their_series)
{
    struct exemplar_ring r;
    u32 series;
    exemplar_ring_init(&r);
    const u32 n = EXEMPLARS_MAX + 5000;
    for (u32 i = 0; i < n; i++) {
        struct label items[16];
        char bytes[512];
        char text[32];
        (void)snprintf(text, sizeof(text), "m%u,job=j", i / 50);
        struct exemplar x = exemplar_at(i, i);
        assert_true(exemplar_ring_add(&r, TENANT_DEFAULT, fixture_labels(text, items, bytes), &x));
    }
    assert_true(r.count <= EXEMPLARS_MAX && r.bytes <= EXEMPLAR_BYTES_MAX);
    assert_int_equal(ring_count(&r, 0, INT64_MAX, &series), r.count);
    assert_int_equal(series, (r.count + 49) / 50);
    assert_true(r.series_count <= series + 1); // Rows are used again.
    assert_int_equal(ring_count(&r, 0, n - r.count - 1, &series), 0);
    struct label items[16];
    char bytes[512];
    struct labels set = fixture_labels("long,job=j", items, bytes);
    char text[EXEMPLAR_LABEL_MAX + 1];
    memset(text, 'x', sizeof(text));
    const struct label one = {STR("l"), {text, sizeof(text)}};
    struct exemplar x = {.labels = {&one, 1}, .t_ms = n};
    assert_false(exemplar_ring_add(&r, TENANT_DEFAULT, set, &x));
    exemplar_ring_fini(&r);
}

TEST(exemplar_ring_keeps_one_of_each_at_one_time)
{
    struct exemplar_ring r;
    struct label items[2][16];
    char bytes[2][512];
    u32 series;
    exemplar_ring_init(&r);
    for (u32 round = 0; round < 4; round++) {
        for (u32 i = 0; i < 6; i++) { // Of two series, three each, in turn.
            const char *name = i % 2 == 0 ? "m,job=j" : "n,job=j";
            struct labels set = fixture_labels(name, items[i % 2], bytes[i % 2]);
            struct exemplar x = exemplar_at(7, 3 - (f64)(i / 2));
            assert_int_equal(exemplar_ring_takes(&r, TENANT_DEFAULT, set, &x), round == 0);
            assert_int_equal(exemplar_ring_add(&r, TENANT_DEFAULT, set, &x), round == 0);
        }
    }
    assert_int_equal(ring_count(&r, 0, INT64_MAX, &series), 6);
    assert_int_equal(series, 2);
    struct label other = {STR("trace_id"), STR("abd")};
    struct exemplar x = exemplar_at(7, 3);
    x.labels = (struct labels){.items = &other, .count = 1};
    struct labels set = fixture_labels("m,job=j", items[0], bytes[0]);
    assert_true(exemplar_ring_add(&r, TENANT_DEFAULT, set, &x)); // Other labels: another one.
    assert_false(exemplar_ring_add(&r, TENANT_DEFAULT, set, &x));
    x = exemplar_at(8, 3);
    assert_true(exemplar_ring_add(&r, TENANT_DEFAULT, set, &x)); // A later time, too.
    assert_int_equal(ring_count(&r, 0, INT64_MAX, &series), 8);
    exemplar_ring_fini(&r);
}

static void put_with_exemplars(struct fixture *f, i64 t, const struct exemplar *xs, u32 n)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct labels ls = fixture_labels("m,instance=i,job=j", items, bytes);
    struct series_ref ref;
    u8 outcome;
    u64 position;
    f64 v = 1;
    struct series_ref refs[4];
    assert_true(n <= ARRAY_LEN(refs));
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    for (u32 i = 0; i < n; i++) {
        refs[i] = ref;
    }
    struct append_batch b = {.refs = &ref, .t_ms = &t, .values = &v, .n = 1, .outcomes = &outcome};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->exemplars(a, refs, xs, n, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_SYNC, &position, &e), e);
    storage_appender_close(a);
}

static void put_with_exemplar(struct fixture *f, i64 t)
{
    struct exemplar x = exemplar_at(t, (f64)t);
    put_with_exemplars(f, t, &x, 1);
}

static u32 exemplars_found(struct fixture *f)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 24);
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct exemplar_series *found;
    u32 n;
    u32 count = 0;
    ASSERT_OK(q->ops->exemplars(q, NULL, 0, a, &found, &n, &e), e);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(found[i].labels.count, 3);
        for (u32 k = 0; k < found[i].count; k++, count++) {
            const struct exemplar *x = &found[i].exemplars[k];
            assert_true(x->value >= (f64)x->t_ms && x->has_t);
            ASSERT_STR_EQ(labels_get(x->labels, STR("trace_id")), STR("abc"));
        }
    }
    storage_querier_close(q);
    arena_free(a);
    return count;
}

TEST(tsdb_keeps_exemplars_over_restarts_and_truncations)
{
    struct fixture f;
    fixture_init(&f, 9);
    f.opts.wal_segment_bytes = 4096;
    fixture_open(&f);
    const u32 n = 80;
    for (u32 i = 0; i < n; i++) {
        put_with_exemplar(&f, FIXTURE_NOW + (i64)i * 5000);
        clk_manual_advance(f.clk, 5000);
        if (i % 10 == 9) {
            fixture_steps(&f); // Blocks are cut and the log is truncated.
        }
        if (i % 25 == 24) {
            fixture_reopen(&f);
        }
        assert_int_equal(exemplars_found(&f), i + 1);
    }
    fixture_reopen(&f);
    assert_int_equal(exemplars_found(&f), n);
    struct tsdb_status status;
    struct arena *a = arena_new((size_t)1 << 20);
    tsdb_status_get(f.db, 1, a, &status);
    assert_true(status.blocks > 1);
    arena_free(a);
    fixture_fini(&f);
}

TEST(tsdb_keeps_exemplars_of_one_time_once)
{
    struct fixture f;
    fixture_init(&f, 10);
    f.opts.wal_segment_bytes = 4096;
    fixture_open(&f);
    const i64 at = FIXTURE_NOW;
    const struct exemplar a = exemplar_at(at, (f64)at);
    const struct exemplar b = exemplar_at(at, (f64)at + 1);
    put_with_exemplars(&f, at, (const struct exemplar[]){a, b, a, b}, 4); // All in one commit.
    assert_int_equal(exemplars_found(&f), 2);
    for (u32 i = 1; i < 60; i++) { // The same ones again, through checkpoints and restarts.
        put_with_exemplars(&f, at + (i64)i * 5000, (const struct exemplar[]){b, a}, 2);
        clk_manual_advance(f.clk, 5000);
        if (i % 10 == 9) {
            fixture_steps(&f);
        }
        if (i % 15 == 14) {
            fixture_reopen(&f);
        }
        assert_int_equal(exemplars_found(&f), 2);
    }
    fixture_fini(&f);
}
