// hist_trim.c: cutting a native histogram at a value; see hist_quantile.h.
//
// A bucket that the cut goes through keeps the share that its interpolation says; the new sum is
// what the kept shares have in their middles. Buckets without an end are kept or lost whole, unless
// a lower end of zero may be assumed.
#include "base/arena.h"
#include "model/hist_bucket.h"
#include "model/hist_quantile.h"
#include "model/hist_sum.h"

#include <math.h>

// What stays of a bucket. Threads: value.
struct kept {
    f64 count;
    f64 middle;
};

// Threads: owned.
struct trimming {
    const struct hist *h;
    f64 cut;
    bool keeps_upper;
    bool changes;
    f64 count;
    f64 sum;
};

static f64 middle_of(f64 lower, f64 upper, bool is_even)
{
    if (isinf(lower)) {
        return isinf(upper) ? 0 : upper > 0 ? upper / 2 : upper;
    }
    if (isinf(upper)) {
        return lower;
    }
    if (is_even) {
        return (lower + upper) / 2;
    }
    f64 middle = sqrt(fabs(lower * upper));
    return lower < 0 || upper < 0 ? -middle : middle;
}

// The cut lies within a bucket that has no lower end.
static struct kept cut_without_lower(const struct trimming *t, const struct hist_bucket *b)
{
    bool from_zero = b->upper > 0 && !isinf(b->upper);
    if (!t->keeps_upper) {
        if (b->upper <= 0) {
            return (struct kept){b->count, t->cut};
        }
        return from_zero && t->cut > 0 ? (struct kept){b->count * t->cut / b->upper, t->cut / 2}
                                       : (struct kept){0, 0};
    }
    return from_zero && t->cut >= 0
               ? (struct kept){b->count * (1 - t->cut / b->upper), (t->cut + b->upper) / 2}
               : (struct kept){0, 0};
}

static struct kept cut_bucket(const struct trimming *t, const struct hist_bucket *b, bool is_even)
{
    if (isinf(b->lower)) {
        return cut_without_lower(t, b);
    }
    if (isinf(b->upper)) {
        return t->keeps_upper ? (struct kept){b->count, t->cut} : (struct kept){0, 0};
    }
    f64 share =
        is_even ? (t->cut - b->lower) / (b->upper - b->lower) : hist_bucket_share(b, t->cut);
    f64 under = b->count * share;
    return t->keeps_upper ? (struct kept){b->count - under, middle_of(t->cut, b->upper, is_even)}
                          : (struct kept){under, middle_of(b->lower, t->cut, is_even)};
}

static f64 trim_bucket(struct trimming *t, const struct hist_bucket *b, bool is_even)
{
    struct kept k;
    if (t->keeps_upper ? b->lower >= t->cut : b->upper <= t->cut) {
        k = (struct kept){b->count, middle_of(b->lower, b->upper, is_even)};
    } else if (t->keeps_upper ? b->upper <= t->cut : b->lower >= t->cut) {
        k = (struct kept){0, 0};
    } else {
        k = cut_bucket(t, b, is_even);
    }
    t->changes = t->changes || k.count != b->count;
    t->count += k.count;
    t->sum += k.middle * k.count;
    return k.count;
}

static void trim_side(struct trimming *t, bool negative, f64 *out)
{
    struct hist_walk w;
    hist_walk_begin(&w, negative ? &t->h->negative : &t->h->positive);
    for (u32 i = 0; hist_walk_next(&w); i++) {
        f64 outer = hist_bound(t->h, w.index);
        f64 inner = hist_bound(t->h, w.index - 1);
        struct hist_bucket b = {.lower = negative ? -outer : inner,
                                .upper = negative ? -inner : outer,
                                .count = w.count};
        out[i] = b.count == 0 ? 0 : trim_bucket(t, &b, hist_is_custom(t->h));
    }
}

static f64 trim_zero(struct trimming *t)
{
    const struct hist *h = t->h;
    struct hist_bucket b = {-h->zero_threshold, h->zero_threshold, h->zero_count};
    if (b.count == 0) {
        return 0;
    }
    if (h->negative.bucket_count > 0 && h->positive.bucket_count == 0) {
        b.upper = 0;
    } else if (h->positive.bucket_count > 0 && h->negative.bucket_count == 0) {
        b.lower = 0;
    }
    return trim_bucket(t, &b, true);
}

const struct hist *hist_trim(const struct hist *h, f64 cut, bool keeps_upper, struct arena *a)
{
    struct trimming t = {.h = h, .cut = cut, .keeps_upper = keeps_upper};
    f64 *positive = ARENA_NEW_N(a, f64, (size_t)h->positive.bucket_count + 1);
    f64 *negative = ARENA_NEW_N(a, f64, (size_t)h->negative.bucket_count + 1);
    trim_side(&t, false, positive);
    trim_side(&t, true, negative);
    f64 zero = trim_zero(&t);
    if (!t.changes) {
        return h;
    }
    struct hist out = *h;
    out.zero_count = zero;
    out.count = t.count;
    out.sum = t.sum;
    out.positive.buckets = positive;
    out.negative.buckets = negative;
    struct hist_sum compact;
    hist_sum_start(&compact, a, NULL, false, &out);
    return hist_sum_take(&compact, a);
}
