#include "tsdb/exemplar_ring.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "storage/storage.h"

#include <stdlib.h>

#define HOUR_MS ((i64)3600000)

// Threads: guarded by the db's lock.
struct ring_entry {
    u32 series;
    u32 older;         // The series' entry before this one, if it has one still.
    struct exemplar x; // Its labels are one block of its own.
};

// Threads: guarded by the db's lock.
struct ring_series {
    struct tenant_id tenant;
    struct labels labels; // One block of its own.
    u32 count;            // Of its entries.
    u32 in_hour;          // Taken of the hour of the newest.
    u32 newest;           // Entry.
    u32 mark;             // Scratch of a query.
};

// Threads: owned by one look-up.
struct ring_key {
    struct tenant_id tenant;
    struct labels labels;
};

static u64 key_hash(struct tenant_id tenant, struct labels set)
{
    return hash_mix(tenant.v, labels_hash(set));
}

static bool series_eq(const void *ctx, u32 index, const void *key)
{
    const struct exemplar_ring *r = ctx;
    const struct ring_key *k = key;
    return r->series[index].tenant.v == k->tenant.v &&
           labels_eq(r->series[index].labels, k->labels);
}

static u64 series_hash(const void *ctx, u32 index)
{
    const struct exemplar_ring *r = ctx;
    return key_hash(r->series[index].tenant, r->series[index].labels);
}

static const struct map_ops ring_ops = {.eq = series_eq, .hash_of = series_hash};

void exemplar_ring_init(struct exemplar_ring *r)
{
    *r = (struct exemplar_ring){.bytes_max = EXEMPLAR_BYTES_MAX};
    map_init(&r->by_labels, &ring_ops, r);
}

void exemplar_ring_fini(struct exemplar_ring *r)
{
    for (u32 i = 0; i < r->count; i++) {
        mem_free(r->entries[(r->first + i) % EXEMPLARS_MAX].x.labels.items);
    }
    for (u32 i = 0; i < r->series_count; i++) {
        mem_free(r->series[i].labels.items);
    }
    mem_free(r->entries);
    mem_free(r->series);
    mem_free(r->free);
    map_fini(&r->by_labels);
}

static size_t text_bytes(struct labels ls)
{
    size_t n = 0;
    for (u32 i = 0; i < ls.count; i++) {
        n += ls.items[i].name.len + ls.items[i].value.len;
    }
    return n;
}

static size_t block_bytes(struct labels ls)
{
    return ls.count * sizeof(struct label) + text_bytes(ls) + 1;
}

static struct labels block_copy(struct labels ls)
{
    char *block = MEM_NEW_N(char, block_bytes(ls));
    struct label *items = (struct label *)(void *)block;
    char *text = block + ls.count * sizeof(*items);
    for (u32 i = 0; i < ls.count; i++) {
        const str parts[] = {ls.items[i].name, ls.items[i].value};
        str copies[2];
        for (u32 k = 0; k < 2; k++) {
            copies[k] = (str){text, parts[k].len};
            if (parts[k].len > 0) {
                memcpy(text, parts[k].ptr, parts[k].len);
            }
            text += parts[k].len;
        }
        items[i] = (struct label){copies[0], copies[1]};
    }
    return (struct labels){.items = items, .count = ls.count};
}

static u32 series_find(const struct exemplar_ring *r, struct tenant_id tenant, struct labels set)
{
    struct ring_key k = {tenant, set};
    return map_get(&r->by_labels, key_hash(tenant, set), &k);
}

bool exemplar_too_long(const struct exemplar *x)
{
    return text_bytes(x->labels) > EXEMPLAR_LABEL_MAX;
}

static i64 hour_of(i64 t)
{
    return t / HOUR_MS - (t % HOUR_MS < 0);
}

static bool exemplar_same(const struct exemplar *a, const struct exemplar *b)
{
    return a->t_ms == b->t_ms && bits_of_f64(a->value) == bits_of_f64(b->value) &&
           labels_eq(a->labels, b->labels);
}

// Whether the series has it. Exemplars of one time may come again in any order (a push that is
// retried, the log behind a checkpoint). They share an hour, so these are few.
static bool series_has(const struct exemplar_ring *r, const struct ring_series *s,
                       const struct exemplar *x)
{
    u32 at = s->newest;
    for (u32 i = 0; i < s->count && r->entries[at].x.t_ms == x->t_ms; i++) {
        if (exemplar_same(x, &r->entries[at].x)) {
            return true;
        }
        at = r->entries[at].older;
    }
    return false;
}

// The series' row if there is one, MAP_NONE else. false: it is not to be kept.
static bool judge(const struct exemplar_ring *r, struct tenant_id tenant, struct labels set,
                  const struct exemplar *x, u32 *at)
{
    *at = series_find(r, tenant, set);
    if (exemplar_too_long(x)) {
        return false;
    }
    if (*at == MAP_NONE) {
        return true;
    }
    const struct ring_series *s = &r->series[*at];
    const struct exemplar *newest = &r->entries[s->newest].x;
    if (x->t_ms < newest->t_ms || series_has(r, s, x)) {
        return false;
    }
    return hour_of(x->t_ms) != hour_of(newest->t_ms) || s->in_hour < EXEMPLARS_PER_HOUR;
}

bool exemplar_ring_takes(const struct exemplar_ring *r, struct tenant_id tenant, struct labels set,
                         const struct exemplar *x)
{
    u32 at;
    return judge(r, tenant, set, x, &at);
}

bool exemplar_ring_late(const struct exemplar_ring *r, struct tenant_id tenant, struct labels set,
                        const struct exemplar *x)
{
    const u32 at = series_find(r, tenant, set);
    return at != MAP_NONE && x->t_ms < r->entries[r->series[at].newest].x.t_ms;
}

static void oldest_drop(struct exemplar_ring *r)
{
    struct ring_entry *e = &r->entries[r->first];
    struct ring_series *s = &r->series[e->series];
    r->bytes -= block_bytes(e->x.labels);
    mem_free(e->x.labels.items);
    s->count--;
    if (s->count == 0) {
        struct ring_key k = {s->tenant, s->labels};
        CHECK(map_del(&r->by_labels, key_hash(s->tenant, s->labels), &k));
        r->bytes -= block_bytes(s->labels);
        mem_free(s->labels.items);
        s->labels = (struct labels){0};
        r->free[r->free_count++] = e->series;
    }
    r->first = (r->first + 1) % EXEMPLARS_MAX;
    r->count--;
    r->dropped++;
}

static u32 series_make(struct exemplar_ring *r, struct tenant_id tenant, struct labels set)
{
    u32 at = r->free_count > 0 ? r->free[--r->free_count] : r->series_count++;
    if (at == r->series_cap) {
        r->series_cap = MAX(64U, r->series_cap * 2);
        r->series = MEM_GROW(r->series, r->series_cap, struct ring_series);
        r->free = MEM_GROW(r->free, r->series_cap, u32);
    }
    r->series[at] = (struct ring_series){.tenant = tenant, .labels = block_copy(set)};
    r->bytes += block_bytes(set);
    map_put(&r->by_labels, key_hash(tenant, set), at);
    return at;
}

bool exemplar_ring_add(struct exemplar_ring *r, struct tenant_id tenant, struct labels set,
                       const struct exemplar *x)
{
    u32 at;
    const size_t bytes = block_bytes(set) + block_bytes(x->labels);
    if (bytes > r->bytes_max / 16 || !judge(r, tenant, set, x, &at)) {
        return false;
    }
    if (!r->entries) {
        r->entries = MEM_NEW_N(struct ring_entry, EXEMPLARS_MAX);
    }
    while (r->count == EXEMPLARS_MAX || (r->count > 0 && r->bytes + bytes > r->bytes_max)) {
        oldest_drop(r);
    }
    at = series_find(r, tenant, set); // What was dropped may have been its last.
    bool fresh = at == MAP_NONE;
    at = fresh ? series_make(r, tenant, set) : at;
    struct ring_series *s = &r->series[at];
    bool same_hour = !fresh && hour_of(x->t_ms) == hour_of(r->entries[s->newest].x.t_ms);
    s->in_hour = same_hour ? s->in_hour + 1 : 1;
    const u32 older = s->newest;
    s->newest = (r->first + r->count) % EXEMPLARS_MAX;
    s->count++;
    struct ring_entry *e = &r->entries[s->newest];
    *e = (struct ring_entry){.series = at, .older = older, .x = *x};
    e->x.labels = block_copy(x->labels);
    r->bytes += block_bytes(x->labels);
    r->count++;
    return true;
}

i64 exemplar_ring_oldest(const struct exemplar_ring *r)
{
    return r->entries[r->first].x.t_ms;
}

bool exemplar_ring_each(const struct exemplar_ring *r, u64 *from, exemplar_fn *fn, void *ctx)
{
    const u64 end = r->dropped + r->count;
    bool more = true;
    for (*from = MAX(*from, r->dropped); *from < end && more; ++*from) {
        u64 at = (r->first + (*from - r->dropped)) % EXEMPLARS_MAX;
        const struct ring_entry *e = &r->entries[at];
        const struct ring_series *s = &r->series[e->series];
        more = fn(ctx, s->tenant, s->labels, &e->x);
    }
    return *from >= end;
}

bool exemplar_ring_tenant(const struct exemplar_ring *r, u64 from, struct tenant_id *out)
{
    bool found = false;
    for (u32 i = 0; i < r->series_count; i++) {
        const struct tenant_id tenant = r->series[i].tenant;
        if (r->series[i].count > 0 && tenant.v >= from && (!found || tenant.v < out->v)) {
            *out = tenant;
            found = true;
        }
    }
    return found;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct exemplar_series *)a)->labels,
                      ((const struct exemplar_series *)b)->labels);
}

// Marks the series that match with the number of their exemplars in the range; how many those are.
static u32 series_mark(const struct exemplar_ring *r, const struct exemplar_ask *ask)
{
    u32 found = 0;
    for (u32 i = 0; i < r->series_count; i++) {
        r->series[i].mark = 0;
    }
    for (u32 i = 0; i < r->count; i++) {
        const struct ring_entry *e = &r->entries[(r->first + i) % EXEMPLARS_MAX];
        struct ring_series *s = &r->series[e->series];
        if (e->x.t_ms < ask->min_ms || e->x.t_ms > ask->max_ms || s->tenant.v != ask->tenant.v) {
            continue;
        }
        if (s->mark > 0 || matchers_match(ask->ms, ask->count, s->labels)) {
            found += s->mark == 0;
            s->mark++;
        }
    }
    return found;
}

bool exemplar_ring_find(const struct exemplar_ring *r, const struct exemplar_ask *ask,
                        struct arena *a, struct exemplar_series **out, u32 *n)
{
    const u32 found = series_mark(r, ask);
    struct exemplar_series *list = arena_try(a, (size_t)found + 1, sizeof(*list));
    struct exemplar **items = arena_try(a, (size_t)found + 1, sizeof(void *));
    u32 at = 0;
    for (u32 i = 0; list && items && i < r->series_count; i++) {
        struct ring_series *s = &r->series[i];
        if (s->mark == 0) {
            continue;
        }
        items[at] = arena_try(a, s->mark, sizeof(struct exemplar));
        if (!items[at]) {
            return false;
        }
        list[at] =
            (struct exemplar_series){.labels = labels_copy(a, s->labels), .exemplars = items[at]};
        s->mark = ++at; // From here on: its place in the list, + 1.
    }
    for (u32 i = 0; list && items && i < r->count; i++) {
        const struct ring_entry *e = &r->entries[(r->first + i) % EXEMPLARS_MAX];
        const u32 place = r->series[e->series].mark;
        if (place == 0 || e->x.t_ms < ask->min_ms || e->x.t_ms > ask->max_ms) {
            continue;
        }
        struct exemplar *x = &items[place - 1][list[place - 1].count++];
        *x = e->x;
        x->labels = labels_copy(a, e->x.labels);
    }
    if (list && found > 1) {
        qsort(list, found, sizeof(*list), by_labels);
    }
    *out = list;
    *n = found;
    return list && items;
}
