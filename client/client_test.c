// client_test.c: registration, label sets, values and the two formats, as a user sees them.
#include "base/test.h"
#include "client/client_test_page.h"
#include "client/tmk_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double client_header_check_c(struct tmk_registry *r);
double client_header_check_cxx(struct tmk_registry *r);

bool page_write(void *ctx, const char *bytes, size_t n)
{
    struct page *p = ctx;
    size_t most = p->bytes_max ? p->bytes_max : sizeof(p->text) - 1;
    if (p->n + n > most) {
        return false;
    }
    memcpy(p->text + p->n, bytes, n);
    p->n += n;
    p->text[p->n] = '\0';
    return true;
}

const char *page_get(struct page *p, struct tmk_registry *r, enum tmk_format format)
{
    memset(p, 0, sizeof(*p));
    assert_true(tmk_expose(r, format, page_write, p));
    return p->text;
}

static struct page page;

static void assert_page_has(struct tmk_registry *r, enum tmk_format format, const char *want)
{
    const char *text = page_get(&page, r, format);
    if (!strstr(text, want)) {
        fail_msg("\"%s\" is not in:\n%s", want, text);
    }
}

static void assert_page_lacks(struct tmk_registry *r, const char *unwanted)
{
    const char *text = page_get(&page, r, TMK_TEXT);
    if (strstr(text, unwanted)) {
        fail_msg("\"%s\" is in:\n%s", unwanted, text);
    }
}

static struct tmk_family *family_make(struct tmk_registry *r, enum tmk_kind kind, const char *name,
                                      size_t children_max)
{
    static const char *const labels[] = {"path", "code"};
    struct tmk_error e = {""};
    struct tmk_desc d = {.kind = kind,
                         .name = name,
                         .help = "H.",
                         .labels = labels,
                         .label_count = 2,
                         .children_max = children_max};
    struct tmk_family *f = tmk_family_register(r, &d, &e);
    if (!f) {
        fail_msg("%s", e.text);
    }
    return f;
}

TEST(client_header_serves_c99_and_cxx)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    assert_true(client_header_check_c(r) == 2);
    assert_true(client_header_check_cxx(r) == 2.5);
    tmk_registry_free(r);
}

TEST(client_counter_joins_whole_and_fraction)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_counter *c = tmk_counter_register(r, "a_total", "A.", NULL);
    tmk_counter_inc(c);
    tmk_counter_add(c, 41);
    assert_page_has(r, TMK_TEXT, "\na_total 42\n");
    tmk_counter_add_double(c, 0.25);
    assert_true(tmk_counter_get(c) == 42.25);
    assert_page_has(r, TMK_TEXT, "\na_total 42.25\n");
    tmk_counter_add_double(c, -1);
    tmk_counter_add_double(c, NAN);
    tmk_counter_add_double(c, INFINITY);
    assert_true(tmk_counter_get(c) == 42.25);
    assert_page_has(r, TMK_TEXT, "\ntidemark_client_values_refused_total 3\n");
    tmk_registry_free(r);
}

TEST(client_gauge_sets_and_adds)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_gauge *g = tmk_gauge_register(r, "level", "L.", NULL);
    tmk_gauge_set(g, -1.5);
    tmk_gauge_add(g, 0.5);
    assert_true(tmk_gauge_get(g) == -1);
    assert_page_has(r, TMK_TEXT, "\nlevel -1\n");
    tmk_gauge_set(g, INFINITY);
    assert_page_has(r, TMK_TEXT, "\nlevel +Inf\n");
    tmk_gauge_set(g, NAN);
    assert_page_has(r, TMK_TEXT, "\nlevel NaN\n");
    tmk_registry_free(r);
}

TEST(client_histogram_buckets_are_closed_above)
{
    static const double bounds[] = {-1, 0.5, 2};
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_histogram *h = tmk_histogram_register(r, "h_seconds", "H.", bounds, 3, NULL);
    static const double seen[] = {-INFINITY, -1, -0.999, 0.5, 0.5000001, 2, 2.5};
    for (size_t i = 1; i < ARRAY_LEN(seen); i++) {
        tmk_histogram_observe(h, seen[i]);
    }
    tmk_histogram_observe(h, NAN);
    assert_page_has(r, TMK_TEXT,
                    "h_seconds_bucket{le=\"-1\"} 1\nh_seconds_bucket{le=\"0.5\"} 3\n"
                    "h_seconds_bucket{le=\"2\"} 5\nh_seconds_bucket{le=\"+Inf\"} 6\n");
    assert_page_has(r, TMK_TEXT, "\nh_seconds_count 6\n");
    assert_page_has(r, TMK_OPENMETRICS, "h_seconds_bucket{le=\"-1.0\"} 1\n");
    assert_page_has(r, TMK_OPENMETRICS, "h_seconds_bucket{le=\"2.0\"} 5\n");
    assert_int_equal(tmk_histogram_count(h), 6);
    tmk_histogram_observe(h, seen[0]);
    tmk_histogram_observe(h, INFINITY);
    assert_true(isnan(tmk_histogram_sum(h)));
    assert_int_equal(tmk_histogram_count(h), 8);
    tmk_registry_free(r);
}

TEST(client_histogram_takes_what_was_counted_elsewhere)
{
    static const double bounds[] = {1, 2};
    static const uint64_t counts[] = {2, 0, 3};
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_histogram *h = tmk_histogram_register(r, "h_seconds", "H.", bounds, 2, NULL);
    tmk_histogram_observe(h, 1.5);
    tmk_histogram_add(h, counts, 3, 20.5);
    tmk_histogram_add(h, counts, 2, 1);   // Not its buckets.
    tmk_histogram_add(h, counts, 3, NAN); // No sum.
    tmk_histogram_add(NULL, counts, 3, 1);
    assert_page_has(r, TMK_TEXT,
                    "h_seconds_bucket{le=\"1\"} 2\nh_seconds_bucket{le=\"2\"} 3\n"
                    "h_seconds_bucket{le=\"+Inf\"} 6\nh_seconds_sum 22\nh_seconds_count 6\n");
    tmk_registry_free(r);
}

TEST(client_text_page_is_exact)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    static const char *const labels[] = {"path"};
    struct tmk_desc d = {.kind = TMK_COUNTER,
                         .name = "rx_bytes_total",
                         .help = "A \\ and\na \"line\".",
                         .unit = "bytes",
                         .labels = labels,
                         .label_count = 1};
    struct tmk_family *f = tmk_family_register(r, &d, NULL);
    tmk_counter_add(tmk_counter_with(f, TMK_VALUES("C:\\\"x\"\n")), 7);
    tmk_counter_add(tmk_counter_with(f, TMK_VALUES("\xc3\xa9")), 1);
    tmk_counter_add(tmk_counter_with(f, TMK_VALUES("")), 2);
    const char *tail_text =
        "# HELP tidemark_client_label_sets_dropped_total Look-ups answered by the overflow series: "
        "family full, or label set invalid.\n"
        "# TYPE tidemark_client_label_sets_dropped_total counter\n"
        "tidemark_client_label_sets_dropped_total{family=\"rx_bytes_total\"} 0\n"
        "# HELP tidemark_client_values_refused_total Observations refused: NaN, or a counter asked "
        "to fall.\n"
        "# TYPE tidemark_client_values_refused_total counter\n"
        "tidemark_client_values_refused_total 0\n";
    char want[4096];
    snprintf(want, sizeof(want),
             "# HELP rx_bytes_total A \\\\ and\\na \"line\".\n# TYPE rx_bytes_total counter\n"
             "rx_bytes_total{path=\"C:\\\\\\\"x\\\"\\n\"} 7\nrx_bytes_total{path=\"\xc3\xa9\"} 1\n"
             "rx_bytes_total{path=\"\"} 2\n%s",
             tail_text);
    assert_string_equal(page_get(&page, r, TMK_TEXT), want);
    const char *om = page_get(&page, r, TMK_OPENMETRICS);
    const char *om_head = "# HELP rx_bytes A \\\\ and\\na \\\"line\\\".\n# TYPE rx_bytes counter\n"
                          "# UNIT rx_bytes bytes\nrx_bytes_total{path=\"C:\\\\\\\"x\\\"\\n\"} 7\n";
    assert_memory_equal(om, om_head, strlen(om_head));
    assert_non_null(strstr(om, "# TYPE tidemark_client_values_refused counter\n"));
    assert_string_equal(om + strlen(om) - 6, "# EOF\n");
    tmk_registry_free(r);
}

TEST(client_created_lines_only_on_demand)
{
    struct tmk_opts opts = {.created = true};
    struct tmk_registry *r = tmk_registry_new(&opts);
    (void)tmk_counter_register(r, "a_total", "A.", NULL);
    (void)tmk_gauge_register(r, "b", "B.", NULL);
    assert_page_has(r, TMK_OPENMETRICS, "\na_created 1");
    assert_null(strstr(page.text, "b_created"));
    assert_page_lacks(r, "_created");
    tmk_registry_free(r);
}

TEST(client_full_family_overflows_and_counts)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_family *f = family_make(r, TMK_COUNTER, "hits_total", 2);
    struct tmk_counter *a = tmk_counter_with(f, TMK_VALUES("/a", "200"));
    struct tmk_counter *b = tmk_counter_with(f, TMK_VALUES("/b", "200"));
    assert_ptr_not_equal(a, b);
    assert_page_lacks(r, TMK_OVERFLOW);
    struct tmk_counter *c = tmk_counter_with(f, TMK_VALUES("/c", "200"));
    assert_ptr_equal(c, tmk_counter_with(f, TMK_VALUES("/d", "500")));
    assert_ptr_equal(a, tmk_counter_with(f, TMK_VALUES("/a", "200")));
    tmk_counter_add(c, 5);
    assert_page_has(r, TMK_TEXT, "hits_total{path=\"__overflow__\",code=\"__overflow__\"} 5\n");
    assert_page_has(r, TMK_TEXT, "label_sets_dropped_total{family=\"hits_total\"} 2\n");
    tmk_registry_free(r);
}

TEST(client_invalid_label_sets_overflow)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_family *f = family_make(r, TMK_GAUGE, "g", 10);
    static char longest[TMK_VALUE_BYTES_MAX + 2];
    memset(longest, 'x', TMK_VALUE_BYTES_MAX);
    struct tmk_gauge *fits = tmk_gauge_with(f, TMK_VALUES(longest, ""));
    longest[TMK_VALUE_BYTES_MAX] = 'x';
    struct tmk_gauge *over = tmk_gauge_with(f, TMK_VALUES(longest, ""));
    assert_ptr_not_equal(fits, over);
    assert_ptr_equal(over, tmk_gauge_with(f, TMK_VALUES("one")));
    assert_ptr_equal(over, tmk_gauge_with(f, NULL, 2));
    assert_ptr_equal(over, tmk_gauge_with(f, TMK_VALUES("a", NULL)));
    static const char *const bad[] = {"\xff",     "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xe2\x82", "ok\x80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_ptr_equal(over, tmk_gauge_with(f, TMK_VALUES(bad[i], "")));
    }
    assert_page_has(r, TMK_TEXT, "label_sets_dropped_total{family=\"g\"} 10\n");
    // Joined values must not be mistaken for one another.
    assert_ptr_not_equal(tmk_gauge_with(f, TMK_VALUES("ab", "c")),
                         tmk_gauge_with(f, TMK_VALUES("a", "bc")));
    tmk_registry_free(r);
}

TEST(client_registry_bounds_families_and_series)
{
    struct tmk_opts opts = {.families_max = 2, .series_max = 5};
    struct tmk_registry *r = tmk_registry_new(&opts);
    struct tmk_family *f = family_make(r, TMK_COUNTER, "a_total", 100);
    struct tmk_counter *last = NULL;
    for (int i = 0; i < 10; i++) {
        char name[12];
        snprintf(name, sizeof(name), "%d", i);
        last = tmk_counter_with(f, TMK_VALUES(name, ""));
    }
    assert_page_has(r, TMK_TEXT, "label_sets_dropped_total{family=\"a_total\"} 6\n");
    assert_string_equal(((struct tmk_child *)last)->key, TMK_OVERFLOW);
    struct tmk_error e = {""};
    assert_null(tmk_counter_register(r, "b_total", "B.", &e));
    assert_non_null(strstr(e.text, "series_max 5"));
    tmk_registry_free(r);
}

TEST(client_bad_descriptions_are_refused_by_name)
{
    static const char *const le[] = {"le"};
    static const char *const reserved[] = {"__name__"};
    static const char *const twice[] = {"a", "a"};
    static const double falling[] = {1, 1};
    static const double infinite[] = {1, INFINITY};
    static const double one[] = {1};
    static const struct {
        struct tmk_desc d;
        const char *says;
    } cases[] = {
        {{TMK_COUNTER, NULL, "H", NULL, NULL, 0, 0, NULL, 0}, "not a metric name"},
        {{TMK_COUNTER, "", "H", NULL, NULL, 0, 0, NULL, 0}, "not a metric name"},
        {{TMK_COUNTER, "0a_total", "H", NULL, NULL, 0, 0, NULL, 0}, "not a metric name"},
        {{TMK_COUNTER, "a-b_total", "H", NULL, NULL, 0, 0, NULL, 0}, "not a metric name"},
        {{TMK_COUNTER, "a", "H", NULL, NULL, 0, 0, NULL, 0}, "end in _total"},
        {{TMK_COUNTER, "_total", "H", NULL, NULL, 0, 0, NULL, 0}, "end in _total"},
        {{TMK_GAUGE, "a_total", "H", NULL, NULL, 0, 0, NULL, 0}, "end in _total"},
        {{TMK_GAUGE, "a", NULL, NULL, NULL, 0, 0, NULL, 0}, "help must be"},
        {{TMK_GAUGE, "a", "\xff", NULL, NULL, 0, 0, NULL, 0}, "help must be"},
        {{TMK_GAUGE, "a", "H", "bytes", NULL, 0, 0, NULL, 0}, "end in its unit"},
        {{TMK_GAUGE, "bytes", "H", "bytes", NULL, 0, 0, NULL, 0}, "end in its unit"},
        {{TMK_GAUGE, "a", "H", NULL, NULL, 1, 0, NULL, 0}, "not a label name"},
        {{TMK_GAUGE, "a", "H", NULL, reserved, 1, 0, NULL, 0}, "not a label name"},
        {{TMK_GAUGE, "a", "H", NULL, twice, 2, 0, NULL, 0}, "twice"},
        {{TMK_GAUGE, "a", "H", NULL, twice, 17, 0, NULL, 0}, "at most 16"},
        {{TMK_GAUGE, "a", "H", NULL, twice, 1, 20001, NULL, 0}, "children_max"},
        {{TMK_GAUGE, "a", "H", NULL, NULL, 0, 0, one, 1}, "only a histogram"},
        {{TMK_HISTOGRAM, "a", "H", NULL, le, 1, 0, one, 1}, "\"le\" itself"},
        {{TMK_HISTOGRAM, "a", "H", NULL, NULL, 0, 0, NULL, 0}, "bounds"},
        {{TMK_HISTOGRAM, "a", "H", NULL, NULL, 0, 0, one, 129}, "bounds"},
        {{TMK_HISTOGRAM, "a", "H", NULL, NULL, 0, 0, falling, 2}, "does not rise"},
        {{TMK_HISTOGRAM, "a", "H", NULL, NULL, 0, 0, infinite, 2}, "not finite"},
        {{TMK_COUNTER, "tidemark_client_values_refused_total", "H", NULL, NULL, 0, 0, NULL, 0},
         "itself"},
    };
    struct tmk_registry *r = tmk_registry_new(NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tmk_error e = {""};
        assert_null(tmk_family_register(r, &cases[i].d, &e));
        if (!strstr(e.text, cases[i].says)) {
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, e.text, cases[i].says);
        }
    }
    assert_null(r->first);
    tmk_registry_free(r);
}

TEST(client_clashing_names_are_refused)
{
    static const double one[] = {1};
    struct tmk_registry *r = tmk_registry_new(NULL);
    assert_non_null(tmk_histogram_register(r, "h", "H.", one, 1, NULL));
    assert_non_null(tmk_counter_register(r, "c_total", "C.", NULL));
    static const char *const taken[] = {"h",         "h_bucket", "h_count",  "h_sum",
                                        "h_created", "c",        "c_created"};
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        struct tmk_error e = {""};
        assert_null(tmk_gauge_register(r, taken[i], "G.", &e));
        assert_non_null(strstr(e.text, "clashes with"));
    }
    assert_non_null(tmk_gauge_register(r, "c_count", "G.", NULL));
    assert_non_null(tmk_gauge_register(r, "hh", "G.", NULL));
    tmk_registry_free(r);
}

TEST(client_same_description_answers_same_family)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_family *f = family_make(r, TMK_COUNTER, "a_total", 10);
    assert_ptr_equal(f, family_make(r, TMK_COUNTER, "a_total", 10));
    assert_null(tmk_counter_register(r, "a_total", "Without labels.", NULL));
    tmk_registry_free(r);
}

TEST(client_null_measures_nothing_and_harms_nothing)
{
    struct tmk_error e = {""};
    assert_null(tmk_counter_register(NULL, "a_total", "A.", &e));
    assert_string_not_equal(e.text, "");
    tmk_counter_inc(NULL);
    tmk_counter_add(NULL, 1);
    tmk_counter_add_double(NULL, 1);
    tmk_gauge_set(NULL, 1);
    tmk_gauge_add(NULL, 1);
    tmk_histogram_observe(NULL, 1);
    assert_true(tmk_counter_get(NULL) == 0 && tmk_gauge_get(NULL) == 0);
    assert_int_equal(tmk_histogram_count(NULL), 0);
    assert_true(tmk_histogram_sum(NULL) == 0);
    assert_false(tmk_gauge_fn(NULL, "a", "A.", NULL, NULL, NULL));
    assert_false(tmk_process_register(NULL, NULL));
    assert_false(tmk_expose(NULL, TMK_TEXT, page_write, &page));
    tmk_fn_remove(NULL, NULL);
    tmk_registry_free(NULL);
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_family *f = family_make(r, TMK_GAUGE, "g", 1);
    assert_null(tmk_counter_with(f, TMK_VALUES("a", "b"))); // another kind
    tmk_registry_free(r);
}

struct pool {
    double size;
    int looks;
};

static double pool_size(void *ctx)
{
    return ((struct pool *)ctx)->size;
}

static void pool_look(void *ctx)
{
    ((struct pool *)ctx)->looks++;
}

TEST(client_callbacks_answer_until_removed)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct pool p = {.size = 3};
    struct pool q = {.size = 4};
    assert_true(tmk_gauge_fn(r, "pool_size", "P.", pool_size, &p, NULL));
    assert_true(tmk_counter_fn(r, "pool_grown_total", "P.", pool_size, &q, NULL));
    assert_true(tmk_hook_register(r, pool_look, &p, NULL));
    struct tmk_family *f = family_make(r, TMK_GAUGE, "pools", 1);
    assert_true(tmk_family_fn(f, TMK_VALUES("a", "b"), pool_size, &p, NULL));
    struct tmk_error e = {""};
    assert_false(tmk_family_fn(f, TMK_VALUES("a", "c"), pool_size, &p, &e));
    assert_non_null(strstr(e.text, "children_max 1"));
    assert_page_has(r, TMK_TEXT, "\npool_size 3\n");
    assert_page_has(r, TMK_TEXT, "\npools{path=\"a\",code=\"b\"} 3\n");
    assert_int_equal(p.looks, 2);
    p.size = NAN;
    assert_page_lacks(r, "\npool_size ");
    p.size = 5;
    tmk_fn_remove(r, &p);
    assert_page_lacks(r, "\npool_size ");
    assert_int_equal(p.looks, 3);
    assert_page_has(r, TMK_TEXT, "\npool_grown_total 4\n");
    assert_true(tmk_gauge_fn(r, "pool_size", "P.", pool_size, &q, NULL));
    assert_page_has(r, TMK_TEXT, "\npool_size 4\n");
    tmk_registry_free(r);
}

TEST(client_hooks_are_bounded)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct pool p = {0};
    for (int i = 0; i < TMK_HOOKS_MAX; i++) {
        assert_true(tmk_hook_register(r, pool_look, &p, NULL));
    }
    struct tmk_error e = {""};
    assert_false(tmk_hook_register(r, pool_look, &p, &e));
    assert_string_equal(e.text, "64 hooks are registered already");
    tmk_registry_free(r);
}

TEST(client_failed_write_ends_the_page)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_family *f = family_make(r, TMK_COUNTER, "a_total", 1000);
    for (int i = 0; i < 1000; i++) {
        char name[12];
        snprintf(name, sizeof(name), "%d", i);
        tmk_counter_inc(tmk_counter_with(f, TMK_VALUES(name, "")));
    }
    memset(&page, 0, sizeof(page));
    page.bytes_max = 10000;
    assert_false(tmk_expose(r, TMK_TEXT, page_write, &page));
    assert_true(page.n <= 10000);
    tmk_registry_free(r);
}

TEST(client_process_metrics_are_plausible)
{
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_error e = {""};
    ASSERT_OK(tmk_process_register(r, &e), e);
    ASSERT_OK(tmk_process_register(r, &e), e); // a second time changes nothing
    const char *text = page_get(&page, r, TMK_TEXT);
    static const struct {
        const char *line;
        double low;
        double high;
    } cases[] = {
        {"\nprocess_cpu_seconds_total ", 0, 1e5},
        {"\nprocess_resident_memory_bytes ", 1e5, 1e11},
        {"\nprocess_virtual_memory_bytes ", 1e5, 1e15},
        {"\nprocess_open_fds ", 3, 1e6},
        {"\nprocess_max_fds ", 3, 1e10},
        {"\nprocess_threads ", 1, 1e4},
        {"\nprocess_start_time_seconds ", 1.6e9, 1e10},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *at = strstr(text, cases[i].line);
        assert_non_null(at);
        double v = strtod(at + strlen(cases[i].line), NULL);
        if (!(v >= cases[i].low && v <= cases[i].high)) {
            fail_msg("%s%g", cases[i].line + 1, v);
        }
    }
    tmk_registry_free(r);
}

TEST(client_accept_header_decides_the_format)
{
    static const struct {
        const char *accept;
        enum tmk_format want;
    } cases[] = {
        {NULL, TMK_TEXT},
        {"", TMK_TEXT},
        {"*/*", TMK_TEXT},
        {"application/openmetrics-text", TMK_OPENMETRICS},
        {"Application/OpenMetrics-Text ; version=1.0.0", TMK_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version="
         "0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
         TMK_OPENMETRICS},
        {"text/plain;version=0.0.4;q=0.9, application/openmetrics-text;version=1.0.0;q=0.75",
         TMK_TEXT},
        {"application/openmetrics-text;version=2.0.0", TMK_TEXT},
        {"application/openmetrics-text;version=1.0.00", TMK_TEXT},
        {"application/openmetrics-textual", TMK_TEXT},
        {"application/openmetrics-text;q=0", TMK_TEXT},
        {"application/openmetrics-text;q=", TMK_TEXT},
        {"application/openmetrics-text;q=0.", TMK_TEXT},
        {",,, ,", TMK_TEXT},
        {";q=1;version", TMK_TEXT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (tmk_format_accepted(cases[i].accept) != cases[i].want) {
            fail_msg("case %zu: %s", i, cases[i].accept);
        }
    }
    assert_non_null(strstr(tmk_content_type(TMK_OPENMETRICS), "version=1.0.0"));
    assert_non_null(strstr(tmk_content_type(TMK_TEXT), "version=0.0.4"));
}
