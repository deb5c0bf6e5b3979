#include "tsdb/tsdb_fixture.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_admin.h"

#include <stdio.h>
#include <stdlib.h>

void fixture_init(struct fixture *f, u64 seed)
{
    *f = (struct fixture){0};
    f->own_fs = fs_mem_new((u64)1 << 30);
    f->fs = f->own_fs;
    f->clk = clk_manual_new(FIXTURE_NOW);
    rng_init(&f->rng, seed);
    f->opts = (struct tsdb_opts){.clk = f->clk,
                                 .rng = &f->rng,
                                 .dir = "/data",
                                 .block_range_ms = FIXTURE_RANGE,
                                 .start_thread = seed % 2 != 0};
}

void fixture_fini(struct fixture *f)
{
    if (f->db) {
        fixture_close(f);
    }
    fs_mem_free(f->own_fs);
    clk_manual_free(f->clk);
}

void fixture_open(struct fixture *f)
{
    struct error e = {0};
    f->opts.fs = f->fs;
    f->db = tsdb_open(&f->opts, &e);
    if (!f->db) {
        fail_msg("open: %s", e.text);
    }
    f->s = tsdb_storage(f->db);
}

void fixture_close(struct fixture *f)
{
    struct error e = {0};
    ASSERT_OK(tsdb_close(f->db, &e), e);
    f->db = NULL;
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

struct labels fixture_labels(const char *text, struct label items[16], char bytes[512])
{
    u32 n = 0;
    (void)snprintf(bytes, 512, "%s", text);
    str rest = str_c(bytes);
    str piece;
    while (str_split_next(&rest, ',', &piece)) {
        size_t eq = str_find(piece, '=');
        struct label l = {LABEL_NAME, piece};
        if (eq != STR_NONE) {
            l = (struct label){str_sub(piece, 0, eq), str_sub(piece, eq + 1, piece.len)};
        }
        u32 at = n++;
        for (; at > 0 && str_cmp(items[at - 1].name, l.name) > 0; at--) {
            items[at] = items[at - 1];
        }
        items[at] = l;
    }
    return (struct labels){.items = items, .count = n};
}

// One sample of one series: all of the batch but whose it is.
static enum append_outcome sample_put(struct fixture *f, enum storage_stream stream,
                                      const char *series, struct append_batch b)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    const struct labels ls = fixture_labels(series, items, bytes);
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, stream, &e);
    assert_non_null(a);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    if (outcome == APPEND_STORED) {
        u64 position;
        b.refs = &ref;
        b.n = 1;
        b.outcomes = &outcome;
        ASSERT_OK(a->ops->append(a, &b, &e), e);
        ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    }
    storage_appender_close(a);
    return (enum append_outcome)outcome;
}

enum append_outcome fixture_put(struct fixture *f, enum storage_stream stream, const char *series,
                                i64 t, f64 value)
{
    return sample_put(f, stream, series, (struct append_batch){.t_ms = &t, .values = &value});
}

enum append_outcome fixture_put_hist(struct fixture *f, enum storage_stream stream,
                                     const char *series, i64 t, const struct fixture_hist *made)
{
    const struct hist *h = &made->h;
    const u8 kind = SAMPLE_HIST;
    return sample_put(f, stream, series,
                      (struct append_batch){.t_ms = &t, .kinds = &kind, .hists = &h});
}

bool fixture_get(struct fixture *f, const char *series, i64 t, f64 *value, bool *partial)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct labels ls = fixture_labels(series, items, bytes);
    struct matcher ms[16];
    struct arena *a = arena_new((size_t)1 << 20);
    for (u32 i = 0; i < ls.count; i++) {
        ASSERT_OK(matcher_init(&ms[i], a, MATCH_EQ, ls.items[i].name, ls.items[i].value, &e), e);
    }
    struct storage_querier *q = storage_querier_open(f->s, TENANT_DEFAULT, t, t, &e);
    assert_non_null(q);
    struct select_hints h = {.start_ms = t, .end_ms = t};
    struct series_cursor *c = q->ops->select(q, ms, ls.count, &h, NULL, &e);
    assert_non_null(c);
    bool found = false;
    while (c->ops->next(c)) {
        struct series_run run;
        while (labels_eq(c->ops->labels(c), ls) && c->ops->run(c, &run)) {
            assert_int_equal(run.n, 1);
            assert_int_equal(run.t_ms[0], t);
            assert_false(found);
            *value = run.values[0];
            found = true;
        }
    }
    struct storage_warnings w = {0};
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    if (partial) {
        *partial = w.partial;
    } else {
        assert_false(w.partial);
    }
    storage_querier_close(q);
    arena_free(a);
    return found;
}

u64 fixture_count(struct fixture *f, i64 min_ms, i64 max_ms)
{
    struct error e = {0};
    struct storage_querier *q = storage_querier_open(f->s, TENANT_DEFAULT, min_ms, max_ms, &e);
    assert_non_null(q);
    struct select_hints h = {.start_ms = min_ms, .end_ms = max_ms};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    assert_non_null(c);
    u64 n = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            n += run.n;
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    return n;
}

static void side_make(u64 seed, struct fixture_hist *out, struct hist_side *side)
{
    const u32 spans = 1 + (u32)(seed >> 16) % 3;
    const u32 n = spans + (u32)(seed >> 20) % 3;
    for (u32 i = 0; i < spans; i++) {
        out->spans[i] = (struct hist_span){.offset = i == 0 ? -2 : 1 + (i32)((seed >> 24) % 3),
                                           .length = i + 1 == spans ? n - i : 1};
    }
    for (u32 i = 0; i < n; i++) {
        out->buckets[i] = (f64)(hash_mix(seed, i) % 1000);
        out->h.count += out->buckets[i];
    }
    *side = (struct hist_side){out->spans, spans, out->buckets, n};
}

void fixture_hist_make(u64 seed, struct fixture_hist *out)
{
    const u64 layout = hash_mix(seed % 5, 99); // Of spans and kind; counts are of the whole seed.
    *out = (struct fixture_hist){.h.reset = (enum hist_reset)(seed / 5 % 4)};
    struct hist *h = &out->h;
    if (seed % 17 == 3) {
        h->sum = stale_nan();
        return;
    }
    u64 mixed = (hash_mix(seed, 1) & ~(u64)0xffffff0000) | (layout & 0xffffff0000);
    if (seed % 5 == 4) {
        h->schema = HIST_SCHEMA_CUSTOM;
        for (u32 i = 0; i < 8; i++) {
            out->bounds[i] = (f64)i * 0.25;
        }
        for (u32 i = 0; i < 5; i++) {
            out->buckets[i] = (f64)(hash_mix(mixed, i) % 100);
            h->count += out->buckets[i];
        }
        out->spans[0] = (struct hist_span){.length = 5};
        h->positive = (struct hist_side){out->spans, 1, out->buckets, 5};
        h->custom_bounds = out->bounds;
        h->custom_bound_count = 8;
    } else {
        h->schema = (i32)(seed % 5) - 1;
        h->zero_threshold = 1e-128;
        h->zero_count = (f64)(seed % 3);
        side_make(mixed, out, seed % 5 == 1 ? &h->negative : &h->positive);
        h->count += h->zero_count;
    }
    h->sum = (f64)(mixed % 100000) / 8;
    if (seed % 5 == 2) {
        h->is_float = true;
        h->count /= 3;
    }
}

static u64 doubles_hash(u64 hash, const f64 *values, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        hash = hash_mix(hash, bits_of_f64(values[i]));
    }
    return hash_mix(hash, n);
}

static u64 side_hash(u64 hash, const struct hist_side *s)
{
    for (u32 i = 0; i < s->span_count; i++) {
        hash = hash_mix(hash, (u64)(u32)s->spans[i].offset << 32 | s->spans[i].length);
    }
    return doubles_hash(hash_mix(hash, s->span_count), s->buckets, s->bucket_count);
}

u64 fixture_sample_hash(const struct series_run *run, u32 i)
{
    u64 hash = run->start_t_ms ? hash_mix(5, (u64)run->start_t_ms[i]) : 6;
    if (run->kind == SAMPLE_FLOAT) {
        return hash_mix(hash, bits_of_f64(run->values[i]));
    }
    const struct hist *h = run->hists[i];
    const f64 numbers[] = {h->schema,     (f64)h->reset, h->is_float, h->zero_threshold,
                           h->zero_count, h->count,      h->sum};
    hash = doubles_hash(hash_mix(hash, SAMPLE_HIST), numbers, ARRAY_LEN(numbers));
    hash = side_hash(side_hash(hash, &h->positive), &h->negative);
    return doubles_hash(hash, h->custom_bounds, h->custom_bound_count);
}

void fixture_keep(struct fixture *f, struct tsdb_retention r)
{
    struct error e = {0};
    ASSERT_OK(tsdb_set_retention(f->db, &r, &e), e);
}

void fixture_steps(struct fixture *f)
{
    bool did = true;
    while (did) {
        struct error e = {0};
        ASSERT_OK(tsdb_step(f->db, &did, &e), e);
    }
}

u64 fixture_env(const char *name, u64 fallback)
{
    u64 v = 0;
    const char *text = getenv(name);
    return text && parse_u64(str_c(text), &v) ? v : fallback;
}

static bool text_write(void *ctx, const char *bytes, size_t n)
{
    buf_add(ctx, bytes, n);
    return true;
}

u64 fixture_metric(struct fixture *f, const char *name)
{
    struct buf out;
    const size_t len = strlen(name);
    u64 v = 0;
    buf_init(&out, (size_t)1 << 20);
    (void)tmk_expose(f->opts.registry, TMK_TEXT, text_write, &out);
    buf_byte(&out, '\0');
    // Not strstr: the lines of comments name the metric, too.
    for (const char *at = out.bytes; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, len) == 0 && at[len] == ' ') {
            v = strtoull(at + len + 1, NULL, 10);
        }
    }
    buf_fini(&out);
    return v;
}
