"""The HTTP API as clients meet it: golden answers over fixed data, and what HTTP itself asks for."""
import gzip
import http.client
import json
import os
import re
import socket
import threading
import time
import urllib.parse

import push
from server import NOTHING, PATIENCE_S, Server, wait_for
from slow import SLOW, SLOW_S, Slow, cancel, ended_by_cancel, push_for_slow, running, wait_running

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "api.json")
T0 = 1700000000  # Seconds; the data is old, and the same in every run.
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]


def fixed_data():
    series = []
    for n, job in enumerate(("api", "api", "db")):
        labels = {"job": job, "instance": f"host{n}:80"}
        series.append(({"__name__": "requests_total", "code": "200", **labels},
                       [((T0 + 15 * i) * 1000, float(10 * i * (n + 1))) for i in range(41)]))
        series.append(({"__name__": "temperature", **labels}, [((T0 + 15 * i) * 1000 + 7, 0.1 * i - n) for i in range(41)]))
        for le, count in (("0.1", 1), ("1", 3), ("+Inf", 4)):
            series.append(({"__name__": "latency_bucket", "le": le, **labels},
                           [((T0 + 15 * i) * 1000, float(count * i)) for i in range(41)]))
    series.append(({"__name__": "odd.name", "odd label": "a\"b\\c\n<é>"}, [(T0 * 1000, float("nan")), (T0 * 1000 + 15000, float("inf"))]))
    return series


def filled(config=NOTHING, flags=()):
    server = Server(flags=[*FLAGS, *flags], config=config)
    server.start()
    answer = server.push(fixed_data())
    assert answer.status == 204, answer
    return server


def test_golden_answers():
    """Each request of tests/golden/api.json: status, type and all that a parser sees. TIDEMARK_GOLDEN=write writes it anew:
    read the difference before it is committed."""
    with open(GOLDEN) as f:
        cases = json.load(f)
    wrong = []
    with filled() as server:
        for case in cases:
            method, path = case["request"].split(" ", 1)
            path, _, query = path.partition("?")
            text = urllib.parse.urlencode(urllib.parse.parse_qsl(query, keep_blank_values=True))
            if method == "POST":
                got = server.request("POST", path, text, {"Content-Type": "application/x-www-form-urlencoded"})
            else:
                got = server.request(method, path + ("?" + text if text else ""))
            kind = got.headers.get("content-type", "").split(";")[0]
            found = {"request": case["request"], "status": got.status, "type": kind, "body": got.text}
            if kind == "application/json":
                found["body"] = got.json
                # Written tight, as upstream's.
                assert " " not in re.sub(r'"(?:[^"\\]|\\.)*"', "", got.text), got.text
            if found != case:
                wrong.append((dict(case), found))
                case.update(found)
    if os.environ.get("TIDEMARK_GOLDEN") == "write":
        with open(GOLDEN, "w") as f:
            f.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
    assert len(cases) > 50
    assert not wrong, "\n".join(f"{w['request']}\n  want {w}\n  got  {g}" for w, g in wrong)[:6000]


def test_what_grafana_asks():
    with filled() as server:
        health = server.post("/api/v1/query", {"query": "1+1", "time": "4"})
        assert health.status == 200 and health.json == {"status": "success", "data": {"resultType": "scalar", "result": [4, "2"]}}
        build = server.get("/api/v1/status/buildinfo").json["data"]
        assert "features" not in build and "application" not in build, build  # Else it takes us for Mimir.
        assert tuple(map(int, build["version"].split("."))) >= (2, 42, 0) and build["tidemark"], build
        for params in ({"query": "test", "start": "1700000000000", "end": "1700003600000"}, {"query": "test", "start": "1700000000.123", "end": "1700003600"}):
            answer = server.post("/api/v1/query_exemplars", params)
            assert answer.status == 200 and answer.json == {"status": "success", "data": []}, answer
        for path in ("rules", "metadata", "alerts", "label/__name__/values"):
            assert server.get(f"/api/v1/{path}").json["status"] == "success", path
        span = {"start": str(T0), "end": str(T0 + 600), "limit": "40000"}
        assert server.post("/api/v1/labels", {"match[]": ['{job="db"}', "odd.name"][:1], **span}).json["data"] == ["__name__", "code", "instance", "job", "le"]
        assert server.get("/api/v1/label/U__odd_20_label/values", span).json["data"] == ['a"b\\c\n<é>']
        series = server.post("/api/v1/series", {"match[]": ["temperature", 'requests_total{job="db"}'], **span}).json["data"]
        assert len(series) == 4, series
        every = server.post("/api/v1/series", {"match[]": "temperature", "start": str(T0), "end": str(T0 + 600), "limit": "0"}).json
        assert len(every["data"]) == 3 and "warnings" not in every, every  # 0 is no limit.
        few = server.get("/api/v1/label/__name__/values", {**span, "limit": "2", "match[]": '{job="db"}'}).json
        assert few["data"] == ["latency_bucket", "requests_total"] and few["warnings"] == ["results truncated due to limit"], few
        for bad in ("/api/v1/labels", "/api/v1/series"):  # Then it asks again by GET.
            assert [ask(bad, {"match[]": "{"}).status for ask in (server.post, server.get)] == [400, 400]
        assert server.post("/api/v1/label/job/values").status == 405 and server.get("/api/v1/query_exemplars", {"query": "1"}).status == 204
        assert server.get("/api/v1/metadata", {"limit_per_metric": "1", "metric": "requests_total"}).json["data"] == {}
        packed = server.request("GET", "/api/v1/label/__name__/values", headers={"Accept-Encoding": "gzip"})
        assert packed.json["data"] == ["latency_bucket", "odd.name", "requests_total", "temperature"], packed
        form = {"query": "sum by (job) (rate(requests_total[1m]))", "start": str(T0 + 60), "end": str(T0 + 120), "step": "30"}
        rate = server.post("/api/v1/query_range", form, headers={"X-Scope-OrgID": "1", "X-Dashboard-Uid": "abc", "X-Panel-Id": "2"})
        assert [s["metric"] for s in rate.json["data"]["result"]] == [{"job": "api"}, {"job": "db"}], rate
        old = server.get("/api/v1/query_range", {**form, "start": f"{T0 + 60}.000", "end": f"{T0 + 120}.000", "step": "30.000", "timeout": "60s"})
        assert old.json == rate.json, old  # An old one asks by GET.
        instant = server.post("/api/v1/query", {"query": "temperature", "time": f"{T0 + 60}.5"}).json["data"]
        assert [s["value"][0] for s in instant["result"]] == [T0 + 60.5] * 3, instant
        assert rate.json["data"]["result"][0]["values"] == [[T0 + 60, "2"], [T0 + 90, "2"], [T0 + 120, "2"]], rate


def test_errors_say_where():
    with filled() as server:
        answer = server.get("/api/v1/query", {"query": "sum(rate(requests_total[5m])"})
        assert answer.status == 400 and answer.json["errorType"] == "bad_data", answer
        assert re.search(r"1:\d+: parse error: unclosed left parenthesis", answer.json["error"]), answer
        answer = server.get("/api/v1/query", {"query": "up\n+ on(\n"})
        assert answer.status == 400 and re.search(r"[23]:\d+: parse error", answer.json["error"]), answer
        answer = server.get("/api/v1/query", {"query": "temperature + on(job) requests_total", "time": T0 + 60})
        assert answer.status == 422 and answer.json["errorType"] == "execution", answer
        assert "many-to-many" in answer.json["error"] or "many-to-one" in answer.json["error"], answer
        answer = server.get("/api/v1/query_range", {"query": "up", "start": 0, "end": 1000000, "step": 1})
        assert answer.status == 400 and "11,000" in answer.json["error"], answer
        answer = server.get("/api/v1/nothing")
        assert answer.status == 404, answer
        answer = server.request("DELETE", "/api/v1/query")
        assert answer.status == 405 and "GET" in answer.headers["allow"], answer


def test_http_manners():
    with filled() as server:
        plain = server.get("/api/v1/series", {"match[]": '{__name__=~".+"}'})
        assert "content-encoding" not in plain.headers
        packed = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            packed.request("GET", "/api/v1/series?match[]=%7B__name__=~%22.%2B%22%7D", headers={"Accept-Encoding": "gzip, deflate"})
            r = packed.getresponse()
            body = r.read()
            assert r.getheader("Content-Encoding") == "gzip" and len(body) < len(plain.body)
            assert gzip.decompress(body) == plain.body
            for path in ("/-/healthy", "/-/ready", "/api/v1/status/buildinfo"):  # The same connection goes on.
                packed.request("HEAD", path)
                r = packed.getresponse()
                assert r.status == 200 and r.read() == b"" and int(r.getheader("Content-Length") or 0) >= 0, path
        finally:
            packed.close()
        cors = server.get("/api/v1/labels", headers={"Origin": "https://grafana.example"})
        assert cors.headers["access-control-allow-origin"] in ("https://grafana.example", "*"), cors
        options = server.request("OPTIONS", "/api/v1/query", headers={"Origin": "https://grafana.example", "Access-Control-Request-Method": "POST"})
        assert options.status in (200, 204) and not options.body, options
        assert "POST" in options.headers["access-control-allow-methods"], options
        assert "access-control-allow-origin" not in server.get("/-/healthy").headers
        graph = server.get("/graph?g0.expr=up&g0.tab=0")
        assert graph.status // 100 == 3 and graph.headers["location"] == "/query?g0.expr=up&g0.tab=0", graph
        assert server.get("/-/healthy").text.strip() == "Tidemark Server is Healthy."
        assert server.get("/-/ready").text.strip() == "Tidemark Server is Ready."
        large = server.get("/-/healthy", headers={"X-Large": "x" * 40000})
        assert large.status in (400, 413, 431), large
        assert server.get("/-/healthy").status == 200
    with filled(flags=["--web.cors.origin=https://good\\.example"]) as server:
        assert server.get("/api/v1/labels", headers={"Origin": "https://good.example"}).headers["access-control-allow-origin"] == "https://good.example"
        for origin in ("https://good.example.bad", "https://goodxexample", "null"):
            assert "access-control-allow-origin" not in server.get("/api/v1/labels", headers={"Origin": origin}).headers, origin


def test_path_of_the_external_url_is_the_prefix():
    """As upstream: behind a proxy one flag is enough; "/" alone takes the prefix off again."""
    for flags, prefix in ((["--web.external-url=http://proxy.example/mon/"], "/mon"), (["--web.route-prefix=mon/"], "/mon"),
                          (["--web.external-url=http://proxy.example/mon", "--web.route-prefix=/"], "")):
        with Server(flags=flags, prefix=prefix) as server:
            assert server.get("/-/ready").status == 200, flags
            server.prefix = "" if prefix else "/mon"
            assert server.get("/-/ready").status == 404, flags
            server.prefix = prefix


def test_prefix_moves_everything():
    with Server(flags=["--web.route-prefix=/mon"], prefix="/mon") as server:
        assert server.get("/api/v1/query", {"query": "1"}).status == 200
        assert server.get("/-/healthy").status == 200 and server.get("/metrics").status == 200
        server.prefix = ""
        assert server.get("/api/v1/query", {"query": "1"}).status == 404
        server.prefix = "/mon"


def test_federate():
    config = "global: {external_labels: {site: lab, job: other}}\n"
    now = int(time.time() * 1000)
    with Server(config=config, flags=["--web.enable-remote-write-receiver"]) as server:
        assert server.push([({"__name__": "b", "job": "j", "x": "q\"\n"}, [(now - 1000, 1.0), (now, 2.5)]),
                            ({"__name__": "a", "instance": "i"}, [(now - 5, -1.0)]),
                            ({"__name__": "old"}, [(now - 400000, 1.0)])]).status == 204
        page = server.get("/federate", {"match[]": ["a", "b", "old"]})
        assert page.status == 200 and page.headers["content-type"].startswith("text/plain; version=0.0.4"), page
        lines = [line for line in page.text.splitlines() if line]
        assert lines == ["# TYPE a untyped", f'a{{instance="i",job="other",site="lab"}} -1 {now - 5}', "# TYPE b untyped",
                         f'b{{instance="",job="j",x="q\\"\\n",site="lab"}} 2.5 {now}'] or \
               sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', lines[3])) == [("instance", ""), ("job", "j"), ("site", "lab"), ("x", 'q\\"\\n')], lines
        assert [line.split("{")[0] for line in lines if line[0] != "#"] == ["a", "b"]
        assert server.get("/federate", {"match[]": "{"}).status == 400
        assert server.get("/federate").text.strip() == ""


def test_federation_of_too_much_says_so():
    with Server(flags=["--web.enable-remote-write-receiver", "--memory.limit=64MB"]) as server:
        now = int(time.time() * 1000)
        for first in range(0, 6000, 500):
            assert server.push([({"__name__": "w", "n": f"{n:0>1024}"}, [(now, 1.0)]) for n in range(first, first + 500)]).status == 204
        page = server.get("/federate", {"match[]": "w"})
        assert page.status == 422 and ("bytes" in page.text or "memory" in page.text), page
        assert len(server.get("/federate", {"match[]": 'w{n=~".*17"}'}).text.splitlines()) == 61


def test_status_pages():
    with filled() as server:
        info = server.api("status/runtimeinfo")
        assert info["reloadConfigSuccess"] is True and info["storageRetention"] == "100y", info
        assert re.match(r"\d{4}-\d\d-\d\dT", info["startTime"]) and info["residentBytes"] > 0, info
        tsdb = server.api("status/tsdb", limit=2)
        assert tsdb["headStats"]["numSeries"] == len(fixed_data()), tsdb
        assert (tsdb["headStats"]["minTime"], tsdb["headStats"]["maxTime"]) == (T0 * 1000, (T0 + 600) * 1000 + 7), tsdb
        tops = [(top["name"], top["value"]) for top in tsdb["seriesCountByMetricName"]]
        assert tops[0] == ("latency_bucket", 9) and len(tops) == 2 and tops[1][1] == 3, tsdb
        assert server.get("/api/v1/status/tsdb", {"limit": "10001"}).status == 400
        assert server.api("status/walreplay").keys() == {"min", "max", "current"}
        flags = server.api("status/flags")
        assert flags["storage.tsdb.retention.time"] == "100y" and all(isinstance(v, str) for v in flags.values())
        version = server.get("/version").json
        assert version["version"] == server.api("status/buildinfo")["version"] and version["tidemark"]
        features = server.api("features")
        assert all(isinstance(on, bool) for group in features.values() for on in group.values())
        assert features["promql_functions"]["info"] and features["promql_operators"]["atan2"], features


def test_metrics_page():
    with Server() as server:
        page = server.get("/metrics")
        assert page.headers["content-type"].startswith("text/plain; version=0.0.4"), page.headers
        names = set(re.findall(r"^# TYPE (\S+)", page.text, re.M))
        assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds",
                "prometheus_tsdb_head_series", "prometheus_config_last_reload_successful", "prometheus_http_requests_total",
                "prometheus_build_info", "tidemark_build_info"} <= names, names
        assert server.metric("prometheus_ready") == 1 and server.metric("prometheus_engine_queries_concurrent_max") == 4
        om = server.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert om.headers["content-type"].startswith("application/openmetrics-text"), om.headers
        assert om.text.endswith("# EOF\n"), om.text[-100:]
        before = server.metric("prometheus_http_requests_total", handler="/api/v1/labels", code="200") or 0
        server.get("/api/v1/labels")
        assert server.metric("prometheus_http_requests_total", handler="/api/v1/labels", code="200") == before + 1


def test_query_engine_tells_what_it_does():
    with filled() as server:
        def evaluated(slice, what="count"):
            return server.metric(f"prometheus_engine_query_duration_seconds_{what}", slice=slice)

        assert server.metric("prometheus_engine_queries") == 0 and evaluated("inner_eval") == 0
        server.api("query", query="count(latency_bucket)", time=T0)
        server.api("query_range", query="latency_bucket", start=T0, end=T0 + 60, step=10)
        assert server.get("/api/v1/query", {"query": "latency_bucket["}).status == 400  # Never evaluated.
        for slice in ("queue_time", "prepare_time", "inner_eval", "result_sort"):
            assert evaluated(slice) == 2, slice
        assert evaluated("queue_time", "sum") > 0 and evaluated("inner_eval", "sum") > 0
        assert server.metric("prometheus_engine_query_samples_total") >= 9
    with filled_for_slow("--query.timeout=1h") as server:
        Slow(server)
        wait_running(server, 1)
        assert server.metric("prometheus_engine_queries") == 1


def filled_for_slow(*flags):
    server = filled(flags=["--query.max-samples=50000000000", *flags])
    push_for_slow(server)
    return server


def test_slow_queries_block_nobody():
    """All lanes of queries are busy; every other connection is served meanwhile."""
    with filled_for_slow("--query.max-concurrency=2", "--query.timeout=1h") as server:
        slow = [Slow(server), Slow(server)]
        ids = {q["id"] for q in wait_running(server, 2)}
        for turn in range(3):
            for path in ("/-/healthy", "/metrics", "/api/v1/labels", "/api/v1/rules", "/api/v1/targets"):
                assert server.get(path, timeout=SLOW_S).status == 200
            assert server.push([({"__name__": "pushed"}, [((T0 + 700 + turn) * 1000, 1.0)])], timeout=SLOW_S).status == 204
        # It was beside the very same two.
        assert {q["id"] for q in running(server)} == ids, running(server)
        for query in running(server):
            cancel(server, query)
        for s in slow:
            ended_by_cancel(s)


def test_a_query_ends_at_its_time_out():
    """The server's, and a shorter one of its own."""
    with filled_for_slow("--query.timeout=1s") as server:
        for more in ({}, {"timeout": "500ms"}):
            answer = server.post("/api/v1/query_range", {**SLOW, **more}, timeout=SLOW_S)
            assert (answer.status, answer.json["errorType"]) == (503, "timeout"), answer


def test_more_queries_than_lanes_wait_their_turn():
    """Those beyond the lanes are queued and answered, not refused, and never more run than allowed."""
    with filled_for_slow("--query.max-concurrency=1", "--query.timeout=1h", "--query.max-queue-time=1h") as server:
        slow = Slow(server)
        first, = wait_running(server, 1)
        quick = []
        waiting = threading.Thread(target=lambda: quick.append(server.post("/api/v1/query", {"query": "1"}, timeout=SLOW_S)))
        waiting.start()
        # With the slow one and the request that asks for it.
        wait_for("the quick one in the queue", lambda: server.metric("tidemark_http_requests_running") >= 3)
        assert [q["id"] for q in running(server)] == [first["id"]] and not quick, (running(server), quick)
        cancel(server, first)
        ended_by_cancel(slow)
        waiting.join(SLOW_S)
        assert quick and quick[0].status == 200, quick


def test_client_that_leaves_ends_its_query():
    with filled_for_slow("--query.max-concurrency=1", "--query.timeout=1h") as server:
        s = socket.create_connection(("127.0.0.1", server.port))
        body = urllib.parse.urlencode(SLOW)
        s.sendall((f"POST /api/v1/query_range HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        wait_running(server, 1)
        s.close()
        # The only lane is free again long before the time-out.
        wait_for("an empty list", lambda: not running(server))
        wait_for("the lane", lambda: server.post("/api/v1/query", {"query": "1"}, timeout=SLOW_S).status == 200)


def test_many_matchers_over_many_values():
    """256 sets that all select the same 3,000 values: an answer, not the end of the server."""
    with filled() as server:
        batch = [({"__name__": "wide", "a": f"v{n:05}"}, [(T0 * 1000, 1.0)]) for n in range(3000)]
        assert server.push(batch).status == 204
        sets = {"match[]": ["wide"] * 256, "start": T0 - 60, "end": T0 + 60}
        assert server.get("/api/v1/label/a/values", sets, timeout=100).json["data"] == [f"v{n:05}" for n in range(3000)]
        assert server.get("/api/v1/labels", sets, timeout=100).json["data"] == ["__name__", "a"]


def test_queries_that_run_are_listed_cancelled_and_told_after_a_crash():
    with filled_for_slow("--query.timeout=1h", "--query.slow-log-threshold=1ms") as server:
        first = Slow(server)
        seen, = wait_running(server, 1)
        assert (seen["query"], seen["peer"], seen["cancelled"]) == (SLOW["query"], "127.0.0.1", False), seen
        cancel(server, seen)
        ended_by_cancel(first)
        wait_for("an empty list", lambda: not running(server))
        wait_for("its line in the log", lambda: "slow query" in server.log() and "double_exponential" in server.log())
        second = Slow(server)
        wait_running(server, 1)
        server.kill()
        assert second.join() is None
        server.start()
        wait_for("the last process's query in the log", lambda: "a query was running when the last process ended" in server.log())
        assert not running(server)


def test_hostile_requests():
    """Nothing that comes in takes the server down, and each gets an answer or a closed door."""
    queries = ["(" * 5000 + "1" + ")" * 5000, "-" * 20000 + "1", "{" * 3000, "a" * 100000, "\x00", "sum(" * 2000, "1" + "+1" * 20000,
               "\"" + "\\" * 1001, "up[1m:1ms][1d:1ms][10y:1ms]", 'label_replace(up,"a","$1","b","((((.*)*)*)*)*")', "{__name__=~\"(a|b){1000}{1000}\"}",
               "vector(1) offset 1000000000y", "1e400", "0x" + "f" * 400]
    with filled(flags=["--query.timeout=5s"]) as server:
        for query in queries:
            answer = server.post("/api/v1/query", {"query": query}, timeout=60)
            assert answer.status in (200, 400, 413, 422, 503), (query[:60], answer)
        for raw in (b"GET / HTTP/1.1\r\n\r\n", b"GET /%00%ff HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET " + b"/" * 70000,
                    b"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /assets/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
                try:
                    s.sendall(raw)
                    s.shutdown(socket.SHUT_WR)
                    said = s.recv(4096)
                except OSError:
                    said = b""
                assert said == b"" or re.match(rb"HTTP/1\.1 (4\d\d|200)", said), (raw[:60], said)
                assert b"root:" not in said
        assert server.value("vector(1)") == 1
