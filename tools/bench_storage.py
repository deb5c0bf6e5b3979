"""The storage engine alone, for tools/bench.py: programs of bench/ that work in process."""
import json
import subprocess

from bench_common import Wrong


def ran(bench, *command):
    """The JSON object that a program prints; what it read back must be right."""
    done = subprocess.run([bench.program(command[0])] + [str(x) for x in command[1:]],
                          check=False, capture_output=True, timeout=7200)
    if not done.stdout:
        raise Wrong(f"{' '.join(str(x) for x in command)}: {done.stderr.decode()[-300:]}")
    result = json.loads(done.stdout)
    wrong = result.get("answers", {}).get("wrong", 0)
    if wrong:
        raise Wrong(f"{command[0]}: {wrong} of {result['answers']['read']} samples did not come back")
    return result


def head(bench):
    sizes = [(10000, 480), (100000, 480), (1000000, 120)]
    if bench.long:
        sizes = [(10000, 480), (100000, 480), (1000000, 480), (5000000, 120)]
    if bench.quick:
        sizes = [(10000, 120)]
    figures = (("new", "new series", "µs", lambda r: r["us_new_series"]),
               ("append", "append with the log and the work behind it", "ns", lambda r: r["ns_append"]),
               ("bare", "append without", "ns", lambda r: r["ns_append_bare"]),
               ("memory", "anonymous memory", "bytes per series", lambda r: r["bytes_per_series"]["mean"]),
               ("select", "select 1 series by 3 matchers", "µs", lambda r: r["us_select"]),
               ("regex", "count by a regular expression", "ms", lambda r: r["ms_regex"]))
    got = {}
    for series, rows in sizes:
        got[series] = r = ran(bench, "bench_head", bench.folder("head"), series, rows)
        for _, text, unit, get in figures:
            bench.table.add(f"head of {series:,} series × {rows} samples: {text}", unit, {"tidemark": get(r)})
    for name, text, unit, get in figures:
        bench.chart("head-" + name, f"{text}, {unit}", "series",
                    {"tidemark": [(n, get(r)) for n, r in got.items()]})


def compaction(bench):
    series, hours = (100000, 24) if bench.long else (1000, 4) if bench.quick else (10000, 24)
    r = ran(bench, "bench_compact", bench.folder("compaction"), series, hours)
    name = f"compaction of {hours} h × {series:,} series at 15 s"
    bench.table.add(f"{name}, CPU", "million samples/s", {"tidemark": r["samples_per_s"] / 1e6})
    bench.table.add("same, extra memory", "MB", {"tidemark": r["peak_bytes"] / 1e6})
    bench.table.add("same, before", "bytes per sample", {"tidemark": r["before"]})
    bench.table.add("same, after", "bytes per sample", {"tidemark": r["after"]})


def scan(bench):
    rows = 480 if bench.quick else 5760
    r = ran(bench, "bench_scan", bench.folder("scan"), 1000, rows)
    if r["wrong"]:
        raise Wrong(f"bench_scan: {r['wrong']} samples did not come back")
    name = f"scan of 1,000 series × {rows * 15 // 3600} h at 15 s to doubles"
    for kind, text in (("young", "blocks of two hours and the head"), ("compacted", "blocks of a day")):
        bench.table.add(f"{name}, {text}, CPU", "ms", {"tidemark": r[kind + "_scan_ms"]})


def restart(bench):
    series, rows, end_s = 1000000 if bench.long else 10000 if bench.quick else 100000, 100, 1700000000
    folder = bench.folder("restart")
    # It kills itself: its answer is what it printed before.
    before = ran(bench, "bench_restart", "fill", folder, series, rows, end_s)
    after = ran(bench, "bench_restart", "open", folder, series, rows, end_s)
    name = f"kill -9, {series:,} series × {rows} samples"
    bench.table.add(f"{name}: first right answer, wall", "s", {"tidemark": after["first_answer_s"]})
    bench.table.add("same, CPU until it is open", "s", {"tidemark": after["open_cpu_s"]})
    bench.table.add("same, anonymous memory after ÷ before", "×",
                    {"tidemark": after["anonymous_bytes"] / before["anonymous_bytes"]})
