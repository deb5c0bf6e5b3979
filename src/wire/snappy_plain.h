// snappy_plain.h: a snappy block read byte by byte, as its description says, for tests to compare
// with. Slow. Threads: pure.
#ifndef WIRE_SNAPPY_PLAIN_H
#define WIRE_SNAPPY_PLAIN_H

#include "base/base.h"

// Appends what the block unpacks to; false: it is damaged, or makes more than out may hold.
struct buf;
bool snappy_plain_decode(str in, struct buf *out) MUST_USE;

#endif
