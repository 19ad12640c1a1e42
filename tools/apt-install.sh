#!/bin/sh
# apt-install.sh PURPOSE...: installs the Debian packages that the purposes need and that are missing. With nothing
# missing it does not touch apt. Elsewhere than on Debian it only says what is needed.
# Purposes: build test demo lint fuzz bench interop deb packages cross musl. --list prints the packages instead.
set -eu

packages_for() {
    case $1 in
    build)
        echo build-essential meson ninja-build pkg-config python3 \
            libcurl4-openssl-dev libssl-dev libjansson-dev libfyaml-dev libsqlite3-dev libarchive-dev \
            libpsl-dev libexpat1-dev libcmocka-dev
        ;;
    demo)
        # The lab, and the engine and clients that the programs work with.
        echo buildah uidmap skopeo docker-registry busybox-static ca-certificates curl git openssl \
            python3-bcrypt python3-botocore python3-cryptography python3-jwt \
            softhsm2 libengine-pkcs11-openssl opensc nginx-light
        ;;
    test)
        packages_for demo
        # The clients that prove the lab and the helper, and the judges of what is signed.
        echo python3-pytest python3-securesystemslib python3-yaml awscli amazon-ecr-credential-helper podman \
            swtpm tpm2-abrmd libtss2-tcti-tabrmd0 libtpm2-pkcs11-1 libtpm2-pkcs11-tools dbus faketime systemd
        ;;
    lint) echo clang clang-format clang-tidy cppcheck ;;
    fuzz) echo clang libclang-rt-14-dev ;;
    bench)
        packages_for demo
        echo awscli amazon-ecr-credential-helper
        ;;
    interop)
        packages_for test
        # Of the other judges, those of PyPI, npm and the Go module proxy, none is Debian's.
        echo libfyaml-utils python3-venv
        ;;
    deb) echo debhelper dpkg-dev lintian ;;
    packages) echo debootstrap systemd-container ;;
    cross) echo gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf qemu-user-static ;;
    musl) echo musl-tools ;;
    *)
        echo "apt-install.sh: no such purpose: $1" >&2
        exit 2
        ;;
    esac
}

list=false
if [ "${1:-}" = --list ]; then
    list=true
    shift
fi
wanted=
for purpose in "$@"; do
    more=$(packages_for "$purpose")
    wanted="$wanted $more"
done
wanted=$(printf '%s\n' $wanted | sort -u)
if $list; then
    printf '%s\n' "$wanted"
    exit 0
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not Debian: see to it that the counterparts of these packages are there:" $wanted >&2
    exit 0
fi
# dpkg-query fails when it does not know one of them, and still tells of the others.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p' || true)
missing=
for package in $wanted; do
    printf '%s\n' "$installed" | grep -qx -- "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=env
elif command -v sudo >/dev/null 2>&1; then
    as_root='sudo env'
else
    echo "Missing packages, and neither root nor sudo to install them with; as root: apt-get install$missing" >&2
    exit 1
fi
echo "Installing with apt:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Its many lines are shown only when it fails.
apt() {
    $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1
}
# Lists that are fresh enough need no update; where they are missing or stale, installing fails.
# shellcheck disable=SC2086
apt install --no-install-recommends $missing && exit 0
echo "Not there yet; once more with new package lists" >&2
# shellcheck disable=SC2086
if ! apt update || ! apt install --no-install-recommends $missing; then
    cat "$log" >&2
    echo "apt-get could not install:$missing" >&2
    exit 1
fi
