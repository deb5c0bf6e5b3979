#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "scrape/scrape_rig.h"

#include <math.h>

#define JOB "- job_name: j\n  static_configs: [{targets: ['h:1']}]\n"

// Loads, and goes to just behind the first scrape.
static void load(struct rig *r, const char *yaml)
{
    struct error e = {0};
    ASSERT_OK(rig_load(r, yaml, &e), e);
    const u32 before = r->requests;
    for (u32 i = 0; i < 10001 && r->requests == before; i++) {
        rig_run(r, 1);
    }
    assert_int_equal(r->requests, before + 1);
}

// A rig whose targets answer this body, behind its first scrape.
static void start(struct rig *r, const char *body, const char *yaml)
{
    rig_init(r, 0);
    r->body = body;
    load(r, yaml);
}

static struct scrape_target_info info(struct rig *r, struct arena *a)
{
    struct scrape_snapshot s;
    scrape_snapshot_take(r->scrape, STR_EMPTY, a, &s);
    assert_int_equal(s.target_count, 1);
    return s.targets[0];
}

TEST(scrape_stores_the_page_and_reports_on_itself)
{
    struct rig r;
    start(&r, "# HELP a An a.\n# TYPE a counter\na 1\nb{x=\"y\"} 2\n", JOB);
    assert_string_equal(r.last_url, "http://h:1/metrics");
    assert_true(rig_last(&r, "a") == 1 && rig_last(&r, "b") == 2);
    assert_true(rig_last(&r, "up") == 1);
    assert_true(rig_last(&r, "scrape_samples_scraped") == 2);
    assert_true(rig_last(&r, "scrape_samples_post_metric_relabeling") == 2);
    assert_true(rig_last(&r, "scrape_series_added") == 2);
    assert_true(rig_last(&r, "scrape_duration_seconds") == 0); // The clock stood still.
    r.body = "a 3\nb{x=\"y\"} 4\n";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "a") == 3 && rig_last(&r, "scrape_series_added") == 0);
    assert_int_equal(r.requests, 2);
    struct arena *a = arena_new(1 << 20);
    const struct scrape_target_info i = info(&r, a);
    assert_int_equal(i.health, SCRAPE_UP);
    ASSERT_STR_EQ(labels_get(i.labels, LABEL_INSTANCE), STR("h:1"));
    ASSERT_STR_EQ(labels_get(i.discovered_labels, STR("__metrics_path__")), STR("/metrics"));
    struct scrape_metadata_info *m;
    u32 n;
    struct error e = {0};
    ASSERT_OK(
        scrape_metadata(r.scrape, &(struct scrape_metadata_ask){STR("a"), false}, a, &m, &n, &e),
        e);
    assert_int_equal(n, 0); // The page of now says nothing of it.
    arena_free(a);
    rig_fini(&r);
}

// The lines of a page stay known while others come and go around them, however they are written.
TEST(scrape_follows_lines_that_move)
{
    struct rig r;
    start(&r, "a 1\nb{x=\"y\"} 2\nc 3\n", JOB);
    r.body = "a 2.5\nb{x=\"y\"} 1e+06\nc -7\n";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "a") == 2.5 && rig_last(&r, "b") == 1e6 && rig_last(&r, "c") == -7);
    r.body = "c 4\r\nnew 5\na  3\nb{x=\"y\"} 0x\n";
    rig_run(&r, 10000); // Refused whole.
    assert_true(rig_last(&r, "up") == 0 && isnan(rig_last(&r, "c")));
    r.body = "c 4\r\nnew 5\na  3\nb{x=\"y\"} +Inf\n";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 1 && rig_last(&r, "a") == 3 && rig_last(&r, "c") == 4);
    assert_true(rig_last(&r, "new") == 5 && isinf(rig_last(&r, "b")));
    assert_true(rig_last(&r, "scrape_samples_scraped") == 4);
    rig_fini(&r);
}

// What the target's page says of the metrics, as "name type help" lines.
static void metadata_expect(struct rig *r, const char *want)
{
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    struct scrape_metadata_info *m;
    struct buf b;
    u32 n;
    const struct scrape_metadata_ask all = {.distinct = false};
    ASSERT_OK(scrape_metadata(r->scrape, &all, a, &m, &n, &e), e);
    buf_init(&b, 1 << 16);
    for (u32 i = 0; i < n; i++) {
        buf_printf(&b, "%.*s %s %.*s\n", STR_ARG(m[i].metadata.name),
                   metric_type_text(m[i].metadata.type), STR_ARG(m[i].metadata.help));
    }
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
    arena_free(a);
}

static void page_next(struct rig *r, const char *body)
{
    r->body = body;
    rig_run(r, 10000);
}

// Lines that stand where they stood are passed unread: what they say must stay, and what changes
// beside them, or while pages fail, must be seen.
TEST(scrape_reads_lines_about_metrics_that_change)
{
    struct rig r;
    start(&r,
          "# HELP a An a.\n# TYPE a counter\na 1\n# TYPE b gauge\n# HELP b A b.\nb 2\n"
          "# TYPE c gauge\n",
          JOB);
    for (u32 i = 0; i < 3; i++) {
        metadata_expect(&r, "a counter An a.\nb gauge A b.\nc gauge \n");
        rig_run(&r, 10000);
    }
    page_next(&r, "# HELP a An a.\n# TYPE a counter\na 1\n# TYPE b gauge\n# HELP b B!\nb 2\n"
                  "# TYPE c gauge\n");
    metadata_expect(&r, "a counter An a.\nb gauge B!\nc gauge \n");
    page_next(&r, "# HELP a An a.\n# TYPE a counter\na 1\nb 2\n# TYPE c gauge\n");
    metadata_expect(&r, "a counter An a.\nc gauge \n");
    page_next(&r, "# HELP a New.\n# TYPE a counter\na 1\nb 2\n# TYPE c gauge\nbroken{\n");
    assert_true(rig_last(&r, "up") == 0);
    metadata_expect(&r, "a counter An a.\nc gauge \n");
    page_next(&r, "# HELP a New.\n# TYPE a counter\na 1\nb 2\n# TYPE c gauge\n");
    assert_true(rig_last(&r, "up") == 1);
    metadata_expect(&r, "a counter New.\nc gauge \n");
    page_next(&r, "# HELP a New.\n# TYPE a counter\na 1\nb 2\n# TYPE c gauge");
    metadata_expect(&r, "a counter New.\nc gauge \n");
    page_next(&r, "# HELP a New.\n# TYPE a counter\na 1\nb 2\n# TYPE c counter");
    metadata_expect(&r, "a counter New.\nc counter \n");
    page_next(&r, "a 1\nb 2\n");
    metadata_expect(&r, "");
    page_next(&r, "# TYPE a gauge\na 1\n"
                  "b 1\nc 1\nd 1\ne 1\nf 1\ng 1\nh 1\ni 1\nj 1\nk 1\nl 1\nm 1\nn 1\no 1\n"
                  "p 1\nq 1\nr 1\ns 1\n");
    page_next(&r, "# TYPE a gauge\na 1\n");
    page_next(&r, "# TYPE a gauge\na 1\n"); // The others are forgotten, and the lines with them.
    metadata_expect(&r, "a gauge \n");
    page_next(&r, "a 1\n");
    metadata_expect(&r, "");
    rig_fini(&r);
}

// A type that was passed unread holds for the series below it, and no line passes as what it would
// not be in the page's format.
TEST(scrape_knows_the_type_of_lines_it_passed)
{
    struct rig r;
    start(&r, "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\n# just words\nx 1\n", JOB);
    page_next(&r, "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"2\"} 7\n"
                  "# just words\nx 1\n# EOF");
    rig_expect(&r, "h_bucket",
               "h_bucket{instance=\"h:1\", job=\"j\", le=\"1.0\"} 0=1 10=1\n"
               "h_bucket{instance=\"h:1\", job=\"j\", le=\"2.0\"} 10=7\n");
    r.content_type = "application/openmetrics-text; version=1.0.0";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 0); // OpenMetrics knows no comments.
    page_next(&r, "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\n# EOF\n");
    page_next(&r, "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\n# EOF\n");
    page_next(&r, "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_created 5\n# EOF\n");
    assert_true(rig_last(&r, "up") == 1);
    assert_int_equal(rig_series(&r, "h_created"), 0);
    assert_true(rig_metric(&r, "\ntidemark_scrape_created_lines_total") == 1);
    rig_fini(&r);
}

// The unit that the page's metadata tells for its only metric.
static void unit_expect(struct rig *r, const char *want)
{
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    struct scrape_metadata_info *m;
    u32 n;
    const struct scrape_metadata_ask all = {.distinct = false};
    ASSERT_OK(scrape_metadata(r->scrape, &all, a, &m, &n, &e), e);
    assert_int_equal(n, 1);
    assert_int_equal(m[0].metadata.type, METRIC_GAUGE);
    ASSERT_STR_EQ(m[0].metadata.help, STR("An a."));
    ASSERT_STR_EQ(m[0].metadata.unit, str_c(want));
    arena_free(a);
}

// A UNIT line in the midst of a run that is passed unread: the family keeps its unit, for metadata
// and for the series that are new below it; another unit in its place is taken.
TEST(scrape_knows_the_unit_of_lines_it_passed)
{
    struct rig r;
    rig_init(&r, 0);
    r.scrape->deps.type_and_unit_labels = true;
    r.content_type = "application/openmetrics-text; version=1.0.0";
    r.body = "# HELP a_seconds An a.\n# UNIT a_seconds seconds\n# TYPE a_seconds gauge\n"
             "a_seconds{n=\"1\"} 1\n# EOF\n";
    load(&r, JOB);
    const struct scrape_cache *c = &r.scrape->pools[0]->targets[0]->cache;
    assert_int_equal(c->lines_passed, 0);
    unit_expect(&r, "seconds");
    rig_run(&r, 10000); // The same page.
    assert_int_equal(c->lines_passed, 1);
    unit_expect(&r, "seconds");
    page_next(&r, "# HELP a_seconds An a.\n# UNIT a_seconds seconds\n# TYPE a_seconds gauge\n"
                  "a_seconds{n=\"1\"} 2\na_seconds{n=\"2\"} 3\n# EOF\n");
    assert_int_equal(c->lines_passed, 1);
    unit_expect(&r, "seconds");
    rig_expect(&r, "a_seconds",
               "a_seconds{__type__=\"gauge\", __unit__=\"seconds\", instance=\"h:1\", job=\"j\", "
               "n=\"1\"} 0=1 10=1 20=2\n"
               "a_seconds{__type__=\"gauge\", __unit__=\"seconds\", instance=\"h:1\", job=\"j\", "
               "n=\"2\"} 20=3\n");
    page_next(&r, "# HELP a_seconds An a.\n# TYPE a_seconds gauge\n"
                  "a_seconds{n=\"1\"} 4\na_seconds{n=\"2\"} 5\n# EOF\n");
    assert_int_equal(c->lines_passed, 0);
    unit_expect(&r, "");
    page_next(&r, "# HELP a_seconds An a.\n# UNIT a_seconds seconds\n# TYPE a_seconds gauge\n"
                  "a_seconds{n=\"1\"} 6\na_seconds{n=\"2\"} 7\n# EOF\n");
    assert_int_equal(c->lines_passed, 0);
    unit_expect(&r, "seconds");
    rig_fini(&r);
}

// Many targets say the same, and a request's arena must hold the answer.
TEST(scrape_metadata_of_many_targets_shares_its_texts)
{
    enum { TARGETS = 400, FAMILIES = 100 };
    struct rig r;
    struct buf job;
    struct buf body;
    struct error e = {0};
    rig_init(&r, 0);
    buf_init(&job, 1 << 16);
    buf_init(&body, 1 << 16);
    buf_c(&job, "- job_name: j\n  static_configs: [{targets: [");
    for (u32 i = 0; i < TARGETS; i++) {
        buf_printf(&job, "'h%u:1',", i);
    }
    buf_c(&job, "]}]\n");
    buf_byte(&job, '\0');
    for (u32 i = 0; i < FAMILIES; i++) {
        buf_printf(&body, "# HELP m%u %0200u\n# TYPE m%u gauge\n", i, i, i);
    }
    buf_byte(&body, '\0');
    r.body = body.bytes;
    ASSERT_OK(rig_load(&r, job.bytes, &e), e);
    rig_run(&r, 11000);
    struct arena *a = arena_new((size_t)256 << 20);
    struct scrape_metadata_info *m;
    u32 n;
    const struct scrape_metadata_ask all = {.distinct = false};
    ASSERT_OK(scrape_metadata(r.scrape, &all, a, &m, &n, &e), e);
    assert_int_equal(n, TARGETS * FAMILIES);
    assert_true(arena_bytes(a) < (size_t)n * 300);
    ASSERT_STR_EQ(labels_get(m[FAMILIES].target, LABEL_INSTANCE), STR("h1:1"));
    ASSERT_STR_EQ(m[n - 1].metadata.name, STR("m99"));
    arena_reset(a);
    const struct scrape_metadata_ask each = {.distinct = true};
    ASSERT_OK(scrape_metadata(r.scrape, &each, a, &m, &n, &e), e);
    assert_int_equal(n, FAMILIES);
    assert_true(arena_bytes(a) < (size_t)1 << 20);
    // What is too much is refused; the arena's maximum would end the server.
    arena_reset(a);
    assert_non_null(arena_try(a, 1, (size_t)130 << 20));
    assert_false(scrape_metadata(r.scrape, &all, a, &m, &n, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    arena_free(a);
    buf_fini(&job);
    buf_fini(&body);
    rig_fini(&r);
}

// The labels that one page line gets.
static void expect_labels(const char *job, const char *line, const char *name, const char *want)
{
    struct rig r;
    start(&r, line, job);
    struct buf b;
    buf_init(&b, 1000);
    buf_printf(&b, "%s %lld=1\n", want, (long long)(clk_wall_ms(r.clk) - RIG_START_MS) / 1000);
    buf_byte(&b, '\0');
    rig_expect(&r, name, b.bytes);
    buf_fini(&b);
    rig_fini(&r);
}

TEST(scrape_conflicting_labels_get_exported_until_free)
{
    expect_labels(JOB, "a{job=\"x\"} 1\n", "a",
                  "a{exported_job=\"x\", instance=\"h:1\", job=\"j\"}");
    expect_labels(JOB, "a{job=\"x\",exported_job=\"y\"} 1\n", "a",
                  "a{exported_exported_job=\"x\", exported_job=\"y\", instance=\"h:1\", "
                  "job=\"j\"}");
    expect_labels(JOB "  honor_labels: true\n", "a{job=\"x\"} 1\n", "a",
                  "a{instance=\"h:1\", job=\"x\"}");
    // As /federate and the Pushgateway write it: no instance, not the target's.
    expect_labels(JOB "  honor_labels: true\n", "a{job=\"x\",instance=\"\"} 1\n", "a",
                  "a{job=\"x\"}");
    expect_labels(JOB "  honor_labels: true\n", "a{job=\"\"} 1\n", "a", "a{instance=\"h:1\"}");
    expect_labels(JOB, "a{job=\"\"} 1\n", "a", "a{instance=\"h:1\", job=\"j\"}");
    expect_labels(JOB "  metric_relabel_configs: [{source_labels: [z], target_label: y}, "
                      "{regex: z, action: labeldrop}]\n",
                  "a{z=\"1\"} 1\n", "a", "a{instance=\"h:1\", job=\"j\", y=\"1\"}");
}

TEST(scrape_honors_timestamps_and_marks_only_tracked_ones)
{
    struct rig r;
    start(&r, "a 1 1700000000000\nb 1\n", JOB);
    rig_expect(&r, "a", "a{instance=\"h:1\", job=\"j\"} 0=1\n");
    r.body = "b 1\n";
    rig_run(&r, 10000);
    rig_expect(&r, "a", "a{instance=\"h:1\", job=\"j\"} 0=1\n"); // No marker.
    rig_fini(&r);

    start(&r, "a 1 1700000000000\n", JOB "  track_timestamps_staleness: true\n");
    r.body = "";
    rig_run(&r, 10000);
    assert_true(is_stale_nan(rig_last(&r, "a")));
    rig_fini(&r);

    start(&r, "a 1 1\n", JOB "  honor_timestamps: false\n");
    assert_true(rig_last(&r, "a") == 1);
    r.body = "";
    rig_run(&r, 10000);
    assert_true(is_stale_nan(rig_last(&r, "a")));
    rig_fini(&r);
}

TEST(scrape_marks_a_series_that_vanished_once)
{
    struct rig r;
    start(&r, "a 1\nb 1\n", JOB);
    r.body = "b 2\n";
    rig_run(&r, 30000);
    assert_true(is_stale_nan(rig_last(&r, "a")) && rig_last(&r, "b") == 2);
    assert_int_equal(rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"stored\"}"),
                     // a, b, five reports; then three times b and reports, and one marker.
                     7 + 3 * 6 + 1);
    r.body = "a 5\nb 2\n";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "a") == 5);
    rig_fini(&r);
}

TEST(scrape_a_series_spelt_otherwise_has_not_vanished)
{
    struct rig r;
    start(&r, "a{x=\"1\",y=\"2\"} 1\nb{z=\"1\"} 1\nb{z=\"2\"} 1\n",
          JOB "  metric_relabel_configs: [{regex: z, action: labeldrop}]\n");
    r.body = "a{y=\"2\",x=\"1\"} 2\nb{z=\"2\"} 2\n";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "a") == 2 && rig_last(&r, "b") == 2);
    assert_int_equal(rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"conflict"),
                     0);
    r.body = "";
    rig_run(&r, 10000);
    assert_true(is_stale_nan(rig_last(&r, "a")) && is_stale_nan(rig_last(&r, "b")));
    assert_int_equal(rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"duplicate"),
                     1);
    rig_fini(&r);

    // With times of their own the marker, which is newer, would have won.
    start(&r, "a{x=\"1\",y=\"2\"} 1 1699999999000\n", JOB "  track_timestamps_staleness: true\n");
    r.body = "a{y=\"2\",x=\"1\"} 2 1699999999500\n";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "a") == 2);
    rig_fini(&r);
}

static struct storage_appender *no_appender(UNUSED struct storage *s,
                                            UNUSED struct tenant_id tenant,
                                            UNUSED enum storage_stream stream, struct error *e)
{
    return err_null(e, ERR_NO_SPACE, "the disk is full");
}

TEST(scrape_marks_later_what_vanished_while_nothing_could_be_stored)
{
    static const struct storage_ops full_ops = {.appender = no_appender};
    struct storage full = {&full_ops};
    struct rig r;
    start(&r, "a 1\nb 1\n", JOB);
    r.body = "b 2\n";
    r.scrape->deps.storage = &full;
    rig_run(&r, 20000); // Two pages without a.
    assert_true(rig_last(&r, "a") == 1);
    r.scrape->deps.storage = r.store;
    rig_run(&r, 10000);
    assert_true(is_stale_nan(rig_last(&r, "a")) && rig_last(&r, "b") == 2);
    rig_fini(&r);
}

TEST(scrape_an_outage_makes_no_series_new)
{
    struct rig r;
    struct buf body;
    rig_init(&r, 0);
    buf_init(&body, 1 << 16);
    for (u32 i = 0; i < 100; i++) {
        buf_printf(&body, "a{x=\"%u\"} 1\n", i);
    }
    buf_byte(&body, '\0');
    r.body = body.bytes;
    load(&r, JOB);
    assert_true(rig_last(&r, "scrape_series_added") == 100);
    r.failure = HTTP_FAIL_CONNECT;
    rig_run(&r, 50000);
    assert_true(rig_last(&r, "up") == 0);
    r.failure = HTTP_FAIL_NONE;
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 1 && rig_last(&r, "scrape_series_added") == 0);
    // What only failed pages had is forgotten.
    for (u32 page = 0; page < 20; page++) {
        buf_clear(&body);
        for (u32 i = 0; i < 100; i++) {
            buf_printf(&body, "b{x=\"%u\"} 1\n", page * 100 + i);
        }
        buf_c(&body, "broken {\n");
        buf_byte(&body, '\0');
        rig_run(&r, 10000);
    }
    assert_true(r.scrape->pools[0]->targets[0]->cache.count <= 300);
    buf_fini(&body);
    rig_fini(&r);
}

struct breakage {
    const char *job;
    const char *body;
    const char *content_type;
    u32 status;
    enum http_failure failure;
    const char *reason;
    const char *error;
    f64 scraped;
};

static void expect_breaks(const struct breakage *b)
{
    struct rig r;
    start(&r, "a 1\nb 1\n", b->job);
    assert_true(rig_last(&r, "up") == 1);
    r.body = b->body;
    r.content_type = b->content_type ? b->content_type : r.content_type;
    r.status = b->status ? b->status : 200;
    r.failure = b->failure;
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 0);
    assert_true(is_stale_nan(rig_last(&r, "a")) && is_stale_nan(rig_last(&r, "b")));
    assert_int_equal(rig_series(&r, "fresh"), 0);
    assert_true(rig_last(&r, "scrape_samples_scraped") == b->scraped);
    assert_true(rig_last(&r, "scrape_series_added") == 0);
    struct arena *a = arena_new(1 << 20);
    const struct scrape_target_info i = info(&r, a);
    assert_int_equal(i.health, SCRAPE_DOWN);
    ASSERT_STR_EQ(i.last_reason, str_c(b->reason));
    if (str_find_str(i.last_error, str_c(b->error)) == STR_NONE) {
        fail_msg("%.*s", STR_ARG(i.last_error));
    }
    arena_free(a);
    // And well again.
    r.body = "a 2\nb 2\n";
    r.content_type = "text/plain";
    r.status = 200;
    r.failure = HTTP_FAIL_NONE;
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 1 && rig_last(&r, "a") == 2);
    rig_fini(&r);
}

TEST(scrape_a_broken_page_leaves_only_markers_and_up_0)
{
    static const struct breakage all[] = {
        {JOB, "a 2\nfresh 1\nb {\n", .reason = "parse", .error = "", .scraped = 2},
        {JOB, "a 2\nfresh 1\n", .status = 500, .reason = "status",
         .error = "server returned HTTP status 500 Internal Server Error"},
        {JOB, "", .failure = HTTP_FAIL_TIMEOUT, .reason = "timeout", .error = "it failed"},
        {JOB, "", .failure = HTTP_FAIL_CONNECT, .reason = "connect", .error = "it failed"},
        {JOB "  body_size_limit: 1KB\n", "", .failure = HTTP_FAIL_TOO_BIG, .reason = "body_limit",
         .error = "more than 1024 bytes"},
        {JOB, "a 2\n", .content_type = "application/weird", .reason = "content_type",
         .error = "application/weird"},
        {JOB, "a 2\n", .content_type = "", .reason = "content_type", .error = "unsupported"},
        {JOB "  sample_limit: 2\n", "a 2\nb 2\nfresh 1\nmore 1\n", .reason = "sample_limit",
         .error = "4 samples, sample_limit is 2", .scraped = 4},
        {JOB "  label_limit: 3\n", "a 2\nfresh{x=\"1\"} 1\n", .reason = "label_limit", .error = "",
         .scraped = 2},
        {JOB "  label_name_length_limit: 8\n", "fresh{long_name=\"1\"} 1\n",
         .reason = "label_limit", .error = "long_name", .scraped = 1},
        {JOB "  label_value_length_limit: 5\n", "fresh{x=\"123456\"} 1\n", .reason = "label_limit",
         .error = "", .scraped = 1},
        {JOB "  metric_relabel_configs: [{source_labels: [__name__], regex: fresh, "
             "target_label: __name__, replacement: ''}]\n",
         "fresh 1\n", .reason = "labels", .error = "without a name", .scraped = 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        expect_breaks(&all[i]);
    }
}

// They are counted in 32 bits: a larger one allows as much as these can hold, not what is cut off.
TEST(scrape_limits_of_labels_beyond_32_bits_are_no_small_ones)
{
    struct rig r;
    start(&r, "a 1\n",
          JOB "  label_limit: 4294967297\n  label_name_length_limit: 4294967297\n"
              "  label_value_length_limit: 4294967297\n");
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 1 && rig_last(&r, "a") == 1);
    rig_fini(&r);
}

TEST(scrape_shows_the_broken_line_and_its_neighbours)
{
    struct rig r;
    start(&r, "l1 1\nl2 2\nl3 3\nl4 4\nl5 {{{\nl6 6\n", JOB);
    struct arena *a = arena_new(1 << 20);
    struct scrape_target_info i = info(&r, a);
    ASSERT_STR_EQ(i.body_excerpt, STR("l3 3\nl4 4\nl5 {{{\nl6 6\n"));
    assert_int_equal(i.error_line, 3);
    // Lines so long that the broken one would not be in sight.
    char body[4000];
    memset(body, 'x', sizeof(body));
    memcpy(body + 1996, " 1\n", 3);
    memcpy(body + 1999, "bad {\n", 7);
    r.body = body;
    rig_run(&r, 10000);
    i = info(&r, a);
    ASSERT_STR_EQ(i.body_excerpt, STR("bad {\n"));
    assert_int_equal(i.error_line, 1);
    arena_free(a);
    rig_fini(&r);
}

TEST(scrape_drops_by_metric_relabelling_and_keeps_counting)
{
    struct rig r;
    start(&r, "a 1\nb 1\n",
          JOB "  metric_relabel_configs: [{source_labels: [__name__], regex: b, "
              "action: drop}]\n");
    rig_run(&r, 10000);
    assert_int_equal(rig_series(&r, "b"), 0);
    assert_true(rig_last(&r, "scrape_samples_scraped") == 2);
    assert_true(rig_last(&r, "scrape_samples_post_metric_relabeling") == 1);
    assert_true(rig_last(&r, "scrape_series_added") == 0);
    rig_fini(&r);
}

TEST(scrape_a_series_twice_in_a_page_is_added_once)
{
    struct rig r;
    start(&r, "a 1\na 1\nb 1\nb 2\n", JOB);
    assert_true(rig_last(&r, "up") == 1 && rig_last(&r, "b") == 1);
    assert_true(rig_last(&r, "scrape_series_added") == 2);
    assert_int_equal(rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"duplicate"),
                     1);
    assert_int_equal(rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"conflict"),
                     1);
    rig_fini(&r);
}

TEST(scrape_refused_series_are_counted_and_tried_again)
{
    struct rig r;
    rig_init(&r, 6); // a and the five reports.
    r.body = "a 1\n";
    load(&r, JOB);
    r.body = "a 1\nb 1\nb 1\n";
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 1 && rig_last(&r, "scrape_series_added") == 0);
    assert_int_equal(
        rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"series_limit"), 2);
    assert_int_equal(rig_series(&r, "b"), 0);
    rig_run(&r, 10000);
    assert_int_equal(
        rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"series_limit"), 4);
    rig_fini(&r);
}

TEST(scrape_cache_survives_churn)
{
    struct scrape_cache c;
    scrape_cache_init(&c);
    struct buf text;
    buf_init(&text, 100);
    for (u32 page = 1; page <= 50; page++) {
        scrape_cache_begin(&c);
        for (u32 i = 0; i < 100; i++) { // Half of each page is new, and half moves by one.
            buf_clear(&text);
            buf_printf(&text, "s%u", i % 2 ? i : page * 1000 + i);
            struct cache_entry *e = scrape_cache_get(&c, buf_get(&text));
            assert_true((e != NULL) == (i % 2 && page > 1));
            if (!e) {
                e = scrape_cache_add(&c, buf_get(&text));
                e->ref.ordinal = i + 1;
            }
            assert_int_equal(e->ref.ordinal, i + 1);
            scrape_cache_read(&c, e, true);
        }
        scrape_cache_seen(&c);
        scrape_cache_sweep(&c, true);
        assert_true(c.count <= 250); // The living, those of the page before, and a third dead.
    }
    buf_fini(&text);
    scrape_cache_fini(&c);
}

TEST(scrape_may_label_series_with_type_and_unit)
{
    struct rig r;
    for (int on = 0; on <= 1; on++) {
        rig_init(&r, 0);
        r.scrape->deps.type_and_unit_labels = on;
        r.content_type = "application/openmetrics-text; version=1.0.0";
        r.body = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
                 "a_seconds_total{__type__=\"gauge\"} 1\n# TYPE b unknown\n"
                 "b{__type__=\"gauge\"} 2\nc 3\n# EOF\n";
        load(&r, JOB);
        rig_expect(&r, "a_seconds_total",
                   on ? "a_seconds_total{__type__=\"counter\", __unit__=\"seconds\", "
                        "instance=\"h:1\", job=\"j\"} 0=1\n"
                      : "a_seconds_total{__type__=\"gauge\", instance=\"h:1\", job=\"j\"} 0=1\n");
        rig_expect(&r, "b", "b{__type__=\"gauge\", instance=\"h:1\", job=\"j\"} 0=2\n");
        rig_expect(&r, "c", "c{instance=\"h:1\", job=\"j\"} 0=3\n");
        rig_fini(&r);
    }
}

TEST(scrape_hands_over_exemplars)
{
    struct rig r;
    struct error e = {0};
    rig_init(&r, 0);
    r.content_type = "application/openmetrics-text; version=1.0.0";
    r.body = "# TYPE a counter\na_total{x=\"y\"} 3 # {trace_id=\"t1\"} 0.5\n"
             "b_total 4 # {trace_id=\"t2\"} 2 1700000001.250\nc 1\n# EOF\n";
    load(&r, JOB);
    rig_run(&r, 10000); // Shown again; the one without a time is a newer one.
    assert_true(rig_metric(&r, "\ntidemark_scrape_exemplars_parsed_total") >= 4);
    struct arena *a = arena_new(1 << 20);
    struct storage_querier *q =
        storage_querier_open(r.store, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct exemplar_series *found;
    u32 n;
    ASSERT_OK(q->ops->exemplars(q, NULL, 0, a, &found, &n, &e), e);
    assert_int_equal(n, 2);
    for (u32 i = 0; i < n; i++) {
        const struct exemplar *x = &found[i].exemplars[0];
        const bool first = str_eq(labels_get(found[i].labels, LABEL_NAME), STR("a_total"));
        ASSERT_STR_EQ(labels_get(found[i].labels, LABEL_INSTANCE), STR("h:1"));
        assert_int_equal(found[i].count, first ? 2 : 1);
        ASSERT_STR_EQ(labels_get(x->labels, STR("trace_id")), first ? STR("t1") : STR("t2"));
        assert_true(x->value == (first ? 0.5 : 2));
        assert_true(first ? x->t_ms >= RIG_START_MS : x->t_ms == 1700000001250);
    }
    storage_querier_close(q);
    arena_free(a);
    rig_fini(&r);
}
