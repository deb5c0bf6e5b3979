"""The kill loop: a server is killed at random moments while it is scraped into and pushed to; after
each restart everything it acknowledged must be there, and nothing may be there that was never sent.

A value is a hash of its series and its time, so that a wrong one shows without a list of what was
sent. What a push had acknowledged is kept in a journal; scraped samples seen by a query before the
kill are held to the same promise (kill -9 loses nothing that was written)."""
import bisect
import http.client
import random
import struct
import threading
import time
import zlib

import push
from doubles import Exporter
from server import Server, free_port, key, wait_for

SERIES = 40
NEAR_S = 2  # A check after a kill looks so far behind the last one; every FULL_EVERY kills it looks at everything.
FULL_EVERY = 25
EPOCH = 50  # After so many kills other series are sent; of the old ones a part is remembered to the end.
KEPT = 2000


def expected(name, n, ms):
    """The value of series n at a time; any 32-bit pattern, so neighbours have nothing in common."""
    return float(zlib.crc32(struct.pack("<IQ", n, ms), zlib.crc32(name.encode())))


class Sender(threading.Thread):
    """Pushes without end, and remembers what was acknowledged: {(series, ms)}."""

    def __init__(self, server, name, seed, pause_s=0.03, may_be_late=False, asleep_s=0):
        super().__init__(daemon=True)
        self.server, self.name, self.rng = server, name, random.Random(seed)
        self.pause_s, self.may_be_late, self.count = pause_s, may_be_late, 0
        self.asleep_s = asleep_s  # So long a fourth of the series is silent, then the next one; 0: none is.
        self.acknowledged, self.sent, self.refused = set(), set(), []
        self.last = [0] * SERIES
        self.told = [0] * SERIES  # Of each the last time that was acknowledged.
        self.doubtful, self.gone = [], []  # (series, from, to): somebody asked for its deletion; it was answered.
        self.lock, self.ending = threading.Lock(), threading.Event()

    def labels(self, n):
        return {"__name__": self.name, "job": f"job{n % 5}", "instance": f"host{n % 11}", "n": str(n)}

    def batch(self):
        now = int(time.time() * 1000)
        batch = []
        for n in self.rng.sample(range(SERIES), self.rng.randint(1, SERIES)):
            if self.asleep_s and now // (1000 * self.asleep_s) % 4 == n % 4:
                continue
            # A few samples each, between the last one and now: order is not what is tried here.
            room = range(max(self.last[n] + 1, now - 40), now + 1)
            if room:
                times = sorted(self.rng.sample(room, min(len(room), self.rng.randint(1, 4))))
                self.last[n] = times[-1]
                batch.append((n, times))
        return batch

    def run(self):
        try:
            self.send_all()
        except Exception as e:  # Told by the main thread.
            with self.lock:
                self.refused.append(e)

    def send_all(self):
        while not self.ending.is_set():
            batch = self.batch()
            if not batch:
                time.sleep(0.001)
                continue
            pairs = {(n, t) for n, times in batch for t in times}
            with self.lock:
                self.sent |= pairs
            body = [(self.labels(n), [(t, expected(self.name, n, t)) for t in times]) for n, times in batch]
            time.sleep(self.rng.uniform(0, self.pause_s))
            try:
                answer = self.server.push(body, timeout=10)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)  # Killed meanwhile: nothing was promised.
                continue
            with self.lock:
                if answer.status == 204 and int(answer.headers["x-prometheus-remote-write-samples-written"]) == len(pairs):
                    self.acknowledged |= pairs
                    self.count += len(pairs)
                    for n, times in batch:
                        self.told[n] = times[-1]
                elif answer.status != 503 and not (answer.status == 204 and self.may_be_late):
                    self.refused.append(answer)

    def forget(self, before):
        """What nobody will look for any more."""
        with self.lock:
            self.sent = {(n, ms) for n, ms in self.sent if ms >= before}
            self.acknowledged = {(n, ms) for n, ms in self.acknowledged if ms >= before}
            self.doubtful = [d for d in self.doubtful if d[2] >= before]
            self.gone = [d for d in self.gone if d[2] >= before]

    def close(self):
        self.ending.set()
        self.join()


class Loop:
    """One server, two senders, one exporter; cycle() kills, starts and checks."""

    def __init__(self, seed, keep_s=None, sender=None, **server):
        self.keep_s = keep_s  # What is older may be gone; None: nothing may.
        self.sender = sender or {}
        self.rng = random.Random(seed)
        self.exporter = Exporter(self.page)
        self.pages = set()  # The times that pages were stamped with.
        config = (f"scrape_configs:\n  - job_name: scraped\n    scrape_interval: 100ms\n    scrape_timeout: 100ms\n"
                  f"    static_configs: [{{targets: ['{self.exporter.address}']}}]\n")
        self.server = Server(config=config, flags=["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--log.level=warn",
                                                   "--storage.tsdb.unclean-starts=0", f"--storage.tsdb.retention.time={keep_s or 86400}s"], **server)
        self.seed, self.epoch, self.total, self.old = seed, 0, 0, []
        self.senders = []
        self.seen = {}  # Scraped samples that a query showed: {labels: {ms: value}}
        self.began = self.checked = time.time()

    def page(self):
        ms = int(time.time() * 1000)
        self.pages.add(ms)
        return "".join(f'scraped{{n="{n}"}} {expected("scraped", n, ms):.0f} {ms}\n' for n in range(SERIES))

    def __enter__(self):
        try:
            self.server.start()
            self.send_anew()
        except BaseException:
            self.server.close()
            self.exporter.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        for s in self.senders:
            s.close()
        self.exporter.close()
        if kind and self.server.process:
            print(self.server.log()[-6000:])
        self.server.close()

    def send_anew(self):
        """Ends the senders after a look at all they sent, and starts others with series of their own."""
        self.end_senders()
        self.epoch += 1
        self.senders = [Sender(self.server, f"pushed_{self.epoch}_{i}", self.seed * 1000 + self.epoch * 10 + i, **self.sender) for i in range(2)]
        for s in self.senders:
            s.start()

    def end_senders(self):
        for s in self.senders:
            s.close()
        for s in self.senders:
            assert not s.refused, s.refused[:3]
            self.check_pushed(s, s.acknowledged, self.horizon(self.began - 60))
            self.total += s.count
            kept = set(self.rng.sample(sorted(s.acknowledged), min(KEPT, len(s.acknowledged))))
            s.acknowledged = kept
            self.old.append((s, kept))
        self.senders = []

    def stored(self, selector, since):
        """{labels: [(ms, value)]} of everything after the time."""
        at = time.time() + 1
        return self.server.samples(selector, f"{max(1, round((at - since) * 1000))}ms", at)

    def see_scraped(self):
        for labels, samples in self.stored("scraped", time.time() - NEAR_S).items():
            self.seen.setdefault(labels, {}).update(dict(samples))

    def cycle(self, whole):
        time.sleep(self.rng.uniform(0.01, 0.4))
        if self.rng.random() < 0.5:
            self.see_scraped()
        self.server.kill()
        for s in self.senders:
            with s.lock:
                assert not s.refused, s.refused[:3]
        # What is promised is what was acknowledged before the kill; what comes later is not checked yet.
        promised = [(s, self.copy_of(s)) for s in self.senders]
        self.server.port = self.server.port if self.rng.random() < 0.5 else free_port()
        self.server.start()
        since = self.began - 60 if whole else self.checked - NEAR_S
        self.checked = time.time()
        for sender, acknowledged in promised:
            self.check_pushed(sender, acknowledged, since)
        self.check_scraped(since)

    @staticmethod
    def copy_of(sender):
        with sender.lock:
            return set(sender.acknowledged)

    def horizon(self, since):
        """Asked for after a query: what retention may have taken by then is not looked for."""
        return max(since, time.time() - self.keep_s) if self.keep_s else since

    def check_pushed(self, sender, acknowledged, since):
        with sender.lock:
            gone = list(sender.gone)
        found = self.stored(sender.name, since)
        since = self.horizon(since)
        with sender.lock:
            sent, doubtful = set(sender.sent), list(sender.doubtful)
        there = {}
        for labels, samples in found.items():
            n = int(dict(labels)["n"])
            assert labels == key(sender.labels(n)), f"a series nobody sent: {labels}"
            there[n] = times = [t for t, _ in samples]
            assert times == sorted(set(times)), f"series {n}: times not rising: {times}"
            for ms, value in samples:
                assert (n, ms) in sent, f"series {n} at {ms}: nobody sent that"
                assert float(value) == expected(sender.name, n, ms), f"series {n} at {ms}: wrong value {value}"
        for n, a, b in gone:
            times = there.get(n, [])
            back = times[bisect.bisect_left(times, a):bisect.bisect_right(times, b)]
            assert not back, f"series {n}: {len(back)} deleted samples are back: {back[:5]}"
        lost = {(n, ms) for n, ms in acknowledged if ms > since * 1000 + 1000} - {(n, ms) for n, times in there.items() for ms in times}
        lost = {(n, ms) for n, ms in lost if not any(series == n and a <= ms <= b for series, a, b in doubtful)}
        assert not lost, f"{len(lost)} acknowledged samples of {sender.name} are lost: {sorted(lost)[:5]}"

    def check_scraped(self, since):
        found = self.stored("scraped", since)
        since = self.horizon(since)
        for labels, samples in found.items():
            n = int(dict(labels)["n"])
            for ms, value in samples:
                assert ms in self.pages and float(value) == expected("scraped", n, ms), f"series {n} at {ms}: wrong {value}"
        for labels, samples in self.seen.items():
            lost = {ms for ms in samples if ms > since * 1000 + 1000} - dict(found.get(labels, [])).keys()
            assert not lost, f"{len(lost)} scraped samples that a query had shown are lost: {labels} {sorted(lost)[:5]}"

    def acknowledged(self):
        return sum(len(s.acknowledged) for s in self.senders)


def kill_loop(kills, seed):
    """kill -9 so often; raises at the first sample that is lost or wrong. Returns what was done."""
    with Loop(seed) as loop:
        wait_for("the first acknowledged sample", loop.acknowledged)
        wait_for("the first scrape", lambda: loop.server.instant("scraped"))
        for i in range(1, kills + 1):
            try:
                loop.cycle(i % FULL_EVERY == 0)
                if i % EPOCH == 0:
                    loop.send_anew()
            except AssertionError as e:
                raise AssertionError(f"seed {seed}, kill {i}: {e}") from None
        loop.end_senders()
        assert loop.total > kills and loop.seen, loop.total
        loop.server.stop()  # The last word, after an orderly stop.
        loop.server.start()
        for sender, kept in loop.old:
            loop.check_pushed(sender, kept, loop.began - 60)
        loop.check_scraped(loop.began - 60)
        loop.server.stop()
        print(f"seed {seed}: {kills} kills: {loop.total} acknowledged samples, none lost, none wrong")
        return {"kills": kills, "acknowledged samples": loop.total}
