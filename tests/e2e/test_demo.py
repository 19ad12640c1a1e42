"""`make demo` shows what it should, leaves what it says, and fails when a step does."""

import json
from pathlib import Path

import pytest

from . import demo
from .conftest import PROGRAMS

DEMO = Path(demo.__file__)


def play(place, *arguments, **how):
    # Processes are looked for by this variable.
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PRATIQUE_DEMO_OF": str(place.root), **how.pop("env", {})}
    return place.program("/usr/bin/python3", DEMO, *arguments, env=env, **how)


def processes_of(place):
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"PRATIQUE_DEMO_OF={place.root}".encode() in environment.read_bytes().split(b"\0"):
                found.append((environment.parent / "cmdline").read_bytes())
        except OSError:
            pass
    return found


def test_the_demo(place):
    result = play(place, "--out", "demo", "--programs", PROGRAMS)
    assert result.err == "" and "\033" not in result.out
    for number in range(1, 9):
        assert f"\n{number}. " in result.out
    assert "\nproved: 1 Target, 2 apps, 5 images; " in result.out
    assert "Target intel-corei7-64-lmp-1  unchanged\n" in result.out
    assert "Target intel-corei7-64-lmp-2  signed into tuf\n" in result.out
    assert result.out.count("(exit status 1)") == 4
    # What it names is there.
    out = place.work / "demo"
    for named in ("out/release.json", "out/targets-created.json", "out/shop/docker-compose.yml", "out/logs/worker.log",
                  "tuf/metadata/timestamp.json", "containers/shop/docker-compose.yml"):
        assert (out / named).is_file(), named
    assert json.loads((out / "out/targets-created.json").read_text())
    assert "lmp-2" in place.run("target", "show", out / "tuf").out
    # And nothing else: no secret as it was given, no folder, no process.
    assert not (out / "given-secrets").exists()
    assert list((place.root / "tmp").iterdir()) == [] and processes_of(place) == []
    assert list(place.home.iterdir()) == []


def test_the_demo_can_be_had_again_and_takes_nobodys_folder(place):
    programs = place.root / "programs"
    programs.mkdir()
    (programs / "pratique").write_text("#!/bin/sh\necho broken; exit 5\n")
    (programs / "pratique").chmod(0o755)
    mine = place.write({"kept": "mine"}, "mine")
    assert "not of an earlier demo" in play(place, "--out", mine, status=1).err
    assert (mine / "kept").read_text() == "mine"
    # A step that fails ends it; so it does the second time, over the first one's folder.
    for _ in range(2):
        result = play(place, "--out", "demo", "--programs", programs, status=1)
        assert "\nbroken\n" in result.out and "ended with status 5, not 0" in result.err
        assert "\n3. " not in result.out
    assert list((place.root / "tmp").iterdir()) == [] and processes_of(place) == []


@pytest.mark.parametrize("status", [0, 1])
def test_a_step_must_end_as_expected(place, tmp_path, status):
    shown = demo.Demo.__new__(demo.Demo)
    shown.out, shown.env, shown.colour = tmp_path, dict(place.env), False
    assert shown.run(f"echo said; exit {status}", status) == "said\n"
    with pytest.raises(demo.Failed):
        shown.run(f"exit {status}", 1 - status)
