"""Identical queries that come while one of them runs are answered by its run. Nothing here hangs on how soon
something happens: the slow query would run for many minutes, and whether others joined it is told by a metric."""
import threading

from server import Server, wait_for
from slow import SLOW_S, T0, Slow, cancel, ended_by_cancel, push_for_slow, running

SAME = 20
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--query.max-samples=50000000000",
         "--query.max-concurrency=40", "--query.timeout=1h"]


def counted(server):
    return tuple(server.metric(f"tidemark_query_{what}_total") or 0 for what in ("evaluations", "joins"))


def wait_counted(server, evaluations, joins):
    wait_for(f"{evaluations} evaluations and {joins} joins", lambda: counted(server) == (evaluations, joins), SLOW_S)


def test_one_evaluation_for_all_who_ask_the_same():
    with Server(flags=FLAGS) as server:
        push_for_slow(server)
        first = Slow(server)
        wait_counted(server, 1, 0)
        (leader,) = running(server)
        others = [Slow(server) for _ in range(SAME - 1)]
        wait_counted(server, 1, SAME - 1)
        followers = [q for q in running(server) if q["id"] != leader["id"]]
        assert len(followers) == SAME - 1, followers

        # Who began it is ended; it goes on for the others.
        cancel(server, leader)
        assert [q["cancelled"] for q in running(server) if q["id"] == leader["id"]] == [True]
        # One who waits is ended at once, and nobody else with him.
        cancel(server, followers[0])
        wait_for("one less", lambda: len(running(server)) == SAME - 1, SLOW_S)
        assert counted(server) == (1, SAME - 1), counted(server)
        assert {q["id"] for q in running(server)} == {leader["id"], *(q["id"] for q in followers[1:])}
        # Once the last one has left, so does the run.
        for q in followers[1:]:
            cancel(server, q)
        for slow in (first, *others):
            ended_by_cancel(slow)
        assert counted(server) == (1, SAME - 1), counted(server)


def test_who_shares_gets_the_same_answer():
    query = {"query": "sum by (n) (double_exponential_smoothing(few[10m], 0.5, 0.5))", "start": T0, "end": T0 + 300, "step": "1"}
    with Server(flags=FLAGS) as server:
        assert server.push([({"__name__": "few", "n": str(n)}, [((T0 + i) * 1000, float(i * n % 17)) for i in range(300)])
                            for n in range(20)]).status == 204
        alone = server.post("/api/v1/query_range", query, timeout=SLOW_S)
        assert alone.status == 200 and len(alone.json["data"]["result"]) == 20, alone
        before = sum(counted(server))
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(server.post("/api/v1/query_range", query, timeout=SLOW_S)))
                   for _ in range(SAME)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(SLOW_S)
        assert len(answers) == SAME and all(a.status == 200 and a.body == alone.body for a in answers)
        assert sum(counted(server)) == before + SAME  # Each has led or followed, once.
