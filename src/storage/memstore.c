// memstore.c: the store itself and its life; see memstore.h.
#include "storage/memstore.h"

#include "base/arena.h"
#include "base/hash.h"
#include "storage/memstore_inner.h"

struct memstore *memstore_of(struct storage *s)
{
    return CONTAINER_OF(s, struct memstore, base);
}

u32 mem_series_find(const struct mem_series *s, i64 t_ms)
{
    u32 low = 0;
    u32 high = s->count;
    while (low < high) {
        u32 mid = low + (high - low) / 2;
        if (s->samples[mid].t_ms < t_ms) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

// The map's key is a struct mem_series of which only tenant and labels count.
static bool series_eq(const void *ctx, u32 index, const void *key)
{
    const struct memstore *m = ctx;
    const struct mem_series *wanted = key;
    const struct mem_series *have = m->series[index];
    return have->tenant.v == wanted->tenant.v && labels_eq(have->labels, wanted->labels);
}

static u64 series_hash(const void *ctx, u32 index)
{
    const struct memstore *m = ctx;
    return hash_mix(m->series[index]->tenant.v, labels_hash(m->series[index]->labels));
}

static const struct map_ops series_map_ops = {.eq = series_eq, .hash_of = series_hash};

static void mem_when_durable(UNUSED struct storage *s, UNUSED u64 wal_position,
                             void (*fn)(void *arg, const struct error *e), void *arg)
{
    fn(arg, NULL);
}

static const struct storage_ops memstore_ops = {
    .appender = mem_appender_open,
    .querier = mem_querier_open,
    .when_durable = mem_when_durable,
};

struct storage *memstore_new(struct memstore_opts opts)
{
    struct memstore *m = MEM_NEW(struct memstore);
    m->base.ops = &memstore_ops;
    m->opts = opts;
    m->generation = 1;
    m->arena = arena_new(MEMSTORE_BYTES_MAX);
    lock_init(&m->lock, 0, "memstore");
    map_init(&m->by_labels, &series_map_ops, m);
    return &m->base;
}

void memstore_forget(struct storage *s)
{
    struct memstore *m = memstore_of(s);
    lock_take(&m->lock);
    m->generation++;
    lock_drop(&m->lock);
}

void memstore_refuse(struct storage *s, u32 n)
{
    struct memstore *m = memstore_of(s);
    lock_take(&m->lock);
    m->refusals = n;
    lock_drop(&m->lock);
}

void memstore_free(struct storage *s)
{
    if (!s) {
        return;
    }
    struct memstore *m = memstore_of(s);
    for (u32 i = 0; i < m->series_count; i++) {
        mem_free(m->series[i]->samples);
        mem_free(m->series[i]->exemplars);
        mem_free(m->series[i]);
    }
    mem_free(m->series);
    mem_free(m->metadata);
    map_fini(&m->by_labels);
    lock_fini(&m->lock);
    arena_free(m->arena);
    mem_free(m);
}
