// feed.c: see feed.h.
#include "promql/feed.h"

#include "base/arena.h"
#include "base/str.h"
#include "model/hist_reset.h"
#include "model/hist_sum.h"
#include "promql/fn_hist.h"
#include "promql/query_run.h"

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
                                         .deadline_mono_ns = r->budget.deadline_mono_ns,
                                         .series_max = r->budget.series_max,
                                         .series = r->budget.series};
    struct series_cursor *c = r->querier->ops->select(r->querier, f->matchers, f->matcher_count, &h,
                                                      no_data ? labels_only : &r->budget, &e);
    if (!c) {
        run_fail_with(r, &e);
    }
    return c;
}

static void keep_warnings(struct run *r, const struct storage_warnings *w)
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

static bool feed_close(struct run *r, struct series_cursor *c)
{
    struct storage_warnings w = {.count = 0};
    struct error e = {.code = ERR_NONE};
    bool ok = c->ops->close(c, &w, &e);
    keep_warnings(r, &w);
    if (!ok) {
        run_fail(r, e.code == ERR_NONE ? ERR_INTERNAL : e.code, "expanding series: %s", e.text);
    }
    return ok;
}

static bool add_series(struct feed *f, struct run *r, u32 *cap, struct labels ls)
{
    if (f->series_count == *cap) {
        u32 grown_cap = MAX(64U, *cap * 2);
        struct op_series *grown = run_grow(r, f->series, *cap, grown_cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        f->series = grown;
        *cap = grown_cap;
    }
    if ((f->series_count % 1024 == 0 && !query_tick(r)) || !run_room(r, 0)) {
        return false;
    }
    f->series[f->series_count++] = (struct op_series){.labels = labels_copy(r->arena, ls)};
    return true;
}

bool feed_open(struct feed *f, struct run *r)
{
    struct series_cursor *c = feed_select(f, r, true);
    if (!c) {
        return false;
    }
    u32 cap = 0;
    bool ok = true;
    while (ok && c->ops->next(c)) {
        ok = add_series(f, r, &cap, c->ops->labels(c));
    }
    return feed_close(r, c) && ok;
}

static bool make_room(struct feed *f, struct run *r, u32 used, u32 more)
{
    if (used + more <= f->cap) {
        return true;
    }
    u32 cap = MAX(MAX(512U, f->cap * 2), used + more);
    i64 *t_ms = run_grow(r, f->t_ms, f->cap, cap, sizeof(i64));
    f64 *values = run_grow(r, f->values, used, cap, sizeof(f64));
    i64 *starts = f->starts ? run_grow(r, f->starts, used, cap, sizeof(i64)) : NULL;
    const struct hist **hists = f->hists ? run_grow(r, f->hists, used, cap, sizeof(void *)) : NULL;
    if (!t_ms || !values || (f->starts && !starts) || (f->hists && !hists)) {
        return false;
    }
    f->starts = starts;
    f->t_ms = t_ms;
    f->values = values;
    f->hists = hists;
    f->cap = cap;
    return true;
}

// Remembers where a run of the series ends; tells whether the series before had the same there.
static bool note_run(struct feed *f, struct run *r, u32 index, const struct series_run *run,
                     u32 end)
{
    if (index == f->run_cap) {
        u32 cap = MAX(16U, f->run_cap * 2);
        u64 *ids = run_grow(r, f->run_ids, f->run_cap, cap, sizeof(*ids));
        u32 *ends = run_grow(r, f->run_ends, f->run_cap, cap, sizeof(*ends));
        if (!ids || !ends) {
            return false; // The run has failed: nobody reads the times.
        }
        f->run_ids = ids;
        f->run_ends = ends;
        f->run_cap = cap;
    }
    bool same = index < f->run_count && run->column_id != 0 &&
                f->run_ids[index] == run->column_id && f->run_ends[index] == end;
    f->run_ids[index] = run->column_id;
    f->run_ends[index] = end;
    return same;
}

static bool copy_hists(struct feed *f, struct run *r, u32 from, const struct series_run *run)
{
    if (!f->hists) {
        f->hists = run_alloc(r, f->cap, sizeof(void *));
        if (!f->hists) {
            return false;
        }
    }
    for (u32 i = 0; i < run->n; i++) {
        const struct hist *h = run->hists[i];
        u64 bytes = sizeof(*h) + (u64)(h->positive.bucket_count + h->negative.bucket_count +
                                       h->custom_bound_count) *
                                     sizeof(f64);
        if (!run_room(r, bytes)) {
            return false;
        }
        f->hists[from + i] = hist_copy(r->arena, h);
    }
    return true;
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

static bool copy_run(struct feed *f, struct run *r, u32 from, const struct series_run *run,
                     bool same_times)
{
    if (!make_room(f, r, from, run->n) || !copy_starts(f, r, from, run)) {
        return false;
    }
    if (!same_times) {
        memcpy(f->t_ms + from, run->t_ms, run->n * sizeof(i64));
    }
    if (run->kind == SAMPLE_HIST) {
        memset(f->values + from, 0, run->n * sizeof(f64));
        return copy_hists(f, r, from, run);
    }
    memcpy(f->values + from, run->values, run->n * sizeof(f64));
    if (f->hists) {
        memset(f->hists + from, 0, run->n * sizeof(void *));
    }
    return true;
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
            f->hists[i] = hist_with_reset(r, h, reset);
        }
        before = h;
        if (!f->hists[i] || !run_work(r, hist_work(h))) {
            return false;
        }
    }
    return true;
}

static bool copy_series(struct feed *f, struct run *r, struct feed_samples *out)
{
    u32 runs = 0;
    u32 n = 0;
    bool same = true;
    bool has_hists = false;
    bool has_starts = false;
    struct series_run run;
    while (f->cursor->ops->run(f->cursor, &run)) {
        if (run.n > UINT32_MAX / 2 - n) {
            return run_fail(r, ERR_LIMIT, "a series has more samples than a query can hold");
        }
        same = note_run(f, r, runs, &run, n + run.n) && same;
        if (!copy_run(f, r, n, &run, same)) {
            return false;
        }
        has_hists = has_hists || run.kind == SAMPLE_HIST;
        has_starts = has_starts || run.start_t_ms;
        n += run.n;
        runs++;
    }
    bool same_times = same && runs == f->run_count && runs > 0;
    f->run_count = runs;
    *out = (struct feed_samples){.t_ms = f->t_ms,
                                 .values = f->values,
                                 .starts = has_starts ? f->starts : NULL,
                                 .hists = has_hists ? f->hists : NULL,
                                 .count = n,
                                 .same_times = same_times};
    if (has_hists && f->detects_resets && !detect_resets(f, r, n)) {
        return false;
    }
    return !r->failed;
}

bool feed_next(struct feed *f, struct run *r, struct feed_samples *out)
{
    if (f->at == 0) {
        f->cursor = feed_select(f, r, false);
        if (!f->cursor) {
            return false;
        }
        f->next = r->feeds;
        r->feeds = f;
        f->has_pending = f->cursor->ops->next(f->cursor);
    }
    CHECK(f->at < f->series_count);
    const struct op_series *wanted = &f->series[f->at++];
    *out = (struct feed_samples){.count = 0};
    bool ok = true;
    if (f->has_pending && labels_eq(f->cursor->ops->labels(f->cursor), wanted->labels)) {
        ok = copy_series(f, r, out);
        f->has_pending = ok && f->cursor->ops->next(f->cursor);
    } else {
        f->run_count = 0;
    }
    if (ok && f->at == f->series_count) {
        struct series_cursor *c = f->cursor;
        f->cursor = NULL;
        ok = feed_close(r, c);
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
