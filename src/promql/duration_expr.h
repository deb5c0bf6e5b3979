// duration_expr.h: ranges, steps and offsets that are computed: [step() * 2], offset (1h / 2).
//
// Resolving is O(nodes). Threads: frozen after parsing.
#ifndef PROMQL_DURATION_EXPR_H
#define PROMQL_DURATION_EXPR_H

#include "base/base.h"
#include "promql/operators.h"

struct error;

// Arithmetic on durations, kept until step and range of the query are known (duration_resolve).
enum duration_op {
    DURATION_NUMBER,
    DURATION_STEP,   // step()
    DURATION_RANGE,  // range(): end - start of the query
    DURATION_NEG,    // -a
    DURATION_SAME,   // A number in parentheses.
    DURATION_MIN_OF, // min_of(a, b)
    DURATION_MAX_OF,
    DURATION_ADD,
    DURATION_SUB,
    DURATION_MUL,
    DURATION_DIV,
    DURATION_MOD,
    DURATION_POW,
};
struct duration_expr {
    enum duration_op op;
    bool wrapped;    // It stood in parentheses.
    bool is_literal; // DURATION_NUMBER written as 5m rather than 300.
    u16 height;      // As (I2).
    struct text_span span;
    f64 seconds;                   // DURATION_NUMBER
    const struct duration_expr *a; // The only or the left operand.
    const struct duration_expr *b;
};

// A range, step or offset: ms if expr is NULL, else what expr comes to.
struct duration {
    i64 ms;
    const struct duration_expr *expr;
};

// What step() and range() stand for.
struct duration_env {
    i64 step_ms;
    i64 range_ms; // end - start; both 0 for an instant query.
};
// Durations come out in whole milliseconds, cut towards zero. Fails on NaN, infinities, division by
// zero, and on ≤ 0 unless negative_ok.
bool duration_resolve(const struct duration *d, const struct duration_env *env, bool negative_ok,
                      i64 *ms, struct error *e) MUST_USE;

#endif
