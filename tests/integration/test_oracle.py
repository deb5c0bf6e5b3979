"""5,000 random queries and what a real Prometheus 3.14 answered, warnings and infos included: facts that are kept in
golden/promql-oracle. They are asked of the engine over the slow store (promql_oracle, in every build), and of the
server by HTTP after the data came in by remote write."""
import glob
import json
import lzma
import math
import os
import re
import struct
import subprocess

import push
from peers import BUILD
from server import SHORT, Server, temporary_folder

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "promql-oracle")
COUNT = 5000
ENGINE_S = 600 if SHORT else 120
SPAN_MS = 600000  # Of one push.
NEAR = 1e-12  # Sums in another order; everything else is equal to the letter.


def text_of(name):
    """What the files of that name hold, one behind the other: data.jsonl.xz; answers-1.jsonl.xz, …"""
    parts = []
    for path in sorted(glob.glob(os.path.join(FOLDER, name + "*.jsonl.xz"))):
        with lzma.open(path, "rt", encoding="utf-8") as f:
            parts.append(f.read())
    return "".join(parts)


class Recorded(push.Native):
    """A native histogram as it was recorded; of the data, all are exponential and without negative buckets."""

    def __init__(self, told):
        self.told = told

    def field(self, ms):
        h = self.told
        spans = b"".join(push.bytes_field(11, b"\x08" + push.zigzag(offset) + b"\x10" + push.varint(length))
                         for offset, length in h["pspans"])
        deltas = b"".join(push.zigzag(d) for d in h["pdeltas"])
        return push.bytes_field(4, b"\x08" + push.varint(h["count"]) + b"\x19" + struct.pack("<d", h["sum"]) + b"\x20" +
                                push.zigzag(h["schema"]) + b"\x29" + struct.pack("<d", h["zt"]) + b"\x30" +
                                push.varint(h["zc"]) + spans + push.bytes_field(12, deltas) + b"\x78" + push.varint(ms))


def series_of(line):
    samples = [(ms, struct.pack("<Q", 0x7FF0000000000002) if v == "stale" else float(v)) for ms, v in line["samples"]]
    return line["labels"], samples + [(h["ts"], Recorded(h)) for h in line["histograms"]]


def fill(server, series):
    first = min(ms for _, values in series for ms, _ in values)
    last = max(ms for _, values in series for ms, _ in values)
    for start in range(first, last + 1, SPAN_MS):
        part = [(labels, [(ms, v) for ms, v in values if start <= ms < start + SPAN_MS]) for labels, values in series]
        assert server.push([(labels, values) for labels, values in part if values]).status == 204


def same(want, got):
    """Structures alike, numbers that are texts alike or near; labels and timestamps equal."""
    if isinstance(want, dict) and isinstance(got, dict):
        return want.keys() == got.keys() and all(
            want[k] == got[k] if k == "metric" else same(want[k], got[k]) for k in want)
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(same, want, got))
    if want == got or not (isinstance(want, str) and isinstance(got, str)):
        return want == got
    try:
        a, b = float(want), float(got)
    except ValueError:
        return False
    return math.isclose(a, b, rel_tol=NEAR)


def answer_of(body, ordered):
    """What is compared of an answer; only an instant sort has an order of its own."""
    if body["status"] == "error":
        return {"type": body["errorType"]}
    data = dict(body["data"])
    if data["resultType"] in ("vector", "matrix") and not ordered:
        data["result"] = sorted(data["result"], key=lambda s: sorted(s["metric"].items()))
    return {"data": data, "warnings": sorted(body.get("warnings", [])), "infos": sorted(body.get("infos", []))}


def test_engine_answers_as_prometheus_does():
    with temporary_folder() as folder:
        files = [os.path.join(folder, name) for name in ("data", "answers")]
        for path in files:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text_of(os.path.basename(path)))
        done = subprocess.run([os.path.join(BUILD, "src", "promql", "promql_oracle"), *files, "--show", "20"],
                              capture_output=True, text=True, timeout=ENGINE_S)
        print("oracle, engine: " + done.stdout.splitlines()[-1])
        closing = re.match(r"(\d+) passed, (\d+) failed, (\d+) ties \((\d+) differ in notes alone\)$",
                           done.stdout.splitlines()[-1])
        assert closing and list(map(int, closing.groups())) == [COUNT, 0, 0, 0], done.stdout[-8000:] + done.stderr


def ask_server():
    questions = [json.loads(line) for line in text_of("answers").splitlines()]
    assert len(questions) == COUNT
    with Server(flags=["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]) as server:
        fill(server, [series_of(json.loads(line)) for line in text_of("data").splitlines()])
        differing = []
        for q in questions:
            ordered = q["path"] == "query" and q["params"]["query"].startswith("sort")
            got = server.post("/api/v1/" + q["path"], q["params"])
            if got.status != q["code"] or not same(answer_of(q["body"], ordered), answer_of(got.json, ordered)):
                differing.append(f"{q['path']} {q['params']}\n want {q['code']} {q['body']}\n got {got.status} {got.text}"[:2000])
        print(f"oracle, server: {COUNT - len(differing)} passed, {len(differing)} failed")
        assert not differing, "\n".join(differing[:20])


if not SHORT:  # 5,000 requests; the engine was asked the same.
    test_server_answers_as_prometheus_does = ask_server
