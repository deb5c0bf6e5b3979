"""The queries of tools/bench.py: the same hours of data in each server, the same questions.

Each family of questions has data of its own, in a folder of its own. A server is loaded by remote
write in order of time (bench_loader), left alone until it rests, stopped, its files dropped from the
page cache, and started again; what it holds then, at rest, is told once for the family. The first
time that a question is asked is the cold one; then it is asked again until there are five more,
whose median counts. All answers are looked at before a figure is told.
"""
import json
import math
import statistics
import subprocess
import time

from bench_common import NAMES, Wrong, number

DAY_S, HOUR_S, BLOCK_S = 86400, 3600, 7200
RUNS = 5
# What of it differs by design, told beside the figures. Prometheus is asked where it does not.
DESIGN = ("victoria-metrics takes the sample before the window instead of extrapolating (rate), and rounds "
          "what it stores")


class Question:
    """asked(end_s) → (path, params). alike: VictoriaMetrics must answer the same, or may differ by design.
    ranked: the values of each time must agree, whichever of equal ones they belong to. fills_s: so long
    after the first step windows are not full yet, where VictoriaMetrics does as it likes."""

    def __init__(self, name, text, asked, alike=True, ranked=False, fills_s=0):
        self.name, self.text, self.asked, self.alike, self.ranked = name, text, asked, alike, ranked
        self.fills_s = fills_s


def over(query, span_s, step_s=60):
    # Subqueries have points at whole minutes: windows begin between them.
    end_before_s = 30
    return lambda end: ("query_range", {"query": query, "start": end - end_before_s - span_s,
                                        "end": end - end_before_s, "step": step_s})


def at(query):
    return lambda end: ("query", {"query": query, "time": end})


class Family:
    """Questions of the same data. peers: who can take it."""

    def __init__(self, text, loads, questions, peers=NAMES):
        self.text, self.loads, self.questions, self.peers = text, loads, questions, peers


def rate_families(hours, series):
    """Counters over many hours, alone and beside gauges; and those of many targets."""
    span_s, day = hours * HOUR_S, f"{series} series, {hours} h"
    rate, gauges = "rate(bench_day_total[5m])", series // 4
    grid = f"15:{span_s + HOUR_S}"
    return [
        Family(f"{series} counters and {gauges} gauges, {hours} h",
               [f"day:{series}:{grid}", f"temperature:{gauges}:{grid}"], [
                   Question("rate", f"sum by (rate), {day} at 15 s, step 60 s",
                            over(f"sum by (path) ({rate})", span_s), alike=False),
                   Question("topk", f"topk(5) of the rates, {day}", over(f"topk(5, {rate})", span_s),
                            alike=False, ranked=True),
                   Question("join", f"rates × on (instance) group_left {gauges} gauges, {day}",
                            over(f"sum by (path) ({rate} * on (instance) group_left () bench_temperature)", span_s),
                            alike=False),
                   Question("subquery", f"max_over_time(sum by (rate)[30m:1m]), {day}",
                            over(f"max_over_time(sum by (path) ({rate})[30m:1m])", span_s), alike=False),
                   Question("quantile_over_time", f"max(quantile_over_time[10m]), {gauges} gauges, {hours} h",
                            over("max(quantile_over_time(0.9, bench_temperature[10m]))", span_s))]),
        Family(f"{series} counters of {series // 100} targets, {hours} h", [f"wide:{series}:{grid}"], [
            Question("rate_wide", f"sum by (rate), the same of {series // 100} targets, each at times of its own",
                     over("sum by (mode) (rate(bench_wide_total[5m]))", span_s), alike=False)]),
    ]


def many_families(many, most):
    """Series of a few samples each."""
    few, all_of = f"{many // 1000} k series", f"{most // 1000} k series"
    return [
        Family(few, [f"many:{many}:60:300"], [
            Question("regex", f"sum of half of {few} by a regular expression",
                     at('sum(bench_many{instance=~"host-.*[02468]"})')),
            Question("count", f"count of {few} by a regular expression of names",
                     at('count({__name__=~"bench_man.+"})'))]),
        Family(all_of, [f"many:{most}:60:60"], [
            Question("values", f"values of a label of {all_of}",
                     lambda end: ("label/instance/values",
                                  {"match[]": "bench_many", "start": end - 600, "end": end}))]),
    ]


def families(long=False, quick=False):
    """What is loaded and asked: the usual size, quick or long."""
    hours, series = (3, 100) if quick else (24, 1000)
    latency_h, histograms = 24 if long else 1 if quick else 2, 20 if quick else 1000
    natives, native_h = (50, 2) if quick else (500, 6)
    buckets = "histogram_quantile(0.9, sum by (le) (rate(bench_latency_seconds_bucket[5m])))"
    return [
        Family("4800 counters × 216 samples", ["cpu:4800:5:1080"], [
            Question("rate_short", "sum by (rate), 4800 series × 216 samples, 73 steps",
                     lambda end: ("query_range", {"query": "sum by (mode) (rate(bench_cpu_seconds_total[5m]))",
                                                  "start": end - 1080, "end": end, "step": 15}),
                     alike=False, fills_s=300)]),
        *rate_families(hours, series),
        Family(f"12 buckets × {histograms}, {latency_h} h",
               [f"latency:{12 * histograms}:15:{(latency_h + 1) * HOUR_S}"], [
                   Question("quantile", f"histogram_quantile, 12 buckets × {histograms}, {latency_h} h, step 60 s",
                            over(buckets, latency_h * HOUR_S), alike=False)]),
        *(many_families(5000, 5000) if quick else many_families(223000, 1000000)),
        Family(f"{natives} native histograms, {native_h} h", [f"native:{natives}:15:{(native_h + 1) * HOUR_S}"], [
            Question("native", f"sum(rate) of {natives} native histograms, {native_h} h, step 60 s",
                     over("sum(rate(bench_native_seconds[5m]))", native_h * HOUR_S))],
               peers=("prometheus", "tidemark")),
    ]


def question_names():
    return [q.name for f in families() for q in f.questions]


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


def behind(answer, from_s):
    """The points from a time on."""
    return {key: {t: v for t, v in points.items() if t >= from_s} for key, points in answer.items()}


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


def load(bench, server, loads, end_s, from_s=0):
    out = subprocess.run([bench.program("bench_loader"), str(server.port), str(end_s), str(from_s)] + loads,
                         check=True, capture_output=True, timeout=900).stdout
    result = json.loads(out)
    if result["refused"]:
        said = open(server.log).read()[-500:]
        raise Wrong(f"{server.name} refused {result['refused']} of {result['requests']} requests: {said}")
    if server.name == "victoria-metrics":
        server.request("GET", "/internal/force_flush")
    server.settle()
    return result


def loaded(bench, name, loads, end_s):
    """A server that was loaded and stopped, its files out of the page cache."""
    flags = {"prometheus": ["--enable-feature=native-histograms", "--storage.tsdb.retention.time=60d"],
             "victoria-metrics": ["-search.maxUniqueTimeseries=3000000"], "tidemark": []}[name]
    server = bench.server(name, flags=flags)
    with server as s:
        done = load(bench, s, loads, end_s)
        print(f"    {name}: {done['samples']} samples in {done['wall_s']:.0f} s", flush=True)
    server.forget_files()
    return server


def costs_of(bench, name, family, questions, end_s):
    """({question: cost}, bytes at rest)."""
    with loaded(bench, name, family.loads, end_s) as s:
        s.settle()
        rest, costs = s.anonymous_bytes(), {}
        for q in questions:
            costs[q.name] = c = Cost(s, *q.asked(end_s))
            print(f"      {q.name}: {number(c.cpu)} ms of CPU, {points_of(c.answer)} points", flush=True)
        return costs, rest


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
                            f"{points_of(theirs)} points")
            print(f"    {q.name}: {name} agrees in {points_of(ours)} points to {worst:.1e}", flush=True)
            continue
        if q.fills_s:
            from_s = min(t for points in ours.values() for t in points) + q.fills_s
            worst = difference(behind(ours, from_s), behind(theirs, from_s))
        said = "has other points" if worst is None else f"differs by up to {worst:.1%}"
        bench.table.note(f"{q.name}: {name} {said}, by design")


def question_add(bench, q, of_all):
    for what, unit, get in (("wall", "ms", lambda c: c.wall), ("CPU", "ms", lambda c: c.cpu),
                            ("cold, wall", "ms", lambda c: c.cold_wall), ("cold, CPU", "ms", lambda c: c.cold_cpu),
                            ("peak memory", "MB", lambda c: c.peak / 1e6)):
        name = q.text if what == "wall" else "same"
        bench.table.add(f"{name}, {what}", unit, {n: get(c) for n, c in of_all.items()})


def family_measure(bench, family, asked):
    print(f"  {family.text}:", flush=True)
    end_s = int(time.time()) // 60 * 60 - 600
    got = {n: costs_of(bench, n, family, asked, end_s) for n in bench.names if n in family.peers}
    for q in asked:
        of_all = {name: costs[q.name] for name, (costs, _) in got.items()}
        try:
            answers_compare(bench, q, of_all)
            question_add(bench, q, of_all)
        except Wrong as e:
            bench.wrong(e)
    bench.table.add(f"{family.text}: held at rest, started anew", "MB",
                    {n: rest / 1e6 for n, (_, rest) in got.items()})


def queries(bench):
    bench.table.note(f"queries: {DESIGN}; Debian's Prometheus has closed windows: no sample stands on an edge")
    for family in families(bench.long, bench.quick):
        asked = [q for q in family.questions if bench.wanted(q.name)]
        try:
            if asked:
                family_measure(bench, family, asked)
        except Wrong as e:
            bench.wrong(e)


def panel_fill(bench, server, series, days, end_s):
    """Days of blocks written straight into the folder, the last hours by remote write."""
    shape = f"panel:{series}:15:{days * DAY_S + HOUR_S}"
    until_s = (end_s - HOUR_S) // BLOCK_S * BLOCK_S
    made = json.loads(subprocess.run(
        [bench.program("bench_blocks"), server.folder, str(end_s), str(until_s), shape],
        check=True, capture_output=True, timeout=900).stdout)
    with server as s:
        done = load(bench, s, [shape], end_s, until_s)  # It rests when the blocks are joined.
        wanted = series * (days * DAY_S + HOUR_S) // 15
        if made["samples"] + done["samples"] != wanted:
            raise Wrong(f"panel: {made['samples']} and {done['samples']} samples are not {wanted}")
        print(f"  {made['blocks']} blocks in {made['wall_s']:.0f} s, then {done['samples']} samples in "
              f"{done['wall_s']:.0f} s", flush=True)
    server.forget_files()


def panel(bench):
    """Long panels of Tidemark alone: 10,000 series over a day, and over seven."""
    end_s = int(time.time()) // 60 * 60 - 600
    series, days = (100, 2) if bench.quick else (10000, 7)
    query = "sum by (path) (rate(bench_panel_total[5m]))"
    server = bench.server("tidemark")
    panel_fill(bench, server, series, days, end_s)
    with server as s:
        s.settle()
        rest = s.anonymous_bytes()
        for text, span_s, step_s, runs in ((f"{days} days, step 600 s", days * DAY_S, 600, 5),
                                           ("24 h, step 60 s", DAY_S, 60, 100)):
            walls, cpus = [], []
            for _ in range(runs):
                path, params = over(query, span_s, step_s)(end_s)
                begun, cpu = time.perf_counter(), s.cpu_s()
                answer = answer_of(s.ask(path, params))
                walls.append(time.perf_counter() - begun)
                cpus.append(s.cpu_s() - cpu)
                if points_of(answer) != 4 * (span_s // step_s + 1):
                    raise Wrong(f"panel: {points_of(answer)} points over {text}")
            bench.table.add(f"panel of {series:,} series, {text}, the first, wall", "s", {"tidemark": walls[0]})
            walls.sort()
            bench.table.add(f"same, median of {runs}, wall", "s", {"tidemark": statistics.median(walls)})
            bench.table.add("same, CPU", "s", {"tidemark": statistics.median(cpus)})
            bench.table.add("same, 99 of 100, wall" if runs == 100 else "same, slowest, wall", "s",
                            {"tidemark": walls[-2] if runs == 100 else walls[-1]})
            peak = s.peak_during(lambda: s.ask(path, params))[1]
            bench.table.add("same, peak memory", "MB", {"tidemark": peak / 1e6})
        bench.table.add("same, held at rest", "MB", {"tidemark": rest / 1e6})
