// tsdb_holes_test.c: files of a block are cut short under readers (map_guard.h).
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERIES 60
#define STEPS  90

// A store on the real file system with one block and a head. Threads: owned by the test.
struct holes {
    struct fixture f;
    char dir[64];
    char block[300];
    i64 start;
};

static void history_feed(struct holes *h)
{
    char series[64];
    for (i64 k = 0; k < STEPS * 2; k++) {
        for (u32 i = 0; i < SERIES; i++) {
            (void)snprintf(series, sizeof(series), "noise,a_long_label_name_%u=value-%u", i, i);
            f64 v = rng_unit(&h->f.rng) / 2 + 0.25;
            assert_true(append_is_stored(
                fixture_put(&h->f, STREAM_SCRAPE, series, h->start + k * 1000, v)));
        }
    }
}

static void holes_init(struct holes *h, u64 seed)
{
    struct error e = {0};
    *h = (struct holes){.dir = "/tmp/tsdb_holes_XXXXXX"};
    assert_non_null(mkdtemp(h->dir));
    fixture_init(&h->f, seed);
    h->f.fs = fs_real();
    h->f.opts.dir = h->dir;
    h->start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 2 * FIXTURE_RANGE;
    fixture_open(&h->f);
    history_feed(h);
    fixture_steps(&h->f);
    struct arena *a = arena_new((size_t)1 << 20);
    struct fs_info *infos = NULL;
    size_t n = 0;
    char blocks[100];
    (void)snprintf(blocks, sizeof(blocks), "%s/blocks", h->dir);
    ASSERT_OK(fs_list(fs_real(), blocks, a, &infos, &n, &e), e);
    assert_true(n >= 1);
    (void)snprintf(h->block, sizeof(h->block), "%s/%.*s", blocks, STR_ARG(infos[0].name));
    arena_free(a);
}

static void holes_fini(struct holes *h)
{
    struct error e = {0};
    fixture_fini(&h->f);
    ASSERT_OK(fs_remove_tree(fs_real(), h->dir, &e), e);
}

static void file_cut(const struct holes *h, const char *name, off_t bytes)
{
    char path[400];
    (void)snprintf(path, sizeof(path), "%s/%s", h->block, name);
    assert_int_equal(truncate(path, bytes), 0);
}

// Threads: owned by the test.
struct seen {
    u64 samples;
    struct storage_warnings warnings;
};

// Reads all series; cuts the file after so many of them.
static void all_read(struct holes *h, const char *cut, u32 after, struct seen *seen)
{
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct error e = {0};
    struct storage_querier *q =
        storage_querier_open(h->f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct series_cursor *c = q->ops->select(q, NULL, 0, &hints, NULL, &e);
    *seen = (struct seen){0};
    assert_non_null(c);
    for (u32 i = 0; c->ops->next(c); i++) {
        struct series_run run;
        if (cut && i == after) {
            file_cut(h, cut, 1000);
        }
        while (c->ops->run(c, &run)) {
            for (u32 k = 0; k < run.n; k++) { // A page of zeroes would give others.
                assert_true(run.values[k] > 0 && run.values[k] < 1);
                assert_true(run.t_ms[k] >= h->start && run.t_ms[k] < h->start + STEPS * 2 * 1000);
            }
            seen->samples += run.n;
        }
    }
    ASSERT_OK(c->ops->close(c, &seen->warnings, &e), e);
    storage_querier_close(q);
}

TEST(tsdb_answers_in_part_when_a_blocks_data_is_cut_short)
{
    struct holes h;
    struct seen seen;
    holes_init(&h, 181);
    all_read(&h, NULL, 0, &seen);
    assert_int_equal(seen.samples, SERIES * STEPS * 2);
    assert_false(seen.warnings.partial);
    all_read(&h, "data", 7, &seen); // While it is being read, all of it found sound before.
    assert_true(seen.warnings.partial);
    assert_true(seen.samples < SERIES * STEPS * 2 && seen.samples > SERIES * STEPS / 2);
    all_read(&h, NULL, 0, &seen); // And after.
    assert_true(seen.warnings.partial);
    assert_true(seen.samples < SERIES * STEPS * 2 && seen.samples > SERIES * STEPS / 2);
    struct arena *a = arena_new((size_t)1 << 20);
    struct tsdb_block_info *infos;
    u32 n;
    tsdb_blocks_get(h.f.db, a, &infos, &n);
    assert_true(n > 0 && infos[0].damaged);
    arena_free(a);
    holes_fini(&h);
}

// Cut and made long again: no access fails, there is only nothing where samples stood.
TEST(tsdb_answers_in_part_when_a_blocks_data_turns_to_zeroes)
{
    struct holes h;
    struct seen seen;
    struct fs_info data;
    struct error e = {0};
    char path[400];
    holes_init(&h, 183);
    all_read(&h, NULL, 0, &seen);
    assert_int_equal(seen.samples, SERIES * STEPS * 2);
    (void)snprintf(path, sizeof(path), "%s/data", h.block);
    ASSERT_OK(fs_stat(fs_real(), path, &data, &e), e);
    file_cut(&h, "data", 600);
    file_cut(&h, "data", (off_t)data.bytes);
    all_read(&h, NULL, 0, &seen);
    assert_true(seen.warnings.partial);
    assert_true(seen.samples < SERIES * STEPS * 2 && seen.samples > SERIES * STEPS / 2);
    holes_fini(&h);
}

TEST(tsdb_answers_in_part_when_a_blocks_index_is_cut_short)
{
    struct holes h;
    struct error e = {0};
    holes_init(&h, 182);
    struct storage_querier *q =
        storage_querier_open(h.f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct storage_warnings warnings = {0};
    struct seen seen;
    struct arena *a = arena_new((size_t)1 << 20);
    str *texts = NULL;
    u32 n = 0;
    file_cut(&h, "index", 0);
    q->warnings = &warnings;
    ASSERT_OK(q->ops->label_names(q, NULL, 0, a, &texts, &n, &e), e);
    assert_int_equal(n, SERIES + 1); // The head knows them all.
    assert_true(warnings.partial && warnings.count > 0);
    assert_true(str_contains(warnings.texts[0], STR("cannot be read any more")));
    storage_querier_close(q);
    all_read(&h, NULL, 0, &seen);
    assert_true(seen.warnings.partial);
    assert_true(seen.samples >= SERIES * STEPS / 2);
    arena_free(a);
    holes_fini(&h);
}

// Threads: of the test.
static struct {
    const char *dir; // For a copy of the file whose pages go; the file itself keeps them.
    off_t kept;      // So many bytes of it stay.
    u32 after;       // Maps of the log until then.
    u32 maps;
} losing;

static void file_copy(const char *from, const char *to)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 26);
    str bytes;
    ASSERT_OK(fs_read_file(fs_real(), from, (size_t)1 << 25, a, &bytes, &e), e);
    ASSERT_OK(fs_replace_file(fs_real(), to, bytes, &e), e);
    arena_free(a);
}

static bool losing_map(struct fs *fs, const char *path, struct fs_map *map, struct error *e)
{
    char copy[100];
    if (!strstr(path, "/wal/") || strstr(path, "/image") || losing.maps++ != losing.after) {
        return fs_real()->ops->map(fs, path, map, e);
    }
    (void)snprintf(copy, sizeof(copy), "%s/copy", losing.dir);
    file_copy(path, copy);
    const bool ok = fs_real()->ops->map(fs, copy, map, e);
    struct fs_info info;
    ASSERT_OK(fs_stat(fs_real(), copy, &info, e), *e);
    assert_int_equal(truncate(copy, MIN(losing.kept, (off_t)info.bytes)), 0);
    return ok;
}

// Opens and closes the store, with pages of a file of the log gone while it is read. Returns false
// once no file was left to lose pages of. *refused: the start was.
static bool start_losing(struct holes *h, u32 after, off_t kept, bool *refused)
{
    struct error e = {0};
    struct fs_ops ops = *fs_real()->ops;
    struct fs fs = {&ops};
    ops.map = losing_map;
    losing.after = after;
    losing.kept = kept;
    losing.maps = 0;
    h->f.opts.fs = &fs;
    h->f.db = tsdb_open(&h->f.opts, &e);
    *refused = !h->f.db;
    if (*refused) {
        assert_int_equal(e.code, ERR_IO);
        assert_non_null(strstr(e.text, "/wal/"));
    } else {
        fixture_close(&h->f);
    }
    h->f.opts.fs = h->f.fs;
    return losing.maps > after;
}

// What the disk does not give is neither a torn tail nor damage: the start is refused, and
// everything is there once it gives it.
TEST(tsdb_refuses_a_start_when_pages_of_its_log_cannot_be_read)
{
    const off_t kept[] = {0, 4096};
    for (u32 k = 0; k < ARRAY_LEN(kept); k++) {
        struct holes h;
        u32 refusals = 0;
        bool refused;
        holes_init(&h, 184 + k);
        for (i64 i = 0; i < STEPS * 20; i++) { // What only the log has.
            assert_true(append_is_stored(fixture_put(&h.f, STREAM_SCRAPE, "fresh,i=1",
                                                     FIXTURE_NOW + i * 100, rng_unit(&h.f.rng))));
        }
        fixture_close(&h.f);
        losing.dir = h.dir;
        for (u32 after = 0; start_losing(&h, after, kept[k], &refused); after++) {
            refusals += refused;
        }
        assert_true(refusals >= 3);
        fixture_open(&h.f);
        for (i64 i = 0; i < STEPS * 20; i++) {
            f64 v;
            assert_true(fixture_get(&h.f, "fresh,i=1", FIXTURE_NOW + i * 100, &v, NULL));
        }
        holes_fini(&h);
    }
}
