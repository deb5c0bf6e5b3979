// ast_print.h: pieces of a tree's text that the printers share. Private.
#ifndef PROMQL_AST_PRINT_H
#define PROMQL_AST_PRINT_H

#include "base/base.h"
#include "promql/ast.h"

struct buf;

const char *duration_op_text(enum duration_op op); // "step", "+", …; empty for a number.
// The operator and all that stands behind it: == bool on (a) group_left (b).
void print_binary_operator(struct buf *out, const struct expr_binary *b);
bool binary_left_is_infinity(const struct expr_binary *b); // Printed without a sign.
void print_aggregate_head(struct buf *out, const struct expr_aggregate *agg); // sum by (a)
void print_subquery_suffix(struct buf *out, const struct expr_subquery *s);   // [5m:1m] @ start()

#endif
