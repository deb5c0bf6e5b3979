// compact_boxes_test.c: compactions of histograms, with little memory.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/compact.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define STEP    1000
#define BUCKETS 800U

// Of tick: the same layout each time, so that whole chunks are one run.
static void hist_send(struct fixture *f, const char *series, i64 t, u64 seed)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    f64 buckets[BUCKETS];
    struct hist_span span = {.offset = 1, .length = BUCKETS};
    struct hist h = {.schema = 3, .positive = {&span, 1, buckets, BUCKETS}};
    for (u32 i = 0; i < BUCKETS; i++) {
        buckets[i] = (f64)(hash_mix(seed, i) % 1000);
        h.count += buckets[i];
    }
    h.sum = h.count * 1.5;
    const struct hist *hist = &h;
    struct labels ls = fixture_labels(series, items, bytes);
    struct series_ref ref;
    u8 kind = SAMPLE_HIST;
    u8 outcome = APPEND_INVALID;
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    assert_non_null(a);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    f64 none = 0;
    struct append_batch b = {.refs = &ref,
                             .t_ms = &t,
                             .kinds = &kind,
                             .values = &none,
                             .hists = &hist,
                             .n = 1,
                             .outcomes = &outcome};
    u64 position;
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    assert_int_equal(outcome, APPEND_STORED);
    storage_appender_close(a);
}

// Of all samples, with their times; *n how many.
static u64 samples_hash(struct fixture *f, u64 *n)
{
    struct error e = {0};
    struct storage_warnings w = {0};
    struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX, .sorted = true};
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    assert_non_null(q);
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    assert_non_null(c);
    u64 hash = 1;
    *n = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        hash = hash_mix(hash, labels_hash(c->ops->labels(c)));
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                hash = hash_mix(hash_mix(hash, (u64)run.t_ms[i]), fixture_sample_hash(&run, i));
            }
            *n += run.n;
        }
    }
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    assert_false(w.partial);
    storage_querier_close(q);
    return hash;
}

// Joins all blocks of /data, whose store is closed.
static bool blocks_join(struct fixture *f, u64 bytes_max, struct error *e)
{
    struct arena *a = arena_new((size_t)1 << 22);
    struct block *blocks[BLOCK_SOURCES_MAX];
    struct tombstones *dead[BLOCK_SOURCES_MAX] = {NULL};
    struct fs_info *infos;
    struct block_meta m;
    size_t n;
    bool made;
    ASSERT_OK(fs_list(f->fs, "/data/blocks", a, &infos, &n, e), *e);
    for (size_t i = 0; i < n; i++) {
        char path[400];
        (void)snprintf(path, sizeof(path), "/data/blocks/%.*s", STR_ARG(infos[i].name));
        blocks[i] = block_open(f->fs, path, 1 + (u32)i, e);
        assert_non_null(blocks[i]);
    }
    struct compact c = {.fs = f->fs,
                        .clk = f->clk,
                        .rng = &f->rng,
                        .dir = "/data/blocks",
                        .blocks = blocks,
                        .count = (u32)n,
                        .dead = dead,
                        .level = 2,
                        .bytes_max = bytes_max};
    bool ok = compact_run(&c, &m, &made, e);
    for (size_t i = 0; i < n; i++) {
        block_close(blocks[i]);
    }
    arena_free(a);
    return ok;
}

static u32 blocks_open(struct fixture *f)
{
    struct tsdb_status status;
    struct arena *a = arena_new((size_t)1 << 22);
    fixture_open(f);
    tsdb_status_get(f->db, 1, a, &status);
    assert_int_equal(status.quarantined, 0);
    arena_free(a);
    return status.blocks;
}

static i64 start_of(void)
{
    return FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 12 * FIXTURE_RANGE;
}

// All boxes of the series take some 3 MB when they are open, those of one chunk a sixth of one.
TEST(compact_opens_the_histograms_of_one_chunk_at_a_time)
{
    struct fixture f;
    struct error e = {0};
    u64 n;
    fixture_init(&f, 61);
    f.opts.compact_off = true;
    fixture_open(&f);
    for (i64 k = 0; k < 7 * 60; k++) {
        i64 t = start_of() + k * STEP;
        hist_send(&f, "sizes,k=v", t, (u64)k);
        assert_int_equal(fixture_put(&f, STREAM_PUSH, "plain,k=v", t, (f64)k), APPEND_STORED);
    }
    fixture_steps(&f);
    u64 hash = samples_hash(&f, &n);
    assert_int_equal(n, 2 * 7 * 60);
    fixture_close(&f);

    assert_false(blocks_join(&f, (u64)300 << 10, &e));
    assert_int_equal(e.code, ERR_LIMIT); // Not damage: the blocks are good and stay.
    u32 before = blocks_open(&f);
    assert_int_equal(before, 6);
    assert_true(samples_hash(&f, &n) == hash);
    fixture_close(&f);

    ASSERT_OK(blocks_join(&f, (u64)1 << 20, &e), e);
    assert_int_equal(blocks_open(&f), 1);
    assert_true(samples_hash(&f, &n) == hash);
    fixture_fini(&f);
}

static void folder_copy(struct fs *fs, const char *from, const char *to)
{
    static const char *const files[] = {"data", "index", "meta"};
    struct error e = {0};
    struct arena *a = arena_new((size_t)64 << 20);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[500];
        str bytes;
        (void)snprintf(path, sizeof(path), "%s/%s", from, files[i]);
        ASSERT_OK(fs_read_file(fs, path, (size_t)16 << 20, a, &bytes, &e), e);
        (void)snprintf(path, sizeof(path), "%s/%s", to, files[i]);
        struct file *file = fs_open(fs, path, FS_TRUNCATE, &e);
        assert_non_null(file);
        ASSERT_OK(fs_write_at(fs, file, 0, bytes, &e), e);
        fs_close(fs, file);
    }
    arena_free(a);
}

// Two stores' blocks over the same times: every second histogram lies between two of the other's,
// the others are at the same time and differ.
TEST(compact_merges_histograms_of_blocks_that_overlap)
{
    struct fixture f;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 22);
    struct fs_info *infos;
    size_t count;
    u64 n;
    fixture_init(&f, 62);
    f.opts.compact_off = true;
    for (u32 other = 0; other < 2; other++) {
        f.opts.dir = other ? "/other" : "/data";
        fixture_open(&f);
        for (i64 k = 0; k < 240; k++) {
            i64 t = start_of() + k * STEP + (other ? k % 2 * 500 : 0);
            if (k % 40 == 39) {
                assert_int_equal(fixture_put(&f, STREAM_PUSH, "sizes,k=v", t, (f64)k),
                                 APPEND_STORED);
            } else {
                hist_send(&f, "sizes,k=v", t, (u64)k + other * 1000);
            }
        }
        fixture_steps(&f);
        fixture_close(&f);
        clk_manual_advance(f.clk, 5);
    }
    ASSERT_OK(fs_list(f.fs, "/other/blocks", a, &infos, &count, &e), e);
    for (size_t i = 0; i < count; i++) {
        char from[400];
        char to[400];
        (void)snprintf(from, sizeof(from), "/other/blocks/%.*s", STR_ARG(infos[i].name));
        (void)snprintf(to, sizeof(to), "/data/blocks/%.*s", STR_ARG(infos[i].name));
        ASSERT_OK(fs_make_dir(f.fs, to, &e), e);
        folder_copy(f.fs, from, to);
    }
    f.opts.dir = "/data";
    u32 blocks = blocks_open(&f);
    u64 hash = samples_hash(&f, &n);
    assert_int_equal(blocks, 2 * count);
    assert_true(n > 240 + 80);
    fixture_close(&f);
    assert_false(blocks_join(&f, (u64)512 << 10, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    ASSERT_OK(blocks_join(&f, (u64)6 << 20, &e), e);
    assert_int_equal(blocks_open(&f), 1);
    u64 merged;
    assert_true(samples_hash(&f, &merged) == hash);
    assert_int_equal(merged, n);
    arena_free(a);
    fixture_fini(&f);
}

TEST(block_reader_forgets_timestamps_beyond_its_share)
{
    struct fixture f;
    struct error e = {0};
    struct fs_info *infos;
    struct block_reader r;
    char path[400];
    size_t n;
    struct arena *a = arena_new((size_t)1 << 22);
    fixture_init(&f, 63);
    f.opts.compact_off = true;
    fixture_open(&f);
    for (i64 k = 0; k < 2 * 60; k++) {
        i64 t = start_of() + k * STEP;
        assert_int_equal(fixture_put(&f, STREAM_PUSH, "plain,k=v", t, (f64)k), APPEND_STORED);
    }
    fixture_steps(&f);
    fixture_close(&f);
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &infos, &n, &e), e);
    assert_int_equal(n, 1);
    (void)snprintf(path, sizeof(path), "/data/blocks/%.*s", STR_ARG(infos[0].name));
    struct block *b = block_open(f.fs, path, 1, &e);
    assert_non_null(b);
    block_reader_init(&r, b, a);
    u64 before = block_reader_bytes(&r);
    const struct column_times *times = block_reader_column(&r, 0, &e);
    assert_non_null(times);
    const u64 wanted = times->n * sizeof(i64);
    u64 held = block_reader_bytes(&r);
    assert_true(held >= before + wanted);
    r.times_max = held;
    block_reader_forget(&r);
    assert_int_equal(r.known.count, 1); // They fit.
    r.times_max = wanted;
    block_reader_forget(&r);
    assert_int_equal(r.known.count, 0);
    assert_non_null(block_reader_column(&r, 0, &e)); // They come again.
    assert_int_equal(r.known.count, 1);
    block_reader_fini(&r);
    block_close(b);
    arena_free(a);
    fixture_fini(&f);
}
