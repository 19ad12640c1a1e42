"""`pratique check` of many tags on one registry (TLS, HTTP/2, Basic), from reading the tree to the last answer, against what people
run for it today, a process a tag, and against curl making the same requests over one set of connections, who is told
beforehand what to ask for. With `--manifests-only` that is one HEAD a tag; without, a GET of each manifest and of each
configuration, for every tag stands for an image of its own."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

from lab.images import base_layer, digest, single
from pairs import BenchFailed, Command, Contestant, ratio, table
from world import ROOT, World

TITLE = "Checking tags before a build"
ROUNDS = 9
GOAL = "Goal: at most 1.3 times curl with the same requests, under 30 MiB."

_TAGS = (1, 10, 50, 200)
_REPOSITORY = "bench/base"
_CRANE = "v0.20.7"
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)


def _crane() -> str | None:
    """Of the Go module proxy, kept with the judges of `make interop`; without it that contestant does not take part."""
    go, folder = shutil.which("go"), ROOT / "build/interop"
    binary = folder / "bin" / f"crane-{_CRANE}"
    if not binary.exists() and go:
        ours = {"GOBIN": str(folder / "bin"), "GOPATH": str(folder / "go"), "GOCACHE": str(folder / "go-cache"),
                "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw -trimpath", "CGO_ENABLED": "0"}
        done = subprocess.run(
            [go, "install", "-p", "2", f"github.com/google/go-containerregistry/cmd/crane@{_CRANE}"],
            cwd="/", env={**os.environ, **ours}, capture_output=True, check=False,
        )
        if done.returncode == 0:
            (folder / "bin" / "crane").rename(binary)
    return str(binary) if binary.exists() else None


def _push(world: World, host: str) -> dict[str, list[str]]:
    """An image a tag; the digests of its manifest and its configuration."""
    base, pusher, digests = base_layer(), world.lab.pusher("tls"), {}
    for number in range(1, max(_TAGS) + 1):
        tag = f"t{number}"
        image = single(base, f"{host}/{_REPOSITORY}:{tag}")
        # The base is there already.
        image.blobs = [blob for blob in image.blobs if blob != base.compressed]
        pusher.push(image, _REPOSITORY, tag)
        digests[tag] = [image.digest, digest(image.blobs[-1])]
    pusher.close()
    return digests


class _Bench:
    def __init__(self, world: World) -> None:
        self.world, self.place, self.host = world, world.place, world.lab.hosts["tls"]
        self.digests = _push(world, self.host)
        place, login = self.place, str(world.lab.credentials.logins()["tls"])
        given = place.root / "given-secrets"
        given.mkdir(mode=0o700)
        self.login = given / "curlrc"
        quoted = login.replace("\\", "\\\\").replace('"', '\\"')
        self.login.write_text(f'user = "{quoted}"\nheader = "Accept: {_ACCEPT}"\n')
        auth = base64.b64encode(login.encode()).decode()
        (given / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
        self.docker_config = given
        place.write({"factory-config.yml": (
            f"container_registries:\n- type: generic\n  url: {self.host}\n  generic_secret_name: tls_creds\n")})

    def tags(self, count: int) -> list[str]:
        return list(self.digests)[:count]

    def ours(self, count: int, *how: str) -> Contestant:
        services = "".join(f"  s{tag}:\n    image: {self.host}/{_REPOSITORY}:{tag}\n" for tag in self.tags(count))
        tree = self.place.write({"docker-compose.yml": f"services:\n{services}"}, f"tree-{count}")
        argv = [self.world.pratique, "--secrets", str(self.world.lab.secrets_directory), "check", str(tree), *how]
        said = subprocess.run([*argv, "--json"], env=self.place.env, cwd=self.place.work, capture_output=True, check=False)
        found = {one["image"].rpartition(":")[2]: one["digest"] for one in json.loads(said.stdout)["images"]}
        if said.returncode != 0 or found != {tag: self.digests[tag][0] for tag in self.tags(count)}:
            raise BenchFailed(f"check did not find what was pushed:\n{said.stderr.decode()[-2000:]}")

        def prepare(_: int) -> Command:
            self.world.forget()
            return Command(argv, self.place.env, self.place.work)

        return Contestant(" ".join(("`pratique check", *how)) + "`", prepare)

    def _each(self, name: str, count: int, at_once: int, *argv: str, **env: str) -> Contestant:
        """A process for each tag, whose reference is its last argument."""
        references = "".join(f"{self.host}/{_REPOSITORY}:{tag}\n" for tag in self.tags(count)).encode()
        command = Command(["xargs", "-P", str(at_once), "-I", "@", *argv], {**self.place.env, **env}, self.place.work, references)
        return Contestant(name, lambda _: command)

    def peers(self, count: int, crane: str | None) -> list[Contestant]:
        skopeo = ("skopeo", "inspect", "--raw", "--authfile", str(self.docker_config / "config.json"), "docker://@")
        found = [self._each("skopeo, one by one", count, 1, *skopeo)]
        if count > 1:
            found.append(self._each("skopeo, eight at a time", count, 8, *skopeo))
        if crane:
            found.append(self._each("crane, eight at a time", count, 8, crane, "digest", "@", DOCKER_CONFIG=str(self.docker_config)))
        return found

    def floor(self, name: str, urls: list[str], *how: str) -> Contestant:
        asked = self.docker_config / f"{name}.curlrc"
        asked.write_text(self.login.read_text() + "".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls))
        command = Command(
            ["curl", "-sS", "--fail", "--parallel", "--parallel-max", "50", "--http2", *how, "-K", str(asked)],
            self.place.env, self.place.work,
        )
        return Contestant("curl, the same requests", lambda _: command)

    def manifests(self, count: int) -> list[str]:
        return [f"https://{self.host}/v2/{_REPOSITORY}/manifests/{tag}" for tag in self.tags(count)]

    def configurations(self, count: int) -> list[str]:
        return [f"https://{self.host}/v2/{_REPOSITORY}/blobs/{self.digests[tag][1]}" for tag in self.tags(count)]


def run(world: World, rounds: int) -> list[str]:
    bench, crane, lines = _Bench(world), _crane(), [GOAL]
    if not crane:
        lines += ["", f"Without crane {_CRANE}, which could not be had here; that contestant is left out."]

    def compare(title: str, contestants: list[Contestant]) -> None:
        world.runner.compare(contestants, rounds)
        lines.extend(["", f"{title}:", "", *table(contestants), "",
                      f"Ours over curl, median of the pairs: {ratio(contestants[0], contestants[-1])}."])

    for count in _TAGS:
        compare(f"{count} tag{'s'[:count - 1]}, manifests only", [
            bench.ours(count, "--manifests-only"), *bench.peers(count, crane),
            bench.floor(f"heads-{count}", bench.manifests(count), "-I"),
        ])
    count = max(_TAGS)
    compare(f"{count} tags, one blob of each tried", [
        bench.ours(count), bench.floor(f"gets-{count}", bench.manifests(count) + bench.configurations(count)),
    ])
    return lines
