"""Pages in a real browser: the UI's own runner walks through them, and decides."""
import os
import re
import subprocess

UI = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "ui")
PAGES_CAN_BE_LOOKED_AT = os.path.exists("/usr/bin/chromium") and os.path.isdir(os.path.join(UI, "node_modules"))


def look_at_pages(server, *args, timeout=150):
    p = subprocess.run(["node", "e2e/run.mjs", server.url, *args], cwd=UI, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=timeout)
    out = p.stdout.decode("utf-8", "replace")
    closing = re.findall(r"^(\d+) passed, (\d+) failed$", out, re.M)
    assert p.returncode == 0 and closing and int(closing[-1][0]) > 0 and closing[-1][1] == "0", out[-6000:]
    return int(closing[-1][0])
