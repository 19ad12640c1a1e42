"""Programs that others wrote pull, read and check the Compose Apps that we published to the lab's hub."""

import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import judges
from .conftest import Factory
from .judges import Judge

Says = Callable[[Judge, str], None]
APPS = ("edge", "shop", "telemetry")
# What composectl takes for interpolation, who reads no .env.
INTERPOLATION = {"FACTORY": "acme", "CACHE_TAG": "7", "LOG_LEVEL": "info"}


def uri(factory: Factory, app: str) -> str:
    return next(str(one["uri"]) for one in factory.releases[1]["apps"] if one["name"] == app)


def pinned(factory: Factory, app: str) -> dict[str, str]:
    services = next(one["services"] for one in factory.releases[1]["apps"] if one["name"] == app)
    return {service["service"]: service["pinned"] for service in services}


def copy(factory: Factory, reference: str, folder: Path, config: Path) -> dict[str, bytes]:
    """An artifact by skopeo, who checks every digest: its manifest by the name "manifest", its blobs by their digests."""
    skopeo = judges.skopeo()
    factory.place.program(*skopeo.argv, "copy", "-q", f"docker://{reference}", f"dir:{folder}",
                          env={"DOCKER_CONFIG": str(config)})
    found = {f"sha256:{file.name}": file.read_bytes() for file in folder.iterdir() if len(file.name) == 64}
    return {**found, "manifest": (folder / "manifest.json").read_bytes()}


def bundle(artifact: dict[str, bytes]) -> tarfile.TarFile:
    layer = json.loads(artifact["manifest"])["layers"][0]["digest"]
    return tarfile.open(fileobj=io.BytesIO(gzip.decompress(artifact[layer])))


def test_skopeo(factory: Factory, scratch: Path, says: Says) -> None:
    config = factory.docker_config(scratch / "docker")
    for app in APPS:
        artifact = copy(factory, uri(factory, app), scratch / app, config)
        assert "sha256:" + hashlib.sha256(artifact["manifest"]).hexdigest() == uri(factory, app).split("@")[1]
    images = sorted({image for app in APPS for image in pinned(factory, app).values()})
    for number, image in enumerate(images):
        factory.place.program(*judges.skopeo().argv, "copy", "-q", f"docker://{image}", f"dir:{scratch}/image{number}",
                              env={"DOCKER_CONFIG": str(config)})
    says(judges.skopeo(), f"accepted: copied {len(APPS)} apps and their {len(images)} pinned images")


@pytest.mark.parametrize("judge", ["compose_go", "fy_tool"])
def test_readers_of_the_compose_file(judge: str, factory: Factory, scratch: Path, says: Says) -> None:
    reader: Judge = getattr(judges, judge)()
    config = factory.docker_config(scratch / "docker")
    for app in APPS:
        unpacked = scratch / f"{app}-unpacked"
        with bundle(copy(factory, uri(factory, app), scratch / app, config)) as tar:
            tar.extractall(unpacked)
        what = unpacked if judge == "compose_go" else unpacked / "docker-compose.yml"
        project = factory.place.program(*reader.argv, what).json()
        services = project["services"]
        assert {name: service["image"] for name, service in services.items()} == pinned(factory, app)
        for service in services.values():
            assert re.fullmatch(r"[0-9a-f]{64}", service["labels"]["io.compose-spec.config-hash"])
            assert "build" not in service
        if judge == "compose_go" and app == "shop":
            assert services["api"]["restart"] == "always" and services["worker"]["logging"]["driver"] == "journald"
            assert services["api"]["environment"] == {"LOG_LEVEL": "info"}, ".env is part of the app"
    says(reader, f"accepted: read the Compose files of {len(APPS)} apps: each image pinned, each service with its hash")


@pytest.fixture
def composectl(factory: Factory, scratch: Path) -> Callable[..., Any]:
    judge = judges.composectl()
    config = factory.docker_config(scratch / "docker")
    device = (*judge.argv, "-s", scratch / "store", "-i", scratch / "projects", "-a", "amd64")

    def run(*arguments: object, **how: Any) -> Any:
        how.setdefault("env", {"DOCKER_CONFIG": str(config)})
        return factory.place.program(*device, *arguments, **how)

    return run


def test_composectl_pulls_and_checks(factory: Factory, scratch: Path, says: Says, composectl: Callable[..., Any]) -> None:
    judge = judges.composectl()
    for app in APPS:
        reference = uri(factory, app)
        pulled = composectl("pull", reference).out
        assert "App blobs pull completed" in pulled and "ERROR" not in pulled
        for where in ([], ["--local"]):
            checked = composectl("check", *where, reference).out
            assert "0 blobs to pull" in checked and "...missing" not in checked and "...OK" in checked, checked
        tree = json.loads(composectl("inspect", "--format", "json", reference).out)
        assert {one["name"]: one["image"]["ref"] for one in tree["bundle"]["services"]} == pinned(factory, app)
        shown = composectl("show", "compose", reference).out
        assert all(image in shown for image in pinned(factory, app).values())
        stored = scratch / "store/blobs/sha256" / reference.rsplit(":", 1)[1]
        assert json.loads(stored.read_bytes()) == json.loads(composectl("show", "manifest", reference).out)
        says(judge, f"accepted: pulled, checked, inspected and showed {app}: {len(pinned(factory, app))} services")


def test_composectl_refuses_a_changed_blob(
    factory: Factory, scratch: Path, says: Says, composectl: Callable[..., Any],
) -> None:
    """That its yes means something."""
    reference = uri(factory, "telemetry")
    composectl("pull", reference)
    manifest = json.loads((scratch / "store/blobs/sha256" / reference.rsplit(":", 1)[1]).read_bytes())
    digest = manifest["layers"][0]["digest"].split(":")[1]
    blob = scratch / "store/blobs/sha256" / digest
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    done = composectl("check", "--local", reference, status=None)
    words = [line for line in (done.out + done.err).splitlines() if digest in line and "...OK" not in line]
    assert done.status != 0 or words, done.text()
    said = " ".join((words or [done.out])[-1].split())
    says(judges.composectl(), f"refused, as it should (bundle changed): {said[-160:]}")


def manifest_form(manifest: dict[str, Any]) -> dict[str, Any]:
    """All of a manifest but the digests and sizes of what differs in bytes."""
    form = json.loads(json.dumps(manifest))
    for layer in form["layers"]:
        layer["digest"], layer["size"] = layer["digest"].split(":")[0], type(layer["size"]).__name__
        for name, value in layer["annotations"].items():
            layer["annotations"][name] = re.sub(r"[0-9a-f]{64}|^\d+$", "N", value)
    return dict(form)


def test_composectl_publishes_the_same_form(
    factory: Factory, scratch: Path, says: Says, composectl: Callable[..., Any],
) -> None:
    judge = judges.composectl()
    if "publish" not in factory.place.program(*judge.argv, "--help").out:
        pytest.skip("composectl publish could not be had: this one is built without it")
    config = scratch / "docker"
    folder = scratch / "edge"
    # Ours pins what is in release.json; both start from the same source.
    shutil.copytree(factory.containers / "edge", folder)
    reference = f"{factory.lab.hosts['hub']}/acme/edge:theirs"
    composectl("publish", reference, "amd64", cwd=folder, env={"DOCKER_CONFIG": str(config), **INTERPOLATION})
    theirs = copy(factory, reference, scratch / "theirs", config)
    ours = copy(factory, uri(factory, "edge"), scratch / "ours", config)
    assert manifest_form(json.loads(ours["manifest"])) == manifest_form(json.loads(theirs["manifest"]))
    with bundle(ours) as mine, bundle(theirs) as other:
        names = [{member.name.rstrip("/"): member.type for member in tar} for tar in (mine, other)]
        assert names[0] == names[1]
        assert {m.name for m in mine} == set(names[0]) and all(m.mtime == 0 for m in mine)
        for member in mine:
            same = other.getmember(member.name)
            assert bool(member.mode & 0o111) == bool(same.mode & 0o111), member.name
            if member.isfile() and member.name != "docker-compose.yml":
                assert mine.extractfile(member).read() == other.extractfile(same).read(), member.name  # type: ignore
        compose = [tar.extractfile("docker-compose.yml").read() for tar in (mine, other)]  # type: ignore[union-attr]
    projects = []
    for number, text in enumerate(compose):
        file = scratch / f"{number}.yml"
        file.write_bytes(text)
        project = factory.place.program(*judges.fy_tool().argv, file).json()
        for service in project["services"].values():
            assert re.fullmatch(r"[0-9a-f]{64}", service["labels"].pop("io.compose-spec.config-hash"))
        projects.append(project)
    assert projects[0] == projects[1]
    says(judge, "accepted: publishes edge in the same form: the same manifest but for digests (types, annotations, "
                "artifactType, config), the same files, the same Compose file but for the values of config-hash")


def test_aktualizr_lite() -> None:
    """The last reader of an app on a device."""
    pytest.skip("aktualizr-lite could not be had: it is in no package of Debian, and runs on a device with a configuration "
                "of its own")
