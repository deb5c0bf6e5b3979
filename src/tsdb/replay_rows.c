#include "tsdb/replay_rows.h"

#include "base/error.h"
#include "tsdb/head_replay.h"

void replay_rows_init(struct replay_rows *r, struct head *h, bool threaded)
{
    *r = (struct replay_rows){.head = h, .threaded = threaded};
    lock_init(&r->lock, LOCK_LEAF, "replay_rows");
    cond_init(&r->moved);
}

void replay_rows_fini(struct replay_rows *r)
{
    lock_take(&r->lock);
    r->ended = true;
    cond_broadcast(&r->moved);
    lock_drop(&r->lock);
    thr_join(r->thread);
    for (u32 i = 0; i < REPLAY_GATHERS; i++) {
        wal_gather_fini(&r->gathers[i]);
    }
    cond_fini(&r->moved);
    lock_fini(&r->lock);
    *r = (struct replay_rows){0};
}

void replay_rows_head(struct replay_rows *r, struct head *h)
{
    CHECK(r->given == r->taken && r->gathers[r->given % REPLAY_GATHERS].count == 0);
    r->head = h;
}

static void gather_apply(struct replay_rows *r, struct wal_gather *g)
{
    for (u32 i = 0; i < g->count; i++) {
        const struct wal_rows rows = wal_gather_rows(g, i);
        r->lost += head_replay_rows(r->head, &rows);
    }
    wal_gather_clear(g);
}

// Until one is given. NULL: there will be none.
static struct wal_gather *given_wait(struct replay_rows *r)
{
    lock_take(&r->lock);
    while (!r->ended && r->taken == r->given) {
        cond_wait(&r->moved, &r->lock);
    }
    struct wal_gather *g = r->ended ? NULL : &r->gathers[r->taken % REPLAY_GATHERS];
    lock_drop(&r->lock);
    return g;
}

static void rows_follow(void *arg)
{
    struct replay_rows *r = arg;
    for (struct wal_gather *g; (g = given_wait(r)) != NULL;) {
        gather_apply(r, g);
        lock_take(&r->lock);
        r->taken++;
        cond_broadcast(&r->moved);
        lock_drop(&r->lock);
    }
}

// Until at most so many are given and not taken.
static void taken_wait(struct replay_rows *r, u32 left)
{
    lock_take(&r->lock);
    while (r->given - r->taken > left) {
        cond_wait(&r->moved, &r->lock);
    }
    lock_drop(&r->lock);
}

// What is gathered; afterwards there is an empty one to go on with.
static void gather_give(struct replay_rows *r)
{
    if (r->threaded && !r->thread) {
        struct error ignored; // Then nobody helps.
        r->thread = thr_start("replay", rows_follow, r, &ignored);
        r->threaded = r->thread != NULL;
    }
    if (!r->thread) {
        gather_apply(r, &r->gathers[r->given % REPLAY_GATHERS]);
        return;
    }
    lock_take(&r->lock);
    r->given++;
    cond_broadcast(&r->moved);
    lock_drop(&r->lock);
    taken_wait(r, REPLAY_GATHERS - 1);
}

void replay_rows_add(struct replay_rows *r, const struct wal_row *row)
{
    if (wal_gather_add(&r->gathers[r->given % REPLAY_GATHERS], row)) {
        return;
    }
    gather_give(r);
    if (!wal_gather_add(&r->gathers[r->given % REPLAY_GATHERS], row)) {
        replay_rows_settle(r); // Of so many series that it is alone.
        r->lost += head_replay_row(r->head, row);
    }
}

// What is left is little: nobody needs to be woken for it.
void replay_rows_settle(struct replay_rows *r)
{
    struct wal_gather *g = &r->gathers[r->given % REPLAY_GATHERS];
    if (r->thread) {
        taken_wait(r, 0);
    }
    gather_apply(r, g);
}
