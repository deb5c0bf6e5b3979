// yaml_place.c: errors that show where: file:line:col, the line, a caret; secrets masked.

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "wire/yaml_inner.h"

#include <stdio.h>

#define SHOWN_MAX        72 // Characters of the line.
#define SHOWN_LEAD       48 // Of them at most so many before the caret.
#define BLANK_LINES_MAX  64 // So far above a blank line something to show is looked for.
#define SECRET_LINES_MAX 64 // So far above a line its key is looked for.
#define MESSAGE_MAX      sizeof(((struct error *)NULL)->text)

void yaml_place(const struct yaml_node *n, size_t offset, u32 *line, u32 *column)
{
    *line = n->line;
    *column = n->column;
    const str before = str_sub(n->scalar, 0, offset);
    const size_t newline = str_find_last(before, '\n');
    if (n->block) {
        for (size_t i = 0; i < before.len; i++) {
            *line += before.ptr[i] == '\n';
        }
    } else if (str_find(n->scalar, '\n') != STR_NONE) {
        return;
    } else {
        *column += n->quoted; // Behind the quote.
    }
    size_t pos = newline == STR_NONE ? 0 : newline + 1;
    while (pos < before.len) {
        u32 c;
        (void)utf8_next(before, &pos, &c);
        ++*column;
    }
}

static str line_of(str text, u32 line)
{
    str piece = STR_EMPTY;
    while (line > 0 && str_split_next(&text, '\n', &piece)) {
        line--;
    }
    if (line > 0) {
        return STR_EMPTY;
    }
    return str_ends(piece, STR("\r")) ? str_sub(piece, 0, piece.len - 1) : piece;
}

static size_t find_nocase(str s, str word)
{
    for (size_t i = 0; i + word.len <= s.len; i++) {
        if (str_eq_nocase(str_sub(s, i, i + word.len), word)) {
            return i;
        }
    }
    return STR_NONE;
}

// Where in a line something secret may begin: behind the ':' of a key that sounds like it.
static size_t secret_from(str line)
{
    // Short, so that a key spelt wrong, which is what is being told, sounds like it as well.
    static const str words[] = {STR("pas"), STR("pwd"),     STR("secr"),   STR("cred"), STR("tok"),
                                STR("key"), STR("authori"), STR("bearer"), STR("cook"), STR("url")};
    size_t from = STR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const size_t at = find_nocase(line, words[i]);
        if (at == STR_NONE) {
            continue;
        }
        const size_t colon = str_find(str_sub(line, at, line.len), ':');
        if (colon != STR_NONE) {
            from = MIN(from, at + colon + 1);
        }
    }
    return from;
}

static size_t indent_of(str line)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] == ' ') {
        n++;
    }
    return n;
}

// Whether the line is (part of) the value of a key that sounds secret and stands above it.
static bool continues_secret(str text, u32 number)
{
    size_t indent = indent_of(line_of(text, number));
    for (u32 i = number; i > 1 && i + SECRET_LINES_MAX > number; i--) {
        const str above = line_of(text, i - 1);
        if (str_trim(above).len == 0 || indent_of(above) >= indent) {
            continue;
        }
        indent = indent_of(above);
        const size_t from = secret_from(above);
        const str rest = from == STR_NONE ? STR_EMPTY : str_trim(str_sub(above, from, above.len));
        if (from != STR_NONE &&
            (rest.len == 0 || str_find(STR("|>&!'\""), rest.ptr[0]) != STR_NONE)) {
            return true;
        }
        if (indent == 0) {
            break;
        }
    }
    return false;
}

static size_t skip_chars(str s, size_t count)
{
    size_t pos = 0;
    u32 c;
    while (count-- > 0 && pos < s.len) {
        (void)utf8_next(s, &pos, &c);
    }
    return pos;
}

// The line around the column and a caret under it.
static void show(struct buf *out, str text, struct yaml_spot spot)
{
    const u32 column = spot.column;
    str line = line_of(text, spot.line);
    const size_t secret = continues_secret(text, spot.line) ? indent_of(line) : secret_from(line);
    const bool masked = secret != STR_NONE;
    if (masked) {
        line = str_sub(line, 0, secret);
    }
    const u32 lead = column - 1 > SHOWN_LEAD ? column - 1 - SHOWN_LEAD : 0;
    str shown = str_sub(line, skip_chars(line, lead), line.len);
    shown = str_sub(shown, 0, skip_chars(shown, SHOWN_MAX));
    buf_c(out, "\n    ");
    for (size_t i = 0; i < shown.len; i++) {
        buf_byte(out, shown.ptr[i] == '\t' ? ' ' : (u8)shown.ptr[i]);
    }
    buf_c(out, masked ? " <secret>\n    " : "\n    ");
    for (u32 i = 1; i < column - lead; i++) {
        buf_byte(out, ' ');
    }
    buf_byte(out, '^');
}

// Where there is something to see: the place itself, or, if its line is blank (as the end of a file
// is), the end of the last line above that is not. Line 0 if there is none near.
static struct yaml_spot spot_seen(str text, struct yaml_spot spot)
{
    const u32 first = spot.line > BLANK_LINES_MAX ? spot.line - BLANK_LINES_MAX : 0;
    while (spot.line > 0 && str_trim(line_of(text, spot.line)).len == 0) {
        if (spot.line == first) {
            return (struct yaml_spot){0, 0};
        }
        spot.line--;
        const str above = line_of(text, spot.line);
        size_t pos = 0;
        u32 c;
        for (spot.column = 1; pos < above.len; spot.column++) {
            (void)utf8_next(above, &pos, &c);
        }
    }
    return spot;
}

bool yaml_error_at(struct error *e, const struct yaml_doc *doc, struct yaml_spot spot,
                   enum err code, const char *message)
{
    struct buf picture;
    buf_init(&picture, 1024);
    const struct yaml_spot shown = spot_seen(doc->text, spot);
    if (shown.line > 0) {
        show(&picture, doc->text, shown);
    }
    // A message that leaves no room for the picture goes without it.
    const size_t room = MESSAGE_MAX;
    const int len =
        snprintf(NULL, 0, "%.*s:%u:%u: %s", STR_ARG(doc->file), spot.line, spot.column, message);
    const bool fits = buf_ok(&picture) && (size_t)len + picture.len < room;
    (void)err_set(e, code, "%.*s:%u:%u: %s%s", STR_ARG(doc->file), spot.line, spot.column, message,
                  fits && picture.len > 0 ? picture.bytes : "");
    buf_fini(&picture);
    return false;
}

static bool fail_at(struct error *e, const struct yaml_node *n, size_t offset, const char *message)
{
    struct yaml_spot spot = {n->line, n->column};
    if (offset > 0) {
        yaml_place(n, offset, &spot.line, &spot.column);
    }
    return yaml_error_at(e, n->doc, spot, ERR_INVALID, message);
}

bool yaml_verror(struct error *e, const struct yaml_node *n, size_t offset, const char *format,
                 va_list args)
{
    char message[MESSAGE_MAX];
    (void)vsnprintf(message, sizeof(message), format, args);
    return fail_at(e, n, offset, message);
}

bool yaml_error(struct error *e, const struct yaml_node *n, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return fail_at(e, n, 0, message);
}

bool yaml_error_within(struct error *e, const struct yaml_node *n, size_t offset,
                       const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return fail_at(e, n, offset, message);
}
