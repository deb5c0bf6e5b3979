// fn_hist.c: rate, increase, delta, irate, idelta, sums and means over time of native histograms.
#include "promql/fn_hist.h"

#include "base/arena.h"
#include "model/hist_bucket.h"
#include "model/hist_reset.h"
#include "promql/query_run.h"

// ---- notes -------------------------------------------------------------------------------------

void note_mixed_schemas(struct run *r, struct text_span at, str metric)
{
    note_warning(r, at,
                 "vector contains a mix of histograms with exponential and custom buckets schemas "
                 "for metric name %s",
                 run_quoted(r, metric));
}

void note_not_counter(struct run *r, struct text_span at, str metric)
{
    note_warning(r, at, "this native histogram metric is not a counter: %s", run_quoted(r, metric));
}

void note_not_gauge(struct run *r, struct text_span at, str metric)
{
    note_warning(r, at, "this native histogram metric is not a gauge: %s", run_quoted(r, metric));
}

static const char *part_text(enum hist_part part)
{
    static const char *const texts[] = {"addition", "subtraction", "aggregation"};
    return texts[part];
}

void note_bounds_reconciled(struct run *r, struct text_span at, enum hist_part part)
{
    note_info(r, at, "mismatched custom buckets were reconciled during %s", part_text(part));
}

void note_resets_collide(struct run *r, struct text_span at, enum hist_part part)
{
    note_warning(r, at, "conflicting counter resets during histogram %s", part_text(part));
}

const struct hist *hist_with_reset(struct run *r, const struct hist *h, enum hist_reset reset)
{
    struct hist *copy = RUN_NEW(r, struct hist);
    if (copy) {
        *copy = *h;
        copy->reset = reset;
    }
    return copy;
}

// ---- rates -------------------------------------------------------------------------------------

static struct range_value take(const struct range_call *c, const struct hist_sum *s)
{
    struct range_value v = {.kind = RANGE_NOTHING};
    u64 buckets = (u64)s->positive.n + s->negative.n + s->bound_count;
    if (run_room(c->run, buckets * 2 * sizeof(f64) + sizeof(struct hist))) {
        v.kind = RANGE_HIST;
        v.hist = hist_sum_take(s, run_made(c->run));
    }
    return v;
}

// One more histogram; false once the run has failed or, with a warning, if the two do not mix.
static bool add(const struct range_call *c, struct hist_sum *s, const struct hist *h, f64 factor,
                bool *reconciled)
{
    struct hist_remarks remarks = {.resets_collide = false};
    if (!run_work(c->run, hist_work(h)) || !run_room(c->run, hist_sum_need(s, h))) {
        return false;
    }
    if (!hist_sum_add(s, h, factor, &remarks)) {
        note_mixed_schemas(c->run, c->arg_span, c->metric);
        return false;
    }
    *reconciled = *reconciled || remarks.bounds_reconciled; // Colliding resets are its business.
    return true;
}

// A counter that is a gauge is told of; samples of one window must be of one kind of schema.
static bool survey(const struct range_call *c, const struct window *w, bool is_custom,
                   i32 *schema_min)
{
    for (u32 i = 1; i + 1 < w->hist_count; i++) {
        const struct hist *h = w->hists[i];
        if (h->reset == HIST_RESET_GAUGE) {
            note_not_counter(c->run, c->arg_span, c->metric);
        }
        if (hist_is_custom(h) != is_custom) {
            note_mixed_schemas(c->run, c->arg_span, c->metric);
            return false;
        }
        *schema_min = MIN(*schema_min, h->schema);
    }
    return true;
}

// Windows overlap: each pair of neighbours is compared once, in whichever window meets it first.
enum { PAIR_NOT_SEEN, PAIR_GROWS, PAIR_IS_RESET };

static bool pair_is_reset(const struct window *w, u32 i, const struct hist *before)
{
    if (before != w->hists[i - 1]) {
        return hist_is_reset(before, w->hists[i]);
    }
    u8 *known = &w->hist_resets[i];
    if (*known == PAIR_NOT_SEEN) {
        *known = hist_is_reset(before, w->hists[i]) ? PAIR_IS_RESET : PAIR_GROWS;
    }
    return *known == PAIR_IS_RESET;
}

static bool is_reset_at(const struct window *w, u32 i, const struct hist *before)
{
    return pair_is_reset(w, i, before) || start_tells_reset(w->hist_starts, w->hist_t_ms, i);
}

// The last less the first, and what resets between them hide.
static bool grow(const struct range_call *c, const struct window *w, bool is_counter,
                 struct hist_sum *s)
{
    u32 n = w->hist_count;
    const struct hist *before = w->hists[0];
    const struct hist *last = w->hists[n - 1];
    struct hist nothing = {.is_float = true};
    if (is_counter && n > 1 && is_reset_at(w, 1, before)) {
        // Then the first sample does not matter, whatever its buckets are like.
        nothing.schema = w->hists[1]->schema;
        nothing.custom_bounds = w->hists[1]->custom_bounds;
        nothing.custom_bound_count = w->hists[1]->custom_bound_count;
        before = &nothing;
    }
    if (hist_is_custom(last) != hist_is_custom(before)) {
        note_mixed_schemas(c->run, c->arg_span, c->metric);
        return false;
    }
    i32 schema_min = MIN(before->schema, last->schema);
    if (is_counter && !survey(c, w, hist_is_custom(before), &schema_min)) {
        return false;
    }
    bool subtracted = false;
    bool added = false;
    hist_sum_start(s, c->run->scratch, s->spare, false, last);
    hist_sum_reduce(s, schema_min);
    if (!add(c, s, before, -1, &subtracted)) {
        return false;
    }
    for (u32 i = 1; is_counter && i < n; i++) {
        if (!run_work(c->run, hist_work(w->hists[i])) ||
            (is_reset_at(w, i, before) && !add(c, s, before, 1, &added))) {
            return false;
        }
        before = w->hists[i];
    }
    if (subtracted) {
        note_bounds_reconciled(c->run, c->arg_span, HIST_PART_SUBTRACTION);
    }
    if (added) {
        note_bounds_reconciled(c->run, c->arg_span, HIST_PART_ADDITION);
    }
    return true;
}

static void tell_kind(const struct range_call *c, const struct hist *first, const struct hist *last,
                      bool is_counter)
{
    bool gauges = first->reset == HIST_RESET_GAUGE && last->reset == HIST_RESET_GAUGE;
    bool any = first->reset == HIST_RESET_GAUGE || last->reset == HIST_RESET_GAUGE;
    if (is_counter && any) {
        note_not_counter(c->run, c->arg_span, c->metric);
    } else if (!is_counter && !gauges) {
        note_not_gauge(c->run, c->arg_span, c->metric);
    }
}

struct range_value hist_rate(const struct range_call *c, const struct window *w, struct rate_kind k)
{
    u32 n = w->hist_count;
    const struct hist *first = w->hists[0];
    struct stretch x = {.first_ms = w->hist_t_ms[0],
                        .last_ms = w->hist_t_ms[n - 1],
                        .count = n,
                        .first_value = first->count,
                        .zero_ms =
                            k.is_counter ? start_within(w->hist_starts, w->hist_t_ms, w) : 0};
    struct hist_spare spare = {.positive = {.n = 0}};
    struct hist_sum s = {.spare = &spare};
    bool reconciled = false;
    if (n < 2 && x.zero_ms == 0) {
        return range_nothing();
    }
    if (k.is_counter) {
        note_start_overlap(c, w->hist_starts, w->hist_t_ms, n);
        tell_kind(c, first, w->hists[n - 1], true);
    }
    if (!grow(c, w, k.is_counter, &s) || (x.zero_ms != 0 && !add(c, &s, first, 1, &reconciled))) {
        return range_nothing();
    }
    if (!k.is_counter) {
        tell_kind(c, first, w->hists[n - 1], false);
    }
    s.reset = HIST_RESET_GAUGE;
    x.change = s.count.sum;
    hist_sum_scale(&s, stretch_factor(c, w, &x, k));
    return take(c, &s);
}

struct range_value hist_instant(const struct range_call *c, const struct window *w, bool is_rate)
{
    u32 n = w->hist_count;
    const struct hist *last = w->hists[n - 1];
    const struct hist *before = w->hists[n - 2];
    i64 apart_ms = w->hist_t_ms[n - 1] - w->hist_t_ms[n - 2];
    struct hist_spare spare = {.positive = {.n = 0}};
    struct hist_sum s;
    bool reconciled = false;
    tell_kind(c, before, last, is_rate);
    hist_sum_start(&s, c->run->scratch, &spare, false, last);
    bool is_reset = is_rate && is_reset_at(w, n - 1, before);
    if ((!is_reset && !add(c, &s, before, -1, &reconciled)) || apart_ms == 0) {
        return range_nothing();
    }
    if (reconciled) {
        note_bounds_reconciled(c->run, c->arg_span, HIST_PART_SUBTRACTION);
    }
    s.reset = HIST_RESET_GAUGE;
    if (is_rate) {
        hist_sum_divide(&s, (f64)apart_ms / 1000);
    }
    return take(c, &s);
}

// ---- folds -------------------------------------------------------------------------------------

struct range_value hist_fold_window(const struct range_call *c, const struct window *w,
                                    bool is_mean)
{
    struct hist_spare spare = {.positive = {.n = 0}};
    struct hist_fold f;
    bool mixes = true;
    if (!run_room(c->run, 64 * hist_work(w->hists[0]))) {
        return range_nothing();
    }
    hist_fold_start(&f, c->run->scratch, &spare, is_mean, w->hists[0]);
    for (u32 i = 1; i < w->hist_count && mixes; i++) {
        const struct hist *h = w->hists[i];
        if (!run_work(c->run, hist_work(h)) || !run_room(c->run, 2 * hist_sum_need(&f.sum, h))) {
            return range_nothing();
        }
        mixes = hist_fold_add(&f, h);
    }
    if (f.has_reset && f.has_no_reset) {
        note_resets_collide(c->run, c->arg_span, HIST_PART_AGGREGATION);
    }
    if (f.bounds_reconciled) {
        note_bounds_reconciled(c->run, c->arg_span, HIST_PART_AGGREGATION);
    }
    if (!mixes) {
        note_mixed_schemas(c->run, c->arg_span, c->metric);
        return range_nothing();
    }
    u64 buckets = (u64)f.sum.positive.n + f.sum.negative.n + f.sum.bound_count;
    if (!run_room(c->run, buckets * 2 * sizeof(f64) + sizeof(struct hist))) {
        return range_nothing();
    }
    return (struct range_value){.kind = RANGE_HIST, .hist = hist_fold_take(&f, run_made(c->run))};
}
