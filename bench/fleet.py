"""100,000 devices get their power back within one minute and want credentials from a service that answers so many requests
a second; 24 hours are simulated. Ours is decided by the product's own src/auth/schedule.c, with which bench/fleet.c is
linked. The naive agent asks at its start, every 5 s after a failure, and 300 s before the end; the third agent waits 120 s
after a failure instead, as Greengrass does after a 4xx. "Wanted" is the share of devices at which somebody waits for a pull from
the start on (the other two ask at once either way). Device-hours: without a credential; of these, while somebody waited; and of these, of
devices that had had one. docs/fleet.md says what follows from it."""

import subprocess
from pathlib import Path

from pairs import BenchFailed
from world import ROOT, World

TITLE = "A fleet after a power cut"
ROUNDS = 1
GOAL = "Goal: where the service has room for everybody, nobody who has a credential loses it."

DEVICES = 100_000
SEED = 1
# Requests a second, and what has such a quota.
QUOTAS = {10: "Roles Anywhere's", 50: "a small one of AWS IoT's", 500: "ECR's"}
LIVES = {43_200: "12 h", 3_600: "1 h"}
AGENTS = [("naive", 1.0), ("greengrass", 1.0), ("ours", 1.0), ("ours", 0.1), ("ours", 0.0)]


def program() -> Path:
    build = ROOT / "build"
    subprocess.run(["ninja", "-C", build, "bench/fleet"], check=True, capture_output=True)
    return build / "bench/fleet"


def simulate(fleet: Path, agent: str, quota: int, life: int, share: float, devices: int = DEVICES) -> dict[str, float]:
    done = subprocess.run([fleet, agent, str(devices), str(quota), str(life), str(share), str(SEED)],
                          capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}


def span(seconds: float) -> str:
    if seconds < 0:
        return "never"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def row(agent: str, share: float, found: dict[str, float]) -> str:
    cells = [
        f"{agent}, {share:.0%} wanted" if agent == "ours" else agent,
        f"{found['requests'] / DEVICES:.1f}", f"{found['peak_per_second']:,.0f}/s", f"{found['throttled_share']:.1%}",
        *(span(found[f"served_{part}"]) for part in (50, 99, 100)),
        f"{found['without_device_hours']:,.0f}", f"{found['waited_device_hours']:,.0f}",
        f"{found['lost_device_hours']:,.0f}",
        f"{found['steady_mean']:.1f}/s", f"{found['steady_peak']:,.0f}/s",
    ]
    return "| " + " | ".join(cells) + " |"


def run(_: World, rounds: int) -> list[str]:
    fleet = program()
    if simulate(fleet, "ours", 50, 3600, 1, 1000) != simulate(fleet, "ours", 50, 3600, 1, 1000):
        raise BenchFailed("the same seed gives other figures")
    lines = [GOAL]
    for life, life_words in LIVES.items():
        for quota, whose in QUOTAS.items():
            lines += ["", f"A quota of {quota} a second ({whose}), credentials of {life_words}:", "",
                      "| | requests a device | peak | throttled | 50% have one | 99% | all | device-hours without | somebody waited | "
                      "lost | last 12 h: mean | peak |",
                      "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
            lines += [row(agent, share, simulate(fleet, agent, quota, life, share)) for agent, share in AGENTS]
    return lines
