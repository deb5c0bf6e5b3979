// fn_bucket.c: see fn_bucket.h.
#include "promql/fn_bucket.h"

#include "model/sample.h"

#include <float.h>
#include <math.h>

// Differences below this, relative to the sum, come from rounding and are smoothed out silently.
#define SMALL_DELTA 1e-12

static u32 coalesce(struct bucket *b, u32 count)
{
    u32 kept = 0;
    for (u32 i = 1; i < count; i++) {
        if (b[i].upper == b[kept].upper) {
            b[kept].count += b[i].count;
        } else {
            b[++kept] = b[i];
        }
    }
    return kept + 1;
}

static bool almost_equal(f64 a, f64 b)
{
    if (is_stale_nan(a) || is_stale_nan(b)) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if ((isnan(a) && isnan(b)) || a == b) {
        return true;
    }
    f64 sum = fabs(a) + fabs(b);
    f64 diff = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN) {
        return diff < SMALL_DELTA * DBL_MIN;
    }
    return diff / fmin(sum, DBL_MAX) < SMALL_DELTA;
}

static void make_monotonic(struct bucket *b, u32 count, struct bucket_bend *bend)
{
    *bend = (struct bucket_bend){.min_bucket = INFINITY, .max_bucket = -INFINITY};
    f64 before = b[0].count;
    for (u32 i = 1; i < count; i++) {
        f64 now = b[i].count;
        if (now == before) {
            continue;
        }
        if (almost_equal(before, now)) {
            b[i].count = before;
        } else if (now < before) {
            b[i].count = before;
            bend->bent = true;
            bend->min_bucket = fmin(bend->min_bucket, b[i].upper);
            bend->max_bucket = fmax(bend->max_bucket, b[i].upper);
            bend->max_diff = fmax(bend->max_diff, before - now);
        } else {
            before = now;
        }
    }
}

// The first bucket but the last one that holds rank; the last one if none does.
static u32 find_rank(const struct bucket *b, u32 count, f64 rank)
{
    u32 low = 0;
    u32 high = count - 1;
    while (low < high) {
        u32 mid = low + (high - low) / 2;
        if (b[mid].count >= rank) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

f64 bucket_quantile(f64 q, struct bucket *b, u32 count, struct bucket_bend *bend)
{
    *bend = (struct bucket_bend){.bent = false};
    if (isnan(q)) {
        return normal_nan();
    }
    if (q < 0) {
        return -INFINITY;
    }
    if (q > 1) {
        return INFINITY;
    }
    if (!(isinf(b[count - 1].upper) && b[count - 1].upper > 0)) {
        return normal_nan();
    }
    count = coalesce(b, count);
    make_monotonic(b, count, bend);
    f64 total = b[count - 1].count;
    if (count < 2 || total == 0) {
        return normal_nan();
    }
    f64 rank = q * total;
    u32 at = find_rank(b, count, rank);
    if (at == count - 1) {
        return b[count - 2].upper;
    }
    if (at == 0 && b[0].upper <= 0) {
        return b[0].upper;
    }
    f64 start = 0;
    f64 inside = b[at].count;
    if (at > 0) {
        start = b[at - 1].upper;
        inside -= b[at - 1].count;
        rank -= b[at - 1].count;
    }
    return start + (b[at].upper - start) * (rank / inside);
}

// A bucket with both its bounds and the count of everything before it. Threads: value.
struct bucket_span {
    f64 lower;
    f64 upper;
    f64 before;
    f64 count;
};

// The rank of a value within the bucket; in a bucket without lower end there is nothing to
// interpolate.
static f64 rank_inside(const struct bucket_span *s, f64 v)
{
    if (isinf(s->lower)) {
        return s->count;
    }
    return s->before + (s->count - s->before) * (v - s->lower) / (s->upper - s->lower);
}

// Sets *rank once v is met in or at the lower end of this bucket.
static void meet(const struct bucket_span *s, f64 v, bool *is_set, f64 *rank)
{
    if (!*is_set && s->lower >= v) {
        *rank = s->before;
        *is_set = true;
    } else if (!*is_set && s->upper > v) {
        *rank = rank_inside(s, v);
        *is_set = true;
    }
}

f64 bucket_fraction(f64 lower, f64 upper, struct bucket *b, u32 count)
{
    if (!(isinf(b[count - 1].upper) && b[count - 1].upper > 0)) {
        return normal_nan();
    }
    count = coalesce(b, count);
    f64 total = b[count - 1].count;
    if (total == 0 || isnan(lower) || isnan(upper)) {
        return normal_nan();
    }
    if (lower >= upper) {
        return 0;
    }
    f64 lower_rank = 0;
    f64 upper_rank = 0;
    bool has_lower = false;
    bool has_upper = false;
    struct bucket_span s = {.lower = b[0].upper <= 0 ? -INFINITY : 0};
    for (u32 i = 0; i < count && !(has_lower && has_upper); i++) {
        s.lower = i > 0 ? b[i - 1].upper : s.lower;
        s.upper = b[i].upper;
        s.count = b[i].count;
        meet(&s, lower, &has_lower, &lower_rank);
        meet(&s, upper, &has_upper, &upper_rank);
        s.before = b[i].count;
    }
    if (!has_lower || lower_rank > total) {
        lower_rank = total;
    }
    if (!has_upper || upper_rank > total) {
        upper_rank = total;
    }
    return (upper_rank - lower_rank) / total;
}
