// wal_record.h: records of the log and the header of a segment, as bytes.
//
//   segment:  header (64 bytes) · record · record …
//   record:   magic "TR" · kind · 0 · u32 length · u32 CRC-32C · payload
//
// The checksum begins with the segment's salt and goes over the first 8 bytes and the payload, so
// that text inside a label can never pass for a record when a reader looks for the next good one.
// Bytes: docs/format/wal.md. Threads: owned.
#ifndef TSDB_WAL_RECORD_H
#define TSDB_WAL_RECORD_H

#include "base/base.h"

struct buf;
struct error;

#define WAL_VERSION      2U // Version 1 had no boxes and no exemplars.
#define WAL_VERSION_MIN  1U
#define WAL_HEADER_BYTES 64U
#define WAL_RECORD_HEAD  12U
#define WAL_RECORD_MAX   (16U << 20) // Payload; larger lengths are damage.

enum wal_kind {
    WAL_SYNCED = 1, // What was on disk when this was written.
    WAL_SERIES,
    WAL_FRAGMENT,
    WAL_SAMPLES,
    WAL_METADATA,
    WAL_BOXES,
    WAL_EXEMPLARS,
    // Of head images only (head_image.h), which are framed alike.
    WAL_IMAGE_LOG,
    WAL_IMAGE_ROWS,
    WAL_IMAGE_LATE,
    WAL_IMAGE_WINDOW,
    WAL_IMAGE_TIMES,
    WAL_IMAGE_EXTENT,
    WAL_IMAGE_BOXES,
    WAL_IMAGE_END,
    WAL_IMAGE_PARTS,
    WAL_IMAGE_SERIES,
    WAL_KIND_COUNT
};

// Threads: a value.
struct wal_header {
    u32 stream;
    u32 salt;
    u64 number;
    u64 previous;       // Number of the segment before; 0 = none.
    u32 previous_bytes; // It had at least so many when this one was begun; 0 = not known.
    u64 resume_segment; // What lies at or behind (segment, offset) and before this one is void;
    u64 resume_offset;  // segment 0 = nothing is.
    bool checkpoint;
    bool continues; // Its first rows lean on the segment before.
};

void wal_header_encode(const struct wal_header *h, u8 out[WAL_HEADER_BYTES]);
bool wal_header_decode(str bytes, struct wal_header *out, struct error *e) MUST_USE;

size_t wal_record_begin(struct buf *out); // A mark for end.
void wal_record_end(struct buf *out, size_t mark, enum wal_kind kind, u32 salt);

// Walks the records of one segment. A bad place is stepped over to the next good record.
// Threads: owned.
struct wal_reader {
    str bytes;
    u64 at;
    u64 end;
    u32 salt;
    enum wal_kind kind; // Of the record that next found.
    str payload;
    u64 record_at;
    u64 bad_at; // Where bytes that are no record begin, if next met some before this record.
    u64 bad_bytes;
};
void wal_reader_init(struct wal_reader *r, str segment, u64 end, u32 salt);
bool wal_reader_next(struct wal_reader *r); // false: no good record is left; bad_bytes may be set.

#endif
