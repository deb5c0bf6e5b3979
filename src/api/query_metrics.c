#include "api/query_metrics.h"

#include "client/tidemark.h"

static const struct {
    const char *slice;
    enum promql_phase phase;
} slices[] = {{"queue_time", PROMQL_EXEC_QUEUE},
              {"prepare_time", PROMQL_PREPARATION},
              {"inner_eval", PROMQL_INNER_EVAL},
              {"result_sort", PROMQL_RESULT_SORT}};

static bool phases_register(struct query_metrics *m, struct tmk_registry *r, struct tmk_error *e)
{
    static const f64 bounds[] = {0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 60};
    static const char *const labels[] = {"slice"};
    const struct tmk_desc desc = {.kind = TMK_HISTOGRAM,
                                  .name = "prometheus_engine_query_duration_seconds",
                                  .help = "How long queries of the API took, by phase.",
                                  .labels = labels,
                                  .label_count = 1,
                                  .bounds = bounds,
                                  .bound_count = ARRAY_LEN(bounds)};
    struct tmk_family *family = tmk_family_register(r, &desc, e);
    for (size_t i = 0; family && i < ARRAY_LEN(slices); i++) {
        m->phases[slices[i].phase] = tmk_histogram_with(family, &slices[i].slice, 1);
    }
    return family != NULL;
}

bool query_metrics_register(struct query_metrics *m, struct tmk_registry *r, u32 concurrent_max,
                            struct tmk_error *e)
{
    m->running = tmk_gauge_register(r, "prometheus_engine_queries",
                                    "Queries of the API that are being answered.", e);
    m->samples = tmk_counter_register(r, "prometheus_engine_query_samples_total",
                                      "Samples that storage gave to queries of the API.", e);
    m->tiles_helped = tmk_counter_register(r, "tidemark_query_helped_tiles_total",
                                           "Parts of queries of much data that were done by other "
                                           "threads than the query's own.",
                                           e);
    struct tmk_gauge *most =
        tmk_gauge_register(r, "prometheus_engine_queries_concurrent_max",
                           "How many queries of the API may be answered at once.", e);
    tmk_gauge_set(most, concurrent_max);
    return m->running && m->samples && m->tiles_helped && most && phases_register(m, r, e);
}

void query_metrics_begin(const struct query_metrics *m)
{
    tmk_gauge_add(m->running, 1);
}

void query_metrics_end(const struct query_metrics *m)
{
    tmk_gauge_add(m->running, -1);
}

void query_metrics_evaluated(const struct query_metrics *m, const struct promql_stats *stats,
                             f64 waited_s)
{
    tmk_counter_add(m->samples, stats->samples_given);
    tmk_counter_add(m->tiles_helped, stats->tiles_helped);
    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        const enum promql_phase p = slices[i].phase;
        tmk_histogram_observe(m->phases[p],
                              stats->seconds[p] + (p == PROMQL_EXEC_QUEUE ? waited_s : 0));
    }
}
