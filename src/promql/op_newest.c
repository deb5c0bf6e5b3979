// op_newest.c: instant vector selectors of a single moment, which most queries of rules are.
//
// Of each series one sample is wanted, so the storage is asked for that alone, many series at once,
// and whoever folds values away takes them as one array and need not ask for labels (op_narrow).
// Series of which the newest sample is too old or marks the end of the series are not there at all.
// Cost: O(series). Memory: a value a series, and the labels that are wanted.
#include "base/arena.h"
#include "base/checked.h"
#include "model/hist.h"
#include "model/sample.h"
#include "promql/ops.h"
#include "promql/query_run.h"
#include "promql/tally.h"

#define SERIES_AT_FIRST 64U

// Threads: owned by the run.
struct op_newest {
    struct op base;
    enum select_what what;
    struct feed feed; // Whose matchers and times are read; its series are never opened.
    const str *names; // The labels wanted; NULL = all.
    u32 name_count;
    bool has_series; // Some labels are wanted, or a histogram came, whose labels notes may name.
    u32 cap;
    f64 *values;
    const struct hist **hists; // NULL until one comes; else NULL where a float stands.
};

static struct op_newest *newest_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_newest, base);
}

static bool make_room(struct op_newest *o, struct run *r, u32 more)
{
    const u32 count = o->base.series_count;
    if (count + more <= o->cap) {
        return true;
    }
    const u32 cap = MAX(MAX(SERIES_AT_FIRST, o->cap * 2), count + more);
    f64 *values = run_grow_raw(r, o->values, count, cap, sizeof(f64));
    struct op_series *series =
        o->has_series ? run_grow(r, o->base.series, count, cap, sizeof(*series)) : NULL;
    const struct hist **hists = o->hists ? run_grow(r, o->hists, count, cap, sizeof(void *)) : NULL;
    if (!values || (o->has_series && !series) || (o->hists && !hists)) {
        return false;
    }
    o->values = values;
    o->base.series = series;
    o->hists = hists;
    o->cap = cap;
    return true;
}

// Notes may name the metric of any series that has histograms.
static bool begin_hists(struct op_newest *o, struct run *r)
{
    if (!o->hists) {
        o->hists = run_alloc(r, o->cap, sizeof(void *));
    }
    if (o->hists && !o->has_series) {
        o->base.series = RUN_NEW_N(r, struct op_series, o->cap);
        o->has_series = o->base.series != NULL;
    }
    return o->hists && o->has_series;
}

static bool put_hist(struct op_newest *o, struct run *r, const struct hist *h)
{
    const u64 bytes = sizeof(*h) + (u64)(h->positive.bucket_count + h->negative.bucket_count +
                                         h->custom_bound_count) *
                                       sizeof(f64);
    if (!begin_hists(o, r) || !run_room(r, bytes)) {
        return false;
    }
    o->hists[o->base.series_count] = hist_copy(r->arena, h);
    return true;
}

// The at-th of what came, for which there is room.
static bool put_series(struct op_newest *o, struct run *r, const struct series_newest *n, u32 at,
                       u64 *counted)
{
    const struct hist *h = n->hists ? n->hists[at] : NULL;
    const bool is_time = o->what == SELECT_TIMESTAMP;
    if (h ? hist_is_stale(h) : is_stale_nan(n->values[at])) {
        return true;
    }
    if (h && !is_time && !put_hist(o, r, h)) {
        return false;
    }
    *counted += h && !is_time && o->base.grid.tally ? tally_hist(h) : 1;
    f64 v = h ? 0 : n->values[at];
    if (is_time) {
        v = (f64)n->t_ms[at] / 1000;
    } else if (o->what == SELECT_SAMPLE_TIME && !h) {
        v = (f64)n->t_ms[at];
    }
    o->values[o->base.series_count] = v;
    if (o->has_series) {
        if (!run_room(r, 0)) {
            return false;
        }
        o->base.series[o->base.series_count] =
            (struct op_series){.labels = labels_copy(r->arena, n->labels[at])};
    }
    o->base.series_count++;
    return true;
}

// The same of all that came, if nothing but values is wanted and came. How many were put.
static u32 put_values(struct op_newest *o, const struct series_newest *n)
{
    const u32 before = o->base.series_count;
    u32 at = before;
    for (u32 i = 0; i < n->n; i++) {
        o->values[at] = n->values[i]; // Of a series that has ended the next one takes the place.
        at += !is_stale_nan(n->values[i]);
    }
    o->base.series_count = at;
    return at - before;
}

static struct series_cursor *newest_select(struct op_newest *o, struct run *r)
{
    const struct feed *f = &o->feed;
    const struct select_hints h = {.start_ms = f->min_ms,
                                   .end_ms = f->max_ms,
                                   .step_ms = f->step_ms,
                                   .newest = true,
                                   .names = o->names,
                                   .name_count = o->name_count};
    struct error e = {.code = ERR_NONE};
    struct series_cursor *c =
        r->querier->ops->select(r->querier, f->matchers, f->matcher_count, &h, &r->budget, &e);
    if (!c) {
        run_fail_with(r, &e);
    }
    return c;
}

static bool read_all(struct op_newest *o, struct run *r, struct series_cursor *c)
{
    struct series_newest n;
    bool ok = make_room(o, r, (u32)MIN(c->series_about, UINT32_MAX / 4));
    u64 counted = 0;
    while (ok && c->ops->newest(c, &n)) {
        const bool values_only = o->what == SELECT_VALUE && !o->has_series && !n.hists;
        ok = query_tick(r) && make_room(o, r, n.n);
        if (ok && values_only) {
            counted += put_values(o, &n);
        }
        for (u32 i = 0; ok && !values_only && i < n.n; i++) {
            ok = put_series(o, r, &n, i, &counted);
        }
    }
    tally_count(r, &o->base.grid, 0, counted, counted);
    return ok;
}

static bool newest_open(struct op *base, struct run *r)
{
    struct op_newest *o = newest_of(base);
    struct series_cursor *c = newest_select(o, r);
    o->has_series = !o->names || o->name_count > 0;
    if (!c) {
        return false;
    }
    const bool ok = read_all(o, r, c);
    if (!feed_finish(r, c) || !ok) {
        return false;
    }
    base->is_distinct = !o->names;
    return o->what != SELECT_TIMESTAMP || !o->has_series || op_drop_names(base, r, base->series);
}

static bool newest_next(struct op *base, struct run *r, struct column *out)
{
    const struct op_newest *o = newest_of(base);
    const struct hist *h = o->hists ? o->hists[base->at] : NULL;
    if (h) {
        return column_set_hist(r, out, 0, h);
    }
    column_set(out, 0, o->values[base->at]);
    return true;
}

static void newest_instants(struct op *base, struct instants *out)
{
    const struct op_newest *o = newest_of(base);
    *out = (struct instants){.values = o->values, .hists = o->hists};
}

static void newest_narrow(struct op *base, const str *names, u32 count)
{
    struct op_newest *o = newest_of(base);
    o->names = names;
    o->name_count = count;
}

static const struct op_ops newest_ops = {.name = "newest",
                                         .open = newest_open,
                                         .next = newest_next,
                                         .instants = newest_instants,
                                         .narrow = newest_narrow};

bool op_newest_can(const struct run *r, const struct grid *g, const struct selection *s,
                   enum select_what what)
{
    // Resets are detected from sample to sample.
    return g->steps == 1 && what != SELECT_START && !s->detects_resets &&
           !s->expr->vector.smoothed && !r->opts->window_by_window;
}

struct op *op_newest_new(struct run *r, const struct grid *g, const struct selection *s,
                         enum select_what what)
{
    struct op_newest *o = RUN_NEW(r, struct op_newest);
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &newest_ops, g);
    o->what = what;
    selection_feed(s, r, g, &o->feed);
    return &o->base;
}
