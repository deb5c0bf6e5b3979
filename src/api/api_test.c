// api_test.c: everything but queries: series, targets, rules, status, admin, pages, pushes.
#include "api/api_inner.h"
#include "api/api_rig.h"
#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "client/tidemark.h"
#include "ui_assets.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#include <stdio.h>

#define OK(data)        "{\"status\":\"success\",\"data\":" data "}"
#define BAD(kind, text) "{\"status\":\"error\",\"errorType\":\"" kind "\",\"error\":\"" text "\"}"

TEST(api_lists_labels_and_values)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, "/api/v1/labels", 200, OK("[\"__name__\",\"a b\",\"instance\",\"job\"]"));
    api_rig_expect(rig, "/api/v1/labels?match[]=n_total", 200, OK("[\"__name__\",\"job\"]"));
    api_rig_expect(rig, "/api/v1/labels?match[]=n_total&match[]=%7B%22odd+name%22%7D", 200,
                   OK("[\"__name__\",\"a b\",\"job\"]"));
    api_rig_expect(rig, "/api/v1/labels?limit=1", 200,
                   "{\"status\":\"success\",\"data\":[\"__name__\"],\"warnings\":[\"results "
                   "truncated due to limit\"]}");
    api_rig_expect(rig, "/api/v1/labels?start=1&end=2", 200, OK("[]"));
    api_rig_expect(rig, "/api/v1/label/job/values", 200, OK("[\"a\",\"b\"]"));
    api_rig_expect(rig, "/api/v1/label/job/values?match[]=n_total", 200, OK("[\"a\"]"));
    api_rig_expect(rig, "/api/v1/label/nope/values", 200, OK("[]"));
    api_rig_expect(rig, "/api/v1/label/a%20b/values", 200, OK("[\"<&>\\\"\\\\\\n\"]"));
    api_rig_expect(rig, "/api/v1/label/U__a_20_b/values", 200, OK("[\"<&>\\\"\\\\\\n\"]"));
    api_rig_expect_part(rig, "/api/v1/label/%ff/values", 400, "invalid label name");
    api_rig_expect_part(rig, "/api/v1/labels?match[]=%7B", 400, "\"error\":\"1:2: parse error");
    api_rig_expect_part(rig, "/api/v1/labels?match[]=%7Bjob=%22%22%7D", 400, "match[]");
    api_rig_free(rig);
}

TEST(api_unescapes_label_names)
{
    static const char *const table[][2] = {
        {"U__a_20_b", "a b"},
        {"U__a__b", "a_b"},
        {"U___", "U___"},
        {"U__a_zz_", "U__a_zz_"},
        {"U__a_20", "U__a_20"},
        {"plain", "plain"},
        {"U___e4_", "\xc3\xa4"},
        {"U___d800_", "U___d800_"},
        {"U__", ""},
        {"U___1F600_", "\xf0\x9f\x98\x80"},
    };
    struct arena *a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        ASSERT_STR_EQ(api_label_unescape(a, str_c(table[i][0])), str_c(table[i][1]));
    }
    arena_free(a);
}

TEST(api_lists_series)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, "/api/v1/series?match[]=up&match[]=%7Bjob=%22a%22%7D", 200,
                   OK("[{\"__name__\":\"n_total\",\"job\":\"a\"},"
                      "{\"__name__\":\"up\",\"instance\":\"x:1\",\"job\":\"a\"},"
                      "{\"__name__\":\"up\",\"instance\":\"y:1\",\"job\":\"b\"}]"));
    api_rig_expect(rig, "/api/v1/series?match[]=up&limit=1", 200,
                   "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"instance\":\"x:1\","
                   "\"job\":\"a\"}],\"warnings\":[\"results truncated due to limit\"]}");
    api_rig_expect(rig, "/api/v1/series?match[]=nothing", 200, OK("[]"));
    api_rig_expect(rig, "/api/v1/series", 400, BAD("bad_data", "no match[] parameter provided"));
    api_rig_free(rig);
}

TEST(api_tells_by_its_status_why_series_could_not_be_listed)
{
    struct api_rig *rig = api_rig_new();
    rig->api->opts.query_timeout_ms = -1; // Its time is over before it begins.
    api_rig_expect_part(rig, "/api/v1/series?match[]=up", 503, "\"errorType\":\"timeout\"");
    api_rig_free(rig);
}

TEST(api_lists_metadata)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, "/api/v1/metadata", 200,
                   OK("{\"a_total\":[{\"type\":\"counter\",\"help\":\"A.\",\"unit\":\"s\"}],"
                      "\"up\":[{\"type\":\"counter\",\"help\":\"Other.\",\"unit\":\"\"},"
                      "{\"type\":\"gauge\",\"help\":\"Is it up?\",\"unit\":\"\"}]}"));
    api_rig_expect(rig, "/api/v1/metadata?metric=up&limit_per_metric=1", 200,
                   OK("{\"up\":[{\"type\":\"counter\",\"help\":\"Other.\",\"unit\":\"\"}]}"));
    api_rig_expect(rig, "/api/v1/metadata?limit=1", 200,
                   OK("{\"a_total\":[{\"type\":\"counter\",\"help\":\"A.\",\"unit\":\"s\"}]}"));
    api_rig_expect(rig, "/api/v1/metadata?limit=0", 200, OK("{}"));
    api_rig_expect_part(rig, "/api/v1/metadata?limit=-1&limit_per_metric=0", 200, "Is it up?");
    api_rig_expect(rig, "/api/v1/metadata?limit=x", 400,
                   "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"limit must be a "
                   "number\"}");
    api_rig_expect_part(rig, "/api/v1/metadata?limit_per_metric=1.5", 400,
                        "\"limit_per_metric must be a number\"");
    api_rig_expect(rig, "/api/v1/targets/metadata?limit=0", 200, OK("[]"));
    api_rig_expect(rig, "/api/v1/targets/metadata?match_target=%7Bjob=%22a%22%7D", 200,
                   OK("[{\"target\":{\"instance\":\"x:1\",\"job\":\"a\"},\"metric\":\"up\","
                      "\"type\":\"gauge\",\"help\":\"Is it up?\",\"unit\":\"\"}]"));
    api_rig_free(rig);
}

TEST(api_shows_targets)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(
        rig, "/api/v1/targets?scrapePool=b", 200,
        OK("{\"activeTargets\":[{\"discoveredLabels\":{},\"labels\":{\"instance\":\"y:1\",\"job\":"
           "\"b\"},\"scrapePool\":\"b\",\"scrapeUrl\":\"http://y:1/metrics\",\"globalUrl\":\"\","
           "\"lastError\":\"line 2: <script>\",\"lastScrape\":\"0001-01-01T00:00:00Z\","
           "\"lastScrapeDuration\":0,\"health\":\"down\",\"scrapeInterval\":\"0s\","
           "\"scrapeTimeout\":\"0s\",\"phases\":{\"resolve\":0,\"connect\":0,\"tls\":0,"
           "\"first_byte\":0,\"transfer\":0,\"parse\":0,\"store\":0},\"status\":200,\"samples\":0,"
           "\"lastReason\":\"parse\",\"bodyExcerpt\":\"up 1\\nbroken{\\n\",\"errorLine\":2}],"
           "\"droppedTargets\":[{\"discoveredLabels\":{\"__address__\":\"x:1\"},\"scrapePool\":"
           "\"b\"}],\"droppedTargetCounts\":{\"b\":7}}"));
    api_rig_expect_part(rig, "/api/v1/targets?state=active", 200, "\"scrapeUrl\":\"host://box\"");
    api_rig_expect_part(rig, "/api/v1/targets?state=active", 200,
                        "\"lastScrape\":\"2020-09-13T12:26:40.123Z\",\"lastScrapeDuration\":0.25,"
                        "\"health\":\"up\",\"scrapeInterval\":\"15s\",\"scrapeTimeout\":\"10s\"");
    api_rig_expect_part(rig, "/api/v1/targets?state=active", 200, "\"droppedTargets\":[]");
    api_rig_expect_part(rig, "/api/v1/targets?state=dropped", 200, "\"activeTargets\":[]");
    api_rig_expect(rig, "/api/v1/targets?state=nonsense", 200,
                   OK("{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}"));
    api_rig_expect(rig, "/api/v1/scrape_pools", 200, OK("{\"scrapePools\":[\"a\",\"b\"]}"));
    api_rig_free(rig);
}

#define RECORDING                                                                                  \
    "{\"name\":\"job:up:sum\",\"query\":\"sum(up)\",\"labels\":{},\"health\":\"err\","             \
    "\"lastError\":\"boom\",\"evaluationTime\":0,\"lastEvaluation\":\"0001-01-01T00:00:00Z\","     \
    "\"type\":\"recording\",\"line\":9,\"samples\":0}"
#define ALERT                                                                                      \
    "{\"labels\":{\"instance\":\"x:1\",\"job\":\"a\"},\"annotations\":{\"summary\":\"{{ $value "   \
    "}}\"},\"state\":\"firing\",\"activeAt\":\"2020-09-13T12:26:40Z\",\"value\":\"1e+00\"}"

TEST(api_shows_rules_and_alerts)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(
        rig, "/api/v1/rules?rule_group[]=g1", 200,
        OK("{\"groups\":[{\"name\":\"g1\",\"file\":\"f.yml\",\"rules\":["
           "{\"state\":\"firing\",\"name\":\"Down\",\"query\":\"up == 0\",\"duration\":90,"
           "\"keepFiringFor\":0,\"labels\":{\"severity\":\"page\"},\"annotations\":{\"summary\":\"{"
           "{ "
           "$value }}\"},\"alerts\":[" ALERT
           "],\"health\":\"ok\",\"evaluationTime\":0.5,\"lastEvaluation\":\"2020-09-13T12:26:40Z\","
           "\"type\":\"alerting\",\"line\":4,\"samples\":0}," RECORDING
           "],\"interval\":15,\"limit\":0,\"evaluationTime\":0.5,\"lastEvaluation\":"
           "\"2020-09-13T12:26:40Z\",\"nextEvaluation\":\"0001-01-01T00:00:00Z\","
           "\"iterationsMissed\":0}]}"));
    api_rig_expect(rig, "/api/v1/rules?type=record&rule_group[]=g2", 200,
                   OK("{\"groups\":[{\"name\":\"g2\",\"file\":\"f.yml\",\"rules\":[" RECORDING
                      "],\"interval\":60,\"limit\":0,\"evaluationTime\":0,\"lastEvaluation\":"
                      "\"0001-01-01T00:00:00Z\",\"nextEvaluation\":\"0001-01-01T00:00:00Z\","
                      "\"iterationsMissed\":0}]}"));
    api_rig_expect_part(rig, "/api/v1/rules?exclude_alerts=true", 200, "\"alerts\":[],");
    api_rig_expect(rig, "/api/v1/rules?rule_name[]=none", 200, OK("{\"groups\":[]}"));
    api_rig_expect_part(rig, "/api/v1/rules?match[]=%7Bseverity=%22page%22%7D", 200, "Down");
    api_rig_expect_part(rig, "/api/v1/rules?type=x", 400,
                        "invalid parameter \\\"type\\\": not supported value \\\"x\\\"");
    api_rig_expect(rig, "/api/v1/alerts", 200, OK("{\"alerts\":[" ALERT "]}"));
    api_rig_expect(rig, "/api/v1/alertmanagers", 200,
                   OK("{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}"));
    api_rig_expect(rig, "/api/v1/deliveries", 200,
                   OK("{\"deliveries\":[{\"time\":\"2020-09-13T12:26:40Z\",\"receiver\":\"team\","
                      "\"integration\":\"webhook\",\"status\":\"retrying\",\"code\":503,"
                      "\"attempt\":2,\"error\":\"busy\",\"groupKey\":\"{}:{}\",\"alerts\":["
                      "{\"fingerprint\":\"0000000000000abc\",\"status\":\"firing\",\"labels\":"
                      "{\"severity\":\"page\"}}]}]}"));
    api_rig_free(rig);
}

TEST(api_pages_through_rule_groups)
{
    struct api_rig *rig = api_rig_new();
    struct http_fake *f = api_rig_ask(rig, "GET", "/api/v1/rules?group_limit=1", STR_EMPTY);
    const str body = http_fake_body(f);
    const size_t at = str_find_str(body, STR("\"groupNextToken\":\""));
    assert_true(at != STR_NONE);
    assert_false(str_contains(body, STR("g2")));
    char target[128];
    (void)snprintf(target, sizeof(target), "/api/v1/rules?group_limit=1&group_next_token=%.*s", 16,
                   body.ptr + at + 18);
    api_rig_expect_part(rig, target, 200, "\"name\":\"g2\"");
    http_fake_free(f);
    api_rig_expect_part(rig, "/api/v1/rules?group_limit=1&group_next_token=x", 400, "start over");
    api_rig_expect_part(rig, "/api/v1/rules?group_next_token=x", 400, "group_limit");
    api_rig_free(rig);
}

TEST(api_shows_status)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, "/api/v1/status/config", 200,
                   OK("{\"yaml\":\"global:\\n  scrape_interval: 15s\\n\"}"));
    api_rig_expect(rig, "/api/v1/status/flags", 200,
                   OK("{\"web.listen-address\":\"127.0.0.1:9090\"}"));
    api_rig_expect_part(rig, "/api/v1/status/runtimeinfo", 200,
                        "{\"startTime\":\"2020-09-13T12:26:40Z\"");
    api_rig_expect_part(rig, "/api/v1/status/runtimeinfo", 200, "\"storageRetention\":\"15d\"");
    api_rig_expect_part(rig, "/api/v1/status/runtimeinfo", 200, "\"corruptionCount\":3");
    api_rig_expect_part(rig, "/api/v1/status/runtimeinfo", 200, "\"CWD\":\"/");
    rig->api->opts.memory_limit = 12345678; // What is in force, not what the machine has.
    api_rig_expect_part(rig, "/api/v1/status/runtimeinfo", 200, "\"GOMEMLIMIT\":12345678");
    api_rig_expect_part(rig, "/api/v1/status/runtimeinfo", 200, "\"memoryLimitBytes\":12345678");
    api_rig_expect_part(rig, "/api/v1/status/buildinfo", 200, "{\"version\":\"3.");
    api_rig_expect_part(rig, "/version", 200, "{\"version\":\"3.");
    struct http_fake *f = api_rig_ask(rig, "GET", "/api/v1/status/buildinfo", STR_EMPTY);
    // Not empty would make Grafana take this for another kind of server.
    assert_false(str_contains(http_fake_body(f), STR("features")));
    http_fake_free(f);
    api_rig_expect_part(
        rig, "/api/v1/status/tsdb?limit=3", 200,
        "{\"headStats\":{\"numSeries\":7,\"numLabelPairs\":9,\"chunkCount\":11,"
        "\"minTime\":1,\"maxTime\":2},\"seriesCountByMetricName\":[{\"name\":\"up\","
        "\"value\":3}],");
    api_rig_expect_part(rig, "/api/v1/status/tsdb?limit=0", 400,
                        "\"limit must be a positive number\"");
    api_rig_expect_part(rig, "/api/v1/status/tsdb?limit=x", 400,
                        "\"limit must be a positive number\"");
    api_rig_expect_part(rig, "/api/v1/status/tsdb?limit=10001", 400,
                        "\"limit must not exceed 10000\"");
    api_rig_expect_part(rig, "/api/v1/status/tsdb/blocks", 200,
                        "{\"ulid\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"minTime\":1,\"maxTime\":2,"
                        "\"stats\":{\"numSamples\":5,\"numSeries\":3,\"numChunks\":4}");
    api_rig_expect(rig, "/api/v1/status/walreplay", 200, OK("{\"min\":0,\"max\":0,\"current\":0}"));
    api_rig_expect_part(rig, "/api/v1/features", 200, "{\"api\":{");
    api_rig_expect(rig, "/api/v1/notifications", 200, OK("[]"));
    api_rig_free(rig);
}

TEST(api_says_when_it_is_not_ready)
{
    static const char *const targets[] = {
        "/api/v1/query?query=1", "/api/v1/labels", "/api/v1/targets",
        "/federate?match[]=up",  "/-/ready",       "/api/v1/status/config"};
    struct api_rig *rig = api_rig_new_bare(true, false);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct http_fake *f = api_rig_ask(rig, "GET", targets[i], STR_EMPTY);
        assert_int_equal(http_fake_status(f), 503);
        ASSERT_STR_EQ(http_fake_header(f, STR("X-Prometheus-Stopping")), STR("false"));
        ASSERT_STR_EQ(http_fake_body(f), STR("Service Unavailable\n"));
        http_fake_free(f);
    }
    api_rig_expect_part(rig, "/-/healthy", 200, "Healthy");
    api_rig_expect_part(rig, "/api/v1/status/walreplay", 200, "current");
    api_rig_expect_part(rig, "/metrics", 200, "tidemark_remote_write");
    api_stopping(rig->api);
    struct http_fake *f = api_rig_ask(rig, "GET", "/-/ready", STR_EMPTY);
    ASSERT_STR_EQ(http_fake_header(f, STR("X-Prometheus-Stopping")), STR("true"));
    http_fake_free(f);
    api_rig_free(rig);
}

static u32 status_of(struct api_rig *rig, const char *method, const char *target)
{
    struct http_fake *f = api_rig_ask(rig, method, target, STR_EMPTY);
    const u32 status = http_fake_status(f);
    http_fake_free(f);
    return status;
}

TEST(api_guards_the_life_cycle)
{
    struct api_rig *rig = api_rig_new();
    assert_int_equal(status_of(rig, "GET", "/-/reload"), 405);
    assert_int_equal(status_of(rig, "GET", "/-/quit"), 405);
    assert_int_equal(rig->reloads + rig->quits, 0);
    assert_int_equal(status_of(rig, "POST", "/-/reload"), 200);
    assert_int_equal(status_of(rig, "PUT", "/-/reload"), 200);
    assert_int_equal(rig->reloads, 2);
    rig->reload_fails = true;
    struct http_fake *f = api_rig_ask(rig, "POST", "/-/reload", STR_EMPTY);
    assert_int_equal(http_fake_status(f), 500);
    ASSERT_STR_EQ(http_fake_body(f), STR("failed to reload config: prometheus.yml:3:5: no\n"));
    http_fake_free(f);
    assert_int_equal(status_of(rig, "POST", "/-/quit"), 200);
    assert_int_equal(rig->quits, 1);
    api_rig_free(rig);
    rig = api_rig_new_bare(false, true);
    assert_int_equal(status_of(rig, "POST", "/-/reload"), 403);
    assert_int_equal(status_of(rig, "POST", "/-/quit"), 403);
    assert_int_equal(status_of(rig, "POST", "/api/v1/write"), 404);
    assert_int_equal(rig->reloads + rig->quits, 0);
    api_rig_free(rig);
}

// Asks by POST for something under /api/v1/admin/tsdb/; checks the status and part of the body.
static void admin_expect(struct api_rig *rig, const char *what, u32 status, const char *part)
{
    char target[256];
    (void)snprintf(target, sizeof(target), "/api/v1/admin/tsdb/%s", what);
    struct http_fake *f = api_rig_ask(rig, "POST", target, STR_EMPTY);
    if (http_fake_status(f) != status || !str_contains(http_fake_body(f), str_c(part))) {
        fail_msg("%s: got %u %.*s", what, http_fake_status(f), STR_ARG(http_fake_body(f)));
    }
    http_fake_free(f);
}

TEST(api_administers_the_store)
{
    struct api_rig *rig = api_rig_new();
    assert_int_equal(status_of(rig, "GET", "/api/v1/admin/tsdb/delete_series?match[]=up"), 405);
    admin_expect(rig, "delete_series", 400, "no match[] parameter provided");
    admin_expect(rig, "delete_series?match[]=%7B", 400, "match[]");
    admin_expect(rig, "delete_series?match[]=up&start=x", 400, "start");
    admin_expect(rig, "delete_series?match[]=up&start=20&end=10", 400,
                 "end timestamp must not be before start timestamp");
    admin_expect(rig, "undelete_series?id=4001", 204, "");
    admin_expect(rig, "undelete_series?id=4002", 404, "no deletion 4002");
    admin_expect(rig, "undelete_series", 400, "number of a deletion");
    admin_expect(rig, "clean_tombstones", 204, "");
    admin_expect(rig, "snapshot", 200, "{\"name\":\"whole\"}");
    admin_expect(rig, "snapshot?skip_head=true", 200, "{\"name\":\"blocks\"}");
    admin_expect(rig, "snapshot?skip_head=maybe", 400, "skip_head");
    struct http_fake *f =
        api_rig_ask(rig, "PUT", "/api/v1/admin/tsdb/delete_series",
                    STR("match[]=up&match[]=up%7Bjob%3D%22a%22%7D&start=10&end=20.5"));
    assert_int_equal(http_fake_status(f), 204);
    ASSERT_STR_EQ(http_fake_header(f, STR("X-Tidemark-Deletion-Ids")), STR("4001, 4002"));
    assert_int_equal(http_fake_body(f).len, 0);
    http_fake_free(f);
    api_rig_free(rig);
    rig = api_rig_new_bare(false, true);
    admin_expect(rig, "delete_series?match[]=up", 500, "admin APIs disabled");
    admin_expect(rig, "undelete_series?id=4001", 500, "admin APIs disabled");
    admin_expect(rig, "clean_tombstones", 500, "admin APIs disabled");
    admin_expect(rig, "snapshot", 500, "admin APIs disabled");
    api_rig_free(rig);
}

static void append_one(struct api_rig *rig, struct labels set, i64 t_ms)
{
    struct series_ref ref;
    u8 outcome;
    u64 position;
    struct error e = {0};
    const f64 value = 9;
    struct storage_appender *a =
        storage_appender_open(rig->store, TENANT_DEFAULT, STREAM_SCRAPE, &e);
    assert_non_null(a);
    a->ops->resolve(a, &set, 1, &ref, &outcome);
    const struct append_batch b = {
        .refs = &ref, .t_ms = &t_ms, .values = &value, .n = 1, .outcomes = &outcome};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    storage_appender_close(a);
}

TEST(api_federates_nothing_cut_and_nothing_of_the_future)
{
    struct api_rig *rig = api_rig_new();
    const struct label n_total[] = {{LABEL_NAME, STR("n_total")}, {LABEL_JOB, STR("a")}};
    append_one(rig, (struct labels){n_total, 2}, RIG_NOW_MS + 60000);
    api_rig_expect_part(rig, "/federate?match[]=n_total", 200, " 300 1600000000000\n");
    // Too long for a line: an error, never a line without its end.
    const size_t len = (size_t)5 << 20;
    char *value = MEM_NEW_N(char, len);
    memset(value, 'x', len);
    const struct label big[] = {{LABEL_NAME, STR("big")}, {STR("x"), {value, len}}};
    append_one(rig, (struct labels){big, 2}, RIG_NOW_MS);
    api_rig_expect_part(rig, "/federate?match[]=big&match[]=up", 500, "too large");
    mem_free(value);
    api_rig_free(rig);
}

TEST(api_federates_by_the_status_of_the_limit_that_was_hit)
{
    struct api_rig *rig = api_rig_new();
    rig->api->opts.query_bytes_max = 300;
    api_rig_expect_part(rig, "/federate?match[]=up", 422, "more than 300 bytes");
    rig->api->opts.query_bytes_max = 1000000;
    rig->api->opts.query_timeout_ms = -1;
    api_rig_expect_part(rig, "/federate?match[]=up", 503, "deadline");
    api_rig_free(rig);
}

TEST(api_federates_the_newest_samples)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, "/federate?match[]=%7B", 400,
                   "1:2: parse error: unexpected end of input inside braces\n");
    api_rig_expect(rig, "/federate?match[]=up&match[]=n_total&match[]=%7Bjob=%22a%22%7D", 200,
                   "# TYPE n_total untyped\n"
                   "n_total{job=\"a\",site=\"here\",instance=\"\"} 300 1600000000000\n"
                   "# TYPE up untyped\n"
                   "up{instance=\"x:1\",job=\"a\",site=\"here\"} 1 1600000000000\n"
                   "up{instance=\"y:1\",job=\"b\",site=\"here\"} 0 1600000000000\n");
    api_rig_expect(rig, "/federate?match[]=%7B%22odd+name%22%7D", 200,
                   "# TYPE \"odd name\" untyped\n"
                   "{\"odd name\",\"a b\"=\"<&>\\\"\\\\\\n\",job=\"never\",site=\"here\","
                   "instance=\"\"} NaN 1600000000000\n");
    api_rig_expect(rig, "/federate", 200, "");
    api_rig_expect(rig, "/federate?match[]=nothing", 200, "");
    assert_int_equal(status_of(rig, "GET", "/federate?match[]=%7B"), 400);
    api_rig_free(rig);
}

static void put_pair(struct buf *b, const char *name, const char *value)
{
    const size_t mark = pbw_begin(b, 1);
    pbw_bytes(b, 1, str_c(name));
    pbw_bytes(b, 2, str_c(value));
    pbw_end(b, mark);
}

// One series with one sample, packed as a sender packs it.
static void request_make(struct buf *out, const char *name, f64 value, i64 t_ms)
{
    struct buf raw;
    buf_init(&raw, 1 << 20);
    const size_t series = pbw_begin(&raw, 1);
    put_pair(&raw, "__name__", name);
    put_pair(&raw, "job", "push");
    const size_t sample = pbw_begin(&raw, 2);
    pbw_f64(&raw, 1, value);
    pbw_varint(&raw, 2, (u64)t_ms);
    pbw_end(&raw, sample);
    pbw_end(&raw, series);
    snappy_encode(buf_get(&raw), out);
    buf_fini(&raw);
}

static struct http_fake *push(struct api_rig *rig, str body, const char *type, const char *coding)
{
    const struct http_pair headers[] = {{STR("Content-Type"), str_c(type)},
                                        {STR("Content-Encoding"), str_c(coding)}};
    const struct http_fake_opts opts = {.method = "POST",
                                        .target = "/base/api/v1/write",
                                        .headers = headers,
                                        .header_count = 2,
                                        .body = body};
    return http_fake_run(&rig->router, &opts);
}

TEST(api_takes_remote_writes)
{
    struct api_rig *rig = api_rig_new();
    struct buf b;
    buf_init(&b, 1 << 20);
    request_make(&b, "pushed", 7, RIG_NOW_MS - 1000);
    struct http_fake *f = push(rig, buf_get(&b), "application/x-protobuf", "snappy");
    assert_int_equal(http_fake_status(f), 204);
    ASSERT_STR_EQ(http_fake_header(f, STR("X-Prometheus-Remote-Write-Samples-Written")), STR("1"));
    http_fake_free(f);
    api_rig_expect_part(rig, "/api/v1/query?query=pushed", 200, "\"7\"");
    // What is too old is counted and answered 204 all the same.
    buf_clear(&b);
    request_make(&b, "pushed", 6, RIG_NOW_MS - 2000);
    f = push(rig, buf_get(&b), "application/x-protobuf;proto=prometheus.WriteRequest", "snappy");
    assert_int_equal(http_fake_status(f), 204);
    ASSERT_STR_EQ(http_fake_header(f, STR("X-Prometheus-Remote-Write-Samples-Written")), STR("0"));
    http_fake_free(f);
    api_rig_expect_part(rig, "/metrics", 200,
                        "tidemark_remote_write_samples_total{outcome=\"stored\"} 1\n");
    api_rig_expect_part(rig, "/metrics", 200,
                        "tidemark_remote_write_samples_total{outcome=\"out_of_order\"} 1\n");
    buf_fini(&b);
    api_rig_free(rig);
}

TEST(api_tells_what_of_a_push_it_stores)
{
    struct api_rig *rig = api_rig_new();
    struct buf raw;
    struct buf b;
    buf_init(&raw, 1 << 16);
    buf_init(&b, 1 << 16);
    const size_t series = pbw_begin(&raw, 1);
    put_pair(&raw, "__name__", "h");
    for (u32 field = 3; field <= 4; field++) { // An exemplar and two native histograms.
        const size_t mark = pbw_begin(&raw, field);
        pbw_end(&raw, mark);
    }
    pbw_end(&raw, pbw_begin(&raw, 4));
    pbw_end(&raw, series);
    snappy_encode(buf_get(&raw), &b);
    struct http_fake *f = push(rig, buf_get(&b), "application/x-protobuf", "snappy");
    // The floats beside them are kept, so the sender is not to think that all failed.
    assert_int_equal(http_fake_status(f), 204);
    ASSERT_STR_EQ(http_fake_header(f, STR("X-Prometheus-Remote-Write-Samples-Written")), STR("0"));
    ASSERT_STR_EQ(http_fake_header(f, STR("X-Prometheus-Remote-Write-Histograms-Written")),
                  STR("1")); // The second is the first again.
    http_fake_free(f);
    api_rig_expect_part(rig, "/metrics", 200,
                        "tidemark_remote_write_not_stored_total{kind=\"exemplar\"} 1\n");
    buf_fini(&b);
    buf_fini(&raw);
    api_rig_free(rig);
}

// A series with a sample, and with one that is refused each time.
static void broken_make(struct buf *out, i64 t_ms)
{
    struct buf raw;
    buf_init(&raw, 1 << 16);
    const size_t series = pbw_begin(&raw, 1);
    put_pair(&raw, "__name__", "pushed");
    put_pair(&raw, "job", "push");
    const size_t sample = pbw_begin(&raw, 2);
    pbw_varint(&raw, 2, (u64)t_ms);
    pbw_end(&raw, sample);
    const size_t hist = pbw_begin(&raw, 4);
    pbw_varint(&raw, 1, 1); // A count, and no buckets.
    pbw_varint(&raw, 15, (u64)t_ms);
    pbw_end(&raw, hist);
    pbw_end(&raw, series);
    snappy_encode(buf_get(&raw), out);
    buf_fini(&raw);
}

TEST(api_counts_what_it_stores_of_a_push_that_has_to_come_again)
{
    u32 again = 0;
    u64 requests = 1;
    for (u64 n = 0; n <= requests; n++) {
        struct api_rig *rig = api_rig_new();
        struct buf b;
        buf_init(&b, 1 << 16);
        request_make(&b, "pushed", 7, RIG_NOW_MS - 1000); // Its series is known then.
        http_fake_free(push(rig, buf_get(&b), "application/x-protobuf", "snappy"));
        buf_clear(&b);
        broken_make(&b, RIG_NOW_MS);
        alloc_fault_arm(n);
        struct http_fake *f = push(rig, buf_get(&b), "application/x-protobuf", "snappy");
        alloc_fault_disarm();
        requests = n == 0 ? alloc_fault_calls() : requests;
        const u32 status = http_fake_status(f);
        again += status == 503;
        assert_true(status == 503 || status == (n == 0 ? 400 : 413));
        api_rig_expect_part(rig, "/metrics", 200,
                            status == 413 ? "{outcome=\"stored\"} 1\n"
                                          : "{outcome=\"stored\"} 2\n");
        api_rig_expect_part(rig, "/metrics", 200,
                            n == 0 ? "{outcome=\"invalid\"} 1\n" : "{outcome=\"invalid\"} 0\n");
        http_fake_free(f);
        buf_fini(&b);
        api_rig_free(rig);
    }
    assert_in_range(again, 1, requests - 1);
}

TEST(api_says_what_is_not_built)
{
    struct api_rig *rig = api_rig_new();
    static const char *const paths[] = {"/api/v1/read", "/api/v1/otlp/v1/metrics"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct http_fake *f = api_rig_ask(rig, "POST", paths[i], STR("\x01\x02"));
        assert_int_equal(http_fake_status(f), 404);
        assert_true(str_starts(http_fake_body(f), str_c(paths[i])));
        assert_true(str_contains(http_fake_body(f), STR("not built in this release")));
        http_fake_free(f);
    }
    api_rig_free(rig);
}

TEST(api_refuses_bad_pushes)
{
    struct api_rig *rig = api_rig_new();
    struct buf b;
    buf_init(&b, 1 << 20);
    request_make(&b, "pushed", 7, RIG_NOW_MS);
    const struct {
        str body;
        const char *type;
        const char *coding;
        u32 status;
    } table[] = {
        {STR("garbage"), "application/x-protobuf", "snappy", 400},
        {STR_EMPTY, "application/x-protobuf", "snappy", 400},
        {STR("\xff\xff\xff\xff\x0f"), "application/x-protobuf", "snappy", 413},
        {buf_get(&b), "text/plain", "snappy", 415},
        {buf_get(&b), "application/x-protobuf", "gzip", 415},
        {buf_get(&b), "application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", 415},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct http_fake *f = push(rig, table[i].body, table[i].type, table[i].coding);
        if (http_fake_status(f) != table[i].status) {
            fail_msg("%zu: got %u, want %u: %.*s", i, http_fake_status(f), table[i].status,
                     STR_ARG(http_fake_body(f)));
        }
        http_fake_free(f);
    }
    buf_clear(&b);
    request_make(&b, "", 7, RIG_NOW_MS); // No metric name: bad labels.
    struct http_fake *f = push(rig, buf_get(&b), "application/x-protobuf", "snappy");
    assert_int_equal(http_fake_status(f), 400);
    http_fake_free(f);
    api_rig_expect(rig, "/api/v1/query?query=pushed", 200,
                   OK("{\"resultType\":\"vector\",\"result\":[]}"));
    buf_fini(&b);
    api_rig_free(rig);
}

TEST(api_serves_pages_and_redirects)
{
    struct api_rig *rig = api_rig_new();
    struct http_fake *f = api_rig_ask(rig, "GET", "/graph?g0.expr=up&g0.tab=0", STR_EMPTY);
    assert_int_equal(http_fake_status(f), 302);
    ASSERT_STR_EQ(http_fake_header(f, STR("Location")), STR("/base/query?g0.expr=up&g0.tab=0"));
    http_fake_free(f);
    assert_int_equal(status_of(rig, "GET", "/api/v1/nothing"), 404);
    assert_int_equal(status_of(rig, "DELETE", "/api/v1/query"), 405);
    assert_int_equal(status_of(rig, "GET", "/debug/pprof/heap"), 404);
    if (!ui_assets_built()) {
        api_rig_expect_part(rig, "/", 200, "without the pages");
        api_rig_free(rig);
        return;
    }
    static const char *const pages[] = {"/",        "/query",  "/alerts",         "/rules",
                                        "/targets", "/status", "/dashboards/host"};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        f = api_rig_ask(rig, "GET", pages[i], STR_EMPTY);
        assert_int_equal(http_fake_status(f), 200);
        assert_true(str_starts(http_fake_header(f, STR("Content-Type")), STR("text/html")));
        assert_true(str_contains(http_fake_header(f, STR("Content-Security-Policy")),
                                 STR("default-src 'self'")));
        assert_true(str_contains(http_fake_body(f), STR("<html")));
        http_fake_free(f);
    }
    assert_int_equal(status_of(rig, "GET", "/no-such-page"), 404);
    const struct http_pair headers[] = {{STR("If-None-Match"), str_c(ui_asset_index()->etag)}};
    const struct http_fake_opts opts = {
        .method = "GET", .target = "/base/", .headers = headers, .header_count = 1};
    f = http_fake_run(&rig->router, &opts);
    assert_int_equal(http_fake_status(f), 304);
    assert_int_equal(http_fake_body(f).len, 0);
    http_fake_free(f);
    api_rig_free(rig);
}

TEST(api_exposes_its_own_metrics)
{
    struct api_rig *rig = api_rig_new();
    const struct http_pair headers[] = {
        {STR("Accept"), STR("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")}};
    const struct http_fake_opts opts = {
        .method = "GET", .target = "/base/metrics", .headers = headers, .header_count = 1};
    struct http_fake *f = http_fake_run(&rig->router, &opts);
    assert_true(str_contains(http_fake_header(f, STR("Content-Type")),
                             STR("application/openmetrics-text")));
    assert_true(str_ends(http_fake_body(f), STR("# EOF\n")));
    http_fake_free(f);
    api_rig_expect_part(rig, "/metrics", 200, "# TYPE tidemark_remote_write_samples_total counter");
    api_rig_free(rig);
}

// What a client may send for times must end in an answer, whatever is added to it on the way.
TEST(api_answers_at_the_ends_of_time)
{
    static const char *const times[] = {"9.19e15", "-9.19e15", "-292273086-05-16T16:47:06Z",
                                        "292277025-08-18T07:12:54.999999999Z", "1e-300"};
    static const char *const queries[] = {"up",
                                          "up+offset+290y",
                                          "up+offset+-290y",
                                          "rate(up[290y])",
                                          "up+@+9.19e15",
                                          "up+@+-9.19e15",
                                          "sum_over_time(up[290y:100y])",
                                          "predict_linear(up[5m],1e300)",
                                          "day_of_month(vector(1e300))",
                                          "timestamp(up)",
                                          "up[5m]",
                                          "absent_over_time(up[290y])"};
    static const char *const targets[] = {
        "/api/v1/query?query=%s&time=%s",
        "/api/v1/query_range?query=%s&start=%s&end=9e15&step=9e12",
        "/api/v1/query_range?query=%s&start=-9.19e15&end=%s&step=1e15",
        "/api/v1/query_exemplars?query=%s&start=%s"};
    struct api_rig *rig = api_rig_new();
    for (size_t i = 0; i < ARRAY_LEN(times) * ARRAY_LEN(queries) * ARRAY_LEN(targets); i++) {
        const char *at = times[i % ARRAY_LEN(times)];
        const char *query = queries[i / ARRAY_LEN(times) % ARRAY_LEN(queries)];
        struct buf b;
        buf_init(&b, 1000);
        str rest = str_c(targets[i / ARRAY_LEN(times) / ARRAY_LEN(queries)]);
        for (u32 hole = 0; rest.len > 0; hole++) {
            const size_t to = str_find_str(rest, STR("%s"));
            buf_str(&b, str_sub(rest, 0, to == STR_NONE ? rest.len : to));
            rest = to == STR_NONE ? STR_EMPTY : str_sub(rest, to + 2, rest.len);
            buf_c(&b, to == STR_NONE ? "" : hole == 0 ? query : at);
        }
        struct http_fake *f = api_rig_ask(rig, "GET", b.bytes, STR_EMPTY);
        const u32 status = http_fake_status(f);
        if (status != 200 && status != 204 && status != 400 && status != 422) {
            fail_msg("%s: %u %.*s", b.bytes, status, STR_ARG(http_fake_body(f)));
        }
        http_fake_free(f);
        buf_fini(&b);
    }
    api_rig_expect(rig, "/api/v1/query?query=up&time=-292273086-05-16T16:47:06Z", 200,
                   OK("{\"resultType\":\"vector\",\"result\":[]}"));
    api_rig_free(rig);
}
