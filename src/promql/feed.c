// feed.c: see feed.h.
#include "promql/feed.h"

#include "base/arena.h"
#include "base/checked.h"
#include "base/str.h"
#include "model/hist.h"
#include "model/hist_reset.h"
#include "model/hist_sum.h"
#include "promql/plan_share.h"
#include "promql/query_run.h"

// Samples of one run, mostly: there is room for so many before it is asked for.
#define RUN_USUAL 512U

static struct series_cursor *feed_select(struct feed *f, struct run *r, bool no_data)
{
    struct select_hints h = {
        .start_ms = f->min_ms, .end_ms = f->max_ms, .step_ms = f->step_ms, .no_data = no_data};
    struct error e = {.code = ERR_NONE};
    // In the run's memory: the cursor keeps the pointer until it is closed.
    struct query_budget *labels_only = RUN_NEW(r, struct query_budget);
    if (!labels_only) {
        return NULL;
    }
    *labels_only = (struct query_budget){.cancel = r->budget.cancel,
                                         .wanted = r->budget.wanted,
                                         .deadline_mono_ns = r->budget.deadline_mono_ns,
                                         .series_max = r->budget.series_max,
                                         .series = f->series_before};
    struct series_cursor *c = r->querier->ops->select(r->querier, f->matchers, f->matcher_count, &h,
                                                      no_data ? labels_only : &r->budget, &e);
    if (!c) {
        run_fail_with(r, &e);
    }
    return c;
}

void feed_warnings(struct run *r, const struct storage_warnings *w)
{
    struct storage_warnings *kept = &r->storage_warnings;
    kept->partial = kept->partial || w->partial;
    for (u32 i = 0; i < w->count; i++) {
        bool known = false;
        for (u32 k = 0; k < kept->count; k++) {
            known = known || str_eq(kept->texts[k], w->texts[i]);
        }
        if (!known && kept->count < WARNINGS_MAX && run_room(r, w->texts[i].len)) {
            kept->texts[kept->count++] = arena_str(r->arena, w->texts[i]);
        }
    }
}

bool feed_finish(struct run *r, struct series_cursor *c)
{
    struct storage_warnings w = {.count = 0};
    struct error e = {.code = ERR_NONE};
    bool ok = c->ops->close(c, &w, &e);
    feed_warnings(r, &w);
    if (!ok && (e.code == ERR_CANCELLED || e.code == ERR_TIMEOUT)) {
        (void)run_fail_with(r, &e);
    } else if (!ok) {
        (void)run_fail(r, e.code == ERR_NONE ? ERR_INTERNAL : e.code, "expanding series: %s",
                       e.text);
    }
    return ok;
}

static bool add_series(struct feed *f, struct run *r, struct labels ls)
{
    if (f->series_count == f->series_cap) {
        u32 cap = MAX(64U, f->series_cap * 2);
        struct op_series *grown = run_grow(r, f->series, f->series_cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        f->series = grown;
        f->series_cap = cap;
    }
    struct op_series *s = &f->series[f->series_count];
    if ((f->series_count % 1024 == 0 && !query_tick(r)) ||
        !label_texts_copy(&f->texts, r, ls, &s->labels)) {
        return false;
    }
    f->series_count++;
    return true;
}

static bool make_room(struct feed *f, struct run *r, u32 used, u32 more)
{
    if (used + more <= f->cap) {
        return true;
    }
    u32 cap = MAX(MAX(512U, f->cap * 2), used + more);
    f64 *values = run_grow(r, f->values, used, cap, sizeof(f64));
    i64 *starts = f->starts ? run_grow(r, f->starts, used, cap, sizeof(i64)) : NULL;
    const struct hist **hists = f->hists ? run_grow(r, f->hists, used, cap, sizeof(void *)) : NULL;
    if (!values || (f->starts && !starts) || (f->hists && !hists)) {
        return false;
    }
    f->starts = starts;
    f->values = values;
    f->hists = hists;
    f->cap = cap;
    return true;
}

static void free_arena(void *arg)
{
    arena_free(arg);
}

// Where copies of histograms go.
static struct arena *hist_home(struct feed *f, struct run *r)
{
    if (f->hists_pass && !f->hist_arena) {
        f->hist_arena = arena_new(r->bytes_limit + RUN_SLACK_BYTES);
        arena_on_free(r->arena, free_arena, f->hist_arena);
    }
    return f->hists_pass ? f->hist_arena : r->arena;
}

// The histograms of the series before go.
static void hists_drop(const struct feed *f, struct run *r)
{
    if (f->hist_arena) {
        const u64 held = arena_bytes(f->hist_arena);
        arena_reset(f->hist_arena);
        r->passing_bytes -= held - arena_bytes(f->hist_arena);
    }
}

static bool copy_hist(struct feed *f, struct run *r, const struct hist *h, u32 at)
{
    struct arena *home = hist_home(f, r);
    const u64 held = arena_bytes(home);
    if (!run_room(r, hist_bytes(h))) {
        return false;
    }
    f->hists[at] = hist_copy(home, h);
    r->passing_bytes += f->hists_pass ? arena_bytes(home) - held : 0;
    return true;
}

static bool copy_hists(struct feed *f, struct run *r, u32 from, const struct series_run *run)
{
    bool ok = true;
    if (!f->hists) {
        f->hists = run_alloc(r, f->cap, sizeof(void *));
        ok = f->hists != NULL;
    }
    if (ok && f->hists_borrowed) {
        memcpy(f->hists + from, run->hists, run->n * sizeof(void *));
        return true;
    }
    for (u32 i = 0; ok && i < run->n; i++) {
        ok = copy_hist(f, r, run->hists[i], from + i);
    }
    return ok;
}

static bool copy_starts(struct feed *f, struct run *r, u32 from, const struct series_run *run)
{
    if (!run->start_t_ms && !f->starts) {
        return true;
    }
    if (!f->starts) {
        f->starts = run_alloc(r, f->cap, sizeof(i64));
        if (!f->starts) {
            return false;
        }
        memset(f->starts, 0, from * sizeof(i64));
    }
    if (run->start_t_ms) {
        memcpy(f->starts + from, run->start_t_ms, run->n * sizeof(i64));
    } else {
        memset(f->starts + from, 0, run->n * sizeof(i64));
    }
    return true;
}

static bool copy_run(struct feed *f, struct run *r, u32 from, const struct series_run *run)
{
    if (!make_room(f, r, from, run->n) || !time_columns_add(&f->columns, r, run, from) ||
        !copy_starts(f, r, from, run)) {
        return false;
    }
    if (run->kind == SAMPLE_HIST) {
        memset(f->values + from, 0, run->n * sizeof(f64));
        return copy_hists(f, r, from, run);
    }
    if (!run->rises) {
        values_take(f->values, from, run->values, run->n, &f->scan);
    } else {
        values_take_rising(f->values, from, run->values, run->n, &f->scan);
    }
    if (f->hists) {
        memset(f->hists + from, 0, run->n * sizeof(void *));
    }
    return true;
}

static const struct hist *copy_with_reset(struct feed *f, struct run *r, const struct hist *h,
                                          enum hist_reset reset)
{
    struct arena *home = hist_home(f, r);
    const u64 held = arena_bytes(home);
    struct hist *copy = run_room(r, sizeof(*copy)) ? ARENA_NEW(home, struct hist) : NULL;
    if (copy) {
        *copy = *h;
        copy->reset = reset;
        r->passing_bytes += f->hists_pass ? arena_bytes(home) - held : 0;
    }
    return copy;
}

// What histogram_count and its kin see of a counter: whether it was reset since the sample before.
static bool detect_resets(struct feed *f, struct run *r, u32 count)
{
    const struct hist *before = NULL;
    for (u32 i = 0; i < count; i++) {
        const struct hist *h = f->hists[i];
        if (!h || hist_is_stale(h)) {
            continue;
        }
        if (before && h->reset == HIST_RESET_UNKNOWN) {
            enum hist_reset reset = hist_is_reset(before, h) ? HIST_RESET_YES : HIST_RESET_NO;
            f->hists[i] = copy_with_reset(f, r, h, reset);
        }
        before = h;
        if (!f->hists[i] || !run_work(r, hist_work(h))) {
            return false;
        }
    }
    return true;
}

// The next run of the series at hand, its values where they will stay if they must be written
// anyway. n: samples before it.
static bool run_next(struct feed *f, struct run *r, u32 n, struct series_run *run)
{
    if (!make_room(f, r, n, RUN_USUAL)) {
        return false;
    }
    f->cursor->room = f->values + n;
    f->cursor->room_count = f->cap - n;
    return f->cursor->ops->run(f->cursor, run);
}

// pins: the timestamp column stays, for the samples will be hoarded.
static bool copy_series(struct feed *f, struct run *r, bool pins, struct feed_samples *out)
{
    u32 n = 0;
    bool has_hists = false;
    bool has_starts = false;
    u32 column;
    struct series_run run;
    hists_drop(f, r);
    time_columns_begin(&f->columns);
    f->scan = (struct values_scan){.falls = false};
    while (run_next(f, r, n, &run)) {
        if (run.n > UINT32_MAX / 2 - n) {
            return run_fail(r, ERR_LIMIT, "a series has more samples than a query can hold");
        }
        if (!copy_run(f, r, n, &run)) {
            return false;
        }
        has_hists = has_hists || run.kind == SAMPLE_HIST;
        has_starts = has_starts || run.start_t_ms;
        n += run.n;
    }
    if (!time_columns_end(&f->columns, r, pins, &column)) {
        return false;
    }
    const struct time_column *c =
        column == COLUMN_NONE ? &f->columns.now : &f->columns.items[column];
    *out = (struct feed_samples){.t_ms = c->t_ms,
                                 .values = f->values,
                                 .starts = has_starts ? f->starts : NULL,
                                 .hists = has_hists ? f->hists : NULL,
                                 .count = n,
                                 .column = column,
                                 .version = c->version,
                                 .scan = f->scan};
    if (has_hists && f->detects_resets && !detect_resets(f, r, n)) {
        return false;
    }
    return !r->failed;
}

struct series_cursor *feed_cursor(struct feed *f, struct run *r)
{
    f->series_before = r->budget.series;
    return feed_select(f, r, false);
}

void feed_hold(struct feed *f, struct run *r, struct series_cursor *c)
{
    f->cursor = c;
    if (!f->is_listed) {
        f->next = r->feeds;
        r->feeds = f;
        f->is_listed = true;
    }
}

bool feed_read(struct feed *f, struct run *r, struct feed_samples *out)
{
    return copy_series(f, r, false, out);
}

// ---- the hoard ---------------------------------------------------------------------------------

// Longer series are cheaper to find again than to write to memory and read from there.
#define HOARDED_SAMPLES_MAX 512U
#define USUAL_INTERVAL_MS   15000

// Is it worth trying? How long series are, only reading them tells.
static bool hoard_is_likely(const struct feed *f, const struct run *r)
{
    return !r->opts->window_by_window &&
           (f->taker ||
            sat_sub_i64(f->max_ms, f->min_ms) / USUAL_INTERVAL_MS <= HOARDED_SAMPLES_MAX);
}

static bool run_has_room(const struct run *r, u64 bytes)
{
    u64 most = MIN(r->opts->hoard_bytes, r->bytes_limit / 8);
    return r->hoard_bytes <= most && bytes <= most - r->hoard_bytes;
}

static bool hoard_has_room(const struct feed *f, const struct run *r, const struct feed_samples *s)
{
    u64 bytes = (u64)s->count * (sizeof(f64) + sizeof(i64)) + sizeof(struct hoarded);
    if (f->taker) {
        return run_has_room(r, f->taker->bytes);
    }
    return s->count <= HOARDED_SAMPLES_MAX && !s->hists && !s->starts && run_has_room(r, bytes);
}

static bool taker_put(struct feed *f, struct run *r, const struct feed_samples *s)
{
    r->hoard_bytes += f->taker->bytes;
    return f->taker->take(f->taker->arg, r, f->taken_count++, s);
}

static bool hoard_put(struct feed *f, struct run *r, const struct feed_samples *s)
{
    if (f->hoard_count == f->hoard_cap) {
        u32 cap = MAX(64U, f->hoard_cap * 2);
        struct hoarded *grown = run_grow(r, f->hoard, f->hoard_cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        f->hoard = grown;
        f->hoard_cap = cap;
    }
    bool owns_times = s->column == COLUMN_NONE;
    f64 *values = RUN_NEW_N(r, f64, s->count);
    i64 *t_ms = owns_times ? RUN_NEW_N(r, i64, s->count) : NULL;
    if (!values || (owns_times && !t_ms)) {
        return false;
    }
    if (s->count > 0) {
        memcpy(values, s->values, s->count * sizeof(f64));
    }
    if (owns_times && s->count > 0) {
        memcpy(t_ms, s->t_ms, s->count * sizeof(i64));
    }
    f->hoard[f->hoard_count++] = (struct hoarded){
        .values = values, .t_ms = t_ms, .count = s->count, .column = s->column, .scan = s->scan};
    r->hoard_bytes += s->count * sizeof(f64) + sizeof(struct hoarded);
    r->hoard_bytes += owns_times ? s->count * sizeof(i64) : 0;
    return true;
}

static void hoard_get(const struct feed *f, u32 at, struct feed_samples *out)
{
    const struct hoarded *h = &f->hoard[at];
    const struct time_column *c = h->column == COLUMN_NONE ? NULL : &f->columns.items[h->column];
    *out = (struct feed_samples){.t_ms = c ? c->t_ms : h->t_ms,
                                 .values = h->values,
                                 .count = h->count,
                                 .column = h->column,
                                 .version = c ? c->version : 0,
                                 .scan = h->scan};
}

// Labels and samples of the series that the cursor stands on.
static bool hoard_series(struct feed *f, struct run *r, const struct feed_samples *s, u32 columns)
{
    if (!add_series(f, r, f->cursor->ops->labels(f->cursor))) {
        return false;
    }
    if (f->taker) {
        return taker_put(f, r, s);
    }
    r->hoard_bytes += (u64)(f->columns.count - columns) * s->count * sizeof(i64);
    return hoard_put(f, r, s);
}

// Reads labels and samples at once as long as there is room. *whole: that was all. Else the cursor
// stays where it is, on a series whose samples have been read: feed_next goes on from there.
static bool open_hoarding(struct feed *f, struct run *r, bool *whole)
{
    struct feed_samples s = {.column = COLUMN_NONE};
    bool ok = true;
    *whole = true;
    if (!f->cursor) {
        f->cursor = feed_select(f, r, false);
    }
    if (!f->cursor) {
        return false;
    }
    while (ok && *whole && f->cursor->ops->next(f->cursor)) {
        u32 columns = f->columns.count;
        ok = copy_series(f, r, !f->taker, &s);
        *whole = ok && hoard_has_room(f, r, &s);
        ok = ok && (!*whole || hoard_series(f, r, &s, columns));
    }
    if (ok && !*whole) {
        f->held = s;
        f->is_held = true;
        f->has_pending = true;
        feed_hold(f, r, f->cursor);
        return true;
    }
    struct series_cursor *c = f->cursor;
    f->cursor = NULL;
    return feed_finish(r, c) && ok;
}

// Moves the cursor behind the hoarded series; *more says whether there are others. A series that
// has labels but no sample was none of them.
static bool skip_hoarded(struct feed *f, struct run *r, struct series_cursor *c, bool *more)
{
    *more = c->ops->next(c);
    for (u32 i = 0; i < f->hoard_count + f->taken_count; i++) {
        while (*more && !labels_eq(c->ops->labels(c), f->series[i].labels)) {
            *more = c->ops->next(c);
        }
        if (!*more) {
            return run_fail(r, ERR_INTERNAL, "the storage changed the order of its series");
        }
        *more = c->ops->next(c);
    }
    return true;
}

static bool open_labels(struct feed *f, struct run *r)
{
    bool more;
    struct series_cursor *c = feed_select(f, r, true);
    if (!c) {
        return false;
    }
    bool ok = skip_hoarded(f, r, c, &more);
    while (ok && more) {
        ok = add_series(f, r, c->ops->labels(c));
        more = c->ops->next(c);
    }
    return feed_finish(r, c) && ok;
}

// ---- selectors that read the same --------------------------------------------------------------

static bool reads_same(const struct feed *a, const struct feed *b)
{
    bool same = a->min_ms == b->min_ms && a->max_ms == b->max_ms && a->step_ms == b->step_ms &&
                a->detects_resets == b->detects_resets && a->matcher_count == b->matcher_count;
    for (u32 i = 0; same && i < a->matcher_count; i++) {
        const struct matcher *x = &a->matchers[i];
        const struct matcher *y = &b->matchers[i];
        same = x->op == y->op && str_eq(x->name, y->name) && str_eq(x->value, y->value);
    }
    return same;
}

// What another selector of the same times has read whole, and only reads from now on.
static bool borrow_whole(struct feed *f, const struct run *r)
{
    for (const struct feed *x = r->whole_feeds; x && !r->apart; x = x->next_whole) {
        if (reads_same(x, f)) {
            f->series = x->series;
            f->series_count = x->series_count;
            f->hoard = x->hoard;
            f->hoard_count = x->hoard_count;
            f->columns = x->columns;
            return true;
        }
    }
    return false;
}

void feed_plan(struct feed *f, struct run *r)
{
    bool surveys = r->share && r->share->surveys; // All is planned again behind it.
    if (!surveys) {
        f->next_planned = r->planned_feeds;
        r->planned_feeds = f;
    }
}

// Looking for others like it must not take long where there are very many.
#define COMPARED_FEEDS_MAX 64U

bool feed_is_alone(const struct feed *f, const struct run *r)
{
    u32 count = 0;
    for (const struct feed *x = r->planned_feeds; x && !r->apart; x = x->next_planned) {
        if (++count > COMPARED_FEEDS_MAX || (x != f && reads_same(x, f))) {
            return false;
        }
    }
    return true;
}

bool feed_open(struct feed *f, struct run *r)
{
    if (borrow_whole(f, r)) {
        f->taker = NULL;
        return true;
    }
    bool whole = false;
    if (r->opts->window_by_window || !feed_is_alone(f, r)) {
        f->taker = NULL;
    }
    f->series_before = r->budget.series;
    if (hoard_is_likely(f, r) && !open_hoarding(f, r, &whole)) {
        return false;
    }
    f->at = f->taken_count;
    if (whole && !f->taker) {
        f->next_whole = r->whole_feeds;
        r->whole_feeds = f;
    }
    return whole || open_labels(f, r);
}

// ---- series after series -----------------------------------------------------------------------

// Nothing was hoarded: the pass that reads samples begins.
static bool open_samples(struct feed *f, struct run *r)
{
    struct series_cursor *c = feed_select(f, r, false);
    if (!c) {
        return false;
    }
    feed_hold(f, r, c);
    f->has_pending = f->cursor->ops->next(f->cursor);
    return true;
}

static bool take_series(struct feed *f, struct run *r, struct feed_samples *out)
{
    if (f->is_held) {
        f->is_held = false;
        *out = f->held;
        return true;
    }
    return copy_series(f, r, false, out);
}

bool feed_next(struct feed *f, struct run *r, struct feed_samples *out)
{
    CHECK(f->at < f->series_count);
    u32 at = f->at++;
    if (at < f->hoard_count) {
        hoard_get(f, at, out);
        return true;
    }
    if (!f->cursor && !open_samples(f, r)) {
        return false;
    }
    *out = (struct feed_samples){.column = COLUMN_NONE};
    bool ok = true;
    if (f->has_pending && labels_eq(f->cursor->ops->labels(f->cursor), f->series[at].labels)) {
        ok = take_series(f, r, out);
        f->has_pending = ok && f->cursor->ops->next(f->cursor);
    }
    if (ok && f->at == f->series_count) {
        struct series_cursor *c = f->cursor;
        f->cursor = NULL;
        ok = feed_finish(r, c);
        if (ok && f->has_pending) {
            ok = run_fail(r, ERR_INTERNAL, "the storage changed the order of its series");
        }
    }
    return ok;
}

void feed_close_all(struct run *r)
{
    for (struct feed *f = r->feeds; f; f = f->next) {
        if (f->cursor) {
            struct storage_warnings w = {.count = 0};
            (void)f->cursor->ops->close(f->cursor, &w, NULL);
            f->cursor = NULL;
        }
    }
    r->feeds = NULL;
}
