// block_page_read.c: the reading half of block_page.h. Nothing here trusts a byte of the file.
#include "base/arena.h"
#include "base/bits.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/block_page.h"
#include "tsdb/int_pack.h"
#include "wire/zst.h"

static const char data_magic[8] = {'T', 'M', 'D', 'A', 'T', 'A', '0', '1'};

bool page_table(str file, struct arena *a, struct page_entry **out, u32 *n, struct error *e)
{
    if (file.len < DATA_HEADER_BYTES + DATA_FOOTER_BYTES ||
        memcmp(file.ptr, data_magic, sizeof(data_magic)) != 0 ||
        memcmp(file.ptr + file.len - sizeof(data_magic), data_magic, sizeof(data_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "no data file (%zu bytes)", file.len);
    }
    u32 version = load_le32(file.ptr + 8);
    if (version < DATA_VERSION_MIN || version > DATA_VERSION) {
        return err_set(e, ERR_UNSUPPORTED, "data format version %u; this release reads %u to %u",
                       version, DATA_VERSION_MIN, DATA_VERSION);
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
    if (crc != load_le32(page.ptr + 16) || (load_le32(page.ptr) & ~PAGE_PACKED) != p->kind ||
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

bool page_open(str page, const struct page_entry *p, struct buf *raw, struct page_view *v,
               struct error *e)
{
    str content = str_sub(page, PAGE_HEAD_BYTES, page.len);
    u64 directory = load_le32(page.ptr + 12);
    if (load_le32(page.ptr) & PAGE_PACKED) {
        u32 len = content.len >= 4 ? load_le32(content.ptr) : 0;
        buf_clear(raw);
        if (len == 0 || len > PAGE_RAW_MAX) {
            return bad_page(p, e);
        }
        if (!zst_decode(str_sub(content, 4, content.len), len, raw, e) || raw->len != len ||
            !buf_room(raw, PAGE_SLACK)) {
            return bad_page(p, e);
        }
        memset(raw->bytes + raw->len, 0, PAGE_SLACK);
        content = buf_get(raw);
    }
    if (directory > content.len) {
        return bad_page(p, e);
    }
    *v = (struct page_view){.directory = str_sub(content, 0, directory),
                            .body = str_sub(content, directory, content.len),
                            .count = load_le32(page.ptr + 8)};
    return true;
}

static bool chunk_entry_read(struct dec *d, struct dec *body, struct chunk_entry *c)
{
    u64 length = dec_varint_short(d);
    u32 form = (u32)(length & 3);
    length >>= 2;
    c->rows.boxes = form == FORM_BOXES;
    form = c->rows.boxes ? dec_u8(d) : form;
    if (form != FORM_WHOLE) {
        u64 first = dec_varint_short(d);
        u64 span = dec_varint_short(d);
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

bool page_chunks(const struct page_view *v, const struct page_entry *p, struct arena *a,
                 struct chunk_entry **out, struct error *e)
{
    if (v->count > v->directory.len) {
        return bad_page(p, e);
    }
    struct chunk_entry *chunks = arena_try(a, (size_t)v->count + 1, sizeof(*chunks));
    if (!chunks) {
        return err_set(e, ERR_LIMIT, "the query's memory is used up");
    }
    struct dec d = dec_of(v->directory);
    struct dec body = dec_of(v->body);
    u64 series = p->first;
    i64 column = 0;
    for (u32 i = 0; i < v->count; i++) {
        series += dec_varint_short(&d);
        i64 step = dec_varsint_short(&d);
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
    return true;
}

bool page_columns(const struct page_view *v, const struct page_entry *p, struct arena *a,
                  struct column_entry **out, struct error *e)
{
    // In 64 bits: a page of all numbers there are, and of no column, must not pass.
    if (v->count != (u64)p->last - p->first + 1 || v->count > v->directory.len) {
        return bad_page(p, e);
    }
    struct column_entry *columns = arena_try_raw(a, v->count, sizeof(*columns));
    if (!columns) {
        return err_set(e, ERR_LIMIT, "the query's memory is used up");
    }
    struct dec d = dec_of(v->directory);
    u64 offset = 0;
    for (u32 i = 0; i < v->count; i++) {
        const u64 rows = dec_varint(&d);
        const u64 bytes = dec_varint(&d);
        if (!dec_ok(&d) || rows == 0 || rows > COLUMN_ROWS_MAX || bytes > v->body.len - offset) {
            return bad_page(p, e);
        }
        columns[i] = (struct column_entry){(u32)offset, (u32)bytes, (u32)rows};
        offset += bytes;
    }
    *out = columns;
    return true;
}

str column_body(const struct page_view *v, const struct column_entry *c)
{
    return str_sub(v->body, c->offset, (size_t)c->offset + c->bytes);
}

bool column_times_read(const struct page_view *v, const struct page_entry *p,
                       const struct column_entry *c, i64 *t_ms, struct error *e)
{
    struct dec d = dec_of(column_body(v, c));
    if (!ts_pack_decode(&d, c->rows, t_ms) || dec_left(&d) != 0) {
        return bad_page(p, e);
    }
    bool rise = true;
    for (u32 i = 1; i < c->rows; i++) {
        rise = rise && t_ms[i] > t_ms[i - 1];
    }
    return rise || bad_page(p, e);
}
