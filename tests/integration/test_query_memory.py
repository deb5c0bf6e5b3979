"""What queries leave behind with the allocator: the memory of one serves the next, whichever thread runs it."""
import re

from server import Server, temporary_folder

RELEASE_ONLY = True  # Sanitizers bring an allocator of their own.
T0 = 1700000000
SERIES, SAMPLES, EVERY = 600, 100, 60
STEPS = 6000  # A column of each series is held: 29 MB.
TURNS = 8     # So that every thread has had its turn.


def anonymous_bytes(server):
    with open(f"/proc/{server.process.pid}/smaps_rollup") as f:
        return int(re.search(r"^Anonymous:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024


def fill(server):
    for first in range(0, SERIES, 100):
        batch = [({"__name__": "held_total", "i": str(i)}, [((T0 + EVERY * n) * 1000, float(n)) for n in range(SAMPLES)])
                 for i in range(first, first + 100)]
        assert server.push(batch).status == 204


def ask(server):
    span = {"start": T0, "end": T0 + STEPS, "step": 1}
    got = server.api("query_range", query="quantile(0.5, rate(held_total[5m]))", **span)
    assert got["result"] and len(got["result"][0]["values"]) > STEPS // 2


def test_threads_do_not_each_keep_what_a_query_took():
    with temporary_folder() as folder:
        flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
        with Server(folder=folder, flags=flags) as server:
            fill(server)
            rest = anonymous_bytes(server)
            ask(server)
            one = anonymous_bytes(server) - rest
            for _ in range(TURNS):
                ask(server)
            many = anonymous_bytes(server) - rest
            assert one > 10e6, f"one query takes {one / 1e6:.0f} MB: too little to tell"
            assert many < 2 * one, f"one query leaves {one / 1e6:.0f} MB, {TURNS} more {many / 1e6:.0f} MB"
