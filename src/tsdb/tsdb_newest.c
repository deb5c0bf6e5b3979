#include "tsdb/tsdb_newest.h"

#include "base/arena.h"
#include "base/error.h"
#include "model/hist.h"
#include "tsdb/head.h"
#include "tsdb/head_newest.h"
#include "tsdb/head_series.h"
#include "tsdb/head_source.h"
#include "tsdb/postings.h"
#include "tsdb/tsdb_cursor_inner.h"
#include "tsdb/tsdb_inner.h"

#define BATCH_BYTES_MAX ((size_t)8 << 30) // The budget is what bounds a query.
#define TWINS_SLICE     256U              // Series of one shard looked up in the other per hold.

// What a shard has of the selection. Threads: owned.
struct newest_shard {
    struct head *head;
    u32 shard;
    const struct tombstones *dead;
    struct postings *set; // Until its series are listed.
    u32 *ordinals;
    u32 count;
    u32 at;
};

// One batch; arrays of HEAD_NEWEST_MAX. Threads: owned.
struct newest_batch {
    struct head_newest found;
    const struct hist *hists[HEAD_NEWEST_MAX];
    u32 read[HEAD_NEWEST_MAX]; // Ordinals that have to be.
    bool any_hist;
    bool has_labels; // Some are not empty.
};

// Threads: owned.
struct newest_cursor {
    struct series_cursor base;
    struct newest_names wanted;
    struct newest_shard shards[SHARDS];
    u32 shard_count;
    u32 shard_at;
    struct arena *arena;        // Of one batch.
    struct tsdb_cursor *reader; // Charges, reads those of a batch that have to be; fails for both.
    struct series_cursor *rest; // NULL: there is none.
    struct newest_batch batch;
    u32 left; // Series that may still be given.
};

static struct newest_cursor *newest_of(struct series_cursor *c)
{
    return CONTAINER_OF(c, struct newest_cursor, base);
}

// ---- opening -----------------------------------------------------------------------------------

// Does anything but the shards have a say?
static bool has_more_than_heads(const struct tsdb_selection *s)
{
    const struct block_set *blocks = s->pin->blocks;
    bool more = false;
    for (u32 i = 0; i < blocks->n; i++) {
        const struct block_meta *m = &blocks->blocks[i]->meta;
        more = more || (m->min_ms <= s->max_ms && m->max_ms > s->min_ms);
    }
    lock_take(&s->db->lock);
    for (u32 i = 0; i < s->db->gap_count; i++) {
        const struct block_gap *g = &s->db->gaps[i];
        more = more || (g->min_ms <= s->max_ms && g->max_ms > s->min_ms);
    }
    lock_drop(&s->db->lock);
    return more;
}

static bool shards_select(struct newest_cursor *c, struct error *e)
{
    const struct tsdb_selection *s = &c->reader->s;
    for (u32 i = 0; i < SHARDS && MAX(s->min_ms, s->pin->head_min) <= s->max_ms; i++) {
        struct newest_shard *n = &c->shards[c->shard_count++];
        struct head_source index;
        *n = (struct newest_shard){
            .head = s->db->heads[i], .shard = i, .dead = s->pin->blocks->heads[i]};
        head_source_init(&index, n->head);
        n->set = index_select(&index.source, s->tenant, s->ms, s->matcher_count, e);
        if (!n->set) {
            return false;
        }
    }
    return true;
}

// Takes the series of one shard that the other has as well out of both sets, into `twins`.
static void twins_part(struct newest_cursor *c, struct newest_shard *one,
                       struct newest_shard *other, struct postings **twins)
{
    const struct tenant_id tenant = c->reader->s.tenant;
    const struct head_read r = {.head = one->head, .arena = c->arena};
    const u32 count = (u32)postings_count(one->set);
    u32 *ordinals = MEM_NEW_N(u32, (size_t)count + 1);
    struct labels *labels = MEM_NEW_N(struct labels, TWINS_SLICE);
    postings_list(one->set, ordinals);
    for (u32 from = 0; from < count; from += TWINS_SLICE) {
        const u32 n = MIN(TWINS_SLICE, count - from);
        arena_reset(c->arena);
        struct label_kept *kept = label_kept_new(c->arena);
        lock_take(&one->head->lock);
        for (u32 i = 0; i < n; i++) {
            const bool live = head_live(one->head, ordinals[from + i]);
            labels[i] = live ? head_read_labels(&r, kept, ordinals[from + i])
                             : (struct labels){.items = NULL};
        }
        lock_drop(&one->head->lock);
        lock_take(&other->head->lock);
        for (u32 i = 0; i < n; i++) {
            const struct head_key k = {tenant, labels[i], head_key_hash(tenant, labels[i]), 0};
            struct series_ref twin;
            if (head_series_known(other->head, &k, &twin) &&
                postings_has(other->set, twin.ordinal)) {
                postings_remove(one->set, ordinals[from + i]);
                postings_remove(other->set, twin.ordinal);
                postings_add(twins[one->shard], ordinals[from + i]);
                postings_add(twins[other->shard], twin.ordinal);
            }
        }
        lock_drop(&other->head->lock);
    }
    mem_free(labels);
    mem_free(ordinals);
}

// What both shards have is walked by a cursor that knows how to put that together.
static bool twins_open(struct newest_cursor *c, struct error *e)
{
    struct newest_shard *a = &c->shards[0];
    struct newest_shard *b = &c->shards[1];
    struct tsdb_selection s = c->reader->s;
    const u32 blocks = s.pin->blocks->n;
    if (c->shard_count < 2 || postings_count(a->set) == 0 || postings_count(b->set) == 0) {
        return true;
    }
    struct postings **given = MEM_NEW_N(struct postings *, blocks + SHARDS);
    for (u32 i = 0; i < blocks + SHARDS; i++) {
        given[i] = postings_new();
    }
    if (postings_count(a->set) <= postings_count(b->set)) {
        twins_part(c, a, b, given + blocks);
    } else {
        twins_part(c, b, a, given + blocks);
    }
    s.given = given;
    const bool any = postings_count(given[blocks]) > 0;
    if (any) {
        c->rest = tsdb_cursor_open(&s, e);
    }
    for (u32 i = 0; i < blocks + SHARDS; i++) {
        postings_free(given[i]);
    }
    mem_free(given);
    return !any || c->rest;
}

static bool shards_list(struct newest_cursor *c, struct error *e)
{
    bool ok = true;
    for (u32 i = 0; i < c->shard_count; i++) {
        struct newest_shard *s = &c->shards[i];
        s->count = (u32)postings_count(s->set);
        ok = ok && cursor_charge(c->reader, 0, 0, (u64)s->count * sizeof(u32));
        if (ok) {
            s->ordinals = MEM_GROW(NULL, (size_t)s->count + 1, u32);
            postings_list(s->set, s->ordinals);
        }
        postings_free(s->set);
        s->set = NULL;
        c->base.series_about = MAX(c->base.series_about, s->count);
    }
    return ok ? true : err_set(e, c->reader->error.code, "%s", c->reader->error.text);
}

static const struct series_cursor_ops newest_ops;
static bool newest_close(struct series_cursor *base, struct storage_warnings *w, struct error *e);

struct series_cursor *tsdb_newest_open(const struct tsdb_selection *s, const str *names,
                                       u32 name_count, struct error *e)
{
    struct newest_cursor *c = MEM_NEW(struct newest_cursor);
    c->base.ops = &newest_ops;
    c->wanted = (struct newest_names){names, name_count};
    c->arena = arena_new(BATCH_BYTES_MAX);
    c->reader = cursor_new(s);
    c->reader->s.limit = 0; // It reads batch after batch.
    c->left = s->limit != 0 ? s->limit : UINT32_MAX;
    bool ok;
    if (has_more_than_heads(s)) {
        c->rest = tsdb_cursor_open(s, e);
        ok = c->rest != NULL;
    } else if (cursor_charge(c->reader, 0, 0, 0)) {
        ok = shards_select(c, e) && twins_open(c, e) && shards_list(c, e);
    } else {
        ok = err_set(e, c->reader->error.code, "%s", c->reader->error.text);
    }
    if (!ok) {
        (void)newest_close(&c->base, NULL, NULL);
        return NULL;
    }
    if (c->rest) {
        c->base.series_about = MAX(c->base.series_about, c->rest->series_about);
    }
    return &c->base;
}

// ---- walking -----------------------------------------------------------------------------------

// The last sample of the series that a cursor stands on, into place `at` of the batch; false: it
// has none. A histogram is copied.
static bool last_take(struct newest_cursor *c, struct series_cursor *from, u32 at)
{
    struct newest_batch *b = &c->batch;
    struct series_run run;
    bool any = false;
    while (from->ops->run(from, &run)) {
        const u32 last = run.n - 1;
        const bool is_hist = run.kind == SAMPLE_HIST;
        any = true;
        b->found.t_ms[at] = run.t_ms[last];
        b->found.values[at] = is_hist ? 0 : run.values[last];
        b->hists[at] = is_hist ? run.hists[last] : NULL; // The cursor's, until its next series.
    }
    if (any && b->hists[at]) {
        b->hists[at] = hist_copy(c->arena, b->hists[at]);
        b->any_hist = true;
    }
    return any;
}

// Reads the series of a batch whose rows did not tell.
static bool batch_read(struct newest_cursor *c, const struct newest_shard *s, const u32 *ordinals,
                       u32 n, const struct head_read *r)
{
    struct newest_batch *b = &c->batch;
    struct tsdb_cursor *reader = c->reader;
    u32 count = 0;
    for (u32 i = 0; i < n; i++) {
        if (b->found.states[i] == NEWEST_READ) {
            b->read[count++] = ordinals[i];
        }
    }
    if (count == 0) {
        return true;
    }
    struct head_found found;
    struct source *source = &reader->sources[0];
    reader->source_count = 1;
    struct postings *set = postings_new();
    postings_add_all(set, b->read, count);
    bool ok = head_read_series(r, set, &found, &reader->error);
    postings_free(set);
    *source = (struct source){.shard = s->shard, .dead = s->dead};
    if (ok) {
        source->series = found.series;
        source->count = found.count;
        source->reach = found.reach;
    }
    u32 at = 0;
    while (ok && reader->base.ops->next(&reader->base)) {
        while (ordinals[at] != source->series[source->at - 1].ordinal) {
            at++;
        }
        if (last_take(c, &reader->base, at)) {
            b->found.states[at] = NEWEST_KNOWN;
            b->found.labels[at] = reader->base.ops->labels(&reader->base);
            b->has_labels = true;
        }
    }
    return ok ? !reader->failed : tsdb_cursor_fail(reader);
}

// Moves what was found to the front; how many there are.
static u32 batch_pack(struct newest_batch *b, u32 n)
{
    u32 kept = 0;
    for (u32 i = 0; i < n; i++) {
        if (b->found.states[i] == NEWEST_KNOWN) {
            b->found.t_ms[kept] = b->found.t_ms[i];
            b->found.values[kept] = b->found.values[i];
            b->found.labels[kept] = b->found.labels[i];
            b->hists[kept++] = b->hists[i];
        }
    }
    return kept;
}

// n > 0
static bool batch_give(struct newest_cursor *c, u32 n, struct series_newest *out)
{
    const struct newest_batch *b = &c->batch;
    if (c->left == 0) {
        return false;
    }
    n = MIN(n, c->left);
    c->left -= c->left == UINT32_MAX ? 0 : n;
    *out = (struct series_newest){.labels = b->found.labels,
                                  .t_ms = b->found.t_ms,
                                  .values = b->found.values,
                                  .hists = b->any_hist ? b->hists : NULL,
                                  .n = n};
    return true;
}

static u32 known_count(const struct newest_batch *b, u32 n)
{
    u32 known = 0;
    for (u32 i = 0; i < n; i++) {
        known += b->found.states[i] == NEWEST_KNOWN;
    }
    return known;
}

// The next series of a shard, as many as make a batch: *n of them have a sample. false: failed.
static bool shard_next(struct newest_cursor *c, struct newest_shard *s, u32 *n)
{
    struct newest_batch *b = &c->batch;
    struct tsdb_cursor *reader = c->reader;
    const u32 *ordinals = s->ordinals + s->at;
    const u32 count = MIN(HEAD_NEWEST_MAX, s->count - s->at);
    const bool labels = !c->wanted.names || c->wanted.count > 0;
    const struct head_read r = {.head = s->head,
                                .commit = reader->s.pin->commits[s->shard],
                                .min_ms = MAX(reader->s.min_ms, reader->s.pin->head_min),
                                .max_ms = reader->s.max_ms,
                                .arena = c->arena};
    arena_reset(c->arena);
    if (b->any_hist) {
        memset(b->hists, 0, sizeof(b->hists));
        b->any_hist = false;
    }
    if (!labels && b->has_labels) {
        memset(b->found.labels, 0, sizeof(b->found.labels));
    }
    b->has_labels = labels;
    head_newest_get(&r, s->dead, ordinals, count, labels ? &c->wanted : NULL, &b->found);
    s->at += count;
    const u32 known = known_count(b, count);
    if (!cursor_charge(reader, known, known, known * (sizeof(i64) + sizeof(f64))) ||
        (known < count && !batch_read(c, s, ordinals, count, &r))) {
        return false;
    }
    *n = known == count ? count : batch_pack(b, count);
    return true;
}

// The next series of the rest that has a sample.
static bool rest_next(struct newest_cursor *c, struct series_newest *out)
{
    c->batch.any_hist = false;
    while (c->rest && c->rest->ops->next(c->rest)) {
        arena_reset(c->arena);
        if (last_take(c, c->rest, 0)) {
            c->batch.found.labels[0] = c->rest->ops->labels(c->rest);
            return batch_give(c, 1, out);
        }
    }
    return false;
}

static bool newest_next(struct series_cursor *base, struct series_newest *out)
{
    struct newest_cursor *c = newest_of(base);
    while (!c->reader->failed && c->shard_at < c->shard_count) {
        struct newest_shard *s = &c->shards[c->shard_at];
        u32 n = 0;
        if (s->at == s->count) {
            c->shard_at++;
        } else if (shard_next(c, s, &n) && n > 0) {
            return batch_give(c, n, out);
        }
    }
    return !c->reader->failed && rest_next(c, out);
}

static bool newest_close(struct series_cursor *base, struct storage_warnings *w, struct error *e)
{
    struct newest_cursor *c = newest_of(base);
    struct error why = c->reader->error;
    bool ok = !c->reader->failed;
    // What it reads may warn as well.
    (void)c->reader->base.ops->close(&c->reader->base, w, NULL);
    if (c->rest && !c->rest->ops->close(c->rest, w, ok ? &why : NULL)) {
        ok = false;
    }
    for (u32 i = 0; i < c->shard_count; i++) {
        postings_free(c->shards[i].set);
        mem_free(c->shards[i].ordinals);
    }
    arena_free(c->arena);
    mem_free(c);
    if (!ok && e) {
        *e = why;
    }
    return ok;
}

static const struct series_cursor_ops newest_ops = {.close = newest_close, .newest = newest_next};
