// re_scan.c: a scanner of regular-expression syntax that stops at what it need not know.

#include "text/re_scan.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/re.h"

static bool is_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

static bool is_meta(char c)
{
    return str_find(STR("\\.+*?()|[]{}^$"), c) != STR_NONE;
}

bool re_scan_literal(str pattern, size_t *at, str *bytes)
{
    if (*at >= pattern.len) {
        return false;
    }
    const char c = pattern.ptr[*at];
    if (c == '\\') {
        if (*at + 1 >= pattern.len || !is_punctuation(pattern.ptr[*at + 1])) {
            return false;
        }
        *bytes = (str){pattern.ptr + *at + 1, 1};
        *at += 2;
        return true;
    }
    if (is_meta(c)) {
        return false;
    }
    size_t end = *at;
    u32 code_point;
    (void)utf8_next(pattern, &end, &code_point); // A bad byte counts as one.
    *bytes = (str){pattern.ptr + *at, end - *at};
    *at = end;
    return true;
}

// What follows an opening '[' up to and with its ']'; the pattern's end if there is none.
static size_t class_end(str pattern, size_t at)
{
    at += at < pattern.len && pattern.ptr[at] == '^';
    at += at < pattern.len && pattern.ptr[at] == ']'; // First, it is a member.
    while (at < pattern.len) {
        const char c = pattern.ptr[at];
        if (c == ']') {
            return at + 1;
        }
        if (c == '\\') {
            at += 2;
            continue;
        }
        if (c == '[' && at + 1 < pattern.len && pattern.ptr[at + 1] == ':') {
            const str rest = str_sub(pattern, at + 2, pattern.len);
            const size_t close = str_find_str(rest, STR(":]"));
            at = close == STR_NONE ? at + 2 : at + 2 + close + 2;
            continue;
        }
        at++;
    }
    return pattern.len;
}

// What follows a backslash; of \Q the whole quotation.
static size_t escape_end(str pattern, size_t at)
{
    if (at + 1 < pattern.len && pattern.ptr[at + 1] == 'Q') {
        const str rest = str_sub(pattern, at + 2, pattern.len);
        const size_t close = str_find_str(rest, STR("\\E"));
        return close == STR_NONE ? pattern.len : at + 2 + close + 2;
    }
    return MIN(at + 2, pattern.len);
}

static bool opens_named_group(str rest) // (?<name>, which older RE2 does not know.
{
    return rest.len > 3 && memcmp(rest.ptr, "(?<", 3) == 0 && rest.ptr[3] != '=' &&
           rest.ptr[3] != '!';
}

static bool scan_check(str pattern, struct error *e)
{
    if (pattern.len > RE_PATTERN_BYTES_MAX) {
        return err_set(e, ERR_LIMIT, "regular expression of %zu bytes is longer than %d",
                       pattern.len, RE_PATTERN_BYTES_MAX);
    }
    if (!utf8_valid(pattern)) {
        return err_set(e, ERR_INVALID, "error parsing regexp: invalid UTF-8");
    }
    return true;
}

bool re_scan(str pattern, struct buf *out, struct error *e)
{
    if (!scan_check(pattern, e)) {
        return false;
    }
    u32 depth = 0;
    size_t at = 0;
    while (at < pattern.len) {
        const size_t from = at;
        switch (pattern.ptr[at]) {
        case '\\':
            if (at + 1 < pattern.len && pattern.ptr[at + 1] == 'C') {
                return err_set(e, ERR_INVALID,
                               "error parsing regexp: invalid escape sequence: `\\C`");
            }
            at = escape_end(pattern, at);
            break;
        case '[':
            at = class_end(pattern, at + 1);
            break;
        case '(':
            if (++depth > RE_NESTING_MAX) {
                return err_set(e, ERR_LIMIT,
                               "error parsing regexp: expression nests too deeply (more than %d)",
                               RE_NESTING_MAX);
            }
            if (opens_named_group(str_sub(pattern, at, pattern.len))) {
                buf_c(out, "(?P<");
                at += 3;
                continue;
            }
            at++;
            break;
        case ')':
            depth -= depth > 0; // One too many is RE2's to refuse.
            at++;
            break;
        default:
            at++;
        }
        at = MIN(at, pattern.len);
        buf_str(out, str_sub(pattern, from, at));
    }
    return true;
}

static bool alternates_at_top(str pattern)
{
    u32 depth = 0;
    size_t at = 0;
    while (at < pattern.len) {
        switch (pattern.ptr[at]) {
        case '\\':
            at = escape_end(pattern, at);
            continue;
        case '[':
            at = class_end(pattern, at + 1);
            continue;
        case '(':
            depth++;
            break;
        case ')':
            depth -= depth > 0;
            break;
        case '|':
            if (depth == 0) {
                return true;
            }
            break;
        default:
            break;
        }
        at++;
    }
    return false;
}

// Whether what follows a literal may repeat it zero times: a quantifier, also behind a change of
// flags or an empty quotation.
static bool may_vanish(str rest)
{
    return (rest.len > 0 && str_find(STR("*?{"), rest.ptr[0]) != STR_NONE) ||
           str_starts(rest, STR("(?")) || str_starts(rest, STR("\\Q"));
}

void re_scan_prefix(str pattern, struct buf *out)
{
    if (alternates_at_top(pattern)) {
        return;
    }
    size_t at = 0;
    at += pattern.len > 0 && pattern.ptr[0] == '^';
    str bytes;
    while (re_scan_literal(pattern, &at, &bytes)) {
        if (may_vanish(str_sub(pattern, at, pattern.len))) {
            return;
        }
        buf_str(out, bytes);
    }
}
