"""Secrets: files are found and followed; what they hold is in no log, error, page or metric."""
import base64

from doubles import Exporter, Webhooks
from server import Server, free_port, run_server, temporary_folder, wait_for

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: file
    basic_auth: {{username: u, password_file: secrets/password}}
    static_configs: [{{targets: ["{target}"]}}]
  - job_name: inline
    metrics_path: /inline
    authorization: {{credentials: tok3n-hunter2}}
    static_configs: [{{targets: ["{target}", "127.0.0.1:{nobody}"]}}]
  - job_name: proxied
    proxy_url: http://me:hunter2@127.0.0.1:{nobody}
    static_configs: [{{targets: ["{target}"]}}]
"""
RULES = "groups: [{name: g, rules: [{alert: A, expr: vector(1)}]}]\n"
NOTIFIER = """
route: {receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1s}
receivers: [{name: hook, webhook_configs: [{url_file: secrets/hook}]}]
"""
# What is wrong stands beside a secret.
BROKEN = ("scrape_configs: [{job_name: a, basic_auth: {username: u, password: hunter2, pasword: x}}]\n",
          "scrape_configs: [{job_name: a, proxy_url: 'http://u:hunter2@x', x: }]\n",
          "scrape_configs:\n  - job_name: a\n    authorization:\n      credentials:\n        hunter2: x\n",
          "scrape_configs:\n  - job_name: a\n    basic_auth: {password: hunter2\n",
          "scrape_configs:\n  - job_name: a\n    tls_config:\n      key: |\n        hunter2\n       \thunter2\n",
          "scrape_configs:\n  - job_name: a\n    authorization: {type: Basic, credentials: hunter2}\n")
BROKEN_NOTIFIER = ("route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x/hunter2'}\n",
                   "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x/hunter2', ulr: 1}]}]\n",
                   "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'hunter2'}]}]\n",
                   "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x:hunter2/'}]}]\n")


def basic(password):
    return "Basic " + base64.b64encode(f"u:{password}".encode()).decode()


def auth(exporter, path):
    return [h.get("authorization") for p, h in list(exporter.requests) if p == path]


def test_files_are_found_below_the_configuration_and_followed():
    with Exporter("a 1\n") as exporter, Webhooks() as first, Webhooks() as second:
        server = Server(config=CONFIG.format(target=exporter.address, nobody=free_port()), alertmanager=NOTIFIER,
                        files={"rules.yml": RULES, "secrets/password": "hunter2-one\n",
                               "secrets/hook": first.url + "/hunter2\n"})
        with server:
            wait_for("the password of the file", lambda: basic("hunter2-one") in auth(exporter, "/metrics"))
            wait_for("the bearer token", lambda: "Bearer tok3n-hunter2" in auth(exporter, "/inline"))
            wait_for("a page", lambda: first.pages)
            server.write("secrets/password", "hunter2-two\n")
            server.write("secrets/hook", second.url + "/hunter2\n")
            wait_for("the new password", lambda: basic("hunter2-two") in auth(exporter, "/metrics"))
            wait_for("a page to the new address", lambda: second.pages)
            server.write("secrets/hook", f"http://127.0.0.1:{free_port()}/hunter2\n")
            wait_for("a page that fails", lambda: server.metric("alertmanager_notifications_failed_total"))
            assert all(h.get("x-prometheus-scrape-timeout-seconds") == "1" for _, h in exporter.requests)
            shown = [server.get(p).text for p in (
                "/api/v1/status/config", "/api/v1/status/flags", "/metrics", "/api/v1/targets", "/api/v1/deliveries",
                "/api/v1/rules", "/api/v1/alerts", "/api/v1/status/runtimeinfo")] + [server.log()]
            for text in shown:
                assert "hunter2" not in text, text[max(0, text.index("hunter2") - 300):][:600]


def test_errors_tell_no_secret():
    for text in BROKEN:
        with temporary_folder() as folder:
            server = Server(folder=folder, config=text)
            code, out, err = run_server(*server.command()[2:])
            assert code == 3 and "hunter2" not in out + err, (text, code, out, err)
    for text in BROKEN_NOTIFIER:
        with Server(alertmanager="route: {receiver: r}\nreceivers: [{name: r}]\n",
                    flags=["--web.enable-lifecycle"]) as server:
            server.write("alertmanager.yml", text)
            answer = server.request("POST", "/-/reload")
            assert answer.status != 200 and "hunter2" not in answer.text + server.log(), (text, answer, server.log())
