// tsdb_cold_test.c: idle series leave memory for blocks of their own, stay findable and come back.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/fs_inner.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/head_settle.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/wal.h"

#include <stdio.h>

enum { SERIES = 12, ENDED = 8, ROWS = 10 };
#define START FIXTURE_NOW
#define END   (START + ROWS * 1000) // Of those that ended: their marker.

static u64 counted(const struct fixture *f, enum tsdb_counter c)
{
    return atomic_load(&f->db->counts[c]);
}

static const struct head *main_of(const struct fixture *f)
{
    return f->db->heads[SHARD_MAIN];
}

static enum append_outcome put(struct fixture *f, u32 series, i64 t, f64 value)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "m%u,instance=h%u,job=j", series % 4, series / 4);
    return fixture_put(f, STREAM_SCRAPE, text, t, value);
}

static bool has(struct fixture *f, u32 series, i64 t, f64 *value)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "m%u,instance=h%u,job=j", series % 4, series / 4);
    return fixture_get(f, text, t, value, NULL);
}

// All series have ROWS samples; of them ENDED end then.
static void rig_begin(struct fixture *f, u64 seed)
{
    fixture_init(f, seed);
    f->opts.cold_every_ms = 1;
    f->opts.cold_min = 2;
    f->opts.wal_segment_bytes = 2000;
    fixture_open(f);
    for (i64 k = 0; k < ROWS; k++) {
        for (u32 i = 0; i < SERIES; i++) {
            assert_int_equal(put(f, i, START + k * 1000, (f64)(k * 100 + i)), APPEND_STORED);
        }
    }
    for (u32 i = 0; i < SERIES; i++) {
        assert_int_equal(put(f, i, END, i < ENDED ? stale_nan() : 7), APPEND_STORED);
    }
}

static void idle_all(struct fixture *f)
{
    for (u32 i = 0; i < (SETTLE_IDLE + 1) * SHARDS; i++) {
        head_settle(f->db->heads[i % SHARDS]);
    }
    clk_manual_advance(f->clk, 10);
}

static void go_cold(struct fixture *f)
{
    idle_all(f);
    fixture_steps(f);
}

// Everything that can be asked, as one number. Threads: a value.
struct seen {
    u64 samples;
    u64 series;
    u64 texts;
    u64 newest;
};

static struct seen look(struct fixture *f)
{
    struct error e = {0};
    struct seen s = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                s.samples += hash_mix(labels_hash(c->ops->labels(c)),
                                      hash_mix((u64)run.t_ms[i], fixture_sample_hash(&run, i)));
            }
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    str *texts;
    u32 n;
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, NULL, 0, a, &texts, &n, &e), e);
    for (u32 i = 0; i < n; i++) {
        s.texts = hash_mix(s.texts, hash_str(texts[i]));
    }
    ASSERT_OK(q->ops->series_count(q, NULL, 0, &s.series, &e), e);
    h.newest = true;
    struct series_newest newest;
    c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    while (c->ops->newest(c, &newest)) {
        for (u32 i = 0; i < newest.n; i++) {
            s.newest += hash_mix(labels_hash(newest.labels[i]),
                                 hash_mix((u64)newest.t_ms[i], bits_of_f64(newest.values[i])));
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    arena_free(a);
    return s;
}

static void same(struct seen a, struct seen b)
{
    assert_int_equal(a.series, b.series);
    assert_true(a.samples == b.samples);
    assert_true(a.texts == b.texts);
    assert_true(a.newest == b.newest);
}

static u64 delete_metric(struct fixture *f, const char *metric, i64 min_ms, i64 max_ms)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    u64 id = 0;
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, LABEL_NAME, str_c(metric), &e), e);
    const struct tsdb_deletion d = {
        .tenant = TENANT_DEFAULT, .ms = &m, .count = 1, .min_ms = min_ms, .max_ms = max_ms};
    ASSERT_OK(tsdb_delete(f->db, &d, &id, &e), e);
    arena_free(a);
    return id;
}

TEST(cold_series_leave_memory_and_stay_findable)
{
    struct fixture f;
    rig_begin(&f, 921);
    const struct seen before = look(&f);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED); // The others may be slow ones.
    assert_int_equal(main_of(&f)->idle, SERIES - ENDED);
    assert_int_equal(f.db->blocks->n, 1);
    assert_int_equal(f.db->blocks->blocks[0]->meta.min_ms, START);
    assert_int_equal(f.db->blocks->blocks[0]->meta.max_ms, END + 1);
    assert_int_equal(f.db->blocks->blocks[0]->meta.cold, SHARD_MAIN + 1);
    assert_true(f.db->head_min < START);
    same(look(&f), before);
    for (u32 round = 0; round < 3; round++) {
        fixture_reopen(&f);
        assert_int_equal(main_of(&f)->live, SERIES - ENDED);
        assert_int_equal(main_of(&f)->ends.n, ENDED);
        assert_int_equal(counted(&f, COUNT_REPLAY_LOST), 0);
        same(look(&f), before);
        go_cold(&f);
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
    rig_begin(&f, 922);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED);
    assert_int_equal(put(&f, 0, END + FIXTURE_RANGE / 2, 1), APPEND_STORED);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED + 1);
    assert_int_equal(put(&f, 0, END + FIXTURE_RANGE / 2 + 1, 1), APPEND_STORED);
    const struct seen before = look(&f);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, 1);
    same(look(&f), before);
    fixture_fini(&f);
}

TEST(cold_needs_enough_series)
{
    struct fixture f;
    rig_begin(&f, 923);
    f.db->opts.cold_min = ENDED + 1;
    go_cold(&f);
    assert_int_equal(f.db->blocks->n, 0);
    assert_int_equal(main_of(&f)->live, SERIES);
    assert_int_equal(main_of(&f)->ends.n, 0);
    f.db->opts.cold_min = 1;
    f.db->opts.cold_every_ms = -1;
    go_cold(&f);
    assert_int_equal(f.db->blocks->n, 0);
    fixture_fini(&f);
}

TEST(cold_series_come_back_and_are_judged_by_where_they_ended)
{
    struct fixture f;
    f64 v;
    rig_begin(&f, 924);
    go_cold(&f);
    for (u32 round = 0; round < 2; round++) {
        const struct seen before = look(&f);
        assert_int_equal(put(&f, 0, END, stale_nan()), APPEND_OUT_OF_ORDER);
        assert_int_equal(put(&f, 0, START + 500, 5), APPEND_OUT_OF_ORDER);
        assert_int_equal(main_of(&f)->live, SERIES - ENDED + 1); // It was resolved.
        same(look(&f), before);
        tsdb_set_ooo_window(f.db, FIXTURE_RANGE);
        assert_int_equal(put(&f, 0, END, 5), APPEND_TOO_OLD);
        assert_int_equal(put(&f, 0, START + 500, 5), APPEND_TOO_OLD);
        tsdb_set_ooo_window(f.db, 0);
        same(look(&f), before);
        fixture_reopen(&f);
        assert_int_equal(main_of(&f)->live, SERIES - ENDED);
    }
    assert_int_equal(put(&f, 0, END + 1, 5), APPEND_STORED);
    assert_int_equal(put(&f, 0, END + 1, 5), APPEND_DUPLICATE);
    assert_int_equal(put(&f, 0, END + 1, 6), APPEND_CONFLICT);
    assert_int_equal(put(&f, 0, END, stale_nan()), APPEND_OUT_OF_ORDER);
    tsdb_set_ooo_window(f.db, FIXTURE_RANGE);
    assert_int_equal(put(&f, 0, END + 3, 8), APPEND_STORED);
    assert_int_equal(put(&f, 0, END + 2, 8), APPEND_STORED_OOO);
    assert_int_equal(put(&f, 0, END, 8), APPEND_TOO_OLD);
    const struct seen after = look(&f);
    for (u32 round = 0; round < 2; round++) {
        assert_true(has(&f, 0, START, &v) && v == 0);
        assert_true(has(&f, 0, END + 1, &v) && v == 5);
        assert_true(has(&f, 0, END + 2, &v) && v == 8);
        fixture_reopen(&f);
        same(look(&f), after);
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
    const i64 t[5] = {END, END + 1, END + 1, END + 1, END + 2};
    const f64 values[5] = {1, 2, 2, 3, 4};
    rig_begin(&f, 925);
    go_cold(&f);
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
    rig_begin(&f, 926);
    const struct seen before = look(&f);
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    go_cold(&f);
    assert_int_equal(f.db->blocks->n, 1);
    assert_int_equal(main_of(&f)->live, SERIES);
    same(look(&f), before); // Who comes now has both, and sees each once.
    u64 series;
    ASSERT_OK(q->ops->series_count(q, NULL, 0, &series, &e), e);
    assert_int_equal(series, SERIES);
    assert_int_equal(put(&f, 0, END + 1, 5), APPEND_STORED); // It wakes, and stays.
    storage_querier_close(q);
    const struct seen after = look(&f);
    fixture_steps(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED + 1);
    for (u32 round = 0; round < 2; round++) {
        same(look(&f), after);
        assert_true(has(&f, 0, START + 1000, &v) && v == 100);
        assert_true(has(&f, 0, END + 1, &v) && v == 5);
        fixture_reopen(&f);
        assert_int_equal(main_of(&f)->live, SERIES - ENDED + 1);
    }
    fixture_fini(&f);
}

TEST(cold_blocks_take_deletions_along_and_more)
{
    struct fixture f;
    struct error e = {0};
    f64 v;
    rig_begin(&f, 927);
    delete_metric(&f, "m0", START + 2000, START + 4000);
    const struct seen before = look(&f);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED);
    assert_int_equal(f.db->blocks->heads[SHARD_MAIN]->n, 1); // Of the one series that stayed.
    same(look(&f), before);
    fixture_reopen(&f);
    same(look(&f), before); // The log has what was deleted, and is not believed.
    const u64 id = delete_metric(&f, "m1", START, END + 5);
    assert_false(has(&f, 1, START + 3000, &v));
    assert_int_equal(put(&f, 1, END + 1, 5), APPEND_STORED);
    fixture_reopen(&f);
    assert_false(has(&f, 1, START + 3000, &v));
    assert_true(has(&f, 1, END + 1, &v));
    ASSERT_OK(tsdb_undelete(f.db, id, &e), e);
    assert_true(has(&f, 1, START + 3000, &v));
    assert_false(has(&f, 0, START + 3000, &v));
    fixture_reopen(&f);
    assert_true(has(&f, 1, START + 3000, &v));
    assert_false(has(&f, 0, START + 3000, &v));
    fixture_fini(&f);
}

// The window of a cold block is cut: both become one, and the log goes.
TEST(cold_blocks_join_what_is_cut_of_their_window)
{
    struct fixture f;
    f64 v;
    rig_begin(&f, 928);
    go_cold(&f);
    assert_int_equal(put(&f, 0, END + 1, 5), APPEND_STORED);
    for (i64 k = 1; k < 200; k++) {
        for (u32 i = ENDED; i < SERIES; i++) {
            assert_int_equal(put(&f, i, END + k * 1000, (f64)k), APPEND_STORED);
        }
        if (k % 40 == 0) {
            go_cold(&f); // Nobody but number 0 is silent.
        }
    }
    const struct seen before = look(&f);
    fixture_steps(&f);
    assert_true(f.db->head_min > END);
    for (u32 i = 0; i < f.db->blocks->n; i++) {
        assert_int_equal(f.db->blocks->blocks[i]->meta.cold, 0);
    }
    assert_true(counted(&f, COUNT_VERTICAL_COMPACTIONS) > 0);
    for (u32 round = 0; round < 2; round++) {
        same(look(&f), before);
        assert_true(has(&f, 0, START, &v) && v == 0);
        assert_true(has(&f, 0, END + 1, &v) && v == 5);
        assert_int_equal(main_of(&f)->ends.n, 0);
        fixture_reopen(&f);
    }
    fixture_fini(&f);
}

// A checkpoint does not know the labels of what left; the log behind it still has its samples.
TEST(cold_series_in_the_log_behind_a_checkpoint_are_no_loss)
{
    struct fixture f;
    rig_begin(&f, 929);
    f.db->opts.image_every_ms = -1;
    // Into the next window, which is not cut with the first; both have samples of all.
    const i64 next = START - START % FIXTURE_RANGE + FIXTURE_RANGE;
    for (i64 k = 0; k < 300; k++) {
        for (u32 i = 0; i < SERIES; i++) {
            assert_int_equal(put(&f, i, next + k * 100, (f64)k), APPEND_STORED);
        }
    }
    for (u32 i = 0; i < ENDED; i++) {
        assert_int_equal(put(&f, i, next + 31000, stale_nan()), APPEND_STORED);
    }
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED);
    assert_int_equal(f.db->blocks->n, 2); // One of each window.
    for (u32 i = ENDED; i < SERIES; i++) {
        assert_int_equal(put(&f, i, next + 32000, 1), APPEND_STORED);
    }
    const struct seen before = look(&f);
    fixture_steps(&f);
    assert_int_equal(f.db->head_min, next);
    assert_true(wal_first(f.db->wals[SHARD_MAIN]) > 1);
    f.opts.image_every_ms = -1;
    for (u32 round = 0; round < 3; round++) {
        fixture_reopen(&f);
        same(look(&f), before);
        assert_int_equal(counted(&f, COUNT_REPLAY_LOST), 0);
        assert_int_equal(counted(&f, COUNT_WAL_CORRUPTIONS), 0);
        assert_int_equal(main_of(&f)->live, SERIES - ENDED);
        fixture_steps(&f);
    }
    fixture_fini(&f);
}

TEST(cold_series_are_counted_by_limits_when_they_come_back)
{
    struct fixture f;
    rig_begin(&f, 930);
    f.opts.series_max = 16; // 3 of them are for rules: 13 are left.
    fixture_reopen(&f);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED);
    assert_int_equal(atomic_load(&f.db->limits.series), 0); // Idle ones count for nothing.
    for (u32 i = 0; i < 13; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "other,n=%u", i);
        assert_int_equal(fixture_put(&f, STREAM_SCRAPE, text, END + 5, 1), APPEND_STORED);
    }
    assert_int_equal(put(&f, 0, END + 6, 1), APPEND_LIMIT_SERIES);
    idle_all(&f);
    assert_int_equal(put(&f, 0, END + 6, 1), APPEND_STORED);
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
    rig_begin(&f, 931);
    const struct seen before = look(&f);
    go_cold(&f);
    block_name(&f.db->blocks->blocks[0]->meta, name);
    assert_true(name[0] == 'c');
    fixture_close(&f);
    (void)snprintf(path, sizeof(path), "/data/blocks/%s/meta", name);
    struct file *file = fs_open(f.fs, path, FS_WRITE, &e);
    ASSERT_OK(fs_write_at(f.fs, file, 60, STR("damage"), &e), e);
    fs_close(f.fs, file);
    fixture_open(&f);
    assert_int_equal(main_of(&f)->live, SERIES);
    assert_int_equal(f.db->gap_count, 1); // Answers say that they may be partial.
    same(look(&f), before);
    fixture_fini(&f);
}

// The log before it is not read, and it holds rows that a block has by now.
TEST(cold_series_stay_out_of_an_image_that_is_older)
{
    struct fixture f;
    f64 v;
    rig_begin(&f, 932);
    f.db->opts.image_every_ms = 1;
    f.db->opts.image_log_bytes = 1;
    clk_manual_advance(f.clk, 10);
    fixture_steps(&f);
    assert_true(counted(&f, COUNT_IMAGES_WRITTEN) > 0);
    f.db->opts.image_every_ms = -1;
    delete_metric(&f, "m0", START + 2000, START + 4000);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED);
    assert_int_equal(put(&f, 0, END + 1, 5), APPEND_STORED);
    const struct seen before = look(&f);
    f.opts.image_every_ms = -1;
    for (u32 round = 0; round < 2; round++) {
        fixture_reopen(&f);
        assert_true(counted(&f, COUNT_IMAGES_READ) > 0); // Of the other shard there is none.
        assert_int_equal(counted(&f, COUNT_REPLAY_LOST), 0);
        assert_int_equal(main_of(&f)->live, SERIES - ENDED + 1);
        same(look(&f), before);
        assert_false(has(&f, 0, START + 3000, &v));
        assert_true(has(&f, 0, END + 1, &v) && v == 5);
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
    rig_begin(&f, 934);
    delete_metric(&f, "m0", START + 2000, START + 4000);
    go_cold(&f);
    assert_int_equal(put(&f, 0, END + 1, 5), APPEND_STORED);
    const struct seen before = look(&f);
    ASSERT_OK(tsdb_snapshot(f.db, false, name, &e), e);
    fixture_close(&f);
    (void)snprintf(dir, sizeof(dir), "/data/snapshots/%s", name);
    f.opts.dir = dir;
    fixture_open(&f);
    same(look(&f), before);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED + 1);
    fixture_fini(&f);
}

// What is cold is a part of the log: nothing can be told without it.
TEST(cold_blocks_that_the_system_refuses_refuse_the_start)
{
    struct fixture f;
    struct error e = {0};
    rig_begin(&f, 935);
    const struct seen before = look(&f);
    go_cold(&f);
    fixture_close(&f);
    struct fs *faulty = fs_faulty_new(f.own_fs);
    f.opts.fs = faulty;
    u32 refused = 0;
    for (u64 call = 1; call < 60; call++) {
        fs_faulty_arm(faulty, call, FS_FAULT_EIO, false);
        f.db = tsdb_open(&f.opts, &e);
        refused += !f.db;
        f.s = f.db ? tsdb_storage(f.db) : NULL;
        if (f.db) {
            same(look(&f), before);
            fixture_close(&f);
        }
    }
    assert_true(refused > 5);
    f.opts.fs = f.own_fs;
    fixture_open(&f);
    same(look(&f), before);
    fixture_fini(&f);
    fs_faulty_free(faulty);
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
    const i64 t = END + 1;
    const f64 value = 5;
    rig_begin(&f, 936);
    idle_all(&f);
    struct labels set = fixture_labels("m0,instance=h0,job=j", items, bytes);
    struct storage_appender *a = storage_appender_open(f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &set, 1, &ref, &outcome);
    go_cold(&f);
    assert_int_equal(main_of(&f)->live, SERIES - ENDED + 1);
    const struct append_batch b = {
        .refs = &ref, .t_ms = &t, .values = &value, .n = 1, .outcomes = &outcome};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    storage_appender_close(a);
    assert_int_equal(outcome, APPEND_STORED);
    assert_true(has(&f, 0, START, &v) && v == 0);
    assert_true(has(&f, 0, END + 1, &v) && v == 5);
    fixture_fini(&f);
}
