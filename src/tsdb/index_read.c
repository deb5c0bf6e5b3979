// index_read.c: the reading half of index_file.h. Nothing here trusts a byte of the file.
#include "base/arena.h"
#include "base/bits.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/index_file.h"
#include "tsdb/postings.h"

#define ENTRY_BYTES  16U
#define FOOTER_BYTES (INDEX_SECTION_COUNT * 24U + 8U)

static const char index_magic[8] = {'T', 'M', 'I', 'N', 'D', 'E', 'X', '1'};

static u32 word_at(str section, u64 at)
{
    return load_le32(section.ptr + at * 4);
}

// An entry of the values or names table.
struct entry {
    u32 symbol;
    u32 count; // Bytes of the postings, or how many values.
    u64 first; // Offset of the postings, or the first value.
};

static struct entry entry_at(str table, u32 index)
{
    const char *p = table.ptr + (size_t)index * ENTRY_BYTES;
    return (struct entry){
        .symbol = load_le32(p), .count = load_le32(p + 4), .first = load_le64(p + 8)};
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
    if (values.len % ENTRY_BYTES != 0 || names.len % ENTRY_BYTES != 0 ||
        values.len / ENTRY_BYTES > UINT32_MAX || names.len / ENTRY_BYTES > UINT32_MAX) {
        return bad(e, "tables");
    }
    x->value_count = (u32)(values.len / ENTRY_BYTES);
    x->name_count = (u32)(names.len / ENTRY_BYTES);
    u64 next = 0;
    u64 postings = x->sections[INDEX_POSTINGS].len;
    for (u32 i = 0; i < x->name_count; i++) {
        struct entry n = entry_at(names, i);
        if (n.symbol >= x->symbol_count || n.first != next || n.count > x->value_count - next ||
            (i > 0 && n.symbol <= entry_at(names, i - 1).symbol)) {
            return bad(e, "label names");
        }
        for (u64 k = next; k < next + n.count; k++) {
            struct entry v = entry_at(values, (u32)k);
            if (v.symbol >= x->symbol_count || v.first > postings || v.count > postings - v.first ||
                (k > next && v.symbol <= entry_at(values, (u32)k - 1).symbol)) {
                return bad(e, "label values");
            }
        }
        next += n.count;
    }
    return next == x->value_count ? true : bad(e, "label values");
}

static const struct index_ops index_file_ops;

bool index_file_open(struct index_file *x, struct fs *fs, const char *path, struct error *e)
{
    *x = (struct index_file){.fs = fs, .source = {.ops = &index_file_ops}};
    if (!fs_map_open(fs, path, &x->map, e)) {
        return false;
    }
    x->mapped = true;
    str file = {(const char *)x->map.bytes, x->map.len};
    if (!sections_read(x, file, e) || !counts_check(x, e) || !tables_check(x, e)) {
        index_file_close(x);
        return false;
    }
    return true;
}

void index_file_close(struct index_file *x)
{
    if (x->mapped) {
        fs_map_close(x->fs, &x->map);
    }
    *x = (struct index_file){0};
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
        u64 shared = dec_varint(&d);
        str rest = dec_lenstr(&d);
        if (!dec_ok(&d) || shared > r->text.len || rest.len > INDEX_SYMBOL_MAX) {
            r->next = 0;
            return bad(e, "symbols");
        }
        r->text.len = shared;
        buf_str(&r->text, rest);
    }
    if (!buf_ok(&r->text)) {
        r->next = 0;
        return bad(e, "symbols");
    }
    r->next = symbol + 1;
    r->offset += dec_offset(&d);
    *text = buf_get(&r->text);
    return true;
}

// The first symbol that is not below text; symbol_count if none.
static u32 symbol_lower(struct symbol_reader *r, str text)
{
    u32 low = 0;
    u32 high = (r->index->symbol_count + INDEX_RESTART - 1) / INDEX_RESTART;
    str found;
    while (low < high) { // The last restart below text.
        u32 mid = (low + high) / 2;
        if (!symbol_read(r, mid * INDEX_RESTART, &found, NULL)) {
            return r->index->symbol_count;
        }
        if (str_cmp(found, text) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    u32 at = low == 0 ? 0 : (low - 1) * INDEX_RESTART;
    while (at < r->index->symbol_count && symbol_read(r, at, &found, NULL) &&
           str_cmp(found, text) < 0) {
        at++;
    }
    return at;
}

// The index of a symbol's entry in [from, to) of a table; to if absent, unless lower is wanted.
static u32 entry_find(str table, u32 from, u32 to, u32 symbol, bool lower)
{
    u32 end = to;
    while (from < to) {
        u32 mid = from + (to - from) / 2;
        if (entry_at(table, mid).symbol < symbol) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return lower || (from < end && entry_at(table, from).symbol == symbol) ? from : end;
}

static struct index_file *file_of(struct index_source *s)
{
    return CONTAINER_OF(s, struct index_file, source);
}

static bool name_find(struct index_file *x, struct symbol_reader *r, str name, struct entry *out)
{
    u32 symbol = symbol_lower(r, name);
    str text;
    if (symbol == x->symbol_count || !symbol_read(r, symbol, &text, NULL) || !str_eq(text, name)) {
        return false;
    }
    u32 at = entry_find(x->sections[INDEX_NAMES], 0, x->name_count, symbol, false);
    if (at == x->name_count) {
        return false;
    }
    *out = entry_at(x->sections[INDEX_NAMES], at);
    return true;
}

static bool file_pair(struct index_source *s, str name, str value, u64 *handle)
{
    struct index_file *x = file_of(s);
    struct symbol_reader r;
    struct entry n;
    str text;
    bool found = false;
    symbol_reader_init(&r, x);
    if (name_find(x, &r, name, &n)) {
        u32 symbol = symbol_lower(&r, value);
        u32 to = (u32)n.first + n.count;
        if (symbol < x->symbol_count && symbol_read(&r, symbol, &text, NULL) &&
            str_eq(text, value)) {
            u32 at = entry_find(x->sections[INDEX_VALUES], (u32)n.first, to, symbol, false);
            found = at < to;
            *handle = at;
        }
    }
    symbol_reader_fini(&r);
    return found;
}

static bool file_values(struct index_source *s, str name, str prefix, index_value_fn *fn, void *ctx,
                        struct error *e)
{
    struct index_file *x = file_of(s);
    struct symbol_reader r;
    struct entry n;
    bool ok = true;
    symbol_reader_init(&r, x);
    if (name_find(x, &r, name, &n)) {
        u32 at = (u32)n.first;
        u32 to = at + n.count;
        if (prefix.len > 0) {
            at = entry_find(x->sections[INDEX_VALUES], at, to, symbol_lower(&r, prefix), true);
        }
        bool more = true;
        for (; ok && more && at < to; at++) {
            str text = STR_EMPTY;
            ok = symbol_read(&r, entry_at(x->sections[INDEX_VALUES], at).symbol, &text, e);
            more = ok && (prefix.len == 0 || str_starts(text, prefix)) && fn(ctx, text, at);
        }
    }
    symbol_reader_fini(&r);
    return ok;
}

static bool file_names(struct index_source *s, index_value_fn *fn, void *ctx, struct error *e)
{
    struct index_file *x = file_of(s);
    struct symbol_reader r;
    bool ok = true;
    symbol_reader_init(&r, x);
    bool more = true;
    for (u32 i = 0; ok && more && i < x->name_count; i++) {
        str text = STR_EMPTY;
        ok = symbol_read(&r, entry_at(x->sections[INDEX_NAMES], i).symbol, &text, e);
        more = ok && (text.len == 0 || fn(ctx, text, i));
    }
    symbol_reader_fini(&r);
    return ok;
}

static bool file_gather(struct index_source *s, const u64 *handles, u32 n, struct postings *into,
                        struct error *e)
{
    struct index_file *x = file_of(s);
    for (u32 i = 0; i < n; i++) {
        struct entry v = entry_at(x->sections[INDEX_VALUES], (u32)handles[i]);
        str bytes = str_sub(x->sections[INDEX_POSTINGS], v.first, v.first + v.count);
        struct postings *p = postings_decode(bytes, x->series_count, e);
        if (!p) {
            return false;
        }
        postings_or(into, p);
        postings_free(p);
    }
    return true;
}

static const struct index_ops index_file_ops = {
    .pair = file_pair,
    .values = file_values,
    .names = file_names,
    .gather = file_gather,
};

// The bytes of a series.
static str series_bytes(const struct index_file *x, u32 ordinal)
{
    return str_sub(x->sections[INDEX_SERIES], word_at(x->sections[INDEX_OFFSETS], ordinal),
                   word_at(x->sections[INDEX_OFFSETS], ordinal + 1ULL));
}

bool index_file_pairs(const struct index_file *x, u32 ordinal, u32 *pairs, u32 pairs_max,
                      u32 *count, struct error *e)
{
    struct dec d = dec_of(ordinal < x->series_count ? series_bytes(x, ordinal) : STR_EMPTY);
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
    return true;
}

bool index_file_labels(const struct index_file *x, struct symbol_reader *r, u32 ordinal,
                       struct arena *a, struct labels *out, struct error *e)
{
    if (ordinal >= x->series_count) {
        return bad(e, "series");
    }
    struct dec d = dec_of(series_bytes(x, ordinal));
    u64 count = dec_varint(&d);
    if (!dec_ok(&d) || count == 0 || count > dec_left(&d)) {
        return bad(e, "series");
    }
    (void)dec_varint(&d); // The tenant's.
    (void)dec_varint(&d);
    struct label *items = arena_try(a, count, sizeof(*items));
    if (!items) {
        return err_set(e, ERR_LIMIT, "the query's memory is used up by labels");
    }
    for (u64 i = 1; i < count; i++) {
        u64 name = dec_varint(&d);
        u64 value = dec_varint(&d);
        str text = STR_EMPTY;
        if (!dec_ok(&d) || name > UINT32_MAX || value > UINT32_MAX ||
            !symbol_read(r, (u32)name, &text, e)) {
            return bad(e, "series");
        }
        items[i - 1].name = arena_str(a, text);
        if (!symbol_read(r, (u32)value, &text, e)) {
            return bad(e, "series");
        }
        items[i - 1].value = arena_str(a, text);
    }
    *out = (struct labels){.items = items, .count = (u32)count - 1};
    return true;
}
