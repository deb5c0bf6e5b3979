// hist_sum.c: see hist_sum.h.
#include "model/hist_sum.h"

#include "base/arena.h"
#include "model/hist_bucket.h"
#include "model/hist_map.h"

#include <math.h>

static void add(const struct hist_sum *s, struct kahan *k, f64 v)
{
    if (s->compensates) {
        kahan_add(k, v);
    } else {
        k->sum += v;
    }
}

// ---- bins --------------------------------------------------------------------------------------

static void bins_reserve(struct hist_bins *b, struct arena *a, u32 n)
{
    if (n <= b->cap) {
        return;
    }
    u32 cap = MAX(MAX(8U, n), b->cap * 2);
    struct hist_bins grown = {.index = ARENA_NEW_N(a, i32, cap),
                              .count = ARENA_NEW_N(a, f64, cap),
                              .lost = ARENA_NEW_N(a, f64, cap),
                              .n = b->n,
                              .cap = cap};
    if (b->n > 0) {
        memcpy(grown.index, b->index, b->n * sizeof(i32));
        memcpy(grown.count, b->count, b->n * sizeof(f64));
        memcpy(grown.lost, b->lost, b->n * sizeof(f64));
    }
    *b = grown;
}

static void bins_put(struct hist_bins *b, u32 at, i64 index, struct kahan v)
{
    CHECK(b->index);
    b->index[at] = (i32)index;
    b->count[at] = v.sum;
    b->lost[at] = v.lost;
}

static struct kahan bins_get(const struct hist_bins *b, u32 at)
{
    return (struct kahan){.sum = b->count[at], .lost = b->lost[at]};
}

static void bins_load(struct hist_bins *b, struct arena *a, const struct hist_side *side)
{
    struct hist_walk w;
    b->n = 0;
    bins_reserve(b, a, side->bucket_count);
    hist_walk_begin(&w, side);
    while (hist_walk_next(&w)) {
        bins_put(b, b->n++, w.index, (struct kahan){.sum = w.count});
    }
}

// Buckets that a map brings together become one.
static void bins_map(const struct hist_sum *s, struct hist_bins *b, const struct hist_map *m)
{
    u32 kept = 0;
    for (u32 i = 0; i < b->n; i++) {
        i64 index = hist_map_index(m, b->index[i]);
        struct kahan v = bins_get(b, i);
        if (kept > 0 && b->index[kept - 1] == index) {
            struct kahan sum = bins_get(b, kept - 1);
            add(s, &sum, v.sum);
            sum.lost += v.lost;
            bins_put(b, kept - 1, index, sum);
        } else {
            bins_put(b, kept++, index, v);
        }
    }
    b->n = kept;
}

static u32 count_fresh(const struct hist_bins *to, const struct hist_bins *from)
{
    u32 fresh = 0;
    u32 i = 0;
    for (u32 j = 0; j < from->n; j++) {
        while (i < to->n && to->index[i] < from->index[j]) {
            i++;
        }
        fresh += i == to->n || to->index[i] != from->index[j];
    }
    return fresh;
}

// From the back, so that what is there already moves to its new place in one go.
static void bins_merge(const struct hist_sum *s, struct hist_bins *to, const struct hist_bins *from,
                       f64 factor)
{
    u32 fresh = count_fresh(to, from);
    bins_reserve(to, s->arena, to->n + fresh);
    u32 i = to->n;
    u32 j = from->n;
    u32 k = to->n + fresh;
    to->n = k;
    while (j > 0) {
        f64 v = factor * from->count[j - 1];
        k--;
        if (i > 0 && to->index[i - 1] > from->index[j - 1]) {
            i--;
            bins_put(to, k, to->index[i], bins_get(to, i));
        } else if (i > 0 && to->index[i - 1] == from->index[j - 1]) {
            i--;
            j--;
            struct kahan sum = bins_get(to, i);
            add(s, &sum, v);
            bins_put(to, k, to->index[i], sum);
        } else {
            j--;
            bins_put(to, k, from->index[j], (struct kahan){.sum = v});
        }
    }
}

// ---- zero buckets ------------------------------------------------------------------------------

// The threshold, or the end of the populated bucket that it falls into.
static f64 beyond_cut(const struct hist_sum *s, const struct hist_bins *b, f64 threshold)
{
    for (u32 i = 0; i < b->n; i++) {
        if (hist_exponential_bound(s->schema, (i64)b->index[i] - 1) >= threshold) {
            break;
        }
        f64 upper = hist_exponential_bound(s->schema, b->index[i]);
        if (upper > threshold && b->count[i] != 0) {
            return upper;
        }
    }
    return threshold;
}

// What lies within the zero bucket goes into it.
static void absorb(struct hist_sum *s, struct hist_bins *b)
{
    u32 n = 0;
    while (n < b->n &&
           hist_exponential_bound(s->schema, (i64)b->index[n] - 1) < s->zero_threshold) {
        add(s, &s->zero_count, b->count[n]);
        s->zero_count.lost += b->lost[n];
        n++;
    }
    for (u32 i = n; i < b->n; i++) {
        bins_put(b, i - n, b->index[i], bins_get(b, i));
    }
    b->n -= n;
}

static void widen_zero(struct hist_sum *s, f64 threshold)
{
    f64 before;
    do { // A cut on one side may move it into a bucket of the other.
        before = threshold;
        threshold = beyond_cut(s, &s->positive, threshold);
        threshold = beyond_cut(s, &s->negative, threshold);
    } while (threshold > before);
    s->zero_threshold = threshold;
    absorb(s, &s->positive);
    absorb(s, &s->negative);
}

static void reconcile_zero(struct hist_sum *a, struct hist_sum *b)
{
    while (a->zero_threshold < b->zero_threshold || b->zero_threshold < a->zero_threshold) {
        if (a->zero_threshold > b->zero_threshold) {
            widen_zero(b, a->zero_threshold);
        } else {
            widen_zero(a, b->zero_threshold);
        }
    }
}

// ---- sums --------------------------------------------------------------------------------------

static void load(struct hist_sum *s, const struct hist *h)
{
    s->schema = h->schema;
    s->reset = h->reset;
    s->zero_threshold = h->zero_threshold;
    s->zero_count = (struct kahan){.sum = h->zero_count};
    s->count = (struct kahan){.sum = h->count};
    s->sum = (struct kahan){.sum = h->sum};
    s->bounds = h->custom_bounds;
    s->bound_count = h->custom_bound_count;
    bins_load(&s->positive, s->arena, &h->positive);
    bins_load(&s->negative, s->arena, &h->negative);
}

void hist_sum_start(struct hist_sum *s, struct arena *a, struct hist_spare *spare, bool compensates,
                    const struct hist *h)
{
    *s = (struct hist_sum){.arena = a, .spare = spare, .compensates = compensates};
    load(s, h);
}

static bool is_custom(const struct hist_sum *s)
{
    return s->schema == HIST_SCHEMA_CUSTOM;
}

void hist_sum_reduce(struct hist_sum *s, i32 schema)
{
    if (is_custom(s) || schema >= s->schema) {
        return;
    }
    struct hist_map m = {.shift = s->schema - schema};
    bins_map(s, &s->positive, &m);
    bins_map(s, &s->negative, &m);
    s->schema = schema;
}

static void adjust_reset(struct hist_sum *s, enum hist_reset other, struct hist_remarks *remarks)
{
    if (other == s->reset || s->reset == HIST_RESET_GAUGE) {
        return;
    }
    if (other == HIST_RESET_GAUGE) {
        s->reset = HIST_RESET_GAUGE;
        return;
    }
    if (s->reset != HIST_RESET_UNKNOWN && other != HIST_RESET_UNKNOWN) {
        remarks->resets_collide = true;
    }
    s->reset = HIST_RESET_UNKNOWN;
}

static void reconcile_bounds(struct hist_sum *a, struct hist_sum *b, struct hist_remarks *remarks)
{
    if (hist_bounds_eq(a->bounds, a->bound_count, b->bounds, b->bound_count)) {
        return;
    }
    f64 *common = ARENA_NEW_N(a->arena, f64, MIN(a->bound_count, b->bound_count) + 1);
    u32 n = hist_bounds_common(a->bounds, a->bound_count, b->bounds, b->bound_count, common);
    struct hist_map from_a = {
        .from = a->bounds, .from_count = a->bound_count, .to = common, .to_count = n};
    struct hist_map from_b = {
        .from = b->bounds, .from_count = b->bound_count, .to = common, .to_count = n};
    bins_map(a, &a->positive, &from_a);
    bins_map(b, &b->positive, &from_b);
    a->bounds = common;
    a->bound_count = n;
    remarks->bounds_reconciled = true;
}

bool hist_sum_add(struct hist_sum *s, const struct hist *h, f64 factor,
                  struct hist_remarks *remarks)
{
    if (is_custom(s) != hist_is_custom(h)) {
        return false;
    }
    struct hist_sum other = {
        .arena = s->arena, .positive = s->spare->positive, .negative = s->spare->negative};
    load(&other, h);
    adjust_reset(s, h->reset, remarks);
    if (is_custom(s)) {
        reconcile_bounds(s, &other, remarks);
    } else {
        reconcile_zero(s, &other);
        hist_sum_reduce(s, other.schema);
        hist_sum_reduce(&other, s->schema);
        add(s, &s->zero_count, factor * other.zero_count.sum);
    }
    add(s, &s->count, factor * h->count);
    add(s, &s->sum, factor * h->sum);
    bins_merge(s, &s->positive, &other.positive, factor);
    bins_merge(s, &s->negative, &other.negative, factor);
    *s->spare = (struct hist_spare){.positive = other.positive, .negative = other.negative};
    return true;
}

static void bins_apply(struct hist_bins *b, f64 (*fn)(f64 v, f64 by), f64 by)
{
    for (u32 i = 0; i < b->n; i++) {
        b->count[i] = fn(b->count[i], by);
        b->lost[i] = fn(b->lost[i], by);
    }
}

static void apply(struct hist_sum *s, f64 (*fn)(f64 v, f64 by), f64 by)
{
    struct kahan *const totals[] = {&s->zero_count, &s->count, &s->sum};
    for (u32 i = 0; i < ARRAY_LEN(totals); i++) {
        totals[i]->sum = fn(totals[i]->sum, by);
        totals[i]->lost = s->compensates ? fn(totals[i]->lost, by) : 0;
    }
    bins_apply(&s->positive, fn, by);
    bins_apply(&s->negative, fn, by);
    if (by < 0) {
        s->reset = HIST_RESET_GAUGE;
    }
}

static f64 times(f64 v, f64 by)
{
    return v * by;
}

static f64 over(f64 v, f64 by)
{
    return v / by;
}

void hist_sum_scale(struct hist_sum *s, f64 factor)
{
    apply(s, times, factor);
}

void hist_sum_divide(struct hist_sum *s, f64 divisor)
{
    if (divisor == 0) {
        s->positive.n = 0;
        s->negative.n = 0;
    }
    apply(s, over, divisor);
}

u64 hist_work(const struct hist *h)
{
    return (u64)h->positive.bucket_count + h->negative.bucket_count + h->custom_bound_count;
}

u64 hist_sum_need(const struct hist_sum *s, const struct hist *h)
{
    u64 buckets = (u64)s->positive.n + s->negative.n + s->bound_count + hist_work(h);
    return buckets * 6 * (2 * sizeof(f64) + sizeof(i32)) + 1024;
}

// ---- results -----------------------------------------------------------------------------------

static f64 kahan_total(struct kahan k)
{
    return isinf(k.sum) ? k.sum : k.sum + k.lost;
}

static void side_take(struct hist_side *out, const struct hist_bins *b, struct arena *a)
{
    if (b->n == 0) {
        *out = (struct hist_side){.span_count = 0};
        return;
    }
    struct hist_span *spans = ARENA_NEW_N(a, struct hist_span, b->n);
    f64 *buckets = ARENA_NEW_N(a, f64, b->n);
    u32 span_count = 0;
    u32 n = 0;
    i32 end = 0; // One behind the bucket put last.
    for (u32 i = 0; i < b->n; i++) {
        f64 v = kahan_total(bins_get(b, i));
        if (v == 0) {
            continue;
        }
        if (n == 0 || b->index[i] != end) {
            spans[span_count++] = (struct hist_span){.offset = b->index[i] - end};
        }
        spans[span_count - 1].length++;
        buckets[n++] = v;
        end = b->index[i] + 1;
    }
    *out = (struct hist_side){
        .spans = spans, .span_count = span_count, .buckets = buckets, .bucket_count = n};
}

struct hist *hist_sum_take(const struct hist_sum *s, struct arena *a)
{
    struct hist *h = ARENA_NEW(a, struct hist);
    *h = (struct hist){.schema = s->schema,
                       .reset = s->reset,
                       .is_float = true,
                       .zero_threshold = s->zero_threshold,
                       .zero_count = kahan_total(s->zero_count),
                       .count = kahan_total(s->count),
                       .sum = kahan_total(s->sum),
                       .custom_bound_count = s->bound_count};
    side_take(&h->positive, &s->positive, a);
    side_take(&h->negative, &s->negative, a);
    if (s->bound_count > 0) {
        f64 *bounds = ARENA_NEW_N(a, f64, s->bound_count);
        memcpy(bounds, s->bounds, s->bound_count * sizeof(f64));
        h->custom_bounds = bounds;
    }
    return h;
}

// ---- many --------------------------------------------------------------------------------------

static void see_reset(struct hist_fold *f, const struct hist *h)
{
    f->has_reset = f->has_reset || h->reset == HIST_RESET_YES;
    f->has_no_reset = f->has_no_reset || h->reset == HIST_RESET_NO;
}

void hist_fold_start(struct hist_fold *f, struct arena *a, struct hist_spare *spare, bool is_mean,
                     const struct hist *h)
{
    *f = (struct hist_fold){.is_mean = is_mean, .count = 1};
    hist_sum_start(&f->sum, a, spare, true, h);
    see_reset(f, h);
}

static void bins_copy(struct hist_bins *to, const struct hist_bins *from, struct arena *a)
{
    bins_reserve(to, a, from->n);
    to->n = from->n;
    if (from->n > 0) {
        memcpy(to->index, from->index, from->n * sizeof(i32));
        memcpy(to->count, from->count, from->n * sizeof(f64));
        memcpy(to->lost, from->lost, from->n * sizeof(f64));
    }
}

static void sum_copy(struct hist_sum *to, const struct hist_sum *from)
{
    struct hist_bins positive = to->positive; // Their room is used again.
    struct hist_bins negative = to->negative;
    *to = *from;
    bins_copy(&positive, &from->positive, from->arena);
    bins_copy(&negative, &from->negative, from->arena);
    to->positive = positive;
    to->negative = negative;
}

static bool bins_overflow(const struct hist_bins *b)
{
    bool overflows = false;
    for (u32 i = 0; i < b->n; i++) {
        overflows |= isinf(b->count[i]) != 0;
    }
    return overflows;
}

static bool overflows(const struct hist_sum *s)
{
    return isinf(s->zero_count.sum) || isinf(s->count.sum) || isinf(s->sum.sum) ||
           bins_overflow(&s->positive) || bins_overflow(&s->negative);
}

// The sum stays a sum as long as it does not overflow; then it becomes a mean for good.
static bool mean_add(struct hist_fold *f, const struct hist *h, struct hist_remarks *remarks)
{
    if (!f->is_incremental) {
        sum_copy(&f->next, &f->sum);
        if (!hist_sum_add(&f->next, h, 1, remarks)) {
            return false;
        }
        if (!overflows(&f->next)) {
            struct hist_sum now = f->next;
            f->next = f->sum;
            f->sum = now;
            return true;
        }
        f->is_incremental = true;
        hist_sum_divide(&f->sum, f->count - 1);
    }
    struct hist_sum part;
    hist_sum_start(&part, f->sum.arena, f->sum.spare, false, h);
    hist_sum_divide(&part, f->count);
    hist_sum_scale(&f->sum, (f->count - 1) / f->count);
    return hist_sum_add(&f->sum, hist_sum_take(&part, f->sum.arena), 1, remarks);
}

bool hist_fold_add(struct hist_fold *f, const struct hist *h)
{
    struct hist_remarks remarks = {.resets_collide = false};
    see_reset(f, h);
    f->count++;
    bool ok = f->is_mean ? mean_add(f, h, &remarks) : hist_sum_add(&f->sum, h, 1, &remarks);
    f->bounds_reconciled = f->bounds_reconciled || remarks.bounds_reconciled;
    return ok;
}

struct hist *hist_fold_take(struct hist_fold *f, struct arena *a)
{
    if (f->is_mean && !f->is_incremental) {
        hist_sum_divide(&f->sum, f->count);
    }
    return hist_sum_take(&f->sum, a);
}
