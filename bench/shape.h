// shape.h: the series that queries are measured on, from their numbers alone, so that whoever
// writes them (bench_loader over HTTP, bench_blocks into files) writes the same.
//
// A load has span / step rows of some series of one shape; samples stand SHAPE_LATE_S behind whole
// steps, so that no window begins or ends at one. The same arguments give the same bits.
// Shapes: day, panel (counters, 4 an instance, one in 16 starts again half way), cpu (the same, 16
// an instance), wide (the same, 100 an instance, each instance up to 3 s later and some ms off),
// latency (12 buckets of a classic histogram each), temperature (gauges, 1 an instance), many
// (gauges, 223 an instance), native (histograms of 8 buckets, 4 an instance).
// Threads: pure functions; a load is frozen once it is parsed.
#ifndef BENCH_SHAPE_H
#define BENCH_SHAPE_H

#include "base/base.h"

enum { SHAPE_LATE_S = 7, SHAPE_CELLS = 8, SHAPE_LABELS = 5 };

struct shape;

// Threads: frozen.
struct shape_load {
    const struct shape *shape;
    u64 series;
    u64 step_s;
    u64 rows;
    u64 begin_s;
};
// In the order of their names, as senders have them. Threads: a value.
struct shape_labels {
    u32 n;
    const char *names[SHAPE_LABELS];
    char values[SHAPE_LABELS][64];
};

// SHAPE:SERIES:STEP_S:SPAN_S, ending at a time; steps of at most half an hour.
bool shape_load_parse(const char *text, u64 end_s, struct shape_load *out) MUST_USE;
bool shape_is_native(const struct shape_load *l);
// The first row whose step begins at or behind a time.
u64 shape_row_at(const struct shape_load *l, u64 t_s);
u64 shape_time_ms(const struct shape_load *l, u64 series, u64 row);
void shape_labels_get(const struct shape_load *l, u64 series, struct shape_labels *out);
f64 shape_value(const struct shape_load *l, u64 series, u64 row);
// The counts of a native one's buckets; their sum is returned.
u64 shape_counts(u64 series, u64 row, u64 counts[SHAPE_CELLS]);

#endif
