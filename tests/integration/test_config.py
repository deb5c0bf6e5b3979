"""Flags, environment, configuration files, reload, and every way in which a start can be refused."""
import os
import re
import signal
import socket
import time

from doubles import Exporter
from server import NOTHING, Server, free_port, run_server, temporary_folder, wait_for

JOB = "scrape_configs: [{{job_name: {name}, static_configs: [{{targets: ['{target}']}}]}}]\n"


def one_line(text):
    """What a person reads before the prompt comes back: the last line, and no log line after it."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("time=")]
    assert len(lines) == 1, text
    return lines[0]


# ---- flags ----

def test_flag_wins_over_environment_wins_over_default():
    env = {"TIDEMARK_QUERY_LOOKBACK_DELTA": "7m", "TIDEMARK_STORAGE_TSDB_RETENTION_TIME": "3d",
           "TIDEMARK_WEB_ENABLE_LIFECYCLE": "true", "TIDEMARK_LOG_FORMAT": "json"}
    with Server(flags=["--storage.tsdb.retention.time=9d"], env=env) as server:
        flags = server.api("status/flags")
        assert flags["query.lookback-delta"] == "7m", flags
        assert flags["storage.tsdb.retention.time"] in ("9d", "1w2d"), flags
        assert flags["query.timeout"] == "2m" and flags["web.enable-lifecycle"] == "true", flags
        assert server.request("POST", "/-/reload").status == 200
        assert server.log().startswith("{"), server.log()[:200]
        info = server.api("status/runtimeinfo")
        assert info["storageRetention"] == flags["storage.tsdb.retention.time"], info
        assert os.path.samefile(info["CWD"], server.folder), info


def test_status_tells_the_retention_in_force():
    by_file = NOTHING + "storage: {tsdb: {retention: {time: 30d, size: 10GB, percentage: 80}}}\n"
    flags = ["--storage.tsdb.retention.size=5GB", "--web.enable-lifecycle"]
    with Server(config=by_file, flags=flags) as server:
        assert server.api("status/runtimeinfo")["storageRetention"] == "30d or 10GiB or 80%"
        server.write("prometheus.yml", NOTHING)
        assert server.request("POST", "/-/reload").status == 200
        assert server.api("status/runtimeinfo")["storageRetention"] == "15d or 5GiB"


def test_help_names_every_flag():
    code, out, _ = run_server("--help")
    assert code == 0
    for name in ("config.file", "storage.tsdb.path", "storage.tsdb.retention.time", "web.listen-address", "log.level",
                 "log.format", "web.enable-lifecycle", "web.enable-remote-write-receiver", "alertmanager.config",
                 "query.timeout", "query.lookback-delta"):
        assert re.search(rf"^\s+--{re.escape(name)}\b", out, re.M), name
    with Server() as server:
        assert set(re.findall(r"^\s+--([\w.-]+)", out, re.M)) == set(server.api("status/flags"))


def test_wrong_flags_end_with_a_hint():
    for arguments, wanted in (
            (["--storage.tsdb.pth=/tmp/x"], "did you mean --storage.tsdb.path?"),
            (["--web.listen-adress", "127.0.0.1:1"], "did you mean --web.listen-address?"),
            (["--query.timeout=soon"], "--query.timeout"),
            (["--log.level=loud"], "none of debug, info, warn, error"),
            (["--web.enable-lifecycle=perhaps"], "is not true or false"),
            (["--storage.tsdb.retention.size=much"], "is not a size"),
            (["--memory.limit=1KB"], "--memory.limit: \"1KB\" is less than the least, 64MB"),
            (["--query.max-samples=0"], "--query.max-samples: \"0\" is less than the least, 1"),
            (["--config.file"], "wants a value"),
            (["--web.config.file=web.yml"], "--web.config.file is known to Prometheus but not built"),
            (["surprise"], 'unexpected argument "surprise"')):
        code, out, err = run_server(*arguments)
        line = one_line(err)
        assert code == 2 and line.startswith("tidemark: ") and wanted in line and not out, (arguments, code, out, err)
    code, _, err = run_server(env={"TIDEMARK_QUERY_TIMEOUT": "soon"})
    assert code == 2 and "TIDEMARK_QUERY_TIMEOUT" in one_line(err), err


def test_slips_are_told_and_keep_nothing_from_starting():
    config = "global:\n  external_labels: {region: '${NO_SUCH_VARIABLE}'}\n"
    with Server(config=config, flags=["--enable-feature=promql-experimental-function"],
                env={"TIDEMARK_QUERY_TIMEUOT": "1m"}) as server:
        log = server.log()
        assert "did you mean promql-experimental-functions?" in log, log
        assert "did you mean TIDEMARK_QUERY_TIMEOUT?" in log, log
        assert "prometheus.yml:2:29: external label region: the environment has no NO_SUCH_VARIABLE" in log, log


# ---- the configuration file ----

BROKEN = {
    "an unknown key": ("global:\n  scrape_intervall: 5s\n", r":2:3: .*scrape_intervall.*", "scrape_interval"),
    "a key that is not built": ("remote_read:\n  - url: http://x\n", r":1:1: .*remote_read.*", "not built"),
    "several that are not built": ("tracing: {}\nscrape_configs:\n  - job_name: a\n    oauth2: {}\notlp: {}\n",
                                   r":1:1: .*tracing.*", "not built either: 'oauth2' (4:5), 'otlp' (5:1)"),
    "a rule file that is not there": ("rule_files:\n  - gone.yml\n", r":2:5: .*gone\.yml", "gone.yml"),
    "a password file that is not there": ("scrape_configs:\n  - job_name: a\n    basic_auth:\n      username: u\n"
                                          "      password_file: gone\n", r":5:22: .*gone", "password_file"),
    "an Alertmanager beside us": ("alerting: {alertmanagers: []}\n", r":1:1: .*alerting.*not built",
                                  "give an alertmanager.yml to --alertmanager.config"),
    "a wrong duration": ("global:\n  scrape_interval: 5 parsecs\n", r":2:20: .*", "5 parsecs"),
    "broken YAML": ("global:\n  scrape_interval: [5s\nrule_files: []\n", r":\d+:\d+: .*", None),
    "a job twice": ("scrape_configs:\n  - job_name: a\n  - job_name: a\n", r":3:\d+: .*", "a"),
    "a job without a name": ("scrape_configs:\n  - scrape_interval: 5s\n", r":2:\d+: .*", "job_name"),
    "a wrong regular expression": ("scrape_configs:\n  - job_name: a\n    relabel_configs:\n"
                                   "      - target_label: a\n        regex: '(x'\n", r":5:16: .*", None),
    "time-out above interval": ("scrape_configs:\n  - job_name: a\n    scrape_interval: 5s\n    scrape_timeout: 6s\n",
                                r":\d:\d+: .*", "timeout"),
}


def test_broken_configuration_says_where():
    with temporary_folder() as folder:
        for what, (text, place, word) in BROKEN.items():
            path = os.path.join(folder, "prometheus.yml")
            with open(path, "w") as f:
                f.write(text)
            code, _, err = run_server(f"--config.file={path}", f"--storage.tsdb.path={folder}/data",
                                      f"--web.listen-address=127.0.0.1:{free_port()}")
            assert code == 3, (what, code, err)
            said = "\n".join(line for line in err.splitlines() if not line.startswith("time="))
            assert re.match(rf"tidemark: {re.escape(path)}{place}", said), (what, said)
            assert word is None or word in said, (what, said)
            assert re.search(r"^\s*\^", said, re.M), f"{what}: no caret under the place: {said}"


def test_broken_rules_say_where():
    config = "rule_files: [rules.yml]\n"
    rules = "groups:\n  - name: g\n    rules:\n      - record: a\n        expr: sum(up\n"
    with temporary_folder() as folder:
        server = Server(folder=folder, config=config, files={"rules.yml": rules})
        code, _, err = run_server(*server.command()[2:])
        assert code == 3 and re.search(r"rules\.yml:5:\d+: ", err) and "parse error" in err, err
        server.write("rules.yml", rules.replace("sum(up", "sum(up)").replace("record: a", "recrod: a"))
        code, _, err = run_server(*server.command()[2:])
        assert code == 3 and re.search(r"rules\.yml:4:\d+: ", err) and "record" in err.replace("recrod", ""), err
        code, _, err = run_server(f"--config.file={folder}/absent.yml", f"--storage.tsdb.path={folder}/data")
        assert code == 3 and "absent.yml" in one_line(err), err
        server.write("rules.yml", "groups: []\n")
        server.alertmanager = "here"
        server.write("alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: hook}]\n")
        code, _, err = run_server(*server.command()[2:])
        assert code == 3 and re.search(r"alertmanager\.yml:1:\d+: ", err) and "nobody" in err, err


# ---- reload ----

def test_reload_by_signal_and_by_request():
    with Exporter("a 1\n") as first, Exporter("b 2\n") as second, \
         Server(config="global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + JOB.format(name="one", target=first.address),
                flags=["--web.enable-lifecycle"]) as server:
        head = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        wait_for("the first job", lambda: server.value("a") == 1)
        server.write("prometheus.yml", head + JOB.format(name="two", target=second.address))
        server.process.send_signal(signal.SIGHUP)
        wait_for("the second job", lambda: server.value("b") == 2)
        assert server.api("scrape_pools")["scrapePools"] == ["two"]
        server.write("prometheus.yml", head + JOB.format(name="three", target=first.address))
        assert server.request("PUT", "/-/reload").status == 200  # Answered when it is done.
        assert server.api("scrape_pools")["scrapePools"] == ["three"]
        assert "job_name: three" in server.api("status/config")["yaml"]
        assert server.metric("prometheus_config_last_reload_successful") == 1


def test_reload_changes_out_of_order_window_and_step_of_subqueries():
    text = "global: {{evaluation_interval: {step}}}\nstorage: {{tsdb: {{out_of_order_time_window: {window}}}}}\n"
    flags = ["--web.enable-lifecycle", "--web.enable-remote-write-receiver"]
    with Server(config=text.format(step="1m", window="0s"), flags=flags) as server:
        now = int(time.time() * 1000)
        late = [({"__name__": "m"}, [(now - 120000, 1)])]

        def stored_late():
            return server.metric("tidemark_remote_write_samples_total", outcome="stored_ooo") or 0

        def steps():
            at = now // 60000 * 60
            return len(server.samples("vector(1)", "2m:", at)[()])

        assert server.push([({"__name__": "m"}, [(now, 1)])]).status == 204
        assert server.push(late).status == 204
        assert stored_late() == 0 and steps() == 2
        server.write("prometheus.yml", text.format(step="10s", window="10m"))
        assert server.request("POST", "/-/reload").status == 200
        assert server.push(late).status == 204
        assert stored_late() == 1 and steps() == 12


def test_broken_reload_keeps_the_old_configuration():
    config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nrule_files: [rules.yml]\n"
    rules = "groups: [{name: g, interval: 1s, rules: [{record: seven, expr: vector(7)}]}]\n"
    with Exporter("a 1\n") as exporter, \
         Server(config=config + JOB.format(name="one", target=exporter.address), files={"rules.yml": rules},
                flags=["--web.enable-lifecycle"]) as server:
        wait_for("scrape and rule", lambda: server.value("a") == 1 and server.value("seven") == 7)
        good = server.api("status/config")["yaml"]
        loaded = server.metric("prometheus_config_last_reload_success_timestamp_seconds")
        for name, text in (("prometheus.yml", config + "scrape_config: []\n"),
                           ("prometheus.yml", config + JOB.format(name="two", target="x:1") + "rule_files: [none.yml]\n"),
                           ("rules.yml", rules.replace("vector(7)", "vector(7"))):
            before = {n: open(os.path.join(server.folder, n)).read() for n in ("prometheus.yml", "rules.yml")}
            server.write(name, text)
            answer = server.request("POST", "/-/reload")
            assert answer.status == 500 and re.search(r"\.yml:\d+:\d+", answer.text), answer
            assert server.metric("prometheus_config_last_reload_successful") == 0
            assert server.metric("prometheus_config_last_reload_success_timestamp_seconds") == loaded
            assert server.api("status/runtimeinfo")["reloadConfigSuccess"] is False
            assert server.api("status/config")["yaml"] == good
            assert [r["name"] for g in server.api("rules")["groups"] for r in g["rules"]] == ["seven"]
            was = len(exporter.requests)
            wait_for("scrapes that go on", lambda: len(exporter.requests) > was)
            for n, content in before.items():
                server.write(n, content)
        assert "reload refused" in server.log()
        assert server.request("POST", "/-/reload").status == 200
        assert server.metric("prometheus_config_last_reload_successful") == 1


def test_the_page_is_a_configuration_with_the_same_meaning():
    config = "global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {cost: '5$$'}}\nrule_files: [rules.yml]\n"
    rules = "groups: [{name: g, interval: 1s, rules: [{record: seven, expr: vector(7)}]}]\n"
    with Exporter("a 1\nb 2\n") as exporter, \
         Server(config=config + JOB.format(name="one", target=exporter.address).replace(
                    "]}]}]", "]}], metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]}]"),
                files={"rules.yml": rules}, flags=["--web.enable-lifecycle"]) as server:
        page = server.api("status/config")["yaml"]
        for line in ("global:", "  evaluation_interval: 1m", "    cost: 5$$", "- job_name: one", "  scheme: http",
                     "  enable_http2: true", "    replacement: $1", "    action: drop"):
            assert line in page.split("\n"), page
        wait_for("scrape and rule", lambda: server.value("a") == 1 and server.value("seven") == 7)
        server.write("prometheus.yml", page)
        assert server.request("POST", "/-/reload").status == 200
        assert server.api("status/config")["yaml"] == page
        was = len(exporter.requests)
        wait_for("scrapes that go on", lambda: len(exporter.requests) > was + 1)
        assert server.value("a") == 1 and server.value("b") is None and server.value("up") == 1


def test_lifecycle_routes_need_their_flag():
    with Server() as server:
        for path in ("/-/reload", "/-/quit"):
            for method in ("POST", "PUT"):
                answer = server.request(method, path)
                assert answer.status == 403 and answer.text.strip() == "Lifecycle API is not enabled.", answer
            assert server.get(path).status == 405
        server.process.send_signal(signal.SIGHUP)  # Signals need no flag.
        wait_for("the reload", lambda: server.log().count("configuration loaded") == 2)


def test_quit_by_request():
    with Server(flags=["--web.enable-lifecycle"]) as server:
        assert server.get("/-/quit").status == 405
        answer = server.request("POST", "/-/quit")
        assert answer.status == 200 and "Goodbye" in answer.text, answer
        process = server.process
        assert wait_for("its end", lambda: process.poll() is not None) and process.returncode == 0
        server.put_down()
        server.check_log()


# ---- starts that are refused ----

def test_port_taken():
    with socket.socket() as s, temporary_folder() as folder:
        s.bind(("127.0.0.1", 0))
        s.listen()
        address = "127.0.0.1:%d" % s.getsockname()[1]
        code, _, err = run_server(f"--web.listen-address={address}", f"--storage.tsdb.path={folder}/data")
        assert code == 1 and address in one_line(err), err


def test_data_folder_that_cannot_be_used():
    with temporary_folder() as folder:
        path = os.path.join(folder, "data")
        with open(path, "w") as f:
            f.write("a file where the folder should be\n")
        for place in (path, "/proc/tidemark"):
            code, _, err = run_server(f"--web.listen-address=127.0.0.1:{free_port()}", f"--storage.tsdb.path={place}")
            assert code == 1 and place in one_line(err), err


def test_unreadable_data_folder_as_a_common_user():
    """Root may read everything, so the server is started as nobody where that is possible."""
    with temporary_folder() as folder:
        path = os.path.join(folder, "data")
        os.mkdir(path)
        os.chmod(path, 0)
        if os.geteuid() == 0:
            os.chmod(folder, 0o755)
            pid = os.fork()
            if pid == 0:
                code = 99
                try:
                    os.setgid(65534)
                    os.setuid(65534)
                    status, _, err = run_server(f"--web.listen-address=127.0.0.1:{free_port()}",
                                                f"--storage.tsdb.path={path}", cwd="/")
                    code = 0 if status == 1 and path in one_line(err) else 1
                    if code:
                        print(status, err, flush=True)
                except PermissionError as e:  # The binary stands where nobody may look.
                    print(f"not tried as another user: {e}", flush=True)
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        else:
            status, _, err = run_server(f"--web.listen-address=127.0.0.1:{free_port()}", f"--storage.tsdb.path={path}")
            assert status == 1 and path in one_line(err), err
        os.chmod(path, 0o700)


def test_second_instance_on_the_same_folder():
    with Server() as server:
        code, _, err = run_server(f"--web.listen-address=127.0.0.1:{free_port()}", f"--storage.tsdb.path={server.data}")
        assert code == 1 and server.data in one_line(err), err
        assert server.value("vector(1)") == 1  # The first one did not notice.
