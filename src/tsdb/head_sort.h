// head_sort.h: series of a shard in the order of their labels.
//
// They come in the order in which they were made, which often is nearly that of their labels: what
// one target tells stands together. So runs that rise already are found and joined, and where one
// ends before the next begins, that costs one comparison.
// Cost: O(n) comparisons of labels where they are in order but for neighbours, O(n log n) else.
// Memory: 8 bytes a series while it works.
// Threads: pure.
#ifndef TSDB_HEAD_SORT_H
#define TSDB_HEAD_SORT_H

#include "base/base.h"

struct head_series;

// Of equal ones the first stays first.
void head_series_sort(struct head_series *series, u32 n);

#endif
