"""Stand-ins for what surrounds a server: an exporter that tests steer and a recorder of webhooks."""
import gzip
import http.server
import json
import threading
import time

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Http:
    """An HTTP server on its own threads, on 127.0.0.1; close() frees the port at once."""

    def __init__(self, port=0):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.handle(self)

            def do_POST(self):
                owner.handle(self)

            def log_message(self, *_):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass  # A client that hung up.

        self.server = Threads(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.address}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Exporter(_Http):
    """Answers every GET with `page` (a text, bytes, or a function of no argument that makes one)."""

    def __init__(self, page="", content_type=TEXT, port=0):
        self.page, self.content_type = page, content_type
        self.status, self.delay, self.gzip, self.hang_up = 200, 0.0, False, False
        self.requests = []  # (path, headers) of what came
        super().__init__(port)

    def handle(self, rq):
        self.requests.append((rq.path, {k.lower(): v for k, v in rq.headers.items()}))
        page = self.page() if callable(self.page) else self.page
        body = page if isinstance(page, bytes) else page.encode()
        if self.delay:
            time.sleep(self.delay)
        if self.gzip:
            body = gzip.compress(body)
        rq.send_response(self.status)
        if self.content_type is not None:
            rq.send_header("Content-Type", self.content_type)
        if self.gzip:
            rq.send_header("Content-Encoding", "gzip")
        rq.send_header("Content-Length", str(len(body)))
        rq.end_headers()
        rq.wfile.write(body[:len(body) // 2] if self.hang_up else body)
        if self.hang_up:
            rq.close_connection = True


class Webhooks(_Http):
    """Keeps every POST; `status` is what the sender gets for it. A page for which `holds` is true gets
    its answer only once `release` is called."""

    def __init__(self):
        self.status = 200
        self.holds = lambda page: False
        self._released = threading.Event()
        self.pages = []  # {"at", "path", "headers", "status", "json"}
        super().__init__()

    def handle(self, rq):
        body = rq.rfile.read(int(rq.headers.get("Content-Length", 0)))
        page = {"at": time.time(), "path": rq.path, "status": self.status, "json": json.loads(body),
                "headers": {k.lower(): v for k, v in rq.headers.items()}}
        status = page["status"]
        self.pages.append(page)
        if self.holds(page["json"]):
            self._released.wait()
        rq.send_response(status)
        rq.send_header("Content-Length", "0")
        rq.end_headers()

    def release(self):
        self.holds = lambda page: False
        self._released.set()

    def close(self):
        self.release()
        super().close()

    def of(self, alertname):
        """The pages of this alert's group."""
        return [p for p in list(self.pages) if p["json"]["groupLabels"].get("alertname") == alertname]

    def alerts(self, status, **labels):
        """The alerts in accepted pages with this status and these labels, in order of arrival."""
        return [a for p in list(self.pages) if p["status"] // 100 == 2 for a in p["json"]["alerts"]
                if a["status"] == status and labels.items() <= a["labels"].items()]
