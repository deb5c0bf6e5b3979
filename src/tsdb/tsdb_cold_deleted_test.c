// tsdb_cold_deleted_test.c: what is deleted of series that left for cold blocks stays deleted,
// whatever becomes of the blocks, and nothing else is.
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/block.h"
#include "tsdb/cold_rig.h"
#include "tsdb/head.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

#define NEXT (COLD_START - COLD_START % FIXTURE_RANGE + FIXTURE_RANGE) // Of the second window.

enum harm { HARM_MISSING, HARM_META, HARM_TOMBSTONES, HARM_COUNT };

static void rig_begin(struct fixture *f, u64 seed)
{
    cold_rig_begin(f, seed);
    f->opts.image_every_ms = -1;
    f->db->opts.image_every_ms = -1;
}

// Series 1 of the rig, with or without word that the answer may be partial.
static bool has(struct fixture *f, i64 t, f64 *v)
{
    bool partial;
    return fixture_get(f, "m1,instance=h0,job=j", t, v, &partial);
}

static void block_file(const struct fixture *f, u32 at, const char *file, char out[256])
{
    char name[BLOCK_NAME];
    block_name(&f->db->blocks->blocks[at]->meta, name);
    (void)snprintf(out, 256, "/data/blocks/%s%s%s", name, file[0] ? "/" : "", file);
}

static void harm_do(struct fixture *f, u32 at, enum harm how)
{
    char path[256];
    struct error e = {0};
    block_file(f, at, how == HARM_MISSING ? "" : how == HARM_META ? "meta" : "tombstones", path);
    fixture_close(f);
    if (how == HARM_MISSING) {
        ASSERT_OK(fs_remove_tree(f->fs, path, &e), e);
    } else {
        cold_byte_turn(f, path, 20);
    }
    fixture_open(f);
}

static u64 deleted_bytes(struct fixture *f)
{
    struct fs_info info;
    struct error e = {0};
    ASSERT_OK(fs_stat(f->fs, "/data/deleted", &info, &e), e);
    return info.bytes;
}

// Time goes on until the window that begins there is a block.
static void window_cut(struct fixture *f, i64 start)
{
    assert_int_equal(cold_put(f, 11, start + FIXTURE_RANGE + FIXTURE_RANGE / 2 + 1, 8),
                     APPEND_STORED);
    clk_manual_advance(f->clk, 10);
    fixture_steps(f);
    assert_true(f->db->head_min >= start + FIXTURE_RANGE);
}

// In memory by then, as nothing believes the block that hides it; then the other window is cut, and
// the block is believed again.
TEST(cold_deletions_outlive_a_start_that_believes_no_block)
{
    struct fixture f;
    f64 v;
    rig_begin(&f, 1101);
    cold_go(&f);
    for (u32 i = 0; i < COLD_ENDED; i++) {
        for (i64 k = 0; k < 5; k++) {
            assert_int_equal(cold_put(&f, i, NEXT + k * 1000, k < 4 ? (f64)k : stale_nan()),
                             APPEND_STORED);
        }
    }
    cold_go(&f);
    assert_int_equal(f.db->blocks->n, 3); // The silent ones have one as well.
    cold_delete(&f, "m1", NEXT + 1000, NEXT + 2000);
    harm_do(&f, 0, HARM_MISSING);
    assert_true(f.db->cold_lost);
    assert_false(has(&f, NEXT + 1000, &v));
    assert_true(has(&f, NEXT, &v) && v == 0);
    assert_int_equal(cold_put(&f, 1, NEXT + 9000, 8), APPEND_STORED);
    f.opts.image_every_ms = 1;
    f.db->opts.image_every_ms = 1;
    f.db->opts.image_log_bytes = 1;
    window_cut(&f, NEXT - FIXTURE_RANGE);
    clk_manual_advance(f.clk, 10);
    fixture_steps(&f);
    assert_true(cold_counted(&f, COUNT_IMAGES_WRITTEN) > 0);
    for (u32 round = 0; round < 3; round++) {
        assert_false(has(&f, NEXT + 1000, &v));
        assert_false(has(&f, NEXT + 2000, &v));
        assert_true(has(&f, NEXT, &v) && v == 0);
        assert_true(has(&f, NEXT + 3000, &v) && v == 3);
        assert_true(has(&f, NEXT + 9000, &v) && v == 8);
        fixture_reopen(&f);
        assert_false(f.db->cold_lost);
        if (round == 1) { // For good.
            window_cut(&f, NEXT);
        }
    }
    fixture_fini(&f);
}

// Deleted before they left, or when only the block had them; and taken back.
TEST(cold_deletions_survive_the_block_that_tells_them)
{
    for (u32 k = 0; k < HARM_COUNT * 2; k++) {
        struct fixture f;
        struct error e = {0};
        f64 v;
        u64 id = 0;
        rig_begin(&f, 1110 + k);
        if (k % 2 == 0) {
            id = cold_delete(&f, "m1", COLD_START + 2000, COLD_START + 4000);
        }
        cold_go(&f);
        if (k % 2 == 1) {
            id = cold_delete(&f, "m1", COLD_START + 2000, COLD_START + 4000);
        }
        assert_int_equal(f.db->blocks->n, 1);
        harm_do(&f, 0, (enum harm)(k / 2));
        for (u32 round = 0; round < 3; round++) {
            assert_false(has(&f, COLD_START + 3000, &v));
            assert_true(has(&f, COLD_START + 5000, &v) && v == 501);
            cold_go(&f); // They leave once more.
            fixture_reopen(&f);
        }
        ASSERT_OK(tsdb_undelete(f.db, id, &e), e);
        for (u32 round = 0; round < 2; round++) {
            assert_true(has(&f, COLD_START + 3000, &v) && v == 301);
            fixture_reopen(&f);
        }
        fixture_fini(&f);
    }
}

// Taken back before the damage: no start may find it again.
TEST(cold_deletions_taken_back_do_not_return)
{
    for (u32 k = 0; k < HARM_COUNT; k++) {
        struct fixture f;
        struct error e = {0};
        f64 v;
        rig_begin(&f, 1120 + k);
        cold_delete(&f, "m3", COLD_START, COLD_START);
        const u64 before = deleted_bytes(&f);
        cold_go(&f);
        const u64 id = cold_delete(&f, "m1", COLD_START + 2000, COLD_START + 4000);
        assert_true(deleted_bytes(&f) > before);
        ASSERT_OK(tsdb_undelete(f.db, id, &e), e);
        assert_int_equal(deleted_bytes(&f), before);
        harm_do(&f, 0, (enum harm)k);
        assert_true(has(&f, COLD_START + 3000, &v) && v == 301);
        fixture_fini(&f);
    }
}

// The block reaches further than the series, and where that ended cannot be read any more.
TEST(cold_deletions_hide_nothing_that_came_after_them)
{
    struct fixture f;
    char path[256];
    f64 v;
    rig_begin(&f, 1130);
    assert_int_equal(cold_put(&f, 0, COLD_END + 3000, stale_nan()), APPEND_STORED);
    cold_go(&f);
    cold_delete(&f, "m1", COLD_START + 2000, COLD_END + 5000);
    assert_int_equal(cold_put(&f, 1, COLD_END + 1, 3), APPEND_STORED);
    block_file(&f, 0, "data", path);
    fixture_close(&f);
    cold_byte_turn(&f, path, DATA_HEADER_BYTES + PAGE_HEAD_BYTES + 1);
    fixture_open(&f);
    assert_true(f.db->cold_lost);
    for (u32 round = 0; round < 2; round++) {
        assert_true(has(&f, COLD_END + 1, &v) && v == 3);
        assert_false(has(&f, COLD_START + 3000, &v));
        fixture_reopen(&f);
    }
    fixture_fini(&f);
}

// What blocks alone answer for is in their own files.
TEST(cold_deletions_are_forgotten_when_their_window_is_cut)
{
    struct fixture f;
    f64 v;
    rig_begin(&f, 1140);
    cold_go(&f);
    cold_delete(&f, "m1", COLD_START + 2000, COLD_START + 4000);
    assert_true(deleted_bytes(&f) > 16);
    window_cut(&f, NEXT - FIXTURE_RANGE);
    assert_int_equal(deleted_bytes(&f), 16);
    for (u32 round = 0; round < 2; round++) {
        assert_false(has(&f, COLD_START + 3000, &v));
        assert_true(has(&f, COLD_START + 5000, &v) && v == 501);
        fixture_reopen(&f);
    }
    fixture_fini(&f);
}
