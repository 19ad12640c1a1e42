#!/bin/sh
# musl.sh [FOLDER]: the helper alone, static, with musl (build-musl). Debian has no musl builds of the other libraries.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build-musl}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# The kernel's headers are the same for every libc; musl-gcc does not look where they lie, among those of the GNU libc.
headers=$folder/kernel-headers
mkdir -p "$headers"
ln -sfn /usr/include/linux "$headers/linux"
ln -sfn /usr/include/asm-generic "$headers/asm-generic"
ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$headers/asm"
if [ ! -f "$folder/build.ninja" ]; then
    CC=musl-gcc meson setup "$folder" -Dprogram=helper -Dwerror=true -Doptimization=s \
        -Dc_args="-idirafter $headers" -Db_pie=false -Dc_link_args="-static" >"$folder/setup.log" 2>&1 ||
        { cat "$folder/setup.log" >&2; exit 1; }
fi
ninja -C "$folder" --quiet
ls -l "$folder/bin/docker-credential-pratique"
