#include "tsdb/compact_column.h"

#include "base/arena.h"
#include "base/error.h"
#include "tsdb/block_page.h"
#include "tsdb/box_chunk.h"

#include <stdlib.h>

#define SERIES_BYTES_MAX ((size_t)4 << 30)

void compact_columns_init(struct compact_columns *c, struct data_writer *data,
                          struct compact_source *sources)
{
    *c = (struct compact_columns){.data = data, .sources = sources};
    c->arena = arena_new(SERIES_BYTES_MAX);
}

void compact_columns_fini(struct compact_columns *c)
{
    arena_free(c->arena);
    mem_free(c->parts);
    mem_free(c->cuts);
    mem_free(c->rows);
    *c = (struct compact_columns){0};
}

u64 compact_columns_bytes(const struct compact_columns *c)
{
    return arena_bytes(c->arena) + (u64)c->part_cap * sizeof(*c->parts) +
           (u64)c->rows_cap * sizeof(*c->rows);
}

void compact_series_begin(struct compact_columns *c)
{
    c->part_count = 0;
    c->cut_count = 0;
    arena_reset(c->arena);
    c->boxes = (struct box_list){.arena = c->arena};
}

void compact_series_cut(struct compact_columns *c, struct compact_cut cut)
{
    if (c->cut_count == c->cut_cap) {
        c->cut_cap = MAX(16U, c->cut_cap * 2);
        c->cuts = MEM_GROW(c->cuts, c->cut_cap, struct compact_cut);
    }
    c->cuts[c->cut_count++] = cut;
}

static bool is_out(const struct compact_columns *c, u32 source, i64 t)
{
    for (u32 i = 0; i < c->cut_count; i++) {
        if (c->cuts[i].source == source && t >= c->cuts[i].min_ms && t <= c->cuts[i].max_ms) {
            return true;
        }
    }
    return false;
}

static bool part_has(const struct compact_part *p, u32 row)
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
        p.t = block_reader_column(&s->reader, p.entry.rows.column, &p.rows, e);
        if (!p.t) {
            return false;
        }
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

// Writes the columns of parts [from, to) as one.
static void columns_join(struct compact_columns *c, u32 from, u32 to)
{
    i64 times[COLUMN_ROWS_MAX];
    u32 n = 0;
    for (u32 i = from; i < to; i++) {
        const struct compact_part *p = &c->parts[i];
        memcpy(times + n, p->t, p->rows * sizeof(i64));
        c->sources[p->source].column_row[p->entry.rows.column] = n;
        n += p->rows;
    }
    u32 column = data_writer_column(c->data, times, n);
    if (column >= c->rows_cap) {
        c->rows_cap = MAX(1024U, c->rows_cap * 2);
        c->rows = MEM_GROW(c->rows, c->rows_cap, u16);
    }
    c->rows[column] = (u16)n;
    for (u32 i = from; i < to; i++) {
        *column_of(c, &c->parts[i]) = column + 1;
    }
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
            columns_join(c, i, to);
        }
        p->column = *column_of(c, p) - 1;
        p->row = c->sources[p->source].column_row[p->entry.rows.column];
    }
}

static bool part_decode(struct compact_columns *c, const struct compact_part *p,
                        f64 values[CHUNK_VALUES_MAX], struct error *e)
{
    bool ok = p->n <= CHUNK_VALUES_MAX;
    if (p->entry.rows.boxes) {
        ok = ok && box_chunk_decode(p->entry.packed, p->n, &c->boxes, values, e);
    } else {
        ok = ok && chunk_pack_decode(p->entry.packed, p->n, values, e);
        ok = ok && box_list_escape(&c->boxes, values, p->n);
    }
    return ok ||
           err_set(e, ERR_CORRUPT, "%s: a chunk is damaged", c->sources[p->source].block->path);
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
    }
    joined_begin(j, j->rows.column);
}

static void joined_add(struct compact_columns *c, u32 ordinal, struct joined *j, u32 row, f64 v)
{
    if (!chunk_has_room(&c->boxes, v, &j->weight)) {
        joined_write(c, ordinal, j);
        CHECK(chunk_has_room(&c->boxes, v, &j->weight));
    }
    j->rows.first = j->rows.n == 0 ? row : j->rows.first;
    u32 bit = row - j->rows.first;
    j->present[bit / 8] |= (u8)(1U << (bit % 8));
    j->rows.span = bit + 1;
    j->values[j->rows.n++] = v;
}

// The samples of parts [from, to), which share a column, as one chunk, unless its boxes are large.
static bool parts_join(struct compact_columns *c, u32 ordinal, u32 from, u32 to, struct error *e)
{
    struct joined j;
    joined_begin(&j, c->parts[from].column);
    for (u32 i = from; i < to; i++) {
        const struct compact_part *p = &c->parts[i];
        f64 values[CHUNK_VALUES_MAX] = {0};
        u32 at = 0;
        if (!part_decode(c, p, values, e)) {
            return false;
        }
        for (u32 row = p->entry.rows.first; row < p->entry.rows.first + p->span; row++) {
            if (!part_has(p, row)) {
                continue;
            }
            f64 v = values[at++];
            if (!p->is_cut || !is_out(c, p->source, p->t[row])) {
                joined_add(c, ordinal, &j, p->row + row, v);
            }
        }
    }
    joined_write(c, ordinal, &j);
    return true;
}

struct compact_sample {
    i64 t;
    f64 value;
    u32 rank; // Lower wins.
};

static int by_time_and_rank(const void *a, const void *b)
{
    const struct compact_sample *x = a;
    const struct compact_sample *y = b;
    if (x->t != y->t) {
        return x->t < y->t ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static u64 private_write(struct compact_columns *c, u32 ordinal, const struct compact_sample *all,
                         u64 from, u64 count)
{
    i64 times[COLUMN_ROWS_MAX];
    f64 values[COLUMN_ROWS_MAX];
    u32 n = 0;
    u64 weight = 0;
    for (; from < count && n < COLUMN_ROWS_MAX; from++) {
        if (n == 0 || all[from].t != times[n - 1]) {
            if (!chunk_has_room(&c->boxes, all[from].value, &weight)) {
                CHECK(n > 0); // The first has room, whatever it weighs.
                break;
            }
            times[n] = all[from].t;
            values[n++] = all[from].value;
        }
    }
    while (from < count && all[from].t == times[n - 1]) {
        from++;
    }
    u32 column = data_writer_column(c->data, times, n);
    if (column >= c->rows_cap) {
        c->rows_cap = MAX(1024U, c->rows_cap * 2);
        c->rows = MEM_GROW(c->rows, c->rows_cap, u16);
    }
    c->rows[column] = (u16)n;
    struct chunk_rows rows = {.column = column, .span = n, .n = n, .whole = true};
    data_writer_chunk(c->data, ordinal, &rows, values, &c->boxes);
    return from;
}

// Adds what is left of a part; n is how many there are.
static bool loose_add(struct compact_columns *c, u32 part, struct compact_sample *all, u64 *n,
                      struct error *e)
{
    const struct compact_part *p = &c->parts[part];
    f64 values[CHUNK_VALUES_MAX] = {0};
    u32 at = 0;
    if (!part_decode(c, p, values, e)) {
        return false;
    }
    for (u32 row = p->entry.rows.first; row < p->entry.rows.first + p->span; row++) {
        if (!part_has(p, row)) {
            continue;
        }
        f64 v = values[at++];
        if (!is_out(c, p->source, p->t[row])) {
            all[(*n)++] = (struct compact_sample){p->t[row], v, part};
        }
    }
    return true;
}

// Sources overlap: sample by sample, into columns of its own.
static bool parts_merge(struct compact_columns *c, u32 ordinal, struct error *e)
{
    u64 total = 0;
    u64 n = 0;
    for (u32 i = 0; i < c->part_count; i++) {
        total += c->parts[i].n;
    }
    struct compact_sample *all = arena_try(c->arena, total + 1, sizeof(*all));
    if (!all) {
        return err_set(e, ERR_LIMIT, "one series has %llu samples to be merged",
                       (unsigned long long)total);
    }
    for (u32 i = 0; i < c->part_count; i++) {
        if (!loose_add(c, i, all, &n, e)) {
            return false;
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof(*all), by_time_and_rank);
    }
    for (u64 from = 0; from < n;) {
        from = private_write(c, ordinal, all, from, n);
    }
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
        struct compact_part *as_added = ARENA_NEW_N(c->arena, struct compact_part, c->part_count);
        memcpy(as_added, c->parts, c->part_count * sizeof(*as_added));
        qsort(c->parts, c->part_count, sizeof(*c->parts), by_part_time);
        if (overlaps(c)) {
            memcpy(c->parts, as_added, c->part_count * sizeof(*as_added)); // Their order decides.
            ok = parts_merge(c, ordinal, e);
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
