// index_file.h: the immutable index of a block: symbols, series, label values, postings.
//
// Writing: symbols sorted and unique first, then the series in label order, each as pairs of
// symbol numbers, then finish. Reading: mapped; open checks every section's checksum and the shape
// of every table, so that later reads only check what they decode.
// Cost: symbol by number ≤ 16 steps; by text O(log n); postings of a pair O(log n) and a decode.
// Memory: writing holds the postings, reading the map and what match_cache.h allows.
// Bytes: docs/format/index.md
// Threads: a writer is owned; a reader is frozen after open, symbol readers are owned.
#ifndef TSDB_INDEX_FILE_H
#define TSDB_INDEX_FILE_H

#include "base/bits.h"
#include "base/buf.h"
#include "base/map.h"
#include "model/labels.h"
#include "os/fs.h"
#include "tsdb/index_select.h"
#include "tsdb/outfile.h"

struct arena;
struct error;
struct postings;

#define INDEX_VERSION      1U
#define INDEX_SYMBOL_MAX   (16U << 20) // Bytes of one label name or value.
#define INDEX_RESTART      16U         // Every 16th symbol is written whole.
#define INDEX_HEADER_BYTES 16U

enum index_section {
    INDEX_SYMBOLS,
    INDEX_RESTARTS,
    INDEX_SERIES,
    INDEX_OFFSETS,
    INDEX_POSTINGS,
    INDEX_VALUES,
    INDEX_NAMES,
    INDEX_SECTION_COUNT
};

// Threads: owned.
struct index_writer {
    struct outfile file;
    struct index_part {
        u64 offset;
        u64 bytes;
        u32 crc;
    } parts[INDEX_SECTION_COUNT];
    u32 symbol_count;
    u32 series_count;
    u64 series_start;
    struct buf scratch;
    struct buf offsets;
    struct buf restarts;
    struct buf symbol; // The last one.
    u64 entries;       // Of all postings.
    struct index_pair {
        u64 key; // Name and value symbols.
        struct postings *set;
    } * pairs;
    u32 pair_count;
    u32 pair_cap;
    struct map by_pair;
};

bool index_writer_open(struct index_writer *w, struct fs *fs, const char *path,
                       struct error *e) MUST_USE;
bool index_writer_symbol(struct index_writer *w, str text, struct error *e) MUST_USE; // Rising.
void index_writer_symbols_end(struct index_writer *w); // Once, before the first series.
// pairs: name, value, …; the hidden tenant label first.
bool index_writer_series(struct index_writer *w, const u32 *pairs, u32 count,
                         struct error *e) MUST_USE;
u64 index_writer_bytes(const struct index_writer *w); // Memory held, about.
bool index_writer_finish(struct index_writer *w, struct error *e) MUST_USE;
void index_writer_close(struct index_writer *w);

// An entry of the values or names table. Threads: a value.
struct index_entry {
    u32 symbol;
    u32 count; // Bytes of the postings, or how many values.
    u64 first; // Offset of the postings, or the first value.
};
#define INDEX_ENTRY_BYTES 16U
static inline struct index_entry index_entry_at(str table, u32 index)
{
    const char *p = table.ptr + (size_t)index * INDEX_ENTRY_BYTES;
    return (struct index_entry){
        .symbol = load_le32(p), .count = load_le32(p + 4), .first = load_le64(p + 8)};
}

// Threads: frozen after open, but for the cache of `source`, which guards itself.
struct index_file {
    struct index_source source;
    struct fs *fs;
    struct fs_map map;
    bool mapped;
    str sections[INDEX_SECTION_COUNT];
    u32 symbol_count;
    u32 series_count;
    u32 value_count;
    u32 name_count;
};
extern const struct index_ops index_file_ops; // index_source.c
bool index_file_open(struct index_file *x, struct fs *fs, const char *path,
                     struct error *e) MUST_USE;
void index_file_close(struct index_file *x);
// ERR_CORRUPT once a page of it could not be read: then what it says means nothing. Reads of series
// end with it; who used the source asks index_whole.
bool index_file_whole(const struct index_file *x, struct error *e);

// Reads symbols, fast when their numbers rise. Threads: owned.
struct symbol_reader {
    const struct index_file *index;
    struct buf text;
    u32 next; // The symbol that comes at offset; 0 = start anew.
    size_t offset;
};
void symbol_reader_init(struct symbol_reader *r, const struct index_file *x);
void symbol_reader_fini(struct symbol_reader *r);
bool symbol_read(struct symbol_reader *r, u32 symbol, str *text, struct error *e) MUST_USE;

// The pairs of a series as symbol numbers, the hidden one first; at most pairs_max of them.
bool index_file_pairs(const struct index_file *x, u32 ordinal, u32 *pairs, u32 pairs_max,
                      u32 *count, struct error *e) MUST_USE;
// The bytes of a series: how many pairs, and those. Empty if there is none.
str index_file_series(const struct index_file *x, u32 ordinal);

#endif
