"""`tidemark server` in an empty folder, without a flag but the port: a useful page within seconds."""
import os
import signal
import time

from server import Server, settle, temporary_folder, wait_for

HOST = ["node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_disk_read_bytes_total",
        "node_filesystem_avail_bytes", "node_network_receive_bytes_total", "node_load1", "node_uname_info",
        'node_tcp_connection_states{state="close_wait"}']


def everything_is_there(server):
    """What a person looks for after the start; the name of the first thing that is missing, or None."""
    for selector in HOST:
        if not server.instant(selector):
            return selector
    if server.value('count(up{job="host"} == 1)') != 1:
        return "the heartbeat of the host"
    if not server.instant("tidemark_build_info") or not server.instant("prometheus_tsdb_head_series"):
        return "the server's own metrics"
    groups = server.api("rules")["groups"]
    if not groups or any(r["health"] == "err" for g in groups for r in g["rules"]):
        return "healthy rules"
    return None


def test_first_start_shows_this_host():
    with temporary_folder() as folder, Server(folder=folder, config=None, data=None) as server:
        # Patience covers slow machines; the promise of 10 s is for a machine that is not ours.
        wait_for("host metrics and rules", lambda: everything_is_there(server) is None)
        assert os.path.isdir(os.path.join(folder, "data")), os.listdir(folder)
        host = dict(list(server.instant('up{job="host"}'))[0])["instance"]
        assert host == os.uname().nodename, host
        cpus = server.value('count(count by (cpu) (node_cpu_seconds_total))')
        assert cpus == len([n for n in os.listdir("/sys/devices/system/cpu") if n[3:].isdigit() and n[:3] == "cpu"])
        total = server.value("node_memory_MemTotal_bytes")
        with open("/proc/meminfo") as f:
            assert total == int(f.readline().split()[1]) * 1024
        states = {dict(k)["state"] for k in server.instant("node_tcp_connection_states")}
        assert {"close_wait", "established", "listen", "time_wait"} <= states, states
        # Graphs need more than a point.
        wait_for("a rate", lambda: server.instant("rate(node_cpu_seconds_total[2m])"))


def test_shipped_alerts_are_loaded():
    with temporary_folder() as folder, Server(folder=folder, config=None, data=None) as server:
        rules = [r for g in server.api("rules")["groups"] for r in g["rules"]]
        text = " ".join(f"{r['name']} {r['query']}" for r in rules)
        assert all(r["type"] in ("alerting", "recording") and r["line"] > 0 for r in rules)
        # CLOSE_WAIT warns above 1000 for 15 m, and pages above 2000 for 5 m.
        waits = sorted((r["duration"], r["query"]) for r in rules if "close_wait" in r["query"] and r["type"] == "alerting")
        assert len(waits) == 2, waits
        assert waits[0][0] == 300 and "2000" in waits[0][1], waits
        assert waits[1][0] == 900 and "1000" in waits[1][1], waits
        for word in ("node_cpu_seconds_total", "node_memory_", "node_filesystem_", 'up{job="host"}'):
            assert word in text.replace(" ", "").replace("up{job=\"host\"}", 'up{job="host"}') or word in text, word


def test_home_page_is_html_under_a_strict_policy():
    with temporary_folder() as folder, Server(folder=folder, config=None, data=None) as server:
        page = server.get("/", headers={"Accept": "text/html"})
        assert page.status == 200 and page.headers["content-type"].startswith("text/html"), page
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "object-src 'none'" in policy, policy
        assert "unsafe-eval" not in policy and "unsafe-inline" not in policy.split("style-src")[0], policy
        assert page.headers["x-content-type-options"] == "nosniff", page
        if "<script" in page.text:  # Built with the UI: its parts come compressed, and may be cached for ever.
            src = page.text.split('src="', 1)[1].split('"', 1)[0]
            part = server.get("/" + src.lstrip("./"), headers={"Accept-Encoding": "gzip"})
            assert part.status == 200 and "javascript" in part.headers["content-type"], part
            assert part.headers.get("content-encoding") == "gzip" and "immutable" in part.headers["cache-control"], part
        for path in ("/query", "/alerts", "/targets", "/status", "/dashboards/host"):
            assert server.get(path, headers={"Accept": "text/html"}).status == 200, path


def collections(server):
    return server.metric("tidemark_collect_duration_seconds_count")


def test_interrupted_and_started_again():
    """Ctrl-C leaves in time; started again the old data is there, and every collection since."""
    idle = 'node_cpu_seconds_total{cpu="0",mode="idle"}'
    with temporary_folder() as folder:
        server = Server(folder=folder, config=None, data=None)
        began = time.time()

        def samples(selector):
            """All of its one series, from before this test to now."""
            found = server.samples(selector, f"{int(time.time() - began) + 60}s", time.time())
            return list(found.values())[0] if found else []

        with server:
            wait_for("two samples", lambda: len(samples("node_load1")) >= 2, every=0.2)
            before, cpu_before = samples("node_load1"), samples(idle)
            server.stop(signal.SIGINT)
            stopped = time.time() * 1000
        with server:
            wait_for("new samples", lambda: len([t for t, _ in samples("node_load1") if t > stopped]) >= 2, every=0.2)

            # Those that run while it is asked may be on either side.
            def nothing_lost():
                least = collections(server)
                found = samples("node_load1")
                most = collections(server)
                assert least <= len([t for t, _ in found if t > stopped]) <= most, (least, found, most)
                return found

            after, cpu_after = settle(nothing_lost), samples(idle)
            assert after[:len(before)] == before, (before, after)
            assert cpu_after[:len(cpu_before)] == cpu_before, (cpu_before, cpu_after)
            assert (server.metric("tidemark_collect_commits_failed_total") or 0) == 0
