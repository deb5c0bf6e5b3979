#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "storage/storage_conformance.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

// --- The waist's own checks --------------------------------------------------------------------

static struct storage *conformance_make(void *ctx, struct clk *clk, i64 ooo_window_ms)
{
    struct fixture *f = ctx;
    f->opts.clk = clk;
    f->opts.ooo_window_ms = ooo_window_ms;
    fixture_open(f);
    return f->s;
}

static void conformance_dispose(void *ctx, UNUSED struct storage *s)
{
    struct fixture *f = ctx;
    struct error e = {0};
    fixture_close(f);
    ASSERT_OK(fs_remove_tree(f->fs, "/data", &e), e);
}

static void conformance(i64 range_ms, bool thread)
{
    struct fixture f;
    fixture_init(&f, 1);
    f.opts.block_range_ms = range_ms;
    f.opts.wal_thread = thread;
    struct storage_factory factory = {.make = conformance_make,
                                      .dispose = conformance_dispose,
                                      .ctx = &f,
                                      .keeps_exemplars = true};
    storage_conformance_run(&factory);
    f.opts.clk = f.clk;
    fixture_fini(&f);
}

TEST(tsdb_keeps_the_waist_with_two_hour_windows)
{
    conformance((i64)7200 * 1000, false);
}

TEST(tsdb_keeps_the_waist_with_a_log_thread)
{
    conformance((i64)7200 * 1000, true);
}

// --- Restarts ----------------------------------------------------------------------------------

TEST(tsdb_shows_after_a_restart_what_it_held)
{
    struct fixture f;
    f64 v;
    fixture_init(&f, 2);
    fixture_open(&f);
    for (i64 i = 0; i < 300; i++) {
        i64 t = FIXTURE_NOW - 300000 + i * 100;
        assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", t, (f64)i),
                         APPEND_STORED);
        assert_int_equal(fixture_put(&f, STREAM_PUSH, "lone,k=v", t, 0.1 * (f64)i), APPEND_STORED);
        assert_int_equal(fixture_put(&f, STREAM_RULES, "rec:x", t, -(f64)i), APPEND_STORED);
    }
    for (int round = 0; round < 3; round++) {
        fixture_reopen(&f);
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 900);
        for (i64 i = 0; i < 300; i += 7) {
            i64 t = FIXTURE_NOW - 300000 + i * 100;
            assert_true(fixture_get(&f, "up,instance=a,job=x", t, &v, NULL));
            assert_true(v == (f64)i);
            assert_true(fixture_get(&f, "lone,k=v", t, &v, NULL));
            assert_true(v == 0.1 * (f64)i);
            assert_true(fixture_get(&f, "rec:x", t, &v, NULL));
            assert_true(v == -(f64)i);
        }
    }
    fixture_fini(&f);
}

TEST(tsdb_cuts_blocks_and_reads_over_them)
{
    struct fixture f;
    f64 v;
    fixture_init(&f, 3);
    f.opts.compact_off = true;
    fixture_open(&f);
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 10 * FIXTURE_RANGE;
    for (i64 i = 0; i < 600; i++) {
        fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", start + i * 1000, (f64)i);
        fixture_put(&f, STREAM_SCRAPE, "up,instance=b,job=x", start + i * 1000, (f64)-i);
        fixture_put(&f, STREAM_RULES, "rec:x", start + i * 1000, 1.5 * (f64)i);
        fixture_put(&f, STREAM_PUSH, "push,k=v", start + i * 1000 + i % 7, (f64)i);
    }
    fixture_steps(&f);
    struct arena *a = arena_new((size_t)1 << 20);
    struct tsdb_block_info *infos;
    u32 n;
    tsdb_blocks_get(f.db, a, &infos, &n);
    assert_int_equal(n, 9);
    assert_int_equal(infos[0].min_ms, start);
    assert_int_equal(infos[0].max_ms, start + FIXTURE_RANGE);
    assert_int_equal(infos[0].series, 4);
    assert_int_equal(infos[0].samples, 240);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 2400);
        for (i64 i = 0; i < 600; i += 13) {
            assert_true(fixture_get(&f, "up,instance=b,job=x", start + i * 1000, &v, NULL));
            assert_true(v == (f64)-i);
            assert_true(fixture_get(&f, "push,k=v", start + i * 1000 + i % 7, &v, NULL));
            assert_true(v == (f64)i);
        }
        assert_int_equal(fixture_put(&f, STREAM_PUSH, "push,k=v", start, 1), APPEND_TOO_OLD);
        fixture_reopen(&f);
    }
    struct tsdb_status status;
    tsdb_status_get(f.db, 10, a, &status);
    assert_int_equal(status.blocks, 9);
    assert_int_equal(status.quarantined, 0);
    assert_true(status.wal_bytes < 100000);
    arena_free(a);
    fixture_fini(&f);
}

TEST(tsdb_retention_removes_whole_blocks)
{
    struct fixture f;
    fixture_init(&f, 4);
    f.opts.compact_off = true;
    fixture_open(&f);
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 10 * FIXTURE_RANGE;
    for (i64 i = 0; i < 600; i++) {
        fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", start + i * 1000, (f64)i);
    }
    fixture_steps(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 600);
    fixture_keep(&f, (struct tsdb_retention){.ms = 4 * FIXTURE_RANGE});
    fixture_steps(&f);
    // The newest sample is at 599 s: blocks that end at or before 359 s are gone.
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 600 - 300);
    fixture_keep(&f, (struct tsdb_retention){.bytes = 1});
    fixture_steps(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 60);
    fixture_reopen(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 60);
    fixture_fini(&f);
}

TEST(tsdb_refuses_a_second_instance)
{
    struct fixture f;
    struct error e = {0};
    fixture_init(&f, 5);
    fixture_open(&f);
    assert_null(tsdb_open(&f.opts, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    assert_non_null(strstr(e.text, "another instance"));
    fixture_fini(&f);
}

// The lines at the level of errors. Threads: owned by the test.
struct kept_lines {
    u32 n;
    char last[1024];
};

static void line_keep(void *ctx, str line)
{
    struct kept_lines *k = ctx;
    k->n++;
    (void)snprintf(k->last, sizeof(k->last), "%.*s", STR_ARG(line));
}

static i64 line_time(UNUSED void *ctx)
{
    return FIXTURE_NOW;
}

TEST(tsdb_sets_a_damaged_block_aside_and_says_partial)
{
    struct fixture f;
    struct error e = {0};
    struct kept_lines lines = {0};
    f64 v;
    bool partial = false;
    fixture_init(&f, 6);
    f.opts.compact_off = true;
    f.opts.log = log_new((struct log_opts){
        .level = LOG_ERROR, .sink = line_keep, .sink_ctx = &lines, .now_ms = line_time});
    fixture_open(&f);
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 5 * FIXTURE_RANGE;
    for (i64 i = 0; i < 300; i++) {
        fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", start + i * 1000, (f64)i);
    }
    fixture_steps(&f);
    fixture_close(&f);
    struct arena *a = arena_new((size_t)1 << 20);
    struct fs_info *infos;
    size_t n;
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &infos, &n, &e), e);
    assert_true(n >= 3);
    char path[300];
    (void)snprintf(path, sizeof(path), "/data/blocks/%.*s/index", STR_ARG(infos[1].name));
    struct file *file = fs_open(f.fs, path, FS_WRITE, &e);
    assert_non_null(file);
    ASSERT_OK(fs_write_at(f.fs, file, 40, STR("XX"), &e), e);
    fs_close(f.fs, file);
    for (int round = 0; round < 2; round++) { // The second start finds it in quarantine.
        fixture_open(&f);
        assert_true(fixture_get(&f, "up,instance=a,job=x", start + 1000, &v, NULL));
        assert_false(fixture_get(&f, "up,instance=a,job=x", start + 61000, &v, &partial));
        assert_true(partial);
        assert_true(fixture_get(&f, "up,instance=a,job=x", start + 121000, &v, NULL));
        fixture_close(&f);
    }
    // One line of it, with the file, the place, the time and how much there was.
    char range[64];
    (void)snprintf(range, sizeof(range), "(1 series, 60 samples from %lld to %lld)",
                   (long long)start + 60000, (long long)start + 119999);
    assert_int_equal(lines.n, 1);
    assert_non_null(strstr(lines.last, path));
    assert_non_null(strstr(lines.last, "(offset "));
    assert_non_null(strstr(lines.last, range));
    log_free(f.opts.log);
    arena_free(a);
    fixture_fini(&f);
}

TEST(tsdb_goes_on_without_a_damaged_page)
{
    struct fixture f;
    struct error e = {0};
    f64 v;
    bool partial = false;
    fixture_init(&f, 7);
    f.opts.compact_off = true;
    fixture_open(&f);
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 5 * FIXTURE_RANGE;
    for (i64 i = 0; i < 300; i++) {
        fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", start + i * 1000, (f64)i);
    }
    fixture_steps(&f);
    fixture_close(&f);
    struct arena *a = arena_new((size_t)1 << 20);
    struct fs_info *infos;
    size_t n;
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &infos, &n, &e), e);
    char path[300];
    (void)snprintf(path, sizeof(path), "/data/blocks/%.*s/data", STR_ARG(infos[0].name));
    struct file *file = fs_open(f.fs, path, FS_WRITE, &e);
    assert_non_null(file);
    ASSERT_OK(fs_write_at(f.fs, file, 30, STR("\x7f\x7f\x7f"), &e), e); // In the first page.
    fs_close(f.fs, file);
    fixture_open(&f);
    assert_false(fixture_get(&f, "up,instance=a,job=x", start + 1000, &v, &partial));
    assert_true(partial);
    assert_true(fixture_get(&f, "up,instance=a,job=x", start + 61000, &v, NULL));
    fixture_close(&f);
    arena_free(a);
    fixture_fini(&f);
}

TEST(tsdb_limits_series_with_a_clear_outcome)
{
    struct fixture f;
    char name[64];
    fixture_init(&f, 8);
    f.opts.series_max = 10;
    fixture_open(&f);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "m,instance=a,job=x,n=%d", i);
        assert_int_equal(fixture_put(&f, STREAM_SCRAPE, name, FIXTURE_NOW, 1),
                         i < 8 ? APPEND_STORED : APPEND_LIMIT_SERIES);
    }
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "m,instance=a,job=x,n=3", FIXTURE_NOW + 1, 2),
                     APPEND_STORED);
    fixture_fini(&f);
}

TEST(tsdb_takes_a_new_out_of_order_window_while_it_runs)
{
    struct fixture f;
    const char *name = "up,instance=a,job=x";
    fixture_init(&f, 85);
    fixture_open(&f);
    const i64 t = FIXTURE_NOW;
    assert_int_equal(fixture_put(&f, STREAM_PUSH, name, t, 1), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, name, t - 5000, 1), APPEND_OUT_OF_ORDER);
    tsdb_set_ooo_window(f.db, 10000);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, name, t - 5000, 1), APPEND_STORED_OOO);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, name, t - 11000, 1), APPEND_TOO_OLD);
    tsdb_set_ooo_window(f.db, 0);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, name, t - 4000, 1), APPEND_OUT_OF_ORDER);
    fixture_fini(&f);
}

// Writes n series name,n=0 … and says how many were stored; the others were refused by a limit.
static u32 flood(struct fixture *f, enum storage_stream stream, const char *name, u32 n)
{
    char text[128];
    u32 stored = 0;
    for (u32 i = 0; i < n; i++) {
        (void)snprintf(text, sizeof(text), "%s,instance=a,job=x,n=%u", name, i);
        const enum append_outcome o = fixture_put(f, stream, text, FIXTURE_NOW, 1);
        assert_true(o == APPEND_STORED || append_is_limited(o));
        stored += o == APPEND_STORED;
    }
    return stored;
}

TEST(tsdb_keeps_series_back_for_rules)
{
    struct fixture f;
    fixture_init(&f, 81);
    f.opts.series_max = 80;
    fixture_open(&f);
    assert_int_equal(flood(&f, STREAM_SCRAPE, "m", 200), 69); // All but an eighth, and one.
    assert_int_equal(flood(&f, STREAM_RULES, "r", 200), 11);
    fixture_reopen(&f);
    assert_int_equal(flood(&f, STREAM_RULES, "q", 5), 0);
    fixture_fini(&f);

    fixture_init(&f, 82);
    f.opts.series_max = 80;
    fixture_open(&f);
    assert_int_equal(flood(&f, STREAM_RULES, "r", 40), 40); // Where there is room, more than that.
    assert_int_equal(flood(&f, STREAM_SCRAPE, "m", 200), 40);
    f.opts.series_max = 20; // Too many for the new limit: rules still have their share, once.
    fixture_reopen(&f);
    assert_int_equal(flood(&f, STREAM_SCRAPE, "n", 5), 0);
    assert_int_equal(flood(&f, STREAM_RULES, "q", 5), 0);
    fixture_fini(&f);

    fixture_init(&f, 83);
    f.opts.series_max = 80;
    fixture_open(&f);
    assert_int_equal(flood(&f, STREAM_SCRAPE, "m", 60), 60);
    f.opts.series_max = 20;
    fixture_reopen(&f);
    assert_int_equal(flood(&f, STREAM_RULES, "q", 5), 3); // Although scrapes hold three times all.
    fixture_fini(&f);
}

TEST(tsdb_keeps_out_of_the_folders_of_others)
{
    struct fixture f;
    struct error e = {0};
    fixture_init(&f, 86);
    f.opts.fs = f.fs;
    f.opts.dir = "/a/b/data";
    assert_true(fs_make_dir(f.fs, "/a", &e) && fs_make_dir(f.fs, "/a/b", &e));
    assert_true(fs_make_dir(f.fs, "/a/b/data", &e));
    assert_true(fs_make_dir(f.fs, "/a/b/data/chunks_head", &e));
    assert_null(tsdb_open(&f.opts, &e));
    assert_true(str_contains(str_c(e.text), STR("\"chunks_head\", which is not ours")));
    struct fs_info info;
    assert_false(fs_stat(f.fs, "/a/b/data/wal", &info, &e)); // Nothing was left behind.
    assert_false(fs_stat(f.fs, "/a/b/data/lock", &info, &e));
    f.opts.dir = "/a/new/below/data"; // With all that it stands in.
    fixture_open(&f);
    fixture_reopen(&f); // And ours it is, whatever lies beside.
    fixture_close(&f);
    assert_true(fs_make_dir(f.fs, "/a/new/below/data/notes", &e));
    fixture_open(&f);
    fixture_fini(&f);
}

TEST(tsdb_lets_reports_in_where_ingestion_is_full)
{
    struct fixture f;
    fixture_init(&f, 85);
    f.opts.series_max = 80;
    fixture_open(&f);
    assert_int_equal(flood(&f, STREAM_SCRAPE, "m", 200), 69);
    assert_int_equal(flood(&f, STREAM_OWN, "up", 200), 11);
    assert_int_equal(flood(&f, STREAM_RULES, "r", 200), 11); // Not at the cost of the rules.
    fixture_reopen(&f);
    assert_int_equal(flood(&f, STREAM_OWN, "late", 5), 0);
    fixture_fini(&f);
}

TEST(tsdb_keeps_memory_back_for_rules)
{
    struct fixture f;
    fixture_init(&f, 84);
    f.opts.memory_max = (u64)4 << 20;
    fixture_open(&f);
    u32 rounds = 0;
    char name[64];
    for (; rounds < 1000; rounds++) {
        (void)snprintf(name, sizeof(name), "m%u", rounds);
        if (flood(&f, STREAM_SCRAPE, name, 200) == 0) {
            break;
        }
        fixture_steps(&f); // Memory is looked at here.
    }
    assert_true(rounds > 1 && rounds < 1000);
    assert_int_equal(flood(&f, STREAM_RULES, "r", 100), 100);
    fixture_steps(&f);
    assert_int_equal(flood(&f, STREAM_SCRAPE, "s", 1), 0);
    assert_int_equal(flood(&f, STREAM_RULES, "q", 100), 100);
    u32 more = 0;
    for (; more < 1000; more++) { // The share is bounded too.
        (void)snprintf(name, sizeof(name), "r%u", more);
        if (flood(&f, STREAM_RULES, name, 200) == 0) {
            break;
        }
        fixture_steps(&f);
    }
    assert_true(more < rounds);
    fixture_fini(&f);
}

// What is told of the log's health.
static bool writes_failing(struct fixture *f)
{
    struct tsdb_status status;
    struct arena *a = arena_new((size_t)1 << 20);
    tsdb_status_get(f->db, 1, a, &status);
    arena_free(a);
    return status.writes_failing;
}

static enum err metadata_put(struct fixture *f, u32 n, str help)
{
    struct error e = {0};
    char name[32];
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    for (u32 i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "family_%u", i);
        const struct metadata m = {.name = str_c(name), .help = help};
        ASSERT_OK(a->ops->metadata(a, &m, 1, &e), e);
    }
    bool ok = a->ops->commit(a, DURABILITY_SYNC, NULL, &e);
    storage_appender_close(a);
    return ok ? ERR_NONE : e.code;
}

TEST(tsdb_does_not_blame_the_log_for_a_commit_that_is_too_long)
{
    struct fixture f;
    fixture_init(&f, 19);
    struct fs *faulty = fs_faulty_new(f.own_fs);
    f.fs = faulty;
    fixture_open(&f);
    const size_t len = (size_t)7 << 20;
    char *text = MEM_NEW_N(char, len);
    memset(text, 'x', len);
    assert_int_equal(metadata_put(&f, 5, (str){text, len}), ERR_LIMIT);
    assert_false(writes_failing(&f));
    assert_int_equal(atomic_load(&f.db->counts[COUNT_WAL_WRITES_FAILED]), 0);
    assert_int_equal(metadata_put(&f, 1, STR("help")), ERR_NONE);
    fs_faulty_arm(faulty, 1, FS_FAULT_EIO, true);
    assert_int_equal(metadata_put(&f, 1, STR("other help")), ERR_IO);
    assert_true(writes_failing(&f));
    assert_int_equal(metadata_put(&f, 5, (str){text, len}), ERR_IO);
    fs_faulty_arm(faulty, 0, FS_FAULT_EIO, false);
    assert_int_equal(metadata_put(&f, 5, (str){text, len}), ERR_LIMIT);
    assert_true(writes_failing(&f)); // It says nothing of the log, nor that it is well again.
    assert_true(atomic_load(&f.db->counts[COUNT_WAL_WRITES_FAILED]) > 0);
    assert_int_equal(metadata_put(&f, 1, STR("other help")), ERR_NONE);
    assert_false(writes_failing(&f));
    mem_free(text);
    fixture_fini(&f);
    fs_faulty_free(faulty);
}

// Series that are asked for and get no sample.
static void resolve_only(struct fixture *f, u32 n, size_t value_bytes)
{
    struct error e = {0};
    char *value = MEM_NEW_N(char, value_bytes);
    memset(value, 'x', value_bytes);
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    for (u32 i = 0; i < n; i++) {
        struct series_ref ref;
        u8 outcome = APPEND_INVALID;
        (void)snprintf(value, value_bytes, "%06u", i);
        value[6] = 'x';
        const struct label items[] = {{LABEL_NAME, STR("wide")}, {STR("v"), {value, value_bytes}}};
        const struct labels set = {.items = items, .count = 2};
        a->ops->resolve(a, &set, 1, &ref, &outcome);
        assert_int_equal(outcome, APPEND_STORED);
    }
    storage_appender_close(a);
    mem_free(value);
}

TEST(tsdb_tells_the_log_of_more_series_than_one_commit_can)
{
    struct fixture f;
    fixture_init(&f, 23);
    fixture_open(&f);
    resolve_only(&f, 160, (size_t)256 << 10); // 40 MiB.
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "m,n=1", FIXTURE_NOW, 1), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "m,n=2", FIXTURE_NOW, 2), APPEND_STORED);
    assert_false(writes_failing(&f));
    fixture_reopen(&f);
    f64 value = 0;
    assert_true(fixture_get(&f, "m,n=1", FIXTURE_NOW, &value, NULL));
    assert_true(fixture_get(&f, "m,n=2", FIXTURE_NOW, &value, NULL));
    assert_true(value > 1);
    fixture_fini(&f);
}

TEST(tsdb_forgets_series_that_left_and_reuses_their_place_safely)
{
    struct fixture f;
    f64 v;
    char name[64];
    fixture_init(&f, 9);
    fixture_open(&f);
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 40 * FIXTURE_RANGE;
    for (i64 i = 0; i < 40; i++) { // A new series each window, as rollouts make them.
        for (i64 k = 0; k < 20; k++) {
            (void)snprintf(name, sizeof(name), "churn,instance=p%d,job=x", (int)i);
            fixture_put(&f, STREAM_SCRAPE, name, start + i * FIXTURE_RANGE + k * 3000,
                        (f64)(i * 100 + k));
        }
        fixture_steps(&f);
        if (i % 10 == 9) {
            fixture_reopen(&f);
        }
    }
    struct arena *a = arena_new((size_t)1 << 20);
    struct tsdb_status status;
    tsdb_status_get(f.db, 10, a, &status);
    assert_true(status.series < 8);
    for (i64 i = 0; i < 40; i++) {
        for (i64 k = 0; k < 20; k++) {
            (void)snprintf(name, sizeof(name), "churn,instance=p%d,job=x", (int)i);
            assert_true(fixture_get(&f, name, start + i * FIXTURE_RANGE + k * 3000, &v, NULL));
            assert_true(v == (f64)(i * 100 + k));
        }
    }
    arena_free(a);
    fixture_fini(&f);
}
