"""Random data and random queries for two servers at once: Debian's Prometheus 2.42 and ours.

`Data` makes series as they come: counters that reset, gauges, values that are NaN, infinite or -0, gaps,
staleness markers, series that come and go, classic histograms. `Queries` makes texts that both understand,
some wrong on purpose, and says of each how nearly the answers have to agree. `compare` says how two answers
differ, or None.

What Prometheus has changed since 2.42, and how each change is kept out of the answers:

 1. Ranges and lookback are open to the left since 3.0: no sample lies on an edge. Samples have 1 to 98 ms past
    a tenth of a second, times of queries half a second, ranges, offsets and steps are whole seconds; a subquery
    in a subquery is moved by half a second.
 2. Extrapolation knows since 2.53 that a hole at the begin of a range is wider than a counter could have
    counted up from zero: counters stay so large that nobody asks (`counter`).
 3. sum and avg carry a compensation since 2.53, avg divides once; -0 sums up to 0: 1e-12 relative, and of the
    largest value in the answer where terms cancel; 0 is -0.
 4. stddev and stdvar of an infinite value are NaN since 2.53, not 0: they see finite series only.
 5. Quantiles of buckets ignore differences of 1e-12 since 2.47: buckets are whole numbers, summed exactly.
 6. holt_winters is double_exponential_smoothing since 3.0: each gets its own word.
 7. `.` matches a line's end since 3.0: no label has one. Label names of any UTF-8 are right: wrong ones are left out.
 8. Which of equal values topk, bottomk and sort take first was never promised: they see no ties.
 9. exp, ln, ^ and the angles come from another library: 1e-12.
10. Functions and syntax that came later (features.md of the language): asked of neither. They have the recorded
    answers of a newer server (`conformance/`).
11. Warnings and infos came with 2.48: not compared.
12. `x atan2 2` lost the metric's name with 2.5x: x has none here.
13. In a range query 2.42 reads a window that stands still (`@`) of predict_linear wrong from its second step on; its
    own instant queries say otherwise. predict_linear has no `@`.
14. Two series for one partner are an error since 3.x even where a comparison drops one of them: comparisons that
    choose stand between single metrics, or with a group modifier.
15. Beside `@`, timestamp knows no offset since 3.x: it has one of the two.
16. A sum of squares that overflows is infinite since 2.5x, not NaN: no value is so large. Its library's logarithms of
    numbers below 1e-307 are wrong: no value is so small.
17. `x @ start()[5m]` is refused since 3.x: nothing is put behind an `@`.
"""
import json
import math
import random
import struct

T0 = 1_700_000_000
STEP_S = 15
STEPS = 360  # An hour and a half: what a head takes without cutting a block.
BATCH = 40   # Steps in one push: the older of two must not be an hour behind.
NEGATIVE_ZERO = struct.pack("<d", -0.0)
STALE = struct.pack("<Q", 0x7FF0000000000002)
NAN = struct.pack("<Q", 0x7FF8000000000001)
INSTANCES = ("a:1", "b:1", "c:2")
JOBS = ("api", "db")
LE = ("0.1", "0.5", "1", "5", "+Inf")


class Data:
    """series: [(labels, [(ms, value), …])], of one random seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.series = []
        for job in JOBS:
            for instance in INSTANCES:
                self.target({"job": job, "instance": instance})
        self.add({"__name__": "once", "job": "api"}, [(self.rng.randrange(STEPS), 42.0)], 7)
        self.add({"__name__": "rare", "job": "db"}, [(i, float(i)) for i in range(5, STEPS, 37)], 11)

    def add(self, labels, points, phase):
        self.series.append((labels, [((T0 + STEP_S * i) * 1000 + 100 * self.rng.choice((0, 0, 0, 2, 7)) + phase, v)
                                     for i, v in points]))

    def target(self, labels):
        rng, phase = self.rng, self.rng.randint(1, 98)
        there = self.there()
        for code in ("200", "404", "500"):
            self.add({"__name__": "req_total", "code": code, **labels}, self.ended(there, self.counter(there)), phase)
        self.add({"__name__": "up", **labels}, [(i, float(i in there)) for i in range(STEPS)], phase)
        self.add({"__name__": "mem", **labels}, self.ended(there, {i: rng.randrange(1, 1 << 30) / 64 for i in there}), phase)
        walk, temp = rng.randrange(-64, 64) / 8, {}
        for i in there:
            walk += rng.randrange(-16, 17) / 8
            temp[i] = walk
        self.add({"__name__": "temp", **labels}, self.ended(there, temp), phase)
        odd = {i: rng.choice((0.0, NEGATIVE_ZERO, float("inf"), float("-inf"), NAN, 1e150, -1e-300, 1.0, -2.5)) for i in there}
        self.add({"__name__": "odd", **labels}, self.ended(there, odd), phase)
        flag = {i: float(i // rng.choice((7, 40)) % 2) for i in there}
        self.add({"__name__": "flag", **labels}, self.ended(there, flag), phase)
        # A version takes over from the one before.
        cut = rng.randrange(60, STEPS - 60)
        self.add({"__name__": "build", "version": "1", **labels}, [(i, 1.0) for i in range(cut)] + [(cut, STALE)], phase)
        self.add({"__name__": "build", "version": "2", **labels}, [(i, 1.0) for i in range(cut, STEPS)], phase)
        if labels["instance"] != "c:2":
            self.histogram(labels, there, phase)

    def there(self):
        """The steps at which a target answered: holes of every length, one beyond the lookback."""
        missing, at = set(), 0
        while at < STEPS:
            at += self.rng.randrange(10, 90)
            missing.update(range(at, at + self.rng.choice((1, 1, 2, 3, 5, 8, 30))))
            at += 40
        return [i for i in range(STEPS) if i not in missing]

    def ended(self, there, values):
        """Some holes begin with a staleness marker, some do not."""
        points = []
        for n, i in enumerate(there):
            points.append((i, values[i]))
            if n + 1 < len(there) and there[n + 1] > i + 1 and self.rng.random() < 0.5:
                points.append((i + 1, STALE))
        return points

    def counter(self, there):
        """Goes up by whole numbers, and falls now and then, well away from holes and never near zero (2.)."""
        rng, values = self.rng, {}
        value, speed, last_reset = rng.randrange(100, 200), rng.choice((1, 5, 9)), -10
        for n, i in enumerate(there):
            near_hole = any(0 <= m < len(there) and abs(there[m] - i) != abs(m - n) for m in range(n - 7, n + 8))
            if n - last_reset > 12 and value > 250 and not near_hole and rng.random() < 0.04:
                value, last_reset = rng.randrange(125, value * 3 // 4), n
            else:
                value += rng.randrange(speed + 1)
            values[i] = float(value)
        return values

    def histogram(self, labels, there, phase):
        rng = self.rng
        counts, total = [0] * len(LE), 0
        points = [[] for _ in LE]
        sums, observations = [], []
        for i in there:
            for b in range(len(LE)):
                counts[b] += rng.choice((0, 1, 2, 7))
            total += rng.randrange(40)
            running = 1000
            for b in range(len(LE)):
                running += counts[b]
                points[b].append((i, float(running)))
            sums.append((i, 1000.0 + total / 4))
            observations.append((i, float(running)))
        for b, le in enumerate(LE):
            self.add({"__name__": "lat_bucket", "le": le, **labels}, points[b], phase)
        self.add({"__name__": "lat_sum", **labels}, sums, phase)
        self.add({"__name__": "lat_count", **labels}, observations, phase)

    def batches(self):
        """What is pushed, oldest first."""
        for first in range(T0 * 1000, (T0 + STEP_S * (STEPS + 2)) * 1000, BATCH * STEP_S * 1000):
            part = [(labels, [p for p in points if first <= p[0] < first + BATCH * STEP_S * 1000]) for labels, points in self.series]
            yield [(labels, points) for labels, points in part if points]


SINGLE = ("req_total", "req_total", "temp", "mem", "up", "odd", "flag", "build", "once", "rare", "lat_bucket", "lat_count", "absent_name")
EXACT, ZEROS, NEAR, CANCELS = "equal", "equal, but for the sign of 0", "to 1e-12", "to 1e-12 of the largest"
ROUGH = {EXACT: 0, ZEROS: 1, NEAR: 2, CANCELS: 3}


class Queries:
    """Random texts. Each maker answers (text, how nearly); `need` is the roughest that may stand there, since what
    is chosen, compared or rounded must not hang on a last digit."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.inside = 0  # Of so many subqueries.

    def one(self):
        """(text, its form for 2.42, parameters, how nearly, whether the order counts)"""
        rng = self.rng
        wrong = rng.random() < 0.06
        text, near = (self.wrong(), EXACT) if wrong else self.vector(rng.choice((1, 2, 2, 3, 3, 4)), CANCELS)
        ordered = False
        if rng.random() < 0.5:
            span = rng.randrange(0, STEPS * STEP_S)
            step = rng.choice((1, 5, 13, 15, 15, 30, 60, 61, 300))
            end = min(span + step * rng.randrange(60), STEPS * STEP_S + 400)
            params = {"path": "query_range", "start": T0 + span + 0.5, "end": T0 + end + 0.5, "step": step}
        else:
            params = {"path": "query", "time": T0 + rng.randrange(-30, STEPS * STEP_S + 400) + 0.5}
            kind = rng.random()
            if not wrong and kind < 0.08:
                text, near = self.range_text(self.plain()), EXACT
            elif not wrong and kind < 0.14:
                inner, near = self.distinct()
                text, ordered = f"{rng.choice(('sort', 'sort_desc'))}({inner})", True
            elif not wrong and kind < 0.18:
                text, near = self.scalar(), EXACT
        theirs = text.replace("double_exponential_smoothing", "holt_winters")
        return text, theirs, params, near, ordered

    # ---- selectors ----

    def matchers(self, le=False):
        rng = self.rng
        some = ['job="api"', 'job="db"', 'job!="db"', 'instance=~"a.*"', 'instance=~"(a|b):1"', 'instance!~"c.+"', 'code=~"2..|404"',
                'code!=""', 'version="1"', 'nope=""', 'nope="x"', 'job=~".+"', 'instance=~"A:1|(?i:B):1"', 'job=~"ap[h-j]"']
        if le:
            some += ['le="+Inf"', 'le=~"0.*"']
        chosen = rng.sample(some, rng.choice((0, 0, 1, 1, 2)))
        return "{" + ",".join(chosen) + "}" if chosen or rng.random() < 0.1 else ""

    def plain(self, names=None):
        name = self.rng.choice(names or SINGLE)
        if names is None and self.rng.random() < 0.03:
            return '{__name__=~"temp|mem",job=~".+"}'
        return name + self.matchers(name == "lat_bucket")

    def moved(self, at=True):
        rng = self.rng
        out = ""
        if rng.random() < 0.12:
            out += " offset " + rng.choice(("5s", "1m", "17m", "-1m", "-30s", "2h"))
        if at and rng.random() < 0.07:
            out += " @ " + rng.choice(("start()", "end()", f"{T0 + rng.randrange(STEPS * STEP_S)}.5"))
        return out

    def range_text(self, selector):
        return f"{selector}[{self.rng.choice(('20s', '45s', '1m', '2m', '5m', '5m', '11m', '1h'))}]{self.moved()}"

    def subquery(self, need):
        """A range of what is calculated: (text, how nearly)."""
        rng = self.rng
        # 1.: no edge of its range may be one of its own steps, which are whole seconds. It is asked at half seconds,
        # or, inside of another one, at whole ones.
        moved = " offset 500ms" if self.inside else ""
        self.inside += 1
        inner, near = self.vector(1, need)
        self.inside -= 1
        return f"({inner})[{rng.choice(('1m', '3m', '10m', '25m'))}:{rng.choice(('5s', '30s', '1m', '', '77s'))}]{moved}", near

    def window(self, names=None):
        """A range of samples as they are, or now and then a subquery."""
        if self.rng.random() < 0.12:
            return self.subquery(EXACT)[0]
        return self.range_text(self.plain(names))

    # ---- values ----

    def scalar(self):
        rng = self.rng
        return rng.choice(("1", "0", "-2.5", "1e3", "0.1", "Inf", "NaN", "3 % 2", "2 ^ 10", "time()", "pi()", "scalar(once)", "scalar(up)", "-1", "7", "1 / 0",
                           "1 > bool 2", "0x1f", "vector(3) * 0 or vector(7)" if rng.random() < 0.02 else "5"))

    def vector(self, depth, need):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.08:
            return self.plain() + self.moved(), EXACT
        makers = [self.over_time, self.over_time, self.rate, self.rate, self.aggregate, self.aggregate, self.aggregate, self.chosen, self.binary, self.binary,
                  self.sets, self.one_by_one, self.one_by_one, self.labelled, self.dated, self.absent, self.bucket, self.exact_range]
        while True:
            text, near = rng.choice(makers)(depth, need)
            if ROUGH[near] <= ROUGH[need]:
                return text, near

    def exact_range(self, depth, need):
        f = self.rng.choice(("min_over_time", "max_over_time", "count_over_time", "last_over_time", "present_over_time", "changes", "resets", "idelta"))
        return f"{f}({self.window()})", EXACT

    def over_time(self, depth, need):
        rng = self.rng
        finite = ("req_total", "temp", "mem", "flag", "rare", "lat_sum")
        f = rng.choice(("sum_over_time", "avg_over_time", "quantile_over_time", "stddev_over_time", "stdvar_over_time", "sum_over_time", "avg_over_time",
                        "deriv", "predict_linear", "double_exponential_smoothing"))
        if f in ("sum_over_time", "avg_over_time"):
            return f"{f}({self.window()})", CANCELS
        if f == "quantile_over_time":
            return f"{f}({rng.choice(('0', '0.5', '0.9', '1', '-1', '2', 'NaN', '0.33'))}, {self.window(finite)})", NEAR
        if f == "predict_linear":
            return f"{f}({self.plain(finite)}[{rng.choice(('1m', '5m', '11m'))}]{self.moved(at=False)}, {rng.choice(('60', '3600', '-10', '0'))})", CANCELS
        if f == "double_exponential_smoothing":
            return f"{f}({self.window(finite)}, {rng.choice(('0.1', '0.5', '0.9'))}, {rng.choice(('0.1', '0.5'))})", CANCELS
        return f"{f}({self.window(finite)})", CANCELS

    def rate(self, depth, need):
        f = self.rng.choice(("rate", "rate", "increase", "irate", "delta"))
        names = ("temp", "mem", "flag") if f == "delta" else ("req_total", "req_total", "lat_count", "lat_bucket")
        return f"{f}({self.range_text(self.plain(names))})", NEAR

    def grouping(self):
        rng = self.rng
        labels = rng.sample(("job", "instance", "code", "le", "version", "nope", "__name__"), rng.choice((0, 1, 1, 2)))
        return rng.choice(("", " by ({})", " by ({})", " without ({})")).format(", ".join(labels))

    def aggregate(self, depth, need):
        rng = self.rng
        f = rng.choice(("sum", "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "count_values"))
        g = self.grouping()
        if f in ("min", "max", "count", "group"):
            inner, near = self.vector(depth - 1, need)
            # Which of 0 and -0 is the least hangs on the order of the series.
            return f"{f}{g} ({inner})", EXACT if f in ("count", "group") else max(near, ZEROS, key=ROUGH.get)
        if f == "count_values":
            inner, _ = self.vector(depth - 1, EXACT)
            return f'count_values{g} ("{rng.choice(("v", "job", "value"))}", {inner})', EXACT
        if f in ("stddev", "stdvar"):
            return f"{f}{g} ({self.plain(('req_total', 'temp', 'mem', 'flag', 'lat_count'))})", CANCELS
        if f == "quantile":
            inner, near = self.vector(depth - 1, need)
            return f"quantile{g} ({rng.choice(('0', '0.5', '0.99', '1', '-0.1', '1.2'))}, {inner})", max(near, NEAR, key=ROUGH.get)
        inner, near = self.vector(depth - 1, need)
        return f"{f}{g} ({inner})", CANCELS

    def distinct(self):
        """Values of which no two are equal, but by a chance of one in millions."""
        return self.rng.choice(((f"mem{self.matchers()}", EXACT), (f"mem{self.matchers()} * -1", EXACT), (f"max_over_time(mem[{self.rng.choice(('15s', '40s'))}])", EXACT)))

    def chosen(self, depth, need):
        rng = self.rng
        inner, near = self.distinct()
        return f"{rng.choice(('topk', 'bottomk'))}{self.grouping()} ({rng.choice(('1', '2', '3', '0', '-1', '100'))}, {inner})", near

    def side(self, depth, need):
        inner, near = self.vector(depth - 1, need)
        return f"({inner})", near

    def binary(self, depth, need):
        rng = self.rng
        kind = rng.random()
        if kind < 0.35:  # With a number.
            op = rng.choice(("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "> bool", "== bool", "<= bool", "atan2"))
            inner, near = self.side(depth, EXACT if op[0] in "=!><%^a" else need)
            number = self.scalar()
            inner = f"abs({inner})" if op == "atan2" else inner
            text = f"{inner} {op} ({number})" if rng.random() < 0.7 or "atan2" in op else f"({number}) {op} {inner}"
            if op in ("^", "atan2"):
                near = NEAR
            return text, CANCELS if op in "+-" and near != EXACT else near
        if kind < 0.6:  # Of the same series.
            if rng.random() < 0.3:
                return f"{self.plain(SINGLE)}{self.moved()} {rng.choice(('==', '>', '!=', '<='))} {self.plain(SINGLE)}{self.moved()}", EXACT
            op = rng.choice(("+", "-", "*", "/", ">= bool", "< bool", "!= bool"))
            a, _ = self.side(depth, EXACT)
            b = a if rng.random() < 0.4 else self.side(depth, EXACT)[0]
            return f"{a} {op} {b}", EXACT
        on = rng.choice(("on (job, instance)", "ignoring (code, version, le)", "on (instance)", "on (job)", "on ()", "ignoring ()"))
        group = rng.choice(("", "", " group_left", " group_left (version)", " group_right", " group_left ()"))
        one, many = self.plain(("temp", "mem", "up", "build", "flag")), self.plain(("req_total", "temp", "lat_bucket", "mem"))
        left, right = (one, many) if "right" in group or rng.random() < 0.3 else (many, one)
        op = rng.choice(("+", "-", "*", "/", "== bool", *((">", "!=") if group else ())))
        return f"{left} {op} {on}{group} {right}", EXACT

    def sets(self, depth, need):
        rng = self.rng
        (a, near_a), (b, near_b) = self.side(depth, need), self.side(depth, need)
        on = rng.choice(("", "", " on (job)", " on (job, instance)", " ignoring (code)", " on ()"))
        return f"{a} {rng.choice(('and', 'or', 'unless'))}{on} {b}", max(near_a, near_b, key=ROUGH.get)

    def one_by_one(self, depth, need):
        rng = self.rng
        f = rng.choice(("abs", "ceil", "floor", "round", "exp", "ln", "log2", "log10", "sqrt", "sgn", "clamp", "clamp_min", "clamp_max", "deg", "rad", "sin", "cos",
                        "tan", "atan", "acos", "asin", "sinh", "cosh", "tanh", "acosh", "asinh", "atanh", "-", "vector", "scalar"))
        if f == "vector":
            return f"vector({self.scalar()})", EXACT
        jumps = f in ("ceil", "floor", "round", "sgn", "scalar")
        inner, near = self.vector(depth - 1, EXACT if jumps or f not in ("abs", "-", "sqrt", "clamp", "clamp_min", "clamp_max") else need)
        if f == "-":
            return f"-({inner})", near
        if f == "scalar":
            return f"vector(scalar({inner}))", near
        if f == "round" and rng.random() < 0.5:
            return f"round({inner}, {rng.choice(('0.5', '10', '0.1', '-1'))})", NEAR
        if f == "clamp":
            return f"clamp({inner}, {rng.choice(('0, 10', '-5, 5', '10, 0', 'NaN, 1', '-Inf, 3'))})", near
        if f.startswith("clamp"):
            return f"{f}({inner}, {rng.choice(('0', '-3', '150', 'NaN'))})", near
        return f"{f}({inner})", near if f in ("abs", "ceil", "floor", "round", "sgn") else max(near, NEAR, key=ROUGH.get)

    def labelled(self, depth, need):
        rng = self.rng
        inner, near = self.vector(depth - 1, need)
        if rng.random() < 0.35:
            return f'label_join({inner}, "{rng.choice(("joined", "instance"))}", "{rng.choice(("-", ""))}", {rng.choice((chr(34) + "job" + chr(34) + ", " + chr(34) + "code" + chr(34), chr(34) + "instance" + chr(34)))})', near
        target = rng.choice(("to", "to", "instance", "job"))
        replacement = rng.choice(("$1", "x-$1", "", "${1}y", "$2", "const"))
        regex = rng.choice(("(.*):(.*)", "(.).*", "a.*", "", "(.*)", "b:1"))
        return f'label_replace({inner}, "{target}", "{replacement}", "{rng.choice(("instance", "job", "nope", "code"))}", "{regex}")', near

    def dated(self, depth, need):
        rng = self.rng
        f = rng.choice(("timestamp", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"))
        if f == "timestamp":
            return f"timestamp({self.plain() + self.moved(at=False)})", EXACT
        return (f"{f}()" if rng.random() < 0.3 else f"{f}({self.plain(('mem', 'req_total', 'temp'))} * {rng.choice(('1', '60', '4000'))})"), EXACT

    def absent(self, depth, need):
        if self.rng.random() < 0.5:
            return f"absent_over_time({self.range_text(self.plain())})", EXACT
        return f"absent({self.vector(depth - 1, need)[0]})", EXACT

    def bucket(self, depth, need):
        rng = self.rng
        source = f"lat_bucket{self.matchers(True)}"
        if rng.random() < 0.4:
            source = f"sum by ({rng.choice(('le', 'le, job', 'job, le, instance', 'job'))}) ({source})"
        return f"histogram_quantile({rng.choice(('0.5', '0.9', '0', '1', '-1', '2', 'NaN', '0.999'))}, {source})", NEAR

    def wrong(self):
        """Not a query; or one that only the data makes impossible."""
        rng = self.rng
        good = self.vector(2, CANCELS)[0]
        good = "up" if " @ " in good else good  # 17.
        cut = rng.randrange(1, len(good))
        return rng.choice((
            good[:cut], good + ")", "(" + good, good + "[5m]", f"rate({good})", "nope(up)", "sum(", f"sum by (job {good}", 'up{job="api"', "up{job=api}", "up{job=~\"(\"}",
            "rate(req_total)", "topk(up, 1)", "sum(1)", '"a" + 1', "up offset x", "up[x]", "1 and up", "up == bool", "up group_left up", "sum(up) by", "up @ x",
            "rate(up[5m)", "{}", '{job=~".*"}', "up{__name__=\"x\"}", "label_replace(up, \"a\")", "count_values(up)", "histogram_quantile(up)", "vector(up)", "scalar(1)", "time(1)",
            "temp * on (job) mem", "req_total + on (instance) temp", "temp + on (job) group_left mem", 'label_replace(temp, "instance", "x", "", "")',
            'label_replace(up, "a", "b", "c", "(")', "absent_over_time(up)", "up[5m:1m] + 1", "sum_over_time(up[0s])", "up or 1", "up unless bool up", "-", "", "up up",
            "1 == 1", "1 > 2", "topk(NaN, mem)", 'count_values("", up)', "predict_linear(up[5m])", "clamp(up, 1)", "quantile(up)", "up offset 1m offset 1m"))


def close(a, b, near, scale):
    """Whether two values, as they are written, agree."""
    if a == b:
        return True
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    if x == y or near in (EXACT, ZEROS):
        return x == y and near != EXACT  # Else it would have been written alike.
    return not math.isinf(x) and not math.isinf(y) and abs(x - y) <= 1e-12 * max(abs(x), abs(y), scale if near == CANCELS else 0)


def points_of(series):
    """[(time, value text)] of a series in any form."""
    return series.get("values") or [series["value"]]


def size_of(result):
    sizes = [abs(float(v)) for s in result for _, v in points_of(s)]
    return max((s for s in sizes if math.isfinite(s)), default=0)


def compare(theirs, ours, near, ordered):
    """Two answers as (status, JSON): how they differ, or None."""
    (status, a), (our_status, b) = theirs, ours
    if status != our_status:
        return f"status {status}, ours {our_status}"
    if status != 200:
        return None if a["errorType"] == b["errorType"] else f"{a['errorType']}, ours {b['errorType']}"
    a, b = a["data"], b["data"]
    if a["resultType"] != b["resultType"]:
        return f"{a['resultType']}, ours {b['resultType']}"
    if a["resultType"] in ("scalar", "string"):
        return None if a["result"][0] == b["result"][0] and close(a["result"][1], b["result"][1], NEAR, 0) else "another number"
    x, y = a["result"], b["result"]
    if not ordered:
        x, y = (sorted(r, key=lambda s: json.dumps(s["metric"], sort_keys=True)) for r in (x, y))
    if [s["metric"] for s in x] != [s["metric"] for s in y]:
        return f"{len(x)} series, ours {len(y)}, or others, or in another order"
    scale = size_of(x)
    for s, t in zip(x, y):
        p, q = points_of(s), points_of(t)
        if [at for at, _ in p] != [at for at, _ in q]:
            return f"other times of {s['metric']}"
        for (at, v), (_, w) in zip(p, q):
            if not close(v, w, near, scale):
                return f"{v} at {at} of {s['metric']}, ours {w} ({near})"
    return None
