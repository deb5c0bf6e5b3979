// tsdb_cold_test.c: idle series leave memory for blocks of their own, stay findable and come back.
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/fs_inner.h"
#include "tsdb/block.h"
#include "tsdb/cold_rig.h"
#include "tsdb/head.h"
#include "tsdb/head_settle.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/wal.h"

#include <stdio.h>

TEST(cold_series_leave_memory_and_stay_findable)
{
    struct fixture f;
    cold_rig_begin(&f, 921);
    const struct cold_seen before = cold_look(&f);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED); // The others may be slow ones.
    assert_int_equal(cold_main(&f)->idle, COLD_SERIES - COLD_ENDED);
    assert_int_equal(f.db->blocks->n, 1);
    assert_int_equal(f.db->blocks->blocks[0]->meta.min_ms, COLD_START);
    assert_int_equal(f.db->blocks->blocks[0]->meta.max_ms, COLD_END + 1);
    assert_int_equal(f.db->blocks->blocks[0]->meta.cold, SHARD_MAIN + 1);
    assert_true(f.db->head_min < COLD_START);
    cold_same(cold_look(&f), before);
    for (u32 round = 0; round < 3; round++) {
        fixture_reopen(&f);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
        assert_int_equal(cold_main(&f)->ends.n, COLD_ENDED);
        assert_int_equal(cold_counted(&f, COUNT_REPLAY_LOST), 0);
        cold_same(cold_look(&f), before);
        cold_go(&f);
        assert_int_equal(f.db->blocks->n, 1); // What left once is not written again.
        clk_manual_advance(f.clk, (i64)600 * 1000);
        f.opts.image_every_ms = round == 0 ? 1 : f.opts.image_every_ms;
        f.opts.image_log_bytes = 1;
    }
    fixture_fini(&f);
}

// A minute later than those that ended, so that half a range has passed.
TEST(cold_takes_silent_series_when_they_are_silent_for_long)
{
    struct fixture f;
    cold_rig_begin(&f, 922);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
    assert_int_equal(cold_put(&f, 0, COLD_END + FIXTURE_RANGE / 2, 1), APPEND_STORED);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED + 1);
    assert_int_equal(cold_put(&f, 0, COLD_END + FIXTURE_RANGE / 2 + 1, 1), APPEND_STORED);
    const struct cold_seen before = cold_look(&f);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, 1);
    cold_same(cold_look(&f), before);
    fixture_fini(&f);
}

TEST(cold_needs_enough_series)
{
    struct fixture f;
    cold_rig_begin(&f, 923);
    f.db->opts.cold_min = COLD_ENDED + 1;
    cold_go(&f);
    assert_int_equal(f.db->blocks->n, 0);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES);
    assert_int_equal(cold_main(&f)->ends.n, 0);
    f.db->opts.cold_min = 1;
    f.db->opts.cold_every_ms = -1;
    cold_go(&f);
    assert_int_equal(f.db->blocks->n, 0);
    fixture_fini(&f);
}

TEST(cold_series_come_back_and_are_judged_by_where_they_ended)
{
    struct fixture f;
    f64 v;
    cold_rig_begin(&f, 924);
    cold_go(&f);
    for (u32 round = 0; round < 2; round++) {
        const struct cold_seen before = cold_look(&f);
        assert_int_equal(cold_put(&f, 0, COLD_END, stale_nan()), APPEND_OUT_OF_ORDER);
        assert_int_equal(cold_put(&f, 0, COLD_START + 500, 5), APPEND_OUT_OF_ORDER);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED + 1); // It was resolved.
        cold_same(cold_look(&f), before);
        tsdb_set_ooo_window(f.db, FIXTURE_RANGE);
        assert_int_equal(cold_put(&f, 0, COLD_END, 5), APPEND_TOO_OLD);
        assert_int_equal(cold_put(&f, 0, COLD_START + 500, 5), APPEND_TOO_OLD);
        tsdb_set_ooo_window(f.db, 0);
        cold_same(cold_look(&f), before);
        fixture_reopen(&f);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
    }
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_STORED);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_DUPLICATE);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 6), APPEND_CONFLICT);
    assert_int_equal(cold_put(&f, 0, COLD_END, stale_nan()), APPEND_OUT_OF_ORDER);
    tsdb_set_ooo_window(f.db, FIXTURE_RANGE);
    assert_int_equal(cold_put(&f, 0, COLD_END + 3, 8), APPEND_STORED);
    assert_int_equal(cold_put(&f, 0, COLD_END + 2, 8), APPEND_STORED_OOO);
    assert_int_equal(cold_put(&f, 0, COLD_END, 8), APPEND_TOO_OLD);
    const struct cold_seen after = cold_look(&f);
    for (u32 round = 0; round < 2; round++) {
        assert_true(cold_has(&f, 0, COLD_START, &v) && v == 0);
        assert_true(cold_has(&f, 0, COLD_END + 1, &v) && v == 5);
        assert_true(cold_has(&f, 0, COLD_END + 2, &v) && v == 8);
        fixture_reopen(&f);
        cold_same(cold_look(&f), after);
    }
    fixture_fini(&f);
}

// Of one commit: what is planned already counts, and the end only until then.
TEST(cold_series_come_back_with_several_samples_at_once)
{
    struct fixture f;
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct series_ref refs[5];
    u8 outcomes[5];
    u64 position;
    const i64 t[5] = {COLD_END, COLD_END + 1, COLD_END + 1, COLD_END + 1, COLD_END + 2};
    const f64 values[5] = {1, 2, 2, 3, 4};
    cold_rig_begin(&f, 925);
    cold_go(&f);
    struct labels set = fixture_labels("m0,instance=h0,job=j", items, bytes);
    struct storage_appender *a = storage_appender_open(f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &set, 1, refs, outcomes);
    for (u32 i = 1; i < 5; i++) {
        refs[i] = refs[0];
    }
    const struct append_batch b = {
        .refs = refs, .t_ms = t, .values = values, .n = 5, .outcomes = outcomes};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    storage_appender_close(a);
    const u8 want[5] = {APPEND_OUT_OF_ORDER, APPEND_STORED, APPEND_DUPLICATE, APPEND_CONFLICT,
                        APPEND_STORED};
    assert_memory_equal(outcomes, want, sizeof(want));
    fixture_fini(&f);
}

TEST(cold_rows_stay_while_a_reader_lacks_their_block)
{
    struct fixture f;
    struct error e = {0};
    f64 v;
    cold_rig_begin(&f, 926);
    const struct cold_seen before = cold_look(&f);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    cold_go(&f);
    assert_int_equal(f.db->blocks->n, 1);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES);
    cold_same(cold_look(&f), before); // Who comes now has both, and sees each once.
    u64 series;
    ASSERT_OK(q->ops->series_count(q, NULL, 0, &series, &e), e);
    assert_int_equal(series, COLD_SERIES);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_STORED); // It wakes, and stays.
    storage_querier_close(q);
    const struct cold_seen after = cold_look(&f);
    fixture_steps(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED + 1);
    for (u32 round = 0; round < 2; round++) {
        cold_same(cold_look(&f), after);
        assert_true(cold_has(&f, 0, COLD_START + 1000, &v) && v == 100);
        assert_true(cold_has(&f, 0, COLD_END + 1, &v) && v == 5);
        fixture_reopen(&f);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED + 1);
    }
    fixture_fini(&f);
}

TEST(cold_blocks_take_deletions_along_and_more)
{
    struct fixture f;
    struct error e = {0};
    f64 v;
    cold_rig_begin(&f, 927);
    cold_delete(&f, "m0", COLD_START + 2000, COLD_START + 4000);
    const struct cold_seen before = cold_look(&f);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
    assert_int_equal(f.db->blocks->heads[SHARD_MAIN]->n, 1); // Of the one series that stayed.
    cold_same(cold_look(&f), before);
    fixture_reopen(&f);
    cold_same(cold_look(&f), before); // The log has what was deleted, and is not believed.
    const u64 id = cold_delete(&f, "m1", COLD_START, COLD_END + 5);
    assert_false(cold_has(&f, 1, COLD_START + 3000, &v));
    assert_int_equal(cold_put(&f, 1, COLD_END + 1, 5), APPEND_STORED);
    fixture_reopen(&f);
    assert_false(cold_has(&f, 1, COLD_START + 3000, &v));
    assert_true(cold_has(&f, 1, COLD_END + 1, &v));
    ASSERT_OK(tsdb_undelete(f.db, id, &e), e);
    assert_true(cold_has(&f, 1, COLD_START + 3000, &v));
    assert_false(cold_has(&f, 0, COLD_START + 3000, &v));
    fixture_reopen(&f);
    assert_true(cold_has(&f, 1, COLD_START + 3000, &v));
    assert_false(cold_has(&f, 0, COLD_START + 3000, &v));
    fixture_fini(&f);
}

// The window of a cold block is cut: both become one, and the log goes.
TEST(cold_blocks_join_what_is_cut_of_their_window)
{
    struct fixture f;
    f64 v;
    cold_rig_begin(&f, 928);
    cold_go(&f);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_STORED);
    for (i64 k = 1; k < 200; k++) {
        for (u32 i = COLD_ENDED; i < COLD_SERIES; i++) {
            assert_int_equal(cold_put(&f, i, COLD_END + k * 1000, (f64)k), APPEND_STORED);
        }
        if (k % 40 == 0) {
            cold_go(&f); // Nobody but number 0 is silent.
        }
    }
    const struct cold_seen before = cold_look(&f);
    fixture_steps(&f);
    assert_true(f.db->head_min > COLD_END);
    for (u32 i = 0; i < f.db->blocks->n; i++) {
        assert_int_equal(f.db->blocks->blocks[i]->meta.cold, 0);
    }
    assert_true(cold_counted(&f, COUNT_VERTICAL_COMPACTIONS) > 0);
    for (u32 round = 0; round < 2; round++) {
        cold_same(cold_look(&f), before);
        assert_true(cold_has(&f, 0, COLD_START, &v) && v == 0);
        assert_true(cold_has(&f, 0, COLD_END + 1, &v) && v == 5);
        assert_int_equal(cold_main(&f)->ends.n, 0);
        fixture_reopen(&f);
    }
    fixture_fini(&f);
}

// A checkpoint does not know the labels of what left; the log behind it still has its samples.
TEST(cold_series_in_the_log_behind_a_checkpoint_are_no_loss)
{
    struct fixture f;
    cold_rig_begin(&f, 929);
    f.db->opts.image_every_ms = -1;
    // Into the next window, which is not cut with the first; both have samples of all.
    const i64 next = COLD_START - COLD_START % FIXTURE_RANGE + FIXTURE_RANGE;
    for (i64 k = 0; k < 300; k++) {
        for (u32 i = 0; i < COLD_SERIES; i++) {
            assert_int_equal(cold_put(&f, i, next + k * 100, (f64)k), APPEND_STORED);
        }
    }
    for (u32 i = 0; i < COLD_ENDED; i++) {
        assert_int_equal(cold_put(&f, i, next + 31000, stale_nan()), APPEND_STORED);
    }
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
    assert_int_equal(f.db->blocks->n, 2); // One of each window.
    for (u32 i = COLD_ENDED; i < COLD_SERIES; i++) {
        assert_int_equal(cold_put(&f, i, next + 32000, 1), APPEND_STORED);
    }
    const struct cold_seen before = cold_look(&f);
    fixture_steps(&f);
    assert_int_equal(f.db->head_min, next);
    assert_true(wal_first(f.db->wals[SHARD_MAIN]) > 1);
    f.opts.image_every_ms = -1;
    for (u32 round = 0; round < 3; round++) {
        fixture_reopen(&f);
        cold_same(cold_look(&f), before);
        assert_int_equal(cold_counted(&f, COUNT_REPLAY_LOST), 0);
        assert_int_equal(cold_counted(&f, COUNT_WAL_CORRUPTIONS), 0);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
        fixture_steps(&f);
    }
    fixture_fini(&f);
}

TEST(cold_series_are_counted_by_limits_when_they_come_back)
{
    struct fixture f;
    cold_rig_begin(&f, 930);
    f.opts.series_max = 16; // 3 of them are for rules: 13 are left.
    fixture_reopen(&f);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
    assert_int_equal(atomic_load(&f.db->limits.series), 0); // Idle ones count for nothing.
    for (u32 i = 0; i < 13; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "other,n=%u", i);
        assert_int_equal(fixture_put(&f, STREAM_SCRAPE, text, COLD_END + 5, 1), APPEND_STORED);
    }
    assert_int_equal(cold_put(&f, 0, COLD_END + 6, 1), APPEND_LIMIT_SERIES);
    cold_idle_all(&f);
    assert_int_equal(cold_put(&f, 0, COLD_END + 6, 1), APPEND_STORED);
    assert_int_equal(atomic_load(&f.db->limits.series), 1);
    fixture_fini(&f);
}

// What of a cold block is damaged, the log still has.
TEST(cold_blocks_that_are_damaged_come_back_from_the_log)
{
    struct fixture f;
    struct error e = {0};
    char name[BLOCK_NAME];
    char path[256];
    cold_rig_begin(&f, 931);
    const struct cold_seen before = cold_look(&f);
    cold_go(&f);
    block_name(&f.db->blocks->blocks[0]->meta, name);
    assert_true(name[0] == 'c');
    fixture_close(&f);
    (void)snprintf(path, sizeof(path), "/data/blocks/%s/meta", name);
    struct file *file = fs_open(f.fs, path, FS_WRITE, &e);
    ASSERT_OK(fs_write_at(f.fs, file, 60, STR("damage"), &e), e);
    fs_close(f.fs, file);
    fixture_open(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES);
    assert_int_equal(f.db->gap_count, 1); // Answers say that they may be partial.
    cold_same(cold_look(&f), before);
    fixture_fini(&f);
}

// The log before it is not read, and it holds rows that a block has by now.
TEST(cold_series_stay_out_of_an_image_that_is_older)
{
    struct fixture f;
    f64 v;
    cold_rig_begin(&f, 932);
    f.db->opts.image_every_ms = 1;
    f.db->opts.image_log_bytes = 1;
    clk_manual_advance(f.clk, 10);
    fixture_steps(&f);
    assert_true(cold_counted(&f, COUNT_IMAGES_WRITTEN) > 0);
    f.db->opts.image_every_ms = -1;
    cold_delete(&f, "m0", COLD_START + 2000, COLD_START + 4000);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_STORED);
    const struct cold_seen before = cold_look(&f);
    f.opts.image_every_ms = -1;
    for (u32 round = 0; round < 2; round++) {
        fixture_reopen(&f);
        assert_true(cold_counted(&f, COUNT_IMAGES_READ) > 0); // Of the other shard there is none.
        assert_int_equal(cold_counted(&f, COUNT_REPLAY_LOST), 0);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED + 1);
        cold_same(cold_look(&f), before);
        assert_false(cold_has(&f, 0, COLD_START + 3000, &v));
        assert_true(cold_has(&f, 0, COLD_END + 1, &v) && v == 5);
    }
    fixture_fini(&f);
}

TEST(head_ends_keep_the_latest_and_forget_what_is_below_the_floor)
{
    struct head_ends x;
    i64 t = 0;
    head_ends_init(&x);
    assert_false(head_ends_maybe(&x, 1));
    for (u64 i = 0; i < 1000; i++) {
        head_ends_put(&x, (struct head_end){.hash = i / 2, .check = i, .t = (i64)i});
    }
    head_ends_put(&x, (struct head_end){.hash = 3, .check = 6, .t = 5}); // Not earlier.
    head_ends_put(&x, (struct head_end){.hash = 3, .check = 7, .t = 2000});
    assert_int_equal(x.n, 1000);
    assert_true(head_ends_find(&x, 3, 6, &t) && t == 6);
    assert_true(head_ends_find(&x, 3, 7, &t) && t == 2000);
    assert_true(head_ends_maybe(&x, 3));
    assert_false(head_ends_find(&x, 3, 8, &t)); // Another series of that hash.
    head_ends_prune(&x, 900);
    assert_int_equal(x.n, 101);
    assert_false(head_ends_find(&x, 3, 6, &t));
    assert_true(head_ends_find(&x, 3, 7, &t) && t == 2000);
    assert_true(head_ends_find(&x, 499, 999, &t) && t == 999);
    head_ends_prune(&x, INT64_MAX);
    assert_int_equal(x.n, 0);
    head_ends_put(&x, (struct head_end){.hash = 1, .check = 2, .t = 3});
    assert_true(head_ends_find(&x, 1, 2, &t) && t == 3);
    head_ends_fini(&x);
}

TEST(cold_blocks_are_told_from_others_by_name_and_description)
{
    struct fixture f;
    struct error e = {0};
    struct block_meta m = {.min_ms = 1, .max_ms = 2, .level = 1, .cold = 2};
    struct block_meta got = {0};
    char name[BLOCK_NAME];
    fixture_init(&f, 933);
    memcpy(m.id, "0123456789ABCDEFGHJKMNPQRS", sizeof(m.id));
    block_name(&m, name);
    assert_string_equal(name, "c+1+2-0123456789ABCDEFGHJKMNPQRS");
    assert_true(block_name_parse(str_c(name), &got) && got.cold);
    assert_true(block_name_parse(str_c("b+1+2-0123456789ABCDEFGHJKMNPQRS"), &got) && !got.cold);
    ASSERT_OK(block_meta_write(f.fs, "/meta", &m, &e), e);
    ASSERT_OK(block_meta_read(f.fs, "/meta", &got, &e), e);
    assert_int_equal(got.cold, 2);
    m.cold = HEADS_MAX + 1; // Of no shard.
    ASSERT_OK(block_meta_write(f.fs, "/meta", &m, &e), e);
    assert_false(block_meta_read(f.fs, "/meta", &got, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    fixture_fini(&f);
}

TEST(cold_series_are_in_snapshots)
{
    struct fixture f;
    struct error e = {0};
    char name[TSDB_SNAPSHOT_NAME];
    char dir[128];
    cold_rig_begin(&f, 934);
    cold_delete(&f, "m0", COLD_START + 2000, COLD_START + 4000);
    cold_go(&f);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_STORED);
    const struct cold_seen before = cold_look(&f);
    ASSERT_OK(tsdb_snapshot(f.db, false, name, &e), e);
    fixture_close(&f);
    (void)snprintf(dir, sizeof(dir), "/data/snapshots/%s", name);
    f.opts.dir = dir;
    fixture_open(&f);
    cold_same(cold_look(&f), before);
    assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED + 1);
    fixture_fini(&f);
}

// Between the two calls of a writer nothing is lost.
TEST(cold_leaves_series_alone_that_somebody_is_about_to_write_to)
{
    struct fixture f;
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct series_ref ref;
    u8 outcome;
    u64 position;
    f64 v;
    const i64 t = COLD_END + 1;
    const f64 value = 5;
    cold_rig_begin(&f, 936);
    cold_idle_all(&f);
    struct labels set = fixture_labels("m0,instance=h0,job=j", items, bytes);
    struct storage_appender *a = storage_appender_open(f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &set, 1, &ref, &outcome);
    for (u32 pass = 0; pass < 3; pass++) {
        head_settle(f.db->heads[SHARD_MAIN]);
        clk_manual_advance(f.clk, 10);
        fixture_steps(&f);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED + 1);
    }
    const struct append_batch b = {
        .refs = &ref, .t_ms = &t, .values = &value, .n = 1, .outcomes = &outcome};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    storage_appender_close(a);
    assert_int_equal(outcome, APPEND_STORED);
    assert_true(cold_has(&f, 0, COLD_START, &v) && v == 0);
    assert_true(cold_has(&f, 0, COLD_END + 1, &v) && v == 5);
    fixture_fini(&f);
}

// Of one commit of one sample: whether the log took it.
static bool sample_commit(struct fixture *f, u32 series, i64 t, f64 value, u8 *outcome)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    char text[64];
    struct series_ref ref;
    u64 position;
    (void)snprintf(text, sizeof(text), "m%u,instance=h%u,job=j", series % 4, series / 4);
    struct labels set = fixture_labels(text, items, bytes);
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &set, 1, &ref, outcome);
    const struct append_batch b = {
        .refs = &ref, .t_ms = &t, .values = &value, .n = 1, .outcomes = outcome};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    const bool ok = a->ops->commit(a, DURABILITY_PERIODIC, &position, &e);
    storage_appender_close(a);
    return ok;
}

// They have no sample in memory, and are as silent as any.
TEST(cold_series_that_came_back_only_to_be_refused_are_idle_again)
{
    struct fixture f;
    cold_rig_begin(&f, 937);
    cold_go(&f);
    const struct cold_seen before = cold_look(&f);
    for (u32 i = 0; i < COLD_ENDED; i++) {
        assert_int_equal(cold_put(&f, i, COLD_END, 5), APPEND_OUT_OF_ORDER);
    }
    assert_int_equal(cold_main(&f)->live, COLD_SERIES);
    assert_int_equal(atomic_load(&f.db->limits.series), COLD_ENDED);
    cold_idle_all(&f);
    assert_int_equal(cold_main(&f)->idle, COLD_SERIES);
    assert_int_equal(atomic_load(&f.db->limits.series), 0);
    cold_same(cold_look(&f), before);
    assert_int_equal(cold_put(&f, 0, COLD_END, 5), APPEND_OUT_OF_ORDER); // That wakes nobody.
    assert_int_equal(cold_main(&f)->idle, COLD_SERIES);
    // Long enough for silent ones to leave, too.
    assert_int_equal(cold_put(&f, COLD_SERIES - 1, COLD_END + FIXTURE_RANGE / 2 + 1, 1),
                     APPEND_STORED);
    const struct cold_seen after = cold_look(&f);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, 1);
    for (u32 round = 0; round < 2; round++) {
        cold_same(cold_look(&f), after);
        fixture_reopen(&f);
        assert_int_equal(cold_main(&f)->live, 1);
    }
    fixture_fini(&f);
}

// Whoever resolved them gave up.
TEST(cold_series_that_the_log_has_not_heard_of_stay)
{
    struct fixture f;
    struct error e = {0};
    cold_rig_begin(&f, 941);
    cold_go(&f);
    for (u32 i = 0; i < COLD_ENDED; i++) {
        struct label items[16];
        char bytes[512];
        char text[64];
        struct series_ref ref;
        u8 outcome;
        (void)snprintf(text, sizeof(text), "m%u,instance=h%u,job=j", i % 4, i / 4);
        struct labels set = fixture_labels(text, items, bytes);
        struct storage_appender *a = storage_appender_open(f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
        a->ops->resolve(a, &set, 1, &ref, &outcome);
        assert_int_equal(outcome, APPEND_STORED);
        storage_appender_close(a);
    }
    assert_int_equal(cold_main(&f)->pending_count, COLD_ENDED);
    struct head *h = f.db->heads[SHARD_MAIN];
    head_turn_take(h);
    lock_take(&h->lock);
    h->t_max = COLD_END + FIXTURE_RANGE / 2 + 2; // So that silent ones leave, without a commit.
    lock_drop(&h->lock);
    head_turn_drop(h);
    cold_go(&f);
    assert_int_equal(cold_main(&f)->live, COLD_ENDED);
    const struct cold_seen before = cold_look(&f);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_STORED);
    assert_int_equal(cold_main(&f)->pending_count, 0);
    cold_go(&f);
    assert_true(before.series == COLD_SERIES && cold_look(&f).series == COLD_SERIES);
    fixture_fini(&f);
}

// What woke it is not stored: it is as bare as before.
TEST(cold_series_whose_first_sample_the_log_refuses_have_none)
{
    struct fixture f;
    u8 outcome;
    fixture_init(&f, 938);
    struct fs *faulty = fs_faulty_new(f.own_fs);
    f.fs = faulty;
    cold_rig_open(&f);
    cold_go(&f);
    assert_int_equal(cold_put(&f, 0, COLD_END, 5), APPEND_OUT_OF_ORDER);
    cold_idle_all(&f);
    assert_int_equal(cold_main(&f)->idle, COLD_SERIES - COLD_ENDED + 1);
    const struct cold_seen before = cold_look(&f);
    fs_faulty_arm(faulty, 1, FS_FAULT_EIO, true);
    assert_false(sample_commit(&f, 0, COLD_END + 1, 5, &outcome));
    fs_faulty_arm(faulty, 0, FS_FAULT_EIO, false);
    cold_same(cold_look(&f), before);
    assert_int_equal(cold_put(&f, 0, COLD_END, 5), APPEND_OUT_OF_ORDER);
    assert_int_equal(cold_put(&f, 0, COLD_END + 1, 5), APPEND_STORED);
    f64 v;
    assert_true(cold_has(&f, 0, COLD_END + 1, &v) && v == 5);
    fixture_close(&f);
    f.fs = f.own_fs;
    fixture_fini(&f);
    fs_faulty_free(faulty);
}

// Whichever call fails on the way: what has its block is not written again, and all is done in the
// end.
TEST(cold_goes_on_where_it_failed)
{
    const i64 next = COLD_START - COLD_START % FIXTURE_RANGE + FIXTURE_RANGE;
    u32 failed = 0;
    u32 halves = 0;
    for (u64 call = 1; call < 200; call++) {
        struct fixture f;
        struct error e = {0};
        bool did;
        fixture_init(&f, 939);
        struct fs *faulty = fs_faulty_new(f.own_fs);
        f.fs = faulty;
        cold_rig_open(&f);
        f.db->opts.image_every_ms = -1;
        for (u32 i = 0; i < COLD_SERIES; i++) {
            assert_int_equal(cold_put(&f, i, next, 3), APPEND_STORED);
            assert_int_equal(cold_put(&f, i, next + 5000, i < COLD_ENDED ? stale_nan() : 3),
                             APPEND_STORED);
        }
        const struct cold_seen before = cold_look(&f);
        cold_idle_all(&f);
        fs_faulty_arm(faulty, call, FS_FAULT_EIO, false);
        failed += !tsdb_step(f.db, &did, &e);
        fs_faulty_arm(faulty, 0, FS_FAULT_EIO, false);
        const u64 made = cold_counted(&f, COUNT_COLD_BLOCKS);
        halves += made == 1;
        cold_same(cold_look(&f), before);
        clk_manual_advance(f.clk, 10);
        fixture_steps(&f);
        assert_int_equal(cold_counted(&f, COUNT_COLD_BLOCKS), 2);
        assert_int_equal(cold_main(&f)->live, COLD_SERIES - COLD_ENDED);
        for (u32 round = 0; round < 2; round++) {
            cold_same(cold_look(&f), before);
            fixture_reopen(&f);
            assert_int_equal(f.db->gap_count, 0);
        }
        fixture_close(&f);
        f.fs = f.own_fs;
        fixture_fini(&f);
        fs_faulty_free(faulty);
    }
    assert_true(failed > 20);
    assert_true(halves > 10);
}

// They may not be removed, so nothing is gained by removing others for them.
TEST(cold_blocks_are_not_counted_by_retention_by_size)
{
    struct fixture f;
    cold_rig_begin(&f, 940);
    const i64 next = COLD_START - COLD_START % FIXTURE_RANGE + FIXTURE_RANGE;
    for (i64 t = next; t < next + 2 * FIXTURE_RANGE; t += 10000) {
        for (u32 i = 0; i < COLD_SERIES; i++) {
            assert_int_equal(cold_put(&f, i, t, 3), APPEND_STORED);
        }
    }
    for (u32 i = 0; i < COLD_ENDED; i++) {
        assert_int_equal(cold_put(&f, i, next + 2 * FIXTURE_RANGE, stale_nan()), APPEND_STORED);
    }
    fixture_steps(&f); // The oldest windows are cut.
    u64 bytes = 0;
    const u32 cut = f.db->blocks->n;
    for (u32 i = 0; i < cut; i++) {
        bytes += block_bytes(f.db->blocks->blocks[i]);
    }
    assert_true(cut > 0);
    fixture_keep(&f, (struct tsdb_retention){.bytes = bytes});
    cold_go(&f);
    assert_true(cold_counted(&f, COUNT_COLD_BLOCKS) > 0);
    assert_int_equal(f.db->blocks->n, cut + cold_counted(&f, COUNT_COLD_BLOCKS));
    assert_int_equal(cold_counted(&f, COUNT_SIZE_RETENTIONS), 0);
    fixture_fini(&f);
}
