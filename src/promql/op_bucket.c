// op_bucket.c: histogram_quantile, histogram_quantiles and histogram_fraction.
//
// Which series are buckets of which classic histogram, and their order by upper bound, is found
// once; at a step only counts are gathered. A native histogram beside classic buckets of the same
// labels is warned of and gives nothing.
#include "base/arena.h"
#include "base/bits.h"
#include "base/num.h"
#include "base/str.h"
#include "model/hist_quantile.h"
#include "model/hist_sum.h"
#include "model/sample.h"
#include "promql/fn_bucket.h"
#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#include <math.h>
#include <stdlib.h>

#define BUCKET_PARAMS_MAX 10

// A series that is a bucket, or has no proper bound. Threads: owned.
struct bucket_member {
    u32 series;
    u32 slot;
    f64 upper;
    bool bad;
    bool told; // That it is bad.
};

// One quantile: a parameter, at the steps where it has this value. Threads: owned.
struct quantile_choice {
    u32 param;
    f64 q;
};

// Threads: owned by the run.
struct op_bucket {
    struct op base;
    const struct function *fn;
    str label; // histogram_quantiles
    struct text_span vector_span;
    struct text_span param_spans[BUCKET_PARAMS_MAX];
    struct op *child;
    struct op *param_ops[BUCKET_PARAMS_MAX];
    struct column params[BUCKET_PARAMS_MAX];
    u32 param_count;
    struct slots slots;            // One per histogram.
    struct bucket_member *members; // By slot, then by upper bound.
    u32 *starts;                   // slots.count + 1 places in members.
    struct quantile_choice *choices;
    u32 choice_count;
    u32 choice_cap;
    struct column *columns;
    struct bucket *gathered;
};

static struct op_bucket *bucket_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_bucket, base);
}

static int by_slot_and_bound(const void *a, const void *b)
{
    const struct bucket_member *x = a;
    const struct bucket_member *y = b;
    if (x->slot != y->slot) {
        return x->slot < y->slot ? -1 : 1;
    }
    if (x->bad != y->bad) {
        return x->bad ? 1 : -1;
    }
    if (x->upper != y->upper && !x->bad) {
        return x->upper < y->upper ? -1 : 1;
    }
    return x->series < y->series ? -1 : x->series > y->series;
}

static bool find_members(struct op_bucket *o, struct run *r)
{
    u32 count = o->child->series_count;
    struct label_rule rule;
    o->members = RUN_NEW_N(r, struct bucket_member, MAX(count, 1U));
    slots_init(&o->slots, r);
    if (!o->members || !label_rule_make(r, &LABEL_LE, 1, STR_EMPTY, false, &rule)) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        struct bucket_member *m = &o->members[i];
        struct labels ls;
        arena_reset(r->scratch);
        if (!label_rule_apply(&rule, r, o->child->series[i].labels, &ls)) {
            return false;
        }
        m->series = i;
        m->slot = slots_put(&o->slots, r, ls);
        m->bad = !num_parse(labels_get(o->child->series[i].labels, LABEL_LE), &m->upper) ||
                 isnan(m->upper);
        if (m->slot == SLOT_NONE) {
            return false;
        }
    }
    if (count > 1) {
        qsort(o->members, count, sizeof(*o->members), by_slot_and_bound);
    }
    o->starts = RUN_NEW_N(r, u32, (u64)o->slots.count + 1);
    o->gathered = RUN_NEW_N(r, struct bucket, MAX(count, 1U));
    if (!o->starts || !o->gathered) {
        return false;
    }
    for (u32 i = count; i-- > 0;) {
        o->starts[o->members[i].slot] = i;
    }
    o->starts[o->slots.count] = count;
    return true;
}

static bool same_bits(f64 a, f64 b)
{
    return bits_of_f64(a) == bits_of_f64(b);
}

static bool add_choice(struct op_bucket *o, struct run *r, u32 param, f64 q)
{
    for (u32 k = 0; k < o->choice_count; k++) {
        if (o->choices[k].param == param && same_bits(o->choices[k].q, q)) {
            return true;
        }
    }
    if (o->choice_count == o->choice_cap) {
        u32 cap = MAX(16U, o->choice_cap * 2);
        struct quantile_choice *grown = run_grow(r, o->choices, o->choice_cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        o->choices = grown;
        o->choice_cap = cap;
    }
    o->choices[o->choice_count++] = (struct quantile_choice){param, q};
    return true;
}

// Each different value of each parameter gives series of its own.
static bool find_choices(struct op_bucket *o, struct run *r)
{
    for (u32 p = 0; p < o->param_count; p++) {
        for (u32 i = 0; i < o->base.grid.steps; i++) {
            f64 q = o->params[p].values[i];
            bool as_before = i > 0 && same_bits(q, o->params[p].values[i - 1]);
            if (!as_before && !add_choice(o, r, p, q)) {
                return false;
            }
        }
    }
    return true;
}

// As exposition formats write a quantile: 1 is 1.0.
static str quantile_text(struct run *r, f64 q)
{
    char text[NUM_TEXT_MAX];
    size_t n = num_go(text, q);
    str s = str_make(text, n);
    if (isfinite(q) && str_find(s, '.') == STR_NONE && str_find(s, 'e') == STR_NONE) {
        return arena_printf(r->arena, "%.*s.0", STR_ARG(s));
    }
    return arena_str(r->arena, s);
}

static bool name_series(struct op_bucket *o, struct run *r)
{
    u32 per_choice = MAX(o->slots.count, 1U);
    u64 count = (u64)o->slots.count * (o->fn->id == FN_HISTOGRAM_QUANTILES ? o->choice_count : 1);
    if (count > UINT32_MAX / 2) {
        return run_fail(r, ERR_LIMIT, "histogram_quantiles makes more than 2^31 series");
    }
    if (!op_make_series(&o->base, r, (u32)count)) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        struct op_series plain = {.labels = o->slots.labels[i % per_choice]};
        if (!op_drop_name(r, &plain, &o->base.series[i]) || !run_room(r, 4096)) {
            return false;
        }
        if (o->fn->id == FN_HISTOGRAM_QUANTILES) {
            struct labels_builder b;
            labels_builder_init(&b, r->arena, o->base.series[i].labels);
            labels_builder_set(&b, o->label, quantile_text(r, o->choices[i / per_choice].q));
            o->base.series[i].labels = labels_builder_take(&b);
        }
    }
    return true;
}

static bool bucket_open(struct op *base, struct run *r)
{
    struct op_bucket *o = bucket_of(base);
    for (u32 i = 0; i < o->param_count; i++) {
        if (!op_collect_scalar(o->param_ops[i], r, &o->params[i])) {
            return false;
        }
        for (u32 k = 0; k < base->grid.steps && o->fn->id != FN_HISTOGRAM_FRACTION; k++) {
            f64 q = o->params[i].values[k];
            if (isnan(q) || q < 0 || q > 1) {
                note_bad_quantile(r, o->param_spans[i], q);
            }
        }
    }
    if (o->fn->id == FN_HISTOGRAM_QUANTILES && !label_name_valid(o->label)) {
        return run_fail(r, ERR_OUT_OF_ORDER, "invalid label name %s", run_quoted(r, o->label));
    }
    return op_open(o->child, r) && find_members(o, r) &&
           (o->fn->id != FN_HISTOGRAM_QUANTILES || find_choices(o, r)) && name_series(o, r);
}

static str told_name(const struct run *r, struct labels ls)
{
    return r->opts->delayed_name_removal ? labels_get(ls, LABEL_NAME) : STR_EMPTY;
}

static void tell_bad_bound(const struct op_bucket *o, struct run *r, struct bucket_member *m)
{
    struct labels ls = o->child->series[m->series].labels;
    if (m->told) {
        return;
    }
    m->told = true;
    str name = told_name(r, ls);
    note_warning(r, o->vector_span,
                 "bucket label \"le\" is missing or has a malformed value of %s%s%s",
                 run_quoted(r, labels_get(ls, LABEL_LE)), name.len > 0 ? " for metric name " : "",
                 name.len > 0 ? run_quoted(r, name) : "");
}

static void tell_mixed(const struct op_bucket *o, struct run *r, struct labels ls)
{
    str name = told_name(r, ls);
    note_warning(r, o->vector_span, "vector contains a mix of classic and native histograms%s%s",
                 name.len > 0 ? " for metric name " : "", name.len > 0 ? run_quoted(r, name) : "");
}

// The native histogram at a step, or the classic one's buckets, rising; *count 0 if there is none.
static const struct hist *gather(struct op_bucket *o, struct run *r, u32 slot, u32 step, u32 *count)
{
    const struct hist *native = NULL;
    u32 n = 0;
    for (u32 i = o->starts[slot]; i < o->starts[slot + 1]; i++) {
        struct bucket_member *m = &o->members[i];
        const struct column *c = &o->columns[m->series];
        if (!column_has(c, step)) {
            continue;
        }
        if (column_hist(c, step)) {
            native = column_hist(c, step);
        } else if (m->bad) {
            tell_bad_bound(o, r, m);
        } else {
            o->gathered[n++] = (struct bucket){m->upper, c->values[step]};
        }
    }
    if (native && n > 0) {
        tell_mixed(o, r, o->slots.labels[slot]);
        native = NULL;
        n = 0;
    }
    *count = n;
    return native;
}

static void tell_nan(const struct op_bucket *o, struct run *r, u32 slot, const char *what)
{
    str name = told_name(r, o->slots.labels[slot]);
    note_info(r, o->vector_span, "input to %s has NaN observations, %s%s%s",
              o->fn->id == FN_HISTOGRAM_FRACTION ? "histogram_fraction" : "histogram_quantile",
              what, name.len > 0 ? " for metric name " : "",
              name.len > 0 ? run_quoted(r, name) : "");
}

static f64 evaluate_native(struct op_bucket *o, struct run *r, u32 slot, u32 step, f64 q,
                           const struct hist *h)
{
    enum hist_nan_effect effect;
    if (o->fn->id == FN_HISTOGRAM_FRACTION) {
        if (isnan(h->sum) && h->count != 0) {
            tell_nan(o, r, slot, "which are excluded from all fractions");
        }
        return hist_fraction(q, o->params[1].values[step], h);
    }
    f64 v = hist_quantile(q, h, &effect);
    if (effect != HIST_NAN_NONE) {
        tell_nan(o, r, slot,
                 effect == HIST_NAN_RESULT ? "result is NaN" : "result is skewed higher");
    }
    return v;
}

static f64 evaluate(struct op_bucket *o, struct run *r, u32 slot, u32 step, f64 q, u32 count)
{
    if (o->fn->id == FN_HISTOGRAM_FRACTION) {
        return bucket_fraction(q, o->params[1].values[step], o->gathered, count);
    }
    struct bucket_bend bend;
    f64 v = bucket_quantile(q, o->gathered, count, &bend);
    if (bend.bent) {
        i64 t = grid_time(&o->base.grid, step);
        note_bent(r, o->vector_span, told_name(r, o->slots.labels[slot]),
                  &(struct note_bend){.min_ms = t,
                                      .max_ms = t,
                                      .min_bucket = bend.min_bucket,
                                      .max_bucket = bend.max_bucket,
                                      .max_diff = bend.max_diff,
                                      .samples = 1});
    }
    return v;
}

static bool bucket_next(struct op *base, struct run *r, struct column *out)
{
    struct op_bucket *o = bucket_of(base);
    if (!o->columns && !op_collect(o->child, r, &o->columns)) {
        return false;
    }
    u32 slot = base->at % o->slots.count;
    u32 choice = base->at / o->slots.count;
    bool many = o->fn->id == FN_HISTOGRAM_QUANTILES;
    for (u32 i = 0; i < out->steps; i++) {
        f64 q = o->params[many ? o->choices[choice].param : 0].values[i];
        u32 count = 0;
        if (many && !same_bits(q, o->choices[choice].q)) {
            continue;
        }
        const struct hist *native = gather(o, r, slot, i, &count);
        if (native && !run_work(r, hist_work(native))) {
            return false;
        }
        if (native) {
            column_set(out, i, evaluate_native(o, r, slot, i, q, native));
        } else if (count > 0) {
            column_set(out, i, evaluate(o, r, slot, i, q, count));
        }
    }
    return true;
}

static const struct op_ops bucket_ops = {
    .name = "bucket", .open = bucket_open, .next = bucket_next};

struct op *op_bucket_new(struct run *r, const struct expr *call, struct op *vector,
                         struct op *const *params, u32 param_count)
{
    CHECK(param_count <= BUCKET_PARAMS_MAX);
    struct op_bucket *o = vector ? RUN_NEW(r, struct op_bucket) : NULL;
    if (!o) {
        return NULL;
    }
    const struct expr_call *x = &call->call;
    op_init(&o->base, r, &bucket_ops, &vector->grid);
    o->fn = x->fn;
    o->child = vector;
    o->param_count = param_count;
    bool many = x->fn->id == FN_HISTOGRAM_QUANTILES;
    u32 first = many ? 2 : 0; // The vector comes first there, else last.
    o->vector_span = expr_unwrap(x->args[many ? 0 : x->arg_count - 1])->span;
    o->label = many ? expr_unwrap(x->args[1])->string : STR_EMPTY;
    for (u32 i = 0; i < param_count; i++) {
        o->param_ops[i] = params[i];
        o->param_spans[i] = expr_unwrap(x->args[first + i])->span;
    }
    return &o->base;
}
