// float_avx2.h: what is done most with columns of floats, four of them at a time.
//
// Each function does whole fours from where it is told to begin and says how many floats that were:
// 0 where the machine cannot. The caller does the rest by the code that it has for any machine,
// which these equal bit for bit.
// Threads: pure functions, but for avx2_forbid.
#ifndef PROMQL_FLOAT_AVX2_H
#define PROMQL_FLOAT_AVX2_H

#include "base/base.h"

struct series_call;

// As kahan_add, of n sums and the values of some columns, one column after the other; none of lost
// is -0.
u32 avx2_sum(f64 *sums, f64 *lost, const f64 *const *columns, u32 count, u32 n) MUST_USE;

// What was met on the way; only ever set. Threads: value.
struct avx2_met {
    bool nan;
    bool fall; // A value less than the one before.
};
// Copies n values; there is one before from[0].
u32 avx2_copy(f64 *to, const f64 *from, u32 n, struct avx2_met *met) MUST_USE;

// rate or increase of steps [from, to), in whose windows nothing falls.
u32 avx2_increase(const struct series_call *c, u32 from, u32 to, f64 *out) MUST_USE;

// For tests: from now on no machine can, or again each that is able to. For the whole process.
void avx2_forbid(bool forbidden);

#endif
