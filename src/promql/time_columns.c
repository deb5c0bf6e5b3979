// time_columns.c: see time_columns.h.
#include "promql/time_columns.h"

#include "base/hash.h"
#include "promql/query_run.h"

#define COLUMNS_BYTES ((u64)1 << 20)
#define COLUMNS_MAX   512U
#define TABLE         2048U

void time_columns_begin(struct time_columns *c)
{
    c->now.count = 0;
    c->now.run_count = 0;
    c->guess = COLUMN_NONE;
    c->is_private = false;
    c->is_compared = false;
}

static bool grow_times(struct time_column *x, struct run *r, u32 used, u32 count)
{
    if (count <= x->cap) {
        return true;
    }
    u32 cap = MAX(MAX(512U, x->cap * 2), count);
    i64 *t_ms = run_grow(r, x->t_ms, used, cap, sizeof(i64));
    if (!t_ms) {
        return false;
    }
    x->t_ms = t_ms;
    x->cap = cap;
    return true;
}

static bool grow_runs(struct time_column *x, struct run *r, u32 count)
{
    if (count <= x->run_cap) {
        return true;
    }
    u32 cap = MAX(MAX(8U, x->run_cap * 2), count);
    u64 *ids = run_grow(r, x->run_ids, x->run_count, cap, sizeof(*ids));
    u32 *ends = run_grow(r, x->run_ends, x->run_count, cap, sizeof(*ends));
    if (!ids || !ends) {
        return false;
    }
    x->run_ids = ids;
    x->run_ends = ends;
    x->run_cap = cap;
    return true;
}

static u32 *table_place(struct time_columns *c, u64 id, u32 end)
{
    return &c->by_key[hash_mix(id, end) % TABLE];
}

// Where stands who was the last to begin at a time.
static u32 *start_place(struct time_columns *c, i64 t_ms)
{
    return table_place(c, (u64)t_ms, 0); // No run ends at 0.
}

// Does the guess hold with this run, by its number or, if that is another, by its times?
static bool guess_has(struct time_columns *c, const struct series_run *run, u32 from)
{
    const struct time_column *x = &c->items[c->guess];
    u32 index = c->now.run_count;
    u32 end = from + run->n;
    if (index < x->run_count && run->column_id != 0 && x->run_ids[index] == run->column_id &&
        x->run_ends[index] == end) {
        return true;
    }
    c->is_compared = true;
    return end <= x->count && memcmp(x->t_ms + from, run->t_ms, run->n * sizeof(i64)) == 0;
}

static u32 guess_first(struct time_columns *c, const struct series_run *run)
{
    if (!c->by_key || run->n == 0) {
        return COLUMN_NONE;
    }
    u32 known = run->column_id != 0 ? *table_place(c, run->column_id, run->n) : 0;
    return (known != 0 ? known : *start_place(c, run->t_ms[0])) - 1; // 0 becomes COLUMN_NONE.
}

// Does the guess still hold with this run? If not, the times that were not copied are fetched.
static bool check_guess(struct time_columns *c, struct run *r, const struct series_run *run,
                        u32 from)
{
    if (from == 0 && c->now.run_count == 0) {
        c->guess = guess_first(c, run);
    }
    if (c->guess == COLUMN_NONE || guess_has(c, run, from)) {
        return true;
    }
    const i64 *known = c->items[c->guess].t_ms;
    c->guess = COLUMN_NONE;
    if (!grow_times(&c->now, r, 0, from)) {
        return false;
    }
    if (from > 0) {
        memcpy(c->now.t_ms, known, from * sizeof(i64));
    }
    return true;
}

bool time_columns_add(struct time_columns *c, struct run *r, const struct series_run *run, u32 from)
{
    u32 end = from + run->n;
    if (!check_guess(c, r, run, from) || !grow_runs(&c->now, r, c->now.run_count + 1)) {
        return false;
    }
    if (c->guess == COLUMN_NONE) {
        if (!grow_times(&c->now, r, from, end)) {
            return false;
        }
        memcpy(c->now.t_ms + from, run->t_ms, run->n * sizeof(i64));
    }
    c->is_private = c->is_private || run->column_id == 0;
    c->now.run_ids[c->now.run_count] = run->column_id;
    c->now.run_ends[c->now.run_count++] = end;
    c->now.count = end;
    return true;
}

static bool add_place(struct time_columns *c, struct run *r)
{
    if (c->count == c->cap) {
        u32 cap = MAX(16U, c->cap * 2);
        struct time_column *grown = run_grow(r, c->items, c->cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        c->items = grown;
        c->cap = cap;
    }
    c->items[c->count++] = (struct time_column){.version = 0};
    return true;
}

static void forget(struct time_columns *c, u32 at)
{
    struct time_column *x = &c->items[at];
    u32 *place = table_place(c, x->run_ids[0], x->run_ends[0]);
    *place = *place == at + 1 ? 0 : *place;
    place = start_place(c, x->t_ms[0]);
    *place = *place == at + 1 ? 0 : *place;
}

static void remember(struct time_columns *c, u32 at)
{
    const struct time_column *x = &c->items[at];
    *table_place(c, x->run_ids[0], x->run_ends[0]) = at + 1;
    *start_place(c, x->t_ms[0]) = at + 1;
}

// One that makes room for cap times, or NULL. What is made of unpinned columns is never given back
// by the run's memory, so their sum counts all that was ever made.
static struct time_column *choose_victim(struct time_columns *c, u32 cap, bool may_grow)
{
    u32 loose = c->count - c->pinned;
    for (u32 i = 0; i < loose; i++) {
        u32 at = c->pinned + c->victim++ % loose;
        if (may_grow || c->items[at].cap >= cap) {
            forget(c, at);
            return &c->items[at];
        }
    }
    return NULL;
}

// Where the column at hand goes: a new place, or one that makes room; NULL in *place: nowhere.
static bool choose_place(struct time_columns *c, struct run *r, bool pins, u32 cap,
                         struct time_column **place)
{
    u32 loose = c->count - c->pinned;
    bool has_room = loose == 0 || c->loose_bytes + cap * sizeof(i64) <= COLUMNS_BYTES;
    CHECK(!pins || loose == 0); // (I2)
    if (!pins && (!has_room || loose >= COLUMNS_MAX)) {
        *place = choose_victim(c, cap, has_room);
    } else if (add_place(c, r)) {
        *place = &c->items[c->count - 1];
    } else {
        return false;
    }
    c->pinned += pins;
    if (*place && !pins && (*place)->cap < cap) {
        c->loose_bytes += cap * sizeof(i64);
    }
    return true;
}

// Room that similar columns can have after this one.
static u32 rounded(u32 count)
{
    u32 cap = 64;
    while (cap < count && cap < (u32)1 << 31) {
        cap *= 2;
    }
    return MAX(cap, count);
}

static bool keep(struct time_columns *c, struct run *r, bool pins, u32 *column)
{
    const struct time_column *now = &c->now;
    const u32 cap = pins ? now->count : rounded(now->count);
    struct time_column *x;
    if (!c->by_key) {
        c->by_key = RUN_NEW_N(r, u32, TABLE);
    }
    if (!c->by_key || !choose_place(c, r, pins, cap, &x)) {
        return false;
    }
    if (!x) {
        return true; // Its times are its own.
    }
    x->run_count = 0;
    if (x->cap < now->count) {
        x->t_ms = RUN_NEW_N(r, i64, cap);
        x->cap = cap;
    }
    if (!x->t_ms || !grow_runs(x, r, now->run_count)) {
        return false;
    }
    memcpy(x->t_ms, now->t_ms, now->count * sizeof(i64));
    memcpy(x->run_ids, now->run_ids, now->run_count * sizeof(u64));
    memcpy(x->run_ends, now->run_ends, now->run_count * sizeof(u32));
    x->count = now->count;
    x->run_count = now->run_count;
    x->version = ++c->version; // (I1)
    *column = (u32)(x - c->items);
    remember(c, *column);
    return true;
}

// The guess held, but not by its numbers: from now on it has those of the series at hand, for the
// next ones are likely to have them, too.
static bool renumber(struct time_columns *c, struct run *r)
{
    const struct time_column *now = &c->now;
    struct time_column *x = &c->items[c->guess];
    if (!grow_runs(x, r, now->run_count)) {
        return false;
    }
    forget(c, c->guess);
    memcpy(x->run_ids, now->run_ids, now->run_count * sizeof(u64));
    memcpy(x->run_ends, now->run_ends, now->run_count * sizeof(u32));
    x->run_count = now->run_count;
    remember(c, c->guess);
    return true;
}

bool time_columns_end(struct time_columns *c, struct run *r, bool pins, u32 *column)
{
    *column = COLUMN_NONE;
    if (c->guess != COLUMN_NONE && c->items[c->guess].count != c->now.count) {
        // It ended before the column did.
        const i64 *known = c->items[c->guess].t_ms;
        c->guess = COLUMN_NONE;
        if (!grow_times(&c->now, r, 0, c->now.count)) {
            return false;
        }
        memcpy(c->now.t_ms, known, c->now.count * sizeof(i64));
    }
    if (c->guess != COLUMN_NONE) {
        *column = c->guess;
        return !c->is_compared || c->is_private || renumber(c, r);
    }
    return c->is_private || c->now.count == 0 || keep(c, r, pins, column);
}
