// push_cache.h: the series that pushes spelt before: their label bytes as they came → series_ref,
// so that a known series costs a hash and a comparison, and none of its labels is read.
//
// A key is compared whole: equal bytes were read and judged before, by the same limits, so they
// mean the same series. A series that left storage keeps its key here; its ref is refused there
// (APPEND_INVALID) and must then be asked for again, which mends the entry.
// Operations and cost: find and put O(bytes of the key), a batch of keys at a time, fetched ahead.
// Memory: two generations of at most half of bytes_max each. When the young one is full the old one
// is forgotten; what is found in the old one is copied into the young one.
// Invariants:
//   (I1) One cache serves one storage and one set of limits.
//   (I2) A search looks at no more than PROBES_MAX slots, whoever chooses the keys.
// Threads: guarded by its lock; lanes share a cache.
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

// refs[i]: the series of keys[i], none if it is not known. Returns how many are known.
u32 push_cache_find(struct push_cache *c, struct tenant_id tenant, const struct push_key *keys,
                    u32 n, struct series_ref *refs);
// Keeps refs[i] for keys[i], if there is one.
void push_cache_put(struct push_cache *c, struct tenant_id tenant, const struct push_key *keys,
                    const struct series_ref *refs, u32 n);

#endif
