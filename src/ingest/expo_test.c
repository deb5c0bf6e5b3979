#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "base/test.h"
#include "ingest/ingest.h"

// The page as one line per entry, or the error.
static void expect_page(enum expo_format format, const char *page, const char *want)
{
    struct arena *a = arena_new(1 << 20);
    struct buf out;
    buf_init(&out, 1 << 16);
    struct expo *x = expo_open(str_c(page), format);
    struct expo_entry en;
    struct error e = {0};
    bool ok = true;
    while (ok && expo_next(x, &en)) {
        struct labels ls;
        switch (en.kind) {
        case EXPO_SAMPLE:
            ok = expo_labels(x, &en, a, &ls, NULL, &e);
            if (ok) {
                char text[NUM_TEXT_MAX];
                labels_print(&out, ls);
                buf_byte(&out, ' ');
                buf_add(&out, text, num_go(text, en.value));
                if (en.has_t) {
                    buf_printf(&out, " @%lld", (long long)en.t_ms);
                }
                buf_c(&out, en.is_created ? " created" : "");
                if (en.has_exemplar) {
                    buf_c(&out, " # ");
                    labels_print(&out, en.exemplar.labels);
                    buf_byte(&out, ' ');
                    buf_add(&out, text, num_go(text, en.exemplar.value));
                }
                buf_byte(&out, '\n');
            }
            break;
        case EXPO_TYPE:
            buf_printf(&out, "T %.*s %s\n", STR_ARG(en.family), metric_type_text(en.type));
            break;
        case EXPO_HELP:
        case EXPO_UNIT:
            buf_printf(&out, "%s %.*s %.*s\n", en.kind == EXPO_HELP ? "H" : "U", STR_ARG(en.family),
                       STR_ARG(en.text));
            break;
        case EXPO_COMMENT:
            break;
        }
    }
    struct error last = {0};
    if (!expo_close(x, NULL, &last) || !ok) {
        ASSERT_STR_EQ(str_c(ok ? last.text : e.text), str_c(want));
    } else {
        ASSERT_STR_EQ(buf_get(&out), str_c(want));
    }
    buf_fini(&out);
    arena_free(a);
}

TEST(expo_text_reads_what_exporters_write)
{
    expect_page(EXPO_TEXT,
                "# HELP http_requests_total The \\\\ total\\nof requests.\n"
                "# TYPE http_requests_total counter\n"
                "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
                "\n"
                "  spaced { a = \"b\" , } \t 4 \n"
                "esc{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"a \\\"b\\\"\\n\"} 1.458255915e9\n"
                "no_labels 12.47\n"
                "weird{problem=\"division by zero\"} +Inf -3982045\n"
                "nan_value NaN\n"
                "{\"metric.name\",\"label.x\"=\"v\"} 1\n"
                "empty{a=\"\"} 1",
                "H http_requests_total The \\ total\nof requests.\n"
                "T http_requests_total counter\n"
                "http_requests_total{code=\"200\", method=\"post\"} 1027 @1395066363000\n"
                "spaced{a=\"b\"} 4\n"
                "esc{error=\"a \\\"b\\\"\\n\", path=\"C:\\\\DIR\\\\FILE.TXT\"} 1.458255915e+09\n"
                "no_labels 12.47\n"
                "weird{problem=\"division by zero\"} +Inf @-3982045\n"
                "nan_value NaN\n"
                "{\"metric.name\", \"label.x\"=\"v\"} 1\n"
                "empty 1\n");
}

TEST(expo_text_makes_bucket_bounds_floats)
{
    expect_page(EXPO_TEXT,
                "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"1\"} 1\n"
                "# TYPE g gauge\ng{le=\"1\"} 1\n",
                "T h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                "T s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"1.0\"} 1\n"
                "T g gauge\ng{le=\"1\"} 1\n");
}

// A page may say a type and go on with another family. Upstream, too, asks the last TYPE line only:
// the series have to be the same ones here and there.
TEST(expo_text_makes_bounds_floats_by_the_last_type_whatever_the_family)
{
    expect_page(EXPO_TEXT,
                "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nother{le=\"1\",quantile=\"1\"} 2\n"
                "# TYPE u untyped\nh_bucket{le=\"2\"} 1\n",
                "T h histogram\nh_bucket{le=\"1.0\"} 1\n"
                "other{le=\"1.0\", quantile=\"1\"} 2\n"
                "T u unknown\nh_bucket{le=\"2\"} 1\n");
}

TEST(expo_text_takes_half_a_keyword_line_for_a_comment)
{
    expect_page(EXPO_TEXT, "# HELP\n# TYPE\n# HELP \n#TYPE a nonsense\n#HELP\n#\n# \na 1\n",
                "a 1\n");
}

TEST(expo_reads_escaped_names_of_families)
{
    static const char want[] = "T a\"b counter\nH a\"b help\n{\"a\\\"b\"} 1\n";
    expect_page(EXPO_TEXT, "# TYPE \"a\\\"b\" counter\n# HELP \"a\\\"b\" help\n{\"a\\\"b\"} 1\n",
                want);
    expect_page(EXPO_OPENMETRICS,
                "# TYPE \"a\\\"b\" counter\n# HELP \"a\\\"b\" help\n{\"a\\\"b\"} 1\n# EOF\n", want);
    expect_page(EXPO_TEXT, "# TYPE \"a\\\" counter\n",
                "line 1: the metric name has no closing quote, got \"\"a\\\" counter\"");
}

TEST(expo_text_refuses_broken_lines_by_number)
{
    expect_page(EXPO_TEXT, "a 1\nb{c=\"d 1\n",
                "line 2: the string of a label has no closing quote, "
                "got \"b{c=\"d 1\"");
    expect_page(EXPO_TEXT, "a one\n", "line 1: invalid value, got \"one\"");
    expect_page(EXPO_TEXT, "a 1_000\n", "line 1: invalid value, got \"1_000\"");
    expect_page(EXPO_TEXT, "a 1 2 3\n",
                "line 1: expected the end of the line after the timestamp, got \"3\"");
    expect_page(EXPO_TEXT, "a 1 1.5\n", "line 1: invalid timestamp, got \"1.5\"");
    expect_page(EXPO_TEXT, "{a=\"b\"} 1\n", "line 1: the series has no metric name");
    expect_page(EXPO_TEXT, "a{b=\"c\" d=\"e\"} 1\n", "line 1: expected , or } after label \"b\"");
    expect_page(EXPO_TEXT, "a{b=\"c\",b=\"d\"} 1\n", "line 1: label name \"b\" is not unique");
    expect_page(EXPO_TEXT, "a{b=\"\xff\"} 1\n", "line 1: invalid UTF-8 label value");
    expect_page(EXPO_TEXT, "# TYPE a nothing\n", "line 1: invalid metric type, got \"nothing\"");
    expect_page(EXPO_TEXT, "\n\na\n", "line 3: expected a value after the series");
    expect_page(EXPO_TEXT, "9a 1\n", "line 1: expected a metric name, got \"9a 1\"");
}

TEST(expo_openmetrics_reads_units_created_and_exemplars)
{
    expect_page(
        EXPO_OPENMETRICS,
        "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Say \\\"hi\\\".\n"
        "a_seconds_total{x=\"y\"} 5 1520879607.789 # {trace_id=\"ab\"} 0.5 1520879607.7\n"
        "a_seconds_created{x=\"y\"} 1520872607.123\n"
        "# TYPE b unknown\nb 1\n# EOF\n",
        "T a_seconds counter\nU a_seconds seconds\nH a_seconds Say \"hi\".\n"
        "a_seconds_total{x=\"y\"} 5 @1520879607789 # {trace_id=\"ab\"} 0.5\n"
        "a_seconds_created{x=\"y\"} 1.520872607123e+09 created\n"
        "T b unknown\nb 1\n");
}

TEST(expo_openmetrics_is_strict)
{
    expect_page(EXPO_OPENMETRICS, "a 1\n", "line 1: the page does not end with # EOF");
    expect_page(EXPO_OPENMETRICS, "", "line 0: the page does not end with # EOF");
    expect_page(EXPO_OPENMETRICS, "a 1\n# EOF\nb 1\n",
                "line 3: unexpected text after # EOF, got \"b 1\"");
    expect_page(EXPO_OPENMETRICS, "a 1\n\n# EOF\n", "line 2: an empty line is not allowed");
    expect_page(EXPO_OPENMETRICS, "a  1\n# EOF\n", "line 1: invalid value");
    expect_page(EXPO_OPENMETRICS, "# TYPE a untyped\n# EOF\n",
                "line 1: invalid metric type, got \"untyped\"");
    expect_page(EXPO_OPENMETRICS, "# UNIT a_x seconds\n# EOF\n",
                "line 1: unit is not a suffix of its metric name, got \"seconds\"");
    expect_page(EXPO_OPENMETRICS, "a 1 1 # {b=\"c\"} x\n# EOF\n", "line 1: invalid exemplar value");
    expect_page(EXPO_OPENMETRICS, "# comment\n# EOF\n",
                "line 1: expected HELP, TYPE, UNIT or EOF after #, got \"comment\"");
}

TEST(expo_never_hands_out_the_staleness_marker)
{
    struct expo *x = expo_open(STR("a nan\n"), EXPO_TEXT);
    struct expo_entry en;
    assert_true(expo_next(x, &en));
    assert_false(is_stale_nan(en.value));
    assert_true(expo_close(x, NULL, NULL));
}

// Each sample's series, type and unit.
static void expect_schema(enum expo_format format, const char *page, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    struct arena *a = arena_new(1 << 20);
    struct expo *x = expo_open(str_c(page), format);
    struct expo_entry en;
    struct error e = {0};
    while (expo_next(x, &en)) {
        enum metric_type type;
        struct labels ls;
        str unit;
        if (en.kind == EXPO_SAMPLE) {
            ASSERT_OK(expo_labels(x, &en, a, &ls, NULL, &e), e);
            expo_schema(x, labels_get(ls, LABEL_NAME), &type, &unit);
            buf_printf(&out, "%.*s %s %.*s\n", STR_ARG(en.series), metric_type_text(type),
                       STR_ARG(unit));
        }
    }
    ASSERT_OK(expo_close(x, NULL, &e), e);
    ASSERT_STR_EQ(buf_get(&out), str_c(want));
    arena_free(a);
    buf_fini(&out);
}

TEST(expo_tells_type_and_unit_of_the_family_alone)
{
    expect_schema(EXPO_TEXT,
                  "# TYPE a counter\na 1\na_total 1\nab 1\n# TYPE h histogram\n"
                  "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\nh_created 1\na 2\n"
                  "# TYPE \"x.y\" gauge\n{\"x.y\"} 1\n# TYPE u untyped\nu 1\n",
                  "a counter \na_total counter \nab unknown \nh_bucket{le=\"1\"} histogram \n"
                  "h_sum histogram \nh_count histogram \nh_created unknown \na unknown \n"
                  "{\"x.y\"} gauge \nu unknown \n");
    expect_schema(
        EXPO_OPENMETRICS,
        "# UNIT s_seconds seconds\n# TYPE s_seconds summary\ns_seconds{quantile=\"1\"} 1\n"
        "s_seconds_sum 1\n# TYPE b gauge\nb 1\n# TYPE c_bytes unknown\n"
        "# UNIT c_bytes bytes\nc_bytes 1\n# TYPE t info\nt_info 1\n"
        "# TYPE g gaugehistogram\ng_gsum 1\n# TYPE z stateset\nz{z=\"on\"} 1\n# EOF\n",
        "s_seconds{quantile=\"1\"} summary seconds\ns_seconds_sum summary seconds\n"
        "b gauge \nc_bytes unknown bytes\nt_info info \ng_gsum gaugehistogram \n"
        "z{z=\"on\"} stateset \n");
}

TEST(expo_formats_come_from_the_content_type)
{
    assert_int_equal(expo_format_of(STR("text/plain; version=0.0.4")), EXPO_TEXT);
    assert_int_equal(expo_format_of(STR("Text/Plain")), EXPO_TEXT);
    assert_int_equal(expo_format_of(STR("application/openmetrics-text; version=1.0.0")),
                     EXPO_OPENMETRICS);
    assert_int_equal(expo_format_of(STR("text/html")), EXPO_NONE);
    assert_int_equal(expo_format_of(STR_EMPTY), EXPO_NONE);
}
