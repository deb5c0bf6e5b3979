// ast.c: walking a tree without knowing its kinds.
#include "promql/ast.h"

const struct expr *expr_unwrap(const struct expr *x)
{
    while (x->kind == EXPR_PAREN) {
        x = x->paren;
    }
    return x;
}

u32 expr_child_count(const struct expr *x)
{
    switch (x->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_VECTOR:
        return 0;
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
    case EXPR_UNARY:
    case EXPR_PAREN:
        return 1;
    case EXPR_CALL:
        return x->call.arg_count;
    case EXPR_AGGREGATE:
        return x->aggregate.param ? 2 : 1;
    case EXPR_BINARY:
        return 2;
    }
    CHECK(false && "an expression has one of ten kinds");
}

const struct expr *expr_child(const struct expr *x, u32 index)
{
    CHECK(index < expr_child_count(x));
    switch (x->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_VECTOR:
        break;
    case EXPR_MATRIX:
        return x->matrix.vector;
    case EXPR_SUBQUERY:
        return x->subquery.inner;
    case EXPR_UNARY:
        return x->unary.inner;
    case EXPR_PAREN:
        return x->paren;
    case EXPR_CALL:
        return x->call.args[index];
    case EXPR_AGGREGATE:
        return x->aggregate.param && index == 0 ? x->aggregate.param : x->aggregate.inner;
    case EXPR_BINARY:
        return index == 0 ? x->binary.left : x->binary.right;
    }
    CHECK(false && "an expression has one of ten kinds");
}
