// compact_merge.h: one series of a compaction whose sources overlap, sample by sample.
//
// Parts that follow each other in time are a lane. The lane with the earliest time goes on until
// the next one's time; of two at the same time the earlier lane's sample stays. A chunk is decoded
// when the first of its samples is taken.
// Cost: O(samples) + O(lanes) for each change between lanes. Memory: of each lane one decoded
// chunk, together with the rest at most the compaction's bytes_max, else ERR_LIMIT.
// Threads: owned by the compaction.
#ifndef TSDB_COMPACT_MERGE_H
#define TSDB_COMPACT_MERGE_H

#include "tsdb/compact_column.h"

// Writes the parts, in the order in which they were added, into columns of their own.
bool compact_merge(struct compact_columns *c, u32 ordinal, struct error *e) MUST_USE;

#endif
