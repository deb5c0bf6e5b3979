#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "wire/zst.h"

#define MIB ((size_t)1 << 20)

TEST(zst_goes_round)
{
    static const size_t lengths[] = {0, 1, 1000, 131072, 131073, 2000000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct buf in;
        struct buf packed;
        struct buf back;
        struct error e = {0};
        buf_init(&in, 8 * MIB);
        buf_init(&packed, 8 * MIB);
        buf_init(&back, 8 * MIB);
        u32 seed = 1;
        for (size_t k = 0; k < lengths[i]; k++) {
            seed = seed * 1664525 + 1013904223;
            buf_byte(&in, (u8)(seed >> 29));
        }
        zst_encode(buf_get(&in), i % 2 ? 1 : 19, &packed);
        assert_true(buf_ok(&packed));
        buf_c(&back, "kept");
        ASSERT_OK(zst_decode(buf_get(&packed), lengths[i], &back, &e), e);
        assert_true(str_eq(str_sub(buf_get(&back), 4, SIZE_MAX), buf_get(&in)));
        if (lengths[i] > 0) {
            assert_false(zst_decode(buf_get(&packed), lengths[i] - 1, &back, &e));
            assert_int_equal(e.code, ERR_LIMIT);
        }
        buf_fini(&in);
        buf_fini(&packed);
        buf_fini(&back);
    }
}

TEST(zst_frames_in_a_row_are_one_run)
{
    struct buf packed;
    struct buf out;
    struct error e = {0};
    buf_init(&packed, 1000);
    buf_init(&out, 1000);
    zst_encode(STR("one "), 3, &packed);
    zst_encode(STR("two"), 3, &packed);
    ASSERT_OK(zst_decode(buf_get(&packed), 7, &out, &e), e);
    ASSERT_STR_EQ(buf_get(&out), STR("one two"));
    buf_fini(&packed);
    buf_fini(&out);
}

TEST(zst_every_prefix_and_flipped_bit_fails)
{
    struct buf packed;
    struct buf out;
    buf_init(&packed, 1000);
    buf_init(&out, 1000);
    const str text = STR("the quick brown fox jumps over the lazy dog over the lazy dog");
    zst_encode(text, 3, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        struct error e = {0};
        assert_false(zst_decode(str_sub(buf_get(&packed), 0, len), 1000, &out, &e));
        assert_int_equal(e.code, ERR_CORRUPT);
        assert_int_equal(out.len, 0);
    }
    u32 survived = 0;
    for (size_t bit = 0; bit < packed.len * 8; bit++) {
        struct error e = {0};
        packed.bytes[bit / 8] = (char)(packed.bytes[bit / 8] ^ (1 << (bit % 8)));
        buf_clear(&out);
        bool ok = zst_decode(buf_get(&packed), 1000, &out, &e);
        survived += ok;
        assert_true(!ok || str_eq(buf_get(&out), text)); // A bit that means nothing.
        packed.bytes[bit / 8] = (char)(packed.bytes[bit / 8] ^ (1 << (bit % 8)));
    }
    assert_true(survived < 16); // Unused bits, and sizes that only say how much to reserve.
    buf_fini(&packed);
    buf_fini(&out);
}

TEST(zst_bomb_costs_its_maximum_and_names_it)
{
    char *zeroes = mem_new(64 * MIB, 1);
    struct buf bomb;
    struct buf out;
    struct error e = {0};
    buf_init(&bomb, MIB);
    buf_init(&out, 128 * MIB);
    zst_encode(str_make(zeroes, 64 * MIB), 19, &bomb);
    assert_true(bomb.len < 20000);
    assert_false(zst_decode(buf_get(&bomb), MIB, &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "maximum of 1048576 bytes"));
    assert_int_equal(out.len, 0);
    assert_true(out.cap <= 3 * MIB);
    // An empty frame with a window of 8 MiB, and one that asks for 16.
    ASSERT_OK(zst_decode(STR("\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00"), MIB, &out, &e), e);
    assert_false(zst_decode(STR("\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00"), MIB, &out, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    buf_fini(&bomb);
    buf_fini(&out);
    mem_free(zeroes);
}

TEST(zst_encode_into_too_small_a_buffer_is_full)
{
    struct buf out;
    buf_init(&out, 5);
    zst_encode(STR("hello world"), 1, &out);
    assert_false(buf_ok(&out));
    buf_fini(&out);
}

TEST(zst_packs_a_stream_piece_by_piece)
{
    struct buf in;
    struct buf packed;
    struct buf back;
    struct error e = {0};
    buf_init(&in, 8 * MIB);
    buf_init(&packed, 8 * MIB);
    buf_init(&back, 8 * MIB);
    struct zst_packer *p = zst_packer_new(1);
    u32 seed = 1;
    for (u32 piece = 0; piece < 300; piece++) {
        const size_t start = in.len;
        for (u32 k = 0; k < piece * 40; k++) {
            seed = seed * 1664525 + 1013904223;
            buf_byte(&in, (u8)(seed >> 28));
        }
        zst_packer_feed(p, str_sub(buf_get(&in), start, SIZE_MAX), &packed);
    }
    zst_packer_end(p, &packed);
    zst_packer_free(p);
    zst_packer_free(NULL);
    assert_true(buf_ok(&packed) && packed.len < in.len * 3 / 4);
    ASSERT_OK(zst_decode(buf_get(&packed), 8 * MIB, &back, &e), e);
    assert_true(str_eq(buf_get(&in), buf_get(&back)));
    buf_fini(&in);
    buf_fini(&packed);
    buf_fini(&back);
}

TEST(zst_stream_says_when_there_is_no_room)
{
    struct buf small;
    char noise[65536];
    u32 seed = 1;
    for (size_t i = 0; i < sizeof(noise); i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (char)(seed >> 24);
    }
    buf_init(&small, 20);
    struct zst_packer *p = zst_packer_new(1);
    zst_packer_feed(p, (str){noise, sizeof(noise)}, &small);
    zst_packer_end(p, &small);
    assert_false(buf_ok(&small));
    zst_packer_free(p);
    buf_fini(&small);
}
