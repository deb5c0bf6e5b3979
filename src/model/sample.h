// sample.h: what a series is made of: (t, value), and the exact NaN that ends one.
//
// Threads: values; what they point to is borrowed and frozen.
#ifndef MODEL_SAMPLE_H
#define MODEL_SAMPLE_H

#include "base/base.h"
#include "base/bits.h"
#include "model/labels.h"

struct hist;

#define STALE_NAN_BITS  0x7ff0000000000002ULL // "The series has ended", upstream's bits.
#define NORMAL_NAN_BITS 0x7ff8000000000001ULL // Any other NaN that we make.

static inline f64 stale_nan(void)
{
    return f64_of_bits(STALE_NAN_BITS);
}
static inline f64 normal_nan(void)
{
    return f64_of_bits(NORMAL_NAN_BITS);
}
static inline bool is_stale_nan(f64 v)
{
    return bits_of_f64(v) == STALE_NAN_BITS;
}

enum sample_kind { SAMPLE_FLOAT, SAMPLE_HIST };

struct exemplar {
    struct labels labels;
    f64 value;
    i64 t_ms;
    bool has_t;
};

enum metric_type {
    METRIC_UNKNOWN,
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_GAUGEHISTOGRAM,
    METRIC_SUMMARY,
    METRIC_INFO,
    METRIC_STATESET,
    METRIC_TYPE_COUNT
};
const char *metric_type_text(enum metric_type t); // "counter", …
bool metric_type_parse(str s, enum metric_type *out);

struct metadata {
    str name; // The metric family.
    enum metric_type type;
    str help;
    str unit;
};

// The tenant of every key, cache and queue entry. One tenant today: the default.
struct tenant_id {
    u32 v;
};
#define TENANT_DEFAULT ((struct tenant_id){0})

#endif
