// tsdb_labels.c: label names, label values and counts of series, from postings.
//
//   each block, each shard: matchers → set ─┬► sure: have a sample in the range, as postings and
//                                           │        newest sample tell; answered from the index
//                                           └► rest: those that could add something are read
//
// A shard's values are looked through one by one instead, where each may have several series: the
// first of them that is sure is enough.
// Cost: O(values) of the names looked at, else 10 ns per series of the head; data is read only of
// blocks that the range cuts, and of series whose newest sample alone does not tell.
// Memory: the texts, charged to the budget of the querier, and a set per source.
// Threads: owned.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/clk.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/head_source.h"
#include "tsdb/head_values.h"
#include "tsdb/postings.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_cursor.h"
#include "tsdb/tsdb_query.h"

#include <stdlib.h>

#define TEXT_BYTES_MAX  ((u64)64 << 20) // Of one answer, if no budget says less.
#define LOOK_EVERY      256U            // Texts between looks at the clock.
#define WALK_SERIES     256U            // So few are asked for their labels one by one.
#define WALK_SHARE      8U
#define HANDLES_AT_ONCE 512U

// A set of texts in the caller's arena. Threads: owned.
struct text_set {
    struct arena *arena;
    bool rises; // The texts came in order so far, and the index has none of them.
    struct map index;
    str *items;
    u32 count;
    u32 cap;
    u64 bytes;
};

// One source of the query. Threads: owned.
struct look_source {
    struct index_source *index; // NULL: out of the range.
    struct head_source head;
    struct postings *sure;
    bool by_value; // Nothing was found to be sure beforehand; the rest is what was asked for.
};

// Threads: owned.
struct look {
    struct tsdb_querier *q;
    const struct matcher *ms;
    u32 count;
    str name; // Empty: names are looked for, else its values.
    struct text_set texts;
    u32 source_count;
    struct look_source *sources;
    struct postings **rest; // By source; as tsdb_selection.given.
    u32 looks;
    bool failed;
    struct error error;

    // Of the walk under way.
    struct index_source *at;
    struct postings *set;
    struct postings *unknown;
    u64 handles[HANDLES_AT_ONCE];
    u32 handle_count;
    bool hit;
};

static bool text_eq(const void *ctx, u32 index, const void *key)
{
    const struct text_set *s = ctx;
    return str_eq(s->items[index], *(const str *)key);
}

static u64 text_hash(const void *ctx, u32 index)
{
    const struct text_set *s = ctx;
    return hash_str(s->items[index]);
}

static const struct map_ops text_ops = {.eq = text_eq, .hash_of = text_hash};

static bool look_fail(struct look *k, const struct error *why)
{
    if (why) {
        k->error = *why;
    }
    k->failed = true;
    return false;
}

// Whether the query may go on.
static bool look_tick(struct look *k)
{
    const struct query_budget *b = k->q->base.budget;
    if (!b || k->looks++ % LOOK_EVERY != 0) {
        return true;
    }
    if (query_is_cancelled(b)) {
        (void)err_set(&k->error, ERR_CANCELLED, "the query was cancelled");
        return look_fail(k, NULL);
    }
    if (b->deadline_mono_ns != 0 && clk_mono_ns(k->q->db->opts.clk) > b->deadline_mono_ns) {
        (void)err_set(&k->error, ERR_TIMEOUT, "the query's deadline passed while reading labels");
        return look_fail(k, NULL);
    }
    return true;
}

static bool text_known(struct look *k, str text)
{
    struct text_set *s = &k->texts;
    if (s->rises) {
        const int order = s->count == 0 ? -1 : str_cmp(s->items[s->count - 1], text);
        if (order <= 0) {
            return order == 0;
        }
        s->rises = false;
        for (u32 i = 0; i < s->count; i++) {
            map_put(&s->index, hash_str(s->items[i]), i);
        }
    }
    return map_get(&s->index, hash_str(text), &text) != MAP_NONE;
}

static u64 texts_max(const struct look *k)
{
    const struct query_budget *b = k->q->base.budget;
    return b && b->bytes_max != 0 ? b->bytes_max : TEXT_BYTES_MAX;
}

static bool texts_full(struct look *k)
{
    (void)err_set(&k->error, ERR_LIMIT,
                  "the label %s need more than %llu bytes; ask with matchers, or for less time",
                  k->name.len > 0 ? "values" : "names", (unsigned long long)texts_max(k));
    return look_fail(k, NULL);
}

// Room for n more texts of so many bytes in all, which are charged; false: there is none.
static bool texts_room(struct look *k, u32 n, size_t bytes)
{
    struct text_set *s = &k->texts;
    const struct query_budget *b = k->q->base.budget;
    str *wider = s->items;
    const u32 cap = MAX(MAX(64U, s->cap * 2), s->count + n);
    s->bytes += bytes + (u64)n * 2 * sizeof(str);
    const bool fits = s->bytes + (b ? b->bytes : 0) <= texts_max(k);
    if (fits && s->count + n > s->cap) {
        wider = arena_try_raw(s->arena, cap, sizeof(str));
    }
    if (!fits || !wider) {
        return texts_full(k);
    }
    if (wider != s->items) {
        if (s->count > 0) {
            memcpy(wider, s->items, s->count * sizeof(str));
        }
        s->items = wider;
        s->cap = cap;
    }
    return true;
}

// Room for so many at once, before there is any; if there is none, they come as there is.
static void texts_reserve(struct look *k, u64 n)
{
    struct text_set *s = &k->texts;
    if (s->cap > 0 || n == 0 || n > UINT32_MAX || n * sizeof(str) > texts_max(k)) {
        return;
    }
    s->items = arena_try_raw(s->arena, n, sizeof(str));
    s->cap = s->items ? (u32)n : 0;
}

static bool text_add(struct look *k, str text)
{
    struct text_set *s = &k->texts;
    if (text_known(k, text)) {
        return look_tick(k);
    }
    char *copy = arena_try_raw(s->arena, text.len + 1, 1);
    if (!texts_room(k, 1, text.len + 1)) {
        return false;
    }
    if (!copy) {
        return texts_full(k);
    }
    memcpy(copy, text.ptr, text.len);
    s->items[s->count] = (str){copy, text.len};
    if (!s->rises) {
        map_put(&s->index, hash_str(text), s->count);
    }
    s->count++;
    return look_tick(k);
}

// Those of n texts that are sure; they rise, and are behind all that there are. The head keeps them
// as long as the querier is open.
static bool texts_add_behind(struct look *k, const str *texts, const bool *sure, u32 n)
{
    struct text_set *s = &k->texts;
    size_t bytes = 0;
    u32 count = 0;
    for (u32 i = 0; i < n; i++) {
        const bool taken = sure[i] && texts[i].len > 0;
        bytes += taken ? texts[i].len + 1 : 0;
        count += taken;
    }
    if (count > 0 && !texts_room(k, count, bytes)) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        if (sure[i] && texts[i].len > 0) {
            s->items[s->count++] = texts[i];
        }
    }
    return true;
}

// ---- the sources and what is sure of them ----

// Damage of one source is told, and the others answer.
static bool source_fail(struct look *k, const struct error *why)
{
    struct storage_warnings *w = k->q->base.warnings;
    if (why->code != ERR_CORRUPT) {
        return look_fail(k, why);
    }
    k->failed = false;
    if (w) {
        w->partial = true;
        if (w->count < WARNINGS_MAX) {
            w->texts[w->count++] = query_text_keep(&k->q->texts, str_c(why->text));
        }
    }
    return true;
}

static bool source_open(struct look *k, u32 at, struct index_source *index)
{
    struct error why = {0};
    struct postings *set = index_select(index, k->q->tenant, k->ms, k->count, &why);
    if (set) {
        postings_free(k->rest[at]);
        k->rest[at] = set;
        k->sources[at].index = index;
        return true;
    }
    return source_fail(k, &why);
}

static struct head_read reader_of(const struct look *k, u32 shard)
{
    return (struct head_read){.head = k->q->db->heads[shard],
                              .commit = k->q->pin.commits[shard],
                              .min_ms = MAX(k->q->min_ms, k->q->pin.head_min),
                              .max_ms = k->q->max_ms};
}

// So few series, or so many values, that each series' label is looked at.
static bool walks_series(const struct look *k, struct index_source *index, u64 series)
{
    return series <= WALK_SERIES ||
           (k->name.len > 0 && series * WALK_SHARE <= index->ops->value_count(index, k->name));
}

static void head_sure(struct look *k, u32 shard)
{
    u32 at = k->q->pin.blocks->n + shard;
    struct look_source *s = &k->sources[at];
    const struct head_read r = reader_of(k, shard);
    s->by_value = k->name.len > 0 && !walks_series(k, s->index, postings_count(k->rest[at]));
    if (!s->by_value) {
        head_source_sure(&r, k->q->pin.blocks->heads[shard], k->rest[at], s->sure);
    }
}

// In a block that lies in the range every series has a sample there, unless some are deleted.
static void block_sure(struct look *k, u32 at)
{
    const struct block_meta *m = &k->q->pin.blocks->blocks[at]->meta;
    const struct tombstones *dead = k->q->pin.blocks->dead[at];
    struct postings *sure = k->sources[at].sure;
    if (m->min_ms < k->q->min_ms || m->max_ms - 1 > k->q->max_ms) {
        return;
    }
    postings_or(sure, k->rest[at]);
    for (u32 i = 0; dead && i < dead->n; i++) {
        postings_remove(sure, dead->items[i].series);
    }
    postings_andnot(k->rest[at], sure);
}

static bool sources_open(struct look *k)
{
    const struct tsdb_querier *q = k->q;
    const struct block_set *blocks = q->pin.blocks;
    k->source_count = blocks->n + SHARDS;
    k->sources = MEM_NEW_N(struct look_source, k->source_count);
    k->rest = MEM_NEW_N(struct postings *, k->source_count);
    for (u32 i = 0; i < k->source_count; i++) {
        k->rest[i] = postings_new();
        k->sources[i].sure = postings_new();
    }
    for (u32 i = 0; i < blocks->n; i++) {
        struct block *b = blocks->blocks[i];
        if (b->meta.min_ms <= q->max_ms && b->meta.max_ms > q->min_ms) {
            if (!source_open(k, i, &b->index.source) || !look_tick(k)) {
                return false;
            }
            block_sure(k, i);
        }
    }
    i64 min_ms = MAX(q->min_ms, q->pin.head_min);
    for (u32 i = 0; i < SHARDS && min_ms <= q->max_ms; i++) {
        struct look_source *s = &k->sources[blocks->n + i];
        head_source_init(&s->head, q->db->heads[i]);
        if (!source_open(k, blocks->n + i, &s->head.source)) {
            return false;
        }
        head_sure(k, i);
    }
    return true;
}

static void sources_close(struct look *k)
{
    for (u32 i = 0; i < k->source_count; i++) {
        postings_free(k->rest[i]);
        postings_free(k->sources[i].sure);
    }
    mem_free(k->rest);
    mem_free(k->sources);
}

// Walks the series of the rest, which reads their data. Owned by the caller.
static struct series_cursor *rest_open(struct look *k)
{
    const struct tsdb_selection s = {.db = k->q->db,
                                     .pin = &k->q->pin,
                                     .texts = &k->q->texts,
                                     .tenant = k->q->tenant,
                                     .min_ms = k->q->min_ms,
                                     .max_ms = k->q->max_ms,
                                     .given = k->rest,
                                     .no_data = true,
                                     .budget = k->q->base.budget};
    return tsdb_cursor_open(&s, &k->error);
}

// ---- texts of what is sure ----

static bool label_take(void *ctx, UNUSED u32 at, struct label l)
{
    struct look *k = ctx;
    return text_add(k, k->name.len > 0 ? l.value : l.name);
}

static bool walk_series(struct look *k)
{
    u32 n = (u32)postings_count(k->set);
    u32 *ordinals = MEM_NEW_N(u32, n);
    const struct index_wanted wanted = {.ordinals = ordinals, .n = n, .name = k->name};
    struct error why = {0};
    postings_list(k->set, ordinals);
    bool ok = k->at->ops->labels(k->at, &wanted, label_take, k, &why);
    mem_free(ordinals);
    return ok ? !k->failed : look_fail(k, &why);
}

static bool value_take(void *ctx, str value, u64 handle)
{
    struct look *k = ctx;
    struct error why = {0};
    bool yes = false;
    if (value.len == 0 || text_known(k, value)) {
        return look_tick(k);
    }
    if (!k->at->ops->touches(k->at, handle, k->set, &yes, &why)) {
        return look_fail(k, &why);
    }
    return yes ? text_add(k, value) : look_tick(k);
}

// The first value that one of the series has is enough.
static bool value_hits(void *ctx, UNUSED str value, u64 handle)
{
    struct look *k = ctx;
    struct error why = {0};
    if (!k->at->ops->touches(k->at, handle, k->set, &k->hit, &why)) {
        return look_fail(k, &why);
    }
    return !k->hit && look_tick(k);
}

static bool name_take(void *ctx, str name, UNUSED u64 handle)
{
    struct look *k = ctx;
    struct error why = {0};
    if (text_known(k, name)) {
        return true;
    }
    k->hit = false;
    if (!k->at->ops->values(k->at, name, STR_EMPTY, value_hits, k, &why)) {
        return look_fail(k, &why);
    }
    return k->failed ? false : !k->hit || text_add(k, name);
}

// Values of the list at work. Threads: owned.
struct values_slice {
    bool alone; // No source before this one had a text.
    u32 places[HEAD_VALUES_MAX];
    str texts[HEAD_VALUES_MAX];
    bool sure[HEAD_VALUES_MAX];
    struct head_value values[HEAD_VALUES_MAX]; // Unless alone: those that are not known.
};

// Of values whose texts are at hand, leaves those that are not known: how many.
static u32 values_unknown(struct look *k, const struct head_value *values, u32 n,
                          struct values_slice *w)
{
    u32 wanted = 0;
    for (u32 i = 0; i < n; i++) {
        if (w->texts[i].len > 0 && !text_known(k, w->texts[i])) {
            w->texts[wanted] = w->texts[i];
            w->values[wanted++] = values[i];
        }
    }
    return wanted;
}

// Values [from, from + n) of the list.
static bool values_take(struct look *k, const struct head_values_ask *ask, struct head_order *o,
                        u32 from, u32 n, struct values_slice *w)
{
    const struct head_value *values = o->items + from;
    for (u32 i = 0; i < n; i++) {
        w->places[i] = values[i].place;
    }
    symtab_texts(ask->reader->head->index.symbols, w->places, n, w->texts);
    if (w->alone) {
        head_values_sure(ask, o, values, n, w->sure);
        k->looks = 0; // Looks at the clock.
        return texts_add_behind(k, w->texts, w->sure, n) && look_tick(k);
    }
    const u32 wanted = values_unknown(k, values, n, w);
    if (wanted > 0) {
        head_values_sure(ask, o, w->values, wanted, w->sure);
    }
    for (u32 i = 0; i < wanted; i++) {
        if (!(w->sure[i] ? text_add(k, w->texts[i]) : look_tick(k))) {
            return false;
        }
    }
    return look_tick(k);
}

static bool pace_tick(void *ctx)
{
    struct look *k = ctx;
    k->looks = 0; // Looks at the clock.
    return look_tick(k);
}

// The values of a shard's series; what has to be read because of a value that has none that is sure
// is left in the rest.
static bool collect_by_value(struct look *k, u32 at)
{
    const u32 shard = at - k->q->pin.blocks->n;
    const struct head_read reader = reader_of(k, shard);
    const struct head_values_ask ask = {.reader = &reader,
                                        .dead = k->q->pin.blocks->heads[shard],
                                        .set = k->rest[at],
                                        .unsure = postings_new()};
    const struct head_values_pace pace = {pace_tick, k};
    struct head_order *o = head_values_get(reader.head, k->name, &pace);
    struct values_slice slice = {.alone = k->texts.count == 0};
    bool ok = !k->failed;
    texts_reserve(k, MIN(o->count, postings_count(ask.set)));
    for (u32 i = 0; ok && i < o->count; i += HEAD_VALUES_MAX) {
        ok = values_take(k, &ask, o, i, MIN(HEAD_VALUES_MAX, o->count - i), &slice);
    }
    head_order_unref(o);
    postings_free(k->rest[at]);
    k->rest[at] = ask.unsure;
    return ok;
}

static bool sure_collect(struct look *k)
{
    for (u32 i = 0; i < k->source_count; i++) {
        struct error why = {0};
        bool ok;
        k->at = k->sources[i].index;
        k->set = k->sources[i].sure;
        u64 n = postings_count(k->set);
        if (!k->at || (n == 0 && !k->sources[i].by_value)) {
            continue;
        }
        if (k->sources[i].by_value) {
            ok = collect_by_value(k, i);
        } else if (walks_series(k, k->at, n)) {
            ok = walk_series(k);
        } else if (k->name.len > 0) {
            ok = k->at->ops->values(k->at, k->name, STR_EMPTY, value_take, k, &why);
        } else {
            ok = k->at->ops->names(k->at, name_take, k, &why);
        }
        ok = ok && !k->failed && index_whole(k->at, &why);
        if (!ok && !source_fail(k, k->failed ? &k->error : &why)) {
            return false;
        }
    }
    return true;
}

// ---- texts of the rest ----

static bool unknown_flush(struct look *k)
{
    struct error why = {0};
    bool ok = k->at->ops->gather(k->at, k->handles, k->handle_count, k->unknown, &why);
    k->handle_count = 0;
    return ok ? true : look_fail(k, &why);
}

static bool unknown_add(struct look *k, u64 handle)
{
    k->handles[k->handle_count++] = handle;
    return (k->handle_count < HANDLES_AT_ONCE || unknown_flush(k)) && look_tick(k);
}

static bool unknown_value(void *ctx, str value, u64 handle)
{
    struct look *k = ctx;
    return value.len == 0 || text_known(k, value) ? look_tick(k) : unknown_add(k, handle);
}

static bool unknown_any(void *ctx, UNUSED str value, u64 handle)
{
    return unknown_add(ctx, handle);
}

static bool unknown_name(void *ctx, str name, UNUSED u64 handle)
{
    struct look *k = ctx;
    struct error why = {0};
    if (text_known(k, name)) {
        return true;
    }
    return k->at->ops->values(k->at, name, STR_EMPTY, unknown_any, k, &why) ? !k->failed
                                                                            : look_fail(k, &why);
}

// Leaves in the rest only series with a text that is not known yet.
static bool rest_reduce(struct look *k)
{
    for (u32 i = 0; i < k->source_count; i++) {
        struct error why = {0};
        k->at = k->sources[i].index;
        if (!k->at || k->sources[i].by_value || postings_count(k->rest[i]) <= WALK_SERIES) {
            continue;
        }
        k->unknown = postings_new();
        bool ok = k->name.len > 0
                      ? k->at->ops->values(k->at, k->name, STR_EMPTY, unknown_value, k, &why)
                      : k->at->ops->names(k->at, unknown_name, k, &why);
        if (ok && !k->failed && unknown_flush(k) && index_whole(k->at, &why)) {
            postings_and(k->rest[i], k->unknown);
        }
        postings_free(k->unknown);
        if ((!ok || k->failed) && !source_fail(k, k->failed ? &k->error : &why)) {
            return false;
        }
        k->handle_count = 0;
    }
    return true;
}

static bool rest_collect(struct look *k)
{
    struct series_cursor *c = rest_open(k);
    bool ok = c != NULL;
    while (ok && c->ops->next(c)) {
        struct labels ls = c->ops->labels(c);
        for (u32 i = 0; ok && i < ls.count; i++) {
            if (k->name.len == 0 || str_eq(ls.items[i].name, k->name)) {
                ok = label_take(k, 0, ls.items[i]);
            }
        }
    }
    struct error why = {0};
    if (c && !c->ops->close(c, k->q->base.warnings, &why)) {
        return k->failed ? false : look_fail(k, &why);
    }
    return ok ? true : look_fail(k, NULL);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

// As one index alone may give them.
static bool texts_are_sorted(const struct text_set *s)
{
    for (u32 i = 1; i < s->count; i++) {
        if (str_cmp(s->items[i - 1], s->items[i]) > 0) {
            return false;
        }
    }
    return true;
}

static bool look_run(struct look *k, str **texts, u32 *n, struct error *e)
{
    map_init(&k->texts.index, &text_ops, &k->texts);
    k->texts.rises = true;
    bool ok = sources_open(k) && sure_collect(k) && rest_reduce(k) && rest_collect(k);
    sources_close(k);
    map_fini(&k->texts.index);
    if (k->q->base.budget) {
        k->q->base.budget->bytes += k->texts.bytes;
    }
    if (!ok) {
        return err_set(e, k->error.code, "%s", k->error.text);
    }
    if (!k->texts.rises && !texts_are_sorted(&k->texts)) {
        qsort(k->texts.items, k->texts.count, sizeof(str), by_text);
    }
    *texts = k->texts.items;
    *n = k->texts.count;
    return true;
}

// NOLINTBEGIN(readability-function-size): the waist's signatures
bool tsdb_label_names(struct storage_querier *base, const struct matcher *ms, u32 count,
                      struct arena *a, str **names, u32 *n, struct error *e)
{
    struct look k = {.q = tsdb_querier_of(base), .ms = ms, .count = count, .texts = {.arena = a}};
    return look_run(&k, names, n, e);
}

bool tsdb_label_values(struct storage_querier *base, str name, const struct matcher *ms, u32 count,
                       struct arena *a, str **values, u32 *n, struct error *e)
{
    struct look k = {
        .q = tsdb_querier_of(base), .ms = ms, .count = count, .name = name, .texts = {.arena = a}};
    if (name.len == 0) {
        *values = NULL;
        *n = 0;
        return true;
    }
    return look_run(&k, values, n, e);
}
// NOLINTEND(readability-function-size)

// A series of several sources counts once, which only its labels tell: then all are walked.
static bool count_rest(struct look *k, u64 *series)
{
    u32 with = 0;
    u64 sure = 0;
    for (u32 i = 0; i < k->source_count; i++) {
        u64 n = postings_count(k->sources[i].sure);
        with += n > 0 || postings_count(k->rest[i]) > 0;
        sure += n;
    }
    for (u32 i = 0; with > 1 && i < k->source_count; i++) {
        postings_or(k->rest[i], k->sources[i].sure);
        sure = 0;
    }
    struct series_cursor *c = rest_open(k);
    if (!c) {
        return false;
    }
    while (c->ops->next(c)) {
        sure++;
    }
    *series = sure;
    return c->ops->close(c, k->q->base.warnings, &k->error);
}

bool tsdb_series_count(struct storage_querier *base, const struct matcher *ms, u32 count,
                       u64 *series, struct error *e)
{
    struct look k = {.q = tsdb_querier_of(base), .ms = ms, .count = count};
    u64 n = 0;
    bool ok = sources_open(&k) && count_rest(&k, &n);
    sources_close(&k);
    if (!ok) {
        return err_set(e, k.error.code, "%s", k.error.text);
    }
    *series = n;
    return true;
}
