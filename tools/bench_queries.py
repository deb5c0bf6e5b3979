"""The queries of tools/bench.py: the same hours of data in each server, the same questions.

Each server is loaded by remote write in order of time (bench_loader), left alone until it rests,
stopped, its files dropped from the page cache, and started again. The first time that a question is
asked is the cold one; then it is asked again until there are five more, whose median counts. All
answers are looked at before a figure is told.
"""
import json
import math
import statistics
import subprocess
import time

from bench_common import NAMES, Wrong

DAY_S, HOUR_S = 86400, 3600
RUNS = 5
# What of it differs by design, told beside the figures. Prometheus is asked where it does not.
DESIGN = ("victoria-metrics takes the sample before the window instead of extrapolating (rate), and rounds "
          "what it stores")


class Question:
    """asked(end_s) → (path, params). alike: VictoriaMetrics must answer the same, or may differ by design.
    ranked: the values of each time must agree, whichever of equal ones they belong to."""

    def __init__(self, name, text, asked, alike=True, peers=NAMES, ranked=False):
        self.name, self.text, self.asked, self.alike, self.peers = name, text, asked, alike, peers
        self.ranked = ranked


def over(query, span_s, step_s=60):
    # Subqueries have points at whole minutes: windows begin between them.
    end_before_s = 30
    return lambda end: ("query_range", {"query": query, "start": end - end_before_s - span_s,
                                        "end": end - end_before_s, "step": step_s})


def at(query):
    return lambda end: ("query", {"query": query, "time": end})


class Plan:
    """What is loaded and asked: the usual size, quick or long."""

    def __init__(self, long=False, quick=False):
        self.hours, self.series = (3, 100) if quick else (24, 1000)
        self.latency_h = 24 if long else 1 if quick else 2
        self.many = 1000000 if long else 5000 if quick else 223000
        self.span_s = self.hours * HOUR_S
        latency_s, histograms = self.latency_h * HOUR_S, 20 if quick else 1000
        self.loads = [f"day:{self.series}:15:{self.span_s + HOUR_S}",
                      f"wide:{self.series}:15:{self.span_s + HOUR_S}",
                      f"temperature:{self.series // 4}:15:{self.span_s + HOUR_S}",
                      f"latency:{12 * histograms}:15:{latency_s + HOUR_S}", f"many:{self.many}:60:300"]
        natives, native_h = (50, 2) if quick else (500, 6)
        self.native = f"native:{natives}:15:{(native_h + 1) * HOUR_S}"
        day, many = f"{self.series} series, {self.hours} h", f"{self.many // 1000} k series"
        rate = "rate(bench_day_total[5m])"
        buckets = "histogram_quantile(0.9, sum by (le) (rate(bench_latency_seconds_bucket[5m])))"
        native = "sum(rate(bench_native_seconds[5m]))"
        self.questions = [
            Question("rate", f"sum by (rate), {day} at 15 s, step 60 s",
                     over(f"sum by (path) ({rate})", self.span_s), alike=False),
            Question("rate_wide", f"sum by (rate), the same of {self.series // 100} targets, each at times of its own",
                     over("sum by (mode) (rate(bench_wide_total[5m]))", self.span_s), alike=False),
            Question("quantile", f"histogram_quantile, 12 buckets × {histograms}, {self.latency_h} h, step 60 s",
                     over(buckets, latency_s), alike=False),
            Question("topk", f"topk(5) of the rates, {day}", over(f"topk(5, {rate})", self.span_s),
                     alike=False, ranked=True),
            Question("regex", f"sum of half of {many} by a regular expression",
                     at('sum(bench_many{instance=~"host-.*[02468]"})')),
            Question("join", f"rates × on (instance) group_left {self.series // 4} gauges, {day}",
                     over(f"sum by (path) ({rate} * on (instance) group_left () bench_temperature)", self.span_s),
                     alike=False),
            Question("subquery", f"max_over_time(sum by (rate)[30m:1m]), {day}",
                     over(f"max_over_time(sum by (path) ({rate})[30m:1m])", self.span_s), alike=False),
            Question("quantile_over_time", f"max(quantile_over_time[10m]), {self.series // 4} gauges, {self.hours} h",
                     over("max(quantile_over_time(0.9, bench_temperature[10m]))", self.span_s)),
            Question("count", f"count of {many} by a regular expression of names",
                     at('count({__name__=~"bench_man.+"})')),
            Question("values", f"values of a label of {many}",
                     lambda end: ("label/instance/values", {"match[]": "bench_many", "start": end - 600, "end": end})),
            Question("native", f"sum(rate) of {natives} native histograms, {native_h} h, step 60 s",
                     over(native, native_h * HOUR_S),
                     peers=("prometheus", "tidemark")),
        ]


def numbers(value):
    """The numbers of a sample: one, or those of a histogram."""
    if isinstance(value, dict):
        return [float(value["count"]), float(value["sum"])] + \
            [float(x) for bucket in value.get("buckets", []) for x in bucket[1:]]
    return [float(value)]


def answer_of(body):
    """{label set: {time: numbers}}, or a list of values."""
    data = json.loads(body)["data"]
    if isinstance(data, list):
        return sorted(data)
    out = {}
    for r in data["result"]:
        points = r.get("values", []) + r.get("histograms", []) + [r[k] for k in ("value", "histogram") if k in r]
        out[tuple(sorted(r["metric"].items()))] = {float(t): numbers(v) for t, v in points}
    return out


def far(a, b):
    """The relative difference of two samples; infinite if they are not of one kind."""
    if len(a) != len(b):
        return math.inf
    return max((abs(x - y) / max(abs(x), abs(y), 1e-300) for x, y in zip(a, b) if x != y and x == x), default=0.0)


def difference(a, b):
    """The largest relative difference of two answers; None if they have not the same points."""
    if isinstance(a, list) or isinstance(b, list):
        return 0.0 if a == b else None
    if a.keys() != b.keys() or any(a[k].keys() != b[k].keys() for k in a):
        return None
    return max((far(a[k][t], b[k][t]) for k in a for t in a[k]), default=0.0)


def ranks(answer):
    """{rank: {time: numbers}}: without the labels."""
    times = {}
    for points in answer.values():
        for t, value in points.items():
            times.setdefault(t, []).append(value)
    out = {}
    for t, values in times.items():
        for rank, value in enumerate(sorted(values)):
            out.setdefault(rank, {})[t] = value
    return out


def points_of(answer):
    return len(answer) if isinstance(answer, list) else sum(len(v) for v in answer.values())


class Cost:
    """What a question cost one server."""

    def __init__(self, server, path, params):
        def once():
            wall, cpu = time.perf_counter(), server.cpu_s()
            body = server.ask(path, params)
            return (time.perf_counter() - wall) * 1e3, (server.cpu_s() - cpu) * 1e3, body

        (self.cold_wall, self.cold_cpu, body), self.peak = server.peak_during(once)
        self.answer = answer_of(body)
        walls, cpus = [], []
        for _ in range(RUNS):
            wall, cpu, again = once()
            # Prometheus adds up in the order of a hash table.
            worst = 0.0 if again == body else difference(answer_of(again), self.answer)
            if worst is None or worst > 1e-9:
                raise Wrong(f"{server.name} changes its answer to {params}")
            walls.append(wall)
            cpus.append(cpu)
        self.wall, self.cpu = statistics.median(walls), statistics.median(cpus)
        self.peak = max(self.peak, server.peak_during(once)[1])


def load(bench, server, loads, end_s):
    out = subprocess.run([bench.program("bench_loader"), str(server.port), str(end_s)] + loads,
                         check=True, capture_output=True, timeout=900).stdout
    result = json.loads(out)
    if result["refused"]:
        said = open(server.log).read()[-500:]
        raise Wrong(f"{server.name} refused {result['refused']} of {result['requests']} requests: {said}")
    if server.name == "victoria-metrics":
        server.request("GET", "/internal/force_flush")
    server.settle()
    return result


def growth():
    """{chart: (title, across, [(x, asked)])}: how cost grows, one thing at a time."""
    rate = "sum by (path) (rate(bench_day_total{}[5m]))"
    hosts = ((12, "host-000[0-2]"), (40, "host-000."), (120, "host-00[0-2]."), (400, "host-00.."), (1000, "host-.*"))
    return {
        "series": ("sum by (rate) over 24 h, step 60 s, CPU ms", "series",
                   [(n, over(rate.replace("{}", f'{{instance=~"{hosts}"}}'), DAY_S)) for n, hosts in hosts]),
        "samples": ("sum of sums over time of 1,000 series, 60 steps, CPU ms", "samples",
                    [(h * 240000, over(f"sum(sum_over_time(bench_day_total[{h}m]))", h * HOUR_S, h * 60))
                     for h in (1, 2, 4, 8, 16, 24)]),
        "steps": ("sum by (rate) of 1,000 series over 24 h, CPU ms", "steps",
                  [(DAY_S // step, over(rate.replace("{}", ""), DAY_S, step)) for step in (15, 60, 300, 900, 3600)]),
    }


def growth_of(server, end_s):
    """{chart: [(x, ms of CPU)]}: the least of three."""
    def cost(asked):
        def once():
            cpu = server.cpu_s()
            server.ask(*asked(end_s))
            return (server.cpu_s() - cpu) * 1e3
        return min(once() for _ in range(3))
    return {chart: [(x, cost(asked)) for x, asked in points] for chart, (_, _, points) in growth().items()}


def costs_of(bench, name, plan, end_s):
    """{question: cost} and what growth_of says; the server is loaded, started anew and asked."""
    flags = {"prometheus": ["--enable-feature=native-histograms", "--storage.tsdb.retention.time=60d"],
             "victoria-metrics": ["-search.maxUniqueTimeseries=3000000"], "tidemark": []}[name]
    server = bench.server(name, flags=flags)
    with server as s:
        loaded = load(bench, s, plan.loads + ([plan.native] if name != "victoria-metrics" else []), end_s)
        print(f"  {name}: {loaded['samples']} samples in {loaded['wall_s']:.0f} s", flush=True)
    server.forget_files()
    with server as s:
        s.settle()
        costs = {}
        for q in plan.questions:
            if name in q.peers and bench.wanted(q.name):
                costs[q.name] = c = Cost(s, *q.asked(end_s))
                print(f"    {q.name}: {c.cpu:.3g} ms of CPU, {points_of(c.answer)} points", flush=True)
        return costs, growth_of(s, end_s) if bench.charts and not bench.quick else {}


def answers_compare(bench, q, costs):
    ours = costs["tidemark"].answer
    if points_of(ours) == 0:
        raise Wrong(f"{q.name}: tidemark answers nothing")
    for name in costs.keys() - {"tidemark"}:
        theirs = costs[name].answer
        worst = difference(ranks(ours), ranks(theirs)) if q.ranked else difference(ours, theirs)
        if name == "prometheus" or q.alike:
            # Sums are added up in another order; VictoriaMetrics rounds what it stores.
            if worst is None or worst > 1e-9:
                raise Wrong(f"{q.name}: tidemark and {name} differ: {worst}, {points_of(ours)} and "
                            f"{points_of(costs[name].answer)} points")
        else:
            said = "has other points" if worst is None else f"differs by up to {worst:.1%}"
            bench.table.note(f"{q.name}: {name} {said}, by design")


def queries(bench):
    plan = Plan(bench.long, bench.quick)
    end_s = int(time.time()) // 60 * 60 - 600
    got = {name: costs_of(bench, name, plan, end_s) for name in bench.names}
    costs = {name: c for name, (c, _) in got.items()}
    bench.table.note(f"queries: {DESIGN}; Debian's Prometheus has closed windows: no sample stands on an edge")
    for q in plan.questions:
        of_all = {name: c[q.name] for name, c in costs.items() if q.name in c}
        if not of_all:
            continue
        try:
            answers_compare(bench, q, of_all)
        except Wrong as e:
            bench.wrong(e)
            continue
        for what, unit, get in (("wall", "ms", lambda c: c.wall), ("CPU", "ms", lambda c: c.cpu),
                                ("cold, wall", "ms", lambda c: c.cold_wall), ("cold, CPU", "ms", lambda c: c.cold_cpu),
                                ("peak memory", "MB", lambda c: c.peak / 1e6)):
            name = q.text if what == "wall" else "same"
            bench.table.add(f"{name}, {what}", unit, {n: get(c) for n, c in of_all.items()})
    for chart, (title, across, _) in growth().items():
        lines = {n: grown[chart] for n, (_, grown) in got.items() if grown}
        if lines:
            bench.chart("query-" + chart, title, across, lines)


def panel(bench):
    """Long panels of Tidemark alone: 10,000 series over a day, and over seven."""
    end_s = int(time.time()) // 60 * 60 - 600
    query = "sum by (path) (rate(bench_panel_total[5m]))"
    with bench.server("tidemark") as s:
        loaded = load(bench, s, [f"panel:10000:15:{7 * DAY_S + HOUR_S}"], end_s)
        print(f"  {loaded['samples']} samples in {loaded['wall_s']:.0f} s", flush=True)
        for text, span_s, step_s, runs in (("24 h, step 60 s", DAY_S, 60, 100), ("7 days, step 600 s", 7 * DAY_S, 600, 5)):
            walls = []
            for _ in range(runs):
                path, params = over(query, span_s, step_s)(end_s)
                begun = time.perf_counter()
                answer = answer_of(s.ask(path, params))
                walls.append(time.perf_counter() - begun)
                if points_of(answer) != 4 * (span_s // step_s + 1):
                    raise Wrong(f"panel: {points_of(answer)} points over {text}")
            walls.sort()
            bench.table.add(f"panel of 10,000 series, {text}, median of {runs}, wall", "s",
                            {"tidemark": statistics.median(walls)})
            bench.table.add("same, 99 of 100" if runs == 100 else "same, slowest", "s",
                            {"tidemark": walls[-2] if runs == 100 else walls[-1]})
