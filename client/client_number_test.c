// client_number_test.c: every double survives the page, and looks as a human would write it.
#include "base/test.h"
#include "client/tmk_inner.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(client_number_is_short)
{
    static const struct {
        double v;
        const char *want;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e6, "1000000"},
        {123456789012345, "123456789012345"},
        {1e21, "1e+21"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992"},
        {1.0 / 3, "0.3333333333333333"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
        {-NAN, "NaN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[TMK_NUMBER_BYTES_MAX];
        size_t n = tmk_number_format(cases[i].v, text);
        assert_string_equal(text, cases[i].want);
        assert_int_equal(n, strlen(cases[i].want));
    }
}

TEST(client_number_round_trips_any_bits)
{
    u64 x = 88172645463325252U;
    for (int i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        double v = tmk_bits_double(i % 4 ? x : x & 0x800fffffffffffffU);
        if (isnan(v) || isinf(v)) {
            continue;
        }
        char text[TMK_NUMBER_BYTES_MAX];
        tmk_number_format(v, text);
        if (tmk_double_bits(strtod(text, NULL)) != tmk_double_bits(v)) {
            fail_msg("%a became %s", v, text);
        }
    }
}

TEST(client_number_knows_no_locale)
{
    static const char *const cases[][2] = {{"1,5", "1.5"},
                                           {"-1\xd9\xab"
                                            "5e-05",
                                            "-1.5e-05"},
                                           {"12", "12"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[TMK_NUMBER_BYTES_MAX];
        snprintf(text, sizeof(text), "%s", cases[i][0]);
        assert_int_equal(tmk_number_unlocalise(text), strlen(cases[i][1]));
        assert_string_equal(text, cases[i][1]);
    }
}
