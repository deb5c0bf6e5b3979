#include "tsdb/cold_read.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_series.h"

#define ENDS_ARENA_MAX   ((size_t)1 << 30)
#define SERIES_ARENA_MAX ((size_t)64 << 20)
#define PAIRS_MAX        (HEAD_LABELS_MAX + 1)

// Threads: owned by the call.
struct ends_reader {
    struct block *block;
    struct block_reader reader;
    struct symbol_texts texts;
    struct arena *arena;  // Of the reader.
    struct arena *series; // Of one series.
    u32 symbol;           // Of the tenant met last, + 1.
    struct tenant_id tenant;
};

static bool tenant_of(struct ends_reader *r, u32 series, struct error *e)
{
    u32 pairs[2 * PAIRS_MAX];
    u32 count;
    u64 id = 0;
    str text;
    if (!index_file_pairs(&r->block->index, series, pairs, PAIRS_MAX, &count, e)) {
        return false;
    }
    if (r->symbol == pairs[1] + 1) {
        return true;
    }
    if (!symbol_read(&r->reader.labels.symbols, pairs[1], &text, e)) {
        return false;
    }
    if (!parse_u64(text, &id) || id > UINT32_MAX) {
        return err_set(e, ERR_CORRUPT, "a series of no tenant");
    }
    r->symbol = pairs[1] + 1;
    r->tenant = (struct tenant_id){(u32)id};
    return true;
}

static bool end_of(struct ends_reader *r, u32 series, i64 *t, struct error *e)
{
    block_reader_forget(&r->reader);
    const struct chunk_list list = block_reader_chunks(&r->reader, series, r->series, e);
    if (list.missing) {
        return false;
    }
    *t = INT64_MIN;
    for (u32 i = 0; i < list.n; i++) {
        const struct chunk_rows *rows = &list.items[i].rows;
        const struct column_times *times = block_reader_column(&r->reader, rows->column, e);
        if (!times) {
            return false;
        }
        const u32 end = rows->whole ? times->n : rows->first + rows->span;
        if (end == 0 || end > times->n) {
            return err_set(e, ERR_CORRUPT, "a chunk reaches beyond its timestamp column");
        }
        *t = MAX(*t, times->t_ms[end - 1]);
    }
    return list.n > 0 || err_set(e, ERR_CORRUPT, "a series without samples");
}

static void reader_init(struct ends_reader *r, struct block *b)
{
    *r = (struct ends_reader){
        .block = b, .arena = arena_new(ENDS_ARENA_MAX), .series = arena_new(SERIES_ARENA_MAX)};
    block_reader_init(&r->reader, b, r->arena);
    symbol_texts_init(&r->texts);
}

static void reader_fini(struct ends_reader *r)
{
    symbol_texts_fini(&r->texts);
    block_reader_fini(&r->reader);
    arena_free(r->series);
    arena_free(r->arena);
}

// Its labels, good until the next one's.
static bool labels_of(struct ends_reader *r, u32 series, struct labels *set, struct error *e)
{
    arena_reset(r->series);
    if (symbol_texts_are_many(&r->texts)) {
        symbol_texts_drop(&r->texts);
    }
    return tenant_of(r, series, e) &&
           label_reader_get(&r->reader.labels, series, &r->texts, r->series, set, e);
}

static bool series_end(struct ends_reader *r, struct head *h, u32 series, struct error *e)
{
    struct labels set;
    i64 t;
    if (!labels_of(r, series, &set, e) || !end_of(r, series, &t, e)) {
        return false;
    }
    const struct head_end end = {
        .hash = head_key_hash(r->tenant, set), .check = head_key_check(r->tenant, set), .t = t};
    lock_take(&h->lock);
    head_ends_put(&h->ends, end);
    lock_drop(&h->lock);
    return true;
}

// A page that the system does not give reads as zeroes, which looks like damage.
static bool is_shown(const struct block *b, struct error *e)
{
    struct error why = {0};
    return block_is_whole(b, &why) || err_set(e, ERR_IO, "cold block %s: %s", b->meta.id, why.text);
}

// Damage is passed over, the first of it told; for anything else the reading ends.
static bool is_passed(const struct block *b, const struct error *why, struct error *damage,
                      struct error *e)
{
    if (why->code != ERR_CORRUPT) {
        return err_set(e, why->code, "cold block %s: %s", b->meta.id, why->text);
    }
    if (damage->code == ERR_NONE) {
        *damage = *why;
    }
    return true;
}

bool cold_read_ends(struct head *h, struct block *b, struct error *damage, struct error *e)
{
    struct ends_reader r;
    bool ok = true;
    reader_init(&r, b);
    for (u32 i = 0; ok && i < b->meta.series; i++) {
        struct error why = {0};
        ok = series_end(&r, h, i, &why) || is_passed(b, &why, damage, e);
    }
    reader_fini(&r);
    return is_shown(b, e) && ok;
}

static bool key_tell(struct ends_reader *r, u32 series, const struct cold_asked *q, struct error *e)
{
    struct labels set;
    if (!labels_of(r, series, &set, e)) {
        return false;
    }
    const struct head_key k = {
        .tenant = r->tenant, .labels = set, .hash = head_key_hash(r->tenant, set)};
    q->each(q->ctx, &k);
    return true;
}

bool cold_read_keys(struct block *b, const struct cold_asked *q, struct error *damage,
                    struct error *e)
{
    struct ends_reader r;
    bool ok = true;
    reader_init(&r, b);
    for (u32 i = 0; ok && i < q->n; i++) {
        struct error why = {0};
        ok = key_tell(&r, q->series[i], q, &why) || is_passed(b, &why, damage, e);
    }
    reader_fini(&r);
    return is_shown(b, e) && ok;
}
