// tally.c: see tally.h.
#include "promql/tally.h"

#include "model/hist.h"
#include "promql/query_run.h"

// Upstream's histogram without its slices, and one of its float samples.
#define HIST_BYTES  168
#define POINT_BYTES 16

static struct tally *tally_new(struct run *r, const struct grid *g)
{
    struct tally *t = RUN_NEW(r, struct tally);
    u64 *steps = RUN_NEW_N(r, u64, (u64)2 * MAX(g->steps, 1U));
    if (!t || !steps) {
        return NULL;
    }
    t->grid = *g;
    t->looked_at_by_step = steps;
    t->read_by_step = steps + MAX(g->steps, 1U);
    return t;
}

bool tally_open(struct run *r, struct grid *g, struct tally_place place)
{
    if (!r->request->wants_stats) {
        return true;
    }
    struct tally *t = tally_new(r, g);
    if (!t) {
        return false;
    }
    t->place = place;
    t->before = r->tallies;
    r->tallies = t;
    g->tally = t;
    return true;
}

bool tally_fork(struct run *helper, const struct grid *g)
{
    helper->tally_own = g->tally ? tally_new(helper, g) : NULL;
    return !helper->failed;
}

u64 tally_hist(const struct hist *h)
{
    const u64 words = (u64)h->positive.span_count + h->negative.span_count +
                      h->positive.bucket_count + h->negative.bucket_count + h->custom_bound_count;
    return (HIST_BYTES + words * sizeof(u64) + sizeof(i64)) / POINT_BYTES;
}

static void add(struct tally *t, u32 step, u64 looked_at, u64 read)
{
    t->looked_at += looked_at;
    t->read += read;
    t->looked_at_by_step[step] += looked_at;
    t->read_by_step[step] += read;
}

void tally_count(struct run *r, const struct grid *g, u32 step, u64 looked_at, u64 read)
{
    r->samples_total += looked_at;
    if (g->tally) {
        add(r->tally_own ? r->tally_own : g->tally, step, looked_at, read);
    }
}

void tally_windows(struct run *r, const struct grid *g, const u32 *from, const u32 *to, u64 total,
                   bool is_stored)
{
    if (!g->tally) {
        r->samples_total += total;
        return;
    }
    u32 seen = 0; // Samples that the steps before could see.
    for (u32 step = 0; step < g->steps; step++) {
        const u32 fresh = to[step] - MIN(MAX(from[step], seen), to[step]);
        tally_count(r, g, step, to[step] - from[step], is_stored ? fresh : 0);
        seen = to[step];
    }
}

void tally_join(const struct run *helper, const struct grid *g)
{
    const struct tally *t = helper->tally_own;
    for (u32 step = 0; t && step < g->steps; step++) {
        add(g->tally, step, t->looked_at_by_step[step], t->read_by_step[step]);
    }
}

static void close_once(const struct tally *t)
{
    struct tally *to = t->place.around;
    for (u32 step = 0; step < to->grid.steps; step++) {
        add(to, step, t->looked_at, step == 0 ? t->read : 0);
    }
}

static void close_shared(const struct tally *t)
{
    const u32 times = *t->place.times;
    for (u32 step = 0; step < t->grid.steps; step++) {
        add(t->place.around, step, times * t->looked_at_by_step[step],
            times * t->read_by_step[step]);
    }
}

// The first step of the grid around that is not before a step of the subquery; the last one for
// what lies behind all. UINT32_MAX: its range does not reach back so far.
static u32 step_that_uses(const struct tally *t, u32 step)
{
    const struct grid *to = &t->place.around->grid;
    const i64 at = grid_time(&t->grid, step) + t->place.offset_ms;
    u32 user = 0;
    if (at > to->start_ms) {
        const u64 steps = ((u64)(at - to->start_ms) + (u64)to->step_ms - 1) / (u64)to->step_ms;
        user = (u32)MIN(steps, to->steps - 1);
    }
    return t->place.use == TALLY_WINDOWS && at <= grid_time(to, user) - t->place.range_ms
               ? UINT32_MAX
               : user;
}

static void close_subquery(const struct tally *t)
{
    struct tally *to = t->place.around;
    if (to->grid.steps <= 1) {
        add(to, 0, 0, t->read);
        return;
    }
    for (u32 step = 0; step < t->grid.steps; step++) {
        const u32 user = t->read_by_step[step] > 0 ? step_that_uses(t, step) : UINT32_MAX;
        if (user != UINT32_MAX) {
            add(to, user, 0, t->read_by_step[step]);
        }
    }
}

void tally_close(struct run *r)
{
    for (const struct tally *t = r->tallies; t; t = t->before) { // What is within comes before.
        switch (t->place.use) {
        case TALLY_ROOT:
            break;
        case TALLY_ONCE:
            close_once(t);
            break;
        case TALLY_SHARED:
            close_shared(t);
            break;
        case TALLY_WHOLE:
            add(t->place.around, t->place.around->grid.steps - 1, t->looked_at, 0);
            close_subquery(t);
            break;
        case TALLY_WINDOWS:
            close_subquery(t);
            break;
        }
    }
}
