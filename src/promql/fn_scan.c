// fn_scan.c: what must be known of a series as a whole before its windows are calculated; two
// values at a time, without branches.
#include "model/sample.h"
#include "promql/fn_range.h"

#include <math.h>

typedef f64 f64_pair __attribute__((vector_size(16)));
typedef i64 i64_pair __attribute__((vector_size(16)));

static inline f64_pair pair_get(const f64 *values)
{
    f64_pair v;
    memcpy(&v, values, sizeof(v));
    return v;
}

static bool has_nan(const f64 *values, u32 count)
{
    i64_pair found = {0, 0};
    u32 i = 0;
    for (; i + 2 <= count; i += 2) {
        f64_pair v = pair_get(values + i);
        found |= v != v; // NOLINT(misc-redundant-expression): a NaN is not what it is.
    }
    return found[0] || found[1] || (i < count && isnan(values[i]));
}

bool has_stale(const f64 *values, u32 count)
{
    bool found = false;
    if (has_nan(values, count)) { // A marker is one.
        for (u32 i = 0; i < count; i++) {
            found |= is_stale_nan(values[i]);
        }
    }
    return found;
}

bool falls_somewhere(const f64 *values, u32 count)
{
    i64_pair found = {0, 0};
    u32 i = 1;
    for (; i + 2 <= count; i += 2) {
        found |= pair_get(values + i) < pair_get(values + i - 1);
    }
    return found[0] || found[1] || (i < count && values[i] < values[i - 1]);
}
