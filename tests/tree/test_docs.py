"""What the documentation says is there: files and folders, targets of make, commands and options, environment variables."""

import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PRATIQUE_BIN_DIR") or ROOT / "build/bin")
# docs/man is checked by test_man.py.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

# Folders of the tree; a path below one of them must exist. Files of other trees (`containers/`, `out/`) are not ours.
OURS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "build"))}
# Columns of a line, in the documentation as in the sources.
LONGEST = 122
# Written in place of a name that the reader chooses.
PLACEHOLDER = re.compile(r"NAME|FLOOR|HOST")
# What a line of a shell may hold beside the command.
ENDS = {"|", "||", "&&", ";", ">", "<", "2>", ">>"}


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """Code in running text."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", outside)


def shell_lines(text: str) -> list[str]:
    return [line for language, body in blocks(text) if language == "sh" for line in body.replace("\\\n", " ").splitlines()]


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def help_of(command: str) -> str:
    result = subprocess.run(
        [PROGRAMS / "pratique", *command.split(), "--help"], capture_output=True, text=True, check=False
    )
    return result.stdout if result.returncode == 0 else ""


@cache
def command_names() -> tuple[str, ...]:
    listed = help_of("").split("Commands:\n")[1].split("\n\n")[0]
    return tuple(re.match(r" +((?:[\w-]+ )?[\w-]+)(?: {2,}|\s*$)", line)[1] for line in listed.splitlines())


def options_of(text: str) -> dict[str, bool]:
    """Each option of a help text, and whether it wants a value."""
    options = {}
    for letter, name, value in re.findall(r"^ {2}(?:-(\w), | {4})--([\w-]+)( \S+)?(?: |$)", text, re.MULTILINE):
        options["--" + name] = bool(value)
        if letter:
            options["-" + letter] = bool(value)
    return options


def complaint(line: str) -> str | None:
    """What is wrong with a command line of pratique."""
    lexer = shlex.shlex(line.split("  #")[0], posix=True, punctuation_chars="|&;<>")
    # Placeholders such as <ID> stand in quotes; `[` and `…` are the reader's.
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in ENDS:
            break
        words.append(word)
    words = words[1:]
    known = options_of(help_of(""))
    if not known:
        return "pratique --help lists no options"
    at = 0
    while at < len(words) and words[at].startswith("-"):
        name = words[at].split("=")[0]
        if name not in known:
            return f"no global option {name}"
        at += 2 if known[name] and "=" not in words[at] else 1
    rest = words[at:]
    if not rest:
        return None if at else "no command"
    if rest[0] in ("help", "version"):
        return None
    command = next((name for name in command_names() if rest[: len(name.split())] == name.split()), None)
    if command is None:
        return f"no command {' '.join(rest[:2])}"
    known = options_of(help_of(command))
    count, at = 0, len(command.split())
    while at < len(rest):
        name = rest[at].split("=")[0]
        if not rest[at].startswith("-") or rest[at] == "-":
            count += 1
            at += 1
            continue
        if name not in known:
            return f"{command} has no option {name}"
        if known[name] and "=" not in rest[at]:
            if at + 1 == len(rest):
                return f"{command} {name} wants a value"
            at += 1
        at += 1
    usage = re.match(r"Usage: pratique \[GLOBAL OPTIONS\] (.*)", help_of(command))[1][len(command):]
    wanted = re.sub(r"\[[^]]*\](\.\.\.)?", "", usage)
    # Words that must be given: those outside of brackets that are neither options nor their values.
    least = len(re.sub(r"--[\w-]+ \S+", "", wanted).split())
    if "--help" not in rest and "..." not in rest and count < least:
        return f"{command} wants {least} word(s), not {count}"
    return None


def test_the_checks_can_fail():
    assert complaint("pratique check containers --json") is None
    assert complaint("pratique -C x secrets update --for a.b c=-  # remark") is None
    assert complaint("pratique target build x --tuf y | tail -1") is None
    assert "no command" in complaint("pratique bild x")
    assert "no option" in complaint("pratique check x --tuf y")
    assert "no global option" in complaint("pratique --tuf y check")
    assert "wants a value" in complaint("pratique target build x --tuf")
    assert "wants 1 word" in complaint("pratique tuf init")


def too_long(text: str) -> list[str]:
    """Lines that could have been broken. Rows of a table, and lines of code other than a shell's, could not."""
    code = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    rest = code.sub(lambda found: found[2] if found[1] == "sh" else "", text)
    return [line for line in rest.splitlines() if len(line) > LONGEST and not line.startswith(("|", "    "))]


def test_the_check_of_lines_can_fail():
    long = "word " * 25
    assert too_long(f"{long}\n\n```sh\necho {long}\n```\n\n{long}\n") == [long, f"echo {long}", long]
    assert too_long(f"short\n\n| {long} |\n\n```\n{long}\n```\n\n    {long}\n") == []


@pytest.mark.parametrize("page", NAMES)
def test_no_line_is_too_long_to_be_read_beside_others(page):
    assert too_long(read(page)) == []


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page):
    text = read(page)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+://", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        if not place.exists():
            wrong.append(target)
        elif anchor and anchor not in anchors(place.read_text(encoding="utf-8")):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("page", NAMES)
def test_files_of_the_tree_exist(page):
    wrong = []
    for span in spans(read(page)) + shell_lines(read(page)):
        for word in span.split():
            path = word.strip("`,;:()'\"")
            first = path.split("/")[0]
            # `docs/` of this tree, not `tuf/` of the reader's; in architecture.md a floor is called `base/`.
            if "/" not in path or first not in OURS or PLACEHOLDER.search(path) or "…" in path:
                continue
            if not (ROOT / path).exists() and not list(ROOT.glob(path)):
                wrong.append(path)
    assert wrong == []


def test_architecture_names_every_folder_of_src_and_only_those():
    named = set(re.findall(r"^\| \d \| `(\w+)/` \|", read("docs/architecture.md"), re.MULTILINE))
    assert named == {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}


@pytest.mark.parametrize("page", NAMES)
def test_targets_of_make_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = []
    for line in spans(read(page)) + shell_lines(read(page)):
        words = line.split("  #")[0].split()
        if words[:1] == ["make"]:
            wrong += [word for word in words[1:] if "=" not in word and word not in targets]
    assert wrong == []


@pytest.mark.parametrize("page", NAMES)
def test_commands_parse(page):
    text = read(page)
    lines = [line.strip() for line in shell_lines(text)] + spans(text)
    # A command may stand behind others in a line.
    commands = [re.split(r"(?:\| *|&& *)(?=pratique )", line)[-1] for line in lines]
    commands = [re.sub(r"\$\((?:[^()]*)\)", "VALUE", line) for line in commands if line.startswith("pratique ")]
    # The bare name of a command, and COMMAND for any of them, are no command lines.
    names = {f"pratique {name}" for name in command_names()} | {"pratique COMMAND --help"}
    wrong = [f"{line}: {complaint(line)}" for line in commands if line not in names and complaint(line)]
    assert wrong == []


def test_readme_shows_each_command_that_a_first_build_needs():
    text = "\n".join(shell_lines(read("README.md")))
    for command in ("config check", "secrets update", "images", "check", "tuf init", "target build", "target show", "target verify"):
        assert f"pratique {command}" in text


def test_environment_variables_are_those_of_the_source():
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.c"))
    # Those that go to a child, or that libcurl reads, are named as text too.
    in_source = set(re.findall(r'"([A-Z][A-Z0-9_]{3,})"', source))
    table = read("docs/configuration.md").split("## Environment variables")[1]
    named = {name for name in spans(table) if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)}
    assert {name for name in named if name not in in_source} <= {"TZ"}
    read_by_us = set(re.findall(r'getenv\("(\w+)"\)', source)) - {"PATH", "PRATIQUE_HELPER_SOCKET"}
    assert read_by_us - named == set()


def test_keys_of_the_configuration_are_those_of_the_source():
    text = read("docs/configuration.md")
    known = re.findall(r'^    \{"(\w+)", (?:ALL|CLOUDS|AWS|AZURE|GAR|GENERIC)', (ROOT / "src/config/registries.c").read_text(), re.MULTILINE)
    assert len(known) >= 20
    assert [key for key in known if f"`{key}`" not in text] == []


def test_keys_of_a_device_are_those_of_the_source():
    text, source = read("docs/devices.md"), (ROOT / "src/config/device.c").read_text()
    known = re.findall(r'^ *(?:\.\w+ = \{)?\{*"(\w+)", (?:ALL|CLOUDS|AWS|AZURE|GAR|GENERIC|GATEWAY|FIELD)', source, re.MULTILINE)
    assert len(known) >= 15
    assert [key for key in known if f"`{key}`" not in text] == []


def test_errors_of_the_troubleshooting_page_are_in_the_source():
    """Each message shown has a part between its variables that a source file holds word by word."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.c"))
    source = source.replace("'\"'", "").replace("'\\\"'", "")
    source = re.sub(r'"\s*\n\s*"', "", source)
    literals = [text.replace('\\"', '"') for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', source)]
    pieces = {p.strip() for text in literals for p in re.split(r"%[-.*0-9]*(?:ll|z)?[a-z]", text) if len(p.strip()) >= 12}
    lines = [line for language, body in blocks(read("docs/troubleshooting.md")) if not language for line in body.splitlines()]
    wrong = []
    for line in lines:
        # What stands in the last parentheses is the hint; the engine's own words are not ours.
        message = re.sub(r" \([^()]*\)$", "", line)
        if not line.startswith("pratique:   ") and not any(piece in message for piece in pieces):
            wrong.append(message)
    assert len(lines) > 40
    assert wrong == []


@pytest.mark.parametrize("page", NAMES)
def test_no_path_of_a_machine(page):
    assert re.findall(r"(?:/home/|/root/)\S*", read(page)) == []
