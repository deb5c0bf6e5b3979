"""The query lane's classes: dashboards, ad hoc queries and exports share its threads, each with bounds."""
import threading

from server import NOTHING, PATIENCE_S, Server, wait_for

T0 = 1700000000
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--query.timeout=1h",
         "--query.max-samples=50000000000"]
# Work of many minutes in little memory: nobody waits for its end, it is cancelled.
TERMS = [f"sum(double_exponential_smoothing(big[30m] offset {n}ms, 0.5, 0.5))" for n in range(100)]
SLOW = {"query": " + ".join(TERMS), "start": T0, "end": T0 + 2000, "step": "0.2"}
LONG_S = 3 * PATIENCE_S


def busy(*flags):
    server = Server(flags=[*FLAGS, *flags], config=NOTHING).start()
    for first in range(0, 100, 20):
        batch = [({"__name__": "big", "n": str(n)}, [((T0 + i) * 1000, float((i * 7919 + n * 104729) % 1000003)) for i in range(2000)])
                 for n in range(first, first + 20)]
        assert server.push(batch).status == 204
    return server


class Asked:
    """A query in a thread of its own."""

    def __init__(self, server, params, headers=None, path="/api/v1/query_range"):
        self.answer = None
        self.thread = threading.Thread(target=self.ask, args=(server, params, headers, path))
        self.thread.start()

    def ask(self, server, params, headers, path):
        self.answer = server.post(path, params, headers, timeout=LONG_S)

    def join(self):
        self.thread.join(LONG_S)
        assert self.answer is not None, "no answer"
        return self.answer


def running(server, n):
    return wait_for(f"{n} running", lambda: len(found := server.api("status/active_queries")) == n and found)


def lane(server, what, of_class, **labels):
    return server.metric(f"tidemark_http_lane_{what}", **{"lane": "query", "class": of_class, **labels})


def cancel_all(server, asked):
    for query in server.api("status/active_queries"):
        assert server.request("DELETE", f"/api/v1/status/active_queries/{query['id']}").status == 204
    for a in asked:
        assert a.join().status == 499, a.answer


def test_exports_leave_room_for_others():
    """Of four threads exports have two and of four places one; who asks for less has the rest at once."""
    export = {"X-Tidemark-Lane": "export"}
    with busy("--query.max-concurrency=4", "--query.max-queued=4", "--query.max-queue-time=1h") as server:
        slow = []
        for n in range(2):  # One after the other: until a thread takes the first it has the only place to wait.
            slow.append(Asked(server, {**SLOW, "end": T0 + 2000 - n}, export))  # Identical ones would be one.
            running(server, n + 1)
        for query in running(server, 2):
            assert (query["class"], query["tenant"]) == ("export", 0), query
        wait_for("what they cost", lambda: all(q["series"] and q["samples"] and q["bytes"] for q in running(server, 2)))
        assert lane(server, "running", "export") == 2
        third = Asked(server, {"query": "3"}, export, "/api/v1/query")
        wait_for("the third export in the queue", lambda: lane(server, "waiting", "export") == 1)
        refused = server.get("/api/v1/series", {"match[]": "big"})
        assert refused.status == 503 and refused.headers["retry-after"] == "1", refused
        assert refused.json["errorType"] == "unavailable", refused
        assert refused.json["error"] == ('too many requests are waiting, try again later: of "export" at most 1 may wait, '
                                         "of all kinds 4 (--query.max-queued)"), refused
        assert lane(server, "refused_total", "export", reason="full") == 1
        for headers in ({}, {"X-Dashboard-Uid": "abc"}, {"X-Tidemark-Lane": "dashboard"}):
            assert server.post("/api/v1/query", {"query": "1"}, headers, timeout=LONG_S).status == 200
        assert third.answer is None and lane(server, "waiting", "export") == 1
        cancel_all(server, slow)
        assert third.join().json["data"]["result"][1] == "3"


def test_who_waits_too_long_is_told_which_limit_it_was():
    with busy("--query.max-concurrency=1", "--query.max-queue-time=1s") as server:
        slow = [Asked(server, SLOW)]
        running(server, 1)
        late = server.post("/api/v1/query", {"query": "1"}, timeout=LONG_S)
        assert late.status == 503 and late.headers["retry-after"] == "1", late
        assert late.json["error"] == ('no thread was free within 1 s (--query.max-queue-time), try again later: of "adhoc" at '
                                      "most 1 run at once, of all kinds 1 (--query.max-concurrency)"), late
        assert lane(server, "refused_total", "adhoc", reason="wait") == 1
        cancel_all(server, slow)


def test_a_tenant_is_told_which_limit_is_his_own():
    """Of four threads a tenant has one, and one place to wait: what is free is not for him, and he learns why."""
    export = {"X-Tidemark-Lane": "export"}
    with busy("--query.max-concurrency=4", "--query.max-concurrency-per-tenant=1", "--query.max-queued-per-tenant=1",
              "--query.max-queue-time=1h") as server:
        slow = [Asked(server, SLOW)]
        running(server, 1)
        second = Asked(server, {"query": "2"}, path="/api/v1/query")
        wait_for("the second in the queue", lambda: lane(server, "waiting", "adhoc") == 1)
        refused = server.post("/api/v1/query", {"query": "3"}, timeout=LONG_S)
        assert refused.status == 429 and refused.headers["retry-after"] == "1", refused
        assert refused.json == {
            "status": "error", "errorType": "too_many_requests",
            "error": 'this tenant has too many requests: of "adhoc" at most 1 of one tenant run at once '
                     "(--query.max-concurrency-per-tenant) and at most 1 wait (--query.max-queued-per-tenant); "
                     "2 at a time would fit"}, refused
        assert lane(server, "refused_total", "adhoc", reason="tenant") == 1
        assert lane(server, "running", "adhoc") == 1 and second.answer is None
        # Another class has a share of its own.
        assert server.post("/api/v1/query", {"query": "4"}, export, timeout=LONG_S).status == 200
        cancel_all(server, slow)
        assert second.join().json["data"]["result"][1] == "2"


def test_a_tenant_with_a_bound_of_waiting_alone_is_told_what_bounds_his_running():
    with busy("--query.max-concurrency=1", "--query.max-queued-per-tenant=1", "--query.max-queue-time=1h") as server:
        slow = [Asked(server, SLOW)]
        running(server, 1)
        second = Asked(server, {"query": "2"}, path="/api/v1/query")
        wait_for("the second in the queue", lambda: lane(server, "waiting", "adhoc") == 1)
        refused = server.post("/api/v1/query", {"query": "3"}, timeout=LONG_S)
        assert refused.status == 429, refused
        assert refused.json["error"] == (
            'this tenant has too many requests: of "adhoc" at most 1 of one tenant run at once (--query.max-concurrency) and '
            "at most 1 wait (--query.max-queued-per-tenant); 2 at a time would fit"), refused
        cancel_all(server, slow)
        assert second.join().json["data"]["result"][1] == "2"


def test_a_tenant_who_waits_too_long_for_himself_is_told_so():
    with busy("--query.max-concurrency=4", "--query.max-concurrency-per-tenant=1", "--query.max-queue-time=1s") as server:
        slow = [Asked(server, SLOW)]
        running(server, 1)
        late = server.post("/api/v1/query", {"query": "1"}, timeout=LONG_S)
        assert late.status == 429 and late.headers["retry-after"] == "1", late
        assert late.json["error"] == ("none of this tenant's requests ended within 1 s (--query.max-queue-time), try again later: "
                                      'of "adhoc" at most 1 of one tenant run at once (--query.max-concurrency-per-tenant)'), late
        cancel_all(server, slow)
