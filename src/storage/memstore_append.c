// memstore_append.c: the writing half of memstore: stage, then judge everything under one lock.
#include "base/arena.h"
#include "base/bits.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/hist.h"
#include "os/clk.h"
#include "storage/memstore_inner.h"

#define MEM_AHEAD_MAX_MS     ((i64)5 * 60 * 1000)
#define MEM_STAGED_BYTES_MAX ((size_t)1 << 30)

// Staged pieces in order of arrival, in the appender's arena, which dies with the commit.
// Threads: owned.
struct mem_staged {
    enum { STAGED_SAMPLES, STAGED_EXEMPLARS, STAGED_METADATA } kind;
    struct append_batch batch;
    struct series_ref *refs;
    struct exemplar *exemplars;
    struct metadata *metadata;
    u32 n;
    struct mem_staged *next;
};

// Threads: owned.
struct mem_appender {
    struct storage_appender base;
    struct memstore *store;
    struct tenant_id tenant;
    struct arena *arena;
    struct mem_staged *first;
    struct mem_staged **last;
    i64 newest_ms; // No sample may be newer; set by each commit.
};

static struct mem_appender *appender_of(struct storage_appender *a)
{
    return CONTAINER_OF(a, struct mem_appender, base);
}

static void stage(struct mem_appender *a, struct mem_staged *piece)
{
    *a->last = piece;
    a->last = &piece->next;
}

static void forget_staged(struct mem_appender *a)
{
    arena_reset(a->arena);
    a->first = NULL;
    a->last = &a->first;
}

static enum append_outcome resolve_one(struct memstore *m, struct tenant_id tenant,
                                       struct labels set, struct series_ref *ref)
{
    struct mem_series key = {.tenant = tenant, .labels = set};
    u64 hash = hash_mix(tenant.v, labels_hash(set));
    u32 index = map_get(&m->by_labels, hash, &key);
    if (index == MAP_NONE) {
        if (m->opts.series_max != 0 && m->series_count >= m->opts.series_max) {
            return APPEND_LIMIT_SERIES;
        }
        if (m->series_count == m->series_cap) {
            m->series_cap = MAX(64U, m->series_cap * 2);
            m->series = MEM_GROW(m->series, m->series_cap, struct mem_series *);
        }
        struct mem_series *s = MEM_NEW(struct mem_series);
        s->tenant = tenant;
        s->labels = labels_copy(m->arena, set);
        index = m->series_count++;
        m->series[index] = s;
        map_put(&m->by_labels, hash, index);
    }
    *ref = (struct series_ref){.ordinal = index, .generation = m->generation};
    return APPEND_STORED;
}

static void mem_resolve(struct storage_appender *base, const struct labels *sets, u32 n,
                        struct series_ref *refs, u8 *outcomes)
{
    struct mem_appender *a = appender_of(base);
    lock_take(&a->store->lock);
    for (u32 i = 0; i < n; i++) {
        refs[i] = (struct series_ref){0, 0};
        outcomes[i] = APPEND_INVALID;
        if (sets[i].count > 0 && labels_check(sets[i], &(struct labels_limits){0}, NULL)) {
            outcomes[i] = (u8)resolve_one(a->store, a->tenant, sets[i], &refs[i]);
        }
    }
    lock_drop(&a->store->lock);
}

static bool mem_append(struct storage_appender *base, const struct append_batch *b, struct error *e)
{
    struct mem_appender *a = appender_of(base);
    struct mem_staged *piece = arena_try(a->arena, 1, sizeof(*piece));
    if (!piece) {
        return err_set(e, ERR_LIMIT, "the appender's staging memory is used up");
    }
    piece->kind = STAGED_SAMPLES;
    piece->batch = *b;
    stage(a, piece);
    return true;
}

static bool mem_exemplars(struct storage_appender *base, const struct series_ref *refs,
                          const struct exemplar *exemplars, u32 n, struct error *e)
{
    struct mem_appender *a = appender_of(base);
    struct mem_staged *piece = arena_try(a->arena, 1, sizeof(*piece));
    struct series_ref *refs_copy = arena_try(a->arena, n, sizeof(*refs));
    struct exemplar *copies = arena_try(a->arena, n, sizeof(*copies));
    if (!piece || !refs_copy || !copies) {
        return err_set(e, ERR_LIMIT, "the appender's staging memory is used up");
    }
    for (u32 i = 0; i < n; i++) {
        refs_copy[i] = refs[i];
        copies[i] = exemplars[i];
        copies[i].labels = labels_copy(a->arena, exemplars[i].labels);
    }
    *piece = (struct mem_staged){
        .kind = STAGED_EXEMPLARS, .refs = refs_copy, .exemplars = copies, .n = n};
    stage(a, piece);
    return true;
}

static struct metadata metadata_copy(struct arena *arena, const struct metadata *m)
{
    return (struct metadata){.name = arena_str(arena, m->name),
                             .type = m->type,
                             .help = arena_str(arena, m->help),
                             .unit = arena_str(arena, m->unit)};
}

static bool mem_metadata(struct storage_appender *base, const struct metadata *ms, u32 n,
                         struct error *e)
{
    struct mem_appender *a = appender_of(base);
    struct mem_staged *piece = arena_try(a->arena, 1, sizeof(*piece));
    struct metadata *copies = arena_try(a->arena, n, sizeof(*copies));
    if (!piece || !copies) {
        return err_set(e, ERR_LIMIT, "the appender's staging memory is used up");
    }
    for (u32 i = 0; i < n; i++) {
        copies[i] = metadata_copy(a->arena, &ms[i]);
    }
    *piece = (struct mem_staged){.kind = STAGED_METADATA, .metadata = copies, .n = n};
    stage(a, piece);
    return true;
}

static struct mem_series *series_of(struct mem_appender *a, struct series_ref ref)
{
    struct memstore *m = a->store;
    if (ref.generation != m->generation || ref.ordinal >= m->series_count) {
        return NULL;
    }
    struct mem_series *s = m->series[ref.ordinal];
    return s->tenant.v == a->tenant.v ? s : NULL;
}

static bool same_value(const struct mem_sample *a, const struct mem_sample *b)
{
    if (a->hist && b->hist) {
        return hist_eq(a->hist, b->hist);
    }
    return !a->hist && !b->hist && bits_of_f64(a->value) == bits_of_f64(b->value);
}

static void insert_at(struct mem_series *s, u32 at, struct mem_sample sample)
{
    if (s->count == s->cap) {
        s->cap = MAX(16U, s->cap * 2);
        s->samples = MEM_GROW(s->samples, s->cap, struct mem_sample);
    }
    memmove(s->samples + at + 1, s->samples + at, (s->count - at) * sizeof(*s->samples));
    s->samples[at] = sample;
    s->count++;
}

// The whole law of one sample, in the order in which its words apply.
static enum append_outcome store_sample(struct mem_appender *a, struct mem_series *s,
                                        struct mem_sample sample)
{
    struct memstore *m = a->store;
    if (sample.t_ms > a->newest_ms) {
        return APPEND_TOO_NEW;
    }
    u32 at = mem_series_find(s, sample.t_ms);
    bool taken = at < s->count && s->samples[at].t_ms == sample.t_ms;
    bool behind = s->count > 0 && sample.t_ms < s->samples[s->count - 1].t_ms;
    if (behind && m->opts.ooo_window_ms == 0) {
        return APPEND_OUT_OF_ORDER;
    }
    if (behind && sample.t_ms < sat_sub_i64(s->samples[s->count - 1].t_ms, m->opts.ooo_window_ms)) {
        return APPEND_TOO_OLD;
    }
    if (taken) {
        return same_value(&s->samples[at], &sample) ? APPEND_DUPLICATE : APPEND_CONFLICT;
    }
    if (sample.hist) {
        sample.hist = hist_copy(m->arena, sample.hist);
    }
    insert_at(s, at, sample);
    return behind ? APPEND_STORED_OOO : APPEND_STORED;
}

static enum append_outcome commit_sample(struct mem_appender *a, const struct append_batch *b,
                                         u32 i)
{
    struct mem_series *s = series_of(a, b->refs[i]);
    bool is_hist = b->kinds && b->kinds[i] == SAMPLE_HIST;
    if (!s || (is_hist && !hist_check(b->hists[i], NULL))) {
        return APPEND_INVALID;
    }
    return store_sample(a, s,
                        (struct mem_sample){
                            .t_ms = b->t_ms[i],
                            .start_t_ms = b->start_t_ms ? b->start_t_ms[i] : 0,
                            .has_start = b->start_t_ms != NULL,
                            .commit = a->store->commit + 1,
                            .value = is_hist ? 0 : b->values[i],
                            .hist = is_hist ? b->hists[i] : NULL,
                        });
}

static void commit_exemplar(struct mem_appender *a, struct series_ref ref, const struct exemplar *x)
{
    struct mem_series *s = series_of(a, ref);
    if (!s || (s->exemplar_count > 0 && x->t_ms < s->exemplars[s->exemplar_count - 1].t_ms)) {
        return;
    }
    if (s->exemplar_count > 0) {
        const struct exemplar *newest = &s->exemplars[s->exemplar_count - 1];
        if (newest->t_ms == x->t_ms && bits_of_f64(newest->value) == bits_of_f64(x->value) &&
            labels_eq(newest->labels, x->labels)) {
            return; // Shown again at each scrape until there is a newer one.
        }
    }
    if (s->exemplar_count == s->exemplar_cap) {
        s->exemplar_cap = MAX(4U, s->exemplar_cap * 2);
        s->exemplars = MEM_GROW(s->exemplars, s->exemplar_cap, struct exemplar);
    }
    struct exemplar *slot = &s->exemplars[s->exemplar_count++];
    *slot = *x;
    slot->labels = labels_copy(a->store->arena, x->labels);
}

static void commit_metadata(struct mem_appender *a, const struct metadata *x)
{
    struct memstore *m = a->store;
    u32 at = 0;
    while (at < m->metadata_count && (m->metadata[at].tenant.v != a->tenant.v ||
                                      !str_eq(m->metadata[at].metadata.name, x->name))) {
        at++;
    }
    if (at == m->metadata_count) {
        if (m->metadata_count == m->metadata_cap) {
            m->metadata_cap = MAX(16U, m->metadata_cap * 2);
            m->metadata = MEM_GROW(m->metadata, m->metadata_cap, struct mem_metadata);
        }
        m->metadata_count++;
    }
    m->metadata[at] =
        (struct mem_metadata){.tenant = a->tenant, .metadata = metadata_copy(m->arena, x)};
}

static void commit_piece(struct mem_appender *a, const struct mem_staged *p)
{
    switch (p->kind) {
    case STAGED_SAMPLES:
        for (u32 i = 0; i < p->batch.n; i++) {
            p->batch.outcomes[i] = (u8)commit_sample(a, &p->batch, i);
        }
        break;
    case STAGED_EXEMPLARS:
        for (u32 i = 0; i < p->n; i++) {
            commit_exemplar(a, p->refs[i], &p->exemplars[i]);
        }
        break;
    case STAGED_METADATA:
        for (u32 i = 0; i < p->n; i++) {
            commit_metadata(a, &p->metadata[i]);
        }
        break;
    }
}

static bool mem_commit(struct storage_appender *base, UNUSED enum durability d, u64 *wal_position,
                       struct error *e)
{
    struct mem_appender *a = appender_of(base);
    struct clk *clk = a->store->opts.clk; // Asked before the lock is taken: it may have its own.
    a->newest_ms = clk ? sat_add_i64(clk_wall_ms(clk), MEM_AHEAD_MAX_MS) : INT64_MAX;
    lock_take(&a->store->lock);
    if (a->store->refusals > 0) {
        a->store->refusals--;
        lock_drop(&a->store->lock);
        forget_staged(a);
        return err_set(e, ERR_LIMIT, "this commit is to be refused");
    }
    for (const struct mem_staged *p = a->first; p; p = p->next) {
        commit_piece(a, p);
    }
    a->store->commit++;
    if (wal_position) {
        *wal_position = a->store->commit;
    }
    lock_drop(&a->store->lock);
    forget_staged(a);
    return true;
}

static void mem_rollback(struct storage_appender *base)
{
    forget_staged(appender_of(base));
}

static void mem_appender_close(struct storage_appender *base)
{
    struct mem_appender *a = appender_of(base);
    arena_free(a->arena);
    mem_free(a);
}

static const struct storage_appender_ops mem_appender_ops = {
    .resolve = mem_resolve,
    .append = mem_append,
    .exemplars = mem_exemplars,
    .metadata = mem_metadata,
    .commit = mem_commit,
    .rollback = mem_rollback,
    .close = mem_appender_close,
};

struct storage_appender *mem_appender_open(struct storage *s, struct tenant_id tenant,
                                           UNUSED enum storage_stream stream,
                                           UNUSED struct error *e)
{
    struct mem_appender *a = MEM_NEW(struct mem_appender);
    a->base.ops = &mem_appender_ops;
    a->store = memstore_of(s);
    a->tenant = tenant;
    a->arena = arena_new(MEM_STAGED_BYTES_MAX);
    a->last = &a->first;
    return &a->base;
}
