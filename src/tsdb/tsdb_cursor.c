#include "tsdb/tsdb_cursor.h"

#include "base/arena.h"
#include "base/log.h"
#include "os/clk.h"
#include "os/map_guard.h"
#include "tsdb/head.h"
#include "tsdb/head_sort.h"
#include "tsdb/head_source.h"
#include "tsdb/postings.h"
#include "tsdb/tsdb_cursor_inner.h"
#include "tsdb/tsdb_inner.h"

#include <stdlib.h>

#define QUERY_ARENA_MAX ((size_t)64 << 30) // The budget is what bounds a query.
#define WARNING_BYTES   400

// Between two looks at the clock: so many samples, and of each series as if it had some more.
#define LOOK_WORK   ((u64)1 << 16)
#define LOOK_SERIES ((u64)1 << 11)

static bool is_late(struct tsdb_cursor *c)
{
    c->unlooked = 0;
    return clk_mono_ns(c->s.db->opts.clk) > c->s.budget->deadline_mono_ns;
}

// Whether the query may go on with what it has been charged, of which so much was new.
static bool budget_holds(struct tsdb_cursor *c, u64 series, u64 samples)
{
    const struct query_budget *b = c->s.budget;
    struct error *e = &c->error;
    if (query_is_cancelled(b)) {
        return err_set(e, ERR_CANCELLED, "the query was cancelled");
    }
    c->unlooked += LOOK_SERIES * series + samples;
    if (b->deadline_mono_ns != 0 && (series == 0 || c->unlooked >= LOOK_WORK) && is_late(c)) {
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
        return err_set(e, ERR_LIMIT,
                       "the query needs more than %llu bytes, its share of --memory.limit",
                       (unsigned long long)b->bytes_max);
    }
    return true;
}

bool cursor_charge(struct tsdb_cursor *c, u64 series, u64 samples, u64 bytes)
{
    struct query_budget *b = c->s.budget;
    if (!b) {
        return true;
    }
    b->series += series;
    b->samples += samples;
    b->bytes += bytes;
    return budget_holds(c, series, samples) || tsdb_cursor_fail(c);
}

str query_text_keep(struct query_texts *t, str text)
{
    lock_take(&t->lock);
    str copy = arena_str(t->arena, text);
    lock_drop(&t->lock);
    return copy;
}

void cursor_miss(struct tsdb_cursor *c, const struct error *why)
{
    if (why->code == ERR_LIMIT) {
        c->failed = true;
        c->error = *why;
    } else {
        cursor_warn_partial(c, why->text);
    }
}

void cursor_warn_partial(struct tsdb_cursor *c, const char *text)
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
        w->texts[w->count++] = query_text_keep(c->s.texts, s);
    }
}

// --- Opening -----------------------------------------------------------------------------------

static int by_their_labels(const void *a, const void *b)
{
    return labels_cmp((*(const struct head_series *const *)a)->labels,
                      (*(const struct head_series *const *)b)->labels);
}

static int labels_to_series(const void *labels, const void *item)
{
    return labels_cmp(*(const struct labels *)labels,
                      (*(const struct head_series *const *)item)->labels);
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
        return tsdb_cursor_fail(c);
    }
    struct source *s = &c->sources[c->source_count++];
    s->shard = shard;
    s->dead = c->s.pin->blocks->heads[shard];
    struct head_read r = {.head = h,
                          .commit = c->s.pin->commits[shard],
                          .min_ms = min_ms,
                          .max_ms = c->s.max_ms,
                          .arena = c->arena};
    struct head_found found;
    size_t before = arena_bytes(c->arena);
    bool ok = cursor_charge(c, 0, 0, postings_count(set) * sizeof(struct head_series)) &&
              head_read_series(&r, set, &found, &c->error);
    postings_free(set);
    if (!ok) {
        return tsdb_cursor_fail(c);
    }
    s->series = found.series;
    s->count = found.count;
    s->reach = found.reach;
    return cursor_charge(c, 0, 0, arena_bytes(c->arena) - before);
}

void cursor_source_open(struct tsdb_cursor *c, struct source *s, struct block *b)
{
    block_reader_init(&s->reader, b, c->arena);
    if (!c->texts.arena) {
        symbol_texts_init(&c->texts);
    }
}

static bool block_select(struct tsdb_cursor *c, u32 at)
{
    struct error why = {0};
    struct block *b = c->s.pin->blocks->blocks[at];
    struct postings *set = source_select(c, &b->index.source, at, &why);
    if (!set && why.code != ERR_CORRUPT) {
        c->error = why;
        return tsdb_cursor_fail(c);
    }
    if (!set) {
        cursor_warn_partial(c, why.text);
        return true;
    }
    const u64 n = postings_count(set);
    const bool ok = n == 0 || cursor_charge(c, 0, 0, n * sizeof(u32));
    if (n > 0 && ok) {
        struct source *s = &c->sources[c->source_count++];
        s->is_block = true;
        s->dead = c->s.pin->blocks->dead[at];
        s->ordinals = ARENA_NEW_N(c->arena, u32, n);
        s->count = (u32)n;
        postings_list(set, s->ordinals);
        cursor_source_open(c, s, b);
    }
    postings_free(set);
    return ok;
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
            cursor_warn_partial(c, text.text);
        }
    }
    lock_drop(&db->lock);
}

// Puts the shards' series in order of labels; or, where they come in any order, makes it quick to
// find what a later shard has of a series. What is in the pin decides which, never what else the
// shards hold by now: another cursor of the querier has the same order.
static void heads_order(struct tsdb_cursor *c)
{
    u32 before = 0;
    for (u32 i = 0; i < c->source_count; i++) {
        struct source *s = &c->sources[i];
        if (!s->is_block && c->in_order && s->count > 1) {
            head_series_sort(s->series, s->count);
        } else if (!c->in_order && before > 0 && s->count > 0) {
            s->by_labels = arena_alloc(c->arena, s->count, sizeof(void *));
            s->taken = ARENA_NEW_N(c->arena, bool, s->count);
            for (u32 k = 0; k < s->count; k++) {
                s->by_labels[k] = &s->series[k];
            }
            qsort(s->by_labels, s->count, sizeof(void *), by_their_labels);
        }
        before += s->count;
    }
}

static bool series_cursor_close(struct series_cursor *base, struct storage_warnings *w,
                                struct error *e);
static const struct series_cursor_ops tsdb_cursor_ops;

struct tsdb_cursor *cursor_new(const struct tsdb_selection *s)
{
    struct tsdb_cursor *c = MEM_NEW(struct tsdb_cursor);
    c->base.ops = &tsdb_cursor_ops;
    c->s = *s;
    c->holes = map_guard_holes();
    c->arena = arena_new(QUERY_ARENA_MAX);
    c->series_arena = arena_new(SERIES_ARENA_MAX);
    c->label_arenas[0] = arena_new(SERIES_ARENA_MAX);
    c->label_arenas[1] = arena_new(SERIES_ARENA_MAX);
    c->sources = arena_alloc(c->arena, s->pin->blocks->n + SHARDS, sizeof(struct source));
    return c;
}

struct series_cursor *tsdb_cursor_open(const struct tsdb_selection *s, struct error *e)
{
    struct tsdb_cursor *c = cursor_new(s);
    const struct block_set *blocks = s->pin->blocks;
    gaps_tell(c);
    c->in_order = s->sorted;
    bool ok = cursor_charge(c, 0, 0, 0);
    for (u32 i = 0; ok && i < blocks->n; i++) {
        const struct block_meta *m = &blocks->blocks[i]->meta;
        if (m->min_ms <= s->max_ms && m->max_ms > s->min_ms) {
            ok = block_select(c, i);
            c->in_order = c->in_order || c->source_count > 0; // As blocks are.
        }
    }
    for (u32 i = 0; ok && i < SHARDS; i++) {
        ok = head_select(c, i);
    }
    if (!ok) {
        (void)series_cursor_close(&c->base, NULL, e);
        return NULL;
    }
    heads_order(c);
    for (u32 i = 0; i < c->source_count; i++) {
        c->base.series_about = MAX(c->base.series_about, c->sources[i].count);
    }
    return &c->base;
}

// --- The next series ---------------------------------------------------------------------------

// How many first labels have the same texts at the same place.
static u32 labels_shared(struct labels a, struct labels b)
{
    const u32 both = MIN(a.count, b.count);
    u32 n = 0;
    while (n < both && a.items[n].name.ptr == b.items[n].name.ptr &&
           a.items[n].name.len == b.items[n].name.len &&
           a.items[n].value.ptr == b.items[n].value.ptr &&
           a.items[n].value.len == b.items[n].value.len) {
        n++;
    }
    return n;
}

// Labels of the source's series at hand; false with c->failed on failure, else at the end.
static bool source_peek(struct tsdb_cursor *c, struct source *s)
{
    UNINIT struct error why;
    bool moved = s->moved;
    s->moved = false;
    s->same = 0;
    while (!s->live && s->at < s->count) {
        if (!s->is_block) {
            s->labels = s->series[s->at].labels;
            s->same = moved ? labels_shared(s->series[s->at - 1].labels, s->labels) : 0;
            s->live = true;
            break;
        }
        s->live = label_reader_get(&s->reader.labels, s->ordinals[s->at], &c->texts,
                                   c->label_arenas[c->label_at], &s->labels, &why);
        if (!s->live && why.code != ERR_CORRUPT) {
            c->error = why;
            return tsdb_cursor_fail(c);
        }
        if (!s->live) {
            cursor_warn_partial(c, why.text);
            moved = false; // The reader has compared with that one.
            s->at++;
            continue;
        }
        s->same = moved ? s->reader.labels.same : 0;
    }
    return s->live;
}

// A block's labels are read ahead into one of two arenas; when one has grown, or their texts have,
// the labels still waiting move to the other, and nobody holds a text any more.
static void label_arena_turn(struct tsdb_cursor *c)
{
    const bool texts_go = c->texts.arena && symbol_texts_are_many(&c->texts);
    if (arena_bytes(c->label_arenas[c->label_at]) < (1U << 20) && !texts_go) {
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
    if (texts_go) {
        symbol_texts_drop(&c->texts);
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

static void series_begin(struct tsdb_cursor *c, struct labels labels)
{
    c->labels = labels;
    c->part_count = 0;
    c->part_at = 0;
    c->rest.n = 0;
    c->any_boxed = false;
    arena_reset(c->series_arena);
    c->boxes = (struct box_list){.arena = c->series_arena};
}

// By labels. Those of which the step before took the series both had its labels then, and have not
// changed more than what is not the same any more.
static int sources_cmp(const struct source *a, const struct source *b)
{
    return labels_cmp_from(a->labels, b->labels, MIN(a->same, b->same));
}

// Collects the parts of the smallest labels; false at the end or on failure.
static bool smallest_gather(struct tsdb_cursor *c)
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
        const int order =
            smallest == c->source_count ? -1 : sources_cmp(&c->sources[i], &c->sources[smallest]);
        smallest = order < 0 ? i : smallest;
        c->sources[i].equal_to = order <= 0 ? smallest : c->source_count;
    }
    if (smallest == c->source_count) {
        return false;
    }
    series_begin(c, c->sources[smallest].labels);
    for (u32 i = smallest; i < c->source_count; i++) {
        struct source *s = &c->sources[i];
        if (!s->live || s->equal_to != smallest) {
            continue;
        }
        if (s->is_block) {
            block_reader_forget(&s->reader);
        }
        cursor_source_parts(c, s, s->at);
        s->live = false;
        s->moved = true;
        s->at++;
    }
    return true;
}

// Of the shards alone: the parts of the next series, source after source, and what later sources
// have of it; false at the end.
static bool following_gather(struct tsdb_cursor *c)
{
    struct source *s = c->sources;
    const struct source *end = s + c->source_count;
    for (; s < end; s++) {
        while (s->at < s->count && s->taken && s->taken[s->at]) {
            s->at++;
        }
        if (s->at < s->count) {
            break;
        }
    }
    if (s == end) {
        return false;
    }
    series_begin(c, s->series[s->at].labels);
    cursor_source_parts(c, s, s->at++);
    // One of which nothing is to be seen, for instance, since it came after the pin, is none.
    while (++s < end && c->part_count > 0) {
        const struct head_series *const *twin =
            s->by_labels
                ? bsearch(&c->labels, s->by_labels, s->count, sizeof(void *), labels_to_series)
                : NULL;
        if (twin) {
            u32 at = (u32)(*twin - s->series);
            cursor_source_parts(c, s, at);
            s->taken[at] = true;
        }
    }
    return true;
}

// A series that is passed over costs time, and is not told as read.
static bool passed_charge(struct tsdb_cursor *c)
{
    return !c->s.budget || budget_holds(c, 1, 0) || tsdb_cursor_fail(c);
}

static bool tsdb_cursor_next(struct series_cursor *base)
{
    struct tsdb_cursor *c = tsdb_cursor_of(base);
    if (c->failed || (c->s.limit != 0 && c->given == c->s.limit)) {
        return false;
    }
    for (bool found = false; !found;) {
        if (!(c->in_order ? smallest_gather(c) : following_gather(c)) || c->failed) {
            return false;
        }
        found = c->part_count > 0;
        if (!found && !passed_charge(c)) { // Nothing of it is in the range.
            return false;
        }
    }
    u64 samples = c->s.no_data ? 0 : parts_samples(c);
    if (cursor_charge(c, 1, samples, samples * (sizeof(i64) + sizeof(f64))) && !c->s.no_data) {
        cursor_parts_settle(c);
    }
    c->given++;
    return !c->failed;
}

static struct labels tsdb_cursor_labels(struct series_cursor *base)
{
    return tsdb_cursor_of(base)->labels;
}

static bool series_cursor_close(struct series_cursor *base, struct storage_warnings *w,
                                struct error *e)
{
    struct tsdb_cursor *c = tsdb_cursor_of(base);
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
    head_pieces_fini(&c->pieces);
    arena_free(c->series_arena);
    arena_free(c->label_arenas[0]);
    arena_free(c->label_arenas[1]);
    symbol_texts_fini(&c->texts);
    arena_free(c->arena);
    mem_free(c);
    return ok;
}

static const struct series_cursor_ops tsdb_cursor_ops = {
    .next = tsdb_cursor_next,
    .labels = tsdb_cursor_labels,
    .run = cursor_run,
    .close = series_cursor_close,
    .slices = cursor_slices,
};
