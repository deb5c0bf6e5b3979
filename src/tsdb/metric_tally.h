// metric_tally.h: a histogram's numbers while they are counted; the metric gets them in one call.
//
// For what happens too often for a metric, or counts only if all of it succeeds.
// Cost of an addition: a search among the bounds. Memory: 128 bytes.
// Threads: a tally is owned, bounds are constants.
#ifndef TSDB_METRIC_TALLY_H
#define TSDB_METRIC_TALLY_H

#include "base/base.h"

#define METRIC_TALLY_BOUNDS_MAX 13U

struct tmk_histogram;
struct tmk_registry;

// Of buckets that are closed above, rising. Threads: constants.
struct metric_tally_bounds {
    u32 n;
    f64 at[METRIC_TALLY_BOUNDS_MAX];
};
extern const struct metric_tally_bounds metric_tally_chunk_bytes;
extern const struct metric_tally_bounds metric_tally_chunk_samples;
extern const struct metric_tally_bounds metric_tally_chunk_ms;
extern const struct metric_tally_bounds metric_tally_late_seconds;

// Threads: owned.
struct metric_tally {
    u64 n;
    f64 sum;
    u64 counts[METRIC_TALLY_BOUNDS_MAX + 1];
};
void metric_tally_add(struct metric_tally *t, const struct metric_tally_bounds *b,
                      f64 v); // Not NaN.
// The histogram, which has these bounds, gets what was counted; NULL = nobody measures. The tally
// is empty then.
void metric_tally_tell(struct metric_tally *t, const struct metric_tally_bounds *b,
                       struct tmk_histogram *h);
struct tmk_histogram *metric_tally_register(struct tmk_registry *r, const char *name,
                                            const char *help, const struct metric_tally_bounds *b);

// What a block cut tells of the chunks it wrote. Threads: owned.
struct chunk_tally {
    struct metric_tally bytes; // Of packed values.
    struct metric_tally samples;
    struct metric_tally ms; // From the first sample to the last.
};

#endif
