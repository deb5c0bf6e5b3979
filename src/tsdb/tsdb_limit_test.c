// tsdb_limit_test.c: each limit refuses what it is about, says which one it is, and is counted.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "tsdb/tsdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static bool text_write(void *ctx, const char *bytes, size_t n)
{
    buf_add(ctx, bytes, n);
    return true;
}

// The value of the line that begins so; 0 if there is none.
static u64 metric(struct fixture *f, const char *line)
{
    struct buf out;
    buf_init(&out, (size_t)1 << 20);
    (void)tmk_expose(f->opts.registry, TMK_TEXT, text_write, &out);
    buf_byte(&out, '\0');
    const char *at = strstr(out.bytes, line);
    const u64 v = at ? strtoull(strchr(at + strlen(line), ' ') + 1, NULL, 10) : 0;
    buf_fini(&out);
    return v;
}

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
    assert_int_equal(metric(&f, REFUSED("series", "series_limit", "a")), 3);
    assert_int_equal(metric(&f, REFUSED("series", "series_limit", "b")), 9);
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
    assert_int_equal(metric(&f, REFUSED("series", "label_limit", "")), 1);
    assert_int_equal(resolve_long(&f, max - 100, &ref), APPEND_STORED);
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "up,job=x", FIXTURE_NOW, 1), APPEND_STORED);
    fixture_reopen(&f); // The log tells both.
    assert_true(fixture_get(&f, "up,job=x", FIXTURE_NOW, &v, NULL));
    assert_int_equal(metric(&f, "tidemark_tsdb_replay_samples_lost_total"), 0);
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
    assert_int_equal(metric(&f, REFUSED("samples", "window_limit", "x")), 44);
    fixture_steps(&f); // The oldest become blocks.
    assert_int_equal(fixture_put(&f, STREAM_PUSH, "m,job=x", FIXTURE_NOW, 1), APPEND_STORED);
    limits_fini(&f);
}
