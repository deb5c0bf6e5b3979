"""`tidemark tool check metrics`, `check expressions` and `promql format`."""
import os
import subprocess

from peers import peer
from server import BINARY

RELEASE_ONLY = True  # Compared with a peer.
PAGES = [
    "# HELP a_total x\n# TYPE a_total counter\na_total 1\n",
    "# TYPE a counter\na 1\n",
    "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n# HELP fooBar x\n# TYPE fooBar gauge\nfooBar{aB=\"1\",c=\"2\"} 1\n",
    "# HELP x_seconds_total_gauge x\n# TYPE x_seconds_total_gauge gauge\nx_seconds_total_gauge 1\n"
    "# HELP h_counter x\n# TYPE h_counter counter\nh_counter 1\n# HELP colon:a x\n# TYPE colon:a gauge\ncolon:a 1\n",
    "# HELP a_bucket x\n# TYPE a_bucket gauge\na_bucket{le=\"1\"} 1\n# HELP b x\n# TYPE b gauge\nb{quantile=\"1\"} 1\n"
    "# HELP c_count x\n# TYPE c_count gauge\nc_count 1\n# HELP d_sum x\n# TYPE d_sum counter\nd_sum 1\nfree_count 1\nfree_sum 1\nfree_bucket 1\n",
    "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\nh_total 1\n# TYPE none gauge\n# HELP s x\n"
    "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n",
    "".join(f"# HELP {m} x\n{m} 1\n" for m in (
        "a_hours", "b_days", "c_weeks", "d_kelvins", "e_fahrenheit", "f_rankine", "g_yards", "h_miles", "i_bits", "j_calories", "k_pounds",
        "l_ounces", "m_kibibytes", "n_nanoseconds", "o_millivolts", "p_metres", "q_kilometres", "r_ampere", "s_milliamperes", "hours", "zz_percent",
        "t_s", "t_m", "t_h", "t_d", "t_b", "t_sec_x", "t_us", "t_ns", "t_min", "t_mb", "t_gb", "t_tb", "t_pb", "t_kb", "Sec_ms_x", "my_histogram",
        "a_gaugehistogram", "a_gauge_histogram_x", "counter", "a_Counter", "u_inches_x", "v_grams", "w_kilograms", "x_ratio")),
    "",
]


def run(command, *arguments, page=""):
    done = subprocess.run([*command, *arguments], input=page, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def ours(*arguments, **rest):
    return run([os.path.abspath(BINARY), "tool"], *arguments, **rest)


def test_pages_are_judged_as_promtool_judges_them():
    for page in PAGES:
        got = ours("check", "metrics", page=page)
        want = run([os.path.abspath(peer("promtool"))], "check", "metrics", page=page)
        assert got == want, (page, got, want)
    for page in ("a b c\n", "a{ 1\n", "a{b=\"1} 1\n"):
        code, out, err = ours("check", "metrics", page=page)
        assert (code, out) == (1, "") and err.startswith("error while linting: ") and "1" in err, (page, code, out, err)


def test_a_problem_of_many_series_is_told_once():
    page = "# HELP a x\n" + "".join(f'a{{bC="{n}"}} 1\n' for n in range(5000))
    assert ours("check", "metrics", page=page) == (3, "", "a label names should be written in 'snake_case' not 'camelCase'\n")


def test_expressions():
    code, out, err = ours("check", "expressions", "sum(up)", "up[5m]", "1")
    assert (code, err) == (0, "") and out.count("SUCCESS") == 3 and "SUCCESS: matrix" in out, (code, out, err)
    code, out, err = ours("check", "expressions", "up", "sum(\n  up")
    assert code == 1 and "2:5: parse error" in err and out.count("SUCCESS") == 1, (code, out, err)
    assert ours("promql", "format", "sum by(job)(rate(up[5m]))>0") == (0, "sum by (job) (rate(up[5m])) > 0\n", "")
    code, out, err = ours("promql", "format", "up{")
    assert (code, out) == (1, "") and err.startswith("1:4: parse error"), (code, out, err)


EXTENDED = ("# HELP requests_total x\n# TYPE requests_total counter\n" + "".join(f'requests_total{{code="{n}"}} 1\n' for n in range(40))
            + "# HELP took_seconds x\n# TYPE took_seconds histogram\n"
            + "".join(f'took_seconds_bucket{{le="{le}",h="{h}"}} 1\n' for h in "ab" for le in ("1", "2", "+Inf"))
            + "".join(f'took_seconds_{what}{{h="{h}"}} 1\n' for h in "ab" for what in ("sum", "count"))
            + "# HELP size_bytes x\n# TYPE size_bytes summary\nsize_bytes{quantile=\"0.5\"} 1\nsize_bytes_sum 1\nsize_bytes_count 1\n"
            + "# HELP a x\n# TYPE a gauge\na 1\n# HELP none x\n# TYPE none gauge\n")


def test_series_are_counted_as_promtool_counts_them():
    got = ours("check", "metrics", "--extended", page=EXTENDED)
    want = run([os.path.abspath(peer("promtool"))], "check", "metrics", "--extended", page=EXTENDED)
    assert got == want and "took_seconds" in got[1], (got, want)
    code, out, err = ours("check", "metrics", "--extended", page=EXTENDED + "helpless 1\n")  # Both are told.
    assert code == 3 and "helpless no help text" in err and out.splitlines()[-1].split() == ["Total", "55", "100%"], (code, out, err)
    assert ours("check", "metrics", "--extended", "--lint=none", page="a 1\n") == (0, "Metric    Cardinality    Percentage    \na         1              100.00%       \nTotal     1              100%          \n", "")
    for arguments, text in (["--lint=none"], "leaves nothing to do"), (["--lint=some"], "--lint is all or none"), (["page.txt"], "standard input"):
        code, out, err = ours("check", "metrics", *arguments)
        assert (code, out) == (2, "") and text in err and "tidemark tool check metrics" in err, (arguments, code, out, err)


def test_label_matchers_are_set_and_deleted():
    query = 'sum(rate(up{a="1", job="x", b="2"}[5m])) / on() {job="y", job!="z"}[1h:] > foo'
    for arguments, want in (
            (["set", 'sum(rate(up{a="1",job="x",b="2"}[5m])) / on() foo', "job", "new"], 'sum(rate(up{a="1",b="2",job="new"}[5m])) / on () foo{job="new"}'),
            (["set", "-t", "!~", 'max_over_time(x{job="y",job!="z"}[1h:5m])', "job", "a|b"], 'max_over_time(x{job!~"a|b"}[1h:5m])'),
            (["set", "--experimental", 'up{a="b"}', "a", 'q"\\'], 'up{a="q\\"\\\\"}'),
            (["delete", 'up{job="x"} + {job="x",a="b"} + y', "job"], 'up + {a="b"} + y'),
            (["delete", "1 + 2", "job"], "1 + 2")):
        assert ours("promql", "label-matchers", *arguments) == (0, want + "\n", ""), (arguments, ours("promql", "label-matchers", *arguments))
    for arguments, text in ((["set", query, "job", "x"], "parse error"), (["delete", '{job="x"}', "job"], "{} would be no expression"),
                            (["set", "-t", ">", "up", "job", "x"], "invalid label match type: >"), (["set", "-t", "=~", "up", "job", "("], "missing closing )")):
        code, out, err = ours("promql", "label-matchers", *arguments)
        assert (code, out) == (1, "") and text in err, (arguments, code, out, err)
    for arguments, text in (["set", "up", "job"], "EXPR, NAME and VALUE"), (["delete", "up"], "EXPR and NAME"), ([], "set and delete"), (["delete", "-t", "=", "up", "a"], "unknown flag -t"):
        code, out, err = ours("promql", "label-matchers", *arguments)
        assert (code, out) == (2, "") and text in err and "label-matchers set [-t" in err, (arguments, code, out, err)


def test_help_is_given_to_who_asks():
    for arguments, names in ((["--help"], ("check", "promql", "query", "tsdb")), (["help"], ("check", "tsdb")), (["-h"], ("query",)), (["query", "instant", "--help"], ("query",)),
                             (["tsdb", "-h"], ("tsdb",)), (["check", "metrics", "--help"], ("check",)), (["promql", "--help"], ("promql",))):
        code, out, err = ours(*arguments)
        assert (code, err) == (0, "") and all(f"tidemark tool {name} " in out for name in names), (arguments, code, out, err)
    assert "tidemark tool tsdb" not in ours("query", "--help")[1]
    assert ours("promql", "format", "--", "-1") == ours("promql", "format", "-1") == (0, "-1\n", "")
