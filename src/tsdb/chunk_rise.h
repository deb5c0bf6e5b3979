// chunk_rise.h: whether the values of a packed chunk never fall, told by its head alone.
//
// Counters grow: their chunks are a first integer and steps, of which the smallest stands in the
// head. Where that is not negative and no sum can pass what a double counts exactly, each value is
// a number and none is less than the one before: dividing them keeps their order. So whoever would
// look at each value for a reset or a marker need not.
// Cost: O(1). Threads: pure functions.
#ifndef TSDB_CHUNK_RISE_H
#define TSDB_CHUNK_RISE_H

#include "base/base.h"

// Of a chunk that chunk_pack_decode accepts with this n; false: it may fall, or is of another kind.
bool chunk_rises(str bytes, u32 n);

#endif
