"""--enable-feature and --disable-feature: what is experimental is on, is refused by name when off, and is listed."""
from server import NOTHING, Server

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


def test_the_name_may_go_late():
    query = 'label_replace(abs(label_replace(vector(1), "__name__", "x", "", "")), "was", "$1", "__name__", "(.+)")'
    for flags, metric in ([], {}), (["--enable-feature=promql-delayed-name-removal"], {"was": "x"}):
        with Server(config=NOTHING, flags=[*flags, "--web.enable-admin-api"]) as server:
            listed = server.api("features")
            assert listed["promql"]["delayed_name_removal"] == bool(flags) and listed["api"]["admin"], listed
            assert [series["metric"] for series in server.api("query", query=query)["result"]] == [metric], flags
