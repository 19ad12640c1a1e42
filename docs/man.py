#!/usr/bin/python3
"""Makes the man pages from what the programs themselves say: `pratique help` and `pratique COMMAND --help`.

    docs/man.py PRATIQUE FOLDER            writes pratique.1 and pratique-COMMAND.1, and removes those of commands gone
    docs/man.py --check PRATIQUE FOLDER    only compares; exit status 1 and the difference if a page is not as it would be
"""

import difflib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Columns of the program's own layout (src/cmd/args.c).
SUMMARY_COLUMN = 22
OPTION_COLUMN = 28


# What `--help` has no room for; README.md says how to remove it all.
FILES = [
    "factory-config.yml: The configuration: in the working folder or above it, up to the git root; or what --config, or "
    "else $PRATIQUE_CONFIG, names.",
    "/etc/pratique/device.yml: That of a device; or what --device-config names.",
    "~/.local/share/pratique/secrets.db: The sealed secrets ($XDG_DATA_HOME).",
    "~/.config/pratique/store.key: The key that they are sealed with ($XDG_CONFIG_HOME).",
    "~/.config/pratique/tuf: The keys of TUF repositories, a folder for each ($XDG_CONFIG_HOME).",
    "$XDG_RUNTIME_DIR/pratique, /run/pratique, /dev/shm/pratique-UID: Tokens, in memory only: the first of these that "
    "there is.",
    "/run/pratique-device/socket: Where a device's service listens.",
]


def escaped(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def tell(program: str, *arguments: str) -> list[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "HOME": "/nonexistent"},
    ).stdout.splitlines()


def sections(lines: list[str]) -> dict[str, list[str]]:
    """The parts of a help text by their titles. The first is "Usage", what follows it "Description"."""
    usage = lines[0].removeprefix("Usage: ")
    if usage == lines[0]:
        raise ValueError(f"not a help text: {lines[0]!r}")
    found: dict[str, list[str]] = {"Usage": [usage], "Description": []}
    title = "Description"
    for line in lines[1:]:
        head = re.fullmatch(r"([A-Z][A-Za-z ]+):", line)
        tail = re.fullmatch(r"(Exit status): (.*)", line)
        if head or tail:
            title = (head or tail)[1]  # type: ignore[index]
            found[title] = [tail[2]] if tail else []
        else:
            found[title].append(line)
    return found


def commands(help_text: dict[str, list[str]]) -> dict[str, str]:
    """Each command's summary."""
    return {
        line[2:SUMMARY_COLUMN].strip(): line[SUMMARY_COLUMN:].strip()
        for line in help_text["Commands"] if line.startswith("  ")
    }


def prose(lines: list[str]) -> Iterator[str]:
    """Paragraphs to fill; indented lines stay as they are."""
    paragraph = True
    for verbatim, group in grouped(lines):
        if verbatim:
            yield from (".PP", ".nf", ".RS 4", *map(escaped, group), ".RE", ".fi")
            paragraph = True
            continue
        for line in group:
            if not line:
                paragraph = True
                continue
            if paragraph:
                yield ".PP"
            paragraph = False
            yield escaped(line)


def grouped(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    group: list[str] = []
    verbatim = False
    for line in lines:
        if line.startswith(" ") != verbatim and line:
            if group:
                yield verbatim, group
            group, verbatim = [], not verbatim
        group.append(line)
    if group:
        yield verbatim, group


def options(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if re.match(r"  (?:-\w, |    )--", line):
            left, text = line[:OPTION_COLUMN], line[OPTION_COLUMN:]
            if not left.endswith(" ") or not re.fullmatch(r" +(?:-\w, )?--\S+(?: \S+)? *", left):
                left, text = line, ""  # a long one, its text is on the next line
            yield from (".TP", f"\\fB{escaped(left.strip())}\\fR")
            if text:
                yield escaped(text)
        elif line.strip():
            yield escaped(line.strip())


def examples(lines: list[str]) -> Iterator[str]:
    kept = [line.removeprefix("  ") for line in lines]
    while kept and not kept[-1]:
        kept.pop()
    yield from (".PP", ".nf", ".RS 4", *map(escaped, kept), ".RE", ".fi")


def page(name: str, summary: str, text: dict[str, list[str]], more: list[str]) -> str:
    out = [
        ".\\\" Made by docs/man.py from the program's --help; `make man` makes it anew.",
        f'.TH {name.upper().replace(" ", "-")} 1 "" pratique "User Commands"',
        ".SH NAME", f"{escaped(name.replace(' ', '-'))} \\- {escaped(summary)}",
        ".SH SYNOPSIS", f"\\fB{escaped(text['Usage'][0])}\\fR",
        ".SH DESCRIPTION", *prose(text["Description"]),
    ]
    for title, lines in text.items():
        if title in ("Usage", "Description"):
            continue
        out.append(f".SH {title.upper()}")
        if title.lower().endswith("options"):
            out += options(lines)
        elif title == "Commands":
            for command, its in commands(text).items():
                out += [".TP", f"\\fB{escaped(f'pratique-{command}'.replace(' ', '-'))}\\fR(1)", escaped(its)]
        elif title == "Files":
            for place in lines:
                path, _, its = place.partition(": ")
                out += [".TP", f"\\fI{escaped(path)}\\fR", escaped(its)]
        elif title == "Examples":
            out += examples(lines)
        else:
            out += prose(lines)
    return "\n".join([*out, ".SH SEE ALSO", *more]) + "\n"


def pages(program: str) -> dict[str, str]:
    whole = sections(tell(program, "help"))
    whole["Files"] = FILES
    names = commands(whole)
    links = [f"\\fB{escaped('pratique-' + name.replace(' ', '-'))}\\fR(1)" for name in names]
    made = {"pratique.1": page(
        "pratique", "read-only access to private container registries, and signed Targets", whole,
        [",\n".join([*links, "\\fBdocker\\-credential\\-pratique\\fR(1)"])],
    )}
    for name, summary in names.items():
        text = sections(tell(program, *name.split(), "--help"))
        made[f"pratique-{name.replace(' ', '-')}.1"] = page(
            f"pratique {name}", summary, text, ["\\fBpratique\\fR(1), for exit statuses and where things are found"]
        )
    return made


def main(arguments: list[str]) -> int:
    check = arguments[:1] == ["--check"]
    if len(arguments) != 2 + check:
        print(__doc__, file=sys.stderr)
        return 2
    program, folder = arguments[check], Path(arguments[check + 1])
    made = pages(str(Path(program).resolve()))
    there = {path.name for path in folder.glob("pratique*.1")}
    if not check:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name in there - made.keys():
            (folder / name).unlink()
        return 0
    good = True
    for name in sorted(there | made.keys()):
        old = (folder / name).read_text(encoding="utf-8").splitlines() if name in there else []
        difference = list(difflib.unified_diff(
            old, made.get(name, "").splitlines(), f"docs/man/{name}", f"{name} as the program tells it", lineterm=""
        ))
        if difference:
            good = False
            print("\n".join(difference))
    if not good:
        print("The man pages are not what the program says; `make man` writes them.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
