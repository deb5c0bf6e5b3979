"""A real Prometheus beside ours: it federates from us, scrapes our own metrics, and pushes to us; what
arrives is what it holds, and both give the same answers to the same questions."""
import json
import math
import os
import subprocess
import time

from doubles import Exporter
from peers import peer
from prometheus import Peer
from server import Server, temporary_folder, wait_for

RELEASE_ONLY = True


# Prometheus 3.14 names two gauges of its own so; dashboards ask for them by these names.
DISLIKED = [f"prometheus_tsdb_head_native_histogram_{what} metric name should not include type 'histogram'"
            for what in ("buckets", "series")]


def test_promtool_likes_our_metrics_but_for_names_that_are_upstreams():
    with Server(flags=["--collect.host=true"]) as server:
        server.api("labels")  # Histograms of requests have something to tell.
        page = server.get("/metrics").body
    answer = subprocess.run([peer("promtool"), "check", "metrics"], input=page, capture_output=True, timeout=30)
    said = (answer.stdout + answer.stderr).decode()
    assert sorted(said.splitlines()) == DISLIKED, said


def page_of(tick):
    """Counters that reset, gauges, a histogram, a value that is now and then not a number."""
    lines = []
    for n in range(20):
        lines.append(f'work_total{{n="{n}"}} {(tick * (n + 1)) % 1000}')
        lines.append(f'level{{n="{n}"}} {math.sin(tick / 3 + n) * 10 ** (n - 10)!r}')
    for le in ("0.1", "0.5", "1", "5", "+Inf"):
        lines.append(f'lat_bucket{{le="{le}"}} {tick * {"0.1": 1, "0.5": 4, "1": 7, "5": 9, "+Inf": 10}[le]}')
    lines += [f"lat_sum {tick * 3.3}", f"lat_count {tick * 10}", "odd NaN" if tick % 3 else "odd +Inf"]
    if tick % 4:
        lines.append("sometimes 1")
    return "\n".join(lines) + "\n"


def test_every_pushed_sample_is_found_again():
    """It scrapes itself, an exporter and us for half a minute and pushes all of it to us."""
    tick = iter(range(1, 1 << 30))
    seconds = int(os.environ.get("TIDEMARK_PUSH_SECONDS", "32"))
    with temporary_folder() as folder, Exporter(lambda: page_of(next(tick))) as exporter, \
         Server(flags=["--web.enable-remote-write-receiver"]) as server:
        port = "PEER"
        config = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{from: peer}}}}
scrape_configs:
  - {{job_name: ours, static_configs: [{{targets: ["{server.address}"]}}]}}
  - {{job_name: page, static_configs: [{{targets: ["{exporter.address}"]}}]}}
  - {{job_name: self, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}
remote_write:
  - {{url: "{server.url}/api/v1/write", queue_config: {{batch_send_deadline: 200ms, max_shards: 4}}}}
"""
        p = Peer(folder, config)
        with open(os.path.join(p.folder, "prometheus.yml"), "w") as f:
            f.write(config.replace("PEER", str(p.port)))
        with p:
            wait_for("the first pushed sample", lambda: server.instant('up{job="ours",from="peer"}'))
            assert server.value('up{job="ours"}') == 1  # It can read our own metrics.
            start = time.time()
            time.sleep(seconds)
            end = round(time.time(), 3)  # Nothing newer is compared: it may be on its way.
            window = f"{int(end - start)}s"
            edge = round(end * 1000) - int(end - start) * 1000  # Its windows are closed, ours left-open.
            held = {labels: [s for s in samples if s[0] > edge]
                    for labels, samples in p.samples('{__name__=~".+"}', window, end).items()}
            last = max(t for s in held.values() for t, _ in s)
            wait_for("the newest sample", lambda: server.value('timestamp(up{job="page"})') * 1000 > last)
            got = server.samples('{from="peer"}', window, end)
        compared = 0
        for labels, samples in held.items():
            ours = got.get(tuple(sorted((*labels, ("from", "peer")))))
            assert ours is not None, f"the series {labels} did not arrive"
            assert [t for t, _ in ours] == [t for t, _ in samples], (labels, ours[:5], samples[:5])
            assert all(a == b or float(a) == float(b) for (_, a), (_, b) in zip(ours, samples)), (labels, ours, samples)
            compared += len(samples)
        assert len(got) == len(held) and compared > 300 * seconds * 0.5, (len(got), len(held), compared)
        refused = {o: server.metric("tidemark_remote_write_samples_total", outcome=o)
                   for o in ("conflict", "out_of_order", "too_old", "too_new", "series_limit", "memory_limit", "invalid")}
        assert not any(refused.values()), refused
        print(f"{compared} samples of {len(held)} series found again")


QUERIES = """rate(work_total[10s]) | increase(work_total[10s]) | irate(work_total[10s]) | delta(level[10s]) | idelta(level[5s])
deriv(level[10s]) | predict_linear(level[10s], 60) | resets(work_total[20s]) | changes(level[20s])
sum(work_total) | sum by (n) (level) | avg(level) | min(level) | max(level) | stddev(level) | stdvar(level) | count(level) | group(level)
topk(3, work_total) | bottomk(2, work_total) | quantile(0.9, level) | count_values("v", work_total > bool 50) | sum without (n) (rate(work_total[10s]))
avg_over_time(level[10s]) | sum_over_time(level[10s]) | min_over_time(level[10s]) | max_over_time(level[10s]) | count_over_time(level[10s])
stddev_over_time(level[10s]) | stdvar_over_time(level[10s]) | quantile_over_time(0.3, level[10s]) | last_over_time(level[10s]) | present_over_time(sometimes[2s])
histogram_quantile(0.9, rate(lat_bucket[10s])) | histogram_quantile(0.5, sum by (le) (rate(lat_bucket[10s]))) | rate(lat_sum[10s]) / rate(lat_count[10s])
level + work_total | level * on (n) work_total | work_total / on (n) group_left level | work_total > 50 | work_total > bool 50 | work_total == work_total
level and work_total > 100 | level or work_total | level unless on (n) work_total > 100 | -level | level ^ 2 | work_total % 7 | 2 ^ 3 ^ 2 | 1 / 0 | 0 / 0
abs(level) | ceil(level) | floor(level) | exp(level) | ln(level) | log2(level) | log10(level) | sqrt(level) | round(level, 0.1) | sgn(level) | clamp(level, -1, 1)
clamp_min(level, 0) | clamp_max(level, 0) | sin(level) | cos(level) | atan(level) | time() | timestamp(level) | vector(1) | scalar(lat_count) | absent(nope{a="b"})
absent(level) | absent_over_time(nope[5s]) | absent_over_time(sometimes[1s]) | label_replace(level, "m", "x$1", "n", "(.).*") | label_join(level, "j", "-", "n", "job")
sort(work_total) | sort_desc(work_total) | odd | sometimes | count_over_time(sometimes[10s]) | level offset 5s | level offset -2s | level @ end() | level @ start()
max_over_time(rate(work_total[5s])[10s:1s]) | sum_over_time(level[10s:3s]) | avg_over_time(sum(level)[10s:]) | min_over_time((level > 0)[10s:2s] offset 3s)
{n="3"} | {__name__=~"work.*",n!~"1.*"} | level{n=""} | level{n=~"1|2|5"} | day_of_week() | hour(vector(1700000000)) | minute() | days_in_month(vector(1709210000))
scrape_samples_scraped | up | sum by (job) (up) | level + on (job) work_total | rate(level) | sum(level | nope( | level{n=~"("} | "text" | rate(work_total[10s]) > on () 1"""


def close(a, b):
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, str) and a != b:
        try:
            x, y = float(a), float(b)
        except ValueError:
            return False
        # The peer's release sums in another order than today's: the last digits may differ.
        return x == y or (math.isnan(x) and math.isnan(y)) or abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1e-3)
    return a == b


def result_of(body, ordered):
    data = body.get("data") or {}
    result = data.get("result", [])
    if data.get("resultType") in ("vector", "matrix") and not ordered:
        result = sorted(result, key=lambda s: json.dumps(s["metric"], sort_keys=True))
    return [data.get("resultType"), result]


def test_both_give_the_same_answers():
    """Over the same pages, scraped by it and pushed to us."""
    for _ in range(10):
        if same_answers():
            return
    raise AssertionError("ten times a scrape fell on a whole second")


def off_the_edges(p, end):
    """Its windows hold both their edges, ours the later one. So that no sample lies on one: a time to ask
    at, with the milliseconds that no sample of `up` has; None if the windows of subqueries are hit."""
    held, = p.samples("up", "1h", end + 60).values()
    taken = {ms % 1000 for ms, _ in held}
    free = [ms for ms in range(1, 1000) if ms not in taken]
    return None if 0 in taken or not free else (int(end) - 2) + free[0] / 1000


def same_answers():
    tick = iter(range(1, 1 << 30))
    with temporary_folder() as folder, Exporter(lambda: page_of(next(tick))) as exporter, \
         Server(flags=["--web.enable-remote-write-receiver"]) as server:
        config = f"""
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs: [{{job_name: page, static_configs: [{{targets: ["{exporter.address}"]}}]}}]
remote_write: [{{url: "{server.url}/api/v1/write", queue_config: {{batch_send_deadline: 100ms, max_shards: 1}}}}]
"""
        with Peer(folder, config) as p:
            # Where a counter begins, this release of it extrapolates in the old way: stay clear of that.
            wait_for("some scrapes", lambda: len(exporter.requests) > 90, every=0.5)
            end = time.time()
            # A negative offset looks past `at`: what it finds must have come before either is asked.
            wait_for("what was pushed", lambda: server.instant("up") and server.value("timestamp(up)") > end + 2)
            at = off_the_edges(p, end)
            if at is None:
                return False
            start = round(at - 8, 3)
            wrong, count = [], 0
            for query in (q.strip() for line in QUERIES.splitlines() for q in line.split(" | ")):
                for path, params in (("query", {"time": at}), ("query_range", {"start": start, "end": at, "step": 1})):
                    count += 1
                    status, theirs = p.query(path, query=query, **params)
                    answer = server.get(f"/api/v1/{path}", {"query": query, **params})
                    ordered = query.startswith("sort") and path == "query"
                    same = status == answer.status and (
                        close(result_of(theirs, ordered), result_of(answer.json, ordered)) if status == 200 else
                        theirs["errorType"] == answer.json["errorType"])
                    if not same:
                        wrong.append(f"{path} {query}\n  theirs {status} {json.dumps(theirs)[:500]}\n  ours   {answer.status} {answer.text[:500]}")
            assert not wrong, f"{len(wrong)} of {count} answers differ:\n" + "\n".join(wrong)[:8000]
            assert count > 200
    return True


def test_it_federates_from_us():
    with temporary_folder() as folder, Exporter(lambda: page_of(7)) as exporter:
        ours = (f"global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{site: lab}}}}\n"
                f"scrape_configs: [{{job_name: page, static_configs: [{{targets: ['{exporter.address}']}}]}}]\n")
        with Server(config=ours) as server:
            wait_for("the page", lambda: server.value("lat_count") == 70)
            theirs = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: federate
    honor_labels: true
    metrics_path: /federate
    params: {{"match[]": ['{{job="page"}}']}}
    static_configs: [{{targets: ["{server.address}"]}}]
"""
            with Peer(folder, theirs) as p:
                at = wait_for("the federated page", lambda: (p.query("query", query="lat_count")[1]["data"]["result"] or [None])[0])
                assert at["metric"] == {"__name__": "lat_count", "instance": exporter.address, "job": "page", "site": "lab"}, at
                now = time.time()
                held = {labels: s[-1] for labels, s in p.samples('{job="page"}', "30s", now).items()}
                names = {dict(labels)["__name__"] for labels in held}
                assert {"work_total", "level", "lat_bucket", "up", "scrape_duration_seconds"} <= names, names
                mine = server.samples('{job="page"}', "60s", time.time())
                for labels, (t, v) in held.items():
                    own = dict(mine[tuple(x for x in labels if x[0] != "site")])
                    assert t in own and (own[t] == v or float(own[t]) == float(v)), (labels, t, v)


def test_it_reads_our_openmetrics():
    """Its scraper prefers OpenMetrics: types, help and units of our own metrics arrive."""
    with temporary_folder() as folder, Server() as server:
        config = f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs: [{{job_name: ours, static_configs: [{{targets: ['{server.address}']}}]}}]\n"
        with Peer(folder, config) as p:
            wait_for("a scrape", lambda: p.query("query", query='up{job="ours"} == 1')[1]["data"]["result"])
            target, = p.query("targets", state="active")[1]["data"]["activeTargets"]
            assert target["health"] == "up" and target["lastError"] == "", target
            metadata = p.query("metadata", metric="prometheus_tsdb_head_series")[1]["data"]
            assert metadata["prometheus_tsdb_head_series"][0]["type"] == "gauge", metadata
            count = float(p.query("query", query='scrape_samples_scraped{job="ours"}')[1]["data"]["result"][0]["value"][1])
            assert count > 100, count
