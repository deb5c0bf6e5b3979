// snappy.h: snappy's block format (one run of bytes, no framing), as remote write uses it.
//
// O(n). Nothing is allocated but in the caller's buffer.
#ifndef WIRE_SNAPPY_H
#define WIRE_SNAPPY_H

#include "base/base.h"

struct buf;
struct error;

void snappy_encode(str bytes, struct buf *out); // Appends; ask buf_ok of out.

// Appends what in unpacks to. The size that in declares is looked at before anything is allocated:
// ERR_LIMIT beyond bytes_max or out's maximum, ERR_CORRUPT if in could not possibly hold so much.
// out is untouched on failure.
bool snappy_decode(str in, size_t bytes_max, struct buf *out, struct error *e) MUST_USE;

#endif
