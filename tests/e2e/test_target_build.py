"""The options of `target build`, what it refuses before it begins, and what it hands to the engine."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .factory import MACHINE, SMALL, Factory, files_below, matches
from .leaks import Patterns
from .processes import children_below, start, wait_until

USING = "pratique: using factory-config.yml\n"
IMAGE = {"x/Dockerfile": "FROM ghcr.example.com/acme/broker:2\nCOPY word /word\n", "x/word": "one\n"}


@pytest.fixture(scope="module")
def shared(session, running_lab):
    """An app of one image by tag, an image that is built, and a first Target of both."""
    factory = Factory.ready(session, running_lab)
    factory.write({**SMALL, **IMAGE})
    factory.build()
    return factory


@pytest.fixture
def factory(shared, lab):
    """What there is is left as it is by the tests that ask for this one."""
    before = shared.published()
    yield shared
    assert shared.published() == before
    assert shared.temporary_files() == []


@pytest.fixture
def own(session, lab):
    """For tests that publish."""
    return Factory.ready(session, lab)


# Refused before it begins.


def test_a_used_version(factory):
    result = factory.build("--version", "1", status=2)
    assert result.err == USING + (
        f"pratique: {MACHINE}-lmp-1: the version 1 is used already (leave --version out for the next free one)\n"
    )


@pytest.mark.parametrize("version", ["0", "-1", "1.0", "two", "99999999999"])
def test_what_is_no_version(factory, version):
    result = factory.build(f"--version={version}", status=2)
    assert result.err == USING + "pratique: --version wants a number from 1 (--version 7)\n"


@pytest.mark.parametrize("machine", ["foo bar", "", "a/b", "-x", "a#b", "x%2fy"])
def test_what_is_no_name_of_a_machine(factory, machine):
    result = factory.build(f"--machine={machine}", status=2)
    assert f"{machine} cannot be the name of a machine (letters, digits," in result.err


@pytest.mark.parametrize("tag", ["", "a b", "a,b", "devel:main"])
def test_what_is_no_tag(factory, tag):
    assert "cannot be a tag (letters, digits," in factory.build(f"--tag={tag}", status=2).err


def test_a_detached_head_needs_a_tag(factory):
    git = ("/usr/bin/git", "-C", factory.containers)
    factory.place.program(*git, "checkout", "-q", "--detach")
    try:
        result = factory.build(status=2)
        assert result.err == USING + "pratique: HEAD is on no branch, so the Target's tag is not known (give --tag TAG)\n"
        factory.build("--tag", "release", "--dry-run")
    finally:
        factory.place.program(*git, "checkout", "-q", "main")


def test_no_machine_at_all(factory):
    config = (factory.work / "factory-config.yml").read_text().replace("lmp:\n  machines: [intel-corei7-64]\n", "")
    factory.place.write({"other.yml": config})
    result = factory.build("--config", "other.yml", status=2)
    assert result.err == (
        "pratique: it is not known for which machines the Target is (give --machine NAME, or set lmp.machines)\n"
    )
    factory.build("--config", "other.yml", "--machine", MACHINE, "--dry-run")


def test_a_machine_of_another_architecture(factory):
    result = factory.build("--machine", "raspberrypi4-64:riscv64", status=2)
    assert matches(result.err, USING + "pratique: --machine raspberrypi4-64:riscv64: this build is for linux/<any> "
                                       "(build it on such a machine)\n")


def test_neither_tuf_nor_no_tuf(factory):
    result = factory.run("target", "build", "containers", status=2)
    assert "it is not known where to sign the Target" in result.err


def test_a_repository_that_is_no_tuf_repository(factory):
    (factory.work / "empty").mkdir()
    result = factory.run("target", "build", "containers", "--tuf", "empty", status=2)
    assert result.err == USING + "pratique: empty: is not a TUF repository (`pratique tuf init` makes one)\n"


def test_all_that_is_wrong_with_a_command_line_is_said_at_once(factory):
    result = factory.run("target", "build", "containers", "--hub", "hub.example.com", "--version", "x",
                         "--builder", "docker", status=2)
    assert [line.split("(")[0].strip() for line in result.err.removeprefix(USING).splitlines()] == [
        "pratique: --hub wants HOST/FACTORY", "pratique: --version wants a number from 1",
        "pratique: it is not known where to sign the Target", "pratique: --builder is buildah or none",
    ]


def scratch(factory, files):
    """A containers repository of its own beside the shared one."""
    folder = factory.place.write(
        {n: c.replace("hub.example.com/acme", factory.hub) for n, c in files.items()}, "scratch"
    )
    factory.place.commit(folder)
    return folder


@pytest.fixture
def build_of(factory):
    def build(files, *arguments, **how):
        shutil.rmtree(factory.work / "scratch", ignore_errors=True)
        scratch(factory, files)
        return factory.run("target", "build", "scratch", "--tuf", "tuf", *arguments, **how)

    return build


def test_folders_in_a_circle(build_of):
    result = build_of({
        "a/Dockerfile": "FROM hub.example.com/acme/b\n", "b/Dockerfile": "FROM hub.example.com/acme/c:latest\n",
        "c/Dockerfile": "FROM hub.example.com/acme/a\n",
    }, status=2)
    assert result.err == USING + (
        "pratique: a/Dockerfile: images are made from one another in a circle: a, b, c, a "
        "(take one of them out of the circle)\n"
    )


def test_docker_compose_yaml_is_to_be_renamed(build_of):
    result = build_of({"app/docker-compose.yaml": SMALL["app/docker-compose.yml"]}, status=2)
    assert result.err == USING + (
        "pratique: app/docker-compose.yaml: a Compose App is described by docker-compose.yml "
        "(rename it to docker-compose.yml)\n"
    )


def test_a_repository_with_nothing_in_it(build_of):
    result = build_of({"README": "nothing yet\n"}, status=2)
    assert "holds neither images nor apps" in result.err


def test_a_name_that_no_repository_can_have(build_of):
    result = build_of({"My_App/docker-compose.yml": SMALL["app/docker-compose.yml"]}, status=2)
    assert "pratique: My_App: the folder's name cannot be a repository's" in result.err


def test_what_is_disabled_is_not_even_read(build_of):
    result = build_of({**SMALL, "b.disabled/docker-compose.yml": "[", "c.disabled/Dockerfile": "FORM x\n"}, "--dry-run")
    assert "disabled" not in result.out + result.err


def test_a_folder_that_is_in_no_git_repository(factory):
    folder = factory.place.write(SMALL, "no-git")
    result = factory.run("target", "build", folder, "--tuf", "tuf", status=2)
    assert "is not in a git work tree" in result.err and "`git init`, commit" in result.err


def test_a_build_conf_is_read_and_never_run(build_of, factory):
    result = build_of({
        **SMALL, "y/Dockerfile": "FROM ghcr.example.com/acme/broker:2\n",
        "y/docker-build.conf": 'touch ran\nBUILD_CONTEXT="$(touch ran)"\nDOCKERFILE=`touch ran`\nTEST_CMD="x"\n',
        "y/.docker_build_args": "",
    }, "--dry-run")
    hint = " (it is read as NAME=value, and not run as a shell script)"
    assert result.err == USING + (
        f"pratique: y/docker-build.conf:1: warning: this line is not used{hint}\n"
        f"pratique: y/docker-build.conf:2: warning: BUILD_CONTEXT is not a literal and not used{hint}\n"
        f"pratique: y/docker-build.conf:3: warning: DOCKERFILE is not a literal and not used{hint}\n"
        "pratique: y/docker-build.conf:4: warning: TEST_CMD is not used\n"
    )
    assert not list(factory.place.root.rglob("ran"))


@pytest.mark.parametrize("line", ["BUILD_CONTEXT=../..", "DOCKERFILE=../../x/Dockerfile", "BUILD_CONTEXT=/etc"])
def test_a_build_conf_cannot_lead_out_of_the_repository(build_of, line):
    result = build_of({**SMALL, "y/Dockerfile": "FROM scratch\n", "y/docker-build.conf": line + "\n"}, status=2)
    assert f"{line.split('=')[0]} leads out of the tree, which is refused" in result.err


# Options.


def test_dry_run_publishes_nothing_and_says_what_it_would(factory, build_of):
    result = build_of({**SMALL, "y/Dockerfile": "FROM ghcr.example.com/acme/broker:2\n"}, "--dry-run")
    assert result.out == (
        f"would build {factory.hub}/y\n"
        f"would publish {factory.hub}/app unless it is there\n"
        "would sign version 2 into tuf if anything changed\n"
    )
    assert not any("PUT" in upload for upload in factory.uploads())


def test_a_dry_run_finds_what_is_missing(build_of):
    result = build_of({"app/docker-compose.yml": SMALL["app/docker-compose.yml"].replace(":2", ":3")},
                      "--dry-run", status=1)
    assert "ghcr.example.com/acme/broker:3: not found" in result.err


def test_builder_none_takes_what_the_hub_has(factory, build_of):
    factory.build("--builder", "none")
    calls = len(factory.place.calls("buildah"))
    result = build_of({**SMALL, **IMAGE, "x/word": "two\n"}, "--builder", "none", status=1)
    assert matches(result.err, USING + f"pratique: x/Dockerfile: the hub does not have {factory.hub}/x:inputs-<hex> "
                                       "(leave --builder none out)\n")
    assert len(factory.place.calls("buildah")) == calls


def test_no_tuf_publishes_and_signs_nothing(own):
    own.write(SMALL)
    before = files_below(own.tuf)
    result = own.run("target", "build", "containers", "--no-tuf", "--out", "out")
    assert matches(result.out, f"app    {own.hub}/app@<digest>  published\n")
    assert files_below(own.tuf) == before
    assert json.loads((own.work / "out/targets-created.json").read_text()) == {}
    assert json.loads((own.work / "out/release.json").read_text())["apps"][0]["name"] == "app"


def test_out_is_whole_or_not_there(own):
    own.write({**SMALL, **IMAGE})
    own.build("--out", "deep/er/out")
    out = own.work / "deep/er/out"
    assert sorted(files_below(out)) == [
        "app/docker-compose.yml", "logs/x.log", "release.json", "targets-created.json",
    ]


def test_versions_tags_and_machines(own):
    own.write(SMALL)
    own.build("--version", "41", "--machine", "one", "--machine", "two")
    own.build("--tag", "release", "--machine", "one")
    targets = own.targets()
    assert {n: (t["custom"]["tags"], t["custom"]["hardwareIds"]) for n, t in targets.items()} == {
        "one-lmp-41": (["main"], ["one"]), "two-lmp-41": (["main"], ["two"]), "one-lmp-42": (["release"], ["one"]),
    }
    own.verify()
    # Each tag and machine has its own newest Target.
    assert own.build("--tag", "release", "--machine", "one").out.endswith("Target one-lmp-42  unchanged\n")


def test_an_unchanged_build_renews_metadata_that_has_lost_half_of_its_life(own):
    own.write(SMALL)
    own.build()
    def versions():
        return sorted(p.name for p in (own.tuf / "metadata").glob("*.targets.json"))
    before = versions()
    assert own.build().out.endswith("unchanged\n") and versions() == before
    # One year is left; of a life of ten that is less than half.
    config = own.work / "factory-config.yml"
    config.write_text(config.read_text() + "\ntuf:\n  targets_expire_after: 10Y\n")
    renewed = own.build()
    assert "signing the metadata of tuf anew, so that it does not expire" in renewed.err
    assert renewed.out.endswith("unchanged\n")
    assert versions() == [*before, f"{len(before) + 1}.targets.json"]
    assert own.build().err.count("anew") == 0 and len(versions()) == len(before) + 1
    own.verify()


def test_the_answer_as_json(own):
    own.write({**SMALL, **IMAGE})
    first = own.build("--json").json()
    assert list(first) == ["images", "apps", "targets", "unchanged", "errors"]
    assert [(i["name"], i["built"]) for i in first["images"]] == [("x", True)]
    assert [(a["name"], a["uploaded"]) for a in first["apps"]] == [("app", True)]
    assert list(first["targets"]) == [f"{MACHINE}-lmp-1"] and first["unchanged"] is False and first["errors"] == []
    again = own.build("--json").json()
    assert again["unchanged"] is True and again["targets"] == {}
    assert [i["digest"] for i in again["images"]] == [i["digest"] for i in first["images"]]
    assert [a["uri"] for a in again["apps"]] == [a["uri"] for a in first["apps"]]


def test_an_image_that_two_checkouts_build_is_built_once(own, session, lab):
    """The digest of the inputs does not depend on where, when and by whom a repository was checked out."""
    own.write({**SMALL, **IMAGE})
    own.build()
    clone = own.work / "clone"
    own.place.program("/usr/bin/git", "clone", "-q", own.containers, clone)
    for path in clone.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    result = own.run("target", "build", "clone", "--tuf", "tuf")
    assert "built and pushed" not in result.out and "published" not in result.out


# What the engine is given.


def test_what_is_built_is_what_was_checked(own):
    """Every FROM is by digest or an image that was just built, also where variables name it."""
    own.write({
        **SMALL,
        "base/Dockerfile": "FROM ghcr.example.com/acme/broker:2\nCOPY word /word\n", "base/word": "first\n",
        "top/Dockerfile": (
            "ARG HUB=hub.example.com/acme\n"
            "ARG FROM_TAG=latest\n"
            "ARG BROKER=ghcr.example.com/acme/broker\n"
            "FROM ${BROKER}:2 AS tool\n"
            "FROM --platform=$TARGETPLATFORM \\\n"
            "  ${HUB}/base:${FROM_TAG}\n"
            "COPY --from=tool /etc/lab-image /tool\n"
            "RUN cp /word /copy\n"
        ),
    })
    for turn in ("second\n", "third\n"):
        own.write({"base/word": turn})
        own.build("--out", "out")
        # The log is that of this run alone.
        log = (own.work / "out/logs/top.log").read_text()
        bases = re.findall(r"STEP 1/\d+: FROM (\S+)", log)
        assert len(bases) == 2, log
        assert re.fullmatch(r"ghcr.example.com/acme/broker@sha256:[0-9a-f]{64}", bases[0])
        assert re.fullmatch(rf"localhost/pratique/{own.name}/base:inputs-[0-9a-f]{{64}}", bases[1])


def test_secrets_of_others_are_not_within_reach_of_a_build(own):
    """The hosts that the helper answers for are those of this build, and its files are private."""
    own.write({
        **SMALL, "x/Dockerfile": "FROM ghcr.example.com/acme/broker:2\nRUN sleep 8\n",
    })
    child = start(own, "--out", "out")
    try:
        socket, authfile = wait_for_helper(own, child)
        assert authfile["auths"] == {} and authfile["credHelpers"] == {"ghcr.example.com": "pratique"}
        asked = {
            host: own.place.program(
                own.place.programs / "docker-credential-pratique", "get", input=host, status=None,
                env={"PRATIQUE_HELPER_SOCKET": str(socket)},
            ) for host in ("acme.azurecr.io", own.lab.hosts["hub"], own.lab.hosts["ecr"], "evil.example.com", "")
        }
        assert {h: (r.status, r.out) for h, r in asked.items() if h} == {
            h: (1, "credentials not found in native keychain\n") for h in asked if h
        }
        answer = subprocess.run(
            [own.place.programs / "docker-credential-pratique", "get"], input=b"ghcr.example.com", check=True,
            capture_output=True, env={**own.place.env, "PRATIQUE_HELPER_SOCKET": str(socket)},
        )
        login = own.lab.credentials.generic
        assert json.loads(answer.stdout) == {
            "ServerURL": "ghcr.example.com", "Username": login.user, "Secret": login.password,
        }
        assert socket.parent.stat().st_mode & 0o077 == 0
        assert_no_secret_in_processes(own, child.pid)
    finally:
        said, _ = child.communicate(timeout=60)
    own.place.keep("a slow build", said)
    assert child.returncode == 0, said


def wait_for_helper(factory, child):
    log = factory.work / "out/logs/x.log"
    wait_until(lambda: child.poll() is not None or (log.exists() and "RUN sleep" in log.read_text()))
    socket = next((factory.place.root / "tmp").glob("pratique-*/s"))
    return socket, json.loads((socket.parent / "auth.json").read_text())


def assert_no_secret_in_processes(factory, pid):
    patterns = Patterns()
    for name, value in factory.lab.secrets.items():
        patterns.add_secret(name, value)
    # The step is in the log a little before its process is there.
    wait_until(lambda: len(children_below(pid)) >= 2)
    family = [pid, *children_below(pid)]
    seen = []
    for one in family:
        for file in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{one}/{file}").read_bytes()
            except OSError:
                continue
            seen.append(content)
            assert patterns.found_in(content) == [], f"{file} of {content[:80]!r}"
    # pratique, buildah, and what buildah runs: otherwise nothing was looked at.
    assert len(family) >= 3 and any(b"buildah" in content for content in seen)


def test_a_hostile_repository_chooses_nothing(own):
    """Neither its configuration nor its git settings, attributes and hooks are used."""
    own.write({
        **SMALL,
        "factory-config.yml": "hub: {url: evil.example.com/acme, hub_secret_name: hub_creds}\n",
        "ci-scripts/factory-config.yml": "hub: {url: evil.example.com/acme, hub_secret_name: hub_creds}\n",
        "hook.sh": "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\n",
    })
    hook = own.containers / "hook.sh"
    hook.chmod(0o755)
    git = ("/usr/bin/git", "-C", own.containers, "config")
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "credential.helper", "gpg.program",
                "diff.external", "alias.rev-parse"):
        own.place.program(*git, key, f"!{hook}" if key.startswith(("alias", "credential")) else str(hook))
    own.place.program(*git, "core.hooksPath", str(own.containers))
    for name in ("post-index-change", "reference-transaction", "pre-commit", "post-checkout"):
        for folder in (own.containers / ".git/hooks", own.containers):
            (folder / name).write_text(f"#!/bin/sh\ntouch {own.containers}/ran\n")
            (folder / name).chmod(0o755)
    # From inside of it there is no configuration, and so no identity.
    refused = own.run("check", ".", cwd=own.containers, status=1)
    assert refused.err.startswith(
        f"pratique: {own.containers}/factory-config.yml lies inside the folder that is worked on, "
        "which must not choose where secrets go (name it with --config FILE if you trust it)\n"
    )
    assert "evil" not in refused.out
    result = own.build()
    assert "evil" not in result.out + result.err
    assert result.err.startswith(USING)
    assert not list(own.place.root.rglob("ran"))
    assert {c["host"] for c in own.lab.connects()} <= set(own.lab.hosts.values())
