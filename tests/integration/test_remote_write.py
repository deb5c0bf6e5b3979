"""Remote write 1.0: what is acknowledged is there, before and after a restart; every other outcome
is answered and counted as decided."""
import math
import random
import struct
import time

import push
from server import SHORT, Server, key

FLAG = ["--web.enable-remote-write-receiver"]
WRITTEN = "x-prometheus-remote-write-samples-written"


def now_ms():
    return int(time.time() * 1000)


def outcomes(server):
    names = ("stored", "stored_ooo", "duplicate", "conflict", "out_of_order", "too_old", "too_new", "series_limit", "starts_limit", "invalid")
    return {n: int(v) for n in names if (v := server.metric("tidemark_remote_write_samples_total", outcome=n))}


def accepted(answer, written):
    assert answer.status == 204 and answer.body == b"", answer
    assert answer.headers[WRITTEN] == str(written), answer


def numbers(samples):
    return [(t, float(v)) for t, v in samples]


def test_every_acknowledged_sample_is_there():
    """Many series, values of every kind, several pushes; bit by bit, before and after a restart."""
    rng = random.Random(7)
    start = now_ms() - 600000
    count = 50 if SHORT else 300
    kinds = [lambda i: float(i), lambda i: i * 0.1, lambda i: rng.uniform(-1e6, 1e6), lambda i: 5.0,
             lambda i: struct.unpack("<d", struct.pack("<Q", rng.getrandbits(62)))[0],
             lambda i: (math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308)[i % 5]]
    series = [({"__name__": "pushed", "job": f"job{n % 7}", "instance": f"host{n % 31}", "n": str(n),
                "text": "ü\"\\\n €"}, [(start + i * 5000 + n, kinds[n % len(kinds)](i)) for i in range(60)])
              for n in range(count)]
    with Server(flags=FLAG) as server:
        for i in range(0, 60, 12):
            accepted(server.push([(labels, samples[i:i + 12]) for labels, samples in series]), 12 * count)
        for again in range(2):
            found = server.samples("pushed", "1h", now_ms() / 1000)
            assert len(found) == count
            for labels, samples in series:
                got = numbers(found[key(labels)])
                assert got == samples, (again, labels, [p for p in zip(got, samples) if p[0] != p[1]][:3])
                assert [struct.pack("<d", v) for _, v in got] == [struct.pack("<d", v) for _, v in samples]
            assert {key(s) for s in server.series("pushed")} == {key(labels) for labels, _ in series}
            if not again:
                assert outcomes(server) == {"stored": 60 * count}
                server.stop()
                server.start()


def test_stale_marker_ends_a_series():
    t = now_ms()
    labels = {"__name__": "a", "job": "j"}
    stale = struct.pack("<Q", 0x7FF0000000000002)
    with Server(flags=FLAG) as server:
        accepted(server.push([(labels, [(t - 3000, 1.0), (t - 2000, stale)])]), 2)
        assert server.instant("a", time=(t - 2500) / 1000) and not server.instant("a", time=(t - 1000) / 1000)
        assert server.samples("a", "1m", t / 1000) == {key(labels): [(t - 3000, "1")]}
        accepted(server.push([(labels, [(t - 500, float("nan"))])]), 1)  # An ordinary NaN is a value.
        assert server.samples("a", "1m", t / 1000) == {key(labels): [(t - 3000, "1"), (t - 500, "NaN")]}


def test_old_news_is_answered_204_and_counted():
    t = now_ms()
    labels = {"__name__": "a", "job": "j"}
    with Server(flags=FLAG) as server:
        accepted(server.push([(labels, [(t - 1000, 1.0), (t, 2.0)])]), 2)
        accepted(server.push([(labels, [(t, 2.0)])]), 0)         # The same again: no news.
        accepted(server.push([(labels, [(t, 3.0)])]), 0)         # First write wins.
        accepted(server.push([(labels, [(t - 500, 1.5)])]), 0)   # Behind the newest.
        accepted(server.push([(labels, [(t - 40 * 86400000, 9.0)]), ({**labels, "x": "y"}, [(t, 4.0)])]), 1)
        seen = outcomes(server)
        assert seen.pop("stored") == 3 and seen.pop("duplicate") == 1 and seen.pop("conflict") == 1, seen
        assert seen.pop("out_of_order", 0) + seen.pop("too_old", 0) == 2 and not seen, seen
        assert server.samples("a", "1m", t / 1000 + 1) == {
            key(labels): [(t - 1000, "1"), (t, "2")], key({**labels, "x": "y"}): [(t, "4")]}


def test_out_of_order_window():
    t = now_ms()
    labels = {"__name__": "a", "job": "j"}
    config = "storage: {tsdb: {out_of_order_time_window: 10m}}\n"
    with Server(flags=FLAG, config=config) as server:
        times = [t - i * 1000 for i in range(20)]
        random.Random(3).shuffle(times)
        for at in times:
            accepted(server.push([(labels, [(at, float(at % 100000))])]), 1)
        accepted(server.push([(labels, [(t - 3600000, 1.0)])]), 0)
        want = [(at, float(at % 100000)) for at in sorted(times)]
        for again in range(2):
            assert numbers(server.samples("a", "10m", t / 1000)[key(labels)]) == want, again
            if not again:
                assert outcomes(server).get("stored_ooo", 0) >= 1 and outcomes(server)["too_old"] == 1
                server.stop()
                server.start()


def test_far_future_is_refused():
    t = now_ms()
    with Server(flags=FLAG) as server:
        answer = server.push([({"__name__": "a"}, [(t + 3600000, 1.0)])])
        assert answer.status == 400 and answer.headers.get(WRITTEN) == "0", answer
        assert "1 samples were refused, 0 were stored: they are more than 5 minutes ahead" in answer.text, answer
        assert outcomes(server) == {"too_new": 1} and not server.series("a")


def test_malformed_pushes_are_400():
    t = now_ms()
    good = push.body([({"__name__": "a"}, [(t, 1.0)])])
    with Server(flags=FLAG) as server:
        bad = {"no snappy": b"hello", "cut snappy": good[:-3], "no protobuf": push.snappy(b"\xff\xff\xff\xff"),
               "cut protobuf": push.snappy(push.message([({"__name__": "a"}, [(t, 1.0)])])[:-2]),
               "lying length": push.varint(1 << 20) + good[1:], "group wire type": push.snappy(b"\x0b\x0c")}
        for what, body in bad.items():
            answer = server.write_body(body)
            assert answer.status == 400 and answer.text.strip(), (what, answer)
        assert server.metric("tidemark_remote_write_requests_failed_total") == len(bad)
        assert server.write_body(good, {"Content-Encoding": "zstd"}).status == 415
        assert server.write_body(good, {"Content-Type": "application/json"}).status == 415
        v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        assert server.write_body(good, {"Content-Type": v2}).status == 415
        assert server.get("/api/v1/write").status == 405
        assert not server.series("a") and server.write_body(good).status == 204
        assert server.write_body(push.body([])).status == 204  # Nothing to do is well done.


def test_bad_series_do_not_hold_up_good_ones():
    t = now_ms()
    good = ({"__name__": "good", "job": "j"}, [(t, 1.0)])
    bad = [{"job": "nameless"}, {"__name__": "a", "": "x"}, {"__name__": "b", "x": "v" * 5000},
           {"__name__": "c", **{f"l{i}": "v" for i in range(60)}}, {"__name__": "d", "n" * 300: "v"}]
    with Server(flags=FLAG) as server:
        for i, labels in enumerate(bad):
            answer = server.push([(labels, [(t, 1.0)]), ({**good[0], "n": str(i)}, good[1])])
            assert answer.status == 400 and "1 samples were refused, 1 were stored" in answer.text, (labels, answer)
            assert answer.headers[WRITTEN] == "1", answer
        assert {k: v for k, v in outcomes(server).items() if k != "stored"}.keys() <= {"invalid"}
        assert server.value("count(good)") == len(bad)
        assert server.api("label/__name__/values") == ["good"]
        # Labels out of order, and twice the same name, are the sender's mistakes too.
        pairs = [("job", "j"), ("__name__", "late")]
        message = push.bytes_field(1, b"".join(push.bytes_field(1, push.bytes_field(1, k.encode()) + push.bytes_field(2, v.encode()))
                                               for k, v in pairs) + push.sample(t, 1.0))
        assert server.write_body(push.snappy(message)).status in (204, 400)
        twice = push.bytes_field(1, b"".join(push.bytes_field(1, push.bytes_field(1, k.encode()) + push.bytes_field(2, v.encode()))
                                             for k, v in [("__name__", "twice"), ("x", "1"), ("x", "2")]) + push.sample(t, 1.0))
        assert server.write_body(push.snappy(twice)).status == 400
        assert server.instant("twice") == {}


def test_too_large_is_413():
    with Server(flags=FLAG) as server:
        bomb = push.varint(64 << 20) + b"\xfe\x01\x00" * 1000  # Says that it becomes 64 MiB.
        assert server.write_body(bomb).status in (400, 413)
        answer = server.write_body(b"\0" * (33 << 20))
        assert answer.status == 413, answer
        assert server.value("vector(1)") == 1


def test_without_its_flag_there_is_no_receiver():
    with Server() as server:
        answer = server.push([({"__name__": "a"}, [(now_ms(), 1.0)])])
        assert answer.status == 404 and "--web.enable-remote-write-receiver" in answer.text, answer
        assert not server.series("a")


def test_series_limit_is_told_and_counted():
    t = now_ms()
    with Server(flags=FLAG + ["--storage.tsdb.series-limit=100"]) as server:
        answer = server.push([({"__name__": "a", "n": str(n)}, [(t, 1.0)]) for n in range(500)])
        assert answer.status == 400 and "--storage.tsdb.series-limit" in answer.text, answer
        stored = int(answer.headers[WRITTEN])
        assert 0 < stored <= 100 and server.value("count(a)") == stored, answer
        assert outcomes(server)["series_limit"] == 500 - stored
        # What is known goes on.
        accepted(server.push([({"__name__": "a", "n": "0"}, [(t + 1000, 2.0)])]), 1)


def test_third_start_after_two_kills_takes_no_new_series():
    t = now_ms()
    with Server(flags=FLAG) as server:
        for n in range(2):
            accepted(server.push([({"__name__": "a", "n": str(n)}, [(t, 1.0)])]), 1)
            server.kill()
            server.start()
        assert "New series are refused" in server.get("/-/ready").text and "without a clean stop" in server.log()
        assert server.metric("tidemark_tsdb_new_series_restrained") == 1
        answer = server.push([({"__name__": "a", "n": "2"}, [(t, 1.0)])])
        assert answer.status == 400 and "--storage.tsdb.unclean-starts" in answer.text, answer
        assert outcomes(server)["starts_limit"] == 1
        accepted(server.push([({"__name__": "a", "n": "0"}, [(t + 1000, 2.0)])]), 1)  # What is known goes on.
        assert server.value("count(a)") == 2
        server.stop()
        server.start()
        assert server.get("/-/ready").text.strip() == "Tidemark Server is Ready."
        accepted(server.push([({"__name__": "a", "n": "2"}, [(t, 1.0)])]), 1)


def test_memory_limit_is_shared_out_in_pools():
    pools = ("head", "histograms", "queries", "rules", "push_cache", "exemplars", "log", "rest")
    with Server(flags=FLAG + ["--memory.limit=256MB", "--query.max-concurrency=64"]) as server:
        accepted(server.push([({"__name__": "a", "n": str(n)}, [(now_ms(), 1.0)]) for n in range(500)]), 500)
        limits = {p: server.metric("tidemark_memory_pool_limit_bytes", pool=p) for p in pools}
        assert sum(limits.values()) == 256 << 20, limits
        held = {p: server.metric("tidemark_memory_pool_bytes", pool=p) for p in pools}
        assert all(v is not None for v in held.values()) and held["head"] > 500 * 64 and held["rest"] > 0, held
        assert held["push_cache"] > 0 and all(held[p] <= limits[p] for p in pools if p != "rest"), (held, limits)
