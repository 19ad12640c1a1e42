"""What the judges are shown: a factory in a lab of its own, whose example repository was built into two Targets.

`factory`  work, env, run(pratique's arguments), repository (the TUF repository), root (what its clients trust),
           other_root (of another repository), older (a copy of the repository as the first Target left it); and of each
           of the two builds outs (--out), releases (release.json), created (targets-created.json)
`lab`      the lab, for tests that change it: put back after each
`device`   device(device of the lab, way): pratique with a device.yml of that one way
`watch`    watch(class or module of the lab, name): the list of the arguments of each call from now on
`says`     says(judge, words): what a judge answered, for the list at the end of `make interop`
`scratch`  a short folder of the test's own"""

import base64
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e.place import Place, Result
from lab import Lab

from .device import Device, Holder
from .judges import Judge

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PRATIQUE_BIN_DIR") or ROOT / "build/bin").resolve()
MACHINE = "intel-corei7-64"
# Of indexes alone, for composectl publishes no other (of version 96: "Unexpected manifest" for a single OCI manifest).
EDGE = {
    "edge/docker-compose.yml": """\
# At the edge: two images of several platforms.
services:
  front:
    image: acme.azurecr.io/web/nginx:1.25   # the public side
    build:
      context: front
    labels: ["side=public"]
    volumes: ["./conf:/etc/front:ro"]
  cache:
    image: "ghcr.example.com/acme/redis:${CACHE_TAG:-7}"
    healthcheck:
      test: ["CMD", "true"]
volumes:
  data: {}
""",
    "edge/conf/front.conf": "listen 80\n",
    "edge/conf/\u00e9t\u00e9.conf": "accents\n",
    "edge/start.sh": "#!/bin/sh\n",
    "edge/notes.md": "not for devices\n",
    "edge/.composeappignores": "*.md\n",
}


@dataclass
class Factory:
    lab: Lab
    place: Place
    containers: Path
    repository: Path
    older: Path
    root: Path
    other_root: Path
    releases: list[dict[str, Any]] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)
    outs: list[Path] = field(default_factory=list)

    def run(self, *arguments: object, **how: Any) -> Result:
        return self.place.run(*arguments, **how)

    def build(self, number: int) -> None:
        self.place.commit(self.containers)
        out = self.place.work / f"out{number}"
        self.run("target", "build", "containers", "--tuf", "tuf", "--out", out, "--no-progress")
        self.outs.append(out)
        self.releases.append(json.loads((out / "release.json").read_text()))
        self.created.append(json.loads((out / "targets-created.json").read_text()))

    def docker_config(self, folder: Path) -> Path:
        """A docker configuration with the lab's logins, for programs that know nothing of ours."""
        given = self.lab.secrets_directory
        names = {"hub": "hub_creds", "azure": "azprincipal", "generic": "ghcr_creds"}
        logins = {self.lab.hosts[host]: (given / name).read_bytes() for host, name in names.items()}
        folder.mkdir(mode=0o700)
        auths = {host: {"auth": base64.b64encode(login).decode()} for host, login in logins.items()}
        (folder / "config.json").write_text(json.dumps({"auths": auths}))
        return folder


def make_factory(folder: Path, lab: Lab) -> Factory:
    storage = folder / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/storage-run"\n')
    place = Place(folder / "p", PROGRAMS, {"CONTAINERS_STORAGE_CONF": str(storage), **lab.env()})
    shutil.copyfile(ROOT / "examples/factory-config.yml", place.work / "factory-config.yml")
    containers = place.work / "containers"
    shutil.copytree(ROOT / "examples/containers", containers)
    place.write(EDGE, "containers")
    (containers / "edge/start.sh").chmod(0o755)
    given = lab.secrets_directory
    place.run("secrets", "update", *(f"{name}=={given / file}" for name, file in [
        ("aws_creds", "aws_credentials"), ("azprincipal", "azprincipal"), ("ghcr_creds", "ghcr_creds"),
        ("hub_creds", "hub_creds")]))
    place.run("secrets", "update", "tuf_passphrase=correct horse battery")
    place.run("tuf", "init", "tuf")
    place.run("tuf", "init", "other")
    keys = place.home / ".config/pratique/tuf"
    made = Factory(lab, place, containers, place.work / "tuf", place.work / "older", keys / "tuf/root.json",
                   keys / "other/root.json")
    made.build(1)
    shutil.copytree(made.repository, made.older)
    place.write({"edge/conf/front.conf": "listen 8080\n"}, "containers")
    made.build(2)
    return made


@pytest.fixture(scope="session")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("l", numbered=False)) as lab:
        lab.seed()
        yield lab


@pytest.fixture(scope="session")
def factory(tmp_path_factory: pytest.TempPathFactory, running_lab: Lab) -> Factory:
    folder = tmp_path_factory.mktemp("i", numbered=False)
    (folder / "p").mkdir()
    return make_factory(folder, running_lab)


@pytest.fixture
def lab(running_lab: Lab) -> Iterator[Lab]:
    running_lab.clear_log()
    yield running_lab
    running_lab.restore()


@pytest.fixture
def device(lab: Lab, scratch: Path) -> Callable[[Holder, str], Device]:
    numbers = itertools.count()

    def make(holder: Holder, way: str) -> Device:
        folder = scratch / str(next(numbers))
        folder.mkdir()
        return Device(Place(folder, PROGRAMS, lab.env()), lab, holder, way)
    return make


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[tuple[Any, ...]]]:
    def watched(owner: Any, name: str) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []
        original = getattr(owner, name)

        def noted(*arguments: Any) -> Any:
            calls.append(arguments)
            return original(*arguments)
        monkeypatch.setattr(owner, name, noted)
        return calls
    return watched


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("t")


@pytest.fixture
def says(record_property: Callable[[str, object], None]) -> Callable[[Judge, str], None]:
    return lambda judge, words: record_property("note", f"{judge}: {words}")
