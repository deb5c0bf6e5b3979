#!/usr/bin/env python3
"""Writes the reference pages of docs/user from what the program says and the tables it is made of:
flags.md from `tidemark server --help`, configuration.md from the tables of configuration keys,
metrics.md from /metrics of a server that is started for it. `--check` writes nothing and fails if a
page is not what it would write.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "docs", "user")
NOTE = "<!-- Made by tools/gen_docs.py. Change what it reads, not this page. -->\n\n"

TYPES = {
    "STR": "text", "SECRET": "secret", "BOOL": "true, false", "U64": "number", "I64": "number", "F64": "number",
    "DURATION": "duration", "BYTES": "size", "ENUM": "", "STR_LIST": "list of texts", "STR_MAP": "names and texts",
    "STRUCT": "section", "STRUCT_PTR": "section", "STRUCT_LIST": "list of sections", "STR_LISTS": "names and lists",
    "NODE_LIST": "list of sections", "MATCHERS": "list of matchers",
}
# Keys that their section reads by itself.
NODES = {"labels": "names and templates", "annotations": "names and templates", "expr": "PromQL",
         "query_offset": "duration"}
# Heading, file below src, table, what to know of it.
PAGES = [
    ("# prometheus.yml", [
        ("the file", "cmd/config.c", "top_fields",
         "`scrape_config_files` and `rule_files` take globs in the last part of a path."),
        ("global", "cmd/config.c", "global_fields",
         "`external_labels` take `$NAME` and `${NAME}` from the environment; `$$` is a dollar."),
        ("storage", "cmd/config.c", "storage_fields", ""),
        ("storage.tsdb", "cmd/config.c", "tsdb_fields", ""),
        ("storage.tsdb.retention", "cmd/config.c", "retention_fields", "What is set here wins over the flags. `percentage` is of the disk under the data folder."),
        ("storage.tsdb.retention.classes", "cmd/config.c", "class_fields",
         "Series that the selector in `match` selects keep their samples for `keep` instead; the first class that matches "
         "counts. 0s = for ever."),
        ("scrape_configs", "scrape/scrape_conf.c", "fields", ""),
        ("basic_auth", "scrape/scrape_conf.c", "basic_auth_fields", ""),
        ("authorization", "scrape/scrape_conf.c", "authorization_fields", "`type` must be Bearer."),
        ("tls_config", "scrape/scrape_conf.c", "tls_fields", ""),
        ("static_configs", "sd/sd_static.c", "fields", ""),
        ("file_sd_configs", "sd/sd_file.c", "fields", "Files are JSON or YAML, read again when they change."),
        ("relabel_configs, metric_relabel_configs", "model/relabel.c", "relabel_fields", ""),
    ]),
    ("# Rule files", [
        ("the file", "rules/rules_file.c", "file_fields", ""),
        ("groups", "rules/rules_file.c", "group_fields", "`interval`: the global `evaluation_interval` if absent."),
        ("rules", "rules/rules_file.c", "rule_fields", "Either `record` or `alert`."),
    ]),
    ("# alertmanager.yml", [
        ("the file", "alert/notify_conf.c", "top_fields", ""),
        ("global", "alert/notify_conf.c", "global_fields", ""),
        ("route", "alert/notify_conf.c", "route_fields", "One level. `group_by: ['...']` groups by all labels."),
        ("receivers", "alert/notify_conf.c", "receiver_fields", ""),
        ("webhook_configs", "alert/notify_conf.c", "webhook_fields", "Either `url` or `url_file`."),
    ]),
]
SHARED = {"SCRAPE_LIMIT_FIELDS": "scrape/scrape.h"}  # Rows that several tables have, and where they stand.


def balanced(text, at):
    """The end of the bracket that opens at text[at]; strings are passed over."""
    depth, i = 0, at
    while i < len(text):
        if text[i] == '"':
            i = re.compile(r'"(?:\\.|[^"\\])*"').match(text, i).end()
            continue
        depth += (text[i] in "({") - (text[i] in ")}")
        i += 1
        if depth == 0:
            return i
    raise ValueError("unbalanced brackets")


def strings_of(source, name):
    body = re.search(rf"\b{name}\[[^\]]*\] = \{{", source)
    return [s for s in re.findall(r'"([^"]*)"', source[body.end():balanced(source, body.end() - 1)]) if s]


def default_of(source, row):
    found = re.search(r"\.fallback = ([^,)}]+|\"[^\"]*\")", row)
    if not found:
        return ""
    word = found.group(1).strip()
    if not word.startswith('"'):
        word = re.search(rf"#\s*define {word}\s+(\S+)", source).group(1)
    return f"`{word[1:-1]}`".replace("|", "\\|")


def row_read(source, row):
    """(name, None if it is refused else (type, default, required))."""
    name = re.search(r'"([^"]+)"', row).group(1)
    if row.startswith("CONF_REFUSED") or "CONF_UNBUILT" in row:
        return name, None
    kind = re.search(r"\bCONF_(?!FIELD|LIST\b)([A-Z0-9_]+)", row).group(1)
    words = NODES[name] if kind == "NODE" else TYPES[kind]
    if kind == "ENUM":
        words = ", ".join(strings_of(source, re.search(r"\.names = (\w+)", row).group(1)))
    return name, (words, default_of(source, row), "required = true" in row)


def source_read(path):
    with open(os.path.join(ROOT, "src", path), encoding="utf-8") as f:
        return f.read()


def shared_expand(body):
    """A table's text with the rows that it shares with others in their places."""
    for name, path in SHARED.items():
        rows = re.search(rf"#define {name}\(s\)((?:.*\\\n)+.*)", source_read(path)).group(1)
        body = re.sub(rf"\b{name}\(\w+\)", lambda _, rows=rows: rows, body)
    return body


def table_read(path, name):
    source = source_read(path)
    start = re.search(rf"\bconf_field {name}\[\] = \{{", source)
    body = shared_expand(source[start.end():balanced(source, start.end() - 1) - 1])
    rows, i = [], 0
    while (found := re.compile(r"CONF_\w+\(|\{").search(body, i)) is not None:
        i = balanced(body, found.end() - 1)
        rows.append(row_read(source, body[found.start():i]))
    if not rows:
        raise ValueError(f"{path}: the table {name} has no rows")
    return rows


def configuration_page():
    out = [NOTE, "# Configuration\n\n",
           "Keys mean what they mean in Prometheus 3 and Alertmanager. A key that is known there and not built here is\n"
           "refused by name, with its place; an unknown one is refused with the nearest name. Nothing is ignored in\n"
           "silence. A duration is `30s`, `5m`, `1h30m`, `15d`; a size `512MB` or `2GiB`, with a thousand of 1024 in both\n"
           "spellings.\n\n"
           "`/api/v1/status/config` and the Configuration page show what is in force: the file's keys printed anew in the\n"
           "tables' order, those not given at their defaults, and in each job what it takes from `global`. A key that\n"
           "says nothing and has no default is left out, and so are keys that are not built. Secrets are `<secret>`, and\n"
           "`proxy_url` is one. External labels have the environment filled in, with each dollar doubled; globs and\n"
           "relative paths stand as they were written, and jobs of `scrape_config_files` in their files. Put in the\n"
           "file's place, with the secrets back, the page means the same.\n"]
    for heading, sections in PAGES:
        out.append(f"\n#{heading}\n")
        for title, path, table, note in sections:
            rows = table_read(path, table)
            built = [r for r in rows if r[1]]
            refused = [name for name, facts in rows if not facts]
            out.append(f"\n### {title}\n\n")
            out.append(f"{note}\n\n" if note else "")
            out.append("| key | takes | default |\n|---|---|---|\n")
            for name, (words, default, required) in built:
                out.append(f"| `{name}` | {words} | {'required' if required else default} |\n")
            if refused:
                out.append("\nNot built: " + ", ".join(f"`{name}`" for name in refused) + ".\n")
    return "".join(out)


def flags_page(binary):
    text = subprocess.run([binary, "server", "--help"], check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"^  --(\S+)\n        (.+)$", text, re.M)
    if len(rows) < 10:
        raise ValueError("tidemark server --help has hardly a flag")
    refused = re.findall(r'^    UNBUILT\("([^"]+)"\)', source_read("cmd/options.c"), re.M)
    out = [NOTE, "# Flags of `tidemark server`\n\n",
           "A value comes from the flag, else from the environment, else it is the default. `-x`, `--x=y` and `--x y` all\n"
           "do; a switch is turned off by `--no-x`. The Status page shows what is in force.\n\n",
           "| flag | environment | what |\n|---|---|---|\n"]
    for flag, what in rows:
        name = re.split("=", flag)[0]
        env = "TIDEMARK_" + re.sub(r"[.-]", "_", name).upper()
        shown = flag.replace("|", "\\|")
        out.append(f"| `--{shown}` | `{env}` | {what} |\n")
    out.append("\nKnown to Prometheus and not built here; they are refused by name: " +
               ", ".join(f"`--{r}`" for r in refused) + ".\n")
    return "".join(out)


def metrics_page(build):
    os.environ["TIDEMARK_BUILD"] = os.path.join(ROOT, build)
    sys.path.insert(0, os.path.join(ROOT, "tests"))
    import server  # After TIDEMARK_BUILD, which it reads.
    config = ("scrape_configs:\n  - job_name: files\n    file_sd_configs:\n      - files: [targets.json]\n")
    files = {"targets.json": "[]"}
    with server.Server(config=config, files=files, flags=["--collect.host=true"]) as s:
        text = s.get("/metrics").text
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.M))
    out = [NOTE, "# Metrics of the server itself\n\n",
           "What `/metrics` shows. The built-in configuration scrapes it as `job=\"tidemark\"`. Where Prometheus counts the\n"
           "same thing, the name is Prometheus's, so that its dashboards and rules work. What is collected of the host has\n"
           "node_exporter's names and stands in no list here: ask `{job=\"host\"}`.\n\n",
           "| name | type | what |\n|---|---|---|\n"]
    for name in sorted(types):
        out.append(f"| `{name}` | {types[name]} | {helps[name]} |\n")
    return "".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    pages = {"flags.md": flags_page(os.path.join(ROOT, options.build, "tidemark")),
             "configuration.md": configuration_page(), "metrics.md": metrics_page(options.build)}
    stale = 0
    for name, text in pages.items():
        path = os.path.join(FOLDER, name)
        old = open(path, encoding="utf-8").read() if os.path.exists(path) else ""
        if old == text:
            continue
        if options.check:
            stale += 1
            print(f"docs/user/{name} is stale: run tools/gen_docs.py")
            print("\n".join(list(difflib.unified_diff(old.splitlines(), text.splitlines(), lineterm=""))[:20]))
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            print(f"docs/user/{name} written")
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
