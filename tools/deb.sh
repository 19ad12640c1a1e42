#!/bin/bash
# deb.sh [FOLDER]: builds the Debian packages from the tree as it lies into FOLDER (build-deb), and lets lintian judge them.
# Nothing is written elsewhere: what git would know of is copied first. DEB_BUILD_OPTIONS are dpkg-buildpackage's; without
# any, the unit tests are not run again (nocheck), for `make test` has done so.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build-deb}
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-nocheck}"
# What only the tests need is then not asked for either.
case " $DEB_BUILD_OPTIONS " in *" nocheck "*) export DEB_BUILD_PROFILES="${DEB_BUILD_PROFILES-nocheck}" ;; esac
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
log=$folder/log
# Packages of an earlier build would be taken for these.
rm -rf "$folder/tree" "$folder"/*.deb "$folder"/*.buildinfo "$folder"/*.changes
mkdir "$folder/tree"
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
else
    find . -path './build*' -prune -o -type f -print0
fi | while IFS= read -r -d '' name; do [ ! -e "$name" ] || printf '%s\0' "$name"; done |
    tar -c --null -T - | tar -x -C "$folder/tree"
cp -r "$folder/tree/packaging/debian" "$folder/tree/debian"
cd "$folder/tree"
if ! dpkg-buildpackage -us -uc -b >"$log" 2>&1 </dev/null; then
    tail -40 "$log" >&2
    echo "deb.sh: dpkg-buildpackage failed; the whole of it is in $log" >&2
    exit 1
fi
cd "$folder"
rm -rf tree
if command -v lintian >/dev/null 2>&1; then
    lintian --fail-on error,warning --tag-display-limit 0 ./*.changes >"$folder/lintian" 2>&1 || { cat "$folder/lintian" >&2; exit 1; }
fi
for package in ./*.deb; do
    echo "$folder/${package#./}"
done
