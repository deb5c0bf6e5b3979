// operators.h: the words of the language that trees are made of: types, operators, limits, places.
//
// Includes nothing of the folder. Threads: values.
#ifndef PROMQL_OPERATORS_H
#define PROMQL_OPERATORS_H

#include "base/base.h"

// Levels of a tree, operators chained without parentheses included (1+1+1 has three). At -O2 the
// parser takes 400 bytes of stack a level and each walker here less than 250.
#define PROMQL_DEPTH_MAX 512
#define PROMQL_BYTES_MAX 65536 // Of the text of one expression.
#define PROMQL_ARGS_MAX  4096  // Of one call; likewise labels or matchers of one list.

// Byte offsets into the text: start inclusive, end exclusive.
struct text_span {
    u32 start;
    u32 end;
};

enum value_type { TYPE_NONE, TYPE_SCALAR, TYPE_STRING, TYPE_VECTOR, TYPE_MATRIX };
const char *value_type_text(enum value_type t);  // As the API says: "scalar", "vector", "matrix".
const char *value_type_words(enum value_type t); // As messages say: "instant vector", …

// The order is that of binary_op_texts; comparisons and set operators stand together.
enum binary_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_ATAN2,
    OP_EQ,
    OP_NE,
    OP_GT,
    OP_LT,
    OP_GE,
    OP_LE,
    OP_TRIM_UPPER, // </ keeps what lies below.
    OP_TRIM_LOWER, // >/ keeps what lies above.
    OP_AND,
    OP_OR,
    OP_UNLESS,
    OP_COUNT
};
const char *binary_op_text(enum binary_op op); // "+", "==", "and", …
static inline bool binary_op_is_comparison(enum binary_op op)
{
    return op >= OP_EQ && op <= OP_LE;
}
static inline bool binary_op_is_set(enum binary_op op)
{
    return op >= OP_AND && op <= OP_UNLESS;
}

enum aggregate_op {
    AGG_SUM,
    AGG_AVG,
    AGG_COUNT,
    AGG_MIN,
    AGG_MAX,
    AGG_GROUP,
    AGG_STDDEV,
    AGG_STDVAR,
    AGG_TOPK,
    AGG_BOTTOMK,
    AGG_COUNT_VALUES,
    AGG_QUANTILE,
    AGG_LIMITK,
    AGG_LIMIT_RATIO,
    AGG_COUNT_OF
};
const char *aggregate_op_text(enum aggregate_op op);           // "sum", …
enum value_type aggregate_op_param_type(enum aggregate_op op); // TYPE_NONE if it takes none.
bool aggregate_op_is_experimental(enum aggregate_op op);

#endif
