// import_fuzz.c: a file for create-blocks-from, of foreign bytes or made of them line by line,
// becomes blocks: by all at once, by ranges or by series, as its first byte says. What is read of
// the blocks is what the file says, each sample once; a file that is refused leaves no block.
//
// import_planted_fuzz is this file with a reader that believes a series to have at most two samples
// in a block: a run that does not find it has not looked deep enough to count.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "cmd/import_page.h"
#include "os/clk.h"
#include "os/rng.h"
#include "storage/storage.h"
#include "tsdb/tsdb.h"
#include "tsdb/tsdb_files.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define NOW_MS       1700000000000
#define TEXT_MAX     ((size_t)64 << 10)
#define LINES_MAX    400U
#define FS_BYTES_MAX ((u64)256 << 20)

// Threads: owned.
struct choices {
    const u8 *data;
    size_t size;
    size_t at;
};

// A choice below n; 0 once the bytes are used up.
static u32 choose(struct choices *c, u32 n)
{
    return c->at < c->size ? c->data[c->at++] % n : 0;
}

static void pick(struct choices *c, struct buf *text, const char *const *of, u32 n)
{
    buf_c(text, of[choose(c, n)]);
}

#define PICK(c, text, ...)                                                                         \
    do {                                                                                           \
        static const char *const of[] = {__VA_ARGS__};                                             \
        pick(c, text, of, (u32)ARRAY_LEN(of));                                                     \
    } while (0)

// A line that is mostly taken: the value goes with the time, so that a sample told twice is the
// same. Five bytes make a line, and of them one says whether and where it is odd.
static void line_make(struct choices *c, struct buf *text)
{
    static const char *const values[] = {"1", "2", "-0", "NaN", "+Inf", "1e300", "0.1", "5e-324"};
    const u32 odd = choose(c, 64);
    if (odd == 63) {
        PICK(c, text, "# TYPE a counter\n", "# TYPE b gauge\n", "# HELP a h\n", "\n", "# x\n",
             "# TYPE a histogram\n");
        return;
    }
    PICK(c, text, "a", "a", "b", "long_name_of_a_metric", "{\"quoted.name\"}", "_");
    if (odd == 62) {
        PICK(c, text, "{x=\"1\",x=\"2\"} ", "{x} ", "{} ", "\\ ", " {x=\"1\"} ");
    } else {
        PICK(c, text, " ", " ", "{x=\"1\"} ", "{x=\"2\"} ", "{y=\"\\\"q\\n\"} ", "{le=\"1\"} ");
    }
    const u32 second = choose(c, 200);
    if (odd == 61) {
        PICK(c, text, "x", "0x1", "", "9 9", "1e999");
    } else {
        buf_c(text, values[second % ARRAY_LEN(values)]);
    }
    if (odd == 60) {
        PICK(c, text, " ", " 1.7e9", " 99999999999", " -5", " 1e30", " x", " 0 # {t=\"1\"} 1");
    } else {
        buf_printf(text, " %u", 1600000000 + second);
        PICK(c, text, "", "", "", "", ".5", ".25", ".0001");
    }
    buf_c(text, "\n");
}

static void text_make(struct choices *c, struct buf *text)
{
    for (u32 i = 0; i < LINES_MAX && c->at < c->size; i++) {
        line_make(c, text);
    }
    buf_c(text, "# EOF\n");
}

// What the file says, line by line. Threads: owned.
struct told {
    str series;
    struct labels labels;
    i64 t_ms;
    f64 value;
    bool seen; // In the blocks.
};
struct truth {
    struct told *items;
    u32 n;
};

// The same text means the same labels, those of its first line: a TYPE line of another family
// between two of them, which makes le="1" le="1.0", changes nothing.
static struct labels labels_first(const struct truth *t, const struct told *one)
{
    u32 i = 0;
    while (!str_eq(t->items[i].series, one->series)) {
        i++;
    }
    return t->items[i].labels;
}

static void truth_read(struct truth *t, str text, struct arena *a)
{
    struct expo *x = expo_open(text, EXPO_OPENMETRICS);
    struct expo_entry entry;
    t->items = ARENA_NEW_N(a, struct told, text.len + 1);
    while (expo_next(x, &entry)) {
        struct told *one = &t->items[t->n];
        if (entry.kind == EXPO_SAMPLE) {
            CHECK(entry.has_t && expo_labels(x, &entry, a, &one->labels, NULL, NULL));
            one->series = entry.series;
            one->labels = labels_copy(a, one->labels);
            one->labels = labels_first(t, one);
            one->t_ms = entry.t_ms;
            one->value = entry.value;
            t->n++;
        }
    }
    CHECK(expo_close(x, NULL, NULL));
}

// One sample of the blocks: the file has it, and no block had it before.
static void sample_check(struct truth *t, struct labels labels, i64 t_ms, f64 value)
{
    bool found = false;
    for (u32 i = 0; i < t->n; i++) {
        struct told *one = &t->items[i];
        if (one->t_ms == t_ms && labels_eq(one->labels, labels)) {
            CHECK(!one->seen && bits_of_f64(one->value) == bits_of_f64(value));
            one->seen = true;
            found = true;
        }
    }
    CHECK(found);
}

// What a careless caller would do with a run of a block.
static void run_keep(const struct series_run *run)
{
#ifdef TIDEMARK_PLANTED_FAULT
    f64 kept[2];
    memcpy(kept, run->values, run->n * sizeof(*kept));
    CHECK(bits_of_f64(kept[0]) == bits_of_f64(run->values[0]));
#else
    CHECK(run->n > 0 && run->kind == SAMPLE_FLOAT);
#endif
}

static void blocks_check(const struct tsdb_import_opts *opts, struct truth *t)
{
    struct error e;
    const struct tsdb_opts store = {.fs = opts->fs,
                                    .clk = opts->clk,
                                    .rng = opts->rng,
                                    .dir = opts->dir,
                                    .block_range_ms = opts->block_range_ms,
                                    .image_every_ms = -1,
                                    .compact_off = true};
    struct tsdb *db = tsdb_open(&store, &e);
    CHECK(db);
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX, .sorted = true};
    struct storage_warnings w = {0};
    struct storage_querier *q =
        storage_querier_open(tsdb_storage(db), TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    CHECK(c);
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            run_keep(&run);
            for (u32 i = 0; i < run.n; i++) {
                sample_check(t, c->ops->labels(c), run.t_ms[i], run.values[i]);
            }
        }
    }
    CHECK(c->ops->close(c, &w, &e) && !w.partial);
    for (u32 i = 0; i < t->n; i++) {
        CHECK(t->items[i].seen);
    }
    storage_querier_close(q);
    CHECK(tsdb_close(db, &e));
}

static void nothing_is_listed(struct fs *fs, struct arena *a)
{
    struct fs_info *infos = NULL;
    size_t n = 0;
    CHECK(!fs_list(fs, "/data/blocks", a, &infos, &n, NULL) || n == 0);
}

static void file_put(struct fs *fs, const char *path, str bytes)
{
    struct error e;
    struct file *f = fs_open(fs, path, FS_TRUNCATE, &e);
    CHECK(f && fs_write_at(fs, f, 0, bytes, &e));
    fs_close(fs, f);
}

static void import_check(struct fs *fs, u8 how, str text, struct arena *a)
{
    static const u64 sample_bytes[] = {0, 64, 640, 6400};
    struct error e = {0};
    struct rng rng;
    struct import_page p;
    struct truth t = {0};
    struct tsdb_imported done = {0};
    struct clk *clk = clk_manual_new(NOW_MS);
    rng_init(&rng, how);
    const struct tsdb_import_opts opts = {.fs = fs,
                                          .clk = clk,
                                          .rng = &rng,
                                          .dir = "/data",
                                          .block_range_ms = how & 2 ? 0 : 60000,
                                          .series_bytes_max = how & 4 ? 0 : (u64)64 << 10,
                                          .sample_bytes_max = sample_bytes[how >> 3 & 3]};
    file_put(fs, "/in", text);
    CHECK(import_page_open(&p, fs, "/in", &e));
    if (tsdb_import(&opts, &p.base, &done, &e)) {
        truth_read(&t, text, a);
        CHECK(done.samples == t.n);
        blocks_check(&opts, &t);
    } else {
        CHECK(e.code != ERR_NONE && e.text[0] != '\0');
        nothing_is_listed(fs, a);
    }
    import_page_close(&p);
    clk_manual_free(clk);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct buf text;
    struct choices c = {.data = data + 1, .size = size - 1};
    struct fs *fs = fs_mem_new(FS_BYTES_MAX);
    struct arena *a = arena_new((size_t)256 << 20);
    buf_init(&text, TEXT_MAX);
    if (data[0] & 1) {
        text_make(&c, &text);
    } else {
        buf_add(&text, c.data, MIN(c.size, TEXT_MAX / 2));
    }
    if (buf_ok(&text)) {
        import_check(fs, data[0], buf_get(&text), a);
    }
    buf_fini(&text);
    arena_free(a);
    fs_mem_free(fs);
    return 0;
}
