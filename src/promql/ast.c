// ast.c: walking a tree without knowing its kinds.
#include "promql/ast.h"

#include "base/arena.h"
#include "base/str.h"
#include "model/labels.h"

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

static struct expr *child_at(const struct expr *x, u32 index)
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

const struct expr *expr_child(const struct expr *x, u32 index)
{
    return child_at(x, index);
}

// kept has room for one more than there are.
static void matchers_change(struct expr_vector *v, struct matcher *kept, str name,
                            const struct matcher *m)
{
    u32 n = 0;
    bool put = m == NULL;
    for (u32 i = 0; i < v->matcher_count; i++) {
        if (!str_eq(v->matchers[i].name, name)) {
            kept[n++] = v->matchers[i];
        } else if (!put) {
            kept[n++] = *m;
            put = true;
        }
    }
    if (!put) {
        kept[n++] = *m;
    }
    v->matchers = kept;
    v->matcher_count = n;
    if (str_eq(name, LABEL_NAME)) {
        v->name = STR_EMPTY; // Else it would still be printed before the braces.
    }
}

bool expr_match(struct expr *x, struct arena *a, str name, const struct matcher *m)
{
    if (x->kind == EXPR_VECTOR) {
        struct expr_vector *v = &x->vector;
        struct matcher *kept = arena_try(a, v->matcher_count + 1ULL, sizeof(*kept));
        if (kept == NULL) {
            return false;
        }
        matchers_change(v, kept, name, m);
    }
    for (u32 i = 0; i < expr_child_count(x); i++) { // (I2) bounds the depth.
        if (!expr_match(child_at(x, i), a, name, m)) {
            return false;
        }
    }
    return true;
}
