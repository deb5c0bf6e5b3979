// tsdb_model_test.c: the engine against the slow store.
//
// TIDEMARK_MODELS=n runs each test with n seeds instead of the short form, TIDEMARK_SEED=n begins
// elsewhere.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "storage/memstore.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_series.h"
#include "tsdb/head_settle.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>
#include <stdlib.h>

#define MODEL_SERIES 40U

// Threads: owned.
struct pair {
    struct fixture f;
    struct storage *oracle;
    i64 now;
    i64 t_last[MODEL_SERIES];
    struct gone *gone; // What is deleted; the oracle knows nothing of it.
    u32 gone_count;
    u64 compared; // How often.
    u64 samples;  // Of these comparisons.
    u64 boxes;    // Of those what is more than a double.
    u32 settled;  // Series that were idle at once, at most.
    u32 asleep;   // Of four series one gets no samples for a while; 4 = none does.
    u64 cold;     // Series that left for a cold block.
    u64 behind;   // Samples that were refused for such a one.
};

// Threads: a value.
struct gone {
    u32 series;
    i64 min_ms;
    i64 max_ms;
    u64 id;
    bool final; // A day has passed.
};

static struct labels series_make(u32 i, struct label items[16], char bytes[512])
{
    char text[128];
    if (i % 5 == 4) {
        (void)snprintf(text, sizeof(text), "free%u,zone=z%u", i % 3, i);
    } else {
        (void)snprintf(text, sizeof(text), "metric%u,cpu=%u,instance=i%u,job=j%u", i % 4, i / 8,
                       i % 8, i % 2);
    }
    return fixture_labels(text, items, bytes);
}

// The same commit into one store; outcomes by sample. form: what kinds it has.
static void write_to(struct storage *s, i64 form, const u32 *series, const i64 *t,
                     const f64 *values, u32 n, u8 *outcomes) // NOLINT: columns of one table
{
    static struct fixture_hist made[MODEL_SERIES * 4];
    const struct hist *hists[MODEL_SERIES * 4];
    u8 kinds[MODEL_SERIES * 4];
    i64 starts[MODEL_SERIES * 4];
    struct error e = {0};
    struct storage_appender *a = storage_appender_open(s, TENANT_DEFAULT, STREAM_PUSH, &e);
    struct series_ref refs[MODEL_SERIES * 4];
    for (u32 i = 0; i < n; i++) {
        struct label items[16];
        char bytes[512];
        struct labels ls = series_make(series[i], items, bytes);
        u8 resolved;
        a->ops->resolve(a, &ls, 1, &refs[i], &resolved);
        assert_int_equal(resolved, APPEND_STORED);
        // Some series are of histograms, some change.
        bool hist = series[i] % 7 == 3 || (series[i] % 7 == 5 && values[i] > 0.5);
        const u64 quarters = is_stale_nan(values[i]) ? 6 : (u64)(values[i] * 4);
        fixture_hist_make(series[i] * 8 + quarters, &made[i]);
        kinds[i] = hist ? SAMPLE_HIST : SAMPLE_FLOAT;
        hists[i] = hist ? &made[i].h : NULL;
        starts[i] = t[i] / 20000 * 20000;
    }
    bool plain = form % 3 == 0;
    struct append_batch b = {.refs = refs,
                             .t_ms = t,
                             .start_t_ms = form % 5 == 1 ? starts : NULL,
                             .kinds = plain ? NULL : kinds,
                             .values = values,
                             .hists = plain ? NULL : hists,
                             .n = n,
                             .outcomes = outcomes};
    u64 position;
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    storage_appender_close(a);
}

// Where a series ended that left for a cold block, if the head knows of one.
static bool has_end(struct pair *p, u32 series, i64 *t)
{
    struct label items[16];
    char bytes[512];
    const struct labels set = series_make(series, items, bytes);
    return head_ends_find(&p->f.db->heads[SHARD_MAIN]->ends, head_key_hash(TENANT_DEFAULT, set),
                          head_key_check(TENANT_DEFAULT, set), t);
}

// Of what is behind such an end only the engine can say that it is: the oracle is not asked. The
// others move to the front; how many there are.
static u32 behind_take(struct pair *p, u32 *series, i64 *t, f64 *values, u8 *got, u32 n)
{
    u32 kept = 0;
    for (u32 i = 0; i < n; i++) {
        i64 end;
        if (has_end(p, series[i], &end) && t[i] <= end) {
            const bool is_late = got[i] == APPEND_OUT_OF_ORDER || got[i] == APPEND_TOO_OLD;
            assert_true(is_late || got[i] == APPEND_DUPLICATE || got[i] == APPEND_CONFLICT);
            assert_true(t[i] < p->now - p->f.opts.ooo_window_ms || got[i] != APPEND_TOO_OLD);
            p->behind++;
            continue;
        }
        series[kept] = series[i];
        t[kept] = t[i];
        values[kept] = values[i];
        got[kept++] = got[i];
    }
    return kept;
}

static void pair_write(struct pair *p)
{
    struct rng *r = &p->f.rng;
    u32 series[MODEL_SERIES * 4] = {0};
    i64 t[MODEL_SERIES * 4] = {0};
    f64 values[MODEL_SERIES * 4] = {0};
    u8 got[MODEL_SERIES * 4];
    u8 want[MODEL_SERIES * 4];
    u32 n = 1 + (u32)rng_below(r, MODEL_SERIES * 3);
    i64 step = (i64)rng_below(r, 1500);
    bool aligned = rng_below(r, 3) != 0;
    p->asleep = rng_below(r, 25) == 0 ? (u32)rng_below(r, 5) : p->asleep;
    p->now += step;
    clk_manual_advance(p->f.clk, step);
    for (u32 i = 0; i < n; i++) {
        series[i] = aligned ? i % MODEL_SERIES : (u32)rng_below(r, MODEL_SERIES);
        series[i] = series[i] % 4 == p->asleep ? (series[i] + 1) % MODEL_SERIES : series[i];
        // In time, a little late, or ahead; at a few places only, so that times meet again.
        i64 late = rng_below(r, 8) == 0 ? (i64)rng_below(r, 70) * 250 : 0;
        t[i] = aligned && late == 0 ? p->now : (p->now - late) / 250 * 250;
        const u64 quarters = rng_below(r, 7);
        values[i] = quarters == 6 ? stale_nan() : (f64)quarters / 4;
    }
    const i64 form = t[0] / 1000;
    write_to(p->f.s, form, series, t, values, n, got);
    n = behind_take(p, series, t, values, got, n);
    if (n > 0) {
        write_to(p->oracle, form, series, t, values, n, want);
    }
    for (u32 i = 0; i < n; i++) {
        if (got[i] != want[i]) {
            fail_msg("sample %u of series %u at %lld: %s, want %s", i, series[i], (long long)t[i],
                     append_outcome_text((enum append_outcome)got[i]),
                     append_outcome_text((enum append_outcome)want[i]));
        }
        if (got[i] == APPEND_STORED) {
            p->t_last[series[i]] = MAX(p->t_last[series[i]], t[i]);
        }
    }
}

static u32 series_number(struct labels ls)
{
    for (u32 i = 0; i < MODEL_SERIES; i++) {
        struct label items[16];
        char bytes[512];
        if (labels_eq(ls, series_make(i, items, bytes))) {
            return i;
        }
    }
    fail_msg("a series that nobody wrote");
    return 0;
}

static bool is_gone(const struct pair *p, u32 series, i64 t)
{
    for (u32 i = 0; i < p->gone_count; i++) {
        const struct gone *g = &p->gone[i];
        if (g->series == series && t >= g->min_ms && t <= g->max_ms) {
            return true;
        }
    }
    return false;
}

// One series' samples, or a label list, as text to compare. Threads: owned.
struct answer {
    u64 hash;
    u64 series;
    u64 samples;
    u64 boxes; // Samples that are more than a double.
};

// deleted: whose deletions to apply, NULL = none.
static struct answer select_all(struct storage *s, const struct pair *deleted,
                                const struct matcher *ms, u32 count, i64 from, i64 to)
{
    struct error e = {0};
    struct answer out = {.hash = 7};
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, from, to, &e);
    struct select_hints h = {.start_ms = from, .end_ms = to, .sorted = true};
    struct series_cursor *c = q->ops->select(q, ms, count, &h, NULL, &e);
    assert_non_null(c);
    while (c->ops->next(c)) {
        struct series_run run;
        i64 last = INT64_MIN;
        u32 series = deleted ? series_number(c->ops->labels(c)) : 0;
        bool told = false;
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                assert_true(run.t_ms[i] > last);
                last = run.t_ms[i];
                if (deleted && is_gone(deleted, series, last)) {
                    continue;
                }
                if (!told) {
                    out.hash = hash_mix(out.hash, labels_hash(c->ops->labels(c)));
                    out.series++;
                    told = true;
                }
                out.hash = hash_mix(out.hash, (u64)run.t_ms[i]);
                out.hash = hash_mix(out.hash, fixture_sample_hash(&run, i));
                out.boxes += run.kind == SAMPLE_HIST || run.start_t_ms;
                out.samples++;
            }
        }
    }
    struct storage_warnings w = {0};
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    assert_false(w.partial);
    storage_querier_close(q);
    return out;
}

static u64 newest_hash(struct labels ls, const struct series_run *run, u32 at)
{
    struct series_run bare = *run; // Start times are not told of newest samples.
    bare.start_t_ms = NULL;
    return hash_mix(labels_hash(ls), hash_mix((u64)run->t_ms[at], fixture_sample_hash(&bare, at)));
}

// The newest sample of each series, in any order.
static struct answer select_newest(struct storage *s, const struct matcher *ms, u32 count, i64 from,
                                   i64 to)
{
    struct error e = {0};
    struct answer out = {.hash = 0};
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, from, to, &e);
    struct select_hints h = {.start_ms = from, .end_ms = to, .newest = true};
    struct series_cursor *c = q->ops->select(q, ms, count, &h, NULL, &e);
    struct series_newest n;
    assert_non_null(c);
    while (c->ops->newest(c, &n)) {
        for (u32 i = 0; i < n.n; i++) {
            const struct series_run one = {.t_ms = n.t_ms,
                                           .values = n.values,
                                           .hists = n.hists,
                                           .kind =
                                               n.hists && n.hists[i] ? SAMPLE_HIST : SAMPLE_FLOAT};
            out.hash += newest_hash(n.labels[i], &one, i);
            out.series++;
        }
    }
    struct storage_warnings w = {0};
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    assert_false(w.partial);
    storage_querier_close(q);
    return out;
}

// The same out of the oracle's samples, less what is deleted.
static struct answer newest_walked(const struct pair *p, const struct matcher *ms, u32 count,
                                   i64 from, i64 to)
{
    struct error e = {0};
    struct answer out = {.hash = 0};
    struct storage_querier *q = storage_querier_open(p->oracle, TENANT_DEFAULT, from, to, &e);
    struct select_hints h = {.start_ms = from, .end_ms = to};
    struct series_cursor *c = q->ops->select(q, ms, count, &h, NULL, &e);
    assert_non_null(c);
    while (c->ops->next(c)) {
        struct series_run run;
        u32 series = series_number(c->ops->labels(c));
        u64 newest = 0;
        bool seen = false;
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                if (!is_gone(p, series, run.t_ms[i])) {
                    newest = newest_hash(c->ops->labels(c), &run, i);
                    seen = true;
                }
            }
        }
        out.hash += newest;
        out.series += seen;
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    return out;
}

static struct answer label_lists(struct storage *s, const struct matcher *ms, u32 count, i64 from,
                                 i64 to)
{
    struct error e = {0};
    struct answer out = {.hash = 3};
    struct arena *a = arena_new((size_t)1 << 24);
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, from, to, &e);
    str *texts;
    u32 n;
    u64 series;
    ASSERT_OK(q->ops->label_names(q, ms, count, a, &texts, &n, &e), e);
    for (u32 i = 0; i < n; i++) {
        out.hash = hash_mix(out.hash, hash_str(texts[i]));
    }
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, ms, count, a, &texts, &n, &e), e);
    for (u32 i = 0; i < n; i++) {
        out.hash = hash_mix(out.hash, hash_str(texts[i]));
    }
    ASSERT_OK(q->ops->series_count(q, ms, count, &series, &e), e);
    out.series = series;
    storage_querier_close(q);
    arena_free(a);
    return out;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static void text_add(struct arena *a, str *texts, u32 *n, str text)
{
    for (u32 i = 0; i < *n; i++) {
        if (str_eq(texts[i], text)) {
            return;
        }
    }
    texts[(*n)++] = arena_str(a, text);
}

// The same lists out of the oracle's series, less what is deleted.
static struct answer lists_walked(const struct pair *p, const struct matcher *ms, u32 count,
                                  i64 from, i64 to)
{
    struct error e = {0};
    struct answer out = {.hash = 3};
    struct arena *a = arena_new((size_t)1 << 20);
    str names[64];
    str values[64];
    u32 name_count = 0;
    u32 value_count = 0;
    struct storage_querier *q = storage_querier_open(p->oracle, TENANT_DEFAULT, from, to, &e);
    struct select_hints h = {.start_ms = from, .end_ms = to};
    struct series_cursor *c = q->ops->select(q, ms, count, &h, NULL, &e);
    assert_non_null(c);
    while (c->ops->next(c)) {
        struct series_run run;
        struct labels ls = c->ops->labels(c);
        u32 series = series_number(ls);
        bool seen = false;
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                seen = seen || !is_gone(p, series, run.t_ms[i]);
            }
        }
        out.series += seen;
        for (u32 i = 0; seen && i < ls.count; i++) {
            text_add(a, names, &name_count, ls.items[i].name);
            if (str_eq(ls.items[i].name, LABEL_INSTANCE)) {
                text_add(a, values, &value_count, ls.items[i].value);
            }
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    qsort(names, name_count, sizeof(str), by_text);
    qsort(values, value_count, sizeof(str), by_text);
    for (u32 i = 0; i < name_count; i++) {
        out.hash = hash_mix(out.hash, hash_str(names[i]));
    }
    for (u32 i = 0; i < value_count; i++) {
        out.hash = hash_mix(out.hash, hash_str(values[i]));
    }
    arena_free(a);
    return out;
}

static u32 matchers_make(struct rng *r, struct arena *a, struct matcher *ms)
{
    static const struct {
        enum match_op op;
        const char *name;
        const char *value;
    } kinds[] = {
        {MATCH_EQ, "__name__", "metric1"},
        {MATCH_RE, "__name__", "metric1|metric3|none"},
        {MATCH_RE, "__name__", "metr.*"},
        {MATCH_RE, "instance", "i[0-4]"},
        {MATCH_NE, "job", "j0"},
        {MATCH_EQ, "job", ""},
        {MATCH_NE, "zone", ""},
        {MATCH_NRE, "instance", "i1|i2"},
        {MATCH_NRE, "cpu", ".*[13]"},
        {MATCH_RE, "zone", ".*"},
        {MATCH_RE, "zone", "z?"},
        {MATCH_EQ, "nothing", "x"},
        {MATCH_RE, "instance", "i1|i2|i77"},
        {MATCH_NRE, "job", ".+"},
    };
    u32 n = (u32)rng_below(r, 4);
    for (u32 i = 0; i < n; i++) {
        struct error e = {0};
        size_t k = rng_below(r, ARRAY_LEN(kinds));
        ASSERT_OK(
            matcher_init(&ms[i], a, kinds[k].op, str_c(kinds[k].name), str_c(kinds[k].value), &e),
            e);
    }
    return n;
}

static void pair_delete(struct pair *p)
{
    struct rng *r = &p->f.rng;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 22);
    struct matcher ms[4];
    u64 id;
    u32 n = 0;
    while (n == 0) {
        n = matchers_make(r, a, ms);
    }
    i64 to = p->now + 5000 - (i64)rng_below(r, 100000);
    i64 from = to - (i64)rng_below(r, 60000);
    struct tsdb_deletion d = {
        .tenant = TENANT_DEFAULT, .ms = ms, .count = n, .min_ms = from, .max_ms = to};
    ASSERT_OK(tsdb_delete(p->f.db, &d, &id, &e), e);
    for (u32 i = 0; i < MODEL_SERIES; i++) {
        struct label items[16];
        char bytes[512];
        if (matchers_match(ms, n, series_make(i, items, bytes)) && p->t_last[i] >= from) {
            p->gone = MEM_GROW(p->gone, p->gone_count + 1, struct gone);
            p->gone[p->gone_count++] = (struct gone){
                .series = i, .min_ms = from, .max_ms = MIN(to, p->t_last[i]), .id = id};
        }
    }
    arena_free(a);
}

static void pair_undelete(struct pair *p)
{
    struct error e = {0};
    u32 at = p->gone_count > 0 ? (u32)rng_below(&p->f.rng, p->gone_count) : 0;
    if (p->gone_count == 0 || p->gone[at].final) {
        return;
    }
    u64 id = p->gone[at].id;
    u32 kept = 0;
    (void)!tsdb_undelete(p->f.db, id, &e); // If nothing was marked there is nothing to be found.
    for (u32 i = 0; i < p->gone_count; i++) {
        if (p->gone[i].id != id) {
            p->gone[kept++] = p->gone[i];
        }
    }
    p->gone_count = kept;
}

// Some series are found to be silent, and now and then all of them.
static void pair_settle(struct pair *p)
{
    const u64 passes = 1 + rng_below(&p->f.rng, 4) * 4;
    for (u64 i = 0; i < passes; i++) {
        for (u32 k = 0; k < SHARDS; k++) {
            head_settle(p->f.db->heads[k]);
        }
    }
    p->settled = MAX(p->settled, p->f.db->heads[SHARD_MAIN]->idle);
}

static void pair_clean(struct pair *p)
{
    struct error e = {0};
    u32 blocks;
    clk_manual_advance(p->f.clk, (i64)25 * 3600 * 1000);
    for (u32 i = 0; i < p->gone_count; i++) {
        p->gone[i].final = true;
    }
    ASSERT_OK(tsdb_clean(p->f.db, &blocks, &e), e);
}

static void pair_compare(struct pair *p)
{
    struct rng *r = &p->f.rng;
    struct arena *a = arena_new((size_t)1 << 22);
    struct matcher ms[4];
    u32 n = matchers_make(r, a, ms);
    i64 to = p->now + 1000 - (i64)rng_below(r, 300000);
    i64 from = to - (i64)rng_below(r, 200000);
    struct answer got = select_all(p->f.s, NULL, ms, n, from, to);
    struct answer want = select_all(p->oracle, p, ms, n, from, to);
    assert_int_equal(got.series, want.series);
    assert_int_equal(got.samples, want.samples);
    assert_int_equal(got.boxes, want.boxes);
    assert_true(got.hash == want.hash);
    p->compared++;
    p->samples += got.samples;
    p->boxes += got.boxes;
    got = select_newest(p->f.s, ms, n, from, to);
    want = newest_walked(p, ms, n, from, to);
    assert_int_equal(got.series, want.series);
    assert_true(got.hash == want.hash);
    got = label_lists(p->f.s, ms, n, from, to);
    want = p->gone_count > 0 ? lists_walked(p, ms, n, from, to)
                             : label_lists(p->oracle, ms, n, from, to);
    assert_int_equal(got.series, want.series);
    assert_true(got.hash == want.hash);
    arena_free(a);
}

// What many seeds compared. Threads: owned.
struct model_totals {
    u64 commits;
    u64 compared;
    u64 samples;
};

// deletes: sometimes, and cleans.
static void pair_work(struct pair *p, bool deletes)
{
    struct rng *r = &p->f.rng;
    pair_write(p);
    if (rng_below(r, 6) == 0) {
        fixture_steps(&p->f);
    }
    if (rng_below(r, 8) == 0) {
        pair_settle(p);
        fixture_steps(&p->f);
    }
    if (rng_below(r, 40) == 0) {
        p->cold += atomic_load(&p->f.db->counts[COUNT_COLD_SERIES]);
        fixture_reopen(&p->f);
        assert_int_equal(atomic_load(&p->f.db->counts[COUNT_REPLAY_LOST]), 0);
    }
    if (deletes && rng_below(r, 12) == 0) {
        pair_delete(p);
    }
    if (deletes && rng_below(r, 30) == 0) {
        pair_undelete(p);
    }
    if (deletes && rng_below(r, 60) == 0) {
        pair_clean(p);
    }
    if (rng_below(r, 3) == 0) {
        pair_compare(p);
    }
}

static void model_run(u64 seed, i64 ooo_window_ms, bool deletes, struct model_totals *totals)
{
    const u32 rounds = deletes ? 500 : 600;
    struct pair p = {.now = FIXTURE_NOW, .asleep = 4};
    fixture_init(&p.f, seed);
    p.f.opts.ooo_window_ms = ooo_window_ms;
    p.f.opts.block_range_ms = 40000;
    p.f.opts.compact_first = 3;
    p.f.opts.compact_second = 2;
    p.f.opts.wal_segment_bytes = 20000;
    p.f.opts.image_every_ms = 3000;
    p.f.opts.image_log_bytes = 1;
    p.f.opts.cold_every_ms = 1;
    p.f.opts.cold_min = 2;
    fixture_open(&p.f);
    p.oracle = memstore_new((struct memstore_opts){.clk = p.f.clk, .ooo_window_ms = ooo_window_ms});
    printf("# seed %llu", (unsigned long long)seed); // Before anything can fail.
    for (u32 i = 0; i < rounds; i++) {
        pair_work(&p, deletes);
    }
    p.cold += atomic_load(&p.f.db->counts[COUNT_COLD_SERIES]);
    printf(
        ": %u commits, %llu comparisons, %llu series left cold, %llu samples behind their ends\n",
        rounds, (unsigned long long)p.compared, (unsigned long long)p.cold,
        (unsigned long long)p.behind);
    assert_true(p.boxes > 1000);
    assert_true(p.settled > MODEL_SERIES / 2);
    assert_true(p.cold >= 10);
    totals->commits += rounds;
    totals->compared += p.compared;
    totals->samples += p.samples;
    memstore_free(p.oracle);
    mem_free(p.gone);
    fixture_fini(&p.f);
}

// windows: the two that seeds have in turn.
static void models_run(u64 first, u64 count, const i64 windows[2], bool deletes)
{
    struct model_totals totals = {0};
    count = fixture_env("TIDEMARK_MODELS", count);
    first = fixture_env("TIDEMARK_SEED", first);
    for (u64 seed = first; seed < first + count; seed++) {
        model_run(seed, windows[seed % 2], deletes, &totals);
    }
    printf("# seeds %llu to %llu: %llu commits, %llu comparisons of %llu samples\n",
           (unsigned long long)first, (unsigned long long)(first + count - 1),
           (unsigned long long)totals.commits, (unsigned long long)totals.compared,
           (unsigned long long)totals.samples);
}

TEST(tsdb_agrees_with_the_slow_store_in_order)
{
    models_run(21, 2, (const i64[]){0, 0}, false);
}

TEST(tsdb_agrees_with_the_slow_store_out_of_order)
{
    models_run(31, 2, (const i64[]){8000, 8000}, false);
}

TEST(tsdb_agrees_with_the_slow_store_over_deletions)
{
    models_run(41, 6, (const i64[]){0, 8000}, true);
}
