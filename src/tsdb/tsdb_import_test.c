#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "model/sample.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/import_rig.h"
#include "tsdb/tsdb_files.h"

#include <stdio.h>

#define START (FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 20 * FIXTURE_RANGE)

// How many blocks are listed in the store's folder.
static u32 blocks_listed(const struct fixture *f)
{
    struct arena *a = arena_new((size_t)1 << 20);
    struct fs_info *infos = NULL;
    size_t n = 0;
    u32 listed = 0;
    const bool there = fs_list(f->own_fs, "/data/blocks", a, &infos, &n, NULL);
    for (size_t i = 0; there && i < n; i++) {
        listed += !str_ends(infos[i].name, STR(".tmp"));
    }
    arena_free(a);
    return listed;
}

static void refused(struct import_rig *r, enum err code, const char *part)
{
    struct error e = {0};
    assert_false(import_rig_run(r, &e));
    if (e.code != code || !str_contains(str_c(e.text), str_c(part))) {
        fail_msg("got \"%s\", want \"%s\"", e.text, part);
    }
}

#define RANDOM_SERIES  7U
#define RANDOM_SAMPLES 900U

// Samples in no order over ten ranges: at most one of a series and second, each twice now and then.
static void random_make(struct rig_sample *out, u64 seed)
{
    static const char *const series[RANDOM_SERIES] = {"up,instance=a",
                                                      "up,instance=b",
                                                      "up,instance=b,job=x",
                                                      "long_name_total,zone=eu",
                                                      "long_name_total,z=1",
                                                      "a",
                                                      "up"};
    struct rng rng;
    rng_init(&rng, seed);
    for (u32 i = 0; i < RANDOM_SAMPLES; i++) {
        const u64 second = rng_below(&rng, 600);
        const u64 which = rng_below(&rng, RANDOM_SERIES);
        const f64 value = second % 50 == 3 ? normal_nan() : (f64)(second * 10 + which) / 8;
        out[i] = (struct rig_sample){series[which], START + (i64)second * 1000 + 77, value};
    }
}

// Every sample is there, and nothing else.
static void stands(struct fixture *f, const struct rig_sample *samples, u32 n)
{
    u64 different = 0;
    for (u32 i = 0; i < n; i++) {
        f64 value = 0;
        bool is_first = true;
        for (u32 k = 0; k < i && is_first; k++) {
            is_first = samples[k].t_ms != samples[i].t_ms ||
                       strcmp(samples[k].series, samples[i].series) != 0;
        }
        different += is_first;
        assert_true(fixture_get(f, samples[i].series, samples[i].t_ms, &value, NULL));
        assert_true(bits_of_f64(value) == bits_of_f64(samples[i].value));
    }
    assert_int_equal(fixture_count(f, INT64_MIN, INT64_MAX), different);
}

static void answers(u64 sample_bytes_max, u32 passes_min, u32 passes_max)
{
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    struct rig_sample samples[RANDOM_SAMPLES];
    random_make(samples, 5);
    fixture_init(&f, 301);
    import_rig_init(&r, &f, samples, RANDOM_SAMPLES);
    r.opts.sample_bytes_max = sample_bytes_max;
    ASSERT_OK(import_rig_run(&r, &e), e);
    assert_int_equal(r.done.samples, RANDOM_SAMPLES);
    assert_int_equal(r.done.series, RANDOM_SERIES);
    assert_int_equal(r.done.blocks, 10);
    assert_true(r.done.passes >= passes_min && r.done.passes <= passes_max);
    assert_int_equal(blocks_listed(&f), 10);
    struct tsdb_verify v = {0};
    ASSERT_OK(tsdb_verify(f.fs, "/data", &v, &e), e);
    assert_int_equal(v.damages, 0);
    fixture_open(&f);
    stands(&f, samples, RANDOM_SAMPLES);
    fixture_steps(&f); // They are joined like others.
    assert_true(blocks_listed(&f) < 10);
    stands(&f, samples, RANDOM_SAMPLES);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "up", FIXTURE_NOW, 1), APPEND_STORED);
    fixture_fini(&f);
}

TEST(import_answers_what_it_was_given)
{
    answers(0, 2, 2);
}

TEST(import_goes_by_ranges_when_memory_is_short)
{
    answers((u64)300 * 2 * 32, 4, 8); // Three ranges at once.
}

TEST(import_goes_by_series_when_a_range_is_too_large)
{
    answers((u64)40 * 2 * 32, 25, 80);
}

TEST(import_refuses_a_series_too_long_for_memory)
{
    struct rig_sample samples[9];
    struct fixture f;
    struct import_rig r;
    for (u32 i = 0; i < ARRAY_LEN(samples); i++) {
        samples[i] = (struct rig_sample){"a", START + i, 1};
    }
    fixture_init(&f, 302);
    import_rig_init(&r, &f, samples, ARRAY_LEN(samples));
    r.opts.sample_bytes_max = (u64)4 * 2 * 32;
    refused(&r, ERR_LIMIT, "one series has 9 samples in one block");
    assert_int_equal(blocks_listed(&f), 0);
    fixture_fini(&f);
}

TEST(import_refuses_what_it_cannot_store)
{
    const struct rig_sample twice[] = {{"a", START, 1}, {"b", START, 1}, {"a", START, 2}};
    const struct rig_sample future[] = {{"a", START, 1}, {"a", FIXTURE_NOW + 400000, 2}};
    const struct rig_sample apart[] = {{"a", -8000000000000000, 1}, {"a", START, 1}};
    const struct rig_sample box[] = {{"a", START, f64_of_bits(0x7ff3544c00000000ULL)}};
    struct fixture f;
    struct import_rig r;
    fixture_init(&f, 303);
    import_rig_init(&r, &f, twice, ARRAY_LEN(twice));
    refused(&r, ERR_INVALID,
            "rig:3: another value of the same series at the same time is in line 1");
    import_rig_init(&r, &f, future, ARRAY_LEN(future));
    refused(&r, ERR_INVALID, "rig:2: the time");
    import_rig_init(&r, &f, apart, ARRAY_LEN(apart));
    refused(&r, ERR_LIMIT, "block ranges");
    import_rig_init(&r, &f, box, ARRAY_LEN(box));
    refused(&r, ERR_INVALID, "rig:1: the value is a NaN");
    import_rig_init(&r, &f, twice, 2);
    r.fails = true;
    refused(&r, ERR_INVALID, "rig:3: broken");
    import_rig_init(&r, &f, twice, 2);
    r.opts.series_bytes_max = 64;
    refused(&r, ERR_LIMIT, "the series need more than 64 bytes");
    assert_int_equal(blocks_listed(&f), 0);
    fixture_fini(&f);
}

TEST(import_of_nothing_makes_nothing)
{
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    fixture_init(&f, 304);
    import_rig_init(&r, &f, NULL, 0);
    ASSERT_OK(import_rig_run(&r, &e), e);
    assert_int_equal(r.done.blocks, 0);
    assert_false(fs_stat(f.fs, "/data", &(struct fs_info){0}, NULL));
    fixture_fini(&f);
}

// Where `newer` was imported, blocks end at START + 4 ranges.
TEST(import_adds_only_what_is_older)
{
    const struct rig_sample newer[] = {{"a", START + 3 * FIXTURE_RANGE, 3}};
    const struct rig_sample past[] = {{"a", START + 4 * FIXTURE_RANGE, 3}};
    const struct rig_sample older[] = {{"a", START + 2 * FIXTURE_RANGE, 2}, {"b", START, 1}};
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    f64 value = 0;
    fixture_init(&f, 305);
    import_rig_init(&r, &f, newer, 1);
    ASSERT_OK(import_rig_run(&r, &e), e);
    import_rig_init(&r, &f, past, 1);
    refused(&r, ERR_EXISTS, "the newest block of /data ends at");
    import_rig_init(&r, &f, older, 2);
    fixture_open(&f);
    refused(&r, ERR_EXISTS, "a server uses the folder");
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "a", FIXTURE_NOW, 4), APPEND_STORED);
    fixture_close(&f);
    import_rig_init(&r, &f, older, 2);
    ASSERT_OK(import_rig_run(&r, &e), e);
    assert_int_equal(r.done.blocks, 2);
    fixture_open(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 4);
    assert_true(fixture_get(&f, "b", START, &value, NULL) && value == 1);
    assert_true(fixture_get(&f, "a", FIXTURE_NOW, &value, NULL) && value == 4);
    fixture_fini(&f);
}

static void imported(const struct fixture *f, const struct rig_sample *samples, u32 n)
{
    struct import_rig r;
    struct error e = {0};
    import_rig_init(&r, f, samples, n);
    ASSERT_OK(import_rig_run(&r, &e), e);
}

// Twice over the same ranges: what either has is there, before they are joined and after.
TEST(import_lies_over_blocks_of_the_same_time)
{
    const i64 t = START + FIXTURE_RANGE / 2;
    const struct rig_sample first[] = {
        {"a", START, 1}, {"a", t, 2}, {"b", t, 3}, {"a", START + 3 * FIXTURE_RANGE, 9}};
    const struct rig_sample second[] = {
        {"a", START + 1, 4}, {"a", t, 2}, {"c", t, 5}, {"b", START + FIXTURE_RANGE, 6}};
    struct fixture f;
    f64 value = 0;
    fixture_init(&f, 309);
    imported(&f, first, ARRAY_LEN(first));
    clk_manual_advance(f.clk, 1000); // Blocks are named by it.
    imported(&f, second, ARRAY_LEN(second));
    for (u32 round = 0; round < 3; round++) {
        f.opts.compact_off = round == 0;
        f.opts.compact_first = 2;
        fixture_open(&f);
        fixture_steps(&f);
        assert_int_equal(blocks_listed(&f), round == 0 ? 4 : 3); // Two of one range.
        assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 7);
        assert_true(fixture_get(&f, "a", START + 1, &value, NULL) && value == 4);
        assert_true(fixture_get(&f, "a", t, &value, NULL) && value == 2);
        assert_true(fixture_get(&f, "b", t, &value, NULL) && value == 3);
        assert_true(fixture_get(&f, "c", t, &value, NULL) && value == 5);
        assert_true(fixture_get(&f, "b", START + FIXTURE_RANGE, &value, NULL) && value == 6);
        fixture_close(&f);
    }
    fixture_fini(&f);
}

TEST(import_leaves_folders_alone_that_it_cannot_judge)
{
    const struct rig_sample one[] = {{"a", START, 1}};
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    fixture_init(&f, 306);
    ASSERT_OK(fs_make_dir(f.fs, "/other", &e) && fs_make_dir(f.fs, "/other/x", &e), e);
    import_rig_init(&r, &f, one, 1);
    r.opts.dir = "/other";
    refused(&r, ERR_EXISTS, "no folder of a store");
    assert_false(fs_stat(f.fs, "/other/lock", &(struct fs_info){0}, NULL));
    fixture_open(&f); // A log, and no block.
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "a", FIXTURE_NOW, 4), APPEND_STORED);
    fixture_close(&f);
    import_rig_init(&r, &f, one, 1);
    refused(&r, ERR_EXISTS, "has a log and no block yet");
    fixture_fini(&f);
}

// A range that is not over ends behind its newest sample, so that a server can go on at once.
TEST(import_up_to_now_is_followed_by_a_server)
{
    const struct rig_sample now[] = {{"a", FIXTURE_NOW - 1000, 1}, {"a", FIXTURE_NOW - 500, 2}};
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    fixture_init(&f, 307);
    import_rig_init(&r, &f, now, 2);
    ASSERT_OK(import_rig_run(&r, &e), e);
    fixture_open(&f);
    assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "a", FIXTURE_NOW - 499, 3), APPEND_STORED);
    for (i64 k = 1; k <= 300; k++) {
        clk_manual_advance(f.clk, 1000);
        assert_int_equal(fixture_put(&f, STREAM_SCRAPE, "a", FIXTURE_NOW + k * 1000, 4),
                         APPEND_STORED);
    }
    fixture_steps(&f); // The rest of the range becomes a block beside it.
    assert_true(blocks_listed(&f) > 2);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 303);
    fixture_reopen(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 303);
    fixture_fini(&f);
}

// One import in which one call fails; true: it had no such call.
static bool failing_run(u64 nth)
{
    const struct rig_sample one[] = {{"a", START, 1}, {"b", START, 1}};
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    fixture_init(&f, 308);
    struct fs *faulty = fs_faulty_new(f.own_fs);
    f.fs = faulty;
    import_rig_init(&r, &f, one, 2);
    fs_faulty_arm(faulty, nth, FS_FAULT_EIO, false);
    const bool ok = import_rig_run(&r, &e);
    const u64 calls = fs_faulty_calls(faulty);
    fs_faulty_arm(faulty, 0, FS_FAULT_EIO, false);
    assert_int_equal(blocks_listed(&f), ok ? 1 : 0);
    if (!ok) {
        imported(&f, one, 2);
    }
    fixture_open(&f);
    assert_int_equal(fixture_count(&f, INT64_MIN, INT64_MAX), 2);
    fixture_fini(&f);
    fs_faulty_free(faulty);
    return ok && calls < nth;
}

// (I1)
TEST(import_lists_nothing_when_it_fails)
{
    u64 nth = 1;
    while (!failing_run(nth)) {
        nth++;
    }
    assert_true(nth > 15);
}

// An import with a request for memory refused, and the same again. How many requests there were.
static u64 import_refused(u64 request, const struct rig_sample *samples, u32 *errors)
{
    struct fixture f;
    struct import_rig r;
    struct error e = {0};
    fixture_init(&f, 302);
    import_rig_init(&r, &f, samples, RANDOM_SAMPLES);
    r.opts.sample_bytes_max = (u64)40 * 2 * 32; // By ranges and by series of one.
    alloc_fault_arm(request);
    const bool ok = import_rig_run(&r, &e);
    alloc_fault_disarm();
    const u64 requests = alloc_fault_calls();
    if (!ok) {
        assert_int_equal(e.code, ERR_LIMIT);
        assert_non_null(strstr(e.text, "memory"));
        assert_int_equal(blocks_listed(&f), 0);
        *errors += 1;
        import_rig_init(&r, &f, samples, RANDOM_SAMPLES);
        ASSERT_OK(import_rig_run(&r, &e), e);
    }
    assert_int_equal(r.done.samples, RANDOM_SAMPLES);
    assert_int_equal(blocks_listed(&f), 10);
    fixture_open(&f);
    stands(&f, samples, RANDOM_SAMPLES);
    fixture_fini(&f);
    return requests;
}

TEST(import_survives_each_refused_request_for_memory)
{
    struct rig_sample samples[RANDOM_SAMPLES];
    u32 errors = 0;
    random_make(samples, 6);
    const u64 requests = import_refused(0, samples, &errors);
    const u64 stride = fixture_env("TIDEMARK_STRIDE", 3);
    assert_int_equal(errors, 0);
    for (u64 n = 1; n <= requests; n += stride) {
        (void)import_refused(n, samples, &errors);
    }
    printf("# %llu requests, %u errors\n", (unsigned long long)requests, errors);
    assert_true(errors > 4);
}
