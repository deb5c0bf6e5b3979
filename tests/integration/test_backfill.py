"""`tidemark tool tsdb create-blocks-from openmetrics` and `analyze`, on the real binary: what a file says is what
a server on that folder answers, whatever its age and its order."""
import os
import random
import re
import subprocess
import time

from server import BINARY, SHORT, Server, temporary_folder

HOUR = 3600000
RANGE = 2 * HOUR
KEEP = ["--storage.tsdb.retention.time=1000d", "--web.enable-remote-write-receiver"]


def tool(*words):
    done = subprocess.run([BINARY, "tool", "tsdb", *words], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def create(page, folder, *flags):
    return tool("create-blocks-from", "openmetrics", page, folder, *flags)


def page_write(folder, name, lines, head=()):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write("\n".join([*head, *lines, "# EOF"]) + "\n")
    return path


def gauge(start, minutes, hosts, name="old_celsius"):
    """A sample a minute of each host: {host: [(ms, value)]}, and their lines."""
    known = {f"host{h}": [(start + i * 60000, h * 1000 + i / 8) for i in range(minutes)] for h in range(hosts)}
    lines = [f'{name}{{host="{host}",site="köln"}} {value!r} {t / 1000:.3f}'
             for host, samples in known.items() for t, value in samples]
    return known, lines


def answered(server, selector, start, end):
    """What a server has of [start, end] ms, told like gauge()."""
    window = f"{end - start + 1}ms"
    return {dict(k)["host"]: [(t, float(v)) for t, v in samples]
            for k, samples in server.samples(selector, window, end / 1000).items()}


def test_a_server_answers_what_the_file_said():
    old = (int(time.time() * 1000) - 40 * 24 * HOUR) // RANGE * RANGE + 17000
    known, lines = gauge(old, 700, 5)
    end = known["host0"][-1][0]
    random.Random(4).shuffle(lines)
    with temporary_folder() as outer:
        data = os.path.join(outer, "data")
        page = page_write(outer, "old.om", lines, ["# HELP old_celsius Of old.", "# TYPE old_celsius gauge"])
        code, out, err = create(page, data)
        assert code == 0 and "3500 samples of 5 series in 6 blocks" in out, (code, out, err)
        code, out, err = create(page, data)  # The same again: nothing is lost or doubled.
        assert code == 0 and "in 6 blocks" in out, (code, out, err)
        later = page_write(outer, "later.om", [f"old_celsius 1 {(end + 2 * RANGE) / 1000}"])
        code, out, err = create(later, data)
        assert code == 1 and "the newest block of" in err, (code, out, err)
        code, out, _ = tool("verify", data)
        assert code == 0 and "12 blocks" in out and "0 damaged places" in out, out
        with Server(folder=outer, flags=KEEP) as server:
            assert answered(server, "old_celsius", old, end) == known
            assert server.value('avg_over_time(old_celsius{host="host1"}[1m] @ %d)' % (old // 1000)) == 1000
            now = int(time.time() * 1000)
            assert server.push([({"__name__": "fresh", "host": "host0"}, [(now, 1.0)])]).status == 204
            assert server.value("fresh") == 1
            code, _, err = create(page, data)
            assert code == 1 and "a server uses the folder" in err, err
        before, more = gauge(old // RANGE * RANGE - 3 * RANGE + 5000, 60, 5)
        code, out, err = create(page_write(outer, "older.om", more), data, "-q")
        assert code == 0 and out == "", (code, out, err)
        with Server(folder=outer, flags=KEEP) as server:
            first = before["host0"][0][0]
            both = {host: before[host] + known[host] for host in known}
            assert answered(server, "old_celsius", first, end) == both
            assert server.value(f"fresh @ {now / 1000:.3f}") == 1
            assert server.metric("prometheus_tsdb_compactions_failed_total") in (None, 0)


def test_samples_up_to_now_are_followed_by_new_ones():
    now = int(time.time() * 1000)
    start = now - 30 * 60000
    known, lines = gauge(start, 30, 3)
    with temporary_folder() as outer:
        code, out, err = create(page_write(outer, "now.om", lines), os.path.join(outer, "data"))
        assert code == 0, (code, out, err)
        with Server(folder=outer, flags=KEEP) as server:
            t = known["host0"][-1][0] + 1
            assert server.push([({"__name__": "old_celsius", "host": "host0", "site": "köln"}, [(t, 7.0)])]).status == 204
            known["host0"].append((t, 7.0))
            assert answered(server, "old_celsius", start, t) == known


def test_memory_is_bounded_and_changes_nothing():
    start = (int(time.time() * 1000) - 100 * 24 * HOUR) // RANGE * RANGE
    _, lines = gauge(start, 120 if SHORT else 480, 200)
    with temporary_folder() as outer:
        page = page_write(outer, "many.om", lines)
        dumps = []
        for name, flags in (("whole", ()), ("parts", ("--memory=1",))):
            data = os.path.join(outer, name)
            code, _, err = create(page, data, "--quiet", *flags)
            assert code == 0, err
            code, out, err = tool("dump", data)
            assert code == 0, err
            dumps.append(out)
        assert dumps[0] == dumps[1] and len(dumps[0].splitlines()) == len(lines)


def test_what_is_wrong_is_told_with_its_line():
    good = 'a{b="1"} 1 1600000000'
    cases = [
        ([good, "a 2"], ":3: the sample has no time"),
        ([good, "a{b=1} 2 1600000000"], ":3: expected a quoted value"),
        ([good, "a x 1600000000"], ":3: invalid value"),
        ([good, "a 1 99999999999"], ":3: the time 99999999999000 ms lies in the future"),
        (["a 1 1600000001", good, 'a{b="1"} 2 1600000000'], ":4: another value of the same series at the same time is in line 3"),
        ([good, "", good], ":3: an empty line"),
        ([good, 'a{b="1",b="2"} 1 1600000000'], ":3: "),
    ]
    with temporary_folder() as outer:
        for lines, want in cases:
            page = page_write(outer, "bad.om", lines, ["# TYPE a gauge"])
            code, out, err = create(page, os.path.join(outer, "data"))
            assert code == 1 and out == "" and page + want in err, (lines, code, out, err)
            assert not os.path.exists(os.path.join(outer, "data", "blocks")) or \
                not os.listdir(os.path.join(outer, "data", "blocks"))
        page = os.path.join(outer, "cut.om")
        with open(page, "w") as f:
            f.write(good + "\n")
        code, _, err = create(page, os.path.join(outer, "data"))
        assert code == 1 and "does not end with # EOF" in err, err
        code, _, err = create(os.path.join(outer, "nothing.om"), os.path.join(outer, "data"))
        assert code == 1 and "nothing.om" in err, err
        page = page_write(outer, "good.om", [good])
        code, _, err = create(page, outer)
        assert code == 1 and "no folder of a store" in err, err
        for words in (("create-blocks-from",), ("create-blocks-from", "csv", page, "x"),
                      ("create-blocks-from", "openmetrics", page), ("analyze",),
                      ("create-blocks-from", "openmetrics", page, "x", "--memory=0"),
                      ("analyze", outer, "--limit=0"), ("analyze", outer, "--nothing")):
            assert tool(*words)[0] == 2, words


def test_analyze_tells_labels_churn_and_bytes():
    start = (int(time.time() * 1000) - 20 * 24 * HOUR) // RANGE * RANGE
    _, first = gauge(start, 60, 4)
    _, second = gauge(start + RANGE, 60, 6)
    _, other = gauge(start + RANGE, 60, 1, name="other")
    with temporary_folder() as outer:
        data = os.path.join(outer, "data")
        assert tool("analyze", data)[0] == 1
        code, _, err = create(page_write(outer, "a.om", first + second + other), data)
        assert code == 0, err
        code, out, err = tool("analyze", data, "--limit=2")
        assert code == 0, err
        sections = dict(re.findall(r"^(.+):\n((?:\d+ .*\n)+)", out, re.M))
        assert "Total Series: 7\nLabel names: 3\n" in out and "Duration: 2h0m0s\n" in out, out
        assert "Postings (unique label pairs): 9\nPostings entries (total label pairs): 21\n" in out, out
        assert "Churn: 3 series are not in the block before" in out, out
        assert sections["Label pairs most involved in churning"] == "3 site=köln\n2 __name__=old_celsius\n", out
        assert sections["Most common label pairs"] == "7 site=köln\n6 __name__=old_celsius\n", out
        assert sections["Highest cardinality labels"] == "6 host\n2 __name__\n", out
        assert sections["Highest cardinality metric names"] == "6 old_celsius\n1 other\n", out
        assert len(sections["Series with most bytes"].splitlines()) == 2, out
        assert sections["Metric names with most bytes"].splitlines()[0].endswith(" old_celsius"), out
        oldest = tool("list", data)[1].splitlines()[1].split()[0]
        code, out, _ = tool("analyze", data, oldest)
        assert code == 0 and "Total Series: 4\n" in out and "there is no block before it" in out, out
