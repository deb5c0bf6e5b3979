"""Scrapes of an exporter that the tests steer: formats, failures, staleness, limits, discovery."""
import contextlib
import json
import re
import time

from doubles import OPENMETRICS, TEXT, Exporter
from server import Server, free_port, key, settle, wait_for

GLOBAL = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"


@contextlib.contextmanager
def scraped(page="", content_type=TEXT, more="", name="j", flags=()):
    """An exporter and a server that scrapes it each second; more: further keys of the job."""
    with Exporter(page, content_type) as exporter:
        config = (f"{GLOBAL}scrape_configs:\n  - job_name: {name}\n    static_configs: [{{targets: ['{exporter.address}']}}]\n"
                  + "".join(f"    {line}\n" for line in more.splitlines()))
        with Server(config=config, flags=flags) as server:
            yield exporter, server


def target_of(server, exporter, pool="j"):
    return server.targets()[(pool, f"{exporter.url}/metrics")]


def failed(server, exporter, *words, **fields):
    """Waits until the last scrape failed for this very reason (the target's words and fields), and not because
    the machine stood still for a second; answers the target as it was then."""
    def told():
        target = target_of(server, exporter)
        assert target["health"] == "down" and target["lastReason"], target
        assert not words or any(w in target["lastError"] for w in words), (words, target)
        assert fields.items() <= target.items(), (fields, target)
        return target

    return settle(told)


def healthy(server, exporter):
    def told():
        target = target_of(server, exporter)
        assert target["health"] == "up" and target["lastError"] == "", target
        return target

    return settle(told)


def scrapes(exporter, n=2):
    """Waits until n more scrapes came, so that what changed before has been seen."""
    was = len(exporter.requests)
    wait_for(f"{n} more scrapes", lambda: len(exporter.requests) >= was + n)


def labels_of(exporter, name, **more):
    return key({"__name__": name, "instance": exporter.address, "job": "j", **more})


# ---- formats ----

PAGE = r"""# HELP http_requests_total Requests, by code.
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a b"} 1027
http_requests_total{code="500",path="q\"\\\n"} 3
# TYPE temperature gauge
temperature -7.25
temperature{place="ζέστη"} 1e-9
nan_value NaN
plus_inf +Inf
minus_inf -Inf
big 1.7976931348623157e+308
# TYPE latency histogram
latency_bucket{le="0.1"} 4
latency_bucket{le="+Inf"} 6
latency_sum 1.5
latency_count 6
# TYPE rpc summary
rpc{quantile="0.5"} 0.01
rpc_sum 17
rpc_count 9
{"a.dotted.name","odd label"="x"} 4
"""


def test_text_page():
    with scraped(PAGE) as (exporter, server):
        expected = {("http_requests_total", ("code", "200"), ("path", "/a b")): "1027",
                    ("http_requests_total", ("code", "500"), ("path", 'q"\\\n')): "3",
                    ("temperature",): "-7.25", ("temperature", ("place", "ζέστη")): "1e-09",
                    ("nan_value",): "NaN", ("plus_inf",): "+Inf", ("minus_inf",): "-Inf",
                    ("latency_bucket", ("le", "0.1")): "4", ("latency_bucket", ("le", "+Inf")): "6",
                    ("latency_sum",): "1.5", ("latency_count",): "6", ("rpc", ("quantile", "0.5")): "0.01",
                    ("rpc_sum",): "17", ("rpc_count",): "9", ("a.dotted.name", ("odd label", "x")): "4", ("up",): "1",
                    ("scrape_samples_scraped",): "16", ("scrape_samples_post_metric_relabeling",): "16"}

        def whole():
            found = server.instant('{job="j"}')
            for (name, *pairs), value in expected.items():
                assert found.pop(labels_of(exporter, name, **dict(pairs)), None) == value, (name, pairs, found)
            assert float(found.pop(labels_of(exporter, "big"))) == 1.7976931348623157e308
            assert {dict(k)["__name__"] for k in found} == {"scrape_duration_seconds", "scrape_series_added"}, found
            metadata = server.api("metadata")
            assert metadata["http_requests_total"] == [{"type": "counter", "help": "Requests, by code.", "unit": ""}], metadata
            assert metadata["latency"][0]["type"] == "histogram" and metadata["rpc"][0]["type"] == "summary", metadata

        settle(whole)


def test_what_a_scrape_asks_for():
    with scraped("a 1\n", more="params: {module: [x y, z]}\nmetrics_path: /probe") as (exporter, server):
        scrapes(exporter, 1)
        path, headers = exporter.requests[0]
        assert path == "/probe?module=x+y&module=z" or path == "/probe?module=x%20y&module=z", path
        accept = headers["accept"]
        assert accept.startswith("application/openmetrics-text;version=1.0.0") and "text/plain" in accept, accept
        assert "*/*" in accept and "gzip" in headers["accept-encoding"], headers
        assert float(headers["x-prometheus-scrape-timeout-seconds"]) == 1, headers
        assert headers["user-agent"].startswith("Tidemark/") and headers["host"] == exporter.address, headers


OM_PAGE = """# TYPE jobs counter
# HELP jobs Jobs done.
jobs_total{kind="a"} 17.0 # {trace_id="abc"} 0.5 1520879607.789
jobs_created{kind="a"} 1520430000.1
# TYPE size_bytes gauge
# UNIT size_bytes bytes
size_bytes 4096
# TYPE build info
build_info{version="1.2"} 1
# TYPE state stateset
state{state="on"} 1
state{state="off"} 0
# EOF
"""


def test_openmetrics_page():
    with scraped(OM_PAGE, OPENMETRICS) as (exporter, server):
        def whole():
            assert server.instant("jobs_total")[labels_of(exporter, "jobs_total", kind="a")] == "17"
            assert server.instant("build_info")[labels_of(exporter, "build_info", version="1.2")] == "1"
            assert server.value('state{state="off"}') == 0
            assert server.api("metadata", metric="size_bytes")["size_bytes"] == [{"type": "gauge", "help": "", "unit": "bytes"}]
            assert (server.metric("tidemark_scrape_exemplars_parsed_total") or 0) >= 1

        settle(whole)
        exporter.page = OM_PAGE.replace("# EOF\n", "")  # Cut off: not a whole page.
        failed(server, exporter, "EOF")
        wait_for("its up", lambda: server.value("up") == 0)


def test_gzip_page():
    with scraped("a 1\n" + "".join(f'many{{n="{i}"}} {i}\n' for i in range(2000))) as (exporter, server):
        exporter.gzip = True
        wait_for("the series", lambda: server.value("count(many)") == 2000 and server.value("sum(many)") == 1999000)
        exporter.gzip, exporter.page = False, b"\x1f\x8b\x08\x00broken"
        failed(server, exporter, lastReason="parse")
        wait_for("its up", lambda: server.value("up") == 0)


def test_timestamps_are_honoured_or_not():
    at = int(time.time() * 1000) - 60000
    with scraped(f"a 1 {at}\n") as (exporter, server):
        wait_for("the sample", lambda: server.instant("a"))
        assert server.samples("a", "5m", time.time())[labels_of(exporter, "a")] == [(at, "1")]
        exporter.page = "b 1\n"  # What brought its own time goes without a marker.
        wait_for("the other page", lambda: server.instant("b"))
        assert [s[-1] for s in server.samples("a", "10m", time.time()).values()] == [(at, "1")]
        assert server.instant("a", time=at / 1000 + 1)
    with scraped(f"a 1 {at}\n", more="honor_timestamps: false") as (exporter, server):
        wait_for("two samples", lambda: (server.value("count_over_time(a[10m])") or 0) >= 2)
        assert all(t > at + 30000 for t, _ in server.samples("a", "10m", time.time())[labels_of(exporter, "a")])


# ---- failures ----

BROKEN = [("good 1\nbad{a=\"b} 2\n", 2), ("good 1\n\nbad one\n", 3), ("good 1\nbad 1 2 3\n", 2),
          ("good 1\nbad{a=\"x\",a=\"y\"} 1\n", 2), ("good 1\nbad{\x01=\"x\"} 1\n", 2)]


def test_broken_page_fails_whole():
    with scraped("good 1\nother 2\n") as (exporter, server):
        for page, line in BROKEN:
            wait_for("the good page", lambda: server.value("good") == 1)
            healthy(server, exporter)
            exporter.page = page
            target = failed(server, exporter, lastReason="parse", errorLine=line)
            assert str(line) in target["lastError"], target
            assert target["bodyExcerpt"].startswith("good 1") and target["status"] == 200, target
            # From now on no scrape succeeds.
            wait_for("the end of all", lambda: server.value("up") == 0 and not server.instant("good") and not server.instant("other"))
            wait_for("as upstream: what came before the error", lambda: server.value("scrape_samples_scraped") in (1, 2))
            exporter.page = "good 1\nother 2\n"
        wait_for("the good page", lambda: server.value("good") == 1)
        assert server.metric("tidemark_scrape_failures_total", reason="parse") >= len(BROKEN)
        assert healthy(server, exporter)["samples"] == 2


def test_failures_say_why():
    with scraped("a 1\n", more="body_size_limit: 2KB") as (exporter, server):
        for change, words in (({"status": 503}, ["503"]), ({"status": 204}, ["204"]), ({"content_type": None}, ["Content-Type"]),
                              ({"content_type": "application/x-unknown"}, ["application/x-unknown"]),
                              ({"delay": 2.5}, ["deadline", "time"]), ({"hang_up": True}, ["EOF", "closed", "transfer", "end"]),
                              ({"page": "#" * 3000 + "\na 1\n"}, ["body size limit", "body_size_limit"])):
            wait_for("a good scrape", lambda: server.value("up") == 1 and server.value("a") == 1)
            healthy(server, exporter)
            kept = {name: getattr(exporter, name) for name in change}
            vars(exporter).update(change)
            target = failed(server, exporter, *words)
            assert set(target["phases"]) >= {"resolve", "connect", "first_byte", "transfer"}, target
            wait_for(f"the end of all by {change}", lambda: server.value("up") == 0 and not server.instant("a"))
            vars(exporter).update(kept)
        assert server.metric("prometheus_target_scrapes_exceeded_body_size_limit_total") >= 1
    # A port where nobody listens.
    with Exporter() as gone:
        port = gone.port
    with Server(config=f"{GLOBAL}scrape_configs: [{{job_name: j, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n") as server:
        wait_for("the failure", lambda: server.value("up") == 0)
        wait_for("its words", lambda: re.search("refused|connect", [*server.targets().values()][0]["lastError"], re.I))


def test_vanished_series_end_at_once():
    """By a marker: lookback is a day here, so nothing ends by itself."""
    with scraped('a{x="1"} 1\na{x="2"} 2\n', flags=["--query.lookback-delta=1d"]) as (exporter, server):
        wait_for("both", lambda: server.value("count(a)") == 2)
        exporter.page = 'a{x="2"} 2\n'
        wait_for("the end of one", lambda: [dict(k)["x"] for k in server.instant("a")] == ["2"])
        # It is a marker, not a hole: the old samples are there, and no NaN is shown.
        samples = server.samples('a{x="1"}', "1h", time.time())[labels_of(exporter, "a", x="1")]
        assert samples and all(v == "1" for _, v in samples), samples
        exporter.page = 'a{x="1"} 5\n'
        wait_for("its return", lambda: server.instant('a{x="1"}').get(labels_of(exporter, "a", x="1")) == "5")
        exporter.status = 500  # Everything of a failed scrape ends, but what tells of it.
        failed(server, exporter, "500")
        wait_for("the end of all", lambda: server.value("up") == 0 and not server.instant("a"))
        assert server.value("scrape_samples_scraped") == 0


# ---- labels and limits ----

PUSHED = 'a{job="theirs",instance="i",x="y"} 1\n'


def test_honor_labels():
    with scraped(PUSHED) as (exporter, server):
        found = wait_for("the series", lambda: server.instant("a"))
        assert list(found) == [key({"__name__": "a", "job": "j", "instance": exporter.address, "x": "y",
                                    "exported_job": "theirs", "exported_instance": "i"})]
    with scraped(PUSHED, more="honor_labels: true") as (exporter, server):
        found = wait_for("the series", lambda: server.instant("a"))
        assert list(found) == [key({"__name__": "a", "job": "theirs", "instance": "i", "x": "y"})]
        wait_for("up", lambda: server.value('up{job="j"}') == 1)


def test_relabelling():
    more = """relabel_configs:
  - {source_labels: [__address__], regex: '(.*):\\d+', target_label: instance, replacement: 'host-$1'}
  - {target_label: team, replacement: blue}
metric_relabel_configs:
  - {source_labels: [__name__], regex: 'drop_.*', action: drop}
  - {regex: secret, action: labeldrop}
  - {source_labels: [x], regex: '(.)(.)', target_label: y, replacement: '$2$1'}"""
    with scraped('drop_me 1\na{x="ab",secret="s"} 1\n', more=more) as (exporter, server):
        found = wait_for("the series", lambda: server.instant("a"))
        assert list(found) == [key({"__name__": "a", "instance": "host-127.0.0.1", "job": "j", "team": "blue",
                                    "x": "ab", "y": "ba"})]
        assert server.instant("drop_me") == {}
        wait_for("the counts", lambda: (server.value("scrape_samples_scraped"), server.value("scrape_samples_post_metric_relabeling")) == (2, 1))
        target = target_of(server, exporter)
        assert target["labels"] == {"instance": "host-127.0.0.1", "job": "j", "team": "blue"}, target
        assert target["discoveredLabels"]["__address__"] == exporter.address, target


def test_limits_fail_the_scrape_and_say_so():
    few = "a 1\nb 2\n"
    for limit, page, counter in (
            ("sample_limit: 2", few + "c 3\n", "prometheus_target_scrapes_exceeded_sample_limit_total"),
            ("label_limit: 3", 'a{x="1",y="2"} 1\n', "prometheus_target_scrape_pool_exceeded_label_limits_total"),
            ("label_name_length_limit: 8", 'a{a_long_name="1"} 1\n', "prometheus_target_scrape_pool_exceeded_label_limits_total"),
            ("label_value_length_limit: 30", 'a{x="%s"} 1\n' % ("v" * 31), "prometheus_target_scrape_pool_exceeded_label_limits_total")):
        with scraped(few, more=limit) as (exporter, server):
            wait_for("the good page", lambda: server.value("b") == 2)
            exporter.page = page
            target = failed(server, exporter, limit.split(":")[0].replace("_", " ").split(" ")[0])
            assert "limit" in target["lastError"], target
            wait_for("the end of all", lambda: server.value("up") == 0 and not server.instant("a") and not server.instant("b"))
            assert server.metric(counter) >= 1, limit
            exporter.page = few
            wait_for("the good page again", lambda: server.value("b") == 2)


def test_samples_refused_one_by_one_are_counted():
    with scraped("a 1\na 1\na 2\n") as (exporter, server):
        wait_for("a scrape", lambda: server.value("a") == 1)  # First write wins.

        def counted():
            outcomes = {o: server.metric("tidemark_scrape_samples_total", job="j", outcome=o) or 0
                        for o in ("stored", "duplicate", "conflict")}
            assert outcomes["conflict"] >= 1 and outcomes["duplicate"] + outcomes["conflict"] >= 2, outcomes

        settle(counted)
        assert {v for _, v in server.samples("a", "1h", time.time())[labels_of(exporter, "a")]} == {"1"}


# ---- discovery ----

def test_full_store_still_tells_who_is_up():
    """Where the series limit refuses a page, `up` of every target is stored, and the target says what is missing."""
    page = "".join(f'flood{{n="{i}"}} 1\n' for i in range(3000))

    def config(*addresses):
        return f"{GLOBAL}scrape_configs:\n  - job_name: j\n    static_configs: [{{targets: {list(addresses)}}}]\n"

    with Exporter(page) as exporter, Server(config=config(exporter.address), flags=[
            "--storage.tsdb.series-limit=1000", "--web.enable-lifecycle"]) as server:
        wait_for("the flood", lambda: (server.metric("tidemark_scrape_samples_total", job="j", outcome="series_limit") or 0) > 2000)
        wait_for("its up", lambda: server.value("up") == 1)
        wait_for("a word of it", lambda: (t := target_of(server, exporter))["health"] == "up" and "not stored" in t["lastError"])
        server.write("prometheus.yml", config(exporter.address, f"127.0.0.1:{free_port()}"))
        assert server.post("/-/reload").status == 200
        wait_for("the dead one", lambda: sorted(map(float, server.instant("up").values())) == [0, 1])


def test_file_sd_follows_its_files():
    config = GLOBAL + """scrape_configs:
  - job_name: files
    file_sd_configs: [{files: ['targets/*.json', 'targets/*.yml'], refresh_interval: 1s}]
"""
    with Exporter("a 1\n") as one, Exporter("a 2\n") as two:
        first = json.dumps([{"targets": [one.address], "labels": {"team": "x"}}])
        with Server(config=config, files={"targets/one.json": first}) as server:
            wait_for("the first target", lambda: server.value('a{team="x"}') == 1)
            server.write("targets/two.yml", f"- targets: ['{two.address}']\n  labels: {{team: y}}\n")
            wait_for("the second target", lambda: server.value('a{team="y"}') == 2)
            server.write("targets/one.json", json.dumps([{"targets": [one.address], "labels": {"team": "z"}}]))
            wait_for("its new label", lambda: server.value('a{team="z"}') == 1)
            server.write("targets/one.json", "[{")  # Broken: the last good list stays.
            scrapes(one, 3)
            wait_for("the target that stayed", lambda: server.value('a{team="z"}') == 1)
            assert len(server.targets()) == 2
            server.write("targets/one.json", "[]")
            wait_for("the end of the target", lambda: len(server.targets()) == 1)
            wait_for("the end of its series", lambda: server.instant('a{team="z"}') == {})
            wait_for("the other one", lambda: server.value('a{team="y"}') == 2)


def test_slow_target_delays_nobody():
    with Exporter("slow 1\n") as slow, Exporter("fast 1\n") as fast:
        slow.delay = 30
        config = f"{GLOBAL}scrape_configs: [{{job_name: j, static_configs: [{{targets: ['{slow.address}', '{fast.address}']}}]}}]\n"
        with Server(config=config) as server:
            wait_for("samples of the fast one", lambda: (server.value("count_over_time(fast[1h])") or 0) >= 4)
            wait_for("their ups", lambda: (server.value(f'up{{instance="{slow.address}"}}'), server.value(f'up{{instance="{fast.address}"}}')) == (0, 1))
