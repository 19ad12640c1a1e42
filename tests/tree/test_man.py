"""The man pages are what the program says of itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PRATIQUE_BIN_DIR") or ROOT / "build/bin")

PROGRAM = """\
#!/bin/sh
case $1 in
help) cat <<'END'
Usage: pratique [GLOBAL OPTIONS] COMMAND ...

What it is.

Commands:
  secrets list        Lists them.

Global options:
  -q, --quiet               Print errors only.

Exit status: 0 done;
1 not.

Examples:
  $ pratique secrets list     all of them
END
;;
*) cat <<'END'
Usage: pratique [GLOBAL OPTIONS] secrets list

.Dots and \\backslashes come through.

Options:
      --a-very-long-option-name ARGUMENT
                            What it does, in
                            two lines.

Global options:
  -q, --quiet               Print errors only.

Examples:
  $ pratique secrets list
END
esac
"""


def man(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "docs/man.py", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "pratique"
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return path


def test_the_pages_are_what_the_program_says():
    result = man("--check", PROGRAMS / "pratique", ROOT / "docs/man")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_page_that_differs_is_missing_or_is_too_many_is_reported(program, tmp_path):
    folder = tmp_path / "man"
    assert man(program, folder).returncode == 0
    assert man("--check", program, folder).returncode == 0
    (folder / "pratique-secrets-list.1").write_text(".TH OLD\n")
    (folder / "pratique.1").unlink()
    (folder / "pratique-gone.1").touch()
    (folder / "pratique-gone.1").write_text("gone\n")
    result = man("--check", program, folder)
    assert result.returncode == 1
    for name in ("pratique.1", "pratique-secrets-list.1", "pratique-gone.1"):
        assert f"--- docs/man/{name}" in result.stdout
    assert man(program, folder).returncode == 0
    assert man("--check", program, folder).returncode == 0


def test_a_page_has_all_that_the_help_has(program, tmp_path):
    folder = tmp_path / "man"
    assert man(program, folder).returncode == 0
    page = (folder / "pratique-secrets-list.1").read_text()
    assert "pratique\\-secrets\\-list \\- Lists them." in page
    assert "\n\\&.Dots and \\ebackslashes come through.\n" in page
    assert "\\fB\\-\\-a\\-very\\-long\\-option\\-name ARGUMENT\\fR\nWhat it does, in\ntwo lines.\n" in page
    assert "\n$ pratique secrets list\n" in page
    assert ".SH EXIT STATUS\n.PP\n0 done;\n1 not.\n" in (folder / "pratique.1").read_text()
