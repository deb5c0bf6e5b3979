// storage_test.c: memstore under the checks of every storage, and the texts of the waist.
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "storage/memstore.h"
#include "storage/storage_conformance.h"

static struct storage *make_memstore(UNUSED void *ctx, struct clk *clk, i64 ooo_window_ms)
{
    return memstore_new((struct memstore_opts){.clk = clk, .ooo_window_ms = ooo_window_ms});
}

static void dispose_memstore(UNUSED void *ctx, struct storage *s)
{
    memstore_free(s);
}

TEST(memstore_conforms)
{
    struct storage_factory f = {
        .make = make_memstore, .dispose = dispose_memstore, .keeps_exemplars = true};
    storage_conformance_run(&f);
}

TEST(memstore_limits_series)
{
    struct storage *s = memstore_new((struct memstore_opts){.series_max = 1});
    struct error e;
    struct storage_appender *a = storage_appender_open(s, TENANT_DEFAULT, STREAM_PUSH, &e);
    struct label one[] = {{LABEL_NAME, STR("a")}};
    struct label two[] = {{LABEL_NAME, STR("b")}};
    struct labels sets[] = {{one, 1}, {two, 1}, {one, 1}};
    struct series_ref refs[3];
    u8 outcomes[3];
    a->ops->resolve(a, sets, 3, refs, outcomes);
    assert_int_equal(outcomes[0], APPEND_STORED);
    assert_int_equal(outcomes[1], APPEND_LIMIT_SERIES);
    assert_int_equal(refs[1].ordinal, 0);
    assert_int_equal(outcomes[2], APPEND_STORED);
    storage_appender_close(a);
    memstore_free(s);
}

TEST(outcome_texts_are_all_different)
{
    for (int i = 0; i < APPEND_OUTCOME_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(append_outcome_text((enum append_outcome)i),
                                    append_outcome_text((enum append_outcome)j));
        }
    }
}

TEST(outcomes_add_up_wherever_the_others_stand)
{
    u8 outcomes[40] = {0};
    for (u32 n = 0; n <= ARRAY_LEN(outcomes); n++) {
        for (u32 other = 0; other < n; other++) {
            u64 counts[APPEND_OUTCOME_COUNT] = {[APPEND_TOO_OLD] = 5};
            outcomes[other] = APPEND_TOO_OLD;
            append_outcomes_add(outcomes, n, counts);
            outcomes[other] = APPEND_STORED;
            assert_int_equal(counts[APPEND_STORED], n - 1);
            assert_int_equal(counts[APPEND_TOO_OLD], 6);
        }
    }
}

TEST(querier_refuses_a_reversed_range)
{
    struct storage *s = memstore_new((struct memstore_opts){.clk = NULL});
    struct error e;
    assert_null(storage_querier_open(s, TENANT_DEFAULT, 2, 1, &e));
    assert_int_equal(e.code, ERR_INVALID);
    storage_querier_close(NULL);
    storage_appender_close(NULL);
    memstore_free(s);
    memstore_free(NULL);
}
