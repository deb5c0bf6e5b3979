"""Debian's own Prometheus as a child, and what a test asks of it."""
import os
import subprocess
import urllib.parse

from peers import peer
from server import ask, free_port, key, wait_for


class Peer:
    """Debian's Prometheus with this configuration."""

    def __init__(self, folder, config="scrape_configs: []\n", flags=()):
        self.flags = list(flags)
        self.port = free_port()
        self.folder = os.path.join(folder, f"peer-{self.port}")
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "prometheus.yml"), "w") as f:
            f.write(config)
        self.process = None

    def __enter__(self):
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(
            [peer("prometheus"), f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", *self.flags], stdout=self.log, stderr=self.log,
            env={**os.environ, "GOMAXPROCS": "1"})
        try:
            wait_for("the peer", lambda: ask(self.port, "GET", "/-/ready").status == 200)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self):
        """It pushes what it still holds, then it is gone; its data stays readable by nobody."""
        self.process.terminate()
        self.process.wait(30)

    def query(self, path, **params):
        answer = ask(self.port, "GET", f"/api/v1/{path}?" + urllib.parse.urlencode(params))
        return answer.status, answer.json

    def samples(self, selector, window, at):
        status, body = self.query("query", query=f"{selector}[{window}]", time=at)
        assert status == 200, body
        return {key(s["metric"]): [(round(t * 1000), v) for t, v in s["values"]] for s in body["data"]["result"]}
