#include "wire/snappy_plain.h"

#include "base/buf.h"
#include "base/dec.h"

// So many bytes, lowest first.
static size_t number(struct dec *d, u32 bytes)
{
    size_t v = 0;
    for (u32 i = 0; i < bytes; i++) {
        v |= (size_t)dec_u8(d) << (8 * i);
    }
    return v;
}

static void literal(struct dec *d, u32 tag, struct buf *out)
{
    size_t n = tag >> 2;
    n = (n < 60 ? n : number(d, (u32)n - 59)) + 1;
    buf_str(out, dec_bytes(d, n));
}

static bool copy(struct dec *d, u32 tag, struct buf *out, size_t before)
{
    const bool small = (tag & 3) == 1;
    const size_t n = small ? (tag >> 2 & 7) + 4 : (tag >> 2) + 1;
    size_t offset = number(d, 1U << ((tag & 3) - 1));
    offset |= small ? (size_t)(tag >> 5) << 8 : 0;
    if (!dec_ok(d) || offset == 0 || offset > out->len - before) {
        return false;
    }
    for (size_t i = 0; i < n && buf_ok(out); i++) {
        buf_byte(out, (u8)out->bytes[out->len - offset]);
    }
    return true;
}

bool snappy_plain_decode(str in, struct buf *out)
{
    struct dec d = dec_of(in);
    u64 len = 0;
    u32 shift = 0;
    u8 byte = 0x80;
    for (; byte >= 0x80 && shift < 35 && dec_ok(&d); shift += 7) {
        byte = dec_u8(&d);
        len |= (u64)(byte & 0x7fU) << shift;
    }
    if (!dec_ok(&d) || byte >= 0x80 || len > UINT32_MAX) {
        return false;
    }
    const size_t before = out->len;
    while (dec_left(&d) > 0) {
        const u32 tag = dec_u8(&d);
        if ((tag & 3) == 0) {
            literal(&d, tag, out);
        } else if (!copy(&d, tag, out, before)) {
            return false;
        }
        if (!dec_ok(&d) || !buf_ok(out) || out->len - before > len) {
            return false;
        }
    }
    return out->len - before == len;
}
