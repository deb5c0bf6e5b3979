// head_replay_test.c: a row of the log at once leaves the head as its samples do one by one, and
// rows at once as one after the other.
#include "base/bits.h"
#include "base/str.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/head.h"
#include "tsdb/head_replay.h"
#include "tsdb/replay_rows.h"

#include <stdio.h>

#define SERIES 40U
#define RANGE  ((i64)60000)
#define ROWS   400U
#define START  ((i64)1700000000000)
#define STEP   ((i64)1500)

// Some of a target, some alone, every eighth ordinal nobody's.
static void series_make(struct head *h)
{
    for (u32 i = 0; i < SERIES; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%u", i);
        const struct label items[] = {{LABEL_NAME, str_c(name)},
                                      {LABEL_INSTANCE, i < SERIES * 3 / 4 ? STR("i") : STR("k")},
                                      {LABEL_JOB, STR("j")}};
        const struct labels set = {.items = items, .count = i % 3 == 0 ? 1 : 3};
        if (i % 8 != 5) {
            assert_int_equal(head_restore(h, TENANT_DEFAULT, set, i), i);
        }
    }
}

static u32 row_make(struct rng *r, u32 *ordinals, f64 *values)
{
    u32 n = 0;
    for (u32 i = 0; i < SERIES + 4; i++) { // The last are beyond the table.
        if (rng_below(r, 3) == 0) {
            continue;
        }
        ordinals[n] = i;
        values[n++] = rng_below(r, 30) == 0 ? box_ref(0, (u32)rng_below(r, 9)) // Only looks so.
                                            : (f64)rng_below(r, 5);
    }
    return n;
}

static void row_compare(const struct head *a, const struct head *b, u32 i)
{
    const struct head_row *x = &a->rows[i];
    const struct head_row *y = &b->rows[i];
    u8 tokens[2][OPEN_BYTES_MAX];
    assert_true(x->t_last == y->t_last && bits_of_f64(x->v_last) == bits_of_f64(y->v_last));
    assert_int_equal(x->open.n, y->open.n);
    assert_int_equal(x->open.bytes, y->open.bytes);
    assert_int_equal(x->open.flags, y->open.flags);
    open_chunk_copy(&a->cells, &x->open, tokens[0]);
    open_chunk_copy(&b->cells, &y->open, tokens[1]);
    assert_memory_equal(tokens[0], tokens[1], x->open.bytes);
    for (u32 w = 0; w < a->window_count; w++) {
        const struct late_run *l = window_late(a->windows[w], i);
        const struct late_run *m = window_late(b->windows[w], i);
        assert_int_equal(l ? l->n : 0, m ? m->n : 0);
        for (u32 k = 0; l && k < l->n; k++) {
            assert_true(l->t[k] == m->t[k]);
            assert_true(bits_of_f64(l->values[k]) == bits_of_f64(m->values[k]));
        }
    }
}

static void series_compare(const struct head *a, const struct head *b, u32 i)
{
    row_compare(a, b, i);
    for (u32 w = 0; w < a->window_count; w++) {
        assert_int_equal(window_chunk(a->windows[w], i), window_chunk(b->windows[w], i));
    }
}

// Two heads with the same series. Threads: owned by the test.
struct heads {
    struct head_limits limits[2];
    struct head *one;
    struct head *rows;
};

static void heads_make(struct heads *h, i64 t_floor)
{
    *h = (struct heads){.limits = {{.series_max = 1000}, {.series_max = 1000}}};
    h->one = head_new(0, RANGE, &h->limits[0], (u64)1 << 24);
    h->rows = head_new(0, RANGE, &h->limits[1], (u64)1 << 24);
    series_make(h->one);
    series_make(h->rows);
    h->one->t_floor = h->rows->t_floor = t_floor;
}

// And lets them go. compare: what must be the same of each series.
static void heads_compare(struct heads *h,
                          void (*compare)(const struct head *a, const struct head *b, u32 i))
{
    assert_int_equal(h->one->window_count, h->rows->window_count);
    for (u32 i = 0; i < SERIES; i++) {
        compare(h->one, h->rows, i);
    }
    assert_true(h->one->window_count > 3 && h->one->t_max == h->rows->t_max);
    head_free(h->one);
    head_free(h->rows);
}

TEST(head_replay_of_a_row_is_that_of_its_samples)
{
    for (u64 seed = 1; seed <= 3; seed++) {
        struct heads h;
        struct rng r;
        i64 now = START;
        rng_init(&r, seed);
        heads_make(&h, START - RANGE);
        for (u32 n = 0; n < ROWS; n++) {
            u32 ordinals[SERIES + 4];
            f64 values[SERIES + 4];
            now += (i64)rng_below(&r, 3000);
            const i64 t = rng_below(&r, 5) == 0 ? now - (i64)rng_below(&r, 3 * RANGE) : now;
            const struct wal_row row = {.t = t,
                                        .ordinals = ordinals,
                                        .values = values,
                                        .n = row_make(&r, ordinals, values)};
            u32 lost = 0;
            for (u32 i = 0; i < row.n && t >= h.one->t_floor; i++) {
                if (head_live(h.one, ordinals[i])) {
                    head_replay(h.one, ordinals[i], t, values[i]);
                } else {
                    lost++;
                }
            }
            assert_int_equal(head_replay_row(h.rows, &row), lost);
        }
        heads_compare(&h, series_compare);
    }
}

// Where the chunks of a series stand differs, what they hold does not.
static void chunks_compare(const struct head *a, const struct head *b, u32 window, u32 i)
{
    const struct head_window *v = a->windows[window];
    const struct head_window *w = b->windows[window];
    u32 x = window_chunk(v, i);
    u32 y = window_chunk(w, i);
    while (x != SEALED_NONE && y != SEALED_NONE) {
        const struct sealed *c = sealed_at(&v->sealed, x);
        const struct sealed *d = sealed_at(&w->sealed, y);
        const struct segment *s = window_segment_at(v, c->segment);
        const struct segment *o = window_segment_at(w, d->segment);
        assert_true(str_eq(sealed_bytes(c), sealed_bytes(d)));
        assert_int_equal(c->first, d->first);
        assert_int_equal(c->last, d->last);
        assert_int_equal(!sealed_presence(c), !sealed_presence(d));
        assert_true(!sealed_presence(c) ||
                    memcmp(sealed_presence(c), sealed_presence(d), PRESENCE_BYTES) == 0);
        assert_int_equal(s->group, o->group);
        assert_int_equal(s->n, o->n);
        assert_memory_equal(s->t, o->t, s->n * sizeof(i64));
        x = c->older;
        y = d->older;
    }
    assert_true(x == SEALED_NONE && y == SEALED_NONE);
}

static void content_compare(const struct head *a, const struct head *b, u32 i)
{
    const struct head_row *x = &a->rows[i];
    const struct head_row *y = &b->rows[i];
    row_compare(a, b, i);
    assert_int_equal(!x->open.segment, !y->open.segment);
    if (x->open.segment) {
        assert_int_equal(x->open.segment->n, y->open.segment->n);
        assert_memory_equal(x->open.segment->t, y->open.segment->t,
                            x->open.segment->n * sizeof(i64));
        assert_int_equal(x->open.first, y->open.first);
        assert_int_equal(x->open.last, y->open.last);
    }
    for (u32 w = 0; w < a->window_count; w++) {
        chunks_compare(a, b, w, i);
    }
}

// Of one target, at times of both; some alone, some with nobody's ordinal among them.
static u32 rows_make(struct rng *r, u32 *ordinals)
{
    const u32 kind = (u32)rng_below(r, 8);
    u32 n = 0;
    for (u32 i = 0; i < SERIES + 4; i++) {
        const bool apart =
            i < SERIES && (i % 3 == 0 || (kind != 6 && (kind > 3) != (i < SERIES * 3 / 4)));
        if ((apart && kind < 7) || (i >= SERIES && kind > 0) || rng_below(r, 6) == 0) {
            continue;
        }
        ordinals[n++] = i;
    }
    return n;
}

// The same series again and again, with gaps, jumps into the next window and back; often the log
// tells again first what most of them have.
static u32 rows_replay(struct head *one, struct replay_rows *rows, struct rng *r, i64 *now)
{
    u32 ordinals[SERIES + 4];
    f64 values[SERIES + 4];
    const u32 n = rows_make(r, ordinals);
    const u32 count = 1 + (u32)rng_below(r, 60);
    const u32 boxes = (u32)rng_below(r, 4);
    const i64 again = rng_below(r, 2) == 0 ? *now - 8 * STEP : *now;
    *now = MAX(again, START);
    u32 lost = 0;
    for (u32 k = 0; n > 0 && k < count; k++) {
        *now += rng_below(r, 40) == 0 ? (i64)rng_below(r, 100) * STEP
                                      : (1 + (i64)(rng_below(r, 6) == 0)) * STEP;
        const i64 t = rng_below(r, 25) == 0 ? *now - (i64)rng_below(r, 2 * RANGE) : *now;
        for (u32 i = 0; i < n; i++) {
            const bool moves = rng_below(r, 2) == 0;
            values[i] = moves ? (f64)rng_below(r, 3000) / (i % 4 == 0 ? 100 : 1) : (f64)i;
            values[i] = boxes == 0 && rng_below(r, 200) == 0 ? box_ref(0, 3) : values[i];
        }
        const struct wal_row row = {.t = t, .ordinals = ordinals, .values = values, .n = n};
        lost += head_replay_row(one, &row);
        replay_rows_add(rows, &row);
    }
    return lost;
}

static void rows_at_once(u64 seed, u32 times, bool threaded)
{
    struct heads h;
    struct rng r;
    struct replay_rows rows;
    i64 now = START;
    u64 lost = 0;
    rng_init(&r, seed);
    heads_make(&h, START + (seed % 2 == 0 ? RANGE : -RANGE));
    replay_rows_init(&rows, h.rows, threaded);
    for (u32 n = 0; n < times; n++) {
        lost += rows_replay(h.one, &rows, &r, &now);
        if (rng_below(&r, 100) == 0) {
            replay_rows_settle(&rows);
            assert_int_equal(rows.lost, lost);
        }
    }
    replay_rows_settle(&rows);
    assert_int_equal(rows.lost, lost);
    assert_true(!threaded || times < 100 || rows.thread);
    replay_rows_fini(&rows);
    heads_compare(&h, content_compare);
}

TEST(head_replay_of_rows_at_once_is_that_of_one_after_the_other)
{
    for (u64 seed = 1; seed <= 20; seed++) {
        rows_at_once(seed, 20, false);
    }
}

TEST(head_replay_of_rows_by_a_thread_is_that_of_one_after_the_other)
{
    for (u64 seed = 31; seed <= 34; seed++) {
        rows_at_once(seed, 200, true);
    }
}

// A row of more series than a bundle takes goes in between those that were there and those behind.
TEST(head_replay_of_a_row_that_is_too_long_keeps_the_order)
{
    const u32 n = WAL_ROWS_VALUES / 4 + 1;
    u32 *ordinals = MEM_NEW_N(u32, n);
    f64 *values = MEM_NEW_N(f64, n);
    for (u32 i = 0; i < n; i++) {
        ordinals[i] = i;
    }
    for (u32 threaded = 0; threaded < 2; threaded++) {
        struct heads h;
        struct replay_rows rows;
        u32 lost = 0;
        heads_make(&h, START);
        replay_rows_init(&rows, h.rows, threaded != 0);
        for (u32 k = 0; k < 9; k++) {
            for (u32 i = 0; i < SERIES; i++) {
                values[i] = (f64)(k * i);
            }
            const struct wal_row row = {
                .t = START + k * RANGE, .ordinals = ordinals, .values = values, .n = k % 3 ? 7 : n};
            lost += head_replay_row(h.one, &row);
            replay_rows_add(&rows, &row);
        }
        replay_rows_settle(&rows);
        assert_int_equal(rows.lost, lost);
        replay_rows_fini(&rows);
        heads_compare(&h, content_compare);
    }
    mem_free(ordinals);
    mem_free(values);
}

// As when a log cannot be read to its end: what was not settled goes nowhere.
TEST(replay_rows_end_in_the_middle)
{
    for (u32 threaded = 0; threaded < 2; threaded++) {
        struct heads h;
        struct replay_rows rows;
        u32 ordinals[SERIES];
        f64 values[SERIES] = {0};
        heads_make(&h, START);
        replay_rows_init(&rows, h.rows, threaded != 0);
        for (u32 i = 0; i < SERIES; i++) {
            ordinals[i] = i;
        }
        for (u32 k = 0; k < 12 * WAL_ROWS_ENOUGH / SERIES; k++) {
            const struct wal_row row = {
                .t = START + k, .ordinals = ordinals, .values = values, .n = 1 + k % SERIES};
            replay_rows_add(&rows, &row);
        }
        assert_int_equal(rows.thread != NULL, threaded);
        replay_rows_fini(&rows);
        head_free(h.one);
        head_free(h.rows);
    }
}

// Rows and values of all bundles.
static u32 gathered(const struct wal_gather *g, u32 *values)
{
    u32 rows = 0;
    *values = 0;
    for (u32 i = 0; i < g->count; i++) {
        const struct wal_rows b = wal_gather_rows(g, i);
        rows += b.rows;
        *values += b.rows * b.n;
    }
    return rows;
}

TEST(wal_gather_bundles_rows_of_the_same_series_in_order)
{
    const u32 ordinals[] = {3, 4, 9};
    const u32 others[] = {3, 4, 8};
    const f64 values[] = {1, 2, 3};
    struct wal_gather g = {0};
    struct wal_row row;
    u32 count;
    const struct {
        i64 t;
        const u32 *ordinals;
        u32 n;
        u32 bundles;
    } steps[] = {{5, ordinals, 3, 1}, {7, ordinals, 3, 1}, {7, ordinals, 3, 2}, // Not newer.
                 {8, others, 3, 3},   {9, others, 2, 4},   {11, others, 2, 4}};
    for (u32 i = 0; i < ARRAY_LEN(steps); i++) {
        row = (struct wal_row){
            .t = steps[i].t, .ordinals = steps[i].ordinals, .values = values, .n = steps[i].n};
        assert_true(wal_gather_add(&g, &row));
        assert_int_equal(g.count, steps[i].bundles);
    }
    assert_int_equal(gathered(&g, &count), ARRAY_LEN(steps));
    assert_int_equal(count, 3 * 4 + 2 * 2);
    const struct wal_rows first = wal_gather_rows(&g, 0);
    assert_int_equal(first.rows, 2);
    assert_int_equal(first.n, 3);
    assert_true(first.t[0] == 5 && first.t[1] == 7);
    assert_memory_equal(first.ordinals, ordinals, sizeof(ordinals));
    for (u32 k = 0; k < 2; k++) {
        assert_memory_equal(first.values + (size_t)k * first.stride, values, sizeof(values));
    }
    const struct wal_rows last = wal_gather_rows(&g, 3);
    assert_true(last.rows == 2 && last.n == 2 && last.t[0] == 9 && last.t[1] == 11);
    wal_gather_clear(&g);
    row.n = 0;
    assert_false(wal_gather_add(&g, &row));
    row.n = WAL_ROWS_VALUES; // Whoever asks has that many; nothing of it is looked at.
    assert_false(wal_gather_add(&g, &row));
    assert_int_equal(g.count, 0);
    wal_gather_fini(&g);
}

// No bundle is begun behind enough; one that was goes on as far as there is room.
TEST(wal_gather_ends_at_a_bundle)
{
    const u32 n = WAL_ROWS_ENOUGH / 8;
    u32 *ordinals = MEM_NEW_N(u32, n);
    f64 *values = MEM_NEW_N(f64, n);
    struct wal_gather g = {0};
    struct wal_row row = {.t = 1, .ordinals = ordinals, .values = values, .n = n};
    u32 count;
    for (u32 i = 0; i < n; i++) {
        ordinals[i] = i;
    }
    for (; row.t <= WAL_ROWS_AT_ONCE; row.t++) {
        assert_true(wal_gather_add(&g, &row));
    }
    assert_true(g.value_count > WAL_ROWS_ENOUGH);
    assert_false(wal_gather_add(&g, &row)); // It has as many rows as go at once.
    assert_int_equal(gathered(&g, &count), WAL_ROWS_AT_ONCE);
    assert_int_equal(count, WAL_ROWS_AT_ONCE * n);
    wal_gather_fini(&g);
    mem_free(ordinals);
    mem_free(values);
}

// Series of a target take part in some of the rows that others of it have made.
TEST(head_replay_of_rows_at_once_passes_over_rows_of_others)
{
    const u32 first[] = {1, 2};
    const u32 second[] = {4, 7};
    const i64 some[] = {0, 2, 3, 4, 7, 8, 9, 10};
    struct head_limits limits[2] = {{.series_max = 1000}, {.series_max = 1000}};
    struct head *heads[2] = {head_new(0, RANGE, &limits[0], (u64)1 << 24),
                             head_new(0, RANGE, &limits[1], (u64)1 << 24)};
    i64 t[ARRAY_LEN(some)];
    f64 values[2 * ARRAY_LEN(some)];
    for (u32 k = 0; k < ARRAY_LEN(some); k++) {
        t[k] = START + some[k] * STEP;
        values[2 * k] = (f64)k;
        values[2 * k + 1] = (f64)k / 7;
    }
    for (u32 i = 0; i < 2; i++) {
        series_make(heads[i]);
        for (u32 k = 0; k < 9; k++) {
            const f64 v[] = {(f64)k, 5};
            const struct wal_row row = {
                .t = START + k * STEP, .ordinals = first, .values = v, .n = 2};
            assert_int_equal(head_replay_row(heads[i], &row), 0);
        }
    }
    for (u32 k = 0; k < ARRAY_LEN(some); k++) {
        const struct wal_row row = {
            .t = t[k], .ordinals = second, .values = values + (size_t)2 * k, .n = 2};
        assert_int_equal(head_replay_row(heads[0], &row), 0);
    }
    const struct wal_rows rows = {
        .t = t, .rows = ARRAY_LEN(some), .ordinals = second, .n = 2, .values = values, .stride = 2};
    assert_int_equal(head_replay_rows(heads[1], &rows), 0);
    for (u32 i = 0; i < SERIES; i++) {
        content_compare(heads[0], heads[1], i);
    }
    head_free(heads[0]);
    head_free(heads[1]);
}

// As when every definition of a log was damaged.
TEST(head_replay_of_rows_at_once_tells_what_nobody_has)
{
    const u32 ordinals[] = {3, 4};
    const i64 t[] = {START, START + STEP};
    const f64 values[] = {1, 2, 3, 4};
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, RANGE, &limits, (u64)1 << 24);
    const struct wal_rows rows = {
        .t = t, .rows = 2, .ordinals = ordinals, .n = 2, .values = values, .stride = 2};
    assert_int_equal(head_replay_rows(h, &rows), 4);
    head_free(h);
}
