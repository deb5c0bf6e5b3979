// ast_json.c: the tree as /api/v1/parse_query answers it: one object per node, keys in order.
#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "base/utf8.h"
#include "promql/ast_print.h"
#include "promql/function_table.h"
#include "promql/parse.h"

#include <math.h>

// Bytes that are not UTF-8 come out as the replacement character.
static void json_string(struct buf *out, str s)
{
    buf_byte(out, '"');
    for (size_t pos = 0; pos < s.len;) {
        const size_t from = pos;
        u32 rune;
        if (!utf8_next(s, &pos, &rune)) {
            buf_c(out, "\\ufffd");
        } else if (rune == '"' || rune == '\\') {
            buf_byte(out, '\\');
            buf_byte(out, (u8)rune);
        } else if (rune < ' ') {
            buf_printf(out, "\\u%04x", rune);
        } else {
            buf_str(out, str_sub(s, from, pos));
        }
    }
    buf_byte(out, '"');
}

static void json_strings(struct buf *out, const str *items, u32 count)
{
    buf_byte(out, '[');
    for (u32 i = 0; i < count; i++) {
        buf_c(out, i ? "," : "");
        json_string(out, items[i]);
    }
    buf_byte(out, ']');
}

static const char *json_bool(bool b)
{
    return b ? "true" : "false";
}

static void json_number_text(struct buf *out, f64 v)
{
    char text[NUM_TEXT_MAX];
    buf_byte(out, '"');
    buf_add(out, text, num_plain(text, v));
    buf_byte(out, '"');
}

static void json_duration_expr(struct buf *out, const struct duration_expr *d)
{
    if (!d) {
        buf_c(out, "null");
        return;
    }
    if (d->op == DURATION_NUMBER) {
        buf_printf(
            out, "{\"duration\":%s,\"type\":\"numberLiteral\",\"val\":", json_bool(d->is_literal));
        json_number_text(out, d->seconds);
        buf_byte(out, '}');
        return;
    }
    const bool unary = d->op == DURATION_NEG || d->op == DURATION_SAME;
    buf_c(out, "{\"lhs\":");
    json_duration_expr(out, unary ? NULL : d->a);
    buf_printf(out, ",\"op\":\"%s\",\"rhs\":", duration_op_text(d->op));
    json_duration_expr(out, unary ? d->a : d->b);
    buf_printf(out, ",\"type\":\"durationExpr\",\"wrapped\":%s}", json_bool(d->wrapped));
}

// "offset":60000,"offsetExpr":null
static void json_duration(struct buf *out, const char *key, const struct duration *d)
{
    buf_printf(out, ",\"%s\":", key);
    buf_i64(out, d->expr ? 0 : d->ms);
    buf_printf(out, ",\"%sExpr\":", key);
    json_duration_expr(out, d->expr);
}

static void json_start_or_end(struct buf *out, const struct time_shift *shift)
{
    static const char *const texts[] = {
        [AT_NONE] = "null", [AT_TIME] = "null", [AT_START] = "\"start\"", [AT_END] = "\"end\""};
    buf_printf(out, ",\"startOrEnd\":%s", texts[shift->at]);
}

static void json_timestamp(struct buf *out, const struct time_shift *shift)
{
    buf_c(out, ",\"timestamp\":");
    if (shift->at == AT_TIME) {
        buf_i64(out, shift->at_ms);
    } else {
        buf_c(out, "null");
    }
}

static void json_matchers(struct buf *out, const struct expr_vector *v)
{
    buf_c(out, ",\"matchers\":[");
    for (u32 i = 0; i < v->matcher_count; i++) {
        const struct matcher *m = &v->matchers[i];
        buf_c(out, i ? ",{\"name\":" : "{\"name\":");
        json_string(out, m->name);
        buf_printf(out, ",\"type\":\"%s\",\"value\":", match_op_text(m->op));
        json_string(out, m->value);
        buf_byte(out, '}');
    }
    buf_byte(out, ']');
}

// A matrix selector is a vector selector with a range in it.
static void json_selector(struct buf *out, const struct expr_vector *v,
                          const struct duration *range)
{
    buf_printf(out, "{\"anchored\":%s", json_bool(v->anchored));
    json_matchers(out, v);
    buf_c(out, ",\"name\":");
    json_string(out, v->name);
    json_duration(out, "offset", &v->shift.offset);
    if (range) {
        json_duration(out, "range", range);
    }
    buf_printf(out, ",\"smoothed\":%s", json_bool(v->smoothed));
    json_start_or_end(out, &v->shift);
    json_timestamp(out, &v->shift);
    buf_printf(out, ",\"type\":\"%s\"}", range ? "matrixSelector" : "vectorSelector");
}

static void json_subquery(struct buf *out, const struct expr_subquery *s)
{
    buf_c(out, "{\"expr\":");
    expr_print_json(out, s->inner);
    json_duration(out, "offset", &s->shift.offset);
    json_duration(out, "range", &s->range);
    json_start_or_end(out, &s->shift);
    json_duration(out, "step", &s->step);
    json_timestamp(out, &s->shift);
    buf_c(out, ",\"type\":\"subquery\"}");
}

static void json_call(struct buf *out, const struct expr_call *call)
{
    const struct function *fn = call->fn;
    buf_c(out, "{\"args\":[");
    for (u32 i = 0; i < call->arg_count; i++) {
        buf_c(out, i ? "," : "");
        expr_print_json(out, call->args[i]);
    }
    buf_c(out, "],\"func\":{\"argTypes\":[");
    for (u32 i = 0; i < fn->arg_count; i++) {
        buf_printf(out, "%s\"%s\"", i ? "," : "", value_type_text(fn->args[i]));
    }
    buf_printf(out, "],\"name\":\"%.*s\",\"returnType\":\"%s\",\"variadic\":%d},\"type\":\"call\"}",
               STR_ARG(fn->name), value_type_text(fn->type), fn->variadic);
}

static void json_aggregate(struct buf *out, const struct expr_aggregate *agg)
{
    buf_c(out, "{\"expr\":");
    expr_print_json(out, agg->inner);
    buf_c(out, ",\"grouping\":");
    json_strings(out, agg->labels, agg->label_count);
    buf_printf(out, ",\"op\":\"%s\",\"param\":", aggregate_op_text(agg->op));
    if (agg->param) {
        expr_print_json(out, agg->param);
    } else {
        buf_c(out, "null");
    }
    buf_printf(out, ",\"type\":\"aggregation\",\"without\":%s}", json_bool(agg->without));
}

// JSON has no word for what is not finite.
static void json_fill(struct buf *out, bool is_set, f64 value)
{
    char text[NUM_TEXT_MAX];
    if (is_set && isfinite(value)) {
        buf_add(out, text, num_json(text, value));
    } else {
        buf_c(out, "null");
    }
}

static void json_matching(struct buf *out, const struct vector_matching *m)
{
    if (!m) {
        buf_c(out, "null");
        return;
    }
    buf_printf(out, "{\"card\":\"%s\",\"fillValues\":{\"lhs\":", match_card_text(m->card));
    json_fill(out, m->has_fill_left, m->fill_left);
    buf_c(out, ",\"rhs\":");
    json_fill(out, m->has_fill_right, m->fill_right);
    buf_c(out, "},\"include\":");
    json_strings(out, m->include, m->include_count);
    buf_c(out, ",\"labels\":");
    json_strings(out, m->labels, m->label_count);
    buf_printf(out, ",\"on\":%s}", json_bool(m->on));
}

static void json_binary(struct buf *out, const struct expr_binary *b)
{
    buf_printf(out, "{\"bool\":%s,\"lhs\":", json_bool(b->return_bool));
    expr_print_json(out, b->left);
    buf_c(out, ",\"matching\":");
    json_matching(out, b->matching);
    buf_printf(out, ",\"op\":\"%s\",\"rhs\":", binary_op_text(b->op));
    expr_print_json(out, b->right);
    buf_c(out, ",\"type\":\"binaryExpr\"}");
}

void expr_print_json(struct buf *out, const struct expr *x)
{
    switch (x->kind) {
    case EXPR_NUMBER:
        buf_c(out, "{\"type\":\"numberLiteral\",\"val\":");
        json_number_text(out, x->number.value);
        buf_byte(out, '}');
        return;
    case EXPR_STRING:
        buf_c(out, "{\"type\":\"stringLiteral\",\"val\":");
        json_string(out, x->string);
        buf_byte(out, '}');
        return;
    case EXPR_VECTOR:
        json_selector(out, &x->vector, NULL);
        return;
    case EXPR_MATRIX:
        json_selector(out, &x->matrix.vector->vector, &x->matrix.range);
        return;
    case EXPR_SUBQUERY:
        json_subquery(out, &x->subquery);
        return;
    case EXPR_CALL:
        json_call(out, &x->call);
        return;
    case EXPR_AGGREGATE:
        json_aggregate(out, &x->aggregate);
        return;
    case EXPR_BINARY:
        json_binary(out, &x->binary);
        return;
    case EXPR_UNARY:
        buf_c(out, "{\"expr\":");
        expr_print_json(out, x->unary.inner);
        buf_printf(out, ",\"op\":\"%s\",\"type\":\"unaryExpr\"}", x->unary.negative ? "-" : "+");
        return;
    case EXPR_PAREN:
        buf_c(out, "{\"expr\":");
        expr_print_json(out, x->paren);
        buf_c(out, ",\"type\":\"parenExpr\"}");
        return;
    }
    CHECK(false && "an expression has one of ten kinds");
}
