// parse_literal.c: what numbers, durations and strings stand for.
#include "base/arena.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "base/utf8.h"
#include "model/duration.h"
#include "promql/lex_scan.h"
#include "promql/parse_error.h"
#include "promql/parser.h"

#include <math.h>

#define NANOS_PER_MS INT64_C(1000000)

static bool is_hex_digit(char c)
{
    return lex_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool has_hex_prefix(str s)
{
    return s.len >= 2 && s.ptr[0] == '0' && (s.ptr[1] == 'x' || s.ptr[1] == 'X');
}

// An underscore stands between two digits, or between 0x and a digit.
static bool underscores_ok(str s)
{
    const bool hex = has_hex_prefix(s);
    bool after_digit = hex;
    bool after_underscore = false;
    for (size_t i = hex ? 2 : 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const bool digit = hex ? is_hex_digit(c) : lex_is_digit(c);
        if ((c == '_' && !after_digit) || (c != '_' && !digit && after_underscore)) {
            return false;
        }
        after_digit = digit;
        after_underscore = c == '_';
    }
    return !after_underscore;
}

// Digits of base 8 or 16 that fit into 63 bits; false otherwise.
static bool parse_digits(str s, u64 base, f64 *value)
{
    u64 n = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const u64 digit = lex_is_digit(c) ? (u64)(c - '0') : (u64)((c | 0x20) - 'a') + 10;
        if (digit >= base || n > ((u64)INT64_MAX - digit) / base) {
            return false;
        }
        n = n * base + digit;
    }
    *value = (f64)n;
    return s.len > 0;
}

// NULL, or what is wrong.
static const char *number_value(struct arena *a, str text, f64 *value)
{
    if (!underscores_ok(text)) {
        return "invalid syntax";
    }
    char *plain = ARENA_NEW_N(a, char, text.len);
    str s = {plain, 0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_') {
            plain[s.len++] = text.ptr[i];
        }
    }
    if (has_hex_prefix(s)) {
        return parse_digits(str_sub(s, 2, s.len), 16, value) ? NULL : "invalid syntax";
    }
    if (s.len > 1 && s.ptr[0] == '0' && parse_digits(s, 8, value)) {
        return NULL;
    }
    if (!num_parse(s, value)) {
        return "invalid syntax";
    }
    return isinf(*value) && !lex_is_alpha(s.ptr[0]) ? "value out of range" : NULL;
}

static bool duration_value(struct parser *p, struct token t, f64 *seconds)
{
    struct error e = {0};
    i64 ms = 0;
    if (!duration_parse(token_text(p->text, t), &ms, &e)) {
        return parse_fail(p, t.span, "%s", e.text);
    }
    // As a sum, so that 1h1ms is the float that others get for it.
    const i64 whole = ms / 1000;
    const i64 nanos = ms % 1000 * NANOS_PER_MS;
    *seconds = (f64)whole + (f64)nanos / 1e9;
    return true;
}

bool parse_number(struct parser *p, f64 *value, bool *is_duration)
{
    const struct token t = p->token;
    *is_duration = t.kind == TOKEN_DURATION;
    if (*is_duration) {
        if (!duration_value(p, t, value)) {
            return false;
        }
    } else {
        const str s = token_text(p->text, t);
        const char *wrong = number_value(p->arena, s, value);
        if (wrong) {
            const str quoted = str_quoted(p->arena, s);
            return parse_fail(p, t.span,
                              "error parsing number: strconv.ParseFloat: parsing %.*s: %s",
                              STR_ARG(quoted), wrong);
        }
    }
    parse_advance(p);
    return true;
}

static u32 hex_value(str s)
{
    u32 value = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        value = value * 16 + (u32)(lex_is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

// Writes what the escape at s (behind the backslash) stands for; returns how long it is.
static size_t unescape(str s, char *out, size_t *len)
{
    static const char plain[] = "a\ab\bf\fn\nr\rt\tv\v";
    const char c = s.ptr[0];
    if (c >= '0' && c <= '7') {
        out[(*len)++] = (char)((c - '0') * 64 + (s.ptr[1] - '0') * 8 + (s.ptr[2] - '0'));
        return 3;
    }
    if (c == 'x') {
        out[(*len)++] = (char)hex_value(str_sub(s, 1, 3));
        return 3;
    }
    if (c == 'u' || c == 'U') {
        const size_t digits = c == 'u' ? 4 : 8;
        char bytes[4];
        const size_t count = utf8_put(bytes, hex_value(str_sub(s, 1, 1 + digits)));
        memcpy(out + *len, bytes, count);
        *len += count;
        return 1 + digits;
    }
    for (size_t i = 0; i + 1 < sizeof(plain); i += 2) {
        if (plain[i] == c) {
            out[(*len)++] = plain[i + 1];
            return 1;
        }
    }
    out[(*len)++] = c; // A quote or a backslash.
    return 1;
}

str parse_unquoted(struct parser *p, struct token t)
{
    const str quoted = token_text(p->text, t);
    const str s = str_sub(quoted, 1, quoted.len - 1);
    if (quoted.ptr[0] == '`' || str_find(s, '\\') == STR_NONE) {
        return s;
    }
    char *out = ARENA_NEW_N(p->arena, char, s.len); // No escape is shorter than what it stands for.
    size_t len = 0;
    for (size_t i = 0; i < s.len;) {
        if (s.ptr[i] == '\\') {
            i += 1 + unescape(str_sub(s, i + 1, s.len), out, &len);
        } else {
            out[len++] = s.ptr[i++];
        }
    }
    return (str){out, len};
}
