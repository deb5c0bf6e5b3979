#include "tsdb/wal_record.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"

static const char segment_magic[8] = {'T', 'M', 'W', 'A', 'L', 'S', 'E', 'G'};
#define RECORD_MAGIC_0  'T'
#define RECORD_MAGIC_1  'R'
#define FLAG_CHECKPOINT 1U
#define FLAG_CONTINUES  2U
#define HEADER_USED     (WAL_HEADER_BYTES - 4)

void wal_header_encode(const struct wal_header *h, u8 out[WAL_HEADER_BYTES])
{
    struct buf b;
    buf_init(&b, WAL_HEADER_BYTES);
    buf_add(&b, segment_magic, sizeof(segment_magic));
    buf_le32(&b, WAL_VERSION);
    buf_le32(&b, h->stream);
    buf_le64(&b, h->number);
    buf_le64(&b, h->previous);
    buf_le64(&b, h->resume_segment);
    buf_le64(&b, h->resume_offset);
    buf_le32(&b, h->salt);
    buf_le32(&b, (h->checkpoint ? FLAG_CHECKPOINT : 0U) | (h->continues ? FLAG_CONTINUES : 0U));
    buf_le32(&b, h->previous_bytes);
    CHECK(b.len == HEADER_USED);
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    memcpy(out, b.bytes, WAL_HEADER_BYTES);
    buf_fini(&b);
}

bool wal_header_decode(str bytes, struct wal_header *out, struct error *e)
{
    if (bytes.len < WAL_HEADER_BYTES) {
        return err_set(e, ERR_CORRUPT, "a log segment of %zu bytes has no header", bytes.len);
    }
    struct dec d = dec_of((str){bytes.ptr, WAL_HEADER_BYTES});
    str magic = dec_bytes(&d, sizeof(segment_magic));
    u32 version = dec_le32(&d);
    struct wal_header h = {.stream = dec_le32(&d)};
    h.number = dec_le64(&d);
    h.previous = dec_le64(&d);
    h.resume_segment = dec_le64(&d);
    h.resume_offset = dec_le64(&d);
    h.salt = dec_le32(&d);
    u32 flags = dec_le32(&d);
    h.previous_bytes = dec_le32(&d);
    if (memcmp(magic.ptr, segment_magic, sizeof(segment_magic)) != 0 ||
        dec_le32(&d) != crc32c(0, bytes.ptr, HEADER_USED)) {
        return err_set(e, ERR_CORRUPT, "the header of a log segment is damaged");
    }
    if (version < WAL_VERSION_MIN || version > WAL_VERSION) {
        return err_set(e, ERR_UNSUPPORTED,
                       "a log segment has format version %u; this release reads %u to %u", version,
                       WAL_VERSION_MIN, WAL_VERSION);
    }
    h.checkpoint = (flags & FLAG_CHECKPOINT) != 0;
    h.continues = (flags & FLAG_CONTINUES) != 0;
    *out = h;
    return true;
}

size_t wal_record_begin(struct buf *out)
{
    size_t mark = out->len;
    static const u8 room[WAL_RECORD_HEAD];
    buf_add(out, room, sizeof(room));
    return mark;
}

static u32 record_crc(u32 salt, const u8 *record, size_t len)
{
    u32 crc = crc32c(salt, record, 8);
    return crc32c(crc, record + WAL_RECORD_HEAD, len);
}

void wal_record_end(struct buf *out, size_t mark, enum wal_kind kind, u32 salt)
{
    if (!buf_ok(out)) {
        return;
    }
    u8 *record = (u8 *)out->bytes + mark;
    size_t len = out->len - mark - WAL_RECORD_HEAD;
    CHECK(len <= WAL_RECORD_MAX);
    u32 len32 = (u32)len;
    record[0] = RECORD_MAGIC_0;
    record[1] = RECORD_MAGIC_1;
    record[2] = (u8)kind;
    record[3] = 0;
    memcpy(record + 4, &len32, sizeof(len32));
    u32 crc = record_crc(salt, record, len);
    memcpy(record + 8, &crc, sizeof(crc));
}

void wal_reader_init(struct wal_reader *r, str segment, u64 end, u32 salt)
{
    *r = (struct wal_reader){
        .bytes = segment, .at = WAL_HEADER_BYTES, .end = MIN(end, segment.len), .salt = salt};
}

static bool record_at(struct wal_reader *r, u64 at)
{
    const u8 *p = (const u8 *)r->bytes.ptr + at;
    if (r->end - at < WAL_RECORD_HEAD || p[0] != RECORD_MAGIC_0 || p[1] != RECORD_MAGIC_1 ||
        p[2] == 0 || p[2] >= WAL_KIND_COUNT || p[3] != 0) {
        return false;
    }
    u64 len = load_le32(p + 4);
    if (len > WAL_RECORD_MAX || len > r->end - at - WAL_RECORD_HEAD ||
        load_le32(p + 8) != record_crc(r->salt, p, len)) {
        return false;
    }
    r->kind = (enum wal_kind)p[2];
    r->payload = (str){(const char *)p + WAL_RECORD_HEAD, len};
    r->record_at = at;
    r->at = at + WAL_RECORD_HEAD + len;
    return true;
}

bool wal_reader_next(struct wal_reader *r)
{
    r->bad_at = r->at;
    u64 at = r->at;
    while (at < r->end) {
        if (record_at(r, at)) {
            r->bad_bytes = at - r->bad_at;
            return true;
        }
        const char *from = r->bytes.ptr + at + 1;
        const void *next = memchr(from, RECORD_MAGIC_0, r->end - at - 1);
        at = next ? (u64)((const char *)next - r->bytes.ptr) : r->end;
    }
    r->bad_bytes = r->end > r->bad_at ? r->end - r->bad_at : 0;
    r->at = r->end;
    return false;
}
