// head_image_test.c: a head image and the log behind it are the head as it was; whatever is wrong
// with an image costs time and nothing else.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/sample.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/head.h"
#include "tsdb/head_image.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_status.h"
#include "tsdb/wal_record.h"

#include <stdio.h>

#define SERIES     24U
#define NOISE_WIDE 200U
#define IMAGE      "/data/wal/0/image"

// Threads: owned.
struct bench {
    struct fixture f;
    i64 now;
    u64 boxes;
};

static void bench_init(struct bench *b, u64 seed)
{
    *b = (struct bench){.now = FIXTURE_NOW};
    fixture_init(&b->f, seed);
    b->f.opts.block_range_ms = 3600000;
    b->f.opts.ooo_window_ms = 60000;
    b->f.opts.image_every_ms = 1000;
    b->f.opts.image_log_bytes = 1;
    fixture_open(&b->f);
}

// Of targets, of rules, and alone.
static enum storage_stream series_text(u32 i, char out[64])
{
    if (i < 16) {
        (void)snprintf(out, 64, "m%u,instance=host%u,job=j", i % 8, i / 8);
    } else {
        (void)snprintf(out, 64, i < 20 ? "alone%u,k=v" : "rule:%u", i);
    }
    return i < 20 ? STREAM_PUSH : STREAM_RULES;
}

static f64 value_of(struct rng *r)
{
    u64 any = rng_u64(r);
    switch (any % 4) {
    case 0:
        return f64_of_bits(rng_u64(r));
    case 1:
        return f64_of_bits(STALE_NAN_BITS);
    default:
        return (f64)(any / 4 % 100);
    }
}

static void hist_put(struct bench *b, const char *text, i64 t)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct fixture_hist made;
    struct series_ref ref;
    const struct labels ls = fixture_labels(text, items, bytes);
    u8 outcome;
    u8 kind = SAMPLE_HIST;
    f64 value = 0;
    u64 position;
    fixture_hist_make(rng_u64(&b->f.rng), &made);
    const struct hist *h = &made.h;
    struct storage_appender *a = storage_appender_open(b->f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    const struct append_batch batch = {.refs = &ref,
                                       .t_ms = &t,
                                       .kinds = &kind,
                                       .values = &value,
                                       .hists = &h,
                                       .n = 1,
                                       .outcomes = &outcome};
    ASSERT_OK(a->ops->append(a, &batch, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    b->boxes += append_is_stored((enum append_outcome)outcome);
    storage_appender_close(a);
}

// Some samples of some series, in and out of order, one second on.
static void second_put(struct bench *b)
{
    struct rng *r = &b->f.rng;
    b->now += 1000;
    clk_manual_advance(b->f.clk, 1000);
    for (u32 i = 0; i < SERIES; i++) {
        char text[64];
        enum storage_stream stream = series_text(i, text);
        i64 t = b->now - (rng_below(r, 5) == 0 ? (i64)rng_below(r, 50) * 1000 : 0);
        if (rng_below(r, 4) == 0) {
            continue;
        }
        if (i % 8 == 3 && stream == STREAM_PUSH) {
            hist_put(b, text, t);
        } else {
            (void)fixture_put(&b->f, stream, text, t, value_of(r));
        }
    }
}

// All that can be read.
static u64 all_hash(struct bench *b)
{
    struct error e = {0};
    u64 hash = 0;
    struct storage_querier *q =
        storage_querier_open(b->f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &hints, NULL, &e);
    assert_non_null(c);
    while (c->ops->next(c)) {
        struct series_run run;
        hash = hash_mix(hash, labels_hash(c->ops->labels(c)));
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                hash = hash_mix(hash, (u64)run.t_ms[i]);
                hash = hash_mix(hash, fixture_sample_hash(&run, i));
            }
        }
    }
    struct storage_warnings warnings = {0};
    ASSERT_OK(c->ops->close(c, &warnings, &e), e);
    assert_false(warnings.partial);
    storage_querier_close(q);
    return hash;
}

static u64 counted(const struct bench *b, enum tsdb_counter c)
{
    return atomic_load(&b->f.db->counts[c]);
}

static void file_byte_flip(struct fs *fs, const char *path, u64 at, u8 bits)
{
    struct error e = {0};
    u8 byte;
    size_t got;
    struct file *f = fs_open(fs, path, FS_WRITE, &e);
    assert_non_null(f);
    ASSERT_OK(fs_read_at(fs, f, at, &byte, 1, &got, &e), e);
    byte ^= bits;
    ASSERT_OK(fs_write_at(fs, f, at, (str){(const char *)&byte, 1}, &e), e);
    fs_close(fs, f);
}

static void images_remove(struct bench *b)
{
    struct error e = {0};
    for (u32 i = 0; i < SHARDS; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/data/wal/%u/image", i);
        ASSERT_OK(fs_unlink(b->f.fs, path, &e), e);
    }
}

static void seconds_put(struct bench *b, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        second_put(b);
    }
}

TEST(head_image_and_the_log_behind_it_are_the_whole_head)
{
    for (u64 seed = 1; seed <= 4; seed++) {
        struct bench b;
        bench_init(&b, seed);
        u64 hash = 0;
        for (u32 round = 0; round < 6; round++) {
            seconds_put(&b, 40);
            fixture_steps(&b.f);
            assert_true(counted(&b, COUNT_IMAGES_WRITTEN) >= SHARDS);
            seconds_put(&b, round % 3 * 10);
            hash = all_hash(&b);
            fixture_reopen(&b.f); // What an image made goes into the next one.
            assert_int_equal(counted(&b, COUNT_IMAGES_READ), SHARDS);
            assert_int_equal(counted(&b, COUNT_REPLAY_LOST), 0);
            assert_int_equal(counted(&b, COUNT_WAL_CORRUPTIONS), 0);
            assert_true(all_hash(&b) == hash);
        }
        assert_true(b.boxes > 100);
        fixture_close(&b.f);
        images_remove(&b);
        fixture_open(&b.f);
        assert_int_equal(counted(&b, COUNT_IMAGES_READ), 0);
        assert_true(all_hash(&b) == hash);
        fixture_fini(&b.f);
    }
}

TEST(head_image_leaves_the_rest_of_the_log_to_be_told_of)
{
    struct bench b;
    struct tsdb_replay_progress whole = {0};
    struct tsdb_replay_progress rest = {0};
    bench_init(&b, 6);
    seconds_put(&b, 40);
    fixture_steps(&b.f);
    seconds_put(&b, 10);
    b.f.opts.progress = &rest;
    fixture_reopen(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), SHARDS);
    assert_true(rest.done && rest.segment_min == (i64)b.f.db->image_first[SHARD_MAIN]);
    assert_true(rest.segment_now == rest.segment_max && rest.segment_min <= rest.segment_now);
    fixture_close(&b.f);
    images_remove(&b);
    b.f.opts.progress = &whole;
    fixture_open(&b.f);
    assert_true(whole.done && whole.segment_min > 0 && whole.segment_min < rest.segment_min);
    assert_true(whole.segment_now == whole.segment_max && whole.segment_max >= rest.segment_max);
    fixture_fini(&b.f);
}

TEST(head_image_judges_new_samples_as_before)
{
    struct bench b;
    bench_init(&b, 5);
    const char *text = "m,instance=i,job=j";
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now, 1), APPEND_STORED);
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now + 20, 3), APPEND_STORED);
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now + 10, 2), APPEND_STORED_OOO);
    clk_manual_advance(b.f.clk, 2000);
    fixture_steps(&b.f);
    fixture_reopen(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), 1); // Rules have written nothing.
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now, 1), APPEND_DUPLICATE);
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now, 9), APPEND_CONFLICT);
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now + 10, 2), APPEND_DUPLICATE);
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now + 20, 3), APPEND_DUPLICATE);
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now + 20, 4), APPEND_CONFLICT);
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now + 30, 4), APPEND_STORED);
    fixture_fini(&b.f);
}

TEST(head_image_leaves_out_what_blocks_hold)
{
    struct bench b;
    bench_init(&b, 6);
    fixture_close(&b.f);
    b.f.opts.block_range_ms = 60000;
    b.f.opts.ooo_window_ms = 0;
    fixture_open(&b.f);
    for (u32 i = 0; i < 12; i++) {
        seconds_put(&b, 31); // Cuts and images come at other times.
        fixture_steps(&b.f);
        seconds_put(&b, 3);
        u64 hash = all_hash(&b);
        fixture_reopen(&b.f);
        assert_int_equal(counted(&b, COUNT_IMAGES_READ), SHARDS);
        assert_true(all_hash(&b) == hash);
    }
    fixture_fini(&b.f);
}

// With this byte of this file turned, what can be read is the same, and the image was refused.
static void byte_damaged(struct bench *b, const char *path, u64 at, u64 hash)
{
    file_byte_flip(b->f.fs, path, at, 0x10);
    fixture_open(&b->f);
    assert_int_equal(counted(b, COUNT_IMAGES_REFUSED), 1);
    assert_true(all_hash(b) == hash);
    fixture_close(&b->f);
}

static void each_byte_damaged(struct bench *b, u64 stride, u64 hash)
{
    struct error e = {0};
    struct fs_map kept;
    ASSERT_OK(fs_map_open(b->f.fs, IMAGE, &kept, &e), e);
    for (u64 at = 0; at < kept.len; at += stride) {
        byte_damaged(b, IMAGE, at, hash); // It removes what is damaged.
        str image = {(const char *)kept.bytes, kept.len};
        ASSERT_OK(fs_replace_file(b->f.fs, IMAGE, image, &e), e);
    }
    fs_map_close(b->f.fs, &kept);
}

TEST(head_image_that_is_damaged_costs_a_whole_replay)
{
    struct bench b;
    struct error e = {0};
    bench_init(&b, 7);
    seconds_put(&b, 60);
    fixture_steps(&b.f);
    seconds_put(&b, 5);
    u64 hash = all_hash(&b);
    fixture_close(&b.f);
    each_byte_damaged(&b, 397, hash);
    struct file *f = fs_open(b.f.fs, IMAGE, FS_WRITE, &e);
    ASSERT_OK(fs_truncate(b.f.fs, f, 4000, &e), e);
    fs_close(b.f.fs, f);
    fixture_open(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_REFUSED), 1);
    assert_true(all_hash(&b) == hash);
    fixture_fini(&b.f);
}

TEST(head_image_of_a_newer_format_is_passed_over)
{
    struct bench b;
    struct error e = {0};
    struct fs_map map;
    struct fs_info info;
    bench_init(&b, 8);
    seconds_put(&b, 30);
    fixture_steps(&b.f);
    u64 hash = all_hash(&b);
    fixture_close(&b.f);
    ASSERT_OK(fs_map_open(b.f.fs, IMAGE, &map, &e), e);
    u8 header[64];
    memcpy(header, map.bytes, sizeof(header));
    fs_map_close(b.f.fs, &map);
    header[8] = IMAGE_VERSION + 1;
    u32 crc = crc32c(0, header, 60);
    memcpy(header + 60, &crc, sizeof(crc));
    struct file *f = fs_open(b.f.fs, IMAGE, FS_WRITE, &e);
    ASSERT_OK(fs_write_at(b.f.fs, f, 0, (str){(const char *)header, sizeof(header)}, &e), e);
    fs_close(b.f.fs, f);
    fixture_open(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_REFUSED), 1);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), 1); // That of rules.
    assert_true(all_hash(&b) == hash);
    ASSERT_OK(fs_stat(b.f.fs, IMAGE, &info, &e), e);
    fixture_fini(&b.f);
}

// Enough noise for files of chunks.
static void noise_put(struct bench *b, u64 bytes)
{
    struct error e = {0};
    struct series_ref refs[NOISE_WIDE];
    u8 outcomes[NOISE_WIDE];
    i64 t[NOISE_WIDE];
    f64 values[NOISE_WIDE];
    u64 position;
    struct storage_appender *a = storage_appender_open(b->f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    for (u32 i = 0; i < NOISE_WIDE; i++) {
        char text[64];
        char room[512];
        struct label items[16];
        (void)snprintf(text, sizeof(text), "noise%u,instance=n,job=n", i);
        const struct labels ls = fixture_labels(text, items, room);
        a->ops->resolve(a, &ls, 1, &refs[i], &outcomes[i]);
    }
    for (u64 put = 0; put < bytes; put += NOISE_WIDE * sizeof(f64)) {
        b->now += 500;
        clk_manual_advance(b->f.clk, 500);
        for (u32 i = 0; i < NOISE_WIDE; i++) {
            t[i] = b->now;
            values[i] = f64_of_bits(rng_u64(&b->f.rng) >> 2);
        }
        const struct append_batch batch = {
            .refs = refs, .t_ms = t, .values = values, .n = NOISE_WIDE, .outcomes = outcomes};
        ASSERT_OK(a->ops->append(a, &batch, &e), e);
        ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    }
    storage_appender_close(a);
}

// Names of files of chunks; the first in `first`.
static u32 files_count(struct bench *b, char first[128])
{
    struct error e = {0};
    struct fs_info *infos;
    size_t n;
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(fs_list(b->f.fs, "/data/head", a, &infos, &n, &e), e);
    if (n > 0) {
        (void)snprintf(first, 128, "/data/head/%.*s", STR_ARG(infos[0].name));
    }
    arena_free(a);
    return (u32)n;
}

TEST(head_image_names_the_files_of_sealed_chunks)
{
    struct bench b;
    char path[128];
    struct fs_info info;
    struct error e = {0};
    bench_init(&b, 9);
    noise_put(&b, (SPILL_MIN + 3) * (u64)EXTENT_BYTES + 3 * sizeof(f64) * ROWS_MAX * NOISE_WIDE);
    fixture_steps(&b.f);
    fixture_steps(&b.f);
    assert_true(counted(&b, COUNT_IMAGES_WRITTEN) > 0);
    u32 files = files_count(&b, path);
    assert_true(files > 0);
    u64 hash = all_hash(&b);
    fixture_reopen(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), 1);
    assert_true(files_count(&b, path) >= files); // The log behind may fill one more.
    ASSERT_OK(fs_stat(b.f.fs, path, &info, &e), e);
    assert_true(all_hash(&b) == hash);
    fixture_close(&b.f);
    byte_damaged(&b, path, EXTENT_BYTES / 3, hash);
    fixture_open(&b.f);
    assert_true(all_hash(&b) == hash);
    fixture_fini(&b.f);
}

// What is held, and against which limits it is counted. Threads: a value.
struct accounts {
    u32 series;
    u32 live[SHARDS];
    u64 boxes[SHARDS];
    u32 quota_rows;
};

static struct accounts accounts_of(const struct bench *b)
{
    const struct tsdb *db = b->f.db;
    struct accounts a = {.series = atomic_load(&db->limits.series),
                         .quota_rows = db->heads[SHARD_MAIN]->quotas.by_key.count};
    u32 live = 0;
    for (u32 i = 0; i < SHARDS; i++) {
        u64 bytes = 0;
        const struct head *h = db->heads[i];
        for (u32 k = 0; k < h->window_count; k++) {
            bytes += box_store_bytes(&h->windows[k]->boxes);
        }
        a.live[i] = h->live;
        a.boxes[i] = atomic_load(&db->limits.box_bytes[i]);
        assert_true(a.boxes[i] == bytes);
        live += h->live;
    }
    assert_int_equal(a.series, live);
    return a;
}

static void accounts_equal(struct bench *b, struct accounts want)
{
    const struct accounts got = accounts_of(b);
    assert_int_equal(got.series, want.series);
    assert_int_equal(got.quota_rows, want.quota_rows);
    for (u32 i = 0; i < SHARDS; i++) {
        assert_int_equal(got.live[i], want.live[i]);
        assert_true(got.boxes[i] == want.boxes[i]);
    }
    char text[64];
    enum append_outcome o = APPEND_STORED; // The limits hold what was there before.
    (void)snprintf(text, sizeof(text), "m0,instance=new,job=j");
    o = fixture_put(&b->f, STREAM_PUSH, text, b->now, 1);
    assert_int_equal(o, APPEND_LIMIT_METRIC);
}

// An image that is whole but for what it says last: how many series there are.
static void image_count_wrong(struct bench *b)
{
    struct error e = {0};
    struct fs_map map;
    struct buf out;
    u32 salt;
    ASSERT_OK(fs_map_open(b->f.fs, IMAGE, &map, &e), e);
    memcpy(&salt, map.bytes + 40, sizeof(salt));
    const size_t end = WAL_RECORD_HEAD + 1;
    buf_init(&out, map.len + 64);
    buf_add(&out, map.bytes, map.len - end);
    const size_t mark = wal_record_begin(&out);
    buf_varint(&out, map.bytes[map.len - 1] + 1U);
    wal_record_end(&out, mark, WAL_IMAGE_END, salt);
    fs_map_close(b->f.fs, &map);
    ASSERT_OK(fs_replace_file(b->f.fs, IMAGE, buf_get(&out), &e), e);
    buf_fini(&out);
}

TEST(head_image_and_a_replay_keep_the_same_accounts)
{
    struct bench b;
    bench_init(&b, 10);
    fixture_close(&b.f);
    b.f.opts.series_max_metric = 2;
    b.f.opts.series_max_job = 100;
    b.f.opts.series_max_tenant = 100;
    b.f.opts.box_bytes_max = (u64)64 << 20;
    b.f.opts.memory_max = (u64)64 << 20;
    fixture_open(&b.f);
    seconds_put(&b, 60);
    fixture_steps(&b.f);
    const struct accounts before = accounts_of(&b);
    assert_true(before.boxes[SHARD_MAIN] > 0 && before.quota_rows > 8);
    const u64 hash = all_hash(&b);
    fixture_reopen(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), SHARDS);
    accounts_equal(&b, before);
    fixture_close(&b.f);
    image_count_wrong(&b); // All of it is read, then thrown away.
    fixture_open(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), 1);
    assert_int_equal(counted(&b, COUNT_IMAGES_REFUSED), 1);
    accounts_equal(&b, before);
    assert_true(all_hash(&b) == hash);
    fixture_fini(&b.f);
}

static void blocks_remove(struct bench *b)
{
    struct error e = {0};
    struct fs_info *infos;
    size_t n;
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(fs_list(b->f.fs, "/data/blocks", a, &infos, &n, &e), e);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "/data/blocks/%.*s", STR_ARG(infos[i].name));
        ASSERT_OK(fs_remove_tree(b->f.fs, path, &e), e);
    }
    arena_free(a);
}

// A series left and came back under another number, the log holds both, and the block of its first
// samples is lost: the log tells what both numbers mean, and still does after an image was read.
TEST(head_image_yields_to_the_log_where_a_block_is_lost)
{
    struct bench b;
    const char *text = "gone,k=v";
    const i64 first = FIXTURE_NOW - FIXTURE_NOW % 60000;
    f64 v = 0;
    bench_init(&b, 12);
    fixture_close(&b.f);
    b.f.opts.block_range_ms = 60000;
    b.f.opts.ooo_window_ms = 0;
    b.f.opts.image_every_ms = 600000;
    b.f.opts.wal_segment_bytes = (u64)64 << 20;
    fixture_open(&b.f);
    b.now = first;
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, first, 7), APPEND_STORED);
    for (u32 i = 0; i < 5; i++) { // It leaves when it is looked at for the second time.
        seconds_put(&b, 60);
        fixture_steps(&b.f);
    }
    assert_int_equal(fixture_put(&b.f, STREAM_PUSH, text, b.now, 8), APPEND_STORED);
    clk_manual_advance(b.f.clk, 600000);
    fixture_steps(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_WRITTEN), SHARDS);
    fixture_close(&b.f);
    blocks_remove(&b);
    fixture_open(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_REFUSED), SHARDS);
    assert_true(fixture_get(&b.f, text, first, &v, NULL));
    assert_true(v == 7);
    const u64 alias = b.f.db->heads[SHARD_MAIN]->alias_segment;
    assert_true(alias > 0);
    seconds_put(&b, 1);
    clk_manual_advance(b.f.clk, 600000);
    fixture_steps(&b.f);
    const u64 hash = all_hash(&b);
    fixture_reopen(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), SHARDS);
    assert_int_equal(b.f.db->heads[SHARD_MAIN]->alias_segment, alias);
    assert_true(all_hash(&b) == hash);
    fixture_fini(&b.f);
}

TEST(head_image_is_written_again_when_the_log_is_truncated_past_it)
{
    struct bench b;
    bench_init(&b, 13);
    fixture_close(&b.f);
    b.f.opts.block_range_ms = 60000;
    b.f.opts.ooo_window_ms = 0;
    b.f.opts.image_every_ms = 600000;
    b.f.opts.wal_segment_bytes = 6000;
    fixture_open(&b.f);
    for (u32 i = 0; i < 16; i++) { // The time for one comes once.
        seconds_put(&b, 60);
        fixture_steps(&b.f);
    }
    assert_true(counted(&b, COUNT_IMAGES_WRITTEN) > SHARDS);
    seconds_put(&b, 5);
    const u64 hash = all_hash(&b);
    fixture_reopen(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), SHARDS);
    assert_true(all_hash(&b) == hash);
    fixture_fini(&b.f);
}

TEST(head_image_brings_metadata_and_exemplars)
{
    struct bench b;
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct series_ref ref;
    u8 outcome;
    u64 position;
    const char *text = "m0,instance=host0,job=j";
    bench_init(&b, 14);
    seconds_put(&b, 5);
    const struct labels ls = fixture_labels(text, items, bytes);
    const struct label id = {STR("trace"), STR("abc")};
    const struct metadata m = {.name = STR("m0"), .help = STR("What it is.")};
    struct storage_appender *a = storage_appender_open(b.f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    for (i64 i = 0; i < 50; i++) {
        const struct exemplar x = {
            .labels = {&id, 1}, .value = (f64)i, .t_ms = b.now + i * 100, .has_t = true};
        ASSERT_OK(a->ops->exemplars(a, &ref, &x, 1, &e), e);
    }
    ASSERT_OK(a->ops->metadata(a, &m, 1, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    storage_appender_close(a);
    const u32 exemplars = b.f.db->exemplars.count;
    assert_true(exemplars > 1);
    clk_manual_advance(b.f.clk, 2000);
    fixture_steps(&b.f);
    fixture_reopen(&b.f);
    assert_int_equal(counted(&b, COUNT_IMAGES_READ), SHARDS);
    assert_int_equal(b.f.db->exemplars.count, exemplars);
    assert_int_equal(b.f.db->metadata.count, 1);
    assert_true(meta_table_same(&b.f.db->metadata, TENANT_DEFAULT, &m));
    fixture_fini(&b.f);
}
