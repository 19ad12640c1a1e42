"""A user's world in one folder: a home, a working directory, an environment with nothing of the caller's. Every output,
and every call of a program that pratique makes, is kept for the check of leaks."""

import json
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Exit statuses of a program that a sanitizer stopped (tests/sanitizer_options.c, tests/run).
SANITIZER = {97, 98, 99}
# Programs that pratique calls: each call is noted.
NOTED = ("buildah", "git")


def shown(argv: tuple[str, ...]) -> str:
    """A command line for messages, without values that may be secrets."""
    return " ".join(word if len(word) < 80 and "\n" not in word else f"{word[:20]!r}…" for word in argv)


@dataclass(frozen=True)
class Result:
    argv: tuple[str, ...]
    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def text(self) -> str:
        return f"$ {shown(self.argv)}\n{self.out}{self.err}[exit status {self.status}]"


class Place:
    def __init__(self, root: Path, programs: Path, more: dict[str, str]) -> None:
        """`more` is added to the environment, and wins."""
        self.root = root
        self.programs = programs
        self.home, self.work, self.calls_folder = root / "home", root / "work", root / "calls"
        self.outputs: list[tuple[str, bytes]] = []
        for folder in (self.home, self.work, self.calls_folder, root / "tmp", root / "shims"):
            folder.mkdir()
        (root / "run").mkdir(mode=0o700)
        for name in NOTED:
            self._note_calls_of(name)
        user = pwd.getpwuid(os.getuid()).pw_name
        self.env = {
            "PATH": f"{root}/shims:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home), "USER": user, "LOGNAME": user,
            "XDG_CONFIG_HOME": f"{self.home}/.config", "XDG_DATA_HOME": f"{self.home}/.local/share",
            "XDG_CACHE_HOME": f"{self.home}/.cache", "XDG_STATE_HOME": f"{self.home}/.local/state",
            "XDG_RUNTIME_DIR": f"{root}/run", "TMPDIR": f"{root}/tmp",
            "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "dumb",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
            **more,
        }

    def run(self, *arguments: object, **how: Any) -> Result:
        """Runs pratique; see `program`."""
        return self.program(self.programs / "pratique", *arguments, **how)

    def program(
        self, *argv: object, status: int | None = 0, input: str | bytes = b"", cwd: Path | None = None,
        env: dict[str, str | None] | None = None, timeout: float = 120,
    ) -> Result:
        """Runs any program here and fails unless it ends with `status` (None: whatever). In `env`, None takes a
        variable away."""
        words = tuple(map(str, argv))
        changes = env or {}
        environment = {n: v for n, v in {**self.env, **changes}.items() if v is not None}
        done = subprocess.run(
            words, input=input.encode() if isinstance(input, str) else input, capture_output=True, check=False,
            cwd=cwd or self.work, env=environment, timeout=timeout,
        )
        self.keep(f"standard output of {shown(words)}", done.stdout)
        self.keep(f"standard error of {shown(words)}, which ended with status {done.returncode}", done.stderr)
        result = Result(
            words, done.returncode, done.stdout.decode(errors="backslashreplace"),
            done.stderr.decode(errors="backslashreplace"),
        )
        assert done.returncode not in SANITIZER, result.text()
        assert status is None or done.returncode == status, f"status {status} was expected:\n{result.text()}"
        return result

    def keep(self, what: str, output: bytes) -> None:
        """Adds to what is searched for secrets at the end of the session."""
        self.outputs.append((what, output))

    def forget_tokens(self) -> None:
        """As after a start of the machine: the next command asks the clouds anew."""
        for entry in Path(self.env["PRATIQUE_RUNTIME_DIR"]).iterdir():
            if entry.suffix in (".token", ".answer"):
                entry.unlink()

    def write(self, files: dict[str, str | bytes], below: str = ".") -> Path:
        """Writes files below a folder of the working directory; returns that folder."""
        folder = self.work / below
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def commit(self, folder: Path, branch: str = "main") -> str:
        """Commits all that is in a folder, as a git repository of its own; the short revision."""
        git = ("/usr/bin/git", "-C", folder)
        if not (folder / ".git").exists():
            self.program(*git, "init", "-q", "-b", branch)
        self.program(*git, "add", "-A")
        self.program(*git, "commit", "-q", "--allow-empty", "-m", "a commit")
        return self.program(*git, "rev-parse", "--short", "HEAD").out.strip()

    def calls(self, name: str) -> list[list[str]]:
        """The arguments of each call of a noted program so far, oldest first."""
        files = sorted(self.calls_folder.glob(f"*.{name}"), key=lambda file: file.stat().st_mtime_ns)
        return [file.read_bytes().split(b"\0\n", 1)[0].decode().split("\0") for file in files]

    def _note_calls_of(self, name: str) -> None:
        shim = self.root / "shims" / name
        shim.write_text(
            "#!/bin/sh\n"
            "# Notes the arguments and the environment of a call, then makes it.\n"
            f"note=$(mktemp '{self.calls_folder}/XXXXXX.{name}')\n"
            '{ [ $# = 0 ] || printf \'%s\\0\' "$@"; echo; env; } >"$note"\n'
            f'exec /usr/bin/{name} "$@"\n'
        )
        shim.chmod(0o755)
