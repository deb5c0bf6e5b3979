// tsdb_cursor_inner.h: what the files of the cursor share.
//
//   tsdb_cursor.c         opening, the order of series over sources, closing
//   tsdb_cursor_parts.c   gathering: what a source has of one series, cut to range and pin
//   tsdb_cursor_merge.c   values of parts; parts that overlap made into one
//   tsdb_cursor_run.c     parts → runs
//   tsdb_cursor_slice.c   one selection walked by several threads
//
// Threads: owned.
#ifndef TSDB_TSDB_CURSOR_INNER_H
#define TSDB_TSDB_CURSOR_INNER_H

#include "base/error.h"
#include "tsdb/block.h"
#include "tsdb/box.h"
#include "tsdb/chunk_form.h"
#include "tsdb/head_read.h"
#include "tsdb/tsdb_cursor.h"

struct box_store;
struct tombstones;

#define SERIES_ARENA_MAX ((size_t)8 << 30)

// One stretch of a series in one source, its rows cut to the range. Threads: owned.
struct part {
    const i64 *t; // Of row 0.
    u32 first;    // Of the chunk.
    u32 low;      // Rows wanted: [low, high).
    u32 high;
    u32 chunk_n;       // Values of the whole chunk.
    u32 n;             // Values wanted.
    const u8 *present; // Bit per row from present_base; NULL = all.
    u32 present_base;
    const f64 *values; // NULL: bytes.
    str bytes;         // Packed, or the tokens of an open chunk.
    bool tokens;
    bool mapped;    // The bytes may be of a file.
    u64 holes;      // How many pages files had lost when the bytes were last checked.
    bool boxed;     // values may refer to the cursor's boxes.
    bool box_chunk; // bytes are one.
    const struct box_store *boxes; // Of the head: what its values may refer to. May be NULL.
    u64 column_id;                 // 0 = private.
};

// Threads: owned.
struct source {
    struct block_reader reader; // Block: block set.
    bool is_block;
    u32 shard;                     // Head.
    const struct tombstones *dead; // By ordinal. May be NULL.
    u32 *ordinals;                 // Block: what matched.
    struct head_series *series;    // Head, in the order of `at`,
    struct head_reach reach;       // and where their sealed chunks are.
    // Head, where no order is kept and a source before it has series too: the series by labels, and
    // those that have come with others.
    const struct head_series **by_labels;
    bool *taken;
    u32 count;
    u32 at;
    struct labels labels; // Of `at`.
    bool live;            // at < count and labels are read.
    u32 equal_to;         // Of the step under way: the first source with the same labels.
    bool moved;           // The step before took its series;
    u32 same;             // of which so many first labels are those of `at`, as far as is known.
};

// Threads: owned.
struct tsdb_cursor {
    struct series_cursor base;
    struct tsdb_selection s;
    struct arena *arena; // Of the selection.
    struct arena *label_arenas[2];
    struct symbol_texts texts;  // Of blocks; nothing before the first.
    struct arena *series_arena; // Of one series.
    struct source *sources;
    u32 source_count;
    u32 given;
    u64 unlooked; // Work since the last look at the clock.
    struct labels labels;
    u32 label_at;
    u32 part_at;
    struct part *parts;
    u32 part_count;
    u32 part_cap;
    struct head_pieces pieces; // Of the head's series at hand.
    bool in_order;             // Of labels; else source after source.
    bool merged;               // One run was made of all parts.
    bool decoded_rises;        // The chunk that was decoded last, as series_run has it.
    bool any_boxed;            // A part of the series may have some.
    bool failed;
    f64 decoded[CHUNK_VALUES_MAX];
    struct box_list boxes;  // Of one series, in its arena.
    struct series_run rest; // Of the part at hand: what has not been given.
    struct storage_warnings warnings;
    u64 holes; // When it was opened.
    struct error error;
};

static inline struct tsdb_cursor *tsdb_cursor_of(struct series_cursor *c)
{
    return CONTAINER_OF(c, struct tsdb_cursor, base);
}

static inline bool tsdb_cursor_fail(struct tsdb_cursor *c)
{
    c->failed = true;
    return false;
}

static inline bool cursor_part_has(const struct part *p, u32 row)
{
    u32 at = row - p->present_base;
    return !p->present || (p->present[at / 8] >> (at % 8) & 1);
}

// ---- tsdb_cursor_slice.c ----
bool cursor_slices(struct series_cursor *base, u32 count, struct query_budget *budgets,
                   struct series_cursor **out);

// ---- tsdb_cursor.c ----
struct tsdb_cursor *cursor_new(const struct tsdb_selection *s); // Without a source.
void cursor_source_open(struct tsdb_cursor *c, struct source *s, struct block *b); // Of a block.
// Adds to what the query has used, and looks at everything that may stop it. false: the cursor has
// failed, and stays so whether or not its caller looks.
bool cursor_charge(struct tsdb_cursor *c, u64 series, u64 samples, u64 bytes);
// Something that belongs into the answer is not there: says so once per place.
void cursor_warn_partial(struct tsdb_cursor *c, const char *text);
// Something could not be read: damage leaves a partial answer, want of memory none.
void cursor_miss(struct tsdb_cursor *c, const struct error *why);

// ---- tsdb_cursor_parts.c ----
// Adds the parts of the source's series at a place.
void cursor_source_parts(struct tsdb_cursor *c, struct source *s, u32 at);

// ---- tsdb_cursor_merge.c ----
void cursor_boxes_refuse(struct tsdb_cursor *c);
void cursor_boxes_charge(struct tsdb_cursor *c, u32 from); // Those from that one on.
// All values of a part's chunk, decoded; what is a reference refers to the cursor's boxes. NULL:
// damaged, or the cursor has failed.
const f64 *cursor_part_values(struct tsdb_cursor *c, const struct part *p);
// The same of a part that is bytes and has no boxes, at `to`, which has room for the whole chunk.
const f64 *cursor_part_unpack(struct tsdb_cursor *c, const struct part *p, f64 *to);
// Copies the wanted rows of a part; returns how many.
u32 cursor_part_copy(struct tsdb_cursor *c, const struct part *p, i64 *t, f64 *values);
// Parts in order of time, none overlapping: as they are, or made into one.
void cursor_parts_settle(struct tsdb_cursor *c);

// ---- tsdb_cursor_run.c ----
bool cursor_run(struct series_cursor *base, struct series_run *out);

#endif
