// time_columns_test.c: series share times if storage says so or the times themselves do.
#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/test.h"
#include "promql/query_run.h"
#include "promql/time_columns.h"
#include "storage/storage.h"

enum { ROWS = 100, HALF = 40 };

// Threads: owned by the test.
struct scene {
    struct error error;
    struct run run;
    struct time_columns columns;
    i64 t_ms[ROWS + 1];
};

static void scene_up(struct scene *x)
{
    *x = (struct scene){.run = {.bytes_limit = (u64)4 << 20}};
    x->run.error = &x->error;
    x->run.arena = arena_new((size_t)8 << 20);
    x->run.scratch = arena_new((size_t)1 << 20);
    for (u32 i = 0; i <= ROWS; i++) {
        x->t_ms[i] = 1000 * (i64)i;
    }
}

static void scene_down(struct scene *x)
{
    arena_free(x->run.arena);
    arena_free(x->run.scratch);
}

// A series of two runs of these numbers, count samples together: its column, whose times are right.
static u32 put(struct scene *x, u64 first_id, u64 second_id, u32 count)
{
    const struct series_run a = {.column_id = first_id, .t_ms = x->t_ms, .n = HALF};
    const struct series_run b = {.column_id = second_id, .t_ms = x->t_ms + HALF, .n = count - HALF};
    u32 column;
    time_columns_begin(&x->columns);
    assert_true(time_columns_add(&x->columns, &x->run, &a, 0));
    assert_true(time_columns_add(&x->columns, &x->run, &b, HALF));
    assert_true(time_columns_end(&x->columns, &x->run, false, &column));
    const struct time_column *c =
        column == COLUMN_NONE ? &x->columns.now : &x->columns.items[column];
    assert_int_equal(c->count, count);
    assert_memory_equal(c->t_ms, x->t_ms, count * sizeof(i64));
    return column;
}

TEST(time_columns_are_one_by_number_or_by_times)
{
    struct scene x;
    scene_up(&x);
    const u32 first = put(&x, 1, 2, ROWS);
    assert_int_not_equal(first, COLUMN_NONE);
    const u32 version = x.columns.items[first].version;
    assert_int_equal(put(&x, 1, 2, ROWS), first);
    assert_int_equal(put(&x, 3, 4, ROWS), first);
    assert_int_equal(put(&x, 1, 5, ROWS), first);
    assert_int_equal(put(&x, 0, 0, ROWS), first); // Nobody else's numbers, but these times.
    assert_int_equal(x.columns.items[first].version, version);
    assert_int_equal(x.columns.count, 1);
    scene_down(&x);
}

TEST(time_columns_differ_where_one_time_does)
{
    struct scene x;
    scene_up(&x);
    const u32 first = put(&x, 1, 2, ROWS);
    const u32 shorter = put(&x, 1, 3, ROWS - 1);
    const u32 longer = put(&x, 1, 4, ROWS + 1);
    x.t_ms[HALF + 7]++;
    const u32 other = put(&x, 5, 6, ROWS);
    x.t_ms[0]--;
    const u32 earlier = put(&x, 7, 8, ROWS);
    const u32 all[] = {first, shorter, longer, other, earlier};
    for (u32 i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_not_equal(all[i], COLUMN_NONE);
        for (u32 k = 0; k < i; k++) {
            assert_int_not_equal(all[i], all[k]);
        }
    }
    assert_int_equal(put(&x, 0, 9, HALF + 1), COLUMN_NONE);
    scene_down(&x);
}

// Series that were cut elsewhere have the times but not the numbers; the next ones need no look at
// the times.
TEST(time_columns_have_the_numbers_of_the_last_series)
{
    struct scene x;
    scene_up(&x);
    const u32 first = put(&x, 1, 2, ROWS);
    assert_int_equal(put(&x, 3, 4, ROWS), first);
    const i64 *times = x.columns.items[first].t_ms;
    const i64 unread[ROWS] = {0};
    const struct series_run a = {.column_id = 3, .t_ms = unread, .n = HALF};
    const struct series_run b = {.column_id = 4, .t_ms = unread + HALF, .n = ROWS - HALF};
    u32 column;
    time_columns_begin(&x.columns);
    assert_true(time_columns_add(&x.columns, &x.run, &a, 0));
    assert_true(time_columns_add(&x.columns, &x.run, &b, HALF));
    assert_true(time_columns_end(&x.columns, &x.run, true, &column));
    assert_int_equal(column, first);
    assert_ptr_equal(x.columns.items[first].t_ms, times);
    assert_memory_equal(times, x.t_ms, ROWS * sizeof(i64));
    assert_int_equal(put(&x, 1, 2, ROWS), first);
    scene_down(&x);
}
