// parse_binary.c: binary operators by precedence climbing, and what may stand behind an operator.
#include "base/arena.h"
#include "promql/parser.h"

// A left priority above the limit takes the operator; its right priority is the limit of what
// follows. ^ alone joins to the right.
static const struct {
    u8 left;
    u8 right;
} priorities[OP_COUNT] = {
    [OP_OR] = {1, 1},         [OP_AND] = {2, 2},        [OP_UNLESS] = {2, 2}, [OP_EQ] = {3, 3},
    [OP_NE] = {3, 3},         [OP_GT] = {3, 3},         [OP_LT] = {3, 3},     [OP_GE] = {3, 3},
    [OP_LE] = {3, 3},         [OP_TRIM_UPPER] = {3, 3}, [OP_ADD] = {4, 4},    [OP_SUB] = {4, 4},
    [OP_TRIM_LOWER] = {3, 3}, [OP_MUL] = {5, 5},        [OP_DIV] = {5, 5},    [OP_MOD] = {5, 5},
    [OP_ATAN2] = {5, 5},      [OP_POW] = {7, 6},
};

static bool is_binary_op(enum token_kind kind)
{
    return kind >= TOKEN_ADD && kind <= TOKEN_UNLESS;
}

// fill value = "(" [ "+" | "-" ] number ")"
static bool fill_value(struct parser *p, f64 *value)
{
    const struct expected where = {NULL, NULL};
    if (!parse_take(p, TOKEN_LEFT_PAREN)) {
        return parse_unexpected(p, where);
    }
    const bool negative = p->token.kind == TOKEN_SUB;
    if (negative || p->token.kind == TOKEN_ADD) {
        parse_advance(p);
    }
    if (p->token.kind != TOKEN_NUMBER && p->token.kind != TOKEN_DURATION) {
        return parse_unexpected(p, where);
    }
    bool is_duration;
    if (!parse_number(p, value, &is_duration)) {
        return false;
    }
    *value = negative ? -*value : *value;
    return parse_take(p, TOKEN_RIGHT_PAREN) || parse_unexpected(p, where);
}

// fill = [ "fill" value | "fill_left" value [ "fill_right" value ] | the two the other way round ]
static bool fill(struct parser *p, struct vector_matching *m)
{
    const enum token_kind first = p->token.kind;
    if (parse_take(p, TOKEN_FILL)) {
        m->has_fill_left = m->has_fill_right = true;
        if (!fill_value(p, &m->fill_left)) {
            return false;
        }
        m->fill_right = m->fill_left;
        return true;
    }
    if (parse_take(p, TOKEN_FILL_LEFT)) {
        m->has_fill_left = true;
        if (!fill_value(p, &m->fill_left)) {
            return false;
        }
    }
    if (parse_take(p, TOKEN_FILL_RIGHT)) {
        m->has_fill_right = true;
        if (!fill_value(p, &m->fill_right)) {
            return false;
        }
    }
    if (first == TOKEN_FILL_RIGHT && parse_take(p, TOKEN_FILL_LEFT)) {
        m->has_fill_left = true;
        return fill_value(p, &m->fill_left);
    }
    return true;
}

static bool is_fill(enum token_kind kind)
{
    return kind == TOKEN_FILL || kind == TOKEN_FILL_LEFT || kind == TOKEN_FILL_RIGHT;
}

// matching = ( "on" | "ignoring" ) labels [ ( "group_left" | "group_right" ) [ labels ] ]
static bool matching(struct parser *p, struct vector_matching *m)
{
    if (p->token.kind != TOKEN_ON && p->token.kind != TOKEN_IGNORING) {
        return true;
    }
    m->on = p->token.kind == TOKEN_ON;
    parse_advance(p);
    if (!parse_label_list(p, &m->labels, &m->label_count)) {
        return false;
    }
    if (parse_take(p, TOKEN_GROUP_LEFT)) {
        m->card = CARD_MANY_TO_ONE;
    } else if (parse_take(p, TOKEN_GROUP_RIGHT)) {
        m->card = CARD_ONE_TO_MANY;
    } else {
        return true;
    }
    const enum token_kind next = p->token.kind;
    const bool is_list = next == TOKEN_LEFT_PAREN || !(parse_starts_expr(next) || is_fill(next));
    return !is_list || parse_label_list(p, &m->include, &m->include_count);
}

// binary = expr operator [ "bool" ] matching fill expr; the left side and the operator are there
static struct expr *binary(struct parser *p, struct expr *left, struct token op_token)
{
    const enum binary_op op = (enum binary_op)(op_token.kind - TOKEN_ADD);
    struct expr *x = parse_node(p, EXPR_BINARY, left->span);
    struct vector_matching *m = ARENA_NEW(p->arena, struct vector_matching);
    x->binary = (struct expr_binary){.op = op, .left = left, .matching = m};
    x->binary.return_bool = parse_take(p, TOKEN_BOOL);
    if (!matching(p, m) || !fill(p, m)) {
        return NULL;
    }
    x->binary.op_span = (struct text_span){op_token.span.start, p->end};
    x->binary.right = parse_binary(p, priorities[op].right);
    if (!x->binary.right) {
        return NULL;
    }
    x->span.end = x->binary.right->span.end;
    x->type = left->type == TYPE_SCALAR && x->binary.right->type == TYPE_SCALAR ? TYPE_SCALAR
                                                                                : TYPE_VECTOR;
    if (p->opts->no_fill && (m->has_fill_left || m->has_fill_right)) {
        parse_fail(p, x->span, "binop fill modifiers are experimental and not enabled");
        return NULL;
    }
    return parse_adopt(p, x, left) && parse_adopt(p, x, x->binary.right) ? x : NULL;
}

// expr = term ( operator expr )*, as far as operators bind more tightly than limit
struct expr *parse_binary(struct parser *p, u32 limit)
{
    if (!parse_deeper(p)) {
        return NULL;
    }
    struct expr *x = parse_term(p);
    while (x && is_binary_op(p->token.kind) && priorities[p->token.kind - TOKEN_ADD].left > limit) {
        const struct token op = p->token;
        parse_advance(p);
        x = binary(p, x, op);
    }
    parse_shallower(p);
    return x;
}
