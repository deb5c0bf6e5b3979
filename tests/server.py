"""A real `tidemark server` under test, and what a test asks of it.

Everything listens on 127.0.0.1 with a free port, lives in a temporary folder and is gone when the
`with` block ends. A server that crashes, or whose sanitizer has something to say, fails the test.
"""
import contextlib
import gzip
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import push
from peers import BUILD

BINARY = os.path.join(BUILD, "tidemark")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TIDEMARK_")}  # Those are for the tests.
SHORT = "TIDEMARK_SHORT" in os.environ  # A sanitizer build: slower, so smaller loops.
PATIENCE_S = 120 if SHORT else 45  # How long a condition may take: never a claim about speed.
STOP_S = 60 if SHORT else 10
REPORTS = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|CHECK failed")
NOTHING = "scrape_configs: []\n"
_given = set()
_ports = None


def _leave(number, _frame):
    raise SystemExit(128 + number)  # So that the `with` blocks take their children along.


signal.signal(signal.SIGTERM, _leave)


def own_ports(number):
    """Of several processes that test at once, each has a range of its own, away from what the kernel gives out."""
    global _ports
    _ports = itertools.cycle(range(10000 + number * 1000, 11000 + number * 1000))


def free_port():
    """A port nobody listens on; never the same twice in a run, unless of a range."""
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", next(_ports) if _ports else 0))
            except OSError:
                continue  # Somebody has it.
            port = s.getsockname()[1]
        if _ports:
            return port
        if port not in _given:
            _given.add(port)
            return port


def wait_for(what, condition, seconds=PATIENCE_S, every=0.05):
    """Polls until condition() is truthy and returns it; an AssertionError names what never came."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, http.client.HTTPException) as e:
            last = e
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}; last seen: {str(last)[:2000]}")
        time.sleep(every)


def settle(check, seconds=PATIENCE_S, every=0.1):
    """Calls check() until nothing in it fails, and returns what it returns. For what is asserted of a page that
    is scraped while the test runs: on a machine that stalls a scrape may come late or not at all, and the
    next one makes good for it. What never holds fails with check's own words."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (AssertionError, LookupError, OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
        time.sleep(every)


@contextlib.contextmanager
def temporary_folder():
    path = tempfile.mkdtemp(prefix="tidemark-test-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Answer:
    """What a server said: status, headers (lower case), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:2000]!r}"


def ask(port, method, path, body=None, headers=None, timeout=30):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.connect()
        try:
            connection.request(method, path, body=body, headers=headers or {})
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may answer a request that is too large before all of it was sent.
        r = connection.getresponse()
        data = r.read()
        head = {k.lower(): v for k, v in r.getheaders()}
        if head.get("content-encoding") == "gzip":
            data = gzip.decompress(data)
        return Answer(r.status, head, data)
    finally:
        connection.close()


class Server:
    """`tidemark server` as a child. config and alertmanager are the text of their files;
    files maps further names in its folder (rules.yml, targets.json) to their text."""

    def __init__(self, folder=None, flags=(), env=None, config=NOTHING, alertmanager=None, files=None,
                 data="data", prefix="", binary=BINARY):
        self.binary = binary
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="tidemark-test-")
        self.port = free_port()
        self.flags, self.env = list(flags), env or {}
        self.data = os.path.join(self.folder, data) if data else None
        self.config, self.alertmanager = config, alertmanager
        self.prefix = prefix  # Of every path that is asked for.
        self.process = None
        self.log_path = os.path.join(self.folder, f"server-{self.port}.log")
        for name, text in (files or {}).items():
            self.write(name, text)
        if config is not None:
            self.write("prometheus.yml", config)
        if alertmanager is not None:
            self.write("alertmanager.yml", alertmanager)

    # ---- life ----

    def write(self, name, text):
        """Puts a file into the server's folder in one step, so that no reader sees half of it."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".tmp", "w") as f:
            f.write(text)
        os.rename(path + ".tmp", path)
        return path

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        flags = [f"--web.listen-address={self.address}"]
        if self.data:
            flags.append(f"--storage.tsdb.path={self.data}")
        if self.config is not None:
            flags.append(f"--config.file={os.path.join(self.folder, 'prometheus.yml')}")
        if self.alertmanager is not None:
            flags.append(f"--alertmanager.config={os.path.join(self.folder, 'alertmanager.yml')}")
        return [self.binary, "server", *flags, *self.flags]

    def start(self, wait=True):
        assert self.process is None, "started twice"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env={**ENVIRONMENT, **self.env})
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"it exited with {self.process.returncode}:\n{self.log()}"
            return self.get("/-/ready").status == 200
        wait_for("the server to be ready", ready, every=0.02)

    def log(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def check_log(self):
        log = self.log()
        assert not REPORTS.search(log), f"the server's log has a report:\n{log[-8000:]}"

    def stop(self, how=signal.SIGTERM):
        """Asks the server to leave; it must do so with exit code 0 in time."""
        self.process.send_signal(how)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not gone {STOP_S} s after signal {how}:\n{self.log()[-8000:]}") from None
        finally:
            self.put_down()
        assert code == 0, f"exit code {code}:\n{self.log()[-8000:]}"
        self.check_log()

    def kill(self):
        """kill -9: no goodbye."""
        assert self.process.poll() is None, f"it was gone already: {self.process.returncode}\n{self.log()[-8000:]}"
        self.put_down()
        self.check_log()

    def put_down(self):
        if self.process:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        self.process = None

    def __enter__(self):
        try:
            return self.start() if self.process is None else self
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and self.process:
                self.stop()
            elif kind and os.path.exists(self.log_path):
                print(f"--- log of {self.folder} ---\n{self.log()[-6000:]}")
        finally:
            self.close()

    def close(self):
        self.put_down()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- asking ----

    def request(self, method, path, body=None, headers=None, timeout=30):
        return ask(self.port, method, self.prefix + path, body, headers, timeout)

    def get(self, path, params=None, headers=None, timeout=30):
        query = "?" + urllib.parse.urlencode(params, doseq=True) if params else ""
        return self.request("GET", path + query, headers=headers, timeout=timeout)

    def post(self, path, params=None, headers=None, timeout=30):
        return self.request("POST", path, urllib.parse.urlencode(params or {}, doseq=True),
                            {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}, timeout)

    def api(self, path, **params):
        """The data of a successful answer of /api/v1/<path>."""
        answer = self.get(f"/api/v1/{path}", params)
        assert answer.status == 200, f"{path} {params}: {answer}"
        body = answer.json
        assert body["status"] == "success", body
        return body["data"]

    def instant(self, query, **params):
        """{labels as a sorted tuple: value text} of an instant vector."""
        data = self.api("query", query=query, **params)
        assert data["resultType"] == "vector", data
        return {key(s["metric"]): s["value"][1] for s in data["result"]}

    def value(self, query, **params):
        """The one value of a query as a float, or None if there is nothing."""
        found = list(self.instant(query, **params).values())
        assert len(found) <= 1, f"{query}: {len(found)} series"
        return float(found[0]) if found else None

    def range(self, query, start, end, step):
        """{labels: [(t, value text)]} of a matrix."""
        data = self.api("query_range", query=query, start=start, end=end, step=step)
        assert data["resultType"] == "matrix", data
        return {key(s["metric"]): [tuple(p) for p in s["values"]] for s in data["result"]}

    def samples(self, selector, window, at):
        """{labels: [(ms, value text)]}: the raw samples in (at - window, at]."""
        data = self.api("query", query=f"{selector}[{window}]", time=at)
        return {key(s["metric"]): [(round(t * 1000), v) for t, v in s["values"]] for s in data["result"]}

    def series(self, *matches, **params):
        return self.api("series", **{"match[]": matches, **params})

    def targets(self):
        """{(pool, scrape URL): target} of the active ones."""
        return {(t["scrapePool"], t["scrapeUrl"]): t for t in self.api("targets", state="active")["activeTargets"]}

    def metric(self, name, **labels):
        """Sum of the server's own metric over the series that carry these labels; None if absent."""
        total = None
        for line in self.get("/metrics").text.splitlines():
            m = re.match(r"([\w:]+)(?:\{(.*)\})? (\S+)$", line)
            if m and m[1] == name:
                has = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m[2] or ""))
                if all(has.get(k) == v for k, v in labels.items()):
                    total = (total or 0) + float(m[3])
        return total

    # ---- pushing ----

    def write_body(self, body, headers=None, timeout=30):
        return self.request("POST", "/api/v1/write", body, {**push.HEADERS, **(headers or {})}, timeout)

    def push(self, series, timeout=30):
        """series: [(labels, [(ms, value), …])]. The answer, whatever it is."""
        return self.write_body(push.body(series), timeout=timeout)


def key(metric):
    return tuple(sorted(metric.items()))


def name_of(labels):
    return dict(labels).get("__name__")


def run_server(*flags, env=None, cwd=None, timeout=PATIENCE_S):
    """Runs a server that is expected to end by itself: (exit code, stdout, stderr)."""
    p = subprocess.run([BINARY, "server", *flags], cwd=cwd, capture_output=True, timeout=timeout,
                       stdin=subprocess.DEVNULL, env={**ENVIRONMENT, **(env or {})})
    out, err = p.stdout.decode("utf-8", "replace"), p.stderr.decode("utf-8", "replace")
    assert not REPORTS.search(err), err
    return p.returncode, out, err
