// time_cache_test.c: what is kept of columns, against a list of all that were ever put.
#include "base/base.h"
#include "base/str.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/time_cache.h"

#include <stdio.h>

#define BYTES_MAX ((size_t)8 << 20)

static void times_make(u32 kind, i64 *t_ms, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        t_ms[i] = (i64)kind * 1000000 + i;
    }
}

// As a reader does it.
static const struct column_times *column_get(struct time_cache *c, u32 column, u32 kind, u32 n)
{
    char text[16];
    i64 t_ms[64];
    const int len = snprintf(text, sizeof(text), "k%u", kind);
    const str body = {text, (size_t)len};
    const struct column_times *times = time_cache_get(c, column);
    if (times) {
        return times;
    }
    times = time_cache_equal(c, body, n);
    if (times) {
        time_cache_share(c, column, times);
        return times;
    }
    times_make(kind, t_ms, n);
    return time_cache_add(c, column, body, t_ms, n);
}

TEST(equal_columns_have_one_address_and_id)
{
    struct time_cache c;
    time_cache_init(&c, BYTES_MAX);
    assert_null(time_cache_get(&c, 7));
    const struct column_times *first = column_get(&c, 7, 1, 10);
    const struct column_times *other = column_get(&c, 8, 2, 10);
    assert_int_equal(first->id, 7);
    assert_ptr_equal(column_get(&c, 9, 1, 10), first);
    assert_ptr_equal(time_cache_get(&c, 9), first);
    assert_ptr_not_equal(first, other);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.distinct, 2);
    // A line has the same bytes whatever its length is.
    const struct column_times *shorter = column_get(&c, 10, 1, 9);
    assert_ptr_not_equal(shorter, first);
    assert_int_equal(shorter->id, 10);
    assert_int_equal(shorter->n, 9);
    time_cache_fini(&c);
    time_cache_fini(&c);
}

TEST(many_columns_of_few_kinds_are_kept_few_times)
{
    enum { COLUMNS = 5000, KINDS = 300, ROWS = 40 };
    struct time_cache c;
    struct rng rng;
    static u32 kinds[COLUMNS];
    rng_init(&rng, 5);
    time_cache_init(&c, BYTES_MAX);
    for (u32 i = 0; i < COLUMNS; i++) {
        const u32 column = i * 7919 % COLUMNS; // Each once.
        kinds[column] = (u32)rng_below(&rng, KINDS);
        assert_non_null(column_get(&c, column, kinds[column], ROWS));
    }
    assert_int_equal(c.count, COLUMNS);
    assert_true(c.distinct >= KINDS - 1);
    assert_true(c.distinct <= KINDS + KINDS / 10); // Few are crowded out of their places.
    for (u32 i = 0; i < COLUMNS; i++) {
        i64 t_ms[ROWS];
        const struct column_times *times = time_cache_get(&c, i);
        times_make(kinds[i], t_ms, ROWS);
        assert_int_equal(times->n, ROWS);
        assert_memory_equal(times->t_ms, t_ms, sizeof(t_ms));
        assert_int_equal(kinds[times->id], kinds[i]);
    }
    time_cache_fini(&c);
}

TEST(a_cache_gives_back_what_it_grew_by)
{
    struct time_cache c;
    time_cache_init(&c, (size_t)64 << 10);
    u32 n = 0;
    while (column_get(&c, n, n, 64)) {
        n++;
    }
    assert_in_range(n, 64, 128); // The arena is full at 64 KiB of columns with 512 bytes of times.
    assert_int_equal(c.count, n);
    assert_null(time_cache_get(&c, n));
    const u64 full = time_cache_bytes(&c);
    assert_true(full > (u64)n * 512);
    time_cache_clear(&c);
    assert_true(time_cache_bytes(&c) < full / 4);
    assert_null(time_cache_get(&c, 0));
    assert_int_equal(column_get(&c, 3, 0, 64)->id, 3);
    time_cache_fini(&c);
}
