// chunk_plain.h: the packed chunk read the slow, obvious way: one value after the other, one bit
// after the other, as docs/format/chunk.md tells it. Tests and fuzzers hold chunk_pack_decode to
// it: both must accept the same bytes and give the same bits. No part of the server.
//
// Threads: pure functions.
#ifndef TSDB_CHUNK_PLAIN_H
#define TSDB_CHUNK_PLAIN_H

#include "base/base.h"

bool chunk_plain_decode(str bytes, u32 n, f64 *values) MUST_USE;
bool ts_plain_decode(str bytes, u32 n, i64 *t_ms) MUST_USE;

#endif
