// hist_quantile.c: see hist_quantile.h.
#include "model/hist_quantile.h"

#include "model/hist_bucket.h"
#include "model/kahan.h"
#include "model/sample.h"

#include <math.h>

// The zero bucket reaches to the side on which there are buckets at all.
static bool clip_zero_bucket(const struct hist *h, struct hist_bucket *b)
{
    if (hist_is_custom(h) || b->lower > 0 || b->upper < 0) {
        return false;
    }
    if (h->negative.bucket_count == 0 && h->positive.bucket_count > 0) {
        b->lower = 0;
    } else if (h->positive.bucket_count == 0 && h->negative.bucket_count > 0) {
        b->upper = 0;
    }
    return true;
}

// A custom bucket without lower end begins at zero if it can.
static void clip_custom_bucket(const struct hist *h, struct hist_bucket *b)
{
    if (hist_is_custom(h) && isinf(b->lower) && b->upper > 0) {
        b->lower = 0;
    }
}

// ---- quantiles ---------------------------------------------------------------------------------

static f64 inside_bucket(const struct hist_bucket *b, f64 fraction, bool is_even)
{
    if (is_even) {
        return b->lower + (b->upper - b->lower) * fraction;
    }
    f64 low = log2(fabs(b->lower));
    f64 high = log2(fabs(b->upper));
    if (b->lower > 0) {
        return exp2(low + (high - low) * fraction);
    }
    return -exp2(high + (low - high) * (1 - fraction));
}

f64 hist_quantile(f64 q, const struct hist *h, enum hist_nan_effect *effect)
{
    *effect = HIST_NAN_NONE;
    if (q < 0) {
        return -INFINITY;
    }
    if (q > 1) {
        return INFINITY;
    }
    if (h->count == 0 || isnan(q)) {
        return normal_nan();
    }
    // From the nearer end, for precision; NaN observations count as if they were the largest.
    bool forward = isnan(h->sum) || q < 0.5;
    f64 rank = forward ? q * h->count : (1 - q) * h->count;
    struct hist_scan s;
    struct hist_bucket b = {0, 0, 0};
    struct hist_bucket next;
    f64 count = 0;
    hist_scan_begin(&s, h, !forward);
    while (hist_scan_next(&s, &next)) {
        if (next.count == 0) {
            continue;
        }
        b = next;
        count += b.count;
        if (count >= rank) {
            break;
        }
    }
    if (hist_is_custom(h) && isinf(b.lower) && b.upper <= 0) {
        return b.upper;
    }
    if (hist_is_custom(h) && isinf(b.upper) && !isinf(b.lower)) {
        return b.lower;
    }
    bool is_zero = clip_zero_bucket(h, &b);
    clip_custom_bucket(h, &b);
    count = count > h->count ? h->count : count;
    if (count < rank) {
        *effect = isnan(h->sum) ? HIST_NAN_RESULT : HIST_NAN_NONE;
        return isnan(h->sum) ? normal_nan() : b.upper;
    }
    *effect = isnan(h->sum) ? HIST_NAN_SKEW : HIST_NAN_NONE;
    rank = forward ? rank - (count - b.count) : count - rank;
    return inside_bucket(&b, rank / b.count, is_zero || hist_is_custom(h));
}

// ---- fractions ---------------------------------------------------------------------------------

// Where a value stands among the observations. Threads: value.
struct standing {
    f64 v;
    f64 rank;
    bool is_set;
};

static void meet(struct standing *x, const struct hist_bucket *b, f64 before, bool is_even)
{
    if (x->is_set || b->upper <= x->v) {
        return;
    }
    x->is_set = true;
    if (b->lower >= x->v) {
        x->rank = before;
    } else if (isinf(b->lower)) {
        x->rank = b->count; // Without a lower end there is nothing to interpolate.
    } else if (is_even) {
        x->rank = before + b->count * (x->v - b->lower) / (b->upper - b->lower);
    } else {
        x->rank = before + b->count * hist_bucket_share(b, x->v);
    }
}

f64 hist_fraction(f64 lower, f64 upper, const struct hist *h)
{
    if (h->count == 0 || isnan(lower) || isnan(upper)) {
        return normal_nan();
    }
    if (lower >= upper) {
        return 0;
    }
    struct standing low = {.v = lower};
    struct standing high = {.v = upper};
    struct hist_scan s;
    struct hist_bucket b;
    f64 before = 0;
    hist_scan_begin(&s, h, false);
    while (hist_scan_next(&s, &b)) {
        bool is_even = clip_zero_bucket(h, &b) || hist_is_custom(h);
        clip_custom_bucket(h, &b);
        meet(&low, &b, before, is_even);
        meet(&high, &b, before, is_even);
        before += b.count;
    }
    // NaN observations are counted, but lie in no range.
    f64 total = isnan(h->sum) ? before : h->count;
    if (!low.is_set || low.rank > total) {
        low.rank = total;
    }
    if (!high.is_set || high.rank > total) {
        high.rank = total;
    }
    return (high.rank - low.rank) / h->count;
}

// ---- spread ------------------------------------------------------------------------------------

f64 hist_variance(const struct hist *h)
{
    f64 mean = h->sum / h->count;
    struct kahan k = {0, 0};
    struct hist_scan s;
    struct hist_bucket b;
    hist_scan_begin(&s, h, false);
    while (hist_scan_next(&s, &b)) {
        if (b.count == 0) {
            continue;
        }
        f64 v = 0; // In the zero bucket.
        if (hist_is_custom(h)) {
            v = (b.upper + b.lower) / 2;
        } else if (b.lower > 0 || b.upper < 0) {
            v = sqrt(b.upper * b.lower);
            v = b.upper < 0 ? -v : v;
        }
        f64 delta = v - mean;
        kahan_add(&k, b.count * delta * delta);
    }
    return (k.sum + k.lost) / h->count;
}
