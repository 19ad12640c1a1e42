#!/bin/sh
# sysroot.sh ARCH FOLDER: the libraries and headers of another Debian architecture (armhf, arm64), unpacked into FOLDER.
# apt works with lists and a status of its own there: this machine's packages are neither looked at nor changed, which its
# own way for this (multiarch) does not promise. It neither needs root nor installs anything.
set -eu
[ $# = 2 ] || { echo "sysroot.sh: usage: tools/sysroot.sh ARCH FOLDER" >&2; exit 2; }
arch=$1
folder=$2
case $arch in
armhf | arm64) ;;
*) echo "sysroot.sh: no such architecture: $arch (there are armhf and arm64)" >&2; exit 2 ;;
esac
packages="libc6-dev libcurl4-openssl-dev libssl-dev libjansson-dev libfyaml-dev libsqlite3-dev libarchive-dev libpsl-dev
    libexpat1-dev libcmocka-dev libengine-pkcs11-openssl libsofthsm2 softhsm2 libtpm2-pkcs11-1 libtss2-tcti-tabrmd0"
done=$folder/.packages
wanted=$(printf '%s ' $packages)
if [ "$(cat "$done" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

# shellcheck disable=SC1091
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$release" ] || { echo "sysroot.sh: /etc/os-release names no release of Debian" >&2; exit 1; }
if [ -e "$folder" ] && [ ! -e "$done" ] && [ ! -e "$folder/.apt" ]; then
    rmdir "$folder" || exit 1 # nobody's sysroot
fi
rm -rf "$folder"
apt=$folder/.apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/etc/apt.conf.d" "$apt/etc/preferences.d" "$apt/etc/trusted.gpg.d"
apt=$(cd "$apt" && pwd)
: >"$apt/status"
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
signed=/usr/share/keyrings/debian-archive-keyring.gpg
cat >"$apt/sources.list" <<EOF
deb [signed-by=$signed] $mirror $release main
deb [signed-by=$signed] $mirror $release-updates main
EOF
# How to reach the mirror (proxies) stays what this machine's apt is told.
set -- \
    -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
    -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" \
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Install-Recommends=false \
    -o APT::Sandbox::User=root -o Debug::NoLocking=true -o APT::Get::List-Cleanup=false -o Acquire::Languages=none \
    -o APT::Update::Pre-Invoke::= -o APT::Update::Post-Invoke::= -o APT::Update::Post-Invoke-Success::= \
    -o DPkg::Post-Invoke::= -qq
log=$folder/.log
# shellcheck disable=SC2086
if ! { apt-get "$@" update && apt-get "$@" -y -d install $packages; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "sysroot.sh: apt could not fetch the packages of $arch" >&2
    exit 1
fi
for package in "$apt"/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
# Nothing of the host: a link to /lib/... means this folder's. Debian 12 knows no /lib that is not in /usr.
find "$folder" -path "$apt" -prune -o -type l -lname '/*' -print | while read -r link; do
    ln -sfnr "$folder$(readlink "$link")" "$link"
done
for name in lib lib32 lib64; do
    [ -d "$folder/$name" ] && [ ! -L "$folder/$name" ] || continue
    mkdir -p "$folder/usr/$name"
    cp -a "$folder/$name/." "$folder/usr/$name/"
    rm -rf "${folder:?}/$name"
    ln -s "usr/$name" "$folder/$name"
done
# Configuration is this machine's: qemu-user looks for every path here first.
rm -rf "$apt" "$folder/etc" "$folder/var"
printf '%s' "$wanted" >"$done"
