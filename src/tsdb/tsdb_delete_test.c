#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/deleted_list.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define HOUR ((i64)3600 * 1000)

static u64 delete_by(struct fixture *f, const char *name, const char *value, i64 min_ms, i64 max_ms)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    u64 id = 0;
    ASSERT_OK(matcher_init(&m, a, MATCH_RE, str_c(name), str_c(value), &e), e);
    struct tsdb_deletion d = {
        .tenant = TENANT_DEFAULT, .ms = &m, .count = 1, .min_ms = min_ms, .max_ms = max_ms};
    ASSERT_OK(tsdb_delete(f->db, &d, &id, &e), e);
    arena_free(a);
    return id;
}

static i64 start_of(i64 ranges)
{
    return FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - ranges * FIXTURE_RANGE;
}

static void feed(struct fixture *f, i64 start, i64 steps)
{
    for (i64 k = 0; k < steps; k++) {
        i64 t = start + k * 1000;
        assert_int_equal(fixture_put(f, STREAM_SCRAPE, "up,instance=a,job=x", t, (f64)k), 0);
        assert_int_equal(fixture_put(f, STREAM_SCRAPE, "up,instance=b,job=x", t, (f64)k), 0);
        assert_int_equal(fixture_put(f, STREAM_RULES, "rec,instance=a", t, (f64)k), 0);
    }
}

TEST(delete_hides_at_once_and_over_restarts)
{
    struct fixture f;
    f64 v;
    i64 start = start_of(6);
    fixture_init(&f, 61);
    f.opts.compact_first = 2;
    f.opts.compact_second = 2;
    fixture_open(&f);
    feed(&f, start, 330); // Blocks up to 240 s, the rest is in the head.
    fixture_steps(&f);
    delete_by(&f, "instance", "a", start + 30000, start + 300000);
    for (int round = 0; round < 4; round++) {
        // 271 of 330 of two series are gone.
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 3 * 330 - 2 * 271);
        assert_true(fixture_get(&f, "up,instance=a,job=x", start + 29000, &v, NULL));
        assert_false(fixture_get(&f, "up,instance=a,job=x", start + 30000, &v, NULL));
        assert_false(fixture_get(&f, "rec,instance=a", start + 300000, &v, NULL));
        assert_true(fixture_get(&f, "rec,instance=a", start + 301000, &v, NULL) && v == 301);
        assert_true(fixture_get(&f, "up,instance=b,job=x", start + 100000, &v, NULL) && v == 100);
        if (round == 1) { // What was deleted of the head goes along into blocks, and joined ones.
            fixture_steps(&f);
        }
        fixture_reopen(&f);
    }
    feed(&f, start + 330000, 330);
    fixture_steps(&f);
    fixture_reopen(&f);
    fixture_steps(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 3 * 660 - 2 * 271);
    fixture_fini(&f);
}

TEST(delete_keeps_what_comes_later)
{
    struct fixture f;
    i64 start = start_of(0);
    fixture_init(&f, 62);
    fixture_open(&f);
    clk_manual_advance(f.clk, HOUR);
    feed(&f, start, 10);
    delete_by(&f, "instance", ".+", INT64_MIN, INT64_MAX);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 0);
    feed(&f, start + 10000, 10);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 30);
    fixture_reopen(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 30);
    fixture_fini(&f);
}

TEST(delete_can_be_undone_for_a_day_and_is_then_carried_out)
{
    struct fixture f;
    struct error e = {0};
    u32 blocks = 0;
    i64 start = start_of(6);
    fixture_init(&f, 63);
    f.opts.compact_off = true;
    fixture_open(&f);
    feed(&f, start, 330);
    fixture_steps(&f);
    u64 first = delete_by(&f, "instance", "a", start, start + 99000);
    u64 second = delete_by(&f, "instance", "b", start, start + 400000);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 3 * 330 - 2 * 100 - 330);
    ASSERT_OK(tsdb_clean(f.db, &blocks, &e), e);
    assert_int_equal(blocks, 0); // A day has not passed.
    ASSERT_OK(tsdb_undelete(f.db, second, &e), e);
    fixture_reopen(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 3 * 330 - 2 * 100);
    assert_false(tsdb_undelete(f.db, second, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    clk_manual_advance(f.clk, 25 * HOUR);
    struct tsdb_status before;
    struct tsdb_status after;
    struct arena *a = arena_new((size_t)1 << 20);
    tsdb_status_get(f.db, 1, a, &before);
    ASSERT_OK(tsdb_clean(f.db, &blocks, &e), e);
    assert_int_equal(blocks, 2); // The two of which something is deleted.
    tsdb_status_get(f.db, 1, a, &after);
    assert_int_equal(after.blocks, before.blocks);
    assert_true(after.block_bytes < before.block_bytes);
    assert_false(tsdb_undelete(f.db, first, &e)); // It is done now.
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 3 * 330 - 2 * 100);
        fixture_reopen(&f);
    }
    // Where nothing is left, nothing stays.
    delete_by(&f, "instance", ".+", INT64_MIN, start + 119999);
    clk_manual_advance(f.clk, 25 * HOUR);
    ASSERT_OK(tsdb_clean(f.db, &blocks, &e), e);
    assert_int_equal(blocks, 2);
    tsdb_status_get(f.db, 1, a, &after);
    assert_int_equal(after.blocks, before.blocks - 2);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 3 * 210);
        fixture_reopen(&f);
    }
    arena_free(a);
    fixture_fini(&f);
}

TEST(delete_takes_names_and_values_out_of_lists)
{
    struct fixture f;
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    i64 start = start_of(6);
    fixture_init(&f, 64);
    fixture_open(&f);
    feed(&f, start, 330);
    fixture_steps(&f);
    delete_by(&f, "instance", "b", INT64_MIN, INT64_MAX);
    delete_by(&f, "job", "x", INT64_MIN, INT64_MAX);
    str *texts;
    u32 n;
    u64 count;
    struct storage_querier *q = storage_querier_open(f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    assert_non_null(q);
    ASSERT_OK(q->ops->label_names(q, NULL, 0, a, &texts, &n, &e), e);
    assert_int_equal(n, 2);
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, NULL, 0, a, &texts, &n, &e), e);
    assert_int_equal(n, 1);
    ASSERT_OK(q->ops->series_count(q, NULL, 0, &count, &e), e);
    assert_int_equal(count, 1);
    storage_querier_close(q);
    arena_free(a);
    fixture_fini(&f);
}

static bool not_first(const struct tombstone *t, UNUSED const void *ctx)
{
    return t->id != 1;
}

TEST(deleted_lists_are_filtered_and_refuse_what_passes_their_limits)
{
    struct deleted_making m;
    struct deleted_list *two;
    struct deleted_list *none;
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct label got[DELETED_LABELS_MAX];
    struct deleted_entry x = {.mark = {.id = 1, .min_ms = -5, .max_ms = 9},
                              .tenant = {7},
                              .set = fixture_labels("up,job=x,instance=y", items, bytes),
                              .shard = 1};
    deleted_begin(&m, NULL);
    deleted_put(&m, &x);
    x.mark.id = 2;
    deleted_put(&m, &x);
    ASSERT_OK(deleted_end(&m, &two, &e), e);
    assert_int_equal(two->counts[0], 0);
    assert_int_equal(two->counts[1], 2);
    u32 dropped = 0;
    struct deleted_list *one = deleted_filtered(two, not_first, NULL, &dropped);
    assert_int_equal(dropped, 1);
    assert_int_equal(one->counts[1], 1);
    struct dec d = dec_of(deleted_list_bytes(one));
    struct deleted_entry back;
    assert_true(deleted_entry_get(&d, got, &back));
    assert_int_equal(dec_left(&d), 0);
    assert_int_equal(back.mark.id, 2);
    assert_int_equal(back.mark.min_ms, -5);
    assert_int_equal(back.tenant.v, 7);
    assert_true(labels_eq(back.set, x.set));
    for (u32 i = 0; i < 2; i++) {
        deleted_begin(&m, one);
        m.counts[1] = TOMBSTONES_MAX - (i == 0);
        deleted_put(&m, &x);
        assert_int_equal(deleted_end(&m, &none, &e), i == 0);
        deleted_list_unref(none);
    }
    assert_int_equal(e.code, ERR_LIMIT);
    deleted_list_unref(one);
    deleted_list_unref(two);
}

TEST(tombstone_files_that_are_damaged_are_refused)
{
    struct error e = {0};
    struct tombstone_list l = {0};
    struct fs *fs = fs_mem_new((u64)1 << 20);
    struct arena *a = arena_new((size_t)1 << 20);
    for (u32 i = 0; i < 50; i++) {
        struct tombstone t = {
            .id = 77 + i % 3, .made_ms = 5, .min_ms = -(i64)i, .max_ms = i, .series = i / 2};
        ASSERT_OK(tombstone_add(&l, t, &e), e);
    }
    struct tombstones *t = tombstones_make(&l);
    struct tombstones *back = NULL;
    ASSERT_OK(fs_make_dir(fs, "/x", &e), e);
    ASSERT_OK(tombstones_write(fs, "/x/tombstones", t, &e), e);
    ASSERT_OK(tombstones_read(fs, "/x/tombstones", 25, &back, &e), e);
    assert_int_equal(back->n, t->n);
    assert_memory_equal(back->items, t->items, t->n * sizeof(struct tombstone));
    u32 n;
    assert_non_null(tombstones_find(back, 24, &n));
    assert_int_equal(n, 2);
    assert_null(tombstones_find(back, 25, &n));
    tombstones_unref(back);
    str file;
    ASSERT_OK(fs_read_file(fs, "/x/tombstones", 1 << 16, a, &file, &e), e);
    assert_false(tombstones_decode(file, 24, &back, &e)); // A series too many.
    for (size_t i = 0; i < file.len; i++) {
        char *copy = arena_alloc(a, file.len, 1);
        memcpy(copy, file.ptr, file.len);
        copy[i] = (char)(copy[i] ^ 0x10);
        assert_false(tombstones_decode((str){copy, file.len}, 25, &back, &e));
        assert_false(tombstones_decode((str){file.ptr, i}, 25, &back, &e));
    }
    ASSERT_OK(tombstones_read(fs, "/x/none", 25, &back, &e), e);
    assert_null(back);
    tombstones_unref(t);
    tombstone_list_fini(&l);
    arena_free(a);
    fs_mem_free(fs);
}
