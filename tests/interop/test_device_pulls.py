"""Clients of others, which know nothing of devices, pull private images through docker-credential-pratique, as `device setup`
leaves a device: each way in, one registry each."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.place import Place
from lab import Lab

from . import judges
from .conftest import PROGRAMS
from .judges import Judge

IMAGES = {
    "iot": "base:1.2", "roles_anywhere": "tools/compiler:3", "entra": "web/nginx:1.25",
    "federation": "acme-prod/images/web:1.4", "gateway": "fleet/sensor:2",
}
# What the helper says then; Google looks at no revocation.
REVOKED = {
    "iot": "AWS IoT does not know this certificate", "roles_anywhere": "the certificate revoked has been revoked",
    "entra": "AADSTS700027", "gateway": "the gateway refuses the device's certificate",
}


@pytest.fixture
def machine(lab: Lab, scratch: Path) -> Callable[[str], Place]:
    """A device of that name, set up for docker, whose configuration both clients read."""

    def make(name: str) -> Place:
        place = Place(scratch, PROGRAMS, lab.env())
        place.env["PATH"] = f"{PROGRAMS}:{place.env['PATH']}"
        config = lab.device_config(place.work, lab.device(name, "rsa", intermediates=1))
        place.run("--device-config", config, "device", "setup", "--client", "docker", "--no-units", "--socket", scratch / "none")
        return place
    return make


def crane(place: Place, judge: Judge, image: str) -> str:
    """All layers of all platforms, each proved."""
    said = place.program(*judge.argv, "validate", "--remote", image)
    assert f"PASS: {image}" in said.out + said.err, said.text()
    return place.program(*judge.argv, "digest", image).out.strip()


def regctl(place: Place, judge: Judge, image: str) -> str:
    copy = place.work / "copy" / image.partition("/")[0]
    place.program(*judge.argv, "image", "copy", image, f"ocidir://{copy}")
    return str(json.loads((copy / "index.json").read_text())["manifests"][0]["digest"])


@pytest.mark.parametrize("pull", [crane, regctl])
def test_pulls(
    pull: Callable[[Place, Judge, str], str], lab: Lab, machine: Callable[[str], Place], says: Callable[[Judge, str], None],
) -> None:
    judge: Judge = getattr(judges, pull.__name__)()
    place = machine("puller")
    for way, image in IMAGES.items():
        host = lab.device_entry(way)["url"]
        # The same repositories, in another region.
        seeded = lab.hosts["ecr"] if way == "roles_anywhere" else host
        assert pull(place, judge, f"{host}/{image}") == lab.digests[f"{seeded}/{image}"]
    says(judge, f"pulls through the helper by {', '.join(IMAGES)}")


@pytest.mark.parametrize(("which", "words"), [("crane", ("digest",)), ("regctl", ("image", "digest"))])
def test_a_revoked_device(
    which: str, words: tuple[str, ...], lab: Lab, machine: Callable[[str], Place], says: Callable[[Judge, str], None],
) -> None:
    judge: Judge = getattr(judges, which)()
    place = machine("revoked")
    lab.revoke_device("revoked")
    for way, reason in REVOKED.items():
        said = place.program(*judge.argv, *words, f"{lab.device_entry(way)['url']}/{IMAGES[way]}", status=1)
        assert (reason if which == "crane" else "unauthorized") in said.err, said.text()
    says(judge, "a revoked device pulls nothing, and " + ("our reason is shown" if which == "crane" else "no reason is shown"))
