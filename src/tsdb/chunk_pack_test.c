#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/sample.h"
#include "os/rng.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/chunk_plain.h"
#include "tsdb/chunk_unpack.h"
#include "tsdb/int_pack.h"

#include <math.h>
#include <stdlib.h>

static bool values_rise(const f64 *values, u32 n)
{
    bool rise = !isnan(values[0]);
    for (u32 i = 1; i < n; i++) {
        rise = rise && values[i] >= values[i - 1];
    }
    return rise;
}

// chunk_pack_decode by every way there is: all give the same bits, or all refuse. What is
// told of the values is true.
static bool decode_all_ways(str bytes, u32 n, f64 *values, struct error *e)
{
    f64 portable[CHUNK_VALUES_MAX];
    bool rises;
    bool rises_too;
    column_unpack_portable(true);
    const bool right = chunk_pack_decode_rise(bytes, n, portable, &rises, NULL);
    column_unpack_portable(false);
    assert_int_equal(chunk_pack_decode_rise(bytes, n, values, &rises_too, e), right);
    if (right) {
        assert_memory_equal(values, portable, n * sizeof(f64));
        assert_true(!rises || values_rise(values, n));
        assert_int_equal(rises, rises_too);
    }
    return right;
}

// Reads with all decoders from a copy of exactly the chunk's length, where the address sanitizer
// sees every byte too far.
static void reads_back(str packed, const f64 *values, u32 n)
{
    char *copy = mem_new(packed.len, 1);
    memcpy(copy, packed.ptr, packed.len);
    f64 back[CHUNK_VALUES_MAX + 1];
    const f64 fence = 12345.678;
    struct error e = {0};
    back[n] = fence;
    ASSERT_OK(decode_all_ways(str_make(copy, packed.len), n, back, &e), e);
    assert_memory_equal(values, back, n * sizeof(f64));
    assert_true(back[n] == fence);
    assert_true(chunk_plain_decode(str_make(copy, packed.len), n, back));
    assert_memory_equal(values, back, n * sizeof(f64));
    mem_free(copy);
}

// Packs by both ways, reads both, and returns the length of the smaller one.
static size_t round_trip_kind(const f64 *values, u32 n, u32 *kind)
{
    struct buf b;
    struct buf quick;
    buf_init(&b, 1 << 16);
    buf_init(&quick, 1 << 16);
    chunk_pack_encode(values, n, &b);
    chunk_pack_quick(values, n, &quick);
    assert_true(buf_ok(&b) && buf_ok(&quick));
    const size_t bytes = b.len;
    reads_back(buf_get(&b), values, n);
    reads_back(buf_get(&quick), values, n);
    // What an open chunk has room for, at any count.
    assert_true(bytes <= 16ULL * n + 64 && quick.len <= 16ULL * n + 64);
    if (kind) {
        *kind = chunk_pack_kind(buf_get(&b));
    }
    buf_fini(&b);
    buf_fini(&quick);
    return bytes;
}

// Does a chunk of these values say that they never fall?
static bool says_it_rises(const f64 *values, u32 n)
{
    f64 back[CHUNK_VALUES_MAX];
    struct error e = {0};
    struct buf b;
    buf_init(&b, 1 << 16);
    chunk_pack_encode(values, n, &b);
    assert_true(decode_all_ways(buf_get(&b), n, back, NULL));
    bool says;
    ASSERT_OK(chunk_pack_decode_rise(buf_get(&b), n, back, &says, &e), e);
    buf_fini(&b);
    return says;
}

TEST(chunks_of_counters_say_that_they_rise)
{
    f64 v[CHUNK_VALUES_MAX];
    for (u32 kind = 0; kind < 5; kind++) {
        u64 sum = 1000;
        for (u32 i = 0; i < CHUNK_VALUES_MAX; i++) {
            const u64 noise = (u64)i * i * 2654435761U % 1000;
            const u64 steps[] = {noise, noise < 30 ? noise : 0, 7, 0, 500 + noise};
            sum += steps[kind];
            v[i] = kind == 4 ? (f64)sum / 1000 : (f64)sum;
        }
        assert_true(says_it_rises(v, CHUNK_VALUES_MAX));
        f64 before = v[200];
        v[200] = 0; // A reset.
        assert_false(says_it_rises(v, CHUNK_VALUES_MAX));
        v[200] = stale_nan();
        assert_false(says_it_rises(v, CHUNK_VALUES_MAX));
        v[200] = before;
        v[CHUNK_VALUES_MAX - 1] = v[0] - 1;
        assert_false(says_it_rises(v, CHUNK_VALUES_MAX));
    }
}

static size_t round_trip(const f64 *values, u32 n)
{
    return round_trip_kind(values, n, NULL);
}

TEST(chunk_pack_keeps_special_values_bit_for_bit)
{
    const f64 v[] = {0.0,
                     -0.0,
                     1,
                     -1,
                     INFINITY,
                     -INFINITY,
                     5e-324,
                     0x1p-1022,
                     stale_nan(),
                     normal_nan(),
                     f64_of_bits(0xfff8123456789abcULL),
                     1e308,
                     -1e308,
                     9007199254740993.0,
                     9.2233720368547758e18,
                     -9.2233720368547758e18,
                     0.1,
                     0.2,
                     0.1 + 0.2,
                     1.0 / 3,
                     1e-17};
    round_trip(v, ARRAY_LEN(v));
    for (u32 i = 0; i < ARRAY_LEN(v); i++) {
        round_trip(v + i, 1);
        f64 repeated[CHUNK_VALUES_MAX];
        for (u32 k = 0; k < CHUNK_VALUES_MAX; k++) {
            repeated[k] = v[i];
        }
        assert_true(round_trip(repeated, CHUNK_VALUES_MAX) <= 16);
    }
}

TEST(chunk_pack_of_a_steady_counter_is_a_few_bytes)
{
    f64 v[CHUNK_VALUES_MAX];
    for (u32 i = 0; i < CHUNK_VALUES_MAX; i++) {
        v[i] = 1e6 + 15.0 * i;
    }
    assert_true(round_trip(v, CHUNK_VALUES_MAX) <= 8);
    v[CHUNK_VALUES_MAX - 1] = stale_nan(); // One marker must not spoil the chunk.
    assert_true(round_trip(v, CHUNK_VALUES_MAX) <= 64);
}

TEST(chunk_pack_of_two_decimals_needs_no_raw_bits)
{
    struct rng r;
    rng_init(&r, 7);
    f64 v[CHUNK_VALUES_MAX];
    i64 cents = 5000;
    for (u32 i = 0; i < CHUNK_VALUES_MAX; i++) {
        cents += (i64)rng_below(&r, 201) - 100;
        v[i] = (f64)cents / 100;
    }
    assert_true(round_trip(v, CHUNK_VALUES_MAX) < CHUNK_VALUES_MAX * 3 / 2);
}

// What exporters and arithmetic make, and what nobody would.
enum shape {
    SHAPE_BITS,
    SHAPE_INT,
    SHAPE_COUNTER,
    SHAPE_DECIMAL,
    SHAPE_SUM,
    SHAPE_SPARSE,
    SHAPE_TINY,
    SHAPE_EXTREME,
    SHAPE_LATENCY_SUM,
    SHAPE_QUOTIENT,
    SHAPE_RAMP,
    SHAPE_ROUNDED,
    SHAPE_STEPS,
    SHAPES,
};

static f64 random_value(struct rng *r, enum shape shape, u64 scale, f64 previous)
{
    switch (shape) {
    case SHAPE_BITS:
        return f64_of_bits(rng_u64(r));
    case SHAPE_INT:
        return (f64)(i64)(rng_u64(r) >> rng_below(r, 64));
    case SHAPE_COUNTER:
        return previous + (f64)rng_below(r, scale);
    case SHAPE_DECIMAL:
        return (f64)((i64)rng_below(r, 2000000) - 1000000) / 1000;
    case SHAPE_SUM:
        return previous + rng_unit(r);
    case SHAPE_SPARSE:
        return rng_below(r, 50) ? previous : previous + 1;
    case SHAPE_TINY:
        return -(f64)(i64)(rng_u64(r) >> rng_below(r, 64)) / 1e9;
    case SHAPE_EXTREME:
        return (f64)(rng_below(r, 3) << 62) * (rng_below(r, 2) ? 1 : -1);
    case SHAPE_LATENCY_SUM: // Drifts off the decimals by last places.
        return rng_below(r, 3) ? previous : previous + (f64)rng_below(r, 1000000) / 1e9;
    case SHAPE_QUOTIENT:
        return (f64)rng_below(r, scale) / (f64)scale;
    case SHAPE_RAMP: // A slope that changes now and then.
        return rng_below(r, 30) ? previous + (f64)scale : previous - 7;
    case SHAPE_ROUNDED:
        return (f64)((i64)rng_below(r, scale) - 500) * 4096;
    case SHAPE_STEPS:
        return rng_below(r, 4) ? previous : (f64)rng_below(r, scale) / 100;
    case SHAPES:
        break;
    }
    return 0;
}

static u32 random_chunk(struct rng *r, f64 v[CHUNK_VALUES_MAX])
{
    static const u64 specials[] = {STALE_NAN_BITS,
                                   NORMAL_NAN_BITS,
                                   0x7ff8dead0000beefULL,
                                   0xfff0000000000001ULL,
                                   1ULL << 63,
                                   1,
                                   0x000fffffffffffffULL,
                                   0x8000000000000001ULL,
                                   0x7ff0000000000000ULL,
                                   0xfff0000000000000ULL};
    const u32 n = 1 + (u32)rng_below(r, rng_below(r, 4) ? 40 : CHUNK_VALUES_MAX);
    const enum shape shape = (enum shape)rng_below(r, SHAPES);
    const u64 scale = 1 + rng_below(r, rng_below(r, 2) ? 10 : 100000);
    const u64 special_one_in = rng_below(r, 3) ? 0 : 2 + rng_below(r, 60);
    f64 previous = (f64)rng_below(r, 1000000);
    for (u32 i = 0; i < n; i++) {
        previous = random_value(r, shape, scale, previous);
        v[i] = previous;
        if (special_one_in && rng_below(r, special_one_in) == 0) {
            v[i] = f64_of_bits(specials[rng_below(r, ARRAY_LEN(specials))]);
        }
    }
    return n;
}

// TIDEMARK_TEST_CHUNKS asks for more, TIDEMARK_TEST_SEED for others.
static u64 number_from(const char *variable, u64 otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

TEST(chunk_pack_round_trips_random_chunks)
{
    const u64 chunks = number_from("TIDEMARK_TEST_CHUNKS", 20000);
    u64 seen[CHUNK_KINDS] = {0};
    struct rng r;
    rng_init(&r, number_from("TIDEMARK_TEST_SEED", 42));
    for (u64 c = 0; c < chunks; c++) {
        f64 v[CHUNK_VALUES_MAX];
        u32 kind;
        const u32 n = random_chunk(&r, v);
        round_trip_kind(v, n, &kind);
        seen[kind]++;
    }
    // A plan that no shape leads to would go untested.
    for (u32 kind = 0; kind < CHUNK_KINDS; kind++) {
        if (kind % 8 <= INT_S2 && seen[kind] == 0 && chunks >= 20000) {
            fail_msg("no chunk was %s", chunk_kind_name(kind));
        }
    }
}

// Where a column's sums stop to be exact as doubles, and its widths to fit: on both sides.
TEST(chunk_pack_round_trips_what_only_some_readers_can_take)
{
    static const f64 starts[] = {0,      1e9,        0x1p50,  0x1p51 - 3000, 0x1p51, 0x1p52 - 3000,
                                 0x1p52, 0x1p53 - 1, -0x1p52, 1e15};
    struct rng r;
    rng_init(&r, 5);
    for (u32 width = 1; width <= 53; width++) {
        for (size_t k = 0; k < ARRAY_LEN(starts); k++) {
            f64 v[CHUNK_VALUES_MAX];
            const u32 n = 3 + (u32)rng_below(&r, 90);
            const f64 factor = rng_below(&r, 2) ? 1 : (f64)(1 + rng_below(&r, 4096));
            const f64 low = rng_below(&r, 2) ? 0 : (f64)rng_below(&r, 1ULL << width);
            f64 step = 0;
            v[0] = starts[k];
            for (u32 i = 1; i < n; i++) {
                const f64 next = (f64)rng_below(&r, 1ULL << width) - low;
                step = width % 3 == 0 ? step + next : next;
                v[i] = (width % 3 == 1 ? starts[k] : v[i - 1]) + step * factor;
            }
            (void)round_trip(v, n);
        }
    }
}

// A whole number of so many bits and one whose quotient by 10^e lies as near to the middle of two
// doubles as any does: 5^e times twice the distance, in last places, is no more than near.
static i64 hard_dividend(struct rng *r, u32 bits, u32 e, u32 near)
{
    u64 five = 1;
    for (u32 i = 0; i < e; i++) {
        five *= 5;
    }
    const u64 low = (1ULL << bits) + rng_below(r, 1ULL << bits) / 2;
    const i32 k = ilogb((f64)low / chunk_pow10[e]);         // The quotient is 2^k or more,
    u64 rest = near % 2 ? near % five : five - near % five; // its last place 2^(k-52).
    for (i32 t = 53 - k - (i32)e; t > 0; t--) {             // rest / 2^t, modulo five
        rest = rest % 2 == 0 ? rest / 2 : (rest + five) / 2;
    }
    return (i64)(low - low % five + rest);
}

TEST(chunk_unpack_divides_as_a_division_does)
{
    struct rng r;
    rng_init(&r, number_from("TIDEMARK_TEST_SEED", 11));
    for (u32 round = 0; round < 40; round++) {
        for (u32 e = 1; e <= 17; e++) {
            i64 ints[200];
            f64 values[ARRAY_LEN(ints)];
            struct buf b;
            buf_init(&b, 1 << 16);
            for (u32 i = 0; i < ARRAY_LEN(ints); i++) {
                ints[i] = e > 15
                              ? (i64)rng_below(&r, 1ULL << 50)
                              : hard_dividend(&r, 36 + round % 13, e, 1 + (u32)rng_below(&r, 64));
                ints[i] = i % 2 && round % 2 ? -ints[i] : ints[i];
            }
            const u8 header = int_pack_encode(ints, ARRAY_LEN(ints), &b);
            const struct unpack_sink sink = {
                .out = values, .as = UNPACK_DEC, .divisor = chunk_pow10[e]};
            struct dec d = dec_of(buf_get(&b));
            assert_true(column_unpack(&d, header, ARRAY_LEN(ints), &sink));
            for (u32 i = 0; i < ARRAY_LEN(ints); i++) {
                const f64 right = (f64)ints[i] / chunk_pow10[e];
                assert_int_equal(bits_of_f64(values[i]), bits_of_f64(right));
            }
            buf_fini(&b);
        }
    }
}

TEST(chunk_unpack_puts_constants_to_any_place)
{
    enum { FENCE = 8 };
    const f64 fence = 12345.678;
    for (u32 n = 1; n <= CHUNK_VALUES_MAX; n++) {
        f64 values[CHUNK_VALUES_MAX];
        f64 room[CHUNK_VALUES_MAX + 2 * FENCE];
        struct buf b;
        buf_init(&b, 1 << 16);
        for (u32 i = 0; i < n; i++) {
            values[i] = 0.25 * n;
        }
        chunk_pack_encode(values, n, &b);
        for (u32 shift = 0; shift < FENCE; shift++) {
            f64 *out = room + shift + 1;
            for (u32 i = 0; i < ARRAY_LEN(room); i++) {
                room[i] = fence;
            }
            assert_true(decode_all_ways(buf_get(&b), n, out, NULL));
            assert_memory_equal(out, values, n * sizeof(f64));
            assert_true(out[-1] == fence && out[n] == fence);
        }
        buf_fini(&b);
    }
}

// ts_pack_decode of all bytes by every way there is: all give the same times, those of the plain
// reader, or all refuse.
static bool times_all_ways(str bytes, u32 n, i64 *t)
{
    i64 other[INT_PACK_MAX];
    const bool right = ts_plain_decode(bytes, n, t);
    for (u32 way = 0; way < 2; way++) {
        struct dec d = dec_of(bytes);
        column_unpack_portable(way == 1);
        const bool read = ts_pack_decode(&d, n, other) && dec_left(&d) == 0;
        column_unpack_portable(false);
        assert_int_equal(read, right);
        if (right) {
            assert_memory_equal(t, other, n * sizeof(*t));
        }
    }
    return right;
}

// Offsets, steps or steps of steps of so many bits, times a factor, either signed or from a base.
static u32 random_times(struct rng *r, u32 width, i64 *t)
{
    static const u64 factors[] = {1, 1, 1000, 1ULL << 28, (1ULL << 28) + 1, 1ULL << 40};
    const u32 n = 3 + (u32)rng_below(r, rng_below(r, 4) ? 90 : INT_PACK_MAX - 3);
    const u64 factor = factors[rng_below(r, ARRAY_LEN(factors))];
    const u64 low = rng_below(r, 2) ? 0 : rng_u64(r) >> rng_below(r, 64);
    const u64 kind = rng_below(r, 3);
    u64 step = 0;
    u64 x = rng_u64(r) >> rng_below(r, 64);
    for (u32 i = 0; i < n; i++) {
        const u64 v = ((rng_u64(r) >> (64 - width)) + low) * factor;
        step = kind == 2 ? step + v : v;
        x = kind == 0 ? x : x + step;
        t[i] = (i64)(kind == 0 ? x + v : x);
    }
    return n;
}

TEST(int_pack_is_read_alike_by_every_way)
{
    struct rng r;
    rng_init(&r, number_from("TIDEMARK_TEST_SEED", 17));
    const u64 rounds = number_from("TIDEMARK_TEST_CHUNKS", 20000) / 500;
    for (u64 c = 0; c < rounds * 64; c++) {
        i64 t[INT_PACK_MAX];
        i64 back[INT_PACK_MAX];
        const u32 n = random_times(&r, 1 + (u32)c % 64, t);
        struct buf b;
        buf_init(&b, 1 << 16);
        ts_pack_encode(t, n, &b);
        for (u32 flips = 0; flips < 8; flips++) {
            // Of the exact length, so that the address sanitizer sees every byte too far.
            const size_t bytes = flips < 6 ? b.len : rng_below(&r, b.len);
            char *copy = mem_new(MAX(bytes, (size_t)1), 1);
            memcpy(copy, b.bytes, bytes);
            if (flips > 0 && bytes > 0) {
                copy[rng_below(&r, rng_below(&r, 2) ? bytes : MIN(bytes, 12))] ^=
                    (char)(1U << rng_below(&r, 8));
            }
            const bool right = times_all_ways(str_make(copy, bytes), n, back);
            if (flips == 0) {
                assert_true(right);
                assert_memory_equal(t, back, n * sizeof(*t));
            }
            mem_free(copy);
        }
        buf_fini(&b);
    }
}

TEST(int_pack_round_trips_any_integers)
{
    struct rng r;
    rng_init(&r, 3);
    for (u32 c = 0; c < 20000; c++) {
        i64 v[INT_PACK_MAX];
        i64 back[INT_PACK_MAX];
        const u32 n = 1 + (u32)rng_below(&r, rng_below(&r, 8) ? 64 : INT_PACK_MAX);
        const u32 shift = (u32)rng_below(&r, 64);
        const i64 factor = (i64)(1 + rng_below(&r, 1000));
        for (u32 i = 0; i < n; i++) {
            v[i] = (i64)((u64)((i64)rng_u64(&r) >> shift) * (u64)factor);
        }
        struct buf b;
        buf_init(&b, 1 << 16);
        ts_pack_encode(v, n, &b);
        struct dec d = dec_of(buf_get(&b));
        assert_true(ts_pack_decode(&d, n, back));
        assert_int_equal(dec_left(&d), 0);
        assert_memory_equal(v, back, n * sizeof(i64));
        assert_true(ts_plain_decode(buf_get(&b), n, back));
        assert_memory_equal(v, back, n * sizeof(i64));
        buf_fini(&b);
    }
}

// Cuts a chunk everywhere, then flips bits of it: both decoders must agree each time.
static void chunk_mutate(struct rng *r, const f64 *v, u32 n, u32 flips)
{
    f64 back[CHUNK_VALUES_MAX];
    f64 plain[CHUNK_VALUES_MAX];
    struct buf b;
    buf_init(&b, 1 << 16);
    chunk_pack_encode(v, n, &b);
    for (size_t cut = 0; cut < b.len; cut++) {
        // A heap copy of the exact length lets the address sanitizer see every byte too far.
        char *copy = mem_new(cut + 1, 1);
        memcpy(copy, b.bytes, cut);
        assert_false(decode_all_ways(str_make(copy, cut), n, back, NULL));
        mem_free(copy);
    }
    for (u32 i = 0; i < flips; i++) {
        char *copy = mem_new(b.len, 1);
        memcpy(copy, b.bytes, b.len);
        for (u64 k = rng_below(r, 3); k < 3; k++) {
            // The front decides how the rest is read.
            const u64 at = rng_below(r, rng_below(r, 2) ? b.len : MIN(b.len, 12));
            copy[at] ^= (char)(1U << rng_below(r, 8));
        }
        const u32 m = rng_below(r, 2) ? n : 1 + (u32)rng_below(r, CHUNK_VALUES_MAX);
        const bool right = chunk_plain_decode(str_make(copy, b.len), m, plain);
        assert_int_equal(decode_all_ways(str_make(copy, b.len), m, back, NULL), right);
        if (right) {
            assert_memory_equal(back, plain, m * sizeof(f64));
        }
        mem_free(copy);
    }
    buf_fini(&b);
}

TEST(chunk_pack_reads_mutations_as_the_plain_decoder_does)
{
    struct rng r;
    rng_init(&r, 11);
    f64 v[CHUNK_VALUES_MAX];
    for (u32 i = 0; i < CHUNK_VALUES_MAX; i++) {
        v[i] = (f64)rng_below(&r, 10000) / 100;
    }
    v[3] = stale_nan();
    chunk_mutate(&r, v, CHUNK_VALUES_MAX, 2000);
    const u64 chunks = number_from("TIDEMARK_TEST_CHUNKS", 20000) / 20;
    for (u64 c = 0; c < chunks; c++) {
        const u32 n = random_chunk(&r, v);
        chunk_mutate(&r, v, MIN(n, 60), 20);
    }
}

TEST(chunk_pack_refuses_what_the_format_leaves_open)
{
    f64 back[CHUNK_VALUES_MAX];
    // Plan 7; CONST with a divisor; with codes; exponent 0 and 18; no bytes; a byte too many.
    assert_false(chunk_pack_decode(STR("\x07\x00"), 1, back, NULL));
    assert_false(chunk_pack_decode(STR("\x08\x00\x02"), 1, back, NULL));
    assert_false(chunk_pack_decode(STR("\x10\x00"), 1, back, NULL));
    assert_false(chunk_pack_decode(STR("\x40\x00\x00"), 1, back, NULL));
    assert_false(chunk_pack_decode(STR("\x40\x12\x00"), 1, back, NULL));
    assert_false(chunk_pack_decode(STR(""), 1, back, NULL));
    assert_false(chunk_pack_decode(STR("\x00\x00\x00"), 1, back, NULL));
    assert_true(chunk_pack_decode(STR("\x00\x00"), 1, back, NULL));
    // An ULP chunk whose second column has bits above its header's five.
    assert_false(chunk_pack_decode(STR("\x80\x02\x06\x20\x00"), 1, back, NULL));
    assert_true(chunk_pack_decode(STR("\x80\x02\x06\x00\x02"), 1, back, NULL));
    assert_true(bits_of_f64(back[0]) == bits_of_f64(0.03) + 1);
    // S1 of a thousand residuals among two; a bitmap that names one when two were told.
    assert_false(chunk_pack_decode(STR("\x05\x00\xe9\x07\x03\x01\x03"), 3, back, NULL));
    assert_false(chunk_pack_decode(STR("\x05\x00\x05\x01\x02\x0c"), 3, back, NULL));
    assert_true(chunk_pack_decode(STR("\x05\x00\x03\x02\x02\x02"), 3, back, NULL));
    assert_true(back[0] == 0 && back[1] == 0 && back[2] == 1);
}
