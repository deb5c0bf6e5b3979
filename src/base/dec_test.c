#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/str.h"
#include "base/test.h"

static void write_all(struct buf *b)
{
    buf_byte(b, 0xAB);
    buf_le16(b, 0x1234);
    buf_le32(b, 0xDEADBEEF);
    buf_le64(b, 0x0123456789ABCDEFULL);
    buf_f64(b, -0.0);
    buf_varint(b, 300);
    buf_varint(b, UINT64_MAX);
    buf_varsint(b, -1);
    buf_varsint(b, INT64_MIN);
    buf_lenstr(b, STR("hello"));
    buf_lenstr(b, STR_EMPTY);
}

static bool read_all(struct dec *d)
{
    bool same = dec_u8(d) == 0xAB;
    same &= dec_le16(d) == 0x1234;
    same &= dec_le32(d) == 0xDEADBEEF;
    same &= dec_le64(d) == 0x0123456789ABCDEFULL;
    same &= bits_of_f64(dec_f64(d)) == 0x8000000000000000ULL;
    same &= dec_varint(d) == 300;
    same &= dec_varint(d) == UINT64_MAX;
    same &= dec_varsint(d) == -1;
    same &= dec_varsint(d) == INT64_MIN;
    same &= str_eq(dec_lenstr(d), STR("hello"));
    same &= dec_lenstr(d).len == 0;
    return same;
}

TEST(dec_reads_what_buf_wrote)
{
    struct buf b;
    buf_init(&b, 1000);
    write_all(&b);
    struct dec d = dec_of(buf_get(&b));
    assert_true(read_all(&d));
    assert_true(dec_ok(&d));
    assert_int_equal(dec_left(&d), 0);
    assert_int_equal(dec_offset(&d), b.len);
    buf_fini(&b);
}

TEST(dec_of_every_prefix_fails_in_place)
{
    struct buf b;
    buf_init(&b, 1000);
    write_all(&b);
    for (size_t len = 0; len < b.len; len++) {
        char *exact = mem_new(len, 1); // So that the sanitizer sees a read past the end.
        memcpy(exact, b.bytes, len);
        struct dec d = dec_of(str_make(exact, len));
        (void)read_all(&d);
        assert_false(dec_ok(&d));
        assert_int_equal(dec_left(&d), 0);
        assert_true(dec_offset(&d) <= len);
        mem_free(exact);
    }
    buf_fini(&b);
}

TEST(dec_stays_bad_and_yields_zeroes)
{
    struct dec d = dec_of(STR("\x01\x02\x03"));
    assert_int_equal(dec_u8(&d), 1);
    assert_int_equal(dec_le32(&d), 0);
    assert_int_equal(dec_offset(&d), 1);
    assert_int_equal(dec_u8(&d), 0); // A byte is left, yet what follows a failure means nothing.
    assert_int_equal(dec_varint(&d), 0);
    assert_int_equal(dec_bytes(&d, 0).len, 0);
    assert_int_equal(dec_offset(&d), 1);
}

TEST(dec_varint_refuses_more_than_64_bits)
{
    struct dec d = dec_of(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_true(dec_varint(&d) == UINT64_MAX);
    d = dec_of(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
    assert_int_equal(dec_varint(&d), 0);
    assert_false(dec_ok(&d));
    d = dec_of(STR("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"));
    assert_int_equal(dec_varint(&d), 0);
    assert_false(dec_ok(&d));
    assert_int_equal(dec_offset(&d), 0);
    d = dec_of(STR("\x80\x00")); // Longer than needed, but a number.
    assert_int_equal(dec_varint(&d), 0);
    assert_true(dec_ok(&d));
}

TEST(dec_lenstr_with_a_lying_length)
{
    struct dec d = dec_of(STR("\x00\x05"
                              "abcd"));
    assert_int_equal(dec_lenstr(&d).len, 0);
    assert_int_equal(dec_lenstr(&d).len, 0);
    assert_false(dec_ok(&d));
    assert_int_equal(dec_offset(&d), 1); // The field, not its inside.
    d = dec_of(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"));
    assert_int_equal(dec_lenstr(&d).len, 0);
    assert_false(dec_ok(&d));
}

TEST(dec_of_nothing)
{
    struct dec d = dec_of(STR_EMPTY);
    assert_int_equal(dec_left(&d), 0);
    assert_int_equal(dec_bytes(&d, 0).len, 0);
    assert_true(dec_ok(&d));
    assert_int_equal(dec_u8(&d), 0);
    assert_false(dec_ok(&d));
}

TEST(dec_fail_marks_the_place_once)
{
    struct dec d = dec_of(STR("abc"));
    (void)dec_u8(&d);
    dec_fail(&d);
    dec_fail(&d);
    assert_int_equal(dec_offset(&d), 1);
}
