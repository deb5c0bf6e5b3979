// lex_scan.h: the two tokens that need scanning by rules of their own: numbers and strings.
// Private to the lexer. Threads: owned.
#ifndef PROMQL_LEX_SCAN_H
#define PROMQL_LEX_SCAN_H

#include "base/base.h"
#include "promql/lex.h"

// Moves l->pos behind a number or duration; kind is TOKEN_NUMBER or TOKEN_DURATION. On failure pos
// is behind what was read until it went wrong. What is scanned may still be no right number.
bool lex_scan_number(struct lexer *l, enum token_kind *kind) MUST_USE;
// Moves l->pos from the opening quote behind the closing one; checks escapes and UTF-8.
bool lex_scan_string(struct lexer *l, struct token *failure) MUST_USE;

static inline bool lex_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool lex_is_alpha(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool lex_is_alnum(char c)
{
    return lex_is_alpha(c) || lex_is_digit(c);
}

#endif
