// snappy_block.h: the elements of a snappy block, unpacked into a place of exactly their size.
//
// Block: its length as a varint, then elements: literals (bytes that follow) and copies of bytes
// that were unpacked before. Both are short, so they are moved by 16 or 8 bytes at once wherever
// there is room for more than they have, and byte by byte near the end.
// Cost: O(n). Invariants: (I1) Nothing is read or written beyond either end, whatever the bytes.
// Threads: pure functions.
#ifndef WIRE_SNAPPY_BLOCK_H
#define WIRE_SNAPPY_BLOCK_H

#include "base/base.h"

// The length that a block declares, and the elements behind it; false: it declares none.
bool snappy_block_open(str in, size_t *len, str *elements) MUST_USE;
// false: the elements are damaged or do not make len bytes; out then holds any.
bool snappy_block_unpack(str elements, u8 *out, size_t len) MUST_USE;

#endif
