// head_read.h: copies what a reader needs of a head shard, in slices under its short lock.
//
// Labels become arrays of borrowed strings (symbols live as long as the head), open values and late
// samples are copied. Of sealed chunks only the newest is learnt: they lie in windows that the
// reader's pin keeps, and are found when their series is read.
// Threads: the copy is owned by the reader.
#ifndef TSDB_HEAD_READ_H
#define TSDB_HEAD_READ_H

#include "base/base.h"
#include "model/labels.h"
#include "tsdb/head_pins.h"
#include "tsdb/head_window.h"

struct arena;
struct error;
struct head;
struct postings;

// A sealed chunk. What it says of itself is copied while its checksum holds, since its page may be
// of a file. Threads: owned.
struct head_piece {
    const struct segment *segment;
    const u8 *data; // Of the chunk: presence unless it has every row, then the packed bytes.
    u16 bytes;      // Packed.
    u8 n;
    u8 first; // Rows of the segment.
    u8 last;
};
static inline const u8 *head_piece_presence(const struct head_piece *p) // NULL: every row.
{
    return p->n == p->last - p->first + 1 ? NULL : p->data;
}
static inline str head_piece_bytes(const struct head_piece *p)
{
    const size_t skip = head_piece_presence(p) ? PRESENCE_BYTES : 0;
    return (str){(const char *)p->data + skip, p->bytes};
}

// The copy of an open chunk. Threads: owned.
struct head_open {
    const struct segment *segment;
    const u8 *present; // Bit per row of the segment; NULL = all from first to last.
    const f64 *values; // NULL: tokens.
    u32 first;
    u32 last;
    u32 n;
    u32 bytes;
    u8 tokens[];
};

// Late samples, of all windows. Threads: owned.
struct head_late {
    u32 n;
    i64 *t;
    f64 *values;
    const struct box_store **boxes; // Of each sample's window; NULL = none refers.
};

// A series as the reader sees it. Threads: owned.
struct head_series {
    struct labels labels;
    u32 ordinal;
    const u32 *newest;            // Sealed chunk, of each window of the reach.
    const struct head_open *open; // May be NULL.
    const struct head_late *late; // May be NULL.
    struct pin_hidden hidden;     // Times that came after the pin.
};

// Where the sealed chunks of what was read are looked for. Threads: frozen.
struct head_reach {
    struct head_window *const *windows; // Those that overlap, by time.
    u32 window_count;
    i64 min_ms;
    i64 max_ms;
};

// The sealed chunks of a series in the range, by time, before what is open. Threads: owned.
struct head_pieces {
    struct head_piece *items;
    u32 n;
    u32 cap;
};
// Without the lock, as long as the pin lasts. Each chunk is looked at once: its checksum goes over
// all of it. false: damage.
bool head_pieces_find(struct head_pieces *p, const struct head_reach *x,
                      const struct head_series *s, struct error *e) MUST_USE;
void head_pieces_fini(struct head_pieces *p);

// What values of a segment's chunks may refer to; NULL = they do not.
const struct box_store *head_boxes_of(const struct segment *s);

// Threads: owned.
struct head_read {
    struct head *head;
    u64 commit; // Pinned.
    i64 min_ms;
    i64 max_ms;
    struct arena *arena;
};
// Texts of label pairs that were asked for while the lock was held. Threads: guarded by that lock.
struct label_kept;
struct label_kept *label_kept_new(struct arena *a);
// With the lock: all labels of a series, without the hidden one. Their texts live as long as the
// head.
struct labels head_read_labels(const struct head_read *r, struct label_kept *kept, u32 ordinal);

// Threads: frozen once it is read.
struct head_found {
    struct head_series *series;
    u32 count;
    struct head_reach reach;
};
// The series of a set, in order of ordinals; those that have nothing in windows of the range are
// left out.
bool head_read_series(const struct head_read *r, const struct postings *set, struct head_found *out,
                      struct error *e) MUST_USE;

#endif
