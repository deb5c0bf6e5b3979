// tsdb_threads_test.c: the engine under its own threads: writers, readers, work in the background.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/thr.h"
#include "tsdb/head_settle.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_status.h"

#include <stdatomic.h>
#include <stdio.h>

#define WRITERS      2U
#define THREAD_STEPS 400
#define SLEEP_STEPS  20 // Some series get a sample only so often,
#define SLEEP_ROUNDS 16 // and in between so many rounds of background work pass: they leave memory.

// Threads: atomic but for f, which is shared as the engine allows.
struct arena_of_threads {
    struct fixture f;
    _Atomic i64 written[WRITERS]; // Newest time that is committed.
    _Atomic i64 slept[WRITERS];   // How many samples each of its sleepers has.
    _Atomic u64 rounds;           // Of background work.
    struct stop *pause;
    _Atomic bool over;
    _Atomic u32 failed;
};

// Threads: owned by the thread that runs it.
struct writer_job {
    struct arena_of_threads *all;
    u32 id;
};

static u32 writer_sets(u32 id, const char *name, struct labels sets[8], struct label items[8][16],
                       char bytes[8][512])
{
    for (u32 i = 0; i < 8; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s%u,instance=i%u,job=j", name, id, i);
        sets[i] = fixture_labels(text, items[i], bytes[i]);
    }
    return 8;
}

// One sample of each of the writer's sleepers, which ends it, once they have left memory, perhaps.
static void sleepers_write(const struct writer_job *job, struct storage_appender *a, i64 t_ms)
{
    struct arena_of_threads *all = job->all;
    struct labels sets[8];
    struct label items[8][16];
    char bytes[8][512];
    struct series_ref refs[8];
    u8 outcomes[8];
    i64 t[8];
    f64 values[8];
    u64 position = 0;
    struct error e = {0};
    const u64 until = atomic_load(&all->rounds) + SLEEP_ROUNDS;
    while (atomic_load(&all->rounds) < until) {
        (void)stop_sleep_ms(all->pause, 1);
    }
    const u32 n = writer_sets(job->id, "s", sets, items, bytes);
    bool ok = true;
    for (u32 again = 0; again < 3; again++) { // They may leave between the two calls.
        for (u32 i = 0; i < n; i++) {
            t[i] = t_ms;
            values[i] = stale_nan();
        }
        a->ops->resolve(a, sets, n, refs, outcomes);
        const struct append_batch b = {
            .refs = refs, .t_ms = t, .values = values, .n = n, .outcomes = outcomes};
        ok = a->ops->append(a, &b, &e) && a->ops->commit(a, DURABILITY_SYNC, &position, &e);
        if (!ok || outcomes[0] != APPEND_INVALID) {
            break;
        }
    }
    for (u32 i = 0; i < n; i++) {
        if (!ok || outcomes[i] != APPEND_STORED) {
            atomic_fetch_add(&all->failed, 1);
        }
    }
    atomic_fetch_add(&all->slept[job->id], 1);
}

// Each commit writes the same value to all of the writer's series: a reader must never see a half.
static void writer_run(void *arg)
{
    const struct writer_job *job = arg;
    struct arena_of_threads *all = job->all;
    struct error e = {0};
    struct labels sets[8];
    struct label items[8][16];
    char bytes[8][512];
    struct series_ref refs[8];
    u8 outcomes[8];
    struct storage_appender *a =
        storage_appender_open(all->f.s, TENANT_DEFAULT, job->id ? STREAM_RULES : STREAM_SCRAPE, &e);
    (void)writer_sets(job->id, "w", sets, items, bytes);
    for (int step = 0; step < THREAD_STEPS; step++) {
        i64 t[8];
        f64 values[8];
        u64 position = 0;
        for (u32 i = 0; i < 8; i++) {
            t[i] = FIXTURE_NOW + step * 500;
            values[i] = step;
        }
        // A writer far behind the other would find its time cut into a block already.
        while (t[0] > FIXTURE_NOW + 5000 && t[0] > atomic_load(&all->written[1 - job->id]) + 5000) {
            (void)stop_sleep_ms(all->pause, 1);
        }
        if (step % SLEEP_STEPS == 0) {
            sleepers_write(job, a, t[0]);
        }
        a->ops->resolve(a, sets, 8, refs, outcomes);
        struct append_batch b = {
            .refs = refs, .t_ms = t, .values = values, .n = 8, .outcomes = outcomes};
        if (!a->ops->append(a, &b, &e) || !a->ops->commit(a, DURABILITY_SYNC, &position, &e) ||
            (step % 20 == 0 && !storage_wait_durable(all->f.s, position, &e))) {
            atomic_fetch_add(&all->failed, 1);
        }
        for (u32 i = 0; i < 8; i++) {
            if (outcomes[i] != APPEND_STORED) {
                atomic_fetch_add(&all->failed, 1);
            }
        }
        atomic_store(&all->written[job->id], t[0]);
    }
    storage_appender_close(a);
}

// One selection of all series of a writer. Threads: owned by who looks.
struct look {
    struct arena *arena;
    struct storage_querier *q;
    struct series_cursor *c; // NULL: it failed.
};

static struct look look_open(struct arena_of_threads *all, const char *of, u32 id,
                             const struct select_hints *h)
{
    struct error e = {0};
    struct matcher m;
    char name[8];
    struct look l = {.arena = arena_new((size_t)1 << 20)};
    (void)snprintf(name, sizeof(name), "%s%u", of, id);
    l.q = storage_querier_open(all->f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    if (l.q && matcher_init(&m, l.arena, MATCH_EQ, LABEL_NAME, str_c(name), &e)) {
        l.c = l.q->ops->select(l.q, &m, 1, h, NULL, &e);
    }
    return l;
}

// Counts a failure unless all was read and found good.
static void look_close(struct arena_of_threads *all, struct look *l, bool good)
{
    struct error e = {0};
    if (!l->c || !l->c->ops->close(l->c, NULL, &e) || !good) {
        atomic_fetch_add(&all->failed, 1);
    }
    storage_querier_close(l->q);
    arena_free(l->arena);
}

static void reader_look(struct arena_of_threads *all, u32 id)
{
    const i64 known = atomic_load(&all->written[id]);
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct look l = look_open(all, "w", id, &h);
    u64 first = UINT64_MAX;
    u32 series = 0;
    bool good = true;
    while (l.c && l.c->ops->next(l.c)) {
        struct series_run run;
        u64 n = 0;
        series++;
        while (l.c->ops->run(l.c, &run)) {
            for (u32 i = 0; i < run.n; i++, n++) {
                good = good && run.values[i] == (f64)n && run.t_ms[i] == FIXTURE_NOW + (i64)n * 500;
            }
        }
        first = first == UINT64_MAX ? n : first;
        // All series of a writer end at the same commit, and not before what was known.
        good = good && n == first && (known == 0 || FIXTURE_NOW + ((i64)n - 1) * 500 >= known);
    }
    look_close(all, &l, good && (series == 8 || (series == 0 && known == 0)));
}

// Those that leave memory and come back: each sample once, and of each commit all.
static void reader_look_at_sleepers(struct arena_of_threads *all, u32 id)
{
    const i64 known = atomic_load(&all->slept[id]);
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct look l = look_open(all, "s", id, &h);
    i64 first = 0;
    u32 series = 0;
    bool good = true;
    while (l.c && l.c->ops->next(l.c)) {
        struct series_run run;
        i64 n = 0;
        while (l.c->ops->run(l.c, &run)) {
            for (u32 i = 0; i < run.n; i++, n++) {
                good = good && run.t_ms[i] == FIXTURE_NOW + n * SLEEP_STEPS * 500;
            }
        }
        first = series++ == 0 ? n : first;
        good = good && n == first && n >= known;
    }
    look_close(all, &l, good && (series == 8 || (series == 0 && known == 0)));
}

// The newest samples are those of one commit, the same of all series, and no older than is known.
static void reader_look_at_newest(struct arena_of_threads *all, u32 id)
{
    const i64 known = atomic_load(&all->written[id]);
    const struct select_hints h = {.start_ms = known, .end_ms = INT64_MAX, .newest = true};
    struct look l = look_open(all, "w", id, &h);
    struct series_newest n;
    i64 t = 0;
    u32 series = 0;
    bool good = true;
    while (l.c && l.c->ops->newest(l.c, &n)) {
        for (u32 i = 0; i < n.n; i++) {
            t = series == 0 ? n.t_ms[i] : t;
            good = good && n.t_ms[i] == t && t >= known &&
                   n.values[i] == (f64)((t - FIXTURE_NOW) / 500);
            series++;
        }
    }
    look_close(all, &l, good && (series == 8 || (series == 0 && known == 0)));
}

static void reader_run(void *arg)
{
    struct arena_of_threads *all = arg;
    while (!atomic_load(&all->over)) {
        reader_look(all, 0);
        reader_look(all, 1);
        reader_look_at_sleepers(all, 0);
        reader_look_at_sleepers(all, 1);
        for (u32 i = 0; i < 20; i++) { // Of what is planned and not yet committed, nothing shows.
            reader_look_at_newest(all, i % WRITERS);
        }
    }
}

static void stepper_run(void *arg)
{
    struct arena_of_threads *all = arg;
    while (!atomic_load(&all->over)) {
        struct error e;
        bool did;
        struct tsdb_status status;
        struct arena *a = arena_new((size_t)1 << 20);
        clk_manual_advance(all->f.clk, 1);
        if (!tsdb_step(all->f.db, &did, &e)) {
            atomic_fetch_add(&all->failed, 1);
        }
        for (u32 i = 0; i < SHARDS; i++) {
            head_settle(all->f.db->heads[i]);
        }
        tsdb_status_get(all->f.db, 5, a, &status);
        arena_free(a);
        atomic_fetch_add(&all->rounds, 1);
    }
}

TEST(tsdb_shows_whole_commits_to_readers_under_threads)
{
    struct arena_of_threads *all = MEM_NEW(struct arena_of_threads);
    struct writer_job jobs[WRITERS] = {{all, 0}, {all, 1}};
    struct error e = {0};
    all->pause = stop_new();
    fixture_init(&all->f, 77);
    all->f.opts.wal_thread = true;
    all->f.opts.block_range_ms = 20000;
    all->f.opts.compact_first = 2;
    all->f.opts.compact_second = 2;
    all->f.opts.wal_segment_bytes = 8000;
    all->f.opts.image_every_ms = 4;
    all->f.opts.image_log_bytes = 1;
    all->f.opts.cold_every_ms = 1;
    all->f.opts.cold_min = 1;
    fixture_open(&all->f);
    clk_manual_advance(all->f.clk, THREAD_STEPS * 500);
    struct thr *writers[WRITERS];
    struct thr *readers[2];
    struct thr *stepper = thr_start("step", stepper_run, all, &e);
    for (u32 i = 0; i < 2; i++) {
        readers[i] = thr_start("read", reader_run, all, &e);
        writers[i] = thr_start("write", writer_run, &jobs[i], &e);
    }
    for (u32 i = 0; i < WRITERS; i++) {
        thr_join(writers[i]);
    }
    atomic_store(&all->over, true);
    for (u32 i = 0; i < 2; i++) {
        thr_join(readers[i]);
    }
    thr_join(stepper);
    assert_int_equal(all->failed, 0);
    const u64 all_samples = WRITERS * 8 * (THREAD_STEPS + THREAD_STEPS / SLEEP_STEPS);
    const u64 cold = atomic_load(&all->f.db->counts[COUNT_COLD_SERIES]);
    printf("# %llu times a series left for a cold block\n", (unsigned long long)cold);
    assert_true(cold > 0);
    assert_int_equal(fixture_count(&all->f, INT64_MIN, INT64_MAX), all_samples);
    fixture_reopen(&all->f);
    assert_int_equal(fixture_count(&all->f, INT64_MIN, INT64_MAX), all_samples);
    fixture_fini(&all->f);
    stop_free(all->pause);
    mem_free(all);
}
