#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/test.h"

TEST(alloc_fault_refuses_the_nth_request_alone)
{
    struct arena *a = arena_new(1 << 20);
    alloc_fault_arm(2);
    assert_non_null(arena_try(a, 1, 8));
    assert_null(arena_try_raw(a, 1, 8));
    assert_non_null(arena_try_raw(a, 1, 8));
    assert_non_null(arena_alloc(a, 1, 8)); // Would abort: is not counted.
    assert_int_equal(alloc_fault_calls(), 3);
    alloc_fault_disarm();
    assert_non_null(arena_try(a, 1, 8));
    assert_int_equal(alloc_fault_calls(), 3);
    arena_free(a);
}

TEST(alloc_fault_fills_a_buf_that_grows)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    alloc_fault_arm(2);
    for (int i = 0; i < 20; i++) {
        buf_c(&b, "0123456789");
    }
    alloc_fault_disarm();
    assert_false(buf_ok(&b));
    ASSERT_STR_EQ(buf_get(&b), STR("012345678901234567890123456789012345678901234567890123456789"));
    buf_fini(&b);
}
