// tsdb_exemplars.c: exemplars of the ring and of blocks: for queries, and for a block being cut.
#include "tsdb/tsdb_exemplars.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "tsdb/block.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_query.h"

#include <stdlib.h>

#define SCRATCH_MAX ((size_t)64 << 20) // Of one page's group.

bool tsdb_exemplars_window(struct tsdb *db, i64 min_ms, i64 max_ms, struct arena *a,
                           struct exemplar_groups *out)
{
    struct exemplar_ask ask = {.min_ms = min_ms, .max_ms = max_ms - 1};
    bool ok = true;
    *out = (struct exemplar_groups){0};
    lock_take(&db->lock);
    out->items = arena_try(a, db->exemplars.series_count + 1ULL, sizeof(*out->items));
    ok = out->items != NULL;
    for (u64 from = 0; ok && exemplar_ring_tenant(&db->exemplars, from, &ask.tenant);
         from = ask.tenant.v + 1ULL) {
        struct exemplar_series *found;
        u32 n;
        ok = exemplar_ring_find(&db->exemplars, &ask, a, &found, &n);
        for (u32 i = 0; ok && i < n; i++) {
            struct exemplar *items = arena_try(a, found[i].count, sizeof(*items));
            ok = items != NULL;
            if (ok) {
                memcpy(items, found[i].exemplars, found[i].count * sizeof(*items));
                out->items[out->n++] = (struct exemplar_group){
                    ask.tenant, found[i].labels, items, exemplars_settle(items, found[i].count)};
            }
        }
    }
    lock_drop(&db->lock);
    return ok;
}

// --- Queries -------------------------------------------------------------------------------------

// Threads: owned by the call.
struct gathered {
    const struct exemplar_ask *ask;
    struct arena *a;
    struct exemplar_group *items;
    u32 n;
    u32 cap;
    bool damaged;
};

static bool gathered_add(struct gathered *g, struct exemplar_group one)
{
    if (g->n == g->cap) {
        const u32 cap = MAX(16U, g->cap * 2);
        struct exemplar_group *items = arena_try(g->a, cap, sizeof(*items));
        if (!items) {
            return false;
        }
        if (g->n > 0) {
            memcpy(items, g->items, g->n * sizeof(*items));
        }
        g->items = items;
        g->cap = cap;
    }
    g->items[g->n++] = one;
    return true;
}

static bool text_keep(struct arena *a, str *s)
{
    char *copy = arena_try(a, s->len + 1, 1);
    if (copy && s->len > 0) {
        memcpy(copy, s->ptr, s->len);
    }
    s->ptr = copy;
    return copy != NULL;
}

static bool labels_own(struct arena *a, struct labels *ls)
{
    struct label *items = arena_try(a, ls->count + 1ULL, sizeof(*items));
    bool ok = items != NULL;
    for (u32 i = 0; ok && i < ls->count; i++) {
        items[i] = ls->items[i];
        ok = text_keep(a, &items[i].name) && text_keep(a, &items[i].value);
    }
    ls->items = items;
    return ok;
}

// Those of a block's group that are in the range, with bytes of their own.
static bool group_take(struct gathered *g, struct exemplar_group from)
{
    u32 n = 0;
    for (u32 i = 0; i < from.n; i++) {
        if (from.items[i].t_ms >= g->ask->min_ms && from.items[i].t_ms <= g->ask->max_ms) {
            from.items[n++] = from.items[i];
        }
    }
    struct exemplar *items = n > 0 ? arena_try(g->a, n, sizeof(*items)) : NULL;
    bool ok = n == 0 || (items && labels_own(g->a, &from.labels));
    for (u32 i = 0; ok && i < n; i++) {
        items[i] = from.items[i];
        ok = labels_own(g->a, &items[i].labels);
    }
    from.items = items;
    from.n = n;
    return ok && (n == 0 || gathered_add(g, from));
}

// false: no memory.
static bool block_gather(struct gathered *g, const struct block *b)
{
    struct exemplar_reader r;
    struct arena *scratch = arena_new(SCRATCH_MAX);
    bool ok = true;
    bool more = true;
    exemplar_reader_init(&r, &b->exemplars);
    while (ok && more) {
        struct exemplar_group one;
        struct error why = {0};
        arena_reset(scratch);
        more = exemplar_reader_next(&r, scratch, &one, &why);
        if (more) {
            ok = one.tenant.v != g->ask->tenant.v ||
                 !matchers_match(g->ask->ms, g->ask->count, one.labels) || group_take(g, one);
        } else if (why.code != ERR_NONE) {
            ok = why.code == ERR_CORRUPT;
            more = ok;
            g->damaged = true;
        }
    }
    g->damaged = g->damaged || b->exemplars_damaged || !block_is_whole(b, NULL);
    arena_free(scratch);
    return ok;
}

static int by_group(const void *a, const void *b)
{
    return exemplar_group_cmp(a, b);
}

// One list for each series, without doubles.
static bool groups_fold(struct gathered *g, struct exemplar_series **out, u32 *n)
{
    struct exemplar_series *list = arena_try(g->a, g->n + 1ULL, sizeof(*list));
    u32 series = 0;
    if (g->n > 1) {
        qsort(g->items, g->n, sizeof(*g->items), by_group);
    }
    for (u32 from = 0; list && from < g->n;) {
        u32 to = from;
        u32 count = 0;
        while (to < g->n && exemplar_group_cmp(&g->items[from], &g->items[to]) == 0) {
            count += g->items[to++].n;
        }
        struct exemplar *all = arena_try(g->a, count, sizeof(*all));
        if (!all) {
            return false;
        }
        count = 0;
        for (u32 i = from; i < to; i++) {
            memcpy(all + count, g->items[i].items, g->items[i].n * sizeof(*all));
            count += g->items[i].n;
        }
        list[series++] = (struct exemplar_series){.labels = g->items[from].labels,
                                                  .exemplars = all,
                                                  .count = exemplars_settle(all, count)};
        from = to;
    }
    *out = list;
    *n = series;
    return list != NULL;
}

static bool ring_gather(struct tsdb *db, struct gathered *g)
{
    struct exemplar_series *found;
    u32 n;
    lock_take(&db->lock);
    bool ok = exemplar_ring_find(&db->exemplars, g->ask, g->a, &found, &n);
    lock_drop(&db->lock);
    for (u32 i = 0; ok && i < n; i++) {
        struct exemplar *items = arena_try(g->a, found[i].count, sizeof(*items));
        ok = items != NULL;
        if (ok) {
            memcpy(items, found[i].exemplars, found[i].count * sizeof(*items));
            ok = gathered_add(
                g, (struct exemplar_group){g->ask->tenant, found[i].labels, items, found[i].count});
        }
    }
    return ok;
}

static void partial_tell(struct storage_warnings *w)
{
    if (!w) {
        return;
    }
    w->partial = true;
    if (w->count < WARNINGS_MAX) {
        w->texts[w->count++] = STR("exemplars of a block are damaged and left out");
    }
}

// NOLINTNEXTLINE(readability-function-size): the waist's signature
bool tsdb_query_exemplars(struct storage_querier *base, const struct matcher *ms, u32 count,
                          struct arena *a, struct exemplar_series **out, u32 *n, struct error *e)
{
    struct tsdb_querier *q = tsdb_querier_of(base);
    const struct block_set *blocks = q->pin.blocks;
    struct exemplar_ask ask = {
        .tenant = q->tenant, .ms = ms, .count = count, .min_ms = q->min_ms, .max_ms = q->max_ms};
    struct gathered g = {.ask = &ask, .a = a};
    bool ok = ring_gather(q->db, &g);
    for (u32 i = 0; ok && i < blocks->n; i++) {
        const struct block *b = blocks->blocks[i];
        ok = b->meta.min_ms > q->max_ms || b->meta.max_ms <= q->min_ms || block_gather(&g, b);
    }
    ok = ok && groups_fold(&g, out, n);
    if (g.damaged) {
        partial_tell(base->warnings);
    }
    return ok || err_set(e, ERR_LIMIT, "the exemplars found need more memory than one may use");
}
