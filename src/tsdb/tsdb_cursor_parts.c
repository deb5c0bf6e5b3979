// tsdb_cursor_parts.c: gathering: the parts of one series in a source, less what is not to be seen.
#include "base/arena.h"
#include "os/map_guard.h"
#include "tsdb/head.h"
#include "tsdb/head_read.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_cursor_inner.h"
#include "tsdb/tsdb_inner.h"

static struct part *part_add(struct tsdb_cursor *c)
{
    if (c->part_count == c->part_cap) {
        c->part_cap = MAX(16U, c->part_cap * 2);
        c->parts = MEM_GROW(c->parts, c->part_cap, struct part);
    }
    struct part *p = &c->parts[c->part_count++];
    *p = (struct part){0};
    return p;
}

// The first of rows [low, high) whose time is t or later; high if there is none.
static u32 first_at(const i64 *times, u32 low, u32 high, i64 t)
{
    while (low < high) {
        const u32 mid = low + (high - low) / 2;
        if (times[mid] < t) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

// Cuts rows [first, first + span) of a part to the range; drops it if nothing is left.
static void part_cut(struct tsdb_cursor *c, struct part *p, u32 span, i64 min_ms)
{
    u32 low = p->first;
    u32 high = p->first + span;
    if (span > 0 && p->t[low] < min_ms) {
        low = first_at(p->t, low, high, min_ms);
    }
    if (high > low && p->t[high - 1] > c->s.max_ms) {
        high = first_at(p->t, low, high, c->s.max_ms + 1); // It is not the last moment of all.
    }
    p->low = low;
    p->high = high;
    p->n = high - low;
    if (p->present) {
        p->n = 0;
        for (u32 row = low; row < high; row++) {
            p->n += cursor_part_has(p, row);
        }
    }
    if (p->n == 0) {
        c->part_count--;
    }
}

// Column ids: who (14 bits) · column (32) · first row (9) · rows (9).
#define ID_MAIN  ((u64)0)
#define ID_RULES ((u64)0x3fff << 50)
static u64 block_source_id(const struct block *b)
{
    return (u64)(1 + b->uid % 0x3ffd) << 50;
}

// Late samples of some windows, as values that refer to the cursor's boxes.
static const f64 *late_open(struct tsdb_cursor *c, const struct head_late *late)
{
    f64 *values = ARENA_NEW_N(c->series_arena, f64, late->n);
    memcpy(values, late->values, late->n * sizeof(f64));
    for (u32 i = 0; i < late->n && !c->failed; i++) {
        const u32 boxes = c->boxes.n;
        if (!box_store_open(late->boxes[i], &values[i], 1, &c->boxes)) {
            cursor_boxes_refuse(c);
        } else if (c->boxes.n > boxes) {
            cursor_boxes_charge(c, boxes);
        }
    }
    return values;
}

// A chunk of the head: what does not depend on whether it is open. Rows [first, last].
static void part_of_chunk(struct tsdb_cursor *c, struct part *p, const struct segment *segment,
                          u32 last, u64 source_id)
{
    p->t = segment->t;
    p->boxes = head_boxes_of(segment);
    p->boxed = p->boxes != NULL;
    c->any_boxed = c->any_boxed || p->boxed;
    p->column_id = p->present ? 0 : source_id | (u64)segment->id << 18;
    part_cut(c, p, last - p->first + 1, MAX(c->s.min_ms, c->s.pin->head_min));
}

static void part_of_open(struct tsdb_cursor *c, const struct head_open *o, u64 source_id)
{
    struct part *p = part_add(c);
    p->first = o->first;
    p->chunk_n = o->n;
    p->present = o->present;
    p->values = o->values;
    p->bytes = (str){(const char *)o->tokens, o->bytes};
    p->tokens = true;
    part_of_chunk(c, p, o->segment, o->last, source_id);
}

static void part_of_late(struct tsdb_cursor *c, const struct head_late *late)
{
    struct part *p = part_add(c);
    p->t = late->t;
    p->chunk_n = late->n;
    p->boxed = late->boxes != NULL && !c->s.no_data;
    p->values = p->boxed ? late_open(c, late) : late->values;
    c->any_boxed = c->any_boxed || p->boxed;
    part_cut(c, p, late->n, MAX(c->s.min_ms, c->s.pin->head_min));
}

static void parts_of_head(struct tsdb_cursor *c, const struct source *source,
                          const struct head_series *s)
{
    const u64 source_id = source->shard == SHARD_RULES ? ID_RULES : ID_MAIN;
    if (!head_pieces_find(&c->pieces, &source->reach, s, &c->error)) {
        c->failed = true;
        return;
    }
    for (u32 i = 0; i < c->pieces.n; i++) {
        const struct head_piece *h = &c->pieces.items[i];
        struct part *p = part_add(c);
        p->first = h->first;
        p->chunk_n = h->n;
        p->present = head_piece_presence(h);
        p->bytes = head_piece_bytes(h);
        p->mapped = true;
        p->holes = c->holes;
        part_of_chunk(c, p, h->segment, h->last, source_id);
    }
    if (s->open) {
        part_of_open(c, s->open, source_id);
    }
    if (s->late) {
        part_of_late(c, s->late);
    }
}

static void parts_of_block(struct tsdb_cursor *c, struct source *s, u32 ordinal)
{
    UNINIT struct error why; // Here and below: nothing is cleared for each of many series.
    const u64 holes = map_guard_holes();
    struct chunk_list list = block_reader_chunks(&s->reader, ordinal, c->series_arena, &why);
    if (list.missing) {
        cursor_miss(c, &why);
    }
    for (u32 i = 0; i < list.n; i++) {
        const struct chunk_rows *r = &list.items[i].rows;
        const struct column_times *times = block_reader_column(&s->reader, r->column, &why);
        const u32 rows = times ? times->n : 0;
        const u32 span = r->whole ? rows : r->span;
        if (!times) {
            cursor_miss(c, &why);
            continue;
        }
        if (r->first + span > rows) {
            cursor_warn_partial(c, "a chunk reaches beyond its timestamp column");
            continue;
        }
        struct part *p = part_add(c);
        p->t = times->t_ms;
        p->first = r->first;
        p->chunk_n = r->whole ? rows : r->n;
        p->present = r->present;
        p->present_base = r->first;
        p->bytes = list.items[i].packed;
        p->mapped = true;
        p->holes = holes;
        p->box_chunk = r->boxes;
        p->boxed = r->boxes;
        c->any_boxed = c->any_boxed || p->boxed;
        p->column_id = r->present ? 0 : block_source_id(s->reader.block) | (u64)times->id << 18;
        part_cut(c, p, span, c->s.min_ms);
    }
}

static bool is_hidden(const i64 *hidden, u32 n, i64 t)
{
    for (u32 i = 0; i < n; i++) {
        if (hidden[i] == t) {
            return true;
        }
    }
    return false;
}

// What of a series in one source is not to be seen. Threads: owned.
struct veil {
    const i64 *hidden; // Came after the pin.
    u32 hidden_n;
    const struct tombstone *dead;
    u32 dead_n;
};

static bool veil_covers(const struct veil *v, i64 t)
{
    for (u32 i = 0; i < v->dead_n; i++) {
        if (t >= v->dead[i].min_ms && t <= v->dead[i].max_ms) {
            return true;
        }
    }
    return is_hidden(v->hidden, v->hidden_n, t);
}

static bool veil_meets(const struct veil *v, const struct part *p)
{
    bool meets = v->hidden_n > 0;
    for (u32 i = 0; i < v->dead_n; i++) {
        meets =
            meets || (v->dead[i].min_ms <= p->t[p->high - 1] && v->dead[i].max_ms >= p->t[p->low]);
    }
    return meets;
}

// Takes it out of the parts from `from` on.
static void parts_hide(struct tsdb_cursor *c, u32 from, const struct veil *v)
{
    u32 kept = from;
    for (u32 i = from; i < c->part_count && !c->failed; i++) {
        struct part *p = &c->parts[i];
        if (!veil_meets(v, p)) {
            c->parts[kept++] = *p;
            continue;
        }
        i64 *t = ARENA_NEW_N(c->series_arena, i64, p->n);
        f64 *values = ARENA_NEW_N(c->series_arena, f64, p->n);
        u32 got = cursor_part_copy(c, p, t, values);
        u32 n = 0;
        for (u32 k = 0; k < got; k++) {
            if (!veil_covers(v, t[k])) {
                t[n] = t[k];
                values[n++] = values[k];
            }
        }
        if (n > 0) {
            c->parts[kept++] = (struct part){
                .t = t, .high = n, .chunk_n = n, .n = n, .values = values, .boxed = c->any_boxed};
        }
    }
    c->part_count = kept;
}

void cursor_source_parts(struct tsdb_cursor *c, struct source *s, u32 at)
{
    const struct head_series *series = s->is_block ? NULL : &s->series[at];
    struct veil v = {0};
    u32 from = c->part_count;
    if (series) {
        parts_of_head(c, s, series);
        v.hidden = series->hidden.t;
        v.hidden_n = series->hidden.n;
    } else {
        parts_of_block(c, s, s->ordinals[at]);
    }
    v.dead = tombstones_find(s->dead, series ? series->ordinal : s->ordinals[at], &v.dead_n);
    if (v.hidden_n > 0 || v.dead_n > 0) {
        parts_hide(c, from, &v);
    }
}
