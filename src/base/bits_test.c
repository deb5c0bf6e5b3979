#include "base/bits.h"
#include "base/checked.h"
#include "base/test.h"

#include <math.h>

static u64 gcd_slow(u64 a, u64 b)
{
    while (b) {
        u64 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

TEST(bits_gcd_agrees_with_euclid)
{
    u64 state_bits = 1;
    for (int i = 0; i < 20000; i++) {
        state_bits = state_bits * 6364136223846793005ULL + 1442695040888963407ULL;
        u64 a = state_bits >> (i % 60);
        state_bits = state_bits * 6364136223846793005ULL + 1442695040888963407ULL;
        u64 b = state_bits >> (i % 37);
        assert_true(bits_gcd(a, b) == gcd_slow(a, b));
    }
    assert_true(bits_gcd(0, 0) == 0 && bits_gcd(0, 6) == 6 && bits_gcd(6, 0) == 6);
    assert_true(bits_gcd(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(bits_gcd((u64)1 << 63, 1 << 20) == 1 << 20);
}

static void pow2_too_far(void *arg)
{
    (void)arg;
    (void)bits_pow2_up(((u64)1 << 63) + 1);
}

TEST(bits_pow2_up_and_width_at_the_edges)
{
    assert_true(bits_pow2_up(0) == 1 && bits_pow2_up(1) == 1 && bits_pow2_up(2) == 2);
    assert_true(bits_pow2_up(3) == 4 && bits_pow2_up(4) == 4 && bits_pow2_up(5) == 8);
    assert_true(bits_pow2_up((u64)1 << 63) == (u64)1 << 63);
    assert_true(test_dies(pow2_too_far, NULL));
    assert_int_equal(bits_width(0), 0);
    assert_int_equal(bits_width(1), 1);
    assert_int_equal(bits_width(255), 8);
    assert_int_equal(bits_width(256), 9);
    assert_int_equal(bits_width(UINT64_MAX), 64);
}

TEST(bits_zigzag_goes_round)
{
    static const i64 values[] = {0, -1, 1, -2, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        assert_true(bits_unzigzag(bits_zigzag(values[i])) == values[i]);
    }
    assert_true(bits_zigzag(-1) == 1 && bits_zigzag(1) == 2 &&
                bits_zigzag(INT64_MIN) == UINT64_MAX);
    assert_true(signbit(f64_of_bits(bits_of_f64(-0.0))));
}

TEST(checked_results_are_untouched_on_overflow)
{
    u64 u = 7;
    assert_false(add_u64(UINT64_MAX, 1, &u));
    assert_false(sub_u64(0, 1, &u));
    assert_false(mul_u64((u64)1 << 32, (u64)1 << 32, &u));
    assert_true(u == 7);
    assert_true(mul_u64((u64)1 << 32, ((u64)1 << 32) - 1, &u));
    assert_true(u == UINT64_MAX - UINT32_MAX);
    i64 v = 7;
    assert_false(add_i64(INT64_MAX, 1, &v));
    assert_false(sub_i64(INT64_MIN, 1, &v));
    assert_false(mul_i64(INT64_MIN, -1, &v));
    assert_true(v == 7);
}

TEST(checked_saturation_sticks_to_the_near_end)
{
    assert_true(sat_add_i64(INT64_MAX, 1) == INT64_MAX);
    assert_true(sat_add_i64(INT64_MIN, -1) == INT64_MIN);
    assert_true(sat_sub_i64(INT64_MIN, 1) == INT64_MIN);
    assert_true(sat_sub_i64(INT64_MAX, -1) == INT64_MAX);
    assert_true(sat_sub_i64(0, INT64_MIN) == INT64_MAX);
    assert_true(sat_sub_i64(-1, INT64_MIN) == INT64_MAX);
    assert_true(sat_add_i64(3, 4) == 7 && sat_sub_i64(3, 4) == -1);
}
