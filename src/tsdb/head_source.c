#include "tsdb/head_source.h"

#include "base/error.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/head_newest.h"
#include "tsdb/postings.h"

#define LABEL_SLICE 32U   // Series whose label symbols are copied per hold of the lock.
#define SURE_SLICE  4096U // Series looked at per hold of the lock.

#define PREFETCH_AHEAD 16U

static struct head *head_of(struct index_source *s)
{
    return CONTAINER_OF(s, struct head_source, source)->head;
}

static bool source_pair(struct index_source *s, str name, str value, u64 *handle)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    u32 at = head_index_pair(&h->index, name, value);
    *handle = at != MAP_NONE ? head_index_handle(&h->index, at) : 0;
    lock_drop(&h->lock);
    return at != MAP_NONE;
}

// The list of a name's pairs is copied in one go, so that a change between slices hides none.
static bool source_values(struct index_source *s, str name, str prefix, index_value_fn *fn,
                          void *ctx, UNUSED struct error *e)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    const struct head_name *n = head_index_name(&h->index, name);
    u32 count = n ? n->count : 0;
    u64 *handles = MEM_NEW_N(u64, (size_t)count + 1);
    u32 *symbols = MEM_NEW_N(u32, (size_t)count + 1);
    for (u32 i = 0; i < count; i++) {
        handles[i] = head_index_handle(&h->index, n->pairs[i]);
        symbols[i] = h->index.pairs[n->pairs[i]].value;
    }
    lock_drop(&h->lock);
    for (u32 i = 0; i < count; i++) {
        str value = symtab_get(h->index.symbols, symbols[i]);
        if (str_starts(value, prefix) && !fn(ctx, value, handles[i])) {
            break;
        }
    }
    mem_free(handles);
    mem_free(symbols);
    return true;
}

static u32 source_value_count(struct index_source *s, str name)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    const struct head_name *n = head_index_name(&h->index, name);
    u32 count = n ? n->count : 0;
    lock_drop(&h->lock);
    return count;
}

static bool source_names(struct index_source *s, index_value_fn *fn, void *ctx,
                         UNUSED struct error *e)
{
    struct head *h = head_of(s);
    bool more = true;
    for (u32 i = 0; more; i++) {
        lock_take(&h->lock);
        bool end = i >= h->index.name_count;
        bool live = !end && h->index.names[i].count > 0;
        str name = live ? symtab_get(h->index.symbols, h->index.names[i].symbol) : STR_EMPTY;
        lock_drop(&h->lock);
        more = !end && (name.len == 0 || fn(ctx, name, i));
    }
    return true;
}

static bool source_gather(struct index_source *s, const u64 *handles, u32 n, struct postings *into,
                          UNUSED struct error *e)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    for (u32 i = 0; i < n; i++) {
        const struct postings *set = head_index_postings(&h->index, handles[i]);
        if (set) {
            postings_or(into, set);
        }
    }
    lock_drop(&h->lock);
    return true;
}

static u64 source_weight(struct index_source *s, u64 handle)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    const struct postings *set = head_index_postings(&h->index, handle);
    u64 weight = set ? postings_count(set) : 0;
    lock_drop(&h->lock);
    return weight;
}

static bool source_narrow(struct index_source *s, u64 handle, struct postings *set,
                          UNUSED struct error *e)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    const struct postings *with = head_index_postings(&h->index, handle);
    if (!with) {
        postings_clear(set);                     // Its last series has left.
    } else if (postings_count(with) < h->live) { // Else all have it, as mostly the tenant.
        postings_and(set, with);
    }
    lock_drop(&h->lock);
    return true;
}

static bool source_touches(struct index_source *s, u64 handle, const struct postings *set,
                           bool *yes, UNUSED struct error *e)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    const struct postings *with = head_index_postings(&h->index, handle);
    *yes = with && postings_intersects(set, with);
    lock_drop(&h->lock);
    return true;
}

// Symbols of the labels of some series. Threads: owned by the call.
struct label_slice {
    u32 symbols[LABEL_SLICE * 2 * (HEAD_LABELS_MAX + 1)];
    u32 counts[LABEL_SLICE]; // Pairs; 0 = the series left.
};

static void slice_fill(struct head *h, const u32 *ordinals, u32 n, struct label_slice *slice)
{
    u32 *at = slice->symbols;
    lock_take(&h->lock);
    for (u32 i = 0; i < n; i++) {
        slice->counts[i] = head_live(h, ordinals[i]) ? head_label_symbols(h, ordinals[i], at) : 0;
        at += (size_t)2 * slice->counts[i];
    }
    lock_drop(&h->lock);
}

// Threads: owned by one call.
struct label_walk {
    const struct symtab *symbols;
    str name; // Empty: all.
    index_label_fn *fn;
    void *ctx;
};

// Name and value symbols of one series. false: the walk is to stop.
static bool labels_give(const struct label_walk *w, u32 at, const u32 *symbols, u32 count)
{
    bool more = true;
    for (u32 i = 0; more && i < count; i++) {
        struct label l = {.name = symtab_get(w->symbols, symbols[2 * (size_t)i])};
        if (l.name.len > 0 && (w->name.len == 0 || str_eq(l.name, w->name))) {
            l.value = symtab_get(w->symbols, symbols[2 * (size_t)i + 1]);
            more = w->fn(w->ctx, at, l);
        }
    }
    return more;
}

static bool source_labels(struct index_source *s, const struct index_wanted *wanted,
                          index_label_fn *fn, void *ctx, UNUSED struct error *e)
{
    struct head *h = head_of(s);
    const struct label_walk w = {
        .symbols = h->index.symbols, .name = wanted->name, .fn = fn, .ctx = ctx};
    struct label_slice *slice = MEM_NEW(struct label_slice);
    bool more = true;
    for (u32 from = 0; more && from < wanted->n; from += LABEL_SLICE) {
        u32 n = MIN(LABEL_SLICE, wanted->n - from);
        const u32 *at = slice->symbols;
        slice_fill(h, wanted->ordinals + from, n, slice);
        for (u32 i = 0; more && i < n; i++) {
            more = labels_give(&w, from + i, at, slice->counts[i]);
            at += (size_t)2 * slice->counts[i];
        }
    }
    mem_free(slice);
    return true;
}

static const struct index_ops head_ops = {
    .pair = source_pair,
    .values = source_values,
    .value_count = source_value_count,
    .names = source_names,
    .gather = source_gather,
    .weight = source_weight,
    .narrow = source_narrow,
    .touches = source_touches,
    .labels = source_labels,
};

void head_source_init(struct head_source *s, struct head *h)
{
    *s = (struct head_source){.source = {.ops = &head_ops}, .head = h};
}

void head_source_sure(const struct head_read *r, const struct tombstones *dead,
                      struct postings *set, struct postings *sure)
{
    struct head *h = r->head;
    const u64 count = postings_count(set);
    u32 *ordinals = MEM_GROW(NULL, count + 1, u32);
    u32 *known = MEM_GROW(NULL, count + 1, u32);
    u32 known_n = 0;
    u32 left = 0; // Those that have to be read move to the front.
    i64 t;
    f64 value;
    postings_list(set, ordinals);
    for (u64 from = 0; from < count; from += SURE_SLICE) {
        lock_take(&h->lock);
        const struct newest_look look = head_newest_look(r, dead);
        for (u64 i = from; i < count && i < from + SURE_SLICE; i++) {
            __builtin_prefetch(&look.rows[ordinals[MIN(i + PREFETCH_AHEAD, count - 1)]]);
            const enum newest_state s = head_newest_state(&look, ordinals[i], &t, &value);
            if (s == NEWEST_KNOWN) {
                known[known_n++] = ordinals[i];
            } else if (s == NEWEST_READ) {
                ordinals[left++] = ordinals[i];
            }
        }
        lock_drop(&h->lock);
    }
    postings_add_all(sure, known, known_n);
    postings_clear(set);
    postings_add_all(set, ordinals, left);
    mem_free(known);
    mem_free(ordinals);
}
