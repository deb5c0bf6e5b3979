// tsdb_cold_damage_test.c: cold blocks that are damaged, gone or refused: what of them the log
// still has comes back, all of it, and nothing that was deleted.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/fs_inner.h"
#include "tsdb/block.h"
#include "tsdb/cold_rig.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_cold.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AGAIN      (COLD_END + 5000) // Where those that came back ended the second time.
#define SHORT_BACK 800               // Where the log has their ends, from behind.
#define SHORT_STEP 40

enum harm { HARM_META, HARM_PAGE, HARM_MISSING, HARM_COUNT };

// Two cold blocks, and their names. Threads: owned by the test.
struct two {
    struct fixture f;
    char names[2][BLOCK_NAME];
    struct cold_seen before;
};

static void file_path(const char *block, const char *file, char out[256])
{
    (void)snprintf(out, 256, "/data/blocks/%s%s%s", block, file[0] ? "/" : "", file);
}

static void byte_turn(struct fixture *f, const char *block, const char *file, u64 at)
{
    char path[256];
    file_path(block, file, path);
    cold_byte_turn(f, path, at);
}

static void harm_do(struct fixture *f, const char *block, enum harm how)
{
    char path[256];
    struct error e = {0};
    switch (how) {
    case HARM_META:
        byte_turn(f, block, "meta", 60);
        break;
    case HARM_PAGE:
        byte_turn(f, block, "data", DATA_HEADER_BYTES + PAGE_HEAD_BYTES + 1);
        break;
    case HARM_MISSING:
        file_path(block, "", path);
        ASSERT_OK(fs_remove_tree(f->fs, path, &e), e);
        break;
    case HARM_COUNT:
        break;
    }
}

static void two_note(struct two *x)
{
    assert_int_equal(x->f.db->blocks->n, 2);
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(x->f.db->blocks->blocks[i]->meta.cold, SHARD_MAIN + 1);
        block_name(&x->f.db->blocks->blocks[i]->meta, x->names[i]);
    }
    assert_int_equal(cold_main(&x->f)->live, COLD_SERIES - COLD_ENDED);
    x->before = cold_look(&x->f);
}

// Who ended comes back once, and ends again.
static void two_times(struct two *x, u64 seed)
{
    cold_rig_begin(&x->f, seed);
    x->f.opts.image_every_ms = -1;
    x->f.db->opts.image_every_ms = -1;
    cold_go(&x->f);
    for (u32 i = 0; i < COLD_ENDED; i++) {
        assert_int_equal(cold_put(&x->f, i, COLD_END + 1000, 3), APPEND_STORED);
        assert_int_equal(cold_put(&x->f, i, AGAIN, stale_nan()), APPEND_STORED);
    }
    cold_go(&x->f);
    two_note(x);
}

// They end in the window after that in which they began.
static void two_windows(struct two *x, u64 seed)
{
    const i64 next = COLD_START - COLD_START % FIXTURE_RANGE + FIXTURE_RANGE;
    cold_rig_begin(&x->f, seed);
    x->f.opts.image_every_ms = -1;
    x->f.db->opts.image_every_ms = -1;
    for (u32 i = 0; i < COLD_SERIES; i++) {
        assert_int_equal(cold_put(&x->f, i, next, 3), APPEND_STORED);
        assert_int_equal(cold_put(&x->f, i, next + 5000, i < COLD_ENDED ? stale_nan() : 3),
                         APPEND_STORED);
    }
    cold_go(&x->f);
    two_note(x);
}

static void image_write(struct fixture *f)
{
    f->db->opts.image_every_ms = 1;
    f->db->opts.image_log_bytes = 1;
    clk_manual_advance(f->clk, 10);
    fixture_steps(f);
    assert_true(cold_counted(f, COUNT_IMAGES_WRITTEN) > 0);
}

// Whatever becomes of one of them, all samples are there, from then on as well.
static void two_survive(void (*make)(struct two *x, u64 seed), u64 seed)
{
    for (u32 k = 0; k < HARM_COUNT * 2 * 2; k++) {
        struct two x;
        const u32 which = k / 2 % 2;
        const enum harm how = (enum harm)(k / 4);
        make(&x, seed + k);
        if (k % 2) {
            image_write(&x.f);
        }
        fixture_close(&x.f);
        harm_do(&x.f, x.names[which], how);
        for (u32 round = 0; round < 3; round++) {
            fixture_open(&x.f);
            assert_int_equal(x.f.db->gap_count, how != HARM_PAGE);
            cold_same(cold_look(&x.f), x.before);
            assert_int_equal(cold_put(&x.f, 0, COLD_END, 5), APPEND_OUT_OF_ORDER);
            cold_go(&x.f); // They leave once more.
            cold_same(cold_look(&x.f), x.before);
            fixture_close(&x.f);
        }
        fixture_fini(&x.f);
    }
}

TEST(cold_series_that_left_twice_survive_the_damage_of_either_block)
{
    two_survive(two_times, 950);
}

TEST(cold_series_of_two_windows_survive_the_damage_of_either_block)
{
    two_survive(two_windows, 970);
}

// Deleted after they left.
TEST(cold_series_come_back_without_what_was_deleted)
{
    for (u32 k = 0; k < 2; k++) {
        struct two x;
        struct error e = {0};
        const enum harm how = k == 0 ? HARM_MISSING : HARM_META;
        two_times(&x, 990 + k);
        const u64 id = cold_delete(&x.f, "m1", COLD_START + 2000, COLD_START + 4000);
        assert_int_equal(cold_put(&x.f, 1, AGAIN + 1, 8), APPEND_STORED);
        const struct cold_seen with = cold_look(&x.f);
        assert_true(with.samples != x.before.samples);
        fixture_close(&x.f);
        harm_do(&x.f, x.names[1], how);
        for (u32 round = 0; round < 2; round++) {
            fixture_open(&x.f);
            cold_same(cold_look(&x.f), with);
            cold_go(&x.f);
            cold_same(cold_look(&x.f), with);
            fixture_close(&x.f);
        }
        fixture_open(&x.f);
        ASSERT_OK(tsdb_undelete(x.f.db, id, &e), e);
        bool partial;
        f64 v;
        for (u32 round = 0; round < 2; round++) {
            assert_true(fixture_get(&x.f, "m1,instance=h0,job=j", COLD_START + 3000, &v, &partial));
            assert_true(v == 301);
            fixture_reopen(&x.f);
        }
        fixture_fini(&x.f);
    }
}

// A deletion of a time in which its series had left hides nothing that came later.
TEST(cold_deletions_that_come_back_reach_as_far_as_they_did)
{
    struct two x;
    f64 v;
    bool partial;
    cold_rig_begin(&x.f, 993);
    assert_int_equal(cold_put(&x.f, 0, COLD_END + 3000, stale_nan()), APPEND_STORED);
    cold_go(&x.f); // Its block reaches further than the others of it.
    cold_delete(&x.f, "m1", COLD_START + 2000, AGAIN);
    for (u32 i = 1; i < COLD_ENDED; i++) {
        assert_int_equal(cold_put(&x.f, i, COLD_END + 1, 3), APPEND_STORED);
        assert_int_equal(cold_put(&x.f, i, AGAIN, stale_nan()), APPEND_STORED);
    }
    cold_go(&x.f);
    two_note(&x);
    fixture_close(&x.f);
    harm_do(&x.f, x.names[1], HARM_META);
    fixture_open(&x.f);
    cold_same(cold_look(&x.f), x.before);
    assert_true(fixture_get(&x.f, "m1,instance=h0,job=j", COLD_END + 1, &v, &partial) && v == 3);
    assert_false(fixture_get(&x.f, "m1,instance=h0,job=j", COLD_END, &v, &partial));
    fixture_fini(&x.f);
}

// Nobody knows where its series ended, so that late samples were taken of them: it must not be
// believed again.
TEST(cold_blocks_found_damaged_are_not_believed_when_they_are_sound_again)
{
    struct two x;
    f64 v;
    two_times(&x, 994);
    fixture_close(&x.f);
    harm_do(&x.f, x.names[0], HARM_PAGE);
    x.f.opts.ooo_window_ms = FIXTURE_RANGE;
    fixture_open(&x.f);
    assert_int_equal(cold_put(&x.f, 0, AGAIN - 2, 9), APPEND_TOO_OLD); // The other block is sound.
    fixture_close(&x.f);
    harm_do(&x.f, x.names[1], HARM_PAGE);
    fixture_open(&x.f);
    assert_int_equal(cold_put(&x.f, 0, AGAIN - 2, 9), APPEND_STORED_OOO);
    fixture_close(&x.f);
    harm_do(&x.f, x.names[0], HARM_PAGE); // As before.
    harm_do(&x.f, x.names[1], HARM_PAGE);
    for (u32 round = 0; round < 2; round++) {
        fixture_open(&x.f);
        assert_int_equal(x.f.db->gap_count, 0);
        assert_true(cold_has(&x.f, 0, AGAIN - 2, &v) && v == 9);
        assert_true(cold_has(&x.f, 0, COLD_START, &v) && v == 0);
        fixture_close(&x.f);
    }
    fixture_fini(&x.f);
}

// What a start found damaged every later one knows, or that start is refused.
TEST(cold_blocks_found_damaged_are_on_record_or_the_start_is_refused)
{
    u32 refused = 0;
    u32 opened = 0;
    for (u64 call = 1; call < 80; call++) {
        struct two x;
        struct error e = {0};
        two_times(&x, 1050);
        fixture_close(&x.f);
        harm_do(&x.f, x.names[0], HARM_PAGE);
        struct fs *faulty = fs_faulty_new(x.f.own_fs);
        x.f.opts.fs = faulty;
        fs_faulty_arm(faulty, call, FS_FAULT_EIO, false);
        x.f.db = tsdb_open(&x.f.opts, &e);
        const bool lost = x.f.db && x.f.db->cold_lost;
        refused += !x.f.db;
        opened += lost;
        if (x.f.db) {
            fixture_close(&x.f);
        }
        x.f.opts.fs = x.f.own_fs;
        harm_do(&x.f, x.names[0], HARM_PAGE); // As before.
        fixture_open(&x.f);
        assert_true(x.f.db->cold_lost || !lost);
        fixture_fini(&x.f);
        fs_faulty_free(faulty);
    }
    assert_true(refused > 5);
    assert_true(opened > 5);
}

// What is cold is a part of the log: nothing can be told without it.
TEST(cold_blocks_that_the_system_refuses_refuse_the_start)
{
    struct fixture f;
    struct error e = {0};
    cold_rig_begin(&f, 935);
    cold_go(&f);
    cold_delete(&f, "m1", COLD_START + 2000, COLD_START + 4000);
    const struct cold_seen before = cold_look(&f);
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
            assert_int_equal(f.db->gap_count, 0);
            assert_int_equal(f.db->blocks->n, 1);
            cold_same(cold_look(&f), before);
            fixture_close(&f);
        }
    }
    assert_true(refused > 5);
    f.opts.fs = f.own_fs;
    fixture_open(&f);
    assert_int_equal(f.db->gap_count, 0);
    cold_same(cold_look(&f), before);
    fixture_fini(&f);
    fs_faulty_free(faulty);
}

// A store on the real file system with a cold block. Threads: owned by the test.
struct on_disk {
    struct fixture f;
    char dir[64];
};

static void on_disk_init(struct on_disk *x, u64 seed)
{
    *x = (struct on_disk){.dir = "/tmp/tsdb_cold_XXXXXX"};
    assert_non_null(mkdtemp(x->dir));
    fixture_init(&x->f, seed);
    x->f.fs = fs_real();
    x->f.opts.dir = x->dir;
    cold_rig_open(&x->f);
    cold_go(&x->f);
    assert_int_equal(x->f.db->blocks->n, 1);
}

static void on_disk_fini(struct on_disk *x)
{
    struct error e = {0};
    fixture_fini(&x->f);
    ASSERT_OK(fs_remove_tree(fs_real(), x->dir, &e), e);
}

// Maps as the system does; then a file of that name loses its pages. Threads: of the test.
static const char *maps_lose;

static bool losing_map(struct fs *fs, const char *path, struct fs_map *map, struct error *e)
{
    const size_t len = strlen(path);
    const size_t name = maps_lose ? strlen(maps_lose) : 0;
    const bool ok = fs_real()->ops->map(fs, path, map, e);
    if (ok && name > 0 && len > name && strcmp(path + len - name, maps_lose) == 0) {
        assert_int_equal(truncate(path, 0), 0);
    }
    return ok;
}

// It is not known what they say; the log must not be asked in their place.
TEST(cold_blocks_whose_pages_fault_refuse_the_start)
{
    static const char *const files[] = {"/index", "/data"};
    for (u32 i = 0; i < ARRAY_LEN(files); i++) {
        struct on_disk x;
        struct error e = {0};
        struct fs_ops ops = *fs_real()->ops;
        struct fs losing = {&ops};
        ops.map = losing_map;
        on_disk_init(&x, 996 + i);
        char path[512];
        (void)snprintf(path, sizeof(path), "%s", x.f.db->blocks->blocks[0]->path);
        fixture_close(&x.f);
        x.f.opts.fs = &losing;
        maps_lose = files[i];
        x.f.db = tsdb_open(&x.f.opts, &e);
        maps_lose = NULL;
        assert_null(x.f.db);
        assert_int_equal(e.code, ERR_IO);
        assert_true(fs_stat(fs_real(), path, &(struct fs_info){0}, &e)); // It is not set aside.
        x.f.opts.fs = x.f.fs;
        on_disk_fini(&x);
    }
}

// Found sound when it was opened.
TEST(cold_blocks_whose_pages_fault_while_ends_are_read_refuse_the_start)
{
    struct on_disk x;
    struct error e = {0};
    char path[600];
    on_disk_init(&x, 999);
    (void)snprintf(path, sizeof(path), "%s/data", x.f.db->blocks->blocks[0]->path);
    ASSERT_OK(tsdb_cold_ends(x.f.db, SHARD_MAIN, &e), e);
    assert_int_equal(truncate(path, 0), 0);
    assert_false(tsdb_cold_ends(x.f.db, SHARD_MAIN, &e));
    assert_int_equal(e.code, ERR_IO);
    on_disk_fini(&x);
}

// As if every cold block were: all comes back from the log.
TEST(cold_series_survive_the_damage_of_the_list)
{
    for (u32 k = 0; k < 2; k++) {
        struct two x;
        two_times(&x, 1000 + k);
        image_write(&x.f);
        fixture_close(&x.f);
        cold_byte_turn(&x.f, "/data/cold", 14);
        if (k == 1) {
            harm_do(&x.f, x.names[0], HARM_MISSING);
        }
        for (u32 round = 0; round < 2; round++) {
            fixture_open(&x.f);
            cold_same(cold_look(&x.f), x.before);
            cold_go(&x.f);
            cold_same(cold_look(&x.f), x.before);
            fixture_close(&x.f);
        }
        fixture_fini(&x.f);
    }
}

// A byte of the log's newest segment, so far before its end.
static void segment_harm(struct fixture *f, u64 back)
{
    char path[512];
    struct error e = {0};
    struct fs_info *infos;
    size_t n;
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(fs_list(f->fs, "/data/wal/0", a, &infos, &n, &e), e);
    const struct fs_info *newest = &infos[n - 1];
    assert_true(back <= newest->bytes);
    (void)snprintf(path, sizeof(path), "/data/wal/0/%.*s", STR_ARG(newest->name));
    cold_byte_turn(f, path, newest->bytes - back);
    arena_free(a);
}

// How many came back without what they had up to their end.
static u32 short_count(const struct fixture *f, i64 end)
{
    const struct head *h = cold_main(f);
    u32 n = 0;
    for (u32 i = 0; i < h->count; i++) {
        n += h->rows[i].own != 0 && h->rows[i].t_last < end && head_end_covers(h, i, end);
    }
    return n;
}

// The first window's block is lost, and a part of the log. What is taken of a series then is there
// when the second one's block is believed again. Returns how many came back short.
static u32 short_survive(u64 back, i64 ooo_window_ms)
{
    const i64 next = COLD_START - COLD_START % FIXTURE_RANGE + FIXTURE_RANGE;
    const i64 end = next + 5000;
    const enum append_outcome late = ooo_window_ms > 0 ? APPEND_TOO_OLD : APPEND_OUT_OF_ORDER;
    enum append_outcome before[COLD_ENDED];
    struct two x;
    f64 v;
    two_windows(&x, 1110 + back);
    fixture_close(&x.f);
    harm_do(&x.f, x.names[0], HARM_META);
    segment_harm(&x.f, back);
    x.f.opts.ooo_window_ms = ooo_window_ms;
    fixture_open(&x.f);
    assert_true(x.f.db->cold_lost);
    const u32 n = short_count(&x.f, end);
    for (u32 i = 0; i < COLD_ENDED; i++) {
        before[i] = cold_put(&x.f, i, end - 1, 9);
        assert_true(append_is_stored(before[i]) || before[i] == late);
        assert_int_equal(cold_put(&x.f, i, end + 1, 8), APPEND_STORED);
    }
    // Time goes on until the first window is a block.
    const i64 far = next + MAX(FIXTURE_RANGE / 2, ooo_window_ms) + 1;
    assert_int_equal(cold_put(&x.f, COLD_SERIES - 1, far, 1), APPEND_STORED);
    clk_manual_advance(x.f.clk, 10);
    fixture_steps(&x.f);
    for (u32 round = 0; round < 2; round++) {
        for (u32 i = 0; i < COLD_ENDED; i++) {
            assert_int_equal(cold_has(&x.f, i, end - 1, &v), append_is_stored(before[i]));
            assert_true(cold_has(&x.f, i, end + 1, &v) && v == 8);
        }
        fixture_reopen(&x.f);
        assert_false(x.f.db->cold_lost);
    }
    for (u32 i = 0; i < COLD_ENDED; i++) {
        assert_int_equal(before[i], late);
    }
    fixture_fini(&x.f);
    return n;
}

TEST(cold_series_that_come_back_short_of_their_end_are_judged_by_it)
{
    for (u32 k = 0; k < 2; k++) {
        u32 shorts = 0;
        for (u64 back = SHORT_STEP; back <= SHORT_BACK; back += SHORT_STEP) {
            shorts += short_survive(back, k * FIXTURE_RANGE);
        }
        assert_true(shorts > 4);
    }
}

// What a checkpoint had dropped the labels of only the block had.
TEST(cold_blocks_that_are_missing_are_told_when_their_window_is_cut_too)
{
    const i64 next = COLD_START - COLD_START % FIXTURE_RANGE + FIXTURE_RANGE;
    struct two x;
    f64 v;
    bool partial;
    two_times(&x, 1130);
    fixture_close(&x.f);
    harm_do(&x.f, x.names[0], HARM_MISSING);
    fixture_open(&x.f);
    assert_int_equal(cold_put(&x.f, COLD_SERIES - 1, next + FIXTURE_RANGE / 2 + 1, 1),
                     APPEND_STORED);
    clk_manual_advance(x.f.clk, 10);
    fixture_steps(&x.f);
    for (u32 round = 0; round < 3; round++) {
        assert_int_equal(x.f.db->gap_count, 1);
        (void)fixture_get(&x.f, "m1,instance=h0,job=j", COLD_START, &v, &partial);
        assert_true(partial);
        assert_true(cold_has(&x.f, COLD_SERIES - 1, next + FIXTURE_RANGE / 2 + 1, &v) && v == 1);
        fixture_reopen(&x.f);
        assert_false(x.f.db->cold_lost);
    }
    fixture_fini(&x.f);
}

TEST(cold_blocks_that_come_back_are_not_told_as_missing)
{
    struct two x;
    char path[256];
    struct error e = {0};
    two_times(&x, 1140);
    fixture_close(&x.f);
    file_path(x.names[0], "", path);
    ASSERT_OK(fs_rename(x.f.fs, path, "/data/away", &e), e);
    fixture_open(&x.f);
    assert_int_equal(x.f.db->gap_count, 1);
    fixture_close(&x.f);
    ASSERT_OK(fs_rename(x.f.fs, "/data/away", path, &e), e);
    for (u32 round = 0; round < 2; round++) {
        fixture_open(&x.f);
        assert_int_equal(x.f.db->gap_count, 0);
        cold_same(cold_look(&x.f), x.before);
        fixture_close(&x.f);
    }
    fixture_fini(&x.f);
}
