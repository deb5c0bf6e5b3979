// hist_reset.h: comparing a native histogram with the one before it.
//
// O(buckets of both), nothing is allocated unless custom bounds differ.
// Threads: stateless.
#ifndef MODEL_HIST_RESET_H
#define MODEL_HIST_RESET_H

#include "model/hist.h"

// Has the counter begun again between the two? Hints of the newer one are believed.
bool hist_is_reset(const struct hist *before, const struct hist *h);
// The same buckets with the same counts, sums and thresholds, however spans are cut and hints set.
bool hist_same(const struct hist *a, const struct hist *b);

#endif
