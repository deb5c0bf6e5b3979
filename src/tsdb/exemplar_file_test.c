// exemplar_file_test.c: exemplars of blocks: written at the cut, carried by compactions, read back.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/exemplar_file.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define STEP   1000
#define SERIES 7U
#define ROWS   (8 * 60) // Eight ranges.

static i64 start_of(void)
{
    i64 wide = FIXTURE_RANGE * 4;
    return FIXTURE_NOW - FIXTURE_NOW % wide - 8 * FIXTURE_RANGE;
}

// A sample of each series a second, and an exemplar of each every tenth.
static void feed(struct fixture *f)
{
    for (i64 k = 0; k < ROWS; k++) {
        i64 t = start_of() + k * STEP;
        for (u32 i = 0; i < SERIES; i++) {
            struct error e = {0};
            struct label items[16];
            char bytes[512];
            char name[64];
            char id[32];
            (void)snprintf(name, sizeof(name), "m%u,job=j,instance=i", i);
            (void)snprintf(id, sizeof(id), "%u-%lld", i, (long long)k);
            struct label trace = {STR("trace_id"), str_c(id)};
            struct exemplar x = {
                .labels = {&trace, 1}, .value = (f64)k / 8, .t_ms = t, .has_t = i % 2 == 0};
            assert_int_equal(fixture_put(f, STREAM_PUSH, name, t, (f64)k), APPEND_STORED);
            if (k % 10 != 3) {
                continue;
            }
            struct labels ls = fixture_labels(name, items, bytes);
            struct series_ref ref;
            u8 outcome;
            u64 position;
            struct storage_appender *a =
                storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
            assert_non_null(a);
            a->ops->resolve(a, &ls, 1, &ref, &outcome);
            ASSERT_OK(a->ops->exemplars(a, &ref, &x, 1, &e), e);
            ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
            storage_appender_close(a);
        }
    }
}

// How many exemplars there are from a time on; each of them is looked at.
static u32 look(const struct fixture *f, i64 min_ms, bool *partial)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)16 << 20);
    struct exemplar_series *x;
    struct storage_warnings w = {0};
    u32 n;
    u32 total = 0;
    struct storage_querier *q = storage_querier_open(f->s, TENANT_DEFAULT, min_ms, INT64_MAX, &e);
    assert_non_null(q);
    q->warnings = &w;
    ASSERT_OK(q->ops->exemplars(q, NULL, 0, a, &x, &n, &e), e);
    for (u32 i = 0; i < n; i++) {
        assert_true(i == 0 || labels_cmp(x[i - 1].labels, x[i].labels) < 0);
        for (u32 k = 0; k < x[i].count; k++) {
            const struct exemplar *one = &x[i].exemplars[k];
            i64 row = (one->t_ms - start_of()) / STEP;
            char id[32];
            (void)snprintf(id, sizeof(id), "%u-%lld", i, (long long)row);
            assert_true(k == 0 || x[i].exemplars[k - 1].t_ms < one->t_ms); // None twice.
            assert_true(row % 10 == 3 && one->value == (f64)row / 8 && one->t_ms >= min_ms);
            assert_int_equal(one->has_t, i % 2 == 0);
            assert_int_equal(one->labels.count, 1);
            ASSERT_STR_EQ(one->labels.items[0].value, str_c(id));
        }
        total += x[i].count;
    }
    assert_true(partial || !w.partial);
    if (partial) {
        *partial = w.partial;
    }
    storage_querier_close(q);
    arena_free(a);
    return total;
}

// Opens a copy of the blocks alone in place of the store.
static void blocks_only(struct fixture *f, char dir[128])
{
    char name[TSDB_SNAPSHOT_NAME];
    struct error e = {0};
    ASSERT_OK(tsdb_snapshot(f->db, true, name, &e), e);
    (void)snprintf(dir, 128, "/data/snapshots/%s", name);
    fixture_close(f);
    f->opts.dir = dir;
    fixture_open(f);
}

TEST(exemplars_go_into_blocks_and_through_compactions)
{
    for (u32 joined = 0; joined < 2; joined++) {
        struct fixture f;
        char dir[128];
        struct tsdb_status status;
        struct arena *a = arena_new((size_t)1 << 20);
        fixture_init(&f, 301);
        f.opts.compact_off = joined == 0;
        f.opts.compact_first = 4;
        f.opts.compact_second = 100;
        fixture_open(&f);
        feed(&f);
        u32 all = SERIES * ROWS / 10;
        assert_int_equal(look(&f, INT64_MIN, NULL), all);
        fixture_steps(&f);
        assert_int_equal(look(&f, INT64_MIN, NULL), all); // In memory, and seven ranges in blocks.
        blocks_only(&f, dir);
        tsdb_status_get(f.db, 1, a, &status);
        assert_int_equal(status.blocks,
                         joined ? 4 : 7); // Of four ranges one, and three on their own.
        assert_int_equal(look(&f, INT64_MIN, NULL), all / 8 * 7);
        assert_int_equal(look(&f, start_of() + 5 * FIXTURE_RANGE, NULL), all / 8 * 2);
        assert_int_equal(look(&f, start_of() + 5 * FIXTURE_RANGE + 10 * STEP, NULL),
                         all / 8 * 2 - SERIES);
        arena_free(a);
        fixture_fini(&f);
    }
}

static void bit_turn(const struct fixture *f, const char *path, u64 at)
{
    struct error e = {0};
    u8 byte;
    size_t got;
    struct file *file = fs_open(f->fs, path, FS_WRITE, &e);
    assert_non_null(file);
    ASSERT_OK(fs_read_at(f->fs, file, at, &byte, 1, &got, &e), e);
    byte ^= (u8)(1U << at % 8);
    ASSERT_OK(fs_write_at(f->fs, file, at, (str){(const char *)&byte, 1}, &e), e);
    fs_close(f->fs, file);
}

static void damage_count(void *ctx, str line)
{
    u32 *n = ctx;
    assert_true(str_find_str(line, STR("/exemplars")) != STR_NONE);
    (*n)++;
}

TEST(exemplars_that_are_damaged_are_told_and_samples_stay)
{
    struct fixture f;
    char dir[128];
    char path[300];
    struct error e = {0};
    struct fs_info *infos;
    struct fs_info info;
    size_t n;
    struct arena *a = arena_new((size_t)1 << 20);
    fixture_init(&f, 302);
    f.opts.compact_off = true;
    fixture_open(&f);
    feed(&f);
    fixture_steps(&f);
    blocks_only(&f, dir);
    u32 whole = look(&f, INT64_MIN, NULL);
    fixture_close(&f);
    (void)snprintf(path, sizeof(path), "%s/blocks", dir);
    ASSERT_OK(fs_list(f.fs, path, a, &infos, &n, &e), e);
    (void)snprintf(path, sizeof(path), "%s/blocks/%.*s/exemplars", dir, STR_ARG(infos[2].name));
    ASSERT_OK(fs_stat(f.fs, path, &info, &e), e);
    for (u64 at = 0; at < info.bytes; at += 1 + at / 16) {
        bool partial = false;
        u32 damages = 0;
        struct tsdb_verify v = {.damage = damage_count, .ctx = &damages};
        bit_turn(&f, path, at);
        ASSERT_OK(tsdb_verify(f.fs, dir, &v, &e), e);
        if (at >= 8 && at < 12) { // The version: a later one's block is left alone.
            bit_turn(&f, path, at);
            continue;
        }
        assert_int_equal(damages, 1);
        fixture_open(&f);
        u32 found = look(&f, INT64_MIN, &partial);
        assert_true(partial && found < whole);
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 7ULL * 60 * SERIES);
        fixture_close(&f);
        bit_turn(&f, path, at);
    }
    fixture_open(&f);
    assert_int_equal(look(&f, INT64_MIN, NULL), whole);
    arena_free(a);
    fixture_fini(&f);
}

// What is long goes on over groups and pages.
TEST(exemplar_files_split_and_join_long_series)
{
    enum { MANY = 3000 };
    struct fixture f;
    struct error e = {0};
    struct exemplar_file file;
    struct exemplar_file *files[2] = {&file, &file}; // The same twice: no double comes out.
    struct exemplar_writer w;
    struct exemplar_reader r;
    struct exemplar_group g;
    static struct exemplar items[MANY];
    struct label name = {LABEL_NAME, STR("m")};
    struct label trace = {STR("trace_id"), STR("0123456789abcdef0123456789abcdef")};
    struct arena *a = arena_new((size_t)4 << 20);
    fixture_init(&f, 303);
    for (u32 i = 0; i < MANY; i++) {
        items[i] = (struct exemplar){.labels = {&trace, 1}, .value = i, .t_ms = i / 3};
    }
    struct exemplar_group all = {TENANT_DEFAULT, {&name, 1}, items, MANY};
    exemplar_writer_init(&w, f.fs, "/one");
    ASSERT_OK(exemplar_writer_add(&w, &all, &e), e);
    ASSERT_OK(exemplar_writer_finish(&w, &e), e);
    assert_true(w.pages > 2);
    exemplar_writer_close(&w);
    ASSERT_OK(exemplar_file_open(&file, f.fs, "/one", &e), e);
    exemplar_writer_init(&w, f.fs, "/two");
    ASSERT_OK(exemplar_files_merge(files, 2, &w, &e), e);
    ASSERT_OK(exemplar_writer_finish(&w, &e), e);
    exemplar_writer_close(&w);
    exemplar_file_close(&file);
    ASSERT_OK(exemplar_file_open(&file, f.fs, "/two", &e), e);
    exemplar_reader_init(&r, &file);
    u32 n = 0;
    while (exemplar_reader_next(&r, a, &g, &e)) {
        for (u32 i = 0; i < g.n; i++, n++) {
            assert_true(g.items[i].t_ms == n / 3 && g.items[i].value == n);
        }
    }
    assert_int_equal(e.code, ERR_NONE);
    assert_int_equal(n, MANY);
    exemplar_file_close(&file);
    arena_free(a);
    fixture_fini(&f);
}
