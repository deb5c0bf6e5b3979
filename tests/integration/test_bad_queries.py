"""Texts that are no queries: each gets a 400 that says what is wrong and where, at each place that takes one."""
from server import Server

DEEP = "expression is nested more than 512 levels deep"
TEXTS = {  # What it is: (text, words of the answer)
    "brackets": ("(" * 10000 + "1" + ")" * 10000, f"1:513: parse error: {DEEP}"),
    "brackets that open": ("(" * 10000, DEEP),
    "brackets that close": ("1" + ")" * 10000, "1:3: parse error: unexpected right parenthesis"),
    "square brackets": ("[" * 10000, "1:1: parse error: unexpected"),
    "braces": ("{" * 10000, "1:2: parse error: unexpected left brace"),
    "calls": ("sum(" * 10000 + "up" + ")" * 10000, DEEP),
    "minuses": ("-" * 65000 + "1", DEEP),
    "terms": ("1" + "+1" * 30000, DEEP),
    "powers": ("1" + "^1" * 30000, DEEP),
    "sets": ("up or " * 9000 + "up", DEEP),
    "subqueries": ("max_over_time(" * 2800 + "up" + "[1m:1s])" * 2800, DEEP),
    "labels": (f"sum by ({','.join(['abc'] * 10000)}) (up)", "more than 4096 labels"),
    "64 KiB and a byte": ("a" * 65537, "65537 bytes, more than 65536"),
    "64 KiB of a string": ('"' + "x" * 65535, "1:1: parse error: unterminated quoted string"),
    "64 KiB of digits": ("9" * 65536, "1:1: parse error: error parsing number"),
    "a regular expression": ('up{a=~"' + "(" * 5000 + '"}', "nests too deeply"),
    "escapes": ('"' + "\\" * 1001, "escape sequence not terminated"),
    "bytes of no character": (b"\xff\xfe", "1:1: parse error: unexpected character"),
    "a byte of control": ("up\x01", "1:3: parse error: unexpected character: '\\x01'"),
    "half a character": (b'up{a="\xc3("}', "1:6: parse error: invalid UTF-8 rune"),
    "another alphabet": ("\u2116", "1:1: parse error: unexpected character: '\u2116'"),
    "a byte of nothing": ("up\x00", "NUL"),
    "nothing": ("", "no expression found"),
    "a comment": ("# only", "no expression found"),
    "an end that is missing": ("up[5m", "1:6: parse error: unclosed left bracket"),
    "a second line": ("up # x\n)", "2:2: parse error: unexpected right parenthesis"),
}


def test_texts_that_are_no_queries():
    with Server() as server:
        for path in ("query", "query_range", "format_query", "parse_query"):
            for what, (text, words) in TEXTS.items():
                answer = server.post(f"/api/v1/{path}", {"query": text, "start": "1", "end": "2", "step": "1"}, timeout=60)
                assert answer.status == 400 and words in (answer.text if words == "NUL" else answer.json["error"]), (path, what, answer)
                assert words == "NUL" or answer.json["errorType"] == "bad_data", (path, what, answer)
        # As long as may be, and right.
        assert server.post("/api/v1/query", {"query": "a" * 65536}).json["data"]["result"] == []
        assert server.post("/api/v1/query", {"query": "(" * 511 + "1" + ")" * 511}).json["data"]["result"][1] == "1"
