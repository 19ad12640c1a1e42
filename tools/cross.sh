#!/bin/sh
# cross.sh ARCH...: builds everything for other machines, armhf (32-bit ARM) and arm64, into build-armhf and build-arm64.
# The libraries come from Debian into a sysroot beside it (tools/sysroot.sh); nothing is installed.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- armhf arm64
for arch in "$@"; do
    folder=$PWD/build-$arch
    sysroot=$PWD/build-sysroot/$arch
    tools/sysroot.sh "$arch" "$sysroot"
    if [ ! -f "$folder/build.ninja" ]; then
        mkdir -p "$folder"
        printf "[constants]\nsysroot = '%s'\n" "$sysroot" >"$folder/sysroot.ini"
        meson setup "$folder" --cross-file "packaging/cross/$arch.ini" --cross-file "$folder/sysroot.ini" \
            -Dwerror=true >"$folder/setup.log" 2>&1 || { cat "$folder/setup.log" >&2; exit 1; }
    fi
    ninja -C "$folder" --quiet
    tools/foreign.py "$arch" "$sysroot" "$folder/bin/pratique" version | sed "s/^/$arch: /"
done
