// b64.c: see b64.h.
#include "wire/b64.h"

#include "base/buf.h"
#include "base/error.h"

#define PAD 64 // Where the alphabet has its '='.
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

void b64_encode(str bytes, struct buf *out)
{
    size_t groups = bytes.len / 3 + (bytes.len % 3 != 0);
    char *room = groups > SIZE_MAX / 4 ? NULL : buf_room(out, groups * 4);
    if (!room) {
        out->full = true;
        return;
    }
    const u8 *in = (const u8 *)bytes.ptr;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        u32 v =
            (u32)in[i] << 16 | (left > 1 ? (u32)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *room++ = alphabet[v >> 18];
        *room++ = alphabet[(v >> 12) & 63];
        *room++ = alphabet[left > 1 ? (v >> 6) & 63 : PAD];
        *room++ = alphabet[left > 2 ? v & 63 : PAD];
    }
    buf_commit(out, groups * 4);
}

// The six bits of a character, or 64.
static u32 bits_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (u32)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (u32)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (u32)(c - '0') + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

// Decodes four characters of which the last pad are '='; false if they are no group.
static bool group_decode(const char *text, size_t pad, u8 out[3])
{
    u32 v = 0;
    for (size_t i = 0; i < 4 - pad; i++) {
        u32 bits = bits_of(text[i]);
        if (bits == 64) {
            return false;
        }
        v |= bits << (18 - 6 * i);
    }
    out[0] = (u8)(v >> 16);
    out[1] = (u8)(v >> 8);
    out[2] = (u8)v;
    return (v & ((1U << (8 * pad)) - 1)) == 0; // Bits behind the last byte must be zero.
}

bool b64_decode(str text, struct buf *out, struct error *e)
{
    if (text.len % 4 != 0) {
        return err_set(e, ERR_INVALID, "base64 text has %zu bytes, which is no multiple of 4",
                       text.len);
    }
    if (text.len == 0) {
        return true;
    }
    size_t pad = text.ptr[text.len - 1] != '=' ? 0 : text.ptr[text.len - 2] != '=' ? 1 : 2;
    size_t bytes = text.len / 4 * 3 - pad;
    if (out->full || bytes > out->max - out->len) {
        return err_set(e, ERR_LIMIT, "base64 text decodes to %zu bytes; the maximum is %zu", bytes,
                       out->max);
    }
    char *room = buf_room(out, bytes);
    CHECK(room);
    for (size_t i = 0; i < text.len; i += 4) {
        u8 group[3];
        bool last = i + 4 == text.len;
        if (!group_decode(text.ptr + i, last ? pad : 0, group)) {
            return err_set(e, ERR_INVALID, "base64 text is broken at byte %zu", i);
        }
        size_t count = last ? 3 - pad : 3;
        memcpy(room, group, count);
        room += count;
    }
    buf_commit(out, bytes);
    return true;
}
