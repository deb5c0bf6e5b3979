// index_source.c: a block's index as a source of index_select.
#include "base/error.h"
#include "base/str.h"
#include "tsdb/index_file.h"
#include "tsdb/postings.h"

#define PAIRS_MAX 1024U // Of one series.

// The first symbol that is not below text; symbol_count if none.
static u32 symbol_lower(struct symbol_reader *r, str text)
{
    u32 low = 0;
    u32 high = (r->index->symbol_count + INDEX_RESTART - 1) / INDEX_RESTART;
    str found;
    while (low < high) { // The last restart below text.
        u32 mid = (low + high) / 2;
        if (!symbol_read(r, mid * INDEX_RESTART, &found, NULL)) {
            return r->index->symbol_count;
        }
        if (str_cmp(found, text) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    u32 at = low == 0 ? 0 : (low - 1) * INDEX_RESTART;
    while (at < r->index->symbol_count && symbol_read(r, at, &found, NULL) &&
           str_cmp(found, text) < 0) {
        at++;
    }
    return at;
}

// The index of a symbol's entry in [from, to) of a table; to if absent, unless lower is wanted.
static u32 entry_find(str table, u32 from, u32 to, u32 symbol, bool lower)
{
    u32 end = to;
    while (from < to) {
        u32 mid = from + (to - from) / 2;
        if (index_entry_at(table, mid).symbol < symbol) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return lower || (from < end && index_entry_at(table, from).symbol == symbol) ? from : end;
}

static struct index_file *file_of(struct index_source *s)
{
    return CONTAINER_OF(s, struct index_file, source);
}

static bool name_find(struct index_file *x, struct symbol_reader *r, str name,
                      struct index_entry *out)
{
    u32 symbol = symbol_lower(r, name);
    str text;
    if (symbol == x->symbol_count || !symbol_read(r, symbol, &text, NULL) || !str_eq(text, name)) {
        return false;
    }
    u32 at = entry_find(x->sections[INDEX_NAMES], 0, x->name_count, symbol, false);
    if (at == x->name_count) {
        return false;
    }
    *out = index_entry_at(x->sections[INDEX_NAMES], at);
    return true;
}

static bool file_pair(struct index_source *s, str name, str value, u64 *handle)
{
    struct index_file *x = file_of(s);
    struct symbol_reader r;
    struct index_entry n;
    str text;
    bool found = false;
    symbol_reader_init(&r, x);
    if (name_find(x, &r, name, &n)) {
        u32 symbol = symbol_lower(&r, value);
        u32 to = (u32)n.first + n.count;
        if (symbol < x->symbol_count && symbol_read(&r, symbol, &text, NULL) &&
            str_eq(text, value)) {
            u32 at = entry_find(x->sections[INDEX_VALUES], (u32)n.first, to, symbol, false);
            found = at < to;
            *handle = at;
        }
    }
    symbol_reader_fini(&r);
    return found;
}

static bool file_values(struct index_source *s, str name, str prefix, index_value_fn *fn, void *ctx,
                        struct error *e)
{
    struct index_file *x = file_of(s);
    struct symbol_reader r;
    struct index_entry n;
    bool ok = true;
    symbol_reader_init(&r, x);
    if (name_find(x, &r, name, &n)) {
        u32 at = (u32)n.first;
        u32 to = at + n.count;
        if (prefix.len > 0) {
            at = entry_find(x->sections[INDEX_VALUES], at, to, symbol_lower(&r, prefix), true);
        }
        bool more = true;
        for (; ok && more && at < to; at++) {
            str text = STR_EMPTY;
            ok = symbol_read(&r, index_entry_at(x->sections[INDEX_VALUES], at).symbol, &text, e);
            more = ok && (prefix.len == 0 || str_starts(text, prefix)) && fn(ctx, text, at);
        }
    }
    symbol_reader_fini(&r);
    return ok;
}

static bool file_names(struct index_source *s, index_value_fn *fn, void *ctx, struct error *e)
{
    struct index_file *x = file_of(s);
    struct symbol_reader r;
    bool ok = true;
    symbol_reader_init(&r, x);
    bool more = true;
    for (u32 i = 0; ok && more && i < x->name_count; i++) {
        str text = STR_EMPTY;
        ok = symbol_read(&r, index_entry_at(x->sections[INDEX_NAMES], i).symbol, &text, e);
        more = ok && (text.len == 0 || fn(ctx, text, i));
    }
    symbol_reader_fini(&r);
    return ok;
}

static u32 file_value_count(struct index_source *s, str name)
{
    struct index_file *x = file_of(s);
    struct symbol_reader r;
    struct index_entry n = {0};
    symbol_reader_init(&r, x);
    (void)name_find(x, &r, name, &n);
    symbol_reader_fini(&r);
    return n.count;
}

// A set of n ordinals takes about two bytes each.
static u64 file_weight(struct index_source *s, u64 handle)
{
    return index_entry_at(file_of(s)->sections[INDEX_VALUES], (u32)handle).count / 2;
}

static struct postings *file_postings(const struct index_file *x, u64 handle, struct error *e)
{
    struct index_entry v = index_entry_at(x->sections[INDEX_VALUES], (u32)handle);
    return postings_decode(str_sub(x->sections[INDEX_POSTINGS], v.first, v.first + v.count),
                           x->series_count, e);
}

static bool file_gather(struct index_source *s, const u64 *handles, u32 n, struct postings *into,
                        struct error *e)
{
    for (u32 i = 0; i < n; i++) {
        struct postings *p = file_postings(file_of(s), handles[i], e);
        if (!p) {
            return false;
        }
        postings_or(into, p);
        postings_free(p);
    }
    return true;
}

static bool file_narrow(struct index_source *s, u64 handle, struct postings *set, struct error *e)
{
    struct postings *p = file_postings(file_of(s), handle, e);
    if (!p) {
        return false;
    }
    postings_and(set, p);
    postings_free(p);
    return true;
}

static bool file_touches(struct index_source *s, u64 handle, const struct postings *set, bool *yes,
                         struct error *e)
{
    struct postings *p = file_postings(file_of(s), handle, e);
    if (!p) {
        return false;
    }
    *yes = postings_intersects(set, p);
    postings_free(p);
    return true;
}

// Names and values have a reader each: what one gave lives until it is asked again. Threads: owned
// by one call.
struct label_walk {
    struct symbol_reader names;
    struct symbol_reader values;
    bool one;   // Only the name below is wanted.
    u32 symbol; // Of that name.
    index_label_fn *fn;
    void *ctx;
    bool more;
    u32 pairs[2 * PAIRS_MAX];
};

static bool series_labels(struct label_walk *w, u32 at, u32 ordinal, struct error *e)
{
    u32 n;
    if (!index_file_pairs(w->names.index, ordinal, w->pairs, PAIRS_MAX, &n, e)) {
        return false;
    }
    for (u32 i = 0; w->more && i < n; i++) {
        struct label l;
        if (w->one && w->pairs[2 * (size_t)i] != w->symbol) {
            continue;
        }
        if (!symbol_read(&w->names, w->pairs[2 * (size_t)i], &l.name, e) ||
            !symbol_read(&w->values, w->pairs[2 * (size_t)i + 1], &l.value, e)) {
            return false;
        }
        if (l.name.len > 0) { // Else it is the tenant's.
            w->more = w->fn(w->ctx, at, l);
        }
    }
    return true;
}

static bool file_labels(struct index_source *s, const struct index_wanted *wanted,
                        index_label_fn *fn, void *ctx, struct error *e)
{
    struct index_file *x = file_of(s);
    struct label_walk *w = MEM_NEW(struct label_walk);
    bool ok = true;
    symbol_reader_init(&w->names, x);
    symbol_reader_init(&w->values, x);
    w->fn = fn;
    w->ctx = ctx;
    w->more = true;
    if (wanted->name.len > 0) {
        struct index_entry name;
        w->one = true;
        w->more = name_find(x, &w->names, wanted->name, &name);
        w->symbol = w->more ? name.symbol : 0;
    }
    for (u32 i = 0; ok && w->more && i < wanted->n; i++) {
        ok = series_labels(w, i, wanted->ordinals[i], e);
    }
    symbol_reader_fini(&w->names);
    symbol_reader_fini(&w->values);
    mem_free(w);
    return ok;
}

static bool file_whole(struct index_source *s, struct error *e)
{
    return index_file_whole(file_of(s), e);
}

const struct index_ops index_file_ops = {
    .pair = file_pair,
    .values = file_values,
    .value_count = file_value_count,
    .names = file_names,
    .gather = file_gather,
    .weight = file_weight,
    .narrow = file_narrow,
    .touches = file_touches,
    .whole = file_whole,
    .labels = file_labels,
};
