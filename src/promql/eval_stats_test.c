// eval_stats_test.c: how many samples queries look at and read, beside what Prometheus 3.14 says of
// the same queries of the same data.
#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist.h"
#include "promql/eval_fixture.h"

#include <stdio.h>

#define STEP_MS 10000
#define VALUES  101

// Threads: frozen.
struct counted {
    const char *query;
    i64 start_s;
    i64 end_s;
    i64 step_s; // 0: an instant query.
    u64 looked_at;
    u64 read;
    const char *looked_at_by_step;
    const char *read_by_step;
};

static const struct counted upstream[] = {
    {"1", 21, 21, 0, 0, 0, "0", "0"},
    {"one", 21, 21, 0, 1, 1, "1", "1"},
    {"hist", 21, 21, 0, 13, 13, "13", "13"},
    {"timestamp(one)", 21, 21, 0, 1, 1, "1", "1"},
    {"timestamp(hist)", 21, 21, 0, 1, 1, "1", "1"},
    {"one", 22, 22, 0, 1, 1, "1", "1"},
    {"one offset 10s", 21, 21, 0, 1, 1, "1", "1"},
    {"one @ 15", 21, 21, 0, 1, 1, "1", "1"},
    {"three{a=\"1\"}", 21, 21, 0, 1, 1, "1", "1"},
    {"three{a=\"1\"} @ 19", 21, 21, 0, 1, 1, "1", "1"},
    {"three{a=\"1\"}[20s] @ 19", 21, 21, 0, 2, 2, "2", "2"},
    {"three", 21, 21, 0, 3, 3, "3", "3"},
    {"one[60s]", 201, 201, 0, 6, 6, "6", "6"},
    {"hist[60s]", 201, 201, 0, 78, 78, "78", "78"},
    {"max_over_time(one[60s])[20s:5s]", 201, 201, 0, 24, 8, "24", "8"},
    {"max_over_time(one[61s])[20s:5s]", 201, 201, 0, 26, 8, "26", "8"},
    {"max_over_time(hist[60s])[20s:5s]", 201, 201, 0, 312, 104, "312", "104"},
    {"one[60s] @ 30", 201, 201, 0, 4, 4, "4", "4"},
    {"hist[60s] @ 30", 201, 201, 0, 52, 52, "52", "52"},
    {"sum(max_over_time(three[60s] @ 30))", 201, 201, 0, 12, 12, "12", "12"},
    {"sum by (b) (max_over_time(three[60s] @ 30))", 201, 201, 0, 12, 12, "12", "12"},
    {"one[60s] offset 10s", 201, 201, 0, 6, 6, "6", "6"},
    {"three[60s]", 201, 201, 0, 18, 18, "18", "18"},
    {"max_over_time(one[60s])", 201, 201, 0, 6, 6, "6", "6"},
    {"absent_over_time(one[60s])", 201, 201, 0, 6, 6, "6", "6"},
    {"max_over_time(three[60s])", 201, 201, 0, 18, 18, "18", "18"},
    {"one[60s:5s]", 201, 201, 0, 12, 12, "12", "12"},
    {"one[60s:5s] offset 10s", 201, 201, 0, 12, 12, "12", "12"},
    {"max_over_time(three[60s:5s])", 201, 201, 0, 36, 36, "36", "36"},
    {"sum(max_over_time(three[60s:5s])) + sum(max_over_time(three[60s:5s]))", 201, 201, 0, 72, 72,
     "72", "72"},
    {"three{a=\"1\"}", 201, 220, 5, 4, 4, "1 1 1 1", "1 1 1 1"},
    {"three{a=\"1\"}", 204, 223, 5, 4, 4, "1 1 1 1", "1 1 1 1"},
    {"hist", 204, 223, 5, 52, 52, "13 13 13 13", "13 13 13 13"},
    {"timestamp(one)", 201, 220, 5, 4, 4, "1 1 1 1", "1 1 1 1"},
    {"timestamp(hist)", 201, 220, 5, 4, 4, "1 1 1 1", "1 1 1 1"},
    {"max_over_time(three{a=\"1\"}[10s])", 991, 1021, 10, 2, 2, "1 1 0 0", "1 1 0 0"},
    {"three{a=\"1\"} offset 10s", 201, 220, 5, 4, 4, "1 1 1 1", "1 1 1 1"},
    {"max_over_time(three[60s] @ 30)", 201, 220, 5, 48, 12, "12 12 12 12", "12 0 0 0"},
    {"three", 201, 220, 5, 12, 12, "3 3 3 3", "3 3 3 3"},
    {"max_over_time(three[60s])", 201, 220, 5, 72, 21, "18 18 18 18", "18 0 3 0"},
    {"max_over_time(three[60s:5s])", 201, 216, 5, 144, 45, "36 36 36 36", "36 3 3 3"},
    {"max_over_time(three[60s:5s])", 201, 220, 5, 144, 45, "36 36 36 36", "36 3 3 3"},
    {"max_over_time(one[60s:5s])", 201, 220, 5, 48, 15, "12 12 12 12", "12 1 1 1"},
    {"sum by (b) (max_over_time(one[60s:5s]))", 201, 220, 5, 48, 15, "12 12 12 12", "12 1 1 1"},
    {"sum(max_over_time(three[60s:5s])) + sum(max_over_time(three[60s:5s]))", 201, 220, 5, 288, 90,
     "72 72 72 72", "72 6 6 6"},
    {"sum(max_over_time(three[60s:5s])) + sum(max_over_time(one[60s:5s]))", 201, 216, 5, 192, 60,
     "48 48 48 48", "48 4 4 4"},
    {"sum(max_over_time(three[60s:5s])) + sum(max_over_time(one[60s:5s]))", 201, 220, 5, 192, 60,
     "48 48 48 48", "48 4 4 4"},
    {"max_over_time(one[20s:10s])", 201, 201, 0, 2, 2, "2", "2"},
    {"sum_over_time(one[30s:30s])", 90, 90, 0, 1, 1, "1", "1"},
    {"max_over_time(one[30s:2m])", 240, 240, 0, 1, 1, "1", "1"},
    {"max_over_time(one[30s:10s])", 201, 231, 30, 6, 6, "3 3", "3 3"},
    {"max_over_time(one[20s:10s])", 201, 261, 10, 14, 8, "2 2 2 2 2 2 2", "2 1 1 1 1 1 1"},
    {"max_over_time(one[30s:10s])", 201, 261, 60, 6, 6, "3 3", "3 3"},
    {"histogram_count(max_over_time(hist[20s:10s]))", 201, 201, 0, 26, 26, "26", "26"},
    {"avg_over_time(hist[2m:1m])", 120, 240, 60, 78, 52, "26 26 26", "26 13 13"},
    {"max_over_time(three[60s:10s])", 200, 400, 30, 126, 72, "18 18 18 18 18 18 18",
     "18 9 9 9 9 9 9"},
    {"predict_linear(one[60s] @ 100, 60)", 100, 300, 100, 18, 6, "6 6 6", "6 0 0"},
    {"sum_over_time(three[20s:10s] @ 200)", 250, 250, 0, 6, 6, "6", "6"},
    {"sum_over_time(one[20s:10s] offset 1m)", 240, 240, 0, 2, 2, "2", "2"},
    {"sum_over_time(three[1m:10s] @ 200 offset 1m)", 300, 300, 0, 18, 18, "18", "18"},
    {"sum_over_time(max_over_time(three[60s] @ 300)[5m:1m] @ 600)[10m:2m]", 800, 800, 0, 75, 18,
     "75", "18"},
    {"rate(sum_over_time(one[30s])[1m:30s])", 240, 240, 0, 2, 6, "2", "6"},
};

// A value every ten seconds from 0 on: one of one series, of three, and a histogram that counts for
// 13 samples.
static void load(struct fixture *f)
{
    static const struct hist_span span = {0, 4};
    char values[VALUES * 4 + 1] = "";
    for (u32 i = 0, at = 0; i < VALUES; i++) {
        at += (u32)snprintf(values + at, sizeof(values) - at, "%s%u", i == 0 ? "" : " ", i + 1);
    }
    fixture_load(f, "one", STEP_MS, values);
    fixture_load(f, "three{a=\"1\",b=\"1\"}", STEP_MS, values);
    fixture_load(f, "three{a=\"2\",b=\"2\"}", STEP_MS, values);
    fixture_load(f, "three{a=\"3\",b=\"2\"}", STEP_MS, values);
    for (u32 i = 0; i < VALUES; i++) {
        const f64 buckets[] = {1 + i, 2 + 2 * i, 1 + 3 * i, 1 + 4 * i};
        const struct hist h = {.schema = 1,
                               .is_float = true,
                               .count = 5 + 10 * i,
                               .sum = 20 + 5 * i,
                               .positive = {&span, 1, buckets, ARRAY_LEN(buckets)}};
        fixture_load_hist(f, "hist", (i64)i * STEP_MS, &h);
    }
}

static void expect_steps(struct fixture *f, const char *query, const u64 *steps, const char *want)
{
    struct buf text;
    buf_init(&text, 4096);
    for (u32 i = 0; i < f->result.stats.step_count; i++) {
        buf_printf(&text, "%s%llu", i == 0 ? "" : " ", (unsigned long long)steps[i]);
    }
    if (!str_eq_c(buf_get(&text), want)) {
        fail_msg("%s: %.*s by step, upstream %s", query, (int)text.len, text.bytes, want);
    }
    buf_fini(&text);
}

TEST(statistics_are_those_of_upstream)
{
    struct fixture f;
    fixture_up(&f, (struct promql_engine_opts){.lookback_ms = 0, .subquery_step_ms = 60000});
    load(&f);
    for (u32 i = 0; i < ARRAY_LEN(upstream); i++) {
        const struct counted *c = &upstream[i];
        if (!fixture_counted(&f, c->query, c->start_s * 1000, c->end_s * 1000, c->step_s * 1000)) {
            fail_msg("%s: %s", c->query, f.error.text);
        }
        const struct promql_stats *s = &f.result.stats;
        expect_steps(&f, c->query, s->samples_per_step, c->looked_at_by_step);
        expect_steps(&f, c->query, s->read_per_step, c->read_by_step);
        assert_int_equal(s->samples_total, c->looked_at);
        assert_int_equal(s->samples_read, c->read);
    }
    fixture_down(&f);
}
