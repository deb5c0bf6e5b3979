// range_tiles.c: see range_tiles.h.
#include "promql/range_tiles.h"

#include "base/arena.h"
#include "base/checked.h"
#include "os/crew.h"
#include "promql/range_tiles_inner.h"
#include "promql/tally.h"

#define USUAL_INTERVAL_MS  15000
#define TILES_PER_HAND     4U
#define TILES_LEAST        16U // That the least work worth help may be cut into.
#define HELPERS_MAX        15U
#define TILES_PER_HAND_MAX 16U // Where fewer would have columns of more than a hand may keep.

bool hand_begin(struct hand *h, const struct tiles *t, u64 limit)
{
    const struct run *r = t->run;
    h->run = (struct run){.engine = r->engine,
                          .opts = r->opts,
                          .request = r->request,
                          .grid = r->grid,
                          .lookback_ms = r->lookback_ms,
                          .bytes_limit = limit,
                          .budget = {.cancel = r->budget.cancel,
                                     .wanted = r->budget.wanted,
                                     .deadline_mono_ns = r->budget.deadline_mono_ns},
                          .op_order = r->op_order,
                          .error = &h->error,
                          .samples_held = r->samples_held,
                          .samples_peak = r->samples_peak};
    h->run.arena = arena_new(limit + RUN_SLACK_BYTES);
    h->run.scratch = arena_new(limit + RUN_SLACK_BYTES);
    h->feed = (struct feed){
        .detects_resets = t->feed->detects_resets, .hists_pass = true, .hists_borrowed = true};
    if (t->turn.taker) {
        h->feed.texts.wanted = t->turn.taker->names;
        h->feed.texts.wanted_count = t->turn.taker->name_count;
    }
    h->is_ready = true;
    return tally_fork(&h->run, &t->task->grid);
}

static bool tile_grow(struct tile *x, struct run *r)
{
    if (x->count < x->cap) {
        return true;
    }
    u32 cap = MAX(64U, x->cap * 2);
    struct op_series *series = run_grow(r, x->series, x->count, cap, sizeof(*series));
    struct column *columns = run_grow(r, x->columns, x->count, cap, sizeof(*columns));
    if (!series || !columns) {
        return false;
    }
    x->series = series;
    x->columns = columns;
    x->cap = cap;
    return true;
}

// ---- tiles -------------------------------------------------------------------------------------

static bool column_get(struct tiles *t, struct hand *h, u32 at, struct column *c)
{
    return t->turn.taker ? turn_column(t, h, at, c) : column_init(&h->run, c, t->task->grid.steps);
}

static bool tile_series(struct tile *x, struct hand *h, struct tiles *t)
{
    struct run *r = &h->run;
    struct feed_samples s;
    struct labels ls;
    struct column got;
    if (!column_get(t, h, (u32)(x - t->items), &got) || !tile_grow(x, r) ||
        !feed_read(&h->feed, r, &s) ||
        !label_texts_copy(&h->feed.texts, r, x->slice->ops->labels(x->slice), &ls)) {
        return false;
    }
    struct column *c = &x->columns[x->count];
    *c = got;
    x->series[x->count++] = (struct op_series){.labels = ls};
    return range_eval_samples(&h->eval, r, ls, &s, c) && run_work(r, 0);
}

// For those who look at the query while it runs.
static void tell_progress(struct tiles *t, u32 at, u64 bytes, bool is_own)
{
    const struct query_budget *b = &t->run->budget;
    atomic_fetch_add(&t->series_read, t->budgets[at].series - b->series);
    atomic_fetch_add(&t->samples_read, t->budgets[at].samples - b->samples);
    atomic_fetch_add(&t->bytes_held, bytes);
    if (is_own && b->progress) {
        const struct query_progress now = {b->series + atomic_load(&t->series_read),
                                           b->samples + atomic_load(&t->samples_read),
                                           run_bytes(t->run) + atomic_load(&t->bytes_held)};
        query_progress_tell(b->progress, now);
    }
}

static void tile_do(void *arg, u32 helper, u32 at)
{
    struct tiles *t = arg;
    struct hand *h = &t->hands[helper];
    struct tile *x = &t->items[at];
    bool ok = !atomic_load(&t->failed) &&
              (h->is_ready ||
               (hand_begin(h, t, t->hand_bytes) && range_eval_init(&h->eval, &h->run, t->task)));
    x->hand = h;
    const u64 held = h->run.arena ? arena_bytes(h->run.arena) : 0;
    h->feed.cursor = x->slice;
    if (ok && t->turn.taker) {
        turn_begin_tile(h, x);
    }
    while (ok && x->slice->ops->next(x->slice)) {
        ok = tile_series(x, h, t) && !atomic_load_explicit(&t->failed, memory_order_relaxed);
        if (ok && t->turn.taker && x->count % TAKEN_EARLY == 0) {
            turn_take_some(t, h, at);
        }
    }
    ok = x->slice->ops->close(x->slice, &x->warnings, NULL) && ok;
    h->run.made = NULL;
    x->notes = h->run.notes;
    h->run.notes = (struct notes){.count = 0};
    if (h->run.arena) {
        tell_progress(t, at, arena_bytes(h->run.arena) - held, helper == 0);
    }
    if (!ok) {
        tiles_fail(t);
    }
    atomic_fetch_add(&t->helped, helper > 0);
    if (t->turn.taker) {
        turn_take(t, h, at);
    }
}

// ---- what they came to -------------------------------------------------------------------------

// All that was counted fits into what the run may use: it does not, if tiles together pass a limit.
static bool add_counts(struct tiles *t)
{
    struct run *r = t->run;
    u64 series = r->budget.series;
    u64 samples = r->budget.samples;
    for (u32 i = 0; i < t->count; i++) {
        series += t->budgets[i].series - r->budget.series;
        samples += t->budgets[i].samples - r->budget.samples;
    }
    if ((r->budget.series_max != 0 && series > r->budget.series_max) ||
        (r->budget.samples_max != 0 && samples > r->budget.samples_max)) {
        return false;
    }
    r->budget.series = series;
    r->budget.samples = samples;
    return true;
}

static void free_arena(void *arg)
{
    arena_free(arg);
}

static void take_hand(const struct tiles *t, const struct hand *h)
{
    struct run *r = t->run;
    const struct run *x = &h->run;
    if (!h->is_ready) {
        return;
    }
    r->samples_total += x->samples_total;
    r->samples_peak = MAX(r->samples_peak, x->samples_peak);
    tally_join(x, &t->task->grid);
    r->helper_bytes += arena_bytes(x->arena) + x->passing_bytes;
    arena_on_free(r->arena, free_arena, x->arena);
    arena_free(x->scratch);
}

static void take_hands(struct tiles *t)
{
    for (u32 i = 0; i < t->hand_count; i++) {
        take_hand(t, &t->hands[i]);
    }
    take_hand(t, &t->turn.hand);
    t->run->helper_bytes += t->turn.hand.run.helper_bytes; // What made_drop kept.
    t->run->helped++;
    t->run->tiles_helped += atomic_load(&t->helped);
}

static void drop_hands(struct tiles *t)
{
    for (u32 i = 0; i <= t->hand_count; i++) {
        struct hand *h = i < t->hand_count ? &t->hands[i] : &t->turn.hand;
        arena_free(h->run.arena);
        arena_free(h->run.scratch);
    }
}

// What tiles had to say, in their order; how many series they had.
static u64 join_told(struct tiles *t)
{
    u64 count = 0;
    for (u32 i = 0; i < t->count; i++) {
        feed_warnings(t->run, &t->items[i].warnings);
        notes_again(t->run, &t->items[i].notes);
        count += t->items[i].given + t->items[i].count;
    }
    notes_again(t->run, &t->turn.hand.run.notes);
    return count;
}

static bool join_tiles(const struct tiles *t, u64 count, struct feed *f, struct column **columns)
{
    struct run *r = t->run;
    struct op_series *series = RUN_NEW_N(r, struct op_series, count);
    struct column *all = RUN_NEW_N(r, struct column, count);
    if (!series || !all) {
        return false;
    }
    u64 at = 0;
    for (u32 i = 0; i < t->count; i++) {
        const struct tile *x = &t->items[i];
        if (x->count > 0) {
            memcpy(series + at, x->series, x->count * sizeof(*series));
            memcpy(all + at, x->columns, x->count * sizeof(*all));
        }
        at += x->count;
    }
    f->series = series;
    *columns = all;
    return query_tick(r);
}

// ---- is it worth it? ---------------------------------------------------------------------------

static bool may_help(const struct feed *f, const struct run *r)
{
    return r->opts->pool && r->opts->helpers_max > 0 && !r->alone && !r->opts->window_by_window &&
           feed_is_alone(f, r);
}

// Is that much work for more than one thread? And not too much to be kept. kept: bytes of each
// series, 0 if they are streamed.
static bool is_worth_help(const struct run *r, u64 series, u64 each, u64 kept)
{
    return series >= r->opts->helped_samples / each &&
           (kept == 0 || series <= r->bytes_limit / 8 / kept) && !r->failed;
}

// Divides what is left of the run's memory among so many hands that each has enough. What they make
// goes half to whoever folds it, where it is streamed. false: there is enough for one thread alone.
static bool hands_divide(struct tiles *t, u64 series, u64 each, u64 kept)
{
    const struct run *r = t->run;
    const u64 steps = t->task->grid.steps;
    const u64 left = r->bytes_limit - MIN(run_bytes(r), r->bytes_limit);
    const u64 all = t->turn.taker ? left / 2 : left;
    const u64 frames = 2 * steps * RANGE_FRAME_STEP_BYTES;
    const u64 columns = kept > 0 ? series * kept : (u64)2 * TAKEN_EARLY * t->column_bytes;
    const u64 need = frames + columns + 4 * each * (sizeof(f64) + sizeof(i64));
    const u64 most = MIN(r->opts->helpers_max, HELPERS_MAX) + 1;
    t->hand_count = (u32)MIN(most, all / 2 / MAX(need, 1U));
    t->hand_bytes = t->hand_count > 0 ? all / t->hand_count : 0;
    t->turn_bytes = left - all;
    return t->hand_count > 1;
}

// Into how many tiles work is worth being cut.
static u64 tiles_of_work(const struct tiles *t, u64 series, u64 each)
{
    const u64 least = MAX(t->run->opts->helped_samples / TILES_LEAST, 1U);
    const u64 samples = MIN(series, (u64)UINT32_MAX) * MIN(each, (u64)UINT32_MAX);
    return MIN(series, samples / least);
}

// How many make the streamed columns of one no more than a hand may keep.
static u64 tiles_of_memory(const struct tiles *t, u64 series)
{
    return t->turn.taker ? series * t->column_bytes / MAX(t->hand_bytes / 4, 1U) : 0;
}

// How many tiles; 0: too little for more than one thread. If more series come than it looks, a tile
// finds out.
static u32 tiles_wanted(const struct tiles *t, u64 series, u64 each)
{
    const u64 most = tiles_of_work(t, series, each);
    const u64 some = (u64)t->hand_count * TILES_PER_HAND;
    const u64 many = (u64)t->hand_count * TILES_PER_HAND_MAX;
    const u64 wanted = MIN(tiles_of_memory(t, series), many);
    return most > 1 ? (u32)MIN(MAX(some, wanted), most) : 0;
}

// The same, with what hands there are; kept as above.
static u32 tiles_plan(struct tiles *t, const struct feed *f, u64 series, u64 kept)
{
    const u64 span_ms = (u64)MAX(sat_sub_i64(f->max_ms, f->min_ms), 0);
    const u64 each = span_ms / USUAL_INTERVAL_MS + 1;
    const u32 steps = t->task->grid.steps;
    t->column_bytes = ((u64)column_words(steps) + steps) * sizeof(u64);
    return is_worth_help(t->run, series, each, kept) && hands_divide(t, series, each, kept)
               ? tiles_wanted(t, series, each)
               : 0;
}

static bool tiles_cut(struct tiles *t, struct series_cursor *c)
{
    struct run *r = t->run;
    r->asks_help = true;
    struct series_cursor **slices = run_alloc(r, t->count, sizeof(void *));
    t->items = RUN_NEW_N(r, struct tile, t->count);
    t->budgets = RUN_NEW_N(r, struct query_budget, t->count);
    t->hands = RUN_NEW_N(r, struct hand, t->hand_count);
    if (r->failed) {
        return false;
    }
    for (u32 i = 0; i < t->count; i++) {
        t->budgets[i] = r->budget;
        t->budgets[i].progress = NULL;
    }
    if (!c->ops->slices(c, t->count, t->budgets, slices)) {
        return false;
    }
    for (u32 i = 0; i < t->count; i++) {
        t->items[i].slice = slices[i];
    }
    return true;
}

// All tiles are done, and what they counted is the run's; *done false: nothing of them is kept.
static void tiles_run(struct tiles *t, struct series_cursor *c, bool *done)
{
    struct storage_warnings w = {.count = 0};
    turn_init(&t->turn);
    crew_run(t->run->opts->pool,
             &(struct crew_work){
                 .tiles = t->count, .helpers = t->hand_count - 1, .fn = tile_do, .arg = t});
    turn_fini(t);
    *done = c->ops->close(c, &w, NULL) && !atomic_load(&t->failed) && add_counts(t);
    if (*done) {
        take_hands(t);
        feed_warnings(t->run, &w);
    } else {
        drop_hands(t);
    }
}

// *begun: there are tiles, of *c. Else f goes on with the cursor, if there is one.
static bool tiles_begin(struct tiles *t, struct feed *f, u64 kept, struct series_cursor **c,
                        bool *begun)
{
    struct run *r = t->run;
    *begun = false;
    if (!may_help(f, r)) {
        return true;
    }
    *c = feed_cursor(f, r);
    if (!*c) {
        return false;
    }
    t->count = (*c)->ops->slices ? tiles_plan(t, f, (*c)->series_about, kept) : 0;
    *begun = t->count > 0 && tiles_cut(t, *c);
    if (!*begun && r->failed) {
        struct storage_warnings w = {.count = 0};
        (void)(*c)->ops->close(*c, &w, NULL);
        return false;
    }
    if (!*begun) {
        feed_hold(f, r, *c);
    }
    return true;
}

static bool tiles_open(struct tiles *t, struct feed *f, u64 kept, struct column **columns,
                       bool *done)
{
    struct series_cursor *c;
    bool begun;
    *done = false;
    if (!tiles_begin(t, f, kept, &c, &begun)) {
        return false;
    }
    if (begun) {
        tiles_run(t, c, done);
    }
    if (!*done) {
        return true;
    }
    const u64 count = join_told(t);
    f->series_count = (u32)count;
    f->taken_count = (u32)count;
    f->at = (u32)count;
    return columns ? join_tiles(t, count, f, columns) : query_tick(t->run);
}

bool range_tiles_open(struct feed *f, struct run *r, const struct range_task *task,
                      struct column **columns, bool *done)
{
    struct tiles t = {.run = r, .feed = f, .task = task};
    return tiles_open(&t, f, f->taker->bytes, columns, done);
}

bool range_tiles_stream(struct feed *f, struct run *r, const struct range_task *task,
                        const struct op_taker *taker, bool *done)
{
    struct tiles t = {.run = r, .feed = f, .task = task, .turn = {.taker = taker}};
    return tiles_open(&t, f, 0, NULL, done);
}
