// head_window.h: the samples of a head shard that fall into one block range.
//
//   window ── segments: a row of ≤ ROWS_MAX times, shared by the series of one column group, or
//          │            private to one series
//          ├─ sealed chunks: packed values over some rows of one segment, newest first per series
//          ├─ late runs: out-of-order samples of one series, sorted, unpacked
//          └─ boxes: what values refer to that are more than a double (box.h)
//
// A segment's rows are appended only, so a reader that copied (pointer, count) under the shard's
// lock reads the times without it. Sealed chunks never change. Everything of a window dies with it,
// but for late runs of series that left for cold blocks (head_cold.h): these go at once.
// Invariants:
//   (I1) Times of a segment rise strictly; a chunk's rows are a subset of its segment's.
//   (I2) A frozen window never changes, but that series leave it which each reader has in a block.
// Memory: an arena per window, 4 bytes per series that has data in it, its sealed chunks until they
// are in files, its boxes.
// Threads: guarded by the shard's lock; frozen after window_freeze.
#ifndef TSDB_HEAD_WINDOW_H
#define TSDB_HEAD_WINDOW_H

#include "base/base.h"
#include "tsdb/box_store.h"
#include "tsdb/head_sealed.h"

struct arena;
struct head_window;

#ifdef TIDEMARK_SMALL
#    define ROWS_MAX 12
#else
#    define ROWS_MAX 120
#endif
#define FIRST_SIZES 8U // Of the segments with which groups begin a window.
static_assert(ROWS_MAX <= PRESENCE_BYTES * 8, "presence has a bit for each row");

// Threads: guarded by the shard's lock; t[0 … n) of a copied n is frozen.
struct segment {
    struct head_window *window;
    struct segment *older; // In the window's list.
    u32 id;                // Unique in the shard.
    u32 index;             // Its place in the window: what sealed chunks say of it.
    u32 group;             // 0 = private.
    u16 n;
    u16 cap;
    u32 mark; // Scratch of the block cut: the column it became.
    i64 t[];
};

// Threads: guarded by the shard's lock.
struct late_run {
    i64 *t;
    f64 *values;
    u32 n;
    u32 cap;
};

#define WINDOW_PAGE   1024U
#define SEGMENT_PAGE  4096U
#define SEGMENT_PAGES 65536U

// Threads: guarded by the shard's lock; frozen once `frozen` is set.
struct head_window {
    i64 start_ms;
    i64 end_ms; // Exclusive.
    struct arena *arena;
    struct segment *segments; // Newest first.
    struct segment ***places; // [index / SEGMENT_PAGE][index % SEGMENT_PAGE]: never moves.
    u32 segment_count;
    u32 **chunks; // [ordinal / WINDOW_PAGE][ordinal % WINDOW_PAGE]: position of the newest.
    struct sealed_store sealed;
    struct box_store boxes;
    struct late_run ***late;
    u32 chunk_pages;
    u32 late_pages;
    u64 late_bytes;
    bool frozen;
};

struct head_window *window_new(i64 start_ms, i64 end_ms);
void window_free(struct head_window *w);       // Accepts NULL. Its files stay.
void window_remove(struct head_window *w);     // With its files.
u64 window_bytes(const struct head_window *w); // In memory, without the boxes.

struct segment *window_segment(struct head_window *w, u32 id, u32 group, u32 cap);
// The one that a sealed chunk names. Without a lock, of a chunk that was found under it.
static inline struct segment *window_segment_at(const struct head_window *w, u32 index)
{
    return w->places[index / SEGMENT_PAGE][index % SEGMENT_PAGE];
}
#define SEGMENT_OF_IMAGE UINT32_MAX // As a group: shared, by whom is not known any more.
// The row of t in a segment, or -1.
int segment_row(const struct segment *s, i64 t);

u32 window_chunk(const struct head_window *w, u32 ordinal); // Position of the newest sealed one.
// Where the position of a series' newest chunk stands; made if it is not there.
u32 *window_chunk_place(struct head_window *w, u32 ordinal);
// A chunk about to be sealed. Threads: owned by the call.
struct window_chunk {
    struct segment *segment;
    str packed;
    const u8 *present; // Bits by row; NULL = every row from first to last.
    u8 n;
    u8 first;
    u8 last;
};
void window_seal(struct head_window *w, u32 ordinal, const struct window_chunk *c);

struct late_run *window_late(const struct head_window *w, u32 ordinal); // NULL if none.
void window_late_drop(struct head_window *w, u32 ordinal);              // Its late samples.
// Inserts by time; false if the time is there already.
bool window_late_add(struct head_window *w, u32 ordinal, i64 t, f64 value);

static inline bool presence_has(const u8 *present, u32 row)
{
    return present[row / 8] >> (row % 8) & 1;
}

#endif
