#include "tsdb/head_values.h"

#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/head_newest.h"
#include "tsdb/postings.h"

#include <stdlib.h>
#include <string.h>

#define SORT_SLICE  4096U // Values that are sorted or merged between looks at the clock.
#define SURE_SLICE  4096U // Series of one value, and leaps to them, per hold of the lock.
#define FIRST_SLICE 64U   // Values whose first series is looked at per hold of it.
#define MISSED_MIN  512U  // Rows that are read before firsts are looked for again, and one a value.
#define LOST_COST   8U    // Of a value whose first has left, in rows.

// One value on its way to its place. Threads: owned by the call.
struct placed {
    str text;
    struct head_value value;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const struct placed *)a)->text, ((const struct placed *)b)->text);
}

// Two neighbours, each in order, into one.
static bool placed_merge(const struct placed *a, u32 a_count, const struct placed *b, u32 b_count,
                         struct placed *to, const struct head_values_pace *pace)
{
    u32 at = 0;
    u32 other = 0;
    while (at < a_count || other < b_count) {
        if ((at + other) % SORT_SLICE == 0 && !pace->go_on(pace->ctx)) {
            return false;
        }
        const bool first = other == b_count || (at < a_count && by_text(&a[at], &b[other]) <= 0);
        to[at + other] = first ? a[at] : b[other];
        at += first;
        other += !first;
    }
    return true;
}

// By slices, which are merged; both arrays have room for all, *items and *spare change places.
// false: there is no more time.
static bool placed_sort(struct placed **items, struct placed **spare, u32 n,
                        const struct head_values_pace *pace)
{
    for (u32 at = 0; at < n; at += MIN(SORT_SLICE, n - at)) {
        if (at > 0 && !pace->go_on(pace->ctx)) {
            return false;
        }
        qsort(*items + at, MIN(SORT_SLICE, n - at), sizeof(**items), by_text);
    }
    for (u64 width = SORT_SLICE; width < n; width *= 2) {
        for (u64 from = 0; from < n; from += 2 * width) {
            const u64 middle = MIN(from + width, n);
            const u64 end = MIN(middle + width, n);
            if (!placed_merge(*items + from, (u32)(middle - from), *items + middle,
                              (u32)(end - middle), *spare + from, pace)) {
                return false;
            }
        }
        struct placed *const merged = *spare;
        *spare = *items;
        *items = merged;
    }
    return true;
}

// false: there is no more time, and it is as it was.
static bool order_sort(const struct head *h, struct head_order *o,
                       const struct head_values_pace *pace)
{
    struct placed *items = MEM_NEW_N(struct placed, (size_t)o->count + 1);
    struct placed *spare = MEM_NEW_N(struct placed, (size_t)o->count + 1);
    for (u32 i = 0; i < o->count; i++) {
        items[i].value = o->items[i];
        symtab_texts(h->index.symbols, &o->items[i].place, 1, &items[i].text);
    }
    const bool sorted = placed_sort(&items, &spare, o->count, pace);
    for (u32 i = 0; sorted && i < o->count; i++) {
        o->items[i] = items[i].value;
    }
    mem_free(items);
    mem_free(spare);
    return sorted;
}

// With the lock: a series of the value, if that known has left, and the newest sample of it.
static void first_find(const struct head *h, struct head_value *v)
{
    f64 value;
    i64 t = T_NEVER;
    if (v->generation == 0 || v->first >= h->count ||
        h->rows[v->first].generation != v->generation) {
        const struct postings *of = head_index_postings(&h->index, v->handle);
        const bool found = of && postings_next(of, 0, &v->first);
        v->generation = found ? h->rows[v->first].generation : 0;
    }
    const struct head_row *row = v->generation != 0 ? &h->rows[v->first] : NULL;
    const bool known = row && head_row_newest(row, &t, &value) && !(row->open.flags & ROW_COLD);
    v->seen_ms = known ? t : T_NEVER;
}

// With the lock, for values of the order from one on.
static void firsts_slice(const struct head *h, struct head_order *o, u32 from)
{
    const u32 to = MIN(o->count, from + FIRST_SLICE);
    for (u32 i = from; i < to; i++) {
        if (o->items[i].first < h->count) {
            __builtin_prefetch(&h->rows[o->items[i].first]);
        }
    }
    for (u32 i = from; i < to; i++) {
        first_find(h, &o->items[i]);
    }
    o->removed = from == 0 ? h->removed_total : o->removed;
    o->commit = pins_commit_next(&h->pins);
}

// By slices of the lock; false: there is no more time.
static bool firsts_find(struct head *h, struct head_order *o, const struct head_values_pace *pace)
{
    for (u32 from = 0; from < o->count; from += FIRST_SLICE) {
        if (!pace->go_on(pace->ctx)) {
            o->commit = UINT64_MAX; // Nothing was seen of the others.
            return false;
        }
        lock_take(&h->lock);
        firsts_slice(h, o, from);
        lock_drop(&h->lock);
    }
    return true;
}

// With the lock: all values of a name.
static void order_fill(const struct head *h, const struct head_name *n, struct head_order *o)
{
    for (u32 i = 0; i < o->count; i++) {
        const u32 pair = n->pairs[i];
        o->items[i] = (struct head_value){
            .handle = head_index_handle(&h->index, pair),
            .place = symtab_place(h->index.symbols, h->index.pairs[pair].value)};
    }
}

// An order on its way. Threads: owned by the call.
struct order_made {
    struct head_order *order;
    u32 name; // MAP_NONE: there is no such.
    u32 changes;
    bool sorted;
    bool ready;
};

// What is kept, or what there is to make an order of.
static struct order_made order_begin(struct head *h, str name)
{
    struct order_made m = {.name = MAP_NONE};
    lock_take(&h->lock);
    const struct head_name *n = head_index_name(&h->index, name);
    m.sorted = n && n->order;
    m.ready = m.sorted && n->order->missed < MISSED_MIN + n->order->count;
    m.order = m.sorted ? head_order_ref(n->order) : head_order_new(n ? n->count : 0);
    if (n) {
        m.name = (u32)(n - h->index.names);
        m.changes = n->changes;
    }
    if (n && !m.sorted) {
        order_fill(h, n, m.order);
    }
    lock_drop(&h->lock);
    return m;
}

// One that is not kept yet, in place of one that is.
static struct head_order *order_copy(struct head_order *kept)
{
    struct head_order *o = head_order_new(kept->count);
    memcpy(o->items, kept->items, kept->count * sizeof(*o->items));
    head_order_unref(kept);
    return o;
}

struct head_order *head_values_get(struct head *h, str name, const struct head_values_pace *pace)
{
    struct order_made m = order_begin(h, name);
    if (m.ready || m.name == MAP_NONE) {
        return m.order;
    }
    if (m.sorted) {
        m.order = order_copy(m.order);
    } else if (!order_sort(h, m.order, pace)) {
        m.order->commit = UINT64_MAX; // Nothing was seen of any.
        return m.order;
    }
    if (firsts_find(h, m.order, pace)) {
        lock_take(&h->lock);
        (void)head_index_order_keep(&h->index, m.name, m.changes, m.order);
        lock_drop(&h->lock);
    }
    return m.order;
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

// With the lock: whether what was seen of a value's first series is in the range, for all values.
// Series may have left, samples may be too new for the reader or deleted: then for none.
static void seen_slice(const struct head_values_ask *a, const struct head_order *order,
                       const struct head_value *values, u32 n, bool *sure)
{
    const struct head_read *r = a->reader;
    const bool stands =
        !a->dead && order->removed == r->head->removed_total && order->commit <= r->commit;
    u32 firsts[HEAD_VALUES_MAX] = {0};
    if (!stands) {
        memset(sure, 0, n * sizeof(*sure));
        return;
    }
    for (u32 i = 0; i < n; i++) {
        firsts[i] = values[i].first;
    }
    postings_have(a->set, firsts, n, sure);
    for (u32 i = 0; i < n; i++) {
        const i64 t = values[i].seen_ms;
        sure[i] = sure[i] && t >= r->min_ms && t <= r->max_ms && t != T_NEVER;
    }
}

// With the lock: whether the newest sample of a value's first series is enough to tell.
static void kept_slice(const struct head_values_ask *a, struct head_order *order,
                       const struct head_value *values, u32 n, bool *sure)
{
    const struct newest_look look = head_newest_look(a->reader, a->dead);
    i64 t;
    f64 value;
    seen_slice(a, order, values, n, sure);
    for (u32 i = 0; i < n; i++) {
        if (!sure[i] && values[i].first < look.count) {
            __builtin_prefetch(&look.rows[values[i].first]);
        }
    }
    for (u32 i = 0; i < n; i++) {
        const u32 first = values[i].first;
        if (sure[i]) {
            continue;
        }
        const bool stands =
            first < look.count && look.rows[first].generation == values[i].generation;
        sure[i] = stands && postings_has(a->set, first) &&
                  head_newest_state(&look, first, &t, &value) == NEWEST_KNOWN;
        order->missed += stands ? sure[i] : LOST_COST;
    }
}

// The first of a value's series that count, and if need be the others.
static void rest_sure(const struct head_values_ask *ask, const struct head_value *values, u32 n,
                      bool *sure)
{
    struct head *h = ask->reader->head;
    struct first_series firsts[HEAD_VALUES_MAX];
    u64 handles[HEAD_VALUES_MAX];
    bool found[HEAD_VALUES_MAX];
    u32 at[HEAD_VALUES_MAX];
    u32 count = 0;
    u32 least = 0;
    (void)postings_next(ask->set, 0, &least);
    for (u32 i = 0; i < n; i++) {
        if (!sure[i]) {
            firsts[count] = (struct first_series){.ordinal = least};
            handles[count] = values[i].handle;
            at[count++] = i;
        }
    }
    for (u32 from = 0; from < count; from += FIRST_SLICE) {
        lock_take(&h->lock);
        first_slice(ask, handles + from, MIN(FIRST_SLICE, count - from), firsts + from,
                    found + from);
        lock_drop(&h->lock);
    }
    for (u32 i = 0; i < count; i++) {
        sure[at[i]] = found[i] || (firsts[i].walk != POSTINGS_END &&
                                   any_sure(ask, handles[i], firsts[i].ordinal));
    }
}

void head_values_sure(const struct head_values_ask *ask, struct head_order *order,
                      const struct head_value *values, u32 n, bool *sure)
{
    CHECK(n <= HEAD_VALUES_MAX);
    lock_take(&ask->reader->head->lock);
    kept_slice(ask, order, values, n, sure);
    lock_drop(&ask->reader->head->lock);
    bool all = true;
    for (u32 i = 0; i < n; i++) {
        all = all && sure[i];
    }
    if (!all) { // Mostly all are.
        rest_sure(ask, values, n, sure);
    }
}
