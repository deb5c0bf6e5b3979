#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "wire/gzip.h"

#define MIB ((size_t)1 << 20)

static void fill(struct buf *b, size_t len)
{
    u32 seed = 1;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        buf_byte(b, (u8)("abcdefgh_total{}"[(seed >> 24) & 15]));
    }
}

static bool stream(str in, size_t step, u64 bytes_max, struct buf *out, struct error *e)
{
    struct gunzip *g = gunzip_new(bytes_max);
    bool ok = true;
    for (size_t at = 0; ok && at < in.len; at += step) {
        ok = gunzip_feed(g, str_sub(in, at, at + step), out, e);
    }
    ok = ok && gunzip_end(g, e);
    gunzip_free(g);
    return ok;
}

// Both ways must unpack in to want.
static void expect(str in, str want)
{
    struct error e = {0};
    struct buf out;
    buf_init(&out, 8 * MIB);
    ASSERT_OK(gzip_decode(in, want.len, &out, &e), e);
    assert_true(str_eq(buf_get(&out), want));
    static const size_t steps[] = {1, 7, 4096, SIZE_MAX / 2};
    for (size_t i = in.len > 100000 ? 2 : 0; i < ARRAY_LEN(steps); i++) {
        buf_clear(&out);
        ASSERT_OK(stream(in, steps[i], want.len, &out, &e), e);
        assert_true(str_eq(buf_get(&out), want));
    }
    buf_fini(&out);
}

// Both ways must refuse in with the code.
static void expect_failure(str in, size_t bytes_max, enum err code)
{
    struct buf out;
    buf_init(&out, 8 * MIB);
    buf_c(&out, "kept");
    struct error e = {0};
    assert_false(gzip_decode(in, bytes_max, &out, &e));
    assert_int_equal(e.code, code);
    ASSERT_STR_EQ(buf_get(&out), STR("kept"));
    static const size_t steps[] = {1, 4096, SIZE_MAX / 2};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_clear(&out);
        assert_false(stream(in, steps[i], bytes_max, &out, &e));
        assert_int_equal(e.code, code);
        assert_true(out.len <= bytes_max);
    }
    buf_fini(&out);
}

// Packs text whole (step 0) or as a stream.
static void pack(str text, size_t step, struct buf *out)
{
    buf_init(out, 8 * MIB);
    if (step == 0) {
        gzip_encode(text, 6, out);
    } else {
        struct gzipper *g = gzipper_new(6);
        for (size_t at = 0; at < text.len; at += step) {
            gzipper_feed(g, str_sub(text, at, at + step), out);
        }
        gzipper_end(g, out);
        gzipper_free(g);
    }
    assert_true(buf_ok(out));
}

TEST(gzip_goes_round_whole_and_streamed)
{
    static const size_t lengths[] = {0, 1, 100, 65536, 3000000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct buf text;
        buf_init(&text, 8 * MIB);
        fill(&text, lengths[i]);
        for (size_t step = 0; step <= 50000; step = step * 3 + 1000) {
            struct buf packed;
            pack(buf_get(&text), step, &packed);
            expect(buf_get(&packed), buf_get(&text));
            buf_fini(&packed);
        }
        buf_fini(&text);
    }
}

TEST(gzip_reads_what_the_gzip_command_wrote)
{
    // printf 'hello\n' | gzip -n
    expect(STR("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30"
               "\x3a\x36\x06\x00\x00\x00"),
           STR("hello\n"));
}

TEST(gzip_members_in_a_row_are_one_run)
{
    struct buf a;
    struct buf b;
    pack(STR("one "), 0, &a);
    pack(STR("two"), 100, &b);
    buf_str(&a, buf_get(&b));
    expect(buf_get(&a), STR("one two"));
    buf_c(&a, "x"); // Something behind it.
    expect_failure(buf_get(&a), 100, ERR_CORRUPT);
    buf_fini(&a);
    buf_fini(&b);
}

TEST(gzip_every_prefix_fails)
{
    struct buf packed;
    pack(STR("the quick brown fox jumps over the lazy dog, twice over the lazy dog"), 0, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        expect_failure(str_sub(buf_get(&packed), 0, len), 1000, ERR_CORRUPT);
    }
    buf_fini(&packed);
}

TEST(gzip_no_flipped_bit_changes_what_is_read)
{
    const str text = STR("the quick brown fox jumps over the lazy dog, twice over the lazy dog");
    struct buf packed;
    struct buf out;
    pack(text, 0, &packed);
    buf_init(&out, 1000);
    u32 survived = 0;
    for (size_t bit = 0; bit < packed.len * 8; bit++) {
        char *byte = &packed.bytes[bit / 8];
        struct error e = {0};
        *byte = (char)(*byte ^ (1 << (bit % 8)));
        buf_clear(&out);
        bool ok = gzip_decode(buf_get(&packed), 1000, &out, &e);
        assert_true(ok ? str_eq(buf_get(&out), text) : e.code == ERR_CORRUPT);
        survived += ok;
        buf_clear(&out);
        ok = stream(buf_get(&packed), 5, 1000, &out, &e);
        assert_true(ok ? str_eq(buf_get(&out), text) : e.code == ERR_CORRUPT);
        *byte = (char)(*byte ^ (1 << (bit % 8)));
    }
    // The header's time, system and level, a flag for text, the bits behind the last block.
    assert_true(survived < 7 * 8 + 8);
    buf_fini(&packed);
    buf_fini(&out);
}

TEST(gzip_bomb_costs_its_maximum_and_names_it)
{
    char *zeroes = mem_new(32 * MIB, 1);
    struct buf bomb;
    pack(str_make(zeroes, 32 * MIB), 0, &bomb);
    assert_true(bomb.len < 40000);
    expect_failure(buf_get(&bomb), MIB, ERR_LIMIT);
    struct buf out;
    struct error e = {0};
    buf_init(&out, 64 * MIB);
    assert_false(gzip_decode(buf_get(&bomb), MIB, &out, &e));
    assert_non_null(strstr(e.text, "maximum of 1048576 bytes"));
    assert_true(out.cap <= 2 * MIB + 64);
    assert_false(stream(buf_get(&bomb), 4096, MIB, &out, &e));
    assert_non_null(strstr(e.text, "maximum of 1048576 bytes"));
    assert_true(out.len <= MIB);
    buf_fini(&out);
    buf_init(&out, 5000); // The buffer's own maximum counts as well.
    assert_false(stream(buf_get(&bomb), 4096, MIB, &out, &e));
    assert_non_null(strstr(e.text, "maximum of 5000 bytes"));
    buf_fini(&out);
    buf_fini(&bomb);
    mem_free(zeroes);
}

TEST(gzip_exactly_the_maximum_passes)
{
    struct buf packed;
    pack(STR("0123456789"), 0, &packed);
    expect(buf_get(&packed), STR("0123456789"));
    expect_failure(buf_get(&packed), 9, ERR_LIMIT);
    struct buf out;
    struct error e = {0};
    buf_init(&out, 10);
    ASSERT_OK(stream(buf_get(&packed), 1, 1000, &out, &e), e);
    buf_fini(&out);
    buf_fini(&packed);
}

TEST(gzip_lying_trailer_size_is_no_allocation)
{
    struct buf packed;
    pack(STR("x"), 0, &packed);
    memset(packed.bytes + packed.len - 4, 0xFF, 4); // Claims 4 GiB.
    struct buf out;
    struct error e = {0};
    buf_init(&out, 512 * MIB);
    assert_false(gzip_decode(buf_get(&packed), 512 * MIB, &out, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_true(out.cap < MIB);
    buf_fini(&out);
    buf_fini(&packed);
}

TEST(gunzip_stays_failed)
{
    struct gunzip *g = gunzip_new(100);
    struct buf out;
    struct error e = {0};
    buf_init(&out, 100);
    assert_false(gunzip_feed(g, STR("no gzip"), &out, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_false(gunzip_feed(g, STR("\x1f\x8b"), &out, &e));
    assert_false(gunzip_end(g, &e));
    gunzip_free(g);
    gunzip_free(NULL);
    buf_fini(&out);
}

TEST(gzipper_flush_makes_all_readable)
{
    struct gzipper *g = gzipper_new(1);
    struct gunzip *u = gunzip_new(1000);
    struct buf packed;
    struct buf out;
    struct error e = {0};
    buf_init(&packed, 1000);
    buf_init(&out, 1000);
    gzipper_feed(g, STR("first line\n"), &packed);
    gzipper_flush(g, &packed);
    ASSERT_OK(gunzip_feed(u, buf_get(&packed), &out, &e), e);
    ASSERT_STR_EQ(buf_get(&out), STR("first line\n"));
    assert_false(gunzip_end(u, &e)); // Not over yet.
    buf_clear(&packed);
    gzipper_end(g, &packed);
    ASSERT_OK(gunzip_feed(u, buf_get(&packed), &out, &e), e);
    ASSERT_OK(gunzip_end(u, &e), e);
    gzipper_free(g);
    gzipper_free(NULL);
    gunzip_free(u);
    buf_fini(&packed);
    buf_fini(&out);
}

TEST(gzip_encode_into_too_small_a_buffer_is_full)
{
    struct buf out;
    buf_init(&out, 10);
    gzip_encode(STR("hello"), 1, &out);
    assert_false(buf_ok(&out));
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}
