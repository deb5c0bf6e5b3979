// chunk_groups.h: what the two readers of a column's residuals share: chunk_residuals.c, which runs
// on any machine, and chunk_residuals_avx2.c, eight values at a time.
//
// Widths of all groups are told before the first is read, so that the loops over them have neither
// codes nor a choice.
// Threads: pure functions.
#ifndef TSDB_CHUNK_GROUPS_H
#define TSDB_CHUNK_GROUPS_H

#include "base/base.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_unpack.h"
#include "tsdb/int_pack.h"

struct dec;

#define ALWAYS_INLINE inline __attribute__((always_inline))

enum { WIDTHS_BEYOND = 16 }; // They are written eight and looked at 16 at a time.

// Residuals of a column, group after group. Threads: owned.
struct groups {
    const u8 *at;
    const u8 *end;
    u64 base;
    u32 count;     // Of residuals.
    u32 width_max; // No group is wider.
    bool based;
    bool room; // For whole groups where they go, even if the last one has fewer values.
    u8 widths[INT_PACK_MAX / GROUP + WIDTHS_BEYOND]; // Of each group, in bits and so in bytes.
};
// Everything before the groups themselves, of count residuals, 1 to INT_PACK_MAX; false if the
// bytes contradict themselves.
bool groups_open(struct groups *r, struct dec *d, bool mb, u32 count) MUST_USE; // No room.

// Groups that stand one behind the other: in place, or in a copy. Threads: owned.
struct group_span {
    const u8 *at;    // The first one's bytes.
    const u8 *limit; // One that begins behind it would be read too far.
    const u8 *widths;
    const u8 *to; // Of the widths.
    u8 *out;      // GROUP × 8 bytes for each.
};
enum { REACH_MAX = WIDTH_MAX + 8 }; // Of both readers.
// All groups, span after span: in place as far as that goes, the rest from a copy with room behind
// it, the last one to a place of its own where it has no room. Whoever reads them leaves the span
// at the first that is none of its or begins behind the limit, and asks for the next.
// Threads: owned.
struct group_walk {
    struct group_span span;
    struct groups *groups;
    u32 reach; // No group is read further from where it begins; up to REACH_MAX.
    bool copied;
    size_t left; // Where it was copied: how many bytes.
    u8 *out;
    u8 last[GROUP * 8];
    u8 copy[2 * REACH_MAX];
};
void group_walk_init(struct group_walk *w, struct groups *r, u32 reach, u8 *out);
bool group_walk_next(struct group_walk *w); // Is there another span?
// Moves the groups' cursor behind the last; false if they take more than there is.
bool group_walk_end(struct group_walk *w) MUST_USE;

// How residuals become integers. UNPACK_... of the sink says what becomes of those.
enum steps {
    STEPS_NONE,   // x0 + gcd · r, r unsigned: FOR.
    STEPS_UNFOLD, // r, signed, times the gcd.
    STEPS_SUM,    // x += gcd · r: D1.
    STEPS_SUM2,   // delta += gcd · r, x += delta: D2.
};

// Threads: owned.
struct sums {
    u64 x;     // The value before; STEPS_NONE: x0.
    u64 delta; // The step before, a multiple of the gcd.
    u64 gcd;
    f64 divisor;
    enum steps steps;
    enum unpack_as as;
    bool rises; // Told when they are read: see struct unpack_sink.
};
// Whether every integer that may come out is below 2^51, so that doubles hold them and all sums
// on the way; cautious.
bool sums_exact(const struct groups *r, const struct sums *s);

// ---- chunk_residuals.c ----
// Reads the residuals, puts r->count values at out and moves r->at behind them. False if the bytes
// contradict themselves.
bool residuals_run(struct groups *r, const struct sums *s, u8 *out) MUST_USE;

// ---- chunk_residuals_avx2.c ----
bool avx2_here(void); // Whether this machine can run what follows.
// Whether the next one can read them.
bool avx2_reads(const struct groups *r, const struct sums *s);
// As residuals_run.
bool residuals_run_avx2(struct groups *r, const struct sums *s, u8 *out) MUST_USE;

// ---- chunk_ranks_avx2.c ----
// Puts the word so many times, CONSTANTS_MIN at least, to a place that begins where words do.
enum { CONSTANTS_MIN = 40 };
void constant_store_avx2(u64 word, u32 count, u8 *out);
// As ranks_store of chunk_unpack.c, whole groups; the value of the last one. Up to four values
// behind that may be read.
const u64 *ranks_store_avx2(const u8 *bitmap, const u64 *values, u32 count, u8 *out);

#endif
