#include "tsdb/compact_column.h"

#include "base/arena.h"
#include "base/error.h"
#include "tsdb/block_page.h"
#include "tsdb/box_chunk.h"
#include "tsdb/compact_merge.h"

#include <stdlib.h>

// As in a cut: a chunk has BOX_WEIGHT_MAX of boxes, or one that is larger.
#define OPENED_MAX ((size_t)8 << 20)
// What a chunk of PAGE_BYTES_MAX decodes to at most, whoever wrote it: two bytes of a column tell
// as many values as its run has samples, and a run has 65,536 buckets.
#define DECODED_MAX ((size_t)64 << 20)

void compact_columns_init(struct compact_columns *c, struct data_writer *data,
                          struct compact_source *sources, u64 bytes_max)
{
    *c = (struct compact_columns){.data = data, .sources = sources, .bytes_max = bytes_max};
    c->arena = arena_new(bytes_max);
    c->boxes.arena = arena_new(OPENED_MAX);
    c->decoded.arena = arena_new(DECODED_MAX);
}

void compact_columns_fini(struct compact_columns *c)
{
    arena_free(c->arena);
    arena_free(c->boxes.arena);
    arena_free(c->decoded.arena);
    mem_free(c->parts);
    mem_free(c->cuts);
    mem_free(c->rows);
    *c = (struct compact_columns){0};
}

u64 compact_columns_bytes(const struct compact_columns *c)
{
    return arena_bytes(c->arena) + arena_bytes(c->boxes.arena) + arena_bytes(c->decoded.arena) +
           c->lane_bytes + (u64)c->part_cap * sizeof(*c->parts) +
           (u64)c->rows_cap * sizeof(*c->rows);
}

bool compact_columns_fit(const struct compact_columns *c, struct error *e)
{
    return compact_columns_bytes(c) <= c->bytes_max ||
           err_set(e, ERR_LIMIT, "one series needs more than %llu bytes of memory",
                   (unsigned long long)c->bytes_max);
}

void compact_series_begin(struct compact_columns *c)
{
    c->part_count = 0;
    c->cut_count = 0;
    arena_reset(c->arena);
}

void compact_series_cut(struct compact_columns *c, struct compact_cut cut)
{
    if (c->cut_count == c->cut_cap) {
        c->cut_cap = MAX(16U, c->cut_cap * 2);
        c->cuts = MEM_GROW(c->cuts, c->cut_cap, struct compact_cut);
    }
    c->cuts[c->cut_count++] = cut;
}

bool compact_is_out(const struct compact_columns *c, u32 source, i64 t)
{
    for (u32 i = 0; i < c->cut_count; i++) {
        if (c->cuts[i].source == source && t >= c->cuts[i].min_ms && t <= c->cuts[i].max_ms) {
            return true;
        }
    }
    return false;
}

bool compact_part_has(const struct compact_part *p, u32 row)
{
    const u8 *present = p->entry.rows.present;
    u32 at = row - p->entry.rows.first;
    return !present || (present[at / 8] >> (at % 8) & 1);
}

static i64 part_first(const struct compact_part *p)
{
    return p->t[p->entry.rows.first];
}

static i64 part_last(const struct compact_part *p)
{
    return p->t[p->entry.rows.first + p->span - 1];
}

// Whether the cuts take the whole part; notes whether they take some of it.
static bool part_cut(const struct compact_columns *c, struct compact_part *p)
{
    for (u32 i = 0; i < c->cut_count; i++) {
        const struct compact_cut *cut = &c->cuts[i];
        if (cut->source != p->source) {
            continue;
        }
        if (cut->min_ms <= part_first(p) && cut->max_ms >= part_last(p)) {
            return true;
        }
        p->is_cut = p->is_cut || (cut->min_ms <= part_last(p) && cut->max_ms >= part_first(p));
    }
    return false;
}

bool compact_series_add(struct compact_columns *c, u32 source, u32 series, struct error *e)
{
    struct compact_source *s = &c->sources[source];
    struct error why = {0};
    block_reader_forget(&s->reader);
    struct chunk_list list = block_reader_chunks(&s->reader, series, c->arena, &why);
    if (list.missing) {
        return err_set(e, why.code, "%s", why.text);
    }
    for (u32 i = 0; i < list.n; i++) {
        struct compact_part p = {.entry = list.items[i], .source = source};
        const struct column_times *times = block_reader_column(&s->reader, p.entry.rows.column, e);
        if (!times) {
            return false;
        }
        p.times = times;
        p.t = times->t_ms;
        p.rows = times->n;
        bool whole = p.entry.rows.whole;
        p.span = whole ? p.rows : p.entry.rows.span;
        p.n = whole ? p.rows : p.entry.rows.n;
        if (p.span == 0 || p.entry.rows.first + p.span > p.rows ||
            p.entry.rows.column >= s->columns) {
            return err_set(e, ERR_CORRUPT, "%s: a chunk reaches beyond its timestamp column",
                           s->block->path);
        }
        if (part_cut(c, &p)) {
            continue;
        }
        if (c->part_count == c->part_cap) {
            c->part_cap = MAX(64U, c->part_cap * 2);
            c->parts = MEM_GROW(c->parts, c->part_cap, struct compact_part);
        }
        c->parts[c->part_count++] = p;
    }
    return true;
}

static u32 *column_of(const struct compact_columns *c, const struct compact_part *p)
{
    return &c->sources[p->source].column_at[p->entry.rows.column];
}

static u32 column_note(struct compact_columns *c, u32 column, u32 n)
{
    if (column >= c->rows_cap) {
        c->rows_cap = MAX(1024U, c->rows_cap * 2);
        c->rows = MEM_GROW(c->rows, c->rows_cap, u16);
    }
    c->rows[column] = (u16)n;
    return column;
}

u32 compact_column_write(struct compact_columns *c, const i64 *times, u32 n)
{
    return column_note(c, data_writer_column(c->data, times, n), n);
}

// Writes the columns of parts [from, to), two at least, as one; its number.
static u32 columns_join(struct compact_columns *c, u32 from, u32 to)
{
    i64 times[COLUMN_ROWS_MAX] = {0};
    u32 n = 0;
    for (u32 i = from; i < to; i++) {
        const struct compact_part *p = &c->parts[i];
        memcpy(times + n, p->t, p->rows * sizeof(i64));
        c->sources[p->source].column_row[p->entry.rows.column] = n;
        n += p->rows;
    }
    return compact_column_write(c, times, n);
}

// One that stays by itself: packing its times again would give bytes as good as those.
static u32 column_copy(struct compact_columns *c, u32 at)
{
    const struct compact_part *p = &c->parts[at];
    c->sources[p->source].column_row[p->entry.rows.column] = 0;
    return column_note(c, data_writer_column_copy(c->data, p->times->body, p->rows), p->rows);
}

static void columns_map(struct compact_columns *c)
{
    for (u32 i = 0; i < c->part_count; i++) {
        struct compact_part *p = &c->parts[i];
        if (*column_of(c, p) == 0) {
            u32 rows = p->rows;
            u32 to = i + 1;
            while (to < c->part_count && *column_of(c, &c->parts[to]) == 0 &&
                   column_of(c, &c->parts[to]) != column_of(c, &c->parts[to - 1]) &&
                   rows + c->parts[to].rows <= COLUMN_ROWS_MAX &&
                   c->parts[to].t[0] > c->parts[to - 1].t[c->parts[to - 1].rows - 1]) {
                rows += c->parts[to++].rows;
            }
            const u32 column = to == i + 1 ? column_copy(c, i) : columns_join(c, i, to);
            for (u32 k = i; k < to; k++) {
                *column_of(c, &c->parts[k]) = column + 1;
            }
        }
        p->column = *column_of(c, p) - 1;
        p->row = c->sources[p->source].column_row[p->entry.rows.column];
    }
}

bool compact_part_decode(struct compact_columns *c, const struct compact_part *p,
                         struct box_list *boxes, f64 values[CHUNK_VALUES_MAX], struct error *e)
{
    const char *path = c->sources[p->source].block->path;
    box_list_forget(boxes);
    if (p->n > CHUNK_VALUES_MAX) {
        return err_set(e, ERR_CORRUPT, "%s: a chunk is too long", path);
    }
    if (p->entry.rows.boxes) {
        return box_chunk_decode(p->entry.packed, p->n, boxes, values, e) || err_in(e, "%s", path);
    }
    if (!chunk_pack_decode(p->entry.packed, p->n, values, e)) {
        return err_in(e, "%s", path);
    }
    return box_list_escape(boxes, values, p->n) ||
           err_set(e, ERR_LIMIT, "%s: a chunk needs more memory than is left", path);
}

bool compact_value_take(struct compact_columns *c, const struct box_list *from, f64 v, f64 *taken,
                        struct error *e)
{
    *taken = v;
    return !is_box(v) || box_list_copy(&c->boxes, box_list_get(from, v), taken) ||
           err_set(e, ERR_LIMIT, "a histogram needs more than %zu bytes of memory", OPENED_MAX);
}

static void part_copy(struct compact_columns *c, u32 ordinal, const struct compact_part *p)
{
    struct chunk_rows rows = {.column = p->column,
                              .first = p->row + p->entry.rows.first,
                              .span = p->span,
                              .n = p->n,
                              .present = p->n < p->span ? p->entry.rows.present : NULL,
                              .whole = p->n == c->rows[p->column],
                              .boxes = p->entry.rows.boxes};
    data_writer_copy(c->data, ordinal, &rows, p->entry.packed);
}

// A chunk over some rows of one column. Threads: owned.
struct joined {
    struct chunk_rows rows;
    u64 weight;
    f64 values[COLUMN_ROWS_MAX];
    u8 present[(COLUMN_ROWS_MAX + 7) / 8];
};

static void joined_begin(struct joined *j, u32 column)
{
    j->rows = (struct chunk_rows){.column = column};
    j->weight = 0;
    memset(j->present, 0, sizeof(j->present));
}

static void joined_write(struct compact_columns *c, u32 ordinal, struct joined *j)
{
    if (j->rows.n > 0) {
        j->rows.present = j->rows.n < j->rows.span ? j->present : NULL;
        j->rows.whole = j->rows.n == c->rows[j->rows.column];
        data_writer_chunk(c->data, ordinal, &j->rows, j->values, &c->boxes);
        box_list_forget(&c->boxes);
    }
    joined_begin(j, j->rows.column);
}

// v refers to what the part at hand was decoded into.
static bool joined_add(struct compact_columns *c, u32 ordinal, struct joined *j, u32 row, f64 v,
                       struct error *e)
{
    if (!chunk_has_room(&c->decoded, v, &j->weight)) {
        joined_write(c, ordinal, j);
        CHECK(chunk_has_room(&c->decoded, v, &j->weight));
    }
    j->rows.first = j->rows.n == 0 ? row : j->rows.first;
    u32 bit = row - j->rows.first;
    j->present[bit / 8] |= (u8)(1U << (bit % 8));
    j->rows.span = bit + 1;
    return compact_value_take(c, &c->decoded, v, &j->values[j->rows.n++], e);
}

static bool joined_part(struct compact_columns *c, u32 ordinal, struct joined *j,
                        const struct compact_part *p, struct error *e)
{
    f64 values[CHUNK_VALUES_MAX] = {0};
    u32 at = 0;
    if (!compact_part_decode(c, p, &c->decoded, values, e)) {
        return false;
    }
    for (u32 row = p->entry.rows.first; row < p->entry.rows.first + p->span; row++) {
        if (!compact_part_has(p, row)) {
            continue;
        }
        f64 v = values[at++];
        if (!(p->is_cut && compact_is_out(c, p->source, p->t[row])) &&
            !joined_add(c, ordinal, j, p->row + row, v, e)) {
            return false;
        }
    }
    return true;
}

// The samples of parts [from, to), which share a column, as one chunk, unless its boxes are large.
static bool parts_join(struct compact_columns *c, u32 ordinal, u32 from, u32 to, struct error *e)
{
    struct joined j;
    box_list_forget(&c->boxes);
    joined_begin(&j, c->parts[from].column);
    for (u32 i = from; i < to; i++) {
        if (!joined_part(c, ordinal, &j, &c->parts[i], e) || !compact_columns_fit(c, e)) {
            return false;
        }
    }
    joined_write(c, ordinal, &j);
    return true;
}

static int by_part_time(const void *a, const void *b)
{
    const struct compact_part *x = a;
    const struct compact_part *y = b;
    if (part_first(x) != part_first(y)) {
        return part_first(x) < part_first(y) ? -1 : 1;
    }
    return x->source < y->source ? -1 : x->source > y->source;
}

static bool overlaps(const struct compact_columns *c)
{
    for (u32 i = 1; i < c->part_count; i++) {
        if (part_first(&c->parts[i]) <= part_last(&c->parts[i - 1])) {
            return true;
        }
    }
    return false;
}

bool compact_series_end(struct compact_columns *c, u32 ordinal, bool *written, struct error *e)
{
    u64 before = c->data->chunks;
    bool ok = true;
    if (overlaps(c)) { // Not by time, or really so.
        struct compact_part *as_added = arena_try(c->arena, c->part_count, sizeof(*as_added));
        if (!as_added) {
            return err_set(e, ERR_LIMIT, "a series of %u chunks needs more than %llu bytes",
                           c->part_count, (unsigned long long)c->bytes_max);
        }
        memcpy(as_added, c->parts, c->part_count * sizeof(*as_added));
        qsort(c->parts, c->part_count, sizeof(*c->parts), by_part_time);
        if (overlaps(c)) {
            memcpy(c->parts, as_added, c->part_count * sizeof(*as_added)); // Their order decides.
            ok = compact_merge(c, ordinal, e);
            *written = c->data->chunks > before;
            return ok;
        }
    }
    columns_map(c);
    for (u32 from = 0; ok && from < c->part_count;) {
        u32 to = from + 1;
        while (to < c->part_count && c->parts[to].column == c->parts[from].column) {
            to++;
        }
        if (to == from + 1 && !c->parts[from].is_cut) {
            part_copy(c, ordinal, &c->parts[from]);
        } else {
            ok = parts_join(c, ordinal, from, to, e);
        }
        from = to;
    }
    *written = c->data->chunks > before;
    return ok;
}
