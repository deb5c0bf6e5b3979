// range_turn.c: columns that are streamed: taken tile after tile, by whoever is there.
#include "base/arena.h"
#include "model/hist_bucket.h"
#include "promql/range_tiles_inner.h"

void turn_init(struct turn *w)
{
    lock_init(&w->lock, LOCK_LEAF, "range_tiles");
    cond_init(&w->moved);
}

void turn_fini(struct tiles *t)
{
    for (u32 i = 0; i < t->hand_count; i++) {
        mem_free(t->hands[i].spare);
    }
    cond_fini(&t->turn.moved);
    lock_fini(&t->turn.lock);
}

void tiles_fail(struct tiles *t)
{
    atomic_store(&t->failed, true);
    lock_take(&t->turn.lock);
    cond_broadcast(&t->turn.moved);
    lock_drop(&t->turn.lock);
}

// ---- columns -----------------------------------------------------------------------------------

// With the lock: has a hand that is early as much as it may have? Half of its memory is for columns
// that wait, a quarter for their histograms; the rest is for what it needs when its turn has come.
static bool is_tight(const struct tiles *t, struct hand *h)
{
    struct run *r = &h->run;
    const u64 hists = h->early_bytes + arena_bytes(r->made);
    r->helper_bytes = h->early_bytes;
    return hists > r->bytes_limit / 4 ||
           (h->spare_count == 0 && run_bytes(r) + t->column_bytes > r->bytes_limit / 2);
}

bool turn_column(struct tiles *t, struct hand *h, u32 at, struct column *c)
{
    struct turn *w = &t->turn;
    lock_take(&w->lock);
    // The tile whose turn it is has been begun by somebody who does not wait, or is being taken.
    while (is_tight(t, h) && w->next < at && !atomic_load(&t->failed)) {
        cond_wait(&w->moved, &w->lock);
    }
    const bool found = h->spare_count > 0;
    if (found) {
        *c = h->spare[--h->spare_count];
    }
    lock_drop(&w->lock);
    if (!found) {
        return column_init(&h->run, c, t->task->grid.steps);
    }
    column_clear(c);
    return true;
}

static void columns_give(struct hand *h, const struct tile *x)
{
    if (h->spare_count + x->count > h->spare_cap) {
        h->spare_cap = MAX(h->spare_cap * 2, h->spare_count + x->count);
        h->spare = MEM_GROW(h->spare, h->spare_cap, struct column);
    }
    for (u32 i = 0; i < x->count; i++) {
        struct column c = x->columns[i];
        c.hists = NULL;
        h->spare[h->spare_count++] = c;
    }
}

// ---- histograms --------------------------------------------------------------------------------

static void free_arena(void *arg)
{
    arena_free(arg);
}

// Whoever adds histograms up may borrow the bounds of the first.
static bool has_bounds(const struct tile *x)
{
    for (u32 i = 0; i < x->count; i++) {
        const struct column *c = &x->columns[i];
        for (u32 step = 0; c->hists && step < c->steps; step++) {
            if (c->hists[step] && hist_is_custom(c->hists[step])) {
                return true;
            }
        }
    }
    return false;
}

void turn_begin_tile(struct hand *h, struct tile *x)
{
    x->made = arena_new(h->run.bytes_limit + RUN_SLACK_BYTES);
    h->run.made = x->made;
}

// The histograms of a tile that has been taken go, unless something of them is borrowed.
static void made_drop(struct hand *h, struct tile *x)
{
    if (x->made && h->is_ready && has_bounds(x)) {
        h->run.helper_bytes += arena_bytes(x->made);
        arena_on_free(h->run.arena, free_arena, x->made);
    } else {
        arena_free(x->made);
    }
    x->made = NULL;
}

// ---- taking ------------------------------------------------------------------------------------

static bool tile_take(const struct turn *w, struct run *r, const struct tile *x)
{
    bool ok = true;
    for (u32 i = 0; ok && i < x->count; i++) {
        ok = run_work(r, 0) && w->taker->take(w->taker->arg, r, &x->series[i], &x->columns[i]);
    }
    if (ok) {
        w->taker->flush(w->taker->arg);
    }
    return ok;
}

// Without the lock, by whoever is taking: what stands in a tile.
static void tile_hand_over(struct tiles *t, struct tile *x)
{
    struct hand *h = &t->turn.hand;
    if (!atomic_load(&t->failed) &&
        ((!h->is_ready && !hand_begin(h, t, t->turn_bytes)) || !tile_take(&t->turn, &h->run, x))) {
        tiles_fail(t);
    }
    made_drop(h, x);
}

// With the lock.
static void tile_empty(struct turn *w, struct tile *x)
{
    columns_give(x->hand, x);
    x->hand->early_bytes -= x->early_bytes;
    x->early_bytes = 0;
    x->given += x->count;
    x->count = 0;
    cond_broadcast(&w->moved);
}

void turn_take(struct tiles *t, struct hand *h, u32 at)
{
    struct turn *w = &t->turn;
    struct tile *done = &t->items[at];
    lock_take(&w->lock);
    done->is_done = true;
    done->early_bytes = done->made ? arena_bytes(done->made) : 0;
    h->early_bytes += done->early_bytes;
    const bool mine = !w->is_taking;
    w->is_taking = true;
    while (mine && w->next < t->count && t->items[w->next].is_done) {
        struct tile *x = &t->items[w->next];
        lock_drop(&w->lock);
        tile_hand_over(t, x);
        lock_take(&w->lock);
        w->next++;
        tile_empty(w, x);
    }
    w->is_taking = w->is_taking && !mine;
    lock_drop(&w->lock);
}

void turn_take_some(struct tiles *t, struct hand *h, u32 at)
{
    struct turn *w = &t->turn;
    struct tile *x = &t->items[at];
    lock_take(&w->lock);
    const bool mine = !w->is_taking && w->next == at;
    w->is_taking = w->is_taking || mine;
    lock_drop(&w->lock);
    if (!mine) {
        return;
    }
    tile_hand_over(t, x);
    turn_begin_tile(h, x);
    lock_take(&w->lock);
    tile_empty(w, x);
    w->is_taking = false; // Those behind it that are done wait for this one.
    lock_drop(&w->lock);
}
