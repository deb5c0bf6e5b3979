#include "tsdb/head_values.h"

#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/head_newest.h"
#include "tsdb/postings.h"

#include <stdlib.h>

#define SURE_SLICE  4096U // Series of one value, and leaps to them, per hold of the lock.
#define FIRST_SLICE 64U   // Values whose first series is looked at per hold of it.

// One value on its way to its place. Threads: owned by the call.
struct placed {
    str text;
    u32 at;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const struct placed *)a)->text, ((const struct placed *)b)->text);
}

// Brings the list into order; places[i] tells where the i-th value stood.
static void values_sort(const struct head *h, struct head_values *v, u32 *places)
{
    struct placed *items = MEM_NEW_N(struct placed, (size_t)v->count + 1);
    u64 *handles = MEM_NEW_N(u64, (size_t)v->count + 1);
    u32 *symbols = MEM_NEW_N(u32, (size_t)v->count + 1);
    for (u32 i = 0; i < v->count; i++) {
        items[i] = (struct placed){head_values_text(h, v, i), i};
    }
    qsort(items, v->count, sizeof(*items), by_text);
    for (u32 i = 0; i < v->count; i++) {
        places[i] = items[i].at;
        handles[i] = v->handles[items[i].at];
        symbols[i] = v->symbols[items[i].at];
    }
    mem_free(items);
    head_values_fini(v);
    v->handles = handles;
    v->symbols = symbols;
}

// What the list was made of. Threads: owned by the call.
struct values_made {
    u32 name; // MAP_NONE: there is no such.
    u32 changes;
    bool ordered;
};

static struct values_made values_copy(struct head *h, str name, struct head_values *out)
{
    struct values_made made = {.name = MAP_NONE};
    lock_take(&h->lock);
    const struct head_name *n = head_index_name(&h->index, name);
    const u32 *pairs = n && n->order ? n->order : n ? n->pairs : NULL;
    out->count = n ? n->count : 0;
    out->handles = MEM_NEW_N(u64, (size_t)out->count + 1);
    out->symbols = MEM_NEW_N(u32, (size_t)out->count + 1);
    for (u32 i = 0; i < out->count; i++) {
        out->handles[i] = head_index_handle(&h->index, pairs[i]);
        out->symbols[i] = h->index.pairs[pairs[i]].value;
    }
    if (n) {
        made = (struct values_made){
            .name = (u32)(n - h->index.names), .changes = n->changes, .ordered = n->order != NULL};
    }
    lock_drop(&h->lock);
    return made;
}

void head_values_get(struct head *h, str name, struct head_values *out)
{
    const struct values_made made = values_copy(h, name, out);
    if (made.name == MAP_NONE || made.ordered) {
        return;
    }
    u32 *order = MEM_NEW_N(u32, (size_t)out->count + 1);
    values_sort(h, out, order);
    for (u32 i = 0; i < out->count; i++) {
        order[i] = (u32)out->handles[i];
    }
    lock_take(&h->lock);
    const bool kept = head_index_order_keep(&h->index, made.name, made.changes, order);
    lock_drop(&h->lock);
    if (!kept) {
        mem_free(order);
    }
}

void head_values_fini(struct head_values *v)
{
    mem_free(v->handles);
    mem_free(v->symbols);
    *v = (struct head_values){.count = v->count};
}

str head_values_text(const struct head *h, const struct head_values *v, u32 at)
{
    return symtab_get(h->index.symbols, v->symbols[at]);
}

// Threads: owned by the call.
struct sure_look {
    struct postings *unsure;
    u32 at;
    bool found;
};

// With the lock: looks at series from look->at on, as many as one hold of it may; false: there are
// no more.
static bool sure_slice(const struct head_values_ask *a, u64 handle, struct sure_look *look)
{
    const struct postings *with = head_index_postings(&a->reader->head->index, handle);
    const struct newest_look newest = head_newest_look(a->reader, a->dead);
    bool more = with != NULL;
    u32 leaps = SURE_SLICE;
    for (u32 i = 0; more && !look->found && i < SURE_SLICE; i++) {
        u32 ordinal;
        i64 t;
        f64 value;
        const enum postings_walk walk =
            postings_next_both(with, a->set, look->at, &leaps, &ordinal);
        if (walk != POSTINGS_BOTH) {
            look->at = walk == POSTINGS_LATER ? ordinal : look->at;
            return walk == POSTINGS_LATER;
        }
        const enum newest_state s = head_newest_state(&newest, ordinal, &t, &value);
        look->found = s == NEWEST_KNOWN;
        if (s == NEWEST_READ) {
            postings_add(look->unsure, ordinal);
        }
        more = ordinal < UINT32_MAX;
        look->at = ordinal + 1;
    }
    return more && !look->found;
}

// From an ordinal on, one series after the other.
static bool any_sure(const struct head_values_ask *a, u64 handle, u32 from)
{
    struct sure_look look = {.unsure = postings_new(), .at = from};
    bool more = true;
    while (more) {
        lock_take(&a->reader->head->lock);
        more = sure_slice(a, handle, &look);
        lock_drop(&a->reader->head->lock);
    }
    if (!look.found) {
        postings_or(a->unsure, look.unsure);
    }
    postings_free(look.unsure);
    return look.found;
}

// A value's first series that counts. Threads: owned by the call.
struct first_series {
    u32 ordinal; // Where to go on, if it is to be found later.
    enum postings_walk walk;
};

// With the lock: the first series of each value, found for all before the first is looked at, so
// that their rows come from memory side by side. What takes long is left for later.
static void first_slice(const struct head_values_ask *a, const u64 *handles, u32 n,
                        struct first_series *firsts, bool *sure)
{
    const struct head *h = a->reader->head;
    const struct newest_look look = head_newest_look(a->reader, a->dead);
    i64 t;
    f64 value;
    u32 leaps = SURE_SLICE;
    for (u32 i = 0; i < n; i++) {
        const struct postings *with = head_index_postings(&h->index, handles[i]);
        const u32 from = firsts[i].ordinal;
        firsts[i].walk = with ? postings_next_both(with, a->set, from, &leaps, &firsts[i].ordinal)
                              : POSTINGS_END;
        if (firsts[i].walk == POSTINGS_BOTH && firsts[i].ordinal < h->count) {
            __builtin_prefetch(&h->rows[firsts[i].ordinal]);
            __builtin_prefetch(&h->note[firsts[i].ordinal]);
        }
    }
    for (u32 i = 0; i < n; i++) {
        sure[i] = firsts[i].walk == POSTINGS_BOTH &&
                  head_newest_state(&look, firsts[i].ordinal, &t, &value) == NEWEST_KNOWN;
    }
}

void head_values_sure(const struct head_values_ask *ask, const u64 *handles, u32 n, bool *sure)
{
    struct head *h = ask->reader->head;
    struct first_series firsts[HEAD_VALUES_MAX];
    u32 least = 0;
    CHECK(n <= HEAD_VALUES_MAX);
    (void)postings_next(ask->set, 0, &least);
    for (u32 i = 0; i < n; i++) {
        firsts[i] = (struct first_series){.ordinal = least};
    }
    for (u32 from = 0; from < n; from += FIRST_SLICE) {
        lock_take(&h->lock);
        first_slice(ask, handles + from, MIN(FIRST_SLICE, n - from), firsts + from, sure + from);
        lock_drop(&h->lock);
    }
    for (u32 i = 0; i < n; i++) {
        sure[i] = sure[i] ||
                  (firsts[i].walk != POSTINGS_END && any_sure(ask, handles[i], firsts[i].ordinal));
    }
}
