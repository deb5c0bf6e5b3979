#!/bin/sh
# clang-format and clang-tidy over our C; $1 is a configured build folder (for its compile
# commands). Only files that changed since the last clean run are looked at again.
set -eu
cd "$(dirname "$0")/.."
build=$1
files=$(git ls-files 'src/*.c' 'src/*.h' 'client/*.c' 'client/*.h' 'bench/*.c')
# shellcheck disable=SC2086 # A list of words is meant.
clang-format --dry-run -Werror $files

stamps=$build/lint
mkdir -p "$stamps"
# The compile commands less the flags that gcc alone knows.
sed 's/-ftrivial-auto-var-init=zero//g; s/-W\(duplicated-cond\|logical-op\|jump-misses-init\)//g' \
    "$build/compile_commands.json" >"$stamps/compile_commands.json"
todo=
for f in $(git ls-files 'src/*.c' 'client/*.c'); do
    case $f in *_test.c | *_fuzz.c | *_golden.c | *_rig.c | *_fixture.c) continue ;; esac
    stamp=$stamps/$(echo "$f" | tr / _)
    sum=$(cat "$f" .clang-tidy | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null || true)" = "$sum" ] || todo="$todo $f"
done
[ -n "$todo" ] || { echo "lint: nothing changed"; exit 0; }
export stamps
# shellcheck disable=SC2016 # The inner shell expands.
if echo "$todo" | tr ' ' '\n' | grep . | xargs -P "$(nproc)" -I{} sh -c '
    if out=$(clang-tidy -p "$stamps" --quiet "$1" 2>/dev/null); then
        cat "$1" .clang-tidy | sha256sum > "$stamps/$(echo "$1" | tr / _)"
    else
        echo "$out"
        exit 1
    fi' sh {}; then
    echo "lint: clean"
else
    echo "lint: there are findings"
    exit 1
fi
