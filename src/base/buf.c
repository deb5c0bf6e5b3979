// buf.c: see buf.h. Capacity doubles from 64 bytes and always has one byte more than len, for the
// closing '\0'; it never passes max + 1.
#include "base/buf.h"

#include "base/bits.h"

#include <stdarg.h>
#include <stdio.h>

#define CAP_MIN 64

void buf_init(struct buf *b, size_t max)
{
    CHECK(max > 0);
    *b = (struct buf){.max = MIN(max, (size_t)PTRDIFF_MAX - 1)};
}

void buf_fini(struct buf *b)
{
    if (!b) {
        return;
    }
    mem_free(b->bytes);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->full = false;
    if (b->bytes) {
        b->bytes[0] = '\0';
    }
}

char *buf_room(struct buf *b, size_t len)
{
    if (b->full || len > b->max - b->len) {
        b->full = true;
        return NULL;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = MAX(need, MAX(b->cap * 2, CAP_MIN));
        b->cap = MIN(cap, b->max + 1);
        b->bytes = mem_grow(b->bytes, b->cap, 1);
    }
    return b->bytes + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    CHECK(b->bytes && len < b->cap - b->len);
    b->len += len;
    b->bytes[b->len] = '\0';
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
    char *room = buf_room(b, len);
    if (!room) {
        return;
    }
    if (len > 0) {
        memcpy(room, bytes, len);
    }
    buf_commit(b, len);
}

void buf_str(struct buf *b, str s)
{
    buf_add(b, s.ptr, s.len);
}

void buf_c(struct buf *b, const char *cstr)
{
    buf_add(b, cstr, strlen(cstr));
}

void buf_byte(struct buf *b, u8 byte)
{
    if (LIKELY(!b->full && b->len + 1 < b->cap)) {
        b->bytes[b->len++] = (char)byte;
        b->bytes[b->len] = '\0';
        return;
    }
    buf_add(b, &byte, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    if (b->full) {
        return;
    }
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    size_t room = b->bytes ? b->cap - b->len : 0;
    char none[1];
    int len = vsnprintf(room ? b->bytes + b->len : none, room ? room : 1, format, args);
    va_end(args);
    CHECK(len >= 0);
    if (room > (size_t)len) {
        buf_commit(b, (size_t)len);
    } else {
        char *more = buf_room(b, (size_t)len);
        if (more) {
            int written = vsnprintf(more, (size_t)len + 1, format, again);
            CHECK(written == len);
            buf_commit(b, (size_t)len);
        } else if (b->bytes) {
            b->bytes[b->len] = '\0'; // The first attempt may have written behind len.
        }
    }
    va_end(again);
}

// Writes the decimal digits of v so that they end at end; returns where they begin.
static char *digits_put(char *end, u64 v)
{
    do {
        *--end = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    return end;
}

void buf_u64(struct buf *b, u64 v)
{
    char text[20];
    char *end = text + sizeof(text);
    char *at = digits_put(end, v);
    buf_add(b, at, (size_t)(end - at));
}

void buf_i64(struct buf *b, i64 v)
{
    char text[20];
    char *end = text + sizeof(text);
    char *at = digits_put(end, v < 0 ? 0 - (u64)v : (u64)v);
    if (v < 0) {
        *--at = '-';
    }
    buf_add(b, at, (size_t)(end - at));
}

void buf_le16(struct buf *b, u16 v)
{
    buf_add(b, &v, sizeof(v));
}

void buf_le32(struct buf *b, u32 v)
{
    buf_add(b, &v, sizeof(v));
}

void buf_le64(struct buf *b, u64 v)
{
    buf_add(b, &v, sizeof(v));
}

void buf_f64(struct buf *b, f64 v)
{
    buf_le64(b, bits_of_f64(v));
}

static size_t varint_put(u8 out[10], u64 v)
{
    size_t len = 0;
    while (v >= 0x80) {
        out[len++] = (u8)(v | 0x80);
        v >>= 7;
    }
    out[len++] = (u8)v;
    return len;
}

void buf_varint(struct buf *b, u64 v)
{
    u8 bytes[10];
    if (LIKELY(!b->full && b->len + sizeof(bytes) < b->cap)) {
        b->len += varint_put((u8 *)b->bytes + b->len, v);
        b->bytes[b->len] = '\0';
        return;
    }
    buf_add(b, bytes, varint_put(bytes, v));
}

void buf_varsint(struct buf *b, i64 v)
{
    buf_varint(b, bits_zigzag(v));
}

void buf_lenstr(struct buf *b, str s)
{
    u8 head[10];
    size_t head_len = varint_put(head, s.len);
    // Both or neither: half a field in a full buffer would mislead whoever looks at it.
    char *room = s.len > SIZE_MAX - head_len ? NULL : buf_room(b, head_len + s.len);
    if (!room) {
        b->full = true;
        return;
    }
    memcpy(room, head, head_len);
    if (s.len > 0) {
        memcpy(room + head_len, s.ptr, s.len);
    }
    buf_commit(b, head_len + s.len);
}
