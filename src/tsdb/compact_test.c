#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define STEP 1000

static i64 start_of(u32 ranges)
{
    i64 wide = FIXTURE_RANGE * 12;
    return FIXTURE_NOW - FIXTURE_NOW % wide - (i64)ranges * FIXTURE_RANGE;
}

static f64 value_at(u32 series, i64 t)
{
    u64 h = hash_mix(series, (u64)t);
    return h % 11 == 0 ? f64_of_bits(STALE_NAN_BITS) : (f64)(h % 5000) / 100;
}

static void series_name(u32 i, char out[64])
{
    (void)snprintf(out, 64, i % 4 == 3 ? "alone%u,k=v" : "m%u,instance=i%u,job=j", i / 2, i % 2);
}

// Series come and go; some miss every third row.
static bool is_sent(u32 series, i64 step)
{
    return (series % 3 != 2 || step % 3 != 0) && (series % 5 != 4 || step / 100 % 2 == 0);
}

static u64 feed(struct fixture *f, i64 start, i64 steps)
{
    u64 sent = 0;
    for (i64 k = 0; k < steps; k++) {
        for (u32 i = 0; i < 10; i++) {
            char name[64];
            series_name(i, name);
            if (is_sent(i, k)) {
                i64 t = start + k * STEP;
                assert_int_equal(fixture_put(f, STREAM_SCRAPE, name, t, value_at(i, t)),
                                 APPEND_STORED);
                sent++;
            }
        }
    }
    return sent;
}

static void look(struct fixture *f, i64 start, i64 steps, u64 sent)
{
    assert_int_equal(fixture_count(f, INT64_MIN, INT64_MAX), sent);
    for (i64 k = 0; k < steps; k += 7) {
        for (u32 i = 0; i < 10; i++) {
            char name[64];
            f64 v = 0;
            i64 t = start + k * STEP;
            series_name(i, name);
            assert_int_equal(fixture_get(f, name, t, &v, NULL), is_sent(i, k));
            if (is_sent(i, k)) {
                assert_true(bits_of_f64(v) == bits_of_f64(value_at(i, t)));
            }
        }
    }
}

static u32 blocks_of(struct fixture *f, struct arena *a, struct tsdb_block_info **infos)
{
    u32 n;
    tsdb_blocks_get(f->db, a, infos, &n);
    return n;
}

TEST(compact_joins_blocks_up_the_ranges)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct arena *a = arena_new((size_t)1 << 22);
    i64 start = start_of(12);
    fixture_init(&f, 51);
    f.opts.compact_first = 3;
    f.opts.compact_second = 4;
    fixture_open(&f);
    u64 sent = feed(&f, start, 14 * 60);
    fixture_steps(&f);
    // 12 ranges of a minute became one block of twelve; the 13th is on its own, the 14th is open.
    assert_int_equal(blocks_of(&f, a, &infos), 2);
    assert_int_equal(infos[0].level, 3);
    assert_int_equal(infos[0].min_ms, start);
    assert_int_equal(infos[0].max_ms, start + 12 * FIXTURE_RANGE);
    assert_int_equal(infos[1].level, 1);
    look(&f, start, 14 * 60, sent);
    fixture_reopen(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 2);
    look(&f, start, 14 * 60, sent);
    struct fs_info *names;
    struct error e = {0};
    size_t n;
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &names, &n, &e), e);
    assert_int_equal(n, 2); // The sources are gone from the disk.
    arena_free(a);
    fixture_fini(&f);
}

// Of one series alone: so many in a range that no two ranges fit one column.
static i64 dense_time(i64 start, i64 k)
{
    return start + k * (FIXTURE_RANGE / 300) + (i64)(hash_mix(7, (u64)k) % 150);
}

TEST(compact_copies_columns_that_stay_by_themselves)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct arena *a = arena_new((size_t)1 << 22);
    const i64 start = start_of(12);
    const i64 samples = 6 * 300;
    fixture_init(&f, 52);
    f.opts.compact_first = 3;
    f.opts.compact_second = 4;
    fixture_open(&f);
    for (i64 k = 0; k < samples; k++) {
        const i64 t = dense_time(start, k);
        assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "alone,k=v", t, value_at(1, t)),
                         APPEND_STORED);
    }
    const i64 later = start + 13 * FIXTURE_RANGE;
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "alone,k=v", later, 1), APPEND_STORED);
    fixture_steps(&f);
    assert_true(blocks_of(&f, a, &infos) >= 1);
    assert_true(infos[0].level >= 2);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), samples + 1);
    for (i64 k = 0; k < samples; k++) {
        f64 v = 0;
        const i64 t = dense_time(start, k);
        assert_true(fixture_get(&f, "alone,k=v", t, &v, NULL));
        assert_true(bits_of_f64(v) == bits_of_f64(value_at(1, t)));
    }
    arena_free(a);
    fixture_fini(&f);
}

TEST(compact_waits_until_a_range_is_over)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct arena *a = arena_new((size_t)1 << 22);
    fixture_init(&f, 52);
    fixture_open(&f);
    feed(&f, start_of(12), 12 * 60);
    fixture_steps(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 11); // 12 make one, and the newest is open.
    f.opts.retention_ms = 100 * FIXTURE_RANGE;      // A tenth of it is less than 12 ranges.
    fixture_reopen(&f);
    feed(&f, start_of(0), 3 * 60);
    fixture_steps(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 14);
    fixture_keep(&f, (struct tsdb_retention){.ms = 200 * FIXTURE_RANGE});
    fixture_steps(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 3);
    arena_free(a);
    fixture_fini(&f);
}

static void file_copy(struct fs *fs, const char *from, const char *to)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 24);
    str bytes;
    ASSERT_OK(fs_read_file(fs, from, (size_t)1 << 23, a, &bytes, &e), e);
    struct file *file = fs_open(fs, to, FS_TRUNCATE, &e);
    assert_non_null(file);
    ASSERT_OK(fs_write_at(fs, file, 0, bytes, &e), e);
    fs_close(fs, file);
    arena_free(a);
}

// Copies every block of one data folder into another.
static void blocks_copy(struct fs *fs, const char *from, const char *to)
{
    static const char *const files[] = {"data", "index", "meta"};
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 22);
    struct fs_info *infos;
    size_t n;
    ASSERT_OK(fs_list(fs, from, a, &infos, &n, &e), e);
    for (size_t i = 0; i < n; i++) {
        char path[400];
        char target[400];
        (void)snprintf(target, sizeof(target), "%s/%.*s", to, STR_ARG(infos[i].name));
        ASSERT_OK(fs_make_dir(fs, target, &e), e);
        for (size_t k = 0; k < ARRAY_LEN(files); k++) {
            (void)snprintf(path, sizeof(path), "%s/%.*s/%s", from, STR_ARG(infos[i].name),
                           files[k]);
            (void)snprintf(target, sizeof(target), "%s/%.*s/%s", to, STR_ARG(infos[i].name),
                           files[k]);
            file_copy(fs, path, target);
        }
    }
    arena_free(a);
}

static void feed_one(struct fixture *f, const char *name, i64 t, f64 v)
{
    assert_int_equal(fixture_put(f, STREAM_PUSH, name, t, v), APPEND_STORED);
}

TEST(compact_merges_blocks_that_overlap)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct arena *a = arena_new((size_t)1 << 22);
    i64 start = start_of(12);
    fixture_init(&f, 53);
    f.opts.compact_off = true;
    for (u32 other = 0; other < 2; other++) {
        f.opts.dir = other ? "/other" : "/data";
        fixture_open(&f);
        for (i64 k = 0; k < 180; k++) {
            i64 t = start + k * STEP;
            feed_one(&f, "both,k=v", t + (other ? k % 2 * 500 : 0), (f64)(k + other * 1000));
            feed_one(&f, other ? "second,k=v" : "first,k=v", t, (f64)k);
        }
        fixture_steps(&f);
        fixture_close(&f);
        clk_manual_advance(f.clk, 5);
    }
    f.opts.dir = "/data";
    blocks_copy(f.fs, "/other/blocks", "/data/blocks");
    u64 before = 0;
    for (u32 round = 0; round < 2; round++) {
        f.opts.compact_off = round == 0;
        f.opts.compact_first = 2;
        f.opts.compact_second = 2;
        fixture_open(&f);
        fixture_steps(&f);
        u64 n = fixture_count(&f, start, start + 120 * STEP - 1);
        assert_true(round == 0 || n == before);
        before = n;
        assert_int_equal(n, 3 * 120 + 60); // Half of the second store's lie between the first's.
        for (i64 k = 0; k < 120; k++) {
            f64 v = 0;
            assert_true(fixture_get(&f, "first,k=v", start + k * STEP, &v, NULL) && v == (f64)k);
            assert_true(fixture_get(&f, "second,k=v", start + k * STEP, &v, NULL) && v == (f64)k);
            assert_int_equal(fixture_get(&f, "both,k=v", start + k * STEP + 500, &v, NULL), k % 2);
        }
        u32 blocks = blocks_of(&f, a, &infos);
        assert_int_equal(blocks, round == 0 ? 4 : 1);
        fixture_close(&f);
    }
    fixture_open(&f);
    arena_free(a);
    fixture_fini(&f);
}

TEST(compact_ignores_sources_that_a_stop_left_behind)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct arena *a = arena_new((size_t)1 << 22);
    struct error e = {0};
    i64 start = start_of(12);
    fixture_init(&f, 54);
    f.opts.compact_off = true;
    f.opts.compact_first = 3;
    fixture_open(&f);
    u64 sent = feed(&f, start, 5 * 60);
    fixture_steps(&f);
    ASSERT_OK(fs_make_dir(f.fs, "/saved", &e), e);
    blocks_copy(f.fs, "/data/blocks", "/saved");
    f.opts.compact_off = false;
    fixture_reopen(&f);
    fixture_steps(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 2);
    fixture_close(&f);
    blocks_copy(f.fs, "/saved", "/data/blocks");
    fixture_open(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 2);
    look(&f, start, 5 * 60, sent);
    fixture_close(&f);

    // If the joined one is damaged, what it was made of is still good.
    blocks_copy(f.fs, "/saved", "/data/blocks");
    struct fs_info *names;
    size_t n;
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &names, &n, &e), e);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        char path[400];
        struct fs_info info;
        (void)snprintf(path, sizeof(path), "/data/blocks/%.*s/meta", STR_ARG(names[i].name));
        ASSERT_OK(fs_stat(f.fs, path, &info, &e), e);
        if (info.bytes > 200) {
            (void)snprintf(path, sizeof(path), "/data/blocks/%.*s/data", STR_ARG(names[i].name));
            struct file *file = fs_open(f.fs, path, FS_WRITE, &e);
            assert_non_null(file);
            ASSERT_OK(fs_write_at(f.fs, file, 50, STR("\x55\x55\x55\x55"), &e), e);
            fs_close(f.fs, file);
        }
    }
    f.opts.compact_off = true;
    fixture_open(&f);
    struct tsdb_status status;
    tsdb_status_get(f.db, 1, a, &status);
    assert_int_equal(status.blocks, 4);
    assert_int_equal(status.quarantined, 1);
    f64 v;
    bool partial = false;
    char name[64];
    series_name(0, name);
    assert_true(fixture_get(&f, name, start + 7 * STEP, &v, &partial));
    assert_true(partial); // Something is set aside: said rather than guessed.
    arena_free(a);
    fixture_fini(&f);
}

TEST(compact_is_put_off_on_a_full_disk)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct arena *a = arena_new((size_t)1 << 22);
    i64 start = start_of(12);
    fixture_init(&f, 55);
    f.opts.compact_off = true;
    f.opts.compact_first = 3;
    fixture_open(&f);
    u64 sent = feed(&f, start, 5 * 60);
    fixture_steps(&f);
    f.opts.compact_off = false;
    fixture_reopen(&f);
    struct tsdb_status status;
    tsdb_status_get(f.db, 1, a, &status);
    u64 used = status.disk_total_bytes - status.disk_free_bytes;
    fs_mem_set_capacity(f.fs, used + 100);
    fixture_steps(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 4);
    fs_mem_set_capacity(f.fs, (u64)1 << 30);
    fixture_steps(&f);
    assert_int_equal(blocks_of(&f, a, &infos), 2);
    look(&f, start, 5 * 60, sent);
    arena_free(a);
    fixture_fini(&f);
}

TEST(retention_keeps_classes_for_a_time_of_their_own)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 22);
    struct matcher debug;
    struct matcher gold;
    i64 start = start_of(12);
    fixture_init(&f, 56);
    f.opts.compact_first = 3;
    f.opts.compact_second = 2;
    ASSERT_OK(matcher_init(&debug, a, MATCH_RE, STR("ns"), STR("debug-.*"), &e), e);
    ASSERT_OK(matcher_init(&gold, a, MATCH_EQ, STR("ns"), STR("gold"), &e), e);
    const struct tsdb_class classes[] = {
        {.tenant = TENANT_DEFAULT, .ms = &debug, .count = 1, .keep_ms = 2 * FIXTURE_RANGE},
        {.tenant = TENANT_DEFAULT, .ms = &gold, .count = 1, .keep_ms = 400 * FIXTURE_RANGE}};
    fixture_open(&f);
    fixture_keep(
        &f, (struct tsdb_retention){.ms = 6 * FIXTURE_RANGE, .classes = classes, .class_count = 2});
    for (i64 k = 0; k < 14 * 60; k++) {
        feed_one(&f, "m,ns=debug-a", start + k * STEP, (f64)k);
        feed_one(&f, "m,ns=plain", start + k * STEP, (f64)k);
        feed_one(&f, "m,ns=gold", start + k * STEP, (f64)k);
    }
    fixture_steps(&f);
    for (int round = 0; round < 2; round++) {
        f64 v;
        i64 newest = 14 * 60 - 1;
        // All of the gold class is there; of the others what is younger, and at most what shares a
        // block with it.
        for (i64 k = 0; k <= newest; k++) {
            i64 t = start + k * STEP;
            i64 age = newest - k;
            assert_true(fixture_get(&f, "m,ns=gold", t, &v, NULL) && v == (f64)k);
            bool debug_there = fixture_get(&f, "m,ns=debug-a", t, &v, NULL);
            bool plain_there = fixture_get(&f, "m,ns=plain", t, &v, NULL);
            assert_true(age >= 120 || debug_there);
            assert_true(age >= 360 || plain_there);
            assert_false(age > 120 + 60 && debug_there);
            assert_false(age > 360 + 60 && plain_there);
        }
        fixture_reopen(&f);
        fixture_keep(&f, (struct tsdb_retention){
                             .ms = 6 * FIXTURE_RANGE, .classes = classes, .class_count = 2});
        fixture_steps(&f);
    }
    // Without classes the general time drops whole blocks again.
    fixture_keep(&f, (struct tsdb_retention){.ms = 2 * FIXTURE_RANGE});
    fixture_steps(&f);
    assert_true(blocks_of(&f, a, &infos) <= 2);
    arena_free(a);
    fixture_fini(&f);
}

TEST(retention_counts_a_share_of_the_disk)
{
    struct fixture f;
    struct tsdb_block_info *infos;
    struct arena *a = arena_new((size_t)1 << 22);
    fixture_init(&f, 57);
    f.opts.wal_segment_bytes = 8000; // They are reserved whole.
    f.opts.compact_off = true;
    fixture_open(&f);
    feed(&f, start_of(12), 8 * 60);
    fixture_steps(&f);
    u32 n = blocks_of(&f, a, &infos);
    u64 bytes = 0;
    for (u32 i = 0; i < n; i++) {
        bytes += infos[i].bytes;
    }
    fixture_keep(&f, (struct tsdb_retention){.disk_percent = 50});
    fixture_steps(&f);
    assert_int_equal(blocks_of(&f, a, &infos), n);
    struct tsdb_status status;
    tsdb_status_get(f.db, 1, a, &status);
    u64 total = status.disk_total_bytes - status.disk_free_bytes + 32768;
    fs_mem_set_capacity(f.fs, total);
    u32 percent = (u32)(50 * bytes / total); // Half of what they take.
    assert_true(percent > 0);
    fixture_keep(&f, (struct tsdb_retention){.disk_percent = percent});
    fixture_steps(&f);
    u32 left = blocks_of(&f, a, &infos);
    assert_true(left > 0 && left < n);
    fs_mem_set_capacity(f.fs, (u64)1 << 30);
    arena_free(a);
    fixture_fini(&f);
}
