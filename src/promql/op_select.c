// op_select.c: instant vector selectors: at each step the newest sample that is not too old.
//
// Which sample that is depends on timestamps alone, so it is worked out once per timestamp column
// and used for all series that share it.
#include "base/arena.h"
#include "base/checked.h"
#include "model/hist.h"
#include "model/sample.h"
#include "promql/explain.h"
#include "promql/fn_hist.h"
#include "promql/ops.h"
#include "promql/query_run.h"
#include "promql/tally.h"

#define PICK_NONE UINT32_MAX
// Picks kept for timestamp columns that may come again.
#define PICKS_MAX   512U
#define PICKS_BYTES ((u64)1 << 20)

// Threads: owned by the run.
struct picks {
    u32 version;  // Of the column that they were made for; 0 = none.
    u32 *by_step; // The sample's index, or PICK_NONE.
};

// Threads: owned by the run.
struct op_select {
    struct op base;
    struct selection selection;
    enum select_what what;
    struct feed feed;
    struct picks *slots; // By column.
    u32 slot_count;
    struct picks own; // Of series that share no times.
    const u32 *picks; // Of the series at hand.
};

static struct op_select *select_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_select, base);
}

void selection_feed(const struct selection *s, struct run *r, const struct grid *g, struct feed *f)
{
    const struct expr_vector *v = &s->expr->vector;
    i64 first = time_ref_get(&s->ref, g, 0);
    i64 last = time_ref_get(&s->ref, g, g->steps > 0 ? g->steps - 1 : 0);
    i64 behind = s->range_ms > 0 ? s->range_ms : r->lookback_ms;
    if (s->range_ms > 0 && (v->anchored || v->smoothed)) {
        behind = sat_add_i64(behind, r->lookback_ms);
    }
    const i64 max_ms = v->smoothed ? sat_add_i64(last, r->lookback_ms) : last;
    *f = (struct feed){.matchers = v->matchers,
                       .matcher_count = v->matcher_count,
                       // At the beginning of time nothing lies behind: never an empty range, which
                       // would say that there is no selector.
                       .min_ms = MIN(sat_add_i64(sat_sub_i64(first, behind), 1), max_ms),
                       .max_ms = max_ms,
                       .step_ms = g->step_ms,
                       .detects_resets = s->detects_resets};
    explain_times(r, f->min_ms, f->max_ms);
    r->min_ms = MIN(r->min_ms, f->min_ms);
    r->max_ms = MAX(r->max_ms, f->max_ms);
}

static bool select_open(struct op *base, struct run *r)
{
    struct op_select *o = select_of(base);
    u64 bytes = (u64)base->grid.steps * sizeof(u32) + sizeof(struct picks);
    o->slot_count = (u32)MAX(1U, MIN((u64)PICKS_MAX, PICKS_BYTES / bytes));
    o->slots = RUN_NEW_N(r, struct picks, o->slot_count);
    if (!o->slots || !feed_open(&o->feed, r)) {
        return false;
    }
    base->is_distinct = true;
    if (o->what != SELECT_TIMESTAMP && o->what != SELECT_START) {
        base->series = o->feed.series;
        base->series_count = o->feed.series_count;
        return true;
    }
    if (!op_make_series(base, r, o->feed.series_count)) {
        return false;
    }
    return op_drop_names(base, r, o->feed.series);
}

static void pick(const struct op_select *o, const struct run *r, const struct feed_samples *s,
                 u32 *picks)
{
    const struct grid *g = &o->base.grid;
    u32 after = 0; // The first sample behind the step's time.
    for (u32 step = 0; step < g->steps; step++) {
        i64 t = time_ref_get(&o->selection.ref, g, step);
        while (after < s->count && s->t_ms[after] <= t) {
            after++;
        }
        bool fresh = after > 0 && s->t_ms[after - 1] > sat_sub_i64(t, r->lookback_ms);
        picks[step] = fresh ? after - 1 : PICK_NONE;
    }
}

static bool find_picks(struct op_select *o, struct run *r, const struct feed_samples *s)
{
    bool is_shared = s->column != COLUMN_NONE;
    struct picks *slot = is_shared ? &o->slots[s->column % o->slot_count] : &o->own;
    if (!slot->by_step) {
        slot->by_step = RUN_NEW_N(r, u32, o->base.grid.steps);
    }
    if (slot->by_step && (!is_shared || slot->version != s->version)) {
        pick(o, r, s, slot->by_step);
        slot->version = s->version;
    }
    o->picks = slot->by_step;
    return o->picks != NULL;
}

static bool is_stale(const struct feed_samples *s, u32 i)
{
    if (s->hists && s->hists[i]) {
        return hist_is_stale(s->hists[i]);
    }
    return is_stale_nan(s->values[i]);
}

static void count_picked(const struct op_select *o, struct run *r, const struct feed_samples *s,
                         u32 step)
{
    const struct grid *g = &o->base.grid;
    const struct hist *h = s->hists ? s->hists[o->picks[step]] : NULL;
    const bool is_time = o->what == SELECT_TIMESTAMP || o->what == SELECT_START;
    const u64 samples = g->tally && h && !is_time ? tally_hist(h) : 1;
    tally_count(r, g, step, samples, samples);
}

static bool take_picked(struct op_select *o, struct run *r, const struct feed_samples *s,
                        struct column *out)
{
    for (u32 step = 0; step < out->steps; step++) {
        u32 i = o->picks[step];
        if (i == PICK_NONE || is_stale(s, i)) {
            continue;
        }
        count_picked(o, r, s, step);
        if (o->what == SELECT_START) {
            if (s->starts) { // Else nobody has told any.
                column_set(out, step, (f64)s->starts[i] / 1000);
            }
        } else if (o->what == SELECT_TIMESTAMP) {
            column_set(out, step, (f64)s->t_ms[i] / 1000);
        } else if (o->what == SELECT_SAMPLE_TIME && !(s->hists && s->hists[i])) {
            column_set(out, step, (f64)s->t_ms[i]);
        } else if (!s->hists || !s->hists[i]) {
            column_set(out, step, s->values[i]);
        } else if (!column_set_hist(r, out, step, s->hists[i])) {
            return false;
        }
    }
    return true;
}

// Leaves out staleness markers, in place of a copy in scratch.
static bool without_stale(struct run *r, const struct feed_samples *s, struct feed_samples *out)
{
    arena_reset(r->scratch);
    u64 bytes = (u64)s->count * (sizeof(i64) + sizeof(f64) + sizeof(void *));
    if (!run_room(r, bytes)) {
        return false;
    }
    i64 *t_ms = ARENA_NEW_N(r->scratch, i64, s->count + 1);
    f64 *values = ARENA_NEW_N(r->scratch, f64, s->count + 1);
    const struct hist **hists =
        s->hists ? arena_alloc(r->scratch, s->count + 1, sizeof(void *)) : NULL;
    u32 n = 0;
    for (u32 i = 0; i < s->count; i++) {
        if (!is_stale(s, i)) {
            t_ms[n] = s->t_ms[i];
            values[n] = s->values[i];
            if (hists) {
                hists[n] = s->hists[i];
            }
            n++;
        }
    }
    *out = (struct feed_samples){.t_ms = t_ms, .values = values, .hists = hists, .count = n};
    return true;
}

// The samples that a smoothed step may look at, found with two fingers. Threads: owned.
struct surroundings {
    u32 from;
    u32 to;
    u32 hists; // Among them.
};

static void surround(struct surroundings *x, const struct feed_samples *s, i64 t, i64 lookback_ms)
{
    for (; x->to < s->count && s->t_ms[x->to] <= sat_add_i64(t, lookback_ms); x->to++) {
        x->hists += s->hists[x->to] != NULL;
    }
    for (; x->from < x->to && s->t_ms[x->from] <= sat_sub_i64(t, lookback_ms); x->from++) {
        x->hists -= s->hists[x->from] != NULL;
    }
}

// Sets what stands between sample i - 1 and i; nothing, with a warning, if that cannot be said.
static bool set_between(const struct op_select *o, struct run *r, const struct feed_samples *s,
                        u32 i, u32 step, struct column *out)
{
    i64 t = time_ref_get(&o->selection.ref, &o->base.grid, step);
    const struct hist *a = s->hists[i - 1];
    const struct hist *b = s->hists[i];
    if (!a) {
        column_set(out, step,
                   interpolate(s->t_ms[i - 1], s->values[i - 1], s->t_ms[i], s->values[i], t));
        return true;
    }
    struct range_call c = {.run = r,
                           .arg_span = o->selection.expr->span,
                           .metric = labels_get(o->feed.series[o->base.at].labels, LABEL_NAME)};
    struct window w = {.hist_t_ms = s->t_ms + i - 1, .hists = s->hists + i - 1, .hist_count = 2};
    bool is_counter = a->reset != HIST_RESET_GAUGE && b->reset != HIST_RESET_GAUGE;
    const struct hist *h = hist_between(&c, &w, 0, t, is_counter);
    if (!h || !run_room(r, hist_work(h) * 2 * sizeof(f64) + sizeof(*h))) {
        return !r->failed;
    }
    return column_set_hist(r, out, step, hist_copy(r->arena, h));
}

static bool set_sample(struct run *r, const struct feed_samples *s, u32 i, u32 step,
                       struct column *out)
{
    if (s->hists[i]) {
        return column_set_hist(r, out, step, s->hists[i]);
    }
    column_set(out, step, s->values[i]);
    return true;
}

// As take_smoothed, for series that have histograms. Floats and histograms do not mix.
static bool take_smoothed_hists(struct op_select *o, struct run *r, const struct feed_samples *s,
                                struct column *out)
{
    struct surroundings x = {.from = 0};
    u32 at = 0; // The first sample at or behind the step's time.
    for (u32 step = 0; step < out->steps; step++) {
        i64 t = time_ref_get(&o->selection.ref, &o->base.grid, step);
        surround(&x, s, t, r->lookback_ms);
        while (at < s->count && s->t_ms[at] < t) {
            at++;
        }
        if (x.hists > 0 && x.hists < x.to - x.from) {
            note_mixed_range(r, o->selection.expr->span,
                             labels_get(o->feed.series[o->base.at].labels, LABEL_NAME));
            continue;
        }
        bool ok = true;
        if (at < x.to && s->t_ms[at] == t) {
            ok = set_sample(r, s, at, step, out);
        } else if (at > x.from && at < x.to) {
            ok = set_between(o, r, s, at, step, out);
        } else if (at > x.from) {
            ok = set_sample(r, s, at - 1, step, out);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

// smoothed: the value at a step is interpolated between the samples around it.
static bool take_smoothed(struct op_select *o, struct run *r, const struct feed_samples *all,
                          struct column *out)
{
    struct feed_samples s;
    if (!without_stale(r, all, &s)) {
        return false;
    }
    if (s.hists) {
        return take_smoothed_hists(o, r, &s, out);
    }
    u32 at = 0; // The first sample at or behind the step's time.
    for (u32 step = 0; step < out->steps; step++) {
        i64 t = time_ref_get(&o->selection.ref, &o->base.grid, step);
        while (at < s.count && s.t_ms[at] < t) {
            at++;
        }
        bool has_left = at > 0 && s.t_ms[at - 1] > sat_sub_i64(t, r->lookback_ms);
        bool has_right = at < s.count && s.t_ms[at] <= sat_add_i64(t, r->lookback_ms);
        if (has_right && s.t_ms[at] == t) {
            column_set(out, step, s.values[at]);
        } else if (has_left && has_right) {
            column_set(out, step,
                       interpolate(s.t_ms[at - 1], s.values[at - 1], s.t_ms[at], s.values[at], t));
        } else if (has_left) {
            column_set(out, step, s.values[at - 1]);
        }
    }
    return true;
}

static bool select_next(struct op *base, struct run *r, struct column *out)
{
    struct op_select *o = select_of(base);
    struct feed_samples s;
    if (!feed_next(&o->feed, r, &s)) {
        return false;
    }
    if (o->selection.expr->vector.smoothed && o->what == SELECT_VALUE) {
        return take_smoothed(o, r, &s, out);
    }
    return find_picks(o, r, &s) && take_picked(o, r, &s, out);
}

static const struct op_ops select_ops = {
    .name = "select", .open = select_open, .next = select_next};

struct op *op_select_new(struct run *r, const struct grid *g, const struct selection *s,
                         enum select_what what)
{
    if (op_newest_can(r, g, s, what)) {
        return op_newest_new(r, g, s, what);
    }
    struct op_select *o = RUN_NEW(r, struct op_select);
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &select_ops, g);
    o->selection = *s;
    o->what = what;
    selection_feed(s, r, g, &o->feed);
    feed_plan(&o->feed, r);
    return &o->base;
}
