// hist.h: a native histogram sample: exponential (schema -4..8) or custom buckets (-53).
//
// One type for integer and float histograms: counts are doubles, `is_float` tells what was sent, so
// that storage and wire keep the mark. Buckets are absolute counts, in span order.
// Threads: frozen once built.
#ifndef MODEL_HIST_H
#define MODEL_HIST_H

#include "base/base.h"

struct arena;
struct error;

enum hist_reset { HIST_RESET_UNKNOWN, HIST_RESET_YES, HIST_RESET_NO, HIST_RESET_GAUGE };
#define HIST_SCHEMA_CUSTOM (-53)
#define HIST_BUCKETS_MAX   10000 // Per side; more is refused as ERR_LIMIT.

struct hist_span {
    i32 offset; // From the end of the span before (or from bucket 0).
    u32 length;
};

struct hist_side {
    const struct hist_span *spans;
    u32 span_count;
    const f64 *buckets; // Absolute counts.
    u32 bucket_count;
};

struct hist {
    i32 schema;
    enum hist_reset reset;
    bool is_float;
    f64 zero_threshold;
    f64 zero_count;
    f64 count;
    f64 sum;
    struct hist_side positive;
    struct hist_side negative;
    const f64 *custom_bounds; // HIST_SCHEMA_CUSTOM only, ascending, without +Inf.
    u32 custom_bound_count;
};

// Spans agree with buckets, counts are sane, the schema is known; names what is wrong.
bool hist_check(const struct hist *h, struct error *e) MUST_USE;
struct hist *hist_copy(struct arena *a, const struct hist *h);
size_t hist_bytes(const struct hist *h);                  // What a copy takes.
bool hist_eq(const struct hist *a, const struct hist *b); // Bitwise on floats.
bool hist_is_stale(const struct hist *h);                 // Its sum is the staleness NaN.

#endif
