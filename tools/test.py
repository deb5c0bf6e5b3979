#!/usr/bin/env python3
"""Runs the project's tests and ends with the plain line "N passed, N failed".

Suites: units (every *_test of the build), tools (the tools' own self-tests), ui (type check,
vitest, budgets), integration (tests/integration/test_*.py against the real binary), crash
(tests/crash/test_*.py, kill loops). --only PATTERN keeps what contains it; --short shrinks loops
(for sanitizer builds), and skips what the release build alone runs: peers, kills, the browser.
"""
import argparse
import concurrent.futures
import importlib.util
import os
import re
import subprocess
import sys
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)
UNIT_TIMEOUT_S = 600


class Count:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, passed, failed, what, seconds, output=""):
        self.passed += passed
        self.failed += failed
        if failed:
            print(f"--- {what} ---\n{output.strip()}\n--- end of {what} ---")
        print(f"{'ok    ' if not failed else 'FAILED'} {what}: {passed} passed, {failed} failed ({seconds:.1f} s)",
              flush=True)


def run(command, timeout, cwd=ROOT, env=None):
    try:
        p = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=timeout, env=env)
        return p.returncode, p.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as e:
        return -1, (e.stdout or b"").decode("utf-8", "replace") + f"\ntimed out after {timeout} s"


def run_counted(count, what, command, timeout=UNIT_TIMEOUT_S, cwd=ROOT):
    """A command that prints the closing line; one that does not has failed."""
    start = time.time()
    code, output = run(command, timeout, cwd)
    closing = CLOSING.findall(output)
    passed, failed = map(int, closing[-1]) if closing else (0, 1)
    if code != 0 and failed == 0:
        failed = 1
    count.add(passed, failed, what, time.time() - start, output)


def run_plain(count, what, command, timeout=UNIT_TIMEOUT_S, cwd=ROOT):
    """A command whose exit code is the test."""
    start = time.time()
    code, output = run(command, timeout, cwd)
    count.add(int(code == 0), int(code != 0), what, time.time() - start, output)


def units(count, options):
    build = os.path.join(ROOT, options.build)
    tests = sorted(os.path.join(d, f) for d, _, files in os.walk(build) for f in files
                   if f.endswith("_test") and os.access(os.path.join(d, f), os.X_OK))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [pool.submit(run_counted, count, os.path.basename(t), [t]) for t in tests if options.only in t]
        for job in jobs:
            job.result()


def tools(count, options):
    run_plain(count, "tidy self-test", ["tools/tidy.py", "--self-test"])
    run_plain(count, "reference pages", ["tools/gen_docs.py", "--build", options.build, "--check"])


def ui(count, options):
    folder = os.path.join(ROOT, "ui")
    for script in ("check", "engines", "test", "budget"):
        run_plain(count, f"ui {script}", ["npm", "run", "--silent", script], cwd=folder)


def python_tests(folder, count, options):
    base = os.path.join(ROOT, "tests", folder)
    for name in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        if not re.fullmatch(r"test_\w+\.py", name):
            continue
        spec = importlib.util.spec_from_file_location(name[:-3], os.path.join(base, name))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if options.short and getattr(module, "RELEASE_ONLY", False):
            continue
        for key, test in list(vars(module).items()):
            if key.startswith("test_") and callable(test) and options.only in f"{name}:{key}":
                one_python_test(f"{folder}/{name[:-3]}: {key[5:]}", test, count)


def one_python_test(what, test, count):
    start = time.time()
    try:
        test()
        count.add(1, 0, what, time.time() - start)
    except Exception:  # A test may fail in any way; the trace tells which.
        count.add(0, 1, what, time.time() - start, traceback.format_exc())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--suite", default="units,tools,ui,integration")
    parser.add_argument("--only", default="")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    os.environ["TIDEMARK_BUILD"] = os.path.join(ROOT, options.build)
    if options.short:
        os.environ["TIDEMARK_SHORT"] = "1"
    count = Count()
    suites = {"units": units, "tools": tools, "ui": ui,
              "integration": lambda c, o: python_tests("integration", c, o),
              "crash": lambda c, o: python_tests("crash", c, o)}
    for suite in options.suite.split(","):
        suites[suite](count, options)
    print(f"{count.passed} passed, {count.failed} failed")
    sys.exit(0 if count.failed == 0 and count.passed > 0 else 1)


if __name__ == "__main__":
    main()
