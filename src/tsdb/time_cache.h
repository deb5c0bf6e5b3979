// time_cache.h: the timestamp columns of one block that a reader has decoded, equal ones once.
//
//   number of a column ─► slot ───────────────────┬─► times
//   its bytes and rows ─► place: one with equal ──┘
//
// Targets that are scraped or pushed at the same times have columns of the same bytes: those are
// compared, not decoded, and all get the first one's times and id.
// Cost: O(1) for a column that is known, O(bytes) for one whose bytes are. Of columns whose bytes
// have hashes alike no more than PLACES are told apart; others are kept twice.
// Memory: for each different column 8 bytes a row, its bytes and 40; 32 to 64 for each column.
// Invariants: (I1) Columns with one id have the same times, at the same address.
// Threads: owned.
#ifndef TSDB_TIME_CACHE_H
#define TSDB_TIME_CACHE_H

#include "base/base.h"

struct arena;

// Threads: frozen until clear.
struct column_times {
    const i64 *t_ms;
    u32 n;
    u32 id; // The number of the first column that had them.
    str body;
};

// Threads: owned.
struct time_cache {
    struct arena *arena;
    struct time_slot {
        u32 column;
        const struct column_times *times; // NULL = empty slot.
    } * slots;
    const struct column_times **places;
    u32 cap; // Of slots and of places; a power of two.
    u32 count;
    u32 distinct;
};
void time_cache_init(struct time_cache *c, size_t bytes_max);
void time_cache_fini(struct time_cache *c); // Accepts zeroed.
void time_cache_clear(struct time_cache *c);
u64 time_cache_bytes(const struct time_cache *c);
// NULL: it is not known.
const struct column_times *time_cache_get(const struct time_cache *c, u32 column);
// Times of another column that has the same bytes; NULL: there is none.
const struct column_times *time_cache_equal(const struct time_cache *c, str body, u32 n);
// A column that is not known has these times, of time_cache_equal.
void time_cache_share(struct time_cache *c, u32 column, const struct column_times *times);
// Copies the times and bytes of a column that is not known; NULL: there is no room.
const struct column_times *time_cache_add(struct time_cache *c, u32 column, str body,
                                          const i64 *t_ms, u32 n);

#endif
