// tsdb_starts_test.c: a store that keeps crashing takes no new series for a while.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#define MINUTE ((i64)60000)

// As a kill does: nothing is closed in the folder that the next one opens.
static void crash(struct fixture *f)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    str file;
    ASSERT_OK(fs_read_file(f->fs, "/data/starts", 4096, a, &file, &e), e);
    fixture_close(f);
    ASSERT_OK(fs_replace_file(f->fs, "/data/starts", file, &e), e);
    arena_free(a);
}

static void starts_init(struct fixture *f)
{
    fixture_init(f, 3);
    f->opts.unclean_starts_max = 2;
    fixture_open(f);
    assert_int_equal(fixture_put(f, STREAM_PUSH, "old", FIXTURE_NOW, 1), APPEND_STORED);
}

TEST(tsdb_refuses_new_series_after_two_crashes_in_ten_minutes)
{
    struct fixture f;
    bool did;
    struct error e = {0};
    starts_init(&f);
    crash(&f);
    clk_manual_advance(f.clk, 4 * MINUTE);
    fixture_open(&f);
    assert_false(tsdb_restrained(f.db));
    crash(&f);
    clk_manual_advance(f.clk, 4 * MINUTE);
    fixture_open(&f);
    i64 now = FIXTURE_NOW + 8 * MINUTE;
    assert_true(tsdb_restrained(f.db));
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "new", now, 1), APPEND_LIMIT_STARTS);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "old", now, 2), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_RULES, "rule", now, 1), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_OWN, "up", now, 1), APPEND_STORED);
    ASSERT_OK(tsdb_step(f.db, &did, &e), e); // Its look at memory changes nothing.
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "new", now, 1), APPEND_LIMIT_STARTS);
    clk_manual_advance(f.clk, 10 * MINUTE);
    ASSERT_OK(tsdb_step(f.db, &did, &e), e);
    assert_false(tsdb_restrained(f.db));
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "new", now, 1), APPEND_STORED);
    fixture_close(&f);
    fixture_open(&f);
    assert_false(tsdb_restrained(f.db));
    fixture_fini(&f);
}

TEST(tsdb_forgets_crashes_after_ten_minutes_or_a_clean_stop)
{
    struct fixture f;
    bool did;
    struct error e = {0};
    starts_init(&f);
    crash(&f);
    clk_manual_advance(f.clk, 11 * MINUTE); // Long before the next ones.
    fixture_open(&f);
    crash(&f);
    fixture_open(&f);
    assert_false(tsdb_restrained(f.db));
    fixture_reopen(&f);
    fixture_reopen(&f);
    assert_false(tsdb_restrained(f.db));
    clk_manual_advance(f.clk, 10 * MINUTE); // It ran long enough.
    ASSERT_OK(tsdb_step(f.db, &did, &e), e);
    struct fs_info info;
    assert_false(fs_stat(f.fs, "/data/starts", &info, &e));
    fixture_fini(&f);
}

TEST(tsdb_starts_with_any_file_of_starts)
{
    struct fixture f;
    struct error e = {0};
    const str files[] = {STR(""), STR("TMSTARTS"), STR("TMSTARTS\xff\xff\xff\xff...."),
                         STR("TMSTARTS\x02\0\0\0aaaaaaaabbbbbbbbcccc")};
    starts_init(&f);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        fixture_close(&f);
        ASSERT_OK(fs_replace_file(f.fs, "/data/starts", files[i], &e), e);
        fixture_open(&f);
        assert_false(tsdb_restrained(f.db));
    }
    fixture_fini(&f);
}
