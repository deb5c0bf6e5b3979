#include "base/alloc_fault.h"
#include "base/arena.h"
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
    assert_true(arena_was_full(a));
    arena_reset(a);
    assert_false(arena_was_full(a));
    arena_free(a);
}
