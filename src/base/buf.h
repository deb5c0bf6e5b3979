// buf.h: a growing byte buffer that cannot be made without a maximum.
//
// Appends are O(1) amortised. Errors are sticky: once an append would pass max, `full` is set,
// nothing more is written, and whoever finishes asks buf_ok once. `bytes[len]` is always '\0' once
// anything was appended.
// Threads: owned.
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

struct buf {
    char *bytes;
    size_t len;
    size_t cap;
    size_t max;
    bool full;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);  // Accepts zeroed.
void buf_clear(struct buf *b); // Keeps the memory; forgets full.

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_str(struct buf *b, str s);
void buf_c(struct buf *b, const char *cstr);
void buf_byte(struct buf *b, u8 byte);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
// Room for len more bytes to be written by hand, then buf_commit'ed; NULL when full.
char *buf_room(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

void buf_u64(struct buf *b, u64 v); // Decimal text.
void buf_i64(struct buf *b, i64 v);

// Little-endian binary.
void buf_le16(struct buf *b, u16 v);
void buf_le32(struct buf *b, u32 v);
void buf_le64(struct buf *b, u64 v);
void buf_f64(struct buf *b, f64 v);
void buf_varint(struct buf *b, u64 v);  // LEB128.
void buf_varsint(struct buf *b, i64 v); // Zigzag, then LEB128.
void buf_lenstr(struct buf *b, str s);  // varint length, bytes.

static inline bool buf_ok(const struct buf *b)
{
    return !b->full;
}
static inline str buf_get(const struct buf *b) // Borrowed until the next append.
{
    return (str){b->bytes, b->len};
}

#endif
