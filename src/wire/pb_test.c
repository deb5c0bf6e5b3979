// pb_test.c: round trips, published bytes, hostile input cut at every place.

#include "base/buf.h"
#include "base/test.h"
#include "wire/pb.h"

TEST(pb_reads_the_documented_bytes)
{
    // Field 1 = 150; field 2 = "testing" (the examples of protobuf's own documentation).
    struct pb_reader r = pb_of(STR("\x08\x96\x01\x12\x07testing"));
    assert_true(pb_next(&r));
    assert_int_equal(r.field, 1);
    assert_int_equal(pb_varint(&r), 150);
    assert_true(pb_next(&r));
    assert_int_equal(r.field, 2);
    ASSERT_STR_EQ(pb_bytes(&r), STR("testing"));
    assert_false(pb_next(&r));
    assert_true(pb_ok(&r));
}

static void write_sample(struct buf *b)
{
    pbw_varint(b, 1, UINT64_MAX);
    pbw_sint(b, 2, -3);
    pbw_fixed32(b, 3, 0xdeadbeef);
    pbw_fixed64(b, 4, 0x0123456789abcdefULL);
    pbw_f64(b, 5, -1.5);
    pbw_bytes(b, 6, STR_EMPTY);
    const size_t outer = pbw_begin(b, 7);
    const size_t inner = pbw_begin(b, PB_FIELD_MAX);
    pbw_bytes(b, 1, STR("deep"));
    pbw_end(b, inner);
    for (u32 i = 0; i < 100; i++) { // Makes the outer length two bytes.
        pbw_varint(b, 2, i);
    }
    pbw_end(b, outer);
    const size_t packed = pbw_begin(b, 8);
    buf_varint(b, 1);
    buf_varint(b, 300);
    pbw_end(b, packed);
}

static void read_inner(struct pb_reader *r)
{
    struct pb_reader inner = pb_enter(r);
    u32 sum = 0;
    while (pb_next(&inner)) {
        if (inner.field == PB_FIELD_MAX) {
            struct pb_reader deep = pb_enter(&inner);
            while (pb_next(&deep)) {
                ASSERT_STR_EQ(pb_bytes(&deep), STR("deep"));
            }
            assert_true(pb_leave(&inner, &deep));
        } else {
            sum += (u32)pb_varint(&inner);
        }
    }
    assert_int_equal(sum, 4950);
    assert_true(pb_leave(r, &inner));
}

TEST(pb_round_trip)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    write_sample(&b);
    assert_true(buf_ok(&b));
    struct pb_reader r = pb_of(buf_get(&b));
    u32 seen = 0;
    while (pb_next(&r)) {
        seen++;
        switch (r.field) {
        case 1:
            assert_true(pb_i64(&r) == -1);
            break;
        case 2:
            assert_true(pb_sint(&r) == -3);
            break;
        case 3:
            assert_true(pb_fixed32(&r) == 0xdeadbeef);
            break;
        case 4:
            assert_true(pb_fixed64(&r) == 0x0123456789abcdefULL);
            break;
        case 5:
            assert_true(pb_f64(&r) == -1.5);
            break;
        case 6:
            assert_int_equal(pb_bytes(&r).len, 0);
            break;
        case 7:
            read_inner(&r);
            break;
        default: {
            struct dec packed = pb_packed(&r);
            assert_int_equal(dec_varint(&packed), 1);
            assert_int_equal(dec_varint(&packed), 300);
            assert_int_equal(dec_left(&packed), 0);
            assert_true(pb_packed_done(&r, &packed));
        }
        }
    }
    assert_true(pb_ok(&r));
    assert_int_equal(seen, 8);
    buf_fini(&b);
}

TEST(pb_skips_what_nobody_reads)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    write_sample(&b);
    struct pb_reader r = pb_of(buf_get(&b));
    u32 fields = 0;
    while (pb_next(&r)) {
        fields = fields * 10 + r.field;
    }
    assert_true(pb_ok(&r));
    assert_int_equal(fields, 12345678);
    buf_fini(&b);
}

TEST(pb_of_a_message_cut_anywhere_fails_or_ends_cleanly)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    write_sample(&b);
    for (size_t len = 0; len < b.len; len++) {
        char *exact = mem_new(len + 1, 1); // So that a sanitizer sees one byte too far.
        memcpy(exact, b.bytes, len);
        char *copy = mem_new(len ? len : 1, 1);
        memcpy(copy, exact, len);
        struct pb_reader r = pb_of((str){copy, len});
        while (pb_next(&r)) {
            if (r.field == 7) {
                struct pb_reader inner = pb_enter(&r);
                while (pb_next(&inner)) {
                }
                (void)pb_leave(&r, &inner);
            }
        }
        mem_free(copy);
        mem_free(exact);
    }
    buf_fini(&b);
}

static bool reads_to_the_end(str message)
{
    struct pb_reader r = pb_of(message);
    while (pb_next(&r)) {
    }
    return pb_ok(&r);
}

TEST(pb_refuses_hostile_keys_and_lengths)
{
    assert_true(reads_to_the_end(STR_EMPTY));
    assert_false(reads_to_the_end(STR("\x00\x01")));                 // Field 0.
    assert_false(reads_to_the_end(STR("\x0b\x0c")));                 // A group.
    assert_false(reads_to_the_end(STR("\x0e")));                     // Wire type 6.
    assert_false(reads_to_the_end(STR("\x80\x80\x80\x80\x10\x01"))); // Field 2^29.
    assert_false(reads_to_the_end(STR("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
    assert_false(reads_to_the_end(STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
    assert_false(reads_to_the_end(STR("\x12\x05"
                                      "ab")));
    assert_false(reads_to_the_end(STR("\x08")));
}

TEST(pb_wrong_wire_type_is_sticky)
{
    struct pb_reader r = pb_of(STR("\x08\x01\x10\x02"));
    assert_true(pb_next(&r));
    assert_int_equal(pb_bytes(&r).len, 0);
    assert_false(pb_ok(&r));
    assert_false(pb_next(&r));
    assert_int_equal(pb_varint(&r), 0);
    r = pb_of(STR("\x0d\x01\x02\x03\x04"));
    assert_true(pb_next(&r));
    assert_int_equal(pb_varint(&r), 0);
    assert_false(pb_ok(&r));
}

TEST(pb_bounds_nesting)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    size_t marks[PB_DEPTH_MAX];
    for (u32 i = 0; i < PB_DEPTH_MAX; i++) {
        marks[i] = pbw_begin(&b, 1);
    }
    for (u32 i = PB_DEPTH_MAX; i-- > 0;) {
        pbw_end(&b, marks[i]);
    }
    struct pb_reader readers[PB_DEPTH_MAX + 1];
    readers[0] = pb_of(buf_get(&b));
    u32 depth = 0;
    while (pb_next(&readers[depth])) {
        readers[depth + 1] = pb_enter(&readers[depth]);
        if (!pb_ok(&readers[depth])) {
            break;
        }
        depth++;
    }
    assert_int_equal(depth, PB_DEPTH_MAX - 1);
    assert_false(pb_ok(&readers[depth]));
    buf_fini(&b);
}

TEST(pbw_into_a_full_buffer_is_harmless)
{
    for (size_t max = 1; max < 40; max++) {
        struct buf b;
        buf_init(&b, max);
        write_sample(&b);
        assert_false(buf_ok(&b));
        buf_fini(&b);
    }
}
