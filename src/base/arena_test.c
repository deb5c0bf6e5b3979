#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"

#include <stdint.h>

#define MIB ((size_t)1 << 20)

TEST(arena_pieces_are_zeroed_aligned_and_apart)
{
    struct arena *a = arena_new(64 * MIB);
    for (int round = 0; round < 3; round++) {
        u8 *pieces[500];
        size_t sizes[500];
        for (size_t i = 0; i < 500; i++) {
            sizes[i] = i * i % 3001;
            pieces[i] = arena_alloc(a, sizes[i], 1);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            for (size_t k = 0; k < sizes[i]; k++) {
                assert_int_equal(pieces[i][k], 0);
            }
            memset(pieces[i], (int)i & 0xFF, sizes[i]);
        }
        for (size_t i = 0; i < 500; i++) {
            for (size_t k = 0; k < sizes[i]; k++) {
                assert_int_equal(pieces[i][k], i & 0xFF);
            }
        }
        size_t held = arena_bytes(a);
        arena_reset(a);
        assert_true(arena_bytes(a) < held);
    }
    arena_free(a);
    arena_free(NULL);
}

TEST(arena_try_stops_at_the_maximum)
{
    struct arena *a = arena_new(MIB);
    assert_null(arena_try(a, 2, MIB));
    assert_null(arena_try(a, SIZE_MAX / 2, 3)); // The product overflows.
    assert_null(arena_try(a, SIZE_MAX, 1));
    size_t got = 0;
    while (arena_try(a, 1000, 1)) {
        got += 1000;
    }
    assert_true(arena_bytes(a) <= MIB);
    assert_true(got > MIB * 8 / 10); // The last chunk shrinks into what is left.
    arena_reset(a);
    assert_non_null(arena_try(a, MIB / 2, 1));
    arena_free(a);
}

static void alloc_too_much(void *arg)
{
    (void)!arena_alloc(arg, 2, MIB);
}

TEST(arena_raw_pieces_are_aligned_apart_and_within_the_maximum)
{
    struct arena *a = arena_new(MIB);
    u8 *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_try_raw(a, i * 7 % 501, 3);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i * 7 % 501 * 3);
        assert_int_equal(*(u8 *)arena_alloc(a, 5, 1), 0);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < i * 7 % 501 * 3; k++) {
            assert_int_equal(pieces[i][k], i);
        }
    }
    assert_null(arena_try_raw(a, 2, MIB));
    assert_null(arena_try_raw(a, SIZE_MAX / 2, 4));
    arena_free(a);
}

TEST(arena_alloc_beyond_the_maximum_aborts)
{
    struct arena *a = arena_new(MIB);
    assert_true(test_dies(alloc_too_much, a));
    arena_free(a);
}

TEST(arena_grow_keeps_the_content_and_zeroes_the_rest)
{
    struct arena *a = arena_new(64 * MIB);
    u32 *array = ARENA_NEW_N(a, u32, 3);
    size_t count = 3;
    array[0] = array[1] = array[2] = 7;
    for (size_t i = 0; i < 20; i++) {
        if (i % 5 == 4) {
            (void)!arena_alloc(a, 1, 1); // Something newer stands in the way.
        }
        size_t more = count * 3 / 2 + 1;
        array = arena_grow(a, array, count, more, sizeof(u32));
        for (size_t k = 0; k < more; k++) {
            assert_int_equal(array[k], k < count ? 7 : 0);
            array[k] = 7;
        }
        count = more;
    }
    u32 *none = arena_grow(a, NULL, 0, 4, sizeof(u32));
    assert_int_equal(none[3], 0);
    arena_free(a);
}

TEST(arena_grow_in_place_does_not_copy_in_an_empty_chunk)
{
    // One array appended to element by element must not use quadratic memory.
    struct arena *a = arena_new(64 * MIB);
    u64 *array = ARENA_NEW_N(a, u64, 1);
    for (size_t n = 1; n < 300; n++) {
        array[n - 1] = n;
        array = arena_grow(a, array, n, n + 1, sizeof(u64));
    }
    for (size_t n = 1; n < 300; n++) {
        assert_int_equal(array[n - 1], n);
    }
#ifndef __SANITIZE_ADDRESS__
    assert_true(arena_bytes(a) <= 8192);
#endif
    arena_free(a);
}

TEST(arena_texts_are_copies_with_an_end)
{
    struct arena *a = arena_new(MIB);
    char source[] = "hello";
    str copy = arena_str(a, str_c(source));
    source[0] = 'X';
    ASSERT_STR_EQ(copy, STR("hello"));
    assert_int_equal(copy.ptr[5], '\0');
    assert_string_equal(arena_cstr(a, STR_EMPTY), "");
    ASSERT_STR_EQ(arena_printf(a, "%d-%s", 42, "x"), STR("42-x"));
    ASSERT_STR_EQ(arena_printf(a, "%s", ""), STR(""));
    arena_free(a);
}

// Appends its own letter to a text.
struct letter {
    char *text;
    char letter;
};

static void append_letter(void *arg)
{
    const struct letter *l = arg;
    size_t len = strlen(l->text);
    l->text[len] = l->letter;
}

TEST(arena_cleanups_run_newest_first_and_once)
{
    char text[8] = {0};
    struct letter letters[] = {{text, 'a'}, {text, 'b'}, {text, 'c'}};
    struct arena *a = arena_new(MIB);
    arena_on_free(a, append_letter, &letters[0]);
    arena_on_free(a, append_letter, &letters[1]);
    arena_reset(a);
    assert_string_equal(text, "ba");
    arena_on_free(a, append_letter, &letters[2]);
    arena_free(a);
    assert_string_equal(text, "bac");
}

TEST(arena_large_piece_leaves_the_open_chunk_in_use)
{
    struct arena *a = arena_new(64 * MIB);
    (void)!arena_alloc(a, 16, 1);
    size_t before = arena_bytes(a);
    (void)!arena_alloc(a, 5 * MIB, 1);
    size_t with_large = arena_bytes(a);
    assert_true(with_large >= before + 5 * MIB);
    (void)!arena_alloc(a, 16, 1);
#ifndef __SANITIZE_ADDRESS__
    assert_int_equal(arena_bytes(a), with_large);
#endif
    arena_free(a);
}

TEST(arena_used_counts_pieces_and_what_older_chunks_left)
{
    struct arena *a = arena_new(64 * MIB);
    assert_int_equal(arena_used(a), 0);
    (void)!arena_alloc(a, 100, 1);
    size_t before = arena_used(a);
    assert_true(before >= 100 && before <= arena_bytes(a));
    (void)!arena_alloc(a, 32, 1);
    assert_true(arena_used(a) >= before + 32);
    assert_true(arena_used(a) <= arena_bytes(a));
    arena_free(a);
}
