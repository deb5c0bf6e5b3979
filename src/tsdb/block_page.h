// block_page.h: the data file of a block: pages of packed chunks and of timestamp columns.
//
//   header (16) · page · page … · page table · footer (24)
//   page: head (20: kind, bytes, count, directory bytes, CRC-32C of all the rest) · directory ·
//         the chunks' bytes; both packed as one zstd frame where that saves enough
//
// A time page holds whole columns of up to COLUMN_ROWS_MAX timestamps; a value page holds chunks of
// neighbouring series, each over rows of one column. Kinds come as they fill.
// Memory: writing holds one page of each kind, 16 KiB and the table (24 bytes a page); a packed
// page is unpacked into a buffer of at most PAGE_RAW_MAX.
// Bytes: docs/format/block.md
// Threads: a writer is owned; the directory entries are values.
#ifndef TSDB_BLOCK_PAGE_H
#define TSDB_BLOCK_PAGE_H

#include "base/buf.h"
#include "tsdb/box.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/outfile.h"

struct arena;
struct error;
struct fs;

#define DATA_VERSION      2U // Version 1 had no chunks of boxes.
#define DATA_VERSION_MIN  1U
#define DATA_HEADER_BYTES 16U
#define DATA_FOOTER_BYTES 24U
#define PAGE_HEAD_BYTES   20U
#define PAGE_ENTRY_BYTES  24U
#ifdef TIDEMARK_SMALL
#    define PAGE_BYTES      ((size_t)1 << 10)
#    define PAGE_LONG_BYTES ((size_t)2 << 10)
#    define COLUMN_ROWS_MAX 36U
#else
#    define PAGE_BYTES      ((size_t)32 << 10) // A page is closed once it passes this;
#    define PAGE_LONG_BYTES ((size_t)48 << 10) // one of a writer that packs, once it passes this.
#    define COLUMN_ROWS_MAX CHUNK_VALUES_MAX
#endif
static_assert(COLUMN_ROWS_MAX <= CHUNK_VALUES_MAX, "a chunk covers a column at most");
#define PAGE_BYTES_MAX ((size_t)1 << 20) // Of a directory, and of a body; larger ones are damage.
#define PAGE_RAW_MAX   (PAGE_BYTES_MAX * 2)
#define PAGE_PACKED    0x100U // Beside the kind in a page's head.
#define PAGE_SLACK     64U    // Readable bytes behind whatever a decoder is given.

// How a chunk's rows are told in a directory. FORM_BOXES: a chunk of boxes; the form follows.
enum chunk_form { FORM_WHOLE, FORM_RANGE, FORM_BITMAP, FORM_BOXES };
enum page_kind { PAGE_TIMES = 1, PAGE_VALUES = 2 };

// One line of the page table. first, last: columns, or series, in the page.
struct page_entry {
    u64 offset;
    u32 bytes;
    u32 first;
    u32 last;
    u32 kind;
};

// The rows of a column that a chunk has values for.
struct chunk_rows {
    u32 column;
    u32 first;
    u32 span;          // last - first + 1
    u32 n;             // Values; n < span if the bitmap says where.
    const u8 *present; // Bit per row from first; NULL when n == span.
    bool whole;        // first 0 and every row of the column.
    bool boxes;        // The chunk is one of boxes (box_chunk.h).
};

// Threads: owned.
struct page_builder {
    struct buf directory;
    struct buf body;
    u32 count;
    u32 first;
    u32 last;
    u32 column; // Of the chunk before.
};

// Threads: owned.
struct data_writer {
    struct outfile file;
    struct page_builder times;
    struct page_builder values;
    struct buf table;
    struct buf packed;
    struct buf raw;   // Directory and body in one piece, to be packed.
    struct buf frame; // The same, packed.
    struct column_twin {
        u32 column;
        u32 offset; // Of its bytes in the page at hand.
        u32 bytes;
        u32 rows;
    } * twins; // By hash; the newest of those that meet.
    int level; // Of zstd; 0 = pages are never packed.
    u32 pages;
    u32 columns;
    u64 chunks;
    u64 samples;
};
// zstd_level: 0 = pages are not packed.
bool data_writer_open(struct data_writer *w, struct fs *fs, const char *path, int zstd_level,
                      struct error *e) MUST_USE;
// Its number: that of a column of the same times, if the page at hand has one.
u32 data_writer_column(struct data_writer *w, const i64 *t_ms, u32 n);
// The same for n times that are packed already and were read once without fault.
u32 data_writer_column_copy(struct data_writer *w, str packed, u32 n);
// Series rise; chunks of one series rise by time. What values refer to is in the list; their
// weights are at most BOX_WEIGHT_MAX, or there is one.
void data_writer_chunk(struct data_writer *w, u32 series, struct chunk_rows *rows,
                       const f64 *values, const struct box_list *boxes);
// The same for values that are packed already.
void data_writer_copy(struct data_writer *w, u32 series, const struct chunk_rows *rows, str packed);
// Whether a chunk that has this weight has room for one more value; *weight then has its too.
bool chunk_has_room(const struct box_list *boxes, f64 value, u64 *weight);
u64 data_writer_bytes(const struct data_writer *w); // Of memory.
bool data_writer_finish(struct data_writer *w, u64 *bytes, struct error *e) MUST_USE;
void data_writer_close(struct data_writer *w);

// A chunk as a page's directory tells it.
struct chunk_entry {
    u32 series;
    struct chunk_rows rows; // n and span of a whole one are 0: the column tells.
    str packed;             // In the page; PAGE_SLACK bytes behind it are readable.
};

// A page whose checksum is right, taken apart. Threads: a value, borrowed.
struct page_view {
    str directory;
    str body;
    u32 count;
};
bool page_check(str page, const struct page_entry *p, struct error *e) MUST_USE; // The checksum.
// A packed page is unpacked into raw, which is emptied first and lives as long as the view.
bool page_open(str page, const struct page_entry *p, struct buf *raw, struct page_view *v,
               struct error *e) MUST_USE;
// Decodes the directory of a value page; entries in the arena, rising by series.
bool page_chunks(const struct page_view *v, const struct page_entry *p, struct arena *a,
                 struct chunk_entry **out, struct error *e) MUST_USE;
// A column as a page's directory tells it: where its bytes are in the page's body.
struct column_entry {
    u32 offset;
    u32 bytes;
    u32 rows; // 1 to COLUMN_ROWS_MAX.
};
// Decodes the directory of a time page; entries in the arena, from column p->first on.
bool page_columns(const struct page_view *v, const struct page_entry *p, struct arena *a,
                  struct column_entry **out, struct error *e) MUST_USE;
str column_body(const struct page_view *v, const struct column_entry *c);
// Its times, c->rows of them.
bool column_times_read(const struct page_view *v, const struct page_entry *p,
                       const struct column_entry *c, i64 *t_ms, struct error *e) MUST_USE;
// Reads the footer and table of a data file; pages in the arena.
bool page_table(str file, struct arena *a, struct page_entry **out, u32 *n,
                struct error *e) MUST_USE;

#endif
