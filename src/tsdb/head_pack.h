// head_pack.h: the tokens of an open chunk as a packed chunk.
//
// Most tokens tell the integers that the packer would have to find again. The image of a head is
// written anew every few minutes and read once at most, so its chunks are packed quickly: by fewer
// ways, of which one that is good enough is taken.
// Cost: O(bytes and values). Threads: pure functions.
#ifndef TSDB_HEAD_PACK_H
#define TSDB_HEAD_PACK_H

#include "tsdb/head_window.h"

struct buf;

#define OPEN_PACKED_MAX ((size_t)ROWS_MAX * 16 + 64) // Bytes of one, at most.

// As chunk_pack_encode would, or as chunk_pack_quick: the same values in other bytes.
enum open_pack { PACK_TIGHT, PACK_QUICK };

// Appends n values of copied tokens. present: the bits of their rows, counted from `first`
// (PRESENCE_BYTES, zeroed by the caller); NULL if no row is passed over.
void open_tokens_pack(enum open_pack how, str tokens, u32 n, u8 *present, u32 first,
                      struct buf *out);

#endif
