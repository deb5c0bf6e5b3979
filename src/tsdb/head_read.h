// head_read.h: copies what a reader needs of a head shard, in slices under its short lock.
//
// Labels become arrays of borrowed strings (symbols live as long as the head), sealed chunks are
// pointers into windows that the reader's pin keeps, open values and late samples are copied.
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

// One chunk: sealed, or the copy of an open one.
struct head_piece {
    const struct segment *segment;
    const u8 *present; // Bit per row of the segment; NULL = all from first to last.
    const f64 *values; // NULL: bytes.
    str bytes;         // Packed, or the tokens of an open chunk.
    bool tokens;
    const struct box_store *boxes; // What its values may refer to; NULL = they do not.
    u32 first;
    u32 last;
    u32 n;
};

// A series as the reader sees it. Threads: owned.
struct head_series {
    struct labels labels;
    u32 ordinal;
    u32 piece_count;
    struct head_piece *pieces; // By time.
    u32 late_n;
    i64 *late_t;
    f64 *late_values;
    const struct box_store **late_boxes; // Of each late sample's window; NULL = none refers.
    struct pin_hidden hidden;            // Times that came after the pin.
};

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

// The series of a set, in order of ordinals; those without any chunk in the range are left out.
bool head_read_series(const struct head_read *r, const struct postings *set,
                      struct head_series **out, u32 *n, struct error *e) MUST_USE;

#endif
