#!/bin/sh
# fuzz.sh [SECONDS [NAME...]]: runs each fuzz target (or those named) for that long, from its seeds and what earlier runs
# found (build-fuzz/corpus/NAME). Inputs that break a target are left in build-fuzz/artifacts.
set -u
cd "$(dirname "$0")/.." || exit 2
seconds=${1:-60}
[ $# -gt 0 ] && shift
folder=build-fuzz
if [ ! -f $folder/build.ninja ]; then
    CC=clang meson setup $folder -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false || exit 2
fi
ninja -C $folder || exit 2
mkdir -p $folder/artifacts
broken=
if [ $# -eq 0 ]; then
    for program in $folder/tests/fuzz/fuzz-*; do
        if [ -f "$program" ] && [ -x "$program" ]; then
            set -- "$@" "${program##*/fuzz-}"
        fi
    done
fi
[ $# -gt 0 ] || { echo "fuzz: no targets" >&2; exit 2; }
for name in "$@"; do
    echo "== $name, $seconds s"
    mkdir -p "$folder/corpus/$name"
    log=$folder/artifacts/$name.log
    if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$folder/tests/fuzz/fuzz-$name" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$folder/artifacts/$name-" "$folder/corpus/$name" "tests/fuzz/seeds/$name" >"$log" 2>&1; then
        grep -E 'stat::(number_of_executed_units|peak_rss_mb)' "$log"
    else
        tail -40 "$log"
        broken="$broken $name"
    fi
done
[ -z "$broken" ] || { echo "fuzz: broken:$broken"; exit 1; }
echo "fuzz: nothing broke"
