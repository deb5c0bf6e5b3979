// parse_call.c: function calls, aggregations and lists of label names.
#include "base/arena.h"
#include "base/str.h"
#include "base/utf8.h"
#include "promql/function_table.h"
#include "promql/parse_error.h"
#include "promql/parser.h"

struct expr_list {
    struct expr **items;
    u32 count;
    u32 cap;
};

static bool list_add(struct parser *p, struct expr_list *list, struct expr *x)
{
    if (list->count >= PROMQL_ARGS_MAX) {
        return parse_fail(p, x->span, "more than %u arguments", PROMQL_ARGS_MAX);
    }
    if (list->count == list->cap) {
        const u32 cap = list->cap ? 2 * list->cap : 4;
        list->items =
            arena_grow(p->arena, (void *)list->items, list->cap, cap, sizeof(struct expr *));
        list->cap = cap;
    }
    list->items[list->count++] = x;
    return true;
}

// arguments = "(" [ expr ( "," expr )* ] ")"; the right parenthesis is left to the caller
static bool arguments(struct parser *p, struct expr_list *list)
{
    if (!parse_take(p, TOKEN_LEFT_PAREN)) {
        return parse_unexpected(p, (struct expected){NULL, NULL});
    }
    if (p->token.kind == TOKEN_RIGHT_PAREN) {
        return true;
    }
    for (;;) {
        struct expr *x = parse_any(p);
        if (!x || !list_add(p, list, x)) {
            return false;
        }
        const struct token comma = p->token;
        if (!parse_take(p, TOKEN_COMMA)) {
            break;
        }
        if (p->token.kind == TOKEN_ERROR) {
            return parse_unexpected(p, (struct expected){NULL, NULL});
        }
        if (!parse_starts_expr(p->token.kind)) {
            return parse_fail(p, comma.span, "trailing commas not allowed in function call args");
        }
    }
    return p->token.kind == TOKEN_RIGHT_PAREN || parse_unexpected(p, (struct expected){NULL, NULL});
}

static const struct function *function_named(struct parser *p, struct token name)
{
    const str s = token_text(p->text, name);
    const struct function *fn = function_find(s);
    if (!fn) {
        const str quoted = str_quoted(p->arena, s);
        const char *hint =
            str_eq_c(s, "holt_winters") ? "; it is double_exponential_smoothing now" : "";
        parse_fail(p, name.span, "unknown function with name %.*s%s", STR_ARG(quoted), hint);
        return NULL;
    }
    if (fn->experimental && p->opts->no_experimental_functions) {
        parse_fail(p, name.span, "function \"%.*s\" is not enabled", STR_ARG(s));
        return NULL;
    }
    return fn;
}

// call = IDENTIFIER arguments
struct expr *parse_call(struct parser *p, struct token name)
{
    struct expr *x = parse_node(p, EXPR_CALL, name.span);
    struct expr_list args = {0};
    if (!arguments(p, &args)) {
        return NULL;
    }
    x->call = (struct expr_call){function_named(p, name), args.items, args.count};
    if (!x->call.fn) {
        return NULL;
    }
    x->type = x->call.fn->type;
    parse_advance(p);
    x->span.end = p->end;
    for (u32 i = 0; i < args.count; i++) {
        if (!parse_adopt(p, x, args.items[i])) {
            return NULL;
        }
    }
    return x;
}

// Words that are no label names unless quoted: "without", numbers, and whatever is no word.
static bool is_label(enum token_kind kind)
{
    return (kind != TOKEN_WITHOUT && parse_is_metric(kind)) || kind == TOKEN_ATAN2 ||
           kind == TOKEN_BOOL || kind == TOKEN_ON || kind == TOKEN_IGNORING ||
           kind == TOKEN_GROUP_LEFT || kind == TOKEN_GROUP_RIGHT;
}

// label = word | STRING
static bool label(struct parser *p, str *name)
{
    const struct token t = p->token;
    if (t.kind == TOKEN_STRING) {
        *name = parse_unquoted(p, t);
    } else if (is_label(t.kind)) {
        *name = token_text(p->text, t);
    } else {
        return parse_unexpected(p, (struct expected){"grouping opts", "label"});
    }
    if (name->len == 0 || !utf8_valid(*name)) {
        const str quoted = str_quoted(p->arena, *name);
        return parse_fail(p, t.span, "invalid label name for grouping: %.*s", STR_ARG(quoted));
    }
    parse_advance(p);
    return true;
}

// labels = "(" [ label ( "," label )* [ "," ] ] ")"
bool parse_label_list(struct parser *p, const str **labels, u32 *count)
{
    str *items = NULL;
    u32 n = 0;
    u32 cap = 0;
    if (!parse_take(p, TOKEN_LEFT_PAREN)) {
        return parse_unexpected(p, (struct expected){"grouping opts", "\"(\""});
    }
    while (p->token.kind != TOKEN_RIGHT_PAREN) {
        if (n >= PROMQL_ARGS_MAX) {
            return parse_fail(p, p->token.span, "more than %u labels", PROMQL_ARGS_MAX);
        }
        if (n == cap) {
            items = arena_grow(p->arena, items, cap, cap ? 2 * cap : 4, sizeof(*items));
            cap = cap ? 2 * cap : 4;
        }
        if (!label(p, &items[n])) {
            return false;
        }
        n++;
        if (!parse_take(p, TOKEN_COMMA) && p->token.kind != TOKEN_RIGHT_PAREN) {
            return parse_unexpected(p, (struct expected){"grouping opts", "\",\" or \")\""});
        }
    }
    parse_advance(p);
    *labels = items;
    *count = n;
    return true;
}

// grouping = ( "by" | "without" ) labels
static bool grouping(struct parser *p, struct expr_aggregate *agg, bool *found)
{
    *found = p->token.kind == TOKEN_BY || p->token.kind == TOKEN_WITHOUT;
    if (!*found) {
        return true;
    }
    agg->without = p->token.kind == TOKEN_WITHOUT;
    parse_advance(p);
    return parse_label_list(p, &agg->labels, &agg->label_count);
}

// Sorts the arguments into parameter and operand.
static bool assign_arguments(struct parser *p, struct expr *x, const struct expr_list *args)
{
    struct expr_aggregate *agg = &x->aggregate;
    const u32 wanted = aggregate_op_param_type(agg->op) == TYPE_NONE ? 1 : 2;
    if (args->count == 0) {
        return parse_fail(p, x->span, "no arguments for aggregate expression provided");
    }
    if (p->opts->no_experimental_functions && aggregate_op_is_experimental(agg->op)) {
        return parse_fail(p, x->span,
                          "%s() is experimental and must be enabled with "
                          "--enable-feature=promql-experimental-functions",
                          aggregate_op_text(agg->op));
    }
    if (args->count != wanted) {
        return parse_fail(p, x->span,
                          "wrong number of arguments for aggregate expression provided, "
                          "expected %u, got %u",
                          wanted, args->count);
    }
    agg->param = wanted == 2 ? args->items[0] : NULL;
    agg->inner = args->items[wanted - 1];
    return parse_adopt(p, x, agg->inner) && (!agg->param || parse_adopt(p, x, agg->param));
}

static bool aggregate_body(struct parser *p, struct expr *x)
{
    struct expr_list args = {0};
    bool grouped;
    if (!grouping(p, &x->aggregate, &grouped) || !arguments(p, &args)) {
        return false;
    }
    parse_advance(p);
    if (!grouped && p->token.kind == TOKEN_ERROR) {
        return parse_unexpected(p, (struct expected){NULL, NULL});
    }
    if (!grouped && !grouping(p, &x->aggregate, &grouped)) {
        return false;
    }
    x->span.end = p->end;
    return assign_arguments(p, x, &args);
}

// aggregate = op grouping arguments | op arguments [ grouping ]
struct expr *parse_aggregate(struct parser *p, struct token op)
{
    struct expr *x = parse_node(p, EXPR_AGGREGATE, op.span);
    x->type = TYPE_VECTOR;
    x->aggregate.op = (enum aggregate_op)(op.kind - TOKEN_SUM);
    const bool outer = p->in_aggregation;
    p->in_aggregation = true;
    const bool ok = aggregate_body(p, x);
    p->in_aggregation = outer;
    return ok ? x : NULL;
}
