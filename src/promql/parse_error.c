// parse_error.c: see parse_error.h, and parse.h for what others may ask.
#include "promql/parse_error.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/quote.h"

#include <stdio.h>

#define RUNE_REPLACEMENT 0xfffd

void text_position(str text, u32 offset, u32 *line, u32 *column)
{
    u32 lines = 1;
    u32 line_start = 0;
    for (u32 i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            lines++;
            line_start = i + 1;
        }
    }
    *line = lines;
    *column = offset - line_start + 1;
}

// A cut in the middle of a character would make the message itself invalid.
static void cut_partial_rune(char *text, size_t len)
{
    size_t end = len;
    while (end > 0 && ((u8)text[end - 1] & 0xc0) == 0x80) {
        end--;
    }
    if (end > 0 && (u8)text[end - 1] >= 0xc0 && !utf8_valid((str){text + end - 1, len - end + 1})) {
        text[end - 1] = '\0';
    }
}

void parse_error_set_args(struct parse_error *pe, str text, struct text_span span,
                          const char *format, va_list args)
{
    if (pe->line) {
        return;
    }
    pe->span.start = MIN(span.start, (u32)text.len);
    pe->span.end = MAX(pe->span.start, MIN(span.end, (u32)text.len));
    text_position(text, pe->span.start, &pe->line, &pe->column);
    pe->is_empty = text.len == 0;
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): both callers have started it.
    const int wanted = vsnprintf(pe->text, sizeof(pe->text), format, args);
    if (wanted >= (int)sizeof(pe->text)) {
        cut_partial_rune(pe->text, sizeof(pe->text) - 1);
    }
}

void parse_error_set(struct parse_error *pe, str text, struct text_span span, const char *format,
                     ...)
{
    va_list args;
    va_start(args, format);
    parse_error_set_args(pe, text, span, format, args);
    va_end(args);
}

struct token lex_fail(struct lexer *l, u32 from, const char *format, ...)
{
    const struct text_span span = {from, (u32)l->text.len};
    va_list args;
    va_start(args, format);
    parse_error_set_args(l->error, l->text, span, format, args);
    va_end(args);
    return (struct token){TOKEN_ERROR, span};
}

str str_quoted(struct arena *a, str s)
{
    struct buf b;
    buf_init(&b, 12 * s.len + 16);
    quote_go(&b, s);
    const str quoted = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return quoted;
}

static u32 rune_at(str text, u32 pos)
{
    size_t next = pos;
    u32 code_point;
    if (pos >= text.len || !utf8_next(text, &next, &code_point)) {
        return RUNE_REPLACEMENT;
    }
    return code_point;
}

str rune_quoted(struct arena *a, str text, u32 pos)
{
    const u32 rune = rune_at(text, pos);
    if (rune == '\'') {
        return STR("'\\''");
    }
    if (rune == '"') {
        return STR("'\"'");
    }
    char bytes[4];
    const str quoted = str_quoted(a, (str){bytes, utf8_put(bytes, rune)});
    return arena_printf(a, "'%.*s'", STR_ARG(str_sub(quoted, 1, quoted.len - 1)));
}

str rune_named(struct arena *a, str text, u32 pos)
{
    const u32 rune = rune_at(text, pos);
    char bytes[4];
    const size_t len = utf8_put(bytes, rune);
    if (!rune_is_printable(rune)) {
        return arena_printf(a, "U+%04X", rune);
    }
    return arena_printf(a, "U+%04X '%.*s'", rune, (int)len, bytes);
}

void parse_error_print(struct buf *out, const struct parse_error *pe)
{
    if (pe->is_empty) {
        buf_printf(out, "unknown position: parse error: %s", pe->text);
    } else {
        buf_printf(out, "%u:%u: parse error: %s", pe->line, pe->column, pe->text);
    }
}

void parse_error_print_caret(struct buf *out, str text, const struct parse_error *pe)
{
    const u32 start = MIN(pe->span.start, (u32)text.len);
    u32 from = start;
    while (from > 0 && text.ptr[from - 1] != '\n') {
        from--;
    }
    u32 to = start;
    while (to < text.len && text.ptr[to] != '\n') {
        to++;
    }
    buf_str(out, str_sub(text, from, to));
    buf_byte(out, '\n');
    for (u32 i = from; i < start; i++) { // A tab stays one, a character of many bytes is one wide.
        if (((u8)text.ptr[i] & 0xc0) != 0x80) {
            buf_byte(out, text.ptr[i] == '\t' ? '\t' : ' ');
        }
    }
    buf_byte(out, '^');
    for (u32 i = start + 1; i < MIN(pe->span.end, to); i++) {
        if (((u8)text.ptr[i] & 0xc0) != 0x80) {
            buf_byte(out, '^');
        }
    }
    buf_byte(out, '\n');
}
