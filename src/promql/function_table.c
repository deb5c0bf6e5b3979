// function_table.c: the rows. Adding a function: its id in the header, its row here, in order.
#include "promql/function_table.h"

#include "base/str.h"

#define S TYPE_SCALAR
#define T TYPE_STRING
#define V TYPE_VECTOR
#define R TYPE_MATRIX

#define ROW(ID, NAME, RETURNS, VARIADIC, EXPERIMENTAL, COUNT, ...)                                 \
    [ID] = {.name = {NAME, sizeof(NAME) - 1},                                                      \
            .id = ID,                                                                              \
            .type = RETURNS,                                                                       \
            .experimental = EXPERIMENTAL,                                                          \
            .variadic = VARIADIC,                                                                  \
            .arg_count = COUNT,                                                                    \
            .args = {__VA_ARGS__}}
// Plain: a fixed number of arguments. Lab: experimental.
#define V1(ID, NAME, ARG)   ROW(ID, NAME, V, 0, false, 1, ARG)
#define DATE(ID, NAME)      ROW(ID, NAME, V, 1, false, 1, V)
#define LAB_V1(ID, NAME, A) ROW(ID, NAME, V, 0, true, 1, A)
#define LAB_S0(ID, NAME)    ROW(ID, NAME, S, 0, true, 0, TYPE_NONE)

static const struct function functions[FN_COUNT] = {
    V1(FN_ABS, "abs", V),
    V1(FN_ABSENT, "absent", V),
    V1(FN_ABSENT_OVER_TIME, "absent_over_time", R),
    V1(FN_ACOS, "acos", V),
    V1(FN_ACOSH, "acosh", V),
    V1(FN_ASIN, "asin", V),
    V1(FN_ASINH, "asinh", V),
    V1(FN_ATAN, "atan", V),
    V1(FN_ATANH, "atanh", V),
    V1(FN_AVG_OVER_TIME, "avg_over_time", R),
    V1(FN_CEIL, "ceil", V),
    V1(FN_CHANGES, "changes", R),
    ROW(FN_CLAMP, "clamp", V, 0, false, 3, V, S, S),
    ROW(FN_CLAMP_MAX, "clamp_max", V, 0, false, 2, V, S),
    ROW(FN_CLAMP_MIN, "clamp_min", V, 0, false, 2, V, S),
    V1(FN_COS, "cos", V),
    V1(FN_COSH, "cosh", V),
    V1(FN_COUNT_OVER_TIME, "count_over_time", R),
    DATE(FN_DAY_OF_MONTH, "day_of_month"),
    DATE(FN_DAY_OF_WEEK, "day_of_week"),
    DATE(FN_DAY_OF_YEAR, "day_of_year"),
    DATE(FN_DAYS_IN_MONTH, "days_in_month"),
    V1(FN_DEG, "deg", V),
    V1(FN_DELTA, "delta", R),
    V1(FN_DERIV, "deriv", R),
    ROW(FN_DOUBLE_EXPONENTIAL_SMOOTHING, "double_exponential_smoothing", V, 0, true, 3, R, S, S),
    LAB_S0(FN_END, "end"),
    V1(FN_EXP, "exp", V),
    V1(FN_FIRST_OVER_TIME, "first_over_time", R),
    V1(FN_FLOOR, "floor", V),
    V1(FN_HISTOGRAM_AVG, "histogram_avg", V),
    V1(FN_HISTOGRAM_COUNT, "histogram_count", V),
    ROW(FN_HISTOGRAM_FRACTION, "histogram_fraction", V, 0, false, 3, S, S, V),
    ROW(FN_HISTOGRAM_QUANTILE, "histogram_quantile", V, 0, false, 2, S, V),
    ROW(FN_HISTOGRAM_QUANTILES, "histogram_quantiles", V, 9, true, 4, V, T, S, S),
    V1(FN_HISTOGRAM_STDDEV, "histogram_stddev", V),
    V1(FN_HISTOGRAM_STDVAR, "histogram_stdvar", V),
    V1(FN_HISTOGRAM_SUM, "histogram_sum", V),
    DATE(FN_HOUR, "hour"),
    V1(FN_IDELTA, "idelta", R),
    V1(FN_INCREASE, "increase", R),
    ROW(FN_INFO, "info", V, 1, true, 2, V, V),
    V1(FN_IRATE, "irate", R),
    ROW(FN_LABEL_JOIN, "label_join", V, -1, false, 4, V, T, T, T),
    ROW(FN_LABEL_REPLACE, "label_replace", V, 0, false, 5, V, T, T, T, T),
    V1(FN_LAST_OVER_TIME, "last_over_time", R),
    V1(FN_LN, "ln", V),
    V1(FN_LOG10, "log10", V),
    V1(FN_LOG2, "log2", V),
    LAB_V1(FN_MAD_OVER_TIME, "mad_over_time", R),
    ROW(FN_MAX_OF, "max_of", S, 0, true, 2, S, S),
    V1(FN_MAX_OVER_TIME, "max_over_time", R),
    ROW(FN_MIN_OF, "min_of", S, 0, true, 2, S, S),
    V1(FN_MIN_OVER_TIME, "min_over_time", R),
    DATE(FN_MINUTE, "minute"),
    DATE(FN_MONTH, "month"),
    ROW(FN_PI, "pi", S, 0, false, 0, TYPE_NONE),
    ROW(FN_PREDICT_LINEAR, "predict_linear", V, 0, false, 2, R, S),
    V1(FN_PRESENT_OVER_TIME, "present_over_time", R),
    ROW(FN_QUANTILE_OVER_TIME, "quantile_over_time", V, 0, false, 2, S, R),
    V1(FN_RAD, "rad", V),
    LAB_S0(FN_RANGE, "range"),
    V1(FN_RATE, "rate", R),
    V1(FN_RESETS, "resets", R),
    ROW(FN_ROUND, "round", V, 1, false, 2, V, S),
    ROW(FN_SCALAR, "scalar", S, 0, false, 1, V),
    V1(FN_SGN, "sgn", V),
    V1(FN_SIN, "sin", V),
    V1(FN_SINH, "sinh", V),
    V1(FN_SORT, "sort", V),
    ROW(FN_SORT_BY_LABEL, "sort_by_label", V, -1, true, 2, V, T),
    ROW(FN_SORT_BY_LABEL_DESC, "sort_by_label_desc", V, -1, true, 2, V, T),
    V1(FN_SORT_DESC, "sort_desc", V),
    V1(FN_SQRT, "sqrt", V),
    LAB_S0(FN_START, "start"),
    LAB_V1(FN_START_TIMESTAMP, "start_timestamp", V),
    V1(FN_STDDEV_OVER_TIME, "stddev_over_time", R),
    V1(FN_STDVAR_OVER_TIME, "stdvar_over_time", R),
    LAB_S0(FN_STEP, "step"),
    V1(FN_SUM_OVER_TIME, "sum_over_time", R),
    V1(FN_TAN, "tan", V),
    V1(FN_TANH, "tanh", V),
    ROW(FN_TIME, "time", S, 0, false, 0, TYPE_NONE),
    V1(FN_TIMESTAMP, "timestamp", V),
    LAB_V1(FN_TS_OF_FIRST_OVER_TIME, "ts_of_first_over_time", R),
    LAB_V1(FN_TS_OF_LAST_OVER_TIME, "ts_of_last_over_time", R),
    LAB_V1(FN_TS_OF_MAX_OVER_TIME, "ts_of_max_over_time", R),
    LAB_V1(FN_TS_OF_MIN_OVER_TIME, "ts_of_min_over_time", R),
    V1(FN_VECTOR, "vector", S),
    DATE(FN_YEAR, "year"),
};

#undef S
#undef T
#undef V
#undef R

const struct function *function_get(enum fn_id id)
{
    CHECK(id < FN_COUNT);
    return &functions[id];
}

const struct function *function_find(str name)
{
    u32 low = 0;
    u32 high = FN_COUNT;
    while (low < high) {
        const u32 mid = low + (high - low) / 2;
        const int order = str_cmp(functions[mid].name, name);
        if (order == 0) {
            return &functions[mid];
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

enum value_type function_arg_type(const struct function *f, u32 index)
{
    CHECK(f->arg_count > 0);
    return f->args[MIN(index, (u32)f->arg_count - 1)];
}
