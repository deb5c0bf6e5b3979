// head_window.h: the samples of a head shard that fall into one block range.
//
//   window ── segments: a row of ≤ ROWS_MAX times, shared by the series of one column group, or
//          │            private to one series
//          ├─ sealed chunks: packed values over some rows of one segment, newest first per series
//          └─ late runs: out-of-order samples of one series, sorted, unpacked
//
// A segment's rows are appended only, so a reader that copied (pointer, count) under the shard's
// lock reads the times without it. Sealed chunks never change. Everything of a window dies with it.
// Invariants:
//   (I1) Times of a segment rise strictly; a chunk's rows are a subset of its segment's.
//   (I2) A frozen window never changes.
// Memory: an arena per window plus 8 bytes per series that has data in it.
// Threads: guarded by the shard's lock; frozen after window_freeze.
#ifndef TSDB_HEAD_WINDOW_H
#define TSDB_HEAD_WINDOW_H

#include "base/base.h"

struct arena;
struct head_window;

#ifdef TIDEMARK_SMALL
#    define ROWS_MAX 12
#else
#    define ROWS_MAX 120
#endif
#define PRESENCE_BYTES 16
static_assert(ROWS_MAX <= PRESENCE_BYTES * 8, "presence has a bit for each row");

// Threads: guarded by the shard's lock; t[0 … n) of a copied n is frozen.
struct segment {
    struct head_window *window;
    struct segment *older; // In the window's list.
    u32 id;                // Unique in the shard.
    u32 group;             // 0 = private.
    u16 n;
    u16 cap;
    u32 mark; // Scratch of the block cut: the column it became.
    i64 t[];
};

// Threads: frozen.
struct sealed {
    struct sealed *older; // Of the same series.
    struct segment *segment;
    u8 n;
    u8 first;
    u8 last;
    u32 bytes;
    u8 data[]; // PRESENCE_BYTES if n < last - first + 1, then the packed chunk.
};

// Threads: guarded by the shard's lock.
struct late_run {
    i64 *t;
    f64 *values;
    u32 n;
    u32 cap;
};

// One value of a series is being collected here. Threads: guarded by the shard's lock.
struct open_chunk {
    struct segment *segment; // NULL = nothing open.
    f64 *values;             // n of them, from the slabs.
    u8 n;
    u8 cap; // Index of the slab class.
    u8 first;
    u8 last;
    u8 present[PRESENCE_BYTES];
};

#define WINDOW_PAGE 1024U

// Threads: guarded by the shard's lock; frozen once `frozen` is set.
struct head_window {
    i64 start_ms;
    i64 end_ms; // Exclusive.
    struct arena *arena;
    struct segment *segments; // Newest first.
    struct sealed ***chunks;  // [ordinal / WINDOW_PAGE][ordinal % WINDOW_PAGE], newest.
    struct late_run ***late;
    u32 chunk_pages;
    u32 late_pages;
    u64 chunk_count;
    u64 late_bytes;
    bool frozen;
};

struct head_window *window_new(i64 start_ms, i64 end_ms);
void window_free(struct head_window *w); // Accepts NULL.
u64 window_bytes(const struct head_window *w);

struct segment *window_segment(struct head_window *w, u32 id, u32 group, u32 cap);
// The row of t in a segment, or -1.
int segment_row(const struct segment *s, i64 t);

struct sealed *window_chunk(const struct head_window *w, u32 ordinal); // NULL if none.
void window_seal(struct head_window *w, u32 ordinal, const struct open_chunk *open);
const u8 *sealed_presence(const struct sealed *c); // NULL = every row from first to last.
str sealed_bytes(const struct sealed *c);

struct late_run *window_late(const struct head_window *w, u32 ordinal); // NULL if none.
// Inserts by time; false if the time is there already.
bool window_late_add(struct head_window *w, u32 ordinal, i64 t, f64 value);

static inline bool presence_has(const u8 *present, u32 row)
{
    return present[row / 8] >> (row % 8) & 1;
}

// Value buffers of open chunks, recycled by size. Threads: guarded by the shard's lock.
#define SLAB_CLASSES 5 // 8, 16, 32, 64, 128 values.
struct value_slabs {
    struct arena *arena;
    f64 *free[SLAB_CLASSES]; // Chained through the first value.
};
void slabs_init(struct value_slabs *s);
void slabs_fini(struct value_slabs *s);
// Adds a value at a row past the last one.
void open_chunk_add(struct value_slabs *s, struct open_chunk *o, u32 row, f64 value);
void open_chunk_reset(struct value_slabs *s, struct open_chunk *o);

#endif
