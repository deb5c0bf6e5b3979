// map_guard.h: mapped files whose pages go away must not end the process.
//
// Reading a page of a mapped file that was cut short, or that the disk cannot give, raises SIGBUS.
// For ranges known here a handler maps a page of zeroes over it, counts it, and the read goes on:
// what was read is wrong, so whoever reads looks at the count, before he trusts a checksum that was
// good earlier and after he has used bytes. Elsewhere SIGBUS does what it did before.
// add and remove O(ranges); add installs the handler. Memory: a table of fixed size.
// Invariants:
//   (I1) A range is removed before it is unmapped.
//   (I2) SIGBUS is not blocked in any thread (thr.c).
// Threads: from any; the handler reads atomics only.
#ifndef OS_MAP_GUARD_H
#define OS_MAP_GUARD_H

#include "base/base.h"

#include <stdatomic.h>

struct error;

#define MAP_GUARD_RANGES_MAX 32768U

// holes: how many pages of the range were replaced; valid until it is removed. ERR_LIMIT when the
// table is full.
bool map_guard_add(const void *base, size_t len, const _Atomic u32 **holes,
                   struct error *e) MUST_USE;
void map_guard_remove(const void *base); // If it is known.
u64 map_guard_holes(void);               // Of all ranges since the start.

#endif
