"""Measures contestants in turn, A B A B, so that what the machine does meanwhile falls on all of them alike."""

import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("measure.c")


@dataclass(frozen=True)
class Command:
    argv: list[str]
    env: dict[str, str]
    cwd: Path
    input: bytes = b""


@dataclass
class Contestant:
    name: str
    # Prepares run number N, outside of what is measured; what it returns is run.
    prepare: Callable[[int], Command]
    seconds: list[float] = field(default_factory=list)
    # Of the processor, which says more than the clock where others work too.
    cpu: list[float] = field(default_factory=list)
    kib: list[int] = field(default_factory=list)


class BenchFailed(Exception):
    """A contestant did not do what it was asked, so that its time says nothing."""


class Runner:
    def __init__(self, folder: Path) -> None:
        self._program = folder / "measure"
        self._report = folder / "measure.report"
        self._log = folder / "measure.log"
        subprocess.run(["cc", "-O2", "-std=gnu17", "-o", self._program, SOURCE], check=True)

    def once(self, command: Command) -> tuple[float, float, int]:
        """Seconds, seconds of the processor, and KiB at the peak of the largest process."""
        self._report.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            subprocess.run(
                [self._program, self._report, *command.argv], env=command.env, cwd=command.cwd, input=command.input,
                stdout=log, stderr=log, check=True,
            )
        took, cpu, peak, status = map(int, self._report.read_text().split())
        if status != 0:
            output = self._log.read_text(errors="replace")[-3000:]
            raise BenchFailed(f"{command.argv[0]} ended with status {status}:\n{output}")
        return took / 1e9, cpu / 1e9, peak

    def compare(
        self, contestants: list[Contestant], rounds: int, warm_up: int = 1,
        after: Callable[[Contestant], None] = lambda _: None,
    ) -> None:
        """`after` is called after each run that counts."""
        for number in range(-warm_up, rounds):
            for contestant in contestants:
                seconds, cpu, kib = self.once(contestant.prepare(number + warm_up))
                if number >= 0:
                    contestant.seconds.append(seconds)
                    contestant.cpu.append(cpu)
                    contestant.kib.append(kib)
                    after(contestant)


def table(contestants: list[Contestant]) -> list[str]:
    """Markdown; the first contestant is ours, and the ratios are to it."""
    ours = statistics.median(contestants[0].seconds)
    lines = [
        "| | median | min to max | processor | peak of the largest process | times ours |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for c in contestants:
        median = statistics.median(c.seconds)
        lines.append(
            f"| {c.name} | {median * 1e3:.1f} ms | {min(c.seconds) * 1e3:.1f} to {max(c.seconds) * 1e3:.1f} ms "
            f"| {statistics.median(c.cpu) * 1e3:.1f} ms | {statistics.median(c.kib) / 1024:.1f} MiB | {median / ours:.2f} |"
        )
    return lines


def ratio(contestant: Contestant, floor: Contestant) -> str:
    """Run by run, for what the machine does meanwhile falls on both of a pair."""
    pairs = sorted(a / b for a, b in zip(contestant.seconds, floor.seconds, strict=True))
    low, _, high = statistics.quantiles(pairs, n=4)
    return f"{statistics.median(pairs):.2f} times (half of the pairs: {low:.2f} to {high:.2f})"
