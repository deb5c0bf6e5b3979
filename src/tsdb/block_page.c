#include "tsdb/block_page.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/box_chunk.h"
#include "tsdb/int_pack.h"
#include "wire/zst.h"

static const char data_magic[8] = {'T', 'M', 'D', 'A', 'T', 'A', '0', '1'};
#define TABLE_MAX  ((size_t)1 << 30)
#define COUNT_MAX  65536U            // Chunks of one page.
#define TWINS      1024U             // A power of two.
#define WORTH(raw) ((raw) / 25 * 24) // A packed page saves 4 % at least, or stays as it is.

static void builder_init(struct page_builder *p)
{
    *p = (struct page_builder){0};
    buf_init(&p->directory, PAGE_BYTES_MAX);
    buf_init(&p->body, PAGE_BYTES_MAX);
}

static void builder_fini(struct page_builder *p)
{
    buf_fini(&p->directory);
    buf_fini(&p->body);
}

bool data_writer_open(struct data_writer *w, struct fs *fs, const char *path, int zstd_level,
                      struct error *e)
{
    *w = (struct data_writer){.level = zstd_level};
    builder_init(&w->times);
    builder_init(&w->values);
    buf_init(&w->table, TABLE_MAX);
    buf_init(&w->packed, PAGE_BYTES_MAX);
    buf_init(&w->raw, PAGE_RAW_MAX);
    buf_init(&w->frame, PAGE_RAW_MAX);
    w->twins = MEM_NEW_N(struct column_twin, TWINS);
    if (!outfile_open(&w->file, fs, path, e)) {
        return false;
    }
    u32 words[2] = {DATA_VERSION, 0};
    outfile_add(&w->file, data_magic, sizeof(data_magic));
    outfile_add(&w->file, words, sizeof(words));
    return true;
}

// Packs directory and body into w->frame, after their length; false if it is not worth it.
static bool page_pack(struct data_writer *w, const struct page_builder *p)
{
    buf_clear(&w->raw);
    buf_clear(&w->frame);
    buf_add(&w->raw, p->directory.bytes, p->directory.len);
    buf_add(&w->raw, p->body.bytes, p->body.len);
    buf_le32(&w->frame, (u32)w->raw.len);
    zst_encode(buf_get(&w->raw), w->level, &w->frame);
    return buf_ok(&w->raw) && buf_ok(&w->frame) && w->frame.len <= WORTH(w->raw.len);
}

static void page_flush(struct data_writer *w, struct page_builder *p, enum page_kind kind)
{
    if (p->count == 0) {
        return;
    }
    CHECK(buf_ok(&p->directory) && buf_ok(&p->body));
    bool packed = w->level > 0 && page_pack(w, p);
    str first = packed ? buf_get(&w->frame) : buf_get(&p->directory);
    str second = packed ? (str){w->frame.bytes, 0} : buf_get(&p->body);
    u64 offset = outfile_offset(&w->file);
    u32 bytes = PAGE_HEAD_BYTES + (u32)(first.len + second.len);
    u32 head[5] = {kind | (packed ? PAGE_PACKED : 0), bytes, p->count, (u32)p->directory.len, 0};
    u32 crc = crc32c(0, head, 16);
    crc = crc32c(crc, first.ptr, first.len);
    head[4] = crc32c(crc, second.ptr, second.len);
    outfile_add(&w->file, head, sizeof(head));
    outfile_add(&w->file, first.ptr, first.len);
    outfile_add(&w->file, second.ptr, second.len);
    buf_le64(&w->table, offset);
    buf_le32(&w->table, bytes);
    buf_le32(&w->table, p->first);
    buf_le32(&w->table, p->last);
    buf_le32(&w->table, kind);
    w->pages++;
    buf_clear(&p->directory);
    buf_clear(&p->body);
    p->count = 0;
    p->column = 0;
}

static bool builder_full(const struct data_writer *w, const struct page_builder *p)
{
    size_t full = w->level > 0 ? PAGE_LONG_BYTES : PAGE_BYTES;
    return p->directory.len + p->body.len >= full || p->count == COUNT_MAX;
}

// Targets that are pushed or scraped at the same times have columns of the same bytes: all refer
// to the first in the page. The bytes that end the body are looked for.
static bool twin_find(struct data_writer *w, u32 offset, u32 rows, u32 *column)
{
    const struct page_builder *p = &w->times;
    const str body = buf_get(&p->body);
    const str wanted = str_sub(body, offset, body.len);
    struct column_twin *t = &w->twins[hash_str(wanted) & (TWINS - 1)];
    if (p->count > 0 && t->rows == rows && t->column >= p->first && // Of this page.
        str_eq(str_sub(body, t->offset, (size_t)t->offset + t->bytes), wanted)) {
        *column = t->column;
        return true;
    }
    *t = (struct column_twin){w->columns, offset, (u32)wanted.len, rows};
    return false;
}

// The bytes from `before` on, at the end of the page at hand, are a column.
static u32 column_end(struct data_writer *w, size_t before, u32 n)
{
    struct page_builder *p = &w->times;
    u32 column;
    if (twin_find(w, (u32)before, n, &column)) {
        p->body.len = before;
        return column;
    }
    column = w->columns++;
    if (p->count == 0) {
        p->first = column;
    }
    buf_varint(&p->directory, n);
    buf_varint(&p->directory, p->body.len - before);
    p->count++;
    p->last = column;
    if (builder_full(w, p)) {
        page_flush(w, p, PAGE_TIMES);
    }
    return column;
}

u32 data_writer_column(struct data_writer *w, const i64 *t_ms, u32 n)
{
    CHECK(n > 0 && n <= COLUMN_ROWS_MAX);
    const size_t before = w->times.body.len;
    ts_pack_encode(t_ms, n, &w->times.body);
    return column_end(w, before, n);
}

u32 data_writer_column_copy(struct data_writer *w, str packed, u32 n)
{
    CHECK(n > 0 && n <= COLUMN_ROWS_MAX);
    const size_t before = w->times.body.len;
    buf_add(&w->times.body, packed.ptr, packed.len);
    return column_end(w, before, n);
}

void data_writer_copy(struct data_writer *w, u32 series, const struct chunk_rows *rows, str packed)
{
    CHECK(rows->n > 0 && rows->n <= COLUMN_ROWS_MAX);
    struct page_builder *p = &w->values;
    if (p->count == 0) {
        p->first = series;
        p->last = series;
    }
    u32 form = rows->whole ? FORM_WHOLE : rows->n == rows->span ? FORM_RANGE : FORM_BITMAP;
    u32 bitmap = form == FORM_BITMAP ? (rows->span + 7) / 8 : 0;
    buf_varint(&p->directory, series - p->last);
    buf_varsint(&p->directory, (i64)rows->column - (i64)p->column);
    buf_varint(&p->directory, (u64)(packed.len + bitmap) << 2 | (rows->boxes ? FORM_BOXES : form));
    if (rows->boxes) {
        buf_byte(&p->directory, (u8)form);
    }
    if (form != FORM_WHOLE) {
        buf_varint(&p->directory, rows->first);
        buf_varint(&p->directory, rows->span);
    }
    buf_add(&p->body, rows->present, bitmap);
    buf_add(&p->body, packed.ptr, packed.len);
    p->column = rows->column;
    p->last = series;
    p->count++;
    w->chunks++;
    w->samples += rows->n;
    if (builder_full(w, p)) {
        page_flush(w, p, PAGE_VALUES);
    }
}

bool chunk_has_room(const struct box_list *boxes, f64 value, u64 *weight)
{
    u64 more = is_box(value) ? box_weight(box_list_get(boxes, value)) : 0;
    if (more > 0 && *weight > 0 && *weight + more > BOX_WEIGHT_MAX) {
        return false;
    }
    *weight += more;
    return true;
}

void data_writer_chunk(struct data_writer *w, u32 series, struct chunk_rows *rows,
                       const f64 *values, const struct box_list *boxes)
{
    CHECK(rows->n > 0 && rows->n <= COLUMN_ROWS_MAX);
    buf_clear(&w->packed);
    rows->boxes = false;
    for (u32 i = 0; boxes->n > 0 && i < rows->n; i++) {
        rows->boxes = rows->boxes || is_box(values[i]);
    }
    if (rows->boxes) {
        box_chunk_encode(values, rows->n, boxes, &w->packed);
    } else {
        chunk_pack_encode(values, rows->n, &w->packed);
    }
    CHECK(buf_ok(&w->packed));
    data_writer_copy(w, series, rows, buf_get(&w->packed));
}

u64 data_writer_bytes(const struct data_writer *w)
{
    const struct buf *bufs[] = {&w->times.directory,
                                &w->times.body,
                                &w->values.directory,
                                &w->values.body,
                                &w->table,
                                &w->packed,
                                &w->raw,
                                &w->frame};
    u64 bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++) {
        bytes += bufs[i]->cap;
    }
    return bytes;
}

bool data_writer_finish(struct data_writer *w, u64 *bytes, struct error *e)
{
    page_flush(w, &w->times, PAGE_TIMES);
    page_flush(w, &w->values, PAGE_VALUES);
    if (!buf_ok(&w->table)) {
        return err_set(e, ERR_LIMIT, "a block has too many pages");
    }
    u64 offset = outfile_offset(&w->file);
    u32 crc = crc32c(0, w->table.bytes, w->table.len);
    buf_le64(&w->table, offset);
    buf_le32(&w->table, w->pages);
    buf_le32(&w->table, crc);
    buf_add(&w->table, data_magic, sizeof(data_magic));
    outfile_add(&w->file, w->table.bytes, w->table.len);
    *bytes = outfile_offset(&w->file);
    return outfile_finish(&w->file, e);
}

void data_writer_close(struct data_writer *w)
{
    builder_fini(&w->times);
    builder_fini(&w->values);
    buf_fini(&w->table);
    buf_fini(&w->packed);
    buf_fini(&w->raw);
    buf_fini(&w->frame);
    mem_free(w->twins);
    outfile_close(&w->file);
    *w = (struct data_writer){0};
}
