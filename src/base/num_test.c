#include "base/bits.h"
#include "base/num.h"
#include "base/num_golden.h"
#include "base/str.h"
#include "base/test.h"

#include <math.h>

static void expect(size_t (*put)(char *out, f64 v), u64 bits, const char *want)
{
    char text[NUM_TEXT_MAX];
    size_t len = put(text, f64_of_bits(bits));
    ASSERT_STR_EQ(str_make(text, len), str_c(want));
}

TEST(num_prints_as_go_does)
{
    assert_true(num_text_case_count > 200);
    for (size_t i = 0; i < num_text_case_count; i++) {
        const struct num_text_case *c = &num_text_cases[i];
        expect(num_json, c->bits, c->json);
        expect(num_go, c->bits, c->go);
        expect(num_plain, c->bits, c->plain);
        expect(num_exp, c->bits, c->exp);
    }
}

TEST(num_fixed_prints_as_go_does)
{
    for (size_t i = 0; i < num_fixed_case_count; i++) {
        const struct num_fixed_case *c = &num_fixed_cases[i];
        char text[NUM_TEXT_MAX];
        size_t len = num_fixed(text, f64_of_bits(c->bits), c->verb, c->precision);
        ASSERT_STR_EQ(str_make(text, len), str_c(c->text));
    }
}

TEST(num_fixed_fits_at_its_longest)
{
    char text[NUM_TEXT_MAX];
    size_t len = num_fixed(text, -1.7976931348623157e308, 'f', 64);
    assert_int_equal(len, 1 + 309 + 1 + 64);
    len = num_plain(text, -2.2250738585072014e-308);
    assert_true(len < NUM_TEXT_MAX);
}

TEST(num_parses_as_go_does)
{
    assert_true(num_parse_case_count > 200);
    for (size_t i = 0; i < num_parse_case_count; i++) {
        const struct num_parse_case *c = &num_parse_cases[i];
        f64 v = 42;
        bool ok = num_parse(str_c(c->text), &v);
        u64 want = c->ok ? c->bits : bits_of_f64(42);
        u64 got = isnan(v) ? 0x7ff8000000000000ULL : bits_of_f64(v);
        if (ok != c->ok || got != want) {
            fail_msg("\"%s\": got %d %016llx, want %d %016llx", c->text, ok,
                     (unsigned long long)got, c->ok, (unsigned long long)want);
        }
    }
}

TEST(num_parse_refuses_what_go_takes_loosely)
{
    static const char *const bad[] = {"", "1_000", "0x_1p0", "1_0.5", " 1", "1 ", "1\n", "-", "+"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        f64 v = 42;
        assert_false(num_parse(str_c(bad[i]), &v));
        assert_true(v == 42);
    }
    f64 v;
    assert_false(num_parse(STR("1\0"), &v));
    assert_false(num_parse(STR_EMPTY, &v));
}

TEST(num_parse_reads_only_its_bytes)
{
    static const char text[] = "12345";
    f64 v;
    assert_true(num_parse(str_make(text, 3), &v));
    assert_true(v == 123);
    char lengthy[4096]; // Far more digits than a double holds.
    memset(lengthy, '9', sizeof(lengthy));
    assert_true(num_parse(str_make(lengthy, 300), &v));
    assert_true(v == 1e300);
    assert_true(num_parse(str_make(lengthy, sizeof(lengthy)), &v));
    assert_true(isinf(v));
    memset(lengthy, '0', sizeof(lengthy) - 1);
    assert_true(num_parse(str_make(lengthy, sizeof(lengthy)), &v));
    assert_true(v == 9);
    lengthy[0] = '.';
    assert_true(num_parse(str_make(lengthy, sizeof(lengthy)), &v));
    assert_true(v == 0 && !signbit(v)); // 9e-4095 is too small.
    lengthy[0] = '1';
    lengthy[1] = '.';
    assert_true(num_parse(str_make(lengthy, sizeof(lengthy)), &v));
    assert_true(v == 1);
}

TEST(num_parse_tells_too_large_from_too_small_in_hex)
{
    char text[420] = "0x1";
    memset(text + 3, '0', 400);
    memcpy(text + 403, "p-450", 5); // 2^1150.
    f64 v = 0;
    assert_true(num_parse(str_make(text, 408), &v));
    assert_true(isinf(v) && v > 0);
    memcpy(text, "0x.", 3);
    memcpy(text + 403, "1p450", 5); // 2^-1154.
    v = 1;
    assert_true(num_parse(str_make(text, 408), &v));
    assert_true(v == 0);
}

TEST(num_every_text_reads_back_to_the_same_bits)
{
    static size_t (*const puts[])(char *, f64) = {num_json, num_go, num_plain, num_exp};
    u64 state = 1;
    for (int i = 0; i < 50000; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        u64 bits = state ^ (state >> 29);
        if (i % 2) { // Decimal-looking numbers, as metrics have.
            bits = bits_of_f64((f64)(bits >> 30) / 1000);
        }
        f64 v = f64_of_bits(bits);
        if (isnan(v)) {
            continue;
        }
        for (size_t k = 0; k < ARRAY_LEN(puts); k++) {
            char text[NUM_TEXT_MAX];
            size_t len = puts[k](text, v);
            f64 back = 0;
            assert_true(num_parse(str_make(text, len), &back));
            assert_true(bits_of_f64(back) == bits);
        }
    }
}
