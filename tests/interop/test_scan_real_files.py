"""`pratique images` over Dockerfiles and Compose files of public repositories, judged by BuildKit's own parser and by
compose-go: the same images, or the file is refused by both. A difference is an error in one of the two; where it is
meant, it stands here and in docs/architecture.md ("What is read as BuildKit and compose-go read it")."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from . import judges
from .conftest import PROGRAMS
from .corpus import Tree, corpus, is_compose, is_dockerfile
from .judges import Judge

Says = Callable[[Judge, str], None]
# Fewer would prove little.
ENOUGH = 200
# What compose-go refuses and we do not look at, since it concerns no image.
ELSEWHERE = {
    "a variable that is not set, in a value that must be a number or a truth value": r"failed to cast to expected type",
    "the form of a port or a volume": r"invalid spec: |no port specified|invalid (host|container)?[pP]ort|invalid IP"
                                      r"|too many colons",
    "the schema of other keys": r"^validating |^services\.\S+ (invalid type|must be a|unexpected type)|: unexpected type|"
                                r"decoding failed due to the following error",
    "a network, volume, secret, config or service that is not defined":
        r"refers to undefined (network|volume|secret|config|model)|depends on undefined service|dependency cycle detected",
    "a service without an image, for its variable is not set": r"has neither an image nor a build context",
    "$ in a value that names no image": r"invalid interpolation format",
    "a file that an option names": r"env file|\.env not found",
}


@dataclass
class Found:
    images: list[tuple[str, ...]] = field(default_factory=list)
    unresolved: list[tuple[str, ...]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)  # line, words


@pytest.fixture(scope="module")
def trees() -> tuple[list[Tree], list[str]]:
    return corpus()


def images(path: object, cwd: Path) -> dict[str, Any]:
    done = subprocess.run((PROGRAMS / "pratique", "images", path, "--json"), cwd=cwd, env={}, capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode in (0, 2), done.stderr
    return dict(json.loads(done.stdout))


def place(where: str) -> tuple[str, str]:
    """Of an error: the file, and the line or an empty text."""
    found = re.fullmatch(r"(.*?)(?::(\d+))?(?::\d+)?", where, re.DOTALL)
    assert found
    return found[1], found[2] or ""


def ask(judge: Judge, files: list[str], cwd: Path) -> dict[str, dict[str, Any]]:
    done = subprocess.run(judge.argv, cwd=cwd, input="".join(f"{file}\n" for file in files), capture_output=True,
                          text=True, timeout=600, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["file"] for answer in answers] == files
    return {answer["file"]: answer for answer in answers}


def missing(ours: list[tuple[str, ...]], theirs: list[tuple[str, ...]]) -> str:
    return f"they have {sorted((Counter(theirs) - Counter(ours)).elements())}, we " \
           f"{sorted((Counter(ours) - Counter(theirs)).elements())}"


def tell(judge: Judge, says: Says, count: Counter[str], missed: list[str], differences: list[str]) -> None:
    words = ", ".join(f"{number} {what}" for what, number in count.items())
    says(judge, f"{'accepted' if not differences else 'REFUSED'}: {words}" +
         (f"; could not be had: {', '.join(missed)}" if missed else ""))
    assert not differences, "\n".join(differences)
    if count["files"] < ENOUGH:
        pytest.skip(f"only {count['files']} files could be had: {', '.join(missed)}")


def difference(ours: Found, theirs: dict[str, Any]) -> str | None:
    """Between two readings of a Dockerfile."""
    if bool(ours.errors) != bool(theirs["refused"]):
        return f":{theirs['line']}: they say {theirs['refused'] or 'nothing'!r}, we {ours.errors}"
    if theirs["refused"]:
        # Of the whole file, or we name the directive's own line and they the one before it.
        whole = "file with no instructions" in theirs["refused"] or "parser directive" in theirs["refused"]
        same = whole or not theirs["line"] or str(theirs["line"]) in {line for line, _ in ours.errors}
        return None if same else f":{theirs['line']}: they say {theirs['refused']!r}, we {ours.errors}"
    for name in ("images", "unresolved"):
        judged = [(one["image"], str(one["line"]), one["kind"]) for one in theirs[name]]
        if Counter(judged) != Counter(getattr(ours, name)):
            return f": {name}: {missing(getattr(ours, name), judged)}"
    return None


def test_dockerfiles(trees: tuple[list[Tree], list[str]], says: Says) -> None:
    judge = judges.buildkit()
    differences = []
    count: Counter[str] = Counter(files=0, images=0, unresolved=0, refused=0)
    for tree in trees[0]:
        files = sorted(tree.files(is_dockerfile))
        ours = {file: Found() for file in files}
        document = images(".", tree.path)
        for name, text in (("images", "image"), ("unresolved", "text")):
            for one in document[name]:
                if one["file"] in ours:
                    getattr(ours[one["file"]], name).append((one[text], str(one["line"]), one["kind"]))
        for error in document["errors"]:
            file, line = place(error["where"])
            if file in ours:
                ours[file].errors.append((line, error["message"]))
        for file, theirs in ask(judge, files, tree.path).items():
            differs = difference(ours[file], theirs)
            if differs:
                differences.append(f"{tree.name}/{file}{differs}")
            count["files"] += 1
            count["images"] += len(theirs["images"])
            count["unresolved"] += len(theirs["unresolved"])
            count["refused"] += bool(theirs["refused"])
    tell(judge, says, count, trees[1], differences)


def compose_difference(ours: dict[str, Any], theirs: dict[str, Any], count: Counter[str]) -> str | None:
    errors = [f"{error['where']}: {error['message']}" for error in ours["errors"]]
    if errors and not theirs["refused"]:
        # One file was named: what it refers to may not lie above its folder.
        if all("out of the tree" in error for error in errors):
            count["that refer to files above them"] += 1
            return None
        return f": we say {errors}, they nothing"
    if errors:
        count["refused"] += 1
        return None
    if theirs["refused"]:
        classes = [name for name, words in ELSEWHERE.items() if re.search(words, theirs["refused"])]
        if not classes:
            return f": they say {theirs['refused']!r}, we nothing"
        count[f"refused by it alone ({classes[0]})"] += 1
        if not theirs["read"]:
            return None
    for name, text in (("images", "image"), ("unresolved", "text")):
        mine = [(one.get("service") or "", one[text]) for one in ours[name] if one["kind"] == "compose"]
        judged = [(one["service"], one["image"]) for one in theirs[name]]
        count[name] += len(judged)
        if Counter(mine) != Counter(judged):
            return f": {name}: {missing(mine, judged)}"
    return None


def test_compose_files(trees: tuple[list[Tree], list[str]], says: Says) -> None:
    judge = judges.compose_go_images()
    differences = []
    count: Counter[str] = Counter(files=0, images=0, unresolved=0, refused=0)
    for tree in trees[0]:
        for file, theirs in ask(judge, sorted(tree.files(is_compose)), tree.path).items():
            count["files"] += 1
            differs = compose_difference(images(file, tree.path), theirs, count)
            if differs:
                differences.append(f"{tree.name}/{file}{differs}")
    tell(judge, says, count, trees[1], differences)


@pytest.mark.parametrize("text", [
    "services:\n  a:\n    image: x\n    command: [\n      b,\n      c\n    ]\n    restart: always\n",
    "services:\n  a: {\nimage: x,\nrestart: always\n}\n",
])
def test_flow_collections_may_end_left_of_their_key(text: str, scratch: Path, says: Says) -> None:
    """go-yaml takes them, against YAML 1.2, and so do we (tests/unit/yaml)."""
    judge = judges.compose_go_images()
    (scratch / "compose.yaml").write_text(text)
    theirs = ask(judge, ["compose.yaml"], scratch)["compose.yaml"]
    assert theirs["images"] == [{"service": "a", "image": "x"}] and not theirs["refused"]
    assert [one["image"] for one in images("compose.yaml", scratch)["images"]] == ["x"]
