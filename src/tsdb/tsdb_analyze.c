// tsdb_analyze.c: what a block is made of: which labels, which values, whose bytes, what is new.
//
// New are the series that the block before in time has not. Both blocks' series stand in the order
// of their labels, so they are walked side by side; the symbols of the one before are turned into
// places among those of the other first. What is told by label or pair then comes from one walk
// over the index's postings, what is told in bytes from one over the pages.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/postings.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define PAIRS_MAX      4096U // Of one series.
#define PATH_BYTES     640
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define PAGE_ARENA_MAX ((size_t)256 << 20)

// The largest so far, largest first. Threads: owned.
struct top_list {
    struct top_item {
        char *name; // Owned.
        size_t len;
        u64 value;
    } * items;
    u32 n;
    u32 limit;
};

// Threads: owned.
struct analyze {
    struct block *block;
    struct block *before; // NULL = none.
    struct arena *scratch;
    struct tsdb_analysis *out;
    struct postings *fresh;
    struct top_list tops[TOP_KINDS];
    struct label_reader labels;
    struct symbol_texts texts;
    u32 metric_name;   // The symbol of __name__; symbol_count if there is none.
    u64 *metric_bytes; // Of each symbol as a metric's name.
    u32 *pairs;
};

// ---- lists of the largest ----

static bool top_wants(const struct top_list *t, u64 value)
{
    return value > 0 && (t->n < t->limit || value > t->items[t->n - 1].value);
}

static void top_put(struct top_list *t, str name, u64 value)
{
    u32 at = t->n;
    if (!top_wants(t, value)) {
        return;
    }
    if (t->n == t->limit) {
        mem_free(t->items[--at].name);
    } else {
        t->n++;
    }
    while (at > 0 && t->items[at - 1].value < value) {
        t->items[at] = t->items[at - 1];
        at--;
    }
    t->items[at] =
        (struct top_item){.name = MEM_NEW_N(char, name.len + 1), .len = name.len, .value = value};
    if (name.len > 0) {
        memcpy(t->items[at].name, name.ptr, name.len);
    }
}

static bool top_take(struct top_list *t, struct arena *a, struct tsdb_top *out, struct error *e)
{
    out->items = arena_try(a, t->n + 1ULL, sizeof(*out->items));
    for (u32 i = 0; out->items && i < t->n; i++) {
        char *name = arena_try(a, t->items[i].len + 1, 1);
        if (!name) {
            out->items = NULL;
            break;
        }
        memcpy(name, t->items[i].name, t->items[i].len);
        out->items[i] =
            (struct tsdb_stat){.name = str_make(name, t->items[i].len), .value = t->items[i].value};
    }
    out->count = out->items ? t->n : 0;
    return out->items || err_set(e, ERR_LIMIT, "the memory for the lists is used up");
}

static void top_fini(struct top_list *t)
{
    for (u32 i = 0; i < t->n; i++) {
        mem_free(t->items[i].name);
    }
    mem_free(t->items);
}

// ---- which blocks ----

static struct block *block_at(struct fs *fs, const char *dir, const struct tsdb_block_info *b,
                              u32 uid, struct error *e)
{
    char path[PATH_BYTES];
    char name[BLOCK_NAME];
    struct block_meta m = {.min_ms = b->min_ms, .max_ms = b->max_ms};
    memcpy(m.id, b->id.ptr, BLOCK_ID_LEN);
    block_name(&m, name);
    (void)snprintf(path, sizeof(path), "%s/blocks/%s", dir, name);
    return block_open(fs, path, uid, e);
}

static bool blocks_choose(struct analyze *z, const struct tsdb_analyze_opts *opts, struct arena *a,
                          struct error *e)
{
    const str id = opts->id;
    struct tsdb_block_info *infos;
    const struct tsdb_block_info *chosen = NULL;
    const struct tsdb_block_info *before = NULL;
    u32 n;
    if (!tsdb_blocks_list(opts->fs, opts->dir, a, &infos, &n, e)) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        if (id.len > 0 ? str_eq(infos[i].id, id) : !chosen || infos[i].max_ms > chosen->max_ms) {
            chosen = &infos[i];
        }
    }
    if (!chosen) {
        return id.len > 0
                   ? err_set(e, ERR_NOT_FOUND, "%s has no block %.*s", opts->dir, STR_ARG(id))
                   : err_set(e, ERR_NOT_FOUND, "%s has no blocks", opts->dir);
    }
    for (u32 i = 0; i < n; i++) {
        if (infos[i].max_ms <= chosen->min_ms && (!before || infos[i].max_ms > before->max_ms)) {
            before = &infos[i];
        }
    }
    z->out->block = *chosen;
    z->out->has_before = before != NULL;
    if (before) {
        z->out->before = *before;
    }
    z->block = block_at(opts->fs, opts->dir, chosen, 1, e);
    z->before = before && z->block ? block_at(opts->fs, opts->dir, before, 2, e) : NULL;
    return z->block && (!before || z->before);
}

// ---- churn ----

// Of each symbol of the block before: 2 i + 1 where it is symbol i of this one, 2 i where it stands
// right before that.
static u32 *places_make(const struct analyze *z, struct error *e)
{
    const struct index_file *x = &z->block->index;
    const struct index_file *old = &z->before->index;
    u32 *places = MEM_NEW_N(u32, old->symbol_count + 1ULL);
    struct symbol_reader mine;
    struct symbol_reader theirs;
    u32 at = 0;
    bool ok = true;
    str text = STR_EMPTY;
    symbol_reader_init(&mine, x);
    symbol_reader_init(&theirs, old);
    ok = x->symbol_count == 0 || symbol_read(&mine, 0, &text, e);
    for (u32 i = 0; ok && i < old->symbol_count; i++) {
        str other;
        ok = symbol_read(&theirs, i, &other, e);
        while (ok && at < x->symbol_count && str_cmp(text, other) < 0) {
            at++;
            ok = at == x->symbol_count || symbol_read(&mine, at, &text, e);
        }
        places[i] = 2 * at + (ok && at < x->symbol_count && str_eq(text, other));
    }
    symbol_reader_fini(&mine);
    symbol_reader_fini(&theirs);
    if (!ok) {
        mem_free(places);
        return NULL;
    }
    return places;
}

static int pairs_order(const u32 *x, u32 x_count, const u32 *y, u32 y_count)
{
    const u32 n = 2 * MIN(x_count, y_count);
    for (u32 i = 0; i < n; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return x_count < y_count ? -1 : x_count > y_count;
}

// A block's series, as places of this block's symbols. Threads: owned.
struct series_walk {
    const struct index_file *index;
    const u32 *places; // NULL = the block's own.
    u32 next;
    bool live;
    u32 count;
    u32 pairs[2 * PAIRS_MAX];
};

static bool walk_step(struct series_walk *w, struct error *e)
{
    w->live = w->next < w->index->series_count;
    if (!w->live) {
        return true;
    }
    if (!index_file_pairs(w->index, w->next++, w->pairs, PAIRS_MAX, &w->count, e)) {
        return false;
    }
    for (u32 i = 0; i < 2 * w->count; i++) {
        w->pairs[i] = w->places ? w->places[w->pairs[i]] : 2 * w->pairs[i] + 1;
    }
    return true;
}

static bool walks_compare(struct analyze *z, struct series_walk *mine, struct series_walk *theirs,
                          struct error *e)
{
    bool ok = walk_step(mine, e) && walk_step(theirs, e);
    while (ok && (mine->live || theirs->live)) {
        int order = mine->live ? -1 : 1;
        if (mine->live && theirs->live) {
            order = pairs_order(mine->pairs, mine->count, theirs->pairs, theirs->count);
        }
        if (order < 0) {
            postings_add(z->fresh, mine->next - 1);
            z->out->fresh++;
        }
        z->out->gone += order > 0;
        ok = (order > 0 || walk_step(mine, e)) && (order < 0 || walk_step(theirs, e));
    }
    return ok;
}

static bool churn_look(struct analyze *z, struct error *e)
{
    if (!z->before) {
        return true;
    }
    u32 *places = places_make(z, e);
    if (!places) {
        return err_in(e, "the block before");
    }
    struct series_walk *walks = MEM_NEW_N(struct series_walk, 2);
    walks[0].index = &z->block->index;
    walks[1].index = &z->before->index;
    walks[1].places = places;
    const bool ok = walks_compare(z, &walks[0], &walks[1], e);
    mem_free(walks);
    mem_free(places);
    return ok;
}

// ---- labels and pairs ----

static u64 count_shared(const struct postings *set, const struct postings *fresh)
{
    struct postings *both = postings_copy(set);
    postings_and(both, fresh);
    const u64 n = postings_count(both);
    postings_free(both);
    return n;
}

// Sums over the values of one label. Threads: owned.
struct label_sums {
    str name;
    bool is_metric;
    u64 fresh;
    u64 bytes;
};

static bool value_look(struct analyze *z, struct label_sums *l, u32 at, struct error *e)
{
    const struct index_file *x = &z->block->index;
    const struct index_entry v = index_entry_at(x->sections[INDEX_VALUES], at);
    str value;
    if (!symbol_read(&z->labels.symbols, v.symbol, &value, e)) {
        return false;
    }
    struct postings *set = postings_decode(
        str_sub(x->sections[INDEX_POSTINGS], v.first, v.first + v.count), x->series_count, e);
    if (!set) {
        return false;
    }
    const u64 n = postings_count(set);
    const u64 fresh = z->out->fresh > 0 ? count_shared(set, z->fresh) : 0;
    postings_free(set);
    z->out->entries += n;
    l->fresh += fresh;
    l->bytes += value.len;
    if (l->is_metric) {
        top_put(&z->tops[TOP_METRICS], value, n);
    }
    if (top_wants(&z->tops[TOP_PAIRS], n) || top_wants(&z->tops[TOP_FRESH_PAIRS], fresh)) {
        arena_reset(z->scratch);
        const size_t len = l->name.len + value.len + 1;
        char *pair = ARENA_NEW_N(z->scratch, char, len);
        memcpy(pair, l->name.ptr, l->name.len);
        pair[l->name.len] = '=';
        memcpy(pair + l->name.len + 1, value.ptr, value.len);
        top_put(&z->tops[TOP_PAIRS], str_make(pair, len), n);
        top_put(&z->tops[TOP_FRESH_PAIRS], str_make(pair, len), fresh);
    }
    return true;
}

static bool labels_look(struct analyze *z, struct error *e)
{
    const struct index_file *x = &z->block->index;
    struct symbol_reader names;
    bool ok = true;
    symbol_reader_init(&names, x);
    for (u32 i = 0; ok && i < x->name_count; i++) {
        const struct index_entry n = index_entry_at(x->sections[INDEX_NAMES], i);
        struct label_sums l = {0};
        ok = symbol_read(&names, n.symbol, &l.name, e);
        if (!ok || l.name.len == 0) { // The tenant's.
            continue;
        }
        l.is_metric = str_eq(l.name, LABEL_NAME);
        if (l.is_metric) {
            z->metric_name = n.symbol;
        }
        for (u64 k = n.first; ok && k < n.first + n.count; k++) {
            ok = value_look(z, &l, (u32)k, e);
        }
        z->out->label_names++;
        z->out->pairs += n.count;
        top_put(&z->tops[TOP_VALUES], l.name, n.count);
        top_put(&z->tops[TOP_VALUE_LENGTHS], l.name, l.bytes);
        top_put(&z->tops[TOP_FRESH_NAMES], l.name, l.fresh);
    }
    symbol_reader_fini(&names);
    return ok;
}

// ---- bytes ----

// The series that the pages are at. Threads: owned.
struct bytes_walk {
    struct arena *page;
    struct buf raw;
    u32 series; // IN_NONE before the first.
    u64 bytes;
};
#define IN_NONE UINT32_MAX

static u64 entry_bytes(const struct index_file *x, u32 series)
{
    const char *at = x->sections[INDEX_OFFSETS].ptr + (size_t)series * sizeof(u32);
    return load_le32(at + sizeof(u32)) - load_le32(at) + sizeof(u32);
}

static bool series_flush(struct analyze *z, const struct bytes_walk *w, struct error *e)
{
    const struct index_file *x = &z->block->index;
    u32 n;
    if (w->series == IN_NONE) {
        return true;
    }
    if (!index_file_pairs(x, w->series, z->pairs, PAIRS_MAX, &n, e)) {
        return false;
    }
    const u64 bytes = w->bytes + entry_bytes(x, w->series);
    for (u32 i = 0; i < n; i++) {
        if (z->pairs[2 * (size_t)i] == z->metric_name) {
            z->metric_bytes[z->pairs[2 * (size_t)i + 1]] += bytes;
        }
    }
    if (!top_wants(&z->tops[TOP_SERIES_BYTES], bytes)) {
        return true;
    }
    struct labels ls;
    struct buf text;
    arena_reset(z->scratch);
    if (symbol_texts_are_many(&z->texts)) {
        symbol_texts_drop(&z->texts);
    }
    if (!label_reader_get(&z->labels, w->series, &z->texts, z->scratch, &ls, e)) {
        return false;
    }
    buf_init(&text, TEXT_BYTES_MAX);
    labels_print(&text, ls);
    if (buf_ok(&text)) {
        top_put(&z->tops[TOP_SERIES_BYTES], buf_get(&text), bytes);
    }
    buf_fini(&text);
    return true;
}

static bool page_look(struct analyze *z, struct bytes_walk *w, const struct page_entry *p,
                      struct error *e)
{
    const str page = {(const char *)z->block->data.bytes + p->offset, p->bytes};
    struct page_view v;
    struct chunk_entry *chunks;
    u64 sum = 0;
    arena_reset(w->page);
    if (!page_check(page, p, e) || !page_open(page, p, &w->raw, &v, e) ||
        !page_chunks(&v, p, w->page, &chunks, e)) {
        return err_in(e, "%s/data: the page at offset %llu", z->block->path,
                      (unsigned long long)p->offset);
    }
    for (u32 i = 0; i < v.count; i++) {
        sum += chunks[i].packed.len;
    }
    for (u32 i = 0; i < v.count; i++) {
        if (chunks[i].series != w->series) {
            if (!series_flush(z, w, e)) {
                return false;
            }
            w->series = chunks[i].series;
            w->bytes = 0;
        }
        w->bytes += sum > 0 ? (u64)p->bytes * chunks[i].packed.len / sum : 0;
    }
    z->out->value_bytes += p->bytes;
    return true;
}

static bool bytes_look(struct analyze *z, struct error *e)
{
    const struct index_file *x = &z->block->index;
    struct bytes_walk w = {.page = arena_new(PAGE_ARENA_MAX), .series = IN_NONE};
    bool ok = true;
    buf_init(&w.raw, PAGE_RAW_MAX + PAGE_SLACK + 1);
    for (u32 i = 0; i < z->block->time_pages; i++) {
        z->out->time_bytes += z->block->times[i].bytes;
    }
    for (u32 i = 0; ok && i < z->block->value_pages; i++) {
        ok = page_look(z, &w, &z->block->values[i], e);
    }
    ok = ok && series_flush(z, &w, e);
    for (u32 i = 0; ok && i < x->symbol_count; i++) {
        str name;
        if (!top_wants(&z->tops[TOP_METRIC_BYTES], z->metric_bytes[i])) {
            continue;
        }
        ok = symbol_read(&z->labels.symbols, i, &name, e);
        if (ok) {
            top_put(&z->tops[TOP_METRIC_BYTES], name, z->metric_bytes[i]);
        }
    }
    z->out->index_bytes = x->map.len;
    buf_fini(&w.raw);
    arena_free(w.page);
    return ok;
}

static bool block_look(struct analyze *z, struct error *e)
{
    const struct index_file *x = &z->block->index;
    z->fresh = postings_new();
    z->metric_name = x->symbol_count;
    z->metric_bytes = MEM_NEW_N(u64, x->symbol_count + 1ULL);
    z->pairs = MEM_NEW_N(u32, 2ULL * PAIRS_MAX);
    label_reader_init(&z->labels, x);
    symbol_texts_init(&z->texts);
    const bool ok = churn_look(z, e) && labels_look(z, e) && bytes_look(z, e) &&
                    block_is_whole(z->block, e) && (!z->before || block_is_whole(z->before, e));
    label_reader_fini(&z->labels);
    symbol_texts_fini(&z->texts);
    postings_free(z->fresh);
    mem_free(z->metric_bytes);
    mem_free(z->pairs);
    return ok;
}

bool tsdb_analyze(const struct tsdb_analyze_opts *opts, struct arena *a, struct tsdb_analysis *out,
                  struct error *e)
{
    const u32 limit = opts->limit;
    CHECK(limit > 0 && limit <= ANALYSIS_LIMIT_MAX);
    struct tsdb_analysis made = {0};
    struct analyze z = {.out = &made, .scratch = arena_new(TEXT_BYTES_MAX)};
    for (u32 i = 0; i < TOP_KINDS; i++) {
        z.tops[i].limit = limit;
        z.tops[i].items = MEM_NEW_N(struct top_item, limit);
    }
    bool ok = blocks_choose(&z, opts, a, e) && block_look(&z, e);
    for (u32 i = 0; i < TOP_KINDS; i++) {
        ok = ok && top_take(&z.tops[i], a, &made.tops[i], e);
        top_fini(&z.tops[i]);
    }
    block_close(z.block);
    block_close(z.before);
    arena_free(z.scratch);
    if (ok) {
        *out = made;
    }
    return ok;
}
