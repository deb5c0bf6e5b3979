// conform_slice_test.c: a cursor that is cut into pieces for several threads.
#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "os/crew.h"
#include "os/thr.h"
#include "storage/conform_rig.h"

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
    struct matcher m = rig_matcher(r, MATCH_EQ, LABEL_NAME, "m");
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
        struct series_ref ref = rig_resolve(&r, "m", arena_cstr(r.arena, name));
        for (u32 k = 0; k < 3 + i % 5; k++) {
            assert_int_equal(rig_put(&r, ref, T0 + (i64)k * 1000, i + k / 8.0), APPEND_STORED);
        }
    }
    struct pool *p = pool_new("slices", SLICE_HELPERS, 64, &r.error);
    struct storage_querier *q =
        storage_querier_open(r.store, TENANT_DEFAULT, T0, T0 + MINUTE_MS * 60, &r.error);
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
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

static const struct storage_check checks[] = {
    {"slices", conform_slices},
};
const struct storage_check_list conform_slice_checks = {checks, ARRAY_LEN(checks)};
