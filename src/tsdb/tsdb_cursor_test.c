// tsdb_cursor_test.c: the order in which cursors give series, and what shards have in common.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"
#include "tsdb/head_newest.h"
#include "tsdb/tsdb_cursor_inner.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

static struct series_cursor *cursor_of(struct storage_querier *q, bool sorted, bool no_data)
{
    struct error e = {0};
    const struct matcher m = {.op = MATCH_EQ, .name = LABEL_NAME, .value = STR("m")};
    const struct select_hints h = {.end_ms = INT64_MAX, .sorted = sorted, .no_data = no_data};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &e);
    ASSERT_OK(c != NULL, e);
    return c;
}

// Walks it to its end and closes it.
static void cursor_print(struct series_cursor *c, struct buf *b)
{
    struct error e = {0};
    f64 room[CHUNK_VALUES_MAX];
    c->room = room;
    c->room_count = CHUNK_VALUES_MAX;
    while (c->ops->next(c)) {
        struct series_run run;
        buf_printf(b, "%.*s:", STR_ARG(labels_get(c->ops->labels(c), STR("a"))));
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                buf_printf(b, "%g@%lld ", run.values[i], (long long)(run.t_ms[i] - FIXTURE_NOW));
            }
        }
        buf_printf(b, ";");
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
}

// What a cursor gives, as text: "3:1@10 2@20;" is a series whose label a is 3, of two samples. One
// without samples is left out, as labels alone may tell of some.
static str cursor_text(struct storage_querier *q, bool sorted, bool no_data, struct arena *a)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    cursor_print(cursor_of(q, sorted, no_data), &b);
    str text = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return text;
}

static void put(struct fixture *f, enum storage_stream stream, const char *series, i64 at, f64 v)
{
    assert_int_equal(fixture_put(f, stream, series, FIXTURE_NOW + at, v), APPEND_STORED);
}

TEST(tsdb_cursor_gives_what_two_shards_have_of_a_series_once)
{
    struct fixture f;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    fixture_init(&f, 11);
    fixture_open(&f);
    put(&f, STREAM_SCRAPE, "m,a=3", 10, 1);
    put(&f, STREAM_SCRAPE, "m,a=1", 10, 2);
    put(&f, STREAM_SCRAPE, "m,a=2", 10, 3);
    put(&f, STREAM_RULES, "m,a=9", 10, 4);
    put(&f, STREAM_RULES, "m,a=2", 10, 5); // The first shard's counts.
    put(&f, STREAM_RULES, "m,a=2", 20, 6);
    put(&f, STREAM_RULES, "m,a=0", 10, 7);
    put(&f, STREAM_RULES, "m,a=3", 5, 8);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    const str by_labels = STR("0:7@10 ;1:2@10 ;2:3@10 6@20 ;3:8@5 1@10 ;9:4@10 ;");
    const str as_they_came = STR("3:8@5 1@10 ;1:2@10 ;2:3@10 6@20 ;9:4@10 ;0:7@10 ;");
    assert_true(str_eq(cursor_text(q, true, false, a), by_labels));
    assert_true(str_eq(cursor_text(q, false, false, a), as_they_came));
    // What came after the pin changes neither the series nor their order.
    put(&f, STREAM_RULES, "m,a=1", 20, 9);
    put(&f, STREAM_RULES, "m,a=4", 20, 9);
    put(&f, STREAM_SCRAPE, "m,a=0", 20, 9);
    assert_true(str_eq(cursor_text(q, false, false, a), as_they_came));
    assert_true(str_eq(cursor_text(q, true, false, a), by_labels));
    assert_true(str_eq(cursor_text(q, false, true, a), STR("3:;1:;2:;9:;0:;")));
    storage_querier_close(q);
    arena_free(a);
    fixture_fini(&f);
}

TEST(tsdb_cursor_keeps_its_order_where_the_first_shard_gets_its_first_series_later)
{
    struct fixture f;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    fixture_init(&f, 12);
    fixture_open(&f);
    put(&f, STREAM_RULES, "m,a=2", 10, 1);
    put(&f, STREAM_RULES, "m,a=1", 10, 2);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    str before = cursor_text(q, false, false, a);
    put(&f, STREAM_SCRAPE, "m,a=1", 20, 3);
    put(&f, STREAM_SCRAPE, "m,a=0", 20, 3);
    assert_true(str_eq(cursor_text(q, false, false, a), before));
    storage_querier_close(q);
    arena_free(a);
    fixture_fini(&f);
}

// The same, of slices.
static str slices_text(struct storage_querier *q, u32 count, struct arena *a)
{
    struct query_budget budgets[8] = {{.bytes = 0}};
    struct series_cursor *slices[8];
    struct error e = {0};
    struct series_cursor *c = cursor_of(q, true, false);
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_true(c->ops->slices(c, count, budgets, slices));
    for (u32 i = 0; i < count; i++) {
        cursor_print(slices[i], &b);
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    str text = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return text;
}

// Series of blocks, of the head and of rules, some of them in all.
static void put_everywhere(struct fixture *f)
{
    char series[16];
    for (u32 i = 0; i < 20; i++) {
        (void)snprintf(series, sizeof(series), "m,a=%u", i * 7 % 20);
        if (i % 3 != 0) {
            put(f, STREAM_SCRAPE, series, -10 * FIXTURE_RANGE + i, i);
            put(f, STREAM_SCRAPE, series, -5 * FIXTURE_RANGE + i, i);
        }
    }
    fixture_steps(f);
    for (u32 i = 0; i < 20; i++) {
        (void)snprintf(series, sizeof(series), "m,a=%u", i * 3 % 20);
        if (i % 4 != 0) {
            put(f, i % 4 == 1 ? STREAM_RULES : STREAM_SCRAPE, series, i, i + 0.5);
        }
    }
}

TEST(tsdb_cursor_is_cut_where_all_its_sources_have_the_same_series)
{
    struct fixture f;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    fixture_init(&f, 13);
    fixture_open(&f);
    put_everywhere(&f);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct series_cursor *c = cursor_of(q, true, false);
    assert_in_range(c->series_about, 13, 20); // There are 20; the blocks have 13 each.
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    const str whole = cursor_text(q, true, false, a);
    assert_true(whole.len > 200);
    for (u32 count = 1; count <= 8; count++) {
        const str cut = slices_text(q, count, a);
        if (!str_eq(cut, whole)) {
            fail_msg("%u slices:\n%s\n%s", count, cut.ptr, whole.ptr);
        }
    }
    storage_querier_close(q);
    arena_free(a);
    fixture_fini(&f);
}

TEST(tsdb_cursor_of_two_shards_in_no_order_stays_whole)
{
    struct fixture f;
    struct error e = {0};
    struct query_budget budgets[2] = {{.bytes = 0}};
    struct series_cursor *slices[2];
    struct arena *a = arena_new((size_t)1 << 20);
    fixture_init(&f, 14);
    fixture_open(&f);
    put(&f, STREAM_SCRAPE, "m,a=3", 10, 1);
    put(&f, STREAM_SCRAPE, "m,a=2", 10, 3);
    put(&f, STREAM_RULES, "m,a=9", 10, 4);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct series_cursor *c = cursor_of(q, false, false);
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_false(c->ops->slices(c, 2, budgets, slices));
    cursor_print(c, &b);
    assert_true(str_eq(buf_get(&b), STR("3:1@10 ;2:3@10 ;9:4@10 ;")));
    buf_fini(&b);
    storage_querier_close(q);
    arena_free(a);
    fixture_fini(&f);
}

// A clock of which so many looks are in time. Threads: owned by the test.
struct late_clk {
    struct clk base;
    u32 looks;
};

static i64 late_wall(UNUSED struct clk *c)
{
    return FIXTURE_NOW + 700000;
}

static i64 late_mono(struct clk *c)
{
    struct late_clk *late = (struct late_clk *)c;
    if (late->looks == 0) {
        return 1000;
    }
    late->looks--;
    return 1;
}

// Samples of three blocks whose range ends before the head, of one series; UINT64_MAX: an error.
static u64 samples_of_blocks(struct fixture *f, struct query_budget *b)
{
    struct error e = {0};
    struct storage_warnings w = {0};
    const struct matcher m = {.op = MATCH_EQ, .name = LABEL_NAME, .value = STR("m")};
    const i64 end_ms = FIXTURE_NOW + 150000;
    u64 samples = 0;
    struct storage_querier *q = storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, end_ms, &e);
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = end_ms};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, b, &e);
    while (c && c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            samples += run.n;
        }
    }
    const bool ok = c && c->ops->close(c, &w, &e);
    assert_false(ok && w.partial);
    storage_querier_close(q);
    return ok ? samples : UINT64_MAX;
}

// Wherever a deadline passes or bytes run out: an error, or all there is, never the part of the
// blocks that were selected before.
TEST(tsdb_cursor_leaves_no_block_out_when_its_budget_ends)
{
    static const struct clk_ops ops = {late_wall, late_mono};
    struct late_clk late = {.base = {&ops}};
    struct fixture f;
    u32 whole = 0;
    fixture_init(&f, 12);
    fixture_open(&f);
    clk_manual_advance(f.clk, 700000);
    for (i64 i = 0; i < 30; i++) {
        put(&f, STREAM_SCRAPE, "m,a=3", i * 20000, (f64)i);
    }
    fixture_steps(&f);
    assert_true(f.db->blocks->n > 3);
    const u64 want = samples_of_blocks(&f, NULL);
    for (u64 bytes_max = 1; bytes_max < 400; bytes_max++) {
        struct query_budget b = {.bytes_max = bytes_max};
        const u64 got = samples_of_blocks(&f, &b);
        assert_true(got == want || got == UINT64_MAX);
        whole += got == want;
    }
    assert_in_range(whole, 1, 398);
    struct clk *was = f.db->opts.clk;
    f.db->opts.clk = &late.base;
    whole = 0;
    for (u32 looks = 0; looks < 20; looks++) {
        struct query_budget b = {.deadline_mono_ns = 10};
        late.looks = looks;
        const u64 got = samples_of_blocks(&f, &b);
        assert_true(got == want || got == UINT64_MAX);
        whole += got == want;
    }
    assert_in_range(whole, 1, 19);
    f.db->opts.clk = was;
    fixture_fini(&f);
}

// Who charges need not look: what comes after a charge that was refused is nothing and an error.
TEST(tsdb_cursor_stays_failed_once_a_charge_was_refused)
{
    struct fixture f;
    struct error e = {0};
    struct query_budget b = {.bytes_max = 1 << 20};
    fixture_init(&f, 13);
    fixture_open(&f);
    clk_manual_advance(f.clk, 700000);
    for (i64 i = 0; i < 30; i++) {
        put(&f, STREAM_SCRAPE, i % 2 ? "m,a=1" : "m,a=2", i * 20000, (f64)i);
    }
    fixture_steps(&f);
    assert_true(f.db->blocks->n > 3);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, &b, &e);
    ASSERT_OK(c && c->ops->next(c), e);
    struct series_run run;
    assert_true(c->ops->run(c, &run));
    (void)cursor_charge(tsdb_cursor_of(c), 0, 0, b.bytes_max);
    assert_false(c->ops->run(c, &run));
    assert_false(c->ops->next(c));
    assert_false(c->ops->close(c, NULL, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "1048576 bytes"));
    storage_querier_close(q);
    fixture_fini(&f);
}

// How many series the newest samples are of; UINT64_MAX: an error.
static u64 newest_of_budget(struct fixture *f, struct query_budget *b)
{
    struct error e = {0};
    struct series_newest n;
    u64 series = 0;
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX, .newest = true};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, b, &e);
    while (c && c->ops->newest(c, &n)) {
        series += n.n;
    }
    const bool ok = c && c->ops->close(c, NULL, &e);
    assert_true(ok || e.code == ERR_LIMIT);
    storage_querier_close(q);
    return ok ? series : UINT64_MAX;
}

// Of several batches none is left out when the budget ends at one.
TEST(tsdb_newest_gives_all_series_or_an_error_when_its_budget_ends)
{
    struct fixture f;
    char series[32];
    u32 whole = 0;
    fixture_init(&f, 14);
    f.opts.block_range_ms = 7200000;
    fixture_open(&f);
    const u32 count = 2 * HEAD_NEWEST_MAX + 7;
    for (u32 i = 0; i < count; i++) {
        (void)snprintf(series, sizeof(series), "m,a=%u", i);
        put(&f, STREAM_SCRAPE, series, 10, i);
    }
    const u64 step = MAX(count / 50, 1);
    for (u64 series_max = 1; series_max < count + 2 * step; series_max += step) {
        struct query_budget b = {.series_max = series_max};
        const u64 got = newest_of_budget(&f, &b);
        assert_true(got == (series_max < count ? UINT64_MAX : count));
        whole += got == count;
    }
    for (u64 bytes_max = 1; bytes_max < count * 24; bytes_max += count / 4) {
        struct query_budget b = {.bytes_max = bytes_max};
        const u64 got = newest_of_budget(&f, &b);
        assert_true(got == count || got == UINT64_MAX);
        whole += got == count;
    }
    assert_true(whole > 2);
    fixture_fini(&f);
}

// --- Damage of what the head has sealed ----------------------------------------------------------

enum { SEALED_SAMPLES = 1500, SEALED_SERIES = 3 };

// A byte of the newest sealed chunk of the series with that ordinal.
static u8 *sealed_byte(const struct fixture *f, u32 ordinal)
{
    const struct head *h = f->db->heads[SHARD_MAIN];
    const struct head_window *w = h->windows[0];
    const u32 newest = window_chunk(w, ordinal);
    assert_int_not_equal(newest, SEALED_NONE);
    return (u8 *)(uintptr_t)sealed_at(&w->sealed, newest)->data;
}

// Whether all of a cursor was given; else the error is that of damage.
static bool cursor_whole(struct series_cursor *c)
{
    struct error e = {0};
    struct series_run run;
    f64 room[CHUNK_VALUES_MAX];
    u32 series = 0;
    c->room = room;
    c->room_count = CHUNK_VALUES_MAX;
    while (c->ops->next(c)) {
        series++;
        while (c->ops->run(c, &run)) {
            assert_true(run.n > 0);
        }
    }
    const bool ok = c->ops->close(c, NULL, &e);
    assert_true(ok ? series == SEALED_SERIES : e.code == ERR_CORRUPT);
    return ok;
}

static bool newest_whole(struct storage_querier *q)
{
    struct error e = {0};
    struct series_newest n;
    u32 series = 0;
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX, .newest = true};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    ASSERT_OK(c != NULL, e);
    while (c->ops->newest(c, &n)) {
        series += n.n;
    }
    const bool ok = c->ops->close(c, NULL, &e);
    assert_true(ok ? series == SEALED_SERIES : e.code == ERR_CORRUPT);
    return ok;
}

// Of a range in the middle of all samples, which the newest one says nothing about.
static void sealed_asked(struct fixture *f, bool whole)
{
    struct error e = {0};
    struct error why = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    u64 count = 0;
    str *texts;
    u32 n = 0;
    struct storage_querier *q = storage_querier_open(f->s, TENANT_DEFAULT, FIXTURE_NOW + 100,
                                                     FIXTURE_NOW + SEALED_SAMPLES - 100, &e);
    assert_int_equal(cursor_whole(cursor_of(q, true, false)), whole);
    assert_int_equal(cursor_whole(cursor_of(q, false, false)), whole);
    assert_int_equal(newest_whole(q), whole);
    assert_int_equal(q->ops->series_count(q, NULL, 0, &count, &why) && count == SEALED_SERIES,
                     whole);
    assert_int_equal(why.code, whole ? ERR_NONE : ERR_CORRUPT);
    assert_int_equal(q->ops->label_values(q, STR("a"), NULL, 0, a, &texts, &n, &why) &&
                         n == SEALED_SERIES,
                     whole);
    assert_int_equal(why.code, whole ? ERR_NONE : ERR_CORRUPT);
    storage_querier_close(q);
    arena_free(a);
}

TEST(tsdb_tells_damage_of_sealed_chunks_whoever_reads_them)
{
    struct fixture f;
    fixture_init(&f, 15);
    f.opts.block_range_ms = 7200000;
    fixture_open(&f);
    for (i64 i = 0; i < SEALED_SAMPLES; i++) {
        put(&f, STREAM_SCRAPE, "m,a=1", i, 1);
        put(&f, STREAM_SCRAPE, "m,a=2", i, 2);
        put(&f, STREAM_SCRAPE, "m,a=3", i, 3);
    }
    sealed_asked(&f, true);
    u8 *byte = sealed_byte(&f, 1);
    *byte ^= 1;
    sealed_asked(&f, false);
    *byte ^= 1;
    sealed_asked(&f, true);
    fixture_fini(&f);
}
