#include "base/heap.h"
#include "base/test.h"

#include <stdlib.h>

TEST(heap_yields_rising_keys_ties_by_value)
{
    struct heap h;
    heap_init(&h);
    u64 state = 7;
    struct heap_item before = {INT64_MIN, 0};
    for (u32 i = 0; i < 1000; i++) {
        state = state * 6364136223846793005ULL + 1;
        heap_push(&h, (i64)(state >> 60) - 8, i * 7919 % 1000);
    }
    for (u32 i = 0; i < 1000; i++) {
        struct heap_item seen = heap_peek(&h);
        struct heap_item item = heap_pop(&h);
        assert_true(seen.key == item.key && seen.value == item.value);
        assert_true(item.key > before.key ||
                    (item.key == before.key && item.value > before.value) || i == 0);
        before = item;
    }
    assert_int_equal(h.count, 0);
    heap_fini(&h);
    heap_fini(&h); // Zeroed by now.
}

TEST(heap_removal_keeps_the_order)
{
    for (u32 gone = 0; gone < 40; gone++) {
        struct heap h;
        heap_init(&h);
        for (u32 i = 0; i < 40; i++) {
            heap_push(&h, (i64)(i * 17 % 40), i);
        }
        assert_true(heap_remove(&h, gone));
        assert_false(heap_remove(&h, gone));
        i64 last = -1;
        u32 count = 0;
        while (h.count > 0) {
            struct heap_item item = heap_pop(&h);
            assert_true(item.key > last);
            assert_int_not_equal(item.value, gone);
            last = item.key;
            count++;
        }
        assert_int_equal(count, 39);
        heap_fini(&h);
    }
}

TEST(heap_removal_may_have_to_lift_the_filler)
{
    // As an array: 1 | 10 2 | 11 12 3 4. The 4 that fills the place of 11 must rise above 10.
    static const i64 keys[] = {1, 10, 2, 11, 12, 3, 4};
    struct heap h;
    heap_init(&h);
    for (u32 i = 0; i < ARRAY_LEN(keys); i++) {
        heap_push(&h, keys[i], i);
        assert_int_equal(h.items[i].key, keys[i]);
    }
    assert_true(heap_remove(&h, 3));
    static const i64 want[] = {1, 2, 3, 4, 10, 12};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(heap_pop(&h).key, want[i]);
    }
    heap_fini(&h);
}

static void pop_empty(void *arg)
{
    (void)heap_pop(arg);
}

TEST(heap_pop_of_an_empty_heap_is_a_bug)
{
    struct heap h;
    heap_init(&h);
    assert_true(test_dies(pop_empty, &h));
}
