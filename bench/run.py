#!/usr/bin/python3
"""Runs the benches in a lab of their own and writes bench/RESULTS.md; of that page, what was not measured anew stays.

    bench/run.py [--rounds N] [--print] [NAME...]     NAME: login helper device check build images fleet; --print writes no file
"""

import argparse
import importlib
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pairs import BenchFailed
from world import World, world

BENCHES = ("login", "helper", "device", "check", "build", "images", "fleet")
RESULTS = Path(__file__).with_name("RESULTS.md")


def first_line(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    programs = [first_line("buildah", "--version"), first_line("skopeo", "--version"),
                first_line("/usr/bin/aws", "--version").split()[0], " ".join(first_line("curl", "--version").split()[:2])]
    return (
        f"{os.cpu_count()} × {model[1] if model else platform.machine()}, Linux {platform.release()}; "
        f"{', '.join(programs)}. Registries and clouds are those of tests/lab, on the same machine."
    )


def head() -> str:
    return "\n".join([
        "# Measured", "", "`make bench` writes this page. Contestants run in turn; medians of all rounds.", "", machine(), "",
    ])


def sections(page: str) -> dict[str, str]:
    """By title."""
    found = re.split(r"^## (.*)\n", page, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def section(bench: ModuleType, rounds: int, where: World) -> str:
    lines = bench.run(where, rounds)
    about = " ".join((bench.__doc__ or "").split())
    return "\n".join(["", about, "", f"{rounds} rounds. {lines[0]}", *lines[1:], ""])


def write(measured: dict[str, str]) -> None:
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    page = head()
    # Figures of two machines do not belong on one page.
    known = (sections(old) if old.startswith(page) else {}) | measured
    titles = [importlib.import_module(name).TITLE for name in BENCHES]
    page += "".join(f"\n## {title}\n{known[title]}" for title in titles if title in known)
    RESULTS.write_text(page, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="runs of each contestant")
    parser.add_argument("--print", action="store_true", help="to standard output only")
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME")
    arguments = parser.parse_args()
    measured: dict[str, str] = {}
    status = 0
    for name in arguments.names or BENCHES:
        bench = importlib.import_module(name)
        rounds = arguments.rounds or bench.ROUNDS
        print(f"{bench.TITLE}: {rounds} rounds", file=sys.stderr, flush=True)
        with world() as where:
            try:
                measured[bench.TITLE] = section(bench, rounds, where)
            except (BenchFailed, AssertionError) as reason:
                print(f"bench {name}: {reason}", file=sys.stderr)
                status = 1
    print(head() + "".join(f"\n## {title}\n{text}" for title, text in measured.items()))
    if status == 0 and not arguments.print:
        write(measured)
    return status


if __name__ == "__main__":
    sys.exit(main())
