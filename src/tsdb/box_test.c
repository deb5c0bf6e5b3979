// box_test.c: boxes as bytes, in chunks, and large ones through log, head, blocks and compaction.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/match.h"
#include "os/clk.h"
#include "tsdb/block_page.h"
#include "tsdb/box.h"
#include "tsdb/box_chunk.h"
#include "tsdb/box_store.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

static bool box_eq(const struct box *a, const struct box *b)
{
    return a->has_start == b->has_start && a->start_ms == b->start_ms &&
           (a->hist != NULL) == (b->hist != NULL) &&
           (a->hist ? hist_eq(a->hist, b->hist) : bits_of_f64(a->value) == bits_of_f64(b->value));
}

TEST(box_bytes_round_trip_and_refuse_what_is_cut)
{
    struct arena *a = arena_new((size_t)64 << 20);
    struct buf bytes;
    buf_init(&bytes, (size_t)1 << 20);
    for (u64 seed = 0; seed < 300; seed++) {
        struct fixture_hist made;
        fixture_hist_make(seed, &made);
        struct box in = {.value = f64_of_bits(seed << 32 | 1)};
        in.hist = seed % 4 != 0 ? &made.h : NULL;
        in.has_start = seed % 3 == 0;
        in.start_ms = in.has_start ? -(i64)seed * 1000 : 0;
        struct box out;
        buf_clear(&bytes);
        box_encode(&in, &bytes);
        str s = buf_get(&bytes);
        assert_true(box_decode(s, a, &out));
        assert_true(box_eq(&in, &out));
        assert_true(box_same(s, s));
        struct box_brief brief = {0};
        assert_int_equal(box_is_hist(s, &brief), in.hist != NULL);
        assert_int_equal(brief.buckets,
                         in.hist ? made.h.positive.bucket_count + made.h.negative.bucket_count : 0);
        assert_int_equal(brief.ends, in.hist != NULL && is_stale_nan(made.h.sum));
        for (size_t len = 0; len < s.len; len++) {
            assert_false(box_decode(str_sub(s, 0, len), a, &out));
        }
        made.h.sum = f64_of_bits(STALE_NAN_BITS);
        buf_clear(&bytes);
        box_encode(&in, &bytes);
        assert_int_equal(box_is_hist(buf_get(&bytes), &brief) && brief.ends, in.hist != NULL);
        arena_reset(a);
    }
    buf_fini(&bytes);
    arena_free(a);
}

TEST(box_same_looks_past_the_start_timestamp)
{
    struct buf x;
    struct buf y;
    buf_init(&x, 1024);
    buf_init(&y, 1024);
    box_encode(&(struct box){.value = 2, .start_ms = 5, .has_start = true}, &x);
    box_encode(&(struct box){.value = 2, .start_ms = 7000, .has_start = true}, &y);
    assert_true(box_same(buf_get(&x), buf_get(&y)));
    assert_true(box_is_float(buf_get(&x), 2));
    assert_false(box_is_float(buf_get(&x), 3));
    buf_clear(&y);
    box_encode(&(struct box){.value = 2.5}, &y);
    assert_false(box_same(buf_get(&x), buf_get(&y)));
    buf_fini(&x);
    buf_fini(&y);
}

// A chunk of n samples by seed: its values refer to the list.
static void values_make(u64 seed, u32 n, struct fixture_hist *made, struct box_list *list,
                        f64 *values)
{
    for (u32 i = 0; i < n; i++) {
        u64 s = seed + i / (1 + seed % 20);
        struct box b = {.value = (f64)(s * i)};
        fixture_hist_make(s / 7 * 5 + s % 2, &made[i]);
        b.hist = s % 6 != 0 ? &made[i].h : NULL;
        b.has_start = s % 5 == 0;
        b.start_ms = b.has_start ? (i64)s : 0;
        bool plain = !b.hist && !b.has_start;
        values[i] = b.value;
        assert_true(plain || box_list_add(list, b, &values[i]));
    }
}

TEST(box_chunk_round_trips_runs_of_every_kind)
{
    struct arena *a = arena_new((size_t)64 << 20);
    struct buf bytes;
    struct fixture_hist *made = MEM_NEW_N(struct fixture_hist, CHUNK_VALUES_MAX);
    buf_init(&bytes, (size_t)1 << 20);
    for (u64 seed = 0; seed < 200; seed++) {
        struct box_list in = {.arena = a};
        struct box_list out = {.arena = a};
        f64 values[CHUNK_VALUES_MAX] = {0};
        f64 got[CHUNK_VALUES_MAX] = {0};
        u32 n = 1 + (u32)(seed * 37 % CHUNK_VALUES_MAX);
        values_make(seed, n, made, &in, values);
        buf_clear(&bytes);
        box_chunk_encode(values, n, &in, &bytes);
        assert_true(buf_ok(&bytes));
        assert_non_null(buf_room(&bytes, PAGE_SLACK));
        struct error e = {0};
        str s = buf_get(&bytes);
        ASSERT_OK(box_chunk_decode(s, n, &out, got, &e), e);
        for (u32 i = 0; i < n; i++) {
            assert_int_equal(is_box(values[i]), is_box(got[i]));
            assert_true(is_box(got[i])
                            ? box_eq(box_list_get(&in, values[i]), box_list_get(&out, got[i]))
                            : values[i] == got[i]);
        }
        assert_false(box_chunk_decode(str_sub(s, 0, s.len - 1), n, &out, got, &e));
        assert_int_equal(e.code, ERR_CORRUPT);
        arena_reset(a);
    }
    mem_free(made);
    buf_fini(&bytes);
    arena_free(a);
}

// As many buckets as one may have, all different.
static struct hist *large_make(struct arena *a, u32 number)
{
    struct hist *h = ARENA_NEW(a, struct hist);
    f64 *buckets = ARENA_NEW_N(a, f64, HIST_BUCKETS_MAX);
    struct hist_span *spans = ARENA_NEW_N(a, struct hist_span, HIST_BUCKETS_MAX);
    for (u32 i = 0; i < HIST_BUCKETS_MAX; i++) {
        buckets[i] = (f64)(i + number) / 7;
        spans[i] = (struct hist_span){.offset = (i32)(i % 1000 * 100), .length = 1};
    }
    *h = (struct hist){.schema = 3, .is_float = true, .count = number, .sum = 1};
    h->positive = (struct hist_side){spans, HIST_BUCKETS_MAX, buckets, HIST_BUCKETS_MAX};
    h->negative = h->positive;
    return h;
}

static void large_put(struct fixture *f, i64 t, const struct hist *h)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct labels ls = fixture_labels("large,instance=i,job=j", items, bytes);
    struct series_ref ref;
    u8 outcome;
    u8 kind = SAMPLE_HIST;
    u64 position;
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    struct append_batch b = {
        .refs = &ref, .t_ms = &t, .kinds = &kind, .hists = &h, .n = 1, .outcomes = &outcome};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_SYNC, &position, &e), e);
    assert_int_equal(outcome, APPEND_STORED);
    storage_appender_close(a);
}

static u32 large_count(struct fixture *f, struct arena *a)
{
    struct error e = {0};
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    u32 n = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                assert_int_equal(run.kind, SAMPLE_HIST);
                assert_true(hist_eq(run.hists[i], large_make(a, n++)));
                arena_reset(a);
            }
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    return n;
}

TEST(tsdb_keeps_the_largest_histograms_through_blocks)
{
    struct fixture f;
    struct arena *a = arena_new((size_t)64 << 20);
    fixture_init(&f, 5);
    f.opts.compact_first = 2;
    f.opts.compact_second = 2;
    fixture_open(&f);
    for (u32 i = 0; i < 40; i++) {
        large_put(&f, FIXTURE_NOW + i * 5000, large_make(a, i));
        clk_manual_advance(f.clk, 5000);
        arena_reset(a);
    }
    assert_int_equal(large_count(&f, a), 40);
    fixture_reopen(&f);
    assert_int_equal(large_count(&f, a), 40);
    fixture_steps(&f);
    struct tsdb_block_info *infos;
    u32 n;
    tsdb_blocks_get(f.db, a, &infos, &n);
    assert_true(n > 0);
    u32 levels = 0;
    for (u32 i = 0; i < n; i++) {
        levels = MAX(levels, infos[i].level);
    }
    assert_true(levels > 1); // Made of others.
    assert_int_equal(large_count(&f, a), 40);
    fixture_reopen(&f);
    assert_int_equal(large_count(&f, a), 40);
    fixture_fini(&f);
    arena_free(a);
}

// Together far more than is ever opened at once.
TEST(tsdb_cuts_many_large_histograms_of_one_series_and_window)
{
    struct fixture f;
    struct arena *a = arena_new((size_t)64 << 20);
    fixture_init(&f, 6);
    fixture_open(&f);
    for (u32 i = 0; i < 40; i++) {
        large_put(&f, FIXTURE_NOW + (i < 24 ? i : i * (i64)5000), large_make(a, i));
        clk_manual_advance(f.clk, i < 24 ? 1 : 5000);
        arena_reset(a);
    }
    fixture_steps(&f);
    struct tsdb_block_info *infos;
    u32 n;
    tsdb_blocks_get(f.db, a, &infos, &n);
    assert_true(n > 0);
    assert_int_equal(large_count(&f, a), 40);
    fixture_fini(&f);
    arena_free(a);
}

TEST(box_store_open_says_when_the_list_has_no_room)
{
    struct arena *a = arena_new((size_t)8 << 20);
    struct arena *small = arena_new((size_t)1 << 20);
    struct box_list list = {.arena = small};
    struct box_store s = {.count = 0};
    struct buf bytes;
    buf_init(&bytes, (size_t)1 << 20);
    box_encode(&(struct box){.hist = large_make(a, 1)}, &bytes);
    bool ok = true;
    u32 n = 0;
    for (; ok && n < 8; n++) {
        f64 v = box_store_add(&s, buf_get(&bytes));
        ok = box_store_open(&s, &v, 1, &list);
    }
    assert_false(ok);
    assert_true(n > 1);
    arena_reset(small);
    list = (struct box_list){.arena = small};
    f64 again = box_store_add(&s, buf_get(&bytes));
    assert_true(box_store_open(&s, &again, 1, &list));
    assert_true(hist_eq(box_list_get(&list, again)->hist, large_make(a, 1)));
    box_store_fini(&s);
    buf_fini(&bytes);
    arena_free(small);
    arena_free(a);
}

TEST(box_any_finds_one_wherever_it_stands)
{
    enum { MOST = 40 };
    f64 values[MOST];
    for (u32 n = 0; n <= MOST; n++) {
        for (u32 i = 0; i < n; i++) { // Halves that look like a tag, and NaN that are none.
            static const u64 odd[] = {0x7ff35450ffffffff, 0x7ff3544b7ff3544c, 0x000000017ff3544c,
                                      0x7ff8000000000000, 0x3ff0000000000001, 0xfff3544c00000000};
            values[i] = f64_of_bits(odd[(i + n) % ARRAY_LEN(odd)]);
        }
        assert_false(box_any(values, n));
        for (u32 i = 0; i < n; i++) {
            for (u32 place = 0; place < 4; place++) {
                const f64 kept = values[i];
                values[i] = f64_of_bits((u64)(BOX_TAG | place) << 32 | i);
                assert_true(is_box(values[i]) && box_any(values, n));
                values[i] = kept;
            }
        }
    }
}
