// api_query_test.c: what the query endpoints answer, byte for byte.
#include "api/api_inner.h"
#include "api/api_rig.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist.h"

#define OK(data)        "{\"status\":\"success\",\"data\":" data "}"
#define BAD(kind, text) "{\"status\":\"error\",\"errorType\":\"" kind "\",\"error\":\"" text "\"}"
#define Q               "/api/v1/query?query="
#define R               "/api/v1/query_range?query="

TEST(api_answers_instant_queries)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, Q "up", 200,
                   OK("{\"resultType\":\"vector\",\"result\":["
                      "{\"metric\":{\"__name__\":\"up\",\"instance\":\"x:1\",\"job\":\"a\"},"
                      "\"value\":[1600000000,\"1\"]},"
                      "{\"metric\":{\"__name__\":\"up\",\"instance\":\"y:1\",\"job\":\"b\"},"
                      "\"value\":[1600000000,\"0\"]}]}"));
    api_rig_expect(rig, Q "1%2B1&time=4", 200,
                   OK("{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}"));
    api_rig_expect(rig, Q "nothing", 200, OK("{\"resultType\":\"vector\",\"result\":[]}"));
    api_rig_expect(rig, Q "%22a%22&time=1.5", 200,
                   OK("{\"resultType\":\"string\",\"result\":[1.500,\"a\"]}"));
    api_rig_expect(rig, Q "n_total[31s]", 200,
                   OK("{\"resultType\":\"matrix\",\"result\":["
                      "{\"metric\":{\"__name__\":\"n_total\",\"job\":\"a\"},\"values\":["
                      "[1599999970,\"285\"],[1599999985,\"292.5\"],[1600000000,\"300\"]]}]}"));
    api_rig_expect(rig, Q "max_over_time(n_total[1m])&time=2020-09-13T12:26:40Z", 200,
                   OK("{\"resultType\":\"vector\",\"result\":["
                      "{\"metric\":{\"job\":\"a\"},\"value\":[1600000000,\"300\"]}]}"));
    api_rig_expect(rig, Q "%7B%22odd+name%22%7D", 200,
                   OK("{\"resultType\":\"vector\",\"result\":["
                      "{\"metric\":{\"__name__\":\"odd name\",\"a b\":\"<&>\\\"\\\\\\n\"},"
                      "\"value\":[1600000000,\"NaN\"]}]}"));
    api_rig_free(rig);
}

TEST(api_answers_post_forms_like_get)
{
    struct api_rig *rig = api_rig_new();
    struct http_fake *f =
        api_rig_ask(rig, "POST", "/api/v1/query?query=nothing", STR("query=1%2B1&time=4"));
    assert_int_equal(http_fake_status(f), 200);
    ASSERT_STR_EQ(http_fake_header(f, STR("Content-Type")), STR("application/json"));
    ASSERT_STR_EQ(http_fake_body(f), STR(OK("{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}")));
    http_fake_free(f);
    api_rig_free(rig);
}

TEST(api_limits_and_says_so)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, Q "up&limit=1", 200,
                   "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
                   "{\"metric\":{\"__name__\":\"up\",\"instance\":\"x:1\",\"job\":\"a\"},"
                   "\"value\":[1600000000,\"1\"]}]},"
                   "\"warnings\":[\"results truncated due to limit\"]}");
    api_rig_expect_part(rig, Q "up&limit=2", 200, "y:1");
    api_rig_expect_part(rig, Q "up&limit=%2B2", 200, "y:1");
    api_rig_expect_part(rig, Q "up&limit=-1", 400, "limit must be non-negative");
    api_rig_expect_part(rig, Q "1&stats=yes", 200,
                        "\"peakSamples\":1}}},\"warnings\":[\"value \\\"yes\\\" for parameter "
                        "\\\"stats\\\" is deprecated and will be rejected in the next major "
                        "release, use \\\"true\\\" or \\\"all\\\"\"]}");
    api_rig_expect_part(rig, Q "1&stats=true", 200, "\"peakSamples\":1}}}}");
    api_rig_free(rig);
}

TEST(api_refuses_bad_instant_queries)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect_part(rig, Q "up%7B", 400,
                        "\"errorType\":\"bad_data\",\"error\":\"invalid "
                        "parameter \\\"query\\\": 1:4: parse error: ");
    api_rig_expect(rig, Q "up&time=foo", 400,
                   BAD("bad_data", "invalid parameter \\\"time\\\": invalid time value for "
                                   "'time': cannot parse \\\"foo\\\" to a valid timestamp"));
    api_rig_expect(rig, Q "up&limit=1.5&time=foo", 400,
                   BAD("bad_data", "invalid parameter \\\"limit\\\": strconv.Atoi: parsing "
                                   "\\\"1.5\\\": invalid syntax"));
    api_rig_expect(rig, Q "up&limit=99999999999999999999", 400,
                   BAD("bad_data", "invalid parameter \\\"limit\\\": strconv.Atoi: parsing "
                                   "\\\"99999999999999999999\\\": value out of range"));
    api_rig_expect(rig, Q "up&timeout=1e10", 400,
                   BAD("bad_data", "invalid parameter \\\"timeout\\\": cannot parse "
                                   "\\\"1e10\\\" to a valid duration. It overflows int64"));
    api_rig_expect(rig, Q "up&lookback_delta=x", 400,
                   BAD("bad_data", "error parsing lookback delta duration: cannot parse "
                                   "\\\"x\\\" to a valid duration"));
    api_rig_expect(rig, Q "up&timeout=0", 503,
                   BAD("timeout", "query timed out in expression evaluation; the timeout of the "
                                  "request allows 0s"));
    const i64 allowed = rig->api->opts.query_timeout_ms;
    rig->api->opts.query_timeout_ms = -1;
    api_rig_expect(rig, Q "up&timeout=5m", 503,
                   BAD("timeout", "query timed out in expression evaluation; --query.timeout "
                                  "allows 0s"));
    rig->api->opts.query_timeout_ms = allowed;
    api_rig_expect_part(rig, Q "up&timeout=9223372036", 200, "success");
    api_rig_expect(rig, Q "up&timeout=foo", 400,
                   BAD("bad_data", "invalid parameter \\\"timeout\\\": cannot parse \\\"foo\\\" to "
                                   "a valid duration"));
    api_rig_expect_part(rig, "/api/v1/query", 400, "parse error");
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_c(&b, "query=1");
    for (int i = 0; i < 65536; i++) {
        buf_c(&b, "0");
    }
    struct http_fake *f = api_rig_ask(rig, "POST", "/api/v1/query", buf_get(&b));
    assert_int_equal(http_fake_status(f), 400);
    assert_true(str_contains(http_fake_body(f), STR("65537 bytes, more than 65536")));
    http_fake_free(f);
    buf_fini(&b);
    api_rig_expect_part(rig, Q "up+%2B+on(job)+group_left+up+%2B+on()+up", 422,
                        "\"errorType\":\"execution\"");
    api_rig_free(rig);
}

TEST(api_answers_range_queries)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, R "n_total&start=1599999970&end=1600000000&step=15", 200,
                   OK("{\"resultType\":\"matrix\",\"result\":["
                      "{\"metric\":{\"__name__\":\"n_total\",\"job\":\"a\"},\"values\":["
                      "[1599999970,\"285\"],[1599999985,\"292.5\"],[1600000000,\"300\"]]}]}"));
    api_rig_expect(rig, R "1&start=0&end=0.2&step=100ms", 200,
                   OK("{\"resultType\":\"matrix\",\"result\":["
                      "{\"metric\":{},\"values\":[[0,\"1\"],[0.100,\"1\"],[0.200,\"1\"]]}]}"));
    api_rig_expect(rig, R "nothing&start=0&end=1&step=1", 200,
                   OK("{\"resultType\":\"matrix\",\"result\":[]}"));
    api_rig_free(rig);
}

TEST(api_refuses_bad_ranges)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, R "up&end=2&step=1", 400,
                   BAD("bad_data", "invalid parameter \\\"start\\\": cannot parse \\\"\\\" to a "
                                   "valid timestamp"));
    api_rig_expect(rig, R "up&start=3&end=2&step=1", 400,
                   BAD("bad_data",
                       "invalid parameter \\\"end\\\": end timestamp must not be before "
                       "start time"));
    api_rig_expect(rig, R "up&start=1&end=2", 400,
                   BAD("bad_data", "invalid parameter \\\"step\\\": cannot parse \\\"\\\" to a "
                                   "valid duration"));
    api_rig_expect(rig, R "up&start=1&end=2&step=0", 400,
                   BAD("bad_data",
                       "invalid parameter \\\"step\\\": zero or negative query resolution step "
                       "widths are not accepted. Try a positive integer"));
    api_rig_expect(rig, R "up&start=0&end=11001&step=1", 400,
                   BAD("bad_data", "exceeded maximum resolution of 11,000 points per timeseries. "
                                   "Try decreasing the query resolution (?step=XX); step=2s would "
                                   "fit"));
    api_rig_expect_part(rig, R "up&start=0&end=11000&step=1", 200, "success");
    api_rig_expect(rig, R "up[1m]&start=0&end=1&step=1", 400,
                   BAD("bad_data",
                       "invalid parameter \\\"query\\\": invalid expression type \\\"range "
                       "vector\\\" for range query, must be Scalar or instant Vector"));
    api_rig_free(rig);
}

TEST(api_tells_the_cost_when_asked)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect_part(rig, Q "up&stats=true", 200, "\"stats\":{\"timings\":{\"evalTotalTime\":");
    api_rig_expect_part(rig, Q "up&stats=true", 200, "\"totalQueryableSamples\":2,");
    api_rig_expect_part(rig, R "up&start=1600000000&end=1600000000&step=1&stats=all", 200,
                        "\"samples\":{\"totalQueryableSamplesPerStep\":[[1600000000,2]],"
                        "\"totalQueryableSamples\":2,\"samplesReadPerStep\":[[1600000000,2]],"
                        "\"samplesRead\":2,\"peakSamples\":");
    api_rig_free(rig);
}

TEST(api_streams_large_matrices)
{
    struct api_rig *rig = api_rig_new();
    struct http_fake *f =
        api_rig_ask(rig, "GET", R "up&start=1599999400&end=1600000000&step=0.06", STR_EMPTY);
    const str body = http_fake_body(f);
    assert_int_equal(http_fake_status(f), 200);
    assert_true(body.len > (size_t)400000);
    assert_true(str_ends(body, STR("[1600000000,\"0\"]]}]}}")));
    struct arena *a = arena_new((size_t)1 << 30);
    struct error e = {0};
    const struct json_value *v = json_parse(a, body, body.len, &e);
    if (v == NULL) {
        fail_msg("%s", e.text);
    }
    const struct json_value *result = json_get(json_get(v, STR("data")), STR("result"));
    assert_int_equal(result->count, 2);
    assert_int_equal(json_get(&result->items[0], STR("values"))->count, 10001);
    arena_free(a);
    http_fake_free(f);
    api_rig_free(rig);
}

TEST(api_formats_and_parses_queries)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, "/api/v1/format_query?query=sum(up)by(job)", 200,
                   OK("\"sum by (job) (up)\""));
    api_rig_expect_part(rig, "/api/v1/parse_query?query=up", 200, "\"type\":\"vectorSelector\"");
    api_rig_expect_part(rig, "/api/v1/parse_query?query=up(", 400, "bad_data");
    api_rig_free(rig);
}

// An exemplar of x{a="N"} at each of the times, in seconds.
static void exemplars_put(struct api_rig *rig, const char *n, const i64 *t_s, u32 count)
{
    const struct label pairs[] = {{LABEL_NAME, STR("x")}, {STR("a"), str_c(n)}};
    const struct labels set = {pairs, 2};
    const struct label trace = {STR("trace"), str_c(n)};
    struct error e = {0};
    u64 position;
    for (u32 i = 0; i < count; i++) {
        const i64 t_ms = t_s[i] * 1000;
        const f64 value = (f64)i;
        const struct exemplar x = {
            .labels = {&trace, 1}, .value = value, .has_t = true, .t_ms = t_ms};
        struct series_ref ref;
        u8 outcome;
        struct storage_appender *a =
            storage_appender_open(rig->store, TENANT_DEFAULT, STREAM_SCRAPE, &e);
        assert_non_null(a);
        a->ops->resolve(a, &set, 1, &ref, &outcome);
        const struct append_batch b = {
            .refs = &ref, .t_ms = &t_ms, .values = &value, .n = 1, .outcomes = &outcome};
        ASSERT_OK(a->ops->append(a, &b, &e), e);
        ASSERT_OK(a->ops->exemplars(a, &ref, &x, 1, &e), e);
        ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
        storage_appender_close(a);
    }
}

#define X(n, exemplars)                                                                            \
    "{\"seriesLabels\":{\"__name__\":\"x\",\"a\":\"" n "\"},\"exemplars\":[" exemplars "]}"
#define XV(n, v, t) "{\"labels\":{\"trace\":\"" n "\"},\"value\":\"" v "\",\"timestamp\":" t "}"

TEST(api_lists_each_series_with_exemplars_once)
{
    struct api_rig *rig = api_rig_new();
    exemplars_put(rig, "2", (const i64[]){100, 200, 300}, 3);
    exemplars_put(rig, "1", (const i64[]){150, 900}, 2);
    exemplars_put(rig, "3", (const i64[]){900}, 1);
#define E "/api/v1/query_exemplars?start=100&end=200&query="
    api_rig_expect(rig, E "x%7Ba=~%22[23]%22%7D", 200,
                   OK("[" X("2", XV("2", "0", "100") "," XV("2", "1", "200")) "]"));
    // Sorted, and once, whatever the selectors are.
    api_rig_expect(rig, E "x%7Ba!=%221%22%7D/x%2Brate(x[5m])", 200,
                   OK("[" X("1", XV("1", "0", "150")) "," X(
                       "2", XV("2", "0", "100") "," XV("2", "1", "200")) "]"));
    api_rig_expect(rig, E "x%7Ba=%223%22%7D", 200, OK("[]"));
    api_rig_expect(rig, E "1%2B1", 204, "");
    api_rig_expect(rig, E "x%7B", 400,
                   BAD("bad_data", "1:3: parse error: unexpected end of input inside braces"));
#undef E
    api_rig_free(rig);
}

TEST(api_answers_exemplar_queries)
{
    struct api_rig *rig = api_rig_new();
    // Grafana's probe, with milliseconds where seconds are meant.
    api_rig_expect(rig, "/api/v1/query_exemplars?query=test&start=1600000000000&end=1600000000001",
                   200, OK("[]"));
    api_rig_expect(rig, "/api/v1/query_exemplars?query=up&start=2&end=1", 400,
                   BAD("bad_data", "end timestamp must not be before start timestamp"));
    api_rig_free(rig);
}

static void expect_hist(const struct hist *h, const char *want)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, 1 << 20);
    jsonw_init(&w, &b);
    api_write_hist(&w, h);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
}

TEST(api_writes_native_histograms)
{
    static const struct hist_span spans[] = {{-1, 2}, {1, 1}};
    static const f64 counts[] = {1, 0, 4};
    static const struct hist_span one[] = {{0, 1}};
    static const f64 three[] = {3};
    const struct hist h = {.schema = 0,
                           .count = 10,
                           .sum = 2.5,
                           .zero_threshold = 0.001,
                           .zero_count = 2,
                           .positive = {spans, 2, counts, 3},
                           .negative = {one, 1, three, 1}};
    expect_hist(&h, "{\"count\":\"10\",\"sum\":\"2.5\",\"buckets\":["
                    "[1,\"-1\",\"-0.5\",\"3\"],[3,\"-0.001\",\"0.001\",\"2\"],"
                    "[0,\"0.25\",\"0.5\",\"1\"],[0,\"2\",\"4\",\"4\"]]}");
    const struct hist empty = {.schema = 3};
    expect_hist(&empty, "{\"count\":\"0\",\"sum\":\"0\"}");
    const struct hist coarse = {.schema = -2, .count = 3, .positive = {spans + 1, 1, three, 1}};
    expect_hist(&coarse, "{\"count\":\"3\",\"sum\":\"0\",\"buckets\":["
                         "[0,\"1\",\"16\",\"3\"]]}");
    static const f64 bounds[] = {5, 10};
    static const struct hist_span all[] = {{0, 3}};
    static const f64 each[] = {1, 2, 3};
    const struct hist custom = {.schema = HIST_SCHEMA_CUSTOM,
                                .count = 6,
                                .positive = {all, 1, each, 3},
                                .custom_bounds = bounds,
                                .custom_bound_count = 2};
    expect_hist(&custom, "{\"count\":\"6\",\"sum\":\"0\",\"buckets\":["
                         "[3,\"-Inf\",\"5\",\"1\"],[0,\"5\",\"10\",\"2\"],"
                         "[0,\"10\",\"+Inf\",\"3\"]]}");
}

TEST(api_explains_queries)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(
        rig, "/api/v1/explain?query=sum(up)%2B2", 200,
        OK("{\"text\":\"query at 2020-09-13T12:26:40Z\\n  arithmetic +\\n    aggregate sum\\n"
           "      select up, reads 2020-09-13T12:21:40.001Z to 2020-09-13T12:26:40Z\\n"
           "    number 2\\n\",\"analyzed\":false,\"tree\":{\"op\":\"query\","
           "\"detail\":\"at 2020-09-13T12:26:40Z\",\"children\":[{\"op\":\"arithmetic\","
           "\"detail\":\"+\",\"children\":[{\"op\":\"aggregate\",\"detail\":\"sum\","
           "\"children\":[{\"op\":\"select\",\"detail\":\"up, reads 2020-09-13T12:21:40.001Z "
           "to 2020-09-13T12:26:40Z\",\"children\":[]}]},"
           "{\"op\":\"number\",\"detail\":\"2\",\"children\":[]}]}]}}"));
    api_rig_expect_part(rig, "/api/v1/explain?query=up&start=0&end=60&step=15", 200,
                        "query 5 steps of 15s from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z");
    api_rig_expect_part(rig, "/api/v1/explain?query=up&analyze=true", 200, "(series 2, samples 2,");
    api_rig_expect_part(rig, "/api/v1/explain?query=up&analyze=true", 200,
                        "\"series\":2,\"samples\":2,\"samplesRead\":");
    api_rig_expect_part(rig, "/api/v1/explain?query=up&analyze=yes", 400, "true or false");
    api_rig_expect_part(rig, "/api/v1/explain?query=up%5B1m%5D&start=0&end=60&step=15", 400,
                        "must be Scalar or instant Vector");
    api_rig_expect_part(rig, "/api/v1/explain?query=up&start=0&end=60", 400, "\\\"step\\\"");
    api_rig_expect_part(rig, "/api/v1/explain?query=up%7B", 400, "parse error");
    api_rig_free(rig);
}

// Deeper than the writer of other answers goes.
TEST(api_explains_deep_queries)
{
    struct api_rig *rig = api_rig_new();
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_c(&b, "/api/v1/explain?analyze=true&query=up");
    for (int i = 0; i < 400; i++) {
        buf_c(&b, "%2Bup");
    }
    api_rig_expect_part(rig, b.bytes, 200, "as above");
    buf_fini(&b);
    api_rig_free(rig);
}

static u32 ask_series(struct api_rig *rig, struct buf *form, struct http_fake_opts opts)
{
    static const struct http_pair headers[] = {
        {{"Content-Type", 12}, {"application/x-www-form-urlencoded", 33}}};
    opts.method = "POST";
    opts.target = "/base/api/v1/series";
    opts.headers = headers;
    opts.header_count = 1;
    opts.body = buf_get(form);
    opts.clk = rig->clk;
    struct http_fake *f = http_fake_run(&rig->router, &opts);
    const u32 status = http_fake_status(f);
    http_fake_free(f);
    return status;
}

// Each takes its time to compile, and a request may have many.
TEST(api_matchers_have_a_bound_a_deadline_and_a_cancel)
{
    struct api_rig *rig = api_rig_new();
    struct buf form;
    buf_init(&form, 1 << 20);
    for (u32 i = 0; i < 50; i++) {
        buf_c(&form, i > 0 ? "&match[]=up{job=~\"a" : "match[]=up{job=~\"a");
        for (u32 k = 0; k < 1000; k++) {
            buf_c(&form, "%7Cb");
        }
        buf_c(&form, "\"}");
    }
    assert_int_equal(ask_series(rig, &form, (struct http_fake_opts){.method = NULL}), 200);
    assert_int_equal(ask_series(rig, &form, (struct http_fake_opts){.is_cancelled = true}), 499);
    assert_int_equal(ask_series(rig, &form, (struct http_fake_opts){.deadline_mono_ns = 1}), 503);
    buf_c(&form, "&match[]=up{job=~\"a%7Cb\"}");
    assert_int_equal(ask_series(rig, &form, (struct http_fake_opts){.method = NULL}), 400);
    buf_fini(&form);
    api_rig_free(rig);
}
