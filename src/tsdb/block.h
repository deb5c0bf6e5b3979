// block.h: an immutable block of samples on disk: a folder with data, index and meta.
//
//   blocks/b-<min>-<max>-<id>/{data,index,meta}     the name alone tells the range of a damaged one
//                             {exemplars,tombstones}  where there are any
//   blocks/c-…                a cold one: of series that left the head before their window was cut
//
// open maps both files and checks meta, index and page table; a page's checksum is looked at each
// time that it is read. A page that fails is bad from then on: reads over it say ERR_CORRUPT and
// the query goes on without it, marked partial (I4, I8).
// Cost: open O(index) for its checksums. Memory: 25 bytes a page.
// Bytes: docs/format/block.md
// Threads: frozen after open but for the marks of bad pages, which are atomic; counted by the block
// set.
#ifndef TSDB_BLOCK_H
#define TSDB_BLOCK_H

#include "base/base.h"
#include "tsdb/block_page.h"
#include "tsdb/exemplar_file.h"
#include "tsdb/index_file.h"
#include "tsdb/label_reader.h"
#include "tsdb/time_cache.h"

struct arena;
struct error;
struct fs;
struct tombstones;

#define BLOCK_ID_LEN      26
#define META_VERSION      1U
#define META_VERSION_COLD 2U   // Of cold ones, which older releases would take for a cut.
#define META_BYTES        160U // Without sources.
#define BLOCK_NAME        128
#define BLOCK_SOURCES_MAX 128U

// Threads: a value.
struct block_meta {
    char id[BLOCK_ID_LEN + 1];
    i64 min_ms;
    i64 max_ms; // Exclusive.
    i64 made_ms;
    u64 series;
    u64 chunks;
    u64 samples;
    u64 columns;
    u64 data_bytes;
    u64 index_bytes;
    u32 level; // 1 = cut from the head; one more than the highest of its sources.
    u32 cold;  // The shard that its series left, + 1; 0 = the head has nothing below max_ms.
    // The blocks it was made of: where it is listed, they count for nothing (they were about to be
    // removed).
    u32 source_count;
    char sources[BLOCK_SOURCES_MAX][BLOCK_ID_LEN + 1];
};
bool block_meta_has_source(const struct block_meta *m, const char *id);
bool block_meta_write(struct fs *fs, const char *path, const struct block_meta *m,
                      struct error *e) MUST_USE;
bool block_meta_read(struct fs *fs, const char *path, struct block_meta *m,
                     struct error *e) MUST_USE;
void block_name(const struct block_meta *m, char out[BLOCK_NAME]);
bool block_id_good(str id); // As block_dir.c makes them: digits and capital letters.
// The range and id that a folder's name tells, and whether it is cold; false if it is none of ours.
bool block_name_parse(str name, struct block_meta *m);

struct block {
    struct block_meta meta;
    struct fs *fs;
    char path[512];
    u32 uid;          // Small number for column ids.
    _Atomic u32 refs; // By how many sets it is listed.
    struct index_file index;
    struct fs_map data;
    bool data_mapped;
    struct exemplar_file exemplars;
    bool exemplars_damaged; // Its file as a whole: there are some that cannot be read.
    struct arena *arena;
    struct page_entry *times;  // In order of columns.
    struct page_entry *values; // In order of series.
    u32 time_pages;
    u32 value_pages;
    _Atomic bool *is_bad; // Pages of both kinds; times first.
    _Atomic u32 bad_pages;
    struct tombstones *dead; // As the file said at open; what holds now stands in the block set.
};
struct block *block_open(struct fs *fs, const char *path, u32 uid, struct error *e) MUST_USE;
void block_close(struct block *b); // Accepts NULL.
u64 block_bytes(const struct block *b);
// Whether all its pages could be read so far. Who used bytes of them asks afterwards: a page that
// went away after its checksum was looked at reads as zeroes.
bool block_is_whole(const struct block *b, struct error *e);
// Tells of every page that is damaged, or that memory is wanting for: the code says. O(bytes).
void block_damages(struct block *b, void (*fn)(void *ctx, const struct error *why), void *ctx);
// Looks at every page's checksum until one is bad; O(bytes).
bool block_verify(struct block *b, struct error *e) MUST_USE;

// Reads one block for one query. Threads: owned.
struct block_reader {
    struct block *block;
    struct arena *arena;      // Of the query: labels.
    struct arena *page_arena; // The directory of the page at hand.
    struct label_reader labels;
    struct buf raw; // The page at hand, if it was packed.
    bool unpacked;
    struct buf times_raw;
    u32 times_page; // Index + 1 of the time page at hand.
    struct page_view times;
    struct column_entry *columns; // Of that page, in an arena of its own.
    struct arena *columns_arena;
    struct time_cache known; // Decoded columns.
    u32 page;                // Index + 1 of the page at hand.
    struct chunk_entry *chunks;
    u32 chunk_count;
    u64 times_max; // Bytes of decoded columns, from which on forget drops them.
};
void block_reader_init(struct block_reader *r, struct block *b, struct arena *a);
void block_reader_fini(struct block_reader *r);
// The chunks of a series. Threads: a value.
struct chunk_list {
    struct chunk_entry *items;
    u32 n;
    bool missing; // Some lie in a bad page and are left out; the reader's error says which.
};
// In the arena given. e is set if something is missing.
struct chunk_list block_reader_chunks(struct block_reader *r, u32 series, struct arena *a,
                                      struct error *e);
// Borrowed until block_reader_forget. NULL if its page is bad.
const struct column_times *block_reader_column(struct block_reader *r, u32 column, struct error *e);
// Between two series: drops decoded columns if they are large.
void block_reader_forget(struct block_reader *r);
u64 block_reader_bytes(const struct block_reader *r); // Of memory, without what r->arena holds.

#endif
