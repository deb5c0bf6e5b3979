// tsdb_query.c: the reading half of storage.h: queriers, selections, metadata.
#include "tsdb/tsdb_query.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/tsdb_cursor.h"
#include "tsdb/tsdb_exemplars.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_newest.h"

#include <stdlib.h>

#define TEXT_BYTES_MAX ((size_t)16 << 20)

void tsdb_pin_open(struct tsdb *db, struct tsdb_pin *p)
{
    *p = (struct tsdb_pin){.publish = db->publish, .head_min = db->head_min, .blocks = db->blocks};
    p->blocks->refs++;
    for (u32 i = 0; i < SHARDS; i++) {
        lock_take(&db->heads[i]->lock);
        p->commits[i] = pins_open(&db->heads[i]->pins);
        lock_drop(&db->heads[i]->lock);
    }
    p->next = db->pins;
    if (p->next) {
        p->next->previous = p;
    }
    db->pins = p;
    db->pin_count++;
}

void tsdb_pin_close(struct tsdb *db, struct tsdb_pin *p)
{
    lock_take(&db->lock);
    for (u32 i = 0; i < SHARDS; i++) {
        lock_take(&db->heads[i]->lock);
        pins_close(&db->heads[i]->pins);
        lock_drop(&db->heads[i]->lock);
    }
    if (p->previous) {
        p->previous->next = p->next;
    } else {
        db->pins = p->next;
    }
    if (p->next) {
        p->next->previous = p->previous;
    }
    db->pin_count--;
    lock_drop(&db->lock);
    block_set_unref(db, p->blocks);
}

static struct series_cursor *tsdb_select(struct storage_querier *base, const struct matcher *ms,
                                         u32 count, const struct select_hints *h,
                                         struct query_budget *budget, struct error *e)
{
    struct tsdb_querier *q = tsdb_querier_of(base);
    struct tsdb_selection s = {.db = q->db,
                               .pin = &q->pin,
                               .texts = &q->texts,
                               .tenant = q->tenant,
                               .ms = ms,
                               .matcher_count = count,
                               .min_ms = MAX(q->min_ms, h->start_ms),
                               .max_ms = MIN(q->max_ms, h->end_ms),
                               .sorted = h->sorted,
                               .no_data = h->no_data,
                               .limit = h->limit,
                               .budget = budget};
    return h->newest ? tsdb_newest_open(&s, h->names, h->name_count, e) : tsdb_cursor_open(&s, e);
}

static int by_family(const void *a, const void *b)
{
    return str_cmp(((const struct metadata *)a)->name, ((const struct metadata *)b)->name);
}

// NOLINTNEXTLINE(readability-function-size): the waist's signature
static bool tsdb_query_metadata(struct storage_querier *base, str metric, u32 limit,
                                struct arena *a, struct metadata **out, u32 *n,
                                UNUSED struct error *e)
{
    struct tsdb_querier *q = tsdb_querier_of(base);
    u32 kept = 0;
    lock_take(&q->db->lock);
    const struct meta_table *t = &q->db->metadata;
    struct metadata *found = ARENA_NEW_N(a, struct metadata, (size_t)t->count + 1);
    for (u32 i = 0; i < t->count; i++) {
        const struct metadata *m = &t->rows[i].m;
        if (t->rows[i].tenant.v == q->tenant.v && (metric.len == 0 || str_eq(metric, m->name))) {
            found[kept++] = (struct metadata){.name = arena_str(a, m->name),
                                              .type = m->type,
                                              .help = arena_str(a, m->help),
                                              .unit = arena_str(a, m->unit)};
        }
    }
    lock_drop(&q->db->lock);
    if (kept > 1) {
        qsort(found, kept, sizeof(*found), by_family);
    }
    *out = found;
    *n = limit != 0 ? MIN(kept, limit) : kept;
    return true;
}

static void tsdb_querier_close(struct storage_querier *base)
{
    struct tsdb_querier *q = tsdb_querier_of(base);
    tsdb_pin_close(q->db, &q->pin);
    arena_free(q->texts.arena);
    lock_fini(&q->texts.lock);
    mem_free(q);
}

static const struct storage_querier_ops tsdb_querier_ops = {
    .select = tsdb_select,
    .label_names = tsdb_label_names,
    .label_values = tsdb_label_values,
    .series_count = tsdb_series_count,
    .exemplars = tsdb_query_exemplars,
    .metadata = tsdb_query_metadata,
    .close = tsdb_querier_close,
};

struct storage_querier *tsdb_querier_open(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                          i64 max_ms, struct error *e)
{
    struct tsdb *db = CONTAINER_OF(s, struct tsdb, base);
    struct tsdb_querier *q = MEM_NEW(struct tsdb_querier);
    q->base.ops = &tsdb_querier_ops;
    q->db = db;
    q->tenant = tenant;
    q->min_ms = min_ms;
    q->max_ms = max_ms;
    lock_take(&db->lock);
    bool room = db->pin_count < db->opts.queriers_max;
    if (room) {
        tsdb_pin_open(db, &q->pin);
    }
    lock_drop(&db->lock);
    if (!room) {
        mem_free(q);
        return err_null(e, ERR_LIMIT, "more than %u queries read the storage at once",
                        db->opts.queriers_max);
    }
    lock_init(&q->texts.lock, LOCK_LEAF, "query_texts");
    q->texts.arena = arena_new(TEXT_BYTES_MAX);
    return &q->base;
}
