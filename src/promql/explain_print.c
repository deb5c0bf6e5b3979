// explain_print.c: the words for the nodes of a plan, and its text: a line a node, children below
// their parents and indented. O(text), never of what stands below a node.
#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "promql/ast_print.h"
#include "promql/explain.h"
#include "promql/fn_range.h"
#include "promql/function_table.h"
#include "promql/parse.h"
#include "promql/plan_share.h"
#include "promql/query_run.h"
#include "text/quote.h"

#define DETAIL_BYTES_MAX ((size_t)16 * PROMQL_BYTES_MAX)

static void print_time(struct buf *out, i64 t_ms)
{
    char text[40];
    buf_add(out, text, time_print_rfc3339(text, t_ms));
}

static void print_length(struct buf *out, i64 ms)
{
    buf_c(out, ms < 0 ? "-" : "");
    duration_print(out, ms < 0 ? -ms : ms);
}

// ---- what a node is ----------------------------------------------------------------------------

static const char *binary_word(const struct expr_binary *b)
{
    if (binary_op_is_set(b->op)) {
        return "set";
    }
    return b->matching ? "join" : "arithmetic";
}

static const char *op_word(const struct explain_node *n)
{
    if (!n->expr) {
        return "query";
    }
    if (n->is_constant) {
        return "number";
    }
    if (n->part) {
        return "shared";
    }
    switch (n->expr->kind) {
    case EXPR_NUMBER:
        return "number";
    case EXPR_STRING:
        return "string";
    case EXPR_VECTOR:
        return "select";
    case EXPR_MATRIX:
        return "samples";
    case EXPR_SUBQUERY:
        return "subquery";
    case EXPR_CALL:
        return range_fn_get(n->expr->call.fn->id) ? "range" : "call";
    case EXPR_AGGREGATE:
        return "aggregate";
    case EXPR_BINARY:
        return binary_word(&n->expr->binary);
    case EXPR_UNARY:
        return "negate";
    case EXPR_PAREN:
        break;
    }
    return "";
}

static void print_number(struct buf *out, const struct explain_node *n)
{
    char text[NUM_TEXT_MAX];
    if (!n->is_constant) {
        expr_print(out, n->expr);
        return;
    }
    buf_add(out, text, num_go(text, n->value));
    buf_c(out, " = ");
    expr_print(out, n->expr);
}

static void print_subquery(struct buf *out, const struct explain_node *n,
                           const struct expr_subquery *s)
{
    print_subquery_suffix(out, s);
    buf_printf(out, ", %u steps", n->inner.steps);
    if (n->inner.steps > 0) {
        buf_c(out, " of ");
        print_length(out, n->inner.step_ms);
        buf_c(out, " from ");
        print_time(out, n->inner.start_ms);
    }
}

// Of the arguments only what no node stands for.
static void print_call(struct buf *out, const struct explain_node *n, const struct expr_call *c)
{
    buf_str(out, c->fn->name);
    for (u32 i = 0; i < c->arg_count; i++) {
        const struct expr *arg = expr_unwrap(c->args[i]);
        if (arg->kind == EXPR_STRING) {
            buf_byte(out, ' ');
            quote_go(out, arg->string);
        } else if (arg->kind == EXPR_SUBQUERY) {
            buf_c(out, " over ");
            print_subquery(out, n, &arg->subquery);
        } else if (arg->kind == EXPR_VECTOR && c->fn->id == FN_INFO && i == 1) {
            buf_c(out, " with ");
            expr_print(out, arg);
        }
    }
    if (n->source) {
        buf_c(out, n->range_ms > 0 ? " over " : " of ");
        expr_print(out, n->source);
    }
}

static void print_query(struct buf *out, const struct explain_node *n)
{
    const struct grid *g = &n->grid;
    if (g->steps == 1 && g->start_ms == g->end_ms) {
        buf_c(out, "at ");
        print_time(out, g->start_ms);
        return;
    }
    buf_printf(out, "%u steps of ", g->steps);
    print_length(out, g->step_ms);
    buf_c(out, " from ");
    print_time(out, g->start_ms);
    buf_c(out, " to ");
    print_time(out, g->end_ms);
}

static void print_head(struct buf *out, const struct explain_node *n)
{
    const struct expr *x = n->expr;
    if (!x) {
        print_query(out, n);
        return;
    }
    if (n->is_constant) {
        print_number(out, n);
        return;
    }
    switch (x->kind) {
    case EXPR_NUMBER:
        print_number(out, n);
        return;
    case EXPR_STRING:
    case EXPR_VECTOR:
    case EXPR_MATRIX:
        expr_print(out, x);
        return;
    case EXPR_SUBQUERY:
        print_subquery(out, n, &x->subquery);
        return;
    case EXPR_CALL:
        print_call(out, n, &x->call);
        return;
    case EXPR_AGGREGATE:
        print_aggregate_head(out, &x->aggregate);
        return;
    case EXPR_BINARY:
        print_binary_operator(out, &x->binary);
        return;
    case EXPR_UNARY:
    case EXPR_PAREN:
        return;
    }
}

static bool is_computed(const struct expr *source)
{
    return source->kind == EXPR_MATRIX && source->matrix.range.expr;
}

static void print_part(struct buf *out, const struct explain_node *n)
{
    buf_printf(out, "part %u", n->part_number);
    if (n->is_again) {
        buf_c(out, ", as above");
    } else {
        buf_printf(out, ", read at %u places", n->part->uses);
    }
    buf_c(out, n->is_once ? ", once for all steps" : "");
}

static void print_detail(struct buf *out, const struct explain_node *n)
{
    if (n->part) {
        print_part(out, n);
        return;
    }
    print_head(out, n);
    while (out->len > 0 && out->bytes[out->len - 1] == ' ') {
        out->len--; // A head has a blank behind it for what follows.
    }
    if (n->source && is_computed(n->source)) {
        buf_c(out, ", windows of ");
        print_length(out, n->range_ms);
    }
    if (n->source) {
        buf_c(out, ", reads ");
        print_time(out, n->min_ms);
        buf_c(out, " to ");
        print_time(out, n->max_ms);
    }
    buf_c(out, n->is_once ? ", once for all steps" : "");
}

static str detail_of(const struct explain_node *n, struct arena *a)
{
    struct buf b;
    buf_init(&b, DETAIL_BYTES_MAX);
    print_detail(&b, n);
    str text = arena_str(a, str_trim(buf_get(&b)));
    buf_fini(&b);
    return text;
}

static void take_node(const struct explain_node *n, struct arena *a, struct promql_plan *out)
{
    *out = (struct promql_plan){.op = str_c(op_word(n)),
                                .detail = detail_of(n, a),
                                .cost = n->cost,
                                .child_count = n->child_count};
    out->cost.seconds = (f64)n->ns / 1e9;
    out->children = ARENA_NEW_N(a, struct promql_plan, MAX(n->child_count, 1U));
    u32 i = 0;
    for (const struct explain_node *c = n->first; c; c = c->next) { // ast.h (I2) bounds the depth.
        take_node(c, a, &out->children[i++]);
    }
}

struct promql_plan *explain_take(const struct run *r, struct arena *a)
{
    struct promql_plan *p = ARENA_NEW(a, struct promql_plan);
    take_node(r->explain->root, a, p);
    return p;
}

// ---- the text ----------------------------------------------------------------------------------

static void print_bytes(struct buf *out, u64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    f64 v = (f64)bytes;
    size_t unit = 0;
    for (; v >= 1024 && unit + 1 < ARRAY_LEN(units); unit++) {
        v /= 1024;
    }
    buf_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", v, units[unit]);
}

static void print_cost(struct buf *out, const struct promql_cost *c)
{
    buf_printf(out, " (series %llu, samples %llu, read %llu, ", (unsigned long long)c->series,
               (unsigned long long)c->samples, (unsigned long long)c->samples_read);
    print_bytes(out, c->bytes);
    buf_printf(out, ", %.3f ms)", c->seconds * 1e3);
}

static void print_node(struct buf *out, const struct promql_plan *p, bool with_cost, u32 depth)
{
    for (u32 i = 0; i < depth; i++) {
        buf_c(out, "  ");
    }
    buf_str(out, p->op);
    if (p->detail.len > 0) {
        buf_byte(out, ' ');
        buf_str(out, p->detail);
    }
    if (with_cost) {
        print_cost(out, &p->cost);
    }
    buf_byte(out, '\n');
    for (u32 i = 0; i < p->child_count; i++) { // As above.
        print_node(out, &p->children[i], with_cost, depth + 1);
    }
}

void promql_plan_print(struct buf *out, const struct promql_plan *p, bool with_cost)
{
    print_node(out, p, with_cost, 0);
}
