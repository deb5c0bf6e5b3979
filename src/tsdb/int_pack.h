// int_pack.h: a short column of 64-bit integers as bytes: the inner layer of every chunk, and the
// whole of a timestamp column.
//
// Plans: CONST, LIN (x0 + k·d), FOR (offsets from the smallest), D1 (deltas), D2 (deltas of
// deltas), S1 and S2 (those of them that are not zero, and where), each divided by the greatest
// common divisor of the deltas where that is not 1. What is left goes through one of two packers:
// PF (one width) or MB (groups of 8 values with a width each; a group of w-bit values is exactly w
// bytes). The smallest plan is taken; sizes are computed, nothing is encoded on trial. All
// arithmetic wraps modulo 2^64, so every i64 column is exact.
// Cost: encode some 3 passes per plan, decode one; nothing allocates beyond the output buffer,
// which needs 72 bytes more room than the column takes.
// Bytes: docs/format/chunk.md. Threads: pure functions.
#ifndef TSDB_INT_PACK_H
#define TSDB_INT_PACK_H

#include "base/base.h"
#include "base/dec.h"

struct buf;

#define INT_PACK_MAX 1024 // Values of one column.

// Appends the body of ints[0..n) and returns its header bits. 1 ≤ n ≤ INT_PACK_MAX.
u8 int_pack_encode(const i64 *ints, u32 n, struct buf *out);
// The same by CONST, LIN or D1 alone, in a third of the time and more bytes: for a copy that lives
// until a block packs its values anew.
u8 int_pack_encode_quick(const i64 *ints, u32 n, struct buf *out);
// Reads a body of n values under those header bits; false if the bytes contradict themselves.
bool int_pack_decode(struct dec *d, u8 header, u32 n, i64 *ints) MUST_USE;

// A column on its own: the header byte, then the body.
void ts_pack_encode(const i64 *t_ms, u32 n, struct buf *out);
bool ts_pack_decode(struct dec *d, u32 n, i64 *t_ms) MUST_USE;

#endif
