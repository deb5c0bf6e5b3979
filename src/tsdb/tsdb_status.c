// tsdb_status.c: what the status endpoints show of the engine.
#include "tsdb/tsdb_status.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/postings.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/wal.h"

#include <stdlib.h>

#define TOP_MAX 10000U

// The largest values seen, kept as a min-heap by value. Threads: owned.
struct top {
    struct tsdb_stat *items;
    u32 n;
    u32 max;
};

static void top_init(struct top *t, u32 max, struct arena *a)
{
    *t = (struct top){.items = ARENA_NEW_N(a, struct tsdb_stat, (size_t)max + 1), .max = max};
}

static void top_sift(struct top *t, u32 at)
{
    while (true) {
        u32 least = at;
        for (u32 child = 2 * at + 1; child <= 2 * at + 2 && child < t->n; child++) {
            least = t->items[child].value < t->items[least].value ? child : least;
        }
        if (least == at) {
            return;
        }
        struct tsdb_stat swap = t->items[at];
        t->items[at] = t->items[least];
        t->items[least] = swap;
        at = least;
    }
}

static bool top_wants(const struct top *t, u64 value)
{
    return t->max > 0 && value > 0 && (t->n < t->max || value > t->items[0].value);
}

static void top_add(struct top *t, str name, u64 value)
{
    if (t->n < t->max) {
        u32 at = t->n++;
        while (at > 0 && t->items[(at - 1) / 2].value > value) {
            t->items[at] = t->items[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        t->items[at] = (struct tsdb_stat){name, value};
    } else {
        t->items[0] = (struct tsdb_stat){name, value};
        top_sift(t, 0);
    }
}

static int by_value_down(const void *a, const void *b)
{
    const struct tsdb_stat *x = a;
    const struct tsdb_stat *y = b;
    if (x->value != y->value) {
        return x->value > y->value ? -1 : 1;
    }
    return str_cmp(x->name, y->name);
}

static void top_finish(struct top *t, struct tsdb_stat **out, u32 *n)
{
    if (t->n > 1) {
        qsort(t->items, t->n, sizeof(*t->items), by_value_down);
    }
    *out = t->items;
    *n = t->n;
}

// The four lists, filled in one walk over the pairs of the main shard.
struct tops {
    struct top metrics;
    struct top values;
    struct top bytes;
    struct top pairs;
    struct arena *arena;
};

static void name_look(struct tops *t, const struct head_index *x, const struct head_name *n)
{
    str name = symtab_get(x->symbols, n->symbol);
    u64 bytes = 0;
    for (u32 i = 0; i < n->count; i++) {
        const struct head_pair *p = &x->pairs[n->pairs[i]];
        str value = symtab_get(x->symbols, p->value);
        u64 series = postings_count(p->set);
        bytes += value.len * series;
        if (str_eq(name, LABEL_NAME) && top_wants(&t->metrics, series)) {
            top_add(&t->metrics, value, series);
        }
        if (top_wants(&t->pairs, series)) {
            top_add(&t->pairs, arena_printf(t->arena, "%.*s=%.*s", STR_ARG(name), STR_ARG(value)),
                    series);
        }
    }
    if (top_wants(&t->values, n->count)) {
        top_add(&t->values, name, n->count);
    }
    if (top_wants(&t->bytes, bytes)) {
        top_add(&t->bytes, name, bytes);
    }
}

static void tops_get(struct tsdb *db, u32 limit, struct arena *a, struct tsdb_status *out)
{
    struct head *h = db->heads[SHARD_MAIN];
    struct tops t = {.arena = a};
    limit = MIN(limit, TOP_MAX);
    top_init(&t.metrics, limit, a);
    top_init(&t.values, limit, a);
    top_init(&t.bytes, limit, a);
    top_init(&t.pairs, limit, a);
    bool more = true;
    for (u32 i = 0; more; i++) { // The lock is let go between names.
        lock_take(&h->lock);
        more = i < h->index.name_count;
        const struct head_name *n = more ? &h->index.names[i] : NULL;
        if (n && symtab_get(h->index.symbols, n->symbol).len > 0) {
            name_look(&t, &h->index, n);
        }
        lock_drop(&h->lock);
    }
    top_finish(&t.metrics, &out->series_by_metric, &out->series_by_metric_count);
    top_finish(&t.values, &out->values_by_label, &out->values_by_label_count);
    top_finish(&t.bytes, &out->bytes_by_label, &out->bytes_by_label_count);
    top_finish(&t.pairs, &out->series_by_pair, &out->series_by_pair_count);
    for (u32 i = 0; i < out->series_by_metric_count; i++) {
        out->series_by_metric[i].name = arena_str(a, out->series_by_metric[i].name);
    }
}

static void head_look(struct head *h, struct tsdb_status *out)
{
    lock_take(&h->lock);
    out->series += h->live;
    out->label_pairs += h->index.pairs_live;
    for (u32 i = 0; i < h->window_count; i++) {
        const struct head_window *w = h->windows[i];
        out->chunks += w->sealed.chunks;
        for (const struct segment *s = w->segments; s; s = s->older) {
            out->min_ms = s->n > 0 ? MIN(out->min_ms, s->t[0]) : out->min_ms;
        }
    }
    for (u32 i = 0; i < h->count; i++) {
        out->chunks += h->rows[i].open.n > 0;
    }
    out->max_ms = MAX(out->max_ms, h->t_max);
    lock_drop(&h->lock);
    out->head_bytes += head_bytes(h) + atomic_load(&h->limits->box_bytes[h->id]);
}

u64 tsdb_memory(struct tsdb *db, enum tsdb_pool pool)
{
    u64 bytes = 0;
    for (u32 i = 0; i < SHARDS; i++) {
        switch (pool) {
        case TSDB_POOL_HEAD:
            bytes += head_bytes(db->heads[i]);
            break;
        case TSDB_POOL_BOXES:
            bytes += atomic_load(&db->limits.box_bytes[i]);
            break;
        case TSDB_POOL_LOG:
            bytes += db->wals[i] ? wal_memory(db->wals[i]) : 0;
            break;
        case TSDB_POOL_EXEMPLARS:
            break;
        }
    }
    if (pool == TSDB_POOL_EXEMPLARS) {
        lock_take(&db->lock);
        bytes = db->exemplars.bytes;
        lock_drop(&db->lock);
    }
    return bytes;
}

void tsdb_status_get(struct tsdb *db, u32 limit, struct arena *a, struct tsdb_status *out)
{
    *out = (struct tsdb_status){.min_ms = INT64_MAX, .max_ms = INT64_MIN};
    for (u32 i = 0; i < SHARDS; i++) {
        head_look(db->heads[i], out);
        out->wal_bytes += wal_bytes(db->wals[i]);
    }
    lock_take(&db->lock);
    out->blocks = db->blocks->n;
    out->quarantined = db->gap_count;
    for (u32 i = 0; i < db->blocks->n; i++) {
        out->block_bytes += block_bytes(db->blocks->blocks[i]);
    }
    lock_drop(&db->lock);
    out->disk_free_bytes = atomic_load(&db->disk_free);
    out->disk_total_bytes = atomic_load(&db->disk_total);
    out->writes_failing = atomic_load(&db->writes_failing);
    tops_get(db, limit, a, out);
}

u64 tsdb_corruptions(struct tsdb *db)
{
    return atomic_load(&db->counts[COUNT_WAL_CORRUPTIONS]);
}

void tsdb_blocks_get(struct tsdb *db, struct arena *a, struct tsdb_block_info **infos, u32 *n)
{
    lock_take(&db->lock);
    u32 count = db->blocks->n;
    struct tsdb_block_info *all =
        ARENA_NEW_N(a, struct tsdb_block_info, (size_t)count + db->gap_count + 1);
    for (u32 i = 0; i < count; i++) {
        struct block *b = db->blocks->blocks[i];
        all[i] = (struct tsdb_block_info){.id = arena_str(a, str_c(b->meta.id)),
                                          .min_ms = b->meta.min_ms,
                                          .max_ms = b->meta.max_ms,
                                          .series = b->meta.series,
                                          .chunks = b->meta.chunks,
                                          .samples = b->meta.samples,
                                          .bytes = block_bytes(b),
                                          .level = b->meta.level,
                                          .damaged = atomic_load(&b->bad_pages) > 0 ||
                                                     !block_is_whole(b, NULL)};
    }
    for (u32 i = 0; i < db->gap_count; i++) {
        const struct block_gap *g = &db->gaps[i];
        all[count + i] = (struct tsdb_block_info){.id = arena_str(a, str_c(g->name)),
                                                  .min_ms = g->min_ms,
                                                  .max_ms = g->max_ms,
                                                  .damaged = true};
    }
    *infos = all;
    *n = count + db->gap_count;
    lock_drop(&db->lock);
}
