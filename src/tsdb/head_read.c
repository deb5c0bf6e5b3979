#include "tsdb/head_read.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/postings.h"

#define READ_SLICE 256U // Series copied per hold of the lock.
#define LABEL_KEPT 128U

static bool overlaps(const struct segment *s, u32 first, u32 last, i64 min_ms, i64 max_ms)
{
    return s->t[first] <= max_ms && s->t[last] >= min_ms;
}

// Pairs whose texts were asked for, at their number mod LABEL_KEPT: neighbours share most of them.
// Threads: guarded by the shard's lock; a number may get another meaning when that is dropped.
struct label_kept {
    u32 pairs[LABEL_KEPT];
    struct label labels[LABEL_KEPT];
};

// Threads: owned; kept is guarded by the shard's lock.
struct reading {
    const struct head_read *r;
    struct head_found *out;
    u32 *newest; // [series * window_count + window]
    struct label_kept *kept;
};

const struct box_store *head_boxes_of(const struct segment *s)
{
    return box_store_empty(&s->window->boxes) ? NULL : &s->window->boxes;
}

static void piece_add(struct head_pieces *p, const struct segment *segment, const struct sealed *c)
{
    if (p->n == p->cap) {
        p->cap = MAX(64U, p->cap * 2);
        p->items = MEM_GROW(p->items, p->cap, struct head_piece);
    }
    p->items[p->n++] = (struct head_piece){.segment = segment,
                                           .data = c->data,
                                           .bytes = c->bytes,
                                           .n = c->n,
                                           .first = c->first,
                                           .last = c->last};
}

// Finds the chunks of a series in a window that overlap, newest first. false: damage.
static bool chunks_find(struct head_pieces *p, const struct head_reach *x,
                        const struct head_window *w, u32 newest)
{
    const struct sealed *c;
    for (u32 at = newest; at != SEALED_NONE; at = c->older) {
        c = sealed_at(&w->sealed, at);
        if (!c) {
            return false;
        }
        const struct segment *segment = window_segment_at(w, c->segment);
        if (overlaps(segment, c->first, c->last, x->min_ms, x->max_ms)) {
            piece_add(p, segment, c);
        }
    }
    return true;
}

bool head_pieces_find(struct head_pieces *p, const struct head_reach *x,
                      const struct head_series *s, struct error *e)
{
    p->n = 0;
    for (u32 i = x->window_count; i > 0; i--) {
        if (!chunks_find(p, x, x->windows[i - 1], s->newest[i - 1])) {
            return sealed_damaged(e);
        }
    }
    for (u32 i = 0, k = p->n; i + 1 < k; i++) { // By time.
        const struct head_piece last = p->items[--k];
        p->items[k] = p->items[i];
        p->items[i] = last;
    }
    return true;
}

void head_pieces_fini(struct head_pieces *p)
{
    mem_free(p->items);
    *p = (struct head_pieces){.n = 0};
}

// With the lock.
static void reach_learn(const struct head_read *r, struct head_reach *x)
{
    const struct head *h = r->head;
    struct head_window **windows = ARENA_NEW_N(r->arena, struct head_window *, HEAD_WINDOWS_MAX);
    *x = (struct head_reach){.windows = windows, .min_ms = r->min_ms, .max_ms = r->max_ms};
    for (u32 i = 0; i < h->window_count; i++) {
        struct head_window *w = h->windows[i];
        if (w->start_ms <= r->max_ms && w->end_ms > r->min_ms) {
            windows[x->window_count++] = w;
        }
    }
}

static bool open_overlaps(const struct head_read *r, u32 ordinal)
{
    const struct open_chunk *o = &r->head->rows[ordinal].open;
    return o->segment && o->n > 0 && overlaps(o->segment, o->first, o->last, r->min_ms, r->max_ms);
}

static const struct head_open *open_copy(const struct head_read *r, u32 ordinal)
{
    const struct open_chunk *o = &r->head->rows[ordinal].open;
    struct head_open *p = arena_raw(r->arena, sizeof(*p) + o->bytes, 1);
    *p = (struct head_open){
        .segment = o->segment, .first = o->first, .last = o->last, .n = o->n, .bytes = o->bytes};
    open_chunk_copy(&r->head->cells, o, p->tokens);
    if (open_chunk_gaps(o)) { // Its rows are known only by reading it.
        f64 *values = ARENA_NEW_N(r->arena, f64, o->n);
        u8 *present = ARENA_NEW_N(r->arena, u8, PRESENCE_BYTES);
        const str tokens = {(const char *)p->tokens, p->bytes};
        open_tokens_decode(tokens, o->n, values, present, o->first);
        p->values = values;
        p->present = present;
    }
    return p;
}

// The late samples of one window that are in the range.
static void late_add(const struct head_read *r, const struct head_window *w,
                     const struct late_run *from, struct head_late *late)
{
    for (u32 k = 0; k < from->n; k++) {
        if (from->t[k] < r->min_ms || from->t[k] > r->max_ms) {
            continue;
        }
        if (late->boxes) {
            late->boxes[late->n] = &w->boxes;
        }
        late->t[late->n] = from->t[k];
        late->values[late->n++] = from->values[k];
    }
}

// NULL: there are none.
static const struct head_late *late_copy(const struct head_read *r, u32 ordinal)
{
    const struct head *h = r->head;
    u32 n = 0;
    bool boxed = false;
    for (u32 i = 0; i < h->window_count; i++) {
        const struct late_run *late = window_late(h->windows[i], ordinal);
        n += late ? late->n : 0;
        boxed = boxed || (late && !box_store_empty(&h->windows[i]->boxes));
    }
    if (n == 0) {
        return NULL;
    }
    struct head_late *late = ARENA_NEW(r->arena, struct head_late);
    late->t = ARENA_NEW_N(r->arena, i64, n);
    late->values = ARENA_NEW_N(r->arena, f64, n);
    late->boxes = boxed ? arena_alloc(r->arena, n, sizeof(void *)) : NULL;
    for (u32 i = 0; i < h->window_count; i++) {
        const struct late_run *from = window_late(h->windows[i], ordinal);
        if (from) {
            late_add(r, h->windows[i], from, late);
        }
    }
    return late->n > 0 ? late : NULL;
}

static void label_kept_forget(struct label_kept *kept)
{
    memset(kept->pairs, 0xff, sizeof(kept->pairs)); // None.
}

struct label_kept *label_kept_new(struct arena *a)
{
    struct label_kept *kept = ARENA_NEW(a, struct label_kept);
    label_kept_forget(kept);
    return kept;
}

struct labels head_read_labels(const struct head_read *r, struct label_kept *kept, u32 ordinal)
{
    const struct head *h = r->head;
    const struct head_index *x = &h->index;
    const u32 n = head_label_count(h, ordinal);
    struct label *items = arena_raw(r->arena, (size_t)n + 1, sizeof(*items));
    struct pair_walk w = head_parts_walk(&h->parts, h->target[ordinal], h->rows[ordinal].own - 1);
    (void)pair_walk_next(&w); // The tenant's.
    for (u32 i = 0; i < n; i++) {
        const u32 pair = pair_walk_next(&w);
        const u32 at = pair % LABEL_KEPT;
        if (kept->pairs[at] != pair) {
            const struct head_pair *p = &x->pairs[pair];
            kept->pairs[at] = pair;
            kept->labels[at] = (struct label){symtab_get(x->symbols, x->names[p->name].symbol),
                                              symtab_get(x->symbols, p->value)};
        }
        items[i] = kept->labels[at];
    }
    return (struct labels){.items = items, .count = n};
}

// With the lock: one more if it may have samples in the range. false: out of notes.
static bool series_copy(struct reading *x, u32 ordinal, struct error *e)
{
    const struct head_read *r = x->r;
    const struct head *h = r->head;
    const struct head_reach *reach = &x->out->reach;
    struct head_series *s = &x->out->series[x->out->count];
    u32 *newest = x->newest + (size_t)x->out->count * reach->window_count;
    u32 sealed = 0;
    for (u32 i = 0; i < reach->window_count; i++) {
        newest[i] = window_chunk(reach->windows[i], ordinal);
        sealed |= newest[i];
    }
    *s = (struct head_series){.ordinal = ordinal,
                              .newest = newest,
                              .late = late_copy(r, ordinal),
                              .open = open_overlaps(r, ordinal) ? open_copy(r, ordinal) : NULL};
    if (sealed == SEALED_NONE && !s->open && !s->late) {
        return true;
    }
    x->out->count++;
    s->labels = head_read_labels(r, x->kept, ordinal);
    struct pin_ask ask = {.commit = r->commit, .newest = h->note[ordinal], .ordinal = ordinal};
    return pins_hidden(&h->pins, &ask, r->arena, &s->hidden, e);
}

// What the lock would be held for longest is waiting for memory: rows of the series table, and the
// open cells of a series. So both are asked for some series ahead, before series `at` of n is read.
#define ROWS_AHEAD 16U
static void ahead_step(struct cells_ahead *a, const struct head *h, const u32 *ordinals, u32 at,
                       u32 n)
{
    if (n - at > ROWS_AHEAD) {
        __builtin_prefetch(&h->rows[ordinals[at + ROWS_AHEAD]].open);
    }
    cells_ahead_step(a, &h->cells, at,
                     n - at > CELLS_AHEAD ? &h->rows[ordinals[at + CELLS_AHEAD]].open : NULL);
}

// Some of the series, in one hold of the lock.
static bool slice_read(struct reading *x, const u32 *ordinals, u32 n, struct error *e)
{
    struct head *h = x->r->head;
    bool ok = true;
    struct cells_ahead ahead;
    cells_ahead_init(&ahead);
    label_kept_forget(x->kept);
    lock_take(&h->lock);
    for (u32 i = 0; ok && i < n; i++) {
        ahead_step(&ahead, h, ordinals, i, n);
        ok = !head_live(h, ordinals[i]) || series_copy(x, ordinals[i], e);
    }
    lock_drop(&h->lock);
    return ok;
}

bool head_read_series(const struct head_read *r, const struct postings *set, struct head_found *out,
                      struct error *e)
{
    struct head *h = r->head;
    const u64 count = postings_count(set);
    u32 *ordinals = ARENA_NEW_N(r->arena, u32, count + 1);
    struct head_found found = {.series = arena_alloc(r->arena, count + 1, sizeof(*found.series))};
    struct reading x = {.r = r, .out = &found, .kept = label_kept_new(r->arena)};
    bool ok = true;
    postings_list(set, ordinals);
    lock_take(&h->lock);
    reach_learn(r, &found.reach);
    lock_drop(&h->lock);
    x.newest = ARENA_NEW_N(r->arena, u32, (count + 1) * found.reach.window_count + 1);
    for (u64 from = 0; ok && from < count; from += READ_SLICE) {
        ok = slice_read(&x, ordinals + from, (u32)MIN(READ_SLICE, count - from), e);
    }
    if (ok) {
        *out = found;
    }
    return ok;
}
