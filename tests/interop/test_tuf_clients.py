"""TUF clients that others wrote update from our repositories, served as they are, and refuse tampered copies."""

import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import judges
from .conftest import MACHINE, PROGRAMS, Factory
from .judges import Judge

FIRST, SECOND = f"{MACHINE}-lmp-1", f"{MACHINE}-lmp-2"


@pytest.fixture(scope="session", params=["python_tuf", "tuf_js", "go_tuf"])
def judge(request: pytest.FixtureRequest) -> Judge:
    found: Judge = getattr(judges, request.param)()
    return found


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """serve(folder) is the address of a plain file server on loopback."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(judge: Judge, url: str, root: Path, state: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """One update by a client that has only its trusted root, or what it has kept in `state`."""
    # Nothing of the caller's: a proxy is no way to loopback.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(state), "LANG": "C.UTF-8"}
    state.mkdir(exist_ok=True)
    return subprocess.run(
        (*judge.argv, url, str(root), str(state), *names), env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )


def accepted(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, f"refused: {done.stderr.strip()}"
    found: dict[str, Any] = json.loads(done.stdout)
    for name, target in found.items():
        if target["file"]:
            data = Path(target["file"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (target["length"], target["sha256"]), name
    return found


def version(state: Path, role: str) -> int:
    return int(json.loads((state / "metadata" / f"{role}.json").read_text())["signed"]["version"])


def versions(state: Path) -> list[int]:
    return [version(state, role) for role in ("root", "timestamp", "snapshot", "targets")]


def test_update_and_download(
    judge: Judge, factory: Factory, serve: Callable[[Path], str], scratch: Path, says: Callable[[Judge, str], None],
) -> None:
    device, newcomer = scratch / "device", scratch / "newcomer"
    before = accepted(ask(judge, serve(factory.older), factory.root, device, FIRST))
    old = versions(device)
    assert Path(before[FIRST]["file"]).read_bytes() == (factory.outs[0] / "release.json").read_bytes()
    url = serve(factory.repository)
    after = accepted(ask(judge, url, factory.root, device, FIRST, SECOND))
    new = versions(device)
    assert new[0] == 1 and all(later > earlier for later, earlier in zip(new[1:], old[1:], strict=True))
    assert accepted(ask(judge, url, factory.root, newcomer, SECOND))[SECOND]["sha256"] == after[SECOND]["sha256"]
    assert versions(newcomer) == new
    for name, created, out in zip((FIRST, SECOND), factory.created, factory.outs, strict=True):
        assert created[name] == {
            "hashes": {"sha256": after[name]["sha256"]}, "length": after[name]["length"], "custom": after[name]["custom"],
        }
        assert Path(after[name]["file"]).read_bytes() == (out / "release.json").read_bytes()
        uris = {app["name"]: app["uri"] for app in json.loads((out / "release.json").read_text())["apps"]}
        assert {app: entry["uri"] for app, entry in after[name]["custom"]["docker_compose_apps"].items()} == uris
    says(judge, "accepted: two Targets, release.json of each as built; "
                f"root, timestamp, snapshot, targets {old}, then {new}")


def test_unusual_targets(
    judge: Judge, serve: Callable[[Path], str], scratch: Path, says: Callable[[Judge, str], None],
) -> None:
    """Names with folders, quotes and accents in `custom`, and a Target that is a commit, without bytes."""
    sample = PROGRAMS.parent / "tests/unit/target/tuf-sample"
    if not sample.is_file():
        pytest.skip("no tuf-sample, which is built where cmocka is")
    subprocess.run((sample, scratch), check=True, timeout=60)
    names = ("raspberrypi4-64-lmp-1", "dir/commit-2")
    url = serve(scratch / "repo")
    found = accepted(ask(judge, url, scratch / "keys/root.json", scratch / "state", *names))
    assert json.loads(Path(found[names[0]]["file"]).read_bytes()) == {"apps": {"web": "\u00e9"}}
    assert found[names[0]]["custom"]["name"] == 'q"uo\\te \u00e9'
    assert found[names[1]]["length"] == 0 and found[names[1]]["sha256"] == hashlib.sha256(b"commit").hexdigest()
    says(judge, "accepted: quotes and accents in custom, a name with a folder, a Target without bytes")


def change(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data, path
    path.write_bytes(data.replace(old, new, 1))


def unsign(path: Path) -> None:
    whole = json.loads(path.read_text())
    whole["signatures"] = []
    path.write_text(json.dumps(whole))


def only(folder: Path, pattern: str) -> Path:
    # The newest, for versions have one digit here.
    return sorted(folder.glob(pattern))[-1]


TAMPERED: dict[str, Callable[[Path], None]] = {
    "timestamp changed": lambda repo: change(repo / "metadata/timestamp.json", b'"version": 3', b'"version": 4'),
    "timestamp unsigned": lambda repo: unsign(repo / "metadata/timestamp.json"),
    "snapshot changed": lambda repo: change(only(repo, "metadata/*.snapshot.json"), b'"version": 3', b'"version": 4'),
    "targets changed": lambda repo: change(only(repo, "metadata/*.targets.json"), b"sha256:", b"sha256;"),
    "snapshot missing": lambda repo: only(repo, "metadata/*.snapshot.json").unlink(),
    "bytes changed": lambda repo: change(only(repo, f"targets/*.{SECOND}"), b"pinned", b"pinnel"),
    "bytes too many": lambda repo: only(repo, f"targets/*.{SECOND}").write_bytes(
        only(repo, f"targets/*.{SECOND}").read_bytes() + b"\n"),
}


def test_tampered_copies_are_refused(
    judge: Judge, factory: Factory, serve: Callable[[Path], str], scratch: Path, says: Callable[[Judge, str], None],
) -> None:
    words = {}
    for number, (what, tamper) in enumerate(TAMPERED.items()):
        copy = scratch / f"copy{number}"
        shutil.copytree(factory.repository, copy)
        tamper(copy)
        words[what] = ask(judge, serve(copy), factory.root, scratch / f"state{number}", SECOND)
    device = scratch / "device"
    accepted(ask(judge, serve(factory.repository), factory.root, device, SECOND))
    words["an older repository again"] = ask(judge, serve(factory.older), factory.root, device, FIRST)
    words["another's root"] = ask(judge, serve(factory.repository), factory.other_root, scratch / "other", SECOND)
    taken = [what for what, done in words.items() if done.returncode == 0]
    assert not taken, f"{judge} took what was tampered with: {', '.join(taken)}"
    for what, done in words.items():
        line = re.sub(r"([0-9a-f]{12})[0-9a-f]{52}|http://[0-9.:]+", r"\1", done.stderr.strip().splitlines()[-1])
        says(judge, f"refused, as it should ({what}): {line[:200]}")
