"""A query that runs for many minutes, for tests that look at queries while they run, and how such are ended."""
import http.client
import threading

from server import PATIENCE_S, wait_for

T0 = 1700000000  # Seconds; where the tests' old data begins.
# Smooths up to 1,800 values for each of 100 series at each of 10,000 steps, 100 times over: many minutes of
# work in little memory, whatever an engine shares between the terms or between the windows.
SLOW_TERMS = [f"sum(double_exponential_smoothing(big[30m] offset {n}ms, 0.5, 0.5))" for n in range(100)]
SLOW = {"query": " + ".join(SLOW_TERMS), "start": T0, "end": T0 + 2000, "step": "0.2"}
SLOW_S = 3 * PATIENCE_S  # How long a client may wait in these tests before it is a failure.


def push_for_slow(server):
    for first in range(0, 100, 20):
        batch = [({"__name__": "big", "n": str(n)}, [((T0 + i) * 1000, float((i * 7919 + n * 104729) % 1000003)) for i in range(2000)])
                 for n in range(first, first + 20)]
        assert server.push(batch).status == 204


class Slow:
    """SLOW in a thread of its own; `answer` once it came, None for a connection that broke."""

    def __init__(self, server):
        self.server, self.answer = server, None
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def ask(self):
        try:
            self.answer = self.server.post("/api/v1/query_range", SLOW, timeout=SLOW_S)
        except (OSError, http.client.HTTPException):
            pass  # The server died below it.

    def join(self):
        self.thread.join(SLOW_S)
        assert not self.thread.is_alive(), "the slow query never came back"
        return self.answer


def running(server):
    return server.api("status/active_queries")


def wait_running(server, n):
    return wait_for(f"{n} running", lambda: len(found := running(server)) == n and found)


def cancel(server, query):
    """A query that runs is ended in no time: nothing here has to wait for a time-out."""
    assert server.request("DELETE", f"/api/v1/status/active_queries/{query['id']}").status == 204


def ended_by_cancel(slow):
    answer = slow.join()
    assert (answer.status, answer.json["errorType"]) == (499, "canceled"), answer
