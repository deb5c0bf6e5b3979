// blocks.c: writes the older hours of a load as blocks of two hours into the folder of a store that
// is closed, in seconds instead of the minutes that remote write takes.
//
//   bench_blocks DIR END_S UNTIL_S SHAPE:SERIES:STEP_S:SPAN_S
//
// The rows of the load (shape.h; no histograms) before UNTIL_S, a multiple of two hours; the rest
// comes by bench_loader with the same times. Two processes write every second block each. Prints
// one JSON object: samples, blocks, wall_s.
//
// Memory: that of block_maker.h. Threads: one in each process.
#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/str.h"
#include "bench/block_maker.h"
#include "bench/shape.h"
#include "os/clk.h"
#include "os/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANGE_S = 7200, MAKERS = 2 };

// Threads: owned.
struct plan {
    const char *dir;
    u64 end_s;
    u64 until_s;
    struct shape_load load;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_blocks: %s: %s\n", what, e->text);
    exit(1);
}

static struct labels labels_of(const void *ctx, struct arena *a, u32 series)
{
    struct shape_labels s;
    shape_labels_get(ctx, series, &s);
    struct label *items = ARENA_NEW_N(a, struct label, SHAPE_LABELS);
    for (u32 i = 0; i < s.n; i++) {
        items[i] = (struct label){str_c(s.names[i]), arena_printf(a, "%s", s.values[i])};
    }
    return (struct labels){.items = items, .count = s.n};
}

static i64 time_of(const void *ctx, u32 series, u32 row)
{
    return (i64)shape_time_ms(ctx, series, row);
}

static f64 value_of(const void *ctx, u32 series, u32 row)
{
    return shape_value(ctx, series, row);
}

// Every second block, or the others.
static void blocks_write(const struct plan *p, u32 first)
{
    struct error e = {0};
    struct rng rng;
    const struct shape_load *l = &p->load;
    const struct block_made_of of = {.series = (u32)l->series,
                                     .ctx = l,
                                     .labels = labels_of,
                                     .time_ms = time_of,
                                     .value = value_of};
    rng_init(&rng, 1 + first);
    struct block_maker *m = block_maker_new(&of, p->dir, clk_real(), &rng, &e);
    if (!m) {
        die(p->dir, &e);
    }
    const u64 begin_s = l->begin_s / RANGE_S * RANGE_S;
    for (u64 t = begin_s + (u64)first * RANGE_S; t < p->until_s; t += MAKERS * (u64)RANGE_S) {
        const struct block_made range = {.min_ms = (i64)t * 1000,
                                         .max_ms = (i64)(t + RANGE_S) * 1000,
                                         .from = (u32)shape_row_at(l, t),
                                         .to = (u32)shape_row_at(l, t + RANGE_S)};
        if (!block_maker_write(m, &range, &e)) {
            die("a block", &e);
        }
    }
    block_maker_free(m);
}

static bool plan_parse(struct plan *p, char **argv)
{
    p->dir = argv[1];
    return parse_u64(str_c(argv[2]), &p->end_s) && parse_u64(str_c(argv[3]), &p->until_s) &&
           p->until_s % RANGE_S == 0 && shape_load_parse(argv[4], p->end_s, &p->load) &&
           !shape_is_native(&p->load) && p->load.begin_s < p->until_s;
}

int main(int argc, char **argv)
{
    struct plan p = {0};
    bool ok = true;
    pid_t makers[MAKERS];
    if (argc != 5 || !plan_parse(&p, argv)) {
        (void)fprintf(stderr, "usage: bench_blocks DIR END_S UNTIL_S SHAPE:SERIES:STEP_S:SPAN_S\n");
        return 2;
    }
    const i64 begun = clk_mono_ns(clk_real());
    for (u32 i = 0; i < MAKERS; i++) {
        makers[i] = fork();
        CHECK(makers[i] >= 0);
        if (makers[i] == 0) {
            blocks_write(&p, i);
            exit(0);
        }
    }
    for (u32 i = 0; i < MAKERS; i++) {
        int status;
        ok = waitpid(makers[i], &status, 0) == makers[i] && status == 0 && ok;
    }
    const u64 blocks = (p.until_s + RANGE_S - 1 - p.load.begin_s) / RANGE_S;
    (void)printf("{\"samples\": %llu, \"blocks\": %llu, \"wall_s\": %.3f}\n",
                 (unsigned long long)(shape_row_at(&p.load, p.until_s) * p.load.series),
                 (unsigned long long)blocks, (f64)(clk_mono_ns(clk_real()) - begun) / 1e9);
    return ok ? 0 : 1;
}
