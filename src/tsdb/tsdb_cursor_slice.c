// tsdb_cursor_slice.c: a cursor that has not begun cut into several, for as many threads.
//
// What was selected stays with the cursor that was cut and is frozen from then on; a slice has
// beginnings and ends of its own in each source, readers and memory. Where sources are merged by
// labels, the ends are labels of the largest source, looked for in all others, so that what several
// sources have of a series falls into one slice. Shards in no order that both have series are not
// cut: which of the second were taken with the first is known to one walk alone.
// Cost: O(slices × sources × log series) labels read. Memory: four bytes a slice and source.
#include "base/arena.h"
#include "tsdb/head_read.h"
#include "tsdb/tsdb_cursor_inner.h"

static bool source_labels(struct tsdb_cursor *c, struct source *s, u32 at, struct labels *out)
{
    struct error why = {0};
    if (!s->is_block) {
        *out = s->series[at].labels;
        return true;
    }
    return label_reader_get(&s->reader.labels, s->ordinals[at], &c->texts, c->series_arena, out,
                            &why);
}

// The first of its series whose labels are not less. at: where it is if the sources have the same
// series, as most do; looked at first.
static bool source_find(struct tsdb_cursor *c, struct source *s, struct labels ls, u32 *at)
{
    struct labels there;
    u32 low = 0;
    u32 high = s->count;
    if (*at < high && source_labels(c, s, *at, &there) && labels_eq(there, ls)) {
        return true;
    }
    while (low < high) {
        u32 mid = low + (high - low) / 2;
        if (!source_labels(c, s, mid, &there)) {
            return false;
        }
        bool less = labels_cmp(there, ls) < 0;
        low = less ? mid + 1 : low;
        high = less ? high : mid;
    }
    *at = low;
    return true;
}

static u32 largest_source(const struct tsdb_cursor *c)
{
    u32 largest = 0;
    for (u32 i = 1; i < c->source_count; i++) {
        largest = c->sources[i].count > c->sources[largest].count ? i : largest;
    }
    return largest;
}

static bool is_one_source(const struct tsdb_cursor *c)
{
    u32 n = 0;
    for (u32 i = 0; i < c->source_count; i++) {
        n += c->sources[i].count > 0;
    }
    return n <= 1;
}

// Where slice `at` of count begins in each source.
static bool slice_begin(struct tsdb_cursor *c, u32 at, u32 count, u32 *begins)
{
    const u32 largest = largest_source(c);
    struct source *s = &c->sources[largest];
    const u32 place = (u32)((u64)s->count * at / count);
    struct labels ls = {0};
    if (at == count || is_one_source(c)) {
        for (u32 i = 0; i < c->source_count; i++) {
            begins[i] = at == count ? c->sources[i].count : i == largest ? place : 0;
        }
        return true;
    }
    arena_reset(c->series_arena);
    bool ok = place < s->count && source_labels(c, s, place, &ls);
    for (u32 i = 0; ok && i < c->source_count; i++) {
        begins[i] = at == 0 ? 0 : place;
        ok = at == 0 || i == largest || source_find(c, &c->sources[i], ls, &begins[i]);
    }
    return ok;
}

static struct series_cursor *slice_new(const struct tsdb_cursor *c, struct query_budget *budget,
                                       const u32 *begins, const u32 *ends)
{
    struct tsdb_cursor *x = cursor_new(&c->s);
    x->s.budget = budget;
    x->in_order = c->in_order;
    x->holes = c->holes;
    x->source_count = c->source_count;
    for (u32 i = 0; i < c->source_count; i++) {
        const struct source *from = &c->sources[i];
        struct source *to = &x->sources[i];
        *to = (struct source){.is_block = from->is_block,
                              .shard = from->shard,
                              .dead = from->dead,
                              .ordinals = from->ordinals,
                              .series = from->series,
                              .reach = from->reach,
                              .at = begins[i],
                              .count = ends[i]};
        if (to->is_block) {
            cursor_source_open(x, to, from->reader.block);
        }
        x->base.series_about = MAX(x->base.series_about, ends[i] - begins[i]);
    }
    return &x->base;
}

bool cursor_slices(struct series_cursor *base, u32 count, struct query_budget *budgets,
                   struct series_cursor **out)
{
    struct tsdb_cursor *c = tsdb_cursor_of(base);
    const u32 sources = c->source_count;
    CHECK(c->given == 0 && count > 0);
    if (c->failed || sources == 0 || c->s.limit != 0 || (!c->in_order && !is_one_source(c))) {
        return false;
    }
    u32 *begins = ARENA_NEW_N(c->arena, u32, ((u64)count + 1) * sources);
    for (u32 i = 0; i <= count; i++) {
        if (!slice_begin(c, i, count, begins + (u64)i * sources)) {
            return false;
        }
    }
    for (u32 i = 0; i < count; i++) {
        const u32 *from = begins + (u64)i * sources;
        out[i] = slice_new(c, &budgets[i], from, from + sources);
    }
    for (u32 i = 0; i < sources; i++) {
        c->sources[i].at = c->sources[i].count;
    }
    return true;
}
