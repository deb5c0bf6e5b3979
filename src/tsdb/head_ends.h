// head_ends.h: where series ended that left a shard for a cold block, so that what comes for them
// later is judged as if they were still there.
//
// An end is known by two hashes of tenant and labels that have nothing in common: 128 bits, so that
// no other series is taken for it.
// Costs: find and put O(1), prune O(ends). Memory: 24 bytes an end, a fourth more at most while it
// grows, and its place in a map.
// Invariants:
//   (I1) Every sample of the series up to its end is in a cold block, and none is taken any more.
// Threads: as struct head.
#ifndef TSDB_HEAD_ENDS_H
#define TSDB_HEAD_ENDS_H

#include "base/map.h"

// Threads: a value.
struct head_end {
    u64 hash;  // As the series table knows it.
    u64 check; // head_key_check
    i64 t;
};

// Threads: as struct head.
struct head_ends {
    struct head_end *items;
    u32 n;
    u32 cap;
    struct map index;
};
void head_ends_init(struct head_ends *x);
void head_ends_fini(struct head_ends *x);
void head_ends_put(struct head_ends *x, struct head_end end);      // A later one stays.
void head_ends_move(struct head_ends *to, struct head_ends *from); // All; from is empty then.
// Whether one of that hash may be there: then it is worth making the check.
bool head_ends_maybe(const struct head_ends *x, u64 hash);
bool head_ends_find(const struct head_ends *x, u64 hash, u64 check, i64 *t);
void head_ends_prune(struct head_ends *x, i64 floor); // Forgets those before it.
u64 head_ends_bytes(const struct head_ends *x);

#endif
