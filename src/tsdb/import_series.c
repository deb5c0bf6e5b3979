#include "tsdb/import_series.h"

#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/labels.h"
#include "model/symtab.h"
#include "tsdb/index_select.h"
#include "tsdb/tsdb_files.h"

#include <stdlib.h>

#define LABEL_BYTES_MAX ((size_t)64 << 20)

static bool text_eq(const void *ctx, u32 index, const void *key)
{
    const struct import_series *t = ctx;
    return str_eq(t->texts[index].text, *(const str *)key);
}

static u64 text_hash_of(const void *ctx, u32 index)
{
    const struct import_series *t = ctx;
    return hash_str(t->texts[index].text);
}

static u64 pairs_hash(const struct import_row *r)
{
    return hash_bytes(r->pairs, (size_t)r->count * 2 * sizeof(u32));
}

static bool pairs_eq(const void *ctx, u32 index, const void *key)
{
    const struct import_series *t = ctx;
    const struct import_row *x = &t->rows[index];
    const struct import_row *y = key;
    return x->count == y->count &&
           memcmp(x->pairs, y->pairs, (size_t)x->count * 2 * sizeof(u32)) == 0;
}

static u64 pairs_hash_of(const void *ctx, u32 index)
{
    const struct import_series *t = ctx;
    return pairs_hash(&t->rows[index]);
}

void import_series_init(struct import_series *t, u64 bytes_max)
{
    static const struct map_ops text_ops = {.eq = text_eq, .hash_of = text_hash_of};
    static const struct map_ops pairs_ops = {.eq = pairs_eq, .hash_of = pairs_hash_of};
    *t = (struct import_series){.bytes_max = bytes_max};
    t->arena = arena_new((size_t)bytes_max);
    t->labels = arena_new(LABEL_BYTES_MAX);
    t->symbols = symtab_new(bytes_max);
    map_init(&t->by_text, &text_ops, t);
    map_init(&t->by_pairs, &pairs_ops, t);
}

void import_series_fini(struct import_series *t)
{
    map_fini(&t->by_text);
    map_fini(&t->by_pairs);
    symtab_free(t->symbols);
    arena_free(t->arena);
    arena_free(t->labels);
    mem_free(t->texts);
    mem_free(t->rows);
    mem_free(t->sorted);
    *t = (struct import_series){0};
}

static bool fits(const struct import_series *t, struct error *e)
{
    const u64 bytes = arena_bytes(t->arena) + symtab_bytes(t->symbols) + map_bytes(&t->by_text) +
                      map_bytes(&t->by_pairs) + (u64)t->text_cap * sizeof(*t->texts) +
                      (u64)t->cap * sizeof(*t->rows);
    return (bytes <= t->bytes_max && !alloc_refused()) ||
           err_set(e, ERR_LIMIT, "the series need more than %llu bytes of memory",
                   (unsigned long long)t->bytes_max);
}

static bool pair_put(struct import_series *t, u32 *pair, str name, str value)
{
    pair[0] = symtab_intern(t->symbols, name);
    pair[1] = symtab_intern(t->symbols, value);
    return pair[0] != SYMBOL_NONE && pair[1] != SYMBOL_NONE;
}

// The pairs of the labels; in the arena only if they are new.
static u32 row_add(struct import_series *t, struct labels ls, struct error *e)
{
    u32 pairs[2 * (IMPORT_LABELS_MAX + 1)];
    char tenant[16];
    struct import_row r = {.pairs = pairs, .count = ls.count + 1, .number = t->count};
    bool ok = pair_put(t, pairs, STR_EMPTY, index_tenant(TENANT_DEFAULT, tenant));
    for (u32 i = 0; ok && i < ls.count; i++) {
        ok = pair_put(t, pairs + 2 * ((size_t)i + 1), ls.items[i].name, ls.items[i].value);
    }
    if (!ok || !fits(t, e)) {
        (void)err_set(e, ERR_LIMIT, "the series need more than %llu bytes of memory",
                      (unsigned long long)t->bytes_max);
        return IMPORT_NONE;
    }
    const u64 hash = pairs_hash(&r);
    const u32 known = map_get(&t->by_pairs, hash, &r);
    if (known != MAP_NONE) {
        return known;
    }
    r.pairs = arena_try(t->arena, (size_t)r.count * 2, sizeof(u32));
    if (!r.pairs) {
        (void)err_set(e, ERR_LIMIT, "the series need more than %llu bytes of memory",
                      (unsigned long long)t->bytes_max);
        return IMPORT_NONE;
    }
    memcpy(r.pairs, pairs, (size_t)r.count * 2 * sizeof(u32));
    if (t->count == t->cap) {
        t->cap = MAX(1024U, t->cap * 2);
        t->rows = MEM_GROW(t->rows, t->cap, struct import_row);
    }
    t->rows[t->count] = r;
    map_put(&t->by_pairs, hash, t->count);
    return t->count++;
}

bool import_series_add(struct import_series *t, struct tsdb_import_source *s,
                       const struct tsdb_import_sample *v, struct error *e)
{
    static const struct labels_limits limits = {.labels_max = IMPORT_LABELS_MAX};
    const u64 hash = hash_str(v->series);
    struct labels ls;
    if (map_get(&t->by_text, hash, &v->series) != MAP_NONE) {
        return true;
    }
    arena_reset(t->labels);
    if (!s->ops->labels(s, t->labels, &ls, e)) {
        return false;
    }
    struct error why = {0};
    if (!labels_check(ls, &limits, &why)) {
        return err_set(e, why.code, "%s:%u: %s", s->name, v->line, why.text);
    }
    const u32 series = row_add(t, ls, e);
    if (series == IMPORT_NONE) {
        return false;
    }
    if (t->text_count == t->text_cap) {
        t->text_cap = MAX(1024U, t->text_cap * 2);
        t->texts = MEM_GROW(t->texts, t->text_cap, struct import_text);
    }
    t->texts[t->text_count] = (struct import_text){.text = v->series, .series = series};
    map_put(&t->by_text, hash, t->text_count++);
    return true;
}

struct symbol_place {
    str text;
    u32 symbol;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const struct symbol_place *)a)->text, ((const struct symbol_place *)b)->text);
}

static int by_pairs(const void *a, const void *b)
{
    const struct import_row *x = a;
    const struct import_row *y = b;
    const u32 n = 2 * MIN(x->count, y->count);
    for (u32 i = 0; i < n; i++) {
        if (x->pairs[i] != y->pairs[i]) {
            return x->pairs[i] < y->pairs[i] ? -1 : 1;
        }
    }
    return x->count < y->count ? -1 : x->count > y->count;
}

// Numbers the symbols by their order and rewrites the pairs.
static void symbols_sort(struct import_series *t)
{
    const u32 n = symtab_count(t->symbols);
    struct symbol_place *all = MEM_NEW_N(struct symbol_place, n + 1ULL);
    u32 *order = MEM_NEW_N(u32, n + 1ULL);
    t->sorted = MEM_NEW_N(str, n + 1ULL);
    t->symbol_count = n;
    for (u32 i = 0; i < n; i++) {
        all[i] = (struct symbol_place){.text = symtab_get(t->symbols, i), .symbol = i};
    }
    if (n > 1) {
        qsort(all, n, sizeof(*all), by_text);
    }
    for (u32 i = 0; i < n; i++) {
        order[all[i].symbol] = i;
        t->sorted[i] = all[i].text;
    }
    for (u32 i = 0; i < t->count; i++) {
        for (u32 k = 0; k < 2 * t->rows[i].count; k++) {
            t->rows[i].pairs[k] = order[t->rows[i].pairs[k]];
        }
    }
    mem_free(all);
    mem_free(order);
}

void import_series_sort(struct import_series *t)
{
    map_fini(&t->by_pairs);
    t->by_pairs = (struct map){0};
    symbols_sort(t);
    if (t->count > 1) {
        qsort(t->rows, t->count, sizeof(*t->rows), by_pairs);
    }
    u32 *ranks = MEM_NEW_N(u32, t->count + 1ULL);
    for (u32 i = 0; i < t->count; i++) {
        ranks[t->rows[i].number] = i;
    }
    for (u32 i = 0; i < t->text_count; i++) {
        t->texts[i].series = ranks[t->texts[i].series];
    }
    mem_free(ranks);
}

u32 import_series_find(const struct import_series *t, str text)
{
    const u32 at = map_get(&t->by_text, hash_str(text), &text);
    return at == MAP_NONE ? IMPORT_NONE : t->texts[at].series;
}
