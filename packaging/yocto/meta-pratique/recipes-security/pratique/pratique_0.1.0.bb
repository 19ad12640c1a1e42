SUMMARY = "Private container registries for a device with a certificate"
DESCRIPTION = "Lets docker or podman pull from private container registries with no cloud key on the device. \
    pratique has the program and the credential helper, pratique-device the units that start its agent."
SECTION = "admin"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"
CVE_PRODUCT = "pratique"

DEPENDS = "curl expat jansson libfyaml libpsl openssl sqlite3"

# The tree that this layer lies in. To build a commit of a repository instead, set EXTERNALSRC:pn-pratique to nothing, and
# SRC_URI, SRCREV and S as for any other.
SRC_URI = ""
EXTERNALSRC ?= "${@os.path.realpath(d.expand('${THISDIR}/../../../../..'))}"
EXTERNALSRC_BUILD ?= "${WORKDIR}/build"

inherit externalsrc features_check meson pkgconfig systemd useradd

REQUIRED_DISTRO_FEATURES = "systemd"

# The program of devices; with `ci` that of CI, with every command.
PACKAGECONFIG ??= ""
PACKAGECONFIG[ci] = "-Dprogram=full,-Dprogram=device,libarchive,libarchive libsqlite3"

# meson.build says what is optimised for speed and what for size; -O2 here would come last and overrule it.
MESON_BUILDTYPE = "debugoptimized"
FULL_OPTIMIZATION:remove = "-O2"

do_install:append() {
    install -d ${D}${systemd_system_unitdir} ${D}${mandir}/man1
    install -m 0644 ${S}/packaging/systemd/pratique-device.socket ${S}/packaging/systemd/pratique-device.service \
        ${D}${systemd_system_unitdir}
    sed -i -e 's,/usr/bin/,${bindir}/,' ${D}${systemd_system_unitdir}/pratique-device.service
    install -m 0644 ${S}/docs/man/*.1 ${D}${mandir}/man1
}

PACKAGE_BEFORE_PN = "${PN}-device"
FILES:${PN}-device += "${systemd_system_unitdir}"

# Loaded when they are first needed (src/base/library.h), so that no one sees them in the program.
RDEPENDS:${PN} += "ca-certificates libcurl libpsl"
RDEPENDS:${PN}-device += "${PN}"
# Keys in a PKCS#11 token or a TPM.
RRECOMMENDS:${PN}-device += "libp11"

USERADD_PACKAGES = "${PN}-device"
GROUPADD_PARAM:${PN}-device = "--system pratique"

SYSTEMD_PACKAGES = "${PN}-device"
SYSTEMD_SERVICE:${PN}-device = "pratique-device.socket"
# An image that comes with its device.yml enables it; else `pratique device setup` does, on the device.
SYSTEMD_AUTO_ENABLE:${PN}-device ?= "disable"
