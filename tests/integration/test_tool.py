"""`tidemark tool check`: what passes here starts in the server, what is refused says where."""
import os
import re
import subprocess

from peers import peer
from server import BINARY, temporary_folder

GOOD_RULES = ("groups:\n  - name: g\n    rules:\n      - record: a\n        expr: sum(up)\n"
              "      - alert: b\n        expr: up == 0\n")
BAD_RULES = "groups:\n  - name: g\n    rules:\n      - record: a\n        expr: sum(up\n"


def tool(folder, *arguments, binary=None):
    done = subprocess.run([*(binary or [os.path.abspath(BINARY), "tool"]), *arguments], cwd=folder, capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout, done.stderr


def write(folder, **files):
    for name, text in files.items():
        with open(os.path.join(folder, name + ".yml"), "w") as f:
            f.write(text)


def test_check_answers_as_promtool_does():
    with temporary_folder() as folder:
        write(folder, good=GOOD_RULES, bad=BAD_RULES, config="rule_files: [good.yml]\nscrape_configs: [{job_name: a}]\n",
              broken="rule_files: [good.yml, bad.yml]\n")
        for arguments in (["check", "config", "config.yml"], ["check", "config", "config.yml", "broken.yml"],
                          ["check", "rules", "good.yml"], ["check", "rules", "good.yml", "bad.yml"]):
            code, out, err = tool(folder, *arguments)
            want_code, want_out, _ = tool(folder, *arguments, binary=[os.path.abspath(peer("promtool"))])
            assert (code, out) == (want_code, want_out), (arguments, code, out, want_code, want_out)
            assert ("FAILED" in err) == (code == 1), (arguments, err)
            assert code == 0 or re.search(r"bad\.yml:5:\d+: could not parse expression: ", err), err


def test_check_config_looks_at_all_that_the_server_loads():
    cases = {
        "global:\n  scrape_intervall: 5s\n": r"c\.yml:2:3: unknown key",
        "scrape_configs:\n- job_name: a\n- job_name: a\n": r"c\.yml:3:13: found multiple",
        "scrape_configs:\n- job_name: a\n  tls_config: {ca_file: gone}\n": r"c\.yml:3:25: job a: ca_file",
        "scrape_configs:\n- job_name: a\n  file_sd_configs: [{files: [x.txt]}]\n": r"c\.yml:3:\d+: .*must end in",
        "rule_files: [gone.yml]\n": r"c\.yml:1:14: .*gone\.yml",
        "remote_write: []\notlp: {}\n": r"not built either: 'otlp' \(2:1\)",
    }
    with temporary_folder() as folder:
        for text, wanted in cases.items():
            write(folder, c=text)
            code, out, err = tool(folder, "check", "config", "c.yml")
            assert code == 1 and re.search(wanted, err) and "SUCCESS" not in out, (text, code, out, err)
        write(folder, c="global: {external_labels: {a: '$NO_SUCH_THING'}}\nscrape_configs:\n- job_name: a\n"
                        "  file_sd_configs: [{files: ['none*.json']}]\n")
        code, out, err = tool(folder, "check", "config", "c.yml")
        assert code == 0 and "SUCCESS" in out and "WARNING" in err and "NO_SUCH_THING" in err, (code, out, err)
        assert tool(folder, "check", "config", "absent.yml")[0] == 1
        assert sorted(os.listdir(folder)) == ["c.yml"]  # Nothing is written.


def test_wrong_use_says_what_there_is():
    with temporary_folder() as folder:
        for arguments in ([], ["check"], ["check", "config"], ["check", "nonsense", "x"], ["test"]):
            code, out, err = tool(folder, *arguments)
            assert code == 2 and not out and "tidemark tool check config FILE" in err, (arguments, code, out, err)
