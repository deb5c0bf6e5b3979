#include "bench/block_maker.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/import_block.h"

#include <stdio.h>

#define SERIES_BYTES_MAX ((u64)4 << 30)

// Threads: owned.
struct block_maker {
    struct tsdb_import_source source; // Of labels alone.
    struct block_made_of of;
    struct clk *clk;
    struct rng *rng;
    char blocks[400];
    struct import_series table;
    u32 *numbers; // Stand for the series' texts.
    u32 next;
    u8 *used;
};

static bool labels_of_next(struct tsdb_import_source *s, struct arena *a, struct labels *out,
                           struct error *e)
{
    struct block_maker *m = (struct block_maker *)s;
    *out = m->of.labels(m->of.ctx, a, m->next);
    return out->count > 0 || err_set(e, ERR_INVALID, "series %u has no labels", m->next);
}

static bool series_add(struct block_maker *m, struct error *e)
{
    m->numbers = MEM_NEW_N(u32, m->of.series);
    for (m->next = 0; m->next < m->of.series; m->next++) {
        m->numbers[m->next] = m->next;
        const struct tsdb_import_sample v = {
            .series = {.ptr = (const char *)&m->numbers[m->next], .len = sizeof(u32)}};
        if (!import_series_add(&m->table, &m->source, &v, e)) {
            return false;
        }
    }
    import_series_sort(&m->table);
    m->used = MEM_NEW_N(u8, m->of.series / 8 + 1ULL);
    memset(m->used, 0xff, m->of.series / 8 + 1ULL);
    return m->table.count == m->of.series ||
           err_set(e, ERR_INVALID, "only %u of %u series differ", m->table.count, m->of.series);
}

struct block_maker *block_maker_new(const struct block_made_of *of, const char *dir,
                                    struct clk *clk, struct rng *rng, struct error *e)
{
    static const struct tsdb_import_ops ops = {.labels = labels_of_next};
    struct block_maker *m = MEM_NEW(struct block_maker);
    m->source = (struct tsdb_import_source){.ops = &ops, .name = "series"};
    m->of = *of;
    m->clk = clk;
    m->rng = rng;
    import_series_init(&m->table, SERIES_BYTES_MAX);
    (void)snprintf(m->blocks, sizeof(m->blocks), "%s/blocks", dir);
    if (!fs_make_dir(fs_real(), dir, e) || !fs_make_dir(fs_real(), m->blocks, e) ||
        !series_add(m, e)) {
        block_maker_free(m);
        return NULL;
    }
    return m;
}

static bool series_write(struct block_maker *m, struct import_block *b,
                         const struct block_made *range, struct error *e)
{
    const u32 n = range->to - range->from;
    struct import_sample *samples = MEM_NEW_N(struct import_sample, n + 1ULL);
    bool ok = true;
    for (u32 rank = 0; ok && rank < m->table.count; rank++) {
        const u32 series = m->table.rows[rank].number;
        for (u32 i = 0; i < n; i++) {
            const u32 row = range->from + i;
            samples[i] = (struct import_sample){.place = rank,
                                                .t_ms = m->of.time_ms(m->of.ctx, series, row),
                                                .value = m->of.value(m->of.ctx, series, row)};
        }
        ok = import_block_series(b, rank, samples, n, e);
    }
    mem_free(samples);
    return ok;
}

bool block_maker_write(struct block_maker *m, const struct block_made *range, struct error *e)
{
    struct import_block *b = MEM_NEW(struct import_block);
    b->table = &m->table;
    b->source = m->source.name;
    b->meta = (struct block_meta){.min_ms = range->min_ms,
                                  .max_ms = range->max_ms,
                                  .made_ms = clk_wall_ms(m->clk),
                                  .level = 1};
    block_id_make(m->clk, m->rng, b->meta.id);
    bool ok = import_block_begin(b, fs_real(), m->blocks, m->used, e) &&
              series_write(m, b, range, e) && import_block_end(b, e);
    import_block_fini(b);
    ok = ok && block_dir_list(&b->dir, e);
    mem_free(b);
    return ok;
}

void block_maker_free(struct block_maker *m)
{
    if (!m) {
        return;
    }
    import_series_fini(&m->table);
    mem_free(m->numbers);
    mem_free(m->used);
    mem_free(m);
}
