// pb.h: protobuf without copies: a pull reader over foreign bytes and a writer into a buf.
//
// Reader: while (pb_next(&r)) switch (r.field) { case 1: name = pb_bytes(&r); … } then pb_ok(&r).
// A value that nobody reads is skipped. Strings are borrowed from the message. Groups (gone from
// protobuf for a decade) are refused.
// Invariants: (I1) Never reads past the message. (I2) After a failure every read yields 0 / empty
// and pb_next ends. (I3) Messages nest at most PB_DEPTH_MAX deep.
// Threads: owned.
#ifndef WIRE_PB_H
#define WIRE_PB_H

#include "base/base.h"
#include "base/bits.h"
#include "base/dec.h"

struct buf;

#define PB_DEPTH_MAX 32
#define PB_FIELD_MAX ((1U << 29) - 1)

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb_reader {
    struct dec dec;
    u32 field; // Of the value at hand.
    enum pb_wire wire;
    bool unread; // The value at hand has not been read.
    u8 depth;
};

struct pb_reader pb_of(str message);
bool pb_next(struct pb_reader *r);

// One read for each value at hand; the wrong wire type is a failure.
static inline u64 pb_varint(struct pb_reader *r)
{
    r->unread = false;
    if (UNLIKELY(r->wire != PB_VARINT)) {
        dec_fail(&r->dec);
        return 0;
    }
    struct dec *d = &r->dec;
    if (LIKELY(!d->bad && d->at < d->end && *d->at < 0x80)) {
        return *d->at++;
    }
    return dec_varint(d);
}
static inline i64 pb_i64(struct pb_reader *r) // int64, int32, enum: two's complement.
{
    return (i64)pb_varint(r);
}
static inline i64 pb_sint(struct pb_reader *r) // sint64, sint32: zigzag.
{
    return bits_unzigzag(pb_varint(r));
}
static inline bool pb_bool(struct pb_reader *r)
{
    return pb_varint(r) != 0;
}
u32 pb_fixed32(struct pb_reader *r);
u64 pb_fixed64(struct pb_reader *r);
f64 pb_f64(struct pb_reader *r);
str pb_bytes(struct pb_reader *r);
// A reader of the message at hand; give it back to pb_leave, which carries its failure up.
struct pb_reader pb_enter(struct pb_reader *r);
bool pb_leave(struct pb_reader *r, const struct pb_reader *inner);
// The payload of a packed field, to be read with dec_varint, dec_f64 … until dec_left is 0; hand
// the cursor to pb_packed_done. A field that may also stand unpacked: look at r->wire.
struct dec pb_packed(struct pb_reader *r);
bool pb_packed_done(struct pb_reader *r, const struct dec *packed);

static inline bool pb_ok(const struct pb_reader *r)
{
    return dec_ok(&r->dec);
}

// Writer: appends; buf_ok tells at the end whether all had room.
void pbw_varint(struct buf *out, u32 field, u64 v);
void pbw_sint(struct buf *out, u32 field, i64 v);
void pbw_fixed32(struct buf *out, u32 field, u32 v);
void pbw_fixed64(struct buf *out, u32 field, u64 v);
void pbw_f64(struct buf *out, u32 field, f64 v);
void pbw_bytes(struct buf *out, u32 field, str v);
// A message (or packed field) inside: begin, write its fields, end with what begin gave. Its length
// is put in front when it is known, which moves its bytes once.
size_t pbw_begin(struct buf *out, u32 field);
void pbw_end(struct buf *out, size_t mark);

#endif
