// parse_suffix.c: what follows an operand: [range], [range:step], offset, @, anchored, smoothed.
//
// All of them bind more tightly than any operator.
#include "base/num.h"
#include "promql/parser.h"

#include <math.h>
#define MS_PER_SECOND 1000.0
#define TIMES(what)                                                                                \
    what " modifier must be preceded by an instant vector selector or range vector selector or "   \
         "a subquery"

// What of x takes offset and @; NULL if nothing does.
static struct time_shift *shift_of(struct expr *x)
{
    switch (x->kind) {
    case EXPR_VECTOR:
        return &x->vector.shift;
    case EXPR_MATRIX:
        return &x->matrix.vector->vector.shift;
    case EXPR_SUBQUERY:
        return &x->subquery.shift;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_CALL:
    case EXPR_AGGREGATE:
    case EXPR_BINARY:
    case EXPR_UNARY:
    case EXPR_PAREN:
        return NULL;
    }
    return NULL;
}

// In whole milliseconds, by way of whole nanoseconds as they are counted elsewhere.
static struct duration duration_of(const struct duration_expr *d)
{
    if (!parse_is_literal(d)) {
        return (struct duration){0, d};
    }
    return (struct duration){(i64)trunc(round(d->seconds * 1e9) / 1e6), NULL};
}

// positive = duration, greater than zero if that is known already
static bool positive(struct parser *p, struct expected where, struct duration *out)
{
    const struct duration_expr *d = parse_duration(p, where);
    if (!d) {
        return false;
    }
    if (p->token.kind == TOKEN_ERROR) {
        return parse_unexpected(p, where);
    }
    *out = duration_of(d);
    if (!out->expr && out->ms <= 0) {
        return parse_fail(p, d->span, "duration must be greater than 0");
    }
    return true;
}

static struct expr *matrix(struct parser *p, struct expr *x, struct duration range,
                           struct text_span brackets)
{
    const char *wrong = NULL;
    if (x->kind != EXPR_VECTOR) {
        wrong = "ranges only allowed for vector selectors";
    } else if (x->vector.shift.offset.ms || x->vector.shift.offset.expr) {
        wrong = "no offset modifiers allowed before range";
    } else if (x->vector.shift.at != AT_NONE) {
        wrong = "no @ modifiers allowed before range";
    }
    if (wrong) {
        parse_fail(p, brackets, "%s", wrong);
        return NULL;
    }
    struct expr *m = parse_node(p, EXPR_MATRIX, (struct text_span){x->span.start, brackets.end});
    m->type = TYPE_MATRIX;
    m->matrix = (struct expr_matrix){x, range};
    return parse_adopt(p, m, x) ? m : NULL;
}

// The colon is consumed: subquery = expr "[" positive ":" [ positive ] "]"
static struct expr *subquery(struct parser *p, struct expr *x, struct duration range)
{
    static const struct expected step = {"subquery selector",
                                         "number, duration, step(), range(), or \"]\""};
    struct expr *s = parse_node(p, EXPR_SUBQUERY, x->span);
    s->type = TYPE_MATRIX;
    s->subquery = (struct expr_subquery){.inner = x, .range = range};
    if (p->token.kind != TOKEN_RIGHT_BRACKET) {
        s->subquery.has_step = true;
        if (!positive(p, step, &s->subquery.step)) {
            return NULL;
        }
    }
    if (!parse_take(p, TOKEN_RIGHT_BRACKET)) {
        parse_unexpected(p, (struct expected){step.context, "\"]\""});
        return NULL;
    }
    s->span.end = p->end;
    return parse_adopt(p, s, x) ? s : NULL;
}

// range = "[" positive "]"
static struct expr *range_or_subquery(struct parser *p, struct expr *x)
{
    const u32 start = p->token.span.start;
    struct duration range;
    parse_advance(p);
    if (!positive(
            p,
            (struct expected){"subquery or range selector", "number, duration, step(), or range()"},
            &range)) {
        return NULL;
    }
    if (parse_take(p, TOKEN_COLON)) {
        return subquery(p, x, range);
    }
    const struct text_span brackets = {start, p->token.span.end};
    if (!parse_take(p, TOKEN_RIGHT_BRACKET)) {
        parse_unexpected(p, (struct expected){"subquery or range", "\":\" or \"]\""});
        return NULL;
    }
    return matrix(p, x, range, brackets);
}

// offset = expr "offset" offset duration
static bool offset(struct parser *p, struct expr *x)
{
    parse_advance(p);
    const struct duration_expr *d = parse_offset_duration(
        p, (struct expected){"offset", "number, duration, step(), or range()"});
    if (!d) {
        return false;
    }
    struct time_shift *shift = shift_of(x);
    if (!shift) {
        return parse_fail(p, x->span, TIMES("offset"));
    }
    if (shift->offset.ms || shift->offset.expr) {
        return parse_fail(p, x->span, "offset may not be set multiple times");
    }
    shift->offset = duration_of(d);
    x->span.end = p->end;
    return true;
}

// time = [ "+" | "-" ] number | ( "start" | "end" ) "(" ")"
static bool at_time(struct parser *p, enum at_kind *at, f64 *seconds)
{
    const struct expected where = {"@", "timestamp"};
    const enum token_kind kind = p->token.kind;
    if (kind == TOKEN_START || kind == TOKEN_END_OF) {
        *at = kind == TOKEN_START ? AT_START : AT_END;
        parse_advance(p);
        return (parse_take(p, TOKEN_LEFT_PAREN) && parse_take(p, TOKEN_RIGHT_PAREN)) ||
               parse_unexpected(p, where);
    }
    *at = AT_TIME;
    if (kind == TOKEN_ADD || kind == TOKEN_SUB) {
        parse_advance(p);
    }
    if (p->token.kind != TOKEN_NUMBER && p->token.kind != TOKEN_DURATION) {
        return parse_unexpected(p, where);
    }
    bool is_duration;
    if (!parse_number(p, seconds, &is_duration)) {
        return false;
    }
    *seconds = kind == TOKEN_SUB ? -*seconds : *seconds;
    return true;
}

// In milliseconds. Where a float of seconds has no room for each of them (the year 141,000), the
// next that reads and prints as itself; a few steps find it.
static f64 settled_ms(f64 seconds)
{
    f64 ms = round(seconds * MS_PER_SECOND);
    for (f64 again; isfinite(ms) && (again = round(ms / MS_PER_SECOND * MS_PER_SECOND)) != ms;) {
        ms = again;
    }
    return ms;
}

// at = expr "@" time
static bool at(struct parser *p, struct expr *x)
{
    enum at_kind kind;
    f64 seconds = 0;
    parse_advance(p);
    if (!at_time(p, &kind, &seconds)) {
        return false;
    }
    const f64 ms = settled_ms(seconds);
    if (!(ms < 0x1p63 && ms > -0x1p63)) {
        char text[NUM_TEXT_MAX];
        return parse_fail(p, x->span, "timestamp out of bounds for @ modifier: %.*s",
                          (int)num_fixed(text, seconds, 'f', 6), text);
    }
    struct time_shift *shift = shift_of(x);
    if (!shift) {
        return parse_fail(p, x->span, TIMES("@"));
    }
    if (shift->at != AT_NONE) {
        return parse_fail(p, x->span, "@ <timestamp> may not be set multiple times");
    }
    shift->at = kind;
    shift->at_ms = (i64)ms;
    x->span.end = p->end;
    return true;
}

// extended = expr ( "anchored" | "smoothed" )
static bool extended(struct parser *p, struct expr *x)
{
    const bool anchored = p->token.kind == TOKEN_ANCHORED;
    const char *const name = anchored ? "anchored" : "smoothed";
    parse_advance(p);
    if (p->opts->no_extended_ranges) {
        return parse_fail(p, x->span, "%s modifier is experimental and not enabled", name);
    }
    if (x->kind == EXPR_SUBQUERY) {
        return parse_fail(p, x->span, "%s modifier is not supported for subqueries", name);
    }
    if (x->kind != EXPR_VECTOR && x->kind != EXPR_MATRIX) {
        return parse_fail(p, x->span, "%s modifier not implemented", name);
    }
    struct expr_vector *v = x->kind == EXPR_VECTOR ? &x->vector : &x->matrix.vector->vector;
    *(anchored ? &v->anchored : &v->smoothed) = true;
    return !(v->anchored && v->smoothed) ||
           parse_fail(p, x->span, "anchored and smoothed modifiers cannot be used together");
}

// suffix = range | subquery | offset | at | extended
struct expr *parse_suffixes(struct parser *p, struct expr *x)
{
    bool ok = true;
    while (ok) {
        switch (p->token.kind) {
        case TOKEN_LEFT_BRACKET:
            x = range_or_subquery(p, x);
            ok = x != NULL;
            break;
        case TOKEN_OFFSET:
            ok = offset(p, x);
            break;
        case TOKEN_AT:
            ok = at(p, x);
            break;
        case TOKEN_ANCHORED:
        case TOKEN_SMOOTHED:
            ok = extended(p, x);
            break;
        default:
            return x;
        }
    }
    return NULL;
}
