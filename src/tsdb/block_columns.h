// block_columns.h: turns the head's segments and sealed chunks into a block's columns and chunks.
//
// Threads: owned by one block cut; what it writes of the windows is frozen.
#ifndef TSDB_BLOCK_COLUMNS_H
#define TSDB_BLOCK_COLUMNS_H

#include "base/base.h"
#include "tsdb/box.h"

struct arena;
struct chunk_tally;
struct data_writer;
struct error;
struct head_window;
struct late_run;
struct segment;

// A series in one shard's window.
struct cut_source {
    struct head_window *window;
    u32 newest;                  // Position of its newest sealed chunk; SEALED_NONE = none.
    const struct late_run *late; // NULL = none.
};

// Where a group's segment went. Named by segment.mark - 1.
struct column_place {
    u32 column;
    u32 row;  // Of the segment's first row.
    u32 rows; // Of the column.
};

// Threads: owned.
struct column_writer {
    struct data_writer *data;
    struct chunk_tally *tally;
    struct arena *arena;   // Of the whole cut.
    struct arena *scratch; // Of one series.
    struct arena *opened;  // Of one chunk.
    struct box_list boxes; // Of one chunk, in opened.
    struct column_place *places;
    u32 place_count;
    u32 place_cap;
};
// The tally hears of each chunk.
void column_writer_init(struct column_writer *w, struct data_writer *data,
                        struct chunk_tally *tally, struct arena *a);
void column_writer_fini(struct column_writer *w);
// What of a window's segments is to be written: all rows of all, or none until some are wanted.
// newest: where the window's list began when the cut did; NULL = there is no window.
void column_rows_all(struct segment *newest);
void column_rows_none(struct segment *newest);
// Wants the rows of a series' chunks, and widens the range to them. false: one is damaged.
bool column_rows_want(const struct cut_source *s, i64 *min_ms, i64 *max_ms);
// Writes the shared columns of a window, as far as rows are wanted of them.
void column_writer_groups(struct column_writer *w, struct segment *newest);
// ERR_LIMIT: a box has no room.
bool column_writer_series(struct column_writer *w, u32 ordinal, const struct cut_source *sources,
                          u32 n, struct error *e) MUST_USE;

#endif
