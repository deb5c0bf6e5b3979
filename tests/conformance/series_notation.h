// series_notation.h: series as test scripts write them: values, native histograms, start times.
//
// Threads: owned; everything is the arena's.
#ifndef CONFORMANCE_SERIES_NOTATION_H
#define CONFORMANCE_SERIES_NOTATION_H

#include "base/base.h"
#include "model/hist.h"
#include "model/labels.h"

struct arena;

#define NOTED_VALUES_MAX 20000

// Threads: owned.
struct noted_value {
    bool has; // Else a gap.
    f64 value;
    const struct hist *hist; // NULL for a float.
    bool has_hint;           // The histogram's reset hint was written.
    bool has_start;
    i64 start_ms; // Relative to the sample.
};

// Threads: owned.
struct noted_series {
    struct labels labels;
    struct noted_value *values;
    u32 count;
    u32 start_count; // Of values that a line of start times has named.
};

bool noted_init(struct noted_series *s, struct arena *a); // Makes room for all values.
// Adds what one word says: "3", "a+bxN", "_xN", "{{schema:0 …}}+{{…}}xN". NULL, or what is wrong.
const char *noted_add(struct noted_series *s, struct arena *a, str word);
// The same of start times: "-30s", "-1m-1mx2", "_".
const char *noted_add_start(struct noted_series *s, str word);

// What upstream's storage says of a histogram that comes after another (NULL: after none).
enum hist_reset noted_hint(const struct hist *before, const struct hist *h);
bool noted_almost(f64 a, f64 b);
bool noted_same_hist(const struct noted_value *want, const struct hist *got);

// The custom-bucket histograms that a load of classic buckets also makes; how many.
u32 noted_from_classic(const struct noted_series *all, u32 count, struct noted_series *out,
                       u32 out_max, struct arena *a);

#endif
