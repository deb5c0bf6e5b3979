"""The built-in notifier under trouble: a receiver that hangs, a stop with pages under way, rules that
are taken away while they fire."""
import signal

from doubles import Webhooks
from server import Server, wait_for

CONFIG = "global: {{evaluation_interval: 1s}}\nrule_files: [{files}]\n"
NOTIFIER = """
route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}", timeout: 5m}}]}}]
"""


def rules(*names):
    """A rule file of alerts that fire at once."""
    text = "groups:\n  - name: g\n    rules:\n"
    return text + "".join(f"      - {{alert: {name}, expr: vector(1)}}\n" for name in names)


def test_a_page_that_hangs_delays_no_other():
    with Webhooks() as hook:
        hook.holds = lambda page: page["groupLabels"]["alertname"] == "Slow"
        with Server(config=CONFIG.format(files="rules.yml"), files={"rules.yml": rules("Slow")},
                    alertmanager=NOTIFIER.format(url=hook.url), flags=["--web.enable-lifecycle"]) as server:
            wait_for("the page that hangs", lambda: hook.of("Slow"))
            server.write("more.yml", rules("Other"))
            server.write("prometheus.yml", CONFIG.format(files="rules.yml, more.yml"))
            assert server.request("POST", "/-/reload").status == 200
            wait_for("the page of another group", lambda: hook.of("Other"))
            told = [d for d in server.api("deliveries")["deliveries"] if d["status"] == "ok"]
            assert not any("Slow" in d["groupKey"] for d in told), told
            hook.release()
            wait_for("both to be delivered", lambda: {'{}:{alertname="Slow"}', '{}:{alertname="Other"}'} <= {
                d["groupKey"] for d in server.api("deliveries")["deliveries"] if d["status"] == "ok"})


def test_a_stop_sends_what_is_due():
    with Webhooks() as hook:
        hook.holds = lambda page: True
        hook.status = 503
        with Server(config=CONFIG.format(files="rules.yml"), files={"rules.yml": rules("A")},
                    alertmanager=NOTIFIER.format(url=hook.url)) as server:
            wait_for("the page", lambda: hook.of("A"))
            server.process.send_signal(signal.SIGTERM)
            wait_for("the stop to begin", lambda: "stopping" in server.log(), every=0.01)
            hook.status = 200
            hook.release()
            server.process.wait()
            assert [p["status"] for p in hook.of("A")] == [503, 200], hook.pages
            server.put_down()
            server.check_log()


def test_alerts_of_rules_that_are_gone_resolve():
    with Webhooks() as hook, \
         Server(config=CONFIG.format(files="one.yml, two.yml"),
                files={"one.yml": rules("Stays", "RuleGone"), "two.yml": rules("FileGone")},
                alertmanager=NOTIFIER.format(url=hook.url),
                flags=["--web.enable-lifecycle", "--rules.alert.resend-delay=1s"]) as server:
        for name in ("Stays", "RuleGone", "FileGone"):
            wait_for(f"{name} to page", lambda name=name: hook.alerts("firing", alertname=name))
        server.write("one.yml", rules("Stays"))
        server.write("prometheus.yml", CONFIG.format(files="one.yml"))
        assert server.request("POST", "/-/reload").status == 200
        for name in ("RuleGone", "FileGone"):
            wait_for(f"{name} to resolve", lambda name=name: hook.alerts("resolved", alertname=name))
        assert not hook.alerts("resolved", alertname="Stays"), hook.pages
        assert server.value('ALERTS{alertname="Stays",alertstate="firing"}') == 1
        assert server.value('ALERTS{alertname=~".*Gone"}') is None
