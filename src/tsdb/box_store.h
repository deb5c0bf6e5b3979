// box_store.h: the boxes of one window of the head: bytes, one behind the other.
//
//   reference ─► extent ─► length · box
//
// A box never changes and never moves. Costs: add O(bytes); get O(1), without a lock.
// Memory: extents of BOX_EXTENT bytes, at most BOX_EXTENTS_MAX; all of it dies with the window.
// Threads: add is guarded by the shard's lock; get may be called by whoever learnt the reference
// under the lock.
#ifndef TSDB_BOX_STORE_H
#define TSDB_BOX_STORE_H

#include "tsdb/box.h"

#include <stdatomic.h>

struct arena;

#define BOX_BYTES_MAX   ((size_t)1 << 20) // Of one box; the largest histogram has less.
#define BOX_EXTENT      ((size_t)1 << 20)
#define BOX_EXTENTS_MAX 8192U
#define BOX_EXTENTS_LOW 64U // What a commit may need: so many are kept free of new boxes.

// Threads: guarded by the shard's lock, as above.
struct box_store {
    _Atomic(u8 **) extents;
    _Atomic u64 *held; // Of all stores that share it; NULL = nobody asks.
    u32 count;
    u32 used; // Bytes of the last.
};
void box_store_fini(struct box_store *s);
u64 box_store_bytes(const struct box_store *s); // What it adds to `held`.
bool box_store_room(const struct box_store *s); // For the boxes of a commit.
f64 box_store_add(struct box_store *s, str bytes);
// The bytes of one extent, for a head image, and a store made of them before any reader: whether
// each box in them is whole.
const u8 *box_store_extent(const struct box_store *s, u32 i);
bool box_store_load(struct box_store *s, str bytes, struct arena *scratch) MUST_USE;
// Empty, or no box, if the reference is of a head image that contradicts itself.
str box_store_get(const struct box_store *s, f64 ref);
static inline bool box_store_empty(const struct box_store *s)
{
    return atomic_load_explicit(&s->extents, memory_order_acquire) == NULL;
}
// References into the store become references into the list. false: its arena is full; the values
// are undefined.
bool box_store_open(const struct box_store *s, f64 *values, u32 n, struct box_list *list) MUST_USE;

#endif
