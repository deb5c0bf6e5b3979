"""A hundred clients with bad patterns (`tests/hostile.py`), while targets are scraped, samples pushed and rules
evaluated: nothing of that is missed, memory stays within its limit. `make hostile` is the long form.

Judged are counts, not speeds: each interval is long against what a busy machine takes for a moment's work."""
import os
import re
import time

from doubles import Exporter
from hostile import FINE, PATTERNS, Attack, World
from server import Server, wait_for

RELEASE_ONLY = True
SECONDS = int(os.environ.get("TIDEMARK_HOSTILE_SECONDS", "20"))
SEED = int(os.environ.get("TIDEMARK_SEED", "7"))
CLIENTS = 100
INTERVAL_S = 5
TARGETS = 10
MEMORY_MB = 512
FLAGS = ["--web.enable-remote-write-receiver", f"--memory.limit={MEMORY_MB}MB", "--query.timeout=3s"]
RULES = """groups:
  - name: busy
    interval: %ds
    rules:
      - {record: sum_of_work, expr: "sum by (job) (rate(work_total[1m]))"}
      - {alert: Always, expr: "count(up) > 0"}
      - {record: moments, expr: "vector(time())"}
""" % INTERVAL_S


def config(address):
    jobs = "".join(f"  - {{job_name: j{n}, static_configs: [{{targets: ['{address}']}}]}}\n" for n in range(TARGETS))
    return f"global: {{scrape_interval: {INTERVAL_S}s, scrape_timeout: {INTERVAL_S}s}}\nrule_files: [rules.yml]\nscrape_configs:\n{jobs}"


def peak_mb(server):
    with open(f"/proc/{server.process.pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1]) / 1024


def fill(server, world):
    for batch in world.batches():
        answer = server.push(batch)
        assert answer.status == 204, answer


def push_until_taken(server, n):
    """How often it was sent in vain: where all connections are taken, the next one is turned away."""
    tries = []

    def push():
        tries.append(n)
        return server.push([({"__name__": "pushed"}, [(int(time.time() * 1000), float(n))])]).status == 204

    wait_for("a push that is taken", push, every=0.5)
    return len(tries) - 1


def test_bad_patterns_at_once():
    page = "".join(f'work_total{{n="{n}"}} {n}\n' for n in range(200))
    with Exporter(page) as exporter, Server(flags=FLAGS, config=config(exporter.address), files={"rules.yml": RULES}) as server:
        world = World(int(time.time()))
        fill(server, world)
        wait_for("targets and rules", lambda: server.value("count(up == 1)") == TARGETS and server.instant("moments"))
        began = time.time()
        before = server.metric("prometheus_rule_group_iterations_total")
        attack = Attack(server.port, world, CLIENTS, SECONDS, SEED)
        pushed = turned_away = 0
        while time.time() < began + SECONDS:  # Beside them somebody pushes, and somebody looks whether it lives.
            pushed += 1
            turned_away += push_until_taken(server, pushed)
            wait_for("a word", lambda: server.get("/-/healthy").status == 200)
            time.sleep(0.5)
        ended = time.time()
        attack.join(60)
        table = attack.table()
        print(f"hostile: seed {SEED}, {CLIENTS} clients, {len(PATTERNS)} patterns, {attack.total()} requests in {ended - began:.0f} s, "
              f"peak {peak_mb(server):.0f} of {MEMORY_MB} MB, {pushed} pushes, {turned_away} at another try")
        check_work(server, began, ended, before)
        refused = re.findall(r"^(tidemark_http_(?:refused|evicted)_total\S+) ([1-9]\d*)$", server.get("/metrics").text, re.M)
        run = [name for name, outcomes in table.items() if set(outcomes) - {429, 503, "the end"}]
        print(f"hostile: {len(run)} patterns got further than a full lane;", ", ".join(f"{name} {n}" for name, n in refused) or "nobody refused")
        # Whoever read on got an answer that says what is wrong, or the connection's end when the attack was over.
        strange = {name: outcomes for name, outcomes in table.items() if any(str(o)[0].isdigit() and o not in FINE for o in outcomes)}
        assert not strange, strange
        assert set(table) == set(PATTERNS) or attack.total() < 2 * len(PATTERNS), set(PATTERNS) - set(table)
        assert peak_mb(server) <= MEMORY_MB, peak_mb(server)
        wait_for("quiet", lambda: not server.api("status/active_queries"))
        assert server.value("vector(1)") == 1


def check_work(server, began, ended, before):
    # An interval more, so that the last evaluation of the time is in.
    slots = int((ended - began) // INTERVAL_S)
    wait_for("an evaluation after it", lambda: server.value("timestamp(moments)") > ended)
    missed = server.metric("prometheus_rule_group_iterations_missed_total") or 0  # No series before the first.
    assert missed == 0, f"{missed} evaluations missed, {server.metric('prometheus_rule_group_iterations_total') - before} made"
    assert server.metric("prometheus_rule_group_iterations_total") - before >= slots
    assert (server.metric("prometheus_rule_evaluation_failures_total") or 0) == 0
    wait_for("a scrape after it", lambda: min(map(float, server.instant("timestamp(up)").values())) > ended)
    took = [[float(v) for _, v in s] for s in server.samples("up", f"{slots * INTERVAL_S}s", began + slots * INTERVAL_S).values()]
    good, due = sum(map(sum, took)), TARGETS * slots
    print(f"hostile: {good:.0f} of {due} scrapes, {slots} rule evaluations, none missed")
    assert len(took) == TARGETS and good >= 0.9 * due, (good, due, took)
