// crash_points_test.c: power cuts within each named piece of work, and while it recovers.
//
// TIDEMARK_POINTS=n cuts at n calls of each, 0 at every one; TIDEMARK_SEED=n begins elsewhere.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/crash_fixture.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_inner.h"

#include <stdatomic.h>
#include <stdio.h>

enum { SEEDS_MAX = 8, SEEDS_APART = 1000 };

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

static void cold_prepare(struct world *w)
{
    while (step_did(w)) {
    }
    writes(w, 30);
    world_delete(w);
    world_settle(w);
    clk_manual_advance(w->f.clk, 10);
}

// Those that left come back, so that a start meets both.
static void cold(struct world *w)
{
    (void)step_did(w);
    writes(w, 3);
    (void)step_did(w);
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
    for (u32 i = 0; i < WORLD_SERIES; i++) {
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

static u64 colds_now(struct world *w)
{
    return counted(w, COUNT_COLD_BLOCKS) + counted(w, COUNT_COLD_SERIES);
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
    for (u32 i = 0; i < WORLD_SERIES; i++) {
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
    {"cold", cold_prepare, cold, colds_now},
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

// 0: it was not done, since the course of that seed left nothing to do.
static u64 work_calls(const struct work *k, u64 seed)
{
    struct world *w = work_world(k, seed);
    u64 before = k->now(w);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    k->run(w);
    const u64 calls = k->now(w) > before ? fs_faulty_calls(w->faulty) : 0;
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

// Of the given seed, or of the next one in whose course the work is done.
static u64 work_seed(const struct work *k, u64 seed, u64 *calls)
{
    for (u64 i = 0; i < SEEDS_MAX; i++) {
        *calls = work_calls(k, seed + i * SEEDS_APART);
        if (*calls > 0) {
            return seed + i * SEEDS_APART;
        }
    }
    fail_msg("%s: it was not done", k->name);
    return seed;
}

TEST(tsdb_survives_power_cuts_within_each_kind_of_work)
{
    const u64 points = fixture_env("TIDEMARK_POINTS", 2);
    const u64 seed = fixture_env("TIDEMARK_SEED", 1);
    struct rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        u64 calls;
        const u64 its = work_seed(&works[i], seed, &calls);
        const u64 n = points == 0 ? calls : points;
        for (u64 at = 1; at <= n; at++) {
            work_cut(&works[i], its, points == 0 ? at : 1 + rng_below(&r, calls));
        }
        printf("# seed %llu: %s has %llu calls, cut at %llu\n", (unsigned long long)its,
               works[i].name, (unsigned long long)calls, (unsigned long long)n);
    }
}
