// hist_quantile.h: what a native histogram says about the distribution of its observations.
//
// Within a bucket observations are spread exponentially, in the zero bucket and in custom ones
// evenly. O(buckets), nothing is allocated.
// Threads: stateless.
#ifndef MODEL_HIST_QUANTILE_H
#define MODEL_HIST_QUANTILE_H

#include "model/hist.h"

struct arena;

// Observations that are NaN are in no bucket; the sum tells of them. What they did to a quantile:
enum hist_nan_effect { HIST_NAN_NONE, HIST_NAN_RESULT, HIST_NAN_SKEW };

f64 hist_quantile(f64 q, const struct hist *h, enum hist_nan_effect *effect);
f64 hist_fraction(f64 lower, f64 upper, const struct hist *h);
f64 hist_variance(const struct hist *h);
// Only what was observed below (keeps_upper: above) the cut, as far as buckets tell; the arena's,
// or h itself where nothing is cut off.
const struct hist *hist_trim(const struct hist *h, f64 cut, bool keeps_upper, struct arena *a);

#endif
