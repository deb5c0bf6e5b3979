// tsdb_limit_test.c: each limit refuses what it is about, says which one it is, and is counted.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>
#include <stdlib.h>

static void limits_init(struct fixture *f, u64 seed)
{
    fixture_init(f, seed);
    f->opts.registry = tmk_registry_new(NULL);
}

static void limits_fini(struct fixture *f)
{
    fixture_close(f);
    tmk_registry_free(f->opts.registry);
    fixture_fini(f);
}

#define REFUSED(what, reason, job)                                                                 \
    "tidemark_tsdb_" what "_refused_total{reason=\"" reason "\",tenant=\"0\",job=\"" job "\"}"

TEST(limit_of_series_is_counted_by_tenant_and_job)
{
    struct fixture f;
    char name[64];
    limits_init(&f, 301);
    f.opts.series_max = 10;
    fixture_open(&f);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "m,job=%s,n=%d", i % 4 == 0 ? "a" : "b", i);
        (void)fixture_put(&f, STREAM_SCRAPE, name, FIXTURE_NOW, 1);
    }
    assert_int_equal(fixture_metric(&f, REFUSED("series", "series_limit", "a")), 3);
    assert_int_equal(fixture_metric(&f, REFUSED("series", "series_limit", "b")), 9);
    limits_fini(&f);
}

// Asks for one series with a label of so many bytes.
static enum append_outcome resolve_long(struct fixture *f, size_t bytes, struct series_ref *ref)
{
    struct error e = {0};
    u8 outcome;
    char *value = MEM_NEW_N(char, bytes);
    memset(value, 'v', bytes);
    const struct label items[] = {{LABEL_NAME, STR("m")}, {STR("l"), {value, bytes}}};
    const struct labels set = {items, 2};
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, &set, 1, ref, &outcome);
    storage_appender_close(a);
    mem_free(value);
    return (enum append_outcome)outcome;
}

TEST(limit_of_labels_refuses_what_no_record_of_the_log_holds)
{
    struct fixture f;
    struct series_ref ref;
    f64 v;
    limits_init(&f, 302);
    fixture_open(&f);
    const size_t max = (size_t)8 << 20;
    assert_int_equal(resolve_long(&f, max, &ref), APPEND_LIMIT_LABELS);
    assert_true(series_ref_is_none(ref));
    assert_int_equal(fixture_metric(&f, REFUSED("series", "label_limit", "")), 1);
    assert_int_equal(resolve_long(&f, max - 100, &ref), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "up,job=x", FIXTURE_NOW, 1), APPEND_STORED);
    fixture_reopen(&f); // The log tells both.
    assert_true(fixture_get(&f, "up,job=x", FIXTURE_NOW, &v, NULL));
    assert_int_equal(fixture_metric(&f, "tidemark_tsdb_replay_samples_lost_total"), 0);
    limits_fini(&f);
}

TEST(limit_of_windows_is_told_apart_and_counted)
{
    struct fixture f;
    limits_init(&f, 303);
    fixture_open(&f);
    const i64 first = FIXTURE_NOW - 400 * FIXTURE_RANGE;
    for (i64 i = 0; i < 300; i++) {
        const enum append_outcome o =
            fixture_put(&f, STREAM_PUSH, "m,job=x", first + i * FIXTURE_RANGE, 1);
        assert_int_equal(o, i < 256 ? APPEND_STORED : APPEND_LIMIT_WINDOWS);
    }
    assert_int_equal(fixture_metric(&f, REFUSED("samples", "window_limit", "x")), 44);
    fixture_steps(&f); // The oldest become blocks.
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "m,job=x", FIXTURE_NOW, 1), APPEND_STORED);
    limits_fini(&f);
}

// Writes series until a limit refuses one; how many there are, and the limit.
static u32 fill(struct fixture *f, const char *name, u32 max, enum append_outcome *limit)
{
    char text[64];
    u32 n = 0;
    *limit = APPEND_STORED;
    for (; n < max && *limit == APPEND_STORED; n++) {
        (void)snprintf(text, sizeof(text), "%s,job=x,n=%u,k=%u", name, n, n / 2);
        *limit = fixture_put(f, STREAM_PUSH, text, FIXTURE_NOW, 1);
    }
    return n - (*limit != APPEND_STORED);
}

TEST(limit_of_memory_holds_between_two_looks)
{
    struct fixture f;
    enum append_outcome limit;
    const u64 max = (u64)16 << 20;
    limits_init(&f, 304);
    f.opts.memory_max = max;
    fixture_open(&f);
    u32 stored = 0;
    for (u32 looks = 0; looks < 3; looks++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%u", looks);
        stored += fill(&f, name, 100000, &limit); // Nobody looks meanwhile.
        assert_int_equal(limit, APPEND_LIMIT_MEMORY);
        const u64 held = tsdb_memory(f.db, TSDB_POOL_HEAD);
        assert_true(held < max - max / 8 + ((u64)1 << 20)); // Blocks of arenas are large.
        assert_true(looks > 0 || held > max / 2);
        fixture_steps(&f);
    }
    assert_int_equal(fixture_metric(&f, "prometheus_tsdb_head_series"), stored);
    assert_true(fixture_metric(&f, REFUSED("series", "memory_limit", "x")) > 0);
    for (i64 i = 1; i <= 100; i++) { // What is known goes on, and so do rules.
        assert_int_equal(fixture_put(&f, STREAM_PUSH, "m0,job=x,n=7,k=3", FIXTURE_NOW + i, 2),
                         APPEND_STORED);
    }
    assert_int_equal(fixture_put(&f, STREAM_RULES, "r,job=x", FIXTURE_NOW, 1), APPEND_STORED);
    limits_fini(&f);
}

static enum append_outcome put_hist(struct fixture *f, enum storage_stream stream, i64 t)
{
    struct fixture_hist made;
    fixture_hist_make(7 + (u64)t, &made);
    return fixture_put_hist(f, stream, "h,job=x", t, &made);
}

TEST(limit_of_histograms_leaves_floats_and_rules_alone)
{
    struct fixture f;
    const u64 max = (u64)64 << 10;
    const i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 3 * FIXTURE_RANGE;
    limits_init(&f, 305);
    f.opts.box_bytes_max = max;
    fixture_open(&f);
    i64 t = start;
    enum append_outcome o = APPEND_STORED;
    while (o == APPEND_STORED && t < start + FIXTURE_RANGE) {
        o = put_hist(&f, STREAM_PUSH, t++);
    }
    assert_int_equal(o, APPEND_LIMIT_HISTOGRAMS);
    const u64 held = tsdb_memory(f.db, TSDB_POOL_BOXES);
    assert_true(held > max / 2 && held <= max - max / 8);
    assert_int_equal(fixture_metric(&f, REFUSED("samples", "histogram_limit", "x")), 1);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "m,job=x", start, 1), APPEND_STORED);
    assert_int_equal(put_hist(&f, STREAM_RULES, start), APPEND_STORED);
    // The window that holds them becomes a block, and there is room again.
    const i64 later = start + 3 * FIXTURE_RANGE;
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "m,job=x", later, 1), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_RULES, "r,job=x", later, 1), APPEND_STORED);
    fixture_steps(&f);
    assert_int_equal(tsdb_memory(f.db, TSDB_POOL_BOXES), 0);
    assert_int_equal(put_hist(&f, STREAM_PUSH, later), APPEND_STORED);
    limits_fini(&f);
}

static enum append_outcome put(struct fixture *f, const char *name, i64 t)
{
    return fixture_put(f, STREAM_PUSH, name, t, 1);
}

static void quotas_fill(struct fixture *f, i64 start)
{
    char name[64];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "m,job=x,n=%d", i);
        assert_int_equal(put(f, name, start), i < 3 ? APPEND_STORED : APPEND_LIMIT_METRIC);
    }
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "o%d,job=x", i);
        assert_int_equal(put(f, name, start), i < 2 ? APPEND_STORED : APPEND_LIMIT_JOB);
    }
    for (int i = 0; i < 6; i++) {
        (void)snprintf(name, sizeof(name), "p%d", i); // Without a job.
        assert_int_equal(put(f, name, start), i < 4 ? APPEND_STORED : APPEND_LIMIT_TENANT);
    }
}

TEST(limits_of_job_and_metric_refuse_new_series_and_give_room_back)
{
    struct fixture f;
    char name[64];
    const i64 start = FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 8 * FIXTURE_RANGE;
    limits_init(&f, 306);
    f.opts.series_max_tenant = 9;
    f.opts.series_max_job = 5;
    f.opts.series_max_metric = 3;
    fixture_open(&f);
    quotas_fill(&f, start);
    assert_int_equal(fixture_metric(&f, REFUSED("series", "metric_limit", "x")), 2);
    assert_int_equal(fixture_metric(&f, REFUSED("series", "job_limit", "x")), 3);
    assert_int_equal(fixture_metric(&f, REFUSED("series", "tenant_limit", "")), 2);
    fixture_reopen(&f); // The log tells the counts.
    assert_int_equal(put(&f, "m,job=x,n=9", start), APPEND_LIMIT_TENANT);
    assert_int_equal(put(&f, "m,job=x,n=1", start + 1), APPEND_STORED); // Known.
    assert_int_equal(fixture_put(&f, STREAM_RULES, "m,job=x,n=9", start, 1), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_OWN, "up,job=x", start, 1), APPEND_STORED);
    for (i64 k = 1; k <= 8; k++) { // Only two go on: the others leave.
        assert_int_equal(put(&f, "m,job=x,n=1", start + k * FIXTURE_RANGE), APPEND_STORED);
        assert_int_equal(put(&f, "p0", start + k * FIXTURE_RANGE), APPEND_STORED);
        fixture_steps(&f);
    }
    const i64 now = start + 8 * FIXTURE_RANGE;
    for (int i = 20; i < 24; i++) {
        (void)snprintf(name, sizeof(name), "m,job=x,n=%d", i);
        assert_int_equal(put(&f, name, now), i < 22 ? APPEND_STORED : APPEND_LIMIT_METRIC);
    }
    assert_int_equal(put(&f, "o8,job=x", now), APPEND_STORED);
    assert_int_equal(put(&f, "o9,job=x", now), APPEND_STORED);
    assert_int_equal(put(&f, "o7,job=x", now), APPEND_LIMIT_JOB);
    limits_fini(&f);
}
