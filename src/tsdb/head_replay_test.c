// head_replay_test.c: a row of the log at once leaves the head as its samples do one by one.
#include "base/bits.h"
#include "base/str.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/head.h"
#include "tsdb/wal_entry.h"

#include <stdio.h>

#define SERIES 40U
#define RANGE  ((i64)60000)
#define ROWS   400U
#define START  ((i64)1700000000000)

// Some of a target, some alone, every eighth ordinal nobody's.
static void series_make(struct head *h)
{
    for (u32 i = 0; i < SERIES; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%u", i);
        const struct label items[] = {
            {LABEL_NAME, str_c(name)}, {LABEL_INSTANCE, STR("i")}, {LABEL_JOB, STR("j")}};
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

static void series_compare(const struct head *a, const struct head *b, u32 i)
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
        assert_int_equal(window_chunk(a->windows[w], i), window_chunk(b->windows[w], i));
        const struct late_run *l = window_late(a->windows[w], i);
        const struct late_run *m = window_late(b->windows[w], i);
        assert_int_equal(l ? l->n : 0, m ? m->n : 0);
        for (u32 k = 0; l && k < l->n; k++) {
            assert_true(l->t[k] == m->t[k]);
            assert_true(bits_of_f64(l->values[k]) == bits_of_f64(m->values[k]));
        }
    }
}

TEST(head_replay_of_a_row_is_that_of_its_samples)
{
    for (u64 seed = 1; seed <= 3; seed++) {
        struct head_limits limits[2] = {{.series_max = 1000}, {.series_max = 1000}};
        struct head *one = head_new(0, RANGE, &limits[0], (u64)1 << 24);
        struct head *rows = head_new(0, RANGE, &limits[1], (u64)1 << 24);
        struct rng r;
        i64 now = START;
        rng_init(&r, seed);
        series_make(one);
        series_make(rows);
        one->t_floor = rows->t_floor = START - RANGE;
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
            for (u32 i = 0; i < row.n && t >= one->t_floor; i++) {
                if (head_live(one, ordinals[i])) {
                    head_replay(one, ordinals[i], t, values[i]);
                } else {
                    lost++;
                }
            }
            assert_int_equal(head_replay_row(rows, &row), lost);
        }
        assert_int_equal(one->window_count, rows->window_count);
        for (u32 i = 0; i < SERIES; i++) {
            series_compare(one, rows, i);
        }
        assert_true(one->window_count > 3 && one->t_max == rows->t_max);
        head_free(one);
        head_free(rows);
    }
}
