// scrape_metrics.h: what scrapes count. Threads: atomic; see client/tidemark.h.
#ifndef SCRAPE_SCRAPE_METRICS_H
#define SCRAPE_SCRAPE_METRICS_H

#include "base/base.h"
#include "storage/storage.h"

struct scrape_metrics;
struct tmk_registry;

struct scrape_metrics *scrape_metrics_new(struct tmk_registry *r);
void scrape_metrics_free(struct scrape_metrics *m);
void scrape_count_outcome(struct scrape_metrics *m, str job, enum append_outcome o, u64 n);
enum scrape_counter {
    SCRAPE_COUNT_BODY_LIMIT,
    SCRAPE_COUNT_SAMPLE_LIMIT,
    SCRAPE_COUNT_LABEL_LIMIT,
    SCRAPE_COUNT_TARGET_LIMIT,
    SCRAPE_COUNT_EXEMPLARS,
    SCRAPE_COUNT_CREATED,
    SCRAPE_COUNT_SKIPPED, // The one before was still running.
    SCRAPE_COUNT_SYNCS,
    SCRAPE_COUNTER_COUNT
};
void scrape_count(struct scrape_metrics *m, enum scrape_counter c, u64 n);
void scrape_count_failure(struct scrape_metrics *m, str job, str reason);
void scrape_count_targets(struct scrape_metrics *m, str job, u32 targets);

#endif
