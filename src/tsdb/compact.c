#include "tsdb/compact.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/block_dir.h"
#include "tsdb/compact_column.h"
#include "tsdb/tombstone.h"

#define PAIRS_MAX   4096U // Of one series.
#define LOOK_SERIES 256U  // So often are memory and the stop flag looked at.
#define TIMES_SHARE 4U    // Of the memory, for timestamps that several series share.

// Threads: owned by the call.
struct compact_run {
    const struct compact *opts;
    struct arena *arena;
    struct compact_source *sources;
    struct index_writer index;
    struct data_writer data;
    struct compact_columns columns;
    struct tombstone_list dead;
};

static bool budget_check(const struct compact_run *r, struct error *e)
{
    u64 bytes = arena_bytes(r->arena) + index_writer_bytes(&r->index) +
                data_writer_bytes(&r->data) + compact_columns_bytes(&r->columns);
    for (u32 i = 0; i < r->opts->count; i++) {
        bytes += r->sources[i].block ? block_reader_bytes(&r->sources[i].reader) : 0;
    }
    if (r->opts->stop && atomic_load(r->opts->stop)) {
        return err_set(e, ERR_CANCELLED, "the compaction was interrupted");
    }
    if (bytes > r->opts->bytes_max) {
        return err_set(e, ERR_LIMIT, "the compaction needs more than %llu bytes of memory",
                       (unsigned long long)r->opts->bytes_max);
    }
    return true;
}

static bool source_init(struct compact_run *r, u32 i, struct error *e)
{
    struct compact_source *s = &r->sources[i];
    struct block *b = r->opts->blocks[i];
    s->block = b;
    s->columns = b->time_pages > 0 ? b->times[b->time_pages - 1].last + 1 : 0;
    block_reader_init(&s->reader, b, r->arena);
    s->reader.times_max = r->opts->bytes_max / TIMES_SHARE / r->opts->count;
    s->column_at = arena_try(r->arena, s->columns + 1ULL, sizeof(u32));
    s->column_row = arena_try(r->arena, s->columns + 1ULL, sizeof(u32));
    s->symbols = arena_try(r->arena, b->index.symbol_count + 1ULL, sizeof(u32));
    s->used = arena_try(r->arena, b->index.symbol_count / 8 + 1ULL, 1);
    s->pairs = arena_try(r->arena, (size_t)PAIRS_MAX * 2, sizeof(u32));
    if (!s->column_at || !s->column_row || !s->symbols || !s->used || !s->pairs) {
        return err_set(e, ERR_LIMIT, "the compaction needs more than %llu bytes of memory",
                       (unsigned long long)r->opts->bytes_max);
    }
    if (r->opts->classes &&
        !retention_cuts_init(&s->over, r->opts->classes, b, r->opts->newest, e)) {
        return false;
    }
    for (u32 k = 0; k < b->index.series_count; k++) {
        if (retention_cut_of(&s->over, k) >= b->meta.max_ms - 1) {
            continue; // Nothing of it will be left, nor its symbols.
        }
        if (!index_file_pairs(&b->index, k, s->pairs, PAIRS_MAX, &s->pair_count, e)) {
            return false;
        }
        for (u32 p = 0; p < 2 * s->pair_count; p++) {
            s->used[s->pairs[p] / 8] |= (u8)(1U << (s->pairs[p] % 8));
        }
    }
    return true;
}

// A source's place in its sorted symbols. Threads: owned.
struct symbol_walk {
    str text; // Borrowed from the reader.
    u32 next;
    bool live;
};

static bool symbol_step(struct compact_source *s, struct symbol_walk *w, struct error *e)
{
    u32 count = s->block->index.symbol_count;
    while (w->next < count && !(s->used[w->next / 8] >> (w->next % 8) & 1)) {
        w->next++;
    }
    w->live = w->next < count;
    return !w->live || symbol_read(&s->reader.labels.symbols, w->next, &w->text, e);
}

static u32 symbol_least(const struct symbol_walk *walks, u32 n)
{
    u32 least = n;
    for (u32 i = 0; i < n; i++) {
        if (walks[i].live && (least == n || str_cmp(walks[i].text, walks[least].text) < 0)) {
            least = i;
        }
    }
    return least;
}

// Gives the symbol that was just written its number in every source that has it.
static bool symbol_number(struct compact_run *r, struct symbol_walk *walks, u32 number,
                          struct error *e)
{
    str text = buf_get(&r->index.symbol);
    for (u32 i = 0; i < r->opts->count; i++) {
        if (!walks[i].live || !str_eq(walks[i].text, text)) {
            continue;
        }
        r->sources[i].symbols[walks[i].next++] = number;
        if (!symbol_step(&r->sources[i], &walks[i], e)) {
            return false;
        }
    }
    return true;
}

// Writes the union of the symbols in use and numbers each source's.
static bool symbols_merge(struct compact_run *r, struct error *e)
{
    u32 n = r->opts->count;
    struct symbol_walk walks[BLOCK_SOURCES_MAX] = {0};
    for (u32 i = 0; i < n; i++) {
        if (!symbol_step(&r->sources[i], &walks[i], e)) {
            return false;
        }
    }
    u32 number = 0;
    for (u32 least = symbol_least(walks, n); least < n; least = symbol_least(walks, n)) {
        if (!index_writer_symbol(&r->index, walks[least].text, e) ||
            !symbol_number(r, walks, number++, e)) {
            return false;
        }
    }
    index_writer_symbols_end(&r->index);
    return true;
}

static bool series_peek(struct compact_source *s, struct error *e)
{
    while (s->at < s->block->index.series_count &&
           retention_cut_of(&s->over, s->at) >= s->block->meta.max_ms - 1) {
        s->at++;
    }
    s->live = s->at < s->block->index.series_count;
    if (!s->live) {
        return true;
    }
    if (!index_file_pairs(&s->block->index, s->at, s->pairs, PAIRS_MAX, &s->pair_count, e)) {
        return false;
    }
    for (u32 i = 0; i < 2 * s->pair_count; i++) {
        s->pairs[i] = s->symbols[s->pairs[i]];
    }
    return true;
}

static int pairs_order(const struct compact_source *x, const struct compact_source *y)
{
    u32 n = 2 * MIN(x->pair_count, y->pair_count);
    for (u32 i = 0; i < n; i++) {
        if (x->pairs[i] != y->pairs[i]) {
            return x->pairs[i] < y->pairs[i] ? -1 : 1;
        }
    }
    return x->pair_count < y->pair_count ? -1 : x->pair_count > y->pair_count;
}

// What of a source's series at hand is deleted: carried out, or taken along.
static bool dead_sort(struct compact_run *r, u32 source, struct error *e)
{
    u32 n;
    const struct tombstone *dead =
        tombstones_find(r->opts->dead[source], r->sources[source].at, &n);
    i64 over = retention_cut_of(&r->sources[source].over, r->sources[source].at);
    if (over != INT64_MIN) {
        compact_series_cut(&r->columns, (struct compact_cut){
                                            .source = source, .min_ms = INT64_MIN, .max_ms = over});
    }
    for (u32 i = 0; i < n; i++) {
        struct tombstone t = dead[i];
        if (t.made_ms <= r->opts->dead_ms) {
            compact_series_cut(
                &r->columns,
                (struct compact_cut){.source = source, .min_ms = t.min_ms, .max_ms = t.max_ms});
            continue;
        }
        t.series = r->index.series_count;
        if (!tombstone_add(&r->dead, t, e)) {
            return false;
        }
    }
    return true;
}

static bool series_write(struct compact_run *r, u32 least, struct error *e)
{
    struct compact_source *first = &r->sources[least];
    bool same[BLOCK_SOURCES_MAX] = {false};
    bool written = false;
    u32 dead_before = r->dead.n;
    compact_series_begin(&r->columns);
    for (u32 i = least; i < r->opts->count; i++) {
        struct compact_source *s = &r->sources[i];
        same[i] = s->live && (i == least || pairs_order(s, first) == 0);
        if (same[i] && !dead_sort(r, i, e)) {
            return false;
        }
        if (same[i] && !compact_series_add(&r->columns, i, s->at, e)) {
            return false;
        }
    }
    if (!compact_series_end(&r->columns, r->index.series_count, &written, e)) {
        return false;
    }
    r->dead.n = written ? r->dead.n : dead_before;
    if (written && !index_writer_series(&r->index, first->pairs, first->pair_count, e)) {
        return false;
    }
    for (u32 i = least; i < r->opts->count; i++) {
        if (same[i]) {
            r->sources[i].at++;
            if (!series_peek(&r->sources[i], e)) {
                return false;
            }
        }
    }
    return true;
}

static bool series_merge(struct compact_run *r, struct error *e)
{
    u32 n = r->opts->count;
    for (u32 i = 0; i < n; i++) {
        if (!series_peek(&r->sources[i], e)) {
            return false;
        }
    }
    for (u64 done = 0;; done++) {
        u32 least = n;
        for (u32 i = 0; i < n; i++) {
            if (r->sources[i].live &&
                (least == n || pairs_order(&r->sources[i], &r->sources[least]) < 0)) {
                least = i;
            }
        }
        if (least == n) {
            return true;
        }
        if ((done % LOOK_SERIES == 0 && !budget_check(r, e)) || !series_write(r, least, e)) {
            return false;
        }
        if (r->data.file.failed || r->index.file.failed) {
            return true; // finish tells why.
        }
    }
}

// What was copied from a page that went away meanwhile would carry a good checksum from now on.
static bool sources_whole(const struct compact_run *r, struct error *e)
{
    for (u32 i = 0; i < r->opts->count; i++) {
        if (!block_is_whole(r->opts->blocks[i], e)) {
            return false;
        }
    }
    return true;
}

static bool files_fill(struct compact_run *r, const struct block_dir *d, struct block_meta *m,
                       struct error *e)
{
    char path[BLOCK_PATH];
    block_dir_file(d, "index", path);
    if (!index_writer_open(&r->index, r->opts->fs, path, e)) {
        return false;
    }
    block_dir_file(d, "data", path);
    if (!data_writer_open(&r->data, r->opts->fs, path, COMPACT_ZSTD, e)) {
        return false;
    }
    for (u32 i = 0; i < r->opts->count; i++) {
        if (!source_init(r, i, e) || !budget_check(r, e)) {
            return false;
        }
    }
    return symbols_merge(r, e) && series_merge(r, e) &&
           block_dir_exemplars_of(d, r->opts->blocks, r->opts->count, e) && sources_whole(r, e) &&
           block_dir_dead(d, &r->dead, e) && block_dir_finish(d, &r->index, &r->data, m, e);
}

static struct block_meta meta_of(const struct compact *c)
{
    struct block_meta m = {.min_ms = INT64_MAX,
                           .max_ms = INT64_MIN,
                           .made_ms = clk_wall_ms(c->clk),
                           .level = c->level,
                           .source_count = c->count};
    for (u32 i = 0; i < c->count; i++) {
        m.min_ms = MIN(m.min_ms, c->blocks[i]->meta.min_ms);
        m.max_ms = MAX(m.max_ms, c->blocks[i]->meta.max_ms);
        memcpy(m.sources[i], c->blocks[i]->meta.id, BLOCK_ID_LEN);
    }
    block_id_make(c->clk, c->rng, m.id);
    return m;
}

bool compact_run(const struct compact *c, struct block_meta *meta, bool *made, struct error *e)
{
    CHECK(c->count > 0 && c->count <= BLOCK_SOURCES_MAX);
    struct block_dir d;
    struct block_meta m = meta_of(c);
    struct compact_run r = {.opts = c};
    if (!block_dir_make(&d, c->fs, c->dir, &m, e)) {
        return false;
    }
    r.arena = arena_new(c->bytes_max);
    r.sources = ARENA_NEW_N(r.arena, struct compact_source, c->count);
    compact_columns_init(&r.columns, &r.data, r.sources, c->bytes_max);
    bool ok = files_fill(&r, &d, &m, e);
    for (u32 i = 0; i < c->count; i++) {
        block_reader_fini(&r.sources[i].reader);
        retention_cuts_fini(&r.sources[i].over);
    }
    compact_columns_fini(&r.columns);
    tombstone_list_fini(&r.dead);
    index_writer_close(&r.index);
    data_writer_close(&r.data);
    arena_free(r.arena);
    *made = ok && m.series > 0;
    if (!*made) {
        block_dir_drop(&d);
        return ok;
    }
    if (!block_dir_list(&d, e)) {
        return false;
    }
    *meta = m;
    return true;
}
