"""What the other tests stand on, proved: places are isolated, and the checks at the end of a session can fail."""

import base64
import json
import os
import urllib.parse
from pathlib import Path

import pytest

from . import untouched
from .conftest import Session
from .leaks import Patterns
from .place import Place

SECRET = 'k9:"\\ %\'$&#=QmP7/+xZ2wL'


@pytest.fixture
def patterns() -> Patterns:
    patterns = Patterns()
    patterns.add_secret("probe", SECRET)
    return patterns


@pytest.mark.parametrize("shown", [
    SECRET, f"user:{SECRET}@host", json.dumps({"p": SECRET}), urllib.parse.quote(SECRET, safe=""),
    *(base64.b64encode(f"{'u' * n}:{SECRET}".encode()).decode() for n in range(1, 4)),
    *(base64.urlsafe_b64encode(f"{'u' * n}:{SECRET}{'v' * n}".encode()).decode() for n in range(1, 4)),
])
def test_a_secret_is_found_in_an_output_in_each_of_its_forms(patterns, shown):
    found = patterns.found_in(f"before {shown} after".encode())
    assert found and all(name.startswith("the secret probe") for name in found)


def test_what_is_no_secret_is_not_found(patterns):
    assert patterns.found_in(b"before k9: after") == []


def test_a_secret_is_found_in_a_file_and_in_the_name_of_one(patterns, tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/log").write_bytes(b"\0\xff" + base64.b64encode(SECRET.encode()) + b"\n")
    (tmp_path / "harmless").write_text("nothing")
    assert [line.split(": ")[0] for line in patterns.found_below([tmp_path])] == [f"{tmp_path}/deep/er/log"]
    patterns.add_secret("other", "plain-secret-name")
    (tmp_path / "plain-secret-name").touch()
    assert f"a file name below {tmp_path}: the secret other" in patterns.found_below([tmp_path])


def test_folders_that_hold_secrets_by_right_are_left_out(patterns, tmp_path):
    for name in ("lab-secrets", "given-secrets", "kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(SECRET)
    assert patterns.found_below([tmp_path]) == [f"{tmp_path}/kept/file: the secret probe"]
    assert patterns.found_below([tmp_path], [tmp_path / "kept"]) == []


def test_a_session_that_leaks_ends_with_the_places(tmp_path):
    session = Session(tmp_path, Path("/usr/bin"))
    try:
        session.patterns.add_secret("probe", SECRET)
        place = session.place()
        assert session.faults() == []
        place.program("printf", "%s", SECRET)
        # An argument and a variable of a child, as the shim notes them.
        place.program("git", "--version", env={"GIT_PROBE": SECRET})
        place.write({"left": SECRET})
        found = session.faults()
    finally:
        session.end()
    note = next(place.calls_folder.iterdir())
    assert sorted(found) == sorted([
        f"standard output of printf %s {SECRET}: the secret probe",
        f"{place.work}/left: the secret probe", f"{note}: the secret probe",
    ])
    assert not session.runtime.exists()


def test_the_words_of_a_sanitizer_are_found():
    assert Patterns().found_in(b"==1==ERROR: AddressSanitizer: heap-use-after-free") == [
        "a finding of AddressSanitizer"
    ]


@pytest.mark.parametrize("status", [97, 98, 99])
def test_the_exit_statuses_of_a_sanitizer_always_fail(place: Place, status):
    with pytest.raises(AssertionError):
        place.program("sh", "-c", f"exit {status}", status=None)


def test_a_place_has_nothing_of_the_callers(place: Place, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "the caller's own")
    seen = dict(line.split("=", 1) for line in place.program("env").out.splitlines())
    assert "AWS_PROFILE" not in seen
    assert all(
        Path(seen[name]).is_relative_to(place.root)
        for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    )


def test_calls_of_children_are_noted(place: Place):
    place.program("git", "--version")
    place.program("git", "config", "--get", "no such key", status=None)
    assert place.calls("git") == [["--version"], ["config", "--get", "no such key"]]


def test_a_change_in_a_home_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(untouched, "ELSEWHERE", (str(tmp_path),))
    before = untouched.look()
    (tmp_path / "new").touch()
    after = untouched.look()
    assert f"{tmp_path}/new: new" in untouched.changed(before, after)
    os.truncate(tmp_path / "new", 7)
    assert f"{tmp_path}/new: changed" in untouched.changed(after, untouched.look())
    assert untouched.changed(before, before) == []


def test_the_lab_is_reached_and_only_by_its_name(lab, place: Place):
    place.program("curl", "-sSf", "-o", "/dev/null", f"https://{lab.hosts['generic']}/v2/", status=22)
    assert [entry["status"] for entry in lab.requests(lab.hosts["generic"])] == [401]


def test_a_workspace_holds_the_configuration_and_its_secrets(workspace: Place):
    listed = workspace.run("secrets", "list").out
    assert all(name in listed for name in ("aws_creds", "azprincipal", "ghcr_creds", "hub_creds"))
    workspace.run("config", "check")
