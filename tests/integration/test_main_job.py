"""The main job: an exporter is scraped, a rule on it fires and pages, the target dies and pages, it
returns and the pages are taken back; all of it can be seen by API and in the browser."""
import contextlib
import os
import re
import socket
import subprocess
import time

from doubles import Webhooks
from pages import PAGES_CAN_BE_LOOKED_AT, look_at_pages
from peers import peer
from server import Server, free_port, key, settle, wait_for

RELEASE_ONLY = True
FULL = os.environ.get("TIDEMARK_BROWSER") == "full"
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s,
         external_labels: {{site: "lab"}}}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["{target}"]}}]
"""
RULES = """
groups:
  - name: machine
    rules:
      - record: machine:memory:ratio
        expr: node_memory_MemAvailable_bytes{job="node"} / node_memory_MemTotal_bytes
      - alert: MemoryInUse
        expr: node_memory_MemTotal_bytes{job="node"} > 0
        for: 1s
        labels: {severity: page}
        annotations: {summary: "{{ $labels.instance }} has {{ $value | humanize1024 }}B"}
      - alert: TargetDown
        expr: max_over_time(up[10s]) == 0
        labels: {severity: page}
        annotations: {summary: "{{ $labels.instance }} of {{ $labels.job }} is down"}
"""
NOTIFIER = """
route: {{receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: hook
    webhook_configs: [{{url: "{url}/page", send_resolved: true}}]
"""


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@contextlib.contextmanager
def node_exporter(port):
    p = subprocess.Popen([peer("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{port}",
                          "--log.level=error"], stderr=subprocess.DEVNULL)
    try:
        wait_for("node_exporter", lambda: listens(port))
        yield p
    finally:
        p.kill()
        p.wait()


def page_of(hook, status, alertname):
    for page in list(hook.pages):
        if page["json"]["status"] == status and page["json"]["groupLabels"].get("alertname") == alertname:
            return page
    return None


def check_page(page, server, alertname, target, status):
    """Version 4, field by field, as receivers written for upstream read it."""
    j = page["json"]
    assert page["path"] == "/page" and page["headers"]["content-type"].startswith("application/json"), page
    assert set(j) == {"version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels",
                      "commonLabels", "commonAnnotations", "externalURL", "alerts"}, sorted(j)
    assert (j["version"], j["truncatedAlerts"], j["receiver"], j["status"]) == ("4", 0, "hook", status), j
    assert j["groupKey"] == '{}:{alertname="%s"}' % alertname, j["groupKey"]
    assert j["groupLabels"] == {"alertname": alertname} and j["externalURL"] == server.url, j
    assert len(j["alerts"]) == 1, j
    alert = j["alerts"][0]
    assert set(alert) == {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL",
                          "fingerprint"}, sorted(alert)
    want = {"alertname": alertname, "instance": target, "job": "node", "severity": "page", "site": "lab"}
    assert alert["labels"] == want == j["commonLabels"], alert
    assert alert["status"] == status and target in alert["annotations"]["summary"], alert
    assert j["commonAnnotations"] == alert["annotations"]
    time_form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"
    assert re.match(time_form, alert["startsAt"]) and re.match(time_form, alert["endsAt"]), alert
    assert (alert["endsAt"] == "0001-01-01T00:00:00Z") == (status == "firing"), alert
    assert alert["generatorURL"].startswith(server.url) and "g0.expr=" in alert["generatorURL"], alert
    assert re.fullmatch(r"[0-9a-f]{16}", alert["fingerprint"]), alert


def check_api(server, target):
    alerts = {a["labels"]["alertname"]: a for a in server.api("alerts")["alerts"]}
    assert alerts["MemoryInUse"]["state"] == "firing", alerts
    assert alerts["MemoryInUse"]["labels"]["instance"] == target, alerts
    assert re.fullmatch(r"\d\.?\d*e\+\d\d", alerts["MemoryInUse"]["value"]), alerts
    group, = server.api("rules")["groups"]
    assert group["name"] == "machine" and group["interval"] == 1, group
    rules = {r["name"]: r for r in group["rules"]}
    assert [r["type"] for r in group["rules"]] == ["recording", "alerting", "alerting"]
    assert all(r["health"] == "ok" for r in group["rules"]), group
    assert rules["MemoryInUse"]["state"] == "firing" and rules["TargetDown"]["state"] == "inactive", rules
    assert rules["MemoryInUse"]["alerts"][0]["annotations"]["summary"].startswith(target), rules
    delivery = next(d for d in server.api("deliveries")["deliveries"]
                    if d["alerts"][0]["labels"]["alertname"] == "MemoryInUse")
    assert (delivery["status"], delivery["code"], delivery["receiver"]) == ("ok", 200, "hook"), delivery
    state = server.instant('ALERTS{alertname="MemoryInUse"}')
    assert list(state.values()) == ["1"] and dict(list(state)[0])["alertstate"] == "firing", state


def check_graph(server, target):
    now = time.time()
    graph = server.range("machine:memory:ratio", now - 30, now, 1)
    points = graph[key({"__name__": "machine:memory:ratio", "instance": target, "job": "node"})]
    assert len(points) >= 3 and all(0 < float(v) <= 1 for _, v in points), points
    assert all(abs((b[0] - a[0]) - 1) < 1e-6 for a, b in zip(points, points[1:])), points
    busy = server.range('sum by (mode) (rate(node_cpu_seconds_total{job="node"}[10s]))', now - 5, now, 1)
    assert {dict(k)["mode"] for k in busy} >= {"idle", "user", "system"}, list(busy)


def test_main_job():
    port = free_port()
    target = f"127.0.0.1:{port}"
    with Webhooks() as hook, contextlib.ExitStack() as living:
        living.enter_context(node_exporter(port))  # Before the first scrape, which would page else.
        with Server(config=CONFIG.format(target=target), files={"rules.yml": RULES},
                    alertmanager=NOTIFIER.format(url=hook.url)) as server:
            watched(server, hook, target, port, living)


def watched(server, hook, target, port, living):
    page = wait_for("the page of the rule", lambda: page_of(hook, "firing", "MemoryInUse"))
    check_page(page, server, "MemoryInUse", target, "firing")
    wait_for("some points", lambda: (server.value("count_over_time(machine:memory:ratio[1m])") or 0) >= 5)
    settle(lambda: check_api(server, target))  # A scrape that a busy machine delays is a gap.
    settle(lambda: check_graph(server, target))
    living.close()
    page = wait_for("the page of the dead target", lambda: page_of(hook, "firing", "TargetDown"))
    check_page(page, server, "TargetDown", target, "firing")
    assert server.value('up{job="node"}') == 0
    assert server.targets()[("node", f"http://{target}/metrics")]["health"] == "down"
    wait_for("the rule's own end", lambda: page_of(hook, "resolved", "MemoryInUse"))
    with node_exporter(port):
        page = wait_for("the resolved page", lambda: page_of(hook, "resolved", "TargetDown"))
        check_page(page, server, "TargetDown", target, "resolved")
        assert server.value('up{job="node"}') == 1
        assert "TargetDown" not in {a["labels"]["alertname"] for a in server.api("alerts")["alerts"]}
        # Nothing was sent twice: one page each for what fired, and for what ended.
        order = [p["json"]["status"] for p in hook.pages if p["json"]["groupLabels"]["alertname"] == "TargetDown"]
        assert order == ["firing", "resolved"], order


def in_the_browser(*walks):
    """Alerts fire, a target is scraped, the host is collected: then every page is walked through."""
    port = free_port()
    with Webhooks() as hook, node_exporter(port), \
         Server(config=CONFIG.format(target=f"127.0.0.1:{port}"), files={"rules.yml": RULES},
                flags=["--collect.host=true"], alertmanager=NOTIFIER.format(url=hook.url)) as server:
        wait_for("the page of the rule", lambda: page_of(hook, "firing", "MemoryInUse"))
        wait_for("some points", lambda: (server.value("count_over_time(machine:memory:ratio[1m])") or 0) >= 5)
        for only in walks:
            look_at_pages(server, "--expr", "node_load1", "--only", only)


def light_pages():
    in_the_browser(", wide, light", *([", phone, light"] if FULL else []))


def dark_pages():
    in_the_browser(", phone, dark", *([", wide, dark"] if FULL else []))


def walks_through_the_pages():
    in_the_browser("keyboard:", "explore:")


if PAGES_CAN_BE_LOOKED_AT:
    test_light_pages_in_the_browser = light_pages
    test_dark_pages_in_the_browser = dark_pages
    test_walks_in_the_browser = walks_through_the_pages
else:
    print("no browser here: the pages were not looked at")


def test_pages_are_retried_until_taken():
    """A receiver that fails is asked again with growing pauses; the failures can be seen."""
    rules = 'groups: [{name: g, rules: [{alert: Always, expr: vector(1)}]}]'
    with Webhooks() as hook:
        hook.status = 503
        with Server(config="global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n",
                    files={"rules.yml": rules}, alertmanager=NOTIFIER.format(url=hook.url)) as server:
            wait_for("two tries", lambda: len(hook.pages) >= 2)
            assert server.metric("alertmanager_notifications_failed_total", integration="webhook") >= 1
            failed = [d for d in server.api("deliveries")["deliveries"] if d["status"] in ("failed", "retrying")]
            assert failed and failed[0]["code"] == 503, failed
            hook.status = 200
            wait_for("the page", lambda: hook.alerts("firing", alertname="Always"))
            wait_for("the delivery", lambda: "ok" in [d["status"] for d in server.api("deliveries")["deliveries"]])
