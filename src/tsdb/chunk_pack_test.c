#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/sample.h"
#include "os/rng.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/int_pack.h"

#include <math.h>
#include <stdlib.h>

static size_t round_trip(const f64 *values, u32 n)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    chunk_pack_encode(values, n, &b);
    assert_true(buf_ok(&b));
    f64 back[CHUNK_VALUES_MAX];
    struct error e = {0};
    ASSERT_OK(chunk_pack_decode(buf_get(&b), n, back, &e), e);
    assert_memory_equal(values, back, n * sizeof(f64));
    const size_t bytes = b.len;
    buf_fini(&b);
    return bytes;
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

static f64 random_value(struct rng *r, u32 kind, f64 previous)
{
    switch (kind) {
    case 0:
        return f64_of_bits(rng_u64(r));
    case 1:
        return (f64)(i64)(rng_u64(r) >> rng_below(r, 64));
    case 2:
        return previous + (f64)rng_below(r, 100);
    case 3:
        return (f64)((i64)rng_below(r, 2000000) - 1000000) / 1000;
    case 4:
        return previous + rng_unit(r);
    case 5:
        return rng_below(r, 50) ? previous : previous + 1;
    case 6:
        return -(f64)(i64)(rng_u64(r) >> rng_below(r, 64)) / 1e9;
    default:
        return (f64)(rng_below(r, 3) << 62) * (rng_below(r, 2) ? 1 : -1);
    }
}

TEST(chunk_pack_round_trips_random_chunks)
{
    static const u64 specials[] = {STALE_NAN_BITS,        NORMAL_NAN_BITS,      1ULL << 63, 1,
                                   0x7ff0000000000000ULL, 0xfff0000000000000ULL};
    const char *more = getenv("TIDEMARK_TEST_CHUNKS");
    u64 chunks = 20000;
    if (more) {
        chunks = strtoull(more, NULL, 10);
    }
    struct rng r;
    rng_init(&r, 42);
    for (u64 c = 0; c < chunks; c++) {
        f64 v[CHUNK_VALUES_MAX];
        const u32 n = 1 + (u32)rng_below(&r, rng_below(&r, 4) ? 40 : CHUNK_VALUES_MAX);
        const u32 kind = (u32)rng_below(&r, 8);
        const u64 special_one_in = rng_below(&r, 3) ? 0 : 2 + rng_below(&r, 60);
        f64 previous = (f64)rng_below(&r, 1000000);
        for (u32 i = 0; i < n; i++) {
            previous = random_value(&r, kind, previous);
            v[i] = previous;
            if (special_one_in && rng_below(&r, special_one_in) == 0) {
                v[i] = f64_of_bits(specials[rng_below(&r, ARRAY_LEN(specials))]);
            }
        }
        round_trip(v, n);
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
        buf_fini(&b);
    }
}

TEST(chunk_pack_refuses_mutations_without_reading_past_the_end)
{
    struct rng r;
    rng_init(&r, 11);
    f64 v[CHUNK_VALUES_MAX];
    f64 back[CHUNK_VALUES_MAX];
    for (u32 i = 0; i < CHUNK_VALUES_MAX; i++) {
        v[i] = (f64)rng_below(&r, 10000) / 100;
    }
    v[3] = stale_nan();
    struct buf b;
    buf_init(&b, 1 << 16);
    chunk_pack_encode(v, CHUNK_VALUES_MAX, &b);
    for (size_t cut = 0; cut < b.len; cut++) {
        // A heap copy of the exact length lets the address sanitizer see every byte too far.
        char *copy = mem_new(cut + 1, 1);
        memcpy(copy, b.bytes, cut);
        assert_false(chunk_pack_decode(str_make(copy, cut), CHUNK_VALUES_MAX, back, NULL));
        mem_free(copy);
    }
    for (u32 i = 0; i < 20000; i++) {
        char *copy = mem_new(b.len, 1);
        memcpy(copy, b.bytes, b.len);
        copy[rng_below(&r, b.len)] ^= (char)(1U << rng_below(&r, 8));
        (void)!chunk_pack_decode(str_make(copy, b.len), 1 + (u32)rng_below(&r, CHUNK_VALUES_MAX),
                                 back, NULL);
        mem_free(copy);
    }
    assert_false(chunk_pack_decode(STR("\x80\x00"), 1, back, NULL)); // ULP is not written yet.
    buf_fini(&b);
}
