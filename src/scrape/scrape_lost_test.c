// scrape_lost_test.c: storage has forgotten the series of the page before, as it does when a target
// was away for long: the next page is stored like any other.
#include "base/alloc_fault.h"
#include "base/error.h"
#include "base/str.h"
#include "scrape/scrape_rig.h"
#include "storage/memstore.h"

#define JOB     "- job_name: j\n  static_configs: [{targets: ['h:1']}]\n"
#define STORED  "tidemark_scrape_samples_total{job=\"j\",outcome=\"stored\"}"
#define INVALID "tidemark_scrape_samples_total{job=\"j\",outcome=\"invalid\"}"
#define LABELS  "instance=\"h:1\", job=\"j\""

// Goes to just behind the first scrape.
static void load(struct rig *r, const char *yaml)
{
    struct error e = {0};
    ASSERT_OK(rig_load(r, yaml, &e), e);
    for (u32 i = 0; i < 10001 && r->requests == 0; i++) {
        rig_run(r, 1);
    }
    assert_int_equal(r->requests, 1);
}

static void page_next(struct rig *r, const char *body)
{
    r->body = body;
    rig_run(r, 10000);
}

TEST(scrape_stores_a_page_whose_series_storage_forgot)
{
    struct rig r;
    rig_init(&r, 0);
    r.body = "# TYPE a counter\na 1\nb{x=\"y\"} 1\n";
    load(&r, JOB);
    for (u32 i = 2; i <= 4; i++) { // Known by position, then moved, then beside a new one.
        memstore_forget(r.store);
        page_next(&r, i == 2   ? "# TYPE a counter\na 2\nb{x=\"y\"} 2\n"
                      : i == 3 ? "b{x=\"y\"} 3\n# TYPE a counter\na 3\n"
                               : "b{x=\"y\"} 4\nc 4\n# TYPE a counter\na 4\n");
        assert_true(rig_last(&r, "scrape_samples_scraped") == (i == 4 ? 3 : 2));
        assert_true(rig_last(&r, "scrape_samples_post_metric_relabeling") == (i == 4 ? 3 : 2));
        assert_true(rig_last(&r, "scrape_series_added") == (i == 4)); // To the target they are old.
    }
    page_next(&r, "b{x=\"y\"} 5\n");
    rig_expect(&r, "a", "a{" LABELS "} 0=1 10=2 20=3 30=4 40=stale\n");
    rig_expect(&r, "b", "b{" LABELS ", x=\"y\"} 0=1 10=2 20=3 30=4 40=5\n");
    rig_expect(&r, "c", "c{" LABELS "} 30=4 40=stale\n");
    rig_expect(&r, "up", "up{" LABELS "} 0=1 10=1 20=1 30=1 40=1\n");
    assert_int_equal(rig_metric(&r, STORED), 2 + 2 + 2 + 3 + 3 + 5 * 5);
    assert_int_equal(rig_metric(&r, INVALID), 0);
    rig_fini(&r);
}

TEST(scrape_tells_of_a_failed_page_to_storage_that_forgot)
{
    struct rig r;
    rig_init(&r, 0);
    r.body = "a 1\n";
    load(&r, JOB);
    memstore_forget(r.store);
    page_next(&r, "a 2 # {t=\"x\"} 1\nbroken{\n");
    rig_expect(&r, "up", "up{" LABELS "} 0=1 10=0\n");
    rig_expect(&r, "a", "a{" LABELS "} 0=1\n"); // Its marker has nowhere to go.
    assert_int_equal(rig_metric(&r, INVALID), 1);
    page_next(&r, "a 3\n");
    rig_expect(&r, "a", "a{" LABELS "} 0=1 20=3\n");
    assert_int_equal(rig_metric(&r, STORED), 2 + 3 * 5);
    rig_fini(&r);
}

// What stands beside a series on its page is needed to name it again.
TEST(scrape_names_forgotten_series_as_before)
{
    struct rig r;
    rig_init(&r, 0);
    r.scrape->deps.type_and_unit_labels = true;
    r.content_type = "application/openmetrics-text; version=1.0.0";
    const char *const body = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
                             "a_seconds_total 1 # {t=\"x\"} 1\na_seconds_created 1\n"
                             "gone{drop=\"1\"} 1\nold 1 1700000000.5\n# EOF\n";
    r.body = body;
    load(&r, "- job_name: j\n  static_configs: [{targets: ['h:1']}]\n"
             "  metric_relabel_configs: [{source_labels: [drop], regex: '1', action: drop}]\n");
    memstore_forget(r.store);
    page_next(&r, "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
                  "a_seconds_total 2 # {t=\"y\"} 2\na_seconds_created 1\n"
                  "gone{drop=\"1\"} 1\nold 2 1700000003.5\n# EOF\n");
    rig_expect(&r, "a_seconds_total",
               "a_seconds_total{__type__=\"counter\", __unit__=\"seconds\", " LABELS
               "} 0=1 10=2\n");
    rig_expect(&r, "old", "old{" LABELS "} 0=1 3=2\n");
    assert_int_equal(rig_series(&r, "gone"), 0);
    assert_true(rig_last(&r, "scrape_samples_scraped") == 3);
    assert_true(rig_last(&r, "scrape_samples_post_metric_relabeling") == 2);
    assert_int_equal(rig_metric(&r, STORED), 4 + 2 * 5);
    assert_int_equal(rig_metric(&r, INVALID), 0);
    rig_fini(&r);
}

// Each request for memory is refused once: what was stored before is counted as stored, what could
// not be read again as refused, and the next page is whole.
TEST(scrape_of_forgotten_series_survives_each_refused_request_for_memory)
{
    u32 partial = 0;
    u64 requests = 1;
    for (u64 n = 0; n <= requests; n++) {
        struct rig r;
        rig_init(&r, 0);
        r.body = "a 1\nb 1\nc 1\n";
        load(&r, JOB);
        memstore_forget(r.store);
        alloc_fault_arm(n);
        page_next(&r, "a 2\nb 2\nc 2\nd 2\n");
        alloc_fault_disarm();
        requests = n == 0 ? alloc_fault_calls() : requests;
        const u64 lost = rig_metric(&r, INVALID);
        const bool up = rig_last(&r, "up") == 1;
        if (up) { // All that is not told of is there.
            assert_int_equal(rig_metric(&r, STORED) + lost, 3 + 4 + 2 * 5);
            partial += lost > 0;
        } else {
            assert_int_equal(rig_metric(&r, STORED), 3 + 2 * 5);
            assert_int_equal(rig_metric(&r, "tidemark_scrape_failures_total{"), 1);
        }
        const u64 stored = rig_metric(&r, STORED);
        page_next(&r, "a 3\nb 3\nc 3\nd 3\n");
        assert_true(rig_last(&r, "a") == 3 && rig_last(&r, "b") == 3);
        assert_true(rig_last(&r, "c") == 3 && rig_last(&r, "d") == 3);
        assert_true(rig_last(&r, "up") == 1);
        assert_int_equal(rig_metric(&r, STORED), stored + 4 + 5);
        assert_int_equal(rig_metric(&r, INVALID), lost);
        rig_fini(&r);
    }
    assert_true(partial > 1);
}
