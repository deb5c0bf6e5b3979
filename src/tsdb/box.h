// box.h: samples that are more than a double: native histograms, samples with a start timestamp.
//
// Everywhere between the log and a reader a series is a column of doubles. A sample that is more is
// a box, told by bytes of its own, and its double is a reference to it: a NaN that no writer may
// use, for a double that looks like one is put into a box as well. So columns, tokens and packed
// chunks of the head carry boxes without knowing, and blocks have chunks for them (box_chunk.h).
// References are of three kinds, each good in one place only: into a plan (head_plan.h), into a
// window's store (box_store.h), into a reader's list.
// Costs: encode and decode O(buckets). Memory: what the arena or store given takes.
// Invariants:
//   (I1) Equal samples have equal bytes, so that duplicates are found without decoding.
//   (I2) What comes out is what went in, bit for bit.
// Bytes: docs/format/wal.md. Threads: pure functions; a list is owned.
#ifndef TSDB_BOX_H
#define TSDB_BOX_H

#include "base/base.h"
#include "base/bits.h"

struct arena;
struct buf;
struct dec;
struct hist;

// Threads: frozen.
struct box {
    f64 value; // Of a float.
    const struct hist *hist;
    i64 start_ms;
    bool has_start;
};

enum box_place { BOX_KEPT, BOX_PLANNED }; // Of a reference: a store or list, or a plan.
#define BOX_TAG 0x7ff3544cU               // The high half of references, but for the place.
static inline bool is_box(f64 v)
{
    return UNLIKELY((bits_of_f64(v) >> 34) == BOX_TAG >> 2);
}
// Is there one among n? Columns without are by far the most, and this is quick to say so.
bool box_any(const f64 *values, u32 n);
static inline f64 box_ref(enum box_place place, u32 index)
{
    return f64_of_bits((u64)(BOX_TAG | (u32)place) << 32 | index);
}
static inline u32 box_index(f64 ref)
{
    return (u32)bits_of_f64(ref);
}
static inline bool box_is_planned(f64 ref)
{
    return bits_of_f64(ref) >> 32 == (BOX_TAG | (u32)BOX_PLANNED);
}

void box_encode(const struct box *b, struct buf *out);
// bytes must be exactly one box. false: they contradict themselves, or the arena is full.
bool box_decode(str bytes, struct arena *a, struct box *out) MUST_USE;
bool box_same(str a, str b); // The same value; start timestamps are not looked at.
bool box_is_float(str bytes, f64 value);
// Of a histogram without decoding it. Threads: a value.
struct box_brief {
    u32 buckets; // Of both sides.
    bool ends;   // Its sum is the staleness marker.
};
bool box_is_hist(str bytes, struct box_brief *brief); // false: none. O(spans + custom bounds).
// What one costs at most in a chunk.
#define BOX_WEIGHT_MAX ((u64)512 << 10)
u64 box_weight(const struct box *b);

// Pieces that chunks tell in the same way. A number is a count if it can be, else eight bytes.
void number_put(struct buf *out, f64 v);
f64 number_get(struct dec *d);
void hist_layout_put(struct buf *out, const struct hist *h); // Schema, threshold, spans, bounds.
// Without buckets; false if nonsense, or the arena is full: then *full is set, else left alone.
bool hist_layout_get(struct dec *d, struct arena *a, struct hist *out, bool *full) MUST_USE;
// The first byte of a box, and of a run of a chunk.
enum box_flag { BOX_HIST = 1, BOX_START = 2, BOX_HIST_FLOAT = 4, BOX_RESET = 8 }; // Reset: 2 bits.
u8 box_flags(const struct box *b);
#define BOX_FLAGS_KNOWN 31U

// Boxes that somebody reads. Threads: owned.
struct box_list {
    struct arena *arena;
    struct box *items;
    u32 n;
    u32 cap;
};
// *ref: the reference. false: the arena is full.
bool box_list_add(struct box_list *l, struct box b, f64 *ref) MUST_USE;
bool box_list_copy(struct box_list *l, const struct box *b, f64 *ref) MUST_USE; // Into the arena.
void box_list_forget(struct box_list *l); // All of them: the arena holds nothing else.
const struct box *box_list_get(const struct box_list *l, f64 ref);
// Doubles that look like references become references to boxes that hold them. false: the arena is
// full; the values are undefined.
bool box_list_escape(struct box_list *l, f64 *values, u32 n) MUST_USE;

#endif
