// head_bench.c: what a series costs in the head: memory, appends, births, selections.
//
//   bench_head DIR [SERIES [ROWS]]        100000 series, 480 rows 15 s apart (two hours)
//
// Targets of 1000 series each, shaped like node_exporter's: ten labels, of which six are the
// target's own; values in the shares that a capture of it shows (three fifths never move, a tenth
// moves at times, the rest are busy counters and gauges of whole and decimal numbers), and two in a
// hundred that use every bit. All comes from the numbers of series and row, so every run
// is the same. Rows go in as batches of 2000 samples, with the background steps in between. DIR
// holds the store and is removed first.
//
// Prints one JSON object. Times are CPU time of the process: us_new_series (with its record in
// the log), ns_append (with the log), ns_append_bare (judged and applied, no log), us_select (one
// series by three matchers), ms_regex (how many series an expression over every instance finds).
// bytes_per_series is anonymous memory over the last 120 rows, at its mean and its peak.
// parts says what of that the head knows of, at the look with the highest sum: rows of the table,
// the map that finds series by labels, their label parts, symbols and pairs, sets of the index,
// open values, sealed chunks in memory, times of rows and other places of the windows.
// answers: samples read back and those among them that differ.
// ended: half of the targets end with a staleness marker, and three minutes pass; bytes_freed is
// how much less memory open values take then, for each series that ended. (The allocator gives it
// back to the system within ten seconds.)
//
// Memory: 8 bytes a series of its own, taken off the figures. Threads: one.
#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "bench/node_like.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/rng.h"
#include "storage/storage.h"
#include "tsdb/head.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH = 2000,
    STEP_BATCHES = 20,
    STEP_MS = 15000,
    LOOK_ROWS = 120,
    BARE_ROWS = 60,
    ENDED_ROWS = 12,
    SERIES_MAX = 5000000
};
#define START_MS ((i64)1700006400000) // A multiple of two hours.

// What the head holds, in bytes. Threads: owned.
struct head_bytes_parts {
    u64 rows;
    u64 map;
    u64 labels;
    u64 index;
    u64 sets;
    u64 cells;
    u64 sealed;
    u64 windows;
    u64 other; // Anonymous memory that is none of these.
};

// Threads: owned.
struct bench {
    const char *dir;
    u32 series;
    u32 rows;
    struct clk *clk;
    struct rng rng;
    struct tsdb *db;
    struct storage_appender *appender;
    struct series_ref *refs;
    i64 t[BATCH];
    f64 values[BATCH];
    u8 outcomes[BATCH];
    u64 base_bytes;
    u64 seen_bytes;
    u64 peak_bytes;
    struct head_bytes_parts parts;
    u32 looks;
    f64 us_new;
    f64 ns_append;
    f64 ns_bare;
    f64 us_select;
    f64 ms_regex;
    u64 regex_found;
    f64 freed; // Bytes for each series that ended.
    u64 read;
    u64 wrong;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_head: %s: %s\n", what, e && e->text[0] ? e->text : "unexpected");
    exit(1);
}

static f64 cpu_ns(void)
{
    return (f64)clk_process_cpu_ns();
}

static struct head_bytes_parts parts_get(const struct head *h, u64 anonymous)
{
    struct head_bytes_parts p = {.rows = (u64)h->count * (sizeof(struct head_row) + 16),
                                 .map = map_bytes(&h->by_labels),
                                 .labels = head_parts_bytes(&h->parts),
                                 .index = head_index_bytes_base(&h->index),
                                 .cells = open_cells_bytes(&h->cells)};
    p.sets = head_index_bytes_sets(&h->index, 0, h->index.pair_count);
    for (u32 i = 0; i < h->window_count; i++) {
        const struct head_window *w = h->windows[i];
        p.sealed += sealed_store_bytes(&w->sealed);
        p.windows += window_bytes(w) - sealed_store_bytes(&w->sealed);
    }
    const u64 known = p.rows + p.map + p.labels + p.index + p.sets + p.cells + p.sealed + p.windows;
    p.other = anonymous - MIN(anonymous, known);
    return p;
}

static void memory_look(struct bench *b)
{
    u64 now = proc_anonymous_bytes();
    now -= MIN(now, b->base_bytes);
    b->seen_bytes += now;
    if (now > b->peak_bytes) {
        b->peak_bytes = now;
        b->parts = parts_get(b->db->heads[SHARD_MAIN], now);
    }
    b->looks++;
}

static void commit(struct bench *b)
{
    struct error e = {0};
    u64 position;
    if (!b->appender->ops->commit(b->appender, DURABILITY_PERIODIC, &position, &e)) {
        die("a commit", &e);
    }
}

static void step(struct bench *b)
{
    struct error e = {0};
    bool did;
    if (!tsdb_step(b->db, &did, &e)) {
        die("a step", &e);
    }
}

static void outcomes_check(const struct bench *b, u32 n, const char *what)
{
    for (u32 i = 0; i < n; i++) {
        if (b->outcomes[i] != APPEND_STORED) {
            die(what, NULL);
        }
    }
}

static void series_make(struct bench *b)
{
    struct error e = {0};
    u64 spent = 0;
    for (u32 from = 0; from < b->series; from += BATCH) {
        const u32 n = MIN(BATCH, b->series - from);
        if (!node_like_resolve(b->appender, from, n, b->refs + from, &spent, &e)) {
            die("new series", &e);
        }
        if (from / BATCH % STEP_BATCHES == 0) { // Or the log's buffer holds all definitions.
            step(b);
        }
    }
    b->us_new = (f64)spent / b->series / 1000;
}

// Series below ended write their marker.
static u32 batch_fill(struct bench *b, u32 from, u32 row, u32 ended)
{
    u32 n = MIN(BATCH, b->series - from);
    for (u32 i = 0; i < n; i++) {
        b->t[i] = START_MS + (i64)row * STEP_MS;
        b->values[i] = from + i < ended ? stale_nan() : node_like_value(from + i, row);
    }
    return n;
}

static void batch_append(struct bench *b, u32 from, u32 n)
{
    struct error e = {0};
    const struct append_batch batch = {
        .refs = b->refs + from, .t_ms = b->t, .values = b->values, .n = n, .outcomes = b->outcomes};
    if (!b->appender || !b->appender->ops->append(b->appender, &batch, &e)) {
        die("an append", &e);
    }
    commit(b);
}

static void rows_append(struct bench *b)
{
    f64 spent = 0;
    for (u32 row = 0; row < b->rows; row++) {
        for (u32 from = 0; from < b->series; from += BATCH) {
            const u32 n = batch_fill(b, from, row, 0);
            f64 begun = cpu_ns();
            batch_append(b, from, n);
            spent += cpu_ns() - begun;
            outcomes_check(b, n, "a sample");
        }
        f64 begun = cpu_ns();
        step(b);
        spent += cpu_ns() - begun;
        clk_manual_advance(b->clk, STEP_MS);
        if (row + LOOK_ROWS >= b->rows && row % 7 == 0) {
            memory_look(b);
        }
    }
    memory_look(b);
    b->ns_append = spent / b->series / b->rows;
}

static void half_end(struct bench *b)
{
    const u32 ended = b->series / 2 / BATCH * BATCH;
    const struct open_cells *cells = &b->db->heads[SHARD_MAIN]->cells;
    const u64 before = open_cells_bytes(cells);
    for (u32 row = b->rows; row < b->rows + ENDED_ROWS; row++) {
        for (u32 from = row == b->rows ? 0 : ended; from < b->series; from += BATCH) {
            batch_append(b, from, batch_fill(b, from, row, ended));
        }
        step(b);
        clk_manual_advance(b->clk, STEP_MS);
    }
    const i64 freed = (i64)before - (i64)open_cells_bytes(cells);
    b->freed = ended > 0 ? (f64)freed / ended : 0;
}

// A head of its own, without a log: judged and applied.
static void rows_bare(struct bench *b)
{
    struct head_limits limits = {.series_max = SERIES_MAX * 2};
    struct arena *a = arena_new((size_t)64 << 20);
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 30);
    struct head_plan plan = {0};
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    const struct head_rules rules = {.tenant = TENANT_DEFAULT, .t_newest = INT64_MAX};
    f64 spent = 0;
    for (u32 from = 0; from < b->series; from += BATCH) {
        u32 n = MIN(BATCH, b->series - from);
        struct labels *sets = ARENA_NEW_N(a, struct labels, n);
        for (u32 i = 0; i < n; i++) {
            sets[i] = node_like_labels(a, from + i);
        }
        head_resolve(h, &asker, sets, n, b->refs + from, b->outcomes);
        arena_reset(a);
    }
    for (u32 row = 0; row < BARE_ROWS; row++) {
        for (u32 from = 0; from < b->series; from += BATCH) {
            u32 n = batch_fill(b, from, row, 0);
            f64 begun = cpu_ns();
            head_turn_take(h);
            const struct append_batch batch = {.refs = b->refs + from,
                                               .t_ms = b->t,
                                               .values = b->values,
                                               .n = n,
                                               .outcomes = b->outcomes};
            CHECK(head_check_floats(h, &plan, &rules, &batch, 0) == n);
            head_apply(h, &plan);
            head_turn_drop(h);
            spent += cpu_ns() - begun;
        }
    }
    b->ns_bare = spent / b->series / BARE_ROWS;
    mem_free(plan.writes);
    head_free(h);
    arena_free(a);
}

static void run_compare(struct bench *b, u32 series, const struct series_run *run, u32 *row)
{
    for (u32 i = 0; i < run->n; i++, (*row)++) {
        b->read++;
        b->wrong += run->t_ms[i] != START_MS + (i64)*row * STEP_MS ||
                    bits_of_f64(run->values[i]) != bits_of_f64(node_like_value(series, *row));
    }
}

// One series by name, device and instance.
static void one_select(struct bench *b, struct storage_querier *q, u32 series)
{
    static const u32 picked[] = {0, 2, 4};
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct labels ls = node_like_labels(a, series);
    struct matcher ms[ARRAY_LEN(picked)];
    for (size_t i = 0; i < ARRAY_LEN(picked); i++) {
        const struct label *l = &ls.items[picked[i]];
        if (!matcher_init(&ms[i], a, MATCH_EQ, l->name, l->value, &e)) {
            die("a matcher", &e);
        }
    }
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    f64 begun = cpu_ns();
    struct series_cursor *c = q->ops->select(q, ms, ARRAY_LEN(picked), &hints, NULL, &e);
    if (!c || !c->ops->next(c)) {
        die("a selection", &e);
    }
    b->us_select += cpu_ns() - begun;
    struct series_run run;
    u32 row = 0;
    while (c->ops->run(c, &run)) {
        run_compare(b, series, &run, &row);
    }
    b->wrong += row != b->rows;
    bool more = c->ops->next(c);
    if (!c->ops->close(c, NULL, &e) || more) {
        die("a selection", &e);
    }
    arena_free(a);
}

static void all_regex(struct bench *b, struct storage_querier *q)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    if (!matcher_init(&m, a, MATCH_RE, LABEL_INSTANCE, STR(".*[02468]:9.00"), &e)) {
        die("a matcher", &e);
    }
    f64 begun = cpu_ns();
    if (!q->ops->series_count(q, &m, 1, &b->regex_found, &e)) {
        die("a count", &e);
    }
    b->ms_regex = (cpu_ns() - begun) / 1e6;
    arena_free(a);
}

static void questions_ask(struct bench *b)
{
    enum { SELECTS = 500 };
    struct error e = {0};
    struct storage_querier *q =
        storage_querier_open(tsdb_storage(b->db), TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    if (!q) {
        die("opening a querier", &e);
    }
    for (u32 i = 0; i < SELECTS; i++) {
        one_select(b, q, (u32)rng_below(&b->rng, b->series));
    }
    b->us_select /= SELECTS * 1000.0;
    all_regex(b, q);
    storage_querier_close(q);
}

static void store_open(struct bench *b)
{
    struct error e = {0};
    if (!fs_remove_tree(fs_real(), b->dir, &e)) {
        die(b->dir, &e);
    }
    const struct tsdb_opts opts = {.fs = fs_real(), .clk = b->clk, .rng = &b->rng, .dir = b->dir};
    b->db = tsdb_open(&opts, &e);
    b->appender =
        b->db ? storage_appender_open(tsdb_storage(b->db), TENANT_DEFAULT, STREAM_SCRAPE, &e)
              : NULL;
    if (!b->appender) {
        die(b->dir, &e);
    }
}

static void figures_print(const struct bench *b)
{
    (void)printf("{\"series\": %u, \"rows\": %u, \"us_new_series\": %.3f, \"ns_append\": %.1f, "
                 "\"ns_append_bare\": %.1f, ",
                 b->series, b->rows, b->us_new, b->ns_append, b->ns_bare);
    (void)printf("\"bytes_per_series\": {\"mean\": %.0f, \"peak\": %.0f}, ",
                 (f64)b->seen_bytes / b->looks / b->series, (f64)b->peak_bytes / b->series);
    const struct head_bytes_parts *p = &b->parts;
    const f64 n = b->series;
    (void)printf("\"parts\": {\"rows\": %.1f, \"map\": %.1f, \"labels\": %.1f, \"index\": %.1f, "
                 "\"sets\": %.1f, \"cells\": %.1f, \"sealed\": %.1f, \"windows\": %.1f, "
                 "\"other\": %.1f}, ",
                 (f64)p->rows / n, (f64)p->map / n, (f64)p->labels / n, (f64)p->index / n,
                 (f64)p->sets / n, (f64)p->cells / n, (f64)p->sealed / n, (f64)p->windows / n,
                 (f64)p->other / n);
    (void)printf("\"ended\": {\"bytes_freed\": %.1f}, ", b->freed);
    (void)printf("\"us_select\": %.1f, \"ms_regex\": %.2f, \"regex_found\": %llu, "
                 "\"answers\": {\"read\": %llu, \"wrong\": %llu}}\n",
                 b->us_select, b->ms_regex, (unsigned long long)b->regex_found,
                 (unsigned long long)b->read, (unsigned long long)b->wrong);
}

int main(int argc, char **argv)
{
    static struct bench b = {.series = 100000, .rows = 480};
    u64 series = b.series;
    u64 rows = b.rows;
    if (argc < 2 || argc > 4 || (argc > 2 && !parse_u64(str_c(argv[2]), &series)) ||
        (argc > 3 && !parse_u64(str_c(argv[3]), &rows)) || series == 0 || series > SERIES_MAX ||
        rows == 0 || rows > 480) {
        (void)fprintf(stderr, "usage: bench_head DIR [SERIES [ROWS]]\n");
        return 2;
    }
    b.dir = argv[1];
    b.series = (u32)series;
    b.rows = (u32)rows;
    b.clk = clk_manual_new(START_MS);
    b.refs = MEM_NEW_N(struct series_ref, b.series);
    memset(b.refs, 1, b.series * sizeof(*b.refs)); // So that they are there before we measure.
    rng_init(&b.rng, 1);
    b.base_bytes = proc_anonymous_bytes();
    store_open(&b);
    series_make(&b);
    rows_append(&b);
    questions_ask(&b);
    half_end(&b);
    struct error e = {0};
    storage_appender_close(b.appender);
    if (!tsdb_close(b.db, &e) || !fs_remove_tree(fs_real(), b.dir, &e)) {
        die("closing", &e);
    }
    rows_bare(&b);
    figures_print(&b);
    clk_manual_free(b.clk);
    mem_free(b.refs);
    return b.wrong != 0;
}
