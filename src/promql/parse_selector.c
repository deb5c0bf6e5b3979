// parse_selector.c: instant vector selectors: name{label="value", …}.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "promql/parser.h"

// A regular expression costs much more than the bytes that ask for it.
#define REGEX_COUNT_MAX 1000

bool parse_is_metric(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_METRIC:
    case TOKEN_AND:
    case TOKEN_OR:
    case TOKEN_UNLESS:
    case TOKEN_BY:
    case TOKEN_WITHOUT:
    case TOKEN_OFFSET:
    case TOKEN_ANCHORED:
    case TOKEN_SMOOTHED:
    case TOKEN_FILL:
    case TOKEN_FILL_LEFT:
    case TOKEN_FILL_RIGHT:
        return true;
    default:
        return (kind >= TOKEN_SUM && kind <= TOKEN_LIMIT_RATIO) ||
               (kind >= TOKEN_START && kind <= TOKEN_MIN_OF);
    }
}

struct matcher_list {
    struct matcher *items;
    u32 count;
    u32 cap;
};

static struct matcher *matcher_slot(struct parser *p, struct matcher_list *list)
{
    if (list->count >= PROMQL_ARGS_MAX) {
        parse_fail(p, p->token.span, "more than %u label matchers", PROMQL_ARGS_MAX);
        return NULL;
    }
    if (list->count == list->cap) {
        const u32 cap = list->cap ? 2 * list->cap : 4;
        list->items = arena_grow(p->arena, list->items, list->cap, cap, sizeof(*list->items));
        list->cap = cap;
    }
    return &list->items[list->count++];
}

static bool match_op(enum token_kind kind, enum match_op *op)
{
    switch (kind) {
    case TOKEN_EQUAL:
        *op = MATCH_EQ;
        return true;
    case TOKEN_NE:
        *op = MATCH_NE;
        return true;
    case TOKEN_MATCHES:
        *op = MATCH_RE;
        return true;
    case TOKEN_NOT_MATCHES:
        *op = MATCH_NRE;
        return true;
    default:
        return false;
    }
}

static bool matcher_make(struct parser *p, struct matcher_list *list, enum match_op op, str name,
                         str value, struct text_span span)
{
    struct matcher *m = matcher_slot(p, list);
    if (!m) {
        return false;
    }
    if ((op == MATCH_RE || op == MATCH_NRE) && ++p->regex_count > REGEX_COUNT_MAX) {
        return parse_fail(p, span, "more than %u regular expressions", REGEX_COUNT_MAX);
    }
    struct error e = {0};
    return matcher_init(m, p->arena, op, name, value, &e) || parse_fail(p, span, "%s", e.text);
}

// matcher = ( IDENTIFIER | STRING ) op STRING | STRING
static bool matcher(struct parser *p, struct matcher_list *list)
{
    const struct token left = p->token;
    if (left.kind != TOKEN_IDENTIFIER && left.kind != TOKEN_STRING) {
        return parse_unexpected(p, (struct expected){"label matching", "identifier or \"}\""});
    }
    const bool quoted = left.kind == TOKEN_STRING;
    const str name = quoted ? parse_unquoted(p, left) : token_text(p->text, left);
    parse_advance(p);
    enum match_op op;
    if (!match_op(p->token.kind, &op)) {
        if (quoted) { // A string alone is the metric's name.
            return matcher_make(p, list, MATCH_EQ, LABEL_NAME, name, left.span);
        }
        return parse_unexpected(p, (struct expected){"label matching", "label matching operator"});
    }
    parse_advance(p);
    if (p->token.kind != TOKEN_STRING) {
        return parse_unexpected(p, (struct expected){"label matching", "string"});
    }
    const struct text_span span = {left.span.start, p->token.span.end};
    if (!matcher_make(p, list, op, name, parse_unquoted(p, p->token), span)) {
        return false;
    }
    parse_advance(p);
    return true;
}

// matchers = "{" [ matcher ( "," matcher )* [ "," ] ] "}"
static bool matchers(struct parser *p, struct matcher_list *list)
{
    CHECK(p->token.kind == TOKEN_LEFT_BRACE);
    parse_advance(p);
    while (!parse_take(p, TOKEN_RIGHT_BRACE)) {
        if (!matcher(p, list)) {
            return false;
        }
        if (!parse_take(p, TOKEN_COMMA) && p->token.kind != TOKEN_RIGHT_BRACE) {
            return parse_unexpected(p, (struct expected){"label matching", "\",\" or \"}\""});
        }
    }
    return true;
}

static struct expr *vector(struct parser *p, str name, struct text_span span)
{
    struct matcher_list list = {0};
    if (p->token.kind == TOKEN_LEFT_BRACE) {
        if (!matchers(p, &list)) {
            return NULL;
        }
        span.end = p->end;
    }
    if (name.len && !matcher_make(p, &list, MATCH_EQ, LABEL_NAME, name, span)) {
        return NULL;
    }
    struct expr *x = parse_node(p, EXPR_VECTOR, span);
    x->type = TYPE_VECTOR;
    x->vector.name = name;
    x->vector.matchers = list.items;
    x->vector.matcher_count = list.count;
    return x;
}

// vector = name [ matchers ] | matchers
struct expr *parse_vector_named(struct parser *p, struct token name)
{
    return vector(p, token_text(p->text, name), name.span);
}

struct expr *parse_vector(struct parser *p)
{
    const struct token first = p->token;
    if (first.kind == TOKEN_LEFT_BRACE) {
        return vector(p, STR_EMPTY, first.span);
    }
    if (parse_is_metric(first.kind)) {
        parse_advance(p);
        return parse_vector_named(p, first);
    }
    parse_unexpected(p, (struct expected){NULL, NULL});
    return NULL;
}
