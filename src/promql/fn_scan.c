// fn_scan.c: what must be known of a series as a whole before its windows are calculated, found
// while its values are copied anyway: several at a time, without branches.
#include "model/sample.h"
#include "promql/float_avx2.h"
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

void values_take_rising(f64 *to, u32 at, const f64 *from, u32 n, struct values_scan *x)
{
    if (n > 0 && at > 0 && from[0] < to[at - 1]) {
        values_see_falls(x, at, 1);
    }
    if (n > 0 && from != to + at) {
        memcpy(to + at, from, n * sizeof(*to));
    }
}

void values_take(f64 *to, u32 at, const f64 *from, u32 n, struct values_scan *x)
{
    i64_pair nan = {0, 0}; // Counted, for a comparison that holds is -1.
    i64_pair falls = {0, 0};
    if (n == 0) {
        return;
    }
    struct avx2_met met = {.nan = isnan(from[0]), .fall = at > 0 && from[0] < to[at - 1]};
    to += at;
    to[0] = from[0];
    u32 i = 1 + avx2_copy(to + 1, from + 1, n - 1, &met);
    for (; i + 2 <= n; i += 2) {
        f64_pair v = pair_load(from + i);
        nan += pair_nan(v);
        falls += v < pair_load(from + i - 1);
        pair_store(to + i, v);
    }
    if (i < n) {
        met.nan = met.nan || isnan(from[i]);
        met.fall = met.fall || from[i] < from[i - 1];
        to[i] = from[i];
    }
    met.nan = met.nan || nan[0] != 0 || nan[1] != 0;
    x->has_stale = x->has_stale || (met.nan && has_marker(from, n));
    x->has_nan = x->has_nan || met.nan;
    if (met.fall || falls[0] != 0 || falls[1] != 0) {
        values_see_falls(x, at, n);
    }
}
