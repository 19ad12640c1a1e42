SUMMARY = "YAML 1.2 with the position of every scalar"
DESCRIPTION = "A YAML 1.2 parser and emitter. The layers of this series have none."
HOMEPAGE = "https://github.com/pantoniou/libfyaml"
BUGTRACKER = "https://github.com/pantoniou/libfyaml/issues"
SECTION = "libs"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=6399094fbc639a289cfca2d660c010aa"
CVE_PRODUCT = "libfyaml"

SRC_URI = "https://github.com/pantoniou/libfyaml/releases/download/v${PV}/libfyaml-${PV}.tar.gz"
SRC_URI[sha256sum] = "485342c6920e9fdc2addfe75e5c3e0381793f18b339ab7393c1b6edf78bf8ca8"

UPSTREAM_CHECK_URI = "https://github.com/pantoniou/libfyaml/releases"

inherit autotools pkgconfig

EXTRA_OECONF += "--disable-network"

# fy-tool is for people.
PACKAGES =+ "${PN}-tools"
FILES:${PN}-tools += "${bindir}"
