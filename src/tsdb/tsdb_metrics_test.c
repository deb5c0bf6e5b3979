// tsdb_metrics_test.c: what dashboards and alerts read of the engine is there, and moves.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "model/match.h"
#include "model/sample.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_fixture.h"

#include <stdio.h>

static void measured_init(struct fixture *f, u64 seed)
{
    fixture_init(f, seed);
    f->opts.registry = tmk_registry_new(NULL);
    fixture_open(f);
}

static void measured_fini(struct fixture *f)
{
    fixture_close(f);
    tmk_registry_free(f->opts.registry);
    fixture_fini(f);
}

static i64 window_start(i64 ranges)
{
    return FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - ranges * FIXTURE_RANGE;
}

static void feed(struct fixture *f, i64 from, i64 steps)
{
    for (i64 k = 0; k < steps; k++) {
        assert_int_equal(fixture_put(f, STREAM_SCRAPE, "up,instance=a,job=x", from + k * 1000, 1),
                         APPEND_STORED);
    }
}

static void deletion(struct fixture *f, i64 min_ms, i64 max_ms)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    u64 id = 0;
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, STR("instance"), STR("a"), &e), e);
    struct tsdb_deletion d = {
        .tenant = TENANT_DEFAULT, .ms = &m, .count = 1, .min_ms = min_ms, .max_ms = max_ms};
    ASSERT_OK(tsdb_delete(f->db, &d, &id, &e), e);
    arena_free(a);
}

static void exemplar_put(struct fixture *f, i64 t)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct labels set = fixture_labels("up,instance=a,job=x", items, bytes);
    struct label trace = {STR("trace_id"), STR("1")};
    struct exemplar x = {.labels = {&trace, 1}, .value = 1, .t_ms = t};
    struct series_ref ref;
    u8 outcome;
    u64 position;
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_SCRAPE, &e);
    a->ops->resolve(a, &set, 1, &ref, &outcome);
    ASSERT_OK(a->ops->exemplars(a, &ref, &x, 1, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    assert_int_equal(fixture_metric(f, "prometheus_tsdb_head_active_appenders"), 1);
    storage_appender_close(a);
}

TEST(metrics_tell_of_cuts_truncations_and_cleans)
{
    struct fixture f;
    struct error e = {0};
    u32 blocks;
    measured_init(&f, 401);
    const u64 listed = fixture_metric(&f, "prometheus_tsdb_reloads_total");
    feed(&f, window_start(6), 200);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_wal_page_flushes_total"), 200);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_isolation_high_watermark"), 200);
    fixture_steps(&f);
    const u64 cuts = fixture_metric(&f, "prometheus_tsdb_head_truncations_total");
    assert_true(cuts > 0);
    assert_true(fixture_metric(&f, "prometheus_tsdb_reloads_total") >= listed + cuts);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_truncations_failed_total"), 0);
    assert_true(fixture_metric(&f, "prometheus_tsdb_head_gc_duration_seconds_count") > 0);
    const u64 cleans = fixture_metric(&f, "prometheus_tsdb_tombstone_cleanup_seconds_count");
    deletion(&f, window_start(6), window_start(6) + 30000);
    ASSERT_OK(tsdb_clean(f.db, &blocks, &e), e);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_tombstone_cleanup_seconds_count"),
                     cleans + 1);
    measured_fini(&f);
}

TEST(metrics_tell_of_the_chunks_that_left_the_head)
{
    struct fixture f;
    struct error e = {0};
    u32 blocks;
    const i64 start = window_start(6);
    measured_init(&f, 406);
    feed(&f, start, 200); // Two windows that can be cut, and more.
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_compaction_chunk_samples_count"), 0);
    fixture_steps(&f);
    const u64 n = fixture_metric(&f, "prometheus_tsdb_compaction_chunk_samples_count");
    assert_true(n > 0);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_compaction_chunk_samples_sum"), 120);
    assert_int_equal(
        fixture_metric(&f, "prometheus_tsdb_compaction_chunk_samples_bucket{le=\"+Inf\"}"), n);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_compaction_chunk_range_seconds_count"), n);
    // All the time but that between one chunk and the next.
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_compaction_chunk_range_seconds_sum"),
                     (120 - n) * 1000);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_compaction_chunk_size_bytes_count"), n);
    assert_true(fixture_metric(&f, "prometheus_tsdb_compaction_chunk_size_bytes_sum") >= n);
    assert_int_equal(
        fixture_metric(&f, "prometheus_tsdb_compaction_chunk_size_bytes_bucket{le=\"32\"}"), n);
    deletion(&f, start, start + 30000);
    clk_manual_advance(f.clk, (i64)25 * 3600 * 1000); // It cannot be undone any more.
    ASSERT_OK(tsdb_clean(f.db, &blocks, &e), e);
    assert_true(blocks > 0); // What was cut before is written again: that counts no more.
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_compaction_chunk_samples_count"), n);
    measured_fini(&f);
}

TEST(metrics_tell_how_late_samples_came)
{
    struct fixture f;
    fixture_init(&f, 407);
    f.opts.registry = tmk_registry_new(NULL);
    f.opts.ooo_window_ms = 0;
    fixture_open(&f);
    const i64 t = FIXTURE_NOW;
    feed(&f, t - 3000, 4);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_count"), 0);
    // Equal to the newest: not late. Behind it: late and refused.
    (void)fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", t, 1);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_count"), 0);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", t - 7000, 1),
                     APPEND_OUT_OF_ORDER);
    // A series of its own may begin behind the others.
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,instance=b,job=x", t - 7000, 1),
                     APPEND_STORED);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_count"), 1);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_sum"), 7);
    tsdb_set_ooo_window(f.db, 3600000);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", t - 700000, 1),
                     APPEND_STORED_OOO);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", t - 3700000, 1),
                     APPEND_TOO_OLD);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_bucket{le=\"600\"}"), 1);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_bucket{le=\"1800\"}"), 2);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_count"), 3);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_sample_ooo_delta_sum"), 4407);
    measured_fini(&f);
}

TEST(metrics_tell_of_a_log_that_was_truncated)
{
    struct fixture f;
    fixture_init(&f, 402);
    f.opts.registry = tmk_registry_new(NULL);
    f.opts.wal_segment_bytes = 4096;
    fixture_open(&f);
    feed(&f, window_start(20), 1200);
    fixture_steps(&f);
    const u64 n = fixture_metric(&f, "prometheus_tsdb_wal_truncations_total");
    assert_true(n > 0);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_checkpoint_creations_total"), n);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_wal_truncate_duration_seconds_count"), n);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_checkpoint_deletions_total"), n);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_checkpoint_deletions_failed_total"), 0);
    measured_fini(&f);
}

TEST(metrics_tell_of_a_checkpoint_that_cannot_be_removed)
{
    struct fixture f;
    struct error e = {0};
    fixture_init(&f, 408);
    f.opts.registry = tmk_registry_new(NULL);
    f.opts.wal_segment_bytes = 4096;
    fixture_open(&f);
    // A folder with something in it does not go as a file does.
    ASSERT_OK(fs_make_dir(f.fs, "/data/wal/0/ckpt-00000000", &e), e);
    ASSERT_OK(fs_replace_file(f.fs, "/data/wal/0/ckpt-00000000/x", STR("x"), &e), e);
    feed(&f, window_start(20), 1200);
    fixture_steps(&f);
    const u64 n = fixture_metric(&f, "prometheus_tsdb_checkpoint_deletions_failed_total");
    assert_true(n > 0);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_checkpoint_deletions_total"), n);
    // It was written, and the log goes on without what it stands for.
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_checkpoint_creations_total"), n);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_checkpoint_creations_failed_total"), 0);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_wal_truncations_total"), n);
    measured_fini(&f);
}

TEST(metrics_tell_what_the_oldest_reader_sees)
{
    struct fixture f;
    struct error e = {0};
    measured_init(&f, 403);
    feed(&f, window_start(1), 3);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    feed(&f, window_start(1) + 3000, 4);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_isolation_low_watermark"), 3);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_isolation_high_watermark"), 7);
    storage_querier_close(q);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_isolation_low_watermark"), 7);
    measured_fini(&f);
}

TEST(metrics_tell_of_exemplars_and_of_series_that_ended)
{
    struct fixture f;
    measured_init(&f, 404);
    feed(&f, FIXTURE_NOW, 1);
    exemplar_put(&f, FIXTURE_NOW);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_active_appenders"), 0);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_exemplar_exemplars_in_storage"), 1);
    assert_int_equal(
        fixture_metric(&f, "prometheus_tsdb_exemplar_series_with_exemplars_in_storage"), 1);
    assert_int_equal(
        fixture_metric(&f, "prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds"),
        FIXTURE_NOW / 1000);
    assert_true(fixture_metric(&f, "prometheus_tsdb_exemplar_max_exemplars") > 0);
    exemplar_put(&f, FIXTURE_NOW); // The same again is dropped, but not late.
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_exemplar_out_of_order_exemplars_total"),
                     0);
    exemplar_put(&f, FIXTURE_NOW - 1);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_exemplar_out_of_order_exemplars_total"),
                     1);
    assert_int_equal(fixture_metric(&f, "tidemark_tsdb_exemplars_dropped_total"), 2);
    assert_int_equal(
        fixture_put(&f, STREAM_SCRAPE, "up,instance=a,job=x", FIXTURE_NOW + 1000, stale_nan()),
        APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up,instance=b,job=x", FIXTURE_NOW, 1),
                     APPEND_STORED);
    clk_manual_advance(f.clk, 61000);
    fixture_steps(&f);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_stale_series"), 1);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_series"), 2);
    measured_fini(&f);
}

// How many buckets it has.
static u32 hist_put(struct fixture *f, const char *series, i64 t, u64 seed)
{
    struct fixture_hist made;
    fixture_hist_make(seed, &made);
    assert_int_equal(fixture_put_hist(f, STREAM_SCRAPE, series, t, &made), APPEND_STORED);
    return made.h.positive.bucket_count + made.h.negative.bucket_count;
}

static void hists_assert(struct fixture *f, u32 series, u32 buckets)
{
    clk_manual_advance(f->clk, 61000);
    fixture_steps(f);
    assert_int_equal(fixture_metric(f, "prometheus_tsdb_head_native_histogram_series"), series);
    assert_int_equal(fixture_metric(f, "prometheus_tsdb_head_native_histogram_buckets"), buckets);
}

TEST(metrics_tell_of_native_histograms_in_the_head)
{
    struct fixture f;
    measured_init(&f, 406);
    feed(&f, FIXTURE_NOW, 1);
    hists_assert(&f, 0, 0);
    const u32 a = hist_put(&f, "h,instance=a,job=x", FIXTURE_NOW, 5);
    u32 b = hist_put(&f, "h,instance=b,job=x", FIXTURE_NOW, 1); // Its buckets are negative.
    assert_true(a > 0 && b > 0);
    hists_assert(&f, 2, a + b);
    b = hist_put(&f, "h,instance=b,job=x", FIXTURE_NOW + 1000, 9);
    hists_assert(&f, 2, a + b);
    assert_int_equal(hist_put(&f, "h,instance=b,job=x", FIXTURE_NOW + 2000, 3), 0); // A marker.
    hists_assert(&f, 2, a);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_stale_series"), 1);
    fixture_reopen(&f);
    fixture_steps(&f); // Looks at once, not after a minute.
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_native_histogram_series"), 2);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_native_histogram_buckets"), a);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_stale_series"), 1);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "h,instance=a,job=x", FIXTURE_NOW + 1000, 1),
                     APPEND_STORED);
    hists_assert(&f, 1, 0);
    measured_fini(&f);
}

TEST(metrics_tell_of_a_block_that_cannot_be_read)
{
    struct fixture f;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct fs_info *infos;
    size_t n;
    char path[512];
    measured_init(&f, 405);
    feed(&f, window_start(6), 200);
    fixture_steps(&f);
    fixture_close(&f);
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &infos, &n, &e), e);
    assert_true(n > 0);
    (void)snprintf(path, sizeof(path), "/data/blocks/%.*s/meta", STR_ARG(infos[0].name));
    ASSERT_OK(fs_replace_file(f.fs, path, STR("no description"), &e), e);
    arena_free(a);
    fixture_open(&f);
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_reloads_failures_total"), 1);
    measured_fini(&f);
}
