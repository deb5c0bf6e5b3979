// column.h: what flows between operators: one series' values over the steps of a grid.
//
// A value's presence is a bit of its own, for NaN is a value like any other. Histograms stand
// beside the values: where hists is set and not NULL at a step, the step holds that histogram and
// its value means nothing.
// Threads: owned by the run.
#ifndef PROMQL_COLUMN_H
#define PROMQL_COLUMN_H

#include "base/base.h"

struct hist;
struct run;
struct tally;

#define GRID_STEPS_MAX ((u64)1 << 31)

// The times a part of a query is evaluated at: start, start + step, … as long as ≤ end.
struct grid {
    i64 start_ms;
    i64 end_ms;
    i64 step_ms;         // > 0
    u32 steps;           // 0 if end is before start.
    struct tally *tally; // Where its samples are counted; NULL: nobody asked.
};
static inline i64 grid_time(const struct grid *g, u32 step)
{
    return g->start_ms + (i64)step * g->step_ms;
}
static inline bool grid_is_instant(const struct grid *g)
{
    return g->start_ms == g->end_ms;
}

struct column {
    f64 *values;
    u64 *present;              // Bit per step.
    const struct hist **hists; // NULL if there is none in the whole column.
    u32 steps;
};

static inline u32 column_words(u32 steps)
{
    return (steps + 63) / 64;
}
static inline bool bits_has(const u64 *bits, u32 i)
{
    return (bits[i / 64] >> (i % 64)) & 1;
}
static inline void bits_set(u64 *bits, u32 i)
{
    bits[i / 64] |= (u64)1 << (i % 64);
}
static inline void bits_drop(u64 *bits, u32 i)
{
    bits[i / 64] &= ~((u64)1 << (i % 64));
}
static inline bool column_has(const struct column *c, u32 i)
{
    return bits_has(c->present, i);
}
static inline void column_set(struct column *c, u32 i, f64 v)
{
    c->values[i] = v;
    bits_set(c->present, i);
}
static inline const struct hist *column_hist(const struct column *c, u32 i)
{
    return c->hists ? c->hists[i] : NULL;
}

// Each false once the run's memory is used up (query_run.h).
bool column_init(struct run *r, struct column *c, u32 steps) MUST_USE; // Empty.
bool column_set_hist(struct run *r, struct column *c, u32 i, const struct hist *h) MUST_USE;
bool column_copy(struct run *r, struct column *to, const struct column *from) MUST_USE;
void column_clear(struct column *c);
u32 column_count(const struct column *c); // Of steps present.

#endif
