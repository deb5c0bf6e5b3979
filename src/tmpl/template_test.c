#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "tmpl/tmpl.h"

static const struct label pairs[] = {{STR("instance"), STR("web-1.example.org:9100")},
                                     {STR("job"), STR("node")}};
static const struct label device_pairs[] = {{STR("device"), STR("sdb")}};
static const struct label other_pairs[] = {{STR("device"), STR("sda")}};

static bool two_samples(UNUSED void *ctx, str expr, struct arena *a, struct tmpl_query_sample **out,
                        u32 *count, struct error *e)
{
    if (str_eq(expr, STR("broken"))) {
        return err_set(e, ERR_INVALID, "1:1: parse error");
    }
    *out = ARENA_NEW_N(a, struct tmpl_query_sample, 2);
    (*out)[0] = (struct tmpl_query_sample){{device_pairs, 1}, 2};
    (*out)[1] = (struct tmpl_query_sample){{other_pairs, 1}, 1e7};
    *count = 2;
    return true;
}

static void expect(const char *text, f64 value, const char *want)
{
    struct arena *a = arena_new(8U << 20);
    struct error e = {0};
    struct buf out;
    buf_init(&out, 1 << 16);
    const struct tmpl_data data = {.labels = {pairs, 2},
                                   .value = value,
                                   .now_ms = 1700000000000,
                                   .external_url = STR("http://tide.example.org/mark"),
                                   .query = two_samples};
    const struct tmpl *t = tmpl_compile(a, str_c(text), &e);
    if (!t || !tmpl_run(t, &data, a, &out, &e)) {
        ASSERT_STR_EQ(str_c(e.text), str_c(want));
    } else {
        ASSERT_STR_EQ(buf_get(&out), str_c(want));
    }
    buf_fini(&out);
    arena_free(a);
}

TEST(tmpl_prints_labels_and_values_as_upstream)
{
    expect("plain", 0, "plain");
    expect("{{ $labels.job }} is at {{ $value }}", 0.5, "node is at 0.5");
    expect("{{ .Labels.instance }} {{ .Value }}", 1e6, "web-1.example.org:9100 1e+06");
    expect("{{ $labels.missing }}|", 0, "|");
    expect("{{ $labels }}", 0, "map[instance:web-1.example.org:9100 job:node]");
    expect("{{ $value | printf \"%.2f\" }}%", 12.3456, "12.35%");
    expect("{{ printf \"%5.1f|%-6s|%d|%t|%q\" $value \"ab\" 7 true \"x\" }}", 2.25,
           "  2.2|ab    |7|true|\"x\"");
    expect("{{ printf \"%d\" $value }}", 3, "%!d(float64=3)");
    expect("{{ $externalURL }} {{ pathPrefix }}", 0, "http://tide.example.org/mark /mark");
    expect("{{ 3 }}{{ 1.5 }}{{ `raw\\n` }}{{ \"t\\tq\\\"\" }}", 0, "31.5raw\\nt\tq\"");
}

TEST(tmpl_humanises_digit_for_digit)
{
    expect("{{ humanize $value }}", 0, "0");
    expect("{{ humanize $value }}", 1234567, "1.235M");
    expect("{{ humanize $value }}", 0.0012, "1.2m");
    expect("{{ humanize1024 $value }}", 1048576, "1Mi");
    expect("{{ humanizeDuration $value }}", 0, "0s");
    expect("{{ humanizeDuration $value }}", 60, "1m 0s");
    expect("{{ humanizeDuration $value }}", 899999, "10d 9h 59m 59s");
    expect("{{ humanizeDuration $value }}", -86401, "-1d 0h 0m 1s");
    expect("{{ humanizeDuration $value }}", 0.1, "100ms");
    expect("{{ humanizeDuration $value }}", 12.5, "12.5s");
    expect("{{ humanizePercentage $value }}", 0.12345, "12.35%");
    expect("{{ humanizeTimestamp $value }}", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC");
    expect("{{ humanize \"1e3\" }}", 0, "1k");
}

TEST(tmpl_runs_blocks_ranges_and_variables)
{
    expect("{{ if gt $value 1.0 }}high{{ else }}low{{ end }}", 2, "high");
    expect("{{ if gt $value 1.0 }}high{{ else if eq $value 1.0 }}one{{ else }}low{{ end }}", 1,
           "one");
    expect("{{ with query \"x\" }}{{ . | first | value }}{{ end }}", 0, "2");
    expect("{{ range query \"x\" }}{{ .Labels.device }}={{ .Value }};{{ end }}", 0,
           "sdb=2;sda=1e+07;");
    expect("{{ range $i, $s := query \"x\" | sortByLabel \"device\" }}{{ $i }}{{ label \"device\" "
           "$s }} {{ end }}",
           0, "0sda 1sdb ");
    expect("{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", 0, "2");
    expect("a {{- /* gone */ -}} b {{- \"c\" }}", 0, "abc");
    expect(
        "{{ range query \"x\" }}{{ if eq .Value 2.0 }}{{ continue }}{{ end }}{{ .Value }}{{ end }}",
        0, "1e+07");
    expect("{{ (index (query \"x\") 1).Value }}", 0, "1e+07");
    expect("{{ and 1 0 }}{{ or 0 `x` }}{{ not true }}{{ len $labels }}", 0, "0xfalse2");
}

TEST(tmpl_changes_text)
{
    expect("{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}", 0, "web-1.example.org");
    expect("{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }}", 0,
           "web-1.example.org web-1:9100");
    expect("{{ toUpper \"ab\" }}{{ toLower \"AB\" }}{{ title \"ab cd\" }}", 0, "ABabAb Cd");
    expect("{{ match \"web.*\" $labels.instance }}", 0, "true");
    expect("{{ urlQueryEscape \"a b&c=\u00e9~\" }}", 0, "a+b%26c%3D%C3%A9~");
    expect("{{ graphLink \"up == 0\" }}", 0, "/graph?g0.expr=up+%3D%3D+0&g0.tab=0");
    expect("{{ parseDuration \"1h30m\" }}", 0, "5400");
}

TEST(tmpl_errors_say_where_and_what)
{
    expect("a\n{{ foo 1 }}", 0, "template: 2:4: function \"foo\" not defined");
    expect("{{ $nope }}", 0, "template: 1:4: undefined variable \"$nope\"");
    expect("{{ if true }}x", 0,
           "template: 1:11: unexpected end of the template: a block has no {{end}}");
    expect("{{ end }}", 0, "template: 1:7: unexpected {{end}} or {{else}}");
    expect("{{ humanize \"abc\" }}", 0,
           "template: 1:4: error calling humanize: can't convert the value to a number");
    expect("{{ query \"broken\" }}", 0, "template: 1:4: error calling query: 1:1: parse error");
    expect("{{ first }}", 0, "template: 1:4: wrong number of args for first: want 1 to 1, got 0");
    expect("{{ .Nope }}", 0, "template: 1:4: can't evaluate field Nope");
    expect("{{ \"open }}", 0, "template: 1:3: unclosed action");
    expect("{{ 1 | 2 }}", 0, "template: 1:8: can't give argument to a non-function");
}

TEST(tmpl_depth_and_steps_are_bounded)
{
    char deep[400];
    memset(deep, '(', sizeof(deep));
    memcpy(deep, "{{ ", 3);
    deep[sizeof(deep) - 1] = '\0';
    struct arena *a = arena_new(8U << 20);
    struct error e = {0};
    assert_null(tmpl_compile(a, str_c(deep), &e));
    assert_int_equal(e.code, ERR_INVALID);
    const struct tmpl *t = tmpl_compile(
        a,
        STR("{{ $q := query \"x\" }}{{ range $q }}{{ range $q }}{{ range $q }}{{ range $q }}{{ "
            "range "
            "$q }}{{ range $q }}{{ range $q }}{{ range $q }}{{ range $q }}{{ range $q }}{{ range "
            "$q "
            "}}{{ range $q }}{{ range $q }}{{ range $q }}{{ range $q }}{{ range $q }}{{ range $q "
            "}}x{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}"
            "}"
            "{{end}}{{end}}{{end}}{{end}}{{end}}"),
        &e);
    assert_non_null(t);
    struct buf out;
    buf_init(&out, 1 << 20);
    const struct tmpl_data data = {.query = two_samples};
    assert_false(tmpl_run(t, &data, a, &out, &e));
    assert_non_null(strstr(e.text, "steps"));
    buf_fini(&out);
    arena_free(a);
}
