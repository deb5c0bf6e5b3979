// push_cache.h: the series that pushes spelt before: their label bytes as they came → series_ref,
// so that a known series costs a comparison, and none of its labels is read.
//
// A sender tells its series in the same order each time. So each record names the one that came
// after it last time, and a walk over a request compares the bytes at hand with that one, without
// hash and without lock; only where the order changed is a series looked for.
//
// A key is compared whole: equal bytes were read and judged before, by the same limits, so they
// mean the same series. A series that left storage keeps its key here; its ref is refused there
// (APPEND_INVALID) and must then be asked for again, which mends the entry.
// Operations and cost: next, find and put O(bytes of the key); a batch of keys is fetched ahead.
// Memory: two generations of at most half of bytes_max each. When the young one is full the old one
// is forgotten; what is found in the old one is copied into the young one. A generation in which
// somebody still walks is not forgotten: until then nothing more is kept.
// Invariants:
//   (I1) One cache serves one storage and one set of limits.
//   (I2) A search looks at no more than PROBES_MAX slots, whoever chooses the keys.
//   (I3) A record that a walk can reach stays where it is, and its key does not change.
// Threads: guarded by its lock; lanes share a cache. A walk is owned.
#ifndef INGEST_PUSH_CACHE_H
#define INGEST_PUSH_CACHE_H

#include "base/base.h"
#include "storage/storage.h"

struct push_cache;

// Label bytes of one series. Threads: a value.
struct push_key {
    str bytes;
    u64 hash; // Zero: it is unknown to the cache and stays so.
};
u64 push_key_hash(struct tenant_id tenant, str bytes); // Zero if they are unfit.

// Where one request is in the order of series that is known. Threads: owned.
struct push_walk {
    struct push_cache *cache; // NULL = nothing is known.
    struct tenant_id tenant;
    struct generation *in; // Pinned.
    u32 last;              // Place of the record that was met last; 0 = none.
    u32 expected;          // Of the one that came after it the last time; 0 = none.
};
void push_walk_open(struct push_walk *w, struct push_cache *c, struct tenant_id tenant);
void push_walk_close(struct push_walk *w); // Accepts a zeroed one.
// The bytes of labels that the series at `at`, of len bytes, begins with, if it is the expected one
// and more follows behind its labels; else 0.
size_t push_walk_next(struct push_walk *w, const u8 *at, size_t len, struct series_ref *ref);
// The series of the keys, which come next in the walk; none if one is not known. Learns their
// order. Returns how many are known.
u32 push_walk_find(struct push_walk *w, const struct push_key *keys, u32 n,
                   struct series_ref *refs);

// Keeps refs[i] for keys[i]; of a key without one, which storage refused, it forgets what it had.
void push_cache_put(struct push_cache *c, struct tenant_id tenant, const struct push_key *keys,
                    const struct series_ref *refs, u32 n);
// The series of this key is known no more, until it is put again.
void push_cache_forget(struct push_cache *c, struct tenant_id tenant, const struct push_key *key);

#endif
