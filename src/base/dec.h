// dec.h: the one cursor over foreign bytes: read on, get zeroes, ask dec_ok once.
//
// (I1) Never reads past end. (I2) After the first failure every read yields 0 / empty and `bad`
// stays set, with the offset of the failing read kept.
// Threads: owned.
#ifndef BASE_DEC_H
#define BASE_DEC_H

#include "base/base.h"
#include "base/bits.h"

struct dec {
    const u8 *start;
    const u8 *at;
    const u8 *end;
    const u8 *bad_at; // Where the first failing read began.
    bool bad;
};

u16 dec_le16(struct dec *d);
u32 dec_le32(struct dec *d);
u64 dec_le64(struct dec *d);
f64 dec_f64(struct dec *d);
u64 dec_varint(struct dec *d); // LEB128, at most 10 bytes, value must fit 64 bits.
i64 dec_varsint(struct dec *d);
str dec_bytes(struct dec *d, u64 len); // Borrowed.
str dec_lenstr(struct dec *d);         // varint length, bytes.
void dec_fail(struct dec *d);          // The caller found a contradiction.

static inline struct dec dec_of(str bytes)
{
    const u8 *start = bytes.ptr ? (const u8 *)bytes.ptr : (const u8 *)"";
    const size_t len = bytes.ptr ? bytes.len : 0;
    return (struct dec){.start = start, .at = start, .end = start + len, .bad_at = start};
}
static inline bool dec_ok(const struct dec *d)
{
    return !d->bad;
}
static inline size_t dec_left(const struct dec *d)
{
    return d->bad ? 0 : (size_t)(d->end - d->at);
}
static inline u8 dec_u8(struct dec *d)
{
    if (d->bad || d->at == d->end) {
        dec_fail(d);
        return 0;
    }
    return *d->at++;
}
// dec_varint and dec_varsint, but for what is below 2^14 in place: where nearly all of them are.
static inline u64 dec_varint_short(struct dec *d)
{
    if (!d->bad && d->at < d->end) {
        const u32 first = d->at[0];
        if (first < 0x80) {
            d->at += 1;
            return first;
        }
        if (d->end - d->at >= 2 && d->at[1] < 0x80) {
            const u32 second = d->at[1];
            d->at += 2;
            return (first & 0x7f) | second << 7;
        }
    }
    return dec_varint(d);
}
static inline i64 dec_varsint_short(struct dec *d)
{
    return bits_unzigzag(dec_varint_short(d));
}
static inline size_t dec_offset(const struct dec *d)
{
    return (size_t)((d->bad ? d->bad_at : d->at) - d->start);
}

#endif
