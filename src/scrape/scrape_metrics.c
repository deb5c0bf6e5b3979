// scrape_metrics.c: what scraping counts, under upstream's names where upstream has one.
#include "base/arena.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "scrape/scrape_inner.h"

struct scrape_metrics {
    struct tmk_counter *counters[SCRAPE_COUNTER_COUNT];
    struct tmk_family *outcomes;
    struct tmk_family *failures;
    struct tmk_family *targets;
};

static const struct {
    const char *name;
    const char *help;
} counters[SCRAPE_COUNTER_COUNT] = {
    [SCRAPE_COUNT_BODY_LIMIT] = {"prometheus_target_scrapes_exceeded_body_size_limit_total",
                                 "Scrapes that failed because the body was larger than allowed."},
    [SCRAPE_COUNT_SAMPLE_LIMIT] = {"prometheus_target_scrapes_exceeded_sample_limit_total",
                                   "Scrapes that failed because of the sample limit."},
    [SCRAPE_COUNT_LABEL_LIMIT] = {"prometheus_target_scrape_pool_exceeded_label_limits_total",
                                  "Scrapes that failed because of a label limit."},
    [SCRAPE_COUNT_TARGET_LIMIT] = {"prometheus_target_scrape_pool_exceeded_target_limit_total",
                                   "Times a pool had more targets than its limit."},
    [SCRAPE_COUNT_EXEMPLARS] = {"tidemark_scrape_exemplars_parsed_total",
                                "Exemplars read from scraped pages."},
    [SCRAPE_COUNT_CREATED] = {"tidemark_scrape_created_lines_total",
                              "OpenMetrics _created lines read and not stored as samples."},
    [SCRAPE_COUNT_SKIPPED] = {"tidemark_scrape_skipped_total",
                              "Scrapes not started because the one before was still running."},
    [SCRAPE_COUNT_SYNCS] = {"prometheus_target_scrape_pool_sync_total",
                            "Times the targets of a pool were brought in line with discovery."},
};

static struct tmk_family *family(struct tmk_registry *r, enum tmk_kind kind, const char *name,
                                 const char *help, const char *const *labels, size_t n)
{
    const struct tmk_desc d = {.kind = kind,
                               .name = name,
                               .help = help,
                               .labels = labels,
                               .label_count = n,
                               .children_max = 2000};
    return tmk_family_register(r, &d, NULL);
}

struct scrape_metrics *scrape_metrics_new(struct tmk_registry *r)
{
    static const char *const job_outcome[] = {"job", "outcome"};
    static const char *const job_reason[] = {"job", "reason"};
    static const char *const scrape_job[] = {"scrape_job"};
    struct scrape_metrics *m = MEM_NEW(struct scrape_metrics);
    if (!r) {
        return m;
    }
    for (u32 i = 0; i < SCRAPE_COUNTER_COUNT; i++) {
        m->counters[i] = tmk_counter_register(r, counters[i].name, counters[i].help, NULL);
    }
    m->outcomes = family(r, TMK_COUNTER, "tidemark_scrape_samples_total",
                         "Scraped samples by what storage did with them.", job_outcome, 2);
    m->failures = family(r, TMK_COUNTER, "tidemark_scrape_failures_total",
                         "Scrapes that failed, by reason.", job_reason, 2);
    m->targets = family(r, TMK_GAUGE, "prometheus_target_scrape_pool_targets",
                        "Targets of each scrape pool.", scrape_job, 1);
    return m;
}

void scrape_metrics_free(struct scrape_metrics *m)
{
    mem_free(m); // The metrics themselves belong to the registry.
}

void scrape_count(struct scrape_metrics *m, enum scrape_counter c, u64 n)
{
    if (n > 0) {
        tmk_counter_add(m->counters[c], n);
    }
}

// A NUL-terminated copy of a job name, cut to what a label value may hold.
static const char *job_text(str job, char out[TMK_VALUE_BYTES_MAX + 1])
{
    const size_t len = MIN(job.len, (size_t)TMK_VALUE_BYTES_MAX);
    memcpy(out, job.ptr ? job.ptr : "", len);
    out[len] = '\0';
    return out;
}

void scrape_count_outcome(struct scrape_metrics *m, str job, enum append_outcome o, u64 n)
{
    char text[TMK_VALUE_BYTES_MAX + 1];
    if (n > 0 && m->outcomes) {
        const char *const values[] = {job_text(job, text), append_outcome_text(o)};
        tmk_counter_add(tmk_counter_with(m->outcomes, values, 2), n);
    }
}

void scrape_count_failure(struct scrape_metrics *m, str job, str reason)
{
    char text[TMK_VALUE_BYTES_MAX + 1];
    char word[64];
    const size_t len = MIN(reason.len, sizeof(word) - 1);
    memcpy(word, reason.ptr, len);
    word[len] = '\0';
    if (m->failures) {
        const char *const values[] = {job_text(job, text), word};
        tmk_counter_inc(tmk_counter_with(m->failures, values, 2));
    }
}

void scrape_count_targets(struct scrape_metrics *m, str job, u32 targets)
{
    char text[TMK_VALUE_BYTES_MAX + 1];
    if (m->targets) {
        const char *const values[] = {job_text(job, text)};
        tmk_gauge_set(tmk_gauge_with(m->targets, values, 1), targets);
    }
}
