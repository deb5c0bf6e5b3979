// pb.c: reading and writing protobuf's wire format.

#include "wire/pb.h"

#include "base/buf.h"

struct pb_reader pb_of(str message)
{
    return (struct pb_reader){.dec = dec_of(message)};
}

static void skip(struct pb_reader *r)
{
    switch (r->wire) {
    case PB_VARINT:
        (void)dec_varint(&r->dec);
        break;
    case PB_FIXED64:
        (void)dec_le64(&r->dec);
        break;
    case PB_BYTES:
        (void)dec_bytes(&r->dec, dec_varint(&r->dec));
        break;
    case PB_FIXED32:
        (void)dec_le32(&r->dec);
        break;
    }
}

bool pb_next(struct pb_reader *r)
{
    if (r->unread) {
        skip(r);
        r->unread = false;
    }
    if (dec_left(&r->dec) == 0) {
        return false;
    }
    const u64 key = dec_varint(&r->dec);
    const u64 field = key >> 3;
    const u32 wire = (u32)(key & 7);
    const bool known =
        wire == PB_VARINT || wire == PB_FIXED64 || wire == PB_BYTES || wire == PB_FIXED32;
    if (!dec_ok(&r->dec) || !known || field == 0 || field > PB_FIELD_MAX) {
        dec_fail(&r->dec);
        return false;
    }
    r->field = (u32)field;
    r->wire = (enum pb_wire)wire;
    r->unread = true;
    return true;
}

static bool expect(struct pb_reader *r, enum pb_wire wire)
{
    r->unread = false;
    if (r->wire != wire) {
        dec_fail(&r->dec);
        return false;
    }
    return true;
}

u32 pb_fixed32(struct pb_reader *r)
{
    return expect(r, PB_FIXED32) ? dec_le32(&r->dec) : 0;
}

u64 pb_fixed64(struct pb_reader *r)
{
    return expect(r, PB_FIXED64) ? dec_le64(&r->dec) : 0;
}

f64 pb_f64(struct pb_reader *r)
{
    return expect(r, PB_FIXED64) ? dec_f64(&r->dec) : 0;
}

str pb_bytes(struct pb_reader *r)
{
    if (!expect(r, PB_BYTES)) {
        return STR_EMPTY;
    }
    return dec_bytes(&r->dec, dec_varint(&r->dec));
}

struct pb_reader pb_enter(struct pb_reader *r)
{
    struct pb_reader inner = pb_of(pb_bytes(r));
    inner.depth = (u8)(r->depth + 1);
    if (inner.depth >= PB_DEPTH_MAX) {
        dec_fail(&r->dec);
    }
    if (!dec_ok(&r->dec)) {
        dec_fail(&inner.dec);
    }
    return inner;
}

bool pb_leave(struct pb_reader *r, const struct pb_reader *inner)
{
    return pb_packed_done(r, &inner->dec);
}

struct dec pb_packed(struct pb_reader *r)
{
    struct dec packed = dec_of(pb_bytes(r));
    if (!dec_ok(&r->dec)) {
        dec_fail(&packed);
    }
    return packed;
}

bool pb_packed_done(struct pb_reader *r, const struct dec *packed)
{
    if (!dec_ok(packed)) {
        dec_fail(&r->dec);
    }
    return dec_ok(&r->dec);
}

// ---- writing -----------------------------------------------------------------------------------

static void key_put(struct buf *out, u32 field, enum pb_wire wire)
{
    DCHECK(field > 0 && field <= PB_FIELD_MAX);
    buf_varint(out, (u64)field << 3 | (u32)wire);
}

void pbw_varint(struct buf *out, u32 field, u64 v)
{
    key_put(out, field, PB_VARINT);
    buf_varint(out, v);
}

void pbw_sint(struct buf *out, u32 field, i64 v)
{
    pbw_varint(out, field, bits_zigzag(v));
}

void pbw_fixed32(struct buf *out, u32 field, u32 v)
{
    key_put(out, field, PB_FIXED32);
    buf_le32(out, v);
}

void pbw_fixed64(struct buf *out, u32 field, u64 v)
{
    key_put(out, field, PB_FIXED64);
    buf_le64(out, v);
}

void pbw_f64(struct buf *out, u32 field, f64 v)
{
    pbw_fixed64(out, field, bits_of_f64(v));
}

void pbw_bytes(struct buf *out, u32 field, str v)
{
    key_put(out, field, PB_BYTES);
    buf_lenstr(out, v);
}

size_t pbw_begin(struct buf *out, u32 field)
{
    key_put(out, field, PB_BYTES);
    return out->len;
}

void pbw_end(struct buf *out, size_t mark)
{
    if (!buf_ok(out)) {
        return;
    }
    const size_t body = out->len - mark;
    const size_t length_bytes = MAX(1U, (bits_width(body) + 6) / 7);
    char *room = buf_room(out, length_bytes);
    if (!room) {
        return;
    }
    buf_commit(out, length_bytes);
    memmove(out->bytes + mark + length_bytes, out->bytes + mark, body);
    u64 v = body;
    for (size_t i = 0; i < length_bytes; i++) {
        const bool last = i + 1 == length_bytes;
        out->bytes[mark + i] = (char)((v & 0x7f) | (last ? 0 : 0x80));
        v >>= 7;
    }
}
