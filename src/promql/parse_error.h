// parse_error.h: saying what is wrong with a text, and where. Private to the parser.
//
// Threads: owned.
#ifndef PROMQL_PARSE_ERROR_H
#define PROMQL_PARSE_ERROR_H

#include "base/base.h"
#include "promql/lex.h"
#include "promql/parse.h"

#include <stdarg.h>

struct arena;

// Fills *pe unless it is filled already: the first error is the one that is told.
void parse_error_set(struct parse_error *pe, str text, struct text_span span, const char *format,
                     ...) PRINTF_LIKE(4, 5);
void parse_error_set_args(struct parse_error *pe, str text, struct text_span span,
                          const char *format, va_list args) __attribute__((format(printf, 4, 0)));

// An error token; the error reaches from `from` to the end of the text.
struct token lex_fail(struct lexer *l, u32 from, const char *format, ...) PRINTF_LIKE(3, 4);

str str_quoted(struct arena *a, str s); // "…" as Go's %q.
// '…' as Go's %q of the character at pos; past the end, or not UTF-8, the replacement character.
str rune_quoted(struct arena *a, str text, u32 pos);
str rune_named(struct arena *a, str text, u32 pos); // U+0061 'a', as Go's %#U.

#endif
