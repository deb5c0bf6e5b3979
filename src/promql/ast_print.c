// ast_print.c: the canonical text of a tree, on one line. O(text).
#include "promql/ast_print.h"

#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "promql/function_table.h"
#include "promql/parse.h"
#include "text/quote.h"

#include <math.h>
#include <stdlib.h>

#define MATCHER_BYTES_MIN 4 // a=""

static void print_plain(struct buf *out, f64 v)
{
    char text[NUM_TEXT_MAX];
    buf_add(out, text, num_plain(text, v));
}

static void print_signed_ms(struct buf *out, i64 ms)
{
    if (ms < 0) {
        buf_byte(out, '-');
    }
    duration_print(out, ms < 0 ? -ms : ms);
}

static void print_number(struct buf *out, f64 value, bool is_duration)
{
    if (is_duration) {
        print_signed_ms(out, (i64)round(value * 1e3)); // It was whole: 1.001 s is 1s1ms again.
    } else {
        print_plain(out, value);
    }
}

const char *duration_op_text(enum duration_op op)
{
    switch (op) {
    case DURATION_NUMBER:
        return "";
    case DURATION_STEP:
        return "step";
    case DURATION_RANGE:
        return "range";
    case DURATION_MIN_OF:
        return "min_of";
    case DURATION_MAX_OF:
        return "max_of";
    case DURATION_NEG:
    case DURATION_SUB:
        return "-";
    case DURATION_SAME:
    case DURATION_ADD:
        return "+";
    case DURATION_MUL:
        return "*";
    case DURATION_DIV:
        return "/";
    case DURATION_MOD:
        return "%";
    case DURATION_POW:
        return "^";
    }
    CHECK(false && "a duration has one of thirteen operators");
}

static void print_duration_expr(struct buf *out, const struct duration_expr *d)
{
    if (d->wrapped) {
        buf_byte(out, '(');
    }
    switch (d->op) {
    case DURATION_NUMBER:
        print_number(out, d->seconds, d->is_literal);
        break;
    case DURATION_STEP:
    case DURATION_RANGE:
        buf_c(out, duration_op_text(d->op));
        buf_c(out, "()");
        break;
    case DURATION_NEG:
        buf_byte(out, '-');
        print_duration_expr(out, d->a);
        break;
    case DURATION_SAME:
        if (d->a->wrapped) {
            buf_byte(out, '+'); // An offset that begins with a parenthesis would go on behind it.
        }
        print_duration_expr(out, d->a);
        break;
    case DURATION_MIN_OF:
    case DURATION_MAX_OF:
        buf_c(out, duration_op_text(d->op));
        buf_byte(out, '(');
        print_duration_expr(out, d->a);
        buf_c(out, ", ");
        print_duration_expr(out, d->b);
        buf_byte(out, ')');
        break;
    case DURATION_ADD:
    case DURATION_SUB:
    case DURATION_MUL:
    case DURATION_DIV:
    case DURATION_MOD:
    case DURATION_POW:
        print_duration_expr(out, d->a);
        buf_printf(out, " %s ", duration_op_text(d->op));
        print_duration_expr(out, d->b);
        break;
    }
    if (d->wrapped) {
        buf_byte(out, ')');
    }
}

static void print_duration(struct buf *out, const struct duration *d)
{
    if (d->expr) {
        print_duration_expr(out, d->expr);
    } else {
        print_signed_ms(out, d->ms);
    }
}

static void print_at(struct buf *out, const struct time_shift *shift)
{
    char text[NUM_TEXT_MAX];
    switch (shift->at) {
    case AT_NONE:
        break;
    case AT_TIME:
        buf_c(out, " @ ");
        buf_add(out, text, num_fixed(text, (f64)shift->at_ms / 1000, 'f', 3));
        break;
    case AT_START:
        buf_c(out, " @ start()");
        break;
    case AT_END:
        buf_c(out, " @ end()");
        break;
    }
}

static void print_offset(struct buf *out, const struct time_shift *shift)
{
    if (shift->offset.expr || shift->offset.ms) {
        buf_c(out, " offset ");
        print_duration(out, &shift->offset);
    }
}

static void print_extended(struct buf *out, const struct expr_vector *v)
{
    if (v->anchored) {
        buf_c(out, " anchored");
    } else if (v->smoothed) {
        buf_c(out, " smoothed");
    }
}

static int text_order(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

// In the order of their texts, so that equal selectors print the same.
static void print_matchers(struct buf *out, const struct expr_vector *v)
{
    if (out->max - out->len <
        (size_t)(v->matcher_count - (v->name.len ? 1 : 0)) * MATCHER_BYTES_MIN) {
        out->full = true; // Too long in any order.
        return;
    }
    struct buf texts;
    buf_init(&texts, (size_t)16 * PROMQL_BYTES_MAX);
    str *pieces = MEM_NEW_N(str, v->matcher_count + 1);
    size_t *ends = MEM_NEW_N(size_t, v->matcher_count + 1);
    u32 n = 0;
    for (u32 i = 0; i < v->matcher_count; i++) {
        const struct matcher *m = &v->matchers[i];
        if (m->op == MATCH_EQ && v->name.len && str_eq(m->name, LABEL_NAME) &&
            str_eq(m->value, v->name)) {
            continue; // It stands before the braces.
        }
        matcher_print(&texts, m);
        ends[n++] = texts.len;
    }
    CHECK(buf_ok(&texts));
    for (u32 i = 0; i < n; i++) {
        pieces[i] = str_sub(buf_get(&texts), i ? ends[i - 1] : 0, ends[i]);
    }
    qsort(pieces, n, sizeof(*pieces), text_order);
    for (u32 i = 0; i < n; i++) {
        buf_byte(out, i ? ',' : '{');
        buf_str(out, pieces[i]);
    }
    if (n) {
        buf_byte(out, '}');
    } else if (v->name.len == 0) {
        buf_c(out, "{}"); // Only info() has one.
    }
    mem_free(pieces);
    mem_free(ends);
    buf_fini(&texts);
}

static void print_series(struct buf *out, const struct expr_vector *v)
{
    buf_str(out, v->name);
    print_matchers(out, v);
}

static void print_vector(struct buf *out, const struct expr_vector *v)
{
    print_series(out, v);
    print_at(out, &v->shift);
    print_extended(out, v);
    print_offset(out, &v->shift);
}

static void print_matrix(struct buf *out, const struct expr_matrix *m)
{
    const struct expr_vector *v = &m->vector->vector;
    print_series(out, v);
    buf_byte(out, '[');
    print_duration(out, &m->range);
    buf_byte(out, ']');
    print_extended(out, v);
    print_at(out, &v->shift);
    print_offset(out, &v->shift);
}

void print_subquery_suffix(struct buf *out, const struct expr_subquery *s)
{
    buf_byte(out, '[');
    print_duration(out, &s->range);
    buf_byte(out, ':');
    if (s->has_step) {
        print_duration(out, &s->step);
    }
    buf_byte(out, ']');
    print_at(out, &s->shift);
    print_offset(out, &s->shift);
}

static void print_labels(struct buf *out, const str *labels, u32 count)
{
    buf_byte(out, '(');
    for (u32 i = 0; i < count; i++) {
        buf_c(out, i ? ", " : "");
        if (label_name_valid_legacy(labels[i])) {
            buf_str(out, labels[i]);
        } else {
            quote_go(out, labels[i]);
        }
    }
    buf_byte(out, ')');
}

void print_aggregate_head(struct buf *out, const struct expr_aggregate *agg)
{
    buf_c(out, aggregate_op_text(agg->op));
    if (agg->without || agg->label_count) {
        buf_c(out, agg->without ? " without " : " by ");
        print_labels(out, agg->labels, agg->label_count);
        buf_byte(out, ' ');
    }
}

static void print_aggregate(struct buf *out, const struct expr_aggregate *agg)
{
    print_aggregate_head(out, agg);
    buf_byte(out, '(');
    if (agg->param) {
        expr_print(out, agg->param);
        buf_c(out, ", ");
    }
    expr_print(out, agg->inner);
    buf_byte(out, ')');
}

static void print_fill(struct buf *out, const char *word, f64 value)
{
    char text[NUM_TEXT_MAX];
    buf_printf(out, " %s (", word);
    buf_add(out, text, num_go(text, value));
    buf_byte(out, ')');
}

static void print_fills(struct buf *out, const struct vector_matching *m)
{
    if (m->has_fill_left && m->has_fill_right && m->fill_left == m->fill_right) {
        print_fill(out, "fill", m->fill_left);
        return;
    }
    if (m->has_fill_left) {
        print_fill(out, "fill_left", m->fill_left);
    }
    if (m->has_fill_right) {
        print_fill(out, "fill_right", m->fill_right);
    }
}

// The operator and all that stands behind it.
void print_binary_operator(struct buf *out, const struct expr_binary *b)
{
    const struct vector_matching *m = b->matching;
    buf_c(out, binary_op_text(b->op));
    buf_c(out, b->return_bool ? " bool" : "");
    if (!m) {
        return;
    }
    const bool grouped = m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY;
    if (m->on || m->label_count || grouped) {
        buf_c(out, m->on ? " on " : " ignoring ");
        print_labels(out, m->labels, m->label_count);
    }
    if (grouped) {
        buf_c(out, m->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        print_labels(out, m->include, m->include_count);
    }
    print_fills(out, m);
}

// +Inf ^ 2 would be read as +(Inf ^ 2).
bool binary_left_is_infinity(const struct expr_binary *b)
{
    return b->op == OP_POW && b->left->kind == EXPR_NUMBER && isinf(b->left->number.value);
}

static void print_binary(struct buf *out, const struct expr_binary *b)
{
    if (binary_left_is_infinity(b)) {
        buf_c(out, "Inf");
    } else {
        expr_print(out, b->left);
    }
    buf_byte(out, ' ');
    print_binary_operator(out, b);
    buf_byte(out, ' ');
    expr_print(out, b->right);
}

static void print_call(struct buf *out, const struct expr_call *call)
{
    buf_str(out, call->fn->name);
    buf_byte(out, '(');
    for (u32 i = 0; i < call->arg_count; i++) {
        buf_c(out, i ? ", " : "");
        expr_print(out, call->args[i]);
    }
    buf_byte(out, ')');
}

void expr_print(struct buf *out, const struct expr *x)
{
    if (!buf_ok(out)) {
        return; // Nobody will see more; this is what makes `fits` cheap.
    }
    switch (x->kind) {
    case EXPR_NUMBER:
        print_number(out, x->number.value, x->number.is_duration);
        return;
    case EXPR_STRING:
        quote_go(out, x->string);
        return;
    case EXPR_VECTOR:
        print_vector(out, &x->vector);
        return;
    case EXPR_MATRIX:
        print_matrix(out, &x->matrix);
        return;
    case EXPR_SUBQUERY:
        expr_print(out, x->subquery.inner);
        print_subquery_suffix(out, &x->subquery);
        return;
    case EXPR_CALL:
        print_call(out, &x->call);
        return;
    case EXPR_AGGREGATE:
        print_aggregate(out, &x->aggregate);
        return;
    case EXPR_BINARY:
        print_binary(out, &x->binary);
        return;
    case EXPR_UNARY:
        buf_byte(out, x->unary.negative ? '-' : '+');
        expr_print(out, x->unary.inner);
        return;
    case EXPR_PAREN:
        buf_byte(out, '(');
        expr_print(out, x->paren);
        buf_byte(out, ')');
        return;
    }
    CHECK(false && "an expression has one of ten kinds");
}
