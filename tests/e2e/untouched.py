"""Proves that a run of the suite leaves /etc and the caller's home as they were."""

import os
import pwd
from pathlib import Path

# Where the programs here, or those that they call, write when nobody tells them otherwise.
IN_HOME = (
    ".aws", ".azure", ".config/containers", ".config/gcloud", ".config/git", ".config/pratique", ".cache/containers",
    ".cache/pratique", ".docker", ".gitconfig", ".local/share/containers", ".local/share/pratique", ".pratique",
)
ELSEWHERE = ("/etc", "/run/pratique", "/secrets")
# Deeper than their own names.
IN_ETC = ("containers", "docker", "pratique", "ssl", "subgid", "subuid", "systemd", "xdg")

State = dict[str, tuple[int, int, int]]


def _add(state: State, path: Path, deep: bool) -> None:
    try:
        status = path.lstat()
    except OSError:
        return
    # The times of a folder tell of every file that comes or goes in it.
    state[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    if deep and path.is_dir() and not path.is_symlink():
        for folder, folders, files in os.walk(path):
            for name in [*folders, *files]:
                _add(state, Path(folder, name), False)


def look() -> State:
    state: State = {}
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for name in IN_HOME:
        _add(state, home / name, True)
    for name in ELSEWHERE:
        _add(state, Path(name), name != "/etc")
    for name in IN_ETC:
        _add(state, Path("/etc", name), True)
    return state


def changed(before: State, after: State) -> list[str]:
    return sorted(
        f"{path}: {'new' if path not in before else 'gone' if path not in after else 'changed'}"
        for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
