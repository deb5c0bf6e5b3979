// chunk_unpack.h: integer columns of a chunk, read: unpack, unfold, multiply, sum, convert, divide,
// store, 8 values at a time.
// Residuals go eight at a time where the machine can (chunk_residuals_avx2.c), told once a column.
//
// Threads: pure functions, but for column_unpack_portable, which may be called at any time.
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
    // Set where it is known that each value is a number and none is less than the one before it;
    // what is told without looking at values. NULL: nobody asks.
    bool *rises;
};

// Reads a column of n integers; false if the bytes contradict themselves.
bool column_unpack(struct dec *d, u8 header, u32 n, const struct unpack_sink *sink) MUST_USE;

// Tests and measurements: whether instructions are left alone that not every machine has. What
// comes out is the same.
void column_unpack_portable(bool only);

#endif
