#!/usr/bin/env python3
"""Measures Tidemark beside Debian's Prometheus and VictoriaMetrics, in one run on one machine.

Scrape, remote write, bytes on disk, queries: the same input to each server, one server at a time,
each on a fresh folder; CPU is the time of the server's process, user and system, background work
included. Answers are compared before they are timed: a wrong answer makes the run fail, no figure
does. Servers listen on 127.0.0.1 only. Prints a table in Markdown.

Sections: scrape, push, blocks, head, compaction, scan, restart, queries, panel. --only names
sections, or questions of queries; --quick takes shorter windows and one capture; --long takes the
sizes of the goals where the usual ones are smaller; --charts measures how cost grows instead
(sections growth_head, growth_push, growth_restart, growth_compaction, growth_queries) and draws it
into a folder.
Parts: bench_queries.py, bench_storage.py, bench_growth.py, bench_charts.py.
"""
import argparse
import datetime
import glob
import http.client
import json
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from bench_common import NAMES, Server, Table, Wrong, expect
import bench_charts
import bench_growth
import bench_queries
import bench_storage

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
CAPTURES = ("node", "prom", "vm")
GRID_MS, DAY_MS = 15000, 86400000
# What a run lasts at most, in seconds; by then something hangs.
LIMIT_S, LIMIT_QUICK_S, LIMIT_LONG_S = 2400, 600, 7200


class Size:
    """How much is measured."""

    def __init__(self, quick):
        self.targets, self.series, self.interval_s = (100 if quick else 300), 800, 5
        self.warm_s, self.window_s, self.windows = (7, 10, 1) if quick else (12, 10, 3)
        # Series and steps of a round.
        self.pushes, self.push_rounds = ([(20000, 20)] if quick else [(20000, 50), (200000, 5)]), 3
        self.captures = CAPTURES[:1] if quick else CAPTURES


# ---- scrape ----

def scrape_config(size, port):
    lines = [f"global: {{scrape_interval: {size.interval_s}s, scrape_timeout: {size.interval_s}s}}",
             "scrape_configs:", "- job_name: bench", "  static_configs:"]
    for i in range(size.targets):
        lines.append(f'  - {{targets: ["127.0.0.1:{port}"], labels: '
                     f'{{__metrics_path__: "/t/{i}/metrics", instance: "host-{i:04}"}}}}')
    return "\n".join(lines) + "\n"


def pages(port):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    c.request("GET", "/pages")
    return int(c.getresponse().read())


def scrape_one(bench, name, port):
    size = bench.size
    with bench.server(name, scrape_config(size, port)) as s:
        time.sleep(size.warm_s)
        costs = []
        for _ in range(size.windows):
            served, cpu = pages(port), s.cpu_s()
            time.sleep(size.window_s)
            samples = (pages(port) - served) * size.series
            wanted = size.targets * size.series * size.window_s / size.interval_s
            expect(s, "samples in a window", samples, wanted, 0.2)
            costs.append((s.cpu_s() - cpu) / samples * 1e6)
        memory = s.anonymous_bytes() / (size.targets * size.series)
        now = int(time.time() * 1000)
        expect(s, "series stored", s.scalar('count({job="bench",__name__=~"node_.+"})', now),
               size.targets * size.series)
        expect(s, "targets up", s.scalar('sum(up{job="bench"})', now), size.targets)
        total = s.scalar("sum(node_memory_MemTotal_bytes)", now)
    return statistics.median(costs), memory, total


def scrape(bench):
    size = bench.size
    with bench.child([bench.program("bench_exporter"), "0", str(size.targets), str(size.series)],
                     stdout=subprocess.PIPE, text=True) as exporter:
        port = int(exporter.stdout.readline().split()[1])
        got = {n: scrape_one(bench, n, port) for n in bench.names}
    totals = {n: total for n, (_, _, total) in got.items()}
    if len(set(totals.values())) != 1:
        raise Wrong(f"the same page gives different sums: {totals}")
    bench.table.add(f"scrape, CPU ({size.targets} targets × {size.series} series / {size.interval_s} s)",
                    "µs per sample", {n: c for n, (c, _, _) in got.items()})
    rounds = (size.warm_s + size.windows * size.window_s) // size.interval_s
    bench.table.add(f"anonymous memory after {rounds} scrapes", "bytes per series",
                    {n: m for n, (_, m, _) in got.items()})


# ---- remote write ----

def push(bench, server, series, first, steps, start_ms):
    out = subprocess.run([bench.program("bench_pusher"), str(server.port)] +
                         [str(x) for x in (series, first, steps, GRID_MS, start_ms)],
                         check=True, capture_output=True, timeout=300).stdout
    result = json.loads(out)
    if result["refused"]:
        raise Wrong(f"{server.name} refused {result['refused']} of {result['requests']} requests")
    return result


def push_one(bench, s, series, steps, start_ms):
    """The rounds of remote write; (CPU s per million, M samples/s of wall, bytes per sample)."""
    rounds = bench.size.push_rounds
    done = [push(bench, s, series, 0, 1, start_ms)]
    s.settle()
    cpus, walls = [], []
    for i in range(rounds):
        cpu = s.cpu_s()
        done.append(push(bench, s, series, 1 + i * steps, steps, start_ms))
        time.sleep(1)  # What the server does with it after its answer counts as well.
        cpus.append((s.cpu_s() - cpu) / done[-1]["samples"] * 1e6)
        walls.append(done[-1]["samples"] / done[-1]["wall_s"] / 1e6)
    if s.name == "victoria-metrics":
        s.request("GET", "/internal/force_flush")
    end = start_ms + GRID_MS * rounds * steps
    all_of = '_over_time({job="push"}[2h]))'
    wanted = sum(d["samples"] for d in done)
    for _ in range(30):  # VictoriaMetrics shows what it took only when it has sorted it in.
        if s.name != "victoria-metrics" or s.scalar("sum(count" + all_of, end) == wanted:
            break
        time.sleep(1)
    expect(s, "samples found again", s.scalar("sum(count" + all_of, end), wanted)
    expect(s, "their sum", s.scalar("sum(sum" + all_of, end), sum(d["sum"] for d in done), 1e-9)
    return statistics.median(cpus), statistics.median(walls), done[1]["bytes"] / done[1]["samples"]


def pushed(bench, names, series, steps):
    """{server: what push_one says}."""
    start_ms = int(time.time()) * 1000 - (bench.size.push_rounds * steps + 1) * GRID_MS - 300000
    got = {}
    for n in names:
        flags = ["-search.maxUniqueTimeseries=3000000"] if n == "victoria-metrics" else []
        with bench.server(n, flags=flags) as s:
            got[n] = push_one(bench, s, series, steps, start_ms)
    return got


def remote_write(bench):
    for series, steps in bench.size.pushes:
        got = pushed(bench, bench.names, series, steps)
        what = f"remote write ({series} series, requests of 2000 samples, {got['tidemark'][2]:.0f} B/sample)"
        bench.table.add(f"{what}, CPU", "s per million samples", {n: p[0] for n, p in got.items()})
        bench.table.add("same, ten connections, wall", "million samples/s",
                        {n: p[1] for n, p in got.items()}, ratio=False)


# ---- bytes on disk ----

def capture_text(name):
    """A capture of a real exporter, unpacked; None if TIDEMARK_SHARED does not hold it."""
    path = os.path.join(os.environ.get("TIDEMARK_SHARED", "/nonexistent"), "data", name + ".tsv.zst")
    if not os.path.exists(path):
        return None
    return subprocess.run(["zstd", "-d", "--long=27", "-c", path], check=True, capture_output=True).stdout.decode()


def made_text(series=600, scrapes=1101):
    """What stands in for a capture: constants, counters, gauges; late scrapes; the same each time."""
    r = random.Random(1)
    rows = ["#ts\t" + "\t".join(str(1700000000000 + 1000 * k + int(r.expovariate(0.2)) % 180)
                               for k in range(scrapes))]
    for s in range(series):
        v, step, values = r.randrange(10 ** 7), r.randrange(1, 2000), []
        for _ in range(scrapes):
            v += 0 if s % 5 < 3 else r.randrange(step + 1) if s % 5 == 3 else r.randrange(-step, step + 1)
            values.append(f"{v / 100:.2f}" if s % 7 == 0 else str(v))
        rows.append(f'made_metric_{s // 20}{{device="d{s % 20}"}}\t' + "\t".join(values))
    return "\n".join(rows) + "\n"


def samples_of(text, start_ms):
    """(series with a target's labels, value text, time in ms), scrape by scrape."""
    lines = text.rstrip("\n").split("\n")
    true = [int(t) for t in lines[0].split("\t")[1:]]
    times = [start_ms + GRID_MS * k + (t - true[0] - 1000 * k) for k, t in enumerate(true)]
    rows = [line.split("\t") for line in lines[1:]]
    names = []
    for row in rows:
        head, _, labels = row[0].rstrip("}").partition("{")
        labels = re.sub(r'(?<!\\)", ', '",', labels)  # promtool takes no space there.
        names.append(head + "{" + (labels.rstrip(",") + "," if labels else "") +
                     'instance="127.0.0.1:9100",job="capture"}')
    for k, t in enumerate(times):
        for name, row in zip(names, rows):
            if row[k + 1]:
                yield name, row[k + 1], t


def bytes_below(pattern):
    return sum(os.path.getsize(os.path.join(d, f)) for top in glob.glob(pattern)
               for d, _, files in os.walk(top) for f in files) + \
        sum(os.path.getsize(p) for p in glob.glob(pattern) if os.path.isfile(p))


def blocks_tidemark(bench, text, start_ms, how):
    folder = bench.folder("capture")
    out = subprocess.run([bench.program("bench_capture"), folder, str(start_ms)] + how, input=text.encode(),
                         check=True, capture_output=True, timeout=120).stdout
    result = json.loads(out)
    if result["wrong"]:
        raise Wrong(f"{result['wrong']} of {result['samples']} samples did not come back from the blocks")
    blocks = os.path.join(folder, "blocks", "b*")
    index = bytes_below(os.path.join(blocks, "index"))
    return bytes_below(blocks) - index, index, result


def blocks_prometheus(bench, text, start_ms):
    folder = bench.folder("promtool")
    path = os.path.join(folder, "page")
    with open(path, "w") as f:
        f.writelines(f"{name} {value} {t // 1000}.{t % 1000:03}\n" for name, value, t in samples_of(text, start_ms))
        f.write("# EOF\n")
    subprocess.run([bench.binaries["promtool"], "tsdb", "create-blocks-from", "openmetrics", path,
                    os.path.join(folder, "out")], check=True, capture_output=True, timeout=120)
    return (bytes_below(os.path.join(folder, "out", "*", "chunks")),
            bytes_below(os.path.join(folder, "out", "*", "index")))


def blocks_victoria(bench, text, start_ms):
    with bench.server("victoria-metrics") as s:
        lines = [f"{name} {value} {t}\n" for name, value, t in samples_of(text, start_ms)]
        for at in range(0, len(lines), 20000):
            status, body = s.request("POST", "/api/v1/import/prometheus", "".join(lines[at:at + 20000]).encode())
            if status not in (200, 204):
                raise Wrong(f"victoria-metrics refuses the import: {status} {body[:200]!r}")
        s.request("GET", "/internal/force_flush")
        s.request("GET", "/internal/force_merge")
        for _ in range(100):
            time.sleep(0.2)
            if re.search(rb"^vm_active_force_merges 0", s.request("GET", "/metrics")[1], re.M):
                break
        folder = s.folder
    return (bytes_below(os.path.join(folder, "data", "*", "2*")), bytes_below(os.path.join(folder, "indexdb")))


def blocks(bench):
    # The first scrape opens a day, the last lies in the past, for every server.
    start_ms = (int(time.time() * 1000) - 30000000) // DAY_MS * DAY_MS + 1000
    texts = {name: capture_text(name) for name in bench.size.captures}
    if not any(texts.values()):
        bench.table.note("bytes on disk: TIDEMARK_SHARED names no captures; generated data instead")
        texts = {"generated": made_text()}
    for name, text in texts.items():
        if not text:
            bench.table.note(f"bytes on disk: there is no capture {name}")
            continue
        data, index, result = blocks_tidemark(bench, text, start_ms, [])
        compacted = blocks_tidemark(bench, text, start_ms, ["compact"])[0]
        samples = result["samples"]
        got = {"tidemark": (data, index)}
        for n, weigh in (("prometheus", blocks_prometheus), ("victoria-metrics", blocks_victoria)):
            if n in bench.names:
                got[n] = weigh(bench, text, start_ms)
        bench.table.add(f"on disk, {name}: {samples} samples, late as they were", "bytes per sample",
                        {n: d / samples for n, (d, _) in got.items()})
        bench.table.add("same, compacted", "bytes per sample", {"tidemark": compacted / samples})
        bench.table.add("its log", "bytes per sample", {"tidemark": result["wal_bytes"] / samples})
        bench.table.add(f"its index beside it, {name}", "bytes per sample",
                        {n: i / samples for n, (_, i) in got.items()}, ratio=False)


# ---- the run ----

class Bench:
    def __init__(self, options, folder):
        self.build = os.path.join(ROOT, options.build)
        self.size, self.table, self.top = Size(options.quick), Table(), folder
        self.long, self.quick, self.only = options.long, options.quick, options.only
        self.charts, self.failed = options.charts, False
        self.binaries = {"tidemark": os.path.join(self.build, "tidemark")}
        os.environ["TIDEMARK_BUILD"] = self.build
        import peers
        for name in ("prometheus", "promtool", "victoria-metrics"):
            try:
                self.binaries[name] = peers.peer(name)
            except (OSError, subprocess.CalledProcessError) as e:
                self.table.note(f"left out: {name} could not be fetched ({e})")
        if "promtool" not in self.binaries:
            self.binaries.pop("prometheus", None)
        self.names = [n for n in NAMES if n in self.binaries]

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    def folder(self, name):
        path = os.path.join(self.top, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def server(self, name, config="scrape_configs: []\n", flags=()):
        return Server(name, self.binaries[name], self.folder(name), config, flags)

    def wanted(self, question):
        return "queries" in self.only or question in self.only

    def pushed(self, names, series, steps):
        return pushed(self, names, series, steps)

    def chart(self, name, title, across, up, lines):
        """Draws lines of (x, y) into the folder of --charts."""
        os.makedirs(self.charts, exist_ok=True)
        with open(os.path.join(self.charts, name + ".svg"), "w") as f:
            f.write(bench_charts.drawing(title, across, up, lines))

    def wrong(self, e):
        self.failed = True
        self.table.note(f"WRONG: {e}")

    @staticmethod
    def child(command, **options):
        class Child:
            def __enter__(self):
                self.process = subprocess.Popen(command, **options)
                return self.process

            def __exit__(self, *_):
                self.process.terminate()
                self.process.wait()
        return Child()


def first_line(command):
    try:
        p = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20)
        return (p.stdout or p.stderr).strip().split("\n")[0]
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def machine(bench):
    model = re.search(r"^model name\s*:\s*(.*)$", open("/proc/cpuinfo").read(), re.M)
    print(f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}, commit "
          f"{first_line(['git', 'describe', '--always', '--dirty'])}, {os.cpu_count()} × "
          f"{model.group(1) if model else platform.machine()}, Linux {platform.release()}, "
          f"load at the start {os.getloadavg()[0]:.1f}")
    for n in bench.names[:-1]:
        debs = os.path.join(bench.build, "peers", "packages", n + "_*.deb")
        print(f"{n} {', '.join(first_line(['dpkg-deb', '-f', d, 'Version']) for d in glob.glob(debs))}",
              flush=True)


def expire(*_):
    raise TimeoutError("the run took longer than it may")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", help="sections, or questions")
    parser.add_argument("--charts", help="a folder for drawings of how cost grows")
    options = parser.parse_args()
    sections = {"scrape": scrape, "push": remote_write, "blocks": blocks, "head": bench_storage.head,
                "compaction": bench_storage.compaction, "scan": bench_storage.scan,
                "restart": bench_storage.restart, "queries": bench_queries.queries, "panel": bench_queries.panel}
    usual = list(bench_growth.SECTIONS if options.charts else sections)
    if options.charts:
        sections.update(bench_growth.SECTIONS)
    options.only = options.only.split(",") if options.only else usual
    questions = set(bench_queries.question_names())
    unknown = set(options.only) - set(sections) - questions
    if unknown:
        parser.error(f"no such section or question: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGALRM, expire)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start = time.time()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.path.join(ROOT, options.build)) as folder:
        bench = Bench(options, folder)
        machine(bench)
        signal.alarm(LIMIT_LONG_S if options.long else LIMIT_QUICK_S if options.quick else LIMIT_S)
        for name, section in sections.items():
            if name not in options.only and not (name == "queries" and questions & set(options.only)):
                continue
            print(f"{name}:", flush=True)
            begun = time.time()
            try:
                section(bench)
            except Wrong as e:
                bench.wrong(e)
            print(f"  {time.time() - begun:.0f} s", flush=True)
        signal.alarm(0)
        bench.table.print()
    print(f"{time.time() - start:.0f} s, load at the end {os.getloadavg()[0]:.1f}")
    sys.exit(1 if bench.failed else 0)


if __name__ == "__main__":
    main()
