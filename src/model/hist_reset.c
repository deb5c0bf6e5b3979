// hist_reset.c: see hist_reset.h; and the maps between layouts.
#include "model/hist_reset.h"

#include "base/bits.h"
#include "model/hist_bucket.h"
#include "model/hist_map.h"

// ---- layouts -----------------------------------------------------------------------------------

static u32 first_at_least(const f64 *bounds, u32 count, f64 v)
{
    u32 low = 0;
    u32 high = count;
    while (low < high) {
        u32 mid = low + (high - low) / 2;
        if (bounds[mid] >= v) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

i64 hist_map_index(const struct hist_map *m, i64 index)
{
    if (!m->to) {
        return ((index - 1) >> m->shift) + 1;
    }
    if (index < 0 || index >= (i64)m->from_count) {
        return m->to_count; // Beyond the last bound.
    }
    return first_at_least(m->to, m->to_count, m->from[index]);
}

bool hist_bounds_eq(const f64 *a, u32 a_count, const f64 *b, u32 b_count)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * sizeof(f64)) == 0);
}

u32 hist_bounds_common(const f64 *a, u32 a_count, const f64 *b, u32 b_count, f64 *out)
{
    u32 n = 0;
    u32 i = 0;
    u32 j = 0;
    while (i < a_count && j < b_count) {
        if (a[i] == b[j]) {
            out[n++] = a[i++];
            j++;
        } else if (a[i] < b[j]) {
            i++;
        } else {
            j++;
        }
    }
    return n;
}

// ---- resets ------------------------------------------------------------------------------------

// One side at a lower resolution, from a threshold on; buckets come merged. Threads: owned.
struct coarse {
    struct hist_walk walk;
    i32 schema;
    i32 shift;
    f64 skip_to; // Buckets that end there or before are left out.
    bool has_pending;
    i64 index;
    f64 count;
};

static bool coarse_pull(struct coarse *c)
{
    do {
        c->has_pending = hist_walk_next(&c->walk);
    } while (c->has_pending && hist_exponential_bound(c->schema, c->walk.index) <= c->skip_to);
    return c->has_pending;
}

static void coarse_begin(struct coarse *c, const struct hist *h, const struct hist_side *side,
                         const struct hist *like)
{
    *c = (struct coarse){
        .schema = h->schema, .shift = h->schema - like->schema, .skip_to = like->zero_threshold};
    hist_walk_begin(&c->walk, side);
    (void)coarse_pull(c);
}

static bool coarse_next(struct coarse *c)
{
    const struct hist_map m = {.shift = c->shift};
    if (!c->has_pending) {
        return false;
    }
    c->index = hist_map_index(&m, c->walk.index);
    c->count = c->walk.count;
    while (coarse_pull(c) && hist_map_index(&m, c->walk.index) == c->index) {
        c->count += c->walk.count;
    }
    return true;
}

// By far the most: the same buckets as before, and none of them has lost anything. Which of them
// are below the threshold does not matter then.
static bool side_grows(const struct hist *before, const struct hist_side *before_side,
                       const struct hist *h, const struct hist_side *side)
{
    if (before->schema != h->schema || before_side->span_count != side->span_count ||
        before_side->bucket_count != side->bucket_count) {
        return false;
    }
    for (u32 i = 0; i < side->span_count; i++) {
        if (before_side->spans[i].offset != side->spans[i].offset ||
            before_side->spans[i].length != side->spans[i].length) {
            return false;
        }
    }
    bool falls = false;
    for (u32 i = 0; i < side->bucket_count; i++) {
        falls |= side->buckets[i] < before_side->buckets[i];
    }
    return !falls;
}

static bool side_is_reset(const struct hist *before, const struct hist_side *before_side,
                          const struct hist *h, const struct hist_side *side)
{
    struct coarse was;
    struct coarse now;
    if (side_grows(before, before_side, h, side)) {
        return false;
    }
    coarse_begin(&was, before, before_side, h);
    coarse_begin(&now, h, side, h);
    bool has_now = coarse_next(&now);
    while (coarse_next(&was)) {
        while (has_now && now.index < was.index) {
            has_now = coarse_next(&now);
        }
        bool is_there = has_now && now.index == was.index;
        if (is_there ? now.count < was.count : was.count != 0) {
            return true;
        }
    }
    return false;
}

// What `h` had in its zero bucket if that were as wide as threshold; false if that cannot be, since
// it would cut a populated bucket.
static bool zero_count_within(const struct hist *h, f64 threshold, f64 *count)
{
    const struct hist_side *const sides[] = {&h->positive, &h->negative};
    *count = h->zero_count;
    for (u32 i = 0; i < ARRAY_LEN(sides) && threshold > h->zero_threshold; i++) {
        struct hist_walk w;
        hist_walk_begin(&w, sides[i]);
        while (hist_walk_next(&w) && hist_exponential_bound(h->schema, w.index - 1) < threshold) {
            *count += w.count;
            if (w.count != 0 && hist_exponential_bound(h->schema, w.index) > threshold) {
                return false;
            }
        }
    }
    return true;
}

// Custom bounds that differ: counts are compared up to each bound that both have.
static bool custom_is_reset(const struct hist *before, const struct hist *h)
{
    struct hist_walk was;
    struct hist_walk now;
    hist_walk_begin(&was, &before->positive);
    hist_walk_begin(&now, &h->positive);
    bool has_was = hist_walk_next(&was);
    bool has_now = hist_walk_next(&now);
    u32 i = 0;
    u32 j = 0;
    bool is_last = false;
    while (!is_last) {
        while (i < before->custom_bound_count && j < h->custom_bound_count &&
               before->custom_bounds[i] != h->custom_bounds[j]) {
            if (before->custom_bounds[i] < h->custom_bounds[j]) {
                i++;
            } else {
                j++;
            }
        }
        is_last = i >= before->custom_bound_count || j >= h->custom_bound_count;
        f64 was_count = 0;
        f64 now_count = 0;
        for (; has_was && (is_last || was.index <= (i64)i); has_was = hist_walk_next(&was)) {
            was_count += was.count;
        }
        for (; has_now && (is_last || now.index <= (i64)j); has_now = hist_walk_next(&now)) {
            now_count += now.count;
        }
        if (now_count < was_count) {
            return true;
        }
        i++;
        j++;
    }
    return false;
}

static bool same_bounds(const struct hist *a, const struct hist *b)
{
    return hist_bounds_eq(a->custom_bounds, a->custom_bound_count, b->custom_bounds,
                          b->custom_bound_count);
}

bool hist_is_reset(const struct hist *before, const struct hist *h)
{
    if (h->reset == HIST_RESET_YES || h->reset == HIST_RESET_NO) {
        return h->reset == HIST_RESET_YES;
    }
    if (h->count < before->count || hist_is_custom(h) != hist_is_custom(before)) {
        return true;
    }
    if (hist_is_custom(h)) {
        return custom_is_reset(before, h);
    }
    f64 zero_count;
    if (h->schema > before->schema || h->zero_threshold < before->zero_threshold ||
        !zero_count_within(before, h->zero_threshold, &zero_count) || h->zero_count < zero_count) {
        return true;
    }
    return side_is_reset(before, &before->positive, h, &h->positive) ||
           side_is_reset(before, &before->negative, h, &h->negative);
}

// ---- equality ----------------------------------------------------------------------------------

static bool same_bits(f64 a, f64 b)
{
    return bits_of_f64(a) == bits_of_f64(b);
}

static bool side_same(const struct hist_side *a, const struct hist_side *b)
{
    struct hist_walk x;
    struct hist_walk y;
    if (a->bucket_count != b->bucket_count) {
        return false;
    }
    hist_walk_begin(&x, a);
    hist_walk_begin(&y, b);
    while (hist_walk_next(&x)) {
        if (!hist_walk_next(&y) || x.index != y.index || !same_bits(x.count, y.count)) {
            return false;
        }
    }
    return true;
}

bool hist_same(const struct hist *a, const struct hist *b)
{
    return a->schema == b->schema && same_bits(a->count, b->count) && same_bits(a->sum, b->sum) &&
           same_bits(a->zero_count, b->zero_count) &&
           same_bits(a->zero_threshold, b->zero_threshold) && same_bounds(a, b) &&
           side_same(&a->positive, &b->positive) && side_same(&a->negative, &b->negative);
}
