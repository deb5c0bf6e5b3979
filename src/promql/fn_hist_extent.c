// fn_hist_extent.c: anchored and smoothed ranges of native histograms.
//
// Each step from one sample to the next is looked at once. A value between two samples never
// crosses a reset itself: where there was one, the counter is taken to have begun at zero.
#include "base/arena.h"
#include "model/hist_bucket.h"
#include "model/hist_reset.h"
#include "promql/fn_hist.h"
#include "promql/query_run.h"

static bool add(const struct range_call *c, struct hist_sum *s, const struct hist *h, f64 factor)
{
    struct hist_remarks remarks = {.resets_collide = false};
    if (!run_work(c->run, hist_work(h)) || !run_room(c->run, hist_sum_need(s, h))) {
        return false;
    }
    if (!hist_sum_add(s, h, factor, &remarks)) {
        note_mixed_schemas(c->run, c->arg_span, c->metric);
        return false;
    }
    if (remarks.bounds_reconciled) {
        note_bounds_reconciled(c->run, c->arg_span,
                               factor < 0 ? HIST_PART_SUBTRACTION : HIST_PART_ADDITION);
    }
    return true;
}

const struct hist *hist_between(const struct range_call *c, const struct window *w, u32 left, i64 t,
                                bool is_counter)
{
    const struct hist *a = w->hists[left];
    const struct hist *b = w->hists[left + 1];
    f64 fraction =
        (f64)(t - w->hist_t_ms[left]) / (f64)(w->hist_t_ms[left + 1] - w->hist_t_ms[left]);
    struct hist_spare spare = {.positive = {.n = 0}};
    struct hist_sum s;
    if (hist_is_custom(a) != hist_is_custom(b)) {
        note_mixed_schemas(c->run, c->arg_span, c->metric);
        return NULL;
    }
    bool begins_again = is_counter && hist_is_reset(a, b);
    hist_sum_start(&s, c->run->scratch, &spare, false, b);
    if (!begins_again && !add(c, &s, a, -1)) {
        return NULL;
    }
    hist_sum_scale(&s, fraction);
    if (!begins_again && !add(c, &s, a, 1)) {
        return NULL;
    }
    if (!run_room(c->run, hist_sum_need(&s, b))) {
        return NULL;
    }
    s.reset = begins_again ? b->reset : a->reset;
    return hist_sum_take(&s, c->run->scratch);
}

static bool all_of_one_kind(const struct range_call *c, const struct window *w,
                            const struct extent *x, bool is_counter)
{
    for (u32 i = x->first; i <= x->last; i++) {
        if (hist_is_custom(w->hists[i]) != hist_is_custom(w->hists[x->first])) {
            note_mixed_schemas(c->run, c->arg_span, c->metric);
            return false;
        }
    }
    bool not_gauge = w->hists[x->first]->reset != HIST_RESET_GAUGE ||
                     w->hists[x->last]->reset != HIST_RESET_GAUGE;
    for (u32 i = x->first; is_counter && i <= x->last; i++) {
        if (w->hists[i]->reset == HIST_RESET_GAUGE) {
            note_not_counter(c->run, c->arg_span, c->metric);
            break;
        }
    }
    if (!is_counter && not_gauge) {
        note_not_gauge(c->run, c->arg_span, c->metric);
    }
    return true;
}

struct range_value hist_extended_rate(const struct range_call *c, const struct window *w,
                                      struct rate_kind k)
{
    struct extent x;
    struct hist_spare spare = {.positive = {.n = 0}};
    struct hist_sum s;
    if (!extent_find(w->hist_t_ms, w->hist_count, w, c->smoothed, &x) ||
        !all_of_one_kind(c, w, &x, k.is_counter)) {
        return range_nothing();
    }
    const struct hist *left =
        x.left_between ? hist_between(c, w, x.first, w->start_ms, k.is_counter) : w->hists[x.first];
    const struct hist *right = x.right_between
                                   ? hist_between(c, w, x.last - 1, w->end_ms, k.is_counter)
                                   : w->hists[x.last];
    if (!left || !right) {
        return range_nothing();
    }
    hist_sum_start(&s, c->run->scratch, &spare, false, right);
    if (!add(c, &s, left, -1)) {
        return range_nothing();
    }
    for (u32 i = x.first + 1 + x.left_between; k.is_counter && i <= x.last; i++) {
        if (hist_is_reset(w->hists[i - 1], w->hists[i]) && !add(c, &s, w->hists[i - 1], 1)) {
            return range_nothing();
        }
    }
    s.reset = HIST_RESET_GAUGE;
    if (k.is_rate) {
        hist_sum_divide(&s, c->range_seconds);
    }
    if (!run_room(c->run, hist_sum_need(&s, right))) {
        return range_nothing();
    }
    return (struct range_value){.kind = RANGE_HIST, .hist = hist_sum_take(&s, run_made(c->run))};
}
