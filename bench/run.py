#!/usr/bin/python3
"""Runs the benches in a lab of their own and writes bench/RESULTS.md.

    bench/run.py [--rounds N] [--print] [NAME...]     NAME: login helper build images; --print writes no file
"""

import argparse
import importlib
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pairs import BenchFailed
from world import world

BENCHES = ("login", "helper", "build", "images")
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="runs of each contestant")
    parser.add_argument("--print", action="store_true", help="to standard output only")
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME")
    arguments = parser.parse_args()
    parts = ["# Measured", "", "`make bench` writes this page. Contestants run in turn; medians of all rounds.", "", machine()]
    status = 0
    for name in arguments.names or BENCHES:
        bench = importlib.import_module(name)
        rounds = arguments.rounds or bench.ROUNDS
        print(f"{bench.TITLE}: {rounds} rounds", file=sys.stderr, flush=True)
        with world() as where:
            try:
                lines = bench.run(where, rounds)
            except (BenchFailed, AssertionError) as reason:
                print(f"bench {name}: {reason}", file=sys.stderr)
                status = 1
                continue
        parts += ["", f"## {bench.TITLE}", "", " ".join((bench.__doc__ or "").split()), "", f"{rounds} rounds. {lines[0]}"]
        parts += lines[1:]
    text = "\n".join(parts) + "\n"
    print(text)
    # A page with half of the figures would look like the whole.
    if status == 0 and not arguments.print and not arguments.names:
        RESULTS.write_text(text, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
