// tsdb_query.c: the reading half of storage.h: queriers, label lists, counts, metadata.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/tsdb_cursor.h"
#include "tsdb/tsdb_inner.h"

#include <stdlib.h>

#define TEXT_BYTES_MAX ((size_t)16 << 20)

// Threads: owned.
struct tsdb_querier {
    struct storage_querier base;
    struct tsdb *db;
    struct tenant_id tenant;
    i64 min_ms;
    i64 max_ms;
    struct tsdb_pin pin;
    struct arena *texts; // Of warnings, until the querier is closed.
};

static struct tsdb_querier *querier_of(struct storage_querier *q)
{
    return CONTAINER_OF(q, struct tsdb_querier, base);
}

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

static struct series_cursor *select_range(struct tsdb_querier *q, const struct matcher *ms,
                                          u32 count, const struct select_hints *h,
                                          struct query_budget *budget, struct error *e)
{
    struct tsdb_selection s = {.db = q->db,
                               .pin = &q->pin,
                               .texts = q->texts,
                               .tenant = q->tenant,
                               .ms = ms,
                               .matcher_count = count,
                               .min_ms = MAX(q->min_ms, h->start_ms),
                               .max_ms = MIN(q->max_ms, h->end_ms),
                               .sorted = h->sorted,
                               .no_data = h->no_data,
                               .limit = h->limit,
                               .budget = budget};
    return tsdb_cursor_open(&s, e);
}

static struct series_cursor *tsdb_select(struct storage_querier *base, const struct matcher *ms,
                                         u32 count, const struct select_hints *h,
                                         struct query_budget *budget, struct error *e)
{
    return select_range(querier_of(base), ms, count, h, budget, e);
}

static struct series_cursor *select_labels(struct tsdb_querier *q, const struct matcher *ms,
                                           u32 count, struct error *e)
{
    struct select_hints h = {.start_ms = q->min_ms, .end_ms = q->max_ms, .no_data = true};
    return select_range(q, ms, count, &h, NULL, e);
}

// A set of texts in the caller's arena. Threads: owned.
struct text_set {
    struct arena *arena;
    struct map index;
    str *items;
    u32 count;
    u32 cap;
};

static bool text_eq(const void *ctx, u32 index, const void *key)
{
    const struct text_set *s = ctx;
    return str_eq(s->items[index], *(const str *)key);
}

static u64 text_hash(const void *ctx, u32 index)
{
    const struct text_set *s = ctx;
    return hash_str(s->items[index]);
}

static const struct map_ops text_ops = {.eq = text_eq, .hash_of = text_hash};

static void text_add(struct text_set *s, str text)
{
    u64 hash = hash_str(text);
    if (map_get(&s->index, hash, &text) != MAP_NONE) {
        return;
    }
    if (s->count == s->cap) {
        u32 cap = MAX(64U, s->cap * 2);
        s->items = arena_grow(s->arena, s->items, s->cap, cap, sizeof(str));
        s->cap = cap;
    }
    s->items[s->count] = arena_str(s->arena, text);
    map_put(&s->index, hash, s->count++);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

// Walks all matching series and keeps names (name empty) or the values of one name.
static bool texts_collect(struct tsdb_querier *q, str name, const struct matcher *ms, u32 count,
                          struct text_set *set, struct error *e)
{
    struct series_cursor *c = select_labels(q, ms, count, e);
    if (!c) {
        return false;
    }
    map_init(&set->index, &text_ops, set);
    while (c->ops->next(c)) {
        struct labels ls = c->ops->labels(c);
        for (u32 i = 0; i < ls.count; i++) {
            if (name.len == 0) {
                text_add(set, ls.items[i].name);
            } else if (str_eq(ls.items[i].name, name)) {
                text_add(set, ls.items[i].value);
            }
        }
    }
    bool ok = c->ops->close(c, NULL, e);
    map_fini(&set->index);
    if (ok && set->count > 1) {
        qsort(set->items, set->count, sizeof(str), by_text);
    }
    return ok;
}

// NOLINTNEXTLINE(readability-function-size): the waist's signature
static bool tsdb_label_names(struct storage_querier *base, const struct matcher *ms, u32 count,
                             struct arena *a, str **names, u32 *n, struct error *e)
{
    struct text_set set = {.arena = a};
    if (!texts_collect(querier_of(base), STR_EMPTY, ms, count, &set, e)) {
        return false;
    }
    *names = set.items;
    *n = set.count;
    return true;
}

// NOLINTNEXTLINE(readability-function-size): the waist's signature
static bool tsdb_label_values(struct storage_querier *base, str name, const struct matcher *ms,
                              u32 count, struct arena *a, str **values, u32 *n, struct error *e)
{
    struct text_set set = {.arena = a};
    if (name.len > 0 && !texts_collect(querier_of(base), name, ms, count, &set, e)) {
        return false;
    }
    *values = set.items;
    *n = set.count;
    return true;
}

static bool tsdb_series_count(struct storage_querier *base, const struct matcher *ms, u32 count,
                              u64 *series, struct error *e)
{
    struct series_cursor *c = select_labels(querier_of(base), ms, count, e);
    u64 n = 0;
    if (!c) {
        return false;
    }
    while (c->ops->next(c)) {
        n++;
    }
    if (!c->ops->close(c, NULL, e)) {
        return false;
    }
    *series = n;
    return true;
}

// NOLINTNEXTLINE(readability-function-size): the waist's signature
static bool tsdb_query_exemplars(UNUSED struct storage_querier *base,
                                 UNUSED const struct matcher *ms, UNUSED u32 count,
                                 UNUSED struct arena *a, struct exemplar_series **out, u32 *n,
                                 UNUSED struct error *e)
{
    *out = NULL; // They are taken and counted, not kept: see the README.
    *n = 0;
    return true;
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
    struct tsdb_querier *q = querier_of(base);
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
    struct tsdb_querier *q = querier_of(base);
    tsdb_pin_close(q->db, &q->pin);
    arena_free(q->texts);
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
    q->texts = arena_new(TEXT_BYTES_MAX);
    return &q->base;
}
