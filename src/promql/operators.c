// operators.c: how the words of operators.h and ast.h are spelt.
#include "promql/operators.h"

#include "promql/ast.h"

const char *value_type_text(enum value_type t)
{
    switch (t) {
    case TYPE_NONE:
        return "none";
    case TYPE_SCALAR:
        return "scalar";
    case TYPE_STRING:
        return "string";
    case TYPE_VECTOR:
        return "vector";
    case TYPE_MATRIX:
        return "matrix";
    }
    CHECK(false && "a value has one of five types");
}

const char *value_type_words(enum value_type t)
{
    switch (t) {
    case TYPE_VECTOR:
        return "instant vector";
    case TYPE_MATRIX:
        return "range vector";
    case TYPE_NONE:
    case TYPE_SCALAR:
    case TYPE_STRING:
        return value_type_text(t);
    }
    CHECK(false && "a value has one of five types");
}

static const char *const binary_op_texts[OP_COUNT] = {
    [OP_ADD] = "+",         [OP_SUB] = "-",         [OP_MUL] = "*",       [OP_DIV] = "/",
    [OP_MOD] = "%",         [OP_POW] = "^",         [OP_ATAN2] = "atan2", [OP_EQ] = "==",
    [OP_NE] = "!=",         [OP_GT] = ">",          [OP_LT] = "<",        [OP_GE] = ">=",
    [OP_LE] = "<=",         [OP_TRIM_UPPER] = "</", [OP_AND] = "and",     [OP_OR] = "or",
    [OP_TRIM_LOWER] = ">/", [OP_UNLESS] = "unless",
};

const char *binary_op_text(enum binary_op op)
{
    CHECK(op < OP_COUNT);
    return binary_op_texts[op];
}

static const struct {
    const char *text;
    enum value_type param;
    bool experimental;
} aggregates[AGG_COUNT_OF] = {
    [AGG_SUM] = {"sum", TYPE_NONE, false},
    [AGG_AVG] = {"avg", TYPE_NONE, false},
    [AGG_COUNT] = {"count", TYPE_NONE, false},
    [AGG_MIN] = {"min", TYPE_NONE, false},
    [AGG_MAX] = {"max", TYPE_NONE, false},
    [AGG_GROUP] = {"group", TYPE_NONE, false},
    [AGG_STDDEV] = {"stddev", TYPE_NONE, false},
    [AGG_STDVAR] = {"stdvar", TYPE_NONE, false},
    [AGG_TOPK] = {"topk", TYPE_SCALAR, false},
    [AGG_BOTTOMK] = {"bottomk", TYPE_SCALAR, false},
    [AGG_COUNT_VALUES] = {"count_values", TYPE_STRING, false},
    [AGG_QUANTILE] = {"quantile", TYPE_SCALAR, false},
    [AGG_LIMITK] = {"limitk", TYPE_SCALAR, true},
    [AGG_LIMIT_RATIO] = {"limit_ratio", TYPE_SCALAR, true},
};

const char *aggregate_op_text(enum aggregate_op op)
{
    CHECK(op < AGG_COUNT_OF);
    return aggregates[op].text;
}

enum value_type aggregate_op_param_type(enum aggregate_op op)
{
    CHECK(op < AGG_COUNT_OF);
    return aggregates[op].param;
}

bool aggregate_op_is_experimental(enum aggregate_op op)
{
    CHECK(op < AGG_COUNT_OF);
    return aggregates[op].experimental;
}

const char *match_card_text(enum match_card c)
{
    switch (c) {
    case CARD_ONE_TO_ONE:
        return "one-to-one";
    case CARD_MANY_TO_ONE:
        return "many-to-one";
    case CARD_ONE_TO_MANY:
        return "one-to-many";
    case CARD_MANY_TO_MANY:
        return "many-to-many";
    }
    CHECK(false && "there are four cardinalities");
}
