// block_cut.h: makes a block of a frozen window of the head's shards, or of what some series of one
// shard have in a window that goes on (head_cold.h).
//
//   gather the series that have data → number the symbols in order → sort by labels → write the
//   groups' timestamp columns → each series' chunks and index entry → meta → sync → rename → sync
//
// Rows of up to COLUMN_ROWS_MAX are joined from the head's segments, so that a series with 480
// samples in two hours is one chunk. A series with late samples, or one that both shards have, is
// merged sample by sample into columns of its own; the first shard wins where both have a time.
// Cost: a decode and an encode per sample, a sort of the series. Memory: symbol numbers of the
// labels (8 bytes a label), one page of each kind, the index's postings.
// Of a cold block's series, what they have is learnt under the lock; those that are not as they
// were are left out, and the block is as long as what it has.
// Threads: one at a time; windows are frozen or what is read of them is, labels are read under the
// shards' locks.
#ifndef TSDB_BLOCK_CUT_H
#define TSDB_BLOCK_CUT_H

#include "base/base.h"

struct block_meta;
struct chunk_tally;
struct clk;
struct cold_list;
struct error;
struct exemplar_group;
struct fs;
struct head;
struct rng;
struct tombstones;

// Threads: owned by the call.
struct block_cut {
    struct fs *fs;
    struct clk *clk;
    struct rng *rng;
    const char *dir; // Where blocks are listed.
    struct head *const *heads;
    u32 head_count;                 // ≤ 2
    struct tombstones *const *dead; // What of each head is deleted; they move into the block.
    const struct exemplar_group *exemplars; // Of the window, sorted by tenant and labels.
    u32 exemplar_count;
    i64 min_ms; // The window.
    i64 max_ms;
    struct chunk_tally *tally; // Emptied; then of the chunks written.
    struct cold_list *cold;    // Of the one shard; marks who woke. NULL: all of the window.
};
// *made tells whether there was anything to write. On failure nothing is listed.
bool block_cut_run(const struct block_cut *c, struct block_meta *meta, bool *made,
                   struct error *e) MUST_USE;

#endif
