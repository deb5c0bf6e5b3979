#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "tsdb/match_cache.h"
#include "tsdb/postings.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define PODS      400U // More than are asked for their labels one by one.
#define TEXTS_MAX 4096U

static i64 start_of(i64 ranges)
{
    return FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - ranges * FIXTURE_RANGE;
}

static void pod_put(struct fixture *f, u32 pod, i64 t)
{
    char series[128];
    (void)snprintf(series, sizeof(series), "requests,job=j%u,pod=pod-%03u,shard=%u%s", pod % 7, pod,
                   pod % 3, pod % 5 == 0 ? ",rare=yes" : "");
    assert_true(append_is_stored(fixture_put(f, STREAM_SCRAPE, series, t, (f64)pod)));
}

// Some pods live all the time, some at the beginning, some only once; a rule beside them.
static void history_feed(struct fixture *f, i64 start)
{
    for (i64 k = 0; k < 16; k++) {
        i64 t = start + k * FIXTURE_RANGE / 4;
        for (u32 pod = 0; pod < PODS; pod++) {
            if (pod % 4 == 0 || (pod % 4 == 1 && k < 6) || (pod % 4 == 2 && k == pod % 16)) {
                pod_put(f, pod, t);
            }
        }
        assert_true(append_is_stored(fixture_put(f, STREAM_RULES, "total,job=j1", t, (f64)k)));
    }
}

// What the engine says, and what a walk over all data says. Threads: owned by the test.
struct answers {
    struct fixture *f;
    struct arena *arena;
    str texts[TEXTS_MAX];
    u32 count;
    u64 series;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static void walk(struct answers *w, struct storage_querier *q, str name, const struct matcher *ms,
                 u32 count)
{
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct error e = {0};
    struct series_cursor *c = q->ops->select(q, ms, count, &h, NULL, &e);
    assert_non_null(c);
    w->count = 0;
    w->series = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        struct labels ls = c->ops->labels(c);
        assert_true(c->ops->run(c, &run) && run.n > 0);
        assert_true(matchers_match(ms, count, ls));
        w->series++;
        for (u32 i = 0; i < ls.count; i++) {
            str text = name.len == 0 ? ls.items[i].name : ls.items[i].value;
            bool known = name.len > 0 && !str_eq(ls.items[i].name, name);
            for (u32 k = 0; !known && k < w->count; k++) {
                known = str_eq(w->texts[k], text);
            }
            if (!known) {
                assert_true(w->count < TEXTS_MAX);
                w->texts[w->count++] = arena_str(w->arena, text);
            }
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    qsort(w->texts, w->count, sizeof(str), by_text);
}

static void texts_compare(const struct answers *w, const str *texts, u32 n)
{
    assert_int_equal(n, w->count);
    for (u32 i = 0; i < n; i++) {
        assert_true(str_eq(texts[i], w->texts[i]));
    }
}

static void one_compare(struct answers *w, i64 min_ms, i64 max_ms, const struct matcher *ms,
                        u32 count)
{
    static const char *const names[] = {"", "pod", "job", "rare", "__name__", "nope"};
    struct error e = {0};
    struct storage_querier *q = storage_querier_open(w->f->s, TENANT_DEFAULT, min_ms, max_ms, &e);
    assert_non_null(q);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        str *texts = NULL;
        u32 n = 0;
        str name = str_c(names[i]);
        walk(w, q, name, ms, count);
        if (name.len == 0) {
            ASSERT_OK(q->ops->label_names(q, ms, count, w->arena, &texts, &n, &e), e);
        } else {
            ASSERT_OK(q->ops->label_values(q, name, ms, count, w->arena, &texts, &n, &e), e);
        }
        texts_compare(w, texts, n);
    }
    u64 series = 0;
    ASSERT_OK(q->ops->series_count(q, ms, count, &series, &e), e);
    assert_int_equal(series, w->series);
    storage_querier_close(q);
}

// Each selector over ranges that hold, cut and miss blocks and the head.
static void all_compare(struct fixture *f, i64 start)
{
    static const struct {
        enum match_op op;
        const char *name;
        const char *value;
    } rows[] = {
        {MATCH_EQ, "__name__", "requests"},
        {MATCH_EQ, "pod", "pod-008"},
        {MATCH_NE, "pod", "pod-008"},
        {MATCH_RE, "pod", "pod-0.[048]"},
        {MATCH_RE, "pod", "pod-00.+"},
        {MATCH_RE, "pod", "pod-000|pod-004|none"},
        {MATCH_NRE, "pod", "pod-000|pod-4"},
        {MATCH_NRE, "pod", "pod-1.*"},
        {MATCH_RE, "rare", ".*"},
        {MATCH_EQ, "rare", ""},
        {MATCH_NE, "rare", ""},
        {MATCH_RE, "rare", "yes|"},
        {MATCH_RE, "job", "j[135]"},
        {MATCH_NRE, "job", ".+"},
        {MATCH_EQ, "job", "none"},
        {MATCH_RE, "pod", ".*7"},
    };
    const i64 ranges[][2] = {{INT64_MIN, INT64_MAX},
                             {start + 20000, start + 70000},
                             {start + 100000, INT64_MAX},
                             {start + 200000, start + 215000},
                             {start - 9000, start - 1}};
    struct answers *w = MEM_NEW(struct answers);
    w->f = f;
    for (size_t r = 0; r < ARRAY_LEN(ranges); r++) {
        w->arena = arena_new((size_t)64 << 20);
        struct matcher ms[ARRAY_LEN(rows)];
        struct error e = {0};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            ASSERT_OK(matcher_init(&ms[i], w->arena, rows[i].op, str_c(rows[i].name),
                                   str_c(rows[i].value), &e),
                      e);
        }
        one_compare(w, ranges[r][0], ranges[r][1], NULL, 0);
        for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
            one_compare(w, ranges[r][0], ranges[r][1], &ms[i], 1);
        }
        for (u32 i = 0; i < 12; i++) {
            struct matcher some[3];
            u32 n = 2 + (u32)rng_below(&f->rng, 2);
            for (u32 k = 0; k < n; k++) {
                some[k] = ms[rng_below(&f->rng, ARRAY_LEN(rows))];
            }
            one_compare(w, ranges[r][0], ranges[r][1], some, n);
        }
        arena_free(w->arena);
    }
    mem_free(w);
}

TEST(labels_answer_as_a_walk_over_the_data_does)
{
    struct fixture f;
    i64 start = start_of(5);
    fixture_init(&f, 171);
    fixture_open(&f);
    history_feed(&f, start);
    all_compare(&f, start); // All in the head.
    fixture_steps(&f);
    all_compare(&f, start); // Blocks and the head; the second time from what they remember.
    all_compare(&f, start);
    fixture_fini(&f);
}

TEST(labels_do_not_show_what_is_deleted_or_came_later)
{
    struct fixture f;
    struct error e = {0};
    i64 start = start_of(5);
    u64 id;
    fixture_init(&f, 172);
    fixture_open(&f);
    history_feed(&f, start);
    fixture_steps(&f);
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    ASSERT_OK(matcher_init(&m, a, MATCH_RE, STR("pod"), STR("pod-..[08]"), &e), e);
    struct tsdb_deletion d = {
        .tenant = TENANT_DEFAULT, .ms = &m, .count = 1, .min_ms = INT64_MIN, .max_ms = INT64_MAX};
    ASSERT_OK(tsdb_delete(f.db, &d, &id, &e), e);
    all_compare(&f, start);
    // A querier does not see series, values or names that came after it.
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    assert_non_null(q);
    fixture_put(&f, STREAM_SCRAPE, "late,kind=new", start + 5 * FIXTURE_RANGE, 1);
    str *texts = NULL;
    u32 n = 9;
    u64 series = 9;
    ASSERT_OK(q->ops->label_values(q, STR("kind"), NULL, 0, a, &texts, &n, &e), e);
    assert_int_equal(n, 0);
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, STR("kind"), STR("new"), &e), e);
    ASSERT_OK(q->ops->series_count(q, &m, 1, &series, &e), e);
    assert_int_equal(series, 0);
    storage_querier_close(q);
    arena_free(a);
    fixture_fini(&f);
}

TEST(labels_keep_to_the_budget)
{
    struct fixture f;
    struct error e = {0};
    fixture_init(&f, 173);
    fixture_open(&f);
    history_feed(&f, start_of(4));
    struct arena *a = arena_new((size_t)1 << 20);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct query_budget budget = {.bytes_max = 2000};
    str *texts = NULL;
    u32 n = 0;
    int stop = 1;
    q->budget = &budget;
    assert_false(q->ops->label_values(q, STR("pod"), NULL, 0, a, &texts, &n, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "2000 bytes"));
    budget = (struct query_budget){.cancel = &stop};
    assert_false(q->ops->label_values(q, STR("pod"), NULL, 0, a, &texts, &n, &e));
    assert_int_equal(e.code, ERR_CANCELLED);
    budget = (struct query_budget){.deadline_mono_ns = 1};
    clk_manual_advance(f.clk, 1000);
    assert_false(q->ops->label_names(q, NULL, 0, a, &texts, &n, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_null(texts);
    budget = (struct query_budget){.bytes_max = (u64)1 << 20};
    ASSERT_OK(q->ops->label_values(q, STR("pod"), NULL, 0, a, &texts, &n, &e), e);
    assert_int_equal(n, 300);
    storage_querier_close(q);
    arena_free(a);
    fixture_fini(&f);
}

TEST(match_cache_gives_back_what_was_put_within_its_bounds)
{
    struct match_cache *c = match_cache_new();
    struct postings *set = postings_new();
    char name[16];
    for (u32 i = 0; i < 4096; i++) {
        postings_add(set, i * 3);
    }
    struct matcher m = {.op = MATCH_EQ, .value = STR("v")};
    for (u32 i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "n%u", i);
        m.name = str_c(name);
        match_cache_put(c, &m, set);
        assert_true(match_cache_bytes(c) <= MATCH_CACHE_BYTES);
        struct postings *got = match_cache_get(c, &m);
        assert_non_null(got);
        assert_int_equal(postings_count(got), 4096);
        postings_free(got);
        m.op = MATCH_NE;
        assert_null(match_cache_get(c, &m));
        m.op = MATCH_EQ;
        m.name = STR("n0"); // Asked for again and again, so it stays.
        got = match_cache_get(c, &m);
        assert_non_null(got);
        postings_free(got);
    }
    m.name = STR("n1");
    assert_null(match_cache_get(c, &m));
    for (u32 i = 0; i < 4000000; i += 61) { // Too large to be kept.
        postings_add(set, i);
    }
    m.name = STR("large");
    match_cache_put(c, &m, set);
    assert_null(match_cache_get(c, &m));
    postings_free(set);
    match_cache_free(c);
}
