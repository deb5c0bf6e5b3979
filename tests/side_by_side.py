"""Several kill loops at once, each a process with ports, servers and a seed of its own."""
import collections
import json
import os
import signal
import sys
import time
import traceback

from server import own_ports

TOTALS = "totals: "


def _child(loop, kills, seed, number, to):
    """In the child: prints to its own file, and leaves with 0 only if nothing was raised."""
    code = 1
    try:
        own_ports(number)
        os.dup2(to, 1)
        print(TOTALS + json.dumps(loop(kills, seed)))
        code = 0
    except BaseException:  # Told by the parent, whatever it was.
        traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    os._exit(code)


def _start(loop, kills, seed, number):
    to = os.memfd_create(f"loop{number}")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _child(loop, kills, seed, number, to)
    return child, to


def run(loop, kills, seed, loops):
    """Shares the kills out; prints what each loop said at last, and a total; raises if one failed."""
    began = time.monotonic()
    if loops == 1:
        loop(kills, seed)
        return
    share = [kills // loops + (i < kills % loops) for i in range(loops)]
    running = dict(_start(loop, share[i], seed + i, i) for i in range(loops))
    totals, failed = collections.Counter(), []
    try:
        while running:
            child, status = os.wait()
            to = running.pop(child, None)
            if to is None:
                continue
            with os.fdopen(to, encoding="utf-8") as f:
                f.seek(0)
                said = f.read()
            print("\n".join(line for line in said.splitlines() if not line.startswith(("kill ", TOTALS))), flush=True)
            for line in said.splitlines():
                if line.startswith(TOTALS):
                    totals.update(json.loads(line.removeprefix(TOTALS)))
            if status != 0:
                failed.append(said[-6000:])
                break
    finally:
        for child in running:
            os.kill(child, signal.SIGTERM)  # So that its servers go with it.
        for child in running:
            os.waitpid(child, 0)
    assert not failed, failed[0]
    done = ", ".join(f"{n} {what}" for what, n in totals.items())
    print(f"{loops} loops from seed {seed} in {time.monotonic() - began:.0f} s: {done}: none lost, none wrong, none back", flush=True)
