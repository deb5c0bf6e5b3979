// op_aggregate.c: sum, avg, count, min, max, group, stddev, stdvar, quantile.
//
// The child's columns are folded one after the other into a cell per group and step, in the order
// of the series, which is upstream's order of summing. A child that can streams them, and nobody
// keeps them. Only quantile keeps the values themselves.
// The floats of the most common operators are not in cells but in arrays (agg_floats.h).
#include "model/kahan.h"
#include "model/sample.h"
#include "promql/agg_floats.h"
#include "promql/fn_hist.h"
#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#include <math.h>

// One group at one step. What its fields mean depends on the operator. Threads: owned.
struct cell {
    union {
        struct kahan sum;
        struct kahan_mean mean;
        struct {
            f64 value; // Extreme, or the sum of squares of stdvar.
            f64 center;
            f64 count;
        } plain;
    } u;
    struct hist_fold *hists; // Of sum and avg; NULL as long as there was none.
    bool has_float;
    bool mixes_schemas; // The histograms met cannot be added up.
};

// Threads: owned.
struct agg_group {
    struct cell *row; // By step; NULL until something is not in arrays.
    bool drops_name;  // Of a series that was streamed.
};

// A column that was streamed and is not folded yet. Threads: owned by the run.
struct waiting {
    u32 group;
    const struct column *column;
};

// Threads: owned by the run.
struct op_aggregate {
    struct op base;
    const struct expr *expr;
    enum aggregate_op op;
    struct op *child;
    struct op *param_op;
    struct column param;
    struct grouping grouping;
    struct agg_floats floats; // Of the operators that it knows.
    bool in_arrays;
    struct agg_group *groups; // So many as are known so far,
    u32 group_cap;            // and room for these.
    struct column *collected; // quantile: all columns of the child,
    u32 *members;             // whose series stand here by group,
    u32 *ends;                // up to here.
    f64 *scratch;
    struct hist_spare spare;
    struct waiting waiting[AGG_COLUMNS_MAX]; // So that those of a group are folded together.
    u32 waiting_count;
    bool is_folded;
};

static struct op_aggregate *aggregate_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_aggregate, base);
}

static struct text_span inner_span(const struct op_aggregate *o)
{
    return expr_unwrap(o->expr->aggregate.inner)->span;
}

static void check_quantile(const struct op_aggregate *o, struct run *r)
{
    f64 low = INFINITY;
    f64 high = -INFINITY;
    struct text_span at = expr_unwrap(o->expr->aggregate.param)->span;
    bool has_nan = false;
    for (u32 i = 0; i < o->param.steps; i++) {
        f64 v = o->param.values[i];
        has_nan = has_nan || isnan(v);
        low = fmin(low, v);
        high = fmax(high, v);
    }
    if (has_nan) {
        note_bad_quantile(r, at, normal_nan());
        return;
    }
    if (high > 1 && o->param.steps > 0) {
        note_bad_quantile(r, at, high);
    }
    if (low < 0) {
        note_bad_quantile(r, at, low);
    }
}

static void start_cell(enum aggregate_op op, struct cell *c, f64 v)
{
    c->has_float = true;
    c->u.plain.count = 1;
    c->u.plain.value = v;
    c->u.plain.center = v;
    if (op == AGG_SUM) {
        c->u.sum = (struct kahan){.sum = v};
    } else if (op == AGG_AVG) {
        kahan_mean_start(&c->u.mean, v);
    } else if (op == AGG_STDDEV || op == AGG_STDVAR) {
        c->u.plain.value = isnan(v) || isinf(v) ? normal_nan() : 0;
    }
}

static void fold_float(enum aggregate_op op, struct cell *c, f64 v)
{
    if (!c->has_float) {
        start_cell(op, c, v);
        return;
    }
    switch ((int)op) {
    case AGG_SUM:
        kahan_add(&c->u.sum, v);
        break;
    case AGG_AVG:
        kahan_mean_add(&c->u.mean, v);
        break;
    case AGG_COUNT:
        c->u.plain.count++;
        break;
    case AGG_MIN:
        if (c->u.plain.value > v || isnan(c->u.plain.value)) {
            c->u.plain.value = v;
        }
        break;
    case AGG_MAX:
        if (c->u.plain.value < v || isnan(c->u.plain.value)) {
            c->u.plain.value = v;
        }
        break;
    case AGG_STDDEV:
    case AGG_STDVAR: {
        f64 delta = v - c->u.plain.center;
        c->u.plain.count++;
        c->u.plain.center += delta / c->u.plain.count;
        c->u.plain.value += delta * (v - c->u.plain.center);
        break;
    }
    default:
        break; // group
    }
}

static bool sum_hist(struct op_aggregate *o, struct run *r, struct cell *c,
                     const struct op_series *s, const struct hist *h)
{
    if (c->mixes_schemas) {
        return true;
    }
    if (!run_work(r, hist_work(h))) {
        return false;
    }
    if (!c->hists) {
        c->hists = RUN_NEW(r, struct hist_fold);
        if (!c->hists || !run_room(r, 64 * hist_work(h) + 1024)) {
            return false;
        }
        hist_fold_start(c->hists, r->arena, &o->spare, o->op == AGG_AVG, h);
        return true;
    }
    if (!run_room(r, 2 * hist_sum_need(&c->hists->sum, h))) {
        return false;
    }
    if (!hist_fold_add(c->hists, h)) {
        CHECK(s); // Who has histograms has labels.
        note_mixed_schemas(r, inner_span(o), labels_get(s->labels, LABEL_NAME));
        c->mixes_schemas = true;
    }
    return true;
}

// Makes room for so many groups.
static bool groups_grow(struct op_aggregate *o, struct run *r, u32 count)
{
    if (count > o->group_cap) {
        const u32 cap = MAX(count, o->group_cap * 2);
        struct agg_group *groups = run_grow(r, o->groups, o->group_cap, cap, sizeof(*groups));
        if (!groups) {
            return false;
        }
        o->groups = groups;
        o->group_cap = cap;
    }
    return !o->in_arrays || agg_floats_grow(&o->floats, r, count);
}

// The cells of a group; NULL and the run failed beyond its memory.
static struct cell *group_cells(struct op_aggregate *o, struct run *r, u32 group)
{
    struct agg_group *g = &o->groups[group];
    if (!g->row) {
        g->row = RUN_NEW_N(r, struct cell, o->base.grid.steps);
    }
    return g->row;
}

// One value of a column.
static void put_float(struct op_aggregate *o, u32 group, struct cell *row, u32 step, f64 v)
{
    if (o->in_arrays) {
        agg_floats_put(&o->floats, group, step, v);
    } else {
        fold_float(o->op, &row[step], v);
    }
}

// Where what a series has goes. Threads: value.
struct place {
    u32 group;
    const struct op_series *series; // NULL: nobody asked for its labels, and all are floats.
};

static bool put_hist(struct op_aggregate *o, struct run *r, struct place at, struct cell *row,
                     u32 step, const struct hist *h)
{
    if (o->op == AGG_COUNT || o->op == AGG_GROUP) {
        put_float(o, at.group, row, step, 0);
        return true;
    }
    if (o->op == AGG_SUM || o->op == AGG_AVG) {
        return sum_hist(o, r, &row[step], at.series, h);
    }
    note_ignored_hist_in_aggregation(r, inner_span(o), aggregate_op_text(o->op));
    return true;
}

static bool fold_column(struct op_aggregate *o, struct run *r, struct place at,
                        const struct column *c)
{
    if (o->in_arrays && !c->hists) {
        agg_floats_fold(&o->floats, at.group, &c, 1);
        return true;
    }
    struct cell *row = group_cells(o, r, at.group);
    if (!row) {
        return false;
    }
    for (u32 i = 0; i < c->steps; i++) {
        if (!column_has(c, i)) {
            continue;
        }
        const struct hist *h = column_hist(c, i);
        if (!h) {
            put_float(o, at.group, row, i, c->values[i]);
        } else if (!put_hist(o, r, at, row, i, h)) {
            return false;
        }
    }
    return true;
}

// Of the child that has been opened.
static struct place place_of(const struct op_aggregate *o, u32 series)
{
    return (struct place){.group = o->grouping.group_of[series],
                          .series = o->child->series ? &o->child->series[series] : NULL};
}

// The same of one step, all series at once.
static bool fold_instants(struct op_aggregate *o, struct run *r, const struct instants *x)
{
    if (!x->hists && o->in_arrays && o->grouping.slots.count == 1) {
        agg_floats_put_all(&o->floats, 0, 0, x->values, o->child->series_count);
        return true;
    }
    for (u32 k = 0; k < o->child->series_count; k++) {
        const struct place at = place_of(o, k);
        const struct hist *h = x->hists ? x->hists[k] : NULL;
        if (!h && o->in_arrays) {
            agg_floats_put(&o->floats, at.group, 0, x->values[k]);
            continue;
        }
        struct cell *row = group_cells(o, r, at.group);
        if (!row || (h && !put_hist(o, r, at, row, 0, h))) {
            return false;
        }
        if (!h) {
            fold_float(o->op, row, x->values[k]);
        }
    }
    return true;
}

static bool fold_all(struct op_aggregate *o, struct run *r)
{
    struct column c;
    struct instants x;
    u32 steps = o->base.grid.steps;
    o->is_folded = true;
    if (!groups_grow(o, r, o->base.series_count)) {
        return false;
    }
    if (op_instants(o->child, &x)) {
        return fold_instants(o, r, &x);
    }
    if (!column_init(r, &c, steps)) {
        return false;
    }
    for (u32 k = 0; k < o->child->series_count; k++) {
        if (!op_next(o->child, r, &c) || !fold_column(o, r, place_of(o, k), &c)) {
            return false;
        }
    }
    return true;
}

// Those that wait are folded, all of a group at once.
static void fold_waiting(void *arg)
{
    struct op_aggregate *o = arg;
    for (u32 i = 0; i < o->waiting_count; i++) {
        const struct column *columns[AGG_COLUMNS_MAX];
        const u32 group = o->waiting[i].group;
        u32 n = 0;
        for (u32 k = i; k < o->waiting_count; k++) {
            if (o->waiting[k].column && o->waiting[k].group == group) {
                columns[n++] = o->waiting[k].column;
                o->waiting[k].column = NULL;
            }
        }
        if (n > 0) {
            agg_floats_fold(&o->floats, group, columns, n);
        }
    }
    o->waiting_count = 0;
}

// As fold_column, of one that stays until the next flush.
static bool fold_streamed(struct op_aggregate *o, struct run *r, struct place at,
                          const struct column *c)
{
    const bool waits = o->in_arrays && !c->hists;
    if (!waits || o->waiting_count == AGG_COLUMNS_MAX) {
        fold_waiting(o);
    }
    if (waits) {
        o->waiting[o->waiting_count++] = (struct waiting){.group = at.group, .column = c};
        return true;
    }
    return fold_column(o, r, at, c);
}

// A series of the child and its column, as they come.
static bool take_streamed(void *arg, struct run *r, const struct op_series *s,
                          const struct column *c)
{
    struct op_aggregate *o = arg;
    struct place at = {.series = s};
    r->op_order = o->base.order;
    if ((!o->grouping.memo && !grouping_begin(&o->grouping, r)) ||
        !grouping_add(&o->grouping, r, s->labels, &at.group) ||
        !groups_grow(o, r, o->grouping.slots.count)) {
        return false;
    }
    o->groups[at.group].drops_name = o->groups[at.group].drops_name || s->drop_name;
    return fold_streamed(o, r, at, c);
}

// Nothing has been folded yet, or nothing of it counts.
static void fold_begin(struct op_aggregate *o, const struct run *r)
{
    o->in_arrays = agg_floats_knows(o->op) && !r->opts->window_by_window;
    agg_floats_init(&o->floats, o->op, o->base.grid.steps);
    o->grouping.memo = NULL;
    o->groups = NULL;
    o->group_cap = 0;
    o->spare = (struct hist_spare){0};
    o->waiting_count = 0;
}

// Finds the groups of the child's series. One that streams is folded by then.
static bool open_child(struct op_aggregate *o, struct run *r)
{
    struct op_taker taker = {.take = take_streamed, .flush = fold_waiting, .arg = o};
    if (o->grouping.rule.keep) {
        taker.names = o->grouping.rule.names;
        taker.name_count = o->grouping.rule.count;
    }
    fold_begin(o, r);
    if (o->op != AGG_QUANTILE && !op_stream(o->child, r, &taker, &o->is_folded)) {
        return false;
    }
    if (o->is_folded) {
        return true;
    }
    fold_begin(o, r);
    return op_open(o->child, r) &&
           grouping_make(&o->grouping, r, o->child->series, o->child->series_count);
}

static bool aggregate_open(struct op *base, struct run *r)
{
    struct op_aggregate *o = aggregate_of(base);
    const struct expr_aggregate *x = &o->expr->aggregate;
    if (o->param_op) {
        if (!op_collect_scalar(o->param_op, r, &o->param)) {
            return false;
        }
        check_quantile(o, r);
    }
    if (!label_rule_make(r, x->labels, x->label_count, x->without ? LABEL_NAME : STR_EMPTY,
                         !x->without, &o->grouping.rule)) {
        return false;
    }
    if (!x->without) {
        op_narrow(o->child, o->grouping.rule.names, o->grouping.rule.count);
    }
    if (!open_child(o, r) || !op_make_series(base, r, o->grouping.slots.count)) {
        return false;
    }
    for (u32 i = 0; i < base->series_count; i++) {
        base->series[i].labels = o->grouping.slots.labels[i];
        base->series[i].drop_name = o->is_folded && o->groups[i].drops_name;
    }
    for (u32 i = 0; o->child->series && i < o->child->series_count; i++) {
        if (o->child->series[i].drop_name) {
            base->series[o->grouping.group_of[i]].drop_name = true;
        }
    }
    return true;
}

static f64 cell_value(enum aggregate_op op, const struct cell *c)
{
    switch ((int)op) {
    case AGG_SUM:
        return c->u.sum.sum + c->u.sum.lost;
    case AGG_AVG:
        return kahan_mean_get(&c->u.mean);
    case AGG_COUNT:
        return c->u.plain.count;
    case AGG_GROUP:
        return 1;
    case AGG_STDVAR:
        return c->u.plain.value / c->u.plain.count;
    case AGG_STDDEV:
        return sqrt(c->u.plain.value / c->u.plain.count);
    default:
        return c->u.plain.value; // min, max
    }
}

static bool emit_hist(const struct op_aggregate *o, struct run *r, const struct cell *c, u32 step,
                      struct column *out)
{
    struct hist_fold *f = c->hists;
    if (c->has_float) {
        note_warning(r, inner_span(o),
                     "encountered a mix of histograms and floats for aggregation");
        return true;
    }
    if (f->has_reset && f->has_no_reset) {
        note_resets_collide(r, inner_span(o), HIST_PART_AGGREGATION);
    }
    if (f->bounds_reconciled) {
        note_bounds_reconciled(r, inner_span(o), HIST_PART_AGGREGATION);
    }
    if (c->mixes_schemas) {
        return true;
    }
    u64 buckets = (u64)f->sum.positive.n + f->sum.negative.n + f->sum.bound_count;
    return run_room(r, buckets * 2 * sizeof(f64) + sizeof(struct hist)) &&
           column_set_hist(r, out, step, hist_fold_take(f, r->arena));
}

static bool aggregate_next(struct op *base, struct run *r, struct column *out)
{
    struct op_aggregate *o = aggregate_of(base);
    if (!o->is_folded && !fold_all(o, r)) {
        return false;
    }
    if (o->in_arrays) {
        agg_floats_get(&o->floats, base->at, out);
    }
    struct cell *row = o->groups[base->at].row;
    for (u32 i = 0; row && i < out->steps; i++) {
        if (row[i].hists) {
            row[i].has_float = row[i].has_float || column_has(out, i);
            bits_drop(out->present, i);
            if (!emit_hist(o, r, &row[i], i, out)) {
                return false;
            }
        } else if (row[i].has_float) {
            column_set(out, i, cell_value(o->op, &row[i]));
        }
    }
    return true;
}

// Puts the series of each group together, in their order.
static bool find_members(struct op_aggregate *o, struct run *r)
{
    u32 count = o->child->series_count;
    u32 groups = o->base.series_count;
    o->members = RUN_NEW_N(r, u32, count);
    o->ends = RUN_NEW_N(r, u32, (u64)groups + 1);
    if (!o->members || !o->ends) {
        return false;
    }
    for (u32 k = 0; k < count; k++) {
        o->ends[o->grouping.group_of[k] + 1]++;
    }
    for (u32 i = 0; i < groups; i++) {
        o->ends[i + 1] += o->ends[i];
    }
    for (u32 k = 0; k < count; k++) { // Moves each beginning to its end.
        o->members[o->ends[o->grouping.group_of[k]]++] = k;
    }
    return true;
}

static bool quantile_next(struct op *base, struct run *r, struct column *out)
{
    struct op_aggregate *o = aggregate_of(base);
    if (!o->collected) {
        o->scratch = RUN_NEW_N(r, f64, o->child->series_count);
        if (!o->scratch || !find_members(o, r) || !op_collect(o->child, r, &o->collected)) {
            return false;
        }
    }
    u32 from = base->at > 0 ? o->ends[base->at - 1] : 0;
    for (u32 i = 0; i < out->steps; i++) {
        u32 n = 0;
        for (u32 k = from; k < o->ends[base->at]; k++) {
            const struct column *c = &o->collected[o->members[k]];
            if (!column_has(c, i)) {
                continue;
            }
            if (column_hist(c, i)) {
                note_ignored_hist_in_aggregation(r, inner_span(o), "quantile");
            } else {
                o->scratch[n++] = c->values[i];
            }
        }
        if (n > 0) {
            column_set(out, i, quantile_of(o->param.values[i], o->scratch, n));
        }
        if (!run_work(r, o->ends[base->at] - from)) {
            return false;
        }
    }
    return true;
}

static const struct op_ops aggregate_ops = {
    .name = "aggregate", .open = aggregate_open, .next = aggregate_next};
static const struct op_ops quantile_ops = {
    .name = "quantile", .open = aggregate_open, .next = quantile_next};

struct op *op_aggregate_new(struct run *r, const struct expr *x, struct op *child, struct op *param)
{
    struct op_aggregate *o = child ? RUN_NEW(r, struct op_aggregate) : NULL;
    if (!o) {
        return NULL;
    }
    bool is_quantile = x->aggregate.op == AGG_QUANTILE;
    CHECK(is_quantile == (param != NULL));
    op_init(&o->base, r, is_quantile ? &quantile_ops : &aggregate_ops, &child->grid);
    o->expr = x;
    o->op = x->aggregate.op;
    o->child = child;
    o->param_op = param;
    return &o->base;
}
