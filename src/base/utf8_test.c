#include "base/str.h"
#include "base/test.h"
#include "base/utf8.h"

TEST(utf8_every_scalar_value_goes_round)
{
    for (u32 c = 0; c <= 0x110100; c++) {
        char text[4];
        size_t len = utf8_put(text, c);
        bool scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        assert_int_equal(len > 0, scalar);
        if (!scalar) {
            continue;
        }
        size_t pos = 0;
        u32 back = 0;
        if (!utf8_valid(str_make(text, len)) || !utf8_next(str_make(text, len), &pos, &back) ||
            back != c || pos != len) {
            fail_msg("U+%04X", (unsigned)c);
        }
    }
}

// Decodes by the definition alone: value, length, then the rules.
static bool valid_slow(const u8 *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        u8 b = s[i];
        u32 more = b < 0x80 ? 0 : (b & 0xE0) == 0xC0 ? 1 : (b & 0xF0) == 0xE0 ? 2 : 3;
        if ((b >= 0x80 && b < 0xC0) || b >= 0xF8 || i + more >= len) {
            return false;
        }
        u32 v = more == 0 ? b : b & (0x3FU >> more);
        for (u32 k = 1; k <= more; k++) {
            if ((s[i + k] & 0xC0) != 0x80) {
                return false;
            }
            v = v << 6 | (s[i + k] & 0x3FU);
        }
        static const u32 least[] = {0, 0x80, 0x800, 0x10000};
        if (v < least[more] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

TEST(utf8_validity_agrees_with_the_definition)
{
    static const u8 edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                               0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                               0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
    const size_t n = ARRAY_LEN(edges);
    for (size_t i = 0; i < n * n * n * n; i++) {
        u8 s[4] = {edges[i % n], edges[i / n % n], edges[i / n / n % n], edges[i / n / n / n]};
        for (size_t len = 1; len <= 4; len++) {
            if (utf8_valid(str_make((const char *)s, len)) != valid_slow(s, len)) {
                fail_msg("%02x %02x %02x %02x, %zu bytes", s[0], s[1], s[2], s[3], len);
            }
        }
    }
}

TEST(utf8_fast_ascii_path_sees_bad_bytes_anywhere)
{
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len; at++) {
            char text[40];
            memset(text, 'a', sizeof(text));
            assert_true(utf8_valid(str_make(text, len)));
            text[at] = (char)0xFF;
            assert_false(utf8_valid(str_make(text, len)));
        }
    }
    assert_true(utf8_valid(STR_EMPTY));
}

TEST(utf8_next_steps_over_one_bad_byte)
{
    str s = STR("\xE2\x82z");
    size_t pos = 0;
    u32 c = 99;
    assert_false(utf8_next(s, &pos, &c));
    assert_int_equal(pos, 1);
    assert_false(utf8_next(s, &pos, &c));
    assert_int_equal(c, 99);
    assert_true(utf8_next(s, &pos, &c));
    assert_int_equal(c, 'z');
}

TEST(utf8_validity_looks_at_every_byte_of_a_text)
{
    char s[24];
    for (size_t len = 1; len <= sizeof(s); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(s, 'a', sizeof(s));
            assert_true(utf8_valid(str_make(s, len)));
            s[at] = (char)0xC3;
            assert_false(utf8_valid(str_make(s, len)));
            if (at + 1 < len) {
                s[at + 1] = (char)0xA9;
                assert_true(utf8_valid(str_make(s, len)));
            }
        }
    }
}
