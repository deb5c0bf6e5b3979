#include "tsdb/crash_fixture.h"

#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "model/sample.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/head_settle.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

static void series_text(u32 i, char out[64])
{
    if (i < 12) {
        (void)snprintf(out, 64, "m%u,instance=host%u,job=j", i % 4, i / 4);
    } else {
        (void)snprintf(out, 64, i < WORLD_MAIN ? "alone%u,k=v" : "rule:%u", i);
    }
}

// Now and then a value that the log and the chunks must treat as special.
static f64 value_of(u32 series, i64 t)
{
    u64 h = hash_mix(series, (u64)t);
    switch (h % 8) {
    case 0:
        return f64_of_bits(STALE_NAN_BITS);
    case 1:
        return f64_of_bits(h);
    case 2:
        return (f64)(h % 1000) / 10;
    case 3:
        return -0.0;
    default:
        return (f64)(t / 100 % 5 * (i64)(series + 1));
    }
}

// The samples of some series are histograms now and then; the number of the one, 0 = none.
static u64 hist_of(u32 series, i64 t)
{
    u64 h = hash_mix(series + 77, (u64)t);
    return series % 4 == 1 && h % 3 != 0 ? h | 1 : 0;
}

static u64 wanted_hash(u32 series, i64 t)
{
    u64 number = hist_of(series, t);
    f64 v = value_of(series, t);
    struct fixture_hist made;
    struct series_run run = {.values = &v};
    const struct hist *h = &made.h;
    if (number != 0) {
        fixture_hist_make(number, &made);
        run = (struct series_run){.kind = SAMPLE_HIST, .hists = &h};
    }
    return fixture_sample_hash(&run, 0);
}

void world_init(struct world *w, u64 seed)
{
    memset(w, 0, sizeof(*w));
    fixture_init(&w->f, seed);
    w->mem = w->f.own_fs;
    w->faulty = fs_faulty_new(w->mem);
    w->f.fs = w->faulty;
    w->f.opts.wal_segment_bytes = 6000;
    w->f.opts.block_range_ms = 20000;
    w->f.opts.compact_first = 2;
    w->f.opts.compact_second = 3;
    w->f.opts.image_every_ms = 2000;
    w->f.opts.image_log_bytes = 1;
    w->f.opts.cold_every_ms = 1;
    w->f.opts.cold_min = 1;
    w->now = FIXTURE_NOW;
    w->forgotten = INT64_MIN;
}

void world_fini(struct world *w)
{
    w->f.fs = w->mem;
    fs_faulty_free(w->faulty);
    fixture_fini(&w->f);
}

static bool noted(struct world *w, bool ok, const struct error *e)
{
    if (!ok) {
        w->failure = *e;
        w->failures++;
    }
    return ok;
}

bool world_open(struct world *w)
{
    struct error e = {0};
    w->f.opts.fs = w->faulty;
    w->f.db = tsdb_open(&w->f.opts, &e);
    w->f.s = w->f.db ? tsdb_storage(w->f.db) : NULL;
    return noted(w, w->f.db != NULL, &e);
}

void world_close(struct world *w)
{
    struct error e;
    (void)tsdb_close(w->f.db, &e);
    w->f.db = NULL;
}

static void sent_add(struct sent *s, i64 t)
{
    if (s->n == SENT_MAX) { // Forget the older half; it was looked at often enough.
        u32 half = MIN(s->acked, SENT_MAX / 2);
        assert_true(half > 0);
        memmove(s->t, s->t + half, (s->n - half) * sizeof(i64));
        memmove(s->state, s->state + half, s->n - half);
        s->n -= half;
        s->acked -= half;
        s->committed -= half;
    }
    s->state[s->n] = SENT_LIVE;
    s->t[s->n++] = t;
}

// Leaves out the series for which there is no memory.
static u32 resolved(struct world *w, u32 *which, struct series_ref *refs, const u8 *outcomes, u32 n)
{
    u32 kept = 0;
    for (u32 i = 0; i < n; i++) {
        if (outcomes[i] != APPEND_STORED) {
            assert_true(alloc_fault_on && append_is_limited((enum append_outcome)outcomes[i]));
            w->failures++;
            continue;
        }
        which[kept] = which[i];
        refs[kept++] = refs[i];
    }
    return kept;
}

void world_write(struct world *w, bool rules, bool sync)
{
    struct error e = {0};
    struct labels sets[WORLD_SERIES];
    struct label items[WORLD_SERIES][16];
    char bytes[WORLD_SERIES][512];
    u32 which[WORLD_SERIES];
    u32 n = 0;
    struct rng *r = &w->f.rng;
    bool scattered = rng_below(r, 6) == 0;
    i64 step = 100 + (i64)rng_below(r, 900);
    w->now += step;
    clk_manual_advance(w->f.clk, step);
    for (u32 i = rules ? WORLD_MAIN : 0; i < (rules ? WORLD_SERIES : WORLD_MAIN); i++) {
        char text[64];
        if (rng_below(r, 5) == 0) {
            continue;
        }
        series_text(i, text);
        which[n] = i;
        sets[n] = fixture_labels(text, items[n], bytes[n]);
        n++;
    }
    struct series_ref refs[WORLD_SERIES];
    u8 outcomes[WORLD_SERIES];
    i64 t[WORLD_SERIES];
    f64 values[WORLD_SERIES];
    u8 kinds[WORLD_SERIES];
    struct fixture_hist made[WORLD_SERIES];
    const struct hist *hists[WORLD_SERIES];
    struct storage_appender *a =
        storage_appender_open(w->f.s, TENANT_DEFAULT, rules ? STREAM_RULES : STREAM_PUSH, &e);
    a->ops->resolve(a, sets, n, refs, outcomes);
    n = resolved(w, which, refs, outcomes, n);
    for (u32 i = 0; i < n; i++) {
        t[i] = w->now + (scattered ? (i64)rng_below(r, 50) : 0);
        values[i] = value_of(which[i], t[i]);
        u64 number = hist_of(which[i], t[i]);
        kinds[i] = number != 0 ? SAMPLE_HIST : SAMPLE_FLOAT;
        hists[i] = number != 0 ? &made[i].h : NULL;
        fixture_hist_make(number, &made[i]);
    }
    struct append_batch b = {.refs = refs,
                             .t_ms = t,
                             .kinds = kinds,
                             .values = values,
                             .hists = hists,
                             .n = n,
                             .outcomes = outcomes};
    u64 position = 0;
    bool ok = a->ops->append(a, &b, &e) &&
              a->ops->commit(a, sync ? DURABILITY_SYNC : DURABILITY_PERIODIC, &position, &e);
    ok = noted(w, ok, &e);
    for (u32 i = 0; i < n; i++) {
        struct sent *s = &w->series[which[i]];
        if (ok) {
            assert_int_equal(outcomes[i], APPEND_STORED);
            sent_add(s, t[i]);
            s->committed = s->n;
        }
    }
    storage_appender_close(a);
    if (ok && sync && storage_wait_durable(w->f.s, position, &e)) {
        for (u32 i = rules ? WORLD_MAIN : 0; i < (rules ? WORLD_SERIES : WORLD_MAIN); i++) {
            w->series[i].acked = w->series[i].n; // What came before is durable with it.
        }
    }
    w->now += scattered ? 50 : 0;
}

void world_delete(struct world *w)
{
    struct rng *r = &w->f.rng;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    u64 id;
    u32 metric = (u32)rng_below(r, 5);
    char name[16];
    (void)snprintf(name, sizeof(name), metric == 4 ? "rule:%u" : "m%u", metric == 4 ? 15 : metric);
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, LABEL_NAME, str_c(name), &e), e);
    i64 to = w->now - (i64)rng_below(r, 60000) + 1000;
    struct tsdb_deletion d = {.tenant = TENANT_DEFAULT,
                              .ms = &m,
                              .count = 1,
                              .min_ms = to - (i64)rng_below(r, 30000),
                              .max_ms = to};
    bool ok = noted(w, tsdb_delete(w->f.db, &d, &id, &e), &e);
    for (u32 i = 0; i < WORLD_SERIES; i++) {
        struct sent *s = &w->series[i];
        bool meant = metric == 4 ? i == 15 : i < 12 && i % 4 == metric;
        for (u32 k = 0; meant && k < s->n; k++) {
            if (s->t[k] >= d.min_ms && s->t[k] <= d.max_ms && s->state[k] != SENT_DELETED) {
                s->state[k] = ok ? SENT_DELETED : SENT_UNKNOWN;
            }
        }
    }
    arena_free(a);
}

void world_settle(struct world *w)
{
    for (u32 i = 0; i < (SETTLE_IDLE + 1) * SHARDS; i++) {
        head_settle(w->f.db->heads[i % SHARDS]);
    }
}

void world_work(struct world *w, u32 rounds)
{
    for (u32 i = 0; i < rounds; i++) {
        struct error e;
        bool did;
        world_write(w, rng_below(&w->f.rng, 4) == 0, rng_below(&w->f.rng, 3) == 0);
        if (rng_below(&w->f.rng, 5) == 0) {
            world_settle(w);
        }
        if (rng_below(&w->f.rng, 10) == 0) {
            (void)noted(w, tsdb_step(w->f.db, &did, &e), &e);
        }
        if (rng_below(&w->f.rng, 12) == 0) {
            world_delete(w);
        }
        if (rng_below(&w->f.rng, 25) == 0) {
            u32 blocks;
            clk_manual_advance(w->f.clk, (i64)25 * 3600 * 1000);
            (void)noted(w, tsdb_clean(w->f.db, &blocks, &e), &e);
        }
    }
}

static u32 series_find(struct labels ls)
{
    for (u32 i = 0; i < WORLD_SERIES; i++) {
        char text[64];
        struct label items[16];
        char bytes[512];
        series_text(i, text);
        if (labels_eq(ls, fixture_labels(text, items, bytes))) {
            return i;
        }
    }
    fail_msg("a series that nobody sent");
    return 0;
}

void world_check(struct world *w, bool after_crash)
{
    struct error e = {0};
    bool did;
    (void)!tsdb_step(w->f.db, &did, &e); // Reads a block that could not be opened at first.
    struct storage_querier *q =
        storage_querier_open(w->f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    assert_non_null(c);
    u32 found[WORLD_SERIES] = {0};
    while (c->ops->next(c)) {
        struct series_run run;
        u32 i = series_find(c->ops->labels(c));
        struct sent *s = &w->series[i];
        while (c->ops->run(c, &run)) {
            for (u32 k = 0; k < run.n; k++) {
                if (s->n > 0 && run.t_ms[k] < s->t[0]) {
                    continue; // Forgotten by the test.
                }
                while (found[i] < s->n && s->state[found[i]] != SENT_LIVE &&
                       s->t[found[i]] < run.t_ms[k]) {
                    found[i]++;
                }
                if (found[i] < s->n && s->t[found[i]] == run.t_ms[k] &&
                    s->state[found[i]] == SENT_DELETED) {
                    fail_msg("series %u: what was deleted at %lld is there", i,
                             (long long)run.t_ms[k]);
                }
                if (found[i] >= s->n || s->t[found[i]] != run.t_ms[k]) {
                    fail_msg(
                        "series %u: no prefix at %lld, wanted %lld (sample %u of %u, %u acked, "
                        "call %llu)",
                        i, (long long)run.t_ms[k], found[i] < s->n ? (long long)s->t[found[i]] : 0,
                        found[i], s->n, s->acked, (unsigned long long)fs_faulty_calls(w->faulty));
                }
                if (fixture_sample_hash(&run, k) != wanted_hash(i, run.t_ms[k])) {
                    fail_msg("series %u: wrong value at %lld", i, (long long)run.t_ms[k]);
                }
                found[i]++;
                w->checked++;
            }
        }
    }
    struct storage_warnings warnings = {0};
    ASSERT_OK(c->ops->close(c, &warnings, &e), e);
    assert_false(warnings.partial);
    storage_querier_close(q);
    for (u32 i = 0; i < WORLD_SERIES; i++) {
        struct sent *s = &w->series[i];
        u32 wanted = after_crash ? s->acked : s->committed;
        for (u32 k = found[i]; k < wanted; k++) {
            if (s->state[k] == SENT_LIVE) {
                fail_msg("series %u: %u of %u acknowledged samples are there", i, k, wanted);
            }
        }
        // What is deleted stays known: it must not come back.
        u32 kept = found[i];
        u32 acked = MIN(s->acked, kept);
        for (u32 k = kept; k < s->n; k++) {
            if (s->state[k] != SENT_LIVE) {
                acked += k < s->acked;
                s->t[kept] = s->t[k];
                s->state[kept++] = s->state[k];
            }
        }
        s->n = kept;
        s->committed = kept;
        s->acked = acked;
    }
}

void world_course(struct world *w)
{
    if (!world_open(w)) {
        assert_true(world_open(w));
    }
    world_work(w, 60);
    world_check(w, false);
    world_close(w);
    if (!world_open(w)) {
        assert_true(world_open(w));
    }
    world_check(w, true);
    world_work(w, 40);
    world_check(w, false);
}
