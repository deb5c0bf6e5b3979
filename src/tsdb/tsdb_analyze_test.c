#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/import_rig.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define START (FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 20 * FIXTURE_RANGE)
#define LATER (START + FIXTURE_RANGE)

static const struct rig_sample two_blocks[] = {
    {"up,instance=a", START, 1},         {"up,instance=b", START, 1},
    {"cpu,instance=a", START, 1},        {"zzz", START, 1},
    {"up,instance=b", LATER, 1},         {"up,instance=b", LATER + 1000, 0.123456789},
    {"up,instance=c", LATER, 1},         {"cpu,instance=a,mode=idle", LATER, 1},
    {"cpu,instance=a", LATER, 2},        {"cpu,instance=b,mode=idle", LATER, 1},
    {"up,instance=longest", LATER, 0.1}, {"up,instance=longest", LATER + 7, 0.777777}};

static bool analyzed(const struct fixture *f, str id, u32 limit, struct arena *a,
                     struct tsdb_analysis *out, struct error *e)
{
    const struct tsdb_analyze_opts o = {.fs = f->fs, .dir = "/data", .id = id, .limit = limit};
    return tsdb_analyze(&o, a, out, e);
}

static void stat_is(const struct tsdb_top *t, u32 at, const char *name, u64 value)
{
    assert_true(at < t->count);
    ASSERT_STR_EQ(t->items[at].name, str_c(name));
    assert_int_equal(t->items[at].value, value);
}

// Two blocks, and what is said of the newer one. Threads: owned by the test.
struct analyzed {
    struct fixture f;
    struct arena *arena;
    struct tsdb_analysis z;
};

static void analyzed_init(struct analyzed *t)
{
    struct import_rig r;
    struct error e = {0};
    t->arena = arena_new((size_t)1 << 20);
    fixture_init(&t->f, 311);
    import_rig_init(&r, &t->f, two_blocks, ARRAY_LEN(two_blocks));
    ASSERT_OK(import_rig_run(&r, &e), e);
    ASSERT_OK(analyzed(&t->f, STR_EMPTY, 100, t->arena, &t->z, &e), e);
}

static void analyzed_fini(struct analyzed *t)
{
    arena_free(t->arena);
    fixture_fini(&t->f);
}

TEST(analyze_counts_labels_and_pairs)
{
    struct analyzed t;
    analyzed_init(&t);
    const struct tsdb_analysis *z = &t.z;
    assert_int_equal(z->block.min_ms, LATER);
    assert_int_equal(z->block.series, 6);
    assert_int_equal(z->block.samples, 8);
    assert_int_equal(z->label_names, 3);
    assert_int_equal(z->pairs, 2 + 4 + 1);
    assert_int_equal(z->entries, 6 + 6 + 2);
    stat_is(&z->tops[TOP_PAIRS], 0, "__name__=cpu", 3);
    stat_is(&z->tops[TOP_VALUES], 0, "instance", 4);
    assert_int_equal(z->tops[TOP_VALUES].count, 3);
    stat_is(&z->tops[TOP_VALUE_LENGTHS], 0, "instance", 10);
    stat_is(&z->tops[TOP_METRICS], 0, "cpu", 3);
    stat_is(&z->tops[TOP_METRICS], 1, "up", 3);
    analyzed_fini(&t);
}

TEST(analyze_tells_what_is_new_and_what_is_gone)
{
    struct analyzed t;
    analyzed_init(&t);
    const struct tsdb_analysis *z = &t.z;
    assert_true(z->has_before);
    assert_int_equal(z->before.min_ms, START);
    assert_int_equal(z->fresh, 4); // All but up{instance="b"} and cpu{instance="a"}.
    assert_int_equal(z->gone, 2);  // up{instance="a"}, zzz
    stat_is(&z->tops[TOP_FRESH_NAMES], 0, "__name__", 4);
    stat_is(&z->tops[TOP_FRESH_NAMES], 1, "instance", 4);
    stat_is(&z->tops[TOP_FRESH_NAMES], 2, "mode", 2);
    stat_is(&z->tops[TOP_FRESH_PAIRS], 0, "__name__=cpu", 2);
    stat_is(&z->tops[TOP_FRESH_PAIRS], 1, "__name__=up", 2);
    stat_is(&z->tops[TOP_FRESH_PAIRS], 2, "mode=idle", 2);
    analyzed_fini(&t);
}

TEST(analyze_shares_out_all_bytes)
{
    struct analyzed t;
    analyzed_init(&t);
    const struct tsdb_top *series = &t.z.tops[TOP_SERIES_BYTES];
    const struct tsdb_top *metrics = &t.z.tops[TOP_METRIC_BYTES];
    u64 by_series = 0;
    u64 by_metric = 0;
    assert_int_equal(series->count, 6);
    for (u32 i = 0; i < series->count; i++) {
        by_series += series->items[i].value;
        assert_true(i == 0 || series->items[i].value <= series->items[i - 1].value);
    }
    for (u32 i = 0; i < metrics->count; i++) {
        by_metric += metrics->items[i].value;
    }
    assert_int_equal(by_series, by_metric);
    assert_true(by_series > t.z.value_bytes - series->count);
    assert_true(by_series < t.z.value_bytes + t.z.index_bytes);
    ASSERT_STR_EQ(series->items[0].name, STR("up{instance=\"b\"}"));
    analyzed_fini(&t);
}

TEST(analyze_keeps_to_its_limit_and_its_block)
{
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    struct tsdb_analysis z;
    struct tsdb_block_info *infos;
    u32 n = 0;
    struct arena *a = arena_new((size_t)1 << 20);
    fixture_init(&f, 312);
    assert_false(analyzed(&f, STR_EMPTY, 1, a, &z, &e));
    import_rig_init(&r, &f, two_blocks, ARRAY_LEN(two_blocks));
    ASSERT_OK(import_rig_run(&r, &e), e);
    ASSERT_OK(tsdb_blocks_list(f.fs, "/data", a, &infos, &n, &e), e);
    assert_int_equal(n, 2);
    ASSERT_OK(analyzed(&f, infos[0].id, 1, a, &z, &e), e);
    assert_int_equal(z.block.min_ms, START);
    assert_false(z.has_before);
    assert_int_equal(z.fresh, 0);
    assert_int_equal(z.tops[TOP_FRESH_PAIRS].count, 0);
    assert_int_equal(z.tops[TOP_PAIRS].count, 1);
    stat_is(&z.tops[TOP_PAIRS], 0, "__name__=up", 2);
    assert_false(analyzed(&f, STR("nothing"), 1, a, &z, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    arena_free(a);
    fixture_fini(&f);
}

TEST(analyze_refuses_a_damaged_block)
{
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    struct tsdb_analysis z;
    struct tsdb_block_info *infos;
    u32 n = 0;
    char path[200];
    struct arena *a = arena_new((size_t)1 << 20);
    fixture_init(&f, 313);
    import_rig_init(&r, &f, two_blocks, ARRAY_LEN(two_blocks));
    ASSERT_OK(import_rig_run(&r, &e), e);
    ASSERT_OK(tsdb_blocks_list(f.fs, "/data", a, &infos, &n, &e), e);
    (void)snprintf(path, sizeof(path), "/data/blocks/b+%lld+%lld-%.*s/data", (long long)LATER,
                   (long long)infos[1].max_ms, STR_ARG(infos[1].id));
    struct file *file = fs_open(f.fs, path, FS_WRITE, &e);
    assert_non_null(file);
    ASSERT_OK(fs_write_at(f.fs, file, 80, STR("xxxxxxxx"), &e), e);
    fs_close(f.fs, file);
    assert_false(analyzed(&f, STR_EMPTY, 5, a, &z, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    arena_free(a);
    fixture_fini(&f);
}
