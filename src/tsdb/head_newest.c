#include "tsdb/head_newest.h"

#include "base/arena.h"
#include "base/str.h"
#include "tsdb/box.h"
#include "tsdb/tombstone.h"

#define PREFETCH_AHEAD 16U
#define LABELS_SLICE   256U // Series whose labels are copied per hold of the lock.

static bool is_deleted(const struct tombstones *dead, u32 ordinal, i64 t)
{
    u32 n = 0;
    const struct tombstone *of = tombstones_find(dead, ordinal, &n);
    for (u32 i = 0; i < n; i++) {
        if (t >= of[i].min_ms && t <= of[i].max_ms) {
            return true;
        }
    }
    return false;
}

struct newest_look head_newest_look(const struct head_read *r, const struct tombstones *dead)
{
    const struct head *h = r->head;
    return (struct newest_look){.rows = h->rows,
                                .count = h->count,
                                .all_plain = !dead && pins_none_after(&h->pins, r->commit),
                                .min_ms = r->min_ms,
                                .max_ms = r->max_ms,
                                .reader = r,
                                .dead = dead};
}

bool head_newest_there(const struct newest_look *l, u32 ordinal, i64 t)
{
    const struct head *h = l->reader->head;
    const struct pin_ask ask = {
        .commit = l->reader->commit, .newest = h->note[ordinal], .ordinal = ordinal};
    return pins_all_seen(&h->pins, &ask) && !(l->dead && is_deleted(l->dead, ordinal, t));
}

// The names wanted, as the index numbers them. Threads: owned by the call.
struct names_found {
    u32 *names;
    u32 count;
};

// With the lock: a name may come to be known between two holds of it.
static void names_find(const struct head *h, const struct newest_names *wanted,
                       struct names_found *out)
{
    out->count = 0;
    for (u32 i = 0; wanted->names && i < wanted->count; i++) {
        const struct head_name *n = head_index_name(&h->index, wanted->names[i]);
        if (n) {
            out->names[out->count++] = (u32)(n - h->index.names);
        }
    }
}

static bool names_have(const struct names_found *f, u32 name)
{
    for (u32 i = 0; i < f->count; i++) {
        if (f->names[i] == name) {
            return true;
        }
    }
    return false;
}

// With the lock: those of its labels that are wanted.
static struct labels labels_found(const struct head_read *r, const struct names_found *found,
                                  u32 ordinal)
{
    const struct head *h = r->head;
    const struct head_index *x = &h->index;
    const u32 n = head_label_count(h, ordinal);
    struct labels out = {.items = NULL};
    struct label *items = NULL;
    struct pair_walk w = head_parts_walk(&h->parts, h->target[ordinal], h->rows[ordinal].own - 1);
    (void)pair_walk_next(&w); // The tenant's.
    for (u32 i = 0; i < n && out.count < found->count; i++) {
        const struct head_pair *p = &x->pairs[pair_walk_next(&w)];
        if (names_have(found, p->name)) {
            items = items ? items : ARENA_NEW_N(r->arena, struct label, found->count);
            items[out.count++] = (struct label){symtab_get(x->symbols, x->names[p->name].symbol),
                                                symtab_get(x->symbols, p->value)};
        }
    }
    out.items = items;
    return out;
}

// With the lock: series [from, to) of the call.
static void slice_get(const struct head_read *r, const struct tombstones *dead, const u32 *ordinals,
                      u32 from, u32 to, struct head_newest *out)
{
    const struct newest_look look = head_newest_look(r, dead);
    for (u32 i = from; i < to; i++) {
        const u32 ahead = ordinals[MIN(i + PREFETCH_AHEAD, to - 1)];
        __builtin_prefetch(&look.rows[ahead]);
        const enum newest_state s =
            head_newest_state(&look, ordinals[i], &out->t_ms[i], &out->values[i]);
        out->states[i] = s == NEWEST_KNOWN && is_box(out->values[i]) ? NEWEST_READ : (u8)s;
    }
}

static void slice_labels(const struct head_read *r, const struct newest_names *wanted,
                         const u32 *ordinals, u32 from, u32 to, struct head_newest *out)
{
    struct label_kept *kept = wanted->names ? NULL : label_kept_new(r->arena);
    struct names_found found = {.names = ARENA_NEW_N(r->arena, u32, (size_t)wanted->count + 1)};
    names_find(r->head, wanted, &found);
    for (u32 i = from; i < to; i++) {
        if (out->states[i] == NEWEST_KNOWN) {
            out->labels[i] = wanted->names ? labels_found(r, &found, ordinals[i])
                                           : head_read_labels(r, kept, ordinals[i]);
        }
    }
}

void head_newest_get(const struct head_read *r, const struct tombstones *dead, const u32 *ordinals,
                     u32 n, const struct newest_names *wanted, struct head_newest *out)
{
    const u32 slice = wanted ? LABELS_SLICE : HEAD_NEWEST_MAX;
    CHECK(n <= HEAD_NEWEST_MAX);
    for (u32 from = 0; from < n; from += slice) {
        const u32 to = MIN(n, from + slice);
        lock_take(&r->head->lock);
        slice_get(r, dead, ordinals, from, to, out);
        if (wanted) {
            slice_labels(r, wanted, ordinals, from, to, out);
        }
        lock_drop(&r->head->lock);
    }
}
