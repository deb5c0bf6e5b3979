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


HEAD = (("new", "new series", "µs", lambda r: r["us_new_series"]),
        ("append", "append with the log and the work behind it", "ns", lambda r: r["ns_append"]),
        ("bare", "append without", "ns", lambda r: r["ns_append_bare"]),
        ("memory", "anonymous memory", "bytes per series", lambda r: r["bytes_per_series"]["mean"]),
        ("select", "select 1 series by 3 matchers", "µs", lambda r: r["us_select"]),
        ("regex", "count by a regular expression", "ms", lambda r: r["ms_regex"]))


def head_of(bench, series, rows):
    return ran(bench, "bench_head", bench.folder("head"), series, rows)


def head(bench):
    sizes = [(10000, 120)] if bench.quick else [(10000, 480), (100000, 480), (1000000, 480 if bench.long else 120)]
    for series, rows in sizes:
        r = head_of(bench, series, rows)
        for _, text, unit, get in HEAD:
            bench.table.add(f"head of {series:,} series × {rows} samples: {text}", unit, {"tidemark": get(r)})


def compaction_of(bench, series, hours):
    return ran(bench, "bench_compact", bench.folder("compaction"), series, hours)


def compaction(bench):
    series, hours = (1000, 4) if bench.quick else (100000, 24)
    r = compaction_of(bench, series, hours)
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


def restart_of(bench, series, rows):
    """What it printed before it killed itself, and after."""
    folder, end_s = bench.folder("restart"), 1700000000
    return (ran(bench, "bench_restart", "fill", folder, series, rows, end_s),
            ran(bench, "bench_restart", "open", folder, series, rows, end_s))


def restart(bench):
    for series in ([10000] if bench.quick else [100000, 1000000]):
        rows = 100
        before, after = restart_of(bench, series, rows)
        name = f"kill -9, {series:,} series × {rows} samples"
        bench.table.add(f"{name}: first right answer, wall", "s", {"tidemark": after["first_answer_s"]})
        bench.table.add("same, CPU until it is open", "s", {"tidemark": after["open_cpu_s"]})
        bench.table.add("same, anonymous memory after ÷ before", "×",
                        {"tidemark": after["anonymous_bytes"] / before["anonymous_bytes"]})
