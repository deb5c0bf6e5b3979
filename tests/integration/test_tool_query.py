"""`tidemark tool query`: what it prints is what promtool prints of the same server, byte for byte."""
import json
import os
import subprocess

from peers import peer
from server import BINARY, NOTHING, Server, free_port

RELEASE_ONLY = True  # Compared with a peer.
T0 = 1700000000
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
SPAN = ["--start", str(T0), "--end", "2023-11-14T22:13:40Z"]


def run(command, *arguments):
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def ours(*arguments):
    return run([os.path.abspath(BINARY), "tool"], *arguments)


def theirs(*arguments):
    return run([os.path.abspath(peer("promtool"))], *arguments)


def filled():
    server = Server(flags=FLAGS, config=NOTHING).start()
    series = [({"__name__": "up", "job": "a", "x": 'q"\n\\é'}, [((T0 + 15 * i) * 1000, 1.5 * i) for i in range(4)]),
              ({"__name__": "up", "job": "b"}, [(T0 * 1000 + 7, float("nan")), (T0 * 1000 + 15007, float("inf"))]),
              ({"__name__": "small", "job": "b"}, [(T0 * 1000, 1e-5)])]
    assert server.push(series).status == 204
    return server


def test_answers_are_printed_as_promtool_prints_them():
    at = ["--time", str(T0 + 20.5)]
    with filled() as server:
        url = server.url
        cases = [["query", "instant", *at, url, text] for text in
                 ("up", "up[1m]", "1.5", "sum(up)", '{__name__=~".+"}', "nothing", "nothing[1m]", "rate(up[1m])", "0 - up", "small * 1e30", "time()")]
        cases += [["query", "range", *SPAN, "--step=10s", url, "up"], ["query", "range", *SPAN, url, "up * 2"],
                  ["query", "range", *SPAN, "--step=5s", url, "nothing"],
                  ["query", "series", "--match=up", "--match", "nothing", *SPAN, url], ["query", "labels", *SPAN, url + "/", "job"],
                  ["query", "labels", *SPAN, url, "nothing"]]
        for case in cases:
            for form in ([], ["-o", "json"], ["--format=promql"]):
                arguments = [*case[:2], *form, *case[2:]]
                if case[-1] == "small * 1e30" and "json" in form:
                    continue  # promtool writes out all digits; we keep the server's text.
                code, out, err = ours(*arguments)
                want_code, want_out, _ = theirs(*arguments)
                assert (code, out) == (want_code, want_out), (arguments, code, out, err, want_code, want_out)


def test_what_promtool_does_not_know():
    with filled() as server:
        code, out, err = ours("query", "instant", f"--time={T0}", server.url, '"a b"')
        assert (code, out, err) == (0, "a b\n", "")
        code, out, err = ours("query", "instant", f"--time={T0 + 30}", server.url, "rate(up[1m])")
        assert code == 0 and "query info: PromQL info: metric might not be a counter" in err, (code, out, err)
        assert ours("query", "instant", f"--time={T0 + 30}", "--", server.url, "-sum(up{job='a'})")[:2] == (0, f"{{}} => -3 @[{T0 + 30}]\n")
        code, out, err = ours("query", "explain", server.url, "sum(rate(up[1m]))")
        assert code == 0 and out.startswith("query ") and "aggregate sum" in out and "rate over up[1m]" in out, (code, out, err)
        arguments = ["query", "explain", "--analyze", *SPAN, "--step=5s", "-o", "json", server.url, "sum(rate(up[1m]))"]
        code, out, err = ours(*arguments)
        assert code == 0 and json.loads(out)["analyzed"] is True, (code, out, err)


def test_failures_are_told_as_promtool_tells_them():
    with filled() as server:
        url = server.url
        for arguments in (["query", "instant", url, "up{"], ["query", "instant", "--time=xx", url, "up"],
                          ["query", "range", "--start=5", "--end=3", url, "up"], ["query", "series", *SPAN, "--match={", url]):
            got, want = ours(*arguments), theirs(*arguments)
            assert got == want and got[0] == 1, (arguments, got, want)
        code, out, err = ours("query", "instant", f"http://127.0.0.1:{free_port()}", "up")
        assert (code, out) == (1, "") and err.startswith("query error: ") and "onnect" in err, err
        code, out, err = ours("query", "instant", url + "/elsewhere", "up")
        assert (code, out) == (1, "") and "status 40" in err, err
    for arguments in (["query"], ["query", "nonsense"], ["query", "instant", "x"], ["query", "instant", "x", "y", "z"], ["query", "series", "x"],
                      ["query", "instant", "-o", "yaml", "x", "y"], ["query", "instant", "x", "y", "--wrong"], ["query", "instant", "--time"]):
        code, out, err = ours(*arguments)
        assert (code, out) == (2, "") and "tidemark tool query instant" in err, (arguments, code, out, err)
