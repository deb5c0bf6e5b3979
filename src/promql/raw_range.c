// raw_range.c: see raw_range.h.
#include "promql/raw_range.h"

#include "base/checked.h"
#include "model/hist.h"
#include "model/sample.h"
#include "promql/plan.h"
#include "promql/query_run.h"
#include "promql/tally.h"

bool raw_range_plan(struct raw_range *x, struct run *r, const struct expr *matrix)
{
    memset(x, 0, sizeof(*x));
    if (!plan_selection(r, matrix, &x->selection)) {
        return false;
    }
    selection_feed(&x->selection, r, &r->grid, &x->feed);
    return true;
}

static bool is_stale(const struct feed_samples *s, u32 i)
{
    return s->hists && s->hists[i] ? hist_is_stale(s->hists[i]) : is_stale_nan(s->values[i]);
}

// Values are put at both ends of an anchored or smoothed range.
static bool add_extended(struct raw_range *x, struct run *r, const struct promql_point *ps,
                         u32 count, struct labels ls, struct result *out)
{
    const struct expr_vector *v = &x->selection.expr->vector;
    i64 end = time_ref_get(&x->selection.ref, &r->grid, 0);
    i64 *t_ms = RUN_NEW_N(r, i64, (u64)2 * count + 2);
    f64 *values = RUN_NEW_N(r, f64, (u64)2 * count + 2);
    struct promql_point *extended = RUN_NEW_N(r, struct promql_point, (u64)count + 2);
    if (!t_ms || !values || !extended) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        if (ps[i].hist) {
            return run_fail(r, ERR_OUT_OF_ORDER, "%s modifier is not supported with histograms",
                            v->anchored ? "anchored" : "smoothed");
        }
        t_ms[i] = ps[i].t_ms;
        values[i] = ps[i].value;
    }
    struct window w = {.t_ms = t_ms,
                       .values = values,
                       .count = count,
                       .start_ms = sat_sub_i64(end, x->selection.range_ms),
                       .end_ms = end,
                       .eval_ms = end};
    u32 n = window_extend(&w, v->smoothed, t_ms + count, values + count);
    for (u32 i = 0; i < n; i++) {
        extended[i] = (struct promql_point){.t_ms = t_ms[count + i], .value = values[count + i]};
    }
    return n == 0 || result_add(out, r, ls, extended, n);
}

static bool add_series(struct raw_range *x, struct run *r, const struct feed_samples *s,
                       struct labels ls, struct result *out)
{
    const struct expr_vector *v = &x->selection.expr->vector;
    bool extends = v->anchored || v->smoothed;
    i64 end = time_ref_get(&x->selection.ref, &r->grid, 0);
    i64 start = sat_sub_i64(end, x->selection.range_ms);
    i64 low = extends ? sat_sub_i64(start, r->lookback_ms) : start;
    i64 high = v->smoothed ? sat_add_i64(end, r->lookback_ms) : end;
    struct promql_point *ps = RUN_NEW_N(r, struct promql_point, MAX(s->count, 1U));
    u32 n = 0;
    u64 counted = 0;
    for (u32 i = 0; ps && i < s->count; i++) {
        if (s->t_ms[i] > low && s->t_ms[i] <= high && !is_stale(s, i)) {
            ps[n++] = (struct promql_point){
                .t_ms = s->t_ms[i], .value = s->values[i], .hist = s->hists ? s->hists[i] : NULL};
        }
    }
    if (!ps || n == 0) {
        return ps != NULL;
    }
    for (u32 i = 0; r->grid.tally && i < n; i++) {
        counted += ps[i].hist ? tally_hist(ps[i].hist) : 1;
    }
    tally_count(r, &r->grid, 0, r->grid.tally ? counted : n, counted);
    return extends ? add_extended(x, r, ps, n, ls, out) : result_add(out, r, ls, ps, n);
}

bool raw_range_run(struct raw_range *x, struct run *r, struct result *out)
{
    if (!feed_open(&x->feed, r)) {
        return false;
    }
    for (u32 i = 0; i < x->feed.series_count; i++) {
        struct feed_samples s;
        if (!query_tick(r) || !feed_next(&x->feed, r, &s) ||
            !add_series(x, r, &s, x->feed.series[i].labels, out)) {
            return false;
        }
    }
    return true;
}
