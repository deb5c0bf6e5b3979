// range_eval.c: see range_eval.h.
#include "promql/range_eval.h"

#include "base/arena.h"
#include "base/str.h"
#include "model/hist.h"
#include "model/sample.h"
#include "promql/fn_hist.h"
#include "promql/query_run.h"
#include "promql/tally.h"

#include <math.h>

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
    struct values_scan scan; // Of the floats.
};

// Can series of floats be calculated at once? Not where each window may have something to tell.
static bool is_whole(const struct range_task *o, const struct run *r)
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

void range_task_settle(struct range_task *o, const struct run *r)
{
    const struct series_fn_row *row = is_whole(o, r) ? series_fn_get(o->call.fn->id) : NULL;
    o->fn = range_fn_get(o->call.fn->id);
    o->whole = row;
    o->need = (struct range_frame_need){.least = row ? row->least : 1,
                                        .has_factors = row && row->has_factors};
    CHECK(o->fn);
}

bool range_eval_init(struct range_eval *x, struct run *r, const struct range_task *o)
{
    const struct range_frame_need of_hists = {.least = 1};
    u64 bytes = (u64)o->grid.steps * RANGE_FRAME_STEP_BYTES + sizeof(struct range_frame_slot);
    *x = (struct range_eval){.task = o};
    x->slot_count = (u32)MAX(1U, MIN((u64)FRAMES_MAX, FRAMES_BYTES / bytes));
    x->slots = RUN_NEW_N(r, struct range_frame_slot, x->slot_count);
    return x->slots && range_frame_init(&x->own.frame, r, &o->grid, &o->source, o->need) &&
           range_frame_init(&x->hist_frame, r, &o->grid, &o->source, of_hists);
}

static bool split_make_room(struct range_split_room *room, struct run *r, u32 count)
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
    room->hist_resets = RUN_NEW_N(r, u8, cap);
    room->cap = cap;
    return room->t_ms && room->values && room->hist_t_ms && room->hists && room->starts &&
           room->hist_starts && room->hist_resets;
}

static void split_put(f64 *values, struct split *s, f64 v)
{
    if (s->count > 0 && v < values[s->count - 1]) {
        values_see_falls(&s->scan, s->count, 1);
    }
    s->scan.has_nan = s->scan.has_nan || isnan(v);
    values[s->count++] = v;
}

static bool split(struct range_eval *x, struct run *r, const struct feed_samples *s,
                  struct split *out)
{
    if (!s->hists && !s->scan.has_stale) {
        *out = (struct split){.scan = s->scan,
                              .t_ms = s->t_ms,
                              .values = s->values,
                              .starts = s->starts,
                              .count = s->count,
                              .column = s->column,
                              .version = s->version};
        return true;
    }
    if (!split_make_room(&x->room, r, s->count)) {
        return false;
    }
    *out = (struct split){.t_ms = x->room.t_ms,
                          .values = x->room.values,
                          .starts = s->starts ? x->room.starts : NULL,
                          .hist_t_ms = x->room.hist_t_ms,
                          .hists = x->room.hists,
                          .hist_starts = s->starts ? x->room.hist_starts : NULL,
                          .column = COLUMN_NONE};
    for (u32 i = 0; i < s->count; i++) {
        const struct hist *h = s->hists ? s->hists[i] : NULL;
        if (h && !hist_is_stale(h)) {
            x->room.hist_starts[out->hist_count] = s->starts ? s->starts[i] : 0;
            x->room.hist_t_ms[out->hist_count] = s->t_ms[i];
            x->room.hists[out->hist_count++] = h;
        } else if (!h && !is_stale_nan(s->values[i])) {
            x->room.starts[out->count] = s->starts ? s->starts[i] : 0;
            x->room.t_ms[out->count] = s->t_ms[i];
            split_put(x->room.values, out, s->values[i]);
        }
    }
    memset(x->room.hist_resets, 0, out->hist_count);
    return true;
}

// The samples of a subquery: the steps of its inner expression that have a value.
static bool split_inner(struct range_eval *x, struct run *r, const struct column *inner,
                        struct split *out)
{
    if (!split_make_room(&x->room, r, inner->steps)) {
        return false;
    }
    const struct grid *g = &x->task->source.inner->grid;
    *out = (struct split){.t_ms = x->room.t_ms,
                          .values = x->room.values,
                          .hist_t_ms = x->room.hist_t_ms,
                          .hists = x->room.hists};
    for (u32 i = 0; i < inner->steps; i++) {
        if (!column_has(inner, i)) {
            continue;
        }
        const struct hist *h = column_hist(inner, i);
        if (h) {
            // A hint spoke of the sample before, which need not be a step.
            if (h->reset != HIST_RESET_GAUGE && h->reset != HIST_RESET_UNKNOWN) {
                h = hist_with_reset(r, h, HIST_RESET_UNKNOWN);
            }
            if (!h) {
                return false;
            }
            x->room.hist_t_ms[out->hist_count] = grid_time(g, i);
            x->room.hists[out->hist_count++] = h;
        } else if (!is_stale_nan(inner->values[i])) {
            x->room.t_ms[out->count] = grid_time(g, i);
            split_put(x->room.values, out, inner->values[i]);
        }
    }
    memset(x->room.hist_resets, 0, out->hist_count);
    bool whole = out->count == inner->steps; // Then all have the times of the grid.
    out->column = whole ? 0 : COLUMN_NONE;
    out->version = 1;
    return true;
}

static bool scratch_for(struct range_eval *x, struct run *r, u32 count)
{
    u32 cap = MAX(512U, count + count / 2);
    if (range_fn_needs_scratch(x->task->call.fn->id) && count > x->scratch_cap) {
        x->scratch_cap = cap;
        x->scratch = RUN_NEW_N(r, f64, cap);
    }
    if (x->task->whole && x->task->whole->needs_places && count > x->places_cap) {
        x->places_cap = cap;
        x->places = RUN_NEW_N(r, u32, cap);
    }
    return !r->failed;
}

// A sample that is an answer itself lives no longer than the others of its series, a copy does.
static const struct hist *hist_to_keep(struct range_eval *x, struct run *r, const struct window *w,
                                       const struct hist *h)
{
    if (w->hist_count == 0 || (h != w->hists[0] && h != w->hists[w->hist_count - 1])) {
        return h;
    }
    if (x->kept_of != h && run_room(r, hist_bytes(h))) {
        x->kept = hist_copy(run_made(r), h);
        x->kept_of = h;
    }
    return r->failed ? NULL : x->kept;
}

// The worth of the window's histograms from one on.
static u64 hists_counted(const struct window *w, u32 from)
{
    u64 n = 0;
    for (u32 i = from; i < w->hist_count; i++) {
        n += tally_hist(w->hists[i]);
    }
    return n;
}

// Samples that the step before could see are read already.
static u32 fresh_from(const struct range_frame *f, u32 step)
{
    const u32 seen = step > 0 ? f->to[step - 1] : 0;
    return MIN(MAX(f->from[step], seen), f->to[step]) - f->from[step];
}

static void count_window(const struct range_eval *x, struct run *r, const struct window *w,
                         u32 step)
{
    const struct grid *g = &x->task->grid;
    if (!g->tally) {
        r->samples_total += w->count + w->hist_count;
        return;
    }
    u64 fresh = w->count - fresh_from(x->frame, step);
    if (w->hist_count > 0) {
        fresh += hists_counted(w, fresh_from(&x->hist_frame, step));
    }
    tally_count(r, g, step, w->count + hists_counted(w, 0), x->task->source.inner ? 0 : fresh);
}

static bool call_step(struct range_eval *x, struct run *r, struct range_call *c,
                      const struct split *s, u32 step, struct column *out)
{
    u32 from = x->frame->from[step];
    struct window w = range_frame_window(x->frame, step);
    w.t_ms = s->t_ms + from;
    w.values = s->values + from;
    w.starts = s->starts ? s->starts + from : NULL;
    if (s->hist_count > 0) {
        u32 hist_from = x->hist_frame.from[step];
        w.hist_t_ms = s->hist_t_ms + hist_from;
        w.hists = s->hists + hist_from;
        w.hist_starts = s->hist_starts ? s->hist_starts + hist_from : NULL;
        w.hist_resets = x->room.hist_resets + hist_from;
        w.hist_count = x->hist_frame.to[step] - hist_from;
    }
    if (w.count + w.hist_count == 0) {
        return true;
    }
    count_window(x, r, &w, step);
    if (!run_work(r, w.count + w.hist_count)) {
        return false;
    }
    for (u32 i = 0; i < ARRAY_LEN(x->task->params); i++) {
        c->params[i] = x->task->call.params[i] ? x->task->params[i].values[step] : 0;
    }
    if (w.hist_count > 0) {
        arena_reset(r->scratch); // What the window before was calculated in.
    }
    struct range_value v = x->task->fn(c, &w);
    if (r->failed) {
        return false;
    }
    if (v.kind == RANGE_HIST) {
        const struct hist *h = hist_to_keep(x, r, &w, v.hist);
        return h && column_set_hist(r, out, step, h);
    }
    if (v.kind == RANGE_FLOAT) {
        column_set(out, step, v.value);
    }
    return true;
}

// The next slice of steps: how far it goes.
static u32 slice_end(const struct range_frame *f, u32 step, u64 *samples)
{
    if (step == 0 && f->samples <= SLICE_SAMPLES) {
        *samples = f->samples;
        return f->grid.steps;
    }
    *samples = 0;
    for (; step < f->grid.steps && *samples < SLICE_SAMPLES; step++) {
        *samples += f->to[step] - f->from[step];
    }
    return step;
}

// All windows of a series of floats.
static bool call_whole(struct range_eval *x, struct run *r, const struct range_call *c,
                       const struct split *s, struct column *out)
{
    const struct range_frame *f = x->frame;
    struct series_call call = {.call = c,
                               .frame = f,
                               .t_ms = s->t_ms,
                               .values = s->values,
                               .count = s->count,
                               .param = x->task->call.params[0] ? x->task->params[0].values : NULL,
                               .room = x->scratch,
                               .places = x->places};
    for (u32 step = 0; step < f->grid.steps && s->count > 0;) {
        u64 samples;
        u32 end = slice_end(f, step, &samples);
        x->task->whole->fn(&call, step, end, out->values);
        if (!run_work(r, samples + end - step)) {
            return false;
        }
        step = end;
    }
    memcpy(out->present, f->present, column_words(out->steps) * sizeof(u64));
    tally_windows(r, &x->task->grid, f->from, f->to, f->samples, x->task->source.inner == NULL);
    return true;
}

static bool call_windows(struct range_eval *x, struct run *r, struct range_call *c,
                         const struct split *s, struct column *out)
{
    for (u32 step = 0; step < out->steps; step++) {
        if (!call_step(x, r, c, s, step, out)) {
            return false;
        }
    }
    return true;
}

static bool find_windows(struct range_eval *x, struct run *r, const struct range_call *c,
                         const struct split *s)
{
    bool is_shared = s->column != COLUMN_NONE;
    struct range_frame_slot *slot = is_shared ? &x->slots[s->column % x->slot_count] : &x->own;
    if (!slot->frame.from &&
        !range_frame_init(&slot->frame, r, &x->task->grid, &x->task->source, x->task->need)) {
        return false;
    }
    if (!is_shared || slot->version != s->version) {
        range_frame_fill(&slot->frame, s->t_ms, s->count);
        if (x->task->need.has_factors) {
            range_frame_stretch(&slot->frame, c, s->t_ms, x->task->whole->kind);
        }
        slot->version = s->version;
    }
    x->frame = &slot->frame;
    if (s->hist_count > 0) {
        range_frame_fill(&x->hist_frame, s->hist_t_ms, s->hist_count);
    }
    return true;
}

static bool ends_like_counter(str name)
{
    return str_ends(name, STR("_total")) || str_ends(name, STR("_sum")) ||
           str_ends(name, STR("_count")) || str_ends(name, STR("_bucket"));
}

#define LABEL_TYPE STR("__type__")

static bool is_counter(const struct run *r, struct labels ls)
{
    if (!r->opts->type_labels) {
        return ends_like_counter(labels_get(ls, LABEL_NAME));
    }
    const str type = labels_get(ls, LABEL_TYPE);
    return str_eq_c(type, "counter") || str_eq_c(type, "histogram");
}

static void tell_no_counter(const struct range_task *o, struct run *r, struct labels ls)
{
    const str metric = labels_get(ls, LABEL_NAME);
    if (r->opts->type_labels) {
        note_info(r, o->call.arg_span,
                  "metric might not be a counter, __type__ label is not set to \"counter\" or "
                  "\"histogram\", got %s: %s",
                  run_quoted(r, labels_get(ls, LABEL_TYPE)), run_quoted(r, metric));
    } else {
        note_info(r, o->call.arg_span,
                  "metric might not be a counter, name does not end in "
                  "_total/_sum/_count/_bucket: %s",
                  run_quoted(r, metric));
    }
}

static void tell_if_no_counter(struct range_eval *x, struct run *r, struct labels ls, str metric,
                               const struct column *out)
{
    const struct range_task *o = x->task;
    bool is_rate = o->call.fn->id == FN_RATE || o->call.fn->id == FN_INCREASE;
    if (!is_rate || metric.len == 0 || str_same(metric, x->counter)) {
        return;
    }
    if (is_counter(r, ls)) {
        x->counter = r->opts->type_labels ? STR_EMPTY : metric;
        return;
    }
    for (u32 i = 0; i < out->steps; i++) {
        if (column_has(out, i) && !column_hist(out, i)) {
            tell_no_counter(o, r, ls);
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

static bool eval_split(struct range_eval *x, struct run *r, struct labels ls, const struct split *s,
                       struct column *out)
{
    const struct range_task *o = x->task;
    u64 held = s->count + s->hist_count;
    if (!run_hold(r, held) || !scratch_for(x, r, s->count)) {
        return false;
    }
    struct range_call c = {.run = r,
                           .fn = o->call.fn,
                           .range_seconds = seconds_of_range(o->source.range_ms),
                           .anchored = o->source.anchored,
                           .smoothed = o->source.smoothed,
                           .may_reset = s->scan.falls,
                           .falls_from = s->scan.falls_from,
                           .falls_to = s->scan.falls_to,
                           .has_nan = s->scan.has_nan,
                           .arg_span = o->call.arg_span,
                           .metric = labels_get(ls, LABEL_NAME),
                           .scratch = x->scratch};
    x->kept_of = NULL;
    bool at_once = o->whole && s->hist_count == 0 && !s->starts;
    if (!find_windows(x, r, &c, s) ||
        !(at_once ? call_whole(x, r, &c, s, out) : call_windows(x, r, &c, s, out))) {
        return false;
    }
    tell_if_no_counter(x, r, ls, c.metric, out);
    run_release(r, held);
    return true;
}

bool range_eval_samples(struct range_eval *x, struct run *r, struct labels ls,
                        const struct feed_samples *samples, struct column *out)
{
    struct split s;
    return split(x, r, samples, &s) && eval_split(x, r, ls, &s, out);
}

bool range_eval_inner(struct range_eval *x, struct run *r, struct labels ls,
                      const struct column *inner, struct column *out)
{
    struct split s;
    return split_inner(x, r, inner, &s) && eval_split(x, r, ls, &s, out);
}
