#include "tsdb/metric_tally.h"

#include "client/tidemark.h"

// Those that Prometheus has, so that dashboards find the buckets they name.
const struct metric_tally_bounds metric_tally_chunk_bytes = {
    .n = 12,
    .at = {32, 48, 72, 108, 162, 243, 364.5, 546.75, 820.125, 1230.1875, 1845.28125, 2767.921875}};
const struct metric_tally_bounds metric_tally_chunk_samples = {
    .n = 12,
    .at = {4, 6, 9, 13.5, 20.25, 30.375, 45.5625, 68.34375, 102.515625, 153.7734375, 230.66015625,
           345.990234375}};
const struct metric_tally_bounds metric_tally_chunk_ms = {
    .n = 10, .at = {100, 400, 1600, 6400, 25600, 102400, 409600, 1638400, 6553600, 26214400}};
const struct metric_tally_bounds metric_tally_late_seconds = {
    .n = 7, .at = {600, 1800, 3600, 7200, 10800, 21600, 43200}};

void metric_tally_add(struct metric_tally *t, const struct metric_tally_bounds *b, f64 v)
{
    u32 at = 0;
    while (at < b->n && b->at[at] < v) {
        at++;
    }
    t->counts[at]++;
    t->sum += v;
    t->n++;
}

void metric_tally_tell(struct metric_tally *t, const struct metric_tally_bounds *b,
                       struct tmk_histogram *h)
{
    if (t->n > 0) {
        tmk_histogram_add(h, t->counts, (size_t)b->n + 1, t->sum);
        *t = (struct metric_tally){0};
    }
}

struct tmk_histogram *metric_tally_register(struct tmk_registry *r, const char *name,
                                            const char *help, const struct metric_tally_bounds *b)
{
    return tmk_histogram_register(r, name, help, b->at, b->n, NULL);
}
