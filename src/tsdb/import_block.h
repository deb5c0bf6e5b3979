// import_block.h: one block of samples that are sorted already.
//
//   begin (which series it will have) ─► series, rising by rank ─► end (files whole, not listed)
// Series whose times are the same share their columns, as long as they come one soon after another.
// Memory: one page of each kind, the index's postings, 4 bytes a symbol of the import.
// Threads: owned.
#ifndef TSDB_IMPORT_BLOCK_H
#define TSDB_IMPORT_BLOCK_H

#include "tsdb/block_dir.h"
#include "tsdb/import_series.h"

#define IMPORT_COLUMNS_KEPT 16U

// place: the block range's number, then the series' rank. Threads: a value.
struct import_sample {
    u64 place;
    i64 t_ms;
    f64 value;
    u32 line;
};
static inline u32 import_rank(const struct import_sample *v)
{
    return (u32)v->place;
}

struct import_column {
    u32 column;
    u32 n;
    i64 t_ms[COLUMN_ROWS_MAX];
};

// Threads: owned.
struct import_block {
    const struct import_series *table;
    const char *source; // For errors.
    struct block_meta meta;
    struct block_dir dir;
    struct index_writer index;
    struct data_writer data;
    u32 *numbers; // The block's number of each symbol of the import.
    struct import_column columns[IMPORT_COLUMNS_KEPT];
    u32 column_next;
    u32 ordinal;
};
// used: a bit for each rank. meta has range, id and time of making.
bool import_block_begin(struct import_block *b, struct fs *fs, const char *blocks, const u8 *used,
                        struct error *e) MUST_USE;
// Sorted by time, then line; of equal times the values are equal, or it is an error.
bool import_block_series(struct import_block *b, u32 rank, struct import_sample *samples, u64 n,
                         struct error *e) MUST_USE;
bool import_block_end(struct import_block *b, struct error *e) MUST_USE;
void import_block_fini(struct import_block *b); // The files stay.

#endif
