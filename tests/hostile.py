"""Bad patterns, many at once, against a server that has work to do: `PATTERNS` is the table, `attack` runs it.

A pattern is a name and a function of (rng, world) that gives a request: (method, path, body, headers, how). `how`
says what becomes of the connection: READ takes the answer (up to READ_MAX, then it hangs up), LEAVE sends and goes,
HALF goes in the middle of the request, SLOWLY reads a few bytes a second and then goes."""
import http.client
import random
import socket
import threading
import time
import urllib.parse

import push

READ, LEAVE, HALF, SLOWLY = "read", "leave", "half", "slowly"
READ_MAX = 2 << 20
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ALL = '{__name__=~".+"}'
LABELS = "abcdefghij"
FINE = {200, 204, 400, 404, 405, 413, 414, 415, 422, 429, 431, 499, 503}
PATTERNS = {}


class World:
    """What there is to ask for: `wide`, 4,000 series of a few samples, and `long`, 300 series of an hour."""

    def __init__(self, end):
        self.end, self.start = end, end - 3600

    def batches(self):
        for first in range(0, 4000, 500):
            yield [({"__name__": "wide", "n": f"v{n}", "group": str(n % 50), **{c: f"{c}{n % 7}" for c in LABELS}},
                    [((self.end - 60 * k) * 1000, float(n * k)) for k in range(5, -1, -1)]) for n in range(first, first + 500)]
        for first in range(0, 300, 100):
            yield [({"__name__": "long_total", "n": f"v{n}", "group": str(n % 10)},
                    [((self.start + 15 * i) * 1000 + 7, float(i * (n + 1))) for i in range(240)]) for n in range(first, first + 100)]


def pattern(make):
    PATTERNS[make.__name__] = make
    return make


def post(path, how=READ, **params):
    return "POST", path, urllib.parse.urlencode(params, doseq=True).encode(), FORM, how


def instant(query, how=READ, **params):
    return post("/api/v1/query", how, query=query, **params)


def over(world, query, step=1, how=READ, **params):
    return post("/api/v1/query_range", how, query=query, start=world.start, end=world.end, step=step, **params)


# Everything, at every second.

@pattern
def all_series_each_second(rng, w):
    return over(w, ALL)


@pattern
def rate_of_all_each_second(rng, w):
    return over(w, f"rate({ALL}[1h])")


@pattern
def sum_of_all_by_everything(rng, w):
    return over(w, f"sum by ({', '.join(LABELS)}, n, __name__) ({ALL})")


@pattern
def quantiles_of_long_windows(rng, w):
    return over(w, f"quantile_over_time(0.{rng.randrange(10)}, long_total[1h])")


@pattern
def smoothing_of_long_windows(rng, w):
    return over(w, "double_exponential_smoothing(long_total[1h], 0.5, 0.5)")


@pattern
def prediction_from_long_windows(rng, w):
    return over(w, "predict_linear(long_total[1h], 86400)")


@pattern
def absolute_deviation(rng, w):
    return over(w, "mad_over_time(long_total[1h])")


@pattern
def every_value_counted(rng, w):
    return over(w, f'count_values("v", {ALL})', 5)


@pattern
def topk_of_all(rng, w):
    return over(w, f"topk(1000000, {ALL})", 2)


@pattern
def everything_sorted(rng, w):
    return instant(f"sort_desc({ALL} or {ALL} offset 1m)")


@pattern
def years_at_once(rng, w):
    return post("/api/v1/query_range", query=f"sum({ALL})", start=0, end=w.end, step=200000)


@pattern
def lookback_of_a_century(rng, w):
    return over(w, f"count({ALL})", 1, lookback_delta="100y")


@pattern
def raw_samples_of_all(rng, w):
    return instant(f"{ALL}[1d]")


# Joins.

@pattern
def cross_join(rng, w):
    return over(w, "wide * on () group_left wide", 10)


@pattern
def join_over_one_label(rng, w):
    return over(w, "wide * on (group) group_left () wide", 10)


@pattern
def join_that_adds_labels(rng, w):
    return over(w, "wide * on (n) group_left (a, b, c, d, e) wide", 2)


@pattern
def unions_without_end(rng, w):
    return over(w, " or ".join(["wide"] * 200), 30)


@pattern
def all_without_all(rng, w):
    return over(w, f"{ALL} unless on (nothing) {ALL} and {ALL}", 5)


@pattern
def info_of_all(rng, w):
    return over(w, f"info({ALL})", 10)


# Depth.

@pattern
def subquery_in_subquery(rng, w):
    return over(w, "max_over_time(sum_over_time(rate(long_total[5m])[1h:1s])[1h:1s])", 10)


@pattern
def five_subqueries_deep(rng, w):
    query = "long_total"
    for _ in range(5):
        query = f"avg_over_time(({query})[10m:1s])"
    return instant(query)


@pattern
def subquery_of_years(rng, w):
    return instant(f"sum_over_time(sum({ALL})[10y:1s])")


@pattern
def brackets_without_end(rng, w):
    return instant("(" * 10000 + "1" + ")" * 10000)


@pattern
def minuses_without_end(rng, w):
    return instant("-" * 65000 + "1")


@pattern
def sums_without_end(rng, w):
    return instant("sum(" * 10000 + "up")


@pattern
def terms_without_end(rng, w):
    return instant("up" + " + up" * 10000)


@pattern
def three_hundred_selectors(rng, w):
    return over(w, " + ".join(f"sum(long_total offset {i}s)" for i in range(300)), 10)


@pattern
def three_hundred_moments(rng, w):
    return over(w, " + ".join(f"sum(wide @ {w.end - i})" for i in range(300)), 10)


# Regular expressions and labels.

@pattern
def regex_of_ten_thousand(rng, w):
    return instant('count(wide{n=~"' + "|".join(f"v{i}" for i in range(10000)) + '"})')


@pattern
def regex_that_backtracks(rng, w):
    return instant('{n=~"(v*)*(0|1)*(.*)*x",__name__=~"(.*)*.*.*.*"}')


@pattern
def regex_that_explodes(rng, w):
    return instant('wide{n=~"((a{100}){100}){100}"}')


@pattern
def regex_without_case(rng, w):
    return over(w, '{n=~"(?i:.*V.*[0-9].*[0-9].*)",a!~"(?i).*A6.*"}', 10)


@pattern
def a_thousand_matchers(rng, w):
    return instant("wide{" + ",".join(f'n=~".*{i}.*"' for i in range(1000)) + "}")


@pattern
def huge_label_replace(rng, w):
    return over(w, f'label_replace({ALL}, "x", "{"$1" * 5000}", "n", "(.*)")', 30)


@pattern
def label_replace_that_doubles(rng, w):
    query = "wide"
    for _ in range(30):
        query = f'label_replace({query}, "x", "$1$1", "x", "(.*)")'
    return instant(f'label_replace({query}, "x", "$1", "n", "(.*)")')


@pattern
def label_join_of_thousands(rng, w):
    return over(w, 'label_join(wide, "x", "' + "-" * 1000 + '"' + ', "n"' * 3000 + ")", 30)


# Requests.

@pattern
def steps_too_many(rng, w):
    return over(w, "up", "0.001")


@pattern
def step_of_nothing(rng, w):
    return over(w, "up", rng.choice(("0", "-1", "1e-300", "NaN", "Inf", "1e300")))


@pattern
def times_out_of_range(rng, w):
    return post("/api/v1/query_range", query="up", start=rng.choice(("-1e18", "1e300", "NaN", "292277025-08-18T07:12:54Z")), end="9e18", step="1e15")


@pattern
def time_out_of_nothing(rng, w):
    return over(w, f"rate({ALL}[1h])", 1, timeout=rng.choice(("1ms", "1ns", "0s", "1000h")))


@pattern
def stray_bytes(rng, w):
    return instant(bytes(rng.randrange(256) for _ in range(2000)))


@pattern
def query_too_long(rng, w):
    return instant("a" * 200000)


@pattern
def series_of_all(rng, w):
    return post("/api/v1/series", **{"match[]": [ALL] * 200})


@pattern
def labels_of_all(rng, w):
    return post("/api/v1/labels", **{"match[]": ['{n=~".*1.*"}', '{n=~".*2.*"}'] * 100})


@pattern
def values_of_all(rng, w):
    query = urllib.parse.urlencode({"match[]": [f'{{n=~".*{i}.*"}}' for i in range(60)]}, doseq=True)
    return "GET", f"/api/v1/label/{rng.choice(('n', '__name__', 'U__2e_'))}/values?{query}", None, {}, READ


@pattern
def federate_all(rng, w):
    return "GET", "/federate?" + urllib.parse.urlencode({"match[]": [ALL] * 50}, doseq=True), None, {}, READ


@pattern
def exemplars_of_all(rng, w):
    return post("/api/v1/query_exemplars", query=" + ".join(["wide"] * 400), start=0, end=w.end)


@pattern
def format_of_much(rng, w):
    return post("/api/v1/format_query", query="(" * 400 + "up" + " + sum by (a) (up)" * 3000 + ")" * 400)


@pattern
def tree_of_much(rng, w):
    return post("/api/v1/parse_query", query=" or ".join(["up"] * 400))


@pattern
def head_too_large(rng, w):
    return "GET", "/api/v1/query?query=" + "a" * 100000, None, {}, READ


@pattern
def headers_without_end(rng, w):
    return "GET", "/api/v1/labels", None, {f"X-{i}": "y" * 100 for i in range(90)}, READ


@pattern
def push_of_garbage(rng, w):
    return "POST", "/api/v1/write", bytes(rng.randrange(256) for _ in range(5000)), push.HEADERS, READ


@pattern
def push_that_claims_gigabytes(rng, w):
    return "POST", "/api/v1/write", push.varint(0xFFFFFFF0) + b"\x00a", push.HEADERS, READ


@pattern
def cancel_of_others(rng, w):
    return "DELETE", f"/api/v1/status/active_queries/{rng.choice((rng.randrange(3000), '18446744073709551616', '-1', 'x'))}", None, {}, READ


# Clients.

@pattern
def client_that_leaves(rng, w):
    return over(w, f"rate({ALL}[30m])", 1, LEAVE)


@pattern
def client_that_leaves_a_join(rng, w):
    return over(w, "wide * on (n) group_left () wide", 1, LEAVE)


@pattern
def client_that_stops_halfway(rng, w):
    return over(w, "x" * 50000, 1, HALF)


@pattern
def client_that_reads_slowly(rng, w):
    return over(w, ALL, 1, SLOWLY)


@pattern
def client_that_reads_series_slowly(rng, w):
    return post("/api/v1/series", SLOWLY, **{"match[]": ALL})


class Attack:
    """So many clients, each of which sends one pattern after the other until the time is over."""

    def __init__(self, port, world, clients, seconds, seed):
        self.port, self.world, self.until = port, world, time.monotonic() + seconds
        self.answers = {}  # (pattern, status or what became of it): how often
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(random.Random(seed * 1000 + n), n), daemon=True) for n in range(clients)]
        for t in self.threads:
            t.start()

    def client(self, rng, n):
        names = list(PATTERNS)
        at = n * 7
        while time.monotonic() < self.until:
            name = names[at % len(names)]
            at += 1
            try:
                outcome = self.send(rng, *PATTERNS[name](rng, self.world))
            except (OSError, http.client.HTTPException) as e:
                outcome = type(e).__name__
            with self.lock:
                self.answers[name, outcome] = self.answers.get((name, outcome), 0) + 1

    def send(self, rng, method, path, body, headers, how):
        left = max(self.until - time.monotonic(), 0.1)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=left)
        try:
            connection.connect()
            if how == HALF:
                connection.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:len(body) // 2])
                time.sleep(rng.random() / 10)
                return how
            connection.request(method, path, body, headers)
            if how == LEAVE:
                time.sleep(rng.random() / 2)
                return how
            if how == SLOWLY:
                connection.sock.settimeout(left)
                for _ in range(20):
                    if time.monotonic() > self.until or not connection.sock.recv(64):
                        break
                    time.sleep(0.1)
                return how
            answer = connection.getresponse()
            first = answer.read(4096)
            while answer.read(65536) and answer.length != 0 and time.monotonic() < self.until:
                if answer.fp is None or (rng.random() < 65536 / READ_MAX):
                    break
            return answer.status if answer.status in FINE else f"{answer.status}: {first[:300]!r}"
        except socket.timeout:
            return "the end"  # Of the attack: it would have been answered.
        finally:
            connection.close()

    def join(self, patience):
        for t in self.threads:
            t.join(patience)
            assert not t.is_alive(), "a client never came back"

    def total(self):
        return sum(self.answers.values())

    def table(self):
        """{pattern: {outcome: count}}"""
        out = {}
        for (name, outcome), n in sorted(self.answers.items(), key=str):
            out.setdefault(name, {})[outcome] = n
        return out
