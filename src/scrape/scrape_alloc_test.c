// scrape_alloc_test.c: each request of a page for memory that has a limit is refused once, while it
// is read and while it is stored. The page is stored as a whole, or it is none and its target is
// down, and says why; the page behind it is stored as if nothing had been.
#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "scrape/scrape_rig.h"
#include "storage/memstore.h"

#include <stdio.h>

#define JOB "- job_name: j\n  static_configs: [{targets: ['h:1']}]\n"

static const char body_before[] = "# HELP c One.\n# TYPE c counter\n"
                                  "c_total{x=\"1\"} 1 # {trace=\"a\"} 1\nc_total{x=\"2\"} 1\n"
                                  "# TYPE gone gauge\ngone 1\n# EOF\n";
static const char body_refused[] = "# HELP c Two.\n# TYPE c counter\n"
                                   "c_total{x=\"1\"} 2 # {trace=\"b\"} 2\nc_total{x=\"2\"} 2\n"
                                   "# TYPE new histogram\nnew_bucket{le=\"1\"} 2\n"
                                   "new_bucket{le=\"+Inf\",p=\"a\\\\b\",q=\"\"} 2\n# EOF\n";
static const char body_after[] = "# HELP c Two.\n# TYPE c counter\n"
                                 "c_total{x=\"1\"} 3 # {trace=\"c\"} 3\nc_total{x=\"2\"} 3\n"
                                 "# TYPE new histogram\nnew_bucket{le=\"1\"} 3\n"
                                 "new_bucket{le=\"+Inf\",p=\"a\\\\b\",q=\"\"} 3\n# EOF\n";
static const char body_broken[] = "c_total{x=\"1\"} 2\nc_total{x=\n# EOF\n";

// How the page of the second scrape ended.
enum ending { PAGE_STORED, PAGE_UNREAD, PAGE_UNSTORED };

// Threads: owned by the test.
struct course {
    struct buf samples; // Of all series, at the end.
    u64 requests;
    enum ending ending;
};

static u32 exemplars_count(struct rig *r, f64 value)
{
    struct error e = {0};
    struct exemplar_series *all = NULL;
    u32 n = 0;
    u32 count = 0;
    struct arena *a = arena_new((size_t)1 << 20);
    struct storage_querier *q = storage_querier_open(r->store, TENANT_DEFAULT, 0, INT64_MAX, &e);
    ASSERT_OK(q->ops->exemplars(q, NULL, 0, a, &all, &n, &e), e);
    for (u32 i = 0; i < n; i++) {
        for (u32 k = 0; k < all[i].count; k++) {
            count += all[i].exemplars[k].value == value;
        }
    }
    storage_querier_close(q);
    arena_free(a);
    return count;
}

static void help_expect(struct rig *r, const char *want)
{
    struct error e = {0};
    struct metadata *m = NULL;
    u32 n = 0;
    struct arena *a = arena_new((size_t)1 << 20);
    struct storage_querier *q = storage_querier_open(r->store, TENANT_DEFAULT, 0, INT64_MAX, &e);
    ASSERT_OK(q->ops->metadata(q, STR("c"), 0, a, &m, &n, &e), e);
    assert_int_equal(n, 1);
    ASSERT_STR_EQ(m[0].help, str_c(want));
    storage_querier_close(q);
    arena_free(a);
}

// What is said of the target behind the second scrape.
static enum ending ending_of(struct rig *r)
{
    struct scrape_snapshot s;
    enum ending ending = PAGE_STORED;
    struct arena *a = arena_new((size_t)1 << 20);
    scrape_snapshot_take(r->scrape, STR_EMPTY, a, &s);
    assert_int_equal(s.target_count, 1);
    const struct scrape_target_info *t = &s.targets[0];
    if (t->health != SCRAPE_UP) {
        ending = str_eq_c(t->last_reason, "storage") ? PAGE_UNSTORED : PAGE_UNREAD;
        assert_true(str_contains(t->last_error, STR("memory")) ||
                    str_contains(t->last_error, STR("cache may hold")) ||
                    str_eq_c(t->last_reason, "parse"));
    }
    assert_int_equal(rig_metric(r, "tidemark_scrape_failures_total{"), ending != PAGE_STORED);
    assert_true(rig_last(r, "up") == (ending == PAGE_STORED));
    arena_free(a);
    return ending;
}

static u64 printed_count(struct rig *r, const char *name, struct buf *all)
{
    const size_t from = all->len;
    u64 count = 0;
    rig_print(r, name, all);
    for (size_t i = from; i + 1 < all->len; i++) {
        count += all->bytes[i] == '=' && all->bytes[i + 1] != '"';
    }
    return count;
}

// All that storage has was counted as stored, and nothing else was.
static void stored_expect(struct rig *r, u64 samples)
{
    static const char *const names[] = {"scrape_duration_seconds", "scrape_samples_scraped",
                                        "scrape_samples_post_metric_relabeling",
                                        "scrape_series_added"};
    struct buf reports;
    buf_init(&reports, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        samples += printed_count(r, names[i], &reports);
    }
    buf_fini(&reports);
    assert_int_equal(rig_metric(r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"stored\"}"),
                     samples);
}

static void course_run(u64 request, const char *second, struct course *out)
{
    static const char *const names[] = {"c_total", "gone", "new_bucket", "up"};
    struct error e = {0};
    struct rig r;
    rig_init(&r, 0);
    r.content_type = "application/openmetrics-text; version=1.0.0";
    r.body = body_before;
    ASSERT_OK(rig_load(&r, JOB, &e), e);
    while (r.requests == 0) {
        rig_run(&r, 1);
    }
    r.body = second;
    alloc_fault_arm(request);
    rig_run(&r, 10000);
    alloc_fault_disarm();
    assert_int_equal(r.requests, 2);
    out->requests = alloc_fault_calls();
    out->ending = ending_of(&r);
    assert_int_equal(exemplars_count(&r, 2), out->ending == PAGE_STORED);
    help_expect(&r, out->ending == PAGE_STORED ? "Two." : "One.");
    r.body = body_after;
    rig_run(&r, 10000);
    assert_true(rig_last(&r, "up") == 1);
    assert_int_equal(exemplars_count(&r, 3), 1);
    help_expect(&r, "Two.");
    buf_init(&out->samples, 1 << 20);
    u64 count = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        count += printed_count(&r, names[i], &out->samples);
    }
    stored_expect(&r, count);
    rig_fini(&r);
}

TEST(scrape_survives_each_refused_request_for_memory)
{
    struct course stored;
    struct course unread;
    u32 endings[3] = {0};
    course_run(0, body_refused, &stored);
    course_run(0, body_broken, &unread);
    assert_int_equal(stored.ending, PAGE_STORED);
    assert_int_equal(unread.ending, PAGE_UNREAD);
    for (u64 n = 1; n <= stored.requests; n++) {
        struct course c;
        course_run(n, body_refused, &c);
        endings[c.ending]++;
        // What could not be stored ends the series of the page before, as what could not be read.
        ASSERT_STR_EQ(buf_get(&c.samples),
                      buf_get(c.ending == PAGE_STORED ? &stored.samples : &unread.samples));
        buf_fini(&c.samples);
    }
    assert_true(endings[PAGE_UNREAD] > 2 && endings[PAGE_UNSTORED] > 2);
    printf("# %llu requests refused: %u stored, %u unread, %u unstored\n",
           (unsigned long long)stored.requests, endings[PAGE_STORED], endings[PAGE_UNREAD],
           endings[PAGE_UNSTORED]);
    buf_fini(&stored.samples);
    buf_fini(&unread.samples);
}

// One line of a page must not take all that the whole may use, copy by copy: what passes the arena
// aborts.
TEST(scrape_refuses_a_line_that_is_larger_than_a_page_may_be)
{
    static const struct {
        const char *before;
        const char *after;
    } lines[] = {
        {"# HELP a ", "\na 1\n"},
        {"a{x=\"", "\"} 1\n"},
        {"a", " 1\n"},
    };
    const size_t bytes = SCRAPE_RUN_BYTES_MAX / 64;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct error e = {0};
        struct rig r;
        struct buf body;
        buf_init(&body, bytes * 2);
        buf_c(&body, lines[i].before);
        for (size_t k = 0; k < bytes / 64; k++) {
            buf_c(&body, "0123456789012345678901234567890123456789012345678901234567890123");
        }
        buf_c(&body, lines[i].after);
        buf_byte(&body, '\0');
        rig_init(&r, 0);
        r.body = body.bytes;
        ASSERT_OK(rig_load(&r, JOB, &e), e);
        while (r.requests == 0) {
            rig_run(&r, 1);
        }
        assert_int_equal(ending_of(&r), PAGE_UNREAD);
        assert_int_equal(rig_metric(&r, "tidemark_scrape_failures_total{job=\"j\",reason=\"memory"),
                         1);
        r.body = "# HELP a A.\na 2\n";
        rig_run(&r, 10000);
        assert_true(rig_last(&r, "up") == 1 && rig_last(&r, "a") == 2);
        rig_fini(&r);
        buf_fini(&body);
    }
}

// What a page had is believed once it is stored, and its series end when it is not: with it, or,
// where not even that can be written, with the next one that can.
TEST(scrape_ends_the_series_before_a_page_that_is_refused_at_commit)
{
    for (u32 refusals = 1; refusals <= 2; refusals++) {
        const bool told = refusals == 1; // The second commit has up and the markers alone.
        struct error e = {0};
        struct rig r;
        rig_init(&r, 0);
        r.body = "a 1\nb 1\nc 1 1700000000000\n";
        ASSERT_OK(rig_load(&r, JOB, &e), e);
        while (r.requests == 0) {
            rig_run(&r, 1);
        }
        r.body = "a 2\nb 2\nc 2\nnew 2\n";
        memstore_refuse(r.store, refusals);
        rig_run(&r, 10000);
        assert_true(rig_last(&r, "up") == !told);
        assert_int_equal(rig_metric(&r, "tidemark_scrape_failures_total{"), 1);
        r.body = "a 3\nc 3\n";
        rig_run(&r, 10000);
        r.body = "a 4\n";
        rig_run(&r, 10000);
        const str labels = STR("{instance=\"h:1\", job=\"j\"}");
        struct buf want;
        buf_init(&want, 1 << 10);
        buf_printf(&want, "a%.*s 0=1%s 20=3 30=4\n", STR_ARG(labels), told ? " 10=stale" : "");
        buf_byte(&want, '\0');
        rig_expect(&r, "a", want.bytes);
        buf_clear(&want);
        buf_printf(&want, "b%.*s 0=1 %s=stale\n", STR_ARG(labels), told ? "10" : "20");
        buf_byte(&want, '\0');
        rig_expect(&r, "b", want.bytes);
        buf_fini(&want);
        // With a time of its own until a page that has it without one is stored.
        rig_expect(&r, "c", "c{instance=\"h:1\", job=\"j\"} 0=1 20=3 30=stale\n");
        assert_int_equal(rig_series(&r, "new"), 0);
        rig_fini(&r);
    }
}
