// function_table.h: every function of the language in one table: name, types, what is optional.
//
// Lookup by name O(log n). The table is sorted by name; fn ids are its indexes.
// Threads: frozen.
#ifndef PROMQL_FUNCTION_TABLE_H
#define PROMQL_FUNCTION_TABLE_H

#include "base/base.h"
#include "promql/ast.h"

// Sorted as the names are, so that an id is an index into the table.
enum fn_id {
    FN_ABS,
    FN_ABSENT,
    FN_ABSENT_OVER_TIME,
    FN_ACOS,
    FN_ACOSH,
    FN_ASIN,
    FN_ASINH,
    FN_ATAN,
    FN_ATANH,
    FN_AVG_OVER_TIME,
    FN_CEIL,
    FN_CHANGES,
    FN_CLAMP,
    FN_CLAMP_MAX,
    FN_CLAMP_MIN,
    FN_COS,
    FN_COSH,
    FN_COUNT_OVER_TIME,
    FN_DAY_OF_MONTH,
    FN_DAY_OF_WEEK,
    FN_DAY_OF_YEAR,
    FN_DAYS_IN_MONTH,
    FN_DEG,
    FN_DELTA,
    FN_DERIV,
    FN_DOUBLE_EXPONENTIAL_SMOOTHING,
    FN_END,
    FN_EXP,
    FN_FIRST_OVER_TIME,
    FN_FLOOR,
    FN_HISTOGRAM_AVG,
    FN_HISTOGRAM_COUNT,
    FN_HISTOGRAM_FRACTION,
    FN_HISTOGRAM_QUANTILE,
    FN_HISTOGRAM_QUANTILES,
    FN_HISTOGRAM_STDDEV,
    FN_HISTOGRAM_STDVAR,
    FN_HISTOGRAM_SUM,
    FN_HOUR,
    FN_IDELTA,
    FN_INCREASE,
    FN_INFO,
    FN_IRATE,
    FN_LABEL_JOIN,
    FN_LABEL_REPLACE,
    FN_LAST_OVER_TIME,
    FN_LN,
    FN_LOG10,
    FN_LOG2,
    FN_MAD_OVER_TIME,
    FN_MAX_OF,
    FN_MAX_OVER_TIME,
    FN_MIN_OF,
    FN_MIN_OVER_TIME,
    FN_MINUTE,
    FN_MONTH,
    FN_PI,
    FN_PREDICT_LINEAR,
    FN_PRESENT_OVER_TIME,
    FN_QUANTILE_OVER_TIME,
    FN_RAD,
    FN_RANGE,
    FN_RATE,
    FN_RESETS,
    FN_ROUND,
    FN_SCALAR,
    FN_SGN,
    FN_SIN,
    FN_SINH,
    FN_SORT,
    FN_SORT_BY_LABEL,
    FN_SORT_BY_LABEL_DESC,
    FN_SORT_DESC,
    FN_SQRT,
    FN_START,
    FN_START_TIMESTAMP,
    FN_STDDEV_OVER_TIME,
    FN_STDVAR_OVER_TIME,
    FN_STEP,
    FN_SUM_OVER_TIME,
    FN_TAN,
    FN_TANH,
    FN_TIME,
    FN_TIMESTAMP,
    FN_TS_OF_FIRST_OVER_TIME,
    FN_TS_OF_LAST_OVER_TIME,
    FN_TS_OF_MAX_OVER_TIME,
    FN_TS_OF_MIN_OVER_TIME,
    FN_VECTOR,
    FN_YEAR,
    FN_COUNT
};

#define FUNCTION_ARGS_MAX 5 // Of declared types; a variadic one repeats its last.

struct function {
    str name;
    enum fn_id id;
    enum value_type type; // Of what it returns.
    bool experimental;
    // 0: exactly arg_count; n > 0: from arg_count - 1 to arg_count - 1 + n; -1: from there on.
    i8 variadic;
    u8 arg_count;
    enum value_type args[FUNCTION_ARGS_MAX];
};

const struct function *function_get(enum fn_id id);
const struct function *function_find(str name);                         // NULL if there is none.
enum value_type function_arg_type(const struct function *f, u32 index); // Of a given argument.

#endif
