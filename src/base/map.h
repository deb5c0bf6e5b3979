// map.h: a hash index: 64-bit hash → u32, open addressing with control bytes, no pointers stored.
//
// The caller keeps the things themselves in an array; the map stores (hash, index) and asks `eq`
// whether the thing at an index is the one looked for. Get and put O(1) expected, growth doubles at
// 7/8 load; 5 bytes a slot beside the caller's own hash column: the hash of an index is asked back
// through `hash_of` when growing, so nothing is stored twice.
// (I1) No two live entries are equal under eq. Threads: owned or guarded by the caller's lock.
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"

#define MAP_NONE UINT32_MAX

struct map_ops {
    bool (*eq)(const void *ctx, u32 index, const void *key);
    u64 (*hash_of)(const void *ctx, u32 index);
};

struct map {
    u8 *ctrl;
    u32 *slots;
    u32 mask; // Slot count - 1, 0 when empty.
    u32 count;
    u32 used; // Live and deleted.
    const struct map_ops *ops;
    const void *ctx;
};

void map_init(struct map *m, const struct map_ops *ops, const void *ctx);
void map_fini(struct map *m); // Accepts zeroed.

u32 map_get(const struct map *m, u64 hash, const void *key); // MAP_NONE if absent.
void map_put(struct map *m, u64 hash, u32 index);            // The key must be absent.
void map_reserve(struct map *m, u32 count);                  // So many do not make it grow.
bool map_del(struct map *m, u64 hash, const void *key);
void map_prefetch(const struct map *m, u64 hash);
size_t map_bytes(const struct map *m);

#endif
