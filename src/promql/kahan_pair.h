// kahan_pair.h: two compensated sums side by side, without branches; to the bit what kahan_add
// does.
//
// Threads: values.
#ifndef PROMQL_KAHAN_PAIR_H
#define PROMQL_KAHAN_PAIR_H

#include "base/base.h"

#include <math.h>

typedef f64 f64_pair __attribute__((vector_size(16)));
typedef i64 i64_pair __attribute__((vector_size(16)));

static inline f64_pair pair_load(const f64 *from)
{
    f64_pair v;
    memcpy(&v, from, sizeof(v));
    return v;
}

static inline void pair_store(f64 *to, f64_pair v)
{
    memcpy(to, &v, sizeof(v));
}

static inline f64_pair pair_choose(i64_pair mask, f64_pair yes, f64_pair no)
{
    return (f64_pair)((mask & (i64_pair)yes) | (~mask & (i64_pair)no));
}

static inline f64_pair pair_abs(f64_pair v)
{
    return (f64_pair)((i64_pair)v & INT64_MAX);
}

static inline void pair_add(f64_pair *sum, f64_pair *lost, f64_pair v)
{
    f64_pair total = *sum + v;
    i64_pair sum_is_larger = pair_abs(*sum) >= pair_abs(v);
    f64_pair large = pair_choose(sum_is_larger, *sum, v);
    f64_pair small = pair_choose(sum_is_larger, v, *sum);
    i64_pair is_infinite = pair_abs(total) == (f64_pair){INFINITY, INFINITY};
    *lost += (large - total) + small;
    *lost = (f64_pair)(~is_infinite & (i64_pair)*lost);
    *sum = total;
}

#endif
