#!/bin/sh
# Runs libFuzzer targets: $1 build folder, $2 a target or "all", $3 seconds each. Starts from
# tests/corpus/<target> and fails on the first crash, leak or time-out. The planted bugs of canary_fuzz
# and of *_planted_fuzz must be found, or the whole run does not count.
set -eu
cd "$(dirname "$0")/.."
build=$1 target=$2 seconds=$3
passed=0 failed=0
one() {
    name=$(basename "$1")
    corpus=$build/corpus/$name
    mkdir -p "$corpus" "tests/corpus/$name"
    if "$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=0 \
        -artifact_prefix="$build/$name-" "$corpus" "tests/corpus/$name" >"$build/$name.log" 2>&1; then
        echo "ok     $name: $(grep -c . "$build/$name.log") log lines, $(find "$corpus" -type f | wc -l) inputs"
        return 0
    fi
    echo "FAILED $name: see $build/$name.log"
    tail -30 "$build/$name.log"
    return 1
}
for f in "$build"/*_fuzz; do
    [ -x "$f" ] && [ ! -d "$f" ] || continue
    name=$(basename "$f")
    [ "$target" = all ] || [ "$target" = "$name" ] || continue
    if [ "$name" = canary_fuzz ] || [ "$name" != "${name%_planted_fuzz}" ]; then
        if one "$f" >/dev/null 2>&1; then
            echo "FAILED $name: the planted bug was not found"; failed=$((failed + 1))
        else
            echo "ok     $name: the planted bug was found"; passed=$((passed + 1))
        fi
    elif one "$f"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
