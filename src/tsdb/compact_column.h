// compact_column.h: writes one series of a compaction: its chunks, and the columns they need.
//
// A source's column is written when the first chunk over it comes. If that series' next chunks are
// over columns that are new too, follow in time and fit beside it, they become one column; a column
// that stays by itself is copied as it is packed.
// Memory: 8 bytes for each column of a source, 2 for each one written; of one series the packed
// bytes, of one chunk at a time the histograms.
// Threads: owned by the compaction.
#ifndef TSDB_COMPACT_COLUMN_H
#define TSDB_COMPACT_COLUMN_H

#include "tsdb/block.h"
#include "tsdb/retention.h"

struct arena;
struct data_writer;
struct error;

// A time range that is left out, both ends included. Threads: a value.
struct compact_cut {
    u32 source;
    i64 min_ms;
    i64 max_ms;
};

// A chunk of the series at hand. Threads: owned.
struct compact_part {
    struct chunk_entry entry; // rows are those of the source.
    u32 source;
    u32 n;                            // Values.
    u32 span;                         // Rows from first.
    const struct column_times *times; // Of the source's column.
    const i64 *t;                     // The same.
    u32 rows;                         // The same.
    u32 column;                       // What it became, and where it begins there.
    u32 row;
    bool is_cut; // Samples of it are left out.
};

// Threads: owned.
struct compact_source {
    struct block *block;
    struct block_reader reader;
    u32 columns;
    u32 *column_at; // What each column became, + 1; 0 = nothing yet.
    u32 *column_row;
    u32 *symbols; // The result's number of each symbol.
    u8 *used;     // Bit per symbol.
    struct retention_cuts over;
    u32 at; // The series at hand, and its pairs as the result's symbols.
    u32 *pairs;
    u32 pair_count;
    bool live;
};

// Threads: owned.
struct compact_columns {
    struct data_writer *data;
    struct compact_source *sources;
    u64 bytes_max;
    struct arena *arena;     // Of one series.
    struct box_list boxes;   // Of the chunk that is being made, in an arena of their own.
    struct box_list decoded; // Of the part at hand, likewise.
    u64 lane_bytes;          // What a merge of overlapping parts holds.
    struct compact_part *parts;
    u32 part_count;
    u32 part_cap;
    struct compact_cut *cuts; // In any order.
    u32 cut_count;
    u32 cut_cap;
    u16 *rows; // Of each column written.
    u32 rows_cap;
};
void compact_columns_init(struct compact_columns *c, struct data_writer *data,
                          struct compact_source *sources, u64 bytes_max);
void compact_columns_fini(struct compact_columns *c);
u64 compact_columns_bytes(const struct compact_columns *c);
bool compact_columns_fit(const struct compact_columns *c, struct error *e) MUST_USE; // bytes_max.

// Between begin and end: the chunks of a source's series, sources rising, and what is left out.
void compact_series_begin(struct compact_columns *c);
void compact_series_cut(struct compact_columns *c, struct compact_cut cut);
bool compact_series_add(struct compact_columns *c, u32 source, u32 series,
                        struct error *e) MUST_USE;
// Writes what is left under this number; *written tells whether anything was.
bool compact_series_end(struct compact_columns *c, u32 ordinal, bool *written,
                        struct error *e) MUST_USE;

// For compact_merge.c.
bool compact_is_out(const struct compact_columns *c, u32 source, i64 t);
bool compact_part_has(const struct compact_part *p, u32 row);
// boxes is emptied, then has the part's. ERR_LIMIT: they have no room; ERR_CORRUPT: damage.
bool compact_part_decode(struct compact_columns *c, const struct compact_part *p,
                         struct box_list *boxes, f64 values[CHUNK_VALUES_MAX],
                         struct error *e) MUST_USE;
// Copies what v refers to into the chunk that is being made.
bool compact_value_take(struct compact_columns *c, const struct box_list *from, f64 v, f64 *taken,
                        struct error *e) MUST_USE;
u32 compact_column_write(struct compact_columns *c, const i64 *times, u32 n); // Its number.

#endif
