"""--query.workers: how many threads work on a query of much data, and that the answer does not depend on it."""
import os
import random

from server import Server, run_server, temporary_folder, wait_for

T0 = 1700000000
SERIES, SAMPLES, EVERY = 100, 600, 60  # By its span, what one selector reads is more than a thread reads alone.
# None adds up fractions: the order of series in storage, hence the last bit of such a sum, may change with a restart. That
# it does not change with the workers is a unit test's (eval_helped_test.c).
QUERIES = ["sum by (g) (work_total)", "max by (g) (rate(work_total[5m]))", "sum by (g) (resets(work_total[30m]))",
           "avg(max_over_time(work_total[10m]))", "topk(3, avg_over_time(work_total[5m]))",
           "min(rate(work_total[5m]) / on(i) group_left quantile_over_time(0.5, work_total[5m]))"]


def helpers(server):
    """How often each thread that helps has been woken."""
    tasks = f"/proc/{server.process.pid}/task"
    woken = []
    for task in os.listdir(tasks):
        try:
            with open(f"{tasks}/{task}/status") as f:
                status = dict(line.split(":", 1) for line in f.read().splitlines())
        except FileNotFoundError:
            continue  # A thread that has ended since.
        if status["Name"].strip().startswith("query-help"):
            woken.append(int(status["voluntary_ctxt_switches"]))
    return woken


def helped_tiles(server):
    """How many parts of queries helpers have done."""
    lines = server.get("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("tidemark_query_helped_tiles_total "))


def fill(server):
    rnd = random.Random(7)
    for first in range(0, SERIES, 50):
        batch = []
        for i in range(first, first + 50):
            value, points = 0.0, []
            for n in range(SAMPLES):
                value = 1.0 if rnd.random() < 0.01 else value + rnd.randrange(1, 100)  # Now and then a reset.
                points.append(((T0 + EVERY * n) * 1000, value))
            batch.append(({"__name__": "work_total", "g": str(i % 7), "i": str(i)}, points))
        assert server.push(batch).status == 204


def answers(server):
    """What each query answers, as it was written, without what it took."""
    span = {"start": T0, "end": T0 + EVERY * SAMPLES, "step": 300}
    got = []
    for query in QUERIES:
        for _ in range(2):  # Whichever thread is first.
            answer = server.get("/api/v1/query_range", {"query": query, **span}, timeout=120)
            assert answer.status == 200 and answer.json["data"]["result"], answer
            got.append(answer.body)
    return got


def test_answers_do_not_depend_on_the_number_of_workers():
    with temporary_folder() as folder:
        want = None
        for workers in (1, 2):
            flags = [f"--query.workers={workers}", "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
            with Server(folder=folder, flags=flags) as server:
                if want is None:
                    fill(server)
                wait_for("the helpers", lambda: len(helpers(server)) == workers - 1)  # Threads name themselves.
                idle = helpers(server)
                assert server.api("status/flags")["query.workers"] == str(workers)
                got = answers(server)
                want = want or got
                assert got[0::2] == got[1::2], "the same query twice"
                assert got == want, f"{workers} workers"
                if workers > 1:
                    wait_for("a helper to take a part", lambda: answers(server) == want and helped_tiles(server) > 0)
                else:
                    assert helped_tiles(server) == 0
                wait_for("every helper to be woken", lambda: all(now > was for now, was in zip(helpers(server), idle)))
                assert len(helpers(server)) == workers - 1


def test_nonsense_is_refused():
    for value, text in ("9", '"9" is more than the most, 8'), ("-1", '"-1" is not a whole number'), ("many", '"many" is not a whole number'), ("", '"" is not a whole number'):
        code, _, err = run_server(f"--query.workers={value}")
        assert code != 0 and f"--query.workers: {text}" in err, (value, code, err)
