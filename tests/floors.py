#!/usr/bin/python3
"""Reads every #include below src/: a folder includes only its own headers and those of floors below it, and a library's
headers only where that library lives. docs/architecture.md draws the house; this is the same as a table.

    tests/floors.py [SRC]     prints FILE:LINE: what is wrong; exit status 1 if anything is
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

# Each folder: those whose headers it may include beside its own, and the libraries that live there.
FLOOR_0 = ["base"]
FLOOR_1 = [*FLOOR_0, "oci", "yaml", "crypto", "net"]
FLOOR_2 = [*FLOOR_1, "secrets", "config", "scan"]
FLOOR_3 = [*FLOOR_2, "auth"]
FLOOR_4 = [*FLOOR_3, "client", "registry"]
FLOOR_5 = [*FLOOR_4, "target", "device"]
FOLDERS: dict[str, tuple[list[str], list[str]]] = {
    "base": ([], []),
    "oci": (FLOOR_0, ["jansson"]),
    "yaml": (FLOOR_0, ["jansson", "libfyaml"]),
    "crypto": (FLOOR_0, ["jansson", "openssl"]),
    "net": (FLOOR_0, ["jansson", "curl"]),
    "secrets": (FLOOR_1, ["jansson", "sqlite"]),
    "config": (["base", "yaml"], ["jansson"]),
    "scan": (["base", "oci", "yaml"], ["jansson"]),
    "auth": (FLOOR_2, ["jansson", "expat"]),
    "client": (FLOOR_3, ["jansson"]),
    "registry": (FLOOR_3, ["jansson", "libpsl"]),
    "target": (FLOOR_4, ["jansson", "archive"]),
    "device": (FLOOR_4, ["jansson"]),
    "cmd": (FLOOR_5, ["jansson"]),
}
# The rooms of a folder, and those whose headers each may include beside its own. "" are the files that lie in the folder
# itself. Whoever may include the folder may include any of them.
CLOUDS = ["aws", "azure", "google", "gateway", "generic"]
ROOMS: dict[str, dict[str, list[str]]] = {
    "auth": {
        "common": [],
        **{cloud: ["common"] for cloud in CLOUDS},
        "policy": ["common", "aws"],
        "": ["common", *CLOUDS],
    },
    "device": {"check": [], "serve": [], "": []},
}
# Files that include libc and base/ only, not even their own folder: what they are linked with starts in 0.6 ms.
BASE_ONLY = {"cmd/helper.c"}
# Headers that the build makes, and the folder that they are of.
MADE = {"device_example.h": "cmd"}

LIBRARIES = {
    "jansson": r"jansson(_config)?\.h",
    "libfyaml": r"libfyaml(/.*)?\.h",
    "openssl": r"openssl/.*",
    "curl": r"curl/.*",
    "sqlite": r"sqlite3(ext)?\.h",
    "expat": r"expat(_.*)?\.h",
    "libpsl": r"libpsl\.h",
    "archive": r"archive(_entry)?\.h",
}
# ISO C, POSIX, glibc and the kernel. One that is missing here is reported, so that somebody decides what it is.
LIBC = re.compile(
    r"""(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg
    |stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar|wchar|wctype
    |byteswap|dirent|dlfcn|endian|err|fcntl|fnmatch|ftw|getopt|glob|grp|langinfo|libgen|malloc|netdb|poll|pthread|pty|pwd
    |regex|sched|search|semaphore|spawn|strings|sysexits|syslog|termios|unistd|utime|utmp|wordexp
    |arpa/inet|elf|link|(asm|asm-generic|linux|net|netinet|sys)/[\w/-]+)\.h""",
    re.VERBOSE,
)

_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*(?:include|include_next|import)\b[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def includes(text: str) -> Iterator[tuple[int, str]]:
    """The line and the operand of each #include; what stands in a comment is none."""
    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return re.sub(r"[^\n]", " ", found) if found.startswith("/") else found

    text = _COMMENT.sub(blank, text.replace("\\\n", "  "))
    for match in _INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1]


def _room(file: Path) -> str:
    """The room of a folder that a file below src/ lies in."""
    return "/".join(file.parts[1:-1])


def _fault_of_rooms(file: Path, name: str) -> str | None:
    """What is wrong with an #include of `name` by another file of the same folder."""
    folder, room, target = file.parts[0], _room(file), _room(Path(name))
    below = ROOMS.get(folder, {"": []})[room]
    if target == room or target in below:
        return None
    on = ", ".join(f"{folder}/{r}/" for r in below)
    return f"{name}: {folder}/{room} stands on {on or 'no other room'}, not on {folder}/{target}"


def _fault(source: Path, file: Path, operand: str) -> str | None:
    """What is wrong with an #include of `file`, a path below `source`."""
    folder = file.parts[0]
    form = re.fullmatch(r'<([^<>]+)>|"([^"]+)"', operand)
    if not form:
        return f"#include {operand}: cannot tell what that is"
    name = form[1] or form[2]
    below, libraries = FOLDERS[folder]
    if ".." in name.split("/") or name.startswith("/"):
        return f"{name}: name it from src/"
    own = (source / file).parent / name
    target = name.split("/")[0] if "/" in name else folder
    if MADE.get(name) == folder:
        return None
    if form[2] and "/" not in name and not own.is_file():
        return f"{name}: not in this folder; a library's header is included as <{name}>"
    if form[2] or ("/" in name and (source / name).is_file()):
        if file.as_posix() in BASE_ONLY and target != "base":
            return f"{name}: {file} includes libc and base/ only"
        if target == folder:
            return _fault_of_rooms(file, name) if "/" in name else None
        if target not in FOLDERS:
            return f"{name}: src/ has no folder {target}"
        if target not in below:
            return f"{name}: {folder}/ stands on {', '.join(below) or 'libc only'}, not on {target}/"
        return None
    for library, pattern in LIBRARIES.items():
        if re.fullmatch(pattern, name):
            if file.as_posix() in BASE_ONLY:
                return f"{name}: {file} includes libc and base/ only"
            homes = [f"{f}/" for f, (_, own_libraries) in FOLDERS.items() if library in own_libraries]
            return None if library in libraries else f"{name}: {library} lives in {', '.join(homes)}, not in {folder}/"
    if LIBC.fullmatch(name):
        return None
    return f"{name}: neither libc nor a library that tests/floors.py knows"


def violations(source: Path) -> list[str]:
    """Every violation below `source`, as FILE:LINE: what is wrong."""
    found = []
    for path in sorted([*source.rglob("*.c"), *source.rglob("*.h")]):
        file = path.relative_to(source)
        if file.parts[0] not in FOLDERS:
            found.append(f"{path}:1: in none of the folders that tests/floors.py knows")
            continue
        if _room(file) not in ROOMS.get(file.parts[0], {"": []}):
            found.append(f"{path}:1: in none of the rooms that tests/floors.py knows")
            continue
        for line, operand in includes(path.read_text(encoding="utf-8")):
            fault = _fault(source, file, operand)
            if fault:
                found.append(f"{path}:{line}: {fault}")
    return found


def main(arguments: list[str]) -> int:
    source = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent / "src"
    if not any(source.rglob("*.c")):
        print(f"{source}: no C sources", file=sys.stderr)
        return 2
    found = violations(source)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
