#!/bin/sh
# Runs libFuzzer targets: $1 build folder, $2 a target or "all", $3 seconds each, $4 (may be missing)
# how many inputs each, from a fixed seed and without what earlier runs found: the same inputs wherever
# it runs, so that a gate says something of the commit. Without $4 the seed is new each time.
# Starts from tests/corpus/<target> and fails on the first crash, leak or time-out. The planted bugs of
# canary_fuzz and of *_planted_fuzz must be found, by more than the corpus alone (that of the fuzzer they
# are made from, if they have none), or the whole run does not count.
set -eu
cd "$(dirname "$0")/.."
build=$1 target=$2 seconds=$3 runs=${4:-}
passed=0 failed=0
PLANTED_RUNS=500000 # From the fixed seed: whether it is found must not depend on how busy the machine is.
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 # Or it would only be written down.
seeds_of() { # $1 a target's name
    if [ -d "tests/corpus/$1" ]; then echo "tests/corpus/$1"
    else echo "tests/corpus/$1" | sed 's/_\(index_\|meta_\|tree_\|\)planted//'; fi
}
seeds_pass() { # $1 the program
    seeds=$(seeds_of "$(basename "$1")")
    [ ! -d "$seeds" ] || "$1" -runs=0 -artifact_prefix="$build/" "$seeds" >"$build/$(basename "$1").log" 2>&1
}
one() { # $1 the program, $2 how many inputs or nothing, $3 seconds if not the usual
    name=$(basename "$1")
    seeds=$(seeds_of "$name")
    corpus=$build/corpus/$name
    if [ -n "$2" ]; then
        corpus=$build/corpus-fixed/$name
        rm -rf "$corpus"
    fi
    mkdir -p "$corpus" "$seeds"
    if "$1" -max_total_time="${3:-$seconds}" ${2:+-runs="$2" -seed=1} -timeout=10 -rss_limit_mb=2048 \
        -max_len=65536 -print_final_stats=0 \
        -artifact_prefix="$build/$name-" "$corpus" "$seeds" >"$build/$name.log" 2>&1; then
        echo "ok     $name: $(grep -c . "$build/$name.log") log lines, $(find "$corpus" -type f | wc -l) inputs"
        return 0
    fi
    echo "FAILED $name: see $build/$name.log"
    tail -30 "$build/$name.log"
    grep '^Base64:' "$build/$name.log" || true # The input itself, for who cannot reach this machine.
    return 1
}
for f in "$build"/*_fuzz; do
    [ -x "$f" ] && [ ! -d "$f" ] || continue
    name=$(basename "$f")
    [ "$target" = all ] || [ "$target" = "$name" ] || continue
    if [ "$name" = canary_fuzz ] || [ "$name" != "${name%_planted_fuzz}" ]; then
        if ! seeds_pass "$f"; then
            echo "FAILED $name: the corpus alone shows the planted bug"; failed=$((failed + 1))
        elif one "$f" "$PLANTED_RUNS" 600 >/dev/null 2>&1; then
            echo "FAILED $name: the planted bug was not found"; failed=$((failed + 1))
        else
            echo "ok     $name: the planted bug was found"; passed=$((passed + 1))
        fi
    elif one "$f" "$runs"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
