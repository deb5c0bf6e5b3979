// push_alloc_test.c: each request of a push for memory that has a limit is refused once. What is
// not stored is told: all of the push, or, where the series of some samples had left storage and
// must be asked for again, that it should be sent again. The same push again is stored, and has no
// series left to ask for again.
#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "ingest/push_fixture.h"
#include "storage/memstore.h"
#include "wire/pb.h"

#include <stdio.h>

#define SERIES  90U // Columns grow on the way.
#define SAMPLES 2U  // Of each.

// count: 3, or its buckets do not add up.
static void put_hist(struct buf *b, i64 t_ms, u64 count)
{
    const size_t hist = pbw_begin(b, 4);
    pbw_varint(b, 1, count);
    pbw_f64(b, 3, 18.5);
    pbw_sint(b, 4, 2);
    const size_t span = pbw_begin(b, 11);
    pbw_varint(b, 2, 1);
    pbw_end(b, span);
    const size_t deltas = pbw_begin(b, 12);
    buf_varsint(b, 3);
    pbw_end(b, deltas);
    pbw_varint(b, 15, (u64)t_ms);
    pbw_end(b, hist);
}

static void put_exemplar(struct buf *b, i64 t_ms)
{
    const size_t mark = pbw_begin(b, 3);
    fixture_label(b, "trace_id", "abc");
    pbw_f64(b, 2, 0.25);
    pbw_varint(b, 3, (u64)t_ms);
    pbw_end(b, mark);
}

static void put_metadata(struct buf *b)
{
    const size_t mark = pbw_begin(b, 3);
    pbw_varint(b, 1, 1);
    pbw_bytes(b, 2, STR("m"));
    pbw_bytes(b, 4, STR("Help."));
    pbw_end(b, mark);
}

// Series m{i="…"}: floats, some with an exemplar, some native histograms.
static void request_make(struct buf *b, u32 from, u32 to, i64 t_ms)
{
    buf_clear(b);
    for (u32 i = from; i < to; i++) {
        char number[16];
        const size_t mark = pbw_begin(b, 1);
        (void)snprintf(number, sizeof(number), "%u", i);
        fixture_label(b, "__name__", "m");
        fixture_label(b, "i", number);
        for (u32 k = 0; k < SAMPLES; k++) {
            if (i % 9 == 5) {
                put_hist(b, t_ms + k, 3);
            } else {
                fixture_sample(b, i, t_ms + k);
            }
        }
        if (i % 9 == 4) {
            put_exemplar(b, t_ms);
        }
        pbw_end(b, mark);
    }
    put_metadata(b);
}

static bool push(struct storage *s, struct push_cache *c, const struct buf *request,
                 struct push_result *out, struct error *e)
{
    *out = (struct push_result){0};
    return fixture_push((struct push_opts){.storage = s, .cache = c}, request, out, e);
}

// Samples and exemplars that storage has from a time on.
static u64 stored_count(struct storage *s, i64 t_ms, u32 *exemplars)
{
    struct error e = {0};
    struct exemplar_series *found = NULL;
    u32 n = 0;
    u64 samples = 0;
    struct arena *a = arena_new(1 << 20);
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, t_ms, 100000, &e);
    const struct select_hints h = {.start_ms = t_ms, .end_ms = 100000};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            samples += run.n;
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    ASSERT_OK(q->ops->exemplars(q, NULL, 0, a, &found, &n, &e), e);
    *exemplars = n;
    storage_querier_close(q);
    arena_free(a);
    return samples;
}

static u64 outcomes_sum(const struct push_result *r)
{
    u64 sum = 0;
    for (u32 i = 0; i < APPEND_OUTCOME_COUNT; i++) {
        sum += r->outcomes[i];
    }
    return sum;
}

// A push with one request refused, and the same again. known: half of the series are; gone:
// storage knows nothing of those. Returns how many requests there were.
static u64 course(u64 request, bool known, bool gone, u32 *refusals, u32 *parts)
{
    const u64 all = (u64)SERIES * SAMPLES;
    struct error e = {0};
    struct push_result r;
    struct buf b;
    u32 exemplars = 0;
    struct storage *s = memstore_new((struct memstore_opts){.ooo_window_ms = 100000});
    struct storage *left = gone ? memstore_new((struct memstore_opts){.ooo_window_ms = 100000}) : s;
    struct push_cache *c = push_cache_new((size_t)4 << 20);
    buf_init(&b, 1 << 20);
    if (gone) { // Refs of those that follow are none of the storage that is pushed to.
        request_make(&b, SERIES, 3 * SERIES, 1000);
        ASSERT_OK(push(left, NULL, &b, &r, &e), e);
    }
    request_make(&b, 0, SERIES / 2, 1000);
    if (known) {
        ASSERT_OK(push(left, c, &b, &r, &e), e);
    }
    request_make(&b, 0, SERIES, 2000);
    alloc_fault_arm(request);
    const bool ok = push(s, c, &b, &r, &e);
    alloc_fault_disarm();
    const u64 requests = alloc_fault_calls();
    const u64 stored = stored_count(s, 2000, &exemplars);
    if (ok) {
        assert_int_equal(outcomes_sum(&r), all);
        assert_int_equal(r.outcomes[APPEND_STORED], stored);
        assert_int_equal(stored, all);
    } else {
        // Of a request that no memory was there for nothing is stored; of another the sender must
        // not think that it is refused for good.
        assert_int_equal(e.code, stored == 0 ? ERR_LIMIT : ERR_UNAVAILABLE);
        assert_true(strstr(e.text, "16777216 bytes of memory") != NULL || // Of the fixture's arena,
                    strstr(e.text, "staging memory") != NULL);            // or of the store.
        assert_int_equal(r.outcomes[APPEND_STORED], stored);
        assert_int_equal(outcomes_sum(&r), stored);
        *parts += stored > 0;
    }
    *refusals += !ok;
    ASSERT_OK(push(s, c, &b, &r, &e), e);
    assert_int_equal(outcomes_sum(&r), all);
    assert_int_equal(r.outcomes[APPEND_DUPLICATE], stored);
    assert_int_equal(stored_count(s, 2000, &exemplars), all);
    assert_int_equal(exemplars, SERIES / 9);
    buf_fini(&b);
    push_cache_free(c);
    memstore_free(s);
    if (gone) {
        memstore_free(left);
    }
    return requests;
}

TEST(push_survives_each_refused_request_for_memory)
{
    static const struct {
        const char *name;
        bool known;
        bool gone;
    } cases[] = {
        {"new series", false, false}, {"known series", true, false}, {"gone series", true, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        u32 refusals = 0;
        u32 parts = 0;
        const u64 requests = course(0, cases[i].known, cases[i].gone, &refusals, &parts);
        assert_int_equal(refusals, 0);
        for (u64 n = 1; n <= requests; n++) {
            (void)course(n, cases[i].known, cases[i].gone, &refusals, &parts);
        }
        printf("# %s: %llu requests refused, %u errors, %u of them of a part\n", cases[i].name,
               (unsigned long long)requests, refusals, parts);
        assert_int_equal(refusals, requests);
        assert_true(cases[i].gone == (parts > 0));
    }
}

// A histogram that contradicts itself is refused each time: nobody must send it again for it.
TEST(push_of_a_broken_histogram_is_refused_for_good_whatever_memory_there_is)
{
    struct buf b;
    u64 requests = 1;
    u32 stored = 0;
    buf_init(&b, 1 << 16);
    const size_t mark = pbw_begin(&b, 1);
    fixture_label(&b, "__name__", "m");
    fixture_sample(&b, 1, 1000);
    put_hist(&b, 2000, 4);
    pbw_end(&b, mark);
    for (u64 n = 0; n <= requests; n++) {
        struct error e = {0};
        struct push_result r;
        struct storage *s = memstore_new((struct memstore_opts){0});
        alloc_fault_arm(n);
        const bool ok = push(s, NULL, &b, &r, &e);
        alloc_fault_disarm();
        requests = n == 0 ? alloc_fault_calls() : requests;
        assert_int_equal(e.code, ok ? ERR_NONE : ERR_LIMIT);
        if (ok) {
            assert_int_equal(r.outcomes[APPEND_STORED], 1);
            assert_int_equal(r.outcomes[APPEND_INVALID], 1);
            stored++;
        }
        memstore_free(s);
    }
    assert_in_range(stored, 2, requests); // Once refused in the second commit, too.
    buf_fini(&b);
}

// A known series with one sample that storage takes and one that it refuses each time.
static void half_broken_make(struct buf *b)
{
    buf_clear(b);
    const size_t mark = pbw_begin(b, 1);
    fixture_label(b, "__name__", "m");
    fixture_sample(b, 1, 2000);
    put_hist(b, 3000, 4);
    put_exemplar(b, 2000);
    pbw_end(b, mark);
}

// What the same push is answered twice, each time with one request refused (0: none). Returns how
// many requests the first made, *again those of the second.
static u64 broken_twice(u64 first, u64 second, bool gone, enum err codes[2], u64 *again)
{
    struct error e = {0};
    struct push_result r;
    struct buf b;
    u32 exemplars = 0;
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct storage *left = gone ? memstore_new((struct memstore_opts){0}) : s;
    struct push_cache *c = push_cache_new((size_t)4 << 20);
    buf_init(&b, 1 << 16);
    const size_t mark = pbw_begin(&b, 1);
    fixture_label(&b, "__name__", "m");
    fixture_sample(&b, 1, 1000);
    pbw_end(&b, mark);
    ASSERT_OK(push(left, c, &b, &r, &e), e);
    half_broken_make(&b);
    u64 requests[2];
    u64 stored = 0;
    for (size_t i = 0; i < 2; i++) {
        alloc_fault_arm(i == 0 ? first : second);
        const bool ok = push(s, c, &b, &r, &e);
        alloc_fault_disarm();
        requests[i] = alloc_fault_calls();
        codes[i] = ok ? ERR_NONE : e.code;
        assert_int_equal(r.outcomes[APPEND_INVALID], ok);
        const u64 settled = r.outcomes[APPEND_STORED] + r.outcomes[APPEND_DUPLICATE];
        assert_int_equal(outcomes_sum(&r), ok ? 2 : settled);
        stored += r.outcomes[APPEND_STORED];
        assert_int_equal(stored_count(s, 2000, &exemplars), stored);
    }
    buf_fini(&b);
    push_cache_free(c);
    memstore_free(s);
    if (gone) {
        memstore_free(left);
    }
    *again = requests[1];
    return requests[0];
}

// Once: its series came from the cache, so that nobody knows whether storage has it.
TEST(push_is_not_told_to_come_again_for_ever_for_a_broken_histogram)
{
    for (u32 gone = 0; gone < 2; gone++) {
        enum err codes[2];
        u64 again = 0;
        u32 told = 0;
        const u64 requests = broken_twice(0, 0, gone, codes, &again);
        for (u64 n = 1; n <= requests; n++) {
            (void)broken_twice(n, 0, gone, codes, &again);
            const u64 seconds = again;
            told += codes[0] == ERR_UNAVAILABLE;
            assert_int_equal(codes[1], ERR_NONE);
            for (u64 m = 1; m <= seconds; m++) {
                (void)broken_twice(n, m, gone, codes, &again);
                assert_false(codes[0] == ERR_UNAVAILABLE && codes[1] == ERR_UNAVAILABLE);
            }
        }
        assert_in_range(told, 2, requests); // Before and behind the question for the series.
    }
}
