// tsdb_crash_test.c: power cuts at random moments, each call failing once, a disk that is full.
//
// TIDEMARK_CUTS=n runs n power cuts instead of the short form, TIDEMARK_SEED=n begins elsewhere.
// TIDEMARK_STRIDE=n fails every n-th call of the courses with a failing call.
#include "base/arena.h"
#include "base/error.h"
#include "os/fs.h"
#include "tsdb/crash_fixture.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

TEST(tsdb_loses_nothing_acknowledged_over_power_cuts)
{
    struct world *w = MEM_NEW(struct world);
    u64 cuts = fixture_env("TIDEMARK_CUTS", 400);
    u64 seed = fixture_env("TIDEMARK_SEED", 1);
    u64 colds = 0;
    world_init(w, seed);
    assert_true(world_open(w));
    for (u64 cut = 0; cut < cuts; cut++) {
        struct rng *r = &w->f.rng;
        fs_faulty_arm(w->faulty, 1 + rng_below(r, 200), FS_FAULT_EIO, true);
        world_work(w, 1 + (u32)rng_below(r, 40));
        colds += atomic_load(&w->f.db->counts[COUNT_COLD_SERIES]);
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
    printf("# seed %llu: %llu power cuts, %llu samples looked at, %llu times a series left for a "
           "cold block\n",
           (unsigned long long)seed, (unsigned long long)cuts, (unsigned long long)w->checked,
           (unsigned long long)colds);
    assert_true(colds * 8 > cuts);
    world_close(w);
    world_fini(w);
    mem_free(w);
}

static u64 course_calls(void)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 7);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    world_course(w);
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
        world_course(w);
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
    every_call_fails_once(FS_FAULT_EIO, fixture_env("TIDEMARK_STRIDE", 3));
}

TEST(tsdb_survives_each_call_failing_with_enospc)
{
    every_call_fails_once(FS_FAULT_ENOSPC, fixture_env("TIDEMARK_STRIDE", 5));
}

TEST(tsdb_survives_each_call_falling_short)
{
    every_call_fails_once(FS_FAULT_SHORT, fixture_env("TIDEMARK_STRIDE", 5));
}

TEST(tsdb_survives_each_call_without_descriptors)
{
    every_call_fails_once(FS_FAULT_EMFILE, fixture_env("TIDEMARK_STRIDE", 7));
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
