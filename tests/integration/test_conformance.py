"""The interpreter of PromQL test scripts (promql_script): that it finds what is wrong, and that upstream's scripts pass,
where they are at hand: in $TIDEMARK_SHARED/promqltest. `make conformance` runs them too, or any others."""
import glob
import os
import re
import subprocess

from peers import BUILD
from server import SHORT, temporary_folder

SCRIPTS = sorted(glob.glob(os.path.join(os.environ.get("TIDEMARK_SHARED", "/nonexistent"), "promqltest", "*.test")))
SCRIPT_S = 600 if SHORT else 120
LOAD = """load 1m
  hits_total{path="/a"} 0+10x10
  hits_total{path="/b"} 0 5 _ stale 7
  sizes {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x5

"""
RIGHT = """eval instant at 10m sum by (path) (hits_total)
  {path="/a"} 100

eval instant at 2m hits_total
  hits_total{path="/a"} 20
  hits_total{path="/b"} 5

eval range from 0 to 3m step 1m hits_total{path="/b"}
  hits_total{path="/b"} 0 5 5 _

eval instant at 5m histogram_count(sizes)
  {} 4

eval instant at 3m delta(sizes[2m])
  expect warn msg: PromQL warning: this native histogram metric is not a gauge: "sizes" (1:7)
  {} {{count:0 sum:0}}

eval instant at 0 label_replace(hits_total, "path", "x", "", "")
  expect fail msg: vector cannot contain metrics with the same labelset

eval instant at 1m 2 ^ 10
  1024
"""
WRONG = ("eval instant at 10m sum(hits_total)\n  {} 101\n",
         "eval instant at 2m hits_total\n  hits_total{path=\"/a\"} 20\n",
         "eval instant at 2m hits_total\n  hits_total{path=\"/a\"} 20\n  hits_total{path=\"/c\"} 5\n",
         "eval range from 0 to 3m step 1m hits_total{path=\"/b\"}\n  hits_total{path=\"/b\"} 0 5 5 5\n",
         "eval instant at 5m sizes\n  sizes {{schema:0 sum:5 count:4 buckets:[1 1 2]}}\n",
         "eval instant at 5m sum(hits_total)\n  expect fail\n",
         "eval instant at 3m delta(sizes[2m])\n  expect no_warn\n  {} {{count:0 sum:0}}\n",
         "eval instant at 5m sum(hits_total)\n  expect warn\n  {} 57\n",
         "eval instant at 4m sort_desc(hits_total)\n  expect ordered\n"
         "  hits_total{path=\"/b\"} 7\n  hits_total{path=\"/a\"} 40\n")


def run(*paths):
    done = subprocess.run([os.path.join(BUILD, "src", "promql", "promql_script"), *paths], capture_output=True, text=True,
                          timeout=SCRIPT_S)
    closing = re.search(r"^(\d+) passed, (\d+) failed\n\Z", done.stdout, re.M)
    return done.returncode, tuple(map(int, closing.groups())) if closing else None, done.stdout + done.stderr


def run_text(folder, text):
    path = os.path.join(folder, "x.test")
    with open(path, "w", encoding="utf-8") as f:
        f.write(LOAD + text)
    return run(path)


def test_what_is_right_passes_and_each_slip_is_found():
    with temporary_folder() as folder:
        code, counts, told = run_text(folder, RIGHT)
        assert code == 0 and counts == (RIGHT.count("eval "), 0), told
        for text in WRONG:
            code, counts, told = run_text(folder, text)
            assert code == 1 and counts == (0, 1), text + told
        code, counts, told = run_text(folder, "evaluate instant at 5m hits_total\n")
        assert code == 2 and counts is None, told  # What is not understood is never left out.


def run_upstream():
    code, counts, told = run(*SCRIPTS)
    print("\n".join(told.splitlines()[-2:]))
    assert code == 0 and counts and counts[0] > 2000 and counts[1] == 0, told[-8000:]


if SCRIPTS:
    test_scripts_of_upstream_pass = run_upstream
