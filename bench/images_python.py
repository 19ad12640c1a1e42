#!/usr/bin/python3
"""images_python.py DIR: what a Python script of the day does: libyaml for Compose files, a regular expression for FROM."""

import json
import os
import re
import sys

import yaml

FROM = re.compile(r"^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
COPY = re.compile(r"^\s*COPY\s+--from=(\S+)", re.IGNORECASE | re.MULTILINE)
COMPOSE = {"docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"}


def dockerfile(path: str, found: list) -> None:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    stages = set()
    for match in FROM.finditer(text):
        if match[1].lower() not in stages and match[1] != "scratch":
            found.append({"file": path, "line": text.count("\n", 0, match.start()) + 1, "image": match[1]})
        if match[2]:
            stages.add(match[2].lower())
    for match in COPY.finditer(text):
        if match[1].lower() not in stages and not match[1].isdigit():
            found.append({"file": path, "line": text.count("\n", 0, match.start()) + 1, "image": match[1]})


def compose(path: str, found: list) -> None:
    with open(path, "rb") as file:
        document = yaml.load(file, Loader=yaml.CSafeLoader)
    for name, service in (document.get("services") or {}).items():
        if service and "image" in service:
            found.append({"file": path, "service": name, "image": service["image"]})


def main() -> None:
    found: list = []
    for folder, folders, files in os.walk(sys.argv[1]):
        folders[:] = sorted(f for f in folders if f not in (".git", "node_modules"))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name in COMPOSE:
                compose(path, found)
            elif name == "Dockerfile" or name.startswith("Dockerfile."):
                dockerfile(path, found)
    json.dump({"images": found}, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
