"""What the parts of tools/bench.py share: the servers that are measured, and the table."""
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

NAMES = ("prometheus", "victoria-metrics", "tidemark")
START_S = 180


class Wrong(Exception):
    """A server answered what it must not."""


# ---- servers ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Server:
    """One server on a fresh folder; use with `with`. Used again, it starts on what it has stored."""

    def __init__(self, name, binary, folder, config="scrape_configs: []\n", flags=()):
        self.name, self.port, self.process = name, free_port(), None
        self.folder = os.path.join(folder, "data")
        path = os.path.join(folder, "config.yml")
        shutil.rmtree(self.folder, ignore_errors=True)
        with open(path, "w") as f:
            f.write(config)
        address = f"127.0.0.1:{self.port}"
        upstream = [f"--config.file={path}", f"--storage.tsdb.path={self.folder}",
                    f"--web.listen-address={address}", "--web.enable-remote-write-receiver"]
        self.command = {
            "tidemark": [binary, "server"] + upstream + ["--log.level=warn"],
            "prometheus": [binary] + upstream + ["--log.level=error"],
            "victoria-metrics": [binary, f"-httpListenAddr={address}", f"-storageDataPath={self.folder}",
                                 f"-promscrape.config={path}", "-retentionPeriod=100y",
                                 "-loggerLevel=ERROR"],
        }[name] + list(flags)
        self.log = os.path.join(folder, "log")

    def __enter__(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, preexec_fn=die_with_parent)
        path = "/health" if self.name == "victoria-metrics" else "/-/ready"
        for _ in range(START_S * 10):  # Prometheus reads its log again.
            try:
                if self.request("GET", path)[0] == 200:
                    return self
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        said = open(self.log).read()[-2000:]
        self.__exit__()
        raise Wrong(f"{self.name} did not start: {said}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def request(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
        try:
            c.request(method, path, body)
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def ask(self, path, params):
        """The body of an answer, as it came."""
        params = dict(params, nocache="1")  # VictoriaMetrics: no answers from a cache, no shifted steps.
        status, body = self.request("GET", f"/api/v1/{path}?" + urllib.parse.urlencode(params))
        if status != 200:
            raise Wrong(f"{self.name} answers {status} to {path} {params}: {body[:300]!r}")
        return body

    def query(self, kind="query", **params):
        return json.loads(self.ask(kind, params))["data"]["result"]

    def scalar(self, query, at_ms):
        result = self.query(query=query, time=at_ms / 1000)
        return float(result[0]["value"][1]) if len(result) == 1 else None

    def cpu_s(self):
        # The kernel's clock of another process (man 3 clock_getcpuclockid): utime + stime of
        # /proc/PID/stat, in nanoseconds instead of ticks.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def anonymous_bytes(self):
        text = open(f"/proc/{self.process.pid}/smaps_rollup").read()
        return int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.M).group(1)) * 1024

    def peak_during(self, fn):
        """The most anonymous memory while fn runs, looked at all the time."""
        peak, done = [0], threading.Event()

        def watch():
            while not done.is_set():
                text = open(f"/proc/{self.process.pid}/status").read()
                peak[0] = max(peak[0], int(re.search(r"^RssAnon:\s+(\d+) kB", text, re.M).group(1)) * 1024)
                done.wait(0.001)
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            got = fn()
        finally:
            done.set()
            thread.join()
        return got, peak[0]

    def settle(self):
        """Waits until the work that a load or a start leaves behind is done: four quiet seconds, for some of it
        begins a few seconds later."""
        quiet = 0
        for _ in range(60):
            cpu = self.cpu_s()
            time.sleep(1)
            quiet = quiet + 1 if self.cpu_s() - cpu < 0.1 else 0
            if quiet == 4:
                return

    def forget_files(self):
        """While it is stopped: its files leave the page cache."""
        for path in (os.path.join(d, f) for d, _, files in os.walk(self.folder) for f in files):
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def expect(server, what, got, wanted, slack=0.0):
    if got is None or abs(got - wanted) > slack * abs(wanted):
        raise Wrong(f"{server.name}: {what} is {got}, not {wanted}")


# ---- the table ----

def number(value, digits=3):
    """So many digits, or all before the point; never 1e+03."""
    return f"{value:.0f}" if value >= 10 ** digits - 0.5 else f"{value:.{digits}g}"


class Table:
    def __init__(self):
        self.rows, self.notes = [], []

    def add(self, figure, unit, values, digits=3, ratio=True):
        self.rows.append((f"{figure}, {unit}", values, digits, ratio))
        shown = ", ".join(f"{n} {self.show(values.get(n), digits)}" for n in NAMES)
        print(f"  {figure}, {unit}: {shown}", flush=True)

    def note(self, text):
        self.notes.append(text)
        print(f"  {text}", flush=True)

    @staticmethod
    def show(value, digits):
        return "–" if value is None else number(value, digits)

    def print(self):
        print("\n| figure (median) | prometheus | victoria-metrics | tidemark | prometheus ÷ tidemark | "
              "victoria-metrics ÷ tidemark |\n|---|---|---|---|---|---|")
        for figure, values, digits, ratio in self.rows:
            ours = values.get("tidemark")
            cells = [self.show(values.get(n), digits) for n in NAMES]
            for n in NAMES[:2]:
                cells.append(f"{values[n] / ours:.1f}" if ratio and ours and values.get(n) else "–")
            print("| " + " | ".join([figure] + cells) + " |")
        for text in self.notes:
            print(f"- {text}")
