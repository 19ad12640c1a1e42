#!/bin/sh
# Everything that judges the sources without running them. Each judge runs; the exit status tells whether one objected.
set -u
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-/usr/bin/python3}
export PYTHONDONTWRITEBYTECODE=1
objected=

judge() {
    what=$1
    shift
    echo "== $what"
    if ! "$@"; then
        objected="$objected $what;"
    fi
}

# A compiler's build, with all warnings as errors.
compile() {
    folder=$1
    compiler=$2
    if [ ! -f "$folder/build.ninja" ]; then
        CC=$compiler meson setup "$folder" -Dwerror=true >"$folder.log" 2>&1 || { cat "$folder.log"; return 1; }
        rm -f "$folder.log"
    fi
    meson configure "$folder" -Dwerror=true && ninja -C "$folder" --quiet
}

# The sources as the clang build compiles them. The analyzer's path notes stay in build-clang/tidy.log.
clang_tidy() {
    run-clang-tidy -quiet -j "$(nproc)" -p build-clang "$PWD/(src|tests)/.*\.c$" >build-clang/tidy.raw 2>build-clang/tidy.err
    status=$?
    sed 's/\x1b\[[0-9;]*m//g' build-clang/tidy.raw >build-clang/tidy.log
    rm -f build-clang/tidy.raw
    if ! grep -E '^[^ ]+:[0-9]+:[0-9]+: (warning|error): ' build-clang/tidy.log && [ $status != 0 ]; then
        tail -20 build-clang/tidy.err
    fi
    return $status
}

check_format() {
    git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
}

check_python() {
    git ls-files -z '*.py' tests/run | xargs -0 "$python" -c '
import sys
for name in sys.argv[1:]:
    compile(open(name, encoding="utf-8").read(), name, "exec")
'
}

check_shell() {
    status=0
    for script in tools/*.sh .ci/run; do
        bash -n "$script" || status=1
    done
    return $status
}

judge "gcc -Werror" compile build gcc
judge "clang -Werror" compile build-clang clang
judge "clang-tidy" clang_tidy
# internalAstError: cppcheck 2.10 does not parse all of C17.
# CastIntegerToAddressAtReturn: nor does it see the type behind a __typeof__, as in stand-ins.
judge "cppcheck" cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
    --suppress=missingIncludeSystem --suppress=internalAstError --suppress="CastIntegerToAddressAtReturn:*_lazy.c" \
    --error-exitcode=1 \
    -D_GNU_SOURCE -D__GNUC__ -D__STDC_VERSION__=201710L -DPRATIQUE_VERSION='""' -I src -j 2 src
judge "clang-format" check_format
judge "floors" "$python" tests/floors.py
judge "python" check_python
judge "shell" check_shell

if [ -n "$objected" ]; then
    echo "lint: objections by${objected%;}"
    exit 1
fi
echo "lint: no objections"
