#include "tsdb/block_page.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/int_pack.h"

static const char data_magic[8] = {'T', 'M', 'D', 'A', 'T', 'A', '0', '1'};
#define FORM_WHOLE  0U
#define FORM_RANGE  1U
#define FORM_BITMAP 2U
#define TABLE_MAX   ((size_t)1 << 30)
#define COUNT_MAX   65536U // Chunks of one page.

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

bool data_writer_open(struct data_writer *w, struct fs *fs, const char *path, struct error *e)
{
    *w = (struct data_writer){0};
    builder_init(&w->times);
    builder_init(&w->values);
    buf_init(&w->table, TABLE_MAX);
    buf_init(&w->packed, PAGE_BYTES_MAX);
    if (!outfile_open(&w->file, fs, path, e)) {
        return false;
    }
    u32 words[2] = {DATA_VERSION, 0};
    outfile_add(&w->file, data_magic, sizeof(data_magic));
    outfile_add(&w->file, words, sizeof(words));
    return true;
}

static void page_flush(struct data_writer *w, struct page_builder *p, enum page_kind kind)
{
    if (p->count == 0) {
        return;
    }
    CHECK(buf_ok(&p->directory) && buf_ok(&p->body));
    u64 offset = outfile_offset(&w->file);
    u32 bytes = PAGE_HEAD_BYTES + (u32)p->directory.len + (u32)p->body.len;
    u32 head[5] = {kind, bytes, p->count, (u32)p->directory.len, 0};
    u32 crc = crc32c(0, head, 16);
    crc = crc32c(crc, p->directory.bytes, p->directory.len);
    head[4] = crc32c(crc, p->body.bytes, p->body.len);
    outfile_add(&w->file, head, sizeof(head));
    outfile_add(&w->file, p->directory.bytes, p->directory.len);
    outfile_add(&w->file, p->body.bytes, p->body.len);
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

static bool builder_full(const struct page_builder *p)
{
    return p->directory.len + p->body.len >= PAGE_BYTES || p->count == COUNT_MAX;
}

u32 data_writer_column(struct data_writer *w, const i64 *t_ms, u32 n)
{
    CHECK(n > 0 && n <= COLUMN_ROWS_MAX);
    struct page_builder *p = &w->times;
    u32 column = w->columns++;
    if (p->count == 0) {
        p->first = column;
    }
    size_t before = p->body.len;
    ts_pack_encode(t_ms, n, &p->body);
    buf_varint(&p->directory, n);
    buf_varint(&p->directory, p->body.len - before);
    p->count++;
    p->last = column;
    if (builder_full(p)) {
        page_flush(w, p, PAGE_TIMES);
    }
    return column;
}

void data_writer_chunk(struct data_writer *w, u32 series, const struct chunk_rows *rows,
                       const f64 *values)
{
    CHECK(rows->n > 0 && rows->n <= COLUMN_ROWS_MAX);
    struct page_builder *p = &w->values;
    if (p->count == 0) {
        p->first = series;
        p->last = series;
    }
    buf_clear(&w->packed);
    chunk_pack_encode(values, rows->n, &w->packed);
    u32 form = rows->whole ? FORM_WHOLE : rows->n == rows->span ? FORM_RANGE : FORM_BITMAP;
    u32 bitmap = form == FORM_BITMAP ? (rows->span + 7) / 8 : 0;
    buf_varint(&p->directory, series - p->last);
    buf_varsint(&p->directory, (i64)rows->column - (i64)p->column);
    buf_varint(&p->directory, (u64)(w->packed.len + bitmap) << 2 | form);
    if (form != FORM_WHOLE) {
        buf_varint(&p->directory, rows->first);
        buf_varint(&p->directory, rows->span);
    }
    buf_add(&p->body, rows->present, bitmap);
    buf_add(&p->body, w->packed.bytes, w->packed.len);
    p->column = rows->column;
    p->last = series;
    p->count++;
    w->chunks++;
    w->samples += rows->n;
    if (builder_full(p)) {
        page_flush(w, p, PAGE_VALUES);
    }
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
    outfile_close(&w->file);
    *w = (struct data_writer){0};
}

bool page_table(str file, struct arena *a, struct page_entry **out, u32 *n, struct error *e)
{
    if (file.len < DATA_HEADER_BYTES + DATA_FOOTER_BYTES ||
        memcmp(file.ptr, data_magic, sizeof(data_magic)) != 0 ||
        memcmp(file.ptr + file.len - sizeof(data_magic), data_magic, sizeof(data_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "no data file (%zu bytes)", file.len);
    }
    if (load_le32(file.ptr + 8) != DATA_VERSION) {
        return err_set(e, ERR_UNSUPPORTED, "data format version %u; this release reads %u",
                       load_le32(file.ptr + 8), DATA_VERSION);
    }
    const char *footer = file.ptr + file.len - DATA_FOOTER_BYTES;
    u64 offset = load_le64(footer);
    u64 count = load_le32(footer + 8);
    u64 end = file.len - DATA_FOOTER_BYTES;
    if (offset > end || count * PAGE_ENTRY_BYTES != end - offset ||
        crc32c(0, file.ptr + offset, end - offset) != load_le32(footer + 12)) {
        return err_set(e, ERR_CORRUPT, "the page table is damaged");
    }
    struct page_entry *pages = ARENA_NEW_N(a, struct page_entry, count + 1);
    struct dec d = dec_of(str_sub(file, offset, end));
    for (u64 i = 0; i < count; i++) {
        struct page_entry *p = &pages[i];
        p->offset = dec_le64(&d);
        p->bytes = dec_le32(&d);
        p->first = dec_le32(&d);
        p->last = dec_le32(&d);
        p->kind = dec_le32(&d);
        if (p->bytes < PAGE_HEAD_BYTES || p->bytes > PAGE_BYTES_MAX * 3 || p->offset > offset ||
            p->bytes > offset - p->offset || p->last < p->first ||
            (p->kind != PAGE_TIMES && p->kind != PAGE_VALUES)) {
            return err_set(e, ERR_CORRUPT, "page %llu of the page table is impossible",
                           (unsigned long long)i);
        }
    }
    *out = pages;
    *n = (u32)count;
    return true;
}

bool page_check(str page, const struct page_entry *p, struct error *e)
{
    u32 crc = crc32c(0, page.ptr, 16);
    crc = crc32c(crc, page.ptr + PAGE_HEAD_BYTES, page.len - PAGE_HEAD_BYTES);
    if (crc != load_le32(page.ptr + 16) || load_le32(page.ptr) != p->kind ||
        load_le32(page.ptr + 4) != p->bytes) {
        return err_set(e, ERR_CORRUPT, "the page at offset %llu is damaged",
                       (unsigned long long)p->offset);
    }
    return true;
}

static bool bad_page(const struct page_entry *p, struct error *e)
{
    return err_set(e, ERR_CORRUPT, "the directory of the page at offset %llu contradicts itself",
                   (unsigned long long)p->offset);
}

// Splits a page into directory and body.
static bool page_split(str page, str *directory, str *body)
{
    u64 bytes = load_le32(page.ptr + 12);
    if (bytes > page.len - PAGE_HEAD_BYTES) {
        return false;
    }
    *directory = str_sub(page, PAGE_HEAD_BYTES, PAGE_HEAD_BYTES + bytes);
    *body = str_sub(page, PAGE_HEAD_BYTES + bytes, page.len);
    return true;
}

static bool chunk_entry_read(struct dec *d, struct dec *body, struct chunk_entry *c)
{
    u64 length = dec_varint(d);
    u32 form = (u32)(length & 3);
    length >>= 2;
    if (form != FORM_WHOLE) {
        u64 first = dec_varint(d);
        u64 span = dec_varint(d);
        if (form > FORM_BITMAP || span == 0 || span > COLUMN_ROWS_MAX || first > COLUMN_ROWS_MAX) {
            return false;
        }
        c->rows.first = (u32)first;
        c->rows.span = (u32)span;
        c->rows.n = (u32)span;
    }
    c->rows.whole = form == FORM_WHOLE;
    c->packed = dec_bytes(body, length);
    if (form == FORM_BITMAP) {
        u32 bytes = (c->rows.span + 7) / 8;
        if (c->packed.len < bytes) {
            return false;
        }
        c->rows.present = (const u8 *)c->packed.ptr;
        c->rows.n = 0;
        for (u32 i = 0; i < c->rows.span; i++) {
            c->rows.n += c->rows.present[i / 8] >> (i % 8) & 1;
        }
        c->packed = str_sub(c->packed, bytes, c->packed.len);
    }
    return c->rows.whole || c->rows.n > 0;
}

bool page_chunks(str page, const struct page_entry *p, struct arena *a, struct chunk_entry **out,
                 u32 *n, struct error *e)
{
    str directory;
    str body_bytes;
    u32 count = load_le32(page.ptr + 8);
    if (!page_split(page, &directory, &body_bytes) || count > directory.len) {
        return bad_page(p, e);
    }
    struct chunk_entry *chunks = arena_try(a, (size_t)count + 1, sizeof(*chunks));
    if (!chunks) {
        return err_set(e, ERR_LIMIT, "the query's memory is used up");
    }
    struct dec d = dec_of(directory);
    struct dec body = dec_of(body_bytes);
    u64 series = p->first;
    i64 column = 0;
    for (u32 i = 0; i < count; i++) {
        series += dec_varint(&d);
        i64 step = dec_varsint(&d);
        if (step > UINT32_MAX || step < -(i64)UINT32_MAX) {
            return bad_page(p, e);
        }
        column += step;
        if (!chunk_entry_read(&d, &body, &chunks[i]) || !dec_ok(&d) || !dec_ok(&body) ||
            series > p->last || column < 0 || column > UINT32_MAX) {
            return bad_page(p, e);
        }
        chunks[i].series = (u32)series;
        chunks[i].rows.column = (u32)column;
    }
    *out = chunks;
    *n = count;
    return true;
}

bool page_column(str page, const struct page_entry *p, u32 column, i64 *t_ms, u32 *n,
                 struct error *e)
{
    str directory;
    str body;
    if (!page_split(page, &directory, &body) || column < p->first || column > p->last ||
        load_le32(page.ptr + 8) != p->last - p->first + 1) {
        return bad_page(p, e);
    }
    struct dec d = dec_of(directory);
    u64 offset = 0;
    u64 rows = 0;
    u64 bytes = 0;
    for (u32 i = p->first; i <= column && dec_ok(&d); i++) {
        offset += bytes;
        rows = dec_varint(&d);
        bytes = dec_varint(&d);
        if (bytes > body.len || offset > body.len - bytes) {
            return bad_page(p, e);
        }
    }
    if (!dec_ok(&d) || rows == 0 || rows > COLUMN_ROWS_MAX) {
        return bad_page(p, e);
    }
    struct dec times = dec_of(str_sub(body, offset, offset + bytes));
    if (!ts_pack_decode(&times, (u32)rows, t_ms) || dec_left(&times) != 0) {
        return bad_page(p, e);
    }
    for (u64 i = 1; i < rows; i++) {
        if (t_ms[i] <= t_ms[i - 1]) {
            return bad_page(p, e);
        }
    }
    *n = (u32)rows;
    return true;
}
