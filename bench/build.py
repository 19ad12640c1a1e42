"""`pratique target build` against the engine alone: the same folders built with plain `buildah bud` and pushed with `buildah
push`. Each run begins with empty storage and an empty factory on the hub. Without signing (`--no-tuf`), for deriving a
key from a passphrase is slow by design."""

import base64
import json
import shutil
import statistics
from pathlib import Path

from pairs import Command, Contestant, table
from world import World

TITLE = "Building and publishing two images and one app"
ROUNDS = 7
GOAL = "Goal: ours less than 3% and 100 ms over the engine alone."

_CONFIGURATION = """\
container_registries:
- type: aws
  region: us-east-2
  url: {ecr}
  aws_creds_secret_name: aws_credentials
- type: azure
  url: {azure}
  azure_principal_secret_name: azprincipal
hub:
  url: {hub}/bench
  hub_secret_name: hub_creds
lmp:
  machines: [raspberrypi4-64]
containers:
  platforms: [amd64]
"""
_FILES = {
    "collector/Dockerfile": "FROM {ecr}/base:1.2\nCOPY data /data\nRUN sha256sum /data > /sum\n",
    "web/Dockerfile": "FROM {azure}/web/nginx:1.25\nCOPY data /data\nRUN sha256sum /data > /sum\n",
    "shop/docker-compose.yml": (
        "services:\n  collector:\n    image: {hub}/${{FACTORY}}/collector:latest\n"
        "  web:\n    image: {hub}/${{FACTORY}}/web:latest\n"
    ),
}
_IMAGES = ("collector", "web")


def _authfile(world: World, path: Path) -> None:
    """What `login` of the day leaves: credentials of all registries."""
    lab = world.lab
    password = world.place.program(
        "/usr/bin/aws", "ecr", "get-login-password", "--region", "us-east-2",
        env={"AWS_SHARED_CREDENTIALS_FILE": str(lab.secrets_directory / "aws_credentials")},
    ).out.strip()
    logins = {
        lab.hosts["ecr"]: f"AWS:{password}",
        lab.hosts["azure"]: str(lab.credentials.azure_pull),
        lab.hosts["hub"]: str(lab.credentials.hub),
    }
    path.parent.mkdir(mode=0o700)
    path.write_text(json.dumps({
        "auths": {host: {"auth": base64.b64encode(login.encode()).decode()} for host, login in logins.items()}
    }))


def run(world: World, rounds: int) -> list[str]:
    lab, place = world.lab, world.place
    hosts = lab.hosts
    place.write({"factory-config.yml": _CONFIGURATION.format(**hosts)})
    tree = place.write({name: text.format(**hosts) for name, text in _FILES.items()}, "containers")
    for name in _IMAGES:
        (tree / name / "data").write_bytes(bytes(range(256)) * 4096)
    place.commit(tree)
    authfile = place.root / "given-secrets" / "auth.json"
    _authfile(world, authfile)
    storage = place.root / "storage"

    def fresh() -> dict[str, str]:
        shutil.rmtree(storage, ignore_errors=True)
        storage.mkdir()
        conf = storage / "storage.conf"
        conf.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{storage}/graph"\nrunroot = "{storage}/run"\n')
        world.forget()
        return {**place.env, "CONTAINERS_STORAGE_CONF": str(conf), "BUILDAH_ISOLATION": "chroot"}

    def ours(number: int) -> Command:
        out = place.work / f"out-{number}"
        return Command(
            [world.pratique, "--secrets", str(lab.secrets_directory), "target", "build", str(tree), "--hub",
             f"{hosts['hub']}/ours{number}", "--no-tuf", "--version", "1", "--tag", "main", "--out", str(out)],
            fresh(), place.work,
        )

    script = place.write({"engine.sh": "\n".join([
        "set -eu",
        *(
            f'buildah bud --layers --authfile "$1" --platform linux/amd64 --tag "$2/{name}:1" "$3/{name}"\n'
            f'buildah push --authfile "$1" "$2/{name}:1"' for name in _IMAGES
        ), "",
    ])}) / "engine.sh"

    def engine(number: int) -> Command:
        return Command(
            ["/bin/sh", str(script), str(authfile), f"{hosts['hub']}/engine{number}", str(tree)], fresh(), place.work
        )

    contestants = [Contestant("`pratique target build`", ours), Contestant("`buildah bud`, `buildah push`", engine)]
    world.runner.compare(contestants, rounds)
    over = [a - b for a, b in zip(contestants[0].seconds, contestants[1].seconds, strict=True)]
    median = statistics.median(over)
    share = median / statistics.median(contestants[1].seconds) * 100
    return [GOAL, "", *table(contestants), "", f"Ours over the engine, median of the pairs: {median * 1e3:+.0f} ms ({share:+.1f}%)."]
