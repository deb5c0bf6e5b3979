#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "wire/snappy.h"
#include "wire/snappy_plain.h"

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

static u32 chance(u32 *seed, u32 below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % below;
}

// Elements by chance: literals of all lengths, copies from near and far. Now and then a wrong one.
static void elements_make(u32 *seed, struct buf *out, u32 *len)
{
    const bool damaged = chance(seed, 8) == 0;
    for (u32 i = chance(seed, 60); i > 0; i--) {
        const u32 kind = *len == 0 ? 0 : chance(seed, 4);
        const u32 most = kind == 1 ? MIN(*len, 2047U) : MIN(*len, 65535U);
        const u32 any = 1 + chance(seed, chance(seed, 2) ? 24 : 65536);
        const u32 near = MIN(most, any);
        const u32 offset = damaged && chance(seed, 10) == 0 ? chance(seed, 2) * (most + 1) : near;
        const u32 n = kind == 1 ? 4 + chance(seed, 8) : 1 + chance(seed, 64);
        if (kind == 0) {
            const u32 bytes = chance(seed, 3) ? 1 + chance(seed, 60) : 1 + chance(seed, 600);
            const bool wide = bytes > 256 || (bytes > 60 && chance(seed, 2));
            buf_byte(out, (u8)((bytes <= 60 ? bytes - 1 : wide ? 61U : 60U) << 2));
            if (bytes > 60) {
                buf_byte(out, (u8)(bytes - 1));
            }
            if (bytes > 60 && wide) {
                buf_byte(out, (u8)((bytes - 1) >> 8));
            }
            fill(out, bytes);
            *len += bytes;
            continue;
        }
        buf_byte(out, (u8)(kind == 1 ? 1U | (n - 4) << 2 | offset >> 8 << 5 : kind | (n - 1) << 2));
        for (u32 k = 0; k < 1U << (kind - 1); k++) {
            buf_byte(out, (u8)(offset >> (8 * k)));
        }
        *len += n;
    }
}

// In memory of exactly their size, so that a sanitizer sees a byte too far on either side.
static void expect_as_plain(str in)
{
    struct buf want;
    struct buf got;
    struct error e = {0};
    buf_init(&want, 1 << 16);
    buf_init(&got, 1 << 16);
    char *exact = mem_new(in.len + 1, 1);
    memcpy(exact, in.ptr, in.len);
    const bool good = snappy_plain_decode(in, &want);
    assert_int_equal(snappy_decode(str_make(exact, in.len), 1 << 16, &got, &e), good);
    if (good) {
        assert_true(str_eq(buf_get(&got), buf_get(&want)));
    } else {
        assert_int_equal(got.len, 0);
    }
    mem_free(exact);
    buf_fini(&want);
    buf_fini(&got);
}

TEST(snappy_unpacks_any_elements_as_a_plain_reader_does)
{
    u32 seed = 7;
    u32 good = 0;
    for (u32 round = 0; round < 30000; round++) {
        struct buf elements;
        struct buf block;
        struct buf plain;
        u32 len = 0;
        buf_init(&elements, 1 << 17);
        buf_init(&block, 1 << 17);
        buf_init(&plain, 1 << 16);
        elements_make(&seed, &elements, &len);
        buf_varint(&block, chance(&seed, 20) ? len : len + chance(&seed, 3) - 1);
        buf_str(&block, buf_get(&elements));
        const size_t cut = chance(&seed, 10) == 0 ? chance(&seed, 4) : 0;
        block.len -= MIN(block.len, cut); // Broken off.
        if (chance(&seed, 10) == 0 && block.len > 0) {
            block.bytes[chance(&seed, (u32)block.len)] ^= (char)(1U << chance(&seed, 8));
        }
        good += snappy_plain_decode(buf_get(&block), &plain);
        expect_as_plain(buf_get(&block));
        buf_fini(&plain);
        buf_fini(&block);
        buf_fini(&elements);
    }
    assert_in_range(good, 15000, 29000);
}
