// index_write.c: the writing half of index_file.h.
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/index_file.h"
#include "tsdb/postings.h"

#include <stdlib.h>

#define SCRATCH_MAX ((size_t)512 << 20)
#define OFFSETS_MAX ((size_t)4 << 30)

static const char index_magic[8] = {'T', 'M', 'I', 'N', 'D', 'E', 'X', '1'};

static bool pair_eq(const void *ctx, u32 index, const void *key)
{
    const struct index_writer *w = ctx;
    return w->pairs[index].key == *(const u64 *)key;
}

static u64 pair_hash_of(const void *ctx, u32 index)
{
    const struct index_writer *w = ctx;
    return hash_mix(w->pairs[index].key, 0);
}

static const struct map_ops pair_ops = {.eq = pair_eq, .hash_of = pair_hash_of};

static void part_begin(struct index_writer *w, enum index_section s)
{
    (void)outfile_crc(&w->file);
    w->parts[s].offset = outfile_offset(&w->file);
}

static void part_end(struct index_writer *w, enum index_section s)
{
    w->parts[s].bytes = outfile_offset(&w->file) - w->parts[s].offset;
    w->parts[s].crc = outfile_crc(&w->file);
}

static void scratch_write(struct index_writer *w)
{
    CHECK(buf_ok(&w->scratch));
    outfile_add(&w->file, w->scratch.bytes, w->scratch.len);
    buf_clear(&w->scratch);
}

static size_t shared_prefix(str a, str b)
{
    size_t n = 0;
    while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n]) {
        n++;
    }
    return n;
}

bool index_writer_open(struct index_writer *w, struct fs *fs, const char *path, struct error *e)
{
    *w = (struct index_writer){0};
    buf_init(&w->scratch, SCRATCH_MAX);
    buf_init(&w->offsets, OFFSETS_MAX);
    buf_init(&w->restarts, OFFSETS_MAX / INDEX_RESTART);
    buf_init(&w->symbol, INDEX_SYMBOL_MAX + 1);
    map_init(&w->by_pair, &pair_ops, w);
    if (!outfile_open(&w->file, fs, path, e)) {
        return false;
    }
    outfile_add(&w->file, index_magic, sizeof(index_magic));
    buf_le32(&w->scratch, INDEX_VERSION);
    buf_le32(&w->scratch, 0);
    scratch_write(w);
    part_begin(w, INDEX_SYMBOLS);
    return true;
}

bool index_writer_symbol(struct index_writer *w, str text, struct error *e)
{
    bool restart = w->symbol_count % INDEX_RESTART == 0;
    u64 offset = outfile_offset(&w->file) - w->parts[INDEX_SYMBOLS].offset;
    if (text.len > INDEX_SYMBOL_MAX || offset > UINT32_MAX || w->symbol_count == UINT32_MAX) {
        return err_set(e, ERR_LIMIT, "the symbols of a block pass 4 GiB (or one 16 MiB)");
    }
    DCHECK(w->symbol_count == 0 || str_cmp(buf_get(&w->symbol), text) < 0);
    if (restart) {
        buf_le32(&w->restarts, (u32)offset);
    }
    size_t shared = restart ? 0 : shared_prefix(buf_get(&w->symbol), text);
    buf_varint(&w->scratch, shared);
    buf_varint(&w->scratch, text.len - shared);
    scratch_write(w);
    outfile_add(&w->file, text.ptr + shared, text.len - shared);
    w->symbol.len = shared;
    buf_str(&w->symbol, str_sub(text, shared, text.len));
    w->symbol_count++;
    return true;
}

void index_writer_symbols_end(struct index_writer *w)
{
    part_end(w, INDEX_SYMBOLS);
    part_begin(w, INDEX_RESTARTS);
    CHECK(buf_ok(&w->restarts));
    buf_le32(&w->scratch, w->symbol_count);
    scratch_write(w);
    outfile_add(&w->file, w->restarts.bytes, w->restarts.len);
    part_end(w, INDEX_RESTARTS);
    part_begin(w, INDEX_SERIES);
    w->series_start = outfile_offset(&w->file);
}

u64 index_writer_bytes(const struct index_writer *w)
{
    // A set with more than one ordinal costs about two bytes for each, and a container or two.
    return (u64)w->pair_count * 96 + w->entries * 2 + w->offsets.cap + w->restarts.cap;
}

static struct postings *pair_set(struct index_writer *w, u32 name, u32 value)
{
    u64 key = (u64)name << 32 | value;
    u64 hash = hash_mix(key, 0);
    u32 at = map_get(&w->by_pair, hash, &key);
    if (at == MAP_NONE) {
        if (w->pair_count == w->pair_cap) {
            w->pair_cap = MAX(1024U, w->pair_cap * 2);
            w->pairs = MEM_GROW(w->pairs, w->pair_cap, struct index_pair);
        }
        at = w->pair_count++;
        w->pairs[at] = (struct index_pair){.key = key, .set = postings_new()};
        map_put(&w->by_pair, hash, at);
    }
    return w->pairs[at].set;
}

bool index_writer_series(struct index_writer *w, const u32 *pairs, u32 count, struct error *e)
{
    u64 offset = outfile_offset(&w->file) - w->series_start;
    if (offset > UINT32_MAX) {
        return err_set(e, ERR_LIMIT, "the series of a block pass 4 GiB");
    }
    buf_le32(&w->offsets, (u32)offset);
    buf_varint(&w->scratch, count);
    for (u32 i = 0; i < count; i++) {
        buf_varint(&w->scratch, pairs[(size_t)2 * i]);
        buf_varint(&w->scratch, pairs[(size_t)2 * i + 1]);
        postings_add(pair_set(w, pairs[(size_t)2 * i], pairs[(size_t)2 * i + 1]), w->series_count);
    }
    scratch_write(w);
    w->entries += count;
    w->series_count++;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct index_pair *x = a;
    const struct index_pair *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

// The postings, and beside them the tables of values and names. Entries are 16 bytes:
//   value: u32 symbol · u32 bytes · u64 offset    name: u32 symbol · u32 values · u32 first · 0
static void pairs_write(struct index_writer *w)
{
    struct buf values;
    struct buf names;
    buf_init(&values, SCRATCH_MAX * 4);
    buf_init(&names, SCRATCH_MAX);
    if (w->pair_count > 1) {
        qsort(w->pairs, w->pair_count, sizeof(*w->pairs), by_key);
    }
    part_begin(w, INDEX_POSTINGS);
    for (u32 i = 0; i < w->pair_count; i++) {
        postings_encode(w->pairs[i].set, &w->scratch);
        u32 name = (u32)(w->pairs[i].key >> 32);
        buf_le32(&values, (u32)w->pairs[i].key);
        buf_le32(&values, (u32)w->scratch.len);
        buf_le64(&values, outfile_offset(&w->file) - w->parts[INDEX_POSTINGS].offset);
        scratch_write(w);
        if (i == 0 || (u32)(w->pairs[i - 1].key >> 32) != name) {
            buf_le32(&names, name);
            buf_le32(&names, 0);
            buf_le32(&names, i);
            buf_le32(&names, 0);
        }
        u32 in_name;
        char *count_at = names.bytes + names.len - 12;
        memcpy(&in_name, count_at, sizeof(in_name));
        in_name++;
        memcpy(count_at, &in_name, sizeof(in_name));
    }
    part_end(w, INDEX_POSTINGS);
    CHECK(buf_ok(&values) && buf_ok(&names));
    part_begin(w, INDEX_VALUES);
    outfile_add(&w->file, values.bytes, values.len);
    part_end(w, INDEX_VALUES);
    part_begin(w, INDEX_NAMES);
    outfile_add(&w->file, names.bytes, names.len);
    part_end(w, INDEX_NAMES);
    buf_fini(&values);
    buf_fini(&names);
}

bool index_writer_finish(struct index_writer *w, struct error *e)
{
    buf_le32(&w->offsets, (u32)(outfile_offset(&w->file) - w->series_start));
    part_end(w, INDEX_SERIES);
    if (outfile_offset(&w->file) - w->series_start > UINT32_MAX || !buf_ok(&w->offsets)) {
        return err_set(e, ERR_LIMIT, "the series of a block pass 4 GiB");
    }
    part_begin(w, INDEX_OFFSETS);
    outfile_add(&w->file, w->offsets.bytes, w->offsets.len);
    part_end(w, INDEX_OFFSETS);
    pairs_write(w);
    for (u32 i = 0; i < INDEX_SECTION_COUNT; i++) {
        buf_le64(&w->scratch, w->parts[i].offset);
        buf_le64(&w->scratch, w->parts[i].bytes);
        buf_le32(&w->scratch, w->parts[i].crc);
        buf_le32(&w->scratch, 0);
    }
    buf_le32(&w->scratch, crc32c(0, w->scratch.bytes, w->scratch.len));
    buf_le32(&w->scratch, INDEX_VERSION);
    scratch_write(w);
    return outfile_finish(&w->file, e);
}

void index_writer_close(struct index_writer *w)
{
    for (u32 i = 0; i < w->pair_count; i++) {
        postings_free(w->pairs[i].set);
    }
    mem_free(w->pairs);
    map_fini(&w->by_pair);
    buf_fini(&w->scratch);
    buf_fini(&w->offsets);
    buf_fini(&w->restarts);
    buf_fini(&w->symbol);
    outfile_close(&w->file);
    *w = (struct index_writer){0};
}
