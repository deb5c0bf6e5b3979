// quote.c: Go's quoting; which code points print is a table.

#include "text/quote.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "text/printable_ranges.h"

bool rune_is_printable(u32 code_point)
{
    if (code_point < 0xa1) {
        return code_point >= 0x20 && code_point < 0x7f;
    }
    size_t low = 0;
    size_t high = ARRAY_LEN(printable_ranges);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (printable_ranges[middle].last < code_point) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < ARRAY_LEN(printable_ranges) && printable_ranges[low].first <= code_point;
}

// The letter after the backslash, or 0.
static char short_escape(u32 code_point)
{
    switch (code_point) {
    case '\a':
        return 'a';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\v':
        return 'v';
    case '\\':
        return '\\';
    case '"':
        return '"';
    default:
        return 0;
    }
}

static void quote_rune(struct buf *out, u32 code_point, str bytes)
{
    const char letter = short_escape(code_point);
    if (letter) {
        buf_byte(out, '\\');
        buf_byte(out, (u8)letter);
    } else if (rune_is_printable(code_point)) {
        buf_str(out, bytes);
    } else if (code_point < 0x20 || code_point == 0x7f) {
        buf_printf(out, "\\x%02x", code_point);
    } else if (code_point < 0x10000) {
        buf_printf(out, "\\u%04x", code_point);
    } else {
        buf_printf(out, "\\U%08x", code_point);
    }
}

void quote_go(struct buf *out, str s)
{
    buf_byte(out, '"');
    size_t plain_from = 0; // What needs no escape is copied in one piece.
    size_t pos = 0;
    while (pos < s.len) {
        const size_t at = pos;
        const u8 byte = (u8)s.ptr[at];
        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            pos++;
            continue;
        }
        buf_add(out, s.ptr + plain_from, at - plain_from);
        u32 code_point;
        if (utf8_next(s, &pos, &code_point)) {
            quote_rune(out, code_point, (str){s.ptr + at, pos - at});
        } else {
            buf_printf(out, "\\x%02x", byte);
        }
        plain_from = pos;
    }
    if (s.len > plain_from) {
        buf_add(out, s.ptr + plain_from, s.len - plain_from);
    }
    buf_byte(out, '"');
}
