#include "base/test.h"
#include "os/clk.h"
#include "os/rng.h"

TEST(clk_real_moves_forward)
{
    struct clk *c = clk_real();
    i64 first = clk_mono_ns(c);
    i64 cpu = clk_thread_cpu_ns();
    i64 process = clk_process_cpu_ns();
    volatile u32 work = 0;
    while (clk_mono_ns(c) < first + 3000000) {
        work++;
    }
    assert_true(clk_thread_cpu_ns() > cpu);
    assert_true(clk_process_cpu_ns() > process);
    assert_true(clk_wall_ms(c) > 1700000000000);
    assert_true(clk_mono_ms(c) >= first / 1000000);
}

TEST(clk_manual_stands_still_until_moved)
{
    struct clk *c = clk_manual_new(1000);
    i64 mono = clk_mono_ns(c);
    assert_true(mono > 0);
    assert_int_equal(clk_wall_ms(c), 1000);
    assert_int_equal(clk_mono_ns(c), mono);
    clk_manual_advance(c, 1500);
    assert_int_equal(clk_wall_ms(c), 2500);
    assert_int_equal(clk_mono_ns(c), mono + 1500000000);
    clk_manual_step_wall(c, -2000);
    assert_int_equal(clk_wall_ms(c), 500);
    assert_int_equal(clk_mono_ns(c), mono + 1500000000); // Deadlines do not move.
    clk_manual_free(c);
    clk_manual_free(NULL);
}

TEST(rng_same_seed_same_run)
{
    struct rng a;
    struct rng b;
    struct rng c;
    rng_init(&a, 42);
    rng_init(&b, 42);
    rng_init(&c, 43);
    u32 same = 0;
    for (int i = 0; i < 1000; i++) {
        u64 v = rng_u64(&a);
        assert_true(v == rng_u64(&b));
        same += v == rng_u64(&c);
    }
    assert_int_equal(same, 0);
}

TEST(rng_matches_its_published_sequence)
{
    // xoshiro256** from the state 1, 2, 3, 4.
    static const u64 want[] = {11520ULL,
                               0ULL,
                               1509978240ULL,
                               1215971899390074240ULL,
                               1216172134540287360ULL,
                               607988272756665600ULL};
    struct rng r = {.state = {1, 2, 3, 4}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(rng_u64(&r) == want[i]);
    }
}

TEST(rng_below_is_fair_and_within)
{
    struct rng r;
    rng_init(&r, 1);
    u32 hits[7] = {0};
    for (int i = 0; i < 70000; i++) {
        u64 v = rng_below(&r, 7);
        assert_true(v < 7);
        hits[v]++;
    }
    for (size_t i = 0; i < 7; i++) {
        assert_true(hits[i] > 9500 && hits[i] < 10500);
    }
    assert_int_equal(rng_below(&r, 1), 0);
    u64 huge = ((u64)1 << 63) + 1; // Nearly half of all values would be unfair.
    for (int i = 0; i < 1000; i++) {
        assert_true(rng_below(&r, huge) < huge);
        f64 unit = rng_unit(&r);
        assert_true(unit >= 0 && unit < 1);
    }
}

TEST(rng_fill_covers_every_byte)
{
    struct rng seeded;
    struct rng system;
    rng_init(&seeded, 9);
    rng_init_system(&system);
    struct rng *both[] = {&seeded, &system};
    for (size_t k = 0; k < 2; k++) {
        u8 seen[37] = {0};
        for (int i = 0; i < 64; i++) {
            u8 bytes[37];
            rng_fill(both[k], bytes, sizeof(bytes));
            for (size_t at = 0; at < sizeof(bytes); at++) {
                seen[at] |= bytes[at];
            }
        }
        for (size_t at = 0; at < sizeof(seen); at++) {
            assert_int_equal(seen[at], 0xFF);
        }
    }
    assert_true(rng_u64(&system) != rng_u64(&system));
}
