// float_avx2_test.c: columns of floats done several at a time against one after the other, bit for
// bit: by fours where the machine can, and by the code that any machine has. What NaN it is does
// not matter, but for staleness markers.
#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/test.h"
#include "model/kahan.h"
#include "model/sample.h"
#include "os/rng.h"
#include "promql/agg_floats.h"
#include "promql/float_avx2.h"
#include "promql/fn_series.h"
#include "promql/query_run.h"
#include "promql/range_frame.h"

enum { ROUNDS = 300, VALUES = 70, SAMPLES = 400, COLUMNS = 7 };

static f64 odd_value(struct rng *rng)
{
    static const f64 odd[] = {0, -0.0, INFINITY, -INFINITY, 1e308, -1e308, 5e-324, 1e-300, 1e16, 1};
    const u64 chance = rng_below(rng, 12);
    return chance < ARRAY_LEN(odd) ? odd[chance]
           : chance == 10          ? normal_nan()
                                   : (f64)rng_below(rng, 1000) / 7 - 50;
}

static void both_ways(void (*check)(void))
{
    avx2_forbid(true);
    check();
    avx2_forbid(false);
    check();
}

static void run_up(struct run *r, struct error *e)
{
    *r = (struct run){.arena = arena_new((size_t)1 << 20), .bytes_limit = (u64)1 << 20, .error = e};
    r->scratch = r->arena;
}

static void same_f64(f64 a, f64 b)
{
    assert_true(bits_of_f64(a) == bits_of_f64(b) || (isnan(a) && isnan(b)));
}

TEST(avx2_sum_is_kahan_add)
{
    struct rng rng;
    rng_init(&rng, 20261122);
    for (u32 round = 0; round < ROUNDS; round++) {
        const u32 n = (u32)rng_below(&rng, VALUES);
        const bool is_plain = rng_below(&rng, 2) == 0;
        f64 sums[VALUES] = {0};
        f64 lost[VALUES] = {0};
        struct kahan wanted[VALUES] = {{0}};
        for (u32 turn = 0; turn < 4; turn++) {
            const u32 count = 1 + (u32)rng_below(&rng, COLUMNS);
            f64 v[COLUMNS][VALUES] = {{0}};
            const f64 *columns[COLUMNS];
            for (u32 k = 0; k < count; k++) {
                columns[k] = v[k];
                for (u32 i = 0; i < n; i++) {
                    v[k][i] = is_plain ? (rng_unit(&rng) - 0.5) * 1e9 : odd_value(&rng);
                }
            }
            const u32 done = avx2_sum(sums, lost, columns, count, n);
            assert_true(done == 0 || (done % 4 == 0 && done > n - 4 && done <= n));
            for (u32 i = 0; i < done; i++) {
                for (u32 k = 0; k < count; k++) {
                    kahan_add(&wanted[i], v[k][i]);
                }
                same_f64(sums[i], wanted[i].sum);
                same_f64(lost[i], wanted[i].lost);
            }
            for (u32 i = done; i < n; i++) {
                assert_int_equal(bits_of_f64(sums[i]), 0);
            }
        }
    }
}

TEST(avx2_does_nothing_when_forbidden)
{
    const f64 from[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    f64 to[8] = {0};
    f64 lost[8] = {0};
    struct avx2_met met = {.nan = false};
    avx2_forbid(true);
    assert_int_equal(avx2_sum(to, lost, &(const f64 *){from}, 1, 8), 0);
    assert_int_equal(avx2_copy(to, from + 1, 8, &met), 0);
    avx2_forbid(false);
    assert_true(to[7] == 0 && lost[7] == 0);
}

// Threads: value.
struct column_shape {
    u32 n;
    u64 gaps; // In a hundred.
    bool is_plain;
};

static void column_make(struct run *r, struct rng *rng, struct column_shape x, struct column *out)
{
    assert_true(column_init(r, out, x.n));
    for (u32 i = 0; i < x.n; i++) {
        const f64 v = x.is_plain ? (rng_unit(rng) - 0.5) * 1e9 : odd_value(rng);
        if (rng_below(rng, 100) >= x.gaps) {
            column_set(out, i, v);
        }
    }
}

// Columns with and without gaps, folded into one group.
static void fold_check(struct run *r, struct rng *rng)
{
    struct kahan wanted[VALUES] = {{0}};
    u64 seen[2] = {0};
    const u32 n = 1 + (u32)rng_below(rng, VALUES - 1);
    const u64 gaps = rng_below(rng, 3) * 10;
    const bool is_plain = rng_below(rng, 2) == 0;
    struct agg_floats a;
    struct column c[COLUMNS];
    const struct column *columns[COLUMNS];
    agg_floats_init(&a, AGG_SUM, n);
    assert_true(agg_floats_grow(&a, r, 1));
    for (u32 turn = 0; turn < 3; turn++) {
        const u32 count = 1 + (u32)rng_below(rng, COLUMNS);
        for (u32 k = 0; k < count; k++) {
            columns[k] = &c[k];
            column_make(r, rng, (struct column_shape){n, gaps, is_plain}, &c[k]);
            for (u32 i = 0; i < n; i++) {
                if (column_has(&c[k], i) && bits_has(seen, i)) {
                    kahan_add(&wanted[i], c[k].values[i]);
                } else if (column_has(&c[k], i)) {
                    wanted[i] = (struct kahan){.sum = c[k].values[i]};
                    bits_set(seen, i);
                }
            }
        }
        agg_floats_fold(&a, 0, columns, count);
    }
    assert_true(column_init(r, &c[0], n));
    agg_floats_get(&a, 0, &c[0]);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(column_has(&c[0], i), bits_has(seen, i));
        if (bits_has(seen, i)) {
            same_f64(c[0].values[i], wanted[i].sum + wanted[i].lost);
        }
    }
}

static void check_folds(void)
{
    struct rng rng;
    struct error e = {.code = ERR_NONE};
    rng_init(&rng, 4);
    for (u32 round = 0; round < ROUNDS * 2; round++) {
        struct run r;
        run_up(&r, &e);
        fold_check(&r, &rng);
        arena_free(r.arena);
    }
}

TEST(sums_of_columns_are_those_of_each_step)
{
    both_ways(check_folds);
}

// A series copied in pieces, none of which begins where the one before told.
static void take_check(struct rng *rng, u32 n, u32 chance)
{
    f64 from[VALUES];
    f64 to[VALUES];
    struct values_scan wanted = {.falls = false};
    struct values_scan got = {.falls = false};
    for (u32 i = 0; i < n; i++) {
        const bool is_odd = rng_below(rng, 100) < chance;
        from[i] = !is_odd ? (f64)i : rng_below(rng, 6) == 0 ? stale_nan() : odd_value(rng);
        wanted.has_stale = wanted.has_stale || is_stale_nan(from[i]);
        wanted.has_nan = wanted.has_nan || isnan(from[i]);
        wanted.falls = wanted.falls || (i > 0 && from[i] < from[i - 1]);
    }
    for (u32 at = 0; at < n;) {
        const u32 piece = (u32)rng_below(rng, MIN(20U, n - at) + 1);
        values_take(to, at, from + at, piece, &got);
        at += piece;
    }
    assert_memory_equal(to, from, n * sizeof(f64));
    assert_int_equal(got.has_stale, wanted.has_stale);
    assert_int_equal(got.falls, wanted.falls);
    assert_int_equal(got.has_nan, wanted.has_nan);
    for (u32 i = 1; i < n; i++) {
        assert_true(!(from[i] < from[i - 1]) || (i >= got.falls_from && i < got.falls_to));
    }
}

static void check_takes(void)
{
    struct rng rng;
    rng_init(&rng, 8);
    for (u32 round = 0; round < ROUNDS * 4; round++) {
        take_check(&rng, (u32)rng_below(&rng, VALUES), round % 4 == 3 ? 30 : round % 4);
    }
}

TEST(values_take_copies_and_tells_what_it_saw)
{
    both_ways(check_takes);
}

// A counter: of large and of small steps, that falls seldom, often, or is no number at times.
static bool counter_make(struct rng *rng, f64 *values, u32 count)
{
    const u64 falls = rng_below(rng, 3) == 0 ? rng_below(rng, 30) : 0;
    const u64 odd = rng_below(rng, 4) == 0 ? 5 : 0;
    const f64 most = rng_below(rng, 2) == 0 ? 1e6 : 1.5;
    bool may_reset = false;
    f64 v = rng_below(rng, 2) == 0 ? 0 : 1e7;
    for (u32 i = 0; i < count; i++) {
        v = rng_below(rng, 100) < falls ? (f64)rng_below(rng, 3) : v + floor(rng_unit(rng) * most);
        values[i] = rng_below(rng, 100) < odd ? odd_value(rng) : v;
        may_reset = may_reset || (i > 0 && values[i] < values[i - 1]);
    }
    return may_reset;
}

static bool has_nan(const f64 *values, u32 count)
{
    bool found = false;
    for (u32 i = 0; i < count; i++) {
        found = found || isnan(values[i]);
    }
    return found;
}

// Where values fall, no wider than need be.
static void falls_narrow(struct range_call *c, const f64 *values, u32 count)
{
    u32 from = count;
    u32 to = 0;
    for (u32 i = 1; i < count; i++) {
        if (values[i] < values[i - 1]) {
            from = MIN(from, i);
            to = i + 1;
        }
    }
    c->falls_from = MIN(from, to);
    c->falls_to = to;
}

// How many words of steps go on evenly, and how many do not.
struct paces {
    u32 even;
    u32 uneven;
};

static void paces_count(struct paces *p, const struct range_frame *f, u32 steps)
{
    for (u32 step = 0; step < steps; step += 64) {
        const bool is_even = f->strides[step / 64] != 0;
        p->even += is_even;
        p->uneven += !is_even;
    }
}

// All steps at once, against a step at a time. is_regular: samples and steps keep pace.
static void increase_check(struct run *r, struct rng *rng, enum fn_id id, bool is_regular,
                           struct paces *seen)
{
    i64 t_ms[SAMPLES];
    f64 values[SAMPLES];
    u32 places[2][SAMPLES];
    const u32 count = 1 + (u32)rng_below(rng, SAMPLES);
    const i64 apart = 1000 + (i64)rng_below(rng, 20000);
    for (u32 i = 0; i < count; i++) {
        const i64 odd = (i64)rng_below(rng, 900) + (i > count / 2 ? 600000 : 0);
        t_ms[i] = (i64)i * apart + (is_regular ? 0 : odd);
    }
    const i64 step_ms = 1000 + (i64)rng_below(rng, 60000);
    struct grid g = {.start_ms = (i64)rng_below(rng, 300000) - 100000,
                     .step_ms = is_regular ? apart * (1 + step_ms % 3) : step_ms,
                     .steps = 1 + (u32)rng_below(rng, 200)};
    g.end_ms = g.start_ms + g.step_ms * (g.steps - 1);
    const struct range_source source = {.range_ms = 1000 + (i64)rng_below(rng, 300000)};
    const struct series_fn_row *row = series_fn_get(id);
    struct range_call c = {.fn = function_get(id),
                           .range_seconds = (f64)source.range_ms / 1000,
                           .may_reset = counter_make(rng, values, count),
                           .has_nan = has_nan(values, count)};
    falls_narrow(&c, values, count);
    struct range_frame f;
    assert_true(range_frame_init(&f, r, &g, &source, (struct range_frame_need){2, true}));
    range_frame_fill(&f, t_ms, count);
    paces_count(seen, &f, g.steps);
    range_frame_stretch(&f, &c, t_ms, row->kind);
    struct series_call whole = {
        .call = &c, .frame = &f, .t_ms = t_ms, .values = values, .count = count};
    struct series_call single = whole;
    whole.places = places[0];
    single.places = places[1];
    f64 got[200];
    f64 wanted[200];
    row->fn(&whole, 0, g.steps, got);
    for (u32 step = 0; step < g.steps; step++) {
        row->fn(&single, step, step + 1, wanted);
        if (bits_has(f.present, step)) {
            same_f64(got[step], wanted[step]);
        }
    }
}

static void check_increases(void)
{
    struct rng rng;
    struct error e = {.code = ERR_NONE};
    rng_init(&rng, 20261122);
    struct paces seen = {0};
    for (u32 round = 0; round < ROUNDS * 4; round++) {
        struct run r;
        run_up(&r, &e);
        increase_check(&r, &rng, round % 2 == 0 ? FN_RATE : FN_INCREASE, round % 3 == 0, &seen);
        arena_free(r.arena);
    }
    assert_true(seen.even > 100 && seen.uneven > 100);
}

TEST(increase_of_many_steps_is_that_of_each)
{
    both_ways(check_increases);
}
