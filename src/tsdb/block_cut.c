#include "tsdb/block_cut.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/map_guard.h"
#include "tsdb/block.h"
#include "tsdb/block_columns.h"
#include "tsdb/block_dir.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/metric_tally.h"
#include "tsdb/tombstone.h"

#include <stdlib.h>

#define CUT_BYTES_MAX ((size_t)64 << 30)

// A series to write: its labels as numbers of the block's symbols.
struct cut_series {
    u32 *pairs;
    u32 count;
    u32 ordinal;
    u32 newest; // Of what it has in the window, as struct cut_source.
    const struct late_run *late;
    u8 shard;
};

// Threads: owned.
struct cut {
    const struct block_cut *opts;
    struct arena *arena;
    struct head_window *windows[HEADS_MAX];
    struct segment *segments[HEADS_MAX]; // The newest of each window.
    i64 min_ms;                          // Of the block.
    i64 max_ms;
    struct cut_series *series;
    u32 series_count;
    u32 series_cap;
    u32 *numbers[HEADS_MAX]; // Shard's symbol → block's symbol.
    str *symbols;
    u32 symbol_count;
    struct index_writer index;
    struct data_writer data;
    struct column_writer columns;
    struct tombstone_list dead;
};

static void series_add(struct cut *c, struct cut_series s)
{
    if (c->series_count == c->series_cap) {
        u32 cap = MAX(1024U, c->series_cap * 2);
        c->series = arena_grow(c->arena, c->series, c->series_cap, cap, sizeof(*c->series));
        c->series_cap = cap;
    }
    c->series[c->series_count++] = s;
}

// With the lock, of a series that has something in the window.
static void series_gather(struct cut *c, u8 shard, u32 ordinal, const struct late_run *late)
{
    const struct head *h = c->opts->heads[shard];
    u32 *pairs = ARENA_NEW_N(c->arena, u32, ((size_t)head_label_count(h, ordinal) + 1) * 2);
    series_add(c, (struct cut_series){.pairs = pairs,
                                      .count = head_label_symbols(h, ordinal, pairs),
                                      .ordinal = ordinal,
                                      .newest = window_chunk(c->windows[shard], ordinal),
                                      .late = late,
                                      .shard = shard});
}

static void shard_gather(struct cut *c, u8 shard)
{
    struct head *h = c->opts->heads[shard];
    struct head_window *w = c->windows[shard];
    bool more = w != NULL;
    for (u32 from = 0; more; from += HEAD_SLICE) {
        lock_take(&h->lock);
        for (u32 i = from; i < h->count && i < from + HEAD_SLICE; i++) {
            if (head_live(h, i) && (window_chunk(w, i) != SEALED_NONE || window_late(w, i))) {
                series_gather(c, shard, i, window_late(w, i));
            }
        }
        more = from + HEAD_SLICE < h->count;
        lock_drop(&h->lock);
    }
}

static struct late_run *late_copy(struct cut *c, const struct late_run *late)
{
    struct late_run *copy = ARENA_NEW(c->arena, struct late_run);
    *copy = (struct late_run){.t = ARENA_NEW_N(c->arena, i64, (size_t)late->n + 1),
                              .values = ARENA_NEW_N(c->arena, f64, (size_t)late->n + 1),
                              .n = late->n};
    memcpy(copy->t, late->t, late->n * sizeof(i64));
    memcpy(copy->values, late->values, late->n * sizeof(f64));
    return copy;
}

static void cold_gather(struct cut *c)
{
    struct head *h = c->opts->heads[0];
    struct cold_list *l = c->opts->cold;
    const struct head_window *w = c->windows[0];
    for (u32 from = 0; w && from < l->n; from += HEAD_SLICE) {
        lock_take(&h->lock);
        for (u32 i = from; i < l->n && i < from + HEAD_SLICE; i++) {
            const u32 ordinal = l->items[i].ordinal;
            if (!head_cold_still(h, &l->items[i])) {
                l->items[i].ordinal = MAP_NONE;
                continue;
            }
            const struct late_run *late = window_late(w, ordinal);
            if (late || window_chunk(w, ordinal) != SEALED_NONE) {
                series_gather(c, 0, ordinal, late ? late_copy(c, late) : NULL);
            }
        }
        lock_drop(&h->lock);
    }
}

// A symbol in use, and where it comes from.
struct cut_symbol {
    str text;
    u32 symbol;
    u8 shard;
};

static int by_symbol_text(const void *a, const void *b)
{
    return str_cmp(((const struct cut_symbol *)a)->text, ((const struct cut_symbol *)b)->text);
}

// Numbers the symbols in use by their order and rewrites the series' pairs.
static void symbols_number(struct cut *c)
{
    u32 used = 0;
    for (u32 s = 0; s < c->opts->head_count; s++) {
        struct head *h = c->opts->heads[s];
        lock_take(&h->lock);
        u32 n = symtab_count(h->index.symbols);
        lock_drop(&h->lock);
        c->numbers[s] = ARENA_NEW_N(c->arena, u32, (size_t)n + 1);
    }
    for (u32 i = 0; i < c->series_count; i++) {
        const struct cut_series *s = &c->series[i];
        for (u32 k = 0; k < 2 * s->count; k++) {
            used += c->numbers[s->shard][s->pairs[k]] == 0;
            c->numbers[s->shard][s->pairs[k]] = 1;
        }
    }
    struct cut_symbol *all = ARENA_NEW_N(c->arena, struct cut_symbol, (size_t)used + 1);
    u32 n = 0;
    for (u32 i = 0; i < c->series_count; i++) {
        const struct cut_series *s = &c->series[i];
        for (u32 k = 0; k < 2 * s->count; k++) {
            u32 *number = &c->numbers[s->shard][s->pairs[k]];
            if (*number == 1) {
                str text = symtab_get(c->opts->heads[s->shard]->index.symbols, s->pairs[k]);
                all[n++] = (struct cut_symbol){text, s->pairs[k], s->shard};
                *number = 2;
            }
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof(*all), by_symbol_text);
    }
    c->symbols = ARENA_NEW_N(c->arena, str, (size_t)n + 1);
    for (u32 i = 0; i < n; i++) {
        if (i == 0 || !str_eq(all[i].text, all[i - 1].text)) {
            c->symbols[c->symbol_count++] = all[i].text;
        }
        c->numbers[all[i].shard][all[i].symbol] = c->symbol_count - 1;
    }
    for (u32 i = 0; i < c->series_count; i++) {
        struct cut_series *s = &c->series[i];
        for (u32 k = 0; k < 2 * s->count; k++) {
            s->pairs[k] = c->numbers[s->shard][s->pairs[k]];
        }
    }
}

static int pairs_cmp(const struct cut_series *x, const struct cut_series *y)
{
    u32 n = 2 * MIN(x->count, y->count);
    for (u32 i = 0; i < n; i++) {
        if (x->pairs[i] != y->pairs[i]) {
            return x->pairs[i] < y->pairs[i] ? -1 : 1;
        }
    }
    return x->count < y->count ? -1 : x->count > y->count;
}

static int by_labels(const void *a, const void *b)
{
    const struct cut_series *x = a;
    const struct cut_series *y = b;
    int order = pairs_cmp(x, y);
    return order != 0 ? order : (int)x->shard - (int)y->shard;
}

// What is deleted of a series in this window, under its number in the block. Where two shards
// have it, what is deleted of one is deleted of both.
static bool dead_move(struct cut *c, const struct cut_series *s, u32 ordinal, struct error *e)
{
    u32 n;
    const struct tombstone *dead = tombstones_find(c->opts->dead[s->shard], s->ordinal, &n);
    for (u32 i = 0; i < n; i++) {
        struct tombstone t = dead[i];
        t.series = ordinal;
        t.min_ms = MAX(t.min_ms, c->min_ms);
        t.max_ms = MIN(t.max_ms, c->max_ms - 1);
        if (t.min_ms <= t.max_ms && !tombstone_add(&c->dead, t, e)) {
            return false;
        }
    }
    return true;
}

static struct cut_source source_of(const struct cut *c, const struct cut_series *s)
{
    return (struct cut_source){
        .window = c->windows[s->shard], .newest = s->newest, .late = s->late};
}

static bool series_write(struct cut *c, struct error *e)
{
    u32 ordinal = 0;
    for (u32 i = 0; i < c->series_count; i++) {
        const struct cut_series *s = &c->series[i];
        struct cut_source sources[HEADS_MAX] = {source_of(c, s)};
        u32 n = 1;
        if (!dead_move(c, s, ordinal, e)) {
            return false;
        }
        if (i + 1 < c->series_count && pairs_cmp(s, &c->series[i + 1]) == 0) {
            const struct cut_series *twin = &c->series[++i];
            sources[n++] = source_of(c, twin);
            if (!dead_move(c, twin, ordinal, e)) {
                return false;
            }
        }
        if (!index_writer_series(&c->index, s->pairs, s->count, e)) {
            return false;
        }
        if (!column_writer_series(&c->columns, ordinal++, sources, n, e)) {
            return false;
        }
        if (c->data.file.failed || c->index.file.failed) {
            break; // finish tells why.
        }
    }
    return true;
}

static bool files_write(struct cut *c, const struct block_dir *d, struct block_meta *m,
                        struct error *e)
{
    char path[BLOCK_PATH];
    block_dir_file(d, "index", path);
    if (!index_writer_open(&c->index, c->opts->fs, path, e)) {
        return false;
    }
    for (u32 i = 0; i < c->symbol_count; i++) {
        if (!index_writer_symbol(&c->index, c->symbols[i], e)) {
            return false;
        }
    }
    index_writer_symbols_end(&c->index);
    block_dir_file(d, "data", path);
    if (!data_writer_open(&c->data, c->opts->fs, path, 0, e)) {
        return false;
    }
    column_writer_init(&c->columns, &c->data, c->opts->tally, c->arena);
    for (u32 s = 0; s < c->opts->head_count; s++) {
        column_writer_groups(&c->columns, c->segments[s]);
    }
    return series_write(c, e) && block_dir_dead(d, &c->dead, e) &&
           block_dir_exemplars(d, c->opts->exemplars, c->opts->exemplar_count, e) &&
           block_dir_finish(d, &c->index, &c->data, m, e);
}

static bool block_publish(struct cut *c, struct block_meta *m, struct error *e)
{
    struct block_dir d;
    if (!block_dir_make(&d, c->opts->fs, c->opts->dir, m, e)) {
        return false;
    }
    u64 holes = map_guard_holes();
    bool ok = files_write(c, &d, m, e);
    if (ok && map_guard_holes() != holes) {
        ok = sealed_damaged(e); // It may be one of the chunks' files, looked at before.
    }
    index_writer_close(&c->index);
    data_writer_close(&c->data);
    column_writer_fini(&c->columns);
    if (!ok) {
        block_dir_drop(&d);
        return false;
    }
    return block_dir_list(&d, e);
}

// All of the windows, which are frozen.
static bool windows_take(struct cut *c, struct error *e)
{
    const struct block_cut *o = c->opts;
    c->min_ms = o->min_ms;
    c->max_ms = o->max_ms;
    for (u32 s = 0; s < o->head_count; s++) {
        const struct head_window *w = c->windows[s];
        CHECK(!w || (w->frozen && w->end_ms == o->max_ms));
        if (w && !sealed_check(&w->sealed, e)) {
            return false;
        }
        column_rows_all(c->segments[s]);
        shard_gather(c, (u8)s);
    }
    return true;
}

static bool cold_take(struct cut *c, struct error *e)
{
    c->min_ms = INT64_MAX;
    c->max_ms = INT64_MIN;
    column_rows_none(c->segments[0]);
    cold_gather(c);
    for (u32 i = 0; i < c->series_count; i++) {
        const struct cut_source s = source_of(c, &c->series[i]);
        if (!column_rows_want(&s, &c->min_ms, &c->max_ms)) {
            return sealed_damaged(e);
        }
    }
    c->max_ms += c->series_count > 0; // It is exclusive.
    return true;
}

static void windows_find(struct cut *c)
{
    const struct block_cut *o = c->opts;
    for (u32 s = 0; s < o->head_count; s++) {
        lock_take(&o->heads[s]->lock);
        c->windows[s] = head_window_at(o->heads[s], o->min_ms);
        c->segments[s] = c->windows[s] ? c->windows[s]->segments : NULL;
        lock_drop(&o->heads[s]->lock);
    }
}

bool block_cut_run(const struct block_cut *o, struct block_meta *meta, bool *made, struct error *e)
{
    CHECK(o->head_count <= (o->cold ? 1U : HEADS_MAX));
    *o->tally = (struct chunk_tally){0};
    struct cut c = {.opts = o, .arena = arena_new(CUT_BYTES_MAX)};
    windows_find(&c);
    bool ok = o->cold ? cold_take(&c, e) : windows_take(&c, e);
    *made = ok && c.series_count > 0;
    if (*made) {
        symbols_number(&c);
        qsort(c.series, c.series_count, sizeof(*c.series), by_labels);
        struct block_meta m = {.min_ms = c.min_ms,
                               .max_ms = c.max_ms,
                               .made_ms = clk_wall_ms(o->clk),
                               .level = 1,
                               .cold = o->cold ? o->heads[0]->id + 1 : 0};
        block_id_make(o->clk, o->rng, m.id);
        ok = block_publish(&c, &m, e);
        if (ok) {
            *meta = m;
        }
    }
    tombstone_list_fini(&c.dead);
    arena_free(c.arena);
    return ok;
}
