// chunk_groups.h: what the two readers of a column's residuals share: chunk_unpack.c, which runs on
// any machine, and chunk_unpack_avx2.c, eight values at a time.
//
// Threads: pure functions.
#ifndef TSDB_CHUNK_GROUPS_H
#define TSDB_CHUNK_GROUPS_H

#include "base/base.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_unpack.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

// Residuals of a column, group after group. Threads: owned.
struct groups {
    const u8 *at;
    const u8 *end;
    const u8 *codes; // MB only.
    u64 base;
    u32 count;
    u32 width_min;
    u32 width_max; // No group is wider.
    u32 step;
    u32 code_log;
    bool mb;
    bool based;
};

// How residuals become integers. UNPACK_... of the sink says what becomes of those.
enum steps {
    STEPS_NONE,   // x0 + gcd · r, r unsigned: FOR.
    STEPS_UNFOLD, // r, signed.
    STEPS_SUM,    // x += gcd · r: D1.
    STEPS_SUM2,   // delta += gcd · r, x += delta: D2.
};

// Threads: owned.
struct sums {
    u64 x;     // The value before; STEPS_NONE: x0.
    u64 delta; // The step before, a multiple of the gcd.
    u64 gcd;
    u64 base;
    f64 divisor;
};

// ---- chunk_unpack_avx2.c ----
bool avx2_here(void); // Whether this machine can run what follows.
// Whether the next one can read them.
bool avx2_reads(const struct groups *r, const struct sums *s, enum steps steps, enum unpack_as as);
// As residuals_run of chunk_unpack.c; s is left as it was.
bool residuals_run_avx2(struct groups *r, const struct sums *s, enum steps steps, enum unpack_as as,
                        u8 *out) MUST_USE;
// Puts the word, by groups; how many times.
u32 constant_store_avx2(u64 word, u32 count, u8 *out);
// As ranks_store of chunk_unpack.c, whole groups; the value of the last one. Up to four values
// behind that may be read.
const u64 *ranks_store_avx2(const u8 *bitmap, const u64 *values, u32 count, u8 *out);

#endif
