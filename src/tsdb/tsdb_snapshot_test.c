#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_fixture.h"

#include <stdio.h>

static void feed(struct fixture *f, i64 start, i64 from, i64 to)
{
    for (i64 k = from; k < to; k++) {
        assert_int_equal(fixture_put(f, STREAM_SCRAPE, "up,instance=a", start + k * 1000, (f64)k),
                         0);
        assert_int_equal(fixture_put(f, STREAM_RULES, "rec,instance=a", start + k * 1000, (f64)k),
                         0);
    }
}

static u64 snapshot_count(const struct fixture *f, const char *name)
{
    char dir[128];
    struct fixture other = *f;
    struct error e = {0};
    (void)snprintf(dir, sizeof(dir), "/data/snapshots/%s", name);
    other.opts.dir = dir;
    other.opts.fs = f->fs;
    other.db = tsdb_open(&other.opts, &e);
    if (!other.db) {
        fail_msg("open: %s", e.text);
    }
    other.s = tsdb_storage(other.db);
    u64 n = fixture_count(&other, INT64_MIN, INT64_MAX);
    ASSERT_OK(tsdb_close(other.db, &e), e);
    return n;
}

TEST(snapshot_opens_as_the_store_stood)
{
    struct fixture f;
    struct error e = {0};
    char whole[TSDB_SNAPSHOT_NAME];
    char blocks[TSDB_SNAPSHOT_NAME];
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 6 * FIXTURE_RANGE;
    fixture_init(&f, 191);
    f.opts.wal_segment_bytes = 4096; // Several: closed ones are linked, the last is copied.
    fixture_open(&f);
    feed(&f, start, 0, 330);
    fixture_steps(&f);
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    u64 id;
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, LABEL_NAME, STR("rec"), &e), e);
    struct tsdb_deletion d = {.tenant = TENANT_DEFAULT,
                              .ms = &m,
                              .count = 1,
                              .min_ms = start + 20000,
                              .max_ms = start + 319000};
    ASSERT_OK(tsdb_delete(f.db, &d, &id, &e), e); // Of blocks and of the head.
    ASSERT_OK(tsdb_snapshot(f.db, false, whole, &e), e);
    ASSERT_OK(tsdb_snapshot(f.db, true, blocks, &e), e);
    assert_string_not_equal(whole, blocks);
    feed(&f, start, 330, 360);
    fixture_steps(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 2 * 360 - 300);
    assert_int_equal(snapshot_count(&f, whole), 2 * 330 - 300);
    u64 in_blocks = snapshot_count(&f, blocks);
    assert_true(in_blocks > 0 && in_blocks < 2 * 330 - 300);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 2 * 360 - 300);
    fixture_reopen(&f); // What was done in a snapshot does nothing to the store.
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 2 * 360 - 300);
    arena_free(a);
    fixture_fini(&f);
}

TEST(snapshot_leaves_nothing_behind_when_it_fails)
{
    for (u64 nth = 1;; nth++) {
        struct fixture f;
        struct error e = {0};
        char name[TSDB_SNAPSHOT_NAME];
        fixture_init(&f, 192);
        struct fs *faulty = fs_faulty_new(f.own_fs);
        f.fs = faulty;
        fixture_open(&f);
        feed(&f, FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 3 * FIXTURE_RANGE, 0, 130);
        fixture_steps(&f);
        fs_faulty_arm(faulty, nth, FS_FAULT_EIO, false);
        bool ok = tsdb_snapshot(f.db, false, name, &e);
        u64 calls = fs_faulty_calls(faulty);
        fs_faulty_arm(faulty, 0, FS_FAULT_EIO, false);
        struct arena *a = arena_new((size_t)1 << 20);
        struct fs_info *infos;
        size_t n = 0;
        bool listed = fs_list(f.own_fs, "/data/snapshots", a, &infos, &n, NULL);
        for (size_t i = 0; listed && i < n; i++) {
            assert_false(str_ends(infos[i].name, STR(".tmp")));
        }
        assert_true(!ok || n == 1);
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 260);
        arena_free(a);
        fixture_fini(&f);
        fs_faulty_free(faulty);
        if (ok && calls < nth) {
            assert_true(nth > 10);
            break;
        }
    }
}

TEST(snapshot_that_a_crash_left_is_removed_at_the_next_start)
{
    struct fixture f;
    struct error e = {0};
    struct fs_info info;
    char whole[TSDB_SNAPSHOT_NAME];
    fixture_init(&f, 193);
    fixture_open(&f);
    feed(&f, FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 3 * FIXTURE_RANGE, 0, 130);
    fixture_steps(&f);
    ASSERT_OK(tsdb_snapshot(f.db, false, whole, &e), e);
    fixture_close(&f);
    ASSERT_OK(fs_make_dir(f.fs, "/data/snapshots/half.tmp", &e), e);
    ASSERT_OK(fs_make_dir(f.fs, "/data/snapshots/half.tmp/wal", &e), e);
    ASSERT_OK(fs_replace_file(f.fs, "/data/snapshots/half.tmp/wal/seg", STR("x"), &e), e);
    fixture_open(&f);
    assert_false(fs_stat(f.fs, "/data/snapshots/half.tmp", &info, NULL));
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 260);
    assert_int_equal(snapshot_count(&f, whole), 260);
    fixture_fini(&f);
}

static void damage_ignore(UNUSED void *ctx, UNUSED str line)
{
}

TEST(snapshot_is_restored_whole_or_not_at_all)
{
    struct fixture f;
    struct error e = {0};
    struct fs_info info;
    char name[TSDB_SNAPSHOT_NAME];
    char path[200];
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 4 * FIXTURE_RANGE;
    fixture_init(&f, 91);
    fixture_open(&f);
    for (i64 k = 0; k < 230; k++) {
        fixture_put(&f, STREAM_SCRAPE, "kept,job=j", start + k * 1000, (f64)k);
        fixture_put(&f, STREAM_RULES, "ruled", start + k * 1000, (f64)k);
    }
    fixture_steps(&f);
    ASSERT_OK(tsdb_snapshot(f.db, false, name, &e), e);
    u64 n = fixture_count(&f, INT64_MIN, INT64_MAX);
    fixture_close(&f);
    (void)snprintf(path, sizeof(path), "/data/snapshots/%s", name);

    struct tsdb_verify r = {.damage = damage_ignore};
    ASSERT_OK(tsdb_restore(f.fs, path, "/back", &r, &e), e);
    assert_true(r.blocks > 0 && r.segments >= 2);
    r = (struct tsdb_verify){.damage = damage_ignore};
    assert_false(tsdb_restore(f.fs, path, "/back", &r, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    f.opts.dir = "/back";
    fixture_open(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), n);
    fixture_put(&f, STREAM_SCRAPE, "kept,job=j", start + 231 * 1000, 1);
    fixture_close(&f);

    // The snapshot stayed as it was, whatever was written since; a damaged one is refused.
    ASSERT_OK(fs_make_dir(f.fs, "/empty", &e), e);
    r = (struct tsdb_verify){.damage = damage_ignore};
    ASSERT_OK(tsdb_restore(f.fs, path, "/empty", &r, &e), e);
    (void)snprintf(path + strlen(path), 40, "/wal/0");
    struct arena *a = arena_new((size_t)1 << 20);
    struct fs_info *infos;
    size_t count;
    ASSERT_OK(fs_list(f.fs, path, a, &infos, &count, &e), e);
    (void)snprintf(path + strlen(path), 60, "/%.*s", STR_ARG(infos[0].name));
    struct file *file = fs_open(f.fs, path, FS_WRITE, &e);
    assert_non_null(file);
    ASSERT_OK(fs_write_at(f.fs, file, 70, STR("\x55\x55\x55"), &e), e);
    fs_close(f.fs, file);
    (void)snprintf(path, sizeof(path), "/data/snapshots/%s", name);
    r = (struct tsdb_verify){.damage = damage_ignore};
    assert_false(tsdb_restore(f.fs, path, "/damaged", &r, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_false(fs_stat(f.fs, "/damaged", &info, &e));
    assert_false(fs_stat(f.fs, "/damaged.tmp", &info, &e));
    arena_free(a);
    fixture_fini(&f);
}
