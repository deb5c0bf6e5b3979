// lex_scan.c: see lex_scan.h.
#include "promql/lex_scan.h"

#include "base/str.h"
#include "base/utf8.h"
#include "promql/parse_error.h"

static char byte_here(const struct lexer *l)
{
    if (l->pos >= l->text.len) {
        return '\0';
    }
    return l->text.ptr[l->pos];
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool take_one_of(struct lexer *l, const char *set)
{
    if (!is_one_of(byte_here(l), set)) {
        return false;
    }
    l->pos++;
    return true;
}

static void take_all_of(struct lexer *l, const char *set)
{
    while (take_one_of(l, set)) {
    }
}

static bool at_end(const struct lexer *l)
{
    return l->pos >= l->text.len;
}

// One point, one exponent, and what may not follow a point, an exponent or an underscore.
static bool scan_decimal(struct lexer *l)
{
    const u32 from = l->pos;
    bool seen_point = take_one_of(l, ".");
    bool seen_exponent = false;
    take_all_of(l, "0123456789");
    for (;;) {
        if (take_one_of(l, ".")) {
            if (seen_point || take_one_of(l, "_.")) {
                return false;
            }
            seen_point = true;
        } else if (take_one_of(l, "eE")) {
            if (seen_exponent) {
                return false;
            }
            seen_exponent = true;
            (void)take_one_of(l, "+-");
            if (take_one_of(l, "._eE") || at_end(l)) {
                return false;
            }
        } else if (take_one_of(l, "_")) {
            if (take_one_of(l, "._eE") || at_end(l)) {
                return false;
            }
        } else if (lex_is_digit(byte_here(l))) {
            take_all_of(l, "0123456789");
        } else {
            return l->pos > from && !lex_is_alnum(byte_here(l));
        }
    }
}

static bool scan_number(struct lexer *l)
{
    const u32 from = l->pos;
    if (!take_one_of(l, "0") || !take_one_of(l, "xX")) {
        l->pos = from;
        return scan_decimal(l);
    }
    (void)take_one_of(l, "_");
    for (;;) {
        take_all_of(l, "0123456789abcdefABCDEF");
        if (take_one_of(l, ".")) {
            return false; // There are no fractions in base sixteen.
        }
        if (!take_one_of(l, "_")) {
            return !lex_is_alnum(byte_here(l));
        }
        if (take_one_of(l, "._") || at_end(l)) {
            return false;
        }
    }
}

// What follows a number that turned out to be a duration: units, each but the first after digits.
static bool scan_units(struct lexer *l)
{
    if (!take_one_of(l, "smhdwy")) {
        return false;
    }
    (void)take_one_of(l, "s"); // ms; "hs" is found when the duration is read.
    while (lex_is_digit(byte_here(l))) {
        take_all_of(l, "0123456789");
        if (!take_one_of(l, "smhdw")) {
            return false;
        }
        (void)take_one_of(l, "s");
    }
    if (lex_is_alnum(byte_here(l))) {
        l->pos++;
        return false;
    }
    return true;
}

bool lex_scan_number(struct lexer *l, enum token_kind *kind)
{
    if (scan_number(l)) {
        *kind = TOKEN_NUMBER;
        return true;
    }
    if (scan_units(l)) {
        *kind = TOKEN_DURATION;
        return true;
    }
    return false;
}

static u32 digit_value(const struct lexer *l)
{
    const char c = byte_here(l);
    if (lex_is_digit(c)) {
        return (u32)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (u32)(c - 'a') + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return (u32)(c - 'A') + 10;
    }
    return 16;
}

static bool scan_digits(struct lexer *l, u32 count, u32 base, u32 value_max, struct token *failure)
{
    u32 value = 0;
    for (u32 i = 0; i < count; i++) {
        if (at_end(l)) {
            *failure = lex_fail(l, l->start, "escape sequence not terminated");
            return false;
        }
        const u32 digit = digit_value(l);
        if (digit >= base) {
            const str name = rune_named(l->arena, l->text, l->pos);
            *failure =
                lex_fail(l, l->start, "illegal character %.*s in escape sequence", STR_ARG(name));
            return false;
        }
        value = value * base + digit;
        l->pos++;
    }
    if (value > value_max || (value >= 0xd800 && value < 0xe000)) {
        *failure = lex_fail(l, l->start, "escape sequence is an invalid Unicode code point");
        return false;
    }
    return true;
}

// pos is behind the backslash.
static bool scan_escape(struct lexer *l, struct token *failure)
{
    if (at_end(l)) {
        *failure = lex_fail(l, l->start, "escape sequence not terminated");
        return false;
    }
    const char c = byte_here(l);
    if (c == l->quote || is_one_of(c, "abfnrtv\\")) {
        l->pos++;
        return true;
    }
    if (c >= '0' && c <= '7') {
        return scan_digits(l, 3, 8, 255, failure);
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        l->pos++;
        return scan_digits(l, c == 'x' ? 2 : (c == 'u' ? 4 : 8), 16, c == 'x' ? 255 : 0x10ffff,
                           failure);
    }
    const str name = rune_named(l->arena, l->text, l->pos);
    *failure = lex_fail(l, l->start, "unknown escape sequence %.*s", STR_ARG(name));
    return false;
}

bool lex_scan_string(struct lexer *l, struct token *failure)
{
    l->quote = l->text.ptr[l->pos++];
    const bool raw = l->quote == '`';
    for (;;) {
        const char c = byte_here(l);
        if (at_end(l) || (c == '\n' && !raw)) {
            *failure = lex_fail(l, l->start,
                                raw ? "unterminated raw string" : "unterminated quoted string");
            return false;
        }
        if (c == l->quote) {
            l->pos++;
            return true;
        }
        if (c == '\\' && !raw) {
            l->pos++;
            if (!scan_escape(l, failure)) {
                return false;
            }
            continue;
        }
        size_t pos = l->pos;
        u32 code_point;
        if (!utf8_next(l->text, &pos, &code_point)) {
            *failure = lex_fail(l, l->start, "invalid UTF-8 rune");
            return false;
        }
        l->pos = (u32)pos;
    }
}
