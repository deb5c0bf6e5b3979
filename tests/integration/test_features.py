"""--enable-feature and --disable-feature: what is experimental is on, is refused by name when off, and is listed."""
from doubles import OPENMETRICS, Exporter
from server import NOTHING, Server, settle

OFF = {
    "promql-experimental-functions": ("mad_over_time(up[5m])", 'function "mad_over_time" is not enabled', "promql_functions", "mad_over_time"),
    "promql-duration-expr": ("up[5m + 1m]", "duration expression is not enabled", "promql", "duration_expr"),
    "promql-extended-range-selectors": ("rate(up[5m] anchored)", "anchored modifier is experimental and not enabled", "promql", "anchored"),
    "promql-binop-fill-modifiers": ("up + fill(0) up", "fill modifiers are experimental and not enabled", "promql", "fill"),
}


def test_experiments_are_on_until_switched_off():
    with Server(config=NOTHING) as server:
        listed = server.api("features")
        for query, _, group, name in OFF.values():
            assert server.get("/api/v1/query", {"query": query}).status == 200, query
            assert listed[group][name], name
        assert not listed["promql"]["delayed_name_removal"] and not listed["api"]["admin"], listed
    with Server(config=NOTHING, flags=["--disable-feature=" + ",".join(OFF)]) as server:
        listed = server.api("features")
        for query, text, group, name in OFF.values():
            answer = server.get("/api/v1/query", {"query": query})
            assert answer.status == 400 and text in answer.json["error"], answer
            assert not listed[group][name], name
        assert listed["promql_functions"]["rate"] and listed["promql_operators"]["=~"], listed
        assert not listed["promql_operators"]["limitk"] and listed["promql_operators"]["topk"], listed


PAGE = """# TYPE done_seconds counter
# UNIT done_seconds seconds
done_seconds_total{q="a"} 1
# TYPE depth gauge
depth 2
plain 3
# EOF
"""


def labels_tell(server, on):
    done, depth, plain = (server.api("query", query=q)["result"][0]["metric"] for q in ("done_seconds_total", "depth", "plain"))
    assert (done.get("__type__"), done.get("__unit__")) == (("counter", "seconds") if on else (None, None)), done
    assert (depth.get("__type__"), depth.get("__unit__")) == ("gauge" if on else None, None), depth
    assert "__type__" not in plain and "__unit__" not in plain, plain
    assert bool(server.instant('depth{__type__="gauge"}')) == on and not server.instant('depth{__type__="counter"}')
    for query in ("abs(done_seconds_total)", "rate(done_seconds_total[1m] offset -1m) or -done_seconds_total", "done_seconds_total * 2"):
        metric = server.api("query", query=query)["result"][0]["metric"]
        assert not {"__name__", "__type__", "__unit__"} & set(metric), (query, metric)
    assert ({"__type__", "__unit__"} <= set(server.api("labels"))) == on


def test_type_and_unit_are_labels_if_asked_for():
    for on in (False, True):
        with Exporter(PAGE, OPENMETRICS) as exporter:
            config = f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: j\n  static_configs: [{{targets: ['{exporter.address}']}}]\n"
            with Server(config=config, flags=["--enable-feature=type-and-unit-labels"] if on else []) as server:
                settle(lambda: labels_tell(server, on))
                listed = server.api("features")
                assert listed["scrape"]["type_and_unit_labels"] == listed["promql"]["type_and_unit_labels"] == on, listed


def test_the_name_may_go_late():
    query = 'label_replace(abs(label_replace(vector(1), "__name__", "x", "", "")), "was", "$1", "__name__", "(.+)")'
    for flags, metric in ([], {}), (["--enable-feature=promql-delayed-name-removal"], {"was": "x"}):
        with Server(config=NOTHING, flags=[*flags, "--web.enable-admin-api"]) as server:
            listed = server.api("features")
            assert listed["promql"]["delayed_name_removal"] == bool(flags) and listed["api"]["admin"], listed
            assert [series["metric"] for series in server.api("query", query=query)["result"]] == [metric], flags
