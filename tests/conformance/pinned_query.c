#include "pinned_query.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "promql/function_table.h"
#include "promql/parse.h"

static bool goes_by_query_time(str function)
{
    static const char *const names[] = {
        "day_of_month", "day_of_week", "day_of_year", "days_in_month",  "end",
        "hour",         "minute",      "month",       "predict_linear", "range",
        "start",        "step",        "time",        "timestamp",      "year"};
    bool found = false;
    for (u32 i = 0; i < ARRAY_LEN(names); i++) {
        found = found || str_eq_c(function, names[i]);
    }
    return found;
}

static void pin(struct time_shift *shift, i64 t_ms)
{
    if (shift->at != AT_TIME) { // start() and end() are the time itself.
        shift->at = AT_TIME;
        shift->at_ms = t_ms;
    }
}

// false: it cannot be pinned.
static bool pin_all(struct expr *x, i64 t_ms)
{
    if (x->kind == EXPR_CALL && goes_by_query_time(x->call.fn->name)) {
        return false;
    }
    if (x->kind == EXPR_SUBQUERY) {
        pin(&x->subquery.shift, t_ms);
        return true;
    }
    if (x->kind == EXPR_VECTOR) {
        pin(&x->vector.shift, t_ms);
    }
    bool ok = true;
    for (u32 i = 0; ok && i < expr_child_count(x); i++) { // ast.h (I2) bounds the depth.
        ok = pin_all((struct expr *)(uintptr_t)expr_child(x, i), t_ms);
    }
    return ok;
}

str pinned_query(struct arena *a, str text, i64 t_ms)
{
    struct parse_error pe;
    struct expr *x = parse_expr(a, text, NULL, &pe);
    if (x == NULL || !pin_all(x, t_ms)) {
        return STR_EMPTY;
    }
    struct buf b;
    buf_init(&b, (size_t)1 << 20);
    expr_print(&b, x);
    const str pinned = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return pinned;
}
