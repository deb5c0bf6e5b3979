// chunk_unpack.h: integer columns of a chunk, read in one pass: unpack, unfold, sum, multiply,
// convert, divide, store, 8 values at a time, with no array between the steps.
//
// Threads: pure functions.
#ifndef TSDB_CHUNK_UNPACK_H
#define TSDB_CHUNK_UNPACK_H

#include "base/base.h"
#include "base/dec.h"

enum unpack_as {
    UNPACK_RAW, // 64 bits as they are.
    UNPACK_INT, // (f64)i
    UNPACK_DEC, // (f64)i / divisor
};

// Threads: owned.
struct unpack_sink {
    void *out; // 8 bytes for each value.
    enum unpack_as as;
    f64 divisor; // UNPACK_DEC only.
};

// Reads a column of n integers; false if the bytes contradict themselves.
bool column_unpack(struct dec *d, u8 header, u32 n, const struct unpack_sink *sink) MUST_USE;

#endif
