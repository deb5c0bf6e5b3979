// dec.c: see dec.h.
#include "base/dec.h"

#include "base/bits.h"

void dec_fail(struct dec *d)
{
    if (!d->bad) {
        d->bad = true;
        d->bad_at = d->at;
    }
}

// The next len bytes, or NULL and a failure.
static const u8 *take(struct dec *d, u64 len)
{
    if (d->bad || len > (u64)(d->end - d->at)) {
        dec_fail(d);
        return NULL;
    }
    const u8 *at = d->at;
    d->at += len;
    return at;
}

u16 dec_le16(struct dec *d)
{
    u16 v = 0;
    const u8 *at = take(d, sizeof(v));
    if (at) {
        memcpy(&v, at, sizeof(v));
    }
    return v;
}

u32 dec_le32(struct dec *d)
{
    const u8 *at = take(d, 4);
    return at ? load_le32(at) : 0;
}

u64 dec_le64(struct dec *d)
{
    const u8 *at = take(d, 8);
    return at ? load_le64(at) : 0;
}

f64 dec_f64(struct dec *d)
{
    return f64_of_bits(dec_le64(d));
}

u64 dec_varint(struct dec *d)
{
    if (d->bad) {
        return 0;
    }
    u64 v = 0;
    u32 shift = 0;
    for (const u8 *at = d->at; at < d->end && shift < 70; shift += 7) {
        u8 byte = *at++;
        if (shift == 63 && byte > 1) {
            break; // More than 64 bits.
        }
        v |= (u64)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            d->at = at;
            return v;
        }
    }
    dec_fail(d);
    return 0;
}

i64 dec_varsint(struct dec *d)
{
    return bits_unzigzag(dec_varint(d));
}

str dec_bytes(struct dec *d, u64 len)
{
    const u8 *at = take(d, len);
    return at ? (str){(const char *)at, (size_t)len} : STR_EMPTY;
}

str dec_lenstr(struct dec *d)
{
    struct dec before = *d;
    u64 len = dec_varint(d);
    str s = dec_bytes(d, len);
    if (d->bad && !before.bad) {
        d->bad_at = before.at; // The failing read is the whole field.
    }
    return s;
}
