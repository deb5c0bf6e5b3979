// query_bench.c: what queries cost in the engine over the store, without HTTP and JSON.
//
//   bench_query DIR [RUNS [NAME]]      each query RUNS times (20), those whose name has NAME in it
//
// The store in DIR (removed first) holds what the questions ask for: 4,800 counters of 300
// instances every 5 s for 18 minutes, as `make bench` pushes them; 60 classic histograms of 12
// buckets, 60 gauges and 240 counters every 15 s for 6 hours; 1,000 counters every 15 s for a day;
// 1,000 classic histograms and 200 native ones every 15 s for an hour; 20,000 gauges every minute
// for 5. Some of the counters fall back to zero. All comes from numbers of series and row, so every
// run is the same.
//
// Prints one JSON object: for each query ms of CPU time of the process and of wall (the fastest of
// the runs), bytes, points, and a digest of the answer, bit for bit. Every query runs with the fast
// paths of the engine and without, in turn: the digests must be equal.
//
// Memory: the store's and one query's. Threads: one.
#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/hist.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "promql/promql.h"
#include "storage/storage.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2400, RUNS_MAX = 100000, ENGINES = 2 };
#define START_MS ((i64)1700006400000) // A multiple of two hours.

// One metric's series. Threads: frozen.
struct shape {
    const char *metric;
    const char *label;
    u32 per_instance;
    u32 instances;
    i64 step_ms;
    u32 rows;
    bool gauge;
    bool buckets;
    bool native;
};
static const struct shape shapes[] = {
    {"bench_cpu_seconds_total", "cpu", 16, 300, 5000, 216, .gauge = false},
    {"bench_duration_seconds_bucket", "path", 12, 60, 15000, 1440, .buckets = true},
    {"bench_requests_total", "path", 4, 60, 15000, 1440, .gauge = false},
    {"bench_temperature", "sensor", 1, 60, 15000, 1440, .gauge = true},
    {"bench_day_total", "path", 4, 250, 15000, 5760, .gauge = false},
    {"bench_latency_seconds_bucket", "path", 12, 1000, 15000, 240, .buckets = true},
    {"bench_native_seconds", "path", 4, 50, 15000, 240, .native = true},
    {"bench_many", "part", 16, 1250, 60000, 5, .gauge = true},
};

// Threads: frozen.
struct question {
    const char *name;
    const char *text;
    i64 from_ms; // After START_MS.
    i64 to_ms;
    i64 step_ms; // 0: the text is a metric, and the question the values of its label instance.
};
#define HOUR ((i64)3600000)
static const struct question questions[] = {
    {"sum_rate", "sum by (mode) (rate(bench_cpu_seconds_total[5m]))", 1000, 1081000, 15000},
    {"sum", "sum by (mode) (bench_cpu_seconds_total)", 1000, 1081000, 15000},
    {"rate_6h", "sum by (path) (rate(bench_requests_total[5m]))", 0, 6 * HOUR, 60000},
    {"quantile_classic",
     "histogram_quantile(0.9, sum by (le) (rate(bench_duration_seconds_bucket[5m])))", 0, 6 * HOUR,
     60000},
    {"quantile_series", "histogram_quantile(0.9, rate(bench_duration_seconds_bucket[5m]))", 0,
     6 * HOUR, 60000},
    {"topk", "topk(5, rate(bench_requests_total[5m]))", 0, 6 * HOUR, 60000},
    {"regex", "count(bench_cpu_seconds_total{instance=~\".*[02468]\"})", 1000, 1081000, 15000},
    {"join", "rate(bench_requests_total[5m]) * on (instance) group_left () bench_temperature", 0,
     6 * HOUR, 60000},
    {"subquery", "max_over_time(sum by (path) (rate(bench_requests_total[5m]))[30m:1m])", HOUR,
     6 * HOUR, 60000},
    {"quantile_over_time", "quantile_over_time(0.9, bench_temperature[1h])", HOUR, 6 * HOUR, 60000},
    {"max_over_time", "max_over_time(bench_temperature[1h])", HOUR, 6 * HOUR, 60000},
    {"avg_over_time", "avg_over_time(bench_temperature[1h])", HOUR, 6 * HOUR, 60000},
    {"ratio",
     "sum(rate(bench_requests_total{path=\"1\"}[5m])) / sum(rate(bench_requests_total[5m]))", 0,
     6 * HOUR, 60000},
    {"rate_24h", "sum by (path) (rate(bench_day_total[5m]))", 0, 24 * HOUR, 60000},
    {"rate_24h_each", "rate(bench_day_total[5m])", 0, 24 * HOUR, 60000},
    {"quantile_1000", "histogram_quantile(0.9, rate(bench_latency_seconds_bucket[5m]))", 0, HOUR,
     60000},
    {"native_rate", "sum(rate(bench_native_seconds[5m]))", 0, HOUR, 60000},
    {"count_many", "count(bench_many)", 60000, 240000, 60000},
    {"values_many", "bench_many", 0, HOUR, 0},
};

// Threads: owned.
struct bench {
    const char *dir;
    u32 runs;
    const char *only;
    struct rng rng;
    struct clk *clk;
    struct tsdb *db;
    struct storage_appender *appender;
    struct promql_engine *engines[ENGINES];
    bool differs;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_query: %s: %s\n", what, e && e->text[0] ? e->text : "unexpected");
    exit(1);
}

// ---- data --------------------------------------------------------------------------------------

static f64 value_of(const struct shape *s, u32 series, u32 row)
{
    u64 noise = hash_mix(series, row);
    u64 base = hash_mix(series, 3);
    if (s->gauge) {
        return (f64)(2000 + noise % 900 + base % 500) / 100;
    }
    u64 each = (base % 900 + 50) * (s->buckets ? 1 + series % 12 : 1);
    u64 fallen = base % 16 == 0 && row > s->rows / 2 ? s->rows / 2 : 0;
    return (f64)((row - fallen) * each * 10 + noise % 400) / 100;
}

static struct labels labels_of(const struct shape *s, struct arena *a, u32 series)
{
    static const char *const modes[] = {"idle",    "iowait", "irq",    "nice",
                                        "softirq", "steal",  "system", "user"};
    static const char *const bounds[] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                         "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
    struct label l[6];
    u32 at = series % s->per_instance;
    u32 n = 0;
    l[n++] = (struct label){LABEL_NAME, str_c(s->metric)};
    l[n++] =
        (struct label){LABEL_JOB, str_c(s->metric)}; // A page of its own: times are shared by job.
    l[n++] =
        (struct label){LABEL_INSTANCE, arena_printf(a, "10.0.0.%03u", series / s->per_instance)};
    if (s->buckets) {
        l[n++] = (struct label){STR("le"), str_c(bounds[at])};
    } else {
        l[n++] = (struct label){str_c(s->label), arena_printf(a, "%u", at / 8 + at % 8 % 4)};
        l[n++] = (struct label){STR("mode"), str_c(modes[at % 8])};
    }
    return labels_from(a, l, n);
}

static void batch_append(struct bench *b, const struct append_batch *batch)
{
    struct error e = {0};
    u64 position;
    if (!b->appender->ops->append(b->appender, batch, &e) ||
        !b->appender->ops->commit(b->appender, DURABILITY_PERIODIC, &position, &e)) {
        die("an append", &e);
    }
    for (u32 i = 0; i < batch->n; i++) {
        if (!append_is_stored((enum append_outcome)batch->outcomes[i])) {
            die("a sample was refused", NULL);
        }
    }
}

// A native histogram of 8 buckets that grows with the row.
static void hist_make(u32 series, u32 row, struct hist *h, f64 buckets[8])
{
    static const struct hist_span span = {.offset = 1, .length = 8};
    *h = (struct hist){.schema = 3, .zero_threshold = 1e-128};
    for (u32 i = 0; i < 8; i++) {
        buckets[i] = (f64)(row * (1 + hash_mix(series, i) % 9));
        h->count += buckets[i];
    }
    h->sum = h->count / 8;
    h->positive = (struct hist_side){&span, 1, buckets, 8};
}

static void row_append(struct bench *b, const struct shape *s, const struct series_ref *refs,
                       u32 row)
{
    static i64 t[BATCH];
    static f64 values[BATCH];
    static u8 outcomes[BATCH];
    static u8 kinds[BATCH];
    static struct hist made[BATCH];
    static const struct hist *hists[BATCH];
    static f64 buckets[BATCH][8];
    u32 count = s->per_instance * s->instances;
    for (u32 from = 0; from < count; from += BATCH) {
        const struct append_batch batch = {.refs = refs + from,
                                           .t_ms = t,
                                           .kinds = s->native ? kinds : NULL,
                                           .values = values,
                                           .hists = s->native ? hists : NULL,
                                           .n = MIN((u32)BATCH, count - from),
                                           .outcomes = outcomes};
        for (u32 i = 0; i < batch.n; i++) { // Each instance has moments of its own.
            t[i] = START_MS + (i64)row * s->step_ms + (from + i) / s->per_instance % 300;
            values[i] = value_of(s, from + i, row);
            kinds[i] = SAMPLE_HIST;
            hists[i] = &made[i];
            hist_make(from + i, row, &made[i], buckets[i]);
        }
        batch_append(b, &batch);
    }
}

static void shape_load(struct bench *b, const struct shape *s)
{
    u32 count = s->per_instance * s->instances;
    struct arena *a = arena_new((size_t)64 << 20);
    struct labels *sets = ARENA_NEW_N(a, struct labels, count);
    struct series_ref *refs = ARENA_NEW_N(a, struct series_ref, count);
    u8 *outcomes = ARENA_NEW_N(a, u8, count);
    for (u32 i = 0; i < count; i++) {
        sets[i] = labels_of(s, a, i);
    }
    b->appender->ops->resolve(b->appender, sets, count, refs, outcomes);
    for (u32 row = 0; row < s->rows; row++) {
        struct error e = {0};
        bool did;
        row_append(b, s, refs, row);
        if (row % 16 == 15 && !tsdb_step(b->db, &did, &e)) {
            die("a step", &e);
        }
    }
    arena_free(a);
}

static void store_open(struct bench *b)
{
    struct error e = {0};
    if (!fs_remove_tree(fs_real(), b->dir, &e)) {
        die(b->dir, &e);
    }
    const struct tsdb_opts opts = {.fs = fs_real(),
                                   .clk = b->clk,
                                   .rng = &b->rng,
                                   .dir = b->dir,
                                   .ooo_window_ms = 25 * HOUR,
                                   .too_new_ms = 25 * HOUR};
    b->db = tsdb_open(&opts, &e);
    b->appender =
        b->db ? storage_appender_open(tsdb_storage(b->db), TENANT_DEFAULT, STREAM_SCRAPE, &e)
              : NULL;
    if (!b->appender) {
        die(b->dir, &e);
    }
}

// ---- questions ---------------------------------------------------------------------------------

static u64 digest_of(const struct promql_result *r, u64 *points)
{
    u64 d = 0;
    *points = 0;
    for (u32 i = 0; i < r->series_count; i++) {
        const struct promql_series *s = &r->series[i];
        d = hash_mix(d, labels_hash(s->labels));
        for (u32 k = 0; k < s->count; k++) {
            const struct hist *h = s->points[k].hist;
            d = hash_mix(d, (u64)s->points[k].t_ms);
            d = hash_mix(d, bits_of_f64(h ? h->sum : s->points[k].value));
        }
        *points += s->count;
    }
    return d;
}

// What the runs of one question on one engine came to. Threads: owned.
struct figures {
    f64 cpu_ms; // Of the fastest run: others only add what the machine does beside.
    f64 wall_ms;
    u64 digest;
    u64 points;
    u64 bytes;
};

// The values of a label; storage alone works.
static void values_run(const struct bench *b, const struct question *q, struct figures *f)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)4 << 30);
    const struct matcher m = {.op = MATCH_EQ, .name = LABEL_NAME, .value = str_c(q->text)};
    str *values;
    u32 n;
    i64 cpu_begun = clk_process_cpu_ns();
    i64 begun = clk_mono_ns(clk_real());
    struct storage_querier *reader = storage_querier_open(
        tsdb_storage(b->db), TENANT_DEFAULT, START_MS + q->from_ms, START_MS + q->to_ms, &e);
    if (!reader || !reader->ops->label_values(reader, LABEL_INSTANCE, &m, 1, a, &values, &n, &e)) {
        die(q->text, &e);
    }
    storage_querier_close(reader);
    f->cpu_ms = MIN(f->cpu_ms, (f64)(clk_process_cpu_ns() - cpu_begun) / 1e6);
    f->wall_ms = MIN(f->wall_ms, (f64)(clk_mono_ns(clk_real()) - begun) / 1e6);
    f->points = n;
    f->bytes = arena_bytes(a);
    f->digest = 0;
    for (u32 i = 0; i < n; i++) {
        f->digest = hash_mix(f->digest, hash_str(values[i]));
    }
    arena_free(a);
}

static void question_run(const struct bench *b, const struct promql_engine *g,
                         const struct question *q, struct figures *f)
{
    struct error e = {0};
    struct promql_result answer;
    struct arena *a = arena_new((size_t)4 << 30);
    struct promql_query *query = promql_query_new(g, str_c(q->text), NULL, &e);
    const struct promql_request r = {.storage = tsdb_storage(b->db),
                                     .query = query,
                                     .start_ms = START_MS + q->from_ms,
                                     .end_ms = START_MS + q->to_ms,
                                     .step_ms = q->step_ms};
    i64 cpu_begun = clk_process_cpu_ns();
    i64 begun = clk_mono_ns(clk_real());
    if (!query || !promql_range(g, &r, a, &answer, &e)) {
        die(q->text, &e);
    }
    f->cpu_ms = MIN(f->cpu_ms, (f64)(clk_process_cpu_ns() - cpu_begun) / 1e6);
    f->wall_ms = MIN(f->wall_ms, (f64)(clk_mono_ns(clk_real()) - begun) / 1e6);
    f->digest = digest_of(&answer, &f->points);
    f->bytes = answer.stats.bytes_peak;
    promql_query_free(query);
    arena_free(a);
}

static void figures_print(const char *name, const struct figures *f)
{
    (void)printf(
        "\"%s\": {\"cpu_ms\": %.3f, \"wall_ms\": %.3f, \"bytes\": %llu, \"points\": %llu}, ", name,
        f->cpu_ms, f->wall_ms, (unsigned long long)f->bytes, (unsigned long long)f->points);
}

// The engines take turns, so that what else the machine does meets both.
static bool question_ask(const struct bench *b, const struct question *q)
{
    struct figures f[ENGINES] = {{.cpu_ms = 1e12, .wall_ms = 1e12},
                                 {.cpu_ms = 1e12, .wall_ms = 1e12}};
    for (u32 i = 0; i < b->runs; i++) {
        for (u32 k = 0; k < ENGINES; k++) {
            if (q->step_ms == 0) {
                values_run(b, q, &f[k]);
            } else {
                question_run(b, b->engines[k], q, &f[k]);
            }
        }
    }
    bool same = f[0].digest == f[1].digest;
    (void)printf("\n  \"%s\": {", q->name);
    figures_print("fast", &f[0]);
    figures_print("plain", &f[1]);
    (void)printf("\"same\": %s, \"digest\": \"%016llx\"}", same ? "true" : "false",
                 (unsigned long long)f[0].digest);
    (void)fflush(stdout);
    return same;
}

static bool is_asked(const struct bench *b, const struct question *q)
{
    return !b->only || strstr(q->name, b->only);
}

// Does a question that will be asked speak of it?
static bool is_needed(const struct bench *b, const struct shape *s)
{
    bool needed = false;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        needed = needed || (is_asked(b, &questions[i]) && strstr(questions[i].text, s->metric));
    }
    return needed;
}

static void questions_ask(struct bench *b)
{
    bool first = true;
    (void)printf("{");
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        if (is_asked(b, &questions[i])) {
            (void)printf("%s", first ? "" : ",");
            b->differs = !question_ask(b, &questions[i]) || b->differs;
            first = false;
        }
    }
    (void)printf("\n}\n");
}

int main(int argc, char **argv)
{
    static struct bench b = {.runs = 20};
    u64 runs = b.runs;
    if (argc < 2 || argc > 4 || (argc > 2 && !parse_u64(str_c(argv[2]), &runs)) || runs == 0 ||
        runs > RUNS_MAX) {
        (void)fprintf(stderr, "usage: bench_query DIR [RUNS [NAME]]\n");
        return 2;
    }
    b.dir = argv[1];
    b.runs = (u32)runs;
    b.only = argc > 3 ? argv[3] : NULL;
    b.clk = clk_manual_new(START_MS);
    rng_init(&b.rng, 1);
    store_open(&b);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        if (is_needed(&b, &shapes[i])) {
            shape_load(&b, &shapes[i]);
        }
    }
    b.engines[0] = promql_engine_new((struct promql_engine_opts){.clk = clk_real()});
    b.engines[1] =
        promql_engine_new((struct promql_engine_opts){.clk = clk_real(), .window_by_window = true});
    questions_ask(&b);
    struct error e = {0};
    for (u32 i = 0; i < ENGINES; i++) {
        promql_engine_free(b.engines[i]);
    }
    storage_appender_close(b.appender);
    if (!tsdb_close(b.db, &e) || !fs_remove_tree(fs_real(), b.dir, &e)) {
        die("closing", &e);
    }
    clk_manual_free(b.clk);
    return b.differs;
}
