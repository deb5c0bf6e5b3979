// zst.h: zstd frames: whole runs of bytes, and one packed piece by piece.
//
// O(n). Contexts live for one call, or with their stream. The window of a frame is bounded, so that
// unpacking costs at most bytes_max and ZST_WINDOW_LOG_MAX's 8 MiB, whatever the frame declares.
#ifndef WIRE_ZST_H
#define WIRE_ZST_H

#include "base/base.h"

#define ZST_WINDOW_LOG_MAX 23

struct buf;
struct error;

void zst_encode(str bytes, int level, struct buf *out); // Level 1 to 19; ask buf_ok of out.
// Appends what all frames of in unpack to; ERR_LIMIT beyond bytes_max or out's maximum, ERR_CORRUPT
// on damage. out keeps its length on failure.
bool zst_decode(str in, size_t bytes_max, struct buf *out, struct error *e) MUST_USE;

// A stream to pack into one frame, whose reader needs 1 MiB of it. About 4 MB. Threads: owned.
struct zst_packer;
struct zst_packer *zst_packer_new(int level); // 1 to 19
void zst_packer_free(struct zst_packer *p);   // Accepts NULL.
// Append what is ready; ask buf_ok of out. end closes the frame: nothing may be fed after it.
void zst_packer_feed(struct zst_packer *p, str piece, struct buf *out);
void zst_packer_end(struct zst_packer *p, struct buf *out);

#endif
