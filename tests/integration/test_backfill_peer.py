"""Blocks made of a file hold what promtool's own hold of the same file."""
import os
import random
import re
import subprocess
import time

from peers import peer
from server import BINARY, temporary_folder

RELEASE_ONLY = True
RANGE = 7200000


def tool(*words, binary=(BINARY, "tool", "tsdb")):
    done = subprocess.run([*binary, *words], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_blocks_hold_what_promtool_puts_into_its_own():
    start = (int(time.time() * 1000) - 60 * 12 * RANGE) // RANGE * RANGE
    chance = random.Random(9)
    lines = []
    for n in range(40):
        for k in range(100):
            at = start / 1000 + k * 137 + n / 7
            value = chance.choice([str(chance.randrange(10 ** 6)), repr(chance.random() * 1e9), "NaN", "+Inf", "1e-300"])
            lines.append(f'm{n % 3}_x{{n="{n}",q="a\\\\b \\"c\\" ü",le="1"}} {value} {at:.3f}')
    head = ["# TYPE m0_x unknown", "# TYPE m1_x unknown", "# TYPE m2_x unknown"]
    with temporary_folder() as outer:
        page = os.path.join(outer, "page.om")
        with open(page, "w") as f:
            f.write("\n".join([*head, *lines, "# EOF"]) + "\n")
        promtool = (os.path.abspath(peer("promtool")), "tsdb")
        code, _, err = tool("create-blocks-from", "openmetrics", page, os.path.join(outer, "theirs"), binary=promtool)
        assert code == 0, err
        os.makedirs(os.path.join(outer, "theirs", "wal"), exist_ok=True)
        code, theirs, err = tool("dump", os.path.join(outer, "theirs"), binary=promtool)
        assert code == 0, err
        assert tool("create-blocks-from", "openmetrics", page, os.path.join(outer, "ours"))[0] == 0
        code, ours, err = tool("dump", os.path.join(outer, "ours"))
        assert code == 0, err

        def told(dump):
            rows = set()
            for line in dump.splitlines():
                labels, value, t = re.match(r"(.*) (\S+) (-?\d+)$", line).groups()
                name = re.search(r'__name__="(\w+)"', labels) or re.match(r"(\w+)", labels)
                number = re.search(r'n="(\d+)"', labels).group(1)
                quoted = re.search(r'q="(.*?[^\\])"[,}]', labels).group(1)
                rows.add((name.group(1), number, quoted, repr(float(value)), int(t)))
            return rows
        assert told(ours) == told(theirs), sorted(told(ours) ^ told(theirs))[:6]
        assert len(told(ours)) == len(lines)
