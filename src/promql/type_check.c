// type_check.c: whether a tree that the grammar allows means something; children first. Settles
// what matching means.
#include "base/str.h"
#include "promql/function_table.h"
#include "promql/parse_error.h"
#include "promql/parser.h"

static bool expect(struct parser *p, struct expr *x, enum value_type wanted, const char *context)
{
    return check_expr(p, x) &&
           (x->type == wanted ||
            parse_fail(p, x->span, "expected type %s in %s, got %s", value_type_words(wanted),
                       context, value_type_words(x->type)));
}

static bool check_aggregate(struct parser *p, struct expr_aggregate *agg)
{
    const enum value_type wanted = aggregate_op_param_type(agg->op);
    return expect(p, agg->inner, TYPE_VECTOR, "aggregation expression") &&
           (wanted == TYPE_NONE || expect(p, agg->param, wanted, "aggregation parameter"));
}

static bool is_operand_type(enum value_type t)
{
    return t == TYPE_SCALAR || t == TYPE_VECTOR;
}

static bool check_bool(struct parser *p, const struct expr_binary *b)
{
    const bool comparison = binary_op_is_comparison(b->op);
    if (b->return_bool && !comparison) {
        return parse_fail(p, b->op_span, "bool modifier can only be used on comparison operators");
    }
    if (comparison && !b->return_bool && b->left->type == TYPE_SCALAR &&
        b->right->type == TYPE_SCALAR) {
        return parse_fail(p, b->op_span, "comparisons between scalars must use BOOL modifier");
    }
    return true;
}

// No label may be both what pairs are found by and what is carried over.
static bool check_labels(struct parser *p, const struct expr_binary *b)
{
    const struct vector_matching *m = b->matching;
    for (u32 i = 0; m->on && i < m->label_count; i++) {
        for (u32 j = 0; j < m->include_count; j++) {
            if (str_eq(m->labels[i], m->include[j])) {
                const str quoted = str_quoted(p->arena, m->labels[i]);
                return parse_fail(p, b->op_span,
                                  "label %.*s must not occur in ON and GROUP clause at once",
                                  STR_ARG(quoted));
            }
        }
    }
    return true;
}

static bool check_set_matching(struct parser *p, const struct expr *x)
{
    const struct vector_matching *m = x->binary.matching;
    if (m->card == CARD_ONE_TO_MANY || m->card == CARD_MANY_TO_ONE) {
        return parse_fail(p, x->span, "no grouping allowed for \"%s\" operation",
                          binary_op_text(x->binary.op));
    }
    if (m->has_fill_left || m->has_fill_right) {
        return parse_fail(p, x->span, "filling in missing series not allowed for set operators");
    }
    return true;
}

static bool check_scalar_matching(struct parser *p, const struct expr *x)
{
    const struct vector_matching *m = x->binary.matching;
    if (m->label_count > 0) {
        return parse_fail(p, x->span, "vector matching only allowed between instant vectors");
    }
    if (m->has_fill_left || m->has_fill_right) {
        return parse_fail(p, x->span,
                          "filling in missing series only allowed between instant vectors");
    }
    if (binary_op_is_set(x->binary.op)) {
        return parse_fail(p, x->span, "set operator \"%s\" not allowed in binary scalar expression",
                          binary_op_text(x->binary.op));
    }
    return true;
}

static bool check_binary(struct parser *p, struct expr *x)
{
    struct expr_binary *b = &x->binary;
    if (!check_expr(p, b->left) || !check_expr(p, b->right) || !check_bool(p, b) ||
        !check_labels(p, b)) {
        return false;
    }
    const struct expr *wrong = is_operand_type(b->left->type) ? b->right : b->left;
    if (!is_operand_type(wrong->type)) {
        return parse_fail(p, wrong->span,
                          "binary expression must contain only scalar and instant vector types");
    }
    if (b->left->type == TYPE_VECTOR && b->right->type == TYPE_VECTOR) {
        if (binary_op_is_set(b->op) && b->matching->card == CARD_ONE_TO_ONE) {
            b->matching->card = CARD_MANY_TO_MANY;
        }
        return !binary_op_is_set(b->op) || check_set_matching(p, x);
    }
    if (!check_scalar_matching(p, x)) {
        return false;
    }
    b->matching = NULL;
    return true;
}

static bool check_arg_count(struct parser *p, const struct expr *x)
{
    const struct function *fn = x->call.fn;
    const u32 given = x->call.arg_count;
    const u32 least = fn->variadic ? fn->arg_count - 1U : fn->arg_count;
    const u32 most = fn->variadic < 0 ? UINT32_MAX : least + (u8)fn->variadic;
    if (!fn->variadic && given != least) {
        return parse_fail(p, x->span, "expected %u argument(s) in call to \"%.*s\", got %u", least,
                          STR_ARG(fn->name), given);
    }
    if (given < least) {
        return parse_fail(p, x->span,
                          "expected at least %u argument(s) in call to \"%.*s\", got %u", least,
                          STR_ARG(fn->name), given);
    }
    if (given > most) {
        return parse_fail(p, x->span, "expected at most %u argument(s) in call to \"%.*s\", got %u",
                          most, STR_ARG(fn->name), given);
    }
    return true;
}

// The second argument of info() is a bare selector of labels, not of series.
static bool check_info(struct parser *p, struct expr *x)
{
    struct expr *selector = x->call.args[1];
    if (selector->type != TYPE_VECTOR) {
        return parse_fail(p, x->span,
                          "expected type instant vector in call to function \"info\", got %s",
                          value_type_words(selector->type));
    }
    if (selector->kind != EXPR_VECTOR) {
        return parse_fail(p, selector->span, "expected label selectors only");
    }
    if (selector->vector.name.len) {
        return parse_fail(p, selector->span,
                          "expected label selectors only, got vector selector instead");
    }
    selector->vector.may_match_empty = true;
    return true;
}

static bool check_call(struct parser *p, struct expr *x)
{
    const struct function *fn = x->call.fn;
    if (!check_arg_count(p, x) ||
        (fn->id == FN_INFO && x->call.arg_count > 1 && !check_info(p, x))) {
        return false;
    }
    for (u32 i = 0; i < x->call.arg_count; i++) {
        struct expr *arg = x->call.args[i];
        const enum value_type wanted = function_arg_type(fn, i);
        if (!check_expr(p, arg)) {
            return false;
        }
        if (arg->type != wanted) {
            return parse_fail(p, arg->span, "expected type %s in call to function \"%.*s\", got %s",
                              value_type_words(wanted), STR_ARG(fn->name),
                              value_type_words(arg->type));
        }
    }
    return true;
}

static bool check_unary(struct parser *p, struct expr *x)
{
    const struct expr *inner = x->unary.inner;
    if (!check_expr(p, x->unary.inner)) {
        return false;
    }
    if (!is_operand_type(inner->type)) {
        return parse_fail(p, x->span,
                          "unary expression only allowed on expressions of type scalar or instant "
                          "vector, got \"%s\"",
                          value_type_words(inner->type));
    }
    return true;
}

static bool check_subquery(struct parser *p, struct expr *x)
{
    const struct expr *inner = x->subquery.inner;
    return check_expr(p, x->subquery.inner) &&
           (inner->type == TYPE_VECTOR ||
            parse_fail(p, x->span, "subquery is only allowed on instant vector, got %s instead",
                       value_type_text(inner->type)));
}

// A name before the braces is the last matcher and enough; without one, some matcher must refuse
// the empty string, or a slip of the pen selects everything.
static bool check_vector(struct parser *p, const struct expr *x)
{
    const struct expr_vector *v = &x->vector;
    bool selective = v->may_match_empty;
    for (u32 i = 0; i < v->matcher_count; i++) {
        const struct matcher *m = &v->matchers[i];
        if (v->name.len && i + 1 < v->matcher_count && str_eq(m->name, LABEL_NAME)) {
            const str name = str_quoted(p->arena, v->name);
            const str other = str_quoted(p->arena, m->value);
            return parse_fail(p, x->span, "metric name must not be set twice: %.*s or %.*s",
                              STR_ARG(name), STR_ARG(other));
        }
        selective = selective || v->name.len || !matcher_matches_empty(m);
    }
    return selective ||
           parse_fail(p, x->span, "vector selector must contain at least one non-empty matcher");
}

bool check_expr(struct parser *p, struct expr *x)
{
    switch (x->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return true;
    case EXPR_VECTOR:
        return check_vector(p, x);
    case EXPR_MATRIX:
        return check_expr(p, x->matrix.vector);
    case EXPR_SUBQUERY:
        return check_subquery(p, x);
    case EXPR_CALL:
        return check_call(p, x);
    case EXPR_AGGREGATE:
        return check_aggregate(p, &x->aggregate);
    case EXPR_BINARY:
        return check_binary(p, x);
    case EXPR_UNARY:
        return check_unary(p, x);
    case EXPR_PAREN:
        return check_expr(p, x->paren);
    }
    CHECK(false && "an expression has one of ten kinds");
}
