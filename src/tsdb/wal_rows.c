#include "tsdb/wal_rows.h"

// An odd number of cache lines: columns of rows that are a power of two apart would all want the
// same few places of the nearest cache.
static u32 stride_of(u32 n)
{
    const u32 lines = (n + 7) / 8;
    return (lines | 1U) * 8;
}

void wal_gather_fini(struct wal_gather *g)
{
    mem_free(g->bundles);
    mem_free(g->t);
    mem_free(g->ordinals);
    mem_free(g->values);
    *g = (struct wal_gather){0};
}

static u32 cap_for(u32 cap, u32 count)
{
    return MAX(MAX(64U, count), cap * 2);
}

static bool begins(struct wal_gather *g, const struct wal_row *row)
{
    const u32 stride = stride_of(row->n);
    static_assert(WAL_ROWS_ENOUGH + WAL_ROWS_VALUES / 4 + 64 < WAL_ROWS_VALUES, "there is room");
    if (row->n == 0 || row->n > WAL_ROWS_VALUES / 4 || g->value_count >= WAL_ROWS_ENOUGH) {
        return false;
    }
    if (g->count == g->cap) {
        g->cap = cap_for(g->cap, g->count + 1);
        g->bundles = MEM_GROW(g->bundles, g->cap, struct wal_bundle);
    }
    if (g->ordinal_count + row->n > g->ordinal_cap) {
        g->ordinal_cap = cap_for(g->ordinal_cap, g->ordinal_count + row->n);
        g->ordinals = MEM_GROW(g->ordinals, g->ordinal_cap, u32);
    }
    memcpy(g->ordinals + g->ordinal_count, row->ordinals, row->n * sizeof(u32));
    g->bundles[g->count++] = (struct wal_bundle){.t_at = g->t_count,
                                                 .ordinals_at = g->ordinal_count,
                                                 .n = row->n,
                                                 .values_at = g->value_count,
                                                 .stride = stride};
    g->ordinal_count += row->n;
    return true;
}

static bool follows(const struct wal_gather *g, const struct wal_row *row)
{
    if (g->count == 0) {
        return false;
    }
    const struct wal_bundle *b = &g->bundles[g->count - 1];
    return b->rows < WAL_ROWS_AT_ONCE && row->n == b->n && row->t > g->t[g->t_count - 1] &&
           g->value_count + b->stride <= WAL_ROWS_VALUES &&
           memcmp(g->ordinals + b->ordinals_at, row->ordinals, row->n * sizeof(u32)) == 0;
}

bool wal_gather_add(struct wal_gather *g, const struct wal_row *row)
{
    if (!follows(g, row) && !begins(g, row)) {
        return false;
    }
    struct wal_bundle *b = &g->bundles[g->count - 1];
    if (g->t_count == g->t_cap) {
        g->t_cap = cap_for(g->t_cap, g->t_count + 1);
        g->t = MEM_GROW(g->t, g->t_cap, i64);
    }
    if (g->value_count + b->stride > g->value_cap) {
        g->value_cap = MIN(WAL_ROWS_VALUES, cap_for(g->value_cap, g->value_count + b->stride));
        g->values = MEM_GROW(g->values, g->value_cap, f64);
    }
    memcpy(g->values + g->value_count, row->values, row->n * sizeof(f64));
    g->value_count += b->stride;
    g->t[g->t_count++] = row->t;
    b->rows++;
    return true;
}

struct wal_rows wal_gather_rows(const struct wal_gather *g, u32 bundle)
{
    const struct wal_bundle *b = &g->bundles[bundle];
    return (struct wal_rows){.t = g->t + b->t_at,
                             .rows = b->rows,
                             .ordinals = g->ordinals + b->ordinals_at,
                             .n = b->n,
                             .values = g->values + b->values_at,
                             .stride = b->stride};
}

void wal_gather_clear(struct wal_gather *g)
{
    g->count = 0;
    g->t_count = 0;
    g->ordinal_count = 0;
    g->value_count = 0;
}
