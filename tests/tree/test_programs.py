"""What the programs are linked with."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PROGRAMS = Path(os.environ.get("PRATIQUE_BIN_DIR") or Path(__file__).resolve().parents[2] / "build/bin")


DEVICE = PROGRAMS.parent / "bin-device"


def needed(program: Path) -> list[str]:
    text = subprocess.run(["readelf", "-dW", program], capture_output=True, text=True, check=True).stdout
    assert "Dynamic section" in text
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", text)


def test_the_helper_needs_libc_and_nothing_else():
    assert needed(PROGRAMS / "docker-credential-pratique") == ["libc.so.6"]


def test_what_only_some_commands_need_is_loaded_by_them():
    """src/base/library.h: some thirty libraries less at every start."""
    late = ("libcurl", "libsqlite3", "libpsl", "libarchive")
    libraries = needed(PROGRAMS / "pratique")
    assert libraries and not [name for name in libraries if name.startswith(late)]


def test_the_check_sees_other_libraries():
    assert "libc.so.6" in needed(Path("/usr/bin/curl")) and len(needed(Path("/usr/bin/curl"))) > 1


def test_the_programs_lie_side_by_side():
    names = {path.name for path in PROGRAMS.iterdir()}
    assert {"pratique", "docker-credential-pratique"} <= names
    assert all(os.access(PROGRAMS / name, os.X_OK) for name in names)


def test_a_device_gets_its_commands_and_no_more():
    said = subprocess.run([DEVICE / "pratique", "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([\w-]+)", said.split("Commands:\n")[1].split("\n\n")[0], re.MULTILINE)
    assert set(names) <= {"config", "credential", "device"} and {"config", "credential"} <= set(names)
    wrong = subprocess.run([DEVICE / "pratique", "target", "build"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "the program of devices" in wrong.stderr


def test_a_device_needs_no_more_libraries_than_ci_does():
    assert set(needed(DEVICE / "pratique")) <= set(needed(PROGRAMS / "pratique"))
    assert b"libarchive" not in (DEVICE / "pratique").read_bytes()


def test_a_device_gets_less_than_a_mebibyte(tmp_path, record_property):
    if "asan" in str(PROGRAMS):
        pytest.skip("not what is installed")
    sizes = {}
    for name in ("pratique", "docker-credential-pratique"):
        subprocess.run(["strip", "-o", tmp_path / name, DEVICE / name], check=True)
        sizes[name] = (tmp_path / name).stat().st_size
    record_property("note", f"stripped, on a device: {sizes}")
    assert sum(sizes.values()) < 900 * 1024  # the units and pages come to some 30 KiB
