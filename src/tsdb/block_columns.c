#include "tsdb/block_columns.h"

#include "base/arena.h"
#include "base/error.h"
#include "tsdb/block_page.h"
#include "tsdb/head_window.h"
#include "tsdb/metric_tally.h"

#include <stdlib.h>

#define SCRATCH_MAX ((size_t)4 << 30)
// A chunk has BOX_WEIGHT_MAX of boxes, or one that is larger; the next one is opened beside it.
#define OPENED_MAX ((size_t)8 << 20)

void column_writer_init(struct column_writer *w, struct data_writer *data,
                        struct chunk_tally *tally, struct arena *a)
{
    *w = (struct column_writer){.data = data, .tally = tally, .arena = a};
    w->scratch = arena_new(SCRATCH_MAX);
    w->opened = arena_new(OPENED_MAX);
}

void column_writer_fini(struct column_writer *w)
{
    arena_free(w->scratch);
    arena_free(w->opened);
    mem_free(w->places);
    *w = (struct column_writer){0};
}

static u32 place_add(struct column_writer *w, struct column_place p)
{
    if (w->place_count == w->place_cap) {
        w->place_cap = MAX(256U, w->place_cap * 2);
        w->places = MEM_GROW(w->places, w->place_cap, struct column_place);
    }
    w->places[w->place_count++] = p;
    return w->place_count; // Index + 1.
}

static int by_group_and_time(const void *a, const void *b)
{
    const struct segment *x = *(struct segment *const *)a;
    const struct segment *y = *(struct segment *const *)b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    return x->t[0] < y->t[0] ? -1 : x->t[0] > y->t[0];
}

// One column of segments [from, to).
static void column_join(struct column_writer *w, struct segment **segments, u32 from, u32 to)
{
    i64 times[COLUMN_ROWS_MAX] = {0};
    u32 n = 0;
    for (u32 i = from; i < to; i++) {
        memcpy(times + n, segments[i]->t, segments[i]->mark * sizeof(i64));
        n += segments[i]->mark;
    }
    u32 column = data_writer_column(w->data, times, n);
    u32 row = 0;
    for (u32 i = from; i < to; i++) {
        const u32 rows = segments[i]->mark;
        segments[i]->mark =
            place_add(w, (struct column_place){.column = column, .row = row, .rows = n});
        row += rows;
    }
}

void column_rows_all(struct segment *newest)
{
    for (struct segment *s = newest; s; s = s->older) {
        s->mark = s->group != 0 ? s->n : 0;
    }
}

void column_rows_none(struct segment *newest)
{
    for (struct segment *s = newest; s; s = s->older) {
        s->mark = 0;
    }
}

bool column_rows_want(const struct cut_source *s, i64 *min_ms, i64 *max_ms)
{
    const struct sealed *c;
    for (u32 at = s->newest; at != SEALED_NONE; at = c->older) {
        c = sealed_at(&s->window->sealed, at);
        if (!c) {
            return false;
        }
        struct segment *segment = window_segment_at(s->window, c->segment);
        segment->mark = segment->group != 0 ? MAX(segment->mark, c->last + 1U) : 0;
        *min_ms = MIN(*min_ms, segment->t[c->first]);
        *max_ms = MAX(*max_ms, segment->t[c->last]);
    }
    if (s->late && s->late->n > 0) {
        *min_ms = MIN(*min_ms, s->late->t[0]);
        *max_ms = MAX(*max_ms, s->late->t[s->late->n - 1]);
    }
    return true;
}

void column_writer_groups(struct column_writer *w, struct segment *newest)
{
    u32 n = 0;
    for (struct segment *s = newest; s; s = s->older) {
        n += s->mark > 0;
    }
    struct segment **segments = ARENA_NEW_N(w->arena, struct segment *, (size_t)n + 1);
    n = 0;
    for (struct segment *s = newest; s; s = s->older) {
        if (s->mark > 0) {
            segments[n++] = s;
        }
    }
    if (n > 1) {
        qsort(segments, n, sizeof(struct segment *), by_group_and_time);
    }
    u32 from = 0;
    while (from < n) {
        u32 to = from + 1;
        u32 rows = segments[from]->mark;
        // Segments of a group follow each other in time; a reused slot's may not.
        while (to < n && segments[to]->group == segments[from]->group &&
               segments[to]->t[0] > segments[to - 1]->t[segments[to - 1]->mark - 1] &&
               rows + segments[to]->mark <= COLUMN_ROWS_MAX) {
            rows += segments[to++]->mark;
        }
        column_join(w, segments, from, to);
        from = to;
    }
}

// The samples being collected for the next chunk of a series.
struct collected {
    struct column_writer *w;
    u32 ordinal;
    u32 place; // Index + 1 of the column they share, 0 = private.
    u32 n;
    u64 weight; // Of its boxes.
    i64 t[COLUMN_ROWS_MAX];
    u32 rows[COLUMN_ROWS_MAX]; // Shared only: of the column.
    f64 values[COLUMN_ROWS_MAX];
};

static void boxes_forget(struct column_writer *w)
{
    arena_reset(w->opened);
    w->boxes = (struct box_list){.arena = w->opened};
}

// Of the chunk just written.
static void collected_tell(const struct collected *c)
{
    struct chunk_tally *tally = c->w->tally;
    metric_tally_add(&tally->bytes, &metric_tally_chunk_bytes, (f64)c->w->data->packed.len);
    metric_tally_add(&tally->samples, &metric_tally_chunk_samples, c->n);
    metric_tally_add(&tally->ms, &metric_tally_chunk_ms, (f64)(c->t[c->n - 1] - c->t[0]));
}

static void collected_flush(struct collected *c)
{
    struct column_writer *w = c->w;
    if (c->n == 0) {
        return;
    }
    if (c->place == 0) {
        u32 column = data_writer_column(w->data, c->t, c->n);
        struct chunk_rows rows = {.column = column, .span = c->n, .n = c->n, .whole = true};
        data_writer_chunk(w->data, c->ordinal, &rows, c->values, &w->boxes);
    } else {
        const struct column_place *p = &w->places[c->place - 1];
        u8 present[(COLUMN_ROWS_MAX + 7) / 8] = {0};
        u32 first = c->rows[0];
        for (u32 i = 0; i < c->n; i++) {
            u32 at = c->rows[i] - first;
            present[at / 8] |= (u8)(1U << (at % 8));
        }
        struct chunk_rows rows = {.column = p->column,
                                  .first = first,
                                  .span = c->rows[c->n - 1] - first + 1,
                                  .n = c->n,
                                  .present = present,
                                  .whole = c->n == p->rows};
        data_writer_chunk(w->data, c->ordinal, &rows, c->values, &w->boxes);
    }
    collected_tell(c);
    c->n = 0;
    c->weight = 0;
    if (w->boxes.n > 0) {
        boxes_forget(w);
    }
}

// A value of a chunk, and where its box is. Threads: a value.
struct stored_value {
    f64 value;
    const struct box_store *boxes;
};

// Takes a value in; a chunk is made of what there is if that has no room for this one.
static bool collected_add(struct collected *c, struct stored_value v, struct error *e)
{
    f64 value = v.value;
    if (is_box(value) && (!box_store_open(v.boxes, &value, 1, &c->w->boxes) ||
                          !chunk_has_room(&c->w->boxes, value, &c->weight))) {
        value = v.value;
        collected_flush(c);
        boxes_forget(c->w);
        if (!box_store_open(v.boxes, &value, 1, &c->w->boxes)) {
            return err_set(e, ERR_LIMIT, "a histogram needs more than %zu bytes of memory",
                           OPENED_MAX);
        }
        CHECK(chunk_has_room(&c->w->boxes, value, &c->weight)); // The first, whatever it weighs.
    }
    c->values[c->n++] = value;
    return true;
}

static bool collected_private(struct collected *c, i64 t, struct stored_value v, struct error *e)
{
    if (c->place != 0 || c->n == COLUMN_ROWS_MAX) {
        collected_flush(c);
        c->place = 0;
    }
    if (!collected_add(c, v, e)) {
        return false;
    }
    c->t[c->n - 1] = t;
    return true;
}

static bool collected_shared(struct collected *c, const struct segment *s, u32 row,
                             struct stored_value v, struct error *e)
{
    const struct column_place *p = &c->w->places[s->mark - 1];
    if (c->n == COLUMN_ROWS_MAX || c->place == 0 ||
        c->w->places[c->place - 1].column != p->column) {
        collected_flush(c);
        c->place = s->mark;
    }
    if (!collected_add(c, v, e)) {
        return false;
    }
    c->t[c->n - 1] = s->t[row];
    c->rows[c->n - 1] = p->row + row;
    return true;
}

// The chunks of a series, oldest first. They were checked before the cut began.
static const struct sealed **chunks_of(struct column_writer *w, const struct cut_source *s, u32 *n)
{
    const struct sealed *c;
    u32 count = 0;
    for (u32 at = s->newest; at != SEALED_NONE; at = c->older) {
        c = sealed_at(&s->window->sealed, at);
        CHECK(c);
        count++;
    }
    const struct sealed **chunks =
        ARENA_NEW_N(w->scratch, const struct sealed *, (size_t)count + 1);
    *n = count;
    for (u32 at = s->newest; at != SEALED_NONE; at = c->older) {
        c = sealed_at(&s->window->sealed, at);
        CHECK(c);
        chunks[--count] = c;
    }
    return chunks;
}

static void chunk_values(const struct sealed *c, f64 values[ROWS_MAX])
{
    CHECK(chunk_pack_decode(sealed_bytes(c), c->n, values, NULL)); // Ours, in memory.
}

static bool series_plain(struct collected *out, const struct cut_source *source, struct error *e)
{
    u32 n;
    const struct sealed **chunks = chunks_of(out->w, source, &n);
    for (u32 i = 0; i < n; i++) {
        const struct sealed *c = chunks[i];
        const struct segment *s = window_segment_at(source->window, c->segment);
        const u8 *present = sealed_presence(c);
        f64 values[ROWS_MAX];
        u32 at = 0;
        chunk_values(c, values);
        for (u32 row = c->first; row <= c->last; row++) {
            if (present && !presence_has(present, row)) {
                continue;
            }
            struct stored_value v = {values[at++], &source->window->boxes};
            if (!(s->mark != 0 ? collected_shared(out, s, row, v, e)
                               : collected_private(out, s->t[row], v, e))) {
                return false;
            }
        }
    }
    return true;
}

struct loose_sample {
    i64 t;
    f64 value;
    u32 rank; // Lower wins.
};

static int by_time(const void *a, const void *b)
{
    const struct loose_sample *x = a;
    const struct loose_sample *y = b;
    if (x->t != y->t) {
        return x->t < y->t ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

// Adds a source's samples at out[n …]; with out NULL only counts.
static u64 loose_collect(struct column_writer *w, const struct cut_source *s, u32 rank,
                         struct loose_sample *out)
{
    u64 n = 0;
    u32 chunk_count;
    const struct sealed **chunks = chunks_of(w, s, &chunk_count);
    for (u32 i = 0; i < chunk_count; i++) {
        const struct sealed *c = chunks[i];
        const struct segment *times = window_segment_at(s->window, c->segment);
        const u8 *present = sealed_presence(c);
        f64 values[ROWS_MAX];
        u32 at = 0;
        if (!out) {
            n += c->n;
            continue;
        }
        chunk_values(c, values);
        for (u32 row = c->first; row <= c->last; row++) {
            if (!present || presence_has(present, row)) {
                out[n++] = (struct loose_sample){times->t[row], values[at++], rank};
            }
        }
    }
    for (u32 i = 0; s->late && i < s->late->n; i++, n++) {
        if (out) {
            out[n] = (struct loose_sample){s->late->t[i], s->late->values[i], rank};
        }
    }
    return n;
}

static bool series_merged(struct collected *out, const struct cut_source *sources, u32 n,
                          struct error *e)
{
    u64 total = 0;
    for (u32 i = 0; i < n; i++) {
        total += loose_collect(out->w, &sources[i], i, NULL);
    }
    struct loose_sample *all = ARENA_NEW_N(out->w->scratch, struct loose_sample, total + 1);
    u64 at = 0;
    for (u32 i = 0; i < n; i++) {
        at += loose_collect(out->w, &sources[i], i, all + at);
    }
    CHECK(at == total);
    if (total > 1) {
        qsort(all, total, sizeof(*all), by_time);
    }
    for (u64 i = 0; i < total; i++) {
        struct stored_value v = {all[i].value, &sources[all[i].rank].window->boxes};
        if ((i == 0 || all[i].t != all[i - 1].t) && !collected_private(out, all[i].t, v, e)) {
            return false;
        }
    }
    return true;
}

bool column_writer_series(struct column_writer *w, u32 ordinal, const struct cut_source *sources,
                          u32 n, struct error *e)
{
    struct collected c;
    c.w = w;
    c.ordinal = ordinal;
    c.place = 0;
    c.n = 0;
    c.weight = 0;
    arena_reset(w->scratch);
    boxes_forget(w);
    bool plain = n == 1 && !sources[0].late;
    if (!(plain ? series_plain(&c, &sources[0], e) : series_merged(&c, sources, n, e))) {
        return false;
    }
    collected_flush(&c);
    return true;
}
