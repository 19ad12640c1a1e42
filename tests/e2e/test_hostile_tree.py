"""A containers repository of somebody who means harm, as in a CI job for a pull request: nothing of it is run outside of
the engine, nothing is read or written outside of it, and the engine pulls nothing but what was checked."""

import json
import os
import re
import shutil

import pytest

from .factory import SMALL, Factory

BASE, OTHER = "acme.azurecr.io/base/python:3.11", "ghcr.example.com/acme/redis:7"
BROKER = "ghcr.example.com/acme/broker:2"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def shared(session, running_lab):
    return Factory.ready(session, running_lab)


@pytest.fixture
def factory(shared, lab):
    """Each test has a tree of its own."""
    shutil.rmtree(shared.containers, ignore_errors=True)
    yield shared
    assert [n for n in shared.temporary_files() if not n.startswith("pratique-logs-")] == []


def build(factory, *arguments, **how):
    return factory.run("target", "build", "containers", "--no-tuf", *arguments, **how)


def printable(result):
    return not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x9b\u202e]", result.out + result.err)


# git.


def test_a_partial_clone_cannot_name_a_program_that_fetches(factory):
    factory.write(SMALL)
    git = factory.containers / ".git"
    head = factory.place.program("/usr/bin/git", "-C", factory.containers, "rev-parse", "HEAD").out.strip()
    (git / "objects" / head[:2] / head[2:]).unlink()
    ran = factory.place.root / "ran"
    with (git / "config").open("a") as config:
        config.write(
            "[core]\n\trepositoryformatversion = 1\n\tsshCommand = touch " + str(ran) + "; false\n"
            "[extensions]\n\tpartialClone = origin\n"
            f'[remote "origin"]\n\turl = file://{factory.containers}\n\tuploadpack = "touch {ran}; false"\n'
            "\tpromisor = true\n"
        )
    build(factory, status=2)
    assert not ran.exists()


def test_programs_of_the_tree_are_not_on_the_path(factory):
    """With `.` on the PATH, and the tree as working directory."""
    ran = factory.place.root / "ran"
    script = f"#!/bin/sh\ntouch {ran}\nexit 1\n"
    names = ("git", "buildah", "newuidmap", "crun", "runc", "cpp", "docker-credential-pratique", "catatonit", "sh")
    factory.write({**{n: script for n in names}, "x/Dockerfile": f"FROM {BROKER}\nRUN true\n"})
    for name in names:
        (factory.containers / name).chmod(0o755)
    path = f".::{factory.place.env['PATH']}"
    factory.run("target", "build", ".", "--no-tuf", "--config", factory.work / "factory-config.yml",
                cwd=factory.containers, env={"PATH": path})
    assert not ran.exists()


# Files that are not what they seem.


def test_what_leads_out_or_is_no_file_is_refused_and_never_waited_for(factory):
    factory.write({"e/Dockerfile": "FROM busybox\n", "h/Dockerfile": "FROM busybox\n", "k/Dockerfile": "FROM busybox\n",
                   "f/docker-compose.yml": f"services: {{a: {{image: '{BROKER}'}}}}\n",
                   "k/docker-build.conf": "DOCKERFILE=Dockerfile.in\n",
                   "k/Dockerfile.in": '#include "/etc/hostname"\nFROM busybox\n'})
    links = {"a/docker-compose.yml": "/etc/passwd", "b/Dockerfile": "/etc/passwd", "f/.env": "/proc/self/environ",
             "h/.dockerignore": "/etc/passwd"}
    pipes = ("c/Dockerfile", "d/docker-compose.yml", "e/docker-build.conf", "e/.docker_build_args")
    for name, target in links.items():
        (factory.containers / name).parent.mkdir(exist_ok=True)
        (factory.containers / name).symlink_to(target)
    for name in pipes:
        (factory.containers / name).parent.mkdir(exist_ok=True)
        os.mkfifo(factory.containers / name)
    result = build(factory, "--dry-run", status=2, timeout=20)
    for name in links:
        assert f"pratique: {name}: leads out of the tree, which is refused\n" in result.err
    for name in pipes:
        assert f"pratique: {name}: is not a regular file\n" in result.err
    assert "pratique: k/docker-build.conf: DOCKERFILE ends in `.in`" in result.err
    assert "root:" not in result.err + result.out


def test_names_that_steer(factory):
    names = [b"--help", b"-v", b"a\nb", b"a\x1b[31mb", b"a=b", b"a:b", b"a b", b"\xff\xfe", b"a,b", "a\u202eb".encode()]
    factory.write(SMALL)
    for name in names:
        folder = os.path.join(os.fsencode(factory.containers), name)
        os.mkdir(folder)
        with open(os.path.join(folder, b"Dockerfile"), "w", encoding="utf-8") as file:
            file.write(f"FROM {BROKER}\n")
    result = build(factory, "--dry-run", status=2)
    assert result.err.count("the folder's name cannot be a repository's") == len(names)
    listed = factory.run("images", "containers")
    assert printable(result) and printable(listed) and listed.out.count("\n") == len(names) + 1
    document = factory.run("images", "containers", "--json").json()
    assert len(document["images"]) == len(names) + 1


@pytest.mark.parametrize("image", [
    "ghcr.example.com/acme/redis:7\\e[31m", "-rf", "--authfile=/etc/passwd", "ghcr.example.com/acme/redis:7,x=y",
    "ghcr.example.com/acme/redis:7=x", "ghcr.example.com/acme/../redis:7", "oci-archive:/etc/passwd", "dir:/etc",
    "docker://ghcr.example.com/acme/redis:7", "http://127.0.0.1/x", "a@sha256:0", "x\\0y", "\\u202exyz",
])
def test_references_that_are_none(factory, image):
    factory.write({"app/docker-compose.yml": f'services:\n  "b\\e]0;x\\a":\n    image: "{image}"\n'})
    result = build(factory, "--dry-run", status=2)
    assert "app/docker-compose.yml" in result.err and printable(result)
    factory.write({"app/docker-compose.yml": "services: {}\n", "x/Dockerfile": "FROM " + image + "\n"})
    assert printable(build(factory, "--dry-run", status=None))


# Where outputs go.


@pytest.mark.parametrize("linked", ["out", "out/app", "out/logs"])
def test_out_in_the_tree_is_not_written_through_links(factory, linked):
    victim = factory.place.root / "victim"
    shutil.rmtree(victim, ignore_errors=True)
    victim.mkdir()
    factory.write({**SMALL, "x/Dockerfile": f"FROM {BROKER}\nCOPY word /word\n", "x/word": os.urandom(8).hex()})
    link = factory.containers / linked
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(victim)
    result = factory.run("target", "build", ".", "--no-tuf", "--out", "out", "--config",
                         factory.work / "factory-config.yml", cwd=factory.containers, status=2)
    assert "is a symbolic link, and is not written through" in result.err
    assert list(victim.iterdir()) == []


# What the engine pulls.


def pulled(factory):
    """What was asked of the registries after the engine began, and by what reference."""
    return [r["path"] for r in factory.lab.requests() if "/manifests/" in r["path"] and "hub" not in r["host"]]


@pytest.mark.parametrize("dockerfile", [
    f"ARG I={BROKER}\nFROM $I\n", f'ARG I={BROKER}\nFROM "${{I}}"\n', f"ARG I=\nFROM ${{I:-{BROKER}}}\n",
    f"ARG I={BROKER}\nFROM \\\n# a comment\n   $I AS x\n", f"# escape=`\nFROM `\n{BROKER}\nRUN echo \\\n",
    f"FROM scratch\nCOPY --from={BROKER} /etc/lab-image /x\n",
    f"FROM {BROKER} AS one\nFROM one\nRUN --mount=type=bind,from=one,source=/etc,target=/mnt cat /mnt/lab-image\n",
], ids=range(7))
def test_each_image_is_pulled_by_its_digest(factory, dockerfile):
    factory.write({"x/Dockerfile": dockerfile + f"LABEL unique={os.urandom(8).hex()}\n"})
    build(factory, "--out", f"out{os.urandom(4).hex()}")
    arguments = factory.place.calls("buildah")
    built = [a for a in arguments if "bud" in a][-1]
    policy = built[built.index("--signature-policy") + 1]
    assert policy.startswith(str(factory.place.root / "tmp"))
    contexts = [built[i + 1] for i, a in enumerate(built) if a == "--build-context"]
    digest = factory.lab.digests[BROKER]
    assert contexts and all(c.endswith(f"=docker-image://ghcr.example.com/acme/broker@{digest}") for c in contexts)
    # By tag only once, by the preflight.
    assert pulled(factory).count("/v2/acme/broker/manifests/2") <= 1


def push_onbuild(factory, *instructions):
    """An image with ONBUILD, which only docker's own format knows."""
    import hashlib

    folder = factory.place.root / "onbuild"
    folder.mkdir(exist_ok=True)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"OnBuild": list(instructions)},
                         "rootfs": {"type": "layers", "diff_ids": []}, "history": []}).encode()
    name = hashlib.sha256(config).hexdigest()
    (folder / name).write_bytes(config)
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    (folder / "manifest.json").write_text(json.dumps({
        "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "layers": [],
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": f"sha256:{name}",
                   "size": len(config)},
    }))
    reference = f"{factory.hub}/evil:1"
    factory.skopeo("copy", "-q", f"dir:{folder}", f"docker://{reference}")
    return reference


def test_a_base_image_cannot_ask_for_images_that_were_not_checked(factory):
    """Its ONBUILD names a private image of a host that the build has a login for."""
    base = push_onbuild(factory, f"COPY --from={OTHER} /etc/lab-image /stolen")
    # The broker gives the build the login of ghcr.example.com.
    factory.write({"x/Dockerfile": f"FROM {BROKER} AS login\nFROM {base}\nCOPY --from=login /etc/lab-image /x\n"})
    # What lies in the engine's store was let in before: nobody else's pull may have left it there.
    factory.place.program("buildah", "rmi", "--force", OTHER, status=None)
    result = build(factory, "--out", "onbuild-out", status=1)
    assert "the build failed" in result.err
    assert not [r for r in factory.lab.requests() if "/acme/redis/blobs/" in r["path"]]


def test_a_stage_with_the_name_of_an_image(factory):
    factory.write({"x/Dockerfile": "FROM busybox AS busybox\nFROM scratch\nCOPY --from=busybox /a /a\n"})
    result = build(factory, "--dry-run", status=1)
    assert "x/Dockerfile:1: the stage busybox has the name of an image" in result.err


def test_a_build_that_never_stops_talking_can_be_interrupted(factory):
    import signal
    import subprocess
    import time

    factory.write({"x/Dockerfile": f"FROM {BROKER}\nRUN yes\n"})
    log = factory.work / "talk/logs/x.log"
    child = subprocess.Popen(
        [factory.place.programs / "pratique", "target", "build", "containers", "--no-tuf", "--out", "talk"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=factory.work,
        env=factory.place.env,
    )
    for _ in range(600):
        if child.poll() is not None or (log.exists() and log.stat().st_size > 1 << 16):
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=20)
    assert child.returncode == 130, said
