// fn_bucket.h: quantiles and fractions of classic histograms: cumulative counts by upper bound.
//
// O(buckets). Threads: stateless; the buckets are the caller's and are changed.
#ifndef PROMQL_FN_BUCKET_H
#define PROMQL_FN_BUCKET_H

#include "base/base.h"

struct bucket {
    f64 upper;
    f64 count; // Of everything ≤ upper.
};

// What had to be done to make the counts rise.
struct bucket_bend {
    bool bent;
    f64 min_bucket;
    f64 max_bucket;
    f64 max_diff;
};

// buckets rise by upper bound; equal bounds are added up. count > 0.
f64 bucket_quantile(f64 q, struct bucket *buckets, u32 count, struct bucket_bend *bend);
f64 bucket_fraction(f64 lower, f64 upper, struct bucket *buckets, u32 count);

#endif
