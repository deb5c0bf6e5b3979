// ast.h: the tree of a PromQL expression: a closed family of tagged nodes.
//
// A tree lives whole in the arena it was parsed into, its strings included; a new kind is added to
// the enum and the compiler lists every switch that must learn it.
// Invariants:
//   (I1) Every node's span is within the text it was parsed from, start ≤ end.
//   (I2) height is 1 + the greatest height of its children and never passes PROMQL_DEPTH_MAX, so
//        whoever walks a tree may recurse.
//   (I3) In a checked tree every node's type is right, a binary's matching is set exactly if both
//        sides are vectors, and a call's argument count fits its function.
// Threads: frozen after parse_expr returns.
#ifndef PROMQL_AST_H
#define PROMQL_AST_H

#include "base/base.h"
#include "model/match.h"
#include "promql/duration_expr.h"
#include "promql/operators.h"

struct function; // function_table.h

enum expr_kind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_VECTOR,   // An instant vector selector.
    EXPR_MATRIX,   // A range vector selector.
    EXPR_SUBQUERY, // expr[range:step]
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_BINARY,
    EXPR_UNARY,
    EXPR_PAREN,
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

// What may follow a selector or a subquery. A matrix keeps it in its vector selector.
struct time_shift {
    struct duration offset; // May be negative.
    enum at_kind at;
    i64 at_ms; // AT_TIME
};

struct expr_number {
    f64 value;
    bool is_duration; // Written as 5m.
};

struct expr_vector {
    str name; // The metric name before the braces; empty if there is none.
    // In the order written; the name before the braces comes last, as __name__="…".
    const struct matcher *matchers;
    u32 matcher_count;
    struct time_shift shift;
    bool anchored;
    bool smoothed;
    bool may_match_empty; // The second argument of info().
};

struct expr_matrix {
    struct expr *vector; // EXPR_VECTOR
    struct duration range;
};

struct expr_subquery {
    struct expr *inner;
    struct duration range;
    bool has_step; // Else the default resolution.
    struct duration step;
    struct time_shift shift;
};

struct expr_call {
    const struct function *fn;
    struct expr **args;
    u32 arg_count;
};

struct expr_aggregate {
    enum aggregate_op op;
    bool without;
    struct expr *inner;
    struct expr *param; // NULL if the operator takes none.
    const str *labels;  // In the order written.
    u32 label_count;
};

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };
const char *match_card_text(enum match_card c); // "one-to-one", …

struct vector_matching {
    enum match_card card; // CARD_MANY_TO_ONE is group_left.
    bool on;              // Else ignoring.
    const str *labels;    // In the order written, as include.
    u32 label_count;
    const str *include; // group_left(…), group_right(…)
    u32 include_count;
    bool has_fill_left;
    bool has_fill_right;
    f64 fill_left;
    f64 fill_right;
};

struct expr_binary {
    enum binary_op op;
    bool return_bool;
    struct text_span op_span; // The operator and its modifiers.
    struct expr *left;
    struct expr *right;
    struct vector_matching *matching; // NULL unless both sides are vectors.
};

struct expr_unary {
    bool negative; // Else a plus.
    struct expr *inner;
};

struct expr {
    enum expr_kind kind;
    enum value_type type;
    struct text_span span;
    u16 height;
    union {
        struct expr_number number;
        str string;
        struct expr_vector vector;
        struct expr_matrix matrix;
        struct expr_subquery subquery;
        struct expr_call call;
        struct expr_aggregate aggregate;
        struct expr_binary binary;
        struct expr_unary unary;
        struct expr *paren;
    };
};

// The expression without the parentheses around it.
const struct expr *expr_unwrap(const struct expr *x);
// The children in the order written, count of them (at most PROMQL_ARGS_MAX), for walks that treat
// all kinds alike.
u32 expr_child_count(const struct expr *x);
const struct expr *expr_child(const struct expr *x, u32 index);

// Before anybody else has the tree: every selector loses its matchers of that name, and gets m, if
// not NULL, instead. false: the arena is full.
bool expr_match(struct expr *x, struct arena *a, str name, const struct matcher *m) MUST_USE;

#endif
