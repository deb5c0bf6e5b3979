"""kill -9 at named points: the server is `killable` (kill_points.c), which dies at the n-th call of a kind.

Beside the senders somebody deletes samples all the time, and a fourth of the series is silent in turn, so
that they leave memory and come back. A point is tried in turn with each of its
phases, between kills at random moments; one that is never reached is a failure, and so is a call of
the storage that stands in no row here."""
import collections
import http.client
import os
import random
import threading
import time

from killing import SERIES, Loop
from peers import BUILD
from server import PATIENCE_S, free_port, wait_for

KEEP_S = 16
CHECK_EVERY = 3
WHOLE_EVERY = 12
EPOCH = 100
CALL = ("before", "after")
WRITE = ("before", "half", "after")
# work → call → in which phases of it.
FILE = {"create": CALL, "write": WRITE, "sync": CALL, "rename": CALL, "sync_dir": CALL}
POINTS = {
    "ingest": {"write": WRITE, "sync": CALL, "truncate": CALL},
    "rotation": {"create": CALL, "reserve": CALL, "begin": WRITE, "sync_dir": CALL},
    "image": FILE,
    "cut": {**FILE, "make_dir": CALL},
    "cold": {**FILE, "make_dir": CALL},
    "checkpoint": {**FILE, "unlink": CALL},
    "compaction": {**FILE, "make_dir": CALL, "unlink": CALL},
    "retention": {**FILE, "unlink": CALL},
    "delete": FILE,
    "recovery": {"make_dir": CALL, "truncate": CALL, "unlink": CALL, "sync_dir": CALL},
    "ballast": {"create": CALL, "reserve": CALL},
}
SELDOM = {("image", "unlink"), ("cut", "unlink"), ("cold", "unlink"), ("delete", "unlink"), ("recovery", "create"), ("recovery", "write"),
          ("recovery", "sync"), ("recovery", "rename")}  # Not to be waited for: what is given up, or found damaged.
ONCE = ("recovery", "ballast")  # Work of a start.
LEFTOVER = ("cut", "write", "after")


class Deleter(threading.Thread):
    """Deletes some of the youngest samples of a series, again and again."""

    def __init__(self, loop, seed):
        super().__init__(daemon=True)
        self.loop, self.rng, self.ending, self.answered, self.wrong = loop, random.Random(seed), threading.Event(), 0, []

    def run(self):
        while not self.ending.wait(self.rng.uniform(0.02, 0.1)):
            senders, n = self.loop.senders, self.rng.randrange(SERIES)
            if not senders:
                continue
            sender = self.rng.choice(senders)
            with sender.lock:  # What is on its way is younger than the last that was acknowledged.
                to = sender.told[n]
                what = (n, to - self.rng.randint(0, 100), to)
                sender.doubtful.append(what)
            try:
                answer = self.loop.server.post("/api/v1/admin/tsdb/delete_series", {
                    "match[]": f'{{__name__="{sender.name}",n="{n}"}}', "start": what[1] / 1000, "end": what[2] / 1000}, timeout=10)
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 204:
                with sender.lock:
                    sender.gone.append(what)
                self.answered += 1
            elif answer.status != 503:
                self.wrong.append(answer)

    def close(self):
        self.ending.set()
        self.join()


class PointLoop(Loop):
    def __init__(self, seed):
        super().__init__(seed, keep_s=KEEP_S, sender={"pause_s": 0.1, "may_be_late": True, "asleep_s": 2}, binary=os.path.join(BUILD, "killable"))
        self.file, self.seen_file = (os.path.join(self.server.folder, name) for name in ("kill", "seen"))
        self.server.env = {"KILL_FILE": self.file, "KILL_SEEN": self.seen_file}
        self.hits, self.misses = collections.Counter(), collections.Counter()
        self.deleter = Deleter(self, seed)

    def __enter__(self):
        super().__enter__()
        self.deleter.start()
        return self

    def __exit__(self, *how):
        self.deleter.close()
        super().__exit__(*how)

    def died(self):
        code = self.server.process.poll()
        assert code in (None, -9), f"it left with {code}:\n{self.server.log()[-6000:]}"
        return code is not None

    def arm(self, point):
        work, call, phase = point
        nth = 1 if point == LEFTOVER else self.rng.choice((1, 1, 2, 5)) if work in ("ingest", "cut") else 1
        self.server.write("kill", f"{work} {call} {phase} {nth}\n")

    def disarm(self):
        if os.path.exists(self.file):
            os.unlink(self.file)

    def ready(self):
        try:
            return self.server.get("/-/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_dead(self, point):
        """Whether it dies where it was told to."""
        self.arm(point)
        deadline = time.monotonic() + PATIENCE_S
        while not self.died() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.disarm()
        return self.died()

    def wait_dead_again(self, point):
        """Whether it does so in the start behind a death that left half a block, or right after it."""
        if not self.wait_dead(LEFTOVER):
            return False
        self.server.put_down()
        self.arm(point)
        self.server.start(wait=False)
        wait_for("a death at the start, or its end", lambda: self.died() or (point[0] == "recovery" and self.ready()), every=0.005)
        self.disarm()
        return self.died()

    def kill_at(self, point):
        if point is None:
            time.sleep(self.rng.uniform(0.01, 0.3))
            self.server.kill()
            self.hits["random"] += 1
            return
        hit = (self.wait_dead_again if point[0] in ONCE else self.wait_dead)(point)
        self.server.put_down()
        self.server.check_log()
        (self.hits if hit else self.misses)[point] += 1

    def cycle(self, point, number):
        if self.rng.random() < 0.3:
            self.see_scraped()
        self.kill_at(point)
        for s in self.senders:
            with s.lock:
                assert not s.refused, s.refused[:3]
        assert not self.deleter.wrong, self.deleter.wrong[:3]
        promised = [(s, self.copy_of(s)) for s in self.senders]
        self.server.port = self.server.port if self.rng.random() < 0.5 else free_port()
        self.server.start()
        if number % CHECK_EVERY == 0:
            self.check(promised, number % WHOLE_EVERY == 0)

    def check(self, promised, whole):
        """Everything since the last look, or all that retention has left."""
        since = time.time() - KEEP_S - 1 if whole else self.checked - 1.5
        self.checked = time.time()
        for sender, acknowledged in promised:
            self.check_pushed(sender, acknowledged, since)
        self.check_scraped(since)
        if whole:
            self.forget()

    def forget(self):
        """What retention may have taken."""
        old = (time.time() - KEEP_S) * 1000
        for s in self.senders:
            s.forget(old - 5000)
        self.seen = {labels: {ms: v for ms, v in samples.items() if ms > old} for labels, samples in self.seen.items()}
        self.pages -= {ms for ms in list(self.pages) if ms <= old - 60000}  # In place: the exporter adds meanwhile.

    def unlisted(self):
        with open(self.seen_file, encoding="utf-8") as f:
            passed = {tuple(line.split()) for line in f}
        return sorted(passed - SELDOM - {(work, call) for work, calls in POINTS.items() for call in calls})


def deck(rng, is_first):
    """Every point with each of its phases in any order (the first time: with one of them), and a kill at a
    random moment after every third."""
    points = [(work, call, phase) for work, calls in POINTS.items() for call, phases in calls.items()
              for phase in ([rng.choice(phases)] if is_first else phases)]
    rng.shuffle(points)
    return [p for i, point in enumerate(points) for p in ([point, None] if i % 3 == 2 else [point])]


def told(hits, done, loop, seed, seconds):
    for work in [*POINTS, "random"]:
        of = {p: n for p, n in hits.items() if p == work or p[0] == work}
        print(f"{work}: {sum(of.values())} kills" + "".join(f", {' '.join(p[1:])} {n}" for p, n in sorted(of.items()) if p != work))
    print(f"seed {seed}: {done} kills in {seconds:.0f} s, {sum(loop.misses.values())} points missed: {loop.total} acknowledged samples and "
          f"{loop.deleter.answered} deletions: none lost, none wrong, none back", flush=True)


def kill_at_points(kills, seed):
    """So many kills, or each point once if that is more; raises at the first sample that is lost or wrong.
    Returns what was done."""
    rng, began = random.Random(seed), time.monotonic()
    with PointLoop(seed) as loop:
        wait_for("the first acknowledged sample", loop.acknowledged)
        wait_for("the first scrape", lambda: loop.server.instant("scraped"))
        left, done = deck(rng, True), 0
        while done < kills or left:
            left = left or deck(rng, False)[:kills - done]
            point = left.pop()
            done += 1
            print(f"kill {done}: {' '.join(point or ('random',))}", flush=True)
            try:
                loop.cycle(point, done)
                if done % EPOCH == 0:
                    loop.send_anew()
            except AssertionError as e:
                raise AssertionError(f"seed {seed}, kill {done} ({point}): {e}") from None
        loop.end_senders()
        loop.server.stop()
        loop.server.start()
        loop.check_scraped(time.time() - KEEP_S)
        loop.server.stop()
        told(loop.hits, done, loop, seed, time.monotonic() - began)
        never = {(work, call) for work, calls in POINTS.items() for call in calls} - {p[:2] for p in loop.hits}
        assert not never, f"points that were never reached: {sorted(never)}"
        assert not loop.unlisted(), f"calls that no row of POINTS names: {loop.unlisted()}"
        return {"kills": done, "acknowledged samples": loop.total, "deletions": loop.deleter.answered}
