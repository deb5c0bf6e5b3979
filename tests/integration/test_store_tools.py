"""`tidemark tool tsdb`, the administration routes and blocks that are cut short, on the real binary."""
import glob
import os
import subprocess
import time

from server import BINARY, Server, temporary_folder, wait_for

FLAGS = ["--web.enable-remote-write-receiver", "--web.enable-admin-api"]
HOUR = 3600000


def tool(*words):
    done = subprocess.run([BINARY, "tool", "tsdb", *words], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout


def feed(server, start, hours):
    """Ten series, a sample a minute; older hours become blocks while newer ones come."""
    for hour in range(hours):
        at = start + hour * HOUR
        series = [({"__name__": "fed", "job": "j", "instance": f"host{n}"},
                   [(at + i * 60000, float(hour * 1000 + i) + n / 7) for i in range(60)]) for n in range(10)]
        assert server.push(series).status == 204


def test_a_store_is_deleted_from_copied_cut_and_verified():
    start = (int(time.time() * 1000) - 9 * HOUR) // (2 * HOUR) * (2 * HOUR)
    with temporary_folder() as outer, Server(folder=outer, flags=FLAGS) as server:
        folder = server.data
        feed(server, start, 8)
        wait_for("a block", lambda: server.api("status/tsdb/blocks")["blocks"])
        end = (start + 8 * HOUR) / 1000

        def count():
            return sum(len(s) for s in server.samples("fed", "9h", end).values())

        assert count() == 4800
        answer = server.post("/api/v1/admin/tsdb/delete_series", {"match[]": 'fed{instance="host3"}'})
        assert answer.status == 204, answer
        assert count() == 4320 and "host3" not in server.api("label/instance/values")
        undo = server.post("/api/v1/admin/tsdb/undelete_series", {"id": answer.headers["x-tidemark-deletion-ids"]})
        assert undo.status == 204 and count() == 4800, undo
        name = server.post("/api/v1/admin/tsdb/snapshot").json["data"]["name"]
        copy = os.path.join(folder, "snapshots", name)
        code, text = tool("verify", copy)
        assert code == 0 and "0 damaged places" in text, text
        code, text = tool("dump", copy, "--match=fed")
        assert code == 0 and len(text.splitlines()) == 4800, text[:500]
        block = sorted(glob.glob(os.path.join(folder, "blocks", "b*")))[0]
        os.truncate(os.path.join(block, "data"), 0)  # Mapped, and found sound before.
        cut = server.get("/api/v1/query", {"query": "fed[9h]", "time": end}).json
        assert cut["status"] == "success" and cut["warnings"], cut
        assert 0 < count() < 4800
        assert server.value("vector(1)") == 1
        code, text = tool("verify", folder)  # Beside the server, which goes on.
        assert code == 1 and os.path.basename(block) in text, text


def test_wrong_words_are_named():
    with temporary_folder() as folder:
        for words, why in ((("nothing",), "there are tsdb verify, list, dump, restore, analyze and"),
                           (("verify",), "verify wants one DIR"),
                           (("list", folder, folder), "list wants one DIR"),
                           (("list", folder, "--match=up"), "unknown flag --match=up"),
                           (("dump", folder, "--since=3"), "unknown flag --since=3"),
                           (("dump", folder, "--min-time=now"), '--min-time wants milliseconds since 1970, not "now"'),
                           (("dump", folder, "--max-time"), "--max-time wants a value"),
                           (("restore", folder), "restore wants a SNAPSHOT and the DIR"),
                           (("analyze", folder, "--limit=x"), "--limit wants a number from 1 to 10000")):
            done = subprocess.run([BINARY, "tool", "tsdb", *words], capture_output=True, text=True, timeout=60)
            first, heading = done.stderr.splitlines()[:2]
            assert done.returncode == 2 and first.startswith("tidemark: " + why) and heading == "usage:", done.stderr


def test_a_dump_makes_no_store():
    with temporary_folder() as folder:
        done = subprocess.run([BINARY, "tool", "tsdb", "dump", folder], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "is no folder of a store" in done.stderr, done
        assert os.listdir(folder) == []
