"""Pages that need data of their own: a query that runs for minutes, and native histograms."""
import os
import urllib.parse

from pages import PAGES_CAN_BE_LOOKED_AT, look_at_pages
from push import Native
from server import NOTHING, Server

T0 = 1700000000
FULL = os.environ.get("TIDEMARK_BROWSER") == "full"
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--query.timeout=1h",
         "--query.max-samples=50000000000"]
# Work of many minutes in little memory: nobody waits for its end, it is cancelled.
SLOW = " + ".join(f"sum(double_exponential_smoothing(big[30m] offset {n}s, 0.5, 0.5))" for n in range(100))


def graph(expr, **more):
    """The search part of an address that shows the graph of an expression over the data."""
    return urllib.parse.urlencode({"g0.expr": expr, "g0.tab": "graph", "from": T0, "to": T0 + 2000, **more})


def load(server):
    for first in range(0, 100, 20):
        batch = [({"__name__": "big", "n": str(n)}, [((T0 + i) * 1000, float((i * 7919 + n * 104729) % 1000003)) for i in range(2000)])
                 for n in range(first, first + 20)]
        assert server.push(batch).status == 204
    # Two humps that part; 15 buckets of schema 3 from 0.84 s on, and a gap in between.
    sketches = []
    for i in range(0, 134):
        counts = [3 + (40 if b == 3 + i // 40 else 0) + (25 if b == 11 - i // 60 else 0) for b in range(15)]
        if not 50 <= i < 90:  # Longer than a sample counts.
            sketches.append(((T0 + 15 * i) * 1000, Native(3, -2, counts, 1.5 * sum(counts))))
    assert server.push([({"__name__": "sketch_seconds", "job": "shop"}, sketches)]).status == 204


def native_histograms_and_a_query_that_is_cancelled():
    with Server(flags=[*FLAGS, "--query.max-concurrency=4"], config=NOTHING).start() as server:
        load(server)
        walks = look_at_pages(server, "--slow", graph(SLOW, **{"g0.step_input": "200ms"}),
                              "--heat", graph("sketch_seconds", **{"g0.step_input": "30s"}),
                              *([] if FULL else ["--only", ", wide, light"]))
        assert walks == (6 if FULL else 2), walks
        assert server.api("status/active_queries") == []


if PAGES_CAN_BE_LOOKED_AT:
    test_native_histograms_and_a_query_that_is_cancelled_in_the_browser = native_histograms_and_a_query_that_is_cancelled
else:
    print("no browser here: the pages were not looked at")
