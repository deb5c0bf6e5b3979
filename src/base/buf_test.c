#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"

TEST(buf_appends_and_ends_in_nul)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_c(&b, "a");
    buf_str(&b, STR("bc"));
    buf_byte(&b, 'd');
    buf_printf(&b, "%d%s", 7, "x");
    buf_u64(&b, UINT64_MAX);
    buf_byte(&b, ' ');
    buf_i64(&b, INT64_MIN);
    buf_i64(&b, 0);
    buf_add(&b, NULL, 0);
    assert_string_equal(b.bytes, "abcd7x18446744073709551615 -92233720368547758080");
    ASSERT_STR_EQ(buf_get(&b), str_c(b.bytes));
    assert_true(buf_ok(&b));
    buf_clear(&b);
    assert_int_equal(buf_get(&b).len, 0);
    buf_fini(&b);
    buf_fini(&b);
    buf_fini(NULL);
}

TEST(buf_full_is_sticky_and_writes_nothing_more)
{
    struct buf b;
    buf_init(&b, 10);
    buf_c(&b, "12345678");
    buf_c(&b, "abc"); // Would be eleven.
    assert_false(buf_ok(&b));
    buf_byte(&b, 'x'); // Would fit, but a gap must not be papered over.
    buf_printf(&b, "y");
    assert_null(buf_room(&b, 1));
    assert_string_equal(b.bytes, "12345678");
    buf_clear(&b);
    assert_true(buf_ok(&b));
    buf_c(&b, "1234567890");
    assert_true(buf_ok(&b));
    assert_string_equal(b.bytes, "1234567890");
    buf_byte(&b, 'x');
    assert_false(buf_ok(&b));
    assert_true(b.cap <= 11);
    buf_fini(&b);
}

TEST(buf_printf_longer_than_the_room_is_whole_or_absent)
{
    for (size_t max = 1; max < 200; max++) {
        struct buf b;
        buf_init(&b, max);
        buf_c(&b, "x");
        buf_printf(&b, "%0100d", 5);
        assert_int_equal(b.len, max >= 101 ? 101 : 1);
        assert_int_equal(buf_ok(&b), max >= 101);
        assert_int_equal(strlen(b.bytes), b.len);
        buf_fini(&b);
    }
}

TEST(buf_grows_to_exactly_its_maximum)
{
    struct buf b;
    buf_init(&b, 100000);
    for (size_t i = 0; i < 100000; i++) {
        buf_byte(&b, (u8)i);
    }
    assert_true(buf_ok(&b));
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal((u8)b.bytes[i], i & 0xFF);
    }
    buf_byte(&b, 0);
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 100000);
    buf_fini(&b);
}

TEST(buf_room_is_written_by_hand)
{
    struct buf b;
    buf_init(&b, 1000);
    char *room = buf_room(&b, 5);
    memcpy(room, "hello", 5);
    buf_commit(&b, 3);
    assert_string_equal(b.bytes, "hel");
    assert_null(buf_room(&b, SIZE_MAX));
    assert_false(buf_ok(&b));
    buf_fini(&b);
}

TEST(buf_lenstr_is_whole_or_absent)
{
    struct buf b;
    buf_init(&b, 10);
    buf_lenstr(&b, STR("1234567890"));
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    buf_lenstr(&b, STR("123456789"));
    assert_true(buf_ok(&b));
    assert_int_equal(b.len, 10);
    buf_fini(&b);
}

static void commit_without_room(void *arg)
{
    buf_commit(arg, 100);
}

TEST(buf_commit_beyond_the_room_is_a_bug)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_c(&b, "x");
    assert_true(test_dies(commit_without_room, &b));
    buf_fini(&b);
}
