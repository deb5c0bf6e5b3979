// memory_pools_test.c: the pools are the limit, and what may run at once fits into its pool.
#include "base/test.h"
#include "cmd/memory_pools.h"

TEST(memory_pools_sum_up_to_the_limit)
{
    const u64 limits[] = {(u64)64 << 20, 999999999, 1, 0, (u64)1 << 45};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        u64 sum = 0;
        for (u32 p = 0; p < POOL_COUNT; p++) {
            assert_non_null(memory_pool_name((enum memory_pool)p));
            sum += memory_pool_bytes(limits[i], (enum memory_pool)p);
        }
        assert_int_equal(sum, limits[i]);
    }
}

TEST(memory_pools_hold_all_queries_that_run_at_once)
{
    const u64 limit = (u64)1 << 30;
    for (u64 n = 1; n <= 64; n++) {
        const u64 one = memory_query_bytes(limit, POOL_QUERIES, n);
        assert_true(one > 0 && one <= limit / 16);
        assert_true(one * n <= memory_pool_bytes(limit, POOL_QUERIES));
    }
}
