// push_cache_test.c: what pushes come to when the cache knows their series must be what a plain
// reader of the same bytes comes to; and the cache itself.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "ingest/ingest.h"
#include "ingest/push_cache.h"
#include "model/hist.h"
#include "model/match.h"
#include "os/rng.h"
#include "storage/memstore.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#include <stdio.h>

#define LABELS_MAX 12

static const struct labels_limits limits = {.labels_max = 4, .value_bytes_max = 200};

// ---- a store that forgets ----

// A store over another: what it gave before `epoch` rose is dead, as when series left a head.
// Threads: owned.
struct forgetful {
    struct storage base;
    struct storage *inner;
    u32 epoch;
    bool refusing; // Every series that is asked for.
    u32 commits;
    u32 exemplars; // Of series that are alive.
    u32 exemplars_lost;
};

struct forgetful_appender {
    struct storage_appender base;
    struct forgetful *store;
    struct storage_appender *inner;
    struct series_ref *refs;
};

static struct forgetful_appender *forgetful_of(struct storage_appender *a)
{
    return CONTAINER_OF(a, struct forgetful_appender, base);
}

static void forgetful_resolve(struct storage_appender *base, const struct labels *sets, u32 n,
                              struct series_ref *refs, u8 *outcomes)
{
    struct forgetful_appender *a = forgetful_of(base);
    a->inner->ops->resolve(a->inner, sets, n, refs, outcomes);
    for (u32 i = 0; i < n; i++) {
        if (a->store->refusing) {
            refs[i] = (struct series_ref){0, 0};
            outcomes[i] = APPEND_LIMIT_SERIES;
        }
        refs[i].generation += series_ref_is_none(refs[i]) ? 0 : a->store->epoch << 8;
    }
}

static bool forgetful_append(struct storage_appender *base, const struct append_batch *b,
                             struct error *e)
{
    struct forgetful_appender *a = forgetful_of(base);
    mem_free(a->refs);
    a->refs = MEM_NEW_N(struct series_ref, b->n + 1);
    for (u32 i = 0; i < b->n; i++) {
        const bool alive = b->refs[i].generation >> 8 == a->store->epoch;
        a->refs[i] = b->refs[i];
        a->refs[i].generation = alive ? b->refs[i].generation & 255 : 200;
    }
    struct append_batch inner = *b;
    inner.refs = a->refs;
    return a->inner->ops->append(a->inner, &inner, e);
}

static bool forgetful_commit(struct storage_appender *base, enum durability d, u64 *position,
                             struct error *e)
{
    struct forgetful_appender *a = forgetful_of(base);
    a->store->commits++;
    return a->inner->ops->commit(a->inner, d, position, e);
}

static void forgetful_close(struct storage_appender *base)
{
    struct forgetful_appender *a = forgetful_of(base);
    storage_appender_close(a->inner);
    mem_free(a->refs);
    mem_free(a);
}

static bool forgetful_exemplars(struct storage_appender *base, const struct series_ref *refs,
                                const struct exemplar *exemplars, u32 n, struct error *e)
{
    struct forgetful_appender *a = forgetful_of(base);
    for (u32 i = 0; i < n; i++) {
        const bool alive = refs[i].generation >> 8 == a->store->epoch;
        a->store->exemplars += alive;
        a->store->exemplars_lost += !alive;
    }
    return a->inner->ops->exemplars(a->inner, refs, exemplars, n, e);
}

static struct storage_appender *forgetful_open(struct storage *s, struct tenant_id tenant,
                                               enum storage_stream stream, struct error *e)
{
    static const struct storage_appender_ops ops = {.resolve = forgetful_resolve,
                                                    .append = forgetful_append,
                                                    .exemplars = forgetful_exemplars,
                                                    .commit = forgetful_commit,
                                                    .close = forgetful_close};
    struct forgetful_appender *a = MEM_NEW(struct forgetful_appender);
    a->base.ops = &ops;
    a->store = CONTAINER_OF(s, struct forgetful, base);
    a->inner = storage_appender_open(a->store->inner, tenant, stream, e);
    return &a->base;
}

static const struct storage_ops forgetful_ops = {.appender = forgetful_open};

// ---- the plain reader ----

static u32 plain_labels(struct pb_reader r, struct label *out)
{
    u32 n = 0;
    while (pb_next(&r)) {
        if (r.field != 1) {
            continue;
        }
        struct pb_reader in = pb_enter(&r);
        struct label l = {0};
        while (pb_next(&in)) {
            if (in.field == 1) {
                l.name = pb_bytes(&in);
            } else if (in.field == 2) {
                l.value = pb_bytes(&in);
            }
        }
        assert_true(pb_leave(&r, &in));
        u32 at = n;
        for (; l.value.len > 0 && at > 0 && str_cmp(out[at - 1].name, l.name) > 0; at--) {
            out[at] = out[at - 1];
        }
        out[at] = l;
        n += l.value.len > 0;
        assert_true(n < LABELS_MAX);
    }
    return n;
}

static void plain_sample(struct pb_reader r, i64 *t_ms, f64 *value)
{
    *value = 0;
    *t_ms = 0;
    while (pb_next(&r)) {
        if (r.field == 1) {
            *value = pb_f64(&r);
        } else if (r.field == 2) {
            *t_ms = pb_i64(&r);
        }
    }
    assert_true(pb_ok(&r));
}

// A histogram without buckets: the requests of chance have no others.
static void plain_hist(struct pb_reader r, i64 *t_ms, struct hist *h)
{
    *h = (struct hist){0};
    *t_ms = 0;
    while (pb_next(&r)) {
        if (r.field == 1) {
            h->count = (f64)pb_varint(&r);
        } else if (r.field == 3) {
            h->sum = pb_f64(&r);
        } else if (r.field == 6) {
            h->zero_count = (f64)pb_varint(&r);
        } else if (r.field == 15) {
            *t_ms = pb_i64(&r);
        }
    }
    assert_true(pb_ok(&r));
}

static enum append_outcome plain_append(struct storage_appender *app, struct series_ref ref,
                                        i64 t_ms, f64 value, const struct hist *h)
{
    u8 outcome;
    u64 position;
    struct error e = {0};
    const u8 kind = h ? SAMPLE_HIST : SAMPLE_FLOAT;
    const struct append_batch b = {.refs = &ref,
                                   .t_ms = &t_ms,
                                   .kinds = &kind,
                                   .values = &value,
                                   .hists = &h,
                                   .n = 1,
                                   .outcomes = &outcome};
    ASSERT_OK(app->ops->append(app, &b, &e), e);
    ASSERT_OK(app->ops->commit(app, DURABILITY_SYNC, &position, &e), e);
    return (enum append_outcome)outcome;
}

// One series of a request, one sample after the other, each a commit of its own.
static void plain_series(struct storage_appender *app, struct pb_reader r, struct push_result *out)
{
    struct label found[LABELS_MAX];
    struct labels set = {found, plain_labels(r, found)};
    struct series_ref ref = {0};
    u8 outcome = APPEND_INVALID;
    if (labels_check(set, &limits, NULL) && labels_has(set, LABEL_NAME)) {
        app->ops->resolve(app, &set, 1, &ref, &outcome);
    } else {
        out->series_bad_labels++;
    }
    while (pb_next(&r)) {
        out->exemplars += r.field == 3;
        out->histograms += r.field == 4;
        if (r.field != 2 && r.field != 4) {
            continue;
        }
        i64 t_ms;
        f64 value = 0;
        struct hist h;
        if (r.field == 2) {
            plain_sample(pb_enter(&r), &t_ms, &value);
        } else {
            plain_hist(pb_enter(&r), &t_ms, &h);
        }
        const bool known = !series_ref_is_none(ref);
        const struct hist *hist = r.field == 4 ? &h : NULL;
        out->outcomes[known ? plain_append(app, ref, t_ms, value, hist) : outcome]++;
        out->samples++;
    }
}

static void plain_push(struct storage *s, str request, struct push_result *out)
{
    struct pb_reader r = pb_of(request);
    struct error e = {0};
    struct storage_appender *app = storage_appender_open(s, TENANT_DEFAULT, STREAM_PUSH, &e);
    assert_non_null(app);
    while (pb_next(&r)) {
        if (r.field == 1) {
            plain_series(app, pb_enter(&r), out);
        }
    }
    assert_true(pb_ok(&r));
    storage_appender_close(app);
}

// ---- requests by chance ----

static void chance_label(struct rng *rng, struct buf *b)
{
    static const char *const names[] = {"__name__", "__name__", "job", "instance", "a", "zone", ""};
    char value[300];
    const size_t mark = pbw_begin(b, 1);
    const u64 kind = rng_below(rng, 40);
    memset(value, 'v', sizeof(value));
    value[0] = (char)('a' + rng_below(rng, 3));
    size_t len = 1;
    if (kind == 0) {
        len = 0;
    } else if (kind == 1) {
        value[0] = (char)0xff; // Not UTF-8.
    } else if (kind < 5) {
        len = 100 + rng_below(rng, 180); // Some too long; lengths of two bytes.
    }
    pbw_bytes(b, 1, str_c(names[rng_below(rng, rng_below(rng, 20) ? 6 : ARRAY_LEN(names))]));
    pbw_bytes(b, 2, str_make(value, len));
    if (rng_below(rng, 30) == 0) {
        pbw_varint(b, 9, 1);
    }
    pbw_end(b, mark);
}

static void chance_sample(struct rng *rng, struct buf *b)
{
    static const i64 times[] = {0, 1, -5, 127, 128, 1700000000000, INT64_MAX, INT64_MIN};
    const f64 values[] = {0, 1, -0.0, 3.25, f64_of_bits(0x7ff0000000000002ULL)};
    const i64 t = rng_below(rng, 4) ? 1000 + (i64)rng_below(rng, 30)
                                    : times[rng_below(rng, ARRAY_LEN(times))];
    const f64 v = values[rng_below(rng, ARRAY_LEN(values))];
    const size_t mark = pbw_begin(b, 2);
    const u64 form = rng_below(rng, 12);
    if (form == 0) {
        pbw_varint(b, 2, (u64)t);
        pbw_f64(b, 1, v);
    } else if (form == 1) { // Longer than it need be.
        pbw_f64(b, 1, v);
        buf_add(b, "\x10\x81\x80\x00", 4);
    } else if (form == 2) {
        pbw_f64(b, 1, v);
        pbw_varint(b, 2, (u64)t);
        pbw_varint(b, 7, 3);
    } else {
        if (form > 3 || bits_of_f64(v) != 0) {
            pbw_f64(b, 1, v);
        }
        pbw_varint(b, 2, (u64)t);
    }
    pbw_end(b, mark);
}

static void chance_hist(struct rng *rng, struct buf *b)
{
    const size_t mark = pbw_begin(b, 4);
    const u64 count = rng_below(rng, 3);
    pbw_varint(b, 1, count);
    pbw_f64(b, 3, (f64)rng_below(rng, 3));
    pbw_varint(b, 6, rng_below(rng, 20) == 0 ? count + 1 : count); // Some contradict themselves.
    pbw_varint(b, 15, 1000 + rng_below(rng, 30));
    pbw_end(b, mark);
}

static void chance_series(struct rng *rng, struct buf *b)
{
    const size_t mark = pbw_begin(b, 1);
    const u64 labels = rng_below(rng, 6);
    for (u64 i = 0; i < labels; i++) {
        chance_label(rng, b);
    }
    for (u64 i = rng_below(rng, 4); i > 0; i--) {
        chance_sample(rng, b);
    }
    const u64 more = rng_below(rng, 16);
    if (more == 0) {
        chance_label(rng, b); // Behind the samples.
        chance_sample(rng, b);
    } else if (more == 1) {
        pbw_bytes(b, 3, STR("")); // An exemplar.
        chance_sample(rng, b);
    } else if (more < 4) {
        chance_hist(rng, b);
        chance_sample(rng, b);
    }
    pbw_end(b, mark);
}

// ---- comparing ----

static bool cached_push(struct storage *s, struct push_cache *c, str request,
                        struct push_result *out, struct error *e)
{
    struct arena *a = arena_new(16U << 20);
    struct buf packed;
    buf_init(&packed, 1 << 20);
    snappy_encode(request, &packed);
    const struct push_opts opts = {
        .storage = s, .cache = c, .decoded_bytes_max = 1 << 20, .limits = limits};
    const bool ok = push_remote_write_1(&opts, buf_get(&packed), a, out, e);
    buf_fini(&packed);
    arena_free(a);
    return ok;
}

static void dump_run(struct buf *out, const struct series_run *run)
{
    for (u32 i = 0; i < run->n; i++) {
        const bool is_hist = run->kind == SAMPLE_HIST;
        const f64 value = is_hist ? run->hists[i]->sum : run->values[i];
        buf_printf(out, " %lld:%016llx", (long long)run->t_ms[i],
                   (unsigned long long)bits_of_f64(value));
        if (is_hist) {
            buf_printf(out, "/%g/%g", run->hists[i]->count, run->hists[i]->zero_count);
        }
    }
}

// All that a store holds, as text.
static void dump(struct storage *s, struct buf *out)
{
    struct arena *a = arena_new(16U << 20);
    struct error e = {0};
    struct matcher m;
    ASSERT_OK(matcher_init(&m, a, MATCH_NE, LABEL_NAME, STR_EMPTY, &e), e);
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    assert_non_null(q);
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX, .sorted = true};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &e);
    assert_non_null(c);
    while (c->ops->next(c)) {
        struct series_run run;
        labels_print(out, c->ops->labels(c));
        while (c->ops->run(c, &run)) {
            dump_run(out, &run);
        }
        buf_c(out, "\n");
    }
    struct storage_warnings w = {0};
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    storage_querier_close(q);
    assert_true(buf_ok(out));
    arena_free(a);
}

static void expect_same_store(struct storage *got, struct storage *want)
{
    struct buf a;
    struct buf b;
    buf_init(&a, 8 << 20);
    buf_init(&b, 8 << 20);
    dump(got, &a);
    dump(want, &b);
    ASSERT_STR_EQ(buf_get(&a), buf_get(&b));
    assert_true(a.len > 0);
    buf_fini(&a);
    buf_fini(&b);
}

static void expect_same_result(const struct push_result *got, const struct push_result *want)
{
    for (u32 o = 0; o < APPEND_OUTCOME_COUNT; o++) {
        assert_int_equal(got->outcomes[o], want->outcomes[o]);
    }
    assert_int_equal(got->samples, want->samples);
    assert_int_equal(got->histograms, want->histograms);
    assert_int_equal(got->exemplars, want->exemplars);
    assert_int_equal(got->series_bad_labels, want->series_bad_labels);
}

// Of series that come again and again, and others between them.
static void chance_request(struct rng *rng, struct buf *texts, u32 count, struct buf *out)
{
    for (u64 n = rng_below(rng, 8); n > 0; n--) {
        struct buf *t = &texts[rng_below(rng, count)];
        if (t->len == 0 || rng_below(rng, 10) == 0) {
            buf_clear(t);
            chance_series(rng, t);
        }
        buf_str(out, buf_get(t));
        if (rng_below(rng, 3) == 0) {
            chance_series(rng, out);
        }
    }
}

// The same series in the same order, but for some that stay out, change or come in between.
static void ordered_request(struct rng *rng, struct buf *texts, u32 count, struct buf *out)
{
    for (u32 i = 0; i < count; i++) {
        if (texts[i].len == 0 || rng_below(rng, 100) == 0) {
            buf_clear(&texts[i]);
            chance_series(rng, &texts[i]);
        }
        if (rng_below(rng, 20) > 0) {
            buf_str(out, buf_get(&texts[i]));
        }
        if (rng_below(rng, 50) == 0) {
            chance_series(rng, out);
        }
    }
}

static void chance_push(struct storage *s, struct push_cache *cache, struct storage *plain,
                        str request)
{
    struct push_result got = {0};
    struct push_result want = {0};
    struct error e = {0};
    ASSERT_OK(cached_push(s, cache, request, &got, &e), e);
    plain_push(plain, request, &want);
    expect_same_result(&got, &want);
}

// Threads: a value.
struct chance {
    size_t cache_bytes;
    bool forget;  // The store does, at times.
    bool ordered; // Series come in the order of the time before.
};

static void chance_run(u64 seed, struct chance c)
{
    const struct memstore_opts opts = {.series_max = c.ordered ? 400 : 120,
                                       .ooo_window_ms = seed % 2 ? 20 : 0};
    struct storage *plain = memstore_new(opts);
    struct forgetful f = {.base = {&forgetful_ops}, .inner = memstore_new(opts), .epoch = 1};
    struct push_cache *cache = push_cache_new(c.cache_bytes);
    struct buf request;
    struct buf texts[60];
    const u32 text_count = c.ordered ? ARRAY_LEN(texts) : 8;
    struct rng rng;
    rng_init(&rng, seed);
    buf_init(&request, 1 << 20);
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        buf_init(&texts[i], 1 << 16);
    }
    for (u32 round = 0; round < (c.ordered ? 30 : 150); round++) {
        buf_clear(&request);
        (c.ordered ? ordered_request : chance_request)(&rng, texts, text_count, &request);
        f.epoch += c.forget && rng_below(&rng, 5) == 0;
        chance_push(&f.base, cache, plain, buf_get(&request));
    }
    expect_same_store(f.inner, plain);
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        buf_fini(&texts[i]);
    }
    buf_fini(&request);
    push_cache_free(cache);
    memstore_free(f.inner);
    memstore_free(plain);
}

TEST(push_by_known_bytes_is_what_a_plain_reader_stores)
{
    for (u64 seed = 1; seed <= 12; seed++) {
        chance_run(seed, (struct chance){.cache_bytes = 4 << 20});
    }
}

TEST(push_in_the_order_of_the_last_time_is_what_a_plain_reader_stores)
{
    for (u64 seed = 1; seed <= 6; seed++) {
        chance_run(seed, (struct chance){
                             .cache_bytes = 4 << 20, .forget = seed % 3 == 0, .ordered = true});
    }
}

TEST(push_asks_again_for_series_that_storage_forgot)
{
    for (u64 seed = 21; seed <= 28; seed++) {
        chance_run(seed, (struct chance){.cache_bytes = 4 << 20, .forget = true});
    }
}

// A series with two labels; with a sample, or else with an exemplar.
static void series_put(struct buf *b, const char *name, i64 t_ms, bool sample)
{
    const size_t series = pbw_begin(b, 1);
    const char *const texts[][2] = {{"__name__", name}, {"job", "x"}};
    for (u32 i = 0; i < ARRAY_LEN(texts); i++) {
        const size_t label = pbw_begin(b, 1);
        pbw_bytes(b, 1, str_c(texts[i][0]));
        pbw_bytes(b, 2, str_c(texts[i][1]));
        pbw_end(b, label);
    }
    const size_t mark = pbw_begin(b, sample ? 2 : 3);
    pbw_f64(b, sample ? 1 : 2, 4.5);
    pbw_varint(b, sample ? 2 : 3, (u64)t_ms);
    pbw_end(b, mark);
    pbw_end(b, series);
}

TEST(push_keeps_exemplars_that_come_as_a_series_of_their_own)
{
    struct forgetful f = {.base = {&forgetful_ops},
                          .inner = memstore_new((struct memstore_opts){0})};
    struct push_cache *cache = push_cache_new(4 << 20);
    struct push_result got = {0};
    struct error e = {0};
    struct buf b;
    buf_init(&b, 1 << 16);
    for (u32 round = 1; round <= 4; round++) {
        f.epoch += round != 2; // Known in the second round, forgotten before the others.
        buf_clear(&b);
        series_put(&b, "other", round * 1000, true);
        series_put(&b, "only", round * 1000, false);
        series_put(&b, "both", round * 1000, true);
        series_put(&b, "both", round * 1000, false);
        ASSERT_OK(cached_push(&f.base, cache, buf_get(&b), &got, &e), e);
        assert_int_equal(got.exemplars, 2);
        assert_int_equal(got.outcomes[APPEND_STORED], 2);
        assert_int_equal(f.exemplars, 2 * round);
        assert_int_equal(f.exemplars_lost, 0);
    }
    buf_fini(&b);
    push_cache_free(cache);
    memstore_free(f.inner);
}

// One that storage forgot and does not take again costs one commit, like any that it refuses.
TEST(push_forgets_a_dead_ref_whose_series_is_refused)
{
    struct forgetful f = {
        .base = {&forgetful_ops}, .inner = memstore_new((struct memstore_opts){0}), .epoch = 1};
    struct push_cache *cache = push_cache_new(4 << 20);
    struct error e = {0};
    struct buf b;
    buf_init(&b, 1 << 16);
    static const u32 commits[] = {1, 2, 1, 1};
    for (u32 round = 0; round < ARRAY_LEN(commits); round++) {
        struct push_result got = {0};
        f.epoch += round == 1;
        f.refusing = round == 1 || round == 2;
        f.commits = 0;
        buf_clear(&b);
        series_put(&b, "only", round * 1000, true);
        ASSERT_OK(cached_push(&f.base, cache, buf_get(&b), &got, &e), e);
        assert_int_equal(got.outcomes[f.refusing ? APPEND_LIMIT_SERIES : APPEND_STORED], 1);
        assert_int_equal(f.commits, commits[round]);
    }
    buf_fini(&b);
    push_cache_free(cache);
    memstore_free(f.inner);
}

TEST(push_with_a_cache_too_small_for_anything)
{
    chance_run(31, (struct chance){.cache_bytes = 100, .forget = true});
}

TEST(push_refuses_a_series_of_too_many_labels_with_a_reason)
{
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct buf b;
    buf_init(&b, 1 << 20);
    const size_t mark = pbw_begin(&b, 1);
    for (u32 i = 0; i < 1030; i++) {
        const size_t label = pbw_begin(&b, 1);
        pbw_bytes(&b, 1, STR("n"));
        pbw_end(&b, label);
    }
    const size_t sample = pbw_begin(&b, 2);
    pbw_varint(&b, 2, 1000);
    pbw_end(&b, sample);
    pbw_end(&b, mark);
    struct push_result r = {0};
    struct error e = {0};
    ASSERT_OK(cached_push(s, NULL, buf_get(&b), &r, &e), e);
    assert_int_equal(r.outcomes[APPEND_INVALID], 1);
    assert_int_equal(r.series_bad_labels, 1);
    assert_int_equal(r.first_error.code, ERR_LIMIT);
    assert_true(str_contains(str_c(r.first_error.text), STR("1024 labels")));
    buf_fini(&b);
    memstore_free(s);
}

// A known series in front must not keep a broken one from failing the request.
TEST(push_finds_broken_labels_behind_known_ones)
{
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct push_cache *c = push_cache_new(4 << 20);
    struct push_result r = {0};
    struct error e = {0};
    struct buf b;
    buf_init(&b, 1 << 16);
    const size_t mark = pbw_begin(&b, 1);
    const size_t label = pbw_begin(&b, 1);
    pbw_bytes(&b, 1, LABEL_NAME);
    pbw_bytes(&b, 2, STR("m"));
    pbw_end(&b, label);
    pbw_end(&b, mark);
    ASSERT_OK(cached_push(s, c, buf_get(&b), &r, &e), e);
    const size_t broken = pbw_begin(&b, 1);
    buf_add(&b, "\x0a\x03\x0a\x7fx", 5); // A label whose name is longer than the label.
    pbw_end(&b, broken);
    assert_false(cached_push(s, c, buf_get(&b), &r, &e));
    assert_int_equal(e.code, ERR_INVALID);
    buf_fini(&b);
    push_cache_free(c);
    memstore_free(s);
}

// ---- the cache alone ----

static struct push_key key_of(char *text, size_t cap, u32 number)
{
    const size_t len = (size_t)snprintf(text, cap, "%0*u", (int)(number % 90 + 8), number);
    const str bytes = str_make(text, len);
    return (struct push_key){bytes, push_key_hash(TENANT_DEFAULT, bytes)};
}

static u32 cache_find(struct push_cache *c, struct tenant_id tenant, const struct push_key *keys,
                      u32 n, struct series_ref *refs)
{
    struct push_walk w;
    push_walk_open(&w, c, tenant);
    const u32 found = push_walk_find(&w, keys, n, refs);
    push_walk_close(&w);
    return found;
}

TEST(push_cache_stays_within_its_bytes_and_never_mistakes_a_key)
{
    const size_t bytes_max = 2 << 20;
    struct push_cache *c = push_cache_new(bytes_max);
    u32 newest_known = 0;
    for (u32 i = 1; i <= 60000; i++) {
        char text[128];
        struct push_key k = key_of(text, sizeof(text), i);
        const struct series_ref ref = {i, i + 7};
        push_cache_put(c, TENANT_DEFAULT, &k, &ref, 1);
        char old_text[128];
        const u32 old = i > 3000 ? i - 3000 : 1;
        struct push_key again[2] = {k, key_of(old_text, sizeof(old_text), old)};
        struct series_ref found[2];
        cache_find(c, TENANT_DEFAULT, again, 2, found);
        newest_known += found[0].ordinal == i && found[0].generation == i + 7;
        assert_true(series_ref_is_none(found[1]) || found[1].ordinal == old);
        struct series_ref other;
        cache_find(c, (struct tenant_id){TENANT_DEFAULT.v + 1}, &k, 1, &other);
        assert_true(series_ref_is_none(other));
        if (i % 1000 == 0) {
            assert_true(push_cache_bytes(c) <= bytes_max);
        }
    }
    assert_true(newest_known > 59000); // All but those that found no slot near theirs.
    push_cache_free(c);
}

TEST(push_cache_keeps_what_is_asked_for)
{
    struct push_cache *c = push_cache_new(2 << 20);
    char first_text[128];
    struct push_key first = key_of(first_text, sizeof(first_text), 1);
    const struct series_ref ref = {1, 1};
    push_cache_put(c, TENANT_DEFAULT, &first, &ref, 1);
    for (u32 i = 2; i <= 60000; i++) { // Many times what it can hold.
        char text[128];
        struct push_key k = key_of(text, sizeof(text), i);
        push_cache_put(c, TENANT_DEFAULT, &k, &ref, 1);
        struct series_ref found;
        assert_int_equal(cache_find(c, TENANT_DEFAULT, &first, 1, &found), 1);
    }
    push_cache_free(c);
}

TEST(push_cache_forgets_a_series_until_it_is_put_again)
{
    struct push_cache *c = push_cache_new(2 << 20);
    struct push_key keys[3];
    char texts[3][128];
    struct series_ref refs[3];
    struct series_ref found[3];
    for (u32 i = 0; i < 3; i++) {
        keys[i] = key_of(texts[i], sizeof(texts[i]), i + 1);
        refs[i] = (struct series_ref){i + 1, 1};
    }
    push_cache_put(c, TENANT_DEFAULT, keys, refs, 3);
    push_cache_forget(c, TENANT_DEFAULT, &keys[1]);
    assert_int_equal(cache_find(c, TENANT_DEFAULT, keys, 3, found), 2);
    assert_true(series_ref_is_none(found[1]));
    struct push_walk w; // It is where it is expected, but there is nothing to be told of it.
    push_walk_open(&w, c, TENANT_DEFAULT);
    assert_int_equal(push_walk_find(&w, keys, 1, found), 1);
    assert_int_equal(push_walk_next(&w, (const u8 *)texts[1], sizeof(texts[1]), found), 0);
    push_walk_close(&w);
    push_cache_put(c, TENANT_DEFAULT, &keys[1], &refs[1], 1);
    assert_int_equal(cache_find(c, TENANT_DEFAULT, keys, 3, found), 3);
    assert_int_equal(found[1].ordinal, 2);
    push_cache_free(c);
}
