// collect_rows_test.c: values that need cleaning, as many of them as a host may have.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "collect/collect_rows.h"
#include "model/match.h"
#include "storage/memstore.h"

#include <stdio.h>

#define T1       INT64_C(1700000000000)
#define ROWS_MAX 20000U

static const struct family family = {STR("m"), METRIC_GAUGE, STR("M."), {STR("a"), STR("b")}};

static u64 series_count(struct storage *s)
{
    struct error e = {0};
    struct matcher m;
    u64 n = 0;
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, LABEL_NAME, STR("m"), &e), e);
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, 0, INT64_MAX, &e);
    ASSERT_OK(q->ops->series_count(q, &m, 1, &n, &e), e);
    storage_querier_close(q);
    arena_free(a);
    return n;
}

// Each value triples when it is cleaned. None may be lost: its row would be another series' then.
TEST(collect_cleans_as_many_values_as_there_may_be_rows)
{
    struct error e = {0};
    char value[ROW_VALUE_BYTES_MAX];
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct rows *r = rows_new(s, STR("node"), STR("h"), ROWS_MAX, &e);
    assert_non_null(r);
    memset(value, 0xff, sizeof(value));
    for (u32 round = 0; round < 2; round++) {
        rows_begin(r, T1 + round * 5000);
        for (u32 i = 0; i < ROWS_MAX; i++) {
            const int n = snprintf(value, sizeof(value), "%05u", i);
            value[n] = '/';
            const str values[2] = {str_make(value, sizeof(value)), str_make(value, 200)};
            ASSERT_OK(rows_add(r, &family, values, i, &e), e);
        }
        ASSERT_OK(rows_commit(r, &e), e);
        assert_int_equal(rows_counts_get(r)->series, ROWS_MAX);
        assert_int_equal(rows_counts_get(r)->dropped_duplicate, 0);
        assert_int_equal(rows_counts_get(r)->outcomes[APPEND_STORED], (round + 1) * ROWS_MAX);
    }
    assert_int_equal(series_count(s), ROWS_MAX);
    rows_free(r);
    memstore_free(s);
}
