// parse.c: the doors of the parser and its operands.
//
// The grammar, as all of it: recursive descent with one token of lookahead, operators by precedence
// climbing (parse_binary.c), whatever follows an operand by a loop (parse_suffix.c).
#include "promql/parse.h"

#include "base/arena.h"
#include "base/str.h"
#include "promql/parse_error.h"
#include "promql/parser.h"

#include <stdarg.h>

static const struct parse_opts all_on;

void parse_advance(struct parser *p)
{
    p->end = p->token.span.end;
    p->token = lex_next(&p->lexer);
}

bool parse_take(struct parser *p, enum token_kind kind)
{
    if (p->token.kind != kind) {
        return false;
    }
    parse_advance(p);
    return true;
}

bool parse_fail(struct parser *p, struct text_span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    parse_error_set_args(p->error, p->text, span, format, args);
    va_end(args);
    return false;
}

bool parse_unexpected(struct parser *p, struct expected where)
{
    if (p->token.kind == TOKEN_ERROR) {
        if (p->error->line == 0) {
            *p->error = p->token_error;
        }
        return false;
    }
    const str what = token_describe(p->arena, p->text, p->token);
    const char *context = where.context;
    if (!context && p->in_aggregation) {
        context = "aggregation";
    }
    return parse_fail(p, p->token.span, "unexpected %.*s%s%s%s%s", STR_ARG(what),
                      context ? " in " : "", context ? context : "",
                      where.wanted ? ", expected " : "", where.wanted ? where.wanted : "");
}

static bool too_deep(struct parser *p, struct text_span span)
{
    return parse_fail(p, span, "expression is nested more than %u levels deep", PROMQL_DEPTH_MAX);
}

bool parse_deeper(struct parser *p)
{
    if (p->depth >= PROMQL_DEPTH_MAX) {
        return too_deep(p, p->token.span);
    }
    p->depth++;
    return true;
}

void parse_shallower(struct parser *p)
{
    CHECK(p->depth > 0);
    p->depth--;
}

struct expr *parse_node(struct parser *p, enum expr_kind kind, struct text_span span)
{
    struct expr *x = ARENA_NEW(p->arena, struct expr);
    x->kind = kind;
    x->span = span;
    x->height = 1;
    return x;
}

bool parse_adopt(struct parser *p, struct expr *parent, const struct expr *child)
{
    if (child->height >= PROMQL_DEPTH_MAX) {
        return too_deep(p, parent->span);
    }
    parent->height = (u16)MAX(parent->height, child->height + 1);
    return true;
}

// number = NUMBER | DURATION
static struct expr *number_literal(struct parser *p)
{
    struct expr *x = parse_node(p, EXPR_NUMBER, p->token.span);
    x->type = TYPE_SCALAR;
    return parse_number(p, &x->number.value, &x->number.is_duration) ? x : NULL;
}

// string = STRING
static struct expr *string_literal(struct parser *p)
{
    struct expr *x = parse_node(p, EXPR_STRING, p->token.span);
    x->type = TYPE_STRING;
    x->string = parse_unquoted(p, p->token);
    parse_advance(p);
    return x;
}

// paren = "(" expr ")"
static struct expr *paren(struct parser *p)
{
    struct expr *x = parse_node(p, EXPR_PAREN, p->token.span);
    parse_advance(p);
    x->paren = parse_any(p);
    if (!x->paren || !parse_adopt(p, x, x->paren)) {
        return NULL;
    }
    x->type = x->paren->type;
    x->span.end = p->token.span.end;
    if (!parse_take(p, TOKEN_RIGHT_PAREN)) {
        parse_unexpected(p, (struct expected){NULL, NULL});
        return NULL;
    }
    return x;
}

// step(), range() and the like are words of durations and of @, and functions here.
static bool is_function_word(enum token_kind kind)
{
    return kind == TOKEN_IDENTIFIER || (kind >= TOKEN_START && kind <= TOKEN_MIN_OF);
}

static bool is_aggregator(enum token_kind kind)
{
    return kind >= TOKEN_SUM && kind <= TOKEN_LIMIT_RATIO;
}

// word = function call | aggregation | metric selector
static struct expr *word(struct parser *p)
{
    const struct token name = p->token;
    parse_advance(p);
    const enum token_kind next = p->token.kind;
    if (is_aggregator(name.kind) &&
        (next == TOKEN_LEFT_PAREN || next == TOKEN_BY || next == TOKEN_WITHOUT)) {
        return parse_aggregate(p, name);
    }
    if (is_function_word(name.kind) && next == TOKEN_LEFT_PAREN) {
        return parse_call(p, name);
    }
    return parse_vector_named(p, name);
}

bool parse_starts_expr(enum token_kind kind)
{
    return kind == TOKEN_NUMBER || kind == TOKEN_DURATION || kind == TOKEN_STRING ||
           kind == TOKEN_LEFT_PAREN || kind == TOKEN_LEFT_BRACE || kind == TOKEN_ADD ||
           kind == TOKEN_SUB || parse_is_metric(kind);
}

// operand = number | string | paren | selector | word
static struct expr *operand(struct parser *p)
{
    const enum token_kind kind = p->token.kind;
    if (kind == TOKEN_NUMBER || kind == TOKEN_DURATION) {
        return number_literal(p);
    }
    if (kind == TOKEN_STRING) {
        return string_literal(p);
    }
    if (kind == TOKEN_LEFT_PAREN) {
        return paren(p);
    }
    if (kind == TOKEN_LEFT_BRACE) {
        return parse_vector(p);
    }
    if (parse_is_metric(kind)) {
        return word(p);
    }
    parse_unexpected(p, (struct expected){NULL, NULL});
    return NULL;
}

// unary = ( "+" | "-" ) expr, binding as tightly as "*"
static struct expr *unary(struct parser *p)
{
    const struct token op = p->token;
    const bool negative = op.kind == TOKEN_SUB;
    parse_advance(p);
    struct expr *inner = parse_binary(p, PARSE_UNARY_LIMIT);
    if (!inner) {
        return NULL;
    }
    if (inner->kind == EXPR_NUMBER) {
        inner->number.value = negative ? -inner->number.value : inner->number.value;
        inner->span.start = op.span.start;
        return inner;
    }
    struct expr *x = parse_node(p, EXPR_UNARY, (struct text_span){op.span.start, inner->span.end});
    x->type = inner->type;
    x->unary = (struct expr_unary){negative, inner};
    return parse_adopt(p, x, inner) ? x : NULL;
}

// term = unary | operand suffix*
struct expr *parse_term(struct parser *p)
{
    if (p->token.kind == TOKEN_ADD || p->token.kind == TOKEN_SUB) {
        return unary(p);
    }
    struct expr *x = operand(p);
    return x ? parse_suffixes(p, x) : NULL;
}

struct expr *parse_any(struct parser *p)
{
    return parse_binary(p, 0);
}

static bool parser_start(struct parser *p, struct arena *a, str text, const struct parse_opts *opts,
                         struct parse_error *pe)
{
    *pe = (struct parse_error){0};
    *p = (struct parser){.arena = a, .opts = opts ? opts : &all_on, .error = pe};
    if (text.len > PROMQL_BYTES_MAX) {
        p->text = str_sub(text, 0, 1);
        return parse_fail(p, (struct text_span){0, 1}, "expression has %zu bytes, the limit is %u",
                          text.len, PROMQL_BYTES_MAX);
    }
    p->text = arena_str(a, text);
    lex_init(&p->lexer, p->text, a, &p->token_error);
    parse_advance(p);
    return true;
}

static bool parser_finish(struct parser *p)
{
    if (p->token.kind != TOKEN_END) {
        return parse_unexpected(p, (struct expected){NULL, NULL});
    }
    return p->error->line == 0;
}

struct expr *parse_expr(struct arena *a, str text, const struct parse_opts *opts,
                        struct parse_error *pe)
{
    struct parser p;
    if (!parser_start(&p, a, text, opts, pe)) {
        return NULL;
    }
    if (p.token.kind == TOKEN_END) {
        parse_fail(&p, (struct text_span){0, 0}, "no expression found in input");
        return NULL;
    }
    struct expr *x = parse_any(&p);
    if (!x || !parser_finish(&p) || !check_expr(&p, x)) {
        CHECK(pe->line > 0);
        return NULL;
    }
    return x;
}

bool parse_selector(struct arena *a, str text, const struct matcher **ms, u32 *count,
                    struct parse_error *pe)
{
    struct parser p;
    if (!parser_start(&p, a, text, NULL, pe)) {
        return false;
    }
    struct expr *x = parse_vector(&p);
    if (!x || !parser_finish(&p)) {
        CHECK(pe->line > 0);
        return false;
    }
    *ms = x->vector.matchers;
    *count = x->vector.matcher_count;
    return true;
}
