"""What the end-to-end tests stand on. A test asks for

`run`        pratique in a place of its own, without configuration or secrets: run("images", folder, status=0).out
`place`      that place: home, work, env, write(files), commit(folder), program(argv), calls("buildah")
`workspace`  a place with a configuration of all the lab's registries, and their secrets, put there through the commands
`lab`        the lab, started and seeded once a session; its faults and log are cleared for each test
`secret`     secret("name", value): says that a value of the test's own must not turn up anywhere either

PRATIQUE_BIN_DIR names the folder of the programs (default build/bin). At the end of the session every output, every call
of a child and every file left is searched for secrets, and /etc and the home are compared with how they were before: the
last test fails if there is anything to find.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Lab

from . import untouched
from .leaks import Patterns
from .place import Place

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PRATIQUE_BIN_DIR") or ROOT / "build/bin").resolve()


class Session:
    """What all tests of a session share."""

    def __init__(self, folder: Path, programs: Path) -> None:
        # Below /dev/shm, for live tokens rest on tmpfs only.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else folder
        self.folder = folder
        self.programs = programs
        self.runtime = Path(tempfile.mkdtemp(prefix="pratique-test.", dir=memory))
        self.patterns = Patterns()
        self.places: list[Place] = []
        self.lab: Lab | None = None
        self._numbers = itertools.count()
        self._storage = folder / "storage.conf"
        # One for all, so that the layers of base images are unpacked once.
        self._storage.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/storage-run"\n'
        )

    def place(self, more: dict[str, str] | None = None) -> Place:
        number = next(self._numbers)
        runtime = self.runtime / str(number)
        runtime.mkdir(mode=0o700)
        # Short, for sockets lie below it.
        root = self.folder / f"p{number}"
        root.mkdir()
        place = Place(root, self.programs, {
            "CONTAINERS_STORAGE_CONF": str(self._storage), "PRATIQUE_RUNTIME_DIR": str(runtime), **(more or {}),
        })
        self.places.append(place)
        return place

    def faults(self) -> list[str]:
        """Every place at which something was found that may not be there."""
        found = []
        for place in self.places:
            for what, output in place.outputs:
                found += [f"{what}: {name}" for name in self.patterns.found_in(output)]
        # Caches of live tokens may lie in memory; nothing else is there.
        return found + self.patterns.found_below([self.folder])

    def end(self) -> None:
        shutil.rmtree(self.runtime, ignore_errors=True)


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    before = untouched.look()
    session = Session(tmp_path_factory.mktemp("e", numbered=False), PROGRAMS)
    try:
        SAID.session = session
        yield session
        problems = [*session.faults(), *untouched.changed(before, untouched.look())]
    finally:
        session.end()
    assert not problems, "found at the end of the session:\n" + "\n".join(problems)


class Said:
    """What programs said while a test ran: a failure that comes once in a hundred runs has to be understood from its
    report."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self._before: dict[int, int] = {}

    def _places(self) -> list[Place]:
        return self.session.places if self.session else []

    def begin(self) -> None:
        self._before = {id(place): len(place.outputs) for place in self._places()}

    def text(self) -> str:
        """What was kept for the search of secrets, and so holds none; which hosts were asked for."""
        said = [f"--- {what}\n{output[-2000:].decode(errors='backslashreplace')}" for place in self._places()
                for what, output in place.outputs[self._before.get(id(place), 0):]]
        lab = self.session.lab if self.session else None
        return "\n".join([*said[-12:], *(f"--- through the proxy: {entry}" for entry in (lab.connects()[-20:] if lab else []))])


SAID = Said()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    SAID.begin()
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        report.sections.append(("what programs said", SAID.text()))


@pytest.fixture(scope="session")
def running_lab(session: Session) -> Iterator[Lab]:
    with Lab(session.folder / "lab") as lab:
        lab.seed()
        session.lab = lab
        yield lab
        for name, value in lab.secrets.items():
            session.patterns.add_secret(name, value)
        for value in lab.secret_values():
            session.patterns.add_secret("token that the lab issued", value)


@pytest.fixture
def lab(running_lab: Lab, session: Session) -> Iterator[Lab]:
    running_lab.clear_log()
    # Those that the test changes are still secrets.
    for name, value in running_lab.secrets.items():
        session.patterns.add_secret(name, value)
    yield running_lab
    running_lab.restore()


@pytest.fixture
def place(session: Session, request: pytest.FixtureRequest) -> Place:
    """Knows the way to the lab if the test asks for the lab too."""
    return session.place(request.getfixturevalue("lab").env() if "lab" in request.fixturenames else None)


@pytest.fixture
def run(place: Place) -> Callable[..., Any]:
    return place.run


@pytest.fixture
def secret(session: Session) -> Callable[[str, str], None]:
    return session.patterns.add_secret


CONFIGURATION = """\
container_registries:
- type: aws
  region: us-east-2
  url: {ecr}
  aws_creds_secret_name: aws_creds
- type: azure
  url: {azure}
  azure_principal_secret_name: azprincipal
- type: generic
  url: {generic}
  generic_secret_name: ghcr_creds
hub:
  url: {hub}/{factory}
  hub_secret_name: hub_creds
lmp:
  machines: [raspberrypi4-64]
containers:
  platforms: [amd64]
"""


@pytest.fixture
def workspace(lab: Lab, place: Place) -> Place:
    """As the manual has it: the configuration stands above the containers repository, which goes into work/containers. The
    factory is the place's own (`place.root.name`), so that each test begins with an empty hub."""
    place.write({"factory-config.yml": CONFIGURATION.format(**lab.hosts, factory=place.root.name)})
    given = lab.secrets_directory
    place.run("secrets", "update", f"aws_creds={(given / 'aws_credentials').read_text()}")
    place.run("secrets", "update", f"azprincipal=={given / 'azprincipal'}", f"hub_creds=={given / 'hub_creds'}")
    place.run("secrets", "update", "ghcr_creds=-", input=(given / "ghcr_creds").read_bytes())
    return place
