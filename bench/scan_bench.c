// scan_bench.c: what it costs to read series out of blocks, to doubles.
//
//   bench_scan DIR [SERIES [ROWS [RUNS]]]      1,000 series × 5,760 rows (a day), 20 runs
//
// Fills a store in DIR (removed first) with series of node_like.h, a row every 15 s, running the
// background by a clock of its own; reads everything by one cursor, from blocks of two hours and
// the head, and again once blocks of a day have been made of all. The first scan of each compares
// every sample. Then it selects single series by three matchers, and counts those that a regular
// expression over the instances takes.
//
// Prints one JSON object: blocks, ms of CPU time of the fastest scan, ns per value, µs per
// selection (mean of SELECTS), ms of the fastest count, and what was wrong, which must be 0.
//
// Memory: the store's, 8 bytes a series. Threads: one.
#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "bench/node_like.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "storage/storage.h"
#include "tsdb/tsdb.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2000, STEP_MS = 15000, SERIES_MAX = 5000000, ROWS_LIMIT = 100000, SELECTS = 200 };
#define START_MS ((i64)1700006400000) // A multiple of two hours.
#define DAY_MS   86400000

// Threads: owned.
struct bench {
    const char *dir;
    u32 series;
    u32 rows;
    u32 runs;
    struct clk *clk;
    struct rng rng;
    struct tsdb *db;
    struct storage_appender *appender;
    struct series_ref *refs;
    u64 wrong;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_scan: %s: %s\n", what, e && e->text[0] ? e->text : "unexpected");
    exit(1);
}

static void store_open(struct bench *b)
{
    struct error e = {0};
    if (!fs_remove_tree(fs_real(), b->dir, &e)) {
        die(b->dir, &e);
    }
    const struct tsdb_opts opts = {
        .fs = fs_real(), .clk = b->clk, .rng = &b->rng, .dir = b->dir, .image_every_ms = -1};
    b->db = tsdb_open(&opts, &e);
    b->appender =
        b->db ? storage_appender_open(tsdb_storage(b->db), TENANT_DEFAULT, STREAM_SCRAPE, &e)
              : NULL;
    if (!b->appender) {
        die(b->dir, &e);
    }
}

static void commit(struct bench *b)
{
    struct error e = {0};
    u64 position;
    if (!b->appender->ops->commit(b->appender, DURABILITY_PERIODIC, &position, &e)) {
        die("a commit", &e);
    }
}

static void steps_run(struct bench *b)
{
    struct error e = {0};
    bool did = true;
    while (did) {
        if (!tsdb_step(b->db, &did, &e)) {
            die("a step", &e);
        }
    }
}

static i64 time_of(u32 row)
{
    return START_MS + (i64)row * STEP_MS;
}

static void row_append(struct bench *b, u32 row)
{
    struct error e = {0};
    i64 t[BATCH];
    f64 values[BATCH];
    u8 outcomes[BATCH];
    for (u32 from = 0; from < b->series; from += BATCH) {
        u32 n = MIN(BATCH, b->series - from);
        for (u32 i = 0; i < n; i++) {
            t[i] = time_of(row);
            values[i] = node_like_value(from + i, row);
        }
        const struct append_batch batch = {
            .refs = b->refs + from, .t_ms = t, .values = values, .n = n, .outcomes = outcomes};
        if (!b->appender->ops->append(b->appender, &batch, &e)) {
            die("an append", &e);
        }
        commit(b);
        for (u32 i = 0; i < n; i++) {
            if (outcomes[i] != APPEND_STORED) {
                die("a sample", NULL);
            }
        }
    }
}

static void fill(struct bench *b)
{
    struct error e = {0};
    b->refs = MEM_NEW_N(struct series_ref, b->series);
    store_open(b);
    if (!node_like_resolve(b->appender, 0, b->series, b->refs, NULL, &e)) {
        die("new series", &e);
    }
    for (u32 row = 0; row < b->rows; row++) {
        row_append(b, row);
        clk_manual_advance(b->clk, STEP_MS);
        if (row % 40 == 39) {
            steps_run(b);
        }
    }
}

// A row much later, so that the head leaves the time before it to the blocks, and those are joined.
static void later(struct bench *b, u32 row)
{
    clk_manual_advance(b->clk, time_of(row) - time_of(b->rows));
    row_append(b, row);
    steps_run(b);
}

static struct storage_querier *querier_open(const struct bench *b)
{
    struct error e = {0};
    struct storage_querier *q = storage_querier_open(tsdb_storage(b->db), TENANT_DEFAULT, START_MS,
                                                     time_of(b->rows) - 1, &e);
    if (!q) {
        die("opening a querier", &e);
    }
    return q;
}

// The digits of a text as one number.
static u32 digits_of(str s)
{
    u32 v = 0;
    for (size_t i = 0; i < s.len; i++) {
        v = s.ptr[i] >= '0' && s.ptr[i] <= '9' ? v * 10 + (u32)(s.ptr[i] - '0') : v;
    }
    return v;
}

// The number of a series by its labels: what node_like_labels() made of it.
static u32 number_of(struct labels ls)
{
    str address = labels_get(ls, LABEL_INSTANCE);
    str part;
    u32 target = 0;
    address.len = address.len > 5 ? address.len - 5 : 0; // The port.
    (void)str_split_next(&address, '.', &part);
    while (str_split_next(&address, '.', &part)) {
        target = target * 256 + digits_of(part);
    }
    return target * 1000 + digits_of(labels_get(ls, LABEL_NAME)) * 4 +
           digits_of(labels_get(ls, STR("device")));
}

static u64 runs_compare(struct bench *b, struct series_cursor *c, u32 number)
{
    struct series_run run;
    u64 row = 0;
    while (c->ops->run(c, &run)) {
        for (u32 i = 0; i < run.n; i++, row++) {
            b->wrong +=
                run.t_ms[i] != time_of((u32)row) ||
                bits_of_f64(run.values[i]) != bits_of_f64(node_like_value(number, (u32)row));
        }
    }
    b->wrong += row != b->rows;
    return row;
}

// Reads and adds up, as the least that a reader does with a value.
static f64 runs_add(struct series_cursor *c, u64 *n)
{
    struct series_run run;
    f64 sum = 0;
    while (c->ops->run(c, &run)) {
        for (u32 i = 0; i < run.n; i += 8) { // A value of each line of cache.
            sum += run.values[i];
        }
        *n += run.n;
    }
    return sum;
}

static f64 scan(struct bench *b, bool compare, u64 *n)
{
    static volatile f64 sink;
    struct error e = {0};
    struct matcher m = {.op = MATCH_NE, .name = LABEL_NAME, .value = STR_EMPTY};
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct storage_warnings w = {0};
    i64 begun = clk_process_cpu_ns();
    struct storage_querier *q = querier_open(b);
    struct series_cursor *c = q->ops->select(q, &m, 1, &hints, NULL, &e);
    f64 sum = 0;
    if (!c) {
        die("a selection", &e);
    }
    *n = 0;
    while (c->ops->next(c)) {
        if (compare) {
            *n += runs_compare(b, c, number_of(c->ops->labels(c)));
        } else {
            sum += runs_add(c, n);
        }
    }
    if (!c->ops->close(c, &w, &e) || w.partial) {
        die("a scan", &e);
    }
    storage_querier_close(q);
    sink = sum;
    (void)sink;
    return (f64)(clk_process_cpu_ns() - begun) / 1e6;
}

static void scans_run(struct bench *b, const char *name)
{
    struct arena *a = arena_new((size_t)16 << 20);
    struct tsdb_block_info *blocks;
    u32 block_count;
    f64 best = 1e12;
    u64 n;
    (void)scan(b, true, &n);
    for (u32 i = 0; i < b->runs; i++) {
        best = MIN(best, scan(b, false, &n));
    }
    b->wrong += n != (u64)b->series * b->rows;
    tsdb_blocks_get(b->db, a, &blocks, &block_count);
    (void)printf("\"%s_blocks\": %u, \"%s_scan_ms\": %.3f, \"%s_ns_per_value\": %.3f, ", name,
                 block_count, name, best, name, best * 1e6 / (f64)n);
    arena_free(a);
}

static void selects_run(struct bench *b)
{
    static const u32 picked[] = {0, 2, 4};
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    f64 spent = 0;
    for (u32 i = 0; i < SELECTS; i++) {
        struct error e = {0};
        struct arena *a = arena_new((size_t)1 << 20);
        struct labels ls = node_like_labels(a, (u32)rng_below(&b->rng, b->series));
        struct matcher ms[ARRAY_LEN(picked)];
        for (size_t k = 0; k < ARRAY_LEN(picked); k++) {
            const struct label *l = &ls.items[picked[k]];
            ms[k] = (struct matcher){.op = MATCH_EQ, .name = l->name, .value = l->value};
        }
        struct storage_querier *q = querier_open(b);
        i64 begun = clk_process_cpu_ns();
        struct series_cursor *c = q->ops->select(q, ms, ARRAY_LEN(picked), &hints, NULL, &e);
        bool found = c && c->ops->next(c);
        spent += (f64)(clk_process_cpu_ns() - begun) / 1e3;
        if (!c || !found || !labels_eq(c->ops->labels(c), ls) || !c->ops->close(c, NULL, &e)) {
            die("a selection", &e);
        }
        storage_querier_close(q);
        arena_free(a);
    }
    (void)printf("\"select_us\": %.2f, ", spent / SELECTS);
}

static void regex_run(struct bench *b)
{
    struct arena *a = arena_new((size_t)1 << 20);
    struct error e = {0};
    struct matcher m;
    u64 found = 0;
    f64 best = 1e12;
    if (!matcher_init(&m, a, MATCH_RE, LABEL_INSTANCE, STR(".*[02468]:9.00"), &e)) {
        die("a matcher", &e);
    }
    for (u32 i = 0; i < b->runs; i++) {
        struct storage_querier *q = querier_open(b);
        i64 begun = clk_process_cpu_ns();
        if (!q->ops->series_count(q, &m, 1, &found, &e)) {
            die("a count", &e);
        }
        best = MIN(best, (f64)(clk_process_cpu_ns() - begun) / 1e6);
        storage_querier_close(q);
    }
    (void)printf("\"regex_ms\": %.3f, \"regex_found\": %llu, ", best, (unsigned long long)found);
    arena_free(a);
}

static bool number_arg(int argc, char **argv, int at, u64 max, u32 *out)
{
    u64 v = *out;
    bool ok = argc <= at || (parse_u64(str_c(argv[at]), &v) && v > 0 && v <= max);
    *out = (u32)v;
    return ok;
}

int main(int argc, char **argv)
{
    struct bench b = {.series = 1000, .rows = 5760, .runs = 20};
    if (argc < 2 || argc > 5 || !number_arg(argc, argv, 2, SERIES_MAX, &b.series) ||
        !number_arg(argc, argv, 3, ROWS_LIMIT, &b.rows) ||
        !number_arg(argc, argv, 4, 1000, &b.runs)) {
        (void)fprintf(stderr, "usage: bench_scan DIR [SERIES [ROWS [RUNS]]]\n");
        return 2;
    }
    b.dir = argv[1];
    b.clk = clk_manual_new(START_MS);
    rng_init(&b.rng, 1);
    fill(&b);
    (void)printf("{\"series\": %u, \"rows\": %u, ", b.series, b.rows);
    scans_run(&b, "young");
    later(&b, b.rows + 3 * DAY_MS / STEP_MS);
    scans_run(&b, "compacted");
    selects_run(&b);
    regex_run(&b);
    (void)printf("\"wrong\": %llu}\n", (unsigned long long)b.wrong);
    struct error e = {0};
    mem_free(b.refs);
    storage_appender_close(b.appender);
    if (!tsdb_close(b.db, &e) || !fs_remove_tree(fs_real(), b.dir, &e)) {
        die("closing", &e);
    }
    clk_manual_free(b.clk);
    return b.wrong != 0;
}
