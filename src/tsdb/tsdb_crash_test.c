// tsdb_crash_test.c: power cuts and failing calls. Every value is a hash of series and time, so a
// wrong one shows by itself; what was acknowledged as durable is written down and looked for.
//
// TIDEMARK_CUTS=n runs n power cuts instead of the short form, TIDEMARK_SEED=n begins elsewhere,
// TIDEMARK_POINTS=n cuts at n calls of each named piece of work, 0 at every one. TIDEMARK_STRIDE=n
// fails every n-th call of the courses with a failing call.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "model/sample.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/fs_inner.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>
#include <stdlib.h>

#define SERIES      18U
#define SERIES_MAIN 14U // The rest belongs to rules.
#define SENT_MAX    4096U

enum { SENT_LIVE, SENT_DELETED, SENT_UNKNOWN };

// What the test knows of a series: its samples in order of sending. Threads: owned.
struct sent {
    i64 t[SENT_MAX];
    u8 state[SENT_MAX]; // Of each: there, deleted, or nobody knows (a deletion failed).
    u32 n;
    u32 acked;     // The first so many were told to be on disk.
    u32 committed; // The first so many were committed.
};

// Threads: owned.
struct world {
    struct fixture f;
    struct fs *mem;
    struct fs *faulty;
    struct sent series[SERIES];
    i64 now;
    i64 forgotten; // Samples before it are not looked at any more.
    u64 checked;
};

static void series_text(u32 i, char out[64])
{
    if (i < 12) {
        (void)snprintf(out, 64, "m%u,instance=host%u,job=j", i % 4, i / 4);
    } else {
        (void)snprintf(out, 64, i < SERIES_MAIN ? "alone%u,k=v" : "rule:%u", i);
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

static void world_init(struct world *w, u64 seed)
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
    w->now = FIXTURE_NOW;
    w->forgotten = INT64_MIN;
}

static void world_fini(struct world *w)
{
    w->f.fs = w->mem;
    fs_faulty_free(w->faulty);
    fixture_fini(&w->f);
}

static bool world_open(struct world *w)
{
    struct error e = {0};
    w->f.opts.fs = w->faulty;
    w->f.db = tsdb_open(&w->f.opts, &e);
    w->f.s = w->f.db ? tsdb_storage(w->f.db) : NULL;
    return w->f.db != NULL;
}

static void world_close(struct world *w)
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

// One commit of some series of a shard at one time, or at scattered ones.
static void world_write(struct world *w, bool rules, bool sync)
{
    struct error e = {0};
    struct labels sets[SERIES];
    struct label items[SERIES][16];
    char bytes[SERIES][512];
    u32 which[SERIES];
    u32 n = 0;
    struct rng *r = &w->f.rng;
    bool scattered = rng_below(r, 6) == 0;
    i64 step = 100 + (i64)rng_below(r, 900);
    w->now += step;
    clk_manual_advance(w->f.clk, step);
    for (u32 i = rules ? SERIES_MAIN : 0; i < (rules ? SERIES : SERIES_MAIN); i++) {
        char text[64];
        if (rng_below(r, 5) == 0) {
            continue;
        }
        series_text(i, text);
        which[n] = i;
        sets[n] = fixture_labels(text, items[n], bytes[n]);
        n++;
    }
    struct series_ref refs[SERIES];
    u8 outcomes[SERIES];
    i64 t[SERIES];
    f64 values[SERIES];
    u8 kinds[SERIES];
    struct fixture_hist made[SERIES];
    const struct hist *hists[SERIES];
    struct storage_appender *a =
        storage_appender_open(w->f.s, TENANT_DEFAULT, rules ? STREAM_RULES : STREAM_PUSH, &e);
    a->ops->resolve(a, sets, n, refs, outcomes);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(outcomes[i], APPEND_STORED);
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
        for (u32 i = rules ? SERIES_MAIN : 0; i < (rules ? SERIES : SERIES_MAIN); i++) {
            w->series[i].acked = w->series[i].n; // What came before is durable with it.
        }
    }
    w->now += scattered ? 50 : 0;
}

// Deletes some time of some series.
static void world_delete(struct world *w)
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
    bool ok = tsdb_delete(w->f.db, &d, &id, &e);
    for (u32 i = 0; i < SERIES; i++) {
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

static void world_work(struct world *w, u32 rounds)
{
    for (u32 i = 0; i < rounds; i++) {
        struct error e;
        bool did;
        world_write(w, rng_below(&w->f.rng, 4) == 0, rng_below(&w->f.rng, 3) == 0);
        if (rng_below(&w->f.rng, 10) == 0) {
            (void)!tsdb_step(w->f.db, &did, &e);
        }
        if (rng_below(&w->f.rng, 12) == 0) {
            world_delete(w);
        }
        if (rng_below(&w->f.rng, 25) == 0) {
            u32 blocks;
            clk_manual_advance(w->f.clk, (i64)25 * 3600 * 1000);
            (void)!tsdb_clean(w->f.db, &blocks, &e);
        }
    }
}

static u32 series_find(struct labels ls)
{
    for (u32 i = 0; i < SERIES; i++) {
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

// Looks at everything: right values, nothing that was not sent, a prefix of each series, all that
// was acked (after_crash) or committed. Forgets what was lost.
static void world_check(struct world *w, bool after_crash)
{
    struct error e = {0};
    bool did;
    (void)!tsdb_step(w->f.db, &did, &e); // Reads a block that could not be opened at first.
    struct storage_querier *q =
        storage_querier_open(w->f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    assert_non_null(c);
    u32 found[SERIES] = {0};
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
    for (u32 i = 0; i < SERIES; i++) {
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

static u64 from_env(const char *name, u64 fallback)
{
    u64 v = 0;
    const char *text = getenv(name);
    return text && parse_u64(str_c(text), &v) ? v : fallback;
}

TEST(tsdb_loses_nothing_acknowledged_over_power_cuts)
{
    struct world *w = MEM_NEW(struct world);
    u64 cuts = from_env("TIDEMARK_CUTS", 400);
    u64 seed = from_env("TIDEMARK_SEED", 1);
    world_init(w, seed);
    assert_true(world_open(w));
    for (u64 cut = 0; cut < cuts; cut++) {
        struct rng *r = &w->f.rng;
        fs_faulty_arm(w->faulty, 1 + rng_below(r, 200), FS_FAULT_EIO, true);
        world_work(w, 1 + (u32)rng_below(r, 40));
        world_close(w);
        fs_mem_crash(w->mem, r);
        while (rng_below(r, 4) == 0) { // And once more during recovery.
            fs_faulty_arm(w->faulty, 1 + rng_below(r, 60), FS_FAULT_EIO, true);
            if (world_open(w)) {
                world_close(w);
            }
            fs_mem_crash(w->mem, r);
        }
        fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
        assert_true(world_open(w));
        world_check(w, true);
    }
    printf("# seed %llu: %llu power cuts, %llu samples looked at\n", (unsigned long long)seed,
           (unsigned long long)cuts, (unsigned long long)w->checked);
    world_close(w);
    world_fini(w);
    mem_free(w);
}

// A fixed course of work in which the armed call fails. Opening may fail once for it.
static void course(struct world *w)
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

static u64 course_calls(void)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 7);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    course(w);
    u64 calls = fs_faulty_calls(w->faulty);
    world_close(w);
    world_fini(w);
    mem_free(w);
    return calls;
}

static void every_call_fails_once(enum fs_fault fault, u64 stride)
{
    u64 calls = course_calls();
    assert_true(calls > 200);
    for (u64 n = 1; n <= calls; n += stride) {
        struct world *w = MEM_NEW(struct world);
        world_init(w, 7);
        fs_faulty_arm(w->faulty, n, fault, false);
        course(w);
        fs_faulty_arm(w->faulty, 0, fault, false);
        world_work(w, 5); // Writing goes on by itself.
        world_check(w, false);
        world_close(w);
        fs_mem_crash(w->mem, &w->f.rng);
        assert_true(world_open(w));
        world_check(w, true);
        world_close(w);
        world_fini(w);
        mem_free(w);
    }
    printf("# %llu of %llu calls failed\n", (unsigned long long)((calls + stride - 1) / stride),
           (unsigned long long)calls);
}

TEST(tsdb_survives_each_call_failing_with_eio)
{
    every_call_fails_once(FS_FAULT_EIO, from_env("TIDEMARK_STRIDE", 3));
}

TEST(tsdb_survives_each_call_failing_with_enospc)
{
    every_call_fails_once(FS_FAULT_ENOSPC, from_env("TIDEMARK_STRIDE", 5));
}

TEST(tsdb_survives_each_call_falling_short)
{
    every_call_fails_once(FS_FAULT_SHORT, from_env("TIDEMARK_STRIDE", 5));
}

TEST(tsdb_survives_each_call_without_descriptors)
{
    every_call_fails_once(FS_FAULT_EMFILE, from_env("TIDEMARK_STRIDE", 7));
}

TEST(tsdb_takes_writes_again_when_a_full_disk_has_room)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 11);
    w->f.opts.image_every_ms = -1; // Each parts the log, and a new segment has room of its own.
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    assert_true(world_open(w));
    u32 refused = 0;
    for (int cycle = 0; cycle < 20; cycle++) {
        world_work(w, 10);
        world_check(w, false);
        fs_mem_set_capacity(w->mem, 1);
        for (int i = 0; i < 10; i++) {
            struct tsdb_status status;
            struct arena *a = arena_new((size_t)1 << 20);
            world_write(w, i % 3 == 0, i % 2 == 0);
            world_write(w, i % 3 == 0, i % 2 == 0);
            world_write(w, i % 3 == 0, i % 2 == 0);
            tsdb_status_get(w->f.db, 1, a, &status);
            refused += status.writes_failing;
            arena_free(a);
        }
        world_check(w, false); // Reading goes on.
        if (cycle % 5 == 4) {
            world_close(w);
            fs_mem_set_capacity(w->mem, (u64)1 << 30);
            assert_true(world_open(w));
            world_check(w, false);
        }
        fs_mem_set_capacity(w->mem, (u64)1 << 30);
    }
    printf("# %u commits refused\n", refused);
    assert_true(refused > 20);
    world_work(w, 10);
    world_check(w, false);
    world_close(w);
    world_fini(w);
    mem_free(w);
}

TEST(tsdb_gives_back_what_killed_processes_had_set_aside)
{
    struct error e = {0};
    u64 room = 0;
    u64 total = 0;
    struct world *w = MEM_NEW(struct world);
    world_init(w, 13);
    w->f.opts.wal_segment_bytes = (u64)1 << 20;
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    assert_true(world_open(w));
    for (u32 i = 0; i < 20; i++) {
        world_write(w, false, true);
        world_write(w, true, true);
        fs_faulty_arm(w->faulty, 1, FS_FAULT_EIO, true); // Nothing of an orderly end is done.
        world_close(w);
        fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
        assert_true(world_open(w));
    }
    world_check(w, true);
    world_write(w, false, true);
    ASSERT_OK(fs_space(w->mem, "/data", &room, &total, &e), e);
    assert_true(total - room > (u64)1 << 20); // That of the segments at hand.
    assert_true(total - room < (u64)3 << 20);
    world_close(w);
    world_fini(w);
    mem_free(w);
}

// --- A sync that failed --------------------------------------------------------------------------

// Fails one sync, and looks whether anybody counts on that file afterwards: the kernel may have
// dropped what it could not write and say of a second sync that all is well.
// Threads: owned.
struct spy {
    struct fs_ops ops;
    const struct fs_ops *real;
    u64 syncs;
    u64 fail; // 1-based; 0 = none.
    char lost[512];
    char misused[600]; // What was done with it.
};
static struct spy spy; // The calls on a file know no other way to it.

static bool is_lost(const char *path)
{
    return spy.lost[0] && strcmp(path, spy.lost) == 0;
}

static void spy_note(const char *what, const char *path)
{
    (void)snprintf(spy.misused, sizeof(spy.misused), "%s: %.500s", what, path);
}

static struct file *spy_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    if (is_lost(path) && how == FS_TRUNCATE) {
        spy.lost[0] = 0; // Written anew.
    }
    return spy.real->open(fs, path, how, e);
}

static bool spy_sync(struct file *f, struct error *e)
{
    if (is_lost(f->path)) {
        spy_note("synced again", f->path);
    }
    if (++spy.syncs == spy.fail) {
        (void)snprintf(spy.lost, sizeof(spy.lost), "%s", f->path);
        return err_set(e, ERR_IO, "syncing %s: it failed", f->path);
    }
    return spy.real->sync(f, e);
}

static bool spy_write_at(struct file *f, u64 offset, const void *bytes, size_t len, struct error *e)
{
    if (is_lost(f->path)) {
        spy_note("written to", f->path);
    }
    return spy.real->write_at(f, offset, bytes, len, e);
}

static bool spy_rename(struct fs *fs, const char *from, const char *to, struct error *e)
{
    const size_t n = strlen(from);
    if (strncmp(spy.lost, from, n) == 0 && (spy.lost[n] == '/' || !spy.lost[n]) && n > 0) {
        spy_note("listed", from);
    }
    if (is_lost(to)) {
        spy.lost[0] = 0;
    }
    return spy.real->rename(fs, from, to, e);
}

static bool spy_unlink(struct fs *fs, const char *path, struct error *e)
{
    if (is_lost(path)) {
        spy.lost[0] = 0;
    }
    return spy.real->unlink(fs, path, e);
}

static void spy_init(struct world *w, u64 fail)
{
    spy = (struct spy){.ops = *w->mem->ops, .real = w->mem->ops, .fail = fail};
    spy.ops.open = spy_open;
    spy.ops.sync = spy_sync;
    spy.ops.write_at = spy_write_at;
    spy.ops.rename = spy_rename;
    spy.ops.unlink = spy_unlink;
    w->mem->ops = &spy.ops;
}

// The course with one sync that fails; how many there were.
static u64 course_spied(u64 fail)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 7);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    spy_init(w, fail);
    course(w);
    world_work(w, 5); // Writing goes on by itself.
    world_check(w, false);
    world_close(w);
    if (spy.misused[0]) {
        fail_msg("sync %llu failed, and then the file was %s", (unsigned long long)fail,
                 spy.misused);
    }
    fs_mem_crash(w->mem, &w->f.rng);
    assert_true(world_open(w));
    world_check(w, true);
    world_close(w);
    const u64 syncs = spy.syncs;
    w->mem->ops = spy.real;
    world_fini(w);
    mem_free(w);
    return syncs;
}

TEST(tsdb_counts_on_no_file_whose_sync_failed)
{
    const u64 syncs = course_spied(0);
    const u64 stride = from_env("TIDEMARK_STRIDE", 1);
    u64 tried = 0;
    assert_true(syncs > 100);
    for (u64 n = 1; n <= syncs; n += stride) {
        (void)course_spied(n);
        tried++;
    }
    printf("# %llu of %llu syncs failed\n", (unsigned long long)tried, (unsigned long long)syncs);
}

// --- Cuts within named work ----------------------------------------------------------------------

static u64 counted(const struct world *w, enum tsdb_counter c)
{
    return atomic_load(&w->f.db->counts[c]);
}

static u32 segments_count(struct world *w)
{
    struct error e = {0};
    struct fs_info *infos;
    size_t n;
    u32 segments = 0;
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(fs_list(w->mem, "/data/wal/0", a, &infos, &n, &e), e);
    for (size_t i = 0; i < n; i++) {
        segments += str_starts(infos[i].name, STR("seg-"));
    }
    arena_free(a);
    return segments;
}

static bool step_did(struct world *w)
{
    struct error e;
    bool did = false;
    return tsdb_step(w->f.db, &did, &e) && did;
}

static void writes(struct world *w, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        world_write(w, i % 4 == 3, i % 3 == 0);
    }
}

static void ingest(struct world *w)
{
    writes(w, 4);
}

static void rotation(struct world *w)
{
    writes(w, 60);
}

static void one_step(struct world *w)
{
    (void)step_did(w);
}

static void image_prepare(struct world *w)
{
    while (step_did(w)) {
    }
    writes(w, 5);
    clk_manual_advance(w->f.clk, 3000);
}

static void cut_prepare(struct world *w)
{
    while (step_did(w)) {
    }
    writes(w, 80);
}

// Up to the step that joins blocks: the first that cuts none, since all windows are cut.
static void compaction_prepare(struct world *w)
{
    writes(w, 160);
    i64 head_min = INT64_MIN;
    while (step_did(w) && w->f.db->head_min > head_min) {
        head_min = w->f.db->head_min;
    }
}

// What is older than the rest of the head may go.
static void retention(struct world *w)
{
    struct error e;
    const i64 keep = 30000;
    (void)!tsdb_set_retention(w->f.db, &(struct tsdb_retention){.ms = keep}, &e);
    for (u32 i = 0; i < SERIES; i++) {
        struct sent *s = &w->series[i];
        for (u32 k = 0; k < s->n; k++) {
            s->state[k] = s->t[k] < w->now - keep ? SENT_UNKNOWN : s->state[k];
        }
    }
    (void)step_did(w);
}

static void retention_prepare(struct world *w)
{
    writes(w, 160);
    while (step_did(w)) {
    }
}

static void deletion(struct world *w)
{
    u32 blocks;
    struct error e;
    world_delete(w);
    world_delete(w);
    clk_manual_advance(w->f.clk, (i64)25 * 3600 * 1000);
    (void)!tsdb_clean(w->f.db, &blocks, &e);
}

static u64 images_now(struct world *w)
{
    return counted(w, COUNT_IMAGES_WRITTEN);
}

static u64 segments_now(struct world *w)
{
    return segments_count(w);
}

static u64 cuts_now(struct world *w)
{
    return w->f.db->blocks->n;
}

static u64 joins_now(struct world *w)
{
    return counted(w, COUNT_COMPACTIONS);
}

static u64 retained_now(struct world *w)
{
    return counted(w, COUNT_TIME_RETENTIONS);
}

static u64 checked_now(struct world *w)
{
    return w->series[0].n;
}

static u64 deleted_now(struct world *w)
{
    u64 n = 0;
    for (u32 i = 0; i < SERIES; i++) {
        for (u32 k = 0; k < w->series[i].n; k++) {
            n += w->series[i].state[k] == SENT_DELETED;
        }
    }
    return n;
}

// now: rises when it was done.
static const struct work {
    const char *name;
    void (*prepare)(struct world *w);
    void (*run)(struct world *w);
    u64 (*now)(struct world *w);
} works[] = {
    {"ingest", NULL, ingest, checked_now},
    {"rotation", NULL, rotation, segments_now},
    {"image", image_prepare, one_step, images_now},
    {"cut", cut_prepare, one_step, cuts_now},
    {"compaction", compaction_prepare, one_step, joins_now},
    {"retention", retention_prepare, retention, retained_now},
    {"delete", cut_prepare, deletion, deleted_now},
};

static struct world *work_world(const struct work *k, u64 seed)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, seed);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    assert_true(world_open(w));
    writes(w, 40);
    if (k->prepare) {
        k->prepare(w);
    }
    return w;
}

static void work_end(struct world *w)
{
    world_close(w);
    world_fini(w);
    mem_free(w);
}

static u64 work_calls(const struct work *k, u64 seed)
{
    struct world *w = work_world(k, seed);
    u64 before = k->now(w);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    k->run(w);
    u64 calls = fs_faulty_calls(w->faulty);
    if (k->now(w) <= before) {
        fail_msg("%s: it was not done", k->name);
    }
    world_check(w, false);
    work_end(w);
    return calls;
}

static void work_cut(const struct work *k, u64 seed, u64 call)
{
    struct world *w = work_world(k, seed);
    struct rng *r = &w->f.rng;
    fs_faulty_arm(w->faulty, call, FS_FAULT_EIO, true);
    k->run(w);
    world_close(w);
    fs_mem_crash(w->mem, r);
    for (u32 again = 0; again < 2; again++) { // And during recovery.
        fs_faulty_arm(w->faulty, 1 + rng_below(r, 60), FS_FAULT_EIO, true);
        if (world_open(w)) {
            world_close(w);
        }
        fs_mem_crash(w->mem, r);
    }
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    assert_true(world_open(w));
    world_check(w, true);
    world_work(w, 5);
    world_check(w, false);
    work_end(w);
}

TEST(tsdb_survives_power_cuts_within_each_kind_of_work)
{
    const u64 points = from_env("TIDEMARK_POINTS", 2);
    const u64 seed = from_env("TIDEMARK_SEED", 1);
    struct rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        const u64 calls = work_calls(&works[i], seed);
        const u64 n = points == 0 ? calls : points;
        for (u64 at = 1; at <= n; at++) {
            work_cut(&works[i], seed, points == 0 ? at : 1 + rng_below(&r, calls));
        }
        printf("# seed %llu: %s has %llu calls, cut at %llu\n", (unsigned long long)seed,
               works[i].name, (unsigned long long)calls, (unsigned long long)n);
    }
}
