// block_fuzz.c: foreign bytes as a block's files. The first byte chooses: an index file, a page of
// the data file, a posting set, a list of deletions, a chunk of boxes, or a description. Checksums
// are made right first.
//
// block_index_planted_fuzz and block_meta_planted_fuzz are this file with readers that believe a
// label, and the number of a block's sources, to be short: a run that does not find it has not
// looked deep enough to count. No file of tests/corpus holds such a one.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/hist.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/box_chunk.h"
#include "tsdb/postings.h"
#include "tsdb/tombstone.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FOOTER (INDEX_SECTION_COUNT * 24U + 8U)

static void file_put(struct fs *fs, const char *path, str bytes)
{
    struct error e;
    struct file *f = fs_open(fs, path, FS_TRUNCATE, &e);
    CHECK(f && fs_write_at(fs, f, 0, bytes, &e));
    fs_close(fs, f);
}

// Where a section's bounds make sense, its checksum is put right, so that the fuzzer gets further.
static void index_sign(u8 *bytes, size_t size)
{
    if (size < FOOTER) {
        return;
    }
    u8 *footer = bytes + size - FOOTER;
    for (u32 i = 0; i < INDEX_SECTION_COUNT; i++) {
        u64 offset = load_le64(footer + (size_t)i * 24);
        u64 len = load_le64(footer + (size_t)i * 24 + 8);
        if (offset <= size && len <= size - offset) {
            u32 crc = crc32c(0, bytes + offset, len);
            memcpy(footer + (size_t)i * 24 + 16, &crc, sizeof(crc));
        }
    }
    u32 crc = crc32c(0, footer, FOOTER - 8);
    memcpy(footer + FOOTER - 8, &crc, sizeof(crc));
}

static bool on_value(void *ctx, UNUSED str value, u64 handle)
{
    struct index_file *x = ctx;
    struct postings *p = postings_new();
    struct error e;
    (void)!x->source.ops->gather(&x->source, &handle, 1, p, &e);
    CHECK(postings_count(p) <= x->series_count);
    postings_free(p);
    return true;
}

static bool on_name(void *ctx, str name, UNUSED u64 handle)
{
    struct index_file *x = ctx;
    struct error e;
    char copy[64];
    size_t len = MIN(name.len, sizeof(copy)); // The name is borrowed from a reader.
    memcpy(copy, name.ptr, len);
    (void)!x->source.ops->values(&x->source, (str){copy, len}, STR_EMPTY, on_value, x, &e);
    return true;
}

// What a careless caller would do with what the readers give it.
static void label_keep(struct labels ls)
{
#ifdef TIDEMARK_PLANTED_LABEL
    char kept[24];
    for (size_t i = 0; i < ls.count; i++) {
        memcpy(kept, ls.items[i].value.ptr, ls.items[i].value.len);
        CHECK(ls.items[i].value.len == 0 || kept[0] == ls.items[i].value.ptr[0]);
    }
#else
    CHECK(ls.count == 0 || ls.items);
#endif
}

static void meta_keep(const struct block_meta *m)
{
#ifdef TIDEMARK_PLANTED_SOURCES
    char kept[4][BLOCK_ID_LEN];
    for (u32 i = 0; i < m->source_count; i++) {
        memcpy(kept[i], m->sources[i], BLOCK_ID_LEN);
        CHECK(kept[i][0] == m->sources[i][0]);
    }
#else
    CHECK(m->source_count <= BLOCK_SOURCES_MAX && m->min_ms < m->max_ms);
#endif
}

static void feed_index(struct fs *fs, struct arena *a, u8 *bytes, size_t size)
{
    struct index_file x;
    struct label_reader r;
    struct symbol_texts texts;
    struct error e;
    index_sign(bytes, size);
    file_put(fs, "/index", (str){(const char *)bytes, size});
    if (!index_file_open(&x, fs, "/index", &e)) {
        return;
    }
    symbol_texts_init(&texts);
    label_reader_init(&r, &x);
    for (u32 i = 0; i < x.series_count && i < 64; i++) {
        struct labels ls;
        if (label_reader_get(&r, i, &texts, a, &ls, &e)) {
            label_keep(ls);
        }
    }
    label_reader_fini(&r);
    symbol_texts_fini(&texts);
    (void)!x.source.ops->names(&x.source, on_name, &x, &e);
    index_file_close(&x);
}

// What a chunk of boxes gives can be written, and gives the same again.
static void feed_boxes(str packed, u32 n, struct box_list *list, f64 *values)
{
    struct error e;
    struct buf again;
    struct box_list second = {.arena = list->arena};
    f64 *back = ARENA_NEW_N(list->arena, f64, CHUNK_VALUES_MAX);
    if (!box_chunk_decode(packed, n, list, values, &e)) {
        return;
    }
    u64 weight = 0;
    for (u32 i = 0; i < list->n; i++) {
        weight += box_weight(&list->items[i]);
    }
    if (weight > BOX_WEIGHT_MAX) {
        return; // More than a writer puts into one chunk.
    }
    buf_init(&again, (size_t)16 << 20);
    box_chunk_encode(values, n, list, &again);
    CHECK(buf_ok(&again) && buf_room(&again, PAGE_SLACK));
    CHECK(box_chunk_decode(buf_get(&again), n, &second, back, &e));
    for (u32 i = 0; i < n; i++) {
        CHECK(is_box(values[i]) == is_box(back[i]));
        if (!is_box(values[i])) {
            CHECK(bits_of_f64(values[i]) == bits_of_f64(back[i]));
            continue;
        }
        const struct box *x = box_list_get(list, values[i]);
        const struct box *y = box_list_get(&second, back[i]);
        CHECK(x->has_start == y->has_start && x->start_ms == y->start_ms);
        CHECK((x->hist != NULL) == (y->hist != NULL));
        CHECK(x->hist ? hist_eq(x->hist, y->hist) : bits_of_f64(x->value) == bits_of_f64(y->value));
    }
    buf_fini(&again);
}

static void feed_page(struct arena *a, str input)
{
    struct error e;
    struct chunk_entry *chunks;
    struct column_entry *columns;
    i64 times[COLUMN_ROWS_MAX];
    if (input.len < PAGE_HEAD_BYTES) {
        return;
    }
    struct page_entry p = {.bytes = (u32)input.len, .first = 3, .last = 100};
    struct page_view v;
    struct buf raw;
    buf_init(&raw, PAGE_RAW_MAX + PAGE_SLACK + 1);
    if (!page_open(input, &p, &raw, &v, &e)) {
        buf_fini(&raw);
        return;
    }
    if (page_chunks(&v, &p, a, &chunks, &e)) {
        for (u32 i = 0; i < v.count; i++) {
            f64 values[CHUNK_VALUES_MAX];
            CHECK(chunks[i].series >= p.first && chunks[i].series <= p.last);
            u32 rows = chunks[i].rows.whole ? 7 : chunks[i].rows.n;
            struct box_list list = {.arena = a};
            if (chunks[i].rows.boxes) {
                feed_boxes(chunks[i].packed, rows, &list, values);
            } else {
                (void)!chunk_pack_decode(chunks[i].packed, rows, values, &e);
            }
        }
    }
    if (page_columns(&v, &p, a, &columns, &e)) {
        for (u32 i = 0; i < v.count; i++) {
            CHECK(column_body(&v, &columns[i]).len == columns[i].bytes);
            (void)!column_times_read(&v, &p, &columns[i], times, &e);
        }
    }
    buf_fini(&raw);
}

// With the checksum put right, so that the fuzzer gets further.
static void feed_tombstones(u8 *bytes, size_t size)
{
    struct tombstones *t = NULL;
    struct error e;
    if (size > 4) {
        u32 crc = crc32c(0, bytes, size - 4);
        memcpy(bytes + size - 4, &crc, sizeof(crc));
    }
    if (tombstones_decode((str){(const char *)bytes, size}, 1000, &t, &e)) {
        for (u32 i = 0; t && i < t->n; i++) {
            CHECK(t->items[i].series < 1000 && t->items[i].min_ms <= t->items[i].max_ms);
        }
        tombstones_unref(t);
    }
}

#define META_SOURCES 120U // Where their number stands.
#define META_LIST    156U // Where they begin; the checksum is behind them.

// counted: their number is made that of as many as there are bytes for.
static void feed_meta(struct fs *fs, u8 *bytes, size_t size, bool counted)
{
    struct block_meta m;
    struct error e;
    if (counted && size >= META_LIST + 4) {
        const u32 n = (u32)((size - META_LIST - 4) / BLOCK_ID_LEN);
        memcpy(bytes + META_SOURCES, &n, sizeof(n));
        size = META_LIST + 4 + (size_t)n * BLOCK_ID_LEN;
    }
    const str input = {(const char *)bytes, size};
    if (size > 4) {
        const u32 crc = crc32c(0, bytes, size - 4);
        memcpy(bytes + size - 4, &crc, sizeof(crc));
    }
    file_put(fs, "/meta", input);
    if (block_meta_read(fs, "/meta", &m, &e)) {
        meta_keep(&m);
    }
    (void)!block_name_parse(input, &m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct arena *a = arena_new((size_t)64 << 20);
    struct fs *fs = fs_mem_new((u64)64 << 20);
    u8 *bytes = ARENA_NEW_N(a, u8, size + PAGE_SLACK);
    str input = {(const char *)bytes, size - 1};
    struct error e;
    memcpy(bytes, data + 1, size - 1);
    struct box_list list = {.arena = a};
    f64 values[CHUNK_VALUES_MAX];
    switch (data[0] % 6) {
    case 0:
        feed_index(fs, a, bytes, size - 1);
        break;
    case 1:
        feed_page(a, input);
        break;
    case 2:
        postings_free(postings_decode(input, 1000, &e));
        break;
    case 3:
        feed_tombstones(bytes, size - 1);
        break;
    case 4:
        feed_boxes(str_sub(input, 1, input.len), 1 + bytes[0], &list, values);
        break;
    default:
        feed_meta(fs, bytes, size - 1, data[0] / 6 % 2 == 1);
    }
    fs_mem_free(fs);
    arena_free(a);
    return 0;
}
