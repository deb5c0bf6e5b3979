#!/usr/bin/env python3
"""The long forms of storage's tests: one kind of them in many processes, with a total at the end.

    tools/long.py --build build cuts [N]

Each process has a seed of its own and runs a part of the N, which is rounded up to whole parts; as many run at once as there are cores. The
first seed is TIDEMARK_SEED (1). What a process prints is shown only where it fails; lines that begin
"# seed" are added up, number by number, where their words are the same.
"""
import argparse
import collections
import concurrent.futures
import math
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    test: str
    switch: str  # Tells the test how much a process does of it.
    part: int  # Of the whole, by one process.
    whole: int
    steps: int = 1  # From one process' seed to the next one's.
    value: str = ""  # Of the switch, if it is not the part.


FORMS = {
    "cuts": Form("loses_nothing", "TIDEMARK_CUTS", 500, 50000),
    "points": Form("each_kind_of_work", "TIDEMARK_POINTS", 1, 8, value="0"),
    "models": Form("agrees_with_the_slow_store", "TIDEMARK_MODELS", 10, 150, steps=100),
    "mutations": Form("golden_store_when_damaged", "TIDEMARK_MUTATIONS", 2500, 100000, steps=2500),
}
NUMBER = re.compile(r"\d+")
HOLE = "%"


def run(build, form, seed):
    env = dict(os.environ, TIDEMARK_SEED=str(seed), **{form.switch: form.value or str(form.part)})
    done = subprocess.run([f"{build}/src/tsdb/tsdb_test", form.test], env=env, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return seed, done.returncode, done.stdout


def added(totals, said):
    for line in said.splitlines():
        if line.startswith("# seed "):
            told = line.split(":", 1)[1].strip()
            numbers = [int(n) for n in NUMBER.findall(told)]
            words = NUMBER.sub(HOLE, told)
            totals[words] = [a + b for a, b in zip(totals.get(words, [0] * len(numbers)), numbers)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("n", nargs="?", type=int, help="how many in all")
    args = parser.parse_args()
    form = FORMS[args.form]
    count = math.ceil((args.n or form.whole) / form.part)
    first = int(os.environ.get("TIDEMARK_SEED", "1"))
    began = time.monotonic()
    totals, failed = collections.OrderedDict(), 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [pool.submit(run, args.build, form, first + i * form.steps) for i in range(count)]
        for one in concurrent.futures.as_completed(waiting):
            its, code, said = one.result()
            if code == 0:
                added(totals, said)
            else:
                failed += 1
                print(f"FAILED, seed {its}:\n{said[-6000:]}", flush=True)
    for words, numbers in totals.items():
        print(words.replace(HOLE, "{}").format(*numbers))
    print(f"{args.form}: {len(waiting)} runs from seed {first} in {time.monotonic() - began:.0f} s, {failed} failed")
    return 1 if failed or not totals else 0


if __name__ == "__main__":
    sys.exit(main())
