#!/usr/bin/env python3
"""House rules that no compiler checks: floors, private headers, unique names, sizes, banned calls,
one door to each third-party header, bare TODOs, dead files, dead links, large blobs.

Prints file:line: rule: what; exits 1 if there is anything to say. `--self-test` plants one breach
of each rule in a scratch tree and fails unless each is found.
"""
import os
import re
import subprocess
import sys
import tempfile

BANNED = ("strcpy strcat sprintf vsprintf gets strtok atoi atol atoll atof alloca system popen "
          "strtod strtof scanf sscanf").split()
BANNED_RE = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
PRINT_RE = re.compile(r"(?<![\w.>])(printf|puts|putchar|perror)\s*\(")
INCLUDE_RE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
TODO_RE = re.compile(r"\b(TODO(?!\(#\d+\))|FIXME|XXX|HACK)\b")
LIMITS = {".h": 200, ".c": 1200, ".cc": 1200}
LINE_MAX = 100
FUNCTION_MAX = 70
BLOB_MAX = 512 << 10
PUBLIC_FLOOR = 4  # From here up a folder shows exactly one header.
# Folders whose public header is not named after them, or that show a second one, with the reason.
PUBLIC = {
    "storage": {"storage.h", "memstore.h", "storage_conformance.h"},  # the oracle and its suite
    # The door; what an administrator does; what is told; what tools do to a folder that nobody serves.
    "tsdb": {"tsdb.h", "tsdb_admin.h", "tsdb_status.h", "tsdb_files.h"},
    "alert": {"alerting.h"},  # model/alert.h has the name
}
# Third-party headers and the one file that may include each.
LIBC = set("""assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp
signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string threads
time uchar wchar wctype pthread unistd fcntl poll dirent dlfcn execinfo sched semaphore netdb
strings termios getopt glob langinfo syslog utime spawn ifaddrs endian byteswap malloc features
charconv cstring cstdint cstddef string_view memory new vector exception optional system_error
cmath limits algorithm utility initializer_list string array cpuid immintrin nmmintrin emmintrin
x86intrin arm_acle mutex map""".split())


def say(out, path, line, rule, text):
    out.append(f"{path}:{line}: {rule}: {text}")


def load_floors(root):
    floors = {}
    for line in open(os.path.join(root, "tools/floors.txt")):
        if line.strip() and not line.startswith("#"):
            number, *folders = line.split()
            floors.update({f: int(number) for f in folders})
    return floors


def tracked(root):
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root,
                             capture_output=True, text=True)
    if listing.returncode == 0 and listing.stdout:
        names = listing.stdout.split("\n")
    else:
        names = [os.path.relpath(os.path.join(d, f), root)
                 for d, _, fs in os.walk(root) for f in fs]
    return sorted(n for n in names if n and os.path.isfile(os.path.join(root, n)))


def strip_code(text):
    """Blanks comments and literals, keeps the lines."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def is_aside(path):
    base = os.path.basename(path)
    return bool(re.search(r"_(test|fuzz|bench)\.(c|cc)$", base)) or path.startswith(("tests/", "bench/"))


def check_include(out, path, number, target, quoted, floors, doors):
    parts = path.split("/")
    folder = parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]
    if not quoted:
        name = target[:-2] if target.endswith(".h") else target
        if name in LIBC or target.split("/")[0] in ("sys", "netinet", "arpa", "linux", "net"):
            return
        doors.setdefault(target, {})[path] = number
        return
    top = target.split("/")[0]
    if top in floors and folder in floors:
        here, there = floors[folder], floors[top]
        if top != folder and there >= here:
            say(out, path, number, "floors", f"{folder} (floor {here}) may not include {target} (floor {there})")
        if top != folder and there >= PUBLIC_FLOOR and not is_public(top, os.path.basename(target)):
            say(out, path, number, "private header", f"{target} is private to {top}")
    elif top == "client" and floors.get(folder, 9) < 1:
        say(out, path, number, "floors", "base may not include client")


def is_public(folder, header):
    return header in PUBLIC.get(folder, {folder + ".h"})


def check_functions(out, path, code):
    start = None
    lines = code.split("\n")
    for i, line in enumerate(lines):
        if line.startswith("{"):
            start = i
        elif line.startswith("}") and start is not None:
            if i - start + 1 > FUNCTION_MAX and "NOLINT" not in lines[start - 1]:
                say(out, path, start + 1, "size", f"function of {i - start + 1} lines, at most {FUNCTION_MAX}")
            start = None


def check_source(out, path, text, floors, doors):
    code = strip_code(text)
    raw_lines = text.split("\n")
    for number, (raw, line) in enumerate(zip(raw_lines, code.split("\n")), 1):
        m = INCLUDE_RE.match(raw)
        if m:
            check_include(out, path, number, m.group(2), m.group(1) == '"', floors, doors)
        if len(raw) > LINE_MAX and "http" not in raw and not path.endswith("_golden.c"):
            say(out, path, number, "size", f"line of {len(raw)} characters, at most {LINE_MAX}")
        m = BANNED_RE.search(line)
        if m and path.startswith("src/"):
            say(out, path, number, "banned call", m.group(1))
        m = PRINT_RE.search(line)
        if m and path.startswith("src/") and not path.startswith("src/cmd/") and not is_aside(path) \
                and os.path.basename(path) not in ("test_main.c", "check.c"):
            say(out, path, number, "banned call", f"{m.group(1)}: only cmd talks to the terminal")
        if TODO_RE.search(raw):
            say(out, path, number, "todo", "TODO(#issue) only, with an issue")
    limit = LIMITS.get(os.path.splitext(path)[1])
    # A C string over several lines is data (tests' pages, golden tables), not code to read.
    if limit and len(raw_lines) - 1 > limit and not path.endswith("_golden.c"):
        say(out, path, 1, "size", f"{len(raw_lines) - 1} lines, at most {limit}")
    if not is_aside(path):
        check_functions(out, path, text)
    if path.endswith(".h") and path.startswith("src/") and "Threads:" not in text and re.search(r"^struct \w+ \{", text, re.M) is not None:
        say(out, path, 1, "threads", "a header with structs needs a Threads: line")


def check_names(out, files):
    seen = {}
    for path in files:
        if path.startswith("src/") and path.endswith((".c", ".h", ".cc")):
            stem = os.path.splitext(os.path.basename(path))[0]
            folder = os.path.dirname(path)
            other = seen.setdefault(stem, folder)
            if other != folder:
                say(out, path, 1, "names", f"{stem} exists in {other} too: basenames are unique")


def check_dead(out, root, files):
    builds = "\n".join(open(os.path.join(root, f)).read() for f in files if f.endswith("meson.build"))
    for path in files:
        if path.startswith(("src/", "client/")) and path.endswith((".c", ".cc")):
            name = os.path.basename(path)
            if f"'{name}'" not in builds and f"/{name}'" not in builds:
                say(out, path, 1, "dead file", "no meson.build lists it")


def check_links(out, root, files):
    for path in files:
        if not path.endswith(".md"):
            continue
        for number, line in enumerate(open(os.path.join(root, path), encoding="utf-8", errors="replace"), 1):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if "://" in target or target.startswith("mailto:"):
                    continue
                if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
                    say(out, path, number, "dead link", target)


def check_doors(out, doors):
    for header, users in sorted(doors.items()):
        if len(users) > 1:
            first, *rest = sorted(users)
            for path in rest:
                say(out, path, users[path], "one door", f"<{header}> is {first}'s to include")


def check_tree(root):
    out, doors = [], {}
    floors = load_floors(root)
    files = tracked(root)
    for path in files:
        full = os.path.join(root, path)
        if os.path.getsize(full) > BLOB_MAX and not path.startswith("ui/package-lock"):
            say(out, path, 1, "blob", f"{os.path.getsize(full)} bytes, at most {BLOB_MAX}")
        if path.endswith((".c", ".h", ".cc")) and path.startswith(("src/", "client/", "bench/", "tests/")):
            text = open(full, encoding="utf-8", errors="replace").read()
            check_source(out, path, text, floors, doors if not is_aside(path) and path.startswith("src/") else {})
    check_names(out, files)
    check_dead(out, root, files)
    check_links(out, root, files)
    check_doors(out, doors)
    return out


PLANTED = {
    "floors": ("src/base/a1.c", '#include "os/fs.h"\n'),
    "private header": ("src/api/a2.c", '#include "tsdb/head.h"\n'),
    "banned call": ("src/os/a3.c", "int f(void)\n{\n    return atoi(p);\n}\n"),
    "size": ("src/os/a4.c", "int x;\n" * 1300),
    "todo": ("src/os/a5.c", "// TO" + "DO later\n"),
    "one door": ("src/os/a7.c", "#include <zstd.h>\n"),
    "names": ("src/wire/a4.c", "int y;\n"),
    "dead link": ("docs/x.md", "[x](nowhere.md)\n"),
    "dead file": ("src/os/a8.c", "int z;\n"),
}


def self_test():
    with tempfile.TemporaryDirectory() as root:
        def put(path, text):
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w") as f:
                f.write(text)
        here = os.path.dirname(os.path.abspath(__file__))
        put("tools/floors.txt", open(os.path.join(here, "floors.txt")).read())
        put("src/os/a6.c", "#include <zstd.h>\n")
        for path, text in PLANTED.values():
            put(path, text)
        found = check_tree(root)
    missed = [rule for rule, (path, _) in PLANTED.items()
              if not any(l.startswith(path) and f": {rule}:" in l for l in found)]
    for rule in missed:
        print(f"tidy: self-test: a planted breach of '{rule}' was not found")
    return not missed


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if "--self-test" in sys.argv:
        sys.exit(0 if self_test() else 1)
    found = check_tree(root)
    print("\n".join(found))
    if not self_test():
        sys.exit(1)
    print(f"tidy: {len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
