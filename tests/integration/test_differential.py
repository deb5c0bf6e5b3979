"""Random queries over random data: ours against Debian's Prometheus. `make differential` is the long form."""
import http.client
import json
import os
import time
import urllib.parse

import push
from differential import Data, Queries, compare
from prometheus import Peer
from server import Server, temporary_folder

RELEASE_ONLY = True
COUNT = int(os.environ.get("TIDEMARK_DIFFERENTIAL", "300"))
SEED = int(os.environ.get("TIDEMARK_SEED", "5"))
QUERIES_OF_ONE_DATA = 2500
SHOWN = 30


class Asker:
    """One connection that stays."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def post(self, path, body, headers):
        self.connection.request("POST", path, body=body, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def ask(self, text, params):
        form = urllib.parse.urlencode({"query": text, **{k: v for k, v in params.items() if k != "path"}})
        status, body = self.post(f"/api/v1/{params['path']}", form, {"Content-Type": "application/x-www-form-urlencoded"})
        return status, json.loads(body)


def fill(asker, data):
    samples = 0
    for batch in data.batches():
        status, body = asker.post("/api/v1/write", push.body(batch), push.HEADERS)
        assert status == 204, (status, body)
        samples += sum(len(points) for _, points in batch)
    return samples


def differences(folder, seed, count):
    """The texts of those queries of one data that are answered differently, and what was compared."""
    data, queries = Data(seed), Queries(seed)
    found, told = [], {"samples": 0, "points": 0, "errors": 0, "empty": 0}
    flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
    with Server(flags=flags) as server, Peer(folder, flags=flags) as p:
        theirs, ours = Asker(p.port), Asker(server.port)
        told["samples"] = fill(theirs, data)
        fill(ours, data)
        for n in range(count):
            text, their_text, params, near, ordered = queries.one()
            a, b = theirs.ask(their_text, params), ours.ask(text, params)
            difference = compare(a, b, near, ordered)
            if difference:
                found.append(f"seed {seed}, query {n}: {text}\n  {params}\n  {difference}\n  theirs {json.dumps(a)[:300]}\n  ours   {json.dumps(b)[:300]}")
            told["errors"] += a[0] != 200
            result = a[1].get("data", {}).get("result", [])
            told["empty"] += a[0] == 200 and not result
            told["points"] += sum(len(s.get("values", [1])) for s in result if isinstance(s, dict))
    return found, told


def test_random_queries():
    found, total, began = [], {}, time.time()
    with temporary_folder() as folder:
        for first in range(0, COUNT, QUERIES_OF_ONE_DATA):
            more, told = differences(folder, SEED + first // QUERIES_OF_ONE_DATA, min(QUERIES_OF_ONE_DATA, COUNT - first))
            found += more
            total = {k: total.get(k, 0) + v for k, v in told.items()}
    print(f"differential: seed {SEED}, {COUNT} queries, {total['points']} points compared over {total['samples']} samples, "
          f"{total['errors']} errors alike, {total['empty']} empty, {len(found)} differ ({time.time() - began:.0f} s)")
    assert not found, f"{len(found)} of {COUNT} answers differ:\n" + "\n".join(found[:SHOWN])
    assert total["points"] > COUNT * 10 and total["errors"] < COUNT / 4 and total["empty"] < COUNT / 2, total
