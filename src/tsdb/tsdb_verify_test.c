#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "os/fs.h"
#include "tsdb/block_set.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

// What was told. Threads: owned by the test.
struct told {
    u32 lines;
    char first[800];
};

static void on_damage(void *ctx, str line)
{
    struct told *t = ctx;
    if (t->lines++ == 0) {
        (void)snprintf(t->first, sizeof(t->first), "%.*s", STR_ARG(line));
    }
}

static u64 damages(const struct fixture *f, struct told *told)
{
    struct error e = {0};
    *told = (struct told){0};
    struct tsdb_verify v = {.damage = on_damage, .ctx = told};
    ASSERT_OK(tsdb_verify(f->fs, "/data", &v, &e), e);
    assert_int_equal(v.damages, told->lines);
    assert_true(v.blocks + v.damages >= 3 && v.segments >= 2);
    return v.damages;
}

static void exemplar_put(struct fixture *f, i64 t_ms)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct series_ref ref;
    u8 outcome;
    u64 position;
    struct label pair = {STR("trace"), STR("abc")};
    struct exemplar x = {.labels = {&pair, 1}, .value = 1, .t_ms = t_ms, .has_t = true};
    struct labels set = fixture_labels("noise,instance=i-0", items, bytes);
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &set, 1, &ref, &outcome);
    ASSERT_OK(a->ops->exemplars(a, &ref, &x, 1, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_SYNC, &position, &e), e);
    storage_appender_close(a);
}

// Three blocks, and a log of several segments.
static void store_fill(struct fixture *f)
{
    i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 5 * FIXTURE_RANGE;
    f->opts.wal_segment_bytes = 4096;
    f->opts.compact_off = true;
    fixture_open(f);
    for (i64 k = 0; k < 300; k++) {
        char series[64];
        for (u32 i = 0; i < 12; i++) {
            (void)snprintf(series, sizeof(series), "noise,instance=i-%u", i);
            assert_true(append_is_stored(
                fixture_put(f, STREAM_SCRAPE, series, start + k * 1000, rng_unit(&f->rng))));
        }
        if (k % 60 == 10) {
            exemplar_put(f, start + k * 1000);
        }
        if (k % 20 == 0) {
            fixture_steps(f);
        }
    }
}

// Turns one bit of a file and back.
static void bit_turn(const struct fixture *f, const char *path, u64 at)
{
    struct error e = {0};
    u8 byte;
    size_t got;
    struct file *file = fs_open(f->fs, path, FS_WRITE, &e);
    assert_non_null(file);
    ASSERT_OK(fs_read_at(f->fs, file, at, &byte, 1, &got, &e), e);
    assert_int_equal(got, 1);
    byte ^= (u8)(1U << at % 8);
    ASSERT_OK(fs_write_at(f->fs, file, at, (str){(const char *)&byte, 1}, &e), e);
    fs_close(f->fs, file);
}

static void file_probe(struct fixture *f, const char *path, u64 bytes)
{
    struct told told;
    for (u32 i = 0; i < 12; i++) {
        u64 at = rng_below(&f->rng, bytes);
        bit_turn(f, path, at);
        if (damages(f, &told) == 0) {
            fail_msg("%s: a bit at %llu of %llu was missed", path, (unsigned long long)at,
                     (unsigned long long)bytes);
        }
        assert_non_null(strstr(told.first, "/data/"));
        bit_turn(f, path, at);
    }
}

static void one_probe(struct fixture *f, const char *path)
{
    struct error e = {0};
    struct fs_info info;
    ASSERT_OK(fs_stat(f->fs, path, &info, &e), e);
    file_probe(f, path, info.bytes);
}

static void folder_probe(struct fixture *f, const char *dir, bool spare_last)
{
    struct error e = {0};
    struct fs_info *infos;
    size_t n;
    char path[400];
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(fs_list(f->fs, dir, a, &infos, &n, &e), e);
    for (size_t i = 0; i + spare_last < n; i++) {
        (void)snprintf(path, sizeof(path), "%s/%.*s", dir, STR_ARG(infos[i].name));
        file_probe(f, path, infos[i].bytes);
    }
    arena_free(a);
}

// What is told of a file with one bit turned.
static const char *told_by(const struct fixture *f, const char *path, u64 at, struct told *told)
{
    bit_turn(f, path, at);
    assert_true(damages(f, told) > 0);
    bit_turn(f, path, at);
    return told->first;
}

static void noise_delete(struct fixture *f)
{
    struct error e = {0};
    struct matcher m;
    u64 id;
    struct arena *a = arena_new((size_t)1 << 16);
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, STR("instance"), STR("i-3"), &e), e);
    struct tsdb_deletion what = {.tenant = TENANT_DEFAULT,
                                 .ms = &m,
                                 .count = 1,
                                 .min_ms = FIXTURE_NOW - FIXTURE_RANGE,
                                 .max_ms = FIXTURE_NOW};
    ASSERT_OK(tsdb_delete(f->db, &what, &id, &e), e);
    arena_free(a);
}

TEST(verify_finds_every_turned_bit)
{
    struct fixture f;
    struct error e = {0};
    struct told told;
    struct tsdb_block_info *infos;
    u32 n;
    char dir[300];
    fixture_init(&f, 201);
    store_fill(&f);
    noise_delete(&f);
    ASSERT_OK(tsdb_floor_write(f.db, INT64_MIN, &e), e);
    fixture_close(&f);
    assert_int_equal(damages(&f, &told), 0);
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(tsdb_blocks_list(f.fs, "/data", a, &infos, &n, &e), e);
    assert_true(n >= 3);
    for (u32 i = 0; i < n; i++) {
        assert_false(infos[i].damaged);
        assert_int_equal(infos[i].samples, 12 * 60);
        assert_int_equal(infos[i].series, 12);
        assert_int_equal(infos[i].max_ms - infos[i].min_ms, FIXTURE_RANGE);
    }
    struct fs_info *blocks;
    size_t found;
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &blocks, &found, &e), e);
    (void)snprintf(dir, sizeof(dir), "/data/blocks/%.*s", STR_ARG(blocks[1].name));
    folder_probe(&f, dir, false);
    folder_probe(&f, "/data/wal/0", true);
    one_probe(&f, "/data/deleted");
    assert_non_null(strstr(told_by(&f, "/data/deleted", 20, &told), "/data/deleted: "));
    assert_non_null(strstr(told.first, "offset 0 to "));
    one_probe(&f, "/data/floor");
    bool checkpointed = false;
    ASSERT_OK(fs_list(f.fs, "/data/wal/0", a, &blocks, &found, &e), e);
    for (size_t i = 0; i < found; i++) {
        checkpointed = checkpointed || str_starts(blocks[i].name, STR("ckpt-"));
    }
    assert_true(checkpointed); // Its bits were turned too.
    assert_int_equal(damages(&f, &told), 0);
    // A folder of something else is no store.
    struct tsdb_verify v = {.damage = on_damage, .ctx = &told};
    assert_false(tsdb_verify(f.fs, "/data/wal", &v, &e));
    assert_false(tsdb_blocks_list(f.fs, "/nowhere", a, &infos, &n, &e));
    arena_free(a);
    fixture_fini(&f);
}

// Looks at the folder with something refused: an error that names it, or all is sound.
static bool looked_refused(struct fixture *f, struct tsdb_verify *v, struct error *e)
{
    struct told told = {0};
    *v = (struct tsdb_verify){.damage = on_damage, .ctx = &told};
    const bool ok = tsdb_verify(f->fs, "/data", v, e);
    if (v->damages > 0) {
        fail_msg("told as damage: %s", told.first);
    }
    assert_true(!ok || v->unread == 0);
    return ok;
}

// Want of memory is no damage: a sound folder is told so, or the look fails with what is used up.
TEST(verify_tells_want_of_memory_from_damage)
{
    struct fixture f;
    struct error e = {0};
    struct tsdb_verify sound;
    struct tsdb_verify v;
    u64 refused = 0;
    fixture_init(&f, 202);
    store_fill(&f);
    noise_delete(&f);
    ASSERT_OK(tsdb_floor_write(f.db, INT64_MIN, &e), e);
    fixture_close(&f);
    alloc_fault_arm(0);
    ASSERT_OK(looked_refused(&f, &sound, &e), e);
    const u64 requests = alloc_fault_calls();
    for (u64 n = 1; n <= requests; n++) {
        alloc_fault_arm(n);
        const bool ok = looked_refused(&f, &v, &e);
        alloc_fault_disarm();
        refused += !ok;
        if (!ok) {
            assert_int_equal(e.code, ERR_LIMIT);
            assert_true(strstr(e.text, "memory") || strstr(e.text, "bytes"));
            continue;
        }
        assert_int_equal(v.bytes, sound.bytes);
    }
    printf("# %llu requests refused\n", (unsigned long long)refused);
    assert_true(refused > 10);
    assert_true(looked_refused(&f, &v, &e));
    assert_int_equal(v.bytes, sound.bytes);
    fixture_fini(&f);
}

// What no release has written is damage, whatever keeps it from being read.
TEST(verify_tells_a_description_that_is_too_large_as_damage)
{
    struct fixture f;
    struct error e = {0};
    struct told told;
    struct fs_info *blocks;
    size_t n;
    char path[300];
    const size_t bytes = (size_t)512 << 10;
    fixture_init(&f, 203);
    store_fill(&f);
    fixture_close(&f);
    struct arena *a = arena_new((size_t)1 << 20);
    ASSERT_OK(fs_list(f.fs, "/data/blocks", a, &blocks, &n, &e), e);
    (void)snprintf(path, sizeof(path), "/data/blocks/%.*s/meta", STR_ARG(blocks[0].name));
    ASSERT_OK(fs_replace_file(f.fs, path, (str){arena_alloc(a, bytes, 1), bytes}, &e), e);
    assert_int_equal(damages(&f, &told), 1);
    assert_non_null(strstr(told.first, "larger than"));
    fixture_open(&f);
    ASSERT_OK(fs_list(f.fs, "/data/quarantine", a, &blocks, &n, &e), e);
    assert_int_equal(n, 1);
    arena_free(a);
    fixture_fini(&f);
}
