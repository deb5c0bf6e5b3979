// op_range.c: functions over range vectors: windows of a selector's or a subquery's samples.
//
// What depends on timestamps alone is found once per timestamp column (range_frame.h) and used for
// all series that share it. A series of floats alone is calculated at once (fn_series.h), all
// others window by window (fn_range.h).
#include "base/arena.h"
#include "base/checked.h"
#include "base/str.h"
#include "model/hist.h"
#include "model/sample.h"
#include "promql/fn_hist.h"
#include "promql/fn_series.h"
#include "promql/ops.h"
#include "promql/query_run.h"
#include "promql/range_frame.h"

// Samples looked at between two looks at the clock.
#define SLICE_SAMPLES ((u64)1 << 18)
// Frames kept for timestamp columns that may come again.
#define FRAMES_MAX   512U
#define FRAMES_BYTES ((u64)2 << 20)

// A series' samples, floats and histograms apart, staleness markers left out. Threads: owned.
struct split {
    const i64 *t_ms;
    const f64 *values;
    const i64 *starts; // NULL if none is known.
    u32 count;
    const i64 *hist_t_ms;
    const struct hist *const *hists;
    const i64 *hist_starts;
    u32 hist_count;
    u32 column; // Whose times those of the floats are; COLUMN_NONE: nobody else's.
    u32 version;
};

// Where split puts what it cannot borrow. Threads: owned.
struct split_room {
    i64 *t_ms;
    f64 *values;
    i64 *starts;
    i64 *hist_t_ms;
    i64 *hist_starts;
    const struct hist **hists;
    u32 cap;
};

// Threads: owned by the run.
struct frame_slot {
    u32 version; // Of the column that it was made for; 0 = none.
    struct range_frame frame;
};

// Threads: owned by the run.
struct op_range {
    struct op base;
    struct selection selection;
    struct range_source source;
    struct range_call_expr call;
    range_fn *fn;
    struct feed feed;
    struct column inner; // A subquery's series.
    struct split_room room;
    struct range_frame_need need;
    struct frame_slot *slots; // By column.
    u32 slot_count;
    struct frame_slot own;           // Of series that share no times.
    const struct range_frame *frame; // Of the series at hand.
    struct range_frame hist_frame;
    const struct series_fn_row *whole; // NULL: window by window.
    struct column params[2];
    f64 *scratch;
    u32 scratch_cap;
    u32 *places;
    u32 places_cap;
};

static struct op_range *range_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_range, base);
}

static bool keeps_name(const struct op_range *o)
{
    return o->call.fn->id == FN_LAST_OVER_TIME || o->call.fn->id == FN_FIRST_OVER_TIME;
}

// Can series of floats be calculated at once? Not where each window may have something to tell.
static bool is_whole(const struct op_range *o, const struct run *r)
{
    if (r->opts->window_by_window || o->source.anchored || o->source.smoothed ||
        !series_fn_get(o->call.fn->id)->fn) {
        return false;
    }
    const struct column *param = &o->params[0];
    for (u32 i = 0; o->call.params[0] && i < param->steps; i++) {
        if (!(param->values[i] >= 0 && param->values[i] <= 1)) { // Of quantiles.
            return false;
        }
    }
    return true;
}

static bool make_frames(struct op_range *o, struct run *r)
{
    const struct series_fn_row *row = is_whole(o, r) ? series_fn_get(o->call.fn->id) : NULL;
    const struct range_frame_need of_hists = {.least = 1};
    u64 bytes = (u64)o->base.grid.steps * RANGE_FRAME_STEP_BYTES + sizeof(struct frame_slot);
    o->whole = row;
    o->need = (struct range_frame_need){.least = row ? row->least : 1,
                                        .has_factors = row && row->has_factors};
    o->slot_count = (u32)MAX(1U, MIN((u64)FRAMES_MAX, FRAMES_BYTES / bytes));
    o->slots = RUN_NEW_N(r, struct frame_slot, o->slot_count);
    return o->slots && range_frame_init(&o->own.frame, r, &o->base.grid, &o->source, o->need) &&
           range_frame_init(&o->hist_frame, r, &o->base.grid, &o->source, of_hists);
}

static bool range_open(struct op *base, struct run *r)
{
    struct op_range *o = range_of(base);
    const struct op_series *from;
    u32 count;
    if (o->source.inner) {
        if (!op_open(o->source.inner, r) ||
            !column_init(r, &o->inner, o->source.inner->grid.steps)) {
            return false;
        }
        from = o->source.inner->series;
        count = o->source.inner->series_count;
    } else {
        if (!feed_open(&o->feed, r)) {
            return false;
        }
        from = o->feed.series;
        count = o->feed.series_count;
    }
    if (!op_make_series(base, r, count)) {
        return false;
    }
    base->is_distinct = !o->source.inner || o->source.inner->is_distinct;
    if (keeps_name(o)) {
        for (u32 i = 0; i < count; i++) {
            base->series[i] = from[i];
        }
    } else if (!op_drop_names(base, r, from)) {
        return false;
    }
    for (u32 i = 0; i < ARRAY_LEN(o->params); i++) {
        if (o->call.params[i] && !op_collect_scalar(o->call.params[i], r, &o->params[i])) {
            return false;
        }
    }
    return make_frames(o, r);
}

static bool split_make_room(struct split_room *room, struct run *r, u32 count)
{
    if (count <= room->cap) {
        return true;
    }
    u32 cap = MAX(512U, count + count / 2);
    room->t_ms = RUN_NEW_N(r, i64, cap);
    room->values = RUN_NEW_N(r, f64, cap);
    room->hist_t_ms = RUN_NEW_N(r, i64, cap);
    room->hists = run_alloc(r, cap, sizeof(void *));
    room->starts = RUN_NEW_N(r, i64, cap);
    room->hist_starts = RUN_NEW_N(r, i64, cap);
    room->cap = cap;
    return room->t_ms && room->values && room->hist_t_ms && room->hists && room->starts &&
           room->hist_starts;
}

static bool split(struct op_range *o, struct run *r, const struct feed_samples *s,
                  struct split *out)
{
    if (!s->hists && !has_stale(s->values, s->count)) {
        *out = (struct split){.t_ms = s->t_ms,
                              .values = s->values,
                              .starts = s->starts,
                              .count = s->count,
                              .column = s->column,
                              .version = s->version};
        return true;
    }
    if (!split_make_room(&o->room, r, s->count)) {
        return false;
    }
    *out = (struct split){.t_ms = o->room.t_ms,
                          .values = o->room.values,
                          .starts = s->starts ? o->room.starts : NULL,
                          .hist_t_ms = o->room.hist_t_ms,
                          .hists = o->room.hists,
                          .hist_starts = s->starts ? o->room.hist_starts : NULL,
                          .column = COLUMN_NONE};
    for (u32 i = 0; i < s->count; i++) {
        const struct hist *h = s->hists ? s->hists[i] : NULL;
        if (h && !hist_is_stale(h)) {
            o->room.hist_starts[out->hist_count] = s->starts ? s->starts[i] : 0;
            o->room.hist_t_ms[out->hist_count] = s->t_ms[i];
            o->room.hists[out->hist_count++] = h;
        } else if (!h && !is_stale_nan(s->values[i])) {
            o->room.starts[out->count] = s->starts ? s->starts[i] : 0;
            o->room.t_ms[out->count] = s->t_ms[i];
            o->room.values[out->count++] = s->values[i];
        }
    }
    return true;
}

// The samples of a subquery: the steps of its inner expression that have a value.
static bool split_inner(struct op_range *o, struct run *r, struct split *out)
{
    if (!op_next(o->source.inner, r, &o->inner) || !split_make_room(&o->room, r, o->inner.steps)) {
        return false;
    }
    const struct grid *g = &o->source.inner->grid;
    *out = (struct split){.t_ms = o->room.t_ms,
                          .values = o->room.values,
                          .hist_t_ms = o->room.hist_t_ms,
                          .hists = o->room.hists};
    for (u32 i = 0; i < o->inner.steps; i++) {
        if (!column_has(&o->inner, i)) {
            continue;
        }
        const struct hist *h = column_hist(&o->inner, i);
        if (h) {
            // A hint spoke of the sample before, which need not be a step.
            if (h->reset != HIST_RESET_GAUGE && h->reset != HIST_RESET_UNKNOWN) {
                h = hist_with_reset(r, h, HIST_RESET_UNKNOWN);
            }
            if (!h) {
                return false;
            }
            o->room.hist_t_ms[out->hist_count] = grid_time(g, i);
            o->room.hists[out->hist_count++] = h;
        } else if (!is_stale_nan(o->inner.values[i])) {
            o->room.t_ms[out->count] = grid_time(g, i);
            o->room.values[out->count++] = o->inner.values[i];
        }
    }
    bool whole = out->count == o->inner.steps; // Then all have the times of the grid.
    out->column = whole ? 0 : COLUMN_NONE;
    out->version = 1;
    return true;
}

static bool scratch_for(struct op_range *o, struct run *r, u32 count)
{
    u32 cap = MAX(512U, count + count / 2);
    if (range_fn_needs_scratch(o->call.fn->id) && count > o->scratch_cap) {
        o->scratch_cap = cap;
        o->scratch = RUN_NEW_N(r, f64, cap);
    }
    if (o->whole && o->whole->needs_places && count > o->places_cap) {
        o->places_cap = cap;
        o->places = RUN_NEW_N(r, u32, cap);
    }
    return !r->failed;
}

static bool call_step(struct op_range *o, struct run *r, struct range_call *c,
                      const struct split *s, u32 step, struct column *out)
{
    u32 from = o->frame->from[step];
    struct window w = range_frame_window(o->frame, step);
    w.t_ms = s->t_ms + from;
    w.values = s->values + from;
    w.starts = s->starts ? s->starts + from : NULL;
    if (s->hist_count > 0) {
        u32 hist_from = o->hist_frame.from[step];
        w.hist_t_ms = s->hist_t_ms + hist_from;
        w.hists = s->hists + hist_from;
        w.hist_starts = s->hist_starts ? s->hist_starts + hist_from : NULL;
        w.hist_count = o->hist_frame.to[step] - hist_from;
    }
    if (w.count + w.hist_count == 0) {
        return true;
    }
    run_count(r, &o->base.grid, step, w.count + w.hist_count);
    if (!run_work(r, w.count + w.hist_count)) {
        return false;
    }
    for (u32 i = 0; i < ARRAY_LEN(o->params); i++) {
        c->params[i] = o->call.params[i] ? o->params[i].values[step] : 0;
    }
    if (w.hist_count > 0) {
        arena_reset(r->scratch); // What the window before was calculated in.
    }
    struct range_value v = o->fn(c, &w);
    if (r->failed) {
        return false;
    }
    if (v.kind == RANGE_HIST) {
        return column_set_hist(r, out, step, v.hist);
    }
    if (v.kind == RANGE_FLOAT) {
        column_set(out, step, v.value);
    }
    return true;
}

// The next slice of steps: how far it goes.
static u32 slice_end(const struct range_frame *f, u32 step, u64 *samples)
{
    *samples = 0;
    for (; step < f->grid.steps && *samples < SLICE_SAMPLES; step++) {
        *samples += f->to[step] - f->from[step];
    }
    return step;
}

// All windows of a series of floats.
static bool call_whole(struct op_range *o, struct run *r, const struct range_call *c,
                       const struct split *s, struct column *out)
{
    const struct range_frame *f = o->frame;
    struct series_call call = {.call = c,
                               .frame = f,
                               .t_ms = s->t_ms,
                               .values = s->values,
                               .count = s->count,
                               .param = o->call.params[0] ? o->params[0].values : NULL,
                               .room = o->scratch,
                               .places = o->places};
    for (u32 step = 0; step < f->grid.steps && s->count > 0;) {
        u64 samples;
        u32 end = slice_end(f, step, &samples);
        o->whole->fn(&call, step, end, out->values);
        if (!run_work(r, samples + end - step)) {
            return false;
        }
        step = end;
    }
    memcpy(out->present, f->present, column_words(out->steps) * sizeof(u64));
    run_count_all(r, &o->base.grid, f->from, f->to, f->samples);
    return true;
}

static bool call_windows(struct op_range *o, struct run *r, struct range_call *c,
                         const struct split *s, struct column *out)
{
    for (u32 step = 0; step < out->steps; step++) {
        if (!call_step(o, r, c, s, step, out)) {
            return false;
        }
    }
    return true;
}

static bool find_windows(struct op_range *o, struct run *r, const struct range_call *c,
                         const struct split *s)
{
    bool is_shared = s->column != COLUMN_NONE;
    struct frame_slot *slot = is_shared ? &o->slots[s->column % o->slot_count] : &o->own;
    if (!slot->frame.from &&
        !range_frame_init(&slot->frame, r, &o->base.grid, &o->source, o->need)) {
        return false;
    }
    if (!is_shared || slot->version != s->version) {
        range_frame_fill(&slot->frame, s->t_ms, s->count);
        if (o->need.has_factors) {
            range_frame_stretch(&slot->frame, c, s->t_ms, o->whole->kind);
        }
        slot->version = s->version;
    }
    o->frame = &slot->frame;
    if (s->hist_count > 0) {
        range_frame_fill(&o->hist_frame, s->hist_t_ms, s->hist_count);
    }
    return true;
}

static bool ends_like_counter(str name)
{
    return str_ends(name, STR("_total")) || str_ends(name, STR("_sum")) ||
           str_ends(name, STR("_count")) || str_ends(name, STR("_bucket"));
}

static void tell_if_no_counter(const struct op_range *o, struct run *r, str metric,
                               const struct column *out)
{
    bool is_rate = o->call.fn->id == FN_RATE || o->call.fn->id == FN_INCREASE;
    if (!is_rate || metric.len == 0 || ends_like_counter(metric)) {
        return;
    }
    for (u32 i = 0; i < out->steps; i++) {
        if (column_has(out, i) && !column_hist(out, i)) {
            note_info(r, o->call.arg_span,
                      "metric might not be a counter, name does not end in "
                      "_total/_sum/_count/_bucket: %s",
                      run_quoted(r, metric));
            return;
        }
    }
}

// As upstream divides nanoseconds: whole seconds first.
static f64 seconds_of_range(i64 ms)
{
    i64 whole = ms / 1000;
    return (f64)whole + (f64)(ms % 1000) * 1e6 / 1e9;
}

static bool range_next(struct op *base, struct run *r, struct column *out)
{
    struct op_range *o = range_of(base);
    struct split s;
    str metric;
    if (o->source.inner) {
        if (!split_inner(o, r, &s)) {
            return false;
        }
        metric = labels_get(o->source.inner->series[base->at].labels, LABEL_NAME);
    } else {
        struct feed_samples all;
        if (!feed_next(&o->feed, r, &all) || !split(o, r, &all, &s)) {
            return false;
        }
        metric = labels_get(o->feed.series[base->at].labels, LABEL_NAME);
    }
    u64 held = s.count + s.hist_count;
    if (!run_hold(r, held) || !scratch_for(o, r, s.count)) {
        return false;
    }
    struct range_call c = {.run = r,
                           .fn = o->call.fn,
                           .range_seconds = seconds_of_range(o->source.range_ms),
                           .anchored = o->source.anchored,
                           .smoothed = o->source.smoothed,
                           .may_reset = falls_somewhere(s.values, s.count),
                           .arg_span = o->call.arg_span,
                           .metric = metric,
                           .scratch = o->scratch};
    bool at_once = o->whole && s.hist_count == 0 && !s.starts;
    if (!find_windows(o, r, &c, &s) ||
        !(at_once ? call_whole(o, r, &c, &s, out) : call_windows(o, r, &c, &s, out))) {
        return false;
    }
    tell_if_no_counter(o, r, metric, out);
    run_release(r, held);
    return true;
}

static const struct op_ops range_ops = {.name = "range", .open = range_open, .next = range_next};

struct op *op_range_new(struct run *r, const struct grid *g, const struct range_source *source,
                        const struct range_call_expr *call)
{
    struct op_range *o = RUN_NEW(r, struct op_range);
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &range_ops, g);
    o->source = *source;
    o->call = *call;
    o->fn = range_fn_get(call->fn->id);
    CHECK(o->fn);
    if (source->selection) {
        o->selection = *source->selection;
        o->source.selection = &o->selection;
        selection_feed(&o->selection, r, g, &o->feed);
    }
    return &o->base;
}
