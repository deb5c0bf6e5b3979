"""`tidemark server` in an empty folder, without a flag but the port: a useful page within seconds."""
import os
import signal
import time

from server import Server, temporary_folder, wait_for

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


def test_interrupted_and_started_again():
    """Ctrl-C leaves in time; started again the old data is there, without more gap than the stop."""
    with temporary_folder() as folder:
        server = Server(folder=folder, config=None, data=None)
        with server:
            wait_for("two samples", lambda: (server.value('count_over_time(node_load1[5m])') or 0) >= 2, every=0.2)
            before = server.samples("node_load1", "5m", time.time())
            cpu_before = server.samples('node_cpu_seconds_total{cpu="0",mode="idle"}', "5m", time.time())
            server.stop(signal.SIGINT)
            stopped = time.time()
        with server:
            began = time.time()
            after = wait_for("a new sample", lambda: [s for s in server.samples("node_load1", "5m", time.time()).values()
                                                      if s[-1][0] > stopped * 1000], every=0.2)[0]
            old = list(before.values())[0]
            assert after[:len(old)] == old, (old, after)
            cpu_after = server.samples('node_cpu_seconds_total{cpu="0",mode="idle"}', "5m", time.time())
            (k, was), = cpu_before.items()
            assert cpu_after[k][:len(was)] == was, (was, cpu_after[k])
            usual = max(b[0] - a[0] for a, b in zip(old, old[1:]))
            gap = after[len(old)][0] - old[-1][0] if len(after) > len(old) else 0
            # The stop, plus the interval a sample is due in, on either side; the machine may be busy.
            assert gap <= (began - stopped) * 1000 + 2 * usual + 10000, (gap, usual, began - stopped)
