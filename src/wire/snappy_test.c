#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "wire/snappy.h"

// Text-like bytes: neither constant nor noise.
static void fill(struct buf *b, size_t len)
{
    u32 seed = 1;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        buf_byte(b, (u8)("abcdefgh_total{}"[(seed >> 24) & 15]));
    }
}

TEST(snappy_goes_round)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 1000, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct buf in;
        struct buf packed;
        struct buf back;
        buf_init(&in, (size_t)4 << 20);
        buf_init(&packed, (size_t)4 << 20);
        buf_init(&back, (size_t)4 << 20);
        fill(&in, lengths[i]);
        snappy_encode(buf_get(&in), &packed);
        assert_true(buf_ok(&packed));
        struct error e = {0};
        ASSERT_OK(snappy_decode(buf_get(&packed), lengths[i], &back, &e), e);
        assert_true(str_eq(buf_get(&in), buf_get(&back)));
        buf_fini(&in);
        buf_fini(&packed);
        buf_fini(&back);
    }
}

TEST(snappy_reads_the_published_format)
{
    // Length 11, a literal "abc", then a copy of 8 bytes from 3 back.
    struct buf out;
    buf_init(&out, 100);
    struct error e = {0};
    ASSERT_OK(snappy_decode(STR("\x0b\x08"
                                "abc\x11\x03"),
                            100, &out, &e),
              e);
    ASSERT_STR_EQ(buf_get(&out), STR("abcabcabcab"));
    buf_fini(&out);
}

static void expect_failure(str in, size_t bytes_max, enum err code, const char *text)
{
    struct buf out;
    buf_init(&out, 1000);
    buf_c(&out, "kept");
    struct error e = {0};
    assert_false(snappy_decode(in, bytes_max, &out, &e));
    assert_int_equal(e.code, code);
    if (!strstr(e.text, text)) {
        fail_msg("\"%s\" does not hold \"%s\"", e.text, text);
    }
    ASSERT_STR_EQ(buf_get(&out), STR("kept"));
    assert_true(buf_ok(&out));
    assert_true(out.cap <= 1001);
    buf_fini(&out);
}

TEST(snappy_looks_at_the_declared_size_first)
{
    expect_failure(STR("\x0b\x08"
                       "abc\x11\x03"),
                   10, ERR_LIMIT, "maximum is 10");
    expect_failure(STR("\xff\xff\xff\xff\x0f"), SIZE_MAX, ERR_LIMIT, "maximum is 996");
    expect_failure(STR("\xe0\x07"
                       "ab"),
                   SIZE_MAX, ERR_CORRUPT, "cannot hold");
}

TEST(snappy_refuses_damage)
{
    expect_failure(STR(""), 100, ERR_CORRUPT, "length");
    expect_failure(STR_EMPTY, 100, ERR_CORRUPT, "length");
    expect_failure(STR("\xff\xff\xff\xff\xff\xff"), 100, ERR_CORRUPT, "length");
    expect_failure(STR("\x05\x08"
                       "ab"),
                   100, ERR_CORRUPT, "damaged"); // A literal that breaks off.
    expect_failure(STR("\x0b\x08"
                       "abc\x11\x04"),
                   100, ERR_CORRUPT, "damaged"); // A copy from before the beginning.
    expect_failure(STR("\x02\x08"
                       "abc"),
                   100, ERR_CORRUPT, "damaged"); // More than was declared.
}

TEST(snappy_encode_respects_the_buffer)
{
    struct buf in;
    buf_init(&in, 100000);
    fill(&in, 50000);
    struct buf packed;
    buf_init(&packed, 100000);
    snappy_encode(buf_get(&in), &packed);
    size_t exact = packed.len;
    buf_fini(&packed);
    buf_init(&packed, exact); // Less than the library's bound, but enough.
    snappy_encode(buf_get(&in), &packed);
    assert_true(buf_ok(&packed));
    assert_int_equal(packed.len, exact);
    buf_fini(&packed);
    buf_init(&packed, exact - 1);
    snappy_encode(buf_get(&in), &packed);
    assert_false(buf_ok(&packed));
    assert_int_equal(packed.len, 0);
    buf_fini(&packed);
    buf_fini(&in);
}
