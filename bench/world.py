"""Where the benches run: a lab, and a place with nothing of the caller's, as in the end-to-end tests."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from e2e.place import Place  # noqa: E402
from lab import Lab  # noqa: E402
from pairs import Runner  # noqa: E402

PROGRAMS = ROOT / "build/bin"


@dataclass(frozen=True)
class World:
    lab: Lab
    place: Place
    runner: Runner
    # On tmpfs where there is one: the cache of tokens, emptied before each run.
    runtime: Path

    @property
    def pratique(self) -> str:
        return str(PROGRAMS / "pratique")

    def forget(self) -> None:
        """No credential of an earlier run."""
        for left in self.runtime.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def world() -> Iterator[World]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="pratique-bench.", dir="/tmp") as folder,
        tempfile.TemporaryDirectory(prefix="pratique-bench.", dir=memory) as runtime,
        Lab(Path(folder) / "lab") as lab,
    ):
        lab.seed()
        root = Path(folder) / "place"
        root.mkdir()
        place = Place(root, PROGRAMS, {
            # Without the notes that tests take of calls.
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PRATIQUE_RUNTIME_DIR": runtime, **lab.env(),
        })
        yield World(lab, place, Runner(root), Path(runtime))
