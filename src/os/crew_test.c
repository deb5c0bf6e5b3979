// crew_test.c: every tile is done once, whoever comes to help, and nobody waits for helpers.
#include "base/error.h"
#include "base/test.h"
#include "os/crew.h"
#include "os/thr.h"

#include <stdatomic.h>

enum { TILES = 200, HELPERS = 3, ROUNDS = 50 };

// Threads: each tile's place belongs to who does it; the rest is atomic.
struct tally {
    u32 done[TILES];
    _Atomic u32 at[HELPERS + 1]; // How many threads use a helper's number.
    _Atomic u32 doubled;
};

static void tile_done(void *arg, u32 helper, u32 tile)
{
    struct tally *t = arg;
    if (helper > HELPERS || atomic_fetch_add(&t->at[helper], 1) != 0) {
        atomic_fetch_add(&t->doubled, 1);
    }
    t->done[tile]++;
    atomic_fetch_sub(&t->at[helper], 1);
}

static void check_all_done(struct pool *p)
{
    struct tally t = {.doubled = 0};
    crew_run(p,
             &(struct crew_work){.tiles = TILES, .helpers = HELPERS, .fn = tile_done, .arg = &t});
    assert_int_equal(atomic_load(&t.doubled), 0);
    for (u32 i = 0; i < TILES; i++) {
        assert_int_equal(t.done[i], 1);
    }
}

TEST(crew_does_every_tile_once)
{
    struct error e;
    struct pool *p = pool_new("crew", HELPERS, 64, &e);
    assert_non_null(p);
    for (u32 i = 0; i < ROUNDS; i++) {
        check_all_done(p);
    }
    pool_free(p);
    check_all_done(NULL);
}

// Threads: guarded by lock.
struct gate {
    struct lock lock;
    struct cond opened;
    bool open;
};

static void wait_for_gate(void *arg)
{
    struct gate *g = arg;
    lock_take(&g->lock);
    while (!g->open) {
        cond_wait(&g->opened, &g->lock);
    }
    lock_drop(&g->lock);
}

TEST(crew_does_not_wait_for_a_busy_pool)
{
    struct error e;
    struct gate g = {.open = false};
    lock_init(&g.lock, LOCK_LEAF, "gate");
    cond_init(&g.opened);
    struct pool *p = pool_new("crew", 1, 2, &e);
    assert_non_null(p);
    assert_true(pool_submit(p, wait_for_gate, &g));
    check_all_done(p); // The one thread stands at the gate, and not all helpers fit the queue.
    lock_take(&g.lock);
    g.open = true;
    cond_broadcast(&g.opened);
    lock_drop(&g.lock);
    pool_free(p); // Lets in who comes too late.
    cond_fini(&g.opened);
    lock_fini(&g.lock);
}
