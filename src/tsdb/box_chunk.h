// box_chunk.h: a chunk of samples of which some are boxes (box.h), as a block stores it.
//
// Neighbours of one shape (kind, reset hint, schema, threshold, spans, bounds, with or without
// start) are a run: the shape once, then a column for each of count, sum and buckets, packed as any
// other chunk of values; start timestamps are a column of integers.
// Cost: O(values of all columns). Memory: decode needs 8 bytes for each bucket of each sample.
// Bytes: docs/format/block.md. Threads: pure functions.
#ifndef TSDB_BOX_CHUNK_H
#define TSDB_BOX_CHUNK_H

#include "tsdb/box.h"

struct buf;
struct error;

// 1 ≤ n ≤ CHUNK_VALUES_MAX; references are into the list.
void box_chunk_encode(const f64 *values, u32 n, const struct box_list *list, struct buf *out);
// Adds boxes to the list, in its arena; bytes must be exactly the chunk, and PAGE_SLACK bytes
// behind them readable. ERR_CORRUPT if it contradicts itself, ERR_LIMIT if the arena
// is full; values then are undefined.
bool box_chunk_decode(str bytes, u32 n, struct box_list *list, f64 *values,
                      struct error *e) MUST_USE;

#endif
