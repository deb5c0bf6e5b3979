"""How cost grows with series, samples and steps, for tools/bench.py: drawings, and the points of each.

Storage: Tidemark alone, the same short table at every size; so that the largest size fits into memory
and minutes, all sizes have few samples a series. Queries: one thing grows at a time, each server is
asked the same.
"""
import statistics
import time

from bench_common import number
from bench_queries import HOUR_S, loaded, over
import bench_storage

SIZES, SIZES_QUICK = (10000, 100000, 1000000, 5000000), (10000, 30000)
PUSHES, PUSHES_QUICK = ((10000, 50), (100000, 10), (1000000, 2)), ((10000, 10), (20000, 5))
HEAD_ROWS, RESTART_ROWS, COMPACT_HOURS = 120, 40, 4
RUNS = 3


def point(chart, x, unit, y):
    print(f"    {chart}: {x} → {number(y, 4)} {unit}", flush=True)
    return x, y


def head(bench):
    lines = {name: [] for name, *_ in bench_storage.HEAD}
    for series in SIZES_QUICK if bench.quick else SIZES:
        r = bench_storage.head_of(bench, series, HEAD_ROWS)
        for name, text, unit, get in bench_storage.HEAD:
            lines[name].append(point(text, series, unit, get(r)))
    rows = f"{HEAD_ROWS} samples each"
    bench.chart("storage-append", f"Append, {rows}: CPU of one sample", "series", "ns",
                {"with the log": lines["append"], "without": lines["bare"]})
    bench.chart("storage-memory", f"Memory of the head, {rows}", "series", "bytes a series",
                {"anonymous": lines["memory"]})
    bench.chart("storage-new", "New series: CPU of one, with its record in the log", "series", "µs",
                {"tidemark": lines["new"]})
    bench.chart("storage-select", "Select 1 series by 3 matchers: CPU", "series", "µs", {"tidemark": lines["select"]})
    bench.chart("storage-regex", "Count by a regular expression of all instances: CPU", "series", "ms",
                {"tidemark": lines["regex"]})


def restart(bench):
    lines = {"first answer": [], "CPU": []}
    for series in SIZES_QUICK if bench.quick else SIZES:
        after = bench_storage.restart_of(bench, series, RESTART_ROWS)[1]
        lines["first answer"].append(point("kill -9 to the first answer", series, "s", after["first_answer_s"]))
        lines["CPU"].append(point("CPU until it is open", series, "s", after["open_cpu_s"]))
    bench.chart("storage-restart", f"kill -9 to the first right answer, {RESTART_ROWS} samples a series", "series",
                "s", lines)


def compaction(bench):
    lines = {"speed": [], "memory": []}
    for series in SIZES_QUICK if bench.quick else SIZES:
        r = bench_storage.compaction_of(bench, series, COMPACT_HOURS)
        lines["speed"].append(point("compaction", series, "M samples/s", r["samples_per_s"] / 1e6))
        lines["memory"].append(point("extra memory", series, "MB", r["peak_bytes"] / 1e6))
    what = f"Compaction of {COMPACT_HOURS} h at 15 s"
    bench.chart("storage-compaction", f"{what}: samples for a second of CPU", "series", "million/s",
                {"tidemark": lines["speed"]})
    bench.chart("storage-compaction-memory", f"{what}: memory beyond what was held before", "series", "MB",
                {"tidemark": lines["memory"]})


def push(bench):
    points = []
    for series, steps in PUSHES_QUICK if bench.quick else PUSHES:
        cost = bench.pushed(["tidemark"], series, steps)["tidemark"][0]
        points.append(point("remote write", series, "s of CPU per million samples", cost))
    bench.chart("storage-push", "Remote write, 2000 samples a request: CPU of a million", "series", "s",
                {"tidemark": points})


# ---- queries ----

def rate(matcher, span_s, step_s):
    return over(f"sum by (path) (rate(bench_day_total{matcher}[5m]))", span_s, step_s)


def by_series(quick):
    """(loads, {chart: (title, across, [(x, asked)])})."""
    hosts = ((12, "host-000[0-2]"), (40, "host-000."), (120, "host-00[0-2]."), (400, "host-00.."))
    more = () if quick else ((4000, "host-0..."), (10000, "host-.*"))
    return ["day:%d:15:%d" % ((hosts + more)[-1][0], 3 * HOUR_S)], {
        "series": ("sum by (rate) over 2 h, step 60 s: CPU", "series",
                   [(n, rate(f'{{instance=~"{which}"}}', 2 * HOUR_S, 60)) for n, which in hosts + more])}


def by_time(quick):
    hours = (1, 2) if quick else (1, 2, 4, 8, 16, 24)
    series, longest = 100 if quick else 1000, hours[-1] * HOUR_S
    return [f"day:{series}:15:{longest + HOUR_S}"], {
        "samples": (f"sum(sum_over_time) of {series} series, 60 steps: CPU", "samples",
                    [(h * HOUR_S // 15 * series, over(f"sum(sum_over_time(bench_day_total[{h}m]))", h * HOUR_S, h * 60))
                     for h in hours]),
        "steps": (f"sum by (rate) of {series} series over {hours[-1]} h: CPU", "steps",
                  [(longest // step, rate("", longest, step)) for step in (15, 60, 300, 900, 3600)])}


def growth_of(bench, name, loads, charts, end_s):
    """{chart: [(x, ms of CPU)]}: the median of three, the files being in the page cache."""
    out = {}
    with loaded(bench, name, loads, end_s) as s:
        s.settle()
        for chart, (_, _, asked) in charts.items():
            out[chart] = []
            for x, of in asked:
                costs = []
                s.ask(*of(end_s))
                for _ in range(RUNS):
                    cpu = s.cpu_s()
                    s.ask(*of(end_s))
                    costs.append((s.cpu_s() - cpu) * 1e3)
                out[chart].append(point(f"{name}, {chart}", x, "ms of CPU", statistics.median(costs)))
    return out


def queries(bench):
    for loads, charts in (by_series(bench.quick), by_time(bench.quick)):
        end_s = int(time.time()) // 60 * 60 - 600
        got = {name: growth_of(bench, name, loads, charts, end_s) for name in bench.names}
        for chart, (title, across, _) in charts.items():
            bench.chart("query-" + chart, title, across, "ms", {name: lines[chart] for name, lines in got.items()})


SECTIONS = {"growth_head": head, "growth_push": push, "growth_restart": restart, "growth_compaction": compaction,
            "growth_queries": queries}
