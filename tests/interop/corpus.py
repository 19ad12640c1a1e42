"""Trees of public repositories, whose Dockerfiles and Compose files are read by pratique and by others.

PRATIQUE_CORPUS=FOLDER: each folder in it is one tree. Without it, modules whose source has many such files come from the
Go module proxy."""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import judges

# No other module that was looked at has as many. The last one is not to be had everywhere.
MODULES = [
    "github.com/docker/compose/v5@v5.7.0",
    "github.com/docker/compose/v2@v2.40.3",
    "github.com/anchore/syft@v1.57.0",
    "github.com/moby/buildkit@v0.34.2",
    "github.com/jaegertracing/jaeger@v1.76.0",
    "github.com/influxdata/telegraf@v1.37.2",
    "github.com/traefik/traefik/v3@v3.7.13",
    "github.com/containers/buildah@v1.39.0",
    "github.com/GoogleContainerTools/skaffold/v2@v2.14.0",
]
COMPOSE = {"docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"}


@dataclass(frozen=True)
class Tree:
    name: str
    path: Path

    def files(self, wanted: Callable[[str], bool]) -> Iterator[str]:
        """Files that `pratique images` looks into, as interface and documentation say, in no order. Links that lead
        out of the tree, and names that are not plain text, are left out here: other tests have them."""
        for folder, folders, files in os.walk(self.path):
            if folder != str(self.path) and (".git" in folders or ".git" in files):
                folders.clear()
                continue
            folders[:] = [name for name in folders if name not in (".git", "node_modules") and not name.endswith(".disabled")]
            for name in files:
                path = Path(folder) / name
                relative = str(path.relative_to(self.path))
                if wanted(name) and path.is_file() and relative.isascii() and relative.isprintable() and \
                        path.resolve().is_relative_to(self.path.resolve()):
                    yield relative


def is_dockerfile(name: str) -> bool:
    if name.endswith((".disabled", ".dockerignore")):
        return False
    return name in ("Dockerfile", "Containerfile") or name.startswith("Dockerfile.") or name.endswith(".Dockerfile")


def is_compose(name: str) -> bool:
    return name in COMPOSE


def from_modules(missed: list[str]) -> Iterator[Tree]:
    command, environment = judges.go("the corpus")
    environment = {**os.environ, **environment, "GOFLAGS": "-modcacherw"}
    for module in MODULES:
        done = subprocess.run((command, "mod", "download", "-json", module), cwd="/", env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=judges.LONGEST, check=False)
        try:
            archive = Path(json.loads(done.stdout)["Zip"])  # also of a module that takes a newer go
        except (ValueError, KeyError):
            missed.append(module)
            continue
        folder = judges.CACHE / "corpus" / module
        if not folder.exists():
            part = judges.CACHE / "corpus" / "part"
            shutil.rmtree(part, ignore_errors=True)
            zipfile.ZipFile(archive).extractall(part)
            folder.parent.mkdir(parents=True, exist_ok=True)
            (part / module).rename(folder)
        yield Tree(module, folder.resolve())


def corpus() -> tuple[list[Tree], list[str]]:
    """The trees, and the names of those that could not be had."""
    missed: list[str] = []
    given = os.environ.get("PRATIQUE_CORPUS")
    if given:
        folders = sorted(path for path in Path(given).iterdir() if path.is_dir())
        trees = [Tree(path.name, path.resolve()) for path in folders]
    else:
        trees = list(from_modules(missed))
    if not trees:
        pytest.skip(f"no corpus could be had: {', '.join(missed) or f'{given} has no folders'}")
    return trees, missed
