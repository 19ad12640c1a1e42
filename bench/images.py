"""`pratique images --json` over trees of Dockerfiles and Compose files, against what people write for it today (Node with
dockerfile-ast and js-yaml; Python with libyaml and a regular expression), and against merely reading the files. All write to
/dev/null. The contents are random in form and size, from a fixed seed; no two files are alike."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pairs import BenchFailed, Command, Contestant, ratio, table
from world import World

TITLE = "Finding the images of a tree"
ROUNDS = 15
GOAL = "Goal: at most 1.3 times reading the files, under 30 MiB."

_HERE = Path(__file__).resolve().parent
_SIZES = (1000, 10000)
_WORDS = (
    "alpha amber api app atlas audit auth backup batch beacon billing bridge broker cache camera canvas catalog cdn chart chat "
    "collector config console core cron data delta dispatch edge events export feed field flow forge gateway geo graph grid "
    "harbor history hub image index ingest invoice job kernel ledger lens log mail map media mesh metrics mirror monitor node "
    "notify orbit order outbox pager parser pay pilot ping planner pool portal probe proxy queue radar relay report router "
    "scan schedule search sensor session signal sink spool stats store stream sync task telemetry token track vault video web"
).split()
_HOSTS = ("registry.example.com", "123456789012.dkr.ecr.us-east-2.amazonaws.com", "acme.azurecr.io", "ghcr.io/acme",
          "us-docker.pkg.dev/acme-prod", "quay.io/acme", "localhost:5000")
_BASES = ("alpine:3.19", "debian:bookworm-slim", "python:3.12-slim", "node:20-alpine", "golang:1.22", "ubuntu:22.04", "nginx:1.25",
          "eclipse-temurin:21-jre", "rust:1.77-slim", "postgres:16", "redis:7-alpine", "rabbitmq:3-management")


class Writer:
    """Files of usual and less usual forms."""

    def __init__(self, seed: int) -> None:
        self._r = random.Random(seed)

    def word(self) -> str:
        return self._r.choice(_WORDS)

    def chance(self, of_a_hundred: int) -> bool:
        return self._r.randrange(100) < of_a_hundred

    def image(self) -> str:
        r = self._r
        if self.chance(40):
            return r.choice(_BASES)
        name = f"{r.choice(_HOSTS)}/{self.word()}/{self.word()}"
        if self.chance(10):
            return f"{name}@sha256:{r.randbytes(32).hex()}"
        return f"{name}:{r.randrange(9)}.{r.randrange(30)}.{r.randrange(99)}"

    def sentence(self) -> str:
        return " ".join(self.word() for _ in range(self._r.randint(3, 12)))

    def dockerfile(self) -> str:
        r, lines = self._r, []
        if self.chance(25):
            lines.append("# syntax=docker/dockerfile:1")
        if self.chance(30):
            lines += [f"# {self.sentence()}" for _ in range(r.randint(1, 12))]
        base = self.image()
        if self.chance(30):
            name, _, tag = base.rpartition(":")
            lines += [f"ARG VERSION={tag}"]
            base = name + (":${VERSION}" if self.chance(70) else ":$VERSION")
        stages = [self.word() for _ in range(r.choice((0, 0, 0, 1, 1, 2)))]
        for number, stage in enumerate([*stages, ""]):
            start = base if number == 0 else self.image()
            platform = "--platform=$BUILDPLATFORM " if self.chance(8) else ""
            lines += ["", f"FROM {platform}{start}" + (f" AS {stage}{number}" if stage else "")]
            for _ in range(r.randint(2, 14)):
                lines += self._instruction()
            if number and not stage:
                lines.append(f"COPY --from={number - 1} /out/{self.word()} /usr/local/bin/")
            if self.chance(5):
                lines.append(f"COPY --from={self.image()} /bin/{self.word()} /bin/")
        lines.append(r.choice(('CMD ["/app/run", "--flag"]', "CMD run --all", f'ENTRYPOINT ["/bin/{self.word()}"]')))
        return "\n".join(lines) + "\n"

    def _instruction(self) -> list[str]:
        r = self._r
        kind = r.randrange(12)
        if kind < 3:
            packages = sorted({self.word() for _ in range(r.randint(2, 12))})
            return ["RUN apt-get update && apt-get install -y --no-install-recommends \\",
                    *(f"    {p} \\" for p in packages), "    && rm -rf /var/lib/apt/lists/*"]
        if kind == 3:
            return [f"# {self.sentence()}"]
        if kind == 4:
            return [f"ENV {self.word().upper()}={self.word()} {self.word().upper()}_DIR=\"/opt/{self.word()}\""]
        if kind == 5:
            return [f"RUN --mount=type=cache,target=/root/.cache/{self.word()} make {self.word()}"]
        if kind == 6 and self.chance(30):
            return ["RUN <<EOF", f"set -e; echo {self.sentence()}", "EOF"]
        if kind == 7:
            return [f"LABEL org.example.{self.word()}=\"{self.sentence()}\""]
        return [r.choice((f"WORKDIR /srv/{self.word()}", f"COPY {self.word()}/ ./{self.word()}/", f"EXPOSE {r.randrange(1, 65535)}",
                          f"RUN {self.word()} --{self.word()} {self.word()} > /dev/null", f"USER {self.word()}", ""))]

    def compose(self) -> str:
        r, step = self._r, self._r.choice((2, 2, 2, 4))
        lines = ["---"] if self.chance(10) else []
        if self.chance(50):
            lines.append(r.choice(('version: "3.8"', "version: '3'", "version: '2.4'")))
        if self.chance(20):
            lines += ["x-common: &common", " " * step + "restart: unless-stopped", " " * step + "logging:",
                      " " * 2 * step + "driver: json-file"]
        merged = any("&common" in line for line in lines)
        lines.append("services:")
        names = sorted({self.word() for _ in range(r.randint(1, 7))})
        for name in names:
            lines.append(" " * step + f"{name}:")
            lines += [" " * 2 * step + line for line in self._service(names, merged)]
            if self.chance(30):
                lines.append("")
        if self.chance(50):
            lines += ["volumes:", *(" " * step + f"{self.word()}-{n}:" for n in range(r.randint(1, 4)))]
        return "\n".join(lines) + "\n"

    def compose_as_found(self) -> str:
        """Now and then from an editor of another system."""
        text = self.compose()
        return text.replace("\n", "\r\n") if self.chance(4) else text

    def _service(self, names: list[str], merged: bool) -> Iterator[str]:
        r = self._r
        image = self.image()
        if self.chance(20):
            image = image.rpartition(":")[0] + ":${TAG:-" + image.rpartition(":")[2] + "}"
        if merged and self.chance(70):
            yield "<<: *common"
        if self.chance(15):
            yield from ("build:", f"  context: ./{self.word()}", "  dockerfile: Dockerfile")
        yield "image: " + r.choice((image, image, image, f'"{image}"', f"'{image}'")) + (" # pinned" if self.chance(5) else "")
        if self.chance(60):
            port = r.randrange(1024, 65000)
            yield from r.choice(((f'ports: ["{port}:80"]',), ("ports:", f'  - "{port}:80"', f"  - {port + 1}:443")))
        if self.chance(70):
            yield "environment:"
            if self.chance(50):
                yield from (f"  - {self.word().upper()}_{n}={self.word()}" for n in range(r.randint(1, 12)))
            else:
                yield from (f"  {self.word().upper()}_{n}: {r.choice((self.word(), '${X:-y}', '8080'))}" for n in range(r.randint(1, 12)))
        if self.chance(50):
            yield from ("volumes:", *(f"  - ./{self.word()}:/{self.word()}/{n}:ro" for n in range(r.randint(1, 5))))
        if self.chance(8):
            yield from ("command: >-", f"  {self.sentence()}", f"  --{self.word()}")
        elif self.chance(2):
            yield from ("command: [", f'  "{self.word()}",', f'  "--{self.word()}"', "]")
        elif self.chance(2):
            yield from (f"command: {self.sentence()}", f"  --{self.word()}")
        elif self.chance(30):
            yield r.choice((f"command: {self.sentence()}", f'command: ["{self.word()}", "--{self.word()}"]'))
        if self.chance(30):
            yield from ("healthcheck:", '  test: ["CMD", "curl", "-f", "http://localhost"]', "  interval: 30s", "  retries: 3")
        if self.chance(40):
            yield from ("depends_on:", f"  - {r.choice(names)}")
        if self.chance(20):
            yield f"# {self.sentence()}"
        if self.chance(25):
            yield from ("labels:", *(f'  - "{self.word()}.{n}={self.sentence()}{r.choice(("", "", "", " für"))}"' for n in range(r.randint(1, 6))))


def make_tree(root: Path, count: int, seed: int = 1) -> int:
    """`count` files, half of each; their bytes."""
    writer, total, made = Writer(seed), 0, 0
    while made < count:
        folder = root / f"{writer.word()}-{made % 97:02}" / f"{writer.word()}{made}"
        folder.mkdir(parents=True)
        contents = {"Dockerfile": writer.dockerfile()}
        if made + 1 < count:
            contents["docker-compose.yml" if writer.chance(60) else "compose.yaml"] = writer.compose_as_found()
        for name, text in contents.items():
            data = text.encode()
            (folder / name).write_bytes(data)
            total, made = total + len(data), made + 1
    return total


def _node_modules(folder: Path) -> bool:
    """The packages of the Node contestant, from its registry; without one it does not take part."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        return False
    folder.mkdir()
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "dockerfile-ast@0.7", "js-yaml@4"]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True).returncode == 0


def run(world: World, rounds: int) -> list[str]:
    place = world.place
    lines = [GOAL]
    modules = place.root / "node"
    node = _node_modules(modules)
    if not node:
        lines += ["", "Without Node or its packages here; that contestant is left out."]
    for count in _SIZES:
        tree = place.root / f"tree-{count}"
        size = make_tree(tree, count)

        def to_nowhere(*argv: str, folder: Path = tree, **env: str) -> Command:
            return Command(["/bin/sh", "-c", 'exec "$@" > /dev/null', "sh", *argv], {**place.env, **env}, folder)

        ours = to_nowhere(world.pratique, "images", ".", "--json")
        reading = Command(["/bin/sh", "-c", "find . -type f -print0 | xargs -0 cat > /dev/null"], place.env, tree)
        peers = [("Python, libyaml, a regular expression", to_nowhere("/usr/bin/python3", str(_HERE / "images_python.py"), "."))]
        if node:
            peers.append(("Node, dockerfile-ast, js-yaml", to_nowhere(
                "node", str(_HERE / "images_node.js"), ".", NODE_PATH=str(modules / "node_modules"))))
        found = subprocess.run([world.pratique, "images", ".", "--json"], cwd=tree, env=place.env, capture_output=True, check=False)
        if found.returncode != 0 or found.stdout.count(b'"file": ') < count:
            raise BenchFailed(f"images found too little:\n{found.stderr.decode()[-2000:]}")
        contestants = [
            Contestant("`pratique images`", lambda _, c=ours: c),
            *(Contestant(name, lambda _, c=command: c) for name, command in peers),
            Contestant("`find`, `xargs cat`", lambda _, c=reading: c),
        ]
        world.runner.compare(contestants, rounds)
        lines += ["", f"{count} files, {size / 1e6:.1f} MB:", "", *table(contestants), "",
                  f"Ours over reading alone, median of the pairs: {ratio(contestants[0], contestants[-1])}."]
        shutil.rmtree(tree)
    return lines
