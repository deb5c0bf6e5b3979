// op_info.c: info(): labels of info series put on the series of the same job and instance.
//
// Which info series is the right one may change from step to step (the newest sample wins), so the
// child is pulled when the operator is opened, and label sets are made once per choice.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "model/hist.h"
#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#include <math.h>

// What an info series is found by, sorted.
static const str identity[] = {{"__name__", 8}, {"instance", 8}, {"job", 3}};

#define IDENTIFYING 2 // All of them but the name.

// One info metric, by name. Threads: owned.
struct info_metric {
    str name;
    u32 *slot_of; // By base series: the signature's slot, or SLOT_NONE.
};

// Threads: owned by the run.
struct op_info {
    struct op base;
    struct op *child;
    struct op *info;                    // Selects the info series; values are their times.
    const struct expr_vector *selector; // NULL: target_info, all labels.
    const struct matcher *name_matchers;
    u32 name_matcher_count;
    bool *ignored;                    // By base series: an info series itself.
    struct slots values[IDENTIFYING]; // That base series have.
    struct slots signatures;
    u32 *signature_of; // By info series.
    struct info_metric *metrics;
    u32 metric_count;
    struct column *info_columns;
    u32 *newest;      // By signature, at the current step: info series + 1; 0 = none.
    struct slots out; // Output series.
    struct column *columns;
    u32 column_cap;
    u32 *slot_drops; // By output: does the name go at the end?
};

static struct op_info *info_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_info, base);
}

static bool is_data_label(const struct op_info *o, str name)
{
    bool any = false;
    for (u32 i = 0; o->selector && i < o->selector->matcher_count; i++) {
        str wanted = o->selector->matchers[i].name;
        if (str_eq(wanted, LABEL_NAME)) {
            continue;
        }
        any = true;
        if (str_eq(wanted, name)) {
            return true;
        }
    }
    return !any && !str_eq(name, LABEL_NAME);
}

// May a series without any info series stay?
static bool data_may_be_empty(const struct op_info *o)
{
    for (u32 i = 0; o->selector && i < o->selector->matcher_count; i++) {
        const struct matcher *m = &o->selector->matchers[i];
        if (!str_eq(m->name, LABEL_NAME) && !matcher_matches_empty(m)) {
            return false;
        }
    }
    return true;
}

static u32 metric_index(struct op_info *o, str name)
{
    for (u32 i = 0; i < o->metric_count; i++) {
        if (str_eq(o->metrics[i].name, name)) {
            return i;
        }
    }
    o->metrics[o->metric_count].name = name;
    return o->metric_count++;
}

static struct labels signature(struct run *r, struct labels ls, str metric)
{
    struct labels kept = labels_keep(r->scratch, ls, identity + 1, ARRAY_LEN(identity) - 1);
    struct labels_builder b;
    labels_builder_init(&b, r->scratch, kept);
    labels_builder_set(&b, LABEL_NAME, metric);
    return labels_builder_take(&b);
}

static bool sign_info(struct op_info *o, struct run *r)
{
    u32 count = o->info->series_count;
    slots_init(&o->signatures, r);
    o->signature_of = RUN_NEW_N(r, u32, MAX(count, 1U));
    o->metrics = RUN_NEW_N(r, struct info_metric, MAX(count, 1U));
    if (!o->signature_of || !o->metrics) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        struct labels ls = o->info->series[i].labels;
        str name = labels_get(ls, LABEL_NAME);
        arena_reset(r->scratch);
        if (!run_room(r, (u64)(ls.count + 16) * 2 * sizeof(struct label))) {
            return false;
        }
        (void)metric_index(o, name);
        o->signature_of[i] = slots_put(&o->signatures, r, signature(r, ls, name));
        if (o->signature_of[i] == SLOT_NONE) {
            return false;
        }
    }
    return true;
}

static bool sign_base(struct op_info *o, struct run *r)
{
    u32 count = o->child->series_count;
    o->ignored = RUN_NEW_N(r, bool, MAX(count, 1U));
    o->newest = RUN_NEW_N(r, u32, MAX(o->signatures.count, 1U));
    if (!o->ignored || !o->newest) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        str name = labels_get(o->child->series[i].labels, LABEL_NAME);
        bool all = true;
        for (u32 k = 0; k < o->name_matcher_count; k++) {
            all = all && matcher_matches(&o->name_matchers[k], name);
        }
        o->ignored[i] = all;
    }
    for (u32 m = 0; m < o->metric_count; m++) {
        o->metrics[m].slot_of = RUN_NEW_N(r, u32, MAX(count, 1U));
        for (u32 i = 0; o->metrics[m].slot_of && i < count; i++) {
            struct labels ls = o->child->series[i].labels;
            arena_reset(r->scratch);
            if (!run_room(r, (u64)(ls.count + 16) * 2 * sizeof(struct label))) {
                return false;
            }
            o->metrics[m].slot_of[i] =
                slots_get(&o->signatures, signature(r, ls, o->metrics[m].name));
        }
        if (!o->metrics[m].slot_of) {
            return false;
        }
    }
    return true;
}

// The values that base series have of each identifying label.
static bool gather_values(struct op_info *o, struct run *r)
{
    for (u32 l = 0; l < IDENTIFYING; l++) {
        slots_init(&o->values[l], r);
    }
    for (u32 i = 0; i < o->child->series_count; i++) {
        for (u32 l = 0; l < IDENTIFYING && !o->ignored[i]; l++) {
            str v = labels_get(o->child->series[i].labels, identity[l + 1]);
            struct label pair = {identity[l + 1], v};
            if (v.len > 0 && slots_put(&o->values[l], r, (struct labels){&pair, 1}) == SLOT_NONE) {
                return false;
            }
        }
    }
    return true;
}

// Would upstream have asked for this info series at all? Only for values that some base series has.
static bool is_wanted(const struct op_info *o, struct labels info)
{
    bool any = false;
    for (u32 l = 0; l < IDENTIFYING; l++) {
        struct label pair = {identity[l + 1], labels_get(info, identity[l + 1])};
        bool known = o->values[l].count > 0;
        any = any || known;
        if (known && slots_get(&o->values[l], (struct labels){&pair, 1}) == SLOT_NONE) {
            return false;
        }
    }
    return any;
}

static bool fail_same(const struct op_info *o, struct run *r, u32 a, u32 b, u32 step)
{
    struct buf first;
    struct buf second;
    long long t = (long long)o->info_columns[a].values[step];
    buf_init(&first, NOTE_TEXT_BYTES_MAX);
    buf_init(&second, NOTE_TEXT_BYTES_MAX);
    labels_print(&first, o->info->series[a].labels);
    labels_print(&second, o->info->series[b].labels);
    run_fail(r, ERR_EXISTS,
             "found duplicate series for info metric: existing %.*s @ %lld, new %.*s @ %lld",
             STR_ARG(buf_get(&first)), t, STR_ARG(buf_get(&second)), t);
    buf_fini(&first);
    buf_fini(&second);
    return false;
}

static bool find_newest(struct op_info *o, struct run *r, const bool *wanted, u32 step)
{
    memset(o->newest, 0, o->signatures.count * sizeof(u32));
    for (u32 i = 0; i < o->info->series_count; i++) {
        const struct column *c = &o->info_columns[i];
        if (!wanted[i] || !column_has(c, step)) {
            continue;
        }
        u32 *best = &o->newest[o->signature_of[i]];
        f64 t = c->values[step];
        f64 known = *best > 0 ? o->info_columns[*best - 1].values[step] : -INFINITY;
        if (t == known) {
            return fail_same(o, r, *best - 1, i, step);
        }
        if (t > known) {
            *best = i + 1;
        }
    }
    return true;
}

// Puts the data labels of one info series on those gathered so far.
static bool gather_labels(const struct op_info *o, struct run *r, struct labels_builder *b,
                          struct labels base, struct labels info)
{
    for (u32 i = 0; i < info.count; i++) {
        const struct label *l = &info.items[i];
        if (str_eq(l->name, LABEL_NAME) || !is_data_label(o, l->name)) {
            continue;
        }
        str known = labels_builder_get(b, l->name);
        if (known.len > 0 && !str_eq(known, l->value)) {
            return run_fail(r, ERR_EXISTS, "conflicting label: %.*s", STR_ARG(l->name));
        }
        if (!labels_has(base, l->name)) {
            labels_builder_set(b, l->name, l->value);
        }
    }
    return true;
}

// The output's labels for a base series at the current step, in scratch; *stays false if there is
// none.
static bool enrich(const struct op_info *o, struct run *r, u32 series, struct labels *out,
                   bool *stays)
{
    struct labels base = o->child->series[series].labels;
    struct labels_builder b;
    bool found = false;
    *out = base;
    *stays = true;
    if (o->ignored[series]) {
        return true;
    }
    labels_builder_init(&b, r->scratch, (struct labels){NULL, 0});
    for (u32 m = 0; m < o->metric_count; m++) {
        u32 slot = o->metrics[m].slot_of[series];
        u32 best = slot == SLOT_NONE ? 0 : o->newest[slot];
        if (best > 0) {
            found = true;
            if (!gather_labels(o, r, &b, base, o->info->series[best - 1].labels)) {
                return false;
            }
        }
    }
    *stays = found || data_may_be_empty(o);
    struct labels extra = labels_builder_take(&b);
    labels_builder_init(&b, r->scratch, base);
    for (u32 i = 0; i < extra.count; i++) {
        labels_builder_set(&b, extra.items[i].name, extra.items[i].value);
    }
    *out = labels_builder_take(&b);
    return true;
}

static bool put_value(struct op_info *o, struct run *r, struct labels ls, const struct column *from,
                      u32 step, bool drop_name)
{
    u32 known = o->out.count;
    u32 slot = slots_put(&o->out, r, ls);
    if (slot == SLOT_NONE) {
        return false;
    }
    if (slot == known) {
        if (slot >= o->column_cap) {
            u32 cap = MAX(64U, o->column_cap * 2);
            o->columns = run_grow(r, o->columns, o->column_cap, cap, sizeof(*o->columns));
            o->slot_drops = run_grow(r, o->slot_drops, o->column_cap, cap, sizeof(u32));
            o->column_cap = cap;
        }
        if (!o->columns || !o->slot_drops ||
            !column_init(r, &o->columns[slot], o->base.grid.steps)) {
            return false;
        }
        o->slot_drops[slot] = drop_name;
    }
    if (column_has(&o->columns[slot], step)) {
        return run_fail(r, ERR_EXISTS, "vector cannot contain metrics with the same labelset");
    }
    if (column_hist(from, step)) {
        return column_set_hist(r, &o->columns[slot], step, column_hist(from, step));
    }
    column_set(&o->columns[slot], step, from->values[step]);
    return true;
}

static bool combine_step(struct op_info *o, struct run *r, const struct column *base,
                         const bool *wanted, u32 step)
{
    bool any = false;
    for (u32 i = 0; i < o->child->series_count && !any; i++) {
        any = column_has(&base[i], step);
    }
    if (!any) {
        return true;
    }
    if (!query_tick(r) || !find_newest(o, r, wanted, step)) {
        return false;
    }
    for (u32 i = 0; i < o->child->series_count; i++) {
        struct labels ls;
        bool stays;
        if (!column_has(&base[i], step)) {
            continue;
        }
        arena_reset(r->scratch);
        if (!enrich(o, r, i, &ls, &stays) ||
            (stays && !put_value(o, r, ls, &base[i], step, o->child->series[i].drop_name))) {
            return false;
        }
    }
    return true;
}

static bool info_open(struct op *base, struct run *r)
{
    struct op_info *o = info_of(base);
    struct column *columns;
    if (!op_open(o->child, r) || !op_open(o->info, r) || !op_collect(o->child, r, &columns) ||
        !op_collect(o->info, r, &o->info_columns) || !sign_info(o, r) || !sign_base(o, r) ||
        !gather_values(o, r)) {
        return false;
    }
    slots_init(&o->out, r);
    bool *wanted = RUN_NEW_N(r, bool, MAX(o->info->series_count, 1U));
    if (!wanted) {
        return false;
    }
    for (u32 i = 0; i < o->info->series_count; i++) {
        wanted[i] = is_wanted(o, o->info->series[i].labels);
        if (o->info_columns[i].hists) {
            return run_fail(r, ERR_OUT_OF_ORDER, "info sample should be float");
        }
    }
    for (u32 i = 0; i < base->grid.steps; i++) {
        if (!combine_step(o, r, columns, wanted, i)) {
            return false;
        }
    }
    if (!op_make_series(base, r, o->out.count)) {
        return false;
    }
    for (u32 i = 0; i < base->series_count; i++) {
        base->series[i] =
            (struct op_series){.labels = o->out.labels[i], .drop_name = o->slot_drops[i] != 0};
    }
    return true;
}

static bool info_next(struct op *base, struct run *r, struct column *out)
{
    return column_copy(r, out, &info_of(base)->columns[base->at]);
}

static const struct op_ops info_ops = {.name = "info", .open = info_open, .next = info_next};

// The matchers of the info series' name: what was given, or what stands for nothing given.
static bool name_matchers(struct run *r, const struct expr_vector *selector, struct matcher **out,
                          u32 *count)
{
    u32 given = selector ? selector->matcher_count : 0;
    struct matcher *ms = RUN_NEW_N(r, struct matcher, (u64)given + 1);
    bool positive = false;
    u32 n = 0;
    for (u32 i = 0; ms && i < given; i++) {
        if (str_eq(selector->matchers[i].name, LABEL_NAME)) {
            ms[n++] = selector->matchers[i];
            positive = positive || ms[n - 1].op == MATCH_EQ || ms[n - 1].op == MATCH_RE;
        }
    }
    if (!ms) {
        return false;
    }
    if (!positive) {
        struct error e;
        enum match_op op = n > 0 ? MATCH_RE : MATCH_EQ;
        if (!matcher_init(&ms[n++], r->arena, op, LABEL_NAME,
                          op == MATCH_RE ? STR(".+_info") : STR("target_info"), &e)) {
            return run_fail_with(r, &e);
        }
    }
    *out = ms;
    *count = n;
    return true;
}

struct op *op_info_new(struct run *r, struct op *base, const struct expr *selector,
                       const struct time_ref *ref)
{
    struct op_info *o = base ? RUN_NEW(r, struct op_info) : NULL;
    struct expr *x = RUN_NEW(r, struct expr);
    struct matcher *names = NULL;
    u32 name_count = 0;
    if (!o || !x || !name_matchers(r, selector ? &selector->vector : NULL, &names, &name_count)) {
        return NULL;
    }
    o->selector = selector ? &selector->vector : NULL;
    u32 given = selector ? selector->vector.matcher_count : 0;
    struct matcher *all = RUN_NEW_N(r, struct matcher, (u64)given + name_count);
    if (!all) {
        return NULL;
    }
    u32 n = 0;
    for (u32 i = 0; i < given; i++) {
        if (!str_eq(selector->vector.matchers[i].name, LABEL_NAME)) {
            all[n++] = selector->vector.matchers[i];
        }
    }
    for (u32 i = 0; i < name_count; i++) {
        all[n + i] = names[i];
    }
    *x = (struct expr){.kind = EXPR_VECTOR, .type = TYPE_VECTOR};
    x->vector.matchers = all;
    x->vector.matcher_count = n + name_count;
    struct selection s = {.expr = x, .ref = *ref};
    op_init(&o->base, r, &info_ops, &base->grid);
    o->child = base;
    o->name_matchers = names;
    o->name_matcher_count = name_count;
    o->info = op_select_new(r, &base->grid, &s, SELECT_SAMPLE_TIME);
    return o->info ? &o->base : NULL;
}
