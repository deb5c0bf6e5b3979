// block_columns.h: turns the head's segments and sealed chunks into a block's columns and chunks.
//
// Threads: owned by one block cut; the windows are frozen.
#ifndef TSDB_BLOCK_COLUMNS_H
#define TSDB_BLOCK_COLUMNS_H

#include "base/base.h"
#include "tsdb/box.h"

struct arena;
struct data_writer;
struct error;
struct head_window;

// A series in one shard's window. window may be NULL.
struct cut_source {
    struct head_window *window;
    u32 ordinal;
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
    struct arena *arena;   // Of the whole cut.
    struct arena *scratch; // Of one series.
    struct arena *opened;  // Of one chunk.
    struct box_list boxes; // Of one chunk, in opened.
    struct column_place *places;
    u32 place_count;
    u32 place_cap;
};
void column_writer_init(struct column_writer *w, struct data_writer *data, struct arena *a);
void column_writer_fini(struct column_writer *w);
// Writes the shared columns of a window; accepts NULL.
void column_writer_groups(struct column_writer *w, struct head_window *window);
// ERR_LIMIT: a box has no room.
bool column_writer_series(struct column_writer *w, u32 ordinal, const struct cut_source *sources,
                          u32 n, struct error *e) MUST_USE;

#endif
