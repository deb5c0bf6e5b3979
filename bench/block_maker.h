// block_maker.h: blocks of a store written straight from numbers, by the writer that imports use,
// so that days of data are there in seconds, with no log and no head between.
//
//   new (which series) ─► write, block by block ─► free; then a store is opened on the folder
// Cost: some 30 ns a sample, most of it the value's own making and its packing.
// Memory: labels and symbols of the series, 8 bytes each beside them; one block's pages.
// Threads: owned. Several processes may write blocks of different ranges at once.
#ifndef BENCH_BLOCK_MAKER_H
#define BENCH_BLOCK_MAKER_H

#include "base/base.h"
#include "model/labels.h"

struct arena;
struct block_maker;
struct clk;
struct error;
struct rng;

// What a series is, from its number alone. Rows rise in time. Threads: frozen.
struct block_made_of {
    u32 series;
    const void *ctx;
    struct labels (*labels)(const void *ctx, struct arena *a, u32 series); // Sorted.
    i64 (*time_ms)(const void *ctx, u32 series, u32 row);
    f64 (*value)(const void *ctx, u32 series, u32 row);
};
// Rows [from, to) of every series, all within the range. Threads: a value.
struct block_made {
    i64 min_ms;
    i64 max_ms; // Exclusive.
    u32 from;
    u32 to;
};

// dir: of the store; its folder for blocks is made. NULL on failure.
struct block_maker *block_maker_new(const struct block_made_of *of, const char *dir,
                                    struct clk *clk, struct rng *rng, struct error *e);
bool block_maker_write(struct block_maker *m, const struct block_made *range,
                       struct error *e) MUST_USE;
void block_maker_free(struct block_maker *m);

#endif
