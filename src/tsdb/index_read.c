// index_read.c: the reading half of index_file.h. Nothing here trusts a byte of the file.
#include "base/arena.h"
#include "base/bits.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/index_file.h"
#include "tsdb/match_cache.h"

#define FOOTER_BYTES (INDEX_SECTION_COUNT * 24U + 8U)

static const char index_magic[8] = {'T', 'M', 'I', 'N', 'D', 'E', 'X', '1'};

static u32 word_at(str section, u64 at)
{
    return load_le32(section.ptr + at * 4);
}

static bool bad(struct error *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "the %s of the index contradict themselves", what);
}

static bool sections_read(struct index_file *x, str file, struct error *e)
{
    if (file.len < INDEX_HEADER_BYTES + FOOTER_BYTES ||
        memcmp(file.ptr, index_magic, sizeof(index_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "no index file (%zu bytes)", file.len);
    }
    if (load_le32(file.ptr + 8) != INDEX_VERSION) {
        return err_set(e, ERR_UNSUPPORTED, "index format version %u; this release reads %u",
                       load_le32(file.ptr + 8), INDEX_VERSION);
    }
    struct dec d = dec_of(str_sub(file, file.len - FOOTER_BYTES, file.len));
    const char *footer = file.ptr + file.len - FOOTER_BYTES;
    if (crc32c(0, footer, FOOTER_BYTES - 8) != load_le32(footer + FOOTER_BYTES - 8)) {
        return bad(e, "checksums");
    }
    for (u32 i = 0; i < INDEX_SECTION_COUNT; i++) {
        u64 offset = dec_le64(&d);
        u64 bytes = dec_le64(&d);
        u32 crc = dec_le32(&d);
        (void)dec_le32(&d);
        if (offset > file.len || bytes > file.len - offset) {
            return bad(e, "sections");
        }
        x->sections[i] = (str){file.ptr + offset, bytes};
        if (crc32c(0, x->sections[i].ptr, bytes) != crc) {
            return err_set(e, ERR_CORRUPT, "section %u of the index (offset %llu) is damaged", i,
                           (unsigned long long)offset);
        }
    }
    return true;
}

static bool rising(str words, u64 from, u64 count, u64 limit)
{
    for (u64 i = 0; i < count; i++) {
        u32 v = word_at(words, from + i);
        if (v > limit || (i > 0 && v < word_at(words, from + i - 1))) {
            return false;
        }
    }
    return true;
}

static bool counts_check(struct index_file *x, struct error *e)
{
    str restarts = x->sections[INDEX_RESTARTS];
    str offsets = x->sections[INDEX_OFFSETS];
    if (restarts.len < 4 || restarts.len % 4 != 0 || offsets.len < 4 || offsets.len % 4 != 0) {
        return bad(e, "tables");
    }
    x->symbol_count = word_at(restarts, 0);
    u64 restart_count = ((u64)x->symbol_count + INDEX_RESTART - 1) / INDEX_RESTART;
    if (restarts.len / 4 - 1 != restart_count ||
        !rising(restarts, 1, restart_count, x->sections[INDEX_SYMBOLS].len)) {
        return bad(e, "symbols");
    }
    u64 words = offsets.len / 4;
    x->series_count = (u32)(words - 1);
    if (words - 1 > UINT32_MAX - 1 || !rising(offsets, 0, words, x->sections[INDEX_SERIES].len)) {
        return bad(e, "series");
    }
    return true;
}

static bool tables_check(struct index_file *x, struct error *e)
{
    str values = x->sections[INDEX_VALUES];
    str names = x->sections[INDEX_NAMES];
    if (values.len % INDEX_ENTRY_BYTES != 0 || names.len % INDEX_ENTRY_BYTES != 0 ||
        values.len / INDEX_ENTRY_BYTES > UINT32_MAX || names.len / INDEX_ENTRY_BYTES > UINT32_MAX) {
        return bad(e, "tables");
    }
    x->value_count = (u32)(values.len / INDEX_ENTRY_BYTES);
    x->name_count = (u32)(names.len / INDEX_ENTRY_BYTES);
    u64 next = 0;
    u64 postings = x->sections[INDEX_POSTINGS].len;
    for (u32 i = 0; i < x->name_count; i++) {
        struct index_entry n = index_entry_at(names, i);
        if (n.symbol >= x->symbol_count || n.first != next || n.count > x->value_count - next ||
            (i > 0 && n.symbol <= index_entry_at(names, i - 1).symbol)) {
            return bad(e, "label names");
        }
        for (u64 k = next; k < next + n.count; k++) {
            struct index_entry v = index_entry_at(values, (u32)k);
            if (v.symbol >= x->symbol_count || v.first > postings || v.count > postings - v.first ||
                (k > next && v.symbol <= index_entry_at(values, (u32)k - 1).symbol)) {
                return bad(e, "label values");
            }
        }
        next += n.count;
    }
    return next == x->value_count ? true : bad(e, "label values");
}

bool index_file_open(struct index_file *x, struct fs *fs, const char *path, struct error *e)
{
    *x = (struct index_file){.fs = fs, .source = {.ops = &index_file_ops}};
    if (!fs_map_open(fs, path, &x->map, e)) {
        return false;
    }
    x->mapped = true;
    x->source.cache = match_cache_new();
    str file = {(const char *)x->map.bytes, x->map.len};
    if (!sections_read(x, file, e) || !counts_check(x, e) || !tables_check(x, e)) {
        index_file_close(x);
        return false;
    }
    return true;
}

void index_file_close(struct index_file *x)
{
    match_cache_free(x->source.cache);
    if (x->mapped) {
        fs_map_close(x->fs, &x->map);
    }
    *x = (struct index_file){0};
}

bool index_file_whole(const struct index_file *x, struct error *e)
{
    u32 holes = fs_map_holes(&x->map);
    return holes == 0
               ? true
               : err_set(e, ERR_CORRUPT, "%u pages of the index cannot be read any more", holes);
}

void symbol_reader_init(struct symbol_reader *r, const struct index_file *x)
{
    *r = (struct symbol_reader){.index = x};
    buf_init(&r->text, INDEX_SYMBOL_MAX + 1);
}

void symbol_reader_fini(struct symbol_reader *r)
{
    buf_fini(&r->text);
}

// From the text of a symbol to that of the next.
static inline bool symbol_step(struct buf *text, struct dec *d)
{
    const u64 shared = dec_varint_short(d);
    const u64 more = dec_varint_short(d);
    if (!dec_ok(d) || shared > text->len || more > dec_left(d) || more > INDEX_SYMBOL_MAX) {
        return false;
    }
    text->len = shared;
    char *room = buf_room(text, more);
    if (!room) {
        return false;
    }
    memcpy(room, d->at, more);
    d->at += more;
    buf_commit(text, more);
    return true;
}

bool symbol_read(struct symbol_reader *r, u32 symbol, str *text, struct error *e)
{
    const struct index_file *x = r->index;
    if (symbol >= x->symbol_count) {
        return bad(e, "symbols");
    }
    bool near = r->next != 0 && r->next <= symbol &&
                (r->next - 1) / INDEX_RESTART == symbol / INDEX_RESTART;
    if (r->next != 0 && r->next == symbol + 1) {
        *text = buf_get(&r->text);
        return true;
    }
    if (!near) {
        r->next = symbol / INDEX_RESTART * INDEX_RESTART;
        r->offset = word_at(x->sections[INDEX_RESTARTS], 1 + symbol / INDEX_RESTART);
        buf_clear(&r->text);
    }
    str blob = x->sections[INDEX_SYMBOLS];
    struct dec d = dec_of(str_sub(blob, r->offset, blob.len));
    for (u32 i = r->next; i <= symbol; i++) {
        if (!symbol_step(&r->text, &d)) {
            r->next = 0;
            return bad(e, "symbols");
        }
    }
    r->next = symbol + 1;
    r->offset += dec_offset(&d);
    *text = buf_get(&r->text);
    return true;
}

str index_file_series(const struct index_file *x, u32 ordinal)
{
    if (ordinal >= x->series_count) {
        return STR_EMPTY;
    }
    return str_sub(x->sections[INDEX_SERIES], word_at(x->sections[INDEX_OFFSETS], ordinal),
                   word_at(x->sections[INDEX_OFFSETS], ordinal + 1ULL));
}

bool index_file_pairs(const struct index_file *x, u32 ordinal, u32 *pairs, u32 pairs_max,
                      u32 *count, struct error *e)
{
    struct dec d = dec_of(index_file_series(x, ordinal));
    u64 n = dec_varint(&d);
    if (!dec_ok(&d) || n == 0 || n > pairs_max) {
        return bad(e, "series");
    }
    for (u64 i = 0; i < 2 * n; i++) {
        u64 symbol = dec_varint(&d);
        if (!dec_ok(&d) || symbol >= x->symbol_count) {
            return bad(e, "series");
        }
        pairs[i] = (u32)symbol;
    }
    *count = (u32)n;
    return index_file_whole(x, e);
}
