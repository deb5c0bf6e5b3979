// op_rank.c: topk, bottomk, limitk, limit_ratio: some of a group's series, chosen at each step.
//
// Chosen by a heap that grows as upstream's does, so that of equal values the same ones stay; 64
// steps side by side, where there is room for their heaps. In an instant query the result is
// ordered by rank; in a range it is not. Ranks of an instant whose values stand in one array are
// told from that: no column is made but of those that were chosen.
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "model/hist.h"
#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#include <math.h>

// Threads: owned.
struct ranked {
    f64 value;
    u32 series;
};

// Threads: owned.
struct rank_heap {
    struct ranked *items;
    u32 count;
    bool largest_first; // bottomk: the greatest stands on top.
};

// Threads: owned by the run.
struct op_rank {
    struct op base;
    const struct expr *expr;
    enum aggregate_op op;
    struct op *child;
    struct op *param_op;
    struct column param;
    struct grouping grouping;
    struct instants at_once; // The child's values; values NULL: they are in
    struct column *columns;  // its columns.
    struct column *chosen;   // What is left of them.
    struct rank_heap *heaps; // By group, then by step of those that are chosen at a time:
    u32 width;               // so many, a power of two.
    f64 *offsets;            // limit_ratio: each series' place in [0, 1).
    u32 *order;              // Output series → child's.
};

static struct op_rank *rank_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_rank, base);
}

// ---- the heap ----------------------------------------------------------------------------------

static bool heap_less(const struct rank_heap *h, const struct ranked *a, const struct ranked *b)
{
    if (isnan(a->value)) {
        return true;
    }
    return h->largest_first ? a->value > b->value : a->value < b->value;
}

static void heap_swap(struct rank_heap *h, u32 i, u32 j)
{
    struct ranked kept = h->items[i];
    h->items[i] = h->items[j];
    h->items[j] = kept;
}

static void heap_add(struct rank_heap *h, struct ranked x)
{
    u32 at = h->count++;
    h->items[at] = x;
    while (at > 0) {
        u32 parent = (at - 1) / 2;
        if (!heap_less(h, &h->items[at], &h->items[parent])) {
            break;
        }
        heap_swap(h, at, parent);
        at = parent;
    }
}

static void heap_sink_top(struct rank_heap *h)
{
    u32 at = 0;
    while (2 * at + 1 < h->count) {
        u32 child = 2 * at + 1;
        if (child + 1 < h->count && heap_less(h, &h->items[child + 1], &h->items[child])) {
            child++;
        }
        if (!heap_less(h, &h->items[child], &h->items[at])) {
            break;
        }
        heap_swap(h, at, child);
        at = child;
    }
}

// Best first; of equal ones the order stays.
static void heap_sort(struct rank_heap *h)
{
    for (u32 i = 1; i < h->count; i++) {
        struct ranked x = h->items[i];
        u32 at = i;
        while (at > 0 && heap_less(h, &h->items[at - 1], &x) && !isnan(x.value)) {
            h->items[at] = h->items[at - 1];
            at--;
        }
        h->items[at] = x;
    }
}

// ---- some steps --------------------------------------------------------------------------------

static void offer(struct rank_heap *h, u32 k, struct ranked x)
{
    if (h->count < k) {
        heap_add(h, x);
        return;
    }
    f64 top = h->items[0].value;
    bool better = h->largest_first ? top > x.value : top < x.value;
    if (better || (isnan(top) && !isnan(x.value))) {
        h->items[0] = x;
        heap_sink_top(h);
    }
}

static bool ratio_takes(f64 ratio, f64 offset)
{
    return ratio >= 0 ? offset < ratio : offset >= 1.0 + ratio;
}

// How many of a group a step takes.
static u32 k_at(const struct op_rank *o, u32 step)
{
    const f64 wanted = o->param.values[step];
    const u32 most = o->child->series_count;
    if (o->op == AGG_LIMIT_RATIO || wanted >= (f64)most) {
        return most;
    }
    return wanted >= 1 ? (u32)wanted : 0;
}

static void choose_one(struct op_rank *o, struct run *r, u32 series, u32 step, struct rank_heap *h)
{
    const struct column *c = &o->columns[series];
    const u32 k = k_at(o, step);
    if (k == 0) {
        return;
    }
    if (o->op == AGG_LIMIT_RATIO) {
        f64 ratio = fmax(-1, fmin(1, o->param.values[step]));
        if (ratio != 0 && ratio_takes(ratio, o->offsets[series])) {
            h->items[h->count++] = (struct ranked){0, series};
        }
    } else if (o->op == AGG_LIMITK) {
        if (h->count < k) {
            h->items[h->count++] = (struct ranked){0, series};
        }
    } else if (column_hist(c, step)) {
        note_ignored_hist_in_aggregation(r, o->expr->span, aggregate_op_text(o->op));
    } else {
        offer(h, k, (struct ranked){c->values[step], series});
    }
}

// Some steps of one word of presence bits, from a multiple of the width on: column by column, since
// neighbours in a column lie side by side and columns do not.
static void choose(struct op_rank *o, struct run *r, u32 from)
{
    const u32 groups = o->grouping.slots.count;
    const u32 count = MIN(o->width, o->base.grid.steps - from);
    const u64 all = count < 64 ? ((u64)1 << count) - 1 : UINT64_MAX;
    for (u32 i = 0; i < groups * o->width; i++) {
        o->heaps[i].count = 0;
    }
    for (u32 s = 0; s < o->child->series_count; s++) {
        struct rank_heap *h = &o->heaps[(u64)o->grouping.group_of[s] * o->width];
        u64 bits = (o->columns[s].present[from / 64] >> (from % 64)) & all;
        for (; bits != 0; bits &= bits - 1) {
            const u32 i = (u32)__builtin_ctzll(bits);
            choose_one(o, r, s, from + i, &h[i]);
        }
    }
    for (u32 i = 0; i < groups * o->width; i++) {
        for (u32 k = 0; k < o->heaps[i].count; k++) {
            bits_set(o->chosen[o->heaps[i].items[k].series].present, from + i % o->width);
        }
    }
}

// The only step, of values that stand in one array.
static void choose_at_once(struct op_rank *o, struct run *r)
{
    const struct instants *x = &o->at_once;
    const u32 k = k_at(o, 0);
    for (u32 s = 0; s < o->child->series_count; s++) {
        if (x->hists && x->hists[s]) {
            note_ignored_hist_in_aggregation(r, o->expr->span, aggregate_op_text(o->op));
        } else {
            offer(&o->heaps[o->grouping.group_of[s]], k, (struct ranked){x->values[s], s});
        }
    }
}

// ---- the operator ------------------------------------------------------------------------------

// Upstream's hash of a label set, as a place in [0, 1).
static f64 label_offset(struct labels ls)
{
    struct buf b;
    buf_init(&b, (size_t)64 << 20);
    for (u32 i = 0; i < ls.count; i++) {
        const str pair[] = {ls.items[i].name, ls.items[i].value};
        for (u32 k = 0; k < ARRAY_LEN(pair); k++) {
            if (pair[k].len < 255) {
                buf_byte(&b, (u8)pair[k].len);
            } else {
                buf_le32(&b, 255U | (u32)pair[k].len << 8);
            }
            buf_str(&b, pair[k]);
        }
    }
    u64 hash = hash_xxh64(b.bytes, b.len);
    buf_fini(&b);
    return (f64)hash / (f64)UINT64_MAX;
}

// Threads: value.
struct param_range {
    f64 low;
    f64 high;
    bool has_nan;
};

static struct param_range param_range_of(const struct column *c)
{
    struct param_range p = {.low = INFINITY, .high = -INFINITY};
    for (u32 i = 0; i < c->steps; i++) {
        p.has_nan = p.has_nan || isnan(c->values[i]);
        p.low = fmin(p.low, c->values[i]);
        p.high = fmax(p.high, c->values[i]);
    }
    return p;
}

static void warn_ratio(struct run *r, struct text_span at, f64 ratio, f64 limit)
{
    note_warning(r, at, "ratio value should be between -1 and 1, got %s, capping to %s",
                 run_number(r, ratio), run_number(r, limit));
}

// *nothing: no step can choose any series.
static bool check_param(const struct op_rank *o, struct run *r, bool *nothing)
{
    struct param_range p = param_range_of(&o->param);
    struct text_span at = expr_unwrap(o->expr->aggregate.param)->span;
    if (o->op == AGG_LIMIT_RATIO) {
        *nothing = p.low == 0 && p.high == 0 && !p.has_nan;
        if (p.has_nan) {
            return run_fail(r, ERR_OUT_OF_ORDER, "Ratio value is NaN");
        }
        if (p.high > 1) {
            warn_ratio(r, at, p.high, 1);
        }
        if (p.low < -1) {
            warn_ratio(r, at, p.low, -1);
        }
        return true;
    }
    *nothing = p.high < 1 && !p.has_nan;
    if (*nothing) {
        return true;
    }
    if (p.has_nan) {
        return run_fail(r, ERR_OUT_OF_ORDER, "Parameter value is NaN");
    }
    if (p.low <= -0x1p63) {
        return run_fail(r, ERR_OUT_OF_ORDER, "Scalar value %s underflows int64",
                        run_number(r, p.low));
    }
    if (p.high >= 0x1p63) {
        return run_fail(r, ERR_OUT_OF_ORDER, "Scalar value %s overflows int64",
                        run_number(r, p.high));
    }
    return true;
}

// So many places for values together, unless one step alone needs more.
#define RANKED_MOST ((u64)1 << 16)

// What each group's heap must hold, in its count, and all of them together.
static u64 size_heaps(struct rank_heap *heaps, const struct op_rank *o)
{
    const u32 groups = o->grouping.slots.count;
    u32 k = 0;
    u64 all = 0;
    for (u32 i = 0; i < o->base.grid.steps; i++) {
        k = MAX(k, k_at(o, i));
    }
    for (u32 s = 0; s < o->child->series_count; s++) {
        heaps[o->grouping.group_of[s]].count++; // No heap outgrows its group.
    }
    for (u32 g = 0; g < groups; g++) {
        heaps[g].count = MIN(heaps[g].count, k);
        all += heaps[g].count;
    }
    return all;
}

static bool make_heaps(struct op_rank *o, struct run *r)
{
    const u32 groups = o->grouping.slots.count;
    struct rank_heap *sizes = RUN_NEW_N(r, struct rank_heap, groups);
    if (!sizes) {
        return false;
    }
    const u64 all = size_heaps(sizes, o);
    o->width = grid_is_instant(&o->base.grid) ? 1 : 64;
    while (o->width > 1 && MAX(all, groups) * o->width > RANKED_MOST) {
        o->width /= 2;
    }
    o->heaps = RUN_NEW_N(r, struct rank_heap, (u64)groups * o->width);
    struct ranked *items = run_alloc_raw(r, all * o->width, sizeof(struct ranked));
    if (!o->heaps || !items) {
        return false;
    }
    for (u32 i = 0; i < groups * o->width; i++) {
        o->heaps[i] = (struct rank_heap){.items = items, .largest_first = o->op == AGG_BOTTOMK};
        items += sizes[i / o->width].count;
    }
    return true;
}

static bool make_chosen(struct op_rank *o, struct run *r)
{
    u32 count = o->child->series_count;
    o->chosen = RUN_NEW_N(r, struct column, MAX(count, 1U));
    o->order = RUN_NEW_N(r, u32, MAX(count, 1U));
    o->offsets = o->op == AGG_LIMIT_RATIO ? RUN_NEW_N(r, f64, MAX(count, 1U)) : NULL;
    if (!o->chosen || !o->order || (o->op == AGG_LIMIT_RATIO && !o->offsets)) {
        return false;
    }
    for (u32 s = 0; s < count; s++) {
        u64 *present = RUN_NEW_N(r, u64, MAX(column_words(o->base.grid.steps), 1U));
        if (!present) {
            return false;
        }
        o->chosen[s] = o->columns[s];
        o->chosen[s].present = present;
        o->order[s] = s;
        if (o->offsets) {
            o->offsets[s] = label_offset(o->child->series[s].labels);
        }
    }
    return true;
}

// An instant's series in order of rank; those that were not chosen are left out.
static bool order_instant(struct op_rank *o, struct run *r)
{
    u32 n = 0;
    for (u32 g = 0; g < o->grouping.slots.count; g++) {
        n += o->heaps[(u64)g * o->width].count;
    }
    o->order = RUN_NEW_N(r, u32, MAX(n, 1U));
    if (!o->order) {
        return false;
    }
    n = 0;
    for (u32 g = 0; g < o->grouping.slots.count; g++) {
        struct rank_heap *h = &o->heaps[(u64)g * o->width];
        if (o->op == AGG_TOPK || o->op == AGG_BOTTOMK) {
            heap_sort(h);
        }
        for (u32 i = 0; i < h->count; i++) {
            o->order[n++] = h->items[i].series;
        }
    }
    if (!op_make_series(&o->base, r, n)) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        o->base.series[i] = o->child->series[o->order[i]];
    }
    return true;
}

// Of either the values or the columns, the child's.
static bool child_take(struct op_rank *o, struct run *r)
{
    const bool by_value = o->op == AGG_TOPK || o->op == AGG_BOTTOMK;
    if (by_value && grid_is_instant(&o->base.grid) && op_instants(o->child, &o->at_once)) {
        return run_hold(r, o->child->series_count);
    }
    return op_collect(o->child, r, &o->columns);
}

static bool steps_choose(struct op_rank *o, struct run *r)
{
    if (o->at_once.values) {
        choose_at_once(o, r);
        return query_tick(r) && order_instant(o, r);
    }
    if (!make_chosen(o, r)) {
        return false;
    }
    for (u32 i = 0; i < o->base.grid.steps; i += o->width) {
        choose(o, r, i);
        if (i % 64 == 0 && !query_tick(r)) {
            return false;
        }
    }
    return grid_is_instant(&o->base.grid) ? order_instant(o, r)
                                          : op_keep_labels(&o->base, r, o->child);
}

static bool rank_open(struct op *base, struct run *r)
{
    struct op_rank *o = rank_of(base);
    const struct expr_aggregate *x = &o->expr->aggregate;
    bool nothing;
    if (!op_collect_scalar(o->param_op, r, &o->param) || !op_open(o->child, r) ||
        !child_take(o, r) || !check_param(o, r, &nothing)) {
        return false;
    }
    if (nothing) {
        return op_make_series(base, r, 0);
    }
    if (!label_rule_make(r, x->labels, x->label_count, x->without ? LABEL_NAME : STR_EMPTY,
                         !x->without, &o->grouping.rule) ||
        !grouping_make(&o->grouping, r, o->child->series, o->child->series_count) ||
        !make_heaps(o, r)) {
        return false;
    }
    return steps_choose(o, r);
}

static bool rank_next(struct op *base, struct run *r, struct column *out)
{
    struct op_rank *o = rank_of(base);
    if (o->at_once.values) {
        column_set(out, 0, o->at_once.values[o->order[base->at]]);
        return true;
    }
    return column_copy(r, out, &o->chosen[o->order[base->at]]);
}

static const struct op_ops rank_ops = {.name = "rank", .open = rank_open, .next = rank_next};

struct op *op_rank_new(struct run *r, const struct expr *x, struct op *child, struct op *param)
{
    struct op_rank *o = child && param ? RUN_NEW(r, struct op_rank) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &rank_ops, &child->grid);
    o->expr = x;
    o->op = x->aggregate.op;
    o->child = child;
    o->param_op = param;
    return &o->base;
}
