"""A full disk: pushes are refused and counted, queries, rules and pages go on, and when there is space
again the server recovers by itself."""
import contextlib
import os
import subprocess
import time

from doubles import Exporter
from server import SHORT, Server, temporary_folder, wait_for

RELEASE_ONLY = True
SIZE_MB = 48


@contextlib.contextmanager
def small_disk():
    """A folder on a tmpfs of its own, or None where mounting is not allowed."""
    with temporary_folder() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tidemark-test", folder], capture_output=True)
        if done.returncode != 0:
            yield None, done.stderr.decode().strip()
            return
        try:
            yield folder, ""
        finally:
            wait_for("the disk to be let go", lambda: subprocess.run(["umount", folder], capture_output=True).returncode == 0)


def fill(path):
    """Takes every byte that is left."""
    with open(path, "wb", buffering=0) as f:
        size = 1 << 20
        while size >= 512:
            try:
                f.write(b"\0" * size)
            except OSError:
                size //= 2


def full_disk():
    rules = "groups: [{name: g, interval: 1s, rules: [{record: ticks, expr: vector(time())}, {alert: Always, expr: vector(1)}]}]\n"
    with Exporter("scraped 1\n") as exporter, small_disk() as (disk, _):
        config = (f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nrule_files: [rules.yml]\n"
                  f"scrape_configs: [{{job_name: j, static_configs: [{{targets: ['{exporter.address}']}}]}}]\n")
        with Server(flags=["--web.enable-remote-write-receiver"], config=config, files={"rules.yml": rules}) as server:
            server.stop()
            server.data = os.path.join(disk, "data")
            server.start()
            acknowledged = {}
            started = int(time.time() * 1000)

            def send():
                ms = max(int(time.time() * 1000), max(acknowledged, default=0) + 1)
                answer = server.push([({"__name__": "pushed", "n": str(n)}, [(ms, float(ms % 100003 + n))]) for n in range(50)])
                if answer.status == 204:
                    acknowledged[ms] = True
                return answer

            def stored():
                samples = server.samples("pushed", f"{int(time.time() * 1000) - started + 5000}ms", time.time() + 1)
                found = {int(dict(k)["n"]): dict(s) for k, s in samples.items()}
                for n in range(50):
                    for ms in acknowledged:
                        assert float(found[n].get(ms, "nan")) == ms % 100003 + n, (n, ms)

            assert send().status == 204
            wait_for("scrape and rule", lambda: server.value("scraped") == 1 and server.value("ticks"))
            fill(os.path.join(disk, "filler"))
            refused = wait_for("a refusal", lambda: (a := send()).status == 503 and a, every=0)
            assert refused.headers["retry-after"] and "space" in refused.text.lower(), refused
            assert (server.metric("prometheus_tsdb_wal_writes_failed_total") or 0) >= 1
            assert server.metric("tidemark_tsdb_wal_writes_failing") == 1
            assert server.api("status/tsdb")["storage"]["writesFailing"] is True
            assert server.get("/-/healthy").status == 200 and server.get("/").status == 200
            stored()  # Queries go on, over all that was promised.
            group, = server.api("rules")["groups"]
            before = group["lastEvaluation"]
            wait_for("rules that go on", lambda: server.api("rules")["groups"][0]["lastEvaluation"] > before)
            assert [a["labels"]["alertname"] for a in server.api("alerts")["alerts"]] == ["Always"]
            was = len(exporter.requests)
            wait_for("scrapes that go on", lambda: len(exporter.requests) > was + 1)
            # A few small writes may still find room in the last page of the log.
            wait_for("a counted scrape", lambda: (server.metric("tidemark_scrape_failures_total") or 0) >= 1)

            os.unlink(os.path.join(disk, "filler"))
            wait_for("a push that is taken again", lambda: send().status == 204, every=0.2)
            at = time.time()
            wait_for("new samples of scrape and rule", lambda: server.value("timestamp(scraped)") > at and server.value("ticks") > at)
            assert server.value("up") == 1 and server.metric("tidemark_tsdb_wal_writes_failing") == 0
            stored()
            server.stop()
            server.start()
            stored()  # And nothing of it was lost by the trouble.

            # Full again, and killed in that state: what was promised comes back with the space.
            fill(os.path.join(disk, "filler"))
            wait_for("a refusal", lambda: send().status == 503, every=0)
            server.kill()
            os.unlink(os.path.join(disk, "filler"))
            server.start()
            stored()
            assert send().status == 204
            server.stop()


if not SHORT:
    with small_disk() as (_place, _reason):
        if _place:
            test_full_disk = full_disk
        else:
            print(f"disk full: not tried, a small disk could not be mounted: {_reason}")
