// memstore_query.c: the reading half of memstore: scan everything, copy what was asked for.
//
// A querier is the number of the last commit it may see (M2). A cursor fixes the list of series at
// select and copies one series at a time, histograms too, so writers never wait for a reader and
// nothing that was read outlives the cursor's stay at its series.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/hist.h"
#include "os/clk.h"
#include "storage/memstore_inner.h"

#include <stdlib.h>

#define MEM_RUN_SAMPLES_MAX 120 // As a store of chunks would hand them out.
#define MEM_NEWEST_MAX      16  // Series at once.

// Threads: owned.
struct mem_querier {
    struct storage_querier base;
    struct memstore *store;
    struct tenant_id tenant;
    i64 min_ms;
    i64 max_ms;
    u64 commit;
};

// A series' samples as columns. Threads: owned.
struct mem_columns {
    struct arena *arena;
    i64 *t_ms;
    i64 *start_t_ms;
    f64 *values;
    const struct hist **hists;
    bool *has_start;
    u32 count;
    u64 *run_ids; // By run, so that the next series can tell that it shares them.
    u32 *run_ends;
    u32 run_count;
};

// Threads: owned.
struct mem_cursor {
    struct series_cursor base;
    const struct mem_querier *querier;
    struct query_budget *budget;
    struct arena *arena;
    struct arena *hist_arena; // Histograms of this series, or of those that newest gave.
    struct mem_series **series;
    u32 series_count;
    u32 at; // 1-based: the series that next gave.
    i64 min_ms;
    i64 max_ms;
    bool no_data;
    bool newest;                   // Of each series one sample is read.
    struct mem_columns columns[2]; // This series' and the one's before.
    u32 current;
    u32 sample_at;
    struct labels labels[MEM_NEWEST_MAX]; // What newest gave.
    i64 t_ms[MEM_NEWEST_MAX];
    f64 values[MEM_NEWEST_MAX];
    const struct hist *hists[MEM_NEWEST_MAX];
    bool failed;
    struct error error;
};

static struct mem_querier *querier_of(struct storage_querier *q)
{
    return CONTAINER_OF(q, struct mem_querier, base);
}

static struct mem_cursor *cursor_of(struct series_cursor *c)
{
    return CONTAINER_OF(c, struct mem_cursor, base);
}

static bool budget_charge(struct query_budget *b, struct clk *clk, u64 series, u64 samples,
                          struct error *e)
{
    if (!b) {
        return true;
    }
    b->series += series;
    b->samples += samples;
    b->bytes += samples * (sizeof(i64) + sizeof(f64));
    if (query_is_cancelled(b)) {
        return err_set(e, ERR_CANCELLED, "the query was cancelled");
    }
    if (b->deadline_mono_ns != 0 && clk && clk_mono_ns(clk) > b->deadline_mono_ns) {
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

static bool has_data(const struct mem_querier *q, const struct mem_series *s, i64 min_ms,
                     i64 max_ms)
{
    for (u32 i = mem_series_find(s, min_ms); i < s->count && s->samples[i].t_ms <= max_ms; i++) {
        if (s->samples[i].commit <= q->commit) {
            return true;
        }
    }
    return false;
}

// What to look for. Threads: value.
struct search {
    const struct matcher *ms;
    u32 count;
    i64 min_ms;
    i64 max_ms;
};

// Calls fn for every visible series, in order of birth; the lock is held.
static void each_series(const struct mem_querier *q, struct search what,
                        void (*fn)(void *arg, struct mem_series *s), void *arg)
{
    for (u32 i = 0; i < q->store->series_count; i++) {
        struct mem_series *s = q->store->series[i];
        if (s->tenant.v == q->tenant.v && matchers_match(what.ms, what.count, s->labels) &&
            has_data(q, s, what.min_ms, what.max_ms)) {
            fn(arg, s);
        }
    }
}

static void cursor_add(void *arg, struct mem_series *s)
{
    struct mem_cursor *c = arg;
    c->series[c->series_count++] = s;
}

static int by_labels(const void *a, const void *b)
{
    struct mem_series *const *x = a;
    struct mem_series *const *y = b;
    return labels_cmp((*x)->labels, (*y)->labels);
}

static void columns_copy(struct mem_cursor *c, const struct mem_series *s)
{
    struct mem_columns *k = &c->columns[c->current];
    arena_reset(k->arena);
    u32 from = mem_series_find(s, c->min_ms);
    u32 room = s->count - from;
    k->t_ms = ARENA_NEW_N(k->arena, i64, room);
    k->start_t_ms = ARENA_NEW_N(k->arena, i64, room);
    k->values = ARENA_NEW_N(k->arena, f64, room);
    k->hists = arena_alloc(k->arena, room, sizeof(void *));
    k->has_start = ARENA_NEW_N(k->arena, bool, room);
    k->run_ids = ARENA_NEW_N(k->arena, u64, room);
    k->run_ends = ARENA_NEW_N(k->arena, u32, room);
    k->run_count = 0;
    k->count = 0;
    for (u32 i = from; i < s->count && s->samples[i].t_ms <= c->max_ms; i++) {
        const struct mem_sample *x = &s->samples[i];
        if (x->commit <= c->querier->commit) {
            k->count = c->newest ? 0 : k->count;
            k->t_ms[k->count] = x->t_ms;
            k->start_t_ms[k->count] = x->start_t_ms;
            k->has_start[k->count] = x->has_start;
            k->values[k->count] = x->value;
            k->hists[k->count] = x->hist;
            k->count++;
        }
    }
}

// Copies that die when the contract lets them, so that who keeps one for longer is found out.
static void hists_copy(struct mem_cursor *c)
{
    struct mem_columns *k = &c->columns[c->current];
    for (u32 i = 0; i < k->count; i++) {
        k->hists[i] = k->hists[i] ? hist_copy(c->hist_arena, k->hists[i]) : NULL;
    }
}

static bool series_next(struct mem_cursor *c)
{
    if (c->failed || c->at == c->series_count) {
        return false;
    }
    struct memstore *m = c->querier->store;
    const struct mem_series *s = c->series[c->at++];
    u32 samples = 0;
    if (!c->no_data) {
        c->current ^= 1;
        c->sample_at = 0;
        lock_take(&m->lock);
        columns_copy(c, s);
        lock_drop(&m->lock);
        hists_copy(c);
        samples = c->columns[c->current].count;
    }
    c->failed = !budget_charge(c->budget, m->opts.clk, 1, samples, &c->error);
    return !c->failed;
}

static bool mem_cursor_next(struct series_cursor *base)
{
    struct mem_cursor *c = cursor_of(base);
    arena_reset(c->hist_arena);
    return series_next(c);
}

static struct labels mem_cursor_labels(struct series_cursor *base)
{
    struct mem_cursor *c = cursor_of(base);
    CHECK(c->at > 0);
    return c->series[c->at - 1]->labels;
}

// The number of the series before's column if this run has the same times at the same place.
static u64 column_id(struct mem_cursor *c, u32 run, u32 from, u32 end)
{
    const struct mem_columns *now = &c->columns[c->current];
    const struct mem_columns *was = &c->columns[c->current ^ 1];
    if (run < was->run_count && was->run_ends[run] == end &&
        (run == 0 ? 0 : was->run_ends[run - 1]) == from &&
        memcmp(was->t_ms + from, now->t_ms + from, (end - from) * sizeof(i64)) == 0 &&
        memcmp(was->start_t_ms + from, now->start_t_ms + from, (end - from) * sizeof(i64)) == 0 &&
        was->has_start[from] == now->has_start[from]) {
        return was->run_ids[run];
    }
    struct memstore *m = c->querier->store;
    lock_take(&m->lock);
    u64 id = ++m->column_count;
    lock_drop(&m->lock);
    return id;
}

static bool mem_cursor_run(struct series_cursor *base, struct series_run *out)
{
    struct mem_cursor *c = cursor_of(base);
    struct mem_columns *k = &c->columns[c->current];
    if (c->failed || c->no_data || c->at == 0 || c->sample_at == k->count) {
        return false;
    }
    u32 from = c->sample_at;
    u32 end = from + 1;
    while (end < k->count && end - from < MEM_RUN_SAMPLES_MAX &&
           (k->hists[end] != NULL) == (k->hists[from] != NULL) &&
           k->has_start[end] == k->has_start[from]) {
        end++;
    }
    u64 id = column_id(c, k->run_count, from, end);
    k->run_ids[k->run_count] = id;
    k->run_ends[k->run_count++] = end;
    c->sample_at = end;
    *out = (struct series_run){
        .column_id = id,
        .t_ms = k->t_ms + from,
        .start_t_ms = k->has_start[from] ? k->start_t_ms + from : NULL,
        .values = k->values + from,
        .hists = k->hists + from,
        .kind = k->hists[from] ? SAMPLE_HIST : SAMPLE_FLOAT,
        .n = end - from,
    };
    return true;
}

static bool mem_cursor_newest(struct series_cursor *base, struct series_newest *out)
{
    struct mem_cursor *c = cursor_of(base);
    u32 n = 0;
    CHECK(c->newest);
    arena_reset(c->hist_arena);
    while (n < MEM_NEWEST_MAX && series_next(c)) {
        const struct mem_columns *k = &c->columns[c->current];
        if (k->count > 0) {
            c->labels[n] = mem_cursor_labels(base);
            c->t_ms[n] = k->t_ms[0];
            c->values[n] = k->values[0];
            c->hists[n++] = k->hists[0];
        }
    }
    if (c->failed || n == 0) {
        return false;
    }
    *out = (struct series_newest){
        .labels = c->labels, .t_ms = c->t_ms, .values = c->values, .hists = c->hists, .n = n};
    return true;
}

static const struct series_cursor_ops mem_cursor_ops;

static struct mem_cursor *mem_cursor_new(const struct mem_querier *q, struct query_budget *budget)
{
    struct mem_cursor *c = MEM_NEW(struct mem_cursor);
    c->base.ops = &mem_cursor_ops;
    c->querier = q;
    c->budget = budget;
    c->arena = arena_new(MEMSTORE_BYTES_MAX);
    c->hist_arena = arena_new(MEMSTORE_BYTES_MAX);
    c->columns[0].arena = arena_new(MEMSTORE_BYTES_MAX);
    c->columns[1].arena = arena_new(MEMSTORE_BYTES_MAX);
    return c;
}

static bool mem_cursor_slices(struct series_cursor *base, u32 count, struct query_budget *budgets,
                              struct series_cursor **out)
{
    struct mem_cursor *c = cursor_of(base);
    CHECK(c->at == 0);
    for (u32 i = 0; i < count; i++) {
        u32 from = (u32)((u64)c->series_count * i / count);
        u32 to = (u32)((u64)c->series_count * (i + 1) / count);
        struct mem_cursor *x = mem_cursor_new(c->querier, &budgets[i]);
        x->series = c->series + from;
        x->series_count = to - from;
        x->base.series_about = x->series_count;
        x->min_ms = c->min_ms;
        x->max_ms = c->max_ms;
        x->no_data = c->no_data;
        out[i] = &x->base;
    }
    c->series_count = 0;
    return true;
}

static bool mem_cursor_close(struct series_cursor *base, UNUSED struct storage_warnings *w,
                             struct error *e)
{
    struct mem_cursor *c = cursor_of(base);
    bool ok = !c->failed;
    if (!ok && e) {
        *e = c->error;
    }
    arena_free(c->columns[0].arena);
    arena_free(c->columns[1].arena);
    arena_free(c->hist_arena);
    arena_free(c->arena);
    mem_free(c);
    return ok;
}

static const struct series_cursor_ops mem_cursor_ops = {
    .next = mem_cursor_next,
    .labels = mem_cursor_labels,
    .run = mem_cursor_run,
    .close = mem_cursor_close,
    .slices = mem_cursor_slices,
    .newest = mem_cursor_newest,
};

static struct series_cursor *mem_select(struct storage_querier *base, const struct matcher *ms,
                                        u32 count, const struct select_hints *h,
                                        struct query_budget *budget, struct error *e)
{
    struct mem_querier *q = querier_of(base);
    if (!budget_charge(budget, q->store->opts.clk, 0, 0, e)) {
        return NULL;
    }
    struct mem_cursor *c = mem_cursor_new(q, budget);
    c->min_ms = MAX(q->min_ms, h->start_ms);
    c->max_ms = MIN(q->max_ms, h->end_ms);
    c->no_data = h->no_data;
    c->newest = h->newest;
    lock_take(&q->store->lock);
    c->series = arena_alloc(c->arena, q->store->series_count, sizeof(void *));
    each_series(q, (struct search){ms, count, c->min_ms, c->max_ms}, cursor_add, c);
    lock_drop(&q->store->lock);
    if (h->sorted && c->series_count > 1) {
        qsort(c->series, c->series_count, sizeof(void *), by_labels);
    }
    if (h->limit != 0) {
        c->series_count = MIN(c->series_count, h->limit);
    }
    c->base.series_about = c->series_count;
    return &c->base;
}

// A growing list of texts in the caller's arena. Threads: owned.
struct texts {
    struct arena *arena;
    str wanted; // Which label's values; empty = names.
    str *items;
    u32 count;
    u32 cap;
};

static void texts_add(struct texts *t, str text)
{
    if (t->count == t->cap) {
        u32 cap = MAX(16U, t->cap * 2);
        t->items = arena_grow(t->arena, t->items, t->cap, cap, sizeof(str));
        t->cap = cap;
    }
    t->items[t->count++] = text;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static void texts_finish(struct texts *t, str **out, u32 *n)
{
    u32 kept = 0;
    if (t->count > 1) {
        qsort(t->items, t->count, sizeof(str), by_text);
    }
    for (u32 i = 0; i < t->count; i++) {
        if (kept == 0 || !str_eq(t->items[kept - 1], t->items[i])) {
            t->items[kept++] = arena_str(t->arena, t->items[i]);
        }
    }
    *out = t->items;
    *n = kept;
}

static void texts_add_names(void *arg, struct mem_series *s)
{
    for (u32 i = 0; i < s->labels.count; i++) {
        texts_add(arg, s->labels.items[i].name);
    }
}

static void texts_add_value(void *arg, struct mem_series *s)
{
    struct texts *t = arg;
    str value = labels_get(s->labels, t->wanted);
    if (value.len > 0) {
        texts_add(t, value);
    }
}

// NOLINTNEXTLINE(readability-function-size): the waist's shape
static bool mem_label_names(struct storage_querier *base, const struct matcher *ms, u32 count,
                            struct arena *a, str **names, u32 *n, UNUSED struct error *e)
{
    struct mem_querier *q = querier_of(base);
    struct texts t = {.arena = a};
    lock_take(&q->store->lock);
    each_series(q, (struct search){ms, count, q->min_ms, q->max_ms}, texts_add_names, &t);
    texts_finish(&t, names, n);
    lock_drop(&q->store->lock);
    return true;
}

// NOLINTNEXTLINE(readability-function-size): the waist's shape
static bool mem_label_values(struct storage_querier *base, str name, const struct matcher *ms,
                             u32 count, struct arena *a, str **values, u32 *n,
                             UNUSED struct error *e)
{
    struct mem_querier *q = querier_of(base);
    struct texts t = {.arena = a, .wanted = name};
    lock_take(&q->store->lock);
    each_series(q, (struct search){ms, count, q->min_ms, q->max_ms}, texts_add_value, &t);
    texts_finish(&t, values, n);
    lock_drop(&q->store->lock);
    return true;
}

static void count_one(void *arg, UNUSED struct mem_series *s)
{
    (*(u64 *)arg)++;
}

static bool mem_series_count(struct storage_querier *base, const struct matcher *ms, u32 count,
                             u64 *series, UNUSED struct error *e)
{
    struct mem_querier *q = querier_of(base);
    u64 n = 0;
    lock_take(&q->store->lock);
    each_series(q, (struct search){ms, count, q->min_ms, q->max_ms}, count_one, &n);
    lock_drop(&q->store->lock);
    *series = n;
    return true;
}

static bool exemplars_of(const struct mem_querier *q, const struct mem_series *s, struct arena *a,
                         struct exemplar_series *out)
{
    struct exemplar *copies = ARENA_NEW_N(a, struct exemplar, s->exemplar_count);
    u32 n = 0;
    for (u32 i = 0; i < s->exemplar_count; i++) {
        if (s->exemplars[i].t_ms >= q->min_ms && s->exemplars[i].t_ms <= q->max_ms) {
            copies[n] = s->exemplars[i];
            copies[n++].labels = labels_copy(a, s->exemplars[i].labels);
        }
    }
    *out = (struct exemplar_series){
        .labels = labels_copy(a, s->labels), .exemplars = copies, .count = n};
    return n > 0;
}

// NOLINTNEXTLINE(readability-function-size): the waist's shape
static bool mem_query_exemplars(struct storage_querier *base, const struct matcher *ms, u32 count,
                                struct arena *a, struct exemplar_series **out, u32 *n,
                                UNUSED struct error *e)
{
    struct mem_querier *q = querier_of(base);
    struct memstore *m = q->store;
    lock_take(&m->lock);
    struct exemplar_series *found = ARENA_NEW_N(a, struct exemplar_series, m->series_count);
    u32 kept = 0;
    for (u32 i = 0; i < m->series_count; i++) {
        const struct mem_series *s = m->series[i];
        if (s->tenant.v == q->tenant.v && s->exemplar_count > 0 &&
            matchers_match(ms, count, s->labels) && exemplars_of(q, s, a, &found[kept])) {
            kept++;
        }
    }
    lock_drop(&m->lock);
    *out = found;
    *n = kept;
    return true;
}

static int by_family(const void *a, const void *b)
{
    return str_cmp(((const struct metadata *)a)->name, ((const struct metadata *)b)->name);
}

// NOLINTNEXTLINE(readability-function-size): the waist's shape
static bool mem_query_metadata(struct storage_querier *base, str metric, u32 limit, struct arena *a,
                               struct metadata **out, u32 *n, UNUSED struct error *e)
{
    struct mem_querier *q = querier_of(base);
    struct memstore *m = q->store;
    lock_take(&m->lock);
    struct metadata *found = ARENA_NEW_N(a, struct metadata, m->metadata_count);
    u32 kept = 0;
    for (u32 i = 0; i < m->metadata_count; i++) {
        const struct metadata *x = &m->metadata[i].metadata;
        if (m->metadata[i].tenant.v == q->tenant.v &&
            (metric.len == 0 || str_eq(metric, x->name))) {
            found[kept++] = (struct metadata){.name = arena_str(a, x->name),
                                              .type = x->type,
                                              .help = arena_str(a, x->help),
                                              .unit = arena_str(a, x->unit)};
        }
    }
    lock_drop(&m->lock);
    if (kept > 1) {
        qsort(found, kept, sizeof(*found), by_family);
    }
    *out = found;
    *n = limit != 0 ? MIN(kept, limit) : kept;
    return true;
}

static void mem_querier_close(struct storage_querier *base)
{
    mem_free(querier_of(base));
}

static const struct storage_querier_ops mem_querier_ops = {
    .select = mem_select,
    .label_names = mem_label_names,
    .label_values = mem_label_values,
    .series_count = mem_series_count,
    .exemplars = mem_query_exemplars,
    .metadata = mem_query_metadata,
    .close = mem_querier_close,
};

struct storage_querier *mem_querier_open(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                         i64 max_ms, UNUSED struct error *e)
{
    struct mem_querier *q = MEM_NEW(struct mem_querier);
    q->base.ops = &mem_querier_ops;
    q->store = memstore_of(s);
    q->tenant = tenant;
    q->min_ms = min_ms;
    q->max_ms = max_ms;
    lock_take(&q->store->lock);
    q->commit = q->store->commit;
    lock_drop(&q->store->lock);
    return &q->base;
}
