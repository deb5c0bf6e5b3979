// compact_bench.c: a day of blocks becomes one: how fast, and in how much memory.
//
//   bench_compact DIR [SERIES [HOURS [alone]]]    10000 series, 24 hours at 15 s
//
// Data as in node_like.h, with the same times for all, or each series alone with times of its own,
// written into blocks of two hours by processes of their own (block_maker.h). The blocks are opened
// and compacted by the very call that the store makes, and the result is opened and its checksums
// looked at; sources stay mapped meanwhile. Then a store is opened on the result alone, and every
// sample of SCANNED series is read and compared. DIR is removed first and at the end.
//
// Prints one JSON object: samples, bytes per sample before and after (data files), samples_per_s
// and cpu_s of the compaction, anonymous bytes that it needed at most beyond what was there before
// (looked at all the time by a thread of its own), and answers: samples read and those among them
// that differ. make_s is how long the data took.
//
// Memory: that of the compaction and of SCANNED series' labels. Threads: two.
#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "bench/block_maker.h"
#include "bench/node_like.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/rng.h"
#include "storage/storage.h"
#include "tsdb/block.h"
#include "tsdb/compact.h"
#include "tsdb/tsdb.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 15000, SERIES_MAX = 5000000, HOURS_MAX = 240, SCANNED = 1000, MAKERS = 2 };
enum { ROWS_OF_HOUR = 3600000 / STEP_MS, ROWS_OF_BLOCK = 2 * ROWS_OF_HOUR, PATH_BYTES = 1024 };
#define START_MS ((i64)1700006400000) // A multiple of a day.

// Threads: owned, but for the peak and the mark that ends the watch.
struct bench {
    const char *dir;
    u32 series;
    u32 rows;
    bool alone;
    struct clk *clk;
    struct rng rng;
    struct tsdb *db;
    u64 samples;
    u64 before_bytes;
    u64 after_bytes;
    f64 make_s;
    f64 wall_s;
    f64 cpu_s;
    u64 read;
    u64 wrong;
    _Atomic u64 peak_bytes;
    _Atomic bool done;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_compact: %s: %s\n", what,
                  e && e->text[0] ? e->text : "unexpected");
    exit(1);
}

static void store_open(struct bench *b)
{
    struct error e = {0};
    const struct tsdb_opts opts = {
        .fs = fs_real(), .clk = b->clk, .rng = &b->rng, .dir = b->dir, .compact_off = true};
    b->db = tsdb_open(&opts, &e);
    if (!b->db) {
        die(b->dir, &e);
    }
}

static void store_close(struct bench *b)
{
    struct error e = {0};
    if (!tsdb_close(b->db, &e)) {
        die("closing", &e);
    }
    b->db = NULL;
}

// ---- a day of blocks ---------------------------------------------------------------------------

static i64 time_of(const void *ctx, u32 series, u32 row)
{
    const struct bench *b = ctx;
    return START_MS + (i64)row * STEP_MS + (b->alone ? (i64)(hash_mix(series, row) % 997) : 0);
}

static struct labels labels_of(const void *ctx, struct arena *a, u32 series)
{
    (void)ctx;
    return node_like_labels(a, series);
}

static f64 value_of(const void *ctx, u32 series, u32 row)
{
    (void)ctx;
    return node_like_value(series, row);
}

// Every second block, or the others.
static void blocks_write(struct bench *b, u32 first)
{
    struct error e = {0};
    const struct block_made_of of = {
        .series = b->series, .ctx = b, .labels = labels_of, .time_ms = time_of, .value = value_of};
    rng_init(&b->rng, 1 + first);
    struct block_maker *m = block_maker_new(&of, b->dir, b->clk, &b->rng, &e);
    if (!m) {
        die(b->dir, &e);
    }
    for (u32 row = first * ROWS_OF_BLOCK; row < b->rows; row += MAKERS * ROWS_OF_BLOCK) {
        const i64 t = START_MS + (i64)row * STEP_MS;
        const struct block_made range = {.min_ms = t,
                                         .max_ms = t + (i64)ROWS_OF_BLOCK * STEP_MS,
                                         .from = row,
                                         .to = MIN(row + ROWS_OF_BLOCK, b->rows)};
        if (!block_maker_write(m, &range, &e)) {
            die("a block", &e);
        }
    }
    block_maker_free(m);
}

// By processes of their own: what they leave in the allocator would hide what a compaction needs.
static void blocks_make(struct bench *b)
{
    pid_t makers[MAKERS];
    for (u32 i = 0; i < MAKERS; i++) {
        makers[i] = fork();
        CHECK(makers[i] >= 0);
        if (makers[i] == 0) {
            blocks_write(b, i);
            exit(0);
        }
    }
    for (u32 i = 0; i < MAKERS; i++) {
        int status;
        if (waitpid(makers[i], &status, 0) != makers[i] || status != 0) {
            die("a maker of blocks failed", NULL);
        }
    }
}

// ---- the compaction ----------------------------------------------------------------------------

// Of the thread that asks: the watch costs as well.
static i64 thread_cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (i64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *memory_watch(void *arg)
{
    struct bench *b = arg;
    while (!atomic_load(&b->done)) {
        u64 now = proc_anonymous_bytes();
        atomic_store(&b->peak_bytes, MAX(atomic_load(&b->peak_bytes), now));
        (void)usleep(10000);
    }
    return NULL;
}

static u32 blocks_open(struct bench *b, const char *dir, struct block **blocks)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct fs_info *infos;
    size_t count;
    u32 n = 0;
    if (!fs_list(fs_real(), dir, a, &infos, &count, &e)) {
        die(dir, &e);
    }
    for (size_t i = 0; i < count; i++) {
        char path[PATH_BYTES];
        struct block_meta m;
        if (!block_name_parse(infos[i].name, &m)) {
            continue;
        }
        CHECK(n < BLOCK_SOURCES_MAX);
        (void)snprintf(path, sizeof(path), "%s/%.*s", dir, STR_ARG(infos[i].name));
        struct block *open = block_open(fs_real(), path, n + 1, &e);
        if (!open) {
            die(path, &e);
        }
        u32 at = n++;
        for (; at > 0 && blocks[at - 1]->meta.min_ms > open->meta.min_ms; at--) {
            blocks[at] = blocks[at - 1];
        }
        blocks[at] = open;
        b->samples += open->meta.samples;
        b->before_bytes += open->meta.data_bytes;
    }
    arena_free(a);
    return n;
}

static void result_check(struct bench *b, const char *dir, const struct block_meta *m)
{
    struct error e = {0};
    char name[BLOCK_NAME];
    char path[PATH_BYTES];
    block_name(m, name);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    struct block *made = block_open(fs_real(), path, BLOCK_SOURCES_MAX + 1, &e);
    if (!made || !block_verify(made, &e)) {
        die(path, &e);
    }
    b->wrong += m->samples != b->samples;
    b->after_bytes = m->data_bytes;
    block_close(made);
}

static void compact(struct bench *b)
{
    struct error e = {0};
    char dir[512];
    struct block *blocks[BLOCK_SOURCES_MAX] = {NULL};
    struct tombstones *dead[BLOCK_SOURCES_MAX];
    struct block_meta m;
    bool made;
    pthread_t watch;
    (void)snprintf(dir, sizeof(dir), "%s/blocks", b->dir);
    u32 n = blocks_open(b, dir, blocks);
    CHECK(n > 0);
    for (u32 i = 0; i < n; i++) {
        dead[i] = blocks[i]->dead;
    }
    const struct compact c = {.fs = fs_real(),
                              .clk = b->clk,
                              .rng = &b->rng,
                              .dir = dir,
                              .blocks = blocks,
                              .count = n,
                              .dead = dead,
                              .newest = blocks[n - 1]->meta.max_ms,
                              .level = 2,
                              .bytes_max = COMPACT_BYTES_MAX};
    u64 base = proc_anonymous_bytes();
    CHECK(pthread_create(&watch, NULL, memory_watch, b) == 0);
    i64 begun = clk_mono_ns(clk_real());
    i64 cpu_begun = thread_cpu_ns();
    bool ok = compact_run(&c, &m, &made, &e);
    b->wall_s = (f64)(clk_mono_ns(clk_real()) - begun) / 1e9;
    b->cpu_s = (f64)(thread_cpu_ns() - cpu_begun) / 1e9;
    atomic_store(&b->done, true);
    CHECK(pthread_join(watch, NULL) == 0);
    if (!ok || !made) {
        die("the compaction", &e);
    }
    b->peak_bytes -= MIN(atomic_load(&b->peak_bytes), base);
    result_check(b, dir, &m);
    for (u32 i = 0; i < n; i++) {
        block_close(blocks[i]);
    }
}

// ---- what came out -----------------------------------------------------------------------------

static struct series_cursor *scan_begin(struct storage_querier *q, struct arena *a)
{
    struct error e = {0};
    struct matcher m;
    str instance = labels_get(node_like_labels(a, 0), LABEL_INSTANCE); // SCANNED series have it.
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    if (!matcher_init(&m, a, MATCH_EQ, LABEL_INSTANCE, instance, &e)) {
        die("a matcher", &e);
    }
    struct series_cursor *c = q->ops->select(q, &m, 1, &hints, NULL, &e);
    if (!c) {
        die("a selection", &e);
    }
    return c;
}

static void scan_end(struct series_cursor *c)
{
    struct error e = {0};
    struct storage_warnings w = {0};
    if (!c->ops->close(c, &w, &e) || w.partial) {
        die("a selection", &e);
    }
}

static void scan_compare(struct bench *b, struct storage_querier *q)
{
    struct arena *a = arena_new((size_t)64 << 20);
    u32 n = MIN(b->series, SCANNED);
    struct labels *sets = ARENA_NEW_N(a, struct labels, n);
    for (u32 i = 0; i < n; i++) {
        sets[i] = node_like_labels(a, i);
    }
    struct series_cursor *c = scan_begin(q, a);
    u32 found = 0;
    for (; c->ops->next(c); found++) {
        struct series_run run;
        u32 row = 0;
        u32 series = 0;
        while (series < n && !labels_eq(sets[series], c->ops->labels(c))) {
            series++;
        }
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                b->read++;
                b->wrong += run.t_ms[i] != time_of(b, series, row) ||
                            bits_of_f64(run.values[i]) != bits_of_f64(node_like_value(series, row));
                row++;
            }
        }
        b->wrong += row != b->rows;
    }
    b->wrong += found != n;
    scan_end(c);
    arena_free(a);
}

static void result_read(struct bench *b)
{
    struct error e = {0};
    store_open(b);
    struct storage_querier *q =
        storage_querier_open(tsdb_storage(b->db), TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    if (!q) {
        die("opening a querier", &e);
    }
    scan_compare(b, q);
    storage_querier_close(q);
    store_close(b);
}

static void figures_print(const struct bench *b)
{
    (void)printf("{\"series\": %u, \"samples\": %llu, \"before\": %.4f, \"after\": %.4f, ",
                 b->series, (unsigned long long)b->samples, (f64)b->before_bytes / (f64)b->samples,
                 (f64)b->after_bytes / (f64)b->samples);
    (void)printf("\"make_s\": %.1f, \"wall_s\": %.3f, \"cpu_s\": %.3f, \"samples_per_s\": %.0f, "
                 "\"peak_bytes\": %llu, ",
                 b->make_s, b->wall_s, b->cpu_s, (f64)b->samples / b->cpu_s,
                 (unsigned long long)atomic_load(&b->peak_bytes));
    (void)printf("\"answers\": {\"read\": %llu, \"wrong\": %llu}}\n", (unsigned long long)b->read,
                 (unsigned long long)b->wrong);
}

int main(int argc, char **argv)
{
    static struct bench b = {.series = 10000};
    struct error e = {0};
    u64 series = b.series;
    u64 hours = 24;
    b.alone = argc == 5 && str_eq(str_c(argv[4]), STR("alone"));
    if (argc < 2 || (argc > 4 && !b.alone) || (argc > 2 && !parse_u64(str_c(argv[2]), &series)) ||
        (argc > 3 && !parse_u64(str_c(argv[3]), &hours)) || series < SCANNED ||
        series > SERIES_MAX || hours == 0 || hours > HOURS_MAX) {
        (void)fprintf(stderr, "usage: bench_compact DIR [SERIES [HOURS [alone]]]\n");
        return 2;
    }
    b.dir = argv[1];
    b.series = (u32)series;
    b.rows = (u32)hours * ROWS_OF_HOUR;
    b.clk = clk_manual_new(START_MS);
    rng_init(&b.rng, 1);
    if (!fs_remove_tree(fs_real(), b.dir, &e)) {
        die(b.dir, &e);
    }
    const i64 begun = clk_mono_ns(clk_real());
    blocks_make(&b);
    b.make_s = (f64)(clk_mono_ns(clk_real()) - begun) / 1e9;
    compact(&b);
    result_read(&b);
    if (!fs_remove_tree(fs_real(), b.dir, &e)) {
        die(b.dir, &e);
    }
    figures_print(&b);
    clk_manual_free(b.clk);
    return b.wrong != 0;
}
