#include "tsdb/head_window.h"

#include "base/arena.h"

#define ARENA_BYTES_MAX ((size_t)1 << 40) // Admission bounds the head, not the arena.

struct head_window *window_new(i64 start_ms, i64 end_ms)
{
    struct head_window *w = MEM_NEW(struct head_window);
    w->start_ms = start_ms;
    w->end_ms = end_ms;
    w->arena = arena_new(ARENA_BYTES_MAX);
    w->places = MEM_NEW_N(struct segment **, SEGMENT_PAGES);
    sealed_store_init(&w->sealed);
    return w;
}

void window_free(struct head_window *w)
{
    if (!w) {
        return;
    }
    for (u32 p = 0; p < w->chunk_pages; p++) {
        mem_free(w->chunks[p]);
    }
    for (u32 p = 0; p < w->late_pages; p++) {
        for (u32 i = 0; w->late[p] && i < WINDOW_PAGE; i++) {
            if (w->late[p][i]) {
                mem_free(w->late[p][i]->t);
                mem_free(w->late[p][i]->values);
                mem_free(w->late[p][i]);
            }
        }
        mem_free(w->late[p]);
    }
    for (u32 p = 0; p * SEGMENT_PAGE < w->segment_count; p++) {
        mem_free(w->places[p]);
    }
    mem_free(w->places);
    mem_free(w->chunks);
    mem_free(w->late);
    sealed_store_fini(&w->sealed);
    box_store_fini(&w->boxes);
    arena_free(w->arena);
    mem_free(w);
}

void window_remove(struct head_window *w)
{
    sealed_store_remove(&w->sealed);
    window_free(w);
}

u64 window_bytes(const struct head_window *w)
{
    return arena_bytes(w->arena) + w->late_bytes + sealed_store_bytes(&w->sealed) +
           (u64)w->chunk_pages * WINDOW_PAGE * sizeof(u32) +
           (u64)w->late_pages * WINDOW_PAGE * sizeof(void *) +
           (u64)w->segment_count * sizeof(void *);
}

struct segment *window_segment(struct head_window *w, u32 id, u32 group, u32 cap)
{
    CHECK(!w->frozen && cap > 0 && cap <= ROWS_MAX);
    u32 page = w->segment_count / SEGMENT_PAGE;
    CHECK(page < SEGMENT_PAGES);
    if (!w->places[page]) { // Not zeroed: what is never written to costs nothing.
        w->places[page] = MEM_GROW(NULL, SEGMENT_PAGE, struct segment *);
    }
    struct segment *s = arena_alloc(w->arena, 1, sizeof(*s) + cap * sizeof(i64));
    w->places[page][w->segment_count % SEGMENT_PAGE] = s;
    s->window = w;
    s->index = w->segment_count++;
    s->older = w->segments;
    s->id = id;
    s->group = group;
    s->cap = (u16)cap;
    w->segments = s;
    return s;
}

int segment_row(const struct segment *s, i64 t)
{
    u32 low = 0;
    u32 high = s->n;
    if (high > 0 && s->t[high - 1] == t) { // The usual case by far.
        return (int)high - 1;
    }
    while (low < high) {
        u32 mid = (low + high) / 2;
        if (s->t[mid] < t) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < s->n && s->t[low] == t ? (int)low : -1;
}

u32 window_chunk(const struct head_window *w, u32 ordinal)
{
    u32 page = ordinal / WINDOW_PAGE;
    return page < w->chunk_pages && w->chunks[page] ? w->chunks[page][ordinal % WINDOW_PAGE]
                                                    : SEALED_NONE;
}

u32 *window_chunk_place(struct head_window *w, u32 ordinal)
{
    u32 page = ordinal / WINDOW_PAGE;
    if (page >= w->chunk_pages) {
        u32 pages = page + 1 + page / 8;
        w->chunks = MEM_GROW(w->chunks, pages, u32 *);
        memset(w->chunks + w->chunk_pages, 0, (pages - w->chunk_pages) * sizeof(u32 *));
        w->chunk_pages = pages;
    }
    if (!w->chunks[page]) {
        w->chunks[page] = MEM_NEW_N(u32, WINDOW_PAGE);
    }
    return &w->chunks[page][ordinal % WINDOW_PAGE];
}

void window_seal(struct head_window *w, u32 ordinal, const struct window_chunk *c)
{
    CHECK(!w->frozen && c->segment->window == w && c->n > 0);
    u32 *place = window_chunk_place(w, ordinal);
    struct sealed_new s = {.segment = c->segment->index,
                           .packed = c->packed,
                           .present = c->present,
                           .older = *place,
                           .n = c->n,
                           .first = c->first,
                           .last = c->last};
    *place = sealed_add(&w->sealed, &s);
}

struct late_run *window_late(const struct head_window *w, u32 ordinal)
{
    u32 page = ordinal / WINDOW_PAGE;
    if (page >= w->late_pages || !w->late[page]) {
        return NULL;
    }
    return w->late[page][ordinal % WINDOW_PAGE];
}

void window_late_drop(struct head_window *w, u32 ordinal)
{
    struct late_run *r = window_late(w, ordinal);
    if (r) {
        w->late_bytes -= (u64)r->cap * 16;
        w->late[ordinal / WINDOW_PAGE][ordinal % WINDOW_PAGE] = NULL;
        mem_free(r->t);
        mem_free(r->values);
        mem_free(r);
    }
}

static struct late_run *late_make(struct head_window *w, u32 ordinal)
{
    u32 page = ordinal / WINDOW_PAGE;
    if (page >= w->late_pages) {
        w->late = MEM_GROW(w->late, page + 1, struct late_run **);
        for (u32 p = w->late_pages; p <= page; p++) {
            w->late[p] = NULL;
        }
        w->late_pages = page + 1;
    }
    if (!w->late[page]) {
        w->late[page] = MEM_NEW_N(struct late_run *, WINDOW_PAGE);
    }
    struct late_run **slot = &w->late[page][ordinal % WINDOW_PAGE];
    if (!*slot) {
        *slot = MEM_NEW(struct late_run);
    }
    return *slot;
}

bool window_late_add(struct head_window *w, u32 ordinal, i64 t, f64 value)
{
    CHECK(!w->frozen);
    struct late_run *r = late_make(w, ordinal);
    u32 at = r->n;
    while (at > 0 && r->t[at - 1] > t) {
        at--;
    }
    if (at > 0 && r->t[at - 1] == t) {
        return false;
    }
    if (r->n == r->cap) {
        u32 cap = MAX(4U, r->cap * 2);
        r->t = MEM_GROW(r->t, cap, i64);
        r->values = MEM_GROW(r->values, cap, f64);
        w->late_bytes += (u64)(cap - r->cap) * 16;
        r->cap = cap;
    }
    memmove(r->t + at + 1, r->t + at, (r->n - at) * sizeof(i64));
    memmove(r->values + at + 1, r->values + at, (r->n - at) * sizeof(f64));
    r->t[at] = t;
    r->values[at] = value;
    r->n++;
    return true;
}
