// op_range.c: functions over range vectors: windows of a selector's or a subquery's samples.
//
// What one window is made into, range_eval.h calculates. Samples that nobody else reads are made
// into columns as soon as they are read, and these kept until they are asked for: they are shorter
// than the samples, and what is read is in the processor's cache.
#include "base/checked.h"
#include "base/str.h"
#include "promql/ops.h"
#include "promql/query_run.h"
#include "promql/range_eval.h"
#include "promql/range_tiles.h"

// Threads: owned by the run.
struct op_range {
    struct op base;
    struct selection selection;
    struct range_task task;
    struct range_eval eval;
    struct feed feed;
    struct feed_taker taker;
    struct column *taken; // Of the series that the feed has handed over.
    u32 taken_cap;
    struct column inner; // A subquery's series.
    // Streaming: where the columns go, and the metric that all series must have, types included.
    const struct op_taker *out;
    struct op_series first;
    struct labels viewed; // One of that metric, as op_drop_alike has it.
    bool has_first;
    bool is_settled;
    bool is_streamed; // That was tried.
};

static struct op_range *range_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_range, base);
}

static bool keeps_name(const struct op_range *o)
{
    return o->task.call.fn->id == FN_LAST_OVER_TIME || o->task.call.fn->id == FN_FIRST_OVER_TIME;
}

// A series that has just been read: its column is calculated and kept.
static bool take_series(void *arg, struct run *r, u32 at, const struct feed_samples *s)
{
    struct op_range *o = arg;
    if (at == o->taken_cap) {
        u32 cap = MAX(64U, o->taken_cap * 2);
        struct column *grown = run_grow(r, o->taken, o->taken_cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        o->taken = grown;
        o->taken_cap = cap;
    }
    struct column *c = &o->taken[at];
    return column_init(r, c, o->base.grid.steps) &&
           range_eval_samples(&o->eval, r, o->feed.series[at].labels, s, c) && run_work(r, 0);
}

static bool open_source(struct op_range *o, struct run *r)
{
    if (o->task.source.inner) {
        return op_open(o->task.source.inner, r) &&
               column_init(r, &o->inner, o->task.source.inner->grid.steps);
    }
    u32 steps = o->base.grid.steps;
    o->taker = (struct feed_taker){.take = take_series,
                                   .arg = o,
                                   .bytes = sizeof(struct column) + steps * sizeof(f64) +
                                            column_words(steps) * sizeof(u64)};
    o->feed.taker = &o->taker;
    bool done = false;
    if (!o->is_streamed && !range_tiles_open(&o->feed, r, &o->task, &o->taken, &done)) {
        return false;
    }
    return done || feed_open(&o->feed, r);
}

// What is to be calculated.
static bool settle(struct op_range *o, struct run *r)
{
    for (u32 i = 0; !o->is_settled && i < ARRAY_LEN(o->task.params); i++) {
        struct op *param = o->task.call.params[i];
        if (param && !op_collect_scalar(param, r, &o->task.params[i])) {
            return false;
        }
    }
    if (!o->is_settled) {
        range_task_settle(&o->task, r);
    }
    o->is_settled = true;
    return true;
}

static bool range_open(struct op *base, struct run *r)
{
    struct op_range *o = range_of(base);
    const struct op *inner = o->task.source.inner;
    if (!settle(o, r) || !range_eval_init(&o->eval, r, &o->task) || !open_source(o, r)) {
        return false;
    }
    const struct op_series *from = inner ? inner->series : o->feed.series;
    u32 count = inner ? inner->series_count : o->feed.series_count;
    if (!op_make_series(base, r, count)) {
        return false;
    }
    base->is_distinct = !inner || inner->is_distinct;
    if (keeps_name(o)) {
        for (u32 i = 0; i < count; i++) {
            base->series[i] = from[i];
        }
        return true;
    }
    return op_drop_names(base, r, from);
}

// Without its name. false: the run failed, or it is not of the metric of the first: then all is
// done again, in a way that can tell which are equal.
static bool drop_name(struct op_range *o, struct run *r, const struct op_series *from,
                      struct op_series *to)
{
    if (op_drop_alike(r, from->labels, &o->viewed, to)) {
        return true;
    }
    if (!op_drop_name(r, from, to)) {
        return false;
    }
    if (!o->has_first) {
        o->first = *from;
        o->has_first = true;
    }
    return r->opts->delayed_name_removal || op_is_same_metric(from->labels, o->first.labels);
}

// A series as it was read, and its column.
static bool pass_on(void *arg, struct run *r, const struct op_series *from, const struct column *c)
{
    struct op_range *o = arg;
    struct op_series s = *from;
    return (keeps_name(o) || drop_name(o, r, from, &s)) && o->out->take(o->out->arg, r, &s, c);
}

static void pass_flush(void *arg)
{
    const struct op_range *o = arg;
    o->out->flush(o->out->arg);
}

// Can none of its series be equal to another once they have no names? Else they must be compared.
static bool may_stream(const struct op_range *o, const struct run *r)
{
    bool is_one = keeps_name(o) || r->opts->delayed_name_removal;
    for (u32 i = 0; !is_one && i < o->feed.matcher_count; i++) {
        const struct matcher *m = &o->feed.matchers[i];
        is_one = m->op == MATCH_EQ && str_eq(m->name, LABEL_NAME);
    }
    return is_one && !o->task.source.inner;
}

// The names that a taker looks at and those that we do: sorted, each once.
static bool names_join(struct run *r, const struct op_taker *t, struct op_taker *out)
{
    str *names = RUN_NEW_N(r, str, (u64)t->name_count + IDENTITY_LABELS);
    u32 n = 0;
    if (!names) {
        return false;
    }
    for (u32 i = 0, k = 0; i < t->name_count || k < IDENTITY_LABELS;) {
        const int order = i == t->name_count     ? 1
                          : k == IDENTITY_LABELS ? -1
                                                 : str_cmp(t->names[i], identity_labels[k]);
        names[n++] = order < 0 ? t->names[i] : identity_labels[k];
        i += order <= 0;
        k += order >= 0;
    }
    out->names = names;
    out->name_count = n;
    return true;
}

static bool range_stream(struct op *base, struct run *r, const struct op_taker *t, bool *done)
{
    struct op_range *o = range_of(base);
    struct op_taker here = {.take = pass_on, .flush = pass_flush, .arg = o};
    if (!may_stream(o, r)) {
        return true;
    }
    if (t->names && !names_join(r, t, &here)) {
        return false;
    }
    o->out = t;
    o->is_streamed = true;
    if (!settle(o, r) || !range_tiles_stream(&o->feed, r, &o->task, &here, done)) {
        return false;
    }
    base->series_count = *done ? o->feed.series_count : 0;
    return true;
}

static bool range_next(struct op *base, struct run *r, struct column *out)
{
    struct op_range *o = range_of(base);
    struct op *inner = o->task.source.inner;
    if (inner) {
        return op_next(inner, r, &o->inner) &&
               range_eval_inner(&o->eval, r, inner->series[base->at].labels, &o->inner, out);
    }
    if (base->at < o->feed.taken_count) {
        *out = o->taken[base->at];
        return true;
    }
    struct feed_samples s;
    return feed_next(&o->feed, r, &s) &&
           range_eval_samples(&o->eval, r, o->feed.series[base->at].labels, &s, out);
}

static const struct op_ops range_ops = {
    .name = "range", .open = range_open, .next = range_next, .stream = range_stream};

struct op *op_range_new(struct run *r, const struct grid *g, const struct range_source *source,
                        const struct range_call_expr *call)
{
    struct op_range *o = RUN_NEW(r, struct op_range);
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &range_ops, g);
    o->task.grid = *g;
    o->task.source = *source;
    o->task.call = *call;
    if (source->selection) {
        o->selection = *source->selection;
        o->task.source.selection = &o->selection;
        selection_feed(&o->selection, r, g, &o->feed);
        o->feed.hists_pass = true;
        feed_plan(&o->feed, r);
    }
    return &o->base;
}
