// parser.h: what the files of the parser share: its state, and one function per rule. Private.
//
// A rule finds its first token in p->token, leaves the token behind it there, and returns NULL or
// false once p->error is filled; the first error wins, so a rule may go on after one.
// (I1) depth counts the rules that may call themselves and never passes PROMQL_DEPTH_MAX.
// Threads: owned.
#ifndef PROMQL_PARSER_H
#define PROMQL_PARSER_H

#include "base/base.h"
#include "promql/ast.h"
#include "promql/lex.h"
#include "promql/parse.h"

struct parser {
    str text;
    struct arena *arena;
    const struct parse_opts *opts;
    struct lexer lexer;
    struct token token;  // The one to be looked at.
    u32 end;             // Of the token before it.
    u32 depth;           // Of rules that contain themselves.
    u32 regex_count;     // Matchers with a regular expression so far.
    bool in_aggregation; // An unexpected token is told with these words.
    // What the lexer found wrong with `token`. It counts once the parser comes to that token: what
    // is wrong with those before it is told first.
    struct parse_error token_error;
    struct parse_error *error;
};

// Where an unexpected token stood, and what was hoped for; both may be NULL.
struct expected {
    const char *context;
    const char *wanted;
};

// parse.c
void parse_advance(struct parser *p);
bool parse_take(struct parser *p, enum token_kind kind); // Advances if the token is of that kind.
bool parse_fail(struct parser *p, struct text_span span, const char *format, ...) PRINTF_LIKE(3, 4);
bool parse_unexpected(struct parser *p, struct expected where);
bool parse_deeper(struct parser *p); // To be paired with parse_shallower if true.
void parse_shallower(struct parser *p);
struct expr *parse_node(struct parser *p, enum expr_kind kind, struct text_span span);
// Counts a child into the height of its parent.
bool parse_adopt(struct parser *p, struct expr *parent, const struct expr *child);
struct expr *parse_any(struct parser *p);
struct expr *parse_term(struct parser *p);
bool parse_starts_expr(enum token_kind kind);

// parse_literal.c
bool parse_number(struct parser *p, f64 *value, bool *is_duration); // NUMBER or DURATION.
str parse_unquoted(struct parser *p, struct token t);               // STRING

// parse_selector.c
bool parse_is_metric(enum token_kind kind);
struct expr *parse_vector(struct parser *p);
struct expr *parse_vector_named(struct parser *p, struct token name); // The name is consumed.

// parse_suffix.c
struct expr *parse_suffixes(struct parser *p, struct expr *x);

// parse_duration.c
const struct duration_expr *parse_duration(struct parser *p, struct expected where);
const struct duration_expr *parse_offset_duration(struct parser *p, struct expected where);
bool parse_is_literal(const struct duration_expr *d); // A number, not in parentheses.

// parse_call.c
struct expr *parse_call(struct parser *p, struct token name); // At the parenthesis.
struct expr *parse_aggregate(struct parser *p, struct token op);
bool parse_label_list(struct parser *p, const str **labels, u32 *count);

// parse_binary.c
#define PARSE_UNARY_LIMIT 5 // Only ^ binds more tightly than a sign.
struct expr *parse_binary(struct parser *p, u32 limit);

// type_check.c
bool check_expr(struct parser *p, struct expr *x);

#endif
