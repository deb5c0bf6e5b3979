// restart_bench.c: a store that was killed, and how long it takes to answer again.
//
//   bench_restart fill DIR SERIES ROWS END_S    fills DIR with rows 15 s apart up to END_S (seconds
//                                               since 1970), prints one JSON object, kills itself
//   bench_restart open DIR SERIES ROWS END_S    opens it, asks for series and compares every sample
//
// Data as in node_like.h. fill runs the background steps between rows by its own clock, so that
// images are written and windows cut as if the time had passed. It dies by SIGKILL with everything
// written and nothing closed: a server started on DIR afterwards recovers. Both print
// anonymous_bytes of their process; open also seconds and CPU seconds until the store is open and
// until the first series was read, and samples read and wrong ones among them.
//
// Memory: 8 bytes a series. Threads: one.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "bench/node_like.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/rng.h"
#include "storage/storage.h"
#include "tsdb/tsdb.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2000, STEP_MS = 15000, SERIES_MAX = 5000000, ROWS_LIMIT = 100000, SELECTS = 200 };

// Threads: owned.
struct bench {
    const char *dir;
    u32 series;
    u32 rows;
    i64 start_ms;
    struct clk *clk;
    struct rng rng;
    struct tsdb *db;
    u64 read;
    u64 wrong;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_restart: %s: %s\n", what,
                  e && e->text[0] ? e->text : "unexpected");
    exit(1);
}

static void store_open(struct bench *b)
{
    struct error e = {0};
    const struct tsdb_opts opts = {
        .fs = fs_real(), .clk = b->clk, .rng = &b->rng, .dir = b->dir, .start_thread = true};
    b->db = tsdb_open(&opts, &e);
    if (!b->db) {
        die(b->dir, &e);
    }
}

static void commit(struct storage_appender *a)
{
    struct error e = {0};
    u64 position;
    if (!a->ops->commit(a, DURABILITY_PERIODIC, &position, &e)) {
        die("a commit", &e);
    }
}

static void row_append(struct bench *b, struct storage_appender *appender,
                       const struct series_ref *refs, u32 row)
{
    struct error e = {0};
    i64 t[BATCH];
    f64 values[BATCH];
    u8 outcomes[BATCH];
    for (u32 from = 0; from < b->series; from += BATCH) {
        u32 n = MIN(BATCH, b->series - from);
        for (u32 i = 0; i < n; i++) {
            t[i] = b->start_ms + (i64)row * STEP_MS;
            values[i] = node_like_value(from + i, row);
        }
        const struct append_batch batch = {
            .refs = refs + from, .t_ms = t, .values = values, .n = n, .outcomes = outcomes};
        if (!appender->ops->append(appender, &batch, &e)) {
            die("an append", &e);
        }
        commit(appender);
        for (u32 i = 0; i < n; i++) {
            if (outcomes[i] != APPEND_STORED) {
                die("a sample", NULL);
            }
        }
    }
}

// With steps between, or the log's buffer holds all definitions.
static void series_make(struct bench *b, struct storage_appender *a, struct series_ref *refs)
{
    enum { AT_ONCE = 20 * BATCH };
    struct error e = {0};
    bool did;
    for (u32 from = 0; from < b->series; from += AT_ONCE) {
        if (!node_like_resolve(a, from, MIN(AT_ONCE, b->series - from), refs + from, NULL, &e)) {
            die("new series", &e);
        }
        if (!tsdb_step(b->db, &did, &e)) {
            die("a step", &e);
        }
    }
}

static NO_RETURN void fill(struct bench *b)
{
    struct error e = {0};
    bool did;
    struct series_ref *refs = MEM_NEW_N(struct series_ref, b->series);
    if (!fs_remove_tree(fs_real(), b->dir, &e)) {
        die(b->dir, &e);
    }
    store_open(b);
    struct storage_appender *a =
        storage_appender_open(tsdb_storage(b->db), TENANT_DEFAULT, STREAM_SCRAPE, &e);
    if (!a) {
        die(b->dir, &e);
    }
    series_make(b, a, refs);
    for (u32 row = 0; row < b->rows; row++) {
        row_append(b, a, refs, row);
        if (!tsdb_step(b->db, &did, &e)) {
            die("a step", &e);
        }
        clk_manual_advance(b->clk, STEP_MS);
    }
    (void)printf("{\"series\": %u, \"rows\": %u, \"anonymous_bytes\": %llu}\n", b->series, b->rows,
                 (unsigned long long)proc_anonymous_bytes());
    (void)fflush(stdout);
    (void)raise(SIGKILL);
    exit(1);
}

static void run_compare(struct bench *b, u32 series, const struct series_run *run, u32 *row)
{
    for (u32 i = 0; i < run->n; i++, (*row)++) {
        b->read++;
        b->wrong += run->t_ms[i] != b->start_ms + (i64)*row * STEP_MS ||
                    bits_of_f64(run->values[i]) != bits_of_f64(node_like_value(series, *row));
    }
}

// One series by all its labels.
static void select_compare(struct bench *b, struct storage_querier *q, u32 series)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    const struct labels ls = node_like_labels(a, series);
    struct matcher *ms = ARENA_NEW_N(a, struct matcher, ls.count);
    for (u32 i = 0; i < ls.count; i++) {
        if (!matcher_init(&ms[i], a, MATCH_EQ, ls.items[i].name, ls.items[i].value, &e)) {
            die("a matcher", &e);
        }
    }
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, ms, ls.count, &hints, NULL, &e);
    if (!c) {
        die("a selection", &e);
    }
    struct series_run run;
    u32 row = 0;
    u32 found = 0;
    while (c->ops->next(c)) {
        found++;
        while (c->ops->run(c, &run)) {
            run_compare(b, series, &run, &row);
        }
    }
    b->wrong += row != b->rows || found != 1;
    if (!c->ops->close(c, NULL, &e)) {
        die("a selection", &e);
    }
    arena_free(a);
}

static int reopen(struct bench *b)
{
    struct error e = {0};
    const i64 began = clk_mono_ns(clk_real());
    const i64 cpu_began = clk_process_cpu_ns();
    store_open(b);
    const i64 opened = clk_mono_ns(clk_real());
    const i64 cpu_opened = clk_process_cpu_ns();
    struct storage_querier *q =
        storage_querier_open(tsdb_storage(b->db), TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    if (!q) {
        die("opening a querier", &e);
    }
    select_compare(b, q, 0);
    const i64 answered = clk_mono_ns(clk_real());
    const u64 anonymous = proc_anonymous_bytes();
    for (u32 i = 0; i < SELECTS; i++) {
        select_compare(b, q, (u32)rng_below(&b->rng, b->series));
    }
    storage_querier_close(q);
    (void)printf("{\"open_s\": %.3f, \"open_cpu_s\": %.3f, \"first_answer_s\": %.3f, "
                 "\"anonymous_bytes\": %llu, \"answers\": {\"read\": %llu, \"wrong\": %llu}}\n",
                 (f64)(opened - began) / 1e9, (f64)(cpu_opened - cpu_began) / 1e9,
                 (f64)(answered - began) / 1e9, (unsigned long long)anonymous,
                 (unsigned long long)b->read, (unsigned long long)b->wrong);
    if (!tsdb_close(b->db, &e)) {
        die("closing", &e);
    }
    return b->wrong != 0;
}

int main(int argc, char **argv)
{
    static struct bench b;
    u64 series = 0;
    u64 rows = 0;
    u64 end_s = 0;
    bool filling = argc == 6 && str_eq(str_c(argv[1]), STR("fill"));
    if (argc != 6 || (!filling && !str_eq(str_c(argv[1]), STR("open"))) ||
        !parse_u64(str_c(argv[3]), &series) || !parse_u64(str_c(argv[4]), &rows) ||
        !parse_u64(str_c(argv[5]), &end_s) || series == 0 || series > SERIES_MAX || rows == 0 ||
        rows > ROWS_LIMIT || end_s > (u64)1 << 40) {
        (void)fprintf(stderr, "usage: bench_restart fill|open DIR SERIES ROWS END_S\n");
        return 2;
    }
    b.dir = argv[2];
    b.series = (u32)series;
    b.rows = (u32)rows;
    b.start_ms = (i64)end_s * 1000 - (i64)(rows - 1) * STEP_MS;
    b.clk = clk_manual_new(filling ? b.start_ms : (i64)end_s * 1000);
    rng_init(&b.rng, 1);
    if (filling) {
        fill(&b);
    }
    int status = reopen(&b);
    clk_manual_free(b.clk);
    return status;
}
