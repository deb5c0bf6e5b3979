#include "tsdb/head_window.h"

#include "base/arena.h"
#include "base/buf.h"
#include "tsdb/chunk_pack.h"

#define ARENA_BYTES_MAX  ((size_t)1 << 40) // Admission bounds the head, not the arena.
#define SEALED_BYTES_MAX ((size_t)ROWS_MAX * 16 + 64)

struct head_window *window_new(i64 start_ms, i64 end_ms)
{
    struct head_window *w = MEM_NEW(struct head_window);
    w->start_ms = start_ms;
    w->end_ms = end_ms;
    w->arena = arena_new(ARENA_BYTES_MAX);
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
    mem_free(w->chunks);
    mem_free(w->late);
    arena_free(w->arena);
    mem_free(w);
}

u64 window_bytes(const struct head_window *w)
{
    return arena_bytes(w->arena) + w->late_bytes +
           (u64)(w->chunk_pages + w->late_pages) * WINDOW_PAGE * sizeof(void *);
}

struct segment *window_segment(struct head_window *w, u32 id, u32 group, u32 cap)
{
    CHECK(!w->frozen && cap > 0 && cap <= ROWS_MAX);
    struct segment *s = arena_alloc(w->arena, 1, sizeof(*s) + cap * sizeof(i64));
    s->window = w;
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

struct sealed *window_chunk(const struct head_window *w, u32 ordinal)
{
    u32 page = ordinal / WINDOW_PAGE;
    if (page >= w->chunk_pages || !w->chunks[page]) {
        return NULL;
    }
    return w->chunks[page][ordinal % WINDOW_PAGE];
}

const u8 *sealed_presence(const struct sealed *c)
{
    return c->n == c->last - c->first + 1 ? NULL : c->data;
}

str sealed_bytes(const struct sealed *c)
{
    size_t skip = sealed_presence(c) ? PRESENCE_BYTES : 0;
    return (str){(const char *)c->data + skip, c->bytes};
}

static void chunk_put(struct head_window *w, u32 ordinal, struct sealed *c)
{
    u32 page = ordinal / WINDOW_PAGE;
    if (page >= w->chunk_pages) {
        w->chunks = MEM_GROW(w->chunks, page + 1, struct sealed **);
        for (u32 p = w->chunk_pages; p <= page; p++) {
            w->chunks[p] = NULL;
        }
        w->chunk_pages = page + 1;
    }
    if (!w->chunks[page]) {
        w->chunks[page] = MEM_NEW_N(struct sealed *, WINDOW_PAGE);
    }
    c->older = w->chunks[page][ordinal % WINDOW_PAGE];
    w->chunks[page][ordinal % WINDOW_PAGE] = c;
    w->chunk_count++;
}

void window_seal(struct head_window *w, u32 ordinal, const struct open_chunk *open)
{
    CHECK(!w->frozen && open->segment && open->segment->window == w && open->n > 0);
    struct buf packed;
    buf_init(&packed, SEALED_BYTES_MAX);
    chunk_pack_encode(open->values, open->n, &packed);
    CHECK(buf_ok(&packed));
    size_t skip = open->n == open->last - open->first + 1 ? 0 : PRESENCE_BYTES;
    struct sealed *c = arena_alloc(w->arena, 1, sizeof(*c) + skip + packed.len);
    c->segment = open->segment;
    c->n = open->n;
    c->first = open->first;
    c->last = open->last;
    c->bytes = (u32)packed.len;
    memcpy(c->data, open->present, skip);
    memcpy(c->data + skip, packed.bytes, packed.len);
    buf_fini(&packed);
    chunk_put(w, ordinal, c);
}

struct late_run *window_late(const struct head_window *w, u32 ordinal)
{
    u32 page = ordinal / WINDOW_PAGE;
    if (page >= w->late_pages || !w->late[page]) {
        return NULL;
    }
    return w->late[page][ordinal % WINDOW_PAGE];
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

void slabs_init(struct value_slabs *s)
{
    *s = (struct value_slabs){.arena = arena_new(ARENA_BYTES_MAX)};
}

void slabs_fini(struct value_slabs *s)
{
    arena_free(s->arena);
    *s = (struct value_slabs){0};
}

static f64 *slab_take(struct value_slabs *s, u32 class)
{
    f64 *p = s->free[class];
    if (p) {
        memcpy(&s->free[class], p, sizeof(f64 *));
        return p;
    }
    return ARENA_NEW_N(s->arena, f64, (size_t)8 << class);
}

static void slab_give(struct value_slabs *s, u32 class, f64 *p)
{
    memcpy(p, &s->free[class], sizeof(f64 *));
    s->free[class] = p;
}

void open_chunk_add(struct value_slabs *s, struct open_chunk *o, u32 row, f64 value)
{
    DCHECK(row < ROWS_MAX && (o->n == 0 || row > o->last));
    if (!o->values) {
        o->cap = 0;
        o->values = slab_take(s, 0);
        o->first = (u8)row;
    } else if (o->n == 8U << o->cap) {
        f64 *wider = slab_take(s, o->cap + 1U);
        memcpy(wider, o->values, o->n * sizeof(f64));
        slab_give(s, o->cap, o->values);
        o->values = wider;
        o->cap++;
    }
    o->values[o->n++] = value;
    o->last = (u8)row;
    o->present[row / 8] |= (u8)(1U << (row % 8));
}

void open_chunk_reset(struct value_slabs *s, struct open_chunk *o)
{
    if (o->values) {
        slab_give(s, o->cap, o->values);
    }
    *o = (struct open_chunk){0};
}
