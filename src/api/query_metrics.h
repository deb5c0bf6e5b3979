// query_metrics.h: what dashboards read of the query engine, under upstream's names where it has
// one.
//
// One observation of each phase for an evaluation that went well; queries that waited for another's
// answer are counted as running, and not as evaluations.
// Threads: atomic.
#ifndef API_QUERY_METRICS_H
#define API_QUERY_METRICS_H

#include "promql/promql.h"

struct tmk_counter;
struct tmk_error;
struct tmk_gauge;
struct tmk_histogram;
struct tmk_registry;

// Zeroed, nothing is counted. Threads: frozen once registered.
struct query_metrics {
    struct tmk_gauge *running;
    struct tmk_counter *samples;
    struct tmk_counter *tiles_helped;
    struct tmk_histogram *phases[PROMQL_PHASE_COUNT]; // NULL: upstream shows no such slice.
};
bool query_metrics_register(struct query_metrics *m, struct tmk_registry *r, u32 concurrent_max,
                            struct tmk_error *e) MUST_USE;
void query_metrics_begin(const struct query_metrics *m);
void query_metrics_end(const struct query_metrics *m);
// waited_s: before a thread had time for it.
void query_metrics_evaluated(const struct query_metrics *m, const struct promql_stats *stats,
                             f64 waited_s);

#endif
