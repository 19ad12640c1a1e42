"""What the programs are linked with."""

import os
import re
import subprocess
from pathlib import Path

PROGRAMS = Path(os.environ.get("PRATIQUE_BIN_DIR") or Path(__file__).resolve().parents[2] / "build/bin")


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
