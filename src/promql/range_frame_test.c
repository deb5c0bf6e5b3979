// range_frame_test.c: windows and what changes are stretched by, against windows that are looked
// for one by one.
#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/test.h"
#include "os/rng.h"
#include "promql/query_run.h"
#include "promql/range_frame.h"

enum { COLUMNS = 400, SAMPLES = 300 };

// Every so many ms, each a little late at times, with gaps; or with no order in it at all.
static u32 times_make(struct rng *rng, i64 *t_ms)
{
    const u32 count = (u32)rng_below(rng, SAMPLES);
    const i64 apart = 1 + (i64)rng_below(rng, 20000);
    const bool is_late = rng_below(rng, 2) == 0;
    const bool is_wild = rng_below(rng, 4) == 0;
    i64 t = (i64)rng_below(rng, 1000000) - 500000;
    for (u32 i = 0; i < count; i++) {
        t_ms[i] = t + (is_late ? (i64)rng_below(rng, (u64)apart) / 2 : 0);
        t += apart * (rng_below(rng, 40) == 0 ? 30 : 1);
        t += is_wild ? apart * (i64)rng_below(rng, 10) : 0;
    }
    return count;
}

static void rank_check(const i64 *t_ms, u32 count, i64 t, u32 rank)
{
    assert_true(rank <= count);
    assert_true(rank == 0 || t_ms[rank - 1] <= t);
    assert_true(rank == count || t_ms[rank] > t);
}

static void same_f64(f64 a, f64 b)
{
    assert_int_equal(bits_of_f64(a), bits_of_f64(b));
}

static void stretch_check(const struct range_frame *f, const struct range_call *c, const i64 *t_ms,
                          struct rate_kind k, u32 step)
{
    const struct window w = range_frame_window(f, step);
    if (!bits_has(f->present, step)) {
        same_f64(f->factor[step], 0);
        same_f64(f->limit[step], 0);
        return;
    }
    const struct stretch s = {
        .first_ms = t_ms[f->from[step]], .last_ms = t_ms[f->to[step] - 1], .count = w.count};
    same_f64(f->factor[step], stretch_factor(c, &w, &s, k));
    same_f64(f->sampled[step], (f64)(s.last_ms - s.first_ms) / 1000);
    same_f64(f->to_start[step], stretch_to_start(&w, &s));
    same_f64(f->to_end[step], stretch_to_end(&w, &s));
    assert_true(f->limit[step] * f->sampled[step] >= f->to_start[step]);
}

static void frame_check(const struct range_frame *f, const i64 *t_ms, u32 count)
{
    u64 samples = 0;
    for (u32 step = 0; step < f->grid.steps; step++) {
        const i64 end = time_ref_get(&f->ref, &f->grid, step);
        const u32 held = f->to[step] - f->from[step];
        rank_check(t_ms, count, sat_add_i64(end, f->behind_ms), f->to[step]);
        rank_check(t_ms, count, end - f->range_ms - f->before_ms, f->from[step]);
        assert_int_equal(bits_has(f->present, step), held >= f->least);
        assert_int_equal(f->first[step], held >= f->least ? f->from[step] : 0);
        assert_int_equal(f->last[step], held >= f->least ? f->to[step] - 1 : 0);
        samples += held;
    }
    assert_int_equal(f->samples, samples);
}

// A range of one to many steps, on the grid or beside it.
static struct range_source source_make(struct rng *rng, const struct grid *g)
{
    const i64 range = g->step_ms * (i64)(1 + rng_below(rng, 12));
    return (struct range_source){
        .range_ms = rng_below(rng, 2) == 0 ? range : 1 + (i64)rng_below(rng, 300000),
        .ref = {.fixed = rng_below(rng, 5) == 0, .offset_ms = (i64)rng_below(rng, 100000) - 50000},
        .anchored = rng_below(rng, 4) == 0,
        .smoothed = rng_below(rng, 4) == 0};
}

static void column_check(struct run *r, struct rng *rng)
{
    i64 t_ms[SAMPLES];
    struct grid g = {.start_ms = (i64)rng_below(rng, 1000000) - 500000,
                     .step_ms = 1 + (i64)rng_below(rng, 60000),
                     .steps = 1 + (u32)rng_below(rng, 200)};
    g.end_ms = g.start_ms + g.step_ms * (g.steps - 1);
    const struct range_source source = source_make(rng, &g);
    const struct rate_kind k = {.is_counter = true, .is_rate = rng_below(rng, 2) == 0};
    const struct range_call c = {.range_seconds = (f64)source.range_ms / 1000};
    struct range_frame f;
    assert_true(range_frame_init(&f, r, &g, &source, (struct range_frame_need){2, true}));
    for (u32 i = 0; i < 3; i++) { // A frame is used for one column after the other.
        const u32 count = times_make(rng, t_ms);
        range_frame_fill(&f, t_ms, count);
        frame_check(&f, t_ms, count);
        if (source.anchored || source.smoothed) {
            continue; // Nothing is stretched there.
        }
        range_frame_stretch(&f, &c, t_ms, k);
        for (u32 step = 0; step < g.steps; step++) {
            stretch_check(&f, &c, t_ms, k, step);
        }
    }
}

TEST(range_frame_finds_what_each_window_has)
{
    struct rng rng;
    struct error e = {.code = ERR_NONE};
    rng_init(&rng, 20261121);
    for (u32 i = 0; i < COLUMNS; i++) {
        struct run r = {.arena = arena_new((size_t)8 << 20),
                        .scratch = arena_new((size_t)1 << 20),
                        .bytes_limit = (u64)4 << 20,
                        .lookback_ms = 300000,
                        .error = &e};
        column_check(&r, &rng);
        arena_free(r.arena);
        arena_free(r.scratch);
    }
}
