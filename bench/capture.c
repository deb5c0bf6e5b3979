// capture.c: writes a capture of a real exporter into the storage engine as scrapes, cuts its
// blocks and reads every sample back.
//
//   bench_capture DIR START_MS [compact] < capture.tsv
//
// The capture: a line "#ts<TAB>ms…" with the true times of scrapes, then "series<TAB>value…" for
// each series in exposition text, an empty value where a scrape did not have it. A scrape counts
// as 15 s after the one before; how late it truly was stays. Scrape k stands at
// START_MS + 15000 k + lateness. Blocks of a day are joined with "compact". Prints one JSON object:
// series, samples, wal_bytes (the log of all scrapes), wrong (samples that did not come back bit
// for bit, or came back unasked). The files are below DIR/blocks, to be weighed.
//
// Memory: the capture, 8 bytes a cell.
// Threads: one.
#include "base/arena.h"
#include "base/base.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "ingest/ingest.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "storage/storage.h"
#include "tsdb/tsdb.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>
#include <stdlib.h>

enum { GRID_MS = 15000, CAPTURE_GRID_MS = 1000, SCRAPES_MAX = 100000, SERIES_MAX = 100000 };
#define INPUT_MAX ((size_t)1 << 30)

// Threads: owned.
struct capture {
    struct arena *arena;
    i64 *t_ms;
    u32 scrapes;
    struct labels *labels;
    struct series_ref *refs;
    f64 *values; // [series * scrapes + scrape]
    bool *there;
    u32 series;
    u64 samples;
    u64 wal_bytes;
    u64 wrong;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_capture: %s: %s\n", what, e ? e->text : "bad input");
    exit(1);
}

static void times_read(struct capture *c, str line, i64 start_ms)
{
    str piece;
    str rest = line;
    i64 first = 0;
    i64 t;
    c->t_ms = ARENA_NEW_N(c->arena, i64, SCRAPES_MAX);
    while (str_split_next(&rest, '\t', &piece)) {
        if (c->scrapes == SCRAPES_MAX || !parse_i64(piece, &t)) {
            die("times of the scrapes", NULL);
        }
        i64 k = c->scrapes++;
        first = k == 0 ? t : first;
        c->t_ms[k] = start_ms + GRID_MS * k + (t - first - CAPTURE_GRID_MS * k);
        if (k > 0 && c->t_ms[k] <= c->t_ms[k - 1]) {
            die("times that do not rise", NULL);
        }
    }
}

static struct labels series_labels(struct capture *c, str series)
{
    struct error e = {0};
    struct expo_entry entry;
    struct labels ls;
    str page = arena_printf(c->arena, "%.*s 1\n", STR_ARG(series));
    struct expo *x = expo_open(page, EXPO_TEXT);
    if (!expo_next(x, &entry) || !expo_labels(x, &entry, c->arena, &ls, NULL, &e)) {
        die(page.ptr, &e);
    }
    struct labels_builder b; // What a scrape adds; it marks them as one target's.
    labels_builder_init(&b, c->arena, ls);
    labels_builder_set(&b, LABEL_INSTANCE, STR("127.0.0.1:9100"));
    labels_builder_set(&b, LABEL_JOB, STR("capture"));
    struct labels copy = labels_copy(c->arena, labels_builder_take(&b));
    (void)expo_close(x, NULL, &e);
    return copy;
}

static void series_read(struct capture *c, str line)
{
    str rest = line;
    str piece;
    if (c->series == SERIES_MAX || !str_split_next(&rest, '\t', &piece)) {
        die("series", NULL);
    }
    c->labels[c->series] = series_labels(c, piece);
    size_t row = (size_t)c->series++ * c->scrapes;
    c->values = MEM_GROW(c->values, row + c->scrapes, f64);
    c->there = MEM_GROW(c->there, row + c->scrapes, bool);
    for (u32 k = 0; k < c->scrapes; k++) {
        c->there[row + k] = str_split_next(&rest, '\t', &piece) && piece.len > 0;
        if (c->there[row + k] && !num_parse(piece, &c->values[row + k])) {
            die("a value", NULL);
        }
        c->samples += c->there[row + k];
    }
}

static void capture_read(struct capture *c, i64 start_ms)
{
    struct buf in;
    buf_init(&in, INPUT_MAX);
    size_t got = 1;
    while (got > 0) {
        char *room = buf_room(&in, 1 << 20);
        if (!room) {
            die("standard input is too large", NULL);
        }
        got = fread(room, 1, 1 << 20, stdin);
        buf_commit(&in, got);
    }
    str rest = buf_get(&in);
    str line;
    c->labels = ARENA_NEW_N(c->arena, struct labels, SERIES_MAX);
    while (str_split_next(&rest, '\n', &line)) {
        if (str_starts(line, STR("#ts\t"))) {
            times_read(c, str_sub(line, 4, line.len), start_ms);
        } else if (line.len > 0) {
            series_read(c, line);
        }
    }
    buf_fini(&in);
}

static void resolve(struct capture *c, struct storage_appender *a)
{
    u8 *outcomes = ARENA_NEW_N(c->arena, u8, c->series);
    c->refs = ARENA_NEW_N(c->arena, struct series_ref, c->series);
    a->ops->resolve(a, c->labels, c->series, c->refs, outcomes);
    for (u32 i = 0; i < c->series; i++) {
        if (outcomes[i] != APPEND_STORED) {
            die("a series was refused", NULL);
        }
    }
}

// Threads: owned; the columns of one scrape.
struct row {
    struct series_ref *refs;
    i64 *t_ms;
    f64 *values;
    u8 *outcomes;
};

static void scrape_write(struct capture *c, struct storage_appender *a, struct row *r, u32 k)
{
    struct error e = {0};
    u64 position;
    u32 n = 0;
    for (u32 s = 0; s < c->series; s++) {
        size_t at = (size_t)s * c->scrapes + k;
        if (c->there[at]) {
            r->refs[n] = c->refs[s];
            r->t_ms[n] = c->t_ms[k];
            r->values[n++] = c->values[at];
        }
    }
    const struct append_batch b = {
        .refs = r->refs, .t_ms = r->t_ms, .values = r->values, .n = n, .outcomes = r->outcomes};
    if (!a->ops->append(a, &b, &e) || !a->ops->commit(a, DURABILITY_PERIODIC, &position, &e)) {
        die("writing a scrape", &e);
    }
    for (u32 i = 0; i < n; i++) {
        if (r->outcomes[i] != APPEND_STORED) {
            die(append_outcome_text((enum append_outcome)r->outcomes[i]), NULL);
        }
    }
}

static void steps(struct tsdb *db)
{
    bool did = true;
    while (did) {
        struct error e = {0};
        if (!tsdb_step(db, &did, &e)) {
            die("cutting", &e);
        }
    }
}

// A lone sample a day later makes every window before it due.
static void close_windows(struct storage_appender *a, struct clk *clk)
{
    const struct label name = {LABEL_NAME, STR("bench_later")};
    const struct labels ls = {.items = &name, .count = 1};
    struct error e = {0};
    struct series_ref ref;
    u8 outcome;
    u64 position;
    f64 value = 0;
    clk_manual_advance(clk, 86400000);
    i64 t = clk_wall_ms(clk);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    const struct append_batch b = {
        .refs = &ref, .t_ms = &t, .values = &value, .n = 1, .outcomes = &outcome};
    if (!a->ops->append(a, &b, &e) || !a->ops->commit(a, DURABILITY_PERIODIC, &position, &e) ||
        outcome != APPEND_STORED) {
        die("the closing sample", &e);
    }
}

static void write_all(struct capture *c, struct tsdb *db, struct clk *clk)
{
    struct error e = {0};
    struct storage_appender *a =
        storage_appender_open(tsdb_storage(db), TENANT_DEFAULT, STREAM_SCRAPE, &e);
    if (!a) {
        die("opening an appender", &e);
    }
    struct row r = {.refs = ARENA_NEW_N(c->arena, struct series_ref, c->series),
                    .t_ms = ARENA_NEW_N(c->arena, i64, c->series),
                    .values = ARENA_NEW_N(c->arena, f64, c->series),
                    .outcomes = ARENA_NEW_N(c->arena, u8, c->series)};
    resolve(c, a);
    for (u32 k = 0; k < c->scrapes; k++) {
        clk_manual_advance(clk, c->t_ms[k] - clk_wall_ms(clk));
        scrape_write(c, a, &r, k);
    }
    struct tsdb_status status;
    tsdb_status_get(db, 0, c->arena, &status);
    c->wal_bytes = status.wal_bytes;
    close_windows(a, clk);
    steps(db);
    close_windows(a, clk); // Only when one behind it is cut, a day is due to be joined.
    storage_appender_close(a);
    steps(db);
}

// How many samples of series s differ from what was written, were lost or were added.
static u64 run_wrong(const struct capture *c, u32 s, const struct series_run *run, u32 *k)
{
    u64 wrong = 0;
    const f64 *values = &c->values[(size_t)s * c->scrapes];
    const bool *there = &c->there[(size_t)s * c->scrapes];
    for (u32 i = 0; i < run->n; i++) {
        while (*k < c->scrapes && (!there[*k] || c->t_ms[*k] < run->t_ms[i])) {
            wrong += there[(*k)++];
        }
        if (*k == c->scrapes || c->t_ms[*k] != run->t_ms[i] ||
            bits_of_f64(values[*k]) != bits_of_f64(run->values[i])) {
            wrong++;
        }
        *k = MIN(*k + 1, c->scrapes);
    }
    return wrong;
}

static u64 series_wrong(const struct capture *c, struct storage_querier *q, u32 s)
{
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    struct labels ls = c->labels[s];
    struct matcher *ms = ARENA_NEW_N(a, struct matcher, ls.count);
    for (u32 i = 0; i < ls.count; i++) {
        if (!matcher_init(&ms[i], a, MATCH_EQ, ls.items[i].name, ls.items[i].value, &e)) {
            die("a matcher", &e);
        }
    }
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *cursor = q->ops->select(q, ms, ls.count, &h, NULL, &e);
    if (!cursor) {
        die("selecting", &e);
    }
    u64 wrong = 0;
    u32 k = 0;
    while (cursor->ops->next(cursor)) {
        struct series_run run;
        while (labels_eq(cursor->ops->labels(cursor), ls) && cursor->ops->run(cursor, &run)) {
            wrong += run_wrong(c, s, &run, &k);
        }
    }
    for (; k < c->scrapes; k++) {
        wrong += c->there[(size_t)s * c->scrapes + k];
    }
    struct storage_warnings w = {0};
    if (!cursor->ops->close(cursor, &w, &e) || w.partial) {
        die("reading", &e);
    }
    arena_free(a);
    return wrong;
}

static void read_all(struct capture *c, struct tsdb *db)
{
    struct error e = {0};
    struct storage_querier *q =
        storage_querier_open(tsdb_storage(db), TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    if (!q) {
        die("opening a querier", &e);
    }
    for (u32 s = 0; s < c->series; s++) {
        c->wrong += series_wrong(c, q, s);
    }
    storage_querier_close(q);
}

int main(int argc, char **argv)
{
    i64 start_ms;
    bool compact = argc == 4 && str_eq(str_c(argv[3]), STR("compact"));
    if ((argc != 3 && !compact) || !parse_i64(str_c(argv[2]), &start_ms)) {
        (void)fprintf(stderr, "usage: bench_capture DIR START_MS [compact] < capture.tsv\n");
        return 2;
    }
    struct error e = {0};
    struct rng rng;
    struct capture c = {.arena = arena_new(INPUT_MAX)};
    struct clk *clk = clk_manual_new(start_ms);
    rng_init(&rng, 1);
    capture_read(&c, start_ms);
    const struct tsdb_opts opts = {
        .fs = fs_real(), .clk = clk, .rng = &rng, .dir = argv[1], .compact_off = !compact};
    struct tsdb *db = tsdb_open(&opts, &e);
    if (!db) {
        die(argv[1], &e);
    }
    write_all(&c, db, clk);
    if (!tsdb_close(db, &e)) {
        die("closing", &e);
    }
    db = tsdb_open(&opts, &e); // What is read back went through the files.
    if (!db) {
        die(argv[1], &e);
    }
    read_all(&c, db);
    (void)printf("{\"series\": %u, \"samples\": %llu, \"wal_bytes\": %llu, \"wrong\": %llu}\n",
                 c.series, (unsigned long long)c.samples, (unsigned long long)c.wal_bytes,
                 (unsigned long long)c.wrong);
    if (!tsdb_close(db, &e)) {
        die("closing", &e);
    }
    clk_manual_free(clk);
    arena_free(c.arena);
    mem_free(c.values);
    mem_free(c.there);
    return 0;
}
