"""Looks for secrets where none may be: in every output of the suite, in the arguments and environments of children, in
every file that was left."""

import base64
import json
import subprocess
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

# Folders that hold secrets by right: the lab's own, and those that a test hands to --secrets.
BY_RIGHT = ("lab-secrets", "given-secrets")
# What a sanitizer says, should nobody have read it: as bad as a leak.
FINDINGS = {
    "a finding of AddressSanitizer": b"ERROR: AddressSanitizer",
    "a finding of UndefinedBehaviorSanitizer": b"SUMMARY: UndefinedBehaviorSanitizer",
}


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """A secret as it may turn up: as it is, escaped, and in base64 at each of the three places it may begin."""
    raw = value.encode()
    seen = {raw}
    yield "", raw
    escaped = {
        "percent-encoded": urllib.parse.quote(value, safe="").encode(),
        "JSON": json.dumps(value)[1:-1].encode(),
    }
    for shift in range(3):
        # Without the characters that its neighbours have a part in.
        middle = base64.b64encode(b"\0" * shift + raw)[[0, 2, 3][shift]:]
        middle = middle.rstrip(b"=")
        middle = middle[: len(middle) - (0 if (len(raw) + shift) % 3 == 0 else 1)]
        escaped[f"base64, {shift}"] = middle
        escaped[f"base64url, {shift}"] = middle.translate(bytes.maketrans(b"+/", b"-_"))
    for name, text in escaped.items():
        if text not in seen and len(text) >= 8:
            seen.add(text)
            yield name, text


class Patterns:
    """What is looked for, by a name that may be shown."""

    def __init__(self) -> None:
        self._patterns: dict[bytes, str] = {text: name for name, text in FINDINGS.items()}

    def add_secret(self, name: str, value: str) -> None:
        # A shorter one would be found by chance.
        for line in value.splitlines():
            if len(line) >= 8:
                for form, text in forms(line):
                    self._patterns.setdefault(text, f"the secret {name}" + (f" ({form})" if form else ""))

    def found_in(self, output: bytes) -> list[str]:
        return sorted({name for text, name in self._patterns.items() if text in output})

    def found_below(self, folders: Iterable[Path], allowed: Iterable[Path] = ()) -> list[str]:
        """FILE: NAME of each file below the folders that holds one. Names count too."""
        found = []
        exclude = [f"--exclude-dir={name}" for name in BY_RIGHT]
        allowed = [path.resolve() for path in allowed]
        listing = b"\n".join(self._patterns)
        for folder in folders:
            names = subprocess.run(["find", folder, "-print0"], capture_output=True, check=False).stdout
            found += [f"a file name below {folder}: {name}" for name in self.found_in(names)]
            result = subprocess.run(
                ["grep", "-rlaFZ", "--devices=skip", "--no-messages", *exclude, "-f", "-", folder],
                input=listing, capture_output=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            )
            for file in map(Path, filter(None, result.stdout.decode(errors="surrogateescape").split("\0"))):
                if not any(file.resolve().is_relative_to(path) for path in allowed):
                    found += [f"{file}: {name}" for name in self.found_in(file.read_bytes())]
        return found
