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
todo=
for f in $(git ls-files 'src/*.c' 'client/*.c'); do
    case $f in *_test.c | *_fuzz.c | *_golden.c) continue ;; esac
    stamp=$stamps/$(echo "$f" | tr / _)
    sum=$(cat "$f" .clang-tidy | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null || true)" = "$sum" ] || todo="$todo $f"
done
[ -n "$todo" ] || { echo "lint: nothing changed"; exit 0; }
# gcc-only flags in the compile commands are not clang-tidy's to judge.
export build stamps
# shellcheck disable=SC2016
echo "$todo" | tr ' ' '\n' | grep . | xargs -P "$(nproc)" -I{} sh -c '
    if out=$(clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-unused-command-line-argument "$1" 2>/dev/null); then
        cat "$1" .clang-tidy | sha256sum > "$stamps/$(echo "$1" | tr / _)"
    else
        echo "$out"; echo "lint: $1 has findings"; exit 1
    fi' sh {}
echo "lint: clean"
