// compact.h: makes one block of several.
//
//   symbols of all sources, merged ─► series merged in label order ─► each series' chunks in order
//   of time, packed bytes copied as they are ─► meta, which names the sources ─► listed
//
// Deletions that can still be undone go along with their series; the others are carried out.
// Chunks are decoded only where they must be: short neighbours that fit one column become one
// chunk, cut ones lose the samples that are cut, and where sources overlap samples are merged one
// by one (of two at the same time the earlier source's stays, as a reader has it). Pages are packed
// with zstd where that pays.
// Cost: O(bytes copied) + O(series × sources). Memory: at most COMPACT_BYTES_MAX, else ERR_LIMIT;
// 5 bytes a symbol and 8 a column of each source, the new index's postings.
// Threads: one at a time; the sources are frozen.
#ifndef TSDB_COMPACT_H
#define TSDB_COMPACT_H

#include "tsdb/block.h"

#include <stdatomic.h>

struct clk;
struct error;
struct fs;
struct retention;
struct rng;
struct tombstones;

#define COMPACT_BYTES_MAX ((u64)256 << 20)
#define COMPACT_ZSTD      3

// Threads: owned by the call.
struct compact {
    struct fs *fs;
    struct clk *clk;
    struct rng *rng;
    const char *dir;                // Where blocks are listed.
    struct block *const *blocks;    // In the order of the block set.
    u32 count;                      // 1 … BLOCK_SOURCES_MAX
    struct tombstones *const *dead; // Of each block.
    i64 dead_ms;                    // What was deleted by then is left out, what was later is kept.
    const struct retention *classes; // What is over by these is left out. NULL = nothing.
    i64 newest;                      // The newest sample of the store.
    u32 level;                       // Of the result.
    u64 bytes_max;                   // Of memory.
    const _Atomic u32 *stop;         // Not 0: give up with ERR_CANCELLED. May be NULL.
};
// *made tells whether anything was left to write. On failure nothing is listed; ERR_CORRUPT if a
// source is damaged.
bool compact_run(const struct compact *c, struct block_meta *meta, bool *made,
                 struct error *e) MUST_USE;

#endif
