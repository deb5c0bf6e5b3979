// ast_pretty.c: the canonical text of a tree over several lines, where one would pass 100 bytes.
//
// A level that does not fit puts its children on lines of their own, one step further in. Whether
// it fits costs no more than 100 bytes of printing.
#include "base/buf.h"
#include "base/str.h"
#include "promql/ast_print.h"
#include "promql/function_table.h"
#include "promql/parse.h"

#define LINE_BYTES_MAX 100

static bool fits(const struct expr *x)
{
    struct buf line;
    buf_init(&line, LINE_BYTES_MAX + 2); // One byte too many is still seen.
    expr_print(&line, x);
    const bool ok = buf_ok(&line) && line.len <= LINE_BYTES_MAX;
    buf_fini(&line);
    return ok;
}

static void indent(struct buf *out, u32 level)
{
    for (u32 i = 0; i < level; i++) {
        buf_c(out, "  ");
    }
}

static void pretty(struct buf *out, const struct expr *x, u32 level);

// What x begins with, its own indentation left out where `x` follows on the same line.
static void pretty_split(struct buf *out, const struct expr *x, u32 level, bool follows);

static void pretty_binary(struct buf *out, const struct expr_binary *b, u32 level, bool follows)
{
    if (binary_left_is_infinity(b)) {
        indent(out, follows ? 0 : level + 1);
        buf_c(out, "Inf");
    } else {
        pretty_split(out, b->left, level + 1, follows);
    }
    buf_byte(out, '\n');
    indent(out, level);
    print_binary_operator(out, b);
    buf_byte(out, '\n');
    pretty(out, b->right, level + 1);
}

static void pretty_close(struct buf *out, u32 level)
{
    buf_byte(out, '\n');
    indent(out, level);
    buf_byte(out, ')');
}

static void pretty_aggregate(struct buf *out, const struct expr_aggregate *agg, u32 level)
{
    print_aggregate_head(out, agg);
    buf_c(out, "(\n");
    if (agg->param) {
        pretty(out, agg->param, level + 1);
        buf_c(out, ",\n");
    }
    pretty(out, agg->inner, level + 1);
    pretty_close(out, level);
}

static void pretty_call(struct buf *out, const struct expr_call *call, u32 level)
{
    buf_str(out, call->fn->name);
    buf_c(out, "(\n");
    for (u32 i = 0; i < call->arg_count; i++) {
        buf_c(out, i ? ",\n" : "");
        pretty(out, call->args[i], level + 1);
    }
    pretty_close(out, level);
}

static void pretty_split(struct buf *out, const struct expr *x, u32 level, bool follows)
{
    if (!buf_ok(out)) {
        return;
    }
    const bool whole = fits(x);
    const bool indents_itself = x->kind == EXPR_SUBQUERY || (x->kind == EXPR_BINARY && !whole);
    if (!follows && !indents_itself) {
        indent(out, level);
    }
    if (x->kind == EXPR_UNARY) {
        buf_byte(out, x->unary.negative ? '-' : '+');
        pretty_split(out, x->unary.inner, level, true);
    } else if (x->kind == EXPR_SUBQUERY && !whole) {
        pretty_split(out, x->subquery.inner, level, follows);
        print_subquery_suffix(out, &x->subquery);
    } else if (x->kind == EXPR_BINARY && !whole) {
        pretty_binary(out, &x->binary, level, follows);
    } else if (x->kind == EXPR_AGGREGATE && !whole) {
        pretty_aggregate(out, &x->aggregate, level);
    } else if (x->kind == EXPR_CALL && !whole) {
        pretty_call(out, &x->call, level);
    } else if (x->kind == EXPR_PAREN && !whole) {
        buf_c(out, "(\n");
        pretty(out, x->paren, level + 1);
        pretty_close(out, level);
    } else {
        expr_print(out, x);
    }
}

static void pretty(struct buf *out, const struct expr *x, u32 level)
{
    pretty_split(out, x, level, false);
}

void expr_print_pretty(struct buf *out, const struct expr *x)
{
    pretty(out, x, 0);
}
