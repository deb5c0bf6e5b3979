// int_pack.h: a short column of 64-bit integers as bytes: the inner layer of every chunk, and the
// whole of a timestamp column.
//
// Plans: CONST, LIN (x0 + k·d), FOR (offsets from the smallest), D1 (deltas), D2 (deltas of
// deltas), each divided by the greatest common divisor of the deltas where that is not 1. What is
// left goes through one of two packers: PF (one width) or MB (groups of 8 values with a width each;
// a group of w-bit values is exactly w bytes). The smallest plan is taken; sizes are computed,
// nothing is encoded on trial. All arithmetic wraps modulo 2^64, so every i64 column is exact.
// Cost: encode 3 passes per plan, decode one or two; nothing allocates beyond the output buffer.
// Bytes: docs/format/chunk.md. Threads: pure functions.
#ifndef TSDB_INT_PACK_H
#define TSDB_INT_PACK_H

#include "base/base.h"
#include "base/dec.h"

struct buf;

#define INT_PACK_MAX 1024 // Values of one column.

enum int_plan {
    INT_CONST,
    INT_LIN,
    INT_FOR,
    INT_D1,
    INT_D2,
    INT_S1, // Sparse D1 and D2: codes kept, not written by this release.
    INT_S2,
};

// The five low bits of a chunk's first byte.
#define INT_PACK_PLAN   0x07U
#define INT_PACK_GCD    0x08U
#define INT_PACK_MB     0x10U
#define INT_PACK_HEADER 0x1FU

// Appends the body of ints[0..n) and returns its header bits. 1 ≤ n ≤ INT_PACK_MAX.
u8 int_pack_encode(const i64 *ints, u32 n, struct buf *out);
// Reads a body of n values under those header bits; false if the bytes contradict themselves.
bool int_pack_decode(struct dec *d, u8 header, u32 n, i64 *ints) MUST_USE;

// A column on its own: the header byte, then the body.
void ts_pack_encode(const i64 *t_ms, u32 n, struct buf *out);
bool ts_pack_decode(struct dec *d, u32 n, i64 *t_ms) MUST_USE;

#endif
