#!/usr/bin/python3
"""Measures what pratique takes of a machine, and writes docs/footprint.md: sizes for each kind of machine that it is built for,
the libraries it needs, memory, and how long it takes to start.

    bench/footprint.py [--print]     --print writes no file

It builds what it measures (tools/deb.sh, tools/cross.sh, tools/musl.sh). What cannot be measured is named.
"""

import argparse
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pairs import Command, Contestant  # noqa: E402
from world import ROOT, World, world  # noqa: E402

PAGE = ROOT / "docs/footprint.md"
ROUNDS = 30
DEVICE = ROOT / "build/bin-device"
BUILDS = {"amd64": (ROOT / "build", ""), "arm64": (ROOT / "build-arm64", "aarch64-linux-gnu-"),
          "armhf": (ROOT / "build-armhf", "arm-linux-gnueabihf-")}
PROGRAMS = {"`pratique`, every command": "bin/pratique", "`pratique` of a device": "bin-device/pratique",
            "`docker-credential-pratique`": "bin/docker-credential-pratique"}
# Those of src/*/*_lazy.c, and what needs them.
LATE = {"libcurl.so.4": "whatever goes over the network", "libpsl.so.5": "a registry's token service on another host",
        "libsqlite3.so.0": "the store of secrets", "libarchive.so.13": "`target build`"}


def said(*argv: object, **more: object) -> str:
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=True, **more).stdout


def kib(size: float) -> str:
    return f"{size / 1024:,.0f} KiB"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}", *(f"| {' | '.join(row)} |" for row in rows)]


# Sizes.


def stripped(program: Path, tools: str, folder: Path) -> int:
    copy = folder / "stripped"
    subprocess.run([f"{tools}strip", "-o", copy, program], check=True)
    return copy.stat().st_size


def programs(folder: Path) -> tuple[list[str], dict[str, dict[str, int]]]:
    sizes = {name: {arch: stripped(build / path, tools, folder) for arch, (build, tools) in BUILDS.items()}
             for name, path in PROGRAMS.items()}
    static = stripped(ROOT / "build-musl/bin/docker-credential-pratique", "", folder)
    rows = [[name, *(kib(size) for size in of.values()), kib(static) if "docker" in name else ""] for name, of in sizes.items()]
    return table(["stripped", *BUILDS, "amd64, static with musl"], rows), sizes


def packages(sizes: dict[str, dict[str, int]]) -> list[str]:
    """What is in a package beside the programs is the same everywhere."""
    rows = []
    for name, whole in (("pratique", "`pratique`, every command"), ("pratique-device", "`pratique` of a device")):
        package = next((ROOT / "build-deb").glob(f"{name}_*_amd64.deb"))
        files = [line.split() for line in said("dpkg-deb", "-c", package).splitlines()]
        total = sum(int(words[2]) for words in files if words[0].startswith("-"))
        beside = total - sum(int(words[2]) for words in files if words[5].startswith("./usr/bin/"))
        installed = [beside + sizes[whole][arch] + sizes["`docker-credential-pratique`"][arch] for arch in BUILDS]
        rows.append([f"`{name}`", *map(kib, installed), kib(package.stat().st_size)])
    return table(["all files of", *BUILDS, "to download (amd64)"], rows)


# Libraries.


def needed(file: Path) -> list[str]:
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", said("readelf", "-dW", file))


def place_of(name: str) -> Path:
    found = re.search(rf"^\s*{re.escape(name)} \(libc6,x86-64.*?=> (\S+)$", said("/sbin/ldconfig", "-p"), re.MULTILINE)
    if not found:
        raise SystemExit(f"footprint.py: there is no {name} here")
    return Path(found[1]).resolve()


def closure(names: list[str], known: dict[str, Path]) -> dict[str, Path]:
    """These libraries and all that they need, but not those that are there already."""
    found: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in known or name in found or name.startswith("ld-linux"):
            continue
        found[name] = place_of(name)
        waiting += needed(found[name])
    return found


def libraries() -> list[str]:
    total = lambda of: sum(path.stat().st_size for path in of.values())  # noqa: E731
    libc = closure(["libc.so.6"], {})
    at_start = closure(needed(DEVICE / "pratique"), {})
    rows = [["the helper, when it starts", "`libc.so.6`", "1", kib(total(libc))],
            ["`pratique`, when it starts", ", ".join(f"`{name}`" for name in sorted(at_start)), str(len(at_start)), kib(total(at_start))]]
    for name, why in LATE.items():
        more = closure([name], at_start)
        rows.append([f"{why}: loaded then", f"`{name}`" + (" and what it needs" if len(more) > 1 else ""), str(len(more)), kib(total(more))])
    return table(["", "libraries", "files", "size"], rows)


# Memory and time.


@dataclass
class Measured:
    name: str
    seconds: list[float]
    peak: list[int]

    def row(self) -> list[str]:
        return [self.name, f"{statistics.median(self.seconds) * 1e3:.1f} ms", f"{min(self.seconds) * 1e3:.1f} ms",
                f"{statistics.median(self.peak) / 1024:.1f} MiB"]


def commands(where: World) -> list[Measured]:
    place, lab = where.place, where.lab
    host = lab.hosts["ecr"]
    place.write({"factory-config.yml": f"container_registries:\n- {{type: aws, url: {host}, aws_creds_secret_name: aws_credentials}}\n"})
    secrets = str(lab.secrets_directory)
    # The client's own programs lie together, as installed.
    for folder in (DEVICE, ROOT / "build/bin"):
        env = {**place.env, "PATH": f"{folder}:{place.env['PATH']}"}
    place.program(ROOT / "build/bin/pratique", "--secrets", secrets, "login", env=env)
    helper = str(ROOT / "build/bin/docker-credential-pratique")

    def command(argv: list[str], text: str = "") -> Command:
        return Command(argv, env, place.work, text.encode())

    def cold(_: int) -> Command:
        where.forget()
        return command([helper, "get"], host + "\n")

    device = str(DEVICE / "pratique")
    contestants = [
        Contestant("`docker-credential-pratique get`, from the last answer", lambda _: command([helper, "get"], host + "\n")),
        Contestant("`pratique version`", lambda _: command([device, "version"])),
        Contestant("`pratique config check`", lambda _: command([device, "--secrets", secrets, "config", "check"])),
        Contestant("`credential get`, with no answer yet (ECR, over the lab's network)", cold),
    ]
    for contestant in contestants:
        where.runner.compare([contestant], ROUNDS, warm_up=2)
    return [Measured(c.name, c.seconds, c.kib) for c in contestants]


@contextmanager
def running(argv: list[str], env: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "agent.log").open("wb") as log:
        child = subprocess.Popen(argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(timeout=20)


def agent(where: World) -> list[str]:
    """The row of the agent that waits."""
    name = "`pratique device serve`, waiting"
    if not re.search(r"^  device serve ", said(DEVICE / "pratique", "help"), re.MULTILINE):
        return [name, "not measured: this program has no such command", "", ""]
    folder = where.place.root / "agent"
    folder.mkdir(mode=0o700)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=dev-7", "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"], check=True, capture_output=True)
    configuration = folder / "device.yml"
    configuration.write_text(
        f"identity:\n  certificate: {folder}/certificate.pem\n  key: {folder}/key.pem\nregistries:\n"
        "- type: gateway\n  url: hub.example.com\n  gateway: https://gateway.example.com:8443\n")
    for file in folder.iterdir():
        file.chmod(0o600)
    socket = folder / "socket"
    with running([str(DEVICE / "pratique"), "--device-config", str(configuration), "device", "serve", "--socket", str(socket)],
                 where.place.env, folder) as child:
        started = time.monotonic()
        while not socket.exists():
            if child.poll() is not None or time.monotonic() - started > 20:
                raise SystemExit("footprint.py: the agent did not start:\n" + (folder / "agent.log").read_text())
            time.sleep(0.001)
        ready = time.monotonic() - started
        time.sleep(3)
        status = Path(f"/proc/{child.pid}/status").read_text()
        proportional = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{child.pid}/smaps_rollup").read_text(), re.MULTILINE)
    value = {key: int(re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE)[1]) for key in ("VmRSS", "VmHWM")}
    return [name, f"{ready * 1e3:.1f} ms to its socket", "",
            f"{value['VmRSS'] / 1024:.1f} MiB ({int(proportional[1]) / 1024:.1f} MiB its own share; {value['VmHWM'] / 1024:.1f} MiB at the peak)"]


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    release = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    compiler = said("cc", "--version").splitlines()[0]
    return f"{os.cpu_count()} × {model[1] if model else platform.machine()}, Linux {platform.release()}, {release[1] if release else ''}; {compiler}"


def page() -> str:
    for script in ("tools/deb.sh", "tools/cross.sh", "tools/musl.sh"):
        subprocess.run([ROOT / script], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", ROOT / "build", "--quiet"], check=True)
    with world() as where:
        sizes, known = programs(where.place.root)
        rows = [*(measured.row() for measured in commands(where)), agent(where)]
    return "\n".join([
        "# Footprint", "",
        "`make footprint` measures this and writes this page. Sizes are those of files, in KiB of 1,024 bytes.", "",
        f"{machine()}.", "",
        "## Programs", "", *sizes, "",
        "## Packages", "",
        "The packages of amd64 are built; for the others, the same files with the programs above.", "", *packages(known), "",
        "## Libraries", "",
        "On amd64. Most of them are on any system with curl or docker. A file counts once, where it is needed first.", "", *libraries(), "",
        "## Memory and time", "",
        f"On amd64; {ROUNDS} runs of each, registries and clouds of tests/lab on the same machine. Memory is the peak of the largest\n"
        "process of a command, shared libraries included.", "",
        *table(["", "median", "least", "memory"], rows), "",
    ])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="to standard output only")
    arguments = parser.parse_args()
    text = page()
    if arguments.print:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
