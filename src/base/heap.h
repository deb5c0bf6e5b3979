// heap.h: a binary min-heap of (i64 key, u32 value): timers and k-way merges.
//
// push, pop O(log n). Ties are broken by value, so the order is deterministic.
// Threads: owned.
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/base.h"

struct heap_item {
    i64 key;
    u32 value;
};

struct heap {
    struct heap_item *items;
    u32 count;
    u32 cap;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); // Accepts zeroed.
void heap_push(struct heap *h, i64 key, u32 value);
struct heap_item heap_pop(struct heap *h);        // CHECKs that count > 0.
struct heap_item heap_peek(const struct heap *h); // CHECKs that count > 0.
bool heap_remove(struct heap *h, u32 value);      // O(n).

#endif
