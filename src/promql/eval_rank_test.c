// eval_rank_test.c: topk and bottomk of more series than any piece of work takes at once, beside
// the obvious way: so many of each group stand before the others.
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "os/rng.h"
#include "promql/eval_fixture.h"

#include <stdio.h>

enum { SERIES = 2600, GROUPS = 3, STEPS = 70, STEP_MS = 10000 };

// Values of all series by step, each once, so that there is one answer.
static f64 value_of(u32 series, u32 step)
{
    return (f64)((series * 7919 + step * 104729) % 3001) + (f64)series / 4096;
}

static void load(struct fixture *f)
{
    for (u32 i = 0; i < SERIES; i++) {
        char selector[64];
        char values[STEPS * 24];
        size_t n = 0;
        (void)snprintf(selector, sizeof(selector), "x{g=\"%u\",n=\"%u\"}", i % GROUPS, i);
        for (u32 step = 0; step < STEPS; step++) {
            n += (size_t)snprintf(values + n, sizeof(values) - n, " %.6f", value_of(i, step));
        }
        fixture_load(f, selector, STEP_MS, values + 1); // Without the first blank.
    }
}

// How many of the group stand before a series at a step.
static u32 before(u32 series, u32 step, bool top, bool by_group)
{
    const f64 v = value_of(series, step);
    u32 count = 0;
    for (u32 i = 0; i < SERIES; i++) {
        const f64 other = value_of(i, step);
        count += (!by_group || i % GROUPS == series % GROUPS) && (top ? other > v : other < v);
    }
    return count;
}

// Each point of the answer belongs there, and there are as many as there must be.
static void check(const struct fixture *f, u32 k, bool top, bool by_group, u32 steps)
{
    u64 points = 0;
    for (u32 s = 0; s < f->result.series_count; s++) {
        const struct promql_series *x = &f->result.series[s];
        u64 series = 0;
        assert_true(parse_u64(labels_get(x->labels, STR("n")), &series));
        for (u32 p = 0; p < x->count; p++) {
            const u32 step = (u32)(x->points[p].t_ms / STEP_MS);
            // The text has six digits of the value.
            assert_true(x->points[p].value - value_of((u32)series, step) < 1e-5);
            assert_true(value_of((u32)series, step) - x->points[p].value < 1e-5);
            assert_true(before((u32)series, step, top, by_group) < k);
        }
        points += x->count;
    }
    u64 wanted = 0;
    for (u32 g = 0; g < (by_group ? GROUPS : 1); g++) {
        const u32 of_group = (SERIES - g + GROUPS - 1) / GROUPS;
        wanted += MIN(k, by_group ? of_group : SERIES);
    }
    assert_int_equal(points, wanted * steps);
}

// Threads: owned by the test.
struct rank_case {
    const char *query;
    u32 k;
    bool top;
    bool by_group;
};

static void check_instant(struct fixture *f, const struct rank_case *c)
{
    ASSERT_OK(fixture_instant(f, c->query, 40000), f->error);
    check(f, c->k, c->top, c->by_group, 1);
}

static void check_range(struct fixture *f, const struct rank_case *c)
{
    const i64 end_ms = (i64)(STEPS - 1) * STEP_MS;
    ASSERT_OK(fixture_range(f, c->query, 0, end_ms, STEP_MS), f->error);
    check(f, c->k, c->top, c->by_group, STEPS);
}

TEST(eval_rank_chooses_among_thousands)
{
    static const struct rank_case cases[] = {
        {"topk(1, x)", 1, true, false},
        {"topk(5, x)", 5, true, false},
        {"bottomk(5, x)", 5, false, false},
        {"topk by (g) (3, x)", 3, true, true},
        {"bottomk by (g) (2, x)", 2, false, true},
        {"topk(1100, x)", 1100, true, false},
        {"bottomk by (g) (2000, x)", 2000, false, true},
    };
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.samples_max = 0});
    load(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct rank_case *c = &cases[i];
        check_instant(&f, c);
        if (c->k < 10) { // The obvious way is slow.
            check_range(&f, c);
        }
    }
    fixture_down(&f);
}
