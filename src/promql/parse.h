// parse.h: text to a checked tree, and the tree back to text.
//
// parse_expr O(bytes). Everything made, strings included, lives in the caller's arena. The grammar
// stands above the functions of parse*.c, rule by rule.
// Memory: under 4 MiB for the worst of texts; an arena that allows less than 16 MiB is too small,
// since allocation in it aborts. Regular expressions hold theirs beside it until the arena dies.
// Threads: stateless; a tree is frozen once returned.
#ifndef PROMQL_PARSE_H
#define PROMQL_PARSE_H

#include "base/base.h"
#include "promql/ast.h"

struct arena;
struct buf;

#define PARSE_ERROR_BYTES 512

// The first thing wrong with a text.
struct parse_error {
    struct text_span span;
    u32 line;                     // From 1; 0 while nothing is wrong.
    u32 column;                   // From 1, in bytes.
    bool is_empty;                // There was no text at all.
    char text[PARSE_ERROR_BYTES]; // Without the place.
};

// Everything is on in a zeroed struct; each field refuses one family by name.
struct parse_opts {
    bool no_experimental_functions; // Also limitk and limit_ratio.
    bool no_duration_exprs;
    bool no_extended_ranges; // anchored, smoothed
    bool no_fill;
};

// NULL and *pe on failure; opts NULL = all on.
struct expr *parse_expr(struct arena *a, str text, const struct parse_opts *opts,
                        struct parse_error *pe) MUST_USE;
// One selector without offset, @ or range, as match[] takes; it may match everything.
bool parse_selector(struct arena *a, str text, const struct matcher **ms, u32 *count,
                    struct parse_error *pe) MUST_USE;

// 1:5: parse error: …
void parse_error_print(struct buf *out, const struct parse_error *pe);
// The line it stands in, and carets under the span.
void parse_error_print_caret(struct buf *out, str text, const struct parse_error *pe);
void text_position(str text, u32 offset, u32 *line, u32 *column); // Both from 1.

// Canonical text; parsing it gives a tree that prints the same.
void expr_print(struct buf *out, const struct expr *x);
// The same over several lines where it would pass 100 bytes.
void expr_print_pretty(struct buf *out, const struct expr *x);
// The tree that /api/v1/parse_query answers.
void expr_print_json(struct buf *out, const struct expr *x);

#endif
