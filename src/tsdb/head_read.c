#include "tsdb/head_read.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/postings.h"

#define READ_SLICE 256U // Series copied per hold of the lock.

static bool overlaps(const struct segment *s, u32 first, u32 last, i64 min_ms, i64 max_ms)
{
    return s->t[first] <= max_ms && s->t[last] >= min_ms;
}

static u32 sealed_count(const struct head_read *r, u32 ordinal)
{
    u32 n = 0;
    for (u32 i = 0; i < r->head->window_count; i++) {
        const struct head_window *w = r->head->windows[i];
        if (w->start_ms > r->max_ms || w->end_ms <= r->min_ms) {
            continue;
        }
        for (const struct sealed *c = window_chunk(w, ordinal); c; c = c->older) {
            n += overlaps(c->segment, c->first, c->last, r->min_ms, r->max_ms);
        }
    }
    return n;
}

static void sealed_copy(const struct head_read *r, u32 ordinal, struct head_series *s)
{
    for (u32 i = 0; i < r->head->window_count; i++) {
        const struct head_window *w = r->head->windows[i];
        u32 from = s->piece_count;
        if (w->start_ms > r->max_ms || w->end_ms <= r->min_ms) {
            continue;
        }
        for (const struct sealed *c = window_chunk(w, ordinal); c; c = c->older) {
            if (!overlaps(c->segment, c->first, c->last, r->min_ms, r->max_ms)) {
                continue;
            }
            s->pieces[s->piece_count++] = (struct head_piece){.segment = c->segment,
                                                              .present = sealed_presence(c),
                                                              .packed = sealed_bytes(c),
                                                              .first = c->first,
                                                              .last = c->last,
                                                              .n = c->n};
        }
        for (u32 a = from, b = s->piece_count; a + 1 < b; a++, b--) { // Newest came first.
            struct head_piece swap = s->pieces[a];
            s->pieces[a] = s->pieces[b - 1];
            s->pieces[b - 1] = swap;
        }
    }
}

static bool open_overlaps(const struct head_read *r, u32 ordinal)
{
    const struct open_chunk *o = &r->head->open[ordinal];
    return o->segment && o->n > 0 && overlaps(o->segment, o->first, o->last, r->min_ms, r->max_ms);
}

static void open_copy(const struct head_read *r, u32 ordinal, struct head_series *s)
{
    const struct open_chunk *o = &r->head->open[ordinal];
    f64 *values = ARENA_NEW_N(r->arena, f64, o->n);
    u8 *present = NULL;
    memcpy(values, o->values, o->n * sizeof(f64));
    if (o->n != o->last - o->first + 1) {
        present = ARENA_NEW_N(r->arena, u8, PRESENCE_BYTES);
        memcpy(present, o->present, PRESENCE_BYTES);
    }
    s->pieces[s->piece_count++] = (struct head_piece){.segment = o->segment,
                                                      .present = present,
                                                      .values = values,
                                                      .first = o->first,
                                                      .last = o->last,
                                                      .n = o->n};
}

static void late_copy(const struct head_read *r, u32 ordinal, struct head_series *s)
{
    u32 n = 0;
    for (u32 i = 0; i < r->head->window_count; i++) {
        const struct late_run *late = window_late(r->head->windows[i], ordinal);
        n += late ? late->n : 0;
    }
    if (n == 0) {
        return;
    }
    s->late_t = ARENA_NEW_N(r->arena, i64, n);
    s->late_values = ARENA_NEW_N(r->arena, f64, n);
    for (u32 i = 0; i < r->head->window_count; i++) {
        const struct late_run *late = window_late(r->head->windows[i], ordinal);
        for (u32 k = 0; late && k < late->n; k++) {
            if (late->t[k] >= r->min_ms && late->t[k] <= r->max_ms) {
                s->late_t[s->late_n] = late->t[k];
                s->late_values[s->late_n++] = late->values[k];
            }
        }
    }
}

// With the lock. false: out of notes.
static bool series_copy(const struct head_read *r, u32 ordinal, struct head_series *s,
                        struct error *e)
{
    const struct head *h = r->head;
    u32 pieces = sealed_count(r, ordinal);
    bool open = open_overlaps(r, ordinal);
    *s = (struct head_series){.ordinal = ordinal};
    late_copy(r, ordinal, s);
    if (pieces == 0 && !open && s->late_n == 0) {
        return true;
    }
    s->pieces = ARENA_NEW_N(r->arena, struct head_piece, (size_t)pieces + 1);
    sealed_copy(r, ordinal, s);
    if (open) {
        open_copy(r, ordinal, s);
    }
    u32 labels = head_label_count(h, ordinal);
    s->labels = head_labels(h, ordinal, ARENA_NEW_N(r->arena, struct label, (size_t)labels + 1));
    struct pin_ask ask = {.commit = r->commit, .newest = h->note[ordinal], .ordinal = ordinal};
    return pins_hidden(&h->pins, &ask, r->arena, &s->hidden, e);
}

bool head_read_series(const struct head_read *r, const struct postings *set,
                      struct head_series **out, u32 *n, struct error *e)
{
    struct head *h = r->head;
    u64 count = postings_count(set);
    u32 *ordinals = ARENA_NEW_N(r->arena, u32, count + 1);
    struct head_series *series = arena_alloc(r->arena, count + 1, sizeof(*series));
    u32 kept = 0;
    postings_list(set, ordinals);
    for (u64 from = 0; from < count; from += READ_SLICE) {
        bool ok = true;
        lock_take(&h->lock);
        for (u64 i = from; ok && i < count && i < from + READ_SLICE; i++) {
            if (ordinals[i] < h->count && h->labels_at[ordinals[i]] != 0) {
                ok = series_copy(r, ordinals[i], &series[kept], e);
                kept += series[kept].piece_count > 0 || series[kept].late_n > 0;
            }
        }
        lock_drop(&h->lock);
        if (!ok) {
            return false;
        }
    }
    *out = series;
    *n = kept;
    return true;
}

static struct head *head_of(struct index_source *s)
{
    return CONTAINER_OF(s, struct head_source, source)->head;
}

static bool source_pair(struct index_source *s, str name, str value, u64 *handle)
{
    struct head *h = head_of(s);
    lock_take(&h->lock);
    u32 at = head_index_pair(&h->index, name, value);
    lock_drop(&h->lock);
    *handle = at;
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
    u32 *pairs = MEM_NEW_N(u32, (size_t)count + 1);
    u32 *symbols = MEM_NEW_N(u32, (size_t)count + 1);
    for (u32 i = 0; i < count; i++) {
        pairs[i] = n->pairs[i];
        symbols[i] = h->index.pairs[pairs[i]].value;
    }
    lock_drop(&h->lock);
    for (u32 i = 0; i < count; i++) {
        str value = symtab_get(h->index.symbols, symbols[i]);
        if (str_starts(value, prefix) && !fn(ctx, value, pairs[i])) {
            break;
        }
    }
    mem_free(pairs);
    mem_free(symbols);
    return true;
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
        const struct postings *set = h->index.pairs[handles[i]].set;
        if (set) {
            postings_or(into, set);
        }
    }
    lock_drop(&h->lock);
    return true;
}

static const struct index_ops head_ops = {
    .pair = source_pair,
    .values = source_values,
    .names = source_names,
    .gather = source_gather,
};

void head_source_init(struct head_source *s, struct head *h)
{
    *s = (struct head_source){.source = {.ops = &head_ops}, .head = h};
}
