#include "tsdb/block.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/head_limits.h"
#include "tsdb/stored_file.h"
#include "tsdb/tombstone.h"

#include <stdatomic.h>
#include <stdio.h>

static const char meta_magic[8] = {'T', 'M', 'B', 'L', 'O', 'C', 'K', '1'};
#define META_BYTES_MAX  (META_BYTES + (size_t)BLOCK_SOURCES_MAX * BLOCK_ID_LEN)
#define TABLE_ARENA_MAX ((size_t)4 << 30)
#define PAGE_ARENA_MAX  ((size_t)256 << 20)
#define RAW_MAX         (PAGE_RAW_MAX + PAGE_SLACK + 1)
#define TIMES_AT_ONCE   ((u64)32 << 20)

bool block_meta_write(struct fs *fs, const char *path, const struct block_meta *m, struct error *e)
{
    struct buf b;
    buf_init(&b, META_BYTES_MAX);
    CHECK(m->source_count <= BLOCK_SOURCES_MAX);
    buf_add(&b, meta_magic, sizeof(meta_magic));
    buf_le32(&b, m->cold ? META_VERSION_COLD : META_VERSION);
    buf_le32(&b, m->level);
    buf_add(&b, m->id, BLOCK_ID_LEN);
    while (b.len < 48) {
        buf_byte(&b, 0);
    }
    const u64 words[] = {(u64)m->min_ms, (u64)m->max_ms, (u64)m->made_ms, m->series,     m->chunks,
                         m->samples,     m->columns,     m->data_bytes,   m->index_bytes};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        buf_le64(&b, words[i]);
    }
    buf_le32(&b, m->source_count);
    buf_le32(&b, m->cold);
    while (b.len < META_BYTES - 4) {
        buf_byte(&b, 0);
    }
    for (u32 i = 0; i < m->source_count; i++) {
        buf_add(&b, m->sources[i], BLOCK_ID_LEN);
    }
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    struct outfile file;
    bool ok = outfile_open(&file, fs, path, e);
    if (ok) {
        outfile_add(&file, b.bytes, b.len);
        ok = outfile_finish(&file, e);
        outfile_close(&file);
    }
    buf_fini(&b);
    return ok;
}

bool block_meta_read(struct fs *fs, const char *path, struct block_meta *m, struct error *e)
{
    struct arena *a = arena_new((size_t)1 << 20);
    str file;
    bool ok = stored_file_read(fs, path, META_BYTES_MAX * 2, a, &file, e);
    if (!ok) {
        arena_free(a);
        return false;
    }
    struct dec d = dec_of(file);
    str magic = dec_bytes(&d, sizeof(meta_magic));
    u32 version = dec_le32(&d);
    struct block_meta got = {.level = dec_le32(&d)};
    str id = dec_bytes(&d, BLOCK_ID_LEN);
    (void)dec_bytes(&d, 48 - 16 - BLOCK_ID_LEN);
    got.min_ms = (i64)dec_le64(&d);
    got.max_ms = (i64)dec_le64(&d);
    got.made_ms = (i64)dec_le64(&d);
    got.series = dec_le64(&d);
    got.chunks = dec_le64(&d);
    got.samples = dec_le64(&d);
    got.columns = dec_le64(&d);
    got.data_bytes = dec_le64(&d);
    got.index_bytes = dec_le64(&d);
    got.source_count = dec_le32(&d);
    got.cold = dec_le32(&d);
    u64 bytes = META_BYTES + (u64)got.source_count * BLOCK_ID_LEN;
    if (!dec_ok(&d) || memcmp(magic.ptr, meta_magic, sizeof(meta_magic)) != 0) {
        ok = err_set(e, ERR_CORRUPT, "%s is no block description", path);
    } else if (version < META_VERSION || version > META_VERSION_COLD) {
        ok = err_set(e, ERR_UNSUPPORTED, "%s has format version %u; this release reads %u to %u",
                     path, version, META_VERSION, META_VERSION_COLD);
    } else if (got.source_count > BLOCK_SOURCES_MAX || file.len != bytes ||
               crc32c(0, file.ptr, bytes - 4) != load_le32(file.ptr + bytes - 4) ||
               got.min_ms >= got.max_ms || got.cold > HEADS_MAX ||
               (got.cold != 0) != (version == META_VERSION_COLD)) {
        ok = err_set(e, ERR_CORRUPT, "%s is damaged", path);
    } else {
        memcpy(got.id, id.ptr, BLOCK_ID_LEN);
        for (u32 i = 0; i < got.source_count; i++) {
            memcpy(got.sources[i], file.ptr + META_BYTES - 4 + (size_t)i * BLOCK_ID_LEN,
                   BLOCK_ID_LEN);
        }
        *m = got;
    }
    arena_free(a);
    return ok;
}

bool block_meta_has_source(const struct block_meta *m, const char *id)
{
    for (u32 i = 0; i < m->source_count; i++) {
        if (memcmp(m->sources[i], id, BLOCK_ID_LEN) == 0) {
            return true;
        }
    }
    return false;
}

void block_name(const struct block_meta *m, char out[BLOCK_NAME])
{
    (void)snprintf(out, BLOCK_NAME, "%c%+lld%+lld-%s", m->cold ? 'c' : 'b', (long long)m->min_ms,
                   (long long)m->max_ms, m->id);
}

// A signed number that begins with its sign.
static bool number_next(str *rest, i64 *out)
{
    size_t n = 1;
    while (n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9') {
        n++;
    }
    bool plus = rest->len > 0 && rest->ptr[0] == '+';
    if (rest->len == 0 || (!plus && rest->ptr[0] != '-') ||
        !parse_i64(str_sub(*rest, plus ? 1 : 0, n), out)) {
        return false;
    }
    *rest = str_sub(*rest, n, rest->len);
    return true;
}

bool block_id_good(str id)
{
    bool good = id.len == BLOCK_ID_LEN;
    for (size_t i = 0; i < id.len; i++) {
        const char c = id.ptr[i];
        good = good && ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'));
    }
    return good;
}

bool block_name_parse(str name, struct block_meta *m)
{
    str rest = str_sub(name, 1, name.len);
    struct block_meta got = {.cold = str_starts(name, STR("c"))};
    if ((!got.cold && !str_starts(name, STR("b"))) || !number_next(&rest, &got.min_ms) ||
        !number_next(&rest, &got.max_ms) || rest.len != BLOCK_ID_LEN + 1 || rest.ptr[0] != '-' ||
        got.min_ms >= got.max_ms || !block_id_good(str_sub(rest, 1, rest.len))) {
        return false;
    }
    memcpy(got.id, rest.ptr + 1, BLOCK_ID_LEN);
    *m = got;
    return true;
}

static bool rises(const struct page_entry *pages, u32 n, bool may_share)
{
    for (u32 i = 1; i < n; i++) {
        if (pages[i].first < pages[i - 1].last ||
            (!may_share && pages[i].first == pages[i - 1].last)) {
            return false;
        }
    }
    return true;
}

static bool pages_read(struct block *b, struct error *e)
{
    struct page_entry *all;
    u32 n;
    str file = {(const char *)b->data.bytes, b->data.len};
    if (!page_table(file, b->arena, &all, &n, e)) {
        return false;
    }
    b->times = ARENA_NEW_N(b->arena, struct page_entry, n + 1);
    b->values = ARENA_NEW_N(b->arena, struct page_entry, n + 1);
    b->is_bad = arena_alloc(b->arena, n + 1, sizeof(_Atomic bool));
    for (u32 i = 0; i < n; i++) {
        if (all[i].kind == PAGE_TIMES) {
            b->times[b->time_pages++] = all[i];
        } else {
            b->values[b->value_pages++] = all[i];
        }
    }
    if (!rises(b->times, b->time_pages, false) || !rises(b->values, b->value_pages, true)) {
        return err_set(e, ERR_CORRUPT, "the pages are out of order");
    }
    return true;
}

// What is damaged of exemplars is no reason to do without the samples.
static bool exemplars_open(struct block *b, struct error *e)
{
    char file[600];
    struct error why = {0};
    (void)snprintf(file, sizeof(file), "%s/exemplars", b->path);
    if (exemplar_file_open(&b->exemplars, b->fs, file, &why)) {
        return true;
    }
    b->exemplars_damaged = why.code == ERR_CORRUPT;
    return b->exemplars_damaged || err_set(e, why.code, "%s", why.text);
}

struct block *block_open(struct fs *fs, const char *path, u32 uid, struct error *e)
{
    char file[600];
    struct block *b = MEM_NEW(struct block);
    b->fs = fs;
    b->uid = uid;
    b->arena = arena_new(TABLE_ARENA_MAX);
    (void)snprintf(b->path, sizeof(b->path), "%s", path);
    (void)snprintf(file, sizeof(file), "%s/meta", path);
    if (!block_meta_read(fs, file, &b->meta, e)) {
        goto fail;
    }
    (void)snprintf(file, sizeof(file), "%s/index", path);
    if (!index_file_open(&b->index, fs, file, e)) {
        (void)err_in(e, "%s", file);
        goto fail;
    }
    (void)snprintf(file, sizeof(file), "%s/data", path);
    if (!fs_map_open(fs, file, &b->data, e)) {
        goto fail;
    }
    b->data_mapped = true;
    if (!pages_read(b, e)) {
        (void)err_in(e, "%s", file);
        goto fail;
    }
    if (b->data.len != b->meta.data_bytes || b->index.series_count != b->meta.series) {
        (void)err_set(e, ERR_CORRUPT, "%s: sizes differ from its description", path);
        goto fail;
    }
    if (!exemplars_open(b, e)) {
        goto fail;
    }
    (void)snprintf(file, sizeof(file), "%s/tombstones", path);
    if (!tombstones_read(fs, file, b->index.series_count, &b->dead, e)) {
        goto fail;
    }
    return b;
fail:
    block_close(b);
    return NULL;
}

void block_close(struct block *b)
{
    if (!b) {
        return;
    }
    if (b->data_mapped) {
        fs_map_close(b->fs, &b->data);
    }
    exemplar_file_close(&b->exemplars);
    index_file_close(&b->index);
    tombstones_unref(b->dead);
    arena_free(b->arena);
    mem_free(b);
}

bool block_is_whole(const struct block *b, struct error *e)
{
    u32 holes = fs_map_holes(&b->data) + fs_map_holes(&b->index.map) +
                (b->exemplars.mapped ? fs_map_holes(&b->exemplars.map) : 0);
    return holes == 0 ? true
                      : err_set(e, ERR_CORRUPT, "%s: %u pages of its files cannot be read any more",
                                b->path, holes);
}

u64 block_bytes(const struct block *b)
{
    return b->meta.data_bytes + b->meta.index_bytes + exemplar_file_bytes(&b->exemplars) +
           META_BYTES + (u64)b->meta.source_count * BLOCK_ID_LEN;
}

void block_reader_init(struct block_reader *r, struct block *b, struct arena *a)
{
    *r = (struct block_reader){.block = b, .arena = a, .times_max = TIMES_AT_ONCE};
    r->page_arena = arena_new(PAGE_ARENA_MAX);
    r->columns_arena = arena_new(PAGE_ARENA_MAX);
    time_cache_init(&r->known, PAGE_ARENA_MAX);
    buf_init(&r->raw, RAW_MAX);
    buf_init(&r->times_raw, RAW_MAX);
    label_reader_init(&r->labels, &b->index);
}

void block_reader_fini(struct block_reader *r)
{
    if (!r->block) {
        return;
    }
    label_reader_fini(&r->labels);
    buf_fini(&r->raw);
    buf_fini(&r->times_raw);
    time_cache_fini(&r->known);
    arena_free(r->page_arena);
    arena_free(r->columns_arena);
    *r = (struct block_reader){0};
}

// The page's bytes if its checksum is right. It is looked at each time: the file may have been cut
// since, and within a page of the machine that shows as zeroes and in no other way.
static bool page_get(struct block *b, const struct page_entry *p, u32 page_number, str *page,
                     struct error *e)
{
    *page = (str){(const char *)b->data.bytes + p->offset, p->bytes};
    const bool was_bad = atomic_load(&b->is_bad[page_number]);
    if (!was_bad && page_check(*page, p, e)) {
        return true;
    }
    if (!was_bad && !atomic_exchange(&b->is_bad[page_number], true)) {
        atomic_fetch_add(&b->bad_pages, 1);
    }
    return err_set(e, ERR_CORRUPT, "%s/data: the page at offset %llu (series %u to %u) is damaged",
                   b->path, (unsigned long long)p->offset, p->first, p->last);
}

// Threads: owned by one call.
struct exemplar_damages {
    const struct block *b;
    void (*fn)(void *ctx, const struct error *why); // NULL = only whether there are any.
    void *ctx;
    struct error first;
};

static void exemplars_look(struct exemplar_damages *d)
{
    struct arena *a = arena_new(PAGE_ARENA_MAX);
    struct exemplar_reader r;
    bool more = true;
    exemplar_reader_init(&r, &d->b->exemplars);
    struct error why = {0};
    if (d->b->exemplars_damaged) {
        (void)err_set(&why, ERR_CORRUPT, "the file as a whole");
    }
    while (more) {
        struct exemplar_group g;
        if (why.code != ERR_NONE) {
            struct error told;
            (void)err_set(&told, why.code, "%s/exemplars%s: %s", d->b->path,
                          why.code == ERR_CORRUPT ? " is damaged" : "", why.text);
            if (d->first.code == ERR_NONE) {
                d->first = told;
            }
            if (d->fn) {
                d->fn(d->ctx, &told);
            }
        }
        why = (struct error){0};
        arena_reset(a);
        more = exemplar_reader_next(&r, a, &g, &why) || why.code != ERR_NONE;
    }
    arena_free(a);
}

void block_damages(struct block *b, void (*fn)(void *ctx, const struct error *why), void *ctx)
{
    for (u32 i = 0; i < b->time_pages + b->value_pages; i++) {
        const struct page_entry *p =
            i < b->time_pages ? &b->times[i] : &b->values[i - b->time_pages];
        struct error why = {0};
        str page;
        if (!page_get(b, p, i, &page, &why)) {
            fn(ctx, &why);
        }
    }
    struct exemplar_damages all = {.b = b, .fn = fn, .ctx = ctx};
    exemplars_look(&all);
}

bool block_verify(struct block *b, struct error *e)
{
    str page;
    for (u32 i = 0; i < b->time_pages; i++) {
        if (!page_get(b, &b->times[i], i, &page, e)) {
            return false;
        }
    }
    for (u32 i = 0; i < b->value_pages; i++) {
        if (!page_get(b, &b->values[i], b->time_pages + i, &page, e)) {
            return false;
        }
    }
    struct exemplar_damages all = {.b = b};
    exemplars_look(&all);
    return all.first.code == ERR_NONE || err_set(e, all.first.code, "%s", all.first.text);
}

static u32 page_find(const struct page_entry *pages, u32 n, u32 wanted)
{
    u32 low = 0;
    u32 high = n;
    while (low < high) {
        u32 mid = (low + high) / 2;
        if (pages[mid].last < wanted) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool page_load(struct block_reader *r, u32 page, struct error *e)
{
    struct block *b = r->block;
    str bytes;
    if (r->page == page + 1 && fs_map_holes(&b->data) == 0) {
        return true;
    }
    struct page_view v;
    r->page = 0;
    arena_reset(r->page_arena);
    const struct page_entry *p = &b->values[page];
    if (!page_get(b, p, b->time_pages + page, &bytes, e) || !page_open(bytes, p, &r->raw, &v, e) ||
        !page_chunks(&v, p, r->page_arena, &r->chunks, e)) {
        return false;
    }
    r->chunk_count = v.count;
    r->unpacked = r->raw.len > 0 && v.directory.ptr == r->raw.bytes;
    r->page = page + 1;
    return true;
}

// The first chunk of the page at hand that is not of a lower series.
static u32 chunk_find(const struct block_reader *r, u32 series)
{
    u32 low = 0;
    u32 high = r->chunk_count;
    while (low < high) {
        u32 mid = (low + high) / 2;
        if (r->chunks[mid].series < series) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

// A chunk of an unpacked page moves into the arena: the page goes when the next one is looked at.
static bool chunk_keep(struct chunk_entry *c, struct arena *a)
{
    size_t bitmap = c->rows.present ? (c->rows.span + 7) / 8 : 0;
    const char *from = c->packed.ptr - bitmap;
    u8 *copy = arena_try(a, bitmap + c->packed.len + PAGE_SLACK, 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, from, bitmap + c->packed.len);
    c->rows.present = bitmap ? copy : NULL;
    c->packed.ptr = (const char *)copy + bitmap;
    return true;
}

static bool chunk_take(const struct block_reader *r, struct chunk_entry *to, u32 chunk,
                       struct arena *a)
{
    *to = r->chunks[chunk];
    return !r->unpacked || chunk_keep(to, a);
}

static bool chunk_list_grow(struct chunk_list *list, u32 *cap, struct arena *a)
{
    u32 more = *cap * 2 + 2;
    struct chunk_entry *items = arena_try_raw(a, more, sizeof(*items));
    if (!items) {
        return false;
    }
    if (list->n > 0) {
        memcpy(items, list->items, list->n * sizeof(*items));
    }
    list->items = items;
    *cap = more;
    return true;
}

struct chunk_list block_reader_chunks(struct block_reader *r, u32 series, struct arena *a,
                                      struct error *e)
{
    struct block *b = r->block;
    struct chunk_list list = {0};
    u32 cap = 0;
    for (u32 p = page_find(b->values, b->value_pages, series);
         p < b->value_pages && b->values[p].first <= series; p++) {
        UNINIT struct error why;
        if (!page_load(r, p, &why)) {
            list.missing = true;
            (void)err_set(e, why.code, "%s", why.text);
            if (why.code == ERR_LIMIT) {
                return list; // No damage, and not to be taken for that of a later page.
            }
            continue;
        }
        for (u32 i = chunk_find(r, series); i < r->chunk_count && r->chunks[i].series == series;
             i++) {
            if ((list.n == cap && !chunk_list_grow(&list, &cap, a)) ||
                !chunk_take(r, &list.items[list.n], i, a)) {
                list.missing = true;
                (void)err_set(e, ERR_LIMIT,
                              "%s: the chunks of one series have more bytes than "
                              "there is memory for",
                              b->path);
                return list;
            }
            list.n++;
        }
    }
    return list;
}

static bool times_load(struct block_reader *r, u32 page, struct error *e)
{
    str bytes;
    struct block *b = r->block;
    const struct page_entry *p = &b->times[page];
    if (r->times_page == page + 1 && fs_map_holes(&b->data) == 0) {
        return true;
    }
    r->times_page = 0;
    arena_reset(r->columns_arena);
    if (!page_get(b, p, page, &bytes, e) || !page_open(bytes, p, &r->times_raw, &r->times, e) ||
        !page_columns(&r->times, p, r->columns_arena, &r->columns, e)) {
        return false;
    }
    r->times_page = page + 1;
    return true;
}

// A column that is not known yet.
static const struct column_times *column_load(struct block_reader *r, u32 column, struct error *e)
{
    struct block *b = r->block;
    UNINIT i64 t_ms[COLUMN_ROWS_MAX];
    const u32 holes = fs_map_holes(&b->data);
    const u32 page = page_find(b->times, b->time_pages, column);
    if (page == b->time_pages) {
        return err_null(e, ERR_CORRUPT, "%s/data: column %u does not exist", b->path, column);
    }
    if (!times_load(r, page, e)) {
        return NULL;
    }
    const struct column_entry *c = &r->columns[column - b->times[page].first];
    const str body = column_body(&r->times, c);
    const struct column_times *times = time_cache_equal(&r->known, body, c->rows);
    if (!times && !column_times_read(&r->times, &b->times[page], c, t_ms, e)) {
        return NULL;
    }
    if (fs_map_holes(&b->data) != holes) { // Perhaps while it was read.
        (void)block_is_whole(b, e);
        return NULL;
    }
    if (times) {
        time_cache_share(&r->known, column, times);
        return times;
    }
    times = time_cache_add(&r->known, column, body, t_ms, c->rows);
    return times
               ? times
               : err_null(e, ERR_LIMIT, "%s: the timestamps of one series need more than %zu bytes",
                          b->path, PAGE_ARENA_MAX);
}

const struct column_times *block_reader_column(struct block_reader *r, u32 column, struct error *e)
{
    const struct column_times *times = time_cache_get(&r->known, column);
    return times ? times : column_load(r, column, e);
}

void block_reader_forget(struct block_reader *r)
{
    if (time_cache_bytes(&r->known) >= r->times_max) {
        time_cache_clear(&r->known);
    }
}

u64 block_reader_bytes(const struct block_reader *r)
{
    return arena_bytes(r->page_arena) + arena_bytes(r->columns_arena) +
           time_cache_bytes(&r->known) + r->raw.cap + r->times_raw.cap;
}
