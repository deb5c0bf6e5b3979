// quote_test.c: Go's strconv.Quote, case by case.

#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "text/quote.h"

static void expect(str s, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    quote_go(&b, s);
    assert_true(buf_ok(&b));
    ASSERT_STR_EQ(buf_get(&b), str_make(want, strlen(want)));
    buf_fini(&b);
}

TEST(quote_leaves_plain_text_alone)
{
    expect(STR_EMPTY, "\"\"");
    expect(STR("up"), "\"up\"");
    expect(STR("über 日本 ☺"), "\"über 日本 ☺\"");
}

TEST(quote_escapes_as_go_does)
{
    expect(STR("a\"b\\c"), "\"a\\\"b\\\\c\"");
    expect(STR("\a\b\f\n\r\t\v"), "\"\\a\\b\\f\\n\\r\\t\\v\"");
    expect(STR("\x01\x1f\x7f"), "\"\\x01\\x1f\\x7f\"");
    expect(str_make("a\0b", 3), "\"a\\x00b\"");
    expect(STR("'"), "\"'\"");
}

TEST(quote_spells_out_what_does_not_print)
{
    expect(STR("\u00ad"), "\"\\u00ad\"");              // Soft hyphen.
    expect(STR("\u00a0"), "\"\\u00a0\"");              // No-break space.
    expect(STR("\u200b\u2028"), "\"\\u200b\\u2028\""); // Zero width, line separator.
    expect(STR("\ufeff\uffff"), "\"\\ufeff\\uffff\"");
    expect(STR("\U000e0001"), "\"\\U000e0001\"");
    expect(STR("\xc2\x85"), "\"\\u0085\"");
}

TEST(quote_spells_out_bytes_that_are_not_utf8)
{
    expect(STR("a\xff\xfez"), "\"a\\xff\\xfez\"");
    expect(STR("\xc3"), "\"\\xc3\"");
    expect(STR("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\""); // A surrogate.
    expect(STR("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"");
}

TEST(rune_is_printable_knows_the_ends_of_its_ranges)
{
    assert_true(rune_is_printable(' '));
    assert_true(rune_is_printable('~'));
    assert_false(rune_is_printable(0x7f));
    assert_false(rune_is_printable(0xa0));
    assert_true(rune_is_printable(0xa1));
    assert_false(rune_is_printable(0xad));
    assert_true(rune_is_printable(0x1f600));
    assert_false(rune_is_printable(0xe000)); // Private use.
    assert_false(rune_is_printable(0x10ffff));
}
