"""The answers of a real Prometheus to 5,000 random queries, replayed against the server.

The answers stand outside the repository, in $TIDEMARK_SHARED/promql-oracle; without them this file
registers no test."""
import os
import re
import subprocess
import sys

from server import Server

RELEASE_ONLY = True
FLOOR = 4960
FAILED = 1  # Which of two equal values sort_desc puts first.
REPLAY = os.path.join(os.environ.get("TIDEMARK_SHARED", ""), "promql-oracle", "replay.py")


def replay():
    flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
    with Server(flags=flags) as server:
        p = subprocess.run([sys.executable, REPLAY, "--url", server.url, "--show", "100000"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=300)
        out = p.stdout.decode("utf-8", "replace")
        closing = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) ties$", out, re.M)
        assert closing, out[-4000:]
        passed, failed, ties = map(int, closing[-1])
        blocks = out.split("FAIL ")[1:]
        print(f"oracle: {passed} passed, {failed} failed, {ties} ties")
        assert passed >= FLOOR and failed <= FAILED, "\n".join(blocks)[:8000]


if os.path.exists(REPLAY):
    test_answers_of_a_real_prometheus = replay
