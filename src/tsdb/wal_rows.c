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
    mem_free(g->ordinals);
    mem_free(g->values);
    *g = (struct wal_gather){0};
}

static bool begins(struct wal_gather *g, const struct wal_row *row)
{
    if (row->n == 0 || row->n > WAL_ROWS_VALUES / 4) {
        return false;
    }
    if (row->n > g->cap) {
        g->cap = row->n;
        g->ordinals = MEM_GROW(g->ordinals, g->cap, u32);
    }
    memcpy(g->ordinals, row->ordinals, row->n * sizeof(u32));
    g->n = row->n;
    g->stride = stride_of(row->n);
    return true;
}

static bool follows(const struct wal_gather *g, const struct wal_row *row)
{
    return g->rows < WAL_ROWS_AT_ONCE && row->n == g->n && row->t > g->t[g->rows - 1] &&
           (u64)(g->rows + 1) * g->stride <= WAL_ROWS_VALUES &&
           memcmp(g->ordinals, row->ordinals, row->n * sizeof(u32)) == 0;
}

bool wal_gather_add(struct wal_gather *g, const struct wal_row *row)
{
    if (!(g->rows == 0 ? begins(g, row) : follows(g, row))) {
        return false;
    }
    const u32 end = (g->rows + 1) * g->stride;
    if (end > g->value_cap) {
        g->value_cap = MIN(WAL_ROWS_VALUES, MAX(end, 2 * g->value_cap));
        g->values = MEM_GROW(g->values, g->value_cap, f64);
    }
    memcpy(g->values + (size_t)g->rows * g->stride, row->values, row->n * sizeof(f64));
    g->t[g->rows++] = row->t;
    return true;
}

bool wal_gather_take(struct wal_gather *g, struct wal_rows *out)
{
    *out = (struct wal_rows){.t = g->t,
                             .rows = g->rows,
                             .ordinals = g->ordinals,
                             .n = g->n,
                             .values = g->values,
                             .stride = g->stride};
    g->rows = 0;
    return out->rows > 0;
}
