// lex.h: text to tokens. What a character means depends on the braces and brackets around it, so
// the lexer keeps those itself and needs no word from the parser.
//
// lex_next O(bytes of the token). Nothing allocates but a failure, whose words are made in the
// arena. Comments and white space are skipped.
// (I1) After TOKEN_ERROR or TOKEN_END every further call yields the same.
// Threads: owned.
#ifndef PROMQL_LEX_H
#define PROMQL_LEX_H

#include "base/base.h"
#include "promql/operators.h"

struct arena;
struct parse_error;

// The binary operators stand as in enum binary_op, the aggregators as in enum aggregate_op.
enum token_kind {
    TOKEN_END,
    TOKEN_ERROR, // The parse_error is filled.
    TOKEN_IDENTIFIER,
    TOKEN_METRIC, // An identifier with a colon.
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_STRING, // With its quotes; its escapes are known to be right.
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_EQUAL,
    TOKEN_MATCHES,     // =~
    TOKEN_NOT_MATCHES, // !~
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_ATAN2,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_GT,
    TOKEN_LT,
    TOKEN_GE,
    TOKEN_LE,
    TOKEN_TRIM_UPPER,
    TOKEN_TRIM_LOWER,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_UNLESS,
    TOKEN_AT,
    TOKEN_SUM,
    TOKEN_AVG,
    TOKEN_COUNT,
    TOKEN_MIN,
    TOKEN_MAX,
    TOKEN_GROUP,
    TOKEN_STDDEV,
    TOKEN_STDVAR,
    TOKEN_TOPK,
    TOKEN_BOTTOMK,
    TOKEN_COUNT_VALUES,
    TOKEN_QUANTILE,
    TOKEN_LIMITK,
    TOKEN_LIMIT_RATIO,
    TOKEN_BOOL,
    TOKEN_BY,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_FILL,
    TOKEN_FILL_LEFT,
    TOKEN_FILL_RIGHT,
    TOKEN_IGNORING,
    TOKEN_OFFSET,
    TOKEN_SMOOTHED,
    TOKEN_ANCHORED,
    TOKEN_ON,
    TOKEN_WITHOUT,
    TOKEN_START,
    TOKEN_END_OF, // end
    TOKEN_STEP,
    TOKEN_RANGE,
    TOKEN_MAX_OF,
    TOKEN_MIN_OF,
    TOKEN_KIND_COUNT
};

struct token {
    enum token_kind kind;
    struct text_span span;
};

struct lexer {
    str text;
    u32 pos;
    u32 start; // Of the token that is being read.
    struct arena *arena;
    struct parse_error *error;
    struct token last;
    u32 paren_depth;
    char quote;         // Of the string that is being read.
    bool in_braces;     // Between { and }.
    bool in_brackets;   // Between [ and ].
    bool duration_only; // In brackets, and no number came yet.
    bool seen_colon;    // In these brackets.
    bool seen_duration; // A number, in any brackets so far: before it no colon may stand.
};

void lex_init(struct lexer *l, str text, struct arena *a, struct parse_error *pe);
struct token lex_next(struct lexer *l);

// identifier "foo", <op:+>, end of input: how messages speak of a token.
str token_describe(struct arena *a, str text, struct token t);
static inline str token_text(str text, struct token t)
{
    return (str){text.ptr + t.span.start, t.span.end - t.span.start};
}

#endif
