// parse_duration.c: ranges, steps and offsets, written as numbers or as arithmetic.
#include "base/arena.h"
#include "promql/parser.h"

#include <math.h>

// As in parse_binary.c; a sign binds like *.
struct duration_priority {
    enum duration_op op;
    u8 left;
    u8 right;
};
#define UNARY_LIMIT       2
#define DURATION_SECS_MAX 9223372036.854775807 // Nanoseconds in 63 bits.

static bool priority_of(enum token_kind kind, struct duration_priority *out)
{
    static const struct duration_priority rows[] = {
        {DURATION_ADD, 1, 1}, {DURATION_SUB, 1, 1}, {DURATION_MUL, 2, 2},
        {DURATION_DIV, 2, 2}, {DURATION_MOD, 2, 2}, {DURATION_POW, 4, 3},
    };
    if (kind < TOKEN_ADD || kind > TOKEN_POW) {
        return false;
    }
    *out = rows[kind - TOKEN_ADD];
    return true;
}

bool parse_is_literal(const struct duration_expr *d)
{
    return d->op == DURATION_NUMBER;
}

static struct duration_expr *node(struct parser *p, enum duration_op op, struct text_span span)
{
    struct duration_expr *d = ARENA_NEW(p->arena, struct duration_expr);
    d->op = op;
    d->span = span;
    d->height = 1;
    return d;
}

static bool adopt(struct parser *p, struct duration_expr *d, const struct duration_expr *child)
{
    if (child->height >= PROMQL_DEPTH_MAX) {
        return parse_fail(p, d->span, "duration expression is nested more than %u levels deep",
                          PROMQL_DEPTH_MAX);
    }
    d->height = (u16)MAX(d->height, child->height + 1);
    return true;
}

static bool is_enabled(struct parser *p, const struct duration_expr *d)
{
    return !p->opts->no_duration_exprs ||
           parse_fail(p, d->span, "experimental duration expression is not enabled");
}

static bool in_range(struct parser *p, f64 seconds, struct text_span span)
{
    return (seconds <= DURATION_SECS_MAX && seconds >= -DURATION_SECS_MAX) ||
           parse_fail(p, span, "duration out of range");
}

// number = NUMBER | DURATION
static struct duration_expr *number(struct parser *p)
{
    struct duration_expr *d = node(p, DURATION_NUMBER, p->token.span);
    if (!parse_number(p, &d->seconds, &d->is_literal) || !in_range(p, d->seconds, d->span)) {
        return NULL;
    }
    return d;
}

static struct duration_expr *binary(struct parser *p, u32 limit, struct expected where);

// The word is the token: word = ( "step" | "range" ) "(" ")"
//                             | ( "min_of" | "max_of" ) "(" duration "," duration ")"
static struct duration_expr *word(struct parser *p, struct expected where)
{
    const struct token t = p->token;
    const bool of_two = t.kind == TOKEN_MIN_OF || t.kind == TOKEN_MAX_OF;
    struct duration_expr *d = node(p, DURATION_STEP, t.span);
    parse_advance(p);
    bool ok = parse_take(p, TOKEN_LEFT_PAREN) || parse_unexpected(p, where);
    if (ok && of_two) {
        d->op = t.kind == TOKEN_MIN_OF ? DURATION_MIN_OF : DURATION_MAX_OF;
        d->a = binary(p, 0, where);
        ok = d->a && (parse_take(p, TOKEN_COMMA) || parse_unexpected(p, where));
        d->b = ok ? binary(p, 0, where) : NULL;
        ok = d->b && adopt(p, d, d->a) && adopt(p, d, d->b);
    } else if (t.kind == TOKEN_RANGE) {
        d->op = DURATION_RANGE;
    }
    ok = ok && (parse_take(p, TOKEN_RIGHT_PAREN) || parse_unexpected(p, where));
    d->span.end = p->end;
    return ok && is_enabled(p, d) ? d : NULL;
}

// Parentheses are remembered; a bare number in them gets a node of its own.
static struct duration_expr *wrap(struct parser *p, struct duration_expr *d, struct text_span span)
{
    if (!parse_is_literal(d)) {
        d->wrapped = true;
        return d;
    }
    struct duration_expr *same = node(p, DURATION_SAME, span);
    same->wrapped = true;
    same->a = d;
    return adopt(p, same, d) ? same : NULL;
}

static struct duration_expr *signed_node(struct parser *p, struct token sign, enum duration_op op,
                                         struct duration_expr *a)
{
    struct duration_expr *d = node(p, op, (struct text_span){sign.span.start, a->span.end});
    d->a = a;
    return adopt(p, d, a) ? d : NULL;
}

static struct duration_expr *apply_sign(struct parser *p, struct token sign,
                                        struct duration_expr *a)
{
    const bool negative = sign.kind == TOKEN_SUB;
    if (!parse_is_literal(a)) {
        return negative ? signed_node(p, sign, DURATION_NEG, a) : a;
    }
    a->seconds = negative ? -a->seconds : a->seconds;
    a->span.start = sign.span.start;
    return a;
}

// paren = "(" duration ")"; *inner is the span of what is inside
static struct duration_expr *paren(struct parser *p, struct expected where,
                                   struct duration_expr **inner)
{
    const u32 start = p->token.span.start;
    parse_advance(p);
    *inner = binary(p, 0, where);
    if (!*inner || !is_enabled(p, *inner)) {
        return NULL;
    }
    if (!parse_take(p, TOKEN_RIGHT_PAREN)) {
        parse_unexpected(p, where);
        return NULL;
    }
    return wrap(p, *inner, (struct text_span){start, p->end});
}

static bool is_sign(enum token_kind kind)
{
    return kind == TOKEN_ADD || kind == TOKEN_SUB;
}

static bool is_word(enum token_kind kind)
{
    return kind >= TOKEN_STEP && kind <= TOKEN_MIN_OF;
}

// term = ( "+" | "-" ) duration | number | word | paren
static struct duration_expr *term(struct parser *p, struct expected where)
{
    const struct token t = p->token;
    struct duration_expr *inner;
    if (is_sign(t.kind)) {
        parse_advance(p);
        inner = binary(p, UNARY_LIMIT, where);
        return inner ? apply_sign(p, t, inner) : NULL;
    }
    if (t.kind == TOKEN_NUMBER || t.kind == TOKEN_DURATION) {
        return number(p);
    }
    if (is_word(t.kind)) {
        return word(p, where);
    }
    if (t.kind == TOKEN_LEFT_PAREN) {
        return paren(p, where, &inner);
    }
    parse_unexpected(p, where);
    return NULL;
}

static struct duration_expr *join(struct parser *p, enum duration_op op, struct token op_token,
                                  struct duration_expr *a, struct duration_expr *b)
{
    struct duration_expr *d = node(p, op, (struct text_span){a->span.start, b->span.end});
    d->a = a;
    d->b = b;
    if (!is_enabled(p, a)) {
        return NULL;
    }
    if ((op == DURATION_DIV || op == DURATION_MOD) && parse_is_literal(b) && b->seconds == 0) {
        parse_fail(p, op_token.span, op == DURATION_DIV ? "division by zero" : "modulo by zero");
        return NULL;
    }
    return adopt(p, d, a) && adopt(p, d, b) ? d : NULL;
}

// duration = term ( ( "+" | "-" | "*" | "/" | "%" | "^" ) term )*
static struct duration_expr *continue_binary(struct parser *p, u32 limit, struct expected where,
                                             struct duration_expr *d)
{
    struct duration_priority priority;
    while (d && priority_of(p->token.kind, &priority) && priority.left > limit) {
        const struct token op = p->token;
        parse_advance(p);
        struct duration_expr *b = binary(p, priority.right, where);
        d = b ? join(p, priority.op, op, d, b) : NULL;
    }
    return d;
}

static struct duration_expr *binary(struct parser *p, u32 limit, struct expected where)
{
    if (!parse_deeper(p)) {
        return NULL;
    }
    struct duration_expr *d = continue_binary(p, limit, where, term(p, where));
    parse_shallower(p);
    return d;
}

const struct duration_expr *parse_duration(struct parser *p, struct expected where)
{
    return binary(p, 0, where);
}

// offset = [ sign ] ( number | word | paren ) | duration
//
// Arithmetic without parentheses belongs to the expression around: foo offset 1m + 2 adds 2 to
// what foo was a minute ago. Only what begins with a parenthesis, or with two signs, goes on.
const struct duration_expr *parse_offset_duration(struct parser *p, struct expected where)
{
    const struct token t = p->token;
    struct duration_expr *inner;
    if (!is_sign(t.kind)) {
        if (t.kind == TOKEN_NUMBER || t.kind == TOKEN_DURATION) {
            return number(p);
        }
        return is_word(t.kind) ? word(p, where) : binary(p, 0, where);
    }
    parse_advance(p);
    const enum token_kind next = p->token.kind;
    if (next == TOKEN_NUMBER || next == TOKEN_DURATION) {
        inner = number(p);
        return inner ? apply_sign(p, t, inner) : NULL;
    }
    if (is_word(next) || next == TOKEN_LEFT_PAREN) {
        const enum duration_op op = t.kind == TOKEN_SUB ? DURATION_NEG : DURATION_SAME;
        struct duration_expr *d = is_word(next) ? word(p, where) : paren(p, where, &inner);
        return d ? signed_node(p, t, op, d) : NULL;
    }
    inner = binary(p, UNARY_LIMIT, where);
    struct duration_expr *d = inner ? apply_sign(p, t, inner) : NULL;
    struct duration_expr *all = continue_binary(p, 0, where, d);
    if (all && all != d) {
        all->wrapped = true; // Printed without its first sign it would end sooner.
    }
    return all;
}
