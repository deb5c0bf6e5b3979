// chunk_pack.h: the packed chunk: up to CHUNK_VALUES_MAX values of one series as bytes, bit-exact.
//
// A transform turns the doubles into integers, int_pack does the rest:
//   INT   v = (double)i
//   DEC   v = (double)i / 10^e: the division is correctly rounded, so it equals the parsed decimal
//   ULP   the bits of v = those of a decimal + u last places: sums and quotients of decimals
//   BITS  i = the raw bits
// Values that do not fit (NaN, the staleness marker, -0, ±Inf) are exceptions: position and raw
// bits, at most one in 20. Every value is verified by the decode formula while encoding.
// Cost: encode some 10 passes over n values, decode one, two for ULP; nothing allocates beyond the
// output, but where no exponent fits all values and ULP and BITS are tried.
// Bytes: docs/format/chunk.md. n is kept by whoever stores the chunk.
// Threads: pure functions.
#ifndef TSDB_CHUNK_PACK_H
#define TSDB_CHUNK_PACK_H

#include "base/base.h"

struct buf;
struct error;

#define CHUNK_VALUES_MAX 480

void chunk_pack_encode(const f64 *values, u32 n, struct buf *out); // 1 ≤ n ≤ CHUNK_VALUES_MAX
// The same bytes for values that are known to be whole numbers over a power of ten: values[i] is
// ints[i] / 10^exponent bit for bit, no smaller exponent does for values[0], and each integer is
// below 2^52. Of values that are all the same one is enough.
void chunk_pack_whole(const i64 *ints, u32 n, u32 exponent, struct buf *out);
// The same values in a third of the time and some more bytes: decimals without exceptions or raw
// bits, both by int_pack_encode_quick.
void chunk_pack_quick(const f64 *values, u32 n, struct buf *out);
void chunk_pack_whole_quick(const i64 *ints, u32 n, u32 exponent, struct buf *out);
// bytes must be exactly the chunk. ERR_CORRUPT if it contradicts itself; values then are undefined.
bool chunk_pack_decode(str bytes, u32 n, f64 *values, struct error *e) MUST_USE;

// The same; *rises: it is known that each value is a number and none is less than the one before,
// as in chunks of counters. Told by how they are packed, without looking at values.
bool chunk_pack_decode_rise(str bytes, u32 n, f64 *values, bool *rises, struct error *e) MUST_USE;

// What a chunk's first byte says: transform and plan, for benches and tools.
#define CHUNK_KINDS 32
u32 chunk_pack_kind(str bytes); // Below CHUNK_KINDS; bytes has one at least.
const char *chunk_kind_name(u32 kind);

#endif
