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

#include <stdatomic.h>

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
    u8 *const *chunks;     // Of it.
    u32 last;              // Place of the record that was met last; 0 = none.
    u32 expected;          // Of the one that came after it the last time; 0 = none.
};
void push_walk_open(struct push_walk *w, struct push_cache *c, struct tenant_id tenant);
void push_walk_close(struct push_walk *w); // Accepts a zeroed one.
// The bytes of labels that the series at `at`, of len bytes, begins with, if it is the expected one
// and more follows behind its labels; else 0.
static inline size_t push_walk_next(struct push_walk *w, const u8 *at, size_t len,
                                    struct series_ref *ref);
// The series of the keys, which come next in the walk; none if one is not known. Learns their
// order. Returns how many are known.
u32 push_walk_find(struct push_walk *w, const struct push_key *keys, u32 n,
                   struct series_ref *refs);

// Keeps refs[i] for keys[i]; of a key without one, which storage refused, it forgets what it had.
void push_cache_put(struct push_cache *c, struct tenant_id tenant, const struct push_key *keys,
                    const struct series_ref *refs, u32 n);
// The series of this key is known no more, until it is put again.
void push_cache_forget(struct push_cache *c, struct tenant_id tenant, const struct push_key *key);

// ---- what push_walk_next is inline for ----

#define PUSH_CHUNK_BYTES ((u32)256 << 10)
#define PUSH_WALK_AHEAD  768U // Bytes of records, which mostly stand in the order of the walk.
#define PUSH_WALK_LINES  4U   // Of the cache, which the usual record has.
#define PUSH_KEY_LABEL   0x0a // Begins one more label.

// The bytes of the key follow. Threads: written with the cache's lock; walks read without it.
struct push_record {
    _Atomic u64 ref;
    _Atomic u32 next; // Place of the record that came after it; 0 = none yet.
    u32 tenant;
    u32 len;
};

static inline struct push_record *push_record_at(u8 *const *chunks, u32 place)
{
    const u64 at = (u64)(place - 1) * 8;
    return (struct push_record *)(void *)(chunks[at / PUSH_CHUNK_BYTES] + at % PUSH_CHUNK_BYTES);
}

static inline struct series_ref push_record_ref(const struct push_record *r)
{
    // A walk may read while the entry is mended: it gets the one or the other.
    const u64 bits = atomic_load_explicit(&r->ref, memory_order_relaxed);
    return (struct series_ref){.ordinal = (u32)bits, .generation = (u32)(bits >> 32)};
}

static inline void push_walk_to(struct push_walk *w, u32 place, const struct push_record *r)
{
    w->last = place;
    // Acquire: whoever made it the next one has written it whole.
    w->expected = atomic_load_explicit(&r->next, memory_order_acquire);
}

static inline size_t push_walk_next(struct push_walk *w, const u8 *at, size_t len,
                                    struct series_ref *ref)
{
    if (w->expected == 0) {
        return 0;
    }
    const struct push_record *r = push_record_at(w->chunks, w->expected);
    for (u32 line = 0; line < PUSH_WALK_LINES; line++) {
        __builtin_prefetch((const char *)r + PUSH_WALK_AHEAD + (size_t)line * 64);
    }
    if (r->len >= len || at[r->len] == PUSH_KEY_LABEL || r->tenant != w->tenant.v ||
        memcmp(r + 1, at, r->len) != 0) {
        return 0;
    }
    *ref = push_record_ref(r);
    if (UNLIKELY(series_ref_is_none(*ref))) {
        return 0; // Forgotten.
    }
    push_walk_to(w, w->expected, r);
    return r->len;
}

#endif
