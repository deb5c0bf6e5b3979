#include "tsdb/tsdb_cursor.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "os/clk.h"
#include "os/map_guard.h"
#include "tsdb/block.h"
#include "tsdb/box_chunk.h"
#include "tsdb/head.h"
#include "tsdb/head_source.h"
#include "tsdb/postings.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_inner.h"

#include <stdlib.h>

#define QUERY_ARENA_MAX  ((size_t)64 << 30) // The budget is what bounds a query.
#define SERIES_ARENA_MAX ((size_t)8 << 30)
#define WARNING_BYTES    400

// One stretch of a series in one source, its rows cut to the range. Threads: owned.
struct part {
    const i64 *t; // Of row 0.
    u32 first;    // Of the chunk.
    u32 low;      // Rows wanted: [low, high).
    u32 high;
    u32 chunk_n;       // Values of the whole chunk.
    u32 n;             // Values wanted.
    const u8 *present; // Bit per row from present_base; NULL = all.
    u32 present_base;
    const f64 *values; // NULL: bytes.
    str bytes;         // Packed, or the tokens of an open chunk.
    bool tokens;
    bool mapped;    // The bytes may be of a file.
    u64 holes;      // How many pages files had lost when the bytes were last checked.
    bool boxed;     // values may refer to the cursor's boxes.
    bool box_chunk; // bytes are one.
    const struct box_store *boxes; // Of the head: what its values may refer to. May be NULL.
    u64 column_id;                 // 0 = private.
};

// Threads: owned.
struct source {
    struct block_reader reader; // Block: block set.
    bool is_block;
    u32 shard;                     // Head.
    const struct tombstones *dead; // By ordinal. May be NULL.
    u32 *ordinals;                 // Block: what matched.
    struct head_series *series;    // Head.
    u32 count;
    u32 at;
    struct labels labels; // Of `at`.
    bool live;            // at < count and labels are read.
};

// Threads: owned.
struct tsdb_cursor {
    struct series_cursor base;
    struct tsdb_selection s;
    struct arena *arena; // Of the selection.
    struct arena *label_arenas[2];
    struct arena *series_arena; // Of one series.
    struct source *sources;
    u32 source_count;
    u32 given;
    struct labels labels;
    u32 label_at;
    struct part *parts;
    u32 part_count;
    u32 part_cap;
    u32 part_at;
    bool merged; // One run was made of all parts.
    f64 decoded[CHUNK_VALUES_MAX];
    struct box_list boxes;  // Of one series, in its arena.
    bool any_boxed;         // A part of the series may have some.
    struct series_run rest; // Of the part at hand: what has not been given.
    struct storage_warnings warnings;
    u64 holes; // When it was opened.
    bool failed;
    struct error error;
};

static struct tsdb_cursor *cursor_of(struct series_cursor *c)
{
    return CONTAINER_OF(c, struct tsdb_cursor, base);
}

static bool cursor_fail(struct tsdb_cursor *c)
{
    c->failed = true;
    return false;
}

static void boxes_refuse(struct tsdb_cursor *c)
{
    c->failed = true;
    (void)err_set(&c->error, ERR_LIMIT, "the histograms of one series need more than %zu bytes",
                  SERIES_ARENA_MAX);
}

static bool budget_charge(struct tsdb_cursor *c, u64 series, u64 samples, u64 bytes)
{
    struct query_budget *b = c->s.budget;
    struct error *e = &c->error;
    if (!b) {
        return true;
    }
    b->series += series;
    b->samples += samples;
    b->bytes += bytes;
    if (query_is_cancelled(b)) {
        return err_set(e, ERR_CANCELLED, "the query was cancelled");
    }
    if (b->deadline_mono_ns != 0 && clk_mono_ns(c->s.db->opts.clk) > b->deadline_mono_ns) {
        return err_set(e, ERR_TIMEOUT, "the query's deadline passed while reading");
    }
    if (b->series_max != 0 && b->series > b->series_max) {
        return err_set(e, ERR_LIMIT, "the query selects more than %llu series",
                       (unsigned long long)b->series_max);
    }
    if (b->samples_max != 0 && b->samples > b->samples_max) {
        return err_set(e, ERR_LIMIT, "the query reads more than %llu samples",
                       (unsigned long long)b->samples_max);
    }
    if (b->bytes_max != 0 && b->bytes > b->bytes_max) {
        return err_set(e, ERR_LIMIT, "the query needs more than %llu bytes",
                       (unsigned long long)b->bytes_max);
    }
    return true;
}

// Something that belongs into the answer is not there: say so once per place.
static void warn_partial(struct tsdb_cursor *c, const char *text)
{
    struct storage_warnings *w = &c->warnings;
    str s = {text, strnlen(text, WARNING_BYTES)};
    w->partial = true;
    for (u32 i = 0; i < w->count; i++) {
        if (w->texts[i].len == s.len && memcmp(w->texts[i].ptr, s.ptr, s.len) == 0) {
            return;
        }
    }
    if (w->count < WARNINGS_MAX) {
        w->texts[w->count++] = arena_str(c->s.texts, s);
    }
}

// --- Opening -----------------------------------------------------------------------------------

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct head_series *)a)->labels,
                      ((const struct head_series *)b)->labels);
}

// A source's series; the caller's. at: its place in `given`.
static struct postings *source_select(struct tsdb_cursor *c, struct index_source *index, u32 at,
                                      struct error *e)
{
    const struct tsdb_selection *s = &c->s;
    return s->given ? postings_copy(s->given[at])
                    : index_select(index, s->tenant, s->ms, s->matcher_count, e);
}

static bool head_select(struct tsdb_cursor *c, u32 shard)
{
    struct head *h = c->s.db->heads[shard];
    struct head_source index;
    i64 min_ms = MAX(c->s.min_ms, c->s.pin->head_min);
    if (min_ms > c->s.max_ms) {
        return true;
    }
    head_source_init(&index, h);
    struct postings *set = source_select(c, &index.source, c->s.pin->blocks->n + shard, &c->error);
    if (!set) {
        return cursor_fail(c);
    }
    struct source *s = &c->sources[c->source_count++];
    s->shard = shard;
    s->dead = c->s.pin->blocks->heads[shard];
    struct head_read r = {.head = h,
                          .commit = c->s.pin->commits[shard],
                          .min_ms = min_ms,
                          .max_ms = c->s.max_ms,
                          .arena = c->arena};
    size_t before = arena_bytes(c->arena);
    bool ok = budget_charge(c, 0, 0, postings_count(set) * sizeof(struct head_series)) &&
              head_read_series(&r, set, &s->series, &s->count, &c->error) &&
              budget_charge(c, 0, 0, arena_bytes(c->arena) - before);
    postings_free(set);
    return ok ? true : cursor_fail(c);
}

static bool block_select(struct tsdb_cursor *c, u32 at)
{
    struct error why = {0};
    struct block *b = c->s.pin->blocks->blocks[at];
    struct postings *set = source_select(c, &b->index.source, at, &why);
    if (!set && why.code != ERR_CORRUPT) {
        c->error = why;
        return cursor_fail(c);
    }
    if (!set) {
        warn_partial(c, why.text);
        return true;
    }
    u64 n = postings_count(set);
    if (n > 0 && budget_charge(c, 0, 0, n * sizeof(u32))) {
        struct source *s = &c->sources[c->source_count++];
        s->is_block = true;
        s->dead = c->s.pin->blocks->dead[at];
        s->ordinals = ARENA_NEW_N(c->arena, u32, n);
        s->count = (u32)n;
        postings_list(set, s->ordinals);
        block_reader_init(&s->reader, b, c->arena);
    }
    postings_free(set);
    return true;
}

static void gaps_tell(struct tsdb_cursor *c)
{
    struct tsdb *db = c->s.db;
    lock_take(&db->lock);
    for (u32 i = 0; i < db->gap_count; i++) {
        const struct block_gap *g = &db->gaps[i];
        if (g->min_ms <= c->s.max_ms && g->max_ms > c->s.min_ms) {
            struct error text;
            (void)err_set(&text, ERR_CORRUPT, "block %s is set aside; its samples are missing",
                          g->name);
            warn_partial(c, text.text);
        }
    }
    lock_drop(&db->lock);
}

static bool series_cursor_close(struct series_cursor *base, struct storage_warnings *w,
                                struct error *e);
static const struct series_cursor_ops tsdb_cursor_ops;

struct series_cursor *tsdb_cursor_open(const struct tsdb_selection *s, struct error *e)
{
    struct tsdb_cursor *c = MEM_NEW(struct tsdb_cursor);
    c->base.ops = &tsdb_cursor_ops;
    c->s = *s;
    c->holes = map_guard_holes();
    c->arena = arena_new(QUERY_ARENA_MAX);
    c->series_arena = arena_new(SERIES_ARENA_MAX);
    c->label_arenas[0] = arena_new(SERIES_ARENA_MAX);
    c->label_arenas[1] = arena_new(SERIES_ARENA_MAX);
    const struct block_set *blocks = s->pin->blocks;
    c->sources = arena_alloc(c->arena, blocks->n + SHARDS, sizeof(struct source));
    gaps_tell(c);
    bool ok = budget_charge(c, 0, 0, 0) ? true : cursor_fail(c);
    for (u32 i = 0; ok && i < blocks->n; i++) {
        const struct block_meta *m = &blocks->blocks[i]->meta;
        if (m->min_ms <= s->max_ms && m->max_ms > s->min_ms) {
            ok = block_select(c, i);
        }
    }
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = head_select(c, i);
    }
    if (!ok) {
        (void)series_cursor_close(&c->base, NULL, e);
        return NULL;
    }
    for (u32 i = 0; i < c->source_count; i++) {
        struct source *src = &c->sources[i];
        if (!src->is_block && src->count > 1 && (s->sorted || c->source_count > 1)) {
            qsort(src->series, src->count, sizeof(*src->series), by_labels);
        }
    }
    return &c->base;
}

// --- The next series ---------------------------------------------------------------------------

// Labels of the source's series at hand; false with c->failed on failure, else at the end.
static bool source_peek(struct tsdb_cursor *c, struct source *s)
{
    while (!s->live && s->at < s->count) {
        struct error why = {0};
        if (!s->is_block) {
            s->labels = s->series[s->at].labels;
            s->live = true;
        } else if (index_file_labels(&s->reader.block->index, &s->reader.symbols,
                                     s->ordinals[s->at], c->label_arenas[c->label_at], &s->labels,
                                     &why)) {
            s->live = true;
        } else if (why.code == ERR_CORRUPT) {
            warn_partial(c, why.text);
            s->at++;
        } else {
            c->error = why;
            return cursor_fail(c);
        }
    }
    return s->live;
}

// A block's labels are read ahead into one of two arenas; when one has grown, the labels still
// waiting move to the other.
static void label_arena_turn(struct tsdb_cursor *c)
{
    if (arena_bytes(c->label_arenas[c->label_at]) < (1U << 20)) {
        return;
    }
    c->label_at ^= 1;
    struct arena *fresh = c->label_arenas[c->label_at];
    arena_reset(fresh);
    for (u32 i = 0; i < c->source_count; i++) {
        struct source *s = &c->sources[i];
        if (s->is_block && s->live) {
            s->labels = labels_copy(fresh, s->labels);
        }
    }
}

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

static bool part_has(const struct part *p, u32 row)
{
    u32 at = row - p->present_base;
    return !p->present || (p->present[at / 8] >> (at % 8) & 1);
}

// Cuts rows [first, first + span) of a part to the range; drops it if nothing is left.
static void part_cut(struct tsdb_cursor *c, struct part *p, u32 span, i64 min_ms)
{
    u32 low = p->first;
    u32 high = p->first + span;
    u32 end = high;
    while (low < end) {
        u32 mid = low + (end - low) / 2;
        if (p->t[mid] < min_ms) {
            low = mid + 1;
        } else {
            end = mid;
        }
    }
    while (high > low && p->t[high - 1] > c->s.max_ms) {
        high--;
    }
    p->low = low;
    p->high = high;
    p->n = high - low;
    if (p->present) {
        p->n = 0;
        for (u32 row = low; row < high; row++) {
            p->n += part_has(p, row);
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

static void boxes_charge(struct tsdb_cursor *c, u32 from)
{
    u64 bytes = 0;
    for (u32 i = from; i < c->boxes.n; i++) {
        bytes += box_weight(&c->boxes.items[i]);
    }
    if (!budget_charge(c, 0, 0, bytes)) {
        c->failed = true;
    }
}

// Late samples of some windows, as values that refer to the cursor's boxes.
static const f64 *late_open(struct tsdb_cursor *c, const struct head_series *s)
{
    f64 *values = ARENA_NEW_N(c->series_arena, f64, s->late_n);
    memcpy(values, s->late_values, s->late_n * sizeof(f64));
    for (u32 i = 0; i < s->late_n && !c->failed; i++) {
        const u32 boxes = c->boxes.n;
        if (!box_store_open(s->late_boxes[i], &values[i], 1, &c->boxes)) {
            boxes_refuse(c);
        } else if (c->boxes.n > boxes) {
            boxes_charge(c, boxes);
        }
    }
    return values;
}

static void parts_of_head(struct tsdb_cursor *c, const struct head_series *s, u64 source_id)
{
    i64 min_ms = MAX(c->s.min_ms, c->s.pin->head_min);
    for (u32 i = 0; i < s->piece_count; i++) {
        const struct head_piece *h = &s->pieces[i];
        struct part *p = part_add(c);
        p->t = h->segment->t;
        p->first = h->first;
        p->chunk_n = h->n;
        p->present = h->present;
        p->values = h->values;
        p->bytes = h->bytes;
        p->tokens = h->tokens;
        p->mapped = !h->tokens && !h->values;
        p->holes = c->holes;
        p->boxes = h->boxes;
        p->boxed = h->boxes != NULL;
        c->any_boxed = c->any_boxed || p->boxed;
        p->column_id = h->present ? 0 : source_id | (u64)h->segment->id << 18;
        part_cut(c, p, h->last - h->first + 1, min_ms);
    }
    if (s->late_n > 0) {
        struct part *p = part_add(c);
        p->t = s->late_t;
        p->chunk_n = s->late_n;
        p->boxed = s->late_boxes != NULL && !c->s.no_data;
        p->values = p->boxed ? late_open(c, s) : s->late_values;
        c->any_boxed = c->any_boxed || p->boxed;
        part_cut(c, p, s->late_n, min_ms);
    }
}

static void parts_of_block(struct tsdb_cursor *c, struct source *s, u32 ordinal)
{
    struct error why = {0};
    const u64 holes = map_guard_holes();
    struct chunk_list list = block_reader_chunks(&s->reader, ordinal, c->series_arena, &why);
    if (list.missing) {
        warn_partial(c, why.text);
    }
    for (u32 i = 0; i < list.n; i++) {
        const struct chunk_rows *r = &list.items[i].rows;
        u32 rows;
        const i64 *t = block_reader_column(&s->reader, r->column, &rows, &why);
        u32 span = r->whole ? rows : r->span;
        if (!t || r->first + span > rows) {
            warn_partial(c, t ? "a chunk reaches beyond its timestamp column" : why.text);
            continue;
        }
        struct part *p = part_add(c);
        p->t = t;
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
        p->column_id = r->present ? 0 : block_source_id(s->reader.block) | (u64)r->column << 18;
        part_cut(c, p, span, c->s.min_ms);
    }
}

static int by_first_time(const void *a, const void *b)
{
    const struct part *x = a;
    const struct part *y = b;
    return x->t[x->low] < y->t[y->low] ? -1 : x->t[x->low] > y->t[y->low];
}

static bool parts_overlap(const struct tsdb_cursor *c)
{
    for (u32 i = 1; i < c->part_count; i++) {
        const struct part *p = &c->parts[i - 1];
        const struct part *q = &c->parts[i];
        if (p->t[p->high - 1] >= q->t[q->low]) {
            return true;
        }
    }
    return false;
}

// All values of a part's chunk, decoded; NULL: damaged, or the budget is spent.
static const f64 *part_decode(struct tsdb_cursor *c, const struct part *p)
{
    struct error why = {0};
    if (p->tokens) {
        open_tokens_decode(p->bytes, p->chunk_n, c->decoded, NULL, 0);
        return c->decoded;
    }
    bool ok = p->chunk_n <= CHUNK_VALUES_MAX;
    if (p->box_chunk) {
        ok = ok && box_chunk_decode(p->bytes, p->chunk_n, &c->boxes, c->decoded, &why);
    } else {
        ok = ok && chunk_pack_decode(p->bytes, p->chunk_n, c->decoded, &why);
    }
    if (!ok) {
        warn_partial(c, why.text[0] ? why.text : "a chunk is too long");
        return NULL;
    }
    if (p->mapped && map_guard_holes() != p->holes) { // Its page may have read as zeroes.
        warn_partial(c, "pages of mapped files went away while they were read");
        return NULL;
    }
    return c->decoded;
}

// The same, and what is a reference refers to the cursor's boxes.
static const f64 *part_values(struct tsdb_cursor *c, const struct part *p)
{
    const u32 boxes = c->boxes.n;
    if (c->failed) {
        return NULL;
    }
    if (p->values && !p->boxes) {
        return p->values;
    }
    const f64 *values = p->values ? p->values : part_decode(c, p);
    if (values && p->boxes) {
        if (values != c->decoded) {
            memcpy(c->decoded, values, p->chunk_n * sizeof(f64));
        }
        values = c->decoded;
        if (!box_store_open(p->boxes, c->decoded, p->chunk_n, &c->boxes)) {
            boxes_refuse(c);
        }
    }
    if (c->boxes.n > boxes) {
        boxes_charge(c, boxes);
    }
    return c->failed ? NULL : values;
}

// Copies the wanted rows of a part; returns how many.
static u32 part_copy(struct tsdb_cursor *c, const struct part *p, i64 *t, f64 *values)
{
    const f64 *all = part_values(c, p);
    u32 at = 0;
    u32 n = 0;
    if (!all) {
        return 0;
    }
    for (u32 row = p->first; row < p->high; row++) {
        if (!part_has(p, row)) {
            continue;
        }
        if (row >= p->low) {
            t[n] = p->t[row];
            values[n++] = all[at];
        }
        at++;
    }
    if (c->any_boxed && !p->boxed && !box_list_escape(&c->boxes, values, n)) {
        boxes_refuse(c);
        return 0;
    }
    return n;
}

struct loose {
    i64 t;
    f64 value;
    u32 rank;
};

static int by_loose(const void *a, const void *b)
{
    const struct loose *x = a;
    const struct loose *y = b;
    if (x->t != y->t) {
        return x->t < y->t ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : x->rank > y->rank;
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

// Makes one part of all: sorted, each time once (the part added first wins).
static void parts_merge(struct tsdb_cursor *c)
{
    u64 total = 0;
    u32 n = 0;
    for (u32 i = 0; i < c->part_count; i++) {
        total += c->parts[i].n;
    }
    struct loose *all = ARENA_NEW_N(c->series_arena, struct loose, total + 1);
    i64 *t = ARENA_NEW_N(c->series_arena, i64, total + 1);
    f64 *values = ARENA_NEW_N(c->series_arena, f64, total + 1);
    for (u32 i = 0; i < c->part_count && !c->failed; i++) {
        u32 got = part_copy(c, &c->parts[i], t, values);
        for (u32 k = 0; k < got; k++) {
            all[n++] = (struct loose){t[k], values[k], i};
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof(*all), by_loose);
    }
    u32 kept = 0;
    for (u32 i = 0; i < n; i++) {
        if (i == 0 || all[i].t != all[i - 1].t) {
            t[kept] = all[i].t;
            values[kept++] = all[i].value;
        }
    }
    c->part_count = kept > 0;
    c->parts[0] = (struct part){
        .t = t, .high = kept, .chunk_n = kept, .n = kept, .values = values, .boxed = c->any_boxed};
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
        u32 got = part_copy(c, p, t, values);
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

static void source_parts(struct tsdb_cursor *c, struct source *s)
{
    const struct head_series *series = s->is_block ? NULL : &s->series[s->at];
    struct veil v = {0};
    u32 from = c->part_count;
    if (series) {
        parts_of_head(c, series, s->shard == SHARD_RULES ? ID_RULES : ID_MAIN);
        v.hidden = series->hidden.t;
        v.hidden_n = series->hidden.n;
    } else {
        parts_of_block(c, s, s->ordinals[s->at]);
    }
    v.dead = tombstones_find(s->dead, series ? series->ordinal : s->ordinals[s->at], &v.dead_n);
    if (v.hidden_n > 0 || v.dead_n > 0) {
        parts_hide(c, from, &v);
    }
}

static u64 parts_samples(const struct tsdb_cursor *c)
{
    u64 n = 0;
    for (u32 i = 0; i < c->part_count; i++) {
        n += c->parts[i].n;
    }
    return n;
}

// Collects the parts of the smallest labels; false at the end or on failure.
static bool series_gather(struct tsdb_cursor *c)
{
    u32 smallest = c->source_count;
    label_arena_turn(c);
    for (u32 i = 0; i < c->source_count; i++) {
        if (!source_peek(c, &c->sources[i])) {
            if (c->failed) {
                return false;
            }
            continue;
        }
        if (smallest == c->source_count ||
            labels_cmp(c->sources[i].labels, c->sources[smallest].labels) < 0) {
            smallest = i;
        }
    }
    if (smallest == c->source_count) {
        return false;
    }
    c->labels = c->sources[smallest].labels;
    c->part_count = 0;
    c->part_at = 0;
    c->rest.n = 0;
    c->any_boxed = false;
    arena_reset(c->series_arena);
    c->boxes = (struct box_list){.arena = c->series_arena};
    for (u32 i = smallest; i < c->source_count; i++) {
        struct source *s = &c->sources[i];
        if (!s->live || (i != smallest && !labels_eq(s->labels, c->labels))) {
            continue;
        }
        if (s->is_block) {
            block_reader_forget(&s->reader);
        }
        source_parts(c, s);
        s->live = false;
        s->at++;
    }
    return true;
}

static bool tsdb_cursor_next(struct series_cursor *base)
{
    struct tsdb_cursor *c = cursor_of(base);
    if (c->failed || (c->s.limit != 0 && c->given == c->s.limit)) {
        return false;
    }
    do {
        if (!series_gather(c) || c->failed) {
            return false;
        }
    } while (c->part_count == 0);
    u64 samples = c->s.no_data ? 0 : parts_samples(c);
    if (!budget_charge(c, 1, samples, samples * (sizeof(i64) + sizeof(f64)))) {
        return cursor_fail(c);
    }
    if (!c->s.no_data) {
        // Late samples and a second shard overlap; the order kept here decides who wins (W2).
        bool sorted = true;
        for (u32 i = 1; i < c->part_count; i++) {
            sorted = sorted && by_first_time(&c->parts[i - 1], &c->parts[i]) <= 0;
        }
        if (!sorted || parts_overlap(c)) {
            parts_merge(c);
        }
    }
    c->given++;
    return !c->failed;
}

static struct labels tsdb_cursor_labels(struct series_cursor *base)
{
    return cursor_of(base)->labels;
}

// What may stand in one run with its neighbours.
static bool same_kind(const struct tsdb_cursor *c, f64 a, f64 b)
{
    if (!is_box(a) && !is_box(b)) {
        return true;
    }
    const struct box plain = {0};
    const struct box *x = is_box(a) ? box_list_get(&c->boxes, a) : &plain;
    const struct box *y = is_box(b) ? box_list_get(&c->boxes, b) : &plain;
    return (x->hist != NULL) == (y->hist != NULL) && x->has_start == y->has_start;
}

// n boxes, and doubles among them, as the columns of a run.
static void boxes_run(struct tsdb_cursor *c, const f64 *refs, struct series_run *out)
{
    f64 *values = ARENA_NEW_N(c->series_arena, f64, out->n);
    i64 *starts = ARENA_NEW_N(c->series_arena, i64, out->n);
    const struct hist **hists = arena_alloc(c->series_arena, out->n, sizeof(void *));
    struct box b = {0};
    for (u32 i = 0; i < out->n; i++) {
        b = is_box(refs[i]) ? *box_list_get(&c->boxes, refs[i]) : (struct box){.value = refs[i]};
        values[i] = b.value;
        starts[i] = b.start_ms;
        hists[i] = b.hist;
    }
    out->values = values;
    out->kind = b.hist ? SAMPLE_HIST : SAMPLE_FLOAT;
    out->hists = b.hist ? hists : NULL;
    if (b.has_start) {
        out->start_t_ms = starts;
        out->column_id = 0;
    }
}

// Gives the samples of c->rest that may stand in one run.
static void rest_run(struct tsdb_cursor *c, struct series_run *out)
{
    struct series_run *rest = &c->rest;
    u32 n = 1;
    bool boxes = is_box(rest->values[0]);
    while (n < rest->n && same_kind(c, rest->values[n - 1], rest->values[n])) {
        boxes = boxes || is_box(rest->values[n]);
        n++;
    }
    *out = *rest;
    out->n = n;
    out->column_id = n == rest->n ? rest->column_id : 0;
    if (boxes) {
        boxes_run(c, rest->values, out);
    }
    rest->column_id = 0;
    rest->t_ms += n;
    rest->values += n;
    rest->n -= n;
}

// The next part as a run of values; false: nothing of it can be read.
static bool part_run(struct tsdb_cursor *c, const struct part *p, struct series_run *out)
{
    *out = (struct series_run){.kind = SAMPLE_FLOAT, .n = p->n};
    if (p->present) {
        i64 *t = ARENA_NEW_N(c->series_arena, i64, p->n);
        f64 *values = ARENA_NEW_N(c->series_arena, f64, p->n);
        struct part q = *p;
        q.boxed = true; // What looks like a reference is looked at only where one may be.
        out->n = part_copy(c, &q, t, values);
        out->t_ms = t;
        out->values = values;
        return out->n > 0;
    }
    const f64 *all = part_values(c, p);
    if (!all) {
        return false;
    }
    out->t_ms = p->t + p->low;
    out->values = all + (p->low - p->first);
    if (p->column_id != 0) {
        out->column_id = p->column_id | (u64)p->low << 9 | p->n;
    }
    return true;
}

static bool tsdb_cursor_run(struct series_cursor *base, struct series_run *out)
{
    struct tsdb_cursor *c = cursor_of(base);
    if (c->failed || c->s.no_data) {
        return false;
    }
    while (c->rest.n == 0 && c->part_at < c->part_count) {
        const struct part *p = &c->parts[c->part_at++];
        if (part_run(c, p, out)) {
            if (!p->boxed) {
                return true;
            }
            c->rest = *out;
        }
        if (c->failed) {
            return false;
        }
    }
    if (c->rest.n == 0) {
        return false;
    }
    rest_run(c, out);
    return true;
}

static bool series_cursor_close(struct series_cursor *base, struct storage_warnings *w,
                                struct error *e)
{
    struct tsdb_cursor *c = cursor_of(base);
    bool ok = !c->failed;
    if (!ok && e) {
        *e = c->error;
    }
    if (w) {
        w->partial = w->partial || c->warnings.partial;
        for (u32 i = 0; i < c->warnings.count && w->count < WARNINGS_MAX; i++) {
            w->texts[w->count++] = c->warnings.texts[i];
        }
    }
    for (u32 i = 0; i < c->source_count; i++) {
        block_reader_fini(&c->sources[i].reader);
    }
    mem_free(c->parts);
    arena_free(c->series_arena);
    arena_free(c->label_arenas[0]);
    arena_free(c->label_arenas[1]);
    arena_free(c->arena);
    mem_free(c);
    return ok;
}

static const struct series_cursor_ops tsdb_cursor_ops = {
    .next = tsdb_cursor_next,
    .labels = tsdb_cursor_labels,
    .run = tsdb_cursor_run,
    .close = series_cursor_close,
};
