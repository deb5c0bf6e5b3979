// plan_fold.c: numbers that a run can know before it reads anything.
//
// They are calculated by the operators that would calculate them at each step, so that every bit
// of them, a NaN's too, is the same. None of these has anything to tell.
#include "promql/explain.h"
#include "promql/function_table.h"
#include "promql/plan.h"
#include "promql/query_run.h"

static bool is_constant_call(const struct expr_call *c)
{
    switch ((int)c->fn->id) {
    case FN_PI:
    case FN_START:
    case FN_END:
    case FN_RANGE:
    case FN_STEP:
    case FN_MIN_OF:
    case FN_MAX_OF:
        break;
    case FN_SCALAR: {
        const struct expr *v = expr_unwrap(c->args[0]);
        return v->kind == EXPR_CALL && v->call.fn->id == FN_VECTOR &&
               plan_is_constant(v->call.args[0]);
    }
    default:
        return false;
    }
    for (u32 i = 0; i < c->arg_count; i++) {
        if (!plan_is_constant(c->args[i])) {
            return false;
        }
    }
    return true;
}

bool plan_is_constant(const struct expr *x)
{
    if (x->type != TYPE_SCALAR) {
        return false;
    }
    switch (x->kind) {
    case EXPR_NUMBER:
        return true;
    case EXPR_PAREN:
        return plan_is_constant(x->paren);
    case EXPR_UNARY:
        return plan_is_constant(x->unary.inner);
    case EXPR_BINARY:
        return plan_is_constant(x->binary.left) && plan_is_constant(x->binary.right);
    case EXPR_CALL:
        return is_constant_call(&x->call);
    case EXPR_STRING:
    case EXPR_VECTOR:
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
    case EXPR_AGGREGATE:
        break;
    }
    return false;
}

struct op *plan_folded(struct run *r, struct op *single, const struct grid *g)
{
    struct column c;
    if (!single) {
        return NULL;
    }
    CHECK(single->grid.steps == 1);
    if (!op_collect_scalar(single, r, &c)) {
        return NULL;
    }
    explain_value(r, c.values[0]);
    return op_number_new(r, g, c.values[0]);
}
