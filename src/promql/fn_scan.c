// fn_scan.c: what must be known of a series as a whole before its windows are calculated; four
// values at a time, without branches.
#include "model/sample.h"
#include "promql/fn_range.h"
#include "promql/kahan_pair.h"

// What is not itself is no number.
static inline i64_pair pair_nan(f64_pair v)
{
    return v != v; // NOLINT(misc-redundant-expression)
}

static bool has_marker(const f64 *values, u32 count)
{
    bool found = false;
    for (u32 i = 0; i < count; i++) {
        found |= is_stale_nan(values[i]);
    }
    return found;
}

struct values_scan values_scan(const f64 *values, u32 count)
{
    i64_pair nan = {0, 0}; // Counted, for a comparison that holds is -1.
    i64_pair falls = {0, 0};
    bool odd = count > 0 && isnan(values[0]);
    bool low = false;
    u32 i = 1;
    for (; i + 4 <= count; i += 4) {
        f64_pair a = pair_load(values + i);
        f64_pair b = pair_load(values + i + 2);
        nan += pair_nan(a);
        falls += a < pair_load(values + i - 1);
        nan += pair_nan(b);
        falls += b < pair_load(values + i + 1);
    }
    for (; i < count; i++) {
        odd = odd || isnan(values[i]);
        low = low || values[i] < values[i - 1];
    }
    odd = odd || nan[0] != 0 || nan[1] != 0;
    low = low || falls[0] != 0 || falls[1] != 0;
    return (struct values_scan){.has_stale = odd && has_marker(values, count), .falls = low};
}
