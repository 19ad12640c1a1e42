"""The units for devices, as systemd's own tools judge them."""

import os
import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PRATIQUE_BIN_DIR") or ROOT / "build/bin")
UNITS = ROOT / "packaging/systemd"
# systemd's own words: below 2.0 it could hardly be less and still reach a network.
MOST_EXPOSED = 2.0


def needs(program: str) -> str:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not there")
    return found


def said(*argv: object) -> tuple[int, str]:
    result = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def units(tmp_path) -> Path:
    """As installed, but that the program is where it was built."""
    for unit in UNITS.glob("*.s*"):
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace("=/usr/bin/pratique ", f"={PROGRAMS}/pratique "), encoding="utf-8")
    return tmp_path


def section(unit: str, name: str) -> dict[str, str]:
    parser = RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str
    parser.read(UNITS / unit, encoding="utf-8")
    return dict(parser[name])


def test_systemd_finds_nothing_wrong(units):
    verify = [needs("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no"]
    assert said(*verify, *sorted(units.glob("*.s[eo]*"))) == (0, "")
    service = units / "pratique-device.service"
    service.write_text(service.read_text().replace("ProtectSystem=", "ProtectSistem="), encoding="utf-8")
    assert "ProtectSistem" in said(*verify, service)[1]


def test_the_service_is_hardly_exposed(units, record_property):
    analyze = needs("systemd-analyze")
    service = units / "pratique-device.service"
    status, text = said(analyze, "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED * 10:.0f}", service)
    found = re.search(r"Overall exposure level for pratique-device.service: ([\d.]+) (\w+)", text)
    assert status == 0 and found, text
    record_property("note", f"systemd-analyze security: {found[1]} {found[2]}")
    assert float(found[1]) < MOST_EXPOSED and found[2] == "OK"
    assert said(analyze, "security", "--offline=true", "--threshold=10", service)[0] != 0


def test_what_others_rely_on():
    socket = section("pratique-device.socket", "Socket")
    assert socket["ListenStream"] == "/run/pratique-device/socket"
    assert (socket["SocketUser"], socket["SocketGroup"], socket["SocketMode"]) == ("root", "pratique", "0660")
    service = section("pratique-device.service", "Service")
    assert service["ExecStart"] == "/usr/bin/pratique device serve"
    assert (service["RuntimeDirectory"], service["RuntimeDirectoryMode"]) == ("pratique", "0700")


def test_a_boot_without_a_network_is_not_held_up():
    unit = section("pratique-device.service", "Unit")
    assert not [key for key in unit if re.search("network-online|time-sync", unit[key])]


def test_the_group_is_made(tmp_path):
    sysusers = needs("systemd-sysusers")
    (tmp_path / "etc").mkdir()
    status, text = said(sysusers, f"--root={tmp_path}", UNITS / "pratique-device.sysusers")
    assert status == 0, text
    assert (tmp_path / "etc/group").read_text().startswith("pratique:x:")
    assert not (tmp_path / "etc/passwd").exists() or "pratique" not in (tmp_path / "etc/passwd").read_text()


def test_packages_are_of_this_version():
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]
    assert (ROOT / "packaging/debian/changelog").read_text().startswith(f"pratique ({version}) ")
    assert list((ROOT / "packaging/yocto").glob(f"meta-pratique/recipes-*/pratique/pratique_{version}.bb"))
