// crew.c: see crew.h.
#include "os/crew.h"

#include "os/thr.h"

// Lives as long as somebody may look at it: a helper may be let in when all is long done.
// Threads: guarded by lock.
struct crew {
    struct lock lock;
    struct cond idle; // Nobody is at a tile any more.
    struct crew_work work;
    u32 next;  // The first tile that nobody has taken.
    u32 came;  // Helpers.
    u32 busy;  // Of those.
    u32 users; // Who may still look at it.
};

static void crew_leave(struct crew *c)
{
    lock_take(&c->lock);
    bool last = --c->users == 0;
    lock_drop(&c->lock);
    if (last) {
        cond_fini(&c->idle);
        lock_fini(&c->lock);
        mem_free(c);
    }
}

static bool tile_take(struct crew *c, u32 *tile)
{
    lock_take(&c->lock);
    bool found = c->next < c->work.tiles;
    if (found) {
        *tile = c->next++;
    }
    lock_drop(&c->lock);
    return found;
}

static void tiles_do(struct crew *c, u32 helper)
{
    u32 tile;
    while (tile_take(c, &tile)) {
        c->work.fn(c->work.arg, helper, tile);
    }
}

static void crew_help(void *arg)
{
    struct crew *c = arg;
    lock_take(&c->lock);
    bool comes = c->next < c->work.tiles; // Else its caller may be gone.
    u32 helper = 0;
    if (comes) {
        helper = ++c->came; // (I2)
        c->busy++;
    }
    lock_drop(&c->lock);
    if (comes) {
        tiles_do(c, helper);
        lock_take(&c->lock);
        c->busy--;
        cond_signal(&c->idle);
        lock_drop(&c->lock);
    }
    crew_leave(c);
}

void crew_run(struct pool *p, const struct crew_work *w)
{
    const u32 helpers = p && w->tiles > 1 ? MIN(w->helpers, w->tiles - 1) : 0;
    struct crew *c = MEM_NEW(struct crew);
    lock_init(&c->lock, LOCK_LEAF, "crew");
    cond_init(&c->idle);
    c->work = *w;
    c->users = 1 + helpers;
    for (u32 i = 0; i < helpers; i++) {
        if (!pool_submit(p, crew_help, c)) {
            crew_leave(c); // In its stead: the queue is full.
        }
    }
    tiles_do(c, 0);
    lock_take(&c->lock);
    while (c->busy > 0) { // (I3)
        cond_wait(&c->idle, &c->lock);
    }
    lock_drop(&c->lock);
    crew_leave(c);
}
