// collect.c: one collection after the other; see collect.h.
#include "collect/collect.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "collect/collect_run.h"
#include "collect/collect_sys.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/thr.h"
#include "storage/storage.h"

#include <stdlib.h>

enum { INTERVAL_MS_DEFAULT = 5000, SERIES_DEFAULT = 20000, SERIES_LIMIT = 100000 };
#define JOB STR("host")

// cpu before stat and netdev before netclass: they read the same file, once.
static const struct collector *const collectors[] = {
    &collector_cpu,        &collector_stat,    &collector_meminfo,  &collector_diskstats,
    &collector_filesystem, &collector_netdev,  &collector_netclass, &collector_netstat,
    &collector_sockstat,   &collector_tcpstat, &collector_loadavg,  &collector_pressure,
    &collector_vmstat,     &collector_filefd,  &collector_entropy,  &collector_uname,
    &collector_time,       &collector_timex,   &collector_os,       &collector_arp,
    &collector_conntrack,  &collector_softnet,
};
#define COLLECTORS ARRAY_LEN(collectors)
#define OWN_SERIES (2 * COLLECTORS + OWN_COUNT)
static_assert(COLLECTORS <= COLLECTORS_MAX, "the status has room for each");

static const struct family collector_duration = {
    STR("node_scrape_collector_duration_seconds"),
    METRIC_GAUGE,
    STR("node_exporter: Duration of a collector scrape."),
    {STR("collector")}};
static const struct family collector_success = {
    STR("node_scrape_collector_success"),
    METRIC_GAUGE,
    STR("node_exporter: Whether a collector succeeded."),
    {STR("collector")}};

enum own { OWN_UP, OWN_DURATION, OWN_SCRAPED, OWN_KEPT, OWN_ADDED, OWN_COUNT };
static const struct family own_families[OWN_COUNT] = {
    [OWN_UP] = {STR("up"), METRIC_GAUGE, STR("Whether the target was scraped."), {{0}}},
    [OWN_DURATION] = {STR("scrape_duration_seconds"),
                      METRIC_GAUGE,
                      STR("Duration of the scrape."),
                      {{0}}},
    [OWN_SCRAPED] = {STR("scrape_samples_scraped"),
                     METRIC_GAUGE,
                     STR("Samples that the target exposed."),
                     {{0}}},
    [OWN_KEPT] = {STR("scrape_samples_post_metric_relabeling"),
                  METRIC_GAUGE,
                  STR("Samples that were left after metric relabelling."),
                  {{0}}},
    [OWN_ADDED] = {STR("scrape_series_added"),
                   METRIC_GAUGE,
                   STR("Approximate number of new series in this scrape."),
                   {{0}}},
};

// Threads: atomic inside.
struct collect_metrics {
    struct tmk_histogram *duration;
    struct tmk_counter *outcomes[APPEND_OUTCOME_COUNT];
    struct tmk_counter *collector_failures[COLLECTORS];
    struct tmk_counter *dropped_duplicate;
    struct tmk_counter *dropped_limit;
    struct tmk_counter *commits_failed;
    struct tmk_counter *metadata_failed;
    struct tmk_counter *ticks_missed;
    struct tmk_gauge *series;
    struct tmk_gauge *mounts_skipped;
};

// Threads: owned by the collecting thread, but for what stands below status_lock.
struct collect {
    struct run run;
    struct rows *rows;
    struct clk *clk;
    struct log *log;
    void *states[COLLECTORS];
    bool was_ok[COLLECTORS];
    struct rows_counts told; // What the metrics know already.
    struct collect_metrics metrics;
    u32 series_max;
    i64 interval_ms;
    i64 last_ms;
    char instance[256]; // Frozen.
    char *roots[ROOT_COUNT];

    struct thr *thread; // Of the starting thread.
    struct stop *stop;

    struct lock status_lock;
    struct collect_status status; // Guarded by status_lock.
};

static struct tmk_counter *counter_make(struct tmk_registry *r, const char *name, const char *help)
{
    return tmk_counter_register(r, name, help, NULL);
}

static struct tmk_family *family_make(struct tmk_registry *r, const char *name, const char *help,
                                      const char *label)
{
    const struct tmk_desc d = {.kind = TMK_COUNTER,
                               .name = name,
                               .help = help,
                               .labels = &label,
                               .label_count = 1,
                               .children_max = COLLECTORS_MAX};
    return tmk_family_register(r, &d, NULL);
}

static void metrics_init(struct collect_metrics *m, struct tmk_registry *r)
{
    static const f64 bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5};
    if (!r) {
        return; // every metric stays NULL, and counting does nothing
    }
    struct tmk_family *outcomes =
        family_make(r, "tidemark_collect_samples_total",
                    "Samples of this host by what storage answered.", "outcome");
    struct tmk_family *dropped =
        family_make(r, "tidemark_collect_rows_dropped_total",
                    "Rows of this host that never reached storage, by reason.", "reason");
    struct tmk_family *failures =
        family_make(r, "tidemark_collect_failures_total",
                    "Collections in which this collector failed.", "collector");
    for (int i = 0; i < APPEND_OUTCOME_COUNT; i++) {
        m->outcomes[i] =
            tmk_counter_with(outcomes, TMK_VALUES(append_outcome_text((enum append_outcome)i)));
    }
    for (size_t i = 0; i < COLLECTORS; i++) {
        m->collector_failures[i] = tmk_counter_with(failures, TMK_VALUES(collectors[i]->name));
    }
    m->dropped_duplicate = tmk_counter_with(dropped, TMK_VALUES("duplicate"));
    m->dropped_limit = tmk_counter_with(dropped, TMK_VALUES("series_max"));
    m->duration = tmk_histogram_register(r, "tidemark_collect_duration_seconds",
                                         "Time of a collection of this host.", bounds,
                                         ARRAY_LEN(bounds), NULL);
    m->commits_failed = counter_make(r, "tidemark_collect_commits_failed_total",
                                     "Collections of this host that storage refused whole.");
    m->metadata_failed = counter_make(r, "tidemark_collect_metadata_failed_total",
                                      "Batches of metadata that storage refused.");
    m->ticks_missed = counter_make(r, "tidemark_collect_ticks_missed_total",
                                   "Collections left out because the one before took too long.");
    m->series = tmk_gauge_register(r, "tidemark_collect_series", "Live series of this host.", NULL);
    m->mounts_skipped =
        tmk_gauge_register(r, "tidemark_collect_mounts_skipped",
                           "Network and FUSE mounts whose size is not asked for.", NULL);
}

// What happened since the last call.
static void metrics_tell(struct collect *c)
{
    struct collect_metrics *m = &c->metrics;
    const struct rows_counts *now = rows_counts_get(c->rows);
    for (int i = 0; i < APPEND_OUTCOME_COUNT; i++) {
        tmk_counter_add(m->outcomes[i], now->outcomes[i] - c->told.outcomes[i]);
    }
    tmk_counter_add(m->dropped_duplicate, now->dropped_duplicate - c->told.dropped_duplicate);
    tmk_counter_add(m->dropped_limit, now->dropped_limit - c->told.dropped_limit);
    tmk_counter_add(m->metadata_failed, now->metadata_failed - c->told.metadata_failed);
    tmk_gauge_set(m->series, now->series);
    tmk_gauge_set(m->mounts_skipped, c->run.mounts_skipped);
    c->told = *now;
}

static char *root_copy(const char *root, const char *otherwise)
{
    const str s = str_c(root ? root : otherwise);
    char *out = MEM_NEW_N(char, s.len + 1);
    memcpy(out, s.ptr, s.len);
    return out;
}

static void instance_init(struct collect *c, str instance)
{
    char name[256];
    const str chosen = str_sub(instance.len ? instance : proc_hostname(name), 0, 255);
    memcpy(c->instance, chosen.ptr, chosen.len);
}

struct collect *collect_new(const struct collect_opts *opts, struct error *e)
{
    struct collect *c = MEM_NEW(struct collect);
    instance_init(c, opts->instance);
    c->series_max = MIN(opts->series_max ? opts->series_max : SERIES_DEFAULT, SERIES_LIMIT);
    c->rows = rows_new(opts->storage, JOB, str_c(c->instance), c->series_max, e);
    if (!c->rows) {
        mem_free(c);
        return NULL;
    }
    c->clk = opts->clk;
    c->log = opts->log;
    c->interval_ms = opts->interval_ms > 0 ? opts->interval_ms : INTERVAL_MS_DEFAULT;
    c->roots[ROOT_PROC] = root_copy(opts->procfs, "/proc");
    c->roots[ROOT_SYS] = root_copy(opts->sysfs, "/sys");
    c->roots[ROOT_FS] = root_copy(opts->rootfs, "");
    c->roots[ROOT_UDEV] = root_copy(opts->udev, "/run/udev/data");
    c->run = (struct run){
        .fs = opts->fs, .sys = opts->sys ? opts->sys : collect_sys_real(), .rows = c->rows};
    for (int i = 0; i < ROOT_COUNT; i++) {
        c->run.roots[i] = c->roots[i];
    }
    for (size_t i = 0; i < COLLECTORS; i++) {
        c->states[i] = mem_new(1, MAX(collectors[i]->state_bytes, 1));
        c->was_ok[i] = true;
        c->status.collectors[i].name = collectors[i]->name;
    }
    c->status.collector_count = COLLECTORS;
    c->status.interval_ms = c->interval_ms;
    lock_init(&c->status_lock, 0, "collect_status");
    metrics_init(&c->metrics, opts->registry);
    return c;
}

void collect_free(struct collect *c)
{
    if (!c) {
        return;
    }
    collect_stop(c);
    for (size_t i = 0; i < COLLECTORS; i++) {
        mem_free(c->states[i]);
    }
    for (int i = 0; i < ROOT_COUNT; i++) {
        mem_free(c->roots[i]);
    }
    rows_free(c->rows);
    run_fini(&c->run);
    lock_fini(&c->status_lock);
    mem_free(c);
}

str collect_instance(const struct collect *c)
{
    return str_c(c->instance);
}

static f64 seconds_since(struct collect *c, i64 start_ns)
{
    return (f64)(clk_mono_ns(c->clk) - start_ns) / 1e9;
}

// The journal hears of a collector when it breaks and when it is well again, not every 5 s.
static void collector_log(struct collect *c, size_t i, bool ok, const struct error *why)
{
    if (ok != c->was_ok[i] && ok) {
        LOG_AT(c->log, LOG_INFO, "host collector works again",
               LOG_CSTR("collector", collectors[i]->name));
    } else if (ok != c->was_ok[i]) {
        LOG_AT(c->log, LOG_WARN, "host collector failed",
               LOG_CSTR("collector", collectors[i]->name), LOG_CSTR("error", why->text));
    }
    c->was_ok[i] = ok;
}

static void collector_run(struct collect *c, size_t i, struct collector_status *out)
{
    struct error why = {0};
    const u32 mark = rows_count(c->rows);
    const i64 start_ns = clk_mono_ns(c->clk);
    bool ok = collectors[i]->collect(&c->run, c->states[i], &why);
    if (!ok) {
        rows_cut(c->rows, mark); // half a list of disks would end the other half
        tmk_counter_inc(c->metrics.collector_failures[i]);
    }
    collector_log(c, i, ok, &why);
    *out = (struct collector_status){.name = collectors[i]->name,
                                     .ok = ok,
                                     .rows = rows_count(c->rows) - mark,
                                     .duration_s = seconds_since(c, start_ns)};
    const size_t n = strnlen(why.text, sizeof(out->error) - 1);
    memcpy(out->error, why.text, ok ? 0 : n);
}

static bool own_add(struct collect *c, const struct collect_status *s, i64 start_ns,
                    struct error *e)
{
    u32 well = 0;
    for (size_t i = 0; i < COLLECTORS; i++) {
        const str name = str_c(collectors[i]->name);
        well += s->collectors[i].ok;
        if (!rows_add(c->rows, &collector_duration, &name, s->collectors[i].duration_s, e) ||
            !rows_add(c->rows, &collector_success, &name, s->collectors[i].ok, e)) {
            return false;
        }
    }
    const u32 rows = rows_count(c->rows);
    const f64 values[OWN_COUNT] = {
        [OWN_UP] = well > 0, [OWN_DURATION] = seconds_since(c, start_ns), [OWN_SCRAPED] = rows,
        [OWN_KEPT] = rows,   [OWN_ADDED] = rows_fresh(c->rows),
    };
    for (int i = 0; i < OWN_COUNT; i++) {
        if (!rows_add(c->rows, &own_families[i], NULL, values[i], e)) {
            return false;
        }
    }
    return true;
}

static void status_set(struct collect *c, const struct collect_status *s)
{
    lock_take(&c->status_lock);
    c->status = *s;
    lock_drop(&c->status_lock);
}

bool collect_once(struct collect *c, i64 t_ms, struct error *e)
{
    const i64 start_ns = clk_mono_ns(c->clk);
    struct error why = {0};
    struct collect_status s = {
        .last_ms = t_ms, .interval_ms = c->interval_ms, .collector_count = COLLECTORS};
    c->run.t_ms = t_ms;
    c->run.path[0] = '\0'; // nothing read before counts now
    rows_begin(c->rows, t_ms);
    rows_limit(c->rows, c->series_max);
    for (size_t i = 0; i < COLLECTORS; i++) {
        collector_run(c, i, &s.collectors[i]);
    }
    // A host with too many series must still not be silent: its own few come on top.
    rows_limit(c->rows, c->series_max + (u32)OWN_SERIES);
    bool own = own_add(c, &s, start_ns, &why);
    s.rows = rows_count(c->rows);
    s.ok = rows_commit(c->rows, own ? &why : NULL);
    s.series = rows_counts_get(c->rows)->series;
    s.duration_s = seconds_since(c, start_ns);
    memcpy(s.error, why.text, strnlen(why.text, sizeof(s.error) - 1));
    tmk_histogram_observe(c->metrics.duration, s.duration_s);
    if (!s.ok) {
        tmk_counter_inc(c->metrics.commits_failed);
    }
    metrics_tell(c);
    status_set(c, &s);
    if (!s.ok && e) {
        *e = why;
    }
    return s.ok;
}

void collect_status(struct collect *c, struct collect_status *out)
{
    lock_take(&c->status_lock);
    *out = c->status;
    lock_drop(&c->status_lock);
}

// The time to stamp: when the clocks agree within a scrape's tolerance, the planned one, so that
// timestamps keep a constant step and cost nothing to store.
static i64 stamp_choose(struct collect *c, i64 ticks)
{
    const i64 now = clk_wall_ms(c->clk);
    const i64 planned = c->last_ms + ticks * c->interval_ms;
    const i64 tolerance = MIN(2, c->interval_ms / 100);
    c->last_ms = c->last_ms && llabs(now - planned) <= tolerance ? planned : now;
    return c->last_ms;
}

static void collect_loop(void *arg)
{
    struct collect *c = arg;
    const i64 interval_ns = c->interval_ms * 1000000;
    i64 next_ns = clk_mono_ns(c->clk);
    i64 ticks = 0;
    for (;;) {
        struct error e = {0};
        if (!collect_once(c, stamp_choose(c, ticks), &e)) {
            LOG_AT(c->log, LOG_ERROR, "host collection not stored", LOG_CSTR("error", e.text));
        }
        const i64 late_ns = clk_mono_ns(c->clk) - next_ns;
        ticks = 1 + MAX(late_ns, 0) / interval_ns;
        tmk_counter_add(c->metrics.ticks_missed, (u64)ticks - 1);
        next_ns += ticks * interval_ns;
        const i64 wait_ns = MAX(next_ns - clk_mono_ns(c->clk), 0);
        if (stop_sleep_ms(c->stop, (wait_ns + 999999) / 1000000)) {
            return;
        }
    }
}

bool collect_start(struct collect *c, struct error *e)
{
    CHECK(!c->thread);
    c->last_ms = 0;
    c->stop = stop_new();
    c->thread = thr_start("collect", collect_loop, c, e);
    if (!c->thread) {
        stop_free(c->stop);
        c->stop = NULL;
    }
    return c->thread != NULL;
}

void collect_stop(struct collect *c)
{
    if (!c || !c->thread) {
        return;
    }
    stop_set(c->stop);
    thr_join(c->thread);
    stop_free(c->stop);
    c->thread = NULL;
    c->stop = NULL;
}
